"""Legendre functions and spherical harmonics of `scipy.special`, of known degrees and orders.

Derivatives are those of the NIST Digital Library of Mathematical Functions (DLMF), 14.10 and 18.9; of spherical
harmonics those by ladder operators (14.30). None has a quotient by the sine, so that they hold at the poles.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError
from graphad.op import Sample
from graphad.ops.complex import absolute
from graphad.ops.elementwise import Partial, cast, elementwise
from graphad.ops.rounding import maximum
from graphad.ops.select import select
from graphad.ops.special.base import Ordered, fixed, floating
from graphad.ops.transcendental import exp, sin, sqrt
from graphad.trace import UFUNCS, Tracer
from graphad.types import Array


class LegendreDerivative(Ordered):
    """The `k`-th derivative of the Legendre polynomial of degree `n`, of Gegenbauer's (DLMF 18.9.19); of `n, z`."""

    host_only = "SciPy computes it, for NumPy's arrays"
    k: int
    kinds = "fdFD"

    @property
    def partials(self) -> Sequence[Partial]:
        return None, lambda out, n, z: LegendreDerivative(self.k + 1)(n, z)

    def eval(self, xp: Any, *xs: Any) -> Array:
        from scipy import special

        n, z = xs
        factor = math.prod(range(1, 2 * self.k, 2))
        wide = z.astype("c16" if z.dtype.kind == "c" else "f8")
        found = special.eval_gegenbauer(np.maximum(n - self.k, 0), self.k + 0.5, wide)
        return np.where(n < self.k, 0.0, factor * found).astype(z.dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        n, x = np.array([0, 2, 5]), np.array([[0.5, -0.3, 0.9], [1.0, -1.0, 0.0]])
        for k in (0, 1, 2):
            yield Sample(cls(k), (n, x))
        yield Sample(cls(0), (n, x.astype("f4")))
        yield Sample(cls(1), (n, x + 0.5j))


class SphLegendre(Ordered):
    """SciPy's `sph_legendre_p`, normalised for spherical harmonics, with operands `n, m, theta`."""

    host_only = "SciPy computes it, for NumPy's arrays"
    orders = 2

    @property
    def partials(self) -> Sequence[Partial]:
        return None, None, lambda out, n, m, theta: self.derivative(1, n, m, theta)

    def derivative(self, k: int, n: Array, m: Array, theta: Array) -> Array:
        """The `k`-th derivative in `theta`, by the ladder operators, which have no quotient by the sine.

        SciPy takes the sine's absolute value, which turns the sign where the sine is negative.
        """
        if k == 0:
            return self(n, m, theta)
        up, down = (n - m) * (n + m + 1), (n + m) * (n - m + 1)
        roots = [sqrt(cast(maximum(x, 0), theta.dtype)) for x in (up, down)]
        upper, lower = self.derivative(k - 1, n, m + 1, theta), self.derivative(k - 1, n, m - 1, theta)
        slope = 0.5 * (roots[0] * upper - roots[1] * lower)
        return select(sin(theta) < 0, -slope, slope)

    def eval(self, xp: Any, *xs: Any) -> Array:
        from scipy import special

        n, m, theta = xs
        return special.sph_legendre_p(n, m, theta)[0].astype(theta.dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        n, m = np.array([0, 2, 5]), np.array([0, -1, 3])
        theta = np.array([[0.5, 1.3, 2.9], [1.0, 0.7, -2.0]])
        yield Sample(cls(), (n, m, theta))
        yield Sample(cls(), (n[:, None, None], m, theta.astype("f4")))


def _known_orders(name: str, **orders: Any) -> list[Array]:
    """The orders as arrays; the degree `n` may not be negative."""
    for operand, x in orders.items():
        if isinstance(x, Tracer) or np.asarray(x).dtype.kind not in "iu":
            raise MissingRuleError(f"{name}: {operand} must be a known integer; its values select the formula")
        if operand == "n" and np.any(np.asarray(x) < 0):
            raise MissingRuleError(f"{name}: the degree n must not be negative")
    return [np.asarray(x, "i8") for x in orders.values()]


def _floating(x: Any) -> Any:
    return cast(x, floating(x.dtype))


def legendre_p(n: Any, z: Any, diff_n: int = 0) -> Any:
    """SciPy's `legendre_p` of known degrees, with derivatives along a new first axis."""
    (n,) = _known_orders("legendre_p", n=n)
    return np.stack([LegendreDerivative(k)(n, _floating(z)) for k in range(diff_n + 1)])


def sph_legendre_p(n: Any, m: Any, theta: Any, diff_n: int = 0) -> Any:
    """SciPy's `sph_legendre_p` of known degrees and orders, with derivatives along a new first axis."""
    n, m = _known_orders("sph_legendre_p", n=n, m=m)
    return np.stack([SphLegendre().derivative(k, n, m, _floating(theta)) for k in range(diff_n + 1)])


def sph_harm_y(n: Any, m: Any, theta: Any, phi: Any, diff_n: int = 0) -> Any:
    """SciPy's `sph_harm_y` of known degrees and orders, followed by its gradient and Hessian."""
    theta, phi = np.broadcast_arrays(theta, phi)
    n, m = _known_orders("sph_harm_y", n=n, m=m)
    legendre: Any = sph_legendre_p(n, m, theta, diff_n)
    imaginary = np.asarray(1j * m, np.result_type(legendre.dtype, np.complex64))
    angle = exp(imaginary * _floating(phi))
    value = legendre[0] * angle
    if diff_n == 0:
        return value
    gradient = np.stack([legendre[1] * angle, imaginary * value], -1)
    if diff_n == 1:
        return value, gradient
    mixed = imaginary * legendre[1] * angle
    rows = [[legendre[2] * angle, mixed], [mixed, imaginary * imaginary * value]]
    return value, gradient, np.stack([np.stack(row, -1) for row in rows], -2)


def assoc_legendre_p(n: Any, m: Any, z: Any, branch_cut: int = 2, norm: bool = False, diff_n: int = 0) -> Any:
    """SciPy's `assoc_legendre_p` of a known degree and order: `m` derivatives of Legendre's polynomial (DLMF 14.6.1).

    Raises `MissingRuleError` for `diff_n` other than 0, of which the derivatives of this function are those.
    """
    if diff_n:
        raise MissingRuleError("assoc_legendre_p: diff_n must be 0; take the derivative of the function itself")
    (n,), order = _known_orders("assoc_legendre_p", n=n), _scalar_order("assoc_legendre_p", m)
    z = _floating(z)
    size = abs(order)
    sign = (-1.0) ** size if branch_cut == 2 and order >= 0 else 1.0
    factor = np.array([sign * _factor(int(k), order, norm) for k in n.ravel()]).reshape(n.shape)
    found = _legendre_root(z, size, branch_cut) * (factor.astype(z.dtype) * LegendreDerivative(size)(n, z))
    if z.dtype.kind != "c" and order:
        # Beyond the branch points SciPy has no real values, of even orders neither.
        beyond = absolute(z) > 1 if branch_cut == 2 else (z < 1) & (z != -1)
        found = np.where(beyond & (n >= size), np.nan, found)
    return np.stack([found])


def _scalar_order(name: str, m: Any) -> int:
    (order,) = _known_orders(name, m=m)
    if order.ndim or abs(int(order)) > 150:
        raise MissingRuleError(f"{name}: m must be one known integer, at most 150; its value selects the formula")
    return int(order)


def _factor(n: int, m: int, norm: bool) -> float:
    """What a negative order and the normalisation multiply the function of order `abs(m)` by."""
    if abs(m) > n:
        return 0.0
    below, above = math.factorial(n - abs(m)), math.factorial(n + abs(m))
    if norm:
        return math.sqrt((2 * n + 1) * below / (2 * above))
    return below / above if m < 0 else 1.0


def _legendre_root(z: Any, m: int, branch_cut: int) -> Any:
    """`(1 - z**2) ** (m / 2)`, or of `z**2 - 1`: without a root for an even order."""
    below, above = (1 - z, 1 + z) if branch_cut == 2 else (z - 1, z + 1)
    whole = (below * above) ** (m // 2)
    return whole * (sqrt(below) * sqrt(above)) if m % 2 else whole


lpmv: Any = elementwise(
    "lpmv", code="special_lpmv({0}, {1}, {2})", singular=True, domain=((0.0, 0.0), (2.0, 2.0), (-0.8, 0.8)),
    partials=[
        fixed("lpmv", "m"), fixed("lpmv", "v"),
        lambda out, m, v, x: (v * x * out - (v + m) * lpmv(m, v - 1, x)) / ((x - 1) * (x + 1)),
    ],
)  # fmt: skip


def _lpmv(m: Any, v: Any, x: Any) -> Any:
    """Of a known integer order and degree by derivatives that hold at -1 and 1."""
    if all(isinstance(k, (int, np.integer)) for k in (m, v)) and abs(m) <= 150 and v >= 0:
        return assoc_legendre_p(v, m, x)[0]
    return lpmv(m, v, x)


UFUNCS["lpmv"] = _lpmv


__all__ = [
    "LegendreDerivative", "SphLegendre", "assoc_legendre_p", "legendre_p", "lpmv", "sph_harm_y", "sph_legendre_p",
]  # fmt: skip

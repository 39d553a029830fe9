"""Elliptic integrals, the arithmetic-geometric mean and Jacobi's elliptic functions of `scipy.special`.

Derivatives are those of the NIST Digital Library of Mathematical Functions (DLMF) 19.4, 19.16, 19.18, 19.25 and 22.13.
A
derivative of one of Carlson's integrals is an integral of the same kind with a power raised. There is an op for all of
them, so that derivatives of every order keep their digits where operands are close to each other, where the relations
among the integrals divide zero by zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError
from graphad.op import Sample, Traced
from graphad.ops.arithmetic import square
from graphad.ops.complex import absolute
from graphad.ops.elementwise import Partial, elementwise, scalar
from graphad.ops.lowering import by_decomposition
from graphad.ops.select import select
from graphad.ops.special.base import RealFunction, RealSamples, Result, near_zero, with_results
from graphad.ops.transcendental import sin, sqrt
from graphad.types import Array

_STEP, _DECAY = 0.4, 38.0
"""The step of the trapezoidal rule in the logarithm, and the exponent to which the integrand decays."""
_CHUNK = 512
_NODES = 1000
"""Nodes of the rule for traced operands, of which more than 100 decades apart give NaN."""


def carlson_integral(q: int, twice: Sequence[int], *xs: Array) -> Array:
    """The integral of `t**q * prod((t + x[i]) ** (-twice[i] / 2))` over positive `t`, of float64 vectors.

    Infinite where it diverges, NaN for a negative operand. The trapezoidal rule in `log(t)` has an error that decays
    as `exp(-2 pi**2 / step)`, since the integrand is analytic within pi of the axis.
    """
    x = np.stack(np.broadcast_arrays(*xs)).astype("f8")
    powers = 0.5 * np.asarray(twice)[:, None]
    below = q + 1 - np.sum(np.where(x == 0, powers, 0.0), axis=0)
    proper = np.all((x >= 0) & np.isfinite(x), axis=0)
    out = np.where(proper & (below <= 0), np.inf, np.where(np.any(np.isinf(x), axis=0), 0.0, np.nan))
    inside = proper & (below > 0)
    if isinstance(x, Traced):
        safe = np.where(inside, x, 1.0)
        return np.where(inside, _carlson_part(q, powers, safe, np.where(inside, below, 1.0)), out)
    places = np.flatnonzero(inside)
    for start in range(0, places.size, _CHUNK):
        part = places[start : start + _CHUNK]
        out[part] = _carlson_part(q, powers, x[:, part], below[part])
    return out


def _carlson_part(q: int, powers: Array, x: Array, below: Array) -> Array:
    scale = np.max(x, axis=0)
    x = x / scale
    above = float(np.sum(powers)) - q - 1
    first = np.log(np.min(np.where(x == 0, 1.0, x), axis=0)) - _DECAY / below
    last = _DECAY / above
    if isinstance(x, Traced):
        count = _NODES
        enough = last - first <= _STEP * count
        at = first + _STEP * np.arange(count + 1)[:, None]
        t, weights = np.exp(np.minimum(at, last + 1)), np.where(enough, _STEP, np.nan) * (at <= last + 1)
    else:
        count = math.ceil(float(np.max(last - first)) / _STEP)
        t, weights = np.exp(first + _STEP * np.arange(count + 1)[:, None]), _STEP
    terms = t ** (q + 1)
    for power, operand in zip(powers, x, strict=True):
        terms = terms * (t + operand) ** -power
    if isinstance(x, Traced):
        return np.sum(weights * terms, axis=0) * scale**-above
    return weights * np.sum(terms, axis=0) * scale**-above


class CarlsonIntegral(RealFunction):
    """`carlson_integral` of its operands, as many as `twice` has entries."""

    q: int
    twice: tuple[int, ...]

    @property
    def partials(self) -> Sequence[Partial]:
        return [_raised(i, self.q, self.twice, 1.0) for i in range(len(self.twice))]

    def eval(self, xp: Any, *xs: Any) -> Array:
        return self.composed(*xs) if xp is np else by_decomposition(self, xp, xs, "composed")

    def composed(self, *xs: Any) -> Array:
        operands = np.broadcast_arrays(*xs)
        with np.errstate(all="ignore"):
            found = carlson_integral(self.q, self.twice, *[np.ravel(x) for x in operands])
        return found.reshape(operands[0].shape).astype(xs[0].dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        xs = np.array([[0.3, 1.0], [2.5, 4.0]]), np.array([0.7, 1.0]), np.array(1.0)
        yield Sample(cls(0, (1, 1, 3)), xs)
        yield Sample(cls(1, (3, 1, 1)), tuple(x.astype("f4") for x in xs))
        yield Sample(cls(0, (1, 2)), (xs[0], xs[0] + 0.0))


def _raised(i: int, q: int, twice: tuple[int, ...], factor: float) -> Partial:
    """The derivative in operand `i` of `factor` times the integral."""
    power = 0.5 * twice[i]
    op = CarlsonIntegral(q, tuple(n + 2 * (i == j) for j, n in enumerate(twice)))

    def slope(out: Array, *xs: Any) -> Array:
        if xs[0].dtype.kind == "c":
            raise MissingRuleError("Carlson's integrals have derivatives in real operands only")
        return -factor * power * op(*xs)

    return slope


def _carlson(name: str, twice: tuple[int, ...], factor: float) -> Any:
    operands = ", ".join(f"{{{i}}}" for i in range(len(twice)))
    return elementwise(
        name, code=f"special_{name}({operands})", singular=True, domain=(0.3, 3.0), base=RealSamples,
        partials=[_raised(i, 0, twice, factor) for i in range(len(twice))],
    )  # fmt: skip


elliprc = _carlson("elliprc", (1, 2), 0.5)
elliprf = _carlson("elliprf", (1, 1, 1), 0.5)
elliprd = _carlson("elliprd", (1, 1, 3), 1.5)
elliprj = _carlson("elliprj", (1, 1, 1, 2), 1.5)
# Of degree 1/2: its derivatives are those of an integral with a factor t (DLMF 19.16.9).
elliprg = elementwise(
    "elliprg", code="special_elliprg({0}, {1}, {2})", singular=True, domain=(0.3, 3.0), base=RealSamples,
    partials=[_raised(i, 1, (1, 1, 1), -0.25) for i in range(3)],
)  # fmt: skip


def _agm_slope(out: Array, a: Array, b: Array) -> Array:
    """In `a`: of `pi / (2 elliprf(0, a**2, b**2))` (DLMF 19.20.1, 19.22.8); a mean of 0 and a number is 0."""
    nothing = scalar(0, a.dtype)
    slope = 2 / (3 * math.pi) * absolute(a) * out * out * elliprd(nothing, b * b, a * a)
    at_edge = select(a == 0, scalar(math.inf, a.dtype), nothing)
    return select(out == 0, at_edge, slope)


agm = elementwise(
    "agm", code="special_agm({0}, {1})", singular=True, domain=(0.3, 3.0),
    partials=[lambda out, a, b: _agm_slope(out, a, b), lambda out, a, b: _agm_slope(out, b, a)],
)  # fmt: skip


class IncompleteElliptic(RealFunction):
    """The integral of `sin(t)**(2 k) * (1 - m sin(t)**2) ** (-p - 1/2)` from 0 to `phi`; operands `phi, m`.

    With `k` and `p` 0 it is `ellipkinc`; its derivative in `m` is `p + 1/2` times that with both of them one more. As
    one of Carlson's integrals it follows by `sin(t)**2 == sin(phi)**2 / (s + 1)` (DLMF 19.25.5).
    """

    k: int
    p: int

    @property
    def partials(self) -> Sequence[Partial]:
        k, p = self.k, self.p

        def in_angle(out: Array, phi: Array, m: Array) -> Array:
            s = square(sin(phi))
            return s**k * (1 - m * s) ** (-p - 0.5)

        return in_angle, lambda out, phi, m: (p + 0.5) * IncompleteElliptic(k + 1, p + 1)(phi, m)

    def eval(self, xp: Any, *xs: Any) -> Array:
        return self.composed(*xs) if xp is np else by_decomposition(self, xp, xs, "composed")

    def composed(self, *xs: Any) -> Array:
        phi, m = np.broadcast_arrays(*[x.astype("f8") for x in xs])
        turns = np.round(phi / np.pi)
        s, c = np.sin(phi - turns * np.pi), np.cos(phi)
        with np.errstate(all="ignore"):
            part = s ** (2 * self.k + 1) * self._quarter(c * c, 1 - m * s * s)
            whole = np.where(turns == 0, 0.0, 2 * turns * self._quarter(0 * m, 1 - m))
        return (0.5 * (part + whole)).astype(xs[0].dtype)

    def _quarter(self, x: Array, y: Array) -> Array:
        powers = (1, 2 * self.p + 1, 2 * (self.k - self.p) + 1)
        found = carlson_integral(0, powers, np.ravel(x), np.ravel(y), np.ones(x.size))
        return found.reshape(x.shape)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        phi, m = np.array([[0.5, -1.3, 2.9], [1.0, 0.0, 5.0]]), np.array([0.3, 0.0, 0.8])
        for k, p in ((0, 0), (1, 1), (1, 0)):
            yield Sample(cls(k, p), (phi, m))
        yield Sample(cls(1, 1), (phi.astype("f4"), m.astype("f4")))


_UNIT = (0.1, 0.9)
_SQUARES = [math.prod((2 * i - 1) / (2 * i) for i in range(1, n + 1)) ** 2 for n in range(26)]
"""The coefficients of `2 / pi ellipk(m)` (DLMF 19.5.1); those of `ellipe(m)` are divided by `1 - 2 n` (19.5.2)."""
_SLOPES_K = [math.pi / 2 * (n + 1) * _SQUARES[n + 1] for n in range(25)]
_SLOPES_E = [-c / (2 * n + 1) for n, c in enumerate(_SLOPES_K)]


def _ellipk_slope(m: Array) -> Array:
    return near_zero(m, 0.2, _SLOPES_K, lambda m: (ellipe(m) / (1 - m) - ellipk(m)) / (2 * m))


ellipk: Any = elementwise(
    "ellipk", code="special_ellipk({0})", singular=True, domain=_UNIT, partials=[lambda out, m: _ellipk_slope(m)]
)
ellipkm1: Any = elementwise(
    "ellipkm1", code="special_ellipkm1({0})", singular=True, domain=_UNIT,
    partials=[
        lambda out, p: -near_zero(1 - p, 0.2, _SLOPES_K, lambda m: (ellipe(m) / p - ellipkm1(p)) / (2 * m))
    ],
)  # fmt: skip
ellipe: Any = elementwise(
    "ellipe", code="special_ellipe({0})", singular=True, domain=_UNIT,
    partials=[lambda out, m: near_zero(m, 0.2, _SLOPES_E, lambda m: (ellipe(m) - ellipk(m)) / (2 * m))],
)  # fmt: skip
ellipkinc: Any = elementwise(
    "ellipkinc", code="special_ellipkinc({0}, {1})", singular=True, domain=((0.2, 1.4), _UNIT),
    partials=[
        lambda out, phi, m: 1 / sqrt(1 - m * square(sin(phi))),
        lambda out, phi, m: 0.5 * IncompleteElliptic(1, 1)(phi, m),
    ],
)  # fmt: skip
ellipeinc: Any = elementwise(
    "ellipeinc", code="special_ellipeinc({0}, {1})", singular=True, domain=((0.2, 1.4), _UNIT),
    partials=[
        lambda out, phi, m: sqrt(1 - m * square(sin(phi))),
        lambda out, phi, m: -0.5 * IncompleteElliptic(1, 0)(phi, m),
    ],
)  # fmt: skip


def _jacobi(i: int) -> Any:
    return Result("ellipj", i)


def _amplitude_slope(u: Array, m: Array) -> Array:
    """The derivative of the amplitude in `m`: that of its inverse function, `u == ellipkinc(phi, m)`."""
    return -0.5 * _jacobi(2)(u, m) * IncompleteElliptic(1, 1)(_jacobi(3)(u, m), m)


def _delta_slope(out: Array, u: Array, m: Array) -> Array:
    sn, cn = _jacobi(0)(u, m), _jacobi(1)(u, m)
    return -(0.5 * sn * sn + m * sn * cn * _amplitude_slope(u, m)) / out


with_results(
    "ellipj",
    [
        [
            lambda out, u, m: _jacobi(1)(u, m) * _jacobi(2)(u, m),
            lambda out, u, m: _jacobi(1)(u, m) * _amplitude_slope(u, m),
        ],
        [
            lambda out, u, m: -_jacobi(0)(u, m) * _jacobi(2)(u, m),
            lambda out, u, m: -_jacobi(0)(u, m) * _amplitude_slope(u, m),
        ],
        [lambda out, u, m: -m * _jacobi(0)(u, m) * _jacobi(1)(u, m), _delta_slope],
        [lambda out, u, m: _jacobi(2)(u, m), lambda out, u, m: _amplitude_slope(u, m)],
    ],
    ((-2.0, 7.0), (0.1, 0.9)),
)


__all__ = [
    "CarlsonIntegral", "IncompleteElliptic", "agm", "carlson_integral", "ellipe", "ellipeinc", "ellipk", "ellipkinc",
    "ellipkm1", "elliprc", "elliprd", "elliprf", "elliprg", "elliprj",
]  # fmt: skip

"""Error functions, the normal distribution's, and those of Faddeeva, Voigt and Fresnel.

The derivatives of `erfcx` and `dawsn` cancel far out, where they are taken from the asymptotic series instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import TypeMismatchError
from graphad.op import Sample
from graphad.ops.arithmetic import reciprocal, square
from graphad.ops.elementwise import Elementwise, Partial, cast, elementwise, scalar
from graphad.ops.select import select
from graphad.ops.special.base import RealFunction, floating
from graphad.ops.transcendental import exp
from graphad.trace import UFUNCS
from graphad.types import Array, DType

_SQRT_PI = math.sqrt(math.pi)
_INV_SQRT_2PI = 1 / math.sqrt(2 * math.pi)


_ODD = [float(math.prod(range(1, 2 * k + 2, 2))) for k in range(17)]
"""The double factorials of 1, 3, 5, ..."""


def _tail_slope(x: Array, far: Array, factor: float, sign: float, near: Array) -> Array:
    """`near`, whose terms cancel where `far` holds; there by the derivative of an asymptotic series (DLMF 7.12.1)."""
    inverse = reciprocal(square(select(far, x, scalar(10, x.dtype))))
    total: Any = scalar(_ODD[-1], x.dtype)
    for c in _ODD[-2::-1]:
        total = total * (0.5 * sign * inverse) + scalar(c, x.dtype)
    return select(far, -factor * inverse * total, near)


def _erfcx_slope(out: Array, x: Array) -> Array:
    near = 2 * x * out - 2 / _SQRT_PI
    return near if x.dtype.kind == "c" else _tail_slope(x, x > 9, 1 / _SQRT_PI, -1.0, near)


def _dawsn_slope(out: Array, x: Array) -> Array:
    near = 1 - 2 * x * out
    return near if x.dtype.kind == "c" else _tail_slope(x, square(x) > 81, 0.5, 1.0, near)


erf = elementwise("erf", shared=True, code="erf({0})", partials=[lambda out, x: 2 / _SQRT_PI * exp(-square(x))])
erfc = elementwise("erfc", shared=True, code="erfc({0})", partials=[lambda out, x: -2 / _SQRT_PI * exp(-square(x))])
erfcx = elementwise("erfcx", shared=True, code="special_erfcx({0})", partials=[_erfcx_slope], singular=True)
erfi = elementwise(
    "erfi", code="special_erfi({0})", partials=[lambda out, x: 2 / _SQRT_PI * exp(square(x))], singular=True
)
dawsn = elementwise("dawsn", shared=True, code="special_dawsn({0})", partials=[_dawsn_slope])
erfinv = elementwise(
    "erfinv", shared=True,
    code="special_erfinv({0})",
    partials=[lambda out, x: _SQRT_PI / 2 * exp(square(out))],
    singular=True,
    domain=(-0.9, 0.9),
)
erfcinv = elementwise(
    "erfcinv",
    code="special_erfcinv({0})",
    partials=[lambda out, x: -_SQRT_PI / 2 * exp(square(out))],
    singular=True,
    domain=(0.1, 1.9),
)
ndtr = elementwise(
    "ndtr", shared=True,
    code="0.5 * erfc({0} * -0.7071067811865476)",
    partials=[lambda out, x: _INV_SQRT_2PI * exp(-0.5 * square(x))],
)
# The density over the distribution function is the inverse Mills ratio; through erfcx it keeps its digits in the tail.
log_ndtr = elementwise(
    "log_ndtr", shared=True,
    code="special_log_ndtr({0})",
    partials=[lambda out, x: math.sqrt(2 / math.pi) * reciprocal(erfcx(-math.sqrt(0.5) * x))],
)
ndtri = elementwise(
    "ndtri", shared=True,
    code="special_ndtri({0})",
    partials=[lambda out, x: 1 / _INV_SQRT_2PI * exp(0.5 * square(out))],
    singular=True,
    domain=(0.05, 0.95),
)
# The reciprocal of the derivative of log_ndtr.
ndtri_exp = elementwise(
    "ndtri_exp",
    partials=[lambda out, x: math.sqrt(math.pi / 2) * erfcx(-math.sqrt(0.5) * out)],
    singular=True,
    domain=(-4.0, -0.1),
)


class FloatFunction(Elementwise, abstract=True):
    """A function of one floating operand with an integer order; integers are computed in float64."""

    def promote(self, kinds: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return erf.promote(kinds)  # type: ignore[no-any-return]

    def result_dtypes(self, *dtypes: DType) -> tuple[DType, ...]:
        if dtypes[0].char not in "fd":
            raise TypeMismatchError(f"{self!r} takes float32 or float64, not {dtypes[0]}")
        return dtypes * 2


def faddeeva(xp: Any, n: int, z: Array) -> Array:
    """The `n`-th derivative of `scipy.special.wofz`: by DLMF 7.10.3, and far out by its asymptotic series."""
    lower = z.imag < 0
    up = xp.where(lower, -z, z)
    far = xp.abs(up) > 7
    near = xp.where(far, 0.0, up)
    found = [wofz.eval(xp, near)]
    found.append(-2 * near * found[0] + 2j / math.sqrt(math.pi))
    for k in range(2, n + 1):
        found.append(-2 * near * found[-1] - 2 * (k - 1) * found[-2])
    inverse = 1 / xp.where(far, up, 7.0)
    total = xp.zeros_like(up)
    for k in reversed(range(40)):
        # (1/2)_k (2k + 1)_n
        head = math.gamma(k + 0.5) / math.sqrt(math.pi) * math.prod(range(2 * k + 1, 2 * k + 1 + n))
        total = total + head * inverse ** (2 * k)
    total = (-1) ** n * 1j / math.sqrt(math.pi) * inverse ** (n + 1) * total
    # On the real axis the exponential is all of the real part.
    total = total + xp.where(up.imag < 1e-3, gaussian(xp, n, up), 0.0)
    upper = xp.where(far, total, found[n])
    return xp.where(lower, 2 * gaussian(xp, n, z) - (-1) ** n * upper, upper)


def gaussian(xp: Any, n: int, z: Array) -> Array:
    """The `n`-th derivative of `exp(-z**2)`."""
    before, now = xp.zeros_like(z), xp.exp(-z * z)
    for k in range(n):
        before, now = now, -2 * z * now - 2 * k * before
    return now


class FaddeevaDerivative(Elementwise):
    """The `n`-th derivative of SciPy's `wofz`."""

    n: int
    singular = True

    def promote(self, kinds: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return wofz.promote(kinds)  # type: ignore[no-any-return]

    def result_dtypes(self, *dtypes: DType) -> tuple[DType, ...]:
        return wofz.result_dtypes(*dtypes)  # type: ignore[no-any-return]

    @property
    def partials(self) -> Sequence[Partial]:
        return (lambda out, z: FaddeevaDerivative(self.n + 1)(z),)

    def eval(self, xp: Any, *xs: Any) -> Array:
        with np.errstate(all="ignore"):
            return faddeeva(xp, self.n, xs[0].astype("c16")).astype(xs[0].dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        z = np.array([[0.5 + 0.3j, -1.0 + 0.2j, 0.4 - 0.6j], [9.0 + 1j, 2.0 + 7j, 0j]])
        for n in (1, 2):
            yield Sample(cls(n), (z,))
        yield Sample(cls(1), (z.astype("c8"),))


wofz: Any = elementwise("wofz", shared=True, partials=[lambda out, z: FaddeevaDerivative(1)(z)], singular=True)


class Voigt(RealFunction):
    """SciPy's `voigt_profile`, the real part of Faddeeva's function, or with `part` 1 the imaginary one; with `n` its
    `n`-th derivative in `x`. It is harmonic in `x` and `gamma`, and obeys the equation of heat in `sigma**2 / 2`."""

    n: int = 0
    part: int = 0

    @property
    def code(self) -> str | None:  # type: ignore[override]
        return None if self.n or self.part else "special_voigt_profile({0}, {1}, {2})"

    @property
    def partials(self) -> Sequence[Partial]:
        n, part = self.n, self.part
        return (
            lambda out, x, sigma, gamma: Voigt(n + 1, part)(x, sigma, gamma),
            lambda out, x, sigma, gamma: sigma * Voigt(n + 2, part)(x, sigma, gamma),
            lambda out, x, sigma, gamma: (2.0 * part - 1) * Voigt(n + 1, 1 - part)(x, sigma, gamma),
        )

    def eval(self, xp: Any, *xs: Any) -> Array:
        if self.n == self.part == 0 and xp is np:
            from scipy.special import voigt_profile

            return voigt_profile(*xs)
        x, sigma, gamma = xp.broadcast_arrays(*[x.astype("f8") for x in xs])
        n, width = self.n, math.sqrt(2) * xp.where(sigma == 0, 1.0, sigma)
        with np.errstate(all="ignore"):
            z = x + 1j * gamma
            found = faddeeva(xp, n, z / width) / (math.sqrt(math.pi) * width ** (n + 1))
            found = xp.where(sigma == 0, 1j / math.pi * (-1) ** n * math.factorial(n) / z ** (n + 1), found)
        return (found.imag if self.part else found.real).astype(xs[0].dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        xs = np.array([[0.5, -1.0, 3.0], [0.0, 9.0, 0.2]]), np.array([0.7, 1.2, 0.4]), np.array([0.3, 1.1, 0.2])
        for n, part in ((0, 0), (1, 0), (0, 1), (1, 1)):
            yield Sample(cls(n, part), xs)
        yield Sample(cls(), tuple(x.astype("f4") for x in xs))


UFUNCS["voigt_profile"] = Voigt()


def _modified_fresnel(x: Any, conjugate: bool) -> Any:
    """SciPy's `modfresnelp`, or `modfresnelm`: Faddeeva's function on a diagonal (DLMF 7.5.9)."""
    x = cast(x, floating(x.dtype))
    if x.dtype.kind == "c":
        raise TypeMismatchError(f"modfresnel{'m' if conjugate else 'p'} takes real numbers, not {x.dtype}")
    dtype = np.result_type(x.dtype, np.complex64)
    turn = scalar(np.exp(0.25j * math.pi), dtype)
    half = 0.5 * wofz(turn * x)
    found = scalar(math.sqrt(math.pi), dtype) * turn * exp(scalar(1j, dtype) * (x * x)) * half
    return (np.conj(found), np.conj(half)) if conjugate else (found, half)


UFUNCS["modfresnelp"] = lambda x: _modified_fresnel(x, False)
UFUNCS["modfresnelm"] = lambda x: _modified_fresnel(x, True)


__all__ = [
    "FaddeevaDerivative", "FloatFunction", "Voigt", "dawsn", "erf", "erfc", "erfcinv", "erfcx", "erfi", "erfinv",
    "faddeeva", "gaussian", "log_ndtr", "ndtr", "ndtri", "ndtri_exp", "wofz",
]  # fmt: skip

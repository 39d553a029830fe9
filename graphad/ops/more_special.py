"""Further functions of `scipy.special`: of degrees, Lambert's and Wright's, Faddeeva's and Voigt's, Kolmogorov's.

Derivatives are those of the NIST Digital Library of Mathematical Functions (DLMF): Lambert's W 4.13, exponential
integrals 8.19, error functions 7.10, Wright's function 10.46; of Owen's T those of its integral.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError, TypeMismatchError
from graphad.op import OPS, Sample
from graphad.ops.arithmetic import float_power
from graphad.ops.elementwise import Elementwise, Partial, Ufunc, cast, elementwise, scalar
from graphad.ops.lowering import by_decomposition
from graphad.ops.parameters import above, least, parameter, size, within
from graphad.ops.rounding import maximum, rint
from graphad.ops.select import select
from graphad.ops.special import FloatFunction, RealSamples, erf, psi
from graphad.ops.transcendental import exp, log, sqrt
from graphad.ops.waves import Ordered, RealFunction, floating
from graphad.trace import UFUNCS
from graphad.types import Array, DType

# -- elementary ----------------------------------------------------------------------------------------------------

for _name in ("cbrt", "exp2", "expm1", "log1p"):
    UFUNCS[_name] = OPS[_name]
UFUNCS["round"] = rint
_DEGREE = math.pi / 180
sindg = elementwise("sindg", code="special_sindg({0})", partials=[lambda out, x: _DEGREE * cosdg(x)])
cosdg: Any = elementwise("cosdg", code="special_cosdg({0})", partials=[lambda out, x: -_DEGREE * sindg(x)])
tandg = elementwise(
    "tandg", code="special_tandg({0})", partials=[lambda out, x: _DEGREE * (1 + out * out)], singular=True
)
cotdg = elementwise(
    "cotdg", code="special_cotdg({0})", partials=[lambda out, x: -_DEGREE * (1 + out * out)], singular=True,
    domain=(20.0, 80.0),
)  # fmt: skip
gammasgn = elementwise("gammasgn", shared=True, code="special_gammasgn({0})", partials=[None])
powm1 = elementwise(
    "powm1", code="special_powm1({0}, {1})", singular=True, domain=((0.3, 3.0), (-2.0, 2.0)),
    partials=[lambda out, x, y: y * float_power(x, y - 1), lambda out, x, y: float_power(x, y) * log(x)],
)  # fmt: skip

# -- gamma, Lambert's and Wright's functions -----------------------------------------------------------------------

loggamma = elementwise(
    "loggamma", shared=True,
    code="special_loggamma({0})", partials=[lambda out, x: psi(x)], singular=True, domain=(0.3, 5.0),
    base=RealSamples,
)  # fmt: skip


class LambertW(Ordered):
    """SciPy's `lambertw` of a branch and a number, `k, z`, which is complex, with its tolerance."""

    tol: float = 1e-8
    kinds = "FD"

    def promote(self, kinds: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return np.dtype("i8"), wofz.promote(kinds[1:])[0]

    @property
    def partials(self) -> Sequence[Partial]:
        # w / (z (1 + w)) without its quotient by z.
        return None, lambda out, k, z: exp(-out) / (1 + out)

    def eval(self, xp: Any, *xs: Any) -> Any:
        if xp is not np:
            return by_decomposition(self, xp, xs, "composed")
        from scipy.special import lambertw

        return np.asarray(lambertw(xs[1], xs[0], self.tol)).astype(xs[1].dtype)

    def composed(self, *xs: Any) -> Any:
        """By simpler ops: too many to be compiled where NumPy can be called."""
        from graphad.ops.compositions.roots import lambert_w

        k, z = xs
        return cast(lambert_w(k, cast(z, np.dtype("c16"))), z.dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        z, k = np.array([0.5 + 0.3j, 2.0 - 0.4j, -0.2 + 0.1j, 0j]), np.array([0, -1, 1, 0])
        yield Sample(cls(), (k, z))
        yield Sample(cls(), (k, z.astype("c8")))


UFUNCS["_lambertw"] = lambda z, k, tol: LambertW(float(tol))(k, z)
wrightomega = elementwise(
    "wrightomega", code="special_wrightomega({0})", partials=[lambda out, z: out / (1 + out)], domain=(-2.0, 3.0)
)
wright_bessel: Any = elementwise(
    "wright_bessel", code="special_wright_bessel({0}, {1}, {2})", singular=True,
    domain=((0.3, 2.0), (0.5, 3.0), (0.2, 3.0)),
    partials=[
        parameter("wright_bessel", 0, lambda a, b, x: least(within(size(x)), 0.9 * a)),
        parameter("wright_bessel", 1, lambda a, b, x: least(within(size(x)), 0.9 * b)),
        lambda out, a, b, x: wright_bessel(a, a + b, x),
    ],
)  # fmt: skip
log_wright_bessel: Any = elementwise(
    "log_wright_bessel", singular=True, domain=((0.3, 2.0), (0.5, 3.0), (0.2, 3.0)),
    partials=[
        parameter("log_wright_bessel", 0, lambda a, b, x: least(within(size(x)), a / 8)),
        parameter("log_wright_bessel", 1, lambda a, b, x: least(within(size(x)), b / 8)),
        lambda out, a, b, x: exp(log_wright_bessel(a, a + b, x) - out),
    ],
)  # fmt: skip
zetac = elementwise(
    "zetac", code="special_zetac({0})", domain=(1.5, 4.0),
    partials=[parameter("zetac", 0, lambda x: least(within(size(x)), above(1.0, x)))],
)  # fmt: skip


def _next_expn(out: Any, n: Any, x: Any) -> Any:
    below = expn(maximum(n - 1, 0), x)
    return -select(n >= 1, below, (exp(-x) - cast(n - 1, x.dtype) * out) / x)


class _OfInteger(Ufunc, abstract=True):
    """Samples have an integer first."""

    exempt = {"dtype": "SciPy computes of integers in double precision only"}

    def samples(self) -> Iterable[Sample]:  # type: ignore[override]
        n, x = np.array([1, 2, 5]), np.array([[0.31, 0.47, 0.73], [0.57, 0.23, 0.12]])
        yield Sample(self, (n, x))
        yield Sample(self, (n[:, None, None], x))


expn: Any = elementwise(
    "expn", shared=True, code="special_expn({0}, {1})", partials=[None, _next_expn], singular=True, base=_OfInteger
)


class _OfWhole(_OfInteger, abstract=True):
    """The order is a whole number, which SciPy takes as a floating one."""

    exempt = {**_OfInteger.exempt, **dict.fromkeys(("jvp", "second"), "its order is whole, and NaN beside that")}

    def samples(self) -> Iterable[Sample]:  # type: ignore[override]
        for sample in super().samples():
            yield Sample(self, tuple([np.asarray(x, float) for x in sample.operands]))


def _of_fourier_order(name: str) -> None:
    """A characteristic value of Mathieu's equation, whose branch points in `q` are no nearer than 1.468j."""
    reach: Any = lambda m, q: sqrt(q * q + 2.1) / 8
    elementwise(name, partials=[None, parameter(name, 1, reach)], base=_OfWhole)


_of_fourier_order("mathieu_a")
_of_fourier_order("mathieu_b")

# -- Faddeeva's function -------------------------------------------------------------------------------------------


def faddeeva(n: int, z: Array) -> Any:
    """The `n`-th derivative of `scipy.special.wofz`: by DLMF 7.10.3, and far out by its asymptotic series."""
    from scipy.special import wofz

    lower = z.imag < 0
    up = np.where(lower, -z, z)
    far = np.abs(up) > 7
    near = np.where(far, 0.0, up)
    found = [wofz(near)]
    found.append(-2 * near * found[0] + 2j / math.sqrt(math.pi))
    for k in range(2, n + 1):
        found.append(-2 * near * found[-1] - 2 * (k - 1) * found[-2])
    inverse = 1 / np.where(far, up, 7.0)
    total = np.zeros_like(up)
    for k in reversed(range(40)):
        # (1/2)_k (2k + 1)_n
        head = math.gamma(k + 0.5) / math.sqrt(math.pi) * math.prod(range(2 * k + 1, 2 * k + 1 + n))
        total = total + head * inverse ** (2 * k)
    total = (-1) ** n * 1j / math.sqrt(math.pi) * inverse ** (n + 1) * total
    # On the real axis the exponential is all of the real part.
    total = total + np.where(up.imag < 1e-3, _gaussian(n, up), 0.0)
    upper = np.where(far, total, found[n])
    return np.where(lower, 2 * _gaussian(n, z) - (-1) ** n * upper, upper)


def _gaussian(n: int, z: Array) -> Any:
    """The `n`-th derivative of `exp(-z**2)`."""
    before, now = np.zeros_like(z), np.exp(-z * z)
    for k in range(n):
        before, now = now, -2 * z * now - 2 * k * before
    return now


class FaddeevaDerivative(Elementwise):
    """The `n`-th derivative of SciPy's `wofz`."""

    host_only = "SciPy computes it, for NumPy's arrays"
    n: int
    singular = True

    def promote(self, kinds: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return wofz.promote(kinds)  # type: ignore[no-any-return]

    def result_dtypes(self, *dtypes: DType) -> tuple[DType, ...]:
        return wofz.result_dtypes(*dtypes)  # type: ignore[no-any-return]

    @property
    def partials(self) -> Sequence[Partial]:
        return (lambda out, z: FaddeevaDerivative(self.n + 1)(z),)

    def eval(self, xp: Any, *xs: Any) -> Any:
        with np.errstate(all="ignore"):
            return faddeeva(self.n, xs[0].astype("c16")).astype(xs[0].dtype)

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

    host_only = "SciPy computes it, for NumPy's arrays"
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

    def eval(self, xp: Any, *xs: Any) -> Any:
        from scipy.special import voigt_profile

        if self.n == self.part == 0:
            return voigt_profile(*xs)
        x, sigma, gamma = np.broadcast_arrays(*[x.astype("f8") for x in xs])
        n, width = self.n, math.sqrt(2) * np.where(sigma == 0, 1.0, sigma)
        with np.errstate(all="ignore"):
            z = x + 1j * gamma
            found = faddeeva(n, z / width) / (math.sqrt(math.pi) * width ** (n + 1))
            found = np.where(sigma == 0, 1j / math.pi * (-1) ** n * math.factorial(n) / z ** (n + 1), found)
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

# -- distribution functions ----------------------------------------------------------------------------------------

owens_t = elementwise(
    "owens_t", shared=True, code="special_owens_t({0}, {1})",
    partials=[
        lambda out, h, a: -0.5 / math.sqrt(2 * math.pi) * exp(-0.5 * h * h) * erf(math.sqrt(0.5) * a * h),
        lambda out, h, a: exp(-0.5 * h * h * (1 + a * a)) / (2 * math.pi * (1 + a * a)),
    ],
)  # fmt: skip


class KolmogorovDerivative(FloatFunction):
    """The `n`-th derivative, `n >= 1`, of SciPy's `kolmogorov`, by one of two series."""

    host_only = "SciPy computes it, for NumPy's arrays"
    n: int

    @property
    def partials(self) -> Sequence[Partial]:
        return (lambda out, y: KolmogorovDerivative(self.n + 1)(y),)

    def eval(self, xp: Any, *xs: Any) -> Any:
        y = xs[0].astype("f8")
        with np.errstate(all="ignore"):
            small = self._near(np.where((y > 0) & (y < 0.8), y, 0.8))
            found = np.where(y < 0.8, np.where(y > 0, small, 0.0), self._away(np.maximum(y, 0.8)))
        return np.where(np.isnan(y), y, found).astype(xs[0].dtype)

    def _away(self, y: Array) -> Any:
        """Of `2 sum (-1)**(j - 1) exp(-2 (j y)**2)`."""
        total = np.zeros_like(y)
        for j in range(1, 9):
            total = total - 2 * (-1) ** j * (math.sqrt(2) * j) ** self.n * _gaussian(self.n, math.sqrt(2) * j * y)
        return total

    def _near(self, y: Array) -> Any:
        """Of `1 - sqrt(2 pi) / y sum exp(-b / y**2)`, whose terms keep the form of a polynomial in `1 / y` times it."""
        total = np.zeros_like(y)
        for k in range(1, 6):
            b = ((2 * k - 1) * math.pi) ** 2 / 8
            terms = np.polynomial.Polynomial([0.0, 1.0])
            for _ in range(self.n):
                terms = np.polynomial.Polynomial([0, 0, 0, 2 * b]) * terms - terms.deriv() * [0, 0, 1]
            total = total - math.sqrt(2 * math.pi) * terms(1 / y) * np.exp(-b / y**2)
        return np.where(np.isnan(total), 0.0, total)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        y = np.array([[0.4, 0.7, 0.9], [1.4, 2.0, -1.0]])
        for n in (1, 2):
            yield Sample(cls(n), (y,))
        yield Sample(cls(1), (y.astype("f4"),))


kolmogorov = elementwise(
    "kolmogorov", code="special_kolmogorov({0})", partials=[lambda out, y: KolmogorovDerivative(1)(y)],
    domain=(0.4, 2.0),
)  # fmt: skip
kolmogi = elementwise(
    "kolmogi", code="special_kolmogi({0})", partials=[lambda out, p: 1 / KolmogorovDerivative(1)(out)], singular=True,
    domain=(0.1, 0.9),
)  # fmt: skip


def _no_second(*operands: Any) -> Any:
    raise MissingRuleError("smirnov has only a first derivative in d; give a rule with graphad.custom_jvp")


smirnov_slope = elementwise(
    "_smirnovp", name="smirnov_slope", partials=[None, _no_second], base=_OfInteger
)
smirnov = elementwise(
    "smirnov", partials=[None, lambda out, n, d: smirnov_slope(n, d)], base=_OfInteger
)
smirnovi = elementwise(
    "smirnovi", singular=True, base=_OfInteger,
    partials=[None, lambda out, n, p: 1 / smirnov_slope(n, out)],
)  # fmt: skip

# -- orthogonal polynomials of known degree, by those of other arguments -------------------------------------------


def _polynomial(name: str, base: str, argument: Callable[[Any], Any], factor: float = 1.0) -> None:
    UFUNCS[name] = lambda n, x: factor * UFUNCS[base](n, argument(x))


_polynomial("eval_chebyc", "eval_chebyt", lambda x: 0.5 * x, 2.0)
_polynomial("eval_chebys", "eval_chebyu", lambda x: 0.5 * x)
_polynomial("eval_sh_chebyt", "eval_chebyt", lambda x: 2 * x - 1)
_polynomial("eval_sh_chebyu", "eval_chebyu", lambda x: 2 * x - 1)
_polynomial("eval_sh_legendre", "eval_legendre", lambda x: 2 * x - 1)


def _eval_sh_jacobi(n: Any, p: Any, q: Any, x: Any) -> Any:
    return UFUNCS["eval_jacobi"](n, p - q, q - 1, 2 * x - 1) / UFUNCS["binom"](2 * n + p - 1, 1.0 * n)


UFUNCS["eval_sh_jacobi"] = _eval_sh_jacobi

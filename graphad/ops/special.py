"""The ufuncs of `scipy.special`, by their names there. SciPy is loaded when one of them is first used.

Derivatives are those of the NIST Digital Library of Mathematical Functions (DLMF): error functions 7.10, gamma
functions 5.2 and 5.15. Where a ratio of vanishing terms has a limit, it is that limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError, TypeMismatchError
from graphad.op import Sample
from graphad.ops.arithmetic import logical_and, reciprocal, square
from graphad.ops.elementwise import Elementwise, Partial, Ufunc, elementwise, scalar
from graphad.ops.entropies import xlog1py, xlogy
from graphad.ops.lowering import by_decomposition
from graphad.ops.select import select
from graphad.ops.transcendental import cos, exp, log1p, sin
from graphad.trace import UFUNCS, kind_of
from graphad.types import DType

_SQRT_PI = math.sqrt(math.pi)
_INV_SQRT_2PI = 1 / math.sqrt(2 * math.pi)


_ODD = [float(math.prod(range(1, 2 * k + 2, 2))) for k in range(17)]
"""The double factorials of 1, 3, 5, ..."""


def _tail_slope(x: Any, far: Any, factor: float, sign: float, near: Any) -> Any:
    """`near`, whose terms cancel where `far` holds; there by the derivative of an asymptotic series (DLMF 7.12.1)."""
    inverse = reciprocal(square(select(far, x, scalar(10, x.dtype))))
    total: Any = scalar(_ODD[-1], x.dtype)
    for c in _ODD[-2::-1]:
        total = total * (0.5 * sign * inverse) + scalar(c, x.dtype)
    return select(far, -factor * inverse * total, near)


def _erfcx_slope(out: Any, x: Any) -> Any:
    near = 2 * x * out - 2 / _SQRT_PI
    return near if x.dtype.kind == "c" else _tail_slope(x, x > 9, 1 / _SQRT_PI, -1.0, near)


def _dawsn_slope(out: Any, x: Any) -> Any:
    near = 1 - 2 * x * out
    return near if x.dtype.kind == "c" else _tail_slope(x, square(x) > 81, 0.5, 1.0, near)


# -- error functions and the normal distribution ------------------------------------------------------------------

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


# -- the logistic function ----------------------------------------------------------------------------------------

expit: Any = elementwise("expit", shared=True, code="1 / (1 + exp(-{0}))", partials=[lambda out, x: out * expit(-x)])
logit = elementwise(
    "logit", shared=True,
    code="where(abs({0} - 0.5) < 0.2, log1p((2 * {0} - 1) / (1 - {0})), log({0} / (1 - {0})))",
    partials=[lambda out, x: reciprocal(x * (1 - x))],
    singular=True,
    domain=(0.1, 0.9),
)
log_expit = elementwise(
    "log_expit", code="min({0}, 0) - log1p(exp(-abs({0})))", partials=[lambda out, x: expit(-x)]
)


# -- gamma functions ----------------------------------------------------------------------------------------------


class RealSamples(Ufunc, abstract=True):
    """Takes complex operands, but its derivatives need `polygamma`, which SciPy has for real ones only."""

    def _accepts(self, dtype: DType) -> bool:
        return dtype.kind != "c" and super()._accepts(dtype)


gammaln = elementwise(
    "gammaln", shared=True, code="lgamma({0})", partials=[lambda out, x: psi(x)], singular=True, domain=(0.3, 5.0)
)
gamma = elementwise(
    "gamma", shared=True, code="special_gamma({0})",
    partials=[lambda out, x: out * psi(x)],
    singular=True,
    domain=(0.3, 4.0),
    base=RealSamples,
)


def _rgamma_slope(out: Any, x: Any) -> Any:
    """Below 1/2 of `gamma(1 - x) sin(pi x) / pi`, which has no poles there (DLMF 5.5.3)."""
    if x.dtype.kind == "c":
        return -out * psi(x)
    low = x < 0.5
    y = 1 - select(low, x, scalar(0, x.dtype))
    below = gamma(y) * (cos(math.pi * x) - psi(y) * sin(math.pi * x) / math.pi)
    return select(low, below, -out * psi(select(low, scalar(1, x.dtype), x)))


rgamma = elementwise(
    "rgamma", code="special_rgamma({0})",
    partials=[_rgamma_slope],
    singular=True,
    domain=(0.3, 4.0),
    base=RealSamples,
)
psi: Any = elementwise(
    "psi", code="special_psi({0})",
    partials=[lambda out, x: polygamma(1, x)],
    singular=True,
    domain=(0.3, 5.0),
    base=RealSamples,
)
UFUNCS["digamma"] = psi
_PSI = [1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12]


def psi_step(a: Any, b: Any) -> Any:
    """`psi(a + b) - psi(a)`; for large ones by the differences of the terms of DLMF 5.11.2, which do not cancel."""
    c = a + b
    far = logical_and(a > 10, c > 10)
    one = scalar(1, c.dtype)
    first, last = select(far, a, one), select(far, c, one)
    u, v = reciprocal(square(first)), reciprocal(square(last))
    value: Any = scalar(_PSI[-1], c.dtype)
    quotient: Any = scalar(0, c.dtype)
    for k in _PSI[-2::-1]:
        quotient = quotient * v + value
        value = value * u + k
    # The sum of k_i u**i less that of k_i v**i, over u - v.
    quotient = quotient * v + value
    change = b / (first * last)
    rest = change * (0.5 + (first + last) / (first * last) * quotient)
    return select(far, log1p(b / first) + rest, psi(c) - psi(a))


betaln = elementwise(
    "betaln", shared=True,
    code="special_betaln({0}, {1})",
    partials=[lambda out, a, b: -psi_step(a, b), lambda out, a, b: -psi_step(b, a)],
    singular=True,
    domain=(0.4, 3.0),
)
beta = elementwise(
    "beta", shared=True,
    code="special_beta({0}, {1})",
    partials=[lambda out, a, b: -out * psi_step(a, b), lambda out, a, b: -out * psi_step(b, a)],
    singular=True,
    domain=(0.4, 3.0),
)
poch = elementwise(
    "poch", shared=True,
    code="special_poch({0}, {1})",
    partials=[lambda out, z, m: out * psi_step(z, m), lambda out, z, m: out * psi(z + m)],
    singular=True,
    domain=(0.4, 3.0),
)


def gamma_density(a: Any, x: Any) -> Any:
    """The density of the gamma distribution, the derivative of `gammainc` in `x`."""
    return exp(xlogy(a - 1, x) - x - gammaln(a))


def beta_density(a: Any, b: Any, x: Any) -> Any:
    """The density of the beta distribution, the derivative of `betainc` in `x`."""
    return exp(xlogy(a - 1, x) + xlog1py(b - 1, -x) - betaln(a, b))


def _in_gamma(n: int, a: Any, x: Any) -> Any:
    from graphad.ops.incomplete import GammaincPartial

    return GammaincPartial(n)(a, x)


def _in_beta(i: int, j: int, a: Any, b: Any, x: Any) -> Any:
    from graphad.ops.incomplete import BetaincPartial

    return BetaincPartial(i, j)(a, b, x)


_GAMMA = ((0.5, 4.0), (0.2, 5.0))
_BETA = ((0.5, 4.0), (0.5, 4.0), (0.1, 0.9))
gammainc = elementwise(
    "gammainc", shared=True,
    code="special_gammainc({0}, {1})",
    partials=[lambda out, a, x: _in_gamma(1, a, x), lambda out, a, x: gamma_density(a, x)],
    singular=True,
    domain=_GAMMA,
)
gammaincc = elementwise(
    "gammaincc", shared=True,
    code="special_gammaincc({0}, {1})",
    partials=[lambda out, a, x: -_in_gamma(1, a, x), lambda out, a, x: -gamma_density(a, x)],
    singular=True,
    domain=_GAMMA,
)
# The inverse functions, by the derivative of what they solve.
gammaincinv = elementwise(
    "gammaincinv",
    code="special_gammaincinv({0}, {1})",
    partials=[
        lambda out, a, y: -_in_gamma(1, a, out) / gamma_density(a, out), lambda out, a, y: 1 / gamma_density(a, out),
    ],
    singular=True,
    domain=((0.5, 4.0), (0.1, 0.9)),
)  # fmt: skip
gammainccinv = elementwise(
    "gammainccinv",
    code="special_gammainccinv({0}, {1})",
    partials=[
        lambda out, a, y: -_in_gamma(1, a, out) / gamma_density(a, out), lambda out, a, y: -1 / gamma_density(a, out),
    ],
    singular=True,
    domain=((0.5, 4.0), (0.1, 0.9)),
)  # fmt: skip
betainc = elementwise(
    "betainc", shared=True,
    code="special_betainc({0}, {1}, {2})",
    partials=[
        lambda out, a, b, x: _in_beta(1, 0, a, b, x), lambda out, a, b, x: _in_beta(0, 1, a, b, x),
        lambda out, a, b, x: beta_density(a, b, x),
    ],
    singular=True,
    domain=_BETA,
)  # fmt: skip
betaincc = elementwise(
    "betaincc",
    code="special_betaincc({0}, {1}, {2})",
    partials=[
        lambda out, a, b, x: -_in_beta(1, 0, a, b, x), lambda out, a, b, x: -_in_beta(0, 1, a, b, x),
        lambda out, a, b, x: -beta_density(a, b, x),
    ],
    singular=True,
    domain=_BETA,
)  # fmt: skip
betaincinv = elementwise(
    "betaincinv",
    code="special_betaincinv({0}, {1}, {2})",
    partials=[
        lambda out, a, b, y: -_in_beta(1, 0, a, b, out) / beta_density(a, b, out),
        lambda out, a, b, y: -_in_beta(0, 1, a, b, out) / beta_density(a, b, out),
        lambda out, a, b, y: 1 / beta_density(a, b, out),
    ],
    singular=True,
    domain=_BETA,
)
betainccinv = elementwise(
    "betainccinv",
    code="special_betainccinv({0}, {1}, {2})",
    partials=[
        lambda out, a, b, y: -_in_beta(1, 0, a, b, out) / beta_density(a, b, out),
        lambda out, a, b, y: -_in_beta(0, 1, a, b, out) / beta_density(a, b, out),
        lambda out, a, b, y: -1 / beta_density(a, b, out),
    ],
    singular=True,
    domain=_BETA,
)


class FloatFunction(Elementwise, abstract=True):
    """A function of one floating operand with an integer order; integers are computed in float64."""

    def promote(self, kinds: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return erf.promote(kinds)  # type: ignore[no-any-return]

    def result_dtypes(self, *dtypes: DType) -> tuple[DType, ...]:
        if dtypes[0].char not in "fd":
            raise TypeMismatchError(f"{self!r} takes float32 or float64, not {dtypes[0]}")
        return dtypes * 2


class Polygamma(FloatFunction):
    """The `n`-th derivative of the digamma function, `(-1)**(n+1) n! zeta(n+1, x)` for `n >= 1` (DLMF 5.15.1)."""

    n: int
    singular = True

    @property
    def code(self) -> str:  # type: ignore[override]
        return f"{(-1.0) ** (self.n + 1) * math.factorial(self.n)} * special_zeta({self.n + 1}.0, {{0}})"

    @property
    def partials(self) -> Sequence[Partial]:
        return (lambda out, x: Polygamma(self.n + 1)(x),)

    def eval(self, xp: Any, *xs: Any) -> Any:
        if xp is not np:
            return by_decomposition(self, xp, xs)
        from scipy.special import zeta

        return ((-1.0) ** (self.n + 1) * math.factorial(self.n) * zeta(self.n + 1, xs[0])).astype(xs[0].dtype)

    def decompose(self, *xs: Any) -> Any:
        from graphad.ops.higher import zeta

        order = scalar(self.n + 1, xs[0].dtype)
        return (-1.0) ** (self.n + 1) * math.factorial(self.n) * zeta(order, xs[0])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([[0.5, 1.5, 2.25], [3.0, 0.75, 1.0]])
        for n in (1, 2, 3):
            yield Sample(cls(n), (x,))
        yield Sample(cls(1), (x.astype("f4"),))
        yield Sample(cls(1), (np.ones((0, 2)),))


def polygamma(n: int, x: Any) -> Any:
    """`scipy.special.polygamma` for a Python integer `n >= 0`. Raises `MissingRuleError` for a complex `x`."""
    if n and np.result_type(kind_of(x)).kind == "c":
        raise MissingRuleError(f"polygamma({n}, x) has no complex implementation: take derivatives of gamma at real x")
    return psi(x) if n == 0 else Polygamma(int(n))(x)


# -- the cardinal sine --------------------------------------------------------------------------------------------


class Sinc(FloatFunction):
    """NumPy's `sinc`, `sin(pi x) / (pi x)`; with `n`, its `n`-th derivative, by its series where `x` is small."""

    n: int = 0

    @property
    def partials(self) -> Sequence[Partial]:
        return (lambda out, x: Sinc(self.n + 1)(x),)

    def eval(self, xp: Any, *xs: Any) -> Any:
        x = np.pi * xs[0].astype(np.float64)
        # With f = sin(t)/t, t f = sin t gives t f^(n) + n f^(n-1) = sin(t + n pi/2), which loses digits for small t.
        nonzero = xp.where(x == 0, 1.0, x)
        direct = xp.sin(nonzero) / nonzero
        for k in range(1, self.n + 1):
            direct = (xp.sin(nonzero + k * np.pi / 2) - k * direct) / nonzero
        series = xp.zeros_like(x)
        for m in reversed(range((self.n + 1) // 2, self.n // 2 + 16 + self.n)):
            power = 2 * m - self.n
            series = series + (-1.0) ** m / (math.factorial(power) * (2 * m + 1)) * x**power
        small = xp.abs(x) < 1.0 + 0.5 * self.n
        return (np.pi**self.n * xp.where(small, series, direct)).astype(xs[0].dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([[0.5, -1.6, 2.25], [3.3, 0.0, 0.01]])
        for n in (0, 1, 2):
            yield Sample(cls(n), (x,))
        yield Sample(cls(), (x.astype("f4"),))
        yield Sample(cls(), (np.ones((0, 2)),))


def sinc(x: Any) -> Any:
    """`numpy.sinc`: `sin(pi x) / (pi x)`, and 1 at 0; smooth at 0 in every derivative."""
    return Sinc()(x)

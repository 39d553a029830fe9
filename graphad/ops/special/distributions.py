"""Inverses of the distribution functions of `scipy.special`, and the noncentral chi-squared distribution.

A function that solves `F(..., v, ...) == p` for `v` has the derivatives `1 / F_v` in `p` and `-F_x / F_v` in another
operand. Those of the incomplete gamma and beta functions in their parameters are in `graphad.ops.special.incomplete`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from graphad.op import OPS
from graphad.ops.arithmetic import logical_or
from graphad.ops.complex import absolute
from graphad.ops.elementwise import Partial, Ufunc, elementwise, scalar
from graphad.ops.rounding import floored, truncated
from graphad.ops.select import select
from graphad.ops.special.base import fixed
from graphad.ops.special.bessel import ive
from graphad.ops.special.beta import BetaincPartial, beta_density, betainccinv, betaincinv
from graphad.ops.special.error import ndtri
from graphad.ops.special.gamma import GammaincPartial, gamma_density, gammainccinv
from graphad.ops.special.hypergeometric import hyp0f1
from graphad.ops.special.parameters import Reach, least, parameter, size, within
from graphad.ops.special.statistical import stdtr, student_density
from graphad.ops.transcendental import exp, log, log1p, sqrt
from graphad.trace import UFUNCS
from graphad.types import Array


def _central(df: Array, x: Array) -> Array:
    return 0.5 * gamma_density(0.5 * df, 0.5 * x)


def _chndtr_density(x: Array, df: Array, nc: Array) -> Array:
    """The density of the noncentral chi-squared distribution, by `0F1` or, where that is large, by `ive`."""
    product = nc * x
    large = product > 4
    nothing, whole = scalar(0, x.dtype), scalar(1, x.dtype)
    few = _central(df, x) * exp(-0.5 * nc) * hyp0f1(0.5 * df, 0.25 * select(large, nothing, product))
    x, nc = select(large, x, whole), select(large, nc, whole)
    order = 0.5 * df - 1
    power = exp(-0.5 * (sqrt(x) - sqrt(nc)) ** 2 + 0.5 * order * log(x / nc))
    return select(large, 0.5 * power * ive(order, sqrt(x * nc)), few)


def _chndtr_slope(out: Array, x: Array, df: Array, nc: Array) -> Array:
    """The derivative in the noncentrality: of a mixture by Poisson's probabilities, whose changes are differences."""
    return 0.5 * (chndtr(x, df + 2, nc) - out)


chndtr: Any = elementwise(
    "chndtr", code="special_chndtr({0}, {1}, {2})", singular=True, domain=((0.5, 6.0), (1.0, 5.0), (0.3, 4.0)),
    partials=[
        lambda out, x, df, nc: _chndtr_density(x, df, nc), fixed("chndtr", "df"),
        _chndtr_slope,
    ],
)  # fmt: skip


def _noncentral(name: str, domain: tuple[tuple[float, float], ...], reaches: Sequence[Reach]) -> Any:
    """A noncentral distribution function, whose derivatives are of as many digits as its values, not as a density's."""
    places = ", ".join(f"{{{i}}}" for i in range(len(domain)))
    return elementwise(
        name, code=f"special_{name}({places})", singular=True, domain=domain,
        partials=[parameter(name, i, reach) for i, reach in enumerate(reaches)],
    )  # fmt: skip


_noncentral(
    "ncfdtr", ((1.0, 5.0), (2.0, 6.0), (0.3, 3.0), (0.5, 3.0)),
    [
        lambda n, d, nc, f: n / 8, lambda n, d, nc, f: d / 8, lambda n, d, nc, f: least(within(size(nc)), 0.9 * nc),
        lambda n, d, nc, f: least(f / 8, within(size(f))),
    ],
)  # fmt: skip
_noncentral(
    "nctdtr", ((2.0, 6.0), (0.3, 2.0), (-1.0, 3.0)),
    [lambda df, nc, t: df / 8, lambda df, nc, t: within(size(nc)), lambda df, nc, t: within(size(t), size(nc))],
)  # fmt: skip


def _in_gamma(a: Array, x: Array) -> Array:
    return GammaincPartial(1)(a, x)


def _in_beta(i: int, a: Array, b: Array, x: Array) -> Array:
    return BetaincPartial(1 - i, i)(a, b, x)


def _fdtr_beta(dfn: Array, dfd: Array, x: Array) -> tuple[Any, Any, Any]:
    return 0.5 * dfn, 0.5 * dfd, dfn * x / (dfd + dfn * x)


def _fdtr_slope(dfn: Array, dfd: Array, x: Array, within: Array) -> Array:
    """The derivative by the argument of the beta function, times `within` over the square of its denominator."""
    return beta_density(*_fdtr_beta(dfn, dfd, x)) * within / (dfd + dfn * x) ** 2


# For each distribution function its derivatives in its operands.
_SLOPES: dict[str, list[Any]] = {
    "chdtr": [lambda v, x: 0.5 * _in_gamma(0.5 * v, 0.5 * x), _central],
    "gdtr": [
        lambda a, b, x: x * gamma_density(b, a * x), lambda a, b, x: _in_gamma(b, a * x),
        lambda a, b, x: a * gamma_density(b, a * x),
    ],
    "btdtr": [
        lambda a, b, x: _in_beta(0, a, b, x), lambda a, b, x: _in_beta(1, a, b, x), beta_density,
    ],
    "fdtr": [
        lambda n, d, x: 0.5 * _in_beta(0, *_fdtr_beta(n, d, x)) + _fdtr_slope(n, d, x, x * d),
        lambda n, d, x: 0.5 * _in_beta(1, *_fdtr_beta(n, d, x)) - _fdtr_slope(n, d, x, x * n),
        lambda n, d, x: _fdtr_slope(n, d, x, n * d),
    ],
    "bdtr": [
        lambda k, n, p: _in_beta(1, n - k, k + 1, 1 - p) - _in_beta(0, n - k, k + 1, 1 - p),
        lambda k, n, p: _in_beta(0, n - k, k + 1, 1 - p), lambda k, n, p: -beta_density(n - k, k + 1, 1 - p),
    ],
    "nbdtr": [
        lambda k, n, p: _in_beta(1, n, k + 1, p), lambda k, n, p: _in_beta(0, n, k + 1, p),
        lambda k, n, p: beta_density(n, k + 1, p),
    ],
    "pdtr": [lambda k, m: -_in_gamma(k + 1, m), lambda k, m: -gamma_density(k + 1, m)],
    **{
        name: [lambda *xs, name=name, i=i: OPS[name].partials[i](None, *xs) for i in range(count)]
        for name, count in (("ncfdtr", 4), ("nctdtr", 3))
    },
    "stdtr": [lambda df, t: stdtr.partials[0](None, df, t), student_density],
    "chndtr": [_chndtr_density, fixed("chndtr", "df"), lambda x, df, nc: _chndtr_slope(chndtr(x, df, nc), x, df, nc)],
}  # fmt: skip


class _Searched(Ufunc, abstract=True):
    """SciPy finds the value by a search."""

    exempt = dict.fromkeys(("jvp", "second"), "SciPy's search ends at 1e-8, too rough for differences")


def _inverse(
    name: str, function: str, at: int, domain: tuple[tuple[float, float], ...], code: str | None = None,
    base: type[Ufunc] = Ufunc,
) -> Any:
    """What solves `function(...) == p` for the operand `at`, in whose place `p` stands."""
    slopes = _SLOPES[function]

    def partial(i: int) -> Partial:
        def slope(out: Array, *xs: Any) -> Array:
            full = [out if j == at else x for j, x in enumerate(xs)]
            above = 1.0 if i == at else -slopes[i](*full)
            # The ends of the range in which SciPy searches are what it gives where there is no solution.
            ended = logical_or(absolute(out) >= 1e100, absolute(out) == 1e-100)
            return select(ended, scalar(0, out.dtype), above / slopes[at](*full))

        return slope

    partials = [partial(i) for i in range(len(slopes))]
    return elementwise(name, code=code, partials=partials, singular=True, domain=domain, base=base)


_LEVEL = (0.3, 0.7)
_inverse("chdtriv", "chdtr", 0, (_LEVEL, (1.0, 4.0)))
_inverse("gdtria", "gdtr", 0, (_LEVEL, (1.0, 3.0), (0.5, 2.0)))
_inverse("gdtrib", "gdtr", 1, ((0.5, 2.0), _LEVEL, (1.0, 3.0)))
_inverse("btdtria", "btdtr", 0, (_LEVEL, (1.0, 3.0), (0.3, 0.7)))
_inverse("btdtrib", "btdtr", 1, ((1.0, 3.0), _LEVEL, (0.3, 0.7)))
_inverse("fdtridfd", "fdtr", 1, ((2.0, 2.5), (0.7, 0.74), (2.3, 2.5)))
bdtrik = _inverse("bdtrik", "bdtr", 0, ((0.3, 0.9), (4.0, 9.0), (0.3, 0.7)), "special_bdtrik({0}, {1}, {2})")
pdtrik = _inverse("pdtrik", "pdtr", 0, ((0.1, 0.9), (1.0, 5.0)), "special_pdtrik({0}, {1})")
_inverse("bdtrin", "bdtr", 1, ((1.0, 3.0), _LEVEL, (0.3, 0.6)))
_inverse("nbdtrik", "nbdtr", 0, (_LEVEL, (3.0, 6.0), (0.3, 0.5)))
_inverse("nbdtrin", "nbdtr", 1, ((1.0, 3.0), _LEVEL, (0.3, 0.6)))
_inverse("stdtridf", "stdtr", 0, ((0.74, 0.77), (0.85, 0.9)))
_inverse("chndtrix", "chndtr", 0, (_LEVEL, (1.0, 5.0), (0.3, 4.0)))
_inverse("chndtrinc", "chndtr", 2, ((4.0, 6.0), (1.0, 2.0), (0.3, 0.5)))
_inverse("chndtridf", "chndtr", 1, ((4.0, 6.0), (0.4, 0.6), (0.3, 1.0)))

_ncfdtr = {
    "ncfdtridfn": ((0.70, 0.72), (4.9, 5.1), (0.7, 0.8), (1.95, 2.0)),
    "ncfdtridfd": ((2.0, 3.0), (0.68, 0.70), (0.5, 0.6), (1.8, 2.0)),
    "ncfdtrinc": ((2.0, 3.0), (4.0, 6.0), (0.3, 0.5), (1.8, 2.0)),
    "ncfdtri": ((2.0, 3.0), (4.0, 6.0), (0.5, 1.0), _LEVEL),
}
_nctdtr = {
    "nctdtridf": ((0.70, 0.75), (0.8, 0.9), (1.7, 1.8)),
    "nctdtrinc": ((2.0, 6.0), _LEVEL, (1.0, 2.0)),
    "nctdtrit": ((2.0, 6.0), (0.3, 1.0), _LEVEL),
}
for _function, _found in (("ncfdtr", _ncfdtr), ("nctdtr", _nctdtr)):
    for _i, (_name, _domain) in enumerate(_found.items()):
        _inverse(_name, _function, _i, _domain, base=_Searched)


# -- by other functions --------------------------------------------------------------------------------------------

# Of counts that are no integers SciPy takes the whole part.
UFUNCS["bdtri"] = lambda k, n, y: betainccinv(floored(k) + 1.0, truncated(n) - floored(k), y)
UFUNCS["nbdtri"] = lambda k, n, y: betaincinv(truncated(n) * 1.0, truncated(k) + 1.0, y)
UFUNCS["pdtri"] = lambda k, y: gammainccinv(floored(k) + 1.0, y)
UFUNCS["nrdtrimn"] = lambda p, std, x: x - std * ndtri(p)
UFUNCS["nrdtrisd"] = lambda mn, p, x: (x - mn) / ndtri(p)


def _quantile_slope(F: Array, lmbda: Array) -> Array:
    """The derivative in `lmbda` of the quantile `(p**lmbda - (1 - p)**lmbda) / lmbda`, by its series near 0."""
    up, down = log(F), log1p(-F)
    small = absolute(lmbda) < 1e-3
    away = select(small, scalar(1, F.dtype), lmbda)
    series: Any = scalar(0, F.dtype)
    for k in reversed(range(2, 8)):
        series = series * lmbda + (k - 1) / math.factorial(k) * (up**k - down**k)
    p, q = exp(away * up), exp(away * down)
    return select(small, series, (p * up - q * down - (p - q) / away) / away)


def _lambda_density(F: Array, lmbda: Array) -> Array:
    return 1 / (exp((lmbda - 1) * log(F)) + exp((lmbda - 1) * log1p(-F)))


tklmbda = elementwise(
    "tklmbda", code="special_tklmbda({0}, {1})", singular=True, domain=((-0.8, 0.8), (-0.5, 0.9)),
    partials=[
        lambda out, x, lmbda: _lambda_density(out, lmbda),
        lambda out, x, lmbda: -_quantile_slope(out, lmbda) * _lambda_density(out, lmbda),
    ],
)  # fmt: skip


__all__ = [
    "bdtrik", "chndtr", "pdtrik", "tklmbda",
]  # fmt: skip

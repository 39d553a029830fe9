"""The continuous distributions: formulas of SciPy's documentation, in the forms that keep their digits in the tails."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.ops.special.bessel import i0e
from graphad.ops.special.beta import betainc, betaincc, betainccinv, betaincinv, betaln
from graphad.ops.special.elementary import expit, log_expit, logit
from graphad.ops.special.entropies import xlog1py, xlogy
from graphad.ops.special.error import erf, erfc, erfcinv, erfinv, log_ndtr, ndtr, ndtri
from graphad.ops.special.gamma import gammainc, gammaincc, gammainccinv, gammaincinv, gammaln, psi
from graphad.ops.special.statistical import chdtr, chdtrc, chdtri, fdtr, fdtrc, fdtri, stdtr, stdtrit
from graphad.scipy.stats.distribution import Continuous
from graphad.types import Array

_LOG_ROOT_2PI = 0.5 * math.log(2 * math.pi)
_ROOT_2 = math.sqrt(2)
_POSITIVE = (0.0, math.inf)
_UNIT = (0.0, 1.0)
_GAMMA_E = float(np.euler_gamma)


def _log_normal(y: Array) -> Array:
    return -0.5 * y**2 - _LOG_ROOT_2PI


def _cotangent(p: Array, q: Array) -> Array:
    """`1 / tan(pi p)` for two probabilities whose sum is 1, by the smaller one."""
    return np.where(p <= 0.5, 1 / np.tan(math.pi * p), -1 / np.tan(math.pi * q))


def _power(c: Array, log_x: Array) -> Array:
    """`(exp(c log_x) - 1) / c`, and its limit at `c == 0`."""
    safe = np.where(c == 0, 1.0, c)
    return np.where(c == 0, log_x, np.expm1(safe * log_x) / safe)


def _log1p_over(c: Array, y: Array) -> Array:
    """`log1p(c y) / c`, and its limit at `c == 0`."""
    safe = np.where(c == 0, 1.0, c)
    return np.where(c == 0, y, np.log1p(safe * y) / safe)


# -- on the whole line --------------------------------------------------------------------------------------------

norm = Continuous(
    "norm", "", _log_normal, cdf=ndtr, sf=lambda y: ndtr(-y), logcdf=log_ndtr, logsf=lambda y: log_ndtr(-y), ppf=ndtri,
    isf=lambda q: -ndtri(q), mean=lambda: 0.0, var=lambda: 1.0, entropy=lambda: _LOG_ROOT_2PI + 0.5,
)  # fmt: skip
t = Continuous(
    "t", "df",
    lambda y, df: -betaln(df / 2, 0.5) - 0.5 * np.log(df) - (df + 1) / 2 * np.log1p(y**2 / df),
    cdf=lambda y, df: stdtr(df, y), sf=lambda y, df: stdtr(df, -y), ppf=lambda q, df: stdtrit(df, q),
    isf=lambda q, df: -stdtrit(df, q), mean=lambda df: np.where(df > 1, 0.0, np.inf),
    var=lambda df: np.where(df > 2, df / np.where(df > 2, df - 2, 1.0), np.where(df > 1, np.inf, np.nan)),
)  # fmt: skip
cauchy = Continuous(
    "cauchy", "", lambda y: -math.log(math.pi) - np.log1p(y**2), cdf=lambda y: np.arctan2(1.0, -y) / math.pi,
    sf=lambda y: np.arctan2(1.0, y) / math.pi, ppf=lambda q: _cotangent(1.0 - q, q),
    isf=lambda q: _cotangent(q, 1.0 - q), entropy=lambda: math.log(4 * math.pi),
)  # fmt: skip
laplace = Continuous(
    "laplace", "", lambda y: -np.abs(y) - math.log(2),
    cdf=lambda y: np.where(y > 0, 1 - 0.5 * np.exp(-np.abs(y)), 0.5 * np.exp(-np.abs(y))),
    sf=lambda y: np.where(y > 0, 0.5 * np.exp(-np.abs(y)), 1 - 0.5 * np.exp(-np.abs(y))),
    ppf=lambda q: np.where(q > 0.5, -np.log(2 * (1 - q)), np.log(2 * q)),
    isf=lambda q: np.where(q > 0.5, np.log(2 * (1 - q)), -np.log(2 * q)), mean=lambda: 0.0, var=lambda: 2.0,
    entropy=lambda: math.log(2) + 1,
)  # fmt: skip
logistic = Continuous(
    "logistic", "", lambda y: -np.abs(y) - 2 * np.log1p(np.exp(-np.abs(y))), cdf=expit, sf=lambda y: expit(-y),
    logcdf=log_expit, logsf=lambda y: log_expit(-y), ppf=logit, isf=lambda q: -logit(q), mean=lambda: 0.0,
    var=lambda: math.pi**2 / 3, entropy=lambda: 2.0,
)  # fmt: skip
gumbel_r = Continuous(
    "gumbel_r", "", lambda y: -y - np.exp(-y), logcdf=lambda y: -np.exp(-y), sf=lambda y: -np.expm1(-np.exp(-y)),
    ppf=lambda q: -np.log(-np.log(q)), isf=lambda q: -np.log(-np.log1p(-q)), mean=lambda: _GAMMA_E,
    var=lambda: math.pi**2 / 6, entropy=lambda: _GAMMA_E + 1,
)  # fmt: skip
gumbel_l = Continuous(
    "gumbel_l", "", lambda y: y - np.exp(y), cdf=lambda y: -np.expm1(-np.exp(y)), logsf=lambda y: -np.exp(y),
    ppf=lambda q: np.log(-np.log1p(-q)), isf=lambda q: np.log(-np.log(q)), mean=lambda: -_GAMMA_E,
    var=lambda: math.pi**2 / 6, entropy=lambda: _GAMMA_E + 1,
)  # fmt: skip
moyal = Continuous(
    "moyal", "", lambda y: -0.5 * (y + np.exp(-y)) - _LOG_ROOT_2PI, cdf=lambda y: erfc(np.exp(-y / 2) / _ROOT_2),
    sf=lambda y: erf(np.exp(-y / 2) / _ROOT_2), ppf=lambda q: -2 * np.log(_ROOT_2 * erfcinv(q)),
    mean=lambda: math.log(2) + _GAMMA_E, var=lambda: math.pi**2 / 2,
)  # fmt: skip
skewnorm = Continuous(
    "skewnorm", "a", lambda y, a: math.log(2) + _log_normal(y) + log_ndtr(a * y), proper=lambda a: np.isfinite(a),
    mean=lambda a: math.sqrt(2 / math.pi) * a / np.sqrt(1 + a**2),
    var=lambda a: 1 - 2 / math.pi * a**2 / (1 + a**2),
)  # fmt: skip


def _general_tail(y: Array, b: Array) -> Array:
    """The probability beyond `y` of `gennorm`, in which the power has no derivative at 0."""
    middle = y == 0
    size = np.where(middle, 1.0, np.abs(y)) ** b
    upper = 0.5 * gammaincc(1 / b, size)
    return np.where(middle, 0.5 - y * b / 2 * np.exp(-gammaln(1 / b)), np.where(y > 0, upper, 1 - upper))


gennorm = Continuous(
    "gennorm", "beta", lambda y, b: np.log(b / 2) - gammaln(1 / b) - np.abs(y) ** b,
    cdf=lambda y, b: _general_tail(-y, b), sf=_general_tail, mean=lambda b: 0.0 * b,
    var=lambda b: np.exp(gammaln(3 / b) - gammaln(1 / b)),
)  # fmt: skip
exponnorm = Continuous(
    "exponnorm", "K", lambda y, k: (0.5 / k - y) / k + log_ndtr(y - 1 / k) - np.log(k),
    cdf=lambda y, k: ndtr(y) - np.exp((0.5 / k - y) / k + log_ndtr(y - 1 / k)),
    sf=lambda y, k: ndtr(-y) + np.exp((0.5 / k - y) / k + log_ndtr(y - 1 / k)), mean=lambda k: k,
    var=lambda k: 1 + k**2,
)  # fmt: skip


def _ball(y: Array, b: Array, m: Array, core: Any, tail: Any) -> Array:
    return np.where(y > -b, core(np.where(y > -b, y, 0.0)), tail(np.where(y > -b, -b, y)))


def _ball_tail(b: Array, m: Array) -> Array:
    return m / b / (m - 1) * np.exp(-0.5 * b**2)


def _ball_total(b: Array, m: Array) -> Array:
    return _ball_tail(b, m) + math.sqrt(2 * math.pi) * ndtr(b)


crystalball = Continuous(
    "crystalball", "beta m",
    lambda y, b, m: -np.log(_ball_total(b, m))
    + _ball(y, b, m, lambda z: -0.5 * z**2, lambda z: m * np.log(m / b) - 0.5 * b**2 - m * np.log(m / b - b - z)),
    cdf=lambda y, b, m: _ball(
        y, b, m, lambda z: _ball_tail(b, m) + math.sqrt(2 * math.pi) * (ndtr(z) - ndtr(-b)),
        lambda z: np.exp(m * np.log(m / b) - 0.5 * b**2 + (1 - m) * np.log(m / b - b - z)) / (m - 1),
    ) / _ball_total(b, m),
    proper=lambda b, m: np.logical_and(b > 0, m > 1),
)  # fmt: skip
vonmises = Continuous(
    "vonmises", "kappa", lambda y, k: k * (np.cos(y) - 1) - math.log(2 * math.pi) - np.log(i0e(k)),
    proper=lambda k: k >= 0, mean=lambda k: 0.0 * k,
)  # fmt: skip

# -- on the positive numbers --------------------------------------------------------------------------------------

expon = Continuous(
    "expon", "", lambda y: -y, cdf=lambda y: -np.expm1(-y), logsf=lambda y: -y, ppf=lambda q: -np.log1p(-q),
    isf=lambda q: -np.log(q), mean=lambda: 1.0, var=lambda: 1.0, entropy=lambda: 1.0, support=_POSITIVE,
)  # fmt: skip
gamma = Continuous(
    "gamma", "a", lambda y, a: xlogy(a - 1, y) - y - gammaln(a), cdf=lambda y, a: gammainc(a, y),
    sf=lambda y, a: gammaincc(a, y), ppf=lambda q, a: gammaincinv(a, q), isf=lambda q, a: gammainccinv(a, q),
    mean=lambda a: a, var=lambda a: a, entropy=lambda a: a + gammaln(a) + (1 - a) * psi(a), support=_POSITIVE,
)  # fmt: skip
chi2 = Continuous(
    "chi2", "df", lambda y, df: xlogy(df / 2 - 1, y) - y / 2 - gammaln(df / 2) - math.log(2) * df / 2,
    cdf=lambda y, df: chdtr(df, y), sf=lambda y, df: chdtrc(df, y), ppf=lambda q, df: 2 * gammaincinv(df / 2, q),
    isf=lambda q, df: chdtri(df, q), mean=lambda df: df, var=lambda df: 2 * df,
    entropy=lambda df: df / 2 + math.log(2) + gammaln(df / 2) + (1 - df / 2) * psi(df / 2), support=_POSITIVE,
)  # fmt: skip
invgamma = Continuous(
    "invgamma", "a", lambda y, a: -(a + 1) * np.log(y) - gammaln(a) - 1 / y, cdf=lambda y, a: gammaincc(a, 1 / y),
    sf=lambda y, a: gammainc(a, 1 / y), ppf=lambda q, a: 1 / gammainccinv(a, q), isf=lambda q, a: 1 / gammaincinv(a, q),
    support=_POSITIVE, vanishes=True,
)  # fmt: skip
lognorm = Continuous(
    "lognorm", "s", lambda y, s: _log_normal(np.log(y) / s) - np.log(s * y), cdf=lambda y, s: ndtr(np.log(y) / s),
    sf=lambda y, s: ndtr(-np.log(y) / s), logcdf=lambda y, s: log_ndtr(np.log(y) / s),
    logsf=lambda y, s: log_ndtr(-np.log(y) / s), ppf=lambda q, s: np.exp(s * ndtri(q)),
    isf=lambda q, s: np.exp(-s * ndtri(q)), mean=lambda s: np.exp(s**2 / 2),
    var=lambda s: np.expm1(s**2) * np.exp(s**2), entropy=lambda s: 0.5 + _LOG_ROOT_2PI + np.log(s),
    support=_POSITIVE, vanishes=True,
)  # fmt: skip
halfnorm = Continuous(
    "halfnorm", "", lambda y: _log_normal(y) + math.log(2), cdf=lambda y: erf(y / _ROOT_2),
    sf=lambda y: erfc(y / _ROOT_2), logsf=lambda y: math.log(2) + log_ndtr(-y), ppf=lambda q: ndtri((1 + q) / 2),
    isf=lambda q: -ndtri(q / 2), mean=lambda: math.sqrt(2 / math.pi), var=lambda: 1 - 2 / math.pi,
    entropy=lambda: 0.5 * math.log(math.pi / 2) + 0.5, support=_POSITIVE,
)  # fmt: skip
weibull_min = Continuous(
    "weibull_min", "c", lambda y, c: np.log(c) + xlogy(c - 1, y) - y**c, cdf=lambda y, c: -np.expm1(-(y**c)),
    logsf=lambda y, c: -(y**c), ppf=lambda q, c: (-np.log1p(-q)) ** (1 / c), isf=lambda q, c: (-np.log(q)) ** (1 / c),
    mean=lambda c: np.exp(gammaln(1 + 1 / c)),
    var=lambda c: np.exp(gammaln(1 + 2 / c)) - np.exp(2 * gammaln(1 + 1 / c)),
    entropy=lambda c: _GAMMA_E * (1 - 1 / c) - np.log(c) + 1, support=_POSITIVE,
)  # fmt: skip
weibull_max = Continuous(
    "weibull_max", "c", lambda y, c: np.log(c) + xlogy(c - 1, -y) - (-y) ** c, logcdf=lambda y, c: -((-y) ** c),
    sf=lambda y, c: -np.expm1(-((-y) ** c)), ppf=lambda q, c: -((-np.log(q)) ** (1 / c)),
    isf=lambda q, c: -((-np.log1p(-q)) ** (1 / c)), support=(-math.inf, 0.0),
)  # fmt: skip
rayleigh = Continuous(
    "rayleigh", "", lambda y: np.log(y) - 0.5 * y**2, cdf=lambda y: -np.expm1(-0.5 * y**2), logsf=lambda y: -0.5 * y**2,
    ppf=lambda q: np.sqrt(-2 * np.log1p(-q)), isf=lambda q: np.sqrt(-2 * np.log(q)),
    mean=lambda: math.sqrt(math.pi / 2),
    var=lambda: 2 - math.pi / 2, support=_POSITIVE, vanishes=True,
)  # fmt: skip
maxwell = Continuous(
    "maxwell", "", lambda y: 0.5 * math.log(2 / math.pi) + 2 * np.log(y) - 0.5 * y**2,
    cdf=lambda y: gammainc(1.5, y**2 / 2), sf=lambda y: gammaincc(1.5, y**2 / 2),
    ppf=lambda q: np.sqrt(2 * gammaincinv(1.5, q)), isf=lambda q: np.sqrt(2 * gammainccinv(1.5, q)),
    mean=lambda: 2 * math.sqrt(2 / math.pi), var=lambda: 3 - 8 / math.pi, support=_POSITIVE, vanishes=True,
)  # fmt: skip
f = Continuous(
    "f", "dfn dfd",
    lambda y, n, d: n / 2 * np.log(n) + d / 2 * np.log(d) + xlogy(n / 2 - 1, y) - (n + d) / 2 * np.log(d + n * y)
    - betaln(n / 2, d / 2),
    cdf=lambda y, n, d: fdtr(n, d, y), sf=lambda y, n, d: fdtrc(n, d, y), ppf=lambda q, n, d: fdtri(n, d, q),
    mean=lambda n, d: np.where(d > 2, d / np.where(d > 2, d - 2, 1.0), np.inf), support=_POSITIVE,
)  # fmt: skip
nakagami = Continuous(
    "nakagami", "nu", lambda y, v: math.log(2) + xlogy(v, v) - gammaln(v) + xlogy(2 * v - 1, y) - v * y**2,
    cdf=lambda y, v: gammainc(v, v * y**2), sf=lambda y, v: gammaincc(v, v * y**2),
    ppf=lambda q, v: np.sqrt(gammaincinv(v, q) / v), isf=lambda q, v: np.sqrt(gammainccinv(v, q) / v),
    support=_POSITIVE,
)  # fmt: skip
rice = Continuous(
    "rice", "b", lambda y, b: np.log(y) - 0.5 * (y - b) ** 2 + np.log(i0e(y * b)), proper=lambda b: b >= 0,
    support=_POSITIVE, vanishes=True,
)  # fmt: skip


def _inverse_gaussian(y: Array, mu: Any) -> tuple[Any, Any]:
    root = 1 / np.sqrt(y)
    return root * (y / mu - 1), 2 / mu + log_ndtr(-root * (y + mu) / mu)


invgauss = Continuous(
    "invgauss", "mu", lambda y, mu: -_LOG_ROOT_2PI - 1.5 * np.log(y) - ((y - mu) / mu) ** 2 / (2 * y),
    cdf=lambda y, mu: ndtr(_inverse_gaussian(y, mu)[0]) + np.exp(_inverse_gaussian(y, mu)[1]),
    sf=lambda y, mu: ndtr(-_inverse_gaussian(y, mu)[0]) - np.exp(_inverse_gaussian(y, mu)[1]), mean=lambda mu: mu,
    var=lambda mu: mu**3, support=_POSITIVE, vanishes=True,
)  # fmt: skip
wald = Continuous(
    "wald", "", lambda y: -_LOG_ROOT_2PI - 1.5 * np.log(y) - (y - 1) ** 2 / (2 * y),
    cdf=lambda y: ndtr(_inverse_gaussian(y, 1.0)[0]) + np.exp(_inverse_gaussian(y, 1.0)[1]),
    sf=lambda y: ndtr(-_inverse_gaussian(y, 1.0)[0]) - np.exp(_inverse_gaussian(y, 1.0)[1]), mean=lambda: 1.0,
    var=lambda: 1.0, support=_POSITIVE, vanishes=True,
)  # fmt: skip
levy = Continuous(
    "levy", "", lambda y: -_LOG_ROOT_2PI - 1.5 * np.log(y) - 0.5 / y, cdf=lambda y: erfc(np.sqrt(0.5 / y)),
    sf=lambda y: erf(np.sqrt(0.5 / y)), ppf=lambda q: 1 / ndtri(q / 2) ** 2,
    isf=lambda q: 0.5 / erfinv(q) ** 2, support=_POSITIVE, vanishes=True,
)  # fmt: skip

# -- on other intervals -------------------------------------------------------------------------------------------

uniform = Continuous(
    "uniform", "", lambda y: 0.0 * y, cdf=lambda y: y, sf=lambda y: 1 - y, ppf=lambda q: q, isf=lambda q: 1 - q,
    mean=lambda: 0.5, var=lambda: 1 / 12, entropy=lambda: 0.0, support=_UNIT,
)  # fmt: skip
beta = Continuous(
    "beta", "a b", lambda y, a, b: xlog1py(b - 1, -y) + xlogy(a - 1, y) - betaln(a, b),
    cdf=lambda y, a, b: betainc(a, b, y), sf=lambda y, a, b: betaincc(a, b, y),
    ppf=lambda q, a, b: betaincinv(a, b, q), isf=lambda q, a, b: betainccinv(a, b, q), mean=lambda a, b: a / (a + b),
    var=lambda a, b: a * b / ((a + b) ** 2 * (a + b + 1)),
    entropy=lambda a, b: betaln(a, b) - (a - 1) * psi(a) - (b - 1) * psi(b) + (a + b - 2) * psi(a + b), support=_UNIT,
)  # fmt: skip
powerlaw = Continuous(
    "powerlaw", "a", lambda y, a: np.log(a) + xlogy(a - 1, y), cdf=lambda y, a: y**a, ppf=lambda q, a: q ** (1 / a),
    mean=lambda a: a / (a + 1), var=lambda a: a / ((a + 2) * (a + 1) ** 2), support=_UNIT,
)  # fmt: skip
triang = Continuous(
    "triang", "c",
    lambda y, c: math.log(2) + np.where(y < c, np.log(y / np.where(c > 0, c, 1.0)),
                                        np.log((1 - y) / np.where(c < 1, 1 - c, 1.0))),
    cdf=lambda y, c: np.where(y < c, y**2 / np.where(c > 0, c, 1.0), 1 - (1 - y) ** 2 / np.where(c < 1, 1 - c, 1.0)),
    ppf=lambda q, c: np.where(q < c, np.sqrt(c * q), 1 - np.sqrt((1 - c) * (1 - q))), mean=lambda c: (c + 1) / 3,
    var=lambda c: (1 - c + c**2) / 18, proper=lambda c: np.logical_and(c >= 0, c <= 1), support=_UNIT,
)  # fmt: skip
pareto = Continuous(
    "pareto", "b", lambda y, b: np.log(b) - (b + 1) * np.log(y), cdf=lambda y, b: -np.expm1(-b * np.log(y)),
    logsf=lambda y, b: -b * np.log(y), ppf=lambda q, b: np.exp(-np.log1p(-q) / b),
    isf=lambda q, b: np.exp(-np.log(q) / b),
    mean=lambda b: np.where(b > 1, b / np.where(b > 1, b - 1, 1.0), np.inf), support=(1.0, math.inf),
)  # fmt: skip
loguniform = Continuous(
    "loguniform", "a b", lambda y, a, b: -np.log(y) - np.log(np.log(b / a)),
    cdf=lambda y, a, b: np.log(y / a) / np.log(b / a), ppf=lambda q, a, b: a * np.exp(q * np.log(b / a)),
    mean=lambda a, b: (b - a) / np.log(b / a), support=lambda a, b: (a, b),
    proper=lambda a, b: np.logical_and(a > 0, b > a),
)  # fmt: skip
genpareto = Continuous(
    "genpareto", "c", lambda y, c: -(1 + c) * _log1p_over(c, y), cdf=lambda y, c: -np.expm1(-_log1p_over(c, y)),
    logsf=lambda y, c: -_log1p_over(c, y), ppf=lambda q, c: _power(c, -np.log1p(-q)),
    isf=lambda q, c: _power(c, -np.log(q)), proper=lambda c: np.isfinite(c),
    support=lambda c: (0.0, np.where(c < 0, -1 / np.where(c < 0, c, -1.0), np.inf)),
)  # fmt: skip
genextreme = Continuous(
    "genextreme", "c",
    lambda y, c: (c - 1) * _log1p_over(-c, y) - np.exp(-_log1p_over(-c, y)),
    logcdf=lambda y, c: -np.exp(-_log1p_over(-c, y)), sf=lambda y, c: -np.expm1(-np.exp(-_log1p_over(-c, y))),
    ppf=lambda q, c: -_power(c, np.log(-np.log(q))), isf=lambda q, c: -_power(c, np.log(-np.log1p(-q))),
    proper=lambda c: np.isfinite(c),
    support=lambda c: (np.where(c < 0, 1 / np.where(c < 0, c, -1.0), -np.inf),
                       np.where(c > 0, 1 / np.where(c > 0, c, 1.0), np.inf)), vanishes=True,
)  # fmt: skip


def _log_mass(a: Array, b: Array) -> Array:
    """The logarithm of the normal probability between `a` and `b`, from the side of the smaller tails."""
    flip = a > 0
    low, high = np.where(flip, -b, a), np.where(flip, -a, b)
    upper = log_ndtr(high)
    return upper + np.log1p(-np.exp(log_ndtr(low) - upper))


truncnorm = Continuous(
    "truncnorm", "a b", lambda y, a, b: _log_normal(y) - _log_mass(a, b),
    logcdf=lambda y, a, b: _log_mass(a, y) - _log_mass(a, b), logsf=lambda y, a, b: _log_mass(y, b) - _log_mass(a, b),
    support=lambda a, b: (a, b), proper=lambda a, b: b > a,
)  # fmt: skip

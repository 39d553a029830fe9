"""Moments of samples and what is made of them: skewness, kurtosis, k-statistics, L-moments, tests of normality."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.scipy.dispatch import namespace
from graphad.scipy.stats.results import DescribeResult, SignificanceResult
from graphad.scipy.stats.samples import (
    central,
    chi2_above,
    normal_pvalue,
    number,
    real,
    statistic,
    unsupported,
    variance,
    without_nan,
)
from graphad.types import Array, ArrayLike

_traced = namespace("scipy.stats")[0]


def _moment(x: Any, order: int, center: Any = None) -> Any:
    """A moment about the mean, or about a number."""
    if order == 0 or (order == 1 and center is None):
        return np.mean(x * 0.0, axis=-1) + float(order == 0)
    return np.mean(central(x, center) ** order, axis=-1)


@statistic()
def moment(a: Any, *, order: Any = 1, center: Any = None) -> Any:
    """SciPy's `moment`, differentiable in the sample and the centre: for an array of orders along a first axis."""
    orders = number("moment", order, "an order")
    if np.size(orders) == 0 or np.any(orders != np.round(orders)):
        raise ValueError(f"scipy.stats.moment: orders {orders!r}; give whole numbers")
    found = [_moment(a, int(k), center) for k in np.ravel(orders)]
    return found if np.ndim(orders) else found[0]


def _shape(x: Array, order: int) -> tuple[Any, Any, Any]:
    """The ratio of a moment to the power of the variance, the variance, and where that is zero."""
    mean = np.mean(x, axis=-1, keepdims=True)
    away = x - mean
    m2 = np.mean(away**2, axis=-1)
    flat = m2 <= (np.finfo(x.dtype).eps * mean[..., 0]) ** 2
    ratio = np.mean(away**order, axis=-1) / np.where(flat, 1.0, m2) ** (order / 2)
    return ratio, m2, flat


def _skew(a: Any, bias: bool = True) -> Array:
    n = a.shape[-1]
    ratio, _, flat = _shape(a, 3)
    if not bias and n > 2:
        ratio = ratio * (((n - 1.0) * n) ** 0.5 / (n - 2.0))
    return np.where(flat, np.nan, ratio)


def _kurtosis(a: Array, fisher: bool = True, bias: bool = True) -> Array:
    n = a.shape[-1]
    ratio, _, flat = _shape(a, 4)
    if not bias and n > 3:
        ratio = 1.0 / (n - 2) / (n - 3) * ((n**2 - 1.0) * ratio - 3 * (n - 1) ** 2.0) + 3.0
    return np.where(flat, np.nan, ratio - 3 if fisher else ratio)


@statistic()
def skew(a: ArrayLike, *, bias: bool = True) -> Array:
    """SciPy's `skew`, differentiable in the sample."""
    return _skew(a, bias)


@statistic()
def kurtosis(a: Any, *, fisher: bool = True, bias: bool = True) -> Any:
    """SciPy's `kurtosis`, differentiable in the sample."""
    return _kurtosis(a, fisher, bias)


@_traced
def describe(
    a: Any, axis: int | None = 0, ddof: float = 1, bias: bool = True, nan_policy: str = "propagate"
) -> DescribeResult:
    """SciPy's `describe`, differentiable in the sample: extent, extremes, mean, variance, skewness and kurtosis."""
    (x,) = real("describe", a)
    x = np.moveaxis(x, axis, -1) if axis is not None and x.ndim else x.reshape(-1)
    if not x.size:
        raise ValueError("The input must not be empty.")
    if nan_policy == "omit":
        raise unsupported("describe", "nan_policy='omit'", "choose the numbers before by places that are known")
    without_nan("describe", [x], nan_policy, False)
    ends = (np.min(x, axis=-1), np.max(x, axis=-1))
    spread = variance(x, ddof)
    return DescribeResult(x.shape[-1], ends, np.mean(x, axis=-1), spread, _skew(x, bias), _kurtosis(x, True, bias))


# -- other moments ------------------------------------------------------------------------------------------------


def _kstat(x: Any, n: int) -> Array:
    m = float(x.shape[-1])
    s = [np.sum(x**k, axis=-1) for k in range(1, n + 1)]
    if n == 1:
        return s[0] / m
    if n == 2:
        return (m * s[1] - s[0] ** 2) / (m * (m - 1))
    if n == 3:
        return (2 * s[0] ** 3 - 3 * m * s[0] * s[1] + m * m * s[2]) / (m * (m - 1) * (m - 2))
    return (
        -6 * s[0] ** 4
        + 12 * m * s[0] ** 2 * s[1]
        - 3 * m * (m - 1) * s[1] ** 2
        - 4 * m * (m + 1) * s[0] * s[2]
        + m * m * (m + 1) * s[3]
    ) / (m * (m - 1) * (m - 2) * (m - 3))


@statistic()
def kstat(data: ArrayLike, *, n: Any = 2) -> Array:
    """SciPy's `kstat`, differentiable in the sample: the unbiased estimate of a cumulant of order 1 to 4."""
    n = number("kstat", n, "an order")
    if not 1 <= n <= 4:
        raise ValueError("k-statistics only supported for 1<=n<=4")
    return _kstat(data, int(n))


@statistic()
def kstatvar(data: Array, *, n: Any = 2) -> Array:
    """SciPy's `kstatvar`, differentiable in the sample: the variance of the k-statistic of order 1 or 2."""
    n = number("kstatvar", n, "an order")
    m = float(data.shape[-1])
    if n == 1:
        return _kstat(data, 2) / m
    if n != 2:
        raise ValueError("Only n=1 or n=2 supported.")
    return (2 * m * _kstat(data, 2) ** 2 + (m - 1) * _kstat(data, 4)) / (m * (m + 1))


def _weights(n: int, moments: int) -> Array:
    """The weights of ordered elements in the L-moments."""
    found = np.zeros((moments, n))
    for r in range(min(moments, n)):
        for k in range(r + 1):
            share = np.array([math.comb(j, k) for j in range(n)]) / math.comb(n - 1, k) / n
            found[r] += (-1) ** (r - k) * math.comb(r, k) * math.comb(r + k, k) * share
    return found


@statistic()
def lmoment(sample: Array, *, order: Any = None, sorted: bool = False, standardize: bool = True) -> Any:
    """SciPy's `lmoment`, differentiable in the sample: for orders, 1 to 4 by default, along a first axis."""
    orders = np.arange(1, 5) if order is None else number("lmoment", order, "an order")
    if np.asarray(orders).dtype.kind not in "iu" or np.ndim(orders) > 1 or np.size(orders) == 0 or np.min(orders) < 1:
        raise ValueError("`order` must be a scalar or a non-empty array of positive integers.")
    n, moments = sample.shape[-1], int(np.max(orders))
    x = sample if sorted else np.sort(sample, axis=-1)
    weights = _weights(n, moments)
    found = [np.sum(x * weights[r], axis=-1) if r < n else np.full(x.shape[:-1], np.nan) for r in range(moments)]
    if standardize and moments > 2:
        found = [*found[:2], *[part / found[1] for part in found[2:]]]
    chosen = [found[k - 1] for k in np.ravel(orders).tolist()]
    return chosen if np.ndim(orders) else chosen[0]


# -- tests of normality -------------------------------------------------------------------------------------------


def _skewness_score(a: Any) -> Array:
    n = float(a.shape[-1])
    y = _skew(a) * math.sqrt(((n + 1) * (n + 3)) / (6.0 * (n - 2)))
    beta = 3.0 * (n**2 + 27 * n - 70) * (n + 1) * (n + 3) / ((n - 2.0) * (n + 5) * (n + 7) * (n + 9))
    w2 = -1 + math.sqrt(2 * (beta - 1))
    alpha = math.sqrt(2.0 / (w2 - 1))
    y = np.where(y == 0, 1.0, y) / alpha
    return 1 / math.sqrt(0.5 * math.log(w2)) * np.log(y + np.sqrt(y**2 + 1))


def _kurtosis_score(a: Any) -> Array:
    n = float(a.shape[-1])
    mean = 3.0 * (n - 1) / (n + 1)
    spread = 24.0 * n * (n - 2) * (n - 3) / ((n + 1) * (n + 1.0) * (n + 3) * (n + 5))
    x = (_kurtosis(a, fisher=False) - mean) / spread**0.5
    root = (6.0 * (n + 3) * (n + 5) / (n * (n - 2) * (n - 3))) ** 0.5
    root = 6.0 * (n * n - 5 * n + 2) / ((n + 7) * (n + 9)) * root
    big = 6.0 + 8.0 / root * (2.0 / root + (1 + 4.0 / root**2) ** 0.5)
    below = 1 + x * (2 / (big - 4.0)) ** 0.5
    term = np.sign(below) * np.cbrt((1 - 2.0 / big) / np.where(below == 0, np.nan, np.abs(below)))
    return (1 - 2 / (9.0 * big) - term) / (2 / (9.0 * big)) ** 0.5


@statistic(small=7)
def skewtest(a: Any, *, alternative: str = "two-sided") -> SignificanceResult:
    """SciPy's `skewtest`, differentiable in the sample."""
    z = _skewness_score(a)
    return SignificanceResult(z, normal_pvalue("skewtest", z, alternative))


@statistic(small=4)
def kurtosistest(a: ArrayLike, *, alternative: str = "two-sided") -> SignificanceResult:
    """SciPy's `kurtosistest`, differentiable in the sample."""
    z = _kurtosis_score(a)
    return SignificanceResult(z, normal_pvalue("kurtosistest", z, alternative))


@statistic(small=7)
def normaltest(a: ArrayLike) -> SignificanceResult:
    """SciPy's `normaltest`, differentiable in the sample."""
    found = _skewness_score(a) ** 2 + _kurtosis_score(a) ** 2
    return SignificanceResult(found, chi2_above(found, 2))


@statistic()
def jarque_bera(x: Array) -> SignificanceResult:
    """SciPy's `jarque_bera`, differentiable in the sample."""
    found = x.shape[-1] / 6 * (_skew(x) ** 2 + _kurtosis(x) ** 2 / 4)
    return SignificanceResult(found, chi2_above(found, 2))

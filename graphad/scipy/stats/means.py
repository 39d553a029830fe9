"""Means of several kinds, what they have of a spread, and scores: of samples, of those within limits, of angles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.numpy.arguments import axis_of
from graphad.scipy.arguments import require
from graphad.scipy.dispatch import namespace
from graphad.scipy.stats.samples import number, real, statistic, unsupported, without_nan
from graphad.types import Array, ArrayLike

_traced = namespace("scipy.stats")[0]


def _mean(x: Array, weights: Any) -> Array:
    return np.mean(x, axis=-1) if weights is None else np.sum(x * weights, axis=-1) / np.sum(weights, axis=-1)


@statistic(optional=("weights",))
def gmean(a: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """SciPy's `gmean`, differentiable in the sample and the weights: the geometric mean."""
    return np.exp(_mean(np.log(a), weights))


@statistic(optional=("weights",))
def hmean(a: Any, *, weights: Any = None) -> Any:
    """SciPy's `hmean`, differentiable in the sample and the weights: the harmonic mean, NaN for negative numbers."""
    return 1.0 / _mean(1.0 / np.where(a < 0, np.nan, a), weights)


@statistic(optional=("weights",))
def pmean(a: Any, *, p: Any, weights: Any = None) -> Any:
    """SciPy's `pmean`, differentiable in the sample and the weights: the mean of a power, NaN for negative numbers."""
    p = number("pmean", p, "a power", smooth=True)
    if math.isinf(p):
        raise unsupported("pmean", "an infinite power", "take the minimum or maximum")
    if p == 0:
        return np.exp(_mean(np.log(a), weights))
    return _mean(np.where(a < 0, np.nan, a) ** float(p), weights) ** (1 / p)


# -- within limits ------------------------------------------------------------------------------------------------


def _outside(a: Any, limits: Any, inclusive: Any) -> Array:
    """Which elements are beyond limits; `ValueError` where all of all samples are."""
    if limits is None:
        return np.zeros(a.shape, dtype=bool)
    (low, high), (with_low, with_high) = limits, inclusive
    found = np.zeros(a.shape, dtype=bool)
    if low is not None:
        found = found | (a < low if with_low else a <= low)
    if high is not None:
        found = found | (a > high if with_high else a >= high)
    require(np.any(~found), "No array values within given limits")
    return found


@statistic()
def tmean(a: Any, *, limits: Any = None, inclusive: Any = (True, True)) -> Any:
    """SciPy's `tmean`, differentiable in the sample: the mean of what is within limits."""
    outside = _outside(a, limits, inclusive)
    return np.sum(np.where(outside, 0.0, a), axis=-1) / np.sum(~outside, axis=-1)


def _trimmed(a: Any, limits: Any, inclusive: Any, ddof: float) -> tuple[Any, Any]:
    """The variance of what is within limits, and how many there are."""
    outside = _outside(a, limits, inclusive)
    n = np.sum(~outside, axis=-1, keepdims=True)
    mean = np.sum(np.where(outside, 0.0, a), axis=-1, keepdims=True) / n
    found = np.sum(np.where(outside, 0.0, a - mean) ** 2, axis=-1)
    n = n[..., 0]
    return np.where(n > ddof, found / np.where(n > ddof, n - ddof, 1), np.nan), n


@statistic()
def tvar(a: ArrayLike, *, limits: Any = None, inclusive: Any = (True, True), ddof: float = 1) -> Array:
    """SciPy's `tvar`, differentiable in the sample: the variance of what is within limits."""
    return _trimmed(a, limits, inclusive, ddof)[0]


@statistic()
def tstd(a: Any, *, limits: Any = None, inclusive: Any = (True, True), ddof: float = 1) -> Any:
    """SciPy's `tstd`, differentiable in the sample: the standard deviation of what is within limits."""
    return np.sqrt(_trimmed(a, limits, inclusive, ddof)[0])


@statistic()
def tsem(a: Any, *, limits: Any = None, inclusive: Any = (True, True), ddof: float = 1) -> Any:
    """SciPy's `tsem`, differentiable in the sample: the standard error of the mean of what is within limits."""
    spread, n = _trimmed(a, limits, inclusive, ddof)
    return np.sqrt(spread) / np.sqrt(n)


@statistic()
def tmin(a: ArrayLike, *, lowerlimit: Any = None, inclusive: bool = True) -> Array:
    """SciPy's `tmin`, differentiable in the sample: the least of what is not below a limit."""
    outside = _outside(a, (lowerlimit, None), (inclusive, None))
    return np.where(np.all(outside, axis=-1), np.nan, np.min(np.where(outside, np.inf, a), axis=-1))


@statistic()
def tmax(a: Any, *, upperlimit: Any = None, inclusive: bool = True) -> Any:
    """SciPy's `tmax`, differentiable in the sample: the greatest of what is not above a limit."""
    outside = _outside(a, (None, upperlimit), (None, inclusive))
    return np.where(np.all(outside, axis=-1), np.nan, np.max(np.where(outside, -np.inf, a), axis=-1))


def _cut(name: str, proportion: ArrayLike, n: int) -> int:
    return int(number(name, proportion, "a proportion") * n)


@statistic()
def trim_mean(a: Array, *, proportiontocut: ArrayLike) -> Any:
    """SciPy's `trim_mean`, differentiable in the sample: the mean without a proportion at both ends."""
    n = a.shape[-1]
    cut = _cut("trim_mean", proportiontocut, n)
    if cut > n - cut:
        raise ValueError("Proportion too big.")
    return np.mean(np.sort(a, axis=-1)[..., cut : n - cut], axis=-1)


def _sorted(name: str, a: Any, axis: int | None, low: int, high: int) -> Array:
    (a,) = real(name, a)
    axis, a = (0, a.reshape(-1)) if axis is None else (axis_of(a, axis, name), a)
    found = np.sort(a, axis)
    return found[(slice(None),) * axis + (slice(low, high),)]


def _extent(a: Any, axis: int | None) -> int:
    return int(np.size(a) if axis is None else np.shape(a)[axis])


@_traced
def trimboth(a: ArrayLike, proportiontocut: Any, axis: int | None = 0) -> Array:
    """SciPy's `trimboth`, differentiable in the sample: what is left without a proportion at both ends, in order."""
    n = _extent(a, axis)
    cut = _cut("trimboth", proportiontocut, n)
    if cut >= n - cut:
        raise ValueError("Proportion too big.")
    return _sorted("trimboth", a, axis, cut, n - cut)


@_traced
def trim1(a: ArrayLike, proportiontocut: Any, tail: str = "right", axis: int | None = 0) -> Array:
    """SciPy's `trim1`, differentiable in the sample: what is left without a proportion at one end, in order."""
    n = _extent(a, axis)
    cut = _cut("trim1", proportiontocut, n)
    if cut >= n:
        raise ValueError("Proportion too big.")
    return _sorted("trim1", a, axis, *((0, n - cut) if tail.lower() == "right" else (cut, n)))


# -- spread -------------------------------------------------------------------------------------------------------


@statistic(small=1)
def sem(a: Array, *, ddof: float = 1) -> Array:
    """SciPy's `sem`, differentiable in the sample: the standard error of the mean."""
    return np.std(a, axis=-1, ddof=ddof) / a.shape[-1] ** 0.5


@statistic()
def variation(a: Array, *, ddof: float = 0) -> Array:
    """SciPy's `variation`, differentiable in the sample: the ratio of standard deviation and mean."""
    n, mean, deviation = a.shape[-1], np.mean(a, axis=-1), np.std(a, axis=-1)
    if n == ddof:
        return np.where(deviation > 0, np.copysign(np.inf, mean), np.nan)
    return deviation * (n / (n - ddof) if n > ddof else np.nan) ** 0.5 / mean


def _means(name: str, x: Array, axis: Any, ddof: float, policy: str) -> tuple[Any, Any]:
    """The means and standard deviations along an axis."""
    if policy == "omit":
        return np.nanmean(x, axis=axis, keepdims=True), np.nanstd(x, axis=axis, ddof=ddof, keepdims=True)
    without_nan(name, [x], policy, False)
    return np.mean(x, axis=axis, keepdims=True), np.std(x, axis=axis, ddof=ddof, keepdims=True)


@_traced
def zmap(scores: ArrayLike, compare: ArrayLike, axis: Any = 0, ddof: float = 0, nan_policy: str = "propagate") -> Array:
    """SciPy's `zmap`, differentiable in both: scores by the mean and standard deviation of others."""
    x, other = real("zmap", scores, compare)
    mean, deviation = _means("zmap", other, axis, ddof, nan_policy)
    found = (x - mean) / deviation
    return _nonzero(found, mean, deviation) if scores is compare else found


def _nonzero(found: Any, mean: Array, deviation: Array) -> Array:
    return np.where(deviation <= np.abs(np.finfo(found.dtype).eps * mean), np.nan, found)


@_traced
def zscore(a: ArrayLike, axis: Any = 0, ddof: float = 0, nan_policy: str = "propagate") -> Array:
    """SciPy's `zscore`, differentiable in the sample: scores by their mean and standard deviation."""
    return zmap(a, a, axis, ddof, nan_policy)


@_traced
def gzscore(a: Any, *, axis: Any = 0, ddof: float = 0, nan_policy: str = "propagate") -> Any:
    """SciPy's `gzscore`, differentiable in the sample: the scores of the logarithms."""
    return zscore(np.log(*real("gzscore", a)), axis, ddof, nan_policy)


@_traced
def gstd(
    a: ArrayLike, axis: Any = 0, ddof: float = 1, *, keepdims: bool = False, nan_policy: str = "propagate"
) -> Array:
    """SciPy's `gstd`, differentiable in the sample: the geometric standard deviation."""
    mean, deviation = _means("gstd", np.log(*real("gstd", a)), axis, ddof, nan_policy)
    return np.exp(deviation if keepdims else deviation.reshape(np.mean(mean, axis=axis).shape))


# -- angles -------------------------------------------------------------------------------------------------------


def _direction(samples: Array, period: Any) -> tuple[Any, Any]:
    """The means of sine and cosine."""
    angles = samples * (2.0 * math.pi / period)
    return np.mean(np.sin(angles), axis=-1), np.mean(np.cos(angles), axis=-1)


def _length(samples: Any, period: Any) -> Array:
    sine, cosine = _direction(samples, period)
    return np.minimum(np.sqrt(sine**2 + cosine**2), 1.0)


@statistic()
def circmean(samples: Any, *, high: Any = 2 * math.pi, low: Any = 0) -> Any:
    """SciPy's `circmean`, differentiable in the sample and the ends of the period."""
    period = high - low
    return (np.arctan2(*_direction(samples, period)) * (period / (2.0 * math.pi)) - low) % period + low


@statistic()
def circvar(samples: ArrayLike, *, high: Any = 2 * math.pi, low: Any = 0) -> Array:
    """SciPy's `circvar`, differentiable in the sample and the ends of the period."""
    return 1.0 - _length(samples, high - low)


@statistic()
def circstd(samples: Any, *, high: Any = 2 * math.pi, low: Any = 0, normalize: bool = False) -> Any:
    """SciPy's `circstd`, differentiable in the sample and the ends of the period."""
    length = _length(samples, high - low)
    apart = length < 1
    found = np.where(apart, np.sqrt(-2 * np.log(np.where(apart, length, 0.5))), length - 1)
    return found if normalize else found * ((high - low) / (2 * math.pi))

"""Tests of means and variances: by Student's, Fisher's and the chi-squared distribution, differentiable in samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.numpy.arguments import operand
from graphad.ops.elementwise import cast
from graphad.ops.special.error import ndtri
from graphad.ops.special.gamma import gammaincinv, gammaln
from graphad.ops.special.statistical import fdtrc, stdtrit
from graphad.scipy.arguments import require
from graphad.scipy.dispatch import namespace, since
from graphad.scipy.stats.results import IntervalResult, SignificanceResult, TtestResult
from graphad.scipy.stats.samples import (
    chi2_above,
    choose,
    number,
    ranks,
    real,
    several,
    split,
    statistic,
    student_pvalue,
    variance,
)
from graphad.types import Array, ArrayLike

_traced = namespace("scipy.stats")[0]


# -- Student's ----------------------------------------------------------------------------------------------------


def _ttest(name: str, away: Array, error: Array, df: Any, estimate: Array, alternative: str) -> TtestResult:
    t = away / error
    df = np.broadcast_to(operand(df), np.shape(t))
    return TtestResult(t, student_pvalue(name, t, df * 1.0, alternative), df, error, estimate, alternative)


@statistic(2)
def ttest_1samp(a: Array, popmean: ArrayLike, *, alternative: str = "two-sided") -> TtestResult:
    """SciPy's `ttest_1samp`, differentiable in the sample and the mean."""
    n, mean = a.shape[-1], np.mean(a, axis=-1)
    away = mean - np.squeeze(popmean, -1)
    return _ttest("ttest_1samp", away, np.sqrt(variance(a, 1) / n), n - 1, mean, alternative)


@statistic(2, paired=True)
def ttest_rel(a: Array, b: Array, *, alternative: str = "two-sided") -> TtestResult:
    """SciPy's `ttest_rel`, differentiable in the samples."""
    n, mean = a.shape[-1], np.mean(a - b, axis=-1)
    return _ttest("ttest_rel", mean, np.sqrt(variance(a - b, 1) / n), n - 1, mean, alternative)


def _pooled(v: Array, n: Any, w: Array, m: Any) -> tuple[Any, Any]:
    """The degrees of freedom, and the standard error of a difference of means of one variance."""
    df = n + m - 2.0
    v, w = np.where(n == 1, 0.0, v), np.where(m == 1, 0.0, w)
    return df, np.sqrt(((n - 1) * v + (m - 1) * w) / df * (1.0 / n + 1.0 / m))


def _welch(v: Array, n: Any, w: Array, m: Any) -> tuple[Any, Any]:
    """The same for two variances."""
    v, w = v / n, w / m
    flat = (v == 0) & (w == 0)
    df = (v + w) ** 2 / np.where(flat, 1.0, v**2 / (n - 1) + w**2 / (m - 1))
    return np.where(flat, 1.0, df), np.sqrt(v + w)


def _trimmed(x: Any, trim: float) -> tuple[Any, Any, int]:
    """The mean without a proportion at both ends, the variance for it (Yuen, 1974), and how many are left."""
    n = x.shape[-1]
    cut = int(n * trim)
    if not cut:
        return np.mean(x, axis=-1), variance(x, 1), n
    y = np.sort(x, axis=-1)
    ends = np.take(y, np.clip(np.arange(n), cut, n - cut - 1), axis=-1)
    return np.mean(y[..., cut : n - cut], axis=-1), variance(ends, 2 * cut + 1), n - 2 * cut


@statistic(2)
def ttest_ind(
    a: ArrayLike, b: ArrayLike, *, equal_var: bool = True, alternative: str = "two-sided", trim: Any = 0
) -> TtestResult:
    """SciPy's `ttest_ind`, differentiable in the samples: Student's, Welch's or, for `trim`, Yuen's."""
    trim = number("ttest_ind", trim, "a proportion")
    if not 0 <= trim < 0.5:
        raise ValueError("Trimming percentage should be 0 <= `trim` < .5.")
    (first, v, n), (second, w, m) = _trimmed(a, trim), _trimmed(b, trim)
    df, error = (_pooled if equal_var else _welch)(v, n, w, m)
    return _ttest("ttest_ind", first - second, error, df, first - second, alternative)


@_traced
def ttest_ind_from_stats(
    mean1: ArrayLike, std1: ArrayLike, nobs1: ArrayLike, mean2: ArrayLike, std2: ArrayLike, nobs2: ArrayLike,
    equal_var: bool = True, alternative: str = "two-sided",
) -> SignificanceResult:  # fmt: skip
    """SciPy's `ttest_ind_from_stats`, differentiable in all numbers."""
    first, v, n, second, w, m = real("ttest_ind_from_stats", mean1, std1, nobs1, mean2, std2, nobs2)
    df, error = (_pooled if equal_var else _welch)(v**2, n, w**2, m)
    t = (first - second) / error
    return SignificanceResult(t, student_pvalue("ttest_ind_from_stats", t, df, alternative))


# -- several samples ----------------------------------------------------------------------------------------------


def _above(dfn: Any, dfd: Any, f: Any) -> Any:
    """The probability of a greater ratio of variances."""
    return cast(fdtrc(dfn * 1.0, dfd * 1.0, f), f.dtype)


def _variances(samples: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    """The ratio of variances between samples and within, of one variance, and its degrees of freedom."""
    whole = np.concatenate(samples, axis=-1)
    n, k = whole.shape[-1], len(samples)
    offset = np.mean(whole, axis=-1, keepdims=True)
    between = sum([x.shape[-1] * (np.mean(x, axis=-1, keepdims=True) - offset) ** 2 for x in samples])[..., 0]
    within = sum([x.shape[-1] * variance(x) for x in samples])
    return between / (k - 1) / (within / (n - k)), k - 1, n - k


def _unequal(samples: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    """The same of Welch (1951), of variances that differ."""
    k = len(samples)
    n = np.array([float(x.shape[-1]) for x in samples]).reshape(-1, *(1,) * (samples[0].ndim - 1))
    means = np.stack([np.mean(x, axis=-1) for x in samples])
    w = n / np.stack([variance(x, 1) for x in samples])
    share = w / np.sum(w, axis=0)
    middle = np.sum(share * means, axis=0)
    rest = np.sum((1 - share) ** 2 / (n - 1), axis=0)
    f = np.sum(w * (means - middle) ** 2, axis=0) / (k - 1) / (1 + 2 * (k - 2) / (k**2 - 1) * rest)
    return f, k - 1, (k**2 - 1) / (3 * rest)


@statistic("rows")
def f_oneway(*samples: Any, equal_var: bool = True) -> SignificanceResult:
    """SciPy's `f_oneway`, differentiable in the samples, or in a matrix of them."""
    several(samples)
    f, dfn, dfd = (_variances if equal_var else _unequal)(samples)
    whole = np.concatenate(samples, axis=-1)
    flat = [np.all(x == x[..., :1], axis=-1) for x in (*samples, whole)]
    f = np.where(np.all(np.stack(flat[:-1]), axis=0), np.inf, f)
    f = np.where(flat[-1], np.nan, f)
    return SignificanceResult(f, _above(dfn, dfd, f))


@statistic("all", small=1)
def alexandergovern(*samples: Any) -> SignificanceResult:
    """SciPy's `alexandergovern`, differentiable in the samples."""
    several(samples)
    means = np.stack([np.mean(x, axis=-1) for x in samples])
    squares = np.stack([variance(x, 1) / x.shape[-1] for x in samples])
    v = np.array([x.shape[-1] - 1.0 for x in samples]).reshape(-1, *(1,) * (means.ndim - 1))
    weights = 1 / squares / np.sum(1 / squares, axis=0)
    t2 = (means - np.sum(weights * means, axis=0)) ** 2 / squares
    a = v - 0.5
    b = 48 * a**2
    # The series is odd in `c`, of which only the square is asked for in the end: it is one in `c**2` times `c`.
    c2 = a * np.log1p(t2 / v)
    series = 1 + (c2 + 3) / b - (4 * c2**3 + 33 * c2**2 + 240 * c2 + 855) / (b**2 * 10 + 8 * b * c2**2 + 1000 * b)
    found = np.sum(c2 * series**2, axis=0)
    return SignificanceResult(found, chi2_above(found, len(samples) - 1))


def _center(name: str, center: str, proportion: Any) -> Callable[[Any], Any]:
    choose(name, "center", center, "median", "mean", "trimmed")
    if center == "trimmed":
        share = number(name, proportion, "a proportion")
        return lambda x: np.expand_dims(_without_ends(x, int(share * x.shape[-1])), -1)
    middle: Callable[..., Any] = np.mean if center == "mean" else np.median
    return lambda x: middle(x, axis=-1, keepdims=True)


def _without_ends(x: Any, cut: int) -> Any:
    return np.mean(np.sort(x, axis=-1)[..., cut : x.shape[-1] - cut], axis=-1)


@statistic("all")
def levene(*samples: Any, center: str = "median", proportiontocut: Any = 0.05) -> SignificanceResult:
    """SciPy's `levene`, differentiable in the samples."""
    several(samples)
    middle = _center("levene", center, proportiontocut)
    f, dfn, dfd = _variances(tuple([np.abs(x - middle(x)) for x in samples]))
    return SignificanceResult(f, _above(dfn, dfd, f))


@statistic("all")
def fligner(*samples: Any, center: str = "median", proportiontocut: Any = 0.05) -> SignificanceResult:
    """SciPy's `fligner`, of ranks: it changes by jumps only."""
    several(samples)
    middle = _center("fligner", center, proportiontocut)
    whole = np.concatenate([np.abs(x - middle(x)) for x in samples], axis=-1)
    n = whole.shape[-1]
    scores = ndtri(ranks(whole)[0] / (2 * (n + 1.0)) + 0.5)
    mean = np.mean(scores, axis=-1)
    parts = split(scores, [x.shape[-1] for x in samples])
    found = sum([x.shape[-1] * (np.mean(x, axis=-1) - mean) ** 2 for x in parts]) / variance(scores, 1)
    found = np.where(np.any(np.isnan(whole), axis=-1), np.nan, found)
    return SignificanceResult(found, chi2_above(found, len(samples) - 1))


@statistic("all")
def bartlett(*samples: Any) -> SignificanceResult:
    """SciPy's `bartlett`, differentiable in the samples."""
    several(samples)
    k, sizes = len(samples), [x.shape[-1] for x in samples]
    n, spreads = sum(sizes), [variance(x, 1) for x in samples]
    pooled = sum([(m - 1) * v for m, v in zip(sizes, spreads, strict=True)]) / (n - k)
    logs = sum([(m - 1) * np.log(v) for m, v in zip(sizes, spreads, strict=True)])
    found = ((n - k) * np.log(pooled) - logs) / (
        1 + 1 / (3 * (k - 1)) * (sum([1 / (m - 1) for m in sizes]) - 1 / (n - k))
    )
    found = np.maximum(found, 0.0)
    return SignificanceResult(found, chi2_above(found, k - 1))


@_traced
def obrientransform(*samples: Any) -> Any:
    """SciPy's `obrientransform`, differentiable in the samples: of samples of one size before SciPy 1.18."""
    found = []
    for x in [real("obrientransform", x)[0] for x in samples]:
        n, square = x.shape[-1], (x - np.mean(x)) ** 2
        whole = np.sum(square)
        t = ((n - 1.5) * n * square - 0.5 * whole) / ((n - 1) * (n - 2))
        if not since("1.18.0"):
            require(~(np.abs(whole / (n - 1) - np.mean(t)) > np.sqrt(np.finfo(float).eps)), "Lack of convergence")
        found.append(t)
    return tuple(found) if since("1.18.0") else np.stack(found)


@_traced
def bayes_mvs(data: Any, alpha: Any = 0.9) -> tuple[IntervalResult, ...]:
    """SciPy's `bayes_mvs`, differentiable in the sample: mean, variance and standard deviation with intervals."""
    (x,) = real("bayes_mvs", data)
    x = x.reshape(-1)
    n = x.shape[-1]
    mean, spread = np.mean(x), variance(x)
    tails = [(1 - alpha) / 2, (1 + alpha) / 2]
    if n > 1000:
        # Normal distributions for many numbers.
        scales = (np.sqrt(spread / n), np.sqrt(2.0 / n) * spread, np.sqrt(spread / (2.0 * n)))
        return tuple([
            IntervalResult(m, tuple([m + s * ndtri(p) for p in tails]))
            for m, s in zip((mean, spread, np.sqrt(spread)), scales, strict=True)
        ])  # fmt: skip
    half, scale = (n - 1) / 2.0, n * spread / 2.0
    reach = [stdtrit(n - 1.0, p) * np.sqrt(spread / (n - 1)) + mean for p in tails]
    ends = [scale / gammaincinv(half, 1 - p) for p in tails]
    deviation = np.sqrt(scale) * np.exp(gammaln(half - 0.5) - gammaln(half))
    return (
        IntervalResult(mean, tuple(reach)),
        IntervalResult(scale / (half - 1) if half > 1 else np.inf, tuple(ends)),
        IntervalResult(deviation, tuple([np.sqrt(end) for end in ends])),
    )

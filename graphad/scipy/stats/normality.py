"""Whether samples look normal: tests by order statistics and characteristic functions, probability plots, and counts
in bins."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.location import place
from graphad.numpy.arguments import known, operand
from graphad.ops.special.error import log_ndtr, ndtr, ndtri
from graphad.ops.special.statistical import chdtrc
from graphad.scipy.dispatch import namespace, since
from graphad.scipy.stats.correlations import linregress
from graphad.scipy.stats.distribution import DISTRIBUTIONS
from graphad.scipy.stats.orders import iqr
from graphad.scipy.stats.results import AndersonResult, CumfreqResult, RelfreqResult, SignificanceResult
from graphad.scipy.stats.samples import choose, number, real, statistic, unsupported
from graphad.types import Array

_traced = namespace("scipy.stats")[0]
_ENDS = (
    (-2.706056, 4.434685, -2.071190, -0.147981, 0.221157, 0.0),
    (-3.582633, 5.682633, -1.752461, -0.293762, 0.042981, 0.0),
)
"""Polynomials: by how much the weights of the greatest and the next number exceed normal quantiles of norm 1."""


@statistic(small=2)
def shapiro(x: Array) -> SignificanceResult:
    """SciPy's `shapiro`, differentiable in the sample: the statistic of Shapiro and Wilk, and its p-value (Royston,
    "Remark AS R94", 1995)."""
    n = x.shape[-1]
    if n < 3:
        raise ShapeError(f"scipy.stats.shapiro: a sample of {n}{place()}; give 3 at least")
    y = np.sort(x, axis=-1)
    weights = _weights(n)
    centred = y - np.mean(y, axis=-1, keepdims=True)
    along, length = np.sum(weights * centred, axis=-1), np.sqrt(np.sum(centred**2, axis=-1))
    rest = (length - along) * (length + along) / length**2
    w, p = 1.0 - rest, _shapiro_pvalue(rest, n)
    if not since("1.18.0"):
        same = y[..., 0] == y[..., -1]
        w, p = np.where(same, 1.0, w), np.where(same, 1.0, p)
    return SignificanceResult(w, p)


def _weights(n: int) -> Array:
    """The weights of the order statistics, of norm 1, as SciPy computes them: they depend on their number alone."""
    half = np.zeros(n // 2)
    if since("1.18.0"):
        half = _upper_weights(n)
    else:
        import_module("scipy.stats._ansari_swilk_statistics").swilk(np.arange(float(n)), half, 0)
    weights = np.concatenate([-half, np.zeros(n % 2), half[::-1]])
    return weights / np.sqrt(np.sum(weights**2))


def _upper_weights(n: int) -> Any:
    """The weights of the greater half, from the greatest one on: those of the one or two greatest by polynomials in
    `1 / sqrt(n)`, the others in proportion to the normal quantiles (Royston, "A toolkit for testing for non-normality",
    1993)."""
    if n == 3:
        return np.sqrt([0.5])
    quantiles = ndtri((np.arange(n, n - n // 2, -1) - 0.375) / (n + 0.25))
    norm = 2 * np.sum(quantiles**2)
    ends = _ENDS[: 1 if n <= 5 else 2]
    k = len(ends)
    first = quantiles[:k] / np.sqrt(norm) + np.array([np.polyval(p, n**-0.5) for p in ends])
    rest = quantiles[k:] * np.sqrt((1 - 2 * np.sum(first**2)) / (norm - 2 * np.sum(quantiles[:k] ** 2)))
    return np.concatenate([first, rest])


def _shapiro_pvalue(rest: Array, n: int) -> Array:
    """The p-value of the statistic `1 - rest`."""
    if n == 3:
        w = 1.0 - rest
        p = 6.0 / np.pi * (np.arcsin(np.sqrt(np.clip(w, 0.75, 1.0))) - np.arcsin(np.sqrt(0.75)))
        return np.where(w < 0.75, 0.0, p)
    y = np.log(rest)
    if n <= 11:
        limit = -2.273 + 0.459 * n
        fits = y < limit
        y = np.where(fits, -np.log(np.where(fits, limit - y, 1.0)), 0.0)
        mean = np.polyval([-6.714e-4, 0.025054, -0.39978, 0.5440], n)
        spread = math.exp(np.polyval([-0.0020322, 0.062767, -0.77857, 1.3822], n))
        return np.where(fits, ndtr((mean - y) / spread), np.where(np.isnan(rest), np.nan, 1e-99))
    mean = np.polyval([0.0038915, -0.083751, -0.31082, -1.5861], math.log(n))
    spread = math.exp(np.polyval([0.0030302, -0.082676, -0.4803], math.log(n)))
    return ndtr((mean - y) / spread)


@_traced
def anderson(x: Any, dist: str = "norm", *, method: Any = None) -> Any:
    """SciPy's `anderson` of normal and exponential samples, differentiable in the sample, with SciPy's critical values.

    The p-value that `method="interpolate"` gives is differentiable too; without it there is no `fit_result`.
    """
    choose("anderson", "dist", dist, "norm", "expon")
    choose("anderson", "method", method, None, "interpolate")
    (x,) = real("anderson", x)
    n = x.shape[0]
    y = np.sort(x, axis=0)
    mean = np.mean(x, axis=0)
    tables = import_module("scipy.stats._morestats")
    if dist == "norm":
        w = (y - mean) / np.std(x, ddof=1, axis=0)
        below, above = log_ndtr(w), log_ndtr(-w)
        critical = np.around(tables._Avals_norm / (1.0 + 0.75 / n + 2.25 / n / n), 3)
    else:
        w = y / mean
        below, above = np.log(-np.expm1(-w)), -w
        critical = np.around(tables._Avals_expon / (1.0 + 0.6 / n), 3)
    order = np.arange(1.0, n + 1.0).reshape(-1, *(1,) * (x.ndim - 1))
    found = -n - np.sum((2.0 * order - 1.0) / n * (below + above[::-1]), axis=0)
    levels = np.array([15, 10, 5, 2.5, 1])
    if method is None:
        return AndersonResult(found, critical, levels)
    return SignificanceResult(found, np.interp(found, critical, levels / 100))


@_traced
def probplot(
    x: Any, sparams: Any = (), dist: Any = "norm", fit: bool = True, plot: Any = None, rvalue: bool = False
) -> Any:
    """SciPy's `probplot` without a plot, differentiable in the sample."""
    if plot is not None:
        raise unsupported("probplot", "plot=", "plot what it gives")
    (x,) = real("probplot", x)
    n = x.shape[0]
    ends = 0.5 ** (1.0 / n)
    places = np.concatenate([[1 - ends], (np.arange(2, n) - 0.3175) / (n + 0.365), [ends]])
    law = DISTRIBUTIONS.get(dist) or getattr(import_module("scipy.stats"), dist) if isinstance(dist, str) else dist
    parameters = sparams if isinstance(sparams, tuple) else tuple(np.atleast_1d(sparams))
    quantiles, y = law.ppf(places, *parameters), np.sort(x)
    if not fit:
        return quantiles, y
    slope, intercept, r = linregress(quantiles, y)[:3]
    return (quantiles, y), (slope, intercept, r)


@statistic(2, small=4)
def epps_singleton_2samp(x: Any, y: Any, t: Any = (0.4, 0.8)) -> SignificanceResult:
    """SciPy's `epps_singleton_2samp`, differentiable in the samples: a distance of empirical characteristic functions
    at `t`, and its p-value."""
    nx, ny = x.shape[-1], y.shape[-1]
    n = nx + ny
    if min(nx, ny) < 5:
        raise ShapeError(f"scipy.stats.epps_singleton_2samp: samples of {nx} and {ny}{place()}; give 5 at least")
    t = np.asarray(number("epps_singleton_2samp", t, "the points"), float)
    if t.ndim > 1 or np.any(t <= 0):
        raise ValueError(f"scipy.stats.epps_singleton_2samp: t={t}{place()}; give positive numbers in one row")
    spread = iqr(np.concatenate([x, y], axis=-1), axis=-1)
    at = 2.0 * t.reshape(-1) / spread[..., None]
    waves = [at[..., None] * sample[..., None, :] for sample in (x, y)]
    first, second = [np.concatenate([np.cos(w), np.sin(w)], axis=-2) for w in waves]
    covariance = n / nx * _covariance(first) + n / ny * _covariance(second)
    inverse = np.linalg.pinv(covariance)
    rank = np.linalg.matrix_rank(inverse)
    away = np.mean(first, axis=-1) - np.mean(second, axis=-1)
    w = n * np.sum(away * np.matmul(inverse, away[..., None])[..., 0], axis=-1)
    if max(nx, ny) < 25:
        w = w / (1.0 + n**-0.45 + 10.1 * (nx**-1.7 + ny**-1.7))
    return SignificanceResult(w, chdtrc(rank * 1.0, w))


def _covariance(g: Any) -> Any:
    """The covariances of rows, without a correction for their means."""
    away = g - np.mean(g, axis=-1, keepdims=True)
    return np.matmul(away, np.matrix_transpose(away)) / g.shape[-1]


# -- counts -------------------------------------------------------------------------------------------------------


def _histogram(name: str, a: Any, bins: Any, limits: Any, weights: Any) -> tuple[Any, Any, Any, Any]:
    a = operand(a).reshape(-1)
    if limits is None:
        low, high = np.min(a), np.max(a)
        beyond = (high - low) / (2.0 * (number(name, bins, "the number of bins") - 1.0))
        limits = (low - beyond, high + beyond)
    if since("1.18.0"):
        # Bins of no width stay so.
        edges = np.linspace(limits[0], limits[1], number(name, bins, "the number of bins") + 1)
        counts = np.histogram(a, bins=edges, weights=weights)[0]
    else:
        counts, edges = np.histogram(a, bins=bins, range=limits, weights=weights)
    outside = np.sum((limits[0] > a) | (a > limits[1]))
    found = known(outside)
    return counts * 1.0, limits[0], edges[1] - edges[0], outside if found is None else int(found)


@_traced
def cumfreq(a: Any, numbins: int = 10, defaultreallimits: Any = None, weights: Any = None) -> CumfreqResult:
    """SciPy's `cumfreq`, differentiable in weights and limits; counts change by jumps only."""
    counts, *rest = _histogram("cumfreq", a, numbins, defaultreallimits, weights)
    return CumfreqResult(np.cumsum(counts), *rest)


@_traced
def relfreq(a: Any, numbins: int = 10, defaultreallimits: Any = None, weights: Any = None) -> RelfreqResult:
    """SciPy's `relfreq`, differentiable in weights and limits; counts change by jumps only."""
    counts, *rest = _histogram("relfreq", a, numbins, defaultreallimits, weights)
    # From SciPy 1.18 on weights are relative to their sum, and all elements count.
    if since("1.18.0"):
        whole = operand(a).size if weights is None else np.sum(operand(weights))
    else:
        whole = operand(a).shape[0]
    return RelfreqResult(counts / whole, *rest)

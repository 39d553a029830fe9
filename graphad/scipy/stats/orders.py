"""Statistics of order: quantiles, spreads by them, ranks, the commonest value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.location import place
from graphad.numpy.arguments import axis_of, known
from graphad.ops.elementwise import cast
from graphad.ops.special.beta import betainc
from graphad.scipy.arguments import require
from graphad.scipy.dispatch import namespace
from graphad.scipy.stats.results import ModeResult
from graphad.scipy.stats.samples import (
    choose,
    groups,
    number,
    ranks,
    real,
    statistic,
    unsupported,
    without_nan,
)
from graphad.types import Array, ArrayLike

_traced = namespace("scipy.stats")[0]

_NORMAL_IQR = 1.3489795003921634
_NORMAL_MAD = 0.6744897501960817


# -- quantiles ----------------------------------------------------------------------------------------------------

SHIFTS: dict[str, Callable[[Any], Any]] = {
    "inverted_cdf": lambda p: 0.0,
    "averaged_inverted_cdf": lambda p: 0.0,
    "closest_observation": lambda p: -0.5,
    "interpolated_inverted_cdf": lambda p: 0.0,
    "hazen": lambda p: 0.5,
    "weibull": lambda p: p,
    "linear": lambda p: 1 - p,
    "median_unbiased": lambda p: p / 3 + 1 / 3,
    "normal_unbiased": lambda p: p / 4 + 3 / 8,
}
"""The shift of the place in order, by method (Hyndman, Fan, 1996, doi:10.1080/00031305.1996.10473566)."""


def _interpolated(y: Any, p: Any, method: str) -> Any:
    n = y.shape[-1]
    at = p * n + SHIFTS[method](p)
    below = np.floor(at)
    weight = at - below
    if method == "inverted_cdf":
        weight = np.where(weight > 0, 1.0, 0.0)
    elif method == "averaged_inverted_cdf":
        weight = np.where(weight > 0, 1.0, 0.5)
    elif method == "closest_observation":
        weight = np.where((weight == 0) & (below % 2 == 0), 0.0, 1.0)
    weight = np.where(below < 1, 0.0, weight)
    first, second = [cast(np.clip(k, 0.0, n - 1.0), np.int64) for k in (below - 1, below)]
    return (1 - weight) * np.take_along_axis(y, first, axis=-1) + weight * np.take_along_axis(y, second, axis=-1)


def _harrell_davis(y: Any, p: Any) -> Any:
    n = y.shape[-1]
    inner = np.where((p > 0) & (p < 1), p, 0.5)[..., None]
    share = betainc(inner * (n + 1), (1 - inner) * (n + 1), np.arange(n + 1.0) / n)
    found = np.sum((share[..., 1:] - share[..., :-1]) * y[..., None, :], axis=-1)
    return np.where(p <= 0, y[..., :1], np.where(p >= 1, y[..., -1:], found))


@_traced
def quantile(
    x: Any, p: Any, *, method: str = "linear", axis: int | None = 0, nan_policy: str = "propagate",
    keepdims: bool | None = None, weights: Any = None,
) -> Any:  # fmt: skip
    """SciPy's `quantile`, differentiable in the sample, and in the probabilities where the method interpolates."""
    choose("quantile", "method", method, *SHIFTS, "harrell-davis")
    if weights is not None:
        raise unsupported("quantile", "weights=", "leave them out, or use np.quantile")
    x, p = real("quantile", x, p)
    n = max(x.ndim, p.ndim)
    if axis is None:
        x, p, axis = x.reshape(-1), p.reshape(-1), -1
    elif axis >= 0:
        if x.ndim < n:
            raise ShapeError(f"quantile: axis={axis} of samples of {x.ndim} axes{place()}; count it from the end")
        axis -= n
    x, p = [v.reshape((1,) * (max(1, -axis, x.ndim, p.ndim) - v.ndim) + v.shape) for v in (x, p)]
    axis_of(x, axis, "quantile")
    (x,) = without_nan("quantile", [x], nan_policy, False)
    y, p = np.sort(np.moveaxis(x, axis, -1), axis=-1), np.moveaxis(p, axis, -1)
    lead = np.broadcast_shapes(y.shape[:-1], p.shape[:-1])
    y, p = np.broadcast_to(y, (*lead, y.shape[-1])), np.broadcast_to(p, (*lead, p.shape[-1]))
    within = (p >= 0) & (p <= 1)
    inside = np.where(within, p, 0.5)
    found = _harrell_davis(y, inside) if method == "harrell-davis" else _interpolated(y, inside, method)
    found = np.where(within & ~np.any(np.isnan(y), axis=-1, keepdims=True), found, np.nan)
    if keepdims is False and p.shape[-1] != 1:
        raise ShapeError(f"quantile: keepdims=False{place()} of {p.shape[-1]} probabilities; leave it out")
    kept = p.shape[-1] != 1 if keepdims is None else keepdims
    found = np.moveaxis(found, -1, axis)
    if not kept:
        return np.squeeze(found, axis)
    return found.reshape((1,) * (n - found.ndim) + found.shape)


@statistic()
def iqr(x: Any, *, rng: Any = (25, 75), scale: Any = 1.0, interpolation: str = "linear") -> Any:
    """SciPy's `iqr`, differentiable in the sample: the distance of two percentiles."""
    if isinstance(scale, str):
        choose("iqr", "scale", scale.lower(), "normal")
        scale = _NORMAL_IQR
    low, high = sorted([number("iqr", end, "a percentile") for end in rng])
    method: Any = interpolation
    ends = np.percentile(x, [low, high], axis=-1, method=method)
    return (ends[1] - ends[0]) / scale


@statistic()
def median_abs_deviation(x: Array, *, center: Any = None, scale: Any = 1.0) -> Array:
    """SciPy's `median_abs_deviation`, differentiable in the sample."""
    if isinstance(scale, str):
        choose("median_abs_deviation", "scale", scale.lower(), "normal")
        scale = _NORMAL_MAD
    middle = np.expand_dims((center or np.median)(x, axis=-1), -1)
    return np.median(np.abs(x - middle), axis=-1) / scale


@_traced
def scoreatpercentile(
    a: Any, per: Any, limit: Any = (), interpolation_method: str = "fraction", axis: int | None = None
) -> Any:
    """SciPy's `scoreatpercentile`, differentiable in the sample, and in the percentile where it interpolates."""
    choose("scoreatpercentile", "interpolation_method", interpolation_method, "fraction", "lower", "higher")
    (x,) = real("scoreatpercentile", a)
    if len(limit):
        inside = known((limit[0] <= x) & (x <= limit[1]))
        if inside is None:
            raise unsupported("scoreatpercentile", "limit= of values known at run time only", "leave it out")
        x = x.reshape(-1)[np.flatnonzero(inside)]
    (q,) = real("scoreatpercentile", per)
    require((q >= 0) & (q <= 100), "percentile must be in the range [0, 100]")
    method: Any = "linear" if interpolation_method == "fraction" else interpolation_method
    return np.percentile(x, q, axis=axis, method=method)


@_traced
def percentileofscore(a: ArrayLike, score: ArrayLike, kind: str = "rank", nan_policy: str = "propagate") -> Array:
    """SciPy's `percentileofscore`, which changes by jumps only."""
    choose("percentileofscore", "kind", kind, "rank", "strict", "weak", "mean")
    x, at = real("percentileofscore", a, score)
    if x.ndim != 1:
        raise ShapeError("`a` must be 1-dimensional.")
    (x,) = without_nan("percentileofscore", [x], nan_policy, False)
    below, up_to = [np.sum(holds, axis=-1) for holds in (x < at[..., None], x <= at[..., None])]
    found = {
        "rank": lambda: (below + up_to + (below < up_to)) * (50.0 / x.size),
        "strict": lambda: below * (100.0 / x.size),
        "weak": lambda: up_to * (100.0 / x.size),
        "mean": lambda: (below + up_to) * (50.0 / x.size),
    }[kind]()
    return np.where(np.any(np.isnan(x)) | np.isnan(at), np.nan, found)


# -- ranks --------------------------------------------------------------------------------------------------------


@_traced
def rankdata(a: ArrayLike, method: str = "average", *, axis: int | None = None, nan_policy: str = "propagate") -> Array:
    """SciPy's `rankdata`, which changes by jumps only. Whole ranks need numbers that are not NaN."""
    choose("rankdata", "method", method, "average", "min", "max", "dense", "ordinal")
    (x,) = real("rankdata", a)
    x = x.reshape(-1) if axis is None else np.moveaxis(x, axis, -1)
    found = ranks(x, method)[0]
    if method == "average":
        holes = np.isnan(x)
        if nan_policy != "omit":
            without_nan("rankdata", [x], nan_policy, False)
            holes = np.any(holes, axis=-1, keepdims=True)
        found = np.where(holes, np.nan, found)
    else:
        require(~np.isnan(x), f"scipy.stats.rankdata: method={method!r} of NaN; use method='average'")
    return found if axis is None else np.moveaxis(found, -1, axis)


@_traced
def tiecorrect(rankvals: Any) -> Any:
    """SciPy's `tiecorrect`, which changes by jumps only."""
    (x,) = real("tiecorrect", rankvals)
    n = float(x.size)
    sizes = cast(ranks(x.reshape(-1))[1], float)
    return 1.0 - np.sum(sizes**3 - sizes) / (n**3 - n) if n > 1 else np.sum(sizes)


@statistic()
def mode(a: ArrayLike) -> ModeResult:
    """SciPy's `mode`, differentiable in the sample: the commonest value, the least of several."""
    y = np.sort(a, axis=-1)
    start, stop, new = groups(y, (y[..., 1:] != y[..., :-1]) & ~np.isnan(y[..., :-1]))
    sizes = np.where(new, stop - start + 1, 0)
    at = np.argmax(sizes, axis=-1)[..., None]
    return ModeResult(np.take_along_axis(y, at, axis=-1)[..., 0], np.max(sizes, axis=-1))


@statistic(optional=("weights",))
def expectile(a: Any, *, alpha: Any = 0.5, weights: Any = None) -> Any:
    """SciPy's `expectile`, differentiable in the sample, the level and the weights.

    It is a mean that weighs what is above it by `alpha`, what is below by `1 - alpha`: of all places in order where
    one may cut, the greatest such mean for levels over 1/2, the least for others.
    """
    require((alpha >= 0) & (alpha <= 1), "The expectile level alpha must be in the range [0, 1].")
    order = np.argsort(a, axis=-1)
    x = np.take_along_axis(a, order, axis=-1)
    w = np.ones(x.shape) if weights is None else np.take_along_axis(np.broadcast_to(weights, x.shape), order, axis=-1)
    parts = [np.cumsum(v, axis=-1)[..., :-1] for v in (w * x, w)]
    wholes = [np.sum(v, axis=-1, keepdims=True) for v in (w * x, w)]
    if x.shape[-1] == 1:
        return x[..., 0]
    above, below = [(1 - alpha) * part + alpha * (whole - part) for part, whole in zip(parts, wholes, strict=True)]
    means = above / below
    return np.where(alpha >= 0.5, np.max(means, axis=-1), np.min(means, axis=-1))

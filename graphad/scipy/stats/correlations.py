"""How two samples go together: correlations, of ranks too, and lines through them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.ops.elementwise import cast
from graphad.ops.special.beta import betainc
from graphad.ops.special.error import ndtri
from graphad.scipy.arguments import require
from graphad.scipy.dispatch import namespace, since
from graphad.scipy.stats import nulls
from graphad.scipy.stats.results import (
    CorrelationResult,
    LinregressResult,
    PearsonRResult,
    SignificanceResult,
    SlopesResult,
    TheilslopesResult,
)
from graphad.scipy.stats.samples import (
    central,
    choose,
    normal_pvalue,
    number,
    ranks,
    real,
    statistic,
    student_pvalue,
    two_tailed,
    unsupported,
    without_nan,
)
from graphad.types import Array, ArrayLike

_traced = namespace("scipy.stats")[0]


# -- Pearson's ----------------------------------------------------------------------------------------------------


def _correlation(x: Array, y: Array) -> Array:
    """The correlation of samples along the last axis, NaN for one that is constant."""
    flat = np.all(x == x[..., :1], axis=-1) | np.all(y == y[..., :1], axis=-1)
    u, v = central(x), central(y)
    # Scaled by the greatest deviations, so that squares neither overflow nor vanish.
    u, v = [w / np.where(flat[..., None], 1.0, np.max(np.abs(w), axis=-1, keepdims=True)) for w in (u, v)]
    below = np.sqrt(np.where(flat, 1.0, np.sum(u * u, axis=-1))) * np.sqrt(np.where(flat, 1.0, np.sum(v * v, axis=-1)))
    return np.where(flat, np.nan, np.clip(np.sum(u * v, axis=-1) / below, -1.0, 1.0))


def _pearson_pvalue(name: str, r: Array, n: int, alternative: str) -> Array:
    half = n / 2 - 1
    if n == 2:
        choose(name, "alternative", alternative, "two-sided", "less", "greater")
        return np.where(np.isnan(r), np.nan, 1.0)
    return two_tailed(name, r, lambda r: cast(betainc(half, half, (r + 1) / 2), r.dtype), alternative)


def _pearson(name: str, x: Any, y: Any, alternative: str) -> tuple[Any, Any]:
    n = x.shape[-1]
    r = _correlation(x, y)
    r = np.round(r) if n == 2 else r
    return r, _pearson_pvalue(name, r, n, alternative)


@_traced
def pearsonr(
    x: Any, y: Any, *, alternative: str = "two-sided", method: Any = None, axis: int | None = 0
) -> PearsonRResult:
    """SciPy's `pearsonr`, differentiable in the samples."""
    if method is not None:
        raise unsupported("pearsonr", "resampling", "leave method= out")
    x, y = real("pearsonr", x, y)
    x, y = (x.reshape(-1), y.reshape(-1)) if axis is None else (x, y)
    rank = max(x.ndim, y.ndim)
    x, y = [np.moveaxis(v.reshape((1,) * (rank - v.ndim) + v.shape), axis or 0, -1) for v in (x, y)]
    if x.shape[-1] != y.shape[-1] or x.shape[-1] < 2:
        raise ShapeError(f"pearsonr: samples of {x.shape[-1]} and {y.shape[-1]} elements; give as many, 2 or more")
    return PearsonRResult(*_pearson("pearsonr", x, y, alternative), alternative, x.shape[-1])


@statistic(2, paired=True, small=1)
def pointbiserialr(x: Any, y: Any) -> CorrelationResult:
    """SciPy's `pointbiserialr`, differentiable in the samples."""
    return CorrelationResult(*_pearson("pointbiserialr", x, y, "two-sided"))


@statistic(2, paired=True, small=1)
def linregress(x: Array, y: Array, *, alternative: str = "two-sided") -> LinregressResult:
    """SciPy's `linregress`, differentiable in the samples."""
    n = x.shape[-1]
    if not since("1.18.0"):
        require(np.any(x != x[..., :1], axis=-1), "Cannot calculate a linear regression if all x values are identical")
    u, v = central(x), central(y)
    xx, yy, xy = [np.mean(p, axis=-1) for p in (u * u, v * v, u * v)]
    flat = yy == 0
    r = np.where(flat, np.where(xy == 0, np.nan, 0.0), np.clip(xy / np.sqrt(xx * np.where(flat, 1.0, yy)), -1.0, 1.0))
    slope = xy / xx
    intercept = np.mean(y, axis=-1) - slope * np.mean(x, axis=-1)
    if n == 2 and not since("1.18.0"):
        zero = slope * 0.0
        return LinregressResult(slope, intercept, r, np.where(y[..., 0] == y[..., 1], 1.0, 0.0), zero, zero)
    t = r * np.sqrt((n - 2) / ((1.0 - r + 1e-20) * (1.0 + r + 1e-20)))
    error = np.sqrt((1 - r**2) * yy / xx / (n - 2))
    p = student_pvalue("linregress", t, n - 2.0, alternative)
    return LinregressResult(slope, intercept, r, p, error, error * np.sqrt(xx + np.mean(x, axis=-1) ** 2))


# -- of ranks -----------------------------------------------------------------------------------------------------


@_traced
def spearmanr(
    a: ArrayLike, b: Any = None, axis: int | None = 0, nan_policy: str = "propagate", alternative: str = "two-sided"
) -> CorrelationResult:
    """SciPy's `spearmanr`, of ranks: it changes by jumps only. Of several variables it is a matrix."""
    parts = real("spearmanr", *([a] if b is None else [a, b]))
    if axis is None:
        parts, axis = [x.reshape(-1) for x in parts], 0
    if any(x.ndim > 2 for x in parts) or axis > 1 or (b is None and parts[0].ndim < 2):
        raise ShapeError("spearmanr only handles two vectors, or matrices with variables along axis 0 or 1")
    parts = [x[None] if x.ndim < 2 else np.moveaxis(x, axis, -1) for x in parts]
    x = np.concatenate(parts, axis=0)
    if nan_policy == "omit":
        raise unsupported("spearmanr", "nan_policy='omit'", "choose the numbers before by places that are known")
    without_nan("spearmanr", [x], nan_policy, False)
    k, n = x.shape
    rank = np.where(np.any(np.isnan(x), axis=-1, keepdims=True), np.nan, ranks(x)[0])
    r = _correlation(rank[:, None], rank[None])
    t = r * np.sqrt(np.maximum((n - 2) / ((r + 1.0) * (1.0 - r)), 0))
    # One that is the same as another has an infinite statistic.
    t = np.where(np.abs(r) == 1, r * np.inf, t)
    p = student_pvalue("spearmanr", t, n - 2.0, alternative)
    return CorrelationResult(r[1, 0], p[1, 0]) if k == 2 else CorrelationResult(r, p)


@statistic(2, paired=True, small=1, ranked=True)
def spearmanrho(x: Any, y: Any, *, alternative: str = "two-sided") -> SignificanceResult:
    """SciPy's `spearmanrho`, of ranks: it changes by jumps only."""
    return SignificanceResult(*_pearson("spearmanrho", ranks(x)[0], ranks(y)[0], alternative))


def _tied(x: Any) -> tuple[Any, ...]:
    """How many pairs are equal, the two sums for the variance, and how many values there are."""
    t = cast(ranks(x)[1], float)
    pairs = [t * (t - 1) / 2, t * (t - 1) * (t - 2), t * (t - 1) * (2 * t + 5), t > 0]
    return tuple([np.sum(p, axis=-1) for p in pairs])


def _kendall_exact(n: int, agree: Any, alternative: str) -> Any:
    """The p-value by the number of pairs in order, without ties."""
    pairs = n * (n - 1) // 2
    least = np.minimum(agree, pairs - agree)
    below, exactly = [nulls.looked_up(table, least) for table in nulls.kendall(n, pairs // 2 + 1 if n <= 33 else 2)]
    if alternative == "two-sided":
        return np.minimum(2 * below, 1.0)
    near = (agree >= pairs - agree) == (alternative == "greater")
    return np.clip(np.where(near, below, 1 - below + exactly), 0.0, 1.0)


@statistic(2, paired=True, small=1, ranked=True)
def kendalltau(
    x: Any, y: Any, *, method: str = "auto", variant: str = "b", alternative: str = "two-sided"
) -> CorrelationResult:
    """SciPy's `kendalltau`, of ranks: it changes by jumps only."""
    choose("kendalltau", "method", method, "auto", "exact", "asymptotic")
    choose("kendalltau", "variant", variant, "b", "c")
    n = x.shape[-1]
    pairs = n * (n - 1) // 2
    (in_x, x0, x1, kinds), (in_y, y0, y1, others) = _tied(x), _tied(y)
    order = np.sign(x[..., :, None] - x[..., None, :]) * np.sign(y[..., :, None] - y[..., None, :])
    excess = np.sum(order, axis=(-2, -1)) / 2
    flat = (in_x == pairs) | (in_y == pairs)
    if variant == "b":
        tau = excess / np.sqrt(np.where(flat, 1, pairs - in_x)) / np.sqrt(np.where(flat, 1, pairs - in_y))
    else:
        least = np.where(flat, 2, np.minimum(kinds, others))
        tau = 2 * excess / (n**2 * (least - 1) / least)
    m = n * (n - 1.0)
    spread = (m * (2 * n + 5) - x1 - y1) / 18 + 2 * in_x * in_y / m + (x0 * y0 / (9 * m * (n - 2)) if n > 2 else 0.0)
    p = normal_pvalue("kendalltau", excess / np.sqrt(np.where(flat, 1.0, spread)), alternative)
    distinct = (in_x == 0) & (in_y == 0)
    if method == "exact":
        require(distinct, "Ties found, exact method cannot be used.")
        if n > 33:
            raise unsupported("kendalltau", f"the exact method for {n} pairs", "use method='asymptotic'")
    if method != "asymptotic":
        agree = (pairs + excess) / 2
        chosen = distinct & (np.minimum(agree, pairs - agree) <= (pairs if n <= 33 else 1))
        p = np.where(chosen, _kendall_exact(n, agree, alternative), p)
    return CorrelationResult(np.where(flat, np.nan, np.clip(tau, -1.0, 1.0)), np.where(flat, np.nan, p))


@statistic(2, paired=True, small=1, ranked=True)
def chatterjeexi(x: Any, y: Any, *, y_continuous: bool = False, method: str = "asymptotic") -> SignificanceResult:
    """SciPy's `chatterjeexi`, of ranks: it changes by jumps only."""
    if method != "asymptotic":
        raise unsupported("chatterjeexi", "resampling", "leave method= out")
    n = x.shape[-1]
    y = np.take_along_axis(y, np.argsort(x, axis=-1), axis=-1)
    up, down = [cast(ranks(v, "max")[0], float) for v in (y, -y)]
    steps = np.sum(np.abs(up[..., 1:] - up[..., :-1]), axis=-1)
    if y_continuous:
        xi, deviation = 1 - 3 * steps / (n**2 - 1), math.sqrt(2 / 5) / math.sqrt(n)
    else:
        xi = 1 - n * steps / (2 * np.sum((n - down) * down, axis=-1))
        i, u = np.arange(1.0, n + 1), np.sort(up, axis=-1)
        v = np.cumsum(u, axis=-1)
        a = np.sum((2 * n - 2 * i + 1) * u**2, axis=-1) / n**4
        b = np.sum((v + (n - i) * u) ** 2, axis=-1) / n**5
        c = np.sum((2 * n - 2 * i + 1) * u, axis=-1) / n**3
        d = np.sum(down * (n - down), axis=-1) / n**3
        deviation = np.sqrt((a - 2 * b + c**2) / d**2) / math.sqrt(n)
    return SignificanceResult(xi, normal_pvalue("chatterjeexi", xi / deviation, "greater"))


# -- robust lines -------------------------------------------------------------------------------------------------


def _slopes(x: Any, y: Array) -> tuple[Any, Any]:
    """The slopes of all pairs of points, and which have a distance in `x` above 0."""
    dx, dy = x[..., :, None] - x[..., None, :], y[..., :, None] - y[..., None, :]
    return dy / np.where(dx == 0, 1.0, dx), dx


def _middle(y: Any, x: Any, slope: Any, whole: bool) -> Any:
    if whole:
        return np.median(y - slope[..., None] * x, axis=-1)
    return np.median(y, axis=-1) - slope * np.median(x, axis=-1)


@statistic(1, optional=("x",), small=1)
def theilslopes(y: Any, *, x: Any = None, alpha: Any = 0.95, method: str = "separate") -> TheilslopesResult:
    """SciPy's `theilslopes`, differentiable in both coordinates."""
    choose("theilslopes", "method", method, "joint", "separate")
    n = y.shape[-1]
    x = np.broadcast_to(np.arange(float(n)), y.shape) if x is None else x
    slopes, dx = _slopes(x, y)
    flat = np.sort(np.where(dx > 0, slopes, np.inf).reshape(*y.shape[:-1], n * n), axis=-1)
    count = np.sum(dx > 0, axis=(-2, -1))

    def at(place: Any) -> Any:
        place = cast(np.clip(place, 0, n * n - 1), np.int64)
        return np.take_along_axis(flat, place[..., None], axis=-1)[..., 0]

    slope = (at((count - 1) // 2) + at(count // 2)) / 2
    alpha = number("theilslopes", alpha, "a level")
    z = float(ndtri(min(alpha, 1.0 - alpha) / 2.0))
    tied = sum([np.sum(t * (t - 1) * (2 * t + 5), axis=-1) for t in [cast(ranks(v)[1], float) for v in (x, y)]])
    sigma = np.sqrt((n * (n - 1) * (2 * n + 5) - tied) / 18.0)
    high = at(np.minimum(np.round((count - z * sigma) / 2.0), count - 1))
    low = at(np.maximum(np.round((count + z * sigma) / 2.0) - 1, 0))
    found = [np.where(count > 0, v, np.nan) for v in (slope, low, high)]
    return TheilslopesResult(found[0], _middle(y, x, found[0], method == "joint"), found[1], found[2])


@statistic(1, optional=("x",), small=1)
def siegelslopes(y: Any, *, x: Any = None, method: str = "hierarchical") -> SlopesResult:
    """SciPy's `siegelslopes`, differentiable in both coordinates; no two points share their place along `x`."""
    choose("siegelslopes", "method", method, "hierarchical", "separate")
    n = y.shape[-1]
    x = np.broadcast_to(np.arange(float(n)), y.shape) if x is None else x
    others = np.array([[j for j in range(n) if j != i] for i in range(n)])

    def medians(slopes: Array) -> Array:
        return np.median(slopes[..., np.arange(n)[:, None], others], axis=-1)

    slopes, dx = _slopes(x, y)
    require((dx != 0) | np.eye(n, dtype=bool), "siegelslopes: two points share their place along x")
    slope = np.median(medians(slopes), axis=-1)
    if method == "hierarchical":
        return SlopesResult(slope, np.median(y - slope[..., None] * x, axis=-1))
    crossing = y[..., None, :] * x[..., :, None] - y[..., :, None] * x[..., None, :]
    return SlopesResult(slope, np.median(medians(crossing / np.where(dx == 0, 1.0, dx)), axis=-1))

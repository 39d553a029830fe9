"""Entropies of probabilities and of samples, and distances of samples by their distribution functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.ops.special.entropies import entr, rel_entr
from graphad.scipy.arguments import require
from graphad.scipy.dispatch import namespace
from graphad.scipy.stats.samples import choose, real, statistic, unsupported
from graphad.types import Array, ArrayLike

_traced = namespace("scipy.stats")[0]


@statistic(optional=("qk",), small=-1)
def entropy(pk: Any, *, qk: Any = None, base: Any = None) -> Any:
    """SciPy's `entropy`, differentiable in both: of probabilities, or relative to others, that need not sum to 1."""
    pk = pk / np.sum(pk, axis=-1, keepdims=True)
    parts = entr(pk) if qk is None else rel_entr(pk, qk / np.sum(qk, axis=-1, keepdims=True))
    found = np.sum(parts, axis=-1)
    return found if base is None else found / np.log(base)


def _padded(x: Array, m: int) -> Array:
    """The distances of ordered elements `2 m` apart, the ends repeated."""
    ends = [np.broadcast_to(end, (*x.shape[:-1], m)) for end in (x[..., :1], x[..., -1:])]
    wide = np.concatenate([ends[0], x, ends[1]], axis=-1)
    return wide[..., 2 * m :] - wide[..., : -2 * m]


def _vasicek(x: Array, m: int) -> Array:
    return np.mean(np.log(x.shape[-1] / (2 * m) * _padded(x, m)), axis=-1)


def _van_es(x: Array, m: int) -> Array:
    n = x.shape[-1]
    term = np.sum(np.log((n + 1) / m * (x[..., m:] - x[..., :-m])), axis=-1) / (n - m)
    return term + np.sum(1 / np.arange(m, n + 1.0)) + math.log(m) - math.log(n + 1)


def _ebrahimi(x: Array, m: int) -> Array:
    n = x.shape[-1]
    i = np.arange(1, n + 1.0)
    weight = np.where(i <= m, 1 + (i - 1) / m, 2.0)
    weight = np.where(i >= n - m + 1, 1 + (n - i) / m, weight)
    return np.mean(np.log(n * _padded(x, m) / (weight * m)), axis=-1)


def _correa(x: Array, m: int) -> Array:
    n = x.shape[-1]
    steps = np.arange(-m, m + 1)[:, None]
    near = x[..., np.clip(np.arange(n) + steps, 0, n - 1)]
    away = near - np.mean(near, axis=-2, keepdims=True)
    slope = np.sum(away * steps, axis=-2) / (n * np.sum(away**2, axis=-2))
    return -np.mean(np.log(slope), axis=-1)


_METHODS = {"vasicek": _vasicek, "van es": _van_es, "correa": _correa, "ebrahimi": _ebrahimi}


@statistic()
def differential_entropy(
    values: Array, *, window_length: int | None = None, base: Any = None, method: str = "auto"
) -> Array:
    """SciPy's `differential_entropy`, differentiable in the sample: an estimate by the distances in order."""
    n = values.shape[-1]
    m = math.floor(math.sqrt(n) + 0.5) if window_length is None else window_length
    if not 2 <= 2 * m < n:
        raise ShapeError(f"Window length ({m}) must be positive and less than half the sample size ({n}).")
    method = method.lower()
    choose("differential_entropy", "method", method, "auto", *_METHODS)
    if method == "auto":
        method = "van es" if n <= 10 else "ebrahimi" if n <= 1000 else "vasicek"
    found = _METHODS[method](np.sort(values, axis=-1), m)
    return found if base is None else found / np.log(base)


# -- distances ----------------------------------------------------------------------------------------------------


def _below(name: str, values: Array, weights: Any, at: Array) -> Array:
    """The distribution function of a sample."""
    if weights is None:
        return np.searchsorted(np.sort(values), at, side="right") / values.shape[-1]
    if weights.shape != values.shape:
        raise ShapeError("Value and weight array-likes for the same empirical distribution must be of the same size.")
    require(weights >= 0, "All weights must be non-negative.")
    require(np.sum(weights) > 0, "Weight array-like sum must be positive and finite.")
    order = np.argsort(values)
    summed = np.concatenate([np.zeros(1), np.cumsum(weights[order])])
    return summed[np.searchsorted(values[order], at, side="right")] / summed[-1]


def _apart(name: str, u: Any, v: Any, u_weights: Any, v_weights: Any) -> tuple[Any, Any]:
    """The distances of the distribution functions between the values in order, and their widths."""
    u, v = [x.reshape(-1) for x in real(name, u, v)]
    if not u.size or not v.size:
        raise ShapeError("Distribution can't be empty.")
    w, z = [None if x is None else real(name, x)[0] for x in (u_weights, v_weights)]
    values = np.sort(np.concatenate([u, v]))
    at = values[:-1]
    return np.abs(_below(name, u, w, at) - _below(name, v, z, at)), values[1:] - at


@_traced
def wasserstein_distance(
    u_values: ArrayLike, v_values: ArrayLike, u_weights: Any = None, v_weights: Any = None
) -> Array:
    """SciPy's `wasserstein_distance`, differentiable in values and weights."""
    gap, width = _apart("wasserstein_distance", u_values, v_values, u_weights, v_weights)
    return np.sum(gap * width)


@_traced
def energy_distance(u_values: Any, v_values: Any, u_weights: Any = None, v_weights: Any = None) -> Any:
    """SciPy's `energy_distance`, differentiable in values and weights where it is not 0."""
    gap, width = _apart("energy_distance", u_values, v_values, u_weights, v_weights)
    return np.sqrt(2) * np.sqrt(np.sum(gap**2 * width))


@_traced
def wasserstein_distance_nd(u_values: Any, v_values: Any, u_weights: Any = None, v_weights: Any = None) -> Any:
    """SciPy's `wasserstein_distance_nd` of numbers, differentiable in values and weights; points are refused."""
    if np.ndim(u_values) != 1 or np.ndim(v_values) != 1:
        raise unsupported("wasserstein_distance_nd", "a distance of points", "give numbers, as vectors")
    return wasserstein_distance(u_values, v_values, u_weights, v_weights)

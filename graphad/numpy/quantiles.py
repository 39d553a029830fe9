"""Medians, quantiles and percentiles, with and without NaN."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.arrays import PYTHON_SCALARS
from graphad.errors import ShapeError, TypeMismatchError
from graphad.numpy.arguments import axes_of, float_dtype, known, operand, require
from graphad.numpy.dispatch import implements
from graphad.numpy.indexing import getitem
from graphad.ops import shape as shapes
from graphad.ops.arithmetic import undefined
from graphad.ops.elementwise import cast
from graphad.ops.index import take_along_axis
from graphad.ops.select import select
from graphad.ops.sort import Argsort, Sort
from graphad.trace import Tracer
from graphad.types import Array, ArrayLike, DType

PLOTTING = {
    "interpolated_inverted_cdf": (0, 1),
    "hazen": (0.5, 0.5),
    "weibull": (0, 0),
    "linear": (1, 1),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}
"""Alpha and beta of the methods that interpolate (Hyndman, Fan, 1996, doi:10.1080/00031305.1996.10473566)."""
STEPS = ("inverted_cdf", "closest_observation", "lower", "higher", "nearest")
"""Methods that choose one element."""
METHODS = (*STEPS, *PLOTTING, "averaged_inverted_cdf", "midpoint")


def _place(method: str, n: Any, q: Array) -> tuple[Any, Any, Any]:
    """The two neighbours of a quantile among `n` sorted elements, and the second's weight; None for one neighbour."""
    if method in STEPS:
        return _step(method, n, q), None, None
    if method == "averaged_inverted_cdf":
        place = n * q - 1
    elif method == "linear":
        place = (n - 1) * q
    elif method == "midpoint":
        place = 0.5 * (np.floor((n - 1) * q) + np.ceil((n - 1) * q))
    else:
        alpha, beta = PLOTTING[method]
        place = n * q + (alpha + q * (1 - alpha - beta)) - 1
    below = np.floor(place)
    weight = place - below
    if method == "averaged_inverted_cdf":
        weight = np.where(weight == 0, 0.5, 1.0)
    return _within(below, n), _within(below + 1, n), weight


def _step(method: str, n: Any, q: Array) -> Array:
    if method in ("lower", "higher", "nearest"):
        rounded = {"lower": np.floor, "higher": np.ceil, "nearest": np.rint}[method]
        return _within(rounded((n - 1) * q), n)
    place = n * q - (1 if method == "inverted_cdf" else 1.5)
    below = np.floor(place)
    stays = place == below
    if method == "closest_observation":
        stays = np.logical_and(stays, below % 2 == 1)
    return _within(np.where(stays, below, below + 1), n)


def _within(place: Array, n: Any) -> Array:
    """A place among `n` elements, at least 0 also where there are none."""
    return cast(operand(np.maximum(np.minimum(place, n - 1), 0)), np.int64)


def _flat_last(a: Any, axes: tuple[int, ...]) -> Array:
    """The reduced axes flattened into a last one."""
    rest = tuple(i for i in range(a.ndim) if i not in axes)
    moved = shapes.transpose(a, rest + axes)
    return shapes.reshape(moved, (*(a.shape[i] for i in rest), math.prod(a.shape[i] for i in axes)))


def _between(low: Array, high: Array, weight: Array, dtype: DType) -> Array:
    """`low` where the weight is 0, `high` where it is 1, exact at both ends; NaN beside an infinity, as in NumPy."""
    if low.dtype.kind != "f":
        low, high = cast(low, dtype), cast(high, dtype)
    width, weight = cast(high - low, dtype), cast(operand(weight), dtype)
    low, high = cast(low, dtype), cast(high, dtype)
    if not isinstance(weight, Tracer) and weight.ndim == 0:
        return high - width * (1 - weight) if weight >= 0.5 else low + width * weight
    return select(weight >= 0.5, high - width * (1 - weight), low + width * weight)


def _quantile(
    a: Any, q: ArrayLike, axis: Any, method: str, keepdims: Any, weights: Any, name: str, skip: bool = False
) -> Array:
    require(name, "method", method, *METHODS)
    a = operand(a)
    if a.dtype.kind not in "fiub":
        raise TypeMismatchError(f"{name}: needs an array of real numbers, not of {a.dtype}")
    axes = axes_of(a, axis, name)
    flat = _flat_last(a, axes)
    n = flat.shape[-1]
    if n == 0:
        raise ShapeError(f"{name}: an array without elements along the axes {axes} has no quantiles")
    q, weak = (np.asarray(q), True) if type(q) in PYTHON_SCALARS else (operand(q), False)
    fractions = known(q)
    if fractions is not None and not ((fractions >= 0) & (fractions <= 1)).all():
        raise ShapeError(f"{name}: quantiles must lie between 0 and 1, percentiles between 0 and 100")
    if weights is not None:
        require(name, "method with weights", method, "inverted_cdf")
        value = _weighted(a, flat, axes, q, operand(weights), skip, name)
    else:
        value = _unweighted(flat, q, weak, method, skip)
    rest = tuple(1 if i in axes else m for i, m in enumerate(a.shape) if keepdims is True or i not in axes)
    return shapes.reshape(value, (*q.shape, *rest))


def _unweighted(flat: Array, q: Array, weak: bool, method: str, skip: bool) -> Array:
    ordered = Sort(flat.ndim - 1)(flat)
    n = flat.shape[-1]
    rest = flat.shape[:-1]
    missing = flat.dtype.kind == "f"
    dtype = float_dtype(flat, q) if not weak else float_dtype(flat)
    if method in STEPS:
        dtype = flat.dtype
    if not (skip and missing):
        low, high, weight = _place(method, n, q)
        value = _pick(ordered, low)
        if high is not None:
            spread = weight if q.ndim == 0 else shapes.reshape(operand(weight), (*q.shape, *(1,) * len(rest)))
            value = _between(value, _pick(ordered, high), spread, dtype)
        if missing:
            # NaN is sorted to the end.
            largest = ordered[..., n - 1]
            value = select(np.isnan(largest), cast(undefined(largest), dtype), cast(value, dtype))
        return value
    count = np.sum(np.logical_not(np.isnan(flat)), axis=-1)
    low, high, weight = _place(method, count, shapes.reshape(q, (-1, *(1,) * len(rest))))
    value = _along(ordered, low)
    if high is not None:
        value = _between(value, _along(ordered, high), weight, dtype)
    return select(count == 0, cast(undefined(ordered[..., 0]), value.dtype), value)


def _pick(ordered: Array, place: Array) -> Array:
    """The elements at places along the last axis; the places' axes stand first."""
    place = place if isinstance(place, Tracer) else np.asarray(place)
    found = getitem(ordered, (..., place if place.ndim else place[()]))
    rank = found.ndim - place.ndim
    return shapes.moveaxis(found, tuple(range(rank, found.ndim)), tuple(range(place.ndim)))


def _along(ordered: Array, place: Array) -> Array:
    """For places of shape [k, *rest] the elements of each of the `rest`."""
    chosen = take_along_axis(ordered, shapes.moveaxis(place, 0, -1), ordered.ndim - 1)
    return shapes.moveaxis(chosen, -1, 0)


def _weighted(a: Array, flat: Array, axes: tuple[int, ...], q: Array, weights: Array, skip: bool, name: str) -> Array:
    """The first element at which the sum of the weights reaches the quantile."""
    if weights.shape != a.shape:
        if weights.shape != tuple(a.shape[i] for i in axes):
            raise ShapeError(f"{name}: weights of shape {list(weights.shape)} fit neither the array nor its axes")
        weights = shapes.reshape(weights, tuple(n if i in axes else 1 for i, n in enumerate(a.shape)))
        weights = shapes.broadcast_to(weights, a.shape)
    weights = cast(_flat_last(weights, axes), float)
    last = flat.ndim - 1
    if skip:
        weights = select(np.isnan(flat), np.zeros(()), weights)
    order = Argsort(last)(flat) if isinstance(flat, Tracer) else np.argsort(flat, axis=-1, kind="stable")
    ordered, weights = take_along_axis(flat, order, last), take_along_axis(weights, order, last)
    cdf = np.cumsum(weights, axis=-1)
    cdf = cdf / cdf[..., -1:]
    cdf = select(cdf == 0, -np.ones(()), cdf)
    columns = shapes.reshape(q, (-1, *(1,) * flat.ndim))
    place = np.minimum(np.sum(cdf < columns, axis=-1), flat.shape[-1] - 1)
    value = _along(ordered, place)
    if flat.dtype.kind == "f" and not skip:
        largest = ordered[..., -1]
        value = select(np.isnan(largest), undefined(largest), value)
    return value


@implements(np.quantile)
def quantile(
    a: ArrayLike,
    q: ArrayLike,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: ArrayLike | None = None,
) -> Array:
    """NumPy's `quantile` by any of its methods; `q` may be traced. Its derivative is that of the chosen elements."""
    return _quantile(a, q, axis, method, keepdims, weights, "quantile")


@implements(np.percentile)
def percentile(
    a: Any,
    q: ArrayLike,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: ArrayLike | None = None,
) -> Array:
    return _quantile(a, _hundredth(q), axis, method, keepdims, weights, "percentile")


@implements(np.nanquantile, laid=None)
def nanquantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = np._NoValue,
    *,
    weights: Any = None,
) -> Any:
    """NumPy's `nanquantile`: NaN where every element is."""
    if operand(a).size == 0:
        return np.nanmean(a, axis, keepdims=keepdims)
    return _quantile(a, q, axis, method, keepdims, weights, "nanquantile", skip=True)


@implements(np.nanpercentile, laid=None)
def nanpercentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = np._NoValue,
    *,
    weights: Any = None,
) -> Any:
    """NumPy's `nanpercentile`: NaN where every element is."""
    if operand(a).size == 0:
        return np.nanmean(a, axis, keepdims=keepdims)
    return _quantile(a, _hundredth(q), axis, method, keepdims, weights, "nanpercentile", skip=True)


def _hundredth(q: Any) -> Any:
    return q / 100 if type(q) in PYTHON_SCALARS else np.true_divide(operand(q), 100)


@implements(np.median)
def median(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    a = operand(a)
    axes = axes_of(a, axis, "median")
    rest = tuple(1 if i in axes else m for i, m in enumerate(a.shape) if keepdims or i not in axes)
    if any(a.shape[i] == 0 for i in axes):
        return shapes.full(rest, math.nan, float_dtype(a))
    if a.dtype.kind == "c":
        known = np.where(np.isnan(np.sum(a, axes, keepdims=True)), math.nan, a)
        return nanmedian(known, axes, keepdims=keepdims)
    flat = _flat_last(a, axes)
    n, dtype = flat.shape[-1], float_dtype(a)
    ordered = Sort(flat.ndim - 1)(flat)
    middle = cast(ordered[..., n // 2], dtype)
    if n % 2 == 0:
        middle = (cast(ordered[..., n // 2 - 1], dtype) + middle) / 2
    if a.dtype.kind == "f":
        largest = ordered[..., n - 1]
        middle = select(np.isnan(largest), undefined(largest), middle)
    return shapes.reshape(middle, rest)


@implements(np.nanmedian, laid=None)
def nanmedian(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = np._NoValue
) -> Any:
    """NumPy's `nanmedian`: NaN where every element is."""
    a = operand(a)
    if a.dtype.kind not in "fc":
        return median(a, axis, keepdims=keepdims is True)
    axes = axes_of(a, axis, "nanmedian")
    if any(a.shape[i] == 0 for i in axes):
        return median(a, axis, keepdims=keepdims is True)
    flat = _flat_last(a, axes)
    count = np.sum(np.logical_not(np.isnan(flat)), axis=-1)[None]
    ordered = Sort(flat.ndim - 1)(flat)
    low, high = (_along(ordered, _within(place, flat.shape[-1])) for place in ((count - 1) // 2, count // 2))
    rest = tuple(1 if i in axes else m for i, m in enumerate(a.shape) if keepdims is True or i not in axes)
    middle = select(count % 2 == 1, low, (low + high) / 2)
    return shapes.reshape(select(count == 0, undefined(ordered[None, ..., 0]), middle), rest)

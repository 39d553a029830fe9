"""Sorting, searching, quantiles and interpolation."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.numpy._register import axes_of, axis_of, float_dtype, implements, operand, reject, require, static
from graphad.numpy.manipulation import reverse, slice_axis
from graphad.numpy.reductions import keep
from graphad.numpy.selecting import take
from graphad.ops import shape as shapes
from graphad.ops.elementwise import cast
from graphad.ops.select import select
from graphad.ops.sort import Argsort, Sort
from graphad.types import INT64


def _along(name: str, op: Any, a: Any, axis: int | None, order: Any) -> Any:
    reject(name, order=order)
    a = operand(a)
    if axis is None:
        a, axis = shapes.reshape(a, (-1,)), 0
    return op(axis_of(a, axis, name))(a)


@implements(np.sort)
def sort(a: Any, axis: int | None = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    return _along("sort", Sort, a, axis, order)


@implements(np.argsort, method="argsort")
def argsort(a: Any, axis: int | None = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    """NumPy's `argsort`; always stable."""
    return _along("argsort", Argsort, a, axis, order)


@implements(np.partition)
def partition(a: Any, kth: Any, axis: int | None = -1, kind: Any = None, order: Any = None) -> Any:
    """All elements in order, which is a partition at every `kth`."""
    return _along("partition", Sort, a, axis, order)


@implements(np.searchsorted, method="searchsorted")
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """NumPy's `searchsorted`, by bisection; it has no derivative."""
    require("searchsorted", "side", side, "left", "right")
    a, v = operand(a), operand(v)
    if a.ndim != 1:
        raise ShapeError(f"searchsorted: the sorted array must have one axis, not {a.ndim}")
    if sorter is not None:
        a = take(a, sorter)
    n = a.shape[0]
    low = np.zeros(v.shape, INT64)
    high = np.full(v.shape, n, INT64)
    # Each step halves what is left of 0 ... n, so bit_length steps leave one place.
    for _ in range(n.bit_length()):
        middle = (low + high) // 2
        probe = take(a, np.minimum(middle, n - 1))
        open_ = low < high
        right = np.logical_and(open_, probe < v if side == "left" else probe <= v)
        low = np.where(right, middle + 1, low)
        high = np.where(np.logical_and(open_, np.logical_not(right)), middle, high)
    return low


@implements(np.digitize)
def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    edges = operand(bins)
    known = static(bins, "digitize: bins")
    side = "left" if right else "right"
    if known.size > 1 and known[0] > known[-1]:
        return edges.shape[0] - searchsorted(reverse(edges, (0,)), x, "right" if right else "left")
    return searchsorted(edges, x, side)


# -- quantiles ----------------------------------------------------------------------------------------------------


def _flat_last(a: Any, axis: Any, name: str) -> tuple[Any, tuple[int, ...]]:
    """The reduced axes flattened into a last one, and which they are."""
    axes = axes_of(a, axis, name)
    rest = tuple(i for i in range(a.ndim) if i not in axes)
    moved = shapes.transpose(a, rest + axes)
    return shapes.reshape(moved, (*(a.shape[i] for i in rest), int(np.prod([a.shape[i] for i in axes])))), axes


def _quantile(a: Any, q: Any, axis: Any, keepdims: bool, name: str) -> Any:
    a = operand(a)
    a = cast(a, float_dtype(a))
    flat, axes = _flat_last(a, axis, name)
    n = flat.shape[-1]
    if n == 0:
        raise ShapeError(f"{name}: an empty array has no quantiles")
    ordered = Sort(flat.ndim - 1)(flat)
    last = flat.ndim - 1
    results = []
    for fraction in q.reshape(-1):
        if not 0 <= fraction <= 1:
            raise ShapeError(f"{name}: quantiles must lie between 0 and 1, not {fraction}")
        place = fraction * (n - 1)
        i = min(int(place), n - 1)
        low = slice_axis(ordered, last, i, i + 1)
        high = slice_axis(ordered, last, min(i + 1, n - 1), min(i + 1, n - 1) + 1)
        weight = float(place - i)
        value = low if weight == 0 else (low + high) / 2 if weight == 0.5 else low + (high - low) * weight
        largest = slice_axis(ordered, last, n - 1, n)
        value = select(np.isnan(largest), largest, value)
        results.append(keep(shapes.squeeze(value, -1), a, axes, keepdims))
    return shapes.reshape(shapes.stack(results, 0), (*q.shape, *results[0].shape)) if q.ndim else results[0]


@implements(np.median)
def median(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    reject("median", out=out)
    return _quantile(a, np.asarray(0.5), axis, keepdims, "median")


@implements(np.quantile)
def quantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    reject("quantile", out=out, weights=weights)
    require("quantile", "method", method, "linear")
    return _quantile(a, static(q, "quantile: q"), axis, keepdims, "quantile")


@implements(np.percentile)
def percentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    reject("percentile", out=out, weights=weights)
    require("percentile", "method", method, "linear")
    return _quantile(a, static(q, "percentile: q") / 100, axis, keepdims, "percentile")


# -- interpolation ------------------------------------------------------------------------------------------------


@implements(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """NumPy's `interp`: piecewise linear through the points `(xp, fp)`, constant outside of them."""
    reject("interp", period=period)
    dtype = np.result_type(float_dtype(operand(fp)), np.float64)
    x, xp, fp = cast(operand(x), float), cast(operand(xp), float), cast(operand(fp), dtype)
    n = xp.shape[0]
    if xp.ndim != 1 or fp.shape != xp.shape or n == 0:
        raise ShapeError(f"interp: xp {list(xp.shape)} and fp {list(fp.shape)} must be vectors of one length")
    if n == 1:
        out = shapes.broadcast_to(fp[0], x.shape)
    else:
        i = np.clip(searchsorted(xp, x, "right") - 1, 0, n - 2)
        x0, x1, f0, f1 = (take(v, j) for v, j in ((xp, i), (xp, i + 1), (fp, i), (fp, i + 1)))
        width = x1 - x0
        out = f0 + (f1 - f0) / select(width == 0, np.ones(()), width) * (x - x0)
    out = np.where(x < xp[0], fp[0] if left is None else left, out)
    return np.where(x > xp[n - 1], fp[n - 1] if right is None else right, out)

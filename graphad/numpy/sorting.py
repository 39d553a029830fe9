"""Sorting, searching and interpolation."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import ShapeError, TypeMismatchError
from graphad.numpy.arguments import axis_of, float_dtype, is_finite, known, operand, operands, reject, require
from graphad.numpy.dispatch import implements
from graphad.numpy.manipulation import reverse
from graphad.numpy.selecting import take
from graphad.ops import index as ops
from graphad.ops import shape as shapes
from graphad.ops.elementwise import cast
from graphad.ops.select import select
from graphad.ops.sort import Argsort, Sort
from graphad.types import INT64, Array, ArrayLike


def _along(name: str, op: Any, a: Any, axis: int | None, order: Any) -> Array:
    reject(name, order=order)
    a = operand(a)
    if axis is None or (a.ndim == 0 and op is Argsort and axis in (0, -1)):
        a, axis = shapes.reshape(a, (-1,)), 0
    return op(axis_of(a, axis, name))(a)


@implements(np.sort, beyond=("descending",))
def sort(
    a: ArrayLike,
    axis: int | None = -1,
    kind: Any = None,
    order: Any = None,
    *,
    stable: Any = None,
    descending: bool = False,
) -> Array:
    """NumPy's `sort`, with the array API standard's `descending`."""
    found = _along("sort", Sort, a, axis, order)
    return np.flip(found, axis_of(found, -1 if axis is None else axis, "sort")) if descending else found


@implements(np.argsort, method="argsort", beyond=("descending",))
def argsort(
    a: Any, axis: int | None = -1, kind: Any = None, order: Any = None, *, stable: Any = None, descending: bool = False
) -> Any:
    """NumPy's `argsort`, with the array API standard's `descending`; always stable."""
    if not descending:
        return _along("argsort", Argsort, a, axis, order)
    # Equal elements stay in their order: the reversed array is sorted, and its places are counted from the other end.
    a = operand(a)
    a, axis = (shapes.reshape(a, (-1,)), 0) if axis is None else (a, axis_of(a, axis, "argsort"))
    found = _along("argsort", Argsort, np.flip(a, axis), axis, order)
    return a.shape[axis] - 1 - np.flip(found, axis)


def _check_kth(name: str, a: Any, kth: Any, axis: int | None) -> None:
    n = a.size if axis is None or a.ndim == 0 else a.shape[axis_of(a, axis, name)]
    for k in np.ravel(known(kth) if known(kth) is not None else 0).tolist():
        if a.size and not -n <= k < n:
            raise ShapeError(f"{name}: kth={k} is out of bounds for {n} elements")


@implements(np.partition)
def partition(a: ArrayLike, kth: Any, axis: int | None = -1, kind: Any = None, order: Any = None) -> Array:
    """All elements in order, which is a partition at every `kth`."""
    _check_kth("partition", operand(a), kth, axis)
    return _along("partition", Sort, a, axis, order)


@implements(np.argpartition, method="argpartition")
def argpartition(a: ArrayLike, kth: Any, axis: int | None = -1, kind: Any = None, order: Any = None) -> Array:
    """The places of all elements in order, which is a partition at every `kth`."""
    _check_kth("argpartition", operand(a), kth, axis)
    return _along("argpartition", Argsort, a, axis, order)


@implements(np.sort_complex)
def sort_complex(a: Any) -> Any:
    a = operand(a)
    small = a.dtype.kind in "iu" and a.dtype.itemsize < 4
    return cast(sort(a), np.complex64 if small else a.dtype if a.dtype.kind == "c" else np.complex128)


@implements(np.lexsort)
def lexsort(keys: Any, axis: int = -1) -> Any:
    """NumPy's `lexsort`, by one stable sort for each key, from the first to the last."""
    rows = operands(keys)
    if not rows or any(row.shape != rows[0].shape for row in rows):
        raise ShapeError(f"lexsort: give one or more keys of one shape, not {[list(row.shape) for row in rows]}")
    if rows[0].ndim == 0:
        return shapes.zeros((), INT64)
    axis = axis_of(rows[0], axis, "lexsort")
    order = argsort(rows[0], axis)
    for row in rows[1:]:
        step = argsort(ops.take_along_axis(row, order, axis), axis)
        order = ops.take_along_axis(order, step, axis)
    return order


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
    if v.dtype.kind == "f":
        # NaN stands after all numbers.
        numbers = np.sum(np.logical_not(np.isnan(a))) if side == "left" and a.dtype.kind == "f" else n
        low = np.where(np.isnan(v), numbers, low)
    return low


@implements(np.digitize)
def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """NumPy's `digitize`; traced edges are taken as falling where the first is above the last."""
    x, edges = operand(x), operand(bins)
    if x.dtype.kind == "c":
        raise TypeMismatchError("digitize: complex numbers lie in no bins; take numpy.real or numpy.abs of them")
    if edges.ndim != 1:
        raise ShapeError(f"digitize: the edges must have one axis, not {edges.ndim}")
    if edges.size < 2:
        return searchsorted(edges, x, "left" if right else "right")
    side = "left" if right else "right"
    falls = edges[0] > edges[-1]
    falling = known(falls)
    if falling is not None and not falling:
        return searchsorted(edges, x, side)
    place = edges.size - searchsorted(reverse(edges, (0,)), x, side)
    return place if falling is not None else np.where(falls, place, searchsorted(edges, x, side))


# -- interpolation ------------------------------------------------------------------------------------------------


@implements(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """NumPy's `interp`: piecewise linear through the points `(xp, fp)`, constant outside of them."""
    dtype = np.result_type(float_dtype(operand(fp)), np.float64)
    x, xp, fp = cast(operand(x), float), cast(operand(xp), float), cast(operand(fp), dtype)
    n = xp.shape[0]
    if xp.ndim != 1 or fp.shape != xp.shape or n == 0:
        raise ShapeError(f"interp: xp {list(xp.shape)} and fp {list(fp.shape)} must be vectors of one length")
    if period is not None:
        period = np.abs(period)
        x, xp = x % period, xp % period
        order = argsort(xp)
        xp, fp = take(xp, order), take(fp, order)
        xp = shapes.concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = shapes.concatenate([fp[-1:], fp, fp[:1]])
        left = right = None
        n += 2
    if n == 1:
        out = shapes.broadcast_to(fp[0], x.shape)
    else:
        place = searchsorted(xp, x, "right")
        i = np.clip(place - 1, 0, n - 2)
        x0, x1, f0, f1 = (take(v, j) for v, j in ((xp, i), (xp, i + 1), (fp, i), (fp, i + 1)))
        out = _on_lines(x, x0, x1, f0, f1, place == n, is_finite(xp) and is_finite(fp))
    out = np.where(x < xp[0], fp[0] if left is None else left, out)
    return np.where(x > xp[n - 1], fp[n - 1] if right is None else right, out)


def _on_lines(x: Any, x0: Array, x1: Array, f0: Array, f1: Array, beyond: Array, finite: bool) -> Array:
    """The lines through two points each, from the second where `x` is `beyond` it; the same number at both points.

    Where the points are not known to be `finite`, what is not touches nothing at the other point, and as in NumPy the
    line is also tried from its other end.
    """
    width = x1 - x0
    rise, near, start = f1 - f0, select(beyond, x1, x0), select(beyond, f1, f0)
    away = x - near
    if finite:
        return start + rise / select(width == 0, np.ones(()), width) * away
    known_point = x == near
    rise = select(np.logical_and(known_point, np.logical_not(np.isfinite(rise))), np.zeros((), rise.dtype), rise)
    slope = rise / select(width == 0, np.ones(()), width)
    found = start + slope * select(np.logical_and(known_point, np.isinf(x)), np.zeros(()), away)
    other = f1 + slope * (x - x1)
    flat = np.logical_and(f0 == f1, np.logical_and(np.isnan(other), np.logical_not(np.isnan(x))))
    lost = np.logical_and(np.isnan(found), np.logical_not(known_point))
    return select(lost, select(flat, f0, other), found)

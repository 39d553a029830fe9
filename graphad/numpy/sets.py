"""Chosen elements and sets: nonzero, unique, intersections and their kin.

How many elements such a function gives depends on the values. Where these are known while tracing, it gives as many as
NumPy's; elsewhere the functions of `graphad.numpy` take the number as `size=`, and `fill_value=` for what is missing.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from graphad.errors import ShapeError, TracerError
from graphad.numpy.arguments import axis_of, known, operand, recorded, static
from graphad.numpy.dispatch import implements
from graphad.numpy.masked import Places
from graphad.numpy.selecting import take, where
from graphad.numpy.sorting import argsort, lexsort, searchsorted, sort
from graphad.ops import shape as shapes
from graphad.ops.elementwise import cast
from graphad.ops.index import ScatterAdd, ScatterSet
from graphad.trace import Tracer
from graphad.types import INT64, Array, ArrayLike

BEYOND = ("size", "fill_value")


def _refusal(name: str, mask: Any, remedy: str = "") -> TracerError:
    return TracerError(
        f"{name}: the number of results depends on traced values, here {mask.type}; "
        f"{remedy or f'give it as graphad.numpy.{name}(..., size=n), fill_value= standing for what is missing'}"
    )


def places(mask: Array, size: Any, name: str, remedy: str = "") -> tuple[Any, Any]:
    """Where a vector of booleans holds, and which of these places are real: None for all.

    Without `size` the mask must be known. Raises `TracerError`.
    """
    if size is None:
        array = known(mask)
        if array is None:
            raise _refusal(name, mask, remedy)
        return np.flatnonzero(array), None
    size = int(static(size, f"{name}: size"))
    n = mask.shape[0]
    slot = np.cumsum(mask) - 1
    slot = where(np.logical_and(mask, slot < size), slot, size)
    number = np.arange(n)
    # Each chosen element writes its place into the slot of its rank; the last slot takes all others.
    found = ScatterAdd((0,))(recorded(np.zeros(size + 1, INT64)), number, slot) if n else np.zeros(size + 1, INT64)
    return found[:size], np.arange(size) < np.sum(mask)


def _filled(values: Any, real: Array | None, fill: Any) -> Array:
    """The values, with `fill` where a place is not real; by default the first value."""
    if real is None:
        return values
    if fill is None:
        fill = values[:1]
    fill = cast(operand(fill), values.dtype)
    return where(shapes.reshape(real, (-1, *(1,) * (values.ndim - 1))), values, fill)


def _chosen(rows: Any, found: Any, real: Array | None, fill: Any) -> Array:
    """The rows at the places, with `fill` for those that are not real; zeros where there is no row at all."""
    if rows.shape[0] == 0:
        return shapes.full((found.shape[0], *rows.shape[1:]), 0 if fill is None else fill, rows.dtype)
    return _filled(take(rows, found, 0), real, fill)


def _truth(a: ArrayLike) -> Array:
    return cast(operand(a), bool)


_KEEP = "use numpy.where(condition, x, y) to keep the shape, or graphad.numpy's function with size="


def _unknown(mask: Any, size: Any) -> bool:
    """Whether it is known at run time only where a mask holds, and no number of places is given."""
    return size is None and isinstance(mask, Tracer) and known(mask) is None


@implements(np.flatnonzero, beyond=BEYOND)
def flatnonzero(a: Any, *, size: Any = None, fill_value: Any = None) -> Any:
    """NumPy's `flatnonzero`; the first `size` places if that is given, filled up with `fill_value` or 0. Without it
    places that are not known can be indices of reads and writes, as their mask can."""
    if _unknown(_truth(a), size):
        return Places(shapes.reshape(_truth(a), (-1,)), 0)
    found, real = places(shapes.reshape(_truth(a), (-1,)), size, "flatnonzero", _KEEP)
    return _filled(found, real, 0 if fill_value is None else fill_value)


@implements(np.nonzero, method="nonzero", beyond=BEYOND)
def nonzero(a: ArrayLike, *, size: Any = None, fill_value: Any = None) -> tuple[Any, ...]:
    """NumPy's `nonzero`; the first `size` places if that is given, filled up with `fill_value` (a number, or one for
    each axis) or 0. Without it places that are not known can be indices of reads and writes, as their mask can."""
    a = _truth(a)
    if a.ndim == 0:
        raise ShapeError("nonzero: an array without axes has no places; use numpy.atleast_1d")
    if _unknown(a, size):
        return tuple([Places(a, axis) for axis in range(a.ndim)])
    found, real = places(shapes.reshape(a, (-1,)), size, "nonzero", _KEEP)
    fills = fill_value if isinstance(fill_value, tuple) else (fill_value or 0,) * a.ndim
    strides = [math.prod(a.shape[i + 1 :]) for i in range(a.ndim)]
    axes = zip(strides, a.shape, fills, strict=True)
    return tuple(_filled(found // max(stride, 1) % max(n, 1), real, fill) for stride, n, fill in axes)


@implements(np.argwhere, beyond=BEYOND)
def argwhere(a: Any, *, size: Any = None, fill_value: Any = None) -> Any:
    """NumPy's `argwhere`; the first `size` places if that is given, filled up with `fill_value` or 0."""
    a = operand(a)
    if _unknown(a, size):
        raise _refusal("argwhere", a)
    found = nonzero(shapes.reshape(a, a.shape or (1,)), size=size, fill_value=fill_value)
    return shapes.stack(found, 1)[:, : a.ndim]


@implements(np.extract, beyond=BEYOND)
def extract(condition: ArrayLike, arr: ArrayLike, *, size: Any = None, fill_value: Any = 0) -> Array:
    """NumPy's `extract`; the first `size` elements if that is given, filled up with `fill_value`."""
    found, real = places(shapes.reshape(_truth(condition), (-1,)), size, "extract", _KEEP)
    return _chosen(shapes.reshape(operand(arr), (-1,)), found, real, fill_value)


@implements(np.compress, beyond=BEYOND)
def compress(
    condition: ArrayLike,
    a: ArrayLike,
    axis: int | None = None,
    out: Any = None,
    *,
    size: Any = None,
    fill_value: Any = 0,
) -> Array:
    """NumPy's `compress`; `size` entries if that is given, filled up with `fill_value`."""
    a = operand(a)
    a, axis = (shapes.reshape(a, (-1,)), 0) if axis is None else (a, axis_of(a, axis, "compress"))
    found, real = places(_truth(condition), size, "compress", _KEEP)
    return shapes.moveaxis(_chosen(shapes.moveaxis(a, axis, 0), found, real, fill_value), 0, axis)


@implements(np.trim_zeros)
def trim_zeros(filt: Any, trim: Any = "fb", axis: Any = None) -> Any:
    """NumPy's `trim_zeros` of an array whose zeros are known while tracing. Raises `TracerError` elsewhere."""
    x = operand(filt)
    array = known(x)
    if not x.ndim:
        return x
    if array is None:
        raise _refusal("trim_zeros", x, "slice with bounds that are known while tracing")
    numbers = np.trim_zeros(np.where(array != 0, np.arange(1, array.size + 1).reshape(array.shape), 0), trim, axis)
    if not numbers.size:
        return shapes.zeros(numbers.shape, x.dtype)
    # Zeros within have no number: the place of any number tells where the rest was cut from.
    at = next(zip(*np.nonzero(numbers), strict=True))
    whole = np.unravel_index(int(numbers[at]) - 1, array.shape)
    return x[tuple(slice(int(w - i), int(w - i) + n) for w, i, n in zip(whole, at, numbers.shape, strict=True))]


# -- unique -------------------------------------------------------------------------------------------------------


class Ordered(NamedTuple):
    """Rows in ascending order: the rows, where each stood, and which differ from the one before."""

    rows: Any
    order: Any
    first: Any


def _ordered(x: Any, equal_nan: bool = True) -> Ordered:
    n = x.shape[0]
    flat = shapes.reshape(x, (n, math.prod(x.shape[1:])))
    if flat.shape[1] == 1 or not n:
        order = argsort(flat[:, 0], 0) if n else np.zeros(0, INT64)
    else:
        order = lexsort([flat[:, i] for i in range(flat.shape[1] - 1, -1, -1)])
    rows, flat = take(x, order, 0), take(flat, order, 0)
    same = np.equal(flat[1:], flat[:-1])
    if equal_nan and x.dtype.kind in "fc":
        same = np.logical_or(same, np.logical_and(np.isnan(flat[1:]), np.isnan(flat[:-1])))
    changes = np.logical_not(np.all(same, axis=1))
    return Ordered(rows, order, shapes.concatenate([np.ones(min(n, 1), bool), changes]))


@implements(np.unique, beyond=BEYOND)
def unique(
    ar: ArrayLike,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
    size: Any = None,
    fill_value: Any = None,
) -> Any:
    """NumPy's `unique`, in order; the first `size` values if that is given, filled up with `fill_value` or the least.

    The derivative is that of the first of equal elements.
    """
    x = operand(ar)
    shape = x.shape
    x = shapes.reshape(x, (-1,)) if axis is None else shapes.moveaxis(x, axis_of(x, axis, "unique"), 0)
    rows, order, first = _ordered(x, equal_nan)
    found, real = places(first, size, "unique")
    values = _chosen(rows, found, real, fill_value)
    results = [values if axis is None else shapes.moveaxis(values, 0, axis_of(operand(ar), axis, "unique"))]
    group = np.cumsum(first) - 1
    if return_index:
        results.append(_chosen(order, found, None, None))
    if return_inverse:
        inverse = recorded(np.zeros(x.shape[0], INT64))
        inverse = ScatterSet((0,), True)(inverse, group, order) if x.shape[0] else inverse
        results.append(shapes.reshape(inverse, shape) if axis is None else inverse)
    if return_counts:
        count = found.shape[0]
        kept = np.minimum(group, count)
        counts = recorded(np.zeros(count + 1, INT64))
        results.append((ScatterAdd((0,))(counts, np.ones(x.shape[0], INT64), kept) if x.shape[0] else counts)[:count])
    return tuple(results) if len(results) > 1 else results[0]


def _bundle(name: str) -> Any:
    """NumPy's result type of `unique_all` and its kin."""
    return type(getattr(np, name)(np.zeros(0)))


@implements(np.unique_values, beyond=BEYOND)
def unique_values(x: ArrayLike, /, *, size: Any = None, fill_value: Any = None) -> Array:
    return unique(x, equal_nan=False, size=size, fill_value=fill_value)


@implements(np.unique_counts, beyond=BEYOND)
def unique_counts(x: ArrayLike, /, *, size: Any = None, fill_value: Any = None) -> Any:
    return _bundle("unique_counts")(*unique(x, return_counts=True, equal_nan=False, size=size, fill_value=fill_value))


@implements(np.unique_inverse, beyond=BEYOND)
def unique_inverse(x: ArrayLike, /, *, size: Any = None, fill_value: Any = None) -> Any:
    return _bundle("unique_inverse")(*unique(x, return_inverse=True, equal_nan=False, size=size, fill_value=fill_value))


@implements(np.unique_all, beyond=BEYOND)
def unique_all(x: ArrayLike, /, *, size: Any = None, fill_value: Any = None) -> Any:
    return _bundle("unique_all")(*unique(x, True, True, True, equal_nan=False, size=size, fill_value=fill_value))


# -- sets ---------------------------------------------------------------------------------------------------------


def _vector(x: ArrayLike) -> Array:
    return shapes.reshape(operand(x), (-1,))


@implements(np.isin)
def isin(
    element: ArrayLike, test_elements: ArrayLike, assume_unique: bool = False, invert: bool = False, *, kind: Any = None
) -> Array:
    """NumPy's `isin`, by bisection among the sorted test elements."""
    x, test = operand(element), _vector(test_elements)
    n = test.size
    if n == 0:
        return recorded(np.full(x.shape, bool(invert)))
    test = sort(test, 0) if isinstance(test, Tracer) else np.sort(test)
    same = np.equal(take(test, np.minimum(searchsorted(test, x), n - 1)), x)
    return np.logical_not(same) if invert else same


def _both(a: Any, b: Any) -> tuple[Any, Any]:
    a, b = _vector(a), _vector(b)
    dtype = np.result_type(a.dtype, b.dtype)
    return cast(a, dtype), cast(b, dtype)


@implements(np.intersect1d, beyond=BEYOND)
def intersect1d(
    ar1: ArrayLike,
    ar2: ArrayLike,
    assume_unique: bool = False,
    return_indices: bool = False,
    *,
    size: Any = None,
    fill_value: Any = None,
) -> Any:
    """NumPy's `intersect1d`; its first `size` values if that is given."""
    a, b = _both(ar1, ar2)
    rows, order, first = _ordered(a)
    found, real = places(np.logical_and(first, isin(rows, b)), size, "intersect1d")
    values = _chosen(rows, found, None, None)
    result = _filled(values, real, fill_value)
    if not return_indices:
        return result
    other = _ordered(b)
    place = np.minimum(searchsorted(other.rows, values), max(b.size - 1, 0))
    return result, _chosen(order, found, None, None), _chosen(other.order, place, None, None)


@implements(np.union1d, beyond=BEYOND)
def union1d(ar1: ArrayLike, ar2: ArrayLike, *, size: Any = None, fill_value: Any = None) -> Array:
    """NumPy's `union1d`; its first `size` values if that is given."""
    return unique(shapes.concatenate(_both(ar1, ar2)), size=size, fill_value=fill_value)


@implements(np.setdiff1d, beyond=BEYOND)
def setdiff1d(
    ar1: ArrayLike, ar2: ArrayLike, assume_unique: bool = False, *, size: Any = None, fill_value: Any = None
) -> Array:
    """NumPy's `setdiff1d`; its first `size` values if that is given."""
    a, dtype = _vector(ar1), operand(ar1).dtype
    if assume_unique:
        rows, keep = a, isin(a, ar2, invert=True)
    else:
        rows, _, first = _ordered(a)
        keep = np.logical_and(first, isin(rows, ar2, invert=True))
    found, real = places(keep, size, "setdiff1d")
    return cast(_chosen(rows, found, real, fill_value), dtype)


@implements(np.setxor1d, beyond=BEYOND)
def setxor1d(
    ar1: ArrayLike, ar2: ArrayLike, assume_unique: bool = False, *, size: Any = None, fill_value: Any = None
) -> Array:
    """NumPy's `setxor1d`; its first `size` values if that is given."""
    a, b = _both(ar1, ar2)
    rows, _, first = _ordered(shapes.concatenate([a, b]))
    found, real = places(np.logical_and(first, np.not_equal(isin(rows, a), isin(rows, b))), size, "setxor1d")
    return _chosen(rows, found, real, fill_value)

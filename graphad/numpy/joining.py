"""Joining and splitting: concatenate, stack, block, insert, split and their kin."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError, ShapeError
from graphad.numpy.arguments import axis_of, operand, operands, reject, static, stored
from graphad.numpy.creation import copied
from graphad.numpy.dispatch import implements
from graphad.numpy.manipulation import atleast_1d, atleast_2d, atleast_3d, slice_axis
from graphad.ops import shape as shapes
from graphad.ops.elementwise import cast
from graphad.types import Array, ArrayLike


@implements(np.concatenate)
def concatenate(arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = None) -> Array:
    reject("concatenate", out=out)
    xs = operands(arrays)
    if axis is None:
        xs, axis = [shapes.reshape(x, (-1,)) for x in xs], 0
    if dtype is not None:
        xs = [cast(x, dtype) for x in xs]
    return shapes.concatenate(xs, axis_of(xs[0], axis, "concatenate"))


@implements(np.stack)
def stack(arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: Any = None) -> Array:
    reject("stack", out=out)
    xs = operands(arrays)
    return shapes.stack(xs if dtype is None else [cast(x, dtype) for x in xs], axis)


@implements(np.vstack, *([np.row_stack] if hasattr(np, "row_stack") else []))
def vstack(tup: Any, *, dtype: Any = None, casting: Any = None) -> Array:
    return concatenate([atleast_2d(x) for x in operands(tup)], 0, dtype=dtype)


@implements(np.hstack)
def hstack(tup: Any, *, dtype: Any = None, casting: Any = None) -> Array:
    xs = [atleast_1d(x) for x in operands(tup)]
    return concatenate(xs, 0 if xs[0].ndim == 1 else 1, dtype=dtype)


@implements(np.dstack)
def dstack(tup: Any) -> Array:
    return concatenate([atleast_3d(x) for x in operands(tup)], 2)


@implements(np.column_stack)
def column_stack(tup: Any) -> Array:
    xs = operands(tup)
    return concatenate([shapes.reshape(x, (-1, 1)) if x.ndim < 2 else x for x in xs], 1)


@implements(np.bmat)
def bmat(obj: Any, ldict: Any = None, gdict: Any = None) -> Any:
    raise MissingRuleError("bmat makes a numpy.matrix, which cannot be traced; use numpy.block")


@implements(np.block)
def block(arrays: Any) -> Array:
    """An array from nested lists of blocks; the innermost lists join along the last axis."""

    def depth(item: Any) -> int:
        return 1 + depth(item[0]) if isinstance(item, list) else 0

    def blocks(item: ArrayLike) -> list[Any]:
        return [x for part in item for x in blocks(part)] if isinstance(item, list) else [operand(item)]

    levels = depth(arrays)
    rank = max(levels, *[x.ndim for x in blocks(arrays)])

    def join(item: ArrayLike, level: int) -> Array:
        if not isinstance(item, list):
            x = operand(item)
            return shapes.reshape(x, (1,) * (rank - x.ndim) + x.shape)
        return concatenate([join(part, level + 1) for part in item], rank - levels + level)

    found = join(arrays, 0)
    return found if isinstance(arrays, list) else copied(found)


@implements(np.append)
def append(arr: ArrayLike, values: ArrayLike, axis: int | None = None) -> Array:
    return concatenate([operand(arr), operand(values)], axis)


@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """NumPy's `insert`; the places must be known while tracing."""
    arr = operand(arr)
    values = stored(values, arr.dtype)
    if axis is None:
        arr, axis = shapes.reshape(arr, (-1,)), 0
    axis = axis_of(arr, axis, "insert")
    place = np.arange(arr.shape[axis])[obj] if isinstance(obj, slice) else static(obj, "insert: obj")
    scalar = place.ndim == 0
    n = arr.shape[axis]
    if place.dtype.kind == "b":
        place = np.flatnonzero(place)
    if place.size != 1:
        shape = (*arr.shape[:axis], place.size, *arr.shape[axis + 1 :])
        both = concatenate([arr, cast(shapes.broadcast_to(values, shape), arr.dtype)], axis)
        return np.take(both, np.insert(np.arange(n), place.astype(int), np.arange(n, n + place.size)), axis)
    place = place.reshape(())
    at = int(place) + n if place < 0 else int(place)
    if not 0 <= at <= n:
        raise ShapeError(f"insert: place {int(place)} is out of bounds for axis {axis} with size {n}")
    if values.ndim < arr.ndim:
        values = shapes.reshape(values, (1,) * (arr.ndim - values.ndim) + values.shape)
    if scalar:
        # NumPy assigns to the place of one integer, whose axis is the first of the values.
        values = shapes.moveaxis(values, 0, axis)
    shape = (*arr.shape[:axis], values.shape[axis], *arr.shape[axis + 1 :])
    middle = cast(shapes.broadcast_to(values, shape), arr.dtype)
    return concatenate([slice_axis(arr, axis, 0, at), middle, slice_axis(arr, axis, at, n)], axis)


# -- splitting ----------------------------------------------------------------------------------------------------


@implements(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    ary = operand(ary)
    axis = axis_of(ary, axis, "array_split")
    n = ary.shape[axis]
    given = static(indices_or_sections, "array_split: indices_or_sections")
    if given.ndim:
        bounds = [0, *(slice(None, int(i)).indices(n)[1] for i in given), n]
    else:
        sections = int(given)
        if sections <= 0:
            raise ShapeError("array_split: the number of sections must be larger than 0")
        bounds = [0, *np.cumsum([n // sections + (i < n % sections) for i in range(sections)]).tolist()]
    # Of a traced array these are views.
    return [ary[(slice(None),) * axis + (slice(a, max(a, b)),)] for a, b in pairwise(bounds)]


@implements(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    ary = operand(ary)
    sections = static(indices_or_sections, "split: indices_or_sections")
    n = ary.shape[axis_of(ary, axis, "split")]
    if sections.ndim == 0 and (sections <= 0 or n % sections):
        raise ShapeError(f"split: {n} elements do not divide into {int(sections)} equal parts; use array_split")
    return array_split(ary, sections, axis)  # type: ignore[no-any-return]


@implements(np.hsplit)
def hsplit(ary: Array, indices_or_sections: Any) -> list[Any]:
    return split(ary, indices_or_sections, 0 if ary.ndim == 1 else 1)  # type: ignore[no-any-return]


@implements(np.vsplit)
def vsplit(ary: ArrayLike, indices_or_sections: Any) -> list[Any]:
    return split(ary, indices_or_sections, 0)  # type: ignore[no-any-return]


@implements(np.dsplit)
def dsplit(ary: ArrayLike, indices_or_sections: Any) -> list[Any]:
    return split(ary, indices_or_sections, 2)  # type: ignore[no-any-return]


@implements(np.unstack)
def unstack(x: ArrayLike, /, *, axis: int = 0) -> tuple[Any, ...]:
    return tuple(np.moveaxis(operand(x), axis, 0))

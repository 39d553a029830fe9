"""Shapes and joins: reshape, transpose, concatenate, split, tile, roll and their kin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.numpy._register import axes_of, axis_of, implements, ints, operand, operands, reject, require, static
from graphad.ops import shape as shapes
from graphad.ops.elementwise import cast
from graphad.ops.shape import Reverse, Slice


def slice_axis(x: Any, axis: int, start: int, stop: int) -> Any:
    """`x[start:stop]` along one axis, for bounds within it; `x` itself where that is all of it."""
    if start == 0 and stop == x.shape[axis]:
        return x
    starts, stops = [0] * x.ndim, list(x.shape)
    starts[axis], stops[axis] = start, stop
    return Slice(tuple(starts), tuple(stops), (1,) * x.ndim)(x)


def reverse(x: Any, axes: tuple[int, ...]) -> Any:
    """The elements in reverse order along the axes that have more than one."""
    axes = tuple(i for i in axes if x.shape[i] > 1)
    return Reverse(axes)(x) if axes else x


# -- shape and order of axes --------------------------------------------------------------------------------------


@implements(np.reshape)
def reshape(a: Any, /, shape: Any, order: str = "C", *, copy: Any = None) -> Any:
    require("reshape", "order", order, "C", "F", "A")
    a = operand(a)
    if order != "F":
        return shapes.reshape(a, ints(shape))
    reversed_axes = tuple(range(a.ndim))[::-1]
    flat = shapes.reshape(shapes.transpose(a, reversed_axes), ints(shape)[::-1])
    return shapes.transpose(flat, tuple(range(flat.ndim))[::-1])


@implements(np.ravel, method="ravel")
def ravel(a: Any, order: str = "C") -> Any:
    require("ravel", "order", order, "C", "F", "A", "K")
    return reshape(a, -1, "F" if order == "F" else "C")


@implements(np.transpose)
def transpose(a: Any, axes: Sequence[int] | None = None) -> Any:
    a = operand(a)
    if axes is None:
        return shapes.transpose(a, tuple(range(a.ndim))[::-1])
    order = tuple(axis_of(a, i, "transpose") for i in ints(axes))
    if sorted(order) != list(range(a.ndim)):
        raise ShapeError(f"transpose: axes {tuple(ints(axes))} are not a permutation of the {a.ndim} axes")
    return shapes.transpose(a, order)


@implements(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    x = operand(x)
    if x.ndim < 2:
        raise ShapeError(f"matrix_transpose: needs two axes or more, not {x.ndim}")
    return swapaxes(x, -1, -2)


@implements(np.swapaxes, method="swapaxes")
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    a = operand(a)
    i, j = axis_of(a, axis1, "swapaxes"), axis_of(a, axis2, "swapaxes")
    order = list(range(a.ndim))
    order[i], order[j] = j, i
    return shapes.transpose(a, order)


@implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    return shapes.moveaxis(operand(a), source, destination)


@implements(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    a = operand(a)
    axis = axis_of(a, axis, "rollaxis")
    start = start + a.ndim if start < 0 else start
    if not 0 <= start <= a.ndim:
        raise ShapeError(f"rollaxis: start {start} is out of bounds for an array of {a.ndim} axes")
    return shapes.moveaxis(a, axis, start - 1 if axis < start else start)


@implements(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Any:
    return shapes.expand_dims(operand(a), axis)


@implements(np.squeeze, method="squeeze")
def squeeze(a: Any, axis: Any = None) -> Any:
    return shapes.squeeze(operand(a), axis)


@implements(np.broadcast_to)
def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    return shapes.broadcast_to(operand(array), ints(shape))


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    xs = operands(args)
    try:
        shape = np.broadcast_shapes(*[x.shape for x in xs])
    except ValueError:
        names = " and ".join(str(list(x.shape)) for x in xs)
        raise ShapeError(f"broadcast_arrays: shapes {names} do not broadcast") from None
    return tuple(shapes.broadcast_to(x, shape) for x in xs)


def _at_least(arys: Sequence[Any], shape_of: Any) -> Any:
    found = tuple([shapes.reshape(x, shape_of(x.shape)) for x in operands(arys)])
    return found[0] if len(found) == 1 else found


@implements(np.atleast_1d)
def atleast_1d(*arys: Any) -> Any:
    return _at_least(arys, lambda s: s or (1,))


@implements(np.atleast_2d)
def atleast_2d(*arys: Any) -> Any:
    return _at_least(arys, lambda s: (1,) * (2 - len(s)) + s)


@implements(np.atleast_3d)
def atleast_3d(*arys: Any) -> Any:
    return _at_least(arys, lambda s: (1, *s, 1) if len(s) == 1 else s + (1,) * (3 - len(s)))


# -- joining ------------------------------------------------------------------------------------------------------


@implements(np.concatenate)
def concatenate(arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = None) -> Any:
    reject("concatenate", out=out)
    xs = operands(arrays)
    if axis is None:
        xs, axis = [shapes.reshape(x, (-1,)) for x in xs], 0
    if dtype is not None:
        xs = [cast(x, dtype) for x in xs]
    return shapes.concatenate(xs, axis_of(xs[0], axis, "concatenate"))


@implements(np.stack)
def stack(arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: Any = None) -> Any:
    reject("stack", out=out)
    xs = operands(arrays)
    return shapes.stack(xs if dtype is None else [cast(x, dtype) for x in xs], axis)


@implements(np.vstack)
def vstack(tup: Any, *, dtype: Any = None, casting: Any = None) -> Any:
    return concatenate([atleast_2d(x) for x in operands(tup)], 0, dtype=dtype)


@implements(np.hstack)
def hstack(tup: Any, *, dtype: Any = None, casting: Any = None) -> Any:
    xs = [atleast_1d(x) for x in operands(tup)]
    return concatenate(xs, 0 if xs[0].ndim == 1 else 1, dtype=dtype)


@implements(np.dstack)
def dstack(tup: Any) -> Any:
    return concatenate([atleast_3d(x) for x in operands(tup)], 2)


@implements(np.column_stack)
def column_stack(tup: Any) -> Any:
    xs = operands(tup)
    return concatenate([shapes.reshape(x, (-1, 1)) if x.ndim < 2 else x for x in xs], 1)


@implements(np.block)
def block(arrays: Any) -> Any:
    """An array from nested lists of blocks; the innermost lists join along the last axis."""

    def depth(item: Any) -> int:
        return 1 + depth(item[0]) if isinstance(item, list) else 0

    def blocks(item: Any) -> list[Any]:
        return [x for part in item for x in blocks(part)] if isinstance(item, list) else [operand(item)]

    levels = depth(arrays)
    rank = max(levels, *[x.ndim for x in blocks(arrays)])

    def join(item: Any, level: int) -> Any:
        if not isinstance(item, list):
            x = operand(item)
            return shapes.reshape(x, (1,) * (rank - x.ndim) + x.shape)
        return concatenate([join(part, level + 1) for part in item], rank - levels + level)

    return join(arrays, 0)


@implements(np.append)
def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    return concatenate([operand(arr), operand(values)], axis)


@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """NumPy's `insert` for one known place: all `values` go before it."""
    arr, values = operand(arr), operand(values)
    if axis is None:
        arr, axis = shapes.reshape(arr, (-1,)), 0
    axis = axis_of(arr, axis, "insert")
    place = static(obj, "insert: obj")
    if place.ndim:
        require("insert", "number of places", place.size, 1)
        place = place.reshape(())
    elif values.ndim == arr.ndim:
        # One integer place swaps the first axis of the values to where it belongs, as NumPy's assignment does.
        values = shapes.moveaxis(values, 0, axis)
    n = arr.shape[axis]
    at = int(place) + n if place < 0 else int(place)
    if not 0 <= at <= n:
        raise ShapeError(f"insert: place {int(place)} is out of bounds for axis {axis} with size {n}")
    if values.ndim < arr.ndim:
        values = shapes.reshape(values, (1,) * (arr.ndim - values.ndim) + values.shape)
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
    return [slice_axis(ary, axis, a, max(a, b)) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]


@implements(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    ary = operand(ary)
    sections = static(indices_or_sections, "split: indices_or_sections")
    n = ary.shape[axis_of(ary, axis, "split")]
    if sections.ndim == 0 and (sections <= 0 or n % sections):
        raise ShapeError(f"split: {n} elements do not divide into {int(sections)} equal parts; use array_split")
    return array_split(ary, sections, axis)  # type: ignore[no-any-return]


@implements(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    return split(ary, indices_or_sections, 0 if ary.ndim == 1 else 1)  # type: ignore[no-any-return]


@implements(np.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    return split(ary, indices_or_sections, 0)  # type: ignore[no-any-return]


@implements(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    return split(ary, indices_or_sections, 2)  # type: ignore[no-any-return]


@implements(np.unstack)
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    x = shapes.moveaxis(operand(x), axis, 0)
    return tuple(x)


# -- repeating and reordering -------------------------------------------------------------------------------------


@implements(np.tile)
def tile(A: Any, reps: Any) -> Any:
    A = operand(A)
    counts = ints(reps)
    rank = max(A.ndim, len(counts))
    counts = (1,) * (rank - len(counts)) + counts
    extents = (1,) * (rank - A.ndim) + A.shape
    pairs = list(zip(counts, extents, strict=True))
    spread = shapes.reshape(A, tuple(m for _, n in pairs for m in (1, n)))
    spread = shapes.broadcast_to(spread, tuple(m for pair in pairs for m in pair))
    return shapes.reshape(spread, tuple(c * n for c, n in pairs))


@implements(np.repeat, method="repeat")
def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    a = operand(a)
    if axis is None:
        a, axis = shapes.reshape(a, (-1,)), 0
    axis = axis_of(a, axis, "repeat")
    counts = static(repeats, "repeat: repeats")
    if counts.size != 1:
        return np.take(a, np.repeat(np.arange(a.shape[axis]), counts), axis)
    n = int(counts.reshape(()))
    shape = a.shape
    spread = shapes.broadcast_to(shapes.expand_dims(a, axis + 1), (*shape[: axis + 1], n, *shape[axis + 1 :]))
    return shapes.reshape(spread, (*shape[:axis], shape[axis] * n, *shape[axis + 1 :]))


@implements(np.flip)
def flip(m: Any, axis: Any = None) -> Any:
    m = operand(m)
    return reverse(m, axes_of(m, axis, "flip"))


@implements(np.flipud)
def flipud(m: Any) -> Any:
    return flip(m, 0)


@implements(np.fliplr)
def fliplr(m: Any) -> Any:
    return flip(m, 1)


@implements(np.rot90)
def rot90(m: Any, k: int = 1, axes: Sequence[int] = (0, 1)) -> Any:
    m = operand(m)
    i, j = (axis_of(m, axis, "rot90") for axis in axes)
    if i == j:
        raise ShapeError("rot90: the two axes must differ")
    if k % 4 == 0:
        return m
    if k % 4 == 2:
        return reverse(m, (i, j))
    return swapaxes(reverse(m, (j,)), i, j) if k % 4 == 1 else reverse(swapaxes(m, i, j), (j,))


@implements(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """NumPy's `roll`; a shift may be traced, and is then taken along the axis by index."""
    a = operand(a)
    if axis is None:
        return shapes.reshape(roll(shapes.reshape(a, (-1,)), shift, 0), a.shape)
    shifts, axes = (list(x) if isinstance(x, (tuple, list)) else [x] for x in (shift, axis))
    count = max(len(shifts), len(axes))
    for by, along in zip(shifts * (count // len(shifts)), axes * (count // len(axes)), strict=True):
        i = axis_of(a, along, "roll")
        n = a.shape[i]
        if n == 0:
            continue
        if hasattr(by, "builder"):
            a = np.take(a, (np.arange(n) - by) % n, i)
        elif int(by) % n:
            cut = n - int(by) % n
            a = shapes.concatenate([slice_axis(a, i, cut, n), slice_axis(a, i, 0, cut)], i)
    return a


@implements(np.resize)
def resize(a: Any, new_shape: Any) -> Any:
    flat = shapes.reshape(operand(a), (-1,))
    shape = ints(new_shape)
    size = math.prod(shape)
    if flat.size == 0:
        return shapes.zeros(shape, flat.dtype)
    repeated = tile(flat, -(-size // flat.size)) if size else flat
    return shapes.reshape(slice_axis(repeated, 0, 0, size), shape)

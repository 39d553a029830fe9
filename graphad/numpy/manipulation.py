"""Shapes and joins: reshape, transpose, concatenate, split, tile, roll and their kin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.numpy.arguments import axes_of, axis_of, ints, operand, operands, require, static
from graphad.numpy.dispatch import implements
from graphad.numpy.layouts import UNKNOWN, layout_of, outline_of, unclear
from graphad.ops import shape as shapes
from graphad.ops.shape import Reverse, Slice
from graphad.types import Array, ArrayLike


def slice_axis(x: Any, axis: int, start: int, stop: int) -> Array:
    """`x[start:stop]` along one axis, for bounds within it; `x` itself where that is all of it."""
    if start == 0 and stop == x.shape[axis]:
        return x
    starts, stops = [0] * x.ndim, list(x.shape)
    starts[axis], stops[axis] = start, stop
    return Slice(tuple(starts), tuple(stops), (1,) * x.ndim)(x)


def reverse(x: Any, axes: tuple[int, ...]) -> Array:
    """The elements in reverse order along the axes that have more than one."""
    axes = tuple(i for i in axes if x.shape[i] > 1)
    return Reverse(axes)(x) if axes else x


# -- shape and order of axes --------------------------------------------------------------------------------------


@implements(np.reshape)
def reshape(a: Any, /, shape: Any, order: str = "C", *, copy: Any = None) -> Any:
    require("reshape", "order", order, "C", "F", "A")
    a = operand(a)
    if read_in(a, order, "reshape") != "F":
        return shapes.reshape(a, ints(shape))
    reversed_axes = tuple(range(a.ndim))[::-1]
    flat = shapes.reshape(shapes.transpose(a, reversed_axes), ints(shape)[::-1])
    return shapes.transpose(flat, tuple(range(flat.ndim))[::-1])


@implements(np.ravel, method="ravel")
def ravel(a: Any, order: str = "C") -> Array:
    require("ravel", "order", order, "C", "F", "A", "K")
    return reshape(a, -1, order) if order != "K" else shapes.reshape(in_memory(operand(a), "ravel"), (-1,))


def in_memory(a: Any, what: str, base: Any = None) -> Any:
    """An array with its axes as they lie in memory, from the slowest to the fastest one; another one, with `base`."""
    order = layout_of(a)
    if order is UNKNOWN:
        raise unclear(a, what)
    x = a if base is None else base
    return x if order is None else np.transpose(x, order)


def read_in(a: ArrayLike, order: str, what: str) -> str:
    """The order, C or F, that is meant by one of NumPy's for `reshape`."""
    if order != "A":
        return order
    if layout_of(a) is UNKNOWN:
        raise unclear(a, what)
    return "F" if outline_of(a).flags.fnc else "C"


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
def moveaxis(a: Any, source: Any, destination: Any) -> Array:
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
def expand_dims(a: Any, axis: Any) -> Array:
    return shapes.expand_dims(operand(a), axis)


@implements(np.squeeze, method="squeeze")
def squeeze(a: ArrayLike, axis: Any = None) -> Array:
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
def atleast_1d(*arys: Any) -> Array:
    return _at_least(arys, lambda s: s or (1,))


@implements(np.atleast_2d)
def atleast_2d(*arys: Any) -> Any:
    return _at_least(arys, lambda s: (1,) * (2 - len(s)) + s)


@implements(np.atleast_3d)
def atleast_3d(*arys: Any) -> Array:
    return _at_least(arys, lambda s: (1, *s, 1) if len(s) == 1 else s + (1,) * (3 - len(s)))


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


@implements(np.repeat, method="repeat", beyond=("total_repeat_length",))
def repeat(a: Any, repeats: Any, axis: int | None = None, *, total_repeat_length: int | None = None) -> Any:
    """NumPy's `repeat`; traced counts need the number of results, which `graphad.numpy.repeat` takes.

    The last element is repeated where the counts add up to less than `total_repeat_length`.
    """
    a = operand(a)
    if axis is None:
        a, axis = shapes.reshape(a, (-1,)), 0
    axis = axis_of(a, axis, "repeat")
    if total_repeat_length is not None:
        ends = np.cumsum(shapes.broadcast_to(shapes.reshape(operand(repeats), (-1,)), (a.shape[axis],)))
        number = np.arange(total_repeat_length)
        place = np.sum(ends[None, :] <= number[:, None], axis=1)
        return np.take(a, np.minimum(place, a.shape[axis] - 1), axis)
    counts = static(repeats, "repeat: repeats (or give graphad.numpy.repeat total_repeat_length=)")
    if counts.size != 1:
        return np.take(a, np.repeat(np.arange(a.shape[axis]), counts), axis)
    n = int(counts.reshape(()))
    shape = a.shape
    spread = shapes.broadcast_to(shapes.expand_dims(a, axis + 1), (*shape[: axis + 1], n, *shape[axis + 1 :]))
    return shapes.reshape(spread, (*shape[:axis], shape[axis] * n, *shape[axis + 1 :]))


@implements(np.flip)
def flip(m: ArrayLike, axis: Any = None) -> Array:
    m = operand(m)
    return reverse(m, axes_of(m, axis, "flip"))


@implements(np.flipud)
def flipud(m: ArrayLike) -> Array:
    return flip(m, 0)


@implements(np.fliplr)
def fliplr(m: ArrayLike) -> Array:
    return flip(m, 1)


@implements(np.rot90)
def rot90(m: ArrayLike, k: int = 1, axes: Sequence[int] = (0, 1)) -> Any:
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
    if not axes:
        return a
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
def resize(a: ArrayLike, new_shape: Any) -> Array:
    flat = shapes.reshape(operand(a), (-1,))
    shape = ints(new_shape)
    size = math.prod(shape)
    if flat.size == 0:
        return shapes.zeros(shape, flat.dtype)
    repeated = tile(flat, -(-size // flat.size)) if size else flat
    return shapes.reshape(slice_axis(repeated, 0, 0, size), shape)

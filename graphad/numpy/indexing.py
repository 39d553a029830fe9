"""`x[index]` with NumPy's meaning, lowered to at most one slice, one reversal, one reshape and one gather."""

from __future__ import annotations

import operator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from graphad.errors import IndexOutOfBoundsError, ShapeError, TracerError, TypeMismatchError
from graphad.numpy.arguments import concrete, known, operand
from graphad.op import Op
from graphad.ops.elementwise import cast
from graphad.ops.index import Gather
from graphad.ops.select import select
from graphad.ops.shape import Reshape, Reverse, Slice, broadcast_to, transpose
from graphad.trace import Tracer
from graphad.types import INT64, Array, Shape, TensorType


class IndexPlan(NamedTuple):
    """An index read entry by entry.

    `slices` holds for each axis its (start, stop, step), with unit extent where an integer picks from it. `kept`
    is the shape after slicing, integers' axes dropped and new axes inserted. `arrays` maps axes of that shape to the
    index arrays, and `place` is where their common axes stand in the result. `axes` has for each axis its place in
    `kept`, -1 where an integer picks from it.
    """

    slices: list[tuple[int, int, int]]
    kept: tuple[int, ...]
    arrays: dict[int, Any]
    place: int
    axes: list[int]


def getitem(x: Any, index: Any) -> Any:
    """`x[index]` for integers, slices, Ellipsis, None, integer arrays (traced or not) and known boolean masks.

    Raises `IndexOutOfBoundsError` for a known index outside its axis, `TracerError` for a traced mask.
    """
    key = basic_key(index)
    if key is not None:
        return basic_item(x, key)
    plan = read_index(x, index)
    for op in _slicing_ops(x.shape, plan):
        x = op(x)
    return _gathered(x, plan) if plan.arrays else x


def basic_item(x: Any, key: Any) -> Any:
    """`x[index]` for an index with such a key."""
    for op in _basic_ops(x.type if isinstance(x, Tracer) else TensorType(x.dtype, x.shape), key):
        x = op(x)
    return x


def basic_key(index: Any) -> Any:
    """A hashable form of an index of known integers, slices, Ellipsis and None; None for other indices."""
    entries: list[Any] = []
    for item in index if type(index) is tuple else (index,):
        if type(item) is slice:
            bounds = (item.start, item.stop, item.step)
            for b in bounds:
                if b is not None and type(b) is not int:
                    return None
            entries.append(bounds)
        elif type(item) is int or item is None or item is Ellipsis:
            entries.append(item)
        else:
            return None
    return tuple(entries)


@lru_cache(maxsize=10_000)
def _basic_ops(type: TensorType, key: tuple[Any, ...]) -> tuple[Op, ...]:
    return _slicing_ops(type.shape, basic_plan(type, key))


@lru_cache(maxsize=10_000)
def basic_plan(type: TensorType, key: tuple[Any, ...]) -> IndexPlan:
    """What an index with such a key means for the axes of an array of a type."""
    return read_index(type, tuple([slice(*item) if isinstance(item, tuple) else item for item in key]))


def _slicing_ops(shape: Shape, plan: IndexPlan) -> tuple[Op, ...]:
    """What slices, reverses and reshapes an array as far as needed: at most one op each."""
    ops: list[Op] = []
    starts, stops, steps, reversed_axes = [], [], [], []
    slices = plan.slices
    for axis, (start, stop, step) in enumerate(slices):
        count = len(range(start, stop, step))
        if count == 0:
            start, stop, step = 0, 0, 1
        elif step < 0:
            start, stop, step = start + (count - 1) * step, start + 1, -step
            if count > 1:
                reversed_axes.append(axis)
        if count == 1:
            stop, step = start + 1, 1
        starts.append(start)
        stops.append(stop)
        steps.append(step)
    if any(a != 0 or b != n or s != 1 for a, b, s, n in zip(starts, stops, steps, shape, strict=True)):
        ops.append(Slice(tuple(starts), tuple(stops), tuple(steps)))
    if reversed_axes:
        ops.append(Reverse(tuple(reversed_axes)))
    if plan.kept != tuple([len(range(*bounds)) for bounds in slices]):
        ops.append(Reshape(plan.kept))
    return tuple(ops)


def _gathered(x: Any, plan: IndexPlan) -> Array:
    axes = tuple(plan.arrays)
    indices = broadcast_indices(list(plan.arrays.values()))
    out = Gather(axes)(x, *indices)
    rank = indices[0].ndim
    if plan.place == 0 or rank == 0:
        return out
    others = range(rank, rank + plan.place)
    return transpose(out, (*others, *range(rank), *range(rank + plan.place, out.ndim)))


def broadcast_indices(indices: list[Any]) -> list[Any]:
    """Index arrays in their common shape. Raises `ShapeError`."""
    shapes = [i.shape for i in indices]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        names = " and ".join(str(list(s)) for s in shapes)
        raise ShapeError(f"indexing: index arrays of shapes {names} do not broadcast") from None
    return [
        broadcast_to(i, shape) if isinstance(i, Tracer) else np.broadcast_to(i, shape).astype(INT64) for i in indices
    ]


# -- reading an index ---------------------------------------------------------------------------------------------


def read_index(x: Any, index: Any) -> IndexPlan:
    """What an index means for the axes of `x`. Raises `IndexOutOfBoundsError`, `ShapeError`, `TracerError`."""
    entries, fancy = _entries(x, index)
    slices: list[tuple[int, int, int]] = []
    kept: list[int] = []
    arrays: dict[int, Any] = {}
    # As NumPy has it: integers join the index arrays, and their axes stand together where they were, in front if
    # anything stands between them.
    place, run_ended, split = -1, False, False
    axes: list[int] = []
    # Integers beside traced ones are gathered at with them, so that what is read or written is one element at once.
    scalars = not fancy and any(isinstance(entry, Tracer) for entry in entries)
    for entry in entries:
        advanced = isinstance(entry, (int, np.ndarray, Tracer))
        if fancy and advanced:
            if place < 0:
                place = len(kept) - len(arrays)
            elif run_ended:
                split = True
        elif place >= 0:
            run_ended = True
        axis = len(slices)
        if entry is not None and entry is not Ellipsis and not isinstance(entry, _Flag):
            axes.append(-1 if isinstance(entry, int) and not scalars else len(kept))
        if entry is None:
            kept.append(1)
        elif entry is Ellipsis:
            pass
        elif isinstance(entry, slice):
            bounds = entry.indices(x.shape[axis])
            slices.append(bounds)
            kept.append(len(range(*bounds)))
        elif isinstance(entry, int):
            i = bounded(entry, x, axis)
            if scalars:
                arrays[len(kept)] = np.asarray(i)
                kept.append(x.shape[axis])
            slices.append((0, x.shape[axis], 1) if scalars else (i, i + 1, 1))
        elif isinstance(entry, _Flag):
            arrays[len(kept)] = entry.index
            kept.append(1)
        else:
            arrays[len(kept)] = wrapped(entry, x, axis)
            slices.append((0, x.shape[axis], 1))
            kept.append(x.shape[axis])
    return IndexPlan(slices, tuple(kept), arrays, 0 if split or place < 0 else place, axes)


class _Flag(np.ndarray[Any, Any]):
    """A single True or False as an index: an array index of one entry or none into a new axis."""

    @property
    def index(self) -> Array:
        return np.asarray(self)


def _entries(x: Any, index: Any) -> tuple[list[Any], bool]:
    """The index entry by entry, Ellipsis spelled out; and whether index arrays are among them."""
    given = index if isinstance(index, tuple) else (index,)
    entries: list[Any] = []
    fancy = False
    for item in given:
        if item is None or item is Ellipsis or isinstance(item, slice):
            entries.append(item)
            continue
        if isinstance(item, (bool, np.bool_)):
            item = np.asarray(item)
        elif isinstance(item, (int, np.integer)):
            entries.append(int(item))
            continue
        item = concrete(_as_index(item))
        if item.dtype.kind == "b":
            entries.append(_known_mask(x, item))
            fancy = True
        elif isinstance(item, Tracer):
            entries.append(item)
            fancy = fancy or item.ndim > 0
        elif item.ndim == 0:
            entries.append(operator.index(item[()]))
        else:
            entries.append(item.astype(INT64))
            fancy = True
    if sum(item is Ellipsis for item in entries) > 1:
        raise IndexOutOfBoundsError("an index can only have a single ellipsis ('...')")
    missing = x.ndim - _consumed(entries)
    if missing < 0:
        raise IndexOutOfBoundsError(
            f"too many indices: {_type(x)} has {x.ndim} axes, but {x.ndim - missing} were indexed"
        )
    at = next((i for i, item in enumerate(entries) if item is Ellipsis), None)
    at = len(entries) if at is None else at + 1
    filled = entries[:at] + [slice(None)] * missing + entries[at:]
    return _spelled(x, filled), fancy


def _spelled(x: Any, entries: list[Any]) -> list[Any]:
    """The entries with each mask as the index arrays of its true elements."""
    found: list[Any] = []
    axis = 0
    for entry in entries:
        if isinstance(entry, np.ndarray) and entry.dtype.kind == "b":
            found.extend(_places(x, entry, axis))
        else:
            found.append(entry)
        axis += _consumed([entry])
    return found


def _consumed(entries: list[Any]) -> int:
    """How many axes the entries index."""
    masks = [e.ndim for e in entries if isinstance(e, np.ndarray) and e.dtype.kind == "b"]
    return sum(masks) + sum(e is not None and e is not Ellipsis for e in entries) - len(masks)


def _as_index(item: Any) -> Any:
    if isinstance(item, list) and not item:
        return np.zeros(0, INT64)
    item = operand(item)
    if item.dtype.kind not in "iub":
        raise TypeMismatchError(
            f"an index must be integers, slices (':'), ellipsis ('...'), numpy.newaxis (None) or an array of "
            f"integers or booleans, not {item!r}"
        )
    return item


def _known_mask(x: Any, mask: Any) -> Any:
    array = known(mask)
    if array is None:
        raise TracerError(
            f"a traced mask {mask.type} cannot index {_type(x)}: the result's shape would depend on its values; use "
            "numpy.where(mask, x, 0) to keep the shape, or index with a mask that is known while tracing"
        )
    return array


def _places(x: Array, mask: Array, axis: int) -> list[Any]:
    if mask.ndim == 0:
        return [np.zeros(1 if mask else 0, INT64).view(_Flag)]
    expected = x.shape[axis : axis + mask.ndim]
    if mask.shape != expected:
        raise IndexOutOfBoundsError(
            f"a boolean index of shape {list(mask.shape)} does not match axes {axis} to {axis + mask.ndim - 1} "
            f"of {_type(x)}"
        )
    return list(np.nonzero(mask))


def bounded(i: int, x: Any, axis: int) -> int:
    """A known index counted from the start of its axis. Raises `IndexOutOfBoundsError`."""
    n = x.shape[axis]
    if not -n <= i < n:
        raise IndexOutOfBoundsError(f"index {i} is out of bounds for axis {axis} with size {n} of {_type(x)}")
    return i + n if i < 0 else i


def wrapped(index: Array, x: Any, axis: int) -> Array:
    """An index array counted from the start of its axis. Known ones out of bounds raise `IndexOutOfBoundsError`."""
    n = x.shape[axis]
    if index.dtype.kind not in "iub":
        raise TypeMismatchError(f"indices must be integers, not {index.dtype}")
    if isinstance(index, Tracer):
        index64: Any = index if index.dtype == INT64 else cast(index, INT64)
        return index64 if index.dtype.kind == "u" else select(index64 < 0, index64 + n, index64)
    for i in (index.min(), index.max()) if index.size else ():
        bounded(int(i), x, axis)
    # In a small dtype the extent would overflow.
    return np.where(index < 0, index.astype(INT64) + n, index) if index.dtype.kind == "i" else index


def _type(x: Any) -> str:
    return str(x.type if isinstance(x, Tracer) else TensorType(x.dtype, x.shape))

"""`x.at[index].set(y)` and its siblings: new arrays that differ from `x` at an index, in place of assignment."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.errors import TypeMismatchError
from graphad.location import place
from graphad.numpy.arguments import operand, stored
from graphad.numpy.indexing import IndexPlan, basic_key, basic_plan, broadcast_indices, getitem, read_index
from graphad.ops.elementwise import cast
from graphad.ops.index import DynamicUpdateSlice, Gather, ScatterAdd, ScatterSet
from graphad.ops.shape import Pad, broadcast_to, iota, reshape, transpose
from graphad.trace import Tracer
from graphad.types import Array, ArrayLike, TensorType, dtype_spelling


class At:
    """`x.at`: index it to choose the elements that an update changes."""

    __slots__ = ("x",)

    def __init__(self, x: Any) -> None:
        self.x = x

    def __getitem__(self, index: Any) -> Update:
        return Update(self.x, index)


class Update:
    """`x.at[index]`: its methods give `x` with the elements at `index` changed, and leave `x` as it is.

    Values are cast to the dtype of `x` and broadcast to the shape of `x[index]`. Where an index array names an element
    more than once, `add`, `multiply`, `min` and `max` apply every value; which one `set` keeps is not said.
    """

    __slots__ = ("index", "x")

    def __init__(self, x: Array, index: Any) -> None:
        self.x = x
        self.index = index

    def get(self) -> Any:
        """`x[index]`."""
        return getitem(self.x, self.index)

    def set(self, values: Any) -> Any:
        """`x` with the values in place of those at the index."""
        return _located_set(self.x, self.index, values)

    def add(self, values: Any) -> Any:
        """`x` with the values added at the index."""
        return _located_add(self.x, self.index, values)

    def subtract(self, values: ArrayLike) -> Array:
        """`x` with the values subtracted at the index."""
        return self.add(-_cast_first(self.x, values))

    def multiply(self, values: Any) -> Any:
        """`x` with the elements at the index multiplied by the values."""
        return _combine(self.x, self.index, values, lambda a, b: a * b, np.prod, 1)

    def divide(self, values: Any) -> Any:
        """`x` with the elements at the index divided by the values."""
        return _combine(self.x, self.index, values, lambda a, b: a / b, np.prod, 1)

    def min(self, values: Any) -> Any:
        """`x` with the smaller of element and value at the index."""
        return _combine(self.x, self.index, values, np.minimum, np.min, _bound(self.x, 1))

    def max(self, values: Any) -> Any:
        """`x` with the larger of element and value at the index."""
        return _combine(self.x, self.index, values, np.maximum, np.max, _bound(self.x, -1))

    def apply(self, function: Callable[[Any], Any]) -> Any:
        """`x` with `function(x[index])` at the index."""
        return self.set(function(self.get()))


def _cast_first(x: Array, values: Any) -> Array:
    """Values as an array: truth values in the dtype of `x`, and integers too where that is one, which wraps around."""
    values = operand(values)
    whole = x.dtype.kind in "iu" and values.dtype.kind in "iu"
    return cast(values, x.dtype) if whole or values.dtype.kind == "b" else values


def _bound(x: Any, sign: int) -> float:
    """A number that no element is beyond: the largest of the dtype for a positive sign, else the smallest."""
    if x.dtype.kind in "iu":
        limits = np.iinfo(x.dtype)
        return limits.max if sign > 0 else limits.min
    return sign * math.inf


def _located_set(x: Array, index: Any, values: ArrayLike) -> Array:
    key = basic_key(index)
    plan = read_index(x, index) if key is None else basic_plan(TensorType(x.dtype, x.shape), key)
    if not plan.arrays and all(b - a == len(range(a, b, s)) for a, b, s in plan.slices):
        starts = tuple(a for a, _, _ in plan.slices)
        block = reshape(_values(x, values, plan.kept), tuple(b - a for a, b, _ in plan.slices))
        if block.shape == x.shape:
            return block
        return DynamicUpdateSlice()(x, block, *[np.asarray(a) for a in starts])
    return _scattered(ScatterSet, x, index, plan, values)


def _located_add(x: Array, index: Any, values: Any) -> Array:
    plan = read_index(x, index)
    if not plan.arrays and all(s > 0 for _, _, s in plan.slices):
        counts = tuple(len(range(*bounds)) for bounds in plan.slices)
        block = reshape(_values(x, values, plan.kept), counts)
        if not block.size:
            return x
        if block.shape == x.shape:
            return x + block
        low = tuple(a for a, _, _ in plan.slices)
        inner = tuple(s - 1 for _, _, s in plan.slices)
        high = tuple(n - a - (m - 1) * s - 1 for n, m, (a, _, s) in zip(x.shape, counts, plan.slices, strict=True))
        return x + Pad(low, high, inner)(block)
    return _scattered(ScatterAdd, x, index, plan, values)


def _values(x: Any, values: Any, shape: tuple[int, ...]) -> Any:
    values = stored(values, x.dtype)
    if values.dtype.kind == "c" and x.dtype.kind != "c":
        raise TypeMismatchError(
            f"complex numbers {dtype_spelling(values.dtype)} cannot be written into an array of "
            f"{dtype_spelling(x.dtype)}{place()}; write their .real, or make the array "
            "complex with astype(complex)"
        )
    more = values.ndim - len(shape)
    if shape and more > 0 and values.shape[:more] == (1,) * more:
        values = reshape(values, values.shape[more:])  # NumPy's assignment drops such axes of what it is given
    return broadcast_to(cast(values, x.dtype), shape)


def _scattered(op: Any, x: Array, index: Any, plan: IndexPlan, values: Any) -> Array:
    whole = [(a, b, s) == (0, n, 1) for n, (a, b, s) in zip(x.shape, plan.slices, strict=True)]
    indices = broadcast_indices(list(plan.arrays.values())) if plan.arrays else []
    rank = indices[0].ndim if indices else 0
    if op is ScatterSet and indices and not rank and not all(whole) and all(s == 1 for _, _, s in plan.slices):
        # Part of a row at a traced place: the row is read, changed and written back, which moves it in blocks.
        return _row_set(x, plan, indices, values)
    arrays = dict(zip(plan.arrays, indices, strict=True))
    if not set(arrays) <= set(plan.axes):
        places = _places(x, index)
        updates = _values(x, values, places.shape)
        return reshape(op((0,))(reshape(x, (-1,)), reshape(updates, (-1,)), reshape(places, (-1,))), x.shape)
    # Where each axis of `kept` stands in the result, among which the axes of the index arrays stand together.
    others = [k for k in range(len(plan.kept)) if k not in arrays]
    shape = [plan.kept[k] for k in others]
    shape[plan.place : plan.place] = indices[0].shape if indices else ()
    stands = {k: i + (rank if i >= plan.place else 0) for i, k in enumerate(others)}
    picked: dict[int, tuple[Any, list[int]]] = {}
    window = []
    for axis, k in enumerate(plan.axes):
        start, stop, step = plan.slices[axis]
        if k < 0:
            picked[axis] = np.asarray(start), []
        elif k in arrays:
            picked[axis] = arrays[k], list(range(plan.place, plan.place + rank))
        elif whole[axis]:
            window.append(stands[k])
        else:
            picked[axis] = np.arange(start, stop, step), [stands[k]]
    spread = sorted({i for _, places in picked.values() for i in places})
    grid = tuple(shape[i] for i in spread)
    aligned = [
        broadcast_to(reshape(array, tuple(shape[i] if i in places else 1 for i in spread)), grid)
        for array, places in picked.values()
    ]
    rest = [i for i in range(len(shape)) if i not in spread and i not in window]
    updates = transpose(_values(x, values, tuple(shape)), (*spread, *window, *rest))
    updates = reshape(updates, (*grid, *(shape[i] for i in window)))
    return op(tuple(picked))(x, updates, *aligned) if updates.size else x


def _row_set(x: Any, plan: IndexPlan, indices: list[Any], values: Any) -> Any:
    axes = tuple(plan.axes.index(k) for k in plan.arrays)
    row = Gather(axes)(x, *indices)
    inside = [slice(*bounds) for axis, bounds in enumerate(plan.slices) if axis not in axes]
    shape = tuple(n for k, n in enumerate(plan.kept) if k not in plan.arrays)
    found = tuple(len(range(*bounds.indices(n))) for bounds, n in zip(inside, row.shape, strict=True))
    return ScatterSet(axes)(x, _located_set(row, tuple(inside), reshape(_values(x, values, shape), found)), *indices)


def _places(x: Any, index: Any) -> Any:
    """The positions, in the raveled `x`, of the elements that an index chooses."""
    return getitem(np.arange(x.size).reshape(x.shape), index)


def _combine(x: Any, index: Any, values: Any, combine: Any, reduce: Any, neutral: float) -> Any:
    """`combine(x[index], values)` at the index, repeated where an element is named repeatedly."""
    values = _cast_first(x, values)
    plan = read_index(x, index)
    places = _places(x, index)
    if not plan.arrays or (not isinstance(places, Tracer) and len(np.unique(places)) == places.size):
        return _located_set(x, index, combine(getitem(x, index), values))
    updates = reshape(broadcast_to(values, places.shape), (-1, 1))
    chosen = reshape(places, (-1, 1)) == iota(x.size)
    factors = reduce(np.where(chosen, updates, neutral), axis=0) if places.size else neutral
    return cast(combine(x, reshape(factors, x.shape) if places.size else neutral), x.dtype)


setattr(Tracer, "at", property(At))  # noqa: B010

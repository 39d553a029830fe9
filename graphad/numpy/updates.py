"""`x.at[index].set(y)` and its siblings: new arrays that differ from `x` at an index, in place of assignment."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.numpy._register import operand
from graphad.numpy.indexing import Plan, broadcast_indices, getitem, read_index
from graphad.ops.elementwise import cast
from graphad.ops.index import DynamicUpdateSlice, ScatterAdd, ScatterSet
from graphad.ops.shape import Pad, broadcast_to, iota, reshape
from graphad.trace import Tracer


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

    def __init__(self, x: Any, index: Any) -> None:
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

    def subtract(self, values: Any) -> Any:
        """`x` with the values subtracted at the index."""
        return self.add(-operand(values))

    def multiply(self, values: Any) -> Any:
        """`x` with the elements at the index multiplied by the values."""
        return _combine(self.x, self.index, values, lambda a, b: a * b, np.prod, 1)

    def divide(self, values: Any) -> Any:
        """`x` with the elements at the index divided by the values."""
        return _combine(self.x, self.index, values, lambda a, b: a / b, np.prod, 1)

    def min(self, values: Any) -> Any:
        """`x` with the smaller of element and value at the index."""
        return _combine(self.x, self.index, values, np.minimum, np.min, math.inf)

    def max(self, values: Any) -> Any:
        """`x` with the larger of element and value at the index."""
        return _combine(self.x, self.index, values, np.maximum, np.max, -math.inf)

    def apply(self, function: Callable[[Any], Any]) -> Any:
        """`x` with `function(x[index])` at the index."""
        return self.set(function(self.get()))


def _located_set(x: Any, index: Any, values: Any) -> Any:
    plan = read_index(x, index)
    if not plan.arrays and all(b - a == len(range(a, b, s)) for a, b, s in plan.slices):
        starts = tuple(a for a, _, _ in plan.slices)
        block = reshape(_values(x, values, plan.kept), tuple(b - a for a, b, _ in plan.slices))
        if block.shape == x.shape:
            return block
        return DynamicUpdateSlice()(x, block, *[np.asarray(a) for a in starts])
    return _scattered(ScatterSet, x, index, plan, values)


def _located_add(x: Any, index: Any, values: Any) -> Any:
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
    return broadcast_to(cast(operand(values), x.dtype), shape)


def _scattered(op: Any, x: Any, index: Any, plan: Plan, values: Any) -> Any:
    whole = all(a == 0 and b == n and s == 1 for n, (a, b, s) in zip(x.shape, plan.slices, strict=True))
    if whole and plan.kept == x.shape and plan.place == 0:
        axes = tuple(plan.arrays)
        indices = broadcast_indices(list(plan.arrays.values()))
        shape = (*indices[0].shape, *(n for i, n in enumerate(x.shape) if i not in axes))
        return op(axes)(x, _values(x, values, shape), *indices)
    places = _places(x, index)
    updates = _values(x, values, places.shape)
    return reshape(op((0,))(reshape(x, (-1,)), reshape(updates, (-1,)), reshape(places, (-1,))), x.shape)


def _places(x: Any, index: Any) -> Any:
    """The positions, in the raveled `x`, of the elements that an index chooses."""
    return getitem(np.arange(x.size).reshape(x.shape), index)


def _combine(x: Any, index: Any, values: Any, combine: Any, reduce: Any, neutral: float) -> Any:
    """`combine(x[index], values)` at the index, repeated where an element is named repeatedly."""
    plan = read_index(x, index)
    places = _places(x, index)
    if not plan.arrays or (not isinstance(places, Tracer) and len(np.unique(places)) == places.size):
        return _located_set(x, index, combine(getitem(x, index), operand(values)))
    updates = reshape(broadcast_to(operand(values), places.shape), (-1, 1))
    chosen = reshape(places, (-1, 1)) == iota(x.size)
    factors = reduce(np.where(chosen, updates, neutral), axis=0) if places.size else neutral
    return cast(combine(x, reshape(factors, x.shape) if places.size else neutral), x.dtype)


setattr(Tracer, "at", property(At))  # noqa: B010

"""Indexing: the gathers, scatters and dynamic slices, and what is made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.ops.dynamic import DynamicSlice, DynamicUpdateSlice
from graphad.ops.gather import Gather, ScatterAdd, ScatterSet
from graphad.ops.shape import broadcast_to, iota, normalized, reshape, transpose
from graphad.types import Array


def take_along_axis(x: Any, index: Array, axis: int) -> Array:
    """NumPy's `take_along_axis` for an index without negative entries, of the rank of `x`."""
    axis = normalized(axis, x.ndim, "take_along_axis")
    shape = tuple(index.shape)
    indices = []
    for i, n in enumerate(shape):
        along = reshape(iota(n), tuple(n if j == i else 1 for j in range(len(shape))))
        indices.append(index if i == axis else broadcast_to(along, shape))
    return Gather(tuple(range(x.ndim)))(x, *indices)


def diagonal(x: Any, axis1: int = 0, axis2: int = 1, offset: int = 0) -> Array:
    """NumPy's `diagonal` of two axes, which stands as the last axis of the result. Raises `ShapeError`."""
    axis1, axis2 = normalized(axis1, x.ndim, "diagonal"), normalized(axis2, x.ndim, "diagonal")
    if axis1 == axis2:
        raise ShapeError("diagonal: the two axes must differ")
    rows, columns = max(-offset, 0), max(offset, 0)
    n = max(0, min(x.shape[axis1] - rows, x.shape[axis2] - columns))
    taken = Gather((axis1, axis2))(x, np.arange(rows, rows + n), np.arange(columns, columns + n))
    return transpose(taken, (*range(1, x.ndim - 1), 0))


__all__ = [
    "DynamicSlice", "DynamicUpdateSlice", "Gather", "ScatterAdd", "ScatterSet", "diagonal", "take_along_axis",
]  # fmt: skip

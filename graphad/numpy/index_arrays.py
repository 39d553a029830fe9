"""Arrays of indices: grids, triangles, flat and multiple indices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.errors import ShapeError, TypeMismatchError
from graphad.numpy.arguments import dtype_of, ints, known, operand, recorded, require
from graphad.numpy.dispatch import NAMESPACE, creates, implements
from graphad.numpy.sets import nonzero
from graphad.ops import shape as shapes
from graphad.ops.elementwise import cast
from graphad.trace import Tracer
from graphad.types import INT64, Array, ArrayLike, DTypeLike


@creates(np.indices)
def indices(dimensions: Any, dtype: DTypeLike = int, sparse: bool = False) -> Any:
    found: Any = np.indices(ints(dimensions), dtype, sparse)  # type: ignore[call-overload]
    return tuple(recorded(x) for x in found) if sparse else recorded(found)


@implements(np.ix_)
def ix_(*args: Any) -> tuple[Any, ...]:
    """NumPy's `ix_`; masks must be known while tracing."""
    found = []
    for i, arg in enumerate(args):
        x = operand(arg)
        if x.ndim != 1:
            raise ShapeError(f"ix_: needs vectors, not an array of {x.ndim} axes")
        x = nonzero(x)[0] if x.dtype.kind == "b" else x if x.size else cast(x, INT64)
        found.append(np.reshape(x, (*(1,) * i, x.shape[0], *(1,) * (len(args) - 1 - i))))
    return tuple(found)


@implements(np.diag_indices_from)
def diag_indices_from(arr: ArrayLike) -> tuple[Any, ...]:
    shape = operand(arr).shape
    if len(shape) < 2 or len(set(shape)) != 1:
        raise ShapeError(f"diag_indices_from: needs two axes or more of one extent, not {list(shape)}")
    return np.diag_indices(shape[0], len(shape))


@implements(np.tril_indices_from)
def tril_indices_from(arr: ArrayLike, k: int = 0) -> tuple[Any, ...]:
    rows, columns = _matrix(arr, "tril_indices_from")
    return np.tril_indices(rows, k, columns)


@implements(np.triu_indices_from)
def triu_indices_from(arr: ArrayLike, k: int = 0) -> tuple[Any, ...]:
    rows, columns = _matrix(arr, "triu_indices_from")
    return np.triu_indices(rows, k, columns)


def _matrix(arr: Any, name: str) -> tuple[int, int]:
    shape = operand(arr).shape
    if len(shape) != 2:
        raise ShapeError(f"{name}: needs a matrix, not an array of {len(shape)} axes")
    return shape[0], shape[1]


def _whole(x: Array, name: str) -> Array:
    """Indices in 64 bits. Raises `TypeMismatchError` for what is no integer."""
    if x.dtype.kind not in "iub":
        raise TypeMismatchError(f"{name}: indices must be integers, not {x.dtype}")
    return cast(x, INT64)


@implements(np.unravel_index, laid=None)
def unravel_index(indices: ArrayLike, shape: Any, order: str = "C") -> tuple[Any, ...]:
    """NumPy's `unravel_index`; traced indices are not checked."""
    require("unravel_index", "order", order, "C", "F")
    flat = _whole(operand(indices), "unravel_index")
    extents = ints(shape)
    steps = _steps(extents, order)
    return tuple(flat // step % max(n, 1) for step, n in zip(steps, extents, strict=True))


def _steps(extents: tuple[int, ...], order: str) -> list[int]:
    """How far apart neighbours along each axis stand; 1 at least."""
    n = len(extents)
    parts = [extents[i + 1 :] if order == "C" else extents[:i] for i in range(n)]
    return [max(math.prod(part), 1) for part in parts]


@implements(np.ravel_multi_index)
def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C") -> Array:
    """NumPy's `ravel_multi_index`; traced indices are not checked, except in the modes wrap and clip."""
    require("ravel_multi_index", "order", order, "C", "F")
    extents = ints(dims)
    modes = mode if isinstance(mode, tuple) else (mode,) * len(extents)
    rows = list(multi_index) if isinstance(multi_index, (list, tuple)) else list(operand(multi_index))
    if len(rows) != len(extents) or len(modes) != len(extents):
        raise ShapeError(f"ravel_multi_index: {len(rows)} indices and {len(modes)} modes for {len(extents)} extents")
    total: Any = np.zeros((), INT64)
    for row, n, step, how in zip(rows, extents, _steps(extents, order), modes, strict=True):
        require("ravel_multi_index", "mode", how, "raise", "wrap", "clip")
        index = _whole(operand(row), "ravel_multi_index")
        array = known(index)
        if how == "raise" and array is not None and not ((array >= 0) & (array < n)).all():
            raise ShapeError(f"ravel_multi_index: an index lies outside of 0 ... {n - 1}")
        if how != "raise":
            index = index % n if how == "wrap" else np.clip(index, 0, n - 1)
        total = total + index * step
    return total


# -- objects that index -------------------------------------------------------------------------------------------


class Grid:
    """NumPy's `mgrid` or `ogrid`, whose arrays are traced ones within a trace."""

    def __init__(self, grid: Any) -> None:
        self.grid = grid

    def __getitem__(self, key: Any) -> Any:
        found = self.grid[key]
        return tuple(recorded(x) for x in found) if isinstance(found, tuple) else recorded(found)


class Concatenator:
    """NumPy's `r_` and `c_` of arrays that may be traced; slices mean ranges.

    A string of integers says the axis, the least number of axes and where new ones stand, as NumPy has it.
    """

    def __init__(self, original: Any, axis: int, ndmin: int, first: int) -> None:
        self.original = original
        self.settings = (axis, ndmin, first)

    def __getitem__(self, key: Any) -> Array:
        items = key if isinstance(key, tuple) else (key,)
        axis, ndmin, first = self.settings
        parts = []
        for i, item in enumerate(items):
            if isinstance(item, str) and i == 0:
                if item in ("r", "c"):
                    return self.original[key]
                numbers = [int(n) for n in item.split(",")]
                axis, ndmin, first = (*numbers, *(axis, ndmin, first)[len(numbers) :])
            else:
                x = np.r_[item] if isinstance(item, slice) else item
                bare = isinstance(x, Tracer) or (not isinstance(x, (list, tuple)) and np.ndim(x) == 0)
                parts.append(x if bare else operand(x))
        if not any(isinstance(x, Tracer) for x in parts):
            return recorded(self.original[key])
        dtype = dtype_of(*parts)
        return NAMESPACE[np.concatenate]([_raised(cast(operand(x), dtype), ndmin, first) for x in parts], axis)


def _raised(x: Array, ndmin: int, first: int) -> Array:
    """The array with axes of extent 1 added up to `ndmin`, its own standing from `first` on."""
    missing = ndmin - x.ndim
    if missing <= 0:
        return x
    start = 0 if x.ndim == 0 else min(first if first >= 0 else max(missing + 1 + first, 0), missing)
    return shapes.reshape(x, (1,) * start + x.shape + (1,) * (missing - start))


OBJECTS = {
    "mgrid": Grid(np.mgrid),
    "ogrid": Grid(np.ogrid),
    "r_": Concatenator(np.r_, 0, 1, -1),
    "c_": Concatenator(np.c_, -1, 2, 0),
}
"""What `graphad.numpy` has under these names."""

"""Choice by condition and by index: where, select, clip, take, diagonals and triangles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.arrays import PYTHON_SCALARS
from graphad.errors import ShapeError
from graphad.numpy.arguments import axis_of, concrete, dtype_of, operand, operands, reject, require, static
from graphad.numpy.dispatch import NAMESPACE, implements
from graphad.numpy.indexing import wrapped
from graphad.ops import index as ops
from graphad.ops import shape as shapes
from graphad.ops.elementwise import cast
from graphad.ops.index import Gather
from graphad.ops.select import select as choose_between
from graphad.types import Array, ArrayLike


def scalar_or_operand(x: Any) -> Any:
    """A Python scalar as it is, since it is weak; anything else as an array."""
    return x if type(x) in PYTHON_SCALARS else operand(x)


@implements(np.where, laid=True, beyond=("size", "fill_value"))
def where(condition: Any, x: Any = None, y: Any = None, /, *, size: Any = None, fill_value: Any = None) -> Any:
    """NumPy's `where`: elements of `x` where the condition holds, else of `y`; without them as `nonzero`."""
    if x is None and y is None:
        return NAMESPACE[np.nonzero](condition, size=size, fill_value=fill_value)
    return choose_between(cast(operand(condition), bool), scalar_or_operand(x), scalar_or_operand(y))


@implements(np.select)
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Array:
    if len(condlist) != len(choicelist) or not len(condlist):
        raise ShapeError("select: give as many conditions as choices, at least one")
    choices = [scalar_or_operand(x) for x in choicelist]
    dtype = dtype_of(*choices, scalar_or_operand(default))
    out = cast(operand(default), dtype)
    for condition, choice in zip(reversed(list(condlist)), reversed(choices), strict=True):
        out = where(condition, cast(operand(choice), dtype), out)
    return out


@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Any:
    """NumPy's `piecewise`; each function gets all of `x`, and its results are chosen where its condition holds."""
    x = operand(x)
    if isinstance(condlist, (list, tuple)) and np.ndim(condlist[0]) == x.ndim:
        conditions = operands(condlist)
    elif np.ndim(condlist) > x.ndim:
        conditions = list(operand(condlist))
    else:
        conditions = [operand(condlist)]
    functions = list(funclist)
    if len(functions) not in (len(conditions), len(conditions) + 1):
        raise ShapeError(f"piecewise: {len(conditions)} conditions need as many functions, or one more")
    values = [cast(operand(f(x, *args, **kw) if callable(f) else f), x.dtype) for f in functions]
    out = values.pop() if len(values) > len(conditions) else shapes.zeros(x.shape, x.dtype)
    for condition, value in zip(conditions, values, strict=True):
        out = where(condition, value, out)
    return shapes.broadcast_to(out, x.shape)


@implements(np.clip)
def clip(
    a: ArrayLike,
    a_min: Any = np._NoValue,
    a_max: Any = np._NoValue,
    out: Any = None,
    *,
    min: Any = np._NoValue,
    max: Any = np._NoValue,
    **kwargs: Any,
) -> Array:
    dtype = kwargs.pop("dtype", None)
    if kwargs.get("where") is True:
        kwargs.pop("where")
    reject("clip", **{k: v for k, v in kwargs.items() if k not in ("casting", "order", "subok")})
    low, high = (given if other is np._NoValue else other for given, other in ((a_min, min), (a_max, max)))
    x = operand(a) if dtype is None else cast(operand(a), dtype)
    if x.dtype.kind in "iu":
        # Python integers beyond the dtype bound nothing; on the other side NumPy raises OverflowError.
        limits = np.iinfo(x.dtype)
        low = None if type(low) is int and low <= limits.min else low
        high = None if type(high) is int and high >= limits.max else high
    if low is not None and low is not np._NoValue:
        x = np.maximum(x, scalar_or_operand(low))
    if high is not None and high is not np._NoValue:
        x = np.minimum(x, scalar_or_operand(high))
    return x


@implements(np.choose, method="choose")
def choose(a: ArrayLike, choices: Any, out: Any = None, mode: str = "raise") -> Array:
    """NumPy's `choose`; an index out of range means the first or last choice (mode clip) or wraps (mode wrap)."""
    reject("choose", out=out)
    options = np.broadcast_arrays(operand(a), *operands(choices))
    index, values = options[0], options[1:]
    if mode == "wrap":
        index = index % len(values)
    result = values[0]
    for i, value in enumerate(values[1:], 1):
        result = where(index >= i, value, result)
    return result


# -- by index -----------------------------------------------------------------------------------------------------


@implements(np.take, method="take")
def take(a: Any, indices: Any, axis: int | None = None, out: Any = None, mode: str = "raise") -> Any:
    """NumPy's `take`; traced indices are not checked, except by the executor."""
    reject("take", out=out)
    require("take", "mode", mode, "raise", "wrap", "clip")
    a = operand(a)
    if axis is None:
        a, axis = shapes.reshape(a, (-1,)), 0
    axis = axis_of(a, axis, "take")
    index = concrete(operand(indices))
    n = a.shape[axis]
    if mode != "raise":
        index = index % n if mode == "wrap" else np.clip(index, 0, n - 1)
    index = wrapped(index, a, axis)
    return shapes.moveaxis(Gather((axis,))(a, index), tuple(range(index.ndim)), tuple(range(axis, axis + index.ndim)))


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: ArrayLike, axis: int | None = -1) -> Array:
    arr = operand(arr)
    if axis is None:
        arr, axis = shapes.reshape(arr, (-1,)), 0
    axis = axis_of(arr, axis, "take_along_axis")
    index = wrapped(concrete(operand(indices)), arr, axis)
    others = tuple(1 if i == axis else n for i, n in enumerate(np.broadcast_shapes(
        tuple(1 if i == axis else n for i, n in enumerate(arr.shape)),
        tuple(1 if i == axis else n for i, n in enumerate(index.shape)),
    )))  # fmt: skip
    arr = shapes.broadcast_to(arr, tuple(arr.shape[i] if i == axis else n for i, n in enumerate(others)))
    index = shapes.broadcast_to(index, tuple(index.shape[i] if i == axis else n for i, n in enumerate(others)))
    return ops.take_along_axis(arr, index, axis)


@implements(np.delete, laid=None)
def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    arr = operand(arr)
    if axis is None:
        arr, axis = shapes.reshape(arr, (-1,)), 0
    axis = axis_of(arr, axis, "delete")
    places = obj if isinstance(obj, slice) else static(obj, "delete: obj")
    return take(arr, np.delete(np.arange(arr.shape[axis]), places), axis)


# -- diagonals and triangles --------------------------------------------------------------------------------------


@implements(np.diagonal, method="diagonal")
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    a = operand(a)
    return ops.diagonal(a, axis_of(a, axis1, "diagonal"), axis_of(a, axis2, "diagonal"), offset)


@implements(np.linalg.diagonal)
def linalg_diagonal(x: ArrayLike, /, *, offset: int = 0) -> Array:
    return diagonal(x, offset, -2, -1)


@implements(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    v = operand(v)
    if v.ndim not in (1, 2):
        raise ShapeError(f"diag: needs one axis or two, not {v.ndim}")
    return NAMESPACE[np.diagonal](v, k) if v.ndim == 2 else diagflat(v, k)


@implements(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    """A matrix with the elements of `v` on its `k`-th diagonal: padded by zeros to whole rows, then cut."""
    v = shapes.reshape(operand(v), (-1,))
    m = v.size
    n = m + abs(k)
    if m == 0:
        return shapes.zeros((n, n), v.dtype)
    first = max(k, 0) + max(-k, 0) * n
    spread = shapes.Pad((first,), (n * n - first - (m - 1) * (n + 1) - 1,), (n,))(v)
    return shapes.reshape(spread, (n, n))


@implements(np.trace, method="trace")
def trace(a: ArrayLike, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Array:
    return np.sum(diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype, out=out)


@implements(np.linalg.trace)
def linalg_trace(x: ArrayLike, /, *, offset: int = 0, dtype: Any = None) -> Array:
    return trace(x, offset, -2, -1, dtype)


def _triangle(m: Any, mask: Any) -> Array:
    m = operand(m)
    return where(mask(*(m.shape * 2)[-2:]), m, np.zeros((), m.dtype))


@implements(np.tril)
def tril(m: ArrayLike, k: int = 0) -> Array:
    return _triangle(m, lambda rows, columns: np.tri(rows, columns, k, bool))


@implements(np.triu)
def triu(m: ArrayLike, k: int = 0) -> Array:
    return _triangle(m, lambda rows, columns: ~np.tri(rows, columns, k - 1, bool))


"""Arrays from nothing, from shapes, from ranges and from nested lists."""

from __future__ import annotations

import math
from itertools import islice
from typing import Any

import numpy as np

from graphad.build import describe_location, user_location
from graphad.numpy._register import (
    axis_of,
    creates,
    dtype_of,
    holds_tracer,
    implements,
    ints,
    known,
    operand,
    recorded,
)  # fmt: skip
from graphad.ops import shape as shapes
from graphad.ops.elementwise import cast
from graphad.trace import PYTHON_SCALARS, Tracer


@creates(np.zeros)
def zeros(shape: Any, dtype: Any = float, order: Any = "C", *, device: Any = None) -> Any:
    return shapes.full(ints(shape), 0, np.dtype(dtype or float))


@creates(np.ones)
def ones(shape: Any, dtype: Any = None, order: Any = "C", *, device: Any = None) -> Any:
    return shapes.full(ints(shape), 1, np.dtype(dtype or float))


@creates(np.empty)
def empty(shape: Any, dtype: Any = float, order: Any = "C", *, device: Any = None) -> Any:
    return shapes.full(ints(shape), 0, np.dtype(dtype or float))


@creates(np.full)
def full(shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", *, device: Any = None) -> Any:
    return shapes.full(ints(shape), operand(fill_value), dtype)


def _filled_like(a: Any, fill: Any, dtype: Any, shape: Any) -> Any:
    a = operand(a)
    return shapes.full(a.shape if shape is None else ints(shape), fill, np.dtype(dtype or a.dtype))


@implements(np.zeros_like)
def zeros_like(
    a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Any:
    return _filled_like(a, 0, dtype, shape)


@implements(np.ones_like)
def ones_like(
    a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Any:
    return _filled_like(a, 1, dtype, shape)


@implements(np.empty_like)
def empty_like(
    a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Any:
    return _filled_like(a, 0, dtype, shape)


@implements(np.full_like)
def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    return _filled_like(a, operand(fill_value), dtype, shape)


@creates(np.eye)
def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = float, order: Any = "C", *, device: Any = None) -> Any:
    return recorded(np.eye(N, M, k, dtype))


@creates(np.identity)
def identity(n: int, dtype: Any = None) -> Any:
    return recorded(np.identity(n, dtype))


@creates(np.tri)
def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = float) -> Any:
    return recorded(np.tri(N, M, k, dtype))


@creates(np.arange)
def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None, *, device: Any = None) -> Any:
    """NumPy's `arange`. Its length must be known while tracing; a plain range of integers is counted, not stored."""
    first, last = (0, start) if stop is None else (start, stop)
    step = 1 if step is None else step
    if not holds_tracer((first, last, step)):
        if type(last) is int and first == 0 and step == 1 and np.dtype(dtype or int).kind in "iuf":
            return shapes.iota(max(last, 0), np.dtype(dtype or int))
        return recorded(np.arange(first, last, step, dtype=dtype))
    size = max(0, math.ceil((float(last) - float(first)) / float(step)))
    dtype = np.dtype(dtype) if dtype is not None else dtype_of(first, last, step)
    return cast(first + step * shapes.iota(size), dtype)


@implements(np.linspace)
def _linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """Evenly spaced numbers, exact at both ends: `start (1 - t) + stop t`."""
    start, stop = (x if type(x) in PYTHON_SCALARS else operand(x) for x in (start, stop))
    intervals = num - 1 if endpoint else num
    result_dtype = dtype_of(start, stop, 0.0)
    out_ndim = max(np.ndim(start), np.ndim(stop)) + 1
    t = (np.arange(num) / max(intervals, 1)).astype(result_dtype).reshape(-1, *(1,) * (out_ndim - 1))
    out = cast(start * (1 - t) + stop * t, result_dtype)
    if dtype is not None:
        target = np.dtype(dtype)
        out = cast(np.floor(out) if target.kind in "iu" else out, target)
    out = shapes.moveaxis(out, 0, axis_of(out, axis, "linspace"))
    return (out, (stop - start) / intervals if intervals else math.nan) if retstep else out


@creates(np.linspace)
def linspace(*args: Any, **kwargs: Any) -> Any:
    if holds_tracer(args) or holds_tracer(kwargs.values()):
        return _linspace(*args, **kwargs)
    found = np.linspace(*args, **kwargs)
    return (recorded(found[0]), found[1]) if isinstance(found, tuple) else recorded(found)


@implements(np.logspace)
def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    out = np.power(base, _linspace(start, stop, num, endpoint, axis=axis))
    return out if dtype is None else cast(out, dtype)


@implements(np.geomspace)
def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """Numbers in geometric progression from `start` to `stop`, which must be real and of one sign."""
    sign = np.sign(start)
    out = np.exp(_linspace(np.log(start * sign), np.log(stop * sign), num, endpoint, axis=axis)) * sign
    return out if dtype is None else cast(out, dtype)


@implements(np.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    x = operand(x)
    size = x.shape[0] if N is None else N
    columns = [np.ones_like(x, dtype=np.promote_types(x.dtype, int))]
    for _ in range(size - 1):
        columns.append(columns[-1] * x)
    columns = columns[:size]
    return shapes.stack(columns if increasing else columns[::-1], axis=1)


# -- from data ----------------------------------------------------------------------------------------------------


def _array(a: Any, dtype: Any, copy: Any = None) -> Any:
    """An array of what is given; one of its own for `copy=True`. Raises `ValueError` where `copy=False` needs one."""
    given, a = a, operand(a)
    if not isinstance(a, Tracer):
        return recorded(np.array(a if copy is not False else np.asarray(given, dtype, copy=False), dtype))
    found = a if dtype is None else cast(a, dtype)
    if copy is False and found is not given:
        raise ValueError(
            f"asarray: copy=False of {'a list' if a is not given else a.type}, which becomes a new "
            f"{found.type}{describe_location(user_location())}; leave copy out"
        )
    # A weak scalar that is made an array has a dtype of its own from then on.
    return Tracer(a.builder, a.value) if found is a and (copy or a.weak) else found


@creates(np.array)
def array(
    object: Any,
    dtype: Any = None,
    *,
    copy: Any = True,
    order: Any = "K",
    subok: bool = False,
    ndmin: int = 0,
    ndmax: int = 0,
) -> Any:
    """NumPy's `array`; nested lists may contain traced values, which are stacked."""
    out = _array(object, dtype, copy)
    return shapes.reshape(out, (1,) * (ndmin - out.ndim) + out.shape) if ndmin > out.ndim else out


@creates(np.asarray)
def asarray(a: Any, dtype: Any = None, order: Any = None, *, device: Any = None, copy: Any = None) -> Any:
    """NumPy's `asarray`; nested lists may contain traced values, which are stacked."""
    return _array(a, dtype, copy)


@creates(np.asanyarray)
def asanyarray(a: Any, dtype: Any = None, order: Any = None, *, device: Any = None, copy: Any = None) -> Any:
    return _array(a, dtype, copy)


@creates(np.ascontiguousarray)
def ascontiguousarray(a: Any, dtype: Any = None) -> Any:
    out = _array(a, dtype)
    return shapes.reshape(out, (1,)) if out.ndim == 0 else out


@creates(np.asfortranarray)
def asfortranarray(a: Any, dtype: Any = None) -> Any:
    """The array itself: traced arrays have no layout in memory."""
    return ascontiguousarray(a, dtype) if np.ndim(a) else _array(a, dtype)


@creates(np.from_dlpack)
def from_dlpack(x: Any, /, *, device: Any = None, copy: Any = None) -> Any:
    """NumPy's `from_dlpack`; a traced array is one already."""
    return _array(x if isinstance(x, Tracer) else np.from_dlpack(x), None, copy)


@implements(np.asarray_chkfinite)
def asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> Any:
    """NumPy's `asarray_chkfinite`; values that are not known while tracing are not checked."""
    array = known(operand(a))
    if array is not None:
        np.asarray_chkfinite(array)
    return _array(a, dtype)


@implements(np.require)
def require(a: Any, dtype: Any = None, requirements: Any = None, *, like: Any = None) -> Any:
    """The array in the dtype; what is required of its layout in memory holds for traced arrays."""
    return _array(a, dtype)


@creates(np.fromiter)
def fromiter(iter: Any, dtype: Any, count: int = -1) -> Any:
    return _array(list(iter if count < 0 else islice(iter, count)), dtype)


@implements(np.copy)
def copy(a: Any, order: Any = "K", subok: bool = False) -> Any:
    a = operand(a)
    return Tracer(a.builder, a.value, a.weak) if isinstance(a, Tracer) else a.copy()


@implements(np.astype)
def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    found = cast(operand(x), dtype)
    return Tracer(found.builder, found.value) if copy and found is x else found


@creates(np.fromfunction)
def fromfunction(function: Any, shape: Any, *, dtype: Any = float, **kwargs: Any) -> Any:
    return function(*[recorded(x) for x in np.indices(ints(shape), dtype=dtype)], **kwargs)


@implements(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    grids = []
    n = len(xi)
    for i, x in enumerate(xi):
        place = 1 - i if indexing == "xy" and i < 2 <= n else i
        grids.append(shapes.reshape(operand(x), tuple(-1 if j == place else 1 for j in range(n))))
    if sparse:
        return tuple(grids)
    shape = np.broadcast_shapes(*[g.shape for g in grids])
    return tuple(shapes.broadcast_to(g, shape) for g in grids)

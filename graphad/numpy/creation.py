"""Arrays from nothing, from shapes, from ranges and from nested lists."""

from __future__ import annotations

import math
import warnings
from functools import wraps
from itertools import islice
from typing import Any

import numpy as np

from graphad.arrays import PYTHON_SCALARS
from graphad.build import current_builder
from graphad.graph import Constant
from graphad.location import place
from graphad.numpy.arguments import axis_of, deciding, dtype_of, holds_tracer, ints, known, operand, recorded, stored
from graphad.numpy.dispatch import NAMESPACE, creates, implements
from graphad.numpy.layouts import asked, laid
from graphad.numpy.views import View, doubt, origin_of, own, shadows_of
from graphad.ops import shape as shapes
from graphad.ops.elementwise import Cast, cast
from graphad.ops.select import select
from graphad.trace import Tracer
from graphad.types import Array, ArrayLike, DTypeLike


@creates(np.zeros)
def zeros(shape: Any, dtype: DTypeLike = float, order: Any = "C", *, device: Any = None) -> Array:
    return _ordered(shapes.full(ints(shape), 0, np.dtype(dtype or float)), order)


@creates(np.ones)
def ones(shape: Any, dtype: Any = None, order: Any = "C", *, device: Any = None) -> Array:
    return _ordered(shapes.full(ints(shape), 1, np.dtype(dtype or float)), order)


@creates(np.empty)
def empty(shape: Any, dtype: Any = float, order: Any = "C", *, device: Any = None) -> Any:
    return _ordered(shapes.full(ints(shape), 0, np.dtype(dtype or float)), order)


@creates(np.full)
def full(shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", *, device: Any = None) -> Array:
    return _ordered(shapes.full(ints(shape), _filling(fill_value, dtype), dtype), order)


def _ordered(found: Any, order: Any, like: Any = None) -> Any:
    """A new array in an order that is asked for, as another one lies where the order leaves that open."""
    if isinstance(found, Tracer):
        found.boxed = not found.shape
        return laid(found, asked(found if like is None else like, order, found.shape))
    return found


def _filling(x: Any, dtype: Any) -> Any:
    return operand(x) if dtype is None else stored(x, np.dtype(dtype))


def _filled_like(a: Any, fill: ArrayLike, dtype: Any, shape: Any, order: Any) -> Array:
    a = operand(a)
    found = shapes.full(a.shape if shape is None else ints(shape), fill, np.dtype(dtype or a.dtype))
    return _ordered(found, order, a)


@implements(np.zeros_like, laid=True)
def zeros_like(
    a: ArrayLike, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Array:
    return _filled_like(a, 0, dtype, shape, order)


@implements(np.ones_like, laid=True)
def ones_like(
    a: ArrayLike,
    dtype: DTypeLike | None = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Array:
    return _filled_like(a, 1, dtype, shape, order)


@implements(np.empty_like, laid=True)
def empty_like(
    a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Any:
    return _filled_like(a, 0, dtype, shape, order)


@implements(np.full_like, laid=True)
def full_like(
    a: ArrayLike,
    fill_value: ArrayLike,
    dtype: DTypeLike | None = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Array:
    return _filled_like(a, _filling(fill_value, dtype or dtype_of(operand(a))), dtype, shape, order)


@creates(np.eye)
def eye(
    N: int, M: int | None = None, k: int = 0, dtype: DTypeLike = float, order: Any = "C", *, device: Any = None
) -> Array:
    return recorded(np.eye(N, M, k, dtype))


@creates(np.identity)
def identity(n: int, dtype: Any = None) -> Any:
    return recorded(np.identity(n, dtype))


@creates(np.tri)
def tri(N: Any, M: Any = None, k: Any = 0, dtype: Any = float) -> Any:
    N, M, k = (x if x is None else deciding(x, "tri: a number of rows or columns").item() for x in (N, M, k))
    return recorded(np.tri(N, M, k, dtype))


@implements(np.diag_indices)
def diag_indices(n: Any, ndim: int = 2) -> Any:
    return np.diag_indices(deciding(n, "diag_indices: n").item(), ndim)


@creates(np.arange)
def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None, *, device: Any = None) -> Any:
    """NumPy's `arange`. Its length must be known while tracing; a plain range of integers is counted, not stored."""
    first, last = (0, start) if stop is None else (start, stop)
    step = 1 if step is None else step
    if not holds_tracer((first, last, step)):
        if type(last) is int and first == 0 and step == 1 and np.dtype(dtype or int).kind in "iuf":
            return shapes.iota(max(last, 0), np.dtype(dtype or int))
        return recorded(np.arange(first, last, step, dtype=dtype))
    ends = [deciding(x, "arange: what decides the length").item() for x in (first, last, step)]
    size = max(0, math.ceil((ends[1] - ends[0]) / ends[2]))
    dtype = np.dtype(dtype) if dtype is not None else dtype_of(first, last, step)
    return cast(first + step * shapes.iota(size), dtype)


def _along(x: Array, axis: int) -> Array:
    """An array with its first axis moved, which goes on being the slowest one."""
    return laid(shapes.moveaxis(x, 0, axis), (axis, *[i for i in range(x.ndim) if i != axis]) if axis else None)


@implements(np.linspace, laid=True)
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
    """Evenly spaced numbers, as NumPy sums them; the last is `stop` itself."""
    start, stop = (x if type(x) in PYTHON_SCALARS else operand(x) for x in (start, stop))
    intervals = num - 1 if endpoint else num
    result_dtype = dtype_of(start, stop, 0.0)
    out_ndim = max(np.ndim(start), np.ndim(stop)) + 1
    start, stop = (cast(operand(x), result_dtype) for x in (start, stop))
    i = np.arange(num).reshape(-1, *(1,) * (out_ndim - 1))
    out = i.astype(result_dtype) * ((stop - start) / max(intervals, 1)) + start
    if endpoint and num > 1:
        out = select(i == num - 1, stop, out)
    if dtype is not None:
        target = np.dtype(dtype)
        out = cast(np.floor(out) if target.kind in "iu" else out, target)
    out = _along(out, axis_of(out, axis, "linspace"))
    return (out, (stop - start) / intervals if intervals else math.nan) if retstep else out


@creates(np.linspace)
@wraps(_linspace, assigned=("__doc__",))
def linspace(*args: Any, **kwargs: Any) -> Any:
    if holds_tracer(args) or holds_tracer(kwargs.values()):
        return _linspace(*args, **kwargs)
    found = np.linspace(*args, **kwargs)
    return (recorded(found[0]), found[1]) if isinstance(found, tuple) else recorded(found)


@implements(np.logspace, laid=True)
def logspace(
    start: ArrayLike,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Array:
    out = np.power(base, _linspace(start, stop, num, endpoint, axis=axis))
    return out if dtype is None else cast(out, dtype)


@implements(np.geomspace, laid=True)
def geomspace(
    start: ArrayLike, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Array:
    """Numbers in geometric progression from `start` to `stop`, which are of one sign or complex."""
    wide = np.result_type(dtype_of(operand(start), operand(stop), 0.0), np.float64 if dtype is None else dtype)
    start, stop = (cast(operand(x), wide) for x in (start, stop))
    sign = np.sign(start)
    start, stop = start / sign, stop / sign
    out = np.power(10.0, _linspace(np.log10(start), np.log10(stop), num, endpoint))
    i = np.arange(num).reshape(-1, *(1,) * (out.ndim - 1))
    out = select(i == 0, start, out)
    out = (select(i == num - 1, stop, out) if endpoint and num > 1 else out) * sign
    out = _along(out, axis_of(out, axis, "geomspace"))
    return out if dtype is None else converted(out, dtype)


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


def converted(x: Any, dtype: Any) -> Any:
    """An array in a dtype that is asked for; for real ones the real parts of complex numbers, with NumPy's warning."""
    dtype = np.dtype(dtype)
    if x.dtype.kind != "c" or dtype.kind in "cb":
        return cast(x, dtype)
    warnings.warn(
        f"casting complex values to real discards the imaginary part{place()}",
        np.exceptions.ComplexWarning,
        stacklevel=2,
    )
    return Cast(dtype)(x)


def _array(a: Any, dtype: Any, copy: Any = None, order: Any = None) -> Any:
    """An array of what is given; one of its own for `copy=True`. Raises `ValueError` where `copy=False` needs one."""
    if not holds_tracer([a]):
        array = np.asarray(a, dtype, order, copy=False) if copy is False else np.array(a, dtype, order=order)
        # Text, dates and objects stay NumPy's: no traced value can come of them.
        return _ordered(recorded(array), "K", array) if array.dtype.kind in "biufc" else array
    given, a = a, operand(a)
    found = a if dtype is None else converted(a, dtype)
    # A weak scalar that is made an array has a dtype of its own from then on, and a number memory of its own.
    own = found is not given or bool(copy) or a.weak or not (a.shape or a.boxed)
    if own or order not in ("C", "F"):
        fits = [True]
    else:
        fits = [x.flags[f"{order}_CONTIGUOUS"] for x in shadows_of(found)]
    if copy is False and (found is not given or not all(fits)):
        raise ValueError(
            f"asarray: copy=False of {'a list' if a is not given else a.type}, which becomes a new "
            f"{found.type}{place()}; leave copy out"
        )
    if not own and all(fits):
        return found
    made = _ordered(anew(found), order or "K", found)
    if not own and any(fits):
        doubt(made, origin_of(found))
    return made


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
    out = _array(object, dtype, copy, order)
    return NAMESPACE[np.reshape](out, (1,) * (ndmin - out.ndim) + out.shape) if ndmin > out.ndim else out


@creates(np.asarray)
def asarray(a: Any, dtype: Any = None, order: Any = None, *, device: Any = None, copy: Any = None) -> Any:
    """NumPy's `asarray`; nested lists may contain traced values, which are stacked."""
    return _array(a, dtype, copy, order)


@creates(np.asanyarray)
def asanyarray(a: Any, dtype: Any = None, order: Any = None, *, device: Any = None, copy: Any = None) -> Any:
    return _array(a, dtype, copy, order)


@creates(np.ascontiguousarray)
def ascontiguousarray(a: Any, dtype: Any = None) -> Any:
    out = _array(a, dtype, order="C")
    return NAMESPACE[np.reshape](out, (1,)) if out.ndim == 0 else out


@creates(np.asfortranarray)
def asfortranarray(a: Any, dtype: Any = None) -> Any:
    out = _array(a, dtype, order="F")
    return NAMESPACE[np.reshape](out, (1,)) if out.ndim == 0 else out


@creates(np.from_dlpack)
def from_dlpack(x: Any, /, *, device: Any = None, copy: Any = None) -> Any:
    """NumPy's `from_dlpack`; a traced array is one already."""
    return _array(x if isinstance(x, Tracer) else np.from_dlpack(x), None, copy)


@implements(np.asarray_chkfinite, laid=True)
def asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> Any:
    """NumPy's `asarray_chkfinite`; values that are not known while tracing are not checked."""
    array = known(operand(a))
    if array is not None:
        np.asarray_chkfinite(array)
    return _array(a, dtype, order=order)


@implements(np.require, laid=True)
def require(a: Any, dtype: Any = None, requirements: Any = None, *, like: Any = None) -> Any:
    """NumPy's `require`: a copy where the array is not laid out as required, or has not the memory of its own."""
    wanted = {x[0].upper() for x in (requirements or ())}
    found = _array(a, dtype, order=next((order for order in ("C", "F") if order in wanted), None))
    if found is not a or not isinstance(a, Tracer) or not wanted & {"O", "W"}:
        return found
    made = copied(found)
    if not isinstance(found, View):
        doubt(made, found)  # whether NumPy's array has memory of its own is not known
    return made


@creates(np.fromiter)
def fromiter(iter: Any, dtype: DTypeLike, count: int = -1) -> Array:
    return _array(list(iter if count < 0 else islice(iter, count)), dtype)


@implements(np.copy, laid=True)
def copy(a: Any, order: Any = "K", subok: bool = False) -> Array:
    return copied(operand(a), order)


def copied(a: Any, order: Any = "K") -> Any:
    """An array of its own with these elements; a number is a number still."""
    if not isinstance(a, Tracer):
        return a.copy(order)
    found = anew(a)
    found.weak, found.boxed = a.weak, a.boxed
    return laid(found, asked(a, order))


def anew(x: Tracer) -> Tracer:
    """An array with these elements that the running piece of a function has made: another one in each iteration."""
    builder, current = x.builder, current_builder()
    if current is None or current is builder or builder.closed or not builder.encloses(current):
        return own(x)
    value = x.value
    return Tracer(current, value if isinstance(value, Constant) else current.capture(builder, value))


@implements(np.astype, laid=True)
def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    found = converted(operand(x), dtype)
    return copied(found) if copy and found is x else found


@creates(np.fromfunction)
def fromfunction(function: Any, shape: Any, *, dtype: Any = float, **kwargs: Any) -> Any:
    return function(*[recorded(x) for x in np.indices(ints(shape), dtype=dtype)], **kwargs)


@implements(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    grids = []
    n = len(xi)
    for i, x in enumerate(xi):
        place = 1 - i if indexing == "xy" and i < 2 <= n else i
        grids.append(NAMESPACE[np.reshape](operand(x), tuple(-1 if j == place else 1 for j in range(n))))
    if not sparse:
        grids = list(NAMESPACE[np.broadcast_arrays](*grids))
    return tuple([copied(g, "C") for g in grids]) if copy else tuple(grids)

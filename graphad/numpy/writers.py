"""Methods and functions of NumPy's that write to an array: `x.sort()`, `copyto`, `put`, `place` and their kin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.errors import ShapeError, TracerError, TypeMismatchError
from graphad.location import place as here
from graphad.numpy import misc, moving_functions, sharing, sorting, updates  # noqa: F401  (wrapped below)
from graphad.numpy.arguments import axis_of, operand, recorded, stored
from graphad.numpy.buffers import writable
from graphad.numpy.dispatch import NAMESPACE, tracer_method
from graphad.numpy.updates import At
from graphad.numpy.views import assign, own
from graphad.ops.shape import reshape
from graphad.trace import FUNCTIONS, Tracer, innermost
from graphad.types import Array


@tracer_method("fill")
def _fill(x: Any, value: Any) -> None:
    assign(x, value, "fill")


@tracer_method("sort")
def _sort(x: Any, axis: int = -1, kind: Any = None, order: Any = None) -> None:
    assign(x, np.sort(own(x), axis=axis, kind=kind, order=order), "sort")


@tracer_method("partition")
def _partition(x: Any, kth: Any, axis: int = -1, kind: str = "introselect", order: Any = None) -> None:
    assign(x, NAMESPACE[np.partition](own(x), kth, axis=axis, kind=kind, order=order), "partition")


@tracer_method("put")
def _put_method(x: Any, indices: Any, values: Any, mode: str = "raise") -> None:
    put(x, indices, values, mode)


WRITERS: set[Any] = set()
"""NumPy's functions that write to their first argument."""


def _writes(function: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make the decorated function the meaning of a NumPy function that writes to its first argument."""

    def register(handler: Callable[..., Any]) -> Callable[..., Any]:
        def write(target: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(target, Tracer):
                return handler(target, *args, **kwargs)
            target = writable(target, (*args, *kwargs.values()))
            if isinstance(target, Tracer):
                return handler(target, *args, **kwargs)
            if innermost([*args, *kwargs.values()]) is None:
                return function(target, *args, **kwargs)
            raise TracerError(
                f"{function.__name__}: a traced value cannot be written into a NumPy array"
                f"{here()}; make the array with graphad.numpy, or from a traced one "
                "(numpy.zeros_like(x)), or copy it in the traced function (numpy.array(x))"
            )

        write.__name__, write.__doc__ = handler.__name__, handler.__doc__
        FUNCTIONS[function] = NAMESPACE[function] = write
        WRITERS.add(function)
        return write

    return register


def _nan_to_num(handler: Callable[..., Any]) -> Callable[..., Any]:
    def nan_to_num(x: Array, copy: bool = True, *args: Any, **kwargs: Any) -> Array:
        found = handler(x, True, *args, **kwargs)
        if copy or not isinstance(x, Tracer) or not (x.shape or x.boxed):
            return found
        assign(x, found, "nan_to_num")
        return x

    nan_to_num.__doc__ = handler.__doc__
    return nan_to_num


FUNCTIONS[np.nan_to_num] = _nan_to_num(FUNCTIONS[np.nan_to_num])
NAMESPACE[np.nan_to_num] = _nan_to_num(NAMESPACE[np.nan_to_num])


@_writes(np.copyto)
def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """Copy values into an array, broadcast, where a mask holds."""
    weak = type(src) is int and dst.dtype.kind in "iufc"
    src = stored(src, dst.dtype)
    if not weak and not np.can_cast(src.dtype, dst.dtype, casting):  # type: ignore[arg-type]
        raise TypeMismatchError(f"copyto: {src.dtype} cannot be cast to {dst.dtype} by the rule {casting!r}")
    assign(dst, src if where is True else np.where(where, src, own(dst)), "copyto")


@_writes(np.put)
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """Replace the elements at flat indices, the values repeated as often as needed."""
    places = np.asarray(ind).reshape(-1) if not isinstance(ind, Tracer) else reshape(ind, (-1,))
    if mode != "raise":
        places = np.mod(places, a.size) if mode == "wrap" else np.clip(places, 0, a.size - 1)
    values = reshape(stored(v, a.dtype), (-1,))
    if values.size != places.size:
        values = values[np.arange(places.size) % values.size]
    assign(a, reshape(At(reshape(own(a), (-1,)))[places].set(values), a.shape), "put")


@_writes(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: int | None) -> None:
    """Replace along an axis the elements that `take_along_axis` would give; of the raveled array if it is None."""
    if axis is None:
        put(arr, indices, values)
        return
    axis = axis_of(arr, axis, "put_along_axis")
    indices = operand(indices)
    if indices.ndim != arr.ndim or indices.dtype.kind not in "iu":
        raise ShapeError(
            f"put_along_axis: indices {indices.dtype}{list(indices.shape)} must be integers with as many axes as the "
            f"array of shape {list(arr.shape)}{here()}"
        )
    rest = tuple(n if i == axis else m for i, (m, n) in enumerate(zip(arr.shape, indices.shape, strict=True)))
    places = list(np.ogrid[tuple(slice(n) for n in rest)])
    places[axis] = indices
    assign(arr, At(own(arr))[tuple(places)].set(values), "put_along_axis")


@_writes(np.putmask)
def putmask(a: Any, mask: Any, values: Any) -> None:
    """Replace the elements where a mask holds by the values at the same flat positions, repeated."""
    values = reshape(stored(values, a.dtype), (-1,))
    repeated = reshape(values[np.arange(a.size) % values.size], a.shape)
    assign(a, np.where(mask, repeated, own(a)), "putmask")


@_writes(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    """Replace the elements where a mask holds by the next of the values, repeated."""
    mask = operand(mask)
    values = recorded(reshape(stored(vals, arr.dtype), (-1,)))
    order = np.cumsum(reshape(mask, (-1,)).astype(int)) - 1
    chosen = reshape(values[np.clip(order, 0, None) % values.size], arr.shape)
    assign(arr, np.where(reshape(mask, arr.shape), chosen, own(arr)), "place")


@_writes(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """Set the main diagonal."""
    places = np.arange(a.size).reshape(a.shape)
    mask = np.zeros(a.shape, bool)
    np.fill_diagonal(mask, True, wrap)
    flat = places[mask]
    values = reshape(stored(val, a.dtype), (-1,))
    values = values[np.arange(flat.size) % values.size]
    assign(a, reshape(At(reshape(own(a), (-1,)))[flat].set(values), a.shape), "fill_diagonal")

"""Which of NumPy's functions and methods give views of traced arrays, and which give copies."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError, TypeMismatchError
from graphad.location import place
from graphad.numpy import manipulation, misc, padding, products, selecting  # noqa: F401  (wrapped below)
from graphad.numpy.arguments import operand
from graphad.numpy.buffers import Buffer
from graphad.numpy.creation import anew
from graphad.numpy.dispatch import NAMESPACE, implements, tracer_method
from graphad.numpy.inverse import Back
from graphad.numpy.layouts import UNKNOWN, laid, outline_of
from graphad.numpy.manipulation import in_memory, read_in
from graphad.numpy.views import View, assign, own, read_only, repeated, view
from graphad.ops.complex import from_parts
from graphad.ops.shape import reshape
from graphad.trace import FUNCTIONS, Tracer
from graphad.types import Array

VIEWS: tuple[Any, ...] = (
    np.transpose, np.swapaxes, np.moveaxis, np.rollaxis, np.squeeze, np.expand_dims,
    np.permute_dims, np.matrix_transpose, np.linalg.matrix_transpose,
    np.atleast_1d, np.atleast_2d, np.atleast_3d, np.flip, np.fliplr, np.flipud, np.rot90,
)  # fmt: skip
"""NumPy's functions whose result may be a view of their first argument."""


def _views(function: Any, handler: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(handler)
    def viewed(x: Array, *args: Any, **kwargs: Any) -> Any:
        found = handler(x, *args, **kwargs)
        if isinstance(found, tuple):  # of several arrays
            return tuple([viewed(y, **kwargs) for y in (x, *args)])
        if not isinstance(x, Tracer) or not isinstance(found, Tracer):
            return found
        return view(found, x, lambda base: function(base, *args, **kwargs))

    return viewed


for _function in VIEWS:
    FUNCTIONS[_function] = _views(_function, FUNCTIONS[_function])
    NAMESPACE[_function] = _views(_function, NAMESPACE[_function])


def _by_order(function: Any, handler: Callable[..., Any]) -> Callable[..., Any]:
    """One of NumPy's functions that read the elements in an order, which may depend on the layout."""

    @wraps(handler)
    def viewed(x: Array, *args: Any, **kwargs: Any) -> Array:
        found = handler(x, *args, **kwargs)
        if not isinstance(x, Tracer) or not isinstance(found, Tracer):
            return found
        order = kwargs.get("order") or next((a for a in args if isinstance(a, str)), "C")
        numpys = lambda base: function(base, *args, **kwargs)
        if order == "K":
            forth = lambda base: np.reshape(in_memory(x, "ravel", base), (-1,))
        else:
            given: Any = read_in(x, order, function.__name__)
            forth = lambda base: np.reshape(base, found.shape, given)
        return view(found, x, forth, like=numpys)

    return viewed


for _function in (np.reshape, np.ravel):
    FUNCTIONS[_function] = _by_order(_function, FUNCTIONS[_function])
    NAMESPACE[_function] = _by_order(_function, NAMESPACE[_function])


def _real(handler: Callable[..., Any]) -> Callable[..., Any]:
    def real(val: Any) -> Any:
        found = handler(val)
        if not isinstance(val, Tracer):
            return found
        if val.dtype.kind != "c":
            return val
        return view(found, val, np.real, lambda base, new: from_parts(new, np.imag(base)))

    real.__doc__ = handler.__doc__
    return real


def _imag(handler: Callable[..., Any]) -> Callable[..., Any]:
    def imag(val: Array) -> Array:
        found = handler(val)
        if not isinstance(val, Tracer):
            return found
        # The imaginary part of real numbers is an array of zeros that cannot be written to.
        back = (lambda base, new: from_parts(np.real(base), new)) if val.dtype.kind == "c" else read_only
        return View(found, val, np.imag, back, np.imag(outline_of(val))) if found.shape else found

    imag.__doc__ = handler.__doc__
    return imag


def _einsum(handler: Callable[..., Any]) -> Callable[..., Any]:
    def einsum(*operands: Any, **kwargs: Any) -> Any:
        found = handler(*operands, **kwargs)
        by_text = isinstance(operands[0], str)
        if len(operands) > 3 - by_text or not isinstance(found, Tracer) or kwargs.keys() - {"optimize"}:
            return found
        x = operands[by_text]
        numpys: Any = lambda base: np.einsum(*[base if y is x else y for y in operands])
        shared = isinstance(x, Tracer) and found.size and view(found, x, numpys)
        return found if not isinstance(x, Tracer) else shared

    einsum.__doc__ = handler.__doc__
    return einsum


for _function, _wrap in ((np.real, _real), (np.imag, _imag), (np.einsum, _einsum)):
    FUNCTIONS[_function] = _wrap(FUNCTIONS[_function])
    NAMESPACE[_function] = _wrap(NAMESPACE[_function])


def _read_only(x: Array, found: Any, function: Callable[[Any], Any]) -> Array:
    """A view that cannot be written to."""
    if not isinstance(x, Tracer) or not isinstance(found, Tracer) or not found.shape:
        return found
    outline = outline_of(x)
    shadow = function(outline)
    return View(found, x, function, read_only, shadow) if np.may_share_memory(shadow, outline) else found


def _seen_only(function: Any, handler: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(handler)
    def viewed(x: Array, *args: Any, **kwargs: Any) -> Array:
        return _read_only(x, handler(x, *args, **kwargs), lambda base: function(base, *args, **kwargs))

    return viewed


_SEEN: tuple[Any, ...] = (np.broadcast_to, np.diagonal, np.linalg.diagonal, np.diag)
for _function in _SEEN:
    FUNCTIONS[_function] = _seen_only(_function, FUNCTIONS[_function])
    NAMESPACE[_function] = _seen_only(_function, NAMESPACE[_function])


def _broadcast(handler: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(handler)
    def broadcast_arrays(*args: Any, **kwargs: Any) -> Any:
        given, found = [x if isinstance(x, Buffer) else operand(x) for x in args], handler(*args, **kwargs)
        if all([x.shape == y.shape for x, y in zip(given, found, strict=True)]):
            return tuple(given)
        return tuple([_spread(y, x) if isinstance(x, Tracer) else y for x, y in zip(given, found, strict=True)])

    return broadcast_arrays


def _spread(found: Any, x: Any) -> Any:
    shape = found.shape
    forth = lambda base: np.broadcast_to(base, shape)
    return view(own(found), x, forth, repeated if found.size > x.size else None)


FUNCTIONS[np.broadcast_arrays] = _broadcast(FUNCTIONS[np.broadcast_arrays])
NAMESPACE[np.broadcast_arrays] = _broadcast(NAMESPACE[np.broadcast_arrays])


@implements(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    """NumPy's `sliding_window_view`, whose elements stand in several places and cannot be written to."""
    windows: Any = lambda base: np.lib.stride_tricks.sliding_window_view(base, window_shape, axis)
    places = windows(np.arange(x.size).reshape(x.shape))
    forth: Any = lambda base: reshape(base, (-1,))[places] if isinstance(base, Tracer) else windows(base)
    return View(forth(own(x)), x, forth, repeated if writeable else read_only, windows(outline_of(x)))


def _copying(handler: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(handler)
    def copying(x: Array, *args: Any, **kwargs: Any) -> Array:
        found = handler(x, *args, **kwargs)
        return laid(anew(x), x.layout and UNKNOWN) if found is x and isinstance(x, Tracer) else found

    return copying


_COPIES: tuple[Any, ...] = (
    np.roll, np.pad, np.repeat, np.tile, np.clip, np.delete, np.resize, np.trim_zeros, np.append,
)  # fmt: skip
for _function in _COPIES:
    if _function in FUNCTIONS:
        FUNCTIONS[_function] = _copying(FUNCTIONS[_function])
        NAMESPACE[_function] = _copying(NAMESPACE[_function])


def _flat(x: Any) -> Any:
    """The elements row by row, as a view of one axis."""
    shape = x.shape
    forth = lambda base: reshape(base, (-1,)) if isinstance(base, Tracer) else base.reshape(-1)
    return View(reshape(own(x), (-1,)), x, forth, lambda base, new: reshape(new, shape), np.empty(x.size, bool))


def _set_flat(x: Any, values: Any) -> None:
    values = reshape(operand(values), (-1,))
    assign(x, reshape(values[np.arange(x.size) % values.size], x.shape), "flat")


def _set_part(name: str, combine: Back) -> property:
    getter = lambda x: NAMESPACE[getattr(np, name)](x)

    def setter(x: Any, value: Any) -> None:
        if x.dtype.kind != "c" and name == "imag":
            raise TypeMismatchError(f"imag: {x.type} has no imaginary part to set{place()}")
        assign(x, combine(own(x), operand(value)) if x.dtype.kind == "c" else value, f".{name} =")

    return property(getter, setter)


@tracer_method("reshape")
def _reshape(x: Array, *shape: Any, order: str = "C", copy: Any = None) -> Array:
    return NAMESPACE[np.reshape](x, shape[0] if len(shape) == 1 else shape, order, copy=copy)


@tracer_method("view")
def _view(x: Any, dtype: Any = None, type: Any = None) -> Any:
    """NumPy's `view` of the same dtype. Raises `MissingRuleError` for another one: traced arrays have no bytes."""
    if dtype is np.ndarray:
        dtype = None
    if type not in (None, np.ndarray) or (dtype is not None and np.dtype(dtype) != x.dtype):
        raise MissingRuleError(f"view: the bytes of {x.type} as {dtype or type}; cast with astype, or take its parts")
    return view(own(x), x, lambda base: np.transpose(base, range(base.ndim)))


@tracer_method("transpose")
def _transpose(x: Array, *axes: Any) -> Array:
    given = axes[0] if len(axes) == 1 and (axes[0] is None or np.iterable(axes[0])) else axes or None
    return NAMESPACE[np.transpose](x, given)


def _bind() -> None:
    for name, function in {"ravel": np.ravel, "swapaxes": np.swapaxes, "squeeze": np.squeeze}.items():
        setattr(Tracer, name, FUNCTIONS[function])
    Tracer.T = property(lambda x: NAMESPACE[np.transpose](x))  # type: ignore[attr-defined]
    Tracer.mT = property(lambda x: NAMESPACE[np.matrix_transpose](x))  # type: ignore[attr-defined]
    Tracer.real = _set_part("real", lambda base, new: from_parts(new, np.imag(base)))  # type: ignore[attr-defined]
    Tracer.flat = property(_flat, _set_flat)  # type: ignore[attr-defined]
    Tracer.diagonal = FUNCTIONS[np.diagonal]  # type: ignore[attr-defined]
    Tracer.imag = _set_part("imag", lambda base, new: from_parts(np.real(base), new))  # type: ignore[attr-defined]


_bind()

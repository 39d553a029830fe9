"""`x.shape = shape` and `x.resize(shape)`: an array that gets another shape in its place, however it is reached."""

from __future__ import annotations

import gc
import math
from typing import Any

import numpy as np

from graphad.build import current_builder
from graphad.errors import TracerError
from graphad.location import place
from graphad.numpy.buffers import Buffer, BufferTracer, BufferView, hide, lay_out, plain, writable
from graphad.numpy.dispatch import tracer_method
from graphad.numpy.inverse import Forth
from graphad.numpy.layouts import UNKNOWN
from graphad.numpy.views import Joined, View, may_be_others, own, write
from graphad.ops.shape import concatenate, reshape
from graphad.trace import Tracer, type_of
from graphad.types import Array

_NDARRAY: Any = np.ndarray


def set_shape(x: Any, shape: Any) -> None:
    """`x.shape = shape`, for an array of which there are no views: these would see it change.

    Raises `TracerError` where there are, and for one from around a branch or a loop; NumPy's `AttributeError` for a
    view whose elements do not lie so that it can have that shape.
    """
    if isinstance(x, View):
        if not _alone(x) or x.layout is UNKNOWN:
            raise _shared(x, "the shape of", "is set", "x = x.reshape(shape)")
        _shape_view(x, shape)
        return
    if not _alone(x) or x.layout is not None:
        raise _shared(x, "the shape of", "is set", "x = x.reshape(shape)")
    _become(x, reshape(own(x), shape))


def _shape_view(x: View, shape: Any) -> None:
    """Give a view, and nothing else, another shape. Raises NumPy's `AttributeError` where that needs a copy."""
    seen = x.shadow.reshape(shape)
    if seen.size and not np.may_share_memory(seen, x.shadow):
        raise AttributeError("Incompatible shape for in-place modification; use x = x.reshape(shape), which copies")
    old, new, forth, back, like = x.shadow.shape, seen.shape, x.forth, x.back, x.like
    shaped: Forth = lambda y: reshape(y, new) if isinstance(y, Tracer) else y.reshape(new)
    x.forth = lambda base: shaped(forth(base))
    x.back = lambda base, y: back(base, reshape(y, old))
    x.like = None if like is None else lambda base: shaped(like(base))
    x.key = x._seen = None
    if type(x) is BufferView:
        lay_out(x, new)
    else:
        x.shadow = seen
    x.__dict__.pop("layout", None)


def resize(x: Any, *shape: Any, refcheck: bool = True) -> None:
    """`x.resize(shape)`: what is new is zero. Other names of the array have the new shape too, as with
    `refcheck=False`; where there are views, which would be of memory that is free, it is refused in any case.

    Raises `TracerError` where there are, and for an array from around a branch or a loop; NumPy's `ValueError` for an
    array that is a view.
    """
    if not shape or shape == (None,):
        return
    new = _sizes(shape)
    if isinstance(x, View) or (type(x) is Buffer and "part" in x.__dict__):
        raise ValueError("cannot resize this array: it does not own its data")
    x = writable(x, ())
    if type(x) is Buffer:
        if any([r() is not None for r in x.__dict__.get("views", ())]) or plain(x).dtype.hasobject:
            raise _shared(x, "resize():", "gets another length", "a = numpy.resize(a, shape)")
        _remember(x, np.concatenate([plain(x).reshape(-1), np.zeros(math.prod(new), x.dtype)])[: math.prod(new)], new)
        return
    if not _alone(x) or x.layout is not None:
        raise _shared(x, "resize():", "gets another length", "a = numpy.concatenate([a, numpy.zeros(n)]), a = a[:n]")
    flat, size = reshape(own(x), (-1,)), math.prod(new)
    if size > x.size:
        flat = concatenate([flat, np.zeros(size - x.size, x.dtype)], 0)
    _become(x, reshape(flat[:size], new))


tracer_method("resize")(resize)


def _sizes(shape: tuple[Any, ...]) -> tuple[int, ...]:
    """The extents that are asked for, one by one or together. Raises NumPy's `ValueError` for negative ones."""
    given = shape[0] if len(shape) == 1 else shape
    sizes: tuple[int, ...] = np.empty(given, bool).shape
    return sizes


def _become(x: Any, new: Tracer) -> None:
    write(x, new)
    if type(x) is BufferTracer:
        _remember(x, np.full(new.shape, np.nan if x.dtype.kind in "fc" else 1, x.dtype), new.shape)
        hide(x)


def _remember(x: Array, elements: Array, shape: tuple[int, ...]) -> None:
    """Give a buffer other memory, in its place."""
    _NDARRAY.__setstate__(x, (1, shape, elements.dtype, False, elements.tobytes()))


def _alone(x: Any) -> bool:
    """Whether an array is made in the piece that runs, and nothing else stands for its elements."""
    if type(x) not in _OWN or x.builder is not current_builder() or may_be_others(x):
        return False
    return not any(
        [
            (isinstance(y, View) and y.origin is x) or (isinstance(y, Joined) and any([z is x for z in y.others()]))
            for y in gc.get_objects()
            if issubclass(type(y), (View, Joined))
        ]
    )


_OWN = (Tracer, View, BufferTracer, BufferView)


def _shared(x: Any, what: str, how: str, remedy: str) -> TracerError:
    kind = x.type if isinstance(x, Tracer) else type_of(x)
    return TracerError(
        f"{what} an array of type {kind} {how}{place()}, of which there are views, or which is from "
        f"around a branch or a loop; give the name a new array: {remedy}"
    )


for _cls in (Tracer, View):
    _cls.shape = _cls.shape.setter(set_shape)  # type: ignore[union-attr, method-assign]

"""How NumPy would lay out in memory what a traced array stands for, which decides what shares its elements.

An array's `layout` is its axes from the slowest to the fastest one, `None` where it lies row by row, and `UNKNOWN`
where that cannot be said. An operation on arrays that lie otherwise gives its results the layout that NumPy gives them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, permutations
from typing import Any

import numpy as np

from graphad.errors import TracerError
from graphad.location import place
from graphad.op import Op
from graphad.ops.elementwise import Elementwise
from graphad.trace import UFUNC_METHODS, Tracer
from graphad.types import Array, DTypeLike

UNKNOWN = "unknown"
Layout = Any
"""A tuple of axes from the slowest to the fastest one, None for row by row, or UNKNOWN."""


def order_of(array: Array) -> Layout:
    """The order in which the axes of an array of NumPy's lie in memory, whether or not there are gaps."""
    if array.flags.c_contiguous or array.ndim < 2:
        return None
    axes = [i for i, n in enumerate(array.shape) if n > 1]
    order = sorted(axes, key=lambda i: -abs(array.strides[i]))
    return None if order == axes else (*[i for i in range(array.ndim) if i not in axes], *order)


def layout_of(x: Any) -> Layout:
    """The layout of an array; that of one of NumPy's which has gaps, or is reversed, is not known."""
    if isinstance(x, Tracer):
        return x.layout
    if not isinstance(x, np.ndarray) or x.ndim < 2 or x.flags.c_contiguous:
        return None
    order = order_of(x)
    return order if order is not None and x.transpose(order).flags.c_contiguous else UNKNOWN


def packed(x: Any) -> Layout:
    """The layout of an array of any kind, if it has no gaps; else it is not known."""
    if isinstance(x, Tracer) and (x.layout is UNKNOWN or "shadow" not in x.__dict__):
        return x.layout
    return layout_of(outline_of(x)) if isinstance(x, (Tracer, np.ndarray)) else None


def standing(found: Any, arrays: Sequence[Any]) -> Any:
    """A value that is one of several arrays, which one is known at run time only, laid out as they are."""
    if isinstance(found, Tracer):
        layouts = {UNKNOWN if _sparse(x) else packed(x) for x in arrays}
        found.layout = layouts.pop() if len(layouts) == 1 else UNKNOWN
        found.boxed = all([x.boxed if isinstance(x, Tracer) else isinstance(x, np.ndarray) for x in arrays])
    return found


def _sparse(x: Any) -> bool:
    """Whether an array of one axis has gaps, or is reversed."""
    view = isinstance(x, np.ndarray) or (isinstance(x, Tracer) and "shadow" in x.__dict__)
    return view and x.ndim == 1 and not outline_of(x).flags.c_contiguous


def outline(shape: Sequence[int], layout: Layout, dtype: DTypeLike) -> Array:
    """An array of NumPy's with a layout, whose elements stay untouched."""
    if layout is None or layout is UNKNOWN:
        return np.empty(shape, dtype)
    order = list(map(int, layout))
    return np.empty([shape[i] for i in order], dtype).transpose(np.argsort(order))


_MOST = 120
"""Layouts of one array that are tried out: all of those of five axes."""


def outlines(shape: Sequence[int], dtype: DTypeLike) -> Iterator[Any]:
    """An array in each layout that it can have, and one with gaps."""
    yield from (outline(shape, order, dtype) for order in islice(permutations(range(len(shape))), _MOST))
    yield np.empty([2 * n for n in shape], dtype)[(slice(None, None, 2),) * len(shape)]


def asked(x: Any, order: str | None, shape: Sequence[int] | None = None) -> Layout:
    """The layout of a copy of an array, or of a new one like it, that is asked for in NumPy's words."""
    layout = layout_of(x)
    rank = x.ndim if shape is None else len(shape)
    if order == "A" and layout is not UNKNOWN:
        order = "F" if layout == tuple(range(rank))[::-1] else "C"
    if order == "F":
        return tuple(range(rank))[::-1] if rank > 1 else None
    return layout if order in ("K", "A", None) and rank == x.ndim else None


def laid(found: Any, layout: Layout) -> Any:
    """A new array, with its layout."""
    if isinstance(found, Tracer) and layout is not None:
        found.layout = layout
    return found


def unclear(x: Any, what: str) -> TracerError:
    """The error for what depends on a layout that is not known."""
    return TracerError(
        f"{what}: how NumPy lays out this {x.type} in memory is not known{place()}, and "
        'decides the result; ask for an order (order="C"), or make a copy of the array before (x.copy())'
    )


def _lay(op: Op, operands: Sequence[Any], found: Sequence[Tracer]) -> None:
    """Give what an operation gives the layout that NumPy's loop over these operands has."""
    layout: Layout = UNKNOWN
    if isinstance(op, Elementwise):
        arrays = [x for x in operands if isinstance(x, (Tracer, np.ndarray)) and x.ndim > 1]
        if not any([isinstance(x, Tracer) and x.layout is UNKNOWN for x in arrays]):
            like = [outline_of(x) if isinstance(x, Tracer) else x for x in arrays]
            access = [*[["readonly"]] * len(like), ["writeonly", "allocate"]]
            iterator: Any = np.nditer
            loop = iterator([*like, None], ["zerosize_ok"], access, [*[None] * len(like), np.dtype(bool)])
            layout = order_of(loop.operands[-1])
    for x in found:
        if x.ndim > 1:
            x.layout = layout


def outline_of(x: Any) -> Array:
    """An array of NumPy's laid out as a traced one."""
    if isinstance(x, np.ndarray):
        return np.ndarray.view(x, np.ndarray)
    kind = complex if x.dtype.kind == "c" else bool
    return x.__dict__["shadow"] if "shadow" in x.__dict__ else outline(x.shape, x.layout, kind)


def _ordered(found: Any, order: str) -> Any:
    """What a ufunc gives, in the order that it was asked for."""
    for x in found if isinstance(found, tuple) else (found,):
        if order != "K" and x.ndim > 1:
            x.layout = asked(x, order) if order in ("C", "F") else UNKNOWN
    return found


UFUNC_METHODS["lay"], UFUNC_METHODS["ordered"] = _lay, _ordered

"""Counts by bin: bincount and histograms of one and more dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import IndexOutOfBoundsError, ShapeError, TracerError, TypeMismatchError
from graphad.numpy.arguments import float_dtype, known, operand, operands, recorded, static
from graphad.numpy.dispatch import implements
from graphad.numpy.selecting import where
from graphad.numpy.sorting import searchsorted
from graphad.ops import shape as shapes
from graphad.ops.checks import Check, name_of
from graphad.ops.elementwise import cast
from graphad.ops.index import ScatterAdd
from graphad.trace import Tracer, apply
from graphad.types import INT64, Array, ArrayLike, DType


def _added(index: Array, values: ArrayLike, size: int, dtype: DType) -> Array:
    """The sum of the values at each index below `size`; at `size` stands what is dropped."""
    if not index.shape[0]:
        return shapes.zeros((size,), dtype)
    start = recorded(np.zeros(size + 1, dtype))
    return ScatterAdd((0,))(start, shapes.broadcast_to(cast(operand(values), dtype), index.shape), index)[:size]


def _within(index: Any, size: int) -> None:
    """Check at run time that `bincount` has no more bins than it is to have at least."""
    low, high = np.all(index >= 0), np.all(index < size)
    negative = "'list' argument must have no negative elements"
    apply(Check(name_of(ValueError), (negative,), ()), [low])
    more = f"bincount: a value is not below minlength={size}, and the number of bins is known at run time only"
    apply(Check(name_of(IndexOutOfBoundsError), (more,), ()), [high])


@implements(np.bincount, beyond=("length",))
def bincount(x: ArrayLike, /, weights: ArrayLike | None = None, minlength: int = 0, *, length: Any = None) -> Array:
    """NumPy's `bincount`; of traced `x` the first `length` counts, which `graphad.numpy.bincount` takes."""
    index = shapes.reshape(operand(x), (-1,))
    if length is None:
        bins = known(index)
        if bins is None and not minlength:
            raise TracerError(
                "bincount: the number of bins depends on traced values; give it as minlength, or, where what lies "
                "beyond shall be dropped, as graphad.numpy.bincount(x, length=n)"
            )
        if bins is None:
            _within(index, int(minlength))
        length = max(int(minlength), int(bins.max()) + 1 if bins is not None and bins.size else 0)
    size = int(static(length, "bincount: length"))
    if weights is not None and operand(weights).shape != index.shape:
        raise ShapeError(f"bincount: weights {list(operand(weights).shape)} must be as many as {list(index.shape)}")
    inside = np.logical_and(index >= 0, index < size)
    slot = where(inside, cast(index, INT64), size)
    return _added(slot, 1, size, INT64) if weights is None else _added(slot, weights, size, np.dtype(float))


# -- edges --------------------------------------------------------------------------------------------------------


def _real(x: Array, name: str) -> Array:
    """Data that lie in bins. Raises `TypeMismatchError` for complex numbers."""
    if x.dtype.kind == "c":
        raise TypeMismatchError(f"{name}: complex numbers lie in no bins; take numpy.real or numpy.abs of them")
    return x


def _edges(a: Any, bins: Any, span: Any, weights: Any, name: str) -> Any:
    """The edges that NumPy's arguments mean for the data."""
    if isinstance(bins, str):
        array = known(a)
        if array is None or (weights is not None and known(operand(weights)) is None):
            raise TracerError(f"{name}: bins={bins!r} chooses their number by traced values; give a number or edges")
        # Their number is chosen by values; where they lie follows from the data as for any number.
        bins = np.histogram_bin_edges(array, bins, span).size - 1
    if isinstance(bins, (list, tuple)) or np.ndim(bins):
        return operand(bins)
    n = bins.__index__()
    if n < 1:
        raise ShapeError(f"{name}: the number of bins must be positive, not {n}")
    if span is None and a.size == 0:
        span = (0.0, 1.0)
    if span is None:
        first, last = np.min(a), np.max(a)
    else:
        first, last = span
    if not isinstance(first, Tracer) and not isinstance(last, Tracer):
        dtype = a.dtype if a.dtype.kind in "iuf" else np.dtype(float)
        return np.histogram_bin_edges(np.zeros(0, dtype), n, (first, last))
    dtype = float_dtype(first, last, a)
    first, last = cast(operand(first), dtype), cast(operand(last), dtype)
    flat = first == last
    first, last = where(flat, first - 0.5, first), where(flat, last + 0.5, last)
    inner = first + np.arange(n, dtype=dtype) * ((last - first) / n)
    return shapes.concatenate([inner, last[None]])


def _bin(x: Array, edges: Array) -> Array:
    """The bin of each element, the last bin closed on both sides; the number of bins for those outside."""
    n = edges.shape[0] - 1
    place = searchsorted(edges, x, "right") - 1
    place = where(x == edges[-1], n - 1, place)
    return where(np.logical_and(place >= 0, x <= edges[-1]), place, n)


def _equal_bin(x: Array, edges: Array) -> Array:
    """`_bin` of floating numbers in bins of equal width, computed and then set right by the two edges around, as in
    NumPy."""
    n = edges.shape[0] - 1
    dtype = np.result_type(x.dtype, edges.dtype)
    first, last = edges[0], edges[-1]
    inside = np.logical_and(x >= first, x <= last)
    x = cast(where(inside, x, first), dtype)
    place = cast((x - first) / (last - first) * n, INT64)
    place = np.clip(place, 0, n - 1)
    left, right = (np.take(recorded(edges), i, mode="clip") for i in (place, place + 1))
    below = x < left
    above = np.logical_and(x >= right, place < n - 1)
    return where(inside, place - below + above, n)


@implements(np.histogram_bin_edges)
def histogram_bin_edges(a: ArrayLike, bins: Any = 10, range: Any = None, weights: Any = None) -> Array:
    x = _real(shapes.reshape(operand(a), (-1,)), "histogram_bin_edges")
    return _edges(x, bins, range, weights, "histogram_bin_edges")


@implements(np.histogram, laid=True)
def histogram(
    a: ArrayLike, bins: ArrayLike = 10, range: Any = None, density: bool | None = None, weights: ArrayLike | None = None
) -> tuple[Any, Any]:
    """NumPy's `histogram`; its derivative is that of the weights and edges. NaN counts in no bin."""
    x = _real(shapes.reshape(operand(a), (-1,)), "histogram")
    x = cast(x, np.uint8) if x.dtype.kind == "b" else x
    edges = operand(_edges(x, bins, range, weights, "histogram"))
    n = edges.shape[0] - 1
    place = (_equal_bin if np.ndim(bins) == 0 and x.dtype.kind == "f" else _bin)(x, edges)
    if weights is None:
        count = _added(place, 1, n, INT64)
    else:
        values = shapes.reshape(operand(weights), (-1,))
        if values.shape != x.shape:
            raise ShapeError(f"histogram: weights {list(operand(weights).shape)} must have the data's shape")
        dtype = values.dtype if values.dtype.kind in "fciu" else np.dtype(INT64)
        count = _added(place, values, n, dtype)
    if density:
        return count / cast(np.diff(edges), float) / np.sum(count), edges
    return count, edges


@implements(np.histogramdd, laid=None)
def histogramdd(
    sample: ArrayLike, bins: Any = 10, range: Any = None, density: bool | None = None, weights: ArrayLike | None = None
) -> tuple[Any, tuple[Any, ...]]:
    """NumPy's `histogramdd`; its derivative is that of the weights and edges."""
    columns = _columns(sample)
    rank = len(columns)
    given = list(bins) if isinstance(bins, (list, tuple)) or np.ndim(bins) else [bins] * rank
    spans: Sequence[Any] = [None] * rank if range is None else list(range)
    if len(given) != rank or len(spans) != rank:
        raise ShapeError(f"histogramdd: {rank} columns need as many bins and ranges, not {len(given)}, {len(spans)}")
    pairs = zip(columns, given, spans, strict=True)
    edges = tuple([_edges(x, count, span, None, "histogramdd") for x, count, span in pairs])
    shape = tuple([e.shape[0] - 1 for e in edges])
    index: Any = 0
    inside: Any = True
    for x, e, n in zip(columns, edges, shape, strict=True):
        place = _bin(x, e)
        index = index * n + place
        inside = np.logical_and(inside, place < n)
    size = math.prod(shape)
    count = _added(where(inside, index, size), 1 if weights is None else weights, size, np.dtype(float))
    count = shapes.reshape(count, shape)
    if density:
        total = np.sum(count)
        for axis, e in enumerate(edges):
            count = count / shapes.reshape(np.diff(e), tuple(-1 if i == axis else 1 for i in _range(rank)))
        count = count / total
    return count, edges


_range = range


def _columns(sample: Any) -> list[Any]:
    """The coordinates of the points: the columns of an array, or the vectors of a sequence."""
    if isinstance(sample, (list, tuple)):
        return [shapes.reshape(x, (-1,)) for x in operands(sample)]
    sample = operand(sample)
    if sample.ndim < 2:
        return [shapes.reshape(sample, (-1,))]
    return [sample[:, i] for i in _range(sample.shape[1])]


@implements(np.histogram2d, laid=None)
def histogram2d(
    x: ArrayLike,
    y: ArrayLike,
    bins: Any = 10,
    range: Any = None,
    density: bool | None = None,
    weights: ArrayLike | None = None,
) -> tuple[Any, Any, Any]:
    """NumPy's `histogram2d`; its derivative is that of the weights and edges."""
    if isinstance(bins, (list, tuple)) or np.ndim(bins):
        bins = list(bins) * (2 // len(bins)) if len(bins) in (1, 2) else [operand(bins)] * 2
    count, edges = histogramdd([x, y], bins, range, density, weights)
    return count, edges[0], edges[1]

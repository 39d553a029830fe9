"""Filters by order and the morphology of grey images: a part of `graphad.scipy.ndimage`.

They are differentiable where the order in a window is strict: the derivative is that of the element that is chosen.
"""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.location import place
from graphad.numpy.arguments import axis_of, operand
from graphad.scipy.dispatch import namespace
from graphad.scipy.ndimage.support import (
    axes_in,
    by_axis,
    check_origin,
    given,
    neighbours,
    reject_complex,
    result_dtype,
    rule_of,
    sequence,
    stored,
    turned_origin,
    wide,
    windows,
)
from graphad.types import Array, ArrayLike, DType

_traced = namespace("scipy.ndimage")[0]


def _least(parts: list[Any], low: bool) -> Array:
    total, *rest = parts
    for part in rest:
        total = np.minimum(total, part) if low else np.maximum(total, part)
    return total


def _line(
    name: str, x: Array, size: Any, axis: int, dtype: DType, mode: Any, cval: Any, origin: Any, low: bool
) -> Array:
    if size < 1:
        raise ValueError(f"{name}: size={size}{place()} must be 1 or more")
    check_origin(name, size, origin)
    return stored(_least(windows(wide(x), axis, int(size), origin, rule_of(name, mode), cval), low), dtype)


@_traced
def minimum_filter1d(
    input: ArrayLike,
    size: int,
    axis: int = -1,
    output: Any = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    origin: int = 0,
) -> Array:
    """SciPy's `minimum_filter1d`, differentiable in the image and `cval`."""
    return _line1d("minimum_filter1d", input, size, axis, output, mode, cval, origin, True)


@_traced
def maximum_filter1d(
    input: ArrayLike,
    size: int,
    axis: int = -1,
    output: Any = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    origin: int = 0,
) -> Array:
    """SciPy's `maximum_filter1d`, differentiable in the image and `cval`."""
    return _line1d("maximum_filter1d", input, size, axis, output, mode, cval, origin, False)


def _line1d(
    name: str, input: Any, size: int, axis: int, output: Any, mode: str, cval: Any, origin: int, low: bool
) -> Array:
    x = operand(input)
    reject_complex(name, x)
    return _line(name, x, size, axis_of(x, axis, name), result_dtype(name, output, x), mode, cval, origin, low)


def _extreme(
    name: str, input: Any, size: Any, footprint: Any, structure: Any, output: Any, mode: Any, cval: Any, origin: Any,
    low: bool, axes: Any, turned: bool = False,
) -> Array:  # fmt: skip
    """The least or greatest element of a window, less or plus the heights of its structure."""
    x = operand(input)
    reject_complex(name, x)
    dtype = result_dtype(name, output, x)
    axes = axes_in(name, x, axes)
    heights: Any = None if structure is None else operand(structure)
    chosen = _footprint(name, footprint)
    if heights is None and (chosen is None or chosen.all()):
        if chosen is not None:
            size = chosen.shape
        elif size is None:
            raise ValueError(f"{name}{place()} needs a size= or a footprint=")
        each = [sequence(name, v, len(axes)) for v in (size, mode, origin)]
        for axis, extent, how, start in zip(axes, *each, strict=True):
            if extent > 1:
                start = turned_origin(start, extent) if turned else start
                x = _line(name, x, extent, axis, dtype, how, cval, start, low)
        return stored(x, dtype)
    if chosen is None:
        chosen = np.ones(heights.shape, bool)
    elif heights is not None and heights.shape != chosen.shape:
        raise ShapeError(f"{name}: structure {list(heights.shape)} and footprint {list(chosen.shape)} differ in shape")
    if turned:
        chosen, heights = np.flip(chosen), None if heights is None else np.flip(heights)
        starts = sequence(name, origin, len(axes))
        origin = [turned_origin(o, n) for o, n in zip(starts, chosen.shape, strict=False)]
    sides = by_axis(name, x, axes, chosen.shape, origin)
    parts = neighbours(wide(x), sides, rule_of(name, mode), cval, chosen)
    if heights is not None:
        places = [tuple(i) for i in np.argwhere(chosen).tolist()]
        parts = [p - heights[i] if low else p + heights[i] for p, i in zip(parts, places, strict=True)]
    return stored(_least(parts, low), dtype)


def _footprint(name: str, footprint: Array | None) -> Array | None:
    if footprint is None:
        return None
    chosen = np.asarray(given(name, footprint, "a footprint", "give one that is known"), bool)
    if not chosen.any():
        raise ValueError(f"{name}: the footprint{place()} chooses nothing")
    return chosen


@_traced
def minimum_filter(
    input: ArrayLike, size: Any = None, footprint: Any = None, output: Any = None, mode: Any = "reflect",
    cval: Any = 0.0, origin: Any = 0, *, axes: Any = None,
) -> Array:  # fmt: skip
    """SciPy's `minimum_filter`, differentiable in the image and `cval`."""
    return _extreme("minimum_filter", input, size, footprint, None, output, mode, cval, origin, True, axes)


@_traced
def maximum_filter(
    input: Any, size: Any = None, footprint: Any = None, output: Any = None, mode: Any = "reflect", cval: Any = 0.0,
    origin: Any = 0, *, axes: Any = None,
) -> Any:  # fmt: skip
    """SciPy's `maximum_filter`, differentiable in the image and `cval`."""
    return _extreme("maximum_filter", input, size, footprint, None, output, mode, cval, origin, False, axes)


# -- ranks --------------------------------------------------------------------------------------------------------


def _ranked(
    name: str, input: Any, rank: Any, size: Any, footprint: Any, output: Any, mode: Any, cval: Any, origin: Any,
    axes: Any,
) -> Array:  # fmt: skip
    """The element of a rank in each window; `rank` is an integer or gives it by the number of elements."""
    x = operand(input)
    reject_complex(name, x)
    filtered = axes_in(name, x, axes)
    chosen = _footprint(name, footprint)
    if chosen is None:
        if size is None:
            raise ValueError(f"{name}{place()} needs a size= or a footprint=")
        chosen = np.ones(sequence(name, size, len(filtered)), bool)
    count = int(chosen.sum())
    rank = rank(count) if callable(rank) else index(rank)
    rank = rank + count if rank < 0 else rank
    if not 0 <= rank < count:
        raise ValueError(f"{name}: rank={rank}{place()} is none of a window of {count}")
    sides = by_axis(name, x, filtered, chosen.shape, origin)
    if rank in (0, count - 1):
        starts = [start for _, _, start in sides]
        return _extreme(name, x, None, chosen, None, output, mode, cval, starts, rank == 0, sorted(filtered))
    parts = neighbours(wide(x), sides, rule_of(name, mode), cval, chosen)
    return stored(np.sort(np.stack(parts), axis=0)[rank], result_dtype(name, output, x))


@_traced
def rank_filter(
    input: ArrayLike, rank: int, size: Any = None, footprint: ArrayLike | None = None, output: Any = None,
    mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0, *, axes: Any = None,
) -> Array:  # fmt: skip
    """SciPy's `rank_filter`, differentiable in the image and `cval`."""
    return _ranked("rank_filter", input, rank, size, footprint, output, mode, cval, origin, axes)


@_traced
def median_filter(
    input: ArrayLike, size: Any = None, footprint: Any = None, output: Any = None, mode: Any = "reflect",
    cval: Any = 0.0, origin: Any = 0, *, axes: Any = None,
) -> Array:  # fmt: skip
    """SciPy's `median_filter`, differentiable in the image and `cval`."""
    return _ranked("median_filter", input, lambda n: n // 2, size, footprint, output, mode, cval, origin, axes)


@_traced
def percentile_filter(
    input: Any, percentile: Any, size: Any = None, footprint: Any = None, output: Any = None, mode: Any = "reflect",
    cval: Any = 0.0, origin: Any = 0, *, axes: Any = None,
) -> Any:  # fmt: skip
    """SciPy's `percentile_filter` of a known percentile, differentiable in the image and `cval`."""
    name = "percentile_filter"
    part = float(given(name, percentile, "a percentile", "give one that is known"))
    part = part + 100.0 if part < 0.0 else part
    if not 0.0 <= part <= 100.0:
        raise ValueError(f"{name}: percentile={percentile}{place()} lies outside of -100 to 100")

    def rank(count: int) -> int:
        return count - 1 if part == 100.0 else int(float(count) * part / 100.0)

    return _ranked(name, input, rank, size, footprint, output, mode, cval, origin, axes)


# -- morphology ---------------------------------------------------------------------------------------------------


@_traced
def grey_erosion(
    input: ArrayLike, size: Any = None, footprint: ArrayLike | None = None, structure: ArrayLike | None = None,
    output: Any = None, mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0, *, axes: Any = None,
) -> Array:  # fmt: skip
    """SciPy's `grey_erosion`, differentiable in the image, the structure and `cval`."""
    return _extreme("grey_erosion", input, size, footprint, structure, output, mode, cval, origin, True, axes)


@_traced
def grey_dilation(
    input: ArrayLike, size: Any = None, footprint: ArrayLike | None = None, structure: Any = None, output: Any = None,
    mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0, *, axes: Any = None,
) -> Array:  # fmt: skip
    """SciPy's `grey_dilation`, differentiable in the image, the structure and `cval`."""
    return _extreme("grey_dilation", input, size, footprint, structure, output, mode, cval, origin, False, axes, True)


@_traced
def grey_opening(
    input: ArrayLike, size: Any = None, footprint: Any = None, structure: Any = None, output: Any = None,
    mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0, *, axes: Any = None,
) -> Array:  # fmt: skip
    """SciPy's `grey_opening`: an erosion and a dilation."""
    eroded = grey_erosion(input, size, footprint, structure, None, mode, cval, origin, axes=axes)
    return grey_dilation(eroded, size, footprint, structure, output, mode, cval, origin, axes=axes)


@_traced
def grey_closing(
    input: ArrayLike, size: Any = None, footprint: Any = None, structure: Any = None, output: Any = None,
    mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0, *, axes: Any = None,
) -> Array:  # fmt: skip
    """SciPy's `grey_closing`: a dilation and an erosion."""
    dilated = grey_dilation(input, size, footprint, structure, None, mode, cval, origin, axes=axes)
    return grey_erosion(dilated, size, footprint, structure, output, mode, cval, origin, axes=axes)


@_traced
def morphological_gradient(
    input: ArrayLike, size: Any = None, footprint: Any = None, structure: Any = None, output: Any = None,
    mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0, *, axes: Any = None,
) -> Array:  # fmt: skip
    """SciPy's `morphological_gradient`: the dilation less the erosion, in the dtype of the image."""
    result_dtype("morphological_gradient", output, operand(input))
    args = (size, footprint, structure, None, mode, cval, origin)
    return grey_dilation(input, *args, axes=axes) - grey_erosion(input, *args, axes=axes)


@_traced
def morphological_laplace(
    input: ArrayLike, size: Any = None, footprint: Any = None, structure: Any = None, output: Any = None,
    mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0, *, axes: Any = None,
) -> Array:  # fmt: skip
    """SciPy's `morphological_laplace`: dilation and erosion less twice the image, in its dtype."""
    x = operand(input)
    result_dtype("morphological_laplace", output, x)
    args = (size, footprint, structure, None, mode, cval, origin)
    return grey_dilation(x, *args, axes=axes) + grey_erosion(x, *args, axes=axes) - x - x


@_traced
def white_tophat(
    input: ArrayLike, size: Any = None, footprint: Any = None, structure: Any = None, output: Any = None,
    mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0, *, axes: Any = None,
) -> Array:  # fmt: skip
    """SciPy's `white_tophat`: the image less its opening."""
    x = operand(input)
    opened = grey_opening(x, size, footprint, structure, output, mode, cval, origin, axes=axes)
    return _difference(x, opened)


@_traced
def black_tophat(
    input: ArrayLike, size: Any = None, footprint: Any = None, structure: Any = None, output: Any = None,
    mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0, *, axes: Any = None,
) -> Array:  # fmt: skip
    """SciPy's `black_tophat`: the closing of an image less the image."""
    x = operand(input)
    closed = grey_closing(x, size, footprint, structure, output, mode, cval, origin, axes=axes)
    return -_difference(x, closed) if closed.dtype.kind != "b" else _difference(x, closed)


def _difference(x: Array, other: Array) -> Array:
    """`x - other`, for truth values where they differ, in the dtype of `other`."""
    both = x.dtype.kind == other.dtype.kind == "b"
    return np.logical_xor(x, other) if both else stored(x - other, other.dtype)

"""NumPy's `pad`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.numpy.arguments import operand, require
from graphad.numpy.dispatch import implements
from graphad.numpy.layouts import UNKNOWN, laid, layout_of
from graphad.numpy.manipulation import reverse, slice_axis
from graphad.numpy.mapping import apply_along_axis
from graphad.ops import shape as shapes
from graphad.ops.elementwise import cast
from graphad.ops.shape import Pad
from graphad.trace import Tracer
from graphad.types import Array, ArrayLike

BY_INDEX = ("edge", "reflect", "symmetric", "wrap")
"""The modes whose new elements are copies of old ones."""
STATISTICS: dict[str, Any] = {"maximum": np.max, "minimum": np.min, "mean": np.mean, "median": np.median}
MODES = ("constant", "empty", "linear_ramp", *BY_INDEX, *STATISTICS)


@implements(np.pad)
def pad(array: ArrayLike, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Array:
    """NumPy's `pad` in all its modes; the mode empty pads with zeros, and a function as mode gets each row."""
    x = operand(array)
    return laid(_padded(x, pad_width, mode, kwargs), layout_of(x) and UNKNOWN)


def _padded(x: Array, pad_width: Any, mode: Any, kwargs: dict[str, Any]) -> Array:
    widths = _widths(pad_width, x.ndim)
    if callable(mode):
        return _by_function(x, widths, mode, kwargs)
    require("pad", "mode", mode, *MODES)
    values = kwargs.pop("constant_values", 0) if mode == "constant" else 0
    ends = kwargs.pop("end_values", 0) if mode == "linear_ramp" else 0
    odd = mode in ("reflect", "symmetric") and kwargs.pop("reflect_type", "even") == "odd"
    lengths = _pairs(kwargs.pop("stat_length", None), x.ndim) if mode in STATISTICS else []
    require("pad", "keywords", tuple(kwargs), ())
    if mode in ("constant", "empty"):
        if isinstance(values, Tracer) or np.any(operand(values)):
            return _pad_with(x, widths, values)
        low, high = zip(*widths, strict=True) if widths else ((), ())
        return Pad(low, high, (0,) * x.ndim)(x) if any(map(any, widths)) else x
    ends = shapes.broadcast_to(operand(ends), (x.ndim, 2))
    for axis, width in enumerate(widths):
        if not any(width):
            continue
        if x.shape[axis] == 0:
            raise ShapeError(f"pad: axis {axis} of extent 0 has nothing to pad with in the mode {mode!r}")
        if odd:
            x = _odd(x, axis, width, mode)
        elif mode in BY_INDEX:
            x = np.take(x, np.pad(np.arange(x.shape[axis]), width, mode=mode), axis)
        elif mode == "linear_ramp":
            x = _between(x, axis, *(_ramp(x, axis, side, width[side], ends[axis, side]) for side in (0, 1)))
        else:
            x = _between(x, axis, *(_summary(x, axis, side, width[side], lengths[axis][side], mode) for side in (0, 1)))
    return x


def _between(x: Array, axis: int, before: Array, after: Array) -> Array:
    return shapes.concatenate([before, x, after], axis)


def _ramp(x: Array, axis: int, side: int, n: int, end: Array) -> Array:
    """From the end value up to but without the edge, or the other way after it."""
    edge = slice_axis(x, axis, 0, 1) if side == 0 else slice_axis(x, axis, x.shape[axis] - 1, x.shape[axis])
    edge = shapes.squeeze(edge, axis)
    ramp = np.linspace(end, edge, n, endpoint=False, axis=axis, dtype=x.dtype)
    return ramp if side == 0 else reverse(ramp, (axis,))


def _summary(x: Array, axis: int, side: int, n: int, length: Any, mode: str) -> Array:
    """A statistic of the first or last elements, repeated."""
    size = x.shape[axis]
    count = size if length is None else min(int(length), size)
    part = slice_axis(x, axis, 0, count) if side == 0 else slice_axis(x, axis, size - count, size)
    value = STATISTICS[mode](part, axis=axis, keepdims=True)
    if x.dtype.kind in "iu":
        value = np.rint(value)
    return shapes.broadcast_to(cast(value, x.dtype), (*x.shape[:axis], n, *x.shape[axis + 1 :]))


def _odd(x: Array, axis: int, width: tuple[int, int], mode: str) -> Array:
    """Reflected about the edges' values, again and again until there is enough."""
    before, after = width
    gap = 1 if mode == "reflect" else 0
    if x.shape[axis] == 1:
        # One element reflects to itself.
        return np.take(x, np.zeros(before + 1 + after, int), axis)
    period = x.shape[axis] - gap
    while before or after:
        n = x.shape[axis]
        low, high = min(before, period), min(after, period)
        first, last = slice_axis(x, axis, 0, 1), slice_axis(x, axis, n - 1, n)
        parts = [x]
        if low:
            parts.insert(0, 2 * first - reverse(slice_axis(x, axis, gap, low + gap), (axis,)))
            before -= low
        if high:
            # What has been added before takes part in the reflection after.
            parts.append(2 * last - reverse(slice_axis(x, axis, n - gap - high, n - gap), (axis,)))
            after -= high
        x = shapes.concatenate(parts, axis)
    return x


def _by_function(
    x: Array, widths: list[tuple[int, int]], function: Callable[..., Any], kwargs: dict[str, Any]
) -> Array:
    """Each row padded with zeros and given to `function(row, width, axis, kwargs)`, which changes it in place."""
    low, high = zip(*widths, strict=True)
    padded = Pad(low, high, (0,) * x.ndim)(x)
    for axis, width in enumerate(widths):

        def changed(row: Any, width: Any = width, axis: int = axis) -> Any:
            row = np.copy(row)
            function(row, width, axis, kwargs)
            return row

        padded = apply_along_axis(changed, axis, padded)
    return padded


def _pad_with(x: Array, widths: list[tuple[int, int]], value: ArrayLike) -> Array:
    values = shapes.broadcast_to(operand(value), (x.ndim, 2))
    for axis, width in enumerate(widths):
        ends = []
        for side, n in enumerate(width):
            shape = (*x.shape[:axis], n, *x.shape[axis + 1 :])
            ends.append(shapes.broadcast_to(cast(values[axis, side], x.dtype), shape))
        if any(width):
            x = shapes.concatenate([ends[0], x, ends[1]], axis)
    return x


def _widths(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    if isinstance(pad_width, dict):
        pairs: list[tuple[int, int]] = [(0, 0)] * ndim
        for axis, width in pad_width.items():
            pairs[axis] = (int(width), int(width)) if np.ndim(width) == 0 else (int(width[0]), int(width[1]))
        return pairs
    return [(int(a), int(b)) for a, b in _pairs(pad_width, ndim)]


def _pairs(given: Any, ndim: int) -> list[Any]:
    """One entry before and one after each axis."""
    return [(None, None)] * ndim if given is None else np.broadcast_to(np.asarray(given), (ndim, 2)).tolist()

"""NumPy's `pad`."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.numpy._register import implements, operand, require
from graphad.ops import shape as shapes
from graphad.ops.elementwise import cast
from graphad.ops.shape import Pad
from graphad.trace import Tracer

BY_INDEX = ("edge", "reflect", "symmetric", "wrap")
"""The modes whose new elements are copies of old ones."""


@implements(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """NumPy's `pad` in the modes constant, edge, reflect, symmetric and wrap.

    Raises `MissingRuleError` for other modes and options.
    """
    x = operand(array)
    require("pad", "mode", mode, "constant", *BY_INDEX)
    widths = _widths(pad_width, x.ndim)
    value = kwargs.pop("constant_values", 0) if mode == "constant" else 0
    if mode in ("reflect", "symmetric"):
        require("pad", "reflect_type", kwargs.pop("reflect_type", "even"), "even")
    require("pad", "keywords", tuple(kwargs), ())
    if mode != "constant":
        for axis, width in enumerate(widths):
            if any(width):
                x = np.take(x, np.pad(np.arange(x.shape[axis]), width, mode=mode), axis)
        return x
    if not isinstance(value, Tracer) and not np.any(value):
        low, high = zip(*widths, strict=True) if widths else ((), ())
        return Pad(low, high, (0,) * x.ndim)(x) if any(map(any, widths)) else x
    return _pad_with(x, widths, value)


def _pad_with(x: Any, widths: list[tuple[int, int]], value: Any) -> Any:
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
        pairs = [(0, 0)] * ndim
        for axis, width in pad_width.items():
            pairs[axis] = (int(width), int(width)) if np.ndim(width) == 0 else (int(width[0]), int(width[1]))
        return pairs
    return [(int(a), int(b)) for a, b in np.broadcast_to(np.asarray(pad_width), (ndim, 2))]

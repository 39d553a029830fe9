"""Bits packed into bytes and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import TypeMismatchError
from graphad.numpy.arguments import axis_of, operand, require
from graphad.numpy.dispatch import implements
from graphad.numpy.manipulation import slice_axis
from graphad.ops import shape as shapes
from graphad.ops.elementwise import cast
from graphad.types import Array

UINT8 = np.dtype(np.uint8)


def _last(a: Any, axis: int | None, name: str) -> tuple[Any, int]:
    """The array with the packed axis last, and where it stood."""
    if axis is None:
        return shapes.reshape(a, (a.size,)), 0
    axis = axis_of(a, axis, name)
    return shapes.moveaxis(a, axis, -1), axis


def _shifts(bitorder: str, name: str) -> Array:
    require(name, "bitorder", bitorder, "big", "little")
    return np.arange(8, dtype=UINT8)[:: -1 if bitorder == "big" else 1]


@implements(np.packbits)
def packbits(a: Any, /, axis: int | None = None, bitorder: str = "big") -> Any:
    """NumPy's `packbits`, of integers or booleans: each that is not 0 becomes a bit."""
    a = operand(a)
    if a.dtype.kind not in "iub":
        raise TypeMismatchError(f"packbits: needs integers or booleans, not {a.dtype}")
    x, axis = _last(a != 0 if a.dtype.kind != "b" else a, axis, "packbits")
    n = x.shape[-1]
    count = -(-n // 8)
    rest = x.shape[:-1]
    x = shapes.concatenate([cast(x, UINT8), np.zeros((*rest, 8 * count - n), UINT8)], x.ndim - 1)
    bits = shapes.reshape(x, (*rest, count, 8)) << _shifts(bitorder, "packbits")
    return shapes.moveaxis(np.sum(bits, axis=-1, dtype=UINT8), -1, axis)


@implements(np.unpackbits)
def unpackbits(a: Any, /, axis: int | None = None, count: int | None = None, bitorder: str = "big") -> Any:
    """NumPy's `unpackbits`: `count` of the bits, zeros after the last, or all but the last `-count`."""
    a = operand(a)
    if a.dtype != UINT8:
        raise TypeMismatchError(f"unpackbits: needs uint8, not {a.dtype}")
    x, axis = _last(a, axis, "unpackbits")
    bits = (shapes.expand_dims(x, x.ndim) >> _shifts(bitorder, "unpackbits")) & UINT8.type(1)
    n = 8 * x.shape[-1]
    bits = shapes.reshape(bits, (*x.shape[:-1], n))
    wanted = n if count is None else count if count >= 0 else n + count
    if wanted > n:
        bits = shapes.concatenate([bits, np.zeros((*x.shape[:-1], wanted - n), UINT8)], x.ndim - 1)
    return shapes.moveaxis(slice_axis(bits, x.ndim - 1, 0, wanted), -1, axis)

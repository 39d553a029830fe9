"""What functions of signals share: arrays continued beyond their ends, windows of them, arguments checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.location import place
from graphad.numpy.arguments import float_dtype, known, operand
from graphad.ops.elementwise import cast
from graphad.types import Array


def floating(x: Any) -> Array:
    """An operand as an array of floating point numbers, of its own precision if it has one."""
    x = operand(x)
    return cast(x, float_dtype(x))


def vector(x: Any, name: str, what: str) -> Any:
    """Coefficients as a vector, of one if a number is given."""
    x = operand(x)
    x = x.reshape(1) if x.ndim == 0 else x
    if x.ndim != 1 or not x.size:
        raise ShapeError(f"{name}: {what} of shape {list(x.shape)}{place()} must be a vector")
    return x


def sections(sos: Any, name: str) -> Any:
    """The coefficients of a cascade of filters of second order, a row for each."""
    sos = operand(sos)
    sos = sos.reshape(1, -1) if sos.ndim == 1 else sos
    if sos.ndim != 2 or sos.shape[1] != 6 or not sos.shape[0]:
        raise ShapeError(f"{name}: sections of shape {list(sos.shape)}{place()}; they must be rows of 6 coefficients")
    if known(sos) is not None and np.any(known(sos)[:, 3] != 1):
        raise ValueError(f"{name}: sos[:, 3]{place()} must be ones; divide each row by it")
    return floating(sos)


def chosen(value: Any, choices: Sequence[Any], name: str, what: str) -> None:
    """Raise `ValueError` for an argument that is none of SciPy's choices."""
    if value not in choices:
        raise ValueError(f"{name}: {what}={value!r}{place()} is none of {', '.join(map(repr, choices))}")


EXTENSIONS = (
    "constant", "wrap", "edge", "smooth", "symmetric", "reflect", "antisymmetric", "antireflect", "line",
)  # fmt: skip


def extended(x: Array, left: int, right: int, mode: str, cval: Any = 0) -> Array:
    """`x` with so many rows more before and after it, by the names that SciPy's `upfirdn` gives to extensions."""
    n = x.shape[0]
    i = np.arange(-left, n + right)
    wide = (-1, *(1,) * (x.ndim - 1))
    if mode == "constant":
        return np.pad(x, [(left, right), *[(0, 0)] * (x.ndim - 1)], constant_values=cval)
    if mode in ("smooth", "line"):
        before = after = (x[-1:] - x[:1]) / max(n - 1, 1)
        if mode == "smooth" and n > 1:
            before, after = x[1:2] - x[:1], x[-1:] - x[-2:-1]
        head, tail = (np.arange(*ends).reshape(wide).astype(x.dtype) for ends in ((-left, 0), (1, right + 1)))
        return np.concatenate([x[:1] + head * before, x, x[-1:] + tail * after])
    if mode == "edge":
        return np.take(x, np.clip(i, 0, n - 1), axis=0)
    if mode == "wrap":
        return np.take(x, i % n, axis=0)
    if mode in ("symmetric", "antisymmetric"):
        t = i % (2 * n)
        found = np.take(x, np.minimum(t, 2 * n - 1 - t), axis=0)
        return found if mode == "symmetric" else found * np.where(t < n, 1, -1).reshape(wide).astype(x.dtype)
    period = max(2 * n - 2, 1)
    turn, t = np.divmod(i, period)
    found = np.take(x, np.minimum(t, period - t) if n > 1 else 0 * t, axis=0)
    if mode == "reflect":
        return found
    # Reflected in its end points: a period later the values are twice the difference of the ends higher.
    back = (t >= n).reshape(wide)
    rise = (2 * turn).reshape(wide).astype(x.dtype) * (x[-1:] - x[:1])
    return np.where(back, 2 * x[-1:] - found, found) + rise


def framed(x: Any, length: int, step: int = 1) -> Array:
    """The windows of the last axis, `step` apart: an axis for the windows, and one for the points of each."""
    starts = np.arange(0, x.shape[-1] - length + 1, step)
    return np.take(x, starts[:, None] + np.arange(length), axis=-1)


def neighbourhoods(x: Array, sizes: Sequence[int]) -> Array:
    """The values around each element, in boxes of odd extents filled up with zeros, as a last axis."""
    padded = np.pad(x, [(k // 2, k // 2) for k in sizes])
    shape, strides = padded.shape, []
    for axis in range(x.ndim):
        strides.append(math.prod(shape[axis + 1 :]))
    corners = sum(np.arange(n).reshape((-1, *(1,) * (x.ndim - 1 - i))) * strides[i] for i, n in enumerate(x.shape))
    inside = sum(np.arange(k).reshape((-1, *(1,) * (x.ndim - 1 - i))) * strides[i] for i, k in enumerate(sizes))
    return np.take(padded.reshape(-1), np.asarray(corners)[..., None] + np.ravel(inside))

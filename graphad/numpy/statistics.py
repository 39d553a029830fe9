"""Covariance and correlation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.numpy.arguments import float_dtype, operand
from graphad.numpy.dispatch import implements
from graphad.ops import shape as shapes
from graphad.ops.complex import from_parts
from graphad.ops.elementwise import cast
from graphad.trace import Tracer
from graphad.types import Array, ArrayLike, DType, DTypeLike


def _rows(m: Any, rowvar: bool, dtype: DType, name: str) -> Array:
    """Variables as rows of observations."""
    if m.ndim > 2:
        raise ShapeError(f"{name}: {m.ndim} axes; variables and observations stand in two at most")
    m = cast(m, dtype)
    return m[None] if m.ndim == 1 else shapes.reshape(m, (1, 1)) if m.ndim == 0 else m if rowvar else m.T


@implements(np.cov)
def cov(
    m: ArrayLike,
    y: ArrayLike | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: ArrayLike | None = None,
    aweights: ArrayLike | None = None,
    *,
    dtype: DTypeLike | None = None,
) -> Array:
    """NumPy's `cov`, for weights of any sign, which are not checked."""
    m = operand(m)
    other = None if y is None else operand(y)
    dtype = np.dtype(dtype or np.result_type(float_dtype(m, 0.0 if other is None else other), np.float64))
    x = _rows(m, rowvar, dtype, "cov")
    if other is not None:
        second = _rows(other, rowvar or (other.ndim == 2 and other.shape[0] == 1), dtype, "cov")
        x = shapes.concatenate([x, second], 0)
    if x.shape[0] == 0:
        return shapes.zeros((0, 0), dtype)
    ddof = (0 if bias else 1) if ddof is None else ddof
    weights = None if fweights is None else cast(operand(fweights), float)
    if aweights is not None:
        a = cast(operand(aweights), float)
        weights = a if weights is None else weights * a
    if weights is None:
        count: Any = x.shape[1]
        mean = np.sum(x, axis=1, keepdims=True) / count
        divisor = count - ddof
    else:
        if weights.ndim != 1 or weights.shape[0] != x.shape[1]:
            raise ShapeError(f"cov: weights {list(weights.shape)} for {x.shape[1]} observations")
        count = np.sum(weights)
        mean = np.sum(x * weights, axis=1, keepdims=True) / count
        divisor = count
        if ddof != 0:
            divisor = count - (ddof if aweights is None else ddof * np.sum(weights * a) / count)
    deviation = x - mean
    weighted = deviation if weights is None else deviation * weights
    # NumPy takes a divisor below 0 as 0, which gives infinities.
    scale = 1 / np.maximum(divisor, 0) if isinstance(divisor, Tracer) else 1 / divisor if divisor > 0 else math.inf
    return np.squeeze(deviation @ np.conj(weighted.T) * scale)


@implements(np.corrcoef)
def corrcoef(x: ArrayLike, y: ArrayLike | None = None, rowvar: bool = True, *, dtype: Any = None) -> Array:
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    deviation = np.sqrt(np.real(np.diagonal(c)))
    c = c / deviation[:, None] / deviation[None, :]
    if c.dtype.kind == "c":
        return from_parts(np.clip(np.real(c), -1, 1), np.clip(np.imag(c), -1, 1))
    return np.clip(c, -1, 1)

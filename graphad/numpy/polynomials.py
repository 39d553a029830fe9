"""Polynomials as rows of coefficients, from the highest power to the constant."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.numpy.arguments import dtype_of, float_dtype, known, operand
from graphad.numpy.creation import asarray, vander
from graphad.numpy.dispatch import implements
from graphad.numpy.manipulation import slice_axis
from graphad.numpy.scans import convolve
from graphad.ops import shape as shapes
from graphad.ops.elementwise import cast
from graphad.types import Array, ArrayLike


def _row(p: Any, name: str) -> Any:
    p = operand(p)
    if p.ndim > 1:
        raise ShapeError(f"{name}: coefficients stand in one row, not in an array of {p.ndim} axes")
    return shapes.reshape(p, (-1,))


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """NumPy's `polyval`, by Horner's scheme."""
    # The point is made an array, and so a Python number has a dtype of its own: small coefficients do not overflow.
    p, x = operand(p), asarray(x)
    out = np.zeros_like(x)
    for i in range(p.shape[0]):
        out = out * x + p[i]
    return out


def _aligned(a1: ArrayLike, a2: Any, name: str) -> tuple[Any, Any]:
    a, b = _row(a1, name), _row(a2, name)
    size = max(a.size, b.size)
    first, second = (
        shapes.concatenate([shapes.zeros((size - x.size,), x.dtype), x]) if x.size < size else x for x in (a, b)
    )
    return first, second


@implements(np.polyadd)
def polyadd(a1: ArrayLike, a2: ArrayLike) -> Array:
    return np.add(*_aligned(a1, a2, "polyadd"))


@implements(np.polysub)
def polysub(a1: ArrayLike, a2: ArrayLike) -> Array:
    return np.subtract(*_aligned(a1, a2, "polysub"))


@implements(np.polymul)
def polymul(a1: ArrayLike, a2: ArrayLike) -> Array:
    """The product's coefficients; leading zeros are kept, unlike NumPy, since they could not be told while tracing."""
    return convolve(_row(a1, "polymul"), _row(a2, "polymul"))


@implements(np.polydiv)
def polydiv(u: Any, v: Any) -> tuple[Any, Any]:
    """Quotient and remainder of long division.

    The remainder has as many coefficients as its degree needs at most, some of which may be zero; `v[0]` must not be.
    """
    u, v = _row(u, "polydiv"), _row(v, "polydiv")
    dtype = float_dtype(u, v)
    rest, v = cast(u, dtype), cast(v, dtype)
    steps, n = max(u.size - v.size + 1, 0), v.size
    scale = 1.0 / v[0]
    found = []
    for _ in range(steps):
        found.append(scale * rest[0])
        rest = shapes.concatenate([rest[1:n] - found[-1] * v[1:], rest[n:]])
    quotient = shapes.stack(found) if found else shapes.zeros((1,), dtype)
    return quotient, rest if rest.size else shapes.zeros((1,), dtype)


@implements(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    p = _row(p, "polyder")
    _check_order("polyder", m)
    for _ in range(int(m)):
        powers = np.arange(p.size - 1, 0, -1)
        p = slice_axis(p, 0, 0, max(p.size - 1, 0)) * powers
    return p


@implements(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """The `m`-th antiderivative with the constants of integration `k`: one for all, or one for each order."""
    p = _row(p, "polyint")
    _check_order("polyint", m)
    constants = _row(0.0 if k is None else k, "polyint: k")
    if constants.size == 1 and m > 1:
        constants = shapes.broadcast_to(constants, (m,))
    if constants.size < m:
        raise ShapeError(f"polyint: {constants.size} constants of integration for {m} orders")
    for i in range(int(m)):
        p = shapes.concatenate([np.true_divide(p, np.arange(p.size, 0, -1)), constants[i : i + 1]])
    return p


def _check_order(name: str, m: Any) -> None:
    if m < 0:
        raise ShapeError(f"{name}: the order must be non-negative, not {m}")


@implements(np.poly)
def poly(seq_of_zeros: ArrayLike) -> Array:
    """Coefficients of the monic polynomial with the given zeros, or of a square matrix's characteristic polynomial.

    Zeros of complex dtype give complex coefficients, unlike NumPy where they come in conjugate pairs. The polynomial
    of a real matrix is real.
    """
    zeros = operand(seq_of_zeros)
    if zeros.ndim == 2 and zeros.shape[0] == zeros.shape[1] and zeros.size:
        found = poly(np.linalg.eigvals(zeros))
        return found if zeros.dtype.kind == "c" else np.real(found)
    zeros = _row(zeros, "poly")
    zeros = cast(zeros, float_dtype(zeros))
    one = np.ones(1, zeros.dtype)
    factors = [shapes.concatenate([one, -zeros[i : i + 1]]) for i in range(zeros.size)]
    return reduce(convolve, factors, one)


@implements(np.roots)
def roots(p: Any) -> Any:
    """The complex zeros, as eigenvalues of the companion matrix.

    Where the coefficients are known while tracing, zeros at both ends are stripped as NumPy does; elsewhere the
    leading coefficient must not be 0.
    """
    p = _row(p, "roots")
    p = cast(p, float_dtype(p))
    array = known(p)
    trailing = 0
    if array is not None:
        places = np.flatnonzero(array)
        if not places.size:
            return np.zeros(0)
        trailing = p.size - 1 - int(places[-1])
        p = slice_axis(p, 0, int(places[0]), int(places[-1]) + 1)
    n = p.size - 1
    if n < 1:
        return shapes.zeros((trailing,), p.dtype)
    first = shapes.reshape(-p[1:] / p[0], (1, n))
    companion = shapes.concatenate([first, np.eye(n - 1, n, dtype=p.dtype)], 0)
    found = np.linalg.eigvals(companion)
    return shapes.concatenate([found, shapes.zeros((trailing,), found.dtype)]) if trailing else found


@implements(np.polyfit)
def polyfit(x: Any, y: Any, deg: Any, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False) -> Any:
    """NumPy's `polyfit`: least squares with columns scaled to unit length.

    With `full`, the residuals are given also where NumPy leaves them out, for a matrix of columns of deficient rank.
    Raises `ShapeError` where there are too few points for `cov`.
    """
    x, y = (cast(operand(v), float_dtype(operand(v), 0.0)) for v in (x, y))
    if x.ndim != 1 or y.ndim not in (1, 2) or not x.size or x.shape[0] != y.shape[0]:
        raise ShapeError(f"polyfit: x {list(x.shape)} must be a vector and y {list(y.shape)} a vector or matrix of it")
    _check_order("polyfit", deg)
    count = int(deg) + 1
    columns = vander(x, count)
    if w is not None:
        weights = operand(w)
        columns = columns * weights[:, None]
        y = y * (weights[:, None] if y.ndim == 2 else weights)
    rcond = x.size * np.finfo(x.dtype).eps if rcond is None else rcond
    scale = np.sqrt(np.sum(np.real(columns * np.conj(columns)), axis=0))
    scaled = columns / scale
    c, _, rank, s = np.linalg.lstsq(scaled, y, rcond)
    residual = y - scaled @ c
    squares = np.sum(np.real(residual * np.conj(residual)), axis=0)
    c = (c.T / scale).T
    if full:
        return c, shapes.reshape(squares, (-1,)) if y.ndim == 1 else squares, rank, s, rcond
    if not cov:
        return c
    base = np.linalg.inv(scaled.T @ scaled) / np.outer(scale, scale)
    if cov == "unscaled":
        factor = np.ones(squares.shape, dtype_of(squares))
    elif x.size <= count:
        raise ShapeError(f"polyfit: {x.size} points are too few to scale the covariance of {count} coefficients")
    else:
        factor = squares / (x.size - count)
    return c, base * factor if y.ndim == 1 else base[:, :, None] * factor

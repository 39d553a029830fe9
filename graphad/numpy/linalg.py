"""The namespace `graphad.numpy.linalg`: NumPy's `linalg` on traced values."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.numpy.arguments import axes_of, axis_of, float_dtype, operand, require
from graphad.numpy.dispatch import NAMESPACE, implements
from graphad.ops import linalg as ops
from graphad.ops import shape as shapes
from graphad.ops.determinant import Det, Slogdet
from graphad.ops.elementwise import cast
from graphad.ops.reduce import Norm
from graphad.types import Array, ArrayLike


@cache
def results_of(function: Callable[..., Any]) -> Any:
    """The named tuple in which one of NumPy's functions gives its results."""
    return type(function(np.eye(1)))


def matrices(name: str, a: Any, square: bool = False) -> Any:
    """Matrices in a floating dtype. Raises `ShapeError` for an array of fewer than two axes, or not square."""
    a = operand(a)
    if a.ndim < 2 or (square and a.shape[-1] != a.shape[-2]):
        raise ShapeError(f"{name}: needs {'square matrices' if square else 'matrices'}, not shape {list(a.shape)}")
    return cast(a, float_dtype(a))


@implements(np.linalg.inv)
def inv(a: ArrayLike) -> Array:
    return ops.Inv()(matrices("inv", a, square=True))


@implements(np.linalg.det)
def det(a: ArrayLike) -> Array:
    return Det()(matrices("det", a, square=True))


@implements(np.linalg.slogdet)
def slogdet(a: ArrayLike) -> Any:
    """NumPy's `slogdet`: a pair `(sign, logabsdet)`."""
    return results_of(np.linalg.slogdet)(*Slogdet()(matrices("slogdet", a, square=True)))


@implements(np.linalg.cholesky)
def cholesky(a: ArrayLike, /, *, upper: bool = False) -> Array:
    a = matrices("cholesky", a, square=True)
    # The op reads the lower triangle; that of the transpose holds what is above the diagonal, whose factor is L^T.
    return np.matrix_transpose(ops.Cholesky()(np.matrix_transpose(a))) if upper else ops.Cholesky()(a)


@implements(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    """NumPy's `solve`: `b` is one vector if it has one axis, else a stack of matrices."""
    a, b = operand(a), operand(b)
    dtype = float_dtype(a, b)
    a, b = cast(matrices("solve", a, square=True), dtype), cast(b, dtype)
    columns = shapes.expand_dims(b, 1) if b.ndim == 1 else b
    if columns.ndim < 1 or columns.shape[-2] != a.shape[-1]:
        raise ShapeError(f"solve: shapes {list(a.shape)} and {list(b.shape)} do not fit")
    stacks = np.broadcast_shapes(a.shape[:-2], columns.shape[:-2])
    a = shapes.broadcast_to(a, (*stacks, *a.shape[-2:]))
    columns = shapes.broadcast_to(columns, (*stacks, *columns.shape[-2:]))
    x = ops.Solve()(a, columns)
    return x[..., 0] if b.ndim == 1 else x


# -- norms --------------------------------------------------------------------------------------------------------


def _root_of_squares(x: Any, axes: Any, keepdims: bool) -> Array:
    over = axes_of(x, axes, "norm")
    out = Norm(over)(x)
    return shapes.expand_dims(out, over) if keepdims else out


def _vector_norm(x: Any, order: Any, axis: Any, keepdims: bool) -> Array:
    if order is None or order == 2:
        return _root_of_squares(x, axis, keepdims)
    if order == math.inf:
        return np.max(np.abs(x), axis=axis, keepdims=keepdims, initial=np._NoValue if x.size else 0)
    if order == -math.inf:
        return np.min(np.abs(x), axis=axis, keepdims=keepdims)
    if order == 1:
        return np.sum(np.abs(x), axis=axis, keepdims=keepdims)
    if order == 0:
        return np.sum(cast(x != 0, np.real(x).dtype), axis=axis, keepdims=keepdims)
    sizes = np.abs(x)
    if order < 1:
        # The slope at an element 0 is infinite on both sides; it is taken as 0, between them.
        zero = sizes == 0
        powers = np.where(zero, 0.0 if order > 0 else math.inf, np.where(zero, 1.0, sizes) ** order)
    else:
        powers = sizes**order
    total = np.sum(powers, axis=axis, keepdims=keepdims)
    if order < 0:
        return total ** (1.0 / order)
    nothing = total == 0
    return np.where(nothing, total, np.where(nothing, 1.0, total) ** (1.0 / order))


def _matrix_norm(x: Any, order: Any, axes: tuple[int, int], keepdims: bool) -> Array:
    row, column = axes
    if order is None or order == "fro":
        return _root_of_squares(x, axes, keepdims)
    if order in (1, -1, math.inf, -math.inf):
        along, across = (row, column) if abs(order) == 1 else (column, row)
        sums = np.sum(np.abs(x), axis=along, keepdims=True)
        start = np._NoValue if sums.size else 0
        out = (np.max if order > 0 else np.min)(sums, axis=across, keepdims=True, initial=start)
        return out if keepdims else shapes.squeeze(out, axes)
    if order not in (2, -2, "nuc"):
        raise ShapeError(f"norm: ord={order!r} is no norm of a matrix; use 'fro', 'nuc', 2, -2, 1, -1, inf or -inf")
    s = np.linalg.svdvals(shapes.moveaxis(x, axes, (-2, -1)))
    out = np.sum(s, axis=-1) if order == "nuc" or not s.shape[-1] else s[..., 0 if order == 2 else -1]
    return shapes.expand_dims(out, axes) if keepdims else out


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """NumPy's `norm` of vectors or matrices. The Euclidean norm's derivative at 0 is 0, one of its subgradients."""
    x = operand(x)
    x = cast(x, float_dtype(x))
    if axis is None:
        if ord is None or (ord in ("f", "fro") and x.ndim == 2) or (ord == 2 and x.ndim == 1):
            return _root_of_squares(x, None, keepdims)
        axis = tuple(range(x.ndim))
    axes = tuple(axis_of(x, i, "norm") for i in (axis if isinstance(axis, (tuple, list)) else (axis,)))
    if len(axes) == 1:
        if isinstance(ord, str):
            raise ShapeError(f"norm: ord={ord!r} is for matrices, not for vectors")
        return _vector_norm(x, ord, axes[0], keepdims)
    if len(axes) != 2 or axes[0] == axes[1]:
        raise ShapeError(f"norm: axis {axis} is neither one axis nor two different ones")
    return _matrix_norm(x, "fro" if ord == "f" else ord, (axes[0], axes[1]), keepdims)


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    x = operand(x)
    x = cast(x, float_dtype(x))
    if axis is None:
        out = _vector_norm(shapes.reshape(x, (-1,)), ord, 0, False)
        return shapes.reshape(out, (1,) * x.ndim) if keepdims else out
    axes = axis if isinstance(axis, tuple) else axis_of(x, axis, "vector_norm")
    return _vector_norm(x, ord, axes, keepdims)


@implements(np.linalg.matrix_norm)
def matrix_norm(x: ArrayLike, /, *, keepdims: bool = False, ord: Any = "fro") -> Array:
    x = operand(x)
    return norm(x, ord, (-2, -1), keepdims)


# -- powers and chains --------------------------------------------------------------------------------------------


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    """The `n`-th power of square matrices, by repeated squaring."""
    a = operand(a)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ShapeError(f"matrix_power: needs square matrices, not shape {list(a.shape)}")
    if n == 0:
        return shapes.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape)
    base = inv(a) if n < 0 else a
    n = abs(n)
    out = None
    while n:
        if n % 2:
            out = base if out is None else np.matmul(out, base)
        n //= 2
        base = np.matmul(base, base) if n else base
    return out


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Any, *, out: Any = None) -> Array:
    """A chain of matrix products in the order of fewest operations, as `einsum` finds it."""
    require("multi_dot", "out", out, None)
    xs = [operand(x) for x in arrays]
    if len(xs) < 2:
        raise ShapeError("multi_dot: needs at least two arrays")
    args: list[Any] = []
    for i, x in enumerate(xs):
        args += [x, [i + 1] if i == 0 and x.ndim == 1 else [i, i + 1][: x.ndim]]
    ends = ([0] if xs[0].ndim == 2 else []) + ([len(xs)] if xs[-1].ndim == 2 else [])
    return np.einsum(*args, ends)


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """NumPy's `cond`: the condition number `norm(x, p) norm(inv(x), p)`, of singular values for `p` 2 and -2.

    Where it is infinite no derivative exists, and it is taken as 0.
    """
    x = operand(x)
    if p in (None, 2, -2):
        s = np.linalg.svdvals(x)
        top, bottom = (s[..., -1], s[..., 0]) if p == -2 else (s[..., 0], s[..., -1])
        singular = bottom == 0
        return np.where(singular, np.asarray(math.inf, s.dtype), top / np.where(singular, np.ones((), s.dtype), bottom))
    x = matrices("cond", x, square=True)
    singular = Slogdet()(x)[0] == 0
    regular = np.where(singular[..., None, None], np.eye(x.shape[-1], dtype=x.dtype), x)
    found = norm(x, p, (-2, -1)) * norm(inv(regular), p, (-2, -1))
    missing = np.any(np.isnan(x), axis=(-2, -1))
    unbounded = np.logical_or(singular, np.logical_and(np.isnan(found), np.logical_not(missing)))
    return np.where(unbounded, np.asarray(math.inf, found.dtype), found)


@implements(np.linalg.matrix_rank)
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """NumPy's `matrix_rank`: the number of singular values above the tolerance."""
    x = operand(A)
    if x.ndim < 2:
        return cast(np.any(x != 0), int)
    s = np.linalg.svdvals(x)
    if tol is None:
        rtol = max(x.shape[-2:]) * np.finfo(s.dtype).eps if rtol is None else rtol
        tol = np.max(s, axis=-1, keepdims=True, initial=0) * rtol
    else:
        tol = shapes.expand_dims(operand(tol), -1)
    return np.sum(s > tol, axis=-1)


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    """NumPy's `tensorinv`."""
    a = operand(a)
    if ind <= 0:
        raise ShapeError(f"tensorinv: ind={ind} must be positive")
    rows = math.prod(a.shape[ind:])
    return shapes.reshape(inv(shapes.reshape(a, (-1, rows))), (*a.shape[ind:], *a.shape[:ind]))


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """NumPy's `tensorsolve`."""
    a, b = operand(a), operand(b)
    if axes is not None:
        moved = [axis_of(a, i, "tensorsolve") for i in axes]
        a = shapes.transpose(a, (*[i for i in range(a.ndim) if i not in moved], *moved))
    shape = a.shape[b.ndim :]
    return shapes.reshape(solve(shapes.reshape(a, (-1, math.prod(shape))), shapes.reshape(b, (-1,))), shape)


def __getattr__(name: str) -> Any:
    found = getattr(np.linalg, name)
    return NAMESPACE.get(found, found) if callable(found) else found


def __dir__() -> list[str]:
    return dir(np.linalg)


__all__ = ["cholesky", "det", "inv", "norm", "slogdet", "solve"]

"""Products of vectors, matrices and tensors, with NumPy's names and rules for shapes and dtypes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.op import Traced
from graphad.ops.complex import conjugate
from graphad.ops.dot_general import DotGeneral
from graphad.ops.einsum import contract_pair, einsum
from graphad.ops.machinery import multiply
from graphad.ops.shape import as_operand, normalized, reshape, transpose
from graphad.types import Array


def _traced(x: Array, y: Array) -> bool:
    return isinstance(x, Traced) or isinstance(y, Traced)


def dot(x: Array, y: Array) -> Array:
    """NumPy's `dot`: sums the last axis of `x` with the second to last of `y` (the only one of a vector)."""
    if not _traced(x, y):
        return np.dot(x, y)
    if as_operand(x).ndim == 0 or as_operand(y).ndim == 0:
        return multiply(x, y)
    x, y = as_operand(x), as_operand(y)
    return _product("dot", x, y, (x.ndim - 1,), (max(y.ndim - 2, 0),))


def matmul(x: Any, y: Array) -> Array:
    """NumPy's `matmul` (`@`): stacks of matrices broadcast; vectors are rows on the left and columns on the right."""
    if not _traced(x, y):
        return np.matmul(x, y)
    x, y = as_operand(x), as_operand(y)
    if x.ndim == 0 or y.ndim == 0:
        raise ShapeError("matmul: operands need at least one axis; use * for a product with a scalar")
    if x.ndim <= 2 and y.ndim <= 2:
        return _product("matmul", x, y, (x.ndim - 1,), (max(y.ndim - 2, 0),))
    stacks = max(x.ndim, y.ndim) - 2
    xs, xl = _stacked(x, y, stacks, ["row", "sum"] if x.ndim > 1 else ["sum"])
    ys, yl = _stacked(y, x, stacks, ["sum", "column"] if y.ndim > 1 else ["sum"])
    if x.shape[-1] != y.shape[max(y.ndim - 2, 0)]:
        raise ShapeError(f"matmul: shapes {list(x.shape)} and {list(y.shape)} do not fit")
    ends = (["row"] if x.ndim > 1 else []) + (["column"] if y.ndim > 1 else [])
    wanted: list[Any] = [i for i in range(stacks) if i in xl or i in yl]
    out, labels = contract_pair((xs, xl), (ys, yl), {*wanted, *ends})
    out = transpose(out, [labels.index(a) for a in (*wanted, *ends)])
    shape = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    return reshape(out, (*shape, *out.shape[out.ndim - len(ends) :]))


def _stacked(x: Array, other: Array, stacks: int, ends: list[Any]) -> tuple[Any, list[Any]]:
    """`x` without the stack axes of extent 1, and its labels: stack axes are numbered from the left."""
    lead = x.ndim - len(ends)
    labels: list[Any] = []
    for i, n in enumerate(x.shape[:lead]):
        at = i + stacks - lead
        j = at - (stacks - max(other.ndim - 2, 0))
        if j >= 0 and n != other.shape[j] and 1 not in (n, other.shape[j]):
            raise ShapeError(f"matmul: stacks of shapes {list(x.shape)} and {list(other.shape)} do not broadcast")
        if n != 1:
            labels.append(at)
    return reshape(x, (*(n for n in x.shape[:lead] if n != 1), *x.shape[lead:])), labels + ends


def tensordot(x: Array, y: Array, axes: Any = 2) -> Array:
    """NumPy's `tensordot`: `axes` last axes of `x` with the first of `y`, or a pair of lists of axes."""
    if not _traced(x, y):
        return np.tensordot(x, y, axes)
    x, y = as_operand(x), as_operand(y)
    if isinstance(axes, (int, np.integer)):
        if not 0 <= axes <= min(x.ndim, y.ndim):
            raise ShapeError(f"tensordot: {axes} axes of shapes {list(x.shape)} and {list(y.shape)}")
        return _product("tensordot", x, y, tuple(range(x.ndim - int(axes), x.ndim)), tuple(range(int(axes))))
    left, right = ((a,) if isinstance(a, (int, np.integer)) else tuple(a) for a in axes)
    lhs = tuple(normalized(i, x.ndim, "tensordot") for i in left)
    return _product("tensordot", x, y, lhs, tuple(normalized(i, y.ndim, "tensordot") for i in right))


def inner(x: Array, y: Array) -> Array:
    """NumPy's `inner`: sums the last axes of both."""
    if not _traced(x, y):
        return np.inner(x, y)
    if as_operand(x).ndim == 0 or as_operand(y).ndim == 0:
        return multiply(x, y)
    x, y = as_operand(x), as_operand(y)
    return _product("inner", x, y, (x.ndim - 1,), (y.ndim - 1,))


def outer(x: Array, y: Array) -> Array:
    """NumPy's `outer`: products of all pairs of elements, both flattened."""
    if not _traced(x, y):
        return np.outer(x, y)
    return multiply(reshape(x, (as_operand(x).size, 1)), _flat(y))


def vdot(x: Array, y: Array) -> Any:
    """NumPy's `vdot`: the sum of `conj(x) * y`, both flattened."""
    if not _traced(x, y):
        return np.vdot(x, y)
    x, y = _flat(x), _flat(y)
    if x.dtype.kind == "c":
        x = conjugate(x)
    return _product("vdot", x, y, (0,), (0,))


def _flat(x: Array) -> Array:
    return reshape(x, (as_operand(x).size,))


def _product(name: str, x: Array, y: Array, lhs: Sequence[int], rhs: Sequence[int]) -> Array:
    if len(lhs) != len(rhs) or any(x.shape[i] != y.shape[j] for i, j in zip(lhs, rhs, strict=False)):
        raise ShapeError(f"{name}: shapes {list(x.shape)} and {list(y.shape)} do not fit along axes {lhs} and {rhs}")
    return DotGeneral(tuple(lhs), tuple(rhs))(x, y)


__all__ = ["DotGeneral", "dot", "einsum", "inner", "matmul", "outer", "tensordot", "vdot"]

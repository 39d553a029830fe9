"""Lowering of contractions: BLAS for large floating products, plain loops for small ones and for integers."""

from __future__ import annotations

import math
from typing import Any

from graphad.executors.loops.bounded import has_holes
from graphad.executors.loops.kernels import initial
from graphad.executors.loops.lower import Lowering, rule
from graphad.executors.loops.program import LibraryCall, Load, LoopNest, Reduction, ReductionResult, Store, StridedView
from graphad.graph import Node
from graphad.ops.dot_general import DotGeneral
from graphad.ops.scalar import operation

MATRIX_FROM = 128
VECTOR_FROM = 4096
"""Products of one product of matrices, or of a matrix and a vector, from which BLAS is quicker than an inlined loop."""


NEAR = 16
"""Statements before a product among which those that make its operands are looked for."""


@rule(DotGeneral)
def dot_general(low: Lowering, node: Node) -> bool:
    op: Any = node.op
    (a, b), (out,) = node.inputs, node.outputs
    dtype = out.type.dtype
    if dtype.char == "e":
        return False
    if not out.type.size:
        low.place(out)
        return True
    k = math.prod(a.type.shape[i] for i in op.lhs_contract)
    if k == 0:
        low.fill(low.place(out), 0, low.note(node))
        return True
    free = op.free(a.type.ndim, b.type.ndim)
    x = low.view(a).transpose((*op.lhs_batch, *free[0], *op.lhs_contract))
    y = low.view(b).transpose((*op.rhs_batch, *free[1], *op.rhs_contract))
    nb, nk = len(op.lhs_batch), len(op.lhs_contract)
    batch, m, n = x.shape[:nb], x.shape[nb : len(x.shape) - nk], y.shape[nb : len(y.shape) - nk]
    least = VECTOR_FROM if 1 in (math.prod(m), math.prod(n)) else MATRIX_FROM
    # Loops sum products of two vectors of real numbers as quickly, and more exactly.
    dot = dtype.kind == "f" and math.prod(m) * math.prod(n) == 1
    # Those of a matrix of which only a part is not zero run over that part.
    matrix = x if math.prod(n) == 1 else y if math.prod(m) == 1 else None
    dot = dot or (dtype.kind == "f" and matrix is not None and has_holes(matrix, low.statements[-NEAR:]))
    if k > 1 and dtype.kind in "fc" and not dot and math.prod(m) * math.prod(n) * k >= least:
        shape = math.prod(batch), math.prod(m), math.prod(n)
        out_view = low.place(out).reshape(shape)
        direct = out_view is not None and _in_rows(out_view)
        target = out_view if direct else low.temporary(out).reshape(shape)
        assert target is not None
        left = _matrix(low, x, (shape[0], shape[1], k))
        right = _matrix(low, y, (shape[0], shape[2], k)).transpose((0, 2, 1))
        low.statements.append(matrix_product(left, right, target, low.note(node)))
        if target is not out_view:
            low.copy(StridedView.whole(target.buffer, out.type.shape), low.view(out))
        return True
    # One nest over batch, rows, columns and summed axes; the schedule puts them in the order that suits memory.
    space = (*batch, *m, *n, *x.shape[len(x.shape) - nk :])
    zeros_m, zeros_n = (0,) * len(m), (0,) * len(n)
    split = len(x.shape) - nk
    left = StridedView(x.buffer, x.offset, space, (*x.strides[:split], *zeros_n, *x.strides[split:]))
    right = StridedView(y.buffer, y.offset, space, (*y.strides[:nb], *zeros_m, *y.strides[nb:]))
    product = operation("multiply", Load(dtype, left), Load(dtype, right))
    loop = LoopNest(space, note=low.note(node))
    if not nk:
        loop.stores.append(Store(low.place(out), product))
    else:
        reduction = Reduction("sum", product, tuple(range(len(space) - nk, len(space))), initial("sum", dtype))
        if out.type.shape:
            target = low.place(out)
            reduction.target = StridedView(target.buffer, target.offset, space, (*target.strides, *(0,) * nk))
        else:
            reduction.result = ReductionResult(dtype)
            low.env[out] = reduction.result
        if dtype.kind == "b":
            reduction.kind, reduction.initial = "any", initial("any", dtype)
        loop.reductions.append(reduction)
    low.statements.append(loop)
    return True


def matrix_product(x: StridedView, y: StridedView, out: StridedView, note: str) -> LibraryCall:
    """`out[b] = x[b] @ y[b]` by BLAS: matrices whose rows or columns stand together, `out` in rows."""
    count, m, k = x.shape
    n = y.shape[2]
    one, zero = out.dtype.type(1), out.dtype.type(0)
    letter = {"f": "s", "d": "d", "F": "c", "D": "z"}[out.dtype.char]
    # A product in rows is the product in columns of the transposed operands in the other order.
    if n == 1 or m == 1:
        matrix, vector, rows = (x, y, m) if n == 1 else (y.transpose((0, 2, 1)), x.transpose((0, 2, 1)), n)
        side, leading = _layout(matrix)
        # BLAS sees the transpose of a matrix in rows.
        shape = (k, rows) if side == "N" else (rows, k)
        step = max(vector.strides[1], 1)
        out_step = max(out.strides[1] if n == 1 else out.strides[2], 1)
        turned = "T" if side == "N" else "N"
        numbers = (one, matrix, leading, vector, step, zero, out, out_step)
        return LibraryCall(f"{letter}gemv", (turned, *shape, *numbers), count, (out,), note)
    sides = [_layout(y), _layout(x)]
    arguments = (
        sides[0][0], sides[1][0], n, m, k, one, y, sides[0][1], x, sides[1][1], zero, out,
        max(out.strides[1], n),
    )  # fmt: skip
    return LibraryCall(f"{letter}gemm", arguments, count, (out,), note)


def _in_rows(x: StridedView) -> bool:
    """Whether the elements of a row are neighbours, and each row stands behind the one before it."""
    _, rows, columns = x.shape
    return (x.strides[2] == 1 or columns == 1) and (x.strides[1] >= columns or rows == 1)


def _layout(x: StridedView) -> tuple[str, int]:
    """Whether a matrix stands in rows ("N" to a routine that sees its transpose) or columns, and its stride."""
    _, rows, columns = x.shape
    if _in_rows(x):
        return "N", max(x.strides[1] if rows > 1 else 0, columns, 1)
    return "T", max(x.strides[2] if columns > 1 else 0, rows, 1)


def _matrix(low: Lowering, view: StridedView, shape: tuple[int, int, int]) -> StridedView:
    # BLAS takes any leading dimension, but the elements of rows or of columns must be neighbours.
    found = view.reshape(shape)
    if found is not None and (_in_rows(found) or _in_rows(found.transpose((0, 2, 1)))):
        return found
    found = low.compact(view).reshape(shape)
    assert found is not None
    return found

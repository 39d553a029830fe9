"""Lowering of contractions: BLAS for large floating products, plain loops for small ones and for integers."""

from __future__ import annotations

import math
from typing import Any

from graphad.executors.loops.kernels import initial
from graphad.executors.loops.lower import Lowering, rule
from graphad.executors.loops.program import Contract, Load, Loop, Reduction, Result, Store, View
from graphad.graph import Node
from graphad.ops.scalar import operation

BLAS_FROM = 4096
"""Products of one matrix product from which a BLAS call is cheaper than an inlined loop."""


@rule("dot_general")
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
    if nk and dtype.kind in "fc" and math.prod(m) * math.prod(n) * k >= BLAS_FROM:
        blas = Contract(
            _matrix(low, x, (math.prod(batch), math.prod(m), k)),
            _matrix(low, y, (math.prod(batch), math.prod(n), k)).transpose((0, 2, 1)),
            low.place(out),
            low.note(node),
        )
        whole = blas.out.reshape((math.prod(batch), math.prod(m), math.prod(n)))
        assert whole is not None
        blas.out = whole
        low.statements.append(blas)
        return True
    # One nest over batch, rows, columns and summed axes; the schedule puts them in the order that suits memory.
    space = (*batch, *m, *n, *x.shape[len(x.shape) - nk :])
    zeros_m, zeros_n = (0,) * len(m), (0,) * len(n)
    split = len(x.shape) - nk
    left = View(x.buffer, x.offset, space, (*x.strides[:split], *zeros_n, *x.strides[split:]))
    right = View(y.buffer, y.offset, space, (*y.strides[:nb], *zeros_m, *y.strides[nb:]))
    product = operation("multiply", Load(dtype, left), Load(dtype, right))
    loop = Loop(space, note=low.note(node))
    if not nk:
        loop.stores.append(Store(low.place(out), product))
    else:
        reduction = Reduction("sum", product, tuple(range(len(space) - nk, len(space))), initial("sum", dtype))
        if out.type.shape:
            target = low.place(out)
            reduction.target = View(target.buffer, target.offset, space, (*target.strides, *(0,) * nk))
        else:
            reduction.result = Result(dtype)
            low.env[out] = reduction.result
        if dtype.kind == "b":
            reduction.kind, reduction.initial = "any", initial("any", dtype)
        loop.reductions.append(reduction)
    low.statements.append(loop)
    return True


def _matrix(low: Lowering, view: View, shape: tuple[int, int, int]) -> View:
    # BLAS takes any leading dimension, but the elements of rows or of columns must be neighbours.
    found = view.reshape(shape)
    if found is not None:
        rows, columns = found.strides[1:]
        m, n = shape[1:]
        if (columns == 1 or n == 1) and (rows >= n or m == 1):
            return found
        if (rows == 1 or m == 1) and (columns >= m or n == 1):
            return found
    found = low.compact(view).reshape(shape)
    assert found is not None
    return found

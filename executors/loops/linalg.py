"""Lowering of linear algebra to LAPACK and BLAS: factorisations, solves, inverses and determinants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphad.executors.loops.kernels import initial
from graphad.executors.loops.lower import Lowering, rule
from graphad.executors.loops.program import (
    Index,
    LibraryCall,
    Load,
    LoopNest,
    Reduction,
    ReductionResult,
    RuntimeCheck,
    Store,
    StridedView,
)
from graphad.executors.loops.routines import LETTERS, workspace
from graphad.executors.loops.small import matrix_rule, phase
from graphad.executors.loops.stacks import (
    INT32,
    call,
    deliver,
    failure,
    flat,
    in_columns,
    matrices,
    memory,
    readable,
    result,
    succeeded,
    transposed,
    work,
)
from graphad.graph import Node, Value
from graphad.ops.determinant import Det, Slogdet
from graphad.ops.factors import Lu, Permutation
from graphad.ops.linalg import Cholesky, Inv, Solve, TriangularSolve
from graphad.ops.scalar import Const, convert, operation, where
from graphad.types import INT64

_INDEFINITE, _SINGULAR = "Matrix is not positive definite", "Singular matrix"


@matrix_rule(Cholesky, message=_INDEFINITE)
def cholesky(low: Lowering, node: Node) -> bool:
    (a,), (out,) = node.inputs, node.outputs
    source = low.view(a)
    target = result(low, out, in_columns(source))
    rows, columns = (Index(INT64, axis) for axis in (out.type.ndim - 2, out.type.ndim - 1))
    zero = Const(source.dtype, source.dtype.type(0))
    lower = where(operation("greater_equal", rows, columns), Load(source.dtype, source), zero)
    low.statements.append(LoopNest(source.shape, [Store(target, lower)], note=low.note(node)))
    stack = matrices(target)
    n = source.shape[-1]
    arguments = ("L" if stack.columns else "U", n, stack.view, stack.leading)
    info = call(low, node, "potrf", arguments, [stack.view])
    succeeded(low, node, info, _INDEFINITE)
    deliver(low, out, target)
    return True


@matrix_rule(TriangularSolve, message="singular matrix")
def triangular_solve(low: Lowering, node: Node) -> bool:
    (a, b), (out,) = node.inputs, node.outputs
    op: Any = node.op
    if not out.type.size:
        low.place(out)
        return True
    triangle, right = low.view(a), low.view(b)
    if not op.unit_diagonal:
        strides = (*triangle.strides[:-2], triangle.strides[-2] + triangle.strides[-1])
        diagonal = StridedView(triangle.buffer, triangle.offset, triangle.shape[:-1], strides)
        pivot, zero = Load(a.type.dtype, diagonal), Const(a.type.dtype, a.type.dtype.type(0))
        found = RuntimeCheck(operation("not_equal", pivot, zero), failure(low, node, "singular matrix"))
        low.statements.append(LoopNest(diagonal.shape, checks=[found]))
    target = result(low, out, columns=False)
    low.copy(right, target, low.note(node))
    matrix, x = readable(low, triangle), matrices(target)
    # A matrix in rows is its transpose to the routine, and a solution in rows solves the transposed equation.
    lower, across = op.lower == matrix.columns, op.transpose_a == matrix.columns
    n, k = out.type.shape[-2:]
    letter, side = LETTERS[out.type.dtype.char], "L" if x.columns else "R"
    flags = ("L" if lower else "U", "T" if across == (x.columns or k == 1) else "N", "U" if op.unit_diagonal else "N")
    arguments: tuple[Any, ...]
    if k == 1:
        step = 1 if x.columns else x.leading
        name, arguments = "trsv", (*flags, n, matrix.view, matrix.leading, x.view, step)
    else:
        shape = (n, k) if x.columns else (k, n)
        one = out.type.dtype.type(1)
        arguments = (side, flags[0], flags[1], flags[2], *shape, one, matrix.view, matrix.leading, x.view, x.leading)
        name = "trsm"
    low.statements.append(LibraryCall(letter + name, arguments, x.view.shape[0], (x.view,), low.note(node)))
    deliver(low, out, target)
    return True


@dataclass(frozen=True, slots=True)
class Factors:
    """LU factors of matrices, or of their transposes if `flipped`: `[..., n, n]` in columns, the row that each step
    exchanged (`[..., n]`, from 1) and what the routine reported for each factorisation."""

    lu: StridedView
    pivots: StridedView
    info: StridedView
    flipped: bool = False


def factorised(low: Lowering, node: Node, a: Value) -> Factors:
    """The LU factors of a value's matrices. One factorisation serves all ops on them and on their transposes."""
    source = low.view(a)
    key = source.buffer, source.offset, source.shape, source.strides
    if key not in low.factors:
        *lead, n, _ = source.shape
        # Copies of one matrix are factorised once.
        one = [1] * len(lead) if not any(source.strides[:-2]) else lead
        first = StridedView(source.buffer, source.offset, (*one, n, n), source.strides)
        lu, pivots = memory(source.dtype, first.shape, columns=True), memory(INT32, (*one, n))
        low.copy(first, lu, low.note(node))
        stack, rows = matrices(lu).view, flat(pivots)
        info = call(low, node, "getrf", (n, n, stack, n, rows), [stack, rows])
        found = Factors(lu.broadcast(source.shape), pivots.broadcast((*lead, n)), info)
        low.factors[key] = found
        other = transposed(source)
        flipped = Factors(found.lu, found.pivots, info, flipped=True)
        low.factors.setdefault((other.buffer, other.offset, other.shape, other.strides), flipped)
    return low.factors[key]  # type: ignore[no-any-return]


@matrix_rule(Solve, message=_SINGULAR)
def solve(low: Lowering, node: Node) -> bool:
    (a, b), (out,) = node.inputs, node.outputs
    factors = factorised(low, node, a)
    succeeded(low, node, factors.info, _SINGULAR)
    if not out.type.size:
        low.place(out)
        return True
    target = result(low, out, columns=True, only=True)
    low.copy(low.view(b), target, low.note(node))
    lu, x = matrices(factors.lu), matrices(target)
    n, k = out.type.shape[-2:]
    arguments = ("T" if factors.flipped else "N", n, k, lu.view, n, flat(factors.pivots), x.view, x.leading)
    call(low, node, "getrs", arguments, [x.view])
    deliver(low, out, target)
    return True


@matrix_rule(Inv, message=_SINGULAR)
def inv(low: Lowering, node: Node) -> bool:
    (a,), (out,) = node.inputs, node.outputs
    factors = factorised(low, node, a)
    succeeded(low, node, factors.info, _SINGULAR)
    # The inverse of the transpose, in columns, is the inverse in rows.
    target = result(low, out, columns=not factors.flipped, only=True)
    inverse = transposed(target) if factors.flipped else target
    low.copy(factors.lu, inverse, low.note(node))
    x, n, dtype = matrices(inverse), out.type.shape[-1], out.type.dtype
    size = workspace(f"{LETTERS[dtype.char]}getri", n, None, n, None, "work", -1, None)
    space = work(dtype, size)
    arguments = (n, x.view, x.leading, flat(factors.pivots), space, size)
    call(low, node, "getri", arguments, [x.view, space])
    deliver(low, out, target)
    return True


# -- factors and pivots, as results -------------------------------------------------------------------------------


@matrix_rule(Lu)
def lu(low: Lowering, node: Node) -> bool:
    (a,), (out, pivots) = node.inputs, node.outputs
    if not a.type.size:
        return False
    m, n = a.type.shape[-2:]
    target = result(low, out, columns=True, only=True)
    low.copy(low.view(a), target, low.note(node))
    exchanged = memory(INT32, pivots.type.shape)
    x, rows = matrices(target), flat(exchanged)
    # A singular matrix has factors as well.
    call(low, node, "getrf", (m, n, x.view, x.leading, rows), [x.view, rows])
    deliver(low, out, target)
    row = operation("subtract", convert(Load(INT32, exchanged), INT64), Const(INT64, np.int64(1)))
    low.statements.append(LoopNest(pivots.type.shape, [Store(low.place(pivots), row)], note=low.note(node)))
    return True


@rule(Permutation)
def permutation(low: Lowering, node: Node) -> bool:
    (pivots,), (out,) = node.inputs, node.outputs
    if not pivots.type.size or not out.type.size:
        return False
    n, shape = out.type.shape[-1], out.type.shape
    exchanged, order = memory(INT32, pivots.type.shape), memory(np.dtype(float), shape)
    row = operation("add", low.scalar(pivots, pivots.type.shape), Const(pivots.type.dtype, pivots.type.dtype.type(1)))
    low.statements.append(LoopNest(pivots.type.shape, [Store(exchanged, convert(row, INT32))], note=low.note(node)))
    here = convert(Index(INT64, len(shape) - 1), order.dtype)
    low.statements.append(LoopNest(shape, [Store(order, here)], note=low.note(node)))
    x, rows = flat(order), flat(exchanged)
    arguments = (1, x, n, 1, pivots.type.shape[-1], rows, 1)
    low.statements.append(LibraryCall("dlaswp", arguments, x.shape[0], (x,), low.note(node)))
    found = convert(Load(order.dtype, order), INT64)
    low.statements.append(LoopNest(shape, [Store(low.place(out), found)], note=low.note(node)))
    return True


# -- determinants -------------------------------------------------------------------------------------------------


@matrix_rule(Det, Slogdet)
def determinant(low: Lowering, node: Node) -> bool:
    (a,), outputs = node.inputs, node.outputs
    lead, n, dtype = a.type.shape[:-2], a.type.shape[-1], a.type.dtype
    if not a.type.size:
        for v, value in zip(outputs, (1, 0), strict=False):
            low.fill(low.place(v), value, low.note(node))
        return True
    factors = factorised(low, node, a)
    lu = factors.lu
    pivot = Load(dtype, StridedView(lu.buffer, lu.offset, (*lead, n), (*lu.strides[:-2], n + 1)))
    size = operation("abs", pivot)
    real, direction = size.dtype, phase(pivot)
    step = operation("add", Index(INT64, len(lead)), Const(INT64, np.int64(1)))
    kept = operation("equal", Load(INT32, factors.pivots), convert(step, INT32))
    signed = where(kept, direction, operation("negative", direction))
    sign = Reduction("prod", signed, (len(lead),), initial("prod", dtype))
    logarithm = Reduction("sum", operation("log", size), (len(lead),), initial("sum", real))
    found: list[Any] = []
    for i, reduction in enumerate((sign, logarithm)):
        if lead:
            view = low.place(outputs[i]) if len(outputs) == 2 else memory(reduction.value.dtype, lead)
            reduction.target = StridedView(view.buffer, view.offset, (*lead, n), (*view.strides, 0))
            found.append(Load(view.dtype, view))
        else:
            reduction.result = ReductionResult(reduction.value.dtype)
            found.append(reduction.result)
    low.statements.append(LoopNest((*lead, n), reductions=[sign, logarithm], note=low.note(node)))
    if len(outputs) == 1:
        det = operation("multiply", found[0], convert(operation("exp", found[1]), dtype))
        if lead:
            low.statements.append(LoopNest(lead, [Store(low.place(outputs[0]), det)], note=low.note(node)))
        else:
            low.env[outputs[0]] = det
    elif not lead:
        low.env.update(zip(outputs, found, strict=True))
    return True

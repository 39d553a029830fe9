"""Stacks of matrices for LAPACK: how they stand in memory, and the call of a routine for each of them.

The routines want the elements of a column side by side. A matrix in C order is to them its transpose, which often
serves as well: a triangular or Hermitian matrix is then the other triangle. What they overwrite is a copy, which the
arena's layout puts in the operand's own place where that is read for the last time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

from graphad.executors.loops.lower import Lowering
from graphad.executors.loops.program import Buffer, LibraryCall, Load, LoopNest, RuntimeCheck, StridedView
from graphad.executors.loops.routines import LETTERS
from graphad.graph import Node, Value
from graphad.location import describe_location
from graphad.ops.scalar import Const, operation
from graphad.types import DType, Shape

INT32 = np.dtype(np.int32)


@dataclass(frozen=True, slots=True)
class MatrixStack:
    """Matrices that a routine can take: `view` is `[count, m, n]`, `columns` tells whether the elements of a column are
    neighbours, or else those of a row, and `leading` is how far apart the columns, or else the rows, stand."""

    view: StridedView
    columns: bool
    leading: int


def stacked(view: StridedView) -> MatrixStack | None:
    """The matrices of a view; None if neither their columns' nor their rows' elements are neighbours."""
    m, n = view.shape[-2:]
    flat = view.reshape((math.prod(view.shape[:-2]), m, n))
    if flat is None:
        return None
    row, column = flat.strides[1:]
    if (row == 1 or m == 1) and (column >= m or n == 1):
        return MatrixStack(flat, True, max(column if n > 1 else 0, m, 1))
    if (column == 1 or n == 1) and (row >= n or m == 1):
        return MatrixStack(flat, False, max(row if m > 1 else 0, n, 1))
    return None


# -- memory -------------------------------------------------------------------------------------------------------


def transposed(view: StridedView) -> StridedView:
    """The last two axes exchanged."""
    n = len(view.shape)
    return view.transpose((*range(n - 2), n - 1, n - 2))


def memory(dtype: DType, shape: Shape, columns: bool = False) -> StridedView:
    """New memory in the arena; matrices in columns if asked for."""
    buffer = Buffer("temporary", dtype, math.prod(shape))
    if not columns:
        return StridedView.whole(buffer, shape)
    return transposed(StridedView.whole(buffer, (*shape[:-2], shape[-1], shape[-2])))


def work(dtype: DType, size: int) -> StridedView:
    """Memory that the calls for all matrices share."""
    return StridedView(Buffer("temporary", dtype, size), 0, (1, size), (0, 1))


def result(low: Lowering, v: Value, columns: bool, only: bool = False) -> StridedView:
    """Memory for a result: where the graph returns it, if that is in columns or in rows (in `columns` if `only` those
    will do), or else new memory in columns or in rows."""
    home = low.homes.get(v)
    stack = stacked(home) if home is not None else None
    if home is not None and stack is not None and (not only or stack.columns == columns):
        return home
    return memory(v.type.dtype, v.type.shape, columns)


def deliver(low: Lowering, v: Value, view: StridedView) -> None:
    """Let a view be a result, or copy it to where the graph returns that."""
    home = low.homes.get(v)
    if home is not None and home is not view:
        low.copy(view, home)
    low.env[v] = home or view


def in_columns(view: StridedView) -> bool:
    """Whether the matrices of a view stand in columns."""
    stack = stacked(view)
    return stack is not None and stack.columns


def matrices(view: StridedView) -> MatrixStack:
    """The matrices of memory that was made for them."""
    found = stacked(view)
    assert found is not None
    return found


def flat(rows: StridedView) -> StridedView:
    """One row for each matrix as `[count, n]`, of memory that was made for them."""
    found = rows.reshape((math.prod(rows.shape[:-1]), rows.shape[-1]))
    assert found is not None
    return found


def readable(low: Lowering, view: StridedView) -> MatrixStack:
    """The matrices of a view, copied only if a routine could not read them in place."""
    found = stacked(view) or stacked(low.compact(view))
    assert found is not None
    return found


# -- calls --------------------------------------------------------------------------------------------------------


def call(
    low: Lowering, node: Node, routine: str, arguments: Sequence[Any], writes: Sequence[StridedView]
) -> StridedView:
    """Call a LAPACK routine, named without its first letter, for each matrix; answers the view of what it reports."""
    count = writes[0].shape[0]
    info = memory(INT32, (count,))
    name = LETTERS[writes[0].dtype.char] + routine
    low.statements.append(LibraryCall(name, (*arguments, info), count, (*writes, info), low.note(node)))
    return info


def failure(low: Lowering, node: Node, message: str) -> int:
    """The number of a new `LinAlgError` of a node."""
    return low.error(f"{node.op.name}: {message}{describe_location(node.where)}", LinAlgError)


def succeeded(low: Lowering, node: Node, info: StridedView, message: str) -> None:
    """Stop with `LinAlgError` unless a routine reported success for every matrix."""
    condition = operation("equal", Load(INT32, info), Const(INT32, np.int32(0)))
    low.statements.append(LoopNest(info.shape, checks=[RuntimeCheck(condition, failure(low, node, message))]))

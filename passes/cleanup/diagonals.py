"""Products with identity matrices, and with what is made of them: the seeds of Jacobians and Hessians."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from graphad.graph import Constant, Graph, Node, Value
from graphad.op import Op
from graphad.ops.arithmetic import equal
from graphad.ops.dot_general import DotGeneral
from graphad.ops.elementwise import Cast, Elementwise
from graphad.ops.machinery import multiply, select
from graphad.ops.reduce import Sum
from graphad.ops.shape import BroadcastTo, Iota, Reshape, Transpose, broadcast_to, moveaxis, reshape, transpose
from graphad.passes.base import graph_pass
from graphad.passes.cleanup.dce import dce
from graphad.rewriter import Recorder
from graphad.types import DType


class Diagonal(NamedTuple):
    """What is known of an array that is zero wherever its indices along two axes differ.

    `kept` has what stands where they are equal, along the first of the `axes`, and lacks the second.
    """

    axes: tuple[int, int]
    kept: Any


@graph_pass
def diagonals(graph: Graph) -> Graph:
    """Where a derivative contracts or sums a diagonal array, contract or sum its diagonal alone.

    Jacobians differentiate along the columns of the identity. Those stay diagonal through elementwise ops, and a
    product with them, cubic in their number as it is written, takes a part of the other factor. Only derivatives are
    changed: a result that does not depend on an element is not touched by an infinite or undefined factor of it.
    Regions are treated too.
    """
    graph = graph.replace(nodes=[node.map_regions(diagonals) for node in graph.nodes])
    recorder = Recorder(graph, graph.inputs)
    known: dict[Value, Diagonal] = {}
    makers: dict[Value, Node] = {}
    fired = False
    with recorder:
        for node in recorder.walk():
            recorder.keep(node)
            if isinstance(node.op, _SEEDS):
                makers.update(dict.fromkeys(node.outputs, node))
                if _is_identity(node, makers):
                    known[node.outputs[0]] = _identity(node.outputs[0])
            rule = _rule(node)
            if rule is None:
                continue
            diagonal = [known.get(v) or _constant(v) for v in node.inputs]
            if not any(diagonal):
                continue
            recorder.at(node)
            found = rule(node, recorder.operands(node), diagonal)
            if isinstance(found, Diagonal):
                known[node.outputs[0]] = found
            elif found is not None:
                recorder.replace(node, recorder.results(node, found))
                fired = True
    return dce(recorder.finish()) if fired else graph


# -- where diagonals come from ----------------------------------------------------------------------------------------

_SEEDS = (Iota, Reshape, type(equal), Cast)


def _is_identity(node: Node, makers: dict[Value, Node]) -> bool:
    """Whether a node gives an identity matrix: the comparison of a range, as a column, with itself."""
    compared = makers.get(node.inputs[0]) if isinstance(node.op, Cast) else None
    if compared is None or compared.op is not equal:
        return False
    column, row = (makers.get(v) for v in compared.inputs)
    if column is None or row is None or not isinstance(column.op, Reshape) or not isinstance(row.op, Iota):
        return False
    return column.inputs == row.outputs and column.op.shape == (row.op.size, 1) and row.op.size > 1


def _constant(v: Value) -> Diagonal | None:
    """What is known of an identity matrix that stands in the graph as a constant."""
    if not isinstance(v, Constant) or v.type.ndim != 2 or not 1 < v.type.shape[0] == v.type.shape[1]:
        return None
    first = v.array[0]
    if first[0] != 1 or first[1:].any():  # most matrices are told by their first row
        return None
    return _identity(v) if np.array_equal(v.array, np.eye(v.type.shape[0])) else None


def _identity(v: Value) -> Diagonal:
    return Diagonal((0, 1), np.ones(v.type.shape[0], v.type.dtype))


# -- what ops make of them --------------------------------------------------------------------------------------------

Known = Sequence[Diagonal | None]


def _transposed(node: Node, xs: list[Any], known: Known) -> Any:
    op: Any = node.op
    (a, b), kept = _one(known)
    first, second = sorted((op.axes.index(a), op.axes.index(b)))
    left = _without([a if i == b else i for i in op.axes], second)  # the axis that is left stands for both
    return Diagonal((first, second), transpose(kept, [i - (i > b) for i in left]))


def _reshaped(node: Node, xs: list[Any], known: Known) -> Any:
    op: Any = node.op
    axes, kept = _one(known)
    first, second = (_same_axis(node.inputs[0].type.shape, op.shape, i) for i in axes)
    if first is None or second is None:
        return None
    return Diagonal((first, second), reshape(kept, _without(op.shape, second)))


def _same_axis(before: Sequence[int], after: Sequence[int], axis: int) -> int | None:
    """Which axis after a reshape is an axis, of more than one element, before it."""
    outer = math.prod(before[:axis])
    found = [i for i, n in enumerate(after) if n == before[axis] and math.prod(after[:i]) == outer]
    return found[0] if found else None


def _broadcast(node: Node, xs: list[Any], known: Known) -> Any:
    op: Any = node.op
    (a, b), kept = _one(known)
    more = len(op.shape) - node.inputs[0].type.ndim
    return Diagonal((a + more, b + more), broadcast_to(kept, _without(op.shape, b + more)))


def _summed(node: Node, xs: list[Any], known: Known) -> Any:
    op: Any = node.op
    (a, b), kept = _one(known)
    if a in op.axes and b in op.axes:
        return _sum(kept, [i - (i > b) for i in op.axes if i != b])
    others = [i for i in op.axes if i not in (a, b)]
    kept = _sum(kept, [i - (i > b) for i in others])
    first, second = (i - sum([j < i for j in others]) for i in (a, b))
    if b in op.axes:
        return kept
    return moveaxis(kept, first, second - 1) if a in op.axes else Diagonal((first, second), kept)


def _sum(x: Any, axes: list[int]) -> Any:
    return Sum(tuple(axes))(x) if axes else x


def _elementwise(node: Node, xs: list[Any], known: Known) -> Any:
    op: Any = node.op
    zeros = tuple([x is not None or _is_zero(v) for x, v in zip(known, node.inputs, strict=True)])
    if not _keeps_zeros(op, zeros, tuple([v.type.dtype for v in node.inputs])):
        return None
    missing = [node.outputs[0].type.ndim - v.type.ndim for v in node.inputs]
    pairs = {(x.axes[0] + m, x.axes[1] + m) for x, m in zip(known, missing, strict=True) if x is not None}
    if len(pairs) > 1:
        return None
    ((a, b),) = pairs
    kept = []
    for x, v, diagonal, m in zip(xs, node.inputs, known, missing, strict=True):
        if diagonal is not None:
            kept.append(reshape(diagonal.kept, (*(1,) * m, *diagonal.kept.shape)))
            continue
        shape = (*(1,) * m, *v.type.shape)
        if shape[a] != 1 and shape[b] != 1:
            return None
        part = reshape(x, _without(shape, b if shape[b] == 1 else a))
        kept.append(part if shape[b] == 1 else moveaxis(part, b - 1, a))
    return Diagonal((a, b), op(*kept))


def _is_zero(v: Value) -> bool:
    return isinstance(v, Constant) and not v.type.shape and bool(v.array == 0)


@lru_cache(maxsize=1024)
def _keeps_zeros(op: Elementwise, zeros: tuple[bool, ...], dtypes: tuple[DType, ...]) -> bool:
    """Whether an op gives zero where some of its operands are zero, whatever the others are."""
    if op is select:
        return zeros[1] and zeros[2]
    if op.effect or not (all(zeros) or any([zeros[i] for i in op.multilinear])):
        return False
    # It is linear, or affine as a sum is: then it is not zero.
    xs = [np.asarray(0.0 if zero else 1.5).astype(dtype) for zero, dtype in zip(zeros, dtypes, strict=True)]
    return not op.eval(np, *xs)


def _product(node: Node, xs: list[Any], known: Known) -> Any:
    """The product of a diagonal array with another: along the diagonal it is a batch of products."""
    op: Any = node.op
    side = 0 if known[0] is not None else 1
    (a, b), kept = _one(known)
    free = op.free(*[v.type.ndim for v in node.inputs])
    contract, batch = ([list(op.lhs_contract), list(op.rhs_contract)], [list(op.lhs_batch), list(op.rhs_batch)])
    outside = [i for i in (a, b) if i in free[side]]
    if not outside:
        return None
    places = [batch[side].index(i) if i in batch[side] else _place(i, free, side, len(batch[0])) for i in (a, b)]
    pair = None
    if len(outside) == 1 and b + a - outside[0] in contract[side]:
        pair = contract[side].index(a + b - outside[0])
        for axes, more in zip(contract, batch, strict=True):
            more.append(axes.pop(pair))
    for axes in (contract[side], batch[side]):
        axes[:] = [a if i == b else i - (i > b) for i in axes]
    operands = [kept if i == side else x for i, x in enumerate(xs)]
    found = _contracted(op.over(*map(tuple, (*contract, *batch))), *operands)
    if pair is None:
        return Diagonal((min(places), max(places)), found)
    return moveaxis(found, len(batch[0]) - 1, _place(outside[0], free, side, len(batch[0]) - 1))


def _place(axis: int, free: Sequence[Sequence[int]], side: int, batch: int) -> int:
    """Which axis of a product an axis of one of its factors is that is neither summed nor a batch axis."""
    return batch + (len(free[0]) if side else 0) + list(free[side]).index(axis) if axis in free[side] else -1


def _contracted(op: DotGeneral, x: Any, y: Any) -> Any:
    """A product, as one of elements if nothing is summed."""
    if op.lhs_contract:
        return op(x, y)
    left, right = op.free(x.ndim, y.ndim)
    x, y = transpose(x, (*op.lhs_batch, *left)), transpose(y, (*op.rhs_batch, *right))
    batch = len(op.lhs_batch)
    x = reshape(x, (*x.shape, *(1,) * len(right)))
    return multiply(x, reshape(y, (*y.shape[:batch], *(1,) * len(left), *y.shape[batch:])))


def _without(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], *shape[axis + 1 :])


def _one(known: Known) -> Diagonal:
    return next(x for x in known if x is not None)


_RULES: dict[type[Op], Callable[[Node, list[Any], Known], Any]] = {
    Transpose: _transposed,
    Reshape: _reshaped,
    BroadcastTo: _broadcast,
    Sum: _summed,
    DotGeneral: _product,
}


def _rule(node: Node) -> Callable[[Node, list[Any], Known], Any] | None:
    if node.where is None or not node.where.role:
        return None
    return _RULES.get(type(node.op)) or (_elementwise if isinstance(node.op, Elementwise) else None)

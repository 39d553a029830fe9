"""Running sums, products and extremes: along their axis one after another, across it loops over all elements."""

from __future__ import annotations

import math

import numpy as np

from graphad.executors.loops.control import moving
from graphad.executors.loops.kernels import combine
from graphad.executors.loops.lower import Lowering, rule
from graphad.executors.loops.program import (
    Buffer,
    Iteration,
    Load,
    LoopNest,
    SequentialLoop,
    Store,
    StridedView,
)
from graphad.graph import Node
from graphad.ops.cumulative import Cummax, Cummin, Cumprod, Cumsum, Cumulative
from graphad.ops.scalar import Const
from graphad.types import INT64


@rule(Cumsum, Cumprod, Cummax, Cummin)
def running(low: Lowering, node: Node) -> bool:
    op = node.op
    assert isinstance(op, Cumulative)
    if op.combines in ("max", "min") and node.outputs[0].type.dtype.kind == "c":
        return False  # complex numbers have an order in NumPy only
    x, out = low.view(node.inputs[0]), low.place(node.outputs[0])
    if node.outputs[0].type.size:
        low.statements.append(_along(op, x, out, op.axis, low, low.note(node)))
    return True


def _along(op: Cumulative, x: StridedView, out: StridedView, axis: int, low: Lowering, note: str) -> SequentialLoop:
    """The loop for arrays whose axes before the running one are those of sequential loops around it."""
    if axis:
        outer = SequentialLoop(*_count(x.shape[0]), [], note=note)
        inner, target = (moving(outer, v, v.shape[1:]) for v in (x, out))
        outer.body.append(_along(op, inner, target, axis - 1, low, note))
        return outer
    n, space = x.shape[0], x.shape[1:]
    first, rest = (n - 1, 0) if op.reverse else (0, 1)
    loop = SequentialLoop(*_count(n - 1), [], reverse=op.reverse, note=note)
    size = math.prod(space)
    total = StridedView.whole(Buffer("local" if size <= low.local else "temporary", x.dtype, size), space)
    begin, beginning = (_rows(v, first, 1) for v in (out, x))
    begin, beginning = (StridedView(v.buffer, v.offset, space, v.strides[1:]) for v in (begin, beginning))
    current, term = (moving(loop, _rows(v, rest, n - 1), space) for v in (out, x))
    start, found = Load(x.dtype, beginning), combine(op.combines, Load(x.dtype, total), Load(x.dtype, term))
    loop.before.append(LoopNest(space, [Store(begin, start), Store(total, start)], note=note))
    loop.body.append(LoopNest(space, [Store(current, found), Store(total, found)], note=note))
    return loop


def _count(n: int) -> tuple[Iteration, Const]:
    return Iteration(INT64, n), Const(INT64, np.int64(n))


def _rows(view: StridedView, start: int, count: int) -> StridedView:
    """Some of the entries of a view along its first axis."""
    inner = view.shape[1:]
    return view.slice((start, *(0,) * len(inner)), (1,) * len(view.shape), (count, *inner))

"""Running sums, products and extremes: along their axis one after another, across it loops over all elements."""

from __future__ import annotations

import numpy as np

from graphad.executors.loops.kernels import combine
from graphad.executors.loops.lower import Lowering, rule
from graphad.executors.loops.program import (
    Buffer,
    Const,
    Entry,
    Iteration,
    Load,
    LoopNest,
    SequentialLoop,
    Statement,
    Store,
    StridedView,
)
from graphad.graph import Node
from graphad.ops.cumulative import Cummax, Cummin, Cumprod, Cumsum, Cumulative
from graphad.types import INT64


@rule(Cumsum, Cumprod, Cummax, Cummin)
def running(low: Lowering, node: Node) -> bool:
    op = node.op
    assert isinstance(op, Cumulative)
    x, out = low.view(node.inputs[0]), low.place(node.outputs[0])
    if node.outputs[0].type.size:
        low.statements += _along(op, x, out, op.axis, low.note(node), "local" if low.local else "temporary")
    return True


def _along(
    op: Cumulative, x: StridedView, out: StridedView, axis: int, note: str, cell: str
) -> list[Statement]:
    """The statements for arrays, whose axes before the running one are those of sequential loops."""
    if axis:
        outer = SequentialLoop(*_count(x.shape[0]), [], note=note)
        outer.body = _along(op, _entry(outer, x), _entry(outer, out), axis - 1, note, cell)
        return [outer]
    n, dtype = x.shape[0], out.dtype
    first, back, ahead = (n - 1, 0, 1) if op.reverse else (0, 1, 0)
    loop = SequentialLoop(*_count(n - 1), [], reverse=op.reverse, note=note)
    (start, x0), space = (_rows(v, first, 1) for v in (out, x)), x.shape[1:]
    row, beginning = (StridedView(v.buffer, v.offset, space, v.strides[1:]) for v in (start, x0))
    current, term = (_entry(loop, _rows(v, back, n - 1)) for v in (out, x))
    if space:
        before = _entry(loop, _rows(out, ahead, n - 1))
        begin = [Store(row, Load(dtype, beginning))]
    else:
        before = StridedView(Buffer(cell, dtype, 1), 0, (), ())
        begin = [Store(v, Load(dtype, beginning)) for v in (row, before)]
    found = combine(op.combines, Load(dtype, before), Load(dtype, term))
    loop.before.append(LoopNest(space, begin, note=note))
    stores = [Store(current, found)] if space else [Store(current, found), Store(before, found)]
    loop.body.append(LoopNest(space, stores, note=note))
    return [loop]


def _count(n: int) -> tuple[Iteration, Const]:
    return Iteration(INT64, n), Const(INT64, np.int64(n))


def _rows(view: StridedView, start: int, count: int) -> StridedView:
    """Some of the entries of a view along its first axis."""
    inner = view.shape[1:]
    return view.slice((start, *(0,) * len(inner)), (1,) * len(view.shape), (count, *inner))


def _entry(loop: SequentialLoop, view: StridedView) -> StridedView:
    """The entry of a view along its first axis at a sequential loop's position."""
    shape = view.shape[1:]
    buffer = Buffer("moving", view.dtype, max(int(np.prod(shape, dtype=int)), 1), parents=(view.buffer,))
    loop.entries.append(Entry(buffer, view))
    return StridedView(buffer, 0, shape, view.strides[1:])

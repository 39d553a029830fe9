"""Lowering of shape ops: views at no cost, and copies into parts of a larger array."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.executors.loops.lower import Lowering, rule
from graphad.executors.loops.positions import seen
from graphad.executors.loops.program import Index, Load, LoopNest, Store, StridedView
from graphad.executors.loops.ranges import narrowed
from graphad.graph import Node
from graphad.op import Op
from graphad.ops.dynamic import DynamicSlice, DynamicUpdateSlice
from graphad.ops.scalar import Const, Scalar, convert, operation
from graphad.ops.shape import Concatenate, Iota
from graphad.ops.slicing import Pad
from graphad.types import INT64, Shape


def _attributes(node: Node) -> Any:
    return node.op


@rule(Op)
def view(low: Lowering, node: Node) -> bool:
    """Whatever op gives a view."""
    if not node.op.view:
        return False
    (source,), (out,) = node.inputs, node.outputs
    if not out.type.size:
        low.place(out)
    elif source.type.size == 1 or isinstance(low.env.get(source), Scalar):
        low.env[out] = low.scalar(source, ())
    else:
        x = low.view(source)
        found = seen(node.op, x, source.type) or seen(node.op, low.compact(x), source.type)
        assert found is not None
        low.env[out] = found
    return True


@rule(Concatenate)
def concatenate(low: Lowering, node: Node) -> bool:
    target = low.place(node.outputs[0])
    axis, at = _attributes(node).axis, 0
    ndim = len(target.shape)
    single: list[Store] = []  # what scalars have in common is then looked at once
    for v in node.inputs:
        start = [0] * ndim
        start[axis] = at
        at += v.type.shape[axis]
        if v.type.size:
            part = target.slice(start, (1,) * ndim, v.type.shape)
            store = Store(part, low.scalar(v, v.type.shape))
            if v.type.size == 1:
                single.append(store)
            else:
                low.statements.append(LoopNest(v.type.shape, [store], note=low.note(node)))
    if single:
        low.statements.append(LoopNest(single[0].view.shape, single, note=low.note(node)))
    return True


@rule(Pad)
def pad(low: Lowering, node: Node) -> bool:
    op = _attributes(node)
    (v,), (out,) = node.inputs, node.outputs
    target = low.place(out)
    low.fill(target, 0, low.note(node))
    start, step, first, count = [], [], [], []
    for n, m, a, k in zip(v.type.shape, out.type.shape, op.low, op.interior, strict=True):
        # Element i of the operand goes to a + i * (k + 1), where that lies within the result.
        i0 = max(0, math.ceil(-a / (k + 1)))
        i1 = min(n - 1, (m - 1 - a) // (k + 1))
        first.append(i0)
        count.append(max(0, i1 - i0 + 1))
        start.append(a + i0 * (k + 1))
        step.append(k + 1)
    if 0 not in count:
        shape = tuple(count)
        source = low.view(v).slice(first, (1,) * len(shape), shape)
        low.copy(source, target.slice(start, step, shape), low.note(node))
    return True


@rule(Iota)
def iota(low: Lowering, node: Node) -> bool:
    (out,) = node.outputs
    if out.type.dtype.char == "e":
        return False
    target = low.place(out)
    if out.type.size:
        value = convert(Index(INT64, 0), out.type.dtype)
        low.statements.append(LoopNest(out.type.shape, [Store(target, value)], note=low.note(node)))
    return True


@rule(DynamicSlice)
def dynamic_slice(low: Lowering, node: Node) -> bool:
    (out,) = node.outputs
    target = low.place(out)
    shape = out.type.shape
    if out.type.size:
        x = low.view(node.inputs[0])
        shift = _clamped(low, node.inputs[1:], x, shape)
        part = StridedView(x.buffer, x.offset, shape, x.strides)
        low.statements.append(LoopNest(shape, [Store(target, Load(x.dtype, part, shift))], note=low.note(node)))
    return True


@rule(DynamicUpdateSlice)
def dynamic_update_slice(low: Lowering, node: Node) -> bool:
    x, update, *starts = node.inputs
    target = low.place(node.outputs[0])
    low.copy(low.view(x), target, low.note(node))
    shape = update.type.shape
    if update.type.size:
        shift = _clamped(low, starts, target, shape)
        part = StridedView(target.buffer, target.offset, shape, target.strides)
        store = Store(part, low.scalar(update, shape), shift)
        low.statements.append(LoopNest(shape, [store], note=low.note(node)))
    return True


def _clamped(low: Lowering, starts: Any, x: StridedView, sizes: Shape) -> Scalar | None:
    shift: Scalar | None = None
    for v, n, m, stride in zip(starts, x.shape, sizes, x.strides, strict=True):
        if n == m:
            continue
        start, known = narrowed(convert(low.scalar(v, ()), INT64))
        if known is None or known[1] > n - m:
            start = operation("minimum", start, Const(INT64, np.int64(n - m)))
        if known is None or known[0] < 0:
            start = operation("maximum", Const(INT64, np.int64(0)), start)
        term = operation("multiply", start, Const(INT64, np.int64(stride)))
        shift = term if shift is None else operation("add", shift, term)
    return shift

"""Lowering of gathers and scatters: loops whose addresses are computed, each index checked against its axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.executors.loops.lower import Lowering, rule
from graphad.executors.loops.program import Load, LoopNest, RuntimeCheck, Store, StridedView
from graphad.executors.loops.ranges import narrowed
from graphad.graph import Node, Value
from graphad.location import describe_location
from graphad.ops.gather import Gather, ScatterAdd, ScatterSet
from graphad.ops.scalar import Const, Scalar, convert, operation, where
from graphad.types import INT64, Shape


@rule(Gather)
def gather(low: Lowering, node: Node) -> bool:
    x, *indices = node.inputs
    (out,) = node.outputs
    op: Any = node.op
    if not x.type.size:
        return False
    loop = LoopNest(out.type.shape, note=low.note(node))
    if not out.type.shape and x.type.dtype.char != "e":
        # One number is read here and now, before anything changes what it is read from.
        shift = _address(low, node, loop, low.view(x), op.axes, indices)
        view = low.view(x)
        found = Load(x.type.dtype, StridedView(view.buffer, view.offset, (), ()), shift)
        low.env[out] = found
        loop.values.append(found)
        low.statements.append(loop)
    elif out.type.size:
        shift = _address(low, node, loop, low.view(x), op.axes, indices)
        part = _window(low.view(x), op.axes, indices[0].type.ndim, out.type.shape)
        loop.stores.append(Store(low.place(out), Load(x.type.dtype, part, shift)))
        low.statements.append(loop)
    else:
        low.place(out)
    return True


@rule(ScatterAdd, ScatterSet)
def scatter(low: Lowering, node: Node) -> bool:
    x, updates, *indices = node.inputs
    op: Any = node.op
    if not x.type.size or x.type.dtype.char == "e":
        return False
    source = low.view(x)
    target = low.place(node.outputs[0])
    low.copy(source, target, low.note(node))
    shape = updates.type.shape
    if updates.type.size:
        loop = LoopNest(shape, note=low.note(node))
        shift = _address(low, node, loop, target, op.axes, indices)
        part = _window(target, op.axes, indices[0].type.ndim, shape)
        loop.stores.append(Store(part, low.scalar(updates, shape), shift, add=isinstance(op, ScatterAdd)))
        low.statements.append(loop)
    return True


def _window(x: StridedView, axes: Sequence[int], lead: int, shape: Shape) -> StridedView:
    rest = [s for i, s in enumerate(x.strides) if i not in axes]
    return StridedView(x.buffer, x.offset, shape, (*(0,) * lead, *rest))


def _address(
    low: Lowering, node: Node, loop: LoopNest, x: StridedView, axes: Sequence[int], indices: Sequence[Value]
) -> Scalar:
    lead = indices[0].type.ndim
    total: Scalar | None = None
    zero = Const(INT64, np.int64(0))
    for axis, v in zip(axes, indices, strict=True):
        n = x.shape[axis]
        index = low.scalar(v, loop.space[:lead])
        if isinstance(index, Load) and index.view.shape:
            rest = (0,) * (len(loop.space) - lead)
            view = StridedView(index.view.buffer, index.view.offset, loop.space, (*index.view.strides, *rest))
            index = Load(index.dtype, view)
        index, known = narrowed(convert(index, INT64))
        if known is not None and known[0] >= 0 and known[1] < n:
            term = operation("multiply", index, Const(INT64, np.int64(x.strides[axis])))
            total = term if total is None else operation("add", total, term)
            continue
        inside = operation(
            "bitwise_and", operation("greater_equal", index, zero), operation("less", index, Const(INT64, np.int64(n)))
        )
        message = f"{node.op.name}: an index is out of bounds for axis {axis} of extent {n}"
        loop.checks.append(RuntimeCheck(inside, low.error(message + describe_location(node.where))))
        # The check comes after the read, so the address of an index outside is that of element 0.
        safe = where(inside, index, zero)
        term = operation("multiply", safe, Const(INT64, np.int64(x.strides[axis])))
        total = term if total is None else operation("add", total, term)
    assert total is not None
    return total

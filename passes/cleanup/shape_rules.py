"""Rules of `simplify` about types, shapes, sums and products of what is moved."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.graph import Node
from graphad.ops.dot_general import DotGeneral
from graphad.ops.elementwise import Cast, Elementwise, cast
from graphad.ops.reduce import Sum
from graphad.ops.shape import BroadcastTo, Concatenate, Reshape, Transpose, broadcast_to, reshape
from graphad.ops.slicing import Reverse, Slice
from graphad.passes.cleanup.rules import like, made_by, operands, rewrite
from graphad.trace import Tracer


@rewrite(Cast)
def double_cast(node: Node, x: Tracer) -> Any:
    target = node.outputs[0].type.dtype
    if x.dtype == target:
        return x
    inner = made_by(x, Cast)
    if inner is None:
        return None
    source = inner.inputs[0].type.dtype
    rounds = source.itemsize == 8 and source.kind in "iu" and x.dtype.kind in "fc"
    exact = np.can_cast(source, x.dtype, "safe") and not rounds
    return cast(operands(x, inner)[0], target) if exact else None


@rewrite(Reshape, BroadcastTo, Transpose, Slice, Reverse)
def unchanged(node: Node, x: Tracer) -> Any:
    if x.type is not node.outputs[0].type:
        return None
    op = node.op
    if isinstance(op, Transpose):
        return x if op.axes == tuple(range(x.ndim)) else None
    if isinstance(op, Slice):
        return x if all(s > 0 for s in op.step) else None
    if isinstance(op, Reverse):
        return x if all(x.shape[i] == 1 for i in op.axes) else None
    return x


@rewrite(Reshape)
def reshape_of_reshape(node: Node, x: Tracer) -> Any:
    inner = made_by(x, Reshape)
    return reshape(operands(x, inner)[0], node.outputs[0].type.shape) if inner is not None else None


@rewrite(Reshape)
def reshape_of_scalar(node: Node, x: Tracer) -> Any:
    inner = made_by(x, BroadcastTo)
    if inner is None or inner.inputs[0].type.shape:
        return None
    return broadcast_to(operands(x, inner)[0], node.outputs[0].type.shape)


@rewrite(BroadcastTo)
def broadcast_of_broadcast(node: Node, x: Tracer) -> Any:
    inner = made_by(x, BroadcastTo)
    return like(node, operands(x, inner)[0]) if inner is not None else None


@rewrite(BroadcastTo)
def broadcast_of_unit_axes(node: Node, x: Tracer) -> Any:
    inner = made_by(x, Reshape)
    if inner is None:
        return None
    # New leading axes of extent 1 are what broadcasting adds by itself.
    source = inner.inputs[0].type.shape
    lead = x.ndim - len(source)
    return like(node, operands(x, inner)[0]) if lead >= 0 and x.shape == (1,) * lead + source else None


@rewrite(Transpose)
def transpose_of_transpose(node: Node, x: Tracer) -> Any:
    inner = made_by(x, Transpose)
    if inner is None:
        return None
    first = inner.op.attributes["axes"]
    return type(node.op)(tuple(first[i] for i in node.op.attributes["axes"]))(operands(x, inner)[0])  # type: ignore[call-arg]


@rewrite(Sum)
def sum_over_nothing(node: Node, x: Tracer) -> Any:
    return x if not node.op.attributes["axes"] else None


@rewrite(Sum)
def sum_of_broadcast(node: Node, x: Tracer) -> Any:
    inner = made_by(x, BroadcastTo)
    if inner is None:
        return None
    source, axes = inner.inputs[0].type, node.op.attributes["axes"]
    lead = x.ndim - source.ndim
    repeated = [i for i in axes if i < lead or (source.shape[i - lead] == 1 and x.shape[i] != 1)]
    count = int(np.prod([x.shape[i] for i in repeated]))
    if not repeated or not count or (x.dtype.kind == "f" and np.asarray(count, x.dtype) != count):
        return None
    rest = operands(x, inner)[0]
    shape = tuple(n for i, n in enumerate(x.shape) if i not in repeated)
    kept = tuple(n for i, n in enumerate(source.shape, lead) if i not in repeated)
    left = [i for i in range(x.ndim) if i not in repeated]
    rest = broadcast_to(reshape(rest, kept), shape)
    remaining = tuple(left.index(i) for i in axes if i not in repeated)
    return (Sum(remaining)(rest) if remaining else rest) * np.asarray(count, x.dtype)


@rewrite(Sum)
def sum_of_moved(node: Node, x: Tracer) -> Any:
    inner = made_by(x, Transpose, Reshape)
    if inner is None or node.outputs[0].type.shape or len(node.op.attributes["axes"]) != x.ndim:
        return None
    source = operands(x, inner)[0]
    return Sum(tuple(range(source.ndim)))(source)


@rewrite(DotGeneral)
def contraction_of_transpose(node: Node, x: Tracer, y: Tracer) -> Any:
    attributes = dict(node.op.attributes)
    sides = [x, y]
    for i, side in enumerate(("lhs", "rhs")):
        inner = made_by(sides[i], Transpose)
        if inner is None:
            continue
        axes = inner.op.attributes["axes"]
        contract, batch = attributes[f"{side}_contract"], attributes[f"{side}_batch"]
        free = [axes[k] for k in range(len(axes)) if k not in contract and k not in batch]
        if free == sorted(free):
            attributes[f"{side}_contract"] = tuple(axes[k] for k in contract)
            attributes[f"{side}_batch"] = tuple(axes[k] for k in batch)
            sides[i] = operands(sides[i], inner)[0]
    return type(node.op)(**attributes)(*sides) if sides[0] is not x or sides[1] is not y else None


@rewrite(Elementwise)
def implicit_broadcast(node: Node, *xs: Tracer) -> Any:
    # Elementwise ops broadcast by themselves, so an explicit broadcast is applied to their result at most.
    inner = [made_by(x, BroadcastTo) for x in xs]
    if not any(n is not None for n in inner) or len(node.outputs) != 1:
        return None
    stripped = [x if n is None else operands(x, n)[0] for x, n in zip(xs, inner, strict=True)]
    return like(node, node.op(*stripped))


_MOST_PIECES = 1000
"""Operands of one concatenation that others are taken into."""


@rewrite(Concatenate)
def joined_once(node: Node, *xs: Tracer) -> Any:
    """What grows in a loop of Python's, `h = np.append(h, x)`, is copied once, not at each step."""
    pieces: list[Tracer] = []
    for x in xs:
        inner = made_by(x, Concatenate)
        same = inner is not None and inner.op.attributes["axis"] == node.op.attributes["axis"]
        pieces += operands(x, inner) if inner is not None and same else [x]
    return node.op(*pieces) if len(xs) < len(pieces) <= _MOST_PIECES else None


@rewrite(Slice)
def slice_of_joined(node: Node, x: Tracer) -> Any:
    """A part of one piece is read from the piece."""
    inner = made_by(x, Concatenate)
    if inner is None or not node.outputs[0].type.size:
        return None
    (start, stop, step), axis = map(list, node.op.attributes.values()), inner.op.attributes["axis"]
    last = start[axis] + step[axis] * (node.outputs[0].type.shape[axis] - 1)
    at = 0
    for piece in operands(x, inner):
        end = at + piece.shape[axis]
        if at <= start[axis] < end:
            start[axis], stop[axis] = start[axis] - at, min(stop[axis], end) - at
            return Slice(tuple(start), tuple(stop), tuple(step))(piece) if last < end else None
        at = end
    return None

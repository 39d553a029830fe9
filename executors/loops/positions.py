"""Positions: which element of a value a loop reads, as a function of the loop's position.

Along each axis of the value the index is affine in the loop's indices. Guards say where the element exists at all:
what a kernel reads through a pad or a concatenation is there for part of the loop only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from graphad.executors.loops.program import Index, StridedView
from graphad.graph import Node
from graphad.moves import Place, strides
from graphad.op import Op
from graphad.ops.scalar import Const, Scalar, operation
from graphad.ops.shape import Iota, Reshape
from graphad.types import INT64, Shape, TensorType

Affine = tuple[int, ...]
"""A constant and the factor of each index of the loop."""


@dataclass(frozen=True, slots=True)
class IndexRange:
    """`low <= index < high`."""

    index: Affine
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Position:
    """The index along each axis, where all guards hold."""

    index: tuple[Affine, ...]
    guards: tuple[IndexRange, ...] = ()


def identity(space: Shape) -> Position:
    """The loop's own position."""
    zero = (0,) * len(space)
    return Position(tuple((0, *zero[:i], int(n != 1), *zero[i + 1 :]) for i, n in enumerate(space)))


def bounds(index: Affine, space: Shape) -> tuple[int, int]:
    """The smallest and the largest value over the loop."""
    ends = [c * (n - 1) for c, n in zip(index[1:], space, strict=True)]
    return index[0] + sum(min(0, e) for e in ends), index[0] + sum(max(0, e) for e in ends)


def scalar_index(index: Affine) -> Scalar:
    """An index as a scalar of the loop."""
    total: Scalar | None = None if index[0] == 0 and any(index[1:]) else Const(INT64, np.int64(index[0]))
    for axis, factor in enumerate(index[1:]):
        if not factor:
            continue
        term: Scalar = Index(INT64, axis)
        if factor != 1:
            term = operation("multiply", term, Const(INT64, np.int64(factor)))
        total = term if total is None else operation("add", total, term)
    assert total is not None
    return total


def operands(node: Node, at: Position, space: Shape) -> list[tuple[int, Position]] | None:
    """What an op that moves reads for the element of its result at a position: the numbers of operands and positions in
    them, of which the first whose guards hold is the element; zero where none does.

    None for one that cannot tell, such as a reshape that mixes axes.
    """
    op, types = node.op, [v.type for v in node.inputs]
    pieces = [] if isinstance(op, Iota) else op.pieces(*types)
    if pieces is None:
        return None
    found = []
    for piece in pieces:
        index = tuple([_along(at.index, place, space) for place in piece.places])
        there: Position | None = Position(index, at.guards)
        if there is not None and not op.view:
            there = guard(there, types[piece.operand].shape, space)
        if there is not None:
            found.append((piece.operand, there))
    return found


def _along(index: tuple[Affine, ...], place: Place, space: Shape) -> Affine:
    start, step, axis = place
    if not step:
        return (start,) + (0,) * len(space)
    first, *rest = index[axis]
    return index[axis] if (start, step) == (0, 1) else (start + step * first, *[step * c for c in rest])


def seen(op: Op, x: StridedView, kind: TensorType) -> StridedView | None:
    """The result of a view of an array of this type that stands in memory somehow; None where it must be in C order."""
    result = op.infer(kind)
    assert isinstance(result, TensorType)
    pieces = op.pieces(kind)
    if pieces is None and isinstance(op, Reshape):
        return x.reshape(result.shape)
    if pieces is None and not x.contiguous:
        return None
    if pieces is None:
        start, steps = strides(op, kind)
        return StridedView(x.buffer, x.offset + start, result.shape, steps)
    offset, found = x.offset, [0] * result.ndim
    for (start, step, axis), stride in zip(pieces[0].places, x.strides, strict=True):
        offset += start * stride
        if step:
            found[axis] += step * stride
    return StridedView(x.buffer, offset, result.shape, tuple(found))


def behind(op: Op, view: StridedView, kind: TensorType) -> StridedView | None:
    """Where the operand of a view, of this type, must stand for the result to stand in a place; None where that does
    not say where all its elements do."""
    pieces = op.pieces(kind)
    if pieces is None:
        return view.reshape(kind.shape) if isinstance(op, Reshape) else None
    places = pieces[0].places
    whole = math.prod([view.shape[axis] for _, step, axis in places if step])
    if whole != kind.size or kind.size != math.prod(view.shape):
        return None
    offset = view.offset - sum([start * step * view.strides[axis] for start, step, axis in places if step])
    back = tuple([step * view.strides[axis] if step else 0 for _, step, axis in places])
    return StridedView(view.buffer, offset, kind.shape, back)


def broadcast(index: tuple[Affine, ...], shape: Shape) -> tuple[Affine, ...]:
    """The index of an operand of this shape that NumPy's rules broadcast to the axes of `index`."""
    tail = index[len(index) - len(shape) :]
    return tuple([a if n != 1 else (0,) * len(a) for a, n in zip(tail, shape, strict=True)])


def guard(at: Position, shape: Shape, space: Shape) -> Position | None:
    """The position with guards for the axes along which it can leave an array of this shape; None if it never is in."""
    guards = dict.fromkeys(at.guards)
    for a, n in zip(at.index, shape, strict=True):
        low, high = bounds(a, space)
        if high < 0 or low >= n:
            return None
        if low < 0 or high >= n:
            guards[IndexRange(a, 0, n)] = None
    return Position(at.index, tuple(guards))


def condition(guards: tuple[IndexRange, ...], space: Shape) -> Scalar | None:
    """Whether all guards hold, as a scalar of the loop; None if there are none."""
    total: Scalar | None = None
    for g in guards:
        low, high = bounds(g.index, space)
        index = scalar_index(g.index)
        terms = []
        if low < g.low:
            terms.append(operation("greater_equal", index, Const(INT64, np.int64(g.low))))
        if high >= g.high:
            terms.append(operation("less", index, Const(INT64, np.int64(g.high))))
        for term in terms:
            total = term if total is None else operation("bitwise_and", total, term)
    return total


def inside(at: Position, shape: Shape, space: Shape) -> bool:
    """Whether the index never leaves an array of this shape, guards or not."""
    return all(bounds(a, space)[0] >= 0 and bounds(a, space)[1] < n for a, n in zip(at.index, shape, strict=True))

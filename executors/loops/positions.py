"""Positions: which element of a value a loop reads, as a function of the loop's position.

Along each axis of the value the index is affine in the loop's indices. Guards say where the element exists at all:
what a kernel reads through a pad or a concatenation is there for part of the loop only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphad.executors.loops.program import Index
from graphad.graph import Node
from graphad.ops.scalar import Const, Scalar, operation
from graphad.types import INT64, Shape

Affine = tuple[int, ...]
"""A constant and the factor of each index of the loop."""


@dataclass(frozen=True, slots=True)
class Guard:
    """`low <= index < high`."""

    index: Affine
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Position:
    """The index along each axis, where all guards hold."""

    index: tuple[Affine, ...]
    guards: tuple[Guard, ...] = ()


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
    """What a shape op reads for the element of its result at a position: the numbers of operands and positions in them,
    of which the first whose guards hold is the element; zero where none does.

    None for a reshape that mixes axes.
    """
    op: Any = node.op
    x = node.inputs[0].type if node.inputs else None
    index = at.index
    match op.name:
        case "iota":
            return []
        case "transpose":
            moved: list[Affine] = [index[0]] * len(index) if index else []
            for i, axis in enumerate(op.axes):
                moved[axis] = index[i]
            return [(0, Position(tuple(moved), at.guards))]
        case "reverse":
            n = node.outputs[0].type.shape
            flipped = [_plus(_times(a, -1), n[i] - 1) if i in op.axes else a for i, a in enumerate(index)]
            return [(0, Position(tuple(flipped), at.guards))]
        case "slice":
            cut = [_plus(_times(a, s), b) for a, s, b in zip(index, op.step, op.start, strict=True)]
            return [(0, Position(tuple(cut), at.guards))]
        case "broadcast_to":
            assert x is not None
            return [(0, Position(broadcast(index, x.shape), at.guards))]
        case "reshape":
            assert x is not None
            squeezed = [a for a, n in zip(index, node.outputs[0].type.shape, strict=True) if n != 1]
            if [n for n in x.shape if n != 1] != [n for n in node.outputs[0].type.shape if n != 1]:
                return None
            rest = iter(squeezed)
            zero = (0,) * (1 + len(space))
            return [(0, Position(tuple([zero if n == 1 else next(rest) for n in x.shape]), at.guards))]
        case "pad":
            assert x is not None
            inside = [_plus(a, -low) for a, low in zip(index, op.low, strict=True)]
            guarded = guard(Position(tuple(inside), at.guards), x.shape, space)
            return [] if guarded is None else [(0, guarded)]
        case "concatenate":
            choices = []
            start = 0
            for i, v in enumerate(node.inputs):
                moved = list(index)
                moved[op.axis] = _plus(index[op.axis], -start)
                start += v.type.shape[op.axis]
                found = guard(Position(tuple(moved), at.guards), v.type.shape, space)
                if found is not None:
                    choices.append((i, found))
            return choices
    return None


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
            guards[Guard(a, 0, n)] = None
    return Position(at.index, tuple(guards))


def condition(guards: tuple[Guard, ...], space: Shape) -> Scalar | None:
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


def _times(a: Affine, factor: int) -> Affine:
    return tuple([factor * c for c in a])


def _plus(a: Affine, n: int) -> Affine:
    return (a[0] + n, *a[1:])

"""Loops in blocks along an axis, each of which has partial results: for threads, and for long sums in memory."""

from __future__ import annotations

import math

import numpy as np

from graphad.executors.loops.bounded import bounds
from graphad.executors.loops.nest import is_rounded, schedule
from graphad.executors.loops.program import (
    Buffer,
    Index,
    Load,
    LoopNest,
    Reduction,
    RowLoops,
    Statement,
    StridedView,
    loops_of,
)
from graphad.executors.loops.rewriting import over
from graphad.executors.loops.rows import NEAR, row_bytes
from graphad.ops.scalar import Const, Scalar, operation
from graphad.types import INT64

TERMS = 64
"""Terms that are added to one element in memory before the element is a term of another sum."""
FROM = 1024
"""Terms of a sum in memory from which it is taken in blocks."""
PARTIAL = 1 << 23
"""Bytes of partial sums beyond which blocks grow, up to the square root of the whole length."""


def in_blocks(statements: list[Statement]) -> list[Statement]:
    """The statements, with long sums of floating numbers that stand in memory taken in blocks, so that their rounding
    errors grow with the length of a block only. Who prints a program does the same for the sums in registers."""
    return [part for s in statements for part in (_summed(s) if loops_of(s) else [s])]


def _summed(statement: Statement) -> list[Statement]:
    loops = loops_of(statement)
    rows = isinstance(statement, RowLoops)
    found = [size for loop in loops for size in [_block(loop, rows)] if size is not None]
    if not found:
        return [statement]
    axis, size = max(found, key=lambda pair: pair[1])
    if rows:
        size = min(size, NEAR // max(1, row_bytes(loops)))
        if size < TERMS // 4:
            return in_blocks(list(loops))
    n = loops[0].space[axis]
    blocks, rest = divmod(n, size)
    splits = [Split(loop, axis, blocks + bool(rest)) for loop in loops]
    parts = [[split.part(0, blocks, size, 0) for split in splits]]
    if rest:
        parts.append([split.part(blocks, 1, rest, n - rest) for split in splits])
    whole: list[Statement] = [RowLoops(part) for part in parts] if rows else [loop for part in parts for loop in part]
    return in_blocks(whole + [s for split in splits for s in split.combined()])


def _block(loop: LoopNest, rows: bool) -> tuple[int, int] | None:
    """The axis along which a loop's sums in memory are too long, and how many of its positions make a block."""
    space = loop.space
    sums = [r for r in loop.reductions if is_rounded(r) and math.prod([space[a] for a in r.axes]) > FROM]
    if not any(r.target is not None for r in sums) or loop.values or any(s.add or s.shift for s in loop.stores):
        return None
    if bounds(loop):
        return None
    nest = schedule(loop, set(), rows)
    for r in sums:
        if r not in nest.in_memory:
            continue
        inner = max(place for axis, place in nest.places.items() if axis not in r.axes)
        outer = [a for a in r.axes if nest.places.get(a, inner) < inner]
        terms = math.prod([space[a] for a in outer])
        axis = 0 if rows else max(outer, key=lambda a: space[a])
        if terms <= FROM or axis not in r.axes or any(s.view.strides[axis] == 0 for s in loop.stores):
            continue
        n = space[axis]
        kept = math.prod([size for a, size in enumerate(space) if a not in r.axes]) * r.value.dtype.itemsize
        size = max(TERMS * n // terms, min(math.isqrt(n), n * kept // PARTIAL), 1)
        if size < n:
            return axis, size
    return None


def outermost(loop: LoopNest, axis: int) -> LoopNest:
    """The loop with one of its axes, along which it reduces nothing, in front."""
    order = (axis, *[a for a in range(len(loop.space)) if a != axis])
    space = tuple([loop.space[a] for a in order])

    def view(v: StridedView) -> StridedView:
        return StridedView(v.buffer, v.offset, space, tuple([v.strides[a] for a in order]))

    def reduction(r: Reduction, value: Scalar) -> Reduction:
        axes = tuple([order.index(a) for a in r.axes])
        return Reduction(r.kind, value, axes, r.initial, None if r.target is None else view(r.target), r.result)

    return over(loop, space, view, lambda x: Index(INT64, order.index(x.axis)), reduction)


class Split:
    """One loop as blocks along an axis. What it reduces along the axis, each block reduces by itself at first."""

    def __init__(self, loop: LoopNest, axis: int, rows: int) -> None:
        self.loop = loop
        self.axis = axis
        self.partial: dict[Reduction, StridedView] = {}
        for reduction in loop.reductions:
            if axis in reduction.axes:
                kept = [n for a, n in enumerate(loop.space) if a not in reduction.axes]
                buffer = Buffer("temporary", reduction.value.dtype, rows * math.prod(kept))
                self.partial[reduction] = StridedView.whole(buffer, (rows, *kept))

    def part(self, row: int, blocks: int, size: int, start: int) -> LoopNest:
        """Some blocks of one size, the first from `start` on; the first axis of the loop numbers them."""
        axis, loop = self.axis, self.loop
        space = (blocks, *loop.space[:axis], size, *loop.space[axis + 1 :])

        def view(v: StridedView) -> StridedView:
            stride = v.strides[axis]
            return StridedView(v.buffer, v.offset + start * stride, space, (size * stride, *v.strides))

        def reduction(r: Reduction, value: Scalar) -> Reduction:
            axes = tuple([a + 1 for a in r.axes])
            if r not in self.partial:
                assert r.target is not None
                return Reduction(r.kind, value, axes, r.initial, view(r.target))
            rows = self.partial[r]
            kept = iter(rows.strides[1:])
            strides = [0 if a in r.axes else next(kept) for a in range(len(loop.space))]
            target = StridedView(rows.buffer, row * rows.strides[0], space, (rows.strides[0], *strides))
            return Reduction(r.kind, value, axes, r.initial, target)

        def index(x: Index) -> Scalar:
            inner = Index(INT64, x.axis + 1)
            if x.axis != axis:
                return inner
            first = operation("multiply", Index(INT64, 0), Const(INT64, np.int64(size)))
            return operation("add", operation("add", first, Const(INT64, np.int64(start))), inner)

        return over(loop, space, view, index, reduction)

    def combined(self) -> list[Statement]:
        """The blocks' results as one."""
        statements: list[Statement] = []
        for r, rows in self.partial.items():
            target, axes = r.target, tuple(range(len(rows.shape)))
            if target is not None:
                kept = [s for a, s in enumerate(target.strides) if a not in r.axes]
                target, axes = StridedView(target.buffer, target.offset, rows.shape, (0, *kept)), (0,)
            whole = Reduction(r.kind, Load(rows.dtype, rows), axes, r.initial, target, r.result)
            statements.append(LoopNest(rows.shape, reductions=[whole], note=self.loop.note))
        return statements


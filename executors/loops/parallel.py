"""Loops over much data split into blocks that threads may share."""

from __future__ import annotations

import math

import numpy as np

from graphad.executors.loops.nest import order, views_of, weight
from graphad.executors.loops.program import (
    Buffer,
    Check,
    Index,
    Load,
    Loop,
    Reduction,
    Rows,
    Statement,
    Store,
    View,
    rebuilt,
    roots,
    walk,
)
from graphad.ops.scalar import Const, Scalar, operation
from graphad.types import INT64

PAYS = 100_000.0
"""Nanoseconds of a loop, as `nanoseconds` estimates them, from which threads gain more than their start costs."""
_SHARE = 40_000.0
_UNEVEN = 1.25
_BLOCKS = 8


def nanoseconds(loop: Loop) -> float:
    """About how long one thread takes for a loop: eight elements at once, and a few bytes of memory."""
    scalars = list(walk(roots(loop)))
    work = sum(weight(x) for x in scalars) + len(loop.stores) + len(loop.reductions)
    size = math.prod(loop.space)
    views = [x.view for x in scalars if isinstance(x, Load)] + [store.view for store in loop.stores]
    return size * work / 24 + sum(min(size, view.buffer.size) * view.dtype.itemsize for view in views) / 16


def shared(statements: list[Statement], threads: int) -> list[Statement]:
    """The statements with every loop that is worth it split into blocks, `threads` of which may run at a time."""
    if threads < 2:
        return statements
    result: list[Statement] = []
    for statement in statements:
        if isinstance(statement, Rows):
            result += _rows(statement, threads)
        else:
            result += _split(statement, threads) if isinstance(statement, Loop) else [statement]
    return result


def _rows(rows: Rows, threads: int) -> list[Statement]:
    cost = sum(nanoseconds(loop) for loop in rows.loops)
    if cost < PAYS:
        return [rows]
    if any(0 in r.axes for loop in rows.loops for r in loop.reductions):
        return [part for loop in rows.loops for part in _split(loop, threads)]
    return [Rows(rows.loops, min(threads, int(cost / _SHARE)))]


def _split(loop: Loop, threads: int) -> list[Statement]:
    cost = nanoseconds(loop)
    if cost < PAYS or any(store.shift is not None or store.add for store in loop.stores):
        return [loop]
    threads = min(threads, int(cost / _SHARE))
    axis = next((a for a in order(loop, views_of(loop)) if loop.space[a] >= 2 * _BLOCKS * threads), None)
    if axis is None or any(store.view.strides[axis] == 0 for store in loop.stores):
        return [loop]
    n = loop.space[axis]
    blocks = _blocks(n, threads)
    rest = n % blocks
    split = _Split(loop, axis, blocks + bool(rest))
    parts: list[Statement] = [Rows([split.part(0, blocks, n // blocks, 0)], threads)]
    if rest:
        parts.append(split.part(blocks, 1, rest, n - rest))
    return parts + split.combined()


def _blocks(n: int, threads: int) -> int:
    # A number of blocks without a remainder that threads can share evenly, if there is one.
    for blocks in range(threads, _BLOCKS * threads + 1):
        if n % blocks == 0 and -(-blocks // threads) * threads <= _UNEVEN * blocks:
            return blocks
    return threads


class _Split:
    """One loop as blocks along an axis. What it reduces along the axis, each block reduces by itself at first."""

    def __init__(self, loop: Loop, axis: int, rows: int) -> None:
        self.loop = loop
        self.axis = axis
        self.partial: dict[Reduction, View] = {}
        for reduction in loop.reductions:
            if axis in reduction.axes:
                kept = [n for a, n in enumerate(loop.space) if a not in reduction.axes]
                buffer = Buffer("temporary", reduction.value.dtype, rows * math.prod(kept))
                self.partial[reduction] = View.whole(buffer, (rows, *kept))

    def part(self, row: int, blocks: int, size: int, start: int) -> Loop:
        """Some blocks of one size, the first from `start` on; the first axis of the loop numbers them."""
        axis, loop = self.axis, self.loop
        space = (blocks, *loop.space[:axis], size, *loop.space[axis + 1 :])

        def view(v: View) -> View:
            if not v.shape:
                return v
            stride = v.strides[axis]
            return View(v.buffer, v.offset + start * stride, space, (size * stride, *v.strides))

        def reduction(r: Reduction) -> Reduction:
            axes = tuple([a + 1 for a in r.axes])
            if r not in self.partial:
                assert r.target is not None
                return Reduction(r.kind, new[r.value], axes, r.initial, view(r.target))
            rows = self.partial[r]
            kept = iter(rows.strides[1:])
            strides = [0 if a in r.axes else next(kept) for a in range(len(loop.space))]
            target = View(rows.buffer, row * rows.strides[0], space, (rows.strides[0], *strides))
            return Reduction(r.kind, new[r.value], axes, r.initial, target)

        def change(x: Load | Index) -> Scalar:
            if isinstance(x, Load):
                return Load(x.dtype, view(x.view), x.shift, x.mask) if x.view.shape else x
            inner = Index(INT64, x.axis + 1)
            if x.axis != axis:
                return inner
            first = operation("multiply", Index(INT64, 0), Const(INT64, np.int64(size)))
            return operation("add", operation("add", first, Const(INT64, np.int64(start))), inner)

        new = rebuilt(loop, change)
        stores = [Store(view(s.view), new[s.value]) for s in loop.stores]
        checks = [Check(new[c.condition], c.error) for c in loop.checks]
        return Loop(space, stores, [reduction(r) for r in loop.reductions], checks, loop.note)

    def combined(self) -> list[Statement]:
        """The blocks' results as one."""
        statements: list[Statement] = []
        for r, rows in self.partial.items():
            target, axes = r.target, tuple(range(len(rows.shape)))
            if target is not None:
                kept = [s for a, s in enumerate(target.strides) if a not in r.axes]
                target, axes = View(target.buffer, target.offset, rows.shape, (0, *kept)), (0,)
            whole = Reduction(r.kind, Load(rows.dtype, rows), axes, r.initial, target, r.result)
            statements.append(Loop(rows.shape, reductions=[whole], note=self.loop.note))
        return statements


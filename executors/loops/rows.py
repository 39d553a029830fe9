"""Loops along the same first axis run row by row, so that a row is still near when the next loop reads it."""

from __future__ import annotations

import math

from graphad.executors.loops.bounded import bounds
from graphad.executors.loops.nest import order, views_of
from graphad.executors.loops.program import (
    Buffer,
    Load,
    LoopNest,
    ReductionResult,
    RowLoops,
    Statement,
    StridedView,
    roots,
    walk,
)

FROM = 1 << 20
"""Bytes that pass from loop to loop from which running them row by row is worth it."""
NEAR = 1 << 19
"""Bytes of all rows together that stay near."""


def by_rows(statements: list[Statement]) -> list[Statement]:
    """The statements, with runs of loops over large arrays put together where each row depends on the same row only."""
    result: list[Statement] = []
    run: list[LoopNest] = []
    for statement in [*statements, None]:
        if isinstance(statement, LoopNest) and _rowwise(statement) and _follows(run, statement):
            run.append(statement)
            continue
        result += _together(run)
        run = [statement] if isinstance(statement, LoopNest) and _rowwise(statement) else []
        if statement is not None and not run:
            result.append(statement)
    return result


def _rowwise(loop: LoopNest) -> bool:
    """Whether a loop can run row by row: what it sums over rows, it sums in memory."""
    if len(loop.space) < 1 or loop.space[0] < 16 or any(s.add or s.shift is not None for s in loop.stores):
        return False
    if any(r.target is None for r in loop.reductions) or bounds(loop) or order(loop, views_of(loop))[:1] != [0]:
        return False
    # Sums over the rows that the schedule would hold in registers would have to be carried round all the loops.
    kept = [[n for a, n in enumerate(loop.space) if a not in r.axes] for r in loop.reductions if 0 in r.axes]
    return all(math.prod(extents) > 1 for extents in kept)


def _follows(run: list[LoopNest], loop: LoopNest) -> bool:
    if not run or run[0].space[0] != loop.space[0]:
        return False
    written = [view for earlier in run for view in _written(earlier)]
    made = {view.buffer for view in written}
    sums = {r.target.buffer for earlier in run for r in earlier.reductions if r.target is not None and 0 in r.axes}
    read = [x for x in walk(roots(loop)) if isinstance(x, (Load, ReductionResult))]
    for x in read:
        if isinstance(x, ReductionResult) and any(r.result is x for earlier in run for r in earlier.reductions):
            return False
        if isinstance(x, Load) and x.view.buffer in made:
            if x.shift is not None or x.mask is not None or not x.view.shape or x.view.buffer in sums:
                return False
            if not all(_same_row(x.view, view) for view in written if view.buffer is x.view.buffer):
                return False
    touched = {x.view.buffer for earlier in run for x in walk(roots(earlier)) if isinstance(x, Load)}
    return not any(view.buffer in made or view.buffer in touched for view in _written(loop))


def _written(loop: LoopNest) -> list[StridedView]:
    return [store.view for store in loop.stores] + [r.target for r in loop.reductions if r.target is not None]


def _same_row(a: StridedView, b: StridedView) -> bool:
    """Whether row `i` of one view touches what row `i` of the other does, and no other row."""
    step = a.strides[0]
    if step <= 0 or step != b.strides[0] or a.offset // step != b.offset // step:
        return False
    return all(_span(view) <= step for view in (a, b))


def _span(view: StridedView) -> int:
    inner = [(n - 1) * s for n, s in zip(view.shape[1:], view.strides[1:], strict=True)]
    if any(s < 0 for s in inner):
        return view.buffer.size + 1
    return view.offset % view.strides[0] + sum(inner) + 1


def _together(run: list[LoopNest]) -> list[Statement]:
    passed: dict[Buffer, None] = {}
    made: set[Buffer] = set()
    for loop in run:
        passed.update((view.buffer, None) for view in _read(loop) if view.buffer in made)
        made.update(view.buffer for view in (*_read(loop), *_written(loop)))
    if len(run) < 2 or row_bytes(run) > NEAR or sum(buffer.nbytes for buffer in passed) < FROM:
        return list(run)
    return [RowLoops(run)]


def row_bytes(loops: list[LoopNest]) -> int:
    """Bytes that one row of all loops takes together."""
    rows = {v.buffer: math.prod(v.shape[1:]) * v.dtype.itemsize for x in loops for v in (*_read(x), *_written(x))}
    return sum(rows.values())


def _read(loop: LoopNest) -> list[StridedView]:
    return [x.view for x in walk(roots(loop)) if isinstance(x, Load) and x.view.shape]

"""How many operations the statements of a program do, and how many bytes they move: what its times are held against."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from graphad.executors.loops.cost import cost, flops, operations
from graphad.executors.loops.program import (
    Branch,
    HostCall,
    LibraryCall,
    SequentialLoop,
    Statement,
    StridedView,
    loops_of,
)
from graphad.ops.scalar import Const


@dataclass(frozen=True)
class Counts:
    """Operations on numbers, bytes read and written, and the bytes of memory that they lie in. Divisions and roots
    count as `graphad.costs.HEAVY` operations, elementary functions as `graphad.costs.SPECIAL` where they are called.

    None stands for what is not known before a run.
    """

    flops: float | None = 0.0
    moved: float | None = 0.0
    room: float = 0.0

    def __add__(self, other: Counts) -> Counts:
        return Counts(_sum(self.flops, other.flops), _sum(self.moved, other.moved), max(self.room, other.room))

    def times(self, n: int | None) -> Counts:
        """Those of so many runs over the same memory."""
        flops, moved = (None if n is None or x is None else n * x for x in (self.flops, self.moved))
        return Counts(flops, moved, self.room)


def _sum(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a + b


def counts(statement: Statement) -> Counts:
    """Those of a statement, and of all within it."""
    if isinstance(statement, SequentialLoop):
        n = int(statement.count.value) if isinstance(statement.count, Const) else None
        outside = sum(map(counts, [*statement.before, *statement.after]), Counts())
        return outside + sum(map(counts, [*statement.condition, *statement.body]), Counts()).times(n)
    if isinstance(statement, Branch):
        return sum(map(counts, [*statement.before, *statement.after]), Counts()) + Counts(None, None)
    if isinstance(statement, LibraryCall):
        moved = _nbytes(statement.views)
        return Counts(statement.count * operations(statement), moved, moved)
    if isinstance(statement, HostCall):
        moved = _nbytes([*statement.operands, *statement.results])
        return Counts(None, moved, moved)
    loops = loops_of(statement)
    touched = float(sum(cost(loops).touched.values()))
    return Counts(sum(map(flops, loops)), touched, touched)


def _nbytes(views: Sequence[StridedView]) -> float:
    return float(sum([math.prod(view.shape) * view.dtype.itemsize for view in views]))


__all__ = ["Counts", "counts"]

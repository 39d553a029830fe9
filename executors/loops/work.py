"""About how long statements take, for the times at which a program asks for signals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Set

from graphad.executors.loops.cost import nanoseconds, routine
from graphad.executors.loops.program import (
    Branch,
    HostCall,
    LibraryCall,
    SequentialLoop,
    Statement,
    loops_of,
)
from graphad.executors.loops.ranges import narrowed
from graphad.ops.scalar import Scalar

CHUNK = 1_000_000
"""Nanoseconds of work after which a program asks."""
_HOST = 10_000.0
_GRAIN = 15_000.0
"""Nanoseconds of a chunk of a loop that threads share, beside which taking it costs little."""
_CHUNKS = 8
"""Chunks for each thread that are enough."""


def work(statement: Statement, known: Set[Scalar] = frozenset()) -> float:
    """About how many nanoseconds a statement takes, those within sequential loops and branches, and what it takes to
    compute the scalars in `known`, not counted."""
    if isinstance(statement, LibraryCall):
        return statement.count * library_call(statement)
    return _HOST if isinstance(statement, HostCall) else sum([nanoseconds(loop, known) for loop in loops_of(statement)])


def whole(statement: Statement) -> float:
    """The same with those within, or infinity where nothing is known of how often they run."""
    if isinstance(statement, Branch):
        return total([*statement.before, *statement.after]) + max(map(total, statement.branches), default=0.0)
    if not isinstance(statement, SequentialLoop):
        return work(statement)
    return total([*statement.before, *statement.after]) + turns(statement) * turn(statement)


def turns(loop: SequentialLoop) -> float:
    """How often a loop runs at most, or infinity where nothing is known of it; once at least."""
    known = None if loop.count is None else narrowed(loop.count)[1]
    return math.inf if known is None else max(known[1], 1)


def turn(loop: SequentialLoop) -> float:
    """The nanoseconds of one iteration."""
    return max(total([*loop.condition, *loop.body]), 1.0)


def total(statements: Iterable[Statement]) -> float:
    """The nanoseconds of statements one after another."""
    return sum(map(whole, statements))


def library_call(call: LibraryCall) -> float:
    """The nanoseconds of one call of a routine."""
    return routine(call).alone


def ticks(nanoseconds: float) -> int:
    """Nanoseconds as programs count them: no more than they ask after, and never none."""
    return int(min(max(nanoseconds, 1.0), CHUNK))


def chunk(extents: tuple[int, ...], nanoseconds: float) -> tuple[int, int] | None:
    """The loop of a nest within which a program asks, and after how many turns; None if the nest is short."""
    if nanoseconds <= CHUNK:
        return None
    each = nanoseconds
    for d, n in enumerate(extents):
        each /= n
        if each <= CHUNK:
            return d, max(1, int(CHUNK / each))
    return len(extents) - 1, 1


def chunks(extent: int, nanoseconds: float, threads: int) -> int:
    """Into how many chunks `threads` cut a loop that they share: a thread that comes late should still find one."""
    return max(1, min(extent, max(threads, int(nanoseconds / _GRAIN)), _CHUNKS * threads))

"""The layout of a program's memory: which temporaries may share a place in the arena."""

from __future__ import annotations

from collections.abc import Iterable

from graphad.executors.loops.program import (
    Branch,
    Buffer,
    HostCall,
    Index,
    LibraryCall,
    Load,
    LoopNest,
    PushStack,
    ReductionResult,
    SequentialLoop,
    Statement,
    children,
    loops_of,
    roots,
    roots_of,
    walk,
)
from graphad.ops.scalar import Const, Scalar
from graphad.passes.memory.lifetime import ALIGNMENT, Interval, pack


def loads_of(loop: LoopNest, known: set[Scalar]) -> list[Load]:
    """What a loop reads, but for the scalars in `known`, read before; the scalars that no loop changes are added."""
    found = []
    for x in walk(roots(loop), known):
        if isinstance(x, Load):
            found.append(x)
        constant = not x.view.shape if isinstance(x, Load) else not isinstance(x, Index)
        if constant and all(y in known or isinstance(y, (Const, ReductionResult)) for y in children(x)):
            known.add(x)
    return found


def touched(statement: Statement, loads: list[Load]) -> dict[Buffer, None]:
    """The buffers that a statement reads or writes itself; those within it are left out."""
    found: list[Buffer]
    if isinstance(statement, HostCall):
        found = [v.buffer for v in (*statement.operands, *statement.results)]
    elif isinstance(statement, LibraryCall):
        found = [v.buffer for v in (*statement.views, *statement.writes)]
    elif isinstance(statement, SequentialLoop):
        sources = [e.source.header if isinstance(e.source, PushStack) else e.source.buffer for e in statement.entries]
        swapped = [parent for pair in statement.swaps for b in pair for parent in b.parents]
        found = [*sources, *swapped, *[stack.header for stack in statement.pushed]]
    else:
        found = [store.view.buffer for loop in loops_of(statement) for store in loop.stores]
        found += [r.target.buffer for loop in loops_of(statement) for r in loop.reductions if r.target is not None]
        found += [x.view.buffer for x in loads]
    return dict.fromkeys(root for buffer in found for root in roots_of(buffer))


class _Lifetimes:
    """The first and the last step of a program at which each temporary is alive; every statement is a step."""

    def __init__(self) -> None:
        self.first: dict[Buffer, int] = {}
        self.last: dict[Buffer, int] = {}
        self.steps = 0
        self.loops: list[tuple[int, int]] = []
        self.loads: list[tuple[Statement, list[Load], int]] = []

    def visit(self, statements: Iterable[Statement], known: set[Scalar]) -> None:
        """Walk through statements; what is computed within a sequential loop or a branch is not known behind it."""
        for statement in statements:
            if isinstance(statement, SequentialLoop):
                self.visit(statement.before, known)
                start = self.touch(statement, [])
                self.visit([*statement.condition, *statement.body], set(known))
                self.loops.append((start, self.touch(statement, [])))
                self.visit(statement.after, known)
            elif isinstance(statement, Branch):
                self.visit(statement.before, known)
                for branch in statement.branches:
                    self.visit(branch, set(known))
                self.visit(statement.after, known)
            else:
                self.touch(statement, [x for loop in loops_of(statement) for x in loads_of(loop, known)])

    def touch(self, statement: Statement, loads: list[Load]) -> int:
        step = self.steps
        self.steps += 1
        self.loads.append((statement, loads, step))
        for buffer in touched(statement, loads):
            if buffer.kind == "temporary":
                self.first.setdefault(buffer, step)
                self.last[buffer] = step
        return step

    def extend(self) -> None:
        """What lives on both sides of an end of a sequential loop is alive in all of it."""
        for start, end in self.loops:
            for buffer, first in self.first.items():
                last = self.last[buffer]
                if first < start <= last <= end:
                    self.last[buffer] = end
                elif start <= first <= end < last:
                    self.first[buffer] = start


def apart(buffers: Iterable[Buffer], gap: int) -> int:
    """Place buffers one after another with gaps around each; the bytes that they take."""
    at = gap
    for buffer in buffers:
        buffer.offset = at
        at += -(-buffer.nbytes // ALIGNMENT) * ALIGNMENT + gap
    return at


def lay_out(statements: list[Statement], stacks: list[PushStack], gap: int) -> int:
    """Place the temporaries in the arena; the bytes that it takes. With a `gap` all are apart."""
    alive = _Lifetimes()
    alive.visit(statements, set())
    alive.extend()
    first, last = alive.first, alive.last
    for stack in stacks:
        first[stack.header], last[stack.header] = -1, alive.steps
    if gap:
        return apart(first, gap)
    host: dict[Buffer, Buffer] = {}
    for statement, loads, i in alive.loads:
        loops = loops_of(statement)
        if len(loops) == 1:
            _reuse(loops[0], loads, i, first, last, host)
    groups: dict[Buffer, list[Buffer]] = {}
    for buffer in first:
        root = buffer
        while root in host:
            root = host[root]
        groups.setdefault(root, []).append(buffer)
    intervals = [
        Interval(max(b.nbytes for b in group), min(first[b] for b in group), max(last[b] for b in group))
        for group in groups.values()
    ]
    offsets, peak = pack(intervals)
    for group, offset in zip(groups.values(), offsets, strict=True):
        for buffer in group:
            buffer.offset = offset
    return peak


def _reuse(
    loop: LoopNest, found: list[Load], i: int, first: dict[Buffer, int], last: dict[Buffer, int],
    host: dict[Buffer, Buffer],
) -> None:  # fmt: skip
    # A stored result takes the place of an operand that is read for the last time here, element for element.
    loads: dict[Buffer, list[Load]] = {}
    for x in found:
        loads.setdefault(x.view.buffer, []).append(x)
    taken: set[Buffer] = set()
    for store in loop.stores:
        target = store.view
        if target.buffer.kind != "temporary" or first[target.buffer] != i or store.shift is not None or store.add:
            continue
        for buffer, reads in loads.items():
            same = all(
                x.shift is None
                and (x.view.offset, x.view.strides, x.view.shape) == (target.offset, target.strides, target.shape)
                and x.dtype.itemsize == target.dtype.itemsize
                for x in reads
            )
            free = buffer.kind == "temporary" and last[buffer] == i and first[buffer] < i and buffer not in taken
            if same and free and buffer.nbytes == target.buffer.nbytes:
                host[target.buffer] = buffer
                taken.add(buffer)
                break

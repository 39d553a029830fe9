"""A verifier of a program's plan of memory: whatever path a run takes, each read finds what was written for it.

It follows a program as the compilers write it (`schedule` tells them, and the verifier, which scalars a loop reads
itself and which are in registers already) and notes for every byte which buffer was written there last. Where paths
meet, bytes on which they differ belong to no buffer. A loop that reads memory which it also writes must read each byte
at the very position that writes it, so that the order of the positions does not matter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from graphad.errors import ExecutorError
from graphad.executors.loops.layout import touched
from graphad.executors.loops.nest import Nest, schedule
from graphad.executors.loops.program import (
    Branch,
    Buffer,
    HostCall,
    LibraryCall,
    Load,
    LoopNest,
    Program,
    PushStack,
    Reduction,
    RowLoops,
    SequentialLoop,
    Statement,
    Store,
    StridedView,
    is_identity,
    loops_of,
    roots,
    roots_of,
    walk,
)
from graphad.executors.loops.statements import all_statements
from graphad.ops.scalar import Const, Scalar
from graphad.types import Array

_PRODUCTS = ("gemm", "gemv")
"""Routines that write their result without having read it. All others change the first array that they write."""


def verify(program: Program) -> None:
    """Raise `ExecutorError` where a program reads memory that does not hold what was written there for it."""
    _Verifier(program).run()


class _Verifier:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.known: set[Scalar] = set()
        # Where a moving buffer lies: in another one, or at any of the positions along the first axis of a view (True);
        # None for a stack, whose memory is its own.
        self.places: dict[Buffer, tuple[StridedView, bool] | None] = {}
        # Pairs of buffers that change places in a loop that runs: what is written to one may be written to the other.
        self.pairs: list[tuple[Buffer, ...]] = []
        self.note = ""
        found = {b: None for s in all_statements(program.statements) for b in _buffers(s)}
        found.update((stack.header, None) for stack in program.stacks)
        self.numbers = {b: i + 1 for i, b in enumerate(found)}
        self.starts, end = {}, program.arena_bytes
        for b in found:
            self.starts[b] = b.offset if b.kind == "temporary" else end
            end += 0 if b.kind == "temporary" else b.nbytes
        self.owner = np.zeros(end, np.min_scalar_type(len(found)))

    def run(self) -> None:
        for stack in self.program.stacks:
            self.write(StridedView.whole(stack.header, (stack.header.size,)))
        self.statements(self.program.statements)
        for stack in self.program.stacks:
            self.read(StridedView.whole(stack.header, (stack.header.size,)))
        for buffer in self.program.outputs:
            if buffer in self.starts:
                self.read(StridedView.whole(buffer, (buffer.size,)))

    # -- statements --------------------------------------------------------------------------------------------

    def statements(self, statements: Iterable[Statement]) -> None:
        for statement in statements:
            self.note = statement.note or self.note
            if isinstance(statement, LoopNest):
                copy = is_identity(statement, self.known)
                self.loops([statement], [schedule(statement, self.known)], copy)
            elif isinstance(statement, RowLoops):
                self.loops(statement.loops, [schedule(loop, self.known, True) for loop in statement.loops])
            elif isinstance(statement, HostCall):
                self.call(statement.operands, statement.operands, statement.results)
            elif isinstance(statement, LibraryCall):
                changed = () if statement.routine.endswith(_PRODUCTS) else statement.writes[:1]
                kept = [view for view in statement.views if view not in statement.writes]
                self.call([*kept, *changed], kept, statement.writes)
            elif isinstance(statement, Branch):
                self.branch(statement)
            else:
                self.sequential_loop(statement)

    def call(self, reads: Iterable[StridedView], kept: Iterable[StridedView], writes: Sequence[StridedView]) -> None:
        """A call that may read its operands until its end: what is `kept`, and all results, are whole behind it."""
        for view in reads:
            self.read(self.placed(view))
        for view in writes:
            self.write(self.placed(view))
        for view in (*kept, *writes):
            self.read(self.placed(view))

    def loops(self, loops: Sequence[LoopNest], nests: Sequence[Nest], copy: bool = False) -> None:
        """One loop, which may be a `copy` of memory onto itself, or several that run row by row."""
        for nest in nests:
            for r in nest.filled:
                self.write(self.placed(_target(r)))
            for x in _loads(nest, outside=True):
                self.load(x)
        for loop, nest in zip(loops, nests, strict=True):
            for x in [loop.stores[0].value] if copy else _loads(nest):  # type: ignore[assignment]
                self.load(x)
            if math.prod(loop.space) > 1:
                self.apart(loop, nest)
            for store in loop.stores:
                self.store(store)
            for r in loop.reductions:
                if r.target is not None:
                    self.write(self.placed(r.target))
        for j, later in enumerate(loops):
            for earlier in loops[:j]:
                self.rowwise(earlier, later)

    def branch(self, branch: Branch) -> None:
        self.statements(branch.before)
        before, found = self.owner, []
        for statements in branch.branches:
            self.owner = before.copy()
            with self.scope():
                self.statements(statements)
            found.append(self.owner)
        self.owner = found[0]
        for other in found[1:]:
            self.meet(other)
        self.statements(branch.after)

    def sequential_loop(self, outer: SequentialLoop) -> None:
        self.statements(outer.before)
        count = int(outer.count.value) if isinstance(outer.count, Const) else None
        headers = [e.source.header for e in outer.entries if isinstance(e.source, PushStack)]
        headers += [stack.header for stack in outer.pushed]
        for entry in outer.entries:
            source = entry.source
            self.places[entry.buffer] = None if isinstance(source, PushStack) else (_first(source, count), True)
        for a, b in outer.swaps:
            self.places.update((x, (StridedView.whole(x.parents[0], (x.size,)), False)) for x in (a, b))
            self.pairs.append(a.parents)
        while True:
            head = self.owner.copy()
            with self.scope():
                self.headers(headers)
                self.statements(outer.condition)
                ended = self.owner.copy()
                self.statements(outer.body)
                self.headers(headers)
            # In truth the two stay where they are and what they are called changes.
            for a, b in outer.swaps:
                self.exchange(a.parents[0], b.parents[0])
            if count == 1:
                break
            after, self.owner = self.owner, head.copy()
            self.meet(after)
            if np.array_equal(self.owner, head):
                self.owner = after if count is not None else ended
                break
        if count is not None:
            # It is known which of the two holds the last value.
            for a, b in outer.swaps:
                self.pairs.remove(a.parents)
                if count % 2:
                    self.exchange(a.parents[0], b.parents[0])
        self.headers(headers)
        self.statements(outer.after)
        if count is None:
            for a, _ in outer.swaps:
                self.pairs.remove(a.parents)
                self.lose(a.parents)

    # -- what a loop does ---------------------------------------------------------------------------------------

    def load(self, x: Load) -> None:
        if x.shift is not None:
            self.read(self.whole(x.view.buffer))
        else:
            self.read(self.placed(_wide(x.view, x.lanes)), x.mask is not None)

    def store(self, store: Store) -> None:
        if store.shift is None and not store.add:
            self.write(self.placed(_wide(store.view, store.value.lanes)))
        else:
            self.read(self.whole(store.view.buffer))

    def apart(self, loop: LoopNest, nest: Nest) -> None:
        """Raise an error where a loop reads what it writes at another position."""
        positions = np.arange(math.prod(loop.space)).reshape(loop.space)
        written = [(s.view, s.shift is not None) for s in loop.stores]
        written += [(r.target, True) for r in loop.reductions if r.target is not None]
        for w, free in written:
            for x in _loads(nest):
                if self.meets(w, x.view) and (
                    free
                    or x.shift is not None
                    or self.clash(w, w, positions, positions)
                    or self.clash(w, x.view, positions, positions)
                ):
                    self.fail(x.view.buffer, "which it writes at another position")

    def rowwise(self, earlier: LoopNest, later: LoopNest) -> None:
        """Raise an error where a row of one loop touches other rows of a loop with which it takes turns."""
        first, second = ([x.view for x in walk(roots(loop)) if isinstance(x, Load)] for loop in (earlier, later))
        makes, changes = _written(earlier), _written(later)
        for w, views in [*((w, [*second, *changes]) for w in makes), *((w, first) for w in changes)]:
            for view in views:
                if self.meets(w, view) and self.clash(w, view, _rows(w), _rows(view)):
                    self.fail(view.buffer, "of which another row is written by then")

    def meets(self, a: StridedView, b: StridedView) -> bool:
        """Whether two views are of the same memory."""
        one, other = self.placed(a), self.placed(b)
        if one is None or other is None or not {one.buffer, other.buffer} <= self.numbers.keys():
            return False
        (first, end), (start, last) = self.span(one.buffer), self.span(other.buffer)
        return first < last and start < end

    def clash(self, w: StridedView, r: StridedView, writing: Array, reading: Array) -> bool:
        """Whether a view reads a byte that another writes at another position."""
        one, other = self.placed(w), self.placed(r)
        assert one is not None
        assert other is not None
        found = np.full(self.owner.size, -1)
        self.laid(one, found)[...] = writing[..., None]
        seen = self.laid(other, found)
        return bool(((seen >= 0) & (seen != reading[..., None])).any())

    # -- bytes --------------------------------------------------------------------------------------------------

    def read(self, view: StridedView | None, masked: bool = False) -> None:
        """Raise an error unless all of a view (but for what lies outside of its buffer, where it is masked) was written
        to its buffer."""
        if view is None or view.buffer not in self.numbers:
            return
        found = self.inside(view) if masked else self.laid(view, self.owner)
        others = np.setdiff1d(found, [self.numbers[view.buffer]])
        if others.size:
            self.fail(view.buffer, "which holds " + " and ".join(self.name(int(i)) for i in others))

    def write(self, view: StridedView | None) -> None:
        """Note that a view is written."""
        if view is None or view.buffer not in self.numbers:
            return
        start, stop = self.span(view.buffer)
        for pair in self.pairs:
            spans = [self.span(x) for x in pair]
            if view.buffer not in pair and any(start < high and low < stop for low, high in spans):
                self.lose(pair)
        self.laid(view, self.owner)[...] = self.numbers[view.buffer]

    def headers(self, headers: Iterable[Buffer]) -> None:
        for header in headers:
            self.read(StridedView.whole(header, (header.size,)))

    def lose(self, buffers: Iterable[Buffer]) -> None:
        """Forget what some buffers hold."""
        for x in buffers:
            held = self.bytes(x)
            held[held == self.numbers[x]] = 0

    def exchange(self, a: Buffer, b: Buffer) -> None:
        """Let two buffers exchange what they hold."""
        one, other = self.bytes(a), self.bytes(b)
        held = one == self.numbers[a]
        one[:] = np.where(other == self.numbers[b], self.numbers[a], 0)
        other[:] = np.where(held, self.numbers[b], 0)

    def meet(self, other: Array) -> None:
        """What is true of the memory on this path and on another."""
        self.owner[self.owner != other] = 0

    def span(self, buffer: Buffer) -> tuple[int, int]:
        return self.starts[buffer], self.starts[buffer] + buffer.nbytes

    def bytes(self, buffer: Buffer) -> Array:
        start, stop = self.span(buffer)
        return self.owner[start:stop]

    def laid(self, view: StridedView, memory: Array) -> Array:
        """The bytes of a view's elements, as the last axis."""
        item, start = view.dtype.itemsize, self.starts[view.buffer] + view.offset * view.dtype.itemsize
        if 0 in view.shape:
            return np.empty((*view.shape, 0), memory.dtype)
        steps = [(n - 1) * s * item for n, s in zip(view.shape, view.strides, strict=True)]
        low, high = (start + sum(pick(0, s) for s in steps) for pick in (min, max))
        first, stop = self.span(view.buffer)
        if low < first or high + item > stop:
            self.fail(view.buffer, "outside of it")
        strides = [s * item * memory.itemsize for s in view.strides]
        found: Array = np.lib.stride_tricks.as_strided(
            memory[start:], (*view.shape, item), (*strides, memory.itemsize)
        )
        return found

    def inside(self, view: StridedView) -> Array:
        """The owners of those of a view's elements that lie in its buffer."""
        at = np.asarray(view.offset)
        for n, s in zip(view.shape, view.strides, strict=True):
            at = at[..., None] + np.arange(n) * s
        at = at[(at >= 0) & (at < view.buffer.size)]
        elements: Array = self.bytes(view.buffer).reshape(view.buffer.size, -1)
        found: Array = elements[at]
        return found

    def placed(self, view: StridedView) -> StridedView | None:
        """The elements of a view in a buffer that does not move: all that they may be. None for those of a stack."""
        while view.buffer.kind == "moving":
            found = self.places[view.buffer]
            if found is None:
                return None
            place, along = found
            shape, strides = (place.shape[:along], place.strides[:along])
            offset = place.offset + view.offset
            view = StridedView(place.buffer, offset, (*shape, *view.shape), (*strides, *view.strides))
        return view

    def whole(self, buffer: Buffer) -> StridedView | None:
        """All elements of a buffer, as `placed` gives them."""
        found = self.places.get(buffer, (StridedView.whole(buffer, (buffer.size,)), False))
        return None if found is None else self.placed(found[0])

    @contextmanager
    def scope(self) -> Iterator[None]:
        """What is computed within is not known behind the block."""
        known = set(self.known)
        yield
        self.known = known

    def name(self, number: int) -> str:
        if number == 0:
            return "nothing that is known"
        buffer = next(b for b, i in self.numbers.items() if i == number)
        return f"the {buffer.kind} of {buffer.nbytes} bytes at {buffer.offset or buffer.number}"

    def fail(self, buffer: Buffer, what: str) -> None:
        name = " or ".join(self.name(self.numbers[b]) for b in roots_of(buffer) if b in self.numbers)
        where = f"{self.program.name}: the plan of memory is wrong"
        raise ExecutorError(f"{where}: {self.note or 'a loop'} needs {name}, {what}")


def _buffers(statement: Statement) -> Iterator[Buffer]:
    """The buffers that a statement touches itself whose contents the program makes."""
    loads = [x for loop in loops_of(statement) for x in walk(roots(loop)) if isinstance(x, Load)]
    for buffer in touched(statement, loads):
        if buffer.kind not in ("input", "constant"):
            yield buffer


def _loads(nest: Nest, outside: bool = False) -> list[Load]:
    """What a nest reads within its loops, or `outside` of them all."""
    levels = nest.levels[:1] if outside else nest.levels[1:]
    return [x for level in levels for x in level if isinstance(x, Load)]


def _written(loop: LoopNest) -> list[StridedView]:
    return [s.view for s in loop.stores] + [r.target for r in loop.reductions if r.target is not None]


def _rows(view: StridedView) -> Array:
    """The position along the first axis, for each element; one of its own for what is the same in all rows."""
    rows = np.arange(view.shape[0]).reshape(-1, *[1] * (len(view.shape) - 1)) if view.shape else np.array(-2)
    return np.broadcast_to(rows, view.shape)


def _target(reduction: Reduction) -> StridedView:
    assert reduction.target is not None
    return reduction.target


def _wide(view: StridedView, lanes: int) -> StridedView:
    return view if lanes == 1 else StridedView(view.buffer, view.offset, (*view.shape, lanes), (*view.strides, 1))


def _first(view: StridedView, count: int | None) -> StridedView:
    """So many of the entries of a view along its first axis, or all."""
    n = view.shape[0] if count is None else count
    return StridedView(view.buffer, view.offset, (n, *view.shape[1:]), view.strides)


__all__ = ["verify"]

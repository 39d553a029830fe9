"""Chunks of a sequential loop, between which a program asks for signals: the loop within is as it would be without."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from graphad.executors.loops.program import Buffer, SequentialLoop
from graphad.executors.loops.work import CHUNK, ticks, turn, whole

if TYPE_CHECKING:
    from graphad.executors.llvm.emit import Emitter


class Chunks:
    """The loop over the chunks of a sequential loop; nothing where the sequential loop is short.

    A chunk has so many iterations, or as many as the meter allows where nothing is known of how long one takes.
    `first` is the number of its first iteration, `starts` are the addresses with which its swapped buffers begin,
    `before` is the block from which its iterations are entered, `leave` the one to which they go.
    """

    def __init__(self, emitter: Emitter, loop: SequentialLoop, count: str | None, starts: dict[Buffer, str]) -> None:
        self.emitter = emitter
        self.nanoseconds, self.each = whole(loop), turn(loop)
        self.long = self.nanoseconds > CHUNK
        self.metered = self.long and math.isinf(self.each)
        self.first, self.starts, self.before = "0", starts, emitter.code.block
        self.after = self.leave = emitter.code.name()
        self._limit = self._count = count
        self._size = CHUNK // ticks(self.each)
        if self.long:
            self._begin()

    def _begin(self) -> None:
        code, self._outside = self.emitter.code, (self.before, self.starts)
        self.before, self.leave, self.first = code.name(), code.name(), f"%{code.name()}"
        code.do(f"br label %{self.before}")
        code.begin(self.before)
        self._phis: list[Any] = []
        code.lines.append(self._phis)
        self.starts = {b: f"%{code.name()}" for b in self.starts}
        if not self.metered:
            end = code(f"add i64 {self.first}, {self._size}")
            self._limit = end if self._count is None else code.intrinsic("umin", "i64", 1, end, self._count)

    def goes_on(self, index: str) -> str:
        """Whether the chunk has an iteration of this number; the condition of the sequential loop aside."""
        code = self.emitter.code
        tests: list[str] = [] if self._limit is None else [code(f"icmp ult i64 {index}, {self._limit}")]
        tests += [self.emitter.function.early()] if self.metered else []
        return tests[0] if len(tests) == 1 else str(code(f"and i1 {tests[0]}, {tests[1]}"))

    def end(self, reached: str, starts: dict[Buffer, str]) -> None:
        """Ask for signals behind a chunk and begin another one at `reached`, or go on behind the sequential loop."""
        code, part = self.emitter.code, self.emitter.function
        if self.long:
            code.begin(self.leave)
            if self._count is not None:
                more = code.name()
                code.do(f"br i1 {code(f'icmp ult i64 {reached}, {self._count}')}, label %{more}, label %{self.after}")
                code.begin(more)
            if self.metered:
                part.reset()
            part.poll()
            before, given = self._outside
            self._phis.append(f"{self.first} = phi i64 [ 0, %{before} ], [ {reached}, %{code.block} ]")
            for b, start in self.starts.items():
                self._phis.append(f"{start} = phi ptr [ {given[b]}, %{before} ], [ {starts[b]}, %{code.block} ]")
            code.do(f"br label %{self.before}")
        code.begin(self.after)

    def account(self, made: str) -> None:
        """Count the work of all iterations for the code around them, which may ask by the meter."""
        if not self.long:
            self.emitter.owed += self.nanoseconds
        elif self.emitter.metered and not self.metered:
            code = self.emitter.code
            last = code.intrinsic("umin", "i64", 1, made, str(self._size))
            self.emitter.function.count(code(f"mul i64 {last}, {ticks(self.each)}"))

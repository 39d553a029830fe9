"""The times of a program's statements, by the processor's counter of cycles, and the rates that the machine reaches."""

from __future__ import annotations

import ctypes
import platform
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from graphad.errors import ExecutorError
from graphad.executors.llvm import engine
from graphad.executors.llvm.emit import Emitter
from graphad.executors.llvm.executable import Executable
from graphad.executors.llvm.image import Image
from graphad.executors.loops import Program
from graphad.executors.loops.cost import caches
from graphad.executors.loops.counts import counts
from graphad.executors.loops.program import Statement
from graphad.executors.profile import Kernel, Profile, Roof, roof
from graphad.passes.base import Pipeline
from graphad.trace import trace_flat
from graphad.types import TensorType

_CLOCK = "graphad.clock"
_LEAST, _MOST = 5, 2000
"""Runs of which the fastest counts, for each statement."""


class _Clocked(Emitter):
    """An emitter that writes the cycles before each statement of the program, and behind the last, into a table."""

    def __init__(self, program: Program, target: Any) -> None:
        super().__init__(program, target)
        self.statements: list[Statement] = []
        self._within = False
        self.module.declarations[f"@{_CLOCK} = external global i64"] = None

    def statement(self, statement: Statement) -> None:
        if self._within:
            super().statement(statement)
            return
        if not self.statements:
            self._stamp(0)
        self._within = True
        super().statement(statement)
        self._within = False
        self.statements.append(statement)
        self._stamp(len(self.statements))

    def _stamp(self, at: int) -> None:
        now = self.code.call("i64", "llvm.readcyclecounter")
        self.code.do(f"store i64 {now}, ptr {self.code(f'getelementptr i64, ptr @{_CLOCK}, i64 {at}')}")


def timed(program: Program, target: Any, args: Sequence[Any], seconds: float) -> list[tuple[Statement, float]]:
    """The statements of a program as they are compiled, each with the seconds of its fastest run among those that some
    seconds are enough for."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        raise ExecutorError(f"report: a processor {platform.machine()} has no counter of cycles that programs may read")
    emitter = _Clocked(program, target)
    text = emitter.text()
    table = (ctypes.c_uint64 * (len(emitter.statements) + 1))()
    stamps: Any = np.ctypeslib.as_array(table)
    code = engine.object_code(text)[1]
    run = Executable(Image.of(program, emitter, text), code, {_CLOCK: ctypes.addressof(table)})
    run(*args)
    begun, first = time.perf_counter(), int(stamps[-1])
    found: list[Any] = []
    while len(found) < _LEAST or (time.perf_counter() < begun + seconds and len(found) < _MOST):
        run(*args)
        found.append(np.diff(stamps.astype(np.int64)))
    tick = (time.perf_counter() - begun) / max(int(stamps[-1]) - first, 1)
    return [*zip(emitter.statements, (np.min(found, axis=0) * tick).tolist(), strict=True)]


def profile(program: Program, executor: Any, args: Sequence[Any], seconds: float) -> Profile:
    """Where the time of a program goes, for some arguments."""
    kernels = []
    for statement, taken in timed(program, executor.target, args, seconds):
        n = counts(statement)
        kernels.append(Kernel(statement.note or type(statement).__name__, taken, n.flops, n.moved, n.room))
    return Profile(kernels, _roof(executor))


_ROOFS: dict[Any, Roof] = {}


def _roof(executor: Any) -> Roof:
    key = executor.target, executor.threads
    if key not in _ROOFS:
        _ROOFS[key] = roof(partial(_seconds, executor), caches())
    return _ROOFS[key]


def _seconds(executor: Any, function: Callable[..., Any], *args: Any) -> float:
    graph = trace_flat(lambda xs: [function(*xs)], [TensorType(x.dtype, x.shape) for x in args]).graph
    program = executor.lowered(Pipeline(executor.pipeline)(graph))
    return sum([taken for _, taken in timed(program, executor.target, args, 0.05)])


__all__ = ["profile", "timed"]

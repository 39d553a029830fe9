"""The LLVM executor: the whole graph as one native function."""

from __future__ import annotations

import os

from graphad.errors import ExecutorError
from graphad.executors.llvm import engine
from graphad.executors.llvm.emit import Emitter
from graphad.executors.llvm.executable import Executable
from graphad.executors.llvm.guard import GAP, Guarded
from graphad.executors.llvm.libmvec import addresses
from graphad.executors.loops import Program, lower, supports
from graphad.graph import Graph
from graphad.op import Op

LOCAL = 64
"""Elements of a loop's carry up to which it is held in registers, or else in the function's own memory."""


class LLVMExecutor:
    """Compiles the whole graph to one native function; what loops cannot express runs with NumPy inside of it.

    `math="precise"` rounds as NumPy does, function by function: no fused multiply-add, and no elementary function whose
    error may exceed one unit in the last place. `threads` may share a large loop (default: the environment variable
    `GRAPHAD_NUM_THREADS`, else all cores that the process may use); small ones run in one. With `guard`, a program runs
    on copies of its arguments in memory with guards around every array, and a call raises `ExecutorError` where it
    wrote out of bounds: slow, for tests of compiled code. Raises `ExecutorError` for other values.
    """

    name = "llvm"

    def __init__(self, math: str = "fast", threads: int | None = None, guard: bool = False) -> None:
        if math not in ("fast", "precise"):
            raise ExecutorError(f"llvm: math={math!r} is neither 'fast' nor 'precise'")
        if threads is not None and threads < 1:
            raise ExecutorError(f"llvm: threads={threads} is not a number of threads; give 1 or more")
        self.target = engine.host(math == "precise")
        self.threads = threads or _cores()
        self.guard = guard
        self.lanes = self.target.vector_bytes // 8
        self.pipeline = f"decompose, fuse(lanes={self.lanes}), lifetime"

    def supports(self, op: Op) -> bool:
        """Whether a compiled function can hold the op itself."""
        return supports(op)

    def compile(self, graph: Graph) -> Executable:
        """One native function for the graph."""
        gap = GAP if self.guard else 0
        return self.build(lower(graph, lanes=self.lanes, threads=self.threads, gap=gap, local=LOCAL))

    def build(self, program: Program) -> Executable:
        """The native function of a loop program."""
        emitter = Emitter(program, self.target)
        text = emitter.text()
        symbols = {**emitter.module.symbols, **addresses(text)}
        kind = Guarded if self.guard else Executable
        return kind(program, emitter.host_calls, text, symbols)


def _cores() -> int:
    chosen = os.environ.get("GRAPHAD_NUM_THREADS", "")
    if chosen.isdigit() and int(chosen):
        return int(chosen)
    if os.name != "posix":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


__all__ = ["LLVMExecutor"]

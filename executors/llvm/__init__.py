"""The LLVM executor: the whole graph as one native function."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphad.errors import ExecutorError
from graphad.executors import cache
from graphad.executors.llvm import engine
from graphad.executors.llvm.emit import Emitter
from graphad.executors.llvm.executable import Executable
from graphad.executors.llvm.guard import GAP, Guarded
from graphad.executors.llvm.image import Image
from graphad.executors.loops import Program, lower, verify
from graphad.executors.loops.cost import caches
from graphad.executors.loops.lower import RULES
from graphad.graph import Graph
from graphad.op import Op

if TYPE_CHECKING:
    from graphad.executors.profile import Profile

LOCAL = 64
"""Elements of a loop's carry up to which it is held in registers, or else in the function's own memory."""


class LLVMExecutor:
    """Compiles the whole graph to one native function; what loops cannot express runs with NumPy inside of it.

    `math="precise"` rounds as NumPy does, function by function: no fused multiply-add, and no elementary function or
    power whose error may exceed one unit in the last place. `threads` may share a large loop (default: the
    environment variable `GRAPHAD_NUM_THREADS`, else all cores that the process may use); small ones run in one. With
    `guard`, a program runs on copies of its arguments in memory with guards around every array, and a call raises
    `ExecutorError` where it wrote out of bounds; compilation raises it where memory would be used again before its last
    read. That is slow, for tests of compiled code. Raises `ExecutorError` for other values.
    """

    name = "llvm"

    def __init__(self, math: str = "fast", threads: int | None = None, guard: bool = False) -> None:
        if not isinstance(math, str) or math not in ("fast", "precise"):
            raise ExecutorError(f"llvm: math={math!r} is neither 'fast' nor 'precise'")
        if threads is not None and (not isinstance(threads, int) or threads < 1):
            raise ExecutorError(f"llvm: threads={threads!r} is not a number of threads; give 1 or more")
        self._chosen = math, threads, guard
        self.target = engine.host(math == "precise")
        self.threads = threads or _cores()
        self.guard = guard
        self.lanes = self.target.vector_bytes // 8
        kept = "(supports='integer_pow')" if self.target.precise else ""
        self.pipeline = f"decompose{kept}, fuse(lanes={self.lanes}), lifetime"

    def __reduce__(self) -> Any:
        # Where it is unpickled, the processor may be another.
        return LLVMExecutor, self._chosen

    def supports(self, op: Op) -> bool:
        """All ops: what no loops express, the compiled function calls NumPy for."""
        return True

    def compile(self, graph: Graph, key: str | None = None) -> Executable:
        """One native function for the graph, which is kept on disk under a `key`, if there is one."""
        if self.guard:
            # With guards all buffers are apart: the plan that is verified is that of a run without them.
            verify(self.lowered(graph, 0))
        return self.build(self.lowered(graph, GAP if self.guard else 0), key)

    def lowered(self, graph: Graph, gap: int = 0) -> Program:
        """The loop program that a graph is compiled by, with a gap of so many bytes around each buffer."""
        return lower(graph, lanes=self.lanes, threads=self.threads, gap=gap, local=LOCAL)

    def build(self, program: Program, key: str | None = None) -> Executable:
        """The native function of a loop program."""
        emitter = Emitter(program, self.target)
        text = emitter.text()
        image = Image.of(program, emitter, text)
        name, code = engine.object_code(text)
        if self.guard:
            return Guarded(image, code, program)
        if key is not None:
            cache.store(key, pickle.dumps((name, image)))
        return Executable(image, code)

    def profile(self, graph: Graph, args: Sequence[Any], seconds: float = 0.5) -> Profile:
        """The times of the parts of a compiled graph, measured for arguments within some seconds."""
        from graphad.executors.llvm.profile import profile

        return profile(self.lowered(graph), self, args, seconds)

    @property
    def signature(self) -> str | None:
        """What compiled code depends on beside its graph, and None where it is not kept: with `guard`, and where
        lowering rules are not graphad's own."""
        foreign = not all([rule.__module__.startswith("graphad.") for rule in RULES.values()])
        if self.guard or foreign or type(self) is not LLVMExecutor:
            return None
        target = self.target
        told = engine.version(), sorted(target.features), target.vector_bytes, target.precise, self.threads, caches()
        return repr(told)

    def load(self, key: str) -> Executable | None:
        """The native function that is kept under a key, if there is one."""
        found = cache.load(key)
        if found is None:
            return None
        name, image = pickle.loads(found)  # from a folder that only the user can write to, as machine code is
        code = cache.load(name)
        return None if code is None else Executable(image, code)


def _cores() -> int:
    chosen = os.environ.get("GRAPHAD_NUM_THREADS", "")
    if chosen.isdigit() and int(chosen):
        return int(chosen)
    if os.name != "posix":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


__all__ = ["LLVMExecutor"]

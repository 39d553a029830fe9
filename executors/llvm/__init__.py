"""The LLVM executor: the whole graph as one native function."""

from __future__ import annotations

from graphad.executors.llvm import engine
from graphad.executors.llvm.emit import Emitter
from graphad.executors.llvm.entry import entry
from graphad.executors.llvm.executable import Executable
from graphad.executors.llvm.vectormath import libmvec_symbols
from graphad.executors.loops import lower, supports
from graphad.graph import Graph
from graphad.op import Op


class LLVMExecutor:
    """Compiles the whole graph to one native function; what loops cannot express runs with NumPy inside of it."""

    name = "llvm"
    pipeline = "decompose, fuse, lifetime"

    def __init__(self, math: str = "fast") -> None:
        self.precise = math == "precise"

    def supports(self, op: Op) -> bool:
        """Whether a compiled function can hold the op itself."""
        return supports(op)

    def compile(self, graph: Graph) -> Executable:
        """One native function for the graph."""
        program = lower(graph)
        emitter = Emitter(program, engine.host(self.precise))
        text = emitter.text() + entry(program, len(emitter.host_calls), True)
        symbols = {**emitter.module.symbols, **libmvec_symbols(text)}
        return Executable(program, emitter.host_calls, engine.object_code(text), symbols)


__all__ = ["LLVMExecutor"]

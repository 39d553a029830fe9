"""The numba executor: the whole graph as one compiled function, printed as Python that can be read."""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numba
import numpy as np
from numba import types as nb

from graphad.errors import ShapeError
from graphad.executors.arguments import memory_of, prepare
from graphad.executors.llvm import interrupts
from graphad.executors.llvm.executable import ALIGNMENT, aligned, native
from graphad.executors.loops import lower
from graphad.executors.loops.callbacks import failure, host_call
from graphad.executors.loops.program import Buffer, Program, StridedView
from graphad.executors.numba import runtime
from graphad.executors.numba.printer import INTERRUPTED, MISMATCH, Printer
from graphad.graph import Graph
from graphad.op import Op
from graphad.types import Array, DType

_DTYPES: dict[str, Any] = {
    "bool": nb.boolean, "i8": nb.int8, "i16": nb.int16, "i32": nb.int32, "i64": nb.int64, "u8": nb.uint8,
    "u16": nb.uint16, "u32": nb.uint32, "u64": nb.uint64, "f32": nb.float32, "f64": nb.float64,
    "c64": nb.complex64, "c128": nb.complex128,
}  # fmt: skip


@contextmanager
def _recursion(lines: int) -> Iterator[None]:
    """Allow what a compilation needs: numba walks the blocks of a function by recursion, some frames for each loop."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 1000 + 10 * lines))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


class NumbaExecutable:
    """A compiled graph: call it with one array for each input. Calls may overlap in many threads.

    Raises `ShapeError` or `TypeMismatchError` for arguments of other types than it was compiled for, and what an op
    raises while it runs (`IndexError` for an index out of bounds).
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self._failures: dict[int, BaseException] = {}
        self._free: list[Array] = []
        self._reached = 0
        printer = Printer(program)
        self._source = printer.text()
        self._control = printer.control
        self._arena_bytes = self._control + 8 * len(interrupts.CONTROL)
        self._constants = self._block(printer.parameters)
        slot = _slots(program)
        self._callbacks = [host_call(call, slot, self._failures) for call in printer.host_calls]
        namespace = self._namespace(printer)
        exec(compile(self._source, f"<graphad {program.name}>", "exec"), namespace)
        function = namespace[self._source[4 : self._source.index("(")]]
        signature = nb.int64(
            nb.Array(nb.uint8, 1, "C"),
            nb.Array(nb.uint8, 1, "C"),
            *[nb.Array(_element(t.dtype), t.ndim, "C", readonly=True) for t in program.input_types],
            *[nb.Array(_element(t.dtype), max(t.ndim, 1), "C") for t in program.output_types],
        )
        # Nothing is allocated, so numba need not count references: that halves the time to compile.
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
        with _recursion(self._source.count("\n")):
            compiled = numba.njit(signature, **options)(function)
        compiled.disable_compile()
        self._entry = compiled
        self._half = any(t.dtype.char == "e" for t in (*program.input_types, *program.output_types))
        self._call = self._caller()

    def _block(self, parameters: Sequence[Array]) -> Array:
        start = self.program.constant_bytes
        block = aligned(start + ALIGNMENT * len(parameters))
        for buffer, array in self.program.constants:
            block[buffer.offset : buffer.offset + buffer.nbytes] = np.frombuffer(array.tobytes(), np.uint8)
        for i, array in enumerate(parameters):
            at = start + ALIGNMENT * i
            block[at : at + array.nbytes] = np.frombuffer(array.tobytes(), np.uint8)
        return block

    def _namespace(self, printer: Printer) -> dict[str, Any]:
        namespace: dict[str, Any] = {name: getattr(runtime, name) for name in runtime.__all__}
        namespace.update(_DTYPES, math=math, np=np, inf=math.inf, nan=math.nan)
        namespace.update({name: runtime.library_call(name, count) for name, count in printer.routines.items()})
        namespace["poll"] = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(native().addresses["poll"])
        namespace.update({f"host{i}": callback for i, callback in enumerate(self._callbacks)})
        for name, arity in printer.specials.items():
            namespace[f"special_{name}"] = runtime.special(name, arity)
        return namespace

    def _caller(self) -> Callable[..., tuple[Array, ...]]:
        # Written out for this number of arguments: a loop over results would cost more than the results.
        program = self.program
        args = [f"x{i}" for i in range(len(program.inputs))]
        outs = [f"r{i}" for i in range(len(program.outputs))]
        made = [
            f"    r{i} = empty({t.shape or 1}, {'u16' if t.dtype.char == 'e' else f'd{i}'})"
            for i, t in enumerate(program.output_types)
        ]
        given = ", ".join(
            [
                f"r{i}" + ("" if t.dtype.char != "e" else f".view(d{i})") + ("" if t.shape else "[0]")
                for i, t in enumerate(program.output_types)
            ]
        )
        passed = ", ".join(["arena", "constants", *args, *outs])
        text = "\n".join(
            [
                f"def call({', '.join(args)}):",
                *made,
                "    try:",
                "        arena = pop()",
                "    except IndexError:",
                "        arena = new()",
                "    try:",
                # Numba's dispatcher does not tell byte orders apart.
                f"        if not ({' and '.join(f'{x}.dtype.isnative' for x in args) or True}):",
                "            raise TypeError",
                f"        status = entry({passed})",
                "    except (AttributeError, TypeError):",
                f"        {', '.join(args) or 'nothing'}{',' if args else ''} = prepare({', '.join(args)})",
                f"        status = entry({passed})",
                *["    release(arena)"][: len(program.stacks)],
                f"    if status == {INTERRUPTED}:",
                "        interrupted(arena)",
                "    push(arena)",
                "    if status:",
                f"        fail(status, ({', '.join(args)}{',' if args else ''}))",
                f"    return ({given}{',' if given else ''})",
            ]
        )
        namespace: dict[str, Any] = {
            "empty": np.empty, "new": self._arena, "interrupted": self._interrupted, "entry": self._entry,
            "u16": np.uint16, "constants": self._constants, "pop": self._free.pop, "push": self._free.append,
            "fail": self._fail, "prepare": self._prepare, "release": self._release,
        }  # fmt: skip
        namespace.update((f"d{i}", t.dtype) for i, t in enumerate(program.output_types))
        exec(compile(text, f"<graphad {program.name}>", "exec"), namespace)
        return namespace["call"]  # type: ignore[no-any-return]

    def __call__(self, *args: Any) -> tuple[Array, ...]:
        if len(args) != len(self.program.input_types):
            count = len(self.program.input_types)
            raise ShapeError(f"{self.program.name}: {len(args)} arguments were given to a graph of {count} inputs")
        return self._call(*args)

    def source(self) -> str:
        """The printed program."""
        return self._source

    def memory(self) -> dict[str, int]:
        """What `memory_of` tells."""
        program = self.program
        pushed = sum(stack.entry for stack in program.stacks)
        return memory_of(program.output_types, program.arena_bytes, int(self._constants.nbytes), pushed, self._reached)

    def _arena(self) -> Array:
        arena = aligned(self._arena_bytes)
        interrupts.prepare(arena[self._control :].view(np.uint64))
        return arena

    def _interrupted(self, arena: Array) -> None:
        interrupts.leave(arena[self._control :].view(np.uint64))

    def _release(self, arena: Array) -> None:
        """Free the stacks of a run."""
        reached = 0
        for stack in self.program.stacks:
            at = stack.header.offset
            address, _, room = arena[at : at + 24].view(np.int64).tolist()
            runtime.free(address)
            reached += room * stack.entry
        self._reached = max(self._reached, reached)

    def _prepare(self, *args: Any) -> list[Array]:
        # The slow way in: scalars, strided or misaligned arrays, half precision.
        arrays = prepare(self.program.name, self.program.input_types, args)
        return [x.view(np.uint16) if x.dtype.char == "e" else x for x in arrays]

    def _fail(self, status: int, args: tuple[Any, ...]) -> None:
        if status == MISMATCH:
            self._prepare(*args)
        if status <= len(self.program.errors):
            kind, message = self.program.errors[status - 1]
            raise kind(message)
        raise failure(self._failures)


def _element(dtype: DType) -> Any:
    return nb.uint16 if dtype.char == "e" else numba.from_dtype(dtype)


def _slots(program: Program) -> Callable[[StridedView], int]:
    """Where a view's block stands in the table of addresses behind the arena."""
    slots = {id(b): 2 + i for i, b in enumerate((*program.inputs, *program.outputs))}

    def slot(view: StridedView) -> int:
        buffer: Buffer = view.buffer
        return {"temporary": 0, "constant": 1}.get(buffer.kind, slots.get(id(buffer), 0))

    return slot


class NumbaExecutor:
    """Compiles the whole graph to one native function; what loops cannot express runs with NumPy inside of it."""

    name = "numba"
    pipeline = "decompose, fuse(total=1024), lifetime"

    def supports(self, op: Op) -> bool:
        return True

    def compile(self, graph: Graph) -> NumbaExecutable:
        return NumbaExecutable(lower(graph))


__all__ = ["NumbaExecutable", "NumbaExecutor"]

"""Compiled programs in guarded memory: what they read or write out of bounds shows."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphad.errors import ExecutorError
from graphad.executors.llvm.executable import Executable, aligned
from graphad.executors.llvm.image import Image
from graphad.executors.llvm.interrupts import CONTROL
from graphad.executors.loops.layout import touched
from graphad.executors.loops.program import Buffer, Load, Program, loops_of, roots, walk
from graphad.executors.loops.statements import all_statements
from graphad.types import Array, TensorType

GAP = 64
"""Bytes of the guard on each side of a buffer."""
PATTERN = 0x7FF40000
"""What guards and uninitialised memory hold in every four bytes, plus a number: a signalling NaN, which arithmetic
makes a quiet one, so that even an addition to it shows. The numbers differ from place to place, so that a copied NaN
differs from what stood where it is written."""
_RESULT_ALIGNMENT = 16


@dataclass(frozen=True)
class Allocation:
    """A part of a block that holds one buffer; `kept` says that the program may not change it."""

    name: str
    start: int
    nbytes: int
    kept: bool


class Block:
    """Memory with a guard around each of its allocations."""

    def __init__(self, number: int, nbytes: int, allocations: Sequence[Allocation]) -> None:
        self.memory = filled(nbytes, number)
        self.allocations = allocations
        self._before = self.memory

    def seal(self) -> None:
        """Remember what the memory holds before a run."""
        self._before = self.memory.copy()

    def check(self, program: str) -> None:
        """Raise `ExecutorError` where a run has changed what it may not."""
        changed = self.memory != self._before
        for r in self.allocations:
            if not r.kept:
                changed[r.start : r.start + r.nbytes] = False
        if not changed.any():
            return
        at = int(np.argmax(changed))
        nearest = min(self.allocations, key=lambda r: max(r.start - at, at - r.start - r.nbytes + 1))
        offset = at - nearest.start
        how = "changed" if 0 <= offset < nearest.nbytes else "wrote outside of"
        raise ExecutorError(f"{program}: the program {how} {nearest.name}, at byte {offset} of its {nearest.nbytes}")


class Guarded(Executable):
    """A compiled graph that runs on copies of its arguments and checks the memory around all that it touches.

    Temporaries and results hold NaN before each run. The program must have been lowered with a gap of `GAP` bytes.
    Raises `ExecutorError` for a write outside of a buffer, or into an input or a constant.
    """

    def __init__(self, image: Image, code: bytes, program: Program) -> None:
        self.program = program
        super().__init__(image, code)

    def bind(
        self, fallback: Callable[..., Any], single: bool = False, numbers: Sequence[type | None] = ()
    ) -> Callable[..., Any]:
        """As `Executable.bind`, in Python."""
        types = self.program.input_types
        numbers = [*numbers, *[None] * (len(types) - len(numbers))]

        def call(*args: Any) -> Any:
            exact = len(args) == len(types) and all(map(_is_exact, args, types, numbers))
            if not exact:
                return fallback(*args)
            results = self._run([np.asarray(x, t.dtype) for x, t in zip(args, types, strict=True)])
            return results[0] if single and len(results) == 1 else results

        return call

    def _run(self, args: Sequence[Array]) -> tuple[Array, ...]:
        program = self.program
        arena = Block(0, program.arena_bytes, [_allocation(program, b) for b in temporaries(program)])
        constants = Block(1, program.constant_bytes, [_allocation(program, b) for b, _ in program.constants])
        for buffer, array in program.constants:
            _part(constants, buffer.offset, array.nbytes)[:] = np.frombuffer(array.tobytes(), np.uint8)
        # Arguments and results are no better aligned than Python's may be.
        inputs = [_alone(2 + b.number, b, b.dtype.alignment) for b in program.inputs]
        outputs = [_alone(2 + len(inputs) + b.number, b, _RESULT_ALIGNMENT) for b in program.outputs]
        for block, x in zip(inputs, args, strict=True):
            _content(block)[:] = np.frombuffer(x.tobytes(), np.uint8)
        blocks = [arena, constants, *inputs, *outputs]
        for block in blocks:
            block.seal()
        addresses = [arena.memory.ctypes.data, constants.memory.ctypes.data]
        addresses += [_content(block).ctypes.data for block in (*inputs, *outputs)]
        addresses += [ctypes.cast(callback, ctypes.c_void_p).value or 0 for callback in self._callbacks]
        # Runs in guarded memory are not interrupted.
        control = np.zeros(len(CONTROL), np.uint64)
        table = np.array([control.ctypes.data, *addresses], np.uint64)
        run = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(self._library.addresses["run"])
        status = run(table[1:].ctypes.data)
        for block in blocks:
            block.check(program.name)
        if status:
            self._fail(status)
        made = zip(outputs, program.output_types, strict=True)
        return tuple([_content(block).copy().view(t.dtype).reshape(t.shape)[()] for block, t in made])


def filled(nbytes: int, number: int) -> Array:
    """Bytes of the pattern that begin at a cache line; those of blocks of other numbers differ."""
    block = aligned(-(-nbytes // 4) * 4)
    words = block.view(np.uint32)
    words[:] = PATTERN + (np.arange(words.size) + 7919 * number) % 0x10000
    return block


def temporaries(program: Program) -> list[Buffer]:
    """The buffers of the arena, by their offsets."""
    found: dict[Buffer, None] = {}
    for statement in all_statements(program.statements):
        loads = [x for loop in loops_of(statement) for x in walk(roots(loop)) if isinstance(x, Load)]
        found.update((b, None) for b in touched(statement, loads) if b.kind == "temporary")
    return sorted(found, key=lambda b: b.offset)


def _allocation(program: Program, buffer: Buffer) -> Allocation:
    number = [b for b, _ in program.constants].index(buffer) if buffer.kind == "constant" else buffer.offset
    place = f"constant {number}" if buffer.kind == "constant" else f"the temporary at byte {number} of the arena"
    return Allocation(place, buffer.offset, buffer.nbytes, buffer.kind == "constant")


def _alone(number: int, buffer: Buffer, alignment: int) -> Block:
    start = GAP + alignment
    name = f"{buffer.kind} {buffer.number}"
    return Block(number, start + buffer.nbytes + GAP, [Allocation(name, start, buffer.nbytes, buffer.kind == "input")])


def _part(block: Block, start: int, nbytes: int) -> Array:
    return block.memory[start : start + nbytes]


def _content(block: Block) -> Array:
    (allocation,) = block.allocations
    return _part(block, allocation.start, allocation.nbytes)


def _is_exact(x: Any, kind: TensorType, number: type | None) -> bool:
    if type(x) is np.ndarray:
        return bool(x.dtype == kind.dtype and x.dtype.isnative and x.shape == kind.shape and x.flags.c_contiguous)
    return number is not None and type(x) is number and number in (float, np.float64) and not kind.shape


__all__ = ["GAP", "Guarded"]

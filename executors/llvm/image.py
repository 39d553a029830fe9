"""A compiled program as data: all that running it needs beside its machine code, in this process or in another."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np

from graphad.executors.llvm.emit import Emitter
from graphad.executors.llvm.libmvec import named
from graphad.executors.llvm.symbols import Symbol
from graphad.executors.loops.cost import nanoseconds
from graphad.executors.loops.program import HostCall, Program, loops_of
from graphad.types import TensorType

RELEASE_FROM = 3000.0
"""Nanoseconds of a run from which it lets go of Python's lock; doing so takes some 50."""


@dataclass(frozen=True)
class Image:
    """The program's types, errors, constants (one block of bytes), and bytes of memory, of those that each iteration
    adds too; the functions that it calls, Python's among them; whether it lets go of Python's lock; and its code as
    LLVM's text, compressed."""

    name: str
    input_types: tuple[TensorType, ...]
    output_types: tuple[TensorType, ...]
    errors: list[tuple[type[Exception], str]]
    constants: bytes
    constant_bytes: int
    arena_bytes: int
    pushed_bytes: int
    hosts: list[HostCall]
    symbols: dict[str, Symbol]
    releases: bool
    packed: bytes

    @classmethod
    def of(cls, program: Program, emitter: Emitter, text: str) -> Image:
        """The image of a program that an emitter has written as a text."""
        block = np.zeros(program.constant_bytes, np.uint8)
        for buffer, array in program.constants:
            block[buffer.offset : buffer.offset + buffer.nbytes] = np.frombuffer(array.tobytes(), np.uint8)
        return cls(
            program.name, program.input_types, program.output_types, program.errors, block.tobytes(),
            program.constant_bytes, program.arena_bytes, sum(s.entry for s in program.stacks), emitter.host_calls,
            {**emitter.module.symbols, **{name: Symbol("mvec", name) for name in sorted(named(text))}},
            _long(program), zlib.compress(text.encode(), 1),
        )  # fmt: skip

    @property
    def text(self) -> str:
        """The code as LLVM's text."""
        return zlib.decompress(self.packed).decode()


def _long(program: Program) -> bool:
    """Whether a run may take longer than `RELEASE_FROM`: what calls Python, LAPACK, or loops does."""
    total = 0.0
    for statement in program.statements:
        loops = loops_of(statement)
        total += sum(map(nanoseconds, loops)) if loops else math.inf
        if total > RELEASE_FROM:
            return True
    return False

"""LLVM IR as text: types, constants, and one function's instructions in order."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from graphad.executors.llvm.symbols import Symbol
from graphad.types import DType


@cache
def element_type(dtype: DType) -> str:
    """The type of one element in a register: booleans are `i1`, half precision is only moved and so is `i16`."""
    if dtype.kind == "b":
        return "i1"
    if dtype.kind in "iu":
        return f"i{dtype.itemsize * 8}"
    return {"e": "i16", "f": "float", "d": "double", "F": "float", "D": "double"}[dtype.char]


def memory_type(dtype: DType) -> str:
    """The type of one element, or of one part of a complex element, in memory."""
    return "i8" if dtype.kind == "b" else element_type(dtype)


@cache
def vector(element: str, lanes: int) -> str:
    """A vector type; the element's own for one lane."""
    return element if lanes == 1 else f"<{lanes} x {element}>"


def number(element: str, value: Any) -> str:
    """A constant of an element type."""
    if element == "i1":
        return "true" if value else "false"
    if element[0] == "i":
        return str(int(value))
    if element == "float":
        value = np.float32(value)
    return f"0x{struct.unpack('<Q', struct.pack('<d', float(value)))[0]:016X}"


def splat(element: str, value: Any, lanes: int) -> str:
    """A constant in every lane."""
    text = number(element, value)
    return text if lanes == 1 else f"splat ({element} {text})"


def literals(element: str, values: Any) -> str:
    """A constant with one number for each lane."""
    return f"<{', '.join(f'{element} {number(element, x)}' for x in values)}>"


@cache
def mangle(element: str, lanes: int) -> str:
    """A type as it stands in the names of intrinsics: `v8f64`."""
    kind = {"double": "f64", "float": "f32", "ptr": "p0"}.get(element, element)
    return kind if lanes == 1 else f"v{lanes}{kind}"


class Module:
    """What one module declares and defines besides its main function."""

    def __init__(self) -> None:
        self.declarations: dict[str, None] = {}
        self.definitions: dict[str, str] = {}
        self.symbols: dict[str, Symbol] = {}
        """The external functions that the process does not export by name."""

    def declare(self, result: str, symbol: str, *arguments: str) -> str:
        """Declare a function and give its name."""
        self.declarations[f"declare {result} @{symbol}({', '.join(arguments)})"] = None
        return symbol

    def text(self) -> str:
        """The definitions and declarations."""
        return "\n".join([*self.definitions.values(), *self.declarations, ""])


Lines = list["str | Lines"]
"""Instructions, and holes into which others may be put."""


class Code:
    """The instructions of one function."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.lines: Lines = []
        self.block = "entry"
        self.count = 0
        # About how many instructions a run does, and how often it does those that are written now.
        self.done, self.turns = 0.0, 1.0

    def name(self) -> str:
        """A fresh name, without its sigil."""
        self.count += 1
        return f"v{self.count}"

    def __call__(self, text: str) -> str:
        """Add an instruction that has a value; answers the value's name."""
        self.count += 1
        self.done += self.turns
        name = f"%v{self.count}"
        self.lines.append(f"{name} = {text}")
        return name

    def do(self, text: str) -> None:
        """Add an instruction without a value."""
        self.lines.append(text)

    def begin(self, label: str) -> None:
        """Begin a basic block."""
        self.lines.append(f"{label}:")
        self.block = label

    def call(self, result: str, symbol: str, *arguments: tuple[str, str]) -> str:
        """Call a function, which is declared; arguments are pairs of type and value."""
        self.module.declare(result, symbol, *[kind for kind, _ in arguments])
        text = f"call {result} @{symbol}({', '.join(f'{kind} {value}' for kind, value in arguments)})"
        if result == "void":
            self.do(text)
            return ""
        return self(text)

    def intrinsic(self, name: str, element: str, lanes: int, *values: str) -> str:
        """Call an intrinsic whose operands and result have one type."""
        kind = vector(element, lanes)
        return self.call(kind, f"llvm.{name}.{mangle(element, lanes)}", *[(kind, x) for x in values])

    def broadcast(self, element: str, value: str, lanes: int) -> str:
        """A scalar in every lane."""
        if lanes == 1:
            return value
        kind = vector(element, lanes)
        one = self(f"insertelement {kind} poison, {element} {value}, i64 0")
        return self(f"shufflevector {kind} {one}, {kind} poison, <{lanes} x i32> zeroinitializer")

    def extract(self, element: str, value: str, lanes: int, lane: int) -> str:
        """One lane of a vector."""
        return value if lanes == 1 else self(f"extractelement {vector(element, lanes)} {value}, i64 {lane}")

    def gathered(self, element: str, values: list[str]) -> str:
        """A vector of scalars."""
        if len(values) == 1:
            return values[0]
        result = "poison"
        for lane, value in enumerate(values):
            result = self(f"insertelement {vector(element, len(values))} {result}, {element} {value}, i64 {lane}")
        return result

    def hole(self) -> Lines:
        """A place between the instructions so far and those to come, into which instructions can be put later."""
        hole: Lines = []
        self.lines.append(hole)
        return hole

    @contextmanager
    def within(self, hole: Lines) -> Iterator[None]:
        """Put the instructions of the block into a hole."""
        lines, self.lines = self.lines, hole
        yield
        self.lines = lines

    @contextmanager
    def repeated(self, turns: float) -> Iterator[None]:
        """What is written in the block runs so many times as often as what is around it."""
        outer, self.turns = self.turns, self.turns * turns
        yield
        self.turns = outer

    def string(self) -> str:
        """All lines."""
        return "\n".join(_flat(self.lines))


def _flat(lines: Lines) -> Iterator[str]:
    for line in lines:
        if isinstance(line, str):
            yield line
        else:
            yield from _flat(line)

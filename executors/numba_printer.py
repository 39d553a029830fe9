"""Printing of a loop program as one Python function that numba compiles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphad.executors.loops.nest import Nest, schedule
from graphad.executors.loops.program import (
    Branch,
    Buffer,
    Check,
    Foreign,
    HostCall,
    Index,
    Load,
    Loop,
    Program,
    Reduction,
    Repeat,
    Rows,
    Store,
    View,
    is_identity,
)
from graphad.executors.numba_control import print_branch, print_empty, print_repeat
from graphad.executors.numba_scalars import literal, spell
from graphad.ops.scalar import Const, Operation, Scalar
from graphad.types import DType, dtype_spelling

MISMATCH = -1
"""What the printed function answers where an argument has another shape than it was compiled for."""


@dataclass
class Printer:
    """The text of a program, and what the text refers to: SciPy functions, products by BLAS, host calls.

    The function takes the arena, the block of constants, the inputs and the outputs. It answers 0, `MISMATCH`, or 1
    plus the number of an error (the program's own first, then one for each host call).
    """

    program: Program
    lines: list[str] = field(default_factory=list)
    specials: dict[str, int] = field(default_factory=dict)
    parameters: list[Any] = field(default_factory=list)
    routines: dict[str, int] = field(default_factory=dict)
    host_calls: list[HostCall] = field(default_factory=list)
    names: dict[Scalar, str] = field(default_factory=dict)
    known: set[Scalar] = field(default_factory=set)
    buffers: dict[Buffer, int] = field(default_factory=dict)
    # The array that a moving buffer is in now, and the variable that says where it begins there.
    moving: dict[Buffer, tuple[str, str]] = field(default_factory=dict)
    depth: int = 1
    count: int = 0

    def text(self) -> str:
        """The whole function."""
        print_empty(self, self.program.stacks)
        for statement in self.program.statements:
            self.statement(statement)
        body = self.lines
        self.lines = []
        arrays = [f"x{b.number}" for b in self.program.inputs] + [f"out{b.number}" for b in self.program.outputs]
        self.lines.append(f"def {_identifier(self.program.name)}({', '.join(['arena', 'constants', *arrays])}):")
        for buffer, kind in zip(self.program.inputs, self.program.input_types, strict=True):
            wrong = " or ".join(f"x{buffer.number}.shape[{i}] != {n}" for i, n in enumerate(kind.shape))
            if wrong:
                self.line(f"if {wrong}:  # {kind}")
                self.line(f"    return {MISMATCH}")
        used = "\n".join(body)
        for array in ["arena", "constants"]:
            for name in ["bool", *(f"{k}{n}" for k in "iufc" for n in (8, 16, 32, 64, 128))]:
                if f"{array}_{name}[" in used or f"{array}_{name}," in used:
                    self.line(f"{array}_{name} = flat({array}, {name})")
        for buffer in (*self.program.inputs, *self.program.outputs):
            if buffer in self.buffers or self.host_calls:
                name = self.array(buffer)
                self.line(f"{name} = flat({name}, {_memory(buffer.dtype)})")
        self.host_table()
        return "\n".join([*self.lines, *body, "    return 0", ""])

    @property
    def table_bytes(self) -> int:
        """Bytes at the end of the arena for the addresses that host calls read."""
        return 8 * (2 + len(self.program.inputs) + len(self.program.outputs)) if self.host_calls else 0

    def host_table(self) -> None:
        """Write the addresses of all memory behind the arena, where host calls find them."""
        if not self.host_calls:
            return
        at = self.program.arena_bytes // 8
        self.line("table = flat(arena, i64)")
        arrays = ["flat(arena, i8)", "flat(constants, i8)"]
        arrays += [self.array(b) for b in (*self.program.inputs, *self.program.outputs)]
        for i, array in enumerate(arrays):
            self.line(f"table[{at + i}] = address({array}, 0)")

    # -- statements -------------------------------------------------------------------------------------------

    def statement(self, statement: Any) -> None:
        if isinstance(statement, Rows):
            for loop in statement.loops:
                self.statement(loop)
        elif isinstance(statement, Loop):
            if not is_identity(statement):
                self.comment(statement.note)
                self.nest(schedule(statement, self.known))
        elif isinstance(statement, Foreign):
            self.comment(statement.note)
            self.foreign(statement)
        elif isinstance(statement, Repeat):
            self.comment(statement.note)
            print_repeat(self, statement)
        elif isinstance(statement, Branch):
            self.comment(statement.note)
            print_branch(self, statement)
        else:
            self.comment(statement.note)
            at = self.program.arena_bytes // 8
            number = len(self.host_calls)
            self.host_calls.append(statement)
            self.line(f"if host{number}(address(table, {at})) != 0:")
            self.line(f"    return {1 + len(self.program.errors) + number}")

    def nest(self, nest: Nest) -> None:
        for reduction in nest.in_memory:
            assert reduction.target is not None
            fill = Loop(reduction.target.shape, [Store(_collapsed(reduction), reduction.initial)])
            fill.space = fill.stores[0].view.shape
            self.nest(schedule(fill, self.known))
        accumulators = {reduction: f"s{self.fresh()}" for reduction in nest.reductions}
        index = [f"i{d}" for d in range(len(nest.extents))]
        outer = self.depth
        for d, level in enumerate(nest.levels):
            for x in level.scalars:
                if isinstance(x, Check):
                    self.line(f"if not ({self.use(x.condition)}):")
                    self.line(f"    return {1 + x.error}")
                else:
                    self.define(x, nest, index)
            for reduction in level.accumulators:
                self.line(f"{accumulators[reduction]} = {literal(reduction.initial)}")
            if d < len(nest.extents):
                self.line(f"for {index[d]} in range({nest.extents[d]}):")
                self.depth += 1
        for store in nest.stores:
            place = self.element(store.view, nest, index, store.shift)
            value = self.use(store.value)
            if store.add:
                value = _combined("sum", place, value, store.view.dtype, strict=True)
            self.line(f"{place} = {value}")
        for reduction in nest.in_memory:
            assert reduction.target is not None
            place = self.element(reduction.target, nest, index, None)
            value = self.use(reduction.value)
            self.line(f"{place} = {_combined(reduction.kind, place, value, reduction.target.dtype, strict=True)}")
        for reduction, name in accumulators.items():
            self.line(f"{name} = {_combined(reduction.kind, name, self.use(reduction.value), reduction.value.dtype)}")
        for d in reversed(range(len(nest.levels))):
            self.depth = outer + d
            for reduction in nest.levels[d].accumulators:
                if reduction.result is not None:
                    self.names[reduction.result] = accumulators[reduction]
                if reduction.target is not None:
                    self.line(f"{self.element(reduction.target, nest, index, None)} = {accumulators[reduction]}")
        self.depth = outer

    def foreign(self, call: Foreign) -> None:
        self.routines[call.routine] = len(call.arguments)
        index = ""
        if call.count > 1:
            self.line(f"for b in range({call.count}):")
            self.depth += 1
            index = "b"
        arguments = []
        for x in call.arguments:
            if isinstance(x, View):
                place = self.flat_index(x, x.strides[:1] if index else (), [index], None)
                arguments.append(f"address({self.array(x.buffer)}, {place})")
            else:
                arguments.append(f"address(constants, {self.parameter(x)})")
        self.line(f"{call.routine}({', '.join(arguments)})")
        if index:
            self.depth -= 1

    def parameter(self, x: Any) -> int:
        """The byte offset of a number or a letter put behind the program's constants."""
        array = np.frombuffer(x.encode(), np.int8) if isinstance(x, str) else np.asarray(x)
        if isinstance(x, int):
            array = array.astype(np.int32)
        at = self.program.constant_bytes + 64 * len(self.parameters)
        self.parameters.append(array)
        return at

    # -- scalars ----------------------------------------------------------------------------------------------

    def define(self, x: Scalar, nest: Nest, index: list[str]) -> None:
        if isinstance(x, Load):
            text = self.element(x.view, nest, index, x.shift)
            if x.mask is not None:
                text = f"{text} if {self.use(x.mask)} else {literal(Const(x.dtype, x.dtype.type(0)))}"
        elif isinstance(x, Index):
            self.names[x] = self.position(x, nest, index)
            return
        else:
            assert isinstance(x, Operation)
            if x.name.startswith("special_"):
                self.specials[x.name.removeprefix("special_")] = len(x.args)
            text = spell(x, [self.use(y) for y in x.args])
        self.names[x] = f"t{self.fresh()}"
        self.line(f"{self.names[x]} = {text}")

    def position(self, x: Index, nest: Nest, index: list[str]) -> str:
        return index[nest.places[x.axis]] if x.axis in nest.places else "0"

    def use(self, x: Scalar) -> str:
        """The name or the literal that stands for a scalar."""
        if isinstance(x, Const):
            return literal(x)
        return self.names[x]

    def fresh(self) -> int:
        self.count += 1
        return self.count - 1

    # -- memory -----------------------------------------------------------------------------------------------

    def array(self, buffer: Buffer) -> str:
        self.buffers.setdefault(buffer, len(self.buffers))
        match buffer.kind:
            case "input":
                return f"x{buffer.number}"
            case "output":
                return f"out{buffer.number}"
            case "constant":
                return f"constants_{_memory(buffer.dtype)}"
            case "moving":
                return self.moving[buffer][0]
        return f"arena_{_memory(buffer.dtype)}"

    def memory(self, dtype: DType) -> str:
        """The name of a dtype's elements in memory."""
        return _memory(dtype)

    def origin(self, view: View) -> int:
        return view.buffer.offset // view.dtype.itemsize + view.offset

    def element(self, view: View, nest: Nest, index: list[str], shift: Scalar | None) -> str:
        if view.buffer.kind == "local":
            return f"c{self.buffers.setdefault(view.buffer, len(self.buffers))}"
        strides = nest.strides.get(view, (0,) * len(index))
        return f"{self.array(view.buffer)}[{self.flat_index(view, strides, index, shift)}]"

    def flat_index(self, view: View, strides: tuple[int, ...], index: list[str], shift: Scalar | None) -> str:
        terms = [i if s == 1 else f"{i} * {s}" for i, s in zip(index, strides, strict=False) if s]
        start = self.origin(view)
        if view.buffer.kind == "moving":
            terms.insert(0, self.moving[view.buffer][1])
        if start or not terms:
            terms.insert(0, str(start))
        if shift is not None:
            terms.append(self.use(shift))
        return " + ".join(terms)

    # -- lines ------------------------------------------------------------------------------------------------

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def comment(self, note: str) -> None:
        if note:
            self.line(f"# {note}")


def _combined(kind: str, total: str, x: str, dtype: DType, strict: bool = False) -> str:
    name = dtype_spelling(dtype)
    if dtype.kind == "b":
        return f"{total} & {x}" if kind in ("all", "min", "prod") else f"{total} | {x}"
    if kind in ("max", "min"):
        if dtype.kind == "f":
            return f"{kind}imum({total}, {x})"
        return f"{total} if {total} {'>' if kind == 'max' else '<'} {x} else {x}"
    if dtype.kind == "f" and not strict:
        return f"{'plus' if kind == 'sum' else 'times'}({total}, {x})"
    return f"{name}({total} {'+' if kind == 'sum' else '*'} {x})"


def _collapsed(reduction: Reduction) -> View:
    target = reduction.target
    assert target is not None
    kept = [i for i in range(len(target.shape)) if i not in reduction.axes]
    return target.transpose(kept)


def _memory(dtype: DType) -> str:
    # Half precision is only moved, never computed with.
    return "u16" if dtype.char == "e" else dtype_spelling(dtype)


def _identifier(name: str) -> str:
    # The prefix keeps a graph named as a keyword or as a helper apart from those.
    return f"run_{name}" if name.isidentifier() else "run"


"""Printing of a loop program as one Python function that numba compiles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphad.executors.llvm.interrupts import CONTROL
from graphad.executors.loops.nest import Nest, cut, is_rounded, schedule
from graphad.executors.loops.program import (
    Branch,
    Buffer,
    HostCall,
    Index,
    LibraryCall,
    Load,
    LoopNest,
    Program,
    Reduction,
    RowLoops,
    RuntimeCheck,
    SequentialLoop,
    Store,
    StridedView,
)
from graphad.executors.loops.work import CHUNK, chunk, library_call, work
from graphad.executors.numba.control import print_branch, print_empty, print_sequential_loop
from graphad.executors.numba.scalars import literal, spell
from graphad.ops.scalar import Const, Operation, Scalar, weight
from graphad.types import DType, dtype_spelling

MISMATCH = -1
"""What the printed function answers where an argument has another shape than it was compiled for."""
INTERRUPTED = -2
"""What it answers where the handler of a signal has raised."""
BLOCK_BYTES, TERMS = 2048, 64
"""What a sum of floating numbers takes until a new accumulator begins: in loops that LLVM turns into vectors so many
bytes of terms, of which each lane takes some 32, and in others so many terms."""


@dataclass
class Printer:
    """The text of a program, and what the text refers to: SciPy functions, products by BLAS, host calls.

    The function takes the arena, the block of constants, the inputs and the outputs. It answers 0, `MISMATCH`,
    `INTERRUPTED`, or 1 plus the number of an error (the program's own first, then one for each host call).
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
    # Nanoseconds of the statements since the last one behind which the function asks for signals.
    owed: float = 0.0

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
            if kind.shape:
                self.line(f"if not shaped(x{buffer.number}, {kind.shape}):  # {kind}")
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
        if "work += " in used:
            self.line("work = 0")
        return "\n".join([*self.lines, *body, "    return 0", ""])

    @property
    def control(self) -> int:
        """Where behind the arena the words stand of which `poll` asks."""
        return self.program.arena_bytes // 8 * 8 + 8 + 8 * (2 + len(self.program.inputs) + len(self.program.outputs))

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
        if isinstance(statement, RowLoops):
            for loop in statement.loops:
                self.statement(loop)
        elif isinstance(statement, LoopNest):
            self.comment(statement.note)
            self.nest(schedule(statement, self.known), work(statement))
        elif isinstance(statement, LibraryCall):
            self.comment(statement.note)
            self.library_call(statement)
        elif isinstance(statement, SequentialLoop):
            self.comment(statement.note)
            print_sequential_loop(self, statement)
        elif isinstance(statement, Branch):
            self.comment(statement.note)
            print_branch(self, statement)
        else:
            self.comment(statement.note)
            at = self.program.arena_bytes // 8
            number = len(self.host_calls)
            self.host_calls.append(statement)
            place = self.control // 8 + CONTROL.index("done")
            self.line(f"table[{place}] = 0")
            self.line(f"host{number}(address(table, {at}), address(table, {place}))")
            self.line(f"if table[{place}] == 0:")
            self.line(f"    return {1 + len(self.program.errors) + number}")
        self.owed += 0 if isinstance(statement, RowLoops) else work(statement)
        if self.owed > CHUNK:
            self.poll()
            self.owed = 0.0

    def poll(self) -> None:
        """Leave the function where Python has a signal to handle that ends the run."""
        self.line(f"if poll(address(arena_u8, {self.control})) != 0:")
        self.line(f"    return {INTERRUPTED}")

    def spend(self, nanoseconds: float) -> None:
        """Poll whenever the code that comes by here has done enough work; so much since it last came."""
        self.line(f"work += {min(max(int(nanoseconds), 1), CHUNK)}")
        self.line(f"if work >= {CHUNK}:")
        self.depth += 1
        self.line("work = 0")
        self.poll()
        self.depth -= 1

    def nest(self, nest: Nest, nanoseconds: float) -> None:
        for reduction in nest.filled:
            assert reduction.target is not None
            fill = LoopNest(reduction.target.shape, [Store(_collapsed(reduction), reduction.initial)])
            fill.space = fill.stores[0].view.shape
            self.nest(schedule(fill, self.known), work(fill))
        levels = {r: nest.level(r) for r in (*nest.reductions, *nest.in_memory)}
        depth = len(nest.extents)
        names = {r: f"s{self.fresh()}" for r, d in levels.items() if d < depth or r not in nest.in_memory}
        plain = sum([weight(x) for x in nest.levels[-1]]) <= 16 and all(r.value.dtype.kind != "c" for r in levels)
        widest = max([r.value.dtype.itemsize for r in levels], default=1)
        long = cut(nest.extents, BLOCK_BYTES // widest if plain else TERMS)
        blocked = [r for r in names if long is not None and levels[r] <= long[0] and is_rounded(r)]
        asked = chunk(nest.extents, nanoseconds)
        parted = {part[0]: part[1] for part in (asked, long if blocked else None) if part is not None}
        index = [f"i{d}" for d in range(depth)]
        outer, ends = self.depth, []
        for d, level in enumerate(nest.levels):
            for x in level:
                if isinstance(x, RuntimeCheck):
                    self.line(f"if not ({self.use(x.condition)}):")
                    self.line(f"    return {1 + x.error}")
                else:
                    self.define(x, nest, index)
            for r in [r for r in names if levels[r] == d]:
                self.line(f"{names[r]} = {literal(r.initial)}")
                if r in blocked:
                    self.line(f"{names[r]}_lost = {literal(r.initial)}")
            ends.append(self.depth)
            if d == depth:
                break
            low, high = [self.use(x) for x in nest.bounds[d]] if d in nest.bounds else ("0", f"{nest.extents[d]}")
            loop, turns = index[d], high
            if d in parted:
                self.line(f"for b{d} in range({low}, {high}, {parted[d]}):")
                self.depth += 1
                for r in blocked if long is not None and long[0] == d else ():
                    self.line(f"{names[r]}_block = {literal(r.initial)}")
                # LLVM sees that the sum of both indices is not negative, which is what vectors need.
                loop, turns = f"k{d}", f"min({parted[d]}, {high} - b{d})"
            elif d in nest.bounds:
                loop, turns = f"k{d}", f"max({high} - {low}, 0)"
            self.line(f"for {loop} in range({turns}):")
            self.depth += 1
            if loop != index[d]:
                self.line(f"{index[d]} = {f'b{d}' if d in parted else low} + {loop}")
        for store in nest.stores:
            place = self.element(store.view, nest, index, store.shift)
            value = self.use(store.value)
            if store.add:
                value = _combined("sum", place, value, store.view.dtype, strict=True)
            self.line(f"{place} = {value}")
        for r in levels:
            if r in names:
                total = f"{names[r]}_block" if r in blocked else names[r]
                self.line(f"{total} = {_combined(r.kind, total, self.use(r.value), r.value.dtype)}")
            else:
                self.update(r, nest, index, self.use(r.value))
        for d in reversed(range(len(nest.levels))):
            self.depth = ends[d]
            if d in parted:
                self.depth += 1
                for name in [names[r] for r in blocked if long is not None and long[0] == d]:
                    self.line(f"{name}, {name}_lost = added({name}, {name}_lost, {name}_block)")
                if asked is not None and asked[0] == d:
                    self.spend(CHUNK * parted[d] / asked[1])
                self.depth -= 1
            for r in [r for r in names if levels[r] == d]:
                if r in blocked:
                    self.line(f"{names[r]} = {_corrected(names[r], r.value.dtype)}")
                if r.result is not None:
                    self.names[r.result] = names[r]
                if r in nest.in_memory:
                    self.update(r, nest, index, names[r])
                elif r.target is not None:
                    self.line(f"{self.element(r.target, nest, index, None)} = {names[r]}")
        self.depth = outer

    def update(self, reduction: Reduction, nest: Nest, index: list[str], value: str) -> None:
        """Combine a term with what stands at a reduction's place."""
        assert reduction.target is not None
        place = self.element(reduction.target, nest, index, None)
        self.line(f"{place} = {_combined(reduction.kind, place, value, reduction.target.dtype, strict=True)}")

    def library_call(self, statement: LibraryCall) -> None:
        self.routines[statement.routine] = len(statement.arguments)
        index = ""
        if statement.count > 1:
            self.line(f"for b in range({statement.count}):")
            self.depth += 1
            index = "b"
        arguments = []
        for x in statement.arguments:
            if isinstance(x, StridedView):
                place = self.flat_index(x, x.strides[:1] if index else (), [index], None)
                arguments.append(f"address({self.array(x.buffer)}, {place})")
            else:
                arguments.append(f"address(constants_u8, {self.parameter(x)})")
        self.line(f"{statement.routine}({', '.join(arguments)})")
        if index:
            if work(statement) > CHUNK:
                self.spend(library_call(statement))
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

    def origin(self, view: StridedView) -> int:
        return view.buffer.offset // view.dtype.itemsize + view.offset

    def element(self, view: StridedView, nest: Nest, index: list[str], shift: Scalar | None) -> str:
        if view.buffer.kind == "local":
            return f"c{self.buffers.setdefault(view.buffer, len(self.buffers))}"
        strides = nest.strides.get(view, (0,) * len(index))
        return f"{self.array(view.buffer)}[{self.flat_index(view, strides, index, shift)}]"

    def flat_index(self, view: StridedView, strides: tuple[int, ...], index: list[str], shift: Scalar | None) -> str:
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


def _corrected(name: str, dtype: DType) -> str:
    if dtype.kind != "c":
        return f"corrected({name}, {name}_lost)"
    parts = [f"corrected({name}.{part}, {name}_lost.{part})" for part in ("real", "imag")]
    return f"{dtype_spelling(dtype)}(complex({', '.join(parts)}))"


def _collapsed(reduction: Reduction) -> StridedView:
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


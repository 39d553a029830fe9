"""A loop program as one LLVM module: `run`, a function of one table of addresses."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphad.executors.llvm.control import (
    SHORT,
    STACKS,
    THOROUGH,
    changes_elements,
    emit_branch,
    emit_sequential_loop,
    with_stacks,
)
from graphad.executors.llvm.functions import CONTROL, Frame, Function, Share
from graphad.executors.llvm.interrupts import CONTROL as WORDS
from graphad.executors.llvm.nests import NestEmitter, emit_rows
from graphad.executors.llvm.scalars import Scalars
from graphad.executors.llvm.symbols import Symbol
from graphad.executors.llvm.text import Code, Module
from graphad.executors.loops.nest import Nest, schedule
from graphad.executors.loops.program import (
    Branch,
    Buffer,
    HostCall,
    LibraryCall,
    LoopNest,
    Program,
    PushStack,
    Reduction,
    RowLoops,
    SequentialLoop,
    Statement,
    Store,
    StridedView,
    roots,
    walk,
)
from graphad.executors.loops.routines import settable
from graphad.executors.loops.statements import all_statements
from graphad.executors.loops.work import CHUNK, chunks, library_call, work
from graphad.ops.scalar import Operation, Scalar

# The generic processor model: those of some processors ask for a scheduler whose time is quadratic in a block's length.
ATTRIBUTES = 'nounwind "no-trapping-math"="true" "tune-cpu"="generic"'
PART = 600
"""Values in one function after which the next statement begins another one: beyond it compile time grows faster than
the code."""
LONG = 1000.0
"""Nanoseconds of a call of a routine from which it might use threads of its own."""
_SETTERS = ("graphad.blas.get", "graphad.blas.set")
TURNS = 2.0
"""How often a run does the instructions of a program, on average, up to which it is short. Better ones take LLVM some
30 microseconds each to choose, and save less than a nanosecond each time."""
PIECE = 256
"""Operations on single numbers that one statement computes before the next."""
FEW = 64
"""Positions of a loop up to which it is taken for as many nanoseconds as it does instructions."""
INLINED = 12
"""Calls of one elementary function up to which each gets the function's code in place."""


@dataclass(frozen=True)
class Target:
    """The machine that code is made for: its features by LLVM's names, and `vector_bytes` of one register."""

    cpu: str
    features: frozenset[str]
    vector_bytes: int
    precise: bool = False

    def scalars(self, code: Code, lanes: int) -> Scalars:
        """The emission of scalar operations into a function."""
        return Scalars(code, self.features, self.precise, lanes)


class Emitter:
    """Writes a program into a module.

    The table holds the addresses of the arena, the constants, the inputs, the outputs and the host calls. The function
    answers 0, or 1 plus the number of an error (the program's own first, then one for each host call).
    """

    def __init__(self, program: Program, target: Target) -> None:
        self.program = program
        self.target = target
        self.module = Module()
        self.frame = Frame()
        self.function = Function(self.module, self.frame)
        self.functions = [self.function]
        self.shares: list[Share] = []
        self.known: set[Scalar] = set()
        self.host_calls: list[HostCall] = []
        # The addresses, in the function that is written now, of the buffers that move, and of its own.
        self.moving: dict[Buffer, str] = {}
        # Nanoseconds of the statements since the last one behind which the program asks for signals.
        self.owed = 0.0
        # Whether a loop around the code that is written asks for signals by the meter.
        self.metered = False
        self._numbers: dict[Any, str] = {}

    @property
    def code(self) -> Code:
        return self.function.code

    def text(self) -> str:
        """The whole module."""
        for statement in self.program.statements:
            for piece in self._pieces(statement):
                if self.code.count > PART:
                    self.function = Function(self.module, self.frame)
                    self.functions.append(self.function)
                self.statement(piece)
        attributes = f'{ATTRIBUTES} "prefer-vector-width"="{8 * self.target.vector_bytes}"'
        attributes += f' "min-legal-vector-width"="{8 * self.target.vector_bytes}"'
        functions: dict[str, Function] = {f"share{i}": share for i, share in enumerate(self.shares)}
        functions.update((f"part{i}", part) for i, part in enumerate(self.functions))
        run = "body" if self.program.stacks else "run"
        linkage = "internal " if self.program.stacks else ""
        if len(functions) == 1:
            head = f"define {linkage}i64 @{run}(ptr noalias %table) {attributes}"
            bodies = [f"{head} {{\nentry:\n{self.function.string()}\n}}\n"]
        else:
            bodies = [
                f"{part.head.format(name)} noinline {attributes} {{\nentry:\n{part.string()}\n}}\n"
                for name, part in functions.items()
            ]
            bodies += [self._in_order(f"define {linkage}i64 @{run}", attributes)]
        if self.program.stacks:
            bodies += [with_stacks(self.program.stacks, run, attributes), STACKS]
        body = "\n".join(bodies)
        self._outline(body)
        return f"{self._effort()}{self.module.text()}\n{body}\n"

    def _effort(self) -> str:
        """The first line, which says how much of LLVM's work the module is worth."""
        codes = [part.code for part in (*self.functions, *self.shares)]
        if sum([code.done for code in codes]) <= TURNS * sum([code.count for code in codes]):
            return SHORT
        return THOROUGH if any(changes_elements(s) for s in all_statements(self.program.statements)) else ""

    def _pieces(self, statement: Statement) -> list[Statement]:
        """A statement of single numbers as several, none of which computes more than one function should."""
        if not isinstance(statement, LoopNest) or statement.space:
            return [statement]
        values: list[Scalar] = [x for x in walk(roots(statement), self.known) if isinstance(x, Operation)]
        starts = range(0, len(values) - PIECE, PIECE)
        return [*[LoopNest((), values=values[i : i + PIECE], note=statement.note) for i in starts], statement]

    def _in_order(self, head: str, attributes: str) -> str:
        """The function that calls the parts one after another."""
        code = Code(self.module)
        code.do(f"%frame = alloca [{self.frame.nbytes} x i8], align 64")
        for i in range(len(self.functions)):
            status = code(f"call i64 @part{i}(ptr %table, ptr %frame)")
            after = code.name()
            code.do(f"br i1 {code(f'icmp eq i64 {status}, 0')}, label %{after}, label %failed{i}")
            code.begin(f"failed{i}")
            code.do(f"ret i64 {status}")
            code.begin(after)
        code.do("ret i64 0")
        return f"{head}(ptr noalias %table) {attributes} {{\nentry:\n{code.string()}\n}}\n"

    def _outline(self, body: str) -> None:
        """Make functions of those elementary functions that the body calls often: inlined they are most of the code."""
        for symbol, text in self.module.definitions.items():
            if body.count(f'@"{symbol}"(') > INLINED:
                self.module.definitions[symbol] = text.replace(" alwaysinline ", " noinline ", 1)

    def statement(self, statement: Statement) -> None:
        """Write one statement."""
        few = isinstance(statement, LoopNest) and math.prod(statement.space) <= FEW
        effort = 0.0 if few else work(statement, self.known)
        if statement.note:
            self.code.do(f"; {statement.note}")
        if isinstance(statement, LoopNest):
            before = self.code.count
            self.loop(statement, effort)
            if few:
                effort = float((self.code.count - before) * math.prod(statement.space))
        elif isinstance(statement, RowLoops):
            nests = [self._scheduled(loop, rows=True) for loop in statement.loops]
            emit_rows(self, nests, [work(loop) for loop in statement.loops], statement.threads)
        elif isinstance(statement, LibraryCall):
            self.library_call(statement)
        elif isinstance(statement, SequentialLoop):
            emit_sequential_loop(self, statement)
        elif isinstance(statement, Branch):
            emit_branch(self, statement)
        else:
            self.host(statement)
        self.owed += effort
        if self.owed > CHUNK:
            self.function.poll()
            self.owed = 0.0

    def loop(self, loop: LoopNest, effort: float) -> None:
        """Write a loop nest of so many nanoseconds, after what it updates in memory has its initial value."""
        NestEmitter(self, self._scheduled(loop), effort).emit()

    def _scheduled(self, loop: LoopNest, rows: bool = False) -> Nest:
        nest = schedule(loop, self.known, rows)
        for reduction in nest.filled:
            target = kept_target(reduction)
            first = LoopNest(target.shape, [Store(target, reduction.initial)])
            self.loop(first, work(first))
        return nest

    @contextmanager
    def share(self, iterations: int, threads: int, chunks: int) -> Iterator[None]:
        """What is written within is a function of its own: the body of a loop whose iterations `threads` share, as so
        many chunks of them."""
        caller = self.function
        share = Share(self.module, self.frame, caller)
        name = f"share{len(self.shares)}"
        self.shares.append(share)
        self.module.declare("i64", "graphad.parallel", "ptr", "ptr", "ptr", "i64", "i64", "i64")
        self.function = share
        yield
        self.function = caller
        code, after, failed = caller.code, caller.code.name(), caller.code.name()
        status = code(
            f"call i64 @graphad.parallel(ptr @{name}, ptr %table, ptr %frame, "
            f"i64 {iterations}, i64 {threads}, i64 {chunks})"
        )
        code.do(f"br i1 {code(f'icmp eq i64 {status}, 0')}, label %{after}, label %{failed}")
        code.begin(failed)
        code.do(f"ret i64 {status}")
        code.begin(after)

    # -- memory ------------------------------------------------------------------------------------------------

    def pointer(self, buffer: Buffer, offset: int) -> str:
        """The address of a byte of a buffer's block; `offset` counts from the beginning of the block."""
        base = self._base(buffer)
        return base if offset == 0 else self.code(f"getelementptr i8, ptr {base}, i64 {offset}")

    def _base(self, buffer: Buffer) -> str:
        if buffer.kind in ("moving", "local"):
            return self.function.address(buffer, self.moving)
        return self.function.at_entry(self.slot(buffer))

    def pointer_of_stack(self, stack: PushStack) -> str:
        """The address of the first entry of a stack, until it grows."""
        header = self.pointer(stack.header, stack.header.offset)
        return self.code(f"load ptr, ptr {header}, align 8")

    def slot(self, buffer: Buffer) -> int:
        """Which entry of the table holds the address of a buffer's block."""
        if buffer.kind == "input":
            return 2 + buffer.number
        if buffer.kind == "output":
            return 2 + len(self.program.inputs) + buffer.number
        return 0 if buffer.kind == "temporary" else 1

    # -- calls -------------------------------------------------------------------------------------------------

    def host(self, call: HostCall) -> None:
        """Call back into Python."""
        number = len(self.host_calls)
        self.host_calls.append(call)
        function = self.function.at_entry(2 + len(self.program.inputs) + len(self.program.outputs) + number)
        place = self.code(f"getelementptr i64, ptr {self.function.at_entry(CONTROL)}, i64 {WORDS.index('done')}")
        self.code.do(f"store i64 0, ptr {place}")
        self.code.do(f"call void {function}(ptr %table, ptr {place})")
        done = self.code(f"icmp ne i64 {self.code(f'load i64, ptr {place}')}, 0")
        after = self.code.name()
        self.code.do(f"br i1 {done}, label %{after}, label %{self.function.fail(len(self.program.errors) + number)}")
        self.code.begin(after)

    def library_call(self, statement: LibraryCall) -> None:
        """Call a routine of BLAS or LAPACK once for each of its batch elements, which threads may share."""
        if statement.threads == 1:
            self._calls(statement, "0", str(statement.count))
            return
        parts = chunks(statement.count, work(statement), statement.threads)
        with self.share(statement.count, statement.threads, parts):
            self._calls(statement, "%low", "%high")

    def _calls(self, statement: LibraryCall, low: str, high: str) -> None:
        code = self.code
        if statement.count == 1:
            self._call(statement, "0")
            return
        head, after, before = code.name(), code.name(), code.block
        index, following = f"%{code.name()}", f"%{code.name()}"
        code.do(f"br label %{head}")
        code.begin(head)
        phi: list[Any] = []
        code.lines.append(phi)
        self._call(statement, index)
        if work(statement) > CHUNK:
            self.function.spend(library_call(statement))
        phi.append(f"{index} = phi i64 [ {low}, %{before} ], [ {following}, %{code.block} ]")
        code.do(f"{following} = add i64 {index}, 1")
        code.do(f"br i1 {code(f'icmp ult i64 {following}, {high}')}, label %{head}, label %{after}")
        code.begin(after)

    def _call(self, statement: LibraryCall, index: str) -> None:
        """The call for one batch element."""
        code = self.code
        symbol = f"graphad.{statement.routine}"
        self.module.symbols[symbol] = Symbol("linalg", statement.routine)
        arguments = []
        for argument in statement.arguments:
            if not isinstance(argument, StridedView):
                arguments.append(("ptr", self.number(argument)))
                continue
            item = argument.dtype.itemsize
            place = self.pointer(argument.buffer, argument.buffer.offset + argument.offset * item)
            if statement.count > 1 and argument.strides[0]:
                step = code(f"mul i64 {index}, {argument.strides[0] * item}")
                place = code(f"getelementptr i8, ptr {place}, i64 {step}")
            arguments.append(("ptr", place))
        control = None if statement.own or library_call(statement) < LONG else settable()
        if control is not None:
            self.module.symbols.update({name: Symbol("threads", str(i)) for i, name in enumerate(_SETTERS)})
            self.module.declare("i32", _SETTERS[0])
            self.module.declare("void", _SETTERS[1], "i32")
            code.call("void", "graphad.blas.one", *[("ptr", f"@{name}") for name in _SETTERS])
        code.call("void", symbol, *arguments)
        if control is not None:
            code.call("void", "graphad.blas.back", *[("ptr", f"@{name}") for name in _SETTERS])

    def number(self, value: Any) -> str:
        """The address of a constant that a routine reads."""
        if isinstance(value, str):
            data = value.encode()
        else:
            data = np.asarray(value, np.int32 if isinstance(value, int) else None).tobytes()
        if data not in self._numbers:
            name = f"@number{len(self._numbers)}"
            content = "".join(f"\\{byte:02X}" for byte in data)
            # Routines declare their arguments without `const`; a variable is safe to hand to them.
            self.module.definitions[name] = f'{name} = private global [{len(data)} x i8] c"{content}", align 16'
            self._numbers[data] = name
        return self._numbers[data]


def kept_target(reduction: Reduction) -> StridedView:
    """The target of a reduction over its kept axes only."""
    target = reduction.target
    assert target is not None
    return target.transpose([i for i in range(len(target.shape)) if i not in reduction.axes])

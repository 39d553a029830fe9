"""The functions that a program is emitted as, and the frame through which they hand scalars on."""

from __future__ import annotations

from typing import Any

from graphad.executors.llvm.interrupts import INTERRUPTED
from graphad.executors.llvm.scalars import Register
from graphad.executors.llvm.text import Code, Lines, Module, element_type, vector
from graphad.executors.loops.program import Buffer
from graphad.executors.loops.work import CHUNK, ticks
from graphad.ops.scalar import Scalar

CONTROL = -1
"""The entry of the table that says where a run is told to stop."""


class Frame:
    """Memory for scalars that one function computes and a later one reads."""

    def __init__(self) -> None:
        self.nbytes = 0
        self.makers: dict[Scalar, Function] = {}
        self._places: dict[Scalar, list[tuple[str, int]]] = {}

    def place(self, x: Scalar) -> list[tuple[str, int]]:
        """The type and the offset of each part of a scalar; its maker stores it there."""
        if x not in self._places:
            self._places[x] = self.room(x)
            self.makers[x].keep(x, self._places[x])
        return self._places[x]

    def room(self, x: Scalar) -> list[tuple[str, int]]:
        """New memory for a scalar."""
        kind = vector(element_type(x.dtype), x.lanes)
        size = -(-max(x.dtype.itemsize, 8) * x.lanes // 64) * 64 if x.lanes > 1 else 8
        count = 2 if x.dtype.kind == "c" else 1
        start = self.nbytes if x.lanes == 1 else -(-self.nbytes // 64) * 64
        self.nbytes = start + count * size
        return [(kind, start + i * size) for i in range(count)]


class KnownRegisters(dict[Scalar, Register]):
    """The registers of the scalars that a function may use outside of its loops: its own, and on demand those of
    functions before it."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def __contains__(self, x: object) -> bool:
        return super().__contains__(x) or x in self.function.frame.makers

    def __setitem__(self, x: Scalar, register: Register) -> None:
        super().__setitem__(x, register)
        self.function.frame.makers.setdefault(x, self.function)

    def __missing__(self, x: Scalar) -> Register:
        code = self.function.code
        places = self.function.handed(x)
        with code.within(self.function.entry):
            found = [
                code(f"load {kind}, ptr {code(f'getelementptr i8, ptr %frame, i64 {at}')}, align 8")
                for kind, at in places
            ]
        register: Any = found[0] if len(found) == 1 else tuple(found)
        super().__setitem__(x, register)
        return register  # type: ignore[no-any-return]


    def forget(self, x: Scalar) -> None:
        """Leave out a scalar that is not known in all of the code to come."""
        self.pop(x, None)
        if self.function.frame.makers.get(x) is self.function:
            del self.function.frame.makers[x]


class Function:
    """One function: of the table of addresses, and of the frame where there are several functions."""

    head = "define internal i64 @{}(ptr noalias %table, ptr noalias %frame)"

    def __init__(self, module: Module, frame: Frame) -> None:
        self.frame = frame
        self.code = Code(module)
        self.entry = self.code.hole()
        self.env = KnownRegisters(self)
        self._last: Lines = []
        self._bases: dict[int, str] = {}
        self._failures: dict[int, str] = {}
        self._locals: dict[Buffer, str] = {}
        self._meter = ""

    def at_entry(self, slot: int) -> str:
        """An address of the table, read once for the whole function."""
        if slot not in self._bases:
            code = self.code
            with code.within(self.entry):
                place = code(f"getelementptr ptr, ptr %table, i64 {slot}")
                self._bases[slot] = code(f"load ptr, ptr {place}, align 8, !invariant.load !{{}}")
        return self._bases[slot]

    def address(self, buffer: Buffer, moving: dict[Buffer, str]) -> str:
        """The address of memory that moves, which `moving` holds, or of the function's own."""
        if buffer in moving:
            return moving[buffer]
        if buffer not in self._locals:
            with self.code.within(self.entry):
                self._locals[buffer] = self.code(f"alloca [{max(buffer.nbytes, 1)} x i8], align 64")
        return self._locals[buffer]

    def handed(self, x: Scalar) -> list[tuple[str, int]]:
        """Where in the frame a scalar stands that an earlier function computed."""
        return self.frame.place(x)

    def fail(self, error: int) -> str:
        """The label of the block that ends the function with an error."""
        return self._failures.setdefault(error, f"fail{error}")

    def poll(self) -> None:
        """Leave the function where Python has a signal to handle that ends the run."""
        code, after = self.code, self.code.name()
        status = code.call("i64", "graphad.poll", ("ptr", self.at_entry(CONTROL)))
        code.do(f"br i1 {code(f'icmp eq i64 {status}, 0')}, label %{after}, label %{self.fail(INTERRUPTED)}")
        code.begin(after)

    def meter(self) -> str:
        """The address of the nanoseconds of work since the last poll, for code of which no one else knows how long it
        takes."""
        if not self._meter:
            with self.code.within(self.entry):
                self._meter = self.code("alloca [1 x i64], align 8")
                self.code.do(f"store i64 0, ptr {self._meter}")
        return self._meter

    def early(self) -> str:
        """Whether the meter says that it is too early for a poll."""
        return self.code(f"icmp ult i64 {self.code(f'load i64, ptr {self.meter()}')}, {CHUNK}")

    def reset(self) -> None:
        """Set the meter to nothing."""
        self.code.do(f"store i64 0, ptr {self.meter()}")

    def count(self, nanoseconds: str) -> None:
        """Add to the meter."""
        work = self.code(f"add i64 {self.code(f'load i64, ptr {self.meter()}')}, {nanoseconds}")
        self.code.do(f"store i64 {work}, ptr {self.meter()}")

    def spend(self, nanoseconds: float) -> None:
        """Poll whenever the code that comes by here has done enough work; so much since it last came."""
        code = self.code
        self.count(str(ticks(nanoseconds)))
        enough, after = code.name(), code.name()
        code.do(f"br i1 {self.early()}, label %{after}, label %{enough}")
        code.begin(enough)
        self.reset()
        self.poll()
        code.do(f"br label %{after}")
        code.begin(after)

    def keep(self, x: Scalar, places: list[tuple[str, int]], hole: Lines | None = None) -> None:
        """Store a scalar in the frame: in a hole, or else at the end of the function."""
        code, register = self.code, self.env[x]
        with code.within(self._last if hole is None else hole):
            for (kind, at), value in zip(places, register if isinstance(register, tuple) else (register,), strict=True):
                code.do(f"store {kind} {value}, ptr {code(f'getelementptr i8, ptr %frame, i64 {at}')}, align 8")

    def string(self) -> str:
        """The instructions of the whole function."""
        code = self.code
        code.lines.append(self._last)
        code.do("ret i64 0")
        for error, label in self._failures.items():
            code.begin(label)
            code.do(f"ret i64 {1 + error}")
        return code.string()


class Share(Function):
    """The function that does some of the iterations of the outermost loop of a nest, from `%low` to `%high`."""

    head = "define internal i64 @{}(ptr %table, ptr %frame, i64 %low, i64 %high)"

    def __init__(self, module: Module, frame: Frame, caller: Function) -> None:
        super().__init__(module, frame)
        self.caller = caller
        self.before = caller.code.hole()

    def address(self, buffer: Buffer, moving: dict[Buffer, str]) -> str:
        """The same, handed on by the caller."""
        if buffer not in self._locals:
            at = self.frame.nbytes
            self.frame.nbytes += 8
            for part, hole in ((self.caller, self.before), (self, self.entry)):
                code = part.code
                with code.within(hole):
                    place = code(f"getelementptr i8, ptr %frame, i64 {at}")
                    if part is self:
                        self._locals[buffer] = code(f"load ptr, ptr {place}, align 8")
                    else:
                        code.do(f"store ptr {self.caller.address(buffer, moving)}, ptr {place}, align 8")
        return self._locals[buffer]

    def handed(self, x: Scalar) -> list[tuple[str, int]]:
        """The same, put there before the loop."""
        places = self.frame.room(x)
        self.caller.keep(x, places, self.before)
        return places

"""The functions that a program is emitted as, and the frame through which they hand scalars on."""

from __future__ import annotations

from typing import Any

from graphad.executors.llvm.scalars import Register
from graphad.executors.llvm.text import Code, Module, element_type, vector
from graphad.executors.loops.program import Buffer
from graphad.ops.scalar import Scalar


class Frame:
    """Memory for scalars that one part computes and a later one reads."""

    def __init__(self) -> None:
        self.nbytes = 0
        self.makers: dict[Scalar, Part] = {}
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


class Known(dict[Scalar, Register]):
    """The registers of the scalars that a part may use outside of its loops: its own, and on demand those of parts
    before it."""

    def __init__(self, part: Part) -> None:
        super().__init__()
        self.part = part

    def __contains__(self, x: object) -> bool:
        return super().__contains__(x) or x in self.part.frame.makers

    def __setitem__(self, x: Scalar, register: Register) -> None:
        super().__setitem__(x, register)
        self.part.frame.makers.setdefault(x, self.part)

    def __missing__(self, x: Scalar) -> Register:
        code = self.part.code
        places = self.part.handed(x)
        with code.within(self.part.entry):
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
        if self.part.frame.makers.get(x) is self.part:
            del self.part.frame.makers[x]


class Part:
    """One function: of the table of addresses, and of the frame where there are several parts."""

    head = "define internal i64 @{}(ptr noalias %table, ptr noalias %frame)"

    def __init__(self, module: Module, frame: Frame) -> None:
        self.frame = frame
        self.code = Code(module)
        self.entry = self.code.hole()
        self.env = Known(self)
        self._last: list[Any] = []
        self._bases: dict[int, str] = {}
        self._failures: dict[int, str] = {}
        self._locals: dict[Buffer, str] = {}

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
        """Where in the frame a scalar stands that an earlier part computed."""
        return self.frame.place(x)

    def fail(self, error: int) -> str:
        """The label of the block that ends the function with an error."""
        return self._failures.setdefault(error, f"fail{error}")

    def keep(self, x: Scalar, places: list[tuple[str, int]], hole: list[Any] | None = None) -> None:
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


class Share(Part):
    """The function that does some of the iterations of the outermost loop of a nest, from `%low` to `%high`."""

    head = "define internal i64 @{}(ptr %table, ptr %frame, i64 %low, i64 %high)"

    def __init__(self, module: Module, frame: Frame, caller: Part) -> None:
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


PARALLEL = """
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_join(i64, ptr)

define internal ptr @graphad.share(ptr %a) nounwind {
  %f = load ptr, ptr %a
  %p1 = getelementptr i64, ptr %a, i64 1
  %table = load ptr, ptr %p1
  %p2 = getelementptr i64, ptr %a, i64 2
  %frame = load ptr, ptr %p2
  %p3 = getelementptr i64, ptr %a, i64 3
  %low = load i64, ptr %p3
  %p4 = getelementptr i64, ptr %a, i64 4
  %high = load i64, ptr %p4
  %status = call i64 %f(ptr %table, ptr %frame, i64 %low, i64 %high)
  %p5 = getelementptr i64, ptr %a, i64 5
  store i64 %status, ptr %p5
  ret ptr null
}

define internal i64 @graphad.parallel(ptr %f, ptr %table, ptr %frame, i64 %n, i64 %threads) nounwind noinline {
entry:
  %words = mul i64 %threads, 8
  %shares = alloca i64, i64 %words, align 16
  %last = sub i64 %threads, 1
  br label %start
start:
  %t = phi i64 [ 0, %entry ], [ %t1, %started ]
  %at = mul i64 %t, 8
  %a = getelementptr i64, ptr %shares, i64 %at
  %t1 = add i64 %t, 1
  %x = mul i64 %t, %n
  %low = udiv i64 %x, %threads
  %y = mul i64 %t1, %n
  %high = udiv i64 %y, %threads
  store ptr %f, ptr %a
  %p1 = getelementptr i64, ptr %a, i64 1
  store ptr %table, ptr %p1
  %p2 = getelementptr i64, ptr %a, i64 2
  store ptr %frame, ptr %p2
  %p3 = getelementptr i64, ptr %a, i64 3
  store i64 %low, ptr %p3
  %p4 = getelementptr i64, ptr %a, i64 4
  store i64 %high, ptr %p4
  %p6 = getelementptr i64, ptr %a, i64 6
  store i64 0, ptr %p6
  %own = icmp eq i64 %t, %last
  br i1 %own, label %here, label %create
create:
  %p7 = getelementptr i64, ptr %a, i64 7
  %failed = call i32 @pthread_create(ptr %p7, ptr null, ptr @graphad.share, ptr %a)
  %created = icmp eq i32 %failed, 0
  br i1 %created, label %running, label %here
running:
  store i64 1, ptr %p6
  br label %started
here:
  call ptr @graphad.share(ptr %a)
  br label %started
started:
  br i1 %own, label %wait, label %start
wait:
  %u = phi i64 [ 0, %started ], [ %u1, %waited ]
  %worst = phi i64 [ 0, %started ], [ %worse, %waited ]
  %bt = mul i64 %u, 8
  %b = getelementptr i64, ptr %shares, i64 %bt
  %q6 = getelementptr i64, ptr %b, i64 6
  %alive = load i64, ptr %q6
  %joinable = icmp ne i64 %alive, 0
  br i1 %joinable, label %join, label %waited
join:
  %q7 = getelementptr i64, ptr %b, i64 7
  %id = load i64, ptr %q7
  %joined = call i32 @pthread_join(i64 %id, ptr null)
  br label %waited
waited:
  %q5 = getelementptr i64, ptr %b, i64 5
  %status = load i64, ptr %q5
  %more = icmp ugt i64 %status, %worst
  %worse = select i1 %more, i64 %status, i64 %worst
  %u1 = add i64 %u, 1
  %done = icmp eq i64 %u1, %threads
  br i1 %done, label %end, label %wait
end:
  ret i64 %worse
}
"""
"""`graphad.parallel(f, table, frame, n, threads)` calls `f` for shares of 0 to n, each in a thread of its own but for
the last; a share for which no thread can be had runs in this one. It answers the largest status."""

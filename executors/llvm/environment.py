"""What stands in scope within a nest of loops: the registers of scalars, and the addresses of arrays' elements."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from graphad.executors.llvm.memory import LaneAddress, Memory, broadcast, lanes_of
from graphad.executors.llvm.reductions import across
from graphad.executors.llvm.scalars import Register, Scalars
from graphad.executors.llvm.text import memory_type, vector
from graphad.executors.llvm.wide import packed
from graphad.executors.loops.nest import Nest
from graphad.executors.loops.program import Across, Buffer, Index, Lane, Load, Pack, StridedView
from graphad.ops.scalar import Const, Operation, Scalar

if TYPE_CHECKING:
    from graphad.executors.llvm.emit import Emitter


@dataclass
class Body:
    """Where the instructions of one iteration stand: the positions along the loops, and the lanes of the innermost."""

    lanes: int
    index: str
    mask: str | None = None
    count: int = 0
    values: dict[Scalar, Register] = field(default_factory=dict)


class Environment:
    """The scope of one nest in the function that an emitter writes. Level `d` of it lies within `d` loops; what stands
    at level 0 is kept in the function's environment."""

    def __init__(self, emitter: Emitter, nest: Nest) -> None:
        self.emitter = emitter
        self.nest = nest
        self.depth = len(nest.extents)
        self.values: list[dict[Scalar, Register]] = [{} for _ in range(self.depth + 1)]
        self.places: list[dict[Any, str]] = [{} for _ in range(self.depth + 1)]
        self.holes: list[list[Any]] = []
        self.index: list[str] = []
        self.wide: dict[tuple[Scalar, int], Register] = {}
        self.enter()

    def enter(self) -> None:
        """Go on in the function that the emitter writes now."""
        part = self.emitter.function
        self.code, self.fail = part.code, part.fail
        self.values[0] = part.env
        self.scalars: dict[int, Scalars] = {}
        self.wide.clear()
        self.places[0].clear()

    def at(self, lanes: int) -> Scalars:
        """The emission of scalar operations for registers of so many lanes."""
        if lanes not in self.scalars:
            self.scalars[lanes] = self.emitter.target.scalars(self.code, lanes)
        return self.scalars[lanes]

    # -- registers ---------------------------------------------------------------------------------------------

    def compute(self, x: Scalar, body: Body, d: int) -> None:
        """Compute a scalar of level `d`."""
        if isinstance(x, Load):
            place = self.place(x.view, x.shift, body, d)
            if x.mask is not None:
                place = self._masked_place(place, x.mask, x.view, body)
            if x.lanes > 1:
                place = replace(place, stride=1, lanes=x.lanes)
            body.values[x] = Memory(self.code, self.at(place.lanes)).load(place)
        elif isinstance(x, Index):
            body.values[x] = self._position(x, body, d)
        elif isinstance(x, Across):
            body.values[x] = across(self.at, x.kind, self.use(x.wide, body), x.dtype, x.wide.lanes)
        elif isinstance(x, Lane):
            body.values[x] = lanes_of(self.code, self.use(x.wide, body), x.dtype, x.wide.lanes, x.number)
        elif isinstance(x, Pack):
            body.values[x] = packed(x, lambda y: self.use(y, body), self.at(x.lanes))
        elif isinstance(x, Operation):
            wide = x.lanes > 1
            args = [self._widened(y, x.lanes, body) if wide else self.use(y, body) for y in x.args]
            body.values[x] = self.at(x.lanes if wide else body.lanes).emit(x, args)

    def _position(self, x: Index, body: Body, d: int) -> str:
        if x.axis not in self.nest.places:
            return "0"
        place = self.nest.places[x.axis]
        if place < self.depth - 1 or d < self.depth:
            return self.index[place]
        return self.positions(body.index, body.lanes)

    def positions(self, index: str, lanes: int) -> str:
        """The positions of the lanes along the innermost loop."""
        if lanes == 1:
            return index
        steps = ", ".join(f"i64 {i}" for i in range(lanes))
        start = self.code.broadcast("i64", index, lanes)
        return self.code(f"add {vector('i64', lanes)} {start}, <{steps}>")

    def _widened(self, x: Scalar, lanes: int, body: Body) -> Register:
        """A scalar in every lane, outside of all loops."""
        if isinstance(x, Const) and x.lanes == 1:
            return self.at(lanes).constant(x)
        if x.lanes == lanes:
            return self.use(x, body)
        if (x, lanes) not in self.wide:
            self.wide[x, lanes] = broadcast(self.code, self.use(x, body), x.dtype, lanes)
        return self.wide[x, lanes]

    def use(self, x: Scalar, body: Body) -> Register:
        """The register of a scalar, in as many lanes as the body has."""
        if isinstance(x, Const):
            return self.at(max(body.lanes, x.lanes)).constant(x)
        if x in body.values:
            return body.values[x]
        found = next(values[x] for values in reversed(self.values) if x in values)
        if body.lanes == 1:
            return found
        # Before the innermost loop, so that it happens once.
        if (x, body.lanes) not in self.wide:
            with self.code.within(self.holes[-1]):
                self.wide[x, body.lanes] = broadcast(self.code, found, x.dtype, body.lanes)
        return self.wide[x, body.lanes]

    # -- memory ------------------------------------------------------------------------------------------------

    def place(self, view: StridedView, shift: Scalar | None, body: Body, d: int | None = None) -> LaneAddress:
        """The elements of a view that one iteration touches."""
        d = self.depth if d is None else d
        strides = self.nest.strides.get(view, ())
        inner = strides[-1] if strides and d == self.depth else 0
        pointer = self.pointer(view, d)
        dtype, lanes = view.dtype, body.lanes if d == self.depth else 1
        if shift is None:
            return LaneAddress(dtype, pointer, inner, lanes, body.mask)
        moved = self._use_narrow(shift, body)
        element, parts = memory_type(dtype), 2 if dtype.kind == "c" else 1
        if moved is not None:
            if parts == 2:
                moved = self.code(f"shl i64 {moved}, 1")
            pointer = self.code(f"getelementptr {element}, ptr {pointer}, i64 {moved}")
            if inner or lanes == 1:
                return LaneAddress(dtype, pointer, inner, lanes, body.mask)
        many = f"<{lanes} x i64>"
        offset = str(self.use(shift, body)) if moved is None else "zeroinitializer"
        if inner:
            steps = ", ".join(f"i64 {i * inner}" for i in range(lanes))
            offset = self.code(f"add {many} {offset}, <{steps}>")
        if parts == 2:
            offset = self.code(f"shl {many} {offset}, splat (i64 1)")
        pointers = self.code(f"getelementptr {element}, ptr {pointer}, {many} {offset}")
        return LaneAddress(dtype, pointer, inner, lanes, body.mask, pointers)

    def _masked_place(self, place: LaneAddress, holds: Scalar, view: StridedView, body: Body) -> LaneAddress:
        """A place of which only the lanes where a condition holds may be touched.

        Where all lanes share the condition they are read from the beginning of the buffer instead: a processor takes
        long over lanes that are masked out in pages that nothing has touched yet.
        """
        fits = place.stride >= 0 and place.lanes * max(place.stride, 1) <= view.buffer.size
        narrow = self._use_narrow(holds, body) if place.pointers is None and (place.lanes == 1 or fits) else None
        if narrow is not None:
            safe = self.emitter.pointer(view.buffer, view.buffer.offset)
            return replace(place, pointer=self.code(f"select i1 {narrow}, ptr {place.pointer}, ptr {safe}"))
        mask = str(self.use(holds, body))
        if place.mask is not None:
            mask = self.code(f"and {vector('i1', place.lanes)} {mask}, {place.mask}")
        return replace(place, mask=mask)

    def _use_narrow(self, x: Scalar, body: Body) -> str | None:
        """The one value of a scalar that all lanes share; None where they differ."""
        if isinstance(x, Const):
            return str(self.at(1).constant(x))
        if body.lanes == 1 and x in body.values:
            return str(body.values[x])
        if x in body.values and body.values is not self.values[0]:
            return None
        return str(next(values[x] for values in reversed(self.values) if x in values))

    def pointer(self, view: StridedView, d: int) -> str:
        """The address of a view's element at the position of the first `d` loops."""
        buffer, item = view.buffer, view.dtype.itemsize
        start = buffer.offset + view.offset * item
        strides = self.nest.strides.get(view, (0,) * self.depth)
        while d and not strides[d - 1]:
            d -= 1
        if d == 0:
            return self.emitter.pointer(buffer, start)
        base = self._moving(buffer, strides[:d], item)
        return base if start == 0 else self.code(f"getelementptr i8, ptr {base}, i64 {start}")

    def _moving(self, buffer: Buffer, strides: tuple[int, ...], item: int) -> str:
        d = len(strides)
        while d and not strides[d - 1]:
            d -= 1
        if d == 0:
            return self.emitter.pointer(buffer, 0)
        # Temporaries are parts of one block, and so are constants.
        block = buffer.kind if buffer.kind in ("temporary", "constant") else buffer
        key = (block, strides[:d], item)
        if key not in self.places[d]:
            before = self._moving(buffer, strides[: d - 1], item)
            # Computed where the loop that moves it begins, however deep it is first needed.
            with self.code.within(self.holes[d]) if d < len(self.holes) else nullcontext():
                step = self.code(f"mul nsw i64 {self.index[d - 1]}, {strides[d - 1] * item}")
                self.places[d][key] = self.code(f"getelementptr i8, ptr {before}, i64 {step}")
        return self.places[d][key]

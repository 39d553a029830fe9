"""Emission of one scheduled loop nest: loops over the outer axes, vectors along the innermost one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from graphad.executors.llvm.memory import Memory, Place, broadcast, lanes_of
from graphad.executors.llvm.reductions import across, combine, plus
from graphad.executors.llvm.scalars import Register, Scalars
from graphad.executors.llvm.text import Code, element_type, memory_type, splat, vector
from graphad.executors.llvm.wide import packed
from graphad.executors.loops.nest import Nest, weight
from graphad.executors.loops.program import Across, Buffer, Check, Index, Lane, Load, Pack, Reduction, View, children
from graphad.ops.scalar import Const, Operation, Scalar
from graphad.types import DType

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


class NestEmitter:
    """Writes one nest into the functions of an emitter, whose environment gains the scalars that the nest computes
    outside of its loops."""

    def __init__(self, emitter: Emitter, nest: Nest) -> None:
        self.emitter = emitter
        self.target = emitter.target
        self.nest = nest
        self.pointer = emitter.pointer
        self.depth = len(nest.extents)
        self.values: list[dict[Scalar, Register]] = [{} for _ in range(self.depth + 1)]
        self.places: list[dict[Any, str]] = [{} for _ in range(self.depth + 1)]
        self.holes: list[list[Any]] = []
        self.index: list[str] = []
        self.wide: dict[tuple[Scalar, int], Register] = {}
        self.levels = {r: self._level(r) for r in (*nest.reductions, *nest.in_memory)}
        self.sums: dict[Reduction, Any] = {}
        self._enter()

    def _enter(self) -> None:
        """Go on in the function that the emitter writes now."""
        part = self.emitter.part
        self.code, self.fail = part.code, part.fail
        self.values[0] = part.env
        self.scalars: dict[int, Scalars] = {}
        self.wide.clear()
        self.places[0].clear()

    def _level(self, reduction: Reduction) -> int:
        # The depth outside of which all loops over the kept axes stand.
        kept = [place for axis, place in self.nest.places.items() if axis not in reduction.axes]
        return max(kept, default=-1) + 1

    def at(self, lanes: int) -> Scalars:
        """The emission of scalar operations for registers of so many lanes."""
        if lanes not in self.scalars:
            self.scalars[lanes] = self.target.scalars(self.code, lanes)
        return self.scalars[lanes]

    # -- the nest ----------------------------------------------------------------------------------------------

    def emit(self) -> None:
        """Write the whole nest."""
        self._open(0)

    def _open(self, d: int) -> None:
        nest = self.nest
        if d == self.depth:
            body = Body(1, "0", values=self.values[d])
            self._body(body)
            self._finish(d)
            return
        self._scalars(d)
        for reduction, level in self.levels.items():
            if level == d:
                self.sums[reduction] = None
        if d == 0 and nest.threads > 1:
            self._shared()
            return
        self.holes.append(self.code.hole())
        if d == self.depth - 1:
            self._innermost(d)
        else:
            carried = list(self.sums)
            for reduction in carried:
                if self.sums[reduction] is None:
                    self.sums[reduction] = self._initial(reduction, self._sum_lanes())
            with self._loop(0, nest.extents[d], 1, carried) as i:
                self.index.append(i)
                self.values[d + 1].clear()
                self.places[d + 1].clear()
                self._open(d + 1)
                self.index.pop()
        self.holes.pop()
        self._finish(d)

    def _shared(self) -> None:
        # All reductions keep the outermost axis, so nothing is carried round this loop.
        with self.emitter.share(self.nest.extents[0], self.nest.threads):
            self._enter()
            self.holes.append(self.code.hole())
            with self._loop("%low", "%high", 1, []) as i:
                self.index.append(i)
                self._open(1)
                self.index.pop()
            self.holes.pop()
        self._enter()

    def _scalars(self, d: int) -> None:
        body = Body(1, "", values=self.values[d])
        for x in self.nest.levels[d].scalars:
            self._scalar(x, body, d)

    def _finish(self, d: int) -> None:
        # Reductions whose loops all stand inside depth d are complete here.
        for reduction, level in self.levels.items():
            if level != d or reduction not in self.sums:
                continue
            dtype = reduction.value.dtype
            lanes = 1 if level == self.depth else self.lanes
            total = across(self.at, reduction.kind, self.sums.pop(reduction), dtype, lanes)
            if reduction.result is not None:
                self.values[0][reduction.result] = total
            if reduction.target is not None:
                memory = Memory(self.code, self.at(1))
                place = Place(dtype, self._pointer(reduction.target, d), 0, 1)
                if reduction in self.nest.in_memory:
                    total = self._combine(reduction, memory.load(place), total, 1)
                memory.store(place, total)

    # -- the innermost loop ------------------------------------------------------------------------------------

    def _innermost(self, d: int) -> None:
        n = self.nest.extents[d]
        lanes, copies, masked = self._shape(n)
        self.lanes = lanes
        carried = list(self.sums)
        for reduction in carried:
            if self.sums[reduction] is None:
                self.sums[reduction] = self._initial(reduction, lanes)
        step = lanes * copies
        done = 0
        if not masked:
            if copies > 1:
                done = self._unrolled(d, n - n % step, lanes, copies, carried)
            if (n - done) // lanes:
                done += self._repeat(d, done, n - (n - done) % lanes, lanes, carried)
        if done < n:
            self._masked(d, done, n, lanes, carried)

    def _repeat(self, d: int, start: int, end: int, lanes: int, carried: list[Reduction]) -> int:
        with self._loop(start, end, lanes, carried) as i:
            self._iteration(d, Body(lanes, i))
        return end - start

    def _unrolled(self, d: int, end: int, lanes: int, copies: int, carried: list[Reduction]) -> int:
        # Each copy has accumulators of its own, so that additions need not wait for one another.
        own = [dict(self.sums)] + [{r: self._initial(r, lanes) for r in carried} for _ in range(copies - 1)]
        self.sums = {(r, u): own[u][r] for u in range(copies) for r in carried}  # type: ignore[misc]
        keys = list(self.sums)
        with self._loop(0, end, lanes * copies, keys) as i:
            parts = dict(self.sums)
            for u in range(copies):
                self.sums = {r: parts[r, u] for r in carried}  # type: ignore[index]
                position = i if u == 0 else self.code(f"add i64 {i}, {u * lanes}")
                self._iteration(d, Body(lanes, position))
                parts.update({(r, u): x for r, x in self.sums.items()})  # type: ignore[misc]
            self.sums = parts
        merged = {}
        for r in carried:
            total = self.sums[r, 0]  # type: ignore[index]
            for u in range(1, copies):
                total = self._combine(r, total, self.sums[r, u], lanes)  # type: ignore[index]
            merged[r] = total
        self.sums = merged
        return end

    def _masked(self, d: int, start: int, n: int, lanes: int, carried: list[Reduction]) -> None:
        if n - start <= lanes:
            if lanes == 1:
                self._iteration(d, Body(1, str(start)))
                return
            flags = ", ".join(f"i1 {'true' if i < n - start else 'false'}" for i in range(lanes))
            self._iteration(d, Body(lanes, str(start), f"<{flags}>" if n - start < lanes else None, n - start))
            return
        with self._loop(start, n, lanes, carried) as i:
            many = vector("i64", lanes)
            position = self._positions(i, lanes)
            mask = self.code(f"icmp ult {many} {position}, {splat('i64', n, lanes)}")
            self._iteration(d, Body(lanes, i, mask))

    def _iteration(self, d: int, body: Body) -> None:
        self.index.append(body.index)
        self.places[d + 1].clear()
        self._body(body)
        self.index.pop()

    def _shape(self, n: int) -> tuple[int, int, bool]:
        """Lanes, copies of the body side by side, and whether one body serves all iterations with a mask."""
        level = self.nest.levels[self.depth].scalars
        sizes = [_width(x.dtype) for x in level if isinstance(x, (Load, Operation)) and x.dtype.kind != "b"]
        sizes += [_width(store.view.dtype) for store in self.nest.stores]
        sizes += [_width(r.value.dtype) for r in self.levels]
        lanes = max(1, self.target.vector_bytes // max(max(sizes, default=8), 2))
        while lanes > 1 and lanes >= 2 * n:
            lanes //= 2
        work = sum(weight(x) for x in level)
        copies = 1
        if any(level_ < self.depth for level_ in self.levels.values()):
            copies = 4 if work <= 16 else 2 if work <= 60 else 1
        elif work <= 16:
            copies = 2
        while copies > 1 and n < 2 * lanes * copies:
            copies //= 2
        return lanes, copies, work > 40 and n % lanes != 0

    def _sum_lanes(self) -> int:
        return self._shape(self.nest.extents[-1])[0]

    # -- one iteration -----------------------------------------------------------------------------------------

    def _body(self, body: Body) -> None:
        d = self.depth
        for x in self.nest.levels[d].scalars:
            self._scalar(x, body, d)
        memory = Memory(self.code, self.at(body.lanes))
        for store in self.nest.stores:
            value = self._use(store.value, body)
            if store.shift is not None or store.add:
                self._scatter(memory, store, value, body)
            else:
                place = self._place(store.view, None, body)
                if store.value.lanes > 1:
                    place = replace(place, stride=1, lanes=store.value.lanes)
                memory.store(place, value)
        for reduction, level in self.levels.items():
            value = self._use(reduction.value, body)
            if level == d and reduction.target is not None and reduction in self.nest.in_memory:
                place = self._place(reduction.target, None, body)
                memory.store(place, self._combine(reduction, memory.load(place), value, body.lanes))
            elif level == d and d and reduction.target is not None:
                memory.store(self._place(reduction.target, None, body), value)
            elif level == d:
                self.sums[reduction] = value
            else:
                self._accumulate(reduction, value, body)

    def _accumulate(self, reduction: Reduction, value: Register, body: Body) -> None:
        if body.mask is not None:
            idle = self._initial(reduction, body.lanes)
            value = self.at(body.lanes).where(body.mask, value, idle, reduction.value.dtype)
        self.sums[reduction] = self._combine(reduction, self.sums[reduction], value, body.lanes)

    def _scalar(self, x: Any, body: Body, d: int) -> None:
        if isinstance(x, Check):
            self._check(x, body)
        elif isinstance(x, Load):
            place = self._place(x.view, x.shift, body, d)
            if x.mask is not None:
                place = self._masked_place(place, str(self._use(x.mask, body)), x.view)
            if x.lanes > 1:
                place = replace(place, stride=1, lanes=x.lanes)
            body.values[x] = Memory(self.code, self.at(place.lanes)).load(place)
        elif isinstance(x, Index):
            body.values[x] = self._position(x, body, d)
        elif isinstance(x, Across):
            body.values[x] = across(self.at, x.kind, self._use(x.wide, body), x.dtype, x.wide.lanes)
        elif isinstance(x, Lane):
            body.values[x] = lanes_of(self.code, self._use(x.wide, body), x.dtype, x.wide.lanes, x.number)
        elif isinstance(x, Pack):
            body.values[x] = packed(x, lambda y: self._use(y, body), self.at(x.lanes))
        elif x.lanes > 1:
            args = [self._widened(y, x.lanes, body) for y in children(x)]
            body.values[x] = self.at(x.lanes).emit(x, args)
        else:
            args = [self._use(y, body) for y in children(x)]
            body.values[x] = self.at(body.lanes).emit(x, args)

    def _position(self, x: Index, body: Body, d: int) -> str:
        if x.axis not in self.nest.places:
            return "0"
        place = self.nest.places[x.axis]
        if place < self.depth - 1 or d < self.depth:
            return self.index[place]
        return self._positions(body.index, body.lanes)

    def _positions(self, index: str, lanes: int) -> str:
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
            return self._use(x, body)
        if (x, lanes) not in self.wide:
            self.wide[x, lanes] = broadcast(self.code, self._use(x, body), x.dtype, lanes)
        return self.wide[x, lanes]

    def _use(self, x: Scalar, body: Body) -> Register:
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

    def _check(self, check: Check, body: Body) -> None:
        code, ok = self.code, self._use(check.condition, body)
        if body.lanes > 1:
            mask = vector("i1", body.lanes)
            if body.mask is not None:
                ok = code(f"select {mask} {body.mask}, {mask} {ok}, {mask} splat (i1 true)")
            ok = code.call("i1", f"llvm.vector.reduce.and.v{body.lanes}i1", (mask, str(ok)))
        after = code.name()
        code.do(f"br i1 {ok}, label %{after}, label %{self.fail(check.error)}")
        code.begin(after)

    # -- memory ------------------------------------------------------------------------------------------------

    def _place(self, view: View, shift: Scalar | None, body: Body, d: int | None = None) -> Place:
        """The elements of a view that one iteration touches."""
        d = self.depth if d is None else d
        strides = self.nest.strides.get(view, ())
        inner = strides[-1] if strides and d == self.depth else 0
        pointer = self._pointer(view, d)
        dtype, lanes = view.dtype, body.lanes if d == self.depth else 1
        if shift is None:
            return Place(dtype, pointer, inner, lanes, body.mask)
        moved = self._use_narrow(shift, body)
        element, parts = memory_type(dtype), 2 if dtype.kind == "c" else 1
        if moved is not None:
            if parts == 2:
                moved = self.code(f"shl i64 {moved}, 1")
            pointer = self.code(f"getelementptr {element}, ptr {pointer}, i64 {moved}")
            if inner or lanes == 1:
                return Place(dtype, pointer, inner, lanes, body.mask)
        many = f"<{lanes} x i64>"
        offset = str(self._use(shift, body)) if moved is None else "zeroinitializer"
        if inner:
            steps = ", ".join(f"i64 {i * inner}" for i in range(lanes))
            offset = self.code(f"add {many} {offset}, <{steps}>")
        if parts == 2:
            offset = self.code(f"shl {many} {offset}, splat (i64 1)")
        pointers = self.code(f"getelementptr {element}, ptr {pointer}, {many} {offset}")
        return Place(dtype, pointer, inner, lanes, body.mask, pointers)

    def _masked_place(self, place: Place, mask: str, view: View) -> Place:
        """A place of which only the lanes where `mask` holds may be touched."""
        if place.lanes == 1:
            safe = self.pointer(view.buffer, view.buffer.offset)
            return replace(place, pointer=self.code(f"select i1 {mask}, ptr {place.pointer}, ptr {safe}"))
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

    def _pointer(self, view: View, d: int) -> str:
        """The address of a view's element at the position of the first `d` loops."""
        buffer, item = view.buffer, view.dtype.itemsize
        start = buffer.offset + view.offset * item
        strides = self.nest.strides.get(view, (0,) * self.depth)
        while d and not strides[d - 1]:
            d -= 1
        if d == 0:
            return self.pointer(buffer, start)
        base = self._moving(buffer, strides[:d], item)
        return base if start == 0 else self.code(f"getelementptr i8, ptr {base}, i64 {start}")

    def _moving(self, buffer: Buffer, strides: tuple[int, ...], item: int) -> str:
        d = len(strides)
        while d and not strides[d - 1]:
            d -= 1
        if d == 0:
            return self.pointer(buffer, 0)
        key = (buffer.kind, buffer.number if buffer.kind in ("input", "output") else 0, strides[:d], item)
        if key not in self.places[d]:
            before = self._moving(buffer, strides[: d - 1], item)
            # Computed where the loop that moves it begins, however deep it is first needed.
            with self.code.within(self.holes[d]) if d < len(self.holes) else nullcontext():
                step = self.code(f"mul nsw i64 {self.index[d - 1]}, {strides[d - 1] * item}")
                self.places[d][key] = self.code(f"getelementptr i8, ptr {before}, i64 {step}")
        return self.places[d][key]

    def _scatter(self, memory: Memory, store: Any, value: Register, body: Body) -> None:
        place = self._place(store.view, store.shift, body)
        if not store.add:
            memory.store(place, value)
            return
        # Lanes may meet in one element, so they take turns.
        dtype, code = store.view.dtype, self.code
        one = Memory(code, self.at(1))
        for lane in range(body.count or body.lanes):
            x = lanes_of(code, value, dtype, body.lanes, lane)
            if body.mask is not None and not body.count:
                present = code.extract("i1", body.mask, body.lanes, lane)
                x = self.at(1).where(present, x, self.at(1).constant(Const(dtype, dtype.type(0))), dtype)
            spot = memory.lane(place, lane)
            one.store(spot, plus(self.at(1), one.load(spot), x, dtype))

    # -- reductions --------------------------------------------------------------------------------------------

    def _initial(self, reduction: Reduction, lanes: int) -> Register:
        return self.at(lanes).constant(reduction.initial)

    def _combine(self, reduction: Reduction, x: Any, y: Any, lanes: int) -> Register:
        return combine(self.at(lanes), reduction.kind, x, y, reduction.value.dtype)

    # -- loops -------------------------------------------------------------------------------------------------

    @contextmanager
    def _loop(self, start: int | str, end: int | str, step: int, carried: list[Any]) -> Iterator[str]:
        """A loop from `start` to `end`; nothing but its body where it runs once. `sums` are carried round it."""
        code = self.code
        if isinstance(start, int) and isinstance(end, int) and end - start <= step:
            yield str(start)
            return
        before, head, after = code.block, code.name(), code.name()
        code.do(f"br label %{head}")
        code.begin(head)
        index, following = f"%{code.name()}", f"%{code.name()}"
        phis: list[Any] = []
        code.lines.append(phis)
        entering = {key: self.sums[key] for key in carried}
        names: dict[Any, Any] = {}
        for key in carried:
            pair = isinstance(entering[key], tuple)
            names[key] = tuple(f"%{code.name()}" for _ in range(2)) if pair else f"%{code.name()}"
            self.sums[key] = names[key]
        yield index
        latch = code.block
        phis.append(f"{index} = phi i64 [ {start}, %{before} ], [ {following}, %{latch} ]")
        for key in carried:
            reduction = key[0] if isinstance(key, tuple) else key
            kind = vector(element_type(reduction.value.dtype), self._carried_lanes(reduction))
            parts = [x if isinstance(x, tuple) else (x,) for x in (names[key], entering[key], self.sums[key])]
            for name, old, new in zip(*parts, strict=True):
                phis.append(f"{name} = phi {kind} [ {old}, %{before} ], [ {new}, %{latch} ]")
        code.do(f"{following} = add nuw nsw i64 {index}, {step}")
        again = code(f"icmp ult i64 {following}, {end}")
        code.do(f"br i1 {again}, label %{head}, label %{after}")
        code.begin(after)

    def _carried_lanes(self, reduction: Reduction) -> int:
        return self._sum_lanes()


def _width(dtype: DType) -> int:
    return dtype.itemsize // 2 if dtype.kind == "c" else dtype.itemsize

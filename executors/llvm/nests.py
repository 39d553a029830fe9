"""Emission of one scheduled loop nest: loops over the outer axes, vectors along the innermost one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from graphad.executors.llvm.environment import Body, Environment
from graphad.executors.llvm.memory import LaneAddress, Memory, lanes_of
from graphad.executors.llvm.reductions import across, added, combine, corrected, plus
from graphad.executors.llvm.scalars import Register
from graphad.executors.llvm.text import element_type, splat, vector
from graphad.executors.loops.nest import Nest, cut, is_rounded
from graphad.executors.loops.program import Load, Reduction, RuntimeCheck, Store
from graphad.executors.loops.work import CHUNK, chunk, chunks
from graphad.ops.scalar import Operation, weight
from graphad.types import DType

if TYPE_CHECKING:
    from graphad.executors.llvm.emit import Emitter


TERMS = 16
"""Terms that one accumulator of floating numbers takes before it is added to the total of its sum. Chains of additions
so short keep the error of a pairwise sum."""
TOTAL, LOST = -1, -2


class NestEmitter(Environment):
    """Writes one nest into the functions of an emitter, whose environment gains the scalars that the nest computes
    outside of its loops.

    `sums` holds the accumulators of the open reductions, by the copy of the body that they are for. A long sum of
    floating numbers is taken in blocks, each with accumulators of its own; `TOTAL` is the sum of the blocks so far, and
    `LOST` what its roundings have lost.
    """

    def __init__(self, emitter: Emitter, nest: Nest, nanoseconds: float) -> None:
        super().__init__(emitter, nest)
        self.levels = {r: nest.level(r) for r in (*nest.reductions, *nest.in_memory)}
        self.sums: dict[tuple[Reduction, int], Any] = {}
        self.lanes, self.copy, self.copies = 1, 0, 1
        self.chunk = chunk(nest.extents, nanoseconds)
        self.cut = None
        if self.depth:
            *outer, n = nest.extents
            self.lanes, copies, _ = self._shape(n)
            step = self.lanes * copies
            self.cut = cut([*outer, n // step + -(-(n % step) // self.lanes)], TERMS)
        self.blocked = [r for r, d in self.levels.items() if self.cut and d <= self.cut[0] and is_rounded(r)]

    # -- the nest ----------------------------------------------------------------------------------------------

    def emit(self) -> None:
        """Write the whole nest."""
        self._open(0)

    def _open(self, d: int) -> None:
        if d == self.depth:
            body = Body(1, self.index[-1] if d else "0", values=self.values[d])
            self._body(body)
            self._finish(d)
            return
        self._scalars(d)
        for reduction, level in self.levels.items():
            if level == d:
                for part in (TOTAL, LOST) if reduction in self.blocked else (0,):
                    self.sums[reduction, part] = self._initial(reduction, self.lanes)
        self.holes.append(self.code.hole())
        if d == self.depth - 1:
            self._innermost(d)
        else:
            with self._carrying(d, *self._ends(d), 1) as i:
                self.index.append(i)
                self.values[d + 1].clear()
                self.places[d + 1].clear()
                self._open(d + 1)
                self.index.pop()
        self.holes.pop()
        self._finish(d)

    def hoist(self) -> None:
        """Write what does not depend on any loop."""
        self._scalars(0)

    def row(self, i: str) -> None:
        """Write the nest's body for one position of its outermost loop, which stands around it already."""
        self.index.append(i)
        self.values[1].clear()
        self.places[1].clear()
        self._open(1)
        self.index.pop()

    def _scalars(self, d: int) -> None:
        body = Body(1, "", values=self.values[d])
        self._compute(body, d)

    def _finish(self, d: int) -> None:
        # Reductions whose loops all stand inside depth d are complete here.
        for reduction, level in self.levels.items():
            if level != d or not any(key[0] is reduction for key in self.sums):
                continue
            dtype = reduction.value.dtype
            lanes = 1 if level == self.depth else self.lanes
            if reduction in self.blocked:
                whole, lost = self.sums.pop((reduction, TOTAL)), self.sums.pop((reduction, LOST))
                own = corrected(self.at(lanes), whole, lost, dtype)
            else:
                own = self.sums.pop((reduction, 0))
            total = across(self.at, reduction.kind, own, dtype, lanes)
            if reduction.result is not None:
                self.values[0][reduction.result] = total
            if reduction.target is not None:
                memory = Memory(self.code, self.at(1))
                place = LaneAddress(dtype, self.pointer(reduction.target, d), 0, 1)
                if reduction in self.nest.in_memory:
                    total = self._combine(reduction, memory.load(place), total, 1)
                memory.store(place, total)

    # -- the innermost loop ------------------------------------------------------------------------------------

    def _ends(self, d: int) -> tuple[int | str, int | str]:
        """The first position of a loop, and the one behind the last."""
        if d not in self.nest.bounds:
            return 0, self.nest.extents[d]
        outside = Body(1, "", values=self.values[0])
        low, high = [str(self.use(x, outside)) for x in self.nest.bounds[d]]
        return low, high

    def _innermost(self, d: int) -> None:
        n = self.nest.extents[d]
        lanes, copies, masked = self._shape(n)
        if d in self.nest.bounds:
            self._between(d, n, lanes, copies)
            return
        # What adds to memory lane by lane must know how many lanes there are.
        counted = any(self._collides(store) for store in self.nest.stores)
        step = lanes * copies
        done = 0
        if counted or not masked:
            if copies > 1:
                done = n - n % step
                self._unrolled(d, 0, done, lanes, copies)
            # One loop for what is left over: with a mask if that is not whole registers.
            if (n - done) // lanes and (counted or copies == 1 or (n - done) % lanes == 0):
                done += self._repeat(d, done, n - (n - done) % lanes, lanes)
        if done < n:
            self._masked(d, done, n, lanes)

    def _repeat(self, d: int, start: int, end: int, lanes: int) -> int:
        with self._carrying(d, start, end, lanes) as i:
            self._iteration(d, Body(lanes, i))
        return end - start

    def _between(self, d: int, n: int, lanes: int, copies: int) -> None:
        """The loop between ends that are known at run time, from the beginning of a register on."""
        code, (low, high) = self.code, self._ends(d)
        low = code(f"and i64 {low}, {-lanes}")
        if copies > 1:
            length = code.intrinsic("smax", "i64", 1, code(f"sub i64 {high}, {low}"), "0")
            whole = code(f"add i64 {low}, {code(f'and i64 {length}, {-lanes * copies}')}")
            self._unrolled(d, low, whole, lanes, copies)
            low = whole
        with self._carrying(d, low, high, lanes) as i:
            mask = None
            if n % lanes:
                mask = code(f"icmp ult {vector('i64', lanes)} {self.positions(i, lanes)}, {splat('i64', n, lanes)}")
            self._iteration(d, Body(lanes, i, mask))

    def _unrolled(self, d: int, start: int | str, end: int | str, lanes: int, copies: int) -> None:
        # Each copy has accumulators of its own, so that additions need not wait for one another.
        whole = [r for r, part in self.sums if part == 0]
        self.sums.update({(r, u): self._initial(r, lanes) for u in range(1, copies) for r in whole})
        self.copies = copies
        with self._carrying(d, start, end, lanes * copies) as i:
            for self.copy in range(copies):
                position = i if self.copy == 0 else self.code(f"add i64 {i}, {self.copy * lanes}")
                self._iteration(d, Body(lanes, position))
        self.sums.update({(r, 0): self._merged(r) for r in whole})
        self.copy, self.copies = 0, 1

    def _merged(self, reduction: Reduction) -> Any:
        """The accumulators of all copies of the body as one."""
        terms = [self.sums.pop((reduction, u)) for u in range(self.copies)]
        while len(terms) > 1:
            pairs = zip(terms[::2], terms[1::2], strict=True)
            terms = [self._combine(reduction, x, y, self.lanes) for x, y in pairs]
        return terms[0]

    def _masked(self, d: int, start: int, n: int, lanes: int) -> None:
        with self._carrying(d, start, n, lanes) as i:
            if n - start > lanes:
                position = self.positions(i, lanes)
                mask = self.code(f"icmp ult {vector('i64', lanes)} {position}, {splat('i64', n, lanes)}")
                self._iteration(d, Body(lanes, i, mask))
            elif lanes == 1:
                self._iteration(d, Body(1, i))
            else:
                flags = ", ".join(f"i1 {'true' if j < n - start else 'false'}" for j in range(lanes))
                self._iteration(d, Body(lanes, i, f"<{flags}>" if n - start < lanes else None, n - start))

    def _iteration(self, d: int, body: Body) -> None:
        self.index.append(body.index)
        self.places[d + 1].clear()
        self._body(body)
        self.index.pop()

    def _shape(self, n: int) -> tuple[int, int, bool]:
        """Lanes, copies of the body side by side, and whether one body serves all iterations with a mask."""
        level = self.nest.levels[self.depth]
        sizes = [_width(x.dtype) for x in level if isinstance(x, (Load, Operation)) and x.dtype.kind != "b"]
        sizes += [_width(store.view.dtype) for store in self.nest.stores]
        sizes += [_width(r.value.dtype) for r in self.levels]
        if self.depth - 1 in self.nest.bounds and any([self._collides(store) for store in self.nest.stores]):
            return 1, 1, False
        lanes = max(1, self.emitter.target.vector_bytes // max(max(sizes, default=8), 2))
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

    # -- one iteration -----------------------------------------------------------------------------------------

    def _body(self, body: Body) -> None:
        d = self.depth
        self._compute(body, d)
        memory = Memory(self.code, self.at(body.lanes))
        for store in self.nest.stores:
            value = self.use(store.value, body)
            if store.shift is not None or store.add:
                self._scatter(memory, store, value, body)
            else:
                place = self.place(store.view, None, body)
                if store.value.lanes > 1:
                    place = replace(place, stride=1, lanes=store.value.lanes)
                memory.store(place, value)
        for reduction, level in self.levels.items():
            value = self.use(reduction.value, body)
            if level == d and reduction.target is not None and reduction in self.nest.in_memory:
                place = self.place(reduction.target, None, body)
                memory.store(place, self._combine(reduction, memory.load(place), value, body.lanes))
            elif level == d and d and reduction.target is not None:
                memory.store(self.place(reduction.target, None, body), value)
            elif level == d:
                self.sums[reduction, 0] = value
            else:
                self._accumulate(reduction, value, body)

    def _accumulate(self, reduction: Reduction, value: Register, body: Body) -> None:
        if body.mask is not None:
            idle = self._initial(reduction, body.lanes)
            value = self.at(body.lanes).where(body.mask, value, idle, reduction.value.dtype)
        key = reduction, self.copy
        self.sums[key] = self._combine(reduction, self.sums[key], value, body.lanes)

    def _compute(self, body: Body, d: int) -> None:
        for x in self.nest.levels[d]:
            if isinstance(x, RuntimeCheck):
                self._check(x, body)
            else:
                self.compute(x, body, d)

    def _check(self, check: RuntimeCheck, body: Body) -> None:
        code, ok = self.code, self.use(check.condition, body)
        if body.lanes > 1:
            mask = vector("i1", body.lanes)
            if body.mask is not None:
                ok = code(f"select {mask} {body.mask}, {mask} {ok}, {mask} splat (i1 true)")
            ok = code.call("i1", f"llvm.vector.reduce.and.v{body.lanes}i1", (mask, str(ok)))
        after = code.name()
        code.do(f"br i1 {ok}, label %{after}, label %{self.fail(check.error)}")
        code.begin(after)

    def _collides(self, store: Store) -> bool:
        """Whether lanes that add to memory may meet in one element."""
        apart = bool(self.depth) and self.nest.strides[store.view][-1] != 0
        return store.add and not (apart and (store.shift is None or store.shift not in self.nest.levels[-1]))

    def _scatter(self, memory: Memory, store: Store, value: Register, body: Body) -> None:
        place = self.place(store.view, store.shift, body)
        if not store.add:
            memory.store(place, value)
            return
        if not self._collides(store):
            memory.store(place, plus(self.at(body.lanes), memory.load(place), value, store.view.dtype))
            return
        # Lanes may meet in one element, so they take turns.
        dtype, code = store.view.dtype, self.code
        one = Memory(code, self.at(1))
        for lane in range(body.count or body.lanes):
            x = lanes_of(code, value, dtype, body.lanes, lane)
            spot = memory.lane(place, lane)
            one.store(spot, plus(self.at(1), one.load(spot), x, dtype))

    # -- reductions --------------------------------------------------------------------------------------------

    def _initial(self, reduction: Reduction, lanes: int) -> Register:
        return self.at(lanes).constant(reduction.initial)

    def _combine(self, reduction: Reduction, x: Register, y: Register, lanes: int) -> Register:
        return combine(self.at(lanes), reduction.kind, x, y, reduction.value.dtype)

    # -- loops -------------------------------------------------------------------------------------------------

    @contextmanager
    def _carrying(self, d: int, start: int | str, end: int | str, step: int) -> Iterator[str]:
        """The loop at depth `d`, which carries the sums: in blocks where it is the one that is cut, and in chunks
        where it is the one that asks for signals."""
        empty = d in self.nest.bounds
        cut = self.cut[1] * step if self.cut is not None and self.cut[0] == d and self.blocked else 0
        if self.chunk is not None and self.chunk[0] == d:
            least = cut or step
            size = max(self.chunk[1] // least, 1) * least
            with self.parted(start, end, size, list(self.sums), empty) as part:
                with self._blocks(*part, step, cut) as i:
                    yield i
                self.emitter.function.poll()
        else:
            with self._blocks(start, end, step, cut, empty) as i:
                yield i

    @contextmanager
    def parted(
        self, start: int | str, end: int | str, size: int, carried: list[Any], empty: bool = False
    ) -> Iterator[tuple[Any, Any]]:
        """A loop over parts of a range, which may be `empty`: the bounds of each."""
        if isinstance(start, int) and isinstance(end, int) and end - start <= size:
            yield start, end
            return
        with self.loop(start, end, size, carried, empty) as first:
            yield first, self.code.intrinsic("umin", "i64", 1, self.code(f"add i64 {first}, {size}"), str(end))

    @contextmanager
    def _blocks(
        self, start: int | str, end: int | str, step: int, size: int, empty: bool = False
    ) -> Iterator[str]:
        if not size:
            with self.loop(start, end, step, list(self.sums), empty) as i:
                yield i
            return
        with self.parted(start, end, size, list(self.sums), empty) as part:
            blocks = {(r, u): self._initial(r, self.lanes) for r in self.blocked for u in range(self.copies)}
            self.sums.update(blocks)
            carried = [key for key in self.sums if key[1] >= 0]
            with self.loop(*part, step, carried) as i:
                yield i
            for r in self.blocked:
                total, lost = self.sums[r, TOTAL], self.sums[r, LOST]
                sums = added(self.at(self.lanes), total, lost, self._merged(r), r.value.dtype)
                self.sums[r, TOTAL], self.sums[r, LOST] = sums

    @contextmanager
    def loop(
        self, start: int | str, end: int | str, step: int, carried: list[Any], empty: bool = False
    ) -> Iterator[str]:
        """A loop from `start` to `end`; nothing but its body where it runs once. `sums` are carried round it. It may
        be `empty`, or else runs once at least."""
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
        if empty:
            body = code.name()
            code.do(f"br i1 {code(f'icmp slt i64 {index}, {end}')}, label %{body}, label %{after}")
            code.begin(body)
        with code.repeated((end - start) / step if isinstance(start, int) and isinstance(end, int) else math.inf):
            yield index
        latch = code.block
        phis.append(f"{index} = phi i64 [ {start}, %{before} ], [ {following}, %{latch} ]")
        for key in carried:
            kind = vector(element_type(key[0].value.dtype), self.lanes)
            parts = [x if isinstance(x, tuple) else (x,) for x in (names[key], entering[key], self.sums[key])]
            for name, old, new in zip(*parts, strict=True):
                phis.append(f"{name} = phi {kind} [ {old}, %{before} ], [ {new}, %{latch} ]")
        code.do(f"{following} = add nuw nsw i64 {index}, {step}")
        if empty:
            code.do(f"br label %{head}")
            self.sums.update({key: names[key] for key in carried})
        else:
            again = code(f"icmp ult i64 {following}, {end}")
            code.do(f"br i1 {again}, label %{head}, label %{after}")
        code.begin(after)


def _width(dtype: DType) -> int:
    return dtype.itemsize // 2 if dtype.kind == "c" else dtype.itemsize


def emit_rows(emitter: Emitter, nests: list[Nest], work: list[float], threads: int) -> None:
    """Write nests with one outermost loop for all of them, whose iterations `threads` may share."""
    emitters = [NestEmitter(emitter, *each) for each in zip(nests, work, strict=True)]
    for nest in emitters:
        nest.hoist()
    n = nests[0].extents[0]
    with emitter.share(n, threads, chunks(n, sum(work), threads)) if threads > 1 else nullcontext():
        for nest in emitters:
            nest.enter()
            nest.holes.append(nest.code.hole())
        ends: tuple[Any, Any] = ("%low", "%high") if threads > 1 else (0, n)
        each = sum(work) / n
        with emitters[0].parted(*ends, max(1, int(CHUNK / each)), []) as part:
            with emitters[0].loop(*part, 1, []) as i:
                for nest in emitters:
                    nest.row(i)
            if each * n > CHUNK:
                emitter.function.poll()

"""The loops: `scan` with a trip count known before it starts, `while` with one that its condition decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from graphad.build import Builder, building
from graphad.errors import MissingRuleError, ShapeError, TypeMismatchError
from graphad.graph import Constant, Graph, Value
from graphad.op import Op, Sample, Types
from graphad.ops.guarding import guarded
from graphad.ops.programs import program
from graphad.ops.reduce import Max
from graphad.ops.regions.base import Flags, Run, all_results, chosen, merged, one_or_all, others, region
from graphad.ops.regions.loop import COUNT, Groups, Loop, repeated
from graphad.ops.select import Select, select
from graphad.ops.shape import broadcast_to, zeros
from graphad.trace import Tracer, apply, inline, innermost, trace_flat
from graphad.types import DYNAMIC, INT64, Array, TensorType


class Scan(Loop):
    """Run `body` for each entry of some arrays: `(consts, carries, entries) -> (carries, results to stack)`.

    Operands: consts, initial carries, and the arrays, which have `length` entries along their first axis. Results:
    the last carries, and what each iteration gave beside them, stacked. With `reverse` the last entry comes first.
    A `length` of `None` is known at run time only: the first operand then gives the trip count, an `i64[]`, and what
    is stacked has a dynamic first extent.
    """

    length: int | None
    carries: int
    reverse: bool = False

    @property
    def host_only(self) -> str:  # type: ignore[override]
        return "Python counts its iterations" if self.length is None else ""

    @property
    def counted(self) -> bool:  # type: ignore[override]
        return self.length is not None

    @property
    def carried(self) -> int:
        return self.carries

    @property
    def lead(self) -> int:
        return int(self.length is None)

    def over(self, body: Graph, consts: int, carries: int, cond: Callable[[Graph], Graph]) -> Loop:
        return Scan(body, consts, self.length, carries, self.reverse)

    def infer(self, *xs: TensorType) -> Types:
        extent = DYNAMIC if self.length is None else self.length
        if self.length is None and xs[:1] != (COUNT,):
            raise TypeMismatchError(f"scan: the trip count is {xs[0] if xs else 'missing'}, and should be {COUNT}")
        xs = xs[self.lead :]
        fixed = self.consts + self.carries
        for x in xs[fixed:]:
            if not x.shape or (x.shape[0] != extent and extent != DYNAMIC):
                raise ShapeError(f"scan: an array is {x}, and should have {self.length} entries along its first axis")
        given = (*xs[:fixed], *[x.with_shape(x.shape[1:]) for x in xs[fixed:]])
        if given != self.body.input_types:
            raise ShapeError(f"scan: operands {list(given)} for a body of {list(self.body.input_types)}")
        self.check_carries(xs)
        types = self.body.output_types
        stacked = [t.with_shape((extent, *t.shape)) for t in types[self.carries :]]
        return one_or_all([*types[: self.carries], *stacked])  # type: ignore[no-any-return]

    def interpret(self, run: Run, *xs: Any) -> Sequence[Any]:
        count = max(int(xs[0]), 0) if self.length is None else self.length
        consts, state, arrays = self.groups(xs[self.lead :])
        n = self.carries
        step = run(self.body)
        stacks = [np.empty((count, *t.shape), t.dtype) for t in self.body.output_types[n:]]
        for i in reversed(range(count)) if self.reverse else range(count):
            found = step(*consts, *state, *[x[i] for x in arrays])
            state = list(found[:n])
            for stack, entry in zip(stacks, found[n:], strict=True):
                stack[i] = entry
        return [*state, *stacks]

    def eval(self, xp: Any, *xs: Any) -> Any:
        if xp is np or self.length is None:
            return super().eval(xp, *xs)
        # Elsewhere arrays are not written to, and iterations are done one by one unless an executor has a rule.
        step = program(self.body)
        consts, state, arrays = self.groups(xs)
        rows = []
        for i in reversed(range(self.length)) if self.reverse else range(self.length):
            found = step(xp, [*consts, *state, *[x[i] for x in arrays]])
            state = found[: self.carries]
            rows.append(found[self.carries :])
        columns = zip(*(rows[::-1] if self.reverse else rows), strict=True)
        types = self.body.output_types[self.carries :]
        stacks = [xp.stack(column) for column in columns] or [xp.zeros((0, *t.shape), t.dtype) for t in types]
        return one_or_all([*state, *stacks])

    def dependence(self, flags: Flags) -> list[bool]:
        if self.lead and flags[0]:
            return [True] * len(self.body.outputs)
        return self.reached(self.dependent(flags[self.lead :]))

    def linear_part(self, body: Graph, consts: int, carries: int) -> Loop:
        return self.over(body, consts, carries, lambda cond: cond)

    def nonlinear_part(
        self, body: Graph, flags: Flags, count: Sequence[Any], operands: Groups
    ) -> tuple[list[Any], Sequence[Any]]:
        fixed, still, entries = operands
        op = Scan(body, len(fixed), self.length, len(still), self.reverse)
        return apply(op, [*count, *fixed, *still, *entries]), count

    def transpose(self, ct: Any, *xs: Any, recur: Any = None) -> Any:
        lead, n = self.lead, self.carries
        count, xs = xs[:lead], xs[lead:]
        asked = [isinstance(x, TensorType) for x in xs]
        # A carry that starts at zero is linear too; its own cotangent is not asked for.
        linear = self.dependent(asked)
        (consts, moving, arrays), (types, _, array_types) = self.groups(linear), self.groups(xs)
        if not all(moving):
            raise MissingRuleError("scan: a carry that is not linear stands in a loop that is transposed")
        cts = ct if isinstance(ct, tuple) else (ct,)
        wanted = [True] * n + [c is not None for c in cts[n:]]
        graph = recur(self.body, linear, wanted)
        # The graph takes (nonlinear inputs, cotangents of outputs) and gives cotangents of (consts, carries, entries).
        fixed, rows = len(consts) - sum(consts), len(arrays) - sum(arrays)
        given, m = graph.inputs, fixed + rows
        totals = [Value(x) for x in chosen(types, consts)]
        builder, outer = Builder(graph.name), innermost(cts)
        builder.inputs.extend([*given[:fixed], *totals, *given[m : m + n], *given[fixed:m], *given[m + n :]])
        with building(builder):
            results = inline(graph, [Tracer(builder, v) for v in given], builder)
            builder.where = outer.where if outer is not None else None
            sums = [_increased(Tracer(builder, v), r) for v, r in zip(totals, results, strict=False)]
            body = builder.finish([r.value for r in (*sums, *results[len(sums) :])])
        start = [zeros(x.shape, x.dtype) for x in chosen(types, consts)]
        ends = self.body.output_types[:n]
        state = [zeros(t.shape, t.dtype) if c is None else c for c, t in zip(cts, ends, strict=False)]
        op = Scan(body, fixed, self.length, len(sums) + n, not self.reverse)
        operands = [*others(types, consts), *start, *state, *others(array_types, arrays), *chosen(cts[n:], wanted[n:])]
        found = all_results(op(*count, *operands))
        every = merged(linear, found, [None] * m)
        return one_or_all([*[None] * lead, *[c if flag else None for c, flag in zip(every, asked, strict=True)]])

    def masked(self, recur: Any, flags: Flags, linear: Flags) -> tuple[list[bool], list[bool]]:
        linear = self.dependent(linear[self.lead :])
        ends = list(flags)
        while True:
            found = recur(self.body, linear, ends)
            # A carry's cotangent comes from the result, or from the iteration after.
            grown = [a or b for a, b in zip(ends, self.groups(found)[1], strict=False)]
            if grown == ends[: self.carries]:
                if self.lead:  # of no iterations only the carries come back
                    found[: self.consts] = [True] * self.consts
                return ends, [*[False] * self.lead, *found]
            ends[: self.carries] = grown

    def batch(self, batched: Flags, size: int, *xs: Any, recur: Any = None) -> Any:
        if not self.lead or not batched[0]:
            return super().batch(batched, size, *xs, recur=recur)
        op, operands, flags = self._masked(batched, size, xs)
        found = all_results(op.batch(flags, size, *operands, recur=recur))
        return one_or_all([*found[: self.carries], *found[self.carries + 1 :]])

    def _masked(self, batched: Flags, size: int, xs: Sequence[Any]) -> tuple[Scan, list[Any], list[bool]]:
        """The same loop run as often as the largest trip count asks; an example rests where its own is passed."""
        k, n = self.consts, self.carries

        def step(args: Sequence[Any]) -> list[Any]:
            (count, *fixed), (i, *entries) = args[: 1 + k + n], args[1 + k + n :]
            active, state = i < count, fixed[k:]
            found = inline(guarded(self.body), [*fixed, *entries, active], count.builder)
            new = [select(broadcast_to(active, r.shape), r, old) for r, old in zip(found[:n], state, strict=True)]
            return [*new, i - 1 if self.reverse else i + 1, *found[n:]]

        types = self.body.input_types
        body = trace_flat(step, [COUNT, *types[: k + n], COUNT, *types[k + n :]], name=self.body.name).graph
        most = Max((0,))(xs[0]) if size else zeros((), INT64)
        start = most - 1 if self.reverse else zeros((), INT64)
        op = Scan(body, k + 1, None, n + 1, self.reverse)
        operands = [most, xs[0], *xs[1 : 1 + k + n], start, *xs[1 + k + n :]]
        return op, operands, [False, True, *batched[1 : 1 + k + n], False, *batched[1 + k + n :]]

    def flops(self, *xs: TensorType) -> int:
        return super().flops(*xs) * (1 if self.length is None else self.length)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        from graphad.ops.transcendental import cos, sin

        a, start = np.array([0.5, -1.0]), np.array([0.1, 0.2])
        x = np.array([[1.0, -2.0], [0.3, 0.7], [2.0, 0.1]])

        def step(a: Array, total: Array, x: Array) -> list[Any]:
            new = sin(total) * a + x
            return [new, cos(new) * x]

        body = region(step, a, start, x[0])
        for reverse in (False, True):
            yield Sample(cls(body, 1, 3, 1, reverse), (a, start, x))
        yield Sample(cls(body, 1, 0, 1), (a, start, x[:0]))
        yield Sample(cls(region(step, a[:0], start[:0], x[0, :0]), 1, 3, 1), (a[:0], start[:0], x[:, :0]))

        # Carries of several types, one that nothing reads and one that stays; results that are inputs or constants.
        def mixed(a: Array, i: Array, flag: Array, z: Array, idle: Array, x: Array, n: Array) -> list[Any]:
            z_new = z * a + x
            return [i + n, ~flag, z_new, idle, x, i, flag, np.array(0.5), z_new * z]

        z = np.array(0.3 + 0.2j)
        state = (np.array(2), np.array(True), z, np.array([1.5, 2.5], np.float32))
        rows = (np.array([0.2, -0.4, 1.0, 0.7]), np.array([3, 1, -2, 4]))
        body = region(mixed, np.array(0.9), *state, np.array(0.2), np.array(3))
        for reverse in (False, True):
            yield Sample(cls(body, 1, 4, 4, reverse), (np.array(0.9), *state, *rows))

        single = [v.astype(np.float32) for v in (a, start, x)]
        yield Sample(cls(region(step, single[0], single[1], single[2][0]), 1, 3, 1), tuple(single))
        yield Sample(cls(region(lambda x: [sin(x) * x, cos(x)], x[0]), 0, 3, 0), (x,))
        yield Sample(cls(region(lambda c: [c * c * 0.7], start), 0, 3, 1), (start,))
        yield Sample(cls(region(lambda a: [sin(a)], a), 1, 2, 0), (a,))

        repeat = region(lambda a, c, n: [sin(c) * a, n + 1], a, start, np.array(1))
        for count in (4, 1, 0, -2):
            yield Sample(cls(repeat, 1, None, 2), (np.array(count), a, start, np.array(1)))
        yield Sample(cls(repeat, 1, None, 2, True), (np.array(2), a, start, np.array(1)))


def _increased(total: Any, x: Any) -> Any:
    """The sum of cotangents, as a change of those elements of the total to which something is added."""
    node = x.builder.maker(x.value)
    if node is not None and isinstance(node.op, Select) and x.shape == total.shape:
        holds, chosen, other = [Tracer(x.builder, v) for v in node.inputs]
        if isinstance(other.value, Constant) and not other.value.array.any():
            return select(holds, total + chosen, total)
    return total + x


class Extent(Op):
    """The number of entries along the first axis: the trip count of the loop that stacked the operand."""

    def infer(self, *xs: TensorType) -> Types:
        (x,) = xs
        if not x.shape:
            raise ShapeError(f"extent: {x} has no first axis")
        return COUNT

    def eval(self, xp: Any, x: Array) -> Array:
        return np.array(x.shape[0])

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        return None

    def batch(self, batched: Flags, size: int, *xs: Any) -> Array:
        (x,) = xs
        return repeated(self(x) if x.type.dynamic else np.array(x.shape[1]), size)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (np.array([1.0, 2.0, 3.0]),))
        yield Sample(cls(), (np.zeros((0, 2), np.float32),))
        yield Sample(cls(), (np.zeros((2, 0), int),))


def add_stacks(a: Any, b: Any) -> Any:
    """The sum of two dynamically long arrays, entry by entry."""
    entry = a.type.with_shape(a.type.shape[1:])
    body = trace_flat(lambda args: [args[0] + args[1]], [entry, entry], name="add").graph
    return Scan(body, 0, None, 0)(Extent()(a), a, b)


__all__ = [
    "Extent", "Scan", "add_stacks",
]  # fmt: skip

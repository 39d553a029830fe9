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
from graphad.ops.iteration import Groups, Loop, moved_axis, repeated
from graphad.ops.programs import program
from graphad.ops.reduce import Any_, Max
from graphad.ops.select import Select, select
from graphad.ops.shape import broadcast_to, reshape, zeros
from graphad.ops.structured import (
    Flags,
    Run,
    all_results,
    chosen,
    dependence,
    merged,
    one_or_all,
    others,
    region,
    used_inputs,
)
from graphad.trace import Tracer, apply, inline, innermost, trace_flat
from graphad.types import BOOL, DYNAMIC, INT64, TensorType

_COUNT = TensorType(INT64)


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
    def carried(self) -> int:
        return self.carries

    @property
    def lead(self) -> int:
        return int(self.length is None)

    def over(self, body: Graph, consts: int, carries: int, cond: Callable[[Graph], Graph]) -> Loop:
        return Scan(body, consts, self.length, carries, self.reverse)

    def infer(self, *xs: TensorType) -> Types:
        extent = DYNAMIC if self.length is None else self.length
        if self.length is None and xs[:1] != (_COUNT,):
            raise TypeMismatchError(f"scan: the trip count is {xs[0] if xs else 'missing'}, and should be {_COUNT}")
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
        body = trace_flat(step, [_COUNT, *types[: k + n], _COUNT, *types[k + n :]], name=self.body.name).graph
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

        def step(a: Any, total: Any, x: Any) -> list[Any]:
            new = sin(total) * a + x
            return [new, cos(new) * x]

        body = region(step, a, start, x[0])
        for reverse in (False, True):
            yield Sample(cls(body, 1, 3, 1, reverse), (a, start, x))
        yield Sample(cls(body, 1, 0, 1), (a, start, x[:0]))
        yield Sample(cls(region(step, a[:0], start[:0], x[0, :0]), 1, 3, 1), (a[:0], start[:0], x[:, :0]))

        # Carries of several types, one that nothing reads and one that stays; results that are inputs or constants.
        def mixed(a: Any, i: Any, flag: Any, z: Any, idle: Any, x: Any, n: Any) -> list[Any]:
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


class While(Loop):
    """Run `body` as long as `cond` of the carries holds: `(consts, carries) -> (carries, results to stack)`.

    `cond` takes the same operands and gives a scalar of bool. Results: the last carries, and what each iteration gave
    beside them, stacked along a dynamic first axis. Both regions are given all consts.
    """

    host_only = "Python asks its condition"
    cond: Graph

    @property
    def carried(self) -> int:
        return len(self.body.inputs) - self.consts

    def over(self, body: Graph, consts: int, carries: int, cond: Callable[[Graph], Graph]) -> Loop:
        return While(body, consts, cond(self.cond))

    def tested(self) -> list[bool]:
        return used_inputs(self.cond)

    def infer(self, *xs: TensorType) -> Types:
        if xs != self.body.input_types or xs != self.cond.input_types:
            raise ShapeError(
                f"while: operands {list(xs)} for a body of {list(self.body.input_types)} and a condition of "
                f"{list(self.cond.input_types)}"
            )
        if self.cond.output_types != (TensorType(BOOL),):
            found = list(self.cond.output_types)
            raise TypeMismatchError(f"while: the condition gives {found}, and should give bool[]")
        self.check_carries(xs)
        types = self.body.output_types
        n = self.carried
        return one_or_all([*types[:n], *[t.with_shape((DYNAMIC, *t.shape)) for t in types[n:]]])  # type: ignore[no-any-return]

    def interpret(self, run: Run, *xs: Any) -> Sequence[Any]:
        consts, state, n = xs[: self.consts], list(xs[self.consts :]), self.carried
        test, step = run(self.cond), run(self.body)
        rows: list[list[Any]] = [[] for _ in self.body.outputs[n:]]
        while test(*consts, *state)[0]:
            found = step(*consts, *state)
            state = list(found[:n])
            for row, entry in zip(rows, found[n:], strict=True):
                row.append(entry)
        stacks = [
            np.stack(row) if row else np.empty((0, *t.shape), t.dtype)
            for row, t in zip(rows, self.body.output_types[n:], strict=True)
        ]
        return [*state, *stacks]

    def dependence(self, flags: Flags) -> list[bool]:
        grown = self.dependent(flags)
        if any(dependence(self.cond, grown)):
            return [True] * len(self.body.outputs)
        return self.reached(grown)

    def linear_part(self, body: Graph, consts: int, carries: int) -> Loop:
        return Scan(body, consts, None, carries)

    def nonlinear_part(
        self, body: Graph, flags: Flags, count: Sequence[Any], operands: Groups
    ) -> tuple[list[Any], Sequence[Any]]:
        if any(dependence(self.cond, flags)):
            raise MissingRuleError("while: the condition depends on a value in which the loop should be linear")
        fixed, still, _ = operands
        outer, n = innermost([*fixed, *still]), len(still)

        # It counts its iterations, so that the linear loop knows how often to run.
        def step(args: Sequence[Any]) -> list[Any]:
            builder = args[-1].builder
            found = inline(body, args[:-1], builder)
            builder.where = outer.where if outer is not None else None
            return [*found[:n], args[-1] + 1, *found[n:]]

        counted = trace_flat(step, [*body.input_types, _COUNT], name=body.name).graph
        test = self.cond
        cond = test.replace(inputs=(*others(test.inputs, flags), Value(_COUNT)))
        found = all_results(While(counted, len(fixed), cond)(*fixed, *still, zeros((), INT64)))
        return [*found[:n], *found[n + 1 :]], [found[n]]

    def transpose(self, ct: Any, *xs: Any, recur: Any = None) -> Any:
        raise MissingRuleError(
            "while: a loop whose condition depends on its operands is not linear in them; let a count decide when it "
            "ends (graphad.fori_loop, graphad.scan)"
        )

    def batch(self, batched: Flags, size: int, *xs: Any, recur: Any = None) -> Any:
        _, tested = recur(self.cond, self.batched(batched, recur), [False])
        if tested[0]:
            return self._batch_tests(batched, size, xs, recur)
        return super().batch(batched, size, *xs, recur=recur)

    def _batch_tests(self, batched: Flags, size: int, xs: Sequence[Any], recur: Any) -> Any:
        """One loop for all examples, which goes on as long as one of them does; the others rest.

        The tests' results are carried, so that each is computed once.
        """
        k, n = self.consts, self.carried
        flags = [*batched[:k], *[True] * n]
        body, _ = recur(guarded(self.body), [*flags, True], [True] * len(self.body.outputs))
        cond, _ = recur(guarded(self.cond), [*flags, True], [True])

        def step(args: Sequence[Any]) -> list[Any]:
            consts, state, active = args[:k], args[k:-1], args[-1]
            found = inline(body, args, active.builder)
            new = [
                select(broadcast_to(reshape(active, (size, *[1] * (r.ndim - 1))), r.shape), r, old)
                for r, old in zip(found[:n], state, strict=True)
            ]
            return [*new, inline(cond, [*consts, *new, active], active.builder)[0] & active, *found[n:]]

        builder = innermost(xs)
        assert builder is not None
        state = [x if b else repeated(x, size) for x, b in zip(xs[k:], batched[k:], strict=True)]
        every = broadcast_to(np.array(True), (size,))
        first = inline(cond, [*xs[:k], *state, every], builder)[0]
        types = list(body.input_types)
        op = While(
            trace_flat(step, types, name=body.name).graph,
            k,
            trace_flat(lambda args: [Any_((0,))(args[-1])], types, name=cond.name).graph,
        )
        found = all_results(op(*xs[:k], *state, first))
        return one_or_all([*found[:n], *[moved_axis(r, 1, 0) for r in found[n + 1 :]]])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        from graphad.ops.transcendental import cos, sin

        a, x = np.array(0.9), np.array(3.0)
        # It ends whatever the operands are.
        halve, large = region(lambda a, x: [x / (1 + a * a)], a, x), region(lambda a, x: [x > 1.0], a, x)
        yield Sample(cls(halve, 1, large), (a, x))
        yield Sample(cls(halve, 1, large), (a, np.array(0.5)))
        single = (a.astype(np.float32), x.astype(np.float32))
        halve, large = region(lambda a, x: [x / (1 + a * a)], *single), region(lambda a, x: [x > 1.0], *single)
        yield Sample(cls(halve, 1, large), single)

        # A count and a flag decide; other carries are read by the body alone, by the test alone, or by nothing.
        def step(a: Any, n: Any, i: Any, going: Any, x: Any, z: Any, idle: Any) -> list[Any]:
            new = sin(x) * a + cos(x * i)
            return [i + 1, going & (i < 7), new, z * new, idle]

        operands = (
            a, np.array(4), np.array(0), np.array(True), np.array([0.3, -0.8]), np.array([0.5j, 1.0 + 0.2j]),
            np.array([1.0, 2.0]),
        )  # fmt: skip
        cond = region(lambda a, n, i, going, x, z, idle: [going & (i < n)], *operands)
        body = region(step, *operands)
        yield Sample(cls(body, 2, cond), operands)
        yield Sample(cls(body, 2, cond), (a, np.array(0), *operands[2:]))
        going = np.array(True)
        yield Sample(cls(region(lambda going: [~going], going), 0, region(lambda going: [going], going)), (going,))


class Extent(Op):
    """The number of entries along the first axis: the trip count of the loop that stacked the operand."""

    def infer(self, *xs: TensorType) -> Types:
        (x,) = xs
        if not x.shape:
            raise ShapeError(f"extent: {x} has no first axis")
        return _COUNT

    def eval(self, xp: Any, x: Any) -> Any:
        return np.array(x.shape[0])

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        return None

    def batch(self, batched: Flags, size: int, *xs: Any) -> Any:
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


__all__ = ["Extent", "Loop", "Scan", "While", "add_stacks"]

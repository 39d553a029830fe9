"""`while`: a region that is run again as long as another one says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError, ShapeError, TypeMismatchError
from graphad.graph import Graph, Value
from graphad.op import Sample, Types
from graphad.ops.guarding import guarded
from graphad.ops.reduce import Any_
from graphad.ops.regions.base import Flags, Run, all_results, dependence, one_or_all, others, region, used_inputs
from graphad.ops.regions.loop import COUNT, Groups, Loop, moved_axis, repeated
from graphad.ops.regions.scan import Scan
from graphad.ops.select import select
from graphad.ops.shape import broadcast_to, reshape, zeros
from graphad.trace import inline, innermost, trace_flat
from graphad.types import BOOL, DYNAMIC, INT64, Array, TensorType


class While(Loop):
    """Run `body` as long as `cond` of the carries holds: `(consts, carries) -> (carries, results to stack)`.

    `cond` takes the same operands and gives a scalar of bool. Results: the last carries, and what each iteration gave
    beside them, stacked along a dynamic first axis. Both regions are given all consts.
    """

    host_only = "Python asks its condition"
    counted = False
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

        counted = trace_flat(step, [*body.input_types, COUNT], name=body.name).graph
        test = self.cond
        cond = test.replace(inputs=(*others(test.inputs, flags), Value(COUNT)))
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
        def step(a: Array, n: Array, i: Array, going: Array, x: Array, z: Array, idle: Array) -> list[Any]:
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


__all__ = [
    "While",
]  # fmt: skip

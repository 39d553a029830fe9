"""The loops: `scan` with a trip count known before it starts, `while` with one that its condition decides."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError, ShapeError, TypeMismatchError
from graphad.graph import Constant, Graph, Value
from graphad.op import Op, Sample, Types, zeros_like
from graphad.ops.structured import (
    Call,
    Flags,
    Structured,
    all_results,
    chosen,
    dependence,
    instantiated,
    merged,
    one_or_all,
    others,
    region_flops,
    used_inputs,
)
from graphad.types import BOOL, DYNAMIC, INT64, TensorType

_COUNT = TensorType(INT64)


class Loop(Structured, abstract=True):
    """Base of the loops. `consts` operands are the same in every iteration; carries go from one to the next."""

    body: Graph
    consts: int

    @property
    def carried(self) -> int:
        """The number of carries."""
        raise NotImplementedError

    def check_carries(self, xs: tuple[TensorType, ...]) -> None:
        """Raise unless the body gives carries of the types that it takes."""
        k, n = self.consts, self.carried
        taken, given = self.body.input_types[k : k + n], self.body.output_types[:n]
        if taken != given:
            raise TypeMismatchError(f"{self.name}: the body takes the carries {list(taken)} and gives {list(given)}")

    def grow(self, flags: list[bool], step: Any) -> list[bool]:
        """The flags of consts, carries and elements when a carry is flagged too that `step(flags)` makes so."""
        k, n = self.consts, self.carried
        while True:
            found = [a or b for a, b in zip(flags[k : k + n], step(flags)[:n], strict=True)]
            if found == flags[k : k + n]:
                return flags
            flags = [*flags[:k], *found, *flags[k + n :]]


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
    def carried(self) -> int:
        return self.carries

    @property
    def lead(self) -> int:
        """The number of operands before the consts: 1 if the trip count is one."""
        return int(self.length is None)

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

    def interpret(self, call: Call, *xs: Any) -> Sequence[Any]:
        count = max(int(xs[0]), 0) if self.length is None else self.length
        xs = xs[self.lead :]
        k, n = self.consts, self.carries
        consts, state, arrays = xs[:k], list(xs[k : k + n]), xs[k + n :]
        stacks = [np.empty((count, *t.shape), t.dtype) for t in self.body.output_types[n:]]
        for i in reversed(range(count)) if self.reverse else range(count):
            found = call(self.body, [*consts, *state, *[x[i] for x in arrays]])
            state = list(found[:n])
            for stack, entry in zip(stacks, found[n:], strict=True):
                stack[i] = entry
        return [*state, *stacks]

    def dependence(self, flags: Flags) -> list[bool]:
        every = bool(self.lead and flags[0])
        grown = self.grow(list(flags[self.lead :]), lambda f: dependence(self.body, f))
        return [every or d for d in dependence(self.body, grown)]

    def _groups(self, xs: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        k, n = self.consts, self.carries
        return list(xs[:k]), list(xs[k : k + n]), list(xs[k + n :])

    def forward(self, recur: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        lead, n = self.lead, self.carries
        count, primals, tangents = primals[:lead], primals[lead:], tangents[lead:]
        stacked = len(self.body.outputs) - n
        none = [False] * (n + stacked)
        active = self.grow([t is not None for t in tangents], lambda f: recur(self.body, f, none)[1])
        _, moving, _ = self._groups(active)
        graph, mask = recur(self.body, active, [*moving, *[False] * stacked])
        size = len(primals)
        inputs = _interleaved(self._groups(graph.inputs[:size]), self._groups(_spread(graph.inputs[size:], active)))
        primal_outputs, tangent_outputs = graph.outputs[: n + stacked], _spread(graph.outputs[n + stacked :], mask)
        outputs = [*primal_outputs[:n], *_present(tangent_outputs[:n]), *primal_outputs[n:], *_present(tangent_outputs[n:])]
        body = Graph(inputs, graph.nodes, outputs, graph.name)
        given = [instantiated(t, x) if a else None for t, x, a in zip(tangents, primals, active, strict=True)]
        operands = _interleaved(self._groups(primals), self._groups(given))
        moved = sum(moving)
        op = Scan(body, self.consts + sum(active[: self.consts]), self.length, n + moved, self.reverse)
        results = all_results(op(*count, *operands))
        carry, d_carry, rest = results[:n], results[n : n + moved], results[n + moved :]
        return [*carry, *rest[:stacked]], [*_spread(d_carry, moving), *_spread(rest[stacked:], mask[n:])]

    def split(self, recur: Any, linear: Flags, *xs: Any) -> list[Any]:
        lead, k, n = self.lead, self.consts, self.carries
        count, xs = list(xs[:lead]), xs[lead:]
        flags = self.grow(list(linear[lead:]), lambda f: dependence(self.body, f))
        wanted = dependence(self.body, flags)
        moving = flags[k : k + n]
        wanted = [*moving, *wanted[n:]]
        free = [True] * k + [False] * n + [True] * (len(xs) - k - n)
        part = recur(self.body, flags, free, wanted)
        fixed, still, entries = [others(g, f) for g, f in zip(self._groups(xs), self._groups(flags), strict=True)]
        known = len(wanted) - sum(wanted)
        residual = _Residuals(part, known, len(fixed), len(still))
        carried, stacked = len(still), known - len(still)
        first = part.first.outputs[:known]
        body = Graph(part.first.inputs, part.first.nodes, (*first, *residual.made), self.body.name)
        op = Scan(body, len(fixed), self.length, carried, self.reverse)
        found = all_results(op(*count, *fixed, *still, *entries)) if body.outputs else []
        consts = [x if isinstance(x, Constant) else fixed[x] for x in residual.consts]
        arrays = [entries[i] for i in residual.entries] + found[known:]
        linear_groups = [chosen(g, f) for g, f in zip(self._groups(xs), self._groups(flags), strict=True)]
        second_inputs = part.second.inputs[len(residual.order) :]
        groups = [chosen(g, f) for g, f in zip(self._groups(_spread(second_inputs, flags)), self._groups(flags), strict=True)]
        inputs = [*residual.const_inputs, *groups[0], *groups[1], *residual.stack_inputs, *groups[2]]
        second = Graph(inputs, part.second.nodes, part.second.outputs, part.second.name)
        op = Scan(second, len(consts) + len(groups[0]), self.length, len(groups[1]), self.reverse)
        operands = [*consts, *linear_groups[0], *linear_groups[1], *arrays, *linear_groups[2]]
        dependent = all_results(op(*count, *operands)) if second.outputs else []
        del stacked
        return merged(wanted, dependent, found[:known])

    def transpose(self, ct: Any, *xs: Any, recur: Any = None) -> Any:
        lead, k, n = self.lead, self.consts, self.carries
        count, xs = xs[:lead], xs[lead:]
        asked = [isinstance(x, TensorType) for x in xs]
        # A carry that starts at zero is linear too; its own cotangent is not asked for.
        linear = self.grow(asked, lambda f: dependence(self.body, f))
        (consts, moving, arrays), (types, _, array_types) = self._groups(linear), self._groups(xs)
        if not all(moving):
            raise MissingRuleError("scan: a carry that is not linear stands in a loop that is transposed")
        cts = ct if isinstance(ct, tuple) else (ct,)
        wanted = [True] * n + [c is not None for c in cts[n:]]
        graph = recur(self.body, linear, wanted)
        # The graph takes (nonlinear inputs, cotangents of outputs) and gives cotangents of (consts, carries, entries).
        m = len(xs) - sum(linear)
        fixed = k - sum(consts)
        given = graph.inputs
        totals = [Value(x) for x in chosen(types, consts)]
        from graphad.build import Builder, building
        from graphad.trace import Tracer, inline

        builder = Builder(graph.name)
        builder.inputs.extend([*given[:fixed], *totals, *given[m : m + n], *given[fixed:m], *given[m + n :]])
        with building(builder):
            results = inline(graph, [Tracer(builder, v) for v in given], builder)
            sums = [Tracer(builder, v) + r for v, r in zip(totals, results, strict=False)]
            body = builder.finish([r.value for r in (*sums, *results[len(sums) :])])
        zeros = [_zeros(x) for x in chosen(types, consts)]
        state = [_zeros(t) if c is None else c for c, t in zip(cts[:n], self.body.output_types, strict=False)]
        op = Scan(body, fixed, self.length, len(sums) + n, not self.reverse)
        operands = [*others(types, consts), *zeros, *state, *others(array_types, arrays), *chosen(cts[n:], wanted[n:])]
        found = all_results(op(*count, *operands))
        results = [c if flag else None for c, flag in zip(merged(linear, found, [None] * m), asked, strict=True)]
        return one_or_all([*[None] * lead, *results])

    def batch(self, batched: Flags, size: int, *xs: Any, recur: Any = None) -> Any:
        if self.lead and batched[0]:
            op, operands, flags = self._masked(size, batched, xs)
            results = all_results(op.batch(flags, size, *operands, recur=recur))
            return one_or_all([*results[: self.carries], *results[self.carries + 1 :]])
        lead, n = self.lead, self.carries
        xs_batched = list(batched[lead:])
        stacked = len(self.body.outputs) - n
        none = [False] * (n + stacked)
        flags = self.grow(xs_batched, lambda f: recur(self.body, f, none)[1])
        _, moving, _ = self._groups(flags)
        graph, _ = recur(self.body, flags, [*moving, *[True] * stacked])
        consts, state, arrays = self._groups(xs[lead:])
        was = self._groups(xs_batched)
        state = [_repeated(x, size) if f and not b else x for x, f, b in zip(state, moving, was[1], strict=True)]
        arrays = [_moved(x, 0, 1) if b else x for x, b in zip(arrays, was[2], strict=True)]
        op = Scan(graph, self.consts, self.length, n, self.reverse)
        results = all_results(op(*xs[:lead], *consts, *state, *arrays))
        last = [r if f else _repeated(r, size) for r, f in zip(results[:n], moving, strict=True)]
        return one_or_all([*last, *[_moved(r, 1, 0) for r in results[n:]]])

    def _masked(self, size: int, batched: Flags, xs: Sequence[Any]) -> tuple[Scan, list[Any], list[bool]]:
        """The same loop run as often as the largest trip count asks; an example rests where its own is passed."""
        from graphad.numpy import max as maximum
        from graphad.ops.select import select
        from graphad.ops.shape import broadcast_to
        from graphad.trace import Tracer, inline, trace_flat

        k, n = self.consts, self.carries

        def step(args: Sequence[Any]) -> list[Any]:
            count, consts, state, i, entries = args[0], args[1 : 1 + k], args[1 + k : 1 + k + n], args[1 + k + n], args[2 + k + n :]
            found = inline(self.body, [*consts, *state, *entries], count.builder)
            active = i < count
            new = [select(broadcast_to(active, r.shape), r, old) for r, old in zip(found[:n], state, strict=True)]
            return [*new, i - 1 if self.reverse else i + 1, *found[n:]]

        types = self.body.input_types
        body = trace_flat(step, [_COUNT, *types[: k + n], _COUNT, *types[k + n :]]).graph
        builder = xs[0].builder if isinstance(xs[0], Tracer) else None
        assert builder is not None
        most = maximum(xs[0], axis=0)
        start = most - 1 if self.reverse else np.zeros((), INT64)
        op = Scan(body, k + 1, None, n + 1, self.reverse)
        operands = [most, xs[0], *xs[1 : 1 + k + n], start, *xs[1 + k + n :]]
        flags = [False, True, *batched[1 : 1 + k + n], False, *batched[1 + k + n :]]
        del size
        return op, operands, flags

    def prune(self, live: Flags) -> tuple[Op, list[int], list[int]] | None:
        n, lead = self.carries, self.lead
        found = _live_carries(self.body, self.consts, n, list(live[:n]), list(live[n:]))
        if found is None:
            return None
        body, inputs, outputs = found
        op = Scan(
            body,
            sum(inputs[: self.consts]),
            self.length,
            sum(outputs[:n]),
            self.reverse,
        )
        operands = [*range(lead), *[i + lead for i, used in enumerate(inputs) if used]]
        return op, operands, [i for i, used in enumerate(outputs) if used]

    def flops(self, *xs: TensorType) -> int:
        return region_flops(self.body) * (self.length or 1)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        from graphad.ops.transcendental import cos, sin
        from graphad.trace import trace_flat

        a, x = np.array([0.5, -1.0]), np.array([[1.0, -2.0], [0.3, 0.7], [2.0, 0.1]])
        entry = TensorType(a.dtype, a.shape)

        def body(args: Sequence[Any]) -> list[Any]:
            a, total, x = args
            new = sin(total) * a + x
            return [new, cos(new) * x]

        graph = trace_flat(body, [entry] * 3).graph
        start = np.array([0.1, 0.2])
        yield Sample(cls(graph, 1, 3, 1), (a, start, x))
        yield Sample(cls(graph, 1, 3, 1, True), (a, start, x))
        repeat = trace_flat(lambda args: [sin(args[1]) * args[0]], [entry] * 2).graph
        yield Sample(cls(repeat, 1, None, 1), (np.array(4), a, start))


class While(Loop):
    """Run `body` as long as `cond` of the carries holds: `(consts, carries) -> (carries, results to stack)`.

    `cond` takes the same operands and gives a scalar of bool. Results: the last carries, and what each iteration gave
    beside them, stacked along a dynamic first axis. Both regions are given all consts.
    """

    cond: Graph

    @property
    def carried(self) -> int:
        return len(self.body.inputs) - self.consts

    def infer(self, *xs: TensorType) -> Types:
        if xs != self.body.input_types or xs != self.cond.input_types:
            raise ShapeError(
                f"while: operands {list(xs)} for a body of {list(self.body.input_types)} and a condition of "
                f"{list(self.cond.input_types)}"
            )
        if self.cond.output_types != (TensorType(BOOL),):
            raise TypeMismatchError(f"while: the condition gives {list(self.cond.output_types)}, and should give bool[]")
        self.check_carries(xs)
        types = self.body.output_types
        n = self.carried
        return one_or_all([*types[:n], *[t.with_shape((DYNAMIC, *t.shape)) for t in types[n:]]])  # type: ignore[no-any-return]

    def interpret(self, call: Call, *xs: Any) -> Sequence[Any]:
        consts, state, n = xs[: self.consts], list(xs[self.consts :]), self.carried
        rows: list[list[Any]] = [[] for _ in self.body.outputs[n:]]
        while call(self.cond, [*consts, *state])[0]:
            found = call(self.body, [*consts, *state])
            state = list(found[:n])
            for row, entry in zip(rows, found[n:], strict=True):
                row.append(entry)
        stacks = [
            np.stack(row) if row else np.empty((0, *t.shape), t.dtype)
            for row, t in zip(rows, self.body.output_types[n:], strict=True)
        ]
        return [*state, *stacks]

    def dependence(self, flags: Flags) -> list[bool]:
        grown = self.grow(list(flags), lambda f: dependence(self.body, f))
        return [any(dependence(self.cond, grown)) or d for d in dependence(self.body, grown)]

    def forward(self, recur: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        k, n = self.consts, self.carried
        stacked = len(self.body.outputs) - n
        none = [False] * (n + stacked)
        active = self.grow([t is not None for t in tangents], lambda f: recur(self.body, f, none)[1])
        moving = active[k:]
        graph, mask = recur(self.body, active, [*moving, *[False] * stacked])
        size = k + n

        def groups(xs: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
            return list(xs[:k]), list(xs[k:]), []

        inputs = _interleaved(groups(graph.inputs[:size]), groups(_spread(graph.inputs[size:], active)))
        primal_outputs, d = graph.outputs[: n + stacked], _spread(graph.outputs[n + stacked :], mask)
        outputs = [*primal_outputs[:n], *_present(d[:n]), *primal_outputs[n:], *_present(d[n:])]
        body = Graph(inputs, graph.nodes, outputs, graph.name)
        unread = [Value(v.type) for v in graph.inputs[size:]]
        tested = _interleaved(groups(self.cond.inputs), groups(_spread(unread, active)))
        cond = Graph(tested, self.cond.nodes, self.cond.outputs, self.cond.name)
        given = [instantiated(t, x) if a else None for t, x, a in zip(tangents, primals, active, strict=True)]
        op = While(body, k + sum(active[:k]), cond)
        results = all_results(op(*_interleaved(groups(primals), groups(given))))
        moved = sum(moving)
        carry, d_carry, rest = results[:n], results[n : n + moved], results[n + moved :]
        return [*carry, *rest[:stacked]], [*_spread(d_carry, moving), *_spread(rest[stacked:], mask[n:])]

    def split(self, recur: Any, linear: Flags, *xs: Any) -> list[Any]:
        from graphad.trace import inline, trace_flat

        k = self.consts
        flags = self.grow(list(linear), lambda f: dependence(self.body, f))
        if any(dependence(self.cond, flags)):
            raise MissingRuleError("while: the condition depends on a value in which the loop should be linear")
        moving, found = flags[k:], dependence(self.body, flags)
        n = len(moving)
        wanted = [*moving, *found[n:]]
        part = recur(self.body, flags, [True] * k + [False] * n, wanted)
        fixed, still = others(xs[:k], flags[:k]), others(xs[k:], moving)
        known = len(wanted) - sum(wanted)
        residual = _Residuals(part, known, len(fixed), len(still))
        carried = len(still)

        # The nonlinear loop counts its iterations, so that the linear one knows how often to run.
        def step(args: Sequence[Any]) -> list[Any]:
            results = inline(
                Graph(part.first.inputs, part.first.nodes, (*part.first.outputs[:known], *residual.made), self.body.name),
                args[:-1],
                args[-1].builder,
            )
            return [*results[:carried], args[-1] + 1, *results[carried:]]

        types = [v.type for v in part.first.inputs]
        body = trace_flat(step, [*types, _COUNT], name=self.body.name).graph
        cond = Graph((*others(self.cond.inputs, flags), Value(_COUNT)), self.cond.nodes, self.cond.outputs, self.cond.name)
        results = all_results(While(body, len(fixed), cond)(*fixed, *still, np.zeros((), INT64)))
        count = results.pop(carried)
        consts = [x if isinstance(x, Constant) else fixed[x] for x in residual.consts]
        arrays = results[known:]
        second_inputs = _spread(part.second.inputs[len(residual.order) :], flags)
        inputs = [
            *residual.const_inputs, *chosen(second_inputs[:k], flags[:k]), *chosen(second_inputs[k:], moving),
            *residual.stack_inputs,
        ]  # fmt: skip
        second = Graph(inputs, part.second.nodes, part.second.outputs, part.second.name)
        op = Scan(second, len(consts) + sum(flags[:k]), None, sum(moving))
        operands = [*consts, *chosen(xs[:k], flags[:k]), *chosen(xs[k:], moving), *arrays]
        dependent = all_results(op(count, *operands)) if second.outputs else []
        return merged(wanted, dependent, results[:known])

    def transpose(self, ct: Any, *xs: Any, recur: Any = None) -> Any:
        raise MissingRuleError("while: a loop whose condition decides when it ends is not linear in its carries")

    def batch(self, batched: Flags, size: int, *xs: Any, recur: Any = None) -> Any:
        k, n = self.consts, self.carried
        stacked = len(self.body.outputs) - n
        none = [False] * (n + stacked)
        flags = self.grow(list(batched), lambda f: recur(self.body, f, none)[1])
        _, tested = recur(self.cond, flags, [False])
        if tested[0]:
            return self._batch_tests(list(batched), size, xs, recur)
        graph, _ = recur(self.body, flags, [*flags[k:], *[True] * stacked])
        cond, _ = recur(self.cond, flags, [False])
        state = [
            _repeated(x, size) if f and not b else x
            for x, f, b in zip(xs[k:], flags[k:], batched[k:], strict=True)
        ]
        results = all_results(While(graph, k, cond)(*xs[:k], *state))
        last = [r if f else _repeated(r, size) for r, f in zip(results[:n], flags[k:], strict=True)]
        return one_or_all([*last, *[_moved(r, 1, 0) for r in results[n:]]])

    def _batch_tests(self, batched: list[bool], size: int, xs: Sequence[Any], recur: Any) -> Any:
        """One loop for all examples, which goes on as long as one of them does; the others rest.

        The tests' results are carried, so that each is computed once.
        """
        from graphad.numpy import any as anything
        from graphad.ops.select import select
        from graphad.ops.shape import broadcast_to, reshape
        from graphad.trace import inline, innermost, trace_flat

        k, n = self.consts, self.carried
        flags = [*batched[:k], *[True] * n]
        stacked = len(self.body.outputs) - n
        body, _ = recur(self.body, flags, [True] * (n + stacked))
        cond, _ = recur(self.cond, flags, [True])

        def step(args: Sequence[Any]) -> list[Any]:
            consts, state, active = args[:k], args[k:-1], args[-1]
            found = inline(body, [*consts, *state], active.builder)
            new = [
                select(broadcast_to(reshape(active, (size, *[1] * (r.ndim - 1))), r.shape), r, old)
                for r, old in zip(found[:n], state, strict=True)
            ]
            return [*new, inline(cond, [*consts, *new], active.builder)[0] & active, *found[n:]]

        builder = innermost(xs)
        assert builder is not None
        state = [x if b else _repeated(x, size) for x, b in zip(xs[k:], batched[k:], strict=True)]
        first = inline(cond, [*xs[:k], *state], builder)[0]
        types = [*body.input_types, TensorType(BOOL, (size,))]
        op = While(
            trace_flat(step, types, name=body.name).graph,
            k,
            trace_flat(lambda args: [anything(args[-1])], types, name=cond.name).graph,
        )
        results = all_results(op(*xs[:k], *state, first))
        return one_or_all([*results[:n], *[_moved(r, 1, 0) for r in results[n + 1 :]]])

    def prune(self, live: Flags) -> tuple[Op, list[int], list[int]] | None:
        n = self.carried
        keep = used_inputs(self.cond)
        found = _live_carries(self.body, self.consts, n, list(live[:n]), list(live[n:]), keep)
        if found is None:
            return None
        body, inputs, outputs = found
        cond = Graph(chosen(self.cond.inputs, inputs), self.cond.nodes, self.cond.outputs, self.cond.name)
        op = While(body, sum(inputs[: self.consts]), cond)
        return op, [i for i, used in enumerate(inputs) if used], [i for i, used in enumerate(outputs) if used]

    def flops(self, *xs: TensorType) -> int:
        return region_flops(self.body) + region_flops(self.cond)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        from graphad.trace import trace_flat

        a, x = np.array(0.9), np.array(3.0)
        types = [TensorType(a.dtype)] * 2
        halve = trace_flat(lambda args: [args[1] * args[0] * 0.7], types).graph
        large = trace_flat(lambda args: [args[1] > 1.0], types).graph
        yield Sample(cls(halve, 1, large), (a, x))


class Extent(Op):
    """The number of entries along the first axis: the trip count of the loop that stacked the operand."""

    def infer(self, x: TensorType) -> Types:
        if not x.shape:
            raise ShapeError(f"extent: {x} has no first axis")
        return _COUNT

    def eval(self, xp: Any, x: Any) -> Any:
        return np.array(x.shape[0])

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        return None

    def batch(self, batched: Flags, size: int, *xs: Any) -> Any:
        return _repeated(np.array(xs[0].shape[1]) if not xs[0].type.dynamic else _batched_extent(xs[0]), size)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (np.array([1.0, 2.0, 3.0]),))


class _Residuals:
    """What the second part of a loop body reads of the first: of which const, entry or new stack each residual is.

    `order` are the residuals as the second part takes them; `made` those that the first loop must stack.
    """

    def __init__(self, part: Any, known: int, consts: int, carries: int) -> None:
        inputs = {v: i for i, v in enumerate(part.first.inputs)}
        self.order = part.first.outputs[known:]
        self.consts: list[Any] = []
        self.const_inputs: list[Value] = []
        self.entries: list[int] = []
        self.made: list[Value] = []
        entry_inputs: list[Value] = []
        made_inputs: list[Value] = []
        for v, inner in zip(self.order, part.second.inputs, strict=False):
            position = inputs.get(v)
            if isinstance(v, Constant) or (position is not None and position < consts):
                self.consts.append(v if isinstance(v, Constant) else position)
                self.const_inputs.append(inner)
            elif position is not None and position >= consts + carries:
                self.entries.append(position - consts - carries)
                entry_inputs.append(inner)
            else:
                self.made.append(v)
                made_inputs.append(inner)
        self.stack_inputs = [*entry_inputs, *made_inputs]


def _live_carries(
    body: Graph, consts: int, carries: int, state: list[bool], stacked: list[bool], keep: Flags | None = None
) -> tuple[Graph, list[bool], list[bool]] | None:
    """The body without the carries and stacked results that nothing needs, and which inputs and outputs remain."""
    if keep is not None:
        state = [a or b for a, b in zip(state, keep[consts:], strict=True)]
    while True:
        outputs = [*state, *stacked]
        graph = Graph(body.inputs, body.nodes, chosen(body.outputs, outputs), body.name)
        read = used_inputs(graph)
        if keep is not None:
            read = [a or b for a, b in zip(read, keep, strict=True)]
        grown = [a or b for a, b in zip(state, read[consts : consts + carries], strict=True)]
        if grown == state:
            break
        state = grown
    inputs = [*read[:consts], *state, *read[consts + carries :]]
    if all(inputs) and all(outputs):
        return None
    return Graph(chosen(body.inputs, inputs), graph.nodes, graph.outputs, body.name), inputs, outputs


def add_stacks(a: Any, b: Any) -> Any:
    """The sum of two dynamically long arrays, entry by entry."""
    from graphad.trace import trace_flat

    entry = a.type.with_shape(a.type.shape[1:])
    body = trace_flat(lambda args: [args[0] + args[1]], [entry, entry], name="add").graph
    return Scan(body, 0, None, 0)(Extent()(a), a, b)


def _spread(xs: Sequence[Any], flags: Flags) -> list[Any]:
    """One entry for each flag, `None` where it is not set."""
    rest = iter(xs)
    return [next(rest) if flag else None for flag in flags]


def _present(xs: Iterable[Any]) -> list[Any]:
    return [x for x in xs if x is not None]


def _interleaved(groups: Sequence[Sequence[Any]], extras: Sequence[Sequence[Any]]) -> list[Any]:
    """Each group followed by what belongs to it of the extras."""
    return list(itertools.chain(*[[*group, *_present(extra)] for group, extra in zip(groups, extras, strict=True)]))


def _zeros(kind: TensorType) -> Any:
    from graphad.ops.shape import zeros

    return zeros(kind.shape, kind.dtype)


def _repeated(x: Any, size: int) -> Any:
    from graphad.ops.shape import broadcast_to

    return broadcast_to(x, (size, *x.shape))


def _moved(x: Any, source: int, target: int) -> Any:
    """An array with its batch axis moved. A dynamic one always carries it behind its first."""
    from graphad.ops.shape import moveaxis

    return x if x.type.dynamic else moveaxis(x, source, target)


def _batched_extent(x: Any) -> Any:
    return Extent()(x)


__all__ = ["Extent", "Loop", "Scan", "While", "add_stacks", "zeros_like"]

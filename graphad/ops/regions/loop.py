"""What the loops have in common: operands that stay, operands that are carried on, and the rules for both."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import TypeMismatchError
from graphad.graph import Constant, Graph, Node, Value
from graphad.op import Op
from graphad.ops.arithmetic import logical_and
from graphad.ops.guarding import guarded
from graphad.ops.machinery import select
from graphad.ops.regions.base import (
    Flags,
    Split,
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
from graphad.ops.shape import broadcast_to, moveaxis
from graphad.types import INT64, Array, TensorType

Groups = tuple[list[Any], list[Any], list[Any]]
"""What belongs to the consts, the carries and the entries of a loop."""


class Loop(Structured, abstract=True):
    """Base of the loops. `consts` operands are the same in every iteration; carries go from one to the next."""

    body: Graph
    consts: int
    reads_first = True

    @property
    def carried(self) -> int:
        """The number of carries."""
        raise NotImplementedError

    @property
    def lead(self) -> int:
        """The number of operands before the consts: 1 if the trip count is one."""
        return 0

    def over(self, body: Graph, consts: int, carries: int, cond: Callable[[Graph], Graph]) -> Loop:
        """The same loop over another body; `cond` makes a condition, if there is one, fit its inputs."""
        raise NotImplementedError

    def linear_part(self, body: Graph, consts: int, carries: int) -> Loop:
        """The second loop of a split, which runs as often as the first."""
        raise NotImplementedError

    def nonlinear_part(
        self, body: Graph, flags: Flags, count: Sequence[Any], operands: Groups
    ) -> tuple[list[Any], Sequence[Any]]:
        """The results of the first loop of a split, which has the operands that are not flagged, and the trip count."""
        raise NotImplementedError

    def groups(self, xs: Sequence[Any]) -> Groups:
        """Consts, carries and entries, of what stands in this order."""
        k, n = self.consts, self.carried
        return list(xs[:k]), list(xs[k : k + n]), list(xs[k + n :])

    def check_carries(self, xs: tuple[TensorType, ...]) -> None:
        """Raise unless the body gives carries of the types that it takes."""
        k, n = self.consts, self.carried
        if min(k, n) < 0 or k + n > len(self.body.inputs) or n > len(self.body.outputs):
            raise TypeMismatchError(f"{self.name}: the body has no {k} constants and {n} carries")
        taken, given = self.body.input_types[k : k + n], self.body.output_types[:n]
        if taken != given:
            raise TypeMismatchError(f"{self.name}: the body takes the carries {list(taken)} and gives {list(given)}")

    def grow(self, flags: list[bool], step: Callable[[list[bool]], Sequence[bool]]) -> list[bool]:
        """The flags of consts, carries and entries when a carry is flagged too that `step(flags)` makes so."""
        k, n = self.consts, self.carried
        while True:
            found = [a or b for a, b in zip(flags[k : k + n], step(flags)[:n], strict=True)]
            if found == flags[k : k + n]:
                return flags
            flags = [*flags[:k], *found, *flags[k + n :]]

    def dependent(self, flags: Flags) -> list[bool]:
        """The flags when what follows from a flagged value in an earlier iteration is flagged too."""
        return self.grow(list(flags), lambda f: dependence(self.body, f))

    def reached(self, grown: list[bool]) -> list[bool]:
        """Which results depend on the flagged operands. A loop that does not run gives its carries as they came."""
        return [*self.groups(grown)[1], *dependence(self.body, grown)[self.carried :]]

    def forward(self, recur: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        lead, n, size = self.lead, self.carried, len(self.body.inputs)
        count, primals, tangents = primals[:lead], primals[lead:], tangents[lead:]
        results = len(self.body.outputs)
        none = [False] * results
        active = self.grow([t is not None for t in tangents], lambda f: recur(self.body, f, none)[1])
        consts, moving, _ = self.groups(active)
        graph, mask = recur(self.body, active, [*moving, *none[n:]])

        def beside(xs: Sequence[Any], extra: Sequence[Any]) -> list[Any]:
            return _interleaved(self.groups(xs), self.groups(_spread(extra, active)))

        def tested(cond: Graph) -> Graph:
            unread = [Value(v.type) for v in chosen(cond.inputs, active)]
            return cond.replace(inputs=beside(cond.inputs, unread))

        own, moved = graph.outputs[:results], _spread(graph.outputs[results:], mask)
        outputs = [*own[:n], *_present(moved[:n]), *own[n:], *_present(moved[n:])]
        body = graph.replace(inputs=beside(graph.inputs[:size], graph.inputs[size:]), outputs=outputs)
        carries = n + sum(moving)
        op = self.over(body, self.consts + sum(consts), carries, tested)
        given = [instantiated(t, x) for t, x, flag in zip(tangents, primals, active, strict=True) if flag]
        found = all_results(op(*count, *beside(primals, given)))
        stacks = carries + results - n
        moved = [*_spread(found[n:carries], moving), *_spread(found[stacks:], mask[n:])]
        return [*found[:n], *found[carries:stacks]], moved

    def split(self, recur: Any, linear: Flags, *xs: Any) -> list[Any]:
        lead, n = self.lead, self.carried
        count: Sequence[Any] = xs[:lead]
        operands = self.groups(xs[lead:])
        flags = self.dependent(linear[lead:])
        grouped = self.groups(flags)
        wanted = [*grouped[1], *dependence(self.body, flags)[n:]]
        # Consts and entries are kept anyway.
        free = [True] * self.consts + [False] * n + [True] * len(operands[2])
        part = recur(self.body, flags, free, wanted)
        fixed, still, entries = [others(xs, f) for xs, f in zip(operands, grouped, strict=True)]
        known = len(wanted) - sum(wanted)
        residual = _Residuals(part, known, len(fixed), len(still))
        outputs = (*part.first.outputs[:known], *residual.made)
        first = part.first.replace(outputs=outputs, name=self.body.name)
        found, count = self.nonlinear_part(first, flags, count, (fixed, still, entries))
        if not part.second.outputs:
            return found[:known]
        inputs = self.groups(_spread(part.second.inputs[len(residual.order) :], flags))
        consts, state, rows = [chosen(xs, f) for xs, f in zip(inputs, grouped, strict=True)]
        second = part.second.replace(inputs=[*residual.const_inputs, *consts, *state, *residual.stack_inputs, *rows])
        read = [x if isinstance(x, Constant) else fixed[x] for x in residual.consts]
        stacks = [*[entries[i] for i in residual.entries], *found[known:]]
        consts, state, rows = [chosen(xs, f) for xs, f in zip(operands, grouped, strict=True)]
        op = self.linear_part(second, len(read) + len(consts), len(state))
        return merged(wanted, all_results(op(*count, *read, *consts, *state, *stacks, *rows)), found[:known])

    def batch(self, batched: Flags, size: int, *xs: Any, recur: Any = None) -> Any:
        lead, n = self.lead, self.carried
        flags = self.batched(batched[lead:], recur)
        _, moving, _ = self.groups(flags)
        graph, _ = recur(self.body, flags, [*moving, *[True] * (len(self.body.outputs) - n)])
        op = self.over(graph, self.consts, n, lambda cond: recur(cond, flags, [False])[0])
        consts, state, arrays = self.groups(xs[lead:])
        _, were, rows = self.groups(batched[lead:])
        state = [repeated(x, size) if f and not b else x for x, f, b in zip(state, moving, were, strict=True)]
        arrays = [moved_axis(x, 0, 1) if b else x for x, b in zip(arrays, rows, strict=True)]
        found = all_results(op(*xs[:lead], *consts, *state, *arrays))
        last = [r if f else repeated(r, size) for r, f in zip(found[:n], moving, strict=True)]
        return one_or_all([*last, *[moved_axis(r, 1, 0) for r in found[n:]]])

    def guarded(self, live: Array, *xs: Any) -> Any:
        lead, at = self.lead, self.lead + self.consts
        op = self.over(self.among_consts(guarded(self.body)), self.consts + 1, self.carried, self.tested_when_live)
        count = [select(live, x, np.int64(0)) for x in xs[:lead]]
        return op(*count, *xs[lead:at], live, *xs[at:])

    def among_consts(self, region: Graph) -> Graph:
        """A region with its last input as a further const."""
        *inputs, last = region.inputs
        return region.replace(inputs=(*inputs[: self.consts], last, *inputs[self.consts :]))

    def tested_when_live(self, cond: Graph) -> Graph:
        """A condition that never holds without its further const."""
        test = guarded(cond)
        both = Value(test.outputs[0].type)
        nodes = [*test.nodes, Node(logical_and, (test.inputs[-1], test.outputs[0]), (both,))]
        return self.among_consts(test.replace(nodes=nodes, outputs=(both,)))

    def batched(self, flags: Flags, recur: Any) -> list[bool]:
        """The flags when a carry is flagged too that an iteration over flagged values batches."""
        none = [False] * len(self.body.outputs)
        return self.grow(list(flags), lambda f: recur(self.body, f, none)[1])

    def prune(self, live: Flags) -> tuple[Op, list[int], list[int]] | None:
        lead, n = self.lead, self.carried
        found = _live_carries(self.body, self.consts, live[:n], live[n:], self.tested())
        if found is None:
            return None
        body, inputs, outputs = found

        def restricted(cond: Graph) -> Graph:
            return cond.replace(inputs=chosen(cond.inputs, inputs))

        op = self.over(body, sum(inputs[: self.consts]), sum(outputs[:n]), restricted)
        operands = [*range(lead), *[i + lead for i, used in enumerate(inputs) if used]]
        return op, operands, [i for i, used in enumerate(outputs) if used]

    def tested(self) -> list[bool]:
        """Which of the body's inputs a condition reads."""
        return [False] * len(self.body.inputs)

    def flops(self, *xs: TensorType) -> int:
        return sum(region_flops(region) for region in self.regions.values())


class _Residuals:
    """What the second part of a loop's body reads of the first: of which const, entry or new stack each residual is.

    `order` are the residuals as the second part takes them; `made` those that the first loop must stack. A const is a
    `Constant`, or its position among the first part's consts.
    """

    def __init__(self, part: Split, known: int, consts: int, carries: int) -> None:
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
    body: Graph, consts: int, carries: Flags, stacked: Flags, tested: Flags
) -> tuple[Graph, list[bool], list[bool]] | None:
    """The body without the carries and stacked results that nothing needs, and which inputs and outputs remain.

    `tested` are the inputs that a condition reads. `None` if everything is needed.
    """
    n = len(carries)
    state = [a or b for a, b in zip(carries, tested[consts : consts + n], strict=True)]
    while True:
        outputs = [*state, *stacked]
        graph = body.replace(outputs=chosen(body.outputs, outputs))
        read = [a or b for a, b in zip(used_inputs(graph), tested, strict=True)]
        grown = [a or b for a, b in zip(state, read[consts : consts + n], strict=True)]
        if grown == state:
            break
        state = grown
    inputs = [*read[:consts], *state, *read[consts + n :]]
    if all(inputs) and all(outputs):
        return None
    return graph.replace(inputs=chosen(body.inputs, inputs)), inputs, outputs


def _spread(xs: Sequence[Any], flags: Flags) -> list[Any]:
    """One entry for each flag, `None` where it is not set."""
    rest = iter(xs)
    return [next(rest) if flag else None for flag in flags]


def _present(xs: Iterable[Any]) -> list[Any]:
    """The entries that are not `None`."""
    return [x for x in xs if x is not None]


def _interleaved(groups: Sequence[Sequence[Any]], extras: Sequence[Sequence[Any]]) -> list[Any]:
    """Each group followed by what belongs to it of the extras."""
    return list(itertools.chain(*[[*group, *_present(extra)] for group, extra in zip(groups, extras, strict=True)]))


def repeated(x: Array, size: int) -> Array:
    """An array with a new leading axis along which it is repeated."""
    return broadcast_to(x, (size, *x.shape))


def moved_axis(x: Any, source: int, target: int) -> Any:
    """An array with its batch axis moved. A dynamic one always carries it behind its first."""
    return x if x.type.dynamic else moveaxis(x, source, target)

COUNT = TensorType(INT64)


__all__ = [
    "COUNT", "Groups", "Loop", "moved_axis", "repeated",
]  # fmt: skip

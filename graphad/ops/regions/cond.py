"""`cond`: one of several regions, by an index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from graphad.errors import ShapeError, TypeMismatchError
from graphad.graph import Constant, Graph, Value
from graphad.op import Op, Sample, Types
from graphad.ops.arithmetic import logical_not
from graphad.ops.guarding import guarded, must_be_guarded
from graphad.ops.regions.base import (
    Flags,
    Run,
    Split,
    Structured,
    all_results,
    check_operands,
    chosen,
    dependence,
    merged,
    one_or_all,
    others,
    region,
    region_flops,
    result_types,
    substituted,
    used_inputs,
)
from graphad.ops.select import select
from graphad.ops.shape import broadcast_to, reshape
from graphad.trace import inline, innermost
from graphad.types import Array, TensorType


class Cond(Structured):
    """The branch that the first operand selects, applied to the others.

    The selector is a boolean (`False` takes the first branch) or an integer, which is clamped to the branches there
    are. All branches have inputs and outputs of the same types.
    """

    host_only = "Python chooses the branch"
    exempt: ClassVar[dict[str, str]] = {}
    reads_first = True
    branches: tuple[Graph, ...]

    def infer(self, *types: TensorType) -> Types:
        index, xs = types[0], types[1:]
        if index.shape or index.dtype.kind not in "biu":
            raise TypeMismatchError(f"cond: the selector is {index}, and should be a scalar of bool or integers")
        most = 2 if index.dtype.kind == "b" else len(self.branches)
        if not 1 <= len(self.branches) <= most:
            raise ShapeError(f"cond: there are {len(self.branches)} branches for a selector of {index}")
        first = self.branches[0]
        check_operands(self, first, xs)
        for branch in self.branches[1:]:
            if branch.input_types != first.input_types or branch.output_types != first.output_types:
                raise TypeMismatchError(
                    f"cond: the branches differ: {list(first.input_types)} -> {list(first.output_types)} and "
                    f"{list(branch.input_types)} -> {list(branch.output_types)}"
                )
        return result_types(first)

    def interpret(self, run: Run, *xs: Any) -> Sequence[Any]:
        index = min(max(int(xs[0]), 0), len(self.branches) - 1)
        return run(self.branches[index])(*xs[1:])

    def dependence(self, flags: Flags) -> list[bool]:
        if flags[0]:
            return [True] * len(self.branches[0].outputs)
        each = [dependence(branch, flags[1:]) for branch in self.branches]
        return [any(column) for column in zip(*each, strict=True)]

    def forward(self, recur: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        active = [t is not None for t in tangents[1:]]
        none = [False] * len(self.branches[0].outputs)
        masks = [recur(branch, active, none)[1] for branch in self.branches]
        wanted = [any(column) for column in zip(*masks, strict=True)]
        op = Cond(tuple([recur(branch, active, wanted)[0] for branch in self.branches]))
        results = all_results(op(*primals, *[t for t in tangents[1:] if t is not None]))
        n = len(none)
        return results[:n], merged(wanted, results[n:], [None] * (n - sum(wanted)))

    def split(self, recur: Any, linear: Flags, *xs: Any) -> list[Any]:
        index, operands, linear = xs[0], xs[1:], linear[1:]
        wanted = self.dependence([False, *linear])
        parts = [recur(branch, linear, [True] * len(linear), wanted, lent=True) for branch in self.branches]
        known = len(wanted) - sum(wanted)
        # Residuals of one type share a slot across branches; a branch that has fewer of them gives zeros.
        slots: Counter[TensorType] = Counter()
        for part in parts:
            slots |= Counter(v.type for v in _computed(part, known))
        types = list(slots.elements())
        halves = [_with_slots(part, known, types) for part in parts]
        firsts, seconds = tuple([h.first for h in halves]), tuple([h.second for h in halves])
        kept = others(operands, linear)
        first = all_results(Cond(firsts)(index, *kept))
        given = [*first[known:], *kept, *chosen(operands, linear)]
        read = [any(column) for column in zip(*map(used_inputs, seconds), strict=True)]
        seconds = tuple([branch.replace(inputs=chosen(branch.inputs, read)) for branch in seconds])
        second = all_results(Cond(seconds)(index, *chosen(given, read)))
        return merged(wanted, second, first[:known])

    def transpose(self, ct: Any, *xs: Any, recur: Any = None) -> Any:
        index, xs = xs[0], xs[1:]
        linear = [isinstance(x, TensorType) for x in xs]
        cts = ct if isinstance(ct, tuple) else (ct,)
        wanted = [c is not None for c in cts]
        op = Cond(tuple([recur(branch, linear, wanted) for branch in self.branches]))
        found = all_results(op(index, *others(xs, linear), *chosen(cts, wanted)))
        return (None, *merged(linear, found, [None] * len(xs)))

    def masked(self, recur: Any, flags: Flags, linear: Flags) -> tuple[list[bool], list[bool]]:
        each = [recur(branch, linear[1:], flags) for branch in self.branches]
        return list(flags), [False, *[any(column) for column in zip(*each, strict=True)]]

    def batch(self, batched: Flags, size: int, *xs: Any, recur: Any = None) -> Any:
        index, operands = xs[0], xs[1:]
        flags, none = list(batched[1:]), [False] * len(self.branches[0].outputs)
        if not batched[0]:
            masks = [recur(branch, flags, none)[1] for branch in self.branches]
            wanted = [any(column) for column in zip(*masks, strict=True)]
            op = Cond(tuple([recur(branch, flags, wanted)[0] for branch in self.branches]))
            results = all_results(op(index, *operands))
            return one_or_all(
                [r if w else broadcast_to(r, (size, *r.shape)) for r, w in zip(results, wanted, strict=True)]
            )
        builder = innermost(xs)
        assert builder is not None
        every = [True] * len(none)
        found = []
        for i, branch in enumerate(self.branches):
            if any([must_be_guarded(node.op) for node in branch.nodes]):
                rows = recur(guarded(branch), [*flags, True], every)[0]
                found.append(inline(rows, [*operands, self._takes(index, i)], builder))
            else:
                found.append(inline(recur(branch, flags, every)[0], operands, builder))
        result = found[0]
        for i, rows in enumerate(found[1:], 1):
            test = index if index.dtype.kind == "b" else index >= i
            result = [
                select(broadcast_to(reshape(test, (size, *[1] * (r.ndim - 1))), r.shape), r, old)
                for r, old in zip(rows, result, strict=True)
            ]
        return one_or_all(result)

    def _takes(self, index: Array, i: int) -> Array:
        """Where a selector takes branch `i`."""
        if index.dtype.kind == "b":
            return index if i else logical_not(index)
        last = len(self.branches) - 1
        return index == i if 0 < i < last else index <= 0 if not i else index >= last

    def guarded(self, live: Array, *xs: Any) -> Any:
        return Cond(tuple([guarded(branch) for branch in self.branches]))(*xs, live)

    def prune(self, live: Flags) -> tuple[Op, list[int], list[int]] | None:
        branches = [b.replace(outputs=chosen(b.outputs, live)) for b in self.branches]
        read = [used_inputs(b) for b in branches]
        needed = [any(column) for column in zip(*read, strict=True)]
        if all(live) and all(needed):
            return None
        branches = [b.replace(inputs=chosen(b.inputs, needed)) for b in branches]
        operands = [0, *[i + 1 for i, used in enumerate(needed) if used]]
        return Cond(tuple(branches)), operands, [i for i, used in enumerate(live) if used]

    def flops(self, *xs: TensorType) -> int:
        return max(region_flops(branch) for branch in self.branches)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        from graphad.ops.transcendental import exp, sin

        x, n = np.array([1.0, -2.0, 3.0]), np.array([2, -1, 5])
        branches = tuple([region(lambda x, f=f: [f(x), x + 1.0], x) for f in (sin, exp, lambda x: x * x)])
        yield Sample(cls(branches[:2]), (np.array(True), x))
        yield Sample(cls(branches[:2]), (np.array(False), x))
        empty = tuple([region(lambda x, f=f: [f(x)], x[:0]) for f in (sin, exp)])
        yield Sample(cls(empty), (np.array(True), x[:0]))
        for index in (2, -4, 7):
            yield Sample(cls(branches), (np.array(index), x))
        yield Sample(cls(branches[:1]), (np.array(0, np.uint8), x))
        # Branches that keep different things, leave operands unread, and give what they are given, or constants.
        a, b = np.array(0.5), np.array([[0.3, -1.2, 0.7]])
        mixed = (
            region(lambda x, n, a, b: [sin(x) * exp(b * a), n, a, n > 1], x, n, a, b),
            region(lambda x, n, a, b: [b * b * b, n * 2, np.array(1.5), n < 0], x, n, a, b),
            region(lambda x, n, a, b: [x * b, n, sin(a * a) * a, n == n], x, n, a, b),
        )
        for index in range(3):
            yield Sample(cls(mixed), (np.array(index, np.int32), x, n, a, b))
        single = tuple([region(lambda x, f=f: [f(x)], x.astype(np.float32)) for f in (sin, exp)])
        yield Sample(cls(single), (np.array(True), x.astype(np.float32)))
        z = np.array([0.5 + 1.0j, -0.3j])
        yield Sample(cls((region(lambda z: [z * z], z), region(lambda z: [sin(z)], z))), (np.array(True), z))
        yield Sample(cls((region(lambda: [np.array(1.0)]), region(lambda: [np.array(2.0)]))), (np.array(False),))


def _computed(part: Split, known: int) -> list[Value]:
    """The residuals, each once, that are neither inputs of the first part nor constants."""
    given = set(part.first.inputs)
    return [v for v in dict.fromkeys(part.first.outputs[known:]) if v not in given and not isinstance(v, Constant)]


def _with_slots(part: Split, known: int, types: Sequence[TensorType]) -> Split:
    """The parts with residuals of these types: `nonlinear inputs -> (nonlinear outputs, residuals)` and
    `(residuals, nonlinear inputs, linear inputs) -> linear outputs`."""
    first, second = part
    computed = _computed(part, known)
    filled: list[Value] = []
    for t in types:
        found = next((v for v in computed if v.type is t and v not in filled), None)
        filled.append(Constant(np.zeros(t.shape, t.dtype)) if found is None else found)
    residuals = first.outputs[known:]
    slots, given = [Value(t) for t in types], [Value(t) for t in first.input_types]
    source = {**dict(zip(filled, slots, strict=True)), **dict(zip(first.inputs, given, strict=True))}
    env = {
        inner: outer if isinstance(outer, Constant) else source[outer]
        for inner, outer in zip(second.inputs, residuals, strict=False)
    }
    inputs = (*slots, *given, *second.inputs[len(residuals) :])
    first = first.replace(outputs=(*first.outputs[:known], *filled))
    return Split(first, substituted(second, env, inputs))


__all__ = [
    "Cond",
]  # fmt: skip

"""`checkpoint`: a region that the derivative computes again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.graph import Graph
from graphad.op import Op, Sample, Types
from graphad.ops.guarding import guarded, refuse_again
from graphad.ops.regions.base import (
    Flags,
    Run,
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
    used_inputs,
)
from graphad.trace import apply
from graphad.types import Array, TensorType


class Checkpoint(Structured):
    """A function whose intermediate values are not kept for its derivative, but computed anew there.

    The law of `jax.checkpoint`: the same results and derivatives, memory of the operands only.
    """

    function: Graph

    def infer(self, *xs: TensorType) -> Types:
        check_operands(self, self.function, xs)
        return result_types(self.function)

    def interpret(self, run: Run, *xs: Any) -> Sequence[Any]:
        return run(self.function)(*xs)

    def dependence(self, flags: Flags) -> list[bool]:
        return dependence(self.function, flags)

    def forward(self, recur: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        active = [t is not None for t in tangents]
        n = len(self.function.outputs)
        function, mask = recur(self.function, active, [False] * n)
        results = all_results(Checkpoint(function)(*primals, *[t for t in tangents if t is not None]))
        return results[:n], merged(mask, results[n:], [None] * n)

    def split(self, recur: Any, linear: Flags, *xs: Any) -> list[Any]:
        wanted = self.dependence(linear)
        graph = self.function
        refuse_again(graph.nodes)
        part = recur(graph, linear, [True] * len(linear), wanted).first
        known = part.replace(outputs=part.outputs[: len(wanted) - sum(wanted)], name=graph.name)
        first = apply(Checkpoint(known), others(xs, linear))
        second = Checkpoint(graph.replace(outputs=chosen(graph.outputs, wanted)))(*xs)
        return merged(wanted, all_results(second), first)

    def transpose(self, ct: Any, *xs: Any, recur: Any = None) -> Any:
        linear = [isinstance(x, TensorType) for x in xs]
        cts = ct if isinstance(ct, tuple) else (ct,)
        wanted = [c is not None for c in cts]
        op = Checkpoint(recur(self.function, linear, wanted))
        found = all_results(op(*others(xs, linear), *chosen(cts, wanted)))
        return one_or_all(merged(linear, found, [None] * len(xs)))

    def masked(self, recur: Any, flags: Flags, linear: Flags) -> tuple[list[bool], list[bool]]:
        return list(flags), recur(self.function, linear, flags)

    def batch(self, batched: Flags, size: int, *xs: Any, recur: Any = None) -> Array:
        graph, _ = recur(self.function, batched, [True] * len(self.function.outputs))
        return Checkpoint(graph)(*xs)

    def guarded(self, live: Any, *xs: Any) -> Any:
        return Checkpoint(guarded(self.function))(*xs, live)

    def prune(self, live: Flags) -> tuple[Op, list[int], list[int]] | None:
        graph = self.function
        graph = graph.replace(outputs=chosen(graph.outputs, live))
        needed = used_inputs(graph)
        if all(live) and all(needed):
            return None
        op = Checkpoint(graph.replace(inputs=chosen(graph.inputs, needed)))
        return op, [i for i, used in enumerate(needed) if used], [i for i, used in enumerate(live) if used]

    def flops(self, *xs: TensorType) -> int:
        return region_flops(self.function)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        from graphad.ops.transcendental import exp, sin

        x, n = np.array([1.0, -2.0, 3.0]), np.array([2, -1, 5])
        y, z = np.array(0.5, np.float32), np.array([0.5 + 1.0j, -0.3j])
        yield Sample(cls(region(lambda x: [sin(exp(sin(x)))], x)), (x,))
        yield Sample(cls(region(lambda x, n: [sin(x) * x, n + 1, n > 2, x], x, n)), (x, n))
        yield Sample(cls(region(lambda y, z: [sin(y) * y, sin(z * z)], y, z)), (y, z))
        yield Sample(cls(region(lambda x, y: [np.array(2.0), x * 2.0], x[:0], y)), (x[:0], y))


__all__ = [
    "Checkpoint",
]  # fmt: skip

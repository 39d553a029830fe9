"""Calls of functions that were traced on their own: `call`, and the base of those with rules of the user's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from graphad.graph import Graph
from graphad.op import Regional, Sample, Types
from graphad.ops.guarding import guarded
from graphad.ops.machinery import multiply
from graphad.ops.programs import evaluate_region
from graphad.ops.regions.base import check_operands, result_types
from graphad.trace import current_builder, inline, innermost, trace_flat
from graphad.types import TensorType


class Applied(Regional, abstract=True):
    """Base of the ops that apply a function to their operands."""

    function: Graph

    def infer(self, *xs: TensorType) -> Types:
        check_operands(self, self.function, xs)
        return result_types(self.function)

    def eval(self, xp: Any, *xs: Any) -> Any:
        return evaluate_region(self.function, xp, xs)

    def decompose(self, *xs: Any) -> Any:
        """The function's own nodes: what executors run."""
        builder = innermost(xs) or current_builder()
        results = inline(self.function, xs, builder) if builder is not None else self.function.eval(*xs)
        return results[0] if len(results) == 1 else tuple(results)

    def guarded(self, live: Any, *xs: Any) -> Any:
        # It comes last, where the ops with rules of the user's own have what their functions captured.
        return self.replace(function=guarded(self.function))(*xs, live)

    def flops(self, *xs: TensorType) -> int:
        return sum(node.op.flops(*[v.type for v in node.inputs]) for node in self.function.nodes)


class Call(Applied):
    """A call of a function that was jitted; passes that differentiate or batch inline it."""

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([1.0, -2.0, 3.0])
        kind = TensorType(x.dtype, x.shape)
        square = trace_flat(lambda args: [multiply(args[0], args[0]), args[0] + 1.0], [kind]).graph
        yield Sample(cls(square), (x,))


__all__ = [
    "Applied", "Call",
]  # fmt: skip

"""`fused`: a kernel, the nodes that run in one loop nest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from graphad.graph import Graph
from graphad.op import Op, Regional, Sample, Types
from graphad.ops.programs import evaluate_region
from graphad.ops.reduce import Sum
from graphad.ops.regions.base import check_operands, result_types
from graphad.types import TensorType


class Fused(Regional):
    """The nodes of `kernel`, which share an iteration space, run as one loop nest: each pass over memory once.

    The kernel holds elementwise ops, whose operands broadcast into the space, and reductions from the space, whose
    results no node of the kernel reads. With a `depth` of 0 or more the space is only the so many leading axes that all
    values share; along the others every element is computed by itself, and shape ops, reductions and small products
    along them are part of the kernel.
    """

    kernel: Graph
    depth: int = -1

    def infer(self, *xs: TensorType) -> Types:
        check_operands(self, self.kernel, xs)
        return result_types(self.kernel)

    def eval(self, xp: Any, *xs: Any) -> Any:
        return evaluate_region(self.kernel, xp, xs)

    def flops(self, *xs: TensorType) -> int:
        return sum(node.op.flops(*[v.type for v in node.inputs]) for node in self.kernel.nodes)

    def traffic(self, *xs: TensorType) -> int:
        # What its nodes hand on stays in registers.
        return Op.traffic(self, *xs)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        from graphad.trace import trace_flat

        x, y = np.array([[1.0, -2.0, 3.0], [0.5, 0.0, -1.0]]), np.array([2.0, 0.5, -1.0])
        types = [TensorType(a.dtype, a.shape) for a in (x, y)]

        def kernel(args: Any) -> list[Any]:
            product = args[0] * args[1] + 1.0
            return [product, Sum((1,))(product * product)]

        yield Sample(cls(trace_flat(kernel, types).graph), (x, y))

"""Lowering of what takes singular values: cofactors and their derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import graphad.numpy as namespace
from graphad.build import current_builder
from graphad.executors.loops.lower import Lowering
from graphad.executors.loops.small import matrix_rule
from graphad.executors.loops.spectral import decomposed
from graphad.graph import Node, Value
from graphad.ops.determinant import Cofactor, CofactorDerivative
from graphad.passes import Pipeline
from graphad.trace import Tracer, trace_flat
from graphad.types import TensorType


def singular_values(low: Lowering, node: Node, a: Value) -> list[Value]:
    """The values `u, s, vh` of the decomposition of square matrices."""
    u, s, vh = decomposed(low, node, a, "A")
    found = [Value(a.type), Value(TensorType(s.dtype, s.shape)), Value(a.type)]
    low.env.update(zip(found, (u, s, vh), strict=True))
    return found


class _Decomposed:
    """`graphad.numpy`, in which the singular value decomposition is known."""

    def __init__(self, factors: Sequence[Tracer]) -> None:
        self.linalg = self
        self.svd = lambda a: factors

    def __getattr__(self, name: str) -> Any:
        return namespace.linalg.det if name == "det" else getattr(namespace, name)

    def cumprod(self, x: Tracer, axis: int) -> Any:
        """Running products along the last axis, each a product of its own, as loops run in any order."""
        n = x.shape[axis]
        return np.prod(np.where(np.tri(n, dtype=bool), x[..., None, :], x.dtype.type(1)), axis=-1)


@matrix_rule(Cofactor, CofactorDerivative)
def cofactor(low: Lowering, node: Node) -> bool:
    (out,) = node.outputs
    operands = [*singular_values(low, node, node.inputs[0]), *node.inputs]

    def formula(xs: Sequence[Tracer]) -> list[Tracer]:
        builder = current_builder()
        assert builder is not None
        builder.where = node.where
        return [node.op.eval(_Decomposed(xs[:3]), *xs[3:])]

    graph = trace_flat(formula, [v.type for v in operands]).graph
    graph = Pipeline(f"simplify, cse, fold, dce, decompose, fuse(lanes={low.lanes})")(graph)
    made = dict(zip((*graph.inputs, *graph.outputs), (*operands, out), strict=True))
    for inner in graph.nodes:
        low.lower(inner.renamed(made))
    return True

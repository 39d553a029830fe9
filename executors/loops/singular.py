"""Lowering of what takes singular values: cofactors and their derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import graphad.numpy as namespace
from graphad.build import current_builder
from graphad.executors.loops.foreign import LETTERS, workspace
from graphad.executors.loops.lower import Lowering
from graphad.executors.loops.small import matrix_rule
from graphad.executors.loops.stacks import INT32, call, flat, matrices, memory, succeeded, work
from graphad.graph import Node, Value
from graphad.passes import Pipeline
from graphad.trace import trace_flat
from graphad.types import TensorType


def singular_values(low: Lowering, node: Node, a: Value) -> list[Value]:
    """The values `u, s, vh` of the decomposition of square matrices."""
    shape, dtype = a.type.shape, a.type.dtype
    n = shape[-1]
    real = np.zeros(0, dtype).real.dtype
    matrix = memory(dtype, shape, columns=True)
    low.copy(low.view(a), matrix, low.note(node))
    u, vh = memory(dtype, shape, columns=True), memory(dtype, shape, columns=True)
    s = memory(real, shape[:-1])
    x, left, right = [matrices(view).view for view in (matrix, u, vh)]
    values = flat(s)
    name = f"{LETTERS[dtype.char]}gesdd"
    scratch = [work(INT32, 8 * n)]
    if dtype.kind == "c":
        scratch.insert(0, work(real, 5 * n * (n + 1)))
    nothing = [None] * (1 + len(scratch))
    size = workspace(name, "A", n, n, None, n, None, None, n, None, n, "work", -1, *nothing)
    space = work(dtype, size)
    arguments = ("A", n, n, x, n, values, left, n, right, n, space, size, *scratch)
    info = call(low, node, "gesdd", arguments, [x, values, left, right, space, *scratch])
    succeeded(low, node, info, "SVD did not converge")
    found = [Value(a.type), Value(TensorType(real, shape[:-1])), Value(a.type)]
    low.env.update(zip(found, (u, s, vh), strict=True))
    return found


class _Decomposed:
    """`graphad.numpy`, in which the singular value decomposition is known."""

    def __init__(self, factors: Sequence[Any]) -> None:
        self.linalg = self
        self.svd = lambda a: factors

    def __getattr__(self, name: str) -> Any:
        return namespace.linalg.det if name == "det" else getattr(namespace, name)

    def cumprod(self, x: Any, axis: int) -> Any:
        """Running products along the last axis, each a product of its own, as loops run in any order."""
        n = x.shape[axis]
        return np.prod(np.where(np.tri(n, dtype=bool), x[..., None, :], x.dtype.type(1)), axis=-1)


@matrix_rule("cofactor", "cofactor_derivative")
def cofactor(low: Lowering, node: Node) -> bool:
    (out,) = node.outputs
    operands = [*singular_values(low, node, node.inputs[0]), *node.inputs]

    def formula(xs: Sequence[Any]) -> list[Any]:
        builder = current_builder()
        assert builder is not None
        builder.where = node.where
        return [node.op.eval(_Decomposed(xs[:3]), *xs[3:])]

    graph = trace_flat(formula, [v.type for v in operands]).graph
    graph = Pipeline(f"simplify, cse, fold, dce, decompose, fuse(lanes={low.lanes})")(graph)
    made = dict(zip((*graph.inputs, *graph.outputs), (*operands, out), strict=True))
    for inner in graph.nodes:
        inputs = tuple([made.get(v, v) for v in inner.inputs])
        low.lower(Node(inner.op, inputs, tuple([made.get(v, v) for v in inner.outputs]), inner.where))
    return True

"""Lowering of checks: a branch that is hardly ever taken, in which NumPy raises what the user wrote."""

from __future__ import annotations

from graphad.executors.loops.control import bind, computed
from graphad.executors.loops.kernels import initial
from graphad.executors.loops.lower import Lowering, rule
from graphad.executors.loops.program import Branch, LoopNest, Reduction, ReductionResult
from graphad.graph import Graph, Node, Value
from graphad.ops.checks import Check as CheckOp
from graphad.ops.scalar import Scalar
from graphad.types import BOOL


@rule(CheckOp)
def check(low: Lowering, node: Node) -> bool:
    held = _all(low, node.inputs[0])
    inputs = tuple([Value(v.type, v.name) for v in node.inputs])
    inner = low.region(Graph(inputs, (), (), node.op.name), [])
    branch = Branch(held, [inner.statements, []], note=low.note(node))
    branch.before.append(computed([held, *bind(low, inner, inputs, node.inputs)]))
    inner.host(Node(node.op, inputs, (), node.where))
    low.statements.append(branch)
    return True


def _all(low: Lowering, predicate: Value) -> Scalar:
    """Whether all elements of a predicate hold."""
    kind = predicate.type
    if kind.size == 1:
        return low.scalar(predicate, ())
    axes = tuple(range(kind.ndim))
    result = ReductionResult(BOOL)
    reduction = Reduction("all", low.scalar(predicate, kind.shape), axes, initial("all", BOOL), None, result)
    low.statements.append(LoopNest(kind.shape, reductions=[reduction]))
    return result

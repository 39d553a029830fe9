"""Reverse-mode differentiation: the transpose of the linearisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphad.errors import ShapeError
from graphad.graph import Constant, Graph, Value
from graphad.passes.base import graph_pass
from graphad.passes.jvp import indices
from graphad.passes.linearize import linearize
from graphad.passes.transpose import transpose


@graph_pass
def vjp(graph: Graph, wrt: int | Sequence[int] | None = None) -> Graph:
    """`(inputs, cotangents of outputs) -> (outputs, cotangents of inputs[wrt])`.

    Only differentiable outputs have a cotangent, in their order.
    """
    wrt = indices(wrt, graph)
    n_in, n_out = len(graph.inputs), len(graph.outputs)
    linear = linearize(graph, wrt)
    return transpose(
        linear, range(n_in, n_in + len(wrt)), range(n_out, len(linear.outputs))
    )


@graph_pass
def grad(graph: Graph, wrt: int | Sequence[int] | None = None, output: int = 0) -> Graph:
    """`(inputs) -> (outputs, gradient of outputs[output] in each of inputs[wrt])`.

    Raises `ShapeError` if that output is not a real scalar.
    """
    wrt = indices(wrt, graph)
    loss = graph.outputs[output]
    if loss.type.shape or loss.type.dtype.kind not in "fc":
        raise ShapeError(f"grad: @{graph.name} gives {loss.type}, not a floating-point scalar; use vjp or jacrev")
    n_in, n_out = len(graph.inputs), len(graph.outputs)
    linear = linearize(graph, wrt)
    position = n_out + sum(v.type.differentiable for v in graph.outputs[:output])
    outputs = (*linear.outputs[:n_out], linear.outputs[position])
    scalar = Graph(linear.inputs, linear.nodes, outputs, graph.name)
    transposed = transpose(scalar, range(n_in, n_in + len(wrt)), n_out)
    return bind(transposed, {transposed.inputs[-1]: Constant(loss.type.dtype.type(1))})


def bind(graph: Graph, values: Mapping[Value, Value]) -> Graph:
    """The graph with some of its inputs replaced, by constants for example."""
    nodes = []
    for node in graph.nodes:
        if any([v in values for v in node.inputs]):
            node = node.with_inputs(tuple([values.get(v, v) for v in node.inputs]))
        nodes.append(node)
    inputs = [v for v in graph.inputs if v not in values]
    return Graph(inputs, nodes, [values.get(v, v) for v in graph.outputs], graph.name)

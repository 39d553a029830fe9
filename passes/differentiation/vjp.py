"""Reverse-mode differentiation: the transpose of the linearisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from graphad.errors import ShapeError
from graphad.graph import Constant, Graph, Value
from graphad.ops.regions.base import substituted
from graphad.passes.base import check_option, graph_pass, positions
from graphad.passes.differentiation.jvp import indices
from graphad.passes.differentiation.linearize import linearized
from graphad.passes.differentiation.transpose import transposed


@graph_pass
def vjp(graph: Graph, wrt: int | Sequence[int] | None = None) -> Graph:
    """`(inputs, cotangents of outputs) -> (outputs, cotangents of inputs[wrt])`.

    Only differentiable outputs have a cotangent, in their order.
    """
    wrt = indices(wrt, graph)
    n_in, n_out = len(graph.inputs), len(graph.outputs)
    linear = linearized(graph, wrt)
    return transposed(
        linear, range(n_in, n_in + len(wrt)), range(n_out, len(linear.outputs))
    )


@graph_pass
def grad(graph: Graph, wrt: int | Sequence[int] | None = None, output: int = 0) -> Graph:
    """`(inputs) -> (outputs, gradient of outputs[output] in each of inputs[wrt])`.

    Raises `ShapeError` if that output is not a real scalar, `PipelineError` for options that fit no input or output.
    """
    wrt = indices(wrt, graph)
    check_option("output", output, isinstance(output, int), "it is the position of an output")
    output = positions("output", output, len(graph.outputs), f"outputs of @{graph.name}")[0]
    loss = graph.outputs[output]
    if loss.type.shape or loss.type.dtype.kind not in "fc":
        raise ShapeError(f"grad: @{graph.name} gives {loss.type}, not a floating-point scalar; use vjp or jacrev")
    n_in, n_out = len(graph.inputs), len(graph.outputs)
    linear = linearized(graph, wrt)
    position = n_out + sum(v.type.differentiable for v in graph.outputs[:output])
    scalar = linear.replace(outputs=(*linear.outputs[:n_out], linear.outputs[position]))
    back = transposed(scalar, range(n_in, n_in + len(wrt)), (n_out,))
    return bind(back, {back.inputs[-1]: Constant(np.ones((), loss.type.dtype))})


def bind(graph: Graph, values: Mapping[Value, Value]) -> Graph:
    """The graph with some of its inputs replaced, by constants for example."""
    return substituted(graph, values, [v for v in graph.inputs if v not in values])

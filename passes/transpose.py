"""Transposition of a linear program: cotangents flow from its outputs back to its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphad.build import Builder, building, locate
from graphad.errors import GraphadError
from graphad.graph import Graph, Location, Node, Value
from graphad.ops.elementwise import cast
from graphad.ops.loops import add_stacks
from graphad.ops.shape import sum_to
from graphad.ops.structured import Structured
from graphad.passes.base import graph_pass
from graphad.passes.linearize import partition
from graphad.trace import Tracer, full


@graph_pass
def transpose(graph: Graph, inputs: int | Sequence[int], outputs: int | Sequence[int]) -> Graph:
    """Transpose a graph in the inputs at the given positions, in which the given outputs are linear.

    `(others, linear inputs) -> (others, linear outputs)` becomes
    `(others, cotangents of linear outputs) -> (others, cotangents of linear inputs)`, so that
    `<ct, linear(t)> == <transposed(ct), t>`. Complex numbers are transposed without conjugation.
    """
    inputs = (inputs,) if isinstance(inputs, int) else inputs
    outputs = (outputs,) if isinstance(outputs, int) else outputs
    roots = [graph.inputs[i] for i in inputs]
    linear_outputs = [graph.outputs[i] for i in outputs]
    nonlinear, linear = partition(graph, roots)
    active = set(roots).union(*[node.outputs for node in linear])

    builder = Builder(graph.name)
    builder.staged = True
    builder.inputs.extend(v for i, v in enumerate(graph.inputs) if i not in inputs)
    builder.nodes.extend(nonlinear)
    cts: dict[Value, Tracer] = {}
    for v in linear_outputs:
        ct = Tracer(builder, builder.input(v.type, "ct" if len(outputs) == 1 else f"ct_{len(cts)}"))
        if v in active:
            cts[v] = cts[v] + ct if v in cts else ct
    with building(builder):
        for node in reversed(linear):
            if any([v in cts for v in node.outputs]):
                _transpose_node(builder, node, active, cts)
        results = [(cts[v] if v in cts else full(builder, v.type, 0)).value for v in roots]
    others = [v for i, v in enumerate(graph.outputs) if i not in outputs]
    return builder.finish([*others, *results])


def _transpose_region(region: Graph, linear: Sequence[bool], wanted: Sequence[bool]) -> Graph:
    outputs = [v for v, flag in zip(region.outputs, wanted, strict=True) if flag]
    graph = Graph(region.inputs, region.nodes, outputs, region.name)
    return transpose(graph, [i for i, flag in enumerate(linear) if flag], range(len(outputs)))


def _transpose_node(builder: Builder, node: Node, active: set[Value], cts: dict[Value, Tracer]) -> None:
    builder.where = (node.where or Location()).with_role("cotangent")
    operands = [v.type if v in active else Tracer(builder, v) for v in node.inputs]
    found: list[Any] = [cts.pop(v, None) for v in node.outputs]
    try:
        if isinstance(node.op, Structured):
            result = node.op.transpose(_one_or_all(found), *operands, recur=_transpose_region)
        else:
            given = [full(builder, v.type, 0) if c is None else c for c, v in zip(found, node.outputs, strict=True)]
            result = node.op.transpose(_one_or_all(given), *operands)
    except GraphadError as error:
        locate(error, node.where)
        raise
    for v, c in zip(node.inputs, result if isinstance(result, tuple) else (result,), strict=True):
        if c is None or v not in active:
            continue
        kind = v.type
        if c.value.type is not kind:
            c = cast(sum_to(c, kind.shape), kind.dtype)
        if v not in cts:
            cts[v] = c
        else:
            cts[v] = add_stacks(cts[v], c) if kind.dynamic else cts[v] + c
    builder.where = None


def _one_or_all(xs: list[Any]) -> Any:
    return xs[0] if len(xs) == 1 else tuple(xs)

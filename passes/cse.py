"""Common subexpression elimination."""

from __future__ import annotations

from typing import Any

from graphad.graph import Graph, Node, Value
from graphad.passes.base import graph_pass
from graphad.passes.rewriting import map_regions


@graph_pass
def cse(graph: Graph) -> Graph:
    """Merge nodes without effects that have the same op and operands into the first of them."""
    env: dict[Value, Value] = {}
    seen: dict[tuple[Any, ...], Node] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        if env:
            inputs = tuple([env.get(v, v) for v in node.inputs])
            if inputs != node.inputs:
                node = node.with_inputs(inputs)
        node = map_regions(node, cse)
        if not node.op.effect:
            first = seen.setdefault((node.op, node.inputs), node)
            if first is not node:
                env.update(zip(node.outputs, first.outputs, strict=True))
                continue
        nodes.append(node)
    if not env and all([a is b for a, b in zip(nodes, graph.nodes, strict=True)]):
        return graph
    return Graph(graph.inputs, nodes, [env.get(v, v) for v in graph.outputs], graph.name)

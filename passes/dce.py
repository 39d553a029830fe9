"""Dead code elimination."""

from __future__ import annotations

from graphad.graph import Graph, Node, Value
from graphad.passes.base import graph_pass
from graphad.passes.rewriting import map_regions


@graph_pass
def dce(graph: Graph) -> Graph:
    """Remove the pure nodes whose results nothing reads. Regions are cleaned too."""
    live: set[Value] = set(graph.outputs)
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if not node.op.pure or any([v in live for v in node.outputs]):
            live.update(node.inputs)
            kept.append(map_regions(node, dce))
    kept.reverse()
    if len(kept) == len(graph.nodes) and all([a is b for a, b in zip(kept, graph.nodes, strict=True)]):
        return graph
    return Graph(graph.inputs, kept, graph.outputs, graph.name)

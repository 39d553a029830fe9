"""Dead code elimination."""

from __future__ import annotations

from graphad.graph import Graph, Node, Value
from graphad.passes.base import graph_pass


@graph_pass
def dce(graph: Graph) -> Graph:
    """Remove the pure nodes whose results nothing reads. Regions are cleaned too."""
    live: set[Value] = set(graph.outputs)
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if not node.op.pure or any([v in live for v in node.outputs]):
            live.update(node.inputs)
            kept.append(_clean_regions(node))
    kept.reverse()
    return Graph(graph.inputs, kept, graph.outputs, graph.name)


def _clean_regions(node: Node) -> Node:
    if not node.op._region_fields:
        return node
    return Node(node.op.map_regions(dce), node.inputs, node.outputs, node.where)

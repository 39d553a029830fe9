"""Dead code elimination."""

from __future__ import annotations

from graphad.graph import Graph, Node, Value
from graphad.ops.regions.base import Structured
from graphad.passes.base import graph_pass


@graph_pass
def dce(graph: Graph) -> Graph:
    """Remove the nodes without effects whose results nothing reads. Regions are cleaned too.

    Loops and branches lose the results, carries and operands that nothing needs. Outside of them a node that may raise
    stays, so that a derivative which needs no value of it tells of a singular matrix or an index out of bounds as the
    value does; within, where it would keep a whole loop alive, it goes.
    """
    return cleaned(graph, True)


def cleaned(graph: Graph, raising: bool = False) -> Graph:
    """`dce` of a region, or of a graph if what is `raising` stays."""
    live: set[Value] = set(graph.outputs)
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        stays = node.op.effect or (raising and node.op.raises and not isinstance(node.op, Structured))
        if stays or not live.isdisjoint(node.outputs):
            node = _pruned(node.map_regions(cleaned), live)
            live.update(node.inputs)
            kept.append(node)
    return graph.replace(nodes=reversed(kept))


def _pruned(node: Node, live: set[Value]) -> Node:
    if not isinstance(node.op, Structured) or node.op.effect:
        return node
    found = node.op.prune([v in live for v in node.outputs])
    if found is None:
        return node
    op, operands, results = found
    inputs = tuple([node.inputs[i] for i in operands])
    return Node(op, inputs, tuple([node.outputs[i] for i in results]), node.where).map_regions(cleaned)

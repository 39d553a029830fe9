"""Dead code elimination."""

from __future__ import annotations

from graphad.graph import Graph, Node, Value
from graphad.ops.structured import Structured
from graphad.passes.base import graph_pass
from graphad.passes.rewriting import map_regions


@graph_pass
def dce(graph: Graph) -> Graph:
    """Remove the pure nodes whose results nothing reads. Regions are cleaned too.

    Loops and branches lose the results, carries and operands that nothing needs.
    """
    live: set[Value] = set(graph.outputs)
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if not node.op.pure or any([v in live for v in node.outputs]):
            node = _pruned(map_regions(node, dce), live)
            live.update(node.inputs)
            kept.append(node)
    kept.reverse()
    if len(kept) == len(graph.nodes) and all([a is b for a, b in zip(kept, graph.nodes, strict=True)]):
        return graph
    return Graph(graph.inputs, kept, graph.outputs, graph.name)


def _pruned(node: Node, live: set[Value]) -> Node:
    if not isinstance(node.op, Structured) or not node.op.pure:
        return node
    found = node.op.prune([v in live for v in node.outputs])
    if found is None:
        return node
    op, operands, results = found
    inputs = tuple([node.inputs[i] for i in operands])
    return map_regions(Node(op, inputs, tuple([node.outputs[i] for i in results]), node.where), dce)

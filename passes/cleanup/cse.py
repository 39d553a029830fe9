"""Common subexpression elimination."""

from __future__ import annotations

from graphad.graph import Graph, Node, Value
from graphad.op import Op
from graphad.passes.base import graph_pass
from graphad.rewriter import Rewriter


@graph_pass
def cse(graph: Graph) -> Graph:
    """Merge nodes without effects that have the same op and operands into the first of them."""
    rewriter = Rewriter(graph)
    seen: dict[tuple[Op, tuple[Value, ...]], Node] = {}
    for node in rewriter.walk(cse):
        first = node if node.op.effect else seen.setdefault((node.op, node.inputs), node)
        if first is node:
            rewriter.keep(node)
        else:
            rewriter.replace(node, first.outputs)
    return rewriter.finish()

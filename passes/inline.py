"""Inlining of calls and kernels."""

from __future__ import annotations

from graphad.graph import Graph
from graphad.op import Op
from graphad.ops.fused import Fused
from graphad.ops.regions.call import Call
from graphad.passes.base import graph_pass
from graphad.rewriter import Rewriter


def _body(op: Op) -> Graph | None:
    """The region that takes the place of an op that only runs it."""
    match op:
        case Call():
            return op.function
        case Fused():
            return op.kernel
    return None


@graph_pass
def inline(graph: Graph) -> Graph:
    """Replace every `call` node by the nodes of the function that it calls, and `fused` by its kernel's.

    Regions are inlined too.
    """
    if not any([node.op._region_fields for node in graph.nodes]):
        return graph
    rewriter = Rewriter(graph)
    for node in rewriter.walk(inline):
        body = _body(node.op)
        if body is None:
            rewriter.keep(node)
        else:
            rewriter.splice(node, body, node.inputs)
    return rewriter.finish()

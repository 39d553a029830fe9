"""Inlining of calls and kernels."""

from __future__ import annotations

from graphad.graph import Graph, Node, Value
from graphad.op import Op
from graphad.ops.control import Call
from graphad.ops.fused import Fused
from graphad.passes.base import graph_pass
from graphad.passes.rewriting import map_regions


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
    nodes: list[Node] = []
    changed = False
    env: dict[Value, Value] = {}

    def copy(body: Graph, bound: dict[Value, Value]) -> None:
        # The values of a region are made anew, since one function can be called many times.
        nonlocal changed
        for node in body.nodes:
            inputs = tuple([bound.get(v, v) for v in node.inputs])
            called = _body(node.op)
            if called is not None:
                changed = True
                callee = inline(called)
                inner = dict(zip(callee.inputs, inputs, strict=True))
                copy(callee, inner)
                bound.update((v, inner.get(r, r)) for v, r in zip(node.outputs, callee.outputs, strict=True))
                continue
            mapped = map_regions(node, inline)
            changed, node = changed or mapped is not node, mapped
            if body is graph:
                nodes.append(node if inputs == node.inputs else node.with_inputs(inputs))
                continue
            outputs = tuple([Value(v.type, v.name) for v in node.outputs])
            bound.update(zip(node.outputs, outputs, strict=True))
            nodes.append(Node(node.op, inputs, outputs, node.where))

    copy(graph, env)
    if not changed:
        return graph
    return Graph(graph.inputs, nodes, [env.get(v, v) for v in graph.outputs], graph.name)

"""Loop-invariant code motion."""

from __future__ import annotations

from graphad.graph import Constant, Graph, Node, Value
from graphad.ops.loops import Loop, Scan, While
from graphad.passes.base import graph_pass
from graphad.passes.rewriting import map_regions

RAISING = frozenset({"cholesky", "inv", "solve", "triangular_solve", "pure_callback"})
"""Ops that can raise, and so stay in a loop that may not run."""


@graph_pass
def licm(graph: Graph) -> Graph:
    """Move what every iteration of a loop computes alike in front of the loop; inner loops first.

    Ops that can raise stay where they are, and so do those with effects.
    """
    if not any([node.op._region_fields for node in graph.nodes]):
        return graph
    nodes: list[Node] = []
    changed = False
    for node in graph.nodes:
        mapped = map_regions(node, licm)
        hoisted, mapped = _hoist(mapped)
        changed = changed or mapped is not node
        nodes += [*hoisted, mapped]
    return Graph(graph.inputs, nodes, graph.outputs, graph.name) if changed else graph


def _hoist(node: Node) -> tuple[list[Node], Node]:
    op = node.op
    if not isinstance(op, Loop):
        return [], node
    body, k = op.body, op.consts
    lead = op.lead if isinstance(op, Scan) else 0
    outer: dict[Value, Value] = dict(zip(body.inputs[:k], node.inputs[lead : lead + k], strict=True))
    hoisted: list[Node] = []
    stay: list[Node] = []
    for inner in body.nodes:
        invariant = all([v in outer or isinstance(v, Constant) for v in inner.inputs])
        if not invariant or not inner.op.pure or inner.op.name in RAISING or any(v.type.dynamic for v in inner.outputs):
            stay.append(inner)
            continue
        outputs = tuple([Value(v.type, v.name) for v in inner.outputs])
        hoisted.append(Node(inner.op, tuple([outer.get(v, v) for v in inner.inputs]), outputs, inner.where))
        outer.update(zip(inner.outputs, outputs, strict=True))
    if not hoisted:
        return [], node
    read = {v for inner in stay for v in inner.inputs} | set(body.outputs)
    moved = [v for inner in body.nodes for v in inner.outputs if v in outer and v in read]
    inputs = (*body.inputs[:k], *moved, *body.inputs[k:])
    region = Graph(inputs, stay, body.outputs, body.name)
    new: Scan | While
    if isinstance(op, Scan):
        new = Scan(region, k + len(moved), op.length, op.carries, op.reverse)
    else:
        assert isinstance(op, While)
        cond = op.cond
        tested = (*cond.inputs[:k], *[Value(v.type) for v in moved], *cond.inputs[k:])
        new = While(region, k + len(moved), Graph(tested, cond.nodes, cond.outputs, cond.name))
    at = lead + k
    operands = (*node.inputs[:at], *[outer[v] for v in moved], *node.inputs[at:])
    return hoisted, Node(new, operands, node.outputs, node.where)

"""Constant folding."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.graph import Constant, Graph, Node, Value
from graphad.passes.base import graph_pass
from graphad.passes.rewriting import map_regions


@graph_pass
def fold(graph: Graph, limit: int = 10_000) -> Graph:
    """Compute the nodes without effects whose operands are all constants, with NumPy.

    A result is kept if it has at most `limit` elements, or no more than its operands have together. A repeated
    constant stays a view, which costs no memory. Nodes with regions are not run, but folded inside.
    """
    env: dict[Value, Value] = {}
    nodes: list[Node] = []
    changed = False
    for node in graph.nodes:
        if not env.keys().isdisjoint(node.inputs):
            node = node.with_inputs(tuple([env.get(v, v) for v in node.inputs]))
        if node.op._region_fields:
            mapped = map_regions(node, lambda region: fold(region, limit))
            changed, node = changed or mapped is not node, mapped
        elif not node.op.effect and node.inputs and all([type(v) is Constant for v in node.inputs]):
            results = _compute(node, limit)
            if results is not None:
                env.update(zip(node.outputs, results, strict=True))
                changed = True
                continue
        nodes.append(node)
    if not changed:
        return graph
    return Graph(graph.inputs, nodes, [env.get(v, v) for v in graph.outputs], graph.name)


def _compute(node: Node, limit: int) -> list[Constant] | None:
    size, given = sum(v.type.size for v in node.outputs), sum(v.type.size for v in node.inputs)
    if size > max(limit, given) or (node.op.view and size > given):
        return None
    arrays: list[Any] = [v.array for v in node.inputs if isinstance(v, Constant)]
    try:
        with np.errstate(all="ignore"):
            found = node.op.eval(np, *arrays)
    except node.op.raises:
        # What fails when computed (a singular matrix, say) must fail when the program runs, not before.
        return None
    results = [np.asarray(x) for x in (found if len(node.outputs) > 1 else (found,))]
    if any(x.dtype != v.type.dtype or x.shape != v.type.shape for x, v in zip(results, node.outputs, strict=True)):
        return None
    return [Constant(x) for x in results]

"""Constant folding."""

from __future__ import annotations

import numpy as np

from graphad.errors import MissingRuleError
from graphad.graph import Constant, Graph, Node
from graphad.passes.base import graph_pass
from graphad.rewriter import Rewriter


@graph_pass
def fold(graph: Graph, limit: int = 10_000) -> Graph:
    """Compute the nodes without effects whose operands are all constants, with NumPy.

    A result is kept if it has at most `limit` elements, or no more than its operands have together. A repeated
    constant stays a view, which costs no memory. Nodes with regions are not run, but folded inside.
    """
    rewriter = Rewriter(graph)
    for node in rewriter.walk(lambda region: fold(region, limit)):
        results = _compute(node, limit) if _KNOWN.issuperset(map(type, node.inputs)) else None
        if results is None:
            rewriter.keep(node)
        else:
            rewriter.replace(node, results)
    return rewriter.finish()


_KNOWN = {Constant}


def _compute(node: Node, limit: int) -> list[Constant] | None:
    """The results of a node of constants that can be computed before the program runs and are worth keeping."""
    op = node.op
    if op._region_fields or op.effect or not node.inputs:
        return None
    size, given = sum(v.type.size for v in node.outputs), sum(v.type.size for v in node.inputs)
    if size > max(limit, given) or (op.view and size > given):
        return None
    arrays = [v.array for v in node.inputs if isinstance(v, Constant)]
    try:
        with np.errstate(all="ignore"):
            found = op.eval(np, *arrays)
    except (MissingRuleError, *op.raises):  # type: ignore[misc]
        # What fails when computed (a singular matrix, say) must fail when the program runs, not before.
        return None
    results = [np.asarray(x) for x in (found if len(node.outputs) > 1 else (found,))]
    if any(x.dtype != v.type.dtype or x.shape != v.type.shape for x, v in zip(results, node.outputs, strict=True)):
        return None
    return [Constant(x) for x in results]

"""Rematerialisation: which intermediate values are kept for a derivative, and which are computed anew."""

from __future__ import annotations

from collections.abc import Sequence

from graphad.graph import Constant, Node, Value
from graphad.ops.shape import BroadcastTo
from graphad.passes.cost import cheap as cheap_to_compute


def recomputed(
    inputs: Sequence[Value], nodes: Sequence[Node], needed: Sequence[Value], free: set[Value]
) -> tuple[list[Value], list[Node]]:
    """The residuals to keep so that all needed values can be had, and the nodes that compute the rest from them.

    Inputs in `free` cost nothing to keep. What is dynamically long cannot be kept, and so is always computed anew.
    """
    producers = {v: node for node in nodes for v in node.outputs}
    order = {v: i for i, v in enumerate(v for node in nodes for v in node.outputs)}
    kept: dict[Value, None] = {}
    again: dict[Node, None] = {}

    follows: set[Value] = set()
    costly: set[Value] = set()  # until more is kept

    def cheap(v: Value) -> bool:
        """Whether a value follows from what is kept or free by cheap ops alone."""
        pending = [v]
        while pending:
            u = pending[-1]
            node = producers.get(u)
            if u in follows or u in costly:
                pending.pop()
            elif isinstance(u, Constant) or u in free or u in kept:
                follows.add(u)
            elif node is None or not cheap_to_compute(node) or any([w in costly for w in node.inputs]):
                costly.add(u)
            else:
                unknown = [w for w in node.inputs if w not in follows]
                if unknown:
                    pending.append(unknown[0])
                else:
                    follows.add(u)
        return v in follows

    def provide(v: Value) -> None:
        """Keep a value, or compute it and what it needs anew."""
        pending = [v]
        while pending:
            u = pending.pop()
            if isinstance(u, Constant) or u in kept:
                continue
            node = producers.get(u)
            again_pays = u.type.dynamic or cheap(u) or (node is not None and isinstance(node.op, BroadcastTo))
            if not again_pays or u in free or node is None:
                kept[u] = None
                costly.clear()
            elif node not in again:
                again[node] = None
                pending.extend(reversed(node.inputs))

    for v in sorted(needed, key=lambda v: order.get(v, -1)):
        provide(v)
    position = {node: i for i, node in enumerate(nodes)}
    return list(kept), sorted(again, key=position.__getitem__)

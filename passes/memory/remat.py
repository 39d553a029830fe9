"""Rematerialisation: which intermediate values are kept for a derivative, and which are computed anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphad.graph import Constant, Node, Value
from graphad.ops.dynamic import DynamicSlice
from graphad.ops.gather import Gather
from graphad.ops.shape import BroadcastTo
from graphad.passes.cost import cheap as cheap_to_compute

FEW = 16
"""Elements of a value that are kept rather than the numbers from which they follow."""


def pays(node: Node) -> bool:
    """Whether computing a node again costs no more than to keep what it gives."""
    return cheap_to_compute(node) or isinstance(node.op, (Gather, DynamicSlice))


def recomputed(
    inputs: Sequence[Value], nodes: Sequence[Node], needed: Sequence[Value], free: set[Value],
    again_pays: Callable[[Node], bool] = pays, lent: bool = False,
) -> tuple[list[Value], list[Node]]:  # fmt: skip
    """The residuals to keep so that all needed values can be had, and the nodes that compute the rest from them.

    Inputs in `free` cost nothing to keep. What is dynamically long cannot be kept, and so is always computed anew.
    `again_pays` says which nodes rather run again. If what is free is only `lent`, a few numbers that would be read
    from an array are kept, so that the array need not be.
    """
    producers = {v: node for node in nodes for v in node.outputs}
    order = {v: i for i, v in enumerate(v for node in nodes for v in node.outputs)}
    kept: dict[Value, None] = {}
    again: dict[Node, None] = {}

    follows: tuple[set[Value], set[Value]] = (set(), set())
    costly: tuple[set[Value], set[Value]] = (set(), set())  # until more is kept

    def cheap(v: Value, numbers: bool) -> bool:
        """Whether a value follows by cheap ops alone from what is kept or free, and with `numbers` from single numbers,
        which cost little to keep."""
        known, dear = follows[numbers], costly[numbers]
        pending = [v]
        while pending:
            u = pending[-1]
            node = producers.get(u)
            if u in known or u in dear:
                pending.pop()
            elif isinstance(u, Constant) or u in free or u in kept or (numbers and u is not v and u.type.size == 1):
                known.add(u)
            elif node is None or not again_pays(node) or any([w in dear for w in node.inputs]):
                dear.add(u)
            else:
                unknown = [w for w in node.inputs if w not in known]
                if unknown:
                    pending.append(unknown[0])
                else:
                    known.add(u)
        return v in known

    def from_arrays(v: Value) -> bool:
        """Whether a value is computed from a free array."""
        pending, seen = [v], {v}
        while pending:
            u = pending.pop()
            if u in free and u.type.size > FEW:
                return True
            node = producers.get(u) if u not in free and u not in kept else None
            new = [w for w in (node.inputs if node is not None else ()) if w not in seen]
            seen.update(new)
            pending += new
        return False

    def provide(v: Value) -> None:
        """Keep a value, or compute it and what it needs anew."""
        pending = [v]
        while pending:
            u = pending.pop()
            if isinstance(u, Constant) or u in kept:
                continue
            node = producers.get(u)
            many = u.type.size > FEW and cheap(u, True)
            spread = node is not None and isinstance(node.op, BroadcastTo)
            follows_cheaply = u.type.dynamic or cheap(u, False) or many or spread
            if lent and u.type.size <= FEW and not u.type.dynamic and from_arrays(u):
                follows_cheaply = False
            if not follows_cheaply or u in free or node is None:
                kept[u] = None
                for dear in costly:
                    dear.clear()
            elif node not in again:
                again[node] = None
                pending.extend(reversed(node.inputs))

    for v in sorted(needed, key=lambda v: order.get(v, -1)):
        provide(v)
    position = {node: i for i, node in enumerate(nodes)}
    return list(kept), sorted(again, key=position.__getitem__)


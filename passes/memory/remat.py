"""Rematerialisation: which intermediate values are kept for a derivative, and which are computed anew.

What follows cheaply from what is kept anyway is not kept. Where many bytes are kept that cheap ops make, a minimum cut
between what only costly ops make and what is needed tells whether fewer bytes do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from graphad.graph import Constant, Node, Value
from graphad.ops.dynamic import DynamicSlice
from graphad.ops.gather import Gather
from graphad.ops.shape import BroadcastTo
from graphad.passes.cost import cheap as cheap_to_compute

FEW = 16
"""Elements of a value that are kept rather than the numbers from which they follow."""
_LEAST, _MOST = 1024, 256
"""Fewer bytes are looked for from this number on, as that takes milliseconds, and in graphs of up to so many values."""


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

    def runs_again(v: Value) -> bool:
        node = producers.get(v)
        if lent and v.type.size <= FEW and not v.type.dynamic and from_arrays(v):
            return False
        return node is not None and (v.type.dynamic or isinstance(node.op, BroadcastTo) or again_pays(node))

    for v in sorted(needed, key=lambda v: order.get(v, -1)):
        provide(v)
    if len(order) <= _MOST and _nbytes(filter(runs_again, kept), free) >= _LEAST:
        found = _smallest(needed, free, producers, runs_again)
        if _nbytes(found, free) < _nbytes(kept, free):
            kept, again = _from(found, needed, free, producers)
    position = {node: i for i, node in enumerate(nodes)}
    return list(kept), sorted(again, key=position.__getitem__)


def _nbytes(values: Iterable[Value], free: set[Value]) -> int:
    return sum([v.type.nbytes for v in values if v not in free])


def _from(
    chosen: Iterable[Value], needed: Iterable[Value], free: set[Value], producers: Mapping[Value, Node]
) -> tuple[dict[Value, None], dict[Node, None]]:
    """What is kept, with what is read of what is free, and the nodes that compute the rest of it."""
    kept, again, pending = dict.fromkeys(chosen), dict[Node, None](), list(needed)
    while pending:
        v = pending.pop()
        if v in free:
            kept[v] = None
        elif not isinstance(v, Constant) and v not in kept and producers[v] not in again:
            again[producers[v]] = None
            pending += producers[v].inputs
    return kept, again


def _smallest(
    needed: Sequence[Value], free: set[Value], producers: Mapping[Value, Node], runs_again: Callable[[Value], bool]
) -> list[Value]:
    """The values of fewest bytes from which those that are needed follow, by nodes that run again; the nearest to them
    of several such choices."""
    import networkx as nx

    # From what is needed back to what must be kept, each value an edge of its size: the cut nearest to the source.
    flow: nx.DiGraph[Any] = nx.DiGraph()
    flow.add_edges_from([("needed", (v, "of")) for v in needed])
    pending, seen = list(needed), set(needed)
    while pending:
        v = pending.pop()
        if isinstance(v, Constant) or v in free:
            continue
        flow.add_edge((v, "of"), (v, "from"), **({} if v.type.dynamic else {"capacity": v.type.nbytes}))
        if not runs_again(v):
            flow.add_edge((v, "from"), "costly")
            continue
        for w in producers[v].inputs:
            flow.add_edge((v, "from"), (w, "of"))
            if w not in seen:
                seen.add(w)
                pending.append(w)
    _, (near, _) = nx.minimum_cut(flow, "needed", "costly")
    return [v for v in seen if (v, "of") in near and (v, "from") in flow and (v, "from") not in near]


"""Heat: a cost of each node, to colour it by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from graphad.errors import TypeMismatchError
from graphad.graph import Graph, Node

Heat = Literal["bytes", "flops"] | Mapping[Node, float] | None


class Scale:
    """The cost of nodes, in bytes moved, floating-point operations or seconds, and its share of the largest.

    The colour follows the square root of the share, so that small costs stay visible.
    """

    def __init__(self, graphs: tuple[Graph, ...], heat: Heat) -> None:
        if not (heat is None or isinstance(heat, Mapping) or heat in ("bytes", "flops")):
            raise TypeMismatchError(f'heat={heat!r}: use "bytes", "flops" or a mapping from node to seconds')
        self.heat = heat
        self.top = max((self.cost(node) for graph in graphs for node in graph.nodes), default=0.0) if heat else 0.0

    def cost(self, *nodes: Node) -> float:
        """The summed cost of some nodes."""
        if isinstance(self.heat, Mapping):
            return float(sum(self.heat.get(node, 0.0) for node in nodes))
        if self.heat == "bytes":
            return float(sum(v.type.nbytes for node in nodes for v in (*node.inputs, *node.outputs)))
        return float(sum(node.op.flops(*[v.type for v in node.inputs]) for node in nodes))

    def share(self, *nodes: Node) -> float | None:
        """The colour of some nodes from 0 to 1; `None` where no heat is drawn."""
        if self.heat is None:
            return None
        return min((self.cost(*nodes) / self.top) ** 0.5, 1.0) if self.top > 0 else 0.0

    def text(self, *nodes: Node) -> str:
        """The cost with its unit: `24 B`, `1.2 Mflop`, `3.1 ms`."""
        return self.format(self.cost(*nodes)) if self.heat is not None else ""

    def format(self, cost: float) -> str:
        """A cost with its unit."""
        if isinstance(self.heat, Mapping):
            for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
                if cost >= size:
                    return f"{cost / size:.3g} {unit}"
            return f"{cost * 1e9:.3g} ns"
        unit = "B" if self.heat == "bytes" else "flop"
        for prefix, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
            if cost >= size:
                return f"{cost / size:.3g} {prefix}{unit}"
        return f"{cost:.0f} {unit}"

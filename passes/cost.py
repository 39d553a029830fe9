"""What a graph costs to run: arithmetic and memory traffic."""

from __future__ import annotations

from dataclasses import dataclass

from graphad.graph import Graph


@dataclass(frozen=True)
class Cost:
    """Floating-point operations, and bytes read and written if every node goes through memory."""

    flops: int = 0
    bytes: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.flops + other.flops, self.bytes + other.bytes)

    @property
    def intensity(self) -> float:
        """Flops per byte, the abscissa of the roofline model (Williams, Waterman, Patterson, 2009)."""
        return self.flops / self.bytes if self.bytes else 0.0


def estimate(graph: Graph) -> Cost:
    """The sum over all nodes of `op.flops` and of the bytes of operands and results.

    A node that holds sub-graphs moves the bytes that they move, each counted once, but a fused kernel only those of
    its operands and results; its flops are its op's own count, which can know how often they run, or their sum where
    that is larger.
    """
    total = Cost()
    for node in graph.nodes:
        flops = node.op.flops(*[v.type for v in node.inputs])
        regions = node.op.regions
        if regions and node.op.name != "fused":
            inside = sum(map(estimate, regions.values()), Cost())
            total += Cost(max(flops, inside.flops), inside.bytes)
        else:
            total += Cost(flops, sum(v.type.nbytes for v in (*node.inputs, *node.outputs)))
    return total


__all__ = ["Cost", "estimate"]

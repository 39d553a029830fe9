"""What a graph costs to run: arithmetic and memory traffic."""

from __future__ import annotations

from typing import Any

from graphad.attributes import Record
from graphad.costs import HEAVY, LIGHT
from graphad.graph import Graph, Node
from graphad.ops.guarding import must_be_reached


class Cost(Record):
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
    """The sum over all nodes of `op.flops` and `op.traffic`.

    The flops of a node that holds sub-graphs are its op's own count, which can know how often they run, or their sum
    where that is larger.
    """
    total = Cost()
    for node in graph.nodes:
        total += Cost(node_flops(node), node.op.traffic(*[v.type for v in node.inputs]))
    return total


def node_flops(node: Node) -> int:
    """Those of a node, or of what it holds where these are more."""
    inside = sum([estimate(region).flops for region in node.op.regions.values()])
    return max(node.op.flops(*[v.type for v in node.inputs]), inside)


def critical_path(graph: Graph) -> tuple[list[Node], int]:
    """The chain of nodes, each of which reads the one before it, that has the most flops, and how many: a run takes as
    long, whatever runs beside it."""
    import networkx as nx

    chains: nx.DiGraph[Any] = nx.DiGraph()
    producers = graph.producers()
    for node in graph.nodes:
        own = node_flops(node)
        # Each chain begins with no node, so that the first of its own counts.
        for before in ("", *[producers[v] for v in node.inputs if v in producers]):
            chains.add_edge(before, node, weight=own)
    path = nx.dag_longest_path(chains)
    return path[1:], int(nx.path_weight(chains, path, "weight") if path else 0)


def weight(node: Node) -> int:
    """About how many instructions an element of a node's result takes within a loop."""
    return node.op.weight(*[v.type for v in node.inputs])


def cheap(node: Node) -> bool:
    """Whether a node costs less than to write its result to memory and to read it back."""
    return weight(node) <= LIGHT and not must_be_reached(node.op)


def evaluations_pay(work: int, times: int) -> bool:
    """Whether computing the nodes of a kernel at several positions in another one costs less than their arrays' way
    through memory. `work` counts instructions per element."""
    return times == 1 or work * (times - 1) <= 6 * HEAVY


def recompute_pays(work: int, extra_loads: float, readers: int) -> bool:
    """Whether computing a value again in each of its readers' kernels costs less than one store and a load in each.

    Counted in instructions per element, of which a load or a store takes the time of `HEAVY`.
    """
    return readers * work + HEAVY * extra_loads < HEAVY * (1 + readers)


__all__ = ["Cost", "cheap", "critical_path", "estimate", "evaluations_pay", "node_flops", "recompute_pays", "weight"]

"""Lifetimes: the order of nodes that keeps few bytes alive, and places in one arena for values alive together."""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass

from graphad.graph import Constant, Graph, Node, Value
from graphad.ops.guarding import must_be_reached
from graphad.passes.base import graph_pass

ALIGNMENT = 64
"""Bytes to which every buffer is aligned: a cache line, and the widest vector register."""
_READY_LIMIT = 32


@dataclass(frozen=True)
class Interval:
    """Memory needed from one step of a program to another, both included."""

    nbytes: int
    first: int
    last: int


@dataclass(frozen=True)
class BufferAssignment:
    """Where each intermediate value stands in the arena: `offsets` and `peak_bytes`, in bytes."""

    offsets: dict[Value, int]
    peak_bytes: int


def pack(intervals: Sequence[Interval]) -> tuple[list[int], int]:
    """Byte offsets that keep intervals alive at one time apart, and the bytes needed in all: first fit by size."""
    offsets = [0] * len(intervals)
    placed: list[tuple[int, int]] = []
    peak = 0
    for i in sorted(range(len(intervals)), key=lambda i: (-intervals[i].nbytes, intervals[i].first)):
        it = intervals[i]
        size = -(-it.nbytes // ALIGNMENT) * ALIGNMENT
        at = 0
        for start, j in placed:
            other = intervals[j]
            if other.first > it.last or other.last < it.first:
                continue
            if start >= at + size:
                break
            at = max(at, start + -(-other.nbytes // ALIGNMENT) * ALIGNMENT)
        offsets[i] = at
        insort(placed, (at, i))
        peak = max(peak, at + size)
    return offsets, peak


def owners(graph: Graph) -> dict[Value, Value]:
    """For each value the one whose memory it is: itself, or what it is a view of."""
    owner: dict[Value, Value] = {v: v for v in graph.inputs}
    for node in graph.nodes:
        for v in node.outputs:
            source = node.inputs[0] if node.op.view else v
            owner[v] = owner.get(source, source)
    return owner


def assign_buffers(graph: Graph) -> BufferAssignment:
    """Places for the intermediate values by liveness. Inputs, constants and results stand outside of the arena."""
    owner = owners(graph)
    outside = {*graph.inputs, *(owner.get(v, v) for v in graph.outputs)}
    first: dict[Value, int] = {}
    last: dict[Value, int] = {}
    for i, node in enumerate(graph.nodes):
        for v in (*node.inputs, *node.outputs):
            v = owner.get(v, v)
            if not isinstance(v, Constant) and v not in outside and v.type.shape:
                first.setdefault(v, i)
                last[v] = i
    values = list(first)
    offsets, peak = pack([Interval(v.type.nbytes, first[v], last[v]) for v in values])
    return BufferAssignment(dict(zip(values, offsets, strict=True)), peak)


@graph_pass
def lifetime(graph: Graph) -> Graph:
    """Reorder nodes so that fewer bytes are alive at once; the graph itself where no better order is found.

    Nodes with effects keep their order, and so do those that raise different exceptions. The order is greedy: of the
    nodes that may run next, the one that leaves the fewest bytes alive.
    """
    nodes = _greedy(graph)
    better = graph.replace(nodes=nodes)
    return better if _peak(better) < _peak(graph) else graph


def _peak(graph: Graph) -> int:
    owner = owners(graph)
    last: dict[Value, int] = {}
    for i, node in enumerate(graph.nodes):
        last.update((owner.get(v, v), i) for v in (*node.inputs, *node.outputs))
    keep = {*graph.inputs, *(owner.get(v, v) for v in graph.outputs)}
    ends: dict[int, int] = {}
    alive = peak = 0
    for i, node in enumerate(graph.nodes):
        for v in node.outputs:
            if owner[v] is v and v not in keep:
                alive += v.type.nbytes
                ends[last[v]] = ends.get(last[v], 0) + v.type.nbytes
        peak = max(peak, alive)
        alive -= ends.get(i, 0)
    return peak


def _greedy(graph: Graph) -> list[Node]:
    owner = owners(graph)
    nodes = graph.nodes
    made = {v: i for i, node in enumerate(nodes) for v in node.outputs}
    keep = {*graph.inputs, *(owner.get(v, v) for v in graph.outputs)}
    readers: dict[Value, set[int]] = {}
    followers: list[list[int]] = [[] for _ in nodes]
    missing = [0] * len(nodes)
    # The nodes that must come after all of `earlier`, and among which the order is free.
    earlier: list[int] = []
    run: list[int] = []
    for i, node in enumerate(nodes):
        before = {made[v] for v in node.inputs if v in made}
        if must_be_reached(node.op):
            if run and (node.op.effect or nodes[run[0]].op.effect or node.op.raises != nodes[run[0]].op.raises):
                earlier, run = run, []
            run.append(i)
            before.update(earlier)
        missing[i] = len(before)
        for j in before:
            followers[j].append(i)
        for v in node.inputs:
            readers.setdefault(owner.get(v, v), set()).add(i)

    def growth(i: int) -> int:
        node = nodes[i]
        grown = sum(v.type.nbytes for v in node.outputs if owner[v] is v and v not in keep)
        for v in {owner.get(v, v) for v in node.inputs}:
            if v in made and v not in keep and readers[v] == {i}:
                grown -= v.type.nbytes
        return grown

    grown: dict[int, int] = {}
    ready = [i for i, n in enumerate(missing) if n == 0]
    heapq.heapify(ready)
    result: list[Node] = []
    while ready:
        window = [heapq.heappop(ready) for _ in range(min(_READY_LIMIT, len(ready)))]
        for i in window:
            if i not in grown:
                grown[i] = growth(i)
        chosen = min(window, key=lambda i: (grown[i], i))
        for i in window:
            if i != chosen:
                heapq.heappush(ready, i)
        result.append(nodes[chosen])
        for v in nodes[chosen].inputs:
            left = readers[owner.get(v, v)]
            left.discard(chosen)
            if len(left) == 1:
                grown.pop(next(iter(left)), None)  # the last reader frees the memory
        for j in followers[chosen]:
            missing[j] -= 1
            if missing[j] == 0:
                heapq.heappush(ready, j)
    return result

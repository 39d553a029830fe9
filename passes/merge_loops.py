"""Merging of loops that run over the same positions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from graphad.graph import Graph, Node, Value
from graphad.ops.guarding import must_be_reached, turns
from graphad.ops.loops import Scan
from graphad.passes.base import graph_pass


@graph_pass
def merge_loops(graph: Graph) -> Graph:
    """Make one loop of two with the same trip count and direction, of which the second reads nothing of the first, or
    only entries that the first stacks: these it is then handed in the same iteration. Regions are treated too."""
    if not any([node.op._region_fields for node in graph.nodes]):
        return graph
    nodes = [node.map_regions(merge_loops) for node in graph.nodes]
    merged = True
    while merged:
        merged = False
        loops = [i for i, node in enumerate(nodes) if isinstance(node.op, Scan) and not node.op.effect]
        for i, j in itertools.combinations(loops, 2):
            together = _together(nodes, i, j, set(graph.outputs)) if _fit(nodes, i, j) else None
            if together is not None and _in_order(together, nodes, i, j):
                nodes, merged = together, True
                break
    return graph.replace(nodes=nodes)


def _fit(nodes: Sequence[Node], i: int, j: int) -> bool:
    """Whether two loops run over the same positions, and the second needs at most stacked entries of the first."""
    a, b = nodes[i].op, nodes[j].op
    assert isinstance(a, Scan)
    assert isinstance(b, Scan)
    if (a.length, a.reverse) != (b.length, b.reverse):
        return False
    if a.length is None and nodes[i].inputs[0] is not nodes[j].inputs[0]:
        return False
    arrays = nodes[j].inputs[b.lead + b.consts + b.carries :]
    rest = set(nodes[j].inputs[: b.lead + b.consts + b.carries])
    stacked = set(nodes[i].outputs[a.carries :])
    # Nothing else of the first may lead to the second.
    reached = set(nodes[i].outputs)
    for node in nodes[i + 1 : j]:
        if not reached.isdisjoint(node.inputs):
            reached.update(node.outputs)
    return not (reached & rest) and not ((reached - stacked) & set(arrays))


def _together(nodes: Sequence[Node], i: int, j: int, results: set[Value]) -> list[Node]:
    first, second = nodes[i], nodes[j]
    reached = set(first.outputs)
    before: list[Node] = []
    after: list[Node] = []
    for node in nodes[i + 1 : j]:
        if not reached.isdisjoint(node.inputs):
            reached.update(node.outputs)
            after.append(node)
        else:
            before.append(node)
    read = {v for k, node in enumerate(nodes) if k not in (i, j) for v in node.inputs} | results
    return [*nodes[:i], *before, _merged(first, second, read), *after, *nodes[j + 1 :]]


def _in_order(together: Sequence[Node], nodes: Sequence[Node], i: int, j: int) -> bool:
    """Whether what raises or has an effect keeps its order if two loops run as one."""
    turn = turns(nodes)
    own = {turn[node] for node in (nodes[i], nodes[j]) if must_be_reached(node.op)}
    order = [turn.get(node, max(own, default=0)) for node in together if must_be_reached(node.op)]
    return len(own) < 2 and order == sorted(order)


def _merged(first: Node, second: Node, read: set[Value]) -> Node:
    a, b = first.op, second.op
    assert isinstance(a, Scan)
    assert isinstance(b, Scan)
    lead = a.lead

    def groups(node: Node, op: Scan) -> tuple[Sequence[Value], Sequence[Value], Sequence[Value]]:
        xs = node.inputs[lead:]
        return xs[: op.consts], xs[op.consts : op.consts + op.carries], xs[op.consts + op.carries :]

    def inner(op: Scan) -> tuple[Sequence[Value], Sequence[Value], Sequence[Value]]:
        xs = op.body.inputs
        return xs[: op.consts], xs[op.consts : op.consts + op.carries], xs[op.consts + op.carries :]

    (ca, sa, xa), (cb, sb, xb) = groups(first, a), groups(second, b)
    (ica, isa, ixa), (icb, isb, ixb) = inner(a), inner(b)
    # The second body is copied, so that two loops of one body do not share values.
    bound: dict[Value, Value] = {v: Value(v.type, v.name) for v in b.body.inputs}
    handed = dict(zip(first.outputs[a.carries :], a.body.outputs[a.carries :], strict=True))
    bound.update((v, handed[x]) for v, x in zip(ixb, xb, strict=True) if x in handed)
    own = [(v, x) for v, x in zip(ixb, xb, strict=True) if x not in handed]
    copied: list[Node] = []
    made_b = b.body.copy_into(copied, bound.values())
    kept = [p for p in range(a.carries, len(first.outputs)) if first.outputs[p] in read]
    results_inside = [
        *a.body.outputs[: a.carries], *made_b[: b.carries], *[a.body.outputs[p] for p in kept], *made_b[b.carries :],
    ]  # fmt: skip
    inputs = [
        *ica, *[bound[v] for v in icb], *isa, *[bound[v] for v in isb], *ixa, *[bound[v] for v, _ in own],
    ]  # fmt: skip
    body = Graph(inputs, [*a.body.nodes, *copied], results_inside, a.body.name)
    op = Scan(body, a.consts + b.consts, a.length, a.carries + b.carries, a.reverse)
    operands = (*first.inputs[:lead], *ca, *cb, *sa, *sb, *xa, *[x for _, x in own])
    results = (
        *first.outputs[: a.carries], *second.outputs[: b.carries], *[first.outputs[p] for p in kept],
        *second.outputs[b.carries :],
    )  # fmt: skip
    return Node(op, operands, results, first.where)

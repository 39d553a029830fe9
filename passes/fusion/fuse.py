"""Fusion: nodes that share an iteration space become one kernel, so that each array is read and written once."""

from __future__ import annotations

from collections.abc import Sequence

from graphad.graph import Graph, Node, Value, reads
from graphad.ops.fused import Fused
from graphad.ops.guarding import must_be_reached
from graphad.passes.base import check_option, graph_pass
from graphad.passes.cost import recompute_pays, weight
from graphad.passes.fusion.grouping import Group, Grouping
from graphad.passes.fusion.scalarize import TOTAL


@graph_pass
def fuse(graph: Graph, *, lanes: int = 1, total: int = TOTAL) -> Graph:
    """Group elementwise nodes and reductions that share an iteration space into `fused` nodes.

    `lanes` says how many elements of a small array one operation of the executor computes, `total` how many operations
    on elements of small arrays it may have to compile, the regions' not counted.

    The region of a `fused` node is its kernel: elementwise nodes over one shape, and reductions of it whose results
    the kernel itself does not read. Reshapes, transposes, slices and broadcasts stay between kernels: they cost
    nothing, since kernels read strided views.
    """
    check_option("lanes", lanes, isinstance(lanes, int) and lanes > 0, "it is a number of elements")
    check_option("total", total, isinstance(total, int), "it is a number of operations")
    graph = _regions_fused(graph, lanes, total)
    # A node that nothing reads counts as no reader of what it reads.
    graph = graph.replace(nodes=_live(graph.nodes, set(graph.outputs)))
    fusion = Grouping(graph, lanes, total)
    fusion.join_siblings()
    fusion.absorb(graph.outputs)
    groups = [group for group in fusion.groups if group.nodes]
    recomputed = _recompute(groups, {*graph.outputs, *(v for _, v in fusion.apart)}, fusion.inside)
    needed: set[Value] = set(graph.outputs)
    position = {node: i for i, node in enumerate(graph.nodes)}
    parts: list[list[Node]] = []
    for group, nodes in zip(reversed(groups), reversed(recomputed), strict=True):
        if not group.kernel:
            parts.append(nodes)
            for node in nodes:
                needed.update(node.inputs)
            continue
        results = {v for node in group.nodes for v in node.outputs if v in needed}
        live = _live(sorted(nodes, key=position.__getitem__), results)
        if live:
            parts.append(_kernel(live, results, group.depth))
            for node in parts[-1]:
                needed.update(node.inputs)
    return graph.replace(nodes=[node for part in reversed(parts) for node in part])


def _regions_fused(graph: Graph, lanes: int, total: int) -> Graph:
    if not any([node.op._region_fields for node in graph.nodes]):
        return graph
    nodes = [
        node if isinstance(node.op, Fused) else node.map_regions(lambda region: fuse(region, lanes=lanes, total=total))
        for node in graph.nodes
    ]
    return graph.replace(nodes=nodes)


def _recompute(
    groups: list[Group], kept: set[Value], inside: set[Value]
) -> list[list[Node]]:
    # A cheap value that other kernels over the same space read is computed in each of them, not stored and loaded.
    extra: list[dict[Node, None]] = [{} for _ in groups]
    kernels = [(i, group) for i, group in enumerate(groups) if group.kernel]
    made = {v: (i, node) for i, group in kernels for node in group.nodes for v in node.outputs}
    readers: dict[Value, set[int]] = {}
    for i, group in enumerate(groups):
        for node in group.nodes:
            for v in node.inputs:
                if v in made and made[v][0] != i:
                    readers.setdefault(v, set()).add(i)
    stored = kept | {v for v in readers if v not in inside}
    for v, used in readers.items():
        i, _ = made[v]
        space = groups[i].space
        shared = all(groups[k].kernel and (groups[k].space, groups[k].depth) == (space, groups[i].depth) for k in used)
        if v in stored or v.type.size <= 1 or not shared:
            continue
        cone = _cone(v, i, made, inside, stored | (readers.keys() - {v}))
        if cone is None:
            continue
        size = v.type.size
        read = dict.fromkeys(u for node in cone for u in node.inputs if type(u) is Value)
        sources = [u for u in read if made.get(u, (-1, None))[1] not in cone]
        new = [u for u in sources if not all(u in groups[k].reads for k in used)]
        loads = sum(min(1.0, u.type.size / size) for u in new)
        if recompute_pays(sum(weight(node) for node in cone), loads, len(used)):
            for k in used:
                extra[k].update(dict.fromkeys(cone))
        else:
            stored.add(v)
    order = {node: n for n, node in enumerate(node for group in groups for node in group.nodes)}
    return [[*sorted(more, key=order.__getitem__), *group.nodes] for more, group in zip(extra, groups, strict=True)]


_CONE = 8


def _cone(
    v: Value, i: int, made: dict[Value, tuple[int, Node]], inside: set[Value], stored: set[Value]
) -> list[Node] | None:
    """The nodes of group `i` that compute a value from what is stored or comes from elsewhere; None if they are
    many."""
    found: dict[Node, None] = {}
    queue = [v]
    while queue:
        group, node = made[queue.pop()]
        if group != i or node in found:
            continue
        found[node] = None
        if len(found) > _CONE:
            return None
        queue += [u for u in node.inputs if u in made and made[u][0] == i and u in inside and u not in stored]
    return list(found)


def _live(nodes: Sequence[Node], results: set[Value]) -> list[Node]:
    live, wanted = [], set(results)
    for node in reversed(nodes):
        if any(v in wanted for v in node.outputs) or must_be_reached(node.op):
            live.append(node)
            wanted.update(node.inputs)
    live.reverse()
    return live


def _kernel(nodes: list[Node], wanted: set[Value], depth: int) -> list[Node]:
    if len(nodes) == 1 and depth < 0:
        return nodes
    operands, results = reads(nodes), [v for node in nodes for v in node.outputs if v in wanted]
    env = {v: Value(v.type, v.name) for v in operands}
    inputs = tuple(env.values())
    kernel = Graph(inputs, [node.copied(env) for node in nodes], [env[v] for v in results], "kernel")
    return [Node(Fused(kernel, depth), tuple(operands), tuple(results), nodes[-1].where)]


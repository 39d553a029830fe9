"""The difference of two stages, by the identity of their values."""

from __future__ import annotations

from graphad.graph import Graph, Node, Value
from graphad.viz.heat import Scale
from graphad.viz.paint import Painter
from graphad.viz.picture import Cluster, Edge, Picture

CONTEXT_LIMIT = 120
"""Nodes above which what did not change, and stands next to no change, is left out."""


def difference(before: Graph, after: Graph) -> Picture:
    """The picture of both graphs together, nodes told apart as kept, added, removed, merged, replaced, changed."""
    old = {v: node for node in before.nodes for v in node.outputs}
    new = {v: node for node in after.nodes for v in node.outputs}
    inside = {v for node in after.walk() for v in node.outputs}
    successor = _successors(before, after, new)
    status: dict[Node, str] = {}
    gone = [node for node in before.nodes if not any(v in inside for v in node.outputs)]
    for node in gone:
        twin = next((successor[v] for v in node.outputs if v in successor), None)
        same = twin is not None and twin in new and new[twin].op == node.op
        status[node] = "removed" if twin is None else "merged" if same else "replaced"
    for node in after.walk():
        previous = next((old[v] for v in node.outputs if v in old), None)
        if previous is None:
            status[node] = "added"
        else:
            status[node] = "kept" if previous.op == node.op else "changed"
    union, left_out = _focus(_union(before, after, set(gone)), status)
    painter = Painter(Scale((), None), "region" if len(union) > CONTEXT_LIMIT else None, status)
    picture = painter.picture
    root = picture.root
    sources = painter.inputs(list(dict.fromkeys((*before.inputs, *after.inputs))), root)
    for v in dict.fromkeys(v for node in union for v in node.inputs):
        if v in left_out and v not in sources:
            sources[v] = painter.add("input", "kept", painter.names.of(v, left_out[v])[0], root, detail=str(v.type))
    painter.nodes(union, sources, root, after.outputs)
    _old_reads(painter, before, status, new)
    for v, twin in successor.items():
        if v in sources and twin in sources and sources[v].id != sources[twin].id:
            picture.edges.append(Edge(sources[v].id, sources[twin].id, status.get(old[v], "merged"), dashed=True))
    painter.outputs([v for v in after.outputs if v in sources or v not in left_out], sources, root)
    _drop_unused_inputs(picture)
    counts = {name: sum(1 for node in (*gone, *after.walk()) if status[node] == name) for name in set(status.values())}
    picture.notes = [f"{counts[name]} {name}" for name in sorted(counts)]
    if not set(counts) - {"kept"}:
        picture.notes = ["nothing changed"]
    elif left_out:
        picture.notes.append("kept ops away from any change are left out")
    picture.prefix = f"d{before.digest[:6]}{after.digest[:6]}"
    return picture


def _successors(before: Graph, after: Graph, new: dict[Value, Node]) -> dict[Value, Value]:
    """For each value that is gone, the value that a reader which stayed now reads in its place."""
    found: dict[Value, Value] = {}
    for node in before.nodes:
        later = next((new[v] for v in node.outputs if v in new), None)
        if later is not None and later.op == node.op and len(later.inputs) == len(node.inputs):
            for v, w in zip(node.inputs, later.inputs, strict=True):
                if v is not w and v not in new:
                    found.setdefault(v, w)
    if len(before.outputs) == len(after.outputs):
        for v, w in zip(before.outputs, after.outputs, strict=True):
            if v is not w and v not in new:
                found.setdefault(v, w)
    made = {v for node in before.nodes for v in node.outputs}
    return {v: w for v, w in found.items() if v in made}


def _union(before: Graph, after: Graph, gone: set[Node]) -> list[Node]:
    """The nodes of `after` with those that are gone set in, near where they stood."""
    position: dict[Value, float] = {v: float(i) for i, node in enumerate(after.nodes) for v in node.outputs}
    placed: list[tuple[float, int, Node]] = [(float(i), 0, node) for i, node in enumerate(after.nodes)]
    for k, node in enumerate(n for n in before.nodes if n in gone):
        here = max((position.get(v, -1.0) for v in node.inputs), default=-1.0) + 0.5 / (k + 2)
        position.update(dict.fromkeys(node.outputs, here))
        placed.append((here, k + 1, node))
    ready: list[Node] = [node for _, _, node in sorted(placed, key=lambda entry: entry[:2])]
    # A removed node may read another removed one that sorted after it.
    made = {v for node in ready for v in node.outputs}
    done: set[Value] = set()
    result: list[Node] = []
    waiting = ready
    while waiting:
        later = []
        for node in waiting:
            if all(v in done or v not in made for v in node.inputs):
                result.append(node)
                done.update(node.outputs)
            else:
                later.append(node)
        if len(later) == len(waiting):
            return result + later
        waiting = later
    return result


def _focus(nodes: list[Node], status: dict[Node, str]) -> tuple[list[Node], dict[Value, Node]]:
    """In a large difference, the changes and their neighbours; and the producers that are left out."""
    if len(nodes) <= CONTEXT_LIMIT:
        return nodes, {}
    changed = {node for node in nodes if status[node] != "kept"}
    near = {v for node in changed for v in (*node.inputs, *node.outputs)}
    kept = [node for node in nodes if node in changed or any(v in near for v in (*node.inputs, *node.outputs))]
    inside = set(kept)
    return kept, {v: node for node in nodes if node not in inside for v in node.outputs}


def _old_reads(painter: Painter, before: Graph, status: dict[Node, str], new: dict[Value, Node]) -> None:
    """The reads of values that are gone, by nodes that stayed."""
    refs: dict[Value, str] = painter.placed
    for node in before.nodes:
        for v in node.inputs:
            reader = next((refs[out] for out in node.outputs if out in refs and out in new), None)
            if reader is not None and v in refs and v not in new and v not in before.inputs and refs[v] != reader:
                painter.picture.edges.append(Edge(refs[v], reader, "removed", dashed=True))


def _drop_unused_inputs(picture: Picture) -> None:
    used = {edge.tail for edge in picture.edges}
    if len(picture.boxes) > 20:
        drop = {id for id, box in picture.boxes.items() if box.kind == "input" and id not in used}
        for id in drop:
            del picture.boxes[id]
        for cluster in picture.root.walk():
            _forget(cluster, drop)


def _forget(cluster: Cluster, drop: set[str]) -> None:
    cluster.boxes = [id for id in cluster.boxes if id not in drop]

"""`Picture`: boxes, edges and clusters to be drawn, before any of it has a place."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace


@dataclass
class Box:
    """One box: an op, an input, a constant, an output, a collapsed group, or the stub of an edge cut in two.

    `ref` is how a stub calls the value that the box computes; `share` is the box's heat from 0 to 1.
    """

    id: str
    kind: str
    category: str
    title: str
    detail: str = ""
    tooltip: str = ""
    ref: str = ""
    href: str = ""
    share: float | None = None
    closed: bool = False

    @property
    def satellite(self) -> bool:
        """Whether the box only accompanies another one and so may stand anywhere near it."""
        return self.kind in ("stub", "constant", "use")


@dataclass(frozen=True)
class Edge:
    """A value read: from the box `tail` by the box `head`."""

    tail: str
    head: str
    category: str
    label: str = ""
    dashed: bool = False


@dataclass
class Cluster:
    """A frame around boxes and other clusters: a region, a kernel, or (without a label) the whole picture."""

    id: str
    label: str = ""
    tooltip: str = ""
    boxes: list[str] = field(default_factory=list)
    clusters: list[Cluster] = field(default_factory=list)

    def walk(self) -> Iterator[Cluster]:
        """This cluster and all within it."""
        yield self
        for cluster in self.clusters:
            yield from cluster.walk()

    def copy(self) -> Cluster:
        """A cluster that can be changed without changing this one."""
        return Cluster(self.id, self.label, self.tooltip, list(self.boxes), [c.copy() for c in self.clusters])


@dataclass
class Picture:
    """What is drawn. `links` are the ends of cut edges, which keep the order of the boxes; `notes` the caption."""

    title: str
    boxes: dict[str, Box] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    root: Cluster = field(default_factory=lambda: Cluster("root"))
    links: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    prefix: str = ""

    def homes(self) -> dict[str, Cluster]:
        """The innermost cluster of each box."""
        return {box: cluster for cluster in self.root.walk() for box in cluster.boxes}

    def levels(self) -> dict[str, int]:
        """Longest-path level of each box, with the boxes that read little pulled down to their readers."""
        edges = [(e.tail, e.head) for e in self.edges] + self.links
        order = ordered(self.boxes, edges)
        position = {id: i for i, id in enumerate(order)}
        level = dict.fromkeys(order, 0)
        forward = [(tail, head) for tail, head in edges if position[tail] < position[head]]
        heads: dict[str, list[str]] = {}
        for tail, head in forward:
            heads.setdefault(tail, []).append(head)
        for id in order:
            for head in heads.get(id, ()):
                level[head] = max(level[head], level[id] + 1)
        pull_down(level, order, forward, heads, self.boxes)
        return level

    def cut(self, edges: Collection[int]) -> Picture:
        """The picture with the edges at the given positions cut into pairs of labelled stubs.

        All cut edges of one tail share its stub, and all of one head and tail a second one. An input needs no stub
        at the tail: it is repeated where it is used.
        """
        result = replace(
            self,
            boxes=dict(self.boxes),
            edges=[],
            root=self.root.copy(),
            links=list(self.links),
            notes=list(self.notes),
        )
        homes = result.homes()
        readers: dict[str, list[str]] = {}
        for position, edge in enumerate(self.edges):
            if position not in edges:
                result.edges.append(edge)
                continue
            result.links.append((edge.tail, edge.head))
            tail = result.boxes[edge.tail]
            known = readers.setdefault(edge.tail, [])
            if not known and tail.kind != "input" and f"{tail.id}_out" not in result.boxes:
                _name(result, tail)
                out = _stub(result, homes, f"{tail.id}_out", edge.category, f"{tail.ref} ▸", tail.id)
                out.href = edge.head
                result.edges.append(Edge(tail.id, out.id, edge.category))
            stub_id = f"{tail.id}_to_{edge.head}"
            if stub_id not in result.boxes:
                use = tail.kind == "input"
                label = tail.ref if use else f"▸ {tail.ref}"
                category = "input" if use else edge.category
                stub = _stub(result, homes, stub_id, category, label, edge.head)
                stub.kind, stub.href, stub.tooltip = "use" if use else "stub", tail.id, tail.tooltip
                result.edges.append(Edge(stub.id, edge.head, edge.category))
            known.append(edge.head)
        for id, heads in readers.items():
            if (out_id := f"{id}_out") in result.boxes:
                titles = [result.boxes[head].title for head in heads]
                result.boxes[out_id].tooltip = (
                    "read by " + ", ".join(titles[:12]) + (" ..." if len(titles) > 12 else "")
                )
        return result


def _name(picture: Picture, box: Box) -> None:
    # A stub must be found again: the box that it belongs to has to show the name on it.
    if box.kind != "input" and not box.title.startswith(f"{box.ref} = "):
        picture.boxes[box.id] = replace(box, title=f"{box.ref} = {box.title}")


def _stub(picture: Picture, homes: dict[str, Cluster], id: str, category: str, label: str, beside: str) -> Box:
    box = picture.boxes[id] = Box(id, "stub", category, label)
    homes[beside].boxes.append(id)
    return box


def pull_down(
    level: dict[str, int],
    order: Sequence[str],
    edges: Iterable[tuple[str, str]],
    heads: Mapping[str, Sequence[str]],
    boxes: Mapping[str, Box],
) -> None:
    """Move each item that reads at most one other op down to just above its first reader, the last items first."""
    reads = dict.fromkeys(order, 0)
    for tail, head in edges:
        box = boxes.get(tail)
        if box is None or not (box.satellite or box.kind == "input"):
            reads[head] += 1
    for id in reversed(order):
        if reads[id] <= 1 and heads.get(id) and (id not in boxes or boxes[id].kind != "stub"):
            level[id] = max(level[id], min(level[head] for head in heads[id]) - 1)
    for id in order:
        if id in boxes and boxes[id].satellite and heads.get(id):
            level[id] = max(min(level[head] for head in heads[id]) - 1, 0)


def ordered(items: Collection[str], edges: Collection[tuple[str, str]]) -> list[str]:
    """The items in topological order, by first appearance among those that are free; cycles are cut there."""
    import heapq

    heads: dict[str, list[str]] = {id: [] for id in items}
    missing = dict.fromkeys(items, 0)
    for tail, head in edges:
        heads[tail].append(head)
        missing[head] += 1
    index = {id: i for i, id in enumerate(items)}
    names = list(items)
    free = [index[id] for id in names if not missing[id]]
    heapq.heapify(free)
    order: list[str] = []
    done: set[str] = set()
    rest = iter(names)
    while len(order) < len(names):
        if free:
            id = names[heapq.heappop(free)]
        else:
            id = next(id for id in rest if id not in done)
        if id in done:
            continue
        done.add(id)
        order.append(id)
        for head in heads[id]:
            missing[head] -= 1
            if not missing[head]:
                heapq.heappush(free, index[head])
    return order

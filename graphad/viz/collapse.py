"""Collapsing a large graph: nodes that share a line or a function become one box."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from graphad.graph import Constant, Graph, Node, Value
from graphad.viz.label import region_size

Collapse = Literal["auto", "region", "kernel", "line", "function"] | None
CHOICES = ("auto", "region", "kernel", "line", "function", None)
AUTO_LIMIT = 400
"""Nodes above which `collapse="auto"` begins to collapse."""


@dataclass(frozen=True)
class Group:
    """Nodes drawn as one box."""

    nodes: tuple[Node, ...]
    title: str


def choose(graph: Graph, collapse: Collapse) -> Collapse:
    """The first way of collapsing that leaves few enough boxes, if it is to be chosen automatically."""
    if collapse != "auto":
        return collapse
    if region_size(graph) <= AUTO_LIMIT:
        return None
    if len(graph.nodes) <= AUTO_LIMIT:
        return "region"
    return "line" if len(grouped(graph.nodes, "line")) <= AUTO_LIMIT else "function"


def grouped(nodes: Sequence[Node], by: Collapse) -> list[Node | Group]:
    """The nodes, those of one role and line (or function) together as far as the groups stay in an order.

    In linear time: a group stands on the level above those that it reads from when it is made, and a node joins the
    latest group of its key only if everything that it reads from other groups stands lower.
    """
    if by not in ("line", "function"):
        return list(nodes)
    level: list[int] = []
    members: list[list[Node]] = []
    titles: list[str] = []
    home: dict[Value, int] = {}
    latest: dict[tuple[object, ...], int] = {}
    for node in nodes:
        where = node.where
        file, role = (where.file, where.role) if where is not None else ("", "")
        key: tuple[object, ...] = (file, role, where.function if where is not None else "")
        if by == "line":
            key = (*key, where.line if where is not None else 0)
        sources = {home[v] for v in node.inputs if v in home}
        joined = latest.get(key)
        if joined is None or any(level[s] >= level[joined] for s in sources if s != joined):
            joined = latest[key] = len(members)
            members.append([])
            level.append(1 + max((level[s] for s in sources), default=-1))
            name = f"{where.function}()" if where is not None and by == "function" else ""
            titles.append(name or str(where or "") or "unknown place")
        members[joined].append(node)
        home.update(dict.fromkeys(node.outputs, joined))
    return [
        nodes[0] if len(nodes) == 1 else Group(tuple(nodes), title)
        for nodes, title in zip(members, titles, strict=True)
    ]


def subgraph(graph: Graph, nodes: Iterable[Node], name: str) -> Graph:
    """The graph of some of a graph's nodes: it reads what they read from outside and gives what is read of them."""
    kept = tuple(nodes)
    inside = {v for node in kept for v in node.outputs}
    reads = dict.fromkeys(v for node in kept for v in node.inputs if v not in inside and not isinstance(v, Constant))
    members = set(kept)
    read_outside = {v for node in graph.nodes if node not in members for v in node.inputs} | set(graph.outputs)
    return Graph(reads, kept, [v for node in kept for v in node.outputs if v in read_outside], name)

"""`Rewriter`: the way to make a graph from a graph. A pass is a rule; how graphs are walked and made stands here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from graphad.build import Builder, building
from graphad.errors import GraphadError
from graphad.graph import Graph, Node, Value
from graphad.location import Location, locate
from graphad.trace import Tracer, lift


class Rewriter:
    """A graph in the making from another: the `nodes` so far, and in `env` what stands for the values that are gone.

    A pass walks it, keeps each node or puts others in its place, and finishes::

        rewriter = Rewriter(graph)
        for node in rewriter.walk(regions_treated):
            known = rule(node)
            if known is None:
                rewriter.keep(node)
            else:
                rewriter.replace(node, known)
        return rewriter.finish()

    Values of which nothing changes keep their identity, and so does the graph.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[Node] = []
        self.env: dict[Value, Value] = {}

    def walk(self, recur: Callable[[Graph], Graph] | None = None) -> Iterator[Node]:
        """The nodes in order, each with its operands as they are by then, and `recur` applied to its regions."""
        env = self.env
        for node in self.graph.nodes:
            if env:
                node = node.reading(env)
            if recur is not None and node.op._region_fields:
                node = node.map_regions(recur)
            yield node

    def keep(self, *nodes: Node) -> None:
        """Put nodes behind those so far."""
        self.nodes += nodes

    def replace(self, node: Node, values: Sequence[Value]) -> None:
        """Let values stand for the results of a node, in all that is read from now on."""
        self.env.update(zip(node.outputs, values, strict=True))

    def splice(self, node: Node, region: Graph, operands: Sequence[Value]) -> None:
        """Put a copy of a region's nodes, applied to operands, in the place of a node that has its results."""
        self.replace(node, region.copy_into(self.nodes, operands))

    def finish(self) -> Graph:
        """The graph made; the one it was made from, if nothing has changed."""
        env = self.env
        outputs = [env.get(v, v) for v in self.graph.outputs] if env else None
        return self.graph.replace(nodes=self.nodes, outputs=outputs)


class Recorder(Rewriter):
    """A rewriter whose rules compute with traced values, within `with recorder:`.

    What they record comes behind the nodes so far, at the place of the node that was named last with `at`; so do their
    errors. `inputs` are those of the graph that is made.
    """

    def __init__(self, graph: Graph, inputs: Sequence[Value] = ()) -> None:
        super().__init__(graph)
        builder = self.builder = Builder(graph.name)
        builder.staged = True
        builder.inputs.extend(inputs)
        self.nodes = builder.nodes
        self.node: Node | None = None
        self._block = building(builder)

    def __enter__(self) -> Recorder:
        self._block.__enter__()
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._block.__exit__()
        if isinstance(error, GraphadError) and self.node is not None and self.node.where is not None:
            locate(error, self.node.where)

    def at(self, node: Node | None, role: str = "") -> None:
        """From now on record at the place of a node, in a role (see `graphad.location`); at the user's without one."""
        self.node = node
        where = None if node is None else node.where or Location()
        self.builder.where = where.with_role(role) if where is not None and role else where

    def operands(self, node: Node) -> list[Any]:
        """A node's operands, as they are by now, for a rule to compute with."""
        builder, env = self.builder, self.env
        return [Tracer(builder, env.get(v, v)) for v in node.inputs]

    def results(self, node: Node, found: Any) -> list[Value]:
        """What a rule gave for a node's results, one or a tuple, as values."""
        if len(node.outputs) == 1:
            return [lift(self.builder, found)]
        return [lift(self.builder, x) for x in found]


def rebind(nodes: list[Node], start: int, found: Sequence[Value], wanted: Sequence[Value]) -> None:
    """Give results of the nodes from `start` on the identity of the values that they replace."""
    env = dict(zip(found, wanted, strict=True))
    for i in range(start, len(nodes)):
        if not env.keys().isdisjoint((*nodes[i].inputs, *nodes[i].outputs)):
            nodes[i] = nodes[i].renamed(env)


__all__ = ["Recorder", "Rewriter", "rebind"]

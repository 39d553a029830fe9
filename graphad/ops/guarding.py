"""Regions that may be run where the program does not reach them: for examples of a batch that take another branch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from graphad.build import describe_location
from graphad.errors import MissingRuleError
from graphad.graph import Graph, Node
from graphad.op import Op
from graphad.rewriter import Recorder
from graphad.trace import Tracer
from graphad.types import BOOL, TensorType


def must_be_reached(op: Op) -> bool:
    """Whether it matters that an op runs where the program does not reach it."""
    return bool(op.raises) or op.effect


def reached_order(nodes: Iterable[Node]) -> list[Any]:
    """What must stay as it is when nodes are put into another order: effects, and what is raised between them.

    Ops that raise the same may change places, since the first of them that fails raises the same.
    """
    return [x for x in reached_steps(nodes) if x is not None]


def reached_steps(nodes: Iterable[Node]) -> Iterator[Any]:
    """For each node what it adds to the order of what must be reached, or None."""
    last: Any = ()
    for node in nodes:
        found = node.op if node.op.effect else node.op.raises
        new = node.op.effect or (found and found != last)
        last = found if new else last
        yield last if new else None


def refuse_again(nodes: Iterable[Node]) -> None:
    """Raise `MissingRuleError` where random numbers would be drawn again for a derivative, and be other ones."""
    for node in nodes:
        if node.op.drawn:
            raise MissingRuleError(
                f"the derivative would draw random numbers anew, in {node.op.name}{describe_location(node.where)}; "
                "draw them before and pass them as an argument, or use graphad.random with a key"
            )


def silent(node: Node) -> Node:
    """A node for computing again what was computed before: what only has an effect is left out of its regions."""
    if not node.op.effect or not node.op._region_fields:
        return node

    def without(graph: Graph) -> Graph:
        nodes = [silent(inner) for inner in graph.nodes if inner.outputs or not inner.op.effect]
        return graph.replace(nodes=nodes)

    return node.map_regions(without)


def guarded(graph: Graph) -> Graph:
    """The graph with a scalar of bool as a further last input, without which nothing in it raises or has an effect;
    its results are then any."""
    with Recorder(graph, graph.inputs) as recorder:
        live = Tracer(recorder.builder, recorder.builder.input(TensorType(BOOL), "live"))
        for node in recorder.walk():
            if not must_be_reached(node.op):
                recorder.keep(node)
                continue
            recorder.at(node)
            recorder.replace(node, recorder.results(node, node.op.guarded(live, *recorder.operands(node))))
        outputs = [recorder.env.get(v, v) for v in graph.outputs]
    return recorder.builder.finish(outputs)


__all__ = ["guarded", "must_be_reached", "reached_order", "reached_steps", "refuse_again", "silent"]

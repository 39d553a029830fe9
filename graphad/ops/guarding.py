"""Regions that may be run where the program does not reach them: for examples of a batch that take another branch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from graphad.build import Builder, building, describe_location
from graphad.errors import MissingRuleError
from graphad.graph import Graph, Node, Value
from graphad.op import Op
from graphad.places import Location
from graphad.trace import Tracer, lift
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
        return Graph(graph.inputs, nodes, graph.outputs, graph.name)

    return Node(node.op.map_regions(without), node.inputs, node.outputs, node.where)


def guarded(graph: Graph) -> Graph:
    """The graph with a scalar of bool as a further last input, without which nothing in it raises or has an effect;
    its results are then any."""
    builder = Builder(graph.name)
    builder.staged = True
    builder.inputs.extend(graph.inputs)
    live = Tracer(builder, builder.input(TensorType(BOOL), "live"))
    env: dict[Value, Value] = {}
    with building(builder):
        for node in graph.nodes:
            inputs = tuple([env.get(v, v) for v in node.inputs])
            if not must_be_reached(node.op):
                builder.nodes.append(node if inputs == node.inputs else node.with_inputs(inputs))
                continue
            builder.where = node.where or Location()
            found = node.op.guarded(live, *[Tracer(builder, v) for v in inputs])
            results: Sequence[Tracer] = (found,) if len(node.outputs) == 1 else found
            env.update((v, lift(builder, x)) for v, x in zip(node.outputs, results, strict=True))
            builder.where = None
        outputs = [env.get(v, v) for v in graph.outputs]
    return builder.finish(outputs)


__all__ = ["guarded", "must_be_reached", "reached_order", "reached_steps", "refuse_again", "silent"]

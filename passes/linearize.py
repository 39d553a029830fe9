"""Linearisation: the derivative as a linear program in the tangents, after everything that does not need them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphad.graph import Graph, Node, Value
from graphad.passes.base import graph_pass
from graphad.passes.inline import inline
from graphad.passes.jvp import differentiate, indices


@graph_pass
def linearize(graph: Graph, wrt: int | Sequence[int] | None = None) -> Graph:
    """`jvp`, ordered so that the nodes that depend on a tangent, all linear in them, come last."""
    graph, tangents = differentiate(inline(graph), indices(wrt, graph))
    nonlinear, linear = partition(graph, tangents)
    return Graph(graph.inputs, [*nonlinear, *linear], graph.outputs, graph.name)


def partition(graph: Graph, roots: Iterable[Value]) -> tuple[list[Node], list[Node]]:
    """The nodes that do not depend on the given values, and those that do."""
    reached = set(roots)
    independent: list[Node] = []
    dependent: list[Node] = []
    for node in graph.nodes:
        if any([v in reached for v in node.inputs]):
            reached.update(node.outputs)
            dependent.append(node)
        else:
            independent.append(node)
    return independent, dependent


def split(graph: Graph, linear_inputs: Sequence[Value], linear_outputs: Sequence[Value]) -> tuple[Graph, Graph]:
    """Cut a linearised graph in two: `inputs -> (outputs, residuals)` and `(residuals, tangents) -> tangents`."""
    nonlinear, linear = partition(graph, linear_inputs)
    made = {v for node in linear for v in node.outputs} | set(linear_inputs)
    needed: dict[Value, None] = {}
    reads = [v for node in linear for v in node.inputs] + list(linear_outputs)
    available = {v for node in nonlinear for v in node.outputs} | (set(graph.inputs) - set(linear_inputs))
    for v in reads:
        if v not in made and v in available:
            needed.setdefault(v)
    residuals = tuple(needed)
    outputs = graph.outputs[: len(graph.outputs) - len(linear_outputs)]
    inputs = [v for v in graph.inputs if v not in set(linear_inputs)]
    first = Graph(inputs, nonlinear, (*outputs, *residuals), graph.name)
    return first, Graph((*residuals, *linear_inputs), linear, linear_outputs, f"{graph.name}_linear")

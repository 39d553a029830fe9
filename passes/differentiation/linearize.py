"""Linearisation: the derivative as a program linear in the tangents, after everything that does not need them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from graphad.graph import Graph, Node, Value, reads
from graphad.ops.guarding import refuse_again, silent
from graphad.ops.regions.base import Split, Structured, dependent_results
from graphad.passes.base import graph_pass
from graphad.passes.cleanup.dce import cleaned, dce
from graphad.passes.differentiation.jvp import differentiate, indices
from graphad.passes.inline import inline
from graphad.passes.loops.licm import licm
from graphad.passes.memory.remat import recomputed
from graphad.rewriter import Recorder, rebind


@graph_pass
def linearize(graph: Graph, wrt: int | Sequence[int] | None = None) -> Graph:
    """`jvp`, ordered so that the nodes that depend on a tangent, all linear in them, come last.

    A loop or a branch with tangents is cut in two: one that also stacks what the derivative needs, and a linear one.
    """
    return linearized(graph, indices(wrt, graph))


def linearized(graph: Graph, wrt: Sequence[int]) -> Graph:
    """`linearize` in inputs that have derivatives."""
    graph, tangents, _ = differentiate(inline(graph), wrt)
    graph = licm(graph)
    nonlinear, linear = partition(graph, tangents)
    return graph.replace(nodes=[*nonlinear, *linear])


def partition(graph: Graph, roots: Iterable[Value]) -> tuple[list[Node], list[Node]]:
    """The nodes that do not depend on the given values, and those that do; a loop of both kinds is cut in two."""
    reached = set(roots)
    independent: list[Node] = []
    dependent: list[Node] = []

    def place(node: Node, whole: bool) -> None:
        if reached.isdisjoint(node.inputs):
            independent.append(node)
            return
        if isinstance(node.op, Structured) and not whole:
            found = dependent_results(node, reached)
            if len(found) < len(node.outputs) or not node.outputs:
                for part in _split(graph, node, [v in reached for v in node.inputs]):
                    place(part, True)
                return
        reached.update(node.outputs)
        dependent.append(node)

    for node in graph.nodes:
        place(node, False)
    return independent, dependent


def _split(graph: Graph, node: Node, linear: Sequence[bool]) -> list[Node]:
    op = node.op
    assert isinstance(op, Structured)
    with Recorder(graph) as recorder:
        recorder.at(node)
        results = op.split(split_region, linear, *recorder.operands(node))
    rebind(recorder.nodes, 0, [x.value for x in results], node.outputs)
    return recorder.nodes


def split_region(
    region: Graph, linear: Sequence[bool], free: Sequence[bool], wanted: Sequence[bool], lent: bool = False
) -> Split:
    """Cut a region in two, as the rule `Structured.split` asks.

    What the second part reads of the first is chosen by `remat`: what is cheap to compute anew is not kept.
    """
    roots = [v for v, flag in zip(region.inputs, linear, strict=True) if flag]
    given = [v for v, flag in zip(region.inputs, linear, strict=True) if not flag]
    outputs = [v for v, flag in zip(region.outputs, wanted, strict=True) if flag]
    known = [v for v, flag in zip(region.outputs, wanted, strict=True) if not flag]
    nonlinear, tail = partition(region, roots)
    needed = _residuals(tail, roots, outputs)
    costless = {v for v, flag in zip(region.inputs, free, strict=True) if flag}
    stacking = [part for node in nonlinear for part in _stacking_apart(node)]
    residuals, again = recomputed(given, stacking, needed, costless, lent=lent)
    anew = {v for node in again for v in node.outputs}
    residuals = [v for v in residuals if v not in anew]
    refuse_again(again)
    first = dce(Graph(given, nonlinear, (*known, *residuals), region.name))
    nodes = [*map(silent, again), *tail]
    return Split(first, cleaned(Graph((*residuals, *roots), nodes, outputs, f"{region.name}_linear")))


def _stacking_apart(node: Node) -> list[Node]:
    """A loop, and by itself what of it is needed for what it stacks whose length is not known: that is run again."""
    stacks = [v.type.dynamic for v in node.outputs]
    found = node.op.prune(stacks) if any(stacks) and isinstance(node.op, Structured) else None
    if found is None:
        return [node]
    op, operands, results = found
    apart = [v if flag else Value(v.type, v.name) for v, flag in zip(node.outputs, stacks, strict=True)]
    rest = [Value(v.type, v.name) if flag else v for v, flag in zip(node.outputs, stacks, strict=True)]
    inputs, outputs = tuple([node.inputs[i] for i in operands]), tuple([apart[i] for i in results])
    return [Node(node.op, node.inputs, tuple(rest), node.where), Node(op, inputs, outputs, node.where)]


def _residuals(nodes: Sequence[Node], roots: Collection[Value], outputs: Iterable[Value]) -> list[Value]:
    """What nodes that depend on the roots read beside them, in order of first use."""
    return [v for v in reads(nodes, outputs) if v not in roots]


def split(graph: Graph, linear_inputs: Sequence[Value], linear_outputs: Sequence[Value]) -> tuple[Graph, Graph]:
    """Cut a linearised graph in two: `inputs -> (outputs, residuals)` and `(residuals, tangents) -> tangents`."""
    nonlinear, linear = partition(graph, linear_inputs)
    available = {v for node in nonlinear for v in node.outputs} | (set(graph.inputs) - set(linear_inputs))
    residuals = [v for v in _residuals(linear, linear_inputs, linear_outputs) if v in available]
    outputs = graph.outputs[: len(graph.outputs) - len(linear_outputs)]
    inputs = [v for v in graph.inputs if v not in set(linear_inputs)]
    first = Graph(inputs, nonlinear, (*outputs, *residuals), graph.name)
    return first, Graph((*residuals, *linear_inputs), linear, linear_outputs, f"{graph.name}_linear")

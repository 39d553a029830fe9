"""Loop-invariant code motion."""

from __future__ import annotations

from collections.abc import Sequence

from graphad.graph import Constant, Graph, Node, Value
from graphad.ops.guarding import must_be_reached
from graphad.ops.regions.loop import Loop
from graphad.ops.regions.scan import Scan
from graphad.ops.shape import Iota
from graphad.passes.base import graph_pass
from graphad.rewriter import Rewriter


@graph_pass
def licm(graph: Graph) -> Graph:
    """Move what every iteration of a loop, or its condition, computes alike in front of the loop; inner loops first.

    Ops with effects stay where they are, and so do ops that can raise in a loop that may not run or behind one that
    stays, and ranges that only loops run over, which these count by themselves.
    """
    if not any([node.op._region_fields for node in graph.nodes]):
        return graph
    rewriter = Rewriter(graph)
    for node in rewriter.walk(licm):
        hoisted, stays = _hoist(node)
        rewriter.keep(*hoisted, stays)
    return rewriter.finish()


def _hoist(node: Node) -> tuple[list[Node], Node]:
    op = node.op
    if not isinstance(op, Loop):
        return [], node
    k, at = op.consts, op.lead + op.consts
    consts = node.inputs[op.lead : at]
    hoisted: list[Node] = []
    runs = isinstance(op, Scan) and bool(op.length)
    found = {name: _Invariants(region, consts, hoisted, runs) for name, region in op.regions.items()}
    if not hoisted:
        return [], node

    def widened(region: Graph) -> Graph:
        """The region without what it need not compute, which it takes as further consts; all regions take the same."""
        own = next(x for x in found.values() if x.region is region)
        extra = [v for x in found.values() for v in (x.moved if x is own else [Value(v.type) for v in x.moved])]
        return region.replace(inputs=(*region.inputs[:k], *extra, *region.inputs[k:]), nodes=own.stay)

    operands = tuple([x.outer[v] for x in found.values() for v in x.moved])
    new = op.over(widened(op.body), k + len(operands), op.carried, widened)
    return hoisted, Node(new, (*node.inputs[:at], *operands, *node.inputs[at:]), node.outputs, node.where)


class _Invariants:
    """What a region computes from consts alone: its nodes are copied to `hoisted`, those that `stay` are the others.
    `moved` are the values that these read, whose values outside are in `outer`. `runs` tells that it runs once at
    least."""

    def __init__(self, region: Graph, consts: Sequence[Value], hoisted: list[Node], runs: bool) -> None:
        self.region = region
        self.outer: dict[Value, Value] = dict(zip(region.inputs, consts, strict=False))
        self.stay: list[Node] = []
        made: list[Value] = []
        counted = _counted(region)
        for inner in region.nodes:
            invariant = all([v in self.outer or isinstance(v, Constant) for v in inner.inputs])
            dynamic = any([v.type.dynamic for v in inner.outputs])
            reached = runs or not inner.op.raises
            if not invariant or dynamic or not reached or inner.op.effect or inner in counted:
                self.stay.append(inner)
                # What is raised behind it is raised later than what it raises or does.
                runs = runs and not must_be_reached(inner.op)
                continue
            hoisted.append(inner.copied(self.outer))
            made += inner.outputs
        read = {v for inner in self.stay for v in inner.inputs} | set(region.outputs)
        self.moved = [v for v in made if v in read]


def _counted(region: Graph) -> set[Node]:
    """The ranges of which nothing is read but single entries, by loops."""
    ranges = {node.outputs[0]: node for node in region.nodes if isinstance(node.op, Iota)}
    if ranges:
        for node in region.nodes:
            op = node.op
            for v in node.inputs[: op.lead + op.consts + op.carries] if isinstance(op, Scan) else node.inputs:
                ranges.pop(v, None)
        for v in region.outputs:
            ranges.pop(v, None)
    return set(ranges.values())

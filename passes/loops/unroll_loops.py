"""Unrolling of short loops."""

from __future__ import annotations

from collections.abc import Sequence

from graphad.graph import Graph, Node, Value
from graphad.ops.regions.scan import Scan
from graphad.ops.shape import Concatenate, Reshape
from graphad.ops.slicing import Slice
from graphad.passes.base import graph_pass
from graphad.rewriter import Rewriter

LIMIT = 48
"""Nodes of all iterations together up to which a loop is written out: about what a loop's own overhead buys."""


@graph_pass
def unroll_loops(graph: Graph, limit: int = LIMIT) -> Graph:
    """Write out the loops whose trip count is known and whose iterations have at most `limit` nodes together, and those
    of one iteration; inner loops first. What was a loop can then be fused with what stands around it."""
    if not any([node.op._region_fields for node in graph.nodes]):
        return graph
    rewriter = Rewriter(graph)
    for node in rewriter.walk(lambda region: unroll_loops(region, limit)):
        op = node.op
        if isinstance(op, Scan) and op.length and (op.length == 1 or _size(op) * op.length <= limit):
            rewriter.replace(node, _written_out(node, op, rewriter.nodes))
        else:
            rewriter.keep(node)
    return rewriter.finish()


def _size(op: Scan) -> int:
    # An entry of an array takes two nodes, one that is stacked another.
    inputs, outputs = len(op.body.inputs) - op.consts - op.carries, len(op.body.outputs) - op.carries
    return sum(1 for _ in op.body.walk()) + 2 * inputs + outputs


def _written_out(node: Node, op: Scan, nodes: list[Node]) -> list[Value]:
    """The results of a loop, its iterations put one after another behind the nodes so far."""
    assert op.length is not None
    body, k, n = op.body, op.consts, op.carries
    consts, state, arrays = list(node.inputs[:k]), list(node.inputs[k : k + n]), node.inputs[k + n :]
    rows: dict[int, Sequence[Value]] = {}

    def emit(made: Value, op: object, *inputs: Value) -> Value:
        nodes.append(Node(op, inputs, (made,), node.where))  # type: ignore[arg-type]
        return made

    for i in reversed(range(op.length)) if op.reverse else range(op.length):
        entries = []
        for x in arrays:
            shape = x.type.shape
            start, stop = (i, *[0] * (len(shape) - 1)), (i + 1, *shape[1:])
            row = x
            if shape[0] != 1:
                row = emit(Value(x.type.with_shape((1, *shape[1:]))), Slice(start, stop, (1,) * len(shape)), x)
            entries.append(emit(Value(x.type.with_shape(shape[1:])), Reshape(shape[1:]), row))
        found = body.copy_into(nodes, [*consts, *state, *entries])
        state, rows[i] = found[:n], found[n:]
    stacks = []
    for j, out in enumerate(node.outputs[n:]):
        shape = out.type.shape[1:]
        kind = out.type.with_shape((1, *shape))
        lifted = [emit(Value(kind), Reshape((1, *shape)), rows[i][j]) for i in range(op.length)]
        stacks.append(lifted[0] if op.length == 1 else emit(Value(out.type), Concatenate(0), *lifted))
    return [*state, *stacks]

"""Unrolling of short loops."""

from __future__ import annotations

from collections.abc import Sequence

from graphad.graph import Graph, Node, Value
from graphad.ops.loops import Scan
from graphad.ops.shape import Concatenate, Reshape
from graphad.ops.slicing import Slice
from graphad.passes.base import graph_pass
from graphad.passes.rewriting import map_regions

LIMIT = 48
"""Nodes of all iterations together up to which a loop is written out: about what a loop's own overhead buys."""


@graph_pass
def unroll_loops(graph: Graph, limit: int = LIMIT) -> Graph:
    """Write out the loops whose trip count is known and whose iterations have at most `limit` nodes together, and those
    of one iteration; inner loops first. What was a loop can then be fused with what stands around it."""
    if not any([node.op._region_fields for node in graph.nodes]):
        return graph
    nodes: list[Node] = []
    env: dict[Value, Value] = {}
    changed = False
    for node in graph.nodes:
        if not env.keys().isdisjoint(node.inputs):
            node = node.with_inputs(tuple([env.get(v, v) for v in node.inputs]))
        mapped = map_regions(node, lambda region: unroll_loops(region, limit))
        changed = changed or mapped is not node
        node, op = mapped, mapped.op
        if isinstance(op, Scan) and op.length and (op.length == 1 or _size(op) * op.length <= limit):
            env.update(zip(node.outputs, _written_out(node, op, nodes), strict=True))
            changed = True
        else:
            nodes.append(node)
    return Graph(graph.inputs, nodes, [env.get(v, v) for v in graph.outputs], graph.name) if changed else graph


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
        bound: dict[Value, Value] = dict(zip(body.inputs, [*consts, *state, *entries], strict=True))
        for inner in body.nodes:
            made = tuple([Value(v.type, v.name) for v in inner.outputs])
            nodes.append(Node(inner.op, tuple([bound.get(v, v) for v in inner.inputs]), made, inner.where))
            bound.update(zip(inner.outputs, made, strict=True))
        found = [bound.get(v, v) for v in body.outputs]
        state, rows[i] = found[:n], found[n:]
    stacks = []
    for j, out in enumerate(node.outputs[n:]):
        shape = out.type.shape[1:]
        kind = out.type.with_shape((1, *shape))
        lifted = [emit(Value(kind), Reshape((1, *shape)), rows[i][j]) for i in range(op.length)]
        stacks.append(lifted[0] if op.length == 1 else emit(Value(out.type), Concatenate(0), *lifted))
    return [*state, *stacks]

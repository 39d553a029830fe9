"""Forward-mode differentiation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphad.build import Builder, building, locate
from graphad.errors import GraphadError
from graphad.graph import Graph, Location, Node, Value
from graphad.ops.elementwise import cast
from graphad.ops.shape import broadcast_to
from graphad.ops.structured import Structured
from graphad.passes.base import graph_pass
from graphad.passes.inline import inline
from graphad.passes.rewriting import rebind
from graphad.trace import Tracer, full, lift


def indices(wrt: int | Sequence[int] | None, graph: Graph) -> tuple[int, ...]:
    """The input positions that `wrt` names; all differentiable inputs for `None`."""
    if wrt is None:
        return tuple(i for i, v in enumerate(graph.inputs) if v.type.differentiable)
    return (wrt,) if isinstance(wrt, int) else tuple(wrt)


@graph_pass
def jvp(graph: Graph, wrt: int | Sequence[int] | None = None) -> Graph:
    """The graph with tangents: `(inputs, tangents of inputs[wrt]) -> (outputs, tangents of outputs)`.

    The nodes of the graph are kept as they are, but a loop or a branch computes its tangents beside its results. Only
    differentiable outputs have a tangent, in their order.
    """
    return differentiate(inline(graph), indices(wrt, graph))[0]


def differentiate(
    graph: Graph, wrt: Sequence[int], wanted: Sequence[bool] | None = None
) -> tuple[Graph, list[Value], list[bool]]:
    """`jvp` of a graph without calls, the tangent inputs that it added, and which outputs have a tangent.

    With `wanted` only those outputs have one that it flags or that depend on an input's tangent.
    """
    builder = Builder(graph.name)
    builder.staged = True
    builder.inputs.extend(graph.inputs)
    tangents: dict[Value, Value] = {}
    for i in wrt:
        v = graph.inputs[i]
        tangents[v] = builder.input(v.type, f"d_{v.name}" if v.name else None)
    added = list(tangents.values())
    with building(builder):
        for node in graph.nodes:
            moving = any([v in tangents for v in node.inputs])
            if not moving or not isinstance(node.op, Structured):
                builder.nodes.append(node)
            if moving:
                _differentiate_node(builder, node, tangents)
        mask = [
            v.type.differentiable and (wanted is None or wanted[i] or v in tangents)
            for i, v in enumerate(graph.outputs)
        ]
        outputs = [
            tangents[v] if v in tangents else full(builder, v.type, 0).value
            for v, flag in zip(graph.outputs, mask, strict=True)
            if flag
        ]
    return builder.finish([*graph.outputs, *outputs]), added, mask


def _differentiate_region(region: Graph, active: Sequence[bool], wanted: Sequence[bool]) -> tuple[Graph, list[bool]]:
    graph, _, mask = differentiate(region, [i for i, flag in enumerate(active) if flag], wanted)
    return graph, mask


def _differentiate_node(builder: Builder, node: Node, tangents: dict[Value, Value]) -> None:
    outputs = node.outputs
    op = node.op
    structured = isinstance(op, Structured)
    if not structured and not any([v.type.dtype.kind in "fc" for v in outputs]):
        return
    builder.where = (node.where or Location()).with_role("tangent")
    primals = [Tracer(builder, v) for v in node.inputs]
    known = [Tracer(builder, tangents[v]) if v in tangents else None for v in node.inputs]
    result: Any
    try:
        if isinstance(op, Structured):
            start = len(builder.nodes)
            found, result = op.forward(_differentiate_region, primals, known)
            rebind(builder.nodes, start, [x.value for x in found], outputs)
        else:
            out: Any = tuple([Tracer(builder, v) for v in outputs])
            result = op.jvp(out[0] if len(out) == 1 else out, primals, known)
    except GraphadError as error:
        locate(error, node.where)
        raise
    if not structured:
        result = (result,) if len(outputs) == 1 else result or ()
    for v, t in zip(outputs, result, strict=False):
        if t is None or v.type.dtype.kind not in "fc":
            continue
        if not isinstance(t, Tracer) or t.value.type is not v.type:
            t = broadcast_to(cast(t, v.type.dtype), v.type.shape)
        tangents[v] = lift(builder, t)
    builder.where = None

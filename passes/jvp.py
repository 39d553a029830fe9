"""Forward-mode differentiation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphad.build import Builder, building
from graphad.errors import MissingRuleError
from graphad.graph import Graph, Location, Node, Value
from graphad.ops.elementwise import cast
from graphad.ops.shape import broadcast_to
from graphad.passes.base import graph_pass
from graphad.passes.inline import inline
from graphad.trace import Tracer, full, lift


def indices(wrt: int | Sequence[int] | None, graph: Graph) -> tuple[int, ...]:
    """The input positions that `wrt` names; all differentiable inputs for `None`."""
    if wrt is None:
        return tuple(i for i, v in enumerate(graph.inputs) if v.type.differentiable)
    return (wrt,) if isinstance(wrt, int) else tuple(wrt)


@graph_pass
def jvp(graph: Graph, wrt: int | Sequence[int] | None = None) -> Graph:
    """The graph with tangents: `(inputs, tangents of inputs[wrt]) -> (outputs, tangents of outputs)`.

    The nodes of the graph are kept as they are. Only differentiable outputs have a tangent, in their order.
    """
    return differentiate(inline(graph), indices(wrt, graph))[0]


def differentiate(graph: Graph, wrt: Sequence[int]) -> tuple[Graph, list[Value]]:
    """`jvp` of a graph without calls, and the tangent inputs that it added."""
    builder = Builder(graph.name)
    builder.inputs.extend(graph.inputs)
    tangents: dict[Value, Value] = {}
    for i in wrt:
        v = graph.inputs[i]
        tangents[v] = builder.input(v.type, f"d_{v.name}" if v.name else None)
    added = list(tangents.values())
    with building(builder):
        for node in graph.nodes:
            builder.nodes.append(node)
            if any([v in tangents for v in node.inputs]):
                _differentiate_node(builder, node, tangents)
        outputs = []
        for v in graph.outputs:
            if v.type.differentiable:
                t = tangents.get(v)
                outputs.append(full(builder, v.type, 0).value if t is None else t)
    return builder.finish([*graph.outputs, *outputs]), added


def _differentiate_node(builder: Builder, node: Node, tangents: dict[Value, Value]) -> None:
    outputs = node.outputs
    if not any([v.type.dtype.kind in "fc" for v in outputs]):
        return
    builder.where = (node.where or Location()).with_role("tangent")
    primals = [Tracer(builder, v) for v in node.inputs]
    known = [Tracer(builder, tangents[v]) if v in tangents else None for v in node.inputs]
    out: Any = tuple([Tracer(builder, v) for v in outputs])
    try:
        result = node.op.jvp(out[0] if len(out) == 1 else out, primals, known)
    except MissingRuleError as error:
        place = f" ({node.where})" if node.where is not None and str(node.where) not in str(error) else ""
        raise MissingRuleError(f"{error}{place}") from None
    for v, t in zip(outputs, (result,) if len(outputs) == 1 else result or (), strict=False):
        if t is None or v.type.dtype.kind not in "fc":
            continue
        if not isinstance(t, Tracer) or t.value.type is not v.type:
            t = broadcast_to(cast(t, v.type.dtype), v.type.shape)
        tangents[v] = lift(builder, t)
    builder.where = None

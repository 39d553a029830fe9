"""Forward-mode differentiation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphad.graph import Graph, Node, Value
from graphad.ops.complex import sign
from graphad.ops.elementwise import cast
from graphad.ops.regions.base import Structured
from graphad.ops.shape import broadcast_to
from graphad.passes.base import check_option, graph_pass, positions
from graphad.passes.cleanup.kinks import Known, has_square, smooth_power, without_signs
from graphad.passes.inline import inline
from graphad.rewriter import Recorder, rebind
from graphad.trace import Tracer, full, lift


def indices(wrt: int | Sequence[int] | None, graph: Graph) -> tuple[int, ...]:
    """The input positions that `wrt` names; all differentiable inputs for `None`.

    Raises `PipelineError` for a position that there is not, and for an input without derivatives.
    """
    if wrt is None:
        return tuple(i for i, v in enumerate(graph.inputs) if v.type.differentiable)
    found = positions("wrt", wrt, len(graph.inputs), f"inputs of @{graph.name}")
    for i in found:
        kind = graph.inputs[i].type
        if not kind.differentiable:
            check_option("wrt", wrt, False, f"the input {i} is {kind}, which has no derivatives")
    return found


@graph_pass
def jvp(graph: Graph, wrt: int | Sequence[int] | None = None) -> Graph:
    """The graph with tangents: `(inputs, tangents of inputs[wrt]) -> (outputs, tangents of outputs)`.

    The nodes of the graph are kept as they are, but a loop or a branch computes its tangents beside its results. Only
    differentiable outputs have a tangent, in their order.
    """
    return differentiate(inline(graph), indices(wrt, graph))[0]


def differentiate(
    graph: Graph, wrt: Sequence[int], wanted: Sequence[bool] | None = None, regions: _Regions | None = None
) -> tuple[Graph, list[Value], list[bool]]:
    """`jvp` of a graph without calls, the tangent inputs that it added, and which outputs have a tangent.

    With `wanted` only those outputs have one that it flags or that depend on an input's tangent. `regions`
    differentiates the regions of its nodes.
    """
    regions = regions or _Regions()
    recorder = Recorder(graph, graph.inputs)
    builder = recorder.builder
    tangents: dict[Value, Value] = {}
    for i in wrt:
        v = graph.inputs[i]
        tangents[v] = builder.input(v.type, f"d_{v.name}" if v.name else None)
    added = list(tangents.values())
    kinked = any([has_square(node.op) for node in graph.nodes])
    known = Known(graph.nodes) if kinked else None
    with recorder:
        for node in graph.nodes:
            moving = not tangents.keys().isdisjoint(node.inputs)
            if not moving or not isinstance(node.op, Structured):
                recorder.nodes.append(node)
            if moving and not (known is not None and _differentiate_power(recorder, node, tangents, known, regions)):
                _differentiate_node(recorder, node, tangents, regions)
        recorder.at(None)
        # Tangents of the first order meet each sign once.
        if any([node.op is sign for node in graph.nodes]):
            without_signs(builder, {v for node in graph.nodes for v in node.outputs})
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


class _Regions:
    """Differentiates regions, each once for the same flags: a loop asks for its body until the flags of its carries
    agree, and so do the loops within."""

    def __init__(self) -> None:
        self.known: dict[Any, tuple[Graph, list[bool]]] = {}

    def __call__(self, region: Graph, active: Sequence[bool], wanted: Sequence[bool]) -> tuple[Graph, list[bool]]:
        key = region, tuple(active), tuple(wanted)
        if key not in self.known:
            graph, _, mask = differentiate(region, [i for i, flag in enumerate(active) if flag], wanted, self)
            self.known[key] = graph, mask
        return self.known[key]


def _differentiate_power(
    recorder: Recorder, node: Node, tangents: dict[Value, Value], known: Known, regions: _Regions
) -> bool:
    """Give an even power of a norm or a root the tangent of what it is a power of; whether the node is one."""
    builder, start = recorder.builder, len(recorder.nodes)
    recorder.at(node, "tangent")
    found = smooth_power(builder, node, known)
    if found is None:
        return False
    slope, model = found
    for made in builder.nodes[start:]:
        known.producers.update((v, made) for v in made.outputs)
        moving = not tangents.keys().isdisjoint(made.inputs)
        if moving and not _differentiate_power(recorder, made, tangents, known, regions):
            _differentiate_node(recorder, made, tangents, regions)
    recorder.at(node, "tangent")
    tangent: Any = Tracer(builder, tangents[model.value])
    (out,) = node.outputs
    tangent = tangent if slope is None else slope * tangent
    tangents[out] = lift(builder, broadcast_to(cast(tangent, out.type.dtype), out.type.shape))
    return True


def _differentiate_node(recorder: Recorder, node: Node, tangents: dict[Value, Value], regions: _Regions) -> None:
    outputs = node.outputs
    op = node.op
    structured = isinstance(op, Structured)
    if not structured and not any([v.type.dtype.kind in "fc" for v in outputs]):
        return
    builder = recorder.builder
    recorder.at(node, "tangent")
    primals = [Tracer(builder, v) for v in node.inputs]
    known = [Tracer(builder, tangents[v]) if v in tangents else None for v in node.inputs]
    result: Any
    if isinstance(op, Structured):
        start = len(builder.nodes)
        found, result = op.forward(regions, primals, known)
        rebind(builder.nodes, start, [x.value for x in found], outputs)
    else:
        out: Any = tuple([Tracer(builder, v) for v in outputs])
        result = op.jvp(out[0] if len(out) == 1 else out, primals, known)
    if not structured:
        result = (result,) if len(outputs) == 1 else result or ()
    for v, t in zip(outputs, result, strict=False):
        if t is None or v.type.dtype.kind not in "fc":
            continue
        if not isinstance(t, Tracer) or t.value.type is not v.type:
            t = broadcast_to(cast(t, v.type.dtype), v.type.shape)
        tangents[v] = lift(builder, t)

"""Shifted copies of one array, each with zeros around it, as parts of one larger copy."""

from __future__ import annotations

from collections.abc import Sequence

from graphad.graph import Constant, Graph, Node, Value
from graphad.ops.arithmetic import negative
from graphad.ops.machinery import multiply
from graphad.ops.slicing import Pad, Slice
from graphad.passes.base import graph_pass
from graphad.types import TensorType


@graph_pass
def adjoint_stencils(graph: Graph, *, least: int = 8) -> Graph:
    """Where an array, or multiples of it, are padded in `least` ways or more, pad it once and take slices.

    The cotangent of what a sum of slices reads is a sum of such pads: that of a correlation becomes a correlation.
    Multiples are taken of the slices, so that a factor that is no number reaches the zeros; only derivatives are
    changed. Regions are treated too.
    """
    if not any([isinstance(node.op, Pad) or node.op._region_fields for node in graph.nodes]):
        return graph
    nodes = [node.map_regions(lambda region: adjoint_stencils(region, least=least)) for node in graph.nodes]
    makers = {v: node for node in nodes for v in node.outputs}
    copies: dict[Value, list[tuple[Node, Node | None]]] = {}
    for node in nodes:
        op = node.op
        derived = node.where is not None and node.where.role
        if isinstance(op, Pad) and derived and min((*op.low, *op.high), default=0) >= 0 and not any(op.interior):
            base, factor = _multiple(node.inputs[0], makers)
            copies.setdefault(base, []).append((node, factor))
    shared = {base: pads for base, pads in copies.items() if len(pads) >= least}
    groups = {pad: (base, factor) for base, pads in shared.items() for pad, factor in pads}
    wide: dict[Value, tuple[Value, Sequence[int]]] = {}
    made: list[Node] = []
    for node in nodes:
        if node not in groups:
            made.append(node)
            continue
        base, factor = groups[node]
        if base not in wide:
            ops = [pad.op for pad, _ in shared[base]]
            low = tuple([max(column) for column in zip(*[op.low for op in ops], strict=True)])  # type: ignore[attr-defined]
            high = tuple([max(column) for column in zip(*[op.high for op in ops], strict=True)])  # type: ignore[attr-defined]
            whole = Pad(low, high, (0,) * len(low))
            wide[base] = Value(_result(whole, base)), low
            made.append(Node(whole, (base,), (wide[base][0],), node.where))
        source, before = wide[base]
        start = tuple([a - b for a, b in zip(before, node.op.low, strict=True)])  # type: ignore[attr-defined]
        stop = tuple([a + n for a, n in zip(start, node.outputs[0].type.shape, strict=True)])
        part = Slice(start, stop, (1,) * len(start))
        if factor is None:
            made.append(Node(part, (source,), node.outputs, node.where))
            continue
        piece = Value(_result(part, source))
        operands = tuple([piece if v is base else v for v in factor.inputs])
        made += [Node(part, (source,), (piece,), node.where), Node(factor.op, operands, node.outputs, factor.where)]
    return graph.replace(nodes=made)


def _multiple(v: Value, makers: dict[Value, Node]) -> tuple[Value, Node | None]:
    """What a value is a multiple of by a single number, and the node that multiplies."""
    node = makers.get(v)
    if node is not None and node.op is negative:
        return node.inputs[0], node
    if node is None or node.op is not multiply:
        return v, None
    for x, y in (node.inputs, node.inputs[::-1]):
        if not isinstance(y, Constant) and y.type == v.type and not x.type.shape and x.type.dtype == v.type.dtype:
            return y, node
    return v, None


def _result(op: Pad | Slice, x: Value) -> TensorType:
    found = op.infer(x.type)
    assert isinstance(found, TensorType)
    return found

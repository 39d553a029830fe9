"""Transposition of a linear program: cotangents flow from its outputs back to its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from graphad.build import Builder
from graphad.graph import Graph, Node, Value
from graphad.ops.regions.base import Structured, all_results, chosen, one_or_all
from graphad.passes.base import graph_pass, positions
from graphad.passes.differentiation.cotangents import Cotangent, fitted, masked_inputs, passed, total
from graphad.passes.differentiation.linearize import partition
from graphad.rewriter import Recorder
from graphad.trace import Tracer, full
from graphad.types import TensorType


@graph_pass
def transpose(graph: Graph, inputs: int | Sequence[int], outputs: int | Sequence[int]) -> Graph:
    """Transpose a graph in the inputs at the given positions, in which the given outputs are linear.

    `(others, linear inputs) -> (others, linear outputs)` becomes
    `(others, cotangents of linear outputs) -> (others, cotangents of linear inputs)`, so that
    `<ct, linear(t)> == <transposed(ct), t>`. Complex numbers are transposed without conjugation.
    """
    inputs = positions("inputs", inputs, len(graph.inputs), f"inputs of @{graph.name}")
    outputs = positions("outputs", outputs, len(graph.outputs), f"outputs of @{graph.name}")
    return transposed(graph, inputs, outputs)


def transposed(graph: Graph, inputs: Sequence[int], outputs: Sequence[int], flags: Sequence[bool] = ()) -> Graph:
    """`transpose` in positions that there are; the flags tell which cotangents may have zeros of a choice."""
    roots = [graph.inputs[i] for i in inputs]
    linear_outputs = [graph.outputs[i] for i in outputs]
    nonlinear, linear = partition(graph, roots)
    active = set(roots).union(*[node.outputs for node in linear])

    recorder = Recorder(graph, [v for i, v in enumerate(graph.inputs) if i not in inputs])
    recorder.keep(*nonlinear)
    builder = recorder.builder
    cts: dict[Value, list[Cotangent]] = {}
    with recorder:
        for v, flag in zip(linear_outputs, flags or (False,) * len(outputs), strict=True):
            name = "ct" if len(outputs) == 1 else f"ct_{len(cts)}"
            ct = Tracer(builder, builder.input(v.type, name))
            if v in active:
                cts.setdefault(v, []).append(Cotangent(ct, flag))
        for node in reversed(linear):
            if not cts.keys().isdisjoint(node.outputs):
                recorder.at(node, "cotangent")
                _transpose_node(builder, node, active, cts)
        # Sums of the inputs' cotangents stand at the place of the last node.
        results = [(total(cts[v]).whole() if v in cts else full(builder, v.type, 0)).value for v in roots]
    others = [v for i, v in enumerate(graph.outputs) if i not in outputs]
    return builder.finish([*others, *results])


def _transpose_region(masked: Sequence[bool], region: Graph, linear: Sequence[bool], wanted: Sequence[bool]) -> Graph:
    graph, flags = region.replace(outputs=chosen(region.outputs, wanted)), chosen(masked, wanted)
    return transposed(graph, [i for i, flag in enumerate(linear) if flag], range(len(graph.outputs)), flags)


def _transpose_node(builder: Builder, node: Node, active: set[Value], cts: dict[Value, list[Cotangent]]) -> None:
    operands = [v.type if v in active else Tracer(builder, v) for v in node.inputs]
    found = [total(cts.pop(v)) if v in cts else None for v in node.outputs]
    if isinstance(node.op, Structured):
        results = _of_regions(node, node.op, operands, found)
    elif len(found) == 1:
        assert found[0] is not None
        results = passed(node, operands, found[0])
    else:
        every = [c or Cotangent(full(builder, v.type, 0)) for c, v in zip(found, node.outputs, strict=True)]
        masked = any([c.masked for c in every])
        rule = node.op.transpose_masked if masked else node.op.transpose
        given = all_results(rule(tuple([c.whole() for c in every]), *operands))
        results = [None if x is None else Cotangent(x, masked) for x in given]
    for i, v in enumerate(node.inputs):
        c = results[i]
        if c is not None and v in active:
            cts.setdefault(v, []).append(c if c.value.value.type is v.type else fitted(c, v.type))


def _of_regions(
    node: Node, op: Structured, operands: Sequence[Tracer | TensorType], found: Sequence[Cotangent | None]
) -> list[Cotangent | None]:
    flags = [c is not None and c.masked for c in found]
    ends, masked = op.masked(masked_inputs, flags, [isinstance(x, TensorType) for x in operands])
    cts = [None if c is None else c.whole() for c in found]
    results = all_results(op.transpose(one_or_all(cts), *operands, recur=partial(_transpose_region, ends)))
    return [None if x is None else Cotangent(x, flag) for x, flag in zip(results, masked, strict=True)]

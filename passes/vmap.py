"""Vectorisation: the same program over a new leading axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.build import Builder
from graphad.errors import ControlFlowError
from graphad.graph import Constant, Graph, Value
from graphad.location import describe_location
from graphad.ops.shape import BroadcastTo
from graphad.passes.base import check_option, graph_pass
from graphad.passes.inline import inline
from graphad.rewriter import Recorder


@graph_pass
def vmap(graph: Graph, size: int, batched: Sequence[bool] | None = None) -> Graph:
    """Every batched input gets a leading axis of extent `size`, and so does every output.

    Nodes that depend on no batched input are kept as they are, but for draws of random numbers.
    """
    check_option("size", size, isinstance(size, (int, np.integer)) and size >= 0, "it is the extent of the new axis")
    fits = batched is None or (isinstance(batched, Sequence) and len(batched) == len(graph.inputs))
    check_option("batched", batched, fits, f"it has one flag for each of the {len(graph.inputs)} inputs")
    return batch(graph, size, [True] * len(graph.inputs) if batched is None else batched)[0]


def batch(
    graph: Graph, size: int, batched: Sequence[bool], wanted: Sequence[bool] | None = None,
    known: dict[Any, tuple[Graph, list[bool]]] | None = None, streams: set[int] | None = None,
) -> tuple[Graph, list[bool]]:  # fmt: skip
    """`vmap`, and which outputs depend on a batched input; the others are repeated.

    With `wanted` only those others are repeated that it flags, and are then counted as batched. `known` are the
    regions that have been batched: loops ask for their bodies until the flags of their carries agree. `streams` are the
    identities of the streams of random numbers that the program has set: from these every example draws the same.
    """
    regions = {} if known is None else known
    streams = set() if streams is None else streams
    graph = inline(graph)
    recorder = Recorder(graph)
    builder, env = recorder.builder, recorder.env

    def recur(region: Graph, flags: Sequence[bool], wanted: Sequence[bool] | None = None) -> tuple[Graph, list[bool]]:
        key = region, tuple(flags), None if wanted is None else tuple(wanted)
        if key not in regions:
            regions[key] = batch(region, size, flags, wanted, regions, streams)
        return regions[key]

    for v, flag in zip(graph.inputs, batched, strict=True):
        if flag:
            env[v] = builder.input(v.type.with_shape((size, *v.type.shape)), v.name)
        else:
            builder.inputs.append(v)
    with recorder:
        for node in graph.nodes:
            flags = [v in env for v in node.inputs]
            same = node.op.drawn and (node.op.sets or id(node.op.stream) in streams)
            if not any(flags) and (same or not node.op.drawn):
                if node.op.sets:
                    streams.add(id(node.op.stream))
                recorder.keep(node)
                continue
            recorder.at(node)
            if same:
                raise ControlFlowError(
                    f"{node.op.name}: random numbers depend on the example of a batch, and on a state that the "
                    f"function sets{describe_location(node.where)}; set it outside of vmap, or use graphad.random"
                )
            operands = recorder.operands(node)
            if node.op._region_fields:
                found = node.op.batch(flags, size, *operands, recur=recur)  # type: ignore[call-arg]
            else:
                found = node.op.batch(flags, size, *operands)
            for v, x in zip(node.outputs, recorder.results(node, found), strict=True):
                env[v] = x
                if x.name is None and type(x) is not Constant:
                    x.name = v.name
        recorder.at(None)
        repeated = [v not in env and (wanted is None or wanted[i]) for i, v in enumerate(graph.outputs)]
        outputs = [
            _repeat(builder, v, size) if again else env.get(v, v)
            for v, again in zip(graph.outputs, repeated, strict=True)
        ]
    mask = [v in env or (again and wanted is not None) for v, again in zip(graph.outputs, repeated, strict=True)]
    return builder.finish(outputs), mask


def _repeat(builder: Builder, v: Value, size: int) -> Value:
    return builder.emit(BroadcastTo((size, *v.type.shape)), (v,))[0]

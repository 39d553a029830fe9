"""The sweep behind passes that replace single nodes: rules are tried on each node once its operands are final."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphad.errors import VerifyError
from graphad.graph import Graph, Node, Value
from graphad.op import Op, op_class
from graphad.rewriter import Recorder
from graphad.trace import Tracer, lift

Rule = Callable[..., Any]
"""`rule(node, *operands)` gives what replaces the node's result (a tuple for several), or `None` to leave it."""
Kind = str | type[Op] | Op
"""Which ops: an op or its class, its name, or the class of several."""


class Rules(dict[type[Op], list[Rule]]):
    """Rules by the class of the ops that they look at, under which they are also found by an op or its name."""

    def __getitem__(self, kind: Kind) -> list[Rule]:
        return super().setdefault(op_class(kind), [])


_LIMIT = 64


def sweep(graph: Graph, rules_of: Callable[[Op], Sequence[Rule]], recur: Callable[[Graph], Graph]) -> Graph:
    """Apply rules in one forward walk; what a rule records is rewritten in turn. Regions are given to `recur`.

    Results that no rule changes keep their `Value`, and so does a result whose node is replaced by new ones. The
    graph itself comes back if nothing fired. Raises `VerifyError` for a rule that changes a type.
    """
    recorder = Recorder(graph, graph.inputs)
    nodes, producers, env = recorder.nodes, recorder.builder.producers, recorder.env

    def resolve(v: Value) -> Value:
        while v in env:
            v = env[v]
        return v

    with recorder:
        for original in graph.nodes:
            pending = [original]
            fuel = _LIMIT
            while pending:
                node = pending.pop()
                if env:
                    inputs = tuple([resolve(v) for v in node.inputs])
                    if inputs != node.inputs:
                        node = node.with_inputs(inputs)
                if node.op._region_fields:
                    node = node.map_regions(recur)
                rules = rules_of(node.op)
                emitted = _apply(recorder, node, rules) if rules and fuel else None
                if emitted is None:
                    nodes.append(node)
                    for v in node.outputs:
                        producers[v] = node
                else:
                    fuel -= 1
                    pending.extend(reversed(emitted))
    return graph.replace(nodes=nodes, outputs=[resolve(v) for v in graph.outputs])


def _apply(recorder: Recorder, node: Node, rules: Sequence[Rule]) -> list[Node] | None:
    builder, nodes = recorder.builder, recorder.nodes
    start = len(nodes)
    operands = [Tracer(builder, v) for v in node.inputs]
    recorder.at(node)
    result = None
    for rule in rules:
        result = rule(node, *operands)
        if result is not None:
            break
        del nodes[start:]
    if result is None:
        return None
    emitted = nodes[start:]
    del nodes[start:]
    values = [lift(builder, x) for x in (result if isinstance(result, tuple) else (result,))]
    if [v.type for v in values] != [v.type for v in node.outputs]:
        name = getattr(rule, "__name__", str(rule))
        old, new = [v.type for v in node.outputs], [v.type for v in values]
        raise VerifyError(f"rule {name} replaces {node!r}, which gives {old}, by {new}")
    if emitted and len(values) == 1 and emitted[-1].outputs == (values[0],):
        last = emitted[-1]
        emitted[-1] = last.renamed({values[0]: node.outputs[0]})
    else:
        recorder.env.update((old, new) for old, new in zip(node.outputs, values, strict=True) if old is not new)
    return emitted

"""The sweep behind passes that replace single nodes: rules are tried on each node once its operands are final."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphad.build import Builder, building
from graphad.errors import VerifyError
from graphad.graph import Graph, Node, Value
from graphad.op import Op, op_class
from graphad.places import Location
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


def map_regions(node: Node, function: Callable[[Graph], Graph]) -> Node:
    """The node with `function` applied to its op's sub-graphs; the very node if none of them changes."""
    op = node.op
    if not op._region_fields:
        return node
    changed = False

    def apply(graph: Graph) -> Graph:
        nonlocal changed
        result = function(graph)
        changed = changed or result is not graph
        return result

    mapped = op.map_regions(apply)
    return Node(mapped, node.inputs, node.outputs, node.where) if changed else node


def rebind(nodes: list[Node], start: int, found: Sequence[Value], wanted: Sequence[Value]) -> None:
    """Give results of the nodes from `start` on the identity of the values that they replace."""
    env = dict(zip(found, wanted, strict=True))
    for i in range(start, len(nodes)):
        node = nodes[i]
        if any([v in env for v in (*node.inputs, *node.outputs)]):
            inputs, outputs = (tuple([env.get(v, v) for v in vs]) for vs in (node.inputs, node.outputs))
            nodes[i] = Node(node.op, inputs, outputs, node.where)


def sweep(graph: Graph, rules_of: Callable[[Op], Sequence[Rule]], recur: Callable[[Graph], Graph]) -> Graph:
    """Apply rules in one forward walk; what a rule records is rewritten in turn. Regions are given to `recur`.

    Results that no rule changes keep their `Value`, and so does a result whose node is replaced by new ones. The
    graph itself comes back if nothing fired. Raises `VerifyError` for a rule that changes a type.
    """
    builder = Builder(graph.name)
    builder.inputs.extend(graph.inputs)
    nodes, producers = builder.nodes, builder.producers
    env: dict[Value, Value] = {}
    changed = False

    def resolve(v: Value) -> Value:
        while v in env:
            v = env[v]
        return v

    with building(builder):
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
                    mapped = map_regions(node, recur)
                    changed, node = changed or mapped is not node, mapped
                rules = rules_of(node.op)
                emitted = _apply(builder, node, rules, env) if rules and fuel else None
                if emitted is None:
                    nodes.append(node)
                    for v in node.outputs:
                        producers[v] = node
                else:
                    changed = True
                    fuel -= 1
                    pending.extend(reversed(emitted))
    if not changed:
        return graph
    return Graph(graph.inputs, nodes, [resolve(v) for v in graph.outputs], graph.name)


def _apply(builder: Builder, node: Node, rules: Sequence[Rule], env: dict[Value, Value]) -> list[Node] | None:
    nodes = builder.nodes
    start = len(nodes)
    operands = [Tracer(builder, v) for v in node.inputs]
    builder.where = node.where or Location()
    result = None
    for rule in rules:
        result = rule(node, *operands)
        if result is not None:
            break
        del nodes[start:]
    builder.where = None
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
        emitted[-1] = Node(last.op, last.inputs, node.outputs, last.where)
    else:
        env.update((old, new) for old, new in zip(node.outputs, values, strict=True) if old is not new)
    return emitted

"""Sums that are continued instead of begun anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from graphad.graph import Constant, Graph, Node, Value
from graphad.ops.arithmetic import add
from graphad.ops.gather import ScatterAdd
from graphad.ops.guarding import reached_order
from graphad.ops.loops import Scan
from graphad.ops.shape import BroadcastTo
from graphad.passes.base import graph_pass
from graphad.passes.rewriting import map_regions


@graph_pass
def accumulate(graph: Graph) -> Graph:
    """Where a loop or a scatter adds to zeros, and the sum is then added to another array, add to that array at once.

    The cotangent of an array that an inner loop reads is such a sum: an outer loop would otherwise add whole arrays in
    each iteration. Regions are treated too. Meaning is kept up to the order of additions.
    """
    return _continued(graph, frozenset())


def _continued(graph: Graph, zeros: frozenset[Value]) -> Graph:
    """The graph, of whose inputs these are zeros, with sums continued."""
    if not any([node.op._region_fields for node in graph.nodes]):
        return graph
    producers = {v: node for node in graph.nodes for v in node.outputs}

    def within(node: Node) -> Node:
        op = node.op
        known: frozenset[Value] = frozenset()
        if isinstance(op, Scan):
            consts = zip(op.body.inputs[: op.consts], node.inputs[op.lead :], strict=False)
            known = frozenset([inner for inner, v in consts if _is_zeros(v, producers, zeros)])
        return map_regions(node, lambda region: _continued(region, known))

    nodes = [within(node) for node in graph.nodes]
    loops = any([isinstance(node.op, Scan) for node in nodes])
    changed = any([a is not b for a, b in zip(nodes, graph.nodes, strict=True)])
    outputs = list(graph.outputs)
    while loops:
        found = _sum(nodes, outputs, zeros)
        if found is None:
            break
        nodes, outputs = found
        changed = True
    return Graph(graph.inputs, nodes, outputs, graph.name) if changed else graph


def _sum(
    nodes: Sequence[Node], outputs: Sequence[Value], zeros: frozenset[Value]
) -> tuple[list[Node], list[Value]] | None:
    """The nodes with one addition less, and the results; None where nothing is left to do."""
    producers = {v: node for node in nodes for v in node.outputs}
    uses = Counter([*[v for node in nodes for v in node.inputs], *outputs])
    known: Spine = {}
    for node in nodes:
        if node.op is not add or any([v.type != node.outputs[0].type for v in node.inputs]):
            continue
        for total, part in (node.inputs, node.inputs[::-1]):
            spine = _spine(part, producers, uses, zeros, known)
            if spine is None or not any([isinstance(step.op, Scan) for step, _ in spine]):
                continue
            if _reaches(total, {step for step, _ in spine}, producers):
                continue
            first, at = spine[-1]
            inputs = (*first.inputs[:at], total, *first.inputs[at + 1 :])
            swapped = {first: Node(first.op, inputs, first.outputs, first.where), node: None}
            found = [swapped.get(x, x) for x in nodes]
            env = {node.outputs[0]: part}
            renamed = [
                x.with_inputs(tuple([env.get(v, v) for v in x.inputs])) if node.outputs[0] in x.inputs else x
                for x in found
                if x is not None
            ]
            ordered = _sorted(renamed)
            if reached_order(ordered) == reached_order(nodes):
                return ordered, [env.get(v, v) for v in outputs]
    return None


Spine = dict[Value, tuple[Node, int] | bool]
"""For each value the step by which it is something with an addition, and the operand that it adds to; True where it is
that something itself, False where it is anything else."""


def _spine(
    v: Value, producers: dict[Value, Node], uses: Counter[Value], zeros: frozenset[Value], found: Spine,
    stop: Value | None = None,
) -> list[tuple[Node, int]] | None:  # fmt: skip
    """The nodes by which `v` is zeros, or the value `stop`, with something added, and the operand that each adds to.

    Nothing else may read what is between. None where `v` is anything else. What is found on the way is kept in `found`.
    """
    stack = [v]
    while stack:
        u = stack[-1]
        if u not in found and (u is stop or (stop is None and _is_zeros(u, producers, zeros))):
            found[u] = True
        if u in found:
            stack.pop()
            continue
        for step in _steps(u, producers, uses):
            node, at = step
            before = node.inputs[at]
            if before not in found:
                stack.append(before)
                break
            # An addition to zeros themselves is for other passes.
            if found[before] and not (found[before] is True and stop is None and node.op is add):
                found[u] = step
                break
        else:
            found[u] = False
    steps: list[tuple[Node, int]] = []
    last = found[v]
    while isinstance(last, tuple):
        steps.append(last)
        v = last[0].inputs[last[1]]
        last = found[v]
    return steps if found[v] and (steps or stop is not None) else None


def _steps(v: Value, producers: dict[Value, Node], uses: Counter[Value]) -> list[tuple[Node, int]]:
    """The operands to which the node that makes a value may add."""
    node = producers.get(v)
    if node is None or uses[v] != 1:
        return []
    op = node.op
    if type(op) is ScatterAdd:
        return [(node, 0)]
    if op is add and all([x.type == v.type for x in node.inputs]):
        return [(node, 0), (node, 1)]
    if isinstance(op, Scan) and v in node.outputs[: op.carries]:
        k = node.outputs.index(v)
        if _adds(op.body, op.consts + k, k):
            return [(node, op.lead + op.consts + k)]
    return []


def _adds(body: Graph, taken: int, given: int) -> bool:
    """Whether the body's result is one of its inputs with something added that does not depend on it."""
    carry = body.inputs[taken]
    uses = Counter([*[v for node in body.nodes for v in node.inputs], *body.outputs])
    if uses[carry] != 1:
        return False
    producers = {v: node for node in body.nodes for v in node.outputs}
    return bool(_spine(body.outputs[given], producers, uses, frozenset(), {}, carry))


def _is_zeros(v: Value, producers: dict[Value, Node], zeros: frozenset[Value]) -> bool:
    node = producers.get(v)
    if node is not None and isinstance(node.op, BroadcastTo):
        v = node.inputs[0]
    return v in zeros or (isinstance(v, Constant) and v.type.dtype.kind in "fc" and not np.any(v.array))


def _reaches(v: Value, targets: set[Node], producers: dict[Value, Node]) -> bool:
    """Whether a value depends on one of some nodes."""
    seen: set[Value] = set()
    stack = [v]
    while stack:
        v = stack.pop()
        node = producers.get(v)
        if v in seen or node is None:
            continue
        if node in targets:
            return True
        seen.add(v)
        stack.extend(node.inputs)
    return False


def _sorted(nodes: Sequence[Node]) -> list[Node]:
    """The nodes in their order, but each after what it reads."""
    producers = {v: node for node in nodes for v in node.outputs}
    done: set[int] = set()
    out: list[Node] = []
    for node in nodes:
        stack = [node]
        while stack:
            top = stack[-1]
            waiting = [p for v in top.inputs if (p := producers.get(v)) is not None and id(p) not in done]
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            if id(top) not in done:
                done.add(id(top))
                out.append(top)
    return out

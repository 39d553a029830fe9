"""Carries that a loop's body only updates in part stay where they are: a loop that fills an array costs as many stores
as it has entries, not as many copies."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from graphad.graph import Graph, Node, Value
from graphad.ops.elementwise import Cast, Elementwise
from graphad.ops.fused import Fused
from graphad.ops.reduce import Reduction
from graphad.ops.regions.cond import Cond
from graphad.ops.regions.loop import Loop
from graphad.ops.regions.scan import Scan
from graphad.ops.select import Select

Updated = tuple[Graph, dict[int, list[Value]]]
Chosen = tuple[list[Graph], dict[int, tuple[int, list[list[Value]]]]]
_Known = dict[Any, Any]
"""What was found of inner loops and branches, each of which is asked for often."""


def updated(body: Graph, consts: int, carries: int, known: _Known | None = None) -> Updated:
    """The carries that can stay where they are, each with the values that then stand there, and the body in an order in
    which what they held before is read before it changes."""
    known = {} if known is None else known
    key = body, consts, carries
    if key not in known:
        known[key] = _updated(body, consts, carries, known)
    found: Updated = known[key]
    return found


def chosen(op: Cond, known: _Known | None = None) -> Chosen:
    """The operands that each branch changes in place or hands on as they are: for each, by its position, that of the
    result that it becomes, and the values that stand there in each branch. The branches come in orders for that."""
    known = {} if known is None else known
    if op not in known:
        known[op] = _chosen_in_place(op, known)
    found: Chosen = known[op]
    return found


def _chosen_in_place(op: Cond, known: _Known) -> Chosen:
    first = op.branches[0]
    pairs: dict[int, int] = {}
    for j, goal in enumerate(first.outputs):
        for k, v in enumerate(first.inputs):
            fits = v.type == goal.type and v.type.size > 1 and k not in pairs
            if fits and all([_handed(b, k, j) or _in_order(b, {k: j}, known)[1] for b in op.branches]):
                pairs[k] = j
                break
    bodies: list[Graph] = []
    chains: dict[int, list[list[Value]]] = {k: [] for k in pairs}
    for branch in op.branches:
        changed = {k: j for k, j in pairs.items() if not _handed(branch, k, j)}
        body, found = _in_order(branch, changed, known)
        if len(found) < len(changed):
            return list(op.branches), {}
        bodies.append(body)
        for k in pairs:
            chains[k].append(found[list(changed).index(k)] if k in changed else [branch.inputs[k]])
    return bodies, {k: (j, chains[k]) for k, j in pairs.items()}


def _handed(branch: Graph, k: int, j: int) -> bool:
    """Whether a branch gives an operand as one of its results and no other."""
    return branch.outputs[j] is branch.inputs[k] and branch.outputs.count(branch.inputs[k]) == 1


def _in_order(branch: Graph, pairs: dict[int, int], known: _Known) -> Updated:
    """What `updated` finds of a branch whose operands become results like the carries of a loop."""
    inputs = [*[v for k, v in enumerate(branch.inputs) if k not in pairs], *[branch.inputs[k] for k in pairs]]
    outputs = [branch.outputs[j] for j in pairs.values()]
    outputs += [v for j, v in enumerate(branch.outputs) if j not in pairs.values()]
    body, found = _updated(branch.replace(inputs=inputs, outputs=outputs), len(inputs) - len(pairs), len(pairs), known)
    return branch.replace(nodes=body.nodes), found


def _updated(body: Graph, consts: int, carries: int, known: _Known) -> Updated:
    readers = body.users()
    found: dict[int, list[Value]] = {}
    before: dict[Node, list[Node]] = {}
    for j in range(carries):
        v = body.inputs[consts + j]
        chain = _chain(body, readers, v, body.outputs[j], known)
        if chain is None or v.type.size < 2:
            continue
        wanted = {node: list(extra) for node, extra in before.items()}
        for u, node in pairwise(chain):
            maker = _maker(body, node)
            wanted.setdefault(maker, []).extend(n for n in _reading(readers, u) if n is not maker)
        if _ordered(body, wanted) is not None:
            before, found[j] = wanted, chain
    if not found:
        return body, found
    nodes = _ordered(body, before)
    assert nodes is not None
    return body.replace(nodes=nodes), found


def _maker(body: Graph, v: Value) -> Node:
    return next(node for node in body.nodes if v in node.outputs)


def _chain(
    body: Graph, readers: dict[Value, list[Node]], v: Value, goal: Value, known: _Known
) -> list[Value] | None:
    """The values from a carry to what it becomes, each the one before it with some elements changed."""
    if list(body.outputs).count(goal) != 1 or v in body.outputs:
        return None
    chain, leading = [v], _leading(body, goal, known)
    while chain[-1] is not goal:
        u = chain[-1]
        step = None
        every = _reading(readers, u)
        if any([x in body.outputs for x in _views(readers, u)[1:]]):
            return None
        for node in dict.fromkeys(every):
            result = _update(node, u, known)
            if result is not None and result in leading:
                if step is not None or every.count(node) > 1:
                    return None
                step = result
            elif not _at_once(node):
                return None
        if step is None or (step in body.outputs and step is not goal):
            return None
        chain.append(step)
    return chain if len(chain) > 1 else None


def _update(node: Node, v: Value, known: _Known) -> Value | None:
    """The result of a node that is an operand of it with some elements changed."""
    if node.op.updates:
        return node.outputs[0] if node.inputs[0] is v and v not in node.inputs[1:] else None
    if isinstance(node.op, Select):
        return node.outputs[0] if _partly(node, v) else None
    if isinstance(node.op, Fused) and node.op.depth < 0 and node.inputs.count(v) == 1:
        return _chosen(node.op.kernel, node, v)
    if isinstance(node.op, Cond) and node.inputs.count(v) == 1:
        taken = chosen(node.op, known)[1].get(node.inputs.index(v) - 1)
        return None if taken is None else node.outputs[taken[0]]
    if not isinstance(node.op, Loop) or node.inputs.count(v) != 1:
        return None
    op = node.op
    j = node.inputs.index(v) - op.consts - (op.lead if isinstance(op, Scan) else 0)
    if not 0 <= j < op.carried:
        return None
    return node.outputs[j] if j in updated(op.body, op.consts, op.carried, known)[1] else None


def _partly(node: Node, v: Value) -> bool:
    """Whether a node chooses between the elements of a value and others."""
    _, *both = node.inputs
    return isinstance(node.op, Select) and both.count(v) == node.inputs.count(v) == 1


def _chosen(kernel: Graph, node: Node, v: Value) -> Value | None:
    """The result of a kernel that is an operand of it with some elements changed, if each of these is read for nothing
    but the elements at its own position, and before it changes."""
    own = kernel.inputs[node.inputs.index(v)]
    here = {own}
    found: list[Value] = []
    for inner in kernel.nodes:
        if here.isdisjoint(inner.inputs):
            continue
        (out,) = inner.outputs
        if own in inner.inputs and found:
            return None
        if isinstance(inner.op, (Elementwise, Cast)) and out.type.shape == own.type.shape:
            here.add(out)
        elif not isinstance(inner.op, Reduction):
            return None
        if out in kernel.outputs and _partly(inner, own):
            found.append(out)
    return node.outputs[kernel.outputs.index(found[0])] if len(found) == 1 else None


def _views(readers: dict[Value, list[Node]], v: Value) -> list[Value]:
    """A value and what shows its memory in other ways."""
    found = [v]
    for u in found:
        found += [x for node in readers.get(u, ()) if node.op.view for x in node.outputs]
    return found


def _reading(readers: dict[Value, list[Node]], v: Value) -> list[Node]:
    """The nodes that read the memory of a value, each as often as it reads it in another way."""
    return [node for u in _views(readers, v) for node in readers.get(u, ()) if not node.op.view]


def _leading(body: Graph, goal: Value, known: _Known) -> set[Value]:
    """The values that become another one by updates."""
    makers = {v: node for node in body.nodes for v in node.outputs}
    found, pending = {goal}, [goal]
    while pending:
        v = pending.pop()
        node = makers.get(v)
        for u in dict.fromkeys(node.inputs if node is not None else ()):
            if u not in found and u.type == v.type and node is not None and _update(node, u, known) is v:
                found.add(u)
                pending.append(u)
    return found


def _at_once(node: Node) -> bool:
    if isinstance(node.op, (Fused, Elementwise, Cast)):
        return all([v.type.size > 1 for v in node.outputs])
    # What a loop without iterations gives is what it was given.
    return node.op.reads_first and not (isinstance(node.op, Scan) and node.op.length == 0)


def _ordered(body: Graph, before: dict[Node, list[Node]]) -> list[Node] | None:
    """The nodes in an order that also puts some in front of others; None where there is none."""
    maker = {v: node for node in body.nodes for v in node.outputs}
    state: dict[Node, bool] = {}
    order: list[Node] = []
    for root in body.nodes:
        stack: list[tuple[Node, bool]] = [(root, False)]
        while stack:
            node, ready = stack.pop()
            if ready:
                state[node] = True
                order.append(node)
                continue
            if node in state:
                if not state[node]:
                    return None
                continue
            state[node] = False
            stack.append((node, True))
            needed: Sequence[Node] = [maker[v] for v in node.inputs if v in maker] + before.get(node, [])
            for n in reversed(needed):
                if state.get(n) is False:
                    return None
                if n not in state:
                    stack.append((n, False))
    return order


__all__ = ["chosen", "updated"]

"""Loops that run backwards undo the stores of the loop before them, instead of reading whole arrays that it stacked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from graphad.graph import Constant, Graph, Node, Value
from graphad.location import Location
from graphad.op import Op
from graphad.ops.dynamic import DynamicSlice, DynamicUpdateSlice
from graphad.ops.elementwise import Cast, Elementwise
from graphad.ops.gather import Gather, Scatter, ScatterSet
from graphad.ops.guarding import must_be_reached, silent
from graphad.ops.regions.cond import Cond
from graphad.ops.regions.loop import Loop
from graphad.ops.regions.scan import Scan
from graphad.ops.shape import Reshape
from graphad.passes.base import graph_pass
from graphad.passes.cleanup.cse import cse
from graphad.passes.memory.remat import FEW, pays, recomputed
from graphad.types import DYNAMIC, TensorType


@graph_pass
def store_on_kill(graph: Graph) -> Graph:
    """Where a loop changes parts of an array, and stacks what follows from the whole of it for a loop that runs the
    other way, stack what each store overwrites: the other loop starts with the array as it was left, writes that back
    and computes the rest from it. Regions are treated too. Values are the same to the last bit.

    Done where it at least halves what is stacked.
    """
    return _each(graph, {})


def _each(graph: Graph, restored: dict[Value, Value]) -> Graph:
    """The graph and its regions treated. `restored` is told which results of loops are arrays as they were before."""
    if not any([node.op._region_fields for node in graph.nodes]):
        return graph
    graph = graph.replace(nodes=[node.map_regions(lambda region: _each(region, restored)) for node in graph.nodes])
    for i in range(len(graph.nodes)):
        graph = _undone(graph, graph.nodes[i], restored)
    return graph


Makers = dict[Value, Node]


@dataclass(frozen=True)
class Section:
    """A part of an array that a step may change: how it is read and written, and at which places."""

    read: Op
    write: Op
    places: tuple[Value, ...]

    def type(self, array: Value) -> TensorType:
        found = self.read.infer(array.type, *[p.type for p in self.places])
        assert isinstance(found, TensorType)
        return found


@dataclass(frozen=True)
class PartialStore:
    """A node that gives an array as it was before, but for some parts."""

    before: Value
    after: Value
    parts: tuple[Section, ...]


def _steps(makers: Makers, start: Value, end: Value, more: list[Node]) -> list[PartialStore] | None:
    """The steps from an array to what it becomes; none where its other parts may change as well. Nodes that compute
    places are added to `more`."""
    found: list[PartialStore] = []
    while end is not start:
        node = makers.get(end)
        step = None if node is None else _step(node, end, more)
        if step is None:
            return None
        found.append(step)
        end = step.before
    return found[::-1]


def _step(node: Node, end: Value, more: list[Node]) -> PartialStore | None:
    op, at = node.op, node.outputs.index(end)
    if isinstance(op, Scatter):
        return PartialStore(node.inputs[0], end, (Section(Gather(op.axes), ScatterSet(op.axes), node.inputs[2:]),))
    if isinstance(op, DynamicUpdateSlice):
        section = Section(DynamicSlice(node.inputs[1].type.shape), op, node.inputs[2:])
        return PartialStore(node.inputs[0], end, (section,))
    if isinstance(op, Loop) and at < op.carried:
        k = op.consts + at
        taken = node.inputs[len(node.inputs) - len(op.body.inputs) :]
        known = dict(zip(op.body.inputs[: op.consts], taken, strict=False))
        parts = _covered(op.body, op.body.inputs[k], op.body.outputs[at], known, more)
        return None if parts is None else PartialStore(taken[k], end, parts)
    if isinstance(op, Cond):
        return _chosen(node, op, at, more)
    return None


def _chosen(node: Node, op: Cond, at: int, more: list[Node]) -> PartialStore | None:
    """The step of a branch, if each gives the same operand with parts changed."""
    found: dict[Section, None] = {}
    before: set[Value] = set()
    for branch in op.branches:
        known = dict(zip(branch.inputs, node.inputs[1:], strict=True))
        makers = branch.producers()
        v = branch.outputs[at]
        while v in makers:
            step = _step(makers[v], v, [])
            if step is None:
                return None
            v = step.before
        if v not in known:
            return None
        before.add(known[v])
        parts = _covered(branch, v, branch.outputs[at], known, more)
        if parts is None:
            return None
        found.update(dict.fromkeys(parts))
    return PartialStore(before.pop(), node.outputs[at], tuple(found)) if len(before) == 1 else None


def _covered(
    region: Graph, start: Value, end: Value, known: dict[Value, Value], more: list[Node]
) -> tuple[Section, ...] | None:
    """Parts that hold all that a region, which may not run, changes of an array: rows along axes of which the position
    follows from what is `known` outside."""
    makers, inner = region.producers(), list[Node]()
    steps = _steps(makers, start, end, inner)
    if steps is None:
        return None
    makers.update({v: node for node in inner for v in node.outputs})
    rows = [_row(start.type, part, lambda v: _outside(v, makers, known, more)) for s in steps for part in s.parts]
    found = dict.fromkeys([row for row in rows if row is not None])
    return tuple(found) if None not in rows else None


def _outside(v: Value, makers: Makers, known: dict[Value, Value], more: list[Node]) -> Value | None:
    """A number of a region as it is outside, where nodes are added that compute it; none where it is not known."""
    node = makers.get(v)
    if isinstance(v, Constant):
        return v
    if v in known or node is None or v.type.shape or not isinstance(node.op, (Elementwise, Cast, Gather)):
        return known.get(v)
    operands = [_outside(x, makers, known, more) for x in node.inputs]
    if None in operands or not pays(node):
        return None
    if isinstance(node.op, Gather):
        _clamped(node, [x for x in operands if x is not None], v, known, more)
    else:
        more.append(node.copied(known))
    return known[v]


def _clamped(node: Node, operands: list[Value], v: Value, known: dict[Value, Value], more: list[Node]) -> None:
    """A number of an array, read where it is not sure that it is one of its places."""
    x, *indices = operands
    starts = dict(zip(node.op.axes, indices, strict=True))  # type: ignore[attr-defined]
    part, known[v] = Value(v.type.with_shape((1,) * len(indices))), Value(v.type, v.name)
    places = [starts[axis] for axis in range(len(indices))]
    more.append(Node(DynamicSlice(part.type.shape), (x, *places), (part,), node.where))
    more.append(Node(Reshape(()), (part,), (known[v],), node.where))


def _row(array: TensorType, part: Section, outside: Callable[[Value], Value | None]) -> Section | None:
    """A part as long as the array along all axes but those on which its position is known outside. Positions beyond
    the ends are moved into the array: what runs nowhere writes nowhere."""
    if isinstance(part.read, Gather):
        axes, sizes = part.read.axes, (1,) * len(part.places)
    else:
        assert isinstance(part.read, DynamicSlice)
        axes, sizes = tuple(range(array.ndim)), part.read.sizes
    shape = list(array.shape)
    starts: list[Value] = [Constant(np.int64(0))] * array.ndim
    for axis, size, place in zip(axes, sizes, part.places, strict=True):
        found = outside(place)
        if found is not None and not found.type.shape:
            shape[axis], starts[axis] = size, found
    if tuple(shape) == array.shape:
        return None
    return Section(DynamicSlice(tuple(shape)), DynamicUpdateSlice(), tuple(starts))


def _undone(graph: Graph, first: Node, restored: dict[Value, Value]) -> Graph:
    op = first.op
    if not isinstance(op, Scan):
        return graph
    body, makers, more = op.body, op.body.producers(), list[Node]()
    chains = {}
    for j in range(op.carries):
        steps = _steps(makers, body.inputs[op.consts + j], body.outputs[j], more)
        if steps:
            chains[j] = steps
    backward = _backward(graph, first) if chains else {}
    if not backward:
        return graph
    op = op.replace(body=body.replace(nodes=[*body.nodes, *more]))
    plan = _plan(op, chains, {v: body.outputs[first.outputs.index(v)] for v in backward})
    if plan is None:
        return graph
    new, seconds = _rewritten(first.with_op(op), plan, backward, restored)
    return graph.replace(nodes=[new if node is first else seconds.get(node, node) for node in graph.nodes])


def _backward(graph: Graph, first: Node) -> dict[Value, list[Node]]:
    """What a loop stacks and only loops that run the other way read, entry by entry, with these loops."""
    op = first.op
    assert isinstance(op, Scan)
    users = graph.users()
    found: dict[Value, list[Node]] = {}
    for v in first.outputs[op.carries :]:
        nodes = users.get(v, [])
        if nodes and v not in graph.outputs and all([_reverses(op, first, node, v) for node in nodes]):
            found[v] = list(dict.fromkeys(nodes))
    return found


def _reverses(op: Scan, first: Node, node: Node, v: Value) -> bool:
    other = node.op
    if not isinstance(other, Scan) or (other.length, other.reverse) != (op.length, not op.reverse):
        return False
    if op.lead and node.inputs[0] is not first.inputs[0]:
        return False
    return v not in node.inputs[: other.lead + other.consts + other.carries]


@dataclass
class _StackPlan:
    """What is stacked no more (by the value in the body), what is stacked instead, and how the one follows."""

    gone: list[Value]
    chains: dict[int, list[PartialStore]]
    kept: list[Value]
    placing: list[Node]
    computing: list[Node]


def _plan(op: Scan, chains: dict[int, list[PartialStore]], stacked: dict[Value, Value]) -> _StackPlan | None:
    body = op.body
    still = {*body.inputs[: op.consts], *body.inputs[op.consts + op.carries :]}
    arrays = {v: j for j, steps in chains.items() for step in steps for v in (step.before, step.after)}
    gone: dict[Value, None] = {}
    used: set[int] = set()
    for v in stacked.values():
        kept, _ = recomputed(body.inputs, body.nodes, [v], still | arrays.keys(), _again_pays)
        read = {arrays[u] for u in kept if u in arrays}
        own = _size(u for u in kept if u not in still and u not in arrays)
        if v.type.size > FEW and read and 2 * own <= v.type.size:
            gone[v] = None
            used |= read
    chains = {j: chains[j] for j in sorted(used)}
    places = [p for steps in chains.values() for step in steps for part in step.parts for p in part.places]
    by_place, placing = recomputed(body.inputs, body.nodes, list(dict.fromkeys(places)), still)
    free = {*still, *arrays, *by_place}
    kept, computing = recomputed(body.inputs, body.nodes, list(gone), free, _again_pays)
    kept = [v for v in dict.fromkeys([*by_place, *kept]) if v not in still and v not in arrays]
    drawn = any([node.op.drawn for node in (*placing, *computing)])
    if not gone or drawn or 2 * (_size(kept) + _overwritten(chains)) > _size(gone):
        return None
    return _StackPlan(list(gone), chains, kept, placing, computing)


def _again_pays(node: Node) -> bool:
    """Whether a node rather runs again than that an array is stacked for it."""
    return pays(node) or (isinstance(node.op, Elementwise) and not must_be_reached(node.op))


def _size(values: Iterable[Value]) -> int:
    return sum([v.type.size for v in values])


def _overwritten(chains: dict[int, list[PartialStore]]) -> int:
    return sum([p.type(s.before).size for steps in chains.values() for s in steps for p in s.parts])


def _rewritten(
    first: Node, plan: _StackPlan, backward: dict[Value, list[Node]], restored: dict[Value, Value]
) -> tuple[Node, dict[Node, Node]]:
    op = first.op
    assert isinstance(op, Scan)
    body, n = op.body, op.carries
    nodes = list(body.nodes)
    saved: list[Value] = []
    for step in [step for steps in plan.chains.values() for step in steps]:
        saved += _read(nodes, step, step.before, {}, first.where)
    lost = {v: x for v, x in zip(first.outputs, body.outputs, strict=True) if v in backward and x in plan.gone}
    left = [i for i, v in enumerate(first.outputs) if v not in lost]
    more = [*saved, *plan.kept]
    stacks = [Value(v.type.with_shape((DYNAMIC if op.length is None else op.length, *v.type.shape))) for v in more]
    region = body.replace(nodes=nodes, outputs=[*[body.outputs[i] for i in left], *more])
    scan = Scan(region, op.consts, op.length, n, op.reverse)
    new = Node(scan, first.inputs, (*[first.outputs[i] for i in left], *stacks), first.where)
    seconds = dict.fromkeys([node for v in lost for node in backward[v]])
    return new, {node: _restoring(node, first, plan, lost, (saved, stacks), restored) for node in seconds}


def _read(
    nodes: list[Node], step: PartialStore, array: Value, env: dict[Value, Value], where: Location | None
) -> list[Value]:
    """The parts of an array that a step may change."""
    found = []
    for part in step.parts:
        places = [env.get(p, p) for p in part.places]
        found.append(Value(part.type(array)))
        nodes.append(Node(part.read, (array, *places), (found[-1],), where))
    return found


def _written(
    nodes: list[Node], step: PartialStore, array: Value, parts: Sequence[Value], env: dict[Value, Value],
    where: Location | None,
) -> Value:  # fmt: skip
    """The array before a step, from that after it and the parts as they were."""
    for part, old in zip(step.parts, parts, strict=True):
        places = [env.get(p, p) for p in part.places]
        array, after = Value(array.type, array.name), array
        nodes.append(Node(part.write, (after, old, *places), (array,), where))
    return array


def _restoring(
    second: Node, first: Node, plan: _StackPlan, lost: dict[Value, Value], more: tuple[list[Value], list[Value]],
    restored: dict[Value, Value],
) -> Node:  # fmt: skip
    """The loop that runs backwards, with the arrays as carries."""
    op, other, where = first.op, second.op, second.where
    assert isinstance(op, Scan)
    assert isinstance(other, Scan)
    saved, stacks = more
    consts, _, entries = op.groups(op.body.inputs)
    given_consts, begun, given_entries = op.groups(first.inputs[op.lead :])
    arrays = [op.body.outputs[j] for j in plan.chains]
    # What the first loop's body reads and gives has copies here.
    env: dict[Value, Value] = {v: Value(v.type, v.name) for v in (*consts, *entries, *arrays, *saved, *plan.kept)}
    nodes: list[Node] = [silent(node).copied(env) for node in plan.placing]
    olds = iter(saved)
    parts = {step: [env[next(olds)] for _ in step.parts] for steps in plan.chains.values() for step in steps}
    for steps in plan.chains.values():
        for step in reversed(steps):
            env[step.before] = _written(nodes, step, env[step.after], parts[step], env, where)
    nodes += [silent(node).copied(env) for node in plan.computing if node not in plan.placing]
    own_consts, own_carries, own_entries = other.groups(other.body.inputs)
    taken_consts, taken_carries, taken_entries = other.groups(second.inputs[other.lead :])
    pairs = list(zip(own_entries, taken_entries, strict=True))
    changed = {v: env[lost[x]] for v, x in pairs if x in lost}
    own = [node.reading(changed) for node in other.body.nodes]
    nodes += own
    again = {changed.get(v, v): r for r, v in restored.items()}
    finals = [_put_back(nodes, own, steps, parts, env, again, where) for steps in plan.chains.values()]
    m = other.carries
    outputs = [changed.get(v, v) for v in other.body.outputs]
    left = [(v, x) for v, x in pairs if x not in lost]

    def inside(values: Iterable[Value]) -> list[Value]:
        return [env[v] for v in values]

    region = Graph(
        [*own_consts, *inside(consts), *own_carries, *inside(arrays), *[v for v, _ in left], *inside(entries),
         *inside(saved), *inside(plan.kept)],
        nodes, [*outputs[:m], *finals, *outputs[m:]], other.body.name,
    )  # fmt: skip
    operands = [
        *second.inputs[: other.lead], *taken_consts, *given_consts, *taken_carries,
        *[first.outputs[j] for j in plan.chains], *[x for _, x in left], *given_entries, *stacks,
    ]  # fmt: skip
    results = [*second.outputs[:m], *[Value(v.type) for v in arrays], *second.outputs[m:]]
    restored.update(zip(results[m:], [begun[j] for j in plan.chains], strict=False))
    scan = Scan(cse(region), other.consts + op.consts, other.length, m + len(arrays), other.reverse)
    return Node(scan, tuple(operands), tuple(results), where)


def _put_back(
    nodes: list[Node], own: Sequence[Node], steps: list[PartialStore], parts: dict[PartialStore, list[Value]],
    env: dict[Value, Value], restored: dict[Value, Value], where: Location | None,
) -> Value:  # fmt: skip
    """The array as an iteration begins with it. Where one loop changes the array on the way back, it is that loop's
    result with the changes undone: so it is never needed twice."""
    values = [env[step.before] for step in steps]
    changes = [(node, v) for node in own if isinstance(node.op, Loop) for v in node.inputs if v in values]
    more: list[Node] = []
    found = [step for node, v in changes for r in node.outputs if (step := _step(node, r, more)) and step.before is v]
    if len(changes) != 1:
        return values[0]
    at = values.index(changes[0][1])
    if values[at] in restored:
        array = restored[values[at]]
    elif len(found) == 1:
        nodes += more
        array = _written(nodes, found[0], found[0].after, _read(nodes, found[0], values[at], {}, where), {}, where)
    else:
        return values[0]
    for step in reversed(steps[:at]):
        array = _written(nodes, step, array, parts[step], env, where)
    return array

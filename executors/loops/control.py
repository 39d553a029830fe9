"""Lowering of branches and loops: their regions become statements of the same program."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from graphad.errors import ExecutorError
from graphad.executors.loops.inplace import chosen, updated
from graphad.executors.loops.lower import Lowering, rule
from graphad.executors.loops.program import (
    Branch,
    Buffer,
    EntryView,
    Iteration,
    Load,
    LoopNest,
    PushStack,
    SequentialLoop,
    Statement,
    Store,
    StridedView,
    c_strides,
)
from graphad.graph import Constant, Graph, Node, Value
from graphad.ops.arithmetic import add
from graphad.ops.regions.checkpoint import Checkpoint
from graphad.ops.regions.cond import Cond
from graphad.ops.regions.scan import Extent, Scan
from graphad.ops.regions.while_ import While
from graphad.ops.scalar import Const, Scalar, convert, operation
from graphad.ops.shape import Iota
from graphad.types import INT64, Shape


@rule(Checkpoint)
def checkpoint(low: Lowering, node: Node) -> bool:
    graph = node.op.regions["function"]
    inner = low.region(graph, [low.homes.get(v) for v in node.outputs])
    inner.statements = low.statements
    bind(low, inner, graph.inputs, node.inputs)
    inner.lower_all()
    for v, out in zip(graph.outputs, node.outputs, strict=True):
        if isinstance(v, Constant):
            single = inner.single(v)
            low.env[out] = single if single is not None else inner.constant(v)
        else:
            low.env[out] = inner.env[v]
    return True


@rule(Cond)
def cond(low: Lowering, node: Node) -> bool:
    index, *operands = node.inputs
    selector = low.scalar(index, ())
    branch = Branch(selector, [], note=low.note(node))
    places = [_cell(low, v) if v.type.size == 1 else low.place(v) for v in node.outputs]
    needed: list[Scalar] = [selector]
    assert isinstance(node.op, Cond)
    bodies, changed = chosen(node.op)
    kept: dict[int, list[list[Value]]] = {}
    for k, (j, chains) in changed.items():
        given = low.env.get(operands[k])
        if low.given_up.get(operands[k]) is node.outputs[j] and isinstance(given, StridedView) and given.contiguous:
            places[j], kept[k] = given, chains
    for i, graph in enumerate(bodies):
        inner = low.region(graph, list(places))
        needed += bind(low, inner, graph.inputs, operands)
        for k, chains in kept.items():
            inner.homes.update(dict.fromkeys(chains[i], low.view(operands[k])))
            inner.given_up.update(pairwise(chains[i]))
        inner.lower_all()
        inner.settle(places)
        branch.branches.append(inner.statements)
    branch.before.append(computed(needed))
    _answer(low, node.outputs, places, branch.after)
    low.statements.append(branch)
    return True


@rule(Scan)
def scan(low: Lowering, node: Node) -> bool:
    op: Any = node.op
    lead, n = op.lead, op.carries
    fixed = lead + op.consts
    consts, carries, arrays = node.inputs[lead:fixed], node.inputs[fixed : fixed + n], node.inputs[fixed + n :]
    if op.length == 0:
        return _unrun(low, node, carries)
    iteration = Iteration(INT64, op.length or 0)
    count: Scalar = Const(INT64, np.int64(op.length or 0))
    if lead:
        count = operation("maximum", low.scalar(node.inputs[0], ()), Const(INT64, np.int64(0)))
    outer = SequentialLoop(iteration, count, [], reverse=op.reverse, note=low.note(node))
    body, fixed_places = updated(op.body, op.consts, n)
    steps = {} if op.reverse else _counters(body, op.consts, n)
    moving = [i for i in range(n) if i not in steps]
    state = [_Carry(low, carries[i], node.outputs[i], outer, fixed_places.get(i)) for i in moving]
    results, stacks = [node.outputs[i] for i in moving], node.outputs[n:]
    places: list[StridedView | None] = [c.new for c in state]
    places += [_pushed(low, v, outer) for v in stacks]
    outputs = [body.outputs[i] for i in (*moving, *range(n, len(body.outputs)))]
    inner = low.region(body.replace(outputs=outputs), places)
    needed = bind(low, inner, body.inputs[: op.consts], consts)
    inputs = body.inputs[op.consts :]
    for i, c in zip(moving, state, strict=True):
        inner.env[inputs[i]] = c.read(inner)
    for i, step in steps.items():
        start = low.scalar(carries[i], ())
        inner.env[inputs[i]] = operation("add", start, operation("multiply", iteration, step))
        low.env[node.outputs[i]] = operation("add", start, operation("multiply", count, step))
        needed.append(start)
    if any([source in low.stacks for source in arrays]):
        outer.short = low.error("a loop asks for more intermediate values than were kept for it", ExecutorError)
    for v, source in zip(inputs[n:], arrays, strict=True):
        inner.env[v] = _entry(low, inner, v, source, outer)
    inner.lower_all()
    inner.settle(places)
    outer.body = inner.statements
    _close(low, outer, state, [*needed, count], results, op.length)
    return True


def _counters(body: Graph, consts: int, carries: int) -> dict[int, Const]:
    """The carries that grow by a known step in each iteration: they follow from its number."""
    made = {node.outputs[0]: node for node in body.nodes if node.op is add}
    found = {}
    for i, v in enumerate(body.inputs[consts : consts + carries]):
        node = made.get(body.outputs[i])
        if node is not None and v.type.dtype == INT64 and not v.type.shape and v in node.inputs:
            step = next((x for x in node.inputs if isinstance(x, Constant)), None)
            if step is not None and step.type == v.type:
                found[i] = Const(INT64, np.int64(step.array))
    return found


@rule(While)
def sequential_loop(low: Lowering, node: Node) -> bool:
    op: Any = node.op
    k, n = op.consts, op.carried
    outer = SequentialLoop(Iteration(INT64), None, [], note=low.note(node))
    body, fixed_places = updated(op.body, k, n)
    state = [
        _Carry(low, v, result, outer, fixed_places.get(i))
        for i, (v, result) in enumerate(zip(node.inputs[k:], node.outputs, strict=False))
    ]
    places: list[StridedView | None] = [c.new for c in state]
    places += [_pushed(low, v, outer) for v in node.outputs[n:]]
    needed: list[Scalar] = []
    test, inner = (low.region(graph, list(p)) for graph, p in ((op.cond, [None]), (body, places)))
    for graph, part in ((op.cond, test), (body, inner)):
        needed += bind(low, part, graph.inputs[:k], node.inputs[:k])
        for v, c in zip(graph.inputs[k:], state, strict=True):
            part.env[v] = c.read(part)
        part.lower_all()
    outer.test = test.scalar(op.cond.outputs[0], ())
    outer.condition = [*test.statements, computed([outer.test])]
    inner.settle(places)
    outer.body = inner.statements
    _close(low, outer, state, needed, node.outputs[:n], None)
    return True


@rule(Extent)
def extent(low: Lowering, node: Node) -> bool:
    (source,), (out,) = node.inputs, node.outputs
    stack = low.stacks.get(source)
    if stack is None:
        low.env[out] = Const(INT64, np.int64(source.type.shape[0]))
    else:
        low.env[out] = Load(INT64, StridedView(stack.header, 1, (), ()))
    return True


class _Carry:
    """Where a carry stands: in a cell of the function if it is small, else in two buffers that change places, or in one
    where the values `fixed` all stand there.

    `old` is what an iteration reads, `new` what it writes.
    """

    def __init__(
        self, low: Lowering, v: Value, result: Value, outer: SequentialLoop, fixed: list[Value] | None
    ) -> None:
        kind = self.kind = v.type
        shape, size = kind.shape, kind.size
        self.fixed = fixed or []
        self.swapped = size > max(low.local, 1) and not fixed
        self.first: StridedView | None = None
        given = low.env.get(v)
        if fixed and low.given_up.get(v) is result and isinstance(given, StridedView) and given.contiguous:
            self.old = self.new = given
            return
        if self.swapped:
            a, b = (Buffer("temporary", kind.dtype, size) for _ in range(2))
            old, new = (Buffer("moving", kind.dtype, size, parents=pair) for pair in ((a, b), (b, a)))
            outer.swaps.append((old, new))
            self.first, self.second = StridedView.whole(a, shape), StridedView.whole(b, shape)
        else:
            name = "local" if size <= low.local else "temporary"
            old = Buffer(name, kind.dtype, size)
            new = old if fixed else Buffer(name, kind.dtype, size)
        self.old, self.new = StridedView.whole(old, shape), StridedView.whole(new, shape)
        start = self.first or self.old
        if size:
            value = low.scalar(v, shape) if size > 1 else low.scalar(v, ())
            target = start if size > 1 else StridedView(start.buffer, start.offset, (), ())
            outer.before.append(LoopNest(target.shape, [Store(target, value)], note="carry"))

    def read(self, inner: Lowering) -> StridedView | Scalar:
        """What stands for the carry in an iteration."""
        inner.homes.update(dict.fromkeys(self.fixed, self.old))
        inner.given_up.update(pairwise(self.fixed))
        return inner.load(StridedView(self.old.buffer, 0, (), ())) if self.kind.size == 1 else self.old

    def advance(self) -> LoopNest | None:
        """What makes the new value the old one, unless they change places."""
        if self.swapped or self.fixed or not self.kind.size:
            return None
        shape = () if self.kind.size == 1 else self.kind.shape
        old, new = (StridedView(v.buffer, 0, shape, v.strides[: len(shape)]) for v in (self.old, self.new))
        return LoopNest(shape, [Store(old, Load(self.kind.dtype, new))], note="carry")

    def last(self, length: int | None) -> StridedView:
        """Where the carry stands after all iterations."""
        if self.first is None or length is None:
            return self.old
        return self.second if length % 2 else self.first


def bind(low: Lowering, inner: Lowering, inputs: Sequence[Value], operands: Sequence[Value]) -> list[Scalar]:
    """Make a region's inputs stand for values outside of it; the scalars that it then reads."""
    needed: list[Scalar] = []
    for v, source in zip(inputs, operands, strict=True):
        if source in low.counts:
            inner.counts[v] = low.counts[source]
        if source in low.stacks:
            inner.stacks[v] = low.stacks[source]
            continue
        single = low.single(source)
        if single is not None:
            inner.env[v] = single
            if not isinstance(single, Const):
                needed.append(single)
        else:
            inner.env[v] = low.view(source)
    return needed


def computed(scalars: Sequence[Scalar]) -> LoopNest:
    return LoopNest((), values=[x for x in dict.fromkeys(scalars) if not isinstance(x, Const)])


def _cell(low: Lowering, v: Value) -> StridedView:
    return StridedView.whole(Buffer("local" if low.local else "temporary", v.type.dtype, v.type.size), v.type.shape)


def _answer(low: Lowering, values: Sequence[Value], places: Sequence[StridedView], after: list[Statement]) -> None:
    """What results are, given where they stand behind the statement: numbers are read at once, and what stands in the
    function's own or in moving memory is copied."""
    numbers: list[Scalar] = []
    for v, place in zip(values, places, strict=True):
        if v.type.size == 1:
            found = Load(v.type.dtype, StridedView(place.buffer, place.offset, (), ()))
            numbers.append(found)
            low.env[v] = found
        elif place.buffer.kind in ("local", "moving"):
            target = low.place(v)
            if v.type.size:
                after.append(LoopNest(v.type.shape, [Store(target, Load(v.type.dtype, place))], note="carry"))
        else:
            low.settle_in(v, place)
    if numbers:
        after.append(computed(numbers))


def _close(
    low: Lowering, outer: SequentialLoop, state: Sequence[_Carry], needed: Sequence[Scalar], results: Sequence[Value],
    length: int | None,
) -> None:  # fmt: skip
    """Add a sequential loop to the program, with what comes before and behind it."""
    advances = [loop for c in state if (loop := c.advance()) is not None]
    numbers = [store for loop in advances if not loop.space for store in loop.stores]
    if numbers:
        outer.body.append(LoopNest((), numbers, note="carries"))
    outer.body += [loop for loop in advances if loop.space]
    outer.before.append(computed(needed))
    _answer(low, results, [c.last(length) for c in state], outer.after)
    low.statements.append(outer)


def _unrun(low: Lowering, node: Node, carries: Sequence[Value]) -> bool:
    for v, source in zip(node.outputs, carries, strict=False):
        single = low.single(source)
        low.env[v] = single if single is not None else low.view(source)
    for v in node.outputs[len(carries) :]:
        low.place(v)
    return True


def _entry(low: Lowering, inner: Lowering, v: Value, source: Value, outer: SequentialLoop) -> StridedView | Scalar:
    """What stands for the running entry of an array in a body."""
    if source in low.stacks:
        origin: StridedView | PushStack = low.stacks[source]
    else:
        if source in low.numbers:
            return convert(outer.iteration, v.type.dtype)
        single = low.single(source)
        if single is not None:
            outer.before.append(computed([single]))
            return single
        origin = low.view(source)
    view = moving(outer, origin, v.type.shape)
    return inner.load(StridedView(view.buffer, 0, (), ())) if v.type.size == 1 else view


def _pushed(low: Lowering, v: Value, outer: SequentialLoop) -> StridedView:
    """Where the running iteration's entry of a stacked result stands."""
    origin: StridedView | PushStack
    if v.type.dynamic:
        header = Buffer("temporary", INT64, 3)
        origin = PushStack(v.type.dtype, v.type.size, header)
        low.stacks[v] = origin
        low.made.append(origin)
        outer.pushed.append(origin)
        outer.error = low.error("a loop's stack of intermediate values takes more memory than there is", MemoryError)
    else:
        origin = low.place(v)
    return moving(outer, origin, v.type.shape[1:])


def moving(loop: SequentialLoop, source: StridedView | PushStack, shape: Shape) -> StridedView:
    """The entry, of that shape, at a loop's position: of a view along its first axis, or of a stack."""
    parent = source.header if isinstance(source, PushStack) else source.buffer
    buffer = Buffer("moving", source.dtype, math.prod(shape), parents=(parent,))
    if buffer.size:
        loop.entries.append(EntryView(buffer, source))
    return StridedView(buffer, 0, shape, c_strides(shape) if isinstance(source, PushStack) else source.strides[1:])


def only_counted(graph: Graph) -> set[Value]:
    """Ranges whose numbers only loops over their entries read: these count by themselves."""
    ranges = {node.outputs[0] for node in graph.nodes if isinstance(node.op, Iota)}
    ranges -= set(graph.outputs)
    for node in graph.nodes:
        op = node.op
        allowed = op.lead + op.consts + op.carries if isinstance(op, Scan) else len(node.inputs)
        ranges -= set(node.inputs[:allowed])
    return ranges

"""Sums that are continued instead of begun anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from graphad.graph import Constant, Graph, Node, Value
from graphad.ops.arithmetic import add
from graphad.ops.gather import ScatterAdd
from graphad.ops.guarding import must_be_reached, turns
from graphad.ops.regions.loop import Loop
from graphad.ops.regions.scan import Scan
from graphad.ops.select import Select, select
from graphad.ops.shape import BroadcastTo
from graphad.passes.base import graph_pass


@graph_pass
def fold_add_into_dest(graph: Graph) -> Graph:
    """Where a loop or a scatter adds to zeros, and the sum is then added to another array, add to that array at once.

    The cotangent of an array that an inner loop reads is such a sum: an outer loop would otherwise add whole arrays in
    each iteration. Regions are treated too. Meaning is kept up to the order of additions.
    """
    return _continued(graph, frozenset())


def _continued(graph: Graph, zeros: frozenset[Value], within_loop: bool = False) -> Graph:
    """The graph, of whose inputs these are zeros, with sums continued."""
    if within_loop:
        graph = _increased(graph)
    if not any([node.op._region_fields for node in graph.nodes]):
        return graph
    producers = {v: node for node in graph.nodes for v in node.outputs}

    def within(node: Node) -> Node:
        op = node.op
        known: frozenset[Value] = frozenset()
        if isinstance(op, Scan):
            consts = zip(op.body.inputs[: op.consts], node.inputs[op.lead :], strict=False)
            known = frozenset([inner for inner, v in consts if _is_zeros(v, producers, zeros)])
        return node.map_regions(lambda region: _continued(region, known, isinstance(op, Loop)))

    nodes = [within(node) for node in graph.nodes]
    outputs = list(graph.outputs)
    if any([isinstance(node.op, Scan) for node in nodes]):
        sums = _Sums(nodes, outputs, zeros)
        if sums.run():
            nodes, outputs = sums.ordered(), [sums.renamed.get(v, v) for v in outputs]
    return graph.replace(nodes=nodes, outputs=outputs)


def _increased(graph: Graph) -> Graph:
    """The body of a loop in which derivatives change a total only where a choice adds something to it, as an array can
    that stays where it is."""
    uses = Counter([*[v for node in graph.nodes for v in node.inputs], *graph.outputs])
    makers: dict[Value, Node] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        made = _choice(node, makers, uses) if node.op is add and node.where is not None and node.where.role else [node]
        nodes += made
        makers.update({v: each for each in made for v in each.outputs})
    return graph.replace(nodes=nodes)


def _choice(node: Node, makers: dict[Value, Node], uses: Counter[Value]) -> list[Node]:
    (out,) = node.outputs
    for total, part in (node.inputs, node.inputs[::-1]):
        maker = makers.get(part)
        if maker is None or not isinstance(maker.op, Select) or uses[part] > 1 or total.type != out.type:
            continue
        condition, x, y = maker.inputs
        term, taken = (x, True) if _is_zeros(y, makers, frozenset()) else (y, False)
        if (taken or _is_zeros(x, makers, frozenset())) and condition.type.shape == out.type.shape == term.type.shape:
            new = Value(out.type)
            sides = (new, total) if taken else (total, new)
            return [Node(add, (total, term), (new,), node.where), Node(select, (condition, *sides), (out,), node.where)]
    return [node]


Use = tuple[Node, int]
"""A node, and the operand that it adds something to."""
_LONGEST = 100
"""Steps of a sum that is continued: what is looked at for each addition is bounded."""


class _Spines:
    """By which steps values are zeros, or the value `stop`, with something added.

    Nothing else may read what is between. `known` holds for each value the step that makes it such a sum; True where it
    is what is added to, False where it is anything else.
    """

    def __init__(self, nodes: Sequence[Node], outputs: Sequence[Value], zeros: frozenset[Value]) -> None:
        self.uses = Counter([*[v for node in nodes for v in node.inputs], *outputs])
        self.producers = {v: node for node in nodes for v in node.outputs}
        self.zeros = zeros
        self.stop: Value | None = None
        self.known: dict[Value, Use | bool] = {}
        self.inputs: dict[Node, tuple[Value, ...]] = {}
        self.bodies: dict[Graph, _Spines] = {}

    def operands(self, node: Node) -> tuple[Value, ...]:
        """What a node reads by now."""
        return self.inputs.get(node, node.inputs)

    def spine(self, v: Value) -> list[Use]:
        """The steps from a value down to what it adds to; none where it is no such sum, or a long one."""
        self.find(v)
        steps: list[Use] = []
        last = self.known[v]
        while isinstance(last, tuple) and len(steps) <= _LONGEST:
            steps.append(last)
            last = self.known[self.operands(last[0])[last[1]]]
        return steps if last is True else []

    def find(self, v: Value) -> None:
        stack, known = [v], self.known
        while stack:
            u = stack[-1]
            if u not in known and (u is self.stop or (self.stop is None and self.is_zeros(u))):
                known[u] = True
            if u in known:
                stack.pop()
                continue
            for step in self.steps(u):
                node, at = step
                before = self.operands(node)[at]
                if before not in known:
                    stack.append(before)
                    break
                # An addition to zeros themselves is for other passes.
                if known[before] and not (known[before] is True and self.stop is None and node.op is add):
                    known[u] = step
                    break
            else:
                known[u] = False

    def steps(self, v: Value) -> list[Use]:
        """The operands to which the node that makes a value may add."""
        node = self.producers.get(v)
        if node is None or self.uses[v] != 1:
            return []
        op = node.op
        if type(op) is ScatterAdd:
            return [(node, 0)]
        if op is add and all([x.type == v.type for x in node.inputs]):
            return [(node, 0), (node, 1)]
        if isinstance(op, Scan) and v in node.outputs[: op.carries]:
            k = node.outputs.index(v)
            if self.adds(op.body, op.consts + k, k):
                return [(node, op.lead + op.consts + k)]
        return []

    def adds(self, body: Graph, taken: int, given: int) -> bool:
        """Whether the body's result is one of its inputs with something added that does not depend on it."""
        inner = self.bodies.get(body) or _Spines(body.nodes, body.outputs, frozenset())
        carry = body.inputs[taken]
        self.bodies[body], inner.stop, inner.known = inner, carry, {}
        return inner.uses[carry] == 1 and bool(inner.spine(body.outputs[given]))

    def is_zeros(self, v: Value) -> bool:
        return _is_zeros(v, self.producers, self.zeros)


class _Sums(_Spines):
    """One walk over a graph's nodes, in their order, in which additions of sums to something else are left out.

    The steps of such a sum move to where the addition stands. What they add to may not depend on them: it cannot where
    nothing else reads what they give. Only a loop has several results, so for each value the loops that it depends on
    are kept, as the bits of a number.
    """

    def __init__(self, nodes: Sequence[Node], outputs: Sequence[Value], zeros: frozenset[Value]) -> None:
        super().__init__(nodes, outputs, zeros)
        self.nodes = nodes
        self.renamed: dict[Value, Value] = {}
        self.bits: dict[Node, int] = {}
        self.reads: dict[Value, int] = {}
        # What a loop depends on since a sum was handed to it.
        self.given: dict[int, int] = {}
        self.turns = turns(nodes)
        # The steps that stand in an addition's place, and for each step the last of those in whose place it stands.
        self.moved: dict[Node, list[Node]] = {}
        self.place: dict[Node, Node] = {}

    def run(self) -> bool:
        """Whether any addition is left out."""
        for node in self.nodes:
            if not self.renamed.keys().isdisjoint(node.inputs):
                self.inputs[node] = tuple([self.renamed.get(v, v) for v in node.inputs])
            if node.op is add and all([v.type == node.outputs[0].type for v in node.inputs]) and self.left_out(node):
                continue
            read = self.dependence(self.operands(node))
            if isinstance(node.op, Scan) and len(node.outputs) > 1:
                self.bits[node] = 1 << len(self.bits)
                read |= self.bits[node]
            self.reads.update(dict.fromkeys(node.outputs, read))
        return bool(self.moved)

    def left_out(self, node: Node) -> bool:
        """Whether one operand of an addition is a sum that begins with the other from now on."""
        x, y = self.operands(node)
        for total, part in ((x, y), (y, x)):
            steps = self.spine(part)
            nodes = [step for step, _ in steps]
            loops = [self.bits[step] for step in nodes if step in self.bits]
            before = self.dependence([total])
            if not any([isinstance(step.op, Scan) for step in nodes]) or any([before & bit for bit in loops]):
                continue
            if not self.may_move(nodes, node, bool(loops)):
                continue
            first, at = steps[-1]
            self.inputs[first] = (*self.operands(first)[:at], total, *self.operands(first)[at + 1 :])
            self.moved[node] = nodes[::-1]
            self.place.update(dict.fromkeys(nodes, node))
            self.given.update({bit: self.given.get(bit, 0) | before for bit in loops})
            for v in [v for step in nodes for v in step.outputs]:
                self.known.pop(v, None)
            self.renamed[node.outputs[0]] = part
            self.uses[part] = self.uses[node.outputs[0]]
            self.reads[part] = self.dependence([total, part])
            return True
        return False

    def may_move(self, steps: Sequence[Node], to: Node, others: bool) -> bool:
        """Whether nothing happens in another order if steps, and `others` that read them, stand in a node's place."""
        bound = steps[-1:] if others else [step for step in steps if must_be_reached(step.op)]
        return all([self.turns[step] == self.turns[to] for step in bound])

    def dependence(self, values: Iterable[Value]) -> int:
        """The loops that values depend on."""
        found, before = 0, -1
        for v in values:
            found |= self.reads.get(v, 0)
        while found != before:
            before = found
            for bit, more in self.given.items():
                if found & bit:
                    found |= more
        return found

    def ordered(self) -> list[Node]:
        """The nodes that are left, each after what it reads."""
        found: list[Node] = []
        for node in self.nodes:
            here = self.moved.get(node, [] if node in self.place else [node])
            for step in here:
                if self.place.get(step, node) is node:
                    found.append(step.with_inputs(self.inputs[step]) if step in self.inputs else step)
        return _sorted(found)


def _is_zeros(v: Value, producers: dict[Value, Node], zeros: frozenset[Value]) -> bool:
    node = producers.get(v)
    if node is not None and isinstance(node.op, BroadcastTo):
        v = node.inputs[0]
    return v in zeros or (isinstance(v, Constant) and v.type.dtype.kind in "fc" and not np.any(v.array))


def _sorted(nodes: Sequence[Node]) -> list[Node]:
    """The nodes in their order, but each after what it reads."""
    producers = {v: node for node in nodes for v in node.outputs}
    done: set[int] = set()
    begun: set[int] = set()
    out: list[Node] = []
    for node in nodes:
        stack = [node]
        while stack:
            top = stack[-1]
            waiting = [p for v in top.inputs if (p := producers.get(v)) is not None and id(p) not in done]
            if waiting:
                assert id(top) not in begun, "a node reads what depends on it"
                begun.add(id(top))
                stack.extend(waiting)
                continue
            stack.pop()
            if id(top) not in done:
                done.add(id(top))
                out.append(top)
    return out

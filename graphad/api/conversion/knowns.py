"""What a loop computes from known numbers alone: counters, times, and with them the trip count of a `while`.

Such numbers are known after the loop as they are in Python, though they are traced within it.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

import numpy as np

from graphad.api.conversion.parts import known
from graphad.errors import ControlFlowError
from graphad.graph import Constant, Graph, Node, Value
from graphad.location import place
from graphad.ops.regions.base import dependence
from graphad.ops.regions.cond import Cond
from graphad.ops.regions.scan import Scan
from graphad.ops.shape import Iota
from graphad.passes.cleanup.dce import dce
from graphad.trace import Tracer
from graphad.types import INT64, TensorType

Range = tuple[int, int]
_INTEGER = TensorType(INT64)
_MOST = 100_000
"""Iterations up to which numbers are computed while tracing."""
_EXACT: dict[str, Callable[..., Any]] = {
    "add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "power": operator.pow,
    "negative": operator.neg, "square": lambda x: x * x, "left_shift": operator.lshift,
}  # fmt: skip
"""Python's own operations on integers, which do not wrap around."""


def number(x: Any) -> Any:
    """The array behind an operand of a loop that is known, or made of what is known at once; else None."""
    if not isinstance(x, Tracer):
        return np.asarray(x)
    if isinstance(x.value, Constant):
        return x.value.array
    made = x.builder.maker(x.value)
    plain = made is not None and all([isinstance(v, Constant) for v in made.inputs])
    return known(x) if plain else None


class _Positions:
    """The numbers 0, 1, ... of a long range, one by one."""

    dtype = INT64

    def __init__(self, size: int) -> None:
        self.size = size

    def min(self) -> int:
        return 0

    def max(self) -> int:
        return self.size - 1

    def __getitem__(self, i: int) -> Any:
        return np.int64(i)


def column(x: Any) -> Any:
    """What a loop has a row of in each iteration, None where it is not known while tracing."""
    if not isinstance(x, Tracer):
        return x
    made = x.builder.maker(x.value)
    return _Positions(x.shape[0]) if made is not None and made.op == Iota(x.shape[0]) else known(x)


class Knowns:
    """The carries of a loop that are computed from known numbers alone.

    `given` are the operands of the body in its order, None for what is not known: `fixed` that stay, then the carries;
    `columns` the arrays of which each iteration has a row.
    """

    def __init__(self, body: Graph, given: Sequence[Any], fixed: int, columns: Sequence[Any] = ()) -> None:
        self.body = body
        self.given = list(given)
        self.fixed = fixed
        self.columns = list(columns)
        self.carries = len(given) - fixed
        known = [x is not None for x in self.given[fixed:]]
        while True:
            flags = [x is None for x in self.given[:fixed]] + [not k for k in known]
            self.flags = [*flags, *[x is None for x in self.columns]]
            moved = dependence(body, self.flags)[: self.carries]
            again = [k and not m for k, m in zip(known, moved, strict=True)]
            if again == known:
                break
            known = again
        self.known = known

    def all(self) -> bool:
        """Whether all carries are."""
        return all(self.known) and len(self.body.outputs) == self.carries

    def after(self, count: int, wanted: Sequence[int]) -> dict[int, Any]:
        """The carries at these positions after some iterations, as far as they are known."""
        found: dict[int, Any] = {}
        rest: list[int] = []
        for j in wanted:
            step = self._step(j)
            if step is not None:
                found[j] = _fits(int(self.given[self.fixed + j]) + count * step)
            elif self.known[j]:
                rest.append(j)
        if rest and count <= _MOST:
            run = self._program(rest)
            if run is not None:
                state = run.start()
                for i in range(count):
                    run.step(state, i)
                found.update({j: state[run.inputs[j]] for j in rest})
        return found

    def trips(self, test: Graph) -> int | None:
        """How often the body runs while a test holds, if that is known."""
        if dependence(test, self.flags[: self.fixed + self.carries])[0]:
            return None
        asked = _needed(test, [0])
        run = self._program([j for j in range(self.carries) if self.known[j] and test.inputs[self.fixed + j] in asked])
        if run is None or not _harmless(asked.nodes):
            return None
        state = run.start()
        for i in range(_MOST):
            env = dict(zip(test.inputs, [state[v] for v in run.every], strict=True))
            _evaluate(asked.nodes, env)
            if not _read(env, test.outputs[0]):
                return i
            run.step(state, i)
        return None

    def check_integers(self, count: int) -> None:
        """Raise `ControlFlowError` where integers that some iterations compute may outgrow 64 bits, as far as it is
        known between which numbers they lie: Python's do not wrap around."""
        between: dict[Value, Range] = {}
        inputs = self.body.inputs
        for v, x in zip(inputs, [*self.given, *self.columns], strict=True):
            if x is not None and x.dtype.kind == "i" and x.size and v.type.shape == ():
                between[v] = int(x.min()), int(x.max())
        for j in range(self.carries):
            v, step = inputs[self.fixed + j], self._step(j)
            if v in between and self.body.outputs[j] is not v:
                first = between.pop(v)[0]
                if step is not None:
                    between[v] = min(first, first + count * step), max(first, first + count * step)
        _bound(self.body, between)

    def _step(self, j: int) -> int | None:
        """What each iteration adds to an integer, if that is a constant."""
        if self.given[self.fixed + j] is None or self.given[self.fixed + j].dtype.kind != "i":
            return None
        out, own = self.body.outputs[j], self.body.inputs[self.fixed + j]
        node = next((n for n in self.body.nodes if out in n.outputs), None)
        if node is None or node.op.name not in ("add", "subtract"):
            return None
        a, b = node.inputs
        if a is own and isinstance(b, Constant):
            return int(b.array) if node.op.name == "add" else -int(b.array)
        return int(a.array) if b is own and isinstance(a, Constant) and node.op.name == "add" else None

    def _program(self, wanted: Sequence[int]) -> _Program | None:
        """What computes some known carries, with those that they need; None where it does more than that."""
        needed = list(wanted)
        while True:
            part = _needed(self.body, needed)
            more = [j for j in range(self.carries) if self.body.inputs[self.fixed + j] in part and j not in needed]
            if not more:
                return _Program(self, part, needed) if _harmless(part.nodes) else None
            needed += more


def _bound(graph: Graph, between: dict[Value, Range]) -> None:
    """Find between which numbers the integers of a graph lie, from those of its inputs."""
    for node in graph.nodes:
        found: list[Any] = [(int(v.array),) * 2 if _is_integer(v) else between.get(v) for v in node.inputs]
        if isinstance(node.op, (Cond, Scan)):
            skipped = 1 if isinstance(node.op, Cond) else node.op.lead
            for region in node.op.regions.values():
                fixed = region.inputs[: node.op.consts] if isinstance(node.op, Scan) else region.inputs
                given = zip(fixed, found[skipped:], strict=False)
                _bound(region, {v: x for v, x in given if x is not None})
        exact = _EXACT.get(node.op.name)
        if exact is None or node.outputs[0].type != _INTEGER or any([x is None for x in found]):
            continue
        if node.op.name in ("power", "left_shift"):
            low, high = [min(max(i, 0), 64) for i in found[1]]
            found[1] = low, max(high - 1, low), high  # a power of a negative number changes its sign
        corners = [exact(*xs) for xs in itertools.product(*found)]
        between[node.outputs[0]] = _fits(min(corners)), _fits(max(corners))


def _is_integer(v: Value) -> TypeGuard[Constant]:
    return isinstance(v, Constant) and v.type == _INTEGER


class _Needed:
    """The nodes that some outputs of a graph need."""

    def __init__(self, nodes: Sequence[Node], outputs: Sequence[Value]) -> None:
        self.nodes = nodes
        self.read = {v for n in nodes for v in n.inputs} | set(outputs)

    def __contains__(self, v: Value) -> bool:
        return v in self.read


def _needed(graph: Graph, outputs: Sequence[int]) -> _Needed:
    wanted = [graph.outputs[j] for j in outputs]
    # Branches are rid of what else they give, and then of what that needs.
    found = dce(Graph(graph.inputs, _reached(graph.nodes, wanted), wanted, graph.name))
    return _Needed(_reached(found.nodes, found.outputs), found.outputs)


def _reached(nodes: Sequence[Node], wanted: Sequence[Value]) -> list[Node]:
    """The nodes from which some values come, in order."""
    found: list[Node] = []
    read = set(wanted)
    for node in reversed(nodes):
        if not read.isdisjoint(node.outputs):
            found.append(node)
            read.update(node.inputs)
    return found[::-1]


def _harmless(nodes: Sequence[Node]) -> bool:
    """Whether nodes may be computed while tracing."""
    return not any([n.op.effect or n.op.drawn or n.op.raises for n in nodes])


class _Program:
    """Some carries of a loop, run while tracing."""

    def __init__(self, knowns: Knowns, part: _Needed, carried: Sequence[int]) -> None:
        self.knowns = knowns
        self.nodes = part.nodes
        fixed, n = knowns.fixed, knowns.carries
        self.every = knowns.body.inputs[: fixed + n]
        self.inputs = dict(enumerate(knowns.body.inputs[fixed : fixed + n]))
        self.outputs = [(self.inputs[j], knowns.body.outputs[j]) for j in carried]
        self.rows = [(v, x) for v, x in zip(knowns.body.inputs[fixed + n :], knowns.columns, strict=True) if v in part]

    def start(self) -> dict[Value, Any]:
        """The state before the first iteration."""
        return dict(zip(self.every, self.knowns.given, strict=True))

    def step(self, state: dict[Value, Any], i: int) -> None:
        """Go on by one iteration."""
        env = {**state, **{v: x[i] for v, x in self.rows}}
        _evaluate(self.nodes, env)
        state.update([(v, np.asarray(_read(env, out))) for v, out in self.outputs])


def _read(env: dict[Value, Any], v: Value) -> Any:
    return v.array if isinstance(v, Constant) else env[v]


def _evaluate(nodes: Sequence[Node], env: dict[Value, Any]) -> None:
    with np.errstate(all="ignore"):
        for node in nodes:
            xs = [_read(env, v) for v in node.inputs]
            found = node.op.eval(np, *xs)
            _check(node, xs, found)
            env.update(zip(node.outputs, (found,) if len(node.outputs) == 1 else found, strict=True))


def _check(node: Node, xs: Sequence[Any], found: Any) -> None:
    """Raise `ControlFlowError` where an integer outgrows its type, which Python's do not."""
    exact = _EXACT.get(node.op.name)
    integer = node.outputs[0].type.dtype.kind == "i" and not np.shape(found)
    if exact is not None and integer and exact(*[int(x) for x in xs]) != int(found):
        _fits(1 << 64)


def _fits(x: int) -> int:
    if not -(1 << 63) <= x < 1 << 63:
        raise ControlFlowError(f"an integer of Python outgrows 64 bits in a loop{place()}; use floating-point numbers")
    return x

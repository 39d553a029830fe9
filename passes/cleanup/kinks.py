"""Kinks that cancel: derivatives of even powers of norms and roots, and products of two signs of one value.

`norm(x)**2` is smooth, but the rules of `norm` and of the power are not, one by one. What a norm, an absolute value or
a root is of stands in the graph, and the derivative of a power comes from that. A product of `sign(x)` with `sign(x)`
is 1, on both sides of 0 and so at 0 too: with that every smooth function of `abs(x)` has its second derivative.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphad.attributes import cached
from graphad.build import Builder
from graphad.graph import Constant, Node, Value
from graphad.op import Op
from graphad.ops.arithmetic import (
    IntegerPow,
    add,
    divide,
    float_power,
    integer_pow,
    negative,
    reciprocal,
    square,
    subtract,
)
from graphad.ops.complex import sign
from graphad.ops.dot_general import DotGeneral
from graphad.ops.elementwise import Cast
from graphad.ops.machinery import MultiplyNoNan, multiply
from graphad.ops.reduce import Sum
from graphad.ops.select import Select, select
from graphad.ops.shape import broadcast_to
from graphad.trace import Tracer, full

_POWERS = frozenset(map(type, (square, float_power, multiply))) | {IntegerPow, DotGeneral}
_PRODUCTS = frozenset({type(multiply), MultiplyNoNan})
_SUMS = frozenset({type(add), type(subtract), Select})
"""The ops of which each term is one of the last two operands."""
_FACTORS = frozenset({type(negative), type(divide), Cast})
"""The ops of which each term is one of the first operand's, but for a factor."""


def has_square(op: Op) -> bool:
    """Whether the op is a norm or a root, whose square is smooth."""
    return type(op).squared is not Op.squared


def firsts(nodes: Sequence[Node]) -> dict[Value, Value]:
    """The first value that is computed in the same way from the same, for each value that is not the first."""
    found: dict[Value, Value] = {}
    seen: dict[tuple[Any, ...], Node] = {}
    for node in nodes:
        if not node.op.effect:
            first = seen.setdefault((node.op, tuple([found.get(v, v) for v in node.inputs])), node)
            if first is not node:
                found.update(zip(node.outputs, first.outputs, strict=True))
    return found


class Known:
    """What is known of a graph's values: the nodes that make them, and, when it is asked for, which are the same."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self.producers = {v: node for node in nodes for v in node.outputs}

    @cached
    def first(self) -> dict[Value, Value]:
        """As `firsts`."""
        return firsts(self.nodes)

    def same(self, a: Value, b: Value) -> bool:
        """Whether two values are computed in the same way from the same."""
        return a is b or self.first.get(a, a) is self.first.get(b, b)


class Scaled(NamedTuple):
    """A value that is `factor * root`, where the square of the root is smooth; a factor of `None` is 1."""

    factor: Any
    root: Value
    square: Callable[[], Any]

    def times(self, other: Any) -> Any:
        """`factor * other`."""
        return other if self.factor is None else multiply(self.factor, other)


def smooth_power(builder: Builder, node: Node, known: Known) -> tuple[Any, Any] | None:
    """`(slope, model)` for a power of a norm or a root: its tangent is the slope times the tangent of the model.

    The nodes of both are recorded. A slope of `None` is 1; `None` comes back where there is no such power.
    """
    if type(node.op) not in _POWERS:
        return None
    start = len(builder.nodes)
    found = _power(builder, node, known)
    if found is None:
        del builder.nodes[start:]
    return found


def _power(builder: Builder, node: Node, known: Known) -> tuple[Any, Any] | None:
    op, inputs = node.op, node.inputs
    one = scaled(builder, inputs[0], known)
    if one is None:
        return None
    if op is multiply or isinstance(op, DotGeneral):
        if op is not multiply and not _square_of_vector(op, inputs, known):
            return None
        two = scaled(builder, inputs[1], known)
        if two is None or not known.same(one.root, two.root):
            return None
        model = one.times(two.times(one.square()))
        return None, model if op is multiply else Sum(tuple(range(model.ndim)))(model)
    exponent = _exponent(node)
    if exponent is None or exponent < 2:
        return None
    model = one.times(one.times(one.square()))
    if exponent == 2:
        return None, model
    v = Tracer(builder, inputs[0])
    rest = integer_pow(v, int(exponent) - 2) if isinstance(op, IntegerPow) else op(v, np.asarray(exponent - 2, v.dtype))
    return multiply(np.asarray(exponent / 2, v.dtype), rest), model


def _square_of_vector(op: Any, inputs: Sequence[Value], known: Known) -> bool:
    """Whether a contraction sums the squares of all elements of one value."""
    x, y = inputs
    return (
        known.same(x, y) and not op.lhs_batch and op.lhs_contract == op.rhs_contract
        and len(op.lhs_contract) == x.type.ndim
    )  # fmt: skip


def _exponent(node: Node) -> float | None:
    """The known exponent of a power."""
    if node.op is square:
        return 2
    if isinstance(node.op, IntegerPow):
        return node.op.n
    exponent = node.inputs[1]
    if not isinstance(exponent, Constant) or exponent.type.size != 1 or exponent.type.dtype.kind != "f":
        return None
    return float(exponent.array.reshape(-1)[0])


def scaled(builder: Builder, v: Value, known: Known) -> Scaled | None:
    """A value as a multiple of a norm or a root, if products, quotients and moves lead to one."""
    node = known.producers.get(v)
    if node is None:
        return None
    op, operands = node.op, [Tracer(builder, u) for u in node.inputs]
    if has_square(op):
        return Scaled(None, v, lambda: op.squared(Tracer(builder, v), *operands))
    if op is multiply:
        for i in (0, 1):
            found = scaled(builder, node.inputs[i], known)
            if found is not None:
                return found._replace(factor=found.times(operands[1 - i]))
        return None
    if isinstance(op, Select):
        return _chosen(builder, v, node, known)
    if type(op) not in _FACTORS and not op.moves:
        return None
    found = scaled(builder, node.inputs[0], known)
    if found is None:
        return None
    if op is divide:
        factor = reciprocal(operands[1]) if found.factor is None else divide(found.factor, operands[1])
        return found._replace(factor=factor)
    if op is negative:
        return found._replace(factor=np.asarray(-1, v.type.dtype) if found.factor is None else -found.factor)
    if isinstance(op, Cast) and op.dtype.kind not in "fc":
        return None
    factor, power, shape = found.factor, found.square, node.inputs[0].type.shape

    def move(x: Any) -> Any:
        return op(x if isinstance(op, Cast) else broadcast_to(x, shape), *operands[1:])

    return Scaled(None if factor is None else move(factor), v, lambda: move(power()))


def _chosen(builder: Builder, v: Value, node: Node, known: Known) -> Scaled | None:
    """A choice between multiples of norms or roots, or one and something else, as a root itself."""
    condition, *branches = node.inputs
    found = [scaled(builder, x, known) for x in branches]
    if all([f is None for f in found]):
        return None

    def squared() -> Any:
        squares = [
            f.times(f.times(f.square())) if f is not None else square(Tracer(builder, x))
            for f, x in zip(found, branches, strict=True)
        ]
        return select(Tracer(builder, condition), *squares)

    return Scaled(None, v, squared)


# -- signs --------------------------------------------------------------------------------------------------------


def without_signs(builder: Builder, old: Collection[Value]) -> None:
    """Cancel the products of `sign(x)` with `sign(x)` among the nodes that give no old value."""
    signs = [node for node in builder.nodes if node.op is sign and node.outputs[0].type.dtype.kind == "f"]
    if len(signs) > 1:
        first = firsts(builder.nodes)
        counts = Counter(first.get(node.inputs[0], node.inputs[0]) for node in signs)
        several = {x for x, count in counts.items() if count > 1}
        if several:
            _Signs(builder, several, first).run(old)


class _Signs:
    """Each value as a sum of products, some with a factor `sign(x)`."""

    def __init__(self, builder: Builder, signs: set[Value], first: dict[Value, Value]) -> None:
        self.builder, self.signs, self.first = builder, signs, first
        self.producers = {v: node for node in builder.nodes for v in node.outputs}
        self.found: dict[tuple[Value, Value], tuple[bool, bool]] = {}
        self.made: dict[tuple[Value, Value], Any] = {}

    def run(self, old: Collection[Value]) -> None:
        builder = self.builder
        nodes = list(builder.nodes)
        builder.nodes.clear()
        for node in nodes:
            replaced = None
            if type(node.op) in _PRODUCTS and node.outputs[0] not in old:
                builder.where = node.where
                replaced = self.product(node)
                builder.where = None
            builder.nodes.append(node if replaced is None else replaced)
            for v in node.outputs:
                self.producers[v] = builder.nodes[-1]

    def product(self, node: Node) -> Node | None:
        """A product in which two equal signs met, without them."""
        for x in self.signs:
            for a, b in (node.inputs, node.inputs[::-1]):
                if self.has(a, x)[0] and self.has(b, x)[1]:
                    first, second = self.times(a, x), self.times(b, x)
                    operands = (first, second) if a is node.inputs[0] else (second, first)
                    return Node(node.op, tuple([y.value for y in operands]), node.outputs, node.where)
        return None

    def has(self, v: Value, x: Value) -> tuple[bool, bool]:
        """Whether all terms of a value have the factor `sign(x)`, and whether some have."""
        key = v, x
        if key not in self.found:
            self.found[key] = self.look(v, x)
        return self.found[key]

    def look(self, v: Value, x: Value) -> tuple[bool, bool]:
        node = self.producers.get(v)
        if node is None:
            return False, False
        op, inputs = node.op, node.inputs
        if op is sign:
            return (self.first.get(inputs[0], inputs[0]) is x,) * 2
        if type(op) in _PRODUCTS:
            a, b = self.has(inputs[0], x), self.has(inputs[1], x)
            return a[0] or b[0], a[1] or b[1]
        if type(op) in _SUMS:
            a, b = (self.has(u, x) for u in inputs[-2:])
            return a[0] and b[0], a[1] or b[1]
        if type(op) in _FACTORS:
            return self.has(inputs[0], x)
        return False, False

    def times(self, v: Value, x: Value) -> Any:
        """A value times `sign(x)`, in which signs that meet are gone."""
        key = v, x
        if key not in self.made:
            self.made[key] = self.multiplied(v, x)
        return self.made[key]

    def multiplied(self, v: Value, x: Value) -> Any:
        value = Tracer(self.builder, v)
        if not self.has(v, x)[1]:
            return multiply(sign(Tracer(self.builder, x)), value)
        node = self.producers[v]
        op, inputs = node.op, node.inputs
        operands: list[Any] = [Tracer(self.builder, u) for u in inputs]
        if op is sign:
            return full(self.builder, v.type, 1)
        if type(op) in _PRODUCTS:
            # The operand all of whose terms have the sign, else the one of which some have.
            i = max((0, 1), key=lambda i: self.has(inputs[i], x))
            operands[i] = self.times(inputs[i], x)
        elif type(op) in _SUMS:
            operands[-2:] = [self.times(u, x) for u in inputs[-2:]]
        else:
            operands[0] = self.times(inputs[0], x)
        return op(*operands)


__all__ = ["Known", "firsts", "has_square", "smooth_power", "without_signs"]

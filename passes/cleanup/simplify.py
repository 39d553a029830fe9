"""Algebraic simplification by a table of rules, to which anyone can add with `rewrite`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from graphad.graph import Constant, Graph, Node
from graphad.op import Op, op_class
from graphad.ops.arithmetic import (
    IntegerPow,
    add,
    bitwise_and,
    bitwise_or,
    bitwise_xor,
    divide,
    float_power,
    invert,
    left_shift,
    logical_and,
    logical_or,
    negative,
    positive,
    reciprocal,
    right_shift,
    subtract,
)
from graphad.ops.complex import absolute, conjugate, sign
from graphad.ops.dot_general import DotGeneral
from graphad.ops.dynamic import DynamicSlice, DynamicUpdateSlice
from graphad.ops.elementwise import Cast, Elementwise, cast
from graphad.ops.gather import ScatterAdd
from graphad.ops.machinery import MultiplyNoNan, multiply
from graphad.ops.reduce import Sum
from graphad.ops.rounding import ceil, floor, fmax, fmin, maximum, minimum, rint, trunc
from graphad.ops.select import Select
from graphad.ops.shape import BroadcastTo, Reshape, Transpose, broadcast_to, reshape
from graphad.ops.slicing import Reverse, Slice
from graphad.passes.base import graph_pass
from graphad.passes.rewriting import Kind, Rule, Rules, sweep
from graphad.trace import Tracer

RULES = Rules()
"""The rules by the ops that they look at; earlier rules go first."""

_found: dict[type[Op], tuple[Rule, ...]] = {}
R = TypeVar("R", bound=Callable[..., Any])


@graph_pass
def simplify(graph: Graph) -> Graph:
    """Apply the rules of `RULES` in one forward sweep, in regions too.

    Meaning is kept up to rounding; in derivatives a zero may lose its sign. A rule never turns a NaN into a number by
    itself: `x * 0` stays for floating `x`. What no longer is read stays for `dce`.
    """
    return sweep(graph, _rules_of, simplify)


def rewrite(*ops: Kind) -> Callable[[R], R]:
    """Register a rule for these ops, given by themselves, their classes or names: `rule(node, *operands)`.

    The operands are traced values: compute the replacement with NumPy's functions and operators. The answer is
    what replaces the node's result, of the same type, or `None` if the rule does not apply. `number` and
    `made_by` tell what an operand is. The rule of an op is not that of what is derived from its class; a rule for an
    abstract class is one for all below it.
    """

    def register(rule: R) -> R:
        for op in ops:
            RULES[op].append(rule)
        _found.clear()
        return rule

    return register


def number(x: Tracer) -> Any:
    """The number that fills a constant operand (through a broadcast), or `None` if there is not one known."""
    v: Any = x.value
    node = x.builder.producers.get(v)
    if node is not None and type(node.op) is BroadcastTo:
        v = node.inputs[0]
    if not isinstance(v, Constant) or not v.type.size:
        return None
    if v.type.size == 1:
        return v.array.reshape(-1)[0]
    first = v.array.flat[0]
    return first if (v.array == first).all() else None


def made_by(x: Tracer, *ops: Kind) -> Node | None:
    """The node that computes an operand, if its op is one of these, given as in `rewrite`."""
    node = x.builder.producers.get(x.value)
    if node is not None:
        cls = type(node.op)
        for kind in ops:
            if kind is cls or type(kind) is cls or (isinstance(kind, str) and op_class(kind) is cls):
                return node
    return None


def operands(x: Tracer, node: Node) -> list[Tracer]:
    """The operands of a node found by `made_by`."""
    return [Tracer(x.builder, v) for v in node.inputs]


def _rules_of(op: Op) -> tuple[Rule, ...]:
    cls: type[Op] = type(op)
    found = _found.get(cls)
    if found is None:
        kinds = [b for b in cls.__mro__ if issubclass(b, Op) and b in RULES and (b is cls or b.abstract)]
        found = _found[cls] = tuple([rule for base in kinds for rule in RULES[base]])
    return found


def _like(node: Node, x: Any) -> Any:
    """An operand, of the result's dtype, as the whole result."""
    return broadcast_to(x, node.outputs[0].type.shape)


def _filled(node: Node, value: Any) -> Any:
    kind = node.outputs[0].type
    scalar = np.asarray(value, kind.dtype)
    return BroadcastTo(kind.shape)(Tracer(_builder(), Constant(scalar))) if kind.shape else scalar


def _builder() -> Any:
    from graphad.build import current_builder

    return current_builder()


# -- arithmetic ---------------------------------------------------------------------------------------------------

NEUTRAL: Sequence[tuple[Op, int, Any]] = [
    (add, 1, 0), (add, 0, 0), (subtract, 1, 0), (multiply, 1, 1), (multiply, 0, 1), (divide, 1, 1),
    (MultiplyNoNan(), 1, 1), (MultiplyNoNan(), 0, 1), (float_power, 1, 1), (left_shift, 1, 0), (right_shift, 1, 0),
    (bitwise_or, 1, 0), (bitwise_or, 0, 0), (bitwise_xor, 1, 0), (bitwise_xor, 0, 0),
]  # fmt: skip
"""Rows (op, position, number): with that number as that operand, the op gives its other operand."""

INVOLUTIONS: Sequence[Op] = [negative, conjugate, invert]
IDEMPOTENT: Sequence[Op] = [absolute, positive, floor, ceil, trunc, rint, sign]


def _neutral(position: int, value: Any) -> Rule:
    def neutral(node: Node, *xs: Tracer) -> Any:
        other = xs[1 - position]
        if other.dtype != node.outputs[0].type.dtype:
            return None
        found = number(xs[position])
        if found is None or found != value or (value == 0 and _loses_sign(node, found)):
            return None
        return _like(node, other)

    return neutral


def _loses_sign(node: Node, zero: Any) -> bool:
    """Whether adding (or subtracting) this zero changes the sign of zeros, as the user wrote it; in derivatives it
    may."""
    if zero.dtype.kind not in "fc" or (node.where is not None and node.where.role):
        return False
    signs = np.signbit([zero.real, zero.imag] if zero.dtype.kind == "c" else [zero])
    return not signs.all() if node.op is add else bool(signs.any())


for _op, _position, _value in NEUTRAL:
    rewrite(_op)(_neutral(_position, _value))


@rewrite(*INVOLUTIONS)
def involution(node: Node, x: Tracer) -> Any:
    inner = made_by(x, node.op)
    return operands(x, inner)[0] if inner is not None else None


@rewrite(*IDEMPOTENT)
def idempotent(node: Node, x: Tracer) -> Any:
    return x if made_by(x, node.op) is not None and x.type is node.outputs[0].type else None


@rewrite(positive)
def itself(node: Node, x: Tracer) -> Any:
    return x


@rewrite(maximum, minimum, fmax, fmin, logical_and, logical_or, bitwise_and, bitwise_or)
def same_operands(node: Node, x: Tracer, y: Tracer) -> Any:
    return x if x.value is y.value and x.type is node.outputs[0].type else None


@rewrite(multiply)
def integer_times_zero(node: Node, x: Tracer, y: Tracer) -> Any:
    if x.dtype.kind not in "iub":
        return None
    return _filled(node, 0) if any(n is not None and n == 0 for n in (number(x), number(y))) else None


@rewrite(MultiplyNoNan)
def no_influence(node: Node, x: Tracer, y: Tracer) -> Any:
    factor = number(y)
    if factor is not None:
        return _filled(node, 0) if factor == 0 else x * y
    derivative = number(x)
    return x * y if derivative is not None and np.isfinite(derivative) else None


@rewrite(multiply)
def times_minus_one(node: Node, x: Tracer, y: Tracer) -> Any:
    for a, b in ((x, y), (y, x)):
        n = number(b) if a.dtype.kind in "if" else None
        if n is not None and n == -1:
            return _like(node, -a)
    return None


@rewrite(multiply, divide)
def signs_cancel(node: Node, x: Tracer, y: Tracer) -> Any:
    a, b = made_by(x, negative), made_by(y, negative)
    if a is not None and b is not None:
        return node.op(operands(x, a)[0], operands(y, b)[0])
    for inner, this, other, first in ((a, x, y, True), (b, y, x, False)):
        n = number(other) if inner is not None and other.dtype.kind in "f" else None
        if inner is not None and n is not None:
            factor = np.negative(n)
            plain = operands(this, inner)[0]
            return _like(node, node.op(plain, factor) if first else node.op(factor, plain))
    return None


@rewrite(add)
def add_negative(node: Node, x: Tracer, y: Tracer) -> Any:
    inner = made_by(y, negative)
    if inner is not None:
        return x - operands(y, inner)[0]
    inner = made_by(x, negative)
    return y - operands(x, inner)[0] if inner is not None else None


@rewrite(add)
def add_in_place(node: Node, x: Tracer, y: Tracer) -> Any:
    """A sum with an array of zeros but for a part changes only that part of the other term."""
    if _loses_sign(node, np.zeros((), x.dtype)):
        return None
    for whole, part in ((x, y), (y, x)):
        changes: list[tuple[Node, list[Tracer]]] = []
        while whole.type == part.type and (made := made_by(part, ScatterAdd, DynamicUpdateSlice)) is not None:
            part, *rest = operands(part, made)
            changes.append((made, rest))
            if isinstance(made.op, DynamicUpdateSlice):
                break
        if changes and number(part) == 0:
            for made, (update, *places) in reversed(changes):
                if isinstance(made.op, DynamicUpdateSlice):
                    update = DynamicSlice(update.shape)(whole, *places) + update
                whole = made.op(whole, update, *places)
            return whole
    return None


@rewrite(subtract)
def subtract_negative(node: Node, x: Tracer, y: Tracer) -> Any:
    inner = made_by(y, negative)
    if inner is not None:
        return x + operands(y, inner)[0]
    n = number(x)
    if n is None or n != 0 or y.dtype.kind not in "ifc" or _loses_sign(node, -n):
        return None
    return _like(node, -y)


@rewrite(divide)
def one_over(node: Node, x: Tracer, y: Tracer) -> Any:
    n = number(x) if x.dtype.kind == "f" else None
    return _like(node, reciprocal(y)) if n is not None and n == 1 else None


@rewrite(float_power)
def constant_exponent(node: Node, x: Tracer, y: Tracer) -> Any:
    n = number(y)
    if n is None or x.dtype.kind not in "fc" or isinstance(n, np.complexfloating):
        return None
    if n == 0.5 and x.dtype.kind == "f":
        return _like(node, np.sqrt(x))  # type: ignore[call-overload]
    if n == int(n) if np.isfinite(n) and abs(n) <= 16 else False:
        return _like(node, IntegerPow(int(n))(x))
    return None


@rewrite(IntegerPow)
def small_power(node: Node, x: Tracer) -> Any:
    n = node.op.attributes["n"]
    if n == 0:
        return _filled(node, 1)
    if n == 1:
        return x
    return reciprocal(x) if n == -1 and x.dtype.kind in "fc" else None


@rewrite(Select)
def known_choice(node: Node, condition: Tracer, x: Tracer, y: Tracer) -> Any:
    if x.value is y.value:
        return _like(node, x)
    chosen = number(condition)
    return None if chosen is None else _like(node, x if chosen else y)


# -- types and shapes ---------------------------------------------------------------------------------------------


@rewrite(Cast)
def double_cast(node: Node, x: Tracer) -> Any:
    target = node.outputs[0].type.dtype
    if x.dtype == target:
        return x
    inner = made_by(x, Cast)
    if inner is None:
        return None
    source = inner.inputs[0].type.dtype
    rounds = source.itemsize == 8 and source.kind in "iu" and x.dtype.kind in "fc"
    exact = np.can_cast(source, x.dtype, "safe") and not rounds
    return cast(operands(x, inner)[0], target) if exact else None


@rewrite(Reshape, BroadcastTo, Transpose, Slice, Reverse)
def unchanged(node: Node, x: Tracer) -> Any:
    if x.type is not node.outputs[0].type:
        return None
    op = node.op
    if isinstance(op, Transpose):
        return x if op.axes == tuple(range(x.ndim)) else None
    if isinstance(op, Slice):
        return x if all(s > 0 for s in op.step) else None
    if isinstance(op, Reverse):
        return x if all(x.shape[i] == 1 for i in op.axes) else None
    return x


@rewrite(Reshape)
def reshape_of_reshape(node: Node, x: Tracer) -> Any:
    inner = made_by(x, Reshape)
    return reshape(operands(x, inner)[0], node.outputs[0].type.shape) if inner is not None else None


@rewrite(Reshape)
def reshape_of_scalar(node: Node, x: Tracer) -> Any:
    inner = made_by(x, BroadcastTo)
    if inner is None or inner.inputs[0].type.shape:
        return None
    return broadcast_to(operands(x, inner)[0], node.outputs[0].type.shape)


@rewrite(BroadcastTo)
def broadcast_of_broadcast(node: Node, x: Tracer) -> Any:
    inner = made_by(x, BroadcastTo)
    return _like(node, operands(x, inner)[0]) if inner is not None else None


@rewrite(BroadcastTo)
def broadcast_of_unit_axes(node: Node, x: Tracer) -> Any:
    inner = made_by(x, Reshape)
    if inner is None:
        return None
    # New leading axes of extent 1 are what broadcasting adds by itself.
    source = inner.inputs[0].type.shape
    lead = x.ndim - len(source)
    return _like(node, operands(x, inner)[0]) if lead >= 0 and x.shape == (1,) * lead + source else None


@rewrite(Transpose)
def transpose_of_transpose(node: Node, x: Tracer) -> Any:
    inner = made_by(x, Transpose)
    if inner is None:
        return None
    first = inner.op.attributes["axes"]
    return type(node.op)(tuple(first[i] for i in node.op.attributes["axes"]))(operands(x, inner)[0])  # type: ignore[call-arg]


@rewrite(Sum)
def sum_over_nothing(node: Node, x: Tracer) -> Any:
    return x if not node.op.attributes["axes"] else None


@rewrite(Sum)
def sum_of_broadcast(node: Node, x: Tracer) -> Any:
    inner = made_by(x, BroadcastTo)
    if inner is None:
        return None
    source, axes = inner.inputs[0].type, node.op.attributes["axes"]
    lead = x.ndim - source.ndim
    repeated = [i for i in axes if i < lead or (source.shape[i - lead] == 1 and x.shape[i] != 1)]
    count = int(np.prod([x.shape[i] for i in repeated]))
    if not repeated or not count or (x.dtype.kind == "f" and np.asarray(count, x.dtype) != count):
        return None
    rest = operands(x, inner)[0]
    shape = tuple(n for i, n in enumerate(x.shape) if i not in repeated)
    kept = tuple(n for i, n in enumerate(source.shape, lead) if i not in repeated)
    left = [i for i in range(x.ndim) if i not in repeated]
    rest = broadcast_to(reshape(rest, kept), shape)
    remaining = tuple(left.index(i) for i in axes if i not in repeated)
    return (Sum(remaining)(rest) if remaining else rest) * np.asarray(count, x.dtype)


@rewrite(Sum)
def sum_of_moved(node: Node, x: Tracer) -> Any:
    inner = made_by(x, Transpose, Reshape)
    if inner is None or node.outputs[0].type.shape or len(node.op.attributes["axes"]) != x.ndim:
        return None
    source = operands(x, inner)[0]
    return Sum(tuple(range(source.ndim)))(source)


@rewrite(DotGeneral)
def contraction_of_transpose(node: Node, x: Tracer, y: Tracer) -> Any:
    attributes = dict(node.op.attributes)
    sides = [x, y]
    for i, side in enumerate(("lhs", "rhs")):
        inner = made_by(sides[i], Transpose)
        if inner is None:
            continue
        axes = inner.op.attributes["axes"]
        contract, batch = attributes[f"{side}_contract"], attributes[f"{side}_batch"]
        free = [axes[k] for k in range(len(axes)) if k not in contract and k not in batch]
        if free == sorted(free):
            attributes[f"{side}_contract"] = tuple(axes[k] for k in contract)
            attributes[f"{side}_batch"] = tuple(axes[k] for k in batch)
            sides[i] = operands(sides[i], inner)[0]
    return type(node.op)(**attributes)(*sides) if sides[0] is not x or sides[1] is not y else None


@rewrite(Elementwise)
def implicit_broadcast(node: Node, *xs: Tracer) -> Any:
    # Elementwise ops broadcast by themselves, so an explicit broadcast is applied to their result at most.
    inner = [made_by(x, BroadcastTo) for x in xs]
    if not any(n is not None for n in inner) or len(node.outputs) != 1:
        return None
    stripped = [x if n is None else operands(x, n)[0] for x, n in zip(xs, inner, strict=True)]
    return _like(node, node.op(*stripped))


__all__ = ["RULES", "made_by", "number", "operands", "rewrite", "simplify"]

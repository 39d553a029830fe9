"""Rules of `simplify` about arithmetic and choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.graph import Node
from graphad.op import Op
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
from graphad.ops.dynamic import DynamicSlice, DynamicUpdateSlice
from graphad.ops.gather import ScatterAdd
from graphad.ops.machinery import MultiplyNoNan, multiply
from graphad.ops.rounding import ceil, floor, fmax, fmin, maximum, minimum, rint, trunc
from graphad.ops.select import Select
from graphad.passes.cleanup.rules import filled, like, made_by, number, operands, rewrite
from graphad.passes.rewriting import Rule
from graphad.trace import Tracer

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
        return like(node, other)

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
    return filled(node, 0) if any(n is not None and n == 0 for n in (number(x), number(y))) else None


@rewrite(MultiplyNoNan)
def no_influence(node: Node, x: Tracer, y: Tracer) -> Any:
    factor = number(y)
    if factor is not None:
        return filled(node, 0) if factor == 0 else x * y
    derivative = number(x)
    return x * y if derivative is not None and np.isfinite(derivative) else None


@rewrite(multiply)
def times_minus_one(node: Node, x: Tracer, y: Tracer) -> Any:
    for a, b in ((x, y), (y, x)):
        n = number(b) if a.dtype.kind in "if" else None
        if n is not None and n == -1:
            return like(node, -a)
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
            return like(node, node.op(plain, factor) if first else node.op(factor, plain))
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
    return like(node, -y)


@rewrite(divide)
def one_over(node: Node, x: Tracer, y: Tracer) -> Any:
    n = number(x) if x.dtype.kind == "f" else None
    return like(node, reciprocal(y)) if n is not None and n == 1 else None


@rewrite(float_power)
def constant_exponent(node: Node, x: Tracer, y: Tracer) -> Any:
    n = number(y)
    if n is None or x.dtype.kind not in "fc" or isinstance(n, np.complexfloating):
        return None
    if n == 0.5 and x.dtype.kind == "f":
        return like(node, np.sqrt(x))  # type: ignore[call-overload]
    if n == int(n) if np.isfinite(n) and abs(n) <= 16 else False:
        return like(node, IntegerPow(int(n))(x))
    return None


@rewrite(IntegerPow)
def small_power(node: Node, x: Tracer) -> Any:
    n = node.op.attributes["n"]
    if n == 0:
        return filled(node, 1)
    if n == 1:
        return x
    return reciprocal(x) if n == -1 and x.dtype.kind in "fc" else None


@rewrite(Select)
def known_choice(node: Node, condition: Tracer, x: Tracer, y: Tracer) -> Any:
    if x.value is y.value:
        return like(node, x)
    chosen = number(condition)
    return None if chosen is None else like(node, x if chosen else y)



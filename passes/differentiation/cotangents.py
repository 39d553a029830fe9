"""Cotangents on their way back, and what is known of their zeros.

`where`, an index or an assignment leaves values out, whose cotangent is exactly zero. Zero influence times anything is
none, so a product with a derivative that is infinite or NaN there must stay zero. Two things see to that. The zeros of
a `where` are not filled in until something reads them that is not elementwise: what comes back is computed from the
cotangent as it was and chosen last, which costs nothing. All other products with a cotangent that has such zeros are
guarded (`Op.transpose_masked`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from graphad.build import Builder
from graphad.graph import Graph, Node, Value
from graphad.ops.arithmetic import logical_and, logical_not
from graphad.ops.elementwise import Cast, Elementwise
from graphad.ops.regions.base import Structured
from graphad.ops.regions.scan import add_stacks
from graphad.ops.select import Select, select
from graphad.ops.shape import sum_to
from graphad.ops.slicing import Slice
from graphad.passes.differentiation.linearize import partition
from graphad.trace import Tracer
from graphad.types import Array, TensorType

Choice = tuple[Value, bool]
"""A condition, and which truth of it takes the value."""


class Cotangent(NamedTuple):
    """A cotangent: `value` where all choices take it, zero elsewhere.

    `zeros` tells whether `value` itself has zeros of what was left out; `kept`, if known, an axis along which they
    stand and where it is that they do not.
    """

    value: Tracer
    zeros: bool = False
    choices: tuple[Choice, ...] = ()
    kept: tuple[int, Array] | None = None

    @property
    def masked(self) -> bool:
        """Whether it has zeros of what was left out."""
        return self.zeros or bool(self.choices)

    def whole(self) -> Tracer:
        """The cotangent with its zeros filled in."""
        value = self.value
        if not self.choices:
            return value
        zero = np.zeros((), value.dtype)
        for choice, taken in reversed(self.choices):
            condition = Tracer(value.builder, choice)
            value = select(condition, value, zero) if taken else select(condition, zero, value)
        return value

    def plus(self, other: Cotangent) -> Cotangent:
        """The sum. What two branches of one choice pass back is chosen between, and may have no zeros left."""
        a, b = self.choices, other.choices
        if a and a == b:
            return Cotangent(self.value + other.value, self.zeros and other.zeros, a)
        if a and b and a[:-1] == b[:-1] and _opposite(a[-1], b[-1]):
            choice, taken = a[-1]
            first, second = (self, other) if taken else (other, self)
            condition = Tracer(self.value.builder, choice)
            return Cotangent(select(condition, first.value, second.value), self.zeros or other.zeros, a[:-1])
        x, y = self.whole(), other.whole()
        total = add_stacks(x, y) if x.type.dynamic else x + y
        if self.kept is not None and other.kept is not None and self.kept[0] == other.kept[0]:
            kept = self.kept[1] | other.kept[1]
            return Cotangent(total) if kept.all() else Cotangent(total, True, (), (self.kept[0], kept))
        return Cotangent(total, self.masked and other.masked)


def total(parts: Sequence[Cotangent]) -> Cotangent:
    """The sum, in which what comes back through one branch of a choice is added first."""
    if len(parts) == 1:
        return parts[0]
    sums: dict[tuple[Choice, ...], Cotangent] = {}
    for part in parts:
        sums[part.choices] = sums[part.choices].plus(part) if part.choices in sums else part
    return reduce(Cotangent.plus, sums.values())


def _opposite(a: Choice, b: Choice) -> bool:
    return a[0] is b[0] and a[1] != b[1]


def passed(node: Node, operands: Sequence[Tracer | TensorType], ct: Cotangent) -> list[Cotangent | None]:
    """The cotangents of the operands of a node with one result; linear operands are given as their types."""
    op, value, choices, zeros = node.op, ct.value, ct.choices, ct.zeros
    if isinstance(op, Select):
        condition, *branches = operands
        assert isinstance(condition, Tracer)
        choices = choices if len(choices) < _MOST else _joined(value.builder, choices)
        sides = [
            Cotangent(value, zeros, (*choices, (condition.value, taken))) if isinstance(x, TensorType) else None
            for x, taken in zip(branches, (True, False), strict=True)
        ]
        return [None, *sides]
    if choices and not isinstance(op, Elementwise):
        value, choices, zeros = ct.whole(), (), True
    result = (op.transpose_masked if zeros else op.transpose)(value, *operands)
    results = result if isinstance(result, tuple) else (result,)
    kept = _kept(op, node.inputs[0].type) if isinstance(op, Slice) and not ct.masked else None
    return [
        None if x is None else Cotangent(x, zeros or i in op.leaves_out, choices, kept) for i, x in enumerate(results)
    ]


_MOST = 4
"""Choices of a cotangent. In a chain of them, as the largest of a list is found, each would stand behind all later."""


def _joined(builder: Builder, choices: Sequence[Choice]) -> tuple[Choice, ...]:
    """One choice that takes what all of some take."""
    tests = [Tracer(builder, v) if taken else logical_not(Tracer(builder, v)) for v, taken in choices]
    return ((reduce(logical_and, tests).value, True),)


def _kept(op: Slice, x: TensorType) -> tuple[int, Array] | None:
    """The axis along which a slice is shorter than what it is of, and where it lies on it; None for several axes."""
    short = [i for i, n in enumerate(x.shape) if (op.start[i], op.stop[i], op.step[i]) != (0, n, 1)]
    if len(short) != 1:
        return None
    (axis,) = short
    places = np.zeros(x.shape[axis], bool)
    places[op.start[axis] : op.stop[axis] : op.step[axis]] = True
    return axis, places


def fitted(ct: Cotangent, kind: TensorType) -> Cotangent:
    """A cotangent of an operand as broadcast and cast, as one of the operand's own type."""
    if ct.value.shape != kind.shape:
        ct = Cotangent(sum_to(ct.whole(), kind.shape), ct.masked)
    # Of a real operand only the real part of a complex cotangent counts.
    return ct if ct.value.dtype == kind.dtype else ct._replace(value=Cast(kind.dtype)(ct.value))


# -- before the cotangents are there ------------------------------------------------------------------------------


_masked: WeakKeyDictionary[Graph, dict[tuple[tuple[bool, ...], tuple[bool, ...]], list[bool]]] = WeakKeyDictionary()


def masked_inputs(region: Graph, linear: Sequence[bool], flags: Sequence[bool]) -> list[bool]:
    """Which cotangents of a region's inputs may have zeros of what was left out, given that of its outputs. It is kept:
    every loop around one asks more than once."""
    found, key = _masked.setdefault(region, {}), (tuple(linear), tuple(flags))
    if key not in found:
        found[key] = _masked_inputs(region, linear, flags)
    return list(found[key])


def _masked_inputs(region: Graph, linear: Sequence[bool], flags: Sequence[bool]) -> list[bool]:
    roots = [v for v, flag in zip(region.inputs, linear, strict=True) if flag]
    _, nodes = partition(region, roots)
    active = set(roots).union(*[node.outputs for node in nodes])
    found: dict[Value, bool] = {}

    def add(v: Value, flag: bool) -> None:
        if v in active:
            found[v] = found.get(v, True) and flag

    for v, flag in zip(region.outputs, flags, strict=True):
        add(v, flag)
    for node in reversed(nodes):
        if found.keys().isdisjoint(node.outputs):
            continue
        results = [found.get(v, False) for v in node.outputs]
        if isinstance(node.op, Structured):
            _, given = node.op.masked(masked_inputs, results, [v in active for v in node.inputs])
        else:
            given = [any(results) or i in node.op.leaves_out for i in range(len(node.inputs))]
        for v, flag in zip(node.inputs, given, strict=True):
            add(v, flag)
    return [found.get(v, True) for v in region.inputs]  # what does not come back is zero


__all__ = ["Cotangent", "fitted", "masked_inputs", "passed", "total"]

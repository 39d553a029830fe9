"""What is known of traced integers: linear forms, by which two of them differ by a known number, and ranges."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.build import Builder
from graphad.graph import Constant, Node, Value
from graphad.intervals import Interval, combined, hull
from graphad.trace import Tracer
from graphad.types import INT64, ArrayLike

_ANY = (float("-inf"), float("inf"))
_STEPS = 200
_DEPTH = 12


def note(x: Any, low: float, high: float) -> Any:
    """Note the range of an input of a piece under trace, such as a loop's index; gives it."""
    if isinstance(x, Tracer):
        x.builder.facts[x.value] = low, high
    return x


def difference(a: ArrayLike, b: Any) -> int | None:
    """`a - b`, if that is the same number whatever the inputs are."""
    (one, first), (other, second) = linear(a), linear(b)
    return first - second if one == other else None


def linear(x: Any) -> tuple[dict[Any, int], int]:
    """A traced integer as a sum of values with integer factors, and a number. Values that are computed in the same way
    are the same."""
    if not isinstance(x, Tracer):
        return {}, int(x)
    terms: dict[Any, int] = {}
    known: dict[Value, Any] = {}
    total = 0
    pending = [(x.builder, x.value, 1)]
    for _ in range(_STEPS):
        if not pending:
            break
        builder, value, factor = pending.pop()
        builder, value, node = made(builder, value)
        if isinstance(value, Constant):
            total += factor * int(value.array)
            continue
        parts = None if node is None else _parts(node)
        if parts is None:
            same = _content(builder, value, known, _DEPTH)
            terms[same] = terms.get(same, 0) + factor
        else:
            pending += [(builder, v, factor * f) for v, f in parts]
    for builder, value, factor in pending:
        same = _content(builder, value, known, _DEPTH)
        terms[same] = terms.get(same, 0) + factor
    return {v: f for v, f in terms.items() if f}, total


def _content(builder: Builder, value: Value, known: dict[Value, Any], depth: int) -> Any:
    """What is the same for numbers that the same ops compute from the same values, and for no others."""
    builder, value, node = made(builder, value)
    if value not in known:
        known[value] = value
        if node is not None and depth and not node.op.effect and not node.op._region_fields and not value.type.shape:
            inputs = [_content(builder, v, known, depth - 1) for v in node.inputs]
            known[value] = node.op, node.outputs.index(value), *inputs
    return known[value]


def _parts(node: Node) -> list[tuple[Value, int]] | None:
    """The values whose sum, with these factors, a node gives."""
    if any([v.type.dtype != INT64 for v in (*node.inputs[: node.op.name != "cast"], *node.outputs)]):
        return None  # others may wrap around
    match node.op.name:
        case "add":
            return [(v, 1) for v in node.inputs]
        case "subtract":
            return [(node.inputs[0], 1), (node.inputs[1], -1)]
        case "negative":
            return [(node.inputs[0], -1)]
        case "multiply":
            for v, other in (node.inputs, node.inputs[::-1]):
                if isinstance(v, Constant) and not v.type.shape:
                    return [(other, int(v.array))]
        case "cast" if node.inputs[0].type.dtype.kind in "iu" and node.inputs[0].type.dtype != np.uint64:
            return [(node.inputs[0], 1)]
    return None


def made(builder: Builder, value: Value) -> tuple[Builder, Value, Node | None]:
    """The trace in which a value is computed, the value there, and the node that computes it."""
    while not isinstance(value, Constant):
        link = builder.captures.get(value) or builder.bound.get(value)
        if link is None:
            return builder, value, None if value in builder.facts else builder.maker(value)
        builder, value = link
    return builder, value, None


def span(x: Any) -> Interval:
    """The range of a traced integer."""
    if not isinstance(x, Tracer):
        return (int(x), int(x))
    return _span(x.builder, x.value, 12)


def _span(builder: Builder, value: Value, depth: int) -> Interval:
    builder, value, node = made(builder, value)
    dtype = value.type.dtype
    if dtype.kind not in "iub" or value.type.shape:
        return _ANY
    if isinstance(value, Constant):
        return int(value.array), int(value.array)
    if value in builder.facts:
        return builder.facts[value]  # type: ignore[no-any-return]
    if dtype.kind == "b":
        return 0, 1
    if node is None or not depth or dtype != INT64 or any([v.type.dtype == np.uint64 for v in node.inputs]):
        return _ANY  # others may wrap around
    ranges = [_span(builder, v, depth - 1) for v in node.inputs]
    match node.op.name:
        case "select":
            return hull(ranges[1], ranges[2])
        case "cast":
            return ranges[0]
    return (combined(node.op.name, ranges) if ranges else None) or _ANY

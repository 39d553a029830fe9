"""Emission of scalars of several lanes: their lanes taken apart and put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.executors.llvm.memory import broadcast
from graphad.executors.llvm.scalars import Register, Scalars
from graphad.executors.llvm.text import Code, element_type, vector
from graphad.executors.loops.program import Lane, Pack
from graphad.ops.scalar import Const, Scalar


def packed(x: Pack, use: Callable[[Scalar], Register], scalars: Scalars) -> Register:
    """The register of scalars side by side. `use` gives the registers of what they come from."""
    first = x.parts[0]
    if not isinstance(first, Lane) and all([part is first for part in x.parts]):
        return broadcast(scalars.code, use(first), x.dtype, x.lanes)
    if x.dtype.kind != "c":
        return _packed(x, use, scalars, lambda register: register)
    parts = [_packed(x, use, scalars, lambda register, i=i: register[i]) for i in (0, 1)]  # type: ignore[misc]
    return parts[0], parts[1]


def _packed(x: Pack, use: Callable[[Scalar], Any], scalars: Scalars, part: Callable[[Any], str]) -> str:
    code, element, n = scalars.code, element_type(x.dtype), x.lanes
    sources: dict[Scalar, list[int]] = {}
    single: list[tuple[int, Scalar]] = []
    known = np.zeros(n, x.dtype)
    constant = [False] * n
    for i, cell in enumerate(x.parts):
        if isinstance(cell, Lane):
            sources.setdefault(cell.wide, [-1] * n)[i] = cell.number
        elif isinstance(cell, Const):
            known[i], constant[i] = cell.value, True
        else:
            single.append((i, cell))
    result, there = None, [False] * n
    if any(constant):
        result, there = part(scalars.constant(Const(x.dtype, known, lanes=n))), constant
    for source, order in sources.items():
        moved = _shuffled(code, element, part(use(source)), source.lanes, order)
        if result is not None:
            mask = [n + i if order[i] >= 0 else i if there[i] else -1 for i in range(n)]
            moved = _blended(code, element, result, moved, mask)
        result, there = moved, [a or b >= 0 for a, b in zip(there, order, strict=True)]
    kind = vector(element, n)
    for i, cell in single:
        result = code(f"insertelement {kind} {result or 'poison'}, {element} {part(use(cell))}, i64 {i}")
    assert result is not None
    return result


def _shuffled(code: Code, element: str, value: str, lanes: int, order: list[int]) -> str:
    kind = vector(element, lanes)
    return code(f"shufflevector {kind} {value}, {kind} poison, {_order(order)}")


def _blended(code: Code, element: str, x: str, y: str, mask: list[int]) -> str:
    kind = vector(element, len(mask))
    return code(f"shufflevector {kind} {x}, {kind} {y}, {_order(mask)}")


def _order(order: list[int]) -> str:
    inside = ", ".join(f"i32 {i}" if i >= 0 else "i32 poison" for i in order)
    return f"<{len(order)} x i32> <{inside}>"

"""Emission of reductions: two terms combined, and the lanes of a register combined into one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphad.executors.llvm.memory import lanes_of
from graphad.executors.llvm.scalars import Register, Scalars
from graphad.executors.llvm.text import element_type, splat, vector
from graphad.types import DType


def plus(scalars: Scalars, x: Any, y: Any, dtype: DType) -> Register:
    """The sum of two registers; for booleans whether either holds."""
    if dtype.kind == "c":
        return scalars.complex("add", [x, y], dtype)
    return scalars.arithmetic("bitwise_or" if dtype.kind == "b" else "add", x, y, dtype)


def combine(scalars: Scalars, kind: str, x: Any, y: Any, dtype: DType) -> Register:
    """Two terms of a reduction of some kind (sum, prod, max, min, any, all) as one."""
    if dtype.kind == "b":
        return scalars.arithmetic("bitwise_and" if kind in ("all", "min", "prod") else "bitwise_or", x, y, dtype)
    if kind == "sum":
        return plus(scalars, x, y, dtype)
    if kind == "prod":
        if dtype.kind == "c":
            return scalars.complex("multiply", [x, y], dtype)
        return scalars.arithmetic("multiply", x, y, dtype)
    return scalars.extremum("maximum" if kind == "max" else "minimum", x, y, dtype)


def added(scalars: Scalars, total: Any, lost: Any, x: Any, dtype: DType) -> tuple[Register, Register]:
    """The sum of two registers, and what the roundings of all such sums have lost together."""
    if dtype.kind == "c":
        parts = [_added(scalars, *each, dtype) for each in zip(total, lost, x, strict=True)]
        return tuple(s for s, _ in parts), tuple(e for _, e in parts)  # type: ignore[return-value]
    return _added(scalars, total, lost, x, dtype)


def _added(scalars: Scalars, total: str, lost: str, x: str, dtype: DType) -> tuple[str, str]:
    # The error of a sum is a floating number, which these operations give exactly.
    def do(name: str, a: str, b: str) -> str:
        return scalars.code(f"{name} {scalars.kind(dtype)} {a}, {b}")

    result = do("fadd", total, x)
    of_x = do("fsub", result, total)
    of_total = do("fsub", result, of_x)
    error = do("fadd", do("fsub", total, of_total), do("fsub", x, of_x))
    return result, do("fadd", lost, error)


def corrected(scalars: Scalars, total: Any, lost: Any, dtype: DType) -> Register:
    """A total with what its roundings have lost."""
    if dtype.kind == "c":
        return tuple(_corrected(scalars, *each, dtype) for each in zip(total, lost, strict=True))  # type: ignore[return-value]
    return _corrected(scalars, total, lost, dtype)


def _corrected(scalars: Scalars, total: str, lost: str, dtype: DType) -> str:
    # Where the total is infinite, its error is no number.
    code, kind = scalars.code, scalars.kind(dtype)
    size = code.intrinsic("fabs", element_type(dtype), scalars.lanes, lost)
    finite = code(f"fcmp olt {kind} {size}, {scalars.filled(dtype, float('inf'))}")
    error = code(f"select {vector('i1', scalars.lanes)} {finite}, {kind} {lost}, {kind} {scalars.filled(dtype, 0.0)}")
    return code(f"fadd {kind} {total}, {error}")


def across(at: Callable[[int], Scalars], kind: str, total: Any, dtype: DType, lanes: int) -> Register:
    """The lanes of a register combined; `at(n)` emits for registers of `n` lanes."""
    if lanes == 1:
        return total  # type: ignore[no-any-return]
    one = at(1)
    if dtype.kind == "c" and kind == "prod":
        result = lanes_of(one.code, total, dtype, lanes, 0)
        for lane in range(1, lanes):
            result = combine(one, kind, result, lanes_of(one.code, total, dtype, lanes, lane), dtype)
        return result
    if dtype.kind == "c":
        return tuple(_across(one, "sum", part, dtype, lanes) for part in total)  # type: ignore[return-value]
    return _across(one, kind, total, dtype, lanes)


def _across(one: Scalars, kind: str, total: str, dtype: DType, lanes: int) -> str:
    code, element = one.code, element_type(dtype)
    wide = vector(element, lanes)
    short = f"v{lanes}{ {'double': 'f64', 'float': 'f32'}.get(element, element) }"
    if dtype.kind in "fc" and kind in ("sum", "prod"):
        name = f"llvm.vector.reduce.{'fadd' if kind == 'sum' else 'fmul'}.{short}"
        code.module.declare(element, name, element, wide)
        start = splat(element, -0.0 if kind == "sum" else 1.0, 1)
        return code(f"call reassoc {element} @{name}({element} {start}, {wide} {total})")
    if dtype.kind == "f":
        operation = f"f{kind}imum"
    elif dtype.kind == "b":
        operation = "and" if kind in ("all", "min", "prod") else "or"
    else:
        sign = "s" if dtype.kind == "i" else "u"
        operation = {"sum": "add", "prod": "mul"}.get(kind, f"{sign}{kind}")
    return code.call(element, f"llvm.vector.reduce.{operation}.{short}", (wide, total))

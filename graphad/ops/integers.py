"""Whether Python's integers, which have no bounds, fit into the 64 bits that compiled code has for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from graphad.op import Sample
from graphad.ops.elementwise import Elementwise
from graphad.types import BOOL, INT64, DType

LARGEST = 2**63 - 2**55
"""What is asked of Python's integers. What is left of the 64 bits is more than what a loop adds to a number that takes
`SMALL` steps: at one iteration a nanosecond it would be ten hours on its way."""
SMALL = 2**10
TRIPS = 2**45
"""More iterations than a loop is taken to make."""


class Fits(Elementwise):
    """Whether `x operator y` of integers of 64 bits is at most `LARGEST`, up or down."""

    operator: str

    @property
    def code(self) -> str:  # type: ignore[override]
        if self.operator == "<<":
            moved = "({0} << {1})"
            return f"({{0}} == 0) | ({{1}} < 63) & (({moved} >> {{1}}) == {{0}}) & (abs{moved} <= {LARGEST})"
        if self.operator in "|^":
            return f"abs({{0}} {self.operator} {{1}}) <= {LARGEST}"
        return f"abs(float({{0}}) {self.operator} float({{1}})) <= {float(LARGEST)}"

    def result_dtypes(self, *dtypes: DType) -> tuple[DType, ...]:
        return INT64, INT64, BOOL

    def eval(self, xp: Any, *xs: Any) -> Any:
        x, y = xs
        match self.operator:
            case "<<":
                moved = xp.left_shift(x, y)
                whole = (xp.right_shift(moved, y) == x) & (y < 63) & (xp.abs(moved) <= LARGEST)
                return (x == 0) | whole
            case "|":
                return xp.abs(xp.bitwise_or(x, y)) <= LARGEST
            case "^":
                return xp.abs(xp.bitwise_xor(x, y)) <= LARGEST
        x, y = xp.asarray(x, dtype=float), xp.asarray(y, dtype=float)
        functions = {"+": xp.add, "-": xp.subtract, "*": xp.multiply, "**": xp.power}
        return xp.abs(functions[self.operator](x, y)) <= LARGEST

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        xs = np.array([0, 3, -5, 2**31, 2**40, LARGEST, 7, 1, -1])
        ys = np.array([70, 4, 2, 2**31, 2**22, LARGEST, 22, 62, 63])
        for operator in ("+", "-", "*", "**", "<<", "|", "^"):
            yield Sample(cls(operator), (xs, ys))
        yield Sample(cls("*"), (np.array(2**32), np.array(2**32)))
        yield Sample(cls("+"), (np.zeros((0, 2), int), np.zeros((2,), int)))


__all__ = ["LARGEST", "SMALL", "TRIPS", "Fits"]

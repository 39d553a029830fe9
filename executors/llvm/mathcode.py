"""The little language in which the elementary functions are written: arithmetic on all lanes of a register at once."""

from __future__ import annotations

from typing import Any, Final

from graphad.executors.llvm.text import Code, splat, vector

MANTISSA: Final[dict[str, int]] = {"double": 52, "float": 23}
"""Explicit bits of a number's fraction."""


class Math:
    """Operations on numbers of type `element`, and on integers of its size where the name says so, in all lanes.

    An operand is the name of a register, or a number that stands in every lane. `fused` says that the processor
    multiplies and adds in one rounding.
    """

    def __init__(self, code: Code, element: str, lanes: int, fused: bool) -> None:
        self.code = code
        self.element = element
        self.lanes = lanes
        self.fused = fused
        self.word = "i64" if element == "double" else "i32"
        self.kind, self.bits, self.truth = (vector(t, lanes) for t in (element, self.word, "i1"))
        # Added to a small number, it leaves the nearest whole number in the low bits.
        self.shift = 1.5 * 2.0 ** MANTISSA[element]

    def number(self, x: Any) -> str:
        return x if isinstance(x, str) else splat(self.element, x, self.lanes)

    def whole(self, x: Any) -> str:
        return x if isinstance(x, str) else splat(self.word, x, self.lanes)

    # -- arithmetic ------------------------------------------------------------------------------------------------

    def op(self, name: str, x: Any, y: Any) -> str:
        return self.code(f"{name} {self.kind} {self.number(x)}, {self.number(y)}")

    def add(self, x: Any, y: Any) -> str:
        return self.op("fadd", x, y)

    def sub(self, x: Any, y: Any) -> str:
        return self.op("fsub", x, y)

    def mul(self, x: Any, y: Any) -> str:
        return self.op("fmul", x, y)

    def div(self, x: Any, y: Any) -> str:
        return self.op("fdiv", x, y)

    def fma(self, x: Any, y: Any, z: Any) -> str:
        """`x * y + z`, rounded once where the processor can."""
        if not self.fused:
            return self.add(self.mul(x, y), z)
        return self.intrinsic("fma", self.number(x), self.number(y), self.number(z))

    def polynomial(self, x: str, coefficients: list[float]) -> str:
        """Estrin's scheme, coefficients from the lowest power up: short chains of dependent operations."""
        terms: list[Any] = list(coefficients)
        power = x
        while len(terms) > 1:
            pairs = [self.fma(power, b, a) for a, b in zip(terms[::2], terms[1::2], strict=False)]
            terms = pairs + terms[2 * len(pairs) :]
            if len(terms) > 1:
                power = self.mul(power, power)
        return str(terms[0])

    def neg(self, x: str) -> str:
        return self.code(f"fneg {self.kind} {x}")

    def intrinsic(self, name: str, *xs: str) -> str:
        return self.code.intrinsic(name, self.element, self.lanes, *xs)

    def fabs(self, x: str) -> str:
        return self.intrinsic("fabs", x)

    def sqrt(self, x: str) -> str:
        return self.intrinsic("sqrt", x)

    def sign_of(self, x: str, sign: str) -> str:
        return self.intrinsic("copysign", x, sign)

    # -- choice ----------------------------------------------------------------------------------------------------

    def compare(self, how: str, x: Any, y: Any) -> str:
        return self.code(f"fcmp {how} {self.kind} {self.number(x)}, {self.number(y)}")

    def where(self, condition: str, x: Any, y: Any) -> str:
        return self.code(
            f"select {self.truth} {condition}, {self.kind} {self.number(x)}, {self.kind} {self.number(y)}"
        )

    def at_most(self, x: str, high: float) -> str:
        """The lesser of the two; NaN stays."""
        return self.where(self.compare("ogt", x, high), high, x)

    def at_least(self, x: str, low: float) -> str:
        """The greater of the two; NaN stays."""
        return self.where(self.compare("olt", x, low), low, x)

    # -- bits ------------------------------------------------------------------------------------------------------

    def as_bits(self, x: str) -> str:
        return self.code(f"bitcast {self.kind} {x} to {self.bits}")

    def as_number(self, x: str) -> str:
        return self.code(f"bitcast {self.bits} {x} to {self.kind}")

    def integer(self, name: str, x: Any, y: Any) -> str:
        return self.code(f"{name} {self.bits} {self.whole(x)}, {self.whole(y)}")

"""The little language in which the elementary functions are written: arithmetic on all lanes of a register at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from graphad.executors.llvm.text import Code, literals, splat, vector

MANTISSA: Final[dict[str, int]] = {"double": 52, "float": 23}
"""Explicit bits of a number's fraction."""
_CLASSES: Final = ("nan", "signalling nan", "zero", "one", "-inf", "inf", "negative", "positive")
"""The classes of numbers, in the order of the instruction's table; the last two are of the finite ones."""
Operand = str | float
"""A register, or a number that stands in all lanes."""


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
        self.shift_bits = 0x4338000000000000 if element == "double" else 0x4B400000

    def number(self, x: Operand) -> str:
        return x if isinstance(x, str) else splat(self.element, x, self.lanes)

    def whole(self, x: Operand) -> str:
        return x if isinstance(x, str) else splat(self.word, x, self.lanes)

    # -- arithmetic ------------------------------------------------------------------------------------------------

    def op(self, name: str, x: Operand, y: Operand) -> str:
        return self.code(f"{name} {self.kind} {self.number(x)}, {self.number(y)}")

    def add(self, x: Operand, y: Operand) -> str:
        return self.op("fadd", x, y)

    def sub(self, x: Operand, y: Operand) -> str:
        return self.op("fsub", x, y)

    def mul(self, x: Operand, y: Operand) -> str:
        return self.op("fmul", x, y)

    def div(self, x: Operand, y: Operand) -> str:
        return self.op("fdiv", x, y)

    def fma(self, x: Operand, y: Operand, z: Operand) -> str:
        """`x * y + z`, rounded once where the processor can."""
        if not self.fused:
            return self.add(self.mul(x, y), z)
        return self.intrinsic("fma", self.number(x), self.number(y), self.number(z))

    def polynomial(self, x: str, coefficients: list[float]) -> str:
        """Estrin's scheme, coefficients from the lowest power up: short chains of dependent operations."""
        terms: list[Operand] = list(coefficients)
        power = x
        while len(terms) > 1:
            pairs: list[Operand] = [self.fma(power, b, a) for a, b in zip(terms[::2], terms[1::2], strict=False)]
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

    def to_integer(self, x: str) -> tuple[str, str]:
        """The nearest whole number, as a number and in the low bits of an integer, for less than 2**22."""
        shifted = self.add(x, self.shift)
        return self.sub(shifted, self.shift), self.integer("sub", self.as_bits(shifted), self.shift_bits)

    # -- choice ----------------------------------------------------------------------------------------------------

    def compare(self, how: str, x: Operand, y: Operand) -> str:
        return self.code(f"fcmp {how} {self.kind} {self.number(x)}, {self.number(y)}")

    def where(self, condition: str, x: Operand, y: Operand) -> str:
        return self.code(
            f"select {self.truth} {condition}, {self.kind} {self.number(x)}, {self.kind} {self.number(y)}"
        )

    def at_most(self, x: str, high: float) -> str:
        """The lesser of the two; NaN stays."""
        return self.where(self.compare("ogt", x, high), high, x)

    def at_least(self, x: str, low: float) -> str:
        """The greater of the two; NaN stays."""
        return self.where(self.compare("olt", x, low), low, x)

    def both(self, x: str, y: str) -> str:
        return self.code(f"and {self.truth} {x}, {y}")

    def either(self, x: str, y: str) -> str:
        return self.code(f"or {self.truth} {x}, {y}")

    def corrected_rarely(self, result: str, somewhere: str, other: Callable[[], str]) -> str:
        """The result; or the other one, where the condition holds in some lane. Most often it does not."""
        code, lanes = self.code, self.lanes
        if lanes > 1:
            somewhere = code.call("i1", f"llvm.vector.reduce.or.v{lanes}i1", (self.truth, somewhere))
        before, slow, after = code.block, code.name(), code.name()
        code.do(f"br i1 {somewhere}, label %{slow}, label %{after}, !prof !{{!\"branch_weights\", i32 1, i32 4000}}")
        code.begin(slow)
        corrected = other()
        code.do(f"br label %{after}")
        code.begin(after)
        return code(f"phi {self.kind} [ {result}, %{before} ], [ {corrected}, %{slow} ]")

    # -- bits ------------------------------------------------------------------------------------------------------

    def as_bits(self, x: str) -> str:
        return self.code(f"bitcast {self.kind} {x} to {self.bits}")

    def as_number(self, x: str) -> str:
        return self.code(f"bitcast {self.bits} {x} to {self.kind}")

    def integer(self, name: str, x: Operand, y: Operand) -> str:
        return self.code(f"{name} {self.bits} {self.whole(x)}, {self.whole(y)}")


class Registers(Math):
    """A register of 512 bits, with the operations that only AVX-512 has."""

    def __init__(self, code: Code, element: str) -> None:
        super().__init__(code, element, 8 if element == "double" else 16, True)
        self.packed = "pd" if element == "double" else "ps"

    def _masked(self, name: str, *operands: tuple[str, str]) -> str:
        everywhere = [(f"i{self.lanes}", "-1"), ("i32", "4")]
        return self.code.call(self.kind, f"llvm.x86.avx512.mask.{name}.{self.packed}.512", *operands, *everywhere)

    def scale(self, x: Operand, k: str) -> str:
        """x * 2**floor(k), rounded once."""
        return self._masked("scalef", *[(self.kind, v) for v in (self.number(x), k, "zeroinitializer")])

    def exponent(self, x: str) -> str:
        """The whole number k of |x| = 2**k y, for the y of `significand`."""
        return self._masked("getexp", (self.kind, x), (self.kind, "zeroinitializer"))

    def significand(self, x: str) -> str:
        """The y of at least 1 and below 2, for either sign of x."""
        return self._masked("getmant", (self.kind, x), ("i32", "4"), (self.kind, "zeroinitializer"))

    def corrected(self, result: str, x: str, cases: dict[str, float]) -> str:
        """The result, but 1, inf, -inf or NaN where x is of a class that the cases name: see `_CLASSES`."""
        values = {1.0: 10, math.inf: 5, -math.inf: 4}
        table = sum(values.get(value, 2) << 4 * _CLASSES.index(name) for name, value in cases.items())
        operands = (self.kind, result), (self.kind, x), (self.bits, self.whole(table)), ("i32", "0")
        return self._masked("fixupimm", *operands)

    def look_up(self, table: list[float], at: str) -> str:
        """The entry at the low four bits of an integer."""
        if self.element == "float":
            operands = (self.kind, literals("float", table)), (self.bits, at)
            return self.code.call(self.kind, "llvm.x86.avx512.permvar.sf.512", *operands)
        first, second = ((self.kind, literals("double", part)) for part in (table[:8], table[8:]))
        return self.code.call(self.kind, "llvm.x86.avx512.vpermi2var.pd.512", first, (self.bits, at), second)

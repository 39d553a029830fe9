"""LLVM instructions for each scalar intrinsic, on one lane or on vectors.

A real number in a register is the name of an LLVM value; a complex number is a pair of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from graphad.errors import MissingRuleError
from graphad.executors.llvm.casts import Casts, part_of
from graphad.executors.llvm.mathcode import Math
from graphad.executors.llvm.symbols import Symbol
from graphad.executors.llvm.text import Code, element_type, literals, splat, vector
from graphad.executors.llvm.vectormath import definition, is_simple_power, power
from graphad.executors.loops.specials import symbol
from graphad.ops.scalar import Const, Operation
from graphad.types import DType

Register = str | tuple[str, str]

_FLOAT_INTRINSICS: Final[dict[str, str]] = {
    "abs": "fabs", "sqrt": "sqrt", "floor": "floor", "ceil": "ceil", "trunc": "trunc", "rint": "rint",
    "copysign": "copysign", "fmax": "maxnum", "fmin": "minnum",
}  # fmt: skip
_LIBM: Final[dict[str, str]] = {
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh",
    "arctan2": "atan2", "gamma": "tgamma",
    **{n: n for n in ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "cbrt", "sin", "cos", "tan", "sinh",
                      "cosh", "tanh", "erf", "erfc", "lgamma", "hypot", "pow", "nextafter", "fmod")},
}  # fmt: skip
_ARITHMETIC: Final[dict[str, tuple[str, str]]] = {
    "add": ("fadd", "add"), "subtract": ("fsub", "sub"), "multiply": ("fmul", "mul"), "divide": ("fdiv", ""),
    "bitwise_and": ("", "and"), "bitwise_or": ("", "or"), "bitwise_xor": ("", "xor"),
}  # fmt: skip
_COMPARE: Final[dict[str, tuple[str, str]]] = {
    "equal": ("oeq", "eq"), "not_equal": ("une", "ne"), "less": ("olt", "lt"), "less_equal": ("ole", "le"),
    "greater": ("ogt", "gt"), "greater_equal": ("oge", "ge"),
}  # fmt: skip


class Scalars(Casts):
    """Emission of scalar operations into one function, for registers of `lanes` elements."""

    def __init__(self, code: Code, features: frozenset[str], precise: bool, lanes: int = 1) -> None:
        self.code = code
        self.features = features
        self.precise = precise
        self.lanes = lanes

    # -- constants ---------------------------------------------------------------------------------------------

    def constant(self, x: Const) -> Register:
        """A known number in every lane, or one for each."""
        element = element_type(x.dtype)
        if x.lanes > 1:
            parts = (x.value.real, x.value.imag) if x.dtype.kind == "c" else (x.value,)
            found = tuple(literals(element, part) for part in parts)
            return found if x.dtype.kind == "c" else found[0]  # type: ignore[return-value]
        if x.dtype.kind == "c":
            return splat(element, x.value.real, self.lanes), splat(element, x.value.imag, self.lanes)
        if x.dtype.char == "e":
            return splat(element, np.float16(x.value).view(np.uint16), self.lanes)
        return splat(element, x.value, self.lanes)

    def filled(self, dtype: DType, value: Any) -> str:
        """A number of a real dtype in every lane."""
        return splat(element_type(dtype), value, self.lanes)

    def kind(self, dtype: DType) -> str:
        """The type of a register, or of one of the two of a complex number."""
        return vector(element_type(dtype), self.lanes)

    # -- dispatch ----------------------------------------------------------------------------------------------

    def emit(self, x: Operation, args: Sequence[Any]) -> Register:
        """The register of an operation of these operands."""
        source = x.args[0].dtype
        if x.name == "cast":
            return self.cast(args[0], source, x.dtype)  # type: ignore[no-any-return]
        if x.name == "where":
            return self.where(args[0], args[1], args[2], x.dtype)
        if x.name.startswith("special_"):
            return self.special(x.name.removeprefix("special_"), args, x.dtype)
        if x.name == "complex":
            return args[0], args[1]
        if source.kind == "c":
            return self.complex(x.name, args, source)
        if x.name.startswith("ipow"):
            return self.integer_power(args[0], int(x.name.removeprefix("ipow")), source)
        if source.kind == "f":
            known = self.power(x, args) if x.name == "pow" and not self.precise else None
            return known or self.real(x.name, args, source)
        return self.integer(x.name, args, source)

    def where(self, condition: str, x: Any, y: Any, dtype: DType) -> Register:
        """`x` where the condition holds, else `y`."""
        if dtype.kind == "c":
            return self.select(condition, x[0], y[0], dtype), self.select(condition, x[1], y[1], dtype)
        return self.select(condition, x, y, dtype)

    def select(self, condition: str, x: str, y: str, dtype: DType) -> str:
        kind = self.kind(dtype)
        return self.code(f"select {vector('i1', self.lanes)} {condition}, {kind} {x}, {kind} {y}")

    # -- real --------------------------------------------------------------------------------------------------

    def arithmetic(self, name: str, x: str, y: str, dtype: DType) -> str:
        """`add`, `subtract`, `multiply`, `divide` or a bitwise operation."""
        instruction = _ARITHMETIC[name][dtype.kind not in "fc"]
        # A product and a sum may be rounded once.
        fused = dtype.kind in "fc" and name != "divide" and not self.precise
        return self.code(f"{instruction}{' contract' if fused else ''} {self.kind(dtype)} {x}, {y}")

    def compare(self, name: str, x: str, y: str, dtype: DType) -> str:
        floating, integer = _COMPARE[name]
        if dtype.kind in "fc":
            return self.code(f"fcmp {floating} {self.kind(dtype)} {x}, {y}")
        sign = "" if integer in ("eq", "ne") else "s" if dtype.kind == "i" else "u"
        return self.code(f"icmp {sign}{integer} {self.kind(dtype)} {x}, {y}")

    def real(self, name: str, args: Sequence[str], dtype: DType) -> str:
        """An intrinsic of floating operands."""
        code, kind, zero = self.code, self.kind(dtype), self.filled(dtype, 0.0)
        x = args[0]
        if name in _ARITHMETIC:
            return self.arithmetic(name, x, args[1], dtype)
        if name in _COMPARE:
            return self.compare(name, x, args[1], dtype)
        if name in _FLOAT_INTRINSICS:
            return code.intrinsic(_FLOAT_INTRINSICS[name], element_type(dtype), self.lanes, *args)
        match name:
            case "negative":
                return code(f"fneg {kind} {x}")
            case "maximum" | "minimum":
                return self.extremum(name, x, args[1], dtype)
            case "isnan":
                return code(f"fcmp uno {kind} {x}, {zero}")
            case "isinf":
                return self.compare("equal", self.real("abs", [x], dtype), self.filled(dtype, math.inf), dtype)
            case "isfinite":
                return self.compare("less", self.real("abs", [x], dtype), self.filled(dtype, math.inf), dtype)
            case "signbit":
                bits = vector(f"i{dtype.itemsize * 8}", self.lanes)
                cast = code(f"bitcast {kind} {x} to {bits}")
                return code(f"icmp slt {bits} {cast}, {'zeroinitializer' if self.lanes > 1 else '0'}")
            case "sign":
                positive = self.compare("greater", x, zero, dtype)
                negative = self.compare("less", x, zero, dtype)
                nan = self.real("isnan", [x], dtype)
                result = self.select(negative, self.filled(dtype, -1.0), zero, dtype)
                result = self.select(positive, self.filled(dtype, 1.0), result, dtype)
                return self.select(nan, x, result, dtype)
            case "fmod":
                return code(f"frem {kind} {x}, {args[1]}")
            case "mod":
                return self.modulo(x, args[1], dtype)
            case "floordiv":
                return self.floor_divide(x, args[1], dtype)
        return self.function(name, args, dtype)

    def power(self, x: Operation, args: Sequence[str]) -> str | None:
        """A power without a logarithm; None where neither base nor exponent is a number that allows it."""
        base, exponent = [float(v.value) if isinstance(v, Const) and v.lanes == 1 else math.nan for v in x.args]
        if base == 2:
            return self.function("exp2", args[1:], x.dtype)
        if not is_simple_power(exponent):
            return None
        return power(Math(self.code, element_type(x.dtype), self.lanes, False), args[0], exponent)

    def integer_power(self, x: str, n: int, dtype: DType) -> str:
        """A real number to a power: by products, or where the last digit counts by the function."""
        if self.precise:
            return self.function("pow", [x, self.filled(dtype, float(n))], dtype)
        if n < 0:
            # Divided first, since the whole power may overflow where its reciprocal is a denormal number.
            half = self.arithmetic("divide", self.filled(dtype, 1.0), self.integer_power(x, -n // 2, dtype), dtype)
            squared = self.arithmetic("multiply", half, half, dtype)
            return self.arithmetic("divide", squared, x, dtype) if n % 2 else squared
        if n == 1:
            return x
        half = self.integer_power(x, n // 2, dtype)
        squared = self.arithmetic("multiply", half, half, dtype)
        return self.arithmetic("multiply", squared, x, dtype) if n % 2 else squared

    def extremum(self, name: str, x: str, y: str, dtype: DType) -> str:
        """NumPy's `maximum` or `minimum`: NaN if either is."""
        code, kind = self.code, self.kind(dtype)
        if dtype.kind != "f":
            sign = "s" if dtype.kind == "i" else "u"
            return code.intrinsic(f"{sign}{name[:3]}", element_type(dtype), self.lanes, x, y)
        # Of an unordered pair the first choice gives y; so only a NaN in x is left to put in.
        first = self.code(f"fcmp {'ogt' if name == 'maximum' else 'olt'} {kind} {x}, {y}")
        chosen = self.select(first, x, y, dtype)
        return self.select(self.real("isnan", [x], dtype), x, chosen, dtype)

    def modulo(self, x: str, y: str, dtype: DType) -> str:
        # NumPy's remainder has the sign of y.
        zero = self.filled(dtype, 0.0)
        r = self.real("fmod", [x, y], dtype)
        nonzero = self.compare("not_equal", r, zero, dtype)
        moved = self.arithmetic("add", r, y, dtype)
        r = self.select(self._opposed(r, y, nonzero, dtype), moved, r, dtype)
        kept = self.select(nonzero, r, self.real("copysign", [r, y], dtype), dtype)
        nan = self.filled(dtype, math.nan)
        return self.select(self.compare("equal", y, zero, dtype), nan, kept, dtype)

    def _opposed(self, r: str, y: str, nonzero: str, dtype: DType) -> str:
        zero, mask = self.filled(dtype, 0.0), vector("i1", self.lanes)
        signs = self.code(
            f"xor {mask} {self.compare('less', y, zero, dtype)}, {self.compare('less', r, zero, dtype)}"
        )
        return self.code(f"and {mask} {signs}, {nonzero}")

    def floor_divide(self, x: str, y: str, dtype: DType) -> str:
        # The quotient that goes with NumPy's remainder.
        zero, one = self.filled(dtype, 0.0), self.filled(dtype, 1.0)
        r = self.real("fmod", [x, y], dtype)
        quotient = self.arithmetic("divide", x, y, dtype)
        q = self.arithmetic("divide", self.arithmetic("subtract", x, r, dtype), y, dtype)
        opposed = self._opposed(r, y, self.compare("not_equal", r, zero, dtype), dtype)
        q = self.select(opposed, self.arithmetic("subtract", q, one, dtype), q, dtype)
        f = self.real("floor", [q], dtype)
        half = self.filled(dtype, 0.5)
        over = self.compare("greater", self.arithmetic("subtract", q, f, dtype), half, dtype)
        f = self.select(over, self.arithmetic("add", f, one, dtype), f, dtype)
        signed = self.real("copysign", [zero, quotient], dtype)
        f = self.select(self.compare("equal", q, zero, dtype), signed, f, dtype)
        return self.select(self.compare("equal", y, zero, dtype), quotient, f, dtype)

    # -- functions ---------------------------------------------------------------------------------------------

    def function(self, name: str, args: Sequence[str], dtype: DType) -> str:
        """An elementary function: vector code where there is some, else the C library's lane by lane."""
        found = definition(name, dtype.char, self.lanes, features=self.features, precise=self.precise)
        if found is not None:
            module = self.code.module
            module.definitions[found.symbol] = found.text
            module.declarations.update(dict.fromkeys(found.needs))
            kind = self.kind(dtype)
            return self.code(f'call {kind} @"{found.symbol}"({", ".join(f"{kind} {x}" for x in args)})')
        element = element_type(dtype)
        return self.by_lane(_LIBM[name] + ("f" if element == "float" else ""), element, args, element)

    def by_lane(self, function: str, element: str, args: Sequence[str], result: str, more: Sequence[Any] = ()) -> str:
        """Call a scalar function once for each lane."""
        code = self.code
        lanes = []
        for lane in range(self.lanes):
            xs = [(element, code.extract(element, x, self.lanes, lane)) for x in args]
            lanes.append(code.call(result, function, *xs, *more))
        return code.gathered(result, lanes)

    def special(self, name: str, args: Sequence[str], dtype: DType) -> str:
        """A function of `scipy.special`, in double precision."""
        found = symbol(name, len(args))
        if found is None:
            raise MissingRuleError(f"scipy.special.cython_special has no function {name} of {len(args)} doubles")
        exported, skip = found
        label = f"graphad.special.{name}.{len(args)}"
        self.code.module.symbols[label] = Symbol("special", exported)
        double = np.dtype(float)
        wide = [self.cast(x, dtype, double) for x in args]
        more = [("i32", "0")] if skip else []
        result = self.by_lane(label, "double", [str(x) for x in wide], "double", more)
        return str(self.cast(result, double, dtype))

    # -- integers ----------------------------------------------------------------------------------------------

    def integer(self, name: str, args: Sequence[str], dtype: DType) -> str:
        """An intrinsic of integer or boolean operands."""
        code, kind, x = self.code, self.kind(dtype), args[0]
        signed = dtype.kind == "i"
        if name in _ARITHMETIC:
            return self.arithmetic(name, x, args[1], dtype)
        if name in _COMPARE:
            return self.compare(name, x, args[1], dtype)
        zero = self.filled(dtype, 0)
        match name:
            case "negative":
                return code(f"sub {kind} {zero}, {x}")
            case "abs":
                return code(f"call {kind} @{self._absolute(dtype)}({kind} {x}, i1 false)") if signed else x
            case "invert":
                return code(f"xor {kind} {x}, {self.filled(dtype, -1 if dtype.kind != 'b' else True)}")
            case "sign":
                up = self.cast(self.compare("greater", x, zero, dtype), np.dtype(bool), dtype)
                down = self.cast(self.compare("less", x, zero, dtype), np.dtype(bool), dtype)
                return code(f"sub {kind} {up}, {down}")
            case "maximum" | "minimum" | "fmax" | "fmin":
                return self.extremum("maximum" if name in ("maximum", "fmax") else "minimum", x, args[1], dtype)
            case "isnan" | "isinf" | "isfinite":
                return splat("i1", name == "isfinite", self.lanes)
            case "left_shift" | "right_shift":
                return self.shift(name, x, args[1], dtype)
            case "floordiv" | "mod" | "fmod":
                return self.divide_integers(name, x, args[1], dtype)
        raise MissingRuleError(f"{name} of {dtype} has no code")

    def _absolute(self, dtype: DType) -> str:
        element = element_type(dtype)
        kind = vector(element, self.lanes)
        name = f"llvm.abs.{kind if self.lanes == 1 else f'v{self.lanes}{element}'}"
        return self.code.module.declare(kind, name, kind, "i1")

    def shift(self, name: str, x: str, y: str, dtype: DType) -> str:
        # A shift by the width or more, or by a negative number, shifts everything out.
        code, kind, bits = self.code, self.kind(dtype), dtype.itemsize * 8
        inside = code(f"icmp ult {kind} {y}, {self.filled(dtype, bits)}")
        zero = self.filled(dtype, 0)
        safe = self.select(inside, y, zero, dtype)
        if name == "left_shift":
            return self.select(inside, code(f"shl {kind} {x}, {safe}"), zero, dtype)
        if dtype.kind == "u":
            return self.select(inside, code(f"lshr {kind} {x}, {safe}"), zero, dtype)
        return code(f"ashr {kind} {x}, {self.select(inside, y, self.filled(dtype, bits - 1), dtype)}")

    def divide_integers(self, name: str, x: str, y: str, dtype: DType) -> str:
        """NumPy's integer division: zero for a zero divisor, wrapping for the one overflow."""
        code, kind, signed = self.code, self.kind(dtype), dtype.kind == "i"
        zero, one = self.filled(dtype, 0), self.filled(dtype, 1)
        none = self.compare("equal", y, zero, dtype)
        safe = self.select(none, one, y, dtype)
        if not signed:
            result = code(f"{'udiv' if name == 'floordiv' else 'urem'} {kind} {x}, {safe}")
            return self.select(none, zero, result, dtype)
        # The hardware traps on the quotient of the smallest number and -1.
        flip = self.compare("equal", y, self.filled(dtype, -1), dtype)
        safe = self.select(flip, one, safe, dtype)
        r = code(f"srem {kind} {x}, {safe}")
        mask = vector("i1", self.lanes)
        signs = code(f"icmp slt {kind} {code(f'xor {kind} {r}, {safe}')}, {zero}")
        opposed = code(f"and {mask} {signs}, {self.compare('not_equal', r, zero, dtype)}")
        if name == "floordiv":
            q = code(f"sdiv {kind} {x}, {safe}")
            q = self.select(opposed, code(f"sub {kind} {q}, {one}"), q, dtype)
            q = self.select(flip, code(f"sub {kind} {zero}, {x}"), q, dtype)
            return self.select(none, zero, q, dtype)
        if name == "mod":
            r = self.select(opposed, code(f"add {kind} {r}, {safe}"), r, dtype)
        return self.select(none, zero, r, dtype)

    # -- complex -----------------------------------------------------------------------------------------------

    def complex(self, name: str, args: Sequence[Any], dtype: DType) -> Register:
        """An intrinsic of complex operands."""
        code, part = self.code, part_of(dtype)
        a, b = args[0]
        mask = vector("i1", self.lanes)
        if name in ("add", "subtract"):
            c, d = args[1]
            return self.arithmetic(name, a, c, part), self.arithmetic(name, b, d, part)
        match name:
            case "multiply":
                c, d = args[1]
                products = [self.arithmetic("multiply", x, y, part) for x, y in ((a, c), (b, d), (a, d), (b, c))]
                return (
                    self.arithmetic("subtract", products[0], products[1], part),
                    self.arithmetic("add", products[2], products[3], part),
                )
            case "divide":
                return self.divide_complex(args[0], args[1], part)
            case "negative":
                return self.real("negative", [a], part), self.real("negative", [b], part)
            case "conj":
                return a, self.real("negative", [b], part)
            case "real":
                return a  # type: ignore[no-any-return]
            case "imag":
                return b  # type: ignore[no-any-return]
            case "abs":
                return self.function("hypot", [a, b], part)
            case "equal" | "not_equal":
                c, d = args[1]
                joined = "and" if name == "equal" else "or"
                return code(f"{joined} {mask} {self.compare(name, a, c, part)}, {self.compare(name, b, d, part)}")
            case "isnan" | "isinf" | "isfinite":
                joined = "and" if name == "isfinite" else "or"
                return code(f"{joined} {mask} {self.real(name, [a], part)}, {self.real(name, [b], part)}")
        return self.complex_function(name, args[0], part)

    def divide_complex(self, x: tuple[str, str], y: tuple[str, str], part: DType) -> tuple[str, str]:
        """Smith's algorithm (Communications of the ACM 5, 1962), as NumPy divides, also by zero."""

        def op(name: str, p: str, q: str) -> str:
            return self.arithmetic(name, p, q, part)

        (a, b), (c, d) = x, y
        first = self.compare("greater_equal", self.real("abs", [c], part), self.real("abs", [d], part), part)
        big, small = self.select(first, c, d, part), self.select(first, d, c, part)
        ratio = op("divide", small, big)
        zero = self.compare("equal", big, self.filled(part, 0.0), part)
        scale = op("divide", self.filled(part, 1.0), op("add", big, op("multiply", small, ratio)))
        u, v = self.select(first, a, b, part), self.select(first, b, a, part)
        real = op("add", u, op("multiply", v, ratio))
        low, high = op("multiply", u, ratio), v
        imaginary = self.select(first, op("subtract", high, low), op("subtract", low, high), part)
        # By zero each part is divided, not by NaN.
        scale = self.select(zero, self.filled(part, math.inf), scale, part)
        real, imaginary = self.select(zero, a, real, part), self.select(zero, b, imaginary, part)
        return op("multiply", real, scale), op("multiply", imaginary, scale)

    def complex_function(self, name: str, x: tuple[str, str], part: DType) -> tuple[str, str]:
        # C's complex functions of doubles take and give their two parts in two registers.
        double = np.dtype(float)
        code, lanes = self.code, self.lanes
        wide = [self.cast(v, part, double) for v in x]
        parts: tuple[list[str], list[str]] = ([], [])
        for lane in range(lanes):
            values = [("double", code.extract("double", v, lanes, lane)) for v in wide]
            pair = code.call("{ double, double }", f"c{name}", *values)
            for i in (0, 1):
                parts[i].append(code(f"extractvalue {{ double, double }} {pair}, {i}"))
        a, b = (code.gathered("double", p) for p in parts)
        return str(self.cast(a, double, part)), str(self.cast(b, double, part))

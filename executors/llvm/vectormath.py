"""Elementary functions as vector code: inline forms of our own, and the C library's vector functions.

The inline forms have no branches but one, for arguments of sine and cosine too large for their reduction; they are
written once and serve any number of lanes, in double precision; single precision is computed in double and rounded.
Sources: range reductions and kernels after W. J. Cody and W. Waite, "Software Manual for the Elementary Functions"
(1980), and the coefficients of log, sine and cosine of FDLIBM (Sun Microsystems, 1993); the polynomial of exp is a
minimax fit by Remez' algorithm. Bounds of their errors, in units in the last place, stand in `ERROR_ULP`.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from graphad.executors.llvm.text import Code, Module, mangle, splat, vector

ERROR_ULP: Final[dict[str, float]] = {
    "exp": 1.2, "exp2": 1.5, "expm1": 2.6, "log": 1.0, "log1p": 1.0, "log2": 2.0, "sin": 1.6, "cos": 1.6, "tan": 3.0,
    "tanh": 2.6, "sinh": 1.8, "cosh": 1.6,
}  # fmt: skip
"""The largest error of each inline form in double precision; in single precision all are within 1."""
LIBRARY_ULP: Final[float] = 4.0
"""The largest error of the functions of glibc's libmvec, by its manual."""
_LIBRARY: Final[dict[str, str]] = {
    "exp": "exp", "exp2": "exp2", "expm1": "expm1", "log": "log", "log2": "log2", "log10": "log10", "log1p": "log1p",
    "sin": "sin", "cos": "cos", "tan": "tan", "tanh": "tanh", "sinh": "sinh", "cosh": "cosh", "arcsin": "asin",
    "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh", "erf": "erf",
    "erfc": "erfc", "cbrt": "cbrt", "pow": "pow", "arctan2": "atan2", "hypot": "hypot",
}  # fmt: skip
_TWO_ARGUMENTS: Final = frozenset({"pow", "arctan2", "hypot"})


@dataclass(frozen=True)
class Definition:
    """A function by its symbol: IR that defines it, and the declarations that the IR needs."""

    symbol: str
    text: str
    needs: tuple[str, ...]


@cache
def definition(
    name: str, char: str, lanes: int, *, features: frozenset[str], precise: bool = False
) -> Definition | None:
    """The vector function `name` for `lanes` doubles (`char` is "d") or floats ("f"), one lane being a scalar.

    None where there is none: the caller then uses the C library's scalar function. `precise` leaves out all whose error
    may exceed one unit in the last place.
    """
    if name in _INLINE and not (precise and ERROR_ULP[name] > 1.0 and char == "d"):
        return _inline(name, char, lanes, bool(features & {"fma", "neon"}))
    if not precise and "libmvec" in features and name in _LIBRARY:
        return _library(name, char, lanes, features)
    return None


# -- libmvec ----------------------------------------------------------------------------------------------------


@cache
def libmvec() -> ctypes.CDLL | None:
    """glibc's library of vector functions; None where it is missing."""
    try:
        return ctypes.CDLL("libmvec.so.1")
    except OSError:
        return None


def libmvec_symbols(text: str) -> dict[str, int]:
    """The addresses of the library's functions that a module's text names."""
    library = libmvec()
    if library is None or "@_ZGV" not in text:
        return {}
    found = set()
    for part in text.split("@_ZGV")[1:]:
        found.add("_ZGV" + part[: part.index("(")])
    return {name: ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0 for name in found}


@cache
def _exported(symbol: str) -> bool:
    return hasattr(libmvec(), symbol)


def _library(name: str, char: str, lanes: int, features: frozenset[str]) -> Definition | None:
    """A call of the library's function for one register, of which only some lanes may be wanted."""
    item = 8 if char == "d" else 4
    widths = [("e", 64, "avx512f"), ("d", 32, "avx2"), ("b", 16, "sse4.1"), ("n", 16, "neon")]
    parts = "vv" if name in _TWO_ARGUMENTS else "v"
    for letter, size, feature in reversed(widths):
        width = size // item
        symbol = f"_ZGV{letter}N{width}{parts}_{_LIBRARY[name]}{'' if char == 'd' else 'f'}"
        if feature in features and width >= lanes and _exported(symbol):
            break
    else:
        return None
    element = "double" if char == "d" else "float"
    kind, wide = vector(element, lanes), vector(element, width)
    names = ["%x", "%y"][: len(parts)]
    code = Code(Module())
    # Lanes beyond the last repeat the first.
    order = ", ".join(f"i32 {i if i < lanes else 0}" for i in range(width))
    args = names
    if lanes == 1:
        args = [code.broadcast(element, x, width) for x in names]
    elif lanes < width:
        args = [code(f"shufflevector {kind} {x}, {kind} poison, <{width} x i32> <{order}>") for x in names]
    result = code.call(wide, symbol, *[(wide, x) for x in args])
    if lanes == 1:
        result = code.extract(element, result, width, 0)
    elif lanes < width:
        order = ", ".join(f"i32 {i}" for i in range(lanes))
        result = code(f"shufflevector {wide} {result}, {wide} poison, <{lanes} x i32> <{order}>")
    return _definition(f"graphad.mvec.{name}.{mangle(element, lanes)}", kind, names, code, result)


def _definition(symbol: str, kind: str, names: list[str], code: Code, result: str) -> Definition:
    head = f'define internal {kind} @"{symbol}"({", ".join(f"{kind} {x}" for x in names)}) alwaysinline nounwind {{'
    text = f"{head}\nentry:\n{code.string()}\nret {kind} {result}\n}}"
    return Definition(symbol, text, tuple(code.module.declarations))


# -- a small language for the inline forms ----------------------------------------------------------------------


class _Math:
    """Operations on doubles, and on 64-bit integers where the name says so, in all lanes at once."""

    def __init__(self, code: Code, lanes: int, fused: bool) -> None:
        self.code = code
        self.lanes = lanes
        self.fused = fused
        self.kind, self.bits, self.truth = (vector(t, lanes) for t in ("double", "i64", "i1"))

    def number(self, x: Any) -> str:
        return x if isinstance(x, str) else splat("double", x, self.lanes)

    def whole(self, x: Any) -> str:
        return x if isinstance(x, str) else splat("i64", x, self.lanes)

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
        return self.code.intrinsic("fma", "double", self.lanes, self.number(x), self.number(y), self.number(z))

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

    def fabs(self, x: str) -> str:
        return self.code.intrinsic("fabs", "double", self.lanes, x)

    def rint(self, x: str) -> str:
        return self.code.intrinsic("rint", "double", self.lanes, x)

    def sign_of(self, x: str, sign: str) -> str:
        return self.code.intrinsic("copysign", "double", self.lanes, x, sign)

    def compare(self, how: str, x: Any, y: Any) -> str:
        return self.code(f"fcmp {how} {self.kind} {self.number(x)}, {self.number(y)}")

    def where(self, condition: str, x: Any, y: Any) -> str:
        return self.code(
            f"select {self.truth} {condition}, {self.kind} {self.number(x)}, {self.kind} {self.number(y)}"
        )

    def as_bits(self, x: str) -> str:
        return self.code(f"bitcast {self.kind} {x} to {self.bits}")

    def as_double(self, x: str) -> str:
        return self.code(f"bitcast {self.bits} {x} to {self.kind}")

    def integer(self, name: str, x: Any, y: Any) -> str:
        return self.code(f"{name} {self.bits} {self.whole(x)}, {self.whole(y)}")

    def to_integer(self, x: str) -> tuple[str, str]:
        """The nearest whole number, as a double and in the low bits of an integer; for magnitudes below 2**51."""
        shifted = self.add(x, _SHIFT)
        return self.sub(shifted, _SHIFT), self.integer("sub", self.as_bits(shifted), _SHIFT_BITS)

    def power_of_two(self, n: str) -> str:
        """2**n for an integer n from -1022 to 1023."""
        return self.as_double(self.integer("shl", self.integer("add", n, 1023), 52))


_SHIFT: Final = 1.5 * 2.0**52
_SHIFT_BITS: Final = 0x4338000000000000
_LN2_HIGH: Final = 0.6931471805599453
_LN2_LOW: Final = 2.3190468138462996e-17
_LN2_SHORT: Final = (6.93147180369123816490e-01, 1.90821492927058770002e-10)
_EXP: Final = [
    0.5000000000000001, 0.16666666666666674, 0.04166666666662412, 0.008333333333322238, 0.0013888888917214794,
    0.00019841269886494974, 2.4801521294799118e-05, 2.7557242448368677e-06, 2.7620088864547017e-07,
    2.511000702164391e-08,
]  # fmt: skip
_LOG: Final = [
    6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01,
    1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01,
]  # fmt: skip
_SIN: Final = [
    -1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04, 2.75573137070700676789e-06,
    -2.50507602534068634195e-08, 1.58969099521155010221e-10,
]  # fmt: skip
_COS: Final = [
    4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05, -2.75573143513906633035e-07,
    2.08757232129817482790e-09, -1.13596475577881948265e-11,
]  # fmt: skip
_SINH: Final = [1.0 / math.factorial(n) for n in range(3, 19, 2)]
_HALF_PI: Final = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591833e-33)
_HALF_PI_SHORT: Final = (1.57079632673412561417, 6.07710050630396597660e-11, 2.02226624879595063154e-21)
_REDUCED: Final = 1e9
"""Magnitude up to which the reduction by multiples of pi/2 is exact enough."""


# -- exp and its relatives --------------------------------------------------------------------------------------


def _reduce(m: _Math, x: str) -> tuple[str, str]:
    """The integer k and r = x - k ln 2, of at most ln(2)/2 in magnitude."""
    k, n = m.to_integer(m.mul(x, 1.4426950408889634))
    high, low = (_LN2_HIGH, _LN2_LOW) if m.fused else _LN2_SHORT
    return n, m.fma(k, -low, m.fma(k, -high, x))


def _exp_of(m: _Math, r: str) -> str:
    return m.add(m.fma(m.mul(r, r), m.polynomial(r, _EXP), r), 1.0)


def _scaled(m: _Math, p: str, n: str) -> str:
    """p * 2**n for p near 1, in two steps, so that the result may overflow or be denormal."""
    half = m.integer("ashr", n, 1)
    return m.mul(m.mul(p, m.power_of_two(half)), m.power_of_two(m.integer("sub", n, half)))


def _clamped(m: _Math, x: str, low: float, high: float) -> str:
    # Of two unordered numbers the second is taken, so that NaN stays.
    x = m.where(m.compare("ogt", x, high), high, x)
    return m.where(m.compare("olt", x, low), low, x)


def _exp(m: _Math, x: str) -> str:
    n, r = _reduce(m, _clamped(m, x, -750.0, 750.0))
    return _kept_nan(m, x, _scaled(m, _exp_of(m, r), n))


def _kept_nan(m: _Math, x: str, result: str) -> str:
    # The integer part of NaN is no number, and neither is what is scaled by it.
    return m.where(m.compare("uno", x, x), x, result)


def _exp2(m: _Math, x: str) -> str:
    y = _clamped(m, x, -1100.0, 1100.0)
    k, n = m.to_integer(y)
    return _kept_nan(m, x, _scaled(m, _exp_of(m, m.mul(m.sub(y, k), math.log(2.0))), n))


def _expm1(m: _Math, x: str) -> str:
    # 2 (2**(k-1) (exp(r) - 1) + (2**(k-1) - 1/2)), where neither part overflows before the result does.
    n, r = _reduce(m, _clamped(m, x, -50.0, 720.0))
    q = m.fma(m.mul(r, r), m.polynomial(r, _EXP), r)
    n = m.integer("sub", n, 1)
    over = m.code(f"icmp sgt {m.bits} {n}, {m.whole(1023)}")
    n = m.code(f"select {m.truth} {over}, {m.bits} {m.whole(1023)}, {m.bits} {n}")
    t = m.power_of_two(n)
    result = m.mul(m.fma(t, q, m.sub(t, 0.5)), 2.0)
    result = m.where(m.compare("ogt", x, 709.782712893384), math.inf, result)
    tiny = m.compare("olt", m.fabs(x), 1e-300)
    return _kept_nan(m, x, m.where(tiny, x, result))


def _tanh(m: _Math, x: str) -> str:
    t = _expm1(m, m.mul(_clamped(m, m.fabs(x), 0.0, 22.0), 2.0))
    return _kept_nan(m, x, m.sign_of(m.div(t, m.add(t, 2.0)), x))


def _cosh(m: _Math, x: str) -> str:
    n, r = _reduce(m, _clamped(m, m.fabs(x), 0.0, 750.0))
    half = _scaled(m, _exp_of(m, r), m.integer("sub", n, 1))
    return _kept_nan(m, x, m.add(half, m.div(0.25, half)))


def _sinh(m: _Math, x: str) -> str:
    y = m.fabs(x)
    n, r = _reduce(m, _clamped(m, y, 0.0, 750.0))
    half = _scaled(m, _exp_of(m, r), m.integer("sub", n, 1))
    large = m.sub(half, m.div(0.25, half))
    square = m.mul(y, y)
    small = m.fma(m.mul(square, y), m.polynomial(square, _SINH), y)
    result = m.where(m.compare("olt", y, 1.0), small, large)
    return _kept_nan(m, x, m.sign_of(result, x))


# -- log and its relatives --------------------------------------------------------------------------------------


def _log_parts(m: _Math, x: str) -> tuple[str, str, str, str, str]:
    """For x = 2**k (1 + f): k and f, with f*f/2, s = f/(2+f) and the polynomial's part of log(1 + f)."""
    scaled = m.compare("olt", x, 2.2250738585072014e-308)
    y = m.where(scaled, m.mul(x, 2.0**54), x)
    bits = m.as_bits(y)
    # Adding the distance of sqrt(1/2) from 1 carries into the exponent where the fraction is beyond sqrt(2).
    moved = m.integer("add", bits, 0x3FF0000000000000 - 0x3FE6A09E667F3BCD)
    n = m.integer("sub", m.integer("lshr", moved, 52), 1023)
    fraction = m.integer("add", m.integer("and", moved, 0x000FFFFFFFFFFFFF), 0x3FE6A09E667F3BCD)
    f = m.sub(m.as_double(fraction), 1.0)
    k = m.sub(m.as_double(m.integer("add", n, _SHIFT_BITS)), _SHIFT)
    k = m.where(scaled, m.sub(k, 54.0), k)
    return k, f, *_log_kernel(m, f)


def _log_kernel(m: _Math, f: str) -> tuple[str, str, str]:
    s = m.div(f, m.add(f, 2.0))
    z = m.mul(s, s)
    half_square = m.mul(m.mul(f, f), 0.5)
    return half_square, s, m.mul(z, m.polynomial(z, _LOG))


def _log_ends(m: _Math, x: str, result: str) -> str:
    result = m.where(m.compare("oeq", x, math.inf), math.inf, result)
    result = m.where(m.compare("oeq", x, 0.0), -math.inf, result)
    return m.where(m.compare("uge", x, 0.0), _kept_nan(m, x, result), math.nan)


def _log(m: _Math, x: str) -> str:
    k, f, half_square, s, r = _log_parts(m, x)
    high, low = _LN2_SHORT
    inner = m.fma(k, low, m.mul(s, m.add(half_square, r)))
    return _log_ends(m, x, m.sub(m.mul(k, high), m.sub(m.sub(half_square, inner), f)))


def _log2(m: _Math, x: str) -> str:
    k, f, half_square, s, r = _log_parts(m, x)
    ln = m.sub(f, m.sub(half_square, m.mul(s, m.add(half_square, r))))
    return _log_ends(m, x, m.fma(ln, 1.4426950408889634, k))


def _log1p(m: _Math, x: str) -> str:
    u = m.add(x, 1.0)
    k, f, half_square, s, r = _log_parts(m, u)
    # What was lost in 1 + x, as a first-order correction.
    c = m.div(m.where(m.compare("ogt", x, 1.0), m.sub(1.0, m.sub(u, x)), m.sub(x, m.sub(u, 1.0))), u)
    high, low = _LN2_SHORT
    inner = m.add(m.mul(s, m.add(half_square, r)), m.fma(k, low, c))
    result = m.sub(m.mul(k, high), m.sub(m.sub(half_square, inner), f))
    result = m.where(m.compare("olt", m.fabs(x), 2.0**-54), x, result)
    result = m.where(m.compare("oeq", x, math.inf), math.inf, result)
    result = m.where(m.compare("oeq", x, -1.0), -math.inf, result)
    return m.where(m.compare("uge", x, -1.0), _kept_nan(m, x, result), math.nan)


# -- sine, cosine, tangent --------------------------------------------------------------------------------------


def _sine_and_cosine(m: _Math, x: str) -> tuple[str, str, str]:
    """The number of the quarter turn, and sine and cosine of what is left."""
    k, n = m.to_integer(m.mul(x, 0.6366197723675814))
    a, b, c = _HALF_PI if m.fused else _HALF_PI_SHORT
    r = m.fma(k, -c, m.fma(k, -b, m.fma(k, -a, x)))
    z = m.mul(r, r)
    sine = m.fma(m.mul(z, r), m.polynomial(z, _SIN), r)
    half = m.mul(z, 0.5)
    w = m.sub(1.0, half)
    rest = m.add(m.sub(m.sub(1.0, w), half), m.mul(m.mul(z, z), m.polynomial(z, _COS)))
    return n, sine, m.add(w, rest)


def _turned(m: _Math, n: str, sine: str, cosine: str) -> str:
    odd = m.code(f"icmp ne {m.bits} {m.integer('and', n, 1)}, {m.whole(0)}")
    sign = m.integer("shl", m.integer("and", n, 2), 62)
    return m.as_double(m.integer("xor", m.as_bits(m.where(odd, cosine, sine)), sign))


def _sin(m: _Math, x: str) -> str:
    n, sine, cosine = _sine_and_cosine(m, x)
    result = _turned(m, n, sine, cosine)
    return m.where(m.compare("oeq", x, 0.0), x, result)


def _cos(m: _Math, x: str) -> str:
    n, sine, cosine = _sine_and_cosine(m, x)
    return _turned(m, m.integer("add", n, 1), sine, cosine)


def _tan(m: _Math, x: str) -> str:
    n, sine, cosine = _sine_and_cosine(m, x)
    odd = m.code(f"icmp ne {m.bits} {m.integer('and', n, 1)}, {m.whole(0)}")
    result = m.div(m.where(odd, m.neg(cosine), sine), m.where(odd, sine, cosine))
    return m.where(m.compare("oeq", x, 0.0), x, result)


_INLINE: Final[dict[str, Callable[[_Math, str], str]]] = {
    "exp": _exp, "exp2": _exp2, "expm1": _expm1, "log": _log, "log1p": _log1p, "log2": _log2, "sin": _sin, "cos": _cos,
    "tan": _tan, "tanh": _tanh, "sinh": _sinh, "cosh": _cosh,
}  # fmt: skip
_PERIODIC: Final = frozenset({"sin", "cos", "tan"})


@cache
def _inline(name: str, char: str, lanes: int, fused: bool) -> Definition:
    code = Code(Module())
    kind = vector("double" if char == "d" else "float", lanes)
    m = _Math(code, lanes, fused)
    x = "%x" if char == "d" else code(f"fpext {kind} %x to {m.kind}")
    result = _INLINE[name](m, x)
    if name in _PERIODIC:
        result = _with_library(m, name, x, result)
    if char != "d":
        result = code(f"fptrunc {m.kind} {result} to {kind}")
    symbol = f"graphad.{name}.{mangle('double' if char == 'd' else 'float', lanes)}"
    return _definition(symbol, kind, ["%x"], code, result)


def _with_library(m: _Math, name: str, x: str, result: str) -> str:
    """The result, but by the C library where the argument is large, infinite or NaN."""
    code, lanes = m.code, m.lanes
    large = m.compare("ugt", m.fabs(x), _REDUCED)
    some = large if lanes == 1 else code.call("i1", f"llvm.vector.reduce.or.v{lanes}i1", (m.truth, large))
    before, slow, after = code.block, code.name(), code.name()
    code.do(f"br i1 {some}, label %{slow}, label %{after}, !prof !{{!\"branch_weights\", i32 1, i32 4000}}")
    code.begin(slow)
    values = [code.call("double", name, ("double", code.extract("double", x, lanes, i))) for i in range(lanes)]
    library = m.where(large, code.gathered("double", values), result)
    code.do(f"br label %{after}")
    code.begin(after)
    return code(f"phi {m.kind} [ {result}, %{before} ], [ {library}, %{slow} ]")

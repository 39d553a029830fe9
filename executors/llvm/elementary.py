"""Elementary functions for any processor, from arithmetic and integer operations alone, without branches.

They are written for double precision, from which single precision is rounded; sine and cosine are in `trigonometric`.
Sources: range reductions and kernels after W. J. Cody and W. Waite, "Software Manual for the Elementary Functions"
(1980), and the coefficients of log of FDLIBM (Sun Microsystems, 1993); the polynomial of exp is a minimax fit by Remez'
algorithm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from graphad.executors.llvm.mathcode import Math

Form = Callable[[Any, str], str]

ERROR_ULP: Final[dict[str, float]] = {
    "exp": 1.2, "exp2": 1.5, "expm1": 2.7, "log": 1.0, "log1p": 1.0, "log2": 2.0, "log10": 2.0, "tanh": 2.8,
    "sinh": 1.8, "cosh": 1.6, "arcsinh": 2.0, "arccosh": 2.4, "arctanh": 2.2,
}  # fmt: skip
"""The largest error of each in double precision, in units in the last place."""

_LN2: Final = (0.6931471805599453, 2.3190468138462996e-17)
LN2_SHORT: Final = (6.93147180369123816490e-01, 1.90821492927058770002e-10)
_LOG10_2_SHORT: Final = (3.01029995663611771306e-01, 3.69423907715893078616e-13)
_EXP: Final = [
    0.5000000000000001, 0.16666666666666674, 0.04166666666662412, 0.008333333333322238, 0.0013888888917214794,
    0.00019841269886494974, 2.4801521294799118e-05, 2.7557242448368677e-06, 2.7620088864547017e-07,
    2.511000702164391e-08,
]  # fmt: skip
_LOG: Final = [
    6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01,
    1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01,
]  # fmt: skip
_LARGE: Final = 2.0**60
_SINH: Final = [1.0 / math.factorial(n) for n in range(3, 19, 2)]


def power_of_two(m: Math, n: str) -> str:
    """2**n for an integer n from -1022 to 1023."""
    return m.as_number(m.integer("shl", m.integer("add", n, 1023), 52))


# -- exp and its relatives ---------------------------------------------------------------------------------------


def _reduce(m: Math, x: str) -> tuple[str, str]:
    """The integer k and r = x - k ln 2, of at most ln(2)/2 in magnitude."""
    k, n = m.to_integer(m.mul(x, 1.4426950408889634))
    high, low = _LN2 if m.fused else LN2_SHORT
    return n, m.fma(k, -low, m.fma(k, -high, x))


def _exp_of(m: Math, r: str) -> str:
    return m.add(m.fma(m.mul(r, r), m.polynomial(r, _EXP), r), 1.0)


def _scaled(m: Math, p: str, n: str) -> str:
    """p * 2**n for p near 1, in two steps, so that the result may overflow or be denormal."""
    half = m.integer("ashr", n, 1)
    return m.mul(m.mul(p, power_of_two(m, half)), power_of_two(m, m.integer("sub", n, half)))


def kept_nan(m: Math, x: str, result: str) -> str:
    # The integer part of NaN is no number, and neither is what is scaled by it.
    return m.where(m.compare("uno", x, x), x, result)


def _exp(m: Math, x: str) -> str:
    n, r = _reduce(m, m.at_least(m.at_most(x, 750.0), -750.0))
    return kept_nan(m, x, _scaled(m, _exp_of(m, r), n))


def _exp2(m: Math, x: str) -> str:
    y = m.at_least(m.at_most(x, 1100.0), -1100.0)
    k, n = m.to_integer(y)
    return kept_nan(m, x, _scaled(m, _exp_of(m, m.mul(m.sub(y, k), math.log(2.0))), n))


def _expm1(m: Math, x: str) -> str:
    # 2 (2**(k-1) (exp(r) - 1) + (2**(k-1) - 1/2)), where neither part overflows before the result does.
    n, r = _reduce(m, m.at_least(m.at_most(x, 720.0), -50.0))
    q = m.fma(m.mul(r, r), m.polynomial(r, _EXP), r)
    n = m.integer("sub", n, 1)
    over = m.code(f"icmp sgt {m.bits} {n}, {m.whole(1023)}")
    n = m.code(f"select {m.truth} {over}, {m.bits} {m.whole(1023)}, {m.bits} {n}")
    t = power_of_two(m, n)
    result = m.mul(m.fma(t, q, m.sub(t, 0.5)), 2.0)
    result = m.where(m.compare("ogt", x, 709.782712893384), math.inf, result)
    tiny = m.compare("olt", m.fabs(x), 1e-300)
    return kept_nan(m, x, m.where(tiny, x, result))


def _tanh(m: Math, x: str) -> str:
    t = _expm1(m, m.mul(m.at_most(m.fabs(x), 22.0), 2.0))
    return m.sign_of(m.div(t, m.add(t, 2.0)), x)


def _cosh(m: Math, x: str) -> str:
    n, r = _reduce(m, m.at_most(m.fabs(x), 750.0))
    half = _scaled(m, _exp_of(m, r), m.integer("sub", n, 1))
    return kept_nan(m, x, m.add(half, m.div(0.25, half)))


def _sinh(m: Math, x: str) -> str:
    y = m.fabs(x)
    n, r = _reduce(m, m.at_most(y, 750.0))
    half = _scaled(m, _exp_of(m, r), m.integer("sub", n, 1))
    large = m.sub(half, m.div(0.25, half))
    square = m.mul(y, y)
    small = m.fma(m.mul(square, y), m.polynomial(square, _SINH), y)
    result = m.where(m.compare("olt", y, 1.0), small, large)
    return kept_nan(m, x, m.sign_of(result, x))


# -- log and its relatives ---------------------------------------------------------------------------------------


def log_parts(m: Math, x: str) -> tuple[str, str, str, str]:
    """For x = 2**k (1 + f): k and f, with f*f/2 and the rest of log(1 + f) = f - f*f/2 + rest."""
    scaled = m.compare("olt", x, 2.2250738585072014e-308)
    y = m.where(scaled, m.mul(x, 2.0**54), x)
    bits = m.as_bits(y)
    # Adding the distance of sqrt(1/2) from 1 carries into the exponent where the fraction is beyond sqrt(2).
    moved = m.integer("add", bits, 0x3FF0000000000000 - 0x3FE6A09E667F3BCD)
    n = m.integer("sub", m.integer("lshr", moved, 52), 1023)
    fraction = m.integer("add", m.integer("and", moved, 0x000FFFFFFFFFFFFF), 0x3FE6A09E667F3BCD)
    f = m.sub(m.as_number(fraction), 1.0)
    k = m.sub(m.as_number(m.integer("add", n, m.shift_bits)), m.shift)
    k = m.where(scaled, m.sub(k, 54.0), k)
    s = m.div(f, m.add(f, 2.0))
    z = m.mul(s, s)
    half_square = m.mul(m.mul(f, f), 0.5)
    rest = m.mul(s, m.add(half_square, m.mul(z, m.polynomial(z, _LOG))))
    return k, f, half_square, rest


def log_ends(m: Math, x: str, result: str, pole: float = 0.0) -> str:
    result = m.where(m.compare("oeq", x, math.inf), math.inf, result)
    result = m.where(m.compare("oeq", x, pole), -math.inf, result)
    return m.where(m.compare("uge", x, pole), kept_nan(m, x, result), math.nan)


def _log(m: Math, x: str) -> str:
    k, f, half_square, rest = log_parts(m, x)
    high, low = LN2_SHORT
    inner = m.fma(k, low, rest)
    return log_ends(m, x, m.sub(m.mul(k, high), m.sub(m.sub(half_square, inner), f)))


def _log2(m: Math, x: str) -> str:
    k, f, half_square, rest = log_parts(m, x)
    ln = m.sub(f, m.sub(half_square, rest))
    return log_ends(m, x, m.fma(ln, 1.4426950408889634, k))


def _log10(m: Math, x: str) -> str:
    k, f, half_square, rest = log_parts(m, x)
    ln = m.sub(f, m.sub(half_square, rest))
    high, low = _LOG10_2_SHORT
    return log_ends(m, x, m.fma(k, high, m.fma(k, low, m.mul(ln, 0.4342944819032518))))


def _log1p(m: Math, x: str) -> str:
    u = m.add(x, 1.0)
    k, f, half_square, rest = log_parts(m, u)
    # What was lost in 1 + x, as a first-order correction.
    c = m.div(m.where(m.compare("ogt", x, 1.0), m.sub(1.0, m.sub(u, x)), m.sub(x, m.sub(u, 1.0))), u)
    high, low = LN2_SHORT
    inner = m.add(rest, m.fma(k, low, c))
    result = m.sub(m.mul(k, high), m.sub(m.sub(half_square, inner), f))
    result = m.where(m.compare("olt", m.fabs(x), 2.0**-54), x, result)
    return log_ends(m, x, result, -1.0)


def arctanh(m: Math, x: str, log1p: Form) -> str:
    """The inverse hyperbolic tangent."""
    y = m.fabs(x)
    return m.sign_of(m.mul(log1p(m, m.div(m.add(y, y), m.sub(1.0, y))), 0.5), x)


def _log1p_or_twice(m: Math, y: str, small: str, log1p: Form) -> str:
    """log(1 + small), or log(2 y) where y is so large that its square would not help."""
    large = m.compare("ogt", y, _LARGE)
    return m.add(log1p(m, m.where(large, y, small)), m.where(large, math.log(2.0), 0.0))


def arcsinh(m: Math, x: str, log1p: Form) -> str:
    """The inverse hyperbolic sine."""
    y = m.fabs(x)
    root = m.sqrt(m.fma(y, y, 1.0))
    small = m.add(y, m.mul(y, m.div(y, m.add(root, 1.0))))
    return m.sign_of(_log1p_or_twice(m, y, small, log1p), x)


def arccosh(m: Math, x: str, log1p: Form) -> str:
    """The inverse hyperbolic cosine."""
    t = m.sub(x, 1.0)
    small = m.add(t, m.sqrt(m.fma(t, t, m.add(t, t))))
    return m.where(m.compare("ult", x, 1.0), math.nan, _log1p_or_twice(m, x, small, log1p))


def _by(form: Any) -> Form:
    return lambda m, x: str(form(m, x, _log1p))


FORMS: Final[dict[str, Form]] = {
    "exp": _exp, "exp2": _exp2, "expm1": _expm1, "log": _log, "log1p": _log1p, "log2": _log2, "log10": _log10,
    "tanh": _tanh, "sinh": _sinh, "cosh": _cosh, "arcsinh": _by(arcsinh), "arccosh": _by(arccosh),
    "arctanh": _by(arctanh),
}  # fmt: skip

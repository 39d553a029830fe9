"""Elementary functions within one unit in the last place, of which the C library's errors are larger.

Numbers are pairs `(high, low)` where a digit would be lost (T. J. Dekker, "A floating-point technique for extending the
available precision", Numerische Mathematik 18, 1971), so that a result is rounded almost once. They are written for
double precision, without branches.
"""

from __future__ import annotations

import math
from typing import Final

from graphad.executors.llvm.elementary import LN2_SHORT, Form, kept_nan, log_ends, log_parts, power_of_two
from graphad.executors.llvm.mathcode import Math, Operand

ERROR_ULP: Final[dict[str, float]] = {
    "cbrt": 0.6, "sinh": 0.9, "cosh": 0.7, "tanh": 0.9, "arcsinh": 0.8, "arccosh": 0.8, "arctanh": 0.8,
    "log10": 0.8,
}  # fmt: skip
"""The largest error of each in double precision, in units in the last place."""

Pair = tuple[str, str]

_EXP: Final = [1.0 / math.factorial(n) for n in range(3, 15)]
_SINH: Final = [1.0 / math.factorial(n) for n in range(3, 21, 2)]
_CBRT: Final = [0.691986, 0.357098, -0.042080, 0.002271]
"""A cubic near the cube root from 1 to 8."""
_LOG10_E: Final = (0.4342944819032518, 1.098319650216765e-17)
_LARGE: Final = 2.0**28
"""From here on 1 is nothing beside the squares of arguments."""


# -- pairs ---------------------------------------------------------------------------------------------------------


def _sum(m: Math, x: Operand, y: Operand) -> Pair:
    """The sum of two numbers, and what rounding took from it."""
    s = m.add(x, y)
    back = m.sub(s, x)
    return s, m.add(m.sub(x, m.sub(s, back)), m.sub(y, back))


def _sum_down(m: Math, x: Operand, y: Operand) -> Pair:
    """The same where the first is the larger in magnitude, or zero."""
    s = m.add(x, y)
    return s, m.sub(y, m.sub(s, x))


def _rest(m: Math, x: Operand, y: Operand, p: Operand) -> str:
    """x y - p, nearly without rounding, for a p near x y."""
    if m.fused:
        return m.fma(x, y, m.neg(m.number(p)))
    (x1, x2), (y1, y2) = _halves(m, x), _halves(m, y)
    q = m.mul(x, y)
    lost = m.sub(m.mul(x1, y1), q)
    for first, second in ((x1, y2), (x2, y1), (x2, y2)):
        lost = m.add(lost, m.mul(first, second))
    return m.add(m.sub(q, p), lost)


def _halves(m: Math, x: Operand) -> Pair:
    """A number as a sum of two of half its digits."""
    x = m.number(x)
    high = m.as_number(m.integer("and", m.as_bits(x), -(2**27)))
    return high, m.sub(x, high)


def _square(m: Math, x: Operand) -> Pair:
    p = m.mul(x, x)
    return p, _rest(m, x, x, p)


def _quotient(m: Math, x: Pair, y: Pair) -> Pair:
    q = m.div(x[0], y[0])
    rest = m.sub(m.sub(x[1], _rest(m, q, y[0], x[0])), m.mul(q, y[1]))
    return q, m.div(rest, y[0])


def _root(m: Math, x: Pair) -> Pair:
    s = m.sqrt(x[0])
    none = m.compare("oeq", s, 0.0)
    rest = m.sub(x[1], _rest(m, s, s, x[0]))
    return s, m.where(none, 0.0, m.div(rest, m.where(none, 1.0, m.add(s, s))))


# -- by exp --------------------------------------------------------------------------------------------------------


def _exp(m: Math, x: str, lower: int = 0) -> Pair:
    """exp(x) / 2**lower, for which 2**-lower exp(x) neither overflows nor is denormal."""
    k, n = m.to_integer(m.mul(x, 1 / math.log(2)))
    high, low = LN2_SHORT
    # The high part is so short that its multiples, and what they leave of x, are exact.
    r, below = _sum_down(m, m.sub(x, m.mul(k, high)), m.neg(m.mul(k, low)))
    square, square_low = _square(m, r)
    tail = m.mul(m.mul(square, r), m.polynomial(r, _EXP))
    first, lost = _sum_down(m, 1.0, r)
    second, more = _sum_down(m, first, m.mul(square, 0.5))
    rest = m.fma(below, first, m.add(m.add(lost, more), m.add(tail, m.mul(square_low, 0.5))))
    total, rest = _sum_down(m, second, rest)
    t = power_of_two(m, m.integer("sub", n, lower))
    return m.mul(total, t), m.mul(rest, t)


def _quarters(m: Math, y: str) -> tuple[Pair, Pair]:
    """exp(y) / 4 and exp(-y) / 4 for y of at least 0; beyond 710.7 twice the first overflows."""
    up = _exp(m, m.at_most(y, 710.7), 2)
    return up, _quotient(m, (m.number(0.0625), m.number(0.0)), up)


def _cosh(m: Math, x: str) -> str:
    up, down = _quarters(m, m.fabs(x))
    s, lost = _sum_down(m, up[0], down[0])
    return kept_nan(m, x, m.mul(m.add(s, m.add(lost, m.add(up[1], down[1]))), 2.0))


def _sinh(m: Math, x: str) -> str:
    y = m.fabs(x)
    up, down = _quarters(m, y)
    s, lost = _sum_down(m, up[0], m.neg(down[0]))
    large = m.mul(m.add(s, m.add(lost, m.sub(up[1], down[1]))), 2.0)
    square = m.mul(y, y)
    small = m.add(m.mul(m.mul(square, y), m.polynomial(square, _SINH)), y)
    return kept_nan(m, x, m.sign_of(m.where(m.compare("olt", y, 1.0), small, large), x))


def _tanh(m: Math, x: str) -> str:
    e = _exp(m, m.mul(m.at_most(m.fabs(x), 22.0), 2.0))
    s, lost = _sum(m, e[0], -1.0)
    up = _sum(m, s, m.add(lost, e[1]))
    total, more = _sum(m, up[0], 2.0)
    q, rest = _quotient(m, up, (total, m.add(more, up[1])))
    return kept_nan(m, x, m.sign_of(m.add(q, rest), x))


# -- by log --------------------------------------------------------------------------------------------------------


def _log(m: Math, u: str, beside: Operand, twice: str | None = None) -> Pair:
    """log(u + beside), or where `twice` holds log(2 u)."""
    k, f, half_square, rest = log_parts(m, u)
    if twice is not None:
        k = m.where(twice, m.add(k, 1.0), k)
    half_low = m.mul(_square(m, f)[1], 0.5)
    a, first = _sum_down(m, f, m.neg(half_square))
    high, low = LN2_SHORT
    b, second = _sum_down(m, m.mul(k, high), a)
    below = m.add(m.add(first, second), m.sub(m.div(beside, u), half_low))
    return b, m.add(m.add(rest, m.mul(k, low)), below)


def _log1p(m: Math, w: Pair, large: str | None = None, y: str = "") -> str:
    """log(1 + w) for w of at least 0; where `large` holds, log(2 y)."""
    u, lost = _sum(m, 1.0, w[0])
    lost = m.add(lost, w[1])
    if large is not None:
        u, lost = m.where(large, y, u), m.where(large, 0.0, lost)
    return m.add(*_log(m, u, lost, large))


def _log10(m: Math, x: str) -> str:
    b, low = _sum_down(m, *_log(m, x, 0.0))
    high, beside = _LOG10_E
    p = m.mul(b, high)
    rest = m.add(_rest(m, b, high, p), m.add(m.mul(b, beside), m.mul(low, high)))
    return log_ends(m, x, m.add(p, rest))


def _arctanh(m: Math, x: str) -> str:
    y = m.fabs(x)
    half = m.mul(_log1p(m, _quotient(m, (m.add(y, y), m.number(0.0)), _sum_down(m, 1.0, m.neg(y)))), 0.5)
    result = m.where(m.compare("oeq", y, 1.0), math.inf, half)
    return m.sign_of(m.where(m.compare("ule", y, 1.0), kept_nan(m, x, result), math.nan), x)


def _arccosh(m: Math, x: str) -> str:
    p, p_low = _square(m, x)
    v, v_low = _sum(m, p, -1.0)
    s = _root(m, (v, m.add(v_low, p_low)))
    t, t_low = _sum(m, x, -1.0)
    w, w_low = _sum(m, s[0], t)
    large = m.compare("ogt", x, _LARGE)
    result = _log1p(m, (w, m.add(w_low, m.add(s[1], t_low))), large, x)
    result = m.where(m.compare("oeq", x, math.inf), math.inf, result)
    return m.where(m.compare("uge", x, 1.0), kept_nan(m, x, result), math.nan)


def _arcsinh(m: Math, x: str) -> str:
    y = m.fabs(x)
    p, p_low = _square(m, y)
    v, v_low = _sum(m, 1.0, p)
    s, s_low = _root(m, (v, m.add(v_low, p_low)))
    d, d_low = _sum(m, 1.0, s)
    q, q_low = _quotient(m, (p, p_low), (d, m.add(d_low, s_low)))
    w, w_low = _sum(m, y, q)
    result = _log1p(m, (w, m.add(w_low, q_low)), m.compare("ogt", y, _LARGE), y)
    result = m.where(m.compare("oeq", y, math.inf), math.inf, result)
    return kept_nan(m, x, m.sign_of(result, x))


# -- roots ---------------------------------------------------------------------------------------------------------


def _cbrt(m: Math, x: str) -> str:
    """By two steps of Halley's iteration from a cubic, and one of Newton's with an exact remainder."""
    y = m.fabs(x)
    tiny = m.compare("olt", y, 2.0**-900)
    y = m.where(tiny, m.mul(y, 2.0**162), y)
    e = m.integer("sub", m.integer("lshr", m.as_bits(y), 52), 1023)
    e = m.sub(m.as_number(m.integer("add", e, m.shift_bits)), m.shift)
    _, third = m.to_integer(m.mul(m.sub(e, 1.0), 1 / 3))  # rounded down
    unit = power_of_two(m, m.integer("sub", 0, third))
    z = m.mul(m.mul(m.mul(y, unit), unit), unit)
    a = m.polynomial(z, _CBRT)
    for _ in range(2):
        cube = m.mul(m.mul(a, a), a)
        a = m.mul(a, m.div(m.add(cube, m.add(z, z)), m.add(m.add(cube, cube), z)))
    h, low = _square(m, a)
    cube = m.mul(h, a)
    rest = m.sub(m.sub(m.sub(z, cube), _rest(m, h, a, cube)), m.mul(low, a))
    a = m.add(a, m.div(rest, m.mul(h, 3.0)))
    result = m.mul(a, power_of_two(m, third))
    result = m.sign_of(m.where(tiny, m.mul(result, 2.0**-54), result), x)
    ordinary = m.both(m.compare("olt", m.fabs(x), math.inf), m.compare("one", x, 0.0))
    return m.where(ordinary, result, x)


FORMS: Final[dict[str, Form]] = {
    "cbrt": _cbrt, "sinh": _sinh, "cosh": _cosh, "tanh": _tanh, "arcsinh": _arcsinh, "arccosh": _arccosh,
    "arctanh": _arctanh, "log10": _log10,
}  # fmt: skip

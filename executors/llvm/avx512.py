"""Elementary functions on AVX-512, whose instructions look up tables of 16 numbers and split and scale exponents.

Each is written once for double and single precision. The tables bring arguments so near to 1 (logarithms) or 0
(exponentials) that a short polynomial is left, after P. T. P. Tang, "Table-driven implementation of the exponential
function" and "of the logarithm function" (ACM Transactions on Mathematical Software 15, 1989 and 16, 1990). Entries are
held in two parts, since one would cost half a unit of the result. The polynomials are minimax fits by Remez' algorithm.
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from functools import cache
from typing import Any, Final

import numpy as np

from graphad.executors.llvm.elementary import arccosh, arcsinh, arctanh
from graphad.executors.llvm.mathcode import MANTISSA, Registers

ERROR_ULP: Final[dict[str, tuple[float, float]]] = {
    "exp": (0.8, 0.8), "exp2": (0.8, 0.8), "expm1": (1.6, 1.6), "tanh": (3.5, 3.5), "sinh": (3.2, 3.2),
    "cosh": (1.1, 1.1), "log": (0.85, 0.85), "log2": (0.85, 0.85), "log10": (0.85, 0.85), "log1p": (0.85, 0.85),
    "arcsinh": (2.0, 2.0), "arccosh": (2.4, 2.4), "arctanh": (2.2, 2.2), "pow": (4.0, 1.0),
}  # fmt: skip
"""The largest error of each in double and in single precision, in units in the last place."""

Table = tuple[list[float], list[float]]
_ENTRIES: Final = 16
_EXP: Final[dict[str, list[float]]] = {
    "double": [
        0.5000000000000002, 0.16666666666666674, 0.04166666666204027, 0.00833333333242816, 0.0013889090182552192,
        0.0001984155253747575,
    ],
    "float": [0.49999999987596816, 0.16666989414929198, 0.04166758268772377],
}  # fmt: skip
"""(exp(r) - 1 - r) / r**2 within ln(2)/32 of 0."""
_LOG: Final[dict[str, list[float]]] = {
    "double": [
        -0.5, 0.33333333333343435, -0.24999999999983605, 0.19999999940120755, -0.16666666066923017,
        0.14285808283407123, -0.12501828070563423, 0.11074714515558175, -0.08776859506746884,
    ],
    "float": [-0.5, 0.333344001822172, -0.25007869240330144, 0.18884616867996723],
}  # fmt: skip
"""(log(1 + r) - r) / r**2 for r from -1/32 to 1/16."""
_RECIPROCALS: Final = [n / 128 for n in (128, 120, 112, 108, 100, 96, 92, 88, 84, 80, 78, 74, 72, 70, 68, 64)]
"""For numbers of at least 1 + j/16, and below the next j: about 1 / (1 + (j + 1/2)/16), but in so few bits that the
product less 1 is exact, and of the outer ends of the first and the last, so that log(1) is 0."""
_GRID: Final = {"double": 40, "float": 15}
"""Bits after the point of the leading parts of logarithms: whole multiples of ln 2 are exact, and sums with them."""
_LOG_ENDS: Final = {"nan": math.nan, "zero": -math.inf, "inf": math.inf, "-inf": math.nan, "negative": math.nan}
_LOG_ENDS_OF_MAGNITUDES: Final = {"nan": math.nan, "zero": -math.inf, "inf": math.inf, "-inf": math.inf}
_LOG_CUBIC: Final[dict[str, list[float]]] = {
    "double": [
        0.3333333333333333, -0.250000000000004, 0.20000000000042228, -0.16666666665149205, 0.1428571415681044,
        -0.12500000934548267, 0.11111265282952382, -0.10001412787404884, 0.09035033589434732, -0.07093103943612084,
    ],
    "float": [0.3333334148805063, -0.250011139479169, 0.19997466678415654, -0.15536042022389768],
}  # fmt: skip
"""(log(1 + r) - r + r**2 / 2) / r**3 for the same r, as exactly as powers need it."""


# -- tables ------------------------------------------------------------------------------------------------------


def _nearest(x: Decimal, element: str) -> float:
    return float(x) if element == "double" else float(np.float32(float(x)))


def _split(x: Decimal, grid: int) -> tuple[float, float]:
    high = round(x * 2**grid)
    return high / 2.0**grid, float(x - Decimal(high) / 2**grid)


@cache
def _powers(element: str) -> Table:
    """2**(j/16) for each j, rounded, and what that lost, relative to it."""
    with localcontext(prec=50):
        exact = [Decimal(2) ** (Decimal(j) / _ENTRIES) for j in range(_ENTRIES)]
        near = [_nearest(x, element) for x in exact]
        return near, [float((x - Decimal(y)) / x) for x, y in zip(exact, near, strict=True)]


@cache
def _ln2(element: str) -> tuple[float, float]:
    with localcontext(prec=50):
        exact = Decimal(2).ln()
        high = _nearest(exact, element)
        return high, float(exact - Decimal(high))


@cache
def _logarithms(element: str, base: int) -> tuple[tuple[float, float], tuple[float, float], Table]:
    """1 / ln(base) and the logarithm of 2, in two parts, and those of 1 / `_RECIPROCALS`; base 0 is e."""
    with localcontext(prec=50):
        unit = 1 / Decimal(base).ln() if base else Decimal(1)
        high = _nearest(unit, element)
        parts = [_split(-Decimal(x).ln() * unit, _GRID[element]) for x in (*_RECIPROCALS, 0.5)]
        table = [x for x, _ in parts[:-1]], [x for _, x in parts[:-1]]
        return (high, float(unit - Decimal(high))), parts[-1], table


# -- exp and its relatives ---------------------------------------------------------------------------------------


def _multiple(m: Registers, x: str) -> tuple[str, str]:
    shift = m.shift / _ENTRIES
    shifted = m.fma(x, 1.4426950408889634, shift)
    return m.sub(shifted, shift), m.as_bits(shifted)


def _reduced(m: Registers, x: str) -> tuple[str, str, str]:
    """For exp(x) = 2**k exp(r), with k a multiple of 1/16: k, an integer with the low four bits of 16 k, and r."""
    k, at = _multiple(m, x)
    high, low = _ln2(m.element)
    return k, at, m.fma(k, -low, m.fma(k, -high, x))


def _parts(m: Registers, at: str, r: str) -> tuple[str, str, str]:
    """t = 2**(j/16) rounded, what that lost relative to t, and q, such that t (1 + r + q) is 2**(j/16) exp(r)."""
    near, lost = (m.look_up(table, at) for table in _powers(m.element))
    return near, lost, m.fma(m.mul(r, r), m.polynomial(r, _EXP[m.element]), lost)


def _exp(m: Registers, x: str) -> str:
    k, at, r = _reduced(m, m.at_least(m.at_most(x, 750.0), -750.0))
    t, _, q = _parts(m, at, r)
    return m.scale(m.fma(t, m.add(r, q), t), k)


def _exp2(m: Registers, x: str) -> str:
    x = m.at_least(m.at_most(x, 1100.0), -1100.0)
    shift = m.shift / _ENTRIES
    shifted = m.add(x, shift)
    k = m.sub(shifted, shift)
    r = m.mul(m.sub(x, k), _ln2(m.element)[0])
    t, _, q = _parts(m, m.as_bits(shifted), r)
    return m.scale(m.fma(t, m.add(r, q), t), k)


def _expm1_parts(m: Registers, x: str) -> tuple[str, str, str]:
    """k, w = 2**-floor(k) and w expm1(x)."""
    k, at, r = _reduced(m, x)
    t, lost, q = _parts(m, at, r)
    # The floor of this is minus the floor of k.
    w = m.scale(1.0, m.sub(1.0 - 1.0 / _ENTRIES, k))
    return k, w, m.fma(t, m.fma(lost, r, q), m.fma(t, r, m.sub(t, w)))


def _expm1(m: Registers, x: str) -> str:
    k, _, n = _expm1_parts(m, m.at_least(m.at_most(x, 720.0), -50.0))
    return m.sign_of(m.scale(n, k), x)


def _tanh(m: Registers, x: str) -> str:
    y = m.at_most(m.fabs(x), 22.0)
    _, w, n = _expm1_parts(m, m.add(y, y))
    return m.sign_of(m.div(n, m.fma(w, 2.0, n)), x)


def _sinh(m: Registers, x: str) -> str:
    # With e = expm1(|x|), (e + e / (e + 1)) / 2.
    k, w, n = _expm1_parts(m, m.at_most(m.fabs(x), 750.0))
    return m.sign_of(m.scale(m.fma(w, m.div(n, m.add(n, w)), n), m.sub(k, 1.0)), x)


def _cosh(m: Registers, x: str) -> str:
    k, at, r = _reduced(m, m.at_most(m.fabs(x), 750.0))
    t, _, q = _parts(m, at, r)
    p = m.fma(t, m.add(r, q), t)
    w = m.scale(1.0, m.sub(1.0 - 1.0 / _ENTRIES, k))
    return m.scale(m.fma(w, m.div(w, p), p), m.sub(k, 1.0))


# -- log and its relatives ---------------------------------------------------------------------------------------


def _log_parts(m: Registers, x: str) -> tuple[str, str, str, str]:
    """For x = 2**k (1 + r) / c: k, r, and c with its place in the table."""
    y = m.significand(x)
    at = m.integer("lshr", m.as_bits(y), MANTISSA[m.element] - 4)
    c = m.look_up(_RECIPROCALS, at)
    return m.exponent(x), m.fma(y, c, -1.0), c, at


def _log_sum(m: Registers, k: str, r: str, at: str, more: str | None = None, base: int = 0) -> str:
    """The logarithm, of k, r and the place in the table; `more` is what r lacks."""
    (unit, unit_low), (high, low), table = _logarithms(m.element, base)
    inner = m.fma(k, low, m.look_up(table[1], at)) if low else m.look_up(table[1], at)
    if more is not None:
        inner = m.add(inner, more)
    coefficients = [c * unit for c in _LOG[m.element]]
    if unit_low:
        inner = m.fma(r, m.polynomial(r, [unit_low, *coefficients]), inner)
    else:
        inner = m.fma(m.mul(r, r), m.polynomial(r, coefficients), inner)
    return m.add(m.fma(k, high, m.look_up(table[0], at)), m.fma(r, unit, inner))


def _log_of(base: int) -> Any:
    def log(m: Registers, x: str) -> str:
        k, r, _, at = _log_parts(m, x)
        return m.corrected(_log_sum(m, k, r, at, base=base), x, _LOG_ENDS)

    return log


def _log1p(m: Registers, x: str) -> str:
    u = m.add(x, 1.0)
    k, r, c, at = _log_parts(m, u)
    lost = m.sub(m.at_most(x, 1.0), m.sub(u, m.at_least(x, 1.0)))
    lost = m.mul(lost, m.scale(c, m.neg(k)))
    lost = m.fma(m.neg(lost), r, lost)
    return m.sign_of(m.corrected(_log_sum(m, k, r, at, lost), u, _LOG_ENDS), x)


# -- powers ------------------------------------------------------------------------------------------------------


def _log_in_two(m: Registers, x: str) -> tuple[str, str]:
    """log(|x|) as a sum with about ten bits more than a number holds; the second term is small, of finite ones."""
    k, r, _, at = _log_parts(m, x)
    _, (high, low), table = _logarithms(m.element, 0)
    square = m.mul(r, r)
    near = m.fma(square, -0.5, r)
    lost = m.fma(m.fma(r, r, m.neg(square)), -0.5, m.fma(square, -0.5, m.sub(r, near)))
    rest = m.fma(m.mul(square, r), m.polynomial(r, _LOG_CUBIC[m.element]), lost)
    whole = m.fma(k, high, m.look_up(table[0], at))
    head = m.add(whole, near)
    # `whole` is 0 or larger than the other.
    less = m.sub(near, m.sub(head, whole))
    tail = m.add(m.add(less, rest), m.fma(k, low, m.look_up(table[1], at)))
    return m.corrected(head, x, _LOG_ENDS_OF_MAGNITUDES), tail


def _pow(m: Registers, x: str, y: str) -> str:
    head, tail = _log_in_two(m, x)
    t = m.mul(y, head)
    more = m.fma(y, tail, m.fma(y, head, m.neg(t)))
    # The second part may be NaN where the first is infinite.
    t, more = m.at_least(m.at_most(t, 750.0), -750.0), m.at_least(m.where(m.compare("olt", more, 2.0), more, 2.0), -2.0)
    k, at = _multiple(m, m.add(t, more))
    high, low = _ln2(m.element)
    r = m.add(m.fma(k, -high, t), m.fma(k, -low, more))
    near, _, q = _parts(m, at, r)
    power = m.scale(m.fma(near, m.add(r, q), near), k)
    power = m.corrected(m.corrected(power, x, {"one": 1.0}), y, {"zero": 1.0})
    negative = m.code(f"icmp slt {m.bits} {m.as_bits(x)}, {m.whole(0)}")
    return m.corrected_rarely(power, negative, lambda: _power_of_negative(m, x, y, power))


def _power_of_negative(m: Registers, x: str, y: str, power: str) -> str:
    """|x|**y with the sign that it has; NaN where the exponent is no whole number, unless x is 0 or infinite."""
    half = m.mul(y, 0.5)
    whole = m.compare("oeq", m.intrinsic("rint", y), y)
    odd = m.both(whole, m.compare("one", m.intrinsic("rint", half), half))
    power = m.where(odd, m.sign_of(power, x), power)
    finite = m.both(m.compare("olt", x, 0.0), m.compare("one", x, -math.inf))
    power = m.where(m.both(finite, m.compare("une", m.intrinsic("rint", y), y)), math.nan, power)
    one = m.both(m.compare("oeq", x, -1.0), m.compare("oeq", m.fabs(y), math.inf))
    return m.where(m.either(one, m.compare("oeq", y, 0.0)), 1.0, power)


FORMS: Final[dict[str, Any]] = {
    "exp": _exp, "exp2": _exp2, "expm1": _expm1, "tanh": _tanh, "sinh": _sinh, "cosh": _cosh, "log": _log_of(0),
    "log2": _log_of(2), "log10": _log_of(10), "log1p": _log1p, "pow": _pow,
    "arcsinh": lambda m, x: arcsinh(m, x, _log1p), "arccosh": lambda m, x: arccosh(m, x, _log1p),
    "arctanh": lambda m, x: arctanh(m, x, _log1p),
}  # fmt: skip

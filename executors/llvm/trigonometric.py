"""Sine, cosine and tangent for any processor, in double precision and, with fused operations, in single precision.

They have no branches but one, for arguments too large for the reduction. Sources: the reduction by multiples of pi/2
after W. J. Cody and W. Waite, "Software Manual for the Elementary Functions" (1980); the kernels and their coefficients
in double precision of FDLIBM (Sun Microsystems, 1993); those in single precision are minimax fits by Remez' algorithm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from graphad.executors.llvm.mathcode import Math

ERROR_ULP: Final[dict[str, float]] = {"sin": 1.6, "cos": 1.6, "tan": 3.1}
"""The largest error of each in double precision, in units in the last place, with fused operations."""
UNFUSED_ULP: Final[dict[str, float]] = {"sin": 2.6, "cos": 2.6, "tan": 3.6}
"""The same without them."""
SINGLE_ULP: Final[dict[str, float]] = {"sin": 1.6, "cos": 1.6}
"""The same in single precision with them, of those that are faster there than in double precision."""

_SIN: Final[dict[str, list[float]]] = {
    "double": [
        -1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04,
        2.75573137070700676789e-06, -2.50507602534068634195e-08, 1.58969099521155010221e-10,
    ],
    "float": [-0.16666654737826375, 0.008332164565713574, -0.00019515396559636024],
}  # fmt: skip
_COS: Final[dict[str, list[float]]] = {
    "double": [
        4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05,
        -2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11,
    ],
    "float": [0.041666646533832466, -0.0013887350289074007, 2.4436385970962674e-05],
}  # fmt: skip
_HALF_PI: Final = {
    "double": (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591833e-33),
    "float": (1.5707963705062866, -4.371138828673793e-08, -1.7151245100058819e-15),
}
_HALF_PI_SHORT: Final = (1.57079632673412561417, 6.07710050630396597660e-11, 2.02226624879595063154e-21)
_REDUCED: Final = {"double": 1e9, "float": 1e4}
"""The magnitude up to which the subtraction of multiples of pi/2 is exact enough."""


def _sine_and_cosine(m: Math, x: str) -> tuple[str, str, str]:
    """The number of the quarter turn, and sine and cosine of what is left."""
    k, n = m.to_integer(m.mul(x, 0.6366197723675814))
    a, b, c = _HALF_PI[m.element] if m.fused else _HALF_PI_SHORT
    r = m.fma(k, -c, m.fma(k, -b, m.fma(k, -a, x)))
    z = m.mul(r, r)
    sine = m.fma(m.mul(z, r), m.polynomial(z, _SIN[m.element]), r)
    half = m.mul(z, 0.5)
    w = m.sub(1.0, half)
    rest = m.add(m.sub(m.sub(1.0, w), half), m.mul(m.mul(z, z), m.polynomial(z, _COS[m.element])))
    return n, sine, m.add(w, rest)


def _odd(m: Math, n: str) -> str:
    return m.code(f"icmp ne {m.bits} {m.integer('and', n, 1)}, {m.whole(0)}")


def _turned(m: Math, n: str, sine: str, cosine: str) -> str:
    sign = m.integer("shl", m.integer("and", n, 2), 62 if m.element == "double" else 30)
    return m.as_number(m.integer("xor", m.as_bits(m.where(_odd(m, n), cosine, sine)), sign))


def _sin(m: Math, x: str) -> str:
    n, sine, cosine = _sine_and_cosine(m, x)
    result = _turned(m, n, sine, cosine)
    return _with_library(m, "sin", x, m.where(m.compare("oeq", x, 0.0), x, result))


def _cos(m: Math, x: str) -> str:
    n, sine, cosine = _sine_and_cosine(m, x)
    return _with_library(m, "cos", x, _turned(m, m.integer("add", n, 1), sine, cosine))


def _tan(m: Math, x: str) -> str:
    n, sine, cosine = _sine_and_cosine(m, x)
    odd = _odd(m, n)
    result = m.div(m.where(odd, m.neg(cosine), sine), m.where(odd, sine, cosine))
    return _with_library(m, "tan", x, m.where(m.compare("oeq", x, 0.0), x, result))


def _with_library(m: Math, name: str, x: str, result: str) -> str:
    """The result, but by the C library where the argument is large, infinite or NaN."""
    code, element, lanes = m.code, m.element, m.lanes
    # Without a fused operation the first two parts of k pi/2 are exact only up to this k.
    large = m.compare("ugt", m.fabs(x), _REDUCED[element] if m.fused else 2.0**19)
    symbol = name if element == "double" else f"{name}f"

    def library() -> str:
        values = [code.call(element, symbol, (element, code.extract(element, x, lanes, i))) for i in range(lanes)]
        return m.where(large, code.gathered(element, values), result)

    return m.corrected_rarely(result, large, library)


FORMS: Final[dict[str, Callable[[Math, str], str]]] = {"sin": _sin, "cos": _cos, "tan": _tan}

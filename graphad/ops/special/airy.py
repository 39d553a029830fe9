"""Airy functions, and integrals of Airy and Bessel functions."""

from __future__ import annotations

import math
from typing import Any

from graphad.ops.complex import absolute
from graphad.ops.elementwise import scalar
from graphad.ops.rounding import maximum
from graphad.ops.select import select
from graphad.ops.special.base import Result, Slopes, with_results
from graphad.ops.special.bessel import i0, j0, k0, y0
from graphad.ops.special.integrals import Component, with_components
from graphad.ops.transcendental import sqrt
from graphad.types import Array


def _airy(i: int, x: Array) -> Array:
    return Component("airy", i)(x)


with_components(
    "airy",
    [
        lambda out, x: _airy(1, x), lambda out, x: x * _airy(0, x),
        lambda out, x: _airy(3, x), lambda out, x: x * _airy(2, x),
    ],
)  # fmt: skip


def _growth(x: Any) -> Any:
    """The derivative of the exponent `2/3 x**1.5` of scaled Airy functions, which are not scaled at negative `x`."""
    return sqrt(maximum(x, 0))


def _less_one(x: Any, function: Any, sign: float) -> Any:
    """`(function(x) - 1) / x` for `i0`, and for `j0` with `sign` -1 `(1 - j0(x)) / x`: by its series near 0."""
    quarter = 0.25 * x * x
    series: Any = scalar(0, x.dtype)
    for k in reversed(range(8)):
        series = series * quarter + sign**k / math.factorial(k + 1) ** 2
    near = absolute(x) < 0.5
    away = select(near, scalar(1, x.dtype), x)
    return select(near, 0.25 * x * series, sign * (function(away) - 1) / away)


_AXIS = ((0.3, 1.5),)
_airy_integrals: list[Slopes] = [
    [lambda out, x: _airy(0, x)], [lambda out, x: _airy(2, x)],
    [lambda out, x: _airy(0, -x)], [lambda out, x: _airy(2, -x)],
]  # fmt: skip
# SciPy's have an error of 1e-6 from x = 1 on, so that differences of them say little there.
with_results("itairy", _airy_integrals, ((0.3, 0.9),))
with_results("iti0k0", [[lambda out, x: i0(x)], [lambda out, x: k0(x)]], _AXIS)
with_results("itj0y0", [[lambda out, x: j0(x)], [lambda out, x: y0(x)]], _AXIS)
with_results("it2i0k0", [[lambda out, x: _less_one(x, i0, 1.0)], [lambda out, x: -k0(x) / x]], _AXIS)
with_results("it2j0y0", [[lambda out, x: _less_one(x, j0, -1.0)], [lambda out, x: -y0(x) / x]], _AXIS)
with_results(
    "airye",
    [
        [lambda out, x: Result("airye", 1)(x) + _growth(x) * out],
        [lambda out, x: x * Result("airye", 0)(x) + _growth(x) * out],
        [lambda out, x: Result("airye", 3)(x) - _growth(x) * out],
        [lambda out, x: x * Result("airye", 2)(x) - _growth(x) * out],
    ],
    _AXIS,
)

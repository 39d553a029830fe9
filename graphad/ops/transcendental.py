"""Exponentials, logarithms, roots, trigonometric and hyperbolic functions.

Derivatives are those of the NIST Handbook of Mathematical Functions (DLMF), chapter 4. Where one is infinite at a
point of the domain it is infinite here too (`sqrt` and `cbrt` at 0, `arcsin` at 1), and a zero tangent or cotangent
there stays zero.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.ops.arithmetic import reciprocal, square
from graphad.ops.elementwise import elementwise, scalar
from graphad.ops.select import select

_LN2 = math.log(2)
_LN10 = math.log(10)

exp = elementwise(np.exp, code="exp({0})", partials=[lambda out, x: out], singular=True)
exp2 = elementwise(np.exp2, code="exp2({0})", partials=[lambda out, x: _LN2 * out], singular=True)
expm1 = elementwise(np.expm1, code="expm1({0})", partials=[lambda out, x: exp(x)], singular=True)
log = elementwise(
    np.log, code="log({0})", partials=[lambda out, x: reciprocal(x)], singular=True, domain=(0.2, 3.0)
)
log2 = elementwise(
    np.log2, code="log2({0})", partials=[lambda out, x: reciprocal(_LN2 * x)], singular=True, domain=(0.2, 3.0)
)
log10 = elementwise(
    np.log10, code="log10({0})", partials=[lambda out, x: reciprocal(_LN10 * x)], singular=True, domain=(0.2, 3.0)
)
log1p = elementwise(
    np.log1p, code="log1p({0})", partials=[lambda out, x: reciprocal(1 + x)], singular=True, domain=(-0.7, 3.0)
)
sqrt = elementwise(
    np.sqrt, code="sqrt({0})", partials=[lambda out, x: 0.5 * reciprocal(out)], singular=True,
    domain=(0.2, 3.0),
)  # fmt: skip
cbrt = elementwise(
    np.cbrt, code="cbrt({0})", partials=[lambda out, x: reciprocal(3 * square(out))], singular=True, domain=(0.2, 3.0)
)

sin = elementwise(np.sin, code="sin({0})", partials=[lambda out, x: cos(x)])
cos: Any = elementwise(np.cos, code="cos({0})", partials=[lambda out, x: -sin(x)])
tan = elementwise(np.tan, code="tan({0})", partials=[lambda out, x: 1 + square(out)], singular=True, domain=(-1.2, 1.2))
# (1 - x)(1 + x) is exact near 1, where 1 - x**2 loses all its digits.
arcsin = elementwise(
    np.arcsin,
    code="asin({0})",
    partials=[lambda out, x: reciprocal(sqrt((1 - x) * (1 + x)))],
    singular=True,
    domain=(-0.9, 0.9),
)
arccos = elementwise(
    np.arccos,
    code="acos({0})",
    partials=[lambda out, x: -reciprocal(sqrt((1 - x) * (1 + x)))],
    singular=True,
    domain=(-0.9, 0.9),
)
arctan = elementwise(
    np.arctan, code="atan({0})", partials=[lambda out, x: reciprocal(1 + square(x))], domain=(-0.9, 0.9)
)
sinh = elementwise(np.sinh, code="sinh({0})", partials=[lambda out, x: cosh(x)], singular=True)
cosh: Any = elementwise(np.cosh, code="cosh({0})", partials=[lambda out, x: sinh(x)], singular=True)
tanh = elementwise(np.tanh, code="tanh({0})", partials=[lambda out, x: 1 - square(out)])
arcsinh = elementwise(
    np.arcsinh, code="asinh({0})", partials=[lambda out, x: reciprocal(sqrt(1 + square(x)))], domain=(-0.9, 0.9)
)
# Two roots, since sqrt(x**2 - 1) has the wrong sign in half of the complex plane.
arccosh = elementwise(
    np.arccosh,
    code="acosh({0})",
    partials=[lambda out, x: reciprocal(sqrt(x - 1) * sqrt(x + 1))],
    singular=True,
    domain=(1.2, 4.0),
)
arctanh = elementwise(
    np.arctanh,
    code="atanh({0})",
    partials=[lambda out, x: reciprocal((1 - x) * (1 + x))],
    singular=True,
    domain=(-0.9, 0.9),
)


def _nonzero(x: Any) -> Any:
    return select(x == 0, scalar(1, x.dtype), x)


def _angle_partial(x: Any, y: Any) -> Any:
    radius = _nonzero(hypot(x, y))
    return x / radius / radius


def _share(total: Any, x: Any, y: Any, half: float) -> Any:
    # x - total, which is NaN between equal infinities: there x is all of the total, or half of it if y equals x.
    dtype = x.dtype
    equal = select(x == y, scalar(half, dtype), scalar(0, dtype))
    return select(x == total, equal, x - total)


# 0 at (0, 0): the mean of the directional derivatives, which are +-1.
hypot = elementwise(
    np.hypot,
    code="hypot({0}, {1})",
    partials=[lambda out, x, y: x / _nonzero(out), lambda out, x, y: y / _nonzero(out)],
)
# 0 at (0, 0), where it jumps.
arctan2 = elementwise(
    np.arctan2,
    code="atan2({0}, {1})",
    partials=[lambda out, y, x: _angle_partial(x, y), lambda out, y, x: -_angle_partial(y, x)],
    domain=((0.2, 2.0), (-2.0, 2.0)),
)
# Equal infinities share the derivative, as equal numbers do; an infinity beside a number takes all of it.
logaddexp = elementwise(
    np.logaddexp,
    code="where({0} == {1}, {0} + 0.6931471805599453, max({0}, {1}) + log1p(exp(-abs({0} - {1}))))",
    partials=[lambda out, x, y: exp(_share(out, x, y, -_LN2)), lambda out, x, y: exp(_share(out, y, x, -_LN2))],
)
logaddexp2 = elementwise(
    np.logaddexp2,
    code="where({0} == {1}, {0} + 1.0, max({0}, {1}) + 1.4426950408889634 * log1p(exp2(-abs({0} - {1}))))",
    partials=[lambda out, x, y: exp2(_share(out, x, y, -1.0)), lambda out, x, y: exp2(_share(out, y, x, -1.0))],
)

degrees = elementwise(
    np.degrees, code="{0} * 57.29577951308232", partials=[lambda out, x: 180 / math.pi], multilinear=[0]
)
radians = elementwise(
    np.radians, code="{0} * 0.017453292519943295", partials=[lambda out, x: math.pi / 180], multilinear=[0]
)
rad2deg = elementwise(
    np.rad2deg, code="{0} * 57.29577951308232", partials=[lambda out, x: 180 / math.pi], multilinear=[0]
)
deg2rad = elementwise(
    np.deg2rad, code="{0} * 0.017453292519943295", partials=[lambda out, x: math.pi / 180], multilinear=[0]
)

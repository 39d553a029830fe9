"""Exponentials, logarithms, roots, trigonometric and hyperbolic functions.

Derivatives are those of the NIST Handbook of Mathematical Functions (DLMF), chapter 4. Where one is infinite at a
point of the domain it is infinite here too (`sqrt` and `cbrt` at 0, `arcsin` at 1), and a zero tangent or cotangent
there stays zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.op import OPS, Sample
from graphad.ops.arithmetic import divide, reciprocal, scale_tangent, square
from graphad.ops.elementwise import Elementwise, Ufunc, elementwise, scalar
from graphad.ops.select import select
from graphad.types import Array, DType

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


class _Sqrt(Ufunc, abstract=True):
    def kinks(self, *xs: Any) -> Any:
        return xs[0] == 0

    def squared(self, out: Array, *xs: Any) -> Array:
        (x,) = xs
        return x if x.dtype.kind == "c" else select(x >= 0, x, x * math.nan)


class _Hypot(Ufunc, abstract=True):
    def kinks(self, *xs: Any) -> Any:
        return (xs[0] == 0) & (xs[1] == 0)

    def squared(self, out: Any, *xs: Any) -> Any:
        return square(xs[0]) + square(xs[1])


sqrt = elementwise(
    np.sqrt, code="sqrt({0})", partials=[lambda out, x: 0.5 * reciprocal(out)], singular=True,
    domain=(0.2, 3.0), base=_Sqrt,
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


class Unit(Elementwise):
    """`x / r` for the distance `r` of a point from 0 and its coordinate `x`, and 0 at 0.

    It is the derivative of the distance, for which 0 is a choice at 0; its own derivative does not exist there, and is
    infinite or NaN.
    """

    code = "where({1} == 0, {1}, {0} / {1})"

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Array:
        inverse = reciprocal(primals[1])
        factors = (inverse, -(out * inverse))
        terms = [scale_tangent(f, t) for f, t in zip(factors, tangents, strict=True) if t is not None]
        return terms[0] + terms[1] if len(terms) == 2 else terms[0]

    def promote(self, kinds: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return divide.promote(kinds)  # type: ignore[no-any-return]

    def result_dtypes(self, *dtypes: DType) -> tuple[DType, ...]:
        return divide.result_dtypes(*dtypes)  # type: ignore[no-any-return]

    def eval(self, xp: Any, *xs: Any) -> Array:
        x, r = xs
        return xp.where(r == 0, r, x / r)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([[1.5, -2.0, 0.5], [3.0, 0.25, -1.0]])
        yield Sample(cls(), (x, np.hypot(x, x[::-1])))
        yield Sample(cls(), (x, np.sqrt(np.sum(x * x, axis=1, keepdims=True))))
        yield Sample(cls(), (x + 1j, np.abs(x + 1j) + 0j))


unit = OPS["unit"] = Unit()


def _angle_partial(x: Array, y: Array) -> Array:
    radius = hypot(x, y)
    return unit(unit(x, radius), radius)


def _share(total: Array, x: Array, y: Array, half: float) -> Array:
    # x - total, which is NaN between equal infinities: there x is all of the total, or half of it if y equals x.
    dtype = x.dtype
    equal = select(x == y, scalar(half, dtype), scalar(0, dtype))
    return select(x == total, equal, x - total)


# 0 at (0, 0): the mean of the directional derivatives, which are +-1.
hypot = elementwise(
    np.hypot,
    code="hypot({0}, {1})",
    partials=[lambda out, x, y: unit(x, out), lambda out, x, y: unit(y, out)],
    base=_Hypot,
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

"""Higher transcendental functions of `scipy.special`: hypergeometric, Bessel and Airy functions, integrals.

Derivatives are those of the NIST Digital Library of Mathematical Functions (DLMF): exponential integrals 6.2 and 8.19,
zeta 25.11, hypergeometric functions 13.3 and 15.5, Bessel functions 10.6 and 10.29, Airy functions 9.2. Of the
parameters that they need, orders for one, most have no closed derivative; those say so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError
from graphad.namespaces import scipy_of
from graphad.op import OPS, Sample
from graphad.ops.arithmetic import float_power, square
from graphad.ops.complex import sign
from graphad.ops.elementwise import Partial, Ufunc, elementwise, scalar
from graphad.ops.parameters import above, from_poles, least, parameter, power, size, within
from graphad.ops.select import select
from graphad.ops.special import FloatFunction, betaln
from graphad.ops.transcendental import cos, cosh, exp, log, log1p, sin, sinh, sqrt
from graphad.trace import UFUNCS

_HALF_PI = math.pi / 2


def fixed(name: str, operand: str) -> Partial:
    """The derivative in a parameter for which there is no rule."""

    def missing(*operands: Any) -> Any:
        raise MissingRuleError(
            f"{name} has no closed derivative with respect to its parameter {operand}; hold {operand} fixed, or give "
            "a rule with graphad.custom_jvp"
        )

    return missing


def _safe(x: Any) -> Any:
    """`x`, and 1 where it is 0: for quotients whose other branch is taken there."""
    return select(x == 0, scalar(1, x.dtype), x)


def near_zero(x: Any, reach: float, coefficients: Sequence[float], far: Callable[[Any], Any]) -> Any:
    """A power series for `x` smaller than `reach`, and elsewhere `far(x)`, whose terms cancel there."""
    near = abs(x) < reach
    total: Any = scalar(coefficients[-1], x.dtype)
    for c in coefficients[-2::-1]:
        total = total * x + scalar(c, x.dtype)
    return select(near, total, far(select(near, scalar(1, x.dtype), x)))


# -- exponential integrals and relatives ---------------------------------------------------------------------------

expi = elementwise(
    "expi", shared=True,
    code="special_expi({0})", partials=[lambda out, x: exp(x) / x], singular=True, domain=(0.3, 3.0),
)
exp1 = elementwise(
    "exp1", shared=True,
    code="special_exp1({0})", partials=[lambda out, x: -exp(-x) / x], singular=True, domain=(0.3, 3.0),
)
_EXPREL = [(n + 1) / math.factorial(n + 2) for n in range(14)]
exprel: Any = elementwise(
    "exprel", code="special_exprel({0})",
    partials=[lambda out, x: near_zero(x, 0.3, _EXPREL, lambda x: (exp(x) - exprel(x)) / x)],
)  # fmt: skip


def _boxcox_slope(log_x: Any, lmbda: Any) -> Any:
    """The derivative of `(exp(lmbda log_x) - 1) / lmbda` in `lmbda`."""
    y = lmbda * log_x
    return log_x * log_x * exprel.partials[0](None, y)


boxcox = elementwise(
    "boxcox", shared=True, code="special_boxcox({0}, {1})", singular=True, domain=((0.3, 3.0), (-2.0, 2.0)),
    partials=[
        lambda out, x, lmbda: float_power(x, lmbda - 1),
        lambda out, x, lmbda: _boxcox_slope(log(x), lmbda),
    ],
)  # fmt: skip
boxcox1p = elementwise(
    "boxcox1p", shared=True, code="special_boxcox1p({0}, {1})", singular=True, domain=((-0.6, 3.0), (-2.0, 2.0)),
    partials=[
        lambda out, x, lmbda: float_power(1 + x, lmbda - 1),
        lambda out, x, lmbda: _boxcox_slope(log1p(x), lmbda),
    ],
)  # fmt: skip
cosm1 = elementwise("cosm1", code="special_cosm1({0})", partials=[lambda out, x: -sin(x)])
_SPENCE = [-1 / (n + 1) for n in range(20)]
spence = elementwise(
    "spence", shared=True, code="special_spence({0})", singular=True, domain=(0.3, 3.0),
    partials=[lambda out, z: near_zero(1 - z, 0.1, _SPENCE, lambda y: log(z) / y)],
)  # fmt: skip
zeta: Any = elementwise(
    "_zeta", name="zeta", shared=True, code="special_zeta({0}, {1})", singular=True, domain=((1.5, 4.0), (0.5, 3.0)),
    partials=[
        parameter("zeta", 0, lambda x, q: least(within(power(q)), above(1.0, x))),
        lambda out, x, q: -x * zeta(x + 1, q),
    ],
)  # fmt: skip

riemann_zeta = elementwise(
    "_riemann_zeta", name="riemann_zeta", singular=True, domain=(-3.0, 0.8),
    partials=[parameter("riemann_zeta", 0, lambda x: least(within(size(x)), above(1.0, x)))],
)  # fmt: skip

# -- hypergeometric functions -------------------------------------------------------------------------------------

hyp0f1: Any = elementwise(
    "hyp0f1", code="special_hyp0f1({0}, {1})", singular=True, domain=((0.5, 3.0), (-2.0, 2.0)),
    partials=[
        parameter("hyp0f1", 0, lambda v, z: least(within(size(z), size(v)), from_poles(v))),
        lambda out, v, z: hyp0f1(v + 1, z) / v,
    ],
)
hyp1f1: Any = elementwise(
    "hyp1f1", shared=True,
    code="special_hyp1f1({0}, {1}, {2})", singular=True, domain=((0.5, 3.0), (0.5, 3.0), (-2.0, 2.0)),
    partials=[
        parameter("hyp1f1", 0, lambda a, b, z: within(size(z), size(a))),
        parameter("hyp1f1", 1, lambda a, b, z: least(within(size(z), size(b)), from_poles(b))),
        lambda out, a, b, z: a / b * hyp1f1(a + 1, b + 1, z),
    ],
)  # fmt: skip
hyp2f1: Any = elementwise(
    "hyp2f1", shared=True, code="special_hyp2f1({0}, {1}, {2}, {3})", singular=True,
    domain=((0.5, 2.0), (0.5, 2.0), (0.5, 3.0), (-0.7, 0.7)),
    partials=[
        parameter("hyp2f1", 0, lambda a, b, c, z: within(size(z), power(1 - z), size(a))),
        parameter("hyp2f1", 1, lambda a, b, c, z: within(size(z), power(1 - z), size(b))),
        parameter("hyp2f1", 2, lambda a, b, c, z: least(within(size(z), power(1 - z), size(c)), from_poles(c))),
        lambda out, a, b, c, z: a * b / c * hyp2f1(a + 1, b + 1, c + 1, z),
    ],
)  # fmt: skip


class _Rough(Ufunc, abstract=True):
    """SciPy's own values have errors that differences magnify."""

    exempt = dict.fromkeys(("jvp", "second"), "SciPy's values are good to 1e-9 at best, too rough for differences")


hyperu: Any = elementwise(
    "hyperu", code="special_hyperu({0}, {1}, {2})", base=_Rough, singular=True,
    domain=((0.5, 2.0), (0.3, 1.8), (0.5, 3.0)),
    partials=[
        parameter("hyperu", 0, lambda a, b, z: within(power(z), size(a))),
        parameter("hyperu", 1, lambda a, b, z: within(power(z), size(b))),
        lambda out, a, b, z: -a * hyperu(a + 1, b + 1, z),
    ],
)  # fmt: skip

# -- Bessel functions of real order -------------------------------------------------------------------------------

_ORDER = ((0.3, 3.0), (0.5, 4.0))


def of_order(name: str) -> Partial:
    """The derivative in the order of a function that is as the Bessel functions are."""
    return parameter(name, 0, lambda v, x: within(power(0.5 * x), size(v)))


def _neighbours(name: str, below: float, above: float, own: Callable[[Any], Any] | None = None) -> list[Partial]:
    """The derivative by the neighbouring orders, and `own(x)` times the function itself."""

    def slope(out: Any, v: Any, x: Any) -> Any:
        op: Any = OPS[name]
        found = below * op(v - 1, x) + above * op(v + 1, x)
        return found if own is None else found + own(x) * out

    return [of_order(name), slope]


jv, yv, iv, kv = (
    elementwise(
        name, code=f"special_{name}({{0}}, {{1}})", singular=True, domain=_ORDER,
        partials=_neighbours(name, below, above),
    )
    for name, below, above in (("jv", 0.5, -0.5), ("yv", 0.5, -0.5), ("iv", 0.5, 0.5), ("kv", -0.5, -0.5))
)  # fmt: skip


def _real_sign(name: str, x: Any) -> Any:
    if x.dtype.kind == "c":
        raise MissingRuleError(f"{name} of complex numbers has no complex derivative; write it by {name[:-1]} and exp")
    return sign(x)


ive = elementwise(
    "ive", code="special_ive({0}, {1})", singular=True, domain=_ORDER,
    partials=_neighbours("ive", 0.5, 0.5, lambda x: -_real_sign("ive", x)),
)
kve = elementwise(
    "kve", code="special_kve({0}, {1})", singular=True, domain=_ORDER,
    partials=_neighbours("kve", -0.5, -0.5, lambda x: scalar(1, x.dtype)),
)
UFUNCS["jn"] = jv
_POSITIVE = (0.5, 4.0)
k0 = elementwise("k0", code="special_k0({0})", partials=[lambda out, x: -k1(x)], singular=True, domain=_POSITIVE)
k1: Any = elementwise(
    "k1", code="special_k1({0})", partials=[lambda out, x: -k0(x) - out / x], singular=True, domain=_POSITIVE
)
k0e: Any = elementwise(
    "k0e", code="special_k0e({0})", partials=[lambda out, x: out - k1e(x)], singular=True, domain=_POSITIVE
)
k1e: Any = elementwise(
    "k1e", code="special_k1e({0})", singular=True, domain=_POSITIVE,
    partials=[lambda out, x: out * (1 - 1 / x) - k0e(x)],
)
y0 = elementwise("y0", code="special_y0({0})", partials=[lambda out, x: -y1(x)], singular=True, domain=_POSITIVE)
y1: Any = elementwise(
    "y1", code="special_y1({0})", partials=[lambda out, x: y0(x) - out / x], singular=True, domain=_POSITIVE
)

# -- functions with several results -------------------------------------------------------------------------------


def _sinc_part(x: Any, hyperbolic: bool) -> Any:
    return select(x == 0, scalar(1, x.dtype), (sinh(x) if hyperbolic else sin(x)) / _safe(x))


_COMPONENTS: dict[str, list[Callable[[Any, Any], Any]]] = {
    "sici": [lambda out, x: _sinc_part(x, False), lambda out, x: cos(x) / x],
    "shichi": [lambda out, x: _sinc_part(x, True), lambda out, x: cosh(x) / x],
    "fresnel": [lambda out, x: sin(_HALF_PI * square(x)), lambda out, x: cos(_HALF_PI * square(x))],
    "airy": [
        lambda out, x: Component("airy", 1)(x), lambda out, x: x * Component("airy", 0)(x),
        lambda out, x: Component("airy", 3)(x), lambda out, x: x * Component("airy", 2)(x),
    ],
}  # fmt: skip


class Component(FloatFunction):
    """One of the results of SciPy's `sici`, `shichi`, `fresnel` or `airy`, by `function` and `index`."""

    function: str
    index: int
    singular = True

    @property
    def host_only(self) -> str:  # type: ignore[override]
        return "" if self.function in ("sici", "fresnel") else "SciPy computes it, for NumPy's arrays"

    @property
    def partials(self) -> Sequence[Partial]:
        return (_COMPONENTS[self.function][self.index],)

    def eval(self, xp: Any, *xs: Any) -> Any:
        if xp is np:
            from scipy import special
        else:
            special = scipy_of(xp, "special")
        return getattr(special, self.function)(xs[0])[self.index].astype(xs[0].dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for function, parts in _COMPONENTS.items():
            for i in range(len(parts)):
                yield Sample(cls(function, i), (np.array([0.4, 1.3, 2.5]),))
        yield Sample(cls("sici", 0), (np.array([0.4, 1.3], "f4"),))


for _name, _parts in _COMPONENTS.items():
    _ops = [Component(_name, _i) for _i in range(len(_parts))]
    UFUNCS[_name] = lambda x, _ops=_ops: tuple([op(x) for op in _ops])

# -- Student's distribution ---------------------------------------------------------------------------------------


def student_density(df: Any, t: Any) -> Any:
    """The density of Student's distribution."""
    exponent = -betaln(df / 2, scalar(0.5, df.dtype)) - (df + 1) / 2 * log1p(square(t) / df)
    return exp(exponent) / sqrt(df)


def _student_partial(df: Any, t: Any) -> Any:
    """The derivative of the distribution function in `df`."""
    from graphad.ops.incomplete import StudentPartial

    return StudentPartial(1)(df, t)


stdtr = elementwise(
    "stdtr", code="special_stdtr({0}, {1})", singular=True, domain=((1.0, 6.0), (-3.0, 3.0)),
    partials=[lambda out, df, t: _student_partial(df, t), lambda out, df, t: student_density(df, t)],
)
stdtrit = elementwise(
    "stdtrit", code="special_stdtrit({0}, {1})", singular=True, domain=((1.0, 6.0), (0.1, 0.9)),
    partials=[
        lambda out, df, p: -_student_partial(df, out) / student_density(df, out),
        lambda out, df, p: 1 / student_density(df, out),
    ],
)  # fmt: skip

__all__ = ["Component", "of_order", "riemann_zeta", "stdtr", "stdtrit", "student_density"]

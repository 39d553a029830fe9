"""Functions of waves in `scipy.special`: Hankel, Kelvin, Struve, spherical Bessel and parabolic cylinder functions.

Derivatives are those of the NIST Digital Library of Mathematical Functions (DLMF): Hankel functions 10.6, Kelvin
functions 10.61, spherical Bessel functions 10.51, Struve functions 11.4, parabolic cylinder functions 12.2. Where a
recurrence with a quotient and one without give the same derivative it is the one without, which holds where the
quotient is 0 / 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from graphad.errors import MissingRuleError, TypeMismatchError
from graphad.op import OPS, Sample
from graphad.ops.arithmetic import float_power
from graphad.ops.bessel import i0, j0
from graphad.ops.complex import absolute
from graphad.ops.elementwise import Elementwise, Partial, Ufunc, cast, elementwise, scalar
from graphad.ops.higher import Component, fixed, k0, kv, of_order, y0, yv
from graphad.ops.parameters import above, least, parameter, power, size, slope, within
from graphad.ops.rounding import maximum, truncated
from graphad.ops.select import select
from graphad.ops.special import FloatFunction, gamma
from graphad.ops.transcendental import sqrt
from graphad.trace import UFUNCS
from graphad.types import DType

_POSITIVE = (0.5, 4.0)


def floating(dtype: DType) -> DType:
    """The dtype that a function computes in: float64 for integers, a floating or complex one as it is."""
    return dtype if dtype.char in "fdFD" else np.dtype("f8")


class Ordered(Elementwise, abstract=True):
    """Operands are integer orders, `orders` of them, and a number of one of the dtypes `kinds`."""

    orders: ClassVar[int] = 1
    kinds: ClassVar[str] = "fd"
    singular = True

    def promote(self, kinds: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return (np.dtype("i8"),) * self.orders + (floating(np.dtype(kinds[-1])),)

    def result_dtypes(self, *dtypes: DType) -> tuple[DType, ...]:
        if dtypes[-1].char not in self.kinds:
            raise TypeMismatchError(f"{self!r} does not take {dtypes[-1]}")
        return (*(np.dtype("i8"),) * self.orders, dtypes[-1], dtypes[-1])


class RealFunction(Elementwise, abstract=True):
    """Operands are real numbers of one dtype; integers are computed in float64."""

    singular = True

    def promote(self, kinds: tuple[Any, ...]) -> tuple[Any, ...] | None:
        # A weak real number takes the dtype of the others; integers of any size are float64.
        strong = [np.dtype(k) for k in kinds if k not in (int, float)]
        return (floating(np.result_type(*strong)) if strong else np.dtype("f8"),) * len(kinds)

    def result_dtypes(self, *dtypes: DType) -> tuple[DType, ...]:
        if len(set(dtypes)) > 1 or dtypes[0].char not in "fd":
            raise TypeMismatchError(f"{self!r} takes float32 or float64, not {dtypes}")
        return (*dtypes, dtypes[0])


# -- Bessel and Hankel functions of real order ---------------------------------------------------------------------


class _OfRealOrder(Ufunc, abstract=True):
    """Samples have a real order and a complex argument."""

    def samples(self) -> Iterable[Sample]:  # type: ignore[override]
        v, z = np.array([0.3, 1.5, 2.75]), np.array([[0.5 + 0.3j, 2.0 - 0.4j, 3.0 + 1j], [1.0 + 0j, 1j, 4.0 - 1j]])
        yield Sample(self, (v, z))
        yield Sample(self, (v.astype("f4"), z.astype("c8")))
        yield Sample(self, (v[:1], z[:0]))


def _hankel(name: str, own: complex) -> Sequence[Partial]:
    def slope(out: Any, v: Any, z: Any) -> Any:
        op: Any = OPS[name]
        return 0.5 * (op(v - 1, z) - op(v + 1, z)) + (own * out if own else 0)

    return of_order(name), slope


# The scaled functions are times exp(-i z) and exp(i z).
for _name, _own in (("hankel1", 0), ("hankel1e", -1j), ("hankel2", 0), ("hankel2e", 1j)):
    elementwise(_name, partials=_hankel(_name, _own), singular=True, base=_OfRealOrder)


def _scaled(name: str) -> Sequence[Partial]:
    def slope(out: Any, v: Any, x: Any) -> Any:
        if x.dtype.kind == "c":
            raise MissingRuleError(f"{name} of a complex number is not holomorphic; scale {name[0]}v by its factor")
        op: Any = OPS[name]
        return 0.5 * (op(v - 1, x) - op(v + 1, x))

    return of_order(name), slope


# Times exp(-abs(imag(z))): as the unscaled ones for real operands.
for _name in ("jve", "yve"):
    elementwise(
        _name, code=f"special_{_name}({{0}}, {{1}})", partials=_scaled(_name), singular=True,
        domain=((0.3, 3.0), _POSITIVE),
    )  # fmt: skip
# SciPy cuts an order that is no integer.
UFUNCS["kn"] = lambda n, x: kv(truncated(n), x)
UFUNCS["yn"] = lambda n, x: yv(truncated(n), x)

# -- Kelvin functions ----------------------------------------------------------------------------------------------


class KelvinDerivative(FloatFunction):
    """The `n`-th derivative of SciPy's `ber`, `bei`, `ker` or `kei`, by those of `jv` and `kv` on the diagonals."""

    host_only = "SciPy computes it, for NumPy's arrays"
    function: str
    n: int
    singular = True

    @property
    def partials(self) -> Sequence[Partial]:
        return (lambda out, x: KelvinDerivative(self.function, self.n + 1)(x),)

    def eval(self, xp: Any, *xs: Any) -> Any:
        from scipy import special

        turn = np.exp(0.25j * np.pi * (3 if self.function[0] == "b" else 1))
        derivative = special.jvp if self.function[0] == "b" else special.kvp
        with np.errstate(all="ignore"):
            z = derivative(0, turn * xs[0].astype("f8"), self.n) * turn**self.n
        return (z.imag if self.function[2] == "i" else z.real).astype(xs[0].dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([[0.5, 1.5], [2.25, 4.0]])
        for function in ("ber", "bei", "ker", "kei"):
            yield Sample(cls(function, 2), (x,))
        yield Sample(cls("ber", 3), (x.astype("f4"),))


for _name in ("ber", "bei", "ker", "kei"):
    elementwise(
        _name, code=f"special_{_name}({{0}})", partials=[lambda out, x, name=_name + "p": OPS[name](x)],
        singular=True, domain=_POSITIVE,
    )  # fmt: skip
    elementwise(
        _name + "p", code=f"special_{_name}p({{0}})", singular=True, domain=_POSITIVE,
        partials=[lambda out, x, name=_name: KelvinDerivative(name, 2)(x)],
    )  # fmt: skip


def _kelvin(x: Any) -> Any:
    parts: list[Any] = [OPS[name](x) for name in ("ber", "bei", "ker", "kei", "berp", "beip", "kerp", "keip")]
    return tuple(parts[i] + 1j * parts[i + 1] for i in range(0, 8, 2))


UFUNCS["kelvin"] = _kelvin

# -- Struve functions ----------------------------------------------------------------------------------------------


def _struve(name: str, above: float) -> Sequence[Partial]:
    def slope(out: Any, v: Any, x: Any) -> Any:
        op: Any = OPS[name]
        first = float_power(0.5 * x, v) / (math.sqrt(math.pi) * gamma(v + 1.5))
        return 0.5 * (op(v - 1, x) + above * op(v + 1, x) + first)

    return of_order(name), slope


for _name, _above in (("struve", -1.0), ("modstruve", 1.0)):
    elementwise(
        _name, code=f"special_{_name}({{0}}, {{1}})", partials=_struve(_name, _above), singular=True,
        domain=((0.3, 3.0), _POSITIVE),
    )  # fmt: skip


def _struve0(name: str, x: Any) -> Any:
    return OPS[name](scalar(0, x.dtype), x)  # type: ignore[operator]


elementwise("itstruve0", code="special_itstruve0({0})", partials=[lambda out, x: _struve0("struve", x)])
elementwise("itmodstruve0", code="special_itmodstruve0({0})", partials=[lambda out, x: _struve0("modstruve", x)])
elementwise(
    "it2struve0", code="special_it2struve0({0})", partials=[lambda out, x: -_struve0("struve", x) / x], singular=True,
    domain=_POSITIVE,
)  # fmt: skip
besselpoly: Any = elementwise(
    "besselpoly", code="special_besselpoly({0}, {1}, {2})", singular=True,
    domain=((0.3, 2.0), (0.5, 2.0), (1.2, 3.0)),
    partials=[
        lambda out, a, lmb, nu: besselpoly(a, lmb + 1, nu - 1) - besselpoly(a, lmb + 1, nu + 1),
        parameter("besselpoly", 1, lambda a, lmb, nu: least(within(power(a)), above(-1 - nu, lmb))),
        parameter("besselpoly", 2, lambda a, lmb, nu: least(within(power(a), size(nu)), above(-1 - lmb, nu))),
    ],
)  # fmt: skip

# -- spherical Bessel functions ------------------------------------------------------------------------------------


class SphericalBessel(Ordered):
    """The spherical Bessel function of a kind: `jn`, `yn`, `in` or `kn`; operands `n, z`."""

    host_only = "SciPy computes it, for NumPy's arrays"
    kind: str
    kinds = "fdFD"

    @property
    def partials(self) -> Sequence[Partial]:
        return None, lambda out, n, z: self.derivative(n, z)

    def derivative(self, n: Any, z: Any) -> Any:
        """DLMF 10.51.2 and 10.51.5, which have no quotient by `z`."""
        below, above = (-1.0 if self.kind == "kn" else 1.0), (1.0 if self.kind == "in" else -1.0)
        degree = cast(n, z.dtype)
        lower, upper = self(maximum(n - 1, 0), z), self(n + 1, z)
        # Of order 0 there is no lower one; its factor is 0, which leaves nothing of an infinite one.
        lower = select(n == 0, scalar(0, z.dtype), degree * lower)
        return (below * lower + above * (degree + 1) * upper) / (2 * degree + 1)

    def eval(self, xp: Any, *xs: Any) -> Any:
        from scipy import special

        n, z = xs
        return getattr(special, f"spherical_{self.kind}")(n, z).astype(z.dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        n, x = np.array([0, 1, 4]), np.array([[0.5, 1.5, 6.25], [3.0, 0.75, 1.0]])
        for kind in ("jn", "yn", "in", "kn"):
            yield Sample(cls(kind), (n, x))
        yield Sample(cls("jn"), (n, x.astype("f4")))
        yield Sample(cls("jn"), (n[:, None, None], x + 0.5j))
        yield Sample(cls("in"), (n[:1], np.ones((0, 2))))


def spherical(kind: str, n: Any, z: Any, derivative: bool = False) -> Any:
    """SciPy's `spherical_jn` or one of its siblings, by the end of its name."""
    op = SphericalBessel(kind)
    if not derivative:
        return op(n, z)
    _, dtype = op.promote((int, getattr(z, "dtype", type(z)))) or ()
    return op.derivative(n, cast(z, dtype))


# -- functions with several results --------------------------------------------------------------------------------

Slopes = Sequence[Partial]
_RESULTS: dict[str, tuple[Sequence[Slopes], tuple[tuple[float, float], ...]]] = {}


def with_results(name: str, results: Sequence[Slopes], domain: tuple[tuple[float, float], ...]) -> None:
    """Make SciPy's ufunc of several results an op for each of them, given the partial derivatives of each."""
    _RESULTS[name] = (results, domain)
    ops = [Result(name, i) for i in range(len(results))]
    UFUNCS[name] = lambda *xs: tuple([op(*xs) for op in ops])


class Result(RealFunction):
    """One of the results of a ufunc of SciPy, by `function` and `index`."""

    host_only = "SciPy computes it, for NumPy's arrays"
    function: str
    index: int

    @property
    def partials(self) -> Slopes:
        return _RESULTS[self.function][0][self.index]

    def eval(self, xp: Any, *xs: Any) -> Any:
        from scipy import special

        # At infinity `pbdv` asks for infinitely much memory, and says NaN.
        with special.errstate(memory="ignore"):
            return getattr(special, self.function)(*xs)[self.index]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for function, (results, domain) in _RESULTS.items():
            xs = tuple(np.linspace(low, high, 3) for low, high in domain)
            for i in range(len(results)):
                yield Sample(cls(function, i), xs)
        yield Sample(cls("itairy", 0), (np.array([0.4, 1.3], "f4"),))


def _airy(i: int, x: Any) -> Any:
    return Component("airy", i)(x)


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


def _cylinder(name: str, bend: Callable[[Any, Any], Any]) -> None:
    """A parabolic cylinder function and its slope, with `w'' == bend(a, x) w`."""
    slopes: list[Partial] = [
        lambda out, a, x: Result(name, 1)(a, x), lambda out, a, x: bend(a, x) * Result(name, 0)(a, x)
    ]  # fmt: skip

    def in_parameter(i: int) -> Partial:
        if name == "pbwa":
            return fixed(name, "a")  # of which SciPy's values have no more than six digits at some places
        return lambda out, a, x: slope(lambda a: Result(name, i)(a, x), a, within(size(x), size(a)))

    with_results(name, [[in_parameter(i), own] for i, own in enumerate(slopes)], ((0.3, 2.5), (0.4, 2.0)))


_cylinder("pbdv", lambda v, x: 0.25 * x * x - v - 0.5)
_cylinder("pbvv", lambda v, x: 0.25 * x * x - v - 0.5)
_cylinder("pbwa", lambda a, x: a - 0.25 * x * x)

__all__ = ["Ordered", "RealFunction", "Result", "SphericalBessel", "floating", "spherical", "with_results"]

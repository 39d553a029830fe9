"""Signs, extrema, rounding and tests of single numbers: the piecewise ufuncs.

At a kink the derivative is the mean of those on the two sides: `absolute` has 0 at 0, `maximum` of equal operands
gives each 1/2. Steps have derivative zero, at the step too. `clip` counts its bounds as inside.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np

from graphad.op import OPS, Op, Sample
from graphad.ops.arithmetic import logical_and, logical_or, square
from graphad.ops.complex import sign
from graphad.ops.elementwise import Elementwise, Partial, Ufunc, broadcast_shapes, cast, elementwise, scalar
from graphad.ops.select import select
from graphad.ops.transcendental import sqrt
from graphad.trace import UFUNCS
from graphad.types import Array, DType, TensorType

floor = elementwise(np.floor, code="floor({0})")
ceil = elementwise(np.ceil, code="ceil({0})")
rint = elementwise(np.rint, code="rint({0})")
trunc = elementwise(np.trunc, code="trunc({0})")


def floored(k: Array) -> Array:
    """`floor(k)`, which of a number of Python's is one that gives way to other dtypes."""
    return math.floor(k) if isinstance(k, (int, float)) else np.floor(k)


def truncated(k: Any) -> Any:
    """`trunc(k)`, which of a number of Python's is one that gives way to other dtypes."""
    return math.trunc(k) if isinstance(k, (int, float)) else np.trunc(k)


class _Fabs(Ufunc, abstract=True):
    def squared(self, out: Any, *xs: Any) -> Any:
        return square(*xs)


fabs = elementwise(np.fabs, code="abs({0})", partials=[lambda out, x: sign(x)], base=_Fabs)
isnan = elementwise(np.isnan, code="isnan({0})")
isinf = elementwise(np.isinf, code="isinf({0})")
isfinite = elementwise(np.isfinite, code="isfinite({0})")
signbit = elementwise(np.signbit, code="signbit({0})")
spacing = elementwise(np.spacing)
nextafter = elementwise(np.nextafter, code="nextafter({0}, {1})", partials=[1, None])
copysign: Any = elementwise(
    np.copysign,
    code="copysign({0}, {1})",
    partials=[lambda out, x, y: sign(x) * copysign(scalar(1, x.dtype), y), None],
    domain=((-2.0, 2.0), (0.3, 2.0)),
)
heaviside = elementwise(
    np.heaviside,
    code="where(isnan({0}), {0}, where({0} == 0, {1}, where({0} > 0, 1, 0)))",
    partials=[None, lambda out, x, y: _indicator(x == 0, x.dtype)],
)


def _indicator(condition: Array, dtype: DType) -> Array:
    return select(condition, scalar(1, dtype), scalar(0, dtype))


class Winner(Elementwise):
    """1 where `x` is larger than `y`, 0 where it is smaller, 1/2 where they are equal: the slope of `maximum` in `x`.

    With `smallest` that of `minimum`. NaN where one of them is, or with `ignore_nan`, as for `fmax`, where both are.
    """

    smallest: bool = False
    ignore_nan: bool = False

    @property
    def code(self) -> str:  # type: ignore[override]
        wins, loses = ("{0} < {1}", "{0} > {1}") if self.smallest else ("{0} > {1}", "{0} < {1}")
        if self.ignore_nan:
            wins, loses = f"({wins}) | (isnan({{1}}) & ~isnan({{0}}))", f"({loses}) | (isnan({{0}}) & ~isnan({{1}}))"
        return f"where({wins}, 1, where({loses}, 0, where({{0}} == {{1}}, 0.5, {{0}} + {{1}})))"

    @property
    def partials(self) -> Sequence[Partial]:
        return (None, None)

    def promote(self, kinds: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return maximum.promote(kinds)  # type: ignore[no-any-return]

    def result_dtypes(self, *dtypes: DType) -> tuple[DType, ...]:
        return maximum.result_dtypes(*dtypes)  # type: ignore[no-any-return]

    def eval(self, xp: Any, *xs: Any) -> Array:
        x, y = xs
        wins, loses = (x < y, x > y) if self.smallest else (x > y, x < y)
        if self.ignore_nan:
            wins, loses = wins | ((y != y) & (x == x)), loses | ((x != x) & (y == y))
        one, half, zero, nan = (xp.asarray(number, dtype=x.dtype) for number in (1, 0.5, 0, math.nan))
        return xp.where(wins, one, xp.where(loses, zero, xp.where(x == y, half, nan)))

    def kinks(self, *xs: Any) -> Any:
        return xs[0] == xs[1]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([[1.5, -2.0, 0.5, 1.0], [3.0, 0.25, -1.0, 2.0]])
        for smallest, ignore_nan in ((False, False), (True, False), (False, True), (True, True)):
            yield Sample(cls(smallest, ignore_nan), (x, x[::-1].copy()))
            yield Sample(cls(smallest, ignore_nan), (x, x[0] + 0.125))
            yield Sample(cls(smallest, ignore_nan), (x.astype("f4"), np.array(0.75, "f4")))
        yield Sample(cls(), (x + 1j, x[::-1] + 0j))


def _extremum(ufunc: Any, code: str, smallest: bool, ignore_nan: bool) -> Any:
    """A binary extremum: equal operands share the derivative, which is NaN where the extremum is."""
    wins = Winner(smallest, ignore_nan)
    partials = [lambda out, x, y: wins(x, y), lambda out, x, y: wins(y, x)]
    return elementwise(ufunc, code=code, partials=partials, picks=True)


maximum = _extremum(np.maximum, "max({0}, {1})", False, False)
minimum = _extremum(np.minimum, "min({0}, {1})", True, False)
fmax = _extremum(np.fmax, "fmax({0}, {1})", False, True)
fmin = _extremum(np.fmin, "fmin({0}, {1})", True, True)


@cache
def _common_dtype(kinds: tuple[Any, ...]) -> DType:
    return np.result_type(*[kind(0) if isinstance(kind, type) else kind for kind in kinds])


class Clip(Elementwise):
    """NumPy's `clip` between two bounds; `high` where the bounds cross. The derivative at a bound is that inside.

    It is NaN where the result is.
    """

    code = "min(max({0}, {1}), {2})"
    picks = True

    @property
    def partials(self) -> Sequence[Partial]:
        def taken(condition: Array, out: Array) -> Array:
            return select(out == out, _indicator(condition, out.dtype), out)

        return (
            lambda out, x, low, high: taken(logical_and(x >= low, x <= high), out),
            lambda out, x, low, high: taken(logical_and(x < low, low <= high), out),
            lambda out, x, low, high: taken(logical_or(x > high, low > high), out),
        )

    def promote(self, kinds: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return (_common_dtype(kinds),) * 3

    def result_dtypes(self, *dtypes: DType) -> tuple[DType, ...]:
        return (_common_dtype(dtypes),) * 4

    def eval(self, xp: Any, *xs: Any) -> Array:
        x, low, high = xs
        return xp.minimum(xp.maximum(x, low), high)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([[-2.5, 0.25, 0.5, 3.0], [1.5, -0.75, 2.75, 0.0]])
        yield Sample(cls(), (x, np.array(-1.0), np.array(2.0)))
        yield Sample(cls(), (x, x[0] - 0.125, x[:, :1] + 0.25))
        yield Sample(cls(), (x.astype("f4"), np.array(-1, "f4"), np.array([2], "f4")))
        yield Sample(cls(), (np.arange(6), np.array(1), np.array(4)))
        yield Sample(cls(), (np.zeros((0, 2)), np.array(-1.0), np.array(2.0)))


clip_between = OPS["clip"] = Clip()


def clip(x: Any, low: Any = None, high: Any = None) -> Any:
    """`numpy.clip`; a bound of None is none. At a bound the derivative with respect to `x` is 1."""
    if low is not None and high is not None:
        return clip_between(x, low, high)
    if low is not None:
        return select(x < low, low, x)
    return x if high is None else select(x > high, high, x)


class Round(Elementwise):
    """NumPy's `round` to a number of decimals, ties to even after scaling; its derivative is zero."""

    decimals: int = 0

    @property
    def code(self) -> str:  # type: ignore[override]
        scale = 10.0 ** abs(self.decimals)
        if self.decimals == 0:
            return "rint({0})"
        return f"rint({{0}} * {scale}) / {scale}" if self.decimals > 0 else f"rint({{0}} / {scale}) * {scale}"

    @property
    def partials(self) -> Sequence[Partial]:
        return (None,)

    def result_dtypes(self, *dtypes: DType) -> tuple[DType, ...]:
        (dtype,) = dtypes
        return (dtype, np.dtype(np.float16) if dtype.kind == "b" else dtype)

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xp.round(xs[0], self.decimals)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([[-2.26, 0.24, 13.51], [1.74, -0.76, 12.76]])
        for decimals in (0, 1, -1):
            yield Sample(cls(decimals), (x,))
        yield Sample(cls(), (x.astype("f4"),))
        yield Sample(cls(1), (x + 1.26j,))
        yield Sample(cls(), (np.arange(3),))
        yield Sample(cls(), (np.zeros((0, 2)),))


def round_(x: Any, decimals: int = 0) -> Any:
    """`numpy.round`."""
    return Round(decimals)(x)


class _Ldexp(Ufunc, abstract=True):
    def samples(self) -> Iterable[Sample]:  # type: ignore[override]
        x = np.array([[1.5, -2.0, 0.5], [3.0, 0.25, -1.0]])
        n = np.array([2, -3, 0])
        yield Sample(self, (x, n))
        yield Sample(self, (x.astype("f4"), n.astype("i4")))
        yield Sample(self, (np.zeros((0, 3)), n))


ldexp: Any = elementwise(
    np.ldexp,
    partials=[lambda out, x, n: ldexp(scalar(1, x.dtype), n), None],
    multilinear=[0],
    base=_Ldexp,
)


class Frexp(Op):
    """NumPy's `frexp`: mantissa in [0.5, 1) and exponent; `x = mantissa * 2**exponent`."""

    def infer(self, *xs: TensorType) -> tuple[TensorType, ...]:
        return xs[0], TensorType(np.dtype(np.int32), broadcast_shapes(self, xs))

    def promote(self, kinds: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return sqrt.promote(kinds)  # type: ignore[no-any-return]

    def eval(self, xp: Any, *xs: Any) -> Any:
        mantissa, exponent = np.frexp(xs[0]) if xp is np else xp.frexp(xs[0])
        return mantissa, exponent.astype(np.int32)

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        return ldexp(tangents[0], -out[1]), None

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Any:
        return self(*xs)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([[1.5, -2.2, 0.6], [3.0, 0.3, -1.1]])
        yield Sample(cls(), (x,))
        yield Sample(cls(), (x.astype("f4"),))
        yield Sample(cls(), (np.zeros((0, 3)),))


frexp = OPS["frexp"] = Frexp()


def modf(x: Any) -> tuple[Any, Any]:
    """`numpy.modf`: the fractional and the integral part, both with the sign of `x`; fraction 0 of an infinity."""
    kind = x.dtype
    x = x if kind.kind == "f" else cast(x, np.modf.resolve_dtypes((kind, None, None))[1])
    whole = trunc(x)
    return copysign(select(isinf(whole), scalar(0, whole.dtype), x - whole), x), whole


UFUNCS[np.frexp] = frexp
UFUNCS[np.modf] = modf

"""Arithmetic, powers and comparisons: the ufuncs behind Python's operators."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.op import OPS, Sample, is_linear
from graphad.ops.elementwise import Elementwise, Partial, Ufunc, cast, elementwise, scalar
from graphad.ops.machinery import MultiplyNoNan, multiply, multiply_no_nan, select
from graphad.trace import UFUNCS, Tracer, kind_of
from graphad.types import FLOAT64, Array, ArrayLike, DType

add = elementwise(np.add, code="{0} + {1}", partials=[1, 1], multilinear=[0, 1])
subtract = elementwise(np.subtract, code="{0} - {1}", partials=[1, -1], multilinear=[0, 1])
negative = elementwise(np.negative, code="-{0}", partials=[-1], multilinear=[0])
positive = elementwise(np.positive, code="{0}", partials=[1], multilinear=[0])
divide = elementwise(
    np.divide,
    code="{0} / {1}",
    partials=[lambda out, x, y: reciprocal(y), lambda out, x, y: -(out * reciprocal(y))],
    multilinear=[0],
    singular=True,
    domain=((-2.0, 2.0), (0.5, 2.0)),
)
reciprocal: Any = elementwise(
    np.reciprocal, code="conj(1) / {0}", partials=[lambda out, x: -out * out], singular=True, domain=(0.5, 2.0)
)
square = elementwise(np.square, code="{0} * {0}", partials=[lambda out, x: 2 * x])


class ScaleTangent(MultiplyNoNan):
    """`x * y` for a derivative `x` that does not exist at a kink and a tangent `y`, and 0 where `y` is 0.

    What does not move does not meet the kink. Backwards an infinite derivative times a zero is NaN: it may stand for
    any number there.
    """

    leaves_out = ()

    def transpose(self, ct: Any, *xs: Any) -> Any:
        x, y = xs
        return (multiply_no_nan(ct, y), None) if is_linear(x) else (None, multiply(x, ct))

    def transpose_masked(self, ct: Any, *xs: Any) -> Any:
        return multiply_no_nan.transpose_masked(ct, *xs)


def undefined(x: Array) -> Array:
    """NaN, with a derivative of NaN: what is given where there is no value. A cotangent of 0 stays 0."""
    nan = np.asarray(np.nan, x.dtype)
    return nan + multiply_no_nan(nan, x)
scale_tangent = OPS["scale_tangent"] = ScaleTangent()


def _power_by_base(out: Array, x: Array, y: Array) -> Array:
    # d(x**y)/dx = y x**(y-1) is right for a negative base with an integral exponent too. Only at x = y = 0, where
    # x**0 is 1 throughout, would it be 0 * inf. The guard stands on x, so that second derivatives flow through y.
    both_zero = logical_and(x == 0, y == 0)
    return y * float_power(select(both_zero, scalar(1, x.dtype), x), y - 1)


def _power_by_exponent(out: Array, x: Array, y: Array) -> Array:
    # d(x**y)/dy = log(x) x**y, and its limit 0 where x is 0. NaN for a negative base, where no derivative exists.
    return np.log(select(x == 0, scalar(1, x.dtype), x)) * out


class _Power(Ufunc, abstract=True):
    """Integers have no negative powers, so the samples have none."""

    def _draw(self, rng: np.random.Generator, i: int, dtype: DType, shape: tuple[int, ...]) -> Array:
        x = super()._draw(rng, i, dtype, shape)
        return np.abs(x) if i == 1 and dtype.kind in "iu" else x


float_power = elementwise(
    np.power,
    code="pow({0}, {1})",
    partials=[_power_by_base, _power_by_exponent],
    singular=True,
    domain=((0.2, 3.0), (-2.0, 3.0)),
    base=_Power,
    name="power",
)


class IntegerPow(Elementwise):
    """`x ** n` for a Python integer `n`; 1 for `n = 0`, also at zero."""

    n: int

    @property
    def code(self) -> str:  # type: ignore[override]
        return f"ipow({{0}}, {self.n})"

    @property
    def singular(self) -> bool:  # type: ignore[override]
        return self.n < 0

    @property
    def partials(self) -> Sequence[Partial]:
        n = self.n
        if n == 0:
            return (None,)
        return ((lambda out, x: 2 * x) if n == 2 else (lambda out, x: n * integer_pow(x, n - 1)),)

    def result_dtypes(self, *dtypes: DType) -> tuple[DType, ...]:
        return (*dtypes, *dtypes)

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xs[0] * xs[0] if self.n == 2 else xs[0] ** self.n

    def decompose(self, *xs: Any) -> Any:
        # Binary exponentiation: about 2 log2(n) products.
        square, n, result = xs[0], abs(self.n), None
        if n == 0 or (self.n < 0 and square.dtype.kind not in "fc"):
            return super().decompose(*xs)
        if self.n < -1:
            # Of half the power first: the whole one may overflow where its reciprocal is a denormal number.
            half = reciprocal(integer_pow(square, n // 2))
            return half * half / square if n % 2 else half * half
        while True:
            if n & 1:
                result = square if result is None else result * square
            n >>= 1
            if not n:
                return reciprocal(result) if self.n < 0 else result
            square = square * square

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([[1.5, -2.0, 0.5], [3.0, 0.25, -1.0]])
        for n in (-2, -1, 0, 2, 3, 7):
            yield Sample(cls(n), (x,))
        yield Sample(cls(3), (x.astype("f4"),))
        yield Sample(cls(3), (x + 0.5j,))
        yield Sample(cls(2), (np.arange(4),))
        yield Sample(cls(2), (np.zeros((0, 3)),))


def integer_pow(x: Any, n: int) -> Array:
    """`x ** n` for a Python integer `n`."""
    return x if n == 1 else IntegerPow(n)(x)


def power(x: Any, y: Any) -> Array:
    """`x ** y`; a small integral exponent that is a Python number, on a floating `x`, needs no logarithm."""
    if isinstance(x, Tracer) and x.dtype.kind in "fc":
        if type(y) is int:
            return integer_pow(x, y)
        if type(y) is float and not x.weak and abs(y) <= _LARGEST_POWER and y.is_integer():
            return integer_pow(x, int(y))
    return float_power(x, y)


_LARGEST_POWER = 64


def operator_power(x: Any, y: ArrayLike) -> Array:
    """Python's `x ** y`, which NumPy computes by `sqrt` and `square` where it can."""
    if isinstance(x, Tracer) and type(y) in (int, float):
        if y == 0.5 and x.dtype.kind in "fc":
            return np.sqrt(x)  # type: ignore[call-overload]
        if y == 2 and type(y) is int and x.dtype.kind == "b":
            return square(x)
        if type(y) is int and y < 0 and x.weak and x.dtype.kind == "i":
            return power(cast(x, FLOAT64), y)  # of Python's integers it is no integer
    return power(x, y)


def wide_power(x: Any, y: Any) -> Any:
    """`numpy.float_power`: `x ** y` in float64 or complex128."""
    wide = np.result_type(*[np.dtype(kind_of(v)) for v in (x, y)], FLOAT64)
    return float_power(cast(x, wide), cast(y, wide))


UFUNCS[np.power] = power
UFUNCS[np.float_power] = wide_power


class _Comparison(Ufunc, abstract=True):
    """Python integers beyond the bounds of the other operand's dtype compare by value, as in NumPy."""

    def __call__(self, *operands: Any) -> Array:
        for number, other in (operands, operands[::-1]) if len(operands) == 2 else ():
            dtype = getattr(other, "dtype", None)
            if type(number) is int and dtype is not None and dtype.kind in "iu":
                bounds = np.iinfo(dtype)
                if not bounds.min <= number <= bounds.max:
                    zero = np.zeros((), dtype)
                    answer = self.ufunc(*[zero if x is other else x for x in operands])
                    return (equal if answer else not_equal)(other, other)
        return super().__call__(*operands)


equal = elementwise(np.equal, code="{0} == {1}", base=_Comparison)
not_equal = elementwise(np.not_equal, code="{0} != {1}", base=_Comparison)
less = elementwise(np.less, code="{0} < {1}", base=_Comparison)
less_equal = elementwise(np.less_equal, code="{0} <= {1}", base=_Comparison)
greater = elementwise(np.greater, code="{0} > {1}", base=_Comparison)
greater_equal = elementwise(np.greater_equal, code="{0} >= {1}", base=_Comparison)

logical_and = elementwise(np.logical_and, code="bool({0}) & bool({1})")
logical_or = elementwise(np.logical_or, code="bool({0}) | bool({1})")
logical_xor = elementwise(np.logical_xor, code="bool({0}) ^ bool({1})")
logical_not = elementwise(np.logical_not, code="{0} == 0")
bitwise_and = elementwise(np.bitwise_and, code="{0} & {1}", domain=(0.0, 9.0))
bitwise_or = elementwise(np.bitwise_or, code="{0} | {1}", domain=(0.0, 9.0))
bitwise_xor = elementwise(np.bitwise_xor, code="{0} ^ {1}", domain=(0.0, 9.0))
invert = elementwise(np.invert, code="~{0}", domain=(0.0, 9.0))
left_shift = elementwise(np.left_shift, code="{0} << {1}", domain=(0.0, 5.0))
right_shift = elementwise(np.right_shift, code="{0} >> {1}", domain=(0.0, 5.0))

bitwise_count = elementwise(np.bitwise_count, domain=(0.0, 99.0))
gcd = elementwise(np.gcd, domain=(1.0, 30.0))
lcm = elementwise(np.lcm, domain=(1.0, 30.0))

_DIVISION = ((-7.3, 7.4), (0.6, 2.7))
floor_divide = elementwise(np.floor_divide, code="floordiv({0}, {1})", partials=[None, None], domain=_DIVISION)
remainder = elementwise(
    np.remainder, code="mod({0}, {1})", partials=[1, lambda out, x, y: -floor_divide(x, y)], domain=_DIVISION
)
fmod = elementwise(
    np.fmod, code="fmod({0}, {1})", partials=[1, lambda out, x, y: -np.trunc(x / y)], domain=_DIVISION
)


def divmod_(x: Any, y: Any) -> tuple[Any, Any]:
    """`numpy.divmod`: the floored quotient and the remainder that has the divisor's sign."""
    return floor_divide(x, y), remainder(x, y)


UFUNCS[np.divmod] = divmod_

"""Rounding, complex parts, comparisons within tolerance, and questions about types."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.arrays import PYTHON_SCALARS
from graphad.errors import TypeMismatchError
from graphad.numpy.arguments import axis_of, deciding, float_dtype, known, operand, reject
from graphad.numpy.dispatch import implements
from graphad.numpy.manipulation import slice_axis
from graphad.op import OPS
from graphad.ops import complex as parts
from graphad.ops import shape as shapes
from graphad.ops.elementwise import cast
from graphad.ops.select import select
from graphad.trace import UFUNC_METHODS, Tracer, kind_of
from graphad.types import Array, ArrayLike, DType


@implements(np.real, laid=True)
def real(val: Any) -> Any:
    return parts.real(operand(val))


@implements(np.imag, laid=True)
def imag(val: ArrayLike) -> Array:
    return parts.imag(operand(val))


@implements(np.angle)
def angle(z: ArrayLike, deg: bool = False) -> Array:
    return parts.angle(operand(z), deg)


@implements(np.round, np.around, method="round", laid=True)
def round_(a: ArrayLike, decimals: int = 0, out: Any = None) -> Array:
    """NumPy's `round`: to the nearest even at ties; its derivative is 0."""
    reject("round", out=out)
    x = operand(a)
    if x.dtype.kind == "b":
        return cast(x, np.float16)
    if x.dtype.kind in "iu":
        scale = 10**-decimals
        return x if decimals >= 0 else cast(np.rint(x / scale), x.dtype) * scale
    if decimals == 0:
        return np.rint(x)
    scale = 10.0 ** abs(decimals)
    return np.rint(x * scale) / scale if decimals > 0 else np.rint(x / scale) * scale


@implements(np.fix)
def fix(x: ArrayLike, out: Any = None) -> Array:
    reject("fix", out=out)
    return np.trunc(operand(x))


@implements(np.nan_to_num, laid=True)
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """NumPy's `nan_to_num`; where an element is replaced, no derivative passes."""
    x = operand(x)
    if x.dtype.kind not in "fc":
        return x
    if x.dtype.kind == "c":
        return parts.from_parts(*[nan_to_num(part, copy, nan, posinf, neginf) for part in (real(x), imag(x))])
    largest = float(np.finfo(x.dtype).max)
    out = select(np.isnan(x), cast(operand(nan), x.dtype), x)
    out = select(x == math.inf, cast(operand(largest if posinf is None else posinf), x.dtype), out)
    return select(x == -math.inf, cast(operand(-largest if neginf is None else neginf), x.dtype), out)


@implements(np.sinc)
def sinc(x: Any) -> Any:
    x = operand(x)
    if x.dtype.kind != "c":
        return OPS["sinc"]()(cast(x, float_dtype(x)))
    # Near 0 its series, whose next term is below rounding, so that derivatives have no division by 0.
    y = math.pi * x
    small = np.abs(y) < 1e-3
    square, apart = y * y, np.where(small, 1.0, y)
    return np.where(small, 1 - square / 6 * (1 - square / 20 * (1 - square / 42)), np.sin(apart) / apart)


@implements(np.i0)
def i0(x: Any) -> Any:
    """The modified Bessel function of the first kind and order 0."""
    x = operand(x)
    if x.dtype.kind == "c":
        raise TypeMismatchError("i0: not supported for complex values")
    return OPS["i0"](x if x.dtype.kind == "f" else cast(x, float))


@implements(np.kaiser)
def kaiser(M: Any, beta: Any) -> Any:
    """NumPy's `kaiser`; `M` decides the length and must be known while tracing."""
    number = deciding(M, "kaiser: M")
    if number == 1:
        return np.ones(1)
    half = (M - 1) / 2.0
    beta = cast(operand(beta), float)
    return i0(beta * np.sqrt(1 - ((np.arange(number) - half) / half) ** 2)) / i0(beta)


@implements(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * math.pi) -> Any:
    """NumPy's `unwrap`: multiples of the period added so that neighbours differ by half of it at most."""
    p = operand(p)
    dtype = result_type(p, period)
    whole = dtype.kind in "iu"
    axis = axis_of(p, axis, "unwrap")
    step = np.diff(p, axis=axis)
    half = period // 2 if whole else period / 2
    low = -half
    wrapped = np.mod(step - low, period) + low
    if not whole or period % 2 == 0:
        wrapped = np.where(np.logical_and(wrapped == low, step > 0), half, wrapped)
    correction = np.where(np.abs(step) < (half if discont is None else max(discont, half)), 0, wrapped - step)
    n = p.shape[axis]
    first, rest = slice_axis(p, axis, 0, min(1, n)), slice_axis(p, axis, min(1, n), n)
    return shapes.concatenate([cast(first, dtype), cast(rest + np.cumsum(correction, axis), dtype)], axis)


# -- comparisons --------------------------------------------------------------------------------------------------


@implements(np.isclose)
def isclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    x, y = (v if type(v) in PYTHON_SCALARS else operand(v) for v in (a, b))
    if type(y) is int or (type(y) not in PYTHON_SCALARS and y.dtype.kind in "biu"):
        y = cast(operand(y), float)  # whose differences do not wrap
    close = np.logical_and(np.abs(x - y) <= atol + rtol * np.abs(y), np.isfinite(y))
    close = np.logical_or(close, np.equal(x, y))
    return np.logical_or(close, np.logical_and(np.isnan(x), np.isnan(y))) if equal_nan else close


@implements(np.allclose)
def allclose(a: ArrayLike, b: ArrayLike, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    return np.all(isclose(a, b, rtol, atol, equal_nan))


@implements(np.array_equal)
def array_equal(a1: ArrayLike, a2: ArrayLike, equal_nan: bool = False) -> Any:
    x, y = operand(a1), operand(a2)
    if x.shape != y.shape:
        return False
    same = np.equal(x, y)
    return np.all(np.logical_or(same, np.logical_and(np.isnan(x), np.isnan(y))) if equal_nan else same)


@implements(np.array_equiv)
def array_equiv(a1: Any, a2: Any) -> Any:
    x, y = operand(a1), operand(a2)
    try:
        np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        return False
    return np.all(np.equal(x, y))


def _ordered(name: str, x: Any) -> Any:
    x = operand(x)
    if x.dtype.kind == "c":
        raise TypeMismatchError(f"{name}: complex numbers have no sign; take their parts")
    return x


@implements(np.isposinf)
def isposinf(x: ArrayLike, out: Any = None) -> Array:
    return UFUNC_METHODS["into"](out, _ordered("isposinf", x) == math.inf, "isposinf")


@implements(np.isneginf)
def isneginf(x: Any, out: Any = None) -> Any:
    return UFUNC_METHODS["into"](out, _ordered("isneginf", x) == -math.inf, "isneginf")


@implements(np.isreal)
def isreal(x: ArrayLike) -> Array:
    return imag(x) == 0


@implements(np.iscomplex)
def iscomplex(x: Any) -> Any:
    return imag(x) != 0


# -- types and shapes ---------------------------------------------------------------------------------------------


@implements(np.iscomplexobj)
def iscomplexobj(x: ArrayLike) -> bool:
    return bool(operand(x).dtype.kind == "c")


@implements(np.isrealobj)
def isrealobj(x: Any) -> bool:
    return not iscomplexobj(x)


@implements(np.shape)
def shape(a: Any) -> tuple[int, ...]:
    return tuple(operand(a).shape)


@implements(np.ndim)
def ndim(a: Any) -> int:
    return int(operand(a).ndim)


@implements(np.size)
def size(a: Any, axis: Any = None) -> int:
    extents = operand(a).shape
    if axis is None:
        return math.prod(extents)
    return math.prod(extents[i] for i in (axis if isinstance(axis, tuple) else (axis,)))


@implements(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> DType:
    kinds = [kind_of(x) if isinstance(x, Tracer) else x for x in arrays_and_dtypes]
    weak = [isinstance(x, Tracer) and isinstance(k, type) for x, k in zip(arrays_and_dtypes, kinds, strict=True)]
    return np.result_type(*[k(0) if w else k for k, w in zip(kinds, weak, strict=True)])


@implements(np.can_cast)
def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    return np.can_cast(from_.dtype if isinstance(from_, Tracer) else from_, to, casting)


@implements(np.min_scalar_type)
def min_scalar_type(a: Any) -> Any:
    x = operand(a)
    array = known(x) if x.ndim == 0 else None
    return np.dtype(x.dtype) if array is None else np.min_scalar_type(array)


@implements(np.real_if_close, laid=True)
def real_if_close(a: Any, tol: float = 100) -> Any:
    """NumPy's `real_if_close` where a complex array's values are known while tracing. Raises `TypeMismatchError`."""
    x = operand(a)
    if x.dtype.kind != "c":
        return x
    array = known(x)
    if array is None:
        raise TypeMismatchError(
            f"real_if_close: the result's dtype depends on the values of a traced {x.type}; use numpy.real"
        )
    return x if np.real_if_close(array, tol).dtype.kind == "c" else real(x)


@implements(np.common_type)
def common_type(*arrays: Any) -> Any:
    return np.common_type(*[np.empty(0, operand(x).dtype) for x in arrays])

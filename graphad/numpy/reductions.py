"""Reductions: sums, products, extrema, logical reductions, means and variances."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.arrays import PYTHON_SCALARS
from graphad.errors import ShapeError
from graphad.numpy.arguments import axes_of, axis_of, operand, reject
from graphad.numpy.dispatch import implements
from graphad.ops import reduce as ops
from graphad.ops.elementwise import cast
from graphad.ops.select import select
from graphad.ops.shape import full, reshape
from graphad.types import FLOAT64, Array, ArrayLike, DType, DTypeLike


def accumulator(dtype: DType) -> DType:
    """The dtype in which NumPy sums: 64 bits for bools and narrower integers."""
    if dtype.kind == "b":
        return np.dtype(np.int64)
    return np.dtype(f"{dtype.kind}8") if dtype.kind in "iu" else dtype


def keep(out: Any, x: Any, axes: tuple[int, ...], keepdims: Any) -> Any:
    """The result of a reduction with the reduced axes kept as unit axes if `keepdims`."""
    if keepdims is np._NoValue or not keepdims:
        return out
    return reshape(out, tuple(1 if i in axes else n for i, n in enumerate(x.shape)))


def _masked(x: Any, where: Any, fill: Any) -> Any:
    return x if where is True or where is np._NoValue else select(_truth(where), x, np.asarray(fill, x.dtype))


def _truth(x: ArrayLike) -> Array:
    return cast(operand(x), bool)


def start_of(initial: Any, dtype: DType) -> Array:
    """What a reduction starts from, in its dtype. A Python number beyond its bounds raises `OverflowError`."""
    if type(initial) in PYTHON_SCALARS and dtype.kind in "iu":
        return np.asarray(int(initial), dtype)
    return cast(operand(initial), dtype)


@implements(np.sum, method="sum")
def sum_(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = np._NoValue,
    where: Any = True,
) -> Any:
    reject("sum", out=out)
    a = operand(a)
    axes = axes_of(a, axis, "sum")
    x = cast(a, dtype or accumulator(a.dtype))
    x = _masked(x, where, 0)
    total = (ops.Any_ if x.dtype.kind == "b" else ops.Sum)(axes)(x) if axes else x
    if initial is not np._NoValue:
        total = total + start_of(initial, x.dtype)
    return keep(total, x, axes, keepdims)


@implements(np.prod, method="prod")
def prod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = np._NoValue,
    where: Any = True,
) -> Any:
    reject("prod", out=out)
    a = operand(a)
    axes = axes_of(a, axis, "prod")
    x = cast(a, dtype or accumulator(a.dtype))
    x = _masked(x, where, 1)
    total = (ops.All if x.dtype.kind == "b" else ops.Prod)(axes)(x) if axes else x
    if initial is not np._NoValue:
        total = total * start_of(initial, x.dtype)
    return keep(total, x, axes, keepdims)


def _extremum(name: str, op: Any, combine: Any) -> Callable[..., Any]:
    def extremum(
        a: Any,
        axis: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = np._NoValue,
        where: Any = True,
    ) -> Any:
        reject(name, out=out)
        x = operand(a)
        axes = axes_of(x, axis, name)
        given = initial is not np._NoValue and initial is not None
        initial = start_of(initial, x.dtype) if given else None
        if where is not True and where is not np._NoValue:
            if not given:
                raise ShapeError(f"{name}: where= needs initial=, since the operation has no identity")
            x = select(_truth(where), x, initial)
        if any(x.shape[i] == 0 for i in axes):
            if not given:
                raise ShapeError(f"{name}: zero-size array to a reduction operation which has no identity")
            rest = tuple(n for i, n in enumerate(x.shape) if i not in axes)
            return keep(full(rest, initial, x.dtype), x, axes, keepdims)
        result = op(axes)(x) if axes else x
        return keep(combine(result, initial) if given else result, x, axes, keepdims)

    extremum.__name__ = extremum.__qualname__ = name
    extremum.__doc__ = f"NumPy's `{name}`. Raises `ShapeError` for an empty reduction without `initial`."
    return extremum


max_ = implements(np.max, np.amax, method="max")(_extremum("max", ops.Max, np.maximum))
min_ = implements(np.min, np.amin, method="min")(_extremum("min", ops.Min, np.minimum))


@implements(np.any, method="any")
def any_(a: ArrayLike, axis: Any = None, out: Any = None, keepdims: bool = False, *, where: ArrayLike = True) -> Array:
    reject("any", out=out)
    x = _masked(_truth(a), where, False)
    axes = axes_of(x, axis, "any")
    return keep(ops.Any_(axes)(x) if axes else x, x, axes, keepdims)


@implements(np.all, method="all")
def all_(a: ArrayLike, axis: Any = None, out: Any = None, keepdims: bool = False, *, where: ArrayLike = True) -> Array:
    reject("all", out=out)
    x = _masked(_truth(a), where, True)
    axes = axes_of(x, axis, "all")
    return keep(ops.All(axes)(x) if axes else x, x, axes, keepdims)


def _place(name: str, op: Any) -> Callable[..., Any]:
    def place(a: Any, axis: int | None = None, out: Any = None, *, keepdims: Any = False) -> Any:
        reject(name, out=out)
        a = operand(a)
        x, i = (reshape(a, (-1,)), 0) if axis is None else (a, axis_of(a, axis, name))
        if x.shape[i] == 0:
            raise ShapeError(f"{name}: attempt to get {name} of an empty sequence")
        axes = tuple(range(a.ndim)) if axis is None else (i,)
        return keep(op(i)(x), a, axes, keepdims)

    place.__name__ = place.__qualname__ = name
    place.__doc__ = f"NumPy's `{name}`: int64 places of the first extremum."
    return place


argmax = implements(np.argmax, method="argmax")(_place("argmax", ops.Argmax))
argmin = implements(np.argmin, method="argmin")(_place("argmin", ops.Argmin))


@implements(np.count_nonzero)
def count_nonzero(a: ArrayLike, axis: Any = None, *, keepdims: bool = False) -> Array:
    return sum_(_truth(a), axis, np.int64, keepdims=keepdims)


# -- moments ------------------------------------------------------------------------------------------------------


def _working(x: Array, dtype: Any) -> tuple[DType, DType]:
    """The dtypes in which NumPy computes a mean of `x` and gives it."""
    if dtype is not None:
        return np.dtype(dtype), np.dtype(dtype)
    result = FLOAT64 if x.dtype.kind in "iub" else x.dtype
    return (np.dtype(np.float32) if result == np.float16 else result), result


def _count(x: Any, axes: tuple[int, ...], where: Any, keepdims: bool) -> Any:
    """How many elements a reduction reads: a Python integer, or an array where a mask decides."""
    if where is True or where is np._NoValue:
        return math.prod(x.shape[i] for i in axes)
    mask = np.broadcast_to(_truth(where), x.shape)
    return sum_(mask, axes, np.int64, keepdims=keepdims)


@implements(np.mean, method="mean")
def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True
) -> Any:
    reject("mean", out=out)
    a = operand(a)
    axes = axes_of(a, axis, "mean")
    working, result = _working(a, dtype)
    kept = keepdims is not np._NoValue and bool(keepdims)
    total = sum_(cast(a, working), axes, working, keepdims=kept, where=where)
    return cast(total / _count(a, axes, where, kept), result)


@implements(np.var, method="var")
def var(
    a: ArrayLike,
    axis: Any = None,
    dtype: DTypeLike | None = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: bool = False,
    *,
    where: ArrayLike = True,
    mean: Any = np._NoValue,
    correction: Any = np._NoValue,
) -> Array:
    """NumPy's `var`: the mean squared distance from the mean, with `n - ddof` in the denominator."""
    reject("var", out=out)
    deviation, axes, divisor, result = _deviations("var", a, axis, dtype, ddof, keepdims, where, mean, correction)
    squares = np.real(deviation * np.conj(deviation)) if deviation.dtype.kind == "c" else np.square(deviation)
    total = sum_(squares, axes, squares.dtype, keepdims=keepdims)
    return cast(total / divisor, result if result.kind != "c" else squares.dtype)


def _deviations(
    name: str, a: Any, axis: Any, dtype: Any, ddof: Any, keepdims: Any, where: Any, mean: Any, correction: Any
) -> tuple[Any, tuple[int, ...], Any, Any]:
    """The distances from the mean, 0 where left out; the axes; what to divide by; and the dtype of the result."""
    a = operand(a)
    axes = axes_of(a, axis, name)
    working, result = _working(a, dtype)
    x = cast(a, working)
    ddof = ddof if correction is np._NoValue else correction
    if mean is np._NoValue:
        mean = sum_(x, axes, working, keepdims=True, where=where) / _count(a, axes, where, True)
    deviation = _masked(x - mean, where, 0)
    count = _count(a, axes, where, keepdims is not np._NoValue and bool(keepdims))
    divisor = max(count - ddof, 0) if isinstance(count, int) else np.maximum(count - ddof, 0)
    return deviation, axes, divisor, result


@implements(np.std, method="std")
def std(
    a: ArrayLike,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: bool = False,
    *,
    where: ArrayLike = True,
    mean: Any = np._NoValue,
    correction: Any = np._NoValue,
) -> Array:
    """NumPy's `std`. Its derivative is 0 where all elements are equal; that of one element is 0 for every element."""
    reject("std", out=out)
    deviation, axes, divisor, result = _deviations("std", a, axis, dtype, ddof, keepdims, where, mean, correction)
    single = mean is np._NoValue and math.prod([deviation.shape[i] for i in axes]) == 1
    size = keep(ops.Sum(axes)(np.real(deviation)) if single else ops.Norm(axes)(deviation), deviation, axes, keepdims)
    scale = math.sqrt(divisor) if isinstance(divisor, int) else np.sqrt(cast(divisor, size.dtype))
    return cast(size / scale, result if result.kind != "c" else size.dtype)


@implements(np.average)
def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False) -> Any:
    """NumPy's `average`: the mean, weighted if `weights` are given (of the shape of `a`, or along `axis`)."""
    a = operand(a)
    axes = axes_of(a, axis, "average")
    if weights is None:
        value = mean(a, axes, keepdims=keepdims)
        total = full(value.shape, math.prod(a.shape[i] for i in axes), value.dtype)
        return (value, total) if returned else value
    weights = operand(weights)
    if weights.shape != a.shape:
        if weights.shape != tuple(a.shape[i] for i in axes):
            raise ShapeError(f"average: weights of shape {list(weights.shape)} fit neither the array nor its axis")
        weights = reshape(weights, tuple(n if i in axes else 1 for i, n in enumerate(a.shape)))
        weights = np.broadcast_to(weights, a.shape)
    dtype = np.result_type(a.dtype, weights.dtype, *(["f8"] if a.dtype.kind in "iub" else []))
    total = sum_(weights, axes, dtype, keepdims=keepdims)
    value = sum_(cast(a, dtype) * cast(weights, dtype), axes, keepdims=keepdims) / total
    return (value, total) if returned else value


@implements(np.ptp)
def ptp(a: ArrayLike, axis: Any = None, out: Any = None, keepdims: bool = False) -> Array:
    return max_(a, axis, out, keepdims) - min_(a, axis, out, keepdims)

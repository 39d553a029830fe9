"""Along an axis: cumulative sums and products, differences, gradients, integrals, convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.arrays import PYTHON_SCALARS
from graphad.errors import ShapeError, TypeMismatchError
from graphad.numpy.arguments import axes_of, axis_of, dtype_of, is_finite, operand, reject, require
from graphad.numpy.dispatch import implements
from graphad.numpy.layouts import asked
from graphad.numpy.manipulation import reverse, slice_axis
from graphad.numpy.reductions import accumulator
from graphad.ops import shape as shapes
from graphad.ops.cumulative import Cumprod, Cumsum
from graphad.ops.elementwise import cast
from graphad.trace import Tracer
from graphad.types import Array, ArrayLike, DTypeLike


def scanned(name: str, op: Any, a: Any, axis: int | None, dtype: Any, out: Any) -> Any:
    """An op of `graphad.ops.cumulative` along an axis, or over all elements in order for None."""
    reject(name, out=out)
    a = operand(a)
    x = cast(a, dtype or accumulator(a.dtype))
    return op(0)(shapes.reshape(x, (-1,))) if axis is None else op(axis_of(x, axis, name))(x)


@implements(np.cumsum, method="cumsum")
def cumsum(a: ArrayLike, axis: int | None = None, dtype: DTypeLike | None = None, out: Any = None) -> Array:
    return scanned("cumsum", Cumsum, a, axis, dtype, out)


@implements(np.cumprod, method="cumprod")
def cumprod(a: ArrayLike, axis: int | None = None, dtype: DTypeLike | None = None, out: Any = None) -> Array:
    return scanned("cumprod", Cumprod, a, axis, dtype, out)


def _standard(name: str, op: Any, x: Any, axis: int | None, dtype: Any, out: Any, initial: bool, start: int) -> Array:
    x = operand(x)
    x = shapes.reshape(x, (1,)) if x.ndim == 0 else x
    if axis is None and x.ndim != 1:
        raise ShapeError(f"{name}: an array of {x.ndim} axes needs axis=")
    if isinstance(axis, tuple) and len(axis) == 1:
        (axis,) = axis
    i = axis_of(x, 0 if axis is None else axis, name)
    result = scanned(name, op, x, i, dtype, out)
    if not initial:
        return result
    first = shapes.full((*x.shape[:i], 1, *x.shape[i + 1 :]), start, result.dtype)
    return shapes.concatenate([first, result], i)


@implements(np.cumulative_sum)
def cumulative_sum(
    x: ArrayLike, /, *, axis: int | None = None, dtype: Any = None, out: Any = None, include_initial: bool = False
) -> Array:
    return _standard("cumulative_sum", Cumsum, x, axis, dtype, out, include_initial, 0)


@implements(np.cumulative_prod)
def cumulative_prod(
    x: ArrayLike, /, *, axis: int | None = None, dtype: Any = None, out: Any = None, include_initial: bool = False
) -> Array:
    return _standard("cumulative_prod", Cumprod, x, axis, dtype, out, include_initial, 1)


# -- differences and integrals ------------------------------------------------------------------------------------


@implements(np.diff)
def diff(a: ArrayLike, n: int = 1, axis: int = -1, prepend: Any = np._NoValue, append: Any = np._NoValue) -> Array:
    x = operand(a)
    if n < 0:
        raise ShapeError(f"diff: the order must be non-negative, not {n}")
    if n == 0:
        return x
    axis = axis_of(x, axis, "diff")
    ends = []
    for end in (prepend, append):
        if end is not np._NoValue:
            end = operand(end)
            unit = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
            ends.append([shapes.broadcast_to(end, unit) if end.ndim == 0 else end])
        else:
            ends.append([])
    if ends[0] or ends[1]:
        x = shapes.concatenate([*ends[0], x, *ends[1]], axis)
    subtract = np.not_equal if x.dtype.kind == "b" else np.subtract
    for _ in range(n):
        size = x.shape[axis]
        x = subtract(slice_axis(x, axis, min(1, size), size), slice_axis(x, axis, 0, max(size - 1, 0)))
    return x


@implements(np.ediff1d)
def ediff1d(ary: ArrayLike, to_end: Any = None, to_begin: Any = None) -> Array:
    middle = diff(shapes.reshape(operand(ary), (-1,)))
    parts = [to_begin, middle, to_end]
    for name, x in (("to_begin", to_begin), ("to_end", to_end)):
        if x is not None and not np.can_cast(operand(x).dtype, middle.dtype, "same_kind"):
            raise TypeMismatchError(f"ediff1d: {name} of {operand(x).dtype} cannot be cast to {middle.dtype}")
    flat = [cast(shapes.reshape(operand(x), (-1,)), middle.dtype) for x in parts if x is not None]
    return shapes.concatenate(flat, 0) if len(flat) > 1 else middle


@implements(np.gradient, laid=True)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """NumPy's `gradient`: second-order differences inside, of `edge_order` (1 or 2) at the ends."""
    require("gradient", "edge_order", edge_order, 1, 2)
    f = operand(f)
    layout = asked(f, "K")
    f = f if f.dtype.kind in "fc" else cast(f, float)
    axes = axes_of(f, axis, "gradient") if axis is None or np.iterable(axis) else (axis_of(f, axis, "gradient"),)
    steps = list(varargs) * len(axes) if len(varargs) == 1 else list(varargs) or [1.0] * len(axes)
    if len(steps) != len(axes):
        raise ShapeError(f"gradient: {len(steps)} spacings for {len(axes)} axes")
    real = np.empty(0, f.dtype).real.dtype
    steps = [np.asarray(h, real) if type(h) in PYTHON_SCALARS else operand(h) for h in steps]
    results = tuple(_gradient(f, h, i, edge_order) for h, i in zip(steps, axes, strict=True))
    for x in results:
        x.layout = layout
    return results[0] if len(results) == 1 else results


def _gradient(f: Array, h: Array, axis: int, edge_order: int) -> Any:
    """NumPy's formulas: a parabola through three neighbours, whose middle one drops out where they are equally far."""
    f = shapes.moveaxis(f, axis, 0)
    n = f.shape[0]
    if n < edge_order + 1:
        raise ShapeError(f"gradient: needs at least {edge_order + 1} elements along axis {axis}, not {n}")
    if h.ndim:
        if h.shape != (n,):
            raise ShapeError(f"gradient: coordinates of shape {list(h.shape)} for {n} elements along axis {axis}")
        h = diff(cast(h, float) if h.dtype.kind in "iu" else h)
        if not isinstance(h, Tracer) and (h == h[0]).all():
            h = h[0]
    d = shapes.reshape(h, (-1,) + (1,) * (f.ndim - 1))
    first, last = (f[1:2] - f[:1]) / d[:1], (f[-1:] - f[-2:-1]) / d[-1:]
    if h.ndim == 0:
        inner = (f[2:] - f[:-2]) / (2.0 * d)
        if edge_order == 2:
            first = -1.5 / d * f[:1] + 2.0 / d * f[1:2] - 0.5 / d * f[2:3]
            last = 0.5 / d * f[-3:-2] - 2.0 / d * f[-2:-1] + 1.5 / d * f[-1:]
    else:
        before, after = d[:-1], d[1:]
        both = before + after
        inner = -after / (before * both) * f[:-2]
        inner += (after - before) / (before * after) * f[1:-1] + before / (after * both) * f[2:]
        if edge_order == 2:
            a, b = d[:1], d[1:2]
            first = -(2 * a + b) / (a * (a + b)) * f[:1] + (a + b) / (a * b) * f[1:2] - a / (b * (a + b)) * f[2:3]
            a, b = d[-2:-1], d[-1:]
            last = b / (a * (a + b)) * f[-3:-2] - (a + b) / (a * b) * f[-2:-1] + (2 * b + a) / (b * (a + b)) * f[-1:]
    found = cast(shapes.concatenate([first, inner, last], 0), f.dtype)
    return shapes.moveaxis(found, 0, axis)


@implements(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    y = operand(y)
    axis = axis_of(y, axis, "trapezoid")
    n = y.shape[axis]
    steps = dx
    if x is not None:
        x = operand(x)
        steps = diff(x, axis=0 if x.ndim == 1 else axis)
        if x.ndim == 1:
            steps = shapes.reshape(steps, tuple(-1 if i == axis else 1 for i in range(y.ndim)))
    sums = slice_axis(y, axis, min(1, n), n) + slice_axis(y, axis, 0, max(n - 1, 0))
    return np.sum(steps * sums / 2.0, axis=axis)


# -- filters ------------------------------------------------------------------------------------------------------


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """NumPy's `convolve` of two vectors: a matrix of shifted copies of the longer times the shorter.

    Where the shorter may hold what is not finite, its products with zeros beyond the ends of the longer are not formed.
    """
    require("convolve", "mode", mode, "full", "same", "valid")
    a, v = (shapes.reshape(operand(x), (-1,)) if operand(x).ndim == 0 else operand(x) for x in (a, v))
    if a.ndim != 1 or v.ndim != 1 or not a.size or not v.size:
        raise ShapeError("convolve: needs two vectors that are not empty")
    dtype = dtype_of(a, v)
    if v.size > a.size:
        a, v = v, a
    n, m = a.size, v.size
    if mode != "valid" and m > 1 and not is_finite(v):
        first, last = (0, n + m - 1) if mode == "full" else ((m - 1) // 2, (m - 1) // 2 + n)
        return shifted_sum(cast(a, dtype), cast(v, dtype))[first:last]
    padded = shapes.Pad((m - 1,), (m - 1,), (0,))(cast(a, dtype)) if m > 1 else cast(a, dtype)
    first, count = {"full": (0, n + m - 1), "same": ((m - 1) // 2, n), "valid": (m - 1, n - m + 1)}[mode]
    windows = np.take(padded, np.arange(first, first + count)[:, None] + np.arange(m)[None, :])
    return np.dot(windows, reverse(cast(v, dtype), (0,)))


def shifted_sum(rows: Array, taps: Array) -> Array:
    """`sum_j taps[j] rows[..., i - j]` for all `i` where a product exists, and of those products alone.

    The products are padded to rows of one more than the length of the result; read in rows of that length, the products
    with tap `j` begin `j` places late.
    """
    n, m = rows.shape[-1], taps.shape[0]
    products = rows[..., None, :] * taps[:, None]
    lead = products.shape[:-2]
    wide = shapes.Pad((0,) * (len(lead) + 2), (*(0,) * (len(lead) + 1), m), (0,) * (len(lead) + 2))(products)
    flat = shapes.reshape(wide, (*lead, m * (n + m)))[..., : m * (n + m - 1)]
    op = np.any if products.dtype.kind == "b" else np.sum
    return cast(op(shapes.reshape(flat, (*lead, m, n + m - 1)), axis=-2), products.dtype)


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """NumPy's `correlate` of two vectors, `sum_n a[n + k] conj(v[n])`."""
    a, v = operand(a), operand(v)
    kernel = reverse(v, (0,))
    kernel = np.conj(kernel) if v.dtype.kind == "c" else kernel
    out = convolve(a, kernel, mode)
    if mode == "same" and v.size > a.size and a.size % 2 == 0:
        # The two orders of the operands center a kernel of even length one element apart.
        whole = convolve(a, kernel, "full")
        return slice_axis(whole, 0, a.size // 2, a.size // 2 + v.size)
    return out

"""Linear filters of `scipy.ndimage`: differentiable in the image, the weights and `cval`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.api.call import converted
from graphad.errors import ShapeError
from graphad.location import place
from graphad.numpy.arguments import axis_of, concrete, known, operand
from graphad.scipy.dispatch import namespace
from graphad.scipy.ndimage.support import (
    axes_in,
    by_axis,
    check_origin,
    neighbours,
    result_dtype,
    rule_of,
    sequence,
    stored,
    turned_origin,
    unsupported,
    wide,
    windows,
)
from graphad.types import Array, ArrayLike, DType

_traced = namespace("scipy.ndimage")[0]

_EPSILON = float(np.finfo(float).eps)


# -- correlations -------------------------------------------------------------------------------------------------


def _line(
    name: str, x: Array, weights: Array, axis: Any, dtype: DType, mode: Any, cval: ArrayLike, origin: Any
) -> Array:
    """The correlation along an axis, in the order of SciPy's loops: the same integers come from its truncation."""
    axis = axis_of(x, axis, name)
    weights = concrete(weights)
    if weights.ndim != 1 or weights.shape[0] < 1:
        raise ShapeError(f"{name}: weights of shape {list(weights.shape)} must be a vector of 1 or more")
    size = weights.shape[0]
    check_origin(name, size, origin)
    parts = windows(wide(x), axis, size, origin, rule_of(name, mode), cval)
    half = size // 2
    sign = _symmetry(weights)
    if sign:
        total = parts[half] * weights[half]
        for i in range(half):
            pair = parts[i] + parts[size - 1 - i] if sign > 0 else parts[i] - parts[size - 1 - i]
            total = total + pair * weights[i]
    else:
        total = parts[-1] * weights[-1]
        for i in range(size - 1):
            total = total + parts[i] * weights[i]
    return stored(total, dtype)


def _symmetry(weights: Array) -> int:
    """1 for known weights that are even about their middle, -1 for odd ones, 0 for others."""
    if not isinstance(weights, np.ndarray) or not len(weights) % 2 or weights.dtype.kind == "c":
        return 0
    half = len(weights) // 2
    after, before = weights[half + 1 :], weights[:half][::-1]
    if np.all(np.abs(after - before) <= _EPSILON):
        return 1
    return -1 if np.all(np.abs(after + before) <= _EPSILON) else 0


@_traced
def correlate1d(
    input: ArrayLike, weights: ArrayLike, axis: int = -1, output: Any = None, mode: str = "reflect",
    cval: ArrayLike = 0.0, origin: int = 0,
) -> Array:  # fmt: skip
    """SciPy's `correlate1d`, differentiable in the image, the weights and `cval`."""
    x, weights = operand(input), wide(operand(weights))
    dtype = result_dtype("correlate1d", output, x, weights)
    return _line("correlate1d", x, np.conj(weights), axis, dtype, mode, cval, origin)


@_traced
def convolve1d(
    input: ArrayLike, weights: ArrayLike, axis: int = -1, output: Any = None, mode: str = "reflect", cval: Any = 0.0,
    origin: int = 0,
) -> Array:  # fmt: skip
    """SciPy's `convolve1d`, differentiable in the image, the weights and `cval`."""
    x, weights = operand(input), wide(operand(weights))
    dtype = result_dtype("convolve1d", output, x, weights)
    start = turned_origin(origin, weights.shape[0])
    return _line("convolve1d", x, weights[::-1], axis, dtype, mode, cval, start)


def _over(
    name: str,
    input: Any,
    weights: Any,
    output: Any,
    mode: Any,
    cval: Any,
    origin: Any,
    turned: bool,
    axes: Any,
) -> Array:
    """The correlation with weights over several axes, `turned` for a convolution."""
    x, weights = operand(input), concrete(wide(operand(weights)))
    dtype = result_dtype(name, output, x, weights)
    weights = np.flip(weights) if turned else np.conj(weights)
    sides = by_axis(name, x, axes_in(name, x, axes), weights.shape, origin, turned)
    is_known = isinstance(weights, np.ndarray)
    chosen = np.abs(weights) > _EPSILON if is_known else np.ones(weights.shape, bool)
    parts = neighbours(wide(x), sides, rule_of(name, mode), cval, chosen)
    total: Any = None
    for part, i in zip(parts, np.argwhere(chosen).tolist(), strict=True):
        w = weights[tuple(i)]
        term = part * w
        if not is_known:
            # SciPy skips weights of 0; what is finite stays in the sum, for the weight's derivative.
            term = np.where(np.logical_or(np.abs(w) > _EPSILON, np.isfinite(part)), term, 0.0)
        total = term if total is None else total + term
    return stored(wide(x) * 0.0 if total is None else total, dtype)


@_traced
def correlate(
    input: ArrayLike, weights: Any, output: Any = None, mode: str = "reflect", cval: Any = 0.0, origin: Any = 0,
    *, axes: Any = None,
) -> Array:  # fmt: skip
    """SciPy's `correlate`, differentiable in the image, the weights and `cval`."""
    return _over("correlate", input, weights, output, mode, cval, origin, False, axes)


@_traced
def convolve(
    input: ArrayLike, weights: ArrayLike, output: Any = None, mode: str = "reflect", cval: Any = 0.0, origin: Any = 0,
    *, axes: Any = None,
) -> Array:  # fmt: skip
    """SciPy's `convolve`, differentiable in the image, the weights and `cval`."""
    return _over("convolve", input, weights, output, mode, cval, origin, True, axes)


# -- Gaussians ----------------------------------------------------------------------------------------------------


def _kernel(name: str, sigma: Any, order: Any, truncate: float, radius: Any) -> Array:
    """The Gaussian of a standard deviation, or its derivative, at the integers up to a radius."""
    if radius is None:
        width = known(sigma)
        if width is None:
            raise unsupported(name, "a sigma that is traced itself, without a radius,", "give radius= as an integer")
        radius = int(truncate * float(width) + 0.5)
    if order < 0 or radius < 0 or int(radius) != radius:
        raise ValueError(f"{name}: order={order} and radius={radius}{place()} must be whole and not negative")
    x = np.arange(-int(radius), int(radius) + 1)
    squared = sigma * sigma
    kernel = np.exp(-0.5 / squared * x**2)
    kernel = kernel / np.sum(kernel)
    # The derivative is a polynomial times the Gaussian: (q p)' = (q' - x q / sigma**2) p.
    q: list[Any] = [1.0]
    for _ in range(order):
        slope = [*[i * q[i] for i in range(1, len(q))], 0.0, 0.0]
        q = [a - b / squared for a, b in zip(slope, [0.0, *q], strict=True)]
    if order:
        kernel = np.sum(np.stack([c * x.astype(float) ** i for i, c in enumerate(q)]), axis=0) * kernel
    return kernel


@_traced
def gaussian_filter1d(
    input: ArrayLike, sigma: ArrayLike, axis: int = -1, order: int = 0, output: Any = None, mode: str = "reflect",
    cval: Any = 0.0, truncate: float = 4.0, *, radius: Any = None,
) -> Array:  # fmt: skip
    """SciPy's `gaussian_filter1d`, differentiable in `sigma` too; a traced one needs the `radius`."""
    x = operand(input)
    kernel = _kernel("gaussian_filter1d", sigma, order, truncate, radius)
    dtype = result_dtype("gaussian_filter1d", output, x)
    return _line("gaussian_filter1d", x, operand(kernel[::-1]), axis, dtype, mode, cval, 0)


@_traced
def gaussian_filter(
    input: ArrayLike, sigma: ArrayLike, order: Any = 0, output: Any = None, mode: Any = "reflect", cval: Any = 0.0,
    truncate: float = 4.0, *, radius: Any = None, axes: Any = None,
) -> Array:  # fmt: skip
    """SciPy's `gaussian_filter`, differentiable in `sigma` too; a traced one needs the `radius`."""
    name = "gaussian_filter"
    x = operand(input)
    dtype = result_dtype(name, output, x)
    axes = axes_in(name, x, axes)
    each = [sequence(name, v, len(axes)) for v in (sigma, order, mode, radius)]
    for axis, width, degree, how, reach in zip(axes, *each, strict=True):
        least = known(width)
        if least is None or least > 1e-15:
            kernel = _kernel(name, width, degree, truncate, reach)
            x = _line(name, x, operand(kernel[::-1]), axis, dtype, how, cval, 0)
    return stored(x, dtype)


@_traced
def gaussian_laplace(
    input: ArrayLike, sigma: ArrayLike, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, *, axes: Any = None,
    **kwargs: Any,
) -> Array:  # fmt: skip
    """SciPy's `gaussian_laplace`, differentiable in `sigma` too; a traced one needs the `radius`."""
    x = operand(input)
    filtered = axes_in("gaussian_laplace", x, axes)
    sigmas: list[Any] = [0.0] * x.ndim
    for axis, width in zip(filtered, sequence("gaussian_laplace", sigma, len(filtered)), strict=True):
        sigmas[axis] = width

    def second(x: Array, axis: int, output: Any, mode: Any, cval: Any) -> Array:
        order = [0] * x.ndim
        order[axis] = 2
        return gaussian_filter(x, sigmas, order, output, mode, cval, **kwargs)

    return _laplace("gaussian_laplace", x, second, output, mode, cval, axes)


@_traced
def gaussian_gradient_magnitude(
    input: ArrayLike, sigma: ArrayLike, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, *, axes: Any = None,
    **kwargs: Any,
) -> Array:  # fmt: skip
    """SciPy's `gaussian_gradient_magnitude`, differentiable in `sigma` too; a traced one needs the `radius`."""

    def first(x: Array, axis: int, output: Any, mode: Any, cval: Any) -> Array:
        order = [0] * x.ndim
        order[axis] = 1
        return gaussian_filter(x, sigma, order, output, mode, cval, **kwargs)

    return _magnitude("gaussian_gradient_magnitude", operand(input), first, output, mode, cval, axes)


# -- differences --------------------------------------------------------------------------------------------------


def _edges(name: str, input: Any, axis: int, output: Any, mode: Any, cval: Any, across: list[float]) -> Array:
    """Differences along one axis, sums with the weights `across` the others."""
    x = operand(input)
    axis = axis_of(x, axis, name)
    dtype = result_dtype(name, output, x)
    modes = sequence(name, mode, x.ndim)
    out = _line(name, x, np.array([-1.0, 0.0, 1.0]), axis, dtype, modes[axis], cval, 0)
    for other in range(x.ndim):
        if other != axis:
            out = _line(name, out, np.array(across), other, dtype, modes[other], cval, 0)
    return out


@_traced
def prewitt(
    input: ArrayLike, axis: int = -1, output: Any = None, mode: Any = "reflect", cval: Any = 0.0
) -> Array:
    """SciPy's `prewitt`, linear in the image."""
    return _edges("prewitt", input, axis, output, mode, cval, [1.0, 1.0, 1.0])


@_traced
def sobel(input: ArrayLike, axis: int = -1, output: Any = None, mode: Any = "reflect", cval: Any = 0.0) -> Array:
    """SciPy's `sobel`, linear in the image."""
    return _edges("sobel", input, axis, output, mode, cval, [1.0, 2.0, 1.0])


def _laplace(
    name: str,
    x: Array,
    second: Callable[..., Any],
    output: Any,
    mode: Any,
    cval: Any,
    axes: Any,
    *more: Any,
    **named: Any,
) -> Array:
    dtype = result_dtype(name, output, x)
    axes = axes_in(name, x, axes)
    total: Any = None
    for axis, how in zip(axes, sequence(name, mode, len(axes)), strict=True):
        part = second(x, axis, dtype, how, cval, *more, **named)
        total = part if total is None else total + part
    return stored(x, dtype) if total is None else total


def _magnitude(
    name: str,
    x: Array,
    first: Callable[..., Any],
    output: Any,
    mode: Any,
    cval: Any,
    axes: Any,
    *more: Any,
    **named: Any,
) -> Array:
    dtype = result_dtype(name, output, x)
    axes = axes_in(name, x, axes)
    total: Any = None
    for axis, how in zip(axes, sequence(name, mode, len(axes)), strict=True):
        part = first(x, axis, dtype, how, cval, *more, **named)
        total = part * part if total is None else total + part * part
    if total is None:
        return stored(x, dtype)
    # Where nothing changes, the magnitude has no derivative; 0 is taken.
    flat = total == 0
    return stored(np.where(flat, 0.0, np.sqrt(np.where(flat, 1.0, wide(total)))), dtype)


@_traced
def generic_laplace(
    input: ArrayLike, derivative2: Callable[..., Any], output: Any = None, mode: Any = "reflect", cval: Any = 0.0,
    extra_arguments: Any = (), extra_keywords: Any = None, *, axes: Any = None,
) -> Array:  # fmt: skip
    """SciPy's `generic_laplace`; `derivative2` gets a dtype as `output` and returns the second derivative."""
    return _laplace(
        "generic_laplace", operand(input), converted(derivative2), output, mode, cval, axes, *extra_arguments,
        **(extra_keywords or {}),
    )  # fmt: skip


@_traced
def laplace(input: ArrayLike, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, *, axes: Any = None) -> Array:
    """SciPy's `laplace`, linear in the image."""

    def second(x: Array, axis: int, dtype: DType, mode: Any, cval: Any) -> Array:
        return _line("laplace", x, np.array([1.0, -2.0, 1.0]), axis, dtype, mode, cval, 0)

    return _laplace("laplace", operand(input), second, output, mode, cval, axes)


@_traced
def generic_gradient_magnitude(
    input: ArrayLike, derivative: Callable[..., Any], output: Any = None, mode: Any = "reflect", cval: Any = 0.0,
    extra_arguments: Any = (), extra_keywords: Any = None, *, axes: Any = None,
) -> Array:  # fmt: skip
    """SciPy's `generic_gradient_magnitude`; `derivative` gets a dtype as `output` and returns the derivative."""
    return _magnitude(
        "generic_gradient_magnitude", operand(input), converted(derivative), output, mode, cval, axes, *extra_arguments,
        **(extra_keywords or {}),
    )  # fmt: skip


# -- means --------------------------------------------------------------------------------------------------------


def _mean_line(name: str, x: Array, size: int, axis: int, dtype: DType, mode: Any, cval: Any, origin: Any) -> Array:
    if size < 1:
        raise ValueError(f"{name}: size={size}{place()} must be 1 or more")
    check_origin(name, size, origin)
    total, *rest = windows(wide(x), axis, size, origin, rule_of(name, mode), cval)
    for part in rest:
        total = total + part
    return stored(total / float(size), dtype)


@_traced
def uniform_filter1d(
    input: ArrayLike, size: int, axis: int = -1, output: Any = None, mode: str = "reflect", cval: Any = 0.0,
    origin: int = 0,
) -> Array:  # fmt: skip
    """SciPy's `uniform_filter1d`, linear in the image."""
    x = operand(input)
    axis = axis_of(x, axis, "uniform_filter1d")
    dtype = result_dtype("uniform_filter1d", output, x)
    return _mean_line("uniform_filter1d", x, size, axis, dtype, mode, cval, origin)


@_traced
def uniform_filter(
    input: ArrayLike, size: Any = 3, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0, *,
    axes: Any = None,
) -> Array:  # fmt: skip
    """SciPy's `uniform_filter`, linear in the image."""
    name = "uniform_filter"
    x = operand(input)
    dtype = result_dtype(name, output, x)
    axes = axes_in(name, x, axes)
    each = [sequence(name, v, len(axes)) for v in (size, mode, origin)]
    for axis, extent, how, start in zip(axes, *each, strict=True):
        if extent > 1:
            x = _mean_line(name, x, int(extent), axis, dtype, how, cval, start)
    return stored(x, dtype)

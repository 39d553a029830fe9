"""Interpolation of images by B-splines: a part of `graphad.scipy.ndimage`.

The results are piecewise polynomials of the coordinates, linear in the image: both are differentiated, to second order
in the coordinates for splines of order 2 and more. The coordinates may be traced or known; those that lie on a grid,
as after a shift or a zoom, are interpolated axis by axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from graphad.api.call import converted
from graphad.api.vectorize import vmap
from graphad.errors import ShapeError, TypeMismatchError
from graphad.location import place
from graphad.numpy.arguments import axis_of, ints, known, operand
from graphad.numpy.selecting import take
from graphad.ops.elementwise import cast
from graphad.ops.factors import SolveBanded
from graphad.scipy.dispatch import namespace
from graphad.scipy.ndimage.support import (
    extended,
    folded,
    given,
    result_dtype,
    sequence,
    unsupported,
    wide,
)
from graphad.trace import Tracer
from graphad.types import Array, ArrayLike, DType

_traced = namespace("scipy.ndimage")[0]

TAPS = {
    "reflect": "reflect", "grid-mirror": "reflect", "mirror": "mirror", "nearest": "nearest",
    "constant": "mirror", "grid-constant": "nearest", "wrap": "mirror", "grid-wrap": "wrap",
}  # fmt: skip
"""Which spline coefficients stand for those beyond the edges, by mode; those of grid-constant count as `cval`."""
PADDING = 12
"""By how much SciPy pads images in the modes that have no exact filter."""
DENSE = 256
"""The longest axis that is filtered by a matrix; a longer one by a banded solve."""
REACH = 48
"""After so many elements the spline filter of any order has forgotten them, in double precision."""


# -- splines ------------------------------------------------------------------------------------------------------


def _weights(t: Any, order: int) -> list[Any]:
    """The B-splines of an order that reach a place, `t` beyond the first knot on its left, by their recurrence."""
    found: list[Any] = [1.0]
    for d in range(1, order + 1):
        left = [(t + (d - j)) * found[j - 1] if j else 0.0 for j in range(d + 1)]
        right = [((1 + j) - t) * found[j] if j < d else 0.0 for j in range(d + 1)]
        found = [(a + b) / d for a, b in zip(left, right, strict=True)]
    return found


@cache
def _matrix(n: int, order: int, mode: str) -> Array:
    """What the spline filter does along an axis of `n` elements."""
    return import_module("scipy.ndimage").spline_filter1d(np.eye(n), order, 0, mode=mode)


@cache
def _bands(n: int, order: int, rule: str) -> Any:
    """The splines at the elements as a banded matrix, folded at the edges."""
    centred = _weights(0.5 if order % 2 == 0 else 0.0, order)
    values = centred if order % 2 == 0 else centred[:-1]
    half = len(values) // 2
    ab = np.zeros((2 * half + 1, n))
    i = np.arange(n)
    for k, value in enumerate(values):
        j = folded(i + k - half, n, rule)
        np.add.at(ab, (half + i - j, j), value)
    return half, ab


def _filtered(x: Array, order: int, axis: int, mode: str) -> Array:
    """The spline coefficients of an image along an axis."""
    n = x.shape[axis]
    if order < 2 or n < 2:
        return x
    if n <= DENSE:
        return np.moveaxis(np.tensordot(_matrix(n, order, mode), x, (1, axis)), 0, axis)
    rule = {"reflect": "reflect", "grid-mirror": "reflect", "nearest": "reflect"}.get(mode, "mirror")
    reach = REACH if mode == "grid-wrap" else 0
    rows = np.moveaxis(extended(x, axis, reach, reach, "wrap", 0.0), axis, 0)
    half, ab = _bands(n + 2 * reach, order, rule)
    flat = rows.reshape(rows.shape[0], math.prod(rows.shape[1:]))
    solved = SolveBanded(half, half)(cast(operand(ab), x.dtype), flat).reshape(rows.shape)
    return np.moveaxis(solved[reach : reach + n], 0, axis)


def _check(name: str, order: Any, mode: Any, low: int = 0) -> None:
    if order not in range(low, 6):
        raise ValueError(f"{name}: order={order!r}{place()} is none of {low} to 5")
    if mode not in TAPS:
        raise ValueError(f"{name}: mode={mode!r}{place()} is none of {', '.join(TAPS)}")


@_traced
def spline_filter1d(
    input: ArrayLike, order: int = 3, axis: int = -1, output: Any = np.float64, mode: str = "mirror"
) -> Array:
    """SciPy's `spline_filter1d`, linear in the image."""
    _check("spline_filter1d", order, mode)
    x = operand(input)
    dtype = result_dtype("spline_filter1d", output, x)
    dtype = np.promote_types(dtype, np.complex64) if x.dtype.kind == "c" else dtype
    return np.copy(cast(_filtered(wide(x), order, axis_of(x, axis, "spline_filter1d"), mode), dtype))


@_traced
def spline_filter(input: ArrayLike, order: int = 3, output: Any = np.float64, mode: str = "mirror") -> Array:
    """SciPy's `spline_filter`, linear in the image."""
    _check("spline_filter", order, mode, 2)
    x = operand(input)
    for axis in range(x.ndim):
        x = spline_filter1d(x, order, axis, output, mode)
    return np.copy(x)


# -- values at coordinates ----------------------------------------------------------------------------------------


def _inside(c: Any, n: int, mode: str) -> Array:
    """Coordinates on an axis of `n` elements mapped into it as SciPy does, where the coefficients do not reach."""
    if mode in ("nearest", "grid-constant", "constant"):
        return c
    if n == 1:
        return 0.0 * c
    if mode == "wrap":
        below = c + (n - 1) * (np.floor(-c / (n - 1)) + 1)
        above = c - (n - 1) * np.floor(c / (n - 1))
    elif mode == "grid-wrap":
        below = c + n * (np.trunc((-1 - c) / n) + 1)
        above = c - n * np.floor(c / n)
    elif mode == "mirror":
        period = 2 * n - 2
        below = c + period * np.floor(-c / period)
        below = np.where(below <= 1 - n, below + period, -below)
        above = c - period * np.floor(c / period)
        above = np.where(above >= n, period - above, above)
    else:
        period = 2 * n
        below = np.where(c < -period, c + period * np.floor(-c / period), c)
        below = np.where(below < -n, below + period, np.where(below > -1e-15, 1e-15, -below) - 1)
        above = c - period * np.floor(c / period)
        above = np.where(above >= n, period - above - 1, above)
    return np.where(c < 0, below, np.where(c > n - 1, above, c))


def _taps(c: Array, n: int, order: int, mode: str) -> tuple[list[Any], list[Any]]:
    """Places of the coefficients along an axis that reach coordinates, and their weights."""
    c = _inside(c, n, mode)
    c = c if order % 2 else c + 0.5
    first = np.floor(c)
    weights = _weights(c - first, order)
    start = cast(operand(first), np.int64) - order // 2
    places = [start + i for i in range(order + 1)]
    if mode == "grid-constant":
        weights = [np.where((i >= 0) & (i < n), w, 0.0) for i, w in zip(places, weights, strict=True)]
    return [folded(i, n, TAPS[mode]) for i in places], weights


def _sample(
    x: Array, coordinates: Sequence[Any], grid: bool, order: int, mode: str, cval: Any, prefilter: bool
) -> Array:
    """An image at coordinates along its first axes; they span a `grid`, or each has the shape of the result."""
    rank = len(coordinates)
    lengths = x.shape[:rank]
    x = wide(x)
    shift = 0
    if prefilter and order > 1:
        if mode in ("nearest", "grid-constant"):
            shift = PADDING
            for axis in range(rank):
                x = extended(x, axis, shift, shift, "constant" if mode == "grid-constant" else mode, cval)
        for axis in range(rank):
            x = _filtered(x, order, axis, mode)
    if mode == "grid-constant":
        x = x - cval
    taps = [_taps(c + float(shift), n, order, mode) for c, n in zip(coordinates, x.shape, strict=False)]
    out = _on_grid(x, taps) if grid else _at_points(x, taps)
    if mode == "grid-constant":
        return out + cval
    if mode == "constant":
        outside: Any = False
        for axis, (c, n) in enumerate(zip(coordinates, lengths, strict=True)):
            beyond = (c < 0) | (c > n - 1)
            outside = outside | (_aligned(beyond, axis, rank) if grid else beyond)
        out = np.where(outside.reshape(*outside.shape, *(1,) * (out.ndim - outside.ndim)), cval, out)
    return out


def _aligned(v: Array, axis: int, rank: int) -> Array:
    """A vector along one of `rank` axes."""
    return v.reshape(*(1,) * axis, -1, *(1,) * (rank - axis - 1))


def _on_grid(x: Array, taps: Sequence[tuple[list[Any], list[Any]]]) -> Array:
    for axis, (places, weights) in enumerate(taps):
        total: Any = None
        for i, w in zip(places, weights, strict=True):
            part = take(x, i, axis)
            part = part if isinstance(w, float) else part * _aligned(w, axis, x.ndim)
            total = part if total is None else total + part
        x = total
    return x


def _at_points(x: Array, taps: Sequence[tuple[list[Any], list[Any]]]) -> Array:
    """All coefficients that reach each point in one gather."""
    rank = len(taps)
    order = len(taps[0][0]) - 1
    plain = isinstance(taps[0][1][0], float)
    shape = taps[0][0][0].shape
    index: Any = 0
    weight: Any = 1.0
    for axis, (places, weights) in enumerate(taps):
        wider = (*(1,) * axis, order + 1, *(1,) * (rank - axis - 1), *shape)
        index = index * x.shape[axis] + np.stack(places).reshape(wider)
        if not plain:
            weight = weight * np.stack(weights).reshape(wider)
    count = (order + 1) ** rank
    rest = x.shape[rank:]
    flat = x.reshape(math.prod(x.shape[:rank]), *rest)
    found = take(flat, index.reshape(count, *shape), 0)
    if plain:
        return found[0]
    return np.sum(found * weight.reshape(count, *shape, *(1,) * len(rest)), axis=0)


def _rounded(x: Array, dtype: DType) -> Array:
    """Numbers in the dtype of the result: rounded and clipped for integers."""
    if dtype.kind == "b":
        return cast(cast(x, np.int64), dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        low = x - 0.5 if dtype.kind == "i" else 0.0
        x = np.clip(np.where(x > 0, x + 0.5, low), float(limits.min), float(limits.max))
        x = cast(x, np.int64) if dtype.kind == "u" else x
    return cast(x, dtype)


@_traced
def map_coordinates(
    input: ArrayLike, coordinates: ArrayLike, output: Any = None, order: int = 3, mode: str = "constant",
    cval: ArrayLike = 0.0, prefilter: bool = True,
) -> Array:  # fmt: skip
    """SciPy's `map_coordinates`, differentiable in the image, the coordinates and `cval`."""
    name = "map_coordinates"
    _check(name, order, mode)
    x, c = operand(input), operand(coordinates)
    if c.dtype.kind == "c":
        raise TypeMismatchError(f"{name}: complex coordinates of dtype {c.dtype}; give real ones")
    if c.ndim < 2 or x.ndim < 1 or c.shape[0] != x.ndim:
        raise ShapeError(f"{name}: coordinates {list(c.shape)} must be one array for each axis of {list(x.shape)}")
    c = wide(c)
    out = _sample(x, [c[i] for i in range(x.ndim)], False, order, mode, cval, prefilter)
    return _rounded(out, result_dtype(name, output, x))


@_traced
def shift(
    input: ArrayLike, shift: ArrayLike, output: Any = None, order: int = 3, mode: str = "constant", cval: Any = 0.0,
    prefilter: bool = True,
) -> Array:  # fmt: skip
    """SciPy's `shift`, differentiable in the image, the shift and `cval`."""
    _check("shift", order, mode)
    x = _image("shift", input)
    shifts = sequence("shift", operand(shift), x.ndim)
    coordinates = [np.arange(float(n)) + -s for n, s in zip(x.shape, shifts, strict=True)]
    out = _sample(x, coordinates, True, order, mode, cval, prefilter)
    return _rounded(out, result_dtype("shift", output, x))


def _image(name: str, input: Any) -> Array:
    x = operand(input)
    if x.ndim < 1:
        raise ShapeError(f"{name}: a number has no axes to interpolate along")
    return x


@_traced
def zoom(
    input: Any, zoom: Any, output: Any = None, order: int = 3, mode: str = "constant", cval: Any = 0.0,
    prefilter: bool = True, *, grid_mode: bool = False,
) -> Any:  # fmt: skip
    """SciPy's `zoom` by known factors, differentiable in the image and `cval`."""
    _check("zoom", order, mode)
    x = _image("zoom", input)
    factors = given("zoom", zoom, "a factor", "it decides the shape: use affine_transform with an output_shape=")
    factors = sequence("zoom", factors, x.ndim)
    dtype = result_dtype("zoom", output, x)
    if all(z == 1 for z in factors) and prefilter:
        return cast(x, dtype)
    coordinates = []
    for n, z in zip(x.shape, factors, strict=True):
        m = round(n * float(z))
        less = 0 if grid_mode else 1
        step = (n - less) / (m - less) if m != less else 1.0
        k = np.arange(float(m))
        coordinates.append((k + 0.5) * step - 0.5 if grid_mode else k * step)
    return _rounded(_sample(x, coordinates, True, order, mode, cval, prefilter), dtype)


def _transformed(
    x: Array, matrix: Array, offset: Any, shape: Sequence[int], order: int, mode: str, cval: Any, prefilter: bool
) -> Array:
    """The image at `matrix @ o + offset` for the places `o` of an array of `shape`."""
    coordinates = []
    for i, start in enumerate(offset):
        c = start
        for k, n in enumerate(shape):
            c = c + _aligned(np.arange(float(n)), k, len(shape)) * matrix[i, k]
        coordinates.append(c)
    return _sample(x, coordinates, False, order, mode, cval, prefilter)


@_traced
def affine_transform(
    input: ArrayLike, matrix: ArrayLike, offset: ArrayLike = 0.0, output_shape: Any = None, output: Any = None,
    order: int = 3, mode: str = "constant", cval: Any = 0.0, prefilter: bool = True,
) -> Array:  # fmt: skip
    """SciPy's `affine_transform`, differentiable in the image, the matrix, the offset and `cval`."""
    name = "affine_transform"
    _check(name, order, mode)
    x, m = _image(name, input), wide(operand(matrix))
    dtype = result_dtype(name, output, x)
    shape = x.shape if output_shape is None else ints(output_shape)
    d = x.ndim
    if m.ndim == 2 and m.shape[1] == d + 1 and m.shape[0] in (d, d + 1):
        last = known(m[d]) if m.shape[0] == d + 1 else None
        if last is not None and not np.all(last == [0] * d + [1]):
            raise ValueError(f"{name}: the last row of a homogeneous matrix{place()} must be {[0] * d + [1]}")
        m, offset = m[:d, :d], m[:d, d]
    if m.ndim not in (1, 2) or m.shape[0] != d or (m.ndim == 2 and m.shape[1] != len(shape)):
        raise ShapeError(f"{name}: a matrix {list(m.shape)} for an image of {d} axes and a result of {len(shape)}")
    offsets = sequence(name, operand(offset), d)
    if m.ndim == 1:
        if len(shape) != d:
            raise ShapeError(f"{name}: a result of {len(shape)} axes from an image of {d} needs a full matrix")
        coordinates = [
            (np.arange(float(n)) + o / m[i]) * m[i] for i, (n, o) in enumerate(zip(shape, offsets, strict=True))
        ]
        out = _sample(x, coordinates, True, order, mode, cval, prefilter)
    else:
        out = _transformed(x, m, offsets, shape, order, mode, cval, prefilter)
    return _rounded(out, dtype)


@_traced
def rotate(
    input: ArrayLike, angle: ArrayLike, axes: Any = (1, 0), reshape: bool = True, output: Any = None, order: int = 3,
    mode: str = "constant", cval: Any = 0.0, prefilter: bool = True,
) -> Array:  # fmt: skip
    """SciPy's `rotate`, differentiable in the image and `cval`, with `reshape=False` in the angle too."""
    _check("rotate", order, mode)
    x = _image("rotate", input)
    plane = sorted(axis_of(x, axis, "rotate") for axis in axes)
    if len(set(plane)) != 2:
        raise ShapeError(f"rotate: axes {axes} must be two of an image of {x.ndim} axes")
    dtype = result_dtype("rotate", output, x)
    if reshape and known(angle) is None:
        raise unsupported("rotate", "an angle that is traced itself and decides the shape", "give reshape=False")
    x = np.moveaxis(x, plane, (0, 1))
    if isinstance(angle, Tracer):
        c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    else:
        special = import_module("scipy.special")
        c, s = special.cosdg(angle), special.sindg(angle)
    matrix = operand([[c, s], [-s, c]])
    shape = np.array(x.shape[:2])
    size = shape
    if reshape:
        iy, ix = shape
        bounds = known(matrix) @ np.array([[0, 0, iy, iy], [0, ix, 0, ix]])
        size = (np.ptp(bounds, axis=1) + 0.5).astype(int)
    offset = (shape - 1) / 2 - matrix @ ((size - 1) / 2)
    out = _transformed(x, matrix, [offset[0], offset[1]], ints(size), order, mode, cval, prefilter)
    return _rounded(np.moveaxis(out, (0, 1), plane), dtype)


@_traced
def geometric_transform(
    input: ArrayLike, mapping: Callable[..., Any], output_shape: Any = None, output: Any = None, order: int = 3,
    mode: str = "constant", cval: Any = 0.0, prefilter: bool = True, extra_arguments: Any = (),
    extra_keywords: Any = None,
) -> Array:  # fmt: skip
    """SciPy's `geometric_transform`, differentiable in the image, what the mapping computes with, and `cval`."""
    name = "geometric_transform"
    _check(name, order, mode)
    x = _image(name, input)
    if not callable(mapping):
        raise unsupported(name, "a compiled mapping", "give a Python function")
    dtype = result_dtype(name, output, x)
    shape = x.shape if output_shape is None else ints(output_shape)
    keywords = extra_keywords or {}

    def at(*o: Any) -> Any:
        found = converted(mapping)(tuple(o), *extra_arguments, **keywords)
        if len(found) != x.ndim:
            raise ShapeError(f"{name}: the mapping gives {len(found)} coordinates for an image of {x.ndim} axes")
        return [operand(c) * 1.0 for c in found]

    points = [g.ravel() for g in np.indices(shape)]
    coordinates = [wide(c).reshape(shape) for c in vmap(at)(*points)]
    return _rounded(_sample(x, coordinates, False, order, mode, cval, prefilter), dtype)

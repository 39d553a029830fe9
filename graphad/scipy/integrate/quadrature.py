"""Integrals of samples, and of functions by Gauss's rule: SciPy's names and rules."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.numpy.arguments import axis_of, operand
from graphad.scipy.dispatch import namespace

_traced, __getattr__ = namespace("scipy.integrate")


def _last(y: Any, axis: int, name: str) -> Any:
    y = operand(y)
    return np.moveaxis(y, axis_of(y, axis, name), -1)


def _steps(y: Any, x: Any, dx: Any, axis: int, name: str) -> Any:
    """The distances of neighbours along the last axis of `y`, one number or an array."""
    if x is None:
        return dx
    x = operand(x)
    x = x if x.ndim == 1 else np.moveaxis(x, axis, -1)
    if x.shape[-1] != y.shape[-1]:
        raise ShapeError(f"{name}: x {list(x.shape)} does not fit y {list(y.shape)} along the axis")
    return np.diff(x)


@_traced
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """SciPy's `trapezoid`."""
    y = _last(y, axis, "trapezoid")
    return np.sum(_steps(y, x, dx, axis, "trapezoid") * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)


@_traced
def cumulative_trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1, initial: Any = None) -> Any:
    """SciPy's `cumulative_trapezoid`."""
    y = _last(y, axis, "cumulative_trapezoid")
    steps = _steps(y, x, dx, axis, "cumulative_trapezoid")
    out = np.cumsum(steps * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)
    if initial is not None:
        out = np.concatenate([np.full((*out.shape[:-1], 1), 0.0) + initial, out], axis=-1)
    return np.moveaxis(out, -1, axis)


def _simpson_pairs(y: Any, h0: Any, h1: Any) -> Any:
    """The integral over pairs of intervals of lengths `h0` and `h1` of the parabola through three samples."""
    total, ratio = h0 + h1, h0 / h1
    middle = y[..., 1:-1:2] * (total * total / (h0 * h1))
    return total / 6.0 * (y[..., :-2:2] * (2.0 - 1.0 / ratio) + middle + y[..., 2::2] * (2.0 - ratio))


@_traced
def simpson(y: Any, x: Any = None, *, dx: Any = 1.0, axis: int = -1) -> Any:
    """SciPy's `simpson`, with the correction of the last interval for an even number of samples."""
    y = _last(y, axis, "simpson")
    n = y.shape[-1]
    steps = _steps(y, x, dx, axis, "simpson")
    h = np.broadcast_to(steps, y[..., 1:].shape)
    if n == 1:
        return 0.0 * y[..., 0]
    if n == 2:
        return np.sum(h * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)
    odd = n if n % 2 else n - 1
    out = np.sum(_simpson_pairs(y[..., :odd], h[..., 0 : odd - 1 : 2], h[..., 1 : odd - 1 : 2]), axis=-1)
    if n % 2 == 0:
        a, b = h[..., -2], h[..., -1]
        first = (2 * b**2 + 3 * a * b) / (6 * (b + a))
        second = (b**2 + 3 * a * b) / (6 * a)
        out = out + first * y[..., -1] + second * y[..., -2] - b**3 / (6 * a * (a + b)) * y[..., -3]
    return out


def _simpson_firsts(y: Any, h: Any) -> Any:
    """The integral over the first of each two neighbouring intervals of the parabola through three samples."""
    a, b = h[..., :-1], h[..., 1:]
    total = a + b
    bend = a * a / (b * total)
    return a / 6 * ((3 - a / total) * y[..., :-2] + (3 + bend + a / total) * y[..., 1:-1] - bend * y[..., 2:])


@_traced
def cumulative_simpson(y: Any, *, x: Any = None, dx: Any = 1.0, axis: int = -1, initial: Any = None) -> Any:
    """SciPy's `cumulative_simpson`: each interval by the parabola through its ends and one neighbour."""
    y = _last(y, axis, "cumulative_simpson")
    h = np.broadcast_to(_steps(y, x, dx, axis, "cumulative_simpson"), y[..., 1:].shape)
    n = y.shape[-1]
    if n < 3:
        parts = h * (y[..., 1:] + y[..., :-1]) / 2.0
    else:
        firsts = _simpson_firsts(y, h)
        seconds = _simpson_firsts(y[..., ::-1], h[..., ::-1])[..., ::-1]
        even = np.arange(n - 1) % 2 == 0
        padded = [(0, 0)] * (y.ndim - 1)
        parts = np.where(even, np.pad(firsts, [*padded, (0, 1)]), np.pad(seconds, [*padded, (1, 0)]))
        if (n - 1) % 2:
            parts = np.concatenate([parts[..., :-1], seconds[..., -1:]], axis=-1)
    out = np.cumsum(parts, axis=-1)
    if initial is not None:
        start = np.full((*out.shape[:-1], 1), 0.0) + initial
        out = np.concatenate([start, out + start], axis=-1)
    return np.moveaxis(out, -1, axis)


@_traced
def romb(y: Any, dx: Any = 1.0, axis: int = -1, show: bool = False) -> Any:
    """SciPy's `romb`: Romberg's extrapolation of `2**k + 1` samples."""
    y = _last(y, axis, "romb")
    k = (y.shape[-1] - 1).bit_length() - 1
    if y.shape[-1] != 2**k + 1:
        raise ShapeError(f"romb: needs 2**k + 1 samples, not {y.shape[-1]}")
    row: list[Any] = []
    for level in range(k + 1):
        every = 2 ** (k - level)
        before, row = row, [trapezoid(y[..., ::every], dx=dx * every)]
        for m, coarser in enumerate(before, 1):
            row.append(row[-1] + (row[-1] - coarser) / (4**m - 1))
    return row[-1]


def fixed_quad(func: Any, a: Any, b: Any, args: tuple[Any, ...] = (), n: int = 5) -> tuple[Any, None]:
    """SciPy's `fixed_quad`: the integral of a function between finite limits by Gauss's rule of `n` points."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    y = (b - a) * (nodes + 1) / 2.0 + a
    return (b - a) / 2.0 * np.sum(weights * func(y, *args), axis=-1), None

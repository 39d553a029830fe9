"""Splines of equally spaced samples: names of `scipy.signal`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError
from graphad.location import place
from graphad.numpy.arguments import operand
from graphad.numpy.selecting import take
from graphad.ops.elementwise import cast
from graphad.scipy.dispatch import namespace
from graphad.scipy.signal.convolutions import lfilter
from graphad.scipy.signal.edges import floating, vector
from graphad.types import FLOAT64, Array, ArrayLike

_traced = namespace("scipy.signal")[0]


def _coefficients(signal: Any, lamb: Any, pole: float, scale: float, name: str) -> Array:
    """The coefficients of the spline through samples that are mirrored at the ends, by filters in both directions."""
    if lamb != 0.0:
        raise MissingRuleError(f"{name}: lamb={lamb} cannot be traced{place()}; leave it out")
    x = vector(floating(signal), name, "signal")
    first = x[0] + pole * np.sum(pole ** np.arange(x.shape[0]) * x)
    if x.shape[0] == 1:
        return (pole / (pole - 1) * first).reshape(1)
    a = np.array([1.0, -pole])
    forth = np.concatenate([first.reshape(1), lfilter([1.0], a, x[1:], zi=(pole * first).reshape(1))[0]])
    last = pole / (pole - 1) * forth[-1]
    back = lfilter([-pole], a, np.flip(forth[:-1]), zi=(pole * last).reshape(1))[0]
    return np.concatenate([np.flip(back), last.reshape(1)]) * scale


@_traced
def cspline1d(signal: ArrayLike, lamb: Any = 0.0) -> Array:
    """SciPy's `cspline1d` without smoothing: the coefficients of the cubic spline through samples."""
    return _coefficients(signal, lamb, -2 + math.sqrt(3.0), 6.0, "cspline1d")


@_traced
def qspline1d(signal: ArrayLike, lamb: Any = 0.0) -> Array:
    """SciPy's `qspline1d`: the coefficients of the quadratic spline through samples."""
    return _coefficients(signal, lamb, -3 + 2 * math.sqrt(2.0), 8.0, "qspline1d")


def _evaluated(cj: Any, newx: Any, dx: Any, x0: Any, width: int, bump: Any, name: str) -> Array:
    """The sum of the bumps around each place, of places beyond the ends by reflection there."""
    c, x = vector(cj, name, "cj"), (cast(operand(newx), FLOAT64) - x0) / dx
    n = c.shape[0]
    period = 2.0 * max(n - 1, 1)
    x = np.abs(x - period * np.floor(x / period + 0.5)) if n > 1 else 0.0 * x
    first = cast(np.floor(x - width / 2.0), np.dtype(np.int64)) + 1
    found: Any = 0.0
    for i in range(width):
        j = first + i
        found = found + take(c, np.clip(j, 0, n - 1)) * bump(x - j)
    return found


def _cubic(x: Array) -> Array:
    x = np.abs(x)
    return np.where(x < 1, 2 / 3 - x**2 + x**3 / 2, np.where(x < 2, np.maximum(2 - x, 0.0) ** 3 / 6, 0.0))


def _quadratic(x: Array) -> Array:
    x = np.abs(x)
    return np.where(x < 0.5, 0.75 - x**2, np.where(x < 1.5, (x - 1.5) ** 2 / 2, 0.0))


@_traced
def cspline1d_eval(cj: ArrayLike, newx: ArrayLike, dx: Any = 1.0, x0: Any = 0) -> Array:
    """SciPy's `cspline1d_eval`: a cubic spline at places, differentiable in them and in its coefficients."""
    return _evaluated(cj, newx, dx, x0, 4, _cubic, "cspline1d_eval")


@_traced
def qspline1d_eval(cj: ArrayLike, newx: ArrayLike, dx: Any = 1.0, x0: Any = 0) -> Array:
    """SciPy's `qspline1d_eval`: a quadratic spline at places, differentiable in them and in its coefficients."""
    return _evaluated(cj, newx, dx, x0, 3, _quadratic, "qspline1d_eval")

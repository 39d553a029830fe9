"""Functions of `scipy.special` that elementary ones make up, and roots of equations among these."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.ops.compositions.base import composition

_DEGREE = math.pi / 180


@composition
def exprel(x: Any) -> Any:
    """Where the exponential overflows and the quotient does not, by the square of its root."""
    large = x > 700
    near = np.where(large | (x == 0), 1.0, x)
    root = np.exp(0.5 * np.where(large, x, 1.0))
    far = root * (root / np.where(large, x, 1.0))
    far = np.where(x > 720, math.inf, far)
    return np.where(x == 0, 1.0, np.where(large, far, np.expm1(near) / near))


@composition
def cosm1(x: Any) -> Any:
    s = np.sin(0.5 * x)
    return -2 * s * s


def _quarters(x: Any) -> tuple[Any, Any, Any]:
    """The sine and the cosine of what is left of degrees after whole quarter turns, and their number from 0 to 3."""
    turns = np.rint(x / 90)
    left = _DEGREE * (x - 90 * turns)
    return np.sin(left), np.cos(left), turns - 4 * np.floor(0.25 * turns)


def _turned(sine: Any, cosine: Any, quarter: Any) -> Any:
    odd = (quarter == 1) | (quarter == 3)
    return np.where(quarter >= 2, -1.0, 1.0) * np.where(odd, cosine, sine)


_LOST = 1e14
"""Degrees of which SciPy tells no angle any more."""


@composition
def sindg(x: Any) -> Any:
    sine, cosine, quarter = _quarters(x)
    return np.where(np.abs(x) > _LOST, 0.0, _turned(sine, cosine, quarter))


@composition
def cosdg(x: Any) -> Any:
    sine, cosine, quarter = _quarters(x)
    return np.where(np.abs(x) > _LOST, 0.0, _turned(cosine, -sine, quarter))


def _tangent(x: Any, cotangent: bool) -> Any:
    sine, cosine, quarter = _quarters(x)
    odd = (quarter == 1) | (quarter == 3)
    flipped = ~odd if cotangent else odd
    pole = flipped & (sine == 0)
    found = np.where(flipped, cosine / np.where(pole, 1.0, sine), sine / cosine)
    found = np.where(odd, -found, found)
    return np.where(np.abs(x) > _LOST, 0.0, np.where(pole, math.inf, found))


@composition
def tandg(x: Any) -> Any:
    return _tangent(x, False)


@composition
def cotdg(x: Any) -> Any:
    return _tangent(x, True)


@composition
def powm1(x: Any, y: Any) -> Any:
    exponent = y * np.log(np.where(x > 0, x, 1.0))
    near = (x > 0) & (np.abs(exponent) < 0.5)
    return np.where(near, np.expm1(np.where(near, exponent, 0.0)), np.power(x, y) - 1)


@composition
def pseudo_huber(delta: Any, r: Any) -> Any:
    nothing = (delta == 0) | (r == 0)
    v = np.abs(r) / np.where(nothing, 1.0, delta)
    root = np.hypot(1.0, v)
    found = delta * delta * np.where(np.isinf(v), v, v * (v / (1 + root)))
    return np.where(delta < 0, math.inf, np.where(nothing, 0.0, found))


@composition
def log_expit(x: Any) -> Any:
    return np.minimum(x, 0.0) - np.log1p(np.exp(-np.abs(x)))


@composition
def agm(a: Any, b: Any) -> Any:
    """Sixteen steps bring any two numbers together: each halves what their logarithms are apart."""
    negative = (a < 0) & (b < 0)
    x, y = np.abs(a), np.abs(b)
    proper = (a * np.sign(b) > 0) & np.isfinite(x) & np.isfinite(y)
    x, y = np.where(proper, x, 1.0), np.where(proper, y, 1.0)
    for _ in range(16):
        x, y = 0.5 * x + 0.5 * y, np.sqrt(x) * np.sqrt(y)
    found = np.where(negative, -x, x)
    zero, infinite = (a == 0) | (b == 0), np.isinf(a) | np.isinf(b)
    other = np.where(
        infinite, np.where(zero | (np.sign(a) != np.sign(b)), math.nan, a + b), np.where(zero, 0.0, math.nan)
    )
    other = np.where(np.isnan(a) | np.isnan(b), math.nan, other)
    return np.where(proper, found, other)


@composition
def wrightomega(x: Any) -> Any:
    """The root of `w + log(w) == x`: far below 0 by its series in `exp(x)`, elsewhere by steps of Halley's method."""
    low = x < -13
    small = np.exp(np.where(low, x, -13.0))
    series = small * (1 - small * (1 - 1.5 * small))
    finite = np.where(low | ~np.isfinite(x), 1.0, x)
    start = np.exp(np.minimum(finite, 1.0))
    w = np.where(finite > 1, finite - np.log(np.maximum(finite, 1.0)), start / (1 + start))
    for _ in range(6):
        residual = finite - w - np.log(w)
        step = residual * w / (1 + w)
        w = w + step / (1 - 0.5 * step / (w * (1 + w)))
    return np.where(low, series, np.where(np.isfinite(x), w, x))

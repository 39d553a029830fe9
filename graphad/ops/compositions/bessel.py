"""Bessel functions of orders 0 and 1: near 0 by their series (DLMF 10.8 and 10.31), elsewhere by the trapezoidal rule,
whose error decays exponentially on integrals of analytic functions over a line; Kolmogorov's distribution."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.ops.compositions.base import composition, polynomial

_TERMS = 15
GAMMA = 0.57721566490153286
HARMONIC = [sum(1 / j for j in range(1, k + 1)) for k in range(40)]
_ZERO = [1 / math.factorial(k) ** 2 for k in range(_TERMS)]
_ONE = [1 / (math.factorial(k) * math.factorial(k + 1)) for k in range(_TERMS)]
_SUMS_ZERO = [h * c for h, c in zip(HARMONIC, _ZERO, strict=False)]
_SUMS_ONE = [(HARMONIC[k] + HARMONIC[k + 1] - 2 * GAMMA) * c for k, c in enumerate(_ONE)]

# -- of the first and second kind ----------------------------------------------------------------------------------

_STEP, _NODES = 0.2, 33


def _far(x: Any, order: int) -> tuple[Any, Any]:
    """Both kinds for numbers from 2 on, by Hankel's integral (DLMF 10.9.25 with the axis turned)."""
    real, imaginary = 0.0 * x, 0.0 * x
    for k in range(_NODES):
        s = _STEP * k
        weight = (1 if k == 0 else 2) * _STEP * math.exp(-s * s) * (2 * s * s if order else 1) / math.sqrt(math.pi)
        q = 0.5 * s * s / x
        angle = (order - 0.5) * np.arctan(q)
        size = weight * (1 + q * q) ** (0.5 * (order - 0.5))
        real, imaginary = real + size * np.cos(angle), imaginary + size * np.sin(angle)
    c, s = np.cos(x), np.sin(x)
    # The cosine and sine of x - order * pi / 2 - pi / 4.
    along, across = (s - c, -s - c) if order else (c + s, s - c)
    scale = 1 / np.sqrt(math.pi * x)
    return scale * (real * along - imaginary * across), scale * (real * across + imaginary * along)


def _first(x: Any, order: int) -> Any:
    size = np.abs(x)
    near = size < 2
    small, large = np.where(near, x, 1.0), np.where(near | np.isinf(x), 2.0, size)
    q = -0.25 * small * small
    series = 0.5 * small * polynomial(q, _ONE) if order else polynomial(q, _ZERO)
    beyond = _far(large, order)[0]
    beyond = np.where(np.isinf(x), math.nan, np.sign(x) * beyond if order else beyond)
    return np.where(near, series, beyond)


def _second(x: Any, order: int) -> Any:
    near, proper = x < 2, (x > 0) & np.isfinite(x)
    small, large = np.where(near & proper, x, 1.0), np.where(near | ~proper, 2.0, x)
    q, log = -0.25 * small * small, np.log(0.5 * small)
    if order:
        series = log * small * polynomial(q, _ONE) - 0.5 * small * polynomial(q, _SUMS_ONE) - 2 / small
    else:
        series = 2 * ((log + GAMMA) * polynomial(q, _ZERO) - polynomial(q, _SUMS_ZERO))
    found = np.where(near, series / math.pi, _far(large, order)[1])
    edge = np.where(x == 0, -math.inf, math.nan)
    return np.where(proper, found, edge)


@composition
def j0(x: Any) -> Any:
    return _first(x, 0)


@composition
def j1(x: Any) -> Any:
    return _first(x, 1)


@composition
def y0(x: Any) -> Any:
    return _second(x, 0)


@composition
def y1(x: Any) -> Any:
    return _second(x, 1)


# -- modified, of the second kind ----------------------------------------------------------------------------------

_PARTS = 26


def _modified(x: Any, order: int, scaled: bool) -> Any:
    """By DLMF 10.32.9 from 1 on."""
    near, proper = x < 1, (x > 0) & np.isfinite(x)
    small, large = np.where(near & proper, x, 0.5), np.where(near | ~proper, 1.0, x)
    q, log = 0.25 * small * small, np.log(0.5 * small)
    if order:
        series = 1 / small + 0.5 * small * (log * polynomial(q, _ONE) - 0.5 * polynomial(q, _SUMS_ONE))
    else:
        series = polynomial(q, _SUMS_ZERO) - (log + GAMMA) * polynomial(q, _ZERO)
    last = 2 * np.arcsinh(np.sqrt(22 / large))
    total: Any = 0.5
    for k in range(1, _PARTS + 1):
        half = np.sinh(k / (2 * _PARTS) * last)
        term = np.exp(-2 * large * half * half)
        total = total + (term * (1 + 2 * half * half) if order else term)
    beyond = total * last / _PARTS
    if scaled:
        found = np.where(near, series * np.exp(small), beyond)
    else:
        found = np.where(near, series, beyond * np.exp(-large))
    edge = np.where(x == 0, math.inf, np.where(x == math.inf, 0.0, math.nan))
    return np.where(proper, found, edge)


@composition
def k0(x: Any) -> Any:
    return _modified(x, 0, False)


@composition
def k1(x: Any) -> Any:
    return _modified(x, 1, False)


@composition
def k0e(x: Any) -> Any:
    return _modified(x, 0, True)


@composition
def k1e(x: Any) -> Any:
    return _modified(x, 1, True)


# -- Kolmogorov's distribution -------------------------------------------------------------------------------------


@composition
def kolmogorov(x: Any) -> Any:
    """By its series above 0.8, and by that of Jacobi's transformation below."""
    low = x < 0.8
    small, large = np.where(low & (x > 0.02), x, 0.5), np.where(low, 1.0, x)
    above: Any = 0.0
    for k in range(5, 0, -1):
        above = 2 * (-1.0) ** (k - 1) * np.exp(-2 * k * k * large * large) + above
    sum_: Any = 0.0
    for k in (5, 3, 1):
        sum_ = sum_ + np.exp(-k * k * math.pi**2 / (8 * small * small))
    below = np.where(x > 0.02, 1 - math.sqrt(2 * math.pi) / small * sum_, 1.0)
    return np.where(np.isnan(x), x, np.where(low, below, above))

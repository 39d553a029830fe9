"""Inverse functions of `scipy.special`, by Newton's and Halley's methods and by bisection."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.ops.compositions.base import composition

# -- Kolmogorov's distribution -------------------------------------------------------------------------------------


def _upper_step(x: Any, target: Any) -> Any:
    """Newton's step towards where the logarithm of `kolmogorov` is `target`."""
    value, slope = 0.0, 0.0
    for k in range(4, 0, -1):
        term = 2 * (-1.0) ** (k - 1) * np.exp(-2 * k * k * x * x)
        value, slope = value + term, slope - 4 * k * k * x * term
    return x - (np.log(value) - target) * value / slope


def _lower_step(x: Any, target: Any) -> Any:
    """Newton's step towards where the logarithm of its complement is `target`; by the logarithm of the first term."""
    rate = math.pi**2 / (8 * x * x)
    value, slope = 1.0 + np.exp(-8 * rate), 1.0 + 9 * np.exp(-8 * rate)
    log = 0.5 * math.log(2 * math.pi) - np.log(x) - rate + np.log(value)
    return x - (log - target) / ((2 * rate * slope / value - 1) / x)


@composition
def kolmogi(p: Any) -> Any:
    upper, lower = (p > 0) & (p < 0.5), (p >= 0.5) & (p < 1)
    small = np.log(np.where(upper, p, 0.25))
    x = np.sqrt(0.5 * (math.log(2) - small))
    for _ in range(4):
        x = _upper_step(x, small)
    rest = np.log(np.where(lower, 1 - p, 0.25))
    y: Any = 0.5 + 0.0 * rest
    for _ in range(3):
        y = math.pi / np.sqrt(8 * (0.5 * math.log(2 * math.pi) - np.log(y) - rest))
    for _ in range(5):
        y = _lower_step(y, rest)
    edge = np.where(p == 0, math.inf, np.where(p == 1, 0.0, math.nan))
    return np.where(upper, x, np.where(lower, y, edge))


# -- Lambert's function --------------------------------------------------------------------------------------------


def lambert_w(k: Any, z: Any) -> Any:
    """The branch `k` of the root of `w exp(w) == z` of complex numbers, from what is near it (Corless and others, "On
    the Lambert W function", 1996)."""
    x, y = np.real(z), np.imag(z)
    main, below = k == 0, (k == -1) & (y == 0) & (x < 0) & (x >= -math.exp(-1))
    ordinary = np.isfinite(x) & np.isfinite(y) & (z != 0)
    safe = np.where(ordinary, z, 1.0)
    branch = 2 * (math.e * safe + 1)
    root = np.sqrt(branch)
    point = -1 + root - branch / 3
    pade = safe * (3 + 4 * safe) / (3 + safe * (7 + 2.5 * safe))
    log = np.log(safe) + 2j * math.pi * np.where(below, 0, k)
    away = log - np.log(np.where(log == 0, 1.0, log))
    near = main & (np.abs(safe + math.exp(-1)) < 0.3)
    inner = main & (x > -1) & (x < 1.5) & (np.abs(y) < 1) & (-2.5 * np.abs(y) - 0.2 < x)
    real = np.log(np.where(below, -x, 1.0)) + 0j
    w = np.where(near, point, np.where(inner, pade, np.where(below, real, away)))
    for _ in range(12):
        excess = 1 - safe * np.exp(-w) / np.where(w == 0, 1.0, w)
        one = w + 1
        flat = (one == 0) | (w == 0)
        step = w * excess / np.where(flat, 1.0, one - (w + 2) * w * excess / (2 * np.where(flat, 1.0, one)))
        w = np.where(flat | ~np.isfinite(np.abs(step)), w, w - step)
    zero = np.where(main, 0.0, -math.inf) + 0j
    return np.where(ordinary, w, np.where(z == 0, zero, math.nan + 0j))

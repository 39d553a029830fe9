"""Kelvin's functions: modified Bessel functions on a diagonal of the complex plane (DLMF 10.61). Near 0 they are their
series (DLMF 10.25.2, 10.31), far out asymptotic ones (DLMF 10.40), between them the trapezoidal rule on integrals."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.ops.compositions.base import COMPOSITIONS, polynomial
from graphad.ops.compositions.bessel import GAMMA, HARMONIC

_TERMS = 28
_HALVES = [[1 / (math.factorial(k) * math.factorial(k + n)) for k in range(_TERMS)] for n in (0, 1)]
_SUMS = [h * c for h, c in zip(HARMONIC, _HALVES[0], strict=False)]
_BOTH = [
    (h + g - 2 * GAMMA) * c for h, g, c in zip(HARMONIC, HARMONIC[1:], _HALVES[1], strict=False)
]  # fmt: skip
_TURN = complex(math.sqrt(0.5), math.sqrt(0.5))
_NEAR, _FAR = 8.0, 32.0


def _asymptotic(order: int, sign: float) -> list[float]:
    """The coefficients of the powers of `1 / z`."""
    found = [1.0]
    for k in range(1, 22):
        found.append(sign * found[-1] * (4 * order * order - (2 * k - 1) ** 2) / (8 * k))
    return found


def _growing(x: Any, order: int) -> Any:
    """The modified Bessel function of the first kind of `x` times the eighth root of 1, for positive `x`."""
    near, far = np.where(x < _NEAR, x, 1.0), np.where(x > _FAR, x, _FAR)
    q = 0.25j * near * near
    series = polynomial(q, _HALVES[order]) * (0.5 * _TURN * near if order else 1.0)
    z = _TURN * np.where((x >= _NEAR) & (x <= _FAR), x, _NEAR)
    count, total = 40, 0.0 * z
    for k in range(count // 2):
        c = math.cos((k + 0.5) * math.pi / count)
        up, down = np.exp(c * z), np.exp(-c * z)
        total = total + (c * (up - down) if order else up + down)
    w = _TURN * far
    beyond = np.exp(w) / np.sqrt(2 * math.pi * w) * polynomial(1 / w, _asymptotic(order, -1.0))
    return np.where(x < _NEAR, series, np.where(x <= _FAR, total / count, beyond))


def _decaying(x: Any, order: int) -> Any:
    """That of the second kind."""
    near, far = np.where(x < 1, x, 0.5), np.where(x > _FAR, x, _FAR)
    z = _TURN * near
    q, log = 0.25j * near * near, np.log(0.5 * near) + 0.25j * math.pi
    if order:
        series = 1 / z + 0.5 * z * (log * polynomial(q, _HALVES[1]) - 0.5 * polynomial(q, _BOTH))
    else:
        series = polynomial(q, _SUMS) - (log + GAMMA) * polynomial(q, _HALVES[0])
    inner = np.where((x >= 1) & (x <= _FAR), x, 1.0)
    v, parts = _TURN * inner, 44
    last = 2 * np.arcsinh(np.sqrt(22 * math.sqrt(2) / inner))
    total: Any = 0.5
    for k in range(1, parts + 1):
        half = np.sinh(k / (2 * parts) * last)
        term = np.exp(-2 * v * half * half)
        total = total + (term * (1 + 2 * half * half) if order else term)
    between = total * last / parts * np.exp(-v)
    w = _TURN * far
    beyond = np.sqrt(0.5 * math.pi / w) * np.exp(-w) * polynomial(1 / w, _asymptotic(order, 1.0))
    return np.where(x < 1, series, np.where(x <= _FAR, between, beyond))


def _define(name: str, function: Callable[..., Any], order: int, part: Callable[..., Any], at_zero: float) -> None:
    first = function is _growing

    def kelvin(x: Any) -> Any:
        size = np.abs(x) if first else x
        proper = (size > 0) & np.isfinite(size)
        z = function(np.where(proper, size, 1.0), order)
        found = part(((1.0 if first else -1.0) * _TURN) * z if order else z)
        found = np.where(proper, found, np.where(size == 0, at_zero, math.nan))
        return np.where(x < 0, -found, found) if first and order else found

    COMPOSITIONS[name] = kelvin


for _name, _function, _zeros in (
    ("be", _growing, (1.0, 0.0, 0.0, 0.0)), ("ke", _decaying, (math.inf, -math.pi / 4, -math.inf, 0.0))
):  # fmt: skip
    _define(f"{_name}r", _function, 0, np.real, _zeros[0])
    _define(f"{_name}i", _function, 0, np.imag, _zeros[1])
    _define(f"{_name}rp", _function, 1, np.real, _zeros[2])
    _define(f"{_name}ip", _function, 1, np.imag, _zeros[3])


def derivative(name: str, n: int, x: Any) -> Any:
    """The `n`-th derivative of `ber`, `bei`, `ker` or `kei`: of the growing ones near 0 by their series, of all others
    by the derivatives of their equation (DLMF 10.25.1)."""
    first = name[0] == "b"
    size = np.abs(x) if first else x
    proper = (size > 0) & np.isfinite(size)
    near = proper & (size < _NEAR) if first else np.zeros(x.shape, bool)
    y = np.where(proper & ~near, size, _NEAR)
    z = _TURN * y
    values = [_growing(y, 0), _growing(y, 1)] if first else [_decaying(y, 0), -_decaying(y, 1)]
    for m in range(n - 1):
        before = m * values[m - 1] if m else 0.0
        values.append(values[m] + (before - (m + 1) * values[m + 1]) / z)
    found = values[n]
    if first:
        small = np.where(near, size, 1.0)
        start = (n + 1) // 2
        terms = [
            math.factorial(2 * k) / math.factorial(2 * k - n) / (4.0**k * math.factorial(k) ** 2)
            for k in range(start, start + _TERMS)
        ]
        w = _TURN * np.where(proper, small, 0.0)
        series = polynomial(w * w, terms) * (w if n % 2 else 1.0)
        found = np.where(near | (size == 0), series, found)
    found = found * _TURN**n
    part = np.imag(found) if name[2] == "i" else np.real(found)
    part = np.where(proper | (size == 0) if first else proper, part, math.nan)
    return np.where(x < 0, -part, part) if first and n % 2 else part

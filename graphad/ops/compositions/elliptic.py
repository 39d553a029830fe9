"""Carlson's elliptic integrals by duplication, and Legendre's by them (DLMF 19.25 and 19.36; Carlson, "Numerical
computation of real or complex elliptic integrals", 1995)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.ops.compositions.base import composition

_STEPS = 24
"""Duplications after which operands of any size are equal to 1e-4: one halves the difference of their logarithms, and
when these are close quarters it."""


def _first(x: Any, y: Any, z: Any) -> Any:
    """Carlson's `RF` of finite numbers, of which at most one is 0."""
    for _ in range(_STEPS):
        a, b, c = np.sqrt(x), np.sqrt(y), np.sqrt(z)
        shift = a * b + a * c + b * c
        x, y, z = 0.25 * (x + shift), 0.25 * (y + shift), 0.25 * (z + shift)
    mean = (x + y + z) / 3
    u, v = 1 - x / mean, 1 - y / mean
    w = -u - v
    e2, e3 = u * v - w * w, u * v * w
    return (1 - e2 / 10 + e3 / 14 + e2 * e2 / 24 - 3 * e2 * e3 / 44) / np.sqrt(mean)


def _second(x: Any, y: Any, z: Any) -> Any:
    """Carlson's `RD` of finite numbers, of which at most one of the first two is 0."""
    total, power = 0.0 * x, 1.0
    for _ in range(_STEPS):
        a, b, c = np.sqrt(x), np.sqrt(y), np.sqrt(z)
        shift = a * b + a * c + b * c
        total = total + power / (c * (z + shift))
        power = 0.25 * power
        x, y, z = 0.25 * (x + shift), 0.25 * (y + shift), 0.25 * (z + shift)
    mean = (x + y + 3 * z) / 5
    u, v = 1 - x / mean, 1 - y / mean
    w = -(u + v) / 3
    e2, e3 = u * v - 6 * w * w, (3 * u * v - 8 * w * w) * w
    e4, e5 = 3 * (u * v - w * w) * w * w, u * v * w * w * w
    series = 1 - 3 * e2 / 14 + e3 / 6 + 9 * e2 * e2 / 88 - 3 * e4 / 22 - 9 * e2 * e3 / 52 + 3 * e5 / 26
    return 3 * total + power * series / (mean * np.sqrt(mean))


@composition
def ellipkm1(p: Any) -> Any:
    inside = (p > 0) & np.isfinite(p)
    safe = np.where(inside, p, 1.0)
    b = np.sqrt(safe)
    a: Any = 1.0 + 0.0 * b
    for _ in range(16):
        a, b = 0.5 * (a + b), np.sqrt(a * b)
    edge = np.where(p == 0, math.inf, np.where(p == math.inf, 0.0, math.nan))
    return np.where(inside, math.pi / (2 * a), edge)


@composition
def ellipk(m: Any) -> Any:
    return ellipkm1(1 - m)


def _edges(found: Any, proper: Any, infinite: Any, *xs: Any) -> Any:
    """A value where all operands are `proper`, and what SciPy gives at the edges: 0 for an infinite operand."""
    bad, endless = False, False
    for x in xs:
        bad, endless = bad | np.isnan(x) | (x < 0), endless | np.isinf(x)
    edge = np.where(bad, math.nan, np.where(infinite, math.inf, np.where(endless, 0.0, math.nan)))
    return np.where(proper, found, edge)


def _finite(*xs: Any) -> Any:
    inside: Any = True
    for x in xs:
        inside = inside & (x >= 0) & np.isfinite(x)
    return inside


def _at_most_one_zero(x: Any, y: Any, z: Any) -> Any:
    return (x + y > 0) & (x + z > 0) & (y + z > 0)


@composition
def elliprf(x: Any, y: Any, z: Any) -> Any:
    apart = _at_most_one_zero(x, y, z)
    proper = _finite(x, y, z) & apart
    return _edges(_first(*[np.where(proper, v, 1.0) for v in (x, y, z)]), proper, ~apart, x, y, z)


@composition
def elliprd(x: Any, y: Any, z: Any) -> Any:
    apart = (x + y > 0) & (z > 0)
    proper = _finite(x, y, z) & apart
    return _edges(_second(*[np.where(proper, v, 1.0) for v in (x, y, z)]), proper, ~apart, x, y, z)


@composition
def elliprc(x: Any, y: Any) -> Any:
    """Of a negative `y` Cauchy's principal value (DLMF 19.2.20)."""
    turned = y < 0
    a, b = np.where(turned, x - y, x), np.abs(y)
    proper = _finite(x, b) & (y != 0)
    a, b = np.where(proper, a, 1.0), np.where(proper, b, 1.0)
    found = _first(a, b, b) * np.where(turned, np.sqrt(np.where(proper, x, 1.0) / a), 1.0)
    edge = np.where(np.isinf(y) & np.isfinite(x) & ((x >= 0) | (y < 0)), 0.0, math.nan)
    edge = np.where((x == math.inf) & (y > 0), 0.0, edge)
    return np.where(proper, found, edge)


@composition
def elliprg(x: Any, y: Any, z: Any) -> Any:
    """With the operands in order no terms of DLMF 19.21.10 cancel."""
    low, high = np.minimum(np.minimum(x, y), z), np.maximum(np.maximum(x, y), z)
    middle = np.maximum(np.minimum(x, y), np.minimum(np.maximum(x, y), z))
    proper = _finite(x, y, z)
    a, b, c = (np.where(proper & (middle > 0), v, 1.0) for v in (low, middle, high))
    found = 0.5 * (b * _first(a, b, c) - (a - b) * (c - b) / 3 * _second(a, c, b) + np.sqrt(a / b) * np.sqrt(c))
    found = np.where(middle == 0, 0.5 * np.sqrt(np.where(proper, high, 1.0)), found)
    edge = np.where(np.isnan(x + y + z) | (low < 0), math.nan, math.inf)
    return np.where(proper, found, edge)


@composition
def ellipe(m: Any) -> Any:
    return 2 * elliprg(np.where(np.isnan(m), m, 0.0), 1 - m, np.where(np.isnan(m), m, 1.0))


@composition
def elliprj(x: Any, y: Any, z: Any, p: Any) -> Any:
    """Of a negative `p` Cauchy's principal value (DLMF 19.20.14)."""
    apart = _at_most_one_zero(x, y, z)
    proper = _finite(x, y, z) & apart & np.isfinite(p) & (p != 0)
    low, high = np.minimum(np.minimum(x, y), z), np.maximum(np.maximum(x, y), z)
    middle = np.maximum(np.minimum(x, y), np.minimum(np.maximum(x, y), z))
    a, b, c = (np.where(proper, v, 1.0) for v in (low, middle, high))
    turned, q = p < 0, np.where(proper, np.abs(p), 1.0)
    other = np.where(turned, (c * (a + b + q) - a * b) / (c + q), q)
    found = _third(a, b, c, other)
    inner = a * b + other * q
    rest = 3 * (np.sqrt(a * b * c / inner) * _first(inner, other * q, other * q) - _first(a, b, c))
    found = np.where(turned, ((other - c) * found + rest) / (q + c), found)
    endless = np.isinf(x) | np.isinf(y) | np.isinf(z) | np.isinf(p)
    edge = np.where(~apart, math.inf, np.where(endless & (p != 0), 0.0, math.nan))
    bad = np.isnan(x) | np.isnan(y) | np.isnan(z) | np.isnan(p) | (low < 0)
    return np.where(proper, found, np.where(bad, math.nan, edge))


def _angle(phi: Any) -> tuple[Any, Any, Any]:
    """The half turns in an angle, and the sine and cosine of what is left of it."""
    turns = np.rint(phi / math.pi)
    sign = 1 - 2 * (turns - 2 * np.floor(0.5 * turns))
    return turns, sign * np.sin(phi), np.cos(phi)


def _ends(found: Any, phi: Any, m: Any, limit: float) -> Any:
    """An incomplete integral with its limits for infinite operands, `limit` for an infinite parameter."""
    found = np.where((m == -math.inf) & np.isfinite(phi), np.sign(phi) * limit, found)
    return np.where(np.isinf(phi) & np.isfinite(m), phi, found)


@composition
def ellipkinc(phi: Any, m: Any) -> Any:
    turns, s, c = _angle(phi)
    whole = np.where(turns == 0, 0.0, 2 * turns * ellipk(np.where(turns == 0, 0.0, m)))
    found = s * elliprf(c * c, 1 - m * s * s, 1.0 + 0.0 * s * m) + whole
    return np.where(m > 1, math.nan, _ends(found, phi, m, 0.0))


@composition
def ellipeinc(phi: Any, m: Any) -> Any:
    turns, s, c = _angle(phi)
    whole = np.where(turns == 0, 0.0, 2 * turns * ellipe(np.where(turns == 0, 0.0, m)))
    x, y, one = c * c + 0.0 * m, 1 - m * s * s, 1.0 + 0.0 * s * m
    edge = y == 0
    part = s * (elliprf(x, y, one) - m * s * s / 3 * elliprd(x, y, one))
    found = np.where(edge & (x == 0), s, part) + whole
    return np.where(m > 1, math.nan, _ends(found, phi, m, math.inf))


def _unit(e: Any) -> Any:
    """Carlson's `RC(1, 1 + e)` of `e > -1`."""
    near = np.abs(e) < 1e-3
    root = np.sqrt(np.abs(np.where(near, 1.0, e)))
    below = np.where(e < -1e-3, root, 0.5)
    far = np.where(e > 0, np.arctan(root) / root, np.arctanh(below) / below)
    series: Any = 0.0
    for k in reversed(range(7)):
        series = series * -e + 1 / (2 * k + 1)
    return np.where(near, series, far)


def _third(x: Any, y: Any, z: Any, p: Any) -> Any:
    """Carlson's `RJ` of finite numbers of which at most one of the first three is 0, and `p > 0`."""
    delta = (p - x) * (p - y) * (p - z)
    total, power = 0.0 * x, 1.0
    for _ in range(_STEPS):
        a, b, c, d = np.sqrt(x), np.sqrt(y), np.sqrt(z), np.sqrt(p)
        product = (d + a) * (d + b) * (d + c)
        total = total + power / product * _unit(power * power * power * delta / (product * product))
        power = 0.25 * power
        shift = a * b + a * c + b * c
        x, y, z, p = 0.25 * (x + shift), 0.25 * (y + shift), 0.25 * (z + shift), 0.25 * (p + shift)
    mean = (x + y + z + 2 * p) / 5
    u, v, w = 1 - x / mean, 1 - y / mean, 1 - z / mean
    q = -0.5 * (u + v + w)
    e2 = u * v + u * w + v * w - 3 * q * q
    e3 = u * v * w + 2 * e2 * q + 4 * q * q * q
    e4, e5 = (2 * u * v * w + e2 * q + 3 * q * q * q) * q, u * v * w * q * q
    series = 1 - 3 * e2 / 14 + e3 / 6 + 9 * e2 * e2 / 88 - 3 * e4 / 22 - 9 * e2 * e3 / 52 + 3 * e5 / 26
    return 6 * total + power * series / (mean * np.sqrt(mean))


__all__ = ["ellipe", "ellipk", "elliprf"]

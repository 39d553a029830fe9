"""Derivatives of the regularised incomplete gamma and beta functions and of Student's in their parameters.

With the density `p` of the distribution and `l` its score in a parameter, `F(x) = int p` over `[0, x]` has the
derivative `int p l`, and the integral over all is 0. The side of `x` is taken on which the score keeps its sign, so
that no digits are lost: the power series where it converges fast, else the integral from `x` on in the variable of an
exponential decay, by the trapezoidal rule after a double exponential substitution (Takahasi and Mori, "Double
exponential formulas for numerical integration", 1974). The density at `x` keeps its digits by the deviation from the
mode (Didonato and Morris, "Algorithm 708", 1992). Second derivatives are those of the same forms.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from graphad.op import Traced
from graphad.ops.special.zeta import zeta
from graphad.types import Array

_STEP, _FIRST, _LAST = 0.05, -3.6, 6.0
"""The nodes of the rule: step, first and last."""
_TERMS = 320
"""Terms of a series."""
_LARGE = 60.0
"""From this parameter on a series has more terms than the integral has nodes."""
_CHUNK = 2048


@cache
def _rule() -> tuple[Array, Array]:
    """Nodes and weights for an integral over `[0, inf)` of what decays on the scale 1."""
    v = np.arange(_FIRST, _LAST + _STEP / 2, _STEP)
    s = np.exp(v - np.exp(-v))
    return s, _STEP * s * (1 + np.exp(-v))


def _log1pmx(e: Array, ratio: Array) -> Array:
    """`log(ratio) - e` for `ratio == 1 + e`, without the loss of digits at small `e` or small `ratio`."""
    r = e / (2 + e)
    square = r * r
    total = np.zeros_like(r)
    for k in reversed(range(14)):
        total = total * square + 1 / (2 * k + 3)
    near = r * (2 * square * total - e)
    with np.errstate(all="ignore"):
        return np.where(np.abs(e) < 0.4, near, np.log(ratio) - e)


def _stirling(z: Array) -> Array:
    """`gammaln(z)` less its leading terms `(z - 1/2) log z - z + log(2 pi) / 2` (DLMF 5.11.1)."""
    from scipy.special import gammaln

    w = 1 / np.maximum(z, 10.0)
    coefficients = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
    large = w * sum(c * w ** (2 * k) for k, c in enumerate(coefficients))
    small = gammaln(z) - ((z - 0.5) * np.log(z) - z + 0.5 * np.log(2 * np.pi))
    return np.where(z < 10, small, large)


# -- gamma --------------------------------------------------------------------------------------------------------


def _gamma_scale(a: Array, x: Array) -> Array:
    """`x**a exp(-x) / gamma(a)`."""
    return np.sqrt(a / (2 * np.pi)) * np.exp(a * _log1pmx((x - a) / a, x / a) - _stirling(a))


def _gamma_series(n: int, a: Array, x: Array) -> Array:
    from scipy.special import psi

    term = _gamma_scale(a, x) / a
    k = np.arange(_TERMS)[:, None]
    terms = term * np.cumprod(np.concatenate([np.ones((1, a.size)), x / (a + k[1:])]), axis=0)
    score = np.log(x) - psi(a + k + 1)
    return np.sum(terms * (score if n == 1 else score**2 - zeta(2.0, a + k + 1)), axis=0)


def _gamma_integral(n: int, a: Array, x: Array, lower: bool) -> Array:
    from scipy.special import psi

    nodes, weights = (v[:, None] for v in _rule())
    side = a - x if lower else x - a
    s = nodes / (np.maximum(side, 0) + np.sqrt(x))
    bend = np.expm1(-s) + s if lower else np.expm1(s) - s
    with np.errstate(over="ignore", invalid="ignore"):
        density = np.exp(-side * s - x * bend) * weights / (np.maximum(side, 0) + np.sqrt(x))
    density = np.where(np.isfinite(density), density, 0.0)
    score = np.log(x) - psi(a) + (-s if lower else s)
    total = np.sum(density * (score if n == 1 else score**2 - zeta(2.0, a)), axis=0)
    return _gamma_scale(a, x) * (total if lower else -total)


def gammainc_partial(n: int, a: Array, x: Array) -> Array:
    """The `n`-th derivative (1 or 2) of `scipy.special.gammainc` in `a`, of float64 vectors."""
    from scipy.special import psi

    proper = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    out = np.where((a > 0) & np.isfinite(a) & ((x == 0) | (x == np.inf)), 0.0, np.nan)
    with np.errstate(all="ignore"):
        series = proper & (np.log(x) < psi(a + 1)) & (a < _LARGE)
        below = proper & ~series & (np.log(x) < psi(a))
    out = _filled(out, series, lambda a, x: _gamma_series(n, a, x), a, x)
    out = _filled(out, below, lambda a, x: _gamma_integral(n, a, x, True), a, x)
    return _filled(out, proper & ~series & ~below, lambda a, x: _gamma_integral(n, a, x, False), a, x)


# -- beta ---------------------------------------------------------------------------------------------------------


def _beta_scale(a: Array, b: Array, x: Array, y: Array) -> Array:
    """`x**a y**b / beta(a, b)` for `y == 1 - x`."""
    c = a + b
    # x - a/c and its negative, from whichever of x and y is known better.
    away = np.where(x < y, (x * b - a * y) / c, (b - y * c) / c)
    exponent = a * _log1pmx(away * c / a, x * c / a) + b * _log1pmx(-away * c / b, y * c / b)
    return np.sqrt(a * b / (2 * np.pi * c)) * np.exp(exponent - _stirling(a) - _stirling(b) + _stirling(c))


def combined(i: int, j: int, first: Array, second: Array, change: Any) -> Array:
    """The density's derivative of order `i` in `a` and `j` in `b`, divided by it: from the scores and their change."""
    if i + j == 1:
        return first if i else second
    scores = first * second if i == j else (first if i else second) ** 2
    return scores + change


def _psi_step(a: Array, b: Array) -> Array:
    """`psi(a + b) - psi(a)`, for large ones by the differences of the terms of DLMF 5.11.2."""
    from scipy.special import psi

    c = a + b
    first, last = np.maximum(a, 15.0), np.maximum(c, 15.0)
    u, v = first**-2, last**-2
    coefficients = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760)
    quotient = sum(k * sum(u**m * v ** (n - m) for m in range(n + 1)) for n, k in enumerate(coefficients))
    large = np.log1p(b / first) + b / (first * last) * (0.5 + (first + last) / (first * last) * quotient)
    return np.where((a > 15) & (c > 15), large, psi(c) - psi(a))


def _logs(x: Array, y: Array) -> tuple[Any, Any]:
    """The logarithms of `x` and `y == 1 - x` by the smaller of them."""
    least = np.minimum(x, y)
    small, other = np.log(least), np.log1p(-least)
    return np.where(x < y, small, other), np.where(x < y, other, small)


def _beta_series(i: int, j: int, a: Array, b: Array, x: Array, y: Array) -> Array:
    from scipy.special import psi

    k = np.arange(_TERMS)[:, None]
    ratio = x * (a + b + k[:-1]) / (a + 1 + k[:-1])
    terms = _beta_scale(a, b, x, y) / a * np.cumprod(np.concatenate([np.ones((1, a.size)), ratio]), axis=0)
    change: Any = 0.0
    if i + j == 2:
        change = zeta(2.0, a + b + k) - (zeta(2.0, a + k + 1) if i == 2 else zeta(2.0, b) if j == 2 else 0.0)
    log_x, log_y = _logs(x, y)
    first, second = log_x + psi(a + b + k) - psi(a + k + 1), log_y + _psi_step(b, a + k)
    return np.sum(terms * combined(i, j, first, second, change), axis=0)


def _beta_integral(i: int, j: int, a: Array, b: Array, x: Array, y: Array, lower: bool) -> Array:
    nodes, weights = (v[:, None] for v in _rule())
    c = a + b
    decay, near = (a, x) if lower else (b, y)
    log_x, log_y = _logs(x, y)
    # The length on which the density decays by a factor e: Newton's method for a convex function, from the right.
    length = (1 - c * (log_y if lower else log_x)) / decay
    for _ in range(12):
        shrunk = np.expm1(-length)
        rest = 1 + near * shrunk
        excess = decay * length + c * np.log1p(near * shrunk) - 1
        length = length - excess / (decay - c * near * (1 + shrunk) / rest)
    s = nodes * length
    shift = np.log1p(near * np.expm1(-s))
    density = np.exp(-decay * s - c * shift) * weights * length
    # The logarithms of t and 1 - t; the one that goes to minus infinity also has the decay.
    log_t, log_rest = log_x - shift, log_y - shift
    log_t, log_rest = (log_t - s, log_rest) if lower else (log_t, log_rest - s)
    both = zeta(2.0, c) if i + j == 2 else 0.0
    change = both - (zeta(2.0, a) if i == 2 else zeta(2.0, b) if j == 2 else 0.0)
    scores = combined(i, j, log_t + _psi_step(a, b), log_rest + _psi_step(b, a), change)
    total = np.sum(density * scores, axis=0)
    return _beta_scale(a, b, x, y) * (total if lower else -total)


def betainc_partial(i: int, j: int, a: Array, b: Array, x: Array) -> Array:
    """The derivative of SciPy's `betainc` of order `i` in `a` and `j` in `b`, `i + j` 1 or 2, of float64 vectors."""
    inside = (a > 0) & (b > 0) & np.isfinite(a) & np.isfinite(b)
    out = np.where(inside & ((x == 0) | (x == 1)), 0.0, np.nan)
    proper = inside & (x > 0) & (x < 1)
    return _filled(out, proper, lambda a, b, x: _betainc_partial(i, j, a, b, x, 1 - x), a, b, x)


def _betainc_partial(i: int, j: int, a: Array, b: Array, x: Array, y: Array) -> Array:
    from scipy.special import psi

    out = np.zeros(a.shape)
    few = (x <= 0.75) & (a < _LARGE)
    with np.errstate(all="ignore"):
        log_x, log_y = _logs(x, y)
        level = log_x + psi(a + b) - psi(a + 1)
        if j > i:
            # betainc(a, b, x) == 1 - betainc(b, a, 1 - x)
            series = (log_y + _psi_step(b, a) > 0) & (level < 0) & few
            out = _filled(out, ~series, lambda a, b, x, y: -_betainc_partial(j, i, b, a, y, x), a, b, x, y)
        else:
            series = (level < 0) & few
            below = log_x + _psi_step(a, b) < 0
            out = _filled(out, ~series & below, lambda a, b, x, y: _beta_integral(i, j, a, b, x, y, True), a, b, x, y)
            out = _filled(out, ~series & ~below, lambda a, b, x, y: _beta_integral(i, j, a, b, x, y, False), a, b, x, y)
    return _filled(out, series, lambda a, b, x, y: _beta_series(i, j, a, b, x, y), a, b, x, y)


def _filled(out: Array, mask: Array, function: Callable[..., Array], *xs: Array) -> Array:
    """`out[mask] = function(...)`, a part at a time; traced values are all computed, and chosen."""
    if isinstance(mask, Traced):
        return np.where(mask, function(*xs), out)
    places = np.flatnonzero(mask)
    for start in range(0, places.size, _CHUNK):
        part = places[start : start + _CHUNK]
        out[part] = function(*[x[part] for x in xs])
    return out


# -- Student's distribution ---------------------------------------------------------------------------------------


def _half_step(v: Array) -> tuple[Array, Array]:
    """`psi((v + 1) / 2) - psi(v / 2) - 1 / v` and its derivative, for large `v` by 2 (4**k - 1) B_2k / (2k v**2k)."""
    from scipy.special import psi

    w = np.maximum(v, 20.0)
    coefficients = (1 / 2, -1 / 4, 1 / 2, -17 / 8, 31 / 2, -691 / 4, 5461 / 2, -929569 / 16)
    value = sum(c * w ** (-2 * k - 2) for k, c in enumerate(coefficients))
    slope = sum(-(2 * k + 2) * c * w ** (-2 * k - 3) for k, c in enumerate(coefficients))
    near = psi((v + 1) / 2) - psi(v / 2) - 1 / v
    near_slope = (zeta(2.0, (v + 1) / 2) - zeta(2.0, v / 2)) / 2 + 1 / v**2
    return np.where(v < 20, near, value), np.where(v < 20, near_slope, slope)


def _student_terms(n: int, v: Array, angle: Array) -> tuple[Any, Any]:
    """`log(cosh(angle))`, and the `n`-th derivative of the density in `v` over it at `sqrt(v) sinh(angle)`."""
    small = np.minimum(angle, 1.0)
    large = angle + np.log1p(np.exp(-2 * angle)) - np.log(2)
    log_cosh = np.where(angle < 1, 0.5 * np.log1p(np.sinh(small) ** 2), large)
    w = np.tanh(angle) ** 2
    change, slope = _half_step(v)
    bend = np.where(angle < 0.7, _log1pmx(-w, 1 - w), w - 2 * log_cosh)
    score = (change + bend + w / v) / 2
    return log_cosh, score if n == 1 else score**2 + (slope + w * w / v - w * (2 - w) / v**2) / 2


def student_partial(n: int, v: Array, t: Array) -> Array:
    """The `n`-th derivative (1 or 2) of `scipy.special.stdtr` in its degrees of freedom `v`, of float64 vectors.

    The integral of the density's derivative from 0 to `t`, or from `t` on, whichever is the one in which the score
    keeps its sign, in `asinh(t / sqrt(v))`.
    """
    proper = (v > 0) & np.isfinite(v)
    out = np.where((proper & np.isinf(t)) | ((v == np.inf) & ~np.isnan(t)), 0.0, np.nan)
    return _filled(out, proper & np.isfinite(t), lambda v, t: _student_partial(n, v, t), v, t)


def _student_partial(n: int, v: Array, t: Array) -> Array:
    # Of the logarithm, since t / sqrt(v) may overflow.
    with np.errstate(over="ignore"):
        ratio = np.abs(t) / np.sqrt(v)
    end = np.where(ratio < 1e8, np.arcsinh(np.minimum(ratio, 1e8)), np.log(np.abs(t) + (t == 0)) - np.log(v / 4) / 2)
    log_end, score = _student_terms(1, v, end)
    inner = score >= 0
    nodes, weights = np.polynomial.legendre.leggauss(48)
    inside = np.where(inner, end, 0.0)
    angle = inside * (nodes[:, None] + 1) / 2
    log_cosh, scores = _student_terms(n, v, angle)
    within = np.sum(inside / 2 * weights[:, None] * np.exp(-v * log_cosh) * scores, axis=0)
    nodes, weights = _rule()
    start = np.where(inner, 1.0, end)
    log_start = np.where(inner, 0.0, log_end)
    rate = v * np.tanh(start) + np.sqrt(v) / np.cosh(np.minimum(start, 300.0))
    log_cosh, scores = _student_terms(n, v, start + nodes[:, None] / rate)
    with np.errstate(under="ignore"):
        beyond = np.sum(weights[:, None] / rate * np.exp(-v * (log_cosh - log_start)) * scores, axis=0)
    # gamma((v + 1) / 2) / gamma(v / 2) / sqrt(pi)
    half = v / 2
    scale = np.exp(half * np.log1p(1 / v) - 0.5 + _stirling(half + 0.5) - _stirling(half)) * np.sqrt(half / np.pi)
    return np.sign(t) * scale * np.where(inner, within, -beyond * np.exp(-v * log_start))


__all__ = [
    "betainc_partial", "combined", "gammainc_partial", "student_partial",
]  # fmt: skip

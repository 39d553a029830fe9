"""Inverses of distribution functions in any of their operands, by bisection down to neighbouring floating numbers, and
those distributions that the incomplete beta function makes up."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.ops.compositions.base import composition, search
from graphad.ops.regions import Scan
from graphad.ops.shape import broadcast_to
from graphad.ops.special.beta import betainc, betaln
from graphad.ops.special.beta import betaincc as beta_tail
from graphad.ops.special.beta import betainccinv as beta_upper
from graphad.ops.special.beta import betaincinv as beta_lower
from graphad.ops.special.error import ndtr, ndtri
from graphad.ops.special.gamma import gammainc, gammaincc
from graphad.ops.special.gamma import gammaincinv as gamma_lower
from graphad.trace import trace_flat
from graphad.types import TensorType

_LEAST, _MOST = np.finfo("f8").tiny, np.finfo("f8").max
_STEPS = 66
"""Eleven bring the logarithms of two bounds so near that others halve a number's digits, of which there are 53."""


def _bisected(ahead: Callable[..., Any], low: Any, high: Any, *xs: Any) -> Any:
    """The number between two up to which `ahead(v, *xs)` is positive; one of the two where there is none.

    Where it is NaN, far out, the root is taken to lie nearer to 1, and NaN is the result where that leaves none.
    """
    xs = tuple(np.broadcast_arrays(*xs))
    shape = xs[0].shape
    bounds = [broadcast_to(np.float64(v) if isinstance(v, float) else v, shape) for v in (low, high)]

    def step(operands: Any) -> list[Any]:
        *ys, low, high, lost_below, lost_above = operands
        middle = np.where(high > 2 * low, np.sqrt(low) * np.sqrt(high), low + 0.5 * (high - low))
        distance = ahead(middle, *ys)
        lost = np.isnan(distance)
        further = np.where(lost, middle < 1, distance > 0)
        return [
            np.where(further, middle, low), np.where(further, high, middle),
            np.where(further, lost, lost_below), np.where(further, lost_above, lost),
        ]  # fmt: skip

    known = broadcast_to(np.False_, shape)
    types = [*[TensorType(np.dtype("f8"), shape)] * (len(xs) + 2), *[TensorType(np.dtype(bool), shape)] * 2]
    body = trace_flat(step, types, name="bisect").graph
    below, above, lost_below, lost_above = Scan(body, len(xs), _STEPS, 4)(*xs, *bounds, known, known)
    return np.where(lost_below | lost_above, math.nan, np.where(below == bounds[0], below, above))


def _within(p: Any, *positive: Any) -> Any:
    """Whether `p` is a probability between 0 and 1, and the others are positive and finite."""
    proper = (p > 0) & (p < 1)
    for x in positive:
        proper = proper & (x > 0) & np.isfinite(x)
    return proper


def _safe(proper: Any, *xs: Any) -> list[Any]:
    """The operands where all is proper, and 1/2 elsewhere."""
    return [np.where(proper, x, 0.5) for x in xs]


def _edges(found: Any, proper: Any, p: Any, at_zero: float, at_one: float, *positive: Any) -> Any:
    """What is `found` for proper operands, with its limits for probabilities 0 and 1; NaN for all others."""
    allowed = _within(np.where(proper, p, 0.5), *positive)
    edge = np.where(p == 0, at_zero, np.where(p == 1, at_one, math.nan))
    return np.where(allowed, np.where(proper, found, edge), math.nan)


def _lack(lower: Any, upper: Any, p: Any) -> Any:
    """What a distribution function lacks of `p`, by its complement `upper` where this is the smaller one."""
    return np.where(p <= 0.5, p - lower, upper - (1 - p))


# -- of the incomplete gamma function ------------------------------------------------------------------------------


def _gamma_quantile(a: Any, p: Any, upper: bool) -> Any:
    proper = _within(p, a)

    def ahead(x: Any, a: Any, p: Any) -> Any:
        lower, rest = gammainc(a, x), gammaincc(a, x)
        return -_lack(rest, lower, p) if upper else _lack(lower, rest, p)

    found = _bisected(ahead, _LEAST, _MOST, *_safe(proper, a, p))
    found = np.where(found == _LEAST, 0.0, found)
    return _edges(found, proper, p, *((math.inf, 0.0) if upper else (0.0, math.inf)), a)


@search
def gammaincinv(a: Any, y: Any) -> Any:
    return _gamma_quantile(a, y, False)


@search
def gammainccinv(a: Any, y: Any) -> Any:
    return _gamma_quantile(a, y, True)


@composition
def gdtria(p: Any, b: Any, x: Any) -> Any:
    proper = (x != 0) & ((p > 0) | np.isfinite(x))
    return np.where(proper, gamma_lower(b, p) / np.where(proper, x, 1.0), math.nan)


def _shape(p: Any, x: Any) -> Any:
    """The parameter of which the incomplete gamma function of `x` is `p`."""
    proper = _within(p, x)
    ahead = lambda a, p, x: -_lack(gammainc(a, x), gammaincc(a, x), p)
    return _edges(_bisected(ahead, _LEAST, _MOST, *_safe(proper, p, x)), proper, p, math.inf, 0.0, x)


@search
def gdtrib(a: Any, p: Any, x: Any) -> Any:
    return np.where((x == 0) & _within(0.5, a) & (p > 0) & (p <= 1), 0.0, np.where(a > 0, _shape(p, a * x), math.nan))


@search
def chdtriv(p: Any, x: Any) -> Any:
    return 2 * _shape(p, 0.5 * x)


@search
def pdtrik(p: Any, m: Any) -> Any:
    proper = _within(p, m)
    ahead = lambda k, p, m: _lack(gammaincc(k + 1, m), gammainc(k + 1, m), p)
    found = _bisected(ahead, _LEAST, _MOST, *_safe(proper, p, m))
    zero = (m >= 0) & np.isfinite(m) & (p >= 0) & (p < 1)
    return np.where(proper, np.where(found <= _LEAST, 0.0, found), np.where(zero, 0.0, math.nan))


# -- of the incomplete beta function -------------------------------------------------------------------------------


@composition
def betaincc(a: Any, b: Any, x: Any) -> Any:
    """By the complement of the operand, unless rounding that changes the result by more than rounding one minus it."""
    inside = (x > 0) & (x < 1)
    z = np.where(inside, x, 0.5)
    steep = (a - 1) * np.log(z) + (b - 1) * np.log1p(-z) > betaln(a, b)
    return np.where((x < 1e-12) | ((x < 0.5) & steep), 1 - betainc(a, b, x), betainc(b, a, 1 - x))


def _beta_quantile(a: Any, b: Any, p: Any, upper: bool) -> Any:
    proper = _within(p, a, b)

    def ahead(x: Any, a: Any, b: Any, p: Any) -> Any:
        lower, rest = betainc(a, b, x), beta_tail(a, b, x)
        return -_lack(rest, lower, p) if upper else _lack(lower, rest, p)

    found = _bisected(ahead, _LEAST, 1.0, *_safe(proper, a, b, p))
    return _edges(found, proper, p, *((1.0, 0.0) if upper else (0.0, 1.0)), a, b)


@search
def betaincinv(a: Any, b: Any, y: Any) -> Any:
    return _beta_quantile(a, b, y, False)


@search
def betainccinv(a: Any, b: Any, y: Any) -> Any:
    return _beta_quantile(a, b, y, True)


@search
def btdtria(p: Any, b: Any, x: Any) -> Any:
    inside = np.where(x < 1, x, math.nan)
    proper = _within(p, b, inside)
    ahead = lambda a, p, b, x: -_lack(betainc(a, b, x), beta_tail(a, b, x), p)
    found = _bisected(ahead, _LEAST, _MOST, *_safe(proper, p, b, x))
    return _edges(found, proper, p, math.inf, _LEAST, b, inside)


@search
def btdtrib(a: Any, p: Any, x: Any) -> Any:
    inside = np.where(x < 1, x, math.nan)
    proper = _within(p, a, inside)
    ahead = lambda b, a, p, x: _lack(betainc(a, b, x), beta_tail(a, b, x), p)
    found = _bisected(ahead, _LEAST, _MOST, *_safe(proper, a, p, x))
    return _edges(found, proper, p, _LEAST, math.inf, a, inside)


@search
def bdtrik(y: Any, n: Any, p: Any) -> Any:
    proper = _within(y, n, np.where(p < 1, p, math.nan))
    safe = _safe(proper, y, n, p)
    ahead = lambda k, y, n, p: _lack(beta_tail(k + 1, n - k, p), betainc(k + 1, n - k, p), y)
    found = _bisected(ahead, _LEAST, safe[1], *safe)
    found = np.where(found <= _LEAST, 0.0, found)
    return _edges(np.where(y == 1, n, found), proper | (y == 1), y, 0.0, 0.0, n, np.where(p < 1, p, math.nan))


@search
def bdtrin(k: Any, y: Any, p: Any) -> Any:
    proper = _within(y, np.where(p < 1, p, math.nan)) & (k >= 0) & np.isfinite(k)
    ahead = lambda n, k, y, p: -_lack(beta_tail(k + 1, n, p), betainc(k + 1, n, p), y)
    return np.where(proper, k + _bisected(ahead, 1e-100, 1e100, *_safe(proper, k, y, p)), math.nan)


@search
def nbdtrik(y: Any, n: Any, p: Any) -> Any:
    proper = _within(y, n, np.where(p < 1, p, math.nan))
    ahead = lambda k, y, n, p: _lack(betainc(n, k + 1, p), beta_tail(n, k + 1, p), y)
    found = _bisected(ahead, 1e-100, 1e100, *_safe(proper, y, n, p))
    return np.where(proper, np.where(found <= 1e-100, 0.0, found), math.nan)


@search
def nbdtrin(k: Any, y: Any, p: Any) -> Any:
    proper = _within(y, np.where(p < 1, p, math.nan)) & (k >= 0) & np.isfinite(k)
    ahead = lambda n, k, y, p: -_lack(betainc(n, k + 1, p), beta_tail(n, k + 1, p), y)
    return np.where(proper, _bisected(ahead, 1e-100, 1e100, *_safe(proper, k, y, p)), math.nan)


# -- Student's distribution and Tukey's lambda ---------------------------------------------------------------------


@composition
def stdtr(df: Any, t: Any) -> Any:
    """Of the tail by the beta function of the smaller of two numbers whose sum is 1."""
    proper = (df > 0) & np.isfinite(df)
    v = np.where(proper, df, 1.0)
    square = (t / np.sqrt(v)) ** 2
    far = square > 1
    small = np.where(far, 1.0, square)
    outer = betainc(0.5 * v, 0.5, 1 / (1 + np.where(far, square, 1.0)))
    tail = 0.5 * np.where(far, outer, beta_tail(0.5, 0.5 * v, small / (1 + small)))
    found = np.where(t < 0, tail, 1 - tail)
    found = np.where(np.isnan(t), t, found)
    return np.where(proper, found, np.where(df == math.inf, ndtr(t), math.nan))


@composition
def stdtrit(df: Any, p: Any) -> Any:
    proper = _within(p, df)
    v, q = _safe(proper, df, p)
    twice = 2 * np.minimum(q, 1 - q)
    near, far = beta_upper(0.5, 0.5 * v, twice), beta_lower(0.5 * v, 0.5, twice)
    inner = near < 0.5
    ratio = np.where(inner, near / (1 - np.where(inner, near, 0.0)), (1 - far) / np.where(inner, 1.0, far))
    size = np.sqrt(v) * np.sqrt(ratio)
    found = np.where(q < 0.5, -size, size)
    edge = np.where((df > 0) & ((p == 0) | (p == 1)), math.inf, math.nan)
    return np.where(proper, found, np.where((df == math.inf) & (p > 0) & (p < 1), ndtri(p), edge))


@search
def tklmbda(x: Any, lmbda: Any) -> Any:
    """Of the lower half, where the probability keeps its digits."""
    proper = np.isfinite(x) & np.isfinite(lmbda) & (x != 0)
    low, power = -np.abs(np.where(proper, x, 1.0)), np.where(proper, lmbda, 0.0)

    def ahead(p: Any, x: Any, power: Any) -> Any:
        none = power == 0
        safe = np.where(none, 1.0, power)
        up, down = np.log(p), np.log1p(-p)
        return x - np.where(none, up - down, (np.expm1(safe * up) - np.expm1(safe * down)) / safe)

    half = _bisected(ahead, _LEAST, 0.5, low, power)
    half = np.where(half == _LEAST, 0.0, half)
    edge = np.where(x == 0, 0.5, np.where(x == math.inf, 1.0, np.where(x == -math.inf, 0.0, math.nan)))
    found = np.where(proper, np.where(x < 0, half, 1 - half), edge)
    return np.where(np.isfinite(lmbda) & ~np.isnan(x), found, math.nan)

"""The gamma function's relatives, zeta functions, and error functions that others make up."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.ops.compositions.base import composition, polynomial, sine_of_turns
from graphad.ops.special.error import dawsn, erfcx, log_ndtr, ndtri
from graphad.ops.special.gamma import gamma, gammaln

_LN_2PI = math.log(2 * math.pi)
_BERNOULLI = [
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330,
    854513 / 138, -236364091 / 2730,
]  # fmt: skip


@composition
def erfi(x: Any) -> Any:
    """By Dawson's function; what rounding takes from the square is given back."""
    s = x * x
    big = x * 134217729.0
    high = np.where(np.abs(x) < 1e150, big - (big - x), x)
    low = x - high
    lost = np.where(np.abs(x) < 1e150, (high * high - s) + 2 * high * low + low * low, 0.0)
    root = np.exp(0.5 * s)
    found = root * (2 / math.sqrt(math.pi) * dawsn(x) * (1 + lost) * root)
    return np.where(np.abs(x) > 27, np.sign(x) * math.inf, found)


@composition
def erfcinv(x: Any) -> Any:
    return -math.sqrt(0.5) * ndtri(0.5 * x)


@composition
def ndtri_exp(y: Any) -> Any:
    """Far below 0 Newton's method finds where `log_ndtr` is `y`, from its asymptotic form."""
    far = y < -2
    near = np.where(far, -1.0, y)
    found = np.where(y > -0.1, -ndtri(-np.expm1(near)), ndtri(np.exp(near)))
    target = np.where(far & (y > -1e307), y, -3.0)
    rest = -2 * target - _LN_2PI
    x = -np.sqrt(np.maximum(rest - np.log(np.maximum(rest, 1.0)), 1.0))
    for _ in range(6):
        x = x - (log_ndtr(x) - target) * erfcx(-math.sqrt(0.5) * x) * math.sqrt(0.5 * math.pi)
    return np.where(far, np.where(y > -1e307, x, np.where(np.isinf(y), y, -np.sqrt(2.0) * np.sqrt(-y))), found)


@composition
def rgamma(x: Any) -> Any:
    """Below 1/2 by reflection, which has no poles; where the function itself overflows, by its logarithm."""
    low = x < 0.5
    y = np.where(low, 1 - x, x)
    large = y > 170
    whole = gamma(np.where(large, 1.0, y))
    log = gammaln(np.where(large & np.isfinite(y), y, 171.0))
    upper = np.where(large, np.exp(-log), 1 / whole)
    turns = sine_of_turns(x)
    below = np.where(large, np.exp(0.5 * log) * turns * np.exp(0.5 * log), whole * turns) / math.pi
    below = np.where(turns == 0, 0.0, below)
    return np.where(np.isinf(x), 0.0, np.where(low, below, upper))


@composition
def psi(x: Any) -> Any:
    """Of numbers from 10 on by DLMF 5.11.2, of smaller ones by recurrence, of negative ones by reflection."""
    low = x < 0
    y = np.where(low, 1 - x, x)
    shift: Any = 0.0
    for _ in range(10):
        small = y < 10
        shift = shift + np.where(small, 1 / y, 0.0)
        y = np.where(small, y + 1, y)
    u = 1 / (y * y)
    series = u * polynomial(u, [b / (2 * k + 2) for k, b in enumerate(_BERNOULLI[:8])])
    found = np.log(y) - 0.5 / y - series - shift
    left = x - np.rint(x)
    pole = low & (left == 0)
    found = found - np.where(low, math.pi / np.tan(math.pi * np.where(pole | ~low, 0.25, left)), 0.0)
    return np.where(pole, math.nan, found)


_FIRST = 20


def _tail(s: Any, q: Any) -> Any:
    """The sum of `n**-s` over `n` from `q` on by the formula of Euler and Maclaurin, of which it needs `q >= 20`."""
    term = s / q
    total = 0.5 + q / (s - 1)
    for k, b in enumerate(_BERNOULLI):
        total = total + term * (b / math.factorial(2 * k + 2))
        term = term * ((s + (2 * k + 1)) * (s + (2 * k + 2))) / (q * q)
    return q**-s * total


def _from_two(s: Any) -> Any:
    """Riemann's zeta function less 1, of numbers that are not far below 0."""
    sum_: Any = _tail(np.where(s > 200, 200.0, s), np.float64(_FIRST))
    for n in range(_FIRST - 1, 1, -1):
        sum_ = sum_ + np.float64(n) ** -s
    return sum_


def _riemann(s: Any, less: float) -> Any:
    pole, low = s == 1, s < -0.1
    t = np.where(low, 1 - s, np.where(pole, 2.0, s))
    above = _from_two(np.where(np.isnan(t), t, np.minimum(t, 1e4)))
    t = np.minimum(t, 1e3)
    steep = t > 150
    factor = gamma(np.where(steep, 2.0, t)) * (2 * math.pi) ** -np.where(steep, 2.0, t)
    log = 0.5 * (gammaln(np.where(steep, t, 151.0)) - t * _LN_2PI)
    turns = sine_of_turns(0.5 * np.where(low, s, 2.0))
    wave = 2 * turns * (1 + above)
    below = np.where(turns == 0, 0.0, np.where(steep, np.exp(log) * wave * np.exp(log), factor * wave))
    return np.where(pole, math.inf, np.where(low, below - less, above + (1 - less)))


@composition
def riemann_zeta(x: Any) -> Any:
    return _riemann(x, 0.0)


@composition
def zetac(x: Any) -> Any:
    return _riemann(x, 1.0)

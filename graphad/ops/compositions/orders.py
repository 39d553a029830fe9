"""Bessel functions of other orders than 0 and 1: of whole ones by recurrences (DLMF 10.6, 10.29 and 10.74(iv));
modified ones of the second kind of any order by the trapezoidal rule on DLMF 10.32.9 about the integrand's maximum, and
of the first kind by these and a recurrence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.op import OPS
from graphad.ops.compositions.base import composition, polynomial, search, sine_of_turns
from graphad.ops.compositions.bessel import GAMMA
from graphad.ops.regions import Scan
from graphad.ops.special.gamma import gammaln
from graphad.trace import trace_flat
from graphad.types import TensorType

_FURTHER = 60

# -- of a whole order ----------------------------------------------------------------------------------------------


def first(n: int, x: Any) -> Any:
    """The Bessel function of order `n`: up from orders 0 and 1 where that is stable, from far above down elsewhere,
    and near 0 by its series."""
    size = np.abs(x)
    far, near = size > n + 1, size < 2
    y = np.where(far & np.isfinite(size), size, n + 2.0)
    before, now = OPS["j0"](y), OPS["j1"](y)
    for k in range(1, n):
        before, now = now, 2 * k / y * now - before
    z = np.where(far | near, 2.0, size)
    above, here, total, found = 0.0 * z, 0.0 * z + 1e-30, 0.0 * z, 0.0 * z
    for k in range(n + _FURTHER, 0, -1):
        above, here = here, 2 * k / z * here - above
        if k - 1 == n:
            found = here
        if k % 2:
            total = total + (2 * here if k > 1 else here)
    small = 0.5 * np.where(near, size, 1.0)
    terms = [(-1) ** k * math.factorial(n) / (math.factorial(k) * math.factorial(n + k)) for k in range(14)]
    series = small**n / math.factorial(n) * polynomial(small * small, terms)
    whole = np.where(near, series, np.where(far, now, found / total))
    whole = np.where(np.isfinite(size), whole, math.nan)
    return np.where(x < 0, -whole, whole) if n % 2 else whole


def modified(n: int, x: Any) -> Any:
    """The modified one times `exp(-abs(x))`: by the quotients of neighbouring orders, all of them positive, from so far
    above that these are forgotten, and far out by its asymptotic series."""
    size = np.abs(x)
    end = max(30.0, 0.5 * n * n)
    y = np.where(size <= end, size, 1.0)
    start = math.ceil(math.sqrt(n * n + 40 * end))
    quotient = y / (start + 0.5 + np.sqrt((start + 1.5) ** 2 + y * y))
    product: Any = 1.0
    for k in range(start, 0, -1):
        quotient = y / (2 * k + y * quotient)
        if k <= n:
            product = product * quotient
    far = np.where(size > end, size, end)
    terms = [1.0]
    for k in range(1, 26):
        terms.append(-terms[-1] * (4 * n * n - (2 * k - 1) ** 2) / (8 * k))
    beyond = polynomial(1 / far, terms) / np.sqrt(2 * math.pi * far)
    whole = np.where(np.isnan(x), x, np.where(size <= end, OPS["i0e"](y) * product, beyond))
    return np.where(x < 0, -whole, whole) if n % 2 else whole


# -- of a real order -----------------------------------------------------------------------------------------------

_NODES, _DECAY = 240, 40.0
_TINY = 1e-10
_ODD = [-GAMMA, -0.40068563438653143, -0.20738555102867398, -0.14404989665636178, -0.11122677020924366]
"""The coefficients of `v`, `v**3`, ... of the odd part of the logarithm of the gamma function of `1 + v`."""


def _away(u: Any) -> Any:
    """Where the hyperbolic cosine is `1 + u`."""
    return np.log1p(u + np.sqrt(u * (u + 2)))


def _integral(v: Any, x: Any) -> tuple[Any, Any]:
    """The integral of `exp(v t - x cosh(t)) / 2` over the whole line by its largest value, and `hypot(v, x)`."""
    size = np.hypot(v, x)
    gap = x * x / (size + v)
    reach = _DECAY / np.where(v > 0, v, 1.0)
    left = np.where(v > 0, np.minimum(_away(_DECAY / gap), reach + np.sqrt(2 * reach)), _away(_DECAY / gap))
    right = _away(_DECAY / size)
    step = (left + right) / _NODES
    s = np.arange(_NODES + 1) * step[..., None] - left[..., None]
    a = np.abs(s)
    bend = 2 * np.sinh(0.5 * a) ** 2
    v, gap, size_ = v[..., None], gap[..., None], size[..., None]
    after, before = size_ * bend + v * (np.sinh(a) - a), gap * bend + v * (np.expm1(-a) + a)
    return 0.5 * step * np.sum(np.exp(-np.where(s > 0, after, before)), axis=-1), size


def _near_zero(v: Any, x: Any) -> Any:
    """The leading terms for small operands, of orders up to 3/4 those of both solutions."""
    log = -np.log(0.5 * x)
    low = np.where(v < 0.75, v, 0.5)
    above, below = gammaln(1 + low), gammaln(1 - low)
    odd = np.where(low < 0.05, low * polynomial(low * low, _ODD), 0.5 * (above - below))
    none = low == 0
    both = np.exp(0.5 * (above + below)) * np.sinh(low * log + odd) / np.where(none, 1.0, low)
    one = 0.5 * np.exp(gammaln(np.where(v < 0.75, 1.0, v)) + v * log)
    return np.where(v < 0.75, np.where(none, log - GAMMA, both), one)


def _second(v: Any, x: Any, scaled: bool) -> Any:
    v, x = np.broadcast_arrays(np.abs(v), x)
    proper = (x > 0) & np.isfinite(x) & np.isfinite(v)
    tiny = proper & (x < _TINY)
    order, y = np.where(proper, v, 0.5), np.where(proper & ~tiny, x, 1.0)
    integral, size = _integral(order, y)
    exponent = order * np.arcsinh(order / y) - (order * order / (y + size) if scaled else size)
    # The exponential in two parts, as one may overflow where the product does not.
    root = np.exp(0.5 * exponent)
    z = np.where(tiny, x, _TINY)
    least = _near_zero(order, z) * np.exp(z) if scaled else _near_zero(order, z)
    found = np.where(tiny, least, root * (root * integral))
    none = (x == math.inf) & np.isfinite(v) & (not scaled)
    edge = np.where((x == 0) & ~np.isnan(v), math.inf, np.where(none, 0.0, math.nan))
    return np.where(proper, found, edge)


@composition
def kv(v: Any, x: Any) -> Any:
    return _second(v, x, False)


@composition
def kve(v: Any, x: Any) -> Any:
    return _second(v, x, True)


_STEPS, _LARGEST = 400, 1000.0
"""Steps of a recurrence after which its start is forgotten, for orders up to this one; NaN for larger ones."""


def _next(v: Any, x: Any) -> Any:
    """The modified function of the first kind of order `v + 1` over that of order `v`, from far above down."""
    order = v + _STEPS + 1
    start = x / (order - 0.5 + np.sqrt((order + 0.5) ** 2 + x * x))

    def step(operands: Any) -> list[Any]:
        v, x, quotient, k = operands
        return [x / (2 * (v + k) + x * quotient)]

    kind = TensorType(np.dtype("f8"), v.shape)
    body = trace_flat(step, [kind, kind, kind, TensorType(np.dtype("f8"))], name="quotient").graph
    return Scan(body, 2, _STEPS, 1)(v, x, start, np.arange(_STEPS, 0, -1.0))


def _grown(v: Any, x: Any) -> Any:
    """The modified function of the first kind times `exp(-x)` for positive finite operands, `v` 0 too: by the Wronskian
    (DLMF 10.28.2), whose terms are positive, and far out by its asymptotic series."""
    far = x > np.maximum(30.0, 0.125 * v * v)
    y = np.where(far, 1.0, x)
    near = 1 / (y * (_second(v + 1, y, True) + _next(v, y) * _second(v, y, True)))
    z = np.where(far, x, 30.0 + 0.125 * v * v)
    term, total = 1.0, 1.0
    for k in range(1, 32):
        term = -term * (4 * v * v - (2 * k - 1) ** 2) / (8 * k * z)
        total = total + term
    return np.where(far, total / np.sqrt(2 * math.pi * z), near)


def _of_real_order(v: Any, x: Any, scaled: bool) -> Any:
    v, x = np.broadcast_arrays(v, x)
    order, size, whole = np.abs(v), np.abs(x), v == np.rint(v)
    proper = (order <= _LARGEST) & np.isfinite(x) & (x != 0) & ((x > 0) | whole)
    n, y = np.where(proper, order, 0.5), np.where(proper, size, 1.0)
    # Of a negative order the other solution is added (DLMF 10.27.2).
    other = np.where(whole, 0.0, 2 / math.pi * sine_of_turns(n))
    grown = _grown(n, y)
    grown = np.where((v < 0) & ~whole, grown + other * (_second(n, y, True) * np.exp(-2 * y)), grown)
    if not scaled:
        root = np.exp(0.5 * y)
        grown = root * (root * grown)
    odd = whole & (order - 2 * np.floor(0.5 * order) == 1)
    found = np.where((x < 0) & odd, -grown, grown)
    at_zero = np.where(v == 0, 1.0, np.where((v > 0) | whole, 0.0, math.nan))
    return np.where(proper, found, np.where((x == 0) & np.isfinite(v), at_zero, math.nan))


@search
def iv(v: Any, x: Any) -> Any:
    return _of_real_order(v, x, False)


@search
def ive(v: Any, x: Any) -> Any:
    return _of_real_order(v, x, True)

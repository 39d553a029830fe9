"""Derivatives of the regularised incomplete gamma and beta functions in their parameters.

With the density `p` of the distribution and `l` its score in a parameter, `F(x) = int p` over `[0, x]` has the
derivative `int p l`, and the integral over all is 0. The side of `x` is taken on which the score keeps its sign, so
that no digits are lost: the power series where it converges fast, else the integral from `x` on in the variable of an
exponential decay, by the trapezoidal rule after a double exponential substitution (Takahasi and Mori, "Double
exponential formulas for numerical integration", 1974). The density at `x` keeps its digits by the deviation from the
mode (Didonato and Morris, "Algorithm 708", 1992). Second derivatives are those of the same forms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError, TypeMismatchError
from graphad.op import Sample
from graphad.ops.elementwise import Elementwise, Partial
from graphad.ops.transcendental import log, log1p
from graphad.types import Array, DType

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


def _log1pmx(e: Array, ratio: Array) -> Any:
    """`log(ratio) - e` for `ratio == 1 + e`, without the loss of digits at small `e` or small `ratio`."""
    r = e / (2 + e)
    square = r * r
    total = np.zeros_like(r)
    for k in reversed(range(14)):
        total = total * square + 1 / (2 * k + 3)
    near = r * (2 * square * total - e)
    with np.errstate(all="ignore"):
        return np.where(np.abs(e) < 0.4, near, np.log(ratio) - e)


def _stirling(z: Array) -> Any:
    """`gammaln(z)` less its leading terms `(z - 1/2) log z - z + log(2 pi) / 2` (DLMF 5.11.1)."""
    from scipy.special import gammaln

    w = 1 / np.maximum(z, 10.0)
    coefficients = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
    large = w * sum(c * w ** (2 * k) for k, c in enumerate(coefficients))
    small = gammaln(z) - ((z - 0.5) * np.log(z) - z + 0.5 * np.log(2 * np.pi))
    return np.where(z < 10, small, large)


# -- gamma --------------------------------------------------------------------------------------------------------


def _gamma_scale(a: Array, x: Array) -> Any:
    """`x**a exp(-x) / gamma(a)`."""
    return np.sqrt(a / (2 * np.pi)) * np.exp(a * _log1pmx((x - a) / a, x / a) - _stirling(a))


def _gamma_series(n: int, a: Array, x: Array) -> Any:
    from scipy.special import polygamma, psi

    term = _gamma_scale(a, x) / a
    k = np.arange(_TERMS)[:, None]
    terms = term * np.cumprod(np.concatenate([np.ones((1, a.size)), x / (a + k[1:])]), axis=0)
    score = np.log(x) - psi(a + k + 1)
    return np.sum(terms * (score if n == 1 else score**2 - polygamma(1, a + k + 1)), axis=0)


def _gamma_integral(n: int, a: Array, x: Array, lower: bool) -> Any:
    from scipy.special import polygamma, psi

    nodes, weights = (v[:, None] for v in _rule())
    side = a - x if lower else x - a
    s = nodes / (np.maximum(side, 0) + np.sqrt(x))
    bend = np.expm1(-s) + s if lower else np.expm1(s) - s
    with np.errstate(over="ignore", invalid="ignore"):
        density = np.exp(-side * s - x * bend) * weights / (np.maximum(side, 0) + np.sqrt(x))
    density = np.where(np.isfinite(density), density, 0.0)
    score = np.log(x) - psi(a) + (-s if lower else s)
    total = np.sum(density * (score if n == 1 else score**2 - polygamma(1, a)), axis=0)
    return _gamma_scale(a, x) * (total if lower else -total)


def gammainc_partial(n: int, a: Array, x: Array) -> Any:
    """The `n`-th derivative (1 or 2) of `scipy.special.gammainc` in `a`, of float64 vectors."""
    from scipy.special import psi

    out = np.full(a.shape, np.nan)
    proper = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    out[(a > 0) & np.isfinite(a) & ((x == 0) | (x == np.inf))] = 0.0
    with np.errstate(all="ignore"):
        series = proper & (np.log(x) < psi(a + 1)) & (a < _LARGE)
        below = proper & ~series & (np.log(x) < psi(a))
    _fill(out, series, lambda a, x: _gamma_series(n, a, x), a, x)
    _fill(out, below, lambda a, x: _gamma_integral(n, a, x, True), a, x)
    _fill(out, proper & ~series & ~below, lambda a, x: _gamma_integral(n, a, x, False), a, x)
    return out


# -- beta ---------------------------------------------------------------------------------------------------------


def _beta_scale(a: Array, b: Array, x: Array, y: Array) -> Any:
    """`x**a y**b / beta(a, b)` for `y == 1 - x`."""
    c = a + b
    # x - a/c and its negative, from whichever of x and y is known better.
    away = np.where(x < y, (x * b - a * y) / c, (b - y * c) / c)
    exponent = a * _log1pmx(away * c / a, x * c / a) + b * _log1pmx(-away * c / b, y * c / b)
    return np.sqrt(a * b / (2 * np.pi * c)) * np.exp(exponent - _stirling(a) - _stirling(b) + _stirling(c))


def _combined(i: int, j: int, first: Any, second: Any, change: Any) -> Any:
    """The density's derivative of order `i` in `a` and `j` in `b`, divided by it: from the scores and their change."""
    if i + j == 1:
        return first if i else second
    scores = first * second if i == j else (first if i else second) ** 2
    return scores + change


def _beta_series(i: int, j: int, a: Array, b: Array, x: Array, y: Array) -> Any:
    from scipy.special import polygamma, psi

    k = np.arange(_TERMS)[:, None]
    ratio = x * (a + b + k[:-1]) / (a + 1 + k[:-1])
    terms = _beta_scale(a, b, x, y) / a * np.cumprod(np.concatenate([np.ones((1, a.size)), ratio]), axis=0)
    both = psi(a + b + k)
    change: Any = 0.0
    if i + j == 2:
        change = polygamma(1, a + b + k) - (polygamma(1, a + k + 1) if i == 2 else polygamma(1, b) if j == 2 else 0.0)
    first, second = np.log(x) + both - psi(a + k + 1), np.log1p(-x) + both - psi(b)
    return np.sum(terms * _combined(i, j, first, second, change), axis=0)


def _beta_integral(i: int, j: int, a: Array, b: Array, x: Array, y: Array, lower: bool) -> Any:
    from scipy.special import polygamma, psi

    nodes, weights = (v[:, None] for v in _rule())
    c = a + b
    decay, near = (a, x) if lower else (b, y)
    rate = np.maximum(decay - c * near, 0) + np.sqrt(a * b / c) * np.sqrt(np.minimum(1.0, c * near / decay) + 0.05)
    rate = np.maximum(rate, decay / 8)
    s = nodes / rate
    shift = np.log1p(near * np.expm1(-s))
    density = np.exp(-decay * s - c * shift) * weights / rate
    # The logarithms of t and 1 - t; the one that goes to minus infinity also has the decay.
    log_t, log_rest = np.log(x) - shift, np.log(y) - shift
    log_t, log_rest = (log_t - s, log_rest) if lower else (log_t, log_rest - s)
    both = polygamma(1, c) if i + j == 2 else 0.0
    change = both - (polygamma(1, a) if i == 2 else polygamma(1, b) if j == 2 else 0.0)
    scores = _combined(i, j, log_t - (psi(a) - psi(c)), log_rest - (psi(b) - psi(c)), change)
    total = np.sum(density * scores, axis=0)
    return _beta_scale(a, b, x, y) * (total if lower else -total)


def betainc_partial(i: int, j: int, a: Array, b: Array, x: Array) -> Any:
    """The derivative of SciPy's `betainc` of order `i` in `a` and `j` in `b`, `i + j` 1 or 2, of float64 vectors."""
    out = np.full(a.shape, np.nan)
    proper = (a > 0) & (b > 0) & (x > 0) & (x < 1) & np.isfinite(a) & np.isfinite(b)
    out[(a > 0) & (b > 0) & np.isfinite(a) & np.isfinite(b) & ((x == 0) | (x == 1))] = 0.0
    _fill(out, proper, lambda a, b, x: _betainc_partial(i, j, a, b, x, 1 - x), a, b, x)
    return out


def _betainc_partial(i: int, j: int, a: Array, b: Array, x: Array, y: Array) -> Any:
    from scipy.special import psi

    if j > i:
        # betainc(a, b, x) == 1 - betainc(b, a, 1 - x)
        return -_betainc_partial(j, i, b, a, y, x)
    out = np.empty(a.shape)
    with np.errstate(all="ignore"):
        level = np.log(x) + psi(a + b)
    series = (level < psi(a + 1)) & (x <= 0.75) & (a < _LARGE)
    below = ~series & (level < psi(a))
    _fill(out, series, lambda a, b, x, y: _beta_series(i, j, a, b, x, y), a, b, x, y)
    _fill(out, below, lambda a, b, x, y: _beta_integral(i, j, a, b, x, y, True), a, b, x, y)
    _fill(out, ~series & ~below, lambda a, b, x, y: _beta_integral(i, j, a, b, x, y, False), a, b, x, y)
    return out


def _fill(out: Array, mask: Array, function: Callable[..., Array], *xs: Array) -> None:
    """`out[mask] = function(...)`, a part at a time."""
    places = np.flatnonzero(mask)
    for start in range(0, places.size, _CHUNK):
        part = places[start : start + _CHUNK]
        out[part] = function(*[x[part] for x in xs])


# -- ops ----------------------------------------------------------------------------------------------------------


class _Parametric(Elementwise, abstract=True):
    """Base of the ops below: floating operands of one dtype; computed by SciPy and NumPy in double precision."""

    singular = True

    def promote(self, kinds: tuple[Any, ...]) -> tuple[Any, ...] | None:
        found = np.result_type(*[np.dtype(k) if k is float or k is int else k for k in kinds])
        return (found if found.char in "fd" else np.dtype("f8"),) * len(kinds)

    def result_dtypes(self, *dtypes: DType) -> tuple[DType, ...]:
        found = np.result_type(*dtypes)
        if found.char not in "fd":
            raise TypeMismatchError(f"{self!r} takes float32 or float64, not {found}")
        return (found,) * (len(dtypes) + 1)

    def _evaluated(self, function: Callable[..., Array], xs: Sequence[Any]) -> Any:
        broadcast = np.broadcast_arrays(*xs)
        flat = [np.ravel(x).astype("f8") for x in broadcast]
        return function(*flat).reshape(broadcast[0].shape).astype(xs[0].dtype)


class GammaincPartial(_Parametric):
    """The `n`-th derivative of SciPy's `gammainc` in its parameter, `n` 1 or 2; operands `a, x`."""

    n: int

    def eval(self, xp: Any, *xs: Any) -> Any:
        return self._evaluated(lambda a, x: gammainc_partial(self.n, a, x), xs)

    @property
    def partials(self) -> Sequence[Partial]:
        return (self._in_parameter, self._in_argument)

    def _in_parameter(self, out: Any, a: Any, x: Any) -> Any:
        if self.n > 1:
            raise MissingRuleError("gammainc has no third derivative in its parameter a; use graphad.custom_jvp")
        return GammaincPartial(2)(a, x)

    def _in_argument(self, out: Any, a: Any, x: Any) -> Any:
        from graphad.ops.special import gamma_density, polygamma, psi

        score = log(x) - psi(a)
        return gamma_density(a, x) * (score if self.n == 1 else score * score - polygamma(1, a))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        a, x = np.array([0.3, 1.5, 4.0, 80.0]), np.array([0.5, 3.0, 1.2, 85.0])
        yield Sample(cls(1), (a, x))
        yield Sample(cls(1), (a.astype("f4"), x.astype("f4")))
        yield Sample(cls(1), (a[:, None], x[:2]))


class BetaincPartial(_Parametric):
    """The derivative of SciPy's `betainc` of order `i` in `a` and `j` in `b`, together 1 or 2; operands `a, b, x`."""

    i: int
    j: int

    def eval(self, xp: Any, *xs: Any) -> Any:
        return self._evaluated(lambda a, b, x: betainc_partial(self.i, self.j, a, b, x), xs)

    @property
    def partials(self) -> Sequence[Partial]:
        return (self._raised(1, 0), self._raised(0, 1), self._in_argument)

    def _raised(self, i: int, j: int) -> Partial:
        def partial(out: Any, a: Any, b: Any, x: Any) -> Any:
            if self.i + self.j > 1:
                raise MissingRuleError("betainc has no third derivative in its parameters; use graphad.custom_jvp")
            return BetaincPartial(self.i + i, self.j + j)(a, b, x)

        return partial

    def _in_argument(self, out: Any, a: Any, b: Any, x: Any) -> Any:
        from graphad.ops.special import beta_density, polygamma, psi

        first, second = log(x) - psi(a) + psi(a + b), log1p(-x) - psi(b) + psi(a + b)
        change: Any = 0.0
        if self.i + self.j == 2:
            own = polygamma(1, a) if self.i == 2 else polygamma(1, b) if self.j == 2 else 0.0
            change = polygamma(1, a + b) - own
        return beta_density(a, b, x) * _combined(self.i, self.j, first, second, change)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        a, b, x = np.array([0.4, 1.5, 4.0]), np.array([2.0, 0.7, 90.0]), np.array([0.2, 0.8, 0.03])
        for i, j in ((1, 0), (0, 1)):
            yield Sample(cls(i, j), (a, b, x))
        yield Sample(cls(1, 0), (a.astype("f4"), b.astype("f4"), x.astype("f4")))


__all__ = ["BetaincPartial", "GammaincPartial"]

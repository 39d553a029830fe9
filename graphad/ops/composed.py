"""Ufuncs of `scipy.special` that other functions make up: distribution functions, transformations, combinatorics,
orthogonal polynomials.

Each is given by what it is of traced operands, through NumPy's functions; without traced operands SciPy computes it.
Identities are those of SciPy's documentation and of the DLMF (5.2, 5.12, 18.5, 18.9).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError
from graphad.ops.higher import near_zero
from graphad.ops.rounding import floored, truncated
from graphad.ops.special import (
    betainc,
    betaincc,
    betainccinv,
    betaincinv,
    betaln,
    gammainc,
    gammaincc,
    gammainccinv,
    gammaincinv,
)  # fmt: skip
from graphad.trace import UFUNCS, Tracer, kind_of


def _ufunc(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make the function the meaning of SciPy's ufunc of its name for traced operands."""
    UFUNCS[function.__name__] = function
    return function


# -- distribution functions ---------------------------------------------------------------------------------------


def _alike(*operands: Any) -> list[Any]:
    """Python's numbers in the precision of the traced operand: beside them SciPy computes `gammainc` in double."""
    narrow = any(isinstance(x, Tracer) and x.dtype.char == "f" for x in operands)
    return [np.float32(x) if narrow and isinstance(x, (int, float)) else x for x in operands]


@_ufunc
def chdtr(v: Any, x: Any) -> Any:
    return gammainc(*_alike(v / 2, np.maximum(x, 0.0) / 2))


@_ufunc
def chdtrc(v: Any, x: Any) -> Any:
    return gammaincc(*_alike(v / 2, np.maximum(x, 0.0) / 2))


@_ufunc
def chdtri(v: Any, p: Any) -> Any:
    return 2 * gammainccinv(*_alike(v / 2, p))


@_ufunc
def gdtr(a: Any, b: Any, x: Any) -> Any:
    return gammainc(*_alike(b, a * x))


@_ufunc
def gdtrc(a: Any, b: Any, x: Any) -> Any:
    return gammaincc(*_alike(b, a * x))


@_ufunc
def gdtrix(a: Any, b: Any, p: Any) -> Any:
    return gammaincinv(*_alike(b, p)) / a


def _of_ratio(dfn: Any, dfd: Any, x: Any, upper: bool) -> Any:
    """Snedecor's distribution by the beta function of the smaller of the two arguments whose sum is 1."""
    dfn, dfd, x = _alike(dfn, dfd, x)
    part = dfn * x
    swapped = part > dfd
    a, b, z = np.where(swapped, dfd, dfn) / 2, np.where(swapped, dfn, dfd) / 2, np.where(swapped, dfd, part)
    z = z / (dfd + part)
    below, above = betainc(a, b, z), betaincc(a, b, z)
    return np.where(swapped, below, above) if upper else np.where(swapped, above, below)


@_ufunc
def fdtr(dfn: Any, dfd: Any, x: Any) -> Any:
    return _of_ratio(dfn, dfd, x, False)


@_ufunc
def fdtrc(dfn: Any, dfd: Any, x: Any) -> Any:
    return _of_ratio(dfn, dfd, x, True)


@_ufunc
def fdtri(dfn: Any, dfd: Any, p: Any) -> Any:
    """By what is inverted and its complement, so that neither loses its digits near 1."""
    return dfd * betaincinv(dfn / 2, dfd / 2, p) / (dfn * betainccinv(dfd / 2, dfn / 2, p))


@_ufunc
def btdtr(a: Any, b: Any, x: Any) -> Any:
    return betainc(a, b, x)


@_ufunc
def pdtr(k: Any, m: Any) -> Any:
    return gammaincc(*_alike(floored(k) + 1.0, m))


@_ufunc
def pdtrc(k: Any, m: Any) -> Any:
    return gammainc(*_alike(floored(k) + 1.0, m))


def binomial(k: Any, n: Any, p: Any, upper: bool) -> Any:
    """The binomial distribution function, or what lies above, of real `n`."""
    k, n, p = _alike(floored(k), n, p)
    beyond = k >= n
    inside = np.where(beyond, n - 1.0, k)
    found = (betainc if upper else betaincc)(inside + 1.0, n - inside, p)
    return np.where(beyond, 0.0 if upper else 1.0, found)


@_ufunc
def bdtr(k: Any, n: Any, p: Any) -> Any:
    return binomial(k, truncated(n), p, False)


@_ufunc
def bdtrc(k: Any, n: Any, p: Any) -> Any:
    return binomial(k, truncated(n), p, True)


@_ufunc
def nbdtr(k: Any, n: Any, p: Any) -> Any:
    return betainc(truncated(n) * 1.0, truncated(k) + 1.0, p)


@_ufunc
def nbdtrc(k: Any, n: Any, p: Any) -> Any:
    return betaincc(truncated(n) * 1.0, truncated(k) + 1.0, p)


# -- transformations ----------------------------------------------------------------------------------------------


@_ufunc
def exp10(x: Any) -> Any:
    return np.power(10.0, x)


@_ufunc
def huber(delta: Any, r: Any) -> Any:
    size = np.abs(r)
    return np.where(size <= delta, 0.5 * r * r, delta * (size - 0.5 * delta))


_LOG1P = [(-1) ** k / (k + 1) for k in range(18)]
"""The series of `log1p(x) / x`."""


def _unpower(y: Any, lmbda: Any) -> Any:
    """`log1p(lmbda y) / lmbda`, and its limit at 0."""
    return y * near_zero(1.0 * lmbda * y, 0.1, _LOG1P, lambda x: np.log1p(x) / x)


@_ufunc
def inv_boxcox(y: Any, lmbda: Any) -> Any:
    return np.exp(_unpower(y, lmbda))


@_ufunc
def inv_boxcox1p(y: Any, lmbda: Any) -> Any:
    return np.expm1(_unpower(y, lmbda))


@_ufunc
def radian(d: Any, m: Any, s: Any) -> Any:
    return (d + m / 60 + s / 3600) * (math.pi / 180)


# -- combinatorics ------------------------------------------------------------------------------------------------


@_ufunc
def binom(n: Any, k: Any) -> Any:
    """Of `n > k - 1`."""
    return np.exp(-np.log1p(n) - betaln(1.0 + n - k, 1.0 + k))


# -- orthogonal polynomials: of a known degree by recurrence, of a real one as SciPy continues them ---------------


def _recurrence(first: Any, second: Any, n: int, step: Callable[[int, Any, Any], Any]) -> Any:
    """The polynomial of degree `n` by `p[k + 1] = step(k, p[k], p[k - 1])`."""
    before, now = first, second
    if n == 0:
        return before
    for k in range(1, n):
        before, now = now, step(k, now, before)
    return now


def _polynomial(name: str, build: Callable[..., Any], continued: Callable[..., Any] | None = None) -> None:
    def evaluate(n: Any, *operands: Any) -> Any:
        *_, x = operands
        if not isinstance(n, Tracer) and not np.ndim(n) and float(n) == int(n) >= 0:
            return build(int(n), *operands) + 0 * x
        if continued is None or kind_of(n) is int or np.dtype(kind_of(n)).kind in "iub":
            raise MissingRuleError(f"{name}: the degree n must be a known integer; its values select the formula")
        return continued(n, *operands)

    evaluate.__name__ = name
    _ufunc(evaluate)


def _choose(n: Any, k: Any) -> Any:
    """The binomial coefficient `n + k` over `n` of real numbers."""
    return 1 / ((n + k + 1) * UFUNCS["beta"](k + 1.0, n + 1.0))


def _jacobi_at(n: Any, a: Any, b: Any, x: Any) -> Any:
    return _choose(n, a) * UFUNCS["hyp2f1"](-n, n + a + b + 1, a + 1.0, 0.5 * (1 - x))


def _laguerre_at(n: Any, a: Any, x: Any) -> Any:
    return _choose(n, a) * UFUNCS["hyp1f1"](-n, a + 1.0, 1.0 * x)


def _gegenbauer_at(n: Any, a: Any, x: Any) -> Any:
    factor = 1 / (n * UFUNCS["beta"](1.0 * n, 2.0 * a))
    return factor * UFUNCS["hyp2f1"](-n, n + 2 * a, a + 0.5, 0.5 * (1 - x))


_polynomial(
    "eval_chebyt", lambda n, x: _recurrence(1.0, x, n, lambda k, p, q: 2 * x * p - q),
    lambda n, x: UFUNCS["hyp2f1"](-n, n, 0.5, 0.5 * (1 - x)),
)  # fmt: skip
_polynomial(
    "eval_chebyu", lambda n, x: _recurrence(1.0, 2 * x, n, lambda k, p, q: 2 * x * p - q),
    lambda n, x: (n + 1) * UFUNCS["hyp2f1"](-n, n + 2, 1.5, 0.5 * (1 - x)),
)  # fmt: skip
_polynomial(
    "eval_legendre", lambda n, x: _recurrence(1.0, x, n, lambda k, p, q: ((2 * k + 1) * x * p - k * q) / (k + 1)),
    lambda n, x: UFUNCS["hyp2f1"](-n, n + 1, 1.0, 0.5 * (1 - x)),
)  # fmt: skip
_polynomial("eval_hermite", lambda n, x: _recurrence(1.0, 2 * x, n, lambda k, p, q: 2 * x * p - 2 * k * q))
_polynomial("eval_hermitenorm", lambda n, x: _recurrence(1.0, x, n, lambda k, p, q: x * p - k * q))
_polynomial(
    "eval_laguerre", lambda n, x: _recurrence(1.0, 1 - x, n, lambda k, p, q: ((2 * k + 1 - x) * p - k * q) / (k + 1)),
    lambda n, x: UFUNCS["hyp1f1"](-n, 1.0, 1.0 * x),
)  # fmt: skip
_polynomial(
    "eval_genlaguerre",
    lambda n, a, x: _recurrence(1.0, 1 + a - x, n, lambda k, p, q: ((2 * k + 1 + a - x) * p - (k + a) * q) / (k + 1)),
    _laguerre_at,
)
_polynomial(
    "eval_gegenbauer",
    lambda n, a, x: _recurrence(
        1.0, 2 * a * x, n, lambda k, p, q: (2 * x * (k + a) * p - (k + 2 * a - 1) * q) / (k + 1)
    ),
    _gegenbauer_at,
)


def _jacobi(n: int, a: Any, b: Any, x: Any) -> Any:
    def step(k: int, p: Any, q: Any) -> Any:
        c = 2 * k + a + b
        first = (c + 1) * (c * (c + 2) * x + a * a - b * b) * p
        return (first - 2 * (k + a) * (k + b) * (c + 2) * q) / (2 * (k + 1) * (k + a + b + 1) * c)

    return _recurrence(1.0, (a + 1) + (a + b + 2) * (x - 1) / 2, n, step)


_polynomial("eval_jacobi", _jacobi, _jacobi_at)

__all__ = ["binom", "binomial"]

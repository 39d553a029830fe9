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
from graphad.ops.distributions import _whole
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
from graphad.trace import UFUNCS, Tracer


def _ufunc(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make the function the meaning of SciPy's ufunc of its name for traced operands."""
    UFUNCS[function.__name__] = function
    return function


def _known(name: str, operand: str, x: Any) -> int:
    """An operand that has to be a known integer."""
    if isinstance(x, Tracer) or np.ndim(x) or float(x) != int(x):
        raise MissingRuleError(f"{name}: {operand} must be a known integer; its values select the formula")
    return int(x)


# -- distribution functions ---------------------------------------------------------------------------------------


@_ufunc
def chdtr(v: Any, x: Any) -> Any:
    return gammainc(v / 2, np.maximum(x, 0.0) / 2)


@_ufunc
def chdtrc(v: Any, x: Any) -> Any:
    return gammaincc(v / 2, np.maximum(x, 0.0) / 2)


@_ufunc
def chdtri(v: Any, p: Any) -> Any:
    return 2 * gammainccinv(v / 2, p)


@_ufunc
def gdtr(a: Any, b: Any, x: Any) -> Any:
    return gammainc(b, a * x)


@_ufunc
def gdtrc(a: Any, b: Any, x: Any) -> Any:
    return gammaincc(b, a * x)


@_ufunc
def gdtrix(a: Any, b: Any, p: Any) -> Any:
    return gammaincinv(b, p) / a


@_ufunc
def fdtr(dfn: Any, dfd: Any, x: Any) -> Any:
    return betainc(dfn / 2, dfd / 2, dfn * x / (dfd + dfn * x))


@_ufunc
def fdtrc(dfn: Any, dfd: Any, x: Any) -> Any:
    return betainc(dfd / 2, dfn / 2, dfd / (dfd + dfn * x))


@_ufunc
def fdtri(dfn: Any, dfd: Any, p: Any) -> Any:
    """By what is inverted and its complement, so that neither loses its digits near 1."""
    return dfd * betaincinv(dfn / 2, dfd / 2, p) / (dfn * betainccinv(dfd / 2, dfn / 2, p))


@_ufunc
def btdtr(a: Any, b: Any, x: Any) -> Any:
    return betainc(a, b, x)


@_ufunc
def pdtr(k: Any, m: Any) -> Any:
    return gammaincc(_whole(k) + 1.0, m)


@_ufunc
def pdtrc(k: Any, m: Any) -> Any:
    return gammainc(_whole(k) + 1.0, m)


@_ufunc
def bdtr(k: Any, n: Any, p: Any) -> Any:
    k = _whole(k)
    inside = np.minimum(k, n - 1.0)
    return np.where(k >= n, 1.0, betaincc(inside + 1.0, n - inside, p))


@_ufunc
def bdtrc(k: Any, n: Any, p: Any) -> Any:
    k = _whole(k)
    inside = np.minimum(k, n - 1.0)
    return np.where(k >= n, 0.0, betainc(inside + 1.0, n - inside, p))


@_ufunc
def nbdtr(k: Any, n: Any, p: Any) -> Any:
    return betainc(n * 1.0, _whole(k) + 1.0, p)


@_ufunc
def nbdtrc(k: Any, n: Any, p: Any) -> Any:
    return betaincc(n * 1.0, _whole(k) + 1.0, p)


# -- transformations ----------------------------------------------------------------------------------------------


@_ufunc
def exp10(x: Any) -> Any:
    return np.power(10.0, x)


@_ufunc
def huber(delta: Any, r: Any) -> Any:
    size = np.abs(r)
    return np.where(size <= delta, 0.5 * r * r, delta * (size - 0.5 * delta))


@_ufunc
def pseudo_huber(delta: Any, r: Any) -> Any:
    u = r / delta
    return delta**2 * u**2 / (1 + np.sqrt(1 + u**2))


def _power(lmbda: Any, log_x: Any) -> Any:
    """`(exp(lmbda log_x) - 1) / lmbda`, and its limit at 0."""
    safe = np.where(lmbda == 0, 1.0, lmbda)
    y = safe * log_x
    return np.where(np.abs(lmbda) < 1e-19, log_x, np.expm1(y) / safe)


@_ufunc
def boxcox(x: Any, lmbda: Any) -> Any:
    return _power(lmbda, np.log(x))


@_ufunc
def boxcox1p(x: Any, lmbda: Any) -> Any:
    return _power(lmbda, np.log1p(x))


def _unpower(y: Any, lmbda: Any) -> Any:
    safe = np.where(lmbda == 0, 1.0, lmbda)
    return np.where(lmbda == 0, y, np.log1p(safe * y) / safe)


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


# -- orthogonal polynomials of known degree -----------------------------------------------------------------------


def _recurrence(first: Any, second: Any, n: int, step: Callable[[int, Any, Any], Any]) -> Any:
    """The polynomial of degree `n` by `p[k + 1] = step(k, p[k], p[k - 1])`."""
    before, now = first, second
    if n == 0:
        return before
    for k in range(1, n):
        before, now = now, step(k, now, before)
    return now


def _polynomial(name: str, build: Callable[..., Any]) -> None:
    def evaluate(n: Any, *operands: Any) -> Any:
        *_, x = operands
        return build(_known(name, "the degree n", n), *operands) + 0 * x

    evaluate.__name__ = name
    _ufunc(evaluate)


_polynomial("eval_chebyt", lambda n, x: _recurrence(1.0, x, n, lambda k, p, q: 2 * x * p - q))
_polynomial("eval_chebyu", lambda n, x: _recurrence(1.0, 2 * x, n, lambda k, p, q: 2 * x * p - q))
_polynomial(
    "eval_legendre", lambda n, x: _recurrence(1.0, x, n, lambda k, p, q: ((2 * k + 1) * x * p - k * q) / (k + 1))
)
_polynomial("eval_hermite", lambda n, x: _recurrence(1.0, 2 * x, n, lambda k, p, q: 2 * x * p - 2 * k * q))
_polynomial("eval_hermitenorm", lambda n, x: _recurrence(1.0, x, n, lambda k, p, q: x * p - k * q))
_polynomial(
    "eval_laguerre", lambda n, x: _recurrence(1.0, 1 - x, n, lambda k, p, q: ((2 * k + 1 - x) * p - k * q) / (k + 1))
)
_polynomial(
    "eval_genlaguerre",
    lambda n, a, x: _recurrence(1.0, 1 + a - x, n, lambda k, p, q: ((2 * k + 1 + a - x) * p - (k + a) * q) / (k + 1)),
)
_polynomial(
    "eval_gegenbauer",
    lambda n, a, x: _recurrence(
        1.0, 2 * a * x, n, lambda k, p, q: (2 * x * (k + a) * p - (k + 2 * a - 1) * q) / (k + 1)
    ),
)


def _jacobi(n: int, a: Any, b: Any, x: Any) -> Any:
    def step(k: int, p: Any, q: Any) -> Any:
        c = 2 * k + a + b
        first = (c + 1) * (c * (c + 2) * x + a * a - b * b) * p
        return (first - 2 * (k + a) * (k + b) * (c + 2) * q) / (2 * (k + 1) * (k + a + b + 1) * c)

    return _recurrence(1.0, (a + 1) + (a + b + 2) * (x - 1) / 2, n, step)


_polynomial("eval_jacobi", _jacobi)

__all__ = ["binom"]

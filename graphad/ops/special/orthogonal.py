"""Orthogonal polynomials: of a known degree by recurrence, of a real one as SciPy continues them.

Identities are those of SciPy's documentation and of the DLMF (18.5, 18.9).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError
from graphad.ops.special.base import derived
from graphad.trace import UFUNCS, Tracer, kind_of
from graphad.types import Array


def _of_argument(name: str, base: str, argument: Callable[[Any], Any], factor: float = 1.0) -> None:
    UFUNCS[name] = lambda n, x: factor * UFUNCS[base](n, argument(x))


_of_argument("eval_chebyc", "eval_chebyt", lambda x: 0.5 * x, 2.0)
_of_argument("eval_chebys", "eval_chebyu", lambda x: 0.5 * x)
_of_argument("eval_sh_chebyt", "eval_chebyt", lambda x: 2 * x - 1)
_of_argument("eval_sh_chebyu", "eval_chebyu", lambda x: 2 * x - 1)
_of_argument("eval_sh_legendre", "eval_legendre", lambda x: 2 * x - 1)


def _eval_sh_jacobi(n: Any, p: Any, q: Any, x: Any) -> Any:
    return UFUNCS["eval_jacobi"](n, p - q, q - 1, 2 * x - 1) / UFUNCS["binom"](2 * n + p - 1, 1.0 * n)


UFUNCS["eval_sh_jacobi"] = _eval_sh_jacobi


def _recurrence(first: Any, second: Array, n: int, step: Callable[[int, Any, Any], Any]) -> Array:
    """The polynomial of degree `n` by `p[k + 1] = step(k, p[k], p[k - 1])`."""
    before, now = first, second
    if n == 0:
        return before
    for k in range(1, n):
        before, now = now, step(k, now, before)
    return now


def _polynomial(name: str, build: Callable[..., Any], continued: Callable[..., Any] | None = None) -> None:
    def evaluate(n: Any, *operands: Any) -> Array:
        *_, x = operands
        if not isinstance(n, Tracer) and not np.ndim(n) and float(n) == int(n) >= 0:
            return build(int(n), *operands) + 0 * x
        if continued is None or kind_of(n) is int or np.dtype(kind_of(n)).kind in "iub":
            raise MissingRuleError(f"{name}: the degree n must be a known integer; its values select the formula")
        return continued(n, *operands)

    evaluate.__name__ = name
    derived(evaluate)


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

"""Functions of `scipy.special` that SciPy writes in Python, and cannot dispatch on traced values itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.numpy.arguments import axes_of, float_dtype, operand
from graphad.ops import reduce
from graphad.ops import special as ops
from graphad.ops.elementwise import cast
from graphad.ops.special.beta import binom
from graphad.scipy.dispatch import namespace
from graphad.types import Array, ArrayLike

_traced = namespace("scipy.special")[0]


@_traced
def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    """SciPy's `logsumexp`: `log(sum(b exp(a)))` without overflow; `return_sign` splits off the sum's sign."""
    a = operand(a)
    a = cast(a, float_dtype(a))
    if b is None and not return_sign:
        return reduce.logsumexp(a, axes_of(a, axis, "logsumexp"), keepdims)
    if b is not None:
        a, b = np.broadcast_arrays(a, operand(b))
        a = np.where(b == 0, -math.inf, a)
    axes = axes_of(a, axis, "logsumexp")
    largest = _held(np.max(a, axis=axes, keepdims=True))
    largest = np.where(np.isfinite(largest), largest, 0.0)
    terms = np.exp(a - largest) if b is None else b * np.exp(a - largest)
    total = np.sum(terms, axis=axes, keepdims=True)
    sign = np.sign(total)
    out = np.log(np.abs(total) if return_sign else total) + largest
    shape = out.shape if keepdims else tuple(n for i, n in enumerate(a.shape) if i not in axes)
    return (np.reshape(out, shape), np.reshape(sign, shape)) if return_sign else np.reshape(out, shape)


def _held(x: Array) -> Array:
    """`x` as a constant for derivatives: the shift of a logsumexp does not influence its value."""
    from graphad.ops.stop_gradient import StopGradient

    return StopGradient()(x)


@_traced
def softmax(x: ArrayLike, axis: Any = None) -> Array:
    """SciPy's `softmax`: `exp(x) / sum(exp(x))`."""
    return np.exp(log_softmax(x, axis))


@_traced
def log_softmax(x: Array, axis: Any = None) -> Array:
    """SciPy's `log_softmax`: the logarithm of `softmax`, without overflow."""
    return x - logsumexp(x, axis, keepdims=True)


@_traced
def polygamma(n: Any, x: ArrayLike) -> Array:
    """SciPy's `polygamma`: the `n`-th derivative of `digamma` at `x`, for a known integer `n`."""
    return ops.polygamma(int(n), operand(x))


@_traced
def multigammaln(a: ArrayLike, d: int) -> Array:
    """SciPy's `multigammaln`: the logarithm of the multivariate gamma function of dimension `d`.

    `log(pi) d (d - 1) / 4 + sum_j gammaln(a + (1 - j) / 2)` for j = 1 ... d (Muirhead, Aspects of Multivariate
    Statistical Theory, theorem 2.1.12).
    """
    terms = [ops.gammaln(operand(a) + (1 - j) / 2) for j in range(1, d + 1)]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total + 0.25 * math.log(math.pi) * d * (d - 1)


@_traced
def sinc(x: ArrayLike) -> Array:
    """SciPy's `sinc`, which is NumPy's."""
    return np.sinc(operand(x))


@_traced
def zeta(x: Any, q: Any = None, out: Any = None) -> Any:
    """SciPy's `zeta`: Riemann's, continued below 1, or Hurwitz's of `q`."""
    from graphad.ops.special.zeta import riemann_zeta
    from graphad.ops.special.zeta import zeta as hurwitz

    return riemann_zeta(x) if q is None else hurwitz(x, q)


@_traced
def comb(N: Any, k: Any, *, exact: bool = False, repetition: bool = False) -> Any:
    """SciPy's `comb` of traced numbers: `binom(N, k)`, 0 where `k` lies outside of `0 ... N`."""
    if repetition:
        N = N + k - 1
    N, k = np.broadcast_arrays(operand(N), operand(k))
    inside = np.logical_and(np.logical_and(k >= 0, N >= 0), k <= N)
    return np.where(inside, binom(np.where(inside, N, 1.0), np.where(inside, k, 0.0)), 0.0)


@_traced
def perm(N: Any, k: Any, exact: bool = False) -> Any:
    """SciPy's `perm` of traced numbers: `N! / (N - k)!`, 0 where `k` lies outside of `0 ... N`."""
    N, k = np.broadcast_arrays(operand(N), operand(k))
    inside = np.logical_and(np.logical_and(k >= 0, N >= 0), k <= N)
    found = ops.gammaln(np.where(inside, N, 1.0) + 1) - ops.gammaln(np.where(inside, N - k, 1.0) + 1)
    return np.where(inside, np.exp(found), 0.0)


@_traced
def factorial(n: Any, exact: bool = False, extend: str = "zero") -> Any:
    """SciPy's `factorial` of traced numbers: `gamma(n + 1)`, 0 for negative `n`."""
    n = operand(n)
    return np.where(n < 0, 0.0, ops.gamma(np.where(n < 0, 0.0, n) + 1.0))

"""`graphad.scipy.special`: `scipy.special` with the functions that SciPy itself cannot dispatch on traced values.

Its ufuncs (`erf`, `gammaln`, `xlogy`, ...) work on traced values as they are; the names here that are not defined
in this module are SciPy's own.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.numpy._register import axes_of, float_dtype, holds_tracer, operand
from graphad.ops import reduce
from graphad.ops import special as ops
from graphad.ops.elementwise import cast


def _scipy(name: str) -> Any:
    import scipy.special

    return getattr(scipy.special, name)


def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    """SciPy's `logsumexp`: `log(sum(b exp(a)))` without overflow; `return_sign` splits off the sum's sign."""
    if not holds_tracer((a, b)):
        return _scipy("logsumexp")(a, axis=axis, b=b, keepdims=keepdims, return_sign=return_sign)
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


def _held(x: Any) -> Any:
    """`x` as a constant for derivatives: the shift of a logsumexp does not influence its value."""
    from graphad.ops.custom import StopGradient

    return StopGradient()(x)


def softmax(x: Any, axis: Any = None) -> Any:
    """SciPy's `softmax`: `exp(x) / sum(exp(x))`."""
    if not holds_tracer((x,)):
        return _scipy("softmax")(x, axis=axis)
    return np.exp(log_softmax(x, axis))


def log_softmax(x: Any, axis: Any = None) -> Any:
    """SciPy's `log_softmax`: the logarithm of `softmax`, without overflow."""
    if not holds_tracer((x,)):
        return _scipy("log_softmax")(x, axis=axis)
    return x - logsumexp(x, axis, keepdims=True)


def polygamma(n: Any, x: Any) -> Any:
    """SciPy's `polygamma`: the `n`-th derivative of `digamma` at `x`, for a known integer `n`."""
    return ops.polygamma(int(n), operand(x)) if holds_tracer((x,)) else _scipy("polygamma")(n, x)


def multigammaln(a: Any, d: int) -> Any:
    """SciPy's `multigammaln`: the logarithm of the multivariate gamma function of dimension `d`.

    `log(pi) d (d - 1) / 4 + sum_j gammaln(a + (1 - j) / 2)` for j = 1 ... d (Muirhead, Aspects of Multivariate
    Statistical Theory, theorem 2.1.12).
    """
    if not holds_tracer((a,)):
        return _scipy("multigammaln")(a, d)
    terms = [ops.gammaln(operand(a) + (1 - j) / 2) for j in range(1, d + 1)]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total + 0.25 * math.log(math.pi) * d * (d - 1)


def sinc(x: Any) -> Any:
    """SciPy's `sinc`, which is NumPy's."""
    return np.sinc(operand(x))


def __getattr__(name: str) -> Any:
    return _scipy(name)

"""A vector form of `erfinv` for compiled loops, fitted when it is imported."""

import numpy as np
import scipy.special
from numpy.polynomial import chebyshev

import graphad
from graphad.testing import conformance, samples


def fitted(f, low, high, degree):
    """The coefficients of a polynomial near `f`, in a variable from -1 to 1, and that variable's scale and shift."""
    found = chebyshev.Chebyshev.interpolate(f, degree, (low, high)).coef
    return chebyshev.cheb2poly(found), 2 / (high - low), (high + low) / (high - low)


def quotient(w):
    """`erfinv(x) / x` by `w = -log(1 - x**2)`."""
    x, rest = np.sqrt(-np.expm1(-w)), -np.expm1(0.5 * np.log1p(-np.exp(-w)))
    return np.where(x < 0.5, scipy.special.erfinv(x), scipy.special.erfcinv(rest)) / x


NEAR, FAR = fitted(quotient, 1e-9, 9.0, 23), fitted(lambda s: quotient(s * s), 3.0, 6.2, 22)


def polynomial(fit, t):
    coefficients, scale, shift = fit
    t = t * scale - shift
    total = coefficients[-1]
    for c in coefficients[-2::-1]:
        total = total * t + c
    return total


@graphad.executors.form("erfinv", executor="llvm")
def erfinv(x):
    w = -np.log((1 - x) * (1 + x))
    inside = x * np.where(w < 9, polynomial(NEAR, w), polynomial(FAR, np.sqrt(w)))
    return np.where(np.abs(x) == 1, x * np.inf, inside)


assert conformance("llvm", [s for s in samples() if s.op.name == "erfinv"])
x = np.concatenate([np.linspace(-1, 1, 2001), 1 - 10.0 ** -np.arange(2, 16)])
x = np.concatenate([x, 10.0 ** -np.arange(2, 300, 13), [2.0, np.nan]])
run = graphad.jit(lambda x: scipy.special.erfinv(x), executor="llvm")
np.testing.assert_allclose(run(x), scipy.special.erfinv(x), 2e-14)
assert "log" in run.compile(x).source()

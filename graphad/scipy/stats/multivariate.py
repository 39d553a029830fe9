"""The distributions of vectors and matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.numpy._register import operand
from graphad.ops.special import gammaln, xlogy
from graphad.scipy.special import multigammaln
from graphad.scipy.stats.distribution import Base


class _Multivariate(Base):
    methods = ("logpdf", "pdf")

    def _pdf(self, *args: Any, **kwargs: Any) -> Any:
        return np.exp(self._logpdf(*args, **kwargs))


def _whitened(x: Any, mean: Any, cov: Any) -> tuple[Any, Any, int]:
    """The squared Mahalanobis distance of vectors along the last axis, the log determinant, and the dimension."""
    cov = operand(1.0 if cov is None else cov)
    x, mean = operand(x), operand(0.0 if mean is None else mean)
    d = max(mean.size if mean.ndim else 1, cov.shape[-1] if cov.ndim else 1)
    if cov.ndim < 2:
        cov = np.eye(d) * cov
    if x.ndim == 0:
        x = x[None]
    elif x.ndim == 1 and d == 1:
        x = x[:, None]
    if x.shape[-1] != d or cov.shape != (d, d):
        raise ShapeError(f"x {list(x.shape)} does not fit a covariance {list(cov.shape)} of dimension {d}")
    factor = np.linalg.cholesky(cov)
    from graphad.scipy.linalg import solve_triangular

    away = (x - mean).reshape(-1, d)
    white = solve_triangular(factor, away.T, lower=True)
    return np.sum(white**2, axis=0).reshape(x.shape[:-1]), 2 * np.sum(np.log(np.diag(factor))), d


class _Normal(_Multivariate):
    """SciPy's `multivariate_normal`; the covariance must be positive definite."""

    def _logpdf(self, x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Any:
        distance, log_det, d = _whitened(x, mean, cov)
        return -0.5 * (d * math.log(2 * math.pi) + log_det + distance)


class _Student(_Multivariate):
    """SciPy's `multivariate_t`."""

    def _logpdf(self, x: Any, loc: Any = None, shape: Any = 1, df: Any = 1) -> Any:
        distance, log_det, d = _whitened(x, loc, shape)
        df = operand(df) * 1.0
        constant = gammaln((df + d) / 2) - gammaln(df / 2) - d / 2 * np.log(df * math.pi)
        return constant - 0.5 * log_det - (df + d) / 2 * np.log1p(distance / df)


class _Dirichlet(_Multivariate):
    """SciPy's `dirichlet`: `x` has its components along the first axis, of which the last may be left out."""

    def _logpdf(self, x: Any, alpha: Any) -> Any:
        x, alpha = operand(x), operand(alpha)
        if x.shape[0] == alpha.shape[0] - 1:
            x = np.concatenate([x, 1.0 - np.sum(x, axis=0, keepdims=True)])
        if x.shape[0] != alpha.shape[0]:
            raise ShapeError(f"dirichlet: x {list(x.shape)} does not fit alpha {list(alpha.shape)}")
        powers = xlogy((alpha - 1).reshape(-1, *(1,) * (x.ndim - 1)), x)
        return np.sum(powers, axis=0) + gammaln(np.sum(alpha)) - np.sum(gammaln(alpha))


class _Wishart(_Multivariate):
    """SciPy's `wishart` and, by `inverse`, `invwishart`, of one matrix."""

    def __init__(self, name: str, inverse: bool) -> None:
        super().__init__(name)
        self.inverse = inverse

    def _logpdf(self, x: Any, df: Any, scale: Any) -> Any:
        x, scale = np.atleast_2d(operand(x)), np.atleast_2d(operand(scale))
        d = scale.shape[-1]
        df = operand(df) * 1.0
        log_x, log_scale = np.linalg.slogdet(x)[1], np.linalg.slogdet(scale)[1]
        constant = -0.5 * df * d * math.log(2) - multigammaln(df / 2, d)
        if self.inverse:
            trace = np.trace(np.linalg.solve(x, scale))
            return constant + 0.5 * df * log_scale - 0.5 * (df + d + 1) * log_x - 0.5 * trace
        trace = np.trace(np.linalg.solve(scale, x))
        return constant - 0.5 * df * log_scale + 0.5 * (df - d - 1) * log_x - 0.5 * trace


class _Multinomial(Base):
    """SciPy's `multinomial`: counts along the last axis."""

    methods = ("logpmf", "pmf")

    def _logpmf(self, x: Any, n: Any, p: Any) -> Any:
        x, p, n = operand(x), operand(p), operand(n)
        total = np.sum(x, axis=-1)
        found = gammaln(n + 1.0) + np.sum(xlogy(x, p) - gammaln(x + 1.0), axis=-1)
        return np.where(np.logical_and(total == n, np.all(x >= 0, axis=-1)), found, -np.inf)

    def _pmf(self, x: Any, n: Any, p: Any) -> Any:
        return np.exp(self._logpmf(x, n, p))


multivariate_normal = _Normal("multivariate_normal")
multivariate_t = _Student("multivariate_t")
dirichlet = _Dirichlet("dirichlet")
wishart = _Wishart("wishart", False)
invwishart = _Wishart("invwishart", True)
multinomial = _Multinomial("multinomial")

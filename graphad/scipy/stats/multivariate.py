"""The distributions of vectors and matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError, ShapeError, TypeMismatchError
from graphad.location import place
from graphad.numpy.arguments import float_dtype, operand
from graphad.ops.elementwise import cast
from graphad.ops.special.entropies import xlogy
from graphad.ops.special.gamma import gammaln, psi, psi_step
from graphad.scipy.dispatch import since
from graphad.scipy.linalg import solve_triangular
from graphad.scipy.special import betaln, multigammaln
from graphad.scipy.stats.distribution import Base
from graphad.trace import Tracer


class _Multivariate(Base):
    methods: tuple[str, ...] = ("logpdf", "pdf", "entropy")

    def _pdf(self, *args: Any, **kwargs: Any) -> Any:
        return np.exp(self._logpdf(*args, **kwargs))


def _real(x: Any) -> Any:
    """An argument as an array of real numbers."""
    x = operand(x)
    if x.dtype.kind == "c":
        raise TypeMismatchError(f"a distribution of real numbers is given complex ones{place()}; give their .real")
    return x


def _square(mean: Any, cov: Any) -> Any:
    """A covariance as a matrix, of one that may be a number or a diagonal, and of a mean that may be a number."""
    cov, mean = _real(1.0 if cov is None else cov), _real(0.0 if mean is None else mean)
    d = max(mean.size if mean.ndim else 1, cov.shape[-1] if cov.ndim else 1)
    cov = np.eye(d) * cov if cov.ndim < 2 else cov
    if cov.shape != (d, d):
        raise ShapeError(f"a covariance {list(cov.shape)} does not fit a mean {list(mean.shape)}{place()}")
    return cov


def _away(x: Any, mean: Any, d: int) -> Any:
    """How far vectors along the last axis are from the mean."""
    x = _real(x)
    x = x[None] if x.ndim == 0 else x[:, None] if x.ndim == 1 and d == 1 else x
    if x.shape[-1] != d:
        raise ShapeError(f"x {list(x.shape)} does not fit a covariance of dimension {d}{place()}")
    return x - _real(0.0 if mean is None else mean)


def _log_det(factor: Any) -> Any:
    """The log determinant of a matrix with this Cholesky factor."""
    return 2 * np.sum(np.log(np.diag(factor)))


def _whitened(x: Any, mean: Any, cov: Any) -> tuple[Any, Any, int]:
    """The squared Mahalanobis distance of vectors along the last axis, the log determinant, and the dimension."""
    cov = _square(mean, cov)
    d = cov.shape[-1]
    factor, away = np.linalg.cholesky(cov), _away(x, mean, d)
    white = solve_triangular(factor, away.reshape(-1, d).T, lower=True)
    return np.sum(white**2, axis=0).reshape(away.shape[:-1]), _log_det(factor), d


class _Normal(_Multivariate):
    """SciPy's `multivariate_normal`; a covariance that is traced must be positive definite."""

    def _logpdf(self, x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Any:
        if allow_singular:
            return self._of_a_subspace(x, mean, _square(mean, cov))
        distance, log_det, d = _whitened(x, mean, cov)
        return np.squeeze(-0.5 * (d * math.log(2 * math.pi) + log_det + distance))

    def _of_a_subspace(self, x: Any, mean: Any, cov: Any) -> Any:
        """Where directions have no variance: the density along the others, and none beside these, by SciPy's bounds of
        what is no variance: 1e6 (in single precision 1e3) roundings of the largest."""
        if isinstance(cov, Tracer):
            raise MissingRuleError(
                f"scipy.stats.{self.name}.logpdf with allow_singular=True and a traced covariance{place()}: its rank "
                "is not known; leave allow_singular out, or give a covariance that is no traced value"
            )
        variances, directions = np.linalg.eigh(cov)
        factor = {"f": 1e3, "d": 1e6}[variances.dtype.char]
        eps = factor * np.finfo(variances.dtype).eps * np.max(np.abs(variances))
        if np.min(variances) < -eps:
            raise ValueError("The input matrix must be symmetric positive semidefinite.")
        some = variances > eps
        away = _away(x, mean, len(cov))
        distance = np.sum((away @ (directions[:, some] / np.sqrt(variances[some]))) ** 2, axis=-1)
        constant = np.sum(some) * math.log(2 * math.pi) + np.sum(np.log(variances[some]))
        beside = np.linalg.norm(away @ directions[:, ~some], axis=-1) >= 1e3 * eps if not all(some) else False
        return np.squeeze(np.where(beside, -np.inf, -0.5 * (constant + distance)))

    def _entropy(self, mean: Any = None, cov: Any = 1) -> Any:
        cov = _square(mean, cov)
        return 0.5 * (cov.shape[-1] * (math.log(2 * math.pi) + 1) + _log_det(np.linalg.cholesky(cov)))


def _infinite(df: Any) -> bool:
    return not isinstance(df, Tracer) and bool(np.all(np.isinf(df)))


class _Student(_Multivariate):
    """SciPy's `multivariate_t`."""

    def _logpdf(self, x: Any, loc: Any = None, shape: Any = 1, df: Any = 1) -> Any:
        if _infinite(df):
            return multivariate_normal._logpdf(x, loc, shape)
        distance, log_det, d = _whitened(x, loc, shape)
        df = _real(df) * 1.0
        constant = gammaln((df + d) / 2) - gammaln(df / 2) - d / 2 * np.log(df * math.pi)
        return np.squeeze(constant - 0.5 * log_det - (df + d) / 2 * np.log1p(distance / df))

    def _entropy(self, loc: Any = None, shape: Any = 1, df: Any = 1) -> Any:
        """By Kotz and Nadarajah, Multivariate t Distributions and Their Applications (2004), section 1.9."""
        if _infinite(df):
            return multivariate_normal._entropy(loc, shape)
        shape = _square(loc, shape)
        d, df = shape.shape[-1], _real(df) * 1.0
        constant = betaln(df / 2, d / 2) - gammaln(d / 2) + d / 2 * np.log(df * math.pi)
        return constant + (df + d) / 2 * psi_step(df / 2, d / 2) + 0.5 * _log_det(np.linalg.cholesky(shape))


class _Dirichlet(_Multivariate):
    """SciPy's `dirichlet`: `x` has its components along the first axis, of which the last may be left out."""

    methods = ("logpdf", "pdf", "entropy", "mean", "var")

    def _logpdf(self, x: Any, alpha: Any) -> Any:
        x, alpha = _real(x), _real(alpha)
        if x.shape[0] == alpha.shape[0] - 1:
            x = np.concatenate([x, 1.0 - np.sum(x, axis=0, keepdims=True)])
        if x.shape[0] != alpha.shape[0]:
            raise ShapeError(f"dirichlet: x {list(x.shape)} does not fit alpha {list(alpha.shape)}")
        powers = xlogy((alpha - 1).reshape(-1, *(1,) * (x.ndim - 1)), x)
        return np.squeeze(np.sum(powers, axis=0) + gammaln(np.sum(alpha)) - np.sum(gammaln(alpha)))

    def _entropy(self, alpha: Any) -> Any:
        alpha = _real(alpha)
        total, beta = np.sum(alpha), np.sum(gammaln(alpha)) - gammaln(np.sum(alpha))
        return beta + (total - len(alpha)) * psi(total) - np.sum((alpha - 1) * psi(alpha))

    def _mean(self, alpha: Any) -> Any:
        alpha = _real(alpha)
        return alpha / np.sum(alpha)

    def _var(self, alpha: Any) -> Any:
        alpha = _real(alpha)
        total = np.sum(alpha)
        return alpha * (total - alpha) / (total * total * (total + 1))


class _Wishart(_Multivariate):
    """SciPy's `wishart` and, by `inverse`, `invwishart`: of one matrix, or of those along the last of three axes."""

    def __init__(self, name: str, inverse: bool) -> None:
        super().__init__(name)
        self.inverse = inverse

    @staticmethod
    def _scale(scale: Any) -> Any:
        """The scale as a matrix, of one that may be a number or a diagonal."""
        scale = _real(1.0 if scale is None else scale)
        return np.diag(scale) if scale.ndim == 1 else np.atleast_2d(scale)

    def _logpdf(self, x: Any, df: Any, scale: Any) -> Any:
        x, scale, df = _real(x), self._scale(scale), _real(df) * 1.0
        d = scale.shape[-1]
        if x.ndim == 3:
            x = np.moveaxis(x, -1, 0)
        elif x.ndim < 2:
            x = x.reshape(-1, 1, 1) if d == 1 else x * np.eye(d)
        if scale.shape != (d, d) or x.shape[-2:] != (d, d):
            raise ShapeError(f"{self.name}: x {list(x.shape)} does not fit a scale {list(scale.shape)}")
        log_x, log_scale = np.linalg.slogdet(x)[1], np.linalg.slogdet(scale)[1]
        constant = -0.5 * df * d * math.log(2) - multigammaln(df / 2, d)
        scale = np.broadcast_to(scale, x.shape)
        if self.inverse:
            trace = np.trace(np.linalg.solve(x, scale), axis1=-2, axis2=-1)
            return np.squeeze(constant + 0.5 * df * log_scale - 0.5 * (df + d + 1) * log_x - 0.5 * trace)
        trace = np.trace(np.linalg.solve(scale, x), axis1=-2, axis2=-1)
        return np.squeeze(constant - 0.5 * df * log_scale + 0.5 * (df - d - 1) * log_x - 0.5 * trace)

    def _entropy(self, df: Any, scale: Any) -> Any:
        """By the expected log determinant (Bishop, Pattern Recognition and Machine Learning, 2006, B.82)."""
        scale, df = self._scale(scale), _real(df) * 1.0
        d = scale.shape[-1]
        log_scale = np.linalg.slogdet(scale)[1]
        digammas = np.sum(psi((df - np.arange(d)) / 2))
        common = multigammaln(df / 2, d) + 0.5 * df * d
        if self.inverse:
            return common + 0.5 * (d + 1) * (log_scale - math.log(2)) - 0.5 * (df + d + 1) * digammas
        return common + 0.5 * (d + 1) * (log_scale + d * math.log(2)) - 0.5 * (df - d - 1) * digammas


class _Multinomial(Base):
    """SciPy's `multinomial`: counts along the last axis. Where probabilities do not sum to 1, SciPy adjusted the last
    one up to version 1.17, and gives NaN since."""

    methods = ("logpmf", "pmf")

    def _logpmf(self, x: Any, n: Any, p: Any) -> Any:
        x, p, n = _real(x), _real(p), _real(n)
        p = cast(p, float_dtype(p))
        off = np.abs(1 - np.sum(p, axis=-1, keepdims=True)) > 10 * np.finfo(p.dtype).eps
        if not since("1.18.0"):
            rest = 1 - np.sum(p[..., :-1], axis=-1, keepdims=True)
            p = np.concatenate([p[..., :-1], np.where(off, rest, p[..., -1:])], axis=-1)
            off = np.zeros_like(off)
        whole = np.all(np.logical_and(x >= 0, np.floor(x) == x), axis=-1)
        inside = np.logical_and(np.sum(x, axis=-1) == n, whole)
        found = gammaln(n + 1.0) + np.sum(xlogy(x, p) - gammaln(x + 1.0), axis=-1)
        outside = np.logical_or(n < 0, np.any(off | (p < 0) | (p > 1), axis=-1))
        return np.where(outside, np.nan, np.where(inside, found, -np.inf))

    def _pmf(self, x: Any, n: Any, p: Any) -> Any:
        return np.exp(self._logpmf(x, n, p))


multivariate_normal = _Normal("multivariate_normal")
multivariate_t = _Student("multivariate_t")
dirichlet = _Dirichlet("dirichlet")
wishart = _Wishart("wishart", False)
invwishart = _Wishart("invwishart", True)
multinomial = _Multinomial("multinomial")

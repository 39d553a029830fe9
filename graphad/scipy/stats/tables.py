"""Tests of counts and of p-values: contingency tables, divergences, what several p-values say together."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.numpy.arguments import axis_of
from graphad.ops.elementwise import cast
from graphad.ops.special.beta import betainc
from graphad.ops.special.entropies import xlogy
from graphad.ops.special.error import ndtr, ndtri
from graphad.scipy.arguments import require
from graphad.scipy.dispatch import namespace
from graphad.scipy.stats.results import ContingencyResult, MedianTestResult, SignificanceResult
from graphad.scipy.stats.samples import (
    chi2_above,
    chi2_below,
    choose,
    number,
    real,
    statistic,
    student_pvalue,
    unsupported,
    without_nan,
)
from graphad.types import Array, ArrayLike

_traced = namespace("scipy.stats")[0]

POWERS = {
    "pearson": 1.0, "log-likelihood": 0.0, "freeman-tukey": -0.5, "mod-log-likelihood": -1.0, "neyman": -2.0,
    "cressie-read": 2 / 3,
}  # fmt: skip


def _terms(name: str, seen: Any, expected: Any, power: Any) -> Any:
    """The divergences of frequencies by Cressie and Read (1984)."""
    if isinstance(power, str):
        choose(name, "lambda_", power, *POWERS)
        power = POWERS[power]
    power = 1.0 if power is None else number(name, power, "a power", smooth=True)
    if power == 1:
        return (seen - expected) ** 2 / expected
    if power == 0:
        return 2.0 * xlogy(seen, seen / expected)
    if power == -1:
        return 2.0 * xlogy(expected, expected / seen)
    return seen * ((seen / expected) ** power - 1) / (0.5 * power * (power + 1))


def _divergence(name: str, seen: Any, expected: Any, ddof: Any, power: Any, check: bool) -> SignificanceResult:
    if expected is None:
        expected = np.mean(seen, axis=-1, keepdims=True)
    elif check:
        sums = np.sum(seen, axis=-1), np.sum(expected, axis=-1)
        close = np.abs(sums[0] - sums[1]) <= np.finfo(seen.dtype).eps ** 0.5 * np.minimum(*sums)
        require(close | np.isnan(sums[0] + sums[1]), "the sums of observed and expected frequencies must agree")
    terms = _terms(name, seen, expected, power)
    found = np.sum(terms, axis=-1)
    return SignificanceResult(found, chi2_above(found, terms.shape[-1] - 1 - number(name, ddof, "a correction")))


@statistic(optional=("f_exp",), small=-1)
def power_divergence(f_obs: Any, *, f_exp: Any = None, ddof: Any = 0, lambda_: Any = None) -> SignificanceResult:
    """SciPy's `power_divergence`, differentiable in the frequencies."""
    return _divergence("power_divergence", f_obs, f_exp, ddof, lambda_, True)


@statistic(optional=("f_exp",), small=-1)
def chisquare(f_obs: Any, *, f_exp: Any = None, ddof: Any = 0, sum_check: bool = True) -> SignificanceResult:
    """SciPy's `chisquare`, differentiable in the frequencies."""
    return _divergence("chisquare", f_obs, f_exp, ddof, "pearson", sum_check)


def _contingency(name: str, seen: Array, correction: bool, power: Any) -> ContingencyResult:
    axes = range(seen.ndim)
    expected = math.prod([
        np.sum(seen, axis=tuple([j for j in axes if j != k]), keepdims=True) for k in axes
    ]) / np.sum(seen) ** (seen.ndim - 1)  # fmt: skip
    require(expected != 0, "The internally computed table of expected frequencies has a zero element.")
    dof = expected.size - sum(expected.shape) + expected.ndim - 1
    if dof == 0:
        zero = np.sum(seen) * 0.0
        return ContingencyResult(zero, zero + 1.0, dof, expected)
    if dof == 1 and correction:
        away = expected - seen
        seen = seen + np.minimum(0.5, np.abs(away)) * np.sign(away)
    found = np.sum(_terms(name, seen, expected, power))
    return ContingencyResult(found, chi2_above(found, dof), dof, expected)


@_traced
def chi2_contingency(
    observed: ArrayLike, correction: bool = True, lambda_: Any = None, *, method: Any = None
) -> ContingencyResult:
    """SciPy's `chi2_contingency`, differentiable in the frequencies."""
    if method is not None:
        raise unsupported("chi2_contingency", "resampling", "leave method= out")
    (seen,) = real("chi2_contingency", observed)
    if not seen.size:
        raise ShapeError("No data; `observed` has size 0.")
    require(seen >= 0, "All values in `observed` must be nonnegative.")
    return _contingency("chi2_contingency", seen, correction, lambda_)


@_traced
def median_test(
    *samples: Any, ties: str = "below", correction: bool = True, lambda_: Any = 1, nan_policy: str = "propagate"
) -> MedianTestResult:
    """SciPy's `median_test`: the median is differentiable in the samples, the rest changes by jumps only."""
    choose("median_test", "ties", ties, "below", "above", "ignore")
    arrays = without_nan("median_test", real("median_test", *samples), nan_policy, False)
    if len(arrays) < 2 or any(x.ndim != 1 or not x.size for x in arrays):
        raise ShapeError("scipy.stats.median_test: give two or more vectors that are not empty")
    median = np.median(np.concatenate(arrays))
    above = [np.sum(x > median) for x in arrays]
    below = [np.sum(x < median) for x in arrays]
    if ties == "below":
        below = [x.shape[0] - n for x, n in zip(arrays, above, strict=True)]
    elif ties == "above":
        above = [x.shape[0] - n for x, n in zip(arrays, below, strict=True)]
    table = np.stack([np.stack(above), np.stack(below)])
    require(np.sum(table, axis=1) > 0, "All values are below or above the grand median.")
    found = _contingency("median_test", cast(table, float), correction, lambda_)
    return MedianTestResult(found[0], found[1], median, table)


# -- p-values -----------------------------------------------------------------------------------------------------


@statistic(optional=("weights",))
def combine_pvalues(pvalues: Any, *, method: str = "fisher", weights: Any = None) -> SignificanceResult:
    """SciPy's `combine_pvalues`, differentiable in the p-values and the weights."""
    choose("combine_pvalues", "method", method, "fisher", "pearson", "mudholkar_george", "tippett", "stouffer")
    n = float(pvalues.shape[-1])
    if method == "fisher":
        found = -2 * np.sum(np.log(pvalues), axis=-1)
        return SignificanceResult(found, chi2_above(found, 2 * n))
    if method == "pearson":
        found = 2 * np.sum(np.log1p(-pvalues), axis=-1)
        return SignificanceResult(found, chi2_below(-found, 2 * n))
    if method == "mudholkar_george":
        found = np.sum(np.log1p(-pvalues), axis=-1) - np.sum(np.log(pvalues), axis=-1)
        nu = 5 * n + 4
        t = found * (math.sqrt(3 / n) / math.pi * math.sqrt(nu / (nu - 2)))
        return SignificanceResult(found, student_pvalue("combine_pvalues", t, nu, "greater"))
    if method == "tippett":
        found = np.min(pvalues, axis=-1)
        return SignificanceResult(found, betainc(1.0, n, found))
    scores, w = -ndtri(pvalues), np.ones(pvalues.shape) if weights is None else weights
    found = np.sum(w * scores, axis=-1) / np.sqrt(np.sum(w**2, axis=-1))
    return SignificanceResult(found, ndtr(-found))


@_traced
def false_discovery_control(ps: Any, *, axis: int | None = 0, method: str = "bh") -> Any:
    """SciPy's `false_discovery_control`, differentiable in the p-values."""
    choose("false_discovery_control", "method", method.lower(), "bh", "by")
    (x,) = real("false_discovery_control", ps)
    require((x >= 0) & (x <= 1), "`ps` must include only numbers between 0 and 1.")
    x, axis = (x.reshape(-1), 0) if axis is None else (x, axis)
    if x.size <= 1 or x.shape[axis_of(x, axis, "false_discovery_control")] <= 1:
        return x
    x = np.moveaxis(x, axis, -1)
    n = x.shape[-1]
    order = np.argsort(x, axis=-1)
    factor = n / np.arange(1.0, n + 1)
    if method.lower() == "by":
        factor = factor * np.sum(1 / np.arange(1.0, n + 1))
    y = np.take_along_axis(x, order, axis=-1) * factor
    y = np.flip(np.minimum.accumulate(np.flip(y, -1), axis=-1), -1)
    back = np.argsort(order, axis=-1)
    return np.clip(np.moveaxis(np.take_along_axis(y, back, axis=-1), -1, axis), 0.0, 1.0)

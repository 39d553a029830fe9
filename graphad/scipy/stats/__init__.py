"""`graphad.scipy.stats`: SciPy's distributions and statistics on traced values.

`norm.logpdf(x, loc, scale)` and `norm(loc, scale).logpdf(x)` as in SciPy, whose own they are without traced operands,
differentiable in all parameters; statistics and tests of samples, differentiable in them. Ranks, and what is made of
them alone, change by jumps only: their derivative is 0. The names that are not defined here are SciPy's.
"""

from __future__ import annotations

from typing import Any

from graphad.scipy.dispatch import namespace
from graphad.scipy.stats import (
    comparisons,
    continuous,
    correlations,
    discrete,
    entropies,
    means,
    moments,
    multivariate,
    normality,
    orders,
    rank_tests,
    tables,
    transforms,
)
from graphad.scipy.stats.distribution import DISTRIBUTIONS

_, _original = namespace("scipy.stats")


def __getattr__(name: str) -> Any:
    return DISTRIBUTIONS[name] if name in DISTRIBUTIONS else _original(name)


__all__ = [
    "DISTRIBUTIONS", "comparisons", "continuous", "correlations", "discrete", "entropies", "means", "moments",
    "multivariate", "normality", "orders", "rank_tests", "tables", "transforms",
]  # fmt: skip

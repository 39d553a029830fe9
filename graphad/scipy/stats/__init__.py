"""`graphad.scipy.stats`: SciPy's distributions on traced values, differentiable in all parameters.

`norm.logpdf(x, loc, scale)` and `norm(loc, scale).logpdf(x)` as in SciPy, whose own they are without traced operands.
The names that are not defined here are SciPy's.
"""

from __future__ import annotations

from typing import Any

from graphad.scipy._register import namespace
from graphad.scipy.stats import continuous, discrete, multivariate
from graphad.scipy.stats.distribution import DISTRIBUTIONS

_, _original = namespace("scipy.stats")


def __getattr__(name: str) -> Any:
    return DISTRIBUTIONS[name] if name in DISTRIBUTIONS else _original(name)


__all__ = ["DISTRIBUTIONS", "continuous", "discrete", "multivariate"]

"""The distributions of integers."""

from __future__ import annotations

import numpy as np

from graphad.ops.rounding import floored
from graphad.ops.special.beta import betainc, betaincc, betaln
from graphad.ops.special.entropies import xlog1py, xlogy
from graphad.ops.special.gamma import gammaln
from graphad.ops.special.statistical import bdtr, bdtrc, binomial, pdtr, pdtrc
from graphad.scipy.stats.distribution import Discrete
from graphad.types import Array


def _probability(p: Array) -> Array:
    return np.logical_and(p >= 0, p <= 1)


def _log_choose(n: Array, k: Array) -> Array:
    return -np.log1p(n) - betaln(n - k + 1, k + 1)


poisson = Discrete(
    "poisson", "mu", lambda k, mu: xlogy(k, mu) - gammaln(k + 1) - mu, cdf=pdtr, sf=pdtrc, mean=lambda mu: mu,
    var=lambda mu: mu, support=(0.0, np.inf), proper=lambda mu: mu >= 0,
)  # fmt: skip
binom = Discrete(
    "binom", "n p",
    lambda k, n, p: gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1) + xlogy(k, p) + xlog1py(n - k, -p),
    cdf=lambda k, n, p: binomial(k, n, p, False), sf=lambda k, n, p: binomial(k, n, p, True),
    mean=lambda n, p: n * p, var=lambda n, p: n * p * (1 - p), support=lambda n, p: (0.0, n),
    proper=lambda n, p: np.logical_and(np.logical_and(n >= 0, n == np.floor(n)), _probability(p)),
)  # fmt: skip
bernoulli = Discrete(
    "bernoulli", "p", lambda k, p: xlogy(k, p) + xlog1py(1 - k, -p), cdf=lambda k, p: bdtr(k, 1.0, p),
    sf=lambda k, p: bdtrc(k, 1.0, p), mean=lambda p: p, var=lambda p: p * (1 - p), support=(0.0, 1.0),
    proper=_probability,
)  # fmt: skip
nbinom = Discrete(
    "nbinom", "n p",
    lambda k, n, p: gammaln(n + k) - gammaln(k + 1) - gammaln(n) + n * np.log(p) + xlog1py(k, -p),
    cdf=lambda k, n, p: betainc(1.0 * n, floored(k) + 1.0, p),
    sf=lambda k, n, p: betaincc(1.0 * n, floored(k) + 1.0, p),
    mean=lambda n, p: n * (1 - p) / p, var=lambda n, p: n * (1 - p) / p**2, support=(0.0, np.inf),
    proper=lambda n, p: np.logical_and(n > 0, np.logical_and(p > 0, p <= 1)),
)  # fmt: skip
geom = Discrete(
    "geom", "p", lambda k, p: xlog1py(k - 1, -p) + np.log(p), cdf=lambda k, p: -np.expm1(xlog1py(k, -p)),
    sf=lambda k, p: np.exp(xlog1py(k, -p)), mean=lambda p: 1 / p, var=lambda p: (1 - p) / p**2, support=(1.0, np.inf),
    proper=lambda p: np.logical_and(p > 0, p <= 1),
)  # fmt: skip
betabinom = Discrete(
    "betabinom", "n a b",
    lambda k, n, a, b: _log_choose(n, k) + betaln(k + a, n - k + b) - betaln(a, b),
    mean=lambda n, a, b: n * a / (a + b),
    var=lambda n, a, b: n * a * b * (a + b + n) / ((a + b) ** 2 * (a + b + 1)), support=lambda n, a, b: (0.0, n),
    proper=lambda n, a, b: np.logical_and(n >= 0, np.logical_and(a > 0, b > 0)),
)  # fmt: skip
hypergeom = Discrete(
    "hypergeom", "M n N",
    lambda k, m, n, d: _log_choose(n, k) + _log_choose(m - n, d - k) - _log_choose(m, d),
    mean=lambda m, n, d: n * d / m,
    var=lambda m, n, d: n * d * (m - n) * (m - d) / (m**2 * (m - 1)),
    support=lambda m, n, d: (np.maximum(0.0, d - (m - n)), np.minimum(n, d)),
    proper=lambda m, n, d: np.logical_and(np.logical_and(n >= 0, d >= 0), np.logical_and(n <= m, d <= m)),
)  # fmt: skip

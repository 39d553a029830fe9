"""Beta functions, complete and incomplete, and binomial coefficients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError
from graphad.op import Sample
from graphad.ops.elementwise import Partial, elementwise
from graphad.ops.special.base import Parametric, derived
from graphad.ops.special.entropies import xlog1py, xlogy
from graphad.ops.special.gamma import polygamma, psi, psi_step
from graphad.ops.special.incomplete import betainc_partial, combined
from graphad.ops.transcendental import exp, log, log1p
from graphad.types import Array

betaln = elementwise(
    "betaln", shared=True,
    code="special_betaln({0}, {1})",
    partials=[lambda out, a, b: -psi_step(a, b), lambda out, a, b: -psi_step(b, a)],
    singular=True,
    domain=(0.4, 3.0),
)
beta = elementwise(
    "beta", shared=True,
    code="special_beta({0}, {1})",
    partials=[lambda out, a, b: -out * psi_step(a, b), lambda out, a, b: -out * psi_step(b, a)],
    singular=True,
    domain=(0.4, 3.0),
)


def beta_density(a: Array, b: Array, x: Array) -> Array:
    """The density of the beta distribution, the derivative of `betainc` in `x`."""
    return exp(xlogy(a - 1, x) + xlog1py(b - 1, -x) - betaln(a, b))


def _in_beta(i: int, j: int, a: Array, b: Array, x: Array) -> Array:
    return BetaincPartial(i, j)(a, b, x)
_BETA = ((0.5, 4.0), (0.5, 4.0), (0.1, 0.9))
betainc = elementwise(
    "betainc", shared=True,
    code="special_betainc({0}, {1}, {2})",
    partials=[
        lambda out, a, b, x: _in_beta(1, 0, a, b, x), lambda out, a, b, x: _in_beta(0, 1, a, b, x),
        lambda out, a, b, x: beta_density(a, b, x),
    ],
    singular=True,
    domain=_BETA,
)  # fmt: skip
betaincc = elementwise(
    "betaincc",
    code="special_betaincc({0}, {1}, {2})",
    partials=[
        lambda out, a, b, x: -_in_beta(1, 0, a, b, x), lambda out, a, b, x: -_in_beta(0, 1, a, b, x),
        lambda out, a, b, x: -beta_density(a, b, x),
    ],
    singular=True,
    domain=_BETA,
)  # fmt: skip
betaincinv = elementwise(
    "betaincinv",
    code="special_betaincinv({0}, {1}, {2})",
    partials=[
        lambda out, a, b, y: -_in_beta(1, 0, a, b, out) / beta_density(a, b, out),
        lambda out, a, b, y: -_in_beta(0, 1, a, b, out) / beta_density(a, b, out),
        lambda out, a, b, y: 1 / beta_density(a, b, out),
    ],
    singular=True,
    domain=_BETA,
)
betainccinv = elementwise(
    "betainccinv",
    code="special_betainccinv({0}, {1}, {2})",
    partials=[
        lambda out, a, b, y: -_in_beta(1, 0, a, b, out) / beta_density(a, b, out),
        lambda out, a, b, y: -_in_beta(0, 1, a, b, out) / beta_density(a, b, out),
        lambda out, a, b, y: -1 / beta_density(a, b, out),
    ],
    singular=True,
    domain=_BETA,
)


@derived
def binom(n: Array, k: Array) -> Array:
    """Of `n > k - 1`."""
    return np.exp(-np.log1p(n) - betaln(1.0 + n - k, 1.0 + k))


class BetaincPartial(Parametric):
    """The derivative of SciPy's `betainc` of order `i` in `a` and `j` in `b`, together 1 or 2; operands `a, b, x`."""

    i: int
    j: int

    def of_vectors(self, a: Array, b: Array, x: Array) -> Array:
        return betainc_partial(self.i, self.j, a, b, x)

    @property
    def partials(self) -> Sequence[Partial]:
        return (self._raised(1, 0), self._raised(0, 1), self._in_argument)

    def _raised(self, i: int, j: int) -> Partial:
        def partial(out: Array, a: Array, b: Array, x: Array) -> Array:
            if self.i + self.j > 1:
                raise MissingRuleError("betainc has no third derivative in its parameters; use graphad.custom_jvp")
            return BetaincPartial(self.i + i, self.j + j)(a, b, x)

        return partial

    def _in_argument(self, out: Array, a: Array, b: Array, x: Array) -> Array:
        first, second = log(x) - psi(a) + psi(a + b), log1p(-x) - psi(b) + psi(a + b)
        change: Any = 0.0
        if self.i + self.j == 2:
            own = polygamma(1, a) if self.i == 2 else polygamma(1, b) if self.j == 2 else 0.0
            change = polygamma(1, a + b) - own
        return beta_density(a, b, x) * combined(self.i, self.j, first, second, change)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        a, b, x = np.array([0.4, 1.5, 4.0]), np.array([2.0, 0.7, 90.0]), np.array([0.2, 0.8, 0.03])
        for i, j in ((1, 0), (0, 1)):
            yield Sample(cls(i, j), (a, b, x))
        yield Sample(cls(1, 0), (a.astype("f4"), b.astype("f4"), x.astype("f4")))


__all__ = [
    "BetaincPartial", "beta", "beta_density", "betainc", "betaincc", "betainccinv", "betaincinv", "betaln", "binom",
]  # fmt: skip

"""The distributions of Kolmogorov and Smirnov."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError
from graphad.op import Sample
from graphad.ops.elementwise import Partial, elementwise
from graphad.ops.special.base import OfInteger
from graphad.ops.special.error import FloatFunction, gaussian
from graphad.types import Array


class KolmogorovDerivative(FloatFunction):
    """The `n`-th derivative, `n >= 1`, of SciPy's `kolmogorov`, by one of two series."""

    n: int

    @property
    def partials(self) -> Sequence[Partial]:
        return (lambda out, y: KolmogorovDerivative(self.n + 1)(y),)

    def eval(self, xp: Any, *xs: Any) -> Array:
        y = xs[0].astype("f8")
        with np.errstate(all="ignore"):
            small = self._near(xp, xp.where((y > 0) & (y < 0.8), y, 0.8))
            found = xp.where(y < 0.8, xp.where(y > 0, small, 0.0), self._away(xp, xp.maximum(y, 0.8)))
        return xp.where(xp.isnan(y), y, found).astype(xs[0].dtype)

    def _away(self, xp: Any, y: Array) -> Array:
        """Of `2 sum (-1)**(j - 1) exp(-2 (j y)**2)`."""
        total = xp.zeros_like(y)
        for j in range(1, 9):
            total = total - 2 * (-1) ** j * (math.sqrt(2) * j) ** self.n * gaussian(xp, self.n, math.sqrt(2) * j * y)
        return total

    def _near(self, xp: Any, y: Array) -> Array:
        """Of `1 - sqrt(2 pi) / y sum exp(-b / y**2)`, whose terms keep the form of a polynomial in `1 / y` times it."""
        total = xp.zeros_like(y)
        for k in range(1, 6):
            b = ((2 * k - 1) * math.pi) ** 2 / 8
            terms = np.polynomial.Polynomial([0.0, 1.0])
            for _ in range(self.n):
                terms = np.polynomial.Polynomial([0, 0, 0, 2 * b]) * terms - terms.deriv() * [0, 0, 1]
            value: Any = terms.coef[-1]
            for c in terms.coef[-2::-1]:
                value = c + value * (1 / y)
            total = total - math.sqrt(2 * math.pi) * value * xp.exp(-b / y**2)
        return xp.where(xp.isnan(total), 0.0, total)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        y = np.array([[0.4, 0.7, 0.9], [1.4, 2.0, -1.0]])
        for n in (1, 2):
            yield Sample(cls(n), (y,))
        yield Sample(cls(1), (y.astype("f4"),))


kolmogorov = elementwise(
    "kolmogorov", code="special_kolmogorov({0})", partials=[lambda out, y: KolmogorovDerivative(1)(y)],
    domain=(0.4, 2.0),
)  # fmt: skip
kolmogi = elementwise(
    "kolmogi", code="special_kolmogi({0})", partials=[lambda out, p: 1 / KolmogorovDerivative(1)(out)], singular=True,
    domain=(0.1, 0.9),
)  # fmt: skip


def _no_second(*operands: Any) -> Any:
    raise MissingRuleError("smirnov has only a first derivative in d; give a rule with graphad.custom_jvp")


smirnov_slope = elementwise(
    "_smirnovp", name="smirnov_slope", partials=[None, _no_second], base=OfInteger
)
smirnov = elementwise(
    "smirnov", partials=[None, lambda out, n, d: smirnov_slope(n, d)], base=OfInteger
)
smirnovi = elementwise(
    "smirnovi", singular=True, base=OfInteger,
    partials=[None, lambda out, n, p: 1 / smirnov_slope(n, out)],
)  # fmt: skip


__all__ = [
    "KolmogorovDerivative", "kolmogi", "kolmogorov", "smirnov", "smirnov_slope", "smirnovi",
]  # fmt: skip

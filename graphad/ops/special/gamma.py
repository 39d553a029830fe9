"""Gamma functions, complete and incomplete, and their logarithms and derivatives."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError
from graphad.op import Sample
from graphad.ops.arithmetic import logical_and, reciprocal, square
from graphad.ops.elementwise import Partial, elementwise, scalar
from graphad.ops.lowering import by_decomposition
from graphad.ops.select import select
from graphad.ops.special.base import Parametric, RealSamples
from graphad.ops.special.entropies import xlogy
from graphad.ops.special.error import FloatFunction
from graphad.ops.special.incomplete import gammainc_partial
from graphad.ops.special.zeta import zeta
from graphad.ops.transcendental import cos, exp, log, log1p, sin
from graphad.trace import UFUNCS, kind_of
from graphad.types import Array

gammaln = elementwise(
    "gammaln", shared=True, code="lgamma({0})", partials=[lambda out, x: psi(x)], singular=True, domain=(0.3, 5.0)
)
gamma = elementwise(
    "gamma", shared=True, code="special_gamma({0})",
    partials=[lambda out, x: out * psi(x)],
    singular=True,
    domain=(0.3, 4.0),
    base=RealSamples,
)


def _rgamma_slope(out: Array, x: Array) -> Array:
    """Below 1/2 of `gamma(1 - x) sin(pi x) / pi`, which has no poles there (DLMF 5.5.3)."""
    if x.dtype.kind == "c":
        return -out * psi(x)
    low = x < 0.5
    y = 1 - select(low, x, scalar(0, x.dtype))
    below = gamma(y) * (cos(math.pi * x) - psi(y) * sin(math.pi * x) / math.pi)
    return select(low, below, -out * psi(select(low, scalar(1, x.dtype), x)))


rgamma = elementwise(
    "rgamma", code="special_rgamma({0})",
    partials=[_rgamma_slope],
    singular=True,
    domain=(0.3, 4.0),
    base=RealSamples,
)
psi: Any = elementwise(
    "psi", code="special_psi({0})",
    partials=[lambda out, x: polygamma(1, x)],
    singular=True,
    domain=(0.3, 5.0),
    base=RealSamples,
)
UFUNCS["digamma"] = psi
_PSI = [1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12]


def psi_step(a: Array, b: Array) -> Array:
    """`psi(a + b) - psi(a)`; for large ones by the differences of the terms of DLMF 5.11.2, which do not cancel."""
    c = a + b
    far = logical_and(a > 10, c > 10)
    one = scalar(1, c.dtype)
    first, last = select(far, a, one), select(far, c, one)
    u, v = reciprocal(square(first)), reciprocal(square(last))
    value: Any = scalar(_PSI[-1], c.dtype)
    quotient: Any = scalar(0, c.dtype)
    for k in _PSI[-2::-1]:
        quotient = quotient * v + value
        value = value * u + k
    # The sum of k_i u**i less that of k_i v**i, over u - v.
    quotient = quotient * v + value
    change = b / (first * last)
    rest = change * (0.5 + (first + last) / (first * last) * quotient)
    return select(far, log1p(b / first) + rest, psi(c) - psi(a))
poch = elementwise(
    "poch", shared=True,
    code="special_poch({0}, {1})",
    partials=[lambda out, z, m: out * psi_step(z, m), lambda out, z, m: out * psi(z + m)],
    singular=True,
    domain=(0.4, 3.0),
)


def gamma_density(a: Array, x: Array) -> Array:
    """The density of the gamma distribution, the derivative of `gammainc` in `x`."""
    return exp(xlogy(a - 1, x) - x - gammaln(a))


def _in_gamma(n: int, a: Array, x: Array) -> Array:
    return GammaincPartial(n)(a, x)


_GAMMA = ((0.5, 4.0), (0.2, 5.0))
gammainc = elementwise(
    "gammainc", shared=True,
    code="special_gammainc({0}, {1})",
    partials=[lambda out, a, x: _in_gamma(1, a, x), lambda out, a, x: gamma_density(a, x)],
    singular=True,
    domain=_GAMMA,
)
gammaincc = elementwise(
    "gammaincc", shared=True,
    code="special_gammaincc({0}, {1})",
    partials=[lambda out, a, x: -_in_gamma(1, a, x), lambda out, a, x: -gamma_density(a, x)],
    singular=True,
    domain=_GAMMA,
)
# The inverse functions, by the derivative of what they solve.
gammaincinv = elementwise(
    "gammaincinv",
    code="special_gammaincinv({0}, {1})",
    partials=[
        lambda out, a, y: -_in_gamma(1, a, out) / gamma_density(a, out), lambda out, a, y: 1 / gamma_density(a, out),
    ],
    singular=True,
    domain=((0.5, 4.0), (0.1, 0.9)),
)  # fmt: skip
gammainccinv = elementwise(
    "gammainccinv",
    code="special_gammainccinv({0}, {1})",
    partials=[
        lambda out, a, y: -_in_gamma(1, a, out) / gamma_density(a, out), lambda out, a, y: -1 / gamma_density(a, out),
    ],
    singular=True,
    domain=((0.5, 4.0), (0.1, 0.9)),
)  # fmt: skip


class Polygamma(FloatFunction):
    """The `n`-th derivative of the digamma function, `(-1)**(n+1) n! zeta(n+1, x)` for `n >= 1` (DLMF 5.15.1)."""

    n: int
    singular = True

    @property
    def code(self) -> str:  # type: ignore[override]
        return f"{(-1.0) ** (self.n + 1) * math.factorial(self.n)} * special_zeta({self.n + 1}.0, {{0}})"

    @property
    def partials(self) -> Sequence[Partial]:
        return (lambda out, x: Polygamma(self.n + 1)(x),)

    def eval(self, xp: Any, *xs: Any) -> Array:
        if xp is not np:
            return by_decomposition(self, xp, xs)
        from scipy.special import zeta

        return ((-1.0) ** (self.n + 1) * math.factorial(self.n) * zeta(self.n + 1, xs[0])).astype(xs[0].dtype)

    def decompose(self, *xs: Any) -> Any:
        order = scalar(self.n + 1, xs[0].dtype)
        return (-1.0) ** (self.n + 1) * math.factorial(self.n) * zeta(order, xs[0])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([[0.5, 1.5, 2.25], [3.0, 0.75, 1.0]])
        for n in (1, 2, 3):
            yield Sample(cls(n), (x,))
        yield Sample(cls(1), (x.astype("f4"),))
        yield Sample(cls(1), (np.ones((0, 2)),))


def polygamma(n: int, x: Array) -> Array:
    """`scipy.special.polygamma` for a Python integer `n >= 0`. Raises `MissingRuleError` for a complex `x`."""
    if n and np.result_type(kind_of(x)).kind == "c":
        raise MissingRuleError(f"polygamma({n}, x) has no complex implementation: take derivatives of gamma at real x")
    return psi(x) if n == 0 else Polygamma(int(n))(x)


gammasgn = elementwise("gammasgn", shared=True, code="special_gammasgn({0})", partials=[None])


loggamma = elementwise(
    "loggamma", shared=True,
    code="special_loggamma({0})", partials=[lambda out, x: psi(x)], singular=True, domain=(0.3, 5.0),
    base=RealSamples,
)  # fmt: skip


class GammaincPartial(Parametric):
    """The `n`-th derivative of SciPy's `gammainc` in its parameter, `n` 1 or 2; operands `a, x`."""

    n: int

    def of_vectors(self, a: Array, x: Array) -> Array:
        return gammainc_partial(self.n, a, x)

    @property
    def partials(self) -> Sequence[Partial]:
        return (self._in_parameter, self._in_argument)

    def _in_parameter(self, out: Array, a: Array, x: Array) -> Array:
        if self.n > 1:
            raise MissingRuleError("gammainc has no third derivative in its parameter a; use graphad.custom_jvp")
        return GammaincPartial(2)(a, x)

    def _in_argument(self, out: Array, a: Array, x: Array) -> Array:
        score = log(x) - psi(a)
        return gamma_density(a, x) * (score if self.n == 1 else score * score - polygamma(1, a))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        a, x = np.array([0.3, 1.5, 4.0, 80.0]), np.array([0.5, 3.0, 1.2, 85.0])
        yield Sample(cls(1), (a, x))
        yield Sample(cls(1), (a.astype("f4"), x.astype("f4")))
        yield Sample(cls(1), (a[:, None], x[:2]))


__all__ = [
    "GammaincPartial", "Polygamma", "gamma", "gamma_density", "gammainc", "gammaincc", "gammainccinv", "gammaincinv",
    "gammaln", "gammasgn", "loggamma", "poch", "polygamma", "psi", "psi_step", "rgamma",
]  # fmt: skip

"""Distribution functions: of Student, and those that gamma and beta functions make up."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError
from graphad.op import Sample
from graphad.ops.arithmetic import square
from graphad.ops.elementwise import Partial, elementwise, scalar
from graphad.ops.rounding import floored, truncated
from graphad.ops.special.base import Parametric, derived
from graphad.ops.special.beta import betainc, betaincc, betainccinv, betaincinv, betaln
from graphad.ops.special.error import erf
from graphad.ops.special.gamma import gammainc, gammaincc, gammainccinv, gammaincinv, polygamma, psi
from graphad.ops.special.incomplete import student_partial
from graphad.ops.transcendental import exp, log1p, sqrt
from graphad.trace import Tracer
from graphad.types import Array

owens_t = elementwise(
    "owens_t", shared=True, code="special_owens_t({0}, {1})",
    partials=[
        lambda out, h, a: -0.5 / math.sqrt(2 * math.pi) * exp(-0.5 * h * h) * erf(math.sqrt(0.5) * a * h),
        lambda out, h, a: exp(-0.5 * h * h * (1 + a * a)) / (2 * math.pi * (1 + a * a)),
    ],
)  # fmt: skip


def student_density(df: Array, t: Array) -> Array:
    """The density of Student's distribution."""
    exponent = -betaln(df / 2, scalar(0.5, df.dtype)) - (df + 1) / 2 * log1p(square(t) / df)
    return exp(exponent) / sqrt(df)


def _in_df(df: Array, t: Array) -> Array:
    """The derivative of the distribution function in `df`."""
    return StudentPartial(1)(df, t)


stdtr = elementwise(
    "stdtr", code="special_stdtr({0}, {1})", singular=True, domain=((1.0, 6.0), (-3.0, 3.0)),
    partials=[lambda out, df, t: _in_df(df, t), lambda out, df, t: student_density(df, t)],
)
stdtrit = elementwise(
    "stdtrit", code="special_stdtrit({0}, {1})", singular=True, domain=((1.0, 6.0), (0.1, 0.9)),
    partials=[
        lambda out, df, p: -_in_df(df, out) / student_density(df, out),
        lambda out, df, p: 1 / student_density(df, out),
    ],
)  # fmt: skip


def _alike(*operands: Any) -> list[Any]:
    """Python's numbers in the precision of the traced operand: beside them SciPy computes `gammainc` in double."""
    narrow = any(isinstance(x, Tracer) and x.dtype.char == "f" for x in operands)
    return [np.float32(x) if narrow and isinstance(x, (int, float)) else x for x in operands]


@derived
def chdtr(v: Array, x: Array) -> Array:
    return gammainc(*_alike(v / 2, np.maximum(x, 0.0) / 2))


@derived
def chdtrc(v: Any, x: Array) -> Array:
    return gammaincc(*_alike(v / 2, np.maximum(x, 0.0) / 2))


@derived
def chdtri(v: Array, p: Array) -> Array:
    return 2 * gammainccinv(*_alike(v / 2, p))


@derived
def gdtr(a: Any, b: Any, x: Any) -> Any:
    return gammainc(*_alike(b, a * x))


@derived
def gdtrc(a: Any, b: Any, x: Any) -> Any:
    return gammaincc(*_alike(b, a * x))


@derived
def gdtrix(a: Any, b: Any, p: Any) -> Any:
    return gammaincinv(*_alike(b, p)) / a


def _of_ratio(dfn: Array, dfd: Array, x: Array, upper: bool) -> Array:
    """Snedecor's distribution by the beta function of the smaller of the two arguments whose sum is 1."""
    dfn, dfd, x = _alike(dfn, dfd, x)
    part = dfn * x
    swapped = part > dfd
    a, b, z = np.where(swapped, dfd, dfn) / 2, np.where(swapped, dfn, dfd) / 2, np.where(swapped, dfd, part)
    z = z / (dfd + part)
    below, above = betainc(a, b, z), betaincc(a, b, z)
    return np.where(swapped, below, above) if upper else np.where(swapped, above, below)


@derived
def fdtr(dfn: Array, dfd: Array, x: Array) -> Array:
    return _of_ratio(dfn, dfd, x, False)


@derived
def fdtrc(dfn: Array, dfd: Array, x: Array) -> Array:
    return _of_ratio(dfn, dfd, x, True)


@derived
def fdtri(dfn: Array, dfd: Array, p: Array) -> Array:
    """By what is inverted and its complement, so that neither loses its digits near 1."""
    return dfd * betaincinv(dfn / 2, dfd / 2, p) / (dfn * betainccinv(dfd / 2, dfn / 2, p))


@derived
def btdtr(a: Any, b: Any, x: Any) -> Any:
    return betainc(a, b, x)


@derived
def pdtr(k: Array, m: Array) -> Array:
    return gammaincc(*_alike(floored(k) + 1.0, m))


@derived
def pdtrc(k: Array, m: Array) -> Array:
    return gammainc(*_alike(floored(k) + 1.0, m))


def binomial(k: Any, n: Any, p: Any, upper: bool) -> Any:
    """The binomial distribution function, or what lies above, of real `n`."""
    k, n, p = _alike(floored(k), n, p)
    beyond = k >= n
    inside = np.where(beyond, n - 1.0, k)
    found = (betainc if upper else betaincc)(inside + 1.0, n - inside, p)
    return np.where(beyond, 0.0 if upper else 1.0, found)


@derived
def bdtr(k: Array, n: Any, p: Array) -> Array:
    return binomial(k, truncated(n), p, False)


@derived
def bdtrc(k: Array, n: Any, p: Array) -> Array:
    return binomial(k, truncated(n), p, True)


@derived
def nbdtr(k: Any, n: Any, p: Any) -> Any:
    return betainc(truncated(n) * 1.0, truncated(k) + 1.0, p)


@derived
def nbdtrc(k: Any, n: Any, p: Any) -> Any:
    return betaincc(truncated(n) * 1.0, truncated(k) + 1.0, p)


class StudentPartial(Parametric):
    """The `n`-th derivative of SciPy's `stdtr` in its degrees of freedom, `n` 1 or 2; operands `df, t`."""

    n: int

    def of_vectors(self, v: Array, t: Array) -> Array:
        return student_partial(self.n, v, t)

    @property
    def partials(self) -> Sequence[Partial]:
        return (self._in_parameter, self._in_argument)

    def _in_parameter(self, out: Array, v: Array, t: Array) -> Array:
        if self.n > 1:
            raise MissingRuleError("stdtr has no third derivative in its parameter df; use graphad.custom_jvp")
        return StudentPartial(2)(v, t)

    def _in_argument(self, out: Array, v: Array, t: Array) -> Array:
        u = t * t / v
        w = u / (1 + u)
        score = (psi((v + 1) / 2) - psi(v / 2) - 1 / v - log1p(u) + (1 + 1 / v) * w) / 2
        if self.n == 1:
            return student_density(v, t) * score
        slope = (polygamma(1, (v + 1) / 2) - polygamma(1, v / 2)) / 2 + 1 / (v * v)
        return student_density(v, t) * (score * score + (slope + w * w / v - w * (2 - w) / (v * v)) / 2)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        v, t = np.array([0.3, 1.5, 4.0, 80.0]), np.array([0.5, -3.0, 1.2, 2.5])
        yield Sample(cls(1), (v, t))
        yield Sample(cls(1), (v.astype("f4"), t.astype("f4")))
        yield Sample(cls(1), (v[:, None], t[:2]))


__all__ = [
    "StudentPartial", "bdtr", "bdtrc", "binomial", "btdtr", "chdtr", "chdtrc", "chdtri", "fdtr", "fdtrc", "fdtri",
    "gdtr", "gdtrc", "gdtrix", "nbdtr", "nbdtrc", "owens_t", "pdtr", "pdtrc", "stdtr", "stdtrit", "student_density",
]  # fmt: skip

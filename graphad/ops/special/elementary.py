"""Logistic and other elementary functions of `scipy.special`: the cardinal sine, of degrees, transformations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.op import OPS, Sample
from graphad.ops.arithmetic import float_power, reciprocal
from graphad.ops.elementwise import Partial, elementwise
from graphad.ops.rounding import rint
from graphad.ops.special.base import derived, near_zero
from graphad.ops.special.error import FloatFunction
from graphad.ops.special.integrals import exprel
from graphad.ops.transcendental import log, log1p, sin
from graphad.trace import UFUNCS
from graphad.types import Array

expit: Any = elementwise("expit", shared=True, code="1 / (1 + exp(-{0}))", partials=[lambda out, x: out * expit(-x)])
logit = elementwise(
    "logit", shared=True,
    code="where(abs({0} - 0.5) < 0.2, log1p((2 * {0} - 1) / (1 - {0})), log({0} / (1 - {0})))",
    partials=[lambda out, x: reciprocal(x * (1 - x))],
    singular=True,
    domain=(0.1, 0.9),
)
log_expit = elementwise(
    "log_expit", code="min({0}, 0) - log1p(exp(-abs({0})))", partials=[lambda out, x: expit(-x)]
)


class Sinc(FloatFunction):
    """NumPy's `sinc`, `sin(pi x) / (pi x)`; with `n`, its `n`-th derivative, by its series where `x` is small."""

    n: int = 0

    @property
    def partials(self) -> Sequence[Partial]:
        return (lambda out, x: Sinc(self.n + 1)(x),)

    def eval(self, xp: Any, *xs: Any) -> Array:
        x = np.pi * xs[0].astype(np.float64)
        # With f = sin(t)/t, t f = sin t gives t f^(n) + n f^(n-1) = sin(t + n pi/2), which loses digits for small t.
        nonzero = xp.where(x == 0, 1.0, x)
        direct = xp.sin(nonzero) / nonzero
        for k in range(1, self.n + 1):
            direct = (xp.sin(nonzero + k * np.pi / 2) - k * direct) / nonzero
        series = xp.zeros_like(x)
        for m in reversed(range((self.n + 1) // 2, self.n // 2 + 16 + self.n)):
            power = 2 * m - self.n
            series = series + (-1.0) ** m / (math.factorial(power) * (2 * m + 1)) * x**power
        small = xp.abs(x) < 1.0 + 0.5 * self.n
        return (np.pi**self.n * xp.where(small, series, direct)).astype(xs[0].dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([[0.5, -1.6, 2.25], [3.3, 0.0, 0.01]])
        for n in (0, 1, 2):
            yield Sample(cls(n), (x,))
        yield Sample(cls(), (x.astype("f4"),))
        yield Sample(cls(), (np.ones((0, 2)),))


def sinc(x: Any) -> Any:
    """`numpy.sinc`: `sin(pi x) / (pi x)`, and 1 at 0; smooth at 0 in every derivative."""
    return Sinc()(x)


for _name in ("cbrt", "exp2", "expm1", "log1p"):
    UFUNCS[_name] = OPS[_name]
UFUNCS["round"] = rint
_DEGREE = math.pi / 180
sindg = elementwise("sindg", code="special_sindg({0})", partials=[lambda out, x: _DEGREE * cosdg(x)])
cosdg: Any = elementwise("cosdg", code="special_cosdg({0})", partials=[lambda out, x: -_DEGREE * sindg(x)])
tandg = elementwise(
    "tandg", code="special_tandg({0})", partials=[lambda out, x: _DEGREE * (1 + out * out)], singular=True
)
cotdg = elementwise(
    "cotdg", code="special_cotdg({0})", partials=[lambda out, x: -_DEGREE * (1 + out * out)], singular=True,
    domain=(20.0, 80.0),
)  # fmt: skip
powm1 = elementwise(
    "powm1", code="special_powm1({0}, {1})", singular=True, domain=((0.3, 3.0), (-2.0, 2.0)),
    partials=[lambda out, x, y: y * float_power(x, y - 1), lambda out, x, y: float_power(x, y) * log(x)],
)  # fmt: skip


def _boxcox_slope(log_x: Array, lmbda: Array) -> Array:
    """The derivative of `(exp(lmbda log_x) - 1) / lmbda` in `lmbda`."""
    y = lmbda * log_x
    return log_x * log_x * exprel.partials[0](None, y)


boxcox = elementwise(
    "boxcox", shared=True, code="special_boxcox({0}, {1})", singular=True, domain=((0.3, 3.0), (-2.0, 2.0)),
    partials=[
        lambda out, x, lmbda: float_power(x, lmbda - 1),
        lambda out, x, lmbda: _boxcox_slope(log(x), lmbda),
    ],
)  # fmt: skip
boxcox1p = elementwise(
    "boxcox1p", shared=True, code="special_boxcox1p({0}, {1})", singular=True, domain=((-0.6, 3.0), (-2.0, 2.0)),
    partials=[
        lambda out, x, lmbda: float_power(1 + x, lmbda - 1),
        lambda out, x, lmbda: _boxcox_slope(log1p(x), lmbda),
    ],
)  # fmt: skip
cosm1 = elementwise("cosm1", code="special_cosm1({0})", partials=[lambda out, x: -sin(x)])


@derived
def exp10(x: Any) -> Any:
    return np.power(10.0, x)


@derived
def huber(delta: Any, r: Any) -> Any:
    size = np.abs(r)
    return np.where(size <= delta, 0.5 * r * r, delta * (size - 0.5 * delta))


_LOG1P = [(-1) ** k / (k + 1) for k in range(18)]
"""The series of `log1p(x) / x`."""


def _unpower(y: Any, lmbda: Any) -> Any:
    """`log1p(lmbda y) / lmbda`, and its limit at 0."""
    return y * near_zero(1.0 * lmbda * y, 0.1, _LOG1P, lambda x: np.log1p(x) / x)


@derived
def inv_boxcox(y: Any, lmbda: Any) -> Any:
    return np.exp(_unpower(y, lmbda))


@derived
def inv_boxcox1p(y: Any, lmbda: Any) -> Any:
    return np.expm1(_unpower(y, lmbda))


@derived
def radian(d: Any, m: Any, s: Any) -> Any:
    return (d + m / 60 + s / 3600) * (math.pi / 180)


__all__ = [
    "Sinc", "boxcox", "boxcox1p", "cosdg", "cosm1", "cotdg", "exp10", "expit", "huber", "inv_boxcox", "inv_boxcox1p",
    "log_expit", "logit", "powm1", "radian", "sinc", "sindg", "tandg",
]  # fmt: skip

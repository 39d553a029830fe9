"""Exponential, trigonometric and Fresnel integrals, and Spence's function."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.namespaces import scipy_of
from graphad.op import Sample
from graphad.ops.arithmetic import square
from graphad.ops.elementwise import Partial, cast, elementwise, scalar
from graphad.ops.rounding import maximum
from graphad.ops.select import select
from graphad.ops.special.base import HALF_PI, OfInteger, near_zero, safe
from graphad.ops.special.error import FloatFunction
from graphad.ops.transcendental import cos, cosh, exp, log, sin, sinh
from graphad.trace import UFUNCS
from graphad.types import Array


def _next_expn(out: Array, n: Array, x: Array) -> Array:
    below = expn(maximum(n - 1, 0), x)
    return -select(n >= 1, below, (exp(-x) - cast(n - 1, x.dtype) * out) / x)


expn: Any = elementwise(
    "expn", shared=True, code="special_expn({0}, {1})", partials=[None, _next_expn], singular=True, base=OfInteger
)


expi = elementwise(
    "expi", shared=True,
    code="special_expi({0})", partials=[lambda out, x: exp(x) / x], singular=True, domain=(0.3, 3.0),
)
exp1 = elementwise(
    "exp1", shared=True,
    code="special_exp1({0})", partials=[lambda out, x: -exp(-x) / x], singular=True, domain=(0.3, 3.0),
)
_EXPREL = [(n + 1) / math.factorial(n + 2) for n in range(14)]
exprel: Any = elementwise(
    "exprel", code="special_exprel({0})",
    partials=[lambda out, x: near_zero(x, 0.3, _EXPREL, lambda x: (exp(x) - exprel(x)) / x)],
)  # fmt: skip
_SPENCE = [-1 / (n + 1) for n in range(20)]
spence = elementwise(
    "spence", shared=True, code="special_spence({0})", singular=True, domain=(0.3, 3.0),
    partials=[lambda out, z: near_zero(1 - z, 0.1, _SPENCE, lambda y: log(z) / y)],
)  # fmt: skip


def _sinc_part(x: Array, hyperbolic: bool) -> Array:
    return select(x == 0, scalar(1, x.dtype), (sinh(x) if hyperbolic else sin(x)) / safe(x))


_COMPONENTS: dict[str, Sequence[Partial]] = {}


def with_components(name: str, slopes: Sequence[Partial]) -> None:
    """Make SciPy's function of several results an op for each of them, given the derivative of each."""
    _COMPONENTS[name] = slopes
    ops = [Component(name, i) for i in range(len(slopes))]
    UFUNCS[name] = lambda x: tuple([op(x) for op in ops])


class Component(FloatFunction):
    """One of the results of SciPy's `sici`, `shichi`, `fresnel` or `airy`, by `function` and `index`."""

    function: str
    index: int
    singular = True

    @property
    def host_only(self) -> str:  # type: ignore[override]
        return "" if self.function in ("sici", "fresnel") else "SciPy computes it, for NumPy's arrays"

    @property
    def partials(self) -> Sequence[Partial]:
        return (_COMPONENTS[self.function][self.index],)

    def eval(self, xp: Any, *xs: Any) -> Array:
        if xp is np:
            from scipy import special
        else:
            special = scipy_of(xp, "special")
        return getattr(special, self.function)(xs[0])[self.index].astype(xs[0].dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for function, parts in _COMPONENTS.items():
            for i in range(len(parts)):
                yield Sample(cls(function, i), (np.array([0.4, 1.3, 2.5]),))
        yield Sample(cls("sici", 0), (np.array([0.4, 1.3], "f4"),))


with_components("sici", [lambda out, x: _sinc_part(x, False), lambda out, x: cos(x) / x])
with_components("shichi", [lambda out, x: _sinc_part(x, True), lambda out, x: cosh(x) / x])
with_components("fresnel", [lambda out, x: sin(HALF_PI * square(x)), lambda out, x: cos(HALF_PI * square(x))])


__all__ = [
    "Component", "exp1", "expi", "expn", "exprel", "spence", "with_components",
]  # fmt: skip

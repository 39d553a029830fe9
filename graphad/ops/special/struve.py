"""Struve's and Kelvin's functions.

Derivatives are those of the NIST Digital Library of Mathematical Functions (DLMF), 11.4 and 10.61.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.op import OPS, Sample
from graphad.ops.arithmetic import float_power
from graphad.ops.elementwise import Partial, cast, elementwise, scalar
from graphad.ops.lowering import by_decomposition
from graphad.ops.special.base import POSITIVE, of_order
from graphad.ops.special.error import FloatFunction
from graphad.ops.special.gamma import gamma
from graphad.trace import UFUNCS
from graphad.types import Array


class KelvinDerivative(FloatFunction):
    """The `n`-th derivative of SciPy's `ber`, `bei`, `ker` or `kei`, by those of `jv` and `kv` on the diagonals."""

    function: str
    n: int
    singular = True

    @property
    def partials(self) -> Sequence[Partial]:
        return (lambda out, x: KelvinDerivative(self.function, self.n + 1)(x),)

    def composed(self, x: Any) -> Any:
        from graphad.ops.compositions.kelvin import derivative

        return cast(derivative(self.function, self.n, cast(x, np.dtype("f8"))), x.dtype)

    def eval(self, xp: Any, *xs: Any) -> Array:
        if xp is not np:
            return by_decomposition(self, xp, xs, "composed")
        from scipy import special

        turn = np.exp(0.25j * np.pi * (3 if self.function[0] == "b" else 1))
        derivative = special.jvp if self.function[0] == "b" else special.kvp
        with np.errstate(all="ignore"):
            z = derivative(0, turn * xs[0].astype("f8"), self.n) * turn**self.n
        return (z.imag if self.function[2] == "i" else z.real).astype(xs[0].dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([[0.5, 1.5], [2.25, 4.0]])
        for function in ("ber", "bei", "ker", "kei"):
            yield Sample(cls(function, 2), (x,))
        yield Sample(cls("ber", 3), (x.astype("f4"),))


for _name in ("ber", "bei", "ker", "kei"):
    elementwise(
        _name, code=f"special_{_name}({{0}})", partials=[lambda out, x, name=_name + "p": OPS[name](x)],
        singular=True, domain=POSITIVE,
    )  # fmt: skip
    elementwise(
        _name + "p", code=f"special_{_name}p({{0}})", singular=True, domain=POSITIVE,
        partials=[lambda out, x, name=_name: KelvinDerivative(name, 2)(x)],
    )  # fmt: skip


def _kelvin(x: Any) -> Any:
    parts: list[Any] = [OPS[name](x) for name in ("ber", "bei", "ker", "kei", "berp", "beip", "kerp", "keip")]
    return tuple(parts[i] + 1j * parts[i + 1] for i in range(0, 8, 2))


UFUNCS["kelvin"] = _kelvin


def _struve(name: str, above: float) -> Sequence[Partial]:
    def slope(out: Array, v: Array, x: Array) -> Array:
        op: Any = OPS[name]
        first = float_power(0.5 * x, v) / (math.sqrt(math.pi) * gamma(v + 1.5))
        return 0.5 * (op(v - 1, x) + above * op(v + 1, x) + first)

    return of_order(name), slope


for _name, _above in (("struve", -1.0), ("modstruve", 1.0)):
    elementwise(
        _name, code=f"special_{_name}({{0}}, {{1}})", partials=_struve(_name, _above), singular=True,
        domain=((0.3, 3.0), POSITIVE),
    )  # fmt: skip


def _struve0(name: str, x: Array) -> Array:
    return OPS[name](scalar(0, x.dtype), x)  # type: ignore[operator]


elementwise("itstruve0", code="special_itstruve0({0})", partials=[lambda out, x: _struve0("struve", x)])
elementwise("itmodstruve0", code="special_itmodstruve0({0})", partials=[lambda out, x: _struve0("modstruve", x)])
elementwise(
    "it2struve0", code="special_it2struve0({0})", partials=[lambda out, x: -_struve0("struve", x) / x], singular=True,
    domain=POSITIVE,
)  # fmt: skip


__all__ = [
    "KelvinDerivative",
]  # fmt: skip

"""Bessel functions of integer order, by their names in `scipy.special`.

Derivatives are those of the NIST Digital Library of Mathematical Functions (DLMF), 10.6 and 10.29.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.op import OPS, Sample
from graphad.ops.complex import sign
from graphad.ops.elementwise import Partial, elementwise
from graphad.ops.special import FloatFunction
from graphad.trace import UFUNCS


class Bessel(FloatFunction):
    """The Bessel function of order `n` of a kind: `jv` (first), `iv` (modified), or `ive` (`iv` times `exp(-abs(x))`).

    Its derivative is a combination of the neighbouring orders, which has no quotient by `x` and so holds at 0.
    """

    host_only = "SciPy computes it, for NumPy's arrays"
    kind: str
    n: int

    @property
    def singular(self) -> bool:  # type: ignore[override]
        return self.kind == "iv"

    @property
    def code(self) -> str:  # type: ignore[override]
        return f"special_{self.kind}({self.n}.0, {{0}})"

    @property
    def partials(self) -> Sequence[Partial]:
        return (lambda out, x: _bessel_derivative(self.kind, self.n, out, x),)

    def eval(self, xp: Any, *xs: Any) -> Any:
        from scipy import special

        return getattr(special, self.kind)(xs[0].dtype.type(self.n), xs[0])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([[0.5, -1.5, 2.25], [3.0, -0.75, 1.0]])
        for kind in ("jv", "iv", "ive"):
            for n in (0, 1, 2):
                yield Sample(cls(kind, n), (x,))
        yield Sample(cls("iv", 2), (x.astype("f4"),))
        yield Sample(cls("jv", 2), (np.ones((0, 2)),))


_NAMES = {
    ("jv", 0): "j0", ("jv", 1): "j1", ("iv", 0): "i0", ("iv", 1): "i1", ("ive", 0): "i0e", ("ive", 1): "i1e",
}  # fmt: skip


def bessel(kind: str, n: int, x: Any) -> Any:
    """The Bessel function `jv`, `iv` or `ive` of integer order `n`, through SciPy's faster ones for orders 0 and 1."""
    if n < 0:
        return bessel(kind, -n, x) * (-1.0 if kind == "jv" and n % 2 else 1.0)
    name = _NAMES.get((kind, n))
    return OPS[name](x) if name else Bessel(kind, n)(x)  # type: ignore[operator]


def _bessel_derivative(kind: str, n: int, out: Any, x: Any) -> Any:
    if n == 0:
        neighbours = -bessel(kind, 1, x) if kind == "jv" else bessel(kind, 1, x)
    else:
        lower, upper = bessel(kind, n - 1, x), bessel(kind, n + 1, x)
        neighbours = 0.5 * (lower - upper if kind == "jv" else lower + upper)
    return neighbours - sign(x) * out if kind == "ive" else neighbours


j0 = elementwise("j0", code="special_j0({0})", partials=[lambda out, x: _bessel_derivative("jv", 0, out, x)])
j1 = elementwise("j1", code="special_j1({0})", partials=[lambda out, x: _bessel_derivative("jv", 1, out, x)])
i0 = elementwise(
    "i0", shared=True,
    code="special_i0({0})", partials=[lambda out, x: _bessel_derivative("iv", 0, out, x)], singular=True,
)
i1 = elementwise(
    "i1", shared=True,
    code="special_i1({0})", partials=[lambda out, x: _bessel_derivative("iv", 1, out, x)], singular=True,
)
i0e = elementwise(
    "i0e", shared=True, code="special_i0e({0})", partials=[lambda out, x: _bessel_derivative("ive", 0, out, x)]
)
i1e = elementwise(
    "i1e", shared=True, code="special_i1e({0})", partials=[lambda out, x: _bessel_derivative("ive", 1, out, x)]
)


def _of_order(kind: str) -> Any:
    def bessel_of_order(n: Any, x: Any) -> Any:
        # Of a known integer order the derivative holds at 0 too, and orders 0 and 1 have faster functions.
        return bessel(kind, int(n), x) if isinstance(n, (int, np.integer)) else OPS[kind](n, x)  # type: ignore[operator]

    return bessel_of_order


UFUNCS.update({kind: _of_order(kind) for kind in ("jv", "iv", "ive")})

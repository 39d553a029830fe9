"""Lambert's W and the functions of Wright."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.op import Sample
from graphad.ops.elementwise import Partial, cast, elementwise
from graphad.ops.lowering import by_decomposition
from graphad.ops.special.base import Ordered
from graphad.ops.special.error import wofz
from graphad.ops.special.parameters import least, parameter, size, within
from graphad.ops.transcendental import exp
from graphad.trace import UFUNCS
from graphad.types import Array


class LambertW(Ordered):
    """SciPy's `lambertw` of a branch and a number, `k, z`, which is complex, with its tolerance."""

    tol: float = 1e-8
    kinds = "FD"

    def promote(self, kinds: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return np.dtype("i8"), wofz.promote(kinds[1:])[0]

    @property
    def partials(self) -> Sequence[Partial]:
        # w / (z (1 + w)) without its quotient by z.
        return None, lambda out, k, z: exp(-out) / (1 + out)

    def eval(self, xp: Any, *xs: Any) -> Array:
        if xp is not np:
            return by_decomposition(self, xp, xs, "composed")
        from scipy.special import lambertw

        return np.asarray(lambertw(xs[1], xs[0], self.tol)).astype(xs[1].dtype)

    def composed(self, *xs: Any) -> Any:
        """By simpler ops: too many to be compiled where NumPy can be called."""
        from graphad.ops.compositions.roots import lambert_w

        k, z = xs
        return cast(lambert_w(k, cast(z, np.dtype("c16"))), z.dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        z, k = np.array([0.5 + 0.3j, 2.0 - 0.4j, -0.2 + 0.1j, 0j]), np.array([0, -1, 1, 0])
        yield Sample(cls(), (k, z))
        yield Sample(cls(), (k, z.astype("c8")))


UFUNCS["_lambertw"] = lambda z, k, tol: LambertW(float(tol))(k, z)
wrightomega = elementwise(
    "wrightomega", code="special_wrightomega({0})", partials=[lambda out, z: out / (1 + out)], domain=(-2.0, 3.0)
)
wright_bessel: Any = elementwise(
    "wright_bessel", code="special_wright_bessel({0}, {1}, {2})", singular=True,
    domain=((0.3, 2.0), (0.5, 3.0), (0.2, 3.0)),
    partials=[
        parameter("wright_bessel", 0, lambda a, b, x: least(within(size(x)), 0.9 * a)),
        parameter("wright_bessel", 1, lambda a, b, x: least(within(size(x)), 0.9 * b)),
        lambda out, a, b, x: wright_bessel(a, a + b, x),
    ],
)  # fmt: skip
log_wright_bessel: Any = elementwise(
    "log_wright_bessel", singular=True, domain=((0.3, 2.0), (0.5, 3.0), (0.2, 3.0)),
    partials=[
        parameter("log_wright_bessel", 0, lambda a, b, x: least(within(size(x)), a / 8)),
        parameter("log_wright_bessel", 1, lambda a, b, x: least(within(size(x)), b / 8)),
        lambda out, a, b, x: exp(log_wright_bessel(a, a + b, x) - out),
    ],
)  # fmt: skip


__all__ = [
    "LambertW", "log_wright_bessel", "wright_bessel", "wrightomega",
]  # fmt: skip

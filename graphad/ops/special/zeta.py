"""Zeta functions."""

from __future__ import annotations

from typing import Any

from graphad.ops.elementwise import elementwise
from graphad.ops.special.parameters import above, least, parameter, power, size, within

zetac = elementwise(
    "zetac", code="special_zetac({0})", domain=(1.5, 4.0),
    partials=[parameter("zetac", 0, lambda x: least(within(size(x)), above(1.0, x)))],
)  # fmt: skip
zeta: Any = elementwise(
    "_zeta", name="zeta", shared=True, code="special_zeta({0}, {1})", singular=True, domain=((1.5, 4.0), (0.5, 3.0)),
    partials=[
        parameter("zeta", 0, lambda x, q: least(within(power(q)), above(1.0, x))),
        lambda out, x, q: -x * zeta(x + 1, q),
    ],
)  # fmt: skip

riemann_zeta = elementwise(
    "_riemann_zeta", name="riemann_zeta", singular=True, domain=(-3.0, 0.8),
    partials=[parameter("riemann_zeta", 0, lambda x: least(within(size(x)), above(1.0, x)))],
)  # fmt: skip


__all__ = [
    "riemann_zeta", "zeta", "zetac",
]  # fmt: skip

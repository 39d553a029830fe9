"""Hypergeometric functions."""

from __future__ import annotations

from typing import Any

from graphad.ops.elementwise import Ufunc, elementwise
from graphad.ops.special.parameters import from_poles, least, parameter, power, size, within

hyp0f1: Any = elementwise(
    "hyp0f1", code="special_hyp0f1({0}, {1})", singular=True, domain=((0.5, 3.0), (-2.0, 2.0)),
    partials=[
        parameter("hyp0f1", 0, lambda v, z: least(within(size(z), size(v)), from_poles(v))),
        lambda out, v, z: hyp0f1(v + 1, z) / v,
    ],
)
hyp1f1: Any = elementwise(
    "hyp1f1", shared=True,
    code="special_hyp1f1({0}, {1}, {2})", singular=True, domain=((0.5, 3.0), (0.5, 3.0), (-2.0, 2.0)),
    partials=[
        parameter("hyp1f1", 0, lambda a, b, z: within(size(z), size(a))),
        parameter("hyp1f1", 1, lambda a, b, z: least(within(size(z), size(b)), from_poles(b))),
        lambda out, a, b, z: a / b * hyp1f1(a + 1, b + 1, z),
    ],
)  # fmt: skip
hyp2f1: Any = elementwise(
    "hyp2f1", shared=True, code="special_hyp2f1({0}, {1}, {2}, {3})", singular=True,
    domain=((0.5, 2.0), (0.5, 2.0), (0.5, 3.0), (-0.7, 0.7)),
    partials=[
        parameter("hyp2f1", 0, lambda a, b, c, z: within(size(z), power(1 - z), size(a))),
        parameter("hyp2f1", 1, lambda a, b, c, z: within(size(z), power(1 - z), size(b))),
        parameter("hyp2f1", 2, lambda a, b, c, z: least(within(size(z), power(1 - z), size(c)), from_poles(c))),
        lambda out, a, b, c, z: a * b / c * hyp2f1(a + 1, b + 1, c + 1, z),
    ],
)  # fmt: skip


class _Rough(Ufunc, abstract=True):
    """SciPy's own values have errors that differences magnify."""

    exempt = dict.fromkeys(("jvp", "second"), "SciPy's values are good to 1e-9 at best, too rough for differences")


hyperu: Any = elementwise(
    "hyperu", code="special_hyperu({0}, {1}, {2})", base=_Rough, singular=True,
    domain=((0.5, 2.0), (0.3, 1.8), (0.5, 3.0)),
    partials=[
        parameter("hyperu", 0, lambda a, b, z: within(power(z), size(a))),
        parameter("hyperu", 1, lambda a, b, z: within(power(z), size(b))),
        lambda out, a, b, z: -a * hyperu(a + 1, b + 1, z),
    ],
)  # fmt: skip


__all__ = [
    "hyp0f1", "hyp1f1", "hyp2f1", "hyperu",
]  # fmt: skip

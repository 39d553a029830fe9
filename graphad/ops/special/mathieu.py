"""Characteristic values of Mathieu's functions, and parabolic cylinder functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from graphad.op import Sample
from graphad.ops.elementwise import Partial, elementwise
from graphad.ops.special.base import OfInteger, Result, fixed, with_results
from graphad.ops.special.parameters import parameter, size, slope, within
from graphad.ops.transcendental import sqrt


class _OfWhole(OfInteger, abstract=True):
    """The order is a whole number, which SciPy takes as a floating one."""

    exempt = {**OfInteger.exempt, **dict.fromkeys(("jvp", "second"), "its order is whole, and NaN beside that")}

    def samples(self) -> Iterable[Sample]:  # type: ignore[override]
        for sample in super().samples():
            yield Sample(self, tuple([np.asarray(x, float) for x in sample.operands]))


def _of_fourier_order(name: str) -> None:
    """A characteristic value of Mathieu's equation, whose branch points in `q` are no nearer than 1.468j."""
    reach: Any = lambda m, q: sqrt(q * q + 2.1) / 8
    elementwise(name, partials=[None, parameter(name, 1, reach)], base=_OfWhole)


_of_fourier_order("mathieu_a")
_of_fourier_order("mathieu_b")


def _cylinder(name: str, bend: Callable[[Any, Any], Any]) -> None:
    """A parabolic cylinder function and its slope, with `w'' == bend(a, x) w`."""
    slopes: list[Partial] = [
        lambda out, a, x: Result(name, 1)(a, x), lambda out, a, x: bend(a, x) * Result(name, 0)(a, x)
    ]  # fmt: skip

    def in_parameter(i: int) -> Partial:
        if name == "pbwa":
            return fixed(name, "a")  # of which SciPy's values have no more than six digits at some places
        return lambda out, a, x: slope(lambda a: Result(name, i)(a, x), a, within(size(x), size(a)))

    with_results(name, [[in_parameter(i), own] for i, own in enumerate(slopes)], ((0.3, 2.5), (0.4, 2.0)))


_cylinder("pbdv", lambda v, x: 0.25 * x * x - v - 0.5)
_cylinder("pbvv", lambda v, x: 0.25 * x * x - v - 0.5)
_cylinder("pbwa", lambda a, x: a - 0.25 * x * x)

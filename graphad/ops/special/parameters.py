"""Derivatives of special functions in parameters for which no closed form is known.

The functions are analytic in their parameters, and so the derivative is that of the polynomial which interpolates the
function at the twelve Chebyshev points of a short interval about the parameter (Trefethen, "Approximation Theory and
Approximation Practice", chapters 8 and 21). What the interval leaves out is below rounding where the function grows
at most as `exp(v / h)` and its singularities are `8 h` away, `h` being half of the interval. What remains is SciPy's
own rounding, divided by `h`: a derivative keeps about thirteen digits of the larger of itself and the function where
SciPy's values have fifteen. Since it is made of the function itself, further derivatives follow as of any other code.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from graphad.op import OPS
from graphad.ops.complex import absolute
from graphad.ops.elementwise import Partial, scalar
from graphad.ops.rounding import minimum, rint
from graphad.ops.select import select
from graphad.ops.stop_gradient import StopGradient
from graphad.ops.transcendental import log, log1p
from graphad.types import Array

_COUNT = 12
_ANGLES = [(k + 0.5) * math.pi / _COUNT for k in range(_COUNT // 2)]
_NODES = [math.cos(angle) for angle in _ANGLES]
_WEIGHTS = [
    2 / _COUNT * sum(j * math.sin(j * math.pi / 2) * math.cos(j * angle) for j in range(1, _COUNT, 2))
    for angle in _ANGLES
]
"""The polynomial's derivative in the middle of `[-1, 1]`, of the values at the nodes less those at their negatives."""

Reach = Callable[..., Any]


def slope(function: Callable[[Any], Any], v: Array, reach: Array) -> Array:
    """The derivative of an analytic `function` at the real `v`, by its values within `reach` of it."""
    reach = StopGradient()(reach)
    total = None
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        step = node * reach
        term = weight * (function(v + step) - function(v - step))
        total = term if total is None else total + term
    return total / reach


def parameter(name: str, i: int, reach: Reach) -> Partial:
    """The partial derivative of the op `name` in its operand `i`, by its values within `reach(*operands)`."""

    def partial(out: Array | None, *xs: Any) -> Array:
        op: Any = OPS[name]
        return slope(lambda v: op(*xs[:i], v, *xs[i + 1 :]), xs[i], reach(*xs))

    return partial


# -- how far a function may be asked ------------------------------------------------------------------------------


def least(*reaches: Any) -> Array:
    found = reaches[0]
    for reach in reaches[1:]:
        found = minimum(found, reach)
    return found


def size(x: Any) -> Any:
    """The logarithm of `1 + abs(x)`."""
    return log1p(absolute(x))


def power(x: Array) -> Array:
    """The magnitude of `log(abs(x))`, by which a power of `x` grows; that of 1 where `x` is 0."""
    length = absolute(x)
    return absolute(log(select(length == 0, scalar(1, length.dtype), length)))


def within(*rates: Any) -> Array:
    """The reach of what grows at most with the sum of the `rates`, and 2 besides."""
    total = rates[0]
    for rate in rates[1:]:
        total = total + rate
    return 1 / (2 + total)


def above(edge: Any, v: Array) -> Array:
    """The reach of what has a singularity at `edge` and is used on both sides of it."""
    return absolute(v - edge) / 8


def from_poles(v: Array) -> Array:
    """The reach of what has poles at 0 and the negative integers, as the gamma function."""
    return absolute(v - minimum(rint(v), 0)) / 8


__all__ = [
    "Reach", "above", "from_poles", "least", "parameter", "power", "size", "slope", "within",
]  # fmt: skip

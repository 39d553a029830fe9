"""Entropies and their terms, ufuncs of `scipy.special`, and their derivatives where nothing is expected or found."""

from __future__ import annotations

from graphad.op import is_linear
from graphad.ops.arithmetic import logical_and, square
from graphad.ops.elementwise import elementwise, scalar
from graphad.ops.select import select
from graphad.ops.transcendental import hypot, log, log1p
from graphad.types import Array


def ratio(x: Array, y: Array) -> Array:
    """`x / y`, and 0 where both are 0."""
    return x / select(logical_and(x == 0, y == 0), scalar(1, y.dtype), y)


def _unless_nothing(x: Array, y: Array, slope: Array) -> Array:
    """A slope in `x`, and 0 at `(0, 0)`, where it is infinite: an empty bin without expectation says nothing."""
    return slope if is_linear(x) else select(logical_and(x == 0, y == 0), scalar(0, slope.dtype), slope)


xlogy = elementwise(
    "xlogy", shared=True,
    code="where(({0} == 0) & ~isnan({1}), 0, {0} * log({1}))",
    partials=[lambda out, x, y: _unless_nothing(x, y, log(y)), lambda out, x, y: ratio(x, y)],
    multilinear=[0],
    singular=True,
    domain=((-2.0, 2.0), (0.3, 3.0)),
)
xlog1py = elementwise(
    "xlog1py", shared=True,
    code="where(({0} == 0) & ~isnan({1}), 0, {0} * log1p({1}))",
    partials=[lambda out, x, y: _unless_nothing(x, 1 + y, log1p(y)), lambda out, x, y: ratio(x, 1 + y)],
    multilinear=[0],
    singular=True,
    domain=((-2.0, 2.0), (-0.6, 3.0)),
)
entr = elementwise(
    "entr", shared=True,
    code="special_entr({0})", partials=[lambda out, x: -1 - log(x)], singular=True, domain=(0.2, 3.0),
)
rel_entr = elementwise(
    "rel_entr", shared=True,
    code="special_rel_entr({0}, {1})",
    partials=[lambda out, x, y: _unless_nothing(x, y, 1 + log(x / y)), lambda out, x, y: -ratio(x, y)],
    singular=True,
    domain=((0.2, 3.0), (0.3, 2.0)),
)
kl_div = elementwise(
    "kl_div", shared=True,
    code="special_kl_div({0}, {1})",
    partials=[lambda out, x, y: _unless_nothing(x, y, log(x / y)), lambda out, x, y: 1 - ratio(x, y)],
    singular=True,
    domain=((0.2, 3.0), (0.3, 2.0)),
)


def _pseudo_huber_slope(out: Array, delta: Array, r: Array) -> Array:
    """`(h - delta)**2 / h` for `h == hypot(delta, r)`."""
    h = hypot(delta, r)
    return ratio(square(r * ratio(r, h + delta)), h)


pseudo_huber = elementwise(
    "pseudo_huber",
    code="special_pseudo_huber({0}, {1})",
    partials=[_pseudo_huber_slope, lambda out, delta, r: delta * ratio(r, hypot(delta, r))],
    singular=True,
    domain=((0.3, 2.0), (-2.0, 2.0)),
)


__all__ = [
    "entr", "kl_div", "pseudo_huber", "ratio", "rel_entr", "xlog1py", "xlogy",
]  # fmt: skip

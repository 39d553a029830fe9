"""What holds at an optimum: the equations of Karush, Kuhn and Tucker, with the active constraints held.

The derivative of an optimum in what it depends on is that of these equations' solution as long as the same constraints
are active (Fiacco, "Introduction to Sensitivity and Stability Analysis in Nonlinear Programming", 1983, chapter 3). A
variable at an active bound follows the bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphad import tree
from graphad.api.derivatives import vjp
from graphad.api.jacobians import jacfwd
from graphad.numpy._register import operand
from graphad.ops.elementwise import cast
from graphad.scipy.closed import Values
from graphad.types import FLOAT64

Vector = Callable[[Any, Values], Any]
"""A vector of the variables and the values."""
_TIGHT = 1e-6
"""How near to 0, relative to the variables, an inequality counts as active."""


class Problem(NamedTuple):
    """A minimum: the objective's gradient, bounds of the variables, and constraints that are 0, or 0 and more."""

    gradient: Vector
    bounds: Callable[[Values], tuple[Any, Any]] | None = None
    equal: Vector | None = None
    unequal: Vector | None = None

    def _constraints(self, x: Any, values: Values) -> Any:
        parts = [c(x, values) for c in (self.equal, self.unequal) if c is not None]
        return np.concatenate(parts) if parts else np.zeros(0)

    def lift(self, x: Any, values: Values) -> tuple[Any, Any]:
        """Variables and multipliers, and which bounds and constraints are active."""
        slack = self.gradient(x, values)
        low, high = self.bounds(values) if self.bounds is not None else (-np.inf, np.inf)
        y, active = x, np.zeros(0, bool)
        if self.equal is not None or self.unequal is not None:
            room = _TIGHT * (1 + np.abs(x))
            free = (x - low > room) & (high - x > room)
            c = self._constraints(x, values)
            first = 0 if self.equal is None else self.equal(x, values).shape[0]
            always = np.arange(c.shape[0]) < first
            tight = always | (c <= _TIGHT * (1 + np.max(np.abs(x))))
            slopes = np.where(tight[:, None] & free, jacfwd(lambda x: self._constraints(x, values))(x), 0.0)
            normal = slopes @ slopes.T + np.diag(np.where(tight, 0.0, 1.0))
            multipliers = np.linalg.solve(normal, slopes @ slack)
            active = always | (tight & (multipliers > 0))
            multipliers = np.where(active, multipliers, 0.0)
            y = np.concatenate([x, multipliers])
            slack = self._stationary(x, multipliers, values)
        below = x - low <= slack
        return y, (below, (high - x <= -slack) & np.logical_not(below), active)

    def residual(self, y: Any, values: Values, held: Any) -> Any:
        """What is 0 at the optimum, of the variables and multipliers."""
        below, above, active = held
        n = below.shape[0]
        x, multipliers = y[:n], y[n:]
        rows = self._stationary(x, multipliers, values)
        if self.bounds is not None:
            low, high = self.bounds(values)
            rows = np.where(below, x - np.where(below, low, 0.0), np.where(above, x - np.where(above, high, 0.0), rows))
        if not active.shape[0]:
            return rows
        return np.concatenate([rows, np.where(active, self._constraints(x, values), multipliers)])

    def _stationary(self, x: Any, multipliers: Any, values: Values) -> Any:
        slope = self.gradient(x, values)
        if not multipliers.shape[0]:
            return slope
        return slope - vjp(lambda x: self._constraints(x, values), x)[1](multipliers)[0]


def limits(bounds: Any, n: int) -> tuple[Any, Any]:
    """SciPy's bounds, pairs with `None` for no bound or its `Bounds`, as two vectors."""
    if hasattr(bounds, "lb"):
        pair = bounds.lb, bounds.ub
    else:
        rows = [_two(row) for row in bounds]
        low = [-np.inf if a is None else a for a, _ in rows]
        pair = low, [np.inf if b is None else b for _, b in rows]  # type: ignore[assignment]
    return tuple([np.broadcast_to(cast(operand(x), FLOAT64), (n,)) for x in pair])  # type: ignore[return-value]


def _two(row: Any) -> tuple[Any, Any]:
    low, high = row
    return low, high


def result(**fields: Any) -> Any:
    """SciPy's `OptimizeResult`, which is a tree."""
    from scipy.optimize import OptimizeResult

    if OptimizeResult not in tree._REGISTRY:
        whole = lambda data, xs: OptimizeResult(zip(data[0], xs, strict=True), **dict(data[1]))
        tree.register(OptimizeResult, _taken_apart, whole)
    return OptimizeResult(**fields)


def _taken_apart(x: Any) -> tuple[Sequence[Any], Any]:
    words = tuple([(k, v) for k, v in x.items() if isinstance(v, str)])
    keys = tuple([k for k, v in x.items() if not isinstance(v, str)])
    return [x[k] for k in keys], (keys, words)

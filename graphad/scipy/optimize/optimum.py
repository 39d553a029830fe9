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
from graphad.numpy.arguments import operand
from graphad.ops.elementwise import cast
from graphad.scipy.closed import Values
from graphad.scipy.implicit import solution
from graphad.types import FLOAT64

Vector = Callable[[Any, Values], Any]
"""A vector of the variables and the values."""
_TIGHT = 1e-6
"""How near, relative to the variables, an inequality that counts as active is."""
_ROOM = 1e-3
"""How near to a bound a variable is, relative to it, of which Newton's step says that it is at the bound."""


class MinimumProblem(NamedTuple):
    """A minimum: the objective's gradient, bounds of the variables, and constraints that are 0, or 0 and more."""

    gradient: Vector
    bounds: Callable[[Values], tuple[Any, Any]] | None = None
    equal: Vector | None = None
    unequal: Vector | None = None

    def solved(self, name: str, find: Callable[..., Any], values: Values) -> list[Any]:
        """What `find(*values)` finds, as `solution` gives it."""
        return solution(name, find, self.residual, values, self.lift, self.holds)

    def _constraints(self, x: Any, values: Values) -> Any:
        parts = [c(x, values) for c in (self.equal, self.unequal) if c is not None]
        return np.concatenate(parts) if parts else np.zeros(0)

    def lift(self, x: Any, values: Values) -> tuple[Any, Any]:
        """Variables and multipliers, and which bounds and constraints are active."""
        slack = self.gradient(x, values)
        low, high = self.bounds(values) if self.bounds is not None else (-np.inf, np.inf)
        y, active = x, np.zeros(0, bool)
        multipliers = np.zeros(0)
        if self.equal is not None or self.unequal is not None:
            room = _TIGHT * (1 + np.abs(x))
            free = (x - low > room) & (high - x > room)
            c, slopes = self._constraints(x, values), jacfwd(lambda x: self._constraints(x, values))(x)
            first = 0 if self.equal is None else self.equal(x, values).shape[0]
            always = np.arange(c.shape[0]) < first
            tight = always | (c <= _TIGHT * _length(x, slopes))
            slopes = np.where(tight[:, None] & free, slopes, 0.0)
            normal = slopes @ slopes.T + np.diag(np.where(tight, 0.0, 1.0))
            multipliers = np.linalg.solve(normal, slopes @ slack)
            active = always | (tight & (multipliers > 0))
            multipliers = np.where(active, multipliers, 0.0)
            y = np.concatenate([x, multipliers])
        if self.bounds is None:
            return y, (np.zeros(x.shape, bool), np.zeros(x.shape, bool), active)
        tilt: Callable[[Any], Any] = lambda x: self._stationary(x, multipliers, values)
        slope, bend = tilt(x), np.diag(jacfwd(tilt)(x))
        curved = bend > 0
        # Newton's step of each variable; where there is none, what rounding leaves of a slope counts as 0.
        flat = np.where(np.abs(slope) > _TIGHT * np.max(np.abs(slack), initial=0.0), np.inf, 0.0)
        step = np.where(curved, np.abs(slope) / np.where(curved, bend, 1.0), flat)
        room = np.minimum(step, _ROOM * (1 + np.abs(x)))
        below = (x - low <= room) & (slope >= 0)
        return y, (below, (high - x <= room) & (slope <= 0) & np.logical_not(below), active)

    def holds(self, y: Any, values: Values, held: Any) -> Any:
        """Whether bounds and inequalities are satisfied, but for what an iteration leaves."""
        x = y[: held[0].shape[0]]
        low, high = self.bounds(values) if self.bounds is not None else (-np.inf, np.inf)
        room = _ROOM * (1 + np.abs(x))
        within, unequal = np.all((x >= low - room) & (x <= high + room)), self.unequal
        if unequal is None:
            return within
        slopes = jacfwd(lambda x: unequal(x, values))(x)
        return within & np.all(unequal(x, values) >= -_ROOM * _length(x, slopes))

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


def _length(x: Any, slopes: Any) -> Any:
    """By how much functions with these slopes change on the length of the variables, or of 1."""
    return np.sqrt(np.sum(slopes * slopes, axis=1)) * (1 + np.max(np.abs(x)))


def limits(bounds: Any, n: int) -> tuple[Any, Any]:
    """SciPy's bounds, pairs with `None` for no bound or its `Bounds`, as two vectors."""
    if hasattr(bounds, "lb"):
        pair = bounds.lb, bounds.ub
    else:
        low = [-np.inf if a is None else a for a, _ in bounds]
        pair = low, [np.inf if b is None else b for _, b in bounds]  # type: ignore[assignment]
    return tuple([np.broadcast_to(cast(operand(x), FLOAT64), (n,)) for x in pair])  # type: ignore[return-value]


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

"""Explicit Runge-Kutta pairs with SciPy's coefficients, error norms and step sizes, as the body of a loop of the graph.

Hairer, Norsett and Wanner, "Solving Ordinary Differential Equations I", II.4 and II.6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from graphad.api.custom import stop_gradient

Function = Callable[..., Any]
_SAFETY, _LEAST, _MOST = 0.9, 0.2, 10.0


class Options(NamedTuple):
    """What `solve_ivp` says of a solver."""

    method: str
    rtol: Any
    atol: Any
    max_step: Any
    first_step: Any
    jac: Any

    def scale(self, *states: Any) -> Any:
        """The error that is allowed, by the largest of the states."""
        size = np.abs(states[0])
        for y in states[1:]:
            size = np.maximum(size, np.abs(y))
        return self.atol + size * self.rtol


class Step(NamedTuple):
    """A step that was tried, from `t` to `new`; `at` gives the states at times within it, in columns."""

    t: Any
    new: Any
    y: Any
    accepted: Any
    failed: Any
    at: Function


class Counts(NamedTuple):
    """Evaluations of the right-hand side, of its Jacobian, and decompositions."""

    nfev: Any
    njev: Any
    nlu: Any


class InitialValueProblem(NamedTuple):
    """`y' = f(t, y, values)` from `t0` to `tf`, which are constants for derivatives, in the given direction."""

    f: Function
    values: Sequence[Any]
    t0: Any
    tf: Any
    direction: Any

    def slope(self, t: Any, y: Any) -> Any:
        return self.f(t, y, self.values)

    def held(self, t: Any, y: Any) -> Any:
        """The slope as a constant for derivatives."""
        return self.f(stop_gradient(t), stop_gradient(y), stop_gradient(list(self.values)))

    def end_of_step(self, t: Any, h: Any) -> Any:
        """The time after a step of length `h`, within the interval."""
        new = t + self.direction * h
        return np.where(self.direction * (new - self.tf) > 0, self.tf, new)

    def least_step(self, t: Any) -> Any:
        return 10 * np.abs(np.nextafter(t, self.direction * np.inf) - t)


def combined(weights: Any, k: Sequence[Any]) -> Any:
    """The sum of rows by their weights, those of weight 0 left out."""
    total: Any = 0.0
    for w, slope in zip(weights, k, strict=False):
        if w != 0:
            total = total + float(w) * slope
    return total


def norm(x: Any) -> Any:
    """The root of the mean square."""
    return np.sqrt(np.mean(_squares(x)))


def _squares(x: Any) -> Any:
    return np.real(x * np.conj(x)) if x.dtype.kind == "c" else x**2


def first_step(p: InitialValueProblem, y0: Any, slope: Any, order: int, o: Options) -> Any:
    """The first step by the sizes of solution, slope and curvature (Hairer, Norsett and Wanner, II.4)."""
    length = np.abs(p.tf - p.t0)
    if o.first_step is not None:
        return np.minimum(o.first_step * 1.0, length)
    scale = o.scale(y0)
    d0, d1 = norm(y0 / scale), norm(slope / scale)
    small = np.logical_or(d0 < 1e-5, d1 < 1e-5)
    h0 = np.minimum(np.where(small, 1e-6, 0.01 * d0 / np.where(small, 1.0, d1)), length)
    safe = np.where(h0 == 0, 1.0, h0)
    ahead = p.held(p.t0 + h0 * p.direction, y0 + h0 * p.direction * slope)
    d2 = norm((ahead - slope) / scale) / safe
    flat = np.logical_and(d1 <= 1e-15, d2 <= 1e-15)
    largest = np.where(flat, 1.0, np.maximum(d1, d2))
    h1 = np.where(flat, np.maximum(1e-6, h0 * 1e-3), (0.01 / largest) ** (1 / (order + 1)))
    return np.minimum(np.minimum(np.minimum(100 * h0, h1), length), o.max_step)


class _State(NamedTuple):
    t: Any
    y: Any
    slope: Any
    h: Any
    rejected: Any
    counts: Counts


class RungeKutta:
    """One of SciPy's explicit pairs: `start` gives the state of the loop, `attempt` tries a step."""

    def __init__(self, problem: InitialValueProblem, options: Options) -> None:
        solver = getattr(import_module("scipy.integrate"), options.method)
        self.problem, self.options = problem, options
        self.eighth = options.method == "DOP853"
        self.a, self.b, self.c = solver.A, solver.B, solver.C
        self.stages = solver.n_stages
        self.order = solver.error_estimator_order
        self.exponent = -1.0 / (self.order + 1)
        self.e: Any = None if self.eighth else solver.E
        self.p: Any = None if self.eighth else solver.P
        if self.eighth:
            self.e3, self.e5, self.d = solver.E3, solver.E5, solver.D
            self.a_extra, self.c_extra = solver.A_EXTRA, solver.C_EXTRA

    def start(self, y0: Any) -> _State:
        p, o = self.problem, self.options
        slope = p.slope(p.t0, y0)
        h = first_step(p, stop_gradient(y0), stop_gradient(slope), self.order, o)
        return _State(p.t0, y0, slope, h, np.asarray(False), Counts(1 + (o.first_step is None), 0, 0))

    def attempt(self, s: _State) -> tuple[_State, Step]:
        p, o = self.problem, self.options
        least = p.least_step(s.t)
        failed = np.logical_and(s.rejected, s.h < least)
        new = p.end_of_step(s.t, np.where(s.rejected, s.h, np.clip(s.h, least, o.max_step)))
        step = new - s.t
        h = np.abs(step)
        after, last, k = self._step(s.t, s.y, s.slope, step)
        error = stop_gradient(self._error(k, step, o.scale(s.y, after)))
        accepted = error < 1
        power = np.where(error == 0, 1.0, error) ** self.exponent
        growth = np.where(error == 0, _MOST, np.minimum(_MOST, _SAFETY * power))
        growth = np.where(s.rejected, np.minimum(1.0, growth), growth)
        factor = np.where(accepted, growth, np.maximum(_LEAST, _SAFETY * power))
        factor = np.where(np.isnan(error), _LEAST, factor)
        t, y, slope = (np.where(accepted, a, b) for a, b in ((new, s.t), (after, s.y), (last, s.slope)))
        counts = s.counts._replace(nfev=s.counts.nfev + self.stages)
        state = _State(t, y, slope, h * factor, np.logical_not(accepted), counts)
        length = np.where(step == 0, 1.0, step)
        within = lambda ts: self._dense(s.t, s.y, after, k, step, (ts - s.t) / length)
        return state, Step(s.t, new, after, accepted, failed, within)

    def _step(self, t: Any, y: Any, slope: Any, h: Any) -> tuple[Any, Any, list[Any]]:
        """The state after a step, its slope, and all slopes of the step."""
        f = self.problem.slope
        k = [slope]
        for i in range(1, self.stages):
            k.append(f(t + self.c[i] * h, y + h * combined(self.a[i, :i], k)))
        after = y + h * combined(self.b, k)
        last = f(t + h, after)
        return after, last, [*k, last]

    def _error(self, k: list[Any], h: Any, scale: Any) -> Any:
        """The norm of the estimated error of a step, in units of what is allowed."""
        if not self.eighth:
            return norm(h * combined(self.e, k) / scale)
        fifth, third = (combined(e, k) / scale for e in (self.e5, self.e3))
        fifth, third = np.sum(_squares(fifth)), np.sum(_squares(third))
        denominator = fifth + 0.01 * third
        n = k[0].shape[0]
        safe = np.where(denominator == 0, 1.0, denominator)
        return np.where(denominator == 0, 0.0, np.abs(h) * fifth / np.sqrt(safe * n))

    def _dense(self, t: Any, y: Any, after: Any, k: list[Any], h: Any, x: Any) -> Any:
        """States in columns at fractions `x` of a step."""
        if not self.eighth:
            powers = [x ** (i + 1) for i in range(self.p.shape[1])]
            columns = [combined(self.p[:, i], k) for i in range(self.p.shape[1])]
            return y[:, None] + h * sum(c[:, None] * p for c, p in zip(columns, powers, strict=True))
        k = list(k)
        for a, c in zip(self.a_extra, self.c_extra, strict=True):
            k.append(self.problem.slope(t + c * h, y + h * combined(a[: len(k)], k)))
        change = after - y
        rows = [change, h * k[0] - change, 2 * change - h * (k[self.stages] + k[0])]
        rows += [h * combined(row, k) for row in self.d]
        total: Any = 0.0
        for i, row in enumerate(reversed(rows)):
            total = (total + row[:, None]) * (x if i % 2 == 0 else 1 - x)
        return total + y[:, None]

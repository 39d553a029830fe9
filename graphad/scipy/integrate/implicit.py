"""Implicit methods for stiff equations, `Radau` and `BDF`, with SciPy's steps, as the body of a loop of the graph.

Radau IIA of order 5: Hairer and Wanner, "Solving Ordinary Differential Equations II", IV.8. Backward differentiation
formulas of orders 1 to 5 on quasi-constant steps: Shampine and Reichelt, "The MATLAB ODE suite", SIAM J. Sci. Comput.
18 (1997). Newton's iterations are constants for derivatives: those of a step are of the equations that it solves.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from graphad.api.control import cond
from graphad.api.custom import custom_jvp, stop_gradient
from graphad.api.derivatives import jvp
from graphad.api.jacobians import jacfwd
from graphad.api.loops import while_loop
from graphad.scipy.integrate.explicit import Counts, Function, InitialValueProblem, Options, Step, first_step, norm
from graphad.scipy.linalg import lu_factor, lu_solve

_MOST, _LEAST = 10.0, 0.2


def implicit(residual: Function) -> Function:
    """`root(x, parameters)`: an `x` with `residual(x, parameters) == 0` as a function of the parameters.

    Its value is the vector given. Its derivatives are those of the implicit function theorem, to every order.
    """

    @custom_jvp
    def root(x: Any, parameters: Any) -> Any:
        return x * 1.0

    @root.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        x, parameters = root(*primals), primals[1]
        matrix = jacfwd(lambda x: residual(x, parameters))(x)
        change = jvp(lambda q: residual(x, q), (parameters,), (tangents[1],))[1]
        return x, -np.linalg.solve(matrix, change)

    return root


def _floats(values: Any) -> tuple[list[Any], Function]:
    """Values as floating numbers, which have tangents, and what turns them back."""
    dtypes = [v.dtype for v in values]
    back = lambda every: [v if d.kind in "fc" else v.astype(d) for v, d in zip(every, dtypes, strict=True)]
    return [v if v.dtype.kind in "fc" else v.astype(float) for v in values], back


class _Newton(NamedTuple):
    """Simplified Newton iterations: the point, their number, the last size and rate, and 1 when they converged."""

    x: Any
    count: Any
    size: Any
    rate: Any
    status: Any


def _newton(change: Function, x: Any, scale: Any, limit: int, tolerance: Any) -> _Newton:
    """`x + change(x)` again and again, until the changes are small in units of `scale`, or their rate is hopeless."""

    def again(s: _Newton) -> _Newton:
        dx = change(s.x)
        size = norm(dx / scale)
        rate = size / s.size
        hopeless = rate ** (limit - s.count) / (1 - rate) * size > tolerance
        bad = np.logical_or(np.logical_or(rate >= 1, hopeless), np.logical_not(np.all(np.isfinite(dx))))
        small = np.logical_or(size == 0, rate / (1 - rate) * size < tolerance)
        ended = np.where(small, 1, np.where(s.count + 1 == limit, -1, 0))
        status = np.where(bad, -1, ended)
        return _Newton(np.where(bad, s.x, s.x + dx), s.count + 1, size, rate, status)

    start = _Newton(x, 0, np.asarray(np.nan), np.asarray(np.nan), 0)
    return while_loop(lambda s: s.status == 0, again, start)  # type: ignore[no-any-return]


class _Implicit:
    """What the methods share: the Jacobian of the right-hand side, and the tolerance of Newton's iterations."""

    def __init__(self, problem: InitialValueProblem, options: Options) -> None:
        self.problem, self.options = problem, options
        eps = np.finfo(float).eps
        rtol = options.rtol
        self.tolerance = np.maximum(10 * eps / rtol, np.minimum(0.03, rtol**0.5))
        self.fixed = options.jac is not None and not callable(options.jac)

    def jacobian(self, t: Any, y: Any) -> Any:
        jac = self.options.jac
        if jac is None:
            return jacfwd(lambda y: self.problem.f(t, y, stop_gradient(list(self.problem.values))))(y)
        return stop_gradient(jac(t, y) if callable(jac) else jac) * 1.0


# -- Radau --------------------------------------------------------------------------------------------------------

_ROOT = 6**0.5
_A = np.array(
    [
        [(88 - 7 * _ROOT) / 360, (296 - 169 * _ROOT) / 1800, (-2 + 3 * _ROOT) / 225],
        [(296 + 169 * _ROOT) / 1800, (88 + 7 * _ROOT) / 360, (-2 - 3 * _ROOT) / 225],
        [(16 - _ROOT) / 36, (16 + _ROOT) / 36, 1 / 9],
    ]
)


class _RadauState(NamedTuple):
    t: Any
    y: Any
    slope: Any
    h: Any
    h_start: Any
    h_before: Any
    error_before: Any
    jacobian: Any
    current: Any
    real: Any
    complex: Any
    factored: Any
    last: Any
    retried: Any
    rejected: Any
    counts: Counts


class Radau(_Implicit):
    """Radau IIA of order 5, whose linear systems are one of real and one of complex numbers."""

    limit = 6

    def __init__(self, problem: InitialValueProblem, options: Options) -> None:
        super().__init__(problem, options)
        self.m = import_module("scipy.integrate._ivp.radau")
        values, back = _floats(problem.values)

        def residual(z: Any, parameters: Any) -> Any:
            t, h, y, values = parameters
            z = z.reshape(3, -1)
            slopes = np.stack([problem.f(t + c * h, y + z[i], back(values)) for i, c in enumerate(self.m.C)])
            return (z - h * (_A @ slopes)).reshape(-1)

        self.values, self.stages = values, implicit(residual)

    def start(self, y0: Any) -> _RadauState:
        p, o = self.problem, self.options
        y = stop_gradient(y0)
        n = y.shape[0]
        slope = p.held(p.t0, y)
        h = first_step(p, y, slope, 3, o)
        unknown = np.asarray(np.nan)
        no = np.asarray(False)
        return _RadauState(
            p.t0, y0, slope, h, h, unknown, unknown, self.jacobian(p.t0, y), np.asarray(True),
            (np.eye(n), np.arange(n)), (np.eye(n, dtype=complex), np.arange(n)), no,
            (p.t0, h * 1.0, y, np.zeros((3, n))), no, no,
            Counts(1 + (o.first_step is None), 1, 0),
        )  # fmt: skip

    def attempt(self, s: _RadauState) -> tuple[_RadauState, Step]:
        p, o, m = self.problem, self.options, self.m
        least = p.least_step(s.t)
        failed = np.logical_and(s.retried, s.h < least)
        clipped = np.logical_and(np.logical_not(s.retried), np.logical_or(s.h > o.max_step, s.h < least))
        h_start = np.where(s.retried, s.h_start, s.h)
        h_before, error_before = (np.where(clipped, np.nan, x) for x in (s.h_before, s.error_before))
        new = p.end_of_step(s.t, np.where(s.retried, s.h, np.clip(s.h, least, o.max_step)))
        step = new - s.t
        h = np.abs(step)
        y = stop_gradient(s.y)
        eye = np.eye(y.shape[0])
        mu, nu = m.MU_REAL / step, m.MU_COMPLEX / step
        fresh = lambda: (lu_factor(mu * eye - s.jacobian), lu_factor(nu * eye - s.jacobian))
        real, whole = cond(s.factored, lambda: (s.real, s.complex), fresh)
        guess = self._columns(s.last, s.t + step * m.C).T - y

        def change(w: Any) -> Any:
            z = m.T @ w
            slopes = np.stack([p.held(s.t + c * step, y + z[i]) for i, c in enumerate(m.C)])
            first = lu_solve(real, m.TI_REAL @ slopes - mu * w[0])
            pair = lu_solve(whole, m.TI_COMPLEX @ slopes - nu * (w[1] + 1j * w[2]))
            return np.stack([first, np.real(pair), np.imag(pair)])

        found = _newton(change, m.TI @ guess, o.scale(y), self.limit, self.tolerance)
        converged = found.status == 1
        z = m.T @ found.x
        after = y + z[2]
        shift = (m.E @ z) / step
        error = lu_solve(real, s.slope + shift)
        scale = o.scale(y, after)
        size = norm(error / scale)
        twice = np.logical_and(np.logical_and(s.rejected, size > 1), converged)
        again = lambda: norm(lu_solve(real, p.held(s.t, y + error) + shift) / scale)
        size = cond(twice, again, lambda: size * 1.0)
        accepted = np.logical_and(converged, size <= 1)
        rejected = np.logical_and(converged, np.logical_not(accepted))
        safety = 0.9 * (2 * self.limit + 1) / (2 * self.limit + found.count)
        multiplier = h / h_before * (error_before / size) ** 0.25
        multiplier = np.where(np.isnan(multiplier), 1.0, np.minimum(1.0, multiplier))
        factor = safety * multiplier * size**-0.25
        grown = np.minimum(_MOST, factor)
        renew = np.logical_and(found.count > 2, found.rate > 1e-3) if not self.fixed else np.asarray(False)
        same = np.logical_and(np.logical_not(renew), grown < 1.2)
        grown = np.where(same, 1.0, grown)
        stale = np.logical_and(np.logical_not(converged), np.logical_not(s.current))
        lost = np.logical_and(np.logical_not(converged), s.current)
        shrunk = np.where(lost, 0.5, np.where(rejected, np.maximum(_LEAST, factor), 1.0))
        slope = cond(accepted, lambda: p.held(new, after), lambda: s.slope * 1.0)
        renew = np.logical_or(np.logical_and(accepted, renew), stale)
        place = lambda: self.jacobian(np.where(accepted, new, s.t), np.where(accepted, after, y))
        jacobian = s.jacobian if self.fixed else cond(renew, place, lambda: s.jacobian * 1.0)
        current = np.logical_or(renew, np.logical_and(s.current, np.logical_not(accepted)))
        stages = self.stages(z.reshape(-1), (s.t, step, s.y, self.values)).reshape(3, -1)
        after = s.y + stages[2]
        counts = Counts(
            s.counts.nfev + 3 * found.count + twice + accepted, s.counts.njev + renew,
            s.counts.nlu + np.where(s.factored, 0, 2),
        )  # fmt: skip
        kept = np.logical_and(accepted, same)
        last = tuple(np.where(accepted, a, b) for a, b in zip((s.t, step, y, z), s.last, strict=True))
        state = _RadauState(
            np.where(accepted, new, s.t), np.where(accepted, after, s.y), slope,
            h * np.where(accepted, grown, shrunk), h_start, np.where(accepted, h_start, h_before),
            np.where(accepted, size, error_before), jacobian, current if not self.fixed else np.asarray(True),
            real, whole, kept, last, np.logical_not(accepted),
            np.logical_and(np.logical_or(rejected, s.rejected), np.logical_not(accepted)), counts,
        )  # fmt: skip
        within = lambda ts: self._columns((s.t, step, s.y, stages), ts)
        return state, Step(s.t, new, after, accepted, failed, within)

    def _columns(self, last: tuple[Any, Any, Any, Any], ts: Any) -> Any:
        """The collocation polynomial of a step at times, in columns."""
        t, h, y, z = last
        x = (ts - t) / np.where(h == 0, 1.0, h)
        return y[:, None] + (z.T @ self.m.P) @ np.stack([x, x * x, x * x * x])


# -- backward differentiation formulas ----------------------------------------------------------------------------

_ORDERS = 5
_KAPPA = np.array([0, -0.1850, -1 / 9, -0.0823, -0.0415, 0])
_GAMMA = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, _ORDERS + 1))])
_ALPHA = (1 - _KAPPA) * _GAMMA
_ERRORS = _KAPPA * _GAMMA + 1 / np.arange(1, _ORDERS + 2)
_ROWS = np.arange(_ORDERS + 3)


def _entry(table: Any, i: Any) -> Any:
    """One of a few numbers, by a traced index; 0 beyond them."""
    return np.sum(np.where(np.arange(len(table)) == i, table, 0.0))


def _spread(factor: Any) -> Any:
    i, j = np.arange(1, _ORDERS + 1)[:, None], np.arange(1, _ORDERS + 1)
    inner = (i - 1 - factor * j) / i
    below = np.concatenate([np.zeros((_ORDERS, 1)), inner], axis=1)
    return np.cumprod(np.concatenate([np.ones((1, _ORDERS + 1)), below]), axis=0)


def _rescaled(d: Any, order: Any, factor: Any) -> Any:
    """The differences of the same polynomial for steps that are `factor` times as long."""
    both = _spread(factor) @ _spread(1.0)
    rows = _ROWS[: _ORDERS + 1]
    inside = np.logical_and(rows[:, None] <= order, rows <= order)
    changed = np.where(inside, both, np.eye(_ORDERS + 1)).T @ d[: _ORDERS + 1]
    return np.concatenate([np.where(factor == 1, d[: _ORDERS + 1], changed), d[_ORDERS + 1 :]])


class _BdfState(NamedTuple):
    t: Any
    y: Any
    differences: Any
    spacing: Any
    h: Any
    order: Any
    equal: Any
    jacobian: Any
    current: Any
    factors: Any
    factored: Any
    retried: Any
    counts: Counts


class BDF(_Implicit):
    """Backward differentiation formulas, in their modified form, of orders 1 to 5."""

    limit = 4

    def __init__(self, problem: InitialValueProblem, options: Options) -> None:
        super().__init__(problem, options)
        values, back = _floats(problem.values)

        def residual(y: Any, parameters: Any) -> Any:
            t, c, past, values = parameters
            return y - past - c * problem.f(t, y, back(values))

        self.values, self.state = values, implicit(residual)

    def start(self, y0: Any) -> _BdfState:
        p, o = self.problem, self.options
        y = stop_gradient(y0)
        n = y.shape[0]
        slope = p.slope(p.t0, y0)
        h = first_step(p, y, stop_gradient(slope), 1, o)
        differences = np.concatenate([np.stack([y0, slope * (h * p.direction)]), np.zeros((_ORDERS + 1, n))])
        no = np.asarray(False)
        return _BdfState(
            p.t0, y0, differences, h, h, np.asarray(1), np.asarray(0), self.jacobian(p.t0, y), np.asarray(self.fixed),
            (np.eye(n), np.arange(n)), no, no, Counts(1 + (o.first_step is None), 1, 0),
        )  # fmt: skip

    def attempt(self, s: _BdfState) -> tuple[_BdfState, Step]:
        p, o, order = self.problem, self.options, s.order
        least = p.least_step(s.t)
        failed = np.logical_and(s.retried, s.h < least)
        wanted = np.where(s.retried, s.h, np.clip(s.h, least, o.max_step))
        new = p.end_of_step(s.t, wanted)
        ended = p.direction * (s.t + p.direction * wanted - p.tf) > 0
        step = new - s.t
        h = np.where(ended, np.abs(step), wanted)
        factor = h / s.spacing
        differences = _rescaled(s.differences, order, factor)
        equal = np.where(factor == 1, s.equal, 0)
        use = (order >= _ROWS)[:, None]
        predicted = np.sum(np.where(use, differences, 0.0), axis=0)
        alpha = _entry(_ALPHA, order)
        psi = np.sum(np.where(use[1:6], differences[1:6] * _GAMMA[1:, None], 0.0), axis=0) / alpha
        c = step / alpha
        held, past = stop_gradient(predicted), stop_gradient(psi)
        eye = np.eye(held.shape[0])
        factored = np.logical_and(s.factored, np.logical_not(ended))
        factors = cond(factored, lambda: s.factors, lambda: lu_factor(eye - c * s.jacobian))
        change = lambda d: lu_solve(factors, c * p.held(new, held + d) - past - d)
        found = _newton(change, np.zeros_like(held), o.scale(held), self.limit, self.tolerance)
        converged = found.status == 1
        after = held + found.x
        scale = o.scale(after)
        size = norm(_entry(_ERRORS, order) * found.x / scale)
        accepted = np.logical_and(converged, size <= 1)
        rejected = np.logical_and(converged, np.logical_not(accepted))
        stale = np.logical_and(np.logical_not(converged), np.logical_not(s.current))
        lost = np.logical_and(np.logical_not(converged), s.current)
        safety = 0.9 * (2 * self.limit + 1) / (2 * self.limit + found.count)
        less = np.maximum(_LEAST, safety * size ** (-1 / (order + 1)))
        jacobian = s.jacobian if self.fixed else cond(stale, lambda: self.jacobian(new, held), lambda: s.jacobian * 1.0)
        after = self.state(after, (new, c, predicted - psi, self.values))
        d = after - predicted
        updated = self._updated(differences, order, d)
        equal = np.where(accepted, equal + 1, 0)
        equal = np.where(stale, np.where(factor == 1, s.equal, 0), equal)
        turn = np.logical_and(accepted, equal >= order + 1)
        change_of_order, growth = self._next(stop_gradient(updated), order, size, scale)
        growth = np.minimum(_MOST, safety * growth)
        scaled = np.where(turn, growth, np.where(lost, 0.5, np.where(rejected, less, 1.0)))
        order = np.where(turn, order + change_of_order, order)
        kept = np.logical_and(np.logical_or(rejected, accepted), np.logical_not(turn))
        counts = Counts(s.counts.nfev + found.count, s.counts.njev + stale, s.counts.nlu + np.where(factored, 0, 1))
        current = np.asarray(True) if self.fixed else np.logical_and(
            np.logical_not(accepted), np.logical_or(s.current, stale)
        )  # fmt: skip
        differences = np.where(accepted, updated, differences)
        state = _BdfState(
            np.where(accepted, new, s.t), np.where(accepted, after, s.y), differences, h, h * scaled, order, equal,
            jacobian, current, factors, kept, np.logical_not(accepted), counts,
        )  # fmt: skip
        within = lambda ts: self._columns(new, h * p.direction, differences, order, ts)
        return state, Step(s.t, new, after, accepted, failed, within)

    def _updated(self, differences: Any, order: Any, d: Any) -> Any:
        """The differences at the new point, where that of the next order is `d`."""
        rows = _ROWS[:, None]
        highest = np.where(rows == order + 1, d, 0.0)
        suffixes = np.where(rows <= order, differences, highest)
        sums = np.flip(np.cumsum(np.flip(suffixes, 0), axis=0), 0)
        before = np.sum(np.where(rows == order + 1, differences, 0.0), axis=0)
        return np.where(rows <= order + 1, sums, np.where(rows == order + 2, d - before, differences))

    def _next(self, differences: Any, order: Any, size: Any, scale: Any) -> tuple[Any, Any]:
        """How the order changes after enough equal steps, and by which factor the step then may."""
        lower, higher = (
            norm(_entry(_ERRORS, i - 1) * np.sum(np.where(_ROWS[:, None] == i, differences, 0.0), axis=0) / scale)
            for i in (order, order + 2)
        )
        sizes = np.stack([np.where(order > 1, lower, np.inf), size, np.where(order < _ORDERS, higher, np.inf)])
        factors = sizes ** (-1.0 / (order + np.arange(3)))
        return np.argmax(factors) - 1, np.max(factors)

    def _columns(self, new: Any, h: Any, differences: Any, order: Any, ts: Any) -> Any:
        """The polynomial through the last points at times, in columns."""
        rows = np.arange(_ORDERS)[:, None]
        x = (ts - (new - h * rows)) / (np.where(h == 0, 1.0, h) * (1 + rows))
        powers = np.where(rows < order, np.cumprod(x, axis=0), 0.0)
        return differences[0][:, None] + differences[1 : _ORDERS + 1].T @ powers

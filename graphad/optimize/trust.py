"""Minima within regions in which the second derivatives are trusted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.api.derivatives import grad, jvp
from graphad.api.jacobians import hessian
from graphad.api.loops import while_loop
from graphad.optimize.factor import definite_solve
from graphad.optimize.minima import most
from graphad.optimize.problem import CONVERGED, EXHAUSTED, STUCK, Minimum
from graphad.optimize.search import ROUNDING
from graphad.scipy.closed import Values
from graphad.tracebacks import boundary

Times = Callable[[Any], Any]
"""The matrix of second derivatives times a vector."""
_GOOD, _SMALLEST = 1e-4, np.finfo(float).eps


def _trusting(
    problem: Minimum, model: Callable[[Any, Values], Any], propose: Callable[[Any, Any, Any], tuple[Any, Any]],
    tol: float, maxiter: int, implicit: bool,
) -> Any:  # fmt: skip
    """Steps as long as the model is trusted (Nocedal and Wright, "Numerical Optimization", 2nd edition, algorithm 4.1).

    `model(x, values)` is what `propose(model, gradient, radius)` needs for a step, and what it hopes to gain.
    """

    def find(*values: Any) -> Any:
        def step(state: Any) -> Any:
            k, _, _, x, f, g, radius = state
            p, hoped = propose(model(x, values), g, radius)
            y = x + p
            fy, gy = problem.at(y, values)
            finite = np.isfinite(fy) & np.all(np.isfinite(gy))
            gained, size = np.where(finite, f - fy, -np.inf), np.sqrt(p @ p)
            # Near to the minimum, rounding decides what the function gains; then it is the gradient that counts.
            flat = finite & (np.abs(f - fy) <= ROUNDING * np.abs(f))
            ratio = np.where(flat, 1.0, gained / np.where(hoped > 0, hoped, 1.0))
            better = np.where(flat, gy @ gy < g @ g, ratio > _GOOD)
            good = finite & (hoped > 0) & better
            grown = np.where((ratio > 0.75) & (size > 0.8 * radius), 2 * radius, radius)
            held = radius
            radius = np.where(good & (ratio >= 0.25), grown, 0.25 * np.where(size > 0, size, radius))
            # What a step hopes for that the region does not shorten may be less than the function's rounding.
            least = np.logical_not(good) & (size < 0.8 * held) & (np.abs(hoped) <= ROUNDING * np.abs(f))
            x, f, g = [np.where(good, new, old) for new, old in ((y, x), (fy, f), (gy, g))]
            done = problem.settled(x, f, g, values, tol, value) | least
            status = np.where(done, CONVERGED, np.where(radius > _SMALLEST * np.sqrt(x @ x), EXHAUSTED, STUCK))
            return k + 1, status == EXHAUSTED, status, x, f, g, radius

        x, value, g, status = problem.begun(values, tol)
        start = 0, status == EXHAUSTED, status, x, value, g, np.maximum(1.0, np.sqrt(x @ x))
        k, _, status, x, *_ = while_loop(lambda s: s[1] & (s[0] < maxiter), step, start)
        return x, status == CONVERGED, status, k, k + 1

    return problem.found(find, implicit)


def _gain(times_p: Any, g: Any, p: Any) -> Any:
    return -(g @ p + 0.5 * (p @ times_p))


def _to_edge(p: Any, d: Any, radius: Any) -> Any:
    """How far along `d` from `p` the edge of the region is."""
    a, b, c = d @ d, p @ d, p @ p - radius * radius
    a = np.where(a > 0, a, 1.0)
    return (-b + np.sqrt(np.maximum(b * b - a * c, 0.0))) / a


@boundary
def dogleg(
    fun: Any, x0: Any, args: Any = (), *, tol: float = 1e-8, maxiter: int | None = None, implicit: bool = True
) -> Any:
    """As `bfgs`, without bounds, within a region in which the Hessian is trusted: the path leads from the steepest
    descent to Newton's step. Powell, "A hybrid method for nonlinear equations", 1970; Nocedal and Wright, "Numerical
    Optimization", 2nd edition, section 4.1.

        graphad.optimize.dogleg(lambda x: np.sum(x**4 - x), np.ones(3))
    """
    problem = Minimum("dogleg", fun, x0, args)
    curve = problem.height.derived(lambda xs: [hessian(lambda x: problem.height.at([x, *xs[1:]])[0])(xs[0])])

    def propose(matrix: Any, g: Any, radius: Any) -> tuple[Any, Any]:
        bend, steep = g @ (matrix @ g), g @ g
        newton = -definite_solve(matrix, g)
        length = np.sqrt(np.where(steep > 0, steep, 1.0))
        curved = bend > 0
        steepest = -g * np.where(curved, steep / np.where(curved, bend, 1.0), radius / length)
        inside = newton @ newton <= radius * radius
        short = steepest @ steepest >= radius * radius
        leg = steepest + _to_edge(steepest, newton - steepest, radius) * (newton - steepest)
        p = np.where(inside, newton, np.where(short, -g * (radius / length), leg))
        # Where the matrix was changed to be definite, the model may rise along the leg.
        hoped = _gain(matrix @ p, g, p)
        plain = -g * np.minimum(radius / length, np.where(curved, steep / np.where(curved, bend, 1.0), radius / length))
        least = _gain(matrix @ plain, g, plain)
        return np.where(hoped >= least, p, plain), np.maximum(hoped, least)

    model = lambda x, values: curve([x], values[problem.first :])[0]
    return _trusting(problem, model, propose, tol, most(problem, maxiter, 200), implicit)


@boundary
def trust_ncg(
    fun: Any, x0: Any, args: Any = (), *, tol: float = 1e-8, maxiter: int | None = None, implicit: bool = True
) -> Any:
    """As `dogleg`, with products of the Hessian with vectors only, by conjugate gradients: for many unknowns. Steihaug,
    "The conjugate gradient method and trust regions in large scale optimization", 1983.

        graphad.optimize.trust_ncg(lambda x: np.sum(x**4 - x), np.ones(10_000))
    """
    problem = Minimum("trust_ncg", fun, x0, args)
    n = problem.n

    def along(x: Any, v: Any, rest: Any) -> Any:
        slope = grad(lambda x: problem.height.at([x, *rest])[0])
        return jvp(slope, [x], [v])[1]

    def model(x: Any, values: Values) -> Times:
        return lambda v: along(x, v, values[problem.first :])

    def propose(times: Times, g: Any, radius: Any) -> tuple[Any, Any]:
        """Conjugate gradients until the edge of the region, or until the curvature is not positive (Steihaug, "The
        conjugate gradient method and trust regions in large scale optimization", 1983)."""
        steep = g @ g
        enough = steep * np.minimum(0.25, np.sqrt(steep))

        def step(state: Any) -> Any:
            k, _, z, r, d, tz = state
            td = times(d)
            bend, left = d @ td, r @ r
            t = left / np.where(bend > 0, bend, 1.0)
            out = (bend <= 0) | ((z + t * d) @ (z + t * d) >= radius * radius)
            t = np.where(out, _to_edge(z, d, radius), t)
            z, r, tz = z + t * d, r + t * td, tz + t * td
            new = r @ r
            share = new / np.where(left > 0, left, 1.0)
            return k + 1, out | (new <= enough), z, r, -r + share * d, tz

        zero = np.zeros(n)
        start = 0, steep == 0, zero, g, -g, zero
        _, _, p, _, _, tp = while_loop(lambda s: np.logical_not(s[1]) & (s[0] < 2 * n), step, start)
        return p, _gain(tp, g, p)

    return _trusting(problem, model, propose, tol, most(problem, maxiter, 200), implicit)

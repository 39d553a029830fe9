"""Least squares: the methods of Gauss and Newton, and of Levenberg and Marquardt."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.api.loops import while_loop
from graphad.optimize.factor import definite_solve
from graphad.optimize.minima import masked, most, newtons
from graphad.optimize.problem import CONVERGED, EXHAUSTED, INFINITE, STUCK, Minimum
from graphad.optimize.search import ROUNDING
from graphad.scipy.closed import Values
from graphad.tracebacks import boundary


@boundary
def gauss_newton(
    fun: Any, x0: Any, args: Any = (), *, bounds: Any = None, tol: float = 1e-8, maxiter: int | None = None,
    implicit: bool = True,
) -> Any:  # fmt: skip
    """The least of `0.5 * sum(fun(x, *args)**2)`, where `fun` gives an array or a tree of them, by steps of Gauss and
    Newton that are shortened where they would not help. The result has the `residuals` too; the rest is as in `bfgs`.
    Nocedal and Wright, "Numerical Optimization", 2nd edition, section 10.3.

        graphad.optimize.gauss_newton(lambda p: p[0] * np.exp(-p[1] * t) - data, [1.0, 1.0])
    """
    problem = Minimum("gauss_newton", fun, x0, args, bounds, squares=True)

    def matrix(x: Any, values: Values) -> Any:
        slopes = problem.slopes([x], values[problem.first :])[0]
        return slopes.T @ slopes

    return newtons(problem, matrix, tol, most(problem, maxiter, 100), implicit)


@boundary
def levenberg_marquardt(
    fun: Any, x0: Any, args: Any = (), *, bounds: Any = None, tol: float = 1e-8, maxiter: int | None = None,
    implicit: bool = True,
) -> Any:  # fmt: skip
    """As `gauss_newton`, with steps that are damped as much as the last ones asked for: the safer of the two. More,
    "The Levenberg-Marquardt algorithm: implementation and theory", 1978 (the scales), and Nielsen, "Damping parameter
    in Marquardt's method", 1999.

        graphad.optimize.levenberg_marquardt(lambda p: p[0] * np.exp(-p[1] * t) - data, [1.0, 1.0], bounds=[(0, None)] *
        2)
    """
    problem = Minimum("levenberg_marquardt", fun, x0, args, bounds, squares=True)
    limit = most(problem, maxiter, 200)

    def find(*values: Any) -> Any:
        both = problem.off.derived(lambda xs: [problem.off.at(xs)[0], problem.slopes.at(xs)[0]])

        def at(x: Any) -> Any:
            off, slopes = both([x], values[problem.first :])
            return 0.5 * (off @ off), off @ slopes, slopes.T @ slopes

        def step(state: Any) -> Any:
            k, _, _, x, f, g, square, damping, growth, scale = state
            free = problem.free(x, g, values)
            down = g if free is None else np.where(free, g, 0.0)
            p = -definite_solve(masked(square + damping * np.diag(scale), free), down)
            y = problem.within(x + p, values)
            s = y - x
            fy, gy, square_y = at(y)
            finite = np.isfinite(fy) & np.all(np.isfinite(gy)) & np.all(np.isfinite(square_y))
            gained, hoped = np.where(finite, f - fy, -np.inf), -(g @ s + 0.5 * (s @ (square @ s)))
            ratio = gained / np.where(hoped > 0, hoped, 1.0)
            good = finite & (hoped > 0) & (ratio > 1e-4)
            # Nielsen, "Damping parameter in Marquardt's method", 1999.
            calmer = damping * np.maximum(1 / 3, 1 - (2 * np.where(good, ratio, 0.5) - 1) ** 3)
            held, damping = damping, np.where(good, calmer, damping * growth)
            growth = np.where(good, 2.0, 2 * growth)
            # What a step hopes for that is hardly damped may be less than the rounding of the squares.
            least = np.logical_not(good) & (held < 1e-2) & (np.abs(hoped) <= ROUNDING * np.abs(f))
            x, f, g = [np.where(good, new, old) for new, old in ((y, x), (fy, f), (gy, g))]
            square = np.where(good, square_y, square)
            scale = np.maximum(scale, np.diagonal(square))
            done = problem.settled(x, f, g, values, tol, value) | least
            status = np.where(done, CONVERGED, np.where(damping < 1e40, EXHAUSTED, STUCK))
            return k + 1, status == EXHAUSTED, status, x, f, g, square, damping, growth, scale

        x = problem.within(values[0], values)
        f, g, square = at(x)
        value = f
        finite = np.isfinite(f) & np.all(np.isfinite(g)) & np.all(np.isfinite(square))
        status = np.where(
            finite, np.where(problem.settled(x, f, g, values, tol, f), CONVERGED, EXHAUSTED), INFINITE
        )
        diagonal = np.diagonal(square)
        scale = np.where(diagonal > 0, diagonal, 1.0)
        start = 0, status == EXHAUSTED, status, x, f, g, square, 1e-3, 2.0, scale
        k, _, status, x, *_ = while_loop(lambda s: s[1] & (s[0] < limit), step, start)
        return x, status == CONVERGED, status, k, k + 1

    return problem.found(find, implicit)

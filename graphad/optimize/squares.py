"""Least squares: the methods of Gauss and Newton, and of Levenberg and Marquardt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.api.control import cond
from graphad.api.loops import while_loop
from graphad.optimize.factor import definite_solve
from graphad.optimize.minima import masked, most, newtons
from graphad.optimize.problem import CONVERGED, EXHAUSTED, INFINITE, STUCK, Minimum, typical
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
    in Marquardt's method", 1999. It has converged where a step that is hardly damped changes no unknown by more than
    `tol` of its size, or the squares by no more than rounding; or where a damped one does not and the relative
    gradient is small, or the residuals are orthogonal to their slopes to `tol`.

        decay = lambda p: p[0] * np.exp(-p[1] * t) - data
        graphad.optimize.levenberg_marquardt(decay, [1.0, 1.0], bounds=[(0, None)] * 2)
    """
    problem = Minimum("levenberg_marquardt", fun, x0, args, bounds, squares=True)
    limit = most(problem, maxiter, 200)

    def find(*values: Any) -> Any:
        both = problem.off.derived(lambda xs: [problem.off.at(xs)[0], problem.slopes.at(xs)[0]])

        def at(x: Any) -> Any:
            off, slopes = both([x], values[problem.first :])
            return 0.5 * (off @ off), off @ slopes, slopes.T @ slopes

        def settled(x: Any, g: Any) -> Any:
            return np.all(problem.inward(x, g, values) == 0)

        def step(state: Any) -> Any:
            k, _, _, x, f, g, square, damping, growth, scale, at_end = state
            free = problem.free(x, g, values)
            held: Callable[[Any], Any] = lambda g: g if free is None else np.where(free, g, 0.0)
            matrix = masked(square + damping * np.diag(scale), free)
            p = -definite_solve(matrix, held(g))
            y = problem.within(x + p, values)
            s = y - x
            fy, gy, square_y = at(y)
            finite = np.isfinite(fy) & np.all(np.isfinite(gy)) & np.all(np.isfinite(square_y))
            gained, bend = np.where(finite, f - fy, -np.inf), s @ (square @ s)
            hoped = -(g @ s + 0.5 * bend)
            # What rounding of the unknowns makes of the squares. Where a step hopes for no more, it is the gradient
            # that counts, by the step that it asks for.
            blur = ROUNDING * (f + np.sqrt(2 * f * (np.diagonal(square) @ (x * x))))
            flat = finite & (np.abs(f - fy) <= blur) & (hoped <= blur)
            ratio = np.where(flat, 1.0, gained / np.where(hoped > 0, hoped, 1.0))
            asked: Callable[[Any], Any] = lambda g: held(g) @ definite_solve(matrix, held(g))
            better = cond(flat, lambda: asked(gy) < -(held(g) @ p), lambda: ratio > 1e-4)
            good = finite & (hoped > 0) & better
            # A step that is hardly damped tells how far the minimum is: nearer than `tol`, or than rounding lets see.
            small = np.all(np.abs(s) <= tol * np.maximum(np.abs(x), typical(values[0])))
            whole = damping * (s @ (scale * s)) <= 1e-2 * bend
            # Where whole steps change nothing that is seen, some shorter ones are tried.
            near = (whole & small) | (at_end & np.logical_not(good | whole))
            at_end = np.logical_not(good) & (at_end | (whole & flat))
            # Nielsen, "Damping parameter in Marquardt's method", 1999.
            calmer = damping * np.maximum(1 / 3, 1 - (2 * np.where(good, ratio, 0.5) - 1) ** 3)
            damping = np.where(good, calmer, damping * growth)
            growth = np.where(good, 2.0, 2 * growth)
            x, f, g = [np.where(good, new, old) for new, old in ((y, x), (fy, f), (gy, g))]
            square = np.where(good, square_y, square)
            scale = np.maximum(scale, np.diagonal(square))
            # Where only damped steps help, the gradient is small too, or the residuals are as good as orthogonal to all
            # slopes (as in MINPACK).
            right = np.abs(problem.inward(x, g, values)) <= tol * np.sqrt(2 * f * np.diagonal(square))
            right = np.all(right) | problem.settled(x, f, g, values, tol, value)
            done = near | (small & good & right) | settled(x, g)
            status = np.where(done, CONVERGED, np.where(damping < 1e40, EXHAUSTED, STUCK))
            return k + 1, status == EXHAUSTED, status, x, f, g, square, damping, growth, scale, at_end

        x = problem.within(values[0], values)
        f, g, square = at(x)
        value = f
        finite = np.isfinite(f) & np.all(np.isfinite(g)) & np.all(np.isfinite(square))
        status = np.where(finite, np.where(settled(x, g), CONVERGED, EXHAUSTED), INFINITE)
        diagonal = np.diagonal(square)
        scale = np.where(diagonal > 0, diagonal, 1.0)
        start = 0, status == EXHAUSTED, status, x, f, g, square, 1e-3, 2.0, scale, False
        k, _, status, x, *_ = while_loop(lambda s: s[1] & (s[0] < limit), step, start)
        return x, status == CONVERGED, status, k, k + 1

    return problem.found(find, implicit)

"""Minima of a function by its gradient: quasi-Newton and Newton methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.api.call import integer
from graphad.api.jacobians import hessian
from graphad.api.loops import while_loop
from graphad.optimize.factor import definite_solve
from graphad.optimize.problem import CONVERGED, EXHAUSTED, STUCK, Minimum
from graphad.optimize.search import ROUNDING, projected, wolfe
from graphad.scipy.closed import Values
from graphad.tracebacks import boundary

Direction = Callable[[Any, Any, Any, Any, Any], tuple[Any, Any, Any]]
"""Of the memory, the point, the gradient, what is free, and the iteration: a direction, the first length to try, and
whether curvature says so."""


def descend(
    problem: Minimum, values: Values, memory: Any, direction: Direction, learn: Callable[..., Any], tol: float,
    maxiter: int,
) -> tuple[Any, Any, Any, Any, Any]:  # fmt: skip
    """Steps along directions until the gradient is 0: the point, whether it is, `status`, iterations, evaluations.

    `learn(memory, step, change of the gradient)` gives the memory of the next step.
    """
    at: Callable[[Any], tuple[Any, Any]] = lambda x: problem.at(x, values)
    inside: Callable[[Any], Any] = lambda x: problem.within(x, values)
    inward = lambda x, g: problem.inward(x, g, values)
    x, value, g, status = problem.begun(values, tol)

    def step(state: Any) -> Any:
        k, _, _, x, f, g, memory, calls = state
        free = problem.free(x, g, values)
        p, first, told = direction(memory, x, g, free, k)
        down = np.where(free, g, 0.0) if free is not None else g
        steep = np.logical_not(down @ p < 0) | np.logical_not(np.all(np.isfinite(p)))
        p = np.where(steep, -down, p)
        first = np.where(steep, _cautious(x, down), first)
        if problem.ends:
            moved, y, fy, gy, n = projected(at, inside, inward, x, p, f, g, first)
        else:
            moved, y, fy, gy, n = wolfe(at, x, p, f, g, first)
        # Of what did not move, as it is held, nothing is learnt.
        change = np.where(y == x, 0.0, gy - g) if problem.ends else gy - g
        memory = learn(memory, y - x, change)
        # What the model says is still to be gained may be less than the function's rounding.
        least = np.abs(g @ p) * first <= ROUNDING * np.abs(f)
        done = problem.settled(y, fy, gy, values, tol, value) | (np.logical_not(moved | steep) & told & least)
        status = np.where(done, CONVERGED, np.where(moved, EXHAUSTED, STUCK))
        return k + 1, moved & (status != CONVERGED), status, y, fy, gy, memory, calls + n

    start = 0, status == EXHAUSTED, status, x, value, g, memory, 1
    k, _, status, x, _, _, _, calls = while_loop(lambda s: s[1] & (s[0] < maxiter), step, start)
    return x, status == CONVERGED, status, k, calls


def _cautious(x: Any, slope: Any) -> Any:
    """A first length along a gradient, whose size says nothing of that of the step."""
    size = np.sqrt(np.sum(slope * slope))
    size, far = np.where(size == 0, 1.0, size), np.sqrt(np.sum(x * x))
    # Not so short that large unknowns do not change.
    return np.maximum(np.minimum(1.0, np.maximum(1.0, far) / size), 1e-8 * far / size)


def masked(matrix: Any, free: Any) -> Any:
    """The matrix with the rows and columns of the unit matrix where unknowns are held."""
    if free is None:
        return matrix
    return np.where(free[:, None] & free, matrix, np.eye(matrix.shape[0]))


@boundary
def bfgs(
    fun: Any, x0: Any, args: Any = (), *, bounds: Any = None, tol: float = 1e-8, maxiter: int | None = None,
    implicit: bool = True,
) -> Any:  # fmt: skip
    """The minimum of `fun(x, *args)` by the quasi-Newton method of Broyden, Fletcher, Goldfarb and Shanno.

    `x0` is a number, an array or a tree of them; the result's `x` has its structure and shapes, as doubles. `fun` gives
    one number. With `bounds` steps are bent into them. The approximation of the inverse Hessian takes `n * n` numbers.
    The result is SciPy's `OptimizeResult` (see `graphad.optimize`). Nocedal and Wright, "Numerical Optimization", 2nd
    edition, algorithm 6.1, with steps by the strong Wolfe conditions.

        graphad.optimize.bfgs(lambda p: (p["a"] - 1) ** 2 + p["b"] ** 4, {"a": 0.0, "b": 2.0}).x["a"]     # 1.0

    Raises `TypeMismatchError` for a complex number, or bounds that do not fit, `ShapeError` where `fun` gives an array.
    """
    problem = Minimum("bfgs", fun, x0, args, bounds)
    n, limit = problem.n, most(problem, maxiter, 200)

    def find(*values: Any) -> Any:
        def direction(memory: Any, x: Any, g: Any, free: Any, k: Any) -> Any:
            down = g if free is None else np.where(free, g, 0.0)
            return -masked(memory[0], free) @ down, np.where(memory[1], 1.0, _cautious(x, down)), memory[1]

        def learn(memory: Any, s: Any, y: Any) -> Any:
            inverse, known = memory
            sy, yy = s @ y, y @ y
            curved = sy > 1e-10 * np.sqrt((s @ s) * yy)
            rho = 1 / np.where(curved, sy, 1.0)
            inverse = np.where(known, inverse, np.eye(n) * np.where(curved, sy / np.where(yy > 0, yy, 1.0), 1.0))
            left = inverse @ y
            change = np.outer(s, s) * (rho + rho * rho * (y @ left)) - rho * (np.outer(left, s) + np.outer(s, left))
            return np.where(curved, inverse + change, memory[0]), known | curved

        return descend(problem, values, (np.eye(n), False), direction, learn, tol, limit)

    return problem.found(find, implicit)


@boundary
def lbfgs(
    fun: Any, x0: Any, args: Any = (), *, bounds: Any = None, memory: int = 10, tol: float = 1e-8,
    maxiter: int | None = None, implicit: bool = True,
) -> Any:  # fmt: skip
    """As `bfgs`, with the last `memory` steps in place of a matrix: for many unknowns. Nocedal and Wright, "Numerical
    Optimization", 2nd edition, algorithm 7.5.

        graphad.optimize.lbfgs(lambda x: np.sum((x - 1) ** 4 + x**2), np.zeros(1000), bounds=[(0, None)] * 1000)
    """
    problem = Minimum("lbfgs", fun, x0, args, bounds)
    n, limit, size = problem.n, most(problem, maxiter, 500), integer("lbfgs: memory", memory, 1)

    def find(*values: Any) -> Any:
        def direction(memory: Any, x: Any, g: Any, free: Any, k: Any) -> Any:
            steps, changes, weights, scale = memory
            q = g if free is None else np.where(free, g, 0.0)
            down, shares = q, [None] * size
            for i in range(size):
                shares[i] = weights[i] * (steps[i] @ q)
                q = q - shares[i] * changes[i]
            q = q * scale
            for i in reversed(range(size)):
                q = q + (shares[i] - weights[i] * (changes[i] @ q)) * steps[i]
            p = -q if free is None else np.where(free, -q, 0.0)
            return p, np.where(weights[0] > 0, 1.0, _cautious(x, down)), weights[0] > 0

        def learn(memory: Any, s: Any, y: Any) -> Any:
            steps, changes, weights, scale = memory
            sy, yy = s @ y, y @ y
            curved = sy > 1e-10 * np.sqrt((s @ s) * yy)
            pushed = [
                np.where(curved, np.concatenate([new[None], old[:-1]]), old)
                for new, old in ((s, steps), (y, changes), (1 / np.where(curved, sy, 1.0), weights))
            ]
            return (*pushed, np.where(curved, sy / np.where(yy > 0, yy, 1.0), scale))

        nothing = np.zeros((size, n)), np.zeros((size, n)), np.zeros(size), 1.0
        return descend(problem, values, nothing, direction, learn, tol, limit)

    return problem.found(find, implicit)


def newtons(problem: Minimum, matrix: Callable[[Any, Values], Any], tol: float, maxiter: int, implicit: bool) -> Any:
    """Newton's method with a matrix of second derivatives, or what stands for it, made positive definite."""

    def find(*values: Any) -> Any:
        def direction(memory: Any, x: Any, g: Any, free: Any, k: Any) -> Any:
            down = g if free is None else np.where(free, g, 0.0)
            return -definite_solve(masked(matrix(x, values), free), down), 1.0, True

        return descend(problem, values, (), direction, lambda memory, s, y: memory, tol, maxiter)

    return problem.found(find, implicit)


@boundary
def modified_newton(
    fun: Any, x0: Any, args: Any = (), *, bounds: Any = None, tol: float = 1e-8, maxiter: int | None = None,
    implicit: bool = True,
) -> Any:  # fmt: skip
    """As `bfgs`, by Newton's method with the exact Hessian, made positive definite where it is not: few steps, each of
    which solves a system of `n` equations. Gill, Murray and Wright, "Practical Optimization", 1981, section 4.4.

        graphad.optimize.modified_newton(lambda x: np.sum(np.cosh(x - 1)), np.zeros(3)).nit               # 5 or so
    """
    problem = Minimum("modified_newton", fun, x0, args, bounds)
    curve = problem.height.derived(lambda xs: [hessian(lambda x: problem.height.at([x, *xs[1:]])[0])(xs[0])])
    matrix = lambda x, values: curve([x], values[problem.first :])[0]
    return newtons(problem, matrix, tol, most(problem, maxiter, 100), implicit)


def most(problem: Minimum, maxiter: int | None, usual: int) -> int:
    return usual if maxiter is None else integer(f"{problem.name}: maxiter", maxiter, 0)

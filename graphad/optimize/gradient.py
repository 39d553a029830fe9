"""Minima by the gradient alone, as networks are trained: many cheap steps of a given size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.api.loops import while_loop
from graphad.optimize.minima import most
from graphad.optimize.problem import CONVERGED, EXHAUSTED, STUCK, Minimum
from graphad.scipy.closed import Values
from graphad.tracebacks import boundary


def _walk(
    problem: Minimum, values: Values, memory: Any, move: Callable[[Any, Any, Any], tuple[Any, Any]], tol: float,
    limit: int,
) -> tuple[Any, Any, Any, Any, Any]:  # fmt: skip
    """`move(memory, gradient, number of the step)` again and again: the memory, and what is added to the unknowns."""

    def step(state: Any) -> Any:
        k, _, _, x, g, memory = state
        memory, change = move(memory, g, k)
        y = problem.within(x + change, values)
        f, gy = problem.at(y, values)
        finite = np.isfinite(f) & np.all(np.isfinite(gy))
        done = finite & problem.settled(y, f, gy, values, tol, value)
        status = np.where(finite, np.where(done, CONVERGED, EXHAUSTED), STUCK)
        # The last point at which the function is finite stays.
        return k + 1, status == EXHAUSTED, status, np.where(finite, y, x), np.where(finite, gy, g), memory

    x, value, g, status = problem.begun(values, tol)
    start = 0, status == EXHAUSTED, status, x, g, memory
    k, _, status, x, *_ = while_loop(lambda s: s[1] & (s[0] < limit), step, start)
    return x, status == CONVERGED, status, k, k + 1


@boundary
def sgd(
    fun: Any, x0: Any, args: Any = (), *, learning_rate: float = 1e-2, momentum: float = 0.0, nesterov: bool = False,
    bounds: Any = None, tol: float = 1e-6, maxiter: int | None = None, implicit: bool = True,
) -> Any:  # fmt: skip
    """Gradient descent with steps of a fixed `learning_rate`, with `momentum`, that of Nesterov on request; the law of
    `torch.optim.SGD`. The result is as in `bfgs`. Iterations are not shortened where they do not help: where the
    function is not finite any more the last finite point is given, with `status` 2.

        graphad.optimize.sgd(lambda x: np.sum((x - 3) ** 2), np.zeros(2), learning_rate=0.1)
    """
    problem = Minimum("sgd", fun, x0, args, bounds)
    limit = most(problem, maxiter, 1000)

    def find(*values: Any) -> Any:
        def move(memory: Any, g: Any, k: Any) -> Any:
            memory = momentum * memory + g
            return memory, -learning_rate * (g + momentum * memory if nesterov else memory)

        return _walk(problem, values, np.zeros(problem.n), move, tol, limit)

    return problem.found(find, implicit)


@boundary
def adam(
    fun: Any, x0: Any, args: Any = (), *, learning_rate: float = 1e-2, b1: float = 0.9, b2: float = 0.999,
    eps: float = 1e-8, bounds: Any = None, tol: float = 1e-6, maxiter: int | None = None, implicit: bool = True,
) -> Any:  # fmt: skip
    """As `sgd`, each unknown with a step of its own. Kingma and Ba, "Adam: a method for stochastic optimization", 2015.

        graphad.optimize.adam(lambda x: np.sum((x - 3) ** 2), np.zeros(2), learning_rate=0.1)
    """
    problem = Minimum("adam", fun, x0, args, bounds)
    limit = most(problem, maxiter, 1000)

    def find(*values: Any) -> Any:
        def move(memory: Any, g: Any, k: Any) -> Any:
            mean, square = memory
            mean, square = b1 * mean + (1 - b1) * g, b2 * square + (1 - b2) * g * g
            first, second = mean / (1 - b1 ** (k + 1.0)), square / (1 - b2 ** (k + 1.0))
            return (mean, square), -learning_rate * first / (np.sqrt(second) + eps)

        return _walk(problem, values, (np.zeros(problem.n), np.zeros(problem.n)), move, tol, limit)

    return problem.found(find, implicit)

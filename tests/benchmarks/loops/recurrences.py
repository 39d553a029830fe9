"""The functions of the comparison of loops, each made for an array namespace: NumPy's (with graphad's loops), JAX's, or
autograd's (with Python's own).

Where a function has a second form that does the same work, it stands behind the first, and every library may use
either. Sources: the LSTM of ADBench (Srajer, Kukelova, Fitzgibbon, 2018); Lorenz (1996); May (1976); Kalman (1960).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

Function = Callable[..., Any]


def scan(np: Any, step: Function, carry: Any, xs: Any, length: int | None = None, **options: Any) -> Any:
    """The carry after all steps, by the loop that the namespace's library compiles."""
    if np.__name__ == "autograd.numpy":
        n = length or (xs[0] if isinstance(xs, tuple) else xs).shape[0]
        for t in range(n):
            carry = step(carry, tuple(x[t] for x in xs) if isinstance(xs, tuple) else xs[t] if xs is not None else None)
        return carry
    if np.__name__ == "jax.numpy":
        from jax.lax import scan as loop
    else:
        from graphad import scan as loop
    return loop(lambda carry, x: (step(carry, x), None), carry, xs, length, **options)[0]


# -- LSTM -------------------------------------------------------------------------------------------------------


def lstm(np: Any, **options: Any) -> Function:
    """ADBench's diagonal LSTM: the mean of a sequence's logarithmic likelihood, with the sign turned."""

    def sigmoid(x: Any) -> Any:
        return 1 / (1 + np.exp(-x))

    def cell(weight: Any, bias: Any, hidden: Any, state: Any, x: Any) -> tuple[Any, Any]:
        forget = sigmoid(x * weight[0] + bias[0])
        ingate = sigmoid(hidden * weight[1] + bias[1])
        outgate = sigmoid(x * weight[2] + bias[2])
        change = np.tanh(hidden * weight[3] + bias[3])
        state = state * forget + ingate * change
        return outgate * np.tanh(state), state

    def loss(main: Any, extra: Any, state: Any, sequence: Any) -> Any:
        layers = main.shape[0] // 2

        def step(carry: Any, entries: Any) -> Any:
            (entry, following), total = entries, carry[-1]
            found = []
            x = entry * extra[0]
            for i in range(layers):
                x, kept = cell(main[2 * i], main[2 * i + 1], carry[2 * i], carry[2 * i + 1], x)
                found += [x, kept]
            predicted = x * extra[1] + extra[2]
            normalised = predicted - np.log(np.sum(np.exp(predicted)) + 2)
            return (*found, total + np.sum(following * normalised))

        start = (*[state[i] for i in range(2 * layers)], 0.0)
        n = sequence.shape[0] - 1
        return -scan(np, step, start, (sequence[:-1], sequence[1:]), **options)[-1] / n

    return loss


# -- ordinary differential equations ----------------------------------------------------------------------------


def lorenz(np: Any, steps: int, **options: Any) -> Function:
    """The energy at the end of Lorenz's equation of 1996, by the classical method of Runge and Kutta."""

    def energy(start: Any, forcing: Any) -> Any:
        def slope(x: Any) -> Any:
            return (np.roll(x, -1) - np.roll(x, 2)) * np.roll(x, 1) - x + forcing

        def step(x: Any, _: Any) -> Any:
            h = 0.01
            k1 = slope(x)
            k2 = slope(x + h / 2 * k1)
            k3 = slope(x + h / 2 * k2)
            k4 = slope(x + h * k3)
            return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

        x = scan(np, step, start, None, steps, **options)
        return np.sum(x * x)

    return energy


def logistic(np: Any, steps: int, **options: Any) -> Function:
    """The sum of an orbit of the logistic map."""

    def total(rate: Any, start: Any) -> Any:
        def step(carry: Any, _: Any) -> Any:
            x, total = carry
            x = rate * x * (1 - x)
            return x, total + x

        return scan(np, step, (start, 0.0), None, steps, **options)[1]

    return total


# -- Kalman filter ----------------------------------------------------------------------------------------------


def kalman(np: Any, solve: Function | None = None, **options: Any) -> Function:
    """The logarithmic likelihood, with the sign turned, of places seen of a body that moves in a plane with friction.

    Parameters: logarithms of the variances of acceleration and of measurement, and what remains of the velocity.
    """
    h = 0.1

    def loss(theta: Any, seen: Any) -> Any:
        free = [[1.0, 0, h, 0], [0, 1, 0, h], [0, 0, 0, 0], [0, 0, 0, 0]]
        motion = np.array(free) + theta[2] * np.diag(np.array([0.0, 0, 1, 1]))
        shape = [[h**3 / 3, 0, h**2 / 2, 0], [0, h**3 / 3, 0, h**2 / 2], [h**2 / 2, 0, h, 0], [0, h**2 / 2, 0, h]]
        noise, error = np.exp(theta[0]) * np.array(shape), np.exp(theta[1]) * np.eye(2)

        def step(carry: Any, z: Any) -> Any:
            x, p, total = carry
            x, p = motion @ x, motion @ p @ motion.T + noise
            y, s, a = z - x[:2], p[:2, :2] + error, p[:, :2]
            gain, weighed, logdet = (solve or by_formula)(np, s, a, y)
            return x + gain @ y, p - gain @ a.T, total + 0.5 * (logdet + y @ weighed)

        start = (np.zeros(4), np.eye(4), 0.0)
        return scan(np, step, start, seen, **options)[2]

    return loss


def by_formula(np: Any, s: Any, a: Any, y: Any) -> tuple[Any, Any, Any]:
    """`a s^-1`, `s^-1 y` and the logarithm of the determinant of a matrix of two rows, by its inverse."""
    det = s[0, 0] * s[1, 1] - s[0, 1] * s[1, 0]
    inverse = ((s[0, 0] + s[1, 1]) * np.eye(2) - s) / det
    return a @ inverse, inverse @ y, np.log(det)


def by_library(np: Any, s: Any, a: Any, y: Any) -> tuple[Any, Any, Any]:
    """The same by the library's linear algebra."""
    return np.linalg.solve(s, a.T).T, np.linalg.solve(s, y), np.linalg.slogdet(s)[1]


# -- Newton's iteration -----------------------------------------------------------------------------------------


BOUND = 100
"""Iterations of a loop with a fixed bound, which reverse mode through a `while` needs in JAX; half of them do."""


def newton(np: Any, solve: bool = False, branch: bool = False) -> Function:
    """The squared distance from zero of a root found by damped Newton iterations until they converge.

    JAX masks the iterations that remain to the bound, or branches.
    """

    def slope(p: Any, x: Any) -> tuple[Any, Any]:
        e = p * np.exp(-x)
        return 2 * x - x[::-1] - e, 2 + e

    def step(p: Any, x: Any) -> Any:
        f, d = slope(p, x)
        if solve:
            return x - 0.5 * np.linalg.solve(np.diag(d) - np.array([[0.0, 1.0], [1.0, 0.0]]), f)
        return x - 0.5 * (d[::-1] * f + f[::-1]) / (d[0] * d[1] - 1)

    def unfinished(p: Any, x: Any) -> Any:
        f = slope(p, x)[0]
        return np.sum(f * f) > 1e-24

    def distance(p: Any, start: Any) -> Any:
        if np.__name__ == "jax.numpy":
            from jax.lax import cond

            masked = lambda x, _: np.where(unfinished(p, x), step(p, x), x)
            taken = lambda x, _: cond(unfinished(p, x), partial(step, p), lambda x: x, x)
            x = scan(np, taken if branch else masked, start, None, BOUND)
        elif np.__name__ == "autograd.numpy":
            x = start
            while unfinished(p, x):
                x = step(p, x)
        else:
            from graphad import while_loop

            x = while_loop(partial(unfinished, p), partial(step, p), start)
        return np.sum(x * x)

    return distance

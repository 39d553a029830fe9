"""A charged particle that is steered to a point: an optimisation whose function solves an equation of motion.

Pearlmutter and Siskind (see `descent.py`). Two charges push the particle away; the first one's height is controlled.
The particle moves in Euler steps until it crosses the axis, where the square of its first coordinate shall be least.
The force is the gradient of a potential, the descent needs the gradient of the whole path: two derivatives, one within
the other, each in forward or reverse mode. Run as `python docs/examples/particle.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from descent import argmin, argmin_op, length

import graphad

Function = Callable[..., Any]
STEP = 0.1
MODES = {"forward": graphad.jacfwd, "reverse": graphad.grad}


def potential(x: Any, control: Any) -> Any:
    """That of a charge at `(10, 10 - control)` and one at `(10, 0)`."""
    fixed = np.array([10.0, 0.0])
    moved = np.array([10.0, 10.0]) - control * np.array([0.0, 1.0])
    return 1 / length(x - moved) + 1 / length(x - fixed)


def miss(control: Any, gradient: Function) -> Any:
    """The square of the first coordinate where the particle crosses the axis."""
    force = gradient(potential)
    x, velocity = np.array([0.0, 8.0]), np.array([0.75, 0.0])
    following = x + STEP * velocity
    while following[1] > 0:
        velocity = velocity - STEP * force(x, control)
        x = following
        following = x + STEP * velocity
    return (x - x[1] / velocity[1] * velocity)[0] ** 2


def miss_op(control: Any, gradient: Function) -> Any:
    """The same by `graphad.while_loop`."""
    force = gradient(potential)

    def stepped(state: Any) -> Any:
        x, velocity = state
        return x + STEP * velocity, velocity - STEP * force(x, control)

    start = (np.array([0.0, 8.0]), np.array([0.75, 0.0]))
    x, velocity = graphad.while_loop(lambda s: (s[0] + STEP * s[1])[1] > 0, stepped, start)
    return (x - x[1] / velocity[1] * velocity)[0] ** 2


def control(outer: Function, inner: Function) -> Any:
    """The best control, in plain Python."""
    return lambda start: argmin(lambda w: miss(w[0], inner), outer, start)


def control_op(outer: Function, inner: Function) -> Any:
    """The same by the loop ops."""
    return lambda start: argmin_op(lambda w: miss_op(w[0], inner), outer, start)


def main() -> None:
    for outer, inner in itertools.product(MODES, MODES):
        best = graphad.jit(control_op(MODES[outer], MODES[inner]))(np.zeros(1))
        print(f"{outer} over {inner}: control {best[0]:.12f}")


if __name__ == "__main__":
    main()

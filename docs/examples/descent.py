"""Gradient descent with a step that adapts, as a loop in plain Python and as the loop op of graphad.

It is the `multivariate-argmin` of Pearlmutter and Siskind, Reverse-mode AD in a functional framework: lambda the
ultimate backpropagator, ACM TOPLAS 30(2), 2008: the step doubles after ten steps that went down, and is halved after
one that did not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import graphad

Function = Callable[..., Any]
TOLERANCE = 1e-5


def length(x: Any) -> Any:
    return np.sqrt(np.sum(x * x))


def argmin(f: Function, gradient: Function, x: Any) -> Any:
    """Where `f` is least, started at `x`; `gradient` is `graphad.grad` or `graphad.jacfwd`."""
    slope = gradient(f)
    value, down, step, gains = f(x), slope(x), 1e-5, 0
    while length(down) > TOLERANCE:
        if gains == 10:
            step, gains = 2 * step, 0
        else:
            new = x - step * down
            if length(new - x) <= TOLERANCE:
                break
            new_value = f(new)
            if new_value < value:
                x, value, down, gains = new, new_value, slope(new), gains + 1
            else:
                step, gains = step / 2, 0
    return x


def argmin_op(f: Function, gradient: Function, x: Any) -> Any:
    """The same by `graphad.while_loop` and `graphad.cond`."""
    slope = gradient(f)

    def unfinished(state: Any) -> Any:
        _, _, down, _, _, done = state
        return (length(down) > TOLERANCE) & ~done

    def longer(state: Any) -> Any:
        x, value, down, step, _, done = state
        return x, value, down, 2 * step, 0, done

    def tried(state: Any) -> Any:
        x, value, down, step, gains, _ = state
        new = x - step * down
        return graphad.cond(
            length(new - x) <= TOLERANCE,
            lambda: (x, value, down, step, gains, True),
            lambda: compared(state, new, f(new)),
        )

    def compared(state: Any, new: Any, new_value: Any) -> Any:
        x, value, down, step, gains, done = state
        return graphad.cond(
            new_value < value,
            lambda: (new, new_value, slope(new), step, gains + 1, done),
            lambda: (x, value, down, step / 2, 0, done),
        )

    start = (x, f(x), slope(x), 1e-5, 0, False)
    return graphad.while_loop(unfinished, lambda state: graphad.cond(state[4] == 10, longer, tried, state), start)[0]

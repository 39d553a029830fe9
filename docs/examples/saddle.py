"""A saddle point: the least of the greatest of `(x1^2 + y1^2) - (x2^2 + y2^2)`, a descent within a descent.

Pearlmutter and Siskind (see `descent.py`). The outer descent differentiates the inner one, loop and branches; each of
the two derivatives in forward or reverse mode. Run as `python docs/examples/saddle.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from descent import argmin, argmin_op

import graphad

Function = Callable[..., Any]
MODES = {"forward": graphad.jacfwd, "reverse": graphad.grad}


def height(a: Any, b: Any) -> Any:
    return np.sum(a * a) - np.sum(b * b)


def saddle(outer: Function, inner: Function, argmin: Function = argmin) -> Function:
    """The function from a start to the saddle point, two coordinates of each player."""

    def solved(start: Any) -> Any:
        answer = lambda a: argmin(lambda b: -height(a, b), inner, start)
        a = argmin(lambda a: height(a, answer(a)), outer, start)
        return np.concatenate([a, answer(a)])

    return solved


def saddle_op(outer: Function, inner: Function) -> Function:
    """The same by the loop ops."""
    return saddle(outer, inner, argmin_op)


def main() -> None:
    for outer, inner in itertools.product(MODES, MODES):
        point = graphad.jit(saddle_op(MODES[outer], MODES[inner]))(np.ones(2))
        print(f"{outer} over {inner}: {point}")


if __name__ == "__main__":
    main()

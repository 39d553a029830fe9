"""What the functions by simpler ones have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

COMPOSITIONS: dict[str, Callable[..., Any]] = {}
"""A function of traced float64 operands by the name of the op that it stands for."""


def composition(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make the function what the op of its name is composed of."""
    COMPOSITIONS[function.__name__] = function
    return function


SEARCHES: set[str] = set()
"""The names of those that search for a root in a loop: they serve array namespaces, and no op decomposes into one."""


def search(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make the function, which searches in a loop, what the op of its name is composed of in an array namespace."""
    SEARCHES.add(function.__name__)
    return composition(function)


def polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    """The polynomial with these coefficients, the constant first."""
    total: Any = coefficients[-1]
    for c in coefficients[-2::-1]:
        total = total * x + c
    return total


def sine_of_turns(x: Any) -> Any:
    """`sin(pi x)`, which is 0 at every integer."""
    nearest = np.rint(x)
    odd = nearest - 2 * np.floor(0.5 * nearest)
    return (1 - 2 * odd) * np.sin(np.pi * (x - nearest))


__all__ = ["COMPOSITIONS", "SEARCHES", "composition", "polynomial", "search", "sine_of_turns"]

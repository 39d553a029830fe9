"""Ranges of integers hold every value that an operation gives, and most of them no other; indices in compiled loops
that they let go unchecked."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

import graphad
from graphad.intervals import Interval, combined, hull

UNARY = {"negative": operator.neg, "absolute": abs}
BINARY: dict[str, Callable[[int, int], Any]] = {
    "add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "remainder": operator.mod,
    "floor_divide": operator.floordiv, "bitwise_and": operator.and_, "right_shift": operator.rshift, "minimum": min,
    "maximum": max, "less": operator.lt, "less_equal": operator.le, "greater": operator.gt,
    "greater_equal": operator.ge,
}  # fmt: skip
TIGHT = BINARY.keys() - {"remainder", "bitwise_and"} | UNARY.keys()
"""Operations of which the smallest range is found."""
ENDS = range(-4, 5)
RANGES = [(a, b) for a in ENDS for b in ENDS if a <= b]
OPEN = [(a, b) for a in (-np.inf, *ENDS) for b in (*ENDS, np.inf) if a <= b]


def within(a: Interval) -> range:
    """The integers of a range, an open one cut far away."""
    return range(int(max(a[0], -9)), int(min(a[1], 9)) + 1)


def cases(name: str) -> Iterator[tuple[list[Interval], Interval, list[int]]]:
    """Operands, their range, and all values that the operation gives for them."""
    count, f = (1, UNARY[name]) if name in UNARY else (2, BINARY[name])
    for ranges in product(RANGES if count == 2 else OPEN, *[OPEN] * (count - 1)):
        found = combined(name, list(ranges))
        if found is not None:
            yield list(ranges), found, [int(f(*xs)) for xs in product(*map(within, ranges))]


@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_a_range_holds_all_values(name: str) -> None:
    for ranges, (low, high), values in cases(name):
        assert low <= min(values) <= max(values) <= high, ranges


@pytest.mark.parametrize("name", sorted(TIGHT))
def test_a_range_holds_no_more_than_the_values(name: str) -> None:
    bounded = [case for case in cases(name) if np.isfinite(case[0]).all()]
    assert len(bounded) >= len(RANGES)
    for ranges, found, values in bounded:
        assert found == (min(values), max(values)), ranges


def test_the_range_of_one_of_two() -> None:
    assert hull((1, 2), (-3, 1)) == (-3, 2)


def apart(x: Any) -> Any:
    total = 0.0
    for i in range(40):
        for j in range(50):
            total = total * 0.9 + x[i - j]
    return total


def backwards(x: Any) -> Any:
    return graphad.fori_loop(0, 6, lambda i, s: s * 0.9 + x[-i], 0.0)


def alternating(x: Any) -> Any:
    return graphad.fori_loop(0, 6, lambda i, s: s * 0.9 + x[i % 2 * 3 - 2] + x[-(i // 2) - 1], 0.0)


@pytest.mark.parametrize("executor", ["llvm", "numba"])
@pytest.mark.parametrize("function", [apart, backwards, alternating])
def test_indices_of_which_some_count_from_the_end(function: Any, executor: str) -> None:
    x = np.linspace(1.0, 2.0, 60)
    f = graphad.value_and_grad(function)
    for found, expected in zip(graphad.jit(f, executor=executor)(x), f(x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)

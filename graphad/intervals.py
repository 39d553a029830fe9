"""Arithmetic of ranges of integers, by the names that operations have in graphs and in compiled loops.

Ends may be infinite where nothing is known of them.
"""

from __future__ import annotations

import math

Interval = tuple[float, float]
"""The smallest and the largest value that an integer can have."""


def hull(a: Interval, b: Interval) -> Interval:
    """The range of what is one of two integers."""
    return min(a[0], b[0]), max(a[1], b[1])


def combined(name: str, ranges: list[Interval]) -> Interval | None:
    """The range of what an operation gives for integers of these ranges, 0 and 1 standing for truth values; None for
    operations that say nothing."""
    (a, b), (c, d) = ranges[0], ranges[-1]
    match name:
        case "add":
            return a + c, b + d
        case "subtract":
            return a - d, b - c
        case "negative":
            return -b, -a
        case "multiply":
            products = [0 if 0 in (x, y) else x * y for x in (a, b) for y in (c, d)]
            return min(products), max(products)
        case "remainder" if c == d > 0:
            return (a, b) if a >= 0 and b < c else (0, c - 1)
        case "floor_divide" if c == d > 0:
            low, high = (x if math.isinf(x) else x // c for x in (a, b))
            return low, high
        case "absolute":
            return max(a, -b, 0), max(-a, b)
        case "bitwise_and" if max(a, c) >= 0:
            # Of a number that is not negative bits are taken, and it bounds what is left.
            return 0, min([high for low, high in ranges if low >= 0])
        case "right_shift" if 0 <= c == d < 64:
            low, high = (x if math.isinf(x) else int(x) >> int(c) for x in (a, b))
            return low, high
        case "minimum":
            return min(a, c), min(b, d)
        case "maximum":
            return max(a, c), max(b, d)
        case "less":
            return _truth(b < c, a >= d)
        case "less_equal":
            return _truth(b <= c, a > d)
        case "greater":
            return _truth(a > d, b <= c)
        case "greater_equal":
            return _truth(a >= d, b < c)
    return None


def _truth(always: bool, never: bool) -> Interval:
    return (1, 1) if always else (0, 0) if never else (0, 1)

"""Ranges of integer scalars: what is known of an index before a loop runs, so that it need not be checked in each
iteration."""

from __future__ import annotations

from graphad.executors.loops.program import Iteration
from graphad.ops.scalar import Const, Operation, Scalar, operation

Range = tuple[int, int]
"""The smallest and the largest value that a scalar can have."""
_LIMIT = 1 << 62
_TRIPS = 1 << 53
"""More iterations than a loop ever makes."""


def narrowed(x: Scalar, memo: dict[Scalar, tuple[Scalar, Range | None]] | None = None) -> tuple[Scalar, Range | None]:
    """An integer or truth value with the choices left out that ranges decide, and its range where one is known."""
    memo = {} if memo is None else memo
    if x not in memo:
        memo[x] = _narrowed(x, memo)
    return memo[x]


def _narrowed(x: Scalar, memo: dict[Scalar, tuple[Scalar, Range | None]]) -> tuple[Scalar, Range | None]:
    if isinstance(x, Const) and x.lanes == 1 and x.dtype.kind in "biu":
        return x, (int(x.value), int(x.value))
    if isinstance(x, Iteration):
        return x, (0, x.count - 1) if x.count else (0, _TRIPS)
    if not isinstance(x, Operation) or x.lanes > 1 or x.dtype.kind not in "bi":
        return x, None
    parts = [narrowed(y, memo) for y in x.args]
    args, ranges = [y for y, _ in parts], [r for _, r in parts]
    if x.name == "where":
        if ranges[0] is not None and ranges[0][0] == ranges[0][1]:
            return parts[1 if ranges[0][0] else 2]
        found = _hull(ranges[1], ranges[2])
    else:
        found = _combined(x.name, [r for r in ranges if r is not None]) if all(r is not None for r in ranges) else None
    same = all([a is b for a, b in zip(args, x.args, strict=True)])
    if found is not None and x.dtype.kind == "b" and found[0] == found[1]:
        return Const(x.dtype, x.dtype.type(found[0])), found
    if found is not None and x.dtype.kind != "b" and (found[0] < -_LIMIT or found[1] > _LIMIT or x.dtype.itemsize < 8):
        found = None  # it may wrap around
    if same:
        return x, found
    return (operation(x.name, *args) if x.name != "where" else Operation(x.dtype, x.name, tuple(args))), found


def _hull(a: Range | None, b: Range | None) -> Range | None:
    return (min(a[0], b[0]), max(a[1], b[1])) if a is not None and b is not None else None


def _combined(name: str, ranges: list[Range]) -> Range | None:
    (a, b), (c, d) = ranges[0], ranges[-1]
    match name:
        case "add":
            return a + c, b + d
        case "subtract":
            return a - d, b - c
        case "negative":
            return -b, -a
        case "multiply":
            products = (a * c, a * d, b * c, b * d)
            return min(products), max(products)
        case "remainder" if c == d > 0:
            return (a, b) if a >= 0 and b < c else (0, c - 1)
        case "floor_divide" if c == d > 0:
            return a // c, b // c
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


def _truth(always: bool, never: bool) -> Range | None:
    return (1, 1) if always else (0, 0) if never else (0, 1)

"""Ranges of integer scalars: what is known of an index before a loop runs, so that it need not be checked in each
iteration."""

from __future__ import annotations

from graphad.executors.loops.program import Iteration
from graphad.intervals import Interval, combined, hull
from graphad.ops.scalar import Const, Operation, Scalar, operation

Known = tuple[Scalar, Interval | None]
"""A scalar, and its range where one is known."""
_LIMIT = 1 << 62
_TRIPS = 1 << 53
"""More iterations than a loop ever makes."""


def narrowed(x: Scalar, memo: dict[Scalar, Known] | None = None) -> Known:
    """An integer or truth value with the choices left out that ranges decide, and its range where one is known."""
    memo = {} if memo is None else memo
    if x not in memo:
        memo[x] = _narrowed(x, memo)
    return memo[x]


def _narrowed(x: Scalar, memo: dict[Scalar, Known]) -> Known:
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
        found = None if ranges[1] is None or ranges[2] is None else hull(ranges[1], ranges[2])
    else:
        known = [r for r in ranges if r is not None]
        found = combined(x.name, known) if len(known) == len(ranges) else None
    same = all([a is b for a, b in zip(args, x.args, strict=True)])
    if found is not None and x.dtype.kind == "b" and found[0] == found[1]:
        return Const(x.dtype, x.dtype.type(found[0])), found
    if found is not None and x.dtype.kind != "b" and (found[0] < -_LIMIT or found[1] > _LIMIT or x.dtype.itemsize < 8):
        found = None  # it may wrap around
    if same:
        return x, found
    return (operation(x.name, *args) if x.name != "where" else Operation(x.dtype, x.name, tuple(args))), found

"""Arguments that a function writes to, and what else shares their memory: each argument is an array of its own, so that
what NumPy would write to both is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import TracerError
from graphad.location import place
from graphad.numpy.views import Joined, origin_of, rivals
from graphad.trace import Tracer


def shared(x: Any, y: Any) -> bool:
    """Whether two arrays may have elements in common."""
    if isinstance(x, Tracer) and isinstance(y, Tracer):
        one, other = origin_of(x), origin_of(y)
        if one is other:
            return x is y or bool(np.shares_memory(x, y))
        near = [z for a in (one, other) for z in (a.others() if isinstance(a, Joined) else ())]
        doubtful = [*rivals(one), *[r() for r, _ in one.__dict__.get("alternatives", ())]]
        return any([z is one or z is other for z in near]) or any([z is other for z in doubtful])
    if isinstance(x, Tracer) or isinstance(y, Tracer):
        return False
    return isinstance(x, np.ndarray) and isinstance(y, np.ndarray) and np.shares_memory(x, y)


def _overlaps(x: Any) -> bool:
    """Whether elements of an array stand in several places of it, as those of windows and of broadcast arrays."""
    if x.flags.c_contiguous or not x.size:
        return False
    low, high = np.lib.array_utils.byte_bounds(x)
    return bool(high - low < x.nbytes)


def clash(leaves: Sequence[Any], written: Iterable[int], read: Sequence[Any]) -> tuple[int, Any] | None:
    """The position of a leaf that is written to, and what shares its memory: the position of another one, or its own
    where its elements overlap, or an array among those that the function reads otherwise; None
    if nothing does."""
    for i in written:
        x = leaves[i]
        if isinstance(x, np.ndarray) and not isinstance(x, Tracer) and _overlaps(x):
            return i, i
        for j, y in enumerate(leaves):
            if j != i and shared(x, y):
                return i, j
        for y in read:
            if shared(x, y):
                return i, y
    return None


def check(title: str, names: Callable[[], Sequence[str | None]], found: tuple[int, Any] | None) -> None:
    """Raise `TracerError` where something shares the memory of an argument that is written to."""
    if found is None:
        return
    i, other = found
    told = [name or "an argument" for name in names()]
    name = told[i]
    if isinstance(other, int) and i == other:
        shares = "its elements share memory with one another"
    elif isinstance(other, int):
        shares = f"{told[other]} shares memory with it"
    else:
        shares = f"an array of shape {list(other.shape)} that it reads besides its arguments shares memory with it"
    raise TracerError(
        f"{title} writes to {name}{place()}, and {shares}: in NumPy both would change, and "
        f"here each argument is an array of its own; pass a copy (x.copy())"
    )

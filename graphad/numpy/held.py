"""Who else holds the memory of an array that is about to become a traced one."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.errors import TracerError
from graphad.location import place
from graphad.types import Array

base_of: Callable[[Any], Any] = np.ndarray.base.__get__  # type: ignore[attr-defined]
"""NumPy's array that another one is a view of, None if it has memory of its own."""
IN_LIST = next(map(sys.getrefcount, [object()]))
"""The references to what only a list holds, counted by `map`."""


def watcher() -> str:
    """What a message adds where a debugger or a tracer runs: its pictures of variables (`f_locals`) hold arrays, which
    cannot be told from what else does."""
    tools = getattr(sys, "monitoring", None)
    if sys.gettrace() is None and (tools is None or not any([tools.get_tool(i) for i in range(6)])):
        return ""
    return "; or run without the debugger or tracer that is at work (sys.gettrace()), which may hold the array"


def check_held(root: Any, views: list[Any]) -> None:
    """Raise `TracerError` where somebody else reads the memory of a buffer that is about to become a traced array."""
    keepers = _keepers(root, views)
    if keepers:
        gc.collect()  # what is only part of a cycle is no longer there
        keepers = _keepers(root, views)
    if keepers:
        raise TracerError(
            f"a traced value is written to an array{place()} whose memory is kept by "
            f"{keepers[0]}, which would not see it; make that after the assignment, or of a copy (x.copy())"
            f"{watcher()}"
        )


def _keepers(root: Any, views: list[Any]) -> list[str]:
    """In words what else reads the memory of a buffer."""
    keepers = [where for memory, where in root.__dict__.get("lent", ()) if memory() is not None]
    if _others(root, views) > _ALONE:
        keepers.append("another object (a memoryview, an iterator, an object of a library)")
    return keepers


def _others(root: Any, views: list[Any]) -> int:
    """References to the arrays of NumPy's whose memory a buffer sees, but for those by its views."""
    most, base = 0, base_of(root)
    while type(base) is np.ndarray:
        ours = sum([_through(base_of(v), base) for v in views])
        most, base = max(most, sys.getrefcount(base) - ours), base.base
    return most


def _through(x: Any, base: Array) -> bool:
    """Whether what a view is made of holds an array of NumPy's, itself or by what that is made of in turn."""
    while x is not None:
        held = getattr(x, "base", None)
        if held is base:
            return True
        x = held
    return False


class _Seen(np.ndarray[Any, Any]):
    """An array of another class than the one whose memory it sees."""


_ALONE = _others(np.empty(0).view(_Seen), [])
"""References to such an array where nothing else holds it."""

"""What a process makes once, whichever of its threads asks first, and the lock that a fork waits for."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any, TypeVar

_T = TypeVar("_T")


class _Lock:
    """A reentrant lock that no other thread holds while the process forks: a child finds what it guards whole."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        if hasattr(os, "register_at_fork"):
            after = self._lock.release
            os.register_at_fork(before=self._lock.acquire, after_in_parent=after, after_in_child=after)

    def taken(self) -> bool:
        """Whether the lock was free, and is this thread's now."""
        return self._lock.acquire(blocking=False)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._lock.release()


LOCK = _Lock()
"""The one lock of all that is made or imported when it is first used: with several, a fork that takes them one by one
could wait for a thread that holds one and waits for another. The child of a fork within an import cannot import the
same module."""


def once(make: Callable[[], _T]) -> Callable[[], _T]:
    """A function without arguments that is called once; every thread gets what that call gave."""
    made: dict[str, Any] = {}

    @wraps(make)
    def get() -> _T:
        if not made:
            with LOCK:
                if not made:
                    made["value"] = make()
        return made["value"]  # type: ignore[no-any-return]

    return get

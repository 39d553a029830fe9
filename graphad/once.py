"""What a process makes once, whichever of its threads asks first, and the lock that a fork waits for."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any, TypeVar

_T = TypeVar("_T")


_PATIENCE = 10.0
"""Seconds after which a fork no longer waits for an import."""
_IMPORTED = {*sys.stdlib_module_names, "graphad", "numpy", "scipy", "numba", "llvmlite", "networkx"}
"""Packages of which modules are imported when they are first used. A module of the user's may be a whole program."""
_importlib: Any = sys.modules["_frozen_importlib"]


def _others_import() -> bool:
    """Whether another thread is within the import of a module that graphad may need."""
    me = threading.get_ident()
    for name, found in list(getattr(_importlib, "_module_locks", {}).items()):
        owner = getattr(found(), "owner", None)
        if owner not in (None, me) and name.partition(".")[0] in _IMPORTED:
            return True
    return False


class _Lock:
    """A reentrant lock that no other thread holds while the process forks: a child finds what it guards whole."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        if hasattr(os, "register_at_fork"):
            after = self._lock.release
            os.register_at_fork(before=self._before_fork, after_in_parent=after, after_in_child=after)

    def _before_fork(self) -> None:
        """Take the lock when no other thread is within an import, whose lock a child could never take."""
        until = time.monotonic() + _PATIENCE
        while True:
            time.sleep(0)  # from here on this thread has the interpreter to itself for long enough
            self._lock.acquire()
            if not _others_import() or time.monotonic() > until:
                return
            self._lock.release()
            time.sleep(0.001)

    def taken(self) -> bool:
        """Whether the lock was free, and is this thread's now."""
        return self._lock.acquire(blocking=False)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._lock.release()


LOCK = _Lock()
"""The one lock of all that is made or imported when it is first used: with several, a fork that takes them one by one
could wait for a thread that holds one and waits for another. A fork also waits for imports, which have locks of their
own."""


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

"""One function in several threads at once, for tests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


def in_threads(work: Callable[[int], Any], n: int) -> None:
    """Call `work(0)` to `work(n - 1)`, each in a thread of its own, and wait for all."""
    threads = [threading.Thread(target=work, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

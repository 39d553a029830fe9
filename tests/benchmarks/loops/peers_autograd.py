"""Peers in autograd, the library that differentiates NumPy code as Python runs it: its loops are Python's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import autograd
import autograd.numpy as np
import recurrences as r

Peer = Callable[..., Callable[[], Any]]


def derived(make: Callable[..., Any], argnums: Any = 0) -> Peer:
    """Value and gradient of a function."""
    both = autograd.value_and_grad(make(np), argnums)
    return lambda *arguments: partial(both, *arguments)


lstm = derived(r.lstm, (0, 1))
kalman = derived(r.kalman)
logistic = derived(partial(r.logistic, steps=10_000), (0, 1))
newton = derived(r.newton)

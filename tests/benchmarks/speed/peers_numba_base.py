"""How the hand-written loops are compiled by numba: for one thread, or with `parallel` for all that it may use."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import numba

Peer = Callable[..., Callable[[], Any]]
OPTIONS = {"fastmath": {"reassoc", "contract", "nsz"}, "error_model": "numpy", "cache": True}


def loop(function: Callable[..., Any]) -> Peer:
    """The function, compiled and bound to its arguments."""
    compiled = numba.njit(function, **OPTIONS)
    return wraps(function)(lambda *arguments: partial(compiled, *arguments))


def rows(function: Callable[..., Any]) -> Peer:
    """The same for loops over independent rows, which threads can share."""
    versions = _versions(function)
    return wraps(function)(lambda *arguments, parallel=False: partial(versions[parallel], *arguments))


def parts(function: Callable[..., Any]) -> Peer:
    """The same for sums over rows: the last parameter is the number of parts that are summed by themselves."""
    versions, counts = _versions(function), (1, numba.config.NUMBA_NUM_THREADS)
    return wraps(function)(lambda *arguments, parallel=False: partial(versions[parallel], *arguments, counts[parallel]))


def _versions(function: Callable[..., Any]) -> list[Callable[..., Any]]:
    return [numba.njit(function, parallel=parallel, **OPTIONS) for parallel in (False, True)]

"""The distributions of statistics of ranks where nothing but chance is at work, as tables: they are counted out."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from graphad.numpy.arguments import recorded
from graphad.ops.elementwise import cast
from graphad.types import Array


def looked_up(table: Any, at: Any) -> Any:
    """The entries of a table at whole numbers, those at the ends beyond them."""
    return np.take(recorded(table), cast(np.clip(at, 0, len(table) - 1), np.int64))


def _shares(counts: list[int], total: int) -> tuple[Any, Any]:
    """The probabilities of at most, and of at least, each place."""
    found, sums = [], 0
    for n in counts:
        sums += n
        found.append((sums / total, (total - sums + n) / total))
    below, above = zip(*found, strict=True)
    return np.array(below), np.array(above)


def _times(counts: list[int], step: int, sign: int) -> list[int]:
    """A polynomial times `1 + sign * x**step`."""
    found = [*counts, *[0] * step]
    for i, n in enumerate(counts):
        found[i + step] += sign * n
    return found


def _over(counts: list[int], step: int) -> list[int]:
    """A polynomial divided by `1 - x**step`, which is a factor."""
    found = list(counts)
    for i in range(step, len(found)):
        found[i] += found[i - step]
    return found[: len(found) - step]


@lru_cache(maxsize=64)
def mann_whitney(n: int, m: int) -> Array:
    """The probabilities that at least so many pairs of two samples are in order."""
    n, m = sorted((n, m))
    counts = [1]
    for i in range(1, n + 1):
        counts = _over(_times(counts, m + i, -1), i)
    return _shares(counts, math.comb(n + m, n))[1]


@lru_cache(maxsize=64)
def signed_ranks(n: int) -> tuple[Any, Any]:
    """The probabilities of at most, and of at least, a sum of positive ranks."""
    counts = [1]
    for i in range(1, n + 1):
        counts = _times(counts, i, 1)
    return _shares(counts, 2**n)


@lru_cache(maxsize=8)
def signs(n: int) -> Array:
    """All ways to choose the signs of so many numbers, 1 where it is positive: a column for each."""
    return (np.arange(2**n) >> np.arange(n)[:, None] & 1).astype(float)


@lru_cache(maxsize=64)
def kendall(n: int, entries: int) -> tuple[Any, Any]:
    """The probabilities of at most, and of exactly, so many pairs that are out of order; the first entries."""
    counts = [1]
    for i in range(2, n + 1):
        counts = _over(_times(counts, i, -1), 1)[:entries] if len(counts) + i > 2 else counts
    total = math.factorial(n)
    return _shares(counts, total)[0], np.array([c / total for c in counts])


@lru_cache(maxsize=64)
def ansari(n: int, m: int) -> tuple[int, Any, Any]:
    """The least statistic, and the probabilities of at most, and of at least, each from there."""
    size = n + m
    scores = np.minimum(np.arange(1, size + 1), np.arange(size, 0, -1))
    top = int(np.sum(np.sort(scores)[size - n :])) + 1
    ways = np.zeros((n + 1, top))
    ways[0, 0] = 1.0
    for s in scores.tolist():
        ways[1:, s:] = ways[1:, s:] + ways[:-1, : top - s]
    start = int(np.sum(np.sort(scores)[:n]))
    counts = ways[n, start:] / math.comb(size, n)
    return start, np.cumsum(counts), np.cumsum(counts[::-1])[::-1]


@lru_cache(maxsize=64)
def smirnov(n: int, m: int, two_sided: bool) -> Any:
    """The probabilities that two distribution functions are so many steps apart or more, of `lcm(n, m)` steps.

    A path through a grid, to whose corner all are equally likely, goes beyond a band: the share of those to `(i, j)`
    is a mean of the shares to the two places before it.
    """
    lcm = math.lcm(n, m)
    wide, high = lcm // n, lcm // m
    reach = np.arange(lcm + 1)
    row = [np.zeros(lcm + 1)] * (m + 1)
    for i in range(n + 1):
        for j in range(m + 1):
            apart = i * wide - j * high
            left = row[j - 1] if j else 0.0
            inside = (row[j] * i + left * j) / (i + j) if i + j else np.zeros(lcm + 1)
            row[j] = np.where((abs(apart) if two_sided else apart) >= reach, 1.0, inside)
    return row[m]

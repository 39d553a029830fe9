"""Solutions of symmetric systems that are made positive definite where they are not."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.api.loops import fori_loop

_UNROLLED = 4


def definite_solve(matrix: Any, b: Any) -> Any:
    """`(matrix + E)^-1 b` with a diagonal `E >= 0` that is 0 where `matrix` is well positive definite.

    The modified Cholesky factorisation of Gill, Murray and Wright ("Practical Optimization", 1981, section 4.4.2.2), of
    the matrix whose diagonal is scaled to ones, so that it does not matter in which units each unknown is.
    """
    n = b.shape[0]
    if n == 1:
        size = np.abs(matrix[0, 0])
        return b / np.where(size > 0, size, 1.0)
    rows = np.arange(n)
    units = np.sqrt(np.abs(np.diagonal(matrix)))
    # So no entry of a matrix becomes larger than 1 that is positive semidefinite; others are left as they are.
    sound = np.all(np.abs(matrix) <= 1.001 * np.outer(units, units))
    units = np.where(sound & (units > 0), units, 1.0)
    matrix, b = matrix / np.outer(units, units), b / units
    diagonal = np.max(np.abs(np.diagonal(matrix)))
    beyond = np.max(np.abs(matrix * (1 - np.eye(n))))
    least = np.finfo(float).eps * np.maximum(diagonal + beyond, np.finfo(float).tiny / np.finfo(float).eps)
    spread = np.sqrt(max(n * n - 1, 1))
    limit = np.maximum(np.maximum(diagonal, beyond / spread), np.finfo(float).eps * np.maximum(diagonal + beyond, 1.0))

    def eliminate(j: Any, state: Any) -> Any:
        rest, lower, pivots, x = state
        column = np.where(rows > j, rest[:, j], 0.0)
        theta = np.max(np.abs(column))
        pivot = np.maximum(np.maximum(np.abs(rest[j, j]), theta * theta / limit), least)
        line = column / pivot
        rest = rest - np.outer(column, line)
        at = rows == j
        return rest, np.where(at, line[:, None], lower), np.where(at, pivot, pivots), x - line * x[j]

    def substitute(k: Any, state: Any) -> Any:
        lower, pivots, x = state
        j = n - 1 - k
        found = x[j] / pivots[j] - lower[:, j] @ np.where(rows > j, x, 0.0)
        return lower, pivots, np.where(rows == j, found, x)

    unroll = True if n <= _UNROLLED else 1
    start = matrix, np.zeros((n, n)), np.zeros(n), b
    _, lower, pivots, x = fori_loop(0, n, eliminate, start, unroll=unroll)
    return fori_loop(0, n, substitute, (lower, pivots, x), unroll=unroll)[2] / units

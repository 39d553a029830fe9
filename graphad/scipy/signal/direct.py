"""Sums of products as SciPy's loops form them, where NaN and infinities touch only what they are multiplied with."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.api.loops import scan
from graphad.numpy.scans import shifted_sum
from graphad.ops import shape as shapes
from graphad.ops.dynamic import DynamicSlice
from graphad.types import Array

UNROLLED = 64
"""Up to so many products each is written out, so that a compiler makes one loop of them; more are a loop of the graph,
which takes no more memory than one product."""


def correlated(x: Array, taps: Array) -> Array:
    """`sum_j x[i + j] taps[j]` over all axes, for each `i` at which the taps lie inside of `x`; of one dtype."""
    shape = tuple(n - k + 1 for n, k in zip(x.shape, taps.shape, strict=True))
    places = np.indices(taps.shape).reshape(taps.ndim, -1).T
    if len(places) <= UNROLLED:
        total: Any = None
        for place in places.tolist():
            part = x[tuple(slice(i, i + n) for i, n in zip(place, shape, strict=True))] * taps[tuple(place)]
            total = part if total is None else total + part
        return total

    def step(total: Any, row: tuple[Any, Any]) -> tuple[Any, None]:
        tap, place = row
        return total + DynamicSlice(shape)(x, *[place[i] for i in range(x.ndim)]) * tap, None

    return scan(step, shapes.zeros(shape, x.dtype), (shapes.reshape(taps, (-1,)), places))[0]


def filtered(rows: Array, taps: Array) -> Array:
    """`sum_j taps[j] rows[i - j]` along the first axis, without the products of what stands before the first row."""
    n, m = rows.shape[0], min(taps.shape[0], rows.shape[0])
    if m <= UNROLLED:
        total = rows * taps[0]
        for j in range(1, m):
            total = total + np.pad(rows[: n - j] * taps[j], [(j, 0), *[(0, 0)] * (rows.ndim - 1)])
        return total
    return np.moveaxis(shifted_sum(np.moveaxis(rows, 0, -1), taps)[..., :n], -1, 0)

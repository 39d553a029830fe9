"""How what is written to a view goes back to what it is a view of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.numpy.updates import At
from graphad.ops.shape import reshape, transpose
from graphad.types import Array

Forth = Callable[[Any], Any]
"""What a view is of its origin: for tracers and for NumPy's arrays alike."""
Back = Callable[[Any, Any], Any]
"""`back(origin, new)`: the origin where the view is `new`."""


class Inverse:
    """What undoes a rearrangement of elements."""

    def __init__(self, forth: Forth) -> None:
        self.forth = forth

    def __call__(self, base: Array, new: Array) -> Array:
        places = self.forth(np.arange(base.size).reshape(base.shape))
        flat = places.reshape(-1)
        if flat.size == base.size and (flat == np.arange(base.size)).all():
            return reshape(new, base.shape)
        if places.ndim == base.ndim and flat.size == base.size:
            # A permutation of the axes: which axis of the base each step along the view goes along.
            strides = [int(np.prod(base.shape[i + 1 :])) for i in range(base.ndim)]
            first = [places[tuple([int(i == j) for i in range(base.ndim)])] if places.shape[j] > 1 else None
                     for j in range(base.ndim)]  # fmt: skip
            axes = [strides.index(n) if n in strides else -1 for n in first]
            rest = [i for i in range(base.ndim) if i not in axes]
            axes = [a if a >= 0 else rest.pop(0) for a in axes]
            numbers = np.arange(base.size).reshape(base.shape)
            if sorted(axes) == list(range(base.ndim)) and np.array_equal(numbers.transpose(axes), places):
                return transpose(new, np.argsort(axes).tolist())
        return reshape(At(reshape(base, (-1,)))[flat].set(reshape(new, (-1,))), base.shape)

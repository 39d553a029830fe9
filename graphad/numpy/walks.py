"""Objects of NumPy that walk over the elements of arrays: `ndenumerate`, `nditer`, `broadcast`.

An element is what it is when its turn comes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError
from graphad.numpy.arguments import operand, recorded
from graphad.numpy.buffers import Buffer
from graphad.numpy.dispatch import implements
from graphad.numpy.layouts import UNKNOWN, outline_of, unclear
from graphad.trace import Tracer
from graphad.types import Array, ArrayLike


def _elements(x: Array, places: Any) -> Iterator[Any]:
    """The elements at flat positions."""
    x = x if isinstance(x, Buffer) else recorded(operand(x))
    shape = x.shape
    return (x[np.unravel_index(i, shape)] if shape else x[()] for i in places)


@implements(np.ndenumerate)
def ndenumerate(arr: ArrayLike) -> Iterator[tuple[tuple[int, ...], Any]]:
    """NumPy's `ndenumerate`: pairs of an index and the element there."""
    x = arr if isinstance(arr, Buffer) else operand(arr)
    return zip(np.ndindex(x.shape), _elements(x, range(x.size)), strict=True)


@implements(np.nditer)
def nditer(op: ArrayLike, *arguments: Any, **options: Any) -> Iterator[Any]:
    """NumPy's `nditer` of one array, or of several that broadcast, to be read in the order of their memory."""
    if arguments or options:
        raise MissingRuleError("nditer: flags, order and dtypes cannot be traced; use numpy.ndindex and x[index]")
    walk = Broadcast(*op) if isinstance(op, (list, tuple)) else Broadcast(op)
    given = walk.arrays
    for x in given:
        if isinstance(x, Tracer) and x.layout is UNKNOWN:
            raise unclear(x, "nditer")
    order = np.nditer([outline_of(x) for x in given], ["multi_index", "zerosize_ok"])
    places = [int(np.ravel_multi_index(order.multi_index, walk.shape)) if walk.shape else 0 for _ in order]
    return walk.along(places) if isinstance(op, (list, tuple)) else _elements(given[0], places)


class Broadcast:
    """What NumPy's `broadcast` makes, of traced arrays: its shape, and a walk over tuples of elements."""

    def __init__(self, *args: Any) -> None:
        self.arrays = [x if isinstance(x, Buffer) else operand(x) for x in args]
        self.shape = np.broadcast_shapes(*[x.shape for x in self.arrays])
        self.ndim = self.nd = len(self.shape)
        self.size = int(np.prod(self.shape))
        self.numiter = len(args)

    def _walk(self, x: Any, places: Sequence[int]) -> Iterator[Any]:
        standing = np.broadcast_to(np.arange(x.size).reshape(x.shape), self.shape).reshape(-1)
        return _elements(x, [int(standing[i]) for i in places])

    @property
    def iters(self) -> tuple[Iterator[Any], ...]:
        return tuple([self._walk(x, range(self.size)) for x in self.arrays])

    def along(self, places: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        """The tuples of elements at flat positions."""
        return zip(*[self._walk(x, places) for x in self.arrays], strict=True)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self.along(range(self.size))


@implements(np.broadcast)
def broadcast(*args: Any) -> Broadcast:
    """NumPy's `broadcast`: the shape that arrays broadcast to, and their elements in it."""
    return Broadcast(*args)

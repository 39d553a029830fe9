"""Rows of a traced array, recorded only where they are read: what a loop of the graph has appended to a list."""

from __future__ import annotations

from graphad.build import Builder, building
from graphad.graph import Value
from graphad.numpy.indexing import getitem
from graphad.numpy.views import OUTSIDE, Joined
from graphad.trace import Tracer
from graphad.types import TensorType


class ArrayEntry(Joined):
    """The row of a traced array at a known position. An array is not written to: another variable may have it too."""

    def __init__(self, source: Tracer, position: int, weak: bool) -> None:
        self.row = source, position
        self.weak = weak
        self._read: Value | None = None
        self._builder, self._following = source.builder, False
        self._tests, self._arrays, self._seen = [None], [OUTSIDE], [None]
        self._others = {}

    def _release(self) -> None:
        """Its source is not one that anything else knows."""

    @property
    def _value(self) -> Value:  # type: ignore[override]
        if self._read is None:
            source, position = self.row
            with building(source.builder):
                self._read = getitem(source, position).value
        return self._read

    @property  # type: ignore[misc]
    def value(self) -> Value:  # type: ignore[override]
        return self._value

    @property  # type: ignore[misc]
    def builder(self) -> Builder:  # type: ignore[override]
        return self._builder

    # What it is can be told without reading it.
    type = property(lambda self: _type(self.row[0]))
    shape = property(lambda self: self.row[0].shape[1:])
    dtype = property(lambda self: self.row[0].dtype)
    ndim = property(lambda self: self.row[0].ndim - 1)
    size = property(lambda self: _type(self.row[0]).size)


def _type(source: Tracer) -> TensorType:
    return source.type.with_shape(source.shape[1:])

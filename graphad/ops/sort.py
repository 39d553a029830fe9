"""Sorting along an axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.op import Op, Sample
from graphad.ops.index import take_along_axis
from graphad.types import INT64, Array, TensorType


class Sorting(Op, abstract=True):
    """Base of the ops that order the elements along `axis`, equal ones as they stand (a stable sort)."""

    axis: int

    def infer(self, *xs: TensorType) -> TensorType:
        if not 0 <= self.axis < xs[0].ndim:
            raise ShapeError(f"{self!r}: {xs[0]} has no such axis")
        return xs[0]

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Array:
        return type(self)(self.axis + 1)(xs[0])

    def flops(self, *xs: TensorType) -> int:
        n = max(xs[0].shape[self.axis], 1)
        return xs[0].size * n.bit_length()

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([[1.5, -2.0, 0.5], [3.0, 0.25, -1.0]])
        for axis in (0, 1):
            yield Sample(cls(axis), (x,))
        yield Sample(cls(0), (x[0].astype("f4"),))
        yield Sample(cls(0), (np.zeros((0, 2)),))
        yield Sample(cls(0), (np.array([3, 1, 2, 1]),))


class Sort(Sorting):
    """NumPy's stable `sort` along `axis`; its derivative moves the tangents along."""

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xp.sort(xs[0], axis=self.axis, kind="stable") if xp is np else xp.sort(xs[0], axis=self.axis)

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Array:
        return take_along_axis(tangents[0], Argsort(self.axis)(primals[0]), self.axis)


class Argsort(Sorting):
    """NumPy's stable `argsort` along `axis`, as int64; it has no derivative."""

    def infer(self, *xs: TensorType) -> TensorType:
        return super().infer(*xs).with_dtype(INT64)

    def eval(self, xp: Any, *xs: Any) -> Array:
        order = xp.argsort(xs[0], axis=self.axis, kind="stable") if xp is np else xp.argsort(xs[0], axis=self.axis)
        return order.astype(INT64)

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        return None


__all__ = ["Argsort", "Sort"]

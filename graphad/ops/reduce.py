"""Reductions: results over whole axes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.op import Op, Sample
from graphad.ops.shape import broadcast_to, reshape
from graphad.types import INT64, DType, Shape, TensorType


def reduced_shape(op: Op, x: TensorType, axes: tuple[int, ...]) -> Shape:
    """The shape left after reducing `axes` (sorted, non-negative). Raises `ShapeError`."""
    if list(axes) != sorted(set(axes)) or (axes and not 0 <= axes[0] <= axes[-1] < x.ndim):
        raise ShapeError(f"{op.name}: axes {axes} are not sorted distinct axes of {x}")
    return tuple(n for i, n in enumerate(x.shape) if i not in axes)


def expand(x: Any, shape: Shape, axes: tuple[int, ...]) -> Any:
    """A reduction's result repeated over the axes that were reduced, back to `shape`."""
    return broadcast_to(reshape(x, tuple(1 if i in axes else n for i, n in enumerate(shape))), shape)


class Reduction(Op, abstract=True):
    """Base of the reductions; `axes` are sorted and non-negative, and vanish from the shape."""

    axes: tuple[int, ...]

    def infer(self, *xs: TensorType) -> TensorType:
        return TensorType(self.result_dtype(xs[0].dtype), reduced_shape(self, xs[0], self.axes))

    def result_dtype(self, dtype: DType) -> DType:
        return dtype

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Any:
        return type(self)(tuple(i + 1 for i in self.axes))(xs[0])

    def flops(self, *xs: TensorType) -> int:
        return xs[0].size

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([[[1.5, -2.0, 0.5], [3.0, 0.25, -1.0]]])
        for axes in [(2,), (0, 1), (), (0, 1, 2)]:
            yield Sample(cls(axes), (x,))
        yield Sample(cls((1,)), (x.astype("f4"),))


class Sum(Reduction):
    """Sum over axes; integers narrower than int64 and booleans are cast first, as NumPy does."""

    linear = True

    def eval(self, xp: Any, *xs: Any) -> Any:
        return xp.sum(xs[0], axis=self.axes, dtype=xs[0].dtype)

    def infer(self, *xs: TensorType) -> TensorType:
        if xs[0].dtype.kind == "b":
            raise ShapeError(f"sum: cast {xs[0]} to {INT64} first")
        return super().infer(*xs)

    def transpose(self, ct: Any, *xs: Any) -> Any:
        return expand(ct, xs[0].shape, self.axes)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from super().samples()
        yield Sample(cls((0,)), (np.zeros((0, 3)),))
        yield Sample(cls((0,)), (np.array([1 + 2j, 3 - 1j]),))
        yield Sample(cls((0,)), (np.arange(5),))

"""Ops that move elements without computing: broadcasting, reshaping, transposing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.op import OPS, Op, Sample
from graphad.types import Shape, TensorType


class BroadcastTo(Op):
    """NumPy's `broadcast_to`: repeat along new leading axes and axes of extent 1."""

    shape: Shape
    linear = True

    def infer(self, *xs: TensorType) -> TensorType:
        (x,) = xs
        fits = x.ndim <= len(self.shape) and all(
            a in (1, b) for a, b in zip(reversed(x.shape), reversed(self.shape), strict=False)
        )
        if not fits:
            raise ShapeError(f"broadcast_to: {x} does not broadcast to {list(self.shape)}")
        return x.with_shape(self.shape)

    def eval(self, xp: Any, *xs: Any) -> Any:
        return xp.broadcast_to(xs[0], self.shape)

    def transpose(self, ct: Any, *xs: Any) -> Any:
        return sum_to(ct, xs[0].shape)

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Any:
        (x,) = xs
        missing = len(self.shape) - (x.ndim - 1)
        aligned = reshape(x, (size, *(1,) * missing, *x.shape[1:])) if missing else x
        return BroadcastTo((size, *self.shape))(aligned)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(6.0).reshape(2, 1, 3)
        yield Sample(cls((4, 2, 5, 3)), (x,))
        yield Sample(cls((2, 3)), (np.array(1.5),))
        yield Sample(cls((0, 3)), (np.ones((1, 3), "f4"),))
        yield Sample(cls((2, 2)), (np.array([True, False]),))


class Reshape(Op):
    """NumPy's `reshape`, in C order, to a shape without -1."""

    shape: Shape
    linear = True

    def infer(self, *xs: TensorType) -> TensorType:
        out = xs[0].with_shape(self.shape)
        if out.size != xs[0].size:
            raise ShapeError(f"reshape: {xs[0]} has {xs[0].size} elements, shape {list(self.shape)} has {out.size}")
        return out

    def eval(self, xp: Any, *xs: Any) -> Any:
        return xp.reshape(xs[0], self.shape)

    def transpose(self, ct: Any, *xs: Any) -> Any:
        return Reshape(xs[0].shape)(ct)

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Any:
        return Reshape((size, *self.shape))(xs[0])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls((3, 2)), (np.arange(6.0).reshape(2, 3),))
        yield Sample(cls(()), (np.ones((1, 1), "f4"),))
        yield Sample(cls((0, 5)), (np.ones((3, 0)),))


class Transpose(Op):
    """NumPy's `transpose`: axis `i` of the result is axis `axes[i]` of the operand."""

    axes: tuple[int, ...]
    linear = True

    def infer(self, *xs: TensorType) -> TensorType:
        (x,) = xs
        if sorted(self.axes) != list(range(x.ndim)):
            raise ShapeError(f"transpose: axes {self.axes} are not a permutation of the axes of {x}")
        return x.with_shape(tuple(x.shape[i] for i in self.axes))

    def eval(self, xp: Any, *xs: Any) -> Any:
        return xp.permute_dims(xs[0], self.axes)

    def transpose(self, ct: Any, *xs: Any) -> Any:
        return Transpose(tuple(int(i) for i in np.argsort(self.axes)))(ct)

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Any:
        return Transpose((0, *(i + 1 for i in self.axes)))(xs[0])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls((1, 0)), (np.arange(6.0).reshape(2, 3),))
        yield Sample(cls((2, 0, 1)), (np.arange(24.0).reshape(2, 3, 4),))
        yield Sample(cls(()), (np.array(2.0, "f4"),))
        yield Sample(cls((1, 0)), (np.ones((0, 3), "i4"),))


def reshape(x: Any, shape: Shape) -> Any:
    """`x` in another shape; `x` itself where it has that shape already."""
    return x if x.shape == shape else Reshape(shape)(x)


def broadcast_to(x: Any, shape: Shape) -> Any:
    """`x` repeated to a shape; `x` itself where it has that shape already."""
    return x if getattr(x, "shape", None) == shape else BroadcastTo(shape)(x)


def sum_to(x: Any, shape: Shape) -> Any:
    """The transpose of broadcasting: `x` summed over the axes along which `shape` broadcasts to `x.shape`."""
    if x.shape == shape:
        return x
    lead = x.ndim - len(shape)
    axes = (*range(lead), *(lead + i for i, n in enumerate(shape) if n == 1 and x.shape[lead + i] != 1))
    summed = OPS["sum"](axes)(x) if axes else x
    return reshape(summed, shape)

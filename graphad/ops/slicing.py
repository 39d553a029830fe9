"""Ops that take regular parts of an array or put an array into a larger one: slicing, reversing, padding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.costs import LIGHT
from graphad.errors import ShapeError
from graphad.moves import Piece, shifted
from graphad.op import Op, Sample
from graphad.types import Array, TensorType


class Slice(Op):
    """`x[start:stop:step]` along every axis: `0 <= start <= stop <= extent` and `step >= 1`."""

    start: tuple[int, ...]
    stop: tuple[int, ...]
    step: tuple[int, ...]
    linear = True
    view = True
    leaves_out = (0,)

    def infer(self, *xs: TensorType) -> TensorType:
        (x,) = xs
        if not len(self.start) == len(self.stop) == len(self.step) == x.ndim:
            raise ShapeError(f"{self!r}: give start, stop and step for each axis of {x}")
        for n, a, b, s in zip(x.shape, self.start, self.stop, self.step, strict=True):
            if not (0 <= a <= b <= n and s >= 1):
                raise ShapeError(f"{self!r}: {a}:{b}:{s} is not a slice with a positive step within {x}")
        return x.with_shape(
            -((a - b) // s) for a, b, s in zip(self.start, self.stop, self.step, strict=True)
        )

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xs[0][(..., *map(slice, self.start, self.stop, self.step))]

    def transpose(self, ct: Any, *xs: Any) -> Array:
        high = []
        for n, m, a, s in zip(xs[0].shape, ct.shape, self.start, self.step, strict=True):
            high.append(n - a - (m + (m - 1) * (s - 1) if m else 0))
        return Pad(self.start, tuple(high), tuple(s - 1 for s in self.step))(ct)

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Array:
        return Slice((0, *self.start), (size, *self.stop), (1, *self.step))(xs[0])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(20.0).reshape(4, 5)
        yield Sample(cls((1, 0), (4, 5), (2, 3)), (x,))
        yield Sample(cls((1, 2), (3, 4), (1, 1)), (x.astype("f4"),))
        yield Sample(cls((2,), (2,), (1,)), (np.arange(5) + 1j,))
        yield Sample(cls((), (), ()), (np.array(2.0),))
        yield Sample(cls((0,), (4,), (2,)), (np.arange(5),))


class Reverse(Op):
    """The elements in reverse order along each of `axes`."""

    axes: tuple[int, ...]
    linear = True
    view = True

    def infer(self, *xs: TensorType) -> TensorType:
        if not all(0 <= i < xs[0].ndim for i in self.axes):
            raise ShapeError(f"reverse: axes {self.axes} are not axes of {xs[0]}")
        return xs[0]

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xp.flip(xs[0], axis=self.axes) if self.axes else xs[0]

    def transpose(self, ct: Any, *xs: Any) -> Array:
        return self(ct)

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Array:
        return Reverse(tuple(i + 1 for i in self.axes))(xs[0])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(6.0).reshape(2, 3)
        yield Sample(cls((1,)), (x,))
        yield Sample(cls((0, 1)), (x.astype("f4"),))
        yield Sample(cls((0,)), (np.zeros((0, 2)),))
        yield Sample(cls(()), (np.array(1 + 2j),))


class Pad(Op):
    """Zeros around and between the elements, as XLA's pad.

    Along each axis `interior >= 0` zeros stand between neighbours, then `low` and `high` zeros go before and after;
    a negative `low` or `high` cuts that many elements off instead.
    """

    low: tuple[int, ...]
    high: tuple[int, ...]
    interior: tuple[int, ...]
    linear = True

    def infer(self, *xs: TensorType) -> TensorType:
        (x,) = xs
        if not len(self.low) == len(self.high) == len(self.interior) == x.ndim or min(self.interior, default=0) < 0:
            raise ShapeError(f"{self!r}: give low, high and interior >= 0 for each axis of {x}")
        spread = _dilated(x.shape, self.interior)
        shape = [a + n + b for n, a, b in zip(spread, self.low, self.high, strict=True)]
        if min(shape, default=0) < 0:
            raise ShapeError(f"{self!r}: cuts more elements off than {x} has")
        return x.with_shape(shape)

    def eval(self, xp: Any, *xs: Any) -> Array:
        (x,) = xs
        for axis, between in enumerate(self.interior):
            if between and x.shape[axis] > 1:
                x = _dilate(xp, x, axis, between)
        cut = tuple(
            slice(max(-a, 0), n - max(-b, 0)) for n, a, b in zip(x.shape, self.low, self.high, strict=True)
        )
        x = x[cut]
        widths = [(max(a, 0), max(b, 0)) for a, b in zip(self.low, self.high, strict=True)]
        if not any(a or b for a, b in widths):
            return x
        if xp is not np:
            return xp.pad(x, widths)
        # `np.pad` of a small array takes tens of microseconds.
        padded = np.zeros([a + n + b for n, (a, b) in zip(x.shape, widths, strict=True)], x.dtype)
        padded[tuple([slice(a, a + n) for n, (a, _) in zip(x.shape, widths, strict=True)])] = x
        return padded

    def transpose(self, ct: Any, *xs: Any) -> Array:
        shape = xs[0].shape
        spread = _dilated(shape, self.interior)
        if min((*self.low, *self.high), default=0) < 0:
            ct = Pad(tuple(-a for a in self.low), tuple(-b for b in self.high), (0,) * len(shape))(ct)
            start = (0,) * len(shape)
        else:
            start = self.low
        stop = tuple(a + n for a, n in zip(start, spread, strict=True))
        return Slice(start, stop, tuple(k + 1 for k in self.interior))(ct)

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Array:
        return Pad((0, *self.low), (0, *self.high), (0, *self.interior))(xs[0])

    def pieces(self, *xs: TensorType) -> Sequence[Piece] | None:
        return None if any(self.interior) else [shifted(0, [-a for a in self.low])]

    def flops(self, *xs: TensorType) -> int:
        return 0

    def weight(self, *xs: TensorType) -> int:
        return LIGHT

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(6.0).reshape(2, 3)
        yield Sample(cls((1, 0), (0, 2), (0, 1)), (x,))
        yield Sample(cls((0, -1), (1, -2), (2, 1)), (x,))
        yield Sample(cls((-1,), (3,), (0,)), (np.arange(4, dtype="f4"),))
        yield Sample(cls((2,), (1,), (3,)), (np.zeros((0,)),))
        yield Sample(cls((), (), ()), (np.array(1 + 2j),))
        yield Sample(cls((1,), (0,), (1,)), (np.arange(1, 4),))


def _dilated(shape: Sequence[int], interior: Sequence[int]) -> tuple[int, ...]:
    return tuple(n + (n - 1) * k if n else 0 for n, k in zip(shape, interior, strict=True))


def _dilate(xp: Any, x: Array, axis: int, between: int) -> Array:
    shape = x.shape
    gaps = xp.zeros((*shape[: axis + 1], between, *shape[axis + 1 :]), dtype=x.dtype)
    column = xp.reshape(x, (*shape[: axis + 1], 1, *shape[axis + 1 :]))
    n = shape[axis] * (between + 1)
    spread = xp.reshape(xp.concatenate([column, gaps], axis=axis + 1), (*shape[:axis], n, *shape[axis + 1 :]))
    return spread[(*(slice(None),) * axis, slice(0, n - between))]

"""Slices of static extent whose start is computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError, TypeMismatchError
from graphad.op import Op, Sample, is_linear
from graphad.ops.arithmetic import add, less
from graphad.ops.elementwise import cast
from graphad.ops.gather import Gather, ScatterSet
from graphad.ops.machinery import select
from graphad.ops.shape import batch_all, broadcast_to, expand_dims, iota, reshape, transpose, zeros
from graphad.types import INT64, Array, Shape, TensorType


def _check(op: Op, x: TensorType, sizes: Shape, starts: Sequence[TensorType]) -> None:
    if len(sizes) != x.ndim or len(starts) != x.ndim or any(m > n for m, n in zip(sizes, x.shape, strict=False)):
        raise ShapeError(f"{op!r}: a part of shape {list(sizes)} with {len(starts)} starts does not fit in {x}")
    if any(s.shape != () or s.dtype.kind not in "iu" for s in starts):
        raise TypeMismatchError(f"{op!r}: starts must be integer scalars, not {list(starts)}")


def _clamped(shape: Shape, sizes: Shape, starts: Sequence[Any]) -> list[int]:
    return [max(0, min(int(s), n - m)) for s, n, m in zip(starts, shape, sizes, strict=True)]


class DynamicSlice(Op):
    """The part of shape `sizes` that begins at `starts`; operands are `x, *starts`, one scalar for each axis.

    As in XLA, a start is moved so that the part lies within `x`.
    """

    sizes: Shape
    leaves_out = (0,)
    moves = True
    reads_first = True

    def infer(self, *xs: TensorType) -> TensorType:
        _check(self, xs[0], self.sizes, xs[1:])
        return xs[0].with_shape(self.sizes)

    def eval(self, xp: Any, *xs: Any) -> Array:
        x, *starts = xs
        if xp is np:
            at = _clamped(x.shape, self.sizes, starts)
            return x[tuple(slice(a, a + m) for a, m in zip(at, self.sizes, strict=True))]
        for axis, (start, m) in enumerate(zip(starts, self.sizes, strict=True)):
            if m != x.shape[axis]:
                x = xp.take(x, xp.clip(start, 0, x.shape[axis] - m) + xp.arange(m), axis=axis)
        return x

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        return None if tangents[0] is None else self(tangents[0], *primals[1:])

    def transpose(self, ct: Any, *xs: Any) -> Any:
        x, *starts = xs
        return (DynamicUpdateSlice()(zeros(x.shape, ct.dtype), ct, *starts), *(None for _ in starts))

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Array:
        x, *starts = xs
        if not any(batched[1:]):
            return DynamicSlice((size, *self.sizes))(x, np.int64(0), *starts)
        (x,) = batch_all(batched[:1], size, [x])
        axes, indices, order = _places(size, x.shape, self.sizes, starts, batched[1:])
        return transpose(Gather(axes)(x, *indices), np.argsort(order).tolist())

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(12.0).reshape(3, 4)
        yield Sample(cls((2, 4)), (x, np.array(1), np.array(0)))
        yield Sample(cls((1, 2)), (x.astype("f4"), np.array(-5), np.array(9)))
        yield Sample(cls((2,)), (x[0] + 1j, np.array(1, "i4")))
        yield Sample(cls((0,)), (x[0], np.array(1)))
        yield Sample(cls(()), (np.array(1.5),))


class DynamicUpdateSlice(Op):
    """`x` with `update` written at `starts`; operands are `x, update, *starts`, starts clamped as in XLA."""

    leaves_out = (0,)
    updates = True

    def infer(self, *xs: TensorType) -> TensorType:
        x, update, *starts = xs
        _check(self, x, update.shape, starts)
        if x.dtype != update.dtype:
            raise TypeMismatchError(f"{self.name}: the update {update} must first be cast to {x.dtype}")
        return x

    def eval(self, xp: Any, *xs: Any) -> Array:
        x, update, *starts = xs
        if xp is np:
            out = np.array(x)
            at = _clamped(x.shape, update.shape, starts)
            out[tuple(slice(a, a + m) for a, m in zip(at, update.shape, strict=True))] = update
            return out
        places = []
        for axis, (start, m) in enumerate(zip(starts, update.shape, strict=True)):
            along = xp.clip(start, 0, x.shape[axis] - m) + xp.arange(m)
            places.append(xp.reshape(along, tuple(m if i == axis else 1 for i in range(x.ndim))))
        return x.at[tuple(places)].set(update)

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        (x, update, *starts), (dx, du, *_) = primals, tangents
        if dx is None and du is None:
            return None
        return self(
            zeros(x.shape, x.dtype) if dx is None else dx,
            zeros(update.shape, x.dtype) if du is None else du,
            *starts,
        )

    def transpose(self, ct: Any, *xs: Any) -> Any:
        x, update, *starts = xs
        return (
            self(ct, zeros(update.shape, ct.dtype), *starts) if is_linear(x) else None,
            DynamicSlice(update.shape)(ct, *starts) if is_linear(update) else None,
            *(None for _ in starts),
        )

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Array:
        starts = xs[2:]
        x, update = batch_all(batched[:2], size, xs[:2])
        if not any(batched[2:]):
            return self(x, update, np.int64(0), *starts)
        axes, indices, order = _places(size, x.shape, update.shape[1:], starts, batched[2:])
        return ScatterSet(axes, unique=True)(x, transpose(update, order), *indices)

    def flops(self, *xs: TensorType) -> int:
        return 0

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(12.0).reshape(3, 4)
        yield Sample(cls(), (x, -x[:2, :3], np.array(1), np.array(0)))
        yield Sample(cls(), (x.astype("f4"), np.ones((1, 2), "f4"), np.array(-5), np.array(9)))
        yield Sample(cls(), (x[0] + 1j, x[0, :2] + 0j, np.array(1)))
        yield Sample(cls(), (x[0], np.zeros((0,)), np.array(1)))
        yield Sample(cls(), (np.array(1.5), np.array(2.5)))


def _places(
    size: int, shape: Shape, sizes: Shape, starts: Sequence[Any], batched: Sequence[bool]
) -> tuple[tuple[int, ...], list[Any], list[int]]:
    """For starts that differ along the batch axis: the gathered axes of `x`, their indices, and the gather's order.

    Axis `i` of the gathered array is axis `order[i]` of the batch of parts.
    """
    partial = [i for i, m in enumerate(sizes) if m != shape[i + 1]]
    common = (size, *(sizes[i] for i in partial))
    rank = len(common)
    axes, indices = [0], [broadcast_to(reshape(iota(size), (size, *(1,) * (rank - 1))), common)]
    for k, i in enumerate(partial):
        start = starts[i] if batched[i] else expand_dims(starts[i], 0)
        start = _clamp(cast(start, INT64), shape[i + 1] - sizes[i])
        start = reshape(start, (start.shape[0], *(1,) * (rank - 1)))
        offset = reshape(iota(sizes[i]), tuple(sizes[i] if j == k + 1 else 1 for j in range(rank)))
        axes.append(i + 1)
        indices.append(broadcast_to(add(start, offset), common))
    order = [0, *(i + 1 for i in partial), *(i + 1 for i in range(len(sizes)) if i not in partial)]
    return tuple(axes), indices, order


def _clamp(x: Array, high: int) -> Array:
    zero, top = np.int64(0), np.int64(high)
    x = select(less(x, zero), zero, x)
    return select(less(top, x), top, x)


__all__ = ["DynamicSlice", "DynamicUpdateSlice"]

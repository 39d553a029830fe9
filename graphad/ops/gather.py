"""Reading and writing at computed places: gathers and scatters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import IndexOutOfBoundsError, ShapeError, TypeMismatchError
from graphad.graph import Constant
from graphad.op import Op, Sample, is_linear
from graphad.ops.arithmetic import equal
from graphad.ops.machinery import select
from graphad.ops.shape import batch_all, broadcast_to, iota, moveaxis, reshape, zeros
from graphad.trace import Tracer
from graphad.types import Array, Shape, TensorType


def gathered_shape(op: Op, axes: tuple[int, ...], x: TensorType, indices: Sequence[TensorType]) -> Shape:
    """The indices' common shape followed by the other axes of `x`. Raises `ShapeError` or `TypeMismatchError`."""
    if not axes or len(axes) != len(indices) or len(set(axes)) != len(axes) or not all(0 <= i < x.ndim for i in axes):
        raise ShapeError(f"{op!r}: needs one index array for each of its distinct axes of {x}, not {list(indices)}")
    if any(i.dtype.kind not in "iu" for i in indices):
        raise TypeMismatchError(f"{op!r}: indices must be integers, not {list(indices)}")
    if any(i.shape != indices[0].shape for i in indices):
        raise ShapeError(f"{op!r}: indices {list(indices)} must first be broadcast to one shape")
    return (*indices[0].shape, *(n for i, n in enumerate(x.shape) if i not in axes))


class Indexed(Op, abstract=True):
    """Base of the ops that index `axes` of their first operand by integer arrays, one for each axis."""

    axes: tuple[int, ...]
    raises = (IndexOutOfBoundsError,)

    def attempt(self, operands: Sequence[Any], value: Callable[[Any], Any]) -> Any:
        self.check(operands[0].type.shape, [value(i) for i in operands[len(operands) - len(self.axes) :]])

    def guarded(self, live: Array, *xs: Any) -> Array:
        first = len(xs) - len(self.axes)
        return self(*xs[:first], *[select(live, i, np.zeros((), i.dtype)) for i in xs[first:]])

    def indexed_first(self, xp: Any, x: Any) -> Any:
        """`x` with the indexed axes first."""
        axes = self.axes
        if axes == tuple(range(len(axes))):
            return x
        return xp.permute_dims(x, (*axes, *(i for i in range(x.ndim) if i not in axes)))

    def as_they_were(self, xp: Any, x: Any) -> Any:
        """The inverse of `indexed_first`."""
        axes = self.axes
        if axes == tuple(range(len(axes))):
            return x
        order = np.argsort([*axes, *(i for i in range(x.ndim) if i not in axes)])
        return xp.permute_dims(x, tuple(int(i) for i in order))

    def check(self, shape: Shape, indices: Sequence[Any]) -> None:
        for axis, index in zip(self.axes, indices, strict=True):
            if index.size and not (index.min() >= 0 and index.max() < shape[axis]):
                # What counts from the end had the extent added to it.
                bad = index.min() - shape[axis] if index.min() < 0 else index.max()
                raise IndexOutOfBoundsError(
                    f"{self.name}: index {bad} is out of bounds for axis {axis} of extent {shape[axis]}"
                )


class Gather(Indexed):
    """`x` read at integer arrays of one shape, one for each of `axes`; operands are `x, *indices`.

    The result has the indices' shape followed by the other axes of `x`. Indices count from 0; `IndexError` is raised
    where one lies outside its axis.
    """

    leaves_out = (0,)
    moves = True
    reads_first = True

    def infer(self, *xs: TensorType) -> TensorType:
        return xs[0].with_shape(gathered_shape(self, self.axes, xs[0], xs[1:]))

    def eval(self, xp: Any, *xs: Any) -> Array:
        x, *indices = xs
        if xp is np:
            self.check(x.shape, indices)
        return self.indexed_first(xp, x)[tuple(indices)]

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        return None if tangents[0] is None else self(tangents[0], *primals[1:])

    def transpose(self, ct: Any, *xs: Any) -> Any:
        x, *indices = xs
        return (ScatterAdd(self.axes)(zeros(x.shape, ct.dtype), ct, *indices), *(None for _ in indices))

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Array:
        x, *indices = xs
        axes = tuple(i + 1 for i in self.axes)
        if not any(batched[1:]):
            return moveaxis(Gather(axes)(x, *indices), indices[0].ndim, 0)
        indices = batch_all(batched[1:], size, indices)
        if not batched[0]:
            return self(x, *indices)
        return Gather((0, *axes))(x, _rows(size, indices[0].shape), *indices)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(24.0).reshape(2, 3, 4)
        yield Sample(cls((1,)), (x, np.array([[0, 2], [1, 1]])))
        yield Sample(cls((0, 2)), (x.astype("f4"), np.array([1, 0, 1]), np.array([3, 3, 0])))
        yield Sample(cls((2, 0)), (x + 1j, np.array(3), np.array(1)))
        yield Sample(cls((0,)), (np.arange(4.0), np.zeros((0, 2), int)))
        yield Sample(cls((0,)), (np.arange(4), np.array([3, 1])))


class Scatter(Indexed, abstract=True):
    """Base of the ops on `x, updates, *indices` that change `x` where a `Gather` at the indices reads it."""

    updates = True

    def infer(self, *xs: TensorType) -> TensorType:
        x, updates, *indices = xs
        shape = gathered_shape(self, self.axes, x, indices)
        if updates.shape != shape:
            raise ShapeError(f"{self!r}: updates {updates} must have the shape {list(shape)} of what they change")
        if updates.dtype != x.dtype:
            raise TypeMismatchError(f"{self!r}: updates {updates} must first be cast to {x.dtype}")
        return x

    def promote(self, kinds: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if isinstance(kinds[0], np.dtype):
            return (kinds[0], kinds[0], *(None for _ in kinds[2:]))
        return None

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        (x, _, *indices), (dx, du, *_) = primals, tangents
        if dx is None and du is None:
            return None
        if dx is None:
            dx = zeros(x.shape, x.dtype)
        return self._tangent(dx, du, primals[1], indices)

    def _tangent(self, dx: Array, du: Array, updates: Array, indices: Sequence[Any]) -> Array:
        return self(dx, zeros(updates.shape, dx.dtype) if du is None else du, *indices)

    def shifted(self, axes: tuple[int, ...]) -> Op:
        return type(self)(axes)

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Array:
        x, updates = batch_all(batched[:2], size, xs[:2])
        indices: Sequence[Any] = xs[2:]
        axes = tuple(i + 1 for i in self.axes)
        if not any(batched[2:]):
            return self.shifted(axes)(x, moveaxis(updates, 0, indices[0].ndim), *indices)
        indices = batch_all(batched[2:], size, indices)
        return self.shifted((0, *axes))(x, updates, _rows(size, indices[0].shape), *indices)

    def flops(self, *xs: TensorType) -> int:
        return 0

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(24.0).reshape(2, 3, 4)
        u = np.linspace(-1.0, 2.0, 16)
        yield Sample(cls((1,)), (x, u.reshape(2, 2, 4), np.array([2, 0])))
        repeated = np.array([1, 1, 0]), np.array([3, 3, 0])
        yield Sample(cls((0, 2)), (x.astype("f4"), u[:9].reshape(3, 3).astype("f4"), *repeated))
        yield Sample(cls((2, 0)), (x + 1j, u[:3] - 1j, np.array(3), np.array(1)))
        yield Sample(cls((0,)), (np.arange(4.0), np.zeros((0, 2)), np.zeros((0, 2), int)))
        yield Sample(cls((0,)), (np.arange(4), np.array([7, 8]), np.array([3, 1])))


class ScatterAdd(Scatter):
    """`x` with `updates` added at the indices, where an index that repeats adds each time."""

    def eval(self, xp: Any, *xs: Any) -> Any:
        x, updates, *indices = xs
        if xp is not np:
            return self.as_they_were(xp, self.indexed_first(xp, x).at[tuple(indices)].add(updates))
        self.check(x.shape, indices)
        out = np.array(x)
        np.add.at(self.indexed_first(np, out), tuple(indices), updates)
        return out

    def _tangent(self, dx: Array, du: Array | None, updates: Array, indices: Sequence[Any]) -> Array:
        return dx if du is None else self(dx, du, *indices)

    def transpose(self, ct: Any, *xs: Any) -> Any:
        x, updates, *indices = xs
        return (
            ct if is_linear(x) else None,
            Gather(self.axes)(ct, *indices) if is_linear(updates) else None,
            *(None for _ in indices),
        )

    def flops(self, *xs: TensorType) -> int:
        return xs[1].size


class ScatterSet(Scatter):
    """`x` with `updates` written at the indices; of updates at one place the last is kept.

    Derivatives follow the kept update only. `unique` promises that no place is written twice, which saves finding
    the kept ones.
    """

    unique: bool = False
    leaves_out = (0, 1)

    def shifted(self, axes: tuple[int, ...]) -> Op:
        return ScatterSet(axes, self.unique)

    def eval(self, xp: Any, *xs: Any) -> Any:
        x, updates, *indices = xs
        if xp is not np:
            return self.as_they_were(xp, self.indexed_first(xp, x).at[tuple(indices)].set(updates))
        self.check(x.shape, indices)
        out = np.array(x)
        self.indexed_first(np, out)[tuple(indices)] = updates
        return out

    def transpose(self, ct: Any, *xs: Any) -> Any:
        x, updates, *indices = xs
        ct_x = self(ct, zeros(updates.shape, ct.dtype), *indices) if is_linear(x) else None
        ct_updates = None
        if is_linear(updates):
            ct_updates = Gather(self.axes)(ct, *indices)
            if not self.unique and not _known_unique(indices):
                ct_updates = self._kept(ct_updates, ct.shape, indices)
        return (ct_x, ct_updates, *(None for _ in indices))

    def _kept(self, ct: Array, shape: Shape, indices: Sequence[Any]) -> Array:
        # Each place remembers the number of the update that was written last; the others pass nothing back.
        among = tuple(range(len(self.axes)))
        number = reshape(iota(indices[0].size), indices[0].shape)
        last = ScatterSet(among)(zeros([shape[i] for i in self.axes], np.int64), number, *indices)
        kept = equal(Gather(among)(last, *indices), number)
        kept = reshape(kept, (*kept.shape, *(1,) * (ct.ndim - kept.ndim)))
        return select(kept, ct, np.zeros((), ct.dtype))


def _rows(size: int, shape: Shape) -> Array:
    """Index of the batch axis for indices of a batched shape."""
    return broadcast_to(reshape(iota(size), (size, *(1,) * (len(shape) - 1))), shape)


def _known_unique(indices: Sequence[Any]) -> bool:
    if indices[0].size <= 1:
        return True
    arrays = []
    for index in indices:
        if isinstance(index, Tracer):
            if not isinstance(index.value, Constant):
                return False
            index = index.value.array
        arrays.append(np.asarray(index).ravel())
    return bool(np.unique(np.stack(arrays), axis=1).shape[1] == arrays[0].size)


__all__ = ["Gather", "ScatterAdd", "ScatterSet", "gathered_shape"]

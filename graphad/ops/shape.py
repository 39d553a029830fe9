"""Ops that move elements without computing: broadcasting, reshaping, transposing, joining, and counting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.arrays import array_of
from graphad.build import current_builder
from graphad.costs import LIGHT
from graphad.errors import ShapeError, TypeMismatchError
from graphad.graph import Constant
from graphad.moves import Piece, shifted
from graphad.op import Op, Sample, Traced
from graphad.ops.slicing import Pad, Reverse, Slice
from graphad.registry import LATER
from graphad.trace import Tracer
from graphad.trace import full as record_full
from graphad.types import FLOAT64, INT64, Array, DType, Shape, TensorType


class BroadcastTo(Op):
    """NumPy's `broadcast_to`: repeat along new leading axes and axes of extent 1."""

    shape: Shape
    linear = True
    view = True

    def infer(self, *xs: TensorType) -> TensorType:
        (x,) = xs
        fits = x.ndim <= len(self.shape) and all(
            a in (1, b) for a, b in zip(reversed(x.shape), reversed(self.shape), strict=False)
        )
        if not fits:
            raise ShapeError(f"broadcast_to: {x} does not broadcast to {list(self.shape)}")
        return x.with_shape(self.shape)

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xp.broadcast_to(xs[0], self.shape)

    def transpose(self, ct: Any, *xs: Any) -> Array:
        return sum_to(ct, xs[0].shape)

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Array:
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
    view = True

    def infer(self, *xs: TensorType) -> TensorType:
        out = xs[0].with_shape(self.shape)
        if out.size != xs[0].size:
            raise ShapeError(f"reshape: {xs[0]} has {xs[0].size} elements, shape {list(self.shape)} has {out.size}")
        return out

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xp.reshape(xs[0], self.shape)

    def transpose(self, ct: Any, *xs: Any) -> Array:
        return Reshape(xs[0].shape)(ct)

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Array:
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
    view = True

    def infer(self, *xs: TensorType) -> TensorType:
        (x,) = xs
        if sorted(self.axes) != list(range(x.ndim)):
            raise ShapeError(f"transpose: axes {self.axes} are not a permutation of the axes of {x}")
        return x.with_shape(tuple(x.shape[i] for i in self.axes))

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xp.permute_dims(xs[0], self.axes)

    def transpose(self, ct: Any, *xs: Any) -> Array:
        return Transpose(tuple(int(i) for i in np.argsort(self.axes)))(ct)

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Array:
        return Transpose((0, *(i + 1 for i in self.axes)))(xs[0])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls((1, 0)), (np.arange(6.0).reshape(2, 3),))
        yield Sample(cls((2, 0, 1)), (np.arange(24.0).reshape(2, 3, 4),))
        yield Sample(cls(()), (np.array(2.0, "f4"),))
        yield Sample(cls((1, 0)), (np.ones((0, 3), "i4"),))


class Concatenate(Op):
    """NumPy's `concatenate`: any number of operands joined along `axis`, all of one dtype."""

    axis: int
    linear = True

    def promote(self, kinds: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return (common_dtype(kinds),) * len(kinds)

    def infer(self, *xs: TensorType) -> TensorType:
        names = " and ".join(map(str, xs))
        if not xs or not 0 <= self.axis < xs[0].ndim:
            raise ShapeError(f"concatenate: no axis {self.axis} in {names or 'no operands'}")
        if any(x.dtype != xs[0].dtype for x in xs):
            raise TypeMismatchError(f"concatenate: operands {names} must first be cast to one dtype")
        rests = {(*x.shape[: self.axis], *x.shape[self.axis + 1 :]) for x in xs}
        if len(rests) > 1 or any(x.ndim != xs[0].ndim for x in xs):
            raise ShapeError(f"concatenate: {names} differ in more than axis {self.axis}")
        shape = list(xs[0].shape)
        shape[self.axis] = sum(x.shape[self.axis] for x in xs)
        return xs[0].with_shape(shape)

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xp.concatenate(xs, axis=self.axis)

    def transpose(self, ct: Any, *xs: Any) -> Any:
        cts = []
        at = 0
        step = (1,) * ct.ndim
        for x in xs:
            start, stop = [0] * ct.ndim, list(ct.shape)
            start[self.axis], stop[self.axis] = at, at + x.shape[self.axis]
            at = stop[self.axis]
            cts.append(Slice(tuple(start), tuple(stop), step)(ct) if isinstance(x, TensorType) else None)
        return tuple(cts) if len(xs) > 1 else cts[0]

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Array:
        return Concatenate(self.axis + 1)(*batch_all(batched, size, xs))

    def pieces(self, *xs: TensorType) -> Sequence[Piece]:
        found, at = [], 0
        for i, x in enumerate(xs):
            found.append(shifted(i, [-at if k == self.axis else 0 for k in range(x.ndim)]))
            at += x.shape[self.axis]
        return found

    def flops(self, *xs: TensorType) -> int:
        return 0

    def weight(self, *xs: TensorType) -> int:
        return LIGHT * len(xs)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(6.0).reshape(2, 3)
        yield Sample(cls(0), (x, -x[:1], np.ones((0, 3))))
        yield Sample(cls(1), (x.astype("f4"), x[:, :1].astype("f4")))
        yield Sample(cls(0), (x[0] + 1j,))
        yield Sample(cls(0), (np.arange(3), np.arange(2)))


class Iota(Op):
    """The numbers `0, 1, ..., size - 1`; it has no operands."""

    size: int
    dtype: DType = INT64

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", np.dtype(self.dtype).newbyteorder("="))

    def infer(self, *xs: TensorType) -> TensorType:
        return TensorType(self.dtype, (self.size,))

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xp.arange(self.size, dtype=self.dtype)

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Any:
        return BroadcastTo((size, self.size))(iota(self.size, self.dtype))

    def flops(self, *xs: TensorType) -> int:
        return 0

    def weight(self, *xs: TensorType) -> int:
        return LIGHT

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(4), ())
        yield Sample(cls(3, np.dtype("f4")), ())
        yield Sample(cls(0), ())


# -- functions: they do nothing where there is nothing to do ------------------------------------------------------


def common_dtype(kinds: Iterable[Any]) -> DType:
    """NumPy's common dtype of operands given as dtypes or, for weak scalars, as Python types."""
    return np.result_type(*[kind(0) if isinstance(kind, type) else kind for kind in kinds])


def as_operand(x: Any) -> Any:
    """`x` itself where it is traced, else as an array."""
    return x if isinstance(x, Traced) else array_of(x)


def normalized(axis: int, ndim: int, name: str) -> int:
    """The axis counted from the start. Raises `ShapeError` where it is out of range."""
    if not -ndim <= axis < ndim:
        raise ShapeError(f"{name}: axis {axis} is out of range for an array of {ndim} axes")
    return int(axis) % ndim


def reshape(x: Any, shape: int | Sequence[int]) -> Any:
    """`x` in another shape, one extent of which may be -1; `x` itself where it has that shape already."""
    x = as_operand(x)
    if x.shape == shape:
        return x
    shape = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple([int(n) for n in shape])
    if -1 in shape:
        i = shape.index(-1)
        known = int(np.prod([n for j, n in enumerate(shape) if j != i], dtype=np.int64))
        if known <= 0 or x.size % known:
            raise ShapeError(f"reshape: {x.size} elements do not fit the shape {list(shape)}")
        shape = (*shape[:i], x.size // known, *shape[i + 1 :])
    return x if x.shape == shape else Reshape(shape)(x)


def broadcast_to(x: Any, shape: Shape) -> Any:
    """`x` repeated to a shape; `x` itself where it has that shape already."""
    return x if getattr(x, "shape", None) == shape else BroadcastTo(tuple(shape))(x)


def transpose(x: Any, axes: Sequence[int]) -> Array:
    """`x` with axis `axes[i]` as axis `i`; `x` itself where the order stays."""
    axes = tuple(int(i) for i in axes)
    return x if axes == tuple(range(len(axes))) else Transpose(axes)(x)


def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Array:
    """NumPy's `moveaxis`. Raises `ShapeError` for an axis out of range or named twice."""
    x = as_operand(x)
    pairs = []
    for axes in (source, destination):
        given = (axes,) if isinstance(axes, (int, np.integer)) else tuple(axes)
        pairs.append([normalized(i, x.ndim, "moveaxis") for i in given])
    source, destination = pairs
    if len(source) != len(destination) or len(set(source)) != len(source) or len(set(destination)) != len(source):
        raise ShapeError(f"moveaxis: {source} and {destination} must be as many distinct axes")
    order = [i for i in range(x.ndim) if i not in source]
    for to, axis in sorted(zip(destination, source, strict=True)):
        order.insert(to, axis)
    return transpose(x, order)


def expand_dims(x: Any, axis: int | Sequence[int]) -> Array:
    """NumPy's `expand_dims`: axes of extent 1 that stand at `axis` in the result."""
    x = as_operand(x)
    given = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    ndim = x.ndim + len(given)
    at = {normalized(i, ndim, "expand_dims") for i in given}
    if len(at) != len(given):
        raise ShapeError(f"expand_dims: repeated axis in {given}")
    extents = iter(x.shape)
    return reshape(x, tuple(1 if i in at else next(extents) for i in range(ndim)))


def squeeze(x: Array, axis: int | Sequence[int] | None = None) -> Array:
    """NumPy's `squeeze`: without the given axes of extent 1, or all of them. Raises `ShapeError`."""
    x = as_operand(x)
    if axis is None:
        drop = {i for i, n in enumerate(x.shape) if n == 1}
    else:
        given = (axis,) if isinstance(axis, (int, np.integer)) else axis
        drop = {normalized(i, x.ndim, "squeeze") for i in given}
        if any(x.shape[i] != 1 for i in drop):
            raise ShapeError(f"squeeze: axis {axis} of shape {list(x.shape)} has an extent other than 1")
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in drop))


def concatenate(xs: Sequence[Any], axis: int = 0) -> Array:
    """NumPy's `concatenate`, operands promoted to one dtype."""
    xs = [as_operand(x) for x in xs]
    if not any(isinstance(x, Traced) for x in xs):
        return np.concatenate(xs, axis=axis)
    return Concatenate(normalized(axis, xs[0].ndim, "concatenate"))(*xs)


def stack(xs: Sequence[Any], axis: int = 0) -> Array:
    """NumPy's `stack`: operands of one shape joined along a new axis. Raises `ShapeError`."""
    xs = [as_operand(x) for x in xs]
    if not xs or any(x.shape != xs[0].shape for x in xs):
        raise ShapeError(f"stack: give one or more operands of one shape, not {[list(x.shape) for x in xs]}")
    axis = normalized(axis, xs[0].ndim + 1, "stack")
    whole = rows_of(xs) if axis == 0 else None
    return whole if whole is not None else concatenate([expand_dims(x, axis) for x in xs], axis)


def rows_of(xs: Sequence[Any]) -> Any:
    """The operands as the rows in turn of some arrays that they are known to be, with others before them; None if they
    are not."""
    places = [getattr(x, "row", None) for x in xs]
    start = next((i for i, p in enumerate(places) if p is not None), len(xs))
    rows = places[start:]
    turn = next((i for i, p in enumerate(rows) if i and p is not None and p[0] is rows[0][0]), len(rows))  # type: ignore[index]
    if len(rows) < max(2 * turn, 2) or len(rows) % turn or None in rows:
        return None
    count, arrays = len(rows) // turn, []
    for k in range(turn):
        (source, first), own = rows[k], rows[k::turn]  # type: ignore[misc]
        if any([p[0] is not source or p[1] != first + i for i, p in enumerate(own)]):  # type: ignore[index]
            return None
        whole = source
        if count < source.shape[0]:
            ones = (1,) * source.ndim
            whole = Slice((first, *[0] * (source.ndim - 1)), (first + count, *source.shape[1:]), ones)(source)
        arrays.append(whole)
    if turn > 1:
        shape = (len(rows), *arrays[0].shape[1:])
        arrays = [reshape(concatenate([expand_dims(x, 1) for x in arrays], 1), shape)]
    return concatenate([*[expand_dims(x, 0) for x in xs[:start]], *arrays], 0) if start else arrays[0]


def full(shape: int | Sequence[int], value: Any, dtype: Any = None) -> Any:
    """An array of one repeated number, recorded in the innermost trace; outside of one, NumPy's `full`."""
    shape = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple([int(n) for n in shape])
    if isinstance(value, Traced):
        return broadcast_to(value if dtype is None else LATER["ops.cast"](value, dtype), shape)
    builder = current_builder()
    array = np.asarray(array_of(value), dtype)
    if builder is None:
        return np.full(shape, array)
    if array.ndim:
        return Tracer(builder, builder.emit(BroadcastTo(shape), (Constant(array),))[0])
    return record_full(builder, TensorType(array.dtype, shape), array)


def zeros(shape: int | Sequence[int], dtype: Any = FLOAT64) -> Array:
    """An array of zeros, recorded in the innermost trace; outside of one, NumPy's `zeros`."""
    return full(shape, 0, dtype)


def iota(size: int, dtype: DType = INT64) -> Any:
    """The numbers below `size` in order, recorded in the innermost trace; outside of one, as an array."""
    op = Iota(int(size), np.dtype(dtype))
    builder = current_builder()
    return op() if builder is None else Tracer(builder, builder.emit(op, ())[0])


def batch_all(batched: Sequence[bool], size: int, xs: Sequence[Any]) -> list[Any]:
    """The operands, each with the leading batch axis; those that lack it are repeated along it."""
    return [
        x if flag else broadcast_to(expand_dims(x, 0), (size, *x.shape))
        for x, flag in zip(xs, batched, strict=True)
    ]


def sum_to(x: Any, shape: Shape) -> Any:
    """The transpose of broadcasting: `x` summed over the axes along which `shape` broadcasts to `x.shape`."""
    if x.shape == shape:
        return x
    lead = x.ndim - len(shape)
    axes = (*range(lead), *(lead + i for i, n in enumerate(shape) if n == 1 and x.shape[lead + i] != 1))
    return reshape(LATER["ops.sum"](axes)(x) if axes else x, shape)


__all__ = [
    "BroadcastTo", "Concatenate", "Iota", "Pad", "Reshape", "Reverse", "Slice", "Transpose", "as_operand", "batch_all",
    "broadcast_to", "common_dtype", "concatenate", "expand_dims", "full", "iota", "moveaxis", "normalized", "reshape",
    "squeeze", "stack", "sum_to", "transpose", "zeros",
]  # fmt: skip

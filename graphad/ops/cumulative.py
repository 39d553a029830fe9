"""Running sums, products and extremes along an axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from graphad.errors import ShapeError, TypeMismatchError
from graphad.op import Op, Sample
from graphad.ops.arithmetic import add, equal, not_equal, subtract
from graphad.ops.index import take_along_axis
from graphad.ops.machinery import multiply, select
from graphad.ops.shape import broadcast_to, concatenate, full, iota, reshape
from graphad.ops.slicing import Pad, Slice
from graphad.types import Array, TensorType


class Cumulative(Op, abstract=True):
    """Base of the running reductions along `axis`, from its end if `reverse`."""

    axis: int
    reverse: bool = False
    ufunc: ClassVar[Any]
    combines: ClassVar[str] = ""
    """As that of a reduction."""

    def infer(self, *xs: TensorType) -> TensorType:
        (x,) = xs
        if not 0 <= self.axis < x.ndim:
            raise ShapeError(f"{self!r}: {x} has no such axis")
        if x.dtype.kind == "b":
            raise TypeMismatchError(f"{self.name}: cast {x} to i64 first")
        return x

    def eval(self, xp: Any, *xs: Any) -> Array:
        x = xp.flip(xs[0], axis=self.axis) if self.reverse else xs[0]
        out = self.accumulate(xp, x)
        return xp.flip(out, axis=self.axis) if self.reverse else out

    def accumulate(self, xp: Any, x: Array) -> Array:
        """The running reduction from the axis' start."""
        return getattr(xp, self.ufunc.__name__).accumulate(x, axis=self.axis)

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Array:
        return type(self)(self.axis + 1, self.reverse)(xs[0])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([[1.5, -2.0, 0.5, 3.25], [3.0, 0.25, -1.0, 0.75]])
        for axis, reverse in [(0, False), (1, False), (1, True)]:
            yield Sample(cls(axis, reverse), (x,))
        yield Sample(cls(1), (x.astype("f4"),))
        yield Sample(cls(0), (np.zeros((0, 2)),))
        yield Sample(cls(0), (np.array([3, 1, 4, 1]),))


class Cumsum(Cumulative):
    """NumPy's `cumsum` along `axis`, from its end if `reverse`; integers keep their dtype."""

    linear = True
    combines = "sum"

    def accumulate(self, xp: Any, x: Array) -> Array:
        return xp.cumsum(x, axis=self.axis, dtype=x.dtype)

    def transpose(self, ct: Any, *xs: Any) -> Array:
        return Cumsum(self.axis, not self.reverse)(ct)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from super().samples()
        yield Sample(cls(0), (np.array([1 + 2j, 3 - 1j]),))


class Cumprod(Cumulative):
    """NumPy's `cumprod` along `axis`, from its end if `reverse`; integers keep their dtype.

    The derivative divides by nothing, so it is right where an element is zero: value and tangent are carried through
    the recursive doubling of a parallel prefix (Hillis and Steele, 1986).
    """

    combines = "prod"

    def accumulate(self, xp: Any, x: Array) -> Array:
        return xp.cumprod(x, axis=self.axis, dtype=x.dtype)

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Array:
        x, dx = primals[0], tangents[0]
        n = x.shape[self.axis]
        distance = 1
        while distance < n:
            before = self._shifted(x, distance, ones=True)
            dx = add(
                multiply(before, dx), multiply(x, self._shifted(dx, distance, ones=False))
            )
            x = multiply(x, before)
            distance *= 2
        return dx

    def _shifted(self, x: Any, distance: int, ones: bool) -> Array:
        """`x` moved along the axis in the running direction, with ones or zeros for what moves in."""
        axis, n = self.axis, x.shape[self.axis]
        low = tuple((-distance if self.reverse else distance) * (i == axis) for i in range(x.ndim))
        if not ones:
            return Pad(low, tuple(-a for a in low), (0,) * x.ndim)(x)
        start, stop = [0] * x.ndim, list(x.shape)
        if self.reverse:
            start[axis] = distance
        else:
            stop[axis] = n - distance
        kept = Slice(tuple(start), tuple(stop), (1,) * x.ndim)(x)
        fill = full((*x.shape[:axis], distance, *x.shape[axis + 1 :]), 1, x.dtype)
        return concatenate([kept, fill] if self.reverse else [fill, kept], axis)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from super().samples()
        yield Sample(cls(0), (np.array([1.5, 0.0, 2.0, 0.0, 0.5]),))
        yield Sample(cls(0, True), (np.array([1.5, 2.0, 0.0, 0.5]),))
        yield Sample(cls(0), (np.array([1 + 2j, 3 - 1j, 0.5j]),))


class Extreme(Cumulative, abstract=True):
    """Base of the running extremes; the derivative is that of the first element that attains the extreme."""

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Array:
        (x,), (dx,) = primals, tangents
        axis, n = self.axis, x.shape[self.axis]
        if n < 2:
            return dx
        zero = np.int64(0)
        along = tuple(n if i == axis else 1 for i in range(x.ndim))
        position = broadcast_to(reshape(iota(n), along), x.shape)
        if self.reverse:
            position = subtract(np.int64(n - 1), position)
        low = tuple((-1 if self.reverse else 1) * (i == axis) for i in range(x.ndim))
        previous = Pad(low, tuple(-a for a in low), (0,) * x.ndim)(out)
        record = not_equal(out, previous)
        at = Cummax(axis, self.reverse)(select(record, position, zero))
        if self.reverse:
            at = subtract(np.int64(n - 1), at)
        # NaN once it is there, in the derivative too.
        one = np.ones((), x.dtype)
        return multiply(select(equal(out, out), one, out), take_along_axis(dx, at, axis))


class Cummax(Extreme):
    """The largest element so far along `axis`, from its end if `reverse` (`numpy.maximum.accumulate`)."""

    combines = "max"
    ufunc = np.maximum


class Cummin(Extreme):
    """The smallest element so far along `axis`, from its end if `reverse` (`numpy.minimum.accumulate`)."""

    combines = "min"
    ufunc = np.minimum


__all__ = ["Cummax", "Cummin", "Cumprod", "Cumsum"]

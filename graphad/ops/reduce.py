"""Reductions: results over whole axes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from graphad.errors import MissingRuleError, ShapeError, TypeMismatchError
from graphad.op import Op, Sample
from graphad.ops.arithmetic import (
    add,
    equal,
    greater,
    less,
    logical_not,
    logical_or,
    not_equal,
    reciprocal,
    square,
    subtract,
)  # fmt: skip
from graphad.ops.complex import conjugate, imag_part, real_part
from graphad.ops.cumulative import Cumprod
from graphad.ops.elementwise import cast
from graphad.ops.machinery import multiply, select
from graphad.ops.rounding import isinf
from graphad.ops.shape import broadcast_to, concatenate, full, iota, reshape, transpose
from graphad.ops.slicing import Slice
from graphad.ops.stop_gradient import stop_gradient
from graphad.ops.transcendental import exp, log, sqrt, unit
from graphad.types import BOOL, INT64, Array, DType, Shape, TensorType


def reduced_shape(op: Op, x: TensorType, axes: tuple[int, ...]) -> Shape:
    """The shape left after reducing `axes` (sorted, non-negative). Raises `ShapeError`."""
    if list(axes) != sorted(set(axes)) or (axes and not 0 <= axes[0] <= axes[-1] < x.ndim):
        raise ShapeError(f"{op.name}: axes {axes} are not sorted distinct axes of {x}")
    return tuple(n for i, n in enumerate(x.shape) if i not in axes)


def expand(x: Array, shape: Shape, axes: tuple[int, ...]) -> Array:
    """A reduction's result repeated over the axes that were reduced, back to `shape`."""
    return broadcast_to(reshape(x, tuple(1 if i in axes else n for i, n in enumerate(shape))), shape)


class Reduction(Op, abstract=True):
    """Base of the reductions; `axes` are sorted and non-negative, and vanish from the shape."""

    axes: tuple[int, ...]
    combines: ClassVar[str] = ""
    """How elements are combined, two at a time: `sum`, `prod`, `max`, `min`, `any` or `all`; empty for other ways."""
    loops_over: ClassVar[str] = ""
    """The dtype kinds of operands that a loop may combine so."""
    of_nothing: ClassVar[bool] = True
    """Whether there is a result where no elements are combined."""

    def infer(self, *xs: TensorType) -> TensorType:
        return TensorType(self.result_dtype(xs[0].dtype), reduced_shape(self, xs[0], self.axes))

    def result_dtype(self, dtype: DType) -> DType:
        return dtype

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Array:
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
    combines = "sum"
    loops_over = "biufc"

    def eval(self, xp: Any, *xs: Any) -> Array:
        (x,) = xs
        return np.add.reduce(x, self.axes, x.dtype) if xp is np else xp.sum(x, axis=self.axes, dtype=x.dtype)

    def infer(self, *xs: TensorType) -> TensorType:
        if xs[0].dtype.kind == "b":
            raise ShapeError(f"sum: cast {xs[0]} to {INT64} first")
        return super().infer(*xs)

    def transpose(self, ct: Any, *xs: Any) -> Array:
        return expand(ct, xs[0].shape, self.axes)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from super().samples()
        yield Sample(cls((0,)), (np.zeros((0, 3)),))
        yield Sample(cls((0,)), (np.array([1 + 2j, 3 - 1j]),))
        yield Sample(cls((0,)), (np.arange(5),))


class Norm(Reduction):
    """The Euclidean norm over axes. Its derivative at 0 is 0, one of its subgradients."""

    def result_dtype(self, dtype: DType) -> DType:
        return np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype

    def infer(self, *xs: TensorType) -> TensorType:
        if xs[0].dtype.kind not in "fc":
            raise TypeMismatchError(f"norm: cast {xs[0]} to a floating dtype first")
        return super().infer(*xs)

    def eval(self, xp: Any, *xs: Any) -> Array:
        (x,) = xs
        return xp.sqrt(xp.sum(xp.real(x * xp.conj(x)) if x.dtype.kind == "c" else x * x, axis=self.axes))

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Array:
        (x,), (dx,) = primals, tangents
        phase = unit(x, cast(expand(out, x.shape, self.axes), x.dtype))
        if x.dtype.kind != "c":
            return Sum(self.axes)(multiply(phase, dx))
        return Sum(self.axes)(real_part(multiply(conjugate(phase), dx)))

    def kinks(self, *xs: Any) -> Any:
        return np.all(xs[0] == 0, axis=self.axes)

    def squared(self, out: Any, *xs: Any) -> Array:
        (x,) = xs
        if x.dtype.kind != "c":
            return Sum(self.axes)(square(x))
        return Sum(self.axes)(add(square(real_part(x)), square(imag_part(x))))

    def decompose(self, *xs: Any) -> Array:
        return sqrt(self.squared(None, *xs))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from super().samples()
        yield Sample(cls((0,)), (np.zeros((0, 3)),))
        yield Sample(cls((0,)), (np.array([1 + 2j, 3 - 1j]),))


class Prod(Reduction):
    """Product over axes. The derivative divides by nothing, so it is right where elements are zero."""

    combines = "prod"
    loops_over = "biufc"

    def infer(self, *xs: TensorType) -> TensorType:
        if xs[0].dtype.kind == "b":
            raise TypeMismatchError(f"prod: cast {xs[0]} to {INT64} first")
        return super().infer(*xs)

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xp.prod(xs[0], axis=self.axes, dtype=xs[0].dtype)

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        (x, axis), (dx, _) = (_one_axis(y, self.axes) for y in (primals[0], tangents[0]))
        n = x.shape[axis]
        if n == 0:
            return None
        if n == 1:
            return reshape(dx, out.shape)
        one, most = ((*x.shape[:axis], k, *x.shape[axis + 1 :]) for k in (1, n - 1))
        ones, step = full(one, 1, x.dtype), (1,) * x.ndim
        below = concatenate([ones, Slice((0,) * x.ndim, most, step)(Cumprod(axis)(x))], axis)
        start = tuple([int(i == axis) for i in range(x.ndim)])
        after = Slice(start, x.shape, step)(Cumprod(axis, True)(x))
        others = multiply(below, concatenate([after, ones], axis))
        return Sum((axis,))(multiply(others, dx))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from super().samples()
        yield Sample(cls((0,)), (np.zeros((0, 3)),))
        yield Sample(cls((1,)), (np.array([[1.5, 0.0, 2.0], [0.0, 3.0, 0.0], [0.5, 1.0, 2.0]]),))
        yield Sample(cls((0,)), (np.array([1 + 2j, 3 - 1j]),))
        yield Sample(cls((0,)), (np.arange(1, 5),))


def _one_axis(x: Array, axes: tuple[int, ...]) -> tuple[Any, int]:
    """`x` with `axes` as one axis, and which it is: several become the last."""
    if len(axes) == 1:
        return x, axes[0]
    kept = [i for i in range(x.ndim) if i not in axes]
    n = int(np.prod([x.shape[i] for i in axes], dtype=np.int64))
    return reshape(transpose(x, (*kept, *axes)), (*(x.shape[i] for i in kept), n)), len(kept)


class Extremum(Reduction, abstract=True):
    """Base of `max` and `min`; elements that tie share the derivative equally."""

    of_nothing = False
    beyond: ClassVar[Any]
    """The comparison that holds between the extremum and an element that does not attain it."""

    def infer(self, *xs: TensorType) -> TensorType:
        if xs[0].size == 0 and any(xs[0].shape[i] == 0 for i in self.axes if i < xs[0].ndim):
            raise ShapeError(f"{self.name}: {xs[0]} has no elements along axes {self.axes}")
        return super().infer(*xs)

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Array:
        (x,), (dx,) = primals, tangents
        attains = logical_not(self.beyond(expand(out, x.shape, self.axes), x))
        count = Sum(self.axes)(cast(attains, x.dtype))
        # A NaN extremum has NaN for derivatives, in all elements.
        share = reciprocal(select(equal(out, out), count, out))
        chosen = Sum(self.axes)(select(attains, dx, np.zeros((), x.dtype)))
        return multiply(share, chosen)

    def kinks(self, *xs: Any) -> Any:
        (x,) = xs
        return np.sum(x == np.expand_dims(self.eval(np, x), self.axes), axis=self.axes) > 1

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from super().samples()
        yield Sample(cls((1,)), (np.zeros((0, 2)),))
        yield Sample(cls((0,)), (np.array([3, 1, 4, 1]),))


class Max(Extremum):
    """NumPy's `max` over axes."""

    beyond = greater
    combines = "max"
    loops_over = "biuf"

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xp.max(xs[0], axis=self.axes)


class Min(Extremum):
    """NumPy's `min` over axes."""

    beyond = less
    combines = "min"
    loops_over = "biuf"

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xp.min(xs[0], axis=self.axes)


class Truth(Reduction, abstract=True):
    """Base of `any` and `all`, which take and give booleans."""

    def infer(self, *xs: TensorType) -> TensorType:
        if xs[0].dtype != BOOL:
            raise TypeMismatchError(f"{self.name}: cast {xs[0]} to bool first")
        return super().infer(*xs)

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        return None

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([[True, False, True], [True, True, True]])
        for axes in [(0,), (1,), (0, 1), ()]:
            yield Sample(cls(axes), (x,))
        yield Sample(cls((0,)), (np.zeros((0, 2), bool),))


class Any_(Truth, name="any"):
    """NumPy's `any` over axes of booleans."""

    combines = "any"
    loops_over = "b"

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xp.any(xs[0], axis=self.axes)


class All(Truth):
    """NumPy's `all` over axes of booleans."""

    combines = "all"
    loops_over = "b"

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xp.all(xs[0], axis=self.axes)


FEW = 1 << 15
"""Elements among which the place of the extreme is found without NumPy's help."""


class ArgExtremum(Op, abstract=True):
    """Base of `argmax` and `argmin`: the first place of the extreme along `axis`, as int64."""

    axis: int
    extreme: ClassVar[type[Reduction]]

    def infer(self, *xs: TensorType) -> TensorType:
        (x,) = xs
        shape = reduced_shape(self, x, (self.axis,))
        if x.shape[self.axis] == 0:
            raise ShapeError(f"{self.name}: {x} has no elements along axis {self.axis}")
        return TensorType(INT64, shape)

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        return None

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Array:
        return type(self)(self.axis + 1)(xs[0])

    def decompose(self, *xs: Any) -> Array:
        """The least place of what equals the extreme, or is no number; NumPy is called for many elements."""
        (x,) = xs
        if x.dtype.kind not in "biuf" or x.size > FEW or not x.size:
            raise MissingRuleError(f"{self.name}: {x.type} is left to NumPy")
        n = x.shape[self.axis]
        found = equal(x, expand(self.extreme((self.axis,))(x), x.shape, (self.axis,)))
        if x.dtype.kind == "f":
            found = logical_or(found, not_equal(x, x))
        place = broadcast_to(reshape(iota(n), tuple(n if i == self.axis else 1 for i in range(x.ndim))), x.shape)
        return Min((self.axis,))(select(found, place, np.int64(n - 1)))

    def flops(self, *xs: TensorType) -> int:
        return xs[0].size

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([[1.5, -2.0, 0.5], [3.0, 0.25, -1.0]])
        yield Sample(cls(0), (x,))
        yield Sample(cls(1), (np.array([[1.0, np.nan, 3.0, np.nan], [np.inf, 2.0, np.inf, -np.inf]]),))
        yield Sample(cls(0), (np.array([False, True, True]),))
        yield Sample(cls(1), (x.astype("f4"),))
        yield Sample(cls(0), (np.array([3, 1, 3, 1]),))
        yield Sample(cls(1), (np.zeros((0, 2)),))


class Argmax(ArgExtremum):
    """NumPy's `argmax` along an axis."""

    extreme = Max

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xp.argmax(xs[0], axis=self.axis).astype(INT64)


class Argmin(ArgExtremum):
    """NumPy's `argmin` along an axis."""

    extreme = Min

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xp.argmin(xs[0], axis=self.axis).astype(INT64)


def logsumexp(x: Any, axes: tuple[int, ...], keepdims: bool = False) -> Array:
    """`log(sum(exp(x)))` over axes without overflow, for real floating `x`; `axes` are sorted and non-negative.

    -inf where all elements are -inf or there are none, inf where one is inf. The derivative is the softmax of `x`,
    0 where the result is infinite and NaN where it is NaN. The largest element is subtracted first (Blanchard, Higham,
    Higham, 2021).
    """
    zero, one = (np.array(number, x.dtype) for number in (0, 1))
    kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    if any(x.shape[i] == 0 for i in axes):
        shape = kept if keepdims else tuple(n for i, n in enumerate(x.shape) if i not in axes)
        return full(shape, -np.inf, x.dtype)
    top = stop_gradient(Max(axes)(x))
    bounded = logical_not(isinf(top))
    shift = select(bounded, top, zero)
    total = Sum(axes)(exp(subtract(x, expand(shift, x.shape, axes))))
    # Selecting before the logarithm keeps its infinite slope away from the elements.
    out = select(bounded, add(log(select(bounded, total, one)), shift), top)
    return reshape(out, kept) if keepdims else out

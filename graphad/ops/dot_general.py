"""`DotGeneral`: the one contraction that matrix products, `tensordot` and `einsum` come down to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError, TypeMismatchError
from graphad.graph import Constant
from graphad.op import Op, Sample, is_linear
from graphad.ops.arithmetic import add, logical_not, not_equal
from graphad.ops.elementwise import cast, known_finite
from graphad.ops.machinery import multiply_no_nan, select
from graphad.ops.reduce import Any_, Sum
from graphad.ops.rounding import isfinite
from graphad.ops.select import Select
from graphad.ops.shape import broadcast_to, common_dtype, moveaxis, reshape, transpose
from graphad.trace import trace_flat
from graphad.types import Array, TensorType

Axes = tuple[int, ...]


class DotGeneral(Op):
    """Sum of products over pairs of axes, as XLA's dot_general.

    `lhs_contract[i]` and `rhs_contract[i]` are summed together, `lhs_batch[i]` and `rhs_batch[i]` run together. The
    result's axes are the batch axes, the other axes of the first operand, those of the second.
    """

    lhs_contract: Axes
    rhs_contract: Axes
    lhs_batch: Axes = ()
    rhs_batch: Axes = ()
    reads_first = True

    def promote(self, kinds: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return (common_dtype(kinds),) * 2

    def over(self, lhs_contract: Axes, rhs_contract: Axes, lhs_batch: Axes, rhs_batch: Axes) -> Op:
        """The same product over other axes."""
        return DotGeneral(lhs_contract, rhs_contract, lhs_batch, rhs_batch)

    def free(self, lhs_ndim: int, rhs_ndim: int) -> tuple[Axes, Axes]:
        """The axes of each operand that are neither summed nor batch axes."""
        lhs, rhs = {*self.lhs_contract, *self.lhs_batch}, {*self.rhs_contract, *self.rhs_batch}
        return tuple(i for i in range(lhs_ndim) if i not in lhs), tuple(i for i in range(rhs_ndim) if i not in rhs)

    def infer(self, *xs: TensorType) -> TensorType:
        x, y = xs
        if x.dtype != y.dtype:
            raise TypeMismatchError(f"dot_general: operands {x} and {y} must first be cast to one dtype")
        lhs, rhs = (*self.lhs_batch, *self.lhs_contract), (*self.rhs_batch, *self.rhs_contract)
        proper = len(lhs) == len(rhs) and len(self.lhs_batch) == len(self.rhs_batch)
        for axes, ndim in ((lhs, x.ndim), (rhs, y.ndim)):
            proper = proper and len(set(axes)) == len(axes) and all(0 <= i < ndim for i in axes)
        if not proper or any(x.shape[i] != y.shape[j] for i, j in zip(lhs, rhs, strict=True)):
            raise ShapeError(f"{self!r}: axes of {x} and {y} do not pair up")
        lhs_free, rhs_free = self.free(x.ndim, y.ndim)
        return x.with_shape([x.shape[i] for i in (*self.lhs_batch, *lhs_free)] + [y.shape[i] for i in rhs_free])

    def eval(self, xp: Any, *xs: Any) -> Array:
        x, y = xs
        if not self.lhs_batch and len(self.lhs_contract) == 1 and x.ndim <= 2 and y.ndim <= 2:
            # np.dot sums the last axis of the first operand with the first axis of a matrix or vector.
            x = x if self.lhs_contract[0] == x.ndim - 1 else x.T
            y = y if self.rhs_contract[0] == 0 else y.T
            return xp.matmul(x, y)
        lhs_free, rhs_free = self.free(x.ndim, y.ndim)
        batch = [x.shape[i] for i in self.lhs_batch]
        lhs, rhs = [x.shape[i] for i in lhs_free], [y.shape[i] for i in rhs_free]
        k = int(np.prod([x.shape[i] for i in self.lhs_contract], dtype=np.int64))
        m, n = (int(np.prod(part, dtype=np.int64)) for part in (lhs, rhs))
        x = xp.reshape(xp.permute_dims(x, (*self.lhs_batch, *lhs_free, *self.lhs_contract)), (*batch, m, k))
        y = xp.reshape(xp.permute_dims(y, (*self.rhs_batch, *self.rhs_contract, *rhs_free)), (*batch, k, n))
        out = xp.matmul(x, y) if self.lhs_contract else x * y
        return xp.reshape(out, (*batch, *lhs, *rhs))

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Array:
        (x, y), (dx, dy) = primals, tangents
        terms = [self(dx, y)] if dx is not None else []
        if dy is not None:
            terms.append(self(x, dy))
        return add(*terms) if len(terms) == 2 else terms[0]

    def transpose(self, ct: Any, *xs: Any) -> Any:
        return self._transposed(DotGeneral, ct, *xs)

    def transpose_masked(self, ct: Any, *xs: Any) -> Any:
        at = 0 if is_linear(xs[0]) else 1
        if known_finite(xs[1 - at]):
            return self.transpose(ct, *xs)
        if not ct.ndim:
            return self._transposed(lambda *axes: _scaled(at), ct, *xs)
        return self._transposed(DotNoNan((), (), zeros=at).over, ct, *xs)

    def _transposed(self, product: Callable[..., Any], ct: Array, *xs: Any) -> Any:
        """The rule of `transpose`, where `product(axes)` is the op that contracts the cotangent with an operand."""
        x, y = xs
        lhs_free, rhs_free = self.free(x.ndim, y.ndim)
        nb, nl = len(self.lhs_batch), len(lhs_free)
        batch = tuple(range(nb))
        if is_linear(x):
            order = np.argsort(self.rhs_contract)
            axes = (*self.lhs_batch, *lhs_free, *(self.lhs_contract[i] for i in order))
            ct_axes = tuple(range(nb + nl, nb + nl + len(rhs_free)))
            found = product(ct_axes, rhs_free, batch, self.rhs_batch)(ct, y)
            return transpose(found, np.argsort(axes).tolist()), None
        order = np.argsort(self.lhs_contract)
        axes = (*self.rhs_batch, *(self.rhs_contract[i] for i in order), *rhs_free)
        found = product(lhs_free, tuple(range(nb, nb + nl)), self.lhs_batch, batch)(x, ct)
        return None, transpose(found, np.argsort(axes).tolist())

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Array:
        x, y = xs
        lhs, rhs = batched
        shifted = self.over(
            tuple(i + lhs for i in self.lhs_contract),
            tuple(i + rhs for i in self.rhs_contract),
            ((0,) if lhs and rhs else ()) + tuple(i + lhs for i in self.lhs_batch),
            ((0,) if lhs and rhs else ()) + tuple(i + rhs for i in self.rhs_batch),
        )
        out = shifted(x, y)
        if lhs and rhs:
            return out
        at = len(self.lhs_batch)
        if rhs:
            at = x.ndim - len(self.lhs_contract)
        return moveaxis(out, at, 0)

    def flops(self, *xs: TensorType) -> int:
        summed = 1
        for i in self.lhs_contract:
            summed *= xs[0].shape[i]
        return 2 * self.infer(*xs).size * summed

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.linspace(-1.0, 2.0, 24).reshape(2, 3, 4)
        y = np.cos(np.arange(24.0)).reshape(4, 2, 3)
        yield Sample(cls((1,), (0,)), (x[0], y[:, 0]))
        yield Sample(cls((0,), (1,)), (x[0].astype("f4"), y[:, 0].astype("f4")))
        yield Sample(cls((1,), (0,)), (x[0], y[:, 0, 0]))
        yield Sample(cls((0,), (0,)), (x[0, 0] + 1j, y[:, 0, 0] - 2j))
        yield Sample(cls((1, 2), (2, 0)), (x, y))
        yield Sample(cls((2,), (0,), (0,), (1,)), (x, y))
        yield Sample(cls((), ()), (x[0, 0], y[0, 0]))
        yield Sample(cls((), (), (1,), (0,)), (x[0], y[:, 0, 0]))
        yield Sample(cls((), ()), (np.array(2.0), np.array(3.0)))
        yield Sample(cls((1,), (0,)), (np.zeros((2, 0)), np.zeros((0, 3))))
        yield Sample(cls((1,), (0,)), (np.arange(6).reshape(2, 3), np.arange(3)))


def _scaled(at: int) -> Callable[[Any, Any], Any]:
    """The product of an array and a number, at this position, that leaves nothing of the array where it is 0."""
    return lambda x, y: multiply_no_nan(x, y) if at else multiply_no_nan(y, x)


class DotNoNan(DotGeneral):
    """`DotGeneral` without the terms in which the operand at position `zeros` is 0, even where the other is NaN.

    It takes the cotangent of what a choice left out back through a product with data that have holes there. A sum in
    which an infinity or NaN counts is NaN.
    """

    zeros: int = 1

    def over(self, lhs_contract: Axes, rhs_contract: Axes, lhs_batch: Axes, rhs_batch: Axes) -> Op:
        return DotNoNan(lhs_contract, rhs_contract, lhs_batch, rhs_batch, self.zeros)

    @property
    def plain(self) -> DotGeneral:
        """The product with all terms."""
        return DotGeneral(self.lhs_contract, self.rhs_contract, self.lhs_batch, self.rhs_batch)

    def eval(self, xp: Any, *xs: Any) -> Array:
        out = self.plain.eval(xp, *xs)
        if xp is np and not np.isnan(out).any():
            return out
        factor, chosen = xs[1 - self.zeros], xs[self.zeros]
        bad = ~xp.isfinite(factor)
        clean = self.plain.eval(xp, *self._placed(xp.where(bad, xp.zeros_like(factor), factor), chosen))
        hits = self.plain.eval(xp, *self._placed(bad.astype(out.dtype), (chosen != 0).astype(out.dtype)))
        return xp.where(hits != 0, xp.asarray(np.nan, dtype=out.dtype), clean)

    def _placed(self, factor: Array, chosen: Array) -> tuple[Any, Any]:
        return (factor, chosen) if self.zeros else (chosen, factor)

    def transpose(self, ct: Any, *xs: Any) -> Any:
        return self._transposed(self.over, ct, *xs)

    def transpose_masked(self, ct: Any, *xs: Any) -> Any:
        return self.transpose(ct, *xs)

    def decompose(self, *xs: Any) -> Any:
        """The plain product; only where that shows that something is not finite it is computed term by term. So are
        products that sum nothing, and those of a vector where a mask has left zeros: they cost no more."""
        from graphad.ops.regions.cond import Cond

        x, y = xs
        apart = [math.prod(x.shape[i] for i in own) for x, own in zip(xs, self.free(x.ndim, y.ndim), strict=True)]
        if not self.lhs_contract or (1 in apart and max(apart) > 1 and any(map(_masked, xs))):
            return self._by_terms(x, y)
        out = self.plain(x, y)
        factor = xs[1 - self.zeros]
        looked = factor if factor.size < out.size else out
        bad = logical_not(isfinite(looked))

        def exact(x: Any, y: Any, out: Any) -> list[Any]:
            factor, chosen = (x, y) if self.zeros else (y, x)
            zero, nan = (np.asarray(number, out.dtype) for number in (0, np.nan))
            finite = isfinite(factor)
            clean = self.plain(*self._placed(select(finite, factor, zero), chosen))
            bad, some = logical_not(finite), not_equal(chosen, zero)
            hits = self.plain(*self._placed(cast(bad, out.dtype), cast(some, out.dtype)))
            return [select(not_equal(hits, zero), nan, clean)]

        types = [v.type for v in (x, y, out)]
        branches = tuple(
            [trace_flat(lambda args, f=f: f(*args), types).graph for f in (lambda x, y, out: [out], exact)]
        )
        return Cond(branches)(Any_(tuple(range(bad.ndim)))(bad), x, y, out)

    def _by_terms(self, x: Any, y: Any) -> Any:
        """The sum of the products of elements."""
        free = self.free(x.ndim, y.ndim)
        batch, summed = [x.shape[i] for i in self.lhs_batch], [x.shape[i] for i in self.lhs_contract]
        m, n = ([v.shape[i] for i in own] for v, own in zip((x, y), free, strict=True))
        x = transpose(x, (*self.lhs_batch, *free[0], *self.lhs_contract))
        y = transpose(y, (*self.rhs_batch, *free[1], *self.rhs_contract))
        shape = (*batch, *m, *n, *summed)
        x = broadcast_to(reshape(x, (*batch, *m, *[1] * len(n), *summed)), shape)
        y = broadcast_to(reshape(y, (*batch, *[1] * len(m), *n, *summed)), shape)
        terms = multiply_no_nan(x, y) if self.zeros else multiply_no_nan(y, x)
        return Sum(tuple(range(len(shape) - len(summed), len(shape))))(terms) if summed else terms

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.linspace(-1.0, 2.0, 12).reshape(3, 4)
        y = np.cos(np.arange(12.0)).reshape(4, 3)
        yield Sample(cls((), ()), (x[0], y))
        for zeros in (0, 1):
            yield Sample(cls((1,), (0,), zeros=zeros), (x, y))
            yield Sample(cls((), (), (1,), (0,), zeros), (x, y[:, 0]))
        yield Sample(cls((0,), (0,)), (x[0] + 1j, y[:, 0] - 2j))
        yield Sample(cls((1,), (0,)), (x.astype("f4"), y[:, 0].astype("f4")))


def _masked(x: Any) -> bool:
    """Whether an array has zeros where a condition does not hold."""
    node = x.builder.maker(x.value)
    if node is None or not isinstance(node.op, Select):
        return False
    return any([isinstance(v, Constant) and not v.array.any() for v in node.inputs[1:]])


__all__ = ["DotGeneral", "DotNoNan"]

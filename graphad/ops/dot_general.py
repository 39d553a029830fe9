"""`DotGeneral`: the one contraction that matrix products, `tensordot` and `einsum` come down to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError, TypeMismatchError
from graphad.op import OPS, Op, Sample, is_linear
from graphad.ops.shape import common_dtype, moveaxis, transpose
from graphad.types import TensorType

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

    def promote(self, kinds: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return (common_dtype(kinds),) * 2

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

    def eval(self, xp: Any, *xs: Any) -> Any:
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

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        (x, y), (dx, dy) = primals, tangents
        terms = [self(dx, y)] if dx is not None else []
        if dy is not None:
            terms.append(self(x, dy))
        return OPS["add"](*terms) if len(terms) == 2 else terms[0]

    def transpose(self, ct: Any, *xs: Any) -> Any:
        x, y = xs
        lhs_free, rhs_free = self.free(x.ndim, y.ndim)
        nb, nl = len(self.lhs_batch), len(lhs_free)
        batch = tuple(range(nb))
        if is_linear(x):
            order = np.argsort(self.rhs_contract)
            axes = (*self.lhs_batch, *lhs_free, *(self.lhs_contract[i] for i in order))
            ct_axes = tuple(range(nb + nl, nb + nl + len(rhs_free)))
            product = DotGeneral(ct_axes, rhs_free, batch, self.rhs_batch)(ct, y)
            return transpose(product, np.argsort(axes).tolist()), None
        order = np.argsort(self.lhs_contract)
        axes = (*self.rhs_batch, *(self.rhs_contract[i] for i in order), *rhs_free)
        product = DotGeneral(lhs_free, tuple(range(nb, nb + nl)), self.lhs_batch, batch)(x, ct)
        return None, transpose(product, np.argsort(axes).tolist())

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Any:
        x, y = xs
        lhs, rhs = batched
        shifted = DotGeneral(
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


__all__ = ["DotGeneral"]

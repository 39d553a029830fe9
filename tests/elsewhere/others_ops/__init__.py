"""Ops that somebody else defines, in a package of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.op import Op, Sample
from graphad.ops.slicing import Pad
from graphad.types import TensorType


class Below(Op, name="others_below"):
    """Every other element of the last axis, backwards: a view."""

    linear = True
    view = True

    def infer(self, *xs: TensorType) -> TensorType:
        return xs[0].with_shape((*xs[0].shape[:-1], xs[0].shape[-1] // 2))

    def eval(self, xp: Any, *xs: Any) -> Any:
        n = xs[0].shape[-1]
        return xs[0][..., : n - n % 2 : 2][..., ::-1]

    def transpose(self, ct: Any, *xs: Any) -> Any:
        n, outer = xs[0].shape[-1], (0,) * (ct.ndim - 1)
        return Pad((*outer, 0), (*outer, n - 2 * (n // 2) + 1), (*outer, 1))(np.flip(ct, -1))

    def batch(self, batched: Any, size: int, *xs: Any) -> Any:
        return self(xs[0])

    @classmethod
    def samples(cls) -> Any:
        yield Sample(cls(), (np.arange(12.0).reshape(2, 6),))
        yield Sample(cls(), (np.arange(7, dtype="f4"),))


class Corner(Op, name="others_corner"):
    """The elements of a matrix from the diagonal on, as a vector of its diagonals' length: a view along two axes."""

    linear = True
    view = True

    def infer(self, *xs: TensorType) -> TensorType:
        return xs[0].with_shape((min(xs[0].shape[-2:]),))

    def eval(self, xp: Any, *xs: Any) -> Any:
        return np.diagonal(xs[0]) if xp is np else xp.linalg.diagonal(xs[0])


class Demanding(Op, name="others_demanding"):
    """The square of positive numbers; others are refused while the program runs."""

    raises = (ArithmeticError,)

    def infer(self, *xs: TensorType) -> TensorType:
        return xs[0]

    def eval(self, xp: Any, *xs: Any) -> Any:
        if not np.all(np.asarray(xs[0]) > 0):
            raise ArithmeticError("not positive")
        return xs[0] * xs[0]


class Easy(Op, name="others_easy"):
    """The same without a demand."""

    def infer(self, *xs: TensorType) -> TensorType:
        return xs[0]

    def eval(self, xp: Any, *xs: Any) -> Any:
        return xs[0] * xs[0]


class Marked(Op, name="others_marked"):
    """The first operand with the second in its first place: an update."""

    updates = True

    def infer(self, *xs: TensorType) -> TensorType:
        return xs[0]

    def eval(self, xp: Any, *xs: Any) -> Any:
        out = np.array(xs[0])
        out[:1] = xs[1]
        return out

    @classmethod
    def samples(cls) -> Any:
        yield Sample(cls(), (np.arange(4.0), np.array(7.0)))


class Copying(Op, name="others_copying"):
    """It says that its result is a view, and it is none."""

    view = True

    def infer(self, *xs: TensorType) -> TensorType:
        return xs[0]

    def eval(self, xp: Any, *xs: Any) -> Any:
        return np.sort(xs[0])

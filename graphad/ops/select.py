"""Choice between values, element by element."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import TypeMismatchError
from graphad.op import OPS, Sample, is_linear, zeros_like
from graphad.ops.elementwise import Elementwise
from graphad.types import BOOL, DType


class Select(Elementwise):
    """`where(condition, x, y)`: linear in `x` and `y`, so the branch not taken passes back exactly zero."""

    code = "where({0}, {1}, {2})"

    def promote(self, kinds: tuple[Any, ...]) -> tuple[Any, ...] | None:
        from graphad.ops.arithmetic import add

        if kinds[1] == kinds[2] == BOOL:
            return (BOOL, BOOL, BOOL)
        return (BOOL, *add.promote(kinds[1:]))

    def result_dtypes(self, *dtypes: DType) -> tuple[DType, ...]:
        condition, x, y = dtypes
        if condition != BOOL or x != y:
            raise TypeMismatchError(f"where: a bool condition and two operands of one dtype, not {condition}, {x}, {y}")
        return (condition, x, y, x)

    def eval(self, xp: Any, *xs: Any) -> Any:
        return xp.where(*xs)

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        condition, x, y = primals
        _, dx, dy = tangents
        if dx is None and dy is None:
            return None
        return self(condition, zeros_like(x) if dx is None else dx, zeros_like(y) if dy is None else dy)

    def transpose(self, ct: Any, *xs: Any) -> Any:
        condition, x, y = xs
        zero = np.zeros((), ct.dtype)
        return (
            None,
            self(condition, ct, zero) if is_linear(x) else None,
            self(condition, zero, ct) if is_linear(y) else None,
        )

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        condition = np.array([[True, False, True]])
        x = np.array([[1.5, -2.0, 0.5], [3.0, 0.25, -1.0]])
        yield Sample(cls(), (condition, x, -x))
        yield Sample(cls(), (condition[0, 0], x.astype("f4"), np.array([2.0], "f4")))
        yield Sample(cls(), (condition, x + 1j, -x + 0j))
        yield Sample(cls(), (condition, np.arange(3), np.arange(3)[::-1].copy()))
        yield Sample(cls(), (np.zeros((0,), bool), np.zeros((0,)), np.ones((0,))))


select = OPS["select"] = Select()

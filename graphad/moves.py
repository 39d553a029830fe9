"""Where the elements of a result come from, for ops that only look at memory in another way or put arrays together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from graphad.attributes import Record
from graphad.errors import TypeMismatchError
from graphad.types import Shape, TensorType

if TYPE_CHECKING:
    from graphad.op import Op

Place = tuple[int, int, int]
"""`(start, step, axis)`: the index `start + step * index[axis]`."""


class Piece(Record):
    """What a result takes from the operand of a number: its element at `index` is the operand's at `places`, one for
    each axis of the operand, where these lie within it."""

    operand: int
    places: tuple[Place, ...]


def shifted(operand: int, starts: Sequence[int]) -> Piece:
    """The operand as it stands, from `starts` on."""
    return Piece(operand, tuple([(start, 1, axis) for axis, start in enumerate(starts)]))


@lru_cache(maxsize=4096)
def strides(op: Op, x: TensorType) -> tuple[int, tuple[int, ...]]:
    """Where the result of an op whose result is a view begins in an operand in C order, and how far its elements are
    apart along each axis; NumPy itself is asked. Raises `TypeMismatchError` if it is no view."""
    memory = np.empty(x.shape, x.dtype)
    found = op.eval(np, memory)
    if not found.size:
        return 0, (0,) * found.ndim
    if not np.may_share_memory(found, memory):
        raise TypeMismatchError(
            f"{op.name} says that its result is a view of its operand, and gave a copy of {x}; leave view = True out "
            "of its class, or let eval give a view"
        )
    start = found.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
    return start // x.dtype.itemsize, tuple([s // x.dtype.itemsize for s in found.strides])


@lru_cache(maxsize=4096)
def viewed(op: Op, x: TensorType) -> tuple[Piece, ...] | None:
    """The one piece that a view is; `None` where the index along an axis does not follow from that along another, as
    in most reshapes."""
    start, steps = strides(op, x)
    result = op.infer(x)
    assert isinstance(result, TensorType)
    if not result.size:
        return (Piece(0, ((0, 0, 0),) * x.ndim),)
    first = _unravelled(start, x.shape)
    places: list[Place] = [(at, 0, 0) for at in first]
    for axis, (n, step) in enumerate(zip(result.shape, steps, strict=True)):
        if n == 1 or step == 0:
            continue
        for k, at in enumerate(_unravelled(start + step, x.shape)):
            if at == first[k]:
                continue
            end = first[k] + (at - first[k]) * (n - 1)
            if places[k][1] or not 0 <= end < x.shape[k]:
                return None
            places[k] = (first[k], at - first[k], axis)
    return (Piece(0, tuple(places)),)


def _unravelled(at: int, shape: Shape) -> list[int]:
    index = []
    for n in reversed(shape):
        at, i = divmod(at, n)
        index.append(i)
    return index[::-1]

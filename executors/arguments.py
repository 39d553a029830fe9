"""Arguments, made fit for native code, and the memory that it needs beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.executors.base import refused
from graphad.types import Array, TensorType


def prepare(name: str, types: Sequence[TensorType], args: Sequence[Any]) -> list[Array]:
    """Arguments as aligned arrays of native byte order in C order. `name` stands in the errors.

    Raises `ShapeError` or `TypeMismatchError` for an argument of another type; numbers of Python take any dtype.
    """
    if len(args) != len(types):
        raise ShapeError(f"{name}: {len(args)} arguments were given to a graph of {len(types)} inputs")
    return [_prepared(name, i, x, kind) for i, (x, kind) in enumerate(zip(args, types, strict=True))]


def _prepared(name: str, i: int, x: Any, kind: TensorType) -> Array:
    array = np.asarray(x)
    if array.dtype != kind.dtype and isinstance(x, (bool, int, float, complex)):
        array = array.astype(kind.dtype)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype != kind.dtype or array.shape != kind.shape:
        raise refused(name, i, array, kind)
    flags = array.flags
    if flags.c_contiguous and flags.aligned and array.dtype is np.dtype(kind.dtype.char):
        return array
    copied = np.empty(kind.shape, kind.dtype.char)
    copied[...] = array
    return copied


def memory_of(
    results: Sequence[TensorType], arena: int, constants: int, pushed: int = 0, reached: int | None = None
) -> dict[str, int]:
    """Bytes of the `arena` (all intermediate values), of the `results`, of the `constants`, and their sum: the `peak`.

    Where loops whose trip count a run decides keep values for their derivative, also the bytes that each iteration of
    all of them adds (`iteration`), and those that the largest run so far has taken for them (`reached`), which the
    peak has too.
    """
    made = sum(t.nbytes for t in results)
    found = {"arena": arena, "results": made, "constants": constants}
    if pushed:
        found |= {"iteration": pushed, "reached": reached or 0}
    return {**found, "peak": arena + made + constants + (reached or 0)}

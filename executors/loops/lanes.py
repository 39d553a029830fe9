"""Arrays of scalars, side by side in registers where that pays: the values of unrolled kernels.

Elements that stand together are computed together, as the lanes of one wide scalar; shape ops only move lanes about.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphad.executors.loops.kernels import combine, initial
from graphad.executors.loops.program import Across, Lane, Load, Pack, StridedView
from graphad.ops.scalar import Const, Scalar
from graphad.types import DType, Shape

ScalarArray = NDArray[np.object_]
"""A NumPy array of scalars of one lane."""


def apply(function: Callable[..., Scalar], operands: Sequence[ScalarArray], shape: Shape, lanes: int) -> ScalarArray:
    """What a function of scalars gives for each element of operands that broadcast to a shape, `lanes` at a time."""
    elements = np.empty(math.prod(shape), object)
    flat = [np.broadcast_to(x, shape).reshape(-1) for x in operands]
    if lanes == 1 or elements.size == 1:
        memo: dict[Any, Scalar] = {}
        for i, args in enumerate(zip(*flat, strict=True)):
            key = tuple(map(id, args))
            if key not in memo:
                memo[key] = function(*args)
            elements[i] = memo[key]
        return elements.reshape(shape)
    for start in range(0, elements.size, lanes):
        result = function(*[widen(x[start : start + lanes]) for x in flat])
        elements[start : start + lanes] = result if result.lanes == 1 else spread(result)
    return elements.reshape(shape)


def spread(x: Scalar) -> list[Scalar]:
    """The lanes of a wide scalar."""
    if isinstance(x, Const):
        return [Const(x.dtype, value) for value in x.value]
    return [Lane(x.dtype, x, i) for i in range(x.lanes)]


def widen(elements: ScalarArray) -> Scalar:
    """One scalar for a row of elements; of one lane where they are all the same."""
    parts = elements.tolist()
    first = parts[0]
    if all([x is first for x in parts]):
        return first  # type: ignore[no-any-return]
    n, dtype = len(parts), first.dtype
    if isinstance(first, Lane):
        source = first.wide
        if source.lanes == n and all(
            [isinstance(x, Lane) and x.wide is source and x.number == i for i, x in enumerate(parts)]
        ):
            return source
    elif isinstance(first, Const) and all([isinstance(x, Const) for x in parts]):
        return Const(dtype, np.array([x.value for x in parts], dtype), lanes=n)
    return Pack(dtype, tuple(parts), lanes=n)


def loaded(view: StridedView, load: Callable[[StridedView], Load], lanes: int) -> ScalarArray:
    """The elements of an array in memory: wide loads where its elements stand together, in whatever order."""
    steps = [np.arange(n) * stride for n, stride in zip(view.shape, view.strides, strict=True)]
    at = np.asarray(view.offset + sum(np.ix_(*steps)))
    elements = np.empty(view.shape, object)
    low, high = int(at.min()), int(at.max())
    if 1 < high - low + 1 <= 2 * at.size:
        whole: list[Scalar] = []
        for start in range(low, high + 1, lanes):
            count = min(lanes, high + 1 - start)
            part = Load(view.dtype, StridedView(view.buffer, start, (), ()), lanes=count)
            whole += spread(part) if count > 1 else [part]
        for i in np.ndindex(view.shape):
            elements[i] = whole[at[i] - low]
    else:
        for i in np.ndindex(view.shape):
            elements[i] = load(StridedView(view.buffer, int(at[i]), (), ()))
    return elements


def reduced(kind: str, x: ScalarArray, axes: tuple[int, ...], dtype: DType, lanes: int) -> ScalarArray:
    """The elements combined along axes."""
    if not axes:
        return x
    kept = [a for a in range(x.ndim) if a not in axes]
    shape = tuple([x.shape[a] for a in kept])
    flat = x.transpose(*kept, *axes).reshape(*shape, -1)
    terms = flat.shape[-1]
    result = np.empty(shape, object)
    if not terms:
        result[...] = initial(kind, dtype)
        return result
    if lanes > 1 and terms >= 4 and 4 * result.size <= terms:
        for i in np.ndindex(shape):
            result[i] = _across(kind, flat[i], dtype, lanes)
        return result
    return _fold(kind, [flat[..., k] for k in range(terms)], shape, lanes)


def _across(kind: str, row: ScalarArray, dtype: DType, lanes: int) -> Scalar:
    whole = row.size - row.size % lanes
    parts = [row[start : start + lanes] for start in range(0, whole, lanes)]
    rest: list[Any] = [] if whole == row.size else [_sum_of(kind, row[whole:], dtype)]
    if parts:
        rest.append(_sum_of(kind, _fold(kind, parts, (lanes,), lanes), dtype))
    return _fold(kind, rest, (), 1)[()]  # type: ignore[return-value]


def _sum_of(kind: str, row: ScalarArray, dtype: DType) -> Scalar:
    whole = widen(row)
    if whole.lanes == 1:
        return _fold(kind, list(row), (), 1)[()]  # type: ignore[return-value]
    return Across(dtype, kind, whole)


def contracted(left: ScalarArray, right: ScalarArray, shape: Shape, dtype: DType, lanes: int) -> ScalarArray:
    """`sum(left[..., k] * right[..., k])`, where the leading axes broadcast to a shape."""
    terms = left.shape[-1]
    products = [
        apply(lambda x, y: combine("prod", x, y), [left[..., k], right[..., k]], shape, lanes) for k in range(terms)
    ]
    if not products:
        result = np.empty(shape, object)
        result[...] = initial("sum", dtype)
        return result
    return _fold("any" if dtype.kind == "b" else "sum", products, shape, lanes)


def _fold(kind: str, terms: list[ScalarArray], shape: Shape, lanes: int) -> ScalarArray:
    # Halves are combined with halves: short chains, and the error of a pairwise sum.
    while len(terms) > 1:
        pairs = [
            apply(lambda x, y: combine(kind, x, y), [a, b], shape, lanes)
            for a, b in zip(terms[::2], terms[1::2], strict=False)
        ]
        terms = pairs + terms[len(pairs) * 2 :]
    return np.asarray(terms[0], object)

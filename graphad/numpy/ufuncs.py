"""The methods of ufuncs (`np.add.reduce`, `np.multiply.outer`, ...) on traced values."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce as fold
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError, ShapeError
from graphad.numpy import reductions, scans
from graphad.numpy._register import axes_of, axis_of, located_errors, operand, static
from graphad.numpy.manipulation import slice_axis
from graphad.ops import shape as shapes
from graphad.ops.cumulative import Cummax, Cummin
from graphad.ops.elementwise import cast
from graphad.ops.reduce import logsumexp
from graphad.ops.select import select
from graphad.trace import UFUNC_METHODS, UFUNCS

REDUCE: dict[Any, Callable[..., Any]] = {
    np.add: reductions.sum_,
    np.multiply: reductions.prod,
    np.maximum: reductions.max_,
    np.minimum: reductions.min_,
    np.logical_and: reductions.all_,
    np.logical_or: reductions.any_,
}
"""Reductions that are functions of their own."""

IN_HALVES = (
    np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.logical_xor, np.logical_and, np.logical_or, np.fmax, np.fmin,
    np.maximum, np.minimum, np.logaddexp, np.logaddexp2, np.hypot, np.gcd, np.lcm,
)  # fmt: skip
"""Associative ufuncs: the order of their operands counts, how they are grouped does not (up to rounding)."""

IDENTITIES: dict[Any, Any] = {np.logaddexp: -np.inf, np.logaddexp2: -np.inf}
"""What NumPy starts from but does not show as `ufunc.identity`."""


def _identity(ufunc: Any) -> Any:
    return IDENTITIES.get(ufunc, ufunc.identity)


def _check(ufunc: Any, method: str) -> None:
    if ufunc not in UFUNCS and ufunc.__name__ not in UFUNCS:
        raise MissingRuleError(f"{ufunc.__name__} cannot be traced")
    if ufunc.nin != 2 or ufunc.nout != 1 or ufunc.signature is not None:
        raise ShapeError(f"{ufunc.__name__}.{method}: only functions of two operands and one result have it")


def reduce(
    ufunc: Any,
    x: Any,
    axis: Any = 0,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = np._NoValue,
    where: Any = True,
) -> Any:
    _check(ufunc, "reduce")
    x = operand(x)
    initial = np._NoValue if initial is None else initial
    if ufunc in REDUCE and ufunc not in (np.logical_and, np.logical_or):
        options: dict[str, Any] = {"keepdims": keepdims, "initial": initial, "where": where}
        if ufunc in (np.maximum, np.minimum):
            x = x if dtype is None else cast(x, dtype)
        else:
            options["dtype"] = dtype
        found = REDUCE[ufunc](x, axis, **options)
    elif ufunc in REDUCE:
        found = REDUCE[ufunc](x, axis, keepdims=keepdims, where=where)
        found = found if initial is np._NoValue else ufunc(found, initial)
        found = found if dtype is None else cast(found, dtype)
    else:
        found = _folded(ufunc, x if dtype is None else cast(x, dtype), axis, keepdims, initial, where)
    return found


def _folded(ufunc: Any, x: Any, axis: Any, keepdims: bool, initial: Any, where: Any) -> Any:
    """Any ufunc over axes: pair by pair where it is associative, else from first to last."""
    axes = axes_of(x, axis, f"{ufunc.__name__}.reduce")
    given = initial is not np._NoValue
    start = initial if given else _identity(ufunc)
    if where is not True:
        if start is None:
            raise ShapeError(f"{ufunc.__name__}.reduce: where= needs initial=, since the operation has no identity")
        if ufunc not in IN_HALVES or given:
            raise MissingRuleError(
                f"{ufunc.__name__}.reduce with where= cannot be traced; replace "
                "what is left out by numpy.where(mask, x, identity) first"
            )
        x = select(cast(operand(where), bool), x, np.asarray(start, x.dtype))
    kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    if ufunc is np.logaddexp and x.dtype.kind == "f" and not given:
        return logsumexp(x, axes, keepdims)
    for i in axes:
        x = shapes.moveaxis(x, i, 0)
        n = x.shape[0]
        if n == 0 and start is None:
            raise ShapeError(f"{ufunc.__name__}.reduce: zero-size array to a reduction operation which has no identity")
        if n == 0:
            found = shapes.full(x.shape[1:], start, x.dtype)
        elif ufunc in IN_HALVES:
            found = _halved(ufunc, x)
        else:
            found = fold(ufunc, [x[j] for j in range(n)])
        if n and given:
            found = ufunc(initial, found) if ufunc in IN_HALVES else fold(ufunc, [x[j] for j in range(n)], initial)
            given = False
        x = shapes.expand_dims(found, i)
    return x if keepdims else shapes.reshape(x, tuple(n for i, n in enumerate(kept) if i not in axes))


def _halved(ufunc: Any, x: Any) -> Any:
    """Neighbours combined until one row is left."""
    while x.shape[0] > 1:
        n = x.shape[0]
        even, odd = (x[i : n - n % 2 : 2] for i in (0, 1))
        combined = ufunc(even, odd)
        x = shapes.concatenate([combined, x[n - 1 :]]) if n % 2 else combined
    return x[0] if ufunc not in (np.logical_xor, np.logical_and, np.logical_or) else cast(x[0], bool)


# -- running results ----------------------------------------------------------------------------------------------

ACCUMULATE: dict[Any, Any] = {np.maximum: Cummax, np.minimum: Cummin}


def accumulate(ufunc: Any, x: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
    _check(ufunc, "accumulate")
    name = f"{ufunc.__name__}.accumulate"
    x = operand(x)
    if ufunc in (np.add, np.multiply):
        found = (scans.cumsum if ufunc is np.add else scans.cumprod)(x, axis, dtype)
    else:
        x = x if dtype is None else cast(x, dtype)
        i = axis_of(x, axis, name)
        if ufunc in ACCUMULATE and x.dtype.kind != "b":
            found = ACCUMULATE[ufunc](i)(x)
        else:
            found = shapes.moveaxis(_running(ufunc, shapes.moveaxis(x, i, 0)), 0, i)
    return found


def _running(ufunc: Any, x: Any) -> Any:
    """The rows combined from the first to each: by doubling where the ufunc is associative, else one by one."""
    n = x.shape[0]
    if n < 2:
        return x
    if ufunc in IN_HALVES:
        x = cast(x, bool) if ufunc in (np.logical_xor, np.logical_and, np.logical_or) else x
        step = 1
        while step < n:
            x = shapes.concatenate([x[:step], ufunc(x[:-step], x[step:])])
            step *= 2
        return x
    rows = [x[0]]
    for i in range(1, n):
        rows.append(ufunc(rows[-1], x[i]))
    return shapes.stack(rows, 0)


def reduceat(ufunc: Any, x: Any, indices: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
    _check(ufunc, "reduceat")
    name = f"{ufunc.__name__}.reduceat"
    x = operand(x)
    i = axis_of(x, axis, name)
    n = x.shape[i]
    starts = static(indices, f"{name}: indices").tolist()
    if any(not 0 <= s < n for s in starts):
        raise ShapeError(f"{name}: an index lies outside of 0 ... {n - 1}")
    parts = []
    for start, stop in zip(starts, [*starts[1:], n], strict=True):
        part = slice_axis(x, i, start, stop if stop > start else start + 1)
        parts.append(reduce(ufunc, part, i, dtype, keepdims=True))
    if not parts:
        return shapes.zeros((*x.shape[:i], 0, *x.shape[i + 1 :]), dtype or x.dtype)
    return shapes.concatenate(parts, i)


def outer(ufunc: Any, x: Any, y: Any, **kwargs: Any) -> Any:
    _check(ufunc, "outer")
    x, y = operand(x), operand(y)
    return ufunc(shapes.reshape(x, x.shape + (1,) * y.ndim), y, **kwargs)


UFUNC_METHODS.update({f.__name__: located_errors(f) for f in (reduce, accumulate, reduceat, outer)})

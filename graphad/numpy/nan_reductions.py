"""Reductions that leave NaN out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.numpy import reductions
from graphad.numpy.arguments import axes_of, operand
from graphad.numpy.dispatch import implements
from graphad.ops.arithmetic import undefined
from graphad.ops.elementwise import cast
from graphad.ops.select import select


def _filled(x: Any, fill: float) -> Any:
    """`x` with a number in place of NaN, and where NaN stood; None for dtypes without NaN."""
    if x.dtype.kind not in "fc":
        return x, None
    missing = np.isnan(x)
    return select(missing, np.asarray(fill, x.dtype), x), missing


@implements(np.nansum)
def nansum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = np._NoValue,
    where: Any = True,
) -> Any:
    return reductions.sum_(_filled(operand(a), 0)[0], axis, dtype, out, keepdims, initial, where)


@implements(np.nanprod)
def nanprod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = np._NoValue,
    where: Any = True,
) -> Any:
    return reductions.prod(_filled(operand(a), 1)[0], axis, dtype, out, keepdims, initial, where)


def _nothing(x: Any, axis: Any, keepdims: Any, where: Any) -> Any:
    """NaN, whose derivative in the elements is NaN: what a reduction gives that has nothing left to reduce."""
    return undefined(reductions.sum_(x, axis, keepdims=keepdims, where=where))


def _nan_extremum(name: str, reduce: Any, fill: float) -> Callable[..., Any]:
    def extremum(
        a: Any,
        axis: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = np._NoValue,
        where: Any = True,
    ) -> Any:
        x = operand(a)
        filled, missing = _filled(x, fill)
        found = reduce(filled, axis, keepdims=keepdims, initial=initial, where=where)
        if missing is None or initial is not np._NoValue:
            return found
        return select(reductions.all_(missing, axis, keepdims=keepdims), _nothing(x, axis, keepdims, where), found)

    extremum.__name__ = extremum.__qualname__ = name
    extremum.__doc__ = f"NumPy's `{name}`: NaN where every element is and no `initial` is given."
    return extremum


nanmax = implements(np.nanmax)(_nan_extremum("nanmax", reductions.max_, -math.inf))
nanmin = implements(np.nanmin)(_nan_extremum("nanmin", reductions.min_, math.inf))


def _present(a: Any, where: Any) -> Any:
    if a.dtype.kind not in "fc":
        return where
    present = np.logical_not(np.isnan(a))
    return present if where is True or where is np._NoValue else np.logical_and(present, where)


@implements(np.nanmean)
def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True
) -> Any:
    a = operand(a)
    present = _present(a, where)
    value = reductions.mean(_filled(a, 0)[0], axis, dtype, out, keepdims, where=present)
    return _where_any(value, a, axis, keepdims, where, present, 0)


def _where_any(value: Any, a: Any, axis: Any, keepdims: Any, where: Any, present: Any, ddof: Any) -> Any:
    """A statistic, or NaN where no more than `ddof` elements are left."""
    if present is True or present is np._NoValue:
        return value
    axes = axes_of(a, axis, "nanmean")
    count = reductions.count_nonzero(np.broadcast_to(present, a.shape), axes, keepdims=bool(keepdims))
    return select(count <= ddof, cast(_nothing(a, axis, keepdims, where), value.dtype), value)


@implements(np.nanvar)
def nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = np._NoValue,
    correction: Any = np._NoValue,
) -> Any:
    """NumPy's `nanvar`: NaN where no more than `ddof` elements are left."""
    options = {"where": where, "mean": mean, "correction": correction}
    return _nan_spread(reductions.var, a, axis, dtype, out, ddof, keepdims, **options)


def _nan_spread(
    spread: Any, a: Any, axis: Any, dtype: Any, out: Any, ddof: Any, keepdims: Any, where: Any, mean: Any,
    correction: Any,
) -> Any:  # fmt: skip
    a = operand(a)
    ddof = ddof if correction is np._NoValue else correction
    present = _present(a, where)
    value = spread(_filled(a, 0)[0], axis, dtype, out, ddof, keepdims, where=present, mean=mean)
    return _where_any(value, a, axis, keepdims, where, present, ddof)


@implements(np.nanstd)
def nanstd(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = np._NoValue,
    correction: Any = np._NoValue,
) -> Any:
    """NumPy's `nanstd`: NaN where no more than `ddof` elements are left."""
    options = {"where": where, "mean": mean, "correction": correction}
    return _nan_spread(reductions.std, a, axis, dtype, out, ddof, keepdims, **options)


@implements(np.nancumsum)
def nancumsum(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    return np.cumsum(_filled(operand(a), 0)[0], axis, dtype, out)


@implements(np.nancumprod)
def nancumprod(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    return np.cumprod(_filled(operand(a), 1)[0], axis, dtype, out)


def _nan_place(place: Any, a: Any, fill: float, axis: int | None, out: Any, keepdims: Any) -> Any:
    return place(_filled(operand(a), fill)[0], axis, out, keepdims=bool(keepdims))


@implements(np.nanargmax)
def nanargmax(a: Any, axis: int | None = None, out: Any = None, *, keepdims: Any = False) -> Any:
    """NumPy's `nanargmax`; 0 where every element is NaN, which cannot raise while tracing."""
    return _nan_place(reductions.argmax, a, -math.inf, axis, out, keepdims)


@implements(np.nanargmin)
def nanargmin(a: Any, axis: int | None = None, out: Any = None, *, keepdims: Any = False) -> Any:
    """NumPy's `nanargmin`; 0 where every element is NaN, which cannot raise while tracing."""
    return _nan_place(reductions.argmin, a, math.inf, axis, out, keepdims)

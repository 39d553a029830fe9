"""Reductions that leave NaN out."""

from __future__ import annotations

import math
from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np

from graphad.numpy import reductions
from graphad.numpy.arguments import axes_of, operand
from graphad.numpy.dispatch import implements
from graphad.numpy.scans import cumprod, cumsum
from graphad.ops.arithmetic import undefined
from graphad.ops.elementwise import cast
from graphad.ops.select import select
from graphad.types import Array, ArrayLike


def _filled(x: Any, fill: float) -> Any:
    """`x` with a number in place of NaN, and where NaN stood; None for dtypes without NaN."""
    if x.dtype.kind not in "fc":
        return x, None
    missing = np.isnan(x)
    return select(missing, np.asarray(fill, x.dtype), x), missing


def _named(name: str, reduce: Callable[..., Any], told: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a function NumPy's of a name, with the signature of the one that does not leave NaN out."""

    def define(function: Callable[..., Any]) -> Callable[..., Any]:
        function.__name__ = function.__qualname__ = name
        function.__signature__, function.__doc__ = signature(reduce), f"NumPy's `{name}`{told}"  # type: ignore[attr-defined]
        return implements(getattr(np, name))(function)

    return define


def _without_nan(name: str, reduce: Callable[..., Any], fill: float) -> Callable[..., Any]:
    @_named(name, reduce, ".")
    def reduction(a: Array, *args: Any, **kwargs: Any) -> Array:
        return reduce(_filled(operand(a), fill)[0], *args, **kwargs)

    return reduction


nansum, nancumsum = _without_nan("nansum", reductions.sum_, 0), _without_nan("nancumsum", cumsum, 0)
nanprod, nancumprod = _without_nan("nanprod", reductions.prod, 1), _without_nan("nancumprod", cumprod, 1)


def _nothing(x: Array, axis: Any, keepdims: bool, where: ArrayLike) -> Array:
    """NaN, whose derivative in the elements is NaN: what a reduction gives that has nothing left to reduce."""
    return undefined(reductions.sum_(x, axis, keepdims=keepdims, where=where))


def _nan_extremum(name: str, reduce: Any, fill: float) -> Callable[..., Any]:
    @_named(name, reduce, ": NaN where every element is and no `initial` is given.")
    def extremum(
        a: Array,
        axis: Any = None,
        out: Any = None,
        keepdims: bool = False,
        initial: Any = np._NoValue,
        where: ArrayLike = True,
    ) -> Array:
        x = operand(a)
        filled, missing = _filled(x, fill)
        found = reduce(filled, axis, keepdims=keepdims, initial=initial, where=where)
        if missing is None or initial is not np._NoValue:
            return found
        return select(reductions.all_(missing, axis, keepdims=keepdims), _nothing(x, axis, keepdims, where), found)

    return extremum


nanmax = _nan_extremum("nanmax", reductions.max_, -math.inf)
nanmin = _nan_extremum("nanmin", reductions.min_, math.inf)


def _present(a: Any, where: Any) -> Any:
    if a.dtype.kind not in "fc":
        return where
    present = np.logical_not(np.isnan(a))
    return present if where is True or where is np._NoValue else np.logical_and(present, where)


@implements(np.nanmean)
def nanmean(
    a: ArrayLike,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    *,
    where: ArrayLike = True,
) -> Array:
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


def _nan_spread(name: str, spread: Callable[..., Any]) -> Callable[..., Any]:
    @_named(name, spread, ": NaN where no more than `ddof` elements are left.")
    def statistic(
        a: Array,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        ddof: Any = 0,
        keepdims: bool = False,
        *,
        where: ArrayLike = True,
        mean: Any = np._NoValue,
        correction: Any = np._NoValue,
    ) -> Array:
        a = operand(a)
        ddof = ddof if correction is np._NoValue else correction
        present = _present(a, where)
        value = spread(_filled(a, 0)[0], axis, dtype, out, ddof, keepdims, where=present, mean=mean)
        return _where_any(value, a, axis, keepdims, where, present, ddof)

    return statistic


nanvar, nanstd = _nan_spread("nanvar", reductions.var), _nan_spread("nanstd", reductions.std)


def _nan_place(name: str, place: Callable[..., Any], fill: float) -> Callable[..., Any]:
    @_named(name, place, "; 0 where every element is NaN, which cannot raise while tracing.")
    def position(a: Array, axis: int | None = None, out: Any = None, *, keepdims: bool = False) -> Array:
        return place(_filled(operand(a), fill)[0], axis, out, keepdims=bool(keepdims))

    return position


nanargmax = _nan_place("nanargmax", reductions.argmax, -math.inf)
nanargmin = _nan_place("nanargmin", reductions.argmin, math.inf)

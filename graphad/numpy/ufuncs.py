"""The methods of ufuncs (`np.add.reduce`, `np.multiply.outer`, ...) on traced values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.build import describe_location, user_location
from graphad.errors import MissingRuleError
from graphad.numpy import reductions, scans
from graphad.numpy._register import axes_of, operand, reject
from graphad.ops import shape as shapes
from graphad.ops.cumulative import Cummax, Cummin
from graphad.ops.reduce import logsumexp
from graphad.trace import UFUNC_METHODS


def _reduce_logaddexp(x: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    reject("logaddexp.reduce", dtype=dtype, out=out)
    x = operand(x)
    return logsumexp(x, axes_of(x, axis, "logaddexp.reduce"), keepdims)


def _without_dtype(reduce: Callable[..., Any]) -> Callable[..., Any]:
    def reduced(x: Any, axis: Any = 0, dtype: Any = None, out: Any = None, *args: Any, **kwargs: Any) -> Any:
        reject("ufunc.reduce", dtype=dtype)
        return reduce(x, axis, out, *args, **kwargs)

    return reduced


REDUCE: dict[Any, Callable[..., Any]] = {
    np.add: reductions.sum_,
    np.multiply: reductions.prod,
    np.maximum: _without_dtype(reductions.max_),
    np.minimum: _without_dtype(reductions.min_),
    np.logical_and: _without_dtype(reductions.all_),
    np.logical_or: _without_dtype(reductions.any_),
    np.logaddexp: _reduce_logaddexp,
}


def _scan(op: Any) -> Callable[..., Any]:
    return lambda x, axis, dtype, out: scans.scanned("ufunc.accumulate", op, x, axis, dtype, out)


ACCUMULATE: dict[Any, Callable[..., Any]] = {
    np.add: scans.cumsum,
    np.multiply: scans.cumprod,
    np.maximum: _scan(Cummax),
    np.minimum: _scan(Cummin),
}


def _reduce(ufunc: Any, x: Any, axis: Any = 0, *args: Any, **kwargs: Any) -> Any:
    if ufunc not in REDUCE:
        raise _missing(ufunc, "reduce", REDUCE)
    return REDUCE[ufunc](x, axis, *args, **kwargs)


def _accumulate(ufunc: Any, x: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
    if ufunc not in ACCUMULATE:
        raise _missing(ufunc, "accumulate", ACCUMULATE)
    return ACCUMULATE[ufunc](x, axis, dtype, out)


def _outer(ufunc: Any, x: Any, y: Any, **kwargs: Any) -> Any:
    x, y = operand(x), operand(y)
    return ufunc(shapes.reshape(x, x.shape + (1,) * y.ndim), y, **kwargs)


def _unsupported(method: str) -> Callable[..., Any]:
    def handler(ufunc: Any, *args: Any, **kwargs: Any) -> Any:
        remedy = "x.at[indices].add(values)" if method == "at" else "slices and numpy.sum"
        raise MissingRuleError(
            f"{ufunc.__name__}.{method} cannot be traced{describe_location(user_location())}; use {remedy}"
        )

    return handler


def _missing(ufunc: Any, method: str, table: dict[Any, Any]) -> MissingRuleError:
    known = ", ".join(f.__name__ for f in table)
    return MissingRuleError(
        f"{ufunc.__name__}.{method} cannot be traced{describe_location(user_location())}; {method} works for {known}"
    )


UFUNC_METHODS.update(
    reduce=_reduce,
    accumulate=_accumulate,
    outer=_outer,
    reduceat=_unsupported("reduceat"),
    at=_unsupported("at"),
)

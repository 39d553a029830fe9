"""The methods of ufuncs (`np.add.reduce`, `np.multiply.outer`, ...) on traced values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError, ShapeError, TracerError, TypeMismatchError
from graphad.location import place
from graphad.numpy import reductions, scans
from graphad.numpy.arguments import axes_of, axis_of, known, operand, static
from graphad.numpy.dispatch import located_errors
from graphad.numpy.indexing import getitem, read_index
from graphad.numpy.manipulation import slice_axis
from graphad.numpy.masked import choice
from graphad.numpy.outputs import into
from graphad.numpy.updates import At
from graphad.numpy.views import assign, own
from graphad.ops import shape as shapes
from graphad.ops.cumulative import Cummax, Cummin
from graphad.ops.elementwise import cast
from graphad.ops.reduce import logsumexp
from graphad.ops.select import select
from graphad.refusals import unsupported
from graphad.trace import UFUNC_METHODS, UFUNCS, Tracer, kind_of
from graphad.types import Array, DType, DTypeLike, dtype_spelling

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
"""What NumPy starts from, where not every version of it shows that as `ufunc.identity`."""


def _check(ufunc: Any, method: str, *operands: Any) -> None:
    if ufunc not in UFUNCS and ufunc.__name__ not in UFUNCS:
        raise MissingRuleError(unsupported(f"{method} of the ufunc {ufunc.__name__}", operands))
    if ufunc.nin != 2 or ufunc.nout != 1 or ufunc.signature is not None:
        raise ShapeError(f"{ufunc.__name__}.{method}: only functions of two operands and one result have it")


def loop(ufunc: Any, method: str, x: Any, dtype: DTypeLike | None) -> tuple[DType, DType]:
    """The dtypes in which NumPy accumulates, and takes the elements. Raises `TypeMismatchError` where it does not."""
    options = {} if dtype is None else {"signature": (np.dtype(dtype), None, None)}
    try:
        total, element, _ = ufunc.resolve_dtypes((None, x.dtype, None), casting="unsafe", reduction=True, **options)
    except TypeError:
        asked = "" if dtype is None else f" with dtype={dtype_spelling(dtype)}"
        raise TypeMismatchError(
            f"{ufunc.__name__}.{method} does not take {dtype_spelling(x.dtype)}{asked}; cast with astype first"
        ) from None
    return total, element


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
    _check(ufunc, "reduce", x)
    x = operand(x)
    total, element = loop(ufunc, "reduce", x, dtype)
    given = initial is not np._NoValue and initial is not None
    if ufunc in (np.logical_and, np.logical_or):
        found = REDUCE[ufunc](x, axis, keepdims=keepdims, where=where)
        return ufunc(found, initial) if given else found
    if ufunc in REDUCE:
        options: dict[str, Any] = {"keepdims": keepdims, "where": where}
        if given:
            options["initial"] = initial
        if ufunc in (np.maximum, np.minimum):
            x = cast(x, total)
        else:
            options["dtype"] = total
        return REDUCE[ufunc](x, axis, **options)
    axes = axes_of(x, axis, f"{ufunc.__name__}.reduce")
    mask = None if where is True else shapes.broadcast_to(cast(operand(where), bool), x.shape)
    start = cast(operand(initial), total) if given else None
    identity = None if initial is None else IDENTITIES.get(ufunc, ufunc.identity)
    identity = None if identity is None else np.asarray(identity).astype(total)
    if mask is not None and start is None and identity is None:
        raise ShapeError(f"{ufunc.__name__}.reduce: where= needs initial=, since the operation has no identity")
    if start is None and identity is None and any(x.shape[i] == 0 for i in axes):
        raise ShapeError(f"{ufunc.__name__}.reduce: zero-size array to a reduction operation which has no identity")
    folded = _associative if ufunc in IN_HALVES else _one_by_one
    found = folded(ufunc, cast(x, element), axes, total, start, identity, mask)
    return reductions.keep(found, x, axes, keepdims)


def _associative(
    ufunc: Any,
    x: Array,
    axes: tuple[int, ...],
    total: DType,
    start: Array | None,
    identity: Array | None,
    mask: Array | None,
) -> Array:
    """Pair by pair along each axis. What has no identity is idempotent, and may begin with `start` many times."""
    neutral = start if identity is None else identity
    if mask is not None:
        x = select(mask, x, neutral)
    if ufunc is np.logaddexp and x.dtype.kind == "f" and start is None:
        return logsumexp(x, axes, False)
    if start is None and identity is not None and all(x.shape[i] == 1 for i in axes):
        start = identity  # hypot and gcd of one element are its magnitude
    for i in reversed(axes):
        x = shapes.moveaxis(x, i, 0)
        x = _halved(ufunc, x) if x.shape[0] else shapes.full(x.shape[1:], neutral, x.dtype)
    return x if start is None else ufunc(start, x)


def _halved(ufunc: Any, x: Array) -> Array:
    """Neighbours combined until one row is left."""
    while x.shape[0] > 1:
        n = x.shape[0]
        even, odd = (x[i : n - n % 2 : 2] for i in (0, 1))
        combined = ufunc(even, odd)
        x = shapes.concatenate([combined, x[n - 1 :]]) if n % 2 else combined
    return x[0]


def _one_by_one(
    ufunc: Any, x: Array, axes: tuple[int, ...], total: DType, start: Array | None, identity: Any, mask: Any
) -> Array:
    """From the first row to the last; a row that the mask leaves out changes nothing."""
    if not axes:
        return cast(x, total) if start is None else ufunc(start, x)
    if len(axes) > 1:
        raise ShapeError(f"{ufunc.__name__}.reduce: the order of the elements counts, so give one axis, not {axes}")
    x = shapes.moveaxis(x, axes[0], 0)
    mask = None if mask is None else shapes.moveaxis(mask, axes[0], 0)
    found = cast(x[0], total) if start is None else shapes.broadcast_to(start, x.shape[1:])
    for j in range(int(start is None), x.shape[0]):
        combined = ufunc(found, x[j])
        found = combined if mask is None else select(mask[j], combined, found)
    return found


# -- running results ----------------------------------------------------------------------------------------------

ACCUMULATE: dict[Any, Any] = {np.maximum: Cummax, np.minimum: Cummin}


def accumulate(ufunc: Any, x: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
    _check(ufunc, "accumulate", x)
    x = operand(x)
    i = axis_of(x, axis, f"{ufunc.__name__}.accumulate")
    total, element = loop(ufunc, "accumulate", x, dtype)
    if ufunc in (np.add, np.multiply):
        return (scans.cumsum if ufunc is np.add else scans.cumprod)(x, i, total)
    x = cast(x, element)
    if ufunc in ACCUMULATE and x.dtype.kind != "b":
        return ACCUMULATE[ufunc](i)(x)
    return shapes.moveaxis(_running(ufunc, shapes.moveaxis(x, i, 0), total), 0, i)


def _running(ufunc: Any, x: Array, total: DType) -> Array:
    """The rows combined from the first to each: by doubling where the ufunc is associative, else one by one."""
    n = x.shape[0]
    if n < 2:
        return cast(x, total)
    if ufunc in IN_HALVES:
        step = 1
        while step < n:
            x = shapes.concatenate([x[:step], ufunc(x[:-step], x[step:])])
            step *= 2
        return x
    rows = [cast(x[0], total)]
    for i in range(1, n):
        rows.append(ufunc(rows[-1], x[i]))
    return shapes.stack(rows, 0)


def reduceat(ufunc: Any, x: Any, indices: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
    _check(ufunc, "reduceat", x)
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
        parts.append(reduce(ufunc, part, i, dtype, keepdims=True, initial=None))
    if not parts:
        return shapes.zeros((*x.shape[:i], 0, *x.shape[i + 1 :]), loop(ufunc, "reduceat", x, dtype)[0])
    return shapes.concatenate(parts, i)


def outer(ufunc: Any, x: Any, y: Any, **kwargs: Any) -> Any:
    _check(ufunc, "outer", x)
    x, y = operand(x), operand(y)
    return ufunc(shapes.reshape(x, x.shape + (1,) * y.ndim), y, **kwargs)


# -- in place -----------------------------------------------------------------------------------------------------

AT = {np.add: "add", np.subtract: "subtract", np.multiply: "multiply", np.divide: "divide", np.minimum: "min",
      np.maximum: "max"}  # fmt: skip
"""Updates that an element named more than once takes all at once, at places that are traced too."""


def at(ufunc: Any, x: Any, indices: Any, *values: Any) -> None:
    """Change elements in place, one after the other: an element named twice changes twice."""
    if not isinstance(x, Tracer):
        raise TracerError(
            f"{ufunc.__name__}.at: a traced value cannot be written into a NumPy array"
            f"{place()}; make the array with graphad.numpy, or from a traced one"
        )
    values = tuple(operand(v) for v in values)
    if choice(x, indices) is not None:
        x[indices] = ufunc(own(x)[indices], *values)
        return
    if ufunc in AT and _at_once(ufunc, x.dtype, values[0]):
        assign(x, getattr(At(own(x))[indices], AT[ufunc])(*values), f"{ufunc.__name__}.at")
        return
    if not read_index(x, indices).arrays:
        x[indices] = ufunc(own(x)[indices], *values)
        return
    places = getitem(np.arange(x.size).reshape(x.shape), indices)
    numbers = known(places)
    if numbers is None and places.size > 1:
        names = ", ".join(f.__name__ for f in AT)
        raise TracerError(
            f"{ufunc.__name__}.at: traced places{place()}, of which some may be the same; "
            f"with values of the array's dtype {names} can (divide of floating-point numbers), else change one element "
            "after the other in a loop"
        )
    values = tuple(shapes.reshape(shapes.broadcast_to(v, places.shape), (-1,)) for v in values)
    flat, places = shapes.reshape(own(x), (-1,)), shapes.reshape(places, (-1,))
    for chosen in _rounds(numbers) if numbers is not None else [np.arange(places.size)]:
        new = ufunc(flat[places[chosen]], *[v[chosen] for v in values])
        flat = At(flat)[places[chosen]].set(new)
    assign(x, shapes.reshape(flat, x.shape), f"{ufunc.__name__}.at")


def _at_once(ufunc: Any, dtype: DType, values: Array) -> bool:
    """Whether values can be cast to the dtype of the array first: the low bits of sums need no others.

    With signed integers NumPy changes unsigned ones of 64 bits by way of floating-point numbers; counts stay the same.
    """
    given = values.dtype
    if dtype.kind not in "iu":
        return dtype.kind in "fc" and np.can_cast(given, dtype, "same_kind")
    common = np.promote_types(dtype, given)
    if common.kind == "f" and given.kind == "i":
        return ufunc is np.add and not isinstance(values, Tracer) and bool(np.all(values >= 0))
    if ufunc in (np.add, np.subtract, np.multiply):
        return given.kind in "iub"
    return ufunc is not np.divide and common == dtype


def _rounds(places: Any) -> list[Any]:
    """The positions of first mentions of a place, of second mentions, and so on."""
    flat = np.ravel(places)
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    mention = np.empty(flat.size, int)
    mention[order] = np.arange(flat.size) - np.searchsorted(ordered, ordered)
    return [np.flatnonzero(mention == i) for i in range(mention.max(initial=-1) + 1)]


# -- keyword arguments --------------------------------------------------------------------------------------------


def cast_operands(
    ufunc: Any, inputs: tuple[Any, ...], dtype: DTypeLike | None, signature: Any, casting: Any
) -> tuple[Any, ...]:
    """The operands in the dtypes of the loop that NumPy chooses. Raises `TypeMismatchError` where there is none."""
    kinds = [np.dtype(bool) if (kind := kind_of(x)) is bool else kind for x in inputs]
    asked: Any = (None,) * ufunc.nin + (dtype,) * ufunc.nout if signature is None else signature
    if isinstance(asked, str):
        asked = tuple(asked.replace("->", ""))
    asked = [t if t is None else np.dtype(t) for t in asked]
    options = {} if all(t is None for t in asked) else {"signature": tuple(asked)}
    try:
        found = ufunc.resolve_dtypes((*kinds, *(None,) * ufunc.nout), casting=casting or "same_kind", **options)
    except (TypeError, ValueError) as error:
        types = " and ".join(k.__name__ if isinstance(k, type) else dtype_spelling(k) for k in kinds)
        raise TypeMismatchError(
            f"{ufunc.__name__} of {types}{place()}: {error}; cast with astype first"
        ) from None
    return tuple(cast(operand(x), t) for x, t in zip(inputs, found, strict=False))


def with_keywords(handler: Callable[..., Any], ufunc: Any, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a ufunc gives that is called with keyword arguments. Raises `MissingRuleError` for those without a rule."""
    out, where, casting = kwargs.pop("out", None), kwargs.pop("where", True), kwargs.pop("casting", None)
    loop = (kwargs.pop("dtype", None), kwargs.pop("signature", kwargs.pop("sig", None)), casting)
    order = kwargs.pop("order", "K")
    given = {k: v for k, v in kwargs.items() if k != "subok"}
    if given and ufunc.signature is None:
        raise MissingRuleError(unsupported(f"{ufunc.__name__} with {', '.join(given)}=", inputs))
    if where is not True and out is None:
        raise MissingRuleError(
            f"{ufunc.__name__}: where= without out= leaves elements undefined{place()}; write "
            f"numpy.where(mask, numpy.{ufunc.__name__}(...), other)"
        )
    if any([x is not None for x in loop]):
        inputs = cast_operands(ufunc, inputs, *loop)
    found = handler(*inputs, **given)
    if out is not None:
        return into(out, found, ufunc.__name__, where, casting or "same_kind")
    return UFUNC_METHODS["ordered"](found, order)


UFUNC_METHODS.update({f.__name__: located_errors(f) for f in (reduce, reduceat, outer)})
UFUNC_METHODS["accumulate"] = located_errors(accumulate, laid=None)
UFUNC_METHODS.update({"at": at, "with_keywords": with_keywords})

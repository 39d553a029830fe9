"""Assignment in place: what replaces the value of a traced array, and of the views and the origin that share it.

`x[i] = v`, `x += y`, `out=`, `x.sort()` and their kin then mean what they mean for NumPy's arrays, aliases and views of
views included. The caller's own arrays never change: inside of a trace they are handles of their own.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.build import current_builder
from graphad.errors import ShapeError, TracerError, TypeMismatchError
from graphad.location import place as here
from graphad.numpy import misc, moving, moving_functions, sharing, sorting, updates  # noqa: F401  (wrapped below)
from graphad.numpy.arguments import axis_of, is_active, known, operand, recorded
from graphad.numpy.buffers import Buffer, become, writable
from graphad.numpy.dispatch import NAMESPACE, tracer_method
from graphad.numpy.indexing import getitem, read_index
from graphad.numpy.layouts import UNKNOWN, laid
from graphad.numpy.masked import Masked, mask_of, spread
from graphad.numpy.slices import moves
from graphad.numpy.updates import At
from graphad.numpy.views import View, assign, own, view, write
from graphad.ops.elementwise import cast
from graphad.ops.shape import reshape
from graphad.trace import FUNCTIONS, UFUNC_METHODS, Tracer, innermost


def _check_cast(x: Tracer, dtype: Any, what: str, casting: Any = "same_kind") -> None:
    if not np.can_cast(dtype, x.dtype, casting):
        raise TypeMismatchError(
            f"{what}: a result of {dtype} cannot be written into {x.type}{here()}; write "
            "it into a new array"
        )


# -- indexing -----------------------------------------------------------------------------------------------------


def _is_basic(index: Any) -> bool:
    """Whether NumPy makes a view for an index: integers, slices, Ellipsis and None only."""
    for item in index if type(index) is tuple else (index,):
        if item is None or item is Ellipsis or isinstance(item, (slice, np.integer)) or type(item) is int:
            continue
        if not isinstance(item, Tracer) or item.shape or item.dtype.kind not in "iu":
            return False
    return True


@tracer_method("__getitem__")
def _getitem(x: Any, index: Any) -> Any:
    mask = mask_of(x, index)
    if mask is not None and known(mask) is None:
        return Masked(own(x), spread(x, mask))
    if moves(index):
        return moving.read(x, index)
    if isinstance(index, moving.Moving):
        return moving.picked(x, index)
    found = getitem(x, index)
    basic = _is_basic(index)
    if not basic or not (found.shape or _has_ellipsis(index)):
        return own(found) if found is x else found if basic or found.ndim < 2 else _picked(found, x, index)
    at = _fixed(index)
    return view(found, x, lambda base: getitem(base, at), lambda base, new: At(base)[at].set(new), index,
                lambda base: base[_standing(at)])  # fmt: skip


def _fixed(index: Any) -> Any:
    """An index that stays what it is when the arrays that it holds are changed."""
    if type(index) is tuple:
        return tuple([_fixed(item) for item in index])
    if type(index) is slice:
        return slice(_fixed(index.start), _fixed(index.stop), _fixed(index.step))
    if isinstance(index, Tracer):
        return own(index)
    return operator.index(index) if isinstance(index, np.ndarray) else index


def _has_ellipsis(index: Any) -> bool:
    return index is Ellipsis or (type(index) is tuple and any([item is Ellipsis for item in index]))


def _standing(index: Any) -> Any:
    """A basic index with a known one in place of each that is traced, which makes a view of the same layout."""
    if type(index) is tuple:
        return tuple([0 if isinstance(item, Tracer) else item for item in index])
    return 0 if isinstance(index, Tracer) else index


def _picked(found: Any, x: Any, index: Any) -> Any:
    """What index arrays pick: NumPy lets their axes be the slowest ones, wherever they stand in the result."""
    if x.layout is not None:
        return laid(found, UNKNOWN)
    plan = read_index(x, index)
    rank = found.ndim - len(plan.kept) + len(plan.arrays)
    first = list(range(plan.place, plan.place + rank))
    return laid(found, (*first, *[i for i in range(found.ndim) if i not in first]) if plan.place else None)


@tracer_method("__setitem__")
def _setitem(x: Any, index: Any, value: Any) -> None:
    if isinstance(value, View) and value.origin is x and value.key is index and value.follows(x):
        return  # `x[index] += y` has written to the view already
    if moves(index) or isinstance(value, moving.Moving):
        moving.write(x, index, value)
        return
    mask = mask_of(x, index)
    if mask is not None and known(mask) is None:
        _set_masked(x, mask, value)
        return
    assign(x, At(own(x))[index].set(value), "assignment to an index")


def _set_masked(x: Any, mask: Any, value: Any) -> None:
    whole = spread(x, mask)
    if isinstance(value, Masked):
        value = value.under(whole, "assignment to what another mask chooses")
    else:
        value = operand(value)
        if value.ndim > x.ndim - mask.ndim:
            raise TracerError(
                f"assignment to x[mask]: an array of {value.shape} for what the traced mask {mask.type} chooses"
                f"{here()}; write x[...] = numpy.where(mask, values, x), with values like x"
            )
    assign(x, np.where(whole, cast(value, x.dtype), own(x)), "assignment to an index")


def _augmented(name: str, symbol: str) -> None:
    function = getattr(operator, name)

    def augment(x: Any, y: Any) -> Any:
        new = function(own(x) if isinstance(x, View) else x, y)
        if not (x.shape or x.boxed) or not isinstance(new, Tracer):
            return new  # NumPy's scalars do not change
        _check_cast(x, new.dtype, symbol)
        assign(x, new, symbol)
        return x

    tracer_method(f"__i{name.strip('_')}__")(augment)


for _name, _symbol in {
    "add": "+=", "sub": "-=", "mul": "*=", "truediv": "/=", "floordiv": "//=", "mod": "%=", "pow": "**=", "and_": "&=",
    "or_": "|=", "xor": "^=", "lshift": "<<=", "rshift": ">>=", "matmul": "@=",
}.items():  # fmt: skip
    _augmented(_name, _symbol)


# -- shapes -------------------------------------------------------------------------------------------------------


def _set_shape(x: Any, shape: Any) -> None:
    """`x.shape = shape`, for an array of which there are no views: these would see it change.

    Raises `TracerError` where there are, and for one from around a branch or a loop; NumPy's `AttributeError` for a
    view whose elements do not lie so that it can have that shape.
    """
    free = "viewed" not in x.__dict__ and x.builder is current_builder()
    if type(x) is View and free and x.layout is not UNKNOWN:
        x.become_shaped(shape)
    elif type(x) is Tracer and free and x.layout is None:
        write(x, reshape(own(x), shape))
    else:
        raise TracerError(
            f"the shape of a traced {x.type} is set{here()}, of which there may be views, "
            "or which is from around a branch or a loop; give the name a new array: x = x.reshape(shape)"
        )


for _cls in (Tracer, View):
    _cls.shape = _cls.shape.setter(_set_shape)  # type: ignore[union-attr, method-assign]


# -- methods and functions that write -----------------------------------------------------------------------------


@tracer_method("fill")
def _fill(x: Any, value: Any) -> None:
    assign(x, value, "fill")


@tracer_method("sort")
def _sort(x: Any, axis: int = -1, kind: Any = None, order: Any = None) -> None:
    assign(x, np.sort(own(x), axis=axis, kind=kind, order=order), "sort")


@tracer_method("partition")
def _partition(x: Any, kth: Any, axis: int = -1, kind: str = "introselect", order: Any = None) -> None:
    assign(x, NAMESPACE[np.partition](own(x), kth, axis=axis, kind=kind, order=order), "partition")


@tracer_method("resize")
def resized(x: Any, *shape: Any, refcheck: bool = True) -> None:
    """Refuse to change an array's length in place: other names of the array, and views of it, would not follow."""
    raise TracerError(
        f"resize(): an array of shape {x.shape} cannot change its length in place{here()}; "
        "bind a new one: a = numpy.concatenate([a, numpy.zeros(n)]), a = a[:n]"
    )


@tracer_method("put")
def _put_method(x: Any, indices: Any, values: Any, mode: str = "raise") -> None:
    put(x, indices, values, mode)


WRITERS: set[Any] = set()
"""NumPy's functions that write to their first argument."""


def _writes(function: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make the decorated function the meaning of a NumPy function that writes to its first argument."""

    def register(handler: Callable[..., Any]) -> Callable[..., Any]:
        def write(target: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(target, Tracer):
                return handler(target, *args, **kwargs)
            target = writable(target, (*args, *kwargs.values()))
            if isinstance(target, Tracer):
                return handler(target, *args, **kwargs)
            if innermost([*args, *kwargs.values()]) is None:
                return function(target, *args, **kwargs)
            raise TracerError(
                f"{function.__name__}: a traced value cannot be written into a NumPy array"
                f"{here()}; make the array with graphad.numpy, or from a traced one "
                "(numpy.zeros_like(x)), or copy it in the traced function (numpy.array(x))"
            )

        write.__name__, write.__doc__ = handler.__name__, handler.__doc__
        FUNCTIONS[function] = NAMESPACE[function] = write
        WRITERS.add(function)
        return write

    return register


def _nan_to_num(handler: Callable[..., Any]) -> Callable[..., Any]:
    def nan_to_num(x: Any, copy: bool = True, *args: Any, **kwargs: Any) -> Any:
        found = handler(x, True, *args, **kwargs)
        if copy or not isinstance(x, Tracer) or not (x.shape or x.boxed):
            return found
        assign(x, found, "nan_to_num")
        return x

    nan_to_num.__doc__ = handler.__doc__
    return nan_to_num


FUNCTIONS[np.nan_to_num] = _nan_to_num(FUNCTIONS[np.nan_to_num])
NAMESPACE[np.nan_to_num] = _nan_to_num(NAMESPACE[np.nan_to_num])


@_writes(np.copyto)
def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """Copy values into an array, broadcast, where a mask holds."""
    src = operand(src)
    if not np.can_cast(src.dtype, dst.dtype, casting):  # type: ignore[arg-type]
        raise TypeMismatchError(f"copyto: {src.dtype} cannot be cast to {dst.dtype} by the rule {casting!r}")
    assign(dst, src if where is True else np.where(where, src, own(dst)), "copyto")


@_writes(np.put)
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """Replace the elements at flat indices, the values repeated as often as needed."""
    places = np.asarray(ind).reshape(-1) if not isinstance(ind, Tracer) else reshape(ind, (-1,))
    if mode != "raise":
        places = np.mod(places, a.size) if mode == "wrap" else np.clip(places, 0, a.size - 1)
    values = reshape(operand(v), (-1,))
    if values.size != places.size:
        values = values[np.arange(places.size) % values.size]
    assign(a, reshape(At(reshape(own(a), (-1,)))[places].set(values), a.shape), "put")


@_writes(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: int | None) -> None:
    """Replace along an axis the elements that `take_along_axis` would give; of the raveled array if it is None."""
    if axis is None:
        put(arr, indices, values)
        return
    axis = axis_of(arr, axis, "put_along_axis")
    indices = operand(indices)
    if indices.ndim != arr.ndim or indices.dtype.kind not in "iu":
        raise ShapeError(
            f"put_along_axis: indices {indices.dtype}{list(indices.shape)} must be integers with as many axes as the "
            f"array of shape {list(arr.shape)}{here()}"
        )
    rest = tuple(n if i == axis else m for i, (m, n) in enumerate(zip(arr.shape, indices.shape, strict=True)))
    places = list(np.ogrid[tuple(slice(n) for n in rest)])
    places[axis] = indices
    assign(arr, At(own(arr))[tuple(places)].set(values), "put_along_axis")


@_writes(np.putmask)
def putmask(a: Any, mask: Any, values: Any) -> None:
    """Replace the elements where a mask holds by the values at the same flat positions, repeated."""
    values = reshape(operand(values), (-1,))
    repeated = reshape(values[np.arange(a.size) % values.size], a.shape)
    assign(a, np.where(mask, repeated, own(a)), "putmask")


@_writes(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    """Replace the elements where a mask holds by the next of the values, repeated."""
    mask = operand(mask)
    values = recorded(reshape(operand(vals), (-1,)))
    order = np.cumsum(reshape(mask, (-1,)).astype(int)) - 1
    chosen = reshape(values[np.clip(order, 0, None) % values.size], arr.shape)
    assign(arr, np.where(reshape(mask, arr.shape), chosen, own(arr)), "place")


@_writes(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """Set the main diagonal."""
    places = np.arange(a.size).reshape(a.shape)
    mask = np.zeros(a.shape, bool)
    np.fill_diagonal(mask, True, wrap)
    flat = places[mask]
    values = reshape(operand(val), (-1,))
    values = values[np.arange(flat.size) % values.size]
    assign(a, reshape(At(reshape(own(a), (-1,)))[flat].set(values), a.shape), "fill_diagonal")


def into(out: Any, result: Any, name: str, where: Any = True, casting: str = "same_kind") -> Any:
    """Write a result into the array given as `out=`, and give that array; where there is none, the result itself.

    Of several results each has its own, in a tuple. Raises `TypeMismatchError` for what `casting` forbids,
    `TracerError` for an array of NumPy's, which cannot hold a traced value; where values are known, it can hold one
    that no derivative goes through.
    """
    if isinstance(result, tuple) and isinstance(out, tuple):
        return tuple([into(x, r, name, where, casting) for x, r in zip(out, result, strict=True)])
    if isinstance(out, tuple):
        (out,) = out
    if out is None:
        return result
    if isinstance(out, Buffer):
        out = become(out)
    if not isinstance(out, Tracer):
        array = None if result.builder.staged or is_active(result) else known(result)
        if array is not None:
            np.copyto(out, array, casting=casting, where=where)  # type: ignore[arg-type]
            return out
        raise TracerError(
            f"{name}: out= is a NumPy array, which cannot hold a traced {result.type}"
            f"{here()}; leave it out, or make the array from a traced one (zeros_like(x))"
        )
    _check_cast(out, result.dtype, f"{name}: out=", casting)
    assign(out, result if where is True else np.where(where, result, own(out)), f"{name}: out=")
    return out


UFUNC_METHODS["into"] = into

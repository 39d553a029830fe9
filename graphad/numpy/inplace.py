"""Assignment in place: a traced array is a handle whose value is replaced, and a view writes through to its base.

`x[i] = v`, `x += y`, `out=`, `x.sort()` and their kin then mean what they mean for NumPy's arrays, aliases and views of
views included. The caller's own arrays never change: inside of a trace they are handles of their own.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.build import current_builder, describe_location, user_location
from graphad.errors import ShapeError, TracerError, TypeMismatchError
from graphad.graph import Value
from graphad.numpy import manipulation, misc, sorting, updates  # noqa: F401  (what is wrapped below)
from graphad.numpy._register import NAMESPACE, axis_of, known, operand, recorded, tracer_method
from graphad.numpy.indexing import getitem
from graphad.numpy.masked import Masked, mask_of, spread
from graphad.numpy.updates import At
from graphad.ops.elementwise import cast
from graphad.ops.shape import broadcast_to, reshape, transpose
from graphad.trace import FUNCTIONS, UFUNC_METHODS, Tracer, innermost, lift

Forth = Callable[[Any], Any]
"""What a view is of its base: for tracers and for NumPy's arrays alike."""
Back = Callable[[Any, Any], Any]
"""`back(base, new)`: the base where the view is `new`."""


class View(Tracer):
    """A traced array that shares its elements with `base`: it changes with it, and what is written to it changes it."""

    __slots__ = ("_value", "back", "base", "forth", "key", "seen", "shadow")

    def __init__(self, found: Tracer, base: Tracer, forth: Forth, back: Back, shadow: Any, key: Any = None) -> None:
        self.builder = found.builder
        self._value = found.value
        self.weak = False
        self.base = base
        self.seen = base.value
        self.forth = forth
        self.back = back
        self.shadow = shadow
        self.key = key

    @property
    def value(self) -> Value:  # type: ignore[override]
        source = self.base.value
        if source is not self.seen:
            # The view follows what has been written to its base, where it is read next.
            self._value = lift(self.builder, self.forth(Tracer(self.base.builder, source)))
            self.seen = source
        return self._value

    @value.setter
    def value(self, value: Value) -> None:
        self._value = value


def shadow_of(x: Tracer) -> Any:
    """An array laid out as NumPy would lay out the traced one; its elements stay untouched."""
    return x.shadow if isinstance(x, View) else np.empty(x.shape, complex if x.dtype.kind == "c" else bool)


def view(found: Any, base: Any, forth: Forth, back: Back | None = None, key: Any = None) -> Any:
    """`found`, which `forth` gives of `base`, as a view of it if NumPy's would be one; else as an array of its own."""
    if not isinstance(found, Tracer) or not isinstance(base, Tracer) or not found.shape or found.builder.closed:
        return found
    outline = shadow_of(base)
    try:
        shadow = forth(outline)
    except Exception:
        # NumPy cannot say, for an index that is traced: the caller knows that it makes a view.
        shadow = np.empty(found.shape, bool)
    else:
        if not isinstance(shadow, np.ndarray) or not np.may_share_memory(shadow, outline):
            return own(found)
    return View(found, base, forth, back or _Inverse(forth), shadow, key)


def own(x: Tracer) -> Tracer:
    """The same value as an array of its own, which shares nothing."""
    return Tracer(x.builder, x.value)


class _Inverse:
    """What undoes a rearrangement of elements."""

    def __init__(self, forth: Forth) -> None:
        self.forth = forth

    def __call__(self, base: Any, new: Any) -> Any:
        places = self.forth(np.arange(base.size).reshape(base.shape))
        flat = places.reshape(-1)
        if flat.size == base.size and (flat == np.arange(base.size)).all():
            return reshape(new, base.shape)
        if places.ndim == base.ndim and flat.size == base.size:
            # A permutation of the axes: which axis of the base each step along the view goes along.
            strides = [int(np.prod(base.shape[i + 1 :])) for i in range(base.ndim)]
            first = [places[tuple([int(i == j) for i in range(base.ndim)])] if places.shape[j] > 1 else None
                     for j in range(base.ndim)]  # fmt: skip
            axes = [strides.index(n) if n in strides else -1 for n in first]
            rest = [i for i in range(base.ndim) if i not in axes]
            axes = [a if a >= 0 else rest.pop(0) for a in axes]
            numbers = np.arange(base.size).reshape(base.shape)
            if sorted(axes) == list(range(base.ndim)) and (numbers.transpose(axes) == places).all():
                return transpose(new, np.argsort(axes).tolist())
        return reshape(At(reshape(base, (-1,)))[flat].set(reshape(new, (-1,))), base.shape)


def assign(x: Tracer, new: Any, what: str) -> None:
    """Give a traced array new elements, cast to its dtype and broadcast to its shape.

    Raises `TracerError` where the array belongs to an enclosing trace, `ShapeError` where the shapes do not fit.
    """
    builder = x.builder
    current = current_builder()
    if builder.closed or (current is not None and current is not builder):
        raise TracerError(
            f"{what}: this {x.type} belongs to an enclosing function{describe_location(user_location())}, which cannot "
            "be changed from within a branch, a loop's body or a function that is transformed; pass it as an argument "
            "and return the new one"
        )
    new = operand(new)
    if np.broadcast_shapes(new.shape, x.shape) != x.shape:
        raise ShapeError(f"{what}: {new.shape} does not broadcast to {x.type}{describe_location(user_location())}")
    _replace(x, broadcast_to(cast(new, x.dtype), x.shape))


def _replace(x: Tracer, new: Any) -> None:
    value = lift(x.builder, new)
    if isinstance(x, View):
        _replace(x.base, x.back(Tracer(x.base.builder, x.base.value), Tracer(x.builder, value)))
        x.seen = x.base.value
    x.value = value
    x.weak = False


def _check_cast(x: Tracer, dtype: Any, what: str, casting: Any = "same_kind") -> None:
    if not np.can_cast(dtype, x.dtype, casting):
        raise TypeMismatchError(
            f"{what}: a result of {dtype} cannot be written into {x.type}{describe_location(user_location())}; write "
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
    found = getitem(x, index)
    if not found.shape or not _is_basic(index):
        return found
    return view(found, x, lambda base: base[index] if isinstance(base, np.ndarray) else getitem(base, index),
                lambda base, new: At(base)[index].set(new), index)  # fmt: skip


@tracer_method("__setitem__")
def _setitem(x: Any, index: Any, value: Any) -> None:
    if isinstance(value, View) and value.base is x and value.key is index and value.seen is x.value:
        return  # `x[index] += y` has written to the view already
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
                f"{describe_location(user_location())}; write x[...] = numpy.where(mask, values, x), with values like x"
            )
    assign(x, np.where(whole, cast(value, x.dtype), own(x)), "assignment to an index")


def _augmented(name: str, symbol: str) -> None:
    function = getattr(operator, name)

    def augment(x: Any, y: Any) -> Any:
        new = function(own(x) if isinstance(x, View) else x, y)
        if not x.shape or not isinstance(new, Tracer):
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


# -- views --------------------------------------------------------------------------------------------------------

VIEWS = (
    np.reshape, np.ravel, np.transpose, np.swapaxes, np.moveaxis, np.rollaxis, np.squeeze, np.expand_dims,
    np.matrix_transpose, np.atleast_1d, np.atleast_2d, np.atleast_3d, np.flip, np.fliplr, np.flipud, np.rot90, np.real,
)  # fmt: skip
"""NumPy's functions whose result may be a view of their first argument."""


def _views(function: Any, handler: Callable[..., Any]) -> Callable[..., Any]:
    def viewed(x: Any, *args: Any, **kwargs: Any) -> Any:
        found = handler(x, *args, **kwargs)
        if not isinstance(x, Tracer) or not isinstance(found, Tracer):
            return found
        if function is np.real and x.dtype.kind == "c":
            return view(found, x, np.real, lambda base, new: new + 1j * np.imag(base))
        return view(found, x, lambda base: function(base, *args, **kwargs))

    viewed.__name__, viewed.__doc__ = handler.__name__, handler.__doc__
    viewed.__wrapped__ = handler  # type: ignore[attr-defined]
    return viewed


for _function in VIEWS:
    FUNCTIONS[_function] = _views(_function, FUNCTIONS[_function])
    NAMESPACE[_function] = _views(_function, NAMESPACE[_function])


def _imag(x: Any) -> Any:
    found = NAMESPACE[np.imag](x)
    return view(found, x, np.imag, lambda base, new: np.real(base) + 1j * new) if x.dtype.kind == "c" else found


def _set_part(name: str, combine: Back) -> property:
    getter = (lambda x: NAMESPACE[np.real](x)) if name == "real" else _imag

    def setter(x: Any, value: Any) -> None:
        if x.dtype.kind != "c" and name == "imag":
            raise TypeMismatchError(f"imag: {x.type} has no imaginary part to set{describe_location(user_location())}")
        assign(x, combine(own(x), operand(value)) if x.dtype.kind == "c" else value, f".{name} =")

    return property(getter, setter)


@tracer_method("reshape")
def _reshape(x: Any, *shape: Any, order: str = "C", copy: Any = None) -> Any:
    return NAMESPACE[np.reshape](x, shape[0] if len(shape) == 1 else shape, order)


@tracer_method("transpose")
def _transpose(x: Any, *axes: Any) -> Any:
    given = axes[0] if len(axes) == 1 and (axes[0] is None or np.iterable(axes[0])) else axes or None
    return NAMESPACE[np.transpose](x, given)


def _bind() -> None:
    for name, function in {"ravel": np.ravel, "swapaxes": np.swapaxes, "squeeze": np.squeeze}.items():
        setattr(Tracer, name, FUNCTIONS[function])
    Tracer.T = property(lambda x: NAMESPACE[np.transpose](x))  # type: ignore[attr-defined]
    Tracer.mT = property(lambda x: NAMESPACE[np.matrix_transpose](x))  # type: ignore[attr-defined]
    Tracer.real = _set_part("real", lambda base, new: new + 1j * np.imag(base))  # type: ignore[attr-defined]
    Tracer.imag = _set_part("imag", lambda base, new: np.real(base) + 1j * new)  # type: ignore[attr-defined]


_bind()

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


@tracer_method("put")
def _put_method(x: Any, indices: Any, values: Any, mode: str = "raise") -> None:
    put(x, indices, values, mode)


def _writes(function: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make the decorated function the meaning of a NumPy function that writes to its first argument."""

    def register(handler: Callable[..., Any]) -> Callable[..., Any]:
        def write(target: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(target, Tracer):
                return handler(target, *args, **kwargs)
            if innermost([*args, *kwargs.values()]) is None:
                return function(target, *args, **kwargs)
            raise TracerError(
                f"{function.__name__}: a traced value cannot be written into a NumPy array"
                f"{describe_location(user_location())}; make the array with graphad.numpy, or from a traced one "
                "(numpy.zeros_like(x))"
            )

        write.__name__, write.__doc__ = handler.__name__, handler.__doc__
        FUNCTIONS[function] = NAMESPACE[function] = write
        return write

    return register


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
            f"array of shape {list(arr.shape)}{describe_location(user_location())}"
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
    `TracerError` for an array of NumPy's, which cannot hold a traced value.
    """
    if isinstance(result, tuple) and isinstance(out, tuple):
        return tuple([into(x, r, name, where, casting) for x, r in zip(out, result, strict=True)])
    if isinstance(out, tuple):
        (out,) = out
    if out is None:
        return result
    if not isinstance(out, Tracer):
        raise TracerError(
            f"{name}: out= is a NumPy array, which cannot hold a traced {result.type}"
            f"{describe_location(user_location())}; leave it out, or make the array from a traced one (zeros_like(x))"
        )
    _check_cast(out, result.dtype, f"{name}: out=", casting)
    assign(out, result if where is True else np.where(where, result, own(out)), f"{name}: out=")
    return out


UFUNC_METHODS["into"] = into

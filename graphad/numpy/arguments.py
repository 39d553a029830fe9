"""The arguments of NumPy's functions: traced operands as arrays, what must be known while tracing, axes and shapes."""

from __future__ import annotations

from collections.abc import Iterable
from operator import index
from typing import Any

import numpy as np

from graphad.arrays import array_of
from graphad.build import current_builder
from graphad.errors import AxisError, MissingRuleError, ShapeError, TracerError, TypeMismatchError
from graphad.graph import Constant
from graphad.location import place
from graphad.ops.shape import common_dtype, stack
from graphad.trace import Tracer, kind_of
from graphad.types import Array, DType

# -- operands -----------------------------------------------------------------------------------------------------



def holds_tracer(xs: Iterable[Any]) -> bool:
    """Whether a tracer stands among `xs`, in lists and tuples among them or as a bound of slices."""
    for x in xs:
        if isinstance(x, Tracer):
            return True
        if isinstance(x, (list, tuple)) and holds_tracer(x):
            return True
        if type(x) is slice and holds_tracer((x.start, x.stop, x.step)):
            return True
    return False


def operand(x: Any) -> Any:
    """`x` as an array: a tracer as it is, nested lists that contain tracers stacked, the rest as NumPy's."""
    if isinstance(x, Tracer):
        return x
    if isinstance(x, (list, tuple)) and holds_tracer(x):
        return stack([operand(item) for item in x])
    return array_of(x)


def stored(x: Any, dtype: DType) -> Any:
    """`operand(x)` where it is to be written to an array of a dtype. Raises NumPy's `OverflowError` for integers of
    Python's, in lists too, that such an array cannot hold; arrays of integers wrap around."""
    found = operand(x)
    if dtype.kind not in "iu" or not isinstance(x, (int, list, tuple)) or isinstance(found, Tracer):
        return found
    return np.asarray(x, dtype) if found.dtype.kind in "iu" else found


def operands(xs: Iterable[Any]) -> list[Any]:
    """Each item as an array, of any sequence of arrays; an array is the sequence of its items."""
    return [operand(x) for x in xs]


def recorded(array: Any) -> Any:
    """An array as a constant of the innermost trace; the array itself outside of one."""
    builder = current_builder()
    return array if builder is None or isinstance(array, Tracer) else Tracer(builder, Constant(array))


def concrete(x: Array) -> Array:
    """The array behind a tracer that stands for a constant; anything else as it is."""
    return x.value.array if isinstance(x, Tracer) and isinstance(x.value, Constant) else x


def known(x: Any) -> Any:
    """The array that a tracer stands for where the running transformation knows its inputs; None elsewhere."""
    try:
        return x.builder.evaluate(x.value) if isinstance(x, Tracer) else np.asarray(x)
    except TracerError:
        return None


def touched(x: Any) -> Any:
    """An object that a trace changes, which may be from around a jitted function."""
    builder = current_builder()
    if builder is not None and builder.entered is not None:
        cls = type(x)  # the object, which the function itself may have made, does not live longer for it
        builder.entered["changed", id(x)] = lambda: cls
    return x


def is_finite(x: Any) -> bool:
    """Whether an array is known to hold neither NaN nor infinity, by its dtype or as a constant."""
    array = concrete(x)
    return x.dtype.kind in "iub" or (not isinstance(array, Tracer) and bool(np.all(np.isfinite(array))))


def deciding(x: Any, what: str) -> Any:
    """What decides a shape or a choice, as a NumPy array; a derivative through it is zero, or taken elsewhere.

    Raises `TracerError` where it is not known while tracing.
    """
    array = known(x)
    if array is None:
        raise TracerError(f"{what} must be known while tracing, not a traced {x.type}: it decides the result's shape")
    return array


def static(x: Any, what: str) -> Array:
    """An argument that must be known while tracing, as a NumPy array.

    Raises `TracerError` where it is not, and where a derivative goes through it, which would be lost.
    """
    array = deciding(x, what)
    if is_active(x):
        raise TracerError(
            f"{what} is a number that the result is not differentiated in, and a derivative goes through the traced "
            f"{x.type}; write graphad.stop_gradient(x) where it shall count as a constant"
        )
    return array


def is_active(x: Any) -> bool:
    """Whether a derivative goes through a value."""
    return isinstance(x, Tracer) and x.builder.active(x.value)


def dtype_of(*xs: Any) -> DType:
    """NumPy's common dtype of operands, Python scalars being weak."""
    return common_dtype(kind_of(x) for x in xs)


def float_dtype(*xs: Any) -> DType:
    """The common dtype of operands, float64 where that is an integer or bool."""
    dtype = dtype_of(*xs)
    return dtype if dtype.kind in "fc" else np.dtype(float)


# -- keywords, axes and shapes ------------------------------------------------------------------------------------


def reject(name: str, **keywords: Any) -> None:
    """Raise `MissingRuleError` for a keyword that has a value (neither None nor NumPy's mark of absence)."""
    for keyword, value in keywords.items():
        if value is not None and value is not np._NoValue:
            raise MissingRuleError(f"{name}: the keyword {keyword}= cannot be traced; leave it out")


def require(name: str, keyword: str, value: Any, *allowed: Any) -> None:
    """Raise `MissingRuleError` where a keyword's value is none of those that can be traced."""
    if value not in allowed:
        choice = " or ".join(map(repr, allowed))
        raise MissingRuleError(f"{name}: {keyword}={value!r} cannot be traced; use {choice}")


def check_device(name: str, device: Any) -> None:
    """Raise `ValueError` for a device that is not the one that traced arrays have, as NumPy's arrays."""
    if device not in (None, "cpu"):
        raise ValueError(
            f"{name}: device={device!r}{place()}; arrays are on 'cpu', leave the device out"
        )


def axis_of(x: Any, axis: Any, name: str) -> int:
    """One axis counted from the start. Raises `AxisError` naming function, axis and type."""
    try:
        i = index(axis)
    except TypeError:
        raise TypeMismatchError(f"{name}: axis must be an integer, not {axis!r}") from None
    if not -x.ndim <= i < x.ndim:
        raise AxisError(f"{name}: axis {i} is out of bounds for {_type(x)}, which has {x.ndim} axes")
    return int(i) % int(x.ndim)


def axes_of(x: Any, axis: Any, name: str) -> tuple[int, ...]:
    """The axes that NumPy's `axis` argument means, sorted; all for None. Raises `ShapeError`."""
    if axis is None:
        return tuple(range(x.ndim))
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = tuple(sorted(axis_of(x, i, name) for i in given))
    if len(set(axes)) != len(axes):
        raise ShapeError(f"{name}: axis {axis} names an axis of {_type(x)} twice")
    return axes


def _type(x: Array) -> str:
    return str(x.type) if isinstance(x, Tracer) else f"an array of shape {list(x.shape)}"


def ints(shape: Any) -> tuple[int, ...]:
    """A shape given as an integer or as a sequence of them."""
    return tuple(int(n) for n in shape) if np.iterable(shape) else (int(shape),)


__all__ = [
    "axes_of", "axis_of", "check_device", "concrete", "deciding", "dtype_of", "float_dtype", "holds_tracer", "ints",
    "is_active", "is_finite", "known", "operand", "operands", "recorded", "reject", "require", "static", "touched",
]  # fmt: skip

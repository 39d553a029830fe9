"""Python's and NumPy's makers of numbers on traced values: `float`, `complex`, `int`, `bool`, `numpy.float64`."""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.api.conversion.checks import must
from graphad.api.conversion.dispatch import calling
from graphad.api.conversion.functions import REPLACED
from graphad.api.conversion.parts import python_bool, truth, unknown
from graphad.api.conversion.texts import Text, no_number, representation, string
from graphad.errors import TypeMismatchError
from graphad.location import place
from graphad.numpy.arguments import holds_tracer, operand
from graphad.numpy.bounds import span
from graphad.ops.checks import NoInteger
from graphad.ops.complex import from_parts
from graphad.ops.elementwise import cast
from graphad.ops.integers import LARGEST, Fits
from graphad.ops.shape import reshape
from graphad.trace import Tracer
from graphad.types import COMPLEX128, FLOAT64, INT64, DType

_SCALARS = (
    np.float16, np.float32, np.float64, np.complex64, np.complex128, np.int8, np.int16, np.int32, np.int64, np.uint8,
    np.uint16, np.uint32, np.uint64, np.bool_,
)  # fmt: skip


def scalar(x: Any, what: str) -> Any:
    """A number for Python: an array of one element as its element. Raises `TypeMismatchError`."""
    if not isinstance(x, Tracer) or not x.shape:
        return x
    if x.size != 1:
        raise TypeMismatchError(f"{what} of a traced {x.type}{place()}: it takes a number; use NumPy's for arrays")
    return reshape(x, ())


def python(x: Tracer, dtype: Any) -> Tracer:
    """A traced number in a dtype as what stands for Python's own number, which gives way to the dtypes of others."""
    x = cast(x, dtype)
    return Tracer(x.builder, x.value, True)


def real(x: Any, what: str) -> Any:
    """A traced number that is not complex. Raises `TypeMismatchError`."""
    if not isinstance(x, Tracer):
        return x
    if x.shape:
        x = scalar(x, what)
    if x.dtype.kind == "c":
        raise TypeMismatchError(f"{what} of a traced {x.type}{place()}: it takes a real number; use x.real or abs(x)")
    return x


def whole(x: Any) -> Any:
    """A number as Python's integer, cut off at the point: where it is not known, a traced one. What Python says of NaN
    and infinity is said at run time then, and so is that an integer does not fit."""
    if not unknown(x):
        # A known one may count a loop or be an index; it has no derivative to lose.
        return builtins.int(x)
    if x.dtype == INT64 and not x.weak and max(map(abs, span(x))) > LARGEST:
        must(Fits("+")(x, 0), (OverflowError,), NoInteger, python(x, x.dtype))
    elif x.dtype.kind == "f" or x.dtype == np.uint64:
        must(np.abs(x) <= LARGEST, (ValueError, OverflowError), NoInteger, python(x, x.dtype))
    return python(x, INT64)


def _float(*args: Any) -> Any:
    if len(args) == 1 and isinstance(args[0], Tracer):
        return python(real(args[0], "float()"), FLOAT64)
    if args:
        no_number(args[0], "float()")
    return builtins.float(*args)


def _int(*args: Any, **kwargs: Any) -> Any:
    if len(args) == 1 and isinstance(args[0], Tracer):
        return whole(real(args[0], "int()"))
    if args and isinstance(args[0], Text):
        args[0].refuse()
    return builtins.int(*args, **kwargs)


def _round(number: Any, ndigits: Any = None) -> Any:
    if isinstance(number, Tracer) and ndigits is None and not number.shape and number.dtype.kind == "f":
        return whole(np.rint(number))
    return _rounded(number) if ndigits is None else _rounded(number, ndigits)


_rounded = calling(builtins.round, "__round__")


def _bool(*args: Any) -> Any:
    return python_bool(truth(args[0], "bool()")) if len(args) == 1 else builtins.bool(*args)


def _complex(*args: Any, **kwargs: Any) -> Any:
    if not holds_tracer((*args, *kwargs.values())):
        no_number(args[0] if args else None, "complex()")
        return builtins.complex(*args, **kwargs)
    given = dict(zip(("real", "imag"), args, strict=False)) | kwargs
    parts = {name: scalar(x, "complex()") for name, x in given.items()}
    whole = _parts(parts.get("real", 0.0), parts["imag"]) if "imag" in parts else parts["real"]
    return python(whole, COMPLEX128)


def _parts(x: Any, y: Any) -> Any:
    if any([part.dtype.kind == "c" for part in (x, y) if isinstance(part, (Tracer, np.ndarray))]):
        return x + 1j * y
    return from_parts(*[part if isinstance(part, Tracer) else np.float64(part) for part in (x, y)])


def _numpy(original: Any) -> Callable[..., Any]:
    dtype = np.dtype(original)

    @functools.wraps(original, updated=())
    def number(*args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs and holds_tracer(args):
            x = operand(args[0])
            if x.dtype.kind == "c" and dtype.kind not in "cb":
                raise TypeMismatchError(
                    f"numpy.{original.__name__} of a traced {x.type}{place()} would drop its imaginary part; use x.real"
                )
            if dtype.kind in "iu" and x.weak:
                x = whole(x)
                if not isinstance(x, Tracer):
                    return original(x)
                _fits(x, dtype)
            x = cast(x, dtype)
            return Tracer(x.builder, x.value)
        if args and dtype.kind in "fc":
            no_number(args[0], f"numpy.{original.__name__}")
        return original(*args, **kwargs)

    return number


def _fits(x: Any, dtype: DType) -> None:
    """Record a check that Python's integer fits into a dtype, as NumPy has it."""
    limits, own = np.iinfo(dtype), np.iinfo(INT64)
    if limits.min != own.min:
        held = np.logical_and(x >= limits.min, x <= min(int(limits.max), own.max))
        message = Text(["Python integer ", (x, -1, ""), f" out of bounds for {dtype}"])
        must(held, (OverflowError,), OverflowError, message)


def install() -> None:
    """Fill the table of what converted code calls in place of these types."""
    REPLACED.update(
        {builtins.float: _float, builtins.int: _int, builtins.bool: _bool, builtins.str: string}
        | {builtins.repr: representation}
        | {Tracer.__float__: _float, Tracer.__int__: _int, Tracer.__bool__: _bool, Tracer.__complex__: _complex}
        | {builtins.complex: _complex, builtins.round: _round}
        | {original: _numpy(original) for original in _SCALARS}
    )


install()

"""What is a plain array, and what is more than its numbers and therefore never read as one.

Masks, units, labels, matrix products and whatever else an array of another library stands for would be dropped in
silence where graphad took its numbers alone. Such objects are refused, with what to pass instead.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from graphad.errors import GraphadError, TypeMismatchError

PYTHON_SCALARS = (int, float, complex)
_SCALARS = {float, int, bool, complex}
_ASKS_NUMPY = ("__array_ufunc__", "__array_function__", "__array_priority__")
"""With one of these a class has a say in what NumPy's functions do with it, so that it is more than its numbers."""
_ARRAYS = ("__array__", "__array_interface__", "__array_struct__")
HIDDEN = "an array that holds traced values"
"""The field that stands in place of the elements of such an array, whose memory nobody is to read."""
_UNSUPPORTED = {
    "O": "it holds Python objects; give it a numeric dtype with astype(float)",
    "M": "it holds dates; pass numbers, as in (x - x[0]) / numpy.timedelta64(1, 's')",
    "m": "it holds durations; pass numbers, as in x / numpy.timedelta64(1, 's')",
    "U": "it holds text; pass numbers",
    "S": "it holds text; pass numbers",
    "T": "it holds text; pass numbers",
    "V": "it is a structured array; pass its fields, as in x['name']",
}


class Unsized(NDArrayOperatorsMixin):
    """Elements of a traced array, how many of them is known at run time only: NumPy's functions are its own."""

    __array_priority__ = 2000.0

    def refusal(self, what: str) -> Exception:
        """The error for what needs to know how many."""
        raise NotImplementedError


def array_of(x: Any) -> np.ndarray[Any, np.dtype[Any]]:
    """The array that a number, an array, a nested list of them or another library's plain array stands for.

    Raises `TypeMismatchError` for what is more than its numbers (a mask, a unit, labels, a matrix product), or is no
    array at all, saying what to pass instead.
    """
    cls = type(x)
    if cls is np.ndarray:
        array = x
    elif cls in _SCALARS or isinstance(x, np.generic):
        array = np.asarray(x)
    else:
        _check(x, cls)
        try:
            # An array that has become a traced one says itself whether it is known.
            array = x.__array__() if isinstance(x, np.ndarray) else np.asarray(x)
        except GraphadError:
            raise
        except (TypeError, ValueError, RuntimeError) as error:
            raise TypeMismatchError(f"{_title(x)} cannot be read as an array: {error}") from error
    if array.dtype.names == (HIDDEN,):
        raise TypeMismatchError(
            "code that graphad did not convert, a library's or such without source, has read the memory of an array "
            "that holds traced values, within a list, an object or a closure; pass it as an argument of its own"
        )
    if array.dtype.kind in _UNSUPPORTED:
        raise TypeMismatchError(f"{_title(x)} is no array of numbers; {_remedy(x, _UNSUPPORTED[array.dtype.kind])}")
    return array  # type: ignore[no-any-return]


def kind_of(x: Any) -> Any:
    """The dtype of an operand that is not traced, or the Python type of a scalar, which is weak."""
    if type(x) in PYTHON_SCALARS:
        return type(x)
    return x.dtype if type(x) is np.ndarray and x.dtype.kind in "fiubc" else array_of(x).dtype


def is_array(x: Any) -> bool:
    """Whether `array_of` gives an array for this: numbers, and nothing but numbers."""
    try:
        array_of(x)
    except TypeMismatchError:
        return False
    return True


def _check(x: Any, cls: type) -> None:
    """Raise for what is no plain array, within lists too. What graphad traces says itself that it is none."""
    if cls.__module__.startswith("graphad."):
        return
    if isinstance(x, np.ndarray):
        if cls is not np.memmap:
            raise TypeMismatchError(f"{_title(x)} is no plain array; {_remedy(x, 'pass numpy.asarray(x)')}")
    elif isinstance(x, (str, bytes, bytearray)) or x is None:
        raise TypeMismatchError(f"{x!r} ({cls.__name__}) is not an array or a number; pass one")
    elif isinstance(x, (float, int, complex)) or hasattr(cls, "__dlpack__"):
        return
    elif isinstance(x, Sequence):
        for kind in set(map(type, x)) - _SCALARS - {np.ndarray}:
            if not issubclass(kind, np.generic):
                for item in x:
                    if type(item) is kind:
                        _check(item, kind)
    elif any([hasattr(cls, name) for name in _ASKS_NUMPY]):
        raise TypeMismatchError(f"{_title(x)} is no plain array; {_remedy(x, 'pass numpy.asarray(x)')}")
    elif not any([hasattr(cls, name) for name in _ARRAYS]) and not _is_buffer(x):
        what = "register its class with graphad.tree.register, or pass the arrays that it holds"
        raise TypeMismatchError(f"{_title(x)} is not an array or a number; {_remedy(x, what)}")


def _is_buffer(x: Any) -> bool:
    try:
        memoryview(x)
    except TypeError:
        return False
    return True


def _title(x: Any) -> str:
    cls = type(x)
    home = cls.__module__.partition(".")[0]
    return f"a value of type {cls.__qualname__ if home in ('builtins', '__main__') else f'{home}.{cls.__qualname__}'}"


def _remedy(x: Any, otherwise: str) -> str:
    """What is lost if an object were read as an array, and what to pass instead."""
    cls = type(x)
    home = cls.__module__.partition(".")[0]
    if isinstance(x, np.ma.MaskedArray):
        return "its mask would be dropped; pass x.filled(value), or x.data and its mask for numpy.where"
    if isinstance(x, np.matrix):
        return "its * is a matrix product; pass numpy.asarray(x) and write @ for products"
    if hasattr(cls, "magnitude"):
        return "its unit would be dropped; pass q.magnitude, or q.m_as(unit) in a unit of your choice"
    if hasattr(cls, "value") and hasattr(cls, "unit"):
        return "its unit would be dropped; pass q.value, or q.to_value(unit) in a unit of your choice"
    if hasattr(cls, "toarray"):
        return (
            "a sparse matrix has the products a @ x and x @ a, as a constant that the function closes over; pass "
            "x.toarray() for anything else, or make it of traced entries with graphad.scipy.sparse"
        )
    if hasattr(cls, "to_numpy"):
        return f"the labels by which {home} aligns, and what it skips, would be dropped; pass x.to_numpy()"
    if isinstance(x, numbers.Number):
        return "pass float(x)"
    return otherwise


__all__ = ["PYTHON_SCALARS", "array_of", "is_array", "kind_of"]

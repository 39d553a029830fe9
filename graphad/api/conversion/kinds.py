"""Tests of an object's type on traced values: they answer as for what the value stands for."""

from __future__ import annotations

import builtins
import numbers
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from graphad.api.conversion.functions import REPLACED
from graphad.numpy.buffers import Buffer
from graphad.trace import Tracer

_PYTHON = {"b": bool, "i": int, "f": float, "c": complex}


def stands_for(x: Tracer) -> type:
    """The type of what a traced value stands for: an array, a scalar of NumPy, or a number of Python."""
    if x.shape:
        return np.ndarray
    return _PYTHON[x.dtype.kind] if x.weak else x.dtype.type


def _isinstance(x: Any, cls: Any, /) -> bool:
    return isinstance(x, cls) or (isinstance(x, Tracer) and issubclass(stands_for(x), cls))


def _type(*args: Any, **kwargs: Any) -> Any:
    if len(args) == 1 and isinstance(args[0], Tracer):
        return np.ndarray if isinstance(args[0], Buffer) else stands_for(args[0])
    found = type(*args, **kwargs)
    return np.ndarray if found is Buffer else found


def _hasattr(x: Any, name: str, /) -> bool:
    return hasattr(stands_for(x) if isinstance(x, Tracer) else x, name)


def _isscalar(element: Any) -> bool:
    return not element.shape if isinstance(element, Tracer) else np.isscalar(element)


_NUMBERS = (bool, int, float, complex, np.generic, np.ndarray, numbers.Number)


@cache
def _shim(cls: Any) -> type:
    """A class that traced values are instances of where what they stand for is one of `cls`."""

    class Meta(type):
        def __instancecheck__(self, x: Any) -> bool:
            return _isinstance(x, cls)

    # `case float(x)` names the subject itself, which is the real part of every real number.
    own = {"__match_args__": ("real",)} if cls in (bool, int, float) else {}
    return Meta(cls.__name__, (), own)


def matching(cls: Any) -> Any:
    """What stands for a class in `case float():`."""
    number = isinstance(cls, type) and issubclass(cls, _NUMBERS)
    return _shim(cls) if number else cls


def dispatched(f: Any) -> Callable[..., Any]:
    """A function of `functools.singledispatch`, which chooses by what a traced argument stands for."""

    def dispatching(*args: Any, **kwargs: Any) -> Any:
        from graphad.api.conversion.functions import call

        if args and isinstance(args[0], Tracer):
            return call(f.dispatch(stands_for(args[0])))(*args, **kwargs)
        return f(*args, **kwargs)

    return dispatching


def install() -> None:
    """Fill the table of what converted code calls in place of these tests."""
    REPLACED.update(
        {builtins.isinstance: _isinstance, builtins.type: _type, builtins.hasattr: _hasattr, np.isscalar: _isscalar}
    )


install()

"""Tests of an object's type on traced values: they answer as for what the value stands for."""

from __future__ import annotations

import builtins
import functools
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.api.conversion.functions import REPLACED, call
from graphad.numpy.buffers import Buffer
from graphad.refusals import handles
from graphad.trace import Tracer

_PYTHON = {"b": bool, "i": int, "f": float, "c": complex}


def stands_for(x: Tracer) -> type:
    """The type of what a traced value stands for: an array, a scalar of NumPy, or a number of Python."""
    if x.shape or x.boxed:
        return np.ndarray
    return _PYTHON[x.dtype.kind] if x.weak else x.dtype.type


def _isinstance(x: Any, cls: Any, /) -> bool:
    if not isinstance(x, Tracer) or isinstance(x, np.ndarray):
        return isinstance(x, cls)
    try:
        return issubclass(stands_for(x), cls) or any([c is own for c in _flat(cls) for own in type(x).__mro__])
    except TypeError:  # a protocol with attributes
        return isinstance(x, cls)


def _flat(cls: Any) -> list[Any]:
    """The classes of a test."""
    parts = cls if isinstance(cls, tuple) else getattr(cls, "__args__", None)
    return [c for part in parts for c in _flat(part)] if isinstance(parts, tuple) else [cls]


def lacks(x: Any, name: str) -> bool:
    """Whether what a traced value stands for has no attribute of a name that the traced one has."""
    return isinstance(x, Tracer) and not hasattr(stands_for(x), name)


def member(x: Any, name: str, read: Callable[[Any, str], Any] = getattr) -> Any:
    """`x.name` where a handler may wait for what has no such attribute, or where it is the class; `read` gives that of
    an object."""
    if isinstance(x, Tracer):
        kind = stands_for(x)
        if name == "__class__":
            return kind
        if not hasattr(kind, name) and handles(AttributeError):
            raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}", name=name, obj=x)
    return np.ndarray if name == "__class__" and isinstance(x, Buffer) else read(x, name)


def _type(*args: Any, **kwargs: Any) -> Any:
    if len(args) == 1 and isinstance(args[0], Tracer):
        return np.ndarray if isinstance(args[0], Buffer) else stands_for(args[0])
    found = type(*args, **kwargs)
    return np.ndarray if found is Buffer else found


def _hasattr(x: Any, name: str, /) -> bool:
    return not lacks(x, name) if isinstance(x, Tracer) else hasattr(x, name)


def _isscalar(element: Any) -> bool:
    return not element.shape if isinstance(element, Tracer) else np.isscalar(element)


_NUMBERS = (bool, int, float, complex, np.generic, np.ndarray, numbers.Number)


@functools.cache
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


def dispatched(f: Any) -> Callable[..., Any] | None:
    """A function of `functools.singledispatch`, or a method of `singledispatchmethod`, which chooses by what a traced
    argument stands for; None for any other function."""
    choose = getattr(f, "dispatch", None)
    if choose is None or not hasattr(f, "registry"):
        choose = _of_method(f)
    if choose is None:
        return None

    def dispatching(*args: Any, **kwargs: Any) -> Any:
        if args and isinstance(args[0], Tracer):
            return call(choose(stands_for(args[0])))(*args, **kwargs)
        return f(*args, **kwargs)

    return dispatching


def _of_method(f: Any) -> Callable[[type], Any] | None:
    """How a bound method of `singledispatchmethod` chooses."""
    held = dict(zip(f.__code__.co_freevars, f.__closure__ or (), strict=True))
    maker = getattr(getattr(f, "register", None), "__self__", None)
    if not isinstance(maker, functools.singledispatchmethod) or not {"obj", "cls"} <= held.keys():
        return None
    bound = held["obj"].cell_contents, held["cls"].cell_contents
    return lambda cls: maker.dispatcher.dispatch(cls).__get__(*bound)


def install() -> None:
    """Fill the table of what converted code calls in place of these tests."""
    REPLACED.update(
        {builtins.isinstance: _isinstance, builtins.type: _type, builtins.hasattr: _hasattr, np.isscalar: _isscalar}
    )


install()

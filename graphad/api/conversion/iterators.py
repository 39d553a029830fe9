"""Iterators and generators, which have a state that can be seen but not put back."""

from __future__ import annotations

import operator
import warnings
from types import GeneratorType
from typing import Any

_EMPTY: list[Any] = [[], (), "", b"", range(0), range(1 << 70)]
_SIZED: list[Any] = [{}, {}.values(), {}.items(), set()]
_BY_LENGTH = frozenset({type(iter(x)) for x in _SIZED})
_BUILTIN = frozenset(
    {*[type(iter(x)) for x in _EMPTY], type(reversed([])), enumerate, zip, map, filter, reversed}
)  # fmt: skip


def is_iterator(kind: type) -> bool:
    """Whether objects of a type are iterators of Python's: taking the next of one changes it for good."""
    return kind is GeneratorType or kind in _BUILTIN or kind in _BY_LENGTH or kind.__module__ == "itertools"


def state(x: Any) -> Any:
    """What changes when the next of an iterator is taken; None where it cannot be told."""
    if type(x) is GeneratorType:
        frame = x.gi_frame
        if frame is None:
            return None
        own = [v for name, v in frame.f_locals.items() if name not in frame.f_code.co_freevars]
        return frame.f_lasti, _state(x.gi_yieldfrom), *map(_state, own)
    if type(x) in _BY_LENGTH:
        return operator.length_hint(x)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return _state(x.__reduce__())
    except TypeError:  # it tells nothing of itself
        return None


def _state(x: Any) -> Any:
    if isinstance(x, tuple):
        return tuple(map(_state, x))
    if type(x) in (int, range):  # from Python 3.12 on an iterator of a range says what of it is left, by a new range
        return x
    return state(x) if is_iterator(type(x)) else id(x)

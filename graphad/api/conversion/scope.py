"""The names that conversion makes, and what the code of a function tells of its variables and of what it keeps."""

from __future__ import annotations

import dis
import sys
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

from graphad.codes import OfCode
from graphad.location import is_user_class, is_user_file

MARK = "@"
"""Stands in every name that conversion makes, so that none can be one of the user's."""
PARTS = frozenset({"dtype", "flat", "imag", "real", "shape", "strides"})
"""Attributes of arrays that write to their elements, or lay them out anew."""


def nested_codes(code: CodeType) -> list[CodeType]:
    """A code object and all that stand in it."""
    found = [code]
    for x in code.co_consts:
        if isinstance(x, CodeType):
            found += nested_codes(x)
    return found


def plain_name(name: str) -> str:
    """A variable as the user knows it."""
    if name.startswith("the "):
        return name
    if name.startswith(f"error{MARK}"):
        return "the exception that a handler asks for"
    return f"the result{name.partition(MARK)[2]}" if name.startswith(f"return{MARK}") else f"`{name}`"


def generated(x: Any) -> bool:
    """Whether conversion made this name."""
    return isinstance(x, str) and MARK in x


_stored: OfCode[frozenset[str]] = OfCode()


def stored(code: CodeType) -> frozenset[str]:
    """The variables around a function that it may assign."""
    found = _stored.get(id(code))
    if found is None:
        names = frozenset(
            str(i.argval)
            for c in nested_codes(code)
            for i in dis.get_instructions(c)
            if i.opname in ("STORE_DEREF", "DELETE_DEREF")
        )
        found = _stored.learn(code, names)
    return found


_KNOWN = ("graphad", "numpy")
"""Packages that keep no array, or know what a buffer is."""


def keeps(f: Any) -> bool:
    """Whether a callable may keep the memory of arrays that it is given, and does not know what a buffer is."""
    if f is memoryview or f is np.frombuffer:
        return True
    f = f.__func__ if type(f) is MethodType else f
    if type(f) is FunctionType:
        home, users = f.__globals__.get("__name__", ""), is_user_file(f.__code__.co_filename)
    else:
        cls = f if isinstance(f, type) else type(f)
        home, users = getattr(f, "__module__", None) or cls.__module__, is_user_class(cls)
    package = home.partition(".")[0]
    known = users or package in _KNOWN or package in sys.stdlib_module_names or type(f).__module__.startswith("graphad")
    return not known or home.startswith("numpy.ma.")

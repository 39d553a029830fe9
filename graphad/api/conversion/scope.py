"""What is the user's own code, as opposed to that of libraries, which conversion leaves alone."""

from __future__ import annotations

import dis
import os
import sys
import sysconfig
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

from graphad.build import _own
from graphad.codes import OfCode

MARK = "@"
"""Stands in every name that conversion makes, so that none can be one of the user's."""
PARTS = frozenset({"dtype", "flat", "imag", "real", "shape", "strides"})
"""Attributes of arrays that write to their elements, or lay them out anew."""

LIKE_USERS = ("colorsys", "statistics")
"""Python's own modules that compute with numbers in Python: their functions and classes are converted as the user's."""
_paths = sysconfig.get_paths()
_converted = tuple([os.path.join(os.path.abspath(_paths["stdlib"]), f"{name}.py") for name in LIKE_USERS])
_libraries = tuple(
    {_own, *[os.path.abspath(_paths[k]) + os.sep for k in ("purelib", "platlib", "stdlib", "platstdlib")]}
)
_folders = tuple(os.path.join(os.path.dirname(_own.rstrip(os.sep)), name) + os.sep for name in ("passes", "executors"))
_by_file: dict[str, bool] = {}
_by_module: dict[str, bool] = {}


def is_user_file(file: str) -> bool:
    """Whether a code object's file belongs neither to Python, nor to an installed library, nor to graphad; so are taken
    the modules of Python's that are converted too."""
    found = _by_file.get(file)
    if found is None:
        path = os.path.abspath(file)
        library = path.startswith((*_libraries, *_folders)) or f"{os.sep}site-packages{os.sep}" in path
        found = not library and not file.startswith(("<frozen", "<__array"))
        found = _by_file[file] = found or path in _converted
    return found


def is_user_class(cls: type) -> bool:
    """Whether a class is defined in the user's own code."""
    name = cls.__module__
    if not isinstance(name, str):
        return False  # the class of Cython's functions tells the module of a function
    if name == "builtins":
        return bool(cls.__flags__ & _MADE)
    found = _by_module.get(name)
    if found is None:
        module = sys.modules.get(name)
        found = _by_module[name] = is_user_module(name, module or sys.modules.get(name.partition(".")[0]))
    return found


_MADE = 1 << 9
"""The flag of classes that a program made, as one without a module of its own."""


def is_user_module(name: str, module: Any) -> bool:
    """Whether a module is the user's own; one without a file was made by a program, or is the program itself."""
    file = getattr(module, "__file__", None)
    package = name.partition(".")[0]
    if file is None and package != name:
        file = getattr(sys.modules.get(package), "__file__", None)
    return package not in sys.stdlib_module_names if file is None else is_user_file(file)


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

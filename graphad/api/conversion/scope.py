"""What is the user's own code, as opposed to that of libraries, which conversion leaves alone."""

from __future__ import annotations

import os
import sys
import sysconfig
from types import CodeType
from typing import Any

from graphad.build import _own

MARK = "@"
"""Stands in every name that conversion makes, so that none can be one of the user's."""

_paths = sysconfig.get_paths()
_libraries = tuple(
    {_own, *[os.path.abspath(_paths[k]) + os.sep for k in ("purelib", "platlib", "stdlib", "platstdlib")]}
)
_folders = tuple(os.path.join(os.path.dirname(_own.rstrip(os.sep)), name) + os.sep for name in ("passes", "executors"))
_by_file: dict[str, bool] = {}
_by_module: dict[str, bool] = {}


def is_user_file(file: str) -> bool:
    """Whether a code object's file belongs neither to Python, nor to an installed library, nor to graphad."""
    found = _by_file.get(file)
    if found is None:
        path = os.path.abspath(file)
        library = path.startswith((*_libraries, *_folders)) or f"{os.sep}site-packages{os.sep}" in path
        found = _by_file[file] = not library and not file.startswith(("<frozen", "<__array"))
    return found


def is_user_class(cls: type) -> bool:
    """Whether a class is defined in the user's own code."""
    name = cls.__module__
    found = _by_module.get(name)
    if found is None:
        file = getattr(sys.modules.get(name), "__file__", None)
        found = _by_module[name] = name == "__main__" or (file is not None and is_user_file(file))
    return found


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
    return f"the result{name.partition(MARK)[2]}" if name.startswith(f"return{MARK}") else f"`{name}`"


def generated(x: Any) -> bool:
    """Whether conversion made this name."""
    return isinstance(x, str) and MARK in x

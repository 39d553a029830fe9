"""SciPy's scalar functions, by the symbols under which `scipy.special.cython_special` exports them to compiled code."""

from __future__ import annotations

import ctypes
import re
from functools import cache

from graphad.executors.loops.routines import pointer
from graphad.op import Op


@cache
def symbol(name: str, arity: int) -> tuple[str, bool] | None:
    """The symbol of the function `name` of `arity` doubles that gives a double, and whether it takes a trailing `int`
    that Cython adds; None where SciPy exports none."""
    from scipy.special import cython_special

    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    for exported, capsule in cython_special.__pyx_capi__.items():
        if re.sub(r"^__pyx_fuse_(\d+_?)*", "", exported) != name:
            continue
        result, _, arguments = get_name(capsule).decode().partition(" (")
        kinds = [a.split()[0] for a in arguments.rstrip(")").split(", ")]
        skip = kinds[-1] == "int"
        if result == "double" and kinds[: len(kinds) - skip] == ["double"] * arity:
            return exported, skip
    return None


def address(exported: str) -> int:
    """The address of the function behind one of the symbols that `symbol` gives."""
    from scipy.special import cython_special

    return pointer(cython_special.__pyx_capi__[exported])


def exported(op: Op, arity: int) -> bool:
    """Whether SciPy exports every function that an op's scalar code names, so that loops can call it."""
    code = getattr(op, "code", None)
    if code is None or "special_" not in code:
        return True
    return all(symbol(name, _arguments(rest, arity)) for name, rest in re.findall(r"special_(\w+)\(([^()]*)", code))


def _arguments(text: str, arity: int) -> int:
    return text.count(",") + 1 if text.strip() else arity

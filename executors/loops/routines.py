"""The routines of BLAS and LAPACK that SciPy exports to compiled code."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

import numpy as np

LETTERS = {"f": "s", "d": "d", "F": "c", "D": "z"}
"""The first letter of a routine's name by the character of its dtype."""


def pointer(capsule: Any) -> int:
    """The address that a capsule of a Cython module holds."""
    get_name, get_pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(get_pointer(capsule, get_name(capsule)))


@cache
def address(routine: str) -> int:
    """The address of a routine, by its name in BLAS or LAPACK (`dgemm`, `dpotrf`). Integers are C `int`s."""
    for name in ("cython_blas", "cython_lapack"):
        exported = _module(name).__pyx_capi__
        if routine in exported:
            return pointer(exported[routine])
    raise KeyError(routine)


@cache
def workspace(routine: str, *arguments: int | str | None) -> int:
    """The length that a LAPACK routine wants for its `work` array, which stands at `"work"` among the arguments.

    `None` stands for each other array; the length of `work` is given as -1.
    """
    dtype = next(char for char, letter in LETTERS.items() if letter == routine[0])
    answer = np.zeros(1, dtype)
    held: list[Any] = []
    for x in arguments:
        if x == "work":
            held.append(answer)
        elif isinstance(x, str):
            held.append(np.frombuffer(x.encode(), np.int8))
        else:
            held.append(np.array([0 if x is None else x] * 4, np.int32))
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(held))(address(routine))
    function(*[x.ctypes.data for x in held])
    # In single precision a large length may have been rounded down.
    return max(1, int(np.nextafter(answer.real[0], np.inf)))


@cache
def settable() -> tuple[int, int] | None:
    """The addresses of the functions of OpenBLAS that tell and set how many threads it has; None for other libraries,
    whose threads are left as they are."""
    library = ctypes.CDLL(_module("cython_blas").__file__)
    for prefix in ("scipy_", ""):
        names = [f"{prefix}openblas_{verb}_num_threads" for verb in ("get", "set")]
        if all(hasattr(library, name) for name in names):
            get, set_ = (ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0 for name in names)
            return get, set_
    return None


@cache
def _module(name: str) -> Any:
    """A module of SciPy by itself: the whole of `scipy.linalg` takes longer to import than most programs to compile."""
    full = f"scipy.linalg.{name}"
    if full in sys.modules:
        return sys.modules[full]
    (root,) = find_spec("scipy").submodule_search_locations  # type: ignore[union-attr, misc]
    spec = PathFinder.find_spec(full, [str(Path(root) / "linalg")])
    if spec is None or spec.loader is None:
        return import_module(full)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

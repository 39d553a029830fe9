"""The routines of BLAS and LAPACK that SciPy exports to compiled code."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any


def pointer(capsule: Any) -> int:
    """The address that a capsule of a Cython module holds."""
    get_name, get_pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(get_pointer(capsule, get_name(capsule)))


@cache
def address(routine: str) -> int:
    """The address of a routine, by its name in BLAS or LAPACK (`dgemm`, `dpotrf`). Integers are C `int`s."""
    from scipy.linalg import cython_blas, cython_lapack

    for module in (cython_blas, cython_lapack):
        if routine in module.__pyx_capi__:
            return pointer(module.__pyx_capi__[routine])
    raise KeyError(routine)

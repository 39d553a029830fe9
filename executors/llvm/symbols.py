"""Functions outside of compiled code that it calls, by names that hold in every process."""

from __future__ import annotations

import ctypes
from typing import NamedTuple

from graphad.executors.llvm.libmvec import library
from graphad.executors.loops import routines, specials


class Symbol(NamedTuple):
    """A function of a library: `linalg` (BLAS or LAPACK), `special` (SciPy's), `mvec` (glibc's vector functions), or
    one of the two by which BLAS tells and takes its number of threads (`threads`, `0` and `1`)."""

    library: str
    name: str

    @property
    def address(self) -> int:
        """Where it stands in this process."""
        if self.library == "linalg":
            return routines.address(self.name)
        if self.library == "special":
            return specials.address(self.name)
        if self.library == "threads":
            control = routines.settable()
            assert control is not None
            return control[int(self.name)]
        return ctypes.cast(getattr(library(), self.name), ctypes.c_void_p).value or 0

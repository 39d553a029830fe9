"""glibc's library of vector functions, where there is one."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Final

from graphad.once import once

ERROR_ULP: Final = 4.0
"""The largest error of its functions, by its manual."""
_NAMES: Final[dict[str, str]] = {
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh",
    "arctan2": "atan2",
    **{n: n for n in ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "tanh", "sinh",
                      "cosh", "erf", "erfc", "cbrt", "pow", "hypot")},
}  # fmt: skip
_TWO_ARGUMENTS: Final = frozenset({"pow", "arctan2", "hypot"})
_REGISTERS: Final = [("n", 16, "neon"), ("b", 16, "sse4.1"), ("d", 32, "avx2"), ("e", 64, "avx512f")]
"""The letters of the vector function ABI, bytes in one register, and what a processor must have."""


@once
def library() -> ctypes.CDLL | None:
    """The library; None where it is missing."""
    try:
        return ctypes.CDLL("libmvec.so.1")
    except OSError:
        return None


def named(text: str) -> set[str]:
    """The library's functions that a module's text names."""
    return {"_ZGV" + part[: part.index("(")] for part in text.split("@_ZGV")[1:]}


@cache
def function(name: str, element: str, lanes: int, features: frozenset[str]) -> tuple[str, int, int] | None:
    """The symbol of the function for the narrowest register that holds the lanes, its lanes, and how many arguments
    it takes; None where there is none."""
    if name not in _NAMES or "libmvec" not in features:
        return None
    arguments = 2 if name in _TWO_ARGUMENTS else 1
    item, suffix = (8, "") if element == "double" else (4, "f")
    for letter, size, feature in _REGISTERS:
        width = size // item
        symbol = f"_ZGV{letter}N{width}{'v' * arguments}_{_NAMES[name]}{suffix}"
        if feature in features and width >= lanes and hasattr(library(), symbol):
            return symbol, width, arguments
    return None

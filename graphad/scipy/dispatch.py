"""How a module of `graphad.scipy` takes the place of SciPy's: traced operands go to graphad, others to SciPy."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from importlib import import_module
from typing import Any

import numpy as np

from graphad.numpy.arguments import operand
from graphad.numpy.dispatch import located_errors
from graphad.scipy.arguments import holds_traced
from graphad.trace import Tracer
from graphad.types import ArrayLike

TRACED: dict[str, dict[str, Callable[..., Any]]] = {}
"""The functions on traced values of each of SciPy's modules, by name."""


@cache
def since(version: str) -> bool:
    """Whether the SciPy that is installed is of this version or a later one, where its results depend on that."""
    return bool(np.lib.NumpyVersion(import_module("scipy").__version__) >= version)


def namespace(module: str) -> tuple[Callable[[Callable[..., Any]], Callable[..., Any]], Callable[[str], Any]]:
    """A decorator and a `__getattr__` for the counterpart of one of SciPy's modules, which is loaded when first needed.

    A decorated function is the meaning of SciPy's function of that name for traced operands; for others it is SciPy's
    own. Its results are new arrays, of which it is not known how SciPy lays them out. `__getattr__` finds the functions
    that are decorated, and others in SciPy's module.
    """
    names = TRACED.setdefault(module, {})

    def original(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module 'graphad.{module}' has no attribute {name!r}")
        return names[name] if name in names else scipys(name)

    def scipys(name: str) -> Any:
        found = getattr(import_module(module), name)
        # With SciPy's switch for the array API its special functions stand behind others, which ask for `xp.special`.
        return getattr(found, "__wrapped__", found) if module == "scipy.special" else found

    def traced(handler: Callable[..., Any]) -> Callable[..., Any]:
        located = located_errors(handler, laid=None)
        name = handler.__name__

        @wraps(handler)
        def function(*args: Any, **kwargs: Any) -> Any:
            if holds_traced((args, kwargs)):
                return located(*map(_array, args), **{key: _array(x) for key, x in kwargs.items()})
            return scipys(name)(*args, **kwargs)

        names[name] = function
        return function

    return traced, original


def _array(x: Any) -> Any:
    """A list of numbers, or of rows of them, as the array that SciPy's functions take it for; all else as it is."""
    return operand(x) if type(x) is list and holds_traced(x) and _shape(x) is not None else x


def _shape(x: ArrayLike) -> tuple[int, ...] | None:
    """The shape of nested lists of numbers, None where they are no array."""
    if not isinstance(x, (list, tuple)):
        return () if isinstance(x, (int, float, complex, np.generic, Tracer)) and not np.shape(x) else None
    rows = {_shape(row) for row in x}
    return (len(x), *row) if len(rows) == 1 and (row := rows.pop()) is not None else None


__all__ = ["TRACED", "namespace", "since"]

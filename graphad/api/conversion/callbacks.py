"""Functions of SciPy that call the user's functions with numbers of their own: no traced value may reach these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from inspect import unwrap
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np

from graphad import tree
from graphad.api.conversion.guarded import guarded
from graphad.api.conversion.heap import Heap
from graphad.errors import TracerError
from graphad.location import place
from graphad.trace import Tracer

_PLAIN = (type, np.ufunc, BuiltinFunctionType)


def calling_back(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function of SciPy that graphad has not: refused where it gets a function and a derivative could be lost."""
    inner = guarded(f, pure=True)

    def called(*args: Any, **kwargs: Any) -> Any:
        leaves = tree.leaves((args, kwargs))
        if any([calls(x) for x in leaves]):
            for x in (*leaves, *reached(leaves)):
                if isinstance(x, Tracer) and x.builder.active(x.value):
                    name = f"{f.__module__}.{getattr(f, '__name__', type(f).__name__)}"
                    raise TracerError(
                        f"{name} computes with numbers{place()}, and a traced {x.type} reaches it, by an argument or "
                        "by what the function that it calls reads: its derivative would be lost; call it outside of "
                        "what is differentiated or jitted, give it graphad.stop_gradient(x) where x counts as a "
                        "constant, or wrap it in graphad.pure_callback with a rule by graphad.custom_jvp"
                    )
        return inner(*args, **kwargs)

    return called


def calls(x: Any) -> bool:
    """Whether a value may be a function of the user's."""
    return callable(x) and not isinstance(x, (*_PLAIN, Tracer))


def reached(leaves: Sequence[Any]) -> list[Any]:
    """What the functions among values read: their variables, defaults, and what these lead to."""
    found: list[Any] = []
    functions = [x for x in leaves if calls(x)]
    functions += [c.__dict__["__call__"] for x in functions for c in type(x).__mro__ if "__call__" in c.__dict__]
    functions += [unwrap(x) for x in functions if hasattr(x, "__wrapped__")]
    functions = [x for x in functions if calls(x)]
    for f in functions:
        while isinstance(f, partial):
            found += tree.leaves((f.args, f.keywords))
            functions, f = [*functions, f.func], f.func
        if isinstance(f, FunctionType):
            found += tree.leaves((f.__defaults__, f.__kwdefaults__))
    for container in Heap(functions).containers.values():
        found += tree.leaves(tuple(container.saved.values()))
    return found

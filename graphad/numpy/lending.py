"""What code that is not converted sees and keeps of the memory of arrays that are, or may become, traced ones."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import Any
from weakref import ref

import numpy as np

from graphad.location import place
from graphad.numpy.buffers import Buffer, BufferTracer, BufferView, plain, root_of
from graphad.numpy.views import own, view
from graphad.types import Array


def opaque(x: Any) -> Any:
    """What code that is not converted gets for an argument: for an array that has become a traced one, of which C code
    would read the memory, a view that has none."""
    if type(x) in (BufferTracer, BufferView):
        return view(own(x), x, lambda base: base, lambda base, new: new)
    return tuple(map(opaque, x)) if type(x) is tuple else x


def unread(f: Callable[..., Any], reason: str) -> Callable[..., Any]:
    """A function of the user's as converted code calls it that is not converted itself, if there is a reason for it but
    that it need not be."""
    if not reason or iscoroutinefunction(f) or isasyncgenfunction(f):
        return f

    @wraps(f)
    def called(*args: Any, **kwargs: Any) -> Any:
        return f(*map(opaque, args), **{k: opaque(x) for k, x in kwargs.items()})

    return called


def lending(f: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A function of a library that may keep the memory of the buffers that it is given."""

    def called(*args: Any, **kwargs: Any) -> Any:
        lent: list[Any] = []

        def bare(x: Any) -> Any:
            if type(x) is Buffer:
                lent.append((x, plain(x)))
                return lent[-1][1]
            nested = type(x) in (tuple, list) and any([type(y) in (Buffer, tuple) for y in x])
            return type(x)([bare(y) for y in x]) if nested else x

        if not any([type(x) in (Buffer, tuple, list) for x in (*args, *kwargs.values())]):
            return f(*args, **kwargs)
        found = f(*[bare(x) for x in args], **{k: bare(x) for k, x in kwargs.items()})
        while lent:
            x, memory = lent.pop()
            if _references(memory) > _ALONE:
                where = f"{name}{place()}"
                root_of(x).__dict__.setdefault("lent", []).append((ref(memory), where))
        return found

    return called


def _references(memory: Array) -> int:
    return sys.getrefcount(memory)


def _alone() -> int:
    memory = np.empty(0)
    return _references(memory)


_ALONE = _alone()
"""References to an array that only one variable holds."""

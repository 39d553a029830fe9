"""What libraries keep of the memory of arrays that may become traced ones."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any
from weakref import ref

import numpy as np

from graphad.location import place
from graphad.numpy.buffers import Buffer, plain, root_of
from graphad.types import Array


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

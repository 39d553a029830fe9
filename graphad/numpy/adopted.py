"""New arrays as buffers: what converted code has made and nobody else holds, itself or in new lists and dicts."""

from __future__ import annotations

import sys
from collections import OrderedDict, defaultdict
from typing import Any

import numpy as np

from graphad.numpy.buffers import Plain, buffer, shared, view_in

_ndarray = np.ndarray
_FRESH = sys.getrefcount([]) + 1
"""References to an argument that nobody else holds, as a function counts them."""
_HOLDERS = frozenset({list, dict, OrderedDict, defaultdict})


def made(x: Any) -> Any:
    """What converted code binds to a name: an array that nobody else holds becomes a buffer, in containers too."""
    kind = type(x)
    if kind is _ndarray:
        if x.base is not None and shared(x) is not None:
            return view_in(x, shared(x))
        if sys.getrefcount(x) <= _FRESH and _is_free(x):
            return buffer(x)
    elif (kind in _HOLDERS or issubclass(kind, tuple)) and sys.getrefcount(x) <= _FRESH:
        return _adopted(x)
    return x


def holds(kind: type) -> bool:
    """Whether objects of a type are new arrays, or may hold some."""
    return kind is _ndarray or kind in _HOLDERS or issubclass(kind, tuple)


def _adopted(x: Any) -> Any:
    return adopt(x) if isinstance(x, dict) else made_within(x)


def made_within(x: Any) -> Any:
    """A list or tuple whose arrays nothing else holds, with buffers in their place."""
    if not any([holds(kind) for kind in set(map(type, x))]):
        return x
    items = list(x) if isinstance(x, tuple) else x
    bases: dict[int, list[int]] = {}
    found = False
    for i in range(len(x)):
        if type(x[i]) is _ndarray and x[i].base is not None and shared(x[i]) is not None:
            items[i], found = view_in(x[i], shared(x[i])), True
        elif type(x[i]) is _ndarray and sys.getrefcount(x[i]) <= _FRESH + (items is not x):
            base = x[i].base
            if type(base) is _ndarray and base.base is None:
                bases.setdefault(id(base), []).append(i)
            elif _is_free(x[i]):
                items[i], found = buffer(x[i]), True
        elif type(x[i]) is not _ndarray and holds(type(x[i])) and sys.getrefcount(x[i]) <= _FRESH + (items is not x):
            new = _adopted(x[i])
            found, items[i] = found or new is not x[i], new
    for places in bases.values():
        base = x[places[0]].base
        if base.flags.writeable and base.dtype.kind in "biufc" and sys.getrefcount(base) <= len(places) + _FRESH:
            whole, found = buffer(base), True
            for i in places:
                items[i] = view_in(x[i], whole)
    if not found or items is x:
        return x
    return type(x)._make(items) if hasattr(type(x), "_make") else tuple(items) if type(x) is tuple else x


def adopt(slots: dict[Any, Any]) -> dict[Any, Any]:
    """Make buffers of the arrays that only a new dict, or the attributes of a new object, hold."""
    for name in list(slots):
        if type(slots[name]) is np.ndarray and sys.getrefcount(slots[name]) <= _FRESH and _is_free(slots[name]):
            slots[name] = buffer(slots[name])
        elif type(slots[name]) is not _ndarray and holds(type(slots[name])) and sys.getrefcount(slots[name]) <= _FRESH:
            slots[name] = _adopted(slots[name])
    return slots


def _is_free(x: Plain) -> bool:
    """Whether the memory of an array that nobody else holds is its own, and it can be written to."""
    base = x.base
    if base is None:
        return x.flags.writeable and x.dtype.kind in "biufc"
    owned = type(base) is np.ndarray and base.base is None and sys.getrefcount(base) <= _FRESH + 1
    return owned and x.flags.writeable and x.dtype.kind in "biufc"


__all__ = ["adopt", "holds", "made", "made_within"]

"""Places that hold values: variables, attributes, entries of lists, tuples and dicts."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from types import CellType
from typing import Any, NamedTuple

LISTS = frozenset({list, deque})
DICTS = frozenset({dict, OrderedDict, defaultdict, Counter})
ENTRIES = frozenset({tuple, *LISTS, *DICTS})


class HolderPlace(NamedTuple):
    """A place that holds a value: a variable, an entry of a list, a tuple or a dict, an `attribute`."""

    holder: Any
    key: Any
    attribute: bool = False

    def get(self) -> Any:
        holder, key, attribute = self
        if type(holder) is CellType:
            return holder.cell_contents
        if not attribute:
            return holder[key] if type(holder) in ENTRIES else container(holder).__getitem__(holder, key)
        return holder.__dict__[key] if key in getattr(holder, "__dict__", ()) else object.__getattribute__(holder, key)

    def put(self, x: Any) -> None:
        holder, key, attribute = self
        if type(holder) is CellType:
            holder.cell_contents = x
        elif not attribute:
            container(holder).__setitem__(holder, key, x)
        elif key in getattr(holder, "__dict__", ()):
            holder.__dict__[key] = x
        else:
            object.__setattr__(holder, key, x)


def container(x: Any) -> Any:
    """The type of Python's that a list, a deque, a dict or a tuple is of; None for anything else."""
    return next((cls for cls in (list, dict, deque, tuple) if isinstance(x, cls)), None)

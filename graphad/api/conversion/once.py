"""Code that runs as it stands while a function is traced for any values: once, and not whenever what is compiled runs.

What it reads is guarded, and what it changes around the function is told, as of converted code.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from operator import is_
from types import FunctionType
from typing import Any
from weakref import ref

import numpy as np

from graphad.api.conversion.heap import Attributes, Cell, Container, Entries, ListContainer
from graphad.api.conversion.iterators import is_iterator, state
from graphad.api.conversion.ledger import LedgerEntry
from graphad.api.conversion.reach import Reach
from graphad.api.conversion.scope import stored
from graphad.build import Builder
from graphad.location import is_user_class
from graphad.numpy.arguments import touched
from graphad.numpy.buffers import Buffer, root_of

_BYTES = 1 << 24
"""Bytes of arrays from around a function up to which it is looked whether code has changed them."""


def may_run(reach: Reach, builder: Builder, called: Sequence[FunctionType]) -> bool:
    """Whether code can be run once that reaches this, and functions that it may have `called`: it does nothing that
    every run is to do, and changes no arrays of another trace."""
    if any([id(y) in reach.seen for group in builder.peers for y in group]):
        return False
    if builder.deferred or any([id(f.__code__) in reach.pours for f in called]):
        return False
    arrays = _arrays(reach)
    own = all([root_of(x).__dict__.get("home") is builder for x in arrays if type(x) is Buffer])
    return own and sum([x.nbytes for x in arrays if type(x) is not Buffer]) <= _BYTES


def _arrays(reach: Reach) -> list[Any]:
    """The arrays that were reached, each once."""
    found = [*[place.get() for place in reach.every_place()], *reach.seen.values()]
    return [*{id(x): x for x in found if isinstance(x, np.ndarray)}.values()]


class Once:
    """What code reaches, before it runs as it stands; `tell` says what it has changed."""

    def __init__(self, reach: Reach, builder: Builder, called: Sequence[FunctionType]) -> None:
        self.builder = builder
        self.arrays = [(x, x.copy()) for x in _arrays(reach) if type(x) is not Buffer]
        self.iterators = [(x, state(x)) for x in reach.seen.values() if is_iterator(type(x))]
        found = [(x, _changing(x)) for x in reach.seen.values()]
        self.containers = [(x, cls, _contents(x, cls)) for x, cls in found if cls is not None]
        self.others: dict[Any, Container] = {}
        for x in reach.seen.values():
            own = is_user_class(x if isinstance(x, type) else type(x))
            if own and (_changing(x) is None or hasattr(x, "__dict__")):
                self.others[id(x) if _changing(x) is None else (id(x), "")] = Attributes(x, "")
        twins = {id(f) for f in reach.twins.values()}
        for f in reach.functions:
            names = stored(f.__code__) if id(f) not in twins else ()
            for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
                if name in names:
                    self.others[id(cell)] = Cell(cell, name)
        if builder.entered is not None:
            builder.entered.update({id(f): ref(f) for f in called if id(f) not in twins})

    def tell(self) -> None:
        """Note what has changed."""
        for x, before in self.arrays:
            if x.shape != before.shape or x.tobytes() != before.tobytes():
                touched(x)
        for x, was in self.iterators:
            if was is None or state(x) != was:
                touched(x)
        found: dict[Any, Container] = {}
        for x, cls, held in self.containers:
            if not _is_same(held, _contents(x, cls)):
                found[id(x)] = Entries(x, "", held) if cls is dict else ListContainer(x, "", dict(enumerate(held)))
        found.update({key: c for key, c in self.others.items() if not _is_same(c.saved, c.read())})
        for key, container in found.items():
            entry = self.builder.ledger.get(key)
            if entry is None or (entry.weak is not None and entry.weak() is not container.target):
                self.builder.ledger[key] = LedgerEntry(container)
        self.arrays, self.iterators, self.containers, self.others = [], [], [], {}


def _changing(x: Any) -> Any:
    """The type of Python's that a container is of which can change; None for anything else."""
    kind = type(x)
    return kind if kind in _KINDS else next((cls for cls in _KINDS if isinstance(x, cls)), None)


_KINDS = (list, dict, set, deque)


def _contents(x: Any, cls: Any) -> Any:
    return cls.copy(x) if cls is dict else [*cls.__iter__(x)]


def _is_same(a: Any, b: Any) -> bool:
    """Whether two lists, or two dicts, hold the same objects in one order."""
    if len(a) != len(b) or not all(map(is_, a, b)):
        return False
    return not isinstance(a, dict) or all(map(is_, a.values(), b.values()))

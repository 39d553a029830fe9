"""What branches and loops make anew of the user's values: containers, and objects of the user's classes, by all their
attributes."""

from __future__ import annotations

import enum
import gc
from abc import ABC
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Generic, Protocol
from weakref import WeakKeyDictionary

from graphad import tree
from graphad.api.methods import KEPT
from graphad.errors import ControlFlowError
from graphad.location import is_user_class, place
from graphad.tree import LEAF, Made, TreeDef

_MOST = 1000
"""Containers in one value."""
_BARE: Collection[Any] = (object, ABC, Generic, Protocol)


def attributes(x: Any) -> dict[str, Any]:
    """The attributes of an object of the user's own class."""
    referents = gc.get_referents(x)
    if len(referents) == 1 and referents[0] is type(x):
        return {}  # a new object: Python is slower with one whose dict was asked for
    found = dict(getattr(x, "__dict__", ()))
    found.pop(KEPT, None)
    for cls in type(x).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(x, name):
                found[name] = getattr(x, name)
    return found


_known: WeakKeyDictionary[type, bool] = WeakKeyDictionary()


def is_object(cls: type) -> bool:
    """Whether objects of a class are nothing but their attributes, as Python tells: classes of the user's and nothing
    else among its bases, and no members that are there once."""
    found = _known.get(cls)
    if found is None:
        found = _known[cls] = _is_object(cls)
    return found


def _is_object(cls: type) -> bool:
    if any([not is_user_class(c) and c not in _BARE for c in cls.__mro__]) or cls.__flags__ & 1 << 20:
        return False  # a class with abstract methods
    return not issubclass(cls, (type, enum.Enum)) and not hasattr(cls, "__del__") and tree.is_leaf_class(cls)


def by_identity(x: Any) -> bool:
    """Whether an object is equal to itself alone."""
    equal: Any = type(x).__eq__
    return equal is object.__eq__ and is_object(type(x))


def children(x: Any) -> tuple[Any, Any, Sequence[Any]] | None:
    """Kind, data and children of what is made anew; None for a leaf."""
    cls = type(x)
    if cls in tree.LEAVES:
        return None
    if not is_object(cls):
        return tree._children(x)
    found = attributes(x)
    return Made(cls), tuple(found), tuple(found.values())


class _Parts:
    """The parts of a value, none of which holds itself."""

    def __init__(self, held: Collection[int]) -> None:
        self.held = held
        self.path: list[Any] = []
        self.count = 0

    def inside(self, x: Any) -> tuple[Any, Any, Sequence[Any]] | None:
        return None if id(x) in self.held else children(x)

    def enter(self, x: Any) -> None:
        self.count += 1
        if self.count > _MOST or any([x is y for y in self.path]):
            raise ControlFlowError(
                f"a {type(x).__name__} that a branch or a loop gives to a variable{place()} holds itself, or too many "
                "others; let the branch or the loop change numbers and arrays of it"
            )
        self.path.append(x)

    def flatten(self, x: Any, leaves: list[Any]) -> TreeDef:
        found = self.inside(x)
        if found is None:
            leaves.append(x)
            return LEAF
        self.enter(x)
        kind, data, parts = found
        new = TreeDef(kind, data, tuple([self.flatten(part, leaves) for part in parts]))
        self.path.pop()
        return new

    def alike(self, values: Sequence[Any], leaves: Sequence[list[Any]]) -> list[TreeDef]:
        first = children(values[0])
        if all([v is values[0] for v in values]) and first is not None and type(first[0]) is Made:
            for x, own in zip(values, leaves, strict=True):
                own.append(x)
            return [LEAF for _ in values]
        every = [children(v) for v in values]
        if first is None or any([e is None or e[:2] != first[:2] or len(e[2]) != len(first[2]) for e in every]):
            return [self.flatten(x, own) for x, own in zip(values, leaves, strict=True)]
        self.enter(values[0])
        parts = [self.alike(column, leaves) for column in zip(*[e[2] for e in every if e is not None], strict=True)]
        self.path.pop()
        return [TreeDef(*first[:2], tuple([p[i] for p in parts])) for i in range(len(values))]


def flatten(x: Any, held: Collection[int] = ()) -> tuple[list[Any], TreeDef]:
    """The leaves of a value, in order, and its structure; objects whose identity is `held` are leaves."""
    if type(x) in tree.LEAVES:
        return [x], LEAF
    leaves: list[Any] = []
    return leaves, _Parts(held).flatten(x, leaves)


def positions_of_numbers(treedef: TreeDef, leaves: Sequence[Any]) -> list[int]:
    """The positions of the leaves that are bools and integers of Python's, as attributes of objects."""
    found: list[int] = []

    def visit(part: TreeDef, at: int) -> int:
        for child in part.children:
            if child == LEAF and type(part.kind) is Made and type(leaves[at]) in (bool, int):
                found.append(at)
            at = at + 1 if child == LEAF else visit(child, at)
        return at

    visit(treedef, 0)
    return found


def flatten_alike(values: Sequence[Any]) -> list[tuple[list[Any], TreeDef]]:
    """The same of several values; an object that all have in the same place is a leaf."""
    leaves: list[list[Any]] = [[] for _ in values]
    return list(zip(leaves, _Parts(()).alike(values, leaves), strict=True))


def nodes(x: Any) -> list[Any]:
    """The containers and objects in a value that can be changed, in order, each time that they stand in it."""
    return [] if type(x) in tree.LEAVES else list(_nodes(x, ()))


def _nodes(x: Any, path: tuple[Any, ...]) -> Iterator[Any]:
    found = children(x)
    if found is None or any([x is y for y in path]) or len(path) > _MOST:
        return
    if not isinstance(x, tuple) and x is not None:
        yield x
    for child in found[2]:
        yield from _nodes(child, (*path, x))


def check_unchanged(x: Any, changed: Collection[int], held: Collection[int] = ()) -> None:
    """Raise `ControlFlowError` for a value that is to be made anew, while a part of it that was there before has been
    changed: the new one would have what that was before."""
    if not changed:
        return
    pending, seen = [x], set(held)
    while pending:
        y = pending.pop()
        if id(y) in seen or (found := children(y)) is None:
            continue
        if id(y) in changed:
            raise ControlFlowError(
                f"a {type(y).__name__} is changed{place()} in a branch or a loop that also gives it, or another one, "
                "to a variable; change a copy, or change it before"
            )
        seen.add(id(y))
        pending += found[2]

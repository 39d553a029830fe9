"""What a traced function stores in objects that outlive its call: afterwards they hold plain values, or it is refused.

Converted code notes every object before it changes it. When the trace has ended, what still lives of these stands
outside of the function: a traced value left in it becomes the array that it stands for, where that is known.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

import numpy as np

from graphad.api.conversion.heap import UNSET, Attributes, Cell, Container, Entries, Globals, ListContainer
from graphad.api.conversion.peers import change
from graphad.api.conversion.structure import is_object, nodes
from graphad.build import Builder, current_builder
from graphad.errors import TracerError
from graphad.location import Location, describe_location, user_location
from graphad.numpy.buffers import Buffer, plain, writable
from graphad.refusals import refuse_unsure
from graphad.trace import Tracer

_KINDS: dict[type, type[Container]] = {dict: Entries, list: ListContainer, set: ListContainer, deque: ListContainer}
CHANGES = frozenset({
    "add", "append", "appendleft", "clear", "difference_update", "discard", "extend", "extendleft", "insert",
    "intersection_update", "pop", "popitem", "popleft", "remove", "reverse", "rotate", "setdefault", "sort",
    "symmetric_difference_update", "update", "__setitem__", "__delitem__",
})  # fmt: skip
"""Methods of dicts, lists, sets and deques that change them."""


class LedgerEntry:
    """One object that was about to change: what it held, and the user's place. It is kept alive only if it must be."""

    __slots__ = ("changed", "container", "refuse", "target", "weak", "where")

    def __init__(self, container: Container) -> None:
        self.container = container
        self.where: Location | None = user_location()
        self.target = container.target
        self.weak: Any = None
        self.changed: tuple[Any, ...] = ()
        self.refuse: Callable[..., Any] | None = None
        if isinstance(container, Attributes):
            try:
                self.weak = weakref.ref(container.target)
                self.target = None
            except TypeError:  # a class with __slots__ alone
                pass
        container.target = None

    def alive(self) -> Any:
        """The object, None if nothing but this entry knows it."""
        if self.weak is not None:
            return self.weak()
        if isinstance(self.container, Globals):
            return self.target
        return self.target if sys.getrefcount(self.target) > _OWN_REFERENCES else None

    def release(self) -> None:
        """Let go of the object and of what it held."""
        self.target = None
        self.container.saved = {}

    def compare(self) -> None:
        """Find the slots that have changed, and keep no more of what the object held than these did."""
        now, saved = self._now(), self.container.saved
        changed = [k for k, v in now.items() if saved.get(k, UNSET) is not v] + [k for k in saved if k not in now]
        self.changed = tuple(changed)
        if not (changed and self.container.ordered):
            self.container.saved = {k: saved[k] for k in changed if k in saved}

    def slots(self) -> list[tuple[Any, Any]]:
        """The slots that have changed, and what they hold now."""
        now = self._now()
        return [(k, now.get(k, UNSET)) for k in self.changed]

    def _now(self) -> dict[Any, Any]:
        self.container.target = self.alive()
        now = self.container.read()
        self.container.target = None
        return now

    def write(self, key: Any, value: Any) -> None:
        """Set a slot."""
        target = self.container.target = self.alive()
        if isinstance(target, type):
            type.__setattr__(target, key, value)
        else:
            self.container.write(key, value)
        self.container.target = None

    def restore(self) -> None:
        """Put back what the object held."""
        if self.container.ordered:
            self.container.target = self.alive()
            self.container.restore()
            self.container.target = None
            return
        for key in self.changed:
            self.write(key, self.container.saved.get(key, UNSET))

    def path(self, key: Any) -> str:
        """How a message names a slot."""
        target = self.alive()
        if isinstance(self.container, Attributes):
            owner = target.__name__ if isinstance(target, type) else type(target).__name__
            return f"the attribute {key} of {owner}"
        if isinstance(self.container, Globals):
            return f"the global variable {key}"
        if isinstance(self.container, Cell):
            return f"the variable {self.container.path}"
        return f"a {type(target).__name__}"


_OWN_REFERENCES = 2
"""An object that only its entry knows: the entry's slot, and the argument of `getrefcount`."""


def changing(x: Any) -> Any:
    """The object itself, which is about to change."""
    builder = current_builder()
    if builder is None or isinstance(x, Tracer):
        return x
    if builder.handled:
        refuse_unsure(f"an object ({type(x).__name__})")
    if isinstance(x, np.ndarray):
        return writable(x, ())
    if builder.peers:
        change(builder, x)
    found = builder.ledger.get(id(x))
    if found is None or (found.weak is not None and found.weak() is not x):
        kind = next((kind for cls, kind in _KINDS.items() if isinstance(x, cls)), Attributes)
        builder.ledger[id(x)] = LedgerEntry(kind(x, ""))
        if kind is not Attributes and hasattr(x, "__dict__"):
            builder.ledger[id(x), ""] = LedgerEntry(Attributes(x, ""))
    return x


def made(new: Any, of: Iterable[Any]) -> Any:
    """A value whose objects a branch or a loop has made of others: these objects begin to exist now."""
    builder = current_builder()
    old = {id(x) for value in of for x in nodes(value)}
    for x in nodes(new) if builder is not None else ():
        if id(x) not in old and is_object(type(x)):
            entry = builder.ledger[id(x)] = LedgerEntry(Attributes(x, ""))  # type: ignore[union-attr]
            entry.container.saved = {}
    return new


def noted(x: Any, attributes: bool) -> dict[Any, Any]:
    """What an object held as entries, or as attributes, when it was noted, which it is now at the latest."""
    builder = current_builder()
    assert builder is not None
    changing(x)
    entry = (builder.ledger.get((id(x), "")) if attributes else None) or builder.ledger[id(x)]
    return entry.container.saved  # type: ignore[no-any-return]


def unread(x: list[Any], refuse: Callable[..., Any] | None) -> Callable[..., Any] | None:
    """Let what asks a list that has been noted for its items or its length be refused, by a function that may be given
    the index of an item and then gives where it stands; None ends that. Gives what was so before."""
    builder = current_builder()
    assert builder is not None
    entry = builder.ledger[id(changing(x))]
    before, entry.refuse = entry.refuse, refuse
    return before  # type: ignore[no-any-return]


def item_of(x: list[Any], index: Any) -> Any:
    """The index at which an item of a list stands that is asked for by another index."""
    builder = current_builder()
    found = None if builder is None else builder.ledger.get(id(x))
    return index if found is None or found.refuse is None else found.refuse(index)


def reading(x: Any) -> Any:
    """The object itself, whose items or length are asked for."""
    builder = current_builder()
    if type(x) is list and builder is not None:
        found = builder.ledger.get(id(x))
        if found is not None and found.refuse is not None:
            found.refuse()
    return x


def assigning(space: dict[str, Any], names: tuple[str, ...]) -> None:
    """Note global variables that a function assigns."""
    builder = current_builder()
    if builder is not None:
        builder.ledger.setdefault((id(space), names), LedgerEntry(Globals((space, names), "")))


def rebinding(reader: FunctionType) -> None:
    """Note variables of functions around the converted one that it assigns: those that `reader` reads."""
    builder = current_builder()
    if builder is not None:
        for name, cell in zip(reader.__code__.co_freevars, reader.__closure__ or (), strict=True):
            builder.ledger.setdefault(id(cell), LedgerEntry(Cell(cell, name)))


def settle(builder: Builder, failed: bool = False) -> list[str]:
    """Make what outlives a trace plain, when its function has ended. Gives in words what else it has changed.

    Raises `TracerError` where a traced value is left whose array is not known, or which an enclosing trace
    differentiates; the object then holds what it held before. So it does where the function has `failed` itself.
    """
    builder.peers.clear()
    survivors = _survivors(list(builder.ledger.values()))
    builder.ledger.clear()
    for entry in survivors:
        entry.compare()
    if builder.staged and not failed and any([entry.changed for entry in survivors]):
        gc.collect()  # what is only part of a cycle is no longer there
        survivors = _survivors(survivors)
    told = []
    refusal = None
    for entry in survivors:
        if entry.alive() is None:
            continue  # it went with one that was put back
        try:
            for key, value in entry.slots():
                path = entry.path(key)
                if _holds(value, builder):
                    entry.write(key, _plain(value, builder, path, entry.where))
                else:
                    told.append(f"{path}{describe_location(entry.where)}")
        except TracerError as error:
            entry.restore()
            refusal = refusal or error
    if refusal is not None and not failed:
        raise refusal
    return list(dict.fromkeys(told))


def _survivors(entries: list[LedgerEntry]) -> list[LedgerEntry]:
    """The entries whose objects still live. An object that goes may take others with it."""
    while True:
        kept = []
        for entry in entries:
            if entry.alive() is None:
                entry.release()
            else:
                kept.append(entry)
        if len(kept) == len(entries):
            return kept
        entries = kept


def _holds(x: Any, builder: Builder) -> bool:
    """Whether a value of a trace that has ended stands in `x`, or in tuples, lists and dicts in it."""
    if isinstance(x, Tracer):
        return x.builder is builder or x.builder.closed
    if type(x) is Buffer:
        return True
    if isinstance(x, (tuple, list)):
        return any([_holds(item, builder) for item in x])
    if isinstance(x, BaseException):
        return _holds((x.args, vars(x)), builder)
    return isinstance(x, dict) and any([_holds(item, builder) for item in x.values()])


def _plain(x: Any, builder: Builder, path: str, where: Location | None) -> Any:
    recur: Callable[[Any], Any] = lambda item: _plain(item, builder, path, where)
    if isinstance(x, Tracer):
        if x.builder is builder and not builder.active_outside(x.value):
            try:
                array = builder.evaluate(x.value)
            except TracerError:
                pass
            else:
                return (array.item() if x.weak else array[()]) if not x.shape else array.copy()
        raise TracerError(
            f"{path} holds a traced {x.type} when its function has ended{describe_location(where)}, and would outlive "
            "its trace; return it as a result, and store it outside of the traced function"
        )
    if type(x) is Buffer:
        return plain(x)
    if isinstance(x, tuple):
        items = [recur(item) for item in x]
        return type(x)(*items) if hasattr(x, "_fields") else type(x)(items)
    if isinstance(x, list):
        x[:] = [recur(item) for item in x]
        return x
    if isinstance(x, dict):
        x.update({k: recur(v) for k, v in x.items()})
    if isinstance(x, BaseException):
        x.args = recur(x.args)
        recur(vars(x))
    return x

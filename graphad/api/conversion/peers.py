"""Lists, dicts, objects and other containers that branches and loops have made of others, which they stand for: none of
those that may be one object is changed while another one of them can be seen.
"""

from __future__ import annotations

import sys
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from graphad.api.conversion.structure import by_identity, children, nodes
from graphad.build import Builder, current_builder
from graphad.errors import ControlFlowError
from graphad.location import place

if TYPE_CHECKING:
    from graphad.api.conversion.carried import Carried


_Position = tuple[Any, int]
"""A slot, and the place of a container in what it holds."""
holders: WeakSet[Any] = WeakSet()
"""The pictures of objects and the loops that are in use: `holding` tells how often one holds an object, though no code
of the user's can see it there."""


def peers_of() -> list[list[Any]]:
    """The groups of containers of the running trace that may be one object."""
    builder = current_builder()
    assert builder is not None
    return builder.peers


def meet(peers: list[list[Any]], columns: Iterable[tuple[Sequence[Any], Any]]) -> None:
    """Note that a new value stands for one of some others, of the same structure, each."""
    groups: dict[int, list[Any]] = {}
    for values, new in columns:
        made = nodes(new)
        for old, one in [pair for x in values for pair in zip(nodes(x), made, strict=False) if x is not new]:
            group = groups.setdefault(id(old), [old])
            if not any([one is y for y in group]):
                group.append(one)
    peers += [group for group in groups.values() if len(group) > 1]


class Rounds:
    """Which containers of the slots of a loop may be one in some iteration: with each other (`same`), or with those
    from around the loop (`around`)."""

    def __init__(self) -> None:
        self.same: set[tuple[_Position, _Position]] = set()
        self.around: dict[_Position, dict[int, Any]] = {}
        self.entered: dict[int, _Position] = {}

    def enter(self, peers: list[list[Any]], carried: Mapping[Any, Carried]) -> None:
        """Note it of those with which an iteration begins, which stand in the slots."""
        now = _positions({key: c.slot.read() for key, c in carried.items()})
        self.entered = {id(x): at for at, x in now.items()}
        self._meet(peers, now, carried)

    def holding(self, x: Any) -> int:
        """How often a container is one of those from around the loop."""
        return sum([id(x) in found for found in self.around.values()])

    def learn(self, carried: Mapping[Any, Carried], around: Container[int]) -> bool:
        """Take up what an iteration has given to the slots, where `around` has the identities of what is from around
        the loop; answers whether there is more than was known."""
        before = _positions({key: c.value for key, c in carried.items()})
        after = _positions({key: c.after for key, c in carried.items()})
        known = len(self.same), sum(map(len, self.around.values()))
        size = None
        while size != (size := (len(self.same), sum(map(len, self.around.values())))):
            for a, x in after.items():
                if id(x) in around:
                    self.around.setdefault(a, {})[id(x)] = x
                elif id(x) in self.entered:
                    source = self.entered[id(x)]
                    old = {id(before[source]): before[source]} if source in before else {}
                    self.around.setdefault(a, {}).update({**old, **self.around.get(source, {})})
                for b, y in after.items():
                    sources = self.entered.get(id(x)), self.entered.get(id(y))
                    begun = None not in sources and before.get(sources[0], x) is before.get(sources[1], y)  # type: ignore[arg-type]
                    if a != b and (x is y or sources in self.same or begun):
                        self.same.add((a, b))
        return known != size

    def leave(self, peers: list[list[Any]], carried: Mapping[Any, Carried]) -> None:
        """Note it of those that the loop leaves in the slots."""
        self._meet(peers, _positions({key: c.slot.read() for key, c in carried.items()}), carried)

    def _meet(self, peers: list[list[Any]], now: dict[_Position, Any], carried: Mapping[Any, Carried]) -> None:
        if not now:
            return
        before = _positions({key: c.value for key, c in carried.items()})
        pairs = [(now[a], now[b]) for a, b in self.same if a in now and b in now]
        pairs += [(now[a], now[b]) for a in now for b in now if a != b and before.get(a, a) is before.get(b, b)]
        pairs += [(x, before[at]) for at, x in now.items() if at in before]
        pairs += [(now[at], x) for at, found in self.around.items() if at in now for x in found.values()]
        peers += [[x, y] for x, y in pairs if x is not y]


def _positions(slots: Mapping[Any, Any]) -> dict[_Position, Any]:
    return {(key, i): x for key, value in slots.items() for i, x in enumerate(nodes(value))}


def change(builder: Builder, x: Any) -> None:
    """Note that a container is about to change. Raises `ControlFlowError` where another one may be the same."""
    if not any([y is x for group in builder.peers for y in group]):
        return
    seen = _Seen(builder.peers, builder.ledger)
    builder.peers[:] = [rest for group in builder.peers if len(rest := [y for y in group if y is x or seen(y)]) > 1]
    if any([y is x for group in builder.peers for y in group]):
        kind = type(x).__name__
        raise ControlFlowError(
            f"a {kind} is changed{place()} that may be one with another {kind}, since a branch or a loop gave it to "
            f"one of several variables, which is known at run time only; give a copy there, or change the {kind} before"
        )


def settle(builder: Builder | None) -> None:
    """Forget the containers that can be seen no longer, so that their arrays are no longer known. Raises
    `ControlFlowError` where two objects can be seen that may be one, which alone would make them equal."""
    if builder is None or not builder.peers:
        return
    seen = _Seen(builder.peers, builder.ledger)
    builder.peers[:] = [rest for group in builder.peers if len(rest := [y for y in group if seen(y)]) > 1]
    for group in builder.peers:
        if any(map(by_identity, group)):
            name = type(group[0]).__name__
            raise ControlFlowError(
                f"an object of class {name} is one that a branch or a loop{place()} gave to one of several variables, "
                f"which is known at run time only; let both make a new one, or give {name} the method __eq__"
            )


def identical(a: Any, b: Any) -> bool:
    """`a is b`. Raises `ControlFlowError` where that is not known."""
    builder = current_builder()
    if a is not b and builder is not None:
        for group in builder.peers:
            if any([x is a for x in group]) and any([x is b for x in group]):
                raise ControlFlowError(
                    f"it is asked{place()} whether a {type(a).__name__} is the one that another variable has, which is "
                    "known at run time only, since a branch or a loop gave it to one of them; compare what they hold"
                )
    return a is b


class _Seen:
    """Which containers in groups can still be seen by code of the user's."""

    def __init__(self, groups: list[list[Any]], ledger: dict[Any, Any]) -> None:
        self.groups, self.ledger = groups, ledger
        self.members = {id(y): y for group in groups for y in group}
        self.known: dict[int, bool] = {}

    def __call__(self, x: Any) -> bool:
        if id(x) not in self.known:
            self.known[id(x)] = True  # one that holds itself
            self.known[id(x)] = self.references(x) > _ALONE
        return self.known[id(x)]

    def references(self, x: Any) -> int:
        """The references to a container but those that are no code's: of groups, of pictures of objects, of containers
        that cannot be seen themselves."""
        entry = self.ledger.get(id(x))
        own: int = sum([y is x for group in self.groups for y in group]) + (entry is not None and entry.target is x)
        own += sum([v is x for e in self.ledger.values() for v in e.container.saved.values()])
        own += sum([h.holding(x) for h in holders])
        own += sum([_held(m, x) for m in self.members.values() if m is not x and _held(m, x) and not self(m)])
        return sys.getrefcount(x) - own


def _held(container: Any, x: Any) -> int:
    """How often a container has an entry."""
    found = children(container)
    return sum([y is x for y in found[2]]) if found is not None else 0


class _Count(_Seen):
    """Counts the references to a container instead."""

    found = 0

    def __call__(self, x: Any) -> bool:
        self.found = self.references(x)
        return True


def _alone() -> int:
    groups: list[list[Any]] = [[[]]]
    count = _Count(groups, {})
    for group in groups:
        [y for y in group if y is None or count(y)]
    return count.found


_ALONE = _alone()
"""The references to a container that nothing but groups has."""

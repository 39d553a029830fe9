"""Which variables of a loop share an array: what one iteration gives to a variable the next may change by another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from graphad.api.conversion.items import inside_of
from graphad.api.conversion.parts import StagedRegion, quoted
from graphad.errors import ControlFlowError
from graphad.location import place as here
from graphad.numpy.buffers import Buffer, root_of
from graphad.numpy.views import OUTSIDE, Joined, candidates, origin_of
from graphad.trace import Tracer

if TYPE_CHECKING:
    from graphad.api.conversion.carried import Carried

LOST = (
    "this array was changed by {}, which gave its variable another one too, and is read@: whether it has been changed "
    "is known at run time only; let the loop change a copy (x.copy())"
)
EITHER = (
    "an array is read@ that may be the one that {} has left in a variable, and one of them has been changed since: "
    "whether they are one is known at run time only; make a copy before (x.copy())"
)
Place = tuple[tuple[int, Any], int]
"""A slot that the loop carries, and the position of a leaf of its value."""


def root(x: Any) -> Any:
    """The array whose elements a value has, None for a number."""
    if isinstance(x, Tracer):
        if not (x.shape or x.boxed):
            return None
        return origin_of(x)
    if isinstance(x, Buffer):
        return root_of(x)
    return x if isinstance(x, np.ndarray) and x.shape else None


def arrays_of(x: Any) -> list[Any]:
    """The arrays that a value may be, as far as they are known."""
    found = root(x)
    return [y for y in candidates(found) if y is not OUTSIDE] if found is not None else []


class Aliases:
    """What the variables of a loop have in common after an iteration.

    `after` has the arrays that a place may have after one, and `sources` the places that have these before it.
    `written` are the places whose array some iteration may write to; `alone`, once they are checked, those that may
    keep the array that they had before the loop, or get one that nothing else has.
    """

    def __init__(self, carried: Mapping[tuple[int, Any], Carried]) -> None:
        self.carried = carried
        arrays = {(key, i): x for key, c in carried.items() for i, x in enumerate(c.inputs) if x is not None}
        self.inputs = {id(x): place for place, x in arrays.items()}
        self.after: dict[Place, list[Any]] = {}
        self.sources: dict[Place, list[Place]] = {}
        for place in arrays:
            found = root(self._result(place)) if place[1] < len(carried[place[0]].results) else None
            if found is not None:
                self.after[place] = candidates(found)
                if self._result(place) is not self._input(place):
                    self.sources[place] = [self.inputs[id(y)] for y in self.after[place] if id(y) in self.inputs]
        self.alone: set[Place] = set()
        self.written: set[Place] = set()
        for key, c in carried.items():
            for i in range(len(c.inputs)):
                if c.written(i):
                    self.written |= {(key, i), *self.before((key, i))}

    def before(self, place: Place) -> set[Place]:
        """The places whose arrays before the loop a place may have after some iterations."""
        seen: set[Place] = set()
        pending = [place]
        while pending:
            for source in self.sources.get(pending.pop(), ()):
                if source not in seen:
                    seen.add(source)
                    pending.append(source)
        return seen

    def check(self, part: StagedRegion, changed: Callable[[Any], bool], what: str) -> dict[Place, list[Any]]:
        """The places that may have an array after the loop that something else has too, with those from around it.

        `changed` tells of those from around the loop that it changes. Raises `ControlFlowError` where an array that
        two variables may have is one that the loop changes.
        """
        groups: dict[int, tuple[Any, list[Place]]] = {}
        for place, arrays in self.after.items():
            for x in arrays:
                groups.setdefault(id(x), (x, []))[1].append(place)
        found: dict[Place, list[Any]] = {}
        for x, places in groups.values():
            around = x is OUTSIDE or (id(x) not in self.inputs and not inside_of(x, part.builder))
            if len(places) > 1 or around:
                if any([p in self.written for p in places]) or (around and changed(x)):
                    raise ControlFlowError(self._message(places, what))
                for place in places:
                    found.setdefault(place, []).extend([x] * around)
        for place, arrays in self.after.items():
            if len(arrays) > 1 and place not in found:
                if self._stays_alone(place):
                    self.alone.add(place)
                else:
                    found[place] = []
        for place in self.sources:
            before = [self._initial(p) for p in self.before(place) if p not in self.written]
            if before and place not in self.alone:
                found.setdefault(place, []).extend(before)
        return {p: arrays for p, arrays in found.items() if self._result(p) is not self._input(p)}

    def _stays_alone(self, place: Place) -> bool:
        x, own = self.after[place][0], self._input(place)
        taken = any([place in sources for p, sources in self.sources.items() if p != place])
        return isinstance(x, Joined) and not taken and self.before(place) <= {place} and x.keeps(own)

    def _initial(self, place: Place) -> Any:
        return self.carried[place[0]].leaves[place[1]]

    def _result(self, place: Place) -> Any:
        return self.carried[place[0]].results[place[1]]

    def _input(self, place: Place) -> Any:
        return self.carried[place[0]].inputs[place[1]]

    def _message(self, places: list[Place], what: str) -> str:
        names = " and ".join(dict.fromkeys(quoted(self.carried[p[0]].slot.path) for p in places))
        return (
            f"{names} may have an array after an iteration of {what} that another variable has as well{here()}, and "
            "the loop changes it; give it a copy (x.copy())"
        )

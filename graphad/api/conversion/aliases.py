"""Which variables of a loop share an array: what one iteration gives to a variable the next may change by another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from graphad.api.conversion.items import inside_of
from graphad.api.conversion.parts import Part, quoted, shown
from graphad.errors import ControlFlowError
from graphad.numpy.buffers import Buffer, root_of
from graphad.numpy.views import Joined, origin_of
from graphad.trace import Tracer

if TYPE_CHECKING:
    from graphad.api.conversion.carried import Carried

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


class Aliases:
    """What the variables of a loop have in common after an iteration.

    `sources` are the places whose arrays a place has after one; `written` are those whose array some iteration may
    write to; `alone`, once they are checked, those that may keep the array that they had before the loop, or get one
    that nothing else has.
    """

    def __init__(self, carried: Mapping[tuple[int, Any], Carried]) -> None:
        self.carried = carried
        arrays = {(key, i): x for key, c in carried.items() for i, x in enumerate(c.inputs) if x is not None}
        self.inputs = {id(x): place for place, x in arrays.items()}
        self.after: dict[Place, Any] = {}
        self.sources: dict[Place, Place] = {}
        for (key, i), x in arrays.items():
            found = root(carried[key].results[i]) if i < len(carried[key].results) else None
            if found is not None:
                self.after[key, i] = found
                source = self.inputs.get(id(found))
                if source is not None and carried[key].results[i] is not x:
                    self.sources[key, i] = source
        self.alone: set[Place] = set()
        self.written: set[Place] = set()
        for key, c in carried.items():
            for i in range(len(c.inputs)):
                if c.written(i):
                    self.written |= {(key, i), *self.before((key, i))}

    def before(self, place: Place) -> Iterator[Place]:
        """The places whose arrays before the loop a place may have after some iterations."""
        seen: set[Place] = set()
        while place in self.sources and self.sources[place] not in seen:
            place = self.sources[place]
            seen.add(place)
            yield place

    def check(self, part: Part, changed: Callable[[Any], bool], what: str) -> dict[Place, list[Any]]:
        """The places that may have an array after the loop that something else has too, with those from around it.

        `changed` tells of those from around the loop that it changes. Raises `ControlFlowError` where an array that
        two variables have is one that the loop changes.
        """
        groups: dict[int, list[Place]] = defaultdict(list)
        for place, x in self.after.items():
            groups[id(x)].append(place)
        found: dict[Place, list[Any]] = {}
        for places in groups.values():
            x = self.after[places[0]]
            around = id(x) not in self.inputs and not inside_of(x, part.builder)
            if len(places) > 1 or around:
                if any([p in self.written for p in places]) or (around and changed(x)):
                    raise ControlFlowError(self._message(places, what))
                for place in places:
                    found[place] = [x] if around else []
        for place, x in self.after.items():
            if isinstance(x, Joined) and place not in found and self._stays_alone(place, x):
                self.alone.add(place)
            elif isinstance(x, Joined):
                others = x.others()
                found.setdefault(place, []).extend([y for y in others if not inside_of(y, part.builder)])
                found[place] += [self._initial(self.inputs[id(y)]) for y in others if id(y) in self.inputs]
        for place in self.sources:
            arrays = [self._initial(p) for p in self.before(place) if p not in self.written]
            if arrays:
                found.setdefault(place, []).extend(arrays)
        return {p: arrays for p, arrays in found.items() if self._result(p) is not self._input(p)}

    def _stays_alone(self, place: Place, x: Joined) -> bool:
        own = self._input(place)
        others = [z for p, y in self.after.items() if isinstance(y, Joined) and p != place for z in y.others()]
        taken = place in self.sources or place in self.sources.values() or any([z is own for z in others])
        return not taken and x.keeps(own)

    def _initial(self, place: Place) -> Any:
        return self.carried[place[0]].leaves[place[1]]

    def _result(self, place: Place) -> Any:
        return self.carried[place[0]].results[place[1]]

    def _input(self, place: Place) -> Any:
        return self.carried[place[0]].inputs[place[1]]

    def _message(self, places: list[Place], what: str) -> str:
        names = " and ".join(dict.fromkeys(quoted(self.carried[p[0]].slot.path) for p in places))
        return (
            f"{names} may have an array after an iteration of {what} that another variable has as well{shown()}, and "
            "the loop changes it; give it a copy (x.copy())"
        )

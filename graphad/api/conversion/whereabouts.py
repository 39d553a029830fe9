"""Which arrays the variables of a loop have after it: those that they had before, others from around it, or arrays that
an iteration has made, of which several variables may have one. A number for each, which the loop carries, tells.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphad.api.conversion.aliases import Aliases, Place
from graphad.api.conversion.items import identity, inside_of, watched
from graphad.api.conversion.parts import StagedRegion
from graphad.api.conversion.pools import moved, one, places_of
from graphad.graph import Value
from graphad.numpy.layouts import standing
from graphad.numpy.views import OUTSIDE, Joined, View, may_be_others, origin_of, own, where
from graphad.trace import Tracer
from graphad.types import INT64, TensorType

if TYPE_CHECKING:
    from graphad.api.conversion.carried import Carried

Slots = Mapping[tuple[int, Any], "Carried"]
_MOST = 8
"""Variables, and arrays, of which it is told."""


class UntoldError(Exception):
    """It cannot be told which array a variable has."""


class Whereabouts:
    """Which arrays the leaves at some places have, and those from which these come.

    The number of a place is -1 - k where it has the k-th of the `arrays` from around the loop, and j where it has what
    the j-th place has, which is the first one that has it. Raises `UntoldError`.
    """

    def __init__(self, carried: Slots, part: StagedRegion, places: Collection[Place]) -> None:
        self.carried, self.part = carried, part
        self.arrays: list[Any] = []
        self.made: list[Any] = []
        self.known: dict[int, tuple[int, Any]] = {}
        every = [(key, i) for key, c in carried.items() for i, x in enumerate(c.inputs) if x is not None]
        self.entered = {id(carried[key].inputs[i]): (key, i) for key, i in every}
        self.places: list[Place] = []
        self.codes: dict[Place, set[int]] = {}
        self.sources: dict[Place, set[Place]] = {}
        pending = [*places]
        while pending:
            place = pending.pop(0)
            if place in self.codes:
                continue
            self.places.append(place)
            self.codes[place], self.sources[place] = set(), set()
            self._look(self._result(place), place)
            pending += self.sources[place]
        if len(self.places) > _MOST or len(self.arrays) > _MOST:
            raise UntoldError
        self.first = {p: self._begin(i, p) for i, p in enumerate(self.places)}
        self.inputs = {place: part.input(TensorType(INT64, ())) for place in self.places}
        numbers = [self._number(self._result(place)) for place in self.places]
        self.after = [self._canonical(i, numbers) for i in range(len(numbers))]
        self._spread()

    def _result(self, place: Place) -> Any:
        return self.carried[place[0]].results[place[1]]

    def before(self, place: Place) -> Any:
        """What a place has before the loop."""
        return self.carried[place[0]].leaves[place[1]]

    def _begin(self, i: int, place: Place) -> int:
        """The number of the i-th place before the loop; that of a variable without a value is never asked for."""
        return i if self.carried[place[0]].blank else self._around(self.before(place))

    def _around(self, x: Any) -> int:
        """The number of an array from around the loop."""
        root = identity(x, self.part.builder)
        if root is None or (root is not OUTSIDE and may_be_others(root) and not isinstance(root, Joined)):
            raise UntoldError
        if root is not OUTSIDE and id(root) not in self.part.around:
            raise UntoldError  # made in an iteration, of nothing that is computed there
        if isinstance(x, View):
            if places_of(x) is None:
                raise UntoldError
            x = moved(x, root, root)
        for k, y in enumerate(self.arrays):
            if one(x, y):
                return -1 - k
        self.arrays.append(x)
        return -len(self.arrays)

    def _look(self, x: Any, place: Place) -> None:
        """Note what a place may have, where it has `x` after an iteration."""
        if id(x) in self.entered:
            self.sources[place].add(self.entered[id(x)])
            return
        root = OUTSIDE if x is OUTSIDE else identity(x, self.part.builder)
        if root is OUTSIDE or (root is not None and id(root) not in self.entered and not self._inside(root)):
            if x is OUTSIDE:
                raise UntoldError
            self.known[id(x)] = self._around(x), x
            self.codes[place].add(self.known[id(x)][0])
            return
        if root is not x or (may_be_others(x) and not isinstance(x, Joined)):
            raise UntoldError
        if not isinstance(x, Joined):
            self._make(x, place)
            return
        every = list(x.sources())
        if x.excluded() or any([test is None for _, test, _ in every]):
            raise UntoldError
        if not x.closed:
            self._make(x, place)
        for _, _, y in every:
            self._look(y, place)

    def _make(self, x: Any, place: Place) -> None:
        if not any([x is y for y in self.made]):
            self.made.append(x)
        self.codes[place].add(_MOST + next(i for i, y in enumerate(self.made) if x is y))

    def _inside(self, root: Any) -> bool:
        return inside_of(root, self.part.builder)

    def _number(self, x: Any) -> Any:
        """A number that tells apart what `x` may be: one from around, one that a place has had, one of those made."""
        if id(x) in self.entered:
            return self.inputs[self.entered[id(x)]]
        if id(x) in self.known:
            return np.int64(self.known[id(x)][0])
        found: Any = next((np.int64(_MOST + i) for i, y in enumerate(self.made) if x is y), None)
        if isinstance(x, Joined):
            for _, test, y in x.sources():
                number = self._number(y)
                found = number if found is None else where(test, number, found)
        return found

    def _canonical(self, i: int, numbers: Sequence[Any]) -> Any:
        """The number of the first place that has what the i-th one has."""
        found: Any = np.int64(i)
        for j in reversed(range(i)):
            found = _choice(np.equal(numbers[j], numbers[i]), np.int64(j), found)
        return _choice(np.less(numbers[i], 0), numbers[i], found)

    def _spread(self) -> None:
        """Find what each place may have after any number of iterations."""
        for place in self.places:
            self.codes[place].add(self.first[place])
        size = 0
        while size < (size := sum(map(len, self.codes.values()))):
            for place in self.places:
                self.codes[place].update(*[self.codes[p] for p in self.sources[place]])

    def operands(self) -> list[Any]:
        """The numbers before the loop."""
        return [np.int64(self.first[place]) for place in self.places]

    def values(self) -> list[Value]:
        """The inputs of the body."""
        return [x.value for x in self.inputs.values()]

    def outputs(self) -> list[Any]:
        """The numbers after an iteration, as values of the body."""
        return [self.part.lifted(x, INT64) for x in self.after]

    def found(self, numbers: Sequence[Any], values: Mapping[Place, Any], lost: Mapping[int, Any]) -> dict[Place, Any]:
        """The arrays after the loop, by the numbers then, and by what the places then hold; those from around it that
        are `lost` have become others."""
        after = _After(self, numbers, values, lost)
        return {place: after.array(i, place) for i, place in enumerate(self.places) if place in values}

    def share(self, a: Place, b: Place) -> bool:
        """Whether two places may have one array that an iteration has made."""
        return any([code >= 0 for code in self.codes[a] & self.codes[b]])


class _After:
    """The arrays after a loop."""

    def __init__(
        self, told: Whereabouts, numbers: Sequence[Any], values: Mapping[Place, Any], lost: Mapping[int, Any]
    ) -> None:
        self.told, self.numbers, self.values = told, numbers, values
        self.lost = {-1 - k for k, x in enumerate(told.arrays) if id(origin_of(x)) in lost}
        self.made: dict[int, Any] = {}

    def array(self, i: int, place: Place) -> Any:
        """The array that a place has, the i-th one."""
        at, told = self.numbers[i], self.told
        if not isinstance(at, Tracer):
            return self._coded(int(at))
        made = [j for j in range(i + 1) if told.share(told.places[j], place)]
        codes = [*[code for code in told.codes[place] if code < 0], *made]
        around = [told.arrays[-1 - code] for code in codes if code < 0]
        found = standing(own(self.values[place]), [self.values[place], *around])
        sources = [(np.equal(at, code), self._coded(code)) for code in codes]
        new = Joined(found, [(t, OUTSIDE if identity(x, None) is OUTSIDE else x) for t, x in sources])
        new.closed, new.outside = True, watched(around)
        return new

    def _coded(self, code: int) -> Any:
        told = self.told
        if code not in self.made:
            if code >= 0:
                place = told.places[code]
                self.made[code] = own(self.values[place]) if place in self.values else told.before(place)
            else:
                self.made[code] = self._again(code) if code in self.lost else told.arrays[-1 - code]
        return self.made[code]

    def _again(self, code: int) -> Any:
        """What stands for an array that is lost, which some places may have."""
        found: Any = None
        for place, at in zip(self.told.places, self.numbers, strict=True):
            if code in self.told.codes[place] and place in self.values:
                value = own(self.values[place])
                found = value if found is None else _choice(np.equal(at, code), value, found)
        return own(found)


def tell(carried: Slots, part: StagedRegion, places: Collection[Place]) -> list[Whereabouts]:
    """What can be told of these places: of each, and of those with which it may have an array in common, together."""
    found: list[Whereabouts] = []
    for group in _groups(carried, places):
        try:
            found.append(Whereabouts(carried, part, group))
        except UntoldError:
            continue
    return found


def _groups(carried: Slots, places: Collection[Place]) -> list[list[Place]]:
    aliases = Aliases(carried)
    groups: list[tuple[set[int], list[Place]]] = []
    for place in [p for p in aliases.after if p in places]:
        x = carried[place[0]].inputs[place[1]]
        own = {id(x), *map(id, aliases.after[place])} - {id(OUTSIDE)}
        joined = [g for g in groups if not own.isdisjoint(g[0])]
        groups = [g for g in groups if own.isdisjoint(g[0])]
        groups.append((own.union(*[g[0] for g in joined]), [p for g in joined for p in g[1]] + [place]))
    return [group for _, group in groups]


def _choice(test: Any, yes: Any, no: Any) -> Any:
    return where(test, yes, no) if isinstance(test, Tracer) else yes if test else no

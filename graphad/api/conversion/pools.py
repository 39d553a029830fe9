"""Variables of a loop that have, after any iteration, one of the arrays from around it: which one is a number that the
loop carries, and the arrays stay where they are.

That is the general form of what a loop may do with arrays that it does not make; it costs a choice among all of them at
each reading and writing. Loops that can be told of otherwise are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from graphad import tree
from graphad.api.conversion.carried import Carried
from graphad.api.conversion.heap import UNSET
from graphad.api.conversion.items import identity, inside_of
from graphad.api.conversion.parts import StagedRegion, kind
from graphad.build import building
from graphad.errors import ControlFlowError
from graphad.numpy.layouts import standing
from graphad.numpy.views import OUTSIDE, Joined, own, where
from graphad.trace import Tracer

_MOST = 6
"""Arrays of which a variable may have any."""
Places = Mapping[tuple[int, Any], Carried]


class PooledSlot(Carried):
    """A slot that has one of some `arrays` from around the loop: what is carried is the position of that one. Where it
    has another one after all, `refusal` is raised; without one `after` is None, and it is carried as it was before."""

    def __init__(self, c: Carried, arrays: list[Any], refusal: ControlFlowError | None) -> None:
        super().__init__(c.slot, position(c.leaves[0], arrays))
        self.array = c.value
        self.arrays = arrays
        self.refusal = refusal

    def carried(self) -> Carried:
        """The slot as one of any arrays."""
        return Carried(self.slot, self.array)

    def enter(self, part: StagedRegion) -> list[Tracer | None]:
        self.leaves, self.treedef = tree.flatten(self.value)
        at = part.input(kind(self.value), self.slot.path)
        with building(part.builder):
            self.slot.container.write(self.slot.key, self._array(at))
        return [at]

    def read(self) -> Any:
        found = self.slot.read()
        at = found if found is UNSET else position(found, self.arrays)
        if at is None and self.refusal is not None:
            raise self.refusal
        return at

    def put(self, leaves: list[Any]) -> None:
        self.slot.container.write(self.slot.key, self._array(leaves[0]))

    def _array(self, at: Any) -> Joined:
        tests = [np.equal(at, i) for i in range(len(self.arrays))]
        found = own(self.arrays[0])
        for test, x in zip(tests[1:], self.arrays[1:], strict=True):
            found = where(test, own(x), found)
        new = Joined(standing(own(found), self.arrays), list(zip(tests, self.arrays, strict=True)), True)
        new.closed, new.chosen = True, (self.arrays, at)
        return new


def position(x: Any, arrays: list[Any]) -> Any:
    """Which one of some arrays a value is, None where it may be something else."""
    if isinstance(x, Joined) and x.chosen is not None and x.chosen[0] is arrays:
        return x.chosen[1]
    for i, y in enumerate(arrays):
        if x is y:
            return np.int64(i)
    found = None
    if isinstance(x, Joined) and x.closed:
        for _, test, y in x.sources():
            if isinstance(y, Joined) and y.closed:
                continue  # what it may be is among the sources
            at = next((i for i, z in enumerate(arrays) if z is y), None)
            if at is None:
                return None
            found = np.int64(at) if found is None else where(test, np.int64(at), found)
    return found


def pooled(
    carried: Places, part: StagedRegion, refusal: ControlFlowError | None,
    wanted: Collection[tuple[int, Any]] | None = None,
) -> dict[tuple[int, Any], PooledSlot]:
    """The slots that a loop may carry so, of those that it carries as arrays, which has been refused; of those that are
    `wanted`, if any of these can be."""
    inputs = {id(c.inputs[0]): key for key, c in carried.items() if len(c.inputs) == 1}
    found: dict[tuple[int, Any], tuple[list[Any], set[tuple[int, Any]]]] = {}
    for key, c in carried.items():
        if isinstance(c, PooledSlot) or c.value is UNSET or c.treedef != tree.LEAF or c.inputs[0] is None:
            continue
        before = _atoms(c.leaves[0], part, {})
        after = _atoms(c.results[0], part, inputs)
        if before is not None and after is not None:
            found[key] = [*before[0], *after[0]], after[1]
    while any([not sources <= found.keys() for _, sources in found.values()]):
        found = {key: f for key, f in found.items() if f[1] <= found.keys()}
    if wanted is not None and found.keys().isdisjoint(wanted):
        return {}
    pools: dict[Any, list[Any]] = {}
    for key, (arrays, _) in found.items():
        pool = pools.setdefault(kind(carried[key].leaves[0]), [])
        pool += [x for i, x in enumerate(arrays) if not _among(x, pool) and not _among(x, arrays[:i])]
    new = {}
    for key in found:
        c, pool = carried[key], pools[kind(carried[key].leaves[0])]
        if 1 < len(pool) <= _MOST:
            new[key] = PooledSlot(c, pool, refusal)
    return new


def unpooled(carried: Places) -> dict[tuple[int, Any], Carried]:
    """The slots as those of any arrays again, where one has another one after all."""
    chosen = {key: c for key, c in carried.items() if isinstance(c, PooledSlot) and c.refusal is None}
    return {key: c.carried() for key, c in chosen.items()} if any([c.after is None for c in chosen.values()]) else {}


def _among(x: Any, xs: Collection[Any]) -> bool:
    return any([x is y for y in xs])


def _atoms(x: Any, part: StagedRegion, inputs: Mapping[int, Any]) -> tuple[list[Any], set[Any]] | None:
    """The arrays from around a piece that a value may be, and the places whose array it may be; None where it may be
    something else."""
    if id(x) in inputs:
        return [], {inputs[id(x)]}
    root = identity(x, part.builder)
    if isinstance(x, Joined):
        if not x.closed:
            return None
        arrays: list[Any] = []
        places: set[Any] = set()
        for _, _, y in x.sources():
            if not (isinstance(y, Joined) and y.closed):
                found = _atoms(y, part, inputs) if y is not OUTSIDE else None
                if found is None:
                    return None
                arrays, places = [*arrays, *found[0]], places | found[1]
        return arrays, places
    if root is None or root is OUTSIDE or inside_of(root, part.builder):
        return None
    return [x], set()  # a buffer has become a traced array now

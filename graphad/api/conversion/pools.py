"""Variables of a loop that have, after any iteration, one of the arrays from around it, or a view of one: which one is
a number that the loop carries, and the arrays stay where they are.

Views are one where they see the same elements of one array, whenever they were made. That is the general form of what a
loop may do with arrays that it does not make; it costs a choice among all of them at each reading and writing. Loops
that can be told of otherwise are.
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
from graphad.graph import Value
from graphad.numpy.arguments import holds_tracer
from graphad.numpy.buffers import Buffer, root_of
from graphad.numpy.layouts import standing
from graphad.numpy.views import OUTSIDE, Joined, View, origin_of, own, read_only, repeated, where
from graphad.trace import Tracer

_MOST = 6
"""Arrays of which a variable may have any."""
Places = Mapping[tuple[int, Any], Carried]


class PooledSlot(Carried):
    """A slot that has one of some `arrays` from around the loop: what is carried is the position of that one. Where it
    has another one after all, `refusal` is raised; without one `after` is None, and it is carried as it was before."""

    def __init__(self, c: Carried, arrays: list[Any], refusal: ControlFlowError | None) -> None:
        super().__init__(c.slot, np.int64(0) if c.blank else position(c.leaves[0], arrays))
        self.array, self.blank = c.value, c.blank
        self.arrays = arrays
        self.refusal = refusal

    def carried(self) -> Carried:
        """The slot as one of any arrays."""
        found = Carried(self.slot, self.array)
        found.blank = self.blank
        return found

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

    def _array(self, at: Any) -> Any:
        if len(self.arrays) == 1:
            return self.arrays[0]
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
        if one(x, y):
            return np.int64(i)
    root, found = origin_of(x), None
    if root is not x and isinstance(root, Joined) and root.chosen is not None and places_of(x) is not None:
        for i, y in enumerate(root.chosen[0]):
            at = position(moved(x, root, y), arrays)
            if at is None:
                return None
            found = at if found is None else where(np.equal(root.chosen[1], i), at, found)
    every = list(x.sources()) if isinstance(x, Joined) else ()
    if every and x.closed:
        for _, test, y in every:
            if isinstance(y, Joined) and y.closed:
                continue  # what it may be is among the sources
            at = position(y, arrays)
            if at is None:
                return None
            found = at if found is None else where(test, at, found)
    return found


def one(x: Any, y: Any) -> bool:
    """Whether two arrays are one: the very same, or views of the same elements of one."""
    if x is y:
        return True
    if not (isinstance(x, View) and isinstance(y, View) and x.type == y.type and origin_of(x) is origin_of(y)):
        return False
    places, others = places_of(x), places_of(y)
    known = places is not None and others is not None and np.array_equal(places, others)
    return known and _barred(x) == _barred(y)


def places_of(x: View) -> Any:
    """The positions of a view's elements in what it is a view of in the end, None where they are traced. In complex
    arrays real and imaginary parts have positions of their own."""
    chain, root = _chain(x)
    found = np.arange(root.size).reshape(root.shape)
    if root.dtype.kind == "c":
        found = found + 1j * (found + root.size)
    for v in chain:
        if holds_tracer(v.key if isinstance(v.key, tuple) else (v.key,)):
            return None
        found = v.forth(found)
    return found if isinstance(found, np.ndarray) and not isinstance(found, Tracer) else None


def _barred(x: View) -> set[Any]:
    """Why nothing is written to a view, if nothing is."""
    return {v.back for v in _chain(x)[0] if v.back in (read_only, repeated)}


def _chain(x: Any) -> tuple[list[View], Any]:
    """The views, from the first one on, that lead from an array to a view of it, and that array."""
    chain: list[View] = []
    while isinstance(x, View):
        chain.insert(0, x)
        x = x.origin
    return chain, x


def moved(x: View, root: Any, y: Any) -> Any:
    """The view that is of an array what another one, of static positions, is of `root`; it is read when it is used."""
    found = y
    for v in _chain(x)[0]:
        new = View(own(v), found, v.forth, v.back, v.shadow, v.key)
        new.like, new._seen = v.like, None
        new._found = y.builder, Value(v.type)
        found = new
    return found


def pooled(
    carried: Places, part: StagedRegion, refusal: ControlFlowError | None,
    wanted: Collection[tuple[int, Any]] | None = None,
) -> dict[tuple[int, Any], PooledSlot]:
    """The slots that a loop may carry so, of those that it carries as arrays, which has been refused; of those that are
    `wanted`, if any of these can be."""
    if wanted is not None and not wanted:
        return {}
    inputs = {id(c.inputs[0]): key for key, c in carried.items() if len(c.inputs) == 1}
    found: dict[tuple[int, Any], Atoms] = {}
    for key, c in carried.items():
        if isinstance(c, PooledSlot) or c.value is UNSET or c.treedef != tree.LEAF or c.inputs[0] is None:
            continue
        atoms = Atoms(part)
        if (c.blank or atoms.take(c.leaves[0], {})) and atoms.take(c.results[0], inputs):
            found[key] = atoms
    while any([not atoms.places() <= found.keys() for atoms in found.values()]):
        found = {key: atoms for key, atoms in found.items() if atoms.places() <= found.keys()}
    if wanted is not None and found.keys().isdisjoint(wanted):
        return {}
    pools: dict[Any, list[Any]] = {kind(carried[key].inputs[0]): [] for key in found}
    for key, atoms in found.items():
        _add(atoms.arrays, pools[kind(carried[key].inputs[0])])
    size = 0
    while size < (size := sum(map(len, pools.values()))) <= _MOST * len(pools):
        for key, atoms in found.items():
            for x, root, place in atoms.views:
                views = [moved(x, root, y) for y in pools[kind(carried[place].inputs[0])]]
                _add(views, pools[kind(carried[key].inputs[0])])
    new = {}
    for key in found:
        c, pool = carried[key], pools[kind(carried[key].inputs[0])]
        if len(pool) <= _MOST and (len(pool) > 1 or c.blank or isinstance(pool[0], View)):
            new[key] = PooledSlot(c, pool, refusal)
    return new


def viewing(carried: Places, places: Collection[tuple[tuple[int, Any], int]]) -> set[tuple[int, Any]]:
    """The slots, among those of some places, that have views there, of what others may have as well."""
    pairs = [(key, x) for key, i in places for x in (carried[key].leaves[i], carried[key].results[i])]
    return {key for key, x in pairs if isinstance(x, View) or (isinstance(x, Buffer) and root_of(x) is not x)}


def unpooled(carried: Places) -> dict[tuple[int, Any], Carried]:
    """The slots as those of any arrays again, where one has another one after all."""
    chosen = {key: c for key, c in carried.items() if isinstance(c, PooledSlot) and c.refusal is None}
    return {key: c.carried() for key, c in chosen.items()} if any([c.after is None for c in chosen.values()]) else {}


def _add(arrays: Collection[Any], pool: list[Any]) -> None:
    for x in arrays:
        if not any([one(x, y) for y in pool]):
            pool.append(x)


class Atoms:
    """What a slot may have: `arrays` from around a piece, and what other slots had before it: those at `same` places,
    and `views` of those at others."""

    def __init__(self, part: StagedRegion) -> None:
        self.builder = part.builder
        self.arrays: list[Any] = []
        self.same: set[Any] = set()
        self.views: list[tuple[View, Any, Any]] = []

    def places(self) -> set[Any]:
        return self.same | {place for _, _, place in self.views}

    def take(self, x: Any, inputs: Mapping[int, Any]) -> bool:
        """Take up what a value may be; False where it may be something else."""
        if id(x) in inputs:
            self.same.add(inputs[id(x)])
            return True
        root = identity(x, self.builder)
        if isinstance(x, View):
            if places_of(x) is None:
                return False
            if id(root) in inputs:
                self.views.append((x, root, inputs[id(root)]))
                return True
        if isinstance(x, Joined):
            every = [y for _, _, y in x.sources() if not (isinstance(y, Joined) and y.closed)]
            return x.closed and all([y is not OUTSIDE and self.take(y, inputs) for y in every])
        if root is None or root is OUTSIDE or inside_of(root, self.builder):
            return False
        self.arrays.append(moved(x, root, root))  # a buffer has become a traced array now
        return True

"""What goes from one iteration of a loop to the next: found by tracing the body until its types repeat.

That are variables, attributes and entries which the body binds anew, and arrays that it changes in place, by whatever
way it reaches them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import compress
from typing import Any, NamedTuple

import numpy as np

from graphad import tree
from graphad.api.conversion.aliases import LOST, Aliases, Place, arrays_of
from graphad.api.conversion.carried import Carried, Changed, array, values
from graphad.api.conversion.growth import Growths, MoreItemsError
from graphad.api.conversion.heap import UNSET, Heap, Slot
from graphad.api.conversion.items import identity
from graphad.api.conversion.parts import (
    StagedRegion,
    common,
    describe,
    is_number,
    is_weak,
    kind,
    placeholder,
    quoted,
    same,
    truth,
    type_blank,
)
from graphad.api.conversion.peers import Rounds, holders, settle
from graphad.api.conversion.pools import pooled, unpooled, viewing
from graphad.api.conversion.scope import stored
from graphad.api.conversion.structure import check_unchanged, flatten
from graphad.api.conversion.whereabouts import Whereabouts, tell
from graphad.build import building
from graphad.errors import ControlFlowError
from graphad.graph import Value
from graphad.location import place as here
from graphad.numpy.buffers import Buffer
from graphad.numpy.layouts import packed
from graphad.numpy.views import OUTSIDE, Lost, candidates, follows, lose, own
from graphad.ops.elementwise import cast
from graphad.trace import Tracer
from graphad.types import TensorType

_ROUNDS = 16


class LoopVariables(NamedTuple):
    """Variables of a loop: those that are not read after it, and those whose arrays its body changes in place."""

    dead: Sequence[str] = ()
    written: Sequence[str] = ()


class StagedLoop:
    """A loop of the user's code on its way into the graph."""

    def __init__(self, functions: Sequence[Callable[..., Any]], names: LoopVariables, what: str) -> None:
        self.heap = Heap(functions)
        self.heap.check_iterators()
        self.dead, written = names
        self.what = what
        self.carried: dict[tuple[int, Any], Carried] = {}
        self.changed: dict[int, Changed] = {}
        self.lost: dict[int, Tracer] = {}
        self.kept: set[tuple[int, Any]] = set()
        self.shared: dict[Place, list[Any]] = {}
        self.alone: set[Place] = set()
        self.told: list[Whereabouts] = []
        self.lists = Growths()
        self.pools, self.rounds, self.begins = True, Rounds(), False
        self.filled: set[str] = set()
        holders.add(self)
        bound = {name for f in functions for name in stored(f.__code__)} | set(written)
        for container in self.heap.containers.values():
            slot = Slot(container, None)
            if slot.path not in bound or type(container).__name__ != "Cell":
                continue
            before = slot.before
            kept = isinstance(before, Buffer) or (isinstance(before, Tracer) and (before.shape or before.boxed))
            if kept and slot.path in written:
                array = identity(before, None)
                array.__dict__.setdefault("label", slot.path)
                self.changed[id(array)] = Changed(array)
            elif slot.path not in self.dead and type(before) is not list:  # `v += [x]` leaves it the same list
                self.carried[slot.identity] = Carried(slot, before)

    def settle(
        self, step: Callable[[list[Any]], None], entries: Sequence[TensorType], counts: Sequence[bool] = ()
    ) -> tuple[StagedRegion, list[Tracer]]:
        """The traced body, whose carries come out as they went in, and its inputs for the entries."""
        around = self.heap.arrays()
        try:
            for _ in range(_ROUNDS):
                part = StagedRegion("loop")
                part.builder.filled = self.filled
                part.around = around
                rows = [part.input(t) for t in entries]
                for a, value in zip(self.changed.values(), self._enter(part), strict=True):
                    a.input = a.after = value
                for c in self.carried.values():
                    c.inputs = c.enter(part)
                    c.entered = values(c.inputs)
                self.rounds.enter(part.builder.peers, self.carried)
                settle(part.builder)
                self.lists.enter([x.value for x in compress(rows, counts)])
                try:
                    part.run(lambda rows=rows: step(list(rows)), f"in {self.what}")  # type: ignore[misc]
                except MoreItemsError as more:
                    self.follow(more)
                    continue
                self.lists.leave()
                for c in self.carried.values():
                    c.after = c.read()
                others = unpooled(self.carried)
                if others:
                    self.carried, self.pools = {**self.carried, **others}, False
                    self.heap.restore()
                    continue
                again = self.rounds.learn(self.carried, self.heap.seen)
                again = self._left(part) | self._extra() | self.lists.take_up(self.heap, self.what) | again
                self.heap.restore()
                if not again and self._agree():
                    try:
                        if not self._told(part):
                            continue
                        new = pooled(self.carried, part, None, {key for key, _ in self.shared} if self.pools else set())
                        if not new:
                            # Which items of lists may be one of these arrays is not told.
                            places = set() if self._stacks() else {*self.shared, *self.alone}
                            self.told = tell(self.carried, part, places)
                            return part, rows
                    except ControlFlowError as error:
                        new = pooled(self.carried, part, error)
                        if not new:
                            raise
                    self.carried, self.lost = {**self.carried, **new}, {}
        except BaseException:
            self.lists.free()
            self.heap.restore()
            raise
        raise ControlFlowError(
            f"the types of what {self.what} carries do not settle{here()}; give them before the loop"
        )

    def _told(self, part: StagedRegion) -> bool:
        """Whether it is known what shares an array after an iteration, with nothing more to take up or out."""
        aliases = Aliases(self.carried)
        if (aliases.written or self.changed) and self._apart(aliases.written):
            return False
        losing = [(key, i) for key, i in aliases.written if key in self.carried]
        new = pooled(self.carried, part, None, viewing(self.carried, losing)) if self.pools and losing else {}
        if new or self._lose(losing):
            self.carried, self.lost = {**self.carried, **new}, {} if new else self.lost
            return False
        self.shared, self.alone = aliases.check(part, self.changes, self.what), aliases.alone
        if self.lists:
            self._keep(part, aliases)
        if not self.begins:
            self.alone |= {place for place in aliases.sources if self._may_stay(*place)}
        return True

    def follow(self, more: MoreItemsError) -> None:
        """Begin again with more of the last items of a list carried. Raises the error where the list is that of a loop
        around this one."""
        if more.growth not in self.lists:
            raise more
        self.lists.free()
        self.heap.restore()
        self.carried = {place: c for place, c in self.carried.items() if c.slot.container is not more.growth.tail}
        for slot in more.growth.follow(more.count):
            self.carried[slot.identity] = Carried(slot, slot.before)

    def _may_stay(self, key: tuple[int, Any], i: int) -> bool:
        """Whether something else knows the array that a variable has where no iteration gives it another one."""
        c = self.carried[key]
        return (key, i) not in self.shared and not c.blank and identity(c.leaves[i], None) is not None

    def _keep(self, part: StagedRegion, aliases: Aliases) -> None:
        """Let nothing be written to what variables and lists have in common."""
        places = {id(x): (key, i) for key, c in self.carried.items() for i, x in enumerate(c.inputs) if x is not None}
        steady = {x for x, place in places.items() if place not in aliases.written}
        for g in self.lists:
            g.check(part, steady, {id(x) for place in aliases.written for x in aliases.after.get(place, ())})
        if self._stacks():
            for place in places.values():
                c, i = self.carried[place[0]], place[1]
                if kind(c.leaves[i]).shape and c.results[i] is not c.inputs[i]:
                    self.shared.setdefault(place, []).append(identity(c.leaves[i], None))

    def _stacks(self) -> bool:
        """Whether an iteration appends arrays to a list."""
        return any([kind(x).shape for x in self.lists.leaves()])

    def _enter(self, part: StagedRegion) -> list[Value]:
        """Let arrays that the loop changes be inputs of a piece, and let those be lost that it may have changed."""
        with building(part.builder):
            for x in self.lost.values():
                lose(x, LOST.format(self.what))
            return [a.enter(part) for a in self.changed.values()]  # one may follow another, within the piece

    def _left(self, part: StagedRegion) -> bool:
        """Take up the arrays from around the loop that an iteration changed."""
        again, self.kept = False, set()
        for x, value in part.changed:
            if id(x) in self.changed:
                self.changed[id(x)].after = value
            elif not isinstance(value, Lost):
                self.changed[id(x)], again = Changed(x), True
            elif id(x) not in self.lost:
                self.lost[id(x)], again = x, True
        for place, c in list(self.carried.items()):
            written = [i for i in range(len(c.inputs)) if c.written(i)]
            if c.value is UNSET or not written:
                continue
            after = flatten(c.after, c.held)[0] if c.after is not UNSET else []
            if len(after) == len(c.leaves) and all([after[i] is c.inputs[i] for i in written]):
                kept = [i for i in written if identity(c.leaves[i], None) is not None]
                if len(kept) == len(written) and all([after[i] is x for i, x in enumerate(c.inputs) if x is not None]):
                    # The variable has the same array in all iterations, which then changes however it is reached.
                    del self.carried[place]
                    self.kept.add(place)
                    again = True
        return again

    def _apart(self, written: Collection[Place]) -> bool:
        """Take variables out that have all the time an array which the loop changes otherwise. Raises
        `ControlFlowError` for those that have it before the loop and others later, and for two of one array."""
        begun: dict[int, list[Place]] = {}
        for place, c in self.carried.items():
            for i, x in enumerate(c.inputs):
                for y in arrays_of(c.leaves[i]) if x is not None else ():
                    begun.setdefault(id(y), []).append((place, i))
        for places in begun.values():
            if len(places) > 1 and any([p in written for p in places]):
                names = " and ".join(dict.fromkeys(quoted(self.carried[p[0]].slot.path) for p in places))
                raise ControlFlowError(
                    f"{names} have one array before {self.what}, which changes it{here()} and gives them others; give "
                    "one of them a copy (x.copy())"
                )
        for place, c in list(self.carried.items()):
            given = [i for i, x in enumerate(c.inputs) if x is not None]
            found = [i for i in given if any(map(self.changes, arrays_of(c.leaves[i])))]
            if found and all([c.results[i] is x for i, x in enumerate(c.inputs) if x is not None]):
                del self.carried[place]
            elif found:
                raise ControlFlowError(
                    f"{quoted(c.slot.path)} has an array before {self.what} that it changes{here()}, and another one "
                    "later; give it a copy (x.copy())"
                )
            if found:
                return True
        return False

    def holding(self, x: Any) -> int:
        """How often an object is what a slot had before the loop, or after an iteration."""
        return sum([(c.value is x) + (c.after is x) for c in self.carried.values()]) + self.rounds.holding(x)

    def changes(self, x: Any) -> bool:
        """Whether an iteration changes an array from around the loop."""
        return id(x) in self.changed and self.changed[id(x)].varies

    def assigns(self, containers: Sequence[Any]) -> bool:
        """Whether an iteration gives entries to one of these."""
        return any([c.slot.container.target is x for c in self.carried.values() for x in containers])

    def _lose(self, places: Sequence[Place]) -> bool:
        """Let the arrays be lost that variables had before the loop and that an iteration may write to, once these have
        others."""
        again = False
        for key, i in places:
            c = self.carried[key]
            array = identity(c.leaves[i], None)
            if array is OUTSIDE:
                raise ControlFlowError(
                    f"{quoted(c.slot.path)} is an array from outside of the traced function that {self.what} "
                    f"changes{here()}; make a copy of it before (numpy.array(x))"
                )
            for x in [y for y in candidates(array) if isinstance(y, Tracer) and id(y) not in self.lost]:
                self.lost[id(x)], again = x, True
        return again

    def _extra(self) -> bool:
        """Take up what an iteration changed beyond the variables that it assigns."""
        changes = list(self.heap.changes())
        changed = {id(s.container.target) for s in changes}
        for c in self.carried.values():
            check_unchanged(c.after, changed, c.held)
        new = [s for s in changes if s.identity not in self.carried and s.identity not in self.kept]
        found = [s for s in new if s.key is not None or s.container.path not in self.dead]
        for slot in found:
            self.carried[slot.identity] = Carried(slot, slot.before)
        return bool(found)

    def _agree(self) -> bool:
        """Whether all types repeat; where they do not, the values before the loop are changed so that they may."""
        settled = True
        for place, c in list(self.carried.items()):
            if c.value is UNSET:
                if c.after is UNSET:
                    del self.carried[place]
                elif c.slot.key is not None:  # `in` and `hasattr` take one answer for all iterations
                    raise self._error(c.slot.path, UNSET, describe(c.after), "give it a value before the loop")
                else:
                    c.value, c.blank, settled = placeholder(c.after), True, False
                continue
            if c.after is UNSET:
                raise self._error(c.slot.path, c.value, "deleted", "keep it")
            found, treedef = flatten(c.after, c.held)
            if c.differs(found, treedef):
                settled = False
                continue
            if treedef != c.treedef:
                remedy = "give it a value of the same structure before the loop, dicts with keys in the same order"
                raise self._error(c.slot.path, c.value, describe(c.after), remedy)
            paths = tree.paths_of(treedef, c.slot.path)
            leaves = [self._leaf(*four) for four in zip(paths, c.leaves, c.inputs, found, strict=True)]
            if any(new is not old for new, old in zip(leaves, c.leaves, strict=True)):
                c.value, settled = tree.unflatten(treedef, leaves), False
            unlike = c.unlike | {i for i, x in enumerate(c.inputs) if x is not None and packed(found[i]) != x.layout}
            c.unlike, settled = unlike, settled and unlike == c.unlike
            c.results = found
        return settled

    def _leaf(self, path: str, before: Any, taken: Tracer | None, after: Any) -> Any:
        """The value before the loop, cast where an iteration promotes it."""
        if taken is None:
            if not same(before, after):
                remedy = "give it a number or an array of that type before the loop"
                raise self._error(path, before, describe(after), remedy)
            return before
        if after is taken:
            return before
        if not is_number(after):
            raise self._error(path, before, describe(after), "only numbers and arrays can change in such a loop")
        if type(after) is Tracer and after.type == taken.type and after.weak == taken.weak:
            return before
        if kind(after).shape != taken.shape:
            raise self._error(path, before, describe(after), "give it the same shape before the loop")
        found = common([taken, after])
        if found is None:
            raise self._error(path, before, describe(after), "give it the same dtype before the loop (astype)")
        dtype, weak = found
        if dtype == taken.dtype:
            return before
        if isinstance(before, Tracer):
            return cast(before, dtype)
        return type(type_blank(TensorType(dtype)))(before) if weak else np.asarray(before, dtype)[()]

    def _error(self, path: str, before: Any, after: str, remedy: str) -> ControlFlowError:
        return ControlFlowError(
            f"{quoted(path)} is {describe(before)} before {self.what} and {after} after an iteration{here()}; {remedy}"
        )

    def tested(self, test: Callable[[], Any]) -> StagedRegion | None:
        """The traced condition of a while loop; `None` if it changes what the loop carries."""
        part = StagedRegion("test")
        part.builder.filled = self.filled
        try:
            arrays = self._enter(part)
            inputs = [values(c.enter(part)) for c in self.carried.values()]
            entered = [c.slot.read() for c in self.carried.values()]
            self.lists.enter()
            value = part.run(lambda: truth(test(), self.what), f"in the test of {self.what}")
            value = False if part.raised else value
            if any([g.leave() for g in self.lists]):
                raise ControlFlowError(f"the test of {self.what} appends to a list{here()}; let its body do that")
            changed = [c.slot.read() is not x for c, x in zip(self.carried.values(), entered, strict=True)]
            known = {c.slot.identity for c in self.carried.values()}
            extra = any(s.identity not in known for s in self.heap.changes())
            # What may be other arrays follows these where it is read; what is written to it, they have too.
            stored = any([not isinstance(v, Lost) and v not in arrays and not follows(x) for x, v in part.changed])
        finally:
            self.lists.free()
            self.heap.restore()
        if any(changed) or extra or stored:
            return None
        unread = [part.builder.input(x.type) for told in self.told for x in told.values()]
        self._order(part, inputs, arrays, [], unread)
        part.finish([part.lifted(value, np.dtype(bool))])
        return part

    def close(self, part: StagedRegion, rows: Sequence[Tracer]) -> None:
        """Give the traced body its results: the carries after an iteration."""
        outputs = [
            part.lifted(c.results[i], c.inputs[i].dtype)  # type: ignore[union-attr]
            for c in self.carried.values()
            for i in c.varying()
        ]
        outputs += [a.after for a in self.changed.values() if a.varies]
        outputs += [x for told in self.told for x in told.outputs()]
        outputs += [part.lifted(x, kind(x).dtype) for x in self.lists.leaves()]
        entered = [c.entered for c in self.carried.values()]
        numbers = [x for told in self.told for x in told.values()]
        self._order(part, entered, [a.input for a in self.changed.values()], values(rows), numbers)
        part.finish(outputs)

    def _order(
        self,
        part: StagedRegion,
        inputs: Sequence[Sequence[Value | None]],
        arrays: Sequence[Value | None],
        rows: Sequence[Value | None],
        numbers: Sequence[Value],
    ) -> None:
        every = list(zip(self.carried.values(), inputs, strict=True))
        changed = list(zip(self.changed.values(), arrays, strict=True))
        fixed = [xs[i] for c, xs in every for i in c.constant()] + [x for a, x in changed if not a.varies]
        moving = [xs[i] for c, xs in every for i in c.varying()] + [x for a, x in changed if a.varies]
        part.builder.inputs = [v for v in (*fixed, *moving, *numbers, *rows) if v is not None]

    def operands(self) -> tuple[list[Any], list[Any]]:
        """The values before the loop: of the leaves that stay, and of those that vary."""
        fixed = [array(c.leaves[i], c.inputs[i]) for c in self.carried.values() for i in c.constant()]
        moving = [array(c.leaves[i], c.inputs[i]) for c in self.carried.values() for i in c.varying()]
        fixed += [own(a.x) for a in self.changed.values() if not a.varies]
        moving += [own(a.x) for a in self.changed.values() if a.varies]
        return fixed, [*moving, *[x for told in self.told for x in told.operands()]]

    def numbers(self) -> dict[int, type]:
        """The positions, among what varies, of Python's own numbers, and their types."""
        leaves = [(c.leaves[i], c.results[i]) for c in self.carried.values() for i in c.varying()]
        kinds = {j: type(x) for j, (x, new) in enumerate(leaves) if type(x) is bool or (is_weak(x) and is_weak(new))}
        start = len(leaves) + sum([a.varies for a in self.changed.values()])
        places = range(start, start + sum([len(told.places) for told in self.told]))
        return {**{j: k for j, k in kinds.items() if k in (bool, int, float, complex)}, **dict.fromkeys(places, int)}

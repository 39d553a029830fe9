"""Branches at run time: plain Python where the test is known, a `cond` of the graph where it is traced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad import tree
from graphad.api.control import all_captures
from graphad.api.conversion import ledger
from graphad.api.conversion.choices import Choices
from graphad.api.conversion.constructors import under_construction
from graphad.api.conversion.heap import UNSET, Entries, Heap, Slot
from graphad.api.conversion.items import watched
from graphad.api.conversion.jumps import RAISED, RETURNED
from graphad.api.conversion.parts import (
    StagedRegion,
    common,
    describe,
    is_number,
    kind,
    placeholder,
    quoted,
    same,
    truth,
)
from graphad.api.conversion.peers import meet, peers_of, settle
from graphad.api.conversion.scope import generated
from graphad.api.conversion.structure import check_unchanged, flatten_alike
from graphad.build import current_builder
from graphad.errors import ControlFlowError
from graphad.graph import Graph
from graphad.location import place
from graphad.numpy.layouts import standing
from graphad.numpy.views import Joined, Lost, lose, write
from graphad.ops.regions.cond import Cond
from graphad.trace import Tracer, apply, innermost

Thunk = Callable[[], Any]


def if_(test: Any, then: Thunk, orelse: Thunk | None, dead: Sequence[str]) -> None:
    """`if test: then() else: orelse()`; the variables `dead` are not read afterwards."""
    test = truth(test, "the if")
    if not isinstance(test, Tracer):
        if test:
            then()
        elif orelse is not None:
            orelse()
        return
    select(test, [orelse or _nothing, then], dead, "the if", ["after the else branch", "after the if branch"])


def choose(test: Any, then: Thunk, orelse: Thunk) -> Any:
    """`then() if test else orelse()`."""
    test = truth(test, "the conditional expression")
    if not isinstance(test, Tracer):
        return then() if test else orelse()
    return select(test, [orelse, then], (), "the conditional expression", ["where it is false", "where it is true"])


def _nothing() -> None:
    pass


def select(
    test: Tracer, bodies: Sequence[Thunk], dead: Sequence[str], what: str, titles: Sequence[str], truths: bool = False
) -> Any:
    """The value of `bodies[test]()`, and its effects on variables, attributes and entries."""
    found = _selected(test, bodies, dead, what, titles, truths)
    settle(current_builder())
    return found


def _selected(
    test: Tracer, bodies: Sequence[Thunk], dead: Sequence[str], what: str, titles: Sequence[str], truths: bool
) -> Any:
    heap = Heap(bodies)
    heap.check_iterators()
    parts: list[StagedRegion] = []
    changed_by: dict[int, set[int]] = {}
    outcomes: list[dict[tuple[int, Any], Any]] = []
    values: list[Any] = []
    slots: dict[tuple[int, Any], Slot] = {}
    orders: list[dict[int, list[Any]]] = []
    # What raises is mostly the block behind the test; the other one then simply follows.
    for i, (body, title) in reversed(list(enumerate(zip(bodies, titles, strict=True)))):
        part = StagedRegion("branch")
        value = part.run(body, f"in a branch of {what}")
        if part.raised:
            heap.restore()
            _stop(test if i else np.logical_not(test), part)
            rest = bodies[1 - i]()
            return truth(rest, what) if truths else rest
        resized = heap.resized()
        if resized is not None:
            word = type(resized.target).__name__
            heap.restore()
            raise ControlFlowError(
                f"the {word} {quoted(resized.path)} has another length {title} of {what}{place()}, and the branch may "
                "not run; let both branches compute a value and append it afterwards, or use an array with "
                "numpy.where"
            )
        outcome = {}
        changes = list(heap.changes())
        changed_by[i] = {id(slot.container.target) for slot in changes}
        for slot in changes:
            if slot.key is None and slot.container.path in dead:
                continue
            slots[slot.identity] = slot
            outcome[slot.identity] = slot.read()
        orders.insert(0, heap.orders())
        heap.restore()
        parts.insert(0, part)
        outcomes.insert(0, outcome)
        values.insert(0, truth(value, what) if truths else value)
    merge = _Merge(parts, what, titles, changed_by)
    merge.check_members(slots, outcomes)
    reordered = merge.order(heap, orders)
    result = merge.add(values, "the value")
    order = sorted(slots.values(), key=lambda s: generated(s.path) and s.path != RETURNED)
    # What an operand of `and` assigns is read where the whole is true, as far as Python itself would allow.
    jumped = [truths or _jumped(outcome, slots) for outcome in outcomes]
    written = [
        (slot, merge.add([o.get(slot.identity, slot.before) for o in outcomes], slot.path, jumped)) for slot in order
    ]
    arrays = merge.changed()
    results = merge.finish(test)
    for x, made in arrays:
        write(x, made(results))
    for part in parts:
        for x, value in part.changed:
            if isinstance(value, Lost):
                lose(x, str(value.name))
    for slot, made in written:
        slot.container.write(slot.key, made(results))
    for entries, keys in reordered:
        entries.arrange(keys)
    found = result(results)
    columns = [([o.get(s.identity, s.before) for o in outcomes], s.read()) for s in order]
    meet(peers_of(), [*columns, (values, found)])
    merge.makers.clear()  # what only a branch had is held no longer
    merge.containers.clear()
    return found


def _stop(test: Any, part: StagedRegion) -> None:
    """Record that where the test holds the program ends in a piece that raises."""
    *before, last = part.builder.nodes
    part.finish([])
    if not before:
        outside = dict(zip(part.graph.inputs, part.captures, strict=True))
        builder = innermost([test])
        assert builder is not None
        kept, builder.where = builder.where, last.where
        apply(last.op, [np.logical_not(test), *[outside.get(v, v) for v in last.inputs[1:]]])
        builder.where = kept
        return
    empty = Graph(part.graph.inputs, (), (), "branch")
    apply(Cond((empty, part.graph)), [test, *part.captures])


def _jumped(outcome: dict[tuple[int, Any], Any], slots: dict[tuple[int, Any], Slot]) -> bool:
    """Whether a branch always leaves what stands around it, so that what it did not assign is not read."""
    return any(x is True and generated(slots[i].path) for i, x in outcome.items())


def _raised(outcome: dict[tuple[int, Any], Any], slots: dict[tuple[int, Any], Slot]) -> bool:
    """Whether a branch always raises for the handlers around the call of the running function."""
    return any(x is True and slots[i].path == RAISED for i, x in outcome.items())


class _Merge:
    """Values that differ between branches, as results of one `cond`."""

    def __init__(
        self, parts: Sequence[StagedRegion], what: str, titles: Sequence[str], changed_by: dict[int, set[int]]
    ) -> None:
        self.parts = parts
        self.changed_by = changed_by  # the identities of the containers that each branch changes
        self.what = what
        self.titles = titles
        self.outputs: list[list[Any]] = [[] for _ in parts]
        self.weak: list[bool] = []
        self.columns: list[Sequence[Any]] = []
        self.makers: dict[tuple[int, ...], Callable[[list[Any]], Any]] = {}
        self.containers: dict[tuple[int, ...], Callable[[list[Any]], Any]] = {}
        self.choices = Choices(parts)

    def check_members(self, slots: dict[tuple[int, Any], Slot], outcomes: Sequence[dict[tuple[int, Any], Any]]) -> None:
        """Raise `ControlFlowError` for an attribute or an entry that is there after one branch only: `in`, `hasattr`,
        `get` and `len` would take one answer for all values."""
        for slot in slots.values():
            values = [o.get(slot.identity, slot.before) for o in outcomes]
            if slot.key is None or sum([v is UNSET for v in values]) in (0, len(values)):
                continue
            # An object whose `__init__` raises is nobody's.
            lacking = [o for v, o in zip(values, outcomes, strict=True) if v is UNSET]
            if not (all([_raised(o, slots) for o in lacking]) and under_construction(slot.container.target)):
                raise self.error(slot.path, values, "give it a value in both, or before")

    def order(self, heap: Heap, orders: Sequence[dict[int, list[Any]]]) -> list[tuple[Entries, list[Any]]]:
        """The dicts whose entries come in another order after all branches, and that order."""
        found = []
        for at in {at: None for by_dict in orders for at in by_dict}:
            entries: Any = heap.containers[at]
            keys = [by_dict.get(at, list(entries.saved)) for by_dict in orders]
            if any([k != keys[0] for k in keys]):
                raise ControlFlowError(
                    f"the dict {quoted(entries.path)} has its entries in another order {self.titles[0]} than "
                    f"{self.titles[1]} of {self.what}{place()}; make them in the same order in both, or before"
                )
            found.append((entries, keys[0]))
        return found

    def add(self, values: Sequence[Any], path: str, jumped: Sequence[bool] | None = None) -> Callable[[list[Any]], Any]:
        """Take up one value of each branch; gives what makes the merged value of the cond's results."""
        first = values[0]
        if all([v is first for v in values]):
            return lambda results: first
        if any([v is UNSET for v in values]):
            given = next(v for v in values if v is not UNSET)
            free = generated(path) or all(
                [v is not UNSET or j for v, j in zip(values, jumped or [False] * len(values), strict=True)]
            )
            if not free:
                return lambda results: UNSET
            builder = current_builder()
            if builder is not None and builder.filled is not None:
                builder.filled.add(path)
            values = [placeholder(given) if v is UNSET else v for v in values]
        key = tuple(map(id, values))
        if key in self.containers:
            return self.containers[key]  # the same one in every branch is one afterwards
        for i, v in enumerate(values):
            check_unchanged(v, self.changed_by.get(i, ()))
        flat = flatten_alike(values)
        treedef = flat[0][1]
        if any([f[1] != treedef for f in flat]):
            raise self.error(path, values, "give it the same structure in both, dicts with keys in the same order")
        paths = tree.paths_of(treedef, path)
        makers = [
            self._leaf(column, p) for column, p in zip(zip(*[f[0] for f in flat], strict=True), paths, strict=True)
        ]
        if treedef == tree.LEAF:
            return makers[0]
        made: list[Any] = []

        def container(results: list[Any]) -> Any:
            if not made:
                new = tree.unflatten(treedef, [m(results) for m in makers])
                made.append(ledger.made(new, values))
            return made[0]

        self.containers[key] = container
        return container

    def _leaf(self, column: Sequence[Any], path: str) -> Callable[[list[Any]], Any]:
        first = column[0]
        if all([same(x, first) for x in column]):
            return lambda results: first
        if not all(map(is_number, column)):
            raise self.error(path, column, "only numbers and arrays can depend on a traced test; use one value in both")
        if len({kind(x).shape for x in column}) > 1:
            raise self.error(path, column, "give it the same shape in both")
        found = common(column)
        if found is None:
            raise self.error(path, column, "give it the same dtype in both (astype, or a float constant)")
        key = tuple(map(id, column))
        if key in self.makers:
            return self.makers[key]  # the same array in every branch is one array afterwards
        at = self._output(column, *found)
        choices = self.choices.of(column, at, self._output)
        if not any(choices):
            return lambda results: results[at]
        made: list[Any] = []

        def maker(results: list[Any]) -> Any:
            if not made:
                tests = [np.logical_not(self.test), self.test]
                made.append(self.choices.joined(results, at, tests, choices))
                if isinstance(made[0], Joined):
                    made[0].outside = watched(column)
            return made[0]

        self.makers[key] = maker
        return maker

    def _output(self, column: Sequence[Any], dtype: Any, weak: bool) -> int:
        """Take up values of one type as a result; gives its place."""
        self.weak.append(weak)
        self.columns.append(column)
        for part, outputs, x in zip(self.parts, self.outputs, column, strict=True):
            outputs.append(part.lifted(x, dtype))
        return len(self.weak) - 1

    def changed(self) -> list[tuple[Any, Callable[[list[Any]], Any]]]:
        """The arrays from around the branches that some of them change, as results."""
        arrays = {id(x): x for part in self.parts for x, value in part.changed if not isinstance(value, Lost)}
        found: list[tuple[Any, Callable[[list[Any]], Any]]] = []
        for x in arrays.values():
            at = self._output([x] * len(self.parts), x.dtype, False)
            found.append((x, lambda results, at=at: results[at]))  # type: ignore[misc]
        return found

    def error(self, path: str, values: Sequence[Any], remedy: str) -> ControlFlowError:
        states = [f"{describe(v)} {t}" for v, t in zip(values, self.titles, strict=True)][::-1]
        return ControlFlowError(f"{quoted(path)} is {' and '.join(states)} of {self.what}{place()}; {remedy}")

    def finish(self, test: Tracer) -> list[Any]:
        """Record the cond."""
        self.test = test
        self.choices.complete(self._output)
        for part, outputs in zip(self.parts, self.outputs, strict=True):
            part.finish(outputs)
        if not self.weak and not any([node.op.effect for part in self.parts for node in part.graph.nodes]):
            return []
        captures = all_captures(*self.parts)
        results = apply(Cond(tuple([part.reading(captures) for part in self.parts])), [test, *captures])
        for x, weak, column in zip(results, self.weak, self.columns, strict=True):
            standing(x, column).weak = weak
        return results

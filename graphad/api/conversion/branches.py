"""Branches at run time: plain Python where the test is known, a `cond` of the graph where it is traced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from graphad import tree
from graphad.api.control import all_captures
from graphad.api.conversion import ledger
from graphad.api.conversion.choices import Choices
from graphad.api.conversion.dispatch import operate, special
from graphad.api.conversion.heap import UNSET, Heap, Slot
from graphad.api.conversion.items import watched
from graphad.api.conversion.jumps import RETURNED
from graphad.api.conversion.parts import (
    StagedRegion,
    common,
    describe,
    is_number,
    is_weak,
    kind,
    placeholder,
    python_bool,
    quoted,
    same,
    truth,
    unknown,
)
from graphad.api.conversion.peers import identical, meet, peers_of, settle
from graphad.api.conversion.scope import generated
from graphad.api.conversion.structure import check_unchanged, flatten_alike
from graphad.build import current_builder
from graphad.errors import ControlFlowError
from graphad.graph import Graph
from graphad.location import place
from graphad.numpy.layouts import standing
from graphad.numpy.views import Joined, Lost, lose, write
from graphad.ops.guarding import must_be_reached
from graphad.ops.regions.base import Structured
from graphad.ops.regions.cond import Cond
from graphad.trace import Tracer, apply, inline, innermost

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
        changed_by[i] = {id(slot.container.target) for slot in heap.changes()}
        for slot in heap.changes():
            if slot.key is None and slot.container.path in dead:
                continue
            slots[slot.identity] = slot
            outcome[slot.identity] = slot.read()
        heap.restore()
        parts.insert(0, part)
        outcomes.insert(0, outcome)
        values.insert(0, truth(value, what) if truths else value)
    merge = _Merge(parts, what, titles, changed_by)
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
        for part, outputs in zip(self.parts, self.outputs, strict=True):
            part.finish(outputs)
        if not self.weak and not any([node.op.effect for part in self.parts for node in part.graph.nodes]):
            return []
        captures = all_captures(*self.parts)
        results = apply(Cond(tuple([part.reading(captures) for part in self.parts])), [test, *captures])
        for x, weak, column in zip(results, self.weak, self.columns, strict=True):
            standing(x, column).weak = weak
        return results


# -- and, or, not, comparisons --------------------------------------------------------------------------------------


def and_(first: Any, *rest: Thunk) -> Any:
    """`first and rest[0]() and ...`; of traced values with its truth."""
    return _joined(first, rest, True)


def or_(first: Any, *rest: Thunk) -> Any:
    """`first or rest[0]() or ...`; of traced values with its truth."""
    return _joined(first, rest, False)


def _joined(value: Any, rest: Sequence[Thunk], both: bool) -> Any:
    for i, thunk in enumerate(rest):
        test = truth(value, "and, or")
        if not isinstance(test, Tracer):
            if test is not both:
                return value
            value = thunk()
            continue
        following = rest[i:]
        if value is not test:
            # Numbers: the operands themselves are the result, as far as their types agree.
            other = lambda value=value: value
            tail = lambda following=following: _joined(following[0](), following[1:], both)
            bodies = [other, tail] if both else [tail, other]
            return select(test, bodies, (), "and, or", ["where it is false", "where it is true"])
        return _logical(test, following, both)
    return value


def _logical(test: Tracer, rest: Sequence[Thunk], both: bool) -> Any:
    """The conjunction or disjunction of a traced bool and what follows.

    What follows is computed in any case where that is cheap and harmless, else in a branch.
    """
    heap = Heap(rest)
    heap.check_iterators()
    part = StagedRegion("operand")

    def tail() -> Any:
        return _joined(rest[0](), rest[1:], both)

    value = part.run(lambda: truth(tail(), "and, or"), "in an operand of and, or")
    weak = is_weak(value)
    if not part.raised and not part.changed and heap.resized() is None and not any(True for _ in heap.changes()):
        if not isinstance(value, Tracer):
            return test if value is both else value
        if not any([isinstance(n.op, Structured) or must_be_reached(n.op) for n in part.builder.nodes]):
            part.finish([part.lifted(value, value.dtype)])
            builder = innermost([test])
            assert builder is not None
            other = inline(part.graph, part.captures, builder)[0]
            found: Any = np.logical_and(test, other) if both else np.logical_or(test, other)
            found.weak = is_weak(test) and weak
            return found
    heap.restore()
    bodies = [lambda: not both, tail] if both else [tail, lambda: not both]
    return select(test, bodies, (), "and, or", ["where it is false", "where it is true"], truths=True)


def not_(x: Any) -> Any:
    """`not x`."""
    test = truth(x, "not")
    return python_bool(np.logical_not(test)) if isinstance(test, Tracer) else not test


def is_(x: Any, value: Any, last: bool = False) -> Any:
    """`x is value` of a pattern that is True, False or None: a traced truth is one of the first two, and where a case
    before has taken the other one, it is the `last`."""
    if isinstance(x, Tracer) and isinstance(value, bool) and x.dtype.kind == "b" and not x.shape:
        if last:
            return True
        test = truth(x, "match")
        return test is value if not isinstance(test, Tracer) else test if value else not_(test)
    return x is value


def none_of(*flags: Any) -> Any:
    """Whether none of the flags is set."""
    return not_(or_(flags[0], *[lambda f=f: f for f in flags[1:]]))


def _by_entries(a: Any, b: Any) -> bool:
    """Whether two values are compared by what they hold."""
    return type(a) is type(b) and isinstance(a, (tuple, list)) and type(a).__lt__ in (tuple.__lt__, list.__lt__)


def equal(a: Any, b: Any) -> Any:
    """`a is b or a == b`, as Python compares what tuples and lists hold."""
    if a is b or not _by_entries(a, b):
        return a is b or truth(operate("Eq", a, b), "a comparison")
    pairs = zip(a, b, strict=False)
    return and_(len(a) == len(b), *[lambda x=x, y=y: equal(x, y) for x, y in pairs])


def compared(kind: str, a: Any, b: Any) -> Any:
    """`a < b` and so on, by the name of the operator; tuples and lists by their first entries that differ."""
    if not _by_entries(a, b):
        return operate(kind, a, b)
    if kind in ("Eq", "NotEq"):
        return equal(a, b) if kind == "Eq" else not_(equal(a, b))
    if not a or not b:
        return operate(kind, len(a), len(b))
    same_first = equal(a[0], b[0])
    rest: Thunk = lambda: compared(kind, a[1:], b[1:])
    if not isinstance(same_first, Tracer):
        return rest() if same_first else compared(kind, a[0], b[0])
    return or_(and_(same_first, rest), lambda: and_(not_(same_first), lambda: compared(kind, a[0], b[0])))


_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    **{kind: partial(compared, kind) for kind in ("Eq", "NotEq", "Lt", "LtE", "Gt", "GtE")},
    "Is": identical, "IsNot": lambda a, b: not identical(a, b),
    "In": lambda a, b: contains(b, a), "NotIn": lambda a, b: not_(contains(b, a)),
}  # fmt: skip


def compare(left: Any, *rest: Any) -> Any:
    """`left < a < b`, given as operators' names and operands to evaluate, each once and only if need be."""
    right = rest[1]()
    first = _COMPARISONS[rest[0]](left, right)
    return and_(first, lambda: compare(right, *rest[2:])) if len(rest) > 2 else first


def contains(container: Any, x: Any) -> Any:
    """`x in container`."""
    return python_bool(_contains(container, x))


def _contains(container: Any, x: Any) -> Any:
    if isinstance(container, Tracer) and (unknown(container) or unknown(x)):
        return np.any(container == x)
    if isinstance(container, (list, tuple, set, frozenset)) and (unknown(x) or any(map(unknown, container))):
        items = list(container)
        return or_(equal(x, items[0]), *[lambda y=y: equal(x, y) for y in items[1:]]) if items else False
    if isinstance(container, np.ndarray) and unknown(x):
        return np.any(container == x)
    method = special(container, "__contains__")
    return x in container if method is None else truth(method(x), "in")

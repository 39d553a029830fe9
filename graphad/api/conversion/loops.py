"""Loops at run time: plain Python as long as it can decide, a loop of the graph from where it cannot, or where Python's
would make too much of the graph.

Variables of these functions that a loop carries have long names, since the user's variables are known by their names.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Sequence
from typing import Any

from graphad.api.conversion.branches import if_
from graphad.api.conversion.carries import LoopVariables, StagedLoop
from graphad.api.conversion.dispatch import iterated
from graphad.api.conversion.effort import Effort, attempt
from graphad.api.conversion.heap import AdvancedIteratorError, Heap
from graphad.api.conversion.iterators import is_iterator
from graphad.api.conversion.parts import recorded, staged, truth, unrecord
from graphad.api.conversion.rolled import over_rows, scan, while_loop
from graphad.api.conversion.scope import stored
from graphad.api.conversion.sequences import LoopSequence, fresh, last_of, length, lose_place, rows
from graphad.api.conversion.truths import and_
from graphad.numpy.bounds import note, span
from graphad.ops.integers import TRIPS
from graphad.trace import Tracer

Thunk = Callable[[], Any]
LONG = 32
"""From this length on a loop over known items becomes one of the graph without asking what an iteration makes."""


def while_(test: Thunk, body: Thunk, going: Thunk | None, dead: Sequence[str], written: Sequence[str]) -> None:
    """`while test(): body()`, ended by the flags that `going` looks at; variables in `dead` are not read afterwards,
    and the body changes the arrays of those in `written`."""
    names = LoopVariables(dead, written)
    functions = [f for f in (test, body, going) if f is not None]
    every = test if going is None else lambda: and_(going(), test)
    start = Heap(functions, True) if going is not None and staged() else None
    effort = Effort("the while loop")
    roll: Thunk = lambda: while_loop(every, body, functions, names, None)
    count = 0
    while True:
        if going is not None and count:
            go = truth(going(), "the while loop")
            if isinstance(go, Tracer):
                return _resumed(start if count == 1 else None, effort.start, functions, roll)
            if not go:
                return effort.tell(count)
        before = recorded()
        value = truth(test(), "the while loop")
        if isinstance(value, Tracer):
            return while_loop(every, body, functions, names, value, asked=(before, recorded()))
        if not value:
            return effort.tell(count)
        if effort.grows() and attempt(roll, effort):
            return
        body()
        count += 1


def _resumed(start: Heap | None, begun: int, functions: Sequence[Thunk], run: Thunk) -> None:
    """Run a loop as one of the graph from its start, undoing its first iteration; if that fails, from here on."""
    if start is not None:
        here = Heap(functions, True)
        start.restore()
        undone = unrecord(begun)
        if attempt(run):
            return
        start.restore()
        here.restore()
        unrecord(begun, instead=undone)
    run()


def for_(
    iterable: Any,
    setter: Callable[[Any], None],
    body: Thunk,
    going: Thunk | None,
    dead: Sequence[str],
    written: Sequence[str] = (),
) -> None:
    """`for setter in iterable: body()`, ended by the flags that `going` looks at."""
    held = is_iterator(type(iterable)) and sys.getrefcount(iterable) > _OWN_REFERENCES
    _For(setter, body, going, LoopVariables(dead, written), held).run(iterated(iterable))


_OWN_REFERENCES = 2
"""To an iterator that only a loop over it knows: the parameter, and the argument of `getrefcount`."""


class _For:
    """A for loop of the user's; `held` tells that something else takes from the iterator that it runs over, too.

    One over a traced array, or of a traced trip count, becomes a loop of the graph where it can, and so does one over
    many known items, or one whose iterations make many nodes.
    """

    def __init__(
        self, setter: Callable[[Any], None], body: Thunk, going: Thunk | None, names: LoopVariables, held: bool
    ) -> None:
        self.held = held
        self.setter = setter
        self.body = body
        self.going = going
        self.names = names
        self.functions: list[Callable[..., Any]] = [f for f in (setter, body, going) if f is not None]

    def step(self, item: Any) -> None:
        """One iteration."""
        self.setter(item)
        self.body()

    def run(self, iterable: Any) -> None:
        found = rows(iterable)
        if found is not None and isinstance(found.count, Tracer):
            return self._counted(found)
        effort = Effort("the for loop")
        if found is not None and found.count > 1 and attempt(lambda: self._roll(found), effort):
            return
        make = fresh(iterable)
        many = found is None and self.going is None and length(iterable) >= LONG and staged()
        if not many or not self._rolls(iterable, make, 0, effort):
            self._python(iterable, make, effort)

    def _rolls(self, iterable: Any, make: Callable[[], LoopSequence | None], start: int, effort: Effort) -> bool:
        """Make a loop over known items one of the graph from a position on, if that can be; its variable has afterwards
        what it has in Python."""
        found = make()
        if found is None:
            effort.reason = "it runs over items of different types"
            return False
        if not attempt(lambda: self._roll(found, start), effort):
            return False
        if self.going is not None:
            lose_place(iterable)
        elif not stored(self.setter.__code__) & stored(self.body.__code__):
            self.setter(last_of(iterable))
        return True

    def _roll(self, found: LoopSequence, start: int = 0) -> None:
        if self.going is None:
            over_rows(found.rest(start) if start else found, self.step, self.functions, self.names)
        else:
            self._indexed(found, start)

    def _python(self, iterable: Any, make: Callable[[], LoopSequence | None], effort: Effort) -> None:
        """Python's own loop, as long as it can decide and makes little."""
        ranged = isinstance(iterable, builtins.range)
        start = Heap(self.functions, True) if self.going is not None and staged() and ranged else None
        n = length(iterable)
        items = iter(iterable)
        count = 0
        for item in items:
            more = n - count
            if more > 1 and effort.becomes_heavy(count, more) and self._rolls(iterable, make, count, effort):
                return
            self.step(item)
            count += 1
            # What ends the loop is asked before the next item is taken, which something else may want.
            go = True if self.going is None else truth(self.going(), "the for loop")
            if isinstance(go, Tracer):
                if self.held:
                    raise AdvancedIteratorError("of the loop")
                return self._rest(iterable, make, count, [*items], start, effort)
            if not go:
                break
        effort.tell(count)

    def _counted(self, found: LoopSequence) -> None:
        """A loop whose trip count is traced."""
        if self.going is not None:
            return self._indexed(found, 0)
        graphad_position = 0

        def step() -> None:
            nonlocal graphad_position
            self.setter(found.entry(note(graphad_position, 0, min(span(found.count)[1] - 1, TRIPS))))
            graphad_position = graphad_position + 1
            self.body()

        loop = StagedLoop([*self.functions, step], self.names, "the for loop")
        part, given = loop.settle(lambda rows: step(), [])
        scan(loop, part, given, found.count)

    def _indexed(self, found: LoopSequence, first: int) -> None:
        """A loop that flags may end: a while loop over positions."""
        going = self.going
        assert going is not None
        graphad_position = first

        def step() -> None:
            nonlocal graphad_position
            self.setter(found.entry(note(graphad_position, 0, min(span(found.count)[1] - 1, TRIPS))))
            graphad_position = graphad_position + 1
            self.body()

        test: Thunk = lambda: and_(graphad_position < found.count, going)
        begins = not isinstance(found.count, Tracer) and first < found.count
        while_loop(test, step, [*self.functions, step], self.names, None, "the for loop", begins=begins)

    def _rest(
        self, iterable: Any, make: Callable[[], LoopSequence | None], count: int, items: Sequence[Any],
        start: Heap | None, effort: Effort,
    ) -> None:  # fmt: skip
        """What remains of a loop over known items once a traced flag may end it.

        A range becomes a loop of the graph where that works, and so does what makes many nodes; other items are run one
        by one, each under the flag's test.
        """
        found = make() if items and (start is not None or effort.heavy(count, len(items))) else None
        if found is not None:
            here = Heap(self.functions, True)
            for first, heap in ((0, start if count == 1 else None), (count, here)):
                if heap is None:
                    continue
                heap.restore()
                if attempt(lambda first=first: self._indexed(found, first), effort):  # type: ignore[misc]
                    return lose_place(iterable)
                heap.restore()
                here.restore()
        for item in items:
            self._guarded(item)
        effort.tell(count + len(items))

    def _guarded(self, item: Any) -> None:
        """One iteration, if no flag is set."""
        assert self.going is not None
        setter, body = self.setter, self.body

        def step() -> None:
            setter(item)
            body()

        if_(self.going(), step, None, self.names.dead)

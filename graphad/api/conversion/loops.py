"""Loops at run time: plain Python as long as it can decide, a loop of the graph from where it cannot.

Variables of these functions that a loop carries have long names, since the user's variables are known by their names.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

from graphad.api.control import all_captures
from graphad.api.conversion.branches import and_, if_
from graphad.api.conversion.carries import Loop, stored
from graphad.api.conversion.heap import Heap
from graphad.api.conversion.iterables import Count, Rows, rows
from graphad.api.conversion.parts import Part, kind, shown, staged, truth
from graphad.errors import ControlFlowError
from graphad.ops.loops import Scan, While
from graphad.trace import Tracer, apply

Thunk = Callable[[], Any]
LONG = 32
"""From this length on a known range becomes a loop of the graph where it can; shorter ones are run while tracing."""


def while_(test: Thunk, body: Thunk, going: Thunk | None, dead: Sequence[str]) -> None:
    """`while test(): body()`, ended by the flags that `going` looks at; variables in `dead` are not read afterwards."""
    functions = [f for f in (test, body, going) if f is not None]
    every = test if going is None else lambda: and_(going(), test)
    start = Heap(functions) if going is not None else None
    count = 0
    while True:
        if going is not None and count:
            go = truth(going(), "the while loop")
            if isinstance(go, Tracer):
                again = start if count == 1 else None
                return _resumed(again, functions, lambda: _while(every, body, functions, dead, None))
            if not go:
                return
        value = truth(test(), "the while loop")
        if isinstance(value, Tracer):
            return _while(every, body, functions, dead, value)
        if not value:
            return
        body()
        count += 1


def _resumed(start: Heap | None, functions: Sequence[Thunk], run: Thunk) -> None:
    """Run a loop as one of the graph from its start, undoing its first iteration; if that fails, from here on."""
    if start is not None:
        here = Heap(functions)
        start.restore()
        try:
            return run()  # type: ignore[no-any-return]
        except Exception:
            start.restore()
            here.restore()
    return run()  # type: ignore[no-any-return]


def _while(
    test: Thunk, body: Thunk, functions: Sequence[Thunk], dead: Sequence[str], value: Any, what: str = "the while loop"
) -> None:
    """A while loop of the graph; `value` is what the test gave already, if it was asked."""
    loop = Loop(functions, dead, what)
    part, _ = loop.settle(lambda rows: body(), [])
    tested = loop.tested(test)
    if tested is None:
        # The test assigns variables: it runs at the end of each iteration, and its result is carried.
        graphad_test = truth(test(), what) if value is None else value

        def step() -> None:
            nonlocal graphad_test
            body()
            graphad_test = truth(test(), what)

        return _while(lambda: graphad_test, step, [step], dead, graphad_test, what)
    if isinstance(tested.graph.outputs[0], type(None)):
        raise ControlFlowError(f"{what} never ends{shown()}")
    loop.close(part, [])
    captures = all_captures(part, tested)
    fixed, moving = loop.operands()
    op = While(part.reading(captures), len(captures) + len(fixed), tested.reading(captures))
    loop.write(apply(op, [*captures, *fixed, *moving]))


def for_(iterable: Any, setter: Callable[[Any], None], body: Thunk, going: Thunk | None, dead: Sequence[str]) -> None:
    """`for setter in iterable: body()`, ended by the flags that `going` looks at.

    A loop over a traced array, or a long range, becomes a scan where what it carries keeps its types, and else runs in
    Python.
    """
    functions = [f for f in (setter, body, going) if f is not None]
    found = rows(iterable)
    if found is not None:
        if isinstance(found.count, Tracer):
            return _counted(found, setter, body, going, functions, dead)
        if found.count > 1:
            try:
                return _rows(found, setter, body, going, functions, dead)
            except Exception:
                # Whatever it was: Python's own loop runs, or raises it again where it belongs.
                pass
    if going is None and isinstance(iterable, builtins.range) and len(iterable) >= LONG and staged():
        here = Heap(functions)
        try:
            return _long(iterable, setter, body, functions, dead)
        except Exception:
            here.restore()
    start = Heap(functions) if going is not None and isinstance(iterable, builtins.range) else None
    items = iter(iterable)
    for count, item in enumerate(items):
        if going is not None and count:
            go = truth(going(), "the for loop")
            if isinstance(go, Tracer):
                return _rest(iterable, count, [item, *items], start, setter, body, going, functions, dead)
            if not go:
                return
        setter(item)
        body()


def _rows(
    found: Rows,
    setter: Callable[[Any], None],
    body: Thunk,
    going: Thunk | None,
    functions: Sequence[Any],
    dead: Any,
    python: bool = True,
) -> None:
    """A loop over the rows of arrays. Without `python`, an integer of Python that changes in it is an error."""
    if going is not None:
        return _indexed(found, 0, setter, body, going, functions, dead)
    columns = found.columns()
    entries = [kind(x).with_shape(kind(x).shape[1:]) for x in columns]

    def step(given: list[Any]) -> None:
        setter(found.join(given))
        body()

    loop = Loop(functions, dead, "the for loop")
    part, given = loop.settle(step, entries)
    if not python:
        loop.refuse_integers()
    if any([x.value not in part.builder.inputs for x in given]):
        raise ControlFlowError(f"the rows of an array are written to{shown()}")  # each is a view in Python's own loop
    _scan(loop, part, given, found.count, columns)


def _scan(loop: Loop, part: Part, given: Sequence[Tracer], count: Any, columns: Sequence[Any]) -> None:
    loop.close(part, given)
    fixed, moving = loop.operands()
    if not moving and all([node.op.pure for node in part.graph.nodes]):
        return loop.write([])
    consts = [*part.captures, *fixed]
    traced = isinstance(count, Tracer)
    op = Scan(part.graph, len(consts), None if traced else count, len(moving))
    loop.write(apply(op, [*[count] * traced, *consts, *moving, *columns]))


def _long(
    iterable: builtins.range, setter: Callable[[Any], None], body: Thunk, functions: Sequence[Any], dead: Any
) -> None:
    """A range of known length as a loop of the graph, after which its variable has the number it has in Python."""
    found = Count(iterable.start, len(iterable), iterable.step)
    _rows(found, setter, body, None, functions, dead, python=False)
    if not stored(setter.__code__) & stored(body.__code__):
        setter(iterable[-1])


def _counted(
    found: Rows, setter: Callable[[Any], None], body: Thunk, going: Thunk | None, functions: Sequence[Any], dead: Any
) -> None:
    """A loop whose trip count is traced."""
    if going is not None:
        return _indexed(found, 0, setter, body, going, functions, dead)
    graphad_position = 0

    def step() -> None:
        nonlocal graphad_position
        setter(found.entry(graphad_position))
        graphad_position = graphad_position + 1
        body()

    loop = Loop([*functions, step], dead, "the for loop")
    part, given = loop.settle(lambda rows: step(), [])
    _scan(loop, part, given, found.count, [])


def _indexed(
    found: Rows,
    first: int,
    setter: Callable[[Any], None],
    body: Thunk,
    going: Thunk,
    functions: Sequence[Any],
    dead: Any,
) -> None:
    """A loop that flags may end: a while loop over positions."""
    graphad_position = first

    def step() -> None:
        nonlocal graphad_position
        setter(found.entry(graphad_position))
        graphad_position = graphad_position + 1
        body()

    _while(lambda: and_(graphad_position < found.count, going), step, [*functions, step], dead, None, "the for loop")


def _rest(
    iterable: Any,
    count: int,
    items: Sequence[Any],
    start: Heap | None,
    setter: Callable[[Any], None],
    body: Thunk,
    going: Thunk,
    functions: Sequence[Any],
    dead: Sequence[str],
) -> None:
    """What remains of a loop over known items once a traced flag may end it.

    A range becomes a loop of the graph where that works; other items are run one by one, each under the flag's test.
    """
    if isinstance(iterable, builtins.range):
        whole = Count(iterable.start, len(iterable), iterable.step)
        here = Heap(functions)
        for first, heap in ((0, start if count == 1 else None), (count, here)):
            if heap is None:
                continue
            heap.restore()
            try:
                return _indexed(whole, first, setter, body, going, functions, dead)
            except Exception:
                heap.restore()
                here.restore()
    for item in items:
        _guarded(item, setter, body, going, dead)


def _guarded(item: Any, setter: Callable[[Any], None], body: Thunk, going: Thunk, dead: Sequence[str]) -> None:
    """One iteration, if no flag is set."""

    def step() -> None:
        setter(item)
        body()

    if_(going(), step, None, dead)

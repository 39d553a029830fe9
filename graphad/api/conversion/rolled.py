"""Loops of the graph, made of what an iteration of the user's loop does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.api.control import all_captures
from graphad.api.conversion.aliases import root
from graphad.api.conversion.carries import LoopVariables, StagedLoop
from graphad.api.conversion.growth import MoreItemsError
from graphad.api.conversion.knowns import Knowns, column, number
from graphad.api.conversion.leaving import leave
from graphad.api.conversion.parts import StagedRegion, truth, unrecord
from graphad.api.conversion.sequences import LoopSequence
from graphad.errors import ControlFlowError
from graphad.graph import Graph
from graphad.location import place
from graphad.ops.regions.scan import Scan
from graphad.ops.regions.while_ import While
from graphad.trace import Tracer, apply

Thunk = Callable[[], Any]


def over_rows(rows: LoopSequence, step: Callable[[Any], None], functions: Sequence[Any], names: LoopVariables) -> None:
    """`for entry in rows: step(entry)`, of a known number of rows."""
    loop = StagedLoop(functions, names, "the for loop")
    loop.begins = rows.count > 0
    part, given = loop.settle(lambda found: step(rows.join(found)), rows.types(), rows.counts())
    sources = rows.sources()
    if any([loop.changes(root(x)) for x in sources]) or loop.assigns(sources):
        raise ControlFlowError(f"what is run through is written to{place()}")  # its rows are read when due
    if any([x.value not in part.builder.inputs for x in given]):
        raise ControlFlowError(f"the rows of an array are written to{place()}")  # each is a view in Python's own loop
    scan(loop, part, given, rows.count, rows)


def scan(
    loop: StagedLoop, part: StagedRegion, given: Sequence[Tracer], count: Any, rows: LoopSequence | None = None
) -> None:
    """A loop with a trip count that is known, or traced."""
    loop.close(part, given)
    fixed, moving = loop.operands()
    silent = not any([node.op.effect for node in part.graph.nodes])
    if not part.graph.outputs and silent:
        return leave(loop, [], count)
    consts = [*part.captures, *fixed]
    traced = isinstance(count, Tracer)
    columns = [] if rows is None else rows.columns()
    numbers: dict[int, Any] = {}
    if not traced:
        arrays = [column(x) for x in columns]
        knowns = Knowns(part.graph, [number(x) for x in (*consts, *moving)], len(consts), arrays)
        numbers = _numbers(loop, knowns, count)
        knowns.check_integers(count)
        if knowns.all() and silent:
            if len(numbers) == len(moving):
                return leave(loop, [numbers[j] for j in range(len(moving))], count)
            raise ControlFlowError(f"the loop computes from known numbers alone{place()}")
    body = _outputs(part.graph, len(moving)) if traced else part.graph
    op = Scan(body, len(consts), None if traced else count, len(moving))
    results = apply(op, [*[count] * traced, *consts, *moving, *columns])
    leave(loop, [numbers.get(j, x) for j, x in enumerate(results)], None if traced else count)


def _outputs(graph: Graph, carries: int) -> Graph:
    """A body that stacks nothing."""
    return graph.replace(outputs=graph.outputs[:carries])


def _numbers(loop: StagedLoop, knowns: Knowns, count: int) -> dict[int, Any]:
    """The numbers of Python's that the loop leaves behind, by position, as far as they are known."""
    kinds = loop.numbers()
    return {j: kinds[j](np.asarray(x).item()) for j, x in knowns.after(count, list(kinds)).items()}


def while_loop(
    test: Thunk, body: Thunk, functions: Sequence[Thunk], names: LoopVariables, value: Any,
    what: str = "the while loop",
    asked: tuple[int, int] | None = None,
    begins: bool = False,
) -> None:  # fmt: skip
    """A while loop; `value` is what the test gave already, if it was asked, and `asked` between which positions it
    recorded nodes for that. `begins` tells that there is a first iteration. Where the test depends on known numbers
    alone, so does the trip count."""
    loop = StagedLoop(functions, names, what)
    loop.begins = begins
    while True:
        part, _ = loop.settle(lambda rows: body(), [])
        try:
            tested = loop.tested(test)
        except MoreItemsError as more:
            loop.follow(more)
            continue
        break
    if tested is None:
        # The test assigns variables: it runs at the end of each iteration, and its result is carried.
        graphad_test = truth(test(), what) if value is None else value

        def step() -> None:
            nonlocal graphad_test
            body()
            graphad_test = truth(test(), what)

        return while_loop(lambda: graphad_test, step, [step], names, graphad_test, what, begins=begins)
    if asked is not None:
        unrecord(*asked)
    if isinstance(tested.graph.outputs[0], type(None)):
        raise ControlFlowError(f"{what} never ends{place()}")
    loop.close(part, [])
    captures = all_captures(part, tested)
    fixed, moving = loop.operands()
    step_graph, test_graph = part.reading(captures), tested.reading(captures)
    operands = [*captures, *fixed, *moving]
    count, numbers = _trips(loop, step_graph, test_graph, operands, len(moving))
    constant = len(operands) - len(moving)
    op: Scan | While = Scan(step_graph, constant, count or 0, len(moving))
    if count is None:
        op = While(_outputs(step_graph, len(moving)), constant, test_graph)
    leave(loop, [numbers.get(j, x) for j, x in enumerate(apply(op, operands))], count)


def _trips(
    loop: StagedLoop, body: Graph, test: Graph, operands: Sequence[Any], moving: int
) -> tuple[int | None, dict[int, Any]]:
    """The trip count, if it is known, and the numbers that are known then."""
    knowns = Knowns(body, [number(x) for x in operands], len(operands) - moving)
    count = knowns.trips(test)
    if count is not None:
        knowns.check_integers(count)
    return count, {} if count is None else _numbers(loop, knowns, count)

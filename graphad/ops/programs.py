"""Graphs made ready to run often in an array namespace: what ops that hold graphs run them by, and NumPy's executor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from graphad.graph import Constant, Graph, Value
from graphad.location import Location, noted
from graphad.namespaces import Extended
from graphad.op import Op

Program = Callable[[Any, Sequence[Any]], list[Any]]


def program(graph: Graph) -> Program:
    """The graph made ready to run often: `program(graph)(xp, operands)` gives its results by the array namespace `xp`.

    An intermediate array is freed after its last use.
    """
    found = _PROGRAMS.get(graph)
    if found is None:
        found = _PROGRAMS[graph] = _program(graph)
    return found


_PROGRAMS: WeakKeyDictionary[Graph, Program] = WeakKeyDictionary()


def _program(graph: Graph) -> Program:
    slots: dict[Value, int] = {v: i for i, v in enumerate(graph.inputs)}
    initial: list[Any] = []

    def slot(v: Value) -> int:
        if v not in slots:
            slots[v] = len(slots)
            initial.append(v.array if isinstance(v, Constant) else None)
        return slots[v]

    last: dict[int, int] = {}
    steps: list[tuple[Any, list[int], int | None, list[int], list[int], Location | None]] = []
    for node in graph.nodes:
        read, made = [slot(v) for v in node.inputs], [slot(v) for v in node.outputs]
        last.update(dict.fromkeys((*read, *made), len(steps)))
        steps.append((node.op.eval, read, made[0] if len(made) == 1 else None, made, [], node.where))
    # What runs must not hold the graph itself, which is the weak key that it is found by.
    ops = [node.op for node in graph.nodes]
    outputs = [slot(v) for v in graph.outputs]
    kept = {*outputs, *[slots[v] for v in slots if isinstance(v, Constant)]}
    for index, position in last.items():
        if index not in kept:
            steps[position][4].append(index)

    def run(xp: Any, xs: Sequence[Any]) -> list[Any]:
        env, ruled = [*xs, *initial], steps
        if type(xp) is Extended:
            env = [*xs, *[None if x is None else xp.lift(x) for x in initial]]
            ruled = [(_rule(op, xp), *step[1:]) for op, step in zip(ops, steps, strict=True)]
        value = env.__getitem__
        where = None
        try:
            for function, read, single, made, dead, where in ruled:  # noqa: B007 - told where an error is raised
                result = function(xp, *map(value, read))
                if single is not None:
                    env[single] = result
                else:
                    for i, x in zip(made, result, strict=True):
                        env[i] = x
                for i in dead:
                    env[i] = None
        except Exception as error:
            noted(error, where)
            raise
        return [env[i] for i in outputs]

    return run


def _rule(op: Op, xp: Extended) -> Callable[..., Any]:
    """What takes the place of an op's `eval` in a namespace with rules."""
    found = xp.table.get(type(op))
    if found is None:
        return op.eval
    rule = found

    def run(region: Graph) -> Callable[..., list[Any]]:
        prepared = program(region)
        return lambda *operands: prepared(xp, operands)

    return lambda xp, *xs: rule(op, run, *xs)


def evaluate_region(region: Graph, xp: Any, xs: Sequence[Any]) -> Any:
    """Run a region with the array namespace `xp`; a tuple for several results."""
    results = program(region)(xp, xs)
    return results[0] if len(results) == 1 else tuple(results)


__all__ = ["Program", "evaluate_region", "program"]

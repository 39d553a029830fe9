"""Graphs made ready to run often in an array namespace: what ops that hold graphs run them by, and NumPy's executor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from graphad.graph import Constant, Graph, Value
from graphad.location import Location, noted
from graphad.namespaces import Extended
from graphad.op import Op
from graphad.types import TensorType

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
    kinds = [(node.op, [v.type for v in node.inputs]) for node in graph.nodes]
    outputs = [slot(v) for v in graph.outputs]
    kept = {*outputs, *[slots[v] for v in slots if isinstance(v, Constant)]}
    for index, position in last.items():
        if index not in kept:
            steps[position][4].append(index)

    def run(xp: Any, xs: Sequence[Any]) -> list[Any]:
        env, ruled = [*xs, *initial], steps
        if type(xp) is Extended:
            env = [*xs, *[None if x is None else xp.lift(x) for x in initial]]
            ruled = [(_rule(*kind, xp), *step[1:]) for kind, step in zip(kinds, steps, strict=True)]
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


def callable_from(op: Op) -> bool:
    """Whether compiled code of another array library may call NumPy for an op: it raises nothing, and is a function of
    its operands alone."""
    return not (op.raises or op.effect or op.drawn or op._region_fields)


def _rule(op: Op, types: Sequence[TensorType], xp: Extended) -> Callable[..., Any]:
    """What takes the place of an op's `eval` in a namespace with rules."""
    found = xp.table.get(type(op))
    if found is None:
        called = xp.host is not None and op.hosted(*types) and callable_from(op)
        return _by_host(op, types, xp.host) if called else op.eval
    rule = found

    def run(region: Graph) -> Callable[..., list[Any]]:
        prepared = program(region)
        return lambda *operands: prepared(xp, operands)

    return lambda xp, *xs: rule(op, run, *xs)


def _by_host(op: Op, types: Sequence[TensorType], host: Any) -> Callable[..., Any]:
    made = op.infer(*types)
    results = made if isinstance(made, tuple) else (made,)

    def function(*xs: Any) -> tuple[Any, ...]:
        with np.errstate(all="ignore"):
            found = op.eval(np, *map(np.asarray, xs))
        return tuple(map(np.asarray, found if isinstance(made, tuple) else (found,)))

    def call(xp: Any, *xs: Any) -> Any:
        found = host(function, results, *xs)
        return tuple(found) if isinstance(made, tuple) else found[0]

    return call


def evaluate_region(region: Graph, xp: Any, xs: Sequence[Any]) -> Any:
    """Run a region with the array namespace `xp`; a tuple for several results."""
    results = program(region)(xp, xs)
    return results[0] if len(results) == 1 else tuple(results)


__all__ = ["Program", "callable_from", "evaluate_region", "program"]

"""Ops that hold functions as sub-graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from graphad.errors import ShapeError
from graphad.graph import Constant, Graph, Value
from graphad.location import Location, noted
from graphad.op import Op, Regional, Sample, Types
from graphad.ops.guarding import guarded
from graphad.ops.machinery import multiply
from graphad.trace import current_builder, inline, innermost, trace_flat
from graphad.types import TensorType

Program = Callable[[Any, Sequence[Any]], list[Any]]


def check_operands(op: Op, region: Graph, xs: tuple[TensorType, ...]) -> None:
    """Raise `ShapeError` unless the operands have the types of the region's inputs."""
    if xs != region.input_types:
        raise ShapeError(f"{op.name}: operands {list(xs)} for a function of {list(region.input_types)}")


def result_types(region: Graph) -> Types:
    """What an op gives whose results are the region's outputs."""
    types = region.output_types
    return types[0] if len(types) == 1 else types


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
    outputs = [slot(v) for v in graph.outputs]
    kept = {*outputs, *[slots[v] for v in slots if isinstance(v, Constant)]}
    for index, position in last.items():
        if index not in kept:
            steps[position][4].append(index)

    def run(xp: Any, xs: Sequence[Any]) -> list[Any]:
        env = [*xs, *initial]
        value = env.__getitem__
        where = None
        try:
            for function, read, single, made, dead, where in steps:  # noqa: B007 - told where an error is raised
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


def evaluate_region(region: Graph, xp: Any, xs: Sequence[Any]) -> Any:
    """Run a region with the array namespace `xp`; a tuple for several results."""
    results = program(region)(xp, xs)
    return results[0] if len(results) == 1 else tuple(results)


class Applied(Regional, abstract=True):
    """Base of the ops that apply a function to their operands."""

    function: Graph

    def infer(self, *xs: TensorType) -> Types:
        check_operands(self, self.function, xs)
        return result_types(self.function)

    def eval(self, xp: Any, *xs: Any) -> Any:
        return evaluate_region(self.function, xp, xs)

    def decompose(self, *xs: Any) -> Any:
        """The function's own nodes: what executors run."""
        builder = innermost(xs) or current_builder()
        results = inline(self.function, xs, builder) if builder is not None else self.function.eval(*xs)
        return results[0] if len(results) == 1 else tuple(results)

    def guarded(self, live: Any, *xs: Any) -> Any:
        # It comes last, where the ops with rules of the user's own have what their functions captured.
        return self.replace(function=guarded(self.function))(*xs, live)

    def flops(self, *xs: TensorType) -> int:
        return sum(node.op.flops(*[v.type for v in node.inputs]) for node in self.function.nodes)


class Call(Applied):
    """A call of a function that was jitted; passes that differentiate or batch inline it."""

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([1.0, -2.0, 3.0])
        kind = TensorType(x.dtype, x.shape)
        square = trace_flat(lambda args: [multiply(args[0], args[0]), args[0] + 1.0], [kind]).graph
        yield Sample(cls(square), (x,))

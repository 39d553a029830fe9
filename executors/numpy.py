"""The NumPy executor: runs a graph op by op. It is the definition of what a graph means."""

from __future__ import annotations

import math
import time
import timeit
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphad.errors import MissingRuleError, ShapeError
from graphad.graph import Constant, Graph, Value
from graphad.location import describe_location, noted
from graphad.op import Op
from graphad.ops.programs import program
from graphad.passes.cleanup.dce import dce
from graphad.passes.cost import node_flops

if TYPE_CHECKING:
    from graphad.executors.profile import Profile


def evaluate(graph: Graph, args: Sequence[Any]) -> list[Any]:
    """Run a graph once on arrays, without preparing anything.

    Floating-point warnings are silenced, since derivatives meet infinities that they then discard.
    """
    env: dict[Value, Any] = dict(zip(graph.inputs, args, strict=True))
    where = None
    try:
        with np.errstate(all="ignore"):
            for node in graph.nodes:
                where = node.where
                xs = [v.array if type(v) is Constant else env[v] for v in node.inputs]
                outputs = node.outputs
                if len(outputs) == 1:
                    env[outputs[0]] = node.op.eval(np, *xs)
                else:
                    env.update(zip(outputs, node.op.eval(np, *xs), strict=True))
    except Exception as error:
        if isinstance(error, MissingRuleError):
            # What has no value is passed over where nothing needs it.
            rest = dce(Graph(tuple(env), graph.nodes[graph.nodes.index(node) :], graph.outputs, graph.name))
            if not rest.nodes or rest.nodes[0] is not node:
                return evaluate(rest, list(env.values()))
        noted(error, where)
        raise
    return [own(v.array if type(v) is Constant else env[v], args) for v in graph.outputs]


def own(result: Any, args: Sequence[Any]) -> Any:
    """A result that the caller may write to: a scalar, or an array that shares no memory with an argument."""
    if not isinstance(result, np.ndarray):
        return result
    if result.ndim == 0:
        return result[()]
    base = result
    while isinstance(base.base, np.ndarray):
        base = base.base
    if not result.flags.writeable or any([base is x or (isinstance(x, np.ndarray) and base is x.base) for x in args]):
        return result.copy()
    return result


class NumpyExecutor:
    """Runs each op with NumPy; intermediate arrays are freed after their last use."""

    name = "numpy"
    pipeline = ""

    def supports(self, op: Op) -> bool:
        return True

    def compile(self, graph: Graph) -> Callable[..., tuple[Any, ...]]:
        prepared = program(graph)
        inputs = len(graph.inputs)

        def run(*args: Any) -> tuple[Any, ...]:
            if len(args) != inputs:
                raise ShapeError(f"{graph.name}: {len(args)} arguments were given to a graph of {inputs} inputs")
            with np.errstate(all="ignore"):
                results = prepared(np, args)
            return tuple([own(x, args) for x in results])

        return run

    def profile(self, graph: Graph, args: Sequence[Any], seconds: float = 0.5) -> Profile:
        """The times of the ops of a graph, the least of those measured for arguments within some seconds."""
        from graphad.executors.loops.cost import caches
        from graphad.executors.profile import Kernel, Profile, roof

        least = dict.fromkeys(graph.nodes, math.inf)
        until, runs = time.perf_counter() + seconds, 0
        while runs < 3 or time.perf_counter() < until:
            env: dict[Value, Any] = dict(zip(graph.inputs, args, strict=True))
            for node in graph.nodes:
                xs = [v.array if isinstance(v, Constant) else env[v] for v in node.inputs]
                start = time.perf_counter()
                with np.errstate(all="ignore"):
                    found = node.op.eval(np, *xs)
                least[node] = min(least[node], time.perf_counter() - start)
                env.update(zip(node.outputs, found if len(node.outputs) > 1 else (found,), strict=True))
            runs += 1
        kernels = []
        for node, taken in least.items():
            types = [v.type for v in node.inputs]
            note = f"{node.op.name} -> {', '.join(str(v.type) for v in node.outputs)}{describe_location(node.where)}"
            moved = float(node.op.traffic(*types))
            kernels.append(Kernel(note, taken, float(node_flops(node)), moved, moved))
        return Profile(kernels, roof(_least_seconds, caches()))


def _least_seconds(function: Callable[..., Any], *args: Any) -> float:
    out = function(*args)
    return min(timeit.repeat(lambda: function(*args, out=out), number=1, repeat=20))

"""The NumPy executor: runs a graph op by op. It is the definition of what a graph means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError, ShapeError
from graphad.graph import Constant, Graph, Value
from graphad.location import noted
from graphad.op import Op
from graphad.ops.programs import program
from graphad.passes.cleanup.dce import dce


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

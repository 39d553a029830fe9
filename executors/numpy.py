"""The NumPy executor: runs a graph op by op. It is the definition of what a graph means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.graph import Constant, Graph, Value
from graphad.op import Op


def evaluate(graph: Graph, args: Sequence[Any]) -> list[Any]:
    """Run a graph once on arrays, without preparing anything.

    Floating-point warnings are silenced, since derivatives meet infinities that they then discard.
    """
    env: dict[Value, Any] = dict(zip(graph.inputs, args, strict=True))
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            xs = [v.array if type(v) is Constant else env[v] for v in node.inputs]
            outputs = node.outputs
            if len(outputs) == 1:
                env[outputs[0]] = node.op.eval(np, *xs)
            else:
                env.update(zip(outputs, node.op.eval(np, *xs), strict=True))
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
        slots: dict[Value, int] = {v: i for i, v in enumerate(graph.inputs)}
        initial: list[Any] = [None] * len(slots)

        def slot(v: Value) -> int:
            if v not in slots:
                slots[v] = len(slots)
                initial.append(v.array if isinstance(v, Constant) else None)
            return slots[v]

        last: dict[int, int] = {}
        program: list[tuple[Any, list[int], list[int], list[int]]] = []
        for node in graph.nodes:
            read, made = [slot(v) for v in node.inputs], [slot(v) for v in node.outputs]
            last.update(dict.fromkeys((*read, *made), len(program)))
            program.append((node.op.eval, read, made, []))
        outputs = [slot(v) for v in graph.outputs]
        constants = {slots[v] for v in slots if isinstance(v, Constant)}
        for index, position in last.items():
            if index not in outputs and index not in constants:
                program[position][3].append(index)

        def run(*args: Any) -> tuple[Any, ...]:
            env = [*args, *initial[len(args) :]]
            with np.errstate(all="ignore"):
                for function, read, made, dead in program:
                    result = function(np, *[env[i] for i in read])
                    if len(made) == 1:
                        env[made[0]] = result
                    else:
                        for i, x in zip(made, result, strict=True):
                            env[i] = x
                    for i in dead:
                        env[i] = None
            return tuple([own(env[i], args) for i in outputs])

        return run

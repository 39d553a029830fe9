"""An executor that somebody else wrote: it runs twelve ops by a table, and leaves the others to graphad.

It uses nothing but the names that docs/guide/plug-ins.md calls stable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad import Graph, Op
from graphad.graph import Constant

TABLE: dict[str, Callable[..., Any]] = {
    "add": lambda op, x, y: np.add(x, y),
    "subtract": lambda op, x, y: np.subtract(x, y),
    "multiply": lambda op, x, y: np.multiply(x, y),
    "divide": lambda op, x, y: np.divide(x, y),
    "negative": lambda op, x: np.negative(x),
    "exp": lambda op, x: np.exp(x),
    "log": lambda op, x: np.log(x),
    "sin": lambda op, x: np.sin(x),
    "cos": lambda op, x: np.cos(x),
    "broadcast_to": lambda op, x: np.broadcast_to(x, op.shape),
    "reshape": lambda op, x: np.reshape(x, op.shape),
    "transpose": lambda op, x: np.transpose(x, op.axes),
}


class TwelveOps:
    """Runs twelve ops with NumPy and counts how often it ran each."""

    name = "twelve"
    pipeline = "cse, dce"

    def __init__(self) -> None:
        self.count: dict[str, int] = {}

    def supports(self, op: Op) -> bool:
        return op.name in TABLE

    def compile(self, graph: Graph) -> Callable[..., tuple[Any, ...]]:
        steps = [(TABLE[node.op.name], node) for node in graph.nodes]

        def run(*args: Any) -> tuple[Any, ...]:
            env = dict(zip(graph.inputs, args, strict=True))
            with np.errstate(all="ignore"):
                for function, node in steps:
                    operands = [v.array if isinstance(v, Constant) else env[v] for v in node.inputs]
                    env[node.outputs[0]] = function(node.op, *operands)
                    self.count[node.op.name] = self.count.get(node.op.name, 0) + 1
            return tuple([np.array(v.array if isinstance(v, Constant) else env[v]) for v in graph.outputs])

        return run


class StrictTwelveOps(TwelveOps):
    """The same, which refuses what it does not run."""

    name = "strict_twelve"
    fallback = False

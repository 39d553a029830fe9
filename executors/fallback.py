"""What an executor does not run itself: NumPy runs it, between the pieces of the graph that the executor compiles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from graphad.executors.numpy import own
from graphad.graph import Constant, Graph, Node, Value, reads
from graphad.location import noted

Run = Callable[..., tuple[Any, ...]]


def fallback(node: Node) -> Run:
    """A node by NumPy: a function of its operands as arrays that gives a tuple of its results, which may be views.

    What it raises tells the user's place. Executors that call it from their own code count the op as supported.
    """
    single = len(node.outputs) == 1

    def run(*xs: Any) -> tuple[Any, ...]:
        try:
            with np.errstate(all="ignore"):
                found = node.op.eval(np, *xs)
        except Exception as error:
            noted(error, node.where)
            raise
        return tuple([np.asarray(x) for x in ((found,) if single else found)])

    return run


class Pieces:
    """A graph of which some nodes are run by NumPy, one by one, and the pieces between them by what `compile` makes."""

    def __init__(self, graph: Graph, supported: Callable[[Node], bool], compile: Callable[[Graph], Run]) -> None:
        self.graph = graph
        self.steps: list[tuple[Run, Sequence[Value], Sequence[Value], list[Value]]] = []
        groups = [(known, list(nodes)) for known, nodes in groupby(graph.nodes, supported)]
        later = list(graph.outputs)
        for known, nodes in reversed(groups):
            if known:
                self._piece(nodes, later, compile)
            else:
                for node in reversed(nodes):
                    self.steps.append((fallback(node), node.inputs, node.outputs, []))
            later += [v for node in nodes for v in node.inputs]
        self.steps.reverse()
        self._free()

    def _piece(self, nodes: Sequence[Node], later: Iterable[Value], compile: Callable[[Graph], Run]) -> None:
        wanted = set(later)
        operands, results = reads(nodes), [v for node in nodes for v in node.outputs if v in wanted]
        piece = Graph(operands, nodes, results, self.graph.name)
        self.steps.append((compile(piece), operands, results, []))

    def _free(self) -> None:
        """Note with each step which values nothing reads after it."""
        kept = {*self.graph.inputs, *self.graph.outputs}
        for _, read, made, dead in reversed(self.steps):
            dead += [v for v in dict.fromkeys((*read, *made)) if v not in kept and not isinstance(v, Constant)]
            kept.update(dead)

    def __call__(self, *args: Any) -> tuple[Any, ...]:
        env: dict[Value, Any] = dict(zip(self.graph.inputs, args, strict=True))

        def read(v: Value) -> Any:
            return v.array if isinstance(v, Constant) else env[v]

        for run, operands, results, dead in self.steps:
            env.update(zip(results, run(*[read(v) for v in operands]), strict=True))
            for v in dead:
                del env[v]
        return tuple([own(read(v), args) for v in self.graph.outputs])


__all__ = ["Pieces", "fallback"]

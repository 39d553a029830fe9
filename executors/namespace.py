"""`ArrayNamespaceExecutor`: what runs a graph op by op in another array namespace, to be subclassed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from graphad.attributes import cached
from graphad.errors import ExecutorError
from graphad.executors.arguments import prepare
from graphad.executors.fallback import Pieces
from graphad.graph import Graph, Node
from graphad.namespaces import Extended, Host, Rule
from graphad.op import Op, op_class
from graphad.ops.programs import callable_from, program
from graphad.types import Array


class ArrayNamespaceExecutor:
    """Runs each op by its `eval` with the arrays of a namespace; NumPy runs what that cannot, between the pieces.

    A subclass gives its `name` and the namespace `xp`, a module with the names of NumPy's main one, and may bring a
    `table` of rules for ops, by name or class: `rule(op, run, *xs)` gives the op's result (a tuple for several) of
    operands in the namespace, where `run(region)(*operands)` gives the list of a region's results. Where the namespace
    has few of NumPy's names, `only_table = True` runs nothing but the table by it. Ops that can raise are NumPy's too,
    so that they do, unless `unchecked = True`: then a singular matrix gives what the namespace's functions give.

    Where compiled code of the namespace can call NumPy, `host(function, types, *xs)` does so: it gives arrays of the
    `types`, those that `function` gives of the operands. Ops that need NumPy then stay within the pieces, and in loops.
    """

    name: str
    xp: Any
    pipeline = "inline, simplify, cse, fold, dce"
    table: ClassVar[Mapping[str | type[Op], Rule]] = {}
    only_table: ClassVar[bool] = False
    unchecked: ClassVar[bool] = False
    host: Host | None = None

    @cached
    def rules(self) -> dict[type[Op], Rule]:
        """The table by classes of ops."""
        return {op_class(kind): rule for kind, rule in self.table.items()}

    def supports(self, op: Op) -> bool:
        if type(op) in self.rules:
            return True
        if op.host_only and (self.host is None or not callable_from(op)):
            return False
        return not (self.only_table or op.effect or (op.raises and not self.unchecked))

    def prepare(self, function: Callable[..., tuple[Any, ...]]) -> Callable[..., tuple[Any, ...]]:
        """The function that is called at every run, of and to arrays of the namespace: where it is compiled."""
        return function

    def take(self, array: Array) -> Any:
        """NumPy's array as one of the namespace."""
        return self.xp.asarray(array)

    def give(self, x: Any) -> Array:
        """An array of the namespace as NumPy's, with memory of its own."""
        return np.array(x)

    def compile(self, graph: Graph) -> Callable[..., tuple[Any, ...]]:
        if all(map(self._runs, graph.nodes)):
            return self._compiled(graph)
        return Pieces(graph, self._runs, self._compiled)

    def _runs(self, node: Node) -> bool:
        op, types = node.op, [v.type for v in node.inputs]
        if any([v.type.dynamic for v in (*node.inputs, *node.outputs)]):
            return False
        if type(op) not in self.rules and op.hosted(*types) and (self.host is None or not callable_from(op)):
            return False
        return all([self._runs(inner) for region in op.regions.values() for inner in region.nodes])

    def _compiled(self, graph: Graph) -> Callable[..., tuple[Any, ...]]:
        ready, space = program(graph), Extended(self.xp, self.rules, self.take, self.host)
        function = self.prepare(lambda *xs: tuple(ready(space, xs)))
        types, results, name = graph.input_types, graph.output_types, graph.name

        def taken(x: Array) -> Any:
            found = self.take(x)
            self._check(str(found.dtype), x.dtype)
            return found

        def run(*args: Any) -> tuple[Any, ...]:
            found = [self.give(x) for x in function(*map(taken, prepare(name, types, args)))]
            for x, kind in zip(found, results, strict=True):
                self._check(str(x.dtype), kind.dtype)
            return tuple(found)

        return run

    def _check(self, found: str, wanted: Any) -> None:
        """Raise `ExecutorError` where the namespace does not keep a dtype."""
        if found.rpartition(".")[2] != wanted.name:
            raise ExecutorError(
                f"executor {self.name}: the namespace made {found} of {wanted.name}, which loses digits or range; "
                "let it keep all dtypes (jax_enable_x64 of JAX, say)"
            )


__all__ = ["ArrayNamespaceExecutor"]

"""What ops with regions share: their rules, and what depends on what within a region.

A structured op holds closed graphs; what they read comes to them as operands. Its rules are given `recur`, which
applies the running transformation to a region, and otherwise only arrange operands and results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple
from weakref import WeakKeyDictionary

from graphad.errors import ShapeError
from graphad.graph import Graph, Node, Value
from graphad.op import Op, Regional, Types, zeros_like
from graphad.ops.programs import program
from graphad.trace import trace_flat
from graphad.types import Array, TensorType, type_of


def check_operands(op: Op, region: Graph, xs: tuple[TensorType, ...]) -> None:
    """Raise `ShapeError` unless the operands have the types of the region's inputs."""
    if xs != region.input_types:
        raise ShapeError(f"{op.name}: operands {list(xs)} for a function of {list(region.input_types)}")


def result_types(region: Graph) -> Types:
    """What an op gives whose results are the region's outputs."""
    types = region.output_types
    return types[0] if len(types) == 1 else types

Flags = Sequence[bool]
Run = Callable[[Graph], Callable[..., Sequence[Any]]]
"""`run(region)(*operands)` gives a region's results."""


class Split(NamedTuple):
    """A region cut in two: `first: nonlinear inputs -> (nonlinear outputs, residuals)` and
    `second: (residuals, linear inputs) -> linear outputs`."""

    first: Graph
    second: Graph


class Structured(Regional, abstract=True):
    """Base of the ops that hold regions which transformations enter.

    `recur` is, in the rule

    - `forward`: `recur(region, active, wanted) -> (graph, mask)`, where the graph has the tangents of the active
      inputs as further inputs and those of the outputs in `mask`, which covers `wanted`, as further outputs;
    - `split`: `recur(region, linear, free, wanted) -> Split`, where `wanted` tells the outputs that count as linear,
      and `free` the inputs that cost nothing to keep;
    - `transpose`: `recur(region, linear, wanted) -> graph`, `(nonlinear inputs, cotangents of the wanted outputs)` to
      cotangents of the linear inputs;
    - `batch`: `recur(region, batched, wanted) -> (graph, mask)`, where the outputs in `mask`, which covers `wanted`,
      carry the new axis.
    """

    structured: ClassVar[bool] = True

    def interpret(self, run: Run, *xs: Any) -> Sequence[Any]:
        """The results, where `run` runs the regions."""
        raise NotImplementedError

    def eval(self, xp: Any, *xs: Any) -> Any:
        def run(region: Graph) -> Callable[..., Sequence[Any]]:
            prepared = program(region)
            return lambda *operands: prepared(xp, operands)

        return one_or_all(self.interpret(run, *xs))

    def dependence(self, flags: Flags) -> list[bool]:
        """Which results depend on the flagged operands."""
        raise NotImplementedError

    def forward(self, recur: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Results and their tangents (`None` for zero), computed together."""
        raise NotImplementedError

    def transpose(self, ct: Any, *xs: Any, recur: Any = None) -> Any:
        """As for any op; only for an op that is linear in some operands."""
        raise NotImplementedError

    def masked(self, recur: Any, flags: Flags, linear: Flags) -> tuple[list[bool], list[bool]]:
        """Which cotangents may hold zeros of a choice: those of the regions' results, and those of the operands.

        `flags` tells it of the cotangents of the results, and `recur(region, linear, flags)` of those of a region's
        inputs, given those of its results.
        """
        raise NotImplementedError

    def split(self, recur: Any, linear: Flags, *xs: Any) -> list[Any]:
        """The results, those that do not depend on linear operands computed by nodes that do not read them."""
        raise NotImplementedError

    def prune(self, live: Flags) -> tuple[Op, list[int], list[int]] | None:
        """The op without the results that are not live, its remaining operands and results by position; `None` if
        all are needed."""
        return None


def one_or_all(results: Sequence[Any]) -> Any:
    """What an op's rule gives for these results."""
    return results[0] if len(results) == 1 else tuple(results)


def all_results(found: Any) -> list[Any]:
    """The results of an op as a list."""
    return list(found) if isinstance(found, tuple) else [found]


def dependent_values(graph: Graph, flags: Flags) -> set[Value]:
    """The flagged inputs of a graph and all values that depend on them."""
    reached = {v for v, flag in zip(graph.inputs, flags, strict=True) if flag}
    for node in graph.nodes:
        reached.update(dependent_results(node, reached))
    return reached


def dependent_results(node: Node, reached: set[Value]) -> list[Value]:
    """Which results of a node depend on some values, given all earlier ones that do."""
    flags = [v in reached for v in node.inputs]
    if not any(flags):
        return []
    if not isinstance(node.op, Structured):
        return list(node.outputs)
    return [v for v, flag in zip(node.outputs, node.op.dependence(flags), strict=True) if flag]


_dependence: WeakKeyDictionary[Graph, dict[tuple[bool, ...], list[bool]]] = WeakKeyDictionary()


def dependence(graph: Graph, flags: Flags) -> list[bool]:
    """Which outputs of a graph depend on the flagged inputs. It is kept: every loop around one asks more than once."""
    found, key = _dependence.setdefault(graph, {}), tuple(flags)
    if key not in found:
        reached = dependent_values(graph, flags)
        found[key] = [v in reached for v in graph.outputs]
    return list(found[key])


def chosen(xs: Iterable[Any], flags: Flags) -> list[Any]:
    """The flagged entries."""
    return [x for x, flag in zip(xs, flags, strict=True) if flag]


def others(xs: Iterable[Any], flags: Flags) -> list[Any]:
    """The entries that are not flagged."""
    return [x for x, flag in zip(xs, flags, strict=True) if not flag]


def merged(flags: Flags, yes: Iterable[Any], no: Iterable[Any]) -> list[Any]:
    """One list from those of the flagged and of the other entries."""
    first, second = iter(yes), iter(no)
    return [next(first) if flag else next(second) for flag in flags]


def instantiated(tangent: Array | None, primal: Array) -> Array:
    """A tangent, zeros for `None`."""
    return zeros_like(primal) if tangent is None else tangent


def region(function: Callable[..., Sequence[Any]], *operands: Any) -> Graph:
    """The graph of a function of operands like these, for the samples of ops."""
    return trace_flat(lambda args: function(*args), [type_of(x) for x in operands]).graph


def region_flops(region: Graph) -> int:
    """Floating-point operations of one run of a region."""
    return sum(node.op.flops(*[v.type for v in node.inputs]) for node in region.nodes)


def used_inputs(graph: Graph) -> list[bool]:
    """Which inputs a live node or an output of the graph reads."""
    live: set[Value] = set(graph.outputs)
    for node in reversed(graph.nodes):
        if node.op.effect or not live.isdisjoint(node.outputs):
            live.update(node.inputs)
    return [v in live for v in graph.inputs]


def substituted(graph: Graph, env: Mapping[Value, Value], inputs: Iterable[Value]) -> Graph:
    """The graph with other inputs, its reads of some values replaced."""
    nodes = [node.reading(env) for node in graph.nodes]
    return graph.replace(inputs=inputs, nodes=nodes, outputs=[env.get(v, v) for v in graph.outputs])


__all__ = [
    "Flags", "Run", "Split", "Structured", "all_results", "check_operands", "chosen", "dependence", "dependent_results",
    "dependent_values", "instantiated", "merged", "one_or_all", "others", "region", "region_flops", "result_types",
    "substituted", "used_inputs",
]  # fmt: skip

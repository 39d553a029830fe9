"""Regions that may be run where the program does not reach them: for examples of a batch that take another branch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError
from graphad.graph import Graph, Node
from graphad.location import describe_location
from graphad.op import OPS, Op, Sample
from graphad.ops.shape import batch_all
from graphad.rewriter import Recorder
from graphad.trace import Tracer
from graphad.types import BOOL, TensorType


def must_be_reached(op: Op) -> bool:
    """Whether it matters that an op runs where the program does not reach it."""
    return bool(op.raises) or op.effect


def must_be_guarded(op: Op) -> bool:
    """Whether an op may not run on whatever there is where the program does not reach it: it raises, has an effect, or
    has a loop, which other values may keep from ending, and whose trip count another branch may have left there."""
    if must_be_reached(op) or not op.counted:
        return True
    return any([must_be_guarded(node.op) for region in op.regions.values() for node in region.nodes])


def turns(nodes: Iterable[Node]) -> dict[Node, int]:
    """How many effects, and exceptions of different kinds between them, there are until the end of each node.

    Of the nodes that raise or have an effect those of a higher number stay behind those of a lower one wherever nodes
    are put into another order. Those of the same raise the same: the first that fails does so.
    """
    found: dict[Node, int] = {}
    count, last = 0, None
    for node in nodes:
        if must_be_reached(node.op):
            raised = None if node.op.effect else node.op.raises
            count += raised is None or raised != last
            last = raised
        found[node] = count
    return found


def refuse_again(nodes: Iterable[Node]) -> None:
    """Raise `MissingRuleError` where random numbers would be drawn again for a derivative, and be other ones."""
    for node in nodes:
        if node.op.drawn:
            raise MissingRuleError(
                f"the derivative would draw random numbers anew, in {node.op.name}{describe_location(node.where)}; "
                "draw them before and pass them as an argument, or use graphad.random with a key"
            )


def silent(node: Node) -> Node:
    """A node for computing again what was computed before: what only has an effect is left out of its regions."""
    if not node.op.effect or not node.op._region_fields:
        return node

    def without(graph: Graph) -> Graph:
        nodes = [silent(inner) for inner in graph.nodes if inner.outputs or not inner.op.effect]
        return graph.replace(nodes=nodes)

    return node.map_regions(without)


def guarded(graph: Graph) -> Graph:
    """The graph with a scalar of bool as a further last input, without which nothing in it raises, has an effect, or
    turns more often than is known before; its results are then any."""
    with Recorder(graph, graph.inputs) as recorder:
        live = Tracer(recorder.builder, recorder.builder.input(TensorType(BOOL), "live"))
        for node in recorder.walk():
            if not must_be_guarded(node.op):
                recorder.keep(node)
                continue
            recorder.at(node)
            recorder.replace(node, recorder.results(node, node.op.guarded(live, *recorder.operands(node))))
        outputs = [recorder.env.get(v, v) for v in graph.outputs]
    return recorder.builder.finish(outputs)


class Succeeds(Op):
    """Whether an op raises nothing for its operands: it is given by its name and attributes.

    The first `lead` axes of all operands are those of batches.
    """

    host_only = "it asks NumPy whether an op raises"
    operation: str
    settings: tuple[Any, ...] = ()
    lead: int = 0

    @property
    def inner(self) -> Op:
        """The op."""
        return OPS[self.operation](*self.settings)  # type: ignore[no-any-return]

    def infer(self, *xs: TensorType) -> TensorType:
        return TensorType(BOOL, xs[0].shape[: self.lead])

    def eval(self, xp: Any, *xs: Any) -> Any:
        arrays = [np.asarray(x) for x in xs]
        out = np.empty(arrays[0].shape[: self.lead], bool)
        for i in np.ndindex(out.shape):
            try:
                self.inner.eval(np, *[x[i] for x in arrays])
            except self.inner.raises:
                out[i] = False
            else:
                out[i] = True
        return out

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Any:
        return self.replace(lead=self.lead + 1)(*batch_all(batched, size, xs))

    def flops(self, *xs: TensorType) -> int:
        return sum([x.size for x in xs])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls("cholesky"), (np.array([[2.0, 1.0], [1.0, 3.0]]),))
        yield Sample(cls("cholesky"), (np.array([[1.0, 2.0], [2.0, 1.0]]),))
        yield Sample(cls("cholesky", (), 1), (np.array([[[1.0, 2.0], [2.0, 1.0]], np.eye(2)]),))


def succeeds(op: Op, *xs: Any) -> Any:
    """Whether an op raises nothing for its operands."""
    return Succeeds(op.name, tuple(op.attributes.values()))(*xs)


__all__ = ["Succeeds", "guarded", "must_be_guarded", "must_be_reached", "refuse_again", "silent", "succeeds", "turns"]

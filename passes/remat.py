"""Rematerialisation: which intermediate values are kept for a derivative, and which are computed anew."""

from __future__ import annotations

from collections.abc import Sequence

from graphad.graph import Constant, Node, Value

CHEAP = frozenset(
    {
        "add", "subtract", "multiply", "multiply_no_nan", "negative", "square", "absolute", "sign", "maximum",
        "minimum", "cast", "select", "less", "less_equal", "greater", "greater_equal", "equal", "not_equal",
        "logical_and", "logical_or", "logical_not", "broadcast_to", "reshape", "transpose", "iota", "real", "imag",
        "conjugate", "stop_gradient",
    }
)  # fmt: skip
"""Ops that cost less than to write their result to memory and to read it back."""


def recomputed(
    inputs: Sequence[Value], nodes: Sequence[Node], needed: Sequence[Value], free: set[Value]
) -> tuple[list[Value], list[Node]]:
    """The residuals to keep so that all needed values can be had, and the nodes that compute the rest from them.

    Inputs in `free` cost nothing to keep. What is dynamically long cannot be kept, and so is always computed anew.
    """
    producers = {v: node for node in nodes for v in node.outputs}
    order = {v: i for i, v in enumerate(v for node in nodes for v in node.outputs)}
    kept: dict[Value, None] = {}
    again: dict[Node, None] = {}

    def cheap(v: Value) -> bool:
        """Whether a value follows from what is kept or free by cheap ops alone."""
        if isinstance(v, Constant) or v in free or v in kept:
            return True
        node = producers.get(v)
        return node is not None and node.op.name in CHEAP and all([cheap(u) for u in node.inputs])

    def compute(v: Value) -> None:
        if isinstance(v, Constant) or v in kept:
            return
        node = producers.get(v)
        if v in free or node is None:
            kept.setdefault(v)
            return
        if node in again:
            return
        for u in node.inputs:
            provide(u)
        again.setdefault(node)

    def provide(v: Value) -> None:
        node = producers.get(v)
        if v.type.dynamic or cheap(v) or (node is not None and node.op.name == "broadcast_to"):
            compute(v)
        else:
            kept.setdefault(v)

    for v in sorted(needed, key=lambda v: order.get(v, -1)):
        provide(v)
    position = {node: i for i, node in enumerate(nodes)}
    return list(kept), sorted(again, key=position.__getitem__)

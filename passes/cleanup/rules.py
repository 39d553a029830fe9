"""The table of rules of `simplify`, to which anyone can add with `rewrite`, and what they ask of operands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from graphad.build import current_builder
from graphad.graph import Constant, Node
from graphad.op import Op, op_class
from graphad.ops.shape import BroadcastTo, broadcast_to
from graphad.passes.rewriting import Kind, Rule, Rules
from graphad.trace import Tracer

RULES = Rules()
"""The rules by the ops that they look at; earlier rules go first."""

_found: dict[type[Op], tuple[Rule, ...]] = {}
R = TypeVar("R", bound=Callable[..., Any])


def rewrite(*ops: Kind) -> Callable[[R], R]:
    """Register a rule for these ops, given by themselves, their classes or names: `rule(node, *operands)`.

    The operands are traced values: compute the replacement with NumPy's functions and operators. The answer is
    what replaces the node's result, of the same type, or `None` if the rule does not apply. `number` and
    `made_by` tell what an operand is. The rule of an op is not that of what is derived from its class; a rule for an
    abstract class is one for all below it.
    """

    def register(rule: R) -> R:
        for op in ops:
            RULES[op].append(rule)
        _found.clear()
        return rule

    return register


def number(x: Tracer) -> Any:
    """The number that fills a constant operand (through a broadcast), or `None` if there is not one known."""
    v: Any = x.value
    node = x.builder.producers.get(v)
    if node is not None and type(node.op) is BroadcastTo:
        v = node.inputs[0]
    if not isinstance(v, Constant) or not v.type.size:
        return None
    if v.type.size == 1:
        return v.array.reshape(-1)[0]
    first = v.array.flat[0]
    return first if (v.array == first).all() else None


def made_by(x: Tracer, *ops: Kind) -> Node | None:
    """The node that computes an operand, if its op is one of these, given as in `rewrite`."""
    node = x.builder.producers.get(x.value)
    if node is not None:
        cls = type(node.op)
        for kind in ops:
            if kind is cls or type(kind) is cls or (isinstance(kind, str) and op_class(kind) is cls):
                return node
    return None


def operands(x: Tracer, node: Node) -> list[Tracer]:
    """The operands of a node found by `made_by`."""
    return [Tracer(x.builder, v) for v in node.inputs]


def rules_of(op: Op) -> tuple[Rule, ...]:
    cls: type[Op] = type(op)
    found = _found.get(cls)
    if found is None:
        kinds = [b for b in cls.__mro__ if issubclass(b, Op) and b in RULES and (b is cls or b.abstract)]
        found = _found[cls] = tuple([rule for base in kinds for rule in RULES[base]])
    return found


def like(node: Node, x: Any) -> Any:
    """An operand, of the result's dtype, as the whole result."""
    return broadcast_to(x, node.outputs[0].type.shape)


def filled(node: Node, value: Any) -> Any:
    kind = node.outputs[0].type
    scalar = np.asarray(value, kind.dtype)
    builder = current_builder()
    assert builder is not None
    return BroadcastTo(kind.shape)(Tracer(builder, Constant(scalar))) if kind.shape else scalar


__all__ = ["RULES", "filled", "like", "made_by", "number", "operands", "rewrite", "rules_of"]

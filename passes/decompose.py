"""Decomposition of ops into simpler ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from graphad.errors import MissingRuleError
from graphad.graph import Graph, Node
from graphad.op import Op, op_class
from graphad.ops.elementwise import cast
from graphad.ops.lowering import composed
from graphad.passes.base import check_option, graph_pass
from graphad.passes.rewriting import Rule, sweep


@graph_pass
def decompose(
    graph: Graph,
    supports: Callable[[Op], bool] | Collection[str] | None = None,
    forms: Mapping[type[Op], Callable[..., Any]] = {},
) -> Graph:
    """Replace the ops that are not supported by the simpler ones that their `decompose` method gives.

    `supports` is an executor's method, or the names of the ops to keep; without it every op that can be decomposed
    is, but for functions of SciPy's, whose digits are kept so. Ops without such a method stay. `forms` gives for
    classes of ops functions that come before all that. Law: the meaning is kept up to rounding.
    """
    keep: Callable[[Op], bool]
    if supports is None:
        keep = _never
    elif callable(supports):
        keep = supports
    else:
        check_option("supports", supports, isinstance(supports, Collection), "it is a function of an op, or ops' names")
        kept = frozenset(map(op_class, [supports] if isinstance(supports, str) else supports))
        keep = lambda op: type(op) in kept

    def rules_of(op: Op) -> Sequence[Rule]:
        if type(op) in forms:
            return (_by(forms[type(op)]),)
        rule = type(op).decompose
        stays = rule is Op.decompose or keep(op) or (rule is composed and keep is not supports)
        return () if stays else (_expand,)

    return sweep(graph, rules_of, lambda region: decompose(region, supports, forms))


def _never(op: Op) -> bool:
    return False


def _by(form: Callable[..., Any]) -> Rule:
    def expand(node: Node, *xs: Any) -> Any:
        found = form(*xs)
        if len(node.outputs) == 1:
            return cast(found, node.outputs[0].type.dtype)
        return tuple([cast(x, v.type.dtype) for x, v in zip(found, node.outputs, strict=True)])

    return expand


def _expand(node: Node, *xs: Any) -> Any:
    try:
        return node.op.decompose(*xs)
    except MissingRuleError:
        return None

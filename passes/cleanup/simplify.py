"""Algebraic simplification by the rules of a table."""

from __future__ import annotations

from graphad.graph import Graph
from graphad.passes.base import graph_pass
from graphad.passes.cleanup import arithmetic_rules, shape_rules
from graphad.passes.cleanup.rules import RULES, made_by, number, operands, rewrite, rules_of
from graphad.passes.rewriting import sweep


@graph_pass
def simplify(graph: Graph) -> Graph:
    """Apply the rules of `RULES` in one forward sweep, in regions too.

    Meaning is kept up to rounding; in derivatives a zero may lose its sign. A rule never turns a NaN into a number by
    itself: `x * 0` stays for floating `x`. What no longer is read stays for `dce`.
    """
    return sweep(graph, rules_of, simplify)



__all__ = ["RULES", "arithmetic_rules", "made_by", "number", "operands", "rewrite", "shape_rules", "simplify"]

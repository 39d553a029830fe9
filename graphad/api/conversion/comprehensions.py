"""Comprehensions whose length would depend on traced tests, in the source."""

from __future__ import annotations

import ast
from collections.abc import Sequence

_NEUTRAL = {"sum": 0, "any": False, "all": True}
"""What adds nothing to the result of a builtin."""


def without_tests(name: str, args: Sequence[ast.expr]) -> None:
    """Make `sum(x for x in xs if test)` a `sum(x if test else 0 for x in xs)`, whose length is known."""
    if name not in _NEUTRAL or len(args) != 1 or not isinstance(args[0], (ast.GeneratorExp, ast.ListComp)):
        return
    made = args[0]
    last = made.generators[-1]
    for test in reversed(last.ifs):
        neutral = ast.copy_location(ast.Constant(_NEUTRAL[name]), test)
        made.elt = ast.copy_location(ast.IfExp(test, made.elt, neutral), made.elt)
    last.ifs = []

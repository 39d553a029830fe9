"""Which expressions may make arrays that nothing else holds."""

from __future__ import annotations

import ast

from graphad.api.conversion.elements import runtime

KEEP_NOTHING = frozenset({
    "abs", "all", "any", "bool", "complex", "float", "int", "isinstance", "len", "max", "min", "print", "range", "repr",
    "round", "str", "sum", "type",
})  # fmt: skip
"""Builtins that keep no argument."""
_MAKERS = (ast.BinOp, ast.UnaryOp, ast.Compare, ast.Call, ast.IfExp, ast.BoolOp, ast.NamedExpr)
DISPLAYS = (ast.List, ast.Tuple, ast.Dict, ast.ListComp, ast.DictComp)


def makes(node: ast.expr) -> bool:
    """Whether the value of an expression may be a new array, or hold one."""
    if isinstance(node, ast.Call) and is_runtime(node):
        return bool(node.func.attr == "inplace")  # type: ignore[attr-defined]
    if isinstance(node, (ast.List, ast.Tuple)):
        return any(map(makes, node.elts))
    if isinstance(node, ast.Dict):
        return any(map(makes, node.values))
    if isinstance(node, ast.Attribute):
        return makes(node.value)
    if isinstance(node, ast.UnaryOp):
        return not isinstance(node.op, ast.Not) and not isinstance(node.operand, ast.Constant)
    if isinstance(node, ast.Subscript):
        return any(isinstance(n, (ast.Name, ast.List)) for n in ast.walk(node.slice)) or makes(node.value)
    return isinstance(node, (*_MAKERS, *DISPLAYS))


def is_runtime(node: ast.Call) -> bool:
    """Whether a call is one of a run-time function."""
    f = node.func
    return isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name) and f.value.id == runtime("x").func.value.id  # type: ignore[attr-defined]

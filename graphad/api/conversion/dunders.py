"""Converted code in which properties, operators and other special methods of the user's classes are calls: a pass over
the rewritten tree, for the uses that classes are known to give a meaning of their own."""

from __future__ import annotations

import ast
from collections.abc import Container
from typing import Any, TypeVar

from graphad.api.conversion.classes import ANY, BLOCK, ITEM, ITERATION, OPERATION, OPERATORS, UNARY
from graphad.api.conversion.elements import index, runtime
from graphad.api.conversion.fresh import is_runtime
from graphad.api.conversion.heap import RUNTIME

_N = TypeVar("_N", bound=ast.expr)


class Dunders(ast.NodeTransformer):
    """Makes calls of run-time functions of the uses in `known`. Attributes of `modules` stay as they are."""

    def __init__(self, known: Container[str], modules: Container[str]) -> None:
        self.known = known
        self.modules = modules

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        base = node.value
        if isinstance(base, ast.Name) and (base.id == RUNTIME or base.id in self.modules):
            return node
        node.value = self.visit(base)
        if not isinstance(node.ctx, ast.Load) or not (node.attr in self.known or ANY in self.known):
            return node
        return ast.copy_location(runtime("attribute", node.value, ast.Constant(node.attr)), node)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if is_runtime(node) and node.func.attr == "member":  # type: ignore[attr-defined]
            name: Any = node.args[1]
            if name.value in self.known or ANY in self.known:
                node.args.append(runtime("attribute").func)  # type: ignore[attr-defined]
                ast.fix_missing_locations(node)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        target = node.targets[0]
        if len(node.targets) > 1 or not isinstance(target, ast.Attribute) or f"={target.attr}" not in self.known:
            return self.generic_visit(node)  # type: ignore[return-value]
        owner, value = self.visit(target.value), self.visit(node.value)
        return ast.copy_location(ast.Expr(runtime("assign", value, owner, ast.Constant(target.attr))), node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        return self._operation(node, type(node.op).__name__, node.left, node.right)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        self.generic_visit(node)
        kind = type(node.op).__name__
        return self._operation(node, kind, node.operand) if kind in UNARY else node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        kind = type(node.ops[0]).__name__
        if len(node.ops) > 1 or kind not in OPERATORS:
            return node
        return self._operation(node, kind, node.left, node.comparators[0])

    def _operation(self, node: ast.expr, kind: str, *operands: ast.expr) -> ast.expr:
        if OPERATION not in self.known:
            return node
        return ast.copy_location(runtime("operate", ast.Constant(kind), *operands), node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.generic_visit(node)
        if ITEM not in self.known or not isinstance(node.ctx, ast.Load):
            return node
        return ast.copy_location(runtime("getitem", node.value, index(node.slice)), node)

    def visit_With(self, node: ast.With) -> ast.With:
        self.generic_visit(node)
        if BLOCK in self.known:
            for item in node.items:
                item.context_expr = ast.copy_location(runtime("managed", item.context_expr), item.context_expr)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.comprehension:
        self.generic_visit(node)
        if ITERATION in self.known and not node.is_async:
            node.iter = ast.copy_location(runtime("iterated", node.iter), node.iter)
        return node

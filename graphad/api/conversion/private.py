"""Private names as Python spells them within a class: `self.__x` in the class `A` is `self._A__x`."""

from __future__ import annotations

import ast


class Private(ast.NodeTransformer):
    """Spells the private names of what stands in a class out, so that converted code may hold them as text."""

    def __init__(self, owner: str) -> None:
        self.owner = owner.lstrip("_")

    def spelled(self, name: str) -> str:
        private = name.startswith("__") and not name.endswith("__") and "." not in name
        return f"_{self.owner}{name}" if private and self.owner else name

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        outer, self.owner = self.owner, node.name.lstrip("_")
        self.generic_visit(node)
        self.owner = outer
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.Attribute:
        self.generic_visit(node)
        node.attr = self.spelled(node.attr)
        return node

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self.spelled(node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.arg = self.spelled(node.arg)
        return node

    def visit_keyword(self, node: ast.keyword) -> ast.keyword:
        self.generic_visit(node)
        node.arg = node.arg and self.spelled(node.arg)
        return node

    def visit_Global(self, node: ast.Global) -> ast.Global:
        node.names = [self.spelled(n) for n in node.names]
        return node

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.Nonlocal:
        node.names = [self.spelled(n) for n in node.names]
        return node

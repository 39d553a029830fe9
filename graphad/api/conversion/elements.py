"""Assignments to elements become assignments to variables: `a[i] = v` is `a = setitem(v, a, i)`.

So an array can be a traced value, which never changes, while lists, dicts and objects change in place as in Python.
Augmented assignments and `match` over plain values are spelled out here as well.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from graphad.api.conversion.heap import RUNTIME
from graphad.api.conversion.names import Function, bound, declared, parameters
from graphad.api.conversion.scope import MARK


def runtime(name: str, *args: ast.expr) -> ast.Call:
    """A call of a run-time function."""
    return ast.Call(ast.Attribute(ast.Name(RUNTIME, ast.Load()), name, ast.Load()), list(args), [])


def load(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def assign(name: str, value: ast.expr, like: ast.AST) -> ast.stmt:
    """`name = value`, at the place of another statement."""
    return ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], value), like)


class Scope:
    """The names of one function, and those of the functions around it that are converted with it."""

    def __init__(self, node: Function, outer: Scope | None) -> None:
        body: Sequence[ast.AST] = node.body if isinstance(node.body, list) else [node.body]
        self.outer = outer
        self.parameters = parameters(node)
        self.globals = declared(body, ast.Global)
        self.nonlocals = declared(body, ast.Nonlocal)
        self.locals = (bound(body) | set(self.parameters)) - self.globals - self.nonlocals

    def rebindable(self, name: str) -> bool:
        """Whether a variable can be assigned here, with the meaning that it has; it is declared if need be."""
        if name in self.locals or name in self.globals or name in self.nonlocals:
            return True
        outer = self.outer
        while outer is not None:
            if name in outer.locals:
                self.nonlocals.add(name)
                return True
            outer = outer.outer
        return False


class Elements(ast.NodeTransformer):
    """Rewrites the statements of one function; nested functions are left as they are."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.count = 0

    def temporary(self) -> str:
        self.count += 1
        return f"value{MARK}{self.count}"

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return node

    def visit_Global(self, node: ast.Global) -> ast.AST:
        return ast.copy_location(ast.Pass(), node)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.AST:
        return ast.copy_location(ast.Pass(), node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | list[ast.stmt]:
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return self.visit_Assign(ast.copy_location(ast.Assign([node.target], node.value), node))

    def visit_Assign(self, node: ast.Assign) -> ast.AST | list[ast.stmt]:
        if not any(_has_element(t) for t in node.targets):
            return node
        if len(node.targets) == 1 and not isinstance(node.targets[0], (ast.Tuple, ast.List)):
            return self.store(node.targets[0], node.value, node)
        name = self.temporary()
        out = [assign(name, node.value, node)]
        for target in node.targets:
            out += self.store(target, load(name), node)
        return out

    def store(self, target: ast.expr, value: ast.expr, node: ast.stmt) -> list[ast.stmt]:
        """Statements that assign a value to a target of any kind, its parts from left to right."""
        if not _has_element(target):
            return [ast.copy_location(ast.Assign([target], value), node)]
        if isinstance(target, (ast.Tuple, ast.List)):
            names = [self.temporary() for _ in target.elts]
            parts: list[ast.expr] = [
                ast.Starred(ast.Name(n, ast.Store()), ast.Store())
                if isinstance(t, ast.Starred)
                else ast.Name(n, ast.Store())
                for n, t in zip(names, target.elts, strict=True)
            ]
            out: list[ast.stmt] = [ast.copy_location(ast.Assign([ast.Tuple(parts, ast.Store())], value), node)]
            for name, t in zip(names, target.elts, strict=True):
                out += self.store(t.value if isinstance(t, ast.Starred) else t, load(name), node)
            return out
        steps: list[ast.expr] = []
        root = target
        while isinstance(root, (ast.Attribute, ast.Subscript)):
            if isinstance(root, ast.Attribute):
                steps.append(ast.Tuple([ast.Constant("."), ast.Constant(root.attr)], ast.Load()))
            else:
                steps.append(ast.Tuple([ast.Constant("["), index(root.slice)], ast.Load()))
            root = root.value
        path = ast.Tuple(steps[::-1], ast.Load())
        if isinstance(root, ast.Name) and self.scope.rebindable(root.id):
            if len(steps) == 1:
                assert isinstance(target, ast.Subscript)
                return [assign(root.id, runtime("setitem", value, load(root.id), index(target.slice)), node)]
            return [assign(root.id, runtime("put", value, load(root.id), path), node)]
        text = ast.Constant(ast.unparse(root))
        return [ast.copy_location(ast.Expr(runtime("put_outer", value, root, path, text)), node)]

    def visit_AugAssign(self, node: ast.AugAssign) -> list[ast.stmt]:
        target: ast.expr = node.target
        out: list[ast.stmt] = []
        symbol = ast.Constant(type(node.op).__name__)
        if isinstance(target, ast.Name):
            return [assign(target.id, runtime("inplace", symbol, load(target.id), node.value), node)]
        target = self._evaluated(target, node, out)
        reading: ast.expr
        if isinstance(target, ast.Attribute):
            reading = ast.Attribute(target.value, target.attr, ast.Load())
        else:
            assert isinstance(target, ast.Subscript)
            reading = ast.Subscript(target.value, target.slice, ast.Load())
        value = ast.copy_location(runtime("inplace", symbol, ast.copy_location(reading, node), node.value), node)
        return [*out, *self.store(target, value, node)]

    def _evaluated(self, target: ast.expr, node: ast.stmt, out: list[ast.stmt]) -> ast.expr:
        """The target with whatever must be evaluated once only in temporary variables."""
        if isinstance(target, ast.Attribute):
            return ast.copy_location(
                ast.Attribute(self._evaluated(target.value, node, out), target.attr, target.ctx), target
            )
        if isinstance(target, ast.Subscript):
            base = self._evaluated(target.value, node, out)
            at = index(target.slice)
            if not isinstance(at, (ast.Constant, ast.Name)):
                name = self.temporary()
                out.append(assign(name, at, node))
                at = load(name)
            return ast.copy_location(ast.Subscript(base, at, target.ctx), target)
        if isinstance(target, (ast.Name, ast.Constant)):
            return target
        name = self.temporary()
        out.append(assign(name, target, node))
        return load(name)

    def visit_Match(self, node: ast.Match) -> ast.AST | list[ast.stmt]:
        if not all(_plain(case.pattern) for case in node.cases):
            return self.generic_visit(node)
        name = self.temporary()
        out = [assign(name, node.subject, node), *self._cases(node.cases, name)]
        return [x for s in out for x in _many(self.visit(s))]

    def _cases(self, cases: Sequence[ast.match_case], subject: str) -> list[ast.stmt]:
        if not cases:
            return []
        case, rest = cases[0], self._cases(cases[1:], subject)
        pattern = case.pattern
        if isinstance(pattern, ast.MatchAs):
            bind = [assign(pattern.name, load(subject), pattern)] if pattern.name else []
            if case.guard is None:
                return [*bind, *case.body]
            return [*bind, ast.copy_location(ast.If(case.guard, case.body, rest), pattern)]
        test = _pattern_test(pattern, subject)
        if case.guard is not None:
            test = ast.copy_location(ast.BoolOp(ast.And(), [test, case.guard]), pattern)
        return [ast.copy_location(ast.If(test, case.body, rest), pattern)]


def index(node: ast.expr) -> ast.expr:
    """A subscript as a value of its own: slices spelled as calls."""
    if isinstance(node, ast.Slice):
        parts = [part or ast.Constant(None) for part in (node.lower, node.upper, node.step)]
        return ast.copy_location(runtime("slice", *parts), node)
    if isinstance(node, ast.Tuple) and any(isinstance(e, ast.Slice) for e in node.elts):
        return ast.copy_location(ast.Tuple([index(e) for e in node.elts], ast.Load()), node)
    return node


def _has_element(target: ast.expr) -> bool:
    if isinstance(target, (ast.Tuple, ast.List)):
        return any(_has_element(e) for e in target.elts)
    if isinstance(target, ast.Starred):
        return _has_element(target.value)
    while isinstance(target, ast.Attribute):
        target = target.value
    return isinstance(target, ast.Subscript)


def _many(x: ast.AST | list[ast.stmt]) -> list[ast.stmt]:
    return x if isinstance(x, list) else [x]  # type: ignore[list-item]


def _plain(pattern: ast.pattern) -> bool:
    """Whether a pattern only compares the subject with values, or names it."""
    if isinstance(pattern, ast.MatchOr):
        return all(not isinstance(p, ast.MatchAs) and _plain(p) for p in pattern.patterns)
    if isinstance(pattern, ast.MatchAs):
        return pattern.pattern is None
    return isinstance(pattern, (ast.MatchValue, ast.MatchSingleton))


def _pattern_test(pattern: ast.pattern, subject: str) -> ast.expr:
    test: ast.expr
    if isinstance(pattern, ast.MatchOr):
        test = ast.BoolOp(ast.Or(), [_pattern_test(p, subject) for p in pattern.patterns])
    elif isinstance(pattern, ast.MatchSingleton):
        test = ast.Compare(load(subject), [ast.Is()], [ast.Constant(pattern.value)])
    else:
        assert isinstance(pattern, ast.MatchValue)
        test = ast.Compare(load(subject), [ast.Eq()], [pattern.value])
    return ast.copy_location(test, pattern)

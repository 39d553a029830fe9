"""Which statements leave a block, and which may raise an exception for the handlers around it."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Sequence


def leaves(body: Sequence[ast.stmt], handled: bool) -> bool:
    """Whether statements always end in a jump, which `raise` is where it is handled."""
    for s in body:
        if isinstance(s, (ast.Return, ast.Break, ast.Continue, ast.Raise)):
            return handled or not isinstance(s, ast.Raise)
        if isinstance(s, ast.If) and leaves(s.body, handled) and leaves(s.orelse, handled):
            return True
    return False


def raises(body: Sequence[ast.AST], attempts: bool) -> bool:
    """Whether statements raise for the handlers around them: not within a block that sees it first. With `attempts`
    they do where they may fail."""
    return next(_raising_parts(body, attempts), None) is not None


def _raising_parts(body: Sequence[ast.AST], attempts: bool) -> Iterator[ast.AST]:
    for s in body:
        if isinstance(s, ast.Raise) or (attempts and may_fail(s)):
            yield s
        if isinstance(s, (ast.With, ast.AsyncWith, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.expr)):
            continue
        parts = list(ast.iter_child_nodes(s))
        if isinstance(s, (ast.Try, ast.TryStar)) and s.handlers:
            parts = [*s.handlers, *s.orelse, *s.finalbody]
        yield from _raising_parts(parts, attempts)


_FAILING = (ast.Call, ast.Subscript, ast.BinOp)


def may_fail(s: ast.AST) -> bool:
    """Whether a statement computes what may raise an exception, without other statements in it."""
    value = s.test if isinstance(s, ast.If) else getattr(s, "value", None)
    if isinstance(s, (ast.If, ast.Return, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr)) and value is not None:
        return any([isinstance(n, _FAILING) for n in ast.walk(value)])
    return isinstance(s, ast.Assert)


_ATTEMPTS = 12
"""Statements of a block that are told from each other where one fails; each makes the next ones a branch."""


def attempts(s: ast.Try | ast.FunctionDef) -> bool:
    """Whether each statement in a block may raise for its handlers: not where one that fails may have bound a name."""
    if any([isinstance(n, ast.NamedExpr) for x in s.body for n in ast.walk(x)]):
        return False
    return len(list(itertools.islice(_raising_parts(s.body, True), _ATTEMPTS + 1))) <= _ATTEMPTS


__all__ = ["attempts", "leaves", "may_fail", "raises"]

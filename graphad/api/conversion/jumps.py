"""`return`, `break` and `continue` within branches and loops become assignments to flags.

What follows a jump is moved into the other branch where that is possible, and guarded by the flags where it is not:

    if a: return b        if a: result = b; returned = True
    c                     else: c
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from graphad.api.conversion.names import inside
from graphad.api.conversion.scope import MARK

RETURNED, RESULT = f"returned{MARK}", f"return{MARK}"

_BRANCHING = (ast.If, ast.While, ast.For, ast.Match)


def lower(function: ast.FunctionDef) -> tuple[list[ast.stmt], dict[ast.stmt, list[str]]]:
    """The statements of a function without jumps that leave a branch or a loop; and the flags that end each loop.

    The last statement of the function may stay a `return`.
    """
    nested = any(
        isinstance(n, ast.Return) for s in inside(function.body) if isinstance(s, _BRANCHING) for n in inside([s])
    )
    lowering = _Lowering(nested)
    body = lowering.block(function.body, None)
    if nested:
        first, last = function.body[0], function.body[-1]
        start = [_set(RETURNED, False, first)]
        end = [_returned(last)]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            body = [body[0], *start, *body[1:], *end]
        else:
            body = [*start, *body, *end]
    return body, lowering.exits


def lower_around_yields(function: ast.FunctionDef) -> tuple[list[ast.stmt], dict[ast.stmt, list[str]]]:
    """The same of a generator, in which what stands around a `yield` or a `return` is left as it is: it is `native`."""
    lowering = _AroundYields(False)
    return lowering.block(function.body, None), lowering.exits


class _Loop:
    """The flags of the loop that a statement stands in."""

    def __init__(self, number: int) -> None:
        self.broken = f"break{MARK}{number}"
        self.continued = f"continue{MARK}{number}"


class _Lowering:
    def __init__(self, returns: bool) -> None:
        self.returns = returns
        self.exits: dict[ast.stmt, list[str]] = {}
        self.count = 0

    def block(self, body: Sequence[ast.stmt], loop: _Loop | None) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for i, s in enumerate(body):
            rest = list(body[i + 1 :])
            if isinstance(s, ast.Return) and self.returns:
                value = s.value or ast.copy_location(ast.Constant(None), s)
                return [*out, _assign(RESULT, value, s), _set(RETURNED, True, s)]
            if isinstance(s, ast.Break) and loop is not None:
                return [*out, _set(loop.broken, True, s)]
            if isinstance(s, ast.Continue) and loop is not None:
                return [*out, _set(loop.continued, True, s)]
            flags = self.flags([s], loop)
            if isinstance(s, (ast.While, ast.For)):
                out += self.loop(s, rest, flags, loop)
                return out
            if not flags:
                out.append(self.inner(s, loop))
                continue
            if isinstance(s, ast.If):
                first, second = _leaves(s.body), _leaves(s.orelse)
                if first != second and rest:
                    moved = ast.copy_location(ast.If(s.test, list(s.body), list(s.orelse)), s)
                    if first:
                        moved.orelse = [*s.orelse, *rest]
                    else:
                        moved.body = [*s.body, *rest]
                    out.append(self.inner(moved, loop))
                    return out
                out.append(self.inner(s, loop))
                if first and second:
                    return out
            else:
                out.append(self.inner(s, loop))
            if rest:
                out.append(_guard(flags, self.block(rest, loop), s))
            return out
        return out

    def loop(
        self, s: ast.While | ast.For, rest: list[ast.stmt], flags: list[str], outer: _Loop | None
    ) -> list[ast.stmt]:
        """A loop, its `else` and what follows it."""
        self.count += 1
        own = _Loop(self.count)
        kinds = _own_jumps(s.body)
        body = self.block(s.body, own)
        before: list[ast.stmt] = []
        exits: list[str] = []
        if ast.Break in kinds:
            before.append(_set(own.broken, False, s))
            exits.append(own.broken)
        if ast.Continue in kinds:
            body = [_set(own.continued, False, s), *body]
        if RETURNED in flags and self.flags(s.body, None):
            exits.append(RETURNED)
        if isinstance(s, ast.While):
            new: ast.While | ast.For = ast.While(s.test, body, [])
        else:
            new = ast.For(s.target, s.iter, body, [])
        ast.copy_location(new, s)
        new.plain = getattr(s, "plain", None)  # type: ignore[union-attr]
        self.exits[new] = exits
        after = [*s.orelse, *rest] if not exits else rest
        out = [*before, new]
        if RETURNED in exits and _endless(s) and ast.Break not in kinds:
            out.append(_set(RETURNED, True, s))
        if exits and s.orelse:
            out.append(_guard(exits, self.block(s.orelse, outer), s.orelse[0]))
        if after and flags and exits:
            out.append(_guard(flags, self.block(after, outer), s))
        else:
            out += self.block(after, outer)
        return out

    def inner(self, s: ast.stmt, loop: _Loop | None) -> ast.stmt:
        """A compound statement with its blocks lowered."""
        definition = isinstance(s, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        if definition or not (hasattr(s, "body") or hasattr(s, "cases")):
            return s
        if isinstance(s, (ast.Try, ast.TryStar)) and s.orelse:
            flags = self.flags(s.body, loop)
            orelse = self.block(s.orelse, loop)
            handlers: Any = [_with_body(h, self.block(h.body, loop)) for h in s.handlers]
            new: ast.stmt = type(s)(
                self.block(s.body, loop),
                handlers,
                [_guard(flags, orelse, s)] if flags else orelse,
                self.block(s.finalbody, loop),
            )
            return ast.copy_location(new, s)
        fields: dict[str, Any] = {}
        for name, value in ast.iter_fields(s):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                value = self.block(value, loop)
            elif isinstance(value, list) and value and isinstance(value[0], (ast.ExceptHandler, ast.match_case)):
                value = [_with_body(h, self.block(h.body, loop)) for h in value]
            fields[name] = value
        return ast.copy_location(type(s)(**fields), s)

    def flags(self, body: Sequence[ast.stmt], loop: _Loop | None) -> list[str]:
        """The flags that statements may set, of those that concern what follows them."""
        found: list[str] = []
        if self.returns and any(isinstance(n, ast.Return) for n in inside(body)):
            found.append(RETURNED)
        kinds = _own_jumps(body)
        if loop is not None:
            found += [loop.broken] * (ast.Break in kinds) + [loop.continued] * (ast.Continue in kinds)
        return found


class _AroundYields(_Lowering):
    def block(self, body: Sequence[ast.stmt], loop: _Loop | None) -> list[ast.stmt]:
        if loop is not None:
            return super().block(body, loop)
        out: list[ast.stmt] = []
        for s in body:
            if not hasattr(s, "body") and not hasattr(s, "cases"):
                out.append(s)
            elif any(isinstance(n, _STAYING) for n in inside([s])) or _own_jumps([s]):
                new = self.inner(s, None)
                new.native = True  # type: ignore[attr-defined]
                out.append(new)
            else:
                out += super().block([s], None)
        return out


_STAYING = (ast.Yield, ast.YieldFrom, ast.Return)


def _own_jumps(body: Sequence[ast.AST]) -> set[type]:
    """The kinds of jumps that belong to the loop around these statements."""
    found: set[type] = set()
    for s in body:
        if isinstance(s, (ast.Break, ast.Continue)):
            found.add(type(s))
        elif isinstance(s, (ast.While, ast.For)):
            found |= _own_jumps(s.orelse)
        elif not isinstance(s, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.expr)):
            found |= _own_jumps(list(ast.iter_child_nodes(s)))
    return found


def _endless(s: ast.stmt) -> bool:
    """Whether a loop ends by a jump only."""
    return isinstance(s, ast.While) and isinstance(s.test, ast.Constant) and bool(s.test.value)


def _leaves(body: Sequence[ast.stmt]) -> bool:
    """Whether statements always end in a jump."""
    for s in body:
        if isinstance(s, (ast.Return, ast.Break, ast.Continue, ast.Raise)):
            return not isinstance(s, ast.Raise)
        if isinstance(s, ast.If) and _leaves(s.body) and _leaves(s.orelse):
            return True
    return False


def _with_body(node: ast.AST, body: list[ast.stmt]) -> ast.AST:
    new = type(node)(**{**dict(ast.iter_fields(node)), "body": body})
    return ast.copy_location(new, node) if hasattr(node, "lineno") else new


def _assign(name: str, value: ast.expr, at: ast.AST) -> ast.stmt:
    return ast.copy_location(ast.Assign([ast.copy_location(ast.Name(name, ast.Store()), at)], value), at)


def _set(name: str, value: bool, at: ast.AST) -> ast.stmt:
    return _assign(name, ast.copy_location(ast.Constant(value), at), at)


def _guard(flags: Sequence[str], body: list[ast.stmt], at: ast.AST) -> ast.stmt:
    """`if not (flag or flag): body`."""
    names: list[ast.expr] = [ast.copy_location(ast.Name(f, ast.Load()), at) for f in flags]
    test = names[0] if len(names) == 1 else ast.copy_location(ast.BoolOp(ast.Or(), names), at)
    negated = ast.copy_location(ast.UnaryOp(ast.Not(), test), at)
    # Where the body does not run, a single flag is known to be set.
    orelse = [_set(flags[0], True, at)] if len(flags) == 1 else []
    return ast.copy_location(ast.If(negated, body or [ast.copy_location(ast.Pass(), at)], orelse), at)


def _returned(at: ast.AST) -> ast.stmt:
    """`return returned(flag, lambda: result)`, which the rewriting makes a call of the run time."""
    marked = ast.Name(RESULT, ast.Load())
    value = ast.Call(ast.Name(RETURNED, ast.Load()), [ast.Name(RETURNED, ast.Load()), marked], [])
    node = ast.Return(value)
    for n in ast.walk(node):
        ast.copy_location(n, at)
    return node

"""Which names statements bind and read, and which of them are read later."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def _parts(node: ast.AST) -> list[ast.AST]:
    """What stands right under a node, in order, but for the kinds of contexts and operators."""
    found: list[ast.AST] = []
    for field in node._fields:
        value = getattr(node, field, None)
        if isinstance(value, list):
            found += [x for x in value if isinstance(x, ast.AST)]
        elif isinstance(value, ast.AST) and value._fields:
            found.append(value)
    return found


def _everything(node: ast.AST) -> list[ast.AST]:
    """A node and all that stands in it."""
    found = [node]
    for n in found:
        found += _parts(n)
    return found


def inside(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """All nodes of one scope: nested functions and classes themselves, but not what stands in them."""
    pending = list(nodes)[::-1]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, _SCOPES):
            outer: list[ast.AST] = []
            if isinstance(node, ast.ClassDef):
                outer = [*node.decorator_list, *node.bases, *node.keywords]
            else:
                outer = [*node.args.defaults, *[d for d in node.args.kw_defaults if d is not None]]
                outer += getattr(node, "decorator_list", [])
            pending.extend(reversed(outer))
        else:
            pending.extend(reversed(_parts(node)))


def bound(nodes: Iterable[ast.AST]) -> set[str]:
    """The names that statements bind in their own scope."""
    found: set[str] = set()
    own: set[str] = set()
    for node in inside(nodes):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update((a.asname or a.name).split(".")[0] for a in node.names)
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            found.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            found.add(node.rest)
        elif isinstance(node, _COMPREHENSIONS):
            targets = {n.id for g in node.generators for n in _everything(g.target) if isinstance(n, ast.Name)}
            own |= targets - {n.target.id for n in _everything(node) if isinstance(n, ast.NamedExpr)}
    return found - (own - _bound_outside_comprehensions(nodes) if own else set())


def _bound_outside_comprehensions(nodes: Iterable[ast.AST]) -> set[str]:
    found: set[str] = set()
    pending = list(nodes)
    while pending:
        node = pending.pop()
        if isinstance(node, _COMPREHENSIONS):
            pending += [g.iter for g in node.generators[:1]]
            continue
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        if not isinstance(node, _SCOPES):
            pending.extend(_parts(node))
        elif not isinstance(node, ast.Lambda):
            found.add(node.name)
    return found


def parameters(function: Function) -> list[str]:
    """The names of a function's parameters."""
    a = function.args
    every = [*a.posonlyargs, *a.args, *a.kwonlyargs, *[x for x in (a.vararg, a.kwarg) if x is not None]]
    return [x.arg for x in every]


def read(node: ast.AST | None) -> set[str]:
    """Every name that an expression or statement may read, nested scopes included."""
    if node is None:
        return set()
    return {n.id for n in _everything(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def captured(nodes: Iterable[ast.AST]) -> set[str]:
    """The names that nested functions and classes read or rebind; they may be used at any time."""
    found: set[str] = set()
    for node in inside(nodes):
        if isinstance(node, _SCOPES):
            for n in _everything(node):
                if isinstance(n, ast.Name):
                    found.add(n.id)
                elif isinstance(n, ast.Nonlocal):
                    found.update(n.names)
    return found


def declared(nodes: Iterable[ast.AST], kind: type[ast.Global] | type[ast.Nonlocal]) -> set[str]:
    """The names that statements declare global, or nonlocal."""
    return {name for node in inside(nodes) if isinstance(node, kind) for name in node.names}


class Liveness:
    """For each `if` and each loop of a function, the names that are read after it.

    `after[statement]` may be too large, never too small. Jumps are lowered before; `exits` are the flags that end each
    loop, which are read before each iteration.
    """

    def __init__(self, body: Sequence[ast.stmt], always: set[str], exits: dict[ast.stmt, list[str]]) -> None:
        self.after: dict[ast.stmt, set[str]] = {}
        self.exits = exits
        self.always = always
        self.block(body, set())

    def block(self, body: Sequence[ast.stmt], live: set[str]) -> set[str]:
        """The names that are live before statements, from those that are live after them."""
        for statement in reversed(body):
            live = self.statement(statement, live)
        return live

    def statement(self, node: ast.stmt, live: set[str]) -> set[str]:
        if isinstance(node, (ast.If, ast.While, ast.For)):
            self.after[node] = self.after.get(node, set()) | live | self.always
        if isinstance(node, ast.If):
            return read(node.test) | self.block(node.body, live) | self.block(node.orelse, live)
        if isinstance(node, (ast.While, ast.For)):
            head = (read(node.test) if isinstance(node, ast.While) else set()) | set(self.exits.get(node, ()))
            targets = bound([node.target]) if isinstance(node, ast.For) else set()
            around = live | self.block(node.orelse, live) | head
            while True:
                found = around | (self.block(node.body, around) - targets)
                if found == around:
                    break
                around = found
            self.after[node] |= around
            return around | (read(node.iter) if isinstance(node, ast.For) else set())
        if isinstance(node, (ast.With, ast.AsyncWith)):
            inner = self.block(node.body, live)
            return inner.union(*[read(item) for item in node.items])
        if isinstance(node, (ast.Try, ast.TryStar)):
            blocks = [node.body, *[h.body for h in node.handlers], node.orelse, node.finalbody]
            every = live.union(*[read(s) for block in blocks for s in block])
            for block in blocks:
                self.block(block, every)
            return every.union(*[read(h.type) for h in node.handlers])
        if isinstance(node, ast.Match):
            found = live | read(node.subject)
            for case in node.cases:
                found |= self.block(case.body, live) | read(case.guard) | read(case.pattern)
            return found
        if isinstance(node, ast.Assign):
            return (live - {t.id for t in node.targets if isinstance(t, ast.Name)} - _unpacked(node)) | read(node)
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            return (live - {node.name}) | read(node)
        return live | read(node)


def _unpacked(node: ast.Assign) -> set[str]:
    """The names that tuple targets bind."""
    found: set[str] = set()
    for target in node.targets:
        if isinstance(target, (ast.Tuple, ast.List)):
            found |= {n.id for n in _everything(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return found


def bare(a: ast.arguments) -> ast.arguments:
    """Parameters without annotations and defaults."""

    def strip(x: ast.arg) -> ast.arg:
        return ast.copy_location(ast.arg(x.arg), x)

    return ast.arguments(
        posonlyargs=[strip(x) for x in a.posonlyargs],
        args=[strip(x) for x in a.args],
        vararg=a.vararg and strip(a.vararg),
        kwonlyargs=[strip(x) for x in a.kwonlyargs],
        kw_defaults=[None] * len(a.kwonlyargs),
        kwarg=a.kwarg and strip(a.kwarg),
        defaults=[],
    )


def all_arguments(a: ast.arguments) -> list[ast.arg]:
    """All parameters, in one order."""
    found = [*a.posonlyargs, *a.args, a.vararg, *a.kwonlyargs, a.kwarg]
    return [x for x in found if x is not None]

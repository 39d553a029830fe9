"""Assignments to elements become calls: `a[i] = v` is `setitem(v, a, i)`.

Augmented assignments and `match` over plain values are spelled out here as well. A statement that changes the array of
a variable in place has the attribute `writes`, the variable's name; of a loop that may be run as it stands `plain` are
its variables, and whether it returns.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import Any

from graphad.api.conversion import alone
from graphad.api.conversion.heap import RUNTIME
from graphad.api.conversion.names import Function, bound, declared, parameters
from graphad.api.conversion.scope import MARK, PARTS

NO_ARGUMENTS = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])


def runtime(name: str, *args: ast.expr) -> ast.Call:
    """A call of a run-time function."""
    return ast.Call(ast.Attribute(ast.Name(RUNTIME, ast.Load()), name, ast.Load()), list(args), [])


def load(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def assign(name: str, value: ast.expr, like: ast.AST) -> ast.stmt:
    """`name = value`, at the place of another statement."""
    return ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], value), like)


def reading(node: ast.stmt | ast.expr, names: Iterable[str]) -> list[ast.expr]:
    """What reads the variables of a piece of code that may be run as it stands, and its place."""
    variables = ast.Lambda(NO_ARGUMENTS, ast.Tuple([load(n) for n in names], ast.Load()))
    place = ast.Tuple([ast.Constant(n) for n in alone.place_of(node)], ast.Load())
    return [variables, place]


class Scope:
    """The names of one function, and those of the functions around it that are converted with it."""

    def __init__(self, node: Function, outer: Scope | None, modules: frozenset[str] = frozenset()) -> None:
        body: Sequence[ast.AST] = node.body if isinstance(node.body, list) else [node.body]
        self.outer = outer
        self.parameters = parameters(node)
        self.globals = declared(body, ast.Global)
        self.nonlocals = declared(body, ast.Nonlocal)
        self.locals = (bound(body) | set(self.parameters)) - self.globals - self.nonlocals
        self.modules: frozenset[str] = (modules if outer is None else outer.modules) - self.locals

    def module(self, node: ast.expr) -> str | None:
        """The module of whose function or attribute an expression is the name, None for any other expression."""
        while isinstance(node, ast.Attribute):
            node = node.value
        return node.id if isinstance(node, ast.Name) and node.id in self.modules else None


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
            node.targets = [_noted(t) for t in node.targets]
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
            return [ast.copy_location(ast.Assign([_noted(target)], value), node)]
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
        if isinstance(target, ast.Attribute):
            if target.attr not in PARTS:
                return [ast.copy_location(ast.Assign([_noted(target)], value), node)]
            call = runtime("set_part", value, target.value, ast.Constant(target.attr))
            return [_writing(ast.copy_location(ast.Expr(call), node), target)]
        assert isinstance(target, ast.Subscript)
        call = runtime("setitem", value, target.value, index(target.slice), *_name(target))
        made = ast.copy_location(ast.Expr(call), node)
        return [_writing(made, target)]

    def visit_With(self, node: ast.With) -> ast.AST:
        for i, item in enumerate(node.items):
            target = item.optional_vars
            if target is not None and not _is_bound(target):
                item.optional_vars, stored = self._entered(target)
                later = node.items[i + 1 :]
                inner = [ast.copy_location(ast.With(later, node.body), node)] if later else node.body
                node.items, node.body = node.items[: i + 1], [*stored, *inner]
                break
        return self.generic_visit(node)

    def _entered(self, target: ast.expr) -> tuple[ast.expr, list[ast.stmt]]:
        """A variable in the place of a target, and the statement that assigns it to that."""
        name = self.temporary()
        stored = ast.copy_location(ast.Assign([target], load(name)), target)
        return ast.copy_location(ast.Name(name, ast.Store()), target), [stored]

    def _loop(self, node: ast.For | ast.While) -> ast.AST:
        names = alone.variables(node)
        plain = names is not None and not (self.scope.globals | self.scope.nonlocals) & bound([node])
        if isinstance(node, ast.For) and not _is_bound(node.target):
            target, stored = self._entered(node.target)
            node = ast.copy_location(ast.For(target, node.iter, [*stored, *node.body], node.orelse), node)
        if plain:
            node.plain = names, any([isinstance(n, ast.Return) for n in ast.walk(node)])  # type: ignore[union-attr]
        return self.generic_visit(node)

    visit_For = visit_While = _loop

    def visit_AugAssign(self, node: ast.AugAssign) -> list[ast.stmt]:
        target: ast.expr = node.target
        out: list[ast.stmt] = []
        symbol = ast.Constant(type(node.op).__name__)
        if isinstance(target, ast.Name):
            made = assign(target.id, runtime("inplace", symbol, load(target.id), node.value), node)
            return [_writing(made, target)]
        target = self._evaluated(target, node, out)
        reading: ast.expr
        if isinstance(target, ast.Attribute):
            reading = ast.Attribute(target.value, target.attr, ast.Load())
        else:
            assert isinstance(target, ast.Subscript)
            reading = ast.Subscript(target.value, target.slice, ast.Load())
        reading = ast.copy_location(reading, node)
        if isinstance(target, ast.Subscript):
            call = runtime("update", symbol, reading, node.value, target.value, target.slice, *_name(target))
            return [*out, _writing(ast.copy_location(ast.Expr(ast.copy_location(call, node)), node), target)]
        value = ast.copy_location(runtime("inplace", symbol, reading, node.value), node)
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
            return self._match(node)
        name = self.temporary()
        out = [assign(name, node.subject, node), *self._cases(node.cases, name)]
        return [x for s in out for x in _many(self.visit(s))]

    def _match(self, node: ast.Match) -> list[ast.stmt]:
        """A `match` that stays: its classes are those that traced values are instances of as well, and whether parts
        are True or False is asked by the guards."""
        out: list[ast.stmt] = []
        node.cases = [one for case in node.cases for one in _apart(case)]
        for case in node.cases:
            if _asks_truth(case.pattern):
                _Truths(self.temporary).ask(case)
        for pattern in [p for case in node.cases for p in ast.walk(case.pattern)]:
            if isinstance(pattern, ast.MatchClass):
                name = self.temporary()
                out.append(assign(name, runtime("matching", pattern.cls), pattern))
                pattern.cls = ast.copy_location(load(name), pattern)
        kept = self.generic_visit(node)
        assert isinstance(kept, ast.stmt)
        return [*out, kept]

    def _cases(
        self, cases: Sequence[ast.match_case], subject: str, truths: tuple[Any, ...] = ()
    ) -> list[ast.stmt]:
        """The cases as branches; `truths` are the constants that cases before have taken."""
        if not cases:
            return []
        case, pattern = cases[0], cases[0].pattern
        taken = isinstance(pattern, ast.MatchSingleton) and case.guard is None
        rest = self._cases(cases[1:], subject, (*truths, pattern.value) if taken else truths)  # type: ignore[attr-defined]
        if isinstance(pattern, ast.MatchAs):
            bind = [assign(pattern.name, load(subject), pattern)] if pattern.name else []
            if case.guard is None:
                return [*bind, *case.body]
            return [*bind, ast.copy_location(ast.If(case.guard, case.body, rest), pattern)]
        test = _pattern_test(pattern, subject)
        if taken and len({True, False} & {*truths, pattern.value}) == 2:  # type: ignore[attr-defined]
            test.args.append(ast.Constant(True))  # type: ignore[attr-defined]
        if case.guard is not None:
            test = ast.copy_location(ast.BoolOp(ast.And(), [test, case.guard]), pattern)
        return [ast.copy_location(ast.If(test, case.body, rest), pattern)]


class _Truths(ast.NodeTransformer):
    """Gives all parts of a pattern names of their own, and asks by its guard whether some are True or False."""

    def __init__(self, temporary: Callable[[], str]) -> None:
        self.temporary = temporary
        self.tests: list[ast.expr] = []
        self.captured: dict[str, str] = {}

    def ask(self, case: ast.match_case) -> None:
        case.pattern = self.visit(case.pattern)
        tests = [*self.tests, *([] if case.guard is None else [self.visit(case.guard)])]
        case.guard = ast.copy_location(ast.BoolOp(ast.And(), tests) if len(tests) > 1 else tests[0], case.pattern)
        case.body[:0] = [assign(name, load(own), case.pattern) for name, own in self.captured.items()]

    def visit_MatchSingleton(self, node: ast.MatchSingleton) -> ast.pattern:
        return self._asked(node) if _asks_truth(node) else node

    def visit_MatchOr(self, node: ast.MatchOr) -> ast.AST:
        return self._asked(node) if _asks_truth(node) else self.generic_visit(node)

    def _asked(self, node: ast.pattern) -> ast.pattern:
        name = self.temporary()
        self.tests.append(_pattern_test(node, name))
        return ast.copy_location(ast.MatchAs(None, name), node)

    def visit_MatchAs(self, node: ast.MatchAs) -> ast.AST:
        return self._named(node, "name")

    def visit_MatchStar(self, node: ast.MatchStar) -> ast.AST:
        return self._named(node, "name")

    def visit_MatchMapping(self, node: ast.MatchMapping) -> ast.AST:
        return self._named(node, "rest")

    def _named(self, node: ast.pattern, field: str) -> ast.AST:
        name = getattr(node, field)
        if name is not None:
            setattr(node, field, self.captured.setdefault(name, self.temporary()))
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        own = self.captured.get(node.id)
        return node if own is None else ast.copy_location(ast.Name(own, node.ctx), node)


def _asks_truth(pattern: ast.pattern) -> bool:
    """Whether a part of a pattern is True or False."""
    return any(isinstance(p, ast.MatchSingleton) and p.value is not None for p in ast.walk(pattern))


class _Alternative(ast.NodeTransformer):
    """Puts an alternative in the place of the first pattern of several that bind names and ask for True or False."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.count = 0

    def visit_MatchOr(self, node: ast.MatchOr) -> ast.AST:
        if self.count or _plain(node) or not _asks_truth(node):
            return self.generic_visit(node)
        self.count = len(node.patterns)
        return node.patterns[self.position]


def _apart(case: ast.match_case) -> list[ast.match_case]:
    """A case for each of such alternatives."""
    first = _Alternative(0)
    first.visit(deepcopy(case.pattern))
    every: list[ast.match_case] = []
    for i in range(first.count):
        one = deepcopy(case)
        one.pattern = _Alternative(i).visit(one.pattern)
        every += _apart(one)
    return every or [case]


def _writing(statement: ast.stmt, target: ast.expr) -> ast.stmt:
    """The statement, with the variable noted whose array it changes."""
    while isinstance(target, ast.Subscript):
        target = target.value
    if isinstance(target, ast.Name):
        statement.writes = target.id  # type: ignore[attr-defined]
    return statement


def _name(target: ast.Subscript) -> list[ast.expr]:
    """The name of the variable whose elements are assigned, if it is one."""
    known = isinstance(target.value, ast.Name) and MARK not in target.value.id
    return [ast.Constant(target.value.id)] if known else []  # type: ignore[attr-defined]


def index(node: ast.expr) -> ast.expr:
    """A subscript as a value of its own: slices spelled as calls."""
    if isinstance(node, ast.Slice):
        parts = [part or ast.Constant(None) for part in (node.lower, node.upper, node.step)]
        return ast.copy_location(runtime("slice", *parts), node)
    if isinstance(node, ast.Tuple) and any(isinstance(e, ast.Slice) for e in node.elts):
        return ast.copy_location(ast.Tuple([index(e) for e in node.elts], ast.Load()), node)
    return node


def _noted(target: ast.expr) -> ast.expr:
    """A target whose attributes are those of objects that the ledger notes first."""
    if isinstance(target, (ast.Tuple, ast.List)):
        return ast.copy_location(type(target)([_noted(e) for e in target.elts], ast.Store()), target)
    if isinstance(target, ast.Starred):
        return ast.copy_location(ast.Starred(_noted(target.value), ast.Store()), target)
    if isinstance(target, ast.Attribute):
        owner = ast.copy_location(runtime("changing", target.value), target.value)
        return ast.copy_location(ast.Attribute(owner, target.attr, ast.Store()), target)
    return target


def _is_bound(target: ast.expr) -> bool:
    """Whether a target is a variable, or several of them."""
    if isinstance(target, (ast.Tuple, ast.List)):
        return all(map(_is_bound, target.elts))
    return isinstance(target.value if isinstance(target, ast.Starred) else target, ast.Name)


def _has_element(target: ast.expr) -> bool:
    if isinstance(target, (ast.Tuple, ast.List)):
        return any(_has_element(e) for e in target.elts)
    if isinstance(target, ast.Starred):
        return _has_element(target.value)
    if isinstance(target, ast.Attribute) and target.attr in PARTS:
        return True
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
        test = runtime("is_", load(subject), ast.Constant(pattern.value))
    else:
        assert isinstance(pattern, ast.MatchValue)
        test = ast.Compare(load(subject), [ast.Eq()], [pattern.value])
    return ast.copy_location(test, pattern)

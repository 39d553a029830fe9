"""The user's function as a tree of statements, its control flow turned into calls of the run-time functions.

The blocks of a branch or a loop become nested functions that share the user's variables through `nonlocal`:

    if x > 0:            def then@1():
        y = x                nonlocal y
                             y = x
                         graphad@.if_(x > 0, then@1, None, ())

so that without traced values everything happens as in Python.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from graphad.api.conversion import alone, jumps
from graphad.api.conversion.comprehensions import without_tests
from graphad.api.conversion.elements import NO_ARGUMENTS, Elements, Scope, assign, index, load, reading, runtime
from graphad.api.conversion.fresh import DISPLAYS, KEEP_NOTHING, is_runtime, makes
from graphad.api.conversion.names import Liveness, all_arguments, bare, bound, captured, inside
from graphad.api.conversion.scope import MARK

_N = TypeVar("_N", bound=ast.AST)
_FRAMES = frozenset({"locals", "globals", "vars", "eval", "exec", "dir", "super"})


_YIELDS = (ast.Yield, ast.YieldFrom)


def _yields(nodes: Iterable[ast.AST]) -> bool:
    return any(isinstance(n, _YIELDS) for n in inside(nodes))


def function(
    node: ast.FunctionDef, outer: Scope | None, modules: frozenset[str] = frozenset(), carrying: bool = False
) -> ast.FunctionDef:
    """A function definition converted; decorators and defaults are left to the caller. `modules` are the names of
    modules whose functions keep no argument; `carrying` tells the try statement around the call of what is raised."""
    scope = Scope(node, outer, modules)
    elements = Elements(scope)
    plain = ast.copy_location(ast.FunctionDef(node.name, node.args, [], node.decorator_list), node)
    for s in node.body:
        found = elements.visit(s)
        plain.body += found if isinstance(found, list) else [found]
    body, exits = jumps.lower_around_yields(plain) if _yields(plain.body) else jumps.lower(plain, carrying)
    scope.locals |= bound(body) - scope.globals - scope.nonlocals
    always = captured(body) | scope.globals | scope.nonlocals
    rewriter = ControlFlowRewriter(scope, Liveness(body, always, exits).after, exits)
    start: list[ast.stmt] = []
    if scope.globals:
        start.append(ast.Global(sorted(scope.globals)))
    if scope.nonlocals:
        start.append(ast.Nonlocal(sorted(scope.nonlocals)))
    if outer is None:
        start += [_at(s, node.body[0]) for s in _outer_variables(scope)]
    # A variable that only nested functions assign must be known to be one of this function.
    own = sorted(scope.locals - set(scope.parameters))
    if own:
        known = ast.Assign([ast.Name(n, ast.Store()) for n in own], ast.Constant(None))
        start.append(ast.If(ast.Constant(False), [known], []))
    new = ast.FunctionDef(node.name, bare(node.args), [*start, *rewriter.block(body)], [])
    return ast.copy_location(new, node)


def _outer_variables(scope: Scope) -> list[ast.stmt]:
    """Notes of the variables outside of a function that it assigns."""
    out: list[ast.stmt] = []
    if scope.globals:
        names = ast.Tuple([ast.Constant(n) for n in sorted(scope.globals)], ast.Load())
        out.append(ast.Expr(runtime("assigning", ast.Call(load("globals"), [], []), names)))
    if scope.nonlocals:
        reader = ast.Lambda(NO_ARGUMENTS, ast.Tuple([load(n) for n in sorted(scope.nonlocals)], ast.Load()))
        out.append(ast.Expr(runtime("rebinding", reader)))
    return out


def lambda_(node: ast.Lambda, outer: Scope | None, modules: frozenset[str] = frozenset()) -> ast.Lambda:
    """A lambda converted; defaults are left to the caller."""
    rewriter = ControlFlowRewriter(Scope(node, outer, modules), {}, {})
    rewriter.nested = 1
    return ast.copy_location(ast.Lambda(bare(node.args), rewriter.visit(node.body)), node)


class ControlFlowRewriter(ast.NodeTransformer):
    """Rewrites the lowered statements of one function."""

    def __init__(self, scope: Scope, after: dict[ast.stmt, set[str]], exits: dict[ast.stmt, list[str]]) -> None:
        self.scope = scope
        self.after = after
        self.exits = exits
        self.count = 0
        self.nested = 0
        self.trying = False
        self.hoisted: list[ast.stmt] = []

    # -- statements -------------------------------------------------------------------------------------------

    def block(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        kept, self.hoisted = self.hoisted, []
        for s in body:
            found = self.visit(s)
            out += self.hoisted
            self.hoisted = []
            out += found if isinstance(found, list) else [found]
        self.hoisted = kept
        return out or [ast.Pass()]

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{MARK}{self.count}"

    def define(self, name: str, body: list[ast.stmt], names: Iterable[str], like: ast.AST, arg: str = "") -> ast.stmt:
        """A nested function that assigns the user's variables `names`."""
        known = sorted(names)
        shared: list[ast.stmt] = []
        outer = [n for n in known if n in self.scope.globals]
        if outer:
            shared.append(ast.Global(outer))
        if len(outer) < len(known):
            shared.append(ast.Nonlocal([n for n in known if n not in self.scope.globals]))
        arguments = NO_ARGUMENTS
        if arg:
            arguments = ast.arguments(posonlyargs=[], args=[ast.arg(arg)], kwonlyargs=[], kw_defaults=[], defaults=[])
        return _at(ast.FunctionDef(name, arguments, [*shared, *body], []), like)

    def visit(self, node: ast.AST) -> Any:
        """A node rewritten; a `native` compound statement stays, with its parts rewritten."""
        return self._blocks(node) if getattr(node, "native", False) else super().visit(node)

    def visit_If(self, s: ast.If) -> list[ast.stmt]:
        if s.orelse and isinstance(s.orelse[-1], ast.Raise) and not isinstance(s.body[-1], ast.Raise):
            # What raises comes first, so that the other block need not be traced as a branch.
            test = _at(ast.UnaryOp(ast.Not(), s.test), s.test)
            s, after = _at(ast.If(test, s.orelse, s.body), s), self.after.get(s)
            if after is not None:
                self.after[s] = after
        names = bound([*s.body, *s.orelse])
        test = self.visit(s.test)
        then = self.name("then")
        out = [self.define(then, self.block(s.body), bound(s.body), s)]
        orelse: ast.expr = ast.Constant(None)
        if s.orelse:
            name = self.name("else")
            out.append(self.define(name, self.block(s.orelse), bound(s.orelse), s))
            orelse = load(name)
        return [*out, self._run("if_", s, names, test, load(then), orelse)]

    def visit_While(self, s: ast.While) -> list[ast.stmt]:
        name = self.name("body")
        test = self.lazy(s.test, s, "test", hoist=True)
        out = [self.define(name, self.block(s.body), bound(s.body), s)]
        out.append(self._run("while_", s, bound([*s.body, s.test]), test, load(name), self._going(s)))
        return self._either(s, out)

    def visit_For(self, s: ast.For) -> list[ast.stmt]:
        name, setter, value = self.name("body"), self.name("next"), f"entry{MARK}"
        target = ast.Assign([s.target], ast.Name(value, ast.Load()))
        iterable = self.visit(s.iter)
        out = [
            self.define(setter, [ast.copy_location(target, s.target)], bound([s.target]), s, value),
            self.define(name, self.block(s.body), bound(s.body), s),
        ]
        names = bound([*s.body, s.target])
        out.append(self._run("for_", s, names, iterable, load(setter), load(name), self._going(s)))
        return self._either(s, out)

    def _either(self, s: ast.For | ast.While, converted: list[ast.stmt]) -> list[ast.stmt]:
        """A loop as it stands where nothing in it is traced, else converted."""
        names, returns = getattr(s, "plain", None) or (None, False)
        if names is None:
            return converted
        name = self.name("untraced")
        found = _at(assign(name, runtime("untraced", *reading(s, names)), s), s)
        result = ast.Subscript(load(name), ast.Constant(0), ast.Load())
        returned = [assign(jumps.RESULT, result, s), assign(jumps.RETURNED, ast.Constant(True), s)]
        orelse: list[ast.stmt] = [_at(ast.If(load(name), returned, []), s)] if returns else []
        return [found, _at(ast.If(ast.Compare(load(name), [ast.Is()], [ast.Constant(None)]), converted, orelse), s)]

    def _run(self, kind: str, s: ast.stmt, names: set[str], *args: ast.expr) -> ast.stmt:
        dead = _constants(names - self.after.get(s, names))
        call = runtime(kind, *args, dead, *([_written(s)] if isinstance(s, (ast.While, ast.For)) else []))
        return _at(ast.Expr(_at(call, s)), s)

    def _going(self, s: ast.stmt) -> ast.expr:
        flags = self.exits.get(s)
        if not flags:
            return ast.Constant(None)
        return ast.Lambda(NO_ARGUMENTS, runtime("none_of", *[load(f) for f in flags]))

    def visit_Assign(self, s: ast.Assign) -> ast.stmt:
        value, targets = self.value(s.value), [self.visit(t) for t in s.targets]
        return ast.copy_location(ast.Assign(targets, value), s)

    def visit_Return(self, s: ast.Return) -> ast.stmt:
        value = s.value
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == jumps.RETURNED:
            flag, result = value.args
            return _at(ast.Return(runtime("returned", flag, ast.Lambda(NO_ARGUMENTS, result))), s)
        return self.generic_visit(s)  # type: ignore[return-value]

    def visit_Assert(self, s: ast.Assert) -> ast.stmt:
        parts = [self.lazy(s.test, s, "test"), *([self.lazy(s.msg, s, "message")] if s.msg else [])]
        return _at(ast.Assert(runtime("checked", *parts), s.msg and self.visit(s.msg)), s)

    def visit_Raise(self, s: ast.Raise) -> ast.stmt:
        made = s.exc
        if not isinstance(made, ast.Call):
            return self.generic_visit(s)  # type: ignore[return-value]
        args = [self.visit(a) for a in made.args]
        keywords = [self.visit(k) for k in made.keywords]
        cls = ast.copy_location(runtime("exception", self.visit(made.func)), made.func)
        exc = ast.copy_location(ast.Call(cls, args, keywords), made)
        return ast.copy_location(ast.Raise(exc, s.cause and self.visit(s.cause)), s)

    def visit_FunctionDef(self, s: ast.FunctionDef) -> ast.stmt:
        new = function(s, self.scope)
        args = new.args
        if s.decorator_list:  # which may read them
            new.returns = s.returns
            for mine, given in zip(all_arguments(args), all_arguments(s.args), strict=True):
                mine.annotation = given.annotation
        args.defaults = [self.value(d) for d in s.args.defaults]
        args.kw_defaults = [d and self.value(d) for d in s.args.kw_defaults]
        new.decorator_list = [self.visit(d) for d in s.decorator_list]
        return new

    def visit_AsyncFunctionDef(self, s: ast.AsyncFunctionDef) -> ast.stmt:
        return s

    def visit_ClassDef(self, s: ast.ClassDef) -> ast.stmt:
        # What stands in a class runs once; its methods are converted, and arrays that get names can be written to.
        for i, b in enumerate(s.body):
            if isinstance(b, ast.FunctionDef):
                s.body[i] = self.visit_FunctionDef(b)
            elif isinstance(b, (ast.Assign, ast.AnnAssign)) and b.value is not None and makes(b.value):
                b.value = _at(runtime("made", b.value), b.value)
        return s

    def _blocks(self, s: _N) -> _N:
        """A compound statement that stays: its blocks and expressions rewritten."""
        fields: dict[str, Any] = {}
        for name, value in ast.iter_fields(s):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                value = self.block(value)
            elif isinstance(value, list):
                value = [
                    self._blocks(v) if isinstance(v, (ast.ExceptHandler, ast.match_case)) else self.visit(v)
                    for v in value
                ]
            elif isinstance(value, ast.AST):
                value = self.visit(value)
            fields[name] = value
        new = type(s)(**fields)
        return ast.copy_location(new, s) if hasattr(s, "lineno") else new

    visit_With = visit_Match = visit_TryStar = _blocks  # type: ignore[assignment]

    def visit_Try(self, s: ast.Try) -> ast.stmt:
        before, self.trying = self.trying, self.trying or bool(s.handlers)
        new = self._blocks(s)
        self.trying = before
        if new.handlers:
            types = [copy.deepcopy(h.type) if h.type else load("BaseException") for h in new.handlers]
            handled = ast.Lambda(NO_ARGUMENTS, ast.Tuple(types, ast.Load()))
            handler = ast.ExceptHandler(runtime("passing", copy.deepcopy(handled)), None, [ast.Raise()])
            block = runtime("trying", handled)
            new.body = [_at(ast.With([ast.withitem(_at(block, s))], new.body), s)]
            new.handlers.insert(0, _at(handler, s.handlers[0]))
        return new

    # -- expressions ------------------------------------------------------------------------------------------

    def lazy(self, node: ast.expr, like: ast.AST, kind: str = "part", hoist: bool = False) -> ast.expr:
        """An expression as a function without arguments."""
        names = bound([node])
        if not names:
            return _at(ast.Lambda(NO_ARGUMENTS, self.visit(node)), node)
        name = self.name(kind)
        kept, self.hoisted = self.hoisted, []
        value = self.visit(node)
        body = [*self.hoisted, _at(ast.Return(value), node)]
        self.hoisted = [*kept, self.define(name, body, names, like)]
        return _at(load(name), node)

    def value(self, node: ast.expr) -> ast.expr:
        """An expression whose value gets a name, an attribute or a place: an array that it makes can be written to."""
        fresh = makes(node.elt if isinstance(node, ast.GeneratorExp) else node)
        new = self.visit(node)
        if fresh and isinstance(new, ast.GeneratorExp):
            new.elt = _at(runtime("made", new.elt), new.elt)
            return new
        if fresh and isinstance(new, ast.Call) and is_runtime(new) and new.func.attr == "either":  # type: ignore[attr-defined]
            converted: Any = new.args[-1]
            converted.body = _at(runtime("made", converted.body), node)
            return new
        return _at(runtime("made", new), node) if fresh else new

    def visit_Yield(self, node: ast.Yield) -> ast.expr:
        return _at(ast.Yield(node.value and self.value(node.value)), node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.expr:
        return _at(ast.NamedExpr(node.target, self.value(node.value)), node)

    def _stays(self, parts: Sequence[ast.expr]) -> bool:
        """Whether parts that are evaluated later cannot be put into functions: they yield, or they assign variables
        where no function can be defined."""
        return bool(self.nested and bound(parts)) or _yields(parts)

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        if self._stays([node.body, node.orelse]):
            return self.generic_visit(node)  # type: ignore[return-value]
        test = self.visit(node.test)
        return _at(runtime("choose", test, self.lazy(node.body, node), self.lazy(node.orelse, node)), node)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        if self._stays(node.values[1:]):
            return self.generic_visit(node)  # type: ignore[return-value]
        kind = "and_" if isinstance(node.op, ast.And) else "or_"
        first = self.visit(node.values[0])
        return _at(runtime(kind, first, *[self.lazy(v, node) for v in node.values[1:]]), node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        left, right = [self.value(x) if isinstance(x, DISPLAYS) else self.visit(x) for x in (node.left, node.right)]
        if isinstance(node.op, ast.Mod) and isinstance(left, ast.Constant) and isinstance(left.value, str):
            return _at(runtime("percent", left, right), node)
        return _at(ast.BinOp(left, node.op, right), node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        node = self.generic_visit(node)  # type: ignore[assignment]
        return _at(runtime("not_", node.operand), node) if isinstance(node.op, ast.Not) else node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        if self._stays(node.comparators[1:]):
            return self.generic_visit(node)  # type: ignore[return-value]
        displays = any([isinstance(x, (ast.Tuple, ast.List)) for x in (node.left, *node.comparators)])
        if len(node.ops) == 1 and (not displays or self._stays(node.comparators)):
            new: Any = self.generic_visit(node)
            op, sides = node.ops[0], [new.left, *new.comparators]
            if isinstance(op, (ast.In, ast.NotIn)):
                found = runtime("contains", *sides[::-1])
            elif isinstance(op, (ast.Is, ast.IsNot)) and not any([isinstance(x, ast.Constant) for x in sides]):
                found = runtime("identical", *sides)
            else:
                return new  # type: ignore[no-any-return]
            return _at(runtime("not_", found) if isinstance(op, (ast.IsNot, ast.NotIn)) else found, node)
        args: list[ast.expr] = [self.visit(node.left)]
        for op, right in zip(node.ops, node.comparators, strict=True):
            args += [ast.Constant(type(op).__name__), self.lazy(right, node)]
        return _at(runtime("compare", *args), node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        new: Any = self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load) or not (node.attr == "__class__" or self.trying):
            return new  # type: ignore[no-any-return]
        return _at(runtime("member", new.value, ast.Constant(node.attr)), node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        new: Any = self.generic_visit(node)
        moves = isinstance(node.slice, ast.UnaryOp) or any([isinstance(n, ast.Name) for n in ast.walk(node.slice)])
        reads = moves and isinstance(node.ctx, ast.Load)
        return _at(runtime("getitem", new.value, index(new.slice)), node) if reads else new

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if is_runtime(node):
            first = self.value if node.func.attr == "setitem" else self.visit  # type: ignore[attr-defined]
            rest = [self.value(a) if isinstance(a, DISPLAYS) else self.visit(a) for a in node.args[1:]]
            node.args = [first(node.args[0]), *rest] if node.args else []
            return node
        given_code = [*node.args, *[k.value for k in node.keywords]]
        given = any([isinstance(a, (ast.Lambda, ast.GeneratorExp)) for a in given_code]) and not self.nested
        return self._piece(node, alone.variables(node) if given else None, self._call(node))

    def _call(self, node: ast.Call) -> ast.expr:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in self.scope.locals:
            without_tests(name, node.args)
        keeps = name not in KEEP_NOTHING and self.scope.module(node.func) is None
        given = self.value if keeps else self.visit
        if isinstance(node.func, ast.Attribute) and node.func.attr == "format":
            node.func = _at(runtime("formatting", self.visit(node.func.value)), node.func)
        else:
            node.func = self.visit(node.func)
        node.args = [given(a) for a in node.args]
        for k in node.keywords:
            k.value = (self.value if k.arg == "out" else given)(k.value)
        if name == "super" and not node.args and self.scope.parameters:
            node.args = [load("__class__"), load(self.scope.parameters[0])]
        if name not in _FRAMES:
            node.func = ast.copy_location(runtime("call", node.func), node.func)
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        parts: list[ast.expr] = []
        for part in node.values:
            if not isinstance(part, ast.FormattedValue):
                parts.append(part)
                continue
            spec = self.visit(part.format_spec) if part.format_spec is not None else ast.Constant("")
            parts.append(ast.Tuple([self.visit(part.value), ast.Constant(part.conversion), spec], ast.Load()))
        return _at(runtime("text", *parts), node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        new = lambda_(node, self.scope)
        new.args.defaults = [self.value(d) for d in node.args.defaults]
        new.args.kw_defaults = [d and self.value(d) for d in node.args.kw_defaults]
        return new

    def _comprehension(self, node: Any) -> ast.AST:
        names = None if self.nested or isinstance(node, ast.GeneratorExp) else alone.variables(node)
        self.nested += 1
        new: Any = self.generic_visit(node)
        for g in new.generators:
            g.iter = _at(runtime("iterated", g.iter), g.iter)
        self.nested -= 1
        return self._piece(node, names, new)

    def _piece(self, node: ast.expr, names: list[str] | None, converted: ast.expr) -> ast.expr:
        """An expression as it stands where nothing in it is traced, else converted."""
        if names is None:
            return converted
        return _at(runtime("either", *reading(node, names), ast.Lambda(NO_ARGUMENTS, converted)), node)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension


def _written(loop: ast.While | ast.For) -> ast.expr:
    """The variables whose arrays the body of a loop changes in place, and that the loop does not bind otherwise."""
    found = [n for n in inside([loop]) if isinstance(n, ast.stmt)]
    written = {n.writes for n in found if hasattr(n, "writes")}
    other = bound([n for n in found if not hasattr(n, "writes") and not hasattr(n, "body")])
    return _constants(written - other - bound([n.target for n in found if isinstance(n, ast.For)]))


def _constants(names: Iterable[str]) -> ast.expr:
    return ast.Tuple([ast.Constant(n) for n in sorted(names)], ast.Load())


def _at(node: _N, like: ast.AST) -> _N:
    """The node at the place of another: of a compound statement its first line, as Python counts calls from there."""
    if not hasattr(like, "lineno"):
        return node
    ast.copy_location(node, like)
    if isinstance(like, ast.stmt) and node.end_lineno != node.lineno:  # type: ignore[attr-defined]
        node.end_lineno, node.end_col_offset = node.lineno, node.col_offset + 1  # type: ignore[attr-defined]
    return node

"""`return`, `break` and `continue` within branches and loops become assignments to flags.

What follows a jump is moved into the other branch where that is possible, and guarded by the flags where it is not:

    if a: return b        if a: result = b; returned = True
    c                     else: c

So does `raise` in a `try` statement whose handlers take it, where it stands in a piece that may not run: what the
handler does follows the statement, under its flag.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

from graphad.api.conversion.elements import NO_ARGUMENTS, load, runtime
from graphad.api.conversion.failing import attempts, leaves, may_fail, raises
from graphad.api.conversion.fresh import is_runtime
from graphad.api.conversion.names import inside
from graphad.api.conversion.scope import MARK
from graphad.api.conversion.source import Unreadable

RETURNED, RESULT, RAISED = f"returned{MARK}", f"return{MARK}", f"raised{MARK}"

_BRANCHING = (ast.If, ast.While, ast.For, ast.Match)


def lower(function: ast.FunctionDef, carrying: bool = False) -> tuple[list[ast.stmt], dict[ast.stmt, list[str]]]:
    """The statements of a function without jumps that leave a branch or a loop; and the flags that end each loop.

    The last statement of the function may stay a `return`. Raises `Unreadable` where it cannot be `carrying`.
    """
    if carrying:
        return _lower_carrying(function)
    branching = [s for s in inside(function.body) if isinstance(s, _BRANCHING) or _is_lowered(s)]
    nested = any([isinstance(n, ast.Return) for s in branching for n in inside([s])])
    lowering = _JumpLowering(nested)
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


def _lower_carrying(function: ast.FunctionDef) -> tuple[list[ast.stmt], dict[ast.stmt, list[str]]]:
    """The same of a function that the block of a `try` statement calls: what raises for the handlers there is a jump to
    the function's end, where the block is told of it.

        raised, handler = carried()    # by what stands before the call in its statement
        if not raised: ...
        return carry(raised, handler, lambda: result)
    """
    returns = any([isinstance(n, ast.Return) for n in inside(function.body)])
    if not attempts(function) or (returns and not leaves(function.body, True)):
        raise Unreadable("what it raises is not told to the try statement around its call")
    first, last = function.body[0], function.body[-1]
    raised, chosen = RAISED, f"handler{MARK}"
    lowering = _JumpLowering(returns)
    lowering.handled = _Handled(raised, chosen, "", ast.Lambda(NO_ARGUMENTS, runtime("taken")), True)
    flags = ast.Tuple([ast.Name(name, ast.Store()) for name in (raised, chosen)], ast.Store())
    start = [_set(RETURNED, False, first)] if returns else []
    start.append(_placed(ast.Assign([flags], runtime("carried")), first))
    result = ast.Lambda(NO_ARGUMENTS, load(RESULT) if returns else ast.Constant(None))
    end = ast.Return(runtime("carry", load(raised), load(chosen), result))
    guarded = _guard([raised], lowering.block(function.body, None), first)
    return [*start, guarded, _placed(end, last)], lowering.exits


def lower_around_yields(function: ast.FunctionDef) -> tuple[list[ast.stmt], dict[ast.stmt, list[str]]]:
    """The same of a generator, in which what stands around a `yield` or a `return` is left as it is: it is `native`."""
    lowering = _AroundYields(False)
    return lowering.block(function.body, None), lowering.exits


class _LoopFlags:
    """The flags of the loop that a statement stands in."""

    def __init__(self, number: int) -> None:
        self.broken = f"break{MARK}{number}"
        self.continued = f"continue{MARK}{number}"


class _Handled(NamedTuple):
    """The variables of a `try` statement: whether its body has raised, which handler takes it, and the exception, if a
    handler asks for it; what gives the types that the handlers take; and whether each statement may raise."""

    raised: str
    handler: str
    error: str
    types: ast.Lambda
    attempts: bool


class _JumpLowering:
    def __init__(self, returns: bool) -> None:
        self.returns = returns
        self.handled: _Handled | None = None
        self.exits: dict[ast.stmt, list[str]] = {}
        self.count = 0

    def block(self, body: Sequence[ast.stmt], loop: _LoopFlags | None) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for i, s in enumerate(body):
            rest = list(body[i + 1 :])
            if self.handled is not None and self.handled.attempts and may_fail(s):
                return [*out, *self.attempted(s, rest, loop)]
            if isinstance(s, ast.Return) and self.returns:
                value = s.value or ast.copy_location(ast.Constant(None), s)
                return [*out, _assign(RESULT, value, s), _set(RETURNED, True, s)]
            if isinstance(s, ast.Break) and loop is not None:
                return [*out, _set(loop.broken, True, s)]
            if isinstance(s, ast.Continue) and loop is not None:
                return [*out, _set(loop.continued, True, s)]
            if isinstance(s, ast.Raise) and self.handled is not None and s.exc is not None:
                return [*out, *_raising(s, s.exc, self.handled)]
            flags = self.flags([s], loop)
            if _is_lowered(s):
                out += self.handling(s, loop)  # type: ignore[arg-type]
                return [*out, *([_guard(flags, self.block(rest, loop), s)] if flags else self.block(rest, loop))]
            if isinstance(s, (ast.While, ast.For)):
                out += self.loop(s, rest, flags, loop)
                return out
            if not flags:
                out.append(self.inner(s, loop))
                continue
            if isinstance(s, ast.If):
                first, second = [leaves(b, self.handled is not None) for b in (s.body, s.orelse)]
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

    def attempted(self, s: ast.stmt, rest: list[ast.stmt], loop: _LoopFlags | None) -> list[ast.stmt]:
        """A statement that may fail, in the block of a `try` statement, and what follows where it does not."""
        handled = self.handled
        assert handled is not None
        self.count += 1
        name = f"value{MARK}{self.count}"
        value: Any = getattr(s, "test" if isinstance(s, ast.If) else "value", None)
        at = _stored(value)
        step: ast.stmt = s
        if at is not None or not isinstance(s, (ast.Expr, ast.Assert)):
            # What it is for is done where nothing has failed.
            computed, then = (value, load(name)) if at is None else _taken_out(value, at, load(name))
            step = _assign(name, computed, s)
            own: dict[str, Any] = {f: then if x is value else x for f, x in ast.iter_fields(s)}
            rest = [_placed(ast.copy_location(type(s)(**own), s), s), *rest]
        before = ast.Lambda(NO_ARGUMENTS, load(handled.error)) if handled.error else ast.Constant(None)
        found = runtime("caught", before)
        names = (handled.raised, handled.handler, handled.error or f"unused{MARK}")
        targets = ast.Tuple([ast.Name(name, ast.Store()) for name in names], ast.Store())
        steps = [ast.With([ast.withitem(runtime("attempt"))], [step]), ast.Assign([targets], found)]
        after = [_guard([handled.raised], self.block(rest, loop), s)] if rest else []
        return [*[_placed(ast.copy_location(x, s), s) for x in steps], *after]

    def loop(
        self, s: ast.While | ast.For, rest: list[ast.stmt], flags: list[str], outer: _LoopFlags | None
    ) -> list[ast.stmt]:
        """A loop, its `else` and what follows it."""
        self.count += 1
        own = _LoopFlags(self.count)
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
        if self.handled is not None and raises(s.body, self.handled.attempts):
            exits.append(self.handled.raised)
        if isinstance(s, ast.While):
            new: ast.While | ast.For = ast.While(s.test, body, [])
        else:
            new = ast.For(s.target, s.iter, body, [])
        ast.copy_location(new, s)
        new.plain = getattr(s, "plain", None)  # type: ignore[union-attr]
        self.exits[new] = exits
        after = [*s.orelse, *rest] if not exits else rest
        out = [*before, new]
        if len(exits) == 1 and _endless(s) and ast.Break not in kinds:
            out.append(_set(exits[0], True, s))
        if exits and s.orelse:
            out.append(_guard(exits, self.block(s.orelse, outer), s.orelse[0]))
        if after and flags and exits:
            out.append(_guard(flags, self.block(after, outer), s))
        else:
            out += self.block(after, outer)
        return out

    def handling(self, s: ast.Try, loop: _LoopFlags | None) -> list[ast.stmt]:
        """A `try` statement, followed by its handlers once more, under the flag that its body has raised."""
        self.count += 1
        names = ("raised", "handler", "error", "native")
        raised, chosen, error, native = [f"{name}{MARK}{self.count}" for name in names]
        asked = any([h.name is not None or _reraising(h.body) for h in s.handlers])
        types = ast.Tuple([copy.deepcopy(h.type) or load("BaseException") for h in s.handlers], ast.Load())
        # A body that ends by jumps only, none of them of a loop, has returned where it has raised nothing.
        returns = self.returns and leaves(s.body, True) and not _own_jumps(s.body)
        branch: list[ast.stmt] = []
        for i, h in reversed(list(enumerate(s.handlers))):
            body = copy.deepcopy(h.body)
            for again in _reraising(body):
                again.exc = load(error)
            if h.name is not None:
                body.insert(0, _assign(h.name, load(error), h))
            test = ast.Compare(load(chosen), [ast.Eq()], [ast.Constant(i)])
            branch = [ast.If(test, body, branch)] if branch else body
            h.body.insert(0, _set(native, True, h))
        tried = ast.Try(s.body, s.handlers, [_guard([raised], s.orelse, s.orelse[0])] if s.orelse else [], [])
        tried.handled = _Handled(raised, chosen, error if asked else "", ast.Lambda(NO_ARGUMENTS, types), attempts(s))  # type: ignore[attr-defined]
        handled = ast.If(load(raised), branch, [])
        if returns:
            handled.body.insert(0, _set(RETURNED, False, s))
            handled.orelse.append(_guard([native], [_set(RETURNED, True, s)], s))
        found = [_set(raised, False, s), _set(native, False, s)]
        if attempts(s):
            found.append(_assign(chosen, ast.Constant(-1), s))
        found += [self.inner(_placed(x, s), loop) for x in (tried, handled)]
        return [_placed(ast.Try(found, [], [], self.final(s.finalbody, loop)), s)] if s.finalbody else found

    def inner(self, s: ast.stmt, loop: _LoopFlags | None) -> ast.stmt:
        """A compound statement with its blocks lowered."""
        definition = isinstance(s, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        if definition or not (hasattr(s, "body") or hasattr(s, "cases")):
            return s
        around = self.handled
        if isinstance(s, (ast.With, ast.AsyncWith)):
            self.handled = None  # it may want to see what leaves it
        elif isinstance(s, (ast.Try, ast.TryStar)) and s.handlers:
            self.handled = getattr(s, "handled", None)
        body = self.block(s.body, loop) if hasattr(s, "body") else []
        self.handled = around
        if isinstance(s, (ast.Try, ast.TryStar)) and s.orelse:
            flags = self.flags(s.body, loop)
            orelse = self.block(s.orelse, loop)
            handlers: Any = [_with_body(h, self.block(h.body, loop)) for h in s.handlers]
            new: ast.stmt = type(s)(
                body,
                handlers,
                [_guard(flags, orelse, s)] if flags else orelse,
                self.final(s.finalbody, loop),
            )
            return ast.copy_location(new, s)
        fields: dict[str, Any] = {}
        for name, value in ast.iter_fields(s):
            if name == "body":
                value = body
            elif name == "finalbody":
                value = self.final(value, loop)
            elif isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                value = self.block(value, loop)
            elif isinstance(value, list) and value and isinstance(value[0], (ast.ExceptHandler, ast.match_case)):
                value = [_with_body(h, self.block(h.body, loop)) for h in value]
            fields[name] = value
        return ast.copy_location(type(s)(**fields), s)

    def final(self, body: Sequence[ast.stmt], loop: _LoopFlags | None) -> list[ast.stmt]:
        """What is done at the end, whether the statement has raised or not."""
        around = self.handled
        self.handled = around and around._replace(attempts=False)
        new = self.block(body, loop)
        self.handled = around
        return new

    def flags(self, body: Sequence[ast.stmt], loop: _LoopFlags | None) -> list[str]:
        """The flags that statements may set, of those that concern what follows them."""
        found: list[str] = []
        if self.returns and any(isinstance(n, ast.Return) for n in inside(body)):
            found.append(RETURNED)
        if self.handled is not None and raises(body, self.handled.attempts):
            found.append(self.handled.raised)
        kinds = _own_jumps(body)
        if loop is not None:
            found += [loop.broken] * (ast.Break in kinds) + [loop.continued] * (ast.Continue in kinds)
        return found


class _AroundYields(_JumpLowering):
    def block(self, body: Sequence[ast.stmt], loop: _LoopFlags | None) -> list[ast.stmt]:
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


_STORED = {"inplace": 2, "set_part": 0, "setitem": 0, "update": 2}
"""Where what is stored stands among the arguments of what converted code calls to store it."""


def _stored(call: Any) -> int | None:
    """Which argument of a call is what is stored, if that is computed first."""
    at = _STORED.get(call.func.attr) if isinstance(call, ast.Call) and is_runtime(call) else None  # type: ignore[attr-defined]
    return None if at is None or isinstance(call.args[at], (ast.Name, ast.Constant)) else at


def _taken_out(call: ast.Call, at: int, new: ast.expr) -> tuple[ast.expr, ast.expr]:
    """An argument of a call, and the call with another one in its place."""
    args = [*call.args[:at], new, *call.args[at + 1 :]]
    return call.args[at], ast.copy_location(ast.Call(call.func, args, call.keywords), call)


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


def _is_lowered(s: ast.AST) -> bool:
    """Whether a statement is a `try` whose body raises for its handlers, and none that has its flags already."""
    tried = isinstance(s, ast.Try) and bool(s.handlers) and not hasattr(s, "handled")
    return tried and raises(s.body, attempts(s))  # type: ignore[attr-defined,arg-type]


def _raising(s: ast.Raise, made: ast.expr, handled: _Handled) -> list[ast.stmt]:
    """A `raise` statement that sets flags where a handler takes what it raises."""
    cls = copy.deepcopy(made.func if isinstance(made, ast.Call) else made)
    chosen = _assign(handled.handler, runtime("handler", cls, copy.deepcopy(handled.types)), s)
    taken = [_set(handled.raised, True, s)]
    if handled.error:
        error = made if isinstance(made, ast.Call) else ast.Call(made, [], [])
        taken = [_assign(handled.error, copy.deepcopy(error), s), *taken]
    test = ast.Compare(load(handled.handler), [ast.GtE()], [ast.Constant(0)])
    return [_placed(chosen, s), _placed(ast.If(test, taken, [s]), s)]


def _reraising(body: Sequence[ast.AST]) -> list[ast.Raise]:
    """The `raise` statements without an exception that belong to the handler around them."""
    found = []
    for s in body:
        if isinstance(s, ast.Raise) and s.exc is None:
            found.append(s)
        elif not isinstance(s, (ast.ExceptHandler, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.expr)):
            found += _reraising(list(ast.iter_child_nodes(s)))
    return found


def _placed(node: ast.stmt, at: ast.AST) -> ast.stmt:
    """A new statement at the place of another, with those of its parts that have none."""
    for n in ast.walk(node):
        if isinstance(n, (ast.expr, ast.stmt, ast.excepthandler)) and not hasattr(n, "lineno"):
            ast.copy_location(n, at)
    return node


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

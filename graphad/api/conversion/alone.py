"""Pieces of functions as they stand, compiled on their own: loops, expressions, inner functions.

Converted code names them by their places, and holds their variables.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

from graphad.api.conversion.functions import origin
from graphad.api.conversion.heap import RUNTIME
from graphad.api.conversion.names import bare, bound, read
from graphad.api.conversion.private import Private
from graphad.api.conversion.scope import MARK
from graphad.api.conversion.source import Unreadable, compiled_like, definition, first_code, owner_of
from graphad.codes import OfCode

_STAYING = (
    ast.Yield, ast.YieldFrom, ast.Await, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Global, ast.Nonlocal,
    ast.AsyncFor, ast.AsyncWith,
)  # fmt: skip
Expression = ast.ListComp | ast.SetComp | ast.DictComp | ast.Call
Code = ast.For | ast.While | Expression
Span = tuple[int, int, int | None, int | None]


def place_of(node: ast.stmt | ast.expr) -> Span:
    """Where a statement or an expression begins and ends."""
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset


def variables(code: Code) -> list[str] | None:
    """The variables of a piece of code that may be run as it stands; None for any other."""
    nodes = [*ast.walk(code)]
    given = {id(x) for n in nodes if isinstance(n, ast.Call) for x in (*n.args, *[k.value for k in n.keywords])}
    kept = any([isinstance(n, ast.Lambda) and id(n) not in given for n in nodes])
    if kept or any([isinstance(n, _STAYING) for n in nodes]) or getattr(code, "orelse", None):
        return None
    if isinstance(code, (ast.For, ast.While)):
        return sorted(read(code) | bound([code]))
    if bound([code]):
        return None
    if isinstance(code, ast.Call):
        return sorted(read(code))
    targets = set().union(*[bound([g.target]) for g in code.generators])
    return sorted((read(code) - targets) | read(code.generators[0].iter))


def piece(reader: FunctionType, place: Span) -> CodeType | None:
    """The code of a function that does what stands at a place, on the variables that `reader` reads: it gives a list of
    the value, or of what a loop returns. None where the source is no longer what it was."""
    found = _found(reader, lambda n: isinstance(n, Code) and place_of(n) == place)
    if found is None:
        return None
    body: ast.stmt = found if isinstance(found, ast.stmt) else ast.copy_location(ast.Return(found), found)
    for n in ast.walk(body):
        if isinstance(n, ast.Return):
            n.value = ast.copy_location(ast.List([n.value or ast.Constant(None)], ast.Load()), n)
    shared = sorted(bound([body]))
    arguments = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    start: list[ast.stmt] = [ast.Nonlocal(shared)] if shared else []
    made = _compiled(reader, ast.copy_location(ast.FunctionDef(f"piece{MARK}", arguments, [*start, body], []), body))
    code: Any = origin(reader.__code__)
    return made.replace(co_name=code.co_name, co_qualname=code.co_qualname)


_twins: OfCode[CodeType | None] = OfCode()


def is_inner(f: Any) -> bool:
    """Whether a value is a function that was converted with the one around it."""
    return type(f) is FunctionType and RUNTIME in f.__code__.co_freevars and origin(f.__code__) is not None


def twin(f: FunctionType) -> FunctionType | None:
    """An inner function as it stands, for one that was converted; None where that cannot be told."""
    code = f.__code__
    if id(code) not in _twins:
        _twins.learn(code, _inner(f))
    found = _twins[id(code)]
    cells = dict(zip(code.co_freevars, f.__closure__ or (), strict=True))
    if found is None or not cells.keys() >= {*found.co_freevars}:
        return None
    new = FunctionType(found, f.__globals__, f.__name__, f.__defaults__, tuple([cells[n] for n in found.co_freevars]))
    new.__kwdefaults__ = f.__kwdefaults__
    new.__dict__.update(f.__dict__)
    return new


def _inner(f: FunctionType) -> CodeType | None:
    code = f.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]

    def fits(n: ast.AST) -> bool:
        if isinstance(n, ast.Lambda):
            named, line = True, n.lineno
        elif isinstance(n, ast.FunctionDef):
            named, line = n.name == code.co_name, min([n.lineno, *[d.lineno for d in n.decorator_list]])
        else:
            return False
        arguments = [a.arg for a in (*n.args.posonlyargs, *n.args.args, *n.args.kwonlyargs)]
        return named and line == code.co_firstlineno and tuple(arguments) == names

    found = _found(f, fits)
    if found is None:
        return None
    new: Any = ast.Lambda(bare(found.args), found.body)
    if isinstance(found, ast.FunctionDef):
        new = ast.FunctionDef(found.name, bare(found.args), found.body, [])
    new = ast.copy_location(new, found)
    made = _compiled(f, ast.copy_location(ast.Expr(new), found) if isinstance(new, ast.Lambda) else new)
    return made.replace(co_qualname=f.__qualname__)


def _found(part: FunctionType, fits: Callable[[ast.AST], bool]) -> Any:
    """What fits in the definition that a converted function, or a part of one, comes from; None if nothing does, or
    more than one."""
    code = origin(part.__code__)
    assert code is not None
    _, node = _definitions.get(id(code)) or (code, None)
    if node is None:
        try:
            node = definition(code, part.__globals__)
        except Unreadable:  # by now
            return None
        while len(_definitions) >= _KEPT:
            _definitions.pop(next(iter(_definitions)), None)
        _definitions[id(code)] = code, node
    found = [n for n in ast.walk(node) if n is not node and fits(n)]
    owner = owner_of(code)
    if len(found) != 1:
        return None
    new = copy.deepcopy(found[0])
    return new if owner is None else Private(owner).visit(new)


_definitions: dict[int, tuple[CodeType, ast.AST]] = {}
"""The definitions that were read last, by the identity of their code."""
_KEPT = 8


def _compiled(part: FunctionType, body: ast.stmt) -> CodeType:
    """The code of a function that stands in the definition that a part comes from, and has that part's variables."""
    code: Any = origin(part.__code__)
    own = [n for n in part.__code__.co_freevars if n not in code.co_freevars and n != RUNTIME]
    return first_code(compiled_like(body, code, f"factory{MARK}", own))

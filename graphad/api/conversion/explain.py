"""Errors in functions that were to be converted, with what conversion knows about them."""

from __future__ import annotations

import ast
import inspect
import re
from itertools import islice
from types import CodeType, TracebackType

from graphad.api.conversion.functions import conversion_of, origin
from graphad.api.conversion.names import bound, inside
from graphad.api.conversion.source import Unreadable, definition
from graphad.errors import ControlFlowError, GraphadError, TracerError
from graphad.location import Location, describe_location, is_user_file


def explain(error: Exception) -> None:
    """Raise a better error for one that left converted code, if there is one."""
    if isinstance(error, TracerError) and not getattr(error, "explained", False):
        error.explained = True  # type: ignore[attr-defined]
        frame = _user_frame(error.__traceback__)
        reason = _reason(*frame) if frame is not None else ""
        if reason and error.args:
            error.args = (f"{error.args[0]}. {reason}", *error.args[1:])
    elif isinstance(error, NameError) and not isinstance(error, GraphadError):
        _unassigned(error)


_COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")


def _user_frame(tb: TracebackType | None) -> tuple[CodeType, int] | None:
    """The innermost code of the user's, and its instruction."""
    found = None
    while tb is not None:
        if is_user_file(tb.tb_frame.f_code.co_filename):
            found = tb.tb_frame.f_code, tb.tb_lasti
        tb = tb.tb_next
    return found


def _reason(code: CodeType, instruction: int) -> str:
    """Why a function is not converted."""
    if code.co_name in _COMPREHENSIONS or _inlined(code, instruction):
        return "A comprehension is not converted, as its conditions decide its length; use numpy.where, or a for loop"
    if code.co_flags & inspect.CO_GENERATOR:
        return f"{code.co_name} is a generator, which stays as it is around its yields; collect the values in a list"
    if origin(code) is not None:
        return ""
    known = conversion_of(code)
    if known is None:
        return f"{code.co_name} is not converted, since a library calls it"
    return f"{code.co_name} is not converted: {known.reason}" if known.reason else ""


def _inlined(code: CodeType, instruction: int) -> bool:
    """Whether an instruction is that of a comprehension that is a part of its function, as from Python 3.12 on."""
    line, _, column, _ = next(islice(code.co_positions(), instruction // 2, None))
    try:
        top = definition(origin(code) or code)
    except Unreadable:
        return False
    nodes = [n for n in ast.walk(top) if isinstance(n, (ast.ListComp, ast.SetComp, ast.DictComp))]
    return any(
        (n.lineno, n.col_offset) <= (line or 0, column or 0) < (n.end_lineno or 0, n.end_col_offset or 0) for n in nodes
    )


def _unassigned(error: NameError) -> None:
    """A variable without a value, where a branch or a loop that may not run would have given it one."""
    match = re.search(r"'(\w+)'", str(error))
    tb = error.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    source = origin(tb.tb_frame.f_code) if tb is not None else None
    if match is None or tb is None or source is None:
        return
    name, code = match[1], tb.tb_frame.f_code
    line = tb.tb_lineno
    for node in _statements(source):
        if node.lineno < line and name in bound([node]) and name not in bound(_always(node)):
            kind = {ast.If: "one branch of the if", ast.While: "the while loop", ast.For: "the for loop"}[type(node)]
            place = describe_location(Location(code.co_filename, node.lineno))
            here = describe_location(Location.of(code, tb.tb_lasti))
            raise ControlFlowError(
                f"`{name}` may have no value here{here}: it is assigned in {kind}{place}, which may not run; give it a "
                "value before"
            ) from error


def _statements(code: CodeType) -> list[ast.If | ast.While | ast.For]:
    try:
        top = definition(code)
    except Unreadable:
        return []
    body = top.body if isinstance(top.body, list) else [top.body]
    found = [n for n in inside(body) if isinstance(n, (ast.If, ast.While, ast.For))]
    return sorted(found, key=lambda n: -n.lineno)


def _always(node: ast.stmt) -> list[ast.AST]:
    """Statements that assign a name whichever way the branch goes."""
    if isinstance(node, ast.If) and bound(node.body) & bound(node.orelse):
        shared = bound(node.body) & bound(node.orelse)
        return [ast.Name(n, ast.Store()) for n in shared]
    return []

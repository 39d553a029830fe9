"""The source of a function as a syntax tree with its own line numbers."""

from __future__ import annotations

import ast
import copy
import linecache
from types import CodeType

from graphad.api.conversion.names import parameters
from graphad.api.conversion.scope import nested_codes

_trees: dict[str, tuple[int, ast.Module]] = {}


class Unreadable(Exception):
    """The source of a function is not there, or not what the function was made from; the text says why."""


def definition(code: CodeType) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda:
    """The definition that a code object was compiled from. Raises `Unreadable`."""
    lines = linecache.getlines(code.co_filename)
    if not lines:
        raise Unreadable(f"its source ({code.co_filename}) cannot be read")
    first = code.co_firstlineno
    if first > len(lines):
        raise Unreadable("its source has changed since it was loaded")
    if code.co_name == "<lambda>":
        return _lambda(code, lines)
    whole = None
    for read in (_segment, _whole):
        tree = read(code, lines)
        whole = tree if read is _whole else None
        for node in ast.walk(tree) if tree is not None else ():
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
                start = min([node.lineno, *[d.lineno for d in node.decorator_list]])
                if start == first and _same_parameters(node, code):
                    return copy.deepcopy(node) if tree is whole else node
    raise Unreadable("its source has changed since it was loaded, or was made by a program")


def _segment(code: CodeType, lines: list[str]) -> ast.Module | None:
    """The lines of a function alone, which are parsed faster than a whole file."""
    first = code.co_firstlineno
    last = max([n for c in nested_codes(code) for _, end, n in _ends(c)], default=first)
    text = "".join(lines[first - 1 : last])
    indented = text[:1].isspace()
    try:
        tree = ast.parse(("if 1:\n" if indented else "") + text)
    except SyntaxError:
        return None
    ast.increment_lineno(tree, first - 1 - indented)
    return tree


def _ends(code: CodeType) -> list[tuple[int, int, int]]:
    return [(0, 0, end) for _, end, _, _ in code.co_positions() if end is not None]


def _whole(code: CodeType, lines: list[str]) -> ast.Module | None:
    file = code.co_filename
    text = "".join(lines)
    found = _trees.get(file)
    if found is None or found[0] != hash(text):
        try:
            found = _trees[file] = hash(text), ast.parse(text)
        except SyntaxError:
            return None
    return found[1]


def _same_parameters(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, code: CodeType) -> bool:
    names = parameters(node)
    n = len(names)
    return set(names) == set(code.co_varnames[:n]) and code.co_argcount == len(node.args.posonlyargs) + len(
        node.args.args
    )


def _lambda(code: CodeType, lines: list[str]) -> ast.Lambda:
    """The lambda whose body stands where the code's instructions come from."""
    tree = _whole(code, lines)
    places = [p for p in code.co_positions() if p[0] is not None and p[2] is not None]
    found = [
        node
        for node in (ast.walk(tree) if tree is not None else ())
        if isinstance(node, ast.Lambda)
        and node.lineno <= code.co_firstlineno <= (node.end_lineno or node.lineno)
        and _same_parameters(node, code)
    ]
    exact = [node for node in found if _covers(node, places)]
    # An enclosing lambda covers the place of an inner one as well; the innermost is the one that fits most closely.
    exact.sort(
        key=lambda n: ((n.body.end_lineno or 0) - n.body.lineno, (n.body.end_col_offset or 0) - n.body.col_offset)
    )
    if exact:
        return copy.deepcopy(exact[0])
    if len(found) == 1:
        return copy.deepcopy(found[0])
    raise Unreadable("several lambdas stand on its line" if found else "its source has changed since it was loaded")


def _covers(node: ast.Lambda, places: list[tuple[int | None, int | None, int | None, int | None]]) -> bool:
    body = node.body
    start, end = (body.lineno, body.col_offset), (body.end_lineno or 0, body.end_col_offset or 0)
    inner = [(a, c, b, d) for a, b, c, d in places if (c, d) != (0, 0)]
    return bool(inner) and all((a, c) >= start and (b, d) <= end for a, c, b, d in inner)  # type: ignore[operator]

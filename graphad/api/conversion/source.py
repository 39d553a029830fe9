"""The source of a function as a syntax tree with its own line numbers, if the function was compiled from it.

A file may have been edited since it was loaded, a cell run again: what is found is compiled and compared with the code
object, and is taken only where it gives the same code.
"""

from __future__ import annotations

import ast
import copy
import dis
import linecache
import re
from collections.abc import Iterator, Sequence
from functools import cache
from types import CodeType, ModuleType
from typing import Any

from graphad.api.conversion.names import parameters
from graphad.api.conversion.packed import packed_lines
from graphad.api.conversion.scope import MARK, nested_codes
from graphad.location import SOURCES

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

_trees: dict[str, tuple[int, ast.Module]] = {}
_CHANGED = "its source has changed since it was loaded, or was made by a program"


class Unreadable(Exception):
    """The source of a function is not there, or not what the function was made from; the text says why."""


def definition(code: CodeType, space: dict[str, Any] | None = None) -> Definition:
    """The definition that a code object was compiled from. `space` are its globals, which may name a loader that has
    the source. Raises `Unreadable`."""
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename, space) or packed_lines(code)
    if not lines:
        raise Unreadable(f"its source ({code.co_filename}) cannot be read")
    SOURCES.add(code.co_filename)
    for read in (_whole, _segment) if code.co_name == "<lambda>" else (_segment, _whole):
        tree = read(code, lines)
        for node in _candidates(tree, code, moved=read is _whole) if tree is not None else ():
            if made_from(node, code, space, lines):
                return copy.deepcopy(node) if read is _whole else node
    raise Unreadable(_CHANGED)


def _candidates(tree: ast.Module, code: CodeType, moved: bool) -> Iterator[Definition]:
    """The definitions of a code object's name and parameters that begin at its line; then those that lines added above
    or removed there have moved, at the lines where they stood."""
    elsewhere: list[tuple[Definition, int]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda):
            named, first = code.co_name == "<lambda>", node.lineno
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            named, first = node.name == code.co_name, min([node.lineno, *[d.lineno for d in node.decorator_list]])
        else:
            continue
        if named and _same_parameters(node, code):
            if first == code.co_firstlineno:
                yield node
            elif moved and not isinstance(node, ast.Lambda):
                elsewhere.append((node, code.co_firstlineno - first))
    for node, lines in elsewhere:
        yield ast.increment_lineno(copy.deepcopy(node), lines)


def _segment(code: CodeType, lines: list[str]) -> ast.Module | None:
    """The lines of a function alone, which are parsed faster than a whole file."""
    first = code.co_firstlineno
    last = max([end for c in nested_codes(code) for _, end, _, _ in c.co_positions() if end is not None], default=first)
    text = "".join(lines[first - 1 : last])
    indented = text[:1].isspace()
    try:
        tree = ast.parse(("if 1:\n" if indented else "") + text)
    except SyntaxError:
        return None
    ast.increment_lineno(tree, first - 1 - indented)
    return tree


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


def _same_parameters(node: Definition, code: CodeType) -> bool:
    names = parameters(node)
    n = len(names)
    return set(names) == set(code.co_varnames[:n]) and code.co_argcount == len(node.args.posonlyargs) + len(
        node.args.args
    )


# -- comparison ---------------------------------------------------------------------------------------------------


def compiled_like(
    body: ast.stmt, code: CodeType, name: str, cells: Sequence[str] = (), imported: Sequence[str] = ()
) -> CodeType:
    """The code of a function `name` in which a statement is compiled as what stands where `code` came from: among its
    free variables, and `cells`; within its class, by whose name `self.__x` is spelled; under its future features; in
    a module that has `imported` these names."""
    owner = owner_of(code)
    start: list[ast.stmt] = []
    if owner is not None:
        body = ast.copy_location(ast.ClassDef(owner, [], [], [body], []), body)
        start = [ast.Global([owner])] if owner not in code.co_freevars else []
    arguments = ast.arguments(
        posonlyargs=[],
        args=[ast.arg(n) for n in (*code.co_freevars, *cells)],
        kwonlyargs=[],
        kw_defaults=[],
        defaults=[],
    )
    factory = ast.copy_location(ast.FunctionDef(name, arguments, [*start, body], []), body)
    imports = [ast.Import([ast.alias(n)]) for n in imported]
    module = ast.fix_missing_locations(ast.Module([*imports, factory], []))
    future = code.co_flags & 0x1FE0000
    outer = first_code(compile(module, code.co_filename, "exec", flags=future, dont_inherit=True))
    return outer if owner is None else first_code(outer)


def first_code(code: CodeType) -> CodeType:
    """The first code object that stands in another."""
    return next(c for c in code.co_consts if isinstance(c, CodeType))


def owner_of(code: CodeType) -> str | None:
    """The class that a method is defined in."""
    parts = code.co_qualname.split(".")
    return parts[-2] if len(parts) > 1 and not parts[-2].startswith("<") else None


def made_from(node: Definition, code: CodeType, space: dict[str, Any] | None, lines: list[str]) -> bool:
    """Whether a code object was compiled from a definition, in a file of these lines.

    What an import hook added does no harm, such as the parts that pytest makes of an assertion: they have the places
    of what they were added to. Docstrings are not compared.
    """
    body: ast.stmt
    if isinstance(node, ast.Lambda):
        body = ast.Expr(ast.copy_location(ast.Lambda(_without_defaults(node.args), node.body), node))
    else:
        # Under its own name it would be a variable of the function around it.
        fields: dict[str, Any] = {**dict(ast.iter_fields(node)), "name": node.name + MARK}
        body = type(node)(**fields)
    # How methods of a name are called depends on whether it was imported, which the file says where it is no module.
    modules = [n for n in code.co_names if isinstance((space or {}).get(n), ModuleType)]
    for all_names in (False, True):
        imported = _imports(code, lines) if all_names else modules
        try:
            around = compiled_like(ast.copy_location(body, node), code, "factory", imported=imported)
        except (SyntaxError, ValueError):
            return False
        made = next(c for c in nested_codes(around)[1:] if c.co_name in (code.co_name, code.co_name + MARK))
        made = made.replace(co_name=code.co_name)
        if _equal(made, code) or _extended(made, code, node):
            return True
    return False


def _imports(code: CodeType, lines: list[str]) -> list[str]:
    """The names that the statements of a file import, those in functions and classes aside."""
    tree = _whole(code, lines)
    found: set[str] = set()
    statements: list[ast.AST] = [] if tree is None else [*tree.body]
    while statements:
        node = statements.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.expr)):
            statements += ast.iter_child_nodes(node)
    return sorted(found - {"*"})


def _without_defaults(a: ast.arguments) -> ast.arguments:
    none = ast.Constant(None)
    return ast.arguments(
        a.posonlyargs, a.args, a.vararg, a.kwonlyargs, [d and none for d in a.kw_defaults], a.kwarg,
        [none for _ in a.defaults],
    )  # fmt: skip


_NESTED = 0x10


def _equal(a: Any, b: Any) -> bool:
    """Whether two code objects, or constants of theirs, are the same."""
    if type(a) is not type(b):
        return False
    if isinstance(a, CodeType):
        return (
            a.co_code == b.co_code
            and a.co_linetable == b.co_linetable
            and a.co_firstlineno == b.co_firstlineno
            and (a.co_name, a.co_names, a.co_varnames) == (b.co_name, b.co_names, b.co_varnames)
            and (a.co_freevars, a.co_cellvars) == (b.co_freevars, b.co_cellvars)
            and a.co_flags & ~_NESTED == b.co_flags & ~_NESTED
            and _equal(a.co_consts, b.co_consts)
        )
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(_equal, a, b))
    return repr(a) == repr(b) if not isinstance(a, frozenset) else a == b


def _extended(made: CodeType, code: CodeType, node: Definition) -> bool:
    """Whether `code` does all that `made` does, at the same places, and what else it does stands at places of `node`.

    Of an assertion only the operands are compared."""
    asserts = [n for n in ast.walk(node) if isinstance(n, ast.Assert)]
    lines = {line for n in asserts for line in range(n.lineno, (n.end_lineno or n.lineno) + 1)}
    columns = any(place[2] is not None for place in code.co_positions())
    ours, theirs = _steps(made, columns), _steps(code, columns)
    lined = {(name, argument, place[:1]) for name, argument, place in theirs}
    for name, argument, place in ours - theirs:
        if name in _ADMINISTRATIVE:
            continue
        if (name, argument, place[:1]) in (lined if len(place) == 1 else theirs):
            continue  # one of two places is that of an instruction which it was merged with
        if not place or place[0] not in lines or name in _OPERANDS:
            return False
        if name == "LOAD_CONST":
            # Python makes one constant of `-1` or a list that is searched; taken apart, it is none.
            there = [n for a in asserts for n in ast.walk(a) if isinstance(n, ast.expr) and _place(n, columns) == place]
            if not any([_loaded(n, theirs, columns) for n in there]):
                return False
    places = _places(node, columns)
    return all(place in places or name in _ADMINISTRATIVE for name, _, place in theirs - ours)


Step = tuple[str, str, tuple[int | None, ...]]

_ADMINISTRATIVE = frozenset({"RESUME", "COPY_FREE_VARS", "MAKE_CELL", "NOP", "JUMP", "EXTENDED_ARG", "PUSH_NULL"})
_OPERANDS = frozenset({
    "LOAD_FAST", "LOAD_GLOBAL", "LOAD_DEREF", "LOAD_ATTR", "COMPARE_OP", "BINARY_OP", "CONTAINS_OP", "IS_OP",
})  # fmt: skip
_RENAMED = {"LOAD_METHOD": "LOAD_ATTR", "JUMP_FORWARD": "JUMP", "JUMP_BACKWARD": "JUMP"}
_MERGED = re.compile("((?:LOAD|STORE)_FAST)_((?:LOAD|STORE)_FAST)")
_jumps = frozenset(dis.hasjrel) | frozenset(dis.hasjabs)


def _steps(code: CodeType, columns: bool) -> set[Step]:
    """The instructions of a code object and of all that stand in it: name, argument, place."""
    found: set[Step] = set()
    for c in nested_codes(code):
        for i in dis.get_instructions(c):
            name, argument = i.opname, repr(i.argval)
            if i.opcode in _jumps:
                name, argument = name.replace("_FORWARD_IF", "_IF").replace("_BACKWARD_IF", "_IF"), ""
            elif isinstance(i.argval, CodeType):
                argument = f"{i.argval.co_name}:{i.argval.co_firstlineno}"
            elif name == "LOAD_CONST" and type(i.argval) is str:
                # A class in a function knows its qualified name, which holds the function's.
                argument = argument.rpartition("<locals>.")[2]
            elif name == "KW_NAMES":
                argument = repr(c.co_consts[i.arg or 0])
            p = i.positions
            place = () if p is None else (p.lineno, p.end_lineno, p.col_offset, p.end_col_offset)
            if merged := _MERGED.fullmatch(name):
                # Since 3.13 two accesses to variables can be one instruction, at the place of the first.
                name, second = merged.groups()
                found.add((second, repr(i.argval[1]), place[:1]))
                argument = repr(i.argval[0])
            # Where a call with keywords ends depends on how it is made.
            found.add((_RENAMED.get(name, name), argument, place if columns and name != "KW_NAMES" else place[:1]))
    return found


def _loaded(node: ast.expr, steps: set[Step], columns: bool) -> bool:
    """Whether a constant is loaded by one of these instructions, or is made of its parts by some of them."""
    place = _place(node, columns)
    try:
        value = repr(ast.literal_eval(node))
    except ValueError:
        value = ""
    if ("LOAD_CONST", value, place) in steps:
        return True
    kind: Any = type(node.op) if isinstance(node, (ast.UnaryOp, ast.BinOp)) else None
    if kind is not None and (*_operation(kind), place) not in steps:
        return False
    parts = [n for n in ast.iter_child_nodes(node) if isinstance(n, ast.expr)]
    return bool(parts) and all([_loaded(n, steps, columns) for n in parts])


@cache
def _operation(kind: Any) -> tuple[str, str]:
    """The instruction of an operator, and its argument."""
    a, operator = ast.Name("a", ast.Load()), kind()
    node = ast.UnaryOp(operator, a) if isinstance(operator, ast.unaryop) else ast.BinOp(a, operator, a)
    code = compile(ast.fix_missing_locations(ast.Expression(node)), "", "eval")
    found = list(dis.get_instructions(code))[-2]  # before it returns
    return found.opname, repr(found.argval)


def _place(n: ast.expr, columns: bool) -> tuple[int | None, ...]:
    return (n.lineno, n.end_lineno, n.col_offset, n.end_col_offset) if columns else (n.lineno,)


def _places(node: ast.AST, columns: bool) -> set[tuple[int | None, ...]]:
    """The places of all nodes of a definition, and of none."""
    found: set[tuple[int | None, ...]] = {(None, None, None, None), (None,), ()}
    for n in ast.walk(node):
        if isinstance(n, (ast.stmt, ast.expr)):
            found |= {(n.lineno, n.end_lineno, n.col_offset, n.end_col_offset)} if columns else set()
            found.add((n.lineno,))
    return found


def named(code: CodeType, name: str, qualname: str) -> CodeType:
    """The code with its functions named as the user knows them: parts of a function by that function's name."""
    consts = []
    for c in code.co_consts:
        if isinstance(c, CodeType):
            own = MARK in c.co_name or c.co_name == "<lambda>"
            c = named(c, name, qualname) if own else named(c, c.co_name, f"{qualname}.<locals>.{c.co_name}")
        consts.append(c)
    return code.replace(co_consts=tuple(consts), co_name=name, co_qualname=qualname)

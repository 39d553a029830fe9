"""Loops that only compute with numbers and arrays of NumPy's, none of them traced: they are run as they stand.

Which loops may be such is judged by their source: assignments to variables and elements, `if`, loops, and calls of
NumPy's functions, methods of arrays, a few builtins, and functions of the user's that do no more. Whether one is, its
variables tell when it is reached. For the time of the loop the arrays that the function made are NumPy's own, and new
ones become buffers when it has ended.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from types import CellType, FunctionType, ModuleType
from typing import Any

import numpy as np

from graphad.api.conversion.names import read
from graphad.api.conversion.scope import is_user_file
from graphad.api.conversion.source import Unreadable, definition
from graphad.api.sinks import is_sink
from graphad.build import current_builder
from graphad.codes import OfCode
from graphad.numpy.buffers import Buffer, buffer, made_within, plain, root_of, view_in, view_of

_STATEMENTS = (
    ast.Assign, ast.AugAssign, ast.For, ast.While, ast.If, ast.Expr, ast.Pass, ast.Break, ast.Continue, ast.Return,
)  # fmt: skip
_EXPRESSIONS = (
    ast.Name, ast.Constant, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Subscript, ast.Slice,
    ast.Tuple, ast.List, ast.Attribute, ast.Call, ast.keyword,
)  # fmt: skip
_KINDS = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)
_BUILTINS = frozenset(
    {"abs", "bool", "complex", "divmod", "float", "int", "len", "max", "min", "pow", "range", "round", "sum"}
)
_ITERATORS = frozenset({"enumerate", "reversed", "zip"})
"""Builtins that keep their arguments, which only a loop may call."""
_APART = frozenset({"base", "broadcast", "ctypes", "data", "flat", "ndenumerate", "nditer", "random"})
"""Attributes that lead to random numbers, or to an array's memory other than by an array."""
_LIBRARIES = ("cmath", "math", "numpy")
_NUMBERS = (bool, int, float, complex, str, type(None), range, np.generic)


def may_be(loop: ast.For | ast.While) -> bool:
    """Whether a loop may be one that is run as it stands; what is its `else` follows it in converted code."""
    leaves = any([isinstance(n, ast.Return) for n in ast.walk(loop)])
    return not loop.orelse and not leaves and _simple_all([loop])


def _simple_all(code: Iterable[ast.AST]) -> bool:
    nodes = [n for s in code for n in ast.walk(s)]
    iterators = [n.iter.func for n in nodes if isinstance(n, ast.For) and _calls(n.iter, _ITERATORS)]  # type: ignore[attr-defined]
    return all([_simple(n) and (not _calls(n, _ITERATORS) or n.func in iterators) for n in nodes])  # type: ignore[attr-defined]


def _calls(node: ast.AST, names: frozenset[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def _simple(node: ast.AST) -> bool:
    if isinstance(node, ast.Assign):
        kept = isinstance(node.value, (ast.Tuple, ast.List)) and not isinstance(node.targets[0], ast.Tuple)
        return not kept and all(map(_place, node.targets))
    if isinstance(node, (ast.For, ast.AugAssign)):
        return _place(node.target)
    if isinstance(node, ast.Call):
        return isinstance(node.func, (ast.Attribute, ast.Name))
    if isinstance(node, ast.Attribute):
        return isinstance(node.ctx, ast.Load) and node.attr not in _APART and not node.attr.startswith("_")
    return isinstance(node, (*_STATEMENTS, *_EXPRESSIONS, *_KINDS))


def _place(target: ast.expr) -> bool:
    """Whether a target is a variable, an element of one, or several of them."""
    if isinstance(target, ast.Tuple):
        return all(map(_place, target.elts))
    while isinstance(target, ast.Subscript):
        target = target.value
    return isinstance(target, ast.Name)


def untraced(reader: FunctionType) -> Untraced | None:
    """The variables that a function reads, where a loop over them can be run as it stands; None where it cannot."""
    builder = current_builder()
    if builder is not None and (builder.staged or builder.outer is not None):
        return None
    return Untraced(reader.__closure__ or ()) if _known(reader, reader.__code__.co_names, set()) else None


def _known(f: FunctionType, names: Iterable[str], seen: set[Any]) -> bool:
    """Whether nothing traced comes of what a function's variables hold: those around it, and global ones of `names`."""
    space = f.__globals__
    return all([_is_plain(_content(c), seen) for c in f.__closure__ or ()]) and all(
        [_is_plain(space[n], seen) if n in space else n in _BUILTINS or n in _ITERATORS for n in names]
    )


def _content(cell: CellType) -> Any:
    """What a variable holds, None if nothing."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _is_plain(x: Any, seen: set[Any]) -> bool:
    """Whether nothing traced can be in a value, nor come of it."""
    kind = type(x)
    if kind is np.ndarray or kind is Buffer:
        return x.dtype.kind in "biufcUS"  # type: ignore[no-any-return]
    if kind is tuple:
        return all([_is_plain(item, seen) for item in x])
    if kind is ModuleType:
        return x.__name__.partition(".")[0] in _LIBRARIES
    if kind is FunctionType:
        return x in seen or (is_user_file(x.__code__.co_filename) and _is_plain_function(x, {x, *seen}))
    return isinstance(x, _NUMBERS)


_judged: OfCode[frozenset[str] | None] = OfCode()


def _is_plain_function(f: FunctionType, seen: set[Any]) -> bool:
    code = f.__code__
    if id(code) not in _judged:
        _judged.learn(code, _judge(f))
    names = _judged[id(code)]
    defaults = (*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values())
    known = names is not None and not is_sink(f) and all([_is_plain(x, seen) for x in defaults])
    return known and _known(f, names, seen)  # type: ignore[arg-type]


def _judge(f: FunctionType) -> frozenset[str] | None:
    """The global names that a function reads, None for one that may do more than such a loop."""
    try:
        node = definition(f.__code__, f.__globals__)
    except Unreadable:
        return None
    body: list[ast.AST] = [*node.body] if isinstance(node, ast.FunctionDef) else [node.body]  # type: ignore[list-item]
    code = f.__code__
    own = {*code.co_varnames, *code.co_cellvars, *code.co_freevars}
    return frozenset(set().union(*map(read, body)) - own) if _simple_all(body) else None


class Untraced:
    """The variables of a loop that is run as it stands: until `close` they have no buffers."""

    def __init__(self, every: tuple[CellType, ...]) -> None:
        self.every = every
        self.opened: dict[int, tuple[Any, Any]] = {}
        self.roots: dict[int, Any] = {}
        self.before: dict[int, Any] = {}
        for cell in every:
            x = _content(cell)
            if type(x) is Buffer:
                cell.cell_contents = self._open(x)
            elif _is_held(x):
                self.before[id(x)] = x

    def _open(self, x: Buffer) -> Any:
        for new, old in self.opened.values():
            if old is x:
                return new
        new = plain(x)
        self.opened[id(new)] = new, x
        self.roots[id(_owner(new))] = root_of(x)
        return new

    def close(self) -> None:
        """Give the variables buffers: those that they had, views of these, and new ones for new arrays."""
        places: dict[int, list[CellType]] = {}
        for cell in self.every:
            x = _content(cell)
            if id(x) in self.opened:
                _put([cell], self._again(x))
            elif _is_held(x) and id(x) not in self.before:
                places.setdefault(id(x), []).append(cell)
        x = None
        groups: dict[int, list[list[CellType]]] = {}
        for cells in places.values():
            if type(cells[0].cell_contents) is np.ndarray:
                groups.setdefault(id(_owner(cells[0].cell_contents)), []).append(cells)
            else:
                self._within(cells)
        for owner, group in groups.items():
            if owner not in self.roots:
                _adopt(group)
            else:
                for cells in group:
                    _put(cells, self._again(cells[0].cell_contents))
        self.opened, self.before = {}, {}  # nothing but the buffers sees their memory

    def _again(self, x: Any) -> Any:
        """An array as a buffer, where it is one that had one, or sees its memory; in tuples and lists too."""
        if isinstance(x, (tuple, list)):
            return self._rebuilt(x)
        if type(x) is not np.ndarray:
            return x
        if id(x) in self.opened:
            return self.opened[id(x)][1]
        root = self.roots.get(id(_owner(x)))
        return x if root is None else view_in(x, root)

    def _within(self, cells: list[CellType]) -> None:
        """Do so with what tuples and lists hold."""
        _put(cells, self._rebuilt(cells[0].cell_contents))
        _put(cells, made_within(cells[0].cell_contents))

    def _rebuilt(self, x: Any) -> Any:
        items = [self._again(item) for item in x]
        if isinstance(x, tuple):
            return type(x)._make(items) if hasattr(x, "_make") else tuple(items)
        x[:] = items
        return x


def _owner(x: Any) -> Any:
    """The array whose memory an array sees."""
    return x if x.base is None else x.base


def _adopt(group: list[list[CellType]]) -> None:
    """Make new arrays of one memory buffers, where these variables alone hold them."""
    owner = _owner(group[0][0].cell_contents)
    held = sum([len(cells) if cells[0].cell_contents is owner else 1 for cells in group])
    free = type(owner) is np.ndarray and owner.base is None and sys.getrefcount(owner) == held + _OWN_REFERENCES
    alone = all([sys.getrefcount(c[0].cell_contents) == len(c) + 1 for c in group if c[0].cell_contents is not owner])
    if free and alone and owner.flags.writeable and owner.dtype.kind in "biufc":
        whole = buffer(owner)
        for cells in group:
            x = cells[0].cell_contents
            _put(cells, whole if x is owner else view_of(whole, x))


def _put(cells: list[CellType], x: Any) -> None:
    for cell in cells:
        cell.cell_contents = x


def _is_held(x: Any) -> bool:
    """Whether a value is an array without a buffer, or may hold such ones."""
    return type(x) is np.ndarray or isinstance(x, (tuple, list))


_OWN_REFERENCES = 2
"""Those of a variable, and of the argument of `getrefcount`."""

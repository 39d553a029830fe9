"""What a piece of code can reach: the values of its variables and all that they hold, and the code of the user's
functions and classes among them. Where that is closed, known, and none of it traced, the code may run as it stands.
"""

from __future__ import annotations

import dataclasses
import dis
import gc
import inspect
import operator
import re
import types
from collections.abc import Container, Iterable
from functools import cached_property, partial
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    GeneratorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
)
from typing import Any

import numpy as np

from graphad.api.conversion.alone import is_inner, twin
from graphad.api.conversion.heap import RUNTIME
from graphad.api.conversion.iterators import is_iterator
from graphad.api.conversion.placed import DICTS, ENTRIES, LISTS, HolderPlace, container
from graphad.api.conversion.scope import nested_codes
from graphad.api.sinks import is_sink, names_within, sinks
from graphad.codes import OfCode
from graphad.location import is_user_class, is_user_file
from graphad.numpy.buffers import Buffer

_MOST = 20_000
"""Objects that are looked at, large ones of plain numbers counted by a part of their length."""
_APART = frozenset({
    "__builtins__", "__closure__", "__code__", "__func__", "__globals__", "__import__", "__self__", "__subclasses__",
    "__wrapped__", "base", "breakpoint", "broadcast", "compile", "ctypes", "eval", "exec", "f_back", "f_locals",
    "flags", "gi_frame", "globals", "input", "locals", "nditer", "ndenumerate", "open", "owndata", "random", "require",
    "resize", "setflags", "vars",
})  # fmt: skip
"""Names that lead to what is not seen here: to variables and code by text, to random numbers, to who owns the memory of
an array."""
_LIBRARIES = frozenset({
    "abc", "bisect", "builtins", "cmath", "collections", "copy", "dataclasses", "datetime", "decimal", "enum",
    "fractions", "functools", "heapq", "itertools", "json", "math", "numbers", "numpy", "operator", "re", "reprlib",
    "statistics", "string", "textwrap", "types", "typing", "_abc", "_bisect", "_collections", "_functools", "_heapq",
    "_operator", "_statistics",
})  # fmt: skip
"""Packages whose functions compute with what they are given, and reach nothing else."""
_OTHERS = ("numpy.random", "numpy.ma", "numpy.testing", "numpy.ctypeslib", "numpy.memmap")

ATOMS: set[type] = {
    bool, int, float, complex, str, bytes, type(None), range, slice, type(...), type(NotImplemented), np.dtype,
    re.Pattern, type(dataclasses.MISSING), type(dataclasses._HAS_DEFAULT_FACTORY),  # type: ignore[attr-defined]
    types.GetSetDescriptorType, types.MemberDescriptorType, types.WrapperDescriptorType, types.MethodDescriptorType,
    types.ClassMethodDescriptorType, types.GenericAlias,
    *[cls for cls in np.sctypeDict.values() if cls not in (np.object_, np.void)],
}  # fmt: skip
"""Types whose objects hold nothing."""
_EMPTY: dict[Any, Any] = {}
_DICT_VIEWS: list[Any] = [type(_EMPTY.keys()), type(_EMPTY.values()), type(_EMPTY.items())]
_HANDLES: frozenset[Any] = frozenset({
    operator.attrgetter, operator.itemgetter, operator.methodcaller, types.MappingProxyType, *_DICT_VIEWS,
})  # fmt: skip
"""Types whose objects lead to what their references say."""
_ARRAYS = frozenset({np.ndarray, Buffer})
_SETS = frozenset({set, frozenset})
_AWAITS = inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE | inspect.CO_ASYNC_GENERATOR
_SEVERAL = 8
"""Objects of one type from which on they are looked at together."""
_ROWS = frozenset({list, tuple})
_DISPATCHED = type(np.sum)
_NAMED = frozenset({BuiltinFunctionType, FunctionType, ModuleType, type, np.ufunc, _DISPATCHED})
_OF_CLASSES = frozenset({
    "__abstractmethods__", "__annotations__", "__dataclass_fields__", "__dataclass_params__", "__dict__", "__doc__",
    "__module__", "__orig_bases__", "__parameters__", "__qualname__", "__slots__", "__weakref__", "_abc_impl",
})  # fmt: skip
_UNKNOWN: Any = object()


_of_libraries: dict[int, tuple[Any, bool]] = {}
"""Functions, classes and modules of these libraries that were met, by identity, and whether they make arrays."""
_judged: OfCode[frozenset[str] | None] = OfCode()


def judged(code: CodeType) -> frozenset[str] | None:
    """The global names that code reads; None for code that can reach more than these, its variables and what they hold
    lead to, or that assigns global variables."""
    if id(code) not in _judged:
        _judged.learn(code, _judge(code))
    return _judged[id(code)]


def _judge(code: CodeType) -> frozenset[str] | None:
    names: set[str] = set()
    for c in nested_codes(code):
        if not _APART.isdisjoint(c.co_names):
            return None
        if c.co_flags & _AWAITS:
            return None
        if "__class__" in c.co_names:
            names.add("type")
        for i in dis.get_instructions(c):
            if i.opname == "LOAD_GLOBAL":
                names.add(i.argval)
            elif i.opname in _LEADING or (i.opname == "IMPORT_NAME" and i.argval not in _LIBRARIES):
                return None
    return frozenset(names)


_LEADING = ("STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_BUILD_CLASS", "LOAD_NAME", "IMPORT_STAR")


class Reach:
    """All that some values lead to.

    `places` are those that hold arrays, tuples, inner functions (by which there are `twins`) and what is `marked`, but
    for the entries of `rows`, lists of nothing but arrays; `functions` the user's that were met. `arrays` tells whether
    there are arrays, or what makes them, `fixed` whether buffers stand where no other array can be put for them, `asks`
    whether code asks for types, which tell the two apart, and `tells` whether it asks for identities. For a trace that
    is `staged` no sink may be called: `methods` are the names of functions in classes, `pours` the code that names one.
    """

    __slots__ = (
        "arrays", "asks", "fixed", "functions", "left", "marked", "methods", "places", "pours", "rows", "seen",
        "staged", "tells", "twins",
    )  # fmt: skip

    def __init__(self, marked: Container[int] = (), staged: bool = False) -> None:
        self.marked = marked
        self.staged = staged
        self.methods: dict[int, str] = {}
        self.pours: set[int] = set()
        self.twins: dict[int, FunctionType] = {}
        self.seen: dict[int, Any] = {}
        self.places: list[HolderPlace] = []
        self.rows: list[list[Any]] = []
        self.functions: list[FunctionType] = []
        self.arrays = self.fixed = self.asks = self.tells = False
        self.left = _MOST

    def cost(self) -> int:
        """How much was looked at."""
        return _MOST - self.left

    def known(self, roots: Iterable[Any], lenient: bool = False) -> bool:
        """Whether all that the roots lead to is known and not traced, and not too much; what is not is left alone by
        one that is `lenient`."""
        pending = [*roots]
        seen = self.seen
        while pending:
            groups: dict[type, dict[int, Any]] = {}
            for x in pending:
                kind = type(x)
                if id(x) in _of_libraries:
                    if self.staged and _is_poured(x):
                        return False
                    self.arrays = self.arrays or _of_libraries[id(x)][1]
                elif kind not in ATOMS and id(x) not in seen:
                    groups.setdefault(kind, {})[id(x)] = x
            pending = []
            for kind, group in groups.items():
                self.left -= len(group)
                seen.update(group)
                found = self._together(kind, [*group.values()]) if len(group) > _SEVERAL else None
                for parts in [self._parts(x, kind) for x in group.values()] if found is None else [found]:
                    if parts is not None:
                        pending += parts
                    elif not lenient:
                        return False
            if self.left < 0 and not lenient:
                return False
        return not (self.fixed and self.asks) and not (self.arrays and self.tells)

    def _together(self, kind: type, xs: list[Any]) -> list[Any] | None:
        """What several objects of a type lead to, where they hold no arrays nor tuples; None where they may."""
        if kind not in ENTRIES and not _is_object(kind):
            return None
        found = gc.get_referents(*xs)
        self.left -= len(found) >> 3
        kinds = set(map(type, found))
        others = (dict, tuple) if kind not in ENTRIES else tuple
        if any([k in _ARRAYS or issubclass(k, others) for k in kinds]):
            return None
        kinds -= ATOMS
        return [x for x in found if type(x) in kinds] if kinds else []

    def named(self, space: dict[str, Any], names: frozenset[str], code: CodeType) -> list[Any] | None:
        """What global names of code stand for; None where one stands for nothing."""
        found = []
        self.asks, self.tells = self.asks or "type" in names, self.tells or "id" in names
        for n in names:
            x = space.get(n, _UNKNOWN)
            if x is _UNKNOWN:
                builtins = space.get("__builtins__")
                x = (builtins if isinstance(builtins, dict) else vars(builtins)).get(n, _UNKNOWN)
                if x is _UNKNOWN:
                    return None
            found.append(x)
        return self._mention(code, found) if self.staged else found

    def _mention(self, code: CodeType, found: list[Any]) -> list[Any]:
        """What global names stand for that are no sinks; code that names one is noted."""
        rest = [x for x in found if type(x) not in _NAMED or not _is_poured(x)]
        if len(rest) < len(found) or _names_poured(_mentioned(code)):
            self.pours.add(id(code))
        return rest

    def called(self, code: CodeType | None) -> list[FunctionType]:
        """The user's functions that code may call: those of classes by their names."""
        names = set() if code is None else {*_mentioned(code)}
        found: list[FunctionType] = []
        left, before = self.functions, -1
        while len(left) != before:
            before, rest = len(left), []
            for f in left:
                name = self.methods.get(id(f), "")
                if not name or name in names or name.startswith("__"):
                    found.append(f)
                    names |= _mentioned(f.__code__)
                else:
                    rest.append(f)
            left = rest
        return found

    def _parts(self, x: Any, kind: type) -> list[Any] | None:
        """What an object leads to; None where that is not known."""
        if kind is CellType:
            return self._entries(x, _content(x))
        if kind in LISTS:
            return [] if self._flat(x) else self._row(x) if kind is list else self._entries(x, enumerate(x))
        if kind in DICTS:
            found = [] if self._flat(x.values()) else self._entries(x, x.items())
            keys = () if self._flat(x) else x
            return None if found is None else [*found, *keys, getattr(x, "default_factory", None)]
        if kind in _ARRAYS:
            self.fixed = self.fixed or kind is Buffer
            return [] if self._array(x) else None
        if kind is tuple or kind in _SETS:
            return [] if self._flat(x) else [*x]
        if kind is FunctionType:
            return self._function(x)
        if kind is MethodType:
            return [x.__self__, x.__func__]
        if kind is BuiltinFunctionType or kind is MethodWrapperType:
            home = x.__self__
            if home is not None and type(home) is not ModuleType:
                return [home]
            return self._library(x, x.__module__) if x.__name__ not in _APART else None
        if kind is ModuleType:
            return self._library(x, x.__name__)
        if kind is np.ufunc or kind is _DISPATCHED:
            return self._library(x, "numpy" if kind is np.ufunc else x.__module__)
        if kind is partial:
            return [x.func, x.args, x.keywords]
        if kind in _HANDLES or (is_iterator(kind) and kind is not GeneratorType):
            return gc.get_referents(x)
        return self._class(x) if isinstance(x, type) else self._object(x, kind) if _is_object(kind) else None

    def _flat(self, xs: Any) -> bool:
        """Whether a container holds nothing but numbers and texts, or lists and tuples of such."""
        self.left -= len(xs) >> 3
        kinds = set(map(type, xs))
        if kinds and _ROWS.issuperset(kinds):
            items = gc.get_referents(*xs)
            self.left -= len(items) >> 3
            kinds = set(map(type, items))
        return ATOMS.issuperset(kinds)

    def _array(self, x: Any) -> bool:
        self.arrays = True
        return not x.dtype.hasobject

    def _row(self, x: list[Any]) -> list[Any] | None:
        """What a list leads to; one of arrays is noted as a whole."""
        if not _ARRAYS.issuperset(set(map(type, x))):
            return self._entries(x, enumerate(x))
        self.arrays = True
        self.left -= len(x)
        self.rows.append(x)
        return None if any([dtype.hasobject for dtype in set(map(operator.attrgetter("dtype"), x))]) else []

    def every_place(self) -> list[HolderPlace]:
        """The places, and those in lists of arrays."""
        return [*self.places, *[HolderPlace(row, i) for row in self.rows for i in range(len(row))]]

    def _library(self, x: Any, module: str | None) -> list[Any] | None:
        """What something of a library leads to, which lives as long as Python runs."""
        package = (module or "").partition(".")[0]
        if package not in _LIBRARIES or (module or "").startswith(_OTHERS) or (self.staged and _is_poured(x)):
            return None
        makes = package in ("numpy", "copy")
        self.arrays = self.arrays or makes
        _of_libraries[id(x)] = x, makes
        return []

    def _entries(
        self, holder: Any, entries: Iterable[tuple[Any, Any]], attributes: bool = False
    ) -> list[Any] | None:
        """What places hold; arrays, and tuples that may hold some, are noted."""
        found = []
        for key, x in entries:
            kind = type(x)
            if kind in ATOMS:
                continue
            self.left -= 1
            if kind in _ARRAYS:
                self.places.append(HolderPlace(holder, key, attributes))
                if not self._array(x):
                    return None
                continue
            if isinstance(x, tuple) or id(x) in self.marked:
                self.places.append(HolderPlace(holder, key, attributes))
            elif is_inner(x) and (new := self.twins.get(id(x)) or twin(x)) is not None:
                self.places.append(HolderPlace(holder, key, attributes))
                self.twins[id(x)] = x = new
            found.append(x)
        return found

    def _function(self, f: FunctionType) -> list[Any] | None:
        code = f.__code__
        if not is_user_file(code.co_filename):
            known = self._library(code if f.__closure__ else f, f.__globals__.get("__name__"))
            return None if known is None else [*(f.__closure__ or ())]
        names = judged(code)
        found = None if names is None or f in sinks else self.named(f.__globals__, names, code)
        if found is None:
            return None
        self.functions.append(f)
        cells = zip(code.co_freevars, f.__closure__ or (), strict=True)
        found += [cell for name, cell in cells if name != RUNTIME]
        self.fixed = self.fixed or RUNTIME in code.co_freevars  # converted code makes buffers
        return [*found, f.__defaults__, f.__kwdefaults__, f.__dict__]

    def _class(self, cls: type) -> list[Any] | None:
        if not is_user_class(cls):
            return self._library(cls, cls.__module__)
        found: list[Any] = [type(cls)]
        for c in cls.__mro__:
            if not is_user_class(c):
                found.append(c)
                continue
            fields = vars(c).get("__dataclass_fields__", {})
            for field in fields.values():
                found += [field.default, field.default_factory]
            for name, value in vars(c).items():
                if name in _OF_CLASSES or (fields and _is_generated(value)):
                    continue
                if type(value) is FunctionType:
                    self.methods[id(value)] = name
                if isinstance(value, property):
                    found += [value.fget, value.fset, value.fdel]
                elif isinstance(value, (staticmethod, classmethod)):
                    found.append(value.__func__)
                else:
                    found.append(value.func if isinstance(value, cached_property) else value)
        return found

    def _object(self, x: Any, kind: type) -> list[Any] | None:
        """What an object of a class of the user's leads to. Its attributes are not asked for where none can be a place:
        Python is slower with those of an object whose dict was asked for."""
        referents = gc.get_referents(x)
        if not any([t in _ARRAYS or issubclass(t, (tuple, dict)) for t in set(map(type, referents))]):
            return [kind, *referents]
        own = getattr(x, "__dict__", {})
        slots = [n for c in kind.__mro__ for n in _names_of(c.__dict__.get("__slots__", ())) if hasattr(x, n)]
        attributes = [*own.items(), *[(n, getattr(x, n)) for n in slots if n not in ("__dict__", "__weakref__")]]
        base = container(x)
        entries: list[tuple[Any, Any]] = []
        if base is not None and base is not tuple:
            entries += base.items(x) if base is dict else enumerate(base.__iter__(x))
        placed = {id(own), *[id(v) for _, v in (*attributes, *entries)]}
        first, second = self._entries(x, attributes, True), self._entries(x, entries)
        if first is None or second is None:
            return None
        return [kind, *first, *second, *[r for r in referents if id(r) not in placed]]


_mentions: OfCode[frozenset[str]] = OfCode()


def _mentioned(code: CodeType) -> frozenset[str]:
    """The names of globals and attributes in code."""
    found = _mentions.get(id(code))
    return found or _mentions.learn(code, frozenset([n for c in nested_codes(code) for n in c.co_names]))


def _is_poured(x: Any) -> bool:
    """Whether a function, a class or a module of a library is a sink."""
    return x.__name__ in sinks if type(x) is ModuleType else type(x) is not CodeType and is_sink(x)


def _names_poured(names: frozenset[str]) -> bool:
    """Whether one of these names is that of a sink in such a library, or finds things by text."""
    return not (_BY_TEXT.isdisjoint(names) and names_within(_LIBRARIES).isdisjoint(names))


_BY_TEXT = frozenset({"attrgetter", "getattr", "methodcaller"})


def _names_of(slots: Any) -> Iterable[str]:
    return (slots,) if isinstance(slots, str) else slots


def _content(cell: CellType) -> list[tuple[Any, Any]]:
    try:
        return [(None, cell.cell_contents)]
    except ValueError:
        return []


def _is_object(kind: type) -> bool:
    """Whether a type is a class of the user's, whose objects lead to what their references say."""
    return is_user_class(kind) and not issubclass(kind, (type, np.ndarray, np.generic))


def _is_generated(x: Any) -> bool:
    """Whether something is a function that a dataclass made."""
    return type(x) is FunctionType and x.__code__.co_filename == "<string>"

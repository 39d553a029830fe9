"""What traced functions can have read besides their arguments: globals, closure cells, attributes, and what small
containers hold, found by the names in their code."""

from __future__ import annotations

import dis
import sys
from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from functools import cached_property, partial
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from graphad.api.conversion.scope import is_user_class, is_user_file, nested_codes
from graphad.api.guards import VALUES, Constant, Guard, Guards, Tests
from graphad.api.methods import KEPT, Decorated
from graphad.api.sinks import is_sink
from graphad.codes import OfCode
from graphad.trace import Tracer

_CONTAINERS = (list, dict, set, deque, bytearray, array, np.ndarray)
_EVERY = frozenset({"__dict__", "vars", "asdict", "astuple", "replace", "fields"})
"""Names that give all attributes of an object at once."""
_UNREAD = frozenset({
    "__init__", "__new__", "__post_init__", "__init_subclass__", "__set_name__", "__class_getitem__", "__del__",
    "__repr__", "__str__", "__hash__", "__eq__", "__reduce__", "__reduce_ex__", "__getstate__", "__setstate__",
    "__copy__", "__deepcopy__",
})  # fmt: skip
"""Methods that the computation of a function does not call on what is there before it."""


class Names(NamedTuple):
    """The names that a function's code reads as globals, and as attributes, and the modules that it imports."""

    globals: frozenset[str]
    attributes: frozenset[str]
    modules: frozenset[str]


_names: OfCode[Names] = OfCode()


def names_of(code: CodeType) -> Names:
    """What a code object, and those that stand in it, read."""
    found = _names.get(id(code))
    if found is None:
        spaces: set[str] = set()
        attributes: set[str] = set()
        modules: set[str] = set()
        operations: set[str] = set()
        for c in nested_codes(code):
            for i in dis.get_instructions(c):
                operations.add(i.opname)
                if i.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                    spaces.add(i.argval)
                elif i.opname in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "IMPORT_FROM"):
                    attributes.add(i.argval)
                elif i.opname == "IMPORT_NAME":
                    modules.add(i.argval)
        attributes.discard("replace")  # a method of text, too
        if "getattr" in spaces or "attrgetter" in spaces | attributes or "MATCH_CLASS" in operations:
            attributes |= {part for c in nested_codes(code) for text in _texts(c.co_consts) for part in text.split(".")}
            if not operations.isdisjoint(_FORMATS):
                attributes.add("__dict__")  # a name that is put together may be any
        attributes |= spaces & _EVERY
        found = _names.learn(code, Names(frozenset(spaces), frozenset(attributes), frozenset(modules)))
    return found


_FORMATS = frozenset({"FORMAT_VALUE", "FORMAT_SIMPLE", "FORMAT_WITH_SPEC"})


def _texts(constants: tuple[Any, ...]) -> list[str]:
    """The strings among constants, and in tuples of them."""
    found = [x for x in constants if isinstance(x, str)]
    return found + [text for x in constants if isinstance(x, tuple) for text in _texts(x)]


def reads(
    roots: Iterable[tuple[str, Any]], entered: Sequence[FunctionType], content: bool, own: set[tuple[int, Any]]
) -> Guards:
    """The guards of all that some objects (functions, static arguments), by their names, and the functions `entered`
    under a trace can have read; by hashes of large arrays too, with `content`. Places in `own` have none: the function
    itself changes them."""
    walk = _Walk(content, entered)
    for name, x in roots:
        walk.root(name, x)
    for f in entered:
        if id(f.__code__) not in walk.local:
            walk.visit(f.__name__, f)
    walk.finish()
    guards = [g for g in walk.guards.values() if g.slot not in own]
    if not _REPLACING.isdisjoint(sys.modules):
        guards += walk.codes
    return Guards(guards, walk.constants.values(), walk.arrays)


def arrays_read(function: Any, others: Sequence[Any]) -> list[Any]:
    """The arrays that a function, and `others` that it is given, lead to by the names in its code."""
    walk = _Walk(False, ())
    for x in (function, getattr(function, "__graphad_held__", ()), *others):
        walk.visit("", x)
    walk.finish()
    return walk.arrays


_REPLACING = frozenset({"IPython.extensions.autoreload", "jurigged"})
"""Modules that replace the code of functions in place. Where none is there, a function that reads nothing else is not
asked whether its code is what it was."""


class _Walk:
    def __init__(self, content: bool, entered: Sequence[FunctionType]) -> None:
        self.tests = Tests(content)
        self.guards: dict[tuple[int, Any], Guard] = {}
        self.constants: dict[int, Constant] = {}
        self.attributes: set[str] = set()
        self.objects: dict[int, tuple[Any, str]] = {}
        self.seen: dict[int, Any] = {}
        self.spaces: dict[type, Any] = {}
        self.codes: list[Guard] = []
        self.arrays: list[Any] = []
        # The functions that traced functions make hold what belongs to the trace.
        self.local = {id(c) for f in entered for c in nested_codes(f.__code__)[1:]}

    # -- guards -----------------------------------------------------------------------------------------------

    def bound(self, path: str, place: str, value: Any, holder: Any, key: Any = None) -> None:
        """Guard a place, which is `place` in terms of {1} and {2}, the holder and the key, and what is there."""
        slot = (id(holder), key)
        if slot not in self.guards and not isinstance(value, (Tracer, ModuleType)):
            self.guards[slot] = self.tests.bound(path, slot, place, value, holder, key)
        self.visit(path, value)

    def contents(self, path: str, x: Any) -> None:
        found = self.tests.contents(path, x)
        if isinstance(found, Constant):
            self.constants[id(x)] = found
            if isinstance(x, (list, deque, dict)):
                every = x.values() if isinstance(x, dict) else x
                self.arrays += [y for y in every if isinstance(y, (np.ndarray, Tracer))]
            return
        self.guards.update({guard.slot: guard for guard in found})
        if isinstance(x, (list, deque, dict)):
            for key, value in x.items() if isinstance(x, dict) else enumerate(x):
                self.visit(f"{path}[{key!r}]", value)

    # -- what is reached --------------------------------------------------------------------------------------

    def root(self, name: str, x: Any) -> None:
        """A jitted function, or a static argument."""
        while isinstance(x, Decorated):
            x = x.fun
        if isinstance(x, MethodType):
            self.visit("self", x.__self__)
            x = x.__func__
        if isinstance(x, FunctionType):
            self.codes.append(
                self.tests.guard(f"{name}.__code__", (id(x), "__code__"), "{0}.__code__ is {1}", x, x.__code__)
            )
            self.function(x)
        else:
            self.visit(name, x)

    def visit(self, path: str, x: Any) -> None:
        """What a value that was read leads to."""
        if isinstance(x, (*VALUES, CodeType)) or x is None or id(x) in self.seen:
            return
        self.seen[id(x)] = x
        if isinstance(x, (np.ndarray, Tracer)):
            self.arrays.append(x)
        if isinstance(x, Tracer):
            return
        if isinstance(x, FunctionType):
            self.code(path, x)
        elif isinstance(x, Decorated):
            for name in ("fun", "rule", "rules"):
                self.visit(path, getattr(x, name, None))
        elif isinstance(x, MethodType):
            self.visit(path, x.__self__)
            self.visit(path, x.__func__)
        elif isinstance(x, (staticmethod, classmethod)):
            self.visit(path, x.__func__)
        elif isinstance(x, property):
            self.visit(path, x.fget)
        elif isinstance(x, cached_property):
            self.visit(path, x.func)
        elif isinstance(x, partial):
            for item in (x.func, *x.args, *x.keywords.values()):
                self.visit(path, item)
        elif isinstance(x, (tuple, frozenset)):
            for i, item in enumerate(x):
                self.visit(f"{path}[{i}]", item)
        elif isinstance(x, ModuleType):
            if is_user_file(getattr(x, "__file__", None) or "<frozen>"):
                self.object(path, x)
        else:
            # A dict that reads its entries in a way of its own, as a sparse matrix, is an object like any other.
            own = isinstance(x, dict) and type(x).__getitem__ is not dict.__getitem__
            if (isinstance(x, _CONTAINERS) and not own) or (hasattr(x, "__array__") and not isinstance(x, type)):
                self.contents(path, x)
            if not isinstance(x, type) or is_user_class(x):
                self.object(path, x)

    def code(self, path: str, f: FunctionType) -> None:
        """A function that was read: a library's leads to the functions that it holds. A sink reads for itself."""
        if is_sink(f):
            return
        if is_user_file(f.__code__.co_filename):
            slot = (id(f), "__code__")
            self.guards[slot] = self.tests.guard(f"{path}.__code__", slot, "{0}.__code__ is {1}", f, f.__code__)
            self.function(f)
            return
        self.visit(path, getattr(f, "__wrapped__", None))
        for cell in f.__closure__ or ():
            try:
                held = cell.cell_contents
            except ValueError:  # it has no value yet
                continue
            for item in held if isinstance(held, tuple) else (held,):
                if callable(item):
                    self.visit(path, item)

    def function(self, f: FunctionType) -> None:
        """The globals and cells that a function reads."""
        self.seen[id(f)] = f
        names, space = names_of(f.__code__), f.__globals__
        self.attributes |= names.attributes
        for name in sorted(names.globals):
            if name in space:
                self.bound(name, "{1}[{2}]", space[name], space, name)
        for name in names.modules:
            self.visit(name, sys.modules.get(name) or sys.modules.get(f"{space.get('__package__')}.{name}"))
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            self.cell(name, cell)
        defaults = f.__defaults__ or ()
        named = f.__code__.co_varnames[f.__code__.co_argcount - len(defaults) : f.__code__.co_argcount]
        for name, value in (*zip(named, defaults, strict=True), *(f.__kwdefaults__ or {}).items()):
            self.visit(name, value)

    def cell(self, name: str, cell: CellType) -> None:
        try:
            value = cell.cell_contents
        except ValueError:
            return
        if name != "__class__":
            self.bound(name, "{1}.cell_contents", value, cell)

    def object(self, path: str, x: Any) -> None:
        """An object, class or module with attributes, which are looked at once all names are known."""
        self.objects[id(x)] = x, path
        for c in type(x).__mro__ if not isinstance(x, (type, ModuleType)) else ():
            if is_user_class(c):
                self.visit(c.__name__, c)
                for name, value in vars(c).items():
                    if name.startswith("__") and type(value) is FunctionType and name not in _UNREAD:
                        self.visit(f"{c.__name__}.{name}", value)

    def finish(self) -> None:
        """Look at the attributes that are read by name, until nothing new is reached."""
        before = (-1, -1)
        while before != (len(self.seen), len(self.attributes)):
            before = len(self.seen), len(self.attributes)
            for x, path in list(self.objects.values()):
                self.attributes_of(x, path)

    def attributes_of(self, x: Any, path: str) -> None:
        every = not self.attributes.isdisjoint(_EVERY) or type(x).__module__.startswith("scipy.sparse")
        if isinstance(x, type):
            for c in x.__mro__:
                if is_user_class(c):
                    self.spaces.setdefault(c, vars(c))
                    for name in self.attributes & vars(c).keys():
                        self.bound(f"{c.__name__}.{name}", "{1}[{2}]", vars(c)[name], self.spaces[c], name)
            return
        space = getattr(x, "__dict__", None)
        if isinstance(space, dict):
            for name in (
                set(space) - {KEPT} if every and not isinstance(x, ModuleType) else self.attributes & space.keys()
            ):
                self.bound(f"{path}.{name}", "{1}[{2}]", space[name], space, name)
        for c in type(x).__mro__ if is_user_class(type(x)) else ():
            slots = vars(c).get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if (every or name in self.attributes) and name != "__dict__" and hasattr(x, name):
                    self.bound(f"{path}.{name}", "getattr({1}, {2})", getattr(x, name), x, name)
            if isinstance(space, dict) and is_user_class(c):
                self.defaults(x, path, space, c)

    def defaults(self, x: Any, path: str, space: dict[str, Any], c: type) -> None:
        """What an object takes from its class as long as it has no such attribute itself."""
        for name in self.attributes & vars(c).keys() - space.keys():
            if not hasattr(type(vars(c)[name]), "__get__"):
                slot = (id(space), name)
                if slot not in self.guards:
                    self.guards[slot] = self.tests.guard(f"{path}.{name}", slot, "{1} not in {0}", space, name)

"""What traced functions can have read besides their arguments: globals, closure cells, attributes, and what small
containers hold, found by the names in their code."""

from __future__ import annotations

import builtins
import os
import sys
from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from functools import cached_property, partial
from operator import attrgetter, methodcaller
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any
from weakref import ref

import numpy as np

from graphad.api.conversion.scope import nested_codes
from graphad.api.guards import MAPPINGS, VALUES, Cached, Guard, Guards, LargeConstant, Memory, Tests
from graphad.api.mentions import EVERY, MentionedNames, names_of
from graphad.api.methods import KEPT, Decorated
from graphad.api.sinks import is_sink
from graphad.location import is_user_class, is_user_file, is_user_module
from graphad.trace import Tracer

_CONTAINERS = (list, *MAPPINGS, set, deque, bytearray, array, np.ndarray, *Memory)
_VIEWS: tuple[Any, ...] = (type({}.keys()), type({}.values()), type({}.items()))
_WHOLE = ("scipy.sparse", "scipy.interpolate", "scipy.spatial", "collections", "configparser", "weakref")
"""Modules whose objects are read by all their attributes: their methods are not looked into."""
_UNREAD = frozenset({
    "__init__", "__new__", "__post_init__", "__init_subclass__", "__set_name__", "__class_getitem__", "__del__",
    "__repr__", "__str__", "__hash__", "__eq__", "__reduce__", "__reduce_ex__", "__getstate__", "__setstate__",
    "__copy__", "__deepcopy__",
})  # fmt: skip
"""Methods that the computation of a function does not call on what is there before it."""


def reads(
    roots: Iterable[tuple[str, Any]],
    entered: Sequence[Any],
    content: bool,
    own: set[tuple[int, Any]],
    changed: dict[int, type],
) -> tuple[Guards, list[str]]:
    """The guards of all that some objects (functions, static arguments), by their names, and what was `entered` under a
    trace (functions, and what caches gave) can have read; by hashes of large arrays too, with `content`. Places in
    `own` have none: the function itself changes them. Also the paths of those of the objects `changed`,
    types by identities, that are reached."""
    walk = _Walk(content, entered, changed)
    for name, x in roots:
        walk.root(name, x)
    for x in entered:
        if isinstance(x, Cached):
            path = f"what {getattr(x.function, '__name__', 'a function')} has cached"
            walk.guards |= {guard.slot: guard for guard in walk.tests.cached(path, x)}
        elif not isinstance(x, FunctionType):
            walk.visit(f"a cached {type(x).__name__}", x)
        elif id(x.__code__) not in walk.local:
            walk.visit(x.__name__, x)
    walk.finish()
    guards = [g for g in walk.guards.values() if g.slot not in own]
    if not _REPLACING.isdisjoint(sys.modules):
        guards += walk.codes
    return Guards(guards, walk.constants.values(), walk.arrays), walk.reached


def arrays_read(function: Any, others: Sequence[Any]) -> list[Any]:
    """The arrays that a function, and `others` that it is given, lead to by the names in its code."""
    walk = _Walk(False, (), {})
    for x in (function, getattr(function, "__graphad_held__", ()), *others):
        walk.visit("", x)
    walk.finish()
    return walk.arrays


_REPLACING = frozenset({"IPython.extensions.autoreload", "jurigged"})
"""Modules that replace the code of functions in place. Where none is there, a function that reads nothing else is not
asked whether its code is what it was."""


class _Walk:
    def __init__(self, content: bool, entered: Sequence[Any], changed: dict[int, type]) -> None:
        self.changed = changed
        self.reached: list[str] = []
        self.tests = Tests(content)
        self.guards: dict[tuple[int, Any], Guard] = {}
        self.constants: dict[int, LargeConstant] = {}
        self.attributes: set[str] = set()
        self.missing: set[str] = set()
        self.texts: set[str] = set()
        self.by_text = self.environment = False
        self.objects: dict[int, tuple[Any, str]] = {}
        self.seen: dict[int, Any] = {}
        self.spaces: dict[type, Any] = {}
        self.codes: list[Guard] = []
        self.arrays: list[Any] = []
        functions = [f for f in entered if isinstance(f, FunctionType)]
        self.entered = {id(f) for f in functions}
        # The functions that traced functions make hold what belongs to the trace.
        self.local = {id(c) for f in functions for c in nested_codes(f.__code__)[1:]}

    # -- guards -----------------------------------------------------------------------------------------------

    def bound(self, path: str, place: str, value: Any, holder: Any, key: Any = None) -> None:
        """Guard a place, which is `place` in terms of {1} and {2}, the holder and the key, and what is there."""
        slot = (id(holder), key)
        if slot not in self.guards and not isinstance(value, (Tracer, ModuleType)):
            self.guards[slot] = self.tests.bound(path, slot, place, value, holder, key)
        self.visit(path, value)

    def absent(self, path: str, space: Any, name: str) -> None:
        """Guard that a dict, or the attributes of a class, have no such name."""
        slot = (id(space), name)
        if slot not in self.guards:
            self.guards[slot] = self.tests.guard(path, slot, "{1} not in {0}", space, name)

    def contents(self, path: str, x: Any) -> None:
        found = self.tests.contents(path, x)
        if isinstance(found, LargeConstant):
            self.constants[id(x)] = found
            if isinstance(x, (list, deque, *MAPPINGS)):
                every = x.values() if isinstance(x, MAPPINGS) else x
                self.arrays += [y for y in every if isinstance(y, (np.ndarray, Tracer))]
            return
        self.guards.update({guard.slot: guard for guard in found})
        if isinstance(x, np.ndarray):
            x = x.ravel().tolist() if x.dtype.hasobject else ()
        if isinstance(x, (list, deque, *MAPPINGS)):
            for key, value in x.items() if isinstance(x, MAPPINGS) else enumerate(x):
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
        if isinstance(x, str):
            self.texts.add(x)
        if isinstance(x, (*VALUES, CodeType)) or x is None or id(x) in self.seen:
            return
        self.seen[id(x)] = x
        if self.changed.get(id(x)) is type(x):
            self.reached.append(f"`{path}`")
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
            if is_user_class(type(x)):
                self.object(path, x)
        elif isinstance(x, _VIEWS):
            self.visit(path, x.mapping)
        elif isinstance(x, (ref, ContextVar)):
            place = "{1}.get()" if isinstance(x, ContextVar) else "{1}()"
            try:
                value = x.get() if isinstance(x, ContextVar) else x()
            except LookupError:
                return
            self.bound(path, place, value, x)
        elif isinstance(x, (attrgetter, methodcaller)):
            self.attributes.update([part for text in x.__reduce__()[1] for part in str(text).split(".")])
        elif isinstance(x, ModuleType):
            if is_user_module(x.__name__, x):
                self.object(path, x)
        else:
            # A dict that reads its entries in a way of its own, as a sparse matrix, is an object like any other.
            own = isinstance(x, dict) and type(x).__getitem__ is not dict.__getitem__
            if (isinstance(x, _CONTAINERS) and not own) or hasattr(type(x), "__array__"):
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
                if callable(item) or isinstance(item, dict):
                    self.visit(path, item)

    def function(self, f: FunctionType) -> None:
        """The globals and cells that a function reads."""
        self.seen[id(f)] = f
        names, space = names_of(f.__code__), f.__globals__
        self.mention(names)
        for name in sorted(names.globals):
            if name in space:
                self.bound(name, "{1}[{2}]", space[name], space, name)
            elif hasattr(builtins, name) or name in names.missing:
                self.absent(name, space, name)
        for name in names.modules:
            name = str(space.get("__name__")) if name == "__name__" else name
            self.visit(name, sys.modules.get(name) or sys.modules.get(f"{space.get('__package__')}.{name}"))
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            self.cell(name, cell)
        defaults = f.__defaults__ or ()
        if defaults:
            self.bound(f"{f.__name__}.__defaults__", "{1}.__defaults__", defaults, f, "__defaults__")
        for name, value in (f.__kwdefaults__ or {}).items():
            self.bound(name, "{1}[{2}]", value, f.__kwdefaults__, name)
        if f.__dict__:
            self.object(f.__name__, f)

    def mention(self, names: MentionedNames) -> None:
        """Take up the names in a function's code."""
        self.attributes |= names.attributes
        self.missing |= names.missing
        self.texts |= names.texts
        self.by_text |= names.by_text
        self.environment |= names.environment

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
        for c in type(x).__mro__ if not isinstance(x, (FunctionType, ModuleType)) else ():
            if is_user_class(c):
                self.visit(c.__name__, c)
                self.spaces.setdefault(c, vars(c))
                for name, value in vars(c).items():
                    if name.startswith("__") and type(value) is FunctionType and name not in _UNREAD:
                        if id(value) in self.entered:
                            self.bound(f"{c.__name__}.{name}", "{1}[{2}]", value, self.spaces[c], name)
                        self.visit(f"{c.__name__}.{name}", value)

    def finish(self) -> None:
        """Look at the attributes that are read by name, until nothing new is reached."""
        before = (-1, -1, -1)
        while before != (len(self.seen), len(self.attributes), len(self.texts)):
            if self.by_text:
                parts = {part for text in self.texts for part in text.split(".") if part.isidentifier()}
                self.attributes |= parts
                self.missing |= parts
            before = len(self.seen), len(self.attributes), len(self.texts)
            for x, path in list(self.objects.values()):
                self.attributes_of(x, path)
        for name in sorted(self.texts) if self.environment else ():
            if name.isidentifier():
                self.bound(f"the variable {name}", "{1}.get({2})", os.environ.get(name), os.environ, name)

    def attributes_of(self, x: Any, path: str) -> None:
        whole = str(type(x).__module__).startswith(_WHOLE)
        every = whole or not self.attributes.isdisjoint(EVERY)
        classes = [c for c in x.__mro__ if is_user_class(c)] if isinstance(x, type) else []
        self.classes_of(classes, self.attributes & self.missing)
        if isinstance(x, type):
            return
        space = getattr(x, "__dict__", None)
        if isinstance(space, dict):
            for name in (
                set(space) - {KEPT} if every and not isinstance(x, ModuleType) else self.attributes & space.keys()
            ):
                self.bound(f"{path}.{name}", "{1}[{2}]", space[name], space, name)
            if isinstance(x, ModuleType):
                for name in self.missing & self.attributes - space.keys():
                    self.absent(f"{path}.{name}", space, name)
        if isinstance(x, (FunctionType, ModuleType)):
            return
        classes = [c for c in type(x).__mro__ if is_user_class(c)]
        for c in type(x).__mro__ if whole else classes:
            slots = vars(c).get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if (every or name in self.attributes) and name != "__dict__" and hasattr(x, name):
                    self.bound(f"{path}.{name}", "getattr({1}, {2})", getattr(x, name), x, name)
        asked = self.attributes if any("__getattr__" in vars(c) for c in classes) else self.attributes & self.missing
        self.classes_of(classes, asked)
        if isinstance(space, dict):
            self.from_classes(path, space, classes, asked)

    def classes_of(self, classes: Sequence[type], asked: set[str]) -> None:
        """What classes in the order in which they are searched give, and that those before have no such attribute."""
        before: set[str] = set()
        for c in reversed(classes):
            own = self.spaces.setdefault(c, vars(c))
            for name in self.attributes & own.keys():
                self.bound(f"{c.__name__}.{name}", "{1}[{2}]", own[name], own, name)
            for name in (before | asked) - own.keys():
                self.absent(f"{c.__name__}.{name}", own, name)
            before |= self.attributes & own.keys()

    def from_classes(self, path: str, space: dict[str, Any], classes: Sequence[type], asked: set[str]) -> None:
        """What an object takes from its classes as long as it has no such attribute itself, or is asked for."""
        found = {name: vars(c)[name] for c in reversed(classes) for name in self.attributes & vars(c).keys()}
        for name in (found.keys() | asked) - space.keys():
            if not hasattr(type(found.get(name)), "__set__"):
                self.absent(f"{path}.{name}", space, name)

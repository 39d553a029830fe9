"""What a piece of the user's code can change: variables, attributes, entries of dicts and lists.

A `Heap` is a picture of all that some functions reach: it tells afterwards what they changed, and puts it back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType, NoneType
from typing import Any, NamedTuple

import numpy as np

from graphad.api.conversion.iterators import is_iterator, state
from graphad.api.conversion.peers import holders
from graphad.api.conversion.scope import MARK, nested_codes, plain_name
from graphad.api.conversion.structure import attributes
from graphad.codes import OfCode
from graphad.errors import ControlFlowError
from graphad.location import is_user_class, is_user_file, place
from graphad.numpy.buffers import Buffer, BufferTracer, BufferView, plain, root_of
from graphad.numpy.views import Fixed, Joined, Shared, View, candidates, origin_of, write
from graphad.trace import Tracer


class _Unset:
    def __repr__(self) -> str:
        return "UNSET"


UNSET: Any = _Unset()
"""The value of a variable, attribute or entry that does not exist."""

_LIMIT = 20_000
ARRAYS = (Tracer, View, Joined, Fixed, Shared, Buffer, BufferTracer, BufferView)
"""The types of arrays that a function can have made."""
_LEAVES = frozenset(
    {
        int, float, complex, bool, str, bytes, NoneType, type, slice, range, Tracer, np.ndarray, ModuleType,
        BuiltinFunctionType, np.ufunc, *ARRAYS,
    }
)  # fmt: skip


class Container:
    """One object with slots, by key. `path` is how the user writes it; `saved` what it held."""

    __slots__ = ("path", "saved", "target")
    ordered = False

    def __init__(self, target: Any, path: str, saved: dict[Any, Any] | None = None) -> None:
        self.target = target
        self.path = path
        self.saved = self.read() if saved is None else saved

    def read(self) -> dict[Any, Any]:
        """What it holds now."""
        raise NotImplementedError

    def write(self, key: Any, value: Any) -> None:
        """Set a slot; `UNSET` removes it."""
        raise NotImplementedError

    def slot_path(self, key: Any) -> str:
        """How the user writes a slot."""
        return f"{self.path}[{key!r}]"

    def changes(self) -> list[Any]:
        """The keys of the slots that hold something else than they held."""
        now, saved = self.read(), self.saved
        if self.ordered and len(now) != len(saved):
            return []
        found = [key for key, value in now.items() if saved.get(key, UNSET) is not value]
        return found + [key for key in saved if key not in now]

    def restore(self) -> None:
        """Put back what it held."""
        now = self.read()
        for key in [*now, *[k for k in self.saved if k not in now]]:
            old = self.saved.get(key, UNSET)
            if now.get(key, UNSET) is not old:
                self.write(key, old)


class Cell(Container):
    """A variable of a function."""

    __slots__ = ()

    def read(self) -> dict[Any, Any]:
        now = self._now()
        return {} if now is UNSET else {None: now}

    def _now(self) -> Any:
        try:
            return self.target.cell_contents
        except ValueError:
            return UNSET

    def changes(self) -> list[Any]:
        return [] if self._now() is self.saved.get(None, UNSET) else [None]

    def restore(self) -> None:
        old = self.saved.get(None, UNSET)
        if self._now() is not old:
            self.write(None, old)

    def write(self, key: Any, value: Any) -> None:
        if value is not UNSET:
            self.target.cell_contents = value
        elif self.read():
            del self.target.cell_contents

    def slot_path(self, key: Any) -> str:
        return self.path


class Globals(Container):
    """The global variables that a function names: `target` is (globals, names)."""

    __slots__ = ()

    def read(self) -> dict[Any, Any]:
        space, names = self.target
        return {k: space[k] for k in names if k in space}

    def write(self, key: Any, value: Any) -> None:
        if value is UNSET:
            self.target[0].pop(key, None)
        else:
            self.target[0][key] = value

    def slot_path(self, key: Any) -> str:
        return str(key)


class Entries(Container):
    """A dict."""

    __slots__ = ()

    def read(self) -> dict[Any, Any]:
        return dict(self.target)

    def write(self, key: Any, value: Any) -> None:
        if value is UNSET:
            self.target.pop(key, None)
        else:
            self.target[key] = value

    def restore(self) -> None:
        if list(self.target) != list(self.saved):
            self.target.clear()  # a key that was taken out and put in again stands last
        super().restore()

    def arrange(self, keys: Sequence[Any]) -> None:
        """Let the entries come in an order of their keys."""
        if list(self.target) != keys:
            held = dict(self.target)
            self.target.clear()
            self.target.update([(key, held[key]) for key in keys])


class Attributes(Container):
    """The attributes of an object of the user's own class."""

    __slots__ = ()

    def read(self) -> dict[Any, Any]:
        return attributes(self.target)

    def write(self, key: Any, value: Any) -> None:
        if value is not UNSET:
            _of_library(self.target, "__setattr__")(self.target, key, value)
        elif key in self.read():
            _of_library(self.target, "__delattr__")(self.target, key)

    def slot_path(self, key: Any) -> str:
        return f"{self.path}.{key}"


def _of_library(x: Any, name: str) -> Callable[..., None]:
    """A special method of an object that is not the user's."""
    return next(vars(c)[name] for c in type(x).__mro__ if name in vars(c) and not is_user_class(c))  # type: ignore[no-any-return]


class ListContainer(Container):
    """A list, whose length is part of its structure; sets and deques are structure altogether."""

    __slots__ = ()
    ordered = True

    def read(self) -> dict[Any, Any]:
        return dict(enumerate(self.target))

    def write(self, key: Any, value: Any) -> None:
        self.target[key] = value

    def restore(self) -> None:
        if isinstance(self.target, list):
            self.target[:] = self.saved.values()
        else:
            self.target.clear()
            for x in self.saved.values():
                (self.target.add if isinstance(self.target, set) else self.target.append)(x)

    def resized(self) -> bool:
        """Whether it has another structure than it had."""
        if isinstance(self.target, list):
            return len(self.target) != len(self.saved)
        now = list(self.target)
        return len(now) != len(self.saved) or any(a is not b for a, b in zip(now, self.saved.values(), strict=True))


class Slot(NamedTuple):
    """One place that holds a value."""

    container: Container
    key: Any

    @property
    def path(self) -> str:
        return self.container.slot_path(self.key)

    @property
    def identity(self) -> tuple[int, Any]:
        return id(self.container), self.key

    @property
    def before(self) -> Any:
        """What it held when the picture was taken."""
        return self.container.saved.get(self.key, UNSET)

    def read(self) -> Any:
        return self.container.read().get(self.key, UNSET)


class Heap:
    """All containers that some functions reach through their variables; with `contents` what their arrays hold, too."""

    def __init__(self, functions: Sequence[Callable[..., Any]], contents: bool = False) -> None:
        self.containers: dict[int, Container] = {}
        self.seen: dict[int, Any] = {}
        self._contents: dict[int, tuple[Any, Any]] | None = {} if contents else None
        self.iterators: list[tuple[Any, str, Any]] = []
        holders.add(self)
        for f in functions:
            self._visit(f, getattr(f, "__name__", "f"), own=True)

    def _visit(self, x: Any, path: str, own: bool = False) -> None:
        kind = type(x)
        if self._contents is not None and kind in ARRAYS:
            self._content(x)
        if kind in _LEAVES or id(x) in self.seen or len(self.seen) > _LIMIT:
            return
        if kind is FunctionType:
            if own or x.__closure__:
                self.seen[id(x)] = x
                self._function(x)
            return
        self.seen[id(x)] = x
        if kind is CellType:
            self._add(Cell(x, path))
        elif isinstance(x, dict):
            self._add(Entries(x, path))
        elif isinstance(x, (list, set, deque)):
            self._add(ListContainer(x, path))
        elif isinstance(x, tuple):
            names = getattr(x, "_fields", None)
            for i, item in enumerate(x):
                self._visit(item, f"{path}.{names[i]}" if names else f"{path}[{i}]")
        elif is_iterator(kind):
            self.iterators.append((x, path, state(x)))
        elif kind is MethodType:
            self._visit(x.__self__, path)
            self._visit(x.__func__, path)
        elif kind is partial:
            for item in (x.func, *x.args, *x.keywords.values()):
                self._visit(item, path)
        elif not isinstance(x, type) and is_user_class(kind):
            self._add(Attributes(x, path))

    def _add(self, container: Container) -> None:
        self.containers[id(container.target)] = container
        for key, value in container.saved.items():
            if type(value) not in _LEAVES or self._contents is not None:
                self._visit(value, container.slot_path(key))

    def _function(self, f: FunctionType) -> None:
        if f.__closure__:
            for name, cell in zip(f.__code__.co_freevars, f.__closure__, strict=True):
                if name != RUNTIME:
                    self._visit(cell, name)
        if is_user_file(f.__code__.co_filename):
            names = tuple(k for k in _global_names(f.__code__) if k in f.__globals__)
            if names:
                container = Globals((f.__globals__, names), "")
                self.seen[id(container)] = container
                self.containers[id(container)] = container
                for key, value in container.saved.items():
                    self._visit(value, key)

    def _content(self, x: Any) -> None:
        assert self._contents is not None
        if isinstance(x, Tracer):
            # What is written to it is written to all that it may be.
            for y in candidates(origin_of(x)):
                if isinstance(y, Tracer):
                    self._contents[id(y)] = y, Tracer(y.builder, y.value, y.weak)
        else:
            root = root_of(x)
            self._contents[id(root)] = root, plain(root).copy()

    def arrays(self) -> set[int]:
        """The identities of the arrays, those that others are views of, and that they may be."""
        held = [x for c in self.containers.values() for x in c.saved.values()]
        held += [y for x in self.seen.values() if isinstance(x, tuple) for y in x]
        roots = [root_of(x) if type(x) is Buffer else origin_of(x) for x in held if isinstance(x, ARRAYS)]
        return {id(y) for x in roots for y in candidates(x)}

    def holding(self, x: Any) -> int:
        """How often the picture holds an object."""
        container = self.containers.get(id(x))
        saved = sum([v is x for c in self.containers.values() for v in c.saved.values()])
        return saved + (self.seen.get(id(x)) is x) + (container is not None and container.target is x)

    def changes(self) -> Iterator[Slot]:
        """The slots that hold something else than they held. Lists of another length are left to `resized`."""
        for container in self.containers.values():
            for key in container.changes():
                yield Slot(container, key)

    def orders(self) -> dict[int, list[Any]]:
        """The keys of the dicts that have others, or in another order, than they had."""
        dicts = [(at, c) for at, c in self.containers.items() if isinstance(c, Entries)]
        return {at: list(c.target) for at, c in dicts if list(c.target) != list(c.saved)}

    def resized(self) -> ListContainer | None:
        """A list, set or deque that has grown, shrunk or been reordered; a change that no loop or branch carries."""
        for container in self.containers.values():
            if isinstance(container, ListContainer) and container.resized():
                return container
        return None

    def cell(self, cell: CellType) -> Container | None:
        """The container of a variable."""
        return self.containers.get(id(cell))

    def restore(self) -> None:
        """Put everything back. Raises `AdvancedIteratorError` where an iterator has been advanced, which cannot be."""
        for container in self.containers.values():
            container.restore()
        for x, content in (self._contents or {}).values():
            if not isinstance(x, Tracer):
                plain(x)[...] = content
            elif not isinstance(content, Tracer) or content.value is not x.value:
                write(x, content)
        for x, path, before in self.iterators:
            if state(x) != before:
                raise AdvancedIteratorError(path)

    def check_iterators(self) -> None:
        """Raise `ControlFlowError` for a variable that holds an iterator, from which a piece would take."""
        for _, path, _ in self.iterators:
            if path.isidentifier():
                raise ControlFlowError(_ADVANCED.format(plain_name(path), place()))


class AdvancedIteratorError(ControlFlowError):
    """A piece that may not run, or runs often, has taken from an iterator from around it."""

    def __init__(self, path: str) -> None:
        super().__init__(_ADVANCED.format(plain_name(path), place()))


_ADVANCED = (
    "the iterator {} is from outside of a branch or a loop{} of which it is known at run time only whether, and how "
    "often, it takes from it; take from it before, or use a list and indices"
)
RUNTIME = f"graphad{MARK}"
"""The variable through which converted code reaches the run-time functions."""

_names: OfCode[tuple[str, ...]] = OfCode()


def _global_names(code: CodeType) -> tuple[str, ...]:
    found = _names.get(id(code))
    if found is None:
        names = dict.fromkeys(name for c in nested_codes(code) for name in c.co_names)
        found = _names.learn(code, tuple(names))
    return found

"""What a compiled function read besides its arguments, and whether it still is as it was.

A trace takes the values of globals, closure cells and attributes for constants. `reads` finds those that the traced
functions can have read, by the names in their code, and `Guards` makes of them one function that tells whether all are
unchanged: rebound names by identity, small containers and arrays by their contents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from weakref import ref

import numpy as np

SMALL = 64
"""Entries of a container or an array up to which its contents are guarded."""
_UNROLLED = 4


class Guard(NamedTuple):
    """One test: an expression over `objects`, true as long as the value at `path` is as it was. `slot` tells the place
    that it looks at from others."""

    path: str
    test: str
    objects: dict[str, Any]
    slot: tuple[int, Any]

    def holds(self) -> bool:
        return _together([self])()


class Constant(NamedTuple):
    """An array or a container that is too large to be guarded, and what it is."""

    path: str
    kind: str


class Guards:
    """The guards of one compiled version of a function, what it takes for constant in spite of its size, and the arrays
    that it reads, which it does not keep alive. `hold` tests the guards; None where there are none."""

    def __init__(
        self, guards: Iterable[Guard] = (), constants: Iterable[Constant] = (), arrays: Iterable[Any] = ()
    ) -> None:
        self.guards = list(guards)
        self.constants = list(constants)
        self._arrays = [ref(x) for x in arrays]
        self.hold = _together(self.guards) if self.guards else None

    def held(self) -> bool:
        """Whether everything is as it was."""
        return self.hold is None or self.hold()

    def without(self, slots: set[tuple[int, Any]]) -> Guards:
        """The guards of all other places."""
        return Guards([g for g in self.guards if g.slot not in slots], self.constants, self.arrays())

    def arrays(self) -> list[Any]:
        """The arrays that are read, as far as they still live."""
        return [x for r in self._arrays if (x := r()) is not None]


_TEMPLATE = """
def make({names}):
    def hold():
        try:
            return {test}
        except errors:
            return False
    return hold
"""
_ERRORS = (LookupError, AttributeError, ValueError, TypeError)


def _together(guards: list[Guard]) -> Callable[[], bool]:
    """A function that tells whether all guards hold."""
    objects: dict[str, Any] = {"same": same, "asarray": np.asarray, "errors": _ERRORS}
    for guard in guards:
        objects.update(guard.objects)
    test = " and ".join([g.test for g in guards])
    space: dict[str, Any] = {}
    exec(_TEMPLATE.format(names=", ".join(objects), test=test), space)
    return space["make"](**objects)  # type: ignore[no-any-return]


def same(x: Any, y: Any) -> bool:
    """Whether two immutable values are one: numbers of one type that are equal to the sign of zero."""
    if type(x) is not type(y):
        return False
    return bool(x == y) and (x != 0 or repr(x) == repr(y))


VALUES = (int, float, complex, bool, str, bytes, np.generic)
"""Types of values that are one where they are equal."""


class Tests:
    """Makes guards, and names for the objects that their expressions are over."""

    def __init__(self, content: bool) -> None:
        self.content = content
        self.names: dict[int, str] = {}
        self.kept: list[Any] = []

    def name(self, x: Any) -> str:
        """The variable that holds an object."""
        found = self.names.get(id(x))
        if found is None:
            found = self.names[id(x)] = f"x{len(self.names)}"
            self.kept.append(x)
        return found

    def guard(self, path: str, slot: tuple[int, Any], test: str, *objects: Any) -> Guard:
        """A guard whose expression names these objects as {0}, {1}, ..."""
        names = [self.name(x) for x in objects]
        return Guard(path, f"({test.format(*names)})", dict(zip(names, objects, strict=True)), slot)

    def bound(self, path: str, slot: tuple[int, Any], place: str, value: Any, *objects: Any) -> Guard:
        """A guard of a place, an expression over {1}, {2}, ..., that must hold the value."""
        if isinstance(value, VALUES):
            return self.guard(path, slot, f"(v := {place}) is {{0}} or same(v, {{0}})", value, *objects)
        return self.guard(path, slot, f"{place} is {{0}}", value, *objects)

    def contents(self, path: str, x: Any) -> list[Guard] | Constant:
        """Guards of what a container or an array holds, or that it is constant."""
        slot = (id(x), "contents")
        # Quantities and other arrays with a mind of their own are looked at as NumPy reads them.
        if type(x) is np.ndarray or isinstance(x, (np.memmap, np.ma.MaskedArray)):
            kind = f"{x.dtype}{list(x.shape)}"
            if x.size <= SMALL:
                return [self.guard(f"{path} {kind}", slot, "{0}.tobytes() == {1}", x, x.tobytes())]
            if self.content and not x.dtype.hasobject:
                return [self.guard(f"{path} {kind}", slot, "hash({0}.tobytes()) == {1}", x, hash(x.tobytes()))]
            return Constant(path, kind)
        if hasattr(x, "__array__"):
            array = np.asarray(x)
            if array.size <= SMALL and not array.dtype.hasobject:
                return [self.guard(path, slot, "asarray({0}).tobytes() == {1}", x, array.tobytes())]
            return Constant(path, f"{type(x).__name__} {array.dtype}{list(array.shape)}")
        if len(x) > SMALL:
            return Constant(path, f"{type(x).__name__} of {len(x)} entries")
        if isinstance(x, (set, bytearray)):
            return [self.guard(path, slot, "{0} == {1}", x, x.copy())]
        keys = list(x) if isinstance(x, dict) else list(range(len(x)))
        values = [x[k] for k in keys]
        order = "[*{0}] == {1}" if isinstance(x, dict) else "len({0}) == len({1})"
        found = [self.guard(path, slot, order, x, keys)]
        if len(x) <= _UNROLLED:
            for k, value in zip(keys, values, strict=True):
                found.append(self.bound(f"{path}[{k!r}]", (id(x), k), "{1}[{2}]", value, x, k))
            return found
        entries = "{0}.values()" if isinstance(x, dict) else "{0}"
        found.append(self.guard(path, (id(x), "entries"), f"[*{entries}] == {{1}}", x, values))
        if any(isinstance(v, VALUES) for v in values):
            types = [type(v) for v in values]
            found.append(self.guard(path, (id(x), "types"), f"[*map(type, {entries})] == {{1}}", x, types))
        return found

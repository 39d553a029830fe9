"""What a compiled function read besides its arguments, and whether it still is as it was.

A trace takes the values of globals, closure cells and attributes for constants. `reads` finds those that the traced
functions can have read, by the names in their code, and `Guards` makes of them one function that tells whether all are
unchanged: rebound names by identity, small containers and arrays by their contents.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from ctypes import c_int
from operator import is_
from types import MappingProxyType
from typing import Any, NamedTuple
from weakref import ref

import numpy as np

SMALL = 64
"""Entries of a container or an array up to which its contents are guarded."""
_UNROLLED = 4
MAPPINGS = (dict, MappingProxyType)
Memory: tuple[Any, ...] = (memoryview, c_int.__mro__[-2])
"""Types that show memory: views, and what `ctypes` makes."""


class Guard(NamedTuple):
    """One test: an expression over `objects`, true as long as the value at `path` is as it was. `slot` tells the place
    that it looks at from others."""

    path: str
    test: str
    objects: dict[str, Any]
    slot: tuple[int, Any]

    def holds(self) -> bool:
        return _together([self])()


class Cached(NamedTuple):
    """What a cached function gave for arguments."""

    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    found: Any


class LargeConstant(NamedTuple):
    """An array or a container that is too large to be guarded, and what it is."""

    path: str
    kind: str


class Guards:
    """The guards of one compiled version of a function, what it takes for constant in spite of its size, and the arrays
    that it reads, which it does not keep alive. `hold` tests the guards; None where there are none."""

    def __init__(
        self, guards: Iterable[Guard] = (), constants: Iterable[LargeConstant] = (), arrays: Iterable[Any] = ()
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
    objects: dict[str, Any] = {"same": same, "asarray": np.asarray, "is_": is_, "array": array, "errors": _ERRORS}
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

    def cached(self, path: str, x: Cached) -> list[Guard]:
        """Guards of a cached function: that its cache, which has missed as many arguments as before, was not cleared;
        and what it gives, unless it may have forgotten that."""
        kept = x.function.cache_info()
        found = [self.guard(path, (id(x), "missed"), "{0}.cache_info().misses >= {1}", x.function, kept.misses)]
        if kept.maxsize is None or kept.maxsize >= SMALL:
            found.append(self.bound(path, (id(x), "given"), "{1}(*{2}, **{3})", x.found, x.function, x.args, x.kwargs))
        return found

    def contents(self, path: str, x: Any) -> list[Guard] | LargeConstant:
        """Guards of what a container or an array holds, or that it is constant."""
        slot = (id(x), "contents")
        # Quantities and other arrays with a mind of their own are looked at as NumPy reads them.
        if type(x) is np.ndarray or isinstance(x, (np.memmap, np.ma.MaskedArray)):
            kind = f"{x.dtype}{list(x.shape)}"
            if x.size <= SMALL and x.dtype.hasobject:
                return self.entries(f"{path} {kind}", "{0}.ravel().tolist()", x, x.ravel().tolist())
            test = "{0}.tobytes() == {1} and {0}.shape == {2}" if x.ndim else "{0}.tobytes() == {1}"
            if x.size <= SMALL:
                return [self.guard(f"{path} {kind}", slot, test, x, x.tobytes(), x.shape)]
            if self.content and not x.dtype.hasobject:
                test = "hash({0}.tobytes()) == {1} and {0}.shape == {2}"
                return [self.guard(f"{path} {kind}", slot, test, x, hash(x.tobytes()), x.shape)]
            return LargeConstant(path, kind)
        if isinstance(x, Memory):
            size = memoryview(x).nbytes
            if size > 8 * SMALL:
                return LargeConstant(path, f"{type(x).__name__} of {size} bytes")
            return [self.guard(path, slot, "bytes({0}) == {1}", x, bytes(x))]
        if hasattr(type(x), "__array__"):
            return self.labelled(path, x)
        if len(x) > SMALL:
            return LargeConstant(path, f"{type(x).__name__} of {len(x)} entries")
        if isinstance(x, (set, bytearray)):
            return [self.guard(path, slot, "{0} == {1}", x, x.copy())]
        if not isinstance(x, MAPPINGS):
            found = [self.guard(path, slot, "len({0}) == {1}", x, len(x))]
            return found + self.entries(path, "{0}", x, list(x))
        found = [self.guard(path, slot, "[*{0}] == {1}", x, list(x))]
        return found + self.entries(path, "{0}.values()", x, list(x.values()), list(x))

    def labelled(self, path: str, x: Any) -> list[Guard] | LargeConstant:
        """Guards of an object that gives an array, with labels if it has some."""
        given, slot = np.asarray(x), (id(x), "contents")
        if given.size > SMALL:
            return LargeConstant(path, f"{type(x).__name__} {given.dtype}{list(given.shape)}")
        is_pandas = str(type(x).__module__).startswith("pandas")
        named = [name for name in ("index", "columns") if is_pandas and hasattr(x, name)]
        found = [
            self.guard(f"{path}.{name}", (id(x), name), f"asarray({{0}}.{name}).tolist() == {{1}}", x, labels)
            for name, labels in [(name, np.asarray(getattr(x, name)).tolist()) for name in named]
        ]
        if given.dtype.hasobject:
            return [*found, self.guard(path, slot, "repr(asarray({0}).tolist()) == {1}", x, repr(given.tolist()))]
        return [*found, self.guard(path, slot, "asarray({0}).tobytes() == {1}", x, given.tobytes())]

    def entries(self, path: str, every: str, x: Any, values: list[Any], keys: list[Any] | None = None) -> list[Guard]:
        """Guards of the entries of a container, which the expression `every` over {0} gives."""
        if len(values) <= _UNROLLED and not isinstance(x, np.ndarray):
            places = list(enumerate(values)) if keys is None else list(zip(keys, values, strict=True))
            return [self.bound(f"{path}[{k!r}]", (id(x), k), "{1}[{2}]", value, x, k) for k, value in places]
        slot = (id(x), "entries")
        if not all([isinstance(v, VALUES) for v in values]):
            return [self.guard(path, slot, f"all(map(is_, {every}, {{1}}))", x, values)]
        types, signed = [type(v) for v in values], [i for i, v in enumerate(values) if v == 0 and repr(v) != "0"]
        found = [self.guard(path, slot, f"[*{every}] == {{1}} and [*map(type, {every})] == {{2}}", x, values, types)]
        if signed and all([isinstance(v, float) for v in values]):
            test = f"array('d', {every}).tobytes() == {{1}}"
            found.append(self.guard(path, (id(x), "signs"), test, x, array("d", values).tobytes()))
        elif signed:
            test = f"[repr(v) for v in {every} if v == 0 and v is not False] == {{1}}"
            found.append(self.guard(path, (id(x), "signs"), test, x, [repr(values[i]) for i in signed]))
        return found

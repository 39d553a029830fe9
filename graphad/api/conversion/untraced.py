"""Code that reaches nothing traced is run as it stands: loops, comprehensions, calls of the user's functions.

Whether it does is found when it is reached, by what its variables lead to (`reach`). For the time that it runs the
arrays that the function made are NumPy's own, and new ones become buffers when it has ended. In a trace for any values
it is run `once`.
"""

from __future__ import annotations

import dis
import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from operator import attrgetter, is_
from time import thread_time
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any, NamedTuple

import numpy as np

from graphad.api.conversion.alone import Span, piece
from graphad.api.conversion.functions import convert, for_lists, origin
from graphad.api.conversion.ledger import noted
from graphad.api.conversion.once import Once, may_run
from graphad.api.conversion.placed import HolderPlace
from graphad.api.conversion.reach import ATOMS, Reach, judged
from graphad.api.conversion.scope import nested_codes
from graphad.build import Builder, current_builder
from graphad.codes import OfCode
from graphad.location import is_user_file
from graphad.numpy.buffers import Buffer, buffer, plain, renew, root_of, view_in
from graphad.numpy.held import IN_LIST
from graphad.trace import Tracer


class _Doubt:
    """How often in a row code could not be run as it stands, and how often it is not asked from now on."""

    __slots__ = ("left", "times")

    def __init__(self) -> None:
        self.times = self.left = 0

    def holds(self) -> bool:
        """Whether code is not to be asked this time."""
        self.left -= self.left > 0
        return self.left > 0

    def grow(self, most: int, cost: int = 0) -> None:
        """Note that code was asked in vain, at a cost."""
        self.times += 1
        self.left = min(1 << self.times, most) * (1 + cost // _CHEAP)


class _Piece(NamedTuple):
    """The code of a piece, the global names that it reads, and which of the variables are its own."""

    code: CodeType
    names: frozenset[str]
    order: tuple[int, ...]


_pieces: OfCode[_Piece | None] = OfCode()
"""The pieces of code by that of what reads their variables."""


def untraced(reader: FunctionType, place: Span) -> list[Any] | None:
    """Run the code at a place, whose variables are those that `reader` reads, if nothing traced can be met in it: a
    list of its value or of what a loop returns, empty where that ends without a `return`; else None."""
    builder = _here()
    if builder is None:
        return None
    cells, roots = reader.__closure__ or (), []
    for cell in cells:
        try:
            x = cell.cell_contents
        except ValueError:  # it has none yet
            continue
        if type(x) not in ATOMS:
            if isinstance(x, Tracer):
                return None
            roots.append(cell)
    x, code = None, reader.__code__
    doubt = _doubts.get(id(code)) or _doubts.learn(code, _Doubt())
    if doubt.holds():
        return None
    reach = Reach(staged=builder.staged)
    if not _is_known(doubt, reach, roots):
        return None
    found = _pieces[id(code)] if id(code) in _pieces else _pieces.learn(code, _alone(reader, place))
    others = None if found is None else reach.named(reader.__globals__, found.names, found.code)
    if found is None or others is None or not _is_known(doubt, reach, others):
        return None
    once = _once(doubt, reach, builder, found.code) if builder.staged else None
    if builder.staged and once is None:
        return None
    run = FunctionType(found.code, reader.__globals__, closure=tuple([cells[i] for i in found.order]))
    return _ran(doubt, run, reach, (), {}, once)[0] or []


def _once(doubt: _Doubt, reach: Reach, builder: Builder, code: CodeType | None) -> Once | None:
    """What code reaches that is run as it stands in a trace for any values; None for what every run is to do."""
    called = reach.called(code)
    if id(code) in reach.pours or not may_run(reach, builder, called):
        doubt.grow(_MANY, reach.cost())
        return None
    return Once(reach, builder, called)


def _alone(reader: FunctionType, place: Span) -> _Piece | None:
    code = piece(reader, place)
    names = None if code is None or "super" in code.co_names else judged(code)
    if code is None or names is None:
        return None
    return _Piece(code, names, tuple([reader.__code__.co_freevars.index(n) for n in code.co_freevars]))


def either(reader: FunctionType, place: Span, converted: Callable[[], Any]) -> Any:
    """The value of the expression at a place, by its converted form where it cannot be run as it stands."""
    found = untraced(reader, place)
    return converted() if found is None else found[0]


def asking(f: Any) -> Callable[..., Any] | None:
    """What is called for a function or a method of the user's that does much: it is run as it stands if nothing traced
    can be met in it, else converted. None for any other, and where it is not to be asked now."""
    code = getattr(f, "__code__", None)
    if code is None or not _is_worth(code):
        return None
    builder, doubt = _here(), _doubts[id(code)]
    if builder is None or doubt.holds():
        return None

    def called(*args: Any, **kwargs: Any) -> Any:
        if any([isinstance(x, Tracer) for x in args]):
            doubt.grow(_FEW)
        else:
            given, reach = [*args], Reach(staged=builder.staged)
            if _is_known(doubt, reach, [f, given, kwargs]):
                once = _once(doubt, reach, builder, None) if builder.staged else None
                if once is not None or not builder.staged:
                    return _ran(doubt, f, reach, given, kwargs, once)[0]
        return (convert(f) if type(f) is MethodType else for_lists(f))(*args, **kwargs)

    return called


_worth: OfCode[bool] = OfCode()


def _is_worth(code: CodeType) -> bool:
    """Whether code is the user's and does much: has loops, or calls itself."""
    found = _worth.get(id(code))
    if found is None:
        every = nested_codes(code)
        again = any([i.opname.startswith("JUMP_BACKWARD") for c in every for i in dis.get_instructions(c)])
        own = is_user_file(code.co_filename) and origin(code) is None
        worth = own and not code.co_flags & inspect.CO_GENERATOR and judged(code) is not None
        found = _worth.learn(code, worth and (again or code.co_name in code.co_names))
        _doubts.learn(code, _Doubt())
    return found


def _here() -> Builder | None:
    """The running trace, if it is one in which code may be run as it stands."""
    builder = current_builder()
    return None if builder is None or builder.repeats or builder.outer or not builder.checks else builder


_doubts: OfCode[_Doubt] = OfCode()
_CHEAP = 64
"""Objects up to which it does not matter what has been looked at."""
_FEW, _MANY = 8, 64
_LOOK = 1e-8
"""Seconds that code must take for each object that it reaches: some part of what it takes to look at that, since
converted code takes longer still."""


def _is_known(doubt: _Doubt, reach: Reach, roots: list[Any]) -> bool:
    """Whether nothing traced can be met in what leads to `roots`."""
    if not reach.known(roots):
        doubt.grow(_MANY, reach.cost())
        return False
    doubt.times = 0
    return True


def _ran(
    doubt: _Doubt, f: Any, reach: Reach, args: Sequence[Any], kwargs: dict[str, Any], once: Once | None
) -> list[Any]:
    """A list of what a function gives. Its code is asked seldom from now on if what it does takes far less time than to
    look at all that it reaches."""
    if reach.cost() <= _CHEAP:
        return [_run(f, args, kwargs, reach, once)]
    start = thread_time()
    found = [_run(f, args, kwargs, reach, once)]
    if thread_time() - start < _LOOK * reach.cost():
        doubt.grow(1, reach.cost())
    return found


def _run(f: Callable[..., Any], args: Iterable[Any], kwargs: dict[str, Any], reach: Reach, once: Once | None) -> Any:
    """The result of a function which reaches what `reach` has found, called while its arrays are NumPy's own."""
    try:
        if not reach.arrays and not reach.twins:
            return f(*args, **kwargs)
        opened = _Opened(reach, getattr(f, "__closure__", None) or ())
        found: list[Any] = [None]
        try:
            found[0] = f(*args, **kwargs)
        finally:
            opened.close(found)
        return found.pop()
    finally:
        if once is not None:
            once.tell()


class _Opened:
    """What code reaches while it runs as it stands: until `close` no place holds a buffer."""

    def __init__(self, reach: Reach, cells: Sequence[CellType]) -> None:
        self.holders = reach.seen
        self.cells = cells  # of which some were not looked at
        self.buffers: dict[int, tuple[Any, Any]] = {}  # arrays and functions, by identity, and what stands for them
        self.places: set[tuple[int, Any, bool]] = set()
        self.roots: dict[int, Any] = {}
        self.before: dict[int, Any] = {}
        self.noted: dict[tuple[int, bool], dict[Any, Any]] = {}
        opened: dict[int, Any] = {}
        for place in reach.every_place():
            x = place.get()
            if type(x) is Buffer:
                if id(x) not in opened:
                    new = opened[id(x)] = plain(x)
                    self.buffers[id(new)] = new, x
                    self.roots[id(_owner(new))] = root_of(x)
                self.places.add((id(place.holder), place.key, place.attribute))
                place.put(opened[id(x)])
            elif id(x) in reach.twins:
                self.buffers[id(reach.twins[id(x)])] = reach.twins[id(x)], x
                self.places.add((id(place.holder), place.key, place.attribute))
                place.put(reach.twins[id(x)])
            else:
                self.before[id(x)] = x

    def close(self, result: list[Any]) -> None:
        """Give the places buffers: those that they had, views of these, and new ones for new arrays."""
        after = Reach(self.buffers)
        after.known([*self.holders.values(), *self.cells, result], lenient=True)
        arrays: dict[int, list[HolderPlace]] = {}
        tuples: dict[int, Any] = {}
        places, alone = [], []
        rows = [self._renewed(row) for row in after.rows]
        after.rows = [row for row, done in zip(after.rows, rows, strict=True) if not done]
        for place in after.every_place():
            x = place.get()
            if type(x) is np.ndarray and sys.getrefcount(x) == _OWN_REFERENCES + 1 and self._is_new(x) and _is_free(x):
                alone.append((place, buffer(x)))
            else:
                places.append(place)
                self._note(place, arrays, tuples)
        x = None
        del after
        groups: dict[int, list[list[HolderPlace]]] = {}
        for found in arrays.values():
            x = found[0].get()
            if id(_owner(x)) in self.roots:
                self.buffers[id(x)] = x, view_in(x, self.roots[id(_owner(x))])
            else:
                groups.setdefault(id(_owner(x)), []).append(found)
        x = None
        for group in groups.values():
            self.buffers.update(_adopted(group))
        made: dict[int, Any] = {}
        for place, new in [*alone, *[(place, self._again(place.get(), made)) for place in places]]:
            self._put(place, new)
        self.buffers, self.before, self.holders = {}, {}, {}  # nothing but the buffers sees their memory

    def _renewed(self, row: list[Any]) -> bool:
        """Put buffers in the place of a list's arrays, where each of them is new and held by nothing else."""
        alone, ids = set(map(sys.getrefcount, row)) == {IN_LIST} and _are_free(row), [*map(id, row)]
        if not alone or any([not known.keys().isdisjoint(ids) for known in (self.before, self.buffers)]):
            return False
        if id(row) in self.holders:
            saved = noted(row, False)
            for key in [i for i, x in saved.items() if i < len(row) and row[i] is x]:
                del saved[key]
        renew(row)
        return True

    def _note(self, place: HolderPlace, arrays: dict[int, list[HolderPlace]], tuples: dict[int, Any]) -> None:
        """Note what holds each new array: places, and entries of tuples in places."""
        x = place.get()
        if not self._is_new(x) or id(x) in tuples:
            return
        if isinstance(x, tuple):
            tuples[id(x)] = x
            for i in range(len(x)):
                self._note(HolderPlace(x, i), arrays, tuples)
        elif type(x) is np.ndarray:
            arrays.setdefault(id(x), []).append(place)

    def _is_new(self, x: Any) -> bool:
        return id(x) not in self.before and id(x) not in self.buffers

    def _again(self, x: Any, made: dict[int, Any]) -> Any:
        """What stands for a value from now on; `made` are the tuples that were made for others."""
        if id(x) in self.buffers:
            return self.buffers[id(x)][1]
        if not isinstance(x, tuple) or id(x) in self.before:
            return x
        if id(x) not in made:
            items = [self._again(item, made) for item in x]
            same = all([a is b for a, b in zip(items, x, strict=True)])
            new = x if same else type(x)._make(items) if hasattr(x, "_make") else tuple(items)  # type: ignore[attr-defined]
            made[id(x)] = x, new
        return made[id(x)][1]

    def _put(self, place: HolderPlace, new: Any) -> None:
        old, (holder, key, attribute) = place.get(), place
        if new is old:
            return
        own = type(holder) is CellType or (id(holder), key, attribute) in self.places
        if id(holder) in self.holders and not own:
            if (id(holder), attribute) not in self.noted:
                self.noted[id(holder), attribute] = noted(holder, attribute)
            saved = self.noted[id(holder), attribute]
            if saved.get(key) is old:
                del saved[key]
        place.put(new)


def _owner(x: Any) -> Any:
    """The array whose memory an array sees."""
    return x if x.base is None else x.base


def _is_free(x: Any) -> bool:
    """Whether an array has memory of its own, and can be written to."""
    return x.base is None and x.flags.writeable and x.dtype.kind in "biufc"


_base, _writeable, _dtype = attrgetter("base"), attrgetter("flags.writeable"), attrgetter("dtype")


def _are_free(row: list[Any]) -> bool:
    """Whether each of many arrays is free."""
    own = all(map(_writeable, row)) and all(map(is_, map(_base, row), repeat(None)))
    return own and all([dtype.kind in "biufc" for dtype in set(map(_dtype, row))])


def _adopted(group: list[list[HolderPlace]]) -> dict[int, tuple[Any, Any]]:
    """The buffers for new arrays of one memory, by their identities, where these places alone hold them."""
    owner = _owner(group[0][0].get())
    held = sum([len(places) if places[0].get() is owner else 1 for places in group])
    free = type(owner) is np.ndarray and sys.getrefcount(owner) == held + _OWN_REFERENCES
    alone = all([sys.getrefcount(p[0].get()) == len(p) + 1 for p in group if p[0].get() is not owner])
    if not (free and alone and _is_free(owner)):
        return {}
    whole, found = buffer(owner), [places[0].get() for places in group]
    return {id(x): (x, whole if x is owner else view_in(x, whole)) for x in found}


_OWN_REFERENCES = 2
"""Those of a variable, and of the argument of `getrefcount`."""

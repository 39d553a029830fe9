"""What a `for` of the graph runs over: arrays, ranges, lists of equal items, and several of these side by side."""

from __future__ import annotations

import builtins
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from graphad import tree
from graphad.api.conversion import items
from graphad.api.conversion.items import identity, watched
from graphad.api.conversion.ledger import item_of
from graphad.api.conversion.numbers import python
from graphad.api.conversion.parts import common, is_number, is_weak, kind, same, unknown
from graphad.arrays import array_of
from graphad.errors import ControlFlowError, TypeMismatchError
from graphad.location import place
from graphad.numpy.arguments import recorded
from graphad.numpy.bounds import note, span
from graphad.numpy.dispatch import NAMESPACE
from graphad.numpy.moving import Moving
from graphad.numpy.views import OUTSIDE, Joined, own
from graphad.ops.elementwise import cast
from graphad.ops.integers import TRIPS
from graphad.ops.shape import iota
from graphad.trace import Tracer
from graphad.types import INT64, TensorType


class LoopSequence:
    """A sequence that a loop can run over: `count` entries, an `int` or traced."""

    count: Any

    def entry(self, i: Any) -> Any:
        """The entry at a position, which may be traced."""
        raise NotImplementedError

    def types(self) -> list[TensorType]:
        """The types of the rows of `columns`."""
        raise NotImplementedError

    def counts(self) -> list[bool]:
        """Which of these are the numbers 0, 1, ..."""
        return [False for _ in self.types()]

    def columns(self) -> list[Any]:
        """Arrays with one row for each entry; only with a known count."""
        raise NotImplementedError

    def join(self, rows: list[Any]) -> Any:
        """The entry from the rows of `columns`, which it takes off the list's front."""
        raise NotImplementedError

    def sources(self) -> list[Any]:
        """The arrays and lists that are run through: what is written to one of them is seen by what follows."""
        return []

    def rest(self, start: int) -> LoopSequence:
        """The entries from a position on."""
        return Rest(self, start)

    def __iter__(self) -> Iterator[Any]:
        if isinstance(self.count, Tracer):
            raise ControlFlowError(
                f"a range of a traced length is used outside of a for statement{place()}; write a for loop, or mark "
                "the length static (static_argnums)"
            )
        return (self.entry(i) for i in builtins.range(self.count))  # each as it is when its turn comes


class Rest(LoopSequence):
    """Another without its first entries."""

    def __init__(self, inner: LoopSequence, start: int) -> None:
        self.inner = inner
        self.start = start
        self.count = inner.count - start

    def entry(self, i: Any) -> Any:
        return self.inner.entry(i + self.start)

    def types(self) -> list[TensorType]:
        return self.inner.types()

    def columns(self) -> list[Any]:
        return [x[self.start :] for x in self.inner.columns()]

    def join(self, rows: list[Any]) -> Any:
        return self.inner.join(rows)

    def sources(self) -> list[Any]:
        return self.inner.sources()


class ArrayRows(LoopSequence):
    """The rows of an array."""

    def __init__(self, x: Any) -> None:
        self.x = x
        self.count = len(x)

    def entry(self, i: Any) -> Any:
        return items.getitem(self.x, i)

    def types(self) -> list[TensorType]:
        found = kind(self.x)
        return [found.with_shape(found.shape[1:])]

    def columns(self) -> list[Any]:
        return [self.x]

    def join(self, rows: list[Any]) -> Any:
        return rows.pop(0)

    def sources(self) -> list[Any]:
        return [self.x]


class Parts(LoopSequence):
    """The entries of a slice whose extent along its first axis is traced."""

    def __init__(self, x: Moving) -> None:
        self.x = x
        self.count = x.ends[0].size

    def entry(self, i: Any) -> Any:
        return self.x[i]


class ItemSequence(LoopSequence):
    """The items of a list or tuple that have one structure, with numbers and arrays of the same types."""

    def __init__(self, entries: Sequence[Any], treedef: tree.TreeDef, leaves: list[list[Any]]) -> None:
        self.entries = entries
        self.treedef = treedef
        self.leaves = leaves
        self.count = len(entries)
        self.moving = [is_number(column[0]) for column in leaves]
        self._columns: list[Any] | None = None

    def _filled(self, entries: Iterator[Any]) -> Any:
        """An item from the entries of its numbers."""
        found = []
        for column, moving in zip(self.leaves, self.moving, strict=True):
            x = next(entries) if moving else column[0]
            if moving and isinstance(x, Tracer) and is_weak(column[0]):
                x.weak = True
            found.append(x)
        return tree.unflatten(self.treedef, found)

    def _numbers(self) -> list[list[Any]]:
        return [column for column, moving in zip(self.leaves, self.moving, strict=True) if moving]

    def entry(self, i: Any) -> Any:
        return self._filled(iter([recorded(x)[i] for x in self.columns()]))

    def item(self, i: Any) -> Any:
        """The item at a position, whose arrays are those of the list: they are read only."""
        rows = [recorded(x)[i] for x in self.columns()]
        return self._filled(iter([kept(x, column) for x, column in zip(rows, self._numbers(), strict=True)]))

    def types(self) -> list[TensorType]:
        return [kind(column[0]) for column in self._numbers()]

    def columns(self) -> list[Any]:
        if self._columns is None:
            self._columns = [_stacked(column) for column in self._numbers()]
        return self._columns

    def join(self, rows: list[Any]) -> Any:
        return self._filled(iter([rows.pop(0) for _ in self._numbers()]))

    def sources(self) -> list[Any]:
        return [self.entries, *[x for column in self._numbers() for x in column]]


def kept(found: Any, column: list[Any]) -> Any:
    """An array that is one of some others, which is known at run time only."""
    if not found.shape:
        return found
    new = Joined(own(found), [(None, OUTSIDE)])
    new.outside = watched(column)
    for array in [identity(x, None) for x in column]:
        if isinstance(array, Tracer):
            new.exclude(array)
    return new


def getitem(x: Any, index: Any) -> Any:
    """`x[index]`; lists and tuples of one type, or of numbers that branches would merge, are read at a traced index."""
    if type(x) is list:
        index = item_of(x, index)
    if isinstance(x, (list, tuple)) and isinstance(index, Tracer) and unknown(index) and not index.shape:
        index = index + 0 if index.weak else index  # a bool of Python's is a number
        found = (_items(x) or _items(_of_one_type(x))) if len(x) else None
        if found is not None and index.dtype.kind in "iu":
            return found.item(index)
    return items.getitem(x, index)


def _of_one_type(entries: Sequence[Any]) -> Sequence[Any]:
    """Numbers in the type that they have in common, if there is one: Python's give way."""
    found = common(entries) if all([is_number(x) and not kind(x).shape for x in entries]) else None
    if found is None:
        return entries
    dtype, weak = found
    traced = [x if isinstance(x, Tracer) else recorded(array_of(x)) for x in entries]
    return [python(x, dtype) if weak else cast(x, dtype) for x in traced]


def _stacked(column: list[Any]) -> Any:
    traced = any([isinstance(x, Tracer) for x in column])
    return NAMESPACE[np.stack](column) if traced else np.stack([np.asarray(x, kind(x).dtype) for x in column])


def _items(entries: Sequence[Any]) -> ItemSequence | None:
    """The items of a list as rows; None where they are not all of one type."""
    try:
        flat = [tree.flatten(x) for x in entries]
        treedef = flat[0][1]
        if not flat[0][0] or any([found != treedef for _, found in flat]):
            return None
        leaves = [list(column) for column in zip(*[x for x, _ in flat], strict=True)]
        return ItemSequence(entries, treedef, leaves) if all(map(_equal, leaves)) else None
    except TypeMismatchError:  # an integer that no type of the graph can hold
        return None


def _equal(column: list[Any]) -> bool:
    """Whether some values have one type, or are one and the same if they are no numbers."""
    first = column[0]
    if not is_number(first):
        return all([same(x, first) for x in column])
    wanted, weak = kind(first), is_weak(first)
    return all([is_number(x) and is_weak(x) == weak and kind(x) == wanted for x in column])


class Range(LoopSequence):
    """`range` with a traced bound; the step is a known integer."""

    def __init__(self, *args: Any) -> None:
        start, stop, step = (0, args[0], 1) if len(args) == 1 else (*args, 1)[:3]
        if isinstance(step, Tracer):
            raise ControlFlowError(
                f"range: the step is a traced {step.type}{place()}, and must be known; use a while loop"
            )
        for bound in (start, stop):
            if isinstance(bound, Tracer) and (bound.shape or bound.dtype.kind not in "iu"):
                raise ControlFlowError(f"range: a bound is {bound.type}{place()}, and should be a scalar integer")
        self.start, self.step = start, int(step)
        first, last = (start, stop) if self.step > 0 else (stop, start)
        distance = last if type(first) is int and first == 0 else last - first
        size = abs(self.step)
        count = distance if size == 1 else (distance + (size - 1)) // size
        self.count = cast(np.maximum(count, 0), INT64)

    def entry(self, i: Any) -> Any:
        return self.start + i * self.step


class CountSequence(LoopSequence):
    """The numbers of a range with a known length."""

    def __init__(self, start: int, count: Any, step: int = 1) -> None:
        self.start = start
        self.count = count
        self.step = step

    def entry(self, i: Any) -> Any:
        i = i * self.step if self.step != 1 else i
        return i + self.start if self.start else i

    def types(self) -> list[TensorType]:
        return [TensorType(INT64)]

    def counts(self) -> list[bool]:
        return [True]

    def columns(self) -> list[Any]:
        return [iota(self.count)]

    def join(self, rows: list[Any]) -> Any:
        i = note(rows.pop(0), 0, min(span(self.count)[1] - 1, TRIPS))
        i.weak = True
        return self.entry(i)

    def rest(self, start: int) -> LoopSequence:
        return CountSequence(self.start + start * self.step, self.count - start, self.step)


class Zip(LoopSequence):
    """`zip` of several."""

    def __init__(self, parts: list[LoopSequence]) -> None:
        self.parts = parts
        known = [p.count for p in parts if not isinstance(p.count, Tracer)]
        traced = [p.count for p in parts if isinstance(p.count, Tracer)]
        count: Any = min(known) if known else traced.pop()
        for other in traced:
            count = np.minimum(count, other)
        self.count = count if isinstance(count, Tracer) else int(count)

    def entry(self, i: Any) -> Any:
        return tuple([p.entry(i) for p in self.parts])

    def types(self) -> list[TensorType]:
        return [t for p in self.parts for t in p.types()]

    def counts(self) -> list[bool]:
        return [flag for p in self.parts for flag in p.counts()]

    def columns(self) -> list[Any]:
        return [x if len(x) == self.count else x[: self.count] for p in self.parts for x in p.columns()]

    def join(self, rows: list[Any]) -> Any:
        return tuple([p.join(rows) for p in self.parts])

    def sources(self) -> list[Any]:
        return [x for p in self.parts for x in p.sources()]

    def rest(self, start: int) -> LoopSequence:
        return Zip([p.rest(start) for p in self.parts])


class Reversed(LoopSequence):
    """`reversed` of another."""

    def __init__(self, inner: LoopSequence) -> None:
        self.inner = inner
        self.count = inner.count

    def entry(self, i: Any) -> Any:
        return self.inner.entry(self.count - 1 - i)

    def types(self) -> list[TensorType]:
        return self.inner.types()

    def columns(self) -> list[Any]:
        return [x[::-1] for x in self.inner.columns()]

    def join(self, rows: list[Any]) -> Any:
        return self.inner.join(rows)

    def sources(self) -> list[Any]:
        return self.inner.sources()


class Fresh:
    """An iterator of Python's over known items that remembers, until its first step, what it runs over."""

    def __init__(self, items: Iterator[Any], length: int, make: Callable[[], LoopSequence | None]) -> None:
        self.items = items
        self.length = length
        self.make: Callable[[], LoopSequence | None] | None = make
        self.lost = False

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        self.make = None
        if self.lost:
            raise ControlFlowError(
                f"an iterator goes on{place()} after a loop of the graph, whose end is known at run time "
                "only; run through what it runs over anew"
            )
        return next(self.items)


def rows(x: Any) -> LoopSequence | None:
    """A sequence whose entries or length are traced; None for any other."""
    if isinstance(x, LoopSequence):
        return x
    if isinstance(x, Moving) and 0 in x.ends:
        return Parts(x)
    return ArrayRows(x) if isinstance(x, Tracer) and x.shape and unknown(x) else None


def length(x: Any) -> int:
    """How many entries something has that may be rows; 0 for anything else."""
    if isinstance(x, (builtins.range, list, tuple)) or (isinstance(x, np.ndarray) and x.ndim):
        return len(x)
    return x.length if isinstance(x, Fresh) and x.make is not None else 0


def sequence(x: Any) -> LoopSequence | None:
    """What a loop runs over as rows, whether its entries are known or traced; None for what has no equal entries."""
    found = rows(x)
    if found is not None:
        return found
    if isinstance(x, builtins.range):
        return CountSequence(x.start, len(x), x.step)
    if isinstance(x, np.ndarray):
        return ArrayRows(x) if x.ndim and (isinstance(x, Tracer) or is_number(x)) else None
    if isinstance(x, (list, tuple)):
        return _items(x) if len(x) else None
    return x.make() if isinstance(x, Fresh) and x.make is not None else None


def fresh(x: Any) -> Callable[[], LoopSequence | None]:
    """What gives the rows of something that an iterator of Python's is about to run over."""
    if isinstance(x, Fresh):
        return x.make or (lambda: None)
    return lambda: sequence(x)


def last_of(x: Any) -> Any:
    """The last entry of what a loop has run through, as Python has it."""
    return deque(x, 1)[-1] if isinstance(x, Fresh) else x[-1]


def lose_place(x: Any) -> None:
    """Note that a loop has run through something up to where is not known."""
    if isinstance(x, Fresh):
        x.lost = True

"""Slices with traced bounds, read: blocks of known extent, and ends that are known at run time only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from graphad.build import current_builder
from graphad.errors import IndexOutOfBoundsError, ShapeError, TracerError, TypeMismatchError
from graphad.location import place
from graphad.numpy.arguments import known
from graphad.numpy.bounds import difference, span
from graphad.numpy.indexing import getitem
from graphad.numpy.updates import At
from graphad.numpy.views import own
from graphad.ops.checks import Check, name_of
from graphad.ops.dynamic import DynamicSlice, DynamicUpdateSlice
from graphad.ops.elementwise import cast
from graphad.refusals import refuse_handled
from graphad.trace import Tracer, apply
from graphad.types import INT64, Array, ArrayLike


class Ends(NamedTuple):
    """The elements from `low` to `high` along an axis, that one excluded; `size` is their number."""

    low: Any
    high: Any
    size: Any


def ends(low: Any, high: Array) -> Ends:
    return Ends(low, high, high if type(low) is int and low == 0 else high - low)


def moves(index: Any) -> bool:
    """Whether an index has a slice with a bound that is traced and not known."""
    for item in index if type(index) is tuple else (index,):
        if type(item) is slice:
            for b in (item.start, item.stop, item.step):
                if isinstance(b, Tracer) and known(b) is None:
                    return True
    return False


class MovingSelection:
    """What an index with slices that move chooses of an array `x`: all along these axes, and of it blocks of known
    extent, `blocks` giving their axis, start and extent; then `ends` for the other axes."""

    def __init__(self, x: Array, index: Any) -> None:
        self.static, moving = _split(x, index)
        self.blocks: list[tuple[int, Any, int]] = []
        self.ends: dict[int, Ends] = {}
        self.reversed: list[int] = []
        for axis, n, item in moving:
            forward = step_of(item) == 1
            count = difference(item.stop, item.start) if _both(item) and forward else None
            if count is not None and 0 <= count <= n:
                self.blocks.append((axis, _within(item, count, n), count))
                continue
            found = chosen_ends(item, n)
            self.ends[axis] = found if forward else flipped(found, n)
            self.reversed += [] if forward else [axis]

    def read(self, x: Any) -> Any:
        found = getitem(x, self.static)
        for axis, start, count in self.blocks:
            sizes, starts = _block(found.shape, axis, start, count)
            found = DynamicSlice(sizes)(found, *starts)
        return np.flip(found, tuple(self.reversed)) if self.reversed else found

    def outline(self, x: Any) -> Any:
        """What is read of an array of NumPy's, as it lies in memory, wherever the blocks begin."""
        found = x[tuple([0 if isinstance(item, Tracer) else item for item in self.static])]
        for axis, _, count in self.blocks:
            found = found[(slice(None),) * axis + (slice(count),)]
        return found

    def write(self, x: Any, new: Any) -> Any:
        """The array with other elements where it was read."""
        new = np.flip(new, tuple(self.reversed)) if self.reversed else new
        if self.blocks:
            whole = [getitem(x, self.static)]
            for axis, start, count in self.blocks:
                sizes, starts = _block(whole[-1].shape, axis, start, count)
                whole.append(DynamicSlice(sizes)(whole[-1], *starts))
            for (axis, start, count), before in zip(self.blocks[::-1], whole[-2::-1], strict=True):
                new = DynamicUpdateSlice()(before, new, *_block(before.shape, axis, start, count)[1])
        if all([type(item) is slice and item == slice(None) for item in self.static]):
            return new
        return At(x)[self.static].set(new)


def _block(shape: Sequence[int], axis: int, start: Any, count: int) -> tuple[tuple[int, ...], list[Any]]:
    sizes = tuple([count if i == axis else n for i, n in enumerate(shape)])
    return sizes, [start if i == axis else np.int64(0) for i in range(len(shape))]


def _both(item: slice) -> bool:
    return item.start is not None and item.stop is not None


def _split(x: Any, index: Any) -> tuple[tuple[Any, ...], list[tuple[int, int, slice]]]:
    """The index with slices that move taken whole, and these: their axis in the result, its extent, the slice."""
    static: list[Any] = []
    moving: list[tuple[int, int, slice]] = []
    axis = out = 0
    for item in spelled(index, len(x.shape)):
        if type(item) is slice and moves(item):
            moving.append((out, x.shape[axis], item))
            item = slice(None)
        elif item is not None and type(item) is not slice and not is_integer(item):
            raise TracerError(
                f"an index beside a slice with a traced bound{place()} must be an integer or a slice, not {item!r}; "
                "index one after the other"
            )
        static.append(item)
        axis += item is not None
        out += item is None or type(item) is slice
    return tuple(static), moving


def spelled(index: Any, ndim: int) -> list[Any]:
    """The entries of an index of an array of `ndim` axes, slices in place of Ellipsis and of what is left out."""
    items = list(index) if type(index) is tuple else [index]
    used = sum([item is not None and item is not Ellipsis for item in items])
    if used > ndim:
        raise IndexOutOfBoundsError(f"too many indices{place()}: {ndim} axes, but {used} were indexed")
    at = next((i for i, item in enumerate(items) if item is Ellipsis), len(items))
    items[at : at + 1] = [slice(None)] * (ndim - used)
    return items


def is_integer(item: Any) -> bool:
    if isinstance(item, Tracer):
        return not item.shape and item.dtype.kind in "iu"
    return isinstance(item, (int, np.integer)) and not isinstance(item, bool)


def _within(item: slice, count: int, n: int) -> Any:
    """The start of a slice of known extent. At run time it must lie within the axis, unless that is known."""
    start = integer(item.start)
    low, high = span(start)
    if low < 0 or high > n - count:
        inside = np.logical_and(start >= 0, start <= n - count)
        if low < 0:
            inside = np.where(start < 0, np.logical_and(start >= -n, start + count < 0), inside)
            start = np.where(start < 0, start + n, start)
        check(
            inside, ShapeError,
            f"the slice {_shown(item)} of {count} elements{place()} leaves the axis of extent {n}, where NumPy's has "
            "fewer; keep it within the axis, or pad the array",
        )  # fmt: skip
    return start


def integer(b: Any) -> Any:
    if isinstance(b, Tracer):
        if b.shape or b.dtype.kind not in "iu":
            raise TypeMismatchError(f"a bound of a slice is {b.type}{place()}, and should be a scalar integer")
        if b.dtype == np.uint64:
            b = np.minimum(b, np.uint64(1 << 62))
        return own(b) if b.dtype == INT64 else cast(b, INT64)  # what is changed in place later is another bound
    return int(b)


def step_of(item: slice) -> int:
    """The step of a slice: 1 or -1. Raises `TracerError` for others."""
    step = 1 if item.step is None else known(item.step)
    if step is None or int(step) not in (1, -1):
        raise TracerError(
            f"the slice {_shown(item)}{place()} has a traced bound, or is one of a slice of traced extent, and a step "
            "other than 1 or -1; slice with known bounds first, as in x[::2][i:j]"
        )
    return int(step)


def chosen_ends(item: slice, n: Any) -> Ends:
    """The elements that a slice chooses of `n`, in whichever order."""
    if step_of(item) == 1:
        return _ordered(_clipped(item.start, n, 0, 0, n), _clipped(item.stop, n, n, 0, n))
    first, last = _clipped(item.start, n, n - 1, -1, n - 1), _clipped(item.stop, n, -1, -1, n - 1)
    return _ordered(last + 1, first + 1)


def flipped(found: Ends, n: int) -> Ends:
    """The ends of the same elements in the reverse of an array of `n`."""
    return Ends(n - found.high, n - found.low, found.size)


def _ordered(low: Any, high: Any) -> Ends:
    if type(low) is int and low == 0 and span(high)[0] >= 0:
        return ends(0, high)
    apart = difference(high, low)
    least = span(high)[0] - span(low)[1] if apart is None else apart
    return ends(low, high if least >= 0 else np.maximum(high, low))


def _clipped(b: ArrayLike, n: Any, default: Any, least: int, most: Any) -> Any:
    """A bound as Python reads it for an axis of `n` elements: counted from the end if negative, then clipped."""
    if b is None:
        return default
    b = integer(b)
    if isinstance(b, Tracer) and not isinstance(n, Tracer) and (builder := current_builder()) is not None:
        # The same bound of arrays of one extent is one value, by which parts are known to fit.
        key = b.value, n, least, most
        found = builder.facts.get(key)
        if found is None or (isinstance(found, Tracer) and found.value in builder.undone):
            found = builder.facts[key] = _limited(b, n, least, most)
        return found
    return _limited(b, n, least, most)


def _limited(b: Any, n: Any, least: int, most: Any) -> Any:
    low, high = span(b)
    if low < 0:
        b = b + n if high < 0 else np.where(b < 0, b + n, b)
        low, high = span(b)
    if low < least:
        b = np.maximum(b, least)
    apart = difference(b, most)
    if high > span(most)[0] and (apart is None or apart > 0):
        b = np.minimum(b, most)
    return int(b) if not isinstance(b, Tracer) else b


def check(holds: Any, kind: type[Exception], message: str) -> None:
    """Raise at run time where a traced truth value does not hold."""
    if isinstance(holds, Tracer):
        if holds.builder.staged:
            refuse_handled(kind)
        apply(Check(name_of(kind), (message.replace("{", "{{").replace("}", "}}"),)), [holds])
    elif not holds:
        raise kind(message)


def _shown(item: slice) -> str:
    parts = ["" if b is None else str(b) if not isinstance(b, Tracer) else "i" for b in (item.start, item.stop)]
    return ":".join(parts) + ("" if item.step is None else f":{item.step}")

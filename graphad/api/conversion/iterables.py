"""What a `for` runs over where a trip count or the entries are traced, and the builtins that make it."""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from graphad.api.conversion.functions import REPLACED, convert
from graphad.api.conversion.parts import shown, unknown
from graphad.errors import ControlFlowError
from graphad.numpy._register import NAMESPACE, holds_tracer
from graphad.numpy.mapping import Vectorize
from graphad.ops.elementwise import cast
from graphad.ops.shape import iota, reshape
from graphad.trace import Tracer
from graphad.types import INT64


class Rows:
    """A sequence that a loop can run over: `count` entries, an `int` or traced."""

    count: Any

    def entry(self, i: Any) -> Any:
        """The entry at a position, which may be traced."""
        raise NotImplementedError

    def columns(self) -> list[Any]:
        """Arrays with one row for each entry; only with a known count."""
        raise NotImplementedError

    def join(self, rows: list[Any]) -> Any:
        """The entry from the rows of `columns`, which it takes off the list's front."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Any]:
        if isinstance(self.count, Tracer):
            raise ControlFlowError(
                f"a range of a traced length is used outside of a for statement{shown()}; write a for loop, or mark "
                "the length static (static_argnums)"
            )
        return iter([self.entry(i) for i in range(self.count)])


class ArrayRows(Rows):
    """The rows of an array."""

    def __init__(self, x: Any) -> None:
        self.x = x
        self.count = len(x)

    def entry(self, i: Any) -> Any:
        return self.x[i]

    def columns(self) -> list[Any]:
        return [self.x]

    def join(self, rows: list[Any]) -> Any:
        return rows.pop(0)


class Range(Rows):
    """`range` with a traced bound; the step is a known integer."""

    def __init__(self, *args: Any) -> None:
        start, stop, step = (0, args[0], 1) if len(args) == 1 else (*args, 1)[:3]
        if isinstance(step, Tracer):
            raise ControlFlowError(
                f"range: the step is a traced {step.type}{shown()}, and must be known; use a while loop"
            )
        for bound in (start, stop):
            if isinstance(bound, Tracer) and (bound.shape or bound.dtype.kind not in "iu"):
                raise ControlFlowError(f"range: a bound is {bound.type}{shown()}, and should be a scalar integer")
        self.start, self.step = start, int(step)
        first, last = (start, stop) if self.step > 0 else (stop, start)
        distance = last if type(first) is int and first == 0 else last - first
        size = abs(self.step)
        count = distance if size == 1 else (distance + (size - 1)) // size
        self.count = cast(np.maximum(count, 0), INT64)

    def entry(self, i: Any) -> Any:
        return self.start + i * self.step


class Count(Rows):
    """The numbers of a range with a known length."""

    def __init__(self, start: int, count: Any, step: int = 1) -> None:
        self.start = start
        self.count = count
        self.step = step

    def entry(self, i: Any) -> Any:
        i = i * self.step if self.step != 1 else i
        return i + self.start if self.start else i

    def columns(self) -> list[Any]:
        return [iota(self.count)]

    def join(self, rows: list[Any]) -> Any:
        i = rows.pop(0)
        i.weak = True
        return self.entry(i)


class Zip(Rows):
    """`zip` of several."""

    def __init__(self, parts: list[Rows]) -> None:
        self.parts = parts
        known = [p.count for p in parts if not isinstance(p.count, Tracer)]
        traced = [p.count for p in parts if isinstance(p.count, Tracer)]
        count: Any = min(known) if known else traced.pop()
        for other in traced:
            count = np.minimum(count, other)
        self.count = count if isinstance(count, Tracer) else int(count)

    def entry(self, i: Any) -> Any:
        return tuple([p.entry(i) for p in self.parts])

    def columns(self) -> list[Any]:
        return [x if len(x) == self.count else x[: self.count] for p in self.parts for x in p.columns()]

    def join(self, rows: list[Any]) -> Any:
        return tuple([p.join(rows) for p in self.parts])


class Reversed(Rows):
    """`reversed` of another."""

    def __init__(self, inner: Rows) -> None:
        self.inner = inner
        self.count = inner.count

    def entry(self, i: Any) -> Any:
        return self.inner.entry(self.count - 1 - i)

    def columns(self) -> list[Any]:
        return [x[::-1] for x in self.inner.columns()]

    def join(self, rows: list[Any]) -> Any:
        return self.inner.join(rows)


def rows(x: Any) -> Rows | None:
    """A sequence whose entries or length are traced; None for any other."""
    if isinstance(x, Rows):
        return x
    return ArrayRows(x) if isinstance(x, Tracer) and x.shape and unknown(x) else None


def _range(*args: Any) -> Any:
    return Range(*args) if any(map(unknown, args)) else builtins.range(*args)


def _enumerate(iterable: Any, start: Any = 0) -> Any:
    found = rows(iterable)
    return enumerate(iterable, start) if found is None else Zip([Count(start, found.count), found])


def _zip(*iterables: Any, strict: bool = False) -> Any:
    found = [rows(x) for x in iterables]
    if not any(r is not None for r in found):
        return zip(*iterables, strict=strict)
    for i, x in enumerate(iterables):
        if found[i] is None:
            if isinstance(x, np.ndarray) and x.ndim:
                found[i] = ArrayRows(x)
            elif isinstance(x, builtins.range):
                found[i] = Count(x.start, len(x), x.step)
            else:
                return zip(*iterables, strict=strict)
    parts = [r for r in found if r is not None]
    if strict and len({p.count for p in parts if not isinstance(p.count, Tracer)}) > 1:
        raise ValueError(f"zip() arguments have different lengths: {[p.count for p in parts]}")
    return Zip(parts)


def _reversed(sequence: Any) -> Any:
    found = rows(sequence)
    return reversed(sequence) if found is None else Reversed(found)


def _extreme(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    original = getattr(builtins, name)

    def extreme(*args: Any, **kwargs: Any) -> Any:
        items = args[0] if len(args) == 1 else args
        if isinstance(items, Tracer) and items.ndim == 1 and not kwargs and unknown(items):
            return getattr(np, name)(items)
        if kwargs or not isinstance(items, (list, tuple)) or not any(map(unknown, items)):
            return original(*args, **kwargs)
        best = items[0]
        for x in items[1:]:
            best = np.where(function(x, best), x, best)
        return best

    return extreme


def _sum(iterable: Any, /, start: Any = 0) -> Any:
    if isinstance(iterable, Tracer) and iterable.shape and unknown(iterable):
        total = np.sum(iterable, axis=0)
        return total if type(start) is int and start == 0 else start + total
    return sum(iterable, start)


def _truths(original: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    def truths(iterable: Any) -> Any:
        if isinstance(iterable, Tracer) and iterable.ndim == 1 and unknown(iterable):
            return function(iterable)
        if isinstance(iterable, (list, tuple)) and any(map(unknown, iterable)):
            found = [reshape(x, ()) if isinstance(x, Tracer) and x.size == 1 else x for x in iterable]
            result = found[0] != 0 if not isinstance(found[0], bool) else found[0]
            for x in found[1:]:
                result = np.logical_and(result, x) if original is all else np.logical_or(result, x)
            return result
        return original(iterable)

    return truths


def _calling(original: Any) -> Callable[..., Any]:
    """A function of a library that calls its first argument: that is converted."""

    @functools.wraps(original, updated=())
    def calling(f: Any, *args: Any, **kwargs: Any) -> Any:
        return original(convert(f), *args, **kwargs)

    return calling


def _creating(function: Any, always: bool) -> Callable[..., Any]:
    """A function of NumPy that makes arrays: a traced one from traced values, or `always`, so that all names of it see
    what is written to it."""

    @functools.wraps(function)
    def creating(*args: Any, **kwargs: Any) -> Any:
        if always or holds_tracer(args) or holds_tracer(kwargs.values()):
            return NAMESPACE[function](*args, **kwargs)
        return function(*args, **kwargs)

    return creating


def install() -> None:
    """Fill the table of what converted code calls in place of builtins and of NumPy's functions."""
    from graphad import tree

    makers: tuple[Any, ...] = (np.zeros, np.ones, np.empty, np.full)
    takers: tuple[Any, ...] = (np.array, np.asarray, np.asanyarray, np.ascontiguousarray, np.linspace, np.arange)
    for function in makers:
        REPLACED[function] = _creating(function, True)
    for function in takers:
        REPLACED[function] = _creating(function, False)
    REPLACED.update(
        {
            builtins.range: _range,
            enumerate: _enumerate,
            zip: _zip,
            reversed: _reversed,
            min: _extreme("min", lambda a, b: a < b),
            max: _extreme("max", lambda a, b: a > b),
            sum: _sum,
            any: _truths(any, np.any),
            all: _truths(all, np.all),
            map: _calling(map),
            filter: _calling(filter),
            functools.reduce: _calling(functools.reduce),
            tree.map: _calling(tree.map),
            np.vectorize: _calling(Vectorize),
        }
    )


install()

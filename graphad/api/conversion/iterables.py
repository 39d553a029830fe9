"""Builtins and NumPy's functions that make and take what a `for` runs over, as converted code calls them."""

from __future__ import annotations

import bisect
import builtins
import functools
import heapq
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.api.conversion.dispatch import calling, iterated
from graphad.api.conversion.functions import REPLACED, call
from graphad.api.conversion.ledger import reading
from graphad.api.conversion.ordering import is_part
from graphad.api.conversion.parts import is_number, is_weak, python_bool, staged, truth, unknown
from graphad.api.conversion.sequences import (
    CountSequence,
    Fresh,
    LoopSequence,
    Range,
    Reversed,
    Zip,
    fresh,
    length,
    rows,
    sequence,
)
from graphad.numpy.arguments import holds_tracer, operand, recorded
from graphad.numpy.buffers import Buffer, seen
from graphad.numpy.dispatch import NAMESPACE
from graphad.numpy.entries import ArrayEntry
from graphad.numpy.lending import lending
from graphad.numpy.mapping import Vectorize
from graphad.numpy.moving import Moving
from graphad.ops.shape import as_operand, rows_of
from graphad.trace import FUNCTIONS, Tracer


def _range(*args: Any) -> Any:
    return Range(*args) if any(map(unknown, args)) else builtins.range(*args)


def _enumerate(iterable: Any, start: Any = 0) -> Any:
    iterable = iterated(iterable)
    found = rows(iterable)
    if found is not None:
        return Zip([CountSequence(start, found.count), found])
    n = length(iterable)
    inner = fresh(iterable)
    items = enumerate(iterable, start)
    return Fresh(items, n, lambda: _beside([CountSequence(start, n), inner()])) if n and staged() else items


def _zip(*iterables: Any, strict: bool = False) -> Any:
    iterables = tuple([iterated(x) for x in iterables])
    if not any(rows(x) is not None for x in iterables):
        return _zipped(iterables, strict)
    found = [sequence(x) for x in iterables]
    if any([r is None for r in found]):
        return zip(*iterables, strict=strict)
    parts = [r for r in found if r is not None]
    if strict and len({p.count for p in parts if not isinstance(p.count, Tracer)}) > 1:
        raise ValueError(f"zip() arguments have different lengths: {[p.count for p in parts]}")
    return Zip(parts)


def _zipped(iterables: tuple[Any, ...], strict: bool) -> Any:
    """`zip` of what is known."""
    lengths = [length(x) for x in iterables]
    inner = [fresh(x) for x in iterables]
    items = zip(*iterables, strict=strict)
    equal = len(set(lengths)) == 1 or not strict
    if not lengths or not min(lengths) or not equal or not staged():
        return items
    return Fresh(items, min(lengths), lambda: _beside([make() for make in inner]))


def _beside(parts: list[LoopSequence | None]) -> LoopSequence | None:
    known = [p for p in parts if p is not None]
    return Zip(known) if len(known) == len(parts) else None


def _reversed(sequence: Any) -> Any:
    found = rows(sequence)
    if found is not None:
        return Reversed(found)
    n = length(sequence)
    items, inner = reversed(sequence), fresh(sequence)
    return Fresh(items, n, lambda: _backwards(inner())) if n and staged() else items


def _backwards(inner: LoopSequence | None) -> LoopSequence | None:
    return inner and Reversed(inner)


_length = calling(len, "__len__")


def _len(x: Any, /) -> Any:
    return x.shape[0] if isinstance(x, Moving) and x.ndim else _length(x)


def _sum(iterable: Any, /, start: Any = 0) -> Any:
    if is_part(iterable) or (isinstance(iterable, Tracer) and iterable.shape and unknown(iterable)):
        total = np.sum(iterable, axis=0)
        return total if type(start) is int and start == 0 else start + total
    if type(iterable) is list and len(iterable) > _FEW and (whole := _rows(reading(iterable))) is not None:
        total = np.sum(whole, axis=0)
        total.weak = all(map(is_weak, iterable))
        return total if type(start) is int and start == 0 else start + total
    return sum(iterated(iterable), start)


_FEW = 16
"""Items of a list that are added one by one, though they are rows of one array."""


def _rows(items: list[Any]) -> Any:
    """The array of floating-point numbers whose rows are the items that a loop of the graph has appended to a list, or
    None."""
    if not isinstance(items[-1], ArrayEntry) or items[-1].dtype.kind not in "fc":
        return None
    every = [as_operand(x) if is_number(x) else None for x in items]
    return None if any([x is None or x.shape != items[-1].shape for x in every]) else rows_of(every)


def _truths(original: Callable[..., Any], function: Callable[..., Any], join: Callable[..., Any]) -> Any:
    """`any` and `all`: Python's own as far as the truths are known."""
    decides = original is any

    def truths(iterable: Any) -> Any:
        if is_part(iterable) or (isinstance(iterable, Tracer) and iterable.ndim == 1 and unknown(iterable)):
            return python_bool(function(iterable))
        found: Any = not decides
        for x in iterated(iterable):
            test = truth(x, original.__name__)
            if not isinstance(test, Tracer):
                if test is decides:
                    return test
            else:
                found = join(found, test) if isinstance(found, Tracer) else test
        return python_bool(found)

    return truths


_BY_FUNCTION = (itertools.dropwhile, itertools.filterfalse, itertools.starmap, itertools.takewhile)
_BISECTIONS = {bisect.bisect_left: "left", bisect.bisect_right: "right"}


def _bisection(original: Callable[..., Any]) -> Callable[..., Any]:
    """`bisect` of a table: the same as `numpy.searchsorted` where something is traced."""

    def bisection(a: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs or not (unknown(x) or holds_tracer((a,))):
            return original(a, x, *args, **kwargs)
        found = np.searchsorted(recorded(operand(a)), operand(x), side=_BISECTIONS[original])  # type: ignore[call-overload]
        found.weak = True
        return found

    return bisection


def _calling(original: Any, *places: int | str) -> Callable[..., Any]:
    """A function of a library that calls arguments, the first one or those at some places: they are converted."""

    @functools.wraps(original, updated=())
    def calling(*args: Any, **kwargs: Any) -> Any:
        given = [call(x) if i in (places or (0,)) and x is not None else x for i, x in enumerate(args)]
        return original(*given, **{k: call(x) if k in places and x is not None else x for k, x in kwargs.items()})

    return calling


def _fromiter(iter: Any, dtype: Any, count: int = -1, **kwargs: Any) -> Any:
    items = list(iter if count < 0 else itertools.islice(iter, count))
    if not holds_tracer(items) or len(items) < count:
        return seen(np.fromiter(items, dtype, count, **kwargs), ())
    return NAMESPACE[np.fromiter](items, dtype)


def _creating(function: Any) -> Callable[..., Any]:
    """A function of NumPy that makes arrays: a traced one from traced values."""

    @functools.wraps(function)
    def creating(*args: Any, **kwargs: Any) -> Any:
        if holds_tracer(args) or holds_tracer(kwargs.values()):
            return NAMESPACE[function](*args, **kwargs)
        return seen(function(*args, **kwargs), args)

    return creating


def _walking(function: Any) -> Callable[..., Any]:
    """A walk of NumPy's over elements, each as it is when its turn comes where the array may become a traced one."""

    @functools.wraps(function, updated=())
    def walking(*args: Any, **kwargs: Any) -> Any:
        walked = not kwargs and (len(args) == 1 or function is np.broadcast)
        arrays = [y for x in args for y in (x if isinstance(x, (list, tuple)) else (x,))]
        if holds_tracer(arrays) or (walked and any([type(x) is Buffer for x in arrays])):
            return FUNCTIONS[function](*args, **kwargs)
        return lending(function, function.__name__)(*args, **kwargs)

    return walking


def install() -> None:
    """Fill the table of what converted code calls in place of builtins and of NumPy's functions."""
    from graphad import tree

    # Of linspace NumPy does not look at the types of all arguments; of those that it does not dispatch, at none.
    takers = [f for f in NAMESPACE if f is np.linspace or not isinstance(f, (np.ufunc, type(np.sum)))]
    for function in takers:
        REPLACED[function] = _creating(function)
    for function in (map, filter, functools.reduce, functools.cmp_to_key, tree.map, *_BY_FUNCTION):
        REPLACED[function] = _calling(function)
    REPLACED.update({f: _bisection(f) for f in _BISECTIONS})
    for function in (np.ndenumerate, np.nditer, np.broadcast):
        REPLACED[function] = _walking(function)
    REPLACED.update(
        {
            builtins.range: _range,
            enumerate: _enumerate,
            zip: _zip,
            reversed: _reversed,
            len: _len,
            sum: _sum,
            any: _truths(any, np.any, np.logical_or),
            all: _truths(all, np.all, np.logical_and),
            np.fromiter: _fromiter,
            np.vectorize: _calling(Vectorize),
            itertools.accumulate: _calling(itertools.accumulate, 1, "func"),
            itertools.groupby: _calling(itertools.groupby, 1, "key"),
            heapq.merge: _calling(heapq.merge, "key"),
        }
    )


install()

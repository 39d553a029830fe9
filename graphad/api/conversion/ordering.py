"""`min`, `max`, `sorted` and their like, also where the order is known at run time only."""

from __future__ import annotations

import builtins
import heapq
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad import tree
from graphad.api.conversion.branches import choose
from graphad.api.conversion.checks import must
from graphad.api.conversion.dispatch import iterated
from graphad.api.conversion.functions import REPLACED, call
from graphad.api.conversion.ledger import changing
from graphad.api.conversion.parts import describe, is_number, is_weak, kind, same, truth, unknown
from graphad.api.conversion.sequences import kept
from graphad.api.conversion.truths import compared, equal
from graphad.errors import ControlFlowError
from graphad.location import place
from graphad.numpy.arguments import operand, recorded
from graphad.numpy.moving import Moving
from graphad.trace import Tracer


def is_part(x: Any) -> bool:
    """Whether something is a vector of traced extent."""
    return isinstance(x, Moving) and x.ndim == 1 and bool(x.ends)


def _is_vector(x: Any) -> bool:
    return is_part(x) or (isinstance(x, Tracer) and x.ndim == 1 and unknown(x))


def _is_scalar(x: Any) -> bool:
    return is_number(x) and not kind(x).shape


def _undecided(keys: Sequence[Any]) -> bool:
    """Whether the order of keys is known at run time only."""
    return any([_undecided(x) if isinstance(x, (tuple, list)) else unknown(x) for x in keys])


def _keys(items: Sequence[Any], key: Any) -> Sequence[Any]:
    return items if key is None else list(map(call(key), items))


def _chosen(test: Any, a: Any, b: Any) -> Any:
    """`a if test else b`."""
    if not isinstance(test, Tracer):
        return a if test else b
    if _is_scalar(a) and _is_scalar(b):
        found = np.where(test, a, b)
        found.weak = is_weak(a) and is_weak(b)
        return found
    if type(a) is type(b) is tuple and len(a) == len(b):
        return tuple([_chosen(test, x, y) for x, y in zip(a, b, strict=True)])
    return choose(test, lambda: a, lambda: b)


def _extreme(name: str, operator: str) -> Callable[..., Any]:
    original = getattr(builtins, name)

    def extreme(*args: Any, key: Any = None, **default: Any) -> Any:
        if len(args) == 1 and key is None and _is_vector(args[0]):
            return getattr(np, name)(args[0])
        items = list(iterated(args[0])) if len(args) == 1 else args
        if len(args) != 1 and (default or not args):
            return original(*args, key=key, **default)  # raises
        keys = _keys(items, key)
        if not items or not _undecided(keys):
            plain = key is None or not items
            return original(items, **default) if plain else items[original(range(len(items)), key=keys.__getitem__)]
        best, least = items[0], keys[0]
        for x, own in zip(items[1:], keys[1:], strict=True):
            test = truth(compared(operator, own, least), name)
            best = _chosen(test, x, best)
            least = best if key is None else _chosen(test, own, least)
        return best

    return extreme


def ordered(iterable: Any, /, *, key: Any = None, reverse: Any = False) -> list[Any]:
    """`sorted`."""
    numbers = key is None and _is_vector(iterable)
    items = [] if numbers else list(iterated(iterable))
    keys = _keys(items, key)
    if numbers or (key is None and _undecided(keys) and all(map(_is_scalar, keys))):
        found = list(np.sort(recorded(operand(iterable if numbers else items))))
        for x in found:
            x.weak = not numbers and all(map(is_weak, items))
        return found[::-1] if reverse else found
    if not _undecided(keys):
        if key is None:
            return sorted(items, reverse=reverse)
        return [items[i] for i in sorted(range(len(items)), key=keys.__getitem__, reverse=reverse)]
    return _permuted(items, _order(keys, bool(reverse)))


def _order(keys: Sequence[Any], reverse: bool) -> Any:
    """The positions of keys in their order, which is kept among equal ones."""
    order = recorded(operand(np.arange(len(keys))[:: -1 if reverse else 1]))
    for column in reversed(_columns(keys, "the keys")):
        if all(map(_is_scalar, column)):
            order = order[np.argsort(recorded(operand(column))[order], kind="stable")]
        elif not all([same(x, column[0]) for x in column]):
            raise ControlFlowError(
                f"sorted: a key is {describe(column[0])}{place()}, and the order is known at run time only; give keys "
                "that are numbers, or tuples of numbers"
            )
    return order[:: -1 if reverse else 1]


def _columns(items: Sequence[Any], what: str) -> list[list[Any]]:
    """The numbers of items of one structure, each with those of all items."""
    flat = [tree.flatten(x) for x in items]
    if any([treedef != flat[0][1] for _, treedef in flat]):
        raise ControlFlowError(
            f"sorted: {what} differ in structure{place()}, and their order is known at run time only; give all the "
            "same structure"
        )
    return [list(column) for column in zip(*[leaves for leaves, _ in flat], strict=True)]


def _permuted(items: Sequence[Any], order: Any) -> list[Any]:
    """The items in an order that is known at run time only: arrays among them are read only from then on."""
    columns = []
    for column in _columns(items, "the items"):
        first = column[0]
        if all(map(is_number, column)) and len({kind(x).shape for x in column}) == 1:
            rows = list(recorded(operand(column))[order])
            for x in rows:
                x.weak = all(map(is_weak, column))
            column = [kept(x, column) for x in rows]
        elif not all([same(x, first) for x in column]):
            raise ControlFlowError(
                f"sorted: the items hold {describe(first)} and {describe(column[-1])}{place()}, and their order is "
                "known at run time only; only numbers and arrays of one shape can depend on it"
            )
        columns.append(column)
    treedef = tree.flatten(items[0])[1]
    return [tree.unflatten(treedef, list(row)) for row in zip(*columns, strict=True)]


def _sort(x: list[Any], /, *, key: Any = None, reverse: Any = False) -> None:
    """`x.sort()`."""
    changing(x)[:] = ordered(x, key=key, reverse=reverse)


def _places(original: Callable[..., Any], find: Callable[[Any], Any]) -> Callable[..., Any]:
    """A method of a list or tuple that looks for a value: `find` tells of the truths of what is equal to it."""

    def places(x: Any, value: Any, /, *bounds: Any) -> Any:
        if bounds or not (x and _undecided((*x, value))):
            return original(x, value, *bounds)
        found = find(recorded(operand([equal(y, value) for y in x])))
        found.weak = True
        return found

    return places


def _first(found: Any) -> Any:
    must(np.any(found), (ValueError,), ValueError, "the value is not in the list")
    return np.argmax(found)


def install() -> None:
    """Fill the table of what converted code calls in place of these functions."""
    for cls in (list, tuple):
        REPLACED.update({cls.index: _places(cls.index, _first), cls.count: _places(cls.count, np.sum)})
    REPLACED.update({min: _extreme("min", "Lt"), max: _extreme("max", "Gt"), sorted: ordered, list.sort: _sort})
    REPLACED[heapq.nlargest] = lambda n, iterable, key=None: ordered(iterable, key=key, reverse=True)[: max(n, 0)]
    REPLACED[heapq.nsmallest] = lambda n, iterable, key=None: ordered(iterable, key=key)[: max(n, 0)]


install()

"""`and`, `or`, `not` and comparisons, also of values that are known at run time only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from graphad.api.conversion.branches import Thunk, select
from graphad.api.conversion.dispatch import operate, special
from graphad.api.conversion.heap import Heap
from graphad.api.conversion.parts import StagedRegion, is_number, is_weak, kind, python_bool, truth, unknown
from graphad.api.conversion.peers import identical
from graphad.ops.guarding import must_be_reached
from graphad.ops.regions.base import Structured
from graphad.trace import Tracer, inline, innermost


def and_(first: Any, *rest: Thunk) -> Any:
    """`first and rest[0]() and ...`; of traced values with its truth."""
    return _joined(first, rest, True)


def or_(first: Any, *rest: Thunk) -> Any:
    """`first or rest[0]() or ...`; of traced values with its truth."""
    return _joined(first, rest, False)


def _joined(value: Any, rest: Sequence[Thunk], both: bool) -> Any:
    for i, thunk in enumerate(rest):
        test = truth(value, "and, or")
        if not isinstance(test, Tracer):
            if test is not both:
                return value
            value = thunk()
            continue
        following = rest[i:]
        if value is not test:
            # Numbers: the operands themselves are the result, as far as their types agree.
            other = lambda value=value: value
            tail = lambda following=following: _joined(following[0](), following[1:], both)
            bodies = [other, tail] if both else [tail, other]
            return select(test, bodies, (), "and, or", ["where it is false", "where it is true"])
        return _logical(test, following, both)
    return value


def _logical(test: Tracer, rest: Sequence[Thunk], both: bool) -> Any:
    """The conjunction or disjunction of a traced bool and what follows.

    What follows is computed in any case where that is cheap and harmless, else in a branch.
    """
    heap = Heap(rest)
    heap.check_iterators()
    part = StagedRegion("operand")

    def tail() -> Any:
        return _joined(rest[0](), rest[1:], both)

    def operand() -> Any:
        found = tail()
        return found if _is_amount(found) else truth(found, "and, or")

    titles = ["where it is false", "where it is true"]
    value = part.run(operand, "in an operand of and, or")
    if _is_amount(value):
        # A number is the result itself, beside which False and True are numbers too.
        heap.restore()
        known = _PYTHONS.get(kind(value).dtype.kind, int)(not both)
        return select(test, [lambda: known, tail] if both else [tail, lambda: known], (), "and, or", titles)
    weak = is_weak(value)
    if not part.raised and not part.changed and heap.resized() is None and not any(True for _ in heap.changes()):
        if not isinstance(value, Tracer):
            return test if value is both else value
        if not any([isinstance(n.op, Structured) or must_be_reached(n.op) for n in part.builder.nodes]):
            part.finish([part.lifted(value, value.dtype)])
            builder = innermost([test])
            assert builder is not None
            other = inline(part.graph, part.captures, builder)[0]
            found: Any = np.logical_and(test, other) if both else np.logical_or(test, other)
            found.weak = is_weak(test) and weak
            return found
    heap.restore()
    bodies = [lambda: not both, tail] if both else [tail, lambda: not both]
    return select(test, bodies, (), "and, or", titles, truths=True)


_PYTHONS: dict[str, Any] = {"f": float, "c": complex}
"""Python's types of numbers, by the kind of a dtype."""


def _is_amount(x: Any) -> bool:
    """Whether a value is a number other than a truth."""
    return is_number(x) and not kind(x).shape and kind(x).dtype.kind != "b"


def not_(x: Any) -> Any:
    """`not x`."""
    test = truth(x, "not")
    return python_bool(np.logical_not(test)) if isinstance(test, Tracer) else not test


def is_(x: Any, value: Any, last: bool = False) -> Any:
    """`x is value` of a pattern that is True, False or None: a traced truth is one of the first two, and where a case
    before has taken the other one, it is the `last`."""
    if isinstance(x, Tracer) and isinstance(value, bool) and x.dtype.kind == "b" and not x.shape:
        if last:
            return True
        test = truth(x, "match")
        return test is value if not isinstance(test, Tracer) else test if value else not_(test)
    return x is value


def none_of(*flags: Any) -> Any:
    """Whether none of the flags is set."""
    return not_(or_(flags[0], *[lambda f=f: f for f in flags[1:]]))


def _by_entries(a: Any, b: Any) -> bool:
    """Whether two values are compared by what they hold."""
    return type(a) is type(b) and isinstance(a, (tuple, list)) and type(a).__lt__ in (tuple.__lt__, list.__lt__)


def equal(a: Any, b: Any) -> Any:
    """`a is b or a == b`, as Python compares what tuples and lists hold."""
    if a is b or not _by_entries(a, b):
        return a is b or truth(operate("Eq", a, b), "a comparison")
    pairs = zip(a, b, strict=False)
    return and_(len(a) == len(b), *[lambda x=x, y=y: equal(x, y) for x, y in pairs])


def compared(kind: str, a: Any, b: Any) -> Any:
    """`a < b` and so on, by the name of the operator; tuples and lists by their first entries that differ."""
    if not _by_entries(a, b):
        return operate(kind, a, b)
    if kind in ("Eq", "NotEq"):
        return equal(a, b) if kind == "Eq" else not_(equal(a, b))
    if not a or not b:
        return operate(kind, len(a), len(b))
    same_first = equal(a[0], b[0])
    rest: Thunk = lambda: compared(kind, a[1:], b[1:])
    if not isinstance(same_first, Tracer):
        return rest() if same_first else compared(kind, a[0], b[0])
    return or_(and_(same_first, rest), lambda: and_(not_(same_first), lambda: compared(kind, a[0], b[0])))


_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    **{kind: partial(compared, kind) for kind in ("Eq", "NotEq", "Lt", "LtE", "Gt", "GtE")},
    "Is": identical, "IsNot": lambda a, b: not identical(a, b),
    "In": lambda a, b: contains(b, a), "NotIn": lambda a, b: not_(contains(b, a)),
}  # fmt: skip


def compare(left: Any, *rest: Any) -> Any:
    """`left < a < b`, given as operators' names and operands to evaluate, each once and only if need be."""
    right = rest[1]()
    first = _COMPARISONS[rest[0]](left, right)
    return and_(first, lambda: compare(right, *rest[2:])) if len(rest) > 2 else first


def contains(container: Any, x: Any) -> Any:
    """`x in container`."""
    return python_bool(_contains(container, x))


def _contains(container: Any, x: Any) -> Any:
    if isinstance(container, Tracer) and (unknown(container) or unknown(x)):
        return np.any(container == x)
    if isinstance(container, (list, tuple, set, frozenset)) and (unknown(x) or any(map(unknown, container))):
        items = list(container)
        return or_(equal(x, items[0]), *[lambda y=y: equal(x, y) for y in items[1:]]) if items else False
    if isinstance(container, np.ndarray) and unknown(x):
        return np.any(container == x)
    method = special(container, "__contains__")
    return x in container if method is None else truth(method(x), "in")

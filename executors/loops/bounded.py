"""Loops that run over part of an axis: positions at which a loop has no effect, as a mask of its own says, are left
out.

An effect is none if a term of a reduction is its initial value (which its target holds before, where the loop leaves
results out), if a store writes what stands there, if a check holds.
Masks compare a position with a number that is known before the loop, `i < n`. With such a comparison taken as false (or
true) the scalars of the loop are evaluated as far as they are known: if all effects are none, positions at which it is
false (or true) need not be run, whatever else the loop computes. The masks stay where they are, so a loop may run over
more.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.executors.loops.program import (
    Index,
    Load,
    LoopNest,
    Reduction,
    Statement,
    Store,
    StridedView,
    children,
    roots,
    walk,
)
from graphad.ops.scalar import Const, Operation, Scalar, operation
from graphad.types import BOOL, INT64

Ends = tuple[Scalar, Scalar]
"""The first position of a loop, and the one behind the last, within the axis."""
_FAR = 1 << 50
"""Beyond all positions."""
_COMPARED = {"less": (0, True), "less_equal": (1, True), "greater_equal": (0, False), "greater": (1, False)}
"""For `i OP n`: of which `i < n + offset` it is the truth or the opposite."""
_TURNED = {"less": "greater", "less_equal": "greater_equal", "greater": "less", "greater_equal": "less_equal"}
_KNOWN: dict[str, Callable[..., Any]] = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "negative": np.negative, "abs": np.abs,
    "maximum": np.maximum, "minimum": np.minimum, "bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or,
    "invert": np.invert, "less": np.less, "less_equal": np.less_equal, "greater": np.greater,
    "greater_equal": np.greater_equal, "equal": np.equal, "not_equal": np.not_equal, "conj": np.conjugate,
}  # fmt: skip


def bounds(loop: LoopNest) -> dict[int, Ends]:
    """The axes along which a loop need not run over all positions, and the ends between which it must."""
    if loop.values or 0 in loop.space or not loop.space:
        return {}
    scalars = walk(roots(loop))
    if not any([type(x) is Index for x in scalars]):
        return {}
    moving = moves(scalars)
    tests = {x: found for x in moving if (found := _test(x, moving)) is not None}
    result: dict[int, Ends] = {}
    for key, number in {key: number for key, number, _ in tests.values()}.items():
        axis, _, offset = key
        if any([axis not in r.axes and r.target is None for r in loop.reductions]):
            continue
        for holds in (False, True):
            given = {x: Const(BOOL, np.bool_(truth == holds)) for x, (other, _, truth) in tests.items() if other == key}
            if _idle(loop, given, moving):
                low, high = result.get(axis, (_number(0), _number(loop.space[axis])))
                end = _clipped(number, offset, loop.space[axis])
                low, high = (operation("maximum", low, end), high) if holds else (low, operation("minimum", high, end))
                result[axis] = low, high
    return result


def has_holes(view: StridedView, statements: Sequence[Statement]) -> bool:
    """Whether what stands in a view, as statements have stored it, is zero beyond a bound that is known at run time."""
    for loop in [x for x in reversed(statements) if isinstance(x, LoopNest)]:
        for store in [x for x in loop.stores if x.view.buffer is view.buffer]:
            zero = Const(store.value.dtype, store.value.dtype.type(0))
            total = Reduction("sum", store.value, tuple(range(len(loop.space))), zero)
            return not store.add and bool(bounds(LoopNest(loop.space, reductions=[total])))
    return False


def moves(scalars: Iterable[Scalar]) -> dict[Scalar, None]:
    """Those of a loop's scalars that are not the same at all positions."""
    moving: dict[Scalar, None] = {}
    for x in scalars:
        own = isinstance(x, Index) or (isinstance(x, Load) and (any(x.view.strides) or x.mask is not None))
        if own or any([y in moving for y in children(x)]):
            moving[x] = None
    return moving


def _test(x: Scalar, moving: Container[Scalar]) -> tuple[tuple[int, Hashable, int], Scalar, bool] | None:
    """A comparison of a position with a number `n` that does not move: the axis, `n` and the offset of the comparison
    `i < n + offset`, by content; `n`; and whether it is that one's truth, or the opposite."""
    if not isinstance(x, Operation) or x.name not in _COMPARED or x.lanes > 1 or x.args[0].dtype != INT64:
        return None
    name, (a, b) = x.name, x.args
    if a not in moving:
        name, a, b = _TURNED[name], b, a
    if b in moving:
        return None
    offset, truth = _COMPARED[name]
    while isinstance(a, Operation) and a.name in ("add", "subtract"):
        number = a.args[1]
        if not isinstance(number, Const) or number.lanes > 1 or abs(int(number.value)) > _FAR:
            return None
        offset += int(number.value) if a.name == "subtract" else -int(number.value)
        a = a.args[0]
    return ((a.axis, _content(b), offset), b, truth) if isinstance(a, Index) and abs(offset) <= _FAR else None


def _content(x: Scalar) -> Hashable:
    """What is the same for scalars that compute the same."""
    if isinstance(x, Const):
        return x.dtype.char, str(x.value)
    if isinstance(x, Operation):
        return x.name, x.dtype.char, tuple([_content(y) for y in x.args])
    return x


def _number(n: int) -> Const:
    return Const(INT64, np.int64(n))


def _clipped(number: Scalar, offset: int, n: int) -> Scalar:
    """`number + offset`, within an axis of `n` positions."""
    far = operation("minimum", operation("maximum", number, _number(-_FAR)), _number(_FAR))
    return operation("minimum", operation("maximum", operation("add", far, _number(offset)), _number(0)), _number(n))


def _idle(loop: LoopNest, given: Mapping[Scalar, Scalar], moving: Container[Scalar]) -> bool:
    """Whether a loop has no effect at a position at which some scalars have the given values. Checks of what does not
    move stand outside of it."""
    memo = dict(given)
    stores = all([_keeps(store, _known(store.value, memo)) for store in loop.stores])
    terms = stores and all([_equal(_known(r.value, memo), r.initial.value) for r in loop.reductions])
    return terms and all([_equal(_known(c.condition, memo), True) for c in loop.checks if c.condition in moving])


def _keeps(store: Store, value: Scalar) -> bool:
    """Whether storing a value changes nothing."""
    if store.add:
        return _equal(value, 0)
    if store.shift is not None or not isinstance(value, Load) or value.shift is not None or value.mask is not None:
        return False
    return value.lanes == store.value.lanes == 1 and same_place(value.view, store.view)


def same_place(a: StridedView, b: StridedView) -> bool:
    """Whether two views have each element at the same place."""
    if a.buffer is not b.buffer or a.shape != b.shape or a.offset != b.offset:
        return False
    return all([n == 1 or s == t for n, s, t in zip(a.shape, a.strides, b.strides, strict=True)])


def _equal(x: Scalar, value: Any) -> bool:
    return isinstance(x, Const) and x.lanes == 1 and bool(x.value == value)


def _known(x: Scalar, memo: dict[Scalar, Scalar]) -> Scalar:
    """A number or the scalar that another one is for sure, given what is noted of some; else itself."""
    pending = [x]
    while pending:
        y = pending[-1]
        more = None if y in memo else _asked(y, memo)
        if more is not None:
            pending.append(more)
        else:
            if y not in memo:
                memo[y] = _evaluated(y, memo)
            pending.pop()
    return memo[x]


def _asked(x: Scalar, memo: Mapping[Scalar, Scalar]) -> Scalar | None:
    """The next operand that decides what a scalar is; None if it is decided."""
    if not isinstance(x, Operation) or x.lanes > 1:
        return None
    if x.name == "where":
        test, yes, no = x.args
        if isinstance(found := memo.get(test, test), Const):
            wanted = [test, yes if found.value else no]
        elif any([not isinstance(y, (Const, Operation)) for y in (yes, no)]):
            wanted = [test]
        else:
            wanted = [test, yes, no] if isinstance(memo.get(yes), Const) else [test, yes]
    elif x.name in ("bitwise_and", "bitwise_or"):
        wanted = list(x.args)
    else:
        unknown = [i for i, y in enumerate(x.args) if not isinstance(memo.get(y), Const)]
        wanted = list(x.args[: unknown[0] + 1]) if unknown else []
    return next((y for y in wanted if y not in memo), None)


def _evaluated(x: Scalar, memo: dict[Scalar, Scalar]) -> Scalar:
    if not isinstance(x, Operation) or x.lanes > 1:
        return x
    args = [memo.get(y, y) for y in x.args]
    if x.name == "where":
        if isinstance(args[0], Const):
            return args[1 if args[0].value else 2]
        same = isinstance(args[1], Const) and _equal(args[2], args[1].value)
        return args[1] if same else x
    truths = [bool(y.value) for y in args if isinstance(y, Const) and y.dtype == BOOL]
    if (x.name == "bitwise_and" and False in truths) or (x.name == "bitwise_or" and True in truths):
        return Const(BOOL, np.bool_(x.name == "bitwise_or"))
    if not all([isinstance(y, Const) and y.lanes == 1 for y in args]):
        return x
    if x.name == "cast":
        function: Callable[..., Any] | None = np.asarray if x.args[0].dtype.kind in "biuf" else None
    else:
        function = _KNOWN.get(x.name)
    if function is None:
        return x
    with np.errstate(all="ignore"):
        found = function(*[y.dtype.type(y.value) for y in args if isinstance(y, Const)])
        return Const(x.dtype, np.asarray(found).astype(x.dtype)[()])

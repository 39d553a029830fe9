"""Assignment in place: what replaces the value of a traced array, and of the views and the origin that share it.

`x[i] = v` and `x += y` then mean what they mean for NumPy's arrays, aliases and views of views
included. The caller's own arrays never change: inside of a trace they are handles of their own.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from graphad.errors import TracerError
from graphad.location import place
from graphad.numpy import moving
from graphad.numpy.arguments import stored
from graphad.numpy.creation import anew
from graphad.numpy.dispatch import tracer_method
from graphad.numpy.indexing import basic_item, basic_key, getitem, read_index
from graphad.numpy.layouts import UNKNOWN, laid
from graphad.numpy.masked import Masked, choice, is_basic, spread
from graphad.numpy.outputs import check_cast
from graphad.numpy.slices import moves
from graphad.numpy.updates import At
from graphad.numpy.views import View, assign, own, view
from graphad.ops.elementwise import cast
from graphad.trace import Tracer

# -- indexing -----------------------------------------------------------------------------------------------------


@tracer_method("__getitem__")
def _getitem(x: Any, index: Any) -> Any:
    key = basic_key(index)
    if key is not None:
        found = basic_item(x, key)
        if not (found.shape or _has_ellipsis(index)):
            return own(found) if found is x else found
        return view(found, x, lambda base: getitem(base, index), lambda base, new: At(base)[index].set(new), index,
                    lambda base: base[index])  # fmt: skip
    chosen = choice(x, index)
    if chosen is not None:
        whole, mask = chosen
        return Masked(own(whole), mask)
    if moves(index):
        return moving.read(x, index)
    if isinstance(index, moving.Moving):
        return moving.picked(x, index)
    found = getitem(x, index)
    basic = is_basic(index)
    if not basic or not (found.shape or _has_ellipsis(index)):
        return anew(found) if found is x else found if basic or found.ndim < 2 else _picked(found, x, index)
    at = _fixed(index)
    return view(found, x, lambda base: getitem(base, at), lambda base, new: At(base)[at].set(new), index,
                lambda base: base[_standing(at)])  # fmt: skip


def _fixed(index: Any) -> Any:
    """An index that stays what it is when the arrays that it holds are changed."""
    if type(index) is tuple:
        return tuple([_fixed(item) for item in index])
    if type(index) is slice:
        return slice(_fixed(index.start), _fixed(index.stop), _fixed(index.step))
    if isinstance(index, Tracer):
        return own(index)
    return operator.index(index) if isinstance(index, np.ndarray) else index


def _has_ellipsis(index: Any) -> bool:
    return index is Ellipsis or (type(index) is tuple and any([item is Ellipsis for item in index]))


def _standing(index: Any) -> Any:
    """A basic index with a known one in place of each that is traced, which makes a view of the same layout."""
    if type(index) is tuple:
        return tuple([0 if isinstance(item, Tracer) else item for item in index])
    return 0 if isinstance(index, Tracer) else index


def _picked(found: Any, x: Any, index: Any) -> Any:
    """What index arrays pick: NumPy lets their axes be the slowest ones, wherever they stand in the result."""
    if x.layout is not None:
        return laid(found, UNKNOWN)
    plan = read_index(x, index)
    rank = found.ndim - len(plan.kept) + len(plan.arrays)
    first = list(range(plan.place, plan.place + rank))
    return laid(found, (*first, *[i for i in range(found.ndim) if i not in first]) if plan.place else None)


@tracer_method("__setitem__")
def _setitem(x: Any, index: Any, value: Any) -> None:
    if isinstance(value, View) and value.origin is x and value.key is index and value.follows(x):
        return  # `x[index] += y` has written to the view already
    if moves(index) or isinstance(value, moving.Moving):
        moving.write(x, index, value)
        return
    chosen = choice(x, index)
    if chosen is not None:
        whole, mask = chosen
        _set_masked(whole, mask, value)
        return
    assign(x, At(own(x))[index].set(value), "assignment to an index")


def _set_masked(x: Any, mask: Any, value: Any) -> None:
    if isinstance(value, Masked):
        if value.whole.ndim != x.ndim:
            raise value.refusal("assignment of fewer axes")
        value = value.under(mask, "assignment to what another mask chooses")
    else:
        value = stored(value, x.dtype)
        if value.ndim > x.ndim - mask.ndim:
            raise TracerError(
                f"assignment to x[mask]: an array of {value.shape} for what the traced mask {mask.type} chooses"
                f"{place()}; write x[...] = numpy.where(mask, values, x), with values like x"
            )
    assign(x, np.where(spread(x, mask), cast(value, x.dtype), own(x)), "assignment to an index")


def _augmented(name: str, symbol: str) -> None:
    function = getattr(operator, name)

    def augment(x: Any, y: Any) -> Any:
        new = function(own(x) if isinstance(x, View) else x, y)
        if not (x.shape or x.boxed) or not isinstance(new, Tracer):
            return new  # NumPy's scalars do not change
        check_cast(x, new.dtype, symbol)
        assign(x, new, symbol)
        return x

    tracer_method(f"__i{name.strip('_')}__")(augment)


for _name, _symbol in {
    "add": "+=", "sub": "-=", "mul": "*=", "truediv": "/=", "floordiv": "//=", "mod": "%=", "pow": "**=", "and_": "&=",
    "or_": "|=", "xor": "^=", "lshift": "<<=", "rshift": ">>=", "matmul": "@=",
}.items():  # fmt: skip
    _augmented(_name, _symbol)

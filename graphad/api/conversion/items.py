"""Assignment to elements, and in place, at run time."""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from graphad.api.conversion.dispatch import is_plain, special
from graphad.api.conversion.dispatch import update as updated
from graphad.api.conversion.functions import call
from graphad.api.conversion.guarded import guarded
from graphad.api.conversion.ledger import changing
from graphad.api.conversion.parts import in_part
from graphad.build import Builder
from graphad.numpy.adopted import made
from graphad.numpy.arguments import holds_tracer, recorded
from graphad.numpy.buffers import Buffer, become, outside, root_of, stays, tracked, writable
from graphad.numpy.flat import Flat
from graphad.numpy.index_arrays import OBJECTS
from graphad.numpy.masked import mask_for
from graphad.numpy.moving import Moving, read
from graphad.numpy.outside import Watched
from graphad.numpy.slices import moves
from graphad.numpy.updates import At
from graphad.numpy.views import OUTSIDE, Fixed, View, assign, origin_of, own
from graphad.ops.shape import reshape
from graphad.trace import Tracer

INPLACE: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "Add": (operator.iadd, operator.add), "Sub": (operator.isub, operator.sub), "Mult": (operator.imul, operator.mul),
    "Div": (operator.itruediv, operator.truediv), "FloorDiv": (operator.ifloordiv, operator.floordiv),
    "Mod": (operator.imod, operator.mod), "Pow": (operator.ipow, operator.pow),
    "MatMult": (operator.imatmul, operator.matmul), "LShift": (operator.ilshift, operator.lshift),
    "RShift": (operator.irshift, operator.rshift), "BitAnd": (operator.iand, operator.and_),
    "BitOr": (operator.ior, operator.or_), "BitXor": (operator.ixor, operator.xor),
}  # fmt: skip


def setitem(value: Any, x: Any, index: Any, name: str | None = None) -> None:
    """`x[index] = value`, where `x` is the variable of that name. An array that converted code has made becomes a
    traced one where the value or the index is traced, or the statement may not run."""
    index, x = mask_for(index), tracked(x)
    if isinstance(x, Tracer):
        if name is not None:
            x.__dict__.setdefault("label", name)
        x[index] = value  # type: ignore[index]
    elif type(x) is Buffer:
        if holds_tracer((value, index)) or not stays(x):
            become(x).__dict__.setdefault("label", name)
        x[index] = value
    elif isinstance(x, np.ndarray):
        outside(lambda: guarded(operator.setitem)(writable(x, ()), index, value))
    elif type(x) in (np.flatiter, Flat):
        _flat(x, index, value)
    else:
        changing(x)
        method = special(x, "__setitem__")
        if method is None:
            guarded(operator.setitem)(x, index, value)
        else:
            method(index, value)


def _flat(x: Any, index: Any, value: Any) -> None:
    """`a.flat[index] = value`."""
    array = x.base
    array = writable(array, (value, index))
    if isinstance(array, Tracer):
        new = At(reshape(own(array), (-1,)))[index].set(value)
        assign(array, reshape(new, array.shape), "flat")
    else:
        outside(lambda: guarded(operator.setitem)(x, index, value))


def getitem(x: Any, index: Any) -> Any:
    """`x[index]`; a NumPy array is read at a traced index too, and `np.r_` and `np.c_` join traced values."""
    if type(index) is int and isinstance(x, (Tracer, np.ndarray)):
        return x[index]
    if isinstance(index, Moving) and isinstance(x, np.ndarray):
        return recorded(x)[index]
    index = mask_for(index)
    if (x is np.r_ or x is np.c_) and holds_tracer((index,)):
        x = OBJECTS["r_" if x is np.r_ else "c_"]
    if isinstance(x, np.ndarray) and not isinstance(x, Tracer) and holds_tracer((index,)):
        if moves(index):
            return read(become(x) if type(x) is Buffer else Fixed(recorded(x)), index)
        found = recorded(x)[index]
        if not isinstance(found, View):
            return found
        if type(x) is Buffer:
            return become(x)[index]
        found.origin = Fixed(found.origin)
        return found
    method = special(x, "__getitem__")
    if method is not None:
        return method(index)
    return missing(x, index) if isinstance(x, dict) and index not in x else x[index]


def missing(x: dict[Any, Any], index: Any) -> Any:
    """`x[index]` of a dict that has no such entry."""
    method = special(x, "__missing__")
    if method is not None:
        return method(index)
    if not isinstance(x, defaultdict) or x.default_factory is None:
        return x[index]  # raises
    changing(x)[index] = value = made(call(x.default_factory)())
    return value


def update(op: str, old: Any, value: Any, x: Any, index: Any, name: str | None = None) -> None:
    """`x[index] op= value`, where `x[index]` is `old`."""
    new = inplace(op, old, value)
    if new is old and isinstance(old, Buffer) and isinstance(x, Buffer) and root_of(old) is root_of(x):
        return  # the view wrote through
    setitem(new, x, index, name)


def inplace(op: str, x: Any, value: Any) -> Any:
    """What `x` is after `x op= value`. An array keeps its dtype, as in NumPy."""
    in_place, plain = INPLACE[op]
    x = tracked(x)
    if type(x) is Buffer:
        return in_place(become(x) if holds_tracer((value,)) or not stays(x) else x, value)
    if isinstance(x, np.ndarray) and not isinstance(x, Tracer) and (in_part() or isinstance(value, Tracer)):
        if not x.shape:
            return plain(x, value)
        return outside(lambda: in_place(writable(x, ()), value))
    return in_place(x, value) if is_plain(x) and is_plain(value) else updated(op, x, value, in_place)


def identity(x: Any, builder: Builder | None) -> Any:
    """The array whose elements a value has: itself, or what it is a view of. `None` for numbers, `OUTSIDE` for an array
    that was not made in this call, or cannot be written to."""
    if isinstance(x, Tracer):
        if not (x.shape or x.boxed):
            return None
        return origin_of(x)
    if isinstance(x, Buffer):
        whole = root_of(x)
        if not inside_of(whole, builder) and not np.ndarray.view(whole, np.ndarray).flags.writeable:
            return OUTSIDE
        return whole if inside_of(whole, builder) else become(whole)
    return OUTSIDE if isinstance(x, np.ndarray) and x.shape else None


def watched(values: Iterable[Any]) -> Watched:
    """Those of some values that are arrays of NumPy's own."""
    return Watched([x for x in values if isinstance(x, np.ndarray) and not isinstance(x, Buffer) and x.shape])


def inside_of(root: Any, builder: Builder | None) -> bool:
    """Whether an array was made in the piece of a builder."""
    home = root.builder if isinstance(root, Tracer) else getattr(root, "home", None)
    return home is builder

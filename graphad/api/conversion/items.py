"""Assignment to elements, and in place, at run time."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.api.conversion.parts import in_part, shown
from graphad.build import current_builder
from graphad.errors import ControlFlowError
from graphad.numpy._register import holds_tracer, recorded
from graphad.numpy.inplace import View, assign, own
from graphad.numpy.places import OBJECTS
from graphad.trace import Tracer, lift

_INPLACE: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "Add": (operator.iadd, operator.add), "Sub": (operator.isub, operator.sub), "Mult": (operator.imul, operator.mul),
    "Div": (operator.itruediv, operator.truediv), "FloorDiv": (operator.ifloordiv, operator.floordiv),
    "Mod": (operator.imod, operator.mod), "Pow": (operator.ipow, operator.pow),
    "MatMult": (operator.imatmul, operator.matmul), "LShift": (operator.ilshift, operator.lshift),
    "RShift": (operator.irshift, operator.rshift), "BitAnd": (operator.iand, operator.and_),
    "BitOr": (operator.ior, operator.or_), "BitXor": (operator.ixor, operator.xor),
}  # fmt: skip


class Changed(Tracer):
    """What a piece that may not run makes of an array from outside of it: the array `origin` with other elements."""

    __slots__ = ("origin",)

    def __init__(self, new: Tracer, origin: Tracer) -> None:
        super().__init__(new.builder, new.value)
        self.origin = origin


def changed(x: Tracer, new: Any) -> Tracer:
    """The array `x` with the elements of `new`: itself where it belongs to the code that runs, so that all its aliases
    and views see them; else what stands for it within a piece that may not run."""
    if x.builder is current_builder():
        assign(x, new, "assignment")
        return x
    if isinstance(x, View):
        raise ControlFlowError(
            f"a view {x.type} of an array around a branch or a loop is written to{shown()}; write to the array itself"
        )
    return Changed(new, x.origin if isinstance(x, Changed) else x)


def setitem(value: Any, x: Any, index: Any) -> Any:
    """What `x` is after `x[index] = value`.

    A NumPy array becomes a traced one where the value or the index is traced, or the statement may not run.
    """
    if isinstance(x, Tracer) and x.builder is not current_builder():
        inner = own(x)
        inner = Tracer(current_builder(), lift(current_builder(), inner))  # type: ignore[arg-type]
        inner[index] = value  # type: ignore[index]
        return changed(x, inner)
    if isinstance(x, np.ndarray) and (in_part() or holds_tracer((value, index))):
        x = recorded(x.copy())
    x[index] = value
    return x


def getitem(x: Any, index: Any) -> Any:
    """`x[index]`; a NumPy array is read at a traced index too, and `np.r_` and `np.c_` join traced values."""
    if (x is np.r_ or x is np.c_) and holds_tracer((index,)):
        x = OBJECTS["r_" if x is np.r_ else "c_"]
    if isinstance(x, np.ndarray) and holds_tracer((index,)):
        return recorded(x)[index]
    return x[index]


def put(value: Any, root: Any, path: Sequence[tuple[str, Any]]) -> Any:
    """What `root` is after an assignment to `root.a[i].b[j]`, whose attributes and subscripts are `path`."""
    (kind, key), *rest = path
    if rest:
        child = getattr(root, key) if kind == "." else root[key]
        new = put(value, child, rest)
        if new is child:
            return root
        value = new
    if kind == ".":
        setattr(root, key, value)
        return root
    return setitem(value, root, key)


def put_outer(value: Any, root: Any, path: Sequence[tuple[str, Any]], name: str) -> None:
    """An assignment to elements of what the function cannot rebind: a global, or a variable around it."""
    if put(value, root, path) is not root:
        raise ControlFlowError(
            f"an element of the array `{name}` is assigned{shown()}, which belongs to code around the converted "
            "function and would not see a traced value; pass the array as an argument and return the new one"
        )


def inplace(op: str, x: Any, value: Any) -> Any:
    """What `x` is after `x op= value`. An array keeps its dtype, as in NumPy."""
    in_place, plain = _INPLACE[op]
    if isinstance(x, Tracer) and x.shape and x.builder is not current_builder():
        inner = Tracer(current_builder(), lift(current_builder(), own(x)))  # type: ignore[arg-type]
        return changed(x, in_place(inner, value))
    if isinstance(x, np.ndarray) and (in_part() or isinstance(value, Tracer)):
        return in_place(recorded(x.copy()), value) if x.shape else plain(x, value)
    return in_place(x, value)

"""Ops by simpler ones: in other array namespaces, functions of SciPy's, and plain functions of the user's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from inspect import signature
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError, TypeMismatchError
from graphad.families import COMPOSED, SEARCHED
from graphad.graph import Constant, Graph, Value
from graphad.location import place
from graphad.op import Op
from graphad.ops.programs import evaluate_region
from graphad.registry import LATER
from graphad.trace import trace_flat
from graphad.types import DType, TensorType

DECOMPOSED = frozenset(COMPOSED.split())
"""The functions of `scipy.special` that `graphad.ops.compositions` makes up of simpler ones: their ops decompose."""
EVALUATED = DECOMPOSED.union(SEARCHED.split())
"""Those that it computes in other array namespaces: in loops too, which take longer than a call of SciPy's."""


def by_decomposition(op: Op, xp: Any, xs: Sequence[Any], rule: str = "decompose") -> Any:
    """The results of an op that `decompose` gives, or another method, computed with the array namespace `xp`."""
    types = tuple([TensorType(np.dtype(x.dtype), x.shape) for x in xs])
    return evaluate_region(_decomposition(op, types, rule), xp, xs)


@lru_cache(maxsize=1024)
def _decomposition(op: Op, types: tuple[TensorType, ...], rule: str = "decompose") -> Graph:
    def whole(xs: Sequence[Any]) -> list[Any]:
        found = getattr(op, rule)(*xs)
        return list(found) if isinstance(found, tuple) else [found]

    return trace_flat(whole, types, name=op.name).graph


def derived(op: Op, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The `jvp` of an op by the rules of those that it decomposes into."""
    graph = _decomposition(op, tuple([TensorType(x.dtype, x.shape) for x in primals]))
    values: dict[Value, Any] = dict(zip(graph.inputs, primals, strict=True))
    moved: dict[Value, Any] = dict(zip(graph.inputs, tangents, strict=True))
    for node in graph.nodes:
        xs = [v.array if isinstance(v, Constant) else values[v] for v in node.inputs]
        changes = [moved.get(v) for v in node.inputs]
        found = node.op(*xs)
        slopes = node.op.jvp(found, xs, changes) if any([t is not None for t in changes]) else None
        single = len(node.outputs) == 1
        values.update(zip(node.outputs, (found,) if single else found, strict=True))
        if slopes is not None:
            moved.update(zip(node.outputs, (slopes,) if single else slopes, strict=True))
    (result,) = graph.outputs
    return moved.get(result)


class Plain:
    """A plain function of the elements of arrays, written with NumPy's functions, as if it were a ufunc: its operands
    are cast to the dtype that they have in common, and its result has the dtype that the function gives."""

    def __init__(self, function: Callable[..., Any], name: str | None) -> None:
        self.function: Callable[..., Any] = function
        self.__name__: str = name or str(getattr(function, "__name__", ""))
        if not callable(function) or not self.__name__.isidentifier():
            raise TypeMismatchError(
                f"elementwise: {function!r} is no function with a name{place()}; give a function of arrays, and name= "
                "where it has none"
            )
        self.nin = len(signature(function).parameters)

    def resolve_dtypes(self, kinds: Sequence[Any]) -> tuple[DType, ...]:
        common = np.result_type(*[kind(1) if isinstance(kind, type) else kind for kind in kinds[:-1]])
        scalar = TensorType(common)
        (result,) = trace_flat(lambda xs: [self.function(*xs)], [scalar] * self.nin, name=self.__name__).graph.outputs
        if result.type.shape:
            raise TypeMismatchError(f"{self.__name__} gives {result.type} of numbers, and should give a number")
        return *[common] * self.nin, result.type.dtype

    def __call__(self, *xs: Any) -> Any:
        dtype = self.resolve_dtypes([*[x.dtype for x in xs], None])[-1]
        return np.asarray(self.function(*xs)).astype(dtype, copy=False)

    def decompose(self, op: Any, *xs: Any) -> Any:
        """What the op of the function decomposes into."""
        return LATER["ops.cast"](self.function(*xs), op.result_dtypes(*[x.dtype for x in xs])[-1])


def composed(op: Any, *xs: Any) -> Any:
    """The `decompose` of a function of SciPy's that simpler ones make up: it is computed in float64."""
    cast, compositions = LATER["ops.cast"], LATER["ops.compositions"]
    result = op.result_dtypes(*[x.dtype for x in xs])[-1]
    if result.kind == "c":
        raise MissingRuleError(f"{op.name} of complex numbers has no decomposition into simpler ops")
    return cast(compositions[op.name](*[cast(x, np.dtype("f8")) for x in xs]), result)


class LazyUfunc:
    """Loads a SciPy ufunc when it is first used, since importing graphad must not import SciPy."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: Any) -> Any:
        import scipy.special

        found = getattr(scipy.special, self.name, None)
        # Under SciPy's switch for the array API its ufuncs stand behind functions.
        owner.ufunc = found if isinstance(found, np.ufunc) else getattr(scipy.special._ufuncs, self.name)
        return owner.ufunc


__all__ = ["DECOMPOSED", "EVALUATED", "LazyUfunc", "Plain", "by_decomposition", "composed", "derived"]

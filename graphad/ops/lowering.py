"""Ops by simpler ones in other array namespaces; functions of SciPy that have such forms or are loaded when used."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError
from graphad.families import COMPOSED as NAMES
from graphad.graph import Graph
from graphad.op import Op
from graphad.ops.programs import evaluate_region
from graphad.registry import LATER
from graphad.trace import trace_flat
from graphad.types import TensorType

COMPOSED = frozenset(NAMES.split())
"""The functions of `scipy.special` that `graphad.ops.compositions` makes up of simpler ones."""


def by_decomposition(op: Op, xp: Any, xs: Sequence[Any]) -> Any:
    """The results of an op that `decompose` gives, computed with the array namespace `xp`."""
    return evaluate_region(_decomposition(op, tuple([TensorType(np.dtype(x.dtype), x.shape) for x in xs])), xp, xs)


@lru_cache(maxsize=1024)
def _decomposition(op: Op, types: tuple[TensorType, ...]) -> Graph:
    def whole(xs: Sequence[Any]) -> list[Any]:
        found = op.decompose(*xs)
        return list(found) if isinstance(found, tuple) else [found]

    return trace_flat(whole, types, name=op.name).graph


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


__all__ = ["COMPOSED", "LazyUfunc", "by_decomposition", "composed"]

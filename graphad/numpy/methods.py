"""The methods and properties that arrays have and whose arguments differ from those of NumPy's functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.numpy._register import operand, tracer_method
from graphad.numpy.manipulation import ravel
from graphad.numpy.misc import round_
from graphad.ops.elementwise import cast
from graphad.trace import Tracer


@tracer_method("flatten")
def _flatten(x: Any, order: str = "C") -> Any:
    return _own(ravel(x, order), x)


@tracer_method("astype")
def _astype(
    x: Any, dtype: Any, order: Any = "K", casting: Any = "unsafe", subok: bool = True, copy: bool = True
) -> Any:
    found = cast(x, dtype)
    return _own(found, x) if copy else found


@tracer_method("copy")
def _copy(x: Any, order: str = "C") -> Any:
    return _own(x, x)


def _own(found: Any, x: Any) -> Any:
    """An array of its own, where nothing was computed."""
    return Tracer(x.builder, x.value, x.weak) if found is x or found.value is x.value else found


@tracer_method("clip")
def _clip(x: Any, min: Any = None, max: Any = None, out: Any = None) -> Any:
    return np.clip(x, min, max, out)


@tracer_method("conj")
def _conj(x: Any) -> Any:
    return np.conjugate(x)


@tracer_method("__round__")
def _round(x: Any, ndigits: int | None = None) -> Any:
    return round_(x, ndigits or 0)


@tracer_method("compress")
def _compress(x: Any, condition: Any, axis: int | None = None, out: Any = None) -> Any:
    return np.compress(operand(condition), x, axis, out)


def _bind() -> None:
    properties = {
        "flat": ravel,
    }
    methods = {
        "conjugate": _conj,
        "__abs__": lambda x: np.absolute(x),
    }
    for name, getter in properties.items():
        setattr(Tracer, name, property(getter))
    for name, method in methods.items():
        setattr(Tracer, name, method)


_bind()

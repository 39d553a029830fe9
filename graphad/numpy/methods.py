"""The methods and properties that arrays have and whose arguments differ from those of NumPy's functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import TypeMismatchError
from graphad.numpy.arguments import operand
from graphad.numpy.creation import converted, copied
from graphad.numpy.dispatch import tracer_method
from graphad.numpy.layouts import asked, laid
from graphad.numpy.manipulation import ravel
from graphad.numpy.misc import round_
from graphad.trace import Tracer
from graphad.types import Array


@tracer_method("flatten")
def _flatten(x: Any, order: str = "C") -> Any:
    found = ravel(x, order)
    return copied(x) if found is x or found.value is x.value else found


@tracer_method("astype")
def _astype(
    x: Any, dtype: Any, order: Any = "K", casting: Any = "unsafe", subok: bool = True, copy: bool = True
) -> Any:
    if not np.can_cast(x.dtype, dtype, casting):
        raise TypeMismatchError(
            f"astype: {x.type} cannot be cast to {np.dtype(dtype)} according to the rule {casting!r}"
        )
    found = converted(x, dtype)
    if found is x:
        return copied(x, order) if copy else x
    found.boxed = x.boxed
    return laid(found, asked(x, order))


@tracer_method("copy")
def _copy(x: Array, order: str = "C") -> Array:
    return copied(x, order)


tracer_method("__copy__")(copied)


@tracer_method("__deepcopy__")
def _deepcopy(x: Any, memo: Any) -> Any:
    return copied(x)




@tracer_method("clip")
def _clip(x: Any, min: Any = None, max: Any = None, out: Any = None) -> Any:
    return np.clip(x, min, max, out)


@tracer_method("conj")
def _conj(x: Array) -> Array:
    return np.conjugate(x) if x.dtype.kind == "c" else x




@tracer_method("__contains__")
def _contains(x: Any, value: Any) -> bool:
    if not (x.shape or x.boxed):
        raise TypeError(f"argument of type {'float' if x.weak else str(x.dtype)!r} is not iterable")
    return bool(np.any(x == value))


@tracer_method("__round__")
def _round(x: Any, ndigits: int | None = None) -> Any:
    return round_(x, ndigits or 0)


@tracer_method("is_integer")
def _is_integer(x: Any) -> Any:
    """Whether a number has no fraction, as Python's float tells it."""
    return np.logical_and(np.isfinite(x), np.floor(x) == x)


@tracer_method("as_integer_ratio")
def _as_integer_ratio(x: Any) -> Any:
    return float(x).as_integer_ratio()


@tracer_method("__trunc__")
def _trunc(x: Any) -> Any:
    return int(x)


@tracer_method("hex")
def _hex(x: Any) -> Any:
    return float(x).hex()


@tracer_method("compress")
def _compress(x: Any, condition: Any, axis: int | None = None, out: Any = None) -> Any:
    return np.compress(operand(condition), x, axis, out)


setattr(Tracer, "conjugate", _conj)  # noqa: B010

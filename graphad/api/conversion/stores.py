"""Functions and methods that assign: `operator.setitem`, `operator.iadd`, `a.__setitem__`, `setattr` and their like."""

from __future__ import annotations

import builtins
import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from graphad.api.conversion.dispatch import assign
from graphad.api.conversion.functions import REPLACED
from graphad.api.conversion.items import INPLACE, getitem, inplace, setitem
from graphad.api.conversion.ledger import changing
from graphad.api.conversion.scope import PARTS
from graphad.errors import TracerError
from graphad.location import place
from graphad.numpy.buffers import Buffer, lay_out, outside, stays, writable
from graphad.numpy.reshaping import set_shape
from graphad.trace import Tracer


def set_part(value: Any, x: Any, name: str) -> None:
    """`x.name = value`, where a part of an array may have that name."""
    if name in _LAYOUT and isinstance(x, np.ndarray):
        _laid_out(x, name, value)
    elif type(x) is np.ndarray:
        outside(lambda: setattr(writable(x, ()), name, value))
    elif isinstance(x, np.ndarray):
        setattr(writable(x, (value,)), name, value)
    else:
        assign(value, changing(x), name)


_LAYOUT = ("dtype", "shape", "strides")


def _laid_out(x: Any, name: str, value: Any) -> None:
    if isinstance(x, Tracer) or (type(x) is Buffer and not stays(x)):
        if name == "shape":
            set_shape(writable(x, ()), value)
            return
        raise TracerError(
            f".{name} = of an array that holds traced values, or in a branch or a loop that may not run{place()}; "
            "write a = a.astype(dtype)"
        )
    target = writable(x, ())
    if name == "shape":
        lay_out(target, value)
    else:
        setattr(target, name, value)


def _setattr(x: Any, name: str, value: Any, /) -> None:
    if name in PARTS:
        set_part(value, x, name)
    else:
        assign(value, changing(x), name)


def _delattr(x: Any, name: str, /) -> None:
    delattr(changing(x), name)


def _setitem(x: Any, index: Any, value: Any, /) -> None:
    setitem(value, x, index)


def _delitem(x: Any, index: Any, /) -> None:
    operator.delitem(changing(x), index)


METHODS: dict[str, Callable[..., Any]] = {
    "__setitem__": _setitem, "__getitem__": getitem, "__delitem__": _delitem,
    **{f"__{function.__name__}__": partial(inplace, kind) for kind, (function, _) in INPLACE.items()},
}  # fmt: skip


def storing(method: Any) -> Callable[..., Any]:
    """A special method of an array, a list or a dict, as a function of its other arguments."""
    function = METHODS.get(method.__name__)
    return method if function is None else partial(function, method.__self__)


def install() -> None:
    """Fill the table of what converted code calls in place of functions that assign."""
    REPLACED.update({operator.setitem: _setitem, operator.getitem: getitem, operator.delitem: _delitem})
    REPLACED.update({builtins.setattr: _setattr, builtins.delattr: _delattr})
    for kind, (function, _) in INPLACE.items():
        REPLACED[function] = partial(inplace, kind)
    for cls in (np.ndarray, list, dict):
        for name, function in METHODS.items():
            if name in vars(cls):
                REPLACED[vars(cls)[name]] = function


install()

"""What Python's own functions of numbers make of traced values: `float`, the module `math`, random numbers."""

from __future__ import annotations

import builtins
import functools
import math
import random
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.api.conversion.functions import REPLACED
from graphad.api.conversion.parts import in_part, shown, staged, truth, unknown
from graphad.errors import ControlFlowError, TypeMismatchError
from graphad.ops.elementwise import cast
from graphad.ops.shape import reshape
from graphad.trace import Tracer
from graphad.types import COMPLEX128, FLOAT64, INT64

_RENAMED = {
    "acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan", "atan2": "arctan2",
    "atanh": "arctanh", "fabs": "absolute", "pow": "power",
}  # fmt: skip
_NAMES = (
    "cbrt", "copysign", "cos", "cosh", "degrees", "exp", "exp2", "expm1", "fmod", "isfinite", "isinf", "isnan", "log10",
    "log1p", "log2", "radians", "sin", "sinh", "sqrt", "tan", "tanh",
)  # fmt: skip
_SEEDED: deque[Any] = deque(maxlen=64)
"""The latest generators that traced functions made with a seed; NumPy's take no weak references."""
_QUIET = ("seed", "spawn", "getstate", "setstate", "get_state", "set_state")
"""Methods of generators that draw nothing."""
_SPECIAL = {"erf": "erf", "erfc": "erfc", "gamma": "gamma", "lgamma": "gammaln"}


def _scalar(x: Any, what: str) -> Any:
    """A number for Python: an array of one element as its element. Raises `TypeMismatchError`."""
    if not isinstance(x, Tracer) or not x.shape:
        return x
    if x.size != 1:
        raise TypeMismatchError(f"{what} of a traced {x.type}{shown()}: it takes a number; use NumPy's for arrays")
    return reshape(x, ())


def _number(original: type, dtype: Any) -> Callable[..., Any]:
    @functools.wraps(original, updated=())
    def number(*args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and (unknown(args[0]) if dtype.kind == "i" else isinstance(args[0], Tracer)):
            return cast(_scalar(args[0], f"{original.__name__}()"), dtype)
        return original(*args, **kwargs)

    return number


def _truth(*args: Any) -> Any:
    return truth(args[0], "bool()") if len(args) == 1 else bool(*args)


def _complex(*args: Any, **kwargs: Any) -> Any:
    if not any([unknown(x) for x in args]):
        return complex(*args, **kwargs)
    real, *imaginary = [_scalar(x, "complex()") for x in args]
    return cast(real, COMPLEX128) + 1j * imaginary[0] if imaginary else cast(real, COMPLEX128)


def _mathematical(original: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of `math`: NumPy's function of traced numbers."""

    @functools.wraps(original)
    def mathematical(*args: Any) -> Any:
        if any([isinstance(x, Tracer) for x in args]):
            return function(*[_scalar(x, f"math.{original.__name__}") for x in args])
        return original(*args)

    return mathematical


def _log(x: Any, base: Any = None) -> Any:
    return np.log(x) if base is None else np.log(x) / np.log(base)


def _hypot(*xs: Any) -> Any:
    return functools.reduce(np.hypot, xs)


def _special(name: str) -> Callable[..., Any]:
    def function(x: Any) -> Any:
        from scipy import special

        return getattr(special, name)(x)

    return function


def refuse_random(f: Any) -> None:
    """Raise `ControlFlowError` where a graph would hold random numbers that are drawn once, while tracing, and so the
    same in every call or iteration. What a generator draws that the function itself has seeded is so in Python too."""
    if f.__name__ in _QUIET or not type(f.__self__).__module__.startswith(("numpy.random", "random")):
        return
    if in_part() or (staged() and not any([f.__self__ is x for x in _SEEDED])):
        where, when = ("in a branch or a loop that is traced", "iteration") if in_part() else ("under jit", "call")
        raise ControlFlowError(
            f"{f.__name__}() draws random numbers {where}{shown()}, which would be the same in every {when}; draw them "
            "before it and pass them as an argument, or use graphad.random with a key"
        )


def _seeded(make: Any) -> Any:
    """A maker of generators, which remembers those that are made under jit with a seed."""

    @functools.wraps(make, updated=())
    def seeded(*args: Any, **kwargs: Any) -> Any:
        generator = make(*args, **kwargs)
        if staged() and any(x is not None for x in (*args, *kwargs.values())):
            _SEEDED.append(generator)
        return generator

    return seeded


def install() -> None:
    """Fill the table of what converted code calls in place of these functions."""
    for make in (np.random.default_rng, np.random.RandomState, random.Random):
        REPLACED[make] = _seeded(make)
    REPLACED[builtins.float] = _number(float, FLOAT64)
    REPLACED[builtins.int] = _number(int, INT64)
    REPLACED[builtins.complex] = _complex
    REPLACED[builtins.bool] = _truth
    table: dict[str, Callable[..., Any]] = {name: getattr(np, name) for name in _NAMES if hasattr(math, name)}
    table |= {name: getattr(np, other) for name, other in _RENAMED.items()}
    table |= {name: _special(other) for name, other in _SPECIAL.items()}
    table |= {"log": _log, "hypot": _hypot}
    for name in ("floor", "ceil", "trunc"):
        table[name] = functools.partial(lambda function, x: cast(function(x), INT64), getattr(np, name))
    for name, function in table.items():
        REPLACED[getattr(math, name)] = _mathematical(getattr(math, name), function)


install()

"""What converted code calls for NumPy's functions and methods: lists of traced values are arrays too, and an array that
is written to becomes a traced one where it has to."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from functools import cache, wraps
from importlib import import_module
from importlib.util import find_spec
from types import BuiltinFunctionType, MethodType
from typing import Any

import numpy as np

from graphad import tree
from graphad.arrays import Unsized
from graphad.build import current_builder
from graphad.numpy.arguments import holds_tracer, operand, recorded
from graphad.numpy.buffers import Buffer, seen, tracked, writable
from graphad.numpy.dispatch import NAMESPACE
from graphad.numpy.mapping import Vectorize
from graphad.numpy.reshaping import resize
from graphad.numpy.writers import WRITERS
from graphad.registry import LATER
from graphad.trace import Tracer


def method_of_array(method: Any) -> Any:
    """What is called for a method of NumPy's arrays: for one that changes the array, and for one that is given traced
    values, of which NumPy's own would make plain ones; None for any other."""
    if method.__name__ in _WRITING:
        return _writing(method)
    if not hasattr(Tracer, method.__name__):
        return None

    def called(*args: Any, **kwargs: Any) -> Any:
        traced = holds_tracer(args) or holds_tracer(kwargs.values())
        found = getattr(recorded(operand(tracked(method.__self__))), method.__name__) if traced else method
        return found(*args, **kwargs)

    return called


def _writing(method: Any) -> Callable[..., Any]:
    def writing(*args: Any, **kwargs: Any) -> Any:
        if method.__name__ == "resize" and isinstance(x := tracked(method.__self__), (Buffer, Tracer)):
            return resize(x, *args, **kwargs)
        x = writable(method.__self__, (*args, *kwargs.values()))
        return getattr(x, method.__name__)(*args, **kwargs)

    return writing


_WRITING = frozenset({"byteswap", "fill", "partition", "put", "resize", "setfield", "sort"})
"""Methods of NumPy's arrays that may change them."""


@cache
def joining(function: Any) -> Callable[..., Any]:
    """A function of NumPy for lists of traced values too, which NumPy itself does not hand on to graphad."""
    traced = NAMESPACE.get(function)
    writes = function in WRITERS
    operands = function.nin if isinstance(function, np.ufunc) else None

    @wraps(function)
    def joined(*args: Any, **kwargs: Any) -> Any:
        if traced is not None and writes:
            return traced(*args, **kwargs)
        if "out" in kwargs or (operands is not None and len(args) > operands):
            _open([kwargs.get("out"), *(args[operands:] if operands is not None else ())], (*args, *kwargs.values()))
        if len(args) == 1 and type(args[0]) is Tracer:
            return (traced or function)(*args, **kwargs)
        if holds_unsized(args):
            return function(*args, **kwargs)
        for x in args:
            # Of some arguments, such as the indices of take, NumPy does not look at the type.
            if traced is not None and isinstance(x, Tracer):
                return traced(*args, **kwargs)
            if isinstance(x, (list, tuple)) and holds_tracer(x):
                if traced is not None:
                    return traced(*args, **kwargs)
                if isinstance(function, np.ufunc):
                    args = tuple([operand(x) if isinstance(x, (list, tuple)) else x for x in args])
                break
        return seen(function(*args, **kwargs), args)

    return joined


def holds_unsized(xs: Sequence[Any]) -> bool:
    """Whether there are, among values or in lists of them, traced arrays of which it is not known how long they are."""
    return any([isinstance(x, Unsized) or (isinstance(x, (list, tuple)) and holds_unsized(x)) for x in xs])


def _open(out: Sequence[Any], args: Sequence[Any]) -> None:
    """Prepare the arrays that a function's results are written to."""
    for x in out:
        if isinstance(x, tuple):
            _open(x, args)
        elif isinstance(x, np.ndarray):
            writable(x, args)


def python_function(f: Any) -> Any:
    """The function of Python's that a ufunc was made of by `numpy.frompyfunc`, None for any other."""
    if type(f) is not np.ufunc or not f.__name__.endswith(" (vectorized)"):
        return None
    return next(filter(callable, gc.get_referents(f)), None)


def vectorized(f: Any, function: Any) -> Callable[..., Any]:
    """A ufunc made of a function of Python's, that is given too."""

    def called(*args: Any, **kwargs: Any) -> Any:
        return Vectorize(function)(*args) if holds_tracer(args) and not kwargs else f(*args, **kwargs)

    return called


def with_arrays(method: Any) -> Callable[..., Any]:
    """A method of a ufunc, for lists of traced values too."""

    def called(*args: Any, **kwargs: Any) -> Any:
        _open([args[0] if method.__name__ == "at" else kwargs.get("out")], args)
        return method(*[operand(x) if isinstance(x, (list, tuple)) and holds_tracer(x) else x for x in args], **kwargs)

    return called


def of_object(f: Any) -> Any:
    """An object of SciPy's or NumPy's that is called, or a method of one: where it is given traced values, that of the
    object that computes with them."""
    owner = f.__self__ if isinstance(f, (MethodType, BuiltinFunctionType)) else f
    make = LATER["scipy.objects"](owner)
    if make is None:
        return f

    def called(*args: Any, **kwargs: Any) -> Any:
        if not (holds_tracer(args) or holds_tracer(kwargs.values())):
            return f(*args, **kwargs)
        _guard(owner)
        ours = make(owner)
        method = ours if owner is f else getattr(ours, f.__name__, None)
        return (f if method is None else method)(*args, **kwargs)

    return called


def met(x: Any, found: Callable[[], Any]) -> Any:
    """Note for guards that a trace has met an object, which `found` gives; answers it."""
    builder = current_builder()
    if builder is not None and builder.entered is not None:
        builder.entered[id(x)] = found
    return x


def _guard(x: Any) -> None:
    """Let guards look at the arrays that an object holds."""
    names = {*getattr(x, "__dict__", {}), *[name for cls in type(x).__mro__ for name in getattr(cls, "__slots__", ())]}
    for held in tree.leaves([getattr(x, name, None) for name in names]):
        if isinstance(held, np.ndarray):
            met(held, lambda held=held: held)  # type: ignore[misc]


def of_distribution(x: Any) -> Any:
    """The distribution of `graphad.scipy.stats` for one of SciPy's, with its parameters if it is frozen."""
    if hasattr(x, "dist") and hasattr(x, "args"):
        ours = LATER["scipy.distributions"].get(getattr(x.dist, "name", ""))
        return x if ours is None else ours(*x.args, **x.kwds)
    name = getattr(x, "name", None) or type(x).__name__.removesuffix("_gen")
    original = getattr(sys.modules["scipy.stats"], name, None)
    return LATER["scipy.distributions"].get(name, x) if original is x else x


def of_scipy(f: Any) -> Any:
    """The function of `graphad.scipy` for one of SciPy, None where there is none."""
    return _in_scipy(f) if (f.__module__ or "").startswith("scipy.") else None


_DEEPER = ("scipy.sparse.linalg", "scipy.spatial.distance")
"""The modules of SciPy within others that graphad has."""


@cache
def _in_scipy(f: Any) -> Any:
    parts = f.__module__.split(".")
    place = ".".join(parts[: 3 if ".".join(parts[:3]) in _DEEPER else 2])
    if find_spec(f"graphad.{place}") is None:
        return None
    traced = LATER["scipy.functions"].get(place, {})
    found = vars(import_module(f"graphad.{place}")).get(f.__name__) or traced.get(f.__name__)
    if found is None and place == "scipy.special":
        # Under SciPy's switch for the array API its ufuncs stand behind functions.
        found = getattr(import_module("scipy.special._ufuncs"), f.__name__, None)
    return found if getattr(sys.modules[place], f.__name__, None) is f else None

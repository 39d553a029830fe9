"""Random numbers of NumPy's and Python's generators in converted code.

In a trace that runs at once they are drawn at once. Elsewhere they are drawn where the compiled code reaches them, at
every run: the generator's state moves on as in Python, and the numbers are those that Python gives.
"""

from __future__ import annotations

import copy
import functools
import random
import sys
from collections import deque
from collections.abc import Callable, Iterable
from types import BuiltinMethodType, MethodType
from typing import Any

import numpy as np

from graphad import tree
from graphad.api.conversion.functions import REPLACED, convert
from graphad.api.conversion.ledger import changing, reading
from graphad.api.conversion.parts import in_part, is_number, is_weak, staged
from graphad.api.conversion.paths import path
from graphad.errors import ControlFlowError
from graphad.location import is_internal, locate, place, user_location
from graphad.numpy.arguments import holds_tracer
from graphad.ops.draws import Draw, no_path
from graphad.trace import Tracer, apply
from graphad.types import type_of

_SEEDED: deque[Any] = deque(maxlen=64)
"""The latest generators that traced functions made with a seed; NumPy's take no weak references."""
_GLOBAL = (np.random.normal.__self__, random.normalvariate.__self__)  # type: ignore[attr-defined]
"""The generators that every program has."""
_SETTING = ("seed", "set_state", "setstate")
"""Methods that set the state, and give nothing."""


def drawing(method: Any) -> Callable[..., Any] | None:
    """What converted code calls in place of a generator's method; None for the method itself."""
    generator = method.__self__
    if not type(generator).__module__.startswith(("numpy.random", "random")):
        return None
    # What the function seeds itself is the same in every call in Python too.
    if not staged() or (not in_part() and any([generator is x for x in _SEEDED])):
        if method.__name__ == "shuffle":
            return functools.partial(_shuffled, method)
        return path(method, generator, functools.partial(_at_once, method))

    @functools.wraps(method)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        _check(method, generator, kwargs)
        plain = functools.partial(_record, _by_name(method.__name__), generator)
        follow = path(method, _Recorded(generator), plain)
        return follow(*args, **kwargs)

    return recorded


def _at_once(method: Any, *args: Any, **kwargs: Any) -> Any:
    """A draw whose arguments are known, if they are traced; its numbers may have no derivative in these."""
    leaves, arguments = tree.flatten((args, kwargs))
    use = f"{method.__name__}() of a generator that the function seeds itself"
    given, values = tree.unflatten(arguments, [x.known(use) if isinstance(x, Tracer) else x for x in leaves])
    found = method(*given, **values)
    active = any([isinstance(x, Tracer) and x.builder.active(x.value) for x in leaves])
    if active and any([is_number(x) and type_of(x).differentiable for x in tree.leaves(found)]):
        error = no_path(method.__name__)
        locate(error, user_location())
        raise error
    return found


def _shuffled(method: Any, x: Any, axis: int = 0) -> None:
    """`shuffle`: the entries of a traced array change places as those of NumPy's own would."""
    if isinstance(x, Tracer) and type(method.__self__).__module__.startswith("numpy.random"):
        places = np.arange(x.shape[axis])
        method(places)
        x[...] = np.take(x, places, axis=axis)
        return
    reading(changing(x))
    method(x, **({"axis": axis} if axis else {}))


def sampling(method: Any) -> Callable[..., Any]:
    """What converted code calls in place of `rvs` of a distribution of SciPy's, which draws from its random state."""
    ours: Callable[..., Any] = convert(method)
    if not staged():
        return ours

    @functools.wraps(method)
    def sampled(*args: Any, random_state: Any = None, **kwargs: Any) -> Any:
        if holds_tracer(args) or holds_tracer(kwargs.values()):
            return ours(*args, **kwargs)
        state = method.__self__.random_state if random_state is None else random_state
        if not hasattr(state, "bit_generator") and not hasattr(state, "get_state"):
            return method(*args, random_state=state, **kwargs)  # a seed, by which all calls draw the same

        def rvs(generator: Any, *args: Any, **kwargs: Any) -> Any:
            return method(*args, random_state=generator, **kwargs)

        _check(rvs, state, kwargs)
        return _record(rvs, state, *args, **kwargs)

    return sampled


def _check(method: Any, generator: Any, kwargs: dict[str, Any]) -> None:
    """Raise `ControlFlowError` for draws that a graph cannot repeat at every run."""
    name = method.__name__
    where, when = ("in a branch or a loop that is traced", "iteration") if in_part() else ("under jit", "call")
    if name == "shuffle" or kwargs.get("out") is not None:
        raise ControlFlowError(f"{name}() writes random numbers into an array {where}{place()}; use permutation")
    if not _outer(generator):
        raise ControlFlowError(
            f"{name}() draws random numbers {where}{place()} from a generator that may be the function's own, and so "
            f"another one in every {when}; make it where the function is defined or called, or use graphad.random with "
            "a key"
        )


def _outer(generator: Any) -> bool:
    """Whether a generator is one that every program has, or was there before the outermost running trace: a global of
    the code that runs, a variable that the traced function or the code that called it reads."""
    if any([generator is x for x in _GLOBAL]):
        return True
    frames: list[Any] = [sys._getframe(1)]
    while frames[-1].f_back is not None:
        frames.append(frames[-1].f_back)
    traces = [i for i, f in enumerate(frames) if f.f_code.co_name == "trace_flat" and is_internal(f.f_code)]
    start = traces[-1] if traces else 0
    users = [i for i, f in enumerate(frames) if not is_internal(f.f_code)]
    entry = max([i for i in users if i < start], default=-1)
    for i in users:
        frame = frames[i]
        spaces = [frame.f_globals]
        if i > start:
            spaces.append(frame.f_locals)
        elif i == entry:
            spaces.append({name: frame.f_locals.get(name) for name in frame.f_code.co_freevars})
        if any([_leads(x, generator) for space in spaces for x in list(space.values())]):
            return True
    return False


def _leads(x: Any, generator: Any) -> bool:
    """Whether a variable is a generator, or one of its methods."""
    return x is generator or (type(x) in _METHODS and x.__self__ is generator)


_METHODS = (MethodType, BuiltinMethodType, type(_GLOBAL[0].normal))


class _Recorded:
    """A generator whose draws are recorded."""

    def __init__(self, generator: Any) -> None:
        self.generator = generator

    def __getattr__(self, name: str) -> Any:
        return functools.partial(_record, _by_name(name), self.generator)


def _by_name(name: str) -> Callable[..., Any]:
    """A method of any generator, by its name."""

    def method(generator: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(generator, name)(*args, **kwargs)

    method.__name__ = name
    return method


_HOLE, _NUMBER = object(), object()
"""Stand for an argument that comes at run time: an array, or a number of Python's."""


class _Drawing:
    """A method of a generator with its arguments, of which some come at run time: a function of arrays that gives
    arrays."""

    def __init__(self, method: Any, generator: Any, arguments: tree.TreeDef, leaves: list[Any]) -> None:
        self.method, self.generator, self.arguments, self.leaves = method, generator, arguments, leaves
        self.__name__ = method.__name__

    def on(self, generator: Any, values: Iterable[Any]) -> Any:
        """What the method gives of another generator, for these values of the arguments that come at run time."""
        given = iter(values)
        leaves = [next(given) if x is _HOLE else next(given).item() if x is _NUMBER else x for x in self.leaves]
        args, kwargs = tree.unflatten(self.arguments, leaves)
        return self.method(generator, *args, **kwargs)

    def __call__(self, *values: Any) -> Any:
        found = tree.leaves(self.on(self.generator, [x[()] for x in values]))
        return found[0] if len(found) == 1 else found

    def __repr__(self) -> str:
        return str(self.__name__)


def _record(method: Callable[..., Any], generator: Any, *args: Any, **kwargs: Any) -> Any:
    """Record a draw. What it gives is told by a copy of the generator."""
    leaves, arguments = tree.flatten((args, kwargs))
    operands = [x for x in leaves if isinstance(x, Tracer)]
    kept = [x.copy() if isinstance(x, np.ndarray) else x for x in leaves]
    # Python's generators take no numbers of NumPy's.
    number = type(generator).__module__ == "random"
    holes = [(_NUMBER if number or x.weak else _HOLE) if isinstance(x, Tracer) else x for x in kept]
    drawing = _Drawing(method, generator, arguments, holes)
    found = drawing.on(copy.deepcopy(generator), [np.ones(x.shape, x.dtype)[()] for x in operands])
    numbers, treedef = tree.flatten(found)
    if not (all([is_number(x) for x in numbers]) and (numbers or method.__name__ in _SETTING)):
        kind = type(next((x for x in numbers if not is_number(x)), found)).__name__
        raise ControlFlowError(
            f"{method.__name__}() gives a value of type {kind} under jit{place()}, which no graph can hold; call it "
            "outside and pass what it gives as an argument"
        )
    drawn = apply(Draw(drawing, tuple(map(type_of, numbers))), operands)
    results = [Tracer(x.builder, x.value, is_weak(y)) for x, y in zip(drawn, numbers, strict=True)]
    return tree.unflatten(treedef, results)


def _of_global(method: Any) -> Any:
    """A function of `numpy.random` that calls a method of the global generator."""

    @functools.wraps(method)
    def function(*args: Any, **kwargs: Any) -> Any:
        return (drawing(method) or method)(*args, **kwargs)

    return function


def _seeded(make: Any) -> Any:
    """A maker of generators, which remembers those that are made under jit with a seed."""

    @functools.wraps(make, updated=())
    def seeded(*args: Any, **kwargs: Any) -> Any:
        if holds_tracer((*args, *kwargs.values())):
            raise ControlFlowError(
                f"{make.__name__}() is given a traced seed{place()}; use graphad.random, whose keys may be traced: "
                "graphad.random.key(seed)"
            )
        generator = make(*args, **kwargs)
        if staged() and any(x is not None for x in (*args, *kwargs.values())):
            _SEEDED.append(generator)
        return generator

    return seeded


def install() -> None:
    """Fill the table of what converted code calls in place of makers of generators."""
    for make in (np.random.default_rng, np.random.RandomState, random.Random):
        REPLACED[make] = _seeded(make)
    for function, method in ((np.random.seed, "seed"), (np.random.sample, "random_sample"), (np.random.ranf, "random")):
        if not hasattr(function, "__self__"):
            REPLACED[function] = _of_global(getattr(_GLOBAL[0], method))


install()

"""Functions of the user's that SciPy's routines call: graphs of their own arguments and of what they read beside them.

A routine of SciPy iterates on plain numbers, so it runs at run time, with functions that are compiled. What these read
of enclosing traces are operands of the call, and so the derivative of its result can be taken in them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from importlib import import_module
from typing import Any

import numpy as np

from graphad import tree
from graphad.api.call import Invocation, ShapeDtype, run
from graphad.api.compiled import compile
from graphad.api.conversion.callbacks import calling_back, reached
from graphad.api.conversion.functions import call
from graphad.api.conversion.heap import Heap
from graphad.api.jacobians import jacfwd
from graphad.attributes import cached
from graphad.build import current_builder
from graphad.errors import MissingRuleError, ShapeError, TracerError, TypeMismatchError
from graphad.executors.numpy import evaluate
from graphad.graph import Graph
from graphad.location import place
from graphad.numpy.arguments import operand
from graphad.numpy.dispatch import located_errors
from graphad.ops.elementwise import cast
from graphad.scipy.dispatch import TRACED
from graphad.trace import Trace, Tracer, trace_flat
from graphad.types import FLOAT64, TensorType

SCALAR = TensorType(FLOAT64, ())
Values = Sequence[Any]


def routine(module: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: the meaning of SciPy's function of that name where a traced value is among its arguments, or among
    what the functions in them read. Otherwise it is SciPy's own."""
    names = TRACED.setdefault(module, {})

    def decorate(handler: Callable[..., Any]) -> Callable[..., Any]:
        located, name = located_errors(handler), handler.__name__

        @wraps(handler)
        def function(*args: Any, **kwargs: Any) -> Any:
            if current_builder() is None:
                return getattr(import_module(module), name)(*args, **kwargs)
            leaves = tree.leaves((args, kwargs))
            if any([isinstance(x, Tracer) for x in (*leaves, *reached(leaves))]):
                return located(*args, **kwargs)
            return calling_back(getattr(import_module(module), name))(*args, **kwargs)

        names[name] = function
        return function

    return decorate


class Closed:
    """A function as a graph of its own arguments and of `values`, those of all functions of a call together."""

    def __init__(self, graph: Graph, own: int, first: int, eager: bool) -> None:
        self.graph, self.first, self.eager = graph, first, eager
        self.count = len(graph.inputs) - own

    def __call__(self, own: Sequence[Any], values: Values) -> list[Any]:
        """Its results, traced where an operand is."""
        return run(self.graph, [*own, *values[self.first : self.first + self.count]])

    def at(self, xs: Sequence[Any]) -> list[Any]:
        """Its results for arguments and values of its own."""
        return run(self.graph, xs)

    def host(self, values: Values) -> Callable[..., list[Any]]:
        """The function of its own arguments, arrays (of no numbers, which take longer), for given plain values."""
        function = self._executable
        held = [_fresh(x) for x in values[self.first : self.first + self.count]]
        return lambda *own: function(*own, *held)  # type: ignore[no-any-return]

    def derived(self, function: Callable[[Sequence[Any]], list[Any]]) -> Closed:
        """A function of the same arguments and values that is made of this one."""
        kinds = [x.type for x in self.graph.inputs]
        return Closed(trace_flat(function, kinds).graph, len(kinds) - self.count, self.first, self.eager)

    def jacobian(self) -> Closed:
        """The derivative of its first result in its first argument."""
        return self.derived(lambda xs: [jacfwd(lambda x: self.at([x, *xs[1:]])[0])(xs[0])])

    @cached
    def _executable(self) -> Callable[..., Any]:
        if self.eager:
            return lambda *xs: evaluate(self.graph, xs)
        return compile(self.graph).executable


def _fresh(x: Any) -> Any:
    """A copy of an array, whose dtype is NumPy's own object for it: compiled code takes that at once."""
    made = np.empty(np.shape(x), np.asarray(x).dtype.char)
    made[...] = x
    return made


class Functions:
    """The functions of one call of the routine `name`, and the values that they read beside their arguments."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.values: list[Any] = []
        builder = current_builder()
        self.eager = builder is None or not builder.staged

    def add(
        self, fun: Callable[..., Any], own: Sequence[TensorType], args: Any, fit: Callable[[Any], Any],
        given: Callable[..., Sequence[Any]] = lambda *own: own,
    ) -> Closed:  # fmt: skip
        """`fit(fun(*given(*own), *args))`, a list of arrays, closed."""
        function = lambda *xs: fit(callee(fun)(*given(*xs), *args))
        call = Invocation(function, tuple([ShapeDtype(t.shape, t.dtype) for t in own]), {})
        call.repeats = True
        traced = self._traced(fun, call)
        closed = Closed(traced.graph, len(own), len(self.values), self.eager)
        self.values += traced.captures
        return closed

    def _traced(self, fun: Callable[..., Any], call: Invocation) -> Trace:
        """Raises `TracerError` for a function that changes something beside whenever it is called, as a counter: how
        often SciPy calls it is not traced. What the first call alone changes, as a cache, is none of these."""
        for _ in range(2):
            before = Heap([fun])
            traced = call.trace(known=False)
            changed = [c.path for c in (before.resized(), next(before.changes(), None)) if c is not None]
            if not changed:
                return traced
        raise TracerError(
            f"{self.name}: each call of the function changes {changed[0]}{place()}, but graphad traces one call "
            "where SciPy makes many; take counts from the result (nfev), and compute other things from the solution"
        )

    def number(self, found: Any) -> list[Any]:
        """What a function of a number gives, as a real one of double precision."""
        found = operand(found)
        if found.shape:
            raise ShapeError(
                f"{self.name}: the function gives an array of shape {list(found.shape)}{place()}, not one number"
            )
        return [real(found, self.name)]


def callee(fun: Callable[..., Any]) -> Callable[..., Any]:
    """What is called for a function of the user's, or a library's, in the running trace."""
    builder = current_builder()
    return call(fun) if builder is not None and builder.control_flow else fun


def real(x: Any, name: str) -> Any:
    """A real array of double precision. Raises `TypeMismatchError` for a complex one."""
    x = operand(x)
    if x.dtype.kind == "c":
        raise TypeMismatchError(f"{name}: a complex {x.dtype}{place()}; give real and imaginary parts as two numbers")
    return cast(x, FLOAT64)


def arguments(args: Any) -> tuple[Any, ...]:
    """SciPy's `args=`, of which one may stand alone."""
    return args if isinstance(args, tuple) else (args,)


def known_options(name: str, **given: Any) -> dict[str, Any]:
    """Options of a routine, which are plain values. Raises `MissingRuleError` for a traced one."""
    for key, value in given.items():
        if any(isinstance(x, Tracer) for x in tree.leaves(value)):
            raise MissingRuleError(
                f"{name}: {key}= is traced{place()}; it says how the routine works, so give it a known value"
            )
    return given


def spec(shape: Sequence[int] = (), dtype: Any = np.float64) -> ShapeDtype:
    return ShapeDtype(shape, dtype)


def number(closed: Closed, values: Values) -> Callable[[float], float]:
    """A function of a number, for SciPy."""
    function = closed.host(values)
    return lambda x: float(function(np.array(x, float))[0])


def vector(closed: Closed, values: Values) -> Callable[[Any], Any]:
    """A function of a vector, for SciPy."""
    function = closed.host(values)
    return lambda x: np.array(function(np.asarray(x, float))[0])

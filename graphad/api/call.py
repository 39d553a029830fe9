"""One call of a user's function, flattened to arrays, traced and run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad import tree
from graphad.build import current_builder, describe_location, user_location
from graphad.errors import TracerError, TypeMismatchError
from graphad.executors.numpy import evaluate
from graphad.graph import Graph
from graphad.trace import PYTHON_SCALARS, Trace, Tracer, inline, innermost, trace_flat
from graphad.types import TensorType


class ShapeDtype:
    """Shape and dtype of an argument, given to `trace`, `eval_shape` or `compile` in place of an array."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: Sequence[int] | int, dtype: Any = float) -> None:
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        self.dtype = np.dtype(dtype)

    def __repr__(self) -> str:
        return f"ShapeDtype(shape={self.shape}, dtype={self.dtype.name})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ShapeDtype) and (self.shape, self.dtype) == (other.shape, other.dtype)

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype))


def argument_type(x: Any) -> TensorType:
    """The type of an argument leaf. Raises `TypeMismatchError` for what is not an array or a number."""
    if type(x) is np.ndarray:
        return TensorType(x.dtype, x.shape)
    if isinstance(x, Tracer):
        return x.type
    if isinstance(x, ShapeDtype):
        return TensorType(x.dtype, x.shape)
    if isinstance(x, (str, bytes)):
        raise TypeMismatchError(
            f"argument {x!r} ({type(x).__name__}) is not an array or a number{describe_location(user_location())}; "
            "close over it, or mark it with static_argnums"
        )
    array = np.asarray(x)
    try:
        return TensorType(array.dtype, array.shape)
    except TypeMismatchError:
        raise TypeMismatchError(
            f"argument of type {type(x).__name__} is not an array or a number{describe_location(user_location())}; "
            "register its class with graphad.tree.register, or mark it with static_argnums"
        ) from None


def is_weak(x: Any) -> bool:
    """Whether an argument is a Python scalar, or stands for one."""
    return x.weak if isinstance(x, Tracer) else type(x) in PYTHON_SCALARS


def as_array(x: Any) -> Any:
    """An argument leaf as what the graph computes with: traced, or an array of native byte order."""
    if isinstance(x, Tracer):
        return x
    array = x if isinstance(x, np.ndarray) else np.asarray(x)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def converted(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its Python control flow and its calls converted for the running trace, if there is one."""
    builder = current_builder()
    if builder is None or not builder.control_flow:
        return function
    from graphad.api.conversion import convert

    return convert(function)  # type: ignore[no-any-return]


class Call:
    """A function with the arguments of one call: `leaves` in order, `starts[i]` the first leaf of argument `i`."""

    __slots__ = ("function", "leaves", "out_tree", "starts", "treedef", "trees")

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.function = function
        self.leaves: list[Any] = []
        self.starts = [0]
        self.trees = []
        for x in args:
            self.trees.append(tree._flatten(x, self.leaves))
            self.starts.append(len(self.leaves))
        self.treedef = tree._flatten(kwargs, self.leaves) if kwargs else None
        self.out_tree: tree.TreeDef = tree.LEAF

    def argument_leaves(self, i: int) -> range:
        """Positions of the leaves of positional argument `i`."""
        return range(self.starts[i], self.starts[i + 1])

    def names(self) -> list[str | None]:
        """The user's names of the leaves, from the function's signature."""
        code = getattr(self.function, "__code__", None)
        function = self.function
        while code is None and hasattr(function, "__wrapped__"):
            function = function.__wrapped__
            code = getattr(function, "__code__", None)
        parameters = getattr(self.function, "__graphad_names__", None)
        if parameters is None:
            parameters = code.co_varnames[: code.co_argcount] if code else ()
            if hasattr(function, "__func__"):
                parameters = parameters[1:]  # a bound method's own object is no argument of the call
        found: list[str | None] = []
        for i, treedef in enumerate(self.trees):
            name = parameters[i] if i < len(parameters) else None
            n = self.starts[i + 1] - self.starts[i]
            if treedef is tree.LEAF or name is None:
                found += [name] * n
            else:
                found += tree.paths(tree.unflatten(treedef, self.leaves[self.starts[i] : self.starts[i + 1]]), name)
        return found + [None] * (len(self.leaves) - len(found))

    def apply(self, leaves: Sequence[Any]) -> list[Any]:
        """Call the function with other leaves and flatten its result."""
        args = [
            leaves[start] if t is tree.LEAF else tree.unflatten(t, leaves[start : start + t.num_leaves])
            for t, start in zip(self.trees, self.starts, strict=False)
        ]
        kwargs = tree.unflatten(self.treedef, leaves[self.starts[-1] :]) if self.treedef else {}
        results: list[Any] = []
        function = converted(self.function)
        try:
            found = function(*args, **kwargs)
        except (TracerError, NameError) as error:
            builder = current_builder()
            if builder is not None and builder.staged and builder.control_flow:
                from graphad.api.conversion import explain

                explain(error)
            raise
        except ValueError as error:
            # NumPy hides what stopped an assignment to an element behind an error of its own.
            if isinstance(error.__cause__, TracerError):
                raise error.__cause__ from None
            raise
        self.out_tree = tree._flatten(found, results)
        return results

    def trace(self, *, known: bool, control_flow: bool = True) -> Trace:
        """Trace the function for these arguments; with `known`, Python may branch on their values.

        Without `control_flow` its `if`, `while` and `for` are not converted.
        """
        leaves = self.leaves
        return trace_flat(
            self.apply,
            [argument_type(x) for x in leaves],
            names=self.names(),
            weak=[is_weak(x) for x in leaves],
            known=[as_array(x) for x in leaves] if known else None,
            name=getattr(self.function, "__name__", "f").strip("<>"),
            control_flow=control_flow,
        )


def run(graph: Graph, args: Sequence[Any]) -> list[Any]:
    """Run a graph on arrays at once, or record it where an argument is traced."""
    builder = innermost(args)
    if builder is not None:
        return inline(graph, args, builder)
    return evaluate(graph, [as_array(x) for x in args])

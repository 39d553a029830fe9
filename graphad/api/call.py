"""One call of a user's function, flattened to arrays, traced and run."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any

import numpy as np

from graphad import tree
from graphad.api.apart import check, clash
from graphad.arrays import HIDDEN, PYTHON_SCALARS, array_of, is_array
from graphad.build import current_builder, floating_point_errors
from graphad.errors import ControlFlowError, GraphadError, TracerError, TraceWarning, TypeMismatchError
from graphad.executors.numpy import evaluate
from graphad.graph import Graph
from graphad.location import Location, describe_location, place, placed, raised_at, user_location
from graphad.numpy.buffers import Buffer, become, revive
from graphad.numpy.layouts import laid, layout_of
from graphad.numpy.views import lose, origin_of, own
from graphad.refusals import earlier, texts
from graphad.registry import LATER
from graphad.trace import Trace, Tracer, inline, innermost, trace_flat
from graphad.types import TensorType


class ShapeDtype:
    """Shape and dtype of an argument, given to `trace`, `eval_shape` or `compile` in place of an array."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: Sequence[int] | int, dtype: Any = float) -> None:
        self.shape = tuple(shape) if isinstance(shape, Iterable) else (shape,)
        for n in self.shape:
            integer(f"an extent of the shape {shape!r}", n, 0)
        self.dtype = np.dtype(dtype)

    def __repr__(self) -> str:
        return f"ShapeDtype(shape={self.shape}, dtype={self.dtype.name})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ShapeDtype) and (self.shape, self.dtype) == (other.shape, other.dtype)

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype))


_NUMBERS: dict[type, TensorType] = {kind: TensorType(kind) for kind in (float, complex, bool)}


def argument_type(x: Any) -> TensorType:
    """The type of an argument leaf. Raises `TypeMismatchError` for what is not a plain array or a number."""
    found = _NUMBERS.get(type(x))
    if found is not None:
        return found
    if isinstance(x, Tracer):
        return x.type
    if isinstance(x, ShapeDtype):
        return TensorType(x.dtype, x.shape)
    array = array_of(x)
    return TensorType(array.dtype, array.shape)


def is_traceable(x: Any) -> bool:
    """Whether an argument that is not differentiated is traced; flags and what is no array are passed as they are."""
    return isinstance(x, (Tracer, ShapeDtype)) or (type(x) is not bool and is_array(x))


def check_callable(what: str, fun: Any) -> None:
    """Raise `TypeMismatchError` for what should be a function and is none."""
    if not callable(fun) and not isinstance(fun, classmethod):
        raise TypeMismatchError(f"{what}: {fun!r} ({type(fun).__name__}) is not a function{place()}; pass one")


def scalar_type(what: str, x: Any, kinds: str) -> TensorType:
    """The type of a scalar of these kinds of dtype. Raises `TypeMismatchError` for anything else."""
    try:
        kind = argument_type(x)
    except TypeMismatchError as error:
        raise TypeMismatchError(placed(f"{what}: {error}", "pass a number")) from None
    if kind.shape or kind.dtype.kind not in kinds:
        wanted = "integer" if "f" not in kinds else "number"
        remedy = "numpy.any, numpy.all or numpy.where tell one of many" if kind.shape else "cast it with astype"
        raise TypeMismatchError(f"{what} is {kind}{place()}, and should be a scalar {wanted}; {remedy}")
    return kind


def chosen_positions(what: str, given: Any) -> tuple[int, ...]:
    """Positions of arguments, given as one or as several. Raises `TypeMismatchError` for what is no integer."""
    found = tuple(given) if isinstance(given, Iterable) and not isinstance(given, Tracer) else (given,)
    if not all([isinstance(i, (int, np.integer)) for i in found]):
        raise TypeMismatchError(f"{what}={given!r} is no position{place()}; give an integer or several")
    return found


def given_positions(what: str, fun: Any, args: Sequence[Any], chosen: Sequence[int]) -> list[int]:
    """The positions counted from the start. Raises `TypeMismatchError` for one that was not given, or given twice."""
    n = len(args)
    found = [int(i) % n for i in chosen if -n <= i < n]
    if len(found) == len(chosen) and (len(found) == 1 or len(set(found)) == len(found)):
        return found
    for i in chosen:
        if not -n <= i < n:
            name = getattr(fun, "__name__", "the function")
            raise TypeMismatchError(
                f"{what}={i}, but {name} was called with {n} positional arguments{place()}; it counts arguments given "
                "by position, from 0"
            )
    raise TypeMismatchError(f"{what}={tuple(chosen)} names an argument twice{place()}; give each once")


def integer(what: str, x: Any, least: int | None = None) -> int:
    """An integer of Python or NumPy. Raises `TypeMismatchError` for anything else, and below `least`."""
    if not isinstance(x, (int, np.integer)) or (least is not None and x < least):
        wanted = "an integer" if least is None else f"an integer of at least {least}"
        raise TypeMismatchError(f"{what} is {x!r} ({type(x).__name__}){place()}, and should be {wanted}")
    return int(x)


def is_weak(x: Any) -> bool:
    """Whether an argument is a Python scalar, or stands for one."""
    return x.weak if isinstance(x, Tracer) else type(x) in PYTHON_SCALARS


def as_array(x: Any) -> Any:
    """An argument leaf as what the graph computes with: traced, or an array of native byte order."""
    if isinstance(x, Tracer):
        return x
    array = x if type(x) is np.ndarray and x.dtype.kind in "fiubc" else array_of(x)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def converted(function: Callable[..., Any], lists: bool = False) -> Callable[..., Any]:
    """The function with its Python control flow and its calls converted for the running trace, if there is one.

    `lists` says that arguments hold lists of traced values, which NumPy's functions must be given as arrays.
    """
    builder = current_builder()
    if builder is None or not builder.control_flow:
        return function
    return LATER["convert"](function, lists)  # type: ignore[no-any-return]


def refuse_bare(error: TypeError | AttributeError) -> None:
    """Raise `TracerError` for Python's own error about a traced value, where NumPy's array or number would do."""
    if isinstance(error, GraphadError) or not _OURS.search(str(error)):
        return
    x = getattr(error, "obj", None)
    kind = np.ndarray if isinstance(x, Tracer) and x.shape else int if getattr(x, "weak", False) else np.float64
    if isinstance(x, Tracer) and not any([hasattr(k, getattr(error, "name", "")) for k in (kind, np.float64)]):
        return
    raise TracerError(
        f"{error}{describe_location(raised_at(error))}: what is used there takes no traced value; use NumPy's "
        "functions, graphad.stop_gradient(x) for what needs no derivative, or graphad.pure_callback to call code "
        "that cannot be traced"
    ) from error


_OURS = re.compile(
    r"\b(Tracer|View|Text|Buffer(Tracer|View))\b|'(Fixed|Joined|Masked|Moving|Places|Shared|Unread)'|" + HIDDEN
)
_CLOSE = "close over it"


_ENDLESS = (
    "a function calls itself deeper than Python goes{}: what ends it is traced, and while tracing both ways are taken; "
    "write a loop, or make what ends it known (static_argnums)"
)


def _called(function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """The result of a user's function; errors about traced values are graphad's own."""
    try:
        return function(*args, **kwargs)
    except (TracerError, NameError) as error:
        builder = current_builder()
        if builder is not None and builder.staged and builder.control_flow:
            LATER["explain"](error)
        raise
    except RecursionError as error:
        builder = current_builder()
        if builder is not None and builder.staged:
            raise ControlFlowError(_ENDLESS.format(describe_location(raised_at(error)))) from None
        raise
    except (TypeError, AttributeError) as error:
        refuse_bare(error)
        raise
    except ValueError as error:
        # NumPy hides what stopped an assignment to an element behind an error of its own.
        if isinstance(error.__cause__, TracerError):
            raise error.__cause__ from None
        raise


def plain(x: Any) -> Any:
    """What a traced value stands for, as Python or NumPy has it, where that is known; anything else as it is."""
    if not isinstance(x, Tracer):
        return x
    try:
        array = x.builder.evaluate(x.value)
    except TracerError:
        return x
    return array.item() if x.weak else array[()]


def _release(error: Exception) -> None:
    """Let an exception that leaves its trace hold plain values."""
    if any([isinstance(x, Tracer) for x in error.args]):
        error.args = tuple(map(plain, error.args))
    for name, x in vars(error).items():
        if isinstance(x, Tracer):
            setattr(error, name, plain(x))


def forget(x: Any, title: str) -> None:
    """Let an array of the running trace no longer be read, which a function has changed in place that alone knows."""
    x = become(x, True) if isinstance(x, Buffer) else x
    if isinstance(x, Tracer) and not origin_of(x).builder.closed:
        lose(
            origin_of(x),
            f"an array of shape {list(x.shape)} is read@ that {title} has changed in place, being given it as an "
            "argument; give it a copy (x.copy()), and use what it returns",
        )


class Invocation:
    """A function with the arguments of one call: `leaves` in order, `starts[i]` the first leaf of argument `i`.

    `wrt` are the positional arguments that are differentiated, where that is known: what is no array in the others
    is no leaf, and is passed to the function as it is. `entered`, if given, takes up the user's functions that run when
    it is traced, as far as conversion meets them, and what cached ones give.
    """

    __slots__ = (
        "asked", "changed", "entered", "function", "leaves", "out_tree", "read", "repeats", "silent", "starts",
        "treedef", "trees", "unrolled", "written",
    )  # fmt: skip

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        wrt: Sequence[int] | None = None,
    ) -> None:
        self.function = function
        self.entered: dict[Any, Callable[[], Any]] | None = None
        self.leaves: list[Any] = []
        self.starts = [0]
        self.trees = []
        for i, x in enumerate(args):
            whole = wrt is None or i in wrt
            self.trees.append(
                tree._flatten(x, self.leaves) if whole else tree.flatten_some(x, self.leaves, is_traceable)
            )
            self.starts.append(len(self.leaves))
        self.treedef = None
        if kwargs:
            whole = wrt is None
            self.treedef = (
                tree._flatten(kwargs, self.leaves) if whole else tree.flatten_some(kwargs, self.leaves, is_traceable)
            )
        self.out_tree: tree.TreeDef = tree.LEAF
        self.repeats = False  # whether the function may run often, or not at all
        self.written: list[int] = []  # the leaves that it changes in place
        self.read: Sequence[Any] | None = None  # the arrays that it reads besides its arguments, where that is known
        self.silent = False  # whether the function changes arguments in place and gives nothing back
        self.changed: list[str] = []  # what the function has changed around it, in words
        self.asked: dict[str, None] = {}  # calls whose results are those of the trace in all runs
        self.unrolled: dict[str, tuple[str, Location | None]] = {}  # loops that Python ran, by place, in words

    def argument_leaves(self, i: int) -> range:
        """Positions of the leaves of positional argument `i`."""
        return range(self.starts[i], self.starts[i + 1])

    def names(self) -> list[str | None]:
        """The user's names of the leaves, from the function's signature."""
        code = getattr(self.function, "__code__", None)
        function = self.function
        while (code is None or not code.co_argcount) and hasattr(function, "__wrapped__"):
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

    def types(self, remedy: str = _CLOSE) -> list[TensorType]:
        """The types of the leaves. Raises `TypeMismatchError` naming the argument that has none, with what to do."""
        try:
            return [argument_type(x) for x in self.leaves]
        except TypeMismatchError:
            for x, name in zip(self.leaves, self.names(), strict=True):
                try:
                    argument_type(x)
                except TypeMismatchError as error:
                    title = f"argument {name}" if name else "an argument"
                    raise TypeMismatchError(placed(f"{title}: {error}", remedy)) from None
            raise

    def apply(self, leaves: Sequence[Any]) -> list[Any]:
        """Call the function with other leaves and flatten its result."""
        for given, x in zip(self.leaves, leaves, strict=False):
            if isinstance(given, (Tracer, np.ndarray)) and isinstance(x, Tracer) and given.shape == x.shape:
                laid(x, layout_of(given)).boxed = given.boxed if isinstance(given, Tracer) else not given.shape
        args = [
            leaves[start] if t is tree.LEAF else tree.unflatten(t, leaves[start : start + t.num_leaves])
            for t, start in zip(self.trees, self.starts, strict=False)
        ]
        kwargs = tree.unflatten(self.treedef, leaves[self.starts[-1] :]) if self.treedef else {}
        results: list[Any] = []
        builder = current_builder()
        if builder is not None:
            builder.repeats = builder.repeats or self.repeats
            if self.entered is not None:
                builder.entered = self.entered
        trees = self.trees if self.treedef is None else [*self.trees, self.treedef]
        function = converted(self.function, any([t is not tree.LEAF and tree.holds_lists(t) for t in trees]))
        if builder is not None and not builder.staged:
            builder.errors = floating_point_errors()
        try:
            found = _called(function, args, kwargs)
        except BaseException:
            if builder is not None and builder.buffers:
                revive(builder)
            if builder is not None and builder.ledger:
                LATER["settle"](builder, True)
            raise
        self.out_tree = tree._flatten(found, results)
        if builder is not None:
            given = enumerate(zip(leaves, builder.inputs, strict=False))
            self.written = [i for i, (x, v) in given if isinstance(x, Tracer) and x.value is not v]
            self.silent = bool(self.written) and not results
            if builder.buffers:
                results[:] = [own(x) if isinstance(x, Tracer) else x for x in results]
                revive(builder)
            if builder.ledger:
                del args, kwargs, function, found  # what only these know has no part in what follows
                builder.changed += LATER["settle"](builder, False)
            self.changed, self.unrolled, self.asked = builder.changed, builder.unrolled, builder.asked
        return results

    def give_up(self, *others: Any) -> None:
        """Let arrays of this trace no longer be read that the function was given and has changed in place, which only
        the function knows; `others` stand for entries of theirs that it was given. Raises `TracerError` where
        something else shares their memory."""
        if not self.written:
            return
        whole = {id(entry): x for x, entry in others}
        leaves = [whole.get(id(x), x) for x in self.leaves]
        self._check_apart(leaves)
        for i in self.written:
            forget(leaves[i], self.title())

    def _check_apart(self, leaves: Sequence[Any]) -> None:
        read = self.read
        if read is None:
            held = [t for t in (*self.trees, self.treedef) if t is not None and t is not tree.LEAF]
            others = [tree.unflatten(t, [None] * t.num_leaves) for t in held]
            read = LATER["arrays_read"](self.function, others)
        check(self.title(), self.names, clash(leaves, self.written, read))

    def title(self) -> str:
        """The function's name, for messages."""
        return str(getattr(self.function, "__name__", "a function")).strip("<>")

    def trace(self, *, known: bool, active: Container[int] | None = None, **options: bool) -> Trace:
        """Trace the function for these arguments; with `known`, Python may branch on their values.

        `active` are the leaves that are differentiated (`None`: any may be). The options are those of `trace_flat`:
        without `control_flow` the function's `if`, `while` and `for` are not converted, without `checks` its assert
        statements are dropped.
        """
        leaves = self.leaves
        outer = current_builder()
        try:
            trace = trace_flat(
                self.apply,
                self.types(),
                names=self.names(),
                weak=[is_weak(x) for x in leaves],
                known=[as_array(x) for x in leaves] if known else None,
                active=active,
                name=getattr(self.function, "__name__", "f").strip("<>"),
                **options,
            )
        except Exception as error:
            if known:
                self.precede(error)
            if outer is None:
                _release(error)
            raise
        if outer is not None:
            outer.changed += self.changed
            outer.asked.update(self.asked)
            outer.unrolled.update(self.unrolled)
        else:
            for message, where in self.unrolled.values():
                warn(message, where)
        return trace


    def precede(
        self, error: Exception, leaves: Sequence[Any] | None = None, change: Callable[[Graph], Graph] | None = None
    ) -> None:
        """Do, in a call, what the function did before it raised an exception that does not depend on the values; what
        it did is first changed, and done to `leaves`, if these are given."""
        if (found := earlier(error)) is not None:
            args = [*(self.leaves if leaves is None else leaves), *[Tracer(*captured) for captured in found[1]]]
            builder = innermost(args)
            if builder is not None and not builder.staged:
                args = [x.builder.evaluate(x.value) if isinstance(x, Tracer) else x for x in args]
            values = iter(run(found[0] if change is None else change(found[0]), args))
            # Of a batch the first example raises.
            told = {id(text): [next(values) for _ in text.values] for text in texts(error)}
            if change is not None:
                told = {k: [x[0] for x in found] for k, found in told.items()}
            error.args = tuple([x.at(told[id(x)]) if id(x) in told else x for x in error.args])


_told: dict[Any, Any] = {}


def warn(message: str, where: Location | None = None) -> None:
    """A `TraceWarning` at a place, else at the user's line."""
    where = where or user_location()
    file, line = (where.file, where.line) if where is not None else ("<unknown>", 1)
    warnings.warn_explicit(message, TraceWarning, file, line, registry=_told)


def run(graph: Graph, args: Sequence[Any]) -> list[Any]:
    """Run a graph on arrays at once, or record it where an argument is traced."""
    builder = innermost(args)
    if builder is not None:
        return inline(graph, args, builder)
    return evaluate(graph, [as_array(x) for x in args])

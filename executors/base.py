"""The executor protocol and the registry of executors."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial, wraps
from importlib.util import find_spec
from typing import Any, Protocol, TypeVar, runtime_checkable

from graphad.errors import ExecutorError, GraphadError, ShapeError, TypeMismatchError
from graphad.executors.fallback import Pieces
from graphad.graph import Graph, Node
from graphad.location import describe_location, place
from graphad.once import LOCK
from graphad.op import Op, op_class
from graphad.passes.base import Pipeline
from graphad.passes.decompose import decompose
from graphad.types import TensorType

_Function = TypeVar("_Function", bound=Callable[..., Any])
Executable = Callable[..., tuple[Any, ...]]
"""Arrays in, arrays out: one positional argument for each graph input, a tuple with one array for each output.
It may have a method `source()` that gives the generated code."""


@runtime_checkable
class Executor(Protocol):
    """What runs graphs. Third parties register theirs through the entry-point group `graphad.executors`."""

    name: str
    pipeline: str
    """Passes that the executor wants run first."""

    def supports(self, op: Op) -> bool:
        """Whether the executor runs the op itself. The others never come to `compile`: they are decomposed into ops
        that it runs, or else run by NumPy between the pieces that it compiles. With a member `fallback = False` they
        are refused. An op that holds graphs is only run where their ops are supported too."""
        ...

    def compile(self, graph: Graph) -> Executable:
        """Make a function of the graph's inputs, giving a tuple of its outputs."""
        ...


_EXECUTORS: dict[str, Executor] = {}
_FORMS: dict[str, dict[type[Op], Callable[..., Any]]] = {}
"""For executors by name the functions of simpler ops that they compute ops by."""
_default: list[str] = ["llvm" if find_spec("llvmlite") is not None else "numpy"]


def register(executor: Executor) -> None:
    """Make an executor available under its name. Raises `ExecutorError` for what is none."""
    _check(executor)
    _EXECUTORS[executor.name] = executor


def form(kind: str | type[Op] | Op, *, executor: str) -> Callable[[_Function], _Function]:
    """Let an executor compute an op by a function of NumPy's functions of its operands, which this decorates.

    It holds for what is compiled from then on, and comes before what the executor does of itself, as where SciPy has
    only a scalar function that loops call for each element: by elementary functions they are vector code.
    """
    found = op_class(kind)
    if not isinstance(executor, str):
        raise ExecutorError(f"form: {executor!r} is not the name of an executor{place()}; give executor='llvm', say")

    def enter(function: _Function) -> _Function:
        _FORMS.setdefault(executor, {})[found] = function
        return function

    return enter


def forms(executor: Executor) -> Mapping[type[Op], Callable[..., Any]]:
    """What `form` told of an executor."""
    return _FORMS.get(executor.name, {})


def available() -> list[str]:
    """Names of the executors that are registered or declared by installed packages."""
    return sorted({*_EXECUTORS, *_entry_points()})


def get(executor: str | Executor | None = None, **options: Any) -> Executor:
    """The executor of a name, or the default for `None`, made with options of its own (`threads=1` for `llvm`, say).

    Raises `ExecutorError` for an unknown name, or an option that the executor does not take.
    """
    if options:
        return _configured(type(get(executor)), options)
    if executor is not None and not isinstance(executor, str):
        return _check(executor)
    name = executor or _default[0]
    if name not in _EXECUTORS:
        with LOCK:
            points = _entry_points()
            if name not in points:
                raise ExecutorError(f"no executor is named {name!r}{place()}; there are {', '.join(available())}")
            register(points[name].load()())
    return _EXECUTORS[name]


def _check(executor: Any) -> Executor:
    if isinstance(executor, type):
        raise ExecutorError(f"{executor.__name__} is a class and not an executor{place()}; give an instance of it")
    if not isinstance(executor, Executor):
        missing = ", ".join(m for m in ("name", "pipeline", "supports", "compile") if not hasattr(executor, m))
        raise ExecutorError(
            f"{executor!r} ({type(executor).__name__}) is not an executor{place()}: it has no {missing}; give the name "
            f"of one ({', '.join(available())}), or an object of the protocol graphad.executors.Executor"
        )
    return executor


def wanted(executor: Executor, graph: Graph) -> Pipeline:
    """The passes to run before an executor compiles a graph: those that lower what it does not support, and its own."""
    if not isinstance(executor.pipeline, (str, Pipeline)):
        raise ExecutorError(f"executor {executor.name}: its pipeline is {executor.pipeline!r}; write it as text")

    chosen = forms(executor)

    @wraps(decompose)
    def lowered(graph: Graph) -> Graph:
        return decompose(graph, executor.supports, chosen)

    missing = any([type(node.op) in chosen or not executor.supports(node.op) for node in graph.walk()])
    return Pipeline([lowered] if missing else []) + Pipeline(executor.pipeline)


def compiled(executor: Executor, graph: Graph, key: str | None = None) -> Executable:
    """What runs a graph: an executor, and NumPy for the nodes that it does not support. An executor of graphad's own
    that keeps code on disk keeps it under the `key`.

    Raises `ExecutorError` naming an executor that fails, makes no function, or takes no help by NumPy: then with the
    op and the user's line. The results of an executor that is not graphad's own are checked at every call.
    """

    def supported(node: Node) -> bool:
        op = node.op
        within = (inner.op for region in op.regions.values() for inner in region.walk()) if op._region_fields else ()
        return executor.supports(op) and all(map(executor.supports, within))

    missing = next((node for node in graph.nodes if not supported(node)), None)
    if missing is None:
        return _compiled(executor, graph, key)
    if not getattr(executor, "fallback", True):
        raise ExecutorError(
            f"executor {executor.name} does not support {missing.op.name} of "
            f"{', '.join([str(v.type) for v in missing.inputs])}{describe_location(missing.where)}, nor lets NumPy run "
            "what it does not; choose another executor, or give the op a decompose method"
        )
    return Pieces(graph, supported, partial(_compiled, executor))


def _compiled(executor: Executor, graph: Graph, key: str | None = None) -> Executable:
    own = type(executor).__module__.startswith("graphad.")
    try:
        executable = executor.compile(graph) if key is None else executor.compile(graph, key)  # type: ignore[call-arg]
    except GraphadError:
        raise
    except Exception as error:
        if own:
            raise
        raise ExecutorError(
            f"executor {executor.name} failed to compile @{graph.name} with {type(error).__name__}: {error}; mend it "
            "where the traceback of the cause shows, or choose another executor"
        ) from error
    if not callable(executable):
        raise ExecutorError(
            f"executor {executor.name} compiled @{graph.name} to {executable!r} ({type(executable).__name__}), which "
            "is not a function; its compile must give a function of the graph's inputs"
        )
    return executable if own else _Checked(executable, executor.name, graph)


class _Checked:
    """An executable whose results are compared with the types of the graph's outputs."""

    def __init__(self, executable: Executable, executor: str, graph: Graph) -> None:
        self.executable, self.executor, self.graph = executable, executor, graph

    def __getattr__(self, name: str) -> Any:
        return getattr(self.executable, name)

    def __call__(self, *args: Any) -> tuple[Any, ...]:
        try:
            results = self.executable(*args)
        except Exception as error:
            error.add_note(f"while executor {self.executor} ran @{self.graph.name}")
            raise
        types = self.graph.output_types
        given = f"executor {self.executor} gave"
        if not isinstance(results, (tuple, list)) or len(results) != len(types):
            what = f"{len(results)} results" if isinstance(results, (tuple, list)) else f"a {type(results).__name__}"
            raise ExecutorError(
                f"{given} {what} for the {len(types)} outputs of @{self.graph.name}; an executable gives a tuple with "
                "one array for each"
            )
        for i, (x, kind) in enumerate(zip(results, types, strict=True)):
            if getattr(x, "shape", None) != kind.shape or getattr(x, "dtype", None) != kind.dtype:
                found = f"{x.dtype}{list(x.shape)}" if hasattr(x, "shape") else f"a {type(x).__name__}"
                raise ExecutorError(
                    f"{given} {found} as output {i} of @{self.graph.name}, which is {kind}; an executable gives arrays "
                    "of exactly the graph's types"
                )
        return tuple(results)


def refused(name: str, i: int, x: Any, kind: TensorType) -> GraphadError:
    """The error for an argument of another type than the graph was compiled for."""
    error = ShapeError if x.dtype == kind.dtype else TypeMismatchError
    return error(
        f"{name}: argument {i} is an array of {x.dtype} with shape {list(x.shape)}, but the graph was compiled for "
        f"{kind}; compile it for these types"
    )


def _configured(kind: type[Any], options: dict[str, Any]) -> Executor:
    known = inspect.signature(kind).parameters
    for option in options:
        if option not in known:
            raise ExecutorError(
                f"executor {kind.name} has no option {option}{place()}; it has {', '.join(known) or 'none'}"
            )
    return kind(**options)  # type: ignore[no-any-return]


def default() -> str:
    """Name of the executor that `jit` uses when it is not told one."""
    return _default[0]


def set_default(name: str) -> None:
    """Choose the executor that `jit` uses when it is not told one. Raises `ExecutorError` for an unknown name."""
    if not isinstance(name, str):
        raise ExecutorError(f"set_default: {name!r} is not a name{place()}; register an executor and give its name")
    get(name)
    _default[0] = name


def _entry_points() -> dict[str, Any]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group="graphad.executors")}

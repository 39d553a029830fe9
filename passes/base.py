"""What a pass is, and pipelines of passes given as text."""

from __future__ import annotations

import ast
import inspect
import os
import time
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any, ParamSpec, Protocol

import numpy as np

from graphad.attributes import Record
from graphad.build import check_graph
from graphad.errors import GraphadError, PipelineError, VerifyError
from graphad.graph import Graph
from graphad.location import place
from graphad.renamed import Renamed
from graphad.tracebacks import boundary


class Pass(Protocol):
    """A function from graph to graph, with a name and keyword options."""

    __name__: str

    def __call__(self, graph: Graph, /, **options: Any) -> Graph: ...


FORMER = {
    "accumulate": "fold_add_into_dest",
    "propagate": "simplify_regions",
    "share_pads": "adjoint_stencils",
    "undo": "store_on_kill",
}
"""What passes were called before, and are called now."""
PASSES = Renamed("pass", FORMER)
"""Every registered pass by the name that pipelines call it by."""


P = ParamSpec("P")


def graph_pass(function: Callable[P, Graph]) -> Callable[P, Graph]:
    """Register a function `(graph, **options) -> graph` as a pass under its own name.

    The pass raises `TypeMismatchError` where it is given no graph, `PipelineError` where it gives none, and
    `VerifyError` where it gives one that is no program; graphad's own are held to that where a pipeline verifies.
    """
    if not callable(function) or not hasattr(function, "__name__"):
        raise PipelineError(
            f"graph_pass: {function!r} ({type(function).__name__}) is no function with a name{place()}; decorate a "
            "function from graph to graph"
        )

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> Graph:
        if args:
            check_graph(function.__name__, args[0])
        return _made(function.__name__, function(*args, **kwargs), _foreign(function))

    if _foreign(function):
        PASSES.get(function.__name__)  # one of graphad's own does not come later and take its place
    PASSES[function.__name__] = checked
    return checked


def _foreign(step: Callable[..., Graph]) -> bool:
    return not str(getattr(step, "__module__", "")).startswith("graphad.")


def _made(name: str, result: object, check: bool, verified: set[Graph] | None = None) -> Graph:
    """What a pass gave, where graphs in `verified` are right. Raises naming the pass: `PipelineError` for no graph,
    `VerifyError` for one that is wrong."""
    if not isinstance(result, Graph):
        raise PipelineError(
            f"the pass {name} gave {result!r} ({type(result).__name__}) and not a graph; return it, also where nothing "
            "changed"
        )
    try:
        return result.verify(verified) if check else result
    except GraphadError as error:
        raise VerifyError(
            f"the pass {name} gave a graph that is wrong: {error}; a value is made once, before what reads it, and has "
            "the type that its op infers"
        ) from error


def check_option(name: str, value: object, allowed: bool, wanted: str) -> None:
    """Raise `PipelineError` for an option of a pass that is not allowed, saying what is wanted."""
    if not allowed:
        raise PipelineError(f"{name}={value!r}{place()}: {wanted}")


def positions(name: str, chosen: Any, count: int, what: str) -> tuple[int, ...]:
    """The positions that an option names, as a tuple. Raises `PipelineError` for what is no position of `count`."""
    found = tuple(chosen) if hasattr(chosen, "__iter__") else (chosen,)
    if not all([isinstance(i, (int, np.integer)) and -count <= i < count for i in found]):
        check_option(name, chosen, False, f"there are {count} {what}, and positions count from 0")
    return tuple([int(i) % count for i in found])


class Stage(Record):
    """What one step of a pipeline made: its text, the graph after it, and the seconds that it took."""

    name: str
    graph: Graph
    seconds: float

    def __repr__(self) -> str:
        return f"Stage({self.name!r}, {len(self.graph.nodes)} nodes, {self.seconds * 1e3:.2f} ms)"


class PassCall(Record):
    """One pass with its options, as a pipeline names it."""

    name: str
    options: dict[str, Any]

    def __call__(self, graph: Graph) -> Graph:
        step: Callable[..., Graph] = PASSES[self.name]
        return step(graph, **self.options)

    def __str__(self) -> str:
        inside = ", ".join(f"{k}={v!r}" for k, v in self.options.items())
        return f"{self.name}({inside})" if inside else self.name


Step = PassCall | Callable[[Graph], Graph]
"""A step of a pipeline."""


class Pipeline:
    """Passes in order. Written as text: `Pipeline("vjp(wrt=0), simplify, cse, dce")`.

    Raises `PipelineError` for text that cannot be read, an unknown pass or an option that the pass does not take.
    """

    def __init__(self, steps: str | Iterable[Step] = "") -> None:
        if not isinstance(steps, Iterable):
            raise PipelineError(
                f'{steps!r} ({type(steps).__name__}) is no pipeline{place()}; write it as text: "simplify, cse, dce"'
            )
        self.steps: list[Step] = [*_parse(steps)] if isinstance(steps, str) else list(steps)
        for step in self.steps:
            if not callable(step):
                raise PipelineError(
                    f"{step!r} ({type(step).__name__}) is no pass of a pipeline{place()}; give functions from graph to "
                    "graph, or their names as one text"
                )

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __add__(self, other: Pipeline) -> Pipeline:
        return Pipeline([*self.steps, *other.steps])

    def __str__(self) -> str:
        return ", ".join(_step_name(step) for step in self.steps)

    def __repr__(self) -> str:
        return f"Pipeline({str(self)!r})"

    @boundary
    def stages(self, graph: Graph, *, verify: bool | None = None) -> list[Stage]:
        """Run the passes and keep every stage. `verify` checks the graph after each (default: in debug mode,
        when the environment variable `GRAPHAD_DEBUG` is set); what is not graphad's own is always checked. Raises
        `PipelineError` naming a pass that fails, `VerifyError` one whose graph is wrong."""
        check_graph("the pipeline", graph)
        check = bool(os.environ.get("GRAPHAD_DEBUG")) if verify is None else verify
        stages = []
        verified: set[Graph] = set()
        for step in self.steps:
            start = time.perf_counter()
            graph = _run(step, graph, check, verified)
            stages.append(Stage(_step_name(step), graph, time.perf_counter() - start))
        return stages

    def __call__(self, graph: Graph) -> Graph:
        stages = self.stages(graph)
        return stages[-1].graph if stages else graph


def _run(step: Step, graph: Graph, check: bool, verified: set[Graph]) -> Graph:
    name = _step_name(step)
    foreign = not isinstance(step, PassCall) and _foreign(step)
    if foreign:
        verified.clear()  # it may have changed what it was given
    try:
        return _made(name, step(graph), check or foreign, verified)
    except GraphadError:
        raise
    except Exception as error:
        raise PipelineError(
            f"the pass {name} failed on @{graph.name} with {type(error).__name__}: {error}; leave it out, or mend it "
            "where the traceback of the cause shows"
        ) from error


def _step_name(step: Step) -> str:
    return str(step) if isinstance(step, PassCall) else str(getattr(step, "__name__", step))


def _parse(text: str) -> list[PassCall]:
    try:
        items = ast.parse(f"[{text}]", mode="eval").body
    except SyntaxError as error:
        raise PipelineError(f"pipeline {text!r} cannot be read: {error.msg}") from None
    assert isinstance(items, ast.List)
    return [_step(item, text) for item in items.elts]


def _step(item: ast.expr, text: str) -> PassCall:
    call = item if isinstance(item, ast.Call) else None
    target = call.func if call else item
    if not isinstance(target, ast.Name) or (call and call.args):
        raise PipelineError(f"pipeline {text!r}: {ast.unparse(item)} is not a pass; write name or name(option=value)")
    name = PASSES.name(target.id)
    if name not in PASSES:
        raise PipelineError(f"pipeline {text!r}: no pass is named {name}; there are {', '.join(sorted(PASSES))}")
    try:
        options = {str(k.arg): ast.literal_eval(k.value) for k in (call.keywords if call else [])}
    except ValueError:
        raise PipelineError(f"pipeline {text!r}: the options of {name} must be Python literals") from None
    known = inspect.signature(PASSES[name]).parameters
    for option in options:
        if option not in known:
            raise PipelineError(
                f"pipeline {text!r}: {name} has no option {option}; it has {', '.join(list(known)[1:]) or 'none'}"
            )
    return PassCall(name, options)

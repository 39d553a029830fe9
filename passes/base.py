"""What a pass is, and pipelines of passes given as text."""

from __future__ import annotations

import ast
import inspect
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from graphad.errors import PipelineError
from graphad.graph import Graph


class Pass(Protocol):
    """A function from graph to graph, with a name and keyword options."""

    __name__: str

    def __call__(self, graph: Graph, /, **options: Any) -> Graph: ...


PASSES: dict[str, Callable[..., Graph]] = {}
"""Every registered pass by the name that pipelines call it by."""


F = TypeVar("F", bound=Callable[..., Graph])


def graph_pass(function: F) -> F:
    """Register a function `(graph, **options) -> graph` as a pass under its own name."""
    PASSES[function.__name__] = function
    return function


@dataclass(frozen=True)
class Stage:
    """What one step of a pipeline made: its text, the graph after it, and the seconds that it took."""

    name: str
    graph: Graph
    seconds: float

    def __repr__(self) -> str:
        return f"Stage({self.name!r}, {len(self.graph.nodes)} nodes, {self.seconds * 1e3:.2f} ms)"


@dataclass(frozen=True)
class Step:
    """One pass with its options, as a pipeline names it."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)

    def __call__(self, graph: Graph) -> Graph:
        return PASSES[self.name](graph, **self.options)

    def __str__(self) -> str:
        inside = ", ".join(f"{k}={v!r}" for k, v in self.options.items())
        return f"{self.name}({inside})" if inside else self.name


class Pipeline:
    """Passes in order. Written as text: `Pipeline("vjp(wrt=0), simplify, cse, dce")`.

    Raises `PipelineError` for text that cannot be read, an unknown pass or an option that the pass does not take.
    """

    def __init__(self, steps: str | Iterable[Step | Callable[[Graph], Graph]] = "") -> None:
        self.steps: list[Any] = _parse(steps) if isinstance(steps, str) else list(steps)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.steps)

    def __add__(self, other: Pipeline) -> Pipeline:
        return Pipeline([*self.steps, *other.steps])

    def __str__(self) -> str:
        return ", ".join(_step_name(step) for step in self.steps)

    def __repr__(self) -> str:
        return f"Pipeline({str(self)!r})"

    def stages(self, graph: Graph, *, verify: bool | None = None) -> list[Stage]:
        """Run the passes and keep every stage. `verify` checks the graph after each (default: in debug mode,
        when the environment variable `GRAPHAD_DEBUG` is set)."""
        check = bool(os.environ.get("GRAPHAD_DEBUG")) if verify is None else verify
        stages = []
        for step in self.steps:
            start = time.perf_counter()
            graph = step(graph)
            stages.append(Stage(_step_name(step), graph, time.perf_counter() - start))
            if check:
                graph.verify()
        return stages

    def __call__(self, graph: Graph) -> Graph:
        stages = self.stages(graph)
        return stages[-1].graph if stages else graph


def _step_name(step: Any) -> str:
    return str(step) if isinstance(step, Step) else str(getattr(step, "__name__", step))


def _parse(text: str) -> list[Step]:
    try:
        items = ast.parse(f"[{text}]", mode="eval").body
    except SyntaxError as error:
        raise PipelineError(f"pipeline {text!r} cannot be read: {error.msg}") from None
    assert isinstance(items, ast.List)
    return [_step(item, text) for item in items.elts]


def _step(item: ast.expr, text: str) -> Step:
    call = item if isinstance(item, ast.Call) else None
    target = call.func if call else item
    if not isinstance(target, ast.Name) or (call and call.args):
        raise PipelineError(f"pipeline {text!r}: {ast.unparse(item)} is not a pass; write name or name(option=value)")
    name = target.id
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
    return Step(name, options)

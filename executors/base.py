"""The executor protocol and the registry of executors."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Protocol, runtime_checkable

from graphad.errors import ExecutorError
from graphad.graph import Graph
from graphad.op import Op

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
        """Whether the executor runs the op itself; the others are decomposed, or run by NumPy."""
        ...

    def compile(self, graph: Graph) -> Executable:
        """Make a function of the graph's inputs, giving a tuple of its outputs."""
        ...


_EXECUTORS: dict[str, Executor] = {}
_default: list[str] = ["llvm" if find_spec("llvmlite") is not None else "numpy"]


def register(executor: Executor) -> None:
    """Make an executor available under its name."""
    _EXECUTORS[executor.name] = executor


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
        return executor
    name = executor or _default[0]
    if name not in _EXECUTORS:
        points = _entry_points()
        if name not in points:
            raise ExecutorError(f"no executor is named {name!r}; there are {', '.join(available())}")
        register(points[name].load()())
    return _EXECUTORS[name]


def _configured(kind: type[Any], options: dict[str, Any]) -> Executor:
    known = inspect.signature(kind).parameters
    for option in options:
        if option not in known:
            raise ExecutorError(f"executor {kind.name} has no option {option}; it has {', '.join(known) or 'none'}")
    return kind(**options)  # type: ignore[no-any-return]


def default() -> str:
    """Name of the executor that `jit` uses when it is not told one."""
    return _default[0]


def set_default(name: str) -> None:
    """Choose the executor that `jit` uses when it is not told one. Raises `ExecutorError` for an unknown name."""
    get(name)
    _default[0] = name


def _entry_points() -> dict[str, Any]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group="graphad.executors")}

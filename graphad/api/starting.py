"""Functions whose first calls NumPy runs, while they are compiled in another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from graphad.executors.arguments import prepare
from graphad.executors.numpy import NumpyExecutor
from graphad.graph import Graph


class Starting:
    """What runs a graph: NumPy, op by op, until `make` has compiled it in a thread of its own, and then what it made.

    Calls may overlap in many threads. An error of the compilation is raised by each call that follows. The interpreter
    does not end before the compilation has; the child of a fork, which has no such thread, begins anew.
    """

    def __init__(self, graph: Graph, make: Callable[[], Callable[..., Any]]) -> None:
        self.executable: Callable[..., Any] | None = None
        self._graph, self._make = graph, make
        self._plain = NumpyExecutor().compile(graph)
        self._error: BaseException | None = None
        self._thread = self._begun()

    def _begun(self) -> threading.Thread:
        thread = threading.Thread(target=self._compile, name=f"graphad compiles {self._graph.name}")
        thread.start()
        return thread

    def _compile(self) -> None:
        try:
            self.executable = self._make()
        except BaseException as error:
            self._error = error

    def __call__(self, *args: Any) -> Any:
        alive = self._thread.is_alive()  # asked first: who has ended has left what it made
        if self.executable is not None:
            return self.executable(*args)
        if self._error is not None:
            raise self._error
        if not alive:
            self._thread = self._begun()
        return self._plain(*prepare(self._graph.name, self._graph.input_types, args))

    def then(self, first: Callable[..., Any], later: Callable[[Any], Callable[..., Any]]) -> Callable[..., Any]:
        """The function `first` until the compilation has ended, and then what `later` makes of its result."""
        current = first

        def call(*args: Any) -> Any:
            nonlocal current
            if current is first and self.executable is not None:
                current = later(self.executable)
            return current(*args)

        return call


__all__ = ["Starting"]

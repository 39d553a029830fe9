"""`Builder`: makes a graph node by node, inferring each result's type and noting the user's place."""

from __future__ import annotations

import dis
import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import CodeType, FrameType
from typing import Any

import numpy as np

from graphad.errors import GraphadError, TracerError
from graphad.graph import Constant, Graph, Location, Node, Value
from graphad.op import Op
from graphad.types import Array, TensorType

_serial = itertools.count()
_current: ContextVar[Builder | None] = ContextVar("graphad_builder", default=None)
_inferred: dict[tuple[Any, ...], tuple[TensorType, ...]] = {}
_INFERRED_LIMIT = 100_000


class Builder:
    """A graph under construction.

    `where` overrides the user's place while a pass makes nodes for an existing node. `known` holds the inputs'
    arrays in a transformation that runs at once, so that values can be computed on demand; `bound` tells which
    value of an enclosing trace an input stands for. `captures` are the inputs through which the traced function
    reads values of enclosing traces that it was not given. `staged` says that Python cannot know the values;
    functions that run in such a trace have their control flow converted where `control_flow` says so.
    """

    __slots__ = (
        "bound", "captured", "captures", "closed", "control_flow", "inputs", "known", "name", "nodes", "producers",
        "serial", "staged", "where",
    )  # fmt: skip

    def __init__(self, name: str = "f") -> None:
        self.name = name
        self.inputs: list[Value] = []
        self.nodes: list[Node] = []
        self.bound: dict[Value, tuple[Builder, Value]] = {}
        self.captured: dict[Value, Value] = {}
        self.captures: dict[Value, tuple[Builder, Value]] = {}
        self.known: dict[Value, Any] = {}
        self.producers: dict[Value, Node] = {}
        self.where: Location | None = None
        self.closed = False
        self.serial = next(_serial)
        outer = _current.get()
        self.control_flow: bool = outer is None or outer.control_flow
        self.staged: bool = outer is not None and outer.staged

    def input(self, type: TensorType, name: str | None = None) -> Value:
        """A new input of the graph."""
        value = Value(type, name)
        self.inputs.append(value)
        return value

    def emit(self, op: Op, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
        """Record `op(inputs)` and return its results. Type errors are raised with the user's place added."""
        key = (op, *[v.type for v in inputs])
        types = _inferred.get(key)
        where = self.where or user_location()
        if types is None:
            try:
                found = op.infer(*[v.type for v in inputs])
            except GraphadError as error:
                locate(error, where)
                raise
            types = found if isinstance(found, tuple) else (found,)
            if len(_inferred) > _INFERRED_LIMIT:
                _inferred.clear()
            _inferred[key] = types
        outputs = tuple([Value(t) for t in types])
        self.nodes.append(Node(op, inputs, outputs, where))
        return outputs

    def capture(self, builder: Builder, value: Value) -> Value:
        """The input through which this graph reads a value of an enclosing trace."""
        inner = self.captured.get(value)
        if inner is None:
            inner = self.captured[value] = Value(value.type, value.name)
            self.captures[inner] = (builder, value)
        return inner

    def evaluate(self, value: Value) -> Array:
        """The array behind a value, computing just the nodes that it needs. Raises `TracerError` if unknown."""
        pending: list[Value] = [value]
        while pending:
            v = pending[-1]
            if v in self.known or isinstance(v, Constant):
                pending.pop()
                continue
            link = self.bound.get(v) or self.captures.get(v)
            if link is not None:
                self.known[v] = link[0].evaluate(link[1])
                continue
            node = self._producer(v)
            if node is None:
                raise TracerError("its value is not known while tracing")
            missing = [u for u in node.inputs if u not in self.known and not isinstance(u, Constant)]
            if missing:
                pending.extend(missing)
                continue
            arrays = [u.array if isinstance(u, Constant) else self.known[u] for u in node.inputs]
            with np.errstate(all="ignore"):
                result = node.op.eval(np, *arrays)
            self.known.update(
                zip(node.outputs, (result,) if len(node.outputs) == 1 else result, strict=True)
            )
        return np.asarray(value.array if isinstance(value, Constant) else self.known[value])

    def _producer(self, value: Value) -> Node | None:
        node = self.producers.get(value)
        if node is None:
            for made in reversed(self.nodes):
                for v in made.outputs:
                    self.producers[v] = made
                if value in made.outputs:
                    return made
        return node

    def same(self, value: Value, other: Value) -> bool:
        """Whether two values are computed in the same way from the same values."""
        pending, seen = [(value, other)], set()
        while pending:
            pair = pending.pop()
            if pair[0] is pair[1] or pair in seen:
                continue
            seen.add(pair)
            one, two = self._producer(pair[0]), self._producer(pair[1])
            if one is None or two is None or one.op != two.op or len(one.inputs) != len(two.inputs):
                return False
            if one.outputs.index(pair[0]) != two.outputs.index(pair[1]):
                return False
            pending.extend(zip(one.inputs, two.inputs, strict=True))
        return True

    def finish(self, outputs: Sequence[Value]) -> Graph:
        """Close the builder: the graph with the captured values as its last inputs."""
        self.closed = True
        return Graph((*self.inputs, *self.captures), self.nodes, outputs, self.name)


def current_builder() -> Builder | None:
    """The innermost trace, for the functions that make arrays from nothing."""
    return _current.get()


@contextmanager
def building(builder: Builder) -> Iterator[Builder]:
    """Make `builder` the innermost trace within the block."""
    token = _current.set(builder)
    try:
        yield builder
    finally:
        _current.reset(token)


# -- the user's place ---------------------------------------------------------------------------------------------


def _package_folder(module: str) -> str:
    return os.path.dirname(os.path.abspath(str(sys.modules[module].__file__))) + os.sep


_own = _package_folder("graphad")
_internal: list[str] = [
    _own,
    *(os.path.join(os.path.dirname(_own.rstrip(os.sep)), name) + os.sep for name in ("passes", "executors")),
    _package_folder("numpy"),
    *(os.path.join(os.path.dirname(_package_folder("numpy")[:-1]), name) + os.sep for name in ("scipy", "opt_einsum")),
]
_LIBRARY = os.path.dirname(os.__file__) + os.sep
_user_like = _own + "interop" + os.sep
_is_internal: dict[CodeType, bool] = {}


def _classify(code: CodeType) -> bool:
    file = code.co_filename
    library = file.startswith(_LIBRARY) and "site-packages" not in file
    own = file.startswith(tuple(_internal)) and not file.startswith(_user_like)
    internal = library or own or file.startswith(("<__array", "<frozen"))
    _is_internal[code] = internal
    return internal


def user_location() -> Location | None:
    """The innermost stack frame that belongs neither to graphad nor to NumPy, SciPy or Python's own library."""
    frame = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        internal = _is_internal.get(code)
        if internal is None:
            internal = _classify(code)
        if not internal:
            return Location.of(code, frame.f_lasti)
        frame = frame.f_back  # type: ignore[assignment]
    return None


def raised_at(error: BaseException) -> Location | None:
    """The innermost of the user's places that an exception came through."""
    found, step = None, error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        if not _is_internal.get(code, False) and not _classify(code):
            found = Location.of(code, step.tb_lasti)
        step = step.tb_next
    return found


_CALLEES: dict[tuple[int, int], tuple[CodeType, list[tuple[str, Any]]]] = {}
_CALLEES_LIMIT = 1000
_TEXT = 80
"""Characters of a line of source that a message shows."""


def _callee(code: CodeType, lasti: int) -> list[tuple[str, Any]]:
    """Operations and names of the instructions at the place of a call, read once; code is held by identity."""
    found = _CALLEES.get((id(code), lasti))
    if found is None:
        line, _, column, _ = next(itertools.islice(code.co_positions(), lasti // 2, None))
        there = []
        for instruction in dis.get_instructions(code):
            place = instruction.positions
            if column is not None and place is not None and (place.lineno, place.col_offset) == (line, column):
                there.append((instruction.opname, instruction.argval))
        if len(_CALLEES) >= _CALLEES_LIMIT:
            _CALLEES.clear()
        _CALLEES[id(code), lasti] = found = code, there
    return found[1]


def called(frame: FrameType) -> Any:
    """What the call that a frame stands in calls, where that is a name or an attribute of one; else None."""
    found = None
    for opname, name in _callee(frame.f_code, frame.f_lasti):
        if opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FAST", "LOAD_DEREF"):
            scopes = (frame.f_locals, frame.f_globals, frame.f_builtins)
            found = next((scope[name] for scope in scopes if name in scope), None)
        elif opname in ("LOAD_ATTR", "LOAD_METHOD"):
            found = getattr(found, name, None)
        elif found is not None:
            break
    return found


def describe_location(where: Location | None) -> str:
    """` (model.py:12: y = x @ w)`, or nothing."""
    if where is None or not str(where):
        return ""
    text = where.text
    return f" ({where}: {text if len(text) <= _TEXT else text[:_TEXT] + '...'})" if text else f" ({where})"


def place() -> str:
    """The user's line, for messages."""
    return describe_location(user_location())


def locate(error: GraphadError, where: Location | None) -> None:
    """Add the user's place to an error's message, unless it is there or was added before."""
    if not getattr(error, "located", False):
        error.located = True  # type: ignore[attr-defined]
        described = describe_location(where)
        if error.args and described not in error.args[0]:
            error.args = (f"{error.args[0]}{described}", *error.args[1:])

"""`Builder`: makes a graph node by node, inferring each result's type and noting the user's place."""

from __future__ import annotations

import dis
import itertools
import sys
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from operator import attrgetter
from types import FrameType
from typing import Any
from weakref import ref

import numpy as np

from graphad.codes import OfCode
from graphad.errors import ControlFlowError, GraphadError, TracerError, TypeMismatchError
from graphad.graph import Constant, Graph, Node, Value
from graphad.location import Location, describe_location, is_internal, is_own, locate, place, user_location
from graphad.op import Op
from graphad.types import Array, TensorType

_serial = itertools.count()
_current: ContextVar[Builder | None] = ContextVar("graphad_builder", default=None)
_inferred: dict[tuple[Any, ...], tuple[TensorType, ...]] = {}
"""The types of results, by op and types of operands: for ops that are plain data, which keep nothing alive."""
_INFERRED_LIMIT = 10_000
_type_of = attrgetter("type")


class UnknownValueError(TracerError):
    """A value depends on inputs that are not known."""


class Builder:
    """A graph under construction.

    `where` overrides the user's place. `known` holds the inputs' arrays in a transformation that runs at once; `bound`
    tells which value of an enclosing trace an input stands for. `captures` are the inputs for values of enclosing
    traces that the function was not given. `activity` tells of values that were asked about whether a derivative goes
    through them. `ledger` holds the user's objects that converted code has changed; `changed` tells what traces within
    this one changed for good, `asked` what it calls that gives something else each time, `unrolled`, by place, of long
    loops that Python ran. `staged` says that Python cannot know the values; functions that run in such a trace are
    converted where `control_flow` says so, and their asserts honoured where `checks` does. `handled` are the try
    statements around the running code that handle exceptions, `errors` the floating-point errors that NumPy is to raise
    (`{"divide": "raise"}`). `entered` are the user's functions that ran, what cached ones gave and what changes, if
    asked for. `deferred` are the files (paths or objects) that calls at run time will write to. `outer` is the builder
    around a piece of a function that may not run, or run often (`repeats`: all of it), `stores` are the arrays from
    around a piece that it changes, with what they were; `buffers` those made in this trace that are traced now.
    `undone` are values whose nodes were taken back. `listed` is how many nodes `producers` knows, and the last of them;
    `reached` tells of values whether a trace around this one may differentiate them; `facts` are ranges of inputs, and
    what bounds of slices stand for. `lost` tells in words why nothing of this builder can be read any more, with @ for
    the user's place. `peers` are containers that may be one object; `filled`, within a
    loop, variables that a branch of it has given a blank.
    """

    __slots__ = (
        "activity", "asked", "bound", "buffers", "captured", "captures", "changed", "checks", "closed", "control_flow",
        "deferred", "entered", "errors", "facts", "filled", "handled", "inputs", "known", "ledger", "listed", "lost",
        "name", "nodes", "outer", "peers", "producers", "reached", "repeats", "serial", "staged", "stores", "undone",
        "unrolled", "where",
    )  # fmt: skip

    def __init__(self, name: str = "f") -> None:
        self.name = name
        self.inputs: list[Value] = []
        self.nodes: list[Node] = []
        self.activity: dict[Value, bool] = {}
        self.bound: dict[Value, tuple[Builder, Value]] = {}
        self.captured: dict[Value, Value] = {}
        self.captures: dict[Value, tuple[Builder, Value]] = {}
        self.known: dict[Value, Any] = {}
        self.ledger: dict[Any, Any] = {}
        self.changed: list[str] = []
        self.asked: dict[str, None] = {}
        self.unrolled: dict[str, tuple[str, Location | None]] = {}
        self.producers: dict[Value, Node] = {}
        self.listed: tuple[int, Node | None] = 0, None
        self.where: Location | None = None
        self.closed, self.lost = False, ""
        self.outer: Builder | None = None
        self.repeats = False
        self.stores: dict[int, tuple[Any, Builder, Value]] = {}
        self.undone: set[Value] = set()
        self.reached: dict[Value, bool] | None = None
        self.facts: dict[Any, Any] = {}
        self.buffers: list[ref[Any]] = []
        self.serial = next(_serial)
        outer = _current.get()
        self.control_flow: bool = outer is None or outer.control_flow
        self.checks: bool = outer is None or outer.checks
        self.errors: dict[str, Any] = {}
        self.filled: set[str] | None = None
        self.handled: tuple[Any, ...] = outer.handled if outer is not None and outer.staged else ()
        self.staged: bool = outer is not None and outer.staged
        self.peers: list[list[Any]] = [] if outer is None else outer.peers
        self.entered: dict[Any, Callable[[], Any]] | None = None if outer is None else outer.entered
        self.deferred: list[Any] = outer.deferred if outer is not None and outer.staged else []

    def input(self, type: TensorType, name: str | None = None) -> Value:
        """A new input of the graph."""
        value = Value(type, name)
        self.inputs.append(value)
        return value

    def emit(self, op: Op, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
        """Record `op(inputs)` and return its results. Type errors are raised with the user's place added."""
        if self.handled and self.staged and (op.raises or op.effect):
            found = self.handled[-1].emit(self, op, inputs)
            if found is not None:
                return found  # type: ignore[no-any-return]
        key = (op, *map(_type_of, inputs))
        types = _inferred.get(key) if op.of_data else None
        where = self.where or user_location()
        if op.drawn and not self.staged:
            return self._draw(op, inputs, where)
        if types is None:
            try:
                found = op.infer(*key[1:])
            except GraphadError as error:
                locate(error, where)
                raise
            types = found if isinstance(found, tuple) else (found,)
            if op.of_data:
                if len(_inferred) > _INFERRED_LIMIT:
                    _inferred.clear()
                _inferred[key] = types
        outputs = (Value(types[0]),) if len(types) == 1 else tuple([Value(t) for t in types])
        node = Node(op, inputs, outputs, where)
        if not self.staged and (self.errors or op.raises) and op.repeatable and (self.errors or _handled()):
            self._attempt(node)
        self.nodes.append(node)
        return outputs

    def _draw(self, op: Op, inputs: tuple[Value, ...], where: Location | None) -> tuple[Value, ...]:
        """Draw at once in a trace that runs at once, in which the numbers are constants."""
        if op._region_fields:
            raise ControlFlowError(
                f"random numbers are drawn in a {op.name} within an eager derivative{describe_location(where)}; jit "
                "the derivative, as in graphad.jit(graphad.grad(f)), or draw them before"
            )
        if any([self.active(v) and not op.flat(i) for i, v in enumerate(inputs)]):
            op.jvp(None, inputs, inputs)
        found = op.eval(np, *map(self.evaluate, inputs))
        return tuple([Constant(x) for x in (found if isinstance(found, tuple) else (found,))])

    def _attempt(self, node: Node) -> None:
        """Raise now what a node raises for the values that there are."""
        try:
            with np.errstate(**{"all": "ignore", **self.errors}):
                found = node.op.attempt(node.inputs, self.evaluate)
        except UnknownValueError:
            return
        if found is not None:
            self.known.update(zip(node.outputs, (found,) if len(node.outputs) == 1 else found, strict=True))

    def capture(self, builder: Builder, value: Value) -> Value:
        """The input through which this graph reads a value of an enclosing trace."""
        inner = self.captured.get(value)
        if inner is None:
            inner = self.captured[value] = Value(value.type, value.name)
            self.captures[inner] = (builder, value)
        return inner

    def evaluate(self, value: Value) -> Array:
        """The array behind a value, computing just the nodes that it needs. Raises `TracerError` if unknown."""
        if isinstance(value, Constant):
            return value.array
        if value not in self.known:
            with np.errstate(all="ignore"):
                self._compute(value)
        return np.asarray(self.known[value])

    def _compute(self, value: Value) -> None:
        known = self.known
        pending: list[Value] = [value]
        while pending:
            v = pending[-1]
            if v in known:
                pending.pop()
                continue
            link = self.bound.get(v) or self.captures.get(v)
            if link is not None:
                known[v] = link[0].evaluate(link[1])
                continue
            node = self.maker(v)
            if node is None or node.op.drawn:
                raise UnknownValueError("its value is not known while tracing")
            arrays: list[Any] = []
            for u in node.inputs:
                if isinstance(u, Constant):
                    arrays.append(u.array)
                elif u in known:
                    arrays.append(known[u])
                else:
                    pending.append(u)
            if len(arrays) < len(node.inputs):
                continue
            result = node.op.eval(np, *arrays)
            if len(node.outputs) == 1:
                known[v] = result
            else:
                known.update(zip(node.outputs, result, strict=True))

    def active(self, value: Value) -> bool:
        """Whether a derivative may go through a value: it depends on what is differentiated, in this trace or in one
        around it, by operations whose derivative is not zero everywhere. An input of unknown origin is active."""
        return self._reached(value, self.activity)

    def active_outside(self, value: Value) -> bool:
        """Whether a trace around this one may differentiate a value."""
        if not self.bound and not self.captures:
            return False
        if self.reached is None:
            outer = {v: link[0].active(link[1]) for v, link in self.bound.items()}
            self.reached = dict.fromkeys(self.inputs, False) | outer
        return self._reached(value, self.reached)

    def _reached(self, value: Value, memo: dict[Value, bool]) -> bool:
        pending = [value]
        while pending:
            v = pending[-1]
            if v in memo or isinstance(v, Constant) or not v.type.differentiable:
                pending.pop()
                continue
            link = self.bound.get(v) or self.captures.get(v)
            node = None if link is not None else self.maker(v)
            if node is None:
                memo[v] = link is None or link[0].active(link[1])
                continue
            sources = [u for i, u in enumerate(node.inputs) if not node.op.flat(i)]
            if any([memo.get(u, False) for u in sources]):
                memo[v] = True
                continue
            missing = [u for u in sources if u not in memo and not isinstance(u, Constant) and u.type.differentiable]
            if not missing:
                memo[v] = False
            pending += missing
        return memo.get(value, False)

    def maker(self, value: Value) -> Node | None:
        """The node that a value is a result of."""
        if value not in self.producers:
            nodes, (listed, last) = self.nodes, self.listed
            listed = listed if nodes[listed - 1 : listed] == [last] else 0  # a pass may take nodes back
            self.producers.update([(v, node) for node in nodes[listed:] for v in node.outputs])
            self.listed = len(nodes), nodes[-1] if nodes else None
        return self.producers.get(value)

    def replace(self, start: int, stop: int | None, nodes: Sequence[Node]) -> None:
        """Put other nodes in the place of those between two positions."""
        self.nodes[start:stop] = nodes
        listed = min(start, self.listed[0])
        self.listed = listed, self.nodes[listed - 1] if listed else None

    def same(self, value: Value, other: Value) -> bool:
        """Whether two values are computed in the same way from the same values."""
        pending, seen = [(value, other)], set()
        while pending:
            pair = pending.pop()
            if pair[0] is pair[1] or pair in seen:
                continue
            seen.add(pair)
            one, two = self.maker(pair[0]), self.maker(pair[1])
            if one is None or two is None or one.op != two.op or len(one.inputs) != len(two.inputs):
                return False
            if one.outputs.index(pair[0]) != two.outputs.index(pair[1]):
                return False
            pending.extend(zip(one.inputs, two.inputs, strict=True))
        return True

    def enter(self, x: Any, value: Value) -> None:
        """Let a traced array from around this piece be `value` in it, until `leave`."""
        self.stores.setdefault(id(x), (x, x.builder, x.value))
        x.builder, x.value = self, value

    def leave(self) -> list[tuple[Any, Value]]:
        """Make the arrays that were entered what they are around this piece; gives them with what they were in it."""
        found: list[tuple[Any, Value]] = []
        while len(found) < len(self.stores):  # one that follows others may enter them
            found = [(x, x.value) for x, _, _ in list(self.stores.values())]
        for x, builder, value in self.stores.values():
            x.builder, x.value = builder, value
        self.stores = {}
        return found

    def encloses(self, other: Builder) -> bool:
        """Whether `other` is this builder, or that of a piece within the same function's trace."""
        return other is self or (other.outer is not None and self.encloses(other.outer))

    def finish(self, outputs: Sequence[Value]) -> Graph:
        """Close the builder: the graph with the captured values as its last inputs."""
        self.closed = True
        return Graph((*self.inputs, *self.captures), self.nodes, outputs, self.name)


current_builder: Callable[[], Builder | None] = _current.get
"""The innermost trace, for the functions that make arrays from nothing."""


class building:
    """Make `builder` the innermost trace within the block."""

    __slots__ = ("builder", "token")

    def __init__(self, builder: Builder) -> None:
        self.builder = builder

    def __enter__(self) -> Builder:
        self.token = _current.set(self.builder)
        return self.builder

    def __exit__(self, *error: object) -> None:
        _current.reset(self.token)


# -- what is around a trace ---------------------------------------------------------------------------------------


def floating_point_errors() -> dict[str, Any]:
    """The floating-point errors for which NumPy is to raise, or to call a function: `{"divide": "raise"}`."""
    found = np.geterr()
    if not {"raise", "call"}.intersection(found.values()):
        return {}
    return {kind: how for kind, how in found.items() if how in ("raise", "call")}


_RANGES: OfCode[tuple[tuple[int, int], ...]] = OfCode()
"""Where the blocks of code stand that may handle exceptions."""


def _handled() -> bool:
    """Whether a function of the running trace, up to the call that began it, stands in a block that may handle
    exceptions: that of a `try` or a `with`."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if not is_internal(code):
            found = _RANGES.get(id(code))
            if found is None:
                entries: Any = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]
                found = _RANGES.learn(code, tuple([(e.start, e.end) for e in entries]))
            if any([start <= frame.f_lasti < end for start, end in found]):
                return True
        elif code.co_name == "trace_flat" and is_own(code):
            return False
        frame = frame.f_back
    return False


def check_graph(what: str, graph: Any) -> None:
    """Raise `TypeMismatchError` for what should be a graph and is none."""
    if not isinstance(graph, Graph):
        raise TypeMismatchError(
            f"{what}: {graph!r} ({type(graph).__name__}) is not a graph{place()}; make one with graphad.trace(f)(*args)"
        )

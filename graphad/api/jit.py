"""Tracing to a graph, and functions that are compiled for each signature of their arguments."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial, wraps
from types import CodeType
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, ParamSpec, TypedDict, TypeVar, overload
from weakref import WeakMethod

import numpy as np

from graphad import executors, tree
from graphad.api.call import Invocation, ShapeDtype, check_callable, is_weak, warn
from graphad.api.compiled import OPTIMISE, Compiled
from graphad.api.diagnose import kinds_of
from graphad.api.entries import by_leaves, direct, record
from graphad.api.guards import Guard, Guards
from graphad.api.methods import Decorated, innermost_function, kept, receiver, transformation
from graphad.api.reads import reads
from graphad.api.starting import Starting
from graphad.api.static import Static
from graphad.build import current_builder
from graphad.errors import TracerError, TypeMismatchError
from graphad.executors import Executor
from graphad.executors.base import _default
from graphad.graph import Graph
from graphad.location import place
from graphad.numpy.layouts import layout_of
from graphad.passes import Pipeline
from graphad.trace import Trace, Tracer, innermost
from graphad.tracebacks import boundary, shorten

if TYPE_CHECKING:
    from typing import Unpack

    class Settings(TypedDict, total=False):
        """What `jit` takes besides the function, with the options of graphad's own executors."""

        executor: str | Executor | None
        pipeline: str | Pipeline
        static_argnums: int | Sequence[int]
        static_argnames: str | Sequence[str]
        control_flow: bool
        checks: bool
        debug: str | Sequence[str] | None
        guards: str
        start: str
        threads: int | None
        math: str
        guard: bool


P = ParamSpec("P")
R = TypeVar("R", covariant=True)
_STATIC = "mark it with static_argnums or static_argnames, if it can be hashed"


@transformation
def trace(
    fun: Callable[..., Any],
    static_argnums: int | Sequence[int] = (),
    *,
    static_argnames: str | Sequence[str] = (),
    control_flow: bool = True,
) -> Callable[..., Graph]:
    """`trace(f)(*args)` is the graph of `f` for arguments of these shapes and dtypes (`ShapeDtype` will do).

    The leaves of the arguments are the graph's inputs, in order, and those of the result its outputs. Python's `if`,
    `while` and `for` on traced values become branches and loops of the graph, in `f` and in the user's functions that
    it calls. Raises `ControlFlowError` where that cannot be, and without `control_flow` `TracerError` where `f`
    branches on a traced value.
    """

    check_callable("trace", fun)
    static = Static(fun, static_argnums, static_argnames)

    @wraps(fun)
    def traced(*args: Any, **kwargs: Any) -> Graph:
        return _traced(static, args, kwargs, control_flow=control_flow)[1].graph

    return traced


def _traced(static: Static, args: tuple[Any, ...], kwargs: dict[str, Any], **options: Any) -> tuple[Invocation, Trace]:
    call = Invocation(*static.bind(args, kwargs)[:3])
    call.types(_STATIC)
    return call, call.trace(known=False, **options)


@boundary
def eval_shape(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The result of `fun` with a `ShapeDtype` for each array, found without computing anything."""
    check_callable("eval_shape", fun)
    call = Invocation(fun, args, kwargs)
    graph = call.trace(known=False).graph
    return tree.unflatten(call.out_tree, [ShapeDtype(t.shape, t.dtype) for t in graph.output_types])


class Version(NamedTuple):
    """What a function was compiled to for one signature, as long as the guards hold. `direct` takes the arguments and
    looks at nothing but their signature, where there is such a function; `entered` is what was met in the trace;
    `code` is that of the function itself, `written` are the leaves that it changes in place."""

    guards: Guards
    by_leaves: Callable[..., Any]
    direct: Callable[..., Any] | None
    entered: list[Any]
    code: CodeType
    written: list[int]


_VERSIONS = 8
"""Versions of one signature, with other values of what is guarded, that are kept."""
_OTHERS = 16
"""Objects without a dict of attributes for which a method's compiled versions are kept."""


class Jitted(Decorated, Generic[P, R]):
    """A function that is traced, optimised and compiled once for each signature of its arguments."""

    def __init__(self, fun: Callable[..., Any], settings: dict[str, Any], options: dict[str, Any]) -> None:
        super().__init__(fun)
        self.settings = settings
        self.options = options
        self.executor: str | Executor | None = settings["executor"]
        self.static = Static(fun, settings["static_argnums"], settings["static_argnames"])
        self.tracing: dict[str, Any] = {name: settings[name] for name in ("control_flow", "checks")}
        self.debug = kinds_of(settings["debug"])
        for name, one, other in (("guards", "identity", "content"), ("start", "compiled", "interpreted")):
            if settings[name] not in (one, other):
                raise TypeMismatchError(
                    f"jit: {name}={settings[name]!r}{place()}, and should be {one!r} or "
                    f"{other!r}"
                )
        if options:
            executors.get(self.executor, **options)
        self.traces = 0
        self._cache: dict[Any, list[Version]] = {}
        # Places that the function itself changes while it is traced.
        self._own: set[tuple[int, Any]] = set()
        self._others: list[tuple[Any, Jitted[..., Any]]] = []
        self._warned = False
        self._function = innermost_function(fun)
        # What serves the signature of the latest call, and checks by itself that a call has that signature; the guards
        # under which it does, and the default executor.
        self._entry: Callable[..., Any] = _none_yet
        self._hold: Callable[[], bool] | None = None
        self._entry_default = ""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            hold = self._hold
            if kwargs or self._entry_default is not _default[0] or (hold is not None and not hold()):
                return self._call(args, kwargs)  # type: ignore[no-any-return]
            return self._entry(*args)  # type: ignore[no-any-return]
        except Exception as error:
            shorten(error)
            raise

    def _other(self, *args: Any) -> Any:
        return self._call(args, {})

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if args and self._receives(args[0]):
            return self.__get__(args[0])(*args[1:], **kwargs)
        bound = self.static.bind(args, kwargs)
        call = Invocation(*bound[:3])
        types = call.types(_STATIC)
        if innermost(call.leaves) is not None:
            return record(call, self._trace(call))
        told = [(is_weak(x), type(x) is np.ndarray, layout_of(x)) for x in call.leaves]
        kinds = tuple(zip(types, told, strict=True))
        key = (_default[0], id(self._function.__code__), kinds, tuple(call.trees), call.treedef, bound.key)
        found = next((v for v in self._cache.get(key, ()) if v.guards.held()), None)
        if found is None:
            made = self._made(call, bound.key, plain=not kwargs)
            if isinstance(made, Trace):
                return record(call, made)
            self._keep(key, made)
            found = made
        outer = current_builder()
        if outer is not None and outer.entered is not None:
            outer.entered.update({id(x): _itself(x) for x in found.entered})
        if found.direct is not None:
            self._entry, self._hold, self._entry_default = found.direct, found.guards.hold, _default[0]
        call.written, call.read = found.written, found.guards.arrays() if found.written else ()
        call.give_up()
        return found.by_leaves(*call.leaves)

    def _receives(self, x: Any) -> bool:
        """Whether a first argument is the object of a method: that was called through its class, or by another
        decorator, or a class, as `classmethod` hands it over from Python 3.13 on."""
        if isinstance(x, (np.ndarray, float, Tracer)) or 0 in self.static.positions:
            return False
        if isinstance(x, type) or self.called_on((x,)):
            return True
        home = getattr(self._function, "__qualname__", "").rpartition(".")[0]
        own = any(c.__qualname__ == home and c.__module__ == self._function.__module__ for c in type(x).__mro__)
        return own and tree.structure(x) is tree.LEAF

    def _made(self, call: Invocation, static: tuple[Any, ...], plain: bool) -> Version | Trace:
        """The call traced and compiled; the trace alone where it reads values of an enclosing one."""
        met: dict[Any, Callable[[], Any]] = {}
        call.entered = met
        current = [v for versions in self._cache.values() for v in versions if v.guards.held()]
        start = time.perf_counter()
        traced = self._trace(call)
        if traced.captures:
            if current_builder() is None:
                raise TracerError(
                    f"{traced.graph.name}: a traced value of a branch or loop{place()} was used outside of it, where "
                    "it has none; assign it to a variable before, and use that"
                )
            return traced
        if call.silent:
            warn(
                f"{self._name()} changes its argument in place and gives nothing back; the caller's array stays as it "
                "is, so return the array"
            )
        self.traces += 1
        self._leave([g for v in current if not v.guards.held() for g in v.guards.guards if not g.holds()])
        found = {key: x for key, x in [(key, find()) for key, find in met.items()] if x is not None}
        changed = {key[1]: found.pop(key) for key in list(found) if isinstance(key, tuple)}
        entered = list(found.values())
        roots = [(self._name(), self.fun), *[(str(name), x) for name, _, x in static]]
        guards, paths = reads(roots, entered, self.settings["guards"] == "content", self._own, changed)
        for change in dict.fromkeys([*call.changed, *paths]):
            warn(
                f"{self._name()} changes {change} once, while it is traced, and not at each call; return the new "
                "value, or let graphad.debug.callback do what shall happen at every call"
            )
        if call.asked:
            warn(
                f"{self._name()} calls {' and '.join(call.asked)} once, while it is traced, and not at each call; call "
                "it outside and pass what it gives as an argument, or let graphad.debug.callback do what shall happen "
                "at every call"
            )
        executable = self._executable(call, traced.graph, time.perf_counter() - start)
        # Compiled code does not keep alive what keeps it.
        other = WeakMethod(self._other)
        otherwise = lambda *args: other()(*args)  # type: ignore[misc]
        simple = plain and not static and all([layout_of(x) is None for x in call.leaves])
        entry = direct(executable, call, otherwise, guards.arrays) if simple else None
        run, code = by_leaves(executable, call), self._function.__code__
        return Version(guards, run, entry, entered, code, call.written)

    def _trace(self, call: Invocation) -> Trace:
        try:
            return call.trace(known=False, **self.tracing)
        except Exception as error:
            call.precede(error)
            raise

    def _name(self) -> str:
        return getattr(self, "__name__", "the function")

    def _keep(self, key: Any, made: Version) -> None:
        """Take a version up as the latest of its signature, for the oldest one if there are many."""
        versions = self._cache.setdefault(key, [])
        if len(versions) == _VERSIONS:
            changing = dict.fromkeys(g.path for g in versions[0].guards.guards if not g.holds())
            if not self._warned:
                self._warned = True
                warn(
                    f"{self._name()} is traced anew each time that {', '.join(changing)} changes, {self.traces} times "
                    f"now{place()}; pass what changes often as an argument"
                )
            versions.pop()
        versions.insert(0, made)

    def _leave(self, guards: list[Guard]) -> None:
        """Guard no longer what a trace has changed: it would be changed by every other."""
        if guards:
            self._own |= {g.slot for g in guards}
            self._entry_default = ""
            for key, versions in self._cache.items():
                self._cache[key] = [v._replace(guards=v.guards.without(self._own)) for v in versions]

    def again(self, fun: Callable[..., Any]) -> Jitted[..., Any]:
        return Jitted(fun, self.settings, self.options)

    def bound(self, method: Callable[..., Any]) -> Any:
        instance = receiver(method)
        # An object that is a registered container may be taken apart by all that it holds.
        found = kept(instance) if type(instance) not in tree._REGISTRY else None
        if found is not None:
            if self not in found:
                found[self] = self.again(method)
            return found[self]
        for other, jitted in self._others:
            if other is instance:
                return jitted
        jitted = self.again(method)
        self._others = [(instance, jitted), *self._others[: _OTHERS - 1]]
        return jitted

    def remake(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Jitted, (self.fun, self.settings, self.options)

    def report(self) -> str:
        """What was compiled, as text: the number of traces, the signatures, and for each what is guarded (a change
        traces anew) and what is taken for constant for its size, though it was no argument (a change is not seen)."""
        lines = [f"{self._name()}: {self.traces} traces"]
        for key, versions in self._cache.items():
            given = [str(kind) for kind, _ in key[2]] + [f"{name}={x!r}" for name, _, x in key[5]]
            lines.append(f"  ({', '.join(given)}): {len(versions)} compiled")
            for version in versions:
                paths = dict.fromkeys(g.path for g in version.guards.guards)
                shown = [p for p in paths if not any(other.startswith(f"{p} ") for other in paths)]
                lines.append(f"    guarded: {', '.join(shown) or 'nothing'}")
                lines += [f"    constant: {c.path}, {c.kind}" for c in version.guards.constants]
        return "\n".join(lines)

    @boundary
    def compile(self, *args: Any, **kwargs: Any) -> Compiled:
        """The compiled graph for these arguments, with its stages and source; `ShapeDtype` will do for an array."""
        start = time.perf_counter()
        call, traced = _traced(self.static, args, kwargs, **self.tracing)
        seconds = time.perf_counter() - start
        if traced.captures:
            raise TracerError(f"{traced.graph.name} reads values of an enclosing trace; compile it outside of it")
        return self._compiled(call, traced.graph, seconds)

    def _compiled(self, call: Invocation, graph: Graph, seconds: float) -> Compiled:
        executor = executors.get(self.executor, **self.options)
        told = [f"  {message}" for message, _ in call.unrolled.values()]
        return Compiled(graph, self.settings["pipeline"], executor, seconds, self.debug, told)

    def _executable(self, call: Invocation, graph: Graph, seconds: float) -> Callable[..., Any]:
        def make() -> Callable[..., Any]:
            return self._compiled(call, graph, seconds).executable

        if self.settings["start"] == "compiled" or self.debug:
            return make()
        pipeline = self.settings["pipeline"]
        return Starting(graph if pipeline == OPTIMISE else Pipeline(pipeline)(graph), make)

    def clear_cache(self) -> None:
        """Forget every compiled signature."""
        self._cache.clear()
        self._entry_default = ""


def _itself(x: Any) -> Callable[[], Any]:
    return lambda: x


def _none_yet(*args: Any) -> Any:
    raise AssertionError("nothing is compiled")


@overload
def jit(fun: Callable[P, R], **settings: Unpack[Settings]) -> Jitted[P, R]: ...


@overload
def jit(fun: None = None, **settings: Unpack[Settings]) -> Callable[[Callable[P, R]], Jitted[P, R]]: ...


@boundary
def jit(
    fun: Callable[..., Any] | None = None,
    *,
    executor: str | Executor | None = None,
    pipeline: str | Pipeline = OPTIMISE,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    control_flow: bool = True,
    checks: bool = True,
    debug: str | Sequence[str] | None = None,
    guards: str = "identity",
    start: str = "compiled",
    **options: Any,
) -> Any:
    """Trace, optimise and compile `fun` at its first call with each signature (shapes, dtypes, trees, static values).

    `executor` names what runs it (default: `graphad.executors.default()`); `pipeline` the passes run before the
    executor's own; `static_argnums` and `static_argnames` the arguments that are hashable Python values rather than
    arrays; `control_flow` whether Python's `if`, `while` and `for` on traced values become branches and loops of
    the graph; `checks=False` drops assert statements, as `python -O` does, but neither what the user's code raises nor
    the bounds of indices; `debug="nan"` makes a NaN or infinity among the results a `NonFiniteError` that names the
    line which made the first one, `debug="index"` tells the index and the iteration of an index out of bounds,
    `debug="kink"` raises `KinkError` where a derivative is taken at a kink ("nan, index" asks for both). What the
    function reads besides its arguments is guarded: when a global, a closure cell or an attribute is rebound, or
    the contents of a container or array of up to 64 entries change, it is traced anew; larger ones are constants,
    which `report()` lists, and with `guards="content"` their hashes are compared at each call. On a method, the
    object is no argument but read, `static_argnums` count from the argument after it, and what is compiled is kept
    with the object. With `start="interpreted"` NumPy runs the first calls, while the function is compiled in another
    thread; results then may differ by rounding from call to call. Jitted functions pickle and copy as their functions
    do, without what was compiled. `options` are what the executor takes: `llvm` has `threads`, `math="fast"` or
    `"precise"`, and `guard`. Works as a decorator, with or without options. Raises `ExecutorError` for an option that
    the executor does not take, `ControlFlowError` for control flow that cannot be converted.
    """
    settings: dict[str, Any] = {
        "executor": executor, "pipeline": pipeline, "static_argnums": static_argnums,
        "static_argnames": static_argnames, "control_flow": control_flow, "checks": checks, "debug": debug,
        "guards": guards, "start": start,
    }  # fmt: skip
    if fun is None:
        return partial(jit, **settings, **options)
    check_callable("jit", fun)
    return Jitted(fun, settings, options)

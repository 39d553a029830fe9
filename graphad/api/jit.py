"""Tracing to a graph, pipelines over it, and compiled functions."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NamedTuple

import numpy as np

from graphad import executors, tree
from graphad.api.call import Call, ShapeDtype, argument_type, as_array, is_weak
from graphad.api.diagnose import kinds_of, watched
from graphad.api.static import Static
from graphad.errors import ExecutorError, TracerError
from graphad.executors import Executor
from graphad.executors.base import _default
from graphad.graph import Graph
from graphad.ops.control import Call as CallOp
from graphad.passes import Pipeline, Stage
from graphad.trace import Trace, innermost

OPTIMISE = (
    "inline, propagate, simplify, licm, cse, fold, propagate, unroll_loops, merge_loops, accumulate, share_pads, dce"
)
"""The pipeline that `jit` runs before the executor's own."""


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

    static = Static(fun, static_argnums, static_argnames)

    @wraps(fun)
    def traced(*args: Any, **kwargs: Any) -> Graph:
        return Call(*static.bind(args, kwargs)[:3]).trace(known=False, control_flow=control_flow).graph

    return traced


def eval_shape(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The result of `fun` with a `ShapeDtype` for each array, found without computing anything."""
    call = Call(fun, args, kwargs)
    graph = call.trace(known=False).graph
    return tree.unflatten(call.out_tree, [ShapeDtype(t.shape, t.dtype) for t in graph.output_types])


class Compiled:
    """A graph after its pipeline, compiled by an executor. Call it with the graph's inputs.

    `stages` holds every stage with the seconds that it took (the last is the executor's compilation), `graph` the
    optimised graph.
    """

    def __init__(self, graph: Graph, pipeline: str | Pipeline, executor: Executor, trace_seconds: float = 0.0) -> None:
        self.executor = executor
        steps = Pipeline(pipeline) if isinstance(pipeline, str) else pipeline
        self.stages = [Stage("trace", graph, trace_seconds)]
        self.stages += (steps + Pipeline(executor.pipeline)).stages(graph)
        self.graph = self.stages[-1].graph
        start = time.perf_counter()
        self.executable = executor.compile(self.graph)
        self.stages.append(Stage(f"compile[{executor.name}]", self.graph, time.perf_counter() - start))

    def __call__(self, *args: Any) -> tuple[Any, ...]:
        return self.executable(*[as_array(x) for x in args])

    def source(self, kind: str | None = None) -> str:
        """The code that the executor generated, or the graph's text where it generates none.

        `llvm` has the kinds `"ir"`, which is the default, and `"assembly"`. Raises `ExecutorError` for a kind that the
        executor does not have.
        """
        source = getattr(self.executable, "source", None)
        if source is not None and (kind is None or inspect.signature(source).parameters):
            return str(source() if kind is None else source(kind))
        if kind is not None:
            raise ExecutorError(f"{self.executor.name}: there is no source of the kind {kind!r}; leave the kind out")
        return str(self.graph)

    def memory(self) -> dict[str, int]:
        """Bytes that a call needs, known before it: `arena` (all intermediate values), `results`, `constants`, and
        their sum as `peak`.

        An executor that plans no arena tells only `results` and `constants`.
        """
        memory = getattr(self.executable, "memory", None)
        if memory is not None:
            return memory()  # type: ignore[no-any-return]
        results = sum(t.nbytes for t in self.graph.output_types)
        return {"results": results, "constants": sum(c.type.nbytes for c in self.graph.constants())}

    def __repr__(self) -> str:
        return f"<Compiled @{self.graph.name} for {self.executor.name}: {len(self.graph.nodes)} nodes>"


def compile(
    graph: Graph, pipeline: str | Pipeline = OPTIMISE, executor: str | Executor | None = None, **options: Any
) -> Compiled:
    """Run a pipeline over a graph and compile the result: `compile(trace(f)(x), "grad(wrt=0), simplify, cse, dce")`.

    `options` are the executor's own, as in `jit`. Raises `PipelineError` or `ExecutorError` for a name that is not
    known.
    """
    return Compiled(graph, pipeline, executors.get(executor, **options))


class Jitted:
    """A function that is traced, optimised and compiled once for each signature of its arguments."""

    def __init__(
        self,
        fun: Callable[..., Any],
        executor: str | Executor | None,
        pipeline: str | Pipeline,
        static: Static,
        control_flow: bool,
        debug: str | Sequence[str] | None,
        options: dict[str, Any],
    ) -> None:
        wraps(fun)(self)
        self.fun = fun
        self.executor = executor
        self.pipeline = pipeline
        self.static = static
        self.control_flow = control_flow
        self.debug = kinds_of(debug)
        self.options = options
        if options:
            executors.get(executor, **options)
        self._cache: dict[Any, tuple[Callable[..., Any], Callable[..., Any] | None]] = {}
        # What serves the signature of the latest call, and checks by itself that a call has that signature.
        self._entry: Callable[..., Any] | None = None
        self._entry_default = ""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._entry is None or kwargs or self._entry_default is not _default[0]:
            return self._call(args, kwargs)
        return self._entry(*args)

    def _other(self, *args: Any) -> Any:
        return self._call(args, {})

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        bound = self.static.bind(args, kwargs)
        call, static = Call(*bound[:3]), bound.key
        if innermost(call.leaves) is not None:
            return _record(call, call.trace(known=False, control_flow=self.control_flow))
        kinds = tuple([(argument_type(x), is_weak(x), type(x) is np.ndarray) for x in call.leaves])
        key = (_default[0], kinds, tuple(call.trees), call.treedef, static)
        found = self._cache.get(key)
        if found is None:
            start = time.perf_counter()
            traced = call.trace(known=False, control_flow=self.control_flow)
            if traced.captures:
                return _record(call, traced)
            compiled = self._compiled(traced.graph, time.perf_counter() - start)
            plain = not kwargs and not static
            direct = _direct(compiled, call, self._other) if plain else None
            found = self._cache[key] = _by_leaves(compiled, call), direct
        by_leaves, direct = found
        if direct is not None:
            self._entry, self._entry_default = direct, _default[0]
        return by_leaves(*call.leaves)

    def compile(self, *args: Any, **kwargs: Any) -> Compiled:
        """The compiled graph for these arguments, with its stages and source; `ShapeDtype` will do for an array."""
        start = time.perf_counter()
        traced = Call(*self.static.bind(args, kwargs)[:3]).trace(known=False, control_flow=self.control_flow)
        seconds = time.perf_counter() - start
        if traced.captures:
            raise TracerError(f"{traced.graph.name} reads values of an enclosing trace; compile it outside of it")
        return self._compiled(traced.graph, seconds)

    def _compiled(self, graph: Graph, seconds: float) -> Compiled:
        compiled = Compiled(graph, self.pipeline, executors.get(self.executor, **self.options), seconds)
        if self.debug:
            compiled.executable = watched(compiled.executable, graph, self.debug)
        return compiled

    def clear_cache(self) -> None:
        """Forget every compiled signature."""
        self._cache.clear()
        self._entry = None


def _by_leaves(compiled: Compiled, call: Call) -> Callable[..., Any]:
    """A function of the leaves of a call's arguments, which need not be arrays yet."""
    executable, out_tree = compiled.executable, call.out_tree
    return lambda *leaves: tree.unflatten(out_tree, executable(*[as_array(x) for x in leaves]))


def _direct(compiled: Compiled, call: Call, other: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a call's arguments that looks at nothing but what tells its signature from others; calls of any
    other signature go to `other`."""
    executable, out_tree, trees = compiled.executable, call.out_tree, call.trees
    single = out_tree is tree.LEAF
    bare = single or (out_tree.kind is tuple and all(child is tree.LEAF for child in out_tree.children))
    nested = any(t is not tree.LEAF for t in trees)

    def otherwise(*leaves: Any) -> Any:
        rest = iter(leaves)
        args = [tree.unflatten(t, [next(rest) for _ in range(t.num_leaves)]) for t in trees] if nested else leaves
        return other(*args) if bare else _Whole(other(*args))

    bind = getattr(executable, "bind", None)
    if bind is not None:
        native = bind(otherwise, single, [type(x) for x in call.leaves])
    else:
        native = _checked(executable, call.leaves, otherwise, single)
    if bare and not nested:
        return native  # type: ignore[no-any-return]

    def direct(*args: Any) -> Any:
        leaves: list[Any] = []
        if [tree._flatten(x, leaves) for x in args] != trees:
            return other(*args)
        results = native(*leaves)
        if bare:
            return results
        return results.result if type(results) is _Whole else tree.unflatten(out_tree, results)

    return direct


class _Whole(NamedTuple):
    """A result that stands as the function gave it, where flat ones are expected."""

    result: Any


def _checked(
    executable: Callable[..., Any], leaves: list[Any], otherwise: Callable[..., Any], single: bool
) -> Callable[..., Any]:
    """An executable that checks nothing, for arrays of these types only."""
    if not all(type(x) is np.ndarray and x.dtype.isnative for x in leaves):
        return otherwise
    signature = [(x.__class__, x.dtype, x.shape) for x in leaves]

    def checked(*args: Any) -> Any:
        try:
            same = [(x.__class__, x.dtype, x.shape) for x in args] == signature
        except AttributeError:
            same = False
        if not same:
            return otherwise(*args)
        results = executable(*args)
        return results[0] if single else results

    return checked


def _record(call: Call, traced: Trace) -> Any:
    """Within another trace: record a call of the function's graph."""
    if not traced.graph.outputs:
        return tree.unflatten(call.out_tree, [])
    result = CallOp(traced.graph)(*call.leaves, *traced.captures)
    return tree.unflatten(call.out_tree, result if isinstance(result, tuple) else [result])


def jit(
    fun: Callable[..., Any] | None = None,
    *,
    executor: str | Executor | None = None,
    pipeline: str | Pipeline = OPTIMISE,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    control_flow: bool = True,
    debug: str | Sequence[str] | None = None,
    **options: Any,
) -> Any:
    """Trace, optimise and compile `fun` at its first call with each signature (shapes, dtypes, trees, static values).

    `executor` names what runs it (default: `graphad.executors.default()`); `pipeline` the passes run before the
    executor's own; `static_argnums` and `static_argnames` the arguments that are hashable Python values rather than
    arrays; `control_flow` whether Python's `if`, `while` and `for` on traced values become branches and loops of
    the graph; `debug="nan"` makes a NaN or infinity among the results a `NonFiniteError` that names the line which
    made the first one, `debug="index"` tells the index and the iteration of an index out of bounds ("nan, index"
    asks for both); `options` are what the executor takes: `llvm` has `threads`, `math="fast"` or `"precise"`, and
    `guard`. Works as a decorator, with or without options. Raises `ExecutorError` for an option that the executor
    does not take, `ControlFlowError` for control flow that cannot be converted.
    """
    if fun is None:
        return lambda f: jit(
            f, executor=executor, pipeline=pipeline, static_argnums=static_argnums, static_argnames=static_argnames,
            control_flow=control_flow, debug=debug, **options,
        )  # fmt: skip
    static = Static(fun, static_argnums, static_argnames)
    return Jitted(fun, executor, pipeline, static, control_flow, debug, options)

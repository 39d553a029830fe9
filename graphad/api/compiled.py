"""Graphs after a pipeline, compiled by an executor or loaded from disk."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from graphad import executors
from graphad.api.call import as_array
from graphad.api.diagnose import watched
from graphad.attributes import cached
from graphad.build import check_graph
from graphad.errors import ExecutorError
from graphad.executors import Executor
from graphad.executors.arguments import prepare
from graphad.executors.base import compiled, refused, wanted
from graphad.executors.cache import graph_key
from graphad.graph import Graph
from graphad.location import describe_location, place
from graphad.passes import Pipeline, Stage
from graphad.passes.cost import critical_path, estimate, node_flops
from graphad.tracebacks import boundary, shorten

if TYPE_CHECKING:
    from graphad.executors.profile import Profile

OPTIMISE = (
    "inline, simplify_regions, diagonals, simplify, licm, cse, fold, simplify_regions, unroll_loops, merge_loops, "
    "fold_add_into_dest, store_on_kill, adjoint_stencils, dce"
)
"""The pipeline that `jit` runs before the executor's own."""


class Compiled:
    """A graph after its pipeline, compiled by an executor. Call it with the graph's inputs.

    `stages` holds every stage with the seconds that it took (the last is the executor's compilation), `graph` the
    optimised graph; `loaded` says that the code was found on disk, where an earlier process had put it.
    """

    def __init__(
        self,
        graph: Graph,
        pipeline: str | Pipeline,
        executor: Executor,
        trace_seconds: float = 0.0,
        debug: tuple[str, ...] = (),
        unrolled: Sequence[str] = (),
    ) -> None:
        self._made_from = graph, pipeline, executor, trace_seconds, debug, unrolled
        self._unrolled = unrolled
        self.executor = executor
        self._pipeline = pipeline if isinstance(pipeline, Pipeline) else Pipeline(pipeline)
        self._traced = Stage("trace", graph, trace_seconds)
        start = time.perf_counter()
        kept = graph_key(executor, self._pipeline, graph)
        found: Any = None if kept is None else executor.load(kept)  # type: ignore[attr-defined]
        self.loaded = found is not None
        if self.loaded:
            self._types = found.image.input_types
        else:
            optimised = self._passes[-1].graph
            start = time.perf_counter()
            found = compiled(executor, optimised, kept)
            self._types = optimised.input_types
        self._seconds = time.perf_counter() - start
        self.executable: Callable[..., Any] = watched(found, graph, debug) if debug else found

    @cached
    def _passes(self) -> list[Stage]:
        stages = [self._traced, *self._pipeline.stages(self._traced.graph)]
        return stages + wanted(self.executor, stages[-1].graph).stages(stages[-1].graph)

    @property
    def graph(self) -> Graph:
        """The optimised graph."""
        return self._passes[-1].graph

    @property
    def stages(self) -> list[Stage]:
        """Every stage. Where the code was loaded, the passes run when they are first asked for."""
        return [*self._passes, Stage(f"compile[{self.executor.name}]", self.graph, self._seconds)]

    def __call__(self, *args: Any) -> tuple[Any, ...]:
        try:
            arrays = [as_array(x) for x in args]
            for i, (x, kind) in enumerate(zip(arrays, self._types, strict=False)):
                if x.shape != kind.shape or x.dtype != kind.dtype:
                    raise refused(self._traced.graph.name, i, x, kind)
            return self.executable(*arrays)  # type: ignore[no-any-return]
        except Exception as error:
            shorten(error)
            raise

    def __reduce__(self) -> Any:
        # Native code belongs to its process: it is compiled anew.
        return Compiled, self._made_from

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

        What loops keep for their derivative whose trip count a run decides is not known before: `iteration` has the
        bytes that one iteration of each adds, and `reached`, which then counts in the peak, what the largest run so far
        has taken for them. An executor that plans no arena tells only `results` and `constants`.
        """
        memory = getattr(self.executable, "memory", None)
        if memory is not None:
            return memory()  # type: ignore[no-any-return]
        results = sum(t.nbytes for t in self.graph.output_types)
        return {"results": results, "constants": sum(c.type.nbytes for c in self.graph.constants())}

    def report(self, *args: Any) -> str:
        """What there is to know of how the graph was traced, the loops that Python ran and that make many nodes, and of
        what it costs: the flops, and those of the longest chain of operations that wait for each other.

        With arguments, one array for each input of the graph, it runs for half a second and adds a table of the parts
        of the compiled function by their time: gigabytes and operations in a second, how near that is to what simple
        programs reach on this machine (its *roof*), and what bounds it. Raises `ExecutorError` for an executor that
        tells no times of its parts.
        """
        graph, path = self.graph, critical_path(self.graph)
        flops = estimate(graph).flops
        traced = len(self._traced.graph.nodes)
        lines = [f"{graph.name}: {traced} nodes traced, {len(graph.nodes)} compiled", *self._unrolled]
        if flops:
            share = f"{path[1] / flops:.0%} of them in operations that wait for each other"
            lines.append(f"  {flops:.3g} flops, {share}, most in")
            heaviest = sorted(path[0], key=lambda node: -node_flops(node))[:3]
            lines += [f"    {node.op.name}{describe_location(node.where)}" for node in heaviest]
        if getattr(self.executable, "quick", False):
            lines.append("  compiled in the quickest way, since a run does few instructions more than once")
        if args:
            lines += ["", str(self.profile(*args))]
        return "\n".join(lines)

    def profile(self, *args: Any, seconds: float = 0.5) -> Profile:
        """The kernels of the compiled function with the time of each, measured for arguments within some seconds, and
        the machine's roof. Errors are those of `report`."""
        profile = getattr(self.executor, "profile", None)
        if profile is None:
            raise ExecutorError(
                f"profile: the executor {self.executor.name} tells no times of its kernels{place()}; compile for llvm "
                "or numpy, or call report() without arguments"
            )
        arrays = prepare(self.graph.name, self.graph.input_types, args)
        return profile(self.graph, arrays, seconds)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<Compiled @{self.graph.name} for {self.executor.name}: {len(self.graph.nodes)} nodes>"


@boundary
def compile(
    graph: Graph, pipeline: str | Pipeline = OPTIMISE, executor: str | Executor | None = None, **options: Any
) -> Compiled:
    """Run a pipeline over a graph and compile the result: `compile(trace(f)(x), "grad(wrt=0), simplify, cse, dce")`.

    `options` are the executor's own, as in `jit`. Raises `PipelineError` or `ExecutorError` for a name that is not
    known, `TypeMismatchError` for what is no graph.
    """
    check_graph("compile", graph)
    return Compiled(graph, pipeline, executors.get(executor, **options))

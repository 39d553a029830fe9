"""`conformance`: whether an executor gives what NumPy gives, on everything that the ops' samples reach."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from graphad import executors, passes
from graphad.build import Builder, building
from graphad.errors import GraphadError, MissingRuleError
from graphad.executors import Executor, base
from graphad.executors.numpy import evaluate
from graphad.graph import Graph
from graphad.op import Sample
from graphad.testing.numeric import assert_close, precision, random_like
from graphad.testing.samples import differentiable_inputs, graph_of, label, non_contiguous, samples
from graphad.trace import inline, trace_flat
from graphad.types import type_of

_GROUP = 4
_BATCH = 3


@dataclass(frozen=True)
class Case:
    """One graph with arguments to run it on, and what NumPy gives."""

    name: str
    graph: Graph
    args: tuple[Any, ...]
    expected: tuple[Any, ...]


@dataclass
class Report:
    """What a conformance run found: the names of the cases that passed, and what went wrong in the others."""

    executor: str
    passed: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return not self.failures

    def __str__(self) -> str:
        head = f"executor {self.executor}: {len(self.passed)} cases pass, {len(self.failures)} fail"
        return "\n".join([head, *(f"  {name}: {what}" for name, what in self.failures.items())])


def conformance(
    executor: str | Executor,
    chosen: Iterable[Sample] | None = None,
    *,
    raise_: bool = True,
    group: int = _GROUP,
    plumbing: bool = True,
) -> Report:
    """Run an executor on every op's samples and compare with NumPy: values, dtypes and shapes.

    Each sample gives its graph, its reverse-mode graph, its graph over a batch, and its graph within a called function.
    Then come arrays of other memory layouts, results that are inputs or constants, and repeated calls. To spare compile
    time, `group` cases run side by side in one graph; where that fails, each runs alone. `chosen` restricts the
    samples, and `plumbing=False` leaves out what does not come from samples.

    Raises `AssertionError` listing every failure, unless `raise_` is false.
    """
    runner = executors.get(executor)
    report = Report(runner.name)
    pending: list[Case] = []
    for case in _cases(samples() if chosen is None else chosen, report):
        pending.append(case)
        if len(pending) >= group:
            _run(runner, pending, report)
            pending = []
    _run(runner, pending, report)
    if plumbing:
        for check in (_check_layouts, _check_byte_order, _check_plumbing, _check_repetition):
            _attempt(report, check.__name__.removeprefix("_check_"), partial(check, runner))
    if raise_ and report.failures:
        raise AssertionError(str(report))
    return report


# -- cases --------------------------------------------------------------------------------------------------------


def _cases(chosen: Iterable[Sample], report: Report) -> Iterator[Case]:
    counts: dict[str, int] = {}
    for sample in chosen:
        name = label(sample)
        counts[name] = counts.get(name, 0) + 1
        if counts[name] > 1:
            name += f"-{counts[name]}"
        args = tuple(np.asarray(x) for x in sample.operands)
        try:
            for what, derived, given in _derived(graph_of(sample), args, sample):
                with np.errstate(all="ignore"):
                    expected = tuple(evaluate(derived, given))
                yield Case(f"{name}-{what}", derived, given, expected)
        except Exception as error:
            report.failures[name] = f"NumPy itself cannot run it: {type(error).__name__}: {error}"


def _derived(graph: Graph, args: tuple[Any, ...], sample: Sample) -> Iterator[tuple[str, Graph, tuple[Any, ...]]]:
    yield "value", graph, args
    floating = [t for t in graph.output_types if t.differentiable]
    if floating and any(t.differentiable for t in graph.input_types) and "jvp" not in sample.op.exempt:
        rng = np.random.default_rng(7)
        cts = [random_like(rng, np.zeros(t.shape, t.dtype)) for t in floating]
        yield "vjp", passes.dce(passes.vjp(graph, differentiable_inputs(graph))), (*args, *cts)
    if args and not sample.op.effect:
        try:
            batched = passes.vmap(graph, _BATCH)
        except MissingRuleError:
            return
        yield "vmap", batched, tuple(np.stack([x] * _BATCH) for x in args)
        yield "call", _called(graph), args


def _called(graph: Graph) -> Graph:
    from graphad.ops.regions.call import Call

    def twice(xs: Sequence[Any]) -> list[Any]:
        first = Call(graph)(*xs)
        again = Call(graph)(*xs)
        return [*(first if isinstance(first, tuple) else (first,)), *(again if isinstance(again, tuple) else (again,))]

    return trace_flat(twice, graph.input_types, name=f"call_{graph.name}").graph


def _side_by_side(cases: Sequence[Case]) -> Graph:
    builder = Builder("conformance")
    values, arguments = [], []
    for case in cases:
        arguments.append([builder.input(t) for t in case.graph.input_types])
    with building(builder):
        for case, inputs in zip(cases, arguments, strict=True):
            values += [tracer.value for tracer in inline(case.graph, inputs, builder)]
    return builder.finish(values)


# -- running ------------------------------------------------------------------------------------------------------


def compiled(executor: Executor, graph: Graph) -> Callable[..., tuple[Any, ...]]:
    """The graph after what the executor wants run first, compiled."""
    return base.compiled(executor, base.wanted(executor, graph)(graph))


def _run(executor: Executor, cases: list[Case], report: Report) -> None:
    if not cases:
        return
    try:
        graph = _side_by_side(cases)
        results = _apply(compiled(executor, graph), [x for case in cases for x in case.args])
        _compare_all(cases, results)
    except Exception:
        for case in cases:
            _attempt(report, case.name, partial(_check_case, executor, case))
    else:
        report.passed += [case.name for case in cases]


def _check_case(executor: Executor, case: Case) -> None:
    _compare(case, _apply(compiled(executor, case.graph), case.args))


def _attempt(report: Report, name: str, check: Callable[[], None]) -> None:
    try:
        check()
    except Exception as error:
        report.failures[name] = f"{type(error).__name__}: {error}"
    else:
        report.passed.append(name)


def _apply(executable: Callable[..., tuple[Any, ...]], args: Sequence[Any]) -> tuple[Any, ...]:
    before = [np.array(x) for x in args]
    with np.errstate(all="ignore"):
        results = executable(*args)
    if not isinstance(results, tuple):
        raise AssertionError(f"an executable gives a tuple, one entry for each output, not {type(results).__name__}")
    for i, (a, b) in enumerate(zip(args, before, strict=True)):
        assert_close(a, b, 0.0, f"argument {i} was changed")
    return results


def _compare_all(cases: Sequence[Case], results: Sequence[Any]) -> None:
    start = 0
    for case in cases:
        stop = start + len(case.expected)
        _compare(case, results[start:stop])
        start = stop
    if start != len(results):
        raise AssertionError(f"{len(results)} results, expected {start}")


def _compare(case: Case, results: Sequence[Any]) -> None:
    if len(results) != len(case.expected):
        raise AssertionError(f"{len(results)} results, expected {len(case.expected)}")
    for i, (found, expected, kind) in enumerate(zip(results, case.expected, case.graph.output_types, strict=True)):
        if type_of(found) is not kind:
            raise AssertionError(f"result {i} is {type_of(found)}, expected {kind}")
        scale = float(np.max(np.abs(expected), initial=1, where=np.isfinite(expected)))
        tolerance = 100 * precision(*case.args, expected) * scale
        assert_close(found, expected, tolerance, f"result {i}")


# -- what no sample shows -----------------------------------------------------------------------------------------


def _mixture() -> Graph:
    x = type_of(np.zeros((4, 3)))

    def body(xs: Sequence[Any]) -> list[Any]:
        a, b, s = xs
        return [np.sin(a) * b + s, a - b, s * s]

    return trace_flat(body, [x, x, type_of(np.zeros(()))], name="mixture").graph


def _check_layouts(executor: Executor) -> None:
    """Strided, reversed, transposed, read-only, unaligned and zero-stride arrays are read as what they are."""
    graph = _mixture()
    executable = compiled(executor, graph)
    rng = np.random.default_rng(3)
    x, s = rng.standard_normal((4, 3)), np.array(0.5)
    raw = np.zeros(x.nbytes + 1, np.uint8)
    unaligned = raw[1:].view(np.float64).reshape(x.shape)
    unaligned[...] = x
    layouts = {
        "strided": non_contiguous(x), "Fortran order": np.asfortranarray(x), "reversed": x[::-1, ::-1],
        "transposed": rng.standard_normal((3, 4)).T, "broadcast": np.broadcast_to(x[0], x.shape),
        "unaligned": unaligned,
    }  # fmt: skip
    for name, array in layouts.items():
        for args in ((array, x, s), (x, array, s), (array, array, s)):
            expected = tuple(evaluate(graph, [np.array(a) for a in args]))
            try:
                _compare(Case(name, graph, args, expected), _apply(executable, args))
            except AssertionError as error:
                raise AssertionError(f"{name} input: {error}") from None


def _check_byte_order(executor: Executor) -> None:
    """Arrays of foreign byte order are refused with an error, or read as what they are; never misread."""
    graph = _mixture()
    x, s = np.random.default_rng(4).standard_normal((4, 3)), np.array(0.5)
    foreign = x.astype(x.dtype.newbyteorder())
    try:
        results = _apply(compiled(executor, graph), (foreign, x, s))
    except (GraphadError, TypeError, ValueError):
        return
    for i, (a, b) in enumerate(zip(results, evaluate(graph, (x, x, s)), strict=True)):
        assert_close(a, b, 1e-12, f"foreign byte order: result {i}")


def _check_plumbing(executor: Executor) -> None:
    """Results that are inputs, constants or one value twice are arrays of their own; a graph may have no input."""
    x = np.arange(3.0)

    def body(xs: Sequence[Any]) -> list[Any]:
        y = xs[0] * 2.0
        return [xs[0], y, y, np.array([1.0, 2.0]), np.float32(3)]

    graph = trace_flat(body, [type_of(x)], name="plumbing").graph
    expected = tuple(evaluate(graph, [x]))
    results = _apply(compiled(executor, graph), [x])
    _compare(Case("plumbing", graph, (x,), expected), results)
    for i, found in enumerate(results):
        if isinstance(found, np.ndarray) and np.shares_memory(found, x):
            raise AssertionError(f"result {i} shares memory with an argument; writing to it would change the caller's")
    nothing = trace_flat(lambda xs: [np.array([1.5, 2.5])], [], name="constant").graph
    _compare(Case("constant", nothing, (), (np.array([1.5, 2.5]),)), _apply(compiled(executor, nothing), []))


def _check_repetition(executor: Executor) -> None:
    """A second call leaves the results of the first alone, and sees its own arguments."""
    graph = _mixture()
    executable = compiled(executor, graph)
    rng = np.random.default_rng(5)
    calls = [(rng.standard_normal((4, 3)), rng.standard_normal((4, 3)), np.array(k + 0.5)) for k in range(3)]
    results = [_apply(executable, args) for args in calls]
    for args, found in zip(calls, results, strict=True):
        _compare(Case("repetition", graph, args, tuple(evaluate(graph, args))), found)

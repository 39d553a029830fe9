"""The laws that every op obeys, one function each; they hold for a user's own op too.

Every function takes a `Sample` (an op and operands) and raises `AssertionError` saying what disagrees. Where the law
says nothing of the sample, it gives the reason as text; a law that was checked gives None.
"""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad import passes
from graphad.errors import ShapeError, TypeMismatchError
from graphad.executors import Executor
from graphad.executors.numpy import evaluate
from graphad.graph import Graph
from graphad.op import Op, Sample
from graphad.testing import traits
from graphad.testing.conformance import conformance
from graphad.testing.numeric import assert_close, directional_derivative, inner, precision, random_like
from graphad.testing.samples import (
    differentiable,
    differentiable_inputs,
    graph_of,
    label,
    narrowed,
    non_contiguous,
    samples_of,
    widened,
)
from graphad.types import TensorType, type_of

_SEED = 20240229
_BATCH = 3
_LARGEST_SECOND_ORDER = 200
_FEW_NODES = 150


# -- laws of graphs -----------------------------------------------------------------------------------------------


def evaluated(graph: Graph, args: Sequence[Any]) -> list[Any]:
    """The graph's results by the NumPy executor, each checked to have the type that the graph declares."""
    with np.errstate(all="ignore"):
        results: list[Any] = evaluate(graph, args)
    for i, (x, kind) in enumerate(zip(results, graph.output_types, strict=True)):
        found = type_of(x)
        if found is not kind:
            raise AssertionError(f"@{graph.name}: result {i} is {found}, and its inferred type is {kind}")
    return results


def _subsets(positions: Sequence[int], alone: bool) -> list[tuple[int, ...]]:
    """All positions together, and each one alone if asked."""
    if not positions:
        return []
    return [tuple(positions), *[(i,) for i in positions if alone and len(positions) > 1]]


def _chosen(graph: Graph, alone: bool = True) -> list[tuple[int, ...]] | str:
    """The sets of inputs in which derivatives are checked, or why there are none."""
    if not differentiable(graph.input_types):
        return "no operand is floating"
    if not differentiable(graph.output_types):
        return "no result is floating"
    return _subsets(differentiable_inputs(graph), alone) or "it refuses derivatives in all of its operands"


def check_graph_jvp(
    graph: Graph, args: Sequence[Any], wide: tuple[Graph, Sequence[Any]] | None = None, alone: bool = True
) -> str | None:
    """Tangents agree with finite differences in double precision, for all inputs together and each `alone`.

    `wide` is the same graph and arguments in double precision, where `graph` itself is in lower.
    """
    reference, points = wide or (graph, args)
    chosen = _chosen(graph, alone)
    if isinstance(chosen, str):
        return chosen
    kept = differentiable(graph.output_types)
    rng = np.random.default_rng(_SEED)
    for wrt in chosen:
        tangents = [random_like(rng, args[i]) for i in wrt]
        found = evaluated(passes.jvp(graph, wrt).verify(), [*args, *tangents])[len(graph.outputs) :]
        with np.errstate(all="ignore"):
            expected = directional_derivative(
                _restricted(reference, points, wrt, kept), [points[i] for i in wrt], tangents
            )
        outputs = [graph.output_types[i] for i in kept]
        tolerance = 2e-7 if precision(*args, *found) < 1e-10 else 200 * precision(*args, *found)
        if any(np.finfo(t.dtype).eps > 1e-10 for t in reference.output_types if t.differentiable):
            tolerance = 2e-2
        for i, (a, b) in enumerate(zip(found, expected, strict=True)):
            assert_close(a, b, tolerance, f"jvp of @{graph.name} wrt {wrt}: tangent {i} ({outputs[i]})")
    return None


def _restricted(graph: Graph, args: Sequence[Any], wrt: Sequence[int], kept: Sequence[int]) -> Any:
    def function(points: list[Any]) -> list[Any]:
        full = list(args)
        for i, x in zip(wrt, points, strict=True):
            full[i] = np.asarray(x, graph.input_types[i].dtype)
        results = evaluate(graph, full)
        return [results[i] for i in kept]

    return function


def check_graph_transpose(graph: Graph, args: Sequence[Any], alone: bool = True) -> str | None:
    """`<ct, jvp(t)> == <vjp(ct), t>`, for all inputs together and each `alone`; values are those of the graph.

    The product is the real part of the bilinear one, which is JAX's convention for complex cotangents.
    """
    chosen = _chosen(graph, alone)
    if isinstance(chosen, str):
        return chosen
    kept = differentiable(graph.output_types)
    rng = np.random.default_rng(_SEED + 1)
    values = evaluated(graph, args)
    undefined = []
    for wrt in chosen:
        what = f"vjp of @{graph.name} wrt {wrt}"
        tangents = [random_like(rng, args[i]) for i in wrt]
        cts = [random_like(rng, values[i]) for i in kept]
        forward = evaluated(passes.jvp(graph, wrt), [*args, *tangents])[len(graph.outputs) :]
        reverse = evaluated(passes.vjp(graph, wrt).verify(), [*args, *cts])
        for i, (a, b) in enumerate(zip(reverse, values, strict=False)):
            assert_close(a, b, 8 * precision(*args, b), f"{what}: value {i}")
        left, size_left = inner(cts, forward)
        right, size_right = inner(reverse[len(graph.outputs) :], tangents)
        allowed = 50 * precision(*args, *cts) * max(1.0, size_left + size_right)
        if np.isnan(left) and np.isnan(right):
            undefined.append(wrt)
        elif not abs(left - right) <= allowed:
            raise AssertionError(f"{what}: <ct, jvp(t)> = {left!r}, but <vjp(ct), t> = {right!r}")
    return "its derivatives are NaN at these operands" if undefined == chosen else None


def check_graph_batch(graph: Graph, args: Sequence[Any], patterns: Sequence[Sequence[bool]] | None = None) -> None:
    """`vmap` agrees with a Python loop, for each pattern of batched inputs, and takes a batch of none."""
    if patterns is None:
        n = len(args)
        every = list(itertools.product([False, True], repeat=n))
        patterns = every[1:] if n <= 3 else [p for p in every if sum(p) in (1, n)]
    stacks = _variants(graph, args)
    for pattern in patterns:
        what = f"vmap of @{graph.name} over inputs {[i for i, b in enumerate(pattern) if b]}"
        given = [stack if b else x for stack, x, b in zip(stacks, args, pattern, strict=True)]
        results = evaluated(passes.vmap(graph, _BATCH, pattern).verify(), given)
        rows = [
            evaluated(graph, [x[k] if b else x for x, b in zip(given, pattern, strict=True)]) for k in range(_BATCH)
        ]
        for i, (result, *column) in enumerate(zip(results, *rows, strict=True)):
            expected = np.stack([np.asarray(x) for x in column])
            assert_close(result, expected, 40 * precision(*args, expected), f"{what}: result {i}")
        empty = [x[:0] if b else x for x, b in zip(given, pattern, strict=True)]
        evaluated(passes.vmap(graph, 0, pattern).verify(), empty)


def _variants(graph: Graph, args: Sequence[Any]) -> list[Any]:
    """Each argument stacked with two others like it: scaled if floating, reversed along its first axis if not."""
    stacks = []
    for i, x in enumerate(args):
        x = np.asarray(x)
        copies = [x, x, x]
        for k in (1, 2):
            if x.dtype.kind in "fc":
                changed = x * x.dtype.type(1 - k / 64)
            else:
                changed = np.flip(x, 0) if x.ndim and k == 1 else x
            try:
                with np.errstate(all="ignore"):
                    evaluate(graph, [*args[:i], changed, *args[i + 1 :]])
            except (ArithmeticError, IndexError, ValueError):
                continue
            copies[k] = changed
        stacks.append(np.stack(copies))
    return stacks


# -- laws of ops --------------------------------------------------------------------------------------------------


def check_infer(sample: Sample) -> str | None:
    """Results have the inferred dtype and shape, operands are left alone, and their memory layout does not matter."""
    graph = graph_of(sample)
    before = [np.array(x) for x in sample.operands]
    results = evaluated(graph, sample.operands)
    for i, (x, y) in enumerate(zip(before, sample.operands, strict=True)):
        assert_close(y, x, 0.0, f"{sample.op!r} changed its operand {i}")
    if not sample.op.effect:
        strided = [non_contiguous(x) for x in sample.operands]
        for i, (a, b) in enumerate(zip(evaluated(graph, strided), results, strict=True)):
            assert_close(a, b, 8 * precision(b), f"{sample.op!r} on non-contiguous operands: result {i}")
    return None


def check_jvp(sample: Sample) -> str | None:
    """Tangents agree with finite differences in double precision, along real and complex directions."""
    wide = widened(sample)
    try:
        reference = (graph_of(wide), wide.operands)
    except (ShapeError, TypeMismatchError):
        reference = None
    return check_graph_jvp(graph_of(sample), sample.operands, reference)


def check_transpose(sample: Sample) -> str | None:
    """The dot-product law of the op's linearisation and its transpose."""
    return check_graph_transpose(graph_of(sample), sample.operands)


def check_second_order(sample: Sample) -> str | None:
    """The op's reverse-mode graph is differentiated again: against finite differences, and transposed.

    A long graph only for all of its inputs together.
    """
    graph = graph_of(sample)
    chosen = _chosen(graph)
    if isinstance(chosen, str):
        return chosen
    floating = [np.asarray(x) for x in sample.operands if np.asarray(x).dtype.kind in "fc"]
    outputs = [t for t in graph.output_types if t.differentiable]
    if sum(x.size for x in floating) > _LARGEST_SECOND_ORDER:
        return f"it has more than {_LARGEST_SECOND_ORDER} elements"
    if precision(*floating) > 1e-10 or any(np.finfo(t.dtype).eps > 1e-10 for t in outputs):
        return "differences of derivatives need double precision"
    rng = np.random.default_rng(_SEED + 2)
    pullback = passes.dce(passes.vjp(graph, differentiable_inputs(graph)))
    cts = [random_like(rng, np.zeros(t.shape, t.dtype)) for t in outputs]
    pullback = pullback.replace(outputs=pullback.outputs[len(graph.outputs) :], name=f"vjp_{graph.name}")
    args = [*sample.operands, *cts]
    alone = len(pullback.nodes) <= _FEW_NODES
    return check_graph_jvp(pullback, args, alone=alone) or check_graph_transpose(pullback, args, alone)


def check_batch(sample: Sample) -> str | None:
    """`vmap` agrees with a loop: for each pattern of batched operands, and once more over a batched graph."""
    if not sample.operands:
        return "it has no operand"
    graph = graph_of(sample)
    check_graph_batch(graph, sample.operands)
    twice = passes.vmap(graph, _BATCH)
    check_graph_batch(twice, _variants(graph, sample.operands), [[True] * len(sample.operands)])
    return None


def check_dtype(sample: Sample) -> str | None:
    """Single precision stays single in values, tangents and cotangents: no double appears on the way."""
    wide = graph_of(sample)
    if not differentiable(wide.input_types):
        return "no operand is floating"
    if sample.op.regions or _names_a_type(tuple(sample.op.attributes.values())):
        return "an attribute or a region sets the precision"
    single = narrowed(sample)
    graph = graph_of(single)
    for i, (a, b) in enumerate(zip(evaluated(graph, single.operands), evaluated(wide, sample.operands), strict=True)):
        if np.asarray(a).dtype.kind in "fc":
            assert_close(a, b, 2e-4, f"{sample.op!r} in single precision: result {i}")
    made = [graph]
    if differentiable(graph.output_types):
        wrt = differentiable_inputs(graph)
        made += [passes.jvp(graph, wrt), passes.dce(passes.vjp(graph, wrt))]
    for derived, what in zip(made, ("value", "jvp", "vjp"), strict=False):
        for node in derived.walk():
            for v in node.outputs:
                if v.type.dtype in (np.float64, np.complex128):
                    name = f"{sample.op!r} of {list(single.types)}"
                    raise AssertionError(f"{name}: {node.op!r} in its {what} gives {v.type}")
    return None


def _names_a_type(x: Any) -> bool:
    return isinstance(x, (np.dtype, TensorType)) or (isinstance(x, tuple) and any(map(_names_a_type, x)))


def check_text(sample: Sample) -> str | None:
    """The op's graph, and its derivative's, print to text that parses to the same graph."""
    from graphad.text import parse_graph, print_graph

    graph = graph_of(sample)
    graphs = [graph]
    if differentiable(graph.input_types) and differentiable(graph.output_types) and "jvp" not in sample.op.exempt:
        graphs.append(passes.vjp(graph, differentiable_inputs(graph)))
    for graph in graphs:
        text = print_graph(graph)
        parsed = parse_graph(text).verify()
        if parsed.digest != graph.digest:
            raise AssertionError(f"this text parses to another graph than it was printed from:\n{text}\n{parsed}")
        if print_graph(parsed) != text:
            raise AssertionError(f"printing what was parsed gives other text:\n{text}\n{print_graph(parsed)}")
    return None


def check_pickle(sample: Sample) -> str | None:
    """The op and its graph survive pickling: equal op, equal hash, equal structure."""
    op = pickle.loads(pickle.dumps(sample.op))
    if op != sample.op or hash(op) != hash(sample.op):
        raise AssertionError(f"{sample.op!r} is {op!r} after pickling")
    graph = graph_of(sample)
    copy = pickle.loads(pickle.dumps(graph))
    if copy.digest != graph.digest:
        raise AssertionError(f"the graph of {sample.op!r} changes in pickling:\n{graph!r}\n{copy!r}")
    return None


def check_executor(executor: str | Executor, sample: Sample) -> None:
    """An executor gives what NumPy gives for the op and for its derivative, on any memory layout."""
    conformance(executor, [sample], plumbing=False)


Law = Callable[[Sample], str | None]
LAWS: dict[str, Law] = {
    "infer": check_infer,
    "jvp": check_jvp,
    "transpose": check_transpose,
    "second": check_second_order,
    "batch": check_batch,
    "dtype": check_dtype,
    "text": check_text,
    "pickle": check_pickle,
    **traits.LAWS,
}
"""The laws by name; `check_op` and the generated tests run them all."""


def check_op(op: Op | type[Op], laws: Sequence[str] = tuple(LAWS)) -> None:
    """Check every law on every sample of an op. Raises `AssertionError` listing what fails, or if it has no sample."""
    failures, count = [], 0
    for sample in samples_of(op):
        count += 1
        for law in laws:
            if law in sample.op.exempt:
                continue
            try:
                LAWS[law](sample)
            except Exception as error:
                failures.append(f"{label(sample)}-{law}: {type(error).__name__}: {error}")
    if not count and "samples" not in op.exempt:
        raise AssertionError(f"{op.name} has no samples; give its samples() an example or two")
    if failures:
        raise AssertionError(f"{len(failures)} laws do not hold for {op.name}:\n  " + "\n  ".join(failures))

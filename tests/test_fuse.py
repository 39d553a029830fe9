"""Fusion and lifetimes: meaning kept, one kernel where one pass is enough, no cycles, small arenas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad
from graphad.graph import Graph
from graphad.passes import Pipeline
from graphad.passes.fusion.grouping import LIMIT
from graphad.passes.memory.lifetime import Interval, assign_buffers, pack

X = np.linspace(-1.0, 2.0, 12).reshape(3, 4)
LARGE = np.linspace(-1.0, 2.0, 1200).reshape(30, 40)


def fused(fun: Any, *args: Any) -> Graph:
    graph = graphad.trace(fun)(*args)
    stages = Pipeline("inline, cse, dce, fuse, lifetime").stages(graph, verify=True)
    for found, expected in zip(stages[-1].graph.eval(*args), graph.eval(*args), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-13)
    return stages[-1].graph


def names(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


def test_chain_with_reductions_is_one_kernel() -> None:
    def f(x: Any, y: Any) -> Any:
        a = np.exp(-x * x) * np.sin(y) + x / y
        return np.sum(a), np.max(a, axis=0), a

    assert names(fused(f, X, X + 3.0)) == ["fused"]


def test_reductions_of_the_same_array_share_a_kernel() -> None:
    assert names(fused(lambda x: (np.sum(x), np.max(x), np.sum(x * x)), X)) == ["fused"]


def test_reader_of_a_reduction_runs_after_it() -> None:
    graph = fused(lambda x: np.exp(x - np.max(x)) / np.sum(np.exp(x - np.max(x))), LARGE)
    kernels = [node for node in graph.nodes if node.op.name in ("fused", "max", "divide")]
    assert len(kernels) == 3


def test_small_arrays_are_one_kernel_across_reductions_and_shape_ops() -> None:
    def f(x: Any) -> Any:
        e = np.exp(x - np.max(x))
        return np.cumsum(e / np.sum(e), axis=0)[::-1]

    assert names(fused(f, X)) == ["fused"]


def test_independent_producers_join_their_reader() -> None:
    assert names(fused(lambda x, y: np.exp(x) * np.sin(y), X, X)) == ["fused"]


def test_what_runs_between_keeps_kernels_apart() -> None:
    graph = fused(lambda x: np.sin(x) * np.cumsum(np.sin(x) * 2.0, axis=0), LARGE)
    assert names(graph).count("cumsum") == 1


def test_cheap_values_are_computed_again_rather_than_stored() -> None:
    graph = fused(lambda x: (np.sum(2.0 * x), np.sum((2.0 * x) * np.cumsum(x, axis=0))), X)
    big = [v for node in graph.nodes if node.op.name != "cumsum" for v in node.outputs if v.type.size > 1]
    assert not big


def test_kernels_stay_small_enough_to_compile() -> None:
    def f(x: Any) -> Any:
        for i in range(2 * LIMIT):
            x = x * 0.5 + float(i)
        return x

    graph = fused(f, X)
    assert all(len(node.op.kernel.nodes) <= LIMIT for node in graph.nodes if node.op.name == "fused")  # type: ignore[attr-defined]


def test_effects_keep_their_order() -> None:
    graph = fused(lambda x: np.sort(np.exp(x)) + np.sort(np.sin(x)), X)
    assert names(graph).count("sort") == 2


@pytest.mark.parametrize("seed", range(5))
def test_pack_keeps_live_intervals_apart(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 30, 40)
    sizes, steps = rng.integers(1, 500, 40), rng.integers(0, 9, 40)
    intervals = [Interval(int(n), int(a), int(a + k)) for n, a, k in zip(sizes, first, steps, strict=True)]
    offsets, peak = pack(intervals)
    for i, a in enumerate(intervals):
        assert offsets[i] % 64 == 0
        assert offsets[i] + a.nbytes <= peak
        for j, b in enumerate(intervals[:i]):
            if a.first <= b.last and b.first <= a.last:
                assert offsets[i] + a.nbytes <= offsets[j] or offsets[j] + b.nbytes <= offsets[i]


def test_lifetime_lowers_the_peak() -> None:
    def f(x: Any) -> Any:
        parts = [np.cumsum(x * float(i), axis=0) for i in range(6)]
        return [np.sum(part) for part in parts]

    graph = graphad.trace(f)(X)
    before, after = assign_buffers(graph).peak_bytes, assign_buffers(Pipeline("lifetime")(graph)).peak_bytes
    assert after < before


def test_small_arrays_stay_loops_where_all_of_them_are_too_many():
    def f(a, x):
        for _ in range(4):
            x = np.tanh(a @ x) + x[::-1]
        return x

    rng = np.random.default_rng(0)
    a, x = rng.normal(size=(6, 6)), rng.normal(size=6)
    graph = graphad.trace(f)(a, x)
    free = graphad.Pipeline("cse, dce, fuse")(graph)
    bound = graphad.Pipeline("cse, dce, fuse(total=100)")(graph)
    depths = [[node.op.depth for node in g.nodes if node.op.name == "fused"] for g in (free, bound)]
    assert 0 in depths[0]
    assert 0 not in depths[1]
    np.testing.assert_allclose(free.eval(a, x)[0], f(a, x))
    np.testing.assert_allclose(bound.eval(a, x)[0], f(a, x))


def test_what_kernels_compute_again_does_not_multiply_along_a_chain():
    def doubling(x):
        for i in range(10):
            x = x * np.concatenate([np.ones(2**i), x[: -(2**i)]])
        return x

    x = np.linspace(0.99, 1.01, 1030)
    compiled = graphad.jit(doubling, executor="llvm").compile(x)
    assert len(compiled.source()) < 1_000_000
    np.testing.assert_allclose(compiled(x)[0], doubling(x), rtol=1e-12)


def test_shifted_multiples_of_an_array_are_scaled_where_they_are_summed():
    """The array is stored once, not each of its multiples, as in the gradient of a correlation."""

    def f(x: Any) -> Any:
        y = np.exp(x) * np.sin(x)
        return sum(0.5 * (i + 1) * np.pad(y, ((8 - i, i), (0, 0))) for i in range(9))

    graph = fused(f, LARGE)
    assert names(graph) == ["fused", "fused"]
    assert [len(node.outputs) for node in graph.nodes] == [1, 1]


def test_what_nothing_reads_is_no_reader() -> None:
    def f(b: Any) -> Any:
        opposite = np.logical_not(b)
        np.concatenate([b, opposite], 1)
        x = opposite.astype("i8")
        for _ in range(5):
            x = -x
        return -np.reshape(x & 6, (1, 1, 1, 16))

    graph = graphad.trace(f)(np.ones((16, 1), bool))
    fused = graphad.Pipeline("fuse(lanes=8)").stages(graph, verify=True)[-1].graph
    assert not [node for node in fused.walk() if node.op.name == "concatenate"]


def test_an_array_without_elements_is_read_through_what_fills_it_up() -> None:
    def f(x: Any, y: Any) -> Any:
        return np.reshape(np.pad(-x, ((0, 1), (0, 0), (0, 1), (0, 0))), (7,)) + y + y

    np.testing.assert_array_equal(graphad.jit(f, executor="llvm")(np.ones((0, 1, 0, 7)), np.ones(7)), np.full(7, 2.0))

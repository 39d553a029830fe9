"""Random graphs with effects, checks, draws, exceptions, NaN and infinities: passes keep what they do, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from effect_graphs import GENERATOR, LOG, Maker, arguments

import graphad
from graphad import passes

PASSES = (
    "cse", "dce", "fold", "licm", "lifetime", "fold_add_into_dest", "merge_loops", "simplify_regions", "unroll_loops",
    "decompose", "inline", "simplify", "adjoint_stencils", "diagonals", "fuse", "store_on_kill",
    "simplify_regions, licm, cse, merge_loops, fold_add_into_dest, store_on_kill, fold, dce, lifetime",
)  # fmt: skip
SEEDS = 60


def outcome(run: Callable[..., Sequence[Any]], args: Sequence[Any]) -> tuple[Any, list[Any]]:
    """The results of a run, or its exception as text, and what it told."""
    LOG.clear()
    GENERATOR[0] = np.random.default_rng(5)
    try:
        with np.errstate(all="ignore"):
            found: Any = list(run(*args))
    except (ValueError, KeyError) as error:
        # The text of what a factorisation raises is the executor's own.
        own = isinstance(error, np.linalg.LinAlgError)
        found = type(error).__name__ if own else f"{type(error).__name__}: {error}".split(" (")[0]
    return found, [*LOG, ("drawn", GENERATOR[0].random(2))]


def alike(found: tuple[Any, list[Any]], wanted: tuple[Any, list[Any]]) -> None:
    """The same results or exceptions, and the same calls in the same order with the same arrays."""
    assert [call[0] for call in found[1]] == [call[0] for call in wanted[1]]
    if isinstance(wanted[0], str) or isinstance(found[0], str):
        assert found[0] == wanted[0]
    else:
        close(found[0], wanted[0])
    close([x for call in found[1] for x in call[1:]], [x for call in wanted[1] for x in call[1:]])


def close(found: Sequence[Any], wanted: Sequence[Any]) -> None:
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@lru_cache(maxsize=SEEDS)
def example(seed: int) -> tuple[graphad.Graph, list[tuple[Any, Any]]]:
    """A graph, and its outcomes for three lists of arguments."""
    graph = Maker(seed).graph()
    given = [arguments(100 * seed + k) for k in range(3)]
    return graph, [(args, outcome(graph.eval, args)) for args in given]


def check(seed: int, text: str) -> None:
    graph, outcomes = example(seed)
    after = passes.Pipeline(text).stages(graph, verify=True)[-1].graph
    for args, wanted in outcomes:
        alike(outcome(after.eval, args), wanted)


@pytest.mark.parametrize("text", PASSES)
def test_passes_keep_effects(text: str) -> None:
    for seed in range(SEEDS):
        check(seed, text)


def check_derivatives(seed: int) -> None:
    """What derivatives compute first are the values, with their effects; and each of these happens once."""
    graph = Maker(seed, ["draw"]).graph()
    args = arguments(100 * seed)
    results, told = outcome(graph.eval, args)
    for derived, seeds in ((passes.jvp(graph), args[:3]), (passes.vjp(graph), [np.ones(3)] * 3)):
        found, done = outcome(derived.eval, [*args, *seeds])
        alike((found if isinstance(found, str) else found[:3], done), (results, told))


def test_derivatives_keep_effects() -> None:
    for seed in range(SEEDS):
        check_derivatives(seed)


def rounded(told: Sequence[Any]) -> set[Any]:
    return {(name, *[f"{v:.9g}" for x in xs for v in np.ravel(x)]) for name, *xs in told}


def check_batch(seed: int) -> None:
    """What happens for an example happens for it in a batch; what is the same for all of them may happen once."""
    graph = Maker(seed, ["draw", "fragile"]).graph()
    each = [arguments(100 * seed + 2 * k) for k in range(3)]
    alone = [outcome(graph.eval, args) for args in each]
    found, told = outcome(passes.vmap(graph, 3).verify().eval, [np.stack(column) for column in zip(*each, strict=True)])
    failures = [results for results, _ in alone if isinstance(results, str)]
    if failures:
        assert found in failures
        return
    close(found, [np.stack(column) for column in zip(*[results for results, _ in alone], strict=True)])
    assert rounded(told) == {x for _, done in alone for x in rounded(done)}


def test_batches_keep_effects() -> None:
    for seed in range(3 * SEEDS):
        check_batch(seed)


@pytest.mark.slow
def test_derivatives_and_batches_of_many_graphs() -> None:
    for seed in range(SEEDS, 3000):
        check_derivatives(seed)
        check_batch(seed)


def check_compiled(seed: int, executor: str) -> None:
    graph = Maker(seed).graph()
    compiled = graphad.compile(graph, executor=executor)
    for k in range(2):
        args = arguments(100 * seed + k)
        alike(outcome(compiled, args), outcome(graph.eval, args))


@pytest.mark.parametrize(("executor", "seeds"), [("numpy", 40), ("llvm", 16), ("numba", 1)])
def test_executors_keep_effects(executor: str, seeds: int) -> None:
    for seed in range(seeds):
        check_compiled(seed, executor)


@pytest.mark.slow
@pytest.mark.parametrize(("executor", "seeds"), [("numpy", 3000), ("llvm", 1000), ("numba", 30)])
def test_executors_keep_effects_of_many_graphs(executor: str, seeds: int) -> None:
    for seed in range(seeds):
        check_compiled(seed, executor)


@pytest.mark.slow
@pytest.mark.parametrize("text", PASSES)
def test_passes_keep_effects_of_many_graphs(text: str) -> None:
    for seed in range(SEEDS, 3000):
        check(seed, text)

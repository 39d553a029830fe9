"""What lives as long as its function: closures, their arrays, graphs, code objects and compiled code."""

from __future__ import annotations

import gc
import linecache
import tracemalloc
import weakref
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np
import pytest

import graphad
from graphad.codes import OfCode
from graphad.executors import cache

X = np.ones(100_000)
Step = Callable[[Any], Any]

STEPS: dict[str, Step] = {
    "gradient": lambda c: graphad.grad(lambda w: np.sum(w * c))(X),
    "gradient of a loop": lambda c: graphad.grad(lambda w: graphad.fori_loop(0, 3, lambda i, v: v + w @ c, 0.0))(X),
    "jit": lambda c: graphad.jit(lambda w: w * c)(X),
    "loop": lambda c: graphad.jit(lambda w: graphad.fori_loop(0, 5, lambda i, v: v * c, w))(X),
    "while": lambda c: graphad.jit(lambda w: graphad.while_loop(lambda v: v[0] < 0, lambda v: v * c, w))(X),
    "scan": lambda c: graphad.jit(lambda w: graphad.scan(lambda v, i: (v * c, v[0]), w, np.arange(3)))(X),
    "branch": lambda c: graphad.jit(lambda w: graphad.cond(w[0] > 0, lambda v: v * c, lambda v: v, w))(X),
    "callback": lambda c: graphad.jit(
        lambda w: graphad.pure_callback(lambda v: v * c, graphad.ShapeDtype(X.shape, float), w)
    )(X),
    "vmap": lambda c: graphad.vmap(lambda w: w * c[0])(X),
    "batch": lambda c: graphad.jit(graphad.grad(lambda w, b: np.sum(w * b)))(X, c),
}


def held(step: Step, n: int = 5) -> float:
    """Megabytes of Python's and NumPy's memory that calls with fresh arrays leave behind."""
    tracemalloc.start()
    step(np.random.rand(X.size))
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(n):
        step(np.random.rand(X.size))
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) / 1e6


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_arrays_of_closures_are_freed(step: Step) -> None:
    assert held(step) < 2  # five arrays take 4


def fresh(k: int) -> FunctionType:
    """A function whose code nothing else has."""
    text = f"def f(w):\n    if w[0] > {k}:\n        w = w * {k}.5\n    return np.sum(np.sin(w))\n"
    file, space = f"<fresh {k}>", {"np": np}
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    exec(compile(text, file, "exec"), space)
    return space.pop("f")  # type: ignore[no-any-return]


@pytest.mark.parametrize("transformation", [graphad.grad, graphad.jit, lambda f: graphad.jit(graphad.grad(f))])
def test_functions_and_their_code_are_freed(transformation: Any) -> None:
    alive = []
    for k in range(3):
        f = fresh(k)
        transformation(f)(np.ones(3))
        alive += [weakref.ref(f), weakref.ref(f.__code__)]
        del f
    gc.collect()
    assert [r() for r in alive] == [None] * 6


def test_compiled_functions_need_no_garbage_collection() -> None:
    def made() -> Any:
        f = lambda x: np.sin(x) * 2
        j = graphad.jit(f)
        j(np.ones(3))
        return weakref.ref(f), weakref.ref(j)

    gc.disable()
    try:
        assert [r() for r in made()] == [None, None]
    finally:
        gc.enable()


def test_a_table_forgets_code_that_has_died() -> None:
    table: OfCode[int] = OfCode()
    f = fresh(10)
    code = f.__code__
    assert table.learn(code, 3) == 3
    assert table.get(id(code)) == 3
    del f, code
    gc.collect()
    assert not table
    assert not table._alive


def test_a_process_that_compiles_many_functions_does_not_grow() -> None:
    from benchmarks.bench_memory import grown

    found = grown(scale=100)
    assert sum(found.values()) < 6, found


def test_a_lowered_limit_of_the_cache_holds_at_once(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHAD_CACHE", "1")
    monkeypatch.setenv("GRAPHAD_CACHE_DIR", str(tmp_path / "cache"))
    for k in range(20):
        cache.store(f"{k:040}", bytes(10_000))
    monkeypatch.setenv("GRAPHAD_CACHE_LIMIT", "50KB")
    cache.store("f" * 40, bytes(10_000))
    assert cache.info().bytes <= 50 << 10


@pytest.mark.parametrize("executor", ["llvm", "numba"])
def test_what_loops_of_unknown_length_keep_is_told(executor: str) -> None:
    def f(x: Any, n: Any) -> Any:
        return np.sum(graphad.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, np.sin(c[1])), (0, x))[1])

    compiled = graphad.jit(graphad.grad(f), executor=executor).compile(X[:100], 1)
    before = compiled.memory()
    assert before["iteration"] == 800
    assert before["reached"] == 0
    for n, kept in ((1000, 1000), (10, 1000), (5000, 5000)):
        compiled(X[:100], np.array(n))
        after = compiled.memory()
        assert 800 * kept <= after["reached"] <= 2 * 800 * kept  # room is doubled
        assert after["peak"] == before["peak"] + after["reached"]
    known = graphad.jit(graphad.grad(lambda x: f(x, 7)), executor=executor).compile(X[:100])
    assert ("reached" in known.memory()) == ("iteration" in known.memory())

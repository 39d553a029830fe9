"""Microseconds per node from a function to machine code: tracing, each pass, lowering, emission, LLVM.

    python tests/benchmarks/bench_compile.py

Two graphs, a recurrence of scalars and a mixture of products, reductions, shapes and indices, and the gradient of each.
Every figure is per node of the graph as it was traced, so that those of a column add up.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np

import graphad
from graphad.api.compiled import OPTIMISE
from graphad.executors import llvm
from graphad.executors.llvm import engine, executable

REPEAT = 3
STEPS, BLOCKS = 600, 20

TIMED = {
    "lowering to loops": (llvm, "lower"),
    "LLVM's passes": (engine, "optimise"),
    "machine code": (engine, "object_code"),
    "linking": (executable, "Library"),
}
"""What a compilation calls, and where it looks for it."""


def recurrence(np: Any) -> Callable[[Any], Any]:
    """Five nodes in each step, all of them scalars."""

    def value(x: Any) -> Any:
        for _ in [None] * STEPS:
            x = x + 0.01 * np.sin(x) * (1 - x)
        return x

    return value


def mixed(np: Any) -> Callable[..., Any]:
    """Blocks of a product, a softmax, a concatenation, slices, a gather and a cumulative sum."""

    def value(x: Any, w: Any) -> Any:
        order = np.array([3, 1, 2, 0])
        for _ in [None] * BLOCKS:
            h = np.tanh(x @ w)
            e = np.exp(h - np.max(h, axis=1, keepdims=True))
            h = np.concatenate([e / np.sum(e, axis=1, keepdims=True), h[:, :4]], axis=1)
            x = 0.5 * x + h[:, 2:10][order] * np.cumsum(x, axis=1).T.reshape(4, 8)
        return np.sum(x * x)

    return value


@contextmanager
def timed() -> Iterator[dict[str, float]]:
    """Seconds spent in each of `TIMED` while the block runs, without those in another of them that it calls."""
    seconds = dict.fromkeys(TIMED, 0.0)
    inside = [0.0]
    originals = {name: getattr(module, attribute) for name, (module, attribute) in TIMED.items()}

    def wrap(name: str) -> Callable[..., Any]:
        def function(*args: Any, **kwargs: Any) -> Any:
            inside.append(0.0)
            start = time.perf_counter()
            result = originals[name](*args, **kwargs)
            taken = time.perf_counter() - start
            seconds[name] += taken - inside.pop()
            inside[-1] += taken
            return result

        return function

    try:
        for name, (module, attribute) in TIMED.items():
            setattr(module, attribute, wrap(name))
        yield seconds
    finally:
        for name, (module, attribute) in TIMED.items():
            setattr(module, attribute, originals[name])


def once(fun: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[int, dict[str, float]]:
    """The number of traced nodes, and seconds of each step."""
    start = time.perf_counter()
    graph = graphad.trace(fun)(*arguments)
    found = {"tracing": time.perf_counter() - start}
    executor = llvm.LLVMExecutor()
    stages = (graphad.Pipeline(OPTIMISE) + graphad.Pipeline(executor.pipeline)).stages(graph, verify=False)
    for stage in stages:
        found[stage.name.partition("(")[0]] = stage.seconds
    with timed() as parts:
        start = time.perf_counter()
        executor.compile(stages[-1].graph)
        total = time.perf_counter() - start
    found |= parts
    found["emission of LLVM's text"] = total - sum(parts.values())
    return len(graph.nodes), found


def best(fun: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[int, dict[str, float]]:
    """The same, each step the best of several runs."""
    runs = [once(fun, arguments) for _ in range(REPEAT)]
    return runs[0][0], {name: min(run[name] for _, run in runs) for name in runs[0][1]}


def jax_seconds(make: Callable[[Any], Any], derive: str, arguments: tuple[Any, ...]) -> float:
    """Seconds that JAX takes from the same function to its compiled code."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    jax.jit(lambda x: x + 1).lower(1.0).compile()
    fun = jax.grad(make(jnp)) if derive else make(jnp)
    start = time.perf_counter()
    jax.jit(fun).lower(*arguments).compile()
    return time.perf_counter() - start


def main() -> None:
    os.environ["GRAPHAD_CACHE"] = "0"
    rng = np.random.default_rng(0)
    programs = {"scalars": (recurrence, (0.3,)), "mixed": (mixed, (rng.normal(size=(4, 8)), rng.normal(size=(8, 8))))}
    columns: dict[str, tuple[int, dict[str, float]]] = {}
    others = []
    for name, (make, arguments) in programs.items():
        for derive in ("", "gradient of "):
            fun = graphad.grad(make(np)) if derive else make(np)
            columns[derive + name] = best(fun, arguments)
            if find_spec("jax"):
                others.append(jax_seconds(make, derive, arguments))
    steps = list(next(iter(columns.values()))[1])
    print(f"| us per traced node | {' | '.join(f'{name}, {nodes} nodes' for name, (nodes, _) in columns.items())} |")
    print("| --- |" + " --: |" * len(columns))
    for step in steps:
        print(f"| {step} | " + " | ".join(f"{s[step] / nodes * 1e6:.1f}" for nodes, s in columns.values()) + " |")
    totals = [sum(s.values()) for _, s in columns.values()]
    counts = [nodes for nodes, _ in columns.values()]
    print("| **sum** | " + " | ".join(f"**{t / n * 1e6:.1f}**" for t, n in zip(totals, counts, strict=True)) + " |")
    print("| the same, seconds | " + " | ".join(f"{t:.3f}" for t in totals) + " |")
    if others:
        print("| JAX, seconds | " + " | ".join(f"{t:.3f}" for t in others) + " |")


if __name__ == "__main__":
    main()

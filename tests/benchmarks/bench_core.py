"""Microseconds for tracing, passes and calls. Run by hand: `python tests/benchmarks/bench_core.py`."""

from __future__ import annotations

import os
import subprocess
import sys
import timeit
from collections.abc import Callable
from typing import Any

import numpy as np

import graphad
from graphad.passes import PASSES

N = 1000


def chain(x: Any, y: Any) -> Any:
    """Three nodes for each step."""
    for _ in [None] * N:
        x = np.sin(x) * y + 2.0
    return np.sum(x)


def best(function: Callable[[], Any], number: int = 1, repeat: int = 5) -> float:
    """Seconds of the best of some runs."""
    return min(timeit.repeat(function, number=number, repeat=repeat)) / number


def loss(x: Any) -> Any:
    return np.sum(np.sin(x) ** 2)


def report(what: str, value: float, unit: str, goal: str) -> None:
    print(f"{what:<58} {value:10.2f} {unit:<12} goal {goal}")


def main() -> None:
    x, y = np.ones(10), np.full(10, 0.5)
    graph = graphad.trace(chain)(x, y)
    nodes = len(graph.nodes)
    report(f"tracing, {nodes} nodes", best(lambda: graphad.trace(chain)(x, y)) / nodes * 1e6, "us per node", "< 20")
    for name in ("jvp", "linearize", "vjp", "cse", "dce", "simplify", "fold", "inline", "fuse"):
        run = PASSES[name]
        options = {"wrt": (0, 1)} if name in ("jvp", "linearize", "vjp") else {}
        made = len(run(graph, **options).nodes) if options else nodes
        seconds = best(lambda run=run, options=options: run(graph, **options))  # type: ignore[misc]
        report(f"pass {name}, {max(made, nodes)} nodes", seconds / max(made, nodes) * 1e6, "us per node", "< 10")

    v = np.ones(3)
    eager = graphad.grad(loss)
    eager(v)
    report("grad(f)(x) without jit, sum(sin(x)**2)", best(lambda: eager(v), 500) * 1e6, "us", "< 256")
    for executor in ("numpy", "numba"):
        fast = graphad.jit(lambda a, b, c: a * b + c, executor=executor)
        fast(v, v, v)
        report(f"call with three small arrays, {executor}", best(lambda: fast(v, v, v), 20_000) * 1e6, "us", "< 5")  # noqa: B023

    code = "import sys,time; t=time.perf_counter(); import {0}; print(time.perf_counter()-t)"

    def import_time(first: str, module: str) -> float:
        script = f"import {first}; " + code.format(module)
        command = [sys.executable, "-c", script]
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        options: dict[str, Any] = {"capture_output": True, "text": True, "check": True, "env": environment}
        runs = [subprocess.run(command, **options).stdout for _ in range(5)]
        return min(map(float, runs))

    report("import graphad, over numpy", import_time("numpy", "graphad") * 1e3, "ms", "< 60")
    peers(v)


def peers(v: Any) -> None:
    try:
        import autograd
        import autograd.numpy as anp
        import jax
        import jax.numpy as jnp
    except ImportError:
        print('for the peers: pip install "graphad[bench]"')
        return
    jax.config.update("jax_enable_x64", True)
    peer = jax.grad(lambda x: jnp.sum(jnp.sin(x) ** 2))
    peer(v)
    ours = best(lambda: graphad.grad(loss)(v), 300)
    theirs = best(lambda: peer(v), 100)
    other = autograd.grad(lambda x: anp.sum(anp.sin(x) ** 2))
    third = best(lambda: other(v), 300)
    report("eager gradient, JAX / graphad", theirs / ours, "x", "> 5")
    report("eager gradient, autograd / graphad", third / ours, "x", "(reach 1)")


if __name__ == "__main__":
    main()

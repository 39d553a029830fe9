"""How the time from a function to machine code grows with its size: by stage, the exponent of the number of nodes.

    python tests/benchmarks/bench_growth.py [--most 30000] [NAME ...]

Seconds of the processor. An exponent of 1 is proportional growth; it is fitted to the sizes at which a stage takes more
than `LEAST` seconds.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np

os.environ["GRAPHAD_CACHE"] = "0"

import graphad
from graphad.api.compiled import OPTIMISE
from graphad.executors import llvm
from graphad.executors.llvm import engine
from graphad.passes import Pipeline

LEAST = 2e-3
SIZES = (100, 300, 1000, 3000, 10_000, 30_000)
X, W = np.linspace(0.1, 1.0, 32).reshape(4, 8), np.eye(8) * 0.1


def scalars(n: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    def value(x: Any) -> Any:
        for _ in [None] * (n // 5):
            x = x + 0.01 * np.sin(x) * (1 - x)
        return x

    return value, (0.3,)


def gradient(n: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    return graphad.grad(scalars(n)[0]), (0.3,)


def arrays(n: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    def value(x: Any, w: Any) -> Any:
        for _ in [None] * (n // 5):
            x = np.tanh(x @ w) + x / np.sum(x)
        return np.sum(x)

    return value, (X, W)


def arguments(n: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    def value(*xs: Any) -> Any:
        total = 0.0
        for x in xs:
            total = total + x * x
        return total

    return value, (1.0,) * (n // 2)


def results(n: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    return lambda x: [x * i for i in range(n)], (2.0,)


def dictionary(n: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    value = graphad.grad(lambda d: sum([x * x for x in d.values()]))
    return value, ({f"k{i}": float(i) for i in range(n // 5)},)


PROBLEMS = {
    "scalars": scalars, "gradient of scalars": gradient, "small arrays": arrays, "arguments": arguments,
    "results": results, "gradient of a dict": dictionary,
}  # fmt: skip


def stages(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[int, dict[str, float]]:
    """The number of nodes, and the seconds that each stage takes."""
    spent: dict[str, float] = {}

    def timed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            start = time.process_time()
            result = call(*args, **options)
            spent[name] = spent.get(name, 0.0) + time.process_time() - start
            return result

        return run

    graph = timed("tracing", graphad.trace(function))(*args)
    nodes = len(graph.nodes)
    executor = llvm.LLVMExecutor(threads=1)
    for step in (*Pipeline(OPTIMISE), *Pipeline(executor.pipeline)):
        graph = timed(step.name, step)(graph)
    with mock.patch.object(engine, "object_code", timed("LLVM", engine.object_code)):
        program = timed("lowering", executor.lowered)(graph)
        timed("emission and LLVM", executor.build)(program)
    spent["emission, linking"] = spent.pop("emission and LLVM") - spent["LLVM"]
    return nodes, spent


def exponent(points: list[tuple[int, float]]) -> float:
    """The slope of a line through the logarithms of some points."""
    kept = [(math.log(n), math.log(t)) for n, t in points if t > LEAST]
    return float(np.polyfit(*zip(*kept, strict=True), 1)[0]) if len(kept) > 1 else math.nan


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--most", type=int, default=SIZES[-1])
    options = parser.parse_args()
    for name, problem in PROBLEMS.items():
        if options.names and name not in options.names:
            continue
        stages(*problem(SIZES[0]))
        rows: dict[str, list[tuple[int, float]]] = {}
        for size in SIZES:
            if size <= options.most:
                nodes, spent = stages(*problem(size))
                for stage, seconds in {**spent, "all": sum(spent.values())}.items():
                    rows.setdefault(stage, []).append((nodes, seconds))
        print(f"{name}: {', '.join(str(n) for n, _ in rows['all'])} nodes")
        for stage, points in rows.items():
            if points[-1][1] > LEAST:
                each = "".join(f"{1e6 * t / n:9.1f}" for n, t in points)
                print(f"  {stage:18}{each} us per node, exponent {exponent(points):5.2f}", flush=True)


if __name__ == "__main__":
    main()

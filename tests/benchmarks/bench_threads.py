"""What threads gain: compiled functions with one thread against the same with several.

Run by hand: `python tests/benchmarks/bench_threads.py [--threads N] [--seconds S] [--busy] [NAME ...]`. Both are called
in turn; times are the least of all calls, in microseconds. `ratio` is above 1 where threads are quicker, `median` the
same ratio of medians; `work` is the processor's time of all threads over that of one thread (1 where sharing costs
nothing: it tells more than times do where other programs keep the cores busy); `shared` counts the loops and calls in
the program that threads share. With `--busy` another process keeps one core busy.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import statistics
import time
from typing import Any

import numpy as np
from scipy.special import erf

import graphad
from graphad.executors.llvm import LLVMExecutor


def heat(u: Any, steps: int = 100) -> Any:
    """Explicit steps of the heat equation, whole rows at once."""
    for _ in range(steps):
        u = u + 0.1 * (np.roll(u, 1, 0) + np.roll(u, -1, 0) + np.roll(u, 1, 1) + np.roll(u, -1, 1) - 4 * u)
    return np.sum(u**2)


def stencil(u: Any, steps: int = 100) -> Any:
    """The same in place, on the points within."""
    u = u.copy()
    for _ in range(steps):
        u[1:-1, 1:-1] += 0.1 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] - 4.0 * u[1:-1, 1:-1])
    return np.sum(u**2)


def rolled(x: Any) -> Any:
    for _ in range(100):
        x = np.roll(x, 1)
    return x


def solves(x: Any) -> Any:
    for _ in range(100):
        x = np.linalg.solve(np.eye(30) * (2 + x[0]), x)
    return x


def network(w: Any, v: Any, x: Any) -> Any:
    """The loss of a network of two layers."""
    return np.mean((np.tanh(x @ w) @ v) ** 2)


def chain(a: Any, b: Any) -> Any:
    for _ in range(4):
        a = np.tanh(a @ b)
    return a


def repeated(x: Any) -> Any:
    return graphad.fori_loop(0, 20, lambda i, v: np.tanh(v) + x, x)


def bodies(p: Any) -> Any:
    """The energy of bodies that attract each other."""
    d = p[:, None, :] - p[None, :, :]
    return np.sum(1 / np.sqrt(np.sum(d**2, -1) + 1e-3))


def cases() -> dict[str, tuple[Any, tuple[Any, ...]]]:
    rng = np.random.default_rng(0)
    plane, wide = rng.normal(size=(200, 200)), rng.normal(size=(256, 256))
    line, million = rng.normal(size=65_536), rng.normal(size=1_000_000)
    square = rng.normal(size=(400, 400)) / 20
    layers = rng.normal(size=(64, 128)) / 8, rng.normal(size=(128, 16)) / 11
    batch, large = rng.normal(size=(1024, 64)), rng.normal(size=(700, 700)) + 40 * np.eye(700)
    return {
        "heat 200, value": (heat, (plane,)),
        "heat 200, gradient": (graphad.grad(heat), (plane,)),
        "stencil 256, value": (stencil, (wide,)),
        "stencil 256, gradient": (graphad.grad(stencil), (wide,)),
        "stencil 1000, value": (lambda u: stencil(u, 10), (rng.normal(size=(1000, 1000)),)),
        "roll 65,536": (rolled, (line,)),
        "solve 30": (solves, (np.ones(30),)),
        "2x+1 131,072": (lambda x: 2 * x + 1, (rng.normal(size=131_072),)),
        "2x+1 1e6": (lambda x: 2 * x + 1, (million,)),
        "2x+1 1e7": (lambda x: 2 * x + 1, (rng.normal(size=10_000_000),)),
        "sum 1e6": (np.sum, (million,)),
        "exp 1e4": (np.exp, (rng.normal(size=10_000),)),
        "exp 65,536": (np.exp, (line,)),
        "exp 1e6": (np.exp, (million,)),
        "sin 1e6": (np.sin, (million,)),
        "erf 1e6": (erf, (million,)),
        "tanh in a loop 1e5": (repeated, (million[:100_000],)),
        "bodies 1,000, gradient": (graphad.grad(bodies), (rng.normal(size=(1000, 3)),)),
        "network 1,024": (network, (*layers, batch)),
        "network 1,024, gradient": (graphad.grad(network, argnums=(0, 1)), (*layers, batch)),
        "network 64, gradient": (graphad.grad(network, argnums=(0, 1)), (*layers, batch[:64])),
        "products 400": (chain, (square, square)),
        "products 400, gradient": (graphad.grad(lambda a, b: np.sum(chain(a, b))), (square, square)),
        "solve 700": (np.linalg.solve, (large, large[0])),
        "solve 200 x 30": (np.linalg.solve, (rng.normal(size=(200, 30, 30)) + 9 * np.eye(30), np.ones((200, 30, 1)))),
    }  # fmt: skip


def measured(functions: list[Any], args: tuple[Any, ...], seconds: float) -> list[list[float]]:
    """The least and the median time of the calls of each function, called in turn, and the least time of the processor,
    in microseconds."""
    walls: list[list[float]] = [[] for _ in functions]
    processor = [math.inf] * len(functions)
    for f in functions:
        f(*args)
    start = time.perf_counter()
    functions[0](*args)
    calls = max(1, int(2e-3 / (time.perf_counter() - start)))
    end = start + seconds
    while time.perf_counter() < end:
        for i, f in enumerate(functions):
            spent = time.process_time()
            for _ in range(calls):
                start = time.perf_counter()
                f(*args)
                walls[i].append(time.perf_counter() - start)
            processor[i] = min(processor[i], (time.process_time() - spent) / calls)
    return [[1e6 * x for x in (min(w), statistics.median(w), p)] for w, p in zip(walls, processor, strict=True)]


def spin() -> None:
    while True:
        pass


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--threads", type=int, default=LLVMExecutor().threads)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--busy", action="store_true")
    options = parser.parse_args()
    if options.busy:
        multiprocessing.get_context("fork").Process(target=spin, daemon=True).start()
    head = [f"{x:>9}" for x in ("ratio", "median", "work", "shared")]
    print(f"{'':26}{'1 thread':>12}{f'{options.threads} threads':>12}{''.join(head)}")
    for name, (f, args) in cases().items():
        if options.names and not any(x in name for x in options.names):
            continue
        compiled = [graphad.jit(f, threads=n).compile(*args) for n in (1, options.threads)]
        shared = compiled[1].source().count("call i64 @graphad.parallel(ptr")
        one, several = measured(compiled, args, options.seconds)
        ratios = "".join(f"{x:9.2f}" for x in (one[0] / several[0], one[1] / several[1], several[2] / one[2]))
        print(f"{name:26}{one[0]:12.1f}{several[0]:12.1f}{ratios}{shared:9}", flush=True)


if __name__ == "__main__":
    main()

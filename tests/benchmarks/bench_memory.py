"""By how much a process grows that compiles and differentiates functions which then die.

`python tests/benchmarks/bench_memory.py [SCALE]` prints megabytes: of 10,000 distinct compilations (of functions with
loops, branches and code of their own among them) and 100,000 eager gradients of fresh closures, divided by SCALE, and
their sum.
"""

from __future__ import annotations

import gc
import linecache
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import graphad

X = np.ones(8)
TEXT = """
def f(w):
    c = {k}.5
    if w[0] > c:
        w = w * c
    for i in range(30):
        w = w * 0.5 + c
    return np.sum(np.sin(w) * c)
"""


def resident() -> float:
    """Megabytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def closure(k: int) -> None:
    c = np.random.rand(8)
    graphad.jit(lambda w: np.sum(np.sin(w * c)) + k)(X)


def loop(k: int) -> None:
    c = np.random.rand(8)
    graphad.jit(lambda w: graphad.fori_loop(0, 5, lambda i, v: v * c + k, w))(X)


def branch(k: int) -> None:
    c = np.random.rand(8)
    graphad.jit(lambda w: graphad.cond(w[0] > 0, lambda v: v * c + k, lambda v: v, w))(X)


def code(k: int) -> None:
    text, file, space = TEXT.format(k=k), f"<function {k}>", {"np": np}
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    exec(compile(text, file, "exec"), space)
    graphad.jit(space["f"])(X)
    del linecache.cache[file]


def gradient(k: int) -> None:
    c = np.random.rand(8)
    graphad.grad(lambda w: np.sum(np.sin(w * c)))(X)


CASES: dict[str, tuple[Callable[[int], None], int]] = {
    "compiled closures": (closure, 2500), "loops": (loop, 2500), "branches": (branch, 2500), "code": (code, 2500),
    "eager gradients": (gradient, 100_000),
}  # fmt: skip


def grown(scale: int = 1) -> dict[str, float]:
    """Megabytes by which the process grows in each case, once it is warm."""
    found = {}
    for step, _ in CASES.values():
        for k in range(50):
            step(k)
    for name, (step, count) in CASES.items():
        gc.collect()
        before = resident()
        for k in range(count // scale):
            step(1000 + k)
        gc.collect()
        found[name] = resident() - before
    return found


def main(scale: Any = 1) -> None:
    os.environ["GRAPHAD_CACHE"] = "0"
    found = grown(int(scale))
    for name, size in found.items():
        print(f"{name:20} {CASES[name][1] // int(scale):8} {size:8.1f} MB")
    print(f"{'in all':29} {sum(found.values()):8.1f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])

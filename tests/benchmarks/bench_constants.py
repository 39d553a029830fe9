"""Constant code in functions that are differentiated: what plain Python and NumPy do, and nothing traced in it.

`python tests/benchmarks/bench_constants.py [NAME ...]` prints for each piece of work what it takes within an eager
gradient, an eager directional derivative, and a trace for any values, as `jit` makes one, over what plain Python takes
for it. What the transformation takes of the function without the work is subtracted.
"""

from __future__ import annotations

import inspect
import linecache
import math
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import graphad

WORK: dict[str, Callable[[], Any]] = {}


def work(f: Callable[[], Any]) -> Callable[[], Any]:
    WORK[f.__name__] = f
    return f


@work
def fill():
    a = np.zeros(2000)
    for i in range(2000):
        a[i] = i * 0.5
    return a[3]


@work
def append():
    out = []
    for i in range(2000):
        out.append(i * 0.5)
    return out[3]


@work
def dict_counts():
    counts = {}
    for i in range(2000):
        key = i % 17
        counts[key] = counts.get(key, 0) + 1
    return counts[3]


class Counter:
    def __init__(self):
        self.total = 0.0

    def add(self, v):
        self.total += v
        return self.total


@work
def methods():
    c = Counter()
    for i in range(1000):
        c.add(i * 0.5)
    return c.total


@work
def small_arrays():
    a, b = np.ones(3), np.full(3, 0.25)
    for _ in range(1000):
        a = a * 0.5 + b
    return a[0]


@work
def table():
    t = [[0.0] * 30 for _ in range(30)]
    for i in range(30):
        for j in range(30):
            t[i][j] = i * 0.5 + j
    total = 0.0
    for row in t:
        for v in row:
            if v > 3.0:
                total += v
    return total


@work
def words():
    text = "the quick brown fox jumps over the lazy dog " * 40
    lengths = {}
    for word in text.split():
        name = word.strip().upper()
        lengths[name] = lengths.get(name, 0) + len(f"{name}:{len(name)}")
    return float(lengths["FOX"])


@work
def comprehension():
    squares = [i * i for i in range(2000) if i % 3]
    return float(sum([s * 0.5 for s in squares]))


class Model:
    """Particles with a state that a method advances."""

    def __init__(self, n):
        self.u = np.linspace(0.0, 1.0, n)
        self.v = np.zeros(n)
        self.log = []

    def force(self, k):
        return -k * self.u

    def step(self, dt):
        self.v += dt * self.force(2.0)
        self.u += dt * self.v
        self.log.append(float(self.u[1]))


@work
def state():
    m = Model(4)
    for _ in range(300):
        m.step(0.01)
    return m.log[-1]


@work
def mathematics():
    s = 0.0
    for i in range(1, 2000):
        s += math.sin(i) * math.sqrt(i) + math.exp(-i)
    return s


@work
def sorting():
    rows = [((i * 7919) % 1009, i) for i in range(1000)]
    rows.sort(key=lambda r: r[0])
    best = sorted(rows, key=lambda r: -r[1])
    return float(best[0][0] + rows[0][1])


@work
def slices():
    u = np.linspace(0.0, 1.0, 40)
    new = u.copy()
    for _ in range(300):
        new[1:-1] = u[1:-1] + 0.1 * (u[2:] - 2.0 * u[1:-1] + u[:-2])
        row = u[5:10]
        row[0] += 0.01
        u[:] = new
    return u[3]


@work
def handlers():
    good = 0.0
    for i in range(1000):
        try:
            good += 1.0 / (i % 5)
        except ZeroDivisionError:
            good -= 1.0
    return good


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


@work
def recursion():
    return float(fib(14))


def simpson(f, a, b, n):
    h = (b - a) / n
    total = f(a) + f(b)
    for i in range(1, n):
        total += f(a + i * h) * (4 if i % 2 else 2)
    return total * h / 3


@work
def callbacks():
    return simpson(lambda t: t * t + math.cos(t), 0.0, 1.0, 1000)


@work
def bisection():
    low, high = 0.0, 2.0
    roots = []
    for k in range(40):
        low, high = 0.0, 2.0 + k
        while high - low > 1e-12:
            middle = 0.5 * (low + high)
            if middle * middle > 2.0:
                high = middle
            else:
                low = middle
        roots.append(low)
    return roots[3]


@work
def arrays_in_lists():
    history = []
    u = np.array([1.0, 0.5])
    for _ in range(500):
        u = u + 0.01 * np.array([u[1], -u[0]])
        history.append(u.copy())
    return history[-1][0]


def once(f: Callable[[], Any]) -> float:
    start = time.process_time()
    f()
    return time.process_time() - start


def best(runs: list[Callable[[], Any]], rounds: int = 40) -> list[float]:
    """Seconds of processor time that each takes, the least of some rounds, in which all have their turns."""
    return [min(times) for times in zip(*[[once(f) for f in runs] for _ in range(rounds)], strict=True)]


def within(f: Callable[[], Any]) -> Callable[[Any], Any]:
    """The function that does the work itself, and multiplies its result by an argument."""
    source = inspect.getsource(f).removeprefix("@work\n").replace("():", "(x):", 1)
    head, result = source.rsplit("return ", 1)
    file = f"<{f.__name__}>"
    source = f"{head}return x * ({result.strip()})\n"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    space = dict(globals())
    exec(compile(source, file, "exec"), space)
    return space[f.__name__]


def trial(x: Any) -> Any:
    return x * 0.5


def main() -> None:
    names = sys.argv[1:] or list(WORK)
    print(f"{'work':<18} {'plain us':>9} {'grad':>7} {'helper':>7} {'jvp':>7} {'trace':>7}")
    grad: Callable[[Any], Any] = lambda f: graphad.grad(f)(2.0)
    jvp: Callable[[Any], Any] = lambda f: graphad.jvp(f, (2.0,), (1.0,))
    trace: Callable[[Any], Any] = lambda f: graphad.trace(f)(2.0)
    for name in names:
        constant, own = WORK[name], within(WORK[name])
        helper: Callable[[Any], Any] = lambda x, constant=constant: x * constant()
        pairs = [(grad, own), (grad, helper), (jvp, own), (trace, own)]
        runs = [partial(t, f) for t, given in pairs for f in (given, trial)]
        plain, *took = best([constant, *runs])
        found = [(all_ - rest) / plain for all_, rest in zip(took[::2], took[1::2], strict=True)]
        print(f"{name:<18} {plain * 1e6:9.1f} {' '.join([f'{r:7.2f}' for r in found])}", flush=True)


if __name__ == "__main__":
    main()

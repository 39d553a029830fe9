"""Thirty programs with loops, as they are written: graphad against numba's version of the same source.

`python tests/benchmarks/bench_loops.py [NAME ...]` prints for each the nodes of its graph and the seconds to its first
gradient at n = 50 and n = 500 (those of all regions, after all passes), and at n = 500 the time of the value over
numba's and of the gradient over the value. Values are compared with NumPy's, gradients with central differences. JAX,
if it is installed, runs those that are written for it in `JAX`.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

import graphad

SIZES = (50, 500)


def triangular(a, b):
    x = np.zeros(len(b))
    for i in range(len(b)):
        x[i] = (b[i] - a[i, :i] @ x[:i]) / a[i, i]
    return x


def back_substitution(a, b):
    n = len(b)
    x = np.zeros(n)
    for k in range(n):
        i = n - 1 - k
        x[i] = (b[i] - np.sum(a[i + 1 :, i] * x[i + 1 :])) / a[i, i]
    return x


def columns(a, b):
    x = b.copy()
    for j in range(len(b)):
        x[j] = x[j] / a[j, j]
        x[j + 1 :] -= x[j] * a[j + 1 :, j]
    return x


def lower_product(a, b):
    y = np.zeros(len(b))
    for i in range(len(b)):
        y[i] = np.sum(a[i, : i + 1] * b[: i + 1])
    return y


def elimination(a, b):
    a = a.copy()
    for k in range(20):
        a[k + 1 :, k] = a[k + 1 :, k] / a[k, k]
        for i in range(k + 1, len(b)):
            a[i, k + 1 :] -= a[i, k] * a[k, k + 1 :]
    return a[:, :20]


def tridiagonal(a, b):
    n = len(b)
    c, d = np.zeros(n), np.zeros(n)
    c[0], d[0] = 0.3 / 2.0, b[0] / 2.0
    for i in range(1, n):
        m = 2.0 - 0.4 * c[i - 1]
        c[i] = 0.3 / m
        d[i] = (b[i] - 0.4 * d[i - 1]) / m
    for k in range(n - 1):
        i = n - 2 - k
        d[i] = d[i] - c[i] * d[i + 1]
    return d


def banded(a, b):
    y = np.zeros(len(b))
    for i in range(2, len(b) - 2):
        y[i] = np.sum(a[i, i - 2 : i + 3] * b[i - 2 : i + 3])
    return y


def durbin(a, b):
    r = b / (4 * len(b))
    y = np.zeros(len(b))
    alpha, beta = -r[0], 1.0
    y[0] = -r[0]
    for k in range(1, len(b)):
        beta *= 1.0 - alpha * alpha
        alpha = -(r[k] + np.sum(r[:k][::-1] * y[:k])) / beta
        y[:k] += alpha * y[:k][::-1]
        y[k] = alpha
    return y


def sparse_rows(a, b):
    n = len(b)
    values, y = a.ravel(), np.zeros(n)
    for i in range(n):
        for k in range(3 * i, 3 * i + 3):
            y[i] += values[k] * b[(7 * k) % n]
    return y


def growing_rows(a, b):
    n = len(b)
    values, y, start = a.ravel(), np.zeros(n), 0
    for i in range(n):
        stop = start + 1 + i % 5
        y[i] = np.sum(values[start:stop]) * b[i]
        start = stop
    return y


def recurrence(a, b):
    x = 0.1
    for v in b:
        x = np.sin(x) + 0.1 * v
    return x


def fibonacci(a, b):
    x, y = b[0], b[1]
    for v in b:
        x, y = y, 0.5 * x + 0.4 * y + 0.1 * v
    return y


def smoothing(a, b):
    level, slope, y = b[0], 0.0, np.zeros(len(b))
    for i in range(1, len(b)):
        last = level
        level = 0.3 * b[i] + 0.7 * (level + slope)
        slope = 0.2 * (level - last) + 0.8 * slope
        y[i] = level + slope
    return y


def garch(a, b):
    h, total = 0.5, 0.0
    for v in b:
        total += np.log(h) + (v - 1.0) ** 2 / h
        h = 0.1 + 0.2 * (v - 1.0) ** 2 + 0.7 * h
    return total


def events(a, b):
    queue, lost, wait = 0.0, 0.0, 0.0
    for v in b:
        queue = queue + v - 0.9
        if queue < 0.0:
            queue = 0.0
        elif queue > 5.0:
            lost += queue - 5.0
            queue = 5.0
        wait += queue**2
    return wait + lost


def integrate_and_fire(a, b):
    v, spikes, total = 0.0, 0.0, 0.0
    for u in b:
        v = 0.9 * v + 0.3 * u
        if v > 1.0:
            v = v - 1.0
            spikes += 1.0
        total += v * v
    return total + spikes


def alignment(a, b):
    n = len(b)
    last = np.zeros(n + 1)
    for i in range(20):
        row = np.zeros(n + 1)
        for j in range(n):
            row[j + 1] = max(last[j] + a[i, j], last[j + 1] - 0.1, row[j] - 0.1)
        last = row
    return last


def shortest_path(a, b):
    best = np.zeros(len(b))
    for i in range(1, len(b)):
        best[i] = np.min(best[:i] + (b[i] - b[:i]) ** 2 + 0.3)
    return best


def subsequence(a, b):
    length = np.zeros(len(b))
    for i in range(1, len(b)):
        length[i] = np.max(np.where(b[:i] < b[i], length[:i], 0.0)) + b[i]
    return length


def forward_algorithm(a, b):
    p, total = np.array([0.5, 0.5]), 0.0
    move = np.array([[0.9, 0.1], [0.2, 0.8]])
    for v in b:
        p = (p @ move) * np.exp(-((v - np.array([0.8, 1.2])) ** 2))
        size = np.sum(p)
        total += np.log(size)
        p = p / size
    return total


def kalman(a, b):
    m, p, total = 1.0, 1.0, 0.0
    for i in range(len(b)):
        p = p + 0.1
        if i % 7 != 3:
            gain = p / (p + 0.5)
            total += (b[i] - m) ** 2 / (p + 0.5) + np.log(p + 0.5)
            m = m + gain * (b[i] - m)
            p = (1 - gain) * p
    return total


def mixture(a, b):
    m0, m1, w = 0.7, 1.3, 0.5
    for _ in range(30):
        r = w * np.exp(-((b - m1) ** 2))
        r = r / (r + (1 - w) * np.exp(-((b - m0) ** 2)))
        m1 = np.sum(r * b) / np.sum(r)
        m0 = np.sum((1 - r) * b) / np.sum(1 - r)
        w = np.mean(r)
    return m1 + m0 * w


def langevin(a, b):
    x = 0.5
    for v in b:
        x = x - 0.05 * (x**3 - x) + 0.1 * (v - 1.0)
    return x


def metropolis(a, b):
    x, total = 0.3, 0.0
    for i in range(len(b)):
        y = x + 0.5 * (b[i] - 1.0)
        if np.exp(0.5 * (x * x - y * y)) > 0.9:
            x = y
        total += x
    return total


def neighbours(a, b):
    force = np.zeros(len(b))
    for i in range(len(b)):
        d = b - b[i]
        force[i] = np.sum(np.where(np.abs(d) < 0.2, d * np.exp(-d * d), 0.0))
    return force


def pairs(a, b):
    energy = 0.0
    for i in range(len(b)):
        energy += np.sum(1.0 / (0.1 + (b[i + 1 :] - b[i]) ** 2))
    return energy


def convolution(a, b):
    n = len(b)
    y = np.zeros(n - 4)
    for k in range(5):
        y += b[k : n - 4 + k] * (0.1 + 0.1 * k)
    return y


def box_filter(a, b):
    y = np.zeros(len(b))
    for i in range(3, len(b) - 3):
        y[i] = np.mean(b[i - 3 : i + 4])
    return y


def running_statistics(a, b):
    total = 0.0
    for i in range(2, len(b)):
        total += np.sum((b[:i] - np.mean(b[:i])) ** 2) / i
    return total


def heat(a, b):
    u = b.copy()
    for _ in range(50):
        v = u.copy()
        for i in range(1, len(b) - 1):
            v[i] = u[i] + 0.2 * (u[i - 1] - 2 * u[i] + u[i + 1])
        u = v
    return u


PROGRAMS = [
    triangular, back_substitution, columns, lower_product, elimination, tridiagonal, banded, durbin, sparse_rows,
    growing_rows, recurrence, fibonacci, smoothing, garch, events, integrate_and_fire, alignment, shortest_path,
    subsequence, forward_algorithm, kalman, mixture, langevin, metropolis, neighbours, pairs, convolution, box_filter,
    running_statistics, heat,
]  # fmt: skip


def jax_programs() -> dict[str, Any]:
    """JAX's form of a few of the programs."""
    try:
        import jax
        import jax.numpy as jnp
    except ImportError:
        return {}
    jax.config.update("jax_enable_x64", True)

    def triangular(a: Any, b: Any) -> Any:
        step = lambda i, x: x.at[i].set((b[i] - jnp.where(jnp.arange(len(b)) < i, a[i], 0.0) @ x) / a[i, i])
        return jax.lax.scan(lambda x, i: (step(i, x), None), jnp.zeros(len(b)), jnp.arange(len(b)))[0]

    def recurrence(a: Any, b: Any) -> Any:
        return jax.lax.scan(lambda x, v: (jnp.sin(x) + 0.1 * v, None), 0.1, b)[0]

    def garch(a: Any, b: Any) -> Any:
        def step(state: Any, v: Any) -> Any:
            h, total = state
            total = total + jnp.log(h) + (v - 1.0) ** 2 / h
            return (0.1 + 0.2 * (v - 1.0) ** 2 + 0.7 * h, total), None

        return jax.lax.scan(step, (0.5, 0.0), b)[0][1]

    def pairs(a: Any, b: Any) -> Any:
        at = jnp.arange(len(b))
        term = lambda i: jnp.sum(jnp.where(at > i, 1.0 / (0.1 + (b - b[i]) ** 2), 0.0))
        return jax.lax.scan(lambda e, i: (e + term(i), None), 0.0, at)[0]

    found = {f.__name__: f for f in (triangular, recurrence, garch, pairs)}
    return {name: jax.jit(jax.grad(lambda a, b, f=f: jnp.sum(jnp.sin(f(a, b))), (0, 1))) for name, f in found.items()}


def data(n: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(n)
    return rng.uniform(-0.5, 0.5, (n, n)) / n + 2 * np.eye(n), rng.uniform(0.5, 1.5, n)


def best(f: Any, *args: Any) -> float:
    """The least seconds of a call, over enough of them."""
    f(*args)
    least, until = np.inf, time.perf_counter() + 0.3
    while time.perf_counter() < until or least == np.inf:
        start = time.process_time()
        f(*args)
        least = min(least, time.process_time() - start)
    return least


def nodes(graph: Any) -> int:
    return sum(1 + sum(nodes(region) for region in node.op.regions.values()) for node in graph.nodes)


def measure(f: Any, peers: dict[str, Any]) -> str:
    loss = lambda a, b: np.sum(np.sin(f(a, b)))
    counts, seconds = [], []
    graph = graphad.trace(f)(*data(SIZES[0]))
    read = {v for node in graph.nodes for v in node.inputs}
    argnums = tuple([i for i, v in enumerate(graph.inputs) if v in read])
    for n in SIZES:
        a, b = data(n)
        np.testing.assert_allclose(graphad.jit(f)(a, b), f(a, b), rtol=1e-9, atol=1e-12)
        gradient = graphad.jit(graphad.grad(loss, argnums=argnums))
        start = time.process_time()
        found = gradient(a, b)
        seconds.append(time.process_time() - start)
        counts.append(nodes(gradient.compile(a, b).stages[-2].graph))
        rng = np.random.default_rng(0)
        da, db = rng.normal(size=a.shape) / n * (0 in argnums), rng.normal(size=b.shape)
        slope = sum(np.sum(x * (da, db)[i]) for i, x in zip(argnums, found, strict=True))
        exact = [(loss(a + h * da, b + h * db) - loss(a - h * da, b - h * db)) / (2 * h) for h in (1e-5, 1e-6, 1e-7)]
        off = min(abs(e - slope) for e in exact) / max(1.0, abs(slope))
        assert off < 1e-4, f"{f.__name__}: the gradient is off by {off}"
    value, slopes = best(graphad.jit(f), a, b), best(gradient, a, b)
    line = f"{f.__name__:20} nodes {counts[0]:5} {counts[1]:5}  first {seconds[0]:6.2f} {seconds[1]:6.2f} s"
    try:
        import numba

        peer = best(numba.njit(f), a, b)
        line += f"  value {value * 1e6:9.1f} us {value / peer:6.2f} x numba"
    except Exception as error:  # what numba cannot compile
        line += f"  value {value * 1e6:9.1f} us  numba: {type(error).__name__}"
    line += f"  gradient {slopes / value:6.1f} x value"
    if f.__name__ in peers:
        line += f"  {slopes / best(lambda a, b: [np.asarray(x) for x in peers[f.__name__](a, b)], a, b):5.2f} x JAX's"
    return line


if __name__ == "__main__":
    chosen = [f for f in PROGRAMS if f.__name__ in sys.argv[1:] or len(sys.argv) == 1]
    peers = jax_programs()
    for f in chosen:
        try:
            print(measure(f, peers), flush=True)
        except (graphad.GraphadError, AssertionError) as error:
            print(f"{f.__name__:20} FAILED {str(error).strip().splitlines()[0][:140]}", flush=True)

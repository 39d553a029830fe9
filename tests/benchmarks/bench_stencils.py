"""Stencils written in place: graphad against numba's version of the same source, and the gradient against the value.

`python tests/benchmarks/bench_stencils.py` prints, as ratios of medians measured in turn, forward over numba's and
gradient over forward; all on one thread and the same inputs.
"""

from __future__ import annotations

import statistics
import time

import numba
import numpy as np

import graphad


def heat(u, steps):
    """Explicit steps of the heat equation, whole rows at once."""
    for _ in range(steps):
        u[1:-1, 1:-1] += 0.1 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] - 4.0 * u[1:-1, 1:-1])
    return u


def heat_elements(u, steps):
    """The same, element by element, into a second array."""
    n, m = u.shape
    for _ in range(steps):
        v = u.copy()
        for i in range(1, n - 1):
            for j in range(1, m - 1):
                v[i, j] = u[i, j] + 0.1 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] - 4.0 * u[i, j])
        u = v
    return u


def gauss_seidel(u, steps):
    """Relaxation that uses each new value at once."""
    n, m = u.shape
    for _ in range(steps):
        for i in range(1, n - 1):
            for j in range(1, m - 1):
                u[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1])
    return u


def sor(u, steps):
    """Successive over-relaxation, red and black points in turn."""
    n, m = u.shape
    for _ in range(steps):
        for colour in range(2):
            for i in range(1, n - 1):
                for j in range(1 + (i + colour) % 2, m - 1, 2):
                    u[i, j] += 0.4 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] - 4.0 * u[i, j])
    return u


def recurrence(u, steps):
    """A running sum with decay along rows, filled into a preallocated array."""
    n, m = u.shape
    for _ in range(steps):
        v = np.zeros((n, m))
        for i in range(n):
            v[i, 0] = u[i, 0]
            for j in range(1, m):
                v[i, j] = 0.5 * v[i, j - 1] + u[i, j]
        u = v
    return u



def once(function, *args):
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def measured(f, u, steps):
    """Medians, in seconds, of value, numba's value and gradient, taken in turn."""
    compiled = numba.njit(f)
    ours = graphad.jit(lambda u: f(u, steps))
    gradient = graphad.jit(graphad.grad(lambda u: np.sum(f(u, steps) ** 2)))
    np.testing.assert_allclose(ours(u), compiled(u.copy(), steps), rtol=1e-12, atol=1e-14)
    gradient(u)
    runs = [(once(ours, u), once(lambda: compiled(u.copy(), steps)), once(gradient, u)) for _ in range(15)]
    return [statistics.median(column) for column in zip(*runs, strict=True)]


def main():
    u = np.random.default_rng(0).normal(size=(256, 256))
    print(f"{'program':16}{'graphad ms':>12}{'numba ms':>10}{'ratio':>8}{'gradient ms':>13}{'grad/fwd':>10}")
    for f in (heat, heat_elements, gauss_seidel, sor, recurrence):
        a, b, c = measured(f, u, 10)
        print(f"{f.__name__:16}{a * 1e3:12.3f}{b * 1e3:10.3f}{a / b:8.2f}{c * 1e3:13.3f}{c / a:10.2f}", flush=True)


if __name__ == "__main__":
    main()

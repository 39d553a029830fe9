"""Gradients of batched matrix decompositions against LAPACK's own time and the products that they need.

Run by hand: `python tests/benchmarks/bench_linalg.py`. All times are of one run, the best of several, in milliseconds.
`lapack` is NumPy's decomposition, `products` the matrix products and triangular solutions of the textbook's formula
with BLAS (Cholesky: one product and two solutions; `eigh`: three products; `svd`: the number that its gradient's graph
has), `gradient` the compiled value and gradient of a function of all results, whose elementwise part is in it too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import blas

import graphad

SIZES = ((2000, 8), (400, 32), (40, 100), (6, 300))


def best(f: Callable[..., Any], *args: Any, seconds: float = 2.0) -> float:
    """The shortest of the times of repeated calls, in milliseconds."""
    f(*args)
    found, end = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        f(*args)
        found = min(found, time.perf_counter() - start)
    return 1e3 * float(found)


def solutions(factors: Any, right: Any) -> None:
    for a, b in zip(factors, right, strict=True):
        blas.dtrsm(1.0, a.T, b.T, side=1, lower=0)


def count(f: Any, x: Any, op: str) -> int:
    """How many nodes of an op the compiled graph has."""
    return sum(node.op.name == op for node in f.compile(x).graph.nodes)


def cholesky(a: Any) -> Any:
    return np.sum(np.cos(np.linalg.cholesky(a)))


def eigh(a: Any) -> Any:
    w, v = np.linalg.eigh(a)
    return np.sum(w**2) + np.sum(v**3)


def svd(a: Any) -> Any:
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return np.sum(s**2) + np.sum(u**3) + np.sum(vh**3)


def main() -> None:
    print(f"{'':16}{'lapack':>9}{'products':>9}{'gradient':>9}{'ratio':>7}")
    rng = np.random.default_rng(0)
    for batch, n in SIZES:
        m, g = rng.normal(size=(2, batch, n, n))
        a = m @ np.swapaxes(m, 1, 2) + n * np.eye(n)
        factors = np.linalg.cholesky(a)
        product = best(np.matmul, m, g)
        solved = best(solutions, factors, g)
        thin = lambda x: np.linalg.svd(x, full_matrices=False)
        for f, own, x in ((cholesky, np.linalg.cholesky, a), (eigh, np.linalg.eigh, a), (svd, thin, m)):
            gradient = graphad.jit(graphad.value_and_grad(f))
            needed = product + 2 * solved
            if f is not cholesky:
                needed = product * (3 if f is eigh else count(gradient, x, "dot_general"))
            alone, whole = best(own, x), best(gradient, x)
            print(
                f"{f.__name__:9}{batch:4}x{n:<3}{alone:9.2f}{needed:9.2f}{whole:9.2f}{whole / (alone + needed):7.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()

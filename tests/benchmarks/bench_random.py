"""Random numbers: compiled `graphad.random` against NumPy's generators and JAX, a million at a time on one thread.

`python tests/benchmarks/bench_random.py` prints milliseconds, best of nine runs taken in turn.
"""

from __future__ import annotations

import time

import numpy as np

import graphad
from graphad import random

N = 1_000_000


def best(calls, rounds=9):
    found = [float("inf")] * len(calls)
    for _ in range(rounds):
        for i, call in enumerate(calls):
            start = time.perf_counter()
            call()
            found[i] = min(found[i], time.perf_counter() - start)
    return [1e3 * x for x in found]


def main():
    key, rng = random.key(0), np.random.Generator(np.random.Philox(0))
    calls = {
        "uniform": (lambda k: random.uniform(k, (N,)), lambda: rng.random(N), lambda j, k: j.random.uniform(k, (N,))),
        "normal": (lambda k: random.normal(k, (N,)), lambda: rng.normal(size=N), lambda j, k: j.random.normal(k, (N,))),
        "exponential": (
            lambda k: random.exponential(k, (N,)),
            lambda: rng.exponential(size=N),
            lambda j, k: j.random.exponential(k, (N,)),
        ),
    }
    try:
        import jax

        jax.config.update("jax_enable_x64", True)
    except ImportError:
        jax = None
    print(f"{'':14}{'graphad':>10}{'numpy':>10}{'jax':>10}")
    for name, (ours, numpys, jaxs) in calls.items():
        compiled = graphad.jit(ours)
        compiled(key)
        runs = [lambda compiled=compiled: compiled(key), numpys]
        if jax is not None:
            jitted, jax_key = jax.jit(lambda k, f=jaxs: f(jax, k)), jax.random.key(0)
            jitted(jax_key).block_until_ready()
            runs.append(lambda jitted=jitted, k=jax_key: jitted(k).block_until_ready())
        print(f"{name:14}" + "".join(f"{x:10.2f}" for x in best(runs)))


if __name__ == "__main__":
    main()

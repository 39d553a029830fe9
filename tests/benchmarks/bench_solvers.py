"""Times of the solvers within compiled code: fits of toys, and a root with its gradient, beside SciPy's.

    python tests/benchmarks/bench_solvers.py            # 10,000 toys of 3 parameters, 1,000 of 30

Run it on a quiet machine, with OPENBLAS_NUM_THREADS=1 for one core.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize

import graphad
from graphad import optimize

RNG = np.random.default_rng(0)
BINS = np.linspace(-1, 1, 10)
TEMPLATES, BASE = np.abs(RNG.normal(size=(29, 50))), RNG.uniform(20, 60, 50)


def small(p: Any) -> Any:
    return p[0] * np.exp(-0.5 * (BINS / 0.3) ** 2) + p[1] + p[2] * BINS


def medium(p: Any) -> Any:
    peak = 30 * np.exp(-0.5 * ((np.arange(50) - 25) / 4) ** 2)
    return BASE * np.exp(0.1 * (p[1:] @ (TEMPLATES - 0.8))) + p[0] * peak


def nll(model: Callable[[Any], Any], pulls: bool) -> Callable[[Any, Any], Any]:
    """The negative logarithm of a Poisson likelihood, with unit Gaussian constraints on all but the first."""

    def height(p: Any, data: Any) -> Any:
        rate = model(p)
        inside = rate > 0
        value = np.sum(np.where(inside, rate - data * np.log(np.where(inside, rate, 1.0)), np.inf))
        return value + 0.5 * np.sum(p[1:] ** 2) if pulls else value

    return height


def best(function: Callable[..., Any], *args: Any, repeats: int = 3) -> tuple[float, float, Any]:
    """Seconds of the first call, and of the best of the others."""
    started = time.perf_counter()
    found = function(*args)
    first, times = time.perf_counter() - started, []
    for _ in range(repeats):
        started = time.perf_counter()
        function(*args)
        times.append(time.perf_counter() - started)
    return first, min(times), found


def toys(title: str, model: Callable[[Any], Any], start: Any, count: int, pulls: bool) -> None:
    height = nll(model, pulls)
    data = RNG.poisson(model(start), (count, model(start).size)).astype(float)
    for name in ("modified_newton", "bfgs", "lbfgs", "trust_ncg", "dogleg"):

        def fit(d: Any, name: str = name) -> Any:
            found = getattr(optimize, name)(height, start, (d,))
            return found.x, found.success, found.nit

        for how, many in (("map", lambda d, fit=fit: graphad.map(fit, d)), ("vmap", graphad.vmap(fit))):
            first, steady, found = best(graphad.jit(many), data)
            print(
                f"{title:24} {name:16} {how:5} {1e3 * steady:9.1f} ms   first call {first:5.2f} s   "
                f"converged {found[1].mean():.4f}   iterations {found[2].mean():5.1f}, at most {found[2].max()}"
            )


def roots() -> None:
    def kepler(find: Callable[..., Any]) -> Callable[[Any, Any], Any]:
        return lambda mean, e: find(lambda E: E - e * np.sin(E) - mean, 0.0, 2 * np.pi)

    each = 1000
    for title, function in (
        ("SciPy's root", kepler(scipy.optimize.brentq)),
        ("SciPy's, jit, gradient", graphad.jit(graphad.value_and_grad(kepler(scipy.optimize.brentq)))),
        ("native, jit", graphad.jit(kepler(optimize.brentq))),
        ("native, jit, gradient", graphad.jit(graphad.value_and_grad(kepler(optimize.brentq)))),
    ):
        run = lambda function=function: [function(1.0, 0.3) for _ in range(each)]
        print(f"{title:24} {1e6 * best(run)[1] / each:9.2f} us")


if __name__ == "__main__":
    roots()
    toys("10,000 of 3 parameters", small, np.array([30.0, 20.0, 3.0]), 10_000, False)
    toys("1,000 of 30 parameters", medium, np.r_[1.0, np.zeros(29)], 1_000, True)

"""The cases of the comparison of loops."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import recurrences as r
from cases import Problem, Way, by


def value_and_gradient(library: Any, np: Any, f: Any, argnums: Any) -> Any:
    return library.value_and_grad(f, argnums=argnums)


def case(family: str, name: str, make: Any, data: Any, argnums: Any, peers: str, **ways: Any) -> Problem:
    """A case of which value and gradient are measured."""
    found = {name.replace("_", " "): Way(make) for name, make in ways.items()}
    return Problem(family, name, make, data, value_and_gradient, argnums, found, by(family, peers))


def networks() -> Iterator[Problem]:
    for n in (128, 1024, 4096):
        data = lambda rng, n=n: (
            rng.normal(size=(4, 4, 14)) * 0.3, rng.normal(size=(3, 14)) * 0.3, rng.normal(size=(4, 14)) * 0.1,
            (rng.uniform(size=(n + 1, 14)) < 0.2) * 1.0,
        )  # fmt: skip
        peers = "numba autograd" if n <= 1024 else "numba"
        yield case("lstm", f"{n} steps", r.lstm, data, (0, 1), peers, unroll_4=partial(r.lstm, unroll=4))


def equations() -> Iterator[Problem]:
    make = partial(r.lorenz, steps=10_000)
    data = lambda rng: (rng.normal(size=10), 1.5 + rng.uniform(size=10))
    yield case("lorenz", "10000 steps of RK4", make, data, (0, 1), "numba", unroll_4=partial(make, unroll=4))


def filters() -> Iterator[Problem]:
    def data(rng: Any) -> tuple[Any, ...]:
        path = np.cumsum(np.cumsum(rng.normal(size=(500, 2)), axis=0) * 0.01, axis=0)
        return np.array([-0.3, -1.2, 0.95]), path + 0.5 * rng.normal(size=path.shape)

    yield case("kalman", "500 steps", r.kalman, data, 0, "numba autograd", linalg=partial(r.kalman, solve=r.by_library))


def maps() -> Iterator[Problem]:
    make = partial(r.logistic, steps=10_000)
    data = lambda rng: (np.float64(3.5), np.float64(0.3))
    yield case("logistic", "10000 steps", make, data, (0, 1), "numba autograd", unroll_4=partial(make, unroll=4))


def iterations() -> Iterator[Problem]:
    data = lambda rng: (np.array([1.0, 1.3]), np.array([-5.0, -4.0]))
    ways = {"linalg": Way(partial(r.newton, solve=True)), "branch": Way(partial(r.newton, branch=True), only="jax")}
    peers = by("newton", "numba autograd")
    yield Problem("newton", "damped, to convergence", r.newton, data, value_and_gradient, 0, ways, peers)


PROBLEMS = [problem for family in (networks, equations, filters, maps, iterations) for problem in family()]
"""Every case; processes name one by its place here."""

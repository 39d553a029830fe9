"""The cases of the speed comparison."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import formulas
import models
import numpy as np
from cases import Problem, Way, blocks, by, diagonal, hessian, tridiagonal, value


def calls() -> Iterator[Problem]:
    data = lambda rng: tuple(rng.normal(size=(3, 3)))
    yield Problem(
        "call", "three arrays of 3", formulas.small, data, value, peers=by("small", "numba numpy torch"), tiny=True
    )


def elementwise() -> Iterator[Problem]:
    for n in (10, 1_000, 100_000, 1_000_000):
        data = lambda rng, n=n: (rng.normal(size=n),)
        for name, make in (("chain", formulas.chain), ("tanh_chain", formulas.tanh_chain)):
            peers = by(name, "numba numba.parallel numpy torch")
            yield Problem("elementwise", f"{name} n={n}", make, data, value, peers=peers, tiny=n <= 10)
    positive = lambda rng: (rng.uniform(0.1, 3.0, size=1_000_000),)
    for name in ("exp", "log", "sin", "cos", "tanh", "expm1", "log1p"):
        peers = by(name, "numpy torch")
        yield Problem("elementwise", f"{name} n=1000000", formulas.ufunc(name), positive, value, peers=peers)


def softmaxes() -> Iterator[Problem]:
    library = {"library": Way(formulas.library_logsumexp)}
    for n in (100, 10_000, 1_280_000):
        data = lambda rng, n=n: (rng.normal(size=n),)
        peers = by("logsumexp", "numba numba.parallel numpy torch")
        yield Problem("softmax", f"logsumexp n={n}", formulas.logsumexp, data, ways=library, peers=peers, tiny=n <= 100)
    library = {"library": Way(formulas.library_cross_entropy)}
    for shape in ((64, 10), (1000, 1000)):
        name = "x".join(map(str, shape))
        data = lambda rng, shape=shape: (rng.normal(size=shape),)
        yield Problem(
            "softmax",
            f"softmax {name}",
            formulas.softmax,
            data,
            value,
            peers=by("softmax", "numba numba.parallel numpy torch"),
        )
        both = lambda rng, shape=shape: (rng.normal(size=shape), rng.uniform(size=shape))
        peers = by("cross_entropy", "numba numba.parallel numpy torch")
        yield Problem("softmax", f"cross entropy {name}", formulas.cross_entropy, both, ways=library, peers=peers)


def networks() -> Iterator[Problem]:
    shapes = ((64, 128), (128,), (128, 128), (128,), (128, 10), (10,))
    for batch in (1, 32, 1024):
        data = lambda rng, batch=batch: (
            tuple(rng.normal(size=s) * 0.1 for s in shapes), rng.normal(size=(batch, 64)), rng.normal(size=(batch, 10)),
        )  # fmt: skip
        yield Problem("mlp", f"batch {batch}", formulas.mlp, data, peers=by("mlp", "numba numpy torch autograd"))


def mixtures() -> Iterator[Problem]:
    for d, k, n in [(d, k, n) for d in (2, 10, 64) for k in (5, 25, 200) for n in (1000, 10_000)]:
        data = lambda rng, d=d, k=k, n=n: (
            rng.normal(size=k), rng.normal(size=(k, d)), rng.normal(size=(k, d * (d + 1) // 2)) * 0.1,
            rng.normal(size=(n, d)),
        )  # fmt: skip
        yield Problem(
            "gmm", f"d={d} k={k} n={n}", models.mixture, data, argnums=(0, 1, 2),
            ways={"matmul": Way(models.mixture_by_matmul)},
            peers=by("mixture", "numba numba.parallel numpy torch" + " autograd" * (k * n <= 25_000)),
            every=(d, k, n) == (64, 200, 10_000),
        )  # fmt: skip


def clusters() -> Iterator[Problem]:
    ways = {"gather": Way(formulas.gathered_kmeans)}
    for k, n, d in ((5, 1000, 4), (100, 10_000, 16)):
        data = lambda rng, k=k, n=n, d=d: (rng.normal(size=(k, d)), rng.normal(size=(n, d)))
        name = f"k={k} n={n} d={d}"
        yield Problem(
            "k-means", name, formulas.kmeans, data, ways=ways, peers=by("kmeans", "numba numba.parallel numpy torch")
        )
        peers = by("kmeans_diagonal", "numba numba.parallel numpy torch")
        yield Problem("k-means", f"{name} Hessian diagonal", formulas.kmeans, data, diagonal, ways=ways, peers=peers)


def bundles() -> Iterator[Problem]:
    for n in (100, 10_000, 31_843):
        data = lambda rng, n=n: (
            rng.normal(size=(n, 11)) * 0.1 + 0.5, rng.normal(size=(n, 3)) + np.array([0, 0, 5.0]),
            rng.uniform(size=n), rng.normal(size=(n, 2)),
        )  # fmt: skip
        peers = by("reprojection", "numba numba.parallel casadi")
        yield Problem("bundle adjustment", f"n={n}", models.reprojection, data, blocks, argnums=(0, 1, 2), peers=peers)


def recurrences() -> Iterator[Problem]:
    def sizes(rng: Any) -> tuple[Any, ...]:
        main, extra = rng.normal(size=(4, 4, 14)) * 0.3, rng.normal(size=(3, 14)) * 0.3
        return main, extra, rng.normal(size=(4, 14)) * 0.1, rng.uniform(size=(17, 14))

    def ways(make: Any) -> dict[str, Way]:
        return {"scan": Way(models.scan(make), only="jax")}

    peers = by("lstm", "numba casadi")
    yield Problem(
        "recurrence", "LSTM, 16 steps", models.lstm, sizes, argnums=(0, 1), ways=ways(models.lstm), peers=peers
    )
    data = lambda rng: (rng.normal(size=10),)
    peers = by("lorenz", "numba casadi")
    yield Problem("recurrence", "RK4, 50 steps", models.lorenz, data, ways=ways(models.lorenz), peers=peers)
    number = lambda rng: (np.float64(0.3),)
    peers = by("logistic", "numba casadi")
    yield Problem("recurrence", "scalar, 300 steps", models.logistic, number, ways=ways(models.logistic), peers=peers)


def likelihoods() -> Iterator[Problem]:
    def data(rng: Any) -> tuple[Any, ...]:
        nominal = rng.uniform(5, 50, size=(50, 3, 10))
        theta = np.concatenate([[1.1], rng.normal(size=60) * 0.1])
        norm, seen = rng.uniform(1.0, 1.2, size=50), rng.poisson(nominal.sum(1)).astype(float)
        return theta, nominal, nominal * 1.1, nominal * 0.92, norm, seen

    ways = {"stacked": Way(formulas.stacked_likelihood)}
    peers = by("likelihood", "numba numpy autograd")
    yield Problem("likelihood", "HistFactory, 50 channels", formulas.likelihood, data, ways=ways, peers=peers)


def rosenbrocks() -> Iterator[Problem]:
    for n in (2, 10, 1000):
        data = lambda rng, n=n: (rng.normal(size=n),)
        peers = by("rosenbrock", "numba numpy autograd casadi")
        yield Problem("rosenbrock", f"gradient n={n}", formulas.rosenbrock, data, peers=peers, tiny=n <= 10)
    ways = {"tridiagonal": Way(formulas.rosenbrock, tridiagonal)}
    for n in (2, 10, 100, 1000):
        data = lambda rng, n=n: (rng.normal(size=n),)
        peers = by("rosenbrock_hessian", "numba numpy autograd casadi")
        yield Problem(
            "rosenbrock", f"Hessian n={n}", formulas.rosenbrock, data, hessian, ways=ways, peers=peers, tiny=n <= 10
        )


def bodies() -> Iterator[Problem]:
    ways = {"by axis": Way(formulas.energy_by_axis)}
    for n in (8, 100, 1000):
        data = lambda rng, n=n: (rng.normal(size=(n, 3)),)
        peers = by("energy", "numba numba.parallel numpy torch")
        yield Problem("N-body", f"n={n}", formulas.energy, data, ways=ways, peers=peers, tiny=n <= 8)


PROBLEMS = [
    problem
    for family in (
        calls, elementwise, softmaxes, networks, mixtures, clusters, bundles, recurrences, likelihoods, rosenbrocks,
        bodies,
    )
    for problem in family()
]  # fmt: skip
"""Every case; processes name one by its place here."""

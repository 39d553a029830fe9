"""The problems of the speed comparison: each a function of an array namespace, NumPy's or JAX's, with its arguments.

`derive` says what of the function is measured: its value, gradient, Jacobian blocks or Hessian. Sources: the Gaussian
mixture, k-means, bundle adjustment and LSTM of ADBench (Srajer, Kukelova, Fitzgibbon, 2018); Rosenbrock (1960);
Lorenz (1996); HistFactory (CERN-OPEN-2012-016).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Problem:
    """One case: `make(np)` gives the function, `arguments` its arguments, `peers` other programs for the same result."""

    family: str
    name: str
    make: Callable[[Any], Callable[..., Any]]
    arguments: tuple[Any, ...]
    derive: str = "grad"
    argnums: Any = 0
    peers: dict[str, Callable[..., Any]] = field(default_factory=dict)
    expert: Callable[[Any], Callable[..., Any]] | None = None
    """A formulation that suits JAX better, where there is one."""
    tiny: bool = False


RNG = np.random.default_rng(0)


# -- elementwise ------------------------------------------------------------------------------------------------


def chain(np: Any) -> Callable[..., Any]:
    return lambda x: np.exp(-x * x / 2) * np.sin(3 * x) + np.log1p(x * x)


def tanh_chain(np: Any) -> Callable[..., Any]:
    return lambda x: np.tanh(np.tanh(x) * 2 + 1) * np.tanh(x - 1)


def elementwise() -> Iterator[Problem]:
    from peers import fused_chain

    for n in (10, 1_000, 100_000, 1_000_000):
        x = RNG.normal(size=n)
        yield Problem(
            "elementwise", f"chain n={n}", chain, (x,), "value", peers={"numpy": chain(np), "numba": fused_chain},
            tiny=n <= 10,
        )  # fmt: skip
        yield Problem("elementwise", f"tanh n={n}", tanh_chain, (x,), "value", peers={"numpy": tanh_chain(np)}, tiny=n <= 10)
    x = RNG.uniform(0.1, 3.0, size=1_000_000)
    for name in ("exp", "log", "sin", "cos", "tanh", "expm1", "log1p"):
        def function(np: Any, name: str = name) -> Callable[..., Any]:
            return lambda x: getattr(np, name)(x)

        yield Problem("elementwise", f"{name} n=1000000", function, (x,), "value", peers={"numpy": function(np)})


# -- logsumexp and softmax --------------------------------------------------------------------------------------


def logsumexp(np: Any) -> Callable[..., Any]:
    def value(x: Any) -> Any:
        m = np.max(x)
        return m + np.log(np.sum(np.exp(x - m)))

    return value


def cross_entropy(np: Any) -> Callable[..., Any]:
    def value(x: Any, y: Any) -> Any:
        e = x - np.max(x, axis=-1, keepdims=True)
        return -np.sum(y * (e - np.log(np.sum(np.exp(e), axis=-1, keepdims=True))))

    return value


def softmax(np: Any) -> Callable[..., Any]:
    def value(x: Any) -> Any:
        e = np.exp(x - np.max(x, axis=-1, keepdims=True))
        return e / np.sum(e, axis=-1, keepdims=True)

    return value


def softmaxes() -> Iterator[Problem]:
    from peers import logsumexp_gradient

    for n in (100, 10_000, 1_280_000):
        peers = {"numba": logsumexp_gradient}
        yield Problem("softmax", f"logsumexp n={n}", logsumexp, (RNG.normal(size=n),), peers=peers, tiny=n <= 100)
    for shape in ((64, 10), (1000, 1000)):
        x, y = RNG.normal(size=shape), RNG.uniform(size=shape)
        name = "x".join(map(str, shape))
        yield Problem("softmax", f"softmax {name}", softmax, (x,), "value", peers={"numpy": softmax(np)})
        yield Problem("softmax", f"cross entropy {name}", cross_entropy, (x, y))


# -- networks ---------------------------------------------------------------------------------------------------


def mlp(np: Any) -> Callable[..., Any]:
    def loss(p: Any, x: Any, y: Any) -> Any:
        h = np.tanh(x @ p[0] + p[1])
        h = np.tanh(h @ p[2] + p[3])
        return np.mean((h @ p[4] + p[5] - y) ** 2)

    return loss


def networks() -> Iterator[Problem]:
    from peers import torch_mlp

    shapes = ((64, 128), (128,), (128, 128), (128,), (128, 10), (10,))
    p = tuple(RNG.normal(size=s) * 0.1 for s in shapes)
    for batch in (1, 32, 1024):
        x, y = RNG.normal(size=(batch, 64)), RNG.normal(size=(batch, 10))
        yield Problem("mlp", f"batch {batch}", mlp, (p, x, y), peers={"torch": torch_mlp})


# -- Gaussian mixture -------------------------------------------------------------------------------------------


def mixture(np: Any) -> Callable[..., Any]:
    def value(alphas: Any, means: Any, icf: Any, x: Any) -> Any:
        n, d = x.shape
        q = icf[:, :d]
        lower = np.zeros((means.shape[0], d, d))
        at = d
        columns = []
        # Column j of the strictly lower triangle holds the next d - j - 1 numbers.
        for j in range(d):
            zeros = np.zeros((means.shape[0], j + 1))
            columns.append(np.concatenate([zeros, icf[:, at : at + d - j - 1]], axis=1))
            at += d - j - 1
        lower = np.stack(columns, axis=2) if d > 1 else lower
        factor = lower + np.exp(q)[:, :, None] * np.eye(d)
        centred = x[:, None, :] - means[None]
        scaled = np.einsum("kij,nkj->nki", factor, centred)
        terms = alphas + np.sum(q, axis=1) - 0.5 * np.sum(scaled**2, axis=2)
        m = np.max(terms, axis=1, keepdims=True)
        inner = np.sum(m[:, 0] + np.log(np.sum(np.exp(terms - m), axis=1)))
        top = np.max(alphas)
        norm = top + np.log(np.sum(np.exp(alphas - top)))
        frobenius = np.sum(np.exp(2 * q)) + np.sum(icf[:, d:] ** 2)
        return inner - n * norm + 0.5 * frobenius - np.sum(q)

    return value


def expert_mixture(np: Any) -> Callable[..., Any]:
    """The same with the centring taken out of the product, so that one matrix product over all points does the work."""

    def value(alphas: Any, means: Any, icf: Any, x: Any) -> Any:
        n, d = x.shape
        k = means.shape[0]
        q = icf[:, :d]
        rows, columns = np.tril_indices(d, -1)
        order = np.argsort(columns, stable=True)
        lower = np.zeros((k, d, d)).at[:, rows[order], columns[order]].set(icf[:, d:])
        factor = lower + np.exp(q)[:, :, None] * np.eye(d)
        flat = factor.reshape(k * d, d)
        scaled = (x @ flat.T).reshape(n, k, d) - np.einsum("kij,kj->ki", factor, means)
        terms = alphas + np.sum(q, axis=1) - 0.5 * np.sum(scaled**2, axis=2)
        m = np.max(terms, axis=1, keepdims=True)
        inner = np.sum(m[:, 0] + np.log(np.sum(np.exp(terms - m), axis=1)))
        top = np.max(alphas)
        norm = top + np.log(np.sum(np.exp(alphas - top)))
        return inner - n * norm + 0.5 * (np.sum(np.exp(2 * q)) + np.sum(icf[:, d:] ** 2)) - np.sum(q)

    return value


def mixtures(every: bool) -> Iterator[Problem]:
    chosen = [(2, 5, 1000), (10, 25, 1000), (10, 25, 10_000), (64, 25, 1000)]
    if every:
        chosen = [(d, k, n) for d in (2, 10, 64) for k in (5, 25, 200) for n in (1000, 10_000)]
    for d, k, n in chosen:
        arguments = (
            RNG.normal(size=k), RNG.normal(size=(k, d)), RNG.normal(size=(k, d * (d + 1) // 2)) * 0.1,
            RNG.normal(size=(n, d)),
        )  # fmt: skip
        yield Problem("gmm", f"d={d} k={k} n={n}", mixture, arguments, argnums=(0, 1, 2), expert=expert_mixture)


# -- k-means ----------------------------------------------------------------------------------------------------


def kmeans(np: Any) -> Callable[..., Any]:
    return lambda c, x: np.sum(np.min(np.sum((x[:, None, :] - c[None]) ** 2, axis=-1), axis=1))


def clusters() -> Iterator[Problem]:
    from peers import kmeans_gradient

    for k, n, d in ((5, 1000, 4), (100, 10_000, 16)):
        c, x = RNG.normal(size=(k, d)), RNG.normal(size=(n, d))
        name = f"k={k} n={n} d={d}"
        yield Problem("k-means", name, kmeans, (c, x), peers={"numba": kmeans_gradient})
        yield Problem("k-means", f"{name} Hessian diagonal", kmeans, (c, x), "diagonal")


# -- bundle adjustment ------------------------------------------------------------------------------------------


def reprojection(np: Any) -> Callable[..., Any]:
    def rotate(rotation: Any, x: Any) -> Any:
        angle = np.sqrt(np.sum(rotation**2))
        w = rotation / angle
        cross = np.stack([w[1] * x[2] - w[2] * x[1], w[2] * x[0] - w[0] * x[2], w[0] * x[1] - w[1] * x[0]])
        return x * np.cos(angle) + cross * np.sin(angle) + w * np.dot(w, x) * (1 - np.cos(angle))

    def residual(camera: Any, x: Any, weight: Any, feature: Any) -> Any:
        seen = rotate(camera[:3], x - camera[3:6])
        flat = seen[:2] / seen[2]
        square = np.sum(flat * flat)
        distortion = 1 + camera[9] * square + camera[10] * square * square
        return weight * (flat * distortion * camera[6] + camera[7:9] - feature)

    return residual


def bundles() -> Iterator[Problem]:
    for n in (100, 10_000, 31_843):
        arguments = (
            RNG.normal(size=(n, 11)) * 0.1 + 0.5, RNG.normal(size=(n, 3)) + np.array([0, 0, 5.0]), RNG.uniform(size=n),
            RNG.normal(size=(n, 2)),
        )  # fmt: skip
        yield Problem("bundle adjustment", f"n={n}", reprojection, arguments, "blocks", argnums=(0, 1, 2))


# -- recurrences ------------------------------------------------------------------------------------------------


def lstm(np: Any) -> Callable[..., Any]:
    def sigmoid(x: Any) -> Any:
        return 1 / (1 + np.exp(-x))

    def cell(weight: Any, bias: Any, hidden: Any, state: Any, x: Any) -> tuple[Any, Any]:
        forget = sigmoid(x * weight[0] + bias[0])
        ingate = sigmoid(hidden * weight[1] + bias[1])
        outgate = sigmoid(x * weight[2] + bias[2])
        change = np.tanh(hidden * weight[3] + bias[3])
        state = state * forget + ingate * change
        return outgate * np.tanh(state), state

    def loss(main: Any, extra: Any, state: Any, sequence: Any) -> Any:
        layers = main.shape[0] // 2
        hidden = [state[2 * i] for i in range(layers)]
        states = [state[2 * i + 1] for i in range(layers)]
        total = 0.0
        for t in range(sequence.shape[0] - 1):
            x = sequence[t] * extra[0]
            for i in range(layers):
                hidden[i], states[i] = cell(main[2 * i], main[2 * i + 1], hidden[i], states[i], x)
                x = hidden[i]
            predicted = x * extra[1] + extra[2]
            normalised = predicted - np.log(np.sum(np.exp(predicted)) + 2)
            total = total + np.sum(sequence[t + 1] * normalised)
        return -total / (sequence.shape[0] - 1)

    return loss


def lorenz(np: Any) -> Callable[..., Any]:
    def slope(x: Any) -> Any:
        return (np.roll(x, -1) - np.roll(x, 2)) * np.roll(x, 1) - x + 8.0

    def energy(x: Any) -> Any:
        h = 0.01
        for _ in range(50):
            k1 = slope(x)
            k2 = slope(x + h / 2 * k1)
            k3 = slope(x + h / 2 * k2)
            k4 = slope(x + h * k3)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return np.sum(x * x)

    return energy


def logistic(np: Any) -> Callable[..., Any]:
    def value(x: Any) -> Any:
        for _ in range(300):
            x = x + 0.01 * np.sin(x) * (1 - x)
        return x

    return value


def recurrences() -> Iterator[Problem]:
    main, extra = RNG.normal(size=(4, 4, 14)) * 0.3, RNG.normal(size=(3, 14)) * 0.3
    state, sequence = RNG.normal(size=(4, 14)) * 0.1, RNG.uniform(size=(17, 14))
    yield Problem("recurrence", "LSTM, 16 steps", lstm, (main, extra, state, sequence), argnums=(0, 1))
    yield Problem("recurrence", "RK4, 50 steps", lorenz, (RNG.normal(size=10),))
    yield Problem("recurrence", "scalar, 300 steps", logistic, (np.float64(0.3),))


# -- likelihood -------------------------------------------------------------------------------------------------


def likelihood(np: Any) -> Callable[..., Any]:
    def nll(theta: Any, nominal: Any, up: Any, down: Any, norm: Any, data: Any) -> Any:
        signal, nuisance = theta[0], theta[1:]
        total = 0.0
        for channel in range(nominal.shape[0]):
            bins = nominal[channel]
            shape = nuisance[channel]
            moved = np.where(shape >= 0, shape * (up[channel] - bins), shape * (bins - down[channel]))
            scale = np.exp(np.log(norm[channel]) * nuisance[50 + channel % 10])
            expected = (bins + moved) * np.array([[1.0], [0.0], [0.0]]) * signal
            expected = expected + (bins + moved) * np.array([[0.0], [1.0], [1.0]])
            rate = np.sum(expected * scale, axis=0)
            total = total + np.sum(rate - data[channel] * np.log(rate))
        return total + 0.5 * np.sum(nuisance**2)

    return nll


def likelihoods() -> Iterator[Problem]:
    nominal = RNG.uniform(5, 50, size=(50, 3, 10))
    arguments = (
        np.concatenate([[1.1], RNG.normal(size=60) * 0.1]), nominal, nominal * 1.1, nominal * 0.92,
        RNG.uniform(1.0, 1.2, size=50), RNG.poisson(nominal.sum(1)).astype(float),
    )  # fmt: skip
    yield Problem("likelihood", "HistFactory, 50 channels", likelihood, arguments)


# -- Rosenbrock, N-body -----------------------------------------------------------------------------------------


def rosenbrock(np: Any) -> Callable[..., Any]:
    return lambda x: np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def rosenbrocks() -> Iterator[Problem]:
    from peers import rosenbrock_gradient

    for n in (2, 10, 1000):
        peers = {"numba": rosenbrock_gradient}
        yield Problem("rosenbrock", f"gradient n={n}", rosenbrock, (RNG.normal(size=n),), peers=peers, tiny=n <= 10)
    for n in (2, 10, 100, 1000):
        yield Problem("rosenbrock", f"Hessian n={n}", rosenbrock, (RNG.normal(size=n),), "hessian", tiny=n <= 10)


def energy(np: Any) -> Callable[..., Any]:
    def value(x: Any) -> Any:
        d = x[:, None, :] - x[None, :, :]
        return -0.5 * np.sum(1 / np.sqrt(np.sum(d * d, axis=-1) + 0.01))

    return value


def bodies() -> Iterator[Problem]:
    from peers import nbody_gradient

    for n in (8, 100, 1000):
        yield Problem("N-body", f"n={n}", energy, (RNG.normal(size=(n, 3)),), peers={"numba": nbody_gradient}, tiny=n <= 8)


def small(np: Any) -> Callable[..., Any]:
    return lambda a, b, c: a * b + c


def calls() -> Iterator[Problem]:
    a, b, c = RNG.normal(size=(3, 3))
    yield Problem("call", "three arrays of 3", small, (a, b, c), "value", peers={"numpy": small(np)}, tiny=True)


def problems(every: bool = False) -> Iterator[Problem]:
    """All cases; `every` adds the large Gaussian mixtures."""
    yield from calls()
    yield from elementwise()
    yield from softmaxes()
    yield from networks()
    yield from mixtures(every)
    yield from clusters()
    yield from bundles()
    yield from recurrences()
    yield from likelihoods()
    yield from rosenbrocks()
    yield from bodies()

"""The longer functions of the speed comparison: a Gaussian mixture, bundle adjustment, an LSTM and other recurrences.

Sources: ADBench (Srajer, Kukelova, Fitzgibbon, 2018) for the first three; Lorenz (1996) for the equation that RK4
solves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]


# -- Gaussian mixture -------------------------------------------------------------------------------------------


def mixture(np: Any) -> Function:
    """Logarithm of the posterior: weights, means, and inverse Cholesky factors of the covariances."""

    def value(alphas: Any, means: Any, icf: Any, x: Any) -> Any:
        d = x.shape[1]
        q = icf[:, :d]
        at = d
        columns = []
        # Column j of the strictly lower triangle holds the next d - j - 1 numbers.
        for j in range(d):
            zeros = np.zeros((means.shape[0], j + 1))
            columns.append(np.concatenate([zeros, icf[:, at : at + d - j - 1]], axis=1))
            at += d - j - 1
        factor = np.stack(columns, axis=2) + np.exp(q)[:, :, None] * np.eye(d)
        centred = x[:, None, :] - means[None]
        scaled = np.einsum("kij,nkj->nki", factor, centred)
        return _posterior(np, alphas, q, icf, scaled)

    return value


def mixture_by_matmul(np: Any) -> Function:
    """The same with the centring taken out of the product, so that one matrix product over all points does the work."""

    def value(alphas: Any, means: Any, icf: Any, x: Any) -> Any:
        n, d = x.shape
        k = means.shape[0]
        q = icf[:, :d]
        rows, columns = np.tril_indices(d, -1)
        order = np.argsort(columns, stable=True)
        lower = np.zeros((k, d, d)).at[:, rows[order], columns[order]].set(icf[:, d:])
        factor = lower + np.exp(q)[:, :, None] * np.eye(d)
        scaled = (x @ factor.reshape(k * d, d).T).reshape(n, k, d) - np.einsum("kij,kj->ki", factor, means)
        return _posterior(np, alphas, q, icf, scaled)

    return value


def _posterior(np: Any, alphas: Any, q: Any, icf: Any, scaled: Any) -> Any:
    n, _, d = scaled.shape
    terms = alphas + np.sum(q, axis=1) - 0.5 * np.sum(scaled**2, axis=2)
    m = np.max(terms, axis=1, keepdims=True)
    inner = np.sum(m[:, 0] + np.log(np.sum(np.exp(terms - m), axis=1)))
    top = np.max(alphas)
    norm = top + np.log(np.sum(np.exp(alphas - top)))
    return inner - n * norm + 0.5 * (np.sum(np.exp(2 * q)) + np.sum(icf[:, d:] ** 2)) - np.sum(q)


# -- bundle adjustment ------------------------------------------------------------------------------------------


def reprojection(np: Any) -> Function:
    """Residual of one observation: camera of 11 numbers, point, weight, feature."""

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


# -- recurrences ------------------------------------------------------------------------------------------------


def unrolled(step: Function, carry: Any, n: int, *inputs: Any) -> Any:
    """The carry after `n` steps, each with its row of the inputs."""
    for t in range(n):
        carry = step(carry, *[x[t] for x in inputs])
    return carry


def scanned(step: Function, carry: Any, n: int, *inputs: Any) -> Any:
    """The same by JAX's own loop, which is compiled once for all steps."""
    import jax

    return jax.lax.scan(lambda carry, rows: (step(carry, *rows), None), carry, inputs, length=n)[0]


def lstm(np: Any, steps: Function = unrolled) -> Function:
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

        def step(carry: Any, entry: Any, following: Any) -> Any:
            hidden, states, total = list(carry[0]), list(carry[1]), carry[2]
            x = entry * extra[0]
            for i in range(layers):
                hidden[i], states[i] = cell(main[2 * i], main[2 * i + 1], hidden[i], states[i], x)
                x = hidden[i]
            predicted = x * extra[1] + extra[2]
            normalised = predicted - np.log(np.sum(np.exp(predicted)) + 2)
            return hidden, states, total + np.sum(following * normalised)

        start = [state[2 * i] for i in range(layers)], [state[2 * i + 1] for i in range(layers)], 0.0
        n = sequence.shape[0] - 1
        return -steps(step, start, n, sequence[:-1], sequence[1:])[2] / n

    return loss


def lorenz(np: Any, steps: Function = unrolled) -> Function:
    def slope(x: Any) -> Any:
        return (np.roll(x, -1) - np.roll(x, 2)) * np.roll(x, 1) - x + 8.0

    def step(x: Any) -> Any:
        h = 0.01
        k1 = slope(x)
        k2 = slope(x + h / 2 * k1)
        k3 = slope(x + h / 2 * k2)
        k4 = slope(x + h * k3)
        return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    def energy(x: Any) -> Any:
        x = steps(step, x, 50)
        return np.sum(x * x)

    return energy


def logistic(np: Any, steps: Function = unrolled) -> Function:
    return lambda x: steps(lambda x: x + 0.01 * np.sin(x) * (1 - x), x, 300)


def scan(make: Callable[..., Function]) -> Callable[[Any], Function]:
    """A recurrence with JAX's own loop."""
    return lambda np: make(np, scanned)

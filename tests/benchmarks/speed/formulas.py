"""The functions of the speed comparison, each made for an array namespace: NumPy's, JAX's, graphad's or autograd's.

Where a function has a second form that does the same work better, it stands behind the first, and every library may use
either. Sources: k-means of ADBench (Srajer, Kukelova, Fitzgibbon, 2018); Rosenbrock (1960); HistFactory
(CERN-OPEN-2012-016).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

Function = Callable[..., Any]


# -- elementwise ------------------------------------------------------------------------------------------------


def small(np: Any) -> Function:
    return lambda a, b, c: a * b + c


def chain(np: Any) -> Function:
    return lambda x: np.exp(-x * x / 2) * np.sin(3 * x) + np.log1p(x * x)


def tanh_chain(np: Any) -> Function:
    return lambda x: np.tanh(np.tanh(x) * 2 + 1) * np.tanh(x - 1)


def ufunc(name: str) -> Callable[[Any], Function]:
    """The namespace's own function of a name."""
    return lambda np: lambda x: getattr(np, name)(x)


# -- logsumexp and softmax --------------------------------------------------------------------------------------


def logsumexp(np: Any) -> Function:
    def value(x: Any) -> Any:
        m = np.max(x)
        return m + np.log(np.sum(np.exp(x - m)))

    return value


def library_logsumexp(np: Any) -> Function:
    """By the function that the library has for it."""
    return lambda x: _special(np).logsumexp(x)


def softmax(np: Any) -> Function:
    def value(x: Any) -> Any:
        e = np.exp(x - np.max(x, axis=-1, keepdims=True))
        return e / np.sum(e, axis=-1, keepdims=True)

    return value


def cross_entropy(np: Any) -> Function:
    def value(x: Any, y: Any) -> Any:
        e = x - np.max(x, axis=-1, keepdims=True)
        return -np.sum(y * (e - np.log(np.sum(np.exp(e), axis=-1, keepdims=True))))

    return value


def library_cross_entropy(np: Any) -> Function:
    """By the function that the library has for it."""
    return lambda x, y: -np.sum(y * (x - _special(np).logsumexp(x, axis=-1, keepdims=True)))


def _special(np: Any) -> Any:
    return import_module(np.__name__.replace("numpy", "scipy.special"))


# -- networks ---------------------------------------------------------------------------------------------------


def mlp(np: Any) -> Function:
    def loss(p: Any, x: Any, y: Any) -> Any:
        h = np.tanh(x @ p[0] + p[1])
        h = np.tanh(h @ p[2] + p[3])
        return np.mean((h @ p[4] + p[5] - y) ** 2)

    return loss


# -- k-means ----------------------------------------------------------------------------------------------------


def kmeans(np: Any) -> Function:
    return lambda c, x: np.sum(np.min(np.sum((x[:, None, :] - c[None]) ** 2, axis=-1), axis=1))


def gathered_kmeans(np: Any) -> Function:
    """The nearest centres by a matrix product, then one distance for each point."""

    def value(c: Any, x: Any) -> Any:
        nearest = np.argmin(np.sum(c * c, axis=1) - 2 * (x @ c.T), axis=1)
        return np.sum((x - c[nearest]) ** 2)

    return value


# -- likelihood -------------------------------------------------------------------------------------------------


def likelihood(np: Any) -> Function:
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


def stacked_likelihood(np: Any) -> Function:
    """All channels in one array."""

    def nll(theta: Any, nominal: Any, up: Any, down: Any, norm: Any, data: Any) -> Any:
        signal, nuisance = theta[0], theta[1:]
        shape = nuisance[:50, None, None]
        moved = np.where(shape >= 0, shape * (up - nominal), shape * (nominal - down))
        scale = np.exp(np.log(norm) * np.tile(nuisance[50:], 5))
        expected = nominal + moved
        rate = (expected[:, 0] * signal + expected[:, 1] + expected[:, 2]) * scale[:, None]
        return np.sum(rate - data * np.log(rate)) + 0.5 * np.sum(nuisance**2)

    return nll


# -- Rosenbrock, N-body -----------------------------------------------------------------------------------------


def rosenbrock(np: Any) -> Function:
    return lambda x: np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def energy(np: Any) -> Function:
    def value(x: Any) -> Any:
        d = x[:, None, :] - x[None, :, :]
        return -0.5 * np.sum(1 / np.sqrt(np.sum(d * d, axis=-1) + 0.01))

    return value


def energy_by_axis(np: Any) -> Function:
    """One matrix of differences for each axis."""

    def value(x: Any) -> Any:
        square = sum((x[:, None, a] - x[None, :, a]) ** 2 for a in range(3))
        return -0.5 * np.sum(1 / np.sqrt(square + 0.01))

    return value

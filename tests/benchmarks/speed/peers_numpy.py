"""Peers written by hand with NumPy: each gives, for the arguments of a problem, a call that computes the result."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import formulas
import numpy as np

Peer = Callable[..., Callable[[], Any]]


def peer(function: Callable[..., Any]) -> Peer:
    """The function, bound to its arguments."""
    return wraps(function)(lambda *arguments: partial(function, *arguments))


small = peer(formulas.small(np))
chain = peer(formulas.chain(np))
tanh_chain = peer(formulas.tanh_chain(np))
softmax = peer(formulas.softmax(np))
exp, log, sin, cos, tanh, expm1, log1p = map(peer, (np.exp, np.log, np.sin, np.cos, np.tanh, np.expm1, np.log1p))


@peer
def logsumexp(x: Any) -> Any:
    e = np.exp(x - x.max())
    e /= e.sum()
    return e


@peer
def cross_entropy(x: Any, y: Any) -> Any:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    e *= y.sum(axis=1, keepdims=True) / e.sum(axis=1, keepdims=True)
    e -= y
    return e


def backpropagation(p: Any, x: Any, y: Any) -> Any:
    """Gradients of the network's loss by all its weights and biases."""
    first = np.tanh(np.dot(x, p[0]) + p[1])
    second = np.tanh(np.dot(first, p[2]) + p[3])
    g3 = (np.dot(second, p[4]) + p[5] - y) * (2.0 / y.size)
    g2 = np.dot(g3, p[4].T) * (1 - second * second)
    g1 = np.dot(g2, p[2].T) * (1 - first * first)
    return np.dot(x.T, g1), g1.sum(0), np.dot(first.T, g2), g2.sum(0), np.dot(second.T, g3), g3.sum(0)


mlp = peer(backpropagation)


@peer
def mixture(alphas: Any, means: Any, icf: Any, x: Any) -> Any:
    """Two matrix products over all points and components do most of the work."""
    (n, d), k = x.shape, means.shape[0]
    columns, rows = np.triu_indices(d, 1)
    diagonal = np.exp(icf[:, :d])
    factor = np.zeros((k, d, d))
    factor[:, rows, columns] = icf[:, d:]
    factor[:, np.arange(d), np.arange(d)] = diagonal
    scaled = (x @ factor.reshape(k * d, d).T).reshape(n, k, d)
    scaled -= (factor @ means[:, :, None])[:, :, 0]
    weights = alphas + icf[:, :d].sum(1) - 0.5 * np.einsum("nkd,nkd->nk", scaled, scaled)
    weights = np.exp(weights - weights.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    scaled *= weights[:, :, None]
    moments = scaled.sum(0)
    by_factor = moments[:, :, None] * means[:, None, :] - (scaled.reshape(n, k * d).T @ x).reshape(k, d, d)
    by_mean = (moments[:, None, :] @ factor)[:, 0]
    total = weights.sum(0)
    prior = np.exp(alphas - alphas.max())
    by_diagonal = np.einsum("kii->ki", by_factor) * diagonal + diagonal**2 + total[:, None] - 1
    by_lower = by_factor[:, rows, columns] + icf[:, d:]
    return total - n * prior / prior.sum(), by_mean, np.concatenate([by_diagonal, by_lower], axis=1)


def _nearest(c: Any, x: Any) -> Any:
    return np.argmin(np.einsum("ij,ij->i", c, c) - 2 * (x @ c.T), axis=1)


@peer
def kmeans(c: Any, x: Any) -> Any:
    nearest, k = _nearest(c, x), c.shape[0]
    sums = [np.bincount(nearest, weights=column, minlength=k) for column in x.T]
    return 2 * (np.bincount(nearest, minlength=k)[:, None] * c - np.stack(sums, axis=1))


@peer
def kmeans_diagonal(c: Any, x: Any) -> Any:
    counts = np.bincount(_nearest(c, x), minlength=c.shape[0])
    return np.repeat(2.0 * counts[:, None], c.shape[1], axis=1)


@peer
def likelihood(theta: Any, nominal: Any, up: Any, down: Any, norm: Any, data: Any) -> Any:
    signal, nuisance = theta[0], theta[1:]
    shape = nuisance[:50, None, None]
    slope = np.where(shape >= 0, up - nominal, nominal - down)
    log_norm = np.log(norm)
    scale = np.exp(log_norm * np.tile(nuisance[50:], 5))[:, None]
    expected = nominal + shape * slope
    rate = (signal * expected[:, 0] + expected[:, 1] + expected[:, 2]) * scale
    by_rate = 1 - data / rate
    out = theta.copy()
    out[0] = np.sum(by_rate * expected[:, 0] * scale)
    out[1:51] += np.sum(by_rate * scale * (signal * slope[:, 0] + slope[:, 1] + slope[:, 2]), axis=1)
    out[51:] += (np.sum(by_rate * rate, axis=1) * log_norm).reshape(5, 10).sum(0)
    return out


@peer
def rosenbrock(x: Any) -> Any:
    low, t = x[:-1], x[1:] - x[:-1] ** 2
    out = np.zeros_like(x)
    out[:-1] = -400 * low * t - 2 * (1 - low)
    out[1:] += 200 * t
    return out


@peer
def rosenbrock_hessian(x: Any) -> Any:
    n = x.size
    out = np.zeros((n, n))
    flat = out.reshape(-1)
    flat[: -1 : n + 1] = 1200 * x[:-1] ** 2 - 400 * x[1:] + 2
    flat[n + 1 :: n + 1] += 200
    flat[1 :: n + 1] = flat[n :: n + 1] = -400 * x[:-1]
    return out


@peer
def energy(x: Any) -> Any:
    d = x.T[:, :, None] - x.T[:, None, :]
    square = np.einsum("aij,aij->ij", d, d) + 0.01
    return np.einsum("aij,ij->ia", d, 1 / (square * np.sqrt(square)))

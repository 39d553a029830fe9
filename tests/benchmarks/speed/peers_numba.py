"""Peers written by hand as fused loops, compiled by numba: each gives, for the arguments of a problem, a call that
computes the result.

Loops that threads can share are `prange`, which is `range` in the versions for one thread. numba's wheels carry no
vector math library, so that `exp` and its like run one element at a time.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange
from peers_numba_base import loop, parts, rows
from peers_numba_models import logistic, lorenz, lstm, mixture, reprojection
from peers_numpy import backpropagation

__all__ = ["logistic", "lorenz", "lstm", "mixture", "reprojection"]


@loop
def small(a: Any, b: Any, c: Any) -> Any:
    out = np.empty_like(a)
    for i in range(a.size):
        out[i] = a[i] * b[i] + c[i]
    return out


@rows
def chain(x: Any) -> Any:
    out = np.empty_like(x)
    for i in prange(x.size):
        v = x[i]
        out[i] = math.exp(-v * v / 2) * math.sin(3 * v) + math.log1p(v * v)
    return out


@rows
def tanh_chain(x: Any) -> Any:
    out = np.empty_like(x)
    for i in prange(x.size):
        v = x[i]
        out[i] = math.tanh(math.tanh(v) * 2 + 1) * math.tanh(v - 1)
    return out


@rows
def logsumexp(x: Any) -> Any:
    m = x[0]
    for i in prange(x.size):
        m = max(m, x[i])
    out = np.empty_like(x)
    total = 0.0
    for i in prange(x.size):
        e = math.exp(x[i] - m)
        out[i] = e
        total += e
    scale = 1 / total
    for i in prange(x.size):
        out[i] *= scale
    return out


@rows
def softmax(x: Any) -> Any:
    out = np.empty_like(x)
    for i in prange(x.shape[0]):
        m = x[i, 0]
        for j in range(x.shape[1]):
            m = max(m, x[i, j])
        total = 0.0
        for j in range(x.shape[1]):
            out[i, j] = math.exp(x[i, j] - m)
            total += out[i, j]
        scale = 1 / total
        for j in range(x.shape[1]):
            out[i, j] *= scale
    return out


@rows
def cross_entropy(x: Any, y: Any) -> Any:
    out = np.empty_like(x)
    for i in prange(x.shape[0]):
        m = x[i, 0]
        for j in range(x.shape[1]):
            m = max(m, x[i, j])
        total, weight = 0.0, 0.0
        for j in range(x.shape[1]):
            out[i, j] = math.exp(x[i, j] - m)
            total += out[i, j]
            weight += y[i, j]
        scale = weight / total
        for j in range(x.shape[1]):
            out[i, j] = out[i, j] * scale - y[i, j]
    return out


mlp = loop(backpropagation)


@parts
def kmeans(c: Any, x: Any, count: Any) -> Any:
    k, d = c.shape
    n = x.shape[0]
    sums = np.zeros((count, k, d))
    counts = np.zeros((count, k))
    for part in prange(count):
        for i in range(n * part // count, n * (part + 1) // count):
            best, where = np.inf, 0
            for j in range(k):
                total = 0.0
                for a in range(d):
                    total += (x[i, a] - c[j, a]) ** 2
                if total < best:
                    best, where = total, j
            counts[part, where] += 1
            for a in range(d):
                sums[part, where, a] += x[i, a]
    out = np.zeros_like(c)
    for part in range(count):
        for j in range(k):
            for a in range(d):
                out[j, a] += 2 * (counts[part, j] * c[j, a] - sums[part, j, a])
    return out


@parts
def kmeans_diagonal(c: Any, x: Any, count: Any) -> Any:
    k, d = c.shape
    n = x.shape[0]
    counts = np.zeros((count, k))
    for part in prange(count):
        for i in range(n * part // count, n * (part + 1) // count):
            best, where = np.inf, 0
            for j in range(k):
                total = 0.0
                for a in range(d):
                    total += (x[i, a] - c[j, a]) ** 2
                if total < best:
                    best, where = total, j
            counts[part, where] += 1
    out = np.empty_like(c)
    for j in range(k):
        out[j] = 2 * counts[:, j].sum()
    return out


@loop
def likelihood(theta: Any, nominal: Any, up: Any, down: Any, norm: Any, data: Any) -> Any:
    out = theta.copy()
    out[0] = 0.0
    signal = theta[0]
    for channel in range(nominal.shape[0]):
        shape = theta[1 + channel]
        exponent = 51 + channel % 10
        log_norm = math.log(norm[channel])
        scale = math.exp(log_norm * theta[exponent])
        by_signal, by_shape, by_scale = 0.0, 0.0, 0.0
        for b in range(nominal.shape[2]):
            first, others, slope = 0.0, 0.0, 0.0
            for sample in range(3):
                middle = nominal[channel, sample, b]
                step = up[channel, sample, b] - middle if shape >= 0 else middle - down[channel, sample, b]
                if sample == 0:
                    first = middle + shape * step
                    slope = signal * step
                else:
                    others += middle + shape * step
                    slope += step
            rate = (signal * first + others) * scale
            by_rate = 1 - data[channel, b] / rate
            by_signal += by_rate * first
            by_shape += by_rate * slope
            by_scale += by_rate * rate
        out[0] += by_signal * scale
        out[1 + channel] += by_shape * scale
        out[exponent] += by_scale * log_norm
    return out


@loop
def rosenbrock(x: Any) -> Any:
    n = x.size
    out = np.empty_like(x)
    out[0] = -400 * x[0] * (x[1] - x[0] * x[0]) - 2 * (1 - x[0])
    for i in range(1, n - 1):
        t = x[i + 1] - x[i] * x[i]
        out[i] = 200 * (x[i] - x[i - 1] * x[i - 1]) - 400 * x[i] * t - 2 * (1 - x[i])
    out[n - 1] = 200 * (x[n - 1] - x[n - 2] * x[n - 2])
    return out


@loop
def rosenbrock_hessian(x: Any) -> Any:
    n = x.size
    out = np.zeros((n, n))
    for i in range(n - 1):
        out[i, i] += 1200 * x[i] * x[i] - 400 * x[i + 1] + 2
        out[i, i + 1] = out[i + 1, i] = -400 * x[i]
        out[i + 1, i + 1] = 200
    return out


@rows
def energy(x: Any) -> Any:
    n = x.shape[0]
    # A row for each axis, so that the inner loop reads memory in order.
    px, py, pz = x[:, 0].copy(), x[:, 1].copy(), x[:, 2].copy()
    out = np.empty_like(x)
    for i in prange(n):
        gx = gy = gz = 0.0
        for j in range(n):
            dx, dy, dz = px[i] - px[j], py[i] - py[j], pz[i] - pz[j]
            r2 = dx * dx + dy * dy + dz * dz + 0.01
            s = 1.0 / (r2 * math.sqrt(r2))
            gx += s * dx
            gy += s * dy
            gz += s * dz
        out[i, 0], out[i, 1], out[i, 2] = gx, gy, gz
    return out

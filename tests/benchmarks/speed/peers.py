"""Hand-written peers: fused numba loops, and PyTorch's own idiom. Imports are lazy, so that a case pays for its own."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np


@cache
def _numba(name: str) -> Any:
    import numba

    return numba.njit(_LOOPS[name], fastmath={"reassoc", "contract", "nsz"})


def _chain(x: Any) -> Any:
    out = np.empty_like(x)
    for i in range(x.size):
        v = x[i]
        out[i] = math.exp(-v * v / 2) * math.sin(3 * v) + math.log1p(v * v)
    return out


def _logsumexp(x: Any) -> Any:
    m = x[0]
    for i in range(x.size):
        m = max(m, x[i])
    out = np.empty_like(x)
    total = 0.0
    for i in range(x.size):
        out[i] = math.exp(x[i] - m)
        total += out[i]
    for i in range(x.size):
        out[i] /= total
    return out


def _kmeans(c: Any, x: Any) -> Any:
    out = np.zeros_like(c)
    k, d = c.shape
    for i in range(x.shape[0]):
        best, where = np.inf, 0
        for j in range(k):
            total = 0.0
            for a in range(d):
                total += (x[i, a] - c[j, a]) ** 2
            if total < best:
                best, where = total, j
        for a in range(d):
            out[where, a] += 2 * (c[where, a] - x[i, a])
    return out


def _rosenbrock(x: Any) -> Any:
    out = np.zeros_like(x)
    for i in range(x.size - 1):
        t = x[i + 1] - x[i] * x[i]
        out[i] += -400 * x[i] * t - 2 * (1 - x[i])
        out[i + 1] += 200 * t
    return out


def _nbody(x: Any) -> Any:
    n = x.shape[0]
    out = np.zeros_like(x)
    for i in range(n):
        gx = gy = gz = 0.0
        for j in range(n):
            dx, dy, dz = x[i, 0] - x[j, 0], x[i, 1] - x[j, 1], x[i, 2] - x[j, 2]
            r2 = dx * dx + dy * dy + dz * dz + 0.01
            s = 1.0 / (r2 * math.sqrt(r2))
            gx += s * dx
            gy += s * dy
            gz += s * dz
        out[i, 0], out[i, 1], out[i, 2] = gx, gy, gz
    return out


_LOOPS = {
    "chain": _chain, "logsumexp": _logsumexp, "kmeans": _kmeans, "rosenbrock": _rosenbrock, "nbody": _nbody
}  # fmt: skip


def fused_chain(x: Any) -> Any:
    return _numba("chain")(x)


def logsumexp_gradient(x: Any) -> Any:
    return _numba("logsumexp")(x)


def kmeans_gradient(c: Any, x: Any) -> Any:
    return _numba("kmeans")(c, x)


def rosenbrock_gradient(x: Any) -> Any:
    return _numba("rosenbrock")(x)


def nbody_gradient(x: Any) -> Any:
    return _numba("nbody")(x)


def torch_mlp(p: Any, x: Any, y: Any) -> Any:
    import torch

    tensors = [torch.from_numpy(a).requires_grad_() for a in p]
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    h = torch.tanh(x @ tensors[0] + tensors[1])
    h = torch.tanh(h @ tensors[2] + tensors[3])
    loss = ((h @ tensors[4] + tensors[5] - y) ** 2).mean()
    return tuple(g.numpy() for g in torch.autograd.grad(loss, tensors))

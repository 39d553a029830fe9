"""Peers in PyTorch's own idiom: each gives, for the arguments of a problem, a call that computes the result. With
`compiled` the function goes through `torch.compile` first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

Peer = Callable[..., Callable[[], Any]]


def _tensors(x: Any) -> Any:
    return tuple(map(_tensors, x)) if isinstance(x, tuple) else torch.from_numpy(x)


def value(function: Callable[..., Any]) -> Peer:
    """The function's value."""

    def peer(*arguments: Any, compiled: bool = False) -> Callable[[], Any]:
        f = torch.compile(function) if compiled else function
        tensors = _tensors(arguments)
        return lambda: f(*tensors)

    return peer


def gradient(count: int = 1) -> Callable[[Callable[..., Any]], Peer]:
    """The gradient by the first `count` arguments; a tuple for a tuple."""

    def decorate(function: Callable[..., Any]) -> Peer:
        def peer(*arguments: Any, compiled: bool = False) -> Callable[[], Any]:
            f = torch.compile(function) if compiled else function
            tensors = _tensors(arguments)
            wrt = tensors[0] if isinstance(tensors[0], tuple) else tensors[:count]
            for x in wrt:
                x.requires_grad_()
            if count == 1 and not isinstance(tensors[0], tuple):
                return lambda: torch.autograd.grad(f(*tensors), wrt)[0]
            return lambda: torch.autograd.grad(f(*tensors), wrt)

        return peer

    return decorate


small = value(lambda a, b, c: a * b + c)
chain = value(lambda x: torch.exp(-x * x / 2) * torch.sin(3 * x) + torch.log1p(x * x))
tanh_chain = value(lambda x: torch.tanh(torch.tanh(x) * 2 + 1) * torch.tanh(x - 1))
softmax = value(lambda x: torch.softmax(x, dim=-1))
exp, log, sin, cos = map(value, (torch.exp, torch.log, torch.sin, torch.cos))
tanh, expm1, log1p = map(value, (torch.tanh, torch.expm1, torch.log1p))


@gradient()
def logsumexp(x: Any) -> Any:
    return torch.logsumexp(x, dim=0)


@gradient()
def cross_entropy(x: Any, y: Any) -> Any:
    return -(y * torch.log_softmax(x, dim=-1)).sum()


@gradient()
def mlp(p: Any, x: Any, y: Any) -> Any:
    h = torch.tanh(torch.addmm(p[1], x, p[0]))
    h = torch.tanh(torch.addmm(p[3], h, p[2]))
    return torch.nn.functional.mse_loss(torch.addmm(p[5], h, p[4]), y)


@gradient(3)
def mixture(alphas: Any, means: Any, icf: Any, x: Any) -> Any:
    (n, d), k = x.shape, means.shape[0]
    q = icf[:, :d]
    columns, rows = torch.triu_indices(d, d, 1)
    lower = torch.zeros((k, d, d), dtype=x.dtype)
    lower[:, rows, columns] = icf[:, d:]
    factor = lower + torch.diag_embed(torch.exp(q))
    scaled = (x @ factor.reshape(k * d, d).T).reshape(n, k, d) - torch.einsum("kij,kj->ki", factor, means)
    inner = torch.logsumexp(alphas + q.sum(1) - 0.5 * (scaled**2).sum(2), dim=1).sum()
    prior = 0.5 * (torch.exp(2 * q).sum() + (icf[:, d:] ** 2).sum()) - q.sum()
    return inner - n * torch.logsumexp(alphas, dim=0) + prior


def _kmeans(c: Any, x: Any) -> Any:
    with torch.no_grad():
        nearest = torch.argmin((c * c).sum(1) - 2 * (x @ c.T), dim=1)
    return ((x - c[nearest]) ** 2).sum()


kmeans = gradient()(_kmeans)


def kmeans_diagonal(c: Any, x: Any, compiled: bool = False) -> Callable[[], Any]:
    """The product of the Hessian with a vector of ones, by a gradient of the gradient."""
    f = torch.compile(_kmeans) if compiled else _kmeans
    c, x = _tensors((c, x))
    c.requires_grad_()

    def call() -> Any:
        (g,) = torch.autograd.grad(f(c, x), c, create_graph=True)
        return torch.autograd.grad(g.sum(), c)[0]

    return call


@gradient()
def energy(x: Any) -> Any:
    d = x[:, None, :] - x[None, :, :]
    return -0.5 * torch.rsqrt((d * d).sum(-1) + 0.01).sum()

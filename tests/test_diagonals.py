"""The pass `diagonals`: Jacobians multiply by no identity, and are what they are without it."""

from __future__ import annotations

import numpy as np
import pytest

import graphad
from graphad.api.compiled import OPTIMISE
from graphad.ops.dot_general import DotGeneral

RNG = np.random.default_rng(4)
N = 5
A, B, W = RNG.normal(size=(N, N)), RNG.normal(size=(N, N)), RNG.normal(size=(3, N))
T = RNG.normal(size=(2, N, 3, N))
X = RNG.uniform(0.5, 1.5, N)

VECTORS = {
    "product": lambda x: A @ x,
    "product_from_the_left": lambda x: np.sin(x) @ A,
    "product_of_two": lambda x: A @ (x * (B @ x)),
    "outer": lambda x: np.outer(x, np.exp(x)) @ x,
    "diagonal_matrix": lambda x: np.diag(x) @ A @ x,
    "sum_along_rows": lambda x: np.sum(A * x[None, :], axis=1) + np.sum(A * x[:, None], axis=1),
    "differences": lambda x: np.sum((x[:, None] - x[None, :]) ** 2 * A, axis=0),
    "einsum": lambda x: np.einsum("aibj,i,j->ab", T, x, np.cos(x)).ravel(),
    "batched": lambda x: np.einsum("aibj,j->iab", T, x * x).reshape(N, -1) * x[:, None],
    "row_and_column": lambda x: x[None, :] * A + x[:, None] * B,
    "branches": lambda x: np.where(x > 1.0, A @ x, x * B[0]) + np.maximum(x, 1.0) @ A,
    "network": lambda x: np.tanh(W @ np.tanh(A @ (x * x))),
    "reshaped": lambda x: (A.reshape(N, N, 1) * x.reshape(1, N, 1)).sum((1, 2)) + x.reshape(N, 1)[:, 0],
    "solve": lambda x: np.linalg.solve(A + np.diag(x), x),
    "loop": lambda x: graphad.fori_loop(0, 3, lambda i, y: np.sin(A @ y) + x, x),
    "cumulated": lambda x: np.cumsum(A @ x) * np.roll(x, 1),
}
SCALARS = {
    "quadratic": lambda x: x @ A @ x,
    "logsumexp": lambda x: np.log(np.sum(np.exp(A @ x))),
    "rosenbrock": lambda x: np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2),
    "trace": lambda x: np.trace(np.diag(x) @ A @ np.diag(x)),
    "network": lambda x: np.sum(np.tanh(W @ (x * x))),
}
WITHOUT = OPTIMISE.replace("diagonals, ", "")


def stages(f, *args):
    graph = graphad.trace(f)(*args)
    with_it, without = (graphad.Pipeline(text).stages(graph, verify=True)[-1].graph for text in (OPTIMISE, WITHOUT))
    for a, b in zip(with_it.eval(*args), without.eval(*args), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)
    return with_it, without


def flops(graph):
    return sum(node.op.flops(*[v.type for v in node.inputs]) for node in graph.nodes if isinstance(node.op, DotGeneral))


@pytest.mark.parametrize("n", [N, 70])
@pytest.mark.parametrize("mode", [graphad.jacfwd, graphad.jacrev], ids=["forward", "reverse"])
def test_a_jacobian_takes_parts_of_matrices(mode, n):
    a, x = RNG.normal(size=(n, n)), np.linspace(0.5, 1.5, n)
    found, before = stages(mode(lambda x: np.sin(a @ (x * x))), x)
    assert flops(before) >= n**3 > n**2 * 4 >= flops(found)


@pytest.mark.parametrize("n", [N, 70])
def test_the_hessian_of_a_quadratic_form_has_no_product_of_matrices(n):
    a, x = RNG.normal(size=(n, n)), np.linspace(0.5, 1.5, n)
    found, before = stages(graphad.hessian(lambda x, a: x @ a @ x), x, a)
    assert flops(before) >= n**3 > n**2 * 4 >= flops(found)
    np.testing.assert_allclose(found.eval(x, a)[0], a + a.T, rtol=1e-12)


@pytest.mark.parametrize("name", VECTORS)
def test_jacobians(name, executor):
    f = VECTORS[name]
    wanted = np.stack([graphad.jvp(f, (X,), (e,))[1] for e in np.eye(N)], axis=-1)
    for mode in (graphad.jacfwd, graphad.jacrev):
        if executor == "numpy":
            stages(mode(f), X)
        if executor != "numba" or name == "product_of_two":
            np.testing.assert_allclose(graphad.jit(mode(f))(X), wanted, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", SCALARS)
def test_hessians(name):
    f = SCALARS[name]
    wanted = np.stack([graphad.jvp(graphad.grad(f), (X,), (e,))[1] for e in np.eye(N)], axis=-1)
    for outer in (graphad.jacfwd, graphad.jacrev):
        for inner in (graphad.jacfwd, graphad.jacrev):
            found, _ = stages(outer(inner(f)), X)
            np.testing.assert_allclose(found.eval(X)[0], wanted, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(graphad.jit(graphad.hessian(f))(X), wanted, rtol=1e-10, atol=1e-12)


def test_within_loops_and_batches():
    def f(x):
        return graphad.fori_loop(0, 2, lambda i, y: graphad.jacfwd(lambda z: np.sin(A @ z))(y) @ y, x)

    wanted = X
    for _ in range(2):
        wanted = (np.cos(A @ wanted)[:, None] * A) @ wanted
    np.testing.assert_allclose(graphad.jit(f)(X), wanted, rtol=1e-12)
    many = np.stack([X, 2 * X])
    np.testing.assert_allclose(graphad.jit(graphad.vmap(f))(many)[0], wanted, rtol=1e-12)


def test_complex_numbers():
    c = A + 1j * B
    f = lambda x: np.sin(c @ (x * c[0]))
    wanted = np.stack([graphad.jvp(f, (X,), (e,))[1] for e in np.eye(N)], axis=-1)
    np.testing.assert_allclose(graphad.jit(graphad.jacfwd(f))(X), wanted, rtol=1e-11)


def test_an_infinite_factor_stays_in_its_column():
    x = np.array([0.0, 1.0, 4.0])
    m = np.arange(9.0).reshape(3, 3) + 1
    found = graphad.jit(graphad.jacfwd(lambda x: m @ np.sqrt(x)))(x)
    assert np.isinf(found[:, 0]).all()
    np.testing.assert_allclose(found[:, 1:], m[:, 1:] * 0.5 / np.sqrt(x[1:]))


def test_what_the_user_multiplies_by_an_identity_stays():
    a = np.where(np.eye(N) == 1, np.inf, A)
    graph = graphad.trace(lambda a: np.eye(N) @ a)(a)
    assert graphad.Pipeline("diagonals")(graph) is graph
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(graphad.jit(lambda a: np.eye(N) @ a)(a), np.eye(N) @ a)

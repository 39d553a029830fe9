"""Functions of SciPy on traced values: as they stand in converted functions, from `graphad.scipy` elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular
from scipy.special import log_softmax, logsumexp, multigammaln, polygamma, softmax

import graphad
from graphad.errors import ShapeError, TracerError

RNG = np.random.default_rng(0)
A = RNG.normal(size=(4, 4)) + 4 * np.eye(4)
B = RNG.normal(size=(4, 2))


def positive(a):
    return a @ a.T + np.eye(4)


FUNCTIONS = {
    "cholesky": lambda a, b: (cholesky(positive(a)), cholesky(positive(a), lower=True)),
    "cho_solve": lambda a, b: (
        cho_solve(cho_factor(positive(a)), b), cho_solve(cho_factor(positive(a), True), b[:, 0]),
    ),
    "solve_triangular": lambda a, b: (
        solve_triangular(a, b), solve_triangular(a, b, "T"), solve_triangular(a, b[:, 1], lower=True),
        solve_triangular(a / 4, b, trans=1, lower=True, unit_diagonal=True),
    ),
    "solve": lambda a, b: (
        scipy.linalg.solve(a, b), scipy.linalg.solve(a, b[:, 0], transposed=True),
        scipy.linalg.solve(positive(a), b, assume_a="pos"),
    ),
    "inv and det": lambda a, b: (scipy.linalg.inv(a), scipy.linalg.det(a)),
    "block_diag": lambda a, b: scipy.linalg.block_diag(a, b, b[:, 0]),
    "toeplitz": lambda a, b: (scipy.linalg.toeplitz(a[0]), scipy.linalg.toeplitz(a[0], b[:3, 0])),
    "special": lambda a, b: (
        logsumexp(a, axis=1), logsumexp(a, b=np.abs(a)), softmax(b, axis=0), log_softmax(b),
        polygamma(1, np.abs(b) + 1), multigammaln(3 + np.abs(b), 2),
    ),
}  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=list(FUNCTIONS))
def test_functions_of_scipy_as_they_stand(function):
    plain = graphad.tree.leaves(function(A, B))
    weights = [np.cos(np.arange(np.size(x))).reshape(np.shape(x)) for x in plain]

    def weighed(a, b):
        return sum([np.sum(w * x) for w, x in zip(weights, graphad.tree.leaves(function(a, b)), strict=True)])

    both = graphad.jit(lambda a, b: (function(a, b), graphad.grad(weighed, (0, 1))(a, b)), executor="numpy")
    found, gradient = both(A, B)
    for x, y in zip(graphad.tree.leaves(found), plain, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-14)
    da, db, h = np.cos(A), np.sin(B), 1e-6
    slope = np.sum(gradient[0] * da) + np.sum(gradient[1] * db)
    difference = (weighed(A + h * da, B + h * db) - weighed(A - h * da, B - h * db)) / (2 * h)
    assert slope == pytest.approx(difference, rel=1e-7)


@pytest.mark.parametrize("lower", [True, False])
def test_complex_factors(lower):
    z = A + 1j * A.T
    z = z @ z.conj().T + np.eye(4)
    c = z[:, :2]

    def function(z, c):
        u = cholesky(z, lower=lower)
        return u, cho_solve(cho_factor(z, lower), c), solve_triangular(u, c, "C", lower)

    for x, y in zip(graphad.jit(function, executor="numpy")(z, c), function(z, c), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-14)


def test_the_namespace_needs_no_jit():
    from graphad.scipy import linalg

    slope = graphad.grad(lambda a: np.sum(linalg.cho_solve(linalg.cho_factor(positive(a)), B)))(A)
    converted = graphad.jit(graphad.grad(lambda a: np.sum(cho_solve(cho_factor(positive(a)), B))), executor="numpy")
    np.testing.assert_allclose(slope, converted(A), rtol=1e-12)
    assert linalg.qz is scipy.linalg.qz
    np.testing.assert_array_equal(linalg.cholesky(positive(A)), cholesky(positive(A)))


def test_errors_name_the_place_and_the_remedy():
    with pytest.raises(ShapeError, match=r"solve_triangular: shapes \[4, 4\] and \[3\] do not fit.*test_scipy.py"):
        graphad.jit(lambda a: solve_triangular(a, np.ones(3)))(A)
    with pytest.raises(TracerError, match=r"test_scipy.py.*graphad.scipy"):
        graphad.grad(lambda a: np.sum(scipy.linalg.qz(a, a)[0]))(A)

"""Matrix decompositions: NumPy's numbers, derivatives that stay finite, every executor."""

from __future__ import annotations

import numpy as np
import pytest

import graphad
from graphad.errors import ShapeError

rng = np.random.default_rng(5)
A = rng.normal(size=(2, 4, 4))
S = A + np.swapaxes(A, -1, -2)
H = S + 1j * (A - np.swapaxes(A, -1, -2))
T = rng.normal(size=(5, 3))

CALLS = {
    "eigh": (lambda a: np.linalg.eigh(a), S),
    "eigh upper": (lambda a: np.linalg.eigh(a, UPLO="U"), S),
    "eigvalsh": (lambda a: np.linalg.eigvalsh(a), H),
    "eig": (lambda a: np.linalg.eig(a + 0j), A),
    "eigvals": (lambda a: np.linalg.eigvals(a + 0j), A),
    "svd": (lambda a: np.linalg.svd(a), T),
    "svd thin": (lambda a: np.linalg.svd(a, full_matrices=False), A),
    "svd values": (lambda a: np.linalg.svd(a, compute_uv=False), T.T),
    "svdvals": (lambda a: np.linalg.svdvals(a), H),
    "qr": (lambda a: np.linalg.qr(a), T),
    "qr complete": (lambda a: np.linalg.qr(a, "complete"), T),
    "qr r": (lambda a: np.linalg.qr(a, mode="r"), A),
    "pinv": (lambda a: np.linalg.pinv(a), T),
    "pinv rtol": (lambda a: np.linalg.pinv(a, rtol=None), A),
    "lstsq": (lambda a: (*np.linalg.lstsq(a, a[:, 0] ** 2), *np.linalg.lstsq(a.T, a.T**2)), T),
    "polyfit": (lambda a: np.polyfit(a[:, 0], a, 2), T),
    "lstsq complex": (lambda a: np.linalg.lstsq(a[0, :, :2], a[1], rcond=1e-3), H),
    "cond": (lambda a: (np.linalg.cond(a), np.linalg.cond(a, -2)), A),
    "norms": (lambda a: [np.linalg.norm(a, p, axis=(-2, -1), keepdims=k) for p in (2, -2, "nuc") for k in (0, 1)], A),
    "norm of other axes": (lambda a: [np.linalg.norm(a, "nuc", axis=x) for x in ((2, 0), (0, 1), (1, 0))], A),
    "matrix_rank": (lambda a: (np.linalg.matrix_rank(a), np.linalg.matrix_rank(a[..., :1] * a[..., :1, :])), A),
    "tensorinv": (lambda a: np.linalg.tensorinv(a.reshape(2, 2, 2, 2)), A[0]),
    "tensorsolve": (lambda a: np.linalg.tensorsolve(a.reshape(2, 2, 2, 2), a[:2, :2], axes=(2,)), A[0]),
}


def test_numbers_are_numpys(executor):
    run = lambda *xs: [graphad.tree.leaves(f(x)) for (f, _), x in zip(CALLS.values(), xs, strict=True)]
    args = [x for _, x in CALLS.values()]
    for name, found, wanted in zip(CALLS, graphad.jit(run)(*args), run(*args), strict=True):
        assert len(found) == len(wanted), name
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11, err_msg=name)
            assert np.shape(a) == np.shape(b)


def test_results_have_names():
    assert graphad.jit(lambda a: np.linalg.eigh(a).eigenvalues)(S).shape == (2, 4)
    assert graphad.jit(lambda a: np.linalg.svd(a).S)(T).shape == (3,)
    assert graphad.jit(lambda a: np.linalg.qr(a).R)(T).shape == (3, 3)


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda a: np.sum(np.linalg.eigvalsh(a @ a.T) ** 2), A[0]),
        (lambda a: np.sum(np.abs(np.linalg.eigvals(a)) ** 2), A[0]),
        (lambda a: np.linalg.norm(a, "nuc"), T),
        (lambda a: np.sum(np.linalg.pinv(a) ** 2), T),
        (lambda a: np.sum(np.linalg.qr(a).Q[:, 0] ** 3), T),
        (lambda a: np.sum(np.linalg.lstsq(a, a[:, :2] ** 2)[0] ** 2), T),
        (lambda a: np.sum(np.linalg.lstsq(a.T, np.cos(a[0]))[0] ** 2), T),
        (lambda a: np.linalg.cond(a), A[0]),
    ],
)
def test_derivatives(function, x):
    graphad.check_grads(function, (x,), order=2)


def test_equal_eigenvalues_are_no_matter_for_what_does_not_depend_on_the_vectors(executor):
    """`tr(a^2)` has the gradient `2 a`, by eigenvalues and by the matrix put together again."""
    a = np.diag([2.0, 2.0, 5.0])
    by_values = lambda a: np.sum(np.linalg.eigvalsh(a) ** 2)
    np.testing.assert_allclose(graphad.jit(graphad.grad(by_values))(a), 2 * a, atol=1e-12)

    def by_vectors(a):
        w, v = np.linalg.eigh(a)
        return np.trace((v * w**2) @ v.T)

    np.testing.assert_allclose(graphad.jit(graphad.grad(by_vectors))(a), 2 * a, atol=1e-12)
    np.testing.assert_allclose(graphad.grad(lambda a: np.sum(np.linalg.svdvals(a)))(np.eye(3)), np.eye(3), atol=1e-12)


def test_refusals():
    with pytest.raises(ShapeError, match=r"eigh: needs square matrices.*\[5, 3\].*test_decompositions.py:\d+"):
        graphad.jit(lambda a: np.linalg.eigh(a))(T)
    with pytest.raises(ValueError, match=r"UPLO='X'.*use 'L'"):
        graphad.jit(lambda a: np.linalg.eigh(a, "X"))(S)
    with pytest.raises(ValueError, match=r"mode='raw'.*use 'reduced'"):
        graphad.jit(lambda a: np.linalg.qr(a, "raw"))(T)
    with pytest.raises(ShapeError, match=r"ord=3 is no norm of a matrix"):
        graphad.jit(lambda a: np.linalg.norm(a, 3, axis=(0, 1)))(T)

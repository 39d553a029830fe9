"""Linear algebra where matrices are singular, stacked, or differentiated twice."""

from __future__ import annotations

import numpy as np
import pytest

import graphad
from graphad.ops.determinant import Cofactor, Det, Slogdet
from graphad.ops.linalg import Cholesky, Solve

A = np.array([[2.0, 1.0, 0.5], [0.3, 3.0, -1.0], [0.1, 0.4, 1.5]])


def test_det_of_singular_matrices():
    x = np.array([[1.0, 2.0], [2.0, 4.0]])
    np.testing.assert_allclose(graphad.grad(Det())(x), [[4.0, -2.0], [-2.0, 1.0]], atol=1e-14)
    np.testing.assert_allclose(graphad.grad(Det())(np.zeros((3, 3))), 0.0)
    second = graphad.hessian(Det())(x)
    assert second[0, 0, 1, 1] == pytest.approx(1.0)
    assert second[0, 1, 1, 0] == pytest.approx(-1.0)


def test_cofactor_is_the_scaled_inverse():
    for a in (A, A + 1j * A.T, np.array([[3.0]])):
        np.testing.assert_allclose(Cofactor()(a), np.linalg.det(a) * np.linalg.inv(a).T, atol=1e-12)


def test_slogdet_gradient_is_the_inverse():
    np.testing.assert_allclose(graphad.grad(lambda a: Slogdet()(a)[1])(A), np.linalg.inv(A).T, atol=1e-13)


def test_solve_batches_right_hand_sides_as_columns():
    b = np.cos(np.arange(24.0)).reshape(4, 3, 2)
    np.testing.assert_allclose(graphad.vmap(lambda y: Solve()(A, y))(b), np.linalg.solve(A, b))


def test_integer_matrices_are_rejected():
    with pytest.raises(TypeError, match="cast"):
        Cholesky()(np.eye(2, dtype=int))

"""Products and einsum against NumPy, with gradients against finite differences."""

from __future__ import annotations

import numpy as np
import pytest

import graphad
from graphad.ops import contraction

A = np.linspace(-1.0, 2.0, 6).reshape(2, 3)
B = np.cos(np.arange(12.0)).reshape(3, 4)
S = np.sin(np.arange(9.0)).reshape(3, 3)
T = np.cos(np.arange(24.0)).reshape(2, 3, 4)
EINSUMS = [
    ("ij,jk->ik", A, B),
    ("ij,jk", A, B),
    ("ij,jk->ki", A, B),
    ("ii", S),
    ("ii->i", S),
    ("ij->", A),
    ("ij->ji", A),
    ("ji", A),
    ("i,i->", A[0], A[1]),
    ("i,i->i", A[0], A[1]),
    ("i,j->ij", A[0], B[0]),
    ("ij,kl->", A, B),
    ("...j,jk->...k", T[:, 0, :3], B),
    ("...ij,...jk->...ik", np.stack([A, A]), np.stack([B, -B])),
    ("...i,...i->...", np.ones((1, 3)), np.arange(12.0).reshape(4, 3)),
    ("ij,jk,kl->il", A, B, B.T),
    ("ijk,ijl,k->l", T, T, T[0, 0]),
    ("iij,jk->ik", np.cos(np.arange(27.0)).reshape(3, 3, 3), B),
    ("i,i->", np.ones(1), A[0]),
    (",i->i", np.array(2.0), A[0]),
    ("bij,bjk->bik", np.stack([A, A]), np.stack([B, -B])),
]


def _directional(function, args):
    tangents = [np.cos(np.arange(1.0, x.size + 1)).reshape(x.shape) for x in args]
    h = 1e-6
    up = function(*[x + h * t for x, t in zip(args, tangents, strict=True)])
    down = function(*[x - h * t for x, t in zip(args, tangents, strict=True)])
    return tangents, (up - down) / (2 * h)


@pytest.mark.parametrize("case", EINSUMS, ids=lambda case: case[0])
def test_einsum_value_and_gradient(case):
    subscripts, *args = case
    out = graphad.jit(lambda *xs: contraction.einsum(subscripts, *xs))(*args)
    np.testing.assert_allclose(out, np.einsum(subscripts, *args), rtol=1e-12, atol=1e-12)
    weights = np.sin(np.arange(1.0, out.size + 1)).reshape(out.shape)
    tangents, expected = _directional(lambda *xs: np.sum(weights * np.einsum(subscripts, *xs)), args)

    def loss(*xs):
        product = graphad.ops.arithmetic.multiply(weights, contraction.einsum(subscripts, *xs))
        return graphad.ops.reduce.Sum(tuple(range(product.ndim)))(product)

    gradients = graphad.grad(loss, argnums=tuple(range(len(args))))(*args)
    found = sum(np.sum(g * t) for g, t in zip(gradients, tangents, strict=True))
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-8)


def test_einsum_interleaved_and_dtype():
    out = graphad.jit(lambda x, y: contraction.einsum(x, [0, 1], y, [1, 2], [0, 2]))(A.astype("f4"), B)
    assert out.dtype == np.float64
    np.testing.assert_allclose(out, A.astype("f4") @ B)


def test_einsum_rejects_extents_that_differ():
    with pytest.raises(ValueError, match="extents"):
        graphad.jit(lambda x, y: contraction.einsum("ij,jk->ik", x, y))(A, B.T)


@pytest.mark.parametrize(
    "shapes",
    [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)),
     ((5, 2, 3), (5, 3, 4)), ((1, 2, 3), (5, 3, 4)), ((6, 1, 2, 3), (5, 3, 4)), ((5, 2, 3), (3,)), ((3,), (5, 3, 4)),
     ((1, 2, 3), (1, 3, 4)), ((0, 3), (3, 2)), ((2, 0), (0, 2))],
)  # fmt: skip
def test_matmul_and_dot(shapes):
    x, y = (np.cos(np.arange(float(np.prod(s)))).reshape(s) for s in shapes)
    np.testing.assert_allclose(graphad.jit(contraction.matmul)(x, y), np.matmul(x, y), atol=1e-13)
    np.testing.assert_allclose(graphad.jit(contraction.dot)(x, y), np.dot(x, y), atol=1e-13)


def test_other_products():
    z, w = A + 1j, A - 2j * A
    np.testing.assert_allclose(graphad.jit(contraction.vdot)(z, w), np.vdot(z, w))
    np.testing.assert_allclose(graphad.jit(contraction.outer)(A, B), np.outer(A, B))
    np.testing.assert_allclose(graphad.jit(contraction.inner)(A, B.T), np.inner(A, B.T))
    for axes in (1, 2, ([1, 2], [0, 1]), ([2], [-1]), (0, 0)):
        y = {1: B.T, 2: B}.get(axes if isinstance(axes, int) else 0, T if axes == (0, 0) else B)
        found = graphad.jit(lambda a, b, axes=axes: contraction.tensordot(a, b, axes))(T, y)
        np.testing.assert_allclose(found, np.tensordot(T, y, axes))

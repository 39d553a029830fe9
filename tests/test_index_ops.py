"""Gathers, scatters, and dynamic slices where their laws are easy to get wrong."""

from __future__ import annotations

import numpy as np
import pytest

import graphad
from graphad.ops.index import DynamicSlice, DynamicUpdateSlice, Gather, ScatterSet, diagonal, take_along_axis
from graphad.ops.reduce import Max, Prod, Sum, logsumexp

X = np.arange(12.0).reshape(3, 4)


@pytest.mark.parametrize("index", [3, -1])
def test_out_of_bounds_raises(index):
    with pytest.raises(IndexError, match="out of bounds"):
        Gather((0,))(X, np.array([index]))


def test_last_duplicate_takes_the_cotangent():
    index = np.array([1, 1, 0])

    def f(x, u, i):
        return ScatterSet((0,))(x, u, i)

    x, u = np.ones(3), np.array([5.0, 6.0, 7.0])
    out, pullback = graphad.vjp(lambda x, u: f(x, u, index), x, u)
    np.testing.assert_array_equal(out, [7.0, 6.0, 1.0])
    ct_x, ct_u = pullback(np.array([10.0, 20.0, 30.0]))
    np.testing.assert_array_equal(ct_x, [0.0, 0.0, 30.0])
    np.testing.assert_array_equal(ct_u, [0.0, 20.0, 10.0])


def test_dynamic_starts_batch():
    starts = np.array([0, 1, 9, -4])
    found = graphad.vmap(lambda s: DynamicSlice((2, 2))(X, s, s))(starts)
    clamped = [(0, 0), (1, 1), (1, 2), (0, 0)]
    np.testing.assert_array_equal(found, np.stack([X[a : a + 2, b : b + 2] for a, b in clamped]))
    written = graphad.vmap(lambda s: DynamicUpdateSlice()(X, -np.ones((1, 4)), s, np.int64(0)))(starts)
    for row, a in zip(written, [0, 1, 2, 0], strict=True):
        expected = X.copy()
        expected[a] = -1
        np.testing.assert_array_equal(row, expected)


def test_take_along_axis_and_diagonal():
    index = np.array([[0, 2], [1, 1], [3, 0]])
    found = graphad.jit(lambda x: take_along_axis(x, index, 1))(X)
    np.testing.assert_array_equal(found, np.take_along_axis(X, index, 1))
    for offset in (-2, 0, 1, 9):
        found = graphad.jit(lambda x, k=offset: diagonal(x, 0, 1, k))(X)
        np.testing.assert_array_equal(found, np.diagonal(X, offset))


def test_prod_with_zeros_and_max_with_ties():
    np.testing.assert_array_equal(graphad.grad(Prod((0,)))(np.array([2.0, 0.0, 3.0])), [0.0, 6.0, 0.0])
    np.testing.assert_array_equal(graphad.grad(Prod((0,)))(np.array([0.0, 0.0, 3.0])), [0.0, 0.0, 0.0])
    np.testing.assert_array_equal(graphad.grad(Max((0,)))(np.array([1.0, 3.0, 3.0])), [0.0, 0.5, 0.5])


@pytest.mark.parametrize(
    ("x", "value", "gradient"),
    [
        ([-np.inf, -np.inf], -np.inf, [0.0, 0.0]),
        ([-np.inf, 0.0], 0.0, [0.0, 1.0]),
        ([np.inf, 0.0], np.inf, [0.0, 0.0]),
        ([1e4, 1e4], 1e4 + np.log(2), [0.5, 0.5]),
    ],
)
def test_logsumexp_at_the_edges(x, value, gradient):
    x = np.array(x)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(graphad.jit(lambda y: logsumexp(y, (0,)))(x), value)
        np.testing.assert_allclose(graphad.grad(lambda y: logsumexp(y, (0,)))(x), gradient)
        tangent = graphad.jvp(lambda y: logsumexp(y, (0,)), (x,), (np.ones(2),))[1]
    np.testing.assert_allclose(tangent, np.sum(gradient))


def test_estimate_counts_regions():
    from graphad.passes.cost import estimate

    graph = graphad.trace(lambda x: Sum((0, 1))(x))(X)
    cost = estimate(getattr(graph, "graph", graph))
    assert (cost.flops, cost.bytes) == (12, 13 * 8)

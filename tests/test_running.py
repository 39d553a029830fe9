"""Running sums, products and extremes are loops of the compiled program, in NumPy's order and to its digits."""

from __future__ import annotations

import numpy as np
import pytest

import graphad
from graphad.executors.loops import lower
from graphad.executors.loops.program import HostCall
from graphad.executors.loops.statements import all_statements

RNG = np.random.default_rng(2)
FUNCTIONS = {
    "sum": lambda x, axis: np.cumsum(x, axis, x.dtype),
    "product": lambda x, axis: np.cumprod(x, axis, x.dtype),
    "largest": lambda x, axis: np.maximum.accumulate(x, axis),
    "smallest": lambda x, axis: np.minimum.accumulate(x, axis),
}
SHAPES = [
    ((90,), 0), ((1,), 0), ((40, 3), 0), ((3, 40), 1), ((2, 30, 4), 1), ((2, 3, 30), 2), ((0, 40), 1), ((40, 0), 0),
]  # fmt: skip


def all_of_them(x, axis):
    there = [f(x, axis) for f in FUNCTIONS.values()]
    return there, [np.flip(f(np.flip(x, axis), axis), axis) for f in FUNCTIONS.values()]


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("dtype", ["f8", "f4", "i4"])
def test_numbers_are_numpys(executor, dtype, shape, axis):
    x = (RNG.normal(size=shape) * 3).astype(dtype)
    found = graphad.jit(lambda x: all_of_them(x, axis))(x)
    for a, b in zip(graphad.tree.leaves(found), graphad.tree.leaves(all_of_them(x, axis)), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype


def test_special_numbers(executor):
    x = np.array([1.0, -0.0, 0.0, np.inf, 2.0, np.nan, 1.0])
    with np.errstate(invalid="ignore"):
        found, wanted = graphad.jit(lambda x: all_of_them(x, 0))(x), all_of_them(x, 0)
    for a, b in zip(graphad.tree.leaves(found), graphad.tree.leaves(wanted), strict=True):
        np.testing.assert_array_equal(a, b)


def test_complex_numbers(executor):
    x = np.array([1 + 2j, -1 + 0.5j, 3 - 1j, 1 + 4j] * 10)
    found, wanted = graphad.jit(lambda x: all_of_them(x, 0))(x), all_of_them(x, 0)
    for a, b in zip(graphad.tree.leaves(found), graphad.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_nothing_runs_on_the_host():
    graph = graphad.trace(lambda x: all_of_them(x, 1))(np.ones((5, 60, 7)))
    assert not any(isinstance(s, HostCall) for s in all_statements(lower(graph).statements))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_within_a_loop_and_a_batch(name):
    def f(x):
        def step(i, y):
            return np.cos(FUNCTIONS[name](y, 0) / 3)

        return np.sum(graphad.fori_loop(0, 3, step, x) * np.arange(1.0, 31.0))

    x = RNG.uniform(0.5, 1.5, (2, 30))
    found = graphad.jit(graphad.vmap(graphad.grad(f)))(x)
    np.testing.assert_allclose(found, graphad.jit(graphad.vmap(graphad.grad(f)), executor="numpy")(x), rtol=1e-11)
    graphad.check_grads(f, (x[0],), order=1)


@pytest.mark.parametrize("axis", [0, 1, (0, 1), (0, 2), (2, 0)])
def test_products_are_differentiated_where_they_stand(axis):
    x = RNG.uniform(0.5, 1.5, (3, 4, 2))
    x[1, 2, 0] = x[2, 2, 1] = 0.0
    f = lambda x: np.sum(np.prod(x, axis) ** 2)
    found, second = graphad.jit(graphad.grad(f))(x), graphad.jit(graphad.hessian(f))(x)
    np.testing.assert_allclose(found, graphad.jit(graphad.jacfwd(f))(x), rtol=1e-12, atol=1e-15)
    h = 1e-5
    for i in np.ndindex(x.shape):
        e = np.zeros_like(x)
        e[i] = h
        assert found[i] == pytest.approx((f(x + e) - f(x - e)) / (2 * h), abs=1e-8)
        change = (graphad.grad(f)(x + e) - graphad.grad(f)(x - e)) / (2 * h)
        np.testing.assert_allclose(second[i], change, atol=1e-7)


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("bins", [1, 7, 10])
def test_bins_of_equal_width_are_numpys(executor, dtype, bins):
    """Numbers on edges, beyond them and undefined among them."""
    x = np.concatenate([np.arange(0, 21) / 10, RNG.uniform(-0.5, 2.5, 50), [np.nan, np.inf, -np.inf]]).astype(dtype)
    weights = RNG.normal(size=x.size)
    f = lambda x, w: (np.histogram(x, bins, (0.0, 2.0))[0], np.histogram(x, bins, (0.1, 1.7), weights=w)[0])
    (counts, sums), (wanted, totals) = graphad.jit(f)(x, weights), f(x, weights)
    np.testing.assert_array_equal(counts, wanted)
    np.testing.assert_allclose(sums, totals, rtol=1e-12, atol=1e-14)

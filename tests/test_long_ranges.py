"""Loops over long known ranges: one loop of the graph where that keeps Python's meaning, else run while tracing."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import graphad

N = 40
U = np.random.default_rng(3).normal(size=(N, N))


def smoothed(u):
    n, m = u.shape
    v = np.zeros((n, m))
    for i in range(1, n - 1):
        v[i, 0] = u[i, 0]
        v[i, 1:3] = u[i, :2] * u[-i, 5]
        for j in range(m - 2, 0, -1):
            v[i, j] += 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + v[i, j + 1])
    return v


def columns(u):
    for j in range(1, N):
        u[::2, j] += 0.5 * u[::2, j - 1]
        u[[1, 3], j] *= u[[3, 5], 0]
        u[N - 1 - j, None, :4] = u[0, :4] + u[j, -1]
    return u


def after(u):
    total = 0.0
    for i in range(0, 2 * N, 2):
        total = total + u[i // 2, 0] * i
    return 1e-4 * total * i + u[i // 2, :]


def counted(u):
    n = 0
    for i in range(N):
        n += 1 + i % 2
    return u[:, : n // 2]


def listed(u):
    rows = []
    for i in range(N):
        rows.append(u[i] * i)
    return np.stack(rows)


def named(u):
    names = [str(i) for i in range(N)]
    table = {name: u[i] for i, name in enumerate(names)}
    out = 0.0
    for i in range(N):
        out = out + table[names[i]] * (i + 1)
    return out


def stopped(u):
    s = 0.0
    for i in range(N):
        if i == 7:
            continue
        s = s + u[i, i]
        if s > 1e9:
            break
    return s, i


def kinds(u):
    u = u.astype(np.float32)
    for i in range(N):
        u = u + i
    return u


FUNCTIONS = [smoothed, columns, after, counted, listed, named, stopped, kinds]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_python_and_the_graph_agree(function, executor):
    if executor == "numba" and function not in (smoothed, columns):
        return
    found = graphad.tree.leaves(graphad.jit(function)(U))
    for a, b in zip(found, graphad.tree.leaves(function(U.copy())), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
        assert np.asarray(a).dtype == np.asarray(b).dtype


IN_PYTHON = [pytest.param(smoothed, marks=pytest.mark.slow), columns, after, listed, named]


@pytest.mark.parametrize("function", IN_PYTHON, ids=lambda f: f.__name__)
def test_gradients_agree_with_those_of_the_loop_in_python(function):
    loss = lambda u: np.sum(np.sin(function(u)))
    found = graphad.jit(graphad.grad(loss))(U)
    np.testing.assert_allclose(found, graphad.grad(loss)(U), rtol=1e-11, atol=1e-12)
    step = np.cos(U)
    change = (loss(U + 1e-6 * step) - loss(U - 1e-6 * step)) / 2e-6
    assert np.sum(found * step) == pytest.approx(change, rel=1e-5)


def test_a_long_loop_is_a_short_graph():
    graph = graphad.trace(smoothed)(U)
    assert [node.op.name for node in graph.nodes].count("scan") == 1
    assert len(graph.nodes) < 20
    assert len(graphad.trace(listed)(U).nodes) < 10
    assert len(graphad.trace(named)(U).nodes) > N


def test_an_inner_loops_sum_is_continued_by_the_outer_one():
    """The gradient adds elements to one array, instead of an array in each iteration of the outer loop."""
    gradient = graphad.jit(graphad.grad(lambda u: np.sum(smoothed(u) ** 2))).compile(U).graph

    def sums(graph):
        inside = [s for node in graph.nodes for region in node.op.regions.values() for s in sums(region)]
        return inside + [node for node in graph.nodes if node.op.name == "add" and node.outputs[0].type.size == N * N]

    loops = [region for node in gradient.nodes if node.op.name == "scan" for region in node.op.regions.values()]
    assert len(loops) == 2
    assert [sums(loop) for loop in loops] == [[], []]


def test_sums_of_more_terms_than_python_recurses_beside_a_loop():
    def f(x, y):
        total = sum([x * i + x for i in range(600)]) + sum([x - i for i in range(600)])
        rest = 0.0
        for k in range(200):
            rest = rest + np.sin(y[k] * x)
        return total + rest

    graph = graphad.trace(f)(0.3, np.arange(200.0))
    assert sum(node.op.name == "add" for node in graph.nodes) > sys.getrecursionlimit()
    assert len(graphad.passes.fold_add_into_dest(graph).nodes) == len(graph.nodes) - 1

"""The pass `adjoint_stencils`: the same numbers from one padded copy, only where a derivative made the copies."""

from __future__ import annotations

import numpy as np
import pytest

import graphad
from graphad.passes import Pipeline

X = np.random.default_rng(3).normal(size=(20, 6))
WEIGHTS = np.linspace(-1.0, 2.0, 9)


def correlated(x, w):
    return sum(w[i] * x[i : i + 12] for i in range(9))


def both(f, *args):
    graph = graphad.trace(f)(*args)
    found = Pipeline("inline, simplify, cse, adjoint_stencils, dce").stages(graph, verify=True)[-1].graph
    for a, b in zip(found.eval(*args), graph.eval(*args), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-14)
    return [node.op.name for node in found.nodes]


@pytest.mark.parametrize("w", [WEIGHTS, np.ones(9)])
def test_the_gradient_of_a_correlation_pads_once(w):
    names = both(graphad.grad(lambda x: np.sum(np.sin(correlated(x, w)))), X)
    assert names.count("pad") == 1
    assert names.count("slice") == 18


def test_weights_may_be_traced():
    names = both(graphad.grad(lambda x, w: np.sum(correlated(x, w) ** 2), argnums=(0, 1)), X, WEIGHTS)
    assert names.count("pad") == 1 + 9  # nine of the weights' own single elements


def test_inside_loops():
    def f(x):
        return graphad.fori_loop(0, 3, lambda i, x: x * 0.5 + np.pad(correlated(x, WEIGHTS), ((4, 4), (0, 0))), x)

    graph = graphad.trace(graphad.grad(lambda x: np.sum(f(x) ** 2)))(X)
    pipeline = Pipeline("inline, simplify_regions, simplify, cse, adjoint_stencils, dce")
    found = pipeline.stages(graph, verify=True)[-1].graph
    np.testing.assert_allclose(found.eval(X)[0], graph.eval(X)[0], rtol=1e-12)
    assert str(found).count("pad[") < str(graph).count("pad[")


def test_what_the_user_pads_stays():
    names = both(lambda x: [np.pad(x, ((i, 9 - i), (0, 0))) for i in range(9)], X)
    assert names.count("pad") == 9


def test_few_pads_stay():
    names = both(graphad.grad(lambda x: np.sum((x[:-1] - x[1:]) ** 2)), X)
    assert names.count("pad") == 2

"""Lists that loops append to, and read the last items of; arrays that are joined to longer ones in a loop."""

import growing_lists as programs
import numpy as np
import pytest

import graphad

EVERY = [*programs.ROLLED, *programs.OTHERS]
pytestmark = pytest.mark.filterwarnings("ignore::graphad.TraceWarning")


def slope(f, x, h=1e-6):
    return (f(x + h) - f(x - h)) / (2 * h)


@pytest.mark.parametrize("f", EVERY, ids=lambda f: f.__name__)
def test_values_and_derivatives(f):
    value, derivative = graphad.value_and_grad(f)(1.3)
    assert np.isclose(value, f(1.3), rtol=1e-12)
    assert np.isclose(derivative, slope(f, 1.3), rtol=1e-5)
    value, derivative = graphad.jit(graphad.value_and_grad(f))(1.3)
    assert np.isclose(value, f(1.3), rtol=1e-12)
    assert np.isclose(derivative, slope(f, 1.3), rtol=1e-5)


@pytest.mark.parametrize("f", EVERY, ids=lambda f: f.__name__)
def test_batches(f):
    xs = np.array([1.3, 0.7])
    found = graphad.jit(graphad.vmap(graphad.value_and_grad(f)), executor="numpy")(xs)
    assert np.allclose(found, [[f(x) for x in xs], [slope(f, x) for x in xs]], rtol=1e-5)


@pytest.mark.parametrize("f", programs.ROLLED, ids=lambda f: f.__name__)
def test_the_loop_is_one_of_the_graph(f):
    assert len(graphad.trace(f)(1.3).nodes) < 25


def test_what_is_not_known_is_refused():
    def length(x):
        found = [x]
        while found[-1] > 0.1:
            found.append(found[-1] * 0.9)
        return found[-1] * len(found)

    def earlier(x):
        found = [x]
        while found[-1] > 0.1:
            found.append(found[-1] * 0.9)
        return found[-2]

    for f in (length, earlier):
        with pytest.raises(graphad.ControlFlowError, match="its length is known at run time only"):
            graphad.jit(f)(1.3)


def test_joins_are_made_once():
    def f(x):
        found = x
        for i in range(20):
            found = np.append(found, x[0] * i)
        return found[3:7], found

    graph = graphad.passes.dce(graphad.passes.simplify(graphad.trace(f)(np.ones(4))))
    assert sum(node.op.name == "concatenate" for node in graph.nodes) == 1
    for found, expected in zip(graphad.jit(f)(np.ones(4)), f(np.ones(4)), strict=True):
        assert np.array_equal(found, expected)

"""Python's `statistics` by order and by counts, on traced values."""

import statistics

import numpy as np
import pytest

import graphad
from graphad.testing import check_grads

ORDERED = {
    "median_low": statistics.median_low,
    "median_high": statistics.median_high,
    "median_grouped": lambda data: statistics.median_grouped(data, 0.3),
    "quantiles": statistics.quantiles,
    "sevenths": lambda data: statistics.quantiles(data, n=7),
    "inclusive": lambda data: statistics.quantiles(data, n=5, method="inclusive"),
}


@pytest.mark.parametrize("name", ORDERED)
@pytest.mark.parametrize("data", [(0.3, 1.1, 0.7, 2.2, 1.6), (0.3, 1.1, 0.7, 1.6)])
def test_by_order(name, data):
    def compute(data):
        return ORDERED[name]([2.0 * x for x in data])

    data = np.array(data)
    np.testing.assert_allclose(graphad.jit(compute)(data), compute(data), rtol=1e-13)
    check_grads(compute, (data,))


def test_by_counts():
    data = np.array([0.3, 1.1, 0.7, 1.1])

    def commonest(data):
        return statistics.mode([x * x for x in data])

    np.testing.assert_allclose(graphad.grad(commonest)(data), [0, 2.2, 0, 0])
    np.testing.assert_array_equal(graphad.grad(lambda x: sum(statistics.multimode(list(x))))(data[:3]), [1, 1, 1])
    assert graphad.jit(commonest)(data) == commonest(data)
    for other in ([2.0, 1.0, 3.0], [1.0, 2.0, 2.0, 1.0]):
        assert graphad.jit(statistics.mode)(other) == statistics.mode(other)
    np.testing.assert_allclose(graphad.jit(graphad.grad(commonest))(data), [0, 2.2, 0, 0])
    with pytest.raises(graphad.GraphadError, match=r"statistics\.multimode: the data must be known"):
        graphad.jit(lambda x: statistics.multimode(list(x)))(data)


def test_too_few():
    with pytest.raises(statistics.StatisticsError, match="no median for empty data"):
        graphad.grad(lambda x: statistics.median_low(np.array([x])[:0]))(1.0)
    with pytest.raises(ValueError, match="Unknown method"):
        graphad.grad(lambda x: statistics.quantiles([x, x, x], method="other")[0])(1.0)

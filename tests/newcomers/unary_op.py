"""An op from a plain Python function."""

import numpy as np

import graphad
from graphad.ops.elementwise import elementwise
from graphad.testing import check_op


def softsign(x):
    return x / (1 + np.abs(x))


softsign = elementwise(softsign, domain=(0.3, 2.0))
check_op(softsign)

x = np.linspace(-2, 2, 5)
for executor in ("numpy", "numba", "llvm"):
    found = graphad.jit(graphad.grad(lambda x: np.sum(softsign(x) * x)), executor=executor)(x)
    assert np.allclose(found, softsign(x) + x / (1 + np.abs(x)) ** 2)
graph = graphad.trace(softsign)(x)
assert "= softsign" in str(graph)
assert str(graphad.parse(str(graph))) == str(graph)
assert softsign(np.float32(1)).dtype == np.float32
assert softsign(np.arange(3)).dtype == np.float64

"""A function of NumPy's that graphad lacks: one from `numpy.emath`, where values of real numbers choose the dtype."""

import numpy as np
import pytest

import graphad
from graphad.errors import TypeMismatchError
from graphad.numpy.dispatch import implements


@implements(np.emath.log)
def log(x):
    if x.dtype.kind != "c":
        raise TypeMismatchError("numpy.emath.log of real numbers is complex where one is negative; give complex ones")
    return np.log(x)


z = np.array([-1.0 + 0j, 2.0 + 1j])
f = lambda z: np.abs(np.sum(np.emath.log(z)))
assert np.allclose(graphad.jit(f)(z), f(z))
assert np.allclose(graphad.grad(f)(z), graphad.grad(lambda z: np.abs(np.sum(np.log(z))))(z))
with pytest.raises(TypeMismatchError, match=r"numpy_function\.py:"):
    graphad.grad(lambda x: np.emath.log(x))(2.0)

"""An executor for another array library, held to NumPy's results."""

import array_api_strict as strict
import numpy as np

import graphad
from graphad.executors.namespace import ArrayNamespaceExecutor
from graphad.testing import conformance, samples


class Strict(ArrayNamespaceExecutor):
    name, xp, only_table = "strict", strict, True
    table = {
        "sin": lambda op, run, x: strict.sin(x),
        "exp": lambda op, run, x: strict.exp(x),
        "reshape": lambda op, run, x: strict.reshape(x, op.shape),
    }


assert conformance(Strict(), [s for s in samples() if s.op.name in Strict.table])
x = np.arange(6.0)
f = graphad.jit(graphad.grad(lambda x: np.sum(np.exp(np.sin(x)).reshape(2, 3)[0])), executor=Strict())
assert np.allclose(f(x)[:3], np.exp(np.sin(x[:3])) * np.cos(x[:3]))

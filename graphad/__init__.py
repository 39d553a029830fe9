"""graphad: plain NumPy functions as static graphs that can be read, drawn, differentiated, optimised and run.

    import numpy as np
    import graphad

    graphad.grad(lambda x: np.sum(np.sin(x) ** 2))(np.ones(3))
"""

from graphad import errors, executors, ops, passes, tree, types
from graphad.api.call import ShapeDtype
from graphad.api.custom import custom_jvp, custom_vjp, pure_callback, stop_gradient
from graphad.api.derivatives import grad, jvp, linear_transpose, linearize, value_and_grad, vjp
from graphad.api.jacobians import hessian, hvp, jacfwd, jacobian, jacrev
from graphad.api.jit import Compiled, compile, eval_shape, jit, trace
from graphad.api.vectorize import vmap
from graphad.graph import Graph, Node, Value
from graphad.op import Op
from graphad.passes import Pipeline, Stage, graph_pass
from graphad.types import TensorType

__version__ = "0.1.0"

__all__ = [
    "Compiled", "Graph", "Node", "Op", "Pipeline", "ShapeDtype", "Stage", "TensorType", "Value", "compile", "custom_jvp", "custom_vjp", "errors",
    "eval_shape", "executors", "grad", "graph_pass", "hessian", "hvp", "jacfwd", "jacobian", "jacrev", "jit", "jvp",
    "linear_transpose", "linearize", "ops", "passes", "pure_callback", "stop_gradient", "trace", "tree", "types", "value_and_grad", "vjp", "vmap",
]  # fmt: skip

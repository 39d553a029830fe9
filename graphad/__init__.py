"""graphad: plain NumPy functions as static graphs that can be read, drawn, differentiated, optimised and run.

    import numpy as np
    import graphad

    graphad.grad(lambda x: np.sum(np.sin(x) ** 2))(np.ones(3))
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from graphad import debug, errors, executors, numpy, ops, passes, renamed, tree, types
from graphad.api.call import ShapeDtype
from graphad.api.compiled import Compiled, compile
from graphad.api.control import checkpoint, cond, switch
from graphad.api.custom import custom_jvp, custom_vjp, pure_callback, stop_gradient
from graphad.api.derivatives import grad, jvp, linear_transpose, linearize, value_and_grad, vjp
from graphad.api.impure import impure
from graphad.api.jacobians import hessian, hvp, jacfwd, jacobian, jacrev
from graphad.api.jit import eval_shape, jit, trace
from graphad.api.loops import associative_scan, fori_loop, map, scan, while_loop
from graphad.api.sinks import sinks
from graphad.api.vectorize import vmap
from graphad.errors import (
    AxisError,
    ControlFlowError,
    ExecutorError,
    GraphadError,
    IndexOutOfBoundsError,
    KinkError,
    MissingExtraError,
    MissingRuleError,
    NonFiniteError,
    ParseError,
    PipelineError,
    ShapeError,
    SingularError,
    TracerError,
    TraceWarning,
    TypeMismatchError,
    VerifyError,
)
from graphad.graph import Graph, Node, Value
from graphad.op import Op
from graphad.passes import Pipeline, Stage, graph_pass
from graphad.types import TensorType

if TYPE_CHECKING:
    from graphad import optimize, random, scipy, testing, viz
    from graphad.serial import load
    from graphad.testing import check_grads
    from graphad.text import parse_graph as parse
    from graphad.viz import draw

__version__ = "0.1.0"
renamed.install()

# What is loaded when first used: the name here, the module, and the name there ("" for the module itself).
_LAZY = {
    "check_grads": ("graphad.testing", "check_grads"),
    "draw": ("graphad.viz", "draw"),
    "load": ("graphad.serial", "load"),
    "optimize": ("graphad.optimize", ""),
    "random": ("graphad.random", ""),
    "parse": ("graphad.text", "parse_graph"),
    "scipy": ("graphad.scipy", ""),
    "testing": ("graphad.testing", ""),
    "viz": ("graphad.viz", ""),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'graphad' has no attribute {name!r}")
    module, attribute = _LAZY[name]
    loaded = import_module(module)
    value = getattr(loaded, attribute) if attribute else loaded
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


__all__ = [
    "AxisError", "Compiled", "ControlFlowError", "ExecutorError", "Graph", "GraphadError", "IndexOutOfBoundsError",
    "KinkError", "MissingExtraError", "MissingRuleError", "Node", "NonFiniteError", "Op", "ParseError", "Pipeline",
    "PipelineError",
    "ShapeDtype", "ShapeError", "SingularError", "Stage",
    "TensorType", "TraceWarning", "TracerError", "TypeMismatchError", "Value",
    "VerifyError",
    "associative_scan", "check_grads", "checkpoint", "compile", "cond", "custom_jvp", "custom_vjp", "debug", "draw",
    "errors", "eval_shape", "executors", "fori_loop", "grad", "graph_pass", "hessian", "hvp", "impure", "jacfwd",
    "jacobian", "jacrev", "jit", "jvp", "linear_transpose", "linearize", "load", "map", "numpy", "ops", "optimize",
    "parse", "passes",
    "pure_callback", "random", "scan", "scipy", "sinks", "stop_gradient", "switch", "testing", "trace", "tree", "types",
    "value_and_grad", "viz", "vjp", "vmap", "while_loop",
]  # fmt: skip

"""Every error that graphad raises on purpose derives from `GraphadError`."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.registry import LATER


class GraphadError(Exception):
    """Base class of all errors that graphad raises on purpose."""


class TypeMismatchError(GraphadError, TypeError):
    """An op was given operands of dtypes or kinds that it does not take."""


class ShapeError(GraphadError, ValueError):
    """Shapes that do not fit together, or an axis out of range."""


class AxisError(ShapeError, np.exceptions.AxisError):
    """An axis that an array does not have."""

    __str__ = Exception.__str__


class IndexOutOfBoundsError(GraphadError, IndexError):
    """An index lies outside its axis."""


class NonFiniteError(GraphadError, FloatingPointError):
    """A NaN or an infinity was made, and `jit(f, debug="nan")` looked for it.

    `graph` is what stands around the op that made it, and `node` that op, `None` if an argument is not finite itself.
    """

    def __init__(self, message: str, graph: Any = None, node: Any = None) -> None:
        super().__init__(message)
        self.graph = graph
        self.node = node

    def draw(self, **options: Any) -> Any:
        """A drawing of `graph`; `options` go to `graphad.draw`, `draw().save("nan.svg")` writes a file."""
        heat = {} if self.node is None else {"heat": {self.node: 1.0}}
        return LATER["draw"](self.graph, **{**heat, **options})


class SingularError(GraphadError, np.linalg.LinAlgError):
    """A solution that is not isolated, and so has no derivative: a double root, or dependent constraints."""


class KinkError(GraphadError, ArithmeticError):
    """A derivative was taken exactly at a kink, and `jit(f, debug="kink")` looked for it."""


class TracerError(GraphadError, TypeError):
    """A traced value was used where a known value is needed, or outside the trace that it belongs to."""


class TraceWarning(UserWarning):
    """A traced function changed something around it, which happens once, while it is traced, and not at each call; or
    it is traced anew again and again, since what it reads changes often."""


class ControlFlowError(GraphadError, TypeError):
    """Python control flow on a traced value that cannot become a branch or loop of the graph."""


class MissingRuleError(GraphadError, NotImplementedError):
    """An op has no rule for what was asked (a derivative, a batching rule, an executor's code)."""


class ParseError(GraphadError, ValueError):
    """Text or a file that is not a graph."""


class VerifyError(GraphadError, ValueError):
    """A graph that breaks a rule of the intermediate representation."""


class PipelineError(GraphadError, ValueError):
    """A pipeline text that names an unknown pass or wrong options."""


class ExecutorError(GraphadError, RuntimeError):
    """An executor is unknown, or could not compile or run a graph."""


class MissingExtraError(GraphadError, ImportError):
    """An optional dependency is absent."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f'{purpose} needs {package}; install it with: pip install "graphad[{extra}]"')

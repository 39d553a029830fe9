"""The arguments of SciPy's functions: which are traced, and what is asked of their values."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad import tree
from graphad.location import place
from graphad.ops.checks import Check, name_of
from graphad.trace import Tracer, apply
from graphad.types import ArrayLike


def holds_traced(args: Any) -> bool:
    """Whether a traced value is among arguments, in containers too."""
    return any(isinstance(x, Tracer) for x in tree.leaves(args))


def require(holds: ArrayLike, message: str) -> None:
    """Raise `ValueError` where a condition on values does not hold, at run time for traced ones."""
    if isinstance(holds, Tracer):
        apply(Check(name_of(ValueError), (message.replace("{", "{{").replace("}", "}}"),)), [np.all(holds)])
    elif not np.all(holds):
        raise ValueError(f"{message}{place()}")


__all__ = ["holds_traced", "require"]

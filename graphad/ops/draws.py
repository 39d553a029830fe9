"""Random numbers of NumPy's and Python's generators, which keep a state, drawn where the program reaches them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError
from graphad.op import Sample
from graphad.ops.custom import PureCallback
from graphad.types import Array, TensorType


class Draw(PureCallback):
    """Numbers that a generator draws at every run, in program order, so that its state moves on as in Python.

    `function` draws, with the operands as arguments; without results it only sets the state. Under `vmap` each example
    draws numbers of its own, unless the program has set the state before. Numbers have no derivative in the operands
    here: those that have one are made of draws without parameters, and in integers it is zero.
    """

    effect = True
    drawn = True

    @property
    def sets(self) -> bool:  # type: ignore[override]
        return not self.results

    @property
    def stream(self) -> Any:  # type: ignore[override]
        return getattr(self.function, "generator", None)

    def flat(self, i: int) -> bool:
        return not any([t.differentiable for t in self.results])

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        if any([t.differentiable for t in self.results]):
            raise no_path(getattr(self.function, "__name__", "draw"))
        return None if len(self.results) == 1 else (None,) * len(self.results)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(_sample, (TensorType(np.dtype(float), (2,)),)), ())


def no_path(name: str) -> MissingRuleError:
    """The refusal of a derivative in a parameter by which draws are not a smooth function."""
    return MissingRuleError(
        f"{name}: what a generator draws has no derivative in this parameter; draw it with graphad.random and a key, "
        "or give graphad.stop_gradient(x) where x counts as a constant"
    )


def _sample() -> Array:
    """The same numbers at every call."""
    return np.random.default_rng(3).normal(size=2)


__all__ = ["Draw", "no_path"]

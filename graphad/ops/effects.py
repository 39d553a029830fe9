"""Calls back into Python for what they do: printing, plotting, stopping in a debugger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from graphad.attributes import Record
from graphad.op import Op, Sample, Types
from graphad.types import Array, TensorType


def handed(x: Array) -> Array:
    """An operand as a user's function gets it: a read-only copy, which may be kept."""
    array = np.array(x)
    array.flags.writeable = False
    return array


class EachExample(Record):
    """A function called once for each example of a batch; `batched` tells which operands have the batch axis."""

    function: Callable[..., None]
    batched: tuple[bool, ...]
    size: int

    def __call__(self, *xs: Any) -> None:
        for i in range(self.size):
            self.function(*[x[i] if b else x for x, b in zip(xs, self.batched, strict=True)])


class WhenLive(Record):
    """A function called with the other arguments if the first holds; its results are else zeros of these types."""

    function: Callable[..., Any]
    results: tuple[TensorType, ...] = ()

    def __call__(self, live: Any, *xs: Any) -> Any:
        if live:
            return self.function(*xs)
        zeros = [np.zeros(t.shape, t.dtype) for t in self.results]
        return zeros[0] if len(zeros) == 1 else zeros

    @property
    def generator(self) -> Any:
        """The generator of random numbers that the function draws from, if it does."""
        return getattr(self.function, "generator", None)


class DebugCallback(Op):
    """A Python function called with the operands, at every run and in program order; there is no result.

    Derivatives pass it by: it is called in the forward pass, with values. Under `vmap` it is called for each example.
    """

    host_only = "it calls the user's function with NumPy's arrays"
    effect = True
    repeatable = False
    exempt = dict.fromkeys(("pickle", "text"), "it holds a Python function")
    function: Callable[..., None]

    def infer(self, *xs: TensorType) -> Types:
        return ()

    def eval(self, xp: Any, *xs: Any) -> Any:
        self.function(*[handed(x) for x in xs])
        return ()

    def guarded(self, live: Any, *xs: Any) -> Any:
        return DebugCallback(WhenLive(self.function))(live, *xs)

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Any:
        return DebugCallback(EachExample(self.function, tuple(batched), size))(*xs)

    def flops(self, *xs: TensorType) -> int:
        return 0

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(_nothing), (np.array([1.0, -2.0]), np.array(3)))


def _nothing(*xs: Any) -> None:
    """A callback without effect."""

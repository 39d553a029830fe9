"""`stop_gradient`: the operand itself, as a constant to derivatives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.op import OPS, Sample
from graphad.ops.elementwise import Elementwise, Partial
from graphad.types import Array, DType


class StopGradient(Elementwise):
    """The operand itself, through which no derivative passes."""

    exempt = {"jvp": "its derivative is zero by definition"}
    code = "{0}"

    @property
    def partials(self) -> Sequence[Partial]:
        return (None,)

    def result_dtypes(self, *dtypes: DType) -> tuple[DType, ...]:
        return (*dtypes, *dtypes)

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xs[0]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in ("f8", "f4", "c16", "i8"):
            yield Sample(cls(), (np.arange(3).astype(dtype),))


stop_gradient = OPS["stop_gradient"] = StopGradient()

__all__ = ["StopGradient", "stop_gradient"]

"""Elementwise ops: their machinery, and conversion to another dtype."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.costs import LIGHT
from graphad.errors import TypeMismatchError
from graphad.location import place
from graphad.op import Sample
from graphad.ops.machinery import (
    Elementwise,
    Partial,
    Ufunc,
    broadcast_shapes,
    elementwise,
    known_finite,
    scalar,
    spelled,
)
from graphad.types import FLOAT64, Array, ArrayLike, DType, TensorType


class Cast(Elementwise):
    """Conversion to another dtype, as `ndarray.astype`."""

    dtype: DType

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", np.dtype(self.dtype).newbyteorder("="))

    def weight(self, *xs: TensorType) -> int:
        return LIGHT

    @property
    def linear(self) -> bool:  # type: ignore[override]
        return self.dtype.kind in "fc"

    def infer(self, *xs: TensorType) -> TensorType:
        return xs[0].with_dtype(self.dtype)

    def eval(self, xp: Any, *xs: Any) -> Array:
        x = np.asarray(xs[0]) if xp is np else xs[0]
        if x.dtype.kind == "c" and self.dtype.kind != "c":
            x = x != 0 if self.dtype.kind == "b" else x.real
        return x.astype(self.dtype)

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        return self(tangents[0]) if self.dtype.kind in "fc" else None

    def transpose(self, ct: Any, *xs: Any) -> Array:
        return Cast(xs[0].dtype)(ct)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([[-1.5, 0.0, 2.25], [3.0, -0.5, 1.0]])
        for source, target in [("f8", "f4"), ("f4", "f8"), ("f8", "c16"), ("c16", "f8"), ("f8", "i4"), ("?", "f8")]:
            yield Sample(cls(np.dtype(target)), (x.astype(source),))
        yield Sample(cls(FLOAT64), (np.zeros((0, 2), "f4"),))


def cast(x: ArrayLike, dtype: Any) -> Any:
    """`x` in another dtype; `x` itself where it has that dtype already.

    Raises `TypeMismatchError` for complex numbers as real ones: `Cast` and `numpy.real` drop the imaginary parts.
    """
    dtype = np.dtype(dtype)
    found = getattr(x, "dtype", None)
    if found == dtype and not getattr(x, "weak", False):
        return x
    if found is not None and found.kind == "c" and dtype.kind not in "cb":
        raise TypeMismatchError(
            f"complex numbers ({spelled(found)}) where real ones ({spelled(dtype)}) are needed would lose their "
            f"imaginary parts{place()}; take numpy.real, numpy.imag or numpy.abs of them"
        )
    return Cast(dtype)(x)


__all__ = [
    "Cast", "Elementwise", "Partial", "Ufunc", "broadcast_shapes", "cast", "elementwise", "known_finite", "scalar",
]  # fmt: skip

"""Discrete Fourier transforms over several axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError, TypeMismatchError
from graphad.op import Op, Sample
from graphad.ops.complex import conjugate
from graphad.types import Array, TensorType, complex_dtype, real_dtype

OTHER_NORM = {"backward": "forward", "ortho": "ortho", "forward": "backward"}
"""The norm by which a transform of the other direction has the same factor."""


class Fft(Op):
    """The Fourier transform of complex numbers over `axes`, the inverse one if `inverse`, by NumPy's `norm`.

    `kind` is `"c2c"`, or `"r2c"` for the transform of real numbers, of which the last of `axes` keeps the `n // 2 + 1`
    non-negative frequencies, or `"c2r"` for its inverse, which gives `size` real numbers along that axis. `inverse` is
    for `"c2c"` only. Single precision stays single.

    The matrix of a transform is symmetric, so that `"c2c"` is its own transpose. Those of the other two are each
    other's, with conjugation, and a frequency that stands for its negative too has the weight 2.
    """

    kind: str
    axes: tuple[int, ...]
    norm: str = "backward"
    inverse: bool = False
    size: int | None = None
    linear = True

    def infer(self, *xs: TensorType) -> TensorType:
        (x,) = xs
        axes = self.axes
        if self.kind not in ("c2c", "r2c", "c2r") or self.norm not in OTHER_NORM or (self.size is None) == (
            self.kind == "c2r"
        ):  # fmt: skip
            raise ShapeError(f"{self!r}: no such transform")
        if len(set(axes)) != len(axes) or not axes or not all(0 <= i < x.ndim for i in axes):
            raise ShapeError(f"fft: axes {axes} are not different axes of {x}")
        wanted = "f" if self.kind == "r2c" else "c"
        if x.dtype.kind != wanted or x.dtype.itemsize == 2:
            raise TypeMismatchError(f"fft: cast {x} to {'f32 or f64' if wanted == 'f' else 'c64 or c128'} first")
        extents = [x.shape[i] for i in axes]
        if min(extents) < 1 or self.size == 0 or (self.size is not None and extents[-1] != self.size // 2 + 1):
            raise ShapeError(f"{self!r}: {x} does not have the extents of a transform")
        shape, dtype = list(x.shape), x.dtype
        if self.kind == "r2c":
            shape[axes[-1]], dtype = extents[-1] // 2 + 1, complex_dtype(dtype)
        elif self.size is not None:
            shape[axes[-1]], dtype = self.size, real_dtype(dtype)
        return TensorType(dtype, tuple(shape))

    def eval(self, xp: Any, *xs: Any) -> Array:
        (x,) = xs
        if self.kind == "r2c":
            return xp.fft.rfftn(x, axes=self.axes, norm=self.norm)
        if self.size is not None:
            sizes = (*[x.shape[i] for i in self.axes[:-1]], self.size)
            return xp.fft.irfftn(x, s=sizes, axes=self.axes, norm=self.norm)
        return (xp.fft.ifftn if self.inverse else xp.fft.fftn)(x, axes=self.axes, norm=self.norm)

    def transpose(self, ct: Any, *xs: Any) -> Array:
        if self.kind == "c2c":
            return self(ct)
        last, norm = self.axes[-1], OTHER_NORM[self.norm]
        if self.size is not None:
            back = Fft("r2c", self.axes, norm)(ct)
            return conjugate(back * _weights(back, last, self.size))
        n = xs[0].shape[last]
        return Fft("c2r", self.axes, norm, size=n)(conjugate(ct / _weights(ct, last, n)))

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Array:
        return Fft(self.kind, tuple([i + 1 for i in self.axes]), self.norm, self.inverse, self.size)(xs[0])

    def flops(self, *xs: TensorType) -> int:
        shape = [xs[0].shape[i] for i in self.axes]
        if self.size is not None:
            shape[-1] = self.size
        count = xs[0].size * math.log2(max(2, math.prod(shape)))
        return int(count * (2.5 if self.kind == "r2c" else 5))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.cos(np.arange(24.0) ** 1.5).reshape(2, 3, 4)
        z = x + 1j * np.sin(np.arange(24.0) ** 1.25).reshape(2, 3, 4)
        yield Sample(cls("c2c", (1,)), (z[0],))
        yield Sample(cls("c2c", (2, 0), "ortho", True), (z,))
        yield Sample(cls("c2c", (0,), "forward"), (z[0].astype("c8"),))
        yield Sample(cls("r2c", (0,)), (x[0],))
        yield Sample(cls("r2c", (0, 2), "ortho"), (x,))
        yield Sample(cls("r2c", (1,), "forward"), (x[:, 0].astype("f4"),))
        yield Sample(cls("r2c", (1,)), (x[0, :, :1],))
        yield Sample(cls("c2r", (0,), size=4), (z[0],))
        yield Sample(cls("c2r", (0, 1), "ortho", size=5), (z[0, :, :3],))
        yield Sample(cls("c2r", (2, 1), "forward", size=5), (z.astype("c8"),))
        yield Sample(cls("c2r", (0,), size=1), (z[0, :1],))
        yield Sample(cls("c2c", (1,)), (np.zeros((0, 2), "c16"),))


def _weights(x: Any, axis: int, n: int) -> Array:
    """For how many of `n` frequencies each of the non-negative ones along `axis` of `x` stands."""
    count = np.full(n // 2 + 1, 2.0, real_dtype(x.dtype))
    count[0] = 1
    if n % 2 == 0:
        count[-1] = 1
    return count.reshape([-1 if i == axis else 1 for i in range(x.ndim)])


__all__ = ["Fft"]

"""`graphad.scipy.fftpack`: SciPy's older transforms, by those of `graphad.scipy.fft`.

They differ in names of arguments, in the packed format of `rfft` and in that inverse cosine and sine transforms are not
scaled. `overwrite_x` has no meaning in a graph and is ignored. The names that are not defined here are SciPy's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.errors import TypeMismatchError
from graphad.location import place
from graphad.numpy.arguments import axis_of, operand
from graphad.scipy import fft as _fft
from graphad.scipy.dispatch import namespace
from graphad.types import Array, ArrayLike

_traced, __getattr__ = namespace("scipy.fftpack")
_INVERSE = {1: 1, 2: 3, 3: 2, 4: 4}
"""Of each type of a cosine or sine transform, the type that is its inverse but for a factor."""


@_traced
def fft(x: Any, n: int | None = None, axis: int = -1, overwrite_x: bool = False) -> Any:
    """SciPy's `fftpack.fft`."""
    return _fft.fft(x, n, axis)


@_traced
def ifft(x: Any, n: int | None = None, axis: int = -1, overwrite_x: bool = False) -> Any:
    """SciPy's `fftpack.ifft`."""
    return _fft.ifft(x, n, axis)


@_traced
def fft2(x: Any, shape: Any = None, axes: Any = (-2, -1), overwrite_x: bool = False) -> Any:
    """SciPy's `fftpack.fft2`."""
    return _fft.fftn(x, shape, axes)


@_traced
def ifft2(x: Any, shape: Any = None, axes: Any = (-2, -1), overwrite_x: bool = False) -> Any:
    """SciPy's `fftpack.ifft2`."""
    return _fft.ifftn(x, shape, axes)


@_traced
def fftn(x: ArrayLike, shape: Any = None, axes: Any = None, overwrite_x: bool = False) -> Array:
    """SciPy's `fftpack.fftn`."""
    return _fft.fftn(x, shape, axes)


@_traced
def ifftn(x: ArrayLike, shape: Any = None, axes: Any = None, overwrite_x: bool = False) -> Array:
    """SciPy's `fftpack.ifftn`."""
    return _fft.ifftn(x, shape, axes)


def _real(x: Any, name: str) -> Any:
    x = operand(x)
    if x.dtype.kind == "c":
        raise TypeMismatchError(f"{name}: a complex {x.dtype}{place()}; it transforms real numbers, fft complex ones")
    return x


@_traced
def rfft(x: Any, n: int | None = None, axis: int = -1, overwrite_x: bool = False) -> Any:
    """SciPy's `fftpack.rfft`: `y(0), Re y(1), Im y(1), ...`, as many real numbers as there were."""
    x = _real(x, "rfft")
    axis = axis_of(x, axis, "rfft")
    n = x.shape[axis] if n is None else n
    half = np.moveaxis(_fft.rfft(x, n, axis), axis, -1)
    pairs = np.reshape(np.stack([np.real(half), np.imag(half)], axis=-1), (*half.shape[:-1], 2 * half.shape[-1]))
    return np.moveaxis(np.concatenate([pairs[..., :1], pairs[..., 2 : n + 1]], axis=-1), -1, axis)


@_traced
def irfft(x: Any, n: int | None = None, axis: int = -1, overwrite_x: bool = False) -> Any:
    """SciPy's `fftpack.irfft`: the inverse of `rfft`."""
    x = _real(x, "irfft")
    axis = axis_of(x, axis, "irfft")
    n = x.shape[axis] if n is None else n
    x = np.moveaxis(x, axis, -1)[..., :n]
    none = np.zeros_like(x[..., :1])
    more = np.zeros((*x.shape[:-1], n + 1 - n % 2 - x.shape[-1]), x.dtype)
    pairs = np.concatenate([x[..., :1], none, x[..., 1:], more], axis=-1)
    return np.moveaxis(_fft.irfft(pairs[..., ::2] + 1j * pairs[..., 1::2], n, -1), -1, axis)


def _define(kind: str, inverse: bool) -> tuple[Any, Any]:
    """A cosine (`"dct"`) or sine transform along one axis, and over several."""
    one: Callable[..., Any] = getattr(_fft, kind)
    several: Callable[..., Any] = getattr(_fft, f"{kind}n")
    back: Callable[..., Any] = getattr(_fft, f"i{kind}n")

    def along(
        x: Array,
        type: int = 2,
        n: int | None = None,
        axis: int = -1,
        norm: Any = None,
        overwrite_x: bool = False,
    ) -> Array:
        return one(x, _INVERSE[type] if inverse else type, n, axis, norm)

    def over(
        x: Array, type: int = 2, shape: Any = None, axes: Any = None, norm: Any = None, overwrite_x: bool = False
    ) -> Array:
        if norm == "ortho":
            return (back if inverse else several)(x, type, shape, axes, norm)
        return several(x, _INVERSE[type] if inverse else type, shape, axes, norm)

    name = f"i{kind}" if inverse else kind
    along.__name__, over.__name__ = along.__qualname__, over.__qualname__ = name, f"{name}n"
    along.__doc__ = f"SciPy's `fftpack.{name}`."
    over.__doc__ = f"SciPy's `fftpack.{name}n`."
    return _traced(along), _traced(over)


dct, dctn = _define("dct", False)
idct, idctn = _define("dct", True)
dst, dstn = _define("dst", False)
idst, idstn = _define("dst", True)

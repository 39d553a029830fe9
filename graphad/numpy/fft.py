"""The namespace `graphad.numpy.fft`: NumPy's Fourier transforms on traced values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.location import place
from graphad.numpy.arguments import axes_of, axis_of, float_dtype, operand
from graphad.numpy.dispatch import NAMESPACE, implements
from graphad.numpy.outputs import into
from graphad.ops.elementwise import cast
from graphad.ops.fft import OTHER_NORM, Fft
from graphad.types import Array, ArrayLike, complex_dtype


def _fitted(x: Any, name: str, sizes: Any, axes: tuple[int, ...]) -> Any:
    """`x` cut or filled up with zeros at its ends to the extents `sizes` along `axes`; `None` leaves one as it is."""
    for size, axis in zip(sizes, axes, strict=True):
        extent = x.shape[axis]
        n = extent if size is None else size
        if n < 1:
            raise ShapeError(f"{name}: {n} points along axis {axis} of {x.type}{place()}; give 1 or more")
        if n < extent:
            x = x[tuple([slice(n) if i == axis else slice(None) for i in range(x.ndim)])]
        elif n > extent:
            x = np.pad(x, [(0, n - extent if i == axis else 0) for i in range(x.ndim)])
    return x


def _chosen(x: Any, name: str, s: Any, axes: Any) -> tuple[tuple[int, ...], list[Any]]:
    """The axes and the numbers of points, as NumPy finds them; `None` and -1 leave an extent as it is."""
    if axes is None:
        axes = range(x.ndim) if s is None else range(x.ndim - len(s), x.ndim)
    axes = tuple([axis_of(x, i, name) for i in axes])
    sizes = [None] * len(axes) if s is None else [None if n in (None, -1) else int(n) for n in s]
    if len(sizes) != len(axes):
        raise ShapeError(
            f"{name}: {len(sizes)} numbers of points for {len(axes)} axes{place()}; "
            "give one for each axis"
        )
    return axes, sizes


def _norm(name: str, norm: Any) -> str:
    if norm not in (None, *OTHER_NORM):
        raise ValueError(f"{name}: norm={norm!r}{place()}; use 'backward', 'ortho' or 'forward'")
    return norm or "backward"


def _complex(a: Array, name: str, s: Any, axes: Any, norm: Any, inverse: bool) -> Array:
    x = operand(a)
    axes, sizes = _chosen(x, name, s, axes)
    x = cast(x, complex_dtype(float_dtype(x)))
    if not axes:
        return x
    x = _fitted(x, name, sizes, axes)
    return Fft("c2c", axes, _norm(name, norm), inverse)(x)


def _from_real(a: Any, name: str, s: Any, axes: Any, norm: Any) -> Any:
    x = operand(a)
    if x.dtype.kind == "c":
        raise TypeError(f"{name}: takes real numbers, not {x.type}{place()}; use {name.replace('rfft', 'fft')}")
    axes, sizes = _chosen(x, name, s, axes)
    x = cast(x, x.dtype if x.dtype in (np.float32, np.float64) else np.float64)
    x = _fitted(x, name, sizes, axes)
    return Fft("r2c", axes, _norm(name, norm))(x)


def _to_real(a: Array, name: str, s: Any, axes: Any, norm: Any) -> Array:
    x = operand(a)
    axes, sizes = _chosen(x, name, s, axes)
    x = cast(x, complex_dtype(float_dtype(x)))
    size = 2 * (x.shape[axes[-1]] - 1) if sizes[-1] is None else sizes[-1]
    if size < 1:
        raise ShapeError(f"{name}: {size} points along axis {axes[-1]}{place()}; give n")
    x = _fitted(x, name, [*sizes[:-1], size // 2 + 1], axes)
    return Fft("c2r", axes, _norm(name, norm), size=size)(x)


def _define(kind: Callable[..., Any], stem: str, **fixed: Any) -> None:
    """The one-, two- and many-dimensional transforms of a kind."""
    one, two, many = (getattr(np.fft, stem + suffix) for suffix in ("", "2", "n"))

    @implements(one)
    def along(a: Array, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Array:
        return into(out, kind(a, stem, None if n is None else [n], (axis,), norm, **fixed), stem)

    @implements(two)
    def over_two(
        a: Array,
        s: Any = None,
        axes: Any = (-2, -1),
        norm: Any = None,
        out: Any = None,
    ) -> Array:
        return into(out, kind(a, f"{stem}2", s, axes, norm, **fixed), f"{stem}2")

    @implements(many)
    def over(
        a: Array, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None
    ) -> Array:
        return into(out, kind(a, f"{stem}n", s, axes, norm, **fixed), f"{stem}n")


_define(_complex, "fft", inverse=False)
_define(_complex, "ifft", inverse=True)
_define(_from_real, "rfft")
_define(_to_real, "irfft")


@implements(np.fft.hfft)
def hfft(a: ArrayLike, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Array:
    """NumPy's `hfft`: `irfft` of the conjugate with the opposite norm."""
    norm = OTHER_NORM[_norm("hfft", norm)]
    return into(out, _to_real(np.conj(operand(a)), "hfft", None if n is None else [n], (axis,), norm), "hfft")


@implements(np.fft.ihfft)
def ihfft(a: ArrayLike, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Array:
    """NumPy's `ihfft`: the conjugate of `rfft` with the opposite norm."""
    norm = OTHER_NORM[_norm("ihfft", norm)]
    return into(out, np.conj(_from_real(a, "ihfft", None if n is None else [n], (axis,), norm)), "ihfft")


def _shifted(x: Any, axes: Any, name: str, sign: int) -> Array:
    x = operand(x)
    axes = axes_of(x, tuple(range(x.ndim)) if axes is None else axes, name)
    return np.roll(x, [sign * (x.shape[i] // 2) for i in axes], axes) if axes else x


@implements(np.fft.fftshift)
def fftshift(x: ArrayLike, axes: Any = None) -> Array:
    return _shifted(x, axes, "fftshift", 1)


@implements(np.fft.ifftshift)
def ifftshift(x: ArrayLike, axes: Any = None) -> Array:
    return _shifted(x, axes, "ifftshift", -1)


@implements(np.fft.fftfreq, beyond=("dtype",))
def fftfreq(n: int, d: Any = 1.0, device: Any = None, *, dtype: Any = None) -> Any:
    """NumPy's `fftfreq`, with the array API standard's `dtype`."""
    return _frequencies(np.fft.fftfreq(n, d), dtype)


@implements(np.fft.rfftfreq, beyond=("dtype",))
def rfftfreq(n: int, d: Any = 1.0, device: Any = None, *, dtype: Any = None) -> Any:
    """NumPy's `rfftfreq`, with the array API standard's `dtype`."""
    return _frequencies(np.fft.rfftfreq(n, d), dtype)


def _frequencies(found: Any, dtype: Any) -> Any:
    return found if dtype is None else cast(found, dtype)


def __getattr__(name: str) -> Any:
    found = getattr(np.fft, name)
    return NAMESPACE.get(found, found) if callable(found) else found


def __dir__() -> list[str]:
    return dir(np.fft)


__all__ = ["fftshift", "hfft", "ifftshift", "ihfft"]

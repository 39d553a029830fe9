"""`graphad.scipy.fft`: Fourier, cosine, sine and Hankel transforms of `scipy.fft` on traced values.

The names that are not defined here are SciPy's. Single precision stays single, integers become float64. `overwrite_x`,
`workers` and `plan` have no meaning in a graph and are ignored. `orthogonalize` holds for complex numbers too,
for which SciPy overlooks it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import index
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.location import place
from graphad.numpy.arguments import axes_of, axis_of, float_dtype, operand, static
from graphad.ops.elementwise import cast
from graphad.ops.fft import OTHER_NORM
from graphad.scipy.dispatch import namespace
from graphad.types import Array, ArrayLike

_traced, __getattr__ = namespace("scipy.fft")


def _floating(x: Array) -> Array:
    """An array in the precision that SciPy transforms it in: half becomes single, integers double."""
    x = operand(x)
    return cast(x, np.float32 if x.dtype == np.float16 else float_dtype(x))


def _indices(values: Any) -> Any:
    """An argument that SciPy takes as one integer or several."""
    return tuple(index(i) for i in values) if np.iterable(values) else (index(values),)


def _shape_and_axes(x: Array, s: Any, axes: Any, name: str) -> tuple[Any, tuple[int, ...]]:
    """The arguments `s` and `axes` of a transform over several axes, spelled out."""
    s = None if s is None else _indices(s)
    if axes is not None:
        axes = tuple(axis_of(x, i, name) for i in _indices(axes))
    elif s is not None and len(s) > x.ndim:
        raise ShapeError(f"{name}: {len(s)} numbers of points for {x.ndim} axes{place()}")
    else:
        axes = tuple(range(x.ndim - (x.ndim if s is None else len(s)), x.ndim))
    return s, axes


# -- Fourier transforms -------------------------------------------------------------------------------------------


def _single(name: str) -> Any:
    """The transform of a name along one axis, which is NumPy's in the precision of its operand."""
    transform = getattr(np.fft, name)

    def function(
        x: Array, n: int | None = None, axis: int = -1, norm: Any = None, overwrite_x: bool = False,
        workers: int | None = None, *, plan: Any = None,
    ) -> Array:  # fmt: skip
        return transform(_floating(x), n, axis, norm)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"SciPy's `{name}`."
    return _traced(function)


fft, ifft, rfft, irfft, hfft, ihfft = map(_single, ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"))


def _hermitian(x: Any, s: Any, axes: Any, norm: Any) -> Any:
    """The real spectrum of a signal that is Hermitian in several axes: `irfftn` the other way round."""
    return np.fft.irfftn(np.conj(x), s, axes, _other(norm))


def _half(x: Any, s: Any, axes: Any, norm: Any) -> Any:
    """The half of a Hermitian signal, `rfftn` the other way round."""
    return np.conj(np.fft.rfftn(x, s, axes, _other(norm)))


def _other(norm: Any) -> Any:
    return OTHER_NORM.get(norm or "backward", norm)


def _define(name: str, kind: Callable[..., Any]) -> tuple[Any, Any]:
    """The transform of a kind over two axes and over all."""

    def over(x: Any, s: Any, axes: Any, norm: Any, name: str) -> Any:
        x = _floating(x)
        s, axes = _shape_and_axes(x, s, axes, name)
        if not axes and kind not in (np.fft.fftn, np.fft.ifftn):
            raise ShapeError(f"{name}: no axis of {x.type} to transform{place()}; give one or more")
        return kind(x, s, axes, norm)

    def two(
        x: Array, s: Any = None, axes: Any = (-2, -1), norm: Any = None,
        overwrite_x: bool = False, workers: int | None = None, *, plan: Any = None,
    ) -> Array:  # fmt: skip
        return over(x, s, axes, norm, f"{name}2")

    def many(
        x: Array, s: Any = None, axes: Any = None, norm: Any = None, overwrite_x: bool = False,
        workers: int | None = None, *, plan: Any = None,
    ) -> Array:  # fmt: skip
        return over(x, s, axes, norm, f"{name}n")

    for function, suffix in ((two, "2"), (many, "n")):
        function.__name__ = function.__qualname__ = name + suffix
        function.__doc__ = f"SciPy's `{name}{suffix}`."
    return _traced(two), _traced(many)


fft2, fftn = _define("fft", np.fft.fftn)
ifft2, ifftn = _define("ifft", np.fft.ifftn)
rfft2, rfftn = _define("rfft", np.fft.rfftn)
irfft2, irfftn = _define("irfft", np.fft.irfftn)
hfft2, hfftn = _define("hfft", _hermitian)
ihfft2, ihfftn = _define("ihfft", _half)


@_traced
def fftshift(x: ArrayLike, axes: Any = None) -> Array:
    """SciPy's `fftshift`: the frequency 0 moved to the middle."""
    return np.fft.fftshift(operand(x), axes)


@_traced
def ifftshift(x: ArrayLike, axes: Any = None) -> Array:
    """SciPy's `ifftshift`, the inverse of `fftshift`."""
    return np.fft.ifftshift(operand(x), axes)


# -- cosine and sine transforms -----------------------------------------------------------------------------------

_COSINE = {1: (0.0, 0.0, -1), 2: (0.0, 0.5, 0), 3: (0.5, 0.0, 0), 4: (0.5, 0.5, 0)}
_SINE = {1: (1.0, 1.0, 1), 2: (1.0, 0.5, 0), 3: (0.5, 1.0, 0), 4: (0.5, 0.5, 0)}
"""Of each type the shifts `a` of the frequencies and `b` of the points, and what is added to the points of a period."""
_INVERSE = {1: 1, 2: 3, 3: 2, 4: 4}
_ORTHOGONAL = {("cos", 1, "in"): (0, -1), ("cos", 1, "out"): (0, -1), ("cos", 2, "out"): (0,), ("cos", 3, "in"): (0,),
               ("sin", 2, "out"): (-1,), ("sin", 3, "in"): (-1,)}  # fmt: skip
"""The values that an orthogonal transform scales by the square root of 2 before, or of 1/2 after it."""


def _along(x: Any, wave: str, type: int, axis: int, norm: str, orthogonal: bool, name: str) -> Any:
    """One cosine or sine transform of real numbers: `y_k = sum_n c_n x_n cos(2 pi (k + a) (n + b) / m)`, or of `sin`.

    These are SciPy's definitions (Strang, The discrete cosine transform, SIAM Review 41, 1999): the transform of the
    signal continued to `m` points by reflections. It is the real or the imaginary part of a Fourier transform with
    factors before and after it. All weights `c_n` are 2, but for points that are their own reflections.
    """
    n = x.shape[axis]
    a, b, more = (_COSINE if wave == "cos" else _SINE)[type]
    m = 2 * (n + more)
    if m < 2:
        raise ShapeError(f"{name}: {n} points along axis {axis} of {x.type}{place()}; type {type} needs more")
    weights = np.full(n, 2.0)
    if type in (1, 3):
        weights[-1 if wave == "sin" else 0] = 2.0 if type == 1 and wave == "sin" else 1.0
    if type == 1 and wave == "cos":
        weights[-1] = 1.0
    after = np.full(n, {"backward": 1.0, "ortho": 1 / math.sqrt(m), "forward": 1 / m}[norm])
    if orthogonal:
        weights[list(_ORTHOGONAL.get((wave, type, "in"), ()))] *= math.sqrt(2)
        after[list(_ORTHOGONAL.get((wave, type, "out"), ()))] *= math.sqrt(0.5)
    points = np.arange(n)
    before = weights * np.exp(-2j * np.pi * a * points / m)
    factors = after * np.exp(-2j * np.pi * b * (points + a) / m)
    rows = np.moveaxis(x, axis, -1)
    kept = np.complex64 if x.dtype == np.float32 else np.complex128
    found = np.fft.fft(rows * before.astype(kept), m)[..., :n] * factors.astype(kept)
    return np.moveaxis(np.real(found) if wave == "cos" else -np.imag(found), -1, axis)


def _transform(
    x: Any, wave: str, inverse: bool, type: Any, s: Any, axes: Any, norm: Any, orthogonalize: Any, name: str
) -> Any:
    x = _floating(x)
    if type not in _INVERSE:
        raise ValueError(f"{name}: type={type!r}{place()} is none of 1, 2, 3 and 4")
    if norm not in (None, *OTHER_NORM):
        raise ValueError(f"{name}: norm={norm!r}{place()}; use 'backward', 'ortho' or 'forward'")
    s, axes = _shape_and_axes(x, s, axes, name)
    if s is not None and len(s) != len(axes):
        raise ShapeError(f"{name}: {len(s)} numbers of points for {len(axes)} axes{place()}; give one for each axis")
    axes_of(x, axes, name)
    if x.dtype.kind == "c":
        rest = (wave, inverse, type, s, axes, norm, orthogonalize, name)
        return _transform(np.real(x), *rest) + 1j * _transform(np.imag(x), *rest)
    orthogonal = norm == "ortho" if orthogonalize is None else bool(orthogonalize)
    norm = _other(norm) if inverse else norm or "backward"
    for i, axis in enumerate(axes):
        n = x.shape[axis] if s is None or s[i] == -1 else s[i]
        if n < 1:
            raise ShapeError(f"{name}: {n} points along axis {axis} of {x.type}{place()}; give 1 or more")
        if n < x.shape[axis]:
            x = np.moveaxis(np.moveaxis(x, axis, 0)[:n], 0, axis)
        elif n > x.shape[axis]:
            x = np.pad(x, [(0, n - x.shape[axis] if j == axis else 0) for j in range(x.ndim)])
        x = _along(x, wave, _INVERSE[type] if inverse else type, axis, norm, orthogonal, name)
    return x


def _define_real(name: str, wave: str, inverse: bool) -> tuple[Any, Any]:
    """A cosine or sine transform along one axis and over several."""

    def one(
        x: Array,
        type: int = 2,
        n: int | None = None,
        axis: int = -1,
        norm: Any = None,
        overwrite_x: bool = False,
        workers: int | None = None,
        orthogonalize: bool | None = None,
    ) -> Array:
        return _transform(x, wave, inverse, type, n, axis, norm, orthogonalize, name)

    def many(
        x: Array,
        type: int = 2,
        s: Any = None,
        axes: Any = None,
        norm: Any = None,
        overwrite_x: bool = False,
        workers: int | None = None,
        orthogonalize: bool | None = None,
    ) -> Array:
        return _transform(x, wave, inverse, type, s, axes, norm, orthogonalize, f"{name}n")

    for function, suffix in ((one, ""), (many, "n")):
        function.__name__ = function.__qualname__ = name + suffix
        function.__doc__ = f"SciPy's `{name}{suffix}`."
    return _traced(one), _traced(many)


dct, dctn = _define_real("dct", "cos", False)
idct, idctn = _define_real("idct", "cos", True)
dst, dstn = _define_real("dst", "sin", False)
idst, idstn = _define_real("idst", "sin", True)


# -- the Hankel transform -----------------------------------------------------------------------------------------


@_traced
def fht(a: ArrayLike, dln: float, mu: float, offset: float = 0.0, bias: float = 0.0) -> Array:
    """SciPy's `fht`, the fast Hankel transform, of a traced signal with known parameters."""
    return _hankel(a, dln, mu, offset, bias, False)


@_traced
def ifht(A: ArrayLike, dln: float, mu: float, offset: float = 0.0, bias: float = 0.0) -> Array:
    """SciPy's `ifht`, the inverse fast Hankel transform, of a traced signal with known parameters."""
    return _hankel(A, dln, mu, offset, bias, True)


def _hankel(a: Any, dln: Any, mu: Any, offset: Any, bias: Any, inverse: bool) -> Array:
    """FFTLog (Hamilton, MNRAS 312, 257, 2000, appendix B): a periodic convolution, reversed, between two power laws.

    The factors of its Fourier transform are read off SciPy's own transform of an impulse.
    """
    from scipy import fft as scipys

    name = "ifht" if inverse else "fht"
    a = _floating(a)
    if a.ndim == 0:
        raise ShapeError(f"{name}: a number has no axis to transform{place()}")
    given = {"dln": dln, "mu": mu, "offset": offset, "bias": bias}
    dln, mu, offset, bias = (float(static(v, f"{name}: {key}")) for key, v in given.items())
    n = a.shape[-1]
    centred = (np.arange(n) - (n - 1) / 2) * dln
    before, after = np.exp(-bias * centred), np.exp(-bias * (centred + offset))
    if inverse:
        before, after = 1 / after, 1 / before
    impulse = np.zeros(n)
    impulse[0] = 1 / before[0]
    kernel = getattr(scipys, name)(impulse, dln, mu, offset=offset, bias=bias) / after
    factors = np.fft.rfft(np.flip(kernel))
    return np.flip(np.fft.irfft(np.fft.rfft(a * before) * factors, n), -1) * after

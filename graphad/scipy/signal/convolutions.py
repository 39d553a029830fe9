"""Convolutions, correlations and recursive filters of `scipy.signal` on traced values."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.api.loops import scan
from graphad.errors import MissingRuleError, ShapeError, TypeMismatchError
from graphad.location import place
from graphad.numpy.arguments import axes_of, axis_of, dtype_of, float_dtype, known, operand
from graphad.ops.elementwise import cast
from graphad.scipy.arguments import require
from graphad.scipy.dispatch import namespace
from graphad.scipy.signal.direct import correlated, filtered
from graphad.types import Array, ArrayLike

_traced = namespace("scipy.signal")[0]


def _full(a: Any, b: Any, name: str, axes: Any = None) -> tuple[Any, Any, Any, Any]:
    """The full convolution of arrays of one rank over axes, by Fourier transforms.

    The other axes are broadcast. The operands and the axes, spelled out, come as well.
    """
    from scipy.fft import next_fast_len

    a, b = operand(a), operand(b)
    if a.ndim != b.ndim:
        raise ShapeError(f"{name}: arrays of {a.ndim} and {b.ndim} axes; they must have as many")
    axes = axes_of(a, axes, name)
    if any(m != n and 1 not in (m, n) for i, (m, n) in enumerate(zip(a.shape, b.shape, strict=True)) if i not in axes):
        raise ShapeError(f"{name}: {list(a.shape)} and {list(b.shape)} are not broadcast beside the axes {axes}")
    if not axes:
        return a * b, a, b, axes
    real = "c" not in (a.dtype.kind, b.dtype.kind)
    there, back = (np.fft.rfftn, np.fft.irfftn) if real else (np.fft.fftn, np.fft.ifftn)
    whole = [a.shape[i] + b.shape[i] - 1 for i in axes]
    shape = [next_fast_len(n, real) for n in whole]
    found = back(there(a, shape, axes) * there(b, shape, axes), shape, axes)
    ends = dict(zip(axes, whole, strict=True))
    return found[tuple(slice(ends.get(i)) for i in range(a.ndim))], a, b, axes


def _cut(found: Any, a: Array, b: Array, axes: Any, mode: str, name: str) -> Array:
    """The part of a full convolution that `mode` asks for."""
    if mode == "full":
        return found
    if mode == "same":
        starts = [(n - m) // 2 for n, m in zip(found.shape, a.shape, strict=True)]
        return found[tuple(slice(s, s + m) for s, m in zip(starts, a.shape, strict=True))]
    if mode != "valid":
        raise ValueError(f"{name}: mode={mode!r}{place()} is none of 'full', 'same' and 'valid'")
    ends = [(a.shape[i], b.shape[i]) if i in axes else (1, n) for i, n in enumerate(found.shape)]
    pairs = [ends[i] for i in axes]
    if not (all(m >= n for m, n in pairs) or all(m <= n for m, n in pairs)):
        raise ShapeError(f"{name}: for mode 'valid' one of {list(a.shape)} and {list(b.shape)} must hold the other")
    return found[tuple(slice(min(m, n) - 1, max(m, n)) for m, n in ends)]


def _direct(a: Array, b: Array, mode: str, name: str) -> Array:
    """The convolution over all axes as the sum of all products, with zeros around `a`, as SciPy's loop has it."""
    if a.ndim == 1:
        found = np.convolve(a, b)
        return _cut(found, a, b, (0,), mode, name)
    dtype = dtype_of(a, b)
    if mode == "valid":
        if not all(m >= k for m, k in zip(a.shape, b.shape, strict=True)):
            a, b = b, a
            if not all(m >= k for m, k in zip(a.shape, b.shape, strict=True)):
                shapes = f"{list(b.shape)} and {list(a.shape)}"
                raise ShapeError(f"{name}: for mode 'valid' one of {shapes}{place()} must hold the other")
        return correlated(cast(a, dtype), np.flip(cast(b, dtype)))
    smaller = min(a, b, key=lambda x: x.size)
    wide = a if smaller is b else b
    padded = np.pad(cast(wide, dtype), [(k - 1, k - 1) for k in smaller.shape])
    return _cut(correlated(padded, np.flip(cast(smaller, dtype))), a, b, range(a.ndim), mode, name)


@_traced
def convolve(in1: ArrayLike, in2: ArrayLike, mode: str = "full", method: str = "auto") -> Array:
    """SciPy's `convolve` of arrays of any number of axes, by the method that SciPy chooses for such arrays.

    NaN and infinities stay where they are if that is `"direct"`; by Fourier transforms they reach everything.
    """
    from scipy.signal import choose_conv_method

    a, b = operand(in1), operand(in2)
    if method not in ("auto", "direct", "fft"):
        raise ValueError(f"convolve: method={method!r}{place()} is none of 'auto', 'direct' and 'fft'")
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"convolve: mode={mode!r}{place()} is none of 'full', 'same' and 'valid'")
    if a.ndim != b.ndim:
        raise ShapeError(f"convolve: arrays of {a.ndim} and {b.ndim} axes; they must have as many")
    if a.ndim == 0:
        return a * b
    dtype = dtype_of(a, b)
    if method == "auto":
        blank = np.zeros((), dtype)
        exact = dtype.kind in "iub"
        method = "direct" if exact else choose_conv_method(*(np.broadcast_to(blank, x.shape) for x in (a, b)), mode)
    if method == "direct":
        return _direct(a, b, mode, "convolve")
    found = _cut(*_full(cast(a, float_dtype(a)), cast(b, float_dtype(b)), "convolve"), mode, "convolve")
    return cast(np.rint(found) if dtype.kind in "iu" else found, dtype)


@_traced
def fftconvolve(in1: ArrayLike, in2: ArrayLike, mode: str = "full", axes: Any = None) -> Array:
    """SciPy's `fftconvolve` over all axes or those given, broadcast beside them and where an extent is 1."""
    a, b = (cast(v, float_dtype(v)) for v in (operand(in1), operand(in2)))
    if a.ndim == b.ndim:
        axes = tuple(i for i in axes_of(a, axes, "fftconvolve") if 1 not in (a.shape[i], b.shape[i]))
    return _cut(*_full(a, b, "fftconvolve", axes), mode, "fftconvolve")


@_traced
def correlate(in1: ArrayLike, in2: ArrayLike, mode: str = "full", method: str = "auto") -> Array:
    """SciPy's `correlate`: the convolution with the second array reversed and conjugated."""
    kernel = np.flip(operand(in2))
    return convolve(in1, np.conj(kernel) if kernel.dtype.kind == "c" else kernel, mode, method)


@_traced
def lfilter(b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    """SciPy's `lfilter`, a recursive filter in its transposed direct form II, as one loop of the graph.

    Differentiable in the coefficients, the signal and the first state `zi`, with which the last state comes as well.
    """
    b, a, x = np.atleast_1d(operand(b)), np.atleast_1d(operand(a)), operand(x)
    dtype = float_dtype(b, a, x)
    b, a, x = (cast(v, dtype) for v in (b, a, x))
    if b.ndim != 1 or a.ndim != 1:
        raise ShapeError(f"lfilter: coefficients of shapes {list(b.shape)} and {list(a.shape)} must be vectors")
    axis = axis_of(x, axis, "lfilter")
    rows = np.moveaxis(x, axis, 0)
    coefficients, leading = a.shape[0], known(a[0])
    require(leading is None or leading != 0, "lfilter: the first coefficient of a must not be 0")
    order = max(b.shape[0], coefficients) - 1
    b = np.pad(b / a[0], (0, order + 1 - b.shape[0]))
    a = np.pad(a / a[0], (0, order + 1 - a.shape[0]))
    wide = (order, *(1,) * (rows.ndim - 1))
    ahead, back = b[1:].reshape(wide), a[1:].reshape(wide)
    if zi is None:
        state = np.zeros((order, *rows.shape[1:]), dtype)
    else:
        state = np.broadcast_to(cast(np.moveaxis(operand(zi), axis, 0), dtype), (order, *rows.shape[1:]))

    if coefficients == 1:
        return _without_feedback(rows, b, None if zi is None else state, axis)

    def step(state: Array, row: Array) -> tuple[Any, Any]:
        y = b[0] * row + state[0]
        shifted = np.concatenate([state[1:], np.zeros((1, *state.shape[1:]), dtype)])
        return shifted + ahead * row - back * y, y

    last, ys = scan(step, state, rows)
    found = np.moveaxis(ys, 0, axis)
    return found if zi is None else (found, np.moveaxis(last, 0, axis))


def _without_feedback(rows: Any, b: Array, state: Array | None, axis: int) -> Any:
    """The sums of products of a filter with one coefficient `a`; with a first state the last one comes as well."""
    if state is None:
        return np.moveaxis(filtered(rows, b), 0, axis)
    n, order = rows.shape[0], b.shape[0] - 1
    rest = [(0, 0)] * (rows.ndim - 1)
    whole = filtered(np.pad(rows, [(0, order), *rest]), b) + np.pad(state, [(0, n), *rest])
    return np.moveaxis(whole[:n], 0, axis), np.moveaxis(whole[n:], 0, axis)


@_traced
def detrend(data: ArrayLike, axis: int = -1, type: str = "linear", bp: Any = 0, overwrite_data: bool = False) -> Array:
    """SciPy's `detrend`: the values less their mean (`"constant"`) or their line of least squares (`"linear"`)."""
    x = np.moveaxis(operand(data) * 1.0, axis, -1)
    if type not in ("linear", "constant") or np.any(np.asarray(bp) != 0):
        raise MissingRuleError(f"detrend: type={type!r} with bp={bp!r} cannot be traced{place()}; use bp=0")
    x = x - np.mean(x, axis=-1, keepdims=True)
    if type == "linear":
        t = np.arange(x.shape[-1]) - (x.shape[-1] - 1) / 2
        x = x - np.sum(x * t, axis=-1, keepdims=True) / (np.sum(t**2) or 1.0) * t  # of one point nothing is left
    return np.moveaxis(x, -1, axis)


@_traced
def hilbert(x: Any, N: int | None = None, axis: int = -1) -> Any:
    """SciPy's `hilbert`: the analytic signal, by a Fourier transform without its negative frequencies."""
    x = operand(x)
    if x.dtype.kind == "c":
        raise TypeMismatchError(f"hilbert: takes real numbers, not {x.type}{place()}")
    n = x.shape[axis] if N is None else N
    weights = np.zeros(n)
    weights[0] = 1
    weights[1 : (n + 1) // 2] = 2
    if n % 2 == 0:
        weights[n // 2] = 1
    spectrum = np.moveaxis(np.fft.fft(x, n, axis=axis), axis, -1) * weights
    return np.moveaxis(np.fft.ifft(spectrum), -1, axis)

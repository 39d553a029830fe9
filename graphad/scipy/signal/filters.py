"""Filters that run in both directions, smoothers, convolutions of images: names of `scipy.signal`.

Differentiable in the signals and the coefficients, which may both be traced.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from graphad.api.loops import scan
from graphad.errors import MissingRuleError, ShapeError, TypeMismatchError
from graphad.location import place
from graphad.numpy.arguments import axis_of, dtype_of, float_dtype, known, operand
from graphad.ops.elementwise import cast
from graphad.scipy.arguments import require
from graphad.scipy.dispatch import namespace, since
from graphad.scipy.signal.convolutions import convolve, correlate, fftconvolve, lfilter
from graphad.scipy.signal.direct import correlated
from graphad.scipy.signal.edges import chosen, extended, floating, framed, neighbourhoods, sections, vector
from graphad.scipy.signal.resampling import resample_poly, upfirdn
from graphad.types import Array, ArrayLike, DType

_traced = namespace("scipy.signal")[0]

_PADS = {"even": "reflect", "odd": "antireflect", "constant": "edge"}


def _padded(x: Array, padtype: Any, padlen: Any, taps: Any, name: str) -> tuple[Any, int]:
    """The rows continued at both ends, and by how many."""
    chosen(padtype, (*_PADS, None), name, "padtype")
    if padtype is None:
        return x, 0
    edge = 3 * taps() if padlen is None else operator.index(padlen)
    if x.shape[0] <= edge:
        raise ShapeError(f"{name}: {x.shape[0]} points{place()} must be more than padlen={edge}; give a smaller padlen")
    return (extended(x, edge, edge, _PADS[padtype]) if edge else x), edge


def _both_ways(x: Array, edge: int, run: Any) -> Array:
    """The rows filtered forward and then backward by `run`, from the steady state of the row at each start."""
    y = np.flip(run(np.flip(run(x, x[:1]), 0), None), 0)
    return y[edge : y.shape[0] - edge]


@_traced
def lfilter_zi(b: Any, a: Any) -> Any:
    """SciPy's `lfilter_zi`: the state in which `lfilter` answers a step at once with its steady value.

    The state's equations `z_i = z_(i+1) + b_(i+1) - a_(i+1) y` with the steady `y = sum(b) / sum(a)`, summed up.
    """
    b, a = vector(b, "lfilter_zi", "b"), vector(a, "lfilter_zi", "a")
    dtype = float_dtype(b, a)
    if known(a) is not None and not since("1.18.0"):
        a = a[max(0, a.shape[0] - np.trim_zeros(known(a), "f").shape[0]) :]
    b, a = cast(b, dtype), _settling(cast(a, dtype))
    order = max(b.shape[0], a.shape[0]) - 1
    b = np.pad(b / a[0], (0, order + 1 - b.shape[0]))
    a = np.pad(a / a[0], (0, order + 1 - a.shape[0]))
    y = np.sum(b) / np.sum(a)
    return np.flip(np.cumsum(np.flip(b[1:] - a[1:] * y)))


def _settling(a: Any) -> Array:
    """The coefficients of a filter that a step makes settle; an error for others."""
    require(a[:1] != 0, "First coefficient of parameter `a` must be non-zero")
    require(np.sum(a) != 0, "Filter not stable due to sum(a) == 0, i.e., having a pole at z = 1")
    return a


@_traced
def lfiltic(b: Any, a: Any, y: Any, x: Any = None) -> Any:
    """SciPy's `lfiltic`: the state of `lfilter` after the latest outputs `y` and inputs `x`, newest first."""
    b, a, y = (vector(v, "lfiltic", n) for v, n in ((b, "b"), (a, "a"), (y, "y")))
    past = np.zeros(0) if x is None else vector(x, "lfiltic", "x")
    dtype = float_dtype(b, a, y, past) if x is not None else float_dtype(b, a, y)
    order = max(b.shape[0], a.shape[0]) - 1
    state: Any = np.zeros(order, dtype)
    for taps, values, sign in ((b, past, 1.0), (a, y, -1.0)):
        m = taps.shape[0] - 1
        values = cast(values, dtype)[:m]
        values = np.pad(values, (0, m - values.shape[0]))
        # Entry i is the sum of taps[i + 1 + k] values[k].
        rows = framed(np.pad(cast(taps, dtype)[1:], (0, max(m - 1, 0))), m) if m else np.zeros((0, 0), dtype)
        formed = np.add.outer(np.arange(m), np.arange(m)) < m
        state = state + sign * np.pad(np.sum(np.where(formed, rows * values, 0.0), axis=1), (0, order - m))
    return state / cast(a, dtype)[0]


@_traced
def filtfilt(
    b: Any,
    a: Any,
    x: Any,
    axis: int = -1,
    padtype: str | None = "odd",
    padlen: int | None = None,
    method: str = "pad",
    irlen: int | None = None,
) -> Any:
    """SciPy's `filtfilt`: `lfilter` forward and backward over the signal, continued at its ends by `padtype`."""
    chosen(method, ("pad", "gust"), "filtfilt", "method")
    if method == "gust":
        raise MissingRuleError(f"filtfilt: method='gust' cannot be traced{place()}; use method='pad'")
    b, a = vector(b, "filtfilt", "b"), vector(a, "filtfilt", "a")
    x = floating(x)
    axis = axis_of(x, axis, "filtfilt")
    rows, edge = _padded(np.moveaxis(x, axis, 0), padtype, padlen, lambda: max(a.shape[0], b.shape[0]), "filtfilt")
    zi = lfilter_zi(b, a).reshape(-1, *(1,) * (rows.ndim - 1))

    def run(rows: Array, start: Array | None) -> Array:
        return lfilter(b, a, rows, axis=0, zi=zi * (rows[:1] if start is None else start))[0]

    return np.moveaxis(_both_ways(rows, edge, run), 0, axis)


@_traced
def sosfilt(sos: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    """SciPy's `sosfilt`: a cascade of filters of second order, as one loop of the graph.

    With the first state `zi` of shape `[sections, ..., 2, ...]` the last one comes as well.
    """
    sos, x = sections(sos, "sosfilt"), operand(x)
    axis = axis_of(x, axis, "sosfilt")
    dtype = float_dtype(sos, x) if zi is None else float_dtype(sos, x, operand(zi))
    sos, rows = cast(sos, dtype), np.moveaxis(cast(x, dtype), axis, 0)
    count, rest = sos.shape[0], rows.shape[1:]
    if zi is None:
        state: Any = np.zeros((count, 2, *rest), dtype)
    else:
        wanted = (count, *x.shape[:axis], 2, *x.shape[axis + 1 :])
        if operand(zi).shape != wanted:
            raise ShapeError(f"sosfilt: zi of shape {list(operand(zi).shape)}{place()} must have {list(wanted)}")
        state = np.moveaxis(cast(operand(zi), dtype), axis + 1, 1)

    def step(state: Any, row: Any) -> tuple[Any, Any]:
        after = []
        for s in range(count):
            c, (first, second) = sos[s] / sos[s, 3], (state[s, 0], state[s, 1])
            y = c[0] * row + first
            after.append(np.stack([c[1] * row - c[4] * y + second, c[2] * row - c[5] * y]))
            row = y
        return np.stack(after), row

    last, ys = scan(step, state, rows)
    found = np.moveaxis(ys, 0, axis)
    return found if zi is None else (found, np.moveaxis(last, 1, axis + 1))


@_traced
def sosfilt_zi(sos: Any) -> Any:
    """SciPy's `sosfilt_zi`: the state in which `sosfilt` answers a step at once with its steady value."""
    sos = sections(sos, "sosfilt_zi")
    states, gain = [], 1.0
    for s in range(sos.shape[0]):
        b, a = sos[s, :3], _settling(sos[s, 3:])
        states.append(gain * _steady(b, a))
        gain = gain * np.sum(b) / np.sum(a)
    return np.stack(states)


def _steady(b: Any, a: Array) -> Array:
    """`lfilter_zi` of a section."""
    rest = (b / a[0])[1:] - (a / a[0])[1:] * (np.sum(b) / np.sum(a))
    return np.stack([rest[0] + rest[1], rest[1]])


@_traced
def sosfiltfilt(
    sos: Any, x: ArrayLike, axis: int = -1, padtype: str | None = "odd", padlen: int | None = None
) -> Array:
    """SciPy's `sosfiltfilt`: `sosfilt` forward and backward over the signal, continued at its ends by `padtype`."""
    sos, x = sections(sos, "sosfiltfilt"), floating(x)
    axis = axis_of(x, axis, "sosfiltfilt")

    def taps() -> int:
        values = known(sos)
        if values is None:
            raise MissingRuleError(
                f"sosfiltfilt: the length of the padding depends on sos, traced{place()}; give padlen"
            )
        return int(2 * len(values) + 1 - min(np.sum(values[:, 2] == 0), np.sum(values[:, 5] == 0)))

    rows, edge = _padded(np.moveaxis(x, axis, 0), padtype, padlen, taps, "sosfiltfilt")
    zi = sosfilt_zi(sos).reshape(sos.shape[0], 2, *(1,) * (rows.ndim - 1))

    def run(rows: Array, start: Array | None) -> Array:
        return sosfilt(sos, rows, axis=0, zi=zi * (rows[:1] if start is None else start))[0]

    return np.moveaxis(_both_ways(rows, edge, run), 0, axis)


@_traced
def savgol_filter(
    x: ArrayLike,
    window_length: int,
    polyorder: int,
    deriv: int = 0,
    delta: float = 1.0,
    axis: int = -1,
    mode: str = "interp",
    cval: float = 0.0,
) -> Array:
    """SciPy's `savgol_filter`: polynomials of least squares in a moving window."""
    from scipy.signal import savgol_coeffs

    modes = {"mirror": "reflect", "constant": "constant", "nearest": "edge", "wrap": "wrap", "interp": "constant"}
    chosen(mode, tuple(modes), "savgol_filter", "mode")
    x = floating(x)
    axis = axis_of(x, axis, "savgol_filter")
    n, half = x.shape[axis], window_length // 2
    if mode == "interp" and window_length > n:
        raise ShapeError(f"savgol_filter: {n} points{place()} are fewer than the window's {window_length}; use a mode")
    taps = savgol_coeffs(window_length, polyorder, deriv=deriv, delta=delta).astype(x.dtype)
    rows = np.moveaxis(x, axis, 0)
    padded = extended(rows, window_length - 1 - half, half, modes[mode], cval)
    found = framed(np.moveaxis(padded, 0, -1), window_length) @ np.flip(taps)
    if mode == "interp" and half:
        first, last = _edge_fits(window_length, polyorder, deriv, delta, x.dtype)
        head = np.moveaxis(np.tensordot(first, rows[:window_length], 1), 0, -1)
        tail = np.moveaxis(np.tensordot(last, rows[n - window_length :], 1), 0, -1)
        found = np.concatenate([head, found[..., half : n - half], tail], axis=-1)
    return np.moveaxis(found, -1, axis)


def _edge_fits(length: int, order: int, deriv: int, delta: float, dtype: DType) -> tuple[Any, Any]:
    """What gives from the points of a window at either end the fitted polynomial at the half next to the end."""
    t = np.arange(length) - (length - 1) / 2
    fit = np.linalg.pinv(np.vander(t, order + 1))
    derived = np.stack([np.polyval(np.polyder(row, deriv), t) for row in np.eye(order + 1)], axis=1)
    values = (derived @ fit / delta**deriv).astype(dtype)
    return values[: length // 2], values[length - length // 2 :]


@_traced
def wiener(im: ArrayLike, mysize: Any = None, noise: Any = None) -> Array:
    """SciPy's `wiener`: each value drawn to its neighbourhood's mean as far as the variance there is noise."""
    im = floating(im)
    sizes = [3] * im.ndim if mysize is None else [int(k) for k in np.broadcast_to(mysize, im.ndim)]
    box, count = np.ones(sizes, im.dtype), float(np.prod(sizes))
    mean = correlate(im, box, "same") / count
    variance = correlate(im**2, box, "same") / count - mean**2
    noise = np.mean(variance) if noise is None else noise
    quiet = variance < noise
    gain = 1 - noise / np.where(quiet, 1.0, variance)
    return np.where(quiet, mean, (im - mean) * gain + mean)


@_traced
def medfilt(volume: ArrayLike, kernel_size: Any = None) -> Array:
    """SciPy's `medfilt`: the medians of boxes of odd extents, with zeros outside of the array."""
    return _medians(volume, kernel_size, "medfilt")


@_traced
def medfilt2d(input: ArrayLike, kernel_size: Any = 3) -> Array:
    """SciPy's `medfilt2d`: `medfilt` of an image."""
    if operand(input).ndim != 2:
        raise ShapeError(f"medfilt2d: an array of {operand(input).ndim} axes{place()} is no image; use medfilt")
    return _medians(input, kernel_size, "medfilt2d")


def _medians(x: Any, kernel_size: Any, name: str) -> Array:
    x = operand(x)
    x = x.reshape(1) if x.ndim == 0 else x
    if x.dtype.kind == "c":
        raise TypeMismatchError(f"{name}: complex numbers{place()} have no median; filter .real and .imag")
    sizes = [int(k) for k in np.broadcast_to(3 if kernel_size is None else kernel_size, x.ndim)]
    if any(k % 2 == 0 for k in sizes):
        raise ValueError(f"{name}: kernel_size={kernel_size!r}{place()} must be odd")
    return np.sort(neighbourhoods(x, sizes), axis=-1)[..., int(np.prod(sizes)) // 2]


def _image(in1: Any, in2: Any, mode: str, boundary: str, fillvalue: Any, turned: bool, name: str) -> Array:
    """The convolution of images, or for `turned` the correlation."""
    a, b = operand(in1), operand(in2)
    if a.ndim != 2 or b.ndim != 2:
        raise ShapeError(f"{name}: arrays of {a.ndim} and {b.ndim} axes{place()} must be two images")
    chosen(mode, ("full", "same", "valid"), name, "mode")
    edges = {"fill": "constant", "wrap": "wrap", "circular": "wrap", "symm": "symmetric", "symmetric": "symmetric"}
    chosen(boundary, tuple(edges), name, "boundary")
    swapped = mode == "valid" and not all(m >= k for m, k in zip(a.shape, b.shape, strict=True))
    if swapped:
        a, b = b, a
        if not all(m >= k for m, k in zip(a.shape, b.shape, strict=True)):
            shapes = f"{list(b.shape)} and {list(a.shape)}"
            raise ShapeError(f"{name}: for mode 'valid' one of {shapes}{place()} must hold the other")
    (m, n), (k, l) = a.shape, b.shape
    kernel = np.flip(b) if turned else b
    kernel = np.conj(kernel) if turned and b.dtype.kind == "c" else kernel
    if mode != "valid":
        a = extended(a, k - 1, k - 1, edges[boundary], fillvalue)
        a = extended(a.T, l - 1, l - 1, edges[boundary], fillvalue).T
    dtype = dtype_of(a, kernel)
    found = correlated(cast(a, dtype), np.flip(cast(kernel, dtype)))
    if mode == "same":
        i, j = (k // 2, l // 2) if turned else ((k - 1) // 2, (l - 1) // 2)
        found = found[i : i + m, j : j + n]
    return np.flip(found) if turned and swapped else found


@_traced
def convolve2d(in1: ArrayLike, in2: ArrayLike, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Array:
    """SciPy's `convolve2d`: the convolution of two images, the first continued at its edges by `boundary`."""
    return _image(in1, in2, mode, boundary, fillvalue, False, "convolve2d")


@_traced
def correlate2d(
    in1: ArrayLike, in2: ArrayLike, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0
) -> Array:
    """SciPy's `correlate2d`: the correlation of two images, the first continued at its edges by `boundary`."""
    return _image(in1, in2, mode, boundary, fillvalue, True, "correlate2d")


@_traced
def oaconvolve(in1: ArrayLike, in2: ArrayLike, mode: str = "full", axes: Any = None) -> Array:
    """SciPy's `oaconvolve`, whose numbers are those of `fftconvolve`."""
    return fftconvolve(in1, in2, mode, axes)


@_traced
def deconvolve(signal: ArrayLike, divisor: ArrayLike) -> Any:
    """SciPy's `deconvolve`: the quotient and the remainder of two polynomials, by a recursive filter."""
    num, den = vector(signal, "deconvolve", "signal"), vector(divisor, "deconvolve", "divisor")
    n, d = num.shape[0], den.shape[0]
    if d > n:
        return [], num
    impulse = np.zeros(n - d + 1)
    impulse[0] = 1.0
    quotient = lfilter(num, den, impulse)
    return quotient, num - convolve(den, quotient)


@_traced
def hilbert2(x: Any, N: Any = None, axes: Any = (-2, -1)) -> Any:
    """SciPy's `hilbert2`: the analytic signal of an image, of the frequencies that are positive in both axes."""
    x = np.atleast_2d(floating(x))
    if x.dtype.kind == "c":
        raise TypeError(f"hilbert2: takes real numbers, not {x.type}{place()}")
    if len(axes) != 2:
        raise ShapeError(f"hilbert2: axes={axes!r} of an array of {x.ndim} axes{place()}; give two different ones")
    first, second = (axis_of(x, i, "hilbert2") for i in axes)
    sizes = (x.shape[first], x.shape[second]) if N is None else (N, N) if np.ndim(N) == 0 else tuple(N)
    weights = []
    for n in sizes:
        kept = np.zeros(n, x.dtype)
        kept[: (n + 1) // 2] = 2
        kept[:1] = 1
        weights.append(kept)
    spectrum = np.moveaxis(np.fft.fft2(x, sizes, (first, second)), (first, second), (-2, -1))
    return np.moveaxis(np.fft.ifft2(spectrum * np.outer(*weights)), (-2, -1), (first, second))


@_traced
def decimate(
    x: ArrayLike, q: int, n: int | None = None, ftype: Any = "iir", axis: int = -1, zero_phase: bool = True
) -> Array:
    """SciPy's `decimate`: every `q`-th value after a filter against aliases, which SciPy designs."""
    from scipy.signal import cheby1, firwin

    if not isinstance(ftype, str):
        raise MissingRuleError(
            f"decimate: a filter of type {type(ftype).__name__} cannot be traced{place()}; use 'iir'"
        )
    chosen(ftype, ("iir", "fir"), "decimate", "ftype")
    x = floating(x)
    axis, q = axis_of(x, axis, "decimate"), operator.index(q)
    if ftype == "fir":
        taps = firwin((20 * q if n is None else operator.index(n)) + 1, 1.0 / q, window="hamming").astype(x.dtype)
        if zero_phase:
            return resample_poly(x, 1, q, axis, taps)
        y = upfirdn(taps, x, 1, q, axis)
        return np.moveaxis(np.moveaxis(y, axis, 0)[: -(-x.shape[axis] // q)], 0, axis)
    sos = cheby1(8 if n is None else operator.index(n), 0.05, 0.8 / q, output="sos").astype(x.dtype)
    y = sosfiltfilt(sos, x, axis) if zero_phase else sosfilt(sos, x, axis)
    return np.moveaxis(np.moveaxis(y, axis, 0)[::q], 0, axis)

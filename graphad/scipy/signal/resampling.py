"""Resampling of traced signals, as in `scipy.signal`: by Fourier transforms and by polyphase filters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.location import place
from graphad.numpy.arguments import axis_of, float_dtype, operand
from graphad.ops.elementwise import cast
from graphad.scipy.dispatch import namespace
from graphad.scipy.signal.edges import EXTENSIONS, chosen, extended, floating, vector
from graphad.trace import Tracer
from graphad.types import Array, complex_dtype

_traced = namespace("scipy.signal")[0]


@_traced
def upfirdn(h: Any, x: Any, up: int = 1, down: int = 1, axis: int = -1, mode: str = "constant", cval: Any = 0) -> Any:
    """SciPy's `upfirdn`: `up - 1` zeros between the values, the filter `h`, every `down`-th of the results.

    Each result is a sum over the values that are not zeros, with the taps of `h` of one phase (Crochiere and Rabiner,
    Multirate Digital Signal Processing, 1983, section 3.3).
    """
    h, x = vector(h, "upfirdn", "h"), operand(x)
    chosen(mode, EXTENSIONS, "upfirdn", "mode")
    up, down = int(up), int(down)
    if up < 1 or down < 1:
        raise ValueError(f"upfirdn: up={up} and down={down}{place()} must be 1 or more")
    axis = axis_of(x, axis, "upfirdn")
    dtype = np.result_type(float_dtype(h, x), np.float32)
    rows, n, length = np.moveaxis(cast(x, dtype), axis, 0), x.shape[axis], h.shape[0]
    taps = -(-length // up)
    at = np.arange((n * up - up + length - 1) // down + 1) * down
    h = np.pad(cast(h, dtype), (0, taps * up - length))
    beyond = max(int(at[-1]) // up - n + 1, 0)
    rows = np.moveaxis(extended(rows, taps - 1, beyond, mode, cval), 0, -1)
    back = np.arange(taps)
    windows = np.take(rows, (at // up)[:, None] + (taps - 1 - back), axis=-1)
    phases = np.take(h, (at % up)[:, None] + back * up)
    return np.moveaxis(np.sum(windows * phases, axis=-1), -1, axis)


@_traced
def resample(x: Any, num: int, t: Any = None, axis: int = 0, window: Any = None, domain: str = "time") -> Any:
    """SciPy's `resample`: `num` points of the trigonometric polynomial through the values."""
    chosen(domain, ("time", "freq"), "resample", "domain")
    x = floating(x)
    axis = axis_of(x, axis, "resample")
    rows, n = np.moveaxis(x, axis, -1), x.shape[axis]
    m, factor = min(num, n), num / n
    middle, weights = m // 2, _weights(window, n)
    if domain == "time" and x.dtype.kind != "c":
        scale: Any = np.full(middle + 1, factor)
        if m % 2 == 0 and num != n:
            scale[middle] *= 2 if num < n else 0.5
        if weights is not None:
            # Real values have the mean of the weights of a frequency and its negative.
            scale = scale * ((weights + np.roll(np.flip(weights), 1)) / 2)[: middle + 1]
        found: Any = np.fft.irfft(np.fft.rfft(rows)[..., : middle + 1] * scale, num)
    else:
        spectrum = cast(np.fft.fft(rows) if domain == "time" else rows, complex_dtype(x.dtype))
        if weights is not None:
            spectrum = spectrum * weights
        spectrum = spectrum * factor
        parts = [spectrum[..., : middle + 1]]
        if m % 2 == 0 and num != n:
            edge = spectrum[..., middle : middle + 1]
            if num < n:
                parts = [spectrum[..., :middle], edge + spectrum[..., n - middle : n - middle + 1]]
            else:
                parts = [spectrum[..., :middle], edge / 2, np.zeros((*rows.shape[:-1], num - m - 1)), edge / 2]
        elif num > m:
            parts.append(np.zeros((*rows.shape[:-1], num - m)))
        rest = m - middle - 1
        if rest > 0:
            parts.append(spectrum[..., n - rest :])
        found = np.fft.ifft(np.concatenate(parts, axis=-1))
    found = cast(found, np.result_type(x.dtype, np.float32) if found.dtype.kind == "f" else complex_dtype(x.dtype))
    found = np.moveaxis(found, -1, axis)
    if t is None:
        return found
    t = operand(t)
    return found, t[0] + (t[1] - t[0]) / factor * np.arange(num)


def _weights(window: Any, n: int) -> Array | None:
    """The weights of the frequencies by a window's name, its values, or a function of the frequencies."""
    from scipy.signal import get_window

    if window is None:
        return None
    if callable(window):
        return window(np.fft.fftfreq(n))
    if isinstance(window, (str, tuple)) or np.ndim(window) == 0:
        return np.fft.fftshift(get_window(window, n))
    window = operand(window)
    if window.shape != (n,):
        raise ShapeError(f"resample: window of shape {list(window.shape)}{place()} must have the {n} frequencies")
    return window


_BACKGROUNDS: dict[str, Any] = {"mean": np.mean, "median": np.median, "minimum": np.min, "maximum": np.max}


@_traced
def resample_poly(
    x: Any,
    up: int,
    down: int,
    axis: int = 0,
    window: Any = ("kaiser", 5.0),
    padtype: str = "constant",
    cval: Any = None,
) -> Any:
    """SciPy's `resample_poly`: `upfirdn` with a filter against aliases, whose delay is taken out."""
    x = operand(x)
    axis = axis_of(x, axis, "resample_poly")
    if up != int(up) or down != int(down) or up < 1 or down < 1:
        raise ValueError(f"resample_poly: up={up} and down={down}{place()} must be integers of 1 or more")
    chosen(padtype, (*EXTENSIONS, *_BACKGROUNDS), "resample_poly", "padtype")
    if cval is not None and padtype != "constant":
        raise ValueError(f"resample_poly: cval has no effect for padtype={padtype!r}{place()}; leave it out")
    common = math.gcd(int(up), int(down))
    up, down = int(up) // common, int(down) // common
    if up == down == 1:
        return x
    n = -(-x.shape[axis] * up // down)
    if isinstance(window, (list, np.ndarray, Tracer)):
        h = vector(window, "resample_poly", "window") * up
        half = (h.shape[0] - 1) // 2
    else:
        from scipy.signal import firwin

        rate = max(up, down)
        half = 10 * rate
        h = (firwin(2 * half + 1, 1 / rate, window=window) * up).astype(float_dtype(x))
    before = down - half % down
    first = (half + before) // down
    length = h.shape[0] + before
    # So many zeros more that the results reach to the last one wanted.
    length = max(length, (n + first - 1) * down + 1 - (x.shape[axis] - 1) * up)
    h = np.pad(h, (before, length - h.shape[0] - before))
    background = _BACKGROUNDS[padtype](x, axis=axis, keepdims=True) if padtype in _BACKGROUNDS else None
    mode = "constant" if background is not None else padtype
    y = upfirdn(h, x if background is None else x - background, up, down, axis, mode, 0 if cval is None else cval)
    y = np.moveaxis(np.moveaxis(y, axis, 0)[first : first + n], 0, axis)
    return y if background is None else y + background

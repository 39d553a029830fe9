"""Chirp transforms, envelopes and periodograms of uneven samples: names of `scipy.signal`."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError, ShapeError
from graphad.location import place
from graphad.numpy.arguments import axis_of, known, operand
from graphad.ops.elementwise import cast
from graphad.scipy.dispatch import namespace
from graphad.scipy.signal.edges import chosen, floating, vector
from graphad.types import FLOAT64, Array, ArrayLike

_traced = namespace("scipy.signal")[0]


def _chirped(x: Array, m: int, axis: int, start: Any, chirp: Any) -> Array:
    """`sum_n x_n start(n) w^(n k)` along an axis for `m` numbers `k`, where `chirp(k)` is `w^(k^2 / 2)` (Bluestein)."""
    rows = np.moveaxis(x, axis, -1)
    n = rows.shape[-1]
    k = np.arange(float(max(m, n)))
    wave = chirp(k)
    size = n + m - 1
    kernel = np.fft.fft(1.0 / np.concatenate([wave[n - 1 : 0 : -1], wave[:m]]), size)
    y = np.fft.ifft(kernel * np.fft.fft(rows * (start(k[:n]) * wave[:n]), size))
    return np.moveaxis(y[..., n - 1 : n + m - 1] * wave[:m], -1, axis)


def _points(m: Any, n: int, name: str) -> int:
    count = n if m is None else operator.index(m)
    if count < 1 or n < 1:
        raise ShapeError(f"{name}: {count} points of {n} data{place()}; give 1 or more")
    return count


@_traced
def czt(x: ArrayLike, m: Any = None, w: ArrayLike | None = None, a: ArrayLike = 1 + 0j, *, axis: int = -1) -> Array:
    """SciPy's `czt`: the z-transform along a spiral, differentiable in its ratio and start too."""
    x = floating(np.atleast_1d(operand(x)))
    axis = axis_of(x, axis, "czt")
    count = _points(m, x.shape[axis], "czt")

    def chirp(k: Array) -> Array:
        if w is None:
            return np.exp(-1j * math.pi * (k**2 % (2 * count)) / count)
        return (1.0 * operand(w)) ** (k**2 / 2.0)

    return _chirped(x, count, axis, lambda k: (1.0 * operand(a)) ** -k, chirp)


@_traced
def zoom_fft(x: Any, fn: Any, m: Any = None, *, fs: Any = 2, endpoint: bool = False, axis: int = -1) -> Any:
    """SciPy's `zoom_fft`: the Fourier transform at frequencies of a range, differentiable in its ends and in `fs`."""
    x, fn = floating(np.atleast_1d(operand(x))), operand(fn)
    axis = axis_of(x, axis, "zoom_fft")
    count = _points(m, x.shape[axis], "zoom_fft")
    ends = fn.reshape(-1)
    if ends.shape[0] not in (1, 2):
        raise ShapeError(f"zoom_fft: fn of shape {list(fn.shape)}{place()}; give a frequency, or two")
    first, last = (0.0, ends[0]) if ends.shape[0] == 1 else (ends[0], ends[1])
    scale = (last - first) / fs * (count / (count - 1) if endpoint else 1.0)
    return _chirped(
        x, count, axis, lambda k: np.exp(-2j * math.pi * first / fs * k),
        lambda k: np.exp(-1j * math.pi * scale * k**2 / count),
    )  # fmt: skip


@_traced
def vectorstrength(events: Any, period: Any) -> Any:
    """SciPy's `vectorstrength`: how far events keep to a period, and their phase; for periods, of each."""
    events, period = operand(events), cast(operand(period), FLOAT64)
    if events.ndim > 1 or period.ndim > 1:
        raise ShapeError(f"vectorstrength: events and periods{place()} must be numbers or vectors")
    values = known(period)
    if values is not None and np.any(values <= 0):
        raise ValueError(f"vectorstrength: periods{place()} must be positive")
    turns = np.exp(2j * math.pi * np.atleast_1d(events) / np.atleast_1d(period)[:, None])
    mean = np.mean(turns, axis=1)
    strength, phase = np.abs(mean), np.angle(mean)
    return (strength, phase) if period.ndim else (strength[0], phase[0])


@_traced
def lombscargle(
    x: Any, y: Any, freqs: Any, precenter: Any = False, normalize: Any = False, *, weights: Any = None,
    floating_mean: bool = False,
) -> Any:  # fmt: skip
    """SciPy's `lombscargle`: the periodogram of samples at any times, differentiable in all its arrays."""
    x, y, w = (cast(vector(v, "lombscargle", n), FLOAT64) for v, n in ((x, "x"), (y, "y"), (freqs, "freqs")))
    share = np.ones(x.shape) if weights is None else cast(vector(weights, "lombscargle", "weights"), FLOAT64)
    if not x.shape == y.shape == share.shape:
        raise ShapeError(f"lombscargle: x, y and weights of {x.shape[0]}, {y.shape[0]} and {share.shape[0]}{place()}")
    kind = {False: "power", True: "normalize"}.get(normalize, normalize)
    chosen(kind, ("power", "normalize", "amplitude"), "lombscargle", "normalize")
    share = share / np.sum(share)
    if precenter is True:
        y = y - np.mean(y)
    angle = w[:, None] * x
    cos, sin = np.cos(angle), np.sin(angle)
    cc, cs = (cos * cos) @ share, (cos * sin) @ share
    ss = 1.0 - cc
    if floating_mean:
        c, s = cos @ share, sin @ share
        cc, ss, cs = cc - c * c, ss - s * s, cs - c * s
    tau = 0.5 * np.arctan2(2.0 * cs, cc - ss)
    cos, sin = np.cos(angle - tau[:, None]), np.sin(angle - tau[:, None])
    mean, yc, ys, cc = share @ y, cos @ (share * y), sin @ (share * y), (cos * cos) @ share
    ss = 1.0 - cc
    if floating_mean:
        c, s = cos @ share, sin @ share
        yc, ys, cc, ss = yc - mean * c, ys - mean * s, cc - c * c, ss - s * s
    least = np.finfo(float).epsneg
    a, b = yc / np.maximum(cc, least), ys / np.maximum(ss, least)
    if kind == "amplitude":
        return np.squeeze((a + 1j * b) * np.exp(1j * tau))
    power = np.squeeze(2.0 * (a * yc + b * ys))
    if kind == "power":
        return power * (x.shape[0] / 4.0)
    whole = (share * y) @ y
    return power * (0.5 / (whole - mean * mean if floating_mean else whole))


@_traced
def envelope(
    z: ArrayLike, bp_in: Any = (1, None), *, n_out: Any = None, squared: bool = False, residual: Any = "lowpass",
    axis: int = -1,
) -> Array:  # fmt: skip
    """SciPy's `envelope` of a real signal at its own points: that of a band of frequencies, and the rest."""
    z = floating(z)
    axis = axis_of(z, axis, "envelope")
    chosen(residual, ("lowpass", "all", None), "envelope", "residual")
    n = z.shape[axis]
    if z.dtype.kind == "c" or n_out not in (None, n):
        what = "a complex signal" if z.dtype.kind == "c" else f"n_out={n_out}"
        raise MissingRuleError(f"envelope: {what} cannot be traced{place()}; take a real one at its own points")
    first, last = (-(n // 2) if bp_in[0] is None else bp_in[0]), ((n + 1) // 2 if bp_in[1] is None else bp_in[1])
    if not -n // 2 <= first < last <= (n + 1) // 2:
        raise ValueError(f"envelope: the band {bp_in!r}{place()} of a signal of {n} points must hold a frequency")
    rows = np.moveaxis(z, axis, -1)
    frequency = np.rint(np.fft.fftfreq(n) * n).astype(int)
    spectrum = np.fft.fft(rows)
    half = np.arange(n) <= n // 2
    inside = (frequency >= first) & (frequency < last)
    band = np.fft.ifft(spectrum * np.where(half & inside, np.where(frequency > 0, 2.0, 1.0), 0.0))
    size = np.real(band) ** 2 + np.imag(band) ** 2 if squared else np.abs(band)
    found = np.moveaxis(size, -1, axis)
    if residual is None:
        return found
    # As in SciPy, half the sampling frequency is a negative one, and nothing is left of a band that begins at 0.
    kept = half & ~inside & (first != 0)
    if residual == "lowpass":
        kept &= frequency < max(last, 0)
    rest = np.fft.irfft(spectrum[..., : n // 2 + 1] * kept[: n // 2 + 1], n)
    return np.stack([found, np.moveaxis(rest, -1, axis)])

"""Spectra of traced signals, as in `scipy.signal`: by windows of the signal and their Fourier transforms."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.location import place
from graphad.numpy.arguments import axis_of, operand
from graphad.ops.elementwise import cast
from graphad.scipy.dispatch import namespace
from graphad.scipy.signal.convolutions import detrend as _detrend
from graphad.scipy.signal.edges import chosen, extended, floating, framed, vector
from graphad.types import complex_dtype

_traced = namespace("scipy.signal")[0]


class _Frames:
    """How a signal is cut into windows: their values, their distance, the points of their transforms, the rate."""

    def __init__(self, name: str, length: int, fs: Any, window: Any, nperseg: Any, noverlap: Any, nfft: Any) -> None:
        from scipy.signal import get_window

        if isinstance(window, (str, tuple)):
            self.size = min(256 if nperseg is None else int(nperseg), length)
            if self.size < 1:
                raise ShapeError(f"{name}: nperseg={self.size}{place()}; give 1 or more")
            self.window = get_window(window, self.size)
        else:
            self.window = floating(vector(window, name, "window"))
            self.size = self.window.shape[0]
            if nperseg not in (None, self.size) or self.size > length:
                raise ShapeError(
                    f"{name}: a window of {self.size} points{place()} for nperseg={nperseg} and a signal of {length}"
                )
        overlap = self.size // 2 if noverlap is None else int(noverlap)
        self.points = self.size if nfft is None else int(nfft)
        if overlap >= self.size or self.points < self.size:
            raise ShapeError(
                f"{name}: noverlap={overlap} and nfft={self.points}{place()} for windows of {self.size}; noverlap must "
                "be less, nfft not less"
            )
        self.step, self.fs = self.size - overlap, fs

    def transformed(self, x: Any, detrend: Any, onesided: bool) -> Any:
        """The Fourier transforms of the windows of the last axis, on an axis behind that of the windows."""
        parts = framed(x, self.size, self.step)
        if callable(detrend):
            parts = detrend(parts)
        elif detrend:
            parts = _detrend(parts, type=detrend if self.size > 1 else "constant")
        parts = parts * cast(self.window, parts.dtype)
        return np.fft.rfft(parts, self.points) if onesided else np.fft.fft(parts, self.points)

    def scale(self, scaling: str, name: str) -> Any:
        """The factor of squared transforms."""
        chosen(scaling, ("density", "spectrum"), name, "scaling")
        if scaling == "density":
            return 1.0 / (self.fs * np.sum(self.window * self.window))
        return 1.0 / np.sum(self.window) ** 2

    def frequencies(self, onesided: bool) -> Any:
        return (np.fft.rfftfreq if onesided else np.fft.fftfreq)(self.points) * self.fs

    def doubled(self, power: Any) -> Any:
        """The power of non-negative frequencies, with that of their negatives."""
        weights = np.full(power.shape[-1], 2.0)
        weights[0] = 1
        if self.points % 2 == 0:
            weights[-1] = 1
        return power * weights


def _powers(
    name: str, x: Any, y: Any, frames: tuple[Any, ...], detrend: Any, onesided: bool, scaling: str, axis: int
) -> tuple[Any, Any, Any]:
    """The frequencies, the frames, and `conj(X) Y` of each window: of one signal where `y` is None, a real power."""
    x = floating(x)
    rows = [np.moveaxis(v, axis_of(v, axis, name), -1) for v in ([x] if y is None else [x, floating(y)])]
    length = max(v.shape[-1] for v in rows)
    if not length:
        raise ShapeError(f"{name}: a signal without points{place()}")
    rows = [np.pad(v, [*[(0, 0)] * (v.ndim - 1), (0, length - v.shape[-1])]) for v in rows]
    cut = _Frames(name, length, *frames)
    onesided = onesided and all(v.dtype.kind != "c" for v in rows)
    spectra = [cut.transformed(v, detrend, onesided) for v in rows]
    dtype = np.result_type(*[v.dtype for v in rows], np.float32)
    if y is None:
        power = np.real(spectra[0]) ** 2 + np.imag(spectra[0]) ** 2
    else:
        power, dtype = np.conj(spectra[0]) * spectra[1], complex_dtype(dtype)
    power = power * cut.scale(scaling, name)
    kept = dtype if power.dtype.kind == "c" else np.zeros((), dtype).real.dtype
    return cut.frequencies(onesided), cut, cast(cut.doubled(power) if onesided else power, kept)


def _averaged(power: Any, average: str, name: str) -> Any:
    """The mean of the windows, or their median over its expectation's ratio to the mean (Allen et al., 2012)."""
    chosen(average, ("mean", "median"), name, "average")
    n = power.shape[-2]
    if n == 1:
        return power[..., 0, :]
    if average == "mean":
        return np.mean(power, axis=-2)
    pairs = 2 * np.arange(1.0, (n - 1) // 2 + 1)
    bias = 1 + np.sum(1 / (pairs + 1) - 1 / pairs)
    if power.dtype.kind == "c":
        return (np.median(np.real(power), axis=-2) + 1j * np.median(np.imag(power), axis=-2)) / bias
    return np.median(power, axis=-2) / bias


@_traced
def welch(
    x: Any,
    fs: Any = 1.0,
    window: Any = "hann_periodic",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    average: str = "mean",
) -> Any:
    """SciPy's `welch`: the frequencies and the power spectrum, averaged over windows that overlap."""
    frames = (fs, window, nperseg, noverlap, nfft)
    f, _, power = _powers("welch", x, None, frames, detrend, return_onesided, scaling, axis)
    return f, np.moveaxis(_averaged(power, average, "welch"), -1, axis)


@_traced
def csd(
    x: Any,
    y: Any,
    fs: Any = 1.0,
    window: Any = "hann_periodic",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    average: str = "mean",
) -> Any:
    """SciPy's `csd`: the frequencies and the cross power spectrum of two signals."""
    frames = (fs, window, nperseg, noverlap, nfft)
    f, _, power = _powers("csd", x, None if y is x else y, frames, detrend, return_onesided, scaling, axis)
    return f, np.moveaxis(_averaged(power, average, "csd"), -1, axis)


@_traced
def periodogram(
    x: Any,
    fs: Any = 1.0,
    window: Any = "boxcar",
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
) -> Any:
    """SciPy's `periodogram`: the power spectrum of the signal as one window."""
    x = operand(x)
    axis = axis_of(x, axis, "periodogram")
    n = x.shape[axis] if nfft is None else min(int(nfft), x.shape[axis])
    x = np.moveaxis(np.moveaxis(x, axis, 0)[:n], 0, axis)
    window = "boxcar" if window is None else window
    return welch(x, fs, window, n, 0, nfft, detrend, return_onesided, scaling, axis)


@_traced
def coherence(
    x: Any,
    y: Any,
    fs: Any = 1.0,
    window: Any = "hann_periodic",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    axis: int = -1,
) -> Any:
    """SciPy's `coherence`: `|P_xy|^2 / (P_xx P_yy)` of the averaged spectra."""
    rest: dict[str, Any] = {"nperseg": nperseg, "noverlap": noverlap, "nfft": nfft, "detrend": detrend, "axis": axis}
    f, first = welch(x, fs, window, **rest)
    second = welch(y, fs, window, **rest)[1]
    both = csd(x, y, fs, window, **rest)[1]
    return f, (np.real(both) ** 2 + np.imag(both) ** 2) / first / second


def _times(cut: _Frames, length: int) -> Any:
    return np.arange(cut.size / 2, length - cut.size / 2 + 1, cut.step)


def _placed(spectra: Any, axis: int) -> Any:
    """The frequencies where the signal's axis was, the windows last."""
    return np.moveaxis(spectra, -1, axis - 1 if axis < 0 else axis)


@_traced
def spectrogram(
    x: Any,
    fs: Any = 1.0,
    window: Any = ("tukey_periodic", 0.25),
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    mode: str = "psd",
) -> Any:
    """SciPy's `spectrogram`: the frequencies, the times, and the spectrum of each window."""
    chosen(mode, ("psd", "complex", "magnitude", "angle", "phase"), "spectrogram", "mode")
    x = floating(x)
    length = x.shape[axis_of(x, axis, "spectrogram")]
    if noverlap is None:
        noverlap = _Frames("spectrogram", length, fs, window, nperseg, 0, None).size // 8
    frames = (fs, window, nperseg, noverlap, nfft)
    if mode == "psd":
        f, cut, found = _powers("spectrogram", x, None, frames, detrend, return_onesided, scaling, axis)
        return f, _times(cut, length) / fs, _placed(found, axis)
    cut = _Frames("spectrogram", length, *frames)
    onesided = return_onesided and x.dtype.kind != "c"
    found = cut.transformed(np.moveaxis(x, axis, -1), detrend, onesided) * np.sqrt(cut.scale(scaling, "spectrogram"))
    found = _placed(cast(found, complex_dtype(x.dtype)), axis)
    if mode == "magnitude":
        found = np.abs(found)
    elif mode in ("angle", "phase"):
        found = np.angle(found)
        found = np.unwrap(found, axis=axis - 1 if axis < 0 else axis) if mode == "phase" else found
    return cut.frequencies(onesided), _times(cut, length) / fs, found


_BOUNDARIES = {"even": "reflect", "odd": "antireflect", "constant": "edge", "zeros": "constant"}


@_traced
def stft(
    x: Any,
    fs: Any = 1.0,
    window: Any = "hann_periodic",
    nperseg: int | None = 256,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = False,
    return_onesided: bool = True,
    boundary: str | None = "zeros",
    padded: bool = True,
    axis: int = -1,
    scaling: str = "spectrum",
) -> Any:
    """SciPy's `stft`: the frequencies, the times, and the Fourier transform of each window."""
    chosen(scaling, ("spectrum", "psd"), "stft", "scaling")
    chosen(boundary, (*_BOUNDARIES, None), "stft", "boundary")
    x = floating(x)
    rows = np.moveaxis(x, axis_of(x, axis, "stft"), 0)
    cut = _Frames("stft", rows.shape[0], fs, window, nperseg, noverlap, nfft)
    if boundary is not None:
        rows = extended(rows, cut.size // 2, cut.size // 2, _BOUNDARIES[boundary])
    if padded:
        rows = extended(rows, 0, -(rows.shape[0] - cut.size) % cut.step % cut.size, "constant")
    onesided = return_onesided and x.dtype.kind != "c"
    found = cut.transformed(np.moveaxis(rows, 0, -1), detrend, onesided)
    found = found * np.sqrt(cut.scale("density" if scaling == "psd" else scaling, "stft"))
    times = _times(cut, rows.shape[0]) - (0 if boundary is None else cut.size / 2)
    return cut.frequencies(onesided), times / fs, _placed(cast(found, complex_dtype(x.dtype)), axis)


@_traced
def istft(
    Zxx: Any,
    fs: Any = 1.0,
    window: Any = "hann_periodic",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    input_onesided: bool = True,
    boundary: bool = True,
    time_axis: int = -1,
    freq_axis: int = -2,
    scaling: str = "spectrum",
) -> Any:
    """SciPy's `istft`: the times and the signal, whose transforms of windows are nearest to the given ones."""
    chosen(scaling, ("spectrum", "psd"), "istft", "scaling")
    spectra = floating(Zxx)
    times, freqs = axis_of(spectra, time_axis, "istft"), axis_of(spectra, freq_axis, "istft")
    if spectra.ndim < 2 or times == freqs:
        raise ShapeError(f"istft: time_axis={time_axis} and freq_axis={freq_axis}{place()} must be two axes")
    spectra = np.moveaxis(spectra, (times, freqs), (-2, -1))
    count, frequencies = spectra.shape[-2:]
    size = 2 * (frequencies - 1) if input_onesided else frequencies
    length = size if nperseg is None else int(nperseg)
    if nfft is None:
        nfft = length if input_onesided and length == size + 1 else size
    cut = _Frames("istft", length, fs, window, length, noverlap, nfft)
    parts = np.fft.irfft(spectra, cut.points) if input_onesided else np.fft.ifft(spectra, cut.points)
    weights = cast(cut.window, np.real(parts).dtype)
    norm = np.sum(weights) if scaling == "spectrum" else np.sqrt(fs * np.sum(weights**2))
    # Of each point, the windows that it lies in and its place in them; `count * length` stands for none.
    t = np.arange(length + (count - 1) * cut.step)[:, None]
    k = np.arange(-(-length // cut.step))
    segment, inside = t // cut.step - k, t % cut.step + k * cut.step
    lies = (segment >= 0) & (segment < count) & (inside < length)
    sources = np.where(lies, segment * length + inside, count * length)
    if boundary:
        sources = sources[length // 2 : len(sources) - length // 2]

    def added(values: Any) -> Any:
        flat = values.reshape(*values.shape[:-2], -1)
        return np.sum(np.take(np.pad(flat, [*[(0, 0)] * (flat.ndim - 1), (0, 1)]), sources, axis=-1), axis=-1)

    total = added(parts[..., :length] * weights) * norm
    cover = added(np.broadcast_to(weights**2, (count, length)))
    signal = total / np.where(cover > 1e-10, cover, 1.0)
    if signal.ndim > 1:
        signal = np.moveaxis(signal, -1, times - (freqs < times))
    return np.arange(signal.shape[0]) / fs, signal

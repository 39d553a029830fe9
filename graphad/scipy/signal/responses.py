"""Frequency responses of traced filters, as in `scipy.signal`, and the bilinear transform of analogue ones."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
from numpy.polynomial import Polynomial

from graphad.api.call import ShapeDtype
from graphad.api.custom import pure_callback, stop_gradient
from graphad.errors import MissingRuleError, ShapeError
from graphad.location import place
from graphad.numpy.arguments import float_dtype, known, operand
from graphad.ops.elementwise import cast
from graphad.scipy.dispatch import namespace
from graphad.scipy.signal.edges import floating, sections, vector
from graphad.types import Array, ArrayLike, real_dtype

_traced = namespace("scipy.signal")[0]


def _count(frequencies: Any, default: int) -> int | None:
    """How many frequencies an argument asks for, None where it gives them."""
    if frequencies is None:
        return default
    try:
        return operator.index(frequencies)
    except TypeError:
        return None


def _unplotted(plot: Any, name: str) -> None:
    if plot is not None:
        raise MissingRuleError(f"{name}: plot= cannot be traced{place()}; plot the results that the function gives")


@_traced
def freqz(
    b: Any,
    a: Any = 1,
    worN: Any = 512,
    whole: bool = False,
    plot: Any = None,
    fs: Any = 2 * math.pi,
    include_nyquist: bool = False,
) -> Any:
    """SciPy's `freqz`: the frequencies, and the digital filter's response at each.

    Differentiable in the coefficients and in given frequencies. Equally spaced ones are those of a Fourier transform.
    """
    _unplotted(plot, "freqz")
    b, a = vector(b, "freqz", "b"), vector(a, "freqz", "a")
    dtype = float_dtype(b, a)
    b, a = cast(b, dtype), cast(a, dtype)
    count = _count(worN, 512)
    if count is None:
        w = floating(vector(worN, "freqz", "worN")) * (2 * math.pi) / fs
        return w * (fs / (2 * math.pi)), _response(b, w) / _response(a, w)
    if count < 1:
        raise ShapeError(f"freqz: worN={count}{place()} frequencies; give 1 or more")
    nyquist = include_nyquist and not whole
    w = np.linspace(0, (2 if whole else 1) * math.pi, count, endpoint=nyquist, dtype=real_dtype(dtype))
    points = count if whole else 2 * (count - 1) if nyquist else 2 * count
    if points >= max(b.shape[0], a.shape[0]):
        response = np.fft.fft(b, points)[:count] / np.fft.fft(a, points)[:count]
    else:
        response = _response(b, w) / _response(a, w)
    return w * (fs / (2 * math.pi)), response


def _response(taps: Any, w: Any) -> Any:
    """`sum_k taps_k exp(-i k w)`."""
    return np.exp(-1j * np.outer(w, np.arange(taps.shape[0]))) @ taps


@_traced
def freqz_sos(sos: Any, worN: Any = 512, whole: bool = False, fs: Any = 2 * math.pi) -> Any:
    """SciPy's `freqz_sos`: the frequencies and the response of a cascade of sections, the product of theirs."""
    sos = sections(sos, "freqz_sos")
    w, response = freqz(sos[0, :3], sos[0, 3:], worN, whole, None, fs)
    for s in range(1, sos.shape[0]):
        response = response * freqz(sos[s, :3], sos[s, 3:], worN, whole, None, fs)[1]
    return w, response


@_traced
def sosfreqz(*args: Any, **kwargs: Any) -> Any:
    """SciPy's `sosfreqz`, another name of `freqz_sos`."""
    return freqz_sos(*args, **kwargs)


def _chosen(num: Any, den: Any, worN: ArrayLike, kind: str, name: str) -> Array:
    """The frequencies that are given, or those that SciPy chooses: by powers of 10 that do not move with the roots."""
    count = _count(worN, 200)
    if count is None:
        return vector(worN, name, "worN")

    def found(num: Any, den: Any) -> Array:
        from scipy.signal import findfreqs

        return findfreqs(num, den, count, kind)

    if known(num) is not None and known(den) is not None:
        return found(known(num), known(den))
    return pure_callback(found, ShapeDtype((count,), float), stop_gradient(num), stop_gradient(den))


def _from_roots(x: Array, roots: Array) -> Array:
    """The product of the distances from the roots."""
    return np.prod(x[:, None] - roots, axis=1)


@_traced
def freqs_zpk(z: ArrayLike, p: ArrayLike, k: Array, worN: ArrayLike = 200) -> Any:
    """SciPy's `freqs_zpk`: the frequencies, and the response of an analogue filter of zeros, poles and gain."""
    z, p = (np.atleast_1d(operand(x)) for x in (z, p))
    w = _chosen(z, p, worN, "zp", "freqs_zpk")
    s = 1j * w
    return w, k * _from_roots(s, z) / _from_roots(s, p)


@_traced
def freqz_zpk(
    z: ArrayLike, p: ArrayLike, k: Array, worN: ArrayLike = 512, whole: bool = False, fs: Any = 2 * math.pi
) -> Any:
    """SciPy's `freqz_zpk`: the frequencies, and the response of a digital filter of zeros, poles and gain."""
    z, p = (np.atleast_1d(operand(x)) for x in (z, p))
    count = _count(worN, 512)
    if count is None:
        w = floating(vector(worN, "freqz_zpk", "worN")) * (2 * math.pi) / fs
    else:
        w = np.linspace(0, (2 if whole else 1) * math.pi, count, endpoint=False)
    at = np.exp(1j * w)
    return w * (fs / (2 * math.pi)), k * _from_roots(at, z) / _from_roots(at, p)


@_traced
def freqs(b: Any, a: Any, worN: Any = 200, plot: Any = None) -> Any:
    """SciPy's `freqs`: the frequencies `worN`, and the analogue filter's response at each."""
    _unplotted(plot, "freqs")
    b, a = vector(b, "freqs", "b"), vector(a, "freqs", "a")
    w = _chosen(b, a, worN, "ba", "freqs")
    s = 1j * w
    return w, np.polyval(b, s) / np.polyval(a, s)


@_traced
def bilinear(b: ArrayLike, a: ArrayLike, fs: Any = 1.0) -> Any:
    """SciPy's `bilinear`: a digital filter from an analogue one, by `s = 2 fs (z - 1) / (z + 1)`.

    Leading coefficients that are 0 are dropped where they are known.
    """
    b, a = (_led(floating(vector(v, "bilinear", n))) for v, n in ((b, "b"), (a, "a")))
    order = max(b.shape[0], a.shape[0]) - 1
    powers = np.arange(order + 1)
    # Row q holds the coefficients of (z + 1)^(order - q) (z - 1)^q, highest power first.
    rows = np.stack([(Polynomial((1, 1)) ** (order - q) * Polynomial((-1, 1)) ** q).coef[::-1] for q in powers])
    scale = (2.0 * fs) ** powers
    num, den = ((np.flip(v) * scale[: v.shape[0]]) @ rows[: v.shape[0]] for v in (b, a))
    return num / den[0], den / den[0]


def _led(taps: Array) -> Array:
    values = known(taps)
    return taps if values is None else taps[len(values) - len(np.trim_zeros(values, "f")) :]

"""Waveforms of traced times, as in `scipy.signal`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.location import place
from graphad.numpy.arguments import known, operand
from graphad.scipy.dispatch import namespace
from graphad.scipy.signal.edges import chosen, floating
from graphad.types import Array, ArrayLike

_traced = namespace("scipy.signal")[0]


@_traced
def sawtooth(t: Any, width: Any = 1) -> Any:
    """SciPy's `sawtooth`, of period 2 pi: up from -1 to 1 in the part `width` of it, down in the rest."""
    t, width = floating(t), operand(width)
    phase = np.mod(t, 2 * math.pi) / math.pi
    rising = phase < 2 * width
    up = phase / np.where(rising, width, 1.0) - 1
    down = (width + 1 - phase) / np.where(rising, 1.0, 1 - width)
    return np.where(_inside(width), np.where(rising, up, down), np.nan)


@_traced
def square(t: Any, duty: Any = 0.5) -> Any:
    """SciPy's `square`, of period 2 pi: 1 in the part `duty` of it, -1 in the rest."""
    duty = operand(duty)
    high = np.mod(floating(t), 2 * math.pi) < duty * 2 * math.pi
    return np.where(_inside(duty), np.where(high, 1.0, -1.0), np.nan)


def _inside(part: Any) -> Array:
    return np.logical_and(part >= 0, part <= 1)


def _required(name: str, what: str, *holds: Any) -> None:
    """Raise `ValueError` for a condition on parameters that is known to fail."""
    for condition in holds:
        value = known(operand(condition))
        if value is not None and not np.all(value):
            raise ValueError(f"{name}: {what}{place()}")


@_traced
def chirp(
    t: ArrayLike,
    f0: ArrayLike,
    t1: Any,
    f1: ArrayLike,
    method: str = "linear",
    phi: Any = 0,
    vertex_zero: bool = True,
    *,
    complex: bool = False,
) -> Array:
    """SciPy's `chirp`: a cosine whose frequency goes from `f0` at time 0 to `f1` at `t1`."""
    short = {"lin": "linear", "li": "linear", "quad": "quadratic", "q": "quadratic", "log": "logarithmic"}
    method = {**short, "lo": "logarithmic", "hyp": "hyperbolic"}.get(method, method)
    chosen(method, ("linear", "quadratic", "logarithmic", "hyperbolic"), "chirp", "method")
    t, f0, t1, f1 = (floating(v) for v in (t, f0, t1, f1))
    if method == "linear":
        turns = f0 * t + 0.5 * (f1 - f0) / t1 * t**2
    elif method == "quadratic":
        beta = (f1 - f0) / t1**2
        turns = f0 * t + beta * t**3 / 3 if vertex_zero else f1 * t + beta * ((t1 - t) ** 3 - t1**3) / 3
    elif method == "logarithmic":
        _required("chirp", "f0 and f1 must have one sign for method 'logarithmic'", f0 * f1 > 0)
        equal = f0 == f1
        ratio = np.where(equal, 2.0, f1) / np.where(equal, 1.0, f0)
        turns = np.where(equal, f0 * t, f0 * t1 / np.log(ratio) * (ratio ** (t / t1) - 1.0))
    else:
        _required("chirp", "f0 and f1 must not be 0 for method 'hyperbolic'", f0 != 0, f1 != 0)
        equal = f0 == f1
        gap = np.where(equal, 1.0, f1 - f0)
        turns = np.where(equal, f0 * t, -f1 * t1 / gap * f0 * np.log(np.abs(1 - t * gap / (f1 * t1))))
    phase = 2 * math.pi * turns + np.deg2rad(floating(phi))
    return np.exp(1j * phase) if complex else np.cos(phase)


@_traced
def gausspulse(
    t: Any, fc: Any = 1000, bw: Any = 0.5, bwr: Any = -6, tpr: Any = -60, retquad: bool = False, retenv: bool = False
) -> Any:
    """SciPy's `gausspulse`: a wave of frequency `fc` under a Gaussian, or for `t="cutoff"` when that falls to `tpr`."""
    _required("gausspulse", "fc must be 0 or more, bw positive and bwr negative", fc >= 0, bw > 0, bwr < 0)
    fc, bw, bwr = (floating(v) for v in (fc, bw, bwr))
    rate = (math.pi * fc * bw) ** 2 / (-bwr / 5 * math.log(10))
    if isinstance(t, str):
        chosen(t, ("cutoff",), "gausspulse", "t")
        _required("gausspulse", "tpr must be negative", tpr < 0)
        return np.sqrt(-floating(tpr) / 20 * math.log(10) / rate)
    t = floating(t)
    envelope = np.exp(-rate * t * t)
    wave = 2 * math.pi * fc * t
    parts = [envelope * np.cos(wave), *([envelope * np.sin(wave)] if retquad else []), *([envelope] if retenv else [])]
    return parts[0] if len(parts) == 1 else tuple(parts)


@_traced
def gauss_spline(x: ArrayLike, n: int) -> Array:
    """SciPy's `gauss_spline`: the Gaussian that a B-spline of order `n` tends to."""
    variance = (n + 1) / 12.0
    return np.exp(-(floating(x) ** 2) / 2 / variance) / math.sqrt(2 * math.pi * variance)

"""Windows with traced parameters, and filters of finite response by them: names of `scipy.signal`."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError, ShapeError
from graphad.location import place
from graphad.numpy.arguments import known, operand
from graphad.ops.elementwise import cast
from graphad.scipy.arguments import holds_traced
from graphad.scipy.dispatch import namespace
from graphad.scipy.signal.edges import chosen, floating, vector
from graphad.types import FLOAT64, Array, ArrayLike

_traced = namespace("scipy.signal")[0]


def _kaiser(n: Any, size: int, beta: Any) -> Any:
    from graphad.scipy.special import i0

    middle = (size - 1) / 2.0
    return i0(beta * np.sqrt(1 - ((n - middle) / middle) ** 2)) / i0(beta)


_WINDOWS: dict[str, Callable[..., Any]] = {
    "kaiser": _kaiser, "ksr": _kaiser,
    "gaussian": lambda n, size, std: np.exp(-((n - (size - 1) / 2.0) ** 2) / (2 * std * std)),
    "general_gaussian": lambda n, size, p, sig: np.exp(-0.5 * np.abs((n - (size - 1) / 2.0) / sig) ** (2 * p)),
    "exponential": lambda n, size, center=None, tau=1.0: np.exp(
        -np.abs(n - ((size - 1) / 2 if center is None else center)) / tau
    ),
    "general_hamming": lambda n, size, alpha: alpha - (1.0 - alpha) * np.cos(2 * math.pi * n / (size - 1)),
    "general_cosine": lambda n, size, a: sum(
        (-1) ** k * a[k] * np.cos(2 * math.pi * k * n / (size - 1)) for k in range(len(a))
    ),
}  # fmt: skip
"""Windows of a parameter at the points `n` of so many."""


@_traced
def get_window(window: Any, Nx: Any, fftbins: bool = True, *, xp: Any = None, device: Any = None) -> Array:
    """SciPy's `get_window` of Kaiser's, Gauss's, exponential and general cosine windows with traced parameters."""
    name, parameters = (window[0], window[1:]) if isinstance(window, tuple) else ("kaiser", (window,))
    size, symmetric = operator.index(Nx), not fftbins
    for ending, kind in (("_symmetric", True), ("_periodic", False)):
        if name.endswith(ending):
            name, symmetric = name.removesuffix(ending), kind
    if name not in _WINDOWS:
        raise MissingRuleError(f"get_window: the parameters of {name!r} cannot be traced{place()}; use 'kaiser'")
    if size <= 1:
        return np.ones(size)
    points = size if symmetric else size + 1
    parameters = tuple([x if isinstance(x, (tuple, list)) or x is None else operand(x) for x in parameters])
    return _WINDOWS[name](np.arange(float(points)), points, *parameters)[:size]


@_traced
def kaiser_beta(a: Any) -> Any:
    """SciPy's `kaiser_beta`: the parameter of Kaiser's window for an attenuation in decibels."""
    a = cast(operand(a), FLOAT64)
    above = np.maximum(a - 21, 1e-300)
    middle = 0.5842 * np.where(a > 21, above, 1.0) ** 0.4 + 0.07886 * (a - 21)
    return np.where(a > 50, 0.1102 * (a - 8.7), np.where(a > 21, middle, 0.0))


@_traced
def firwin(
    numtaps: Any, cutoff: ArrayLike, *, width: Array | None = None, window: Any = "hamming", pass_zero: Any = True,
    scale: bool = True, fs: Any = None,
) -> Array:  # fmt: skip
    """SciPy's `firwin`, differentiable in the frequencies and in the window's parameters."""
    from scipy import signal

    n = operator.index(numtaps)
    half = 1.0 if fs is None else operand(fs) / 2.0
    edges = vector(cutoff, "firwin", "cutoff") / half
    values = known(edges)
    if values is not None and (np.any(values <= 0) or np.any(values >= 1) or np.any(np.diff(values) <= 0)):
        raise ValueError(f"firwin: cutoff frequencies{place()} must rise between 0 and half of fs")
    if width is not None:
        window = ("kaiser", kaiser_beta(signal.kaiser_atten(n, width / half)))
    chosen(pass_zero, (True, False, "bandstop", "lowpass", "bandpass", "highpass"), "firwin", "pass_zero")
    count = edges.shape[0]
    if isinstance(pass_zero, str):
        if (count == 1) != (pass_zero in ("lowpass", "highpass")):
            raise ShapeError(f"firwin: {count} cutoff frequencies{place()} for pass_zero={pass_zero!r}")
        pass_zero = pass_zero in ("bandstop", "lowpass")
    nyquist = (count % 2 == 0) == pass_zero
    if nyquist and n % 2 == 0:
        raise ValueError(f"firwin: {n} taps{place()} give no response at half of fs; give an odd number")
    bands = np.concatenate([np.zeros(int(pass_zero)), edges, np.ones(int(nyquist))]).reshape(-1, 2)
    m = np.arange(float(n)) - 0.5 * (n - 1)
    taps: Any = 0.0
    for i in range(bands.shape[0]):
        taps = taps + bands[i, 1] * np.sinc(bands[i, 1] * m) - bands[i, 0] * np.sinc(bands[i, 0] * m)
    made = get_window if holds_traced(window) else signal.get_window
    taps = taps * made(window, n, fftbins=False)
    if not scale:
        return taps
    one_band = bands.shape[0] == 1
    at = 0.0 if pass_zero else 1.0 if nyquist and one_band else 0.5 * (bands[0, 0] + bands[0, 1])
    return taps / np.sum(taps * np.cos(math.pi * m * at))


@_traced
def minimum_phase(h: Any, method: str = "homomorphic", n_fft: Any = None, *, half: bool = True) -> Any:
    """SciPy's `minimum_phase` by the method `"homomorphic"`."""
    chosen(method, ("homomorphic", "hilbert"), "minimum_phase", "method")
    if method == "hilbert":
        raise MissingRuleError(f"minimum_phase: method='hilbert' cannot be traced{place()}; use 'homomorphic'")
    h = floating(vector(h, "minimum_phase", "h"))
    n = h.shape[0]
    if h.dtype.kind == "c" or n <= 2:
        raise ShapeError(f"minimum_phase: {h.type}{place()}; give 3 real coefficients or more")
    size = 2 ** math.ceil(math.log2(2 * (n - 1) / 0.01)) if n_fft is None else operator.index(n_fft)
    if size < n:
        raise ShapeError(f"minimum_phase: n_fft={size}{place()} is less than the {n} coefficients")
    gains = np.abs(np.fft.fft(h, size))
    gains = np.log(gains + 1e-7 * np.min(np.where(gains > 0, gains, np.inf)))
    cepstrum = np.real(np.fft.ifft(gains * 0.5 if half else gains))
    fold = np.zeros(size)
    fold[0], fold[1 : size // 2] = 1.0, 2.0
    if size % 2:
        fold[size // 2] = 1.0
    found = np.real(np.fft.ifft(np.exp(np.fft.fft(cepstrum * fold))))
    return found[: n // 2 + n % 2 if half else n]

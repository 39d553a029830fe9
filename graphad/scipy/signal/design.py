"""Analogue prototypes moved and made digital, and filters designed by frequencies: names of `scipy.signal`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError, ShapeError
from graphad.location import place
from graphad.numpy.arguments import known, operand
from graphad.ops.elementwise import cast
from graphad.scipy.arguments import holds_traced
from graphad.scipy.dispatch import namespace
from graphad.scipy.signal.edges import chosen, floating, vector
from graphad.scipy.signal.systems import normalize, polynomial, zpk2sos
from graphad.types import COMPLEX128, FLOAT64, Array, ArrayLike

_traced = namespace("scipy.signal")[0]


def _number(x: Any) -> Array:
    """A parameter as a number, of an array the only element."""
    return cast(operand(x).reshape(()), FLOAT64)


def _two(b: Any, a: Any, name: str) -> tuple[Any, Any]:
    return floating(vector(b, name, "b")), floating(vector(a, name, "a"))


# -- polynomials --------------------------------------------------------------------------------------------------


@_traced
def lp2lp(b: Any, a: Any, wo: Any = 1.0) -> Any:
    """SciPy's `lp2lp`: another cutoff frequency of a lowpass filter."""
    b, a = _two(b, a, "lp2lp")
    d, n = a.shape[0], b.shape[0]
    powers = _number(wo) ** np.arange(max(d, n) - 1, -1, -1.0)
    shift = powers[max(n - d, 0)]
    return normalize(b * shift / powers[max(d - n, 0) :], a * shift / powers[max(n - d, 0) :])


@_traced
def lp2hp(b: Any, a: Any, wo: Any = 1.0) -> Any:
    """SciPy's `lp2hp`: a highpass filter from a lowpass one."""
    b, a = _two(b, a, "lp2hp")
    size = max(a.shape[0], b.shape[0])
    powers = _number(wo) ** np.arange(float(size))
    b, a = (np.pad(np.flip(x) * powers[: x.shape[0]], (0, size - x.shape[0])) for x in (b, a))
    return normalize(b, a)


def _substituted(taps: Any, wo: Array, bw: Array, order: int, stop: bool) -> Array:
    """The polynomial in `(s^2 + wo^2) / (bw s)`, or for `stop` in its inverse, times the denominator's `order`-th
    power."""
    degree = taps.shape[0] - 1
    found: list[Any] = [0.0] * (2 * order + 1 if stop else degree + order + 1)
    for i in range(degree + 1):
        above = order - i if stop else i
        for k in range(above + 1):
            j = i + 2 * k if stop else order - i + 2 * k
            factor = math.comb(above, k) * wo ** (2 * (above - k)) * (bw**i if stop else bw ** (-i))
            found[j] = found[j] + factor * taps[degree - i]
    return np.flip(np.stack([cast(operand(x), taps.dtype) for x in found]))


@_traced
def lp2bp(b: Any, a: Any, wo: Any = 1.0, bw: Any = 1.0) -> Any:
    """SciPy's `lp2bp`: a bandpass filter from a lowpass one, `s` becoming `(s^2 + wo^2) / (bw s)`."""
    b, a = _two(b, a, "lp2bp")
    order = max(b.shape[0], a.shape[0]) - 1
    return normalize(*[_substituted(x, _number(wo), _number(bw), order, False) for x in (b, a)])


@_traced
def lp2bs(b: Any, a: Any, wo: Any = 1.0, bw: Any = 1.0) -> Any:
    """SciPy's `lp2bs`: a bandstop filter from a lowpass one, `s` becoming `bw s / (s^2 + wo^2)`."""
    b, a = _two(b, a, "lp2bs")
    order = max(b.shape[0], a.shape[0]) - 1
    return normalize(*[_substituted(x, _number(wo), _number(bw), order, True) for x in (b, a)])


# -- zeros and poles ----------------------------------------------------------------------------------------------


def _roots(z: Any, p: Any, name: str) -> tuple[Any, Any, int]:
    """Zeros and poles as vectors, and how many more poles there are."""
    z, p = (floating(np.atleast_1d(operand(x))) for x in (z, p))
    degree = p.shape[0] - z.shape[0]
    if degree < 0:
        raise ShapeError(f"{name}: {z.shape[0]} zeros for {p.shape[0]} poles{place()}; it is improper")
    return z, p, degree


def _ratio(z: Any, p: Any) -> Array:
    """The real part of the quotient of the products."""
    return np.real(np.prod(z) / np.prod(p))


@_traced
def bilinear_zpk(z: Any, p: Any, k: Any, fs: Any) -> Any:
    """SciPy's `bilinear_zpk`: a digital filter from an analogue one, by `s = 2 fs (z - 1) / (z + 1)`."""
    z, p, degree = _roots(z, p, "bilinear_zpk")
    rate = 2.0 * _number(fs)
    zeros = np.concatenate([(rate + z) / (rate - z), -np.ones(degree)])
    return zeros, (rate + p) / (rate - p), k * _ratio(rate - z, rate - p)


@_traced
def lp2lp_zpk(z: ArrayLike, p: ArrayLike, k: Any, wo: ArrayLike = 1.0) -> Any:
    """SciPy's `lp2lp_zpk`: another cutoff frequency of a lowpass filter."""
    z, p, degree = _roots(z, p, "lp2lp_zpk")
    wo = _number(wo)
    return wo * z, wo * p, k * wo**degree


@_traced
def lp2hp_zpk(z: Any, p: Any, k: Any, wo: Any = 1.0) -> Any:
    """SciPy's `lp2hp_zpk`: a highpass filter from a lowpass one."""
    z, p, degree = _roots(z, p, "lp2hp_zpk")
    wo = _number(wo)
    return np.concatenate([wo / z, np.zeros(degree)]), wo / p, k * _ratio(-z, -p)


def _split(roots: Any, wo: Array) -> Array:
    """Both solutions of `s^2 - 2 root s + wo^2 == 0` for each root."""
    roots = cast(roots, COMPLEX128)
    half = np.sqrt(roots**2 - wo**2)
    return np.concatenate([roots + half, roots - half])


@_traced
def lp2bp_zpk(z: Any, p: Any, k: Any, wo: Any = 1.0, bw: Any = 1.0) -> Any:
    """SciPy's `lp2bp_zpk`: a bandpass filter from a lowpass one."""
    z, p, degree = _roots(z, p, "lp2bp_zpk")
    wo, bw = _number(wo), _number(bw)
    zeros = np.concatenate([_split(z * bw / 2, wo), np.zeros(degree)])
    return zeros, _split(p * bw / 2, wo), k * bw**degree


@_traced
def lp2bs_zpk(z: Any, p: Any, k: Any, wo: Any = 1.0, bw: Any = 1.0) -> Any:
    """SciPy's `lp2bs_zpk`: a bandstop filter from a lowpass one."""
    z, p, degree = _roots(z, p, "lp2bs_zpk")
    wo, bw = _number(wo), _number(bw)
    zeros = np.concatenate([_split(bw / 2 / z, wo), 1j * wo * np.ones(degree), -1j * wo * np.ones(degree)])
    return zeros, _split(bw / 2 / p, wo), k * _ratio(-z, -p)


# -- prototypes ---------------------------------------------------------------------------------------------------


@_traced
def cheb1ap(N: int, rp: ArrayLike, *, xp: Any = None, device: Any = None) -> Any:
    """SciPy's `cheb1ap`, differentiable in the ripple."""
    if N < 1:
        raise MissingRuleError(f"cheb1ap: N={N} cannot be traced{place()}; give an order of 1 or more")
    size = np.sqrt(10 ** (0.1 * _number(rp)) - 1.0)
    theta = math.pi * np.arange(-N + 1, N, 2) / (2 * N)
    p = -np.sinh(np.arcsinh(1 / size) / N + 1j * theta)
    gain = np.real(np.prod(-p))
    return np.zeros(0), p, gain if N % 2 else gain / np.sqrt(1 + size * size)


@_traced
def cheb2ap(N: int, rs: ArrayLike, *, xp: Any = None, device: Any = None) -> Any:
    """SciPy's `cheb2ap`, differentiable in the attenuation."""
    if N < 1:
        raise MissingRuleError(f"cheb2ap: N={N} cannot be traced{place()}; give an order of 1 or more")
    size = np.sqrt(10 ** (0.1 * _number(rs)) - 1.0)
    steps = np.arange(-N + 1, N, 2)
    z = 1j / np.sin(steps[steps != 0] * math.pi / (2 * N))
    p = -1 / np.sinh(np.arcsinh(size) / N + 1j * math.pi * steps / (2 * N))
    return z, p, _ratio(-p, -z)


def _prototype(name: str, N: int, rp: ArrayLike | None, rs: ArrayLike | None) -> Any:
    """Zeros, poles and gain of the analogue lowpass filter with cutoff 1."""
    from scipy import signal

    if name in ("cheby1", "chebyshev1", "chebyshevi"):
        return cheb1ap(N, rp)
    if name in ("cheby2", "chebyshev2", "chebyshevii"):
        return cheb2ap(N, rs)
    if name in ("ellip", "elliptic", "cauer"):
        if holds_traced((rp, rs)):
            raise MissingRuleError(f"iirfilter: a traced ripple of an elliptic filter{place()}; hold rp and rs fixed")
        return signal.ellipap(N, rp, rs)
    if name.startswith("bessel"):
        return signal.besselap(N, {"bessel": "phase"}.get(name, name.removeprefix("bessel_")))
    chosen(name, ("butter", "butterworth"), "iirfilter", "ftype")
    return signal.buttap(N)


_BANDS = {
    **dict.fromkeys(("lowpass", "low", "lp", "l"), "lowpass"),
    **dict.fromkeys(("highpass", "high", "hp", "h"), "highpass"),
    **dict.fromkeys(("bandpass", "band", "pass", "bp"), "bandpass"),
    **dict.fromkeys(("bandstop", "bands", "stop", "bs"), "bandstop"),
}  # fmt: skip


@_traced
def iirfilter(
    N: int, Wn: Any, rp: Any = None, rs: Any = None, btype: str = "band", analog: bool = False, ftype: str = "butter",
    output: str = "ba", fs: Any = None,
) -> Any:  # fmt: skip
    """SciPy's `iirfilter`, differentiable in the critical frequencies, the sampling frequency and the ripples.

    The ripples of elliptic filters are held fixed; `output="sos"` is of known values, outside of `jit`.
    """
    band, output = _BANDS.get(btype.lower()), output.lower()
    chosen(btype.lower(), tuple(_BANDS), "iirfilter", "btype")
    chosen(output, ("ba", "zpk", "sos"), "iirfilter", "output")
    Wn = cast(np.atleast_1d(operand(Wn)), FLOAT64)
    if fs is not None:
        if analog:
            raise ValueError(f"iirfilter: fs{place()} is of digital filters; leave it out")
        Wn = Wn / (_number(fs) / 2)
    values = known(Wn)
    highest = math.inf if analog else 1.0
    if values is not None and (np.any(values <= 0) or np.any(values >= highest) or np.any(np.diff(values) <= 0)):
        raise ValueError(f"iirfilter: critical frequencies{place()} must rise between 0 and half of fs")
    if Wn.shape != ((1,) if band in ("lowpass", "highpass") else (2,)):
        raise ShapeError(f"iirfilter: Wn of shape {list(Wn.shape)}{place()} for btype={btype!r}")
    z, p, k = _prototype(ftype.lower(), int(N), rp, rs)
    warped = Wn if analog else 4.0 * np.tan(math.pi * Wn / 2.0)
    if band in ("lowpass", "highpass"):
        move = lp2lp_zpk if band == "lowpass" else lp2hp_zpk
        z, p, k = move(z, p, k, warped[0])
    else:
        move = lp2bp_zpk if band == "bandpass" else lp2bs_zpk
        z, p, k = move(z, p, k, np.sqrt(warped[0] * warped[1]), warped[1] - warped[0])
    if not analog:
        z, p, k = bilinear_zpk(z, p, k, 2.0)
    if output == "zpk":
        return z, p, k
    if output == "sos":
        return zpk2sos(z, p, k, analog=analog)
    # The roots are pairs of conjugates by their making.
    return k * np.real(polynomial(z)), np.real(polynomial(p))


@_traced
def butter(
    N: int, Wn: ArrayLike, btype: str = "low", analog: bool = False, output: str = "ba", fs: ArrayLike | None = None
) -> Any:
    """SciPy's `butter`, differentiable in the frequencies."""
    return iirfilter(N, Wn, None, None, btype, analog, "butter", output, fs)


@_traced
def cheby1(
    N: int, rp: ArrayLike, Wn: ArrayLike, btype: str = "low", analog: bool = False, output: str = "ba", fs: Any = None
) -> Any:
    """SciPy's `cheby1`, differentiable in the frequencies and the ripple."""
    return iirfilter(N, Wn, rp, None, btype, analog, "cheby1", output, fs)


@_traced
def cheby2(
    N: int, rs: ArrayLike, Wn: ArrayLike, btype: str = "low", analog: bool = False, output: str = "ba", fs: Any = None
) -> Any:
    """SciPy's `cheby2`, differentiable in the frequencies and the attenuation."""
    return iirfilter(N, Wn, None, rs, btype, analog, "cheby2", output, fs)


@_traced
def ellip(
    N: int,
    rp: Any,
    rs: Any,
    Wn: ArrayLike,
    btype: str = "low",
    analog: bool = False,
    output: str = "ba",
    fs: Any = None,
) -> Any:
    """SciPy's `ellip`, differentiable in the frequencies."""
    return iirfilter(N, Wn, rp, rs, btype, analog, "elliptic", output, fs)


@_traced
def bessel(
    N: int,
    Wn: ArrayLike,
    btype: str = "low",
    analog: bool = False,
    output: str = "ba",
    norm: str = "phase",
    fs: Any = None,
) -> Any:
    """SciPy's `bessel`, differentiable in the frequencies."""
    return iirfilter(N, Wn, None, None, btype, analog, f"bessel_{norm}", output, fs)


def _resonance(w0: Any, Q: Any, fs: Any, peak: bool) -> Any:
    w = 2.0 * math.pi * _number(w0) / _number(fs)
    gain = 1.0 / (1.0 + np.tan(w / _number(Q) / 2.0))
    one, zero, cosine = np.ones(()), np.zeros(()), np.cos(w)
    b = (1.0 - gain) * np.array([1.0, 0.0, -1.0]) if peak else gain * np.stack([one, -2.0 * cosine, one])
    return b, np.stack([one + zero, -2.0 * gain * cosine, 2.0 * gain - 1.0])


@_traced
def iirnotch(w0: ArrayLike, Q: ArrayLike, fs: ArrayLike = 2.0, *, xp: Any = None, device: Any = None) -> Any:
    """SciPy's `iirnotch`, differentiable in all its numbers."""
    return _resonance(w0, Q, fs, False)


@_traced
def iirpeak(w0: ArrayLike, Q: ArrayLike, fs: ArrayLike = 2.0, *, xp: Any = None, device: Any = None) -> Any:
    """SciPy's `iirpeak`, differentiable in all its numbers."""
    return _resonance(w0, Q, fs, True)

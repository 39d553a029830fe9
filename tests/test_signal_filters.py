"""`graphad.scipy.signal`: filters, resampling, spectra and waveforms: SciPy's numbers, derivatives, every executor."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest
import scipy.signal
from scipy.signal import sosfiltfilt

import graphad
import graphad.scipy.signal as gs
from graphad.api.conversion.scope import nested_codes
from graphad.errors import MissingRuleError, ShapeError
from graphad.scipy.dispatch import TRACED, since
from graphad.scipy.signal import convolutions, design, periodograms, simulation, splines, systems, windows

RNG = np.random.default_rng(13)
X, K = RNG.normal(size=40), RNG.normal(size=5)
IMAGE, PATCH = RNG.normal(size=(6, 7)), RNG.normal(size=(3, 2))
LONG = RNG.normal(size=(2, 30))
Z = X[:24] + 1j * RNG.normal(size=24)
B, A = np.array([0.2, 0.3, 0.1]), np.array([1.5, -0.4, 0.2, 0.1])
SOS = scipy.signal.butter(4, 0.3, output="sos")
FREE = np.ascontiguousarray(np.delete(SOS, 3, axis=1))
STATE = RNG.normal(size=(2, 2, 2))
T = np.linspace(0.1, 9.0, 11)
W = np.linspace(0.2, 2.5, 7)
FRAMES = {"fs": 4.0, "nperseg": 8, "noverlap": 3, "nfft": 10}
ODD = {"nperseg": 9, "noverlap": 4}
SPECTRUM = scipy.signal.stft(X, nperseg=8)[2]
WINDOW = np.hanning(9)[:8] + 0.1
sections = lambda c: np.concatenate([c[:, :3], np.ones((len(c), 1)), c[:, 3:]], 1)
EXTENSIONS = ("constant", "wrap", "edge", "smooth", "symmetric", "reflect", "antisymmetric", "antireflect", "line")

LEADING = {} if since("1.18.0") else {
    "lfilter_zi after zeros": (lambda s, b: s.lfilter_zi(b, [0, 0, 2.0, 1.0]), (B,)),
}  # fmt: skip
CASES = {
    **LEADING,
    **{f"filtfilt {p}": (lambda s, b, a, x, p=p: s.filtfilt(b, a, x, padtype=p), (B, A, X))
       for p in ("odd", "even", "constant", None)},
    "filtfilt rows": (lambda s, x: s.filtfilt([0.3, 0.2], 1.0, x, axis=0, padlen=2), (IMAGE,)),
    "lfilter_zi": (lambda s, b, a: [s.lfilter_zi(b, a), s.lfilter_zi(a, b), s.lfilter_zi(b, [2.0])], (B, A)),
    "lfiltic": (lambda s, b, a, y: [s.lfiltic(b, a, y), s.lfiltic(a, b, y[:1], y)], (B, A, X[:5])),
    "sosfilt": (lambda s, c, x: s.sosfilt(sections(c), x), (FREE, X)),
    "sosfilt state": (lambda s, c, x, z: list(s.sosfilt(sections(c), x, 1, z)), (FREE, LONG, STATE.transpose(0, 2, 1))),
    "sosfilt rows": (lambda s, c, x, z: list(s.sosfilt(sections(c), x, 0, z)), (FREE, LONG.T, STATE)),
    "sosfilt_zi": (lambda s, c: s.sosfilt_zi(sections(c)), (FREE + 0.01,)),
    **{f"sosfiltfilt {p}": (lambda s, x, p=p: s.sosfiltfilt(SOS, x, padtype=p), (LONG,))
       for p in ("odd", "even", None)},
    "sosfiltfilt coefficients": (lambda s, c, x: s.sosfiltfilt(sections(c), x, padlen=4), (FREE, X[:20])),
    "sosfiltfilt rows": (lambda s, x: s.sosfiltfilt(SOS, x, axis=0, padtype="constant", padlen=3), (IMAGE,)),
    **{f"savgol {m}": (lambda s, x, m=m: [s.savgol_filter(x, 5, 2, mode=m, cval=0.3),
                                          s.savgol_filter(x, 3, 1, 1, 0.5, axis=0, mode=m)], (IMAGE,))
       for m in ("interp", "mirror", "constant", "nearest", "wrap")},
    "savgol even": (lambda s, x: [s.savgol_filter(x, 4, 2), s.savgol_filter(x, 6, 3, 4, mode="mirror")], (IMAGE,)),
    "wiener": (lambda s, x: [s.wiener(x), s.wiener(x, 5), s.wiener(x, (3, 1), 0.4), s.wiener(x[0])], (IMAGE,)),
    "medfilt": (lambda s, x: [s.medfilt(x), s.medfilt(x, (1, 5)), s.medfilt(x[0], 5), s.medfilt2d(x, 3)], (IMAGE,)),
    **{f"{f} {b} {m}": (lambda s, x, k, f=f, b=b, m=m: getattr(s, f)(x, k, m, b), (IMAGE, PATCH))
       for f in ("convolve2d", "correlate2d") for b in ("fill", "wrap", "symm") for m in ("full", "same", "valid")},
    "convolve2d filled": (lambda s, x, k: s.convolve2d(x, k, "full", "fill", 0.7), (PATCH, IMAGE)),
    "convolve2d far": (lambda s, x, k: [s.convolve2d(x, k, "same", b) for b in ("wrap", "symm")], (PATCH, IMAGE)),
    "images swapped": (lambda s, x, k: [s.convolve2d(x, k, "valid"), s.correlate2d(x, k, "valid")], (PATCH, IMAGE)),
    "correlate2d complex": (lambda s, x, k: s.correlate2d(x, k * 1j + k, "same"), (IMAGE, PATCH)),
    "oaconvolve": (lambda s, x, k: [s.oaconvolve(x, k[:, :1], m, axes=0) for m in ("full", "same", "valid")],
                   (LONG.T, LONG[:, :5].T)),
    **{f"fftconvolve {m}": (lambda s, x, k, m=m: [s.fftconvolve(x, k[:1], m, -1), s.fftconvolve(x, k + 1j, m, [1])],
                            (LONG, LONG[:, :4])) for m in ("full", "same", "valid")},
    "fftconvolve of extents 1": (lambda s, x, k: [s.fftconvolve(x[:, :1], k[:1], m) for m in ("full", "same", "valid")],
                                 (PATCH, IMAGE)),
    "deconvolve": (lambda s, x, k: list(s.deconvolve(x, k)), (X[:9], B)),
    "deconvolve by more": (lambda s, x, k: s.deconvolve(x, k)[1], (B, X[:9])),
    "hilbert2": (
        lambda s, x: [s.hilbert2(x), s.hilbert2(x, 5), s.hilbert2(x, (4, 9), (1, 0)), s.hilbert2(x[0, 0])], (IMAGE,),
    ),
    "decimate": (lambda s, x: [s.decimate(x, 3), s.decimate(x, 2, 4, zero_phase=False)], (LONG,)),
    "decimate fir": (lambda s, x: [s.decimate(x, 2, 8, "fir", 0), s.decimate(x, 3, None, "fir", 0, False)], (LONG.T,)),
    **{f"resample {n}": (lambda s, x, n=n: [s.resample(x, n, axis=1), s.resample(x[:, :7], n, axis=1)], (IMAGE,))
       for n in (4, 5, 7, 10, 11)},
    **{f"resample complex {n}": (lambda s, z, n=n: [s.resample(z, n), s.resample(z[:7], n)], (Z[:8],))
       for n in (4, 5, 8, 10, 11)},
    "resample windowed": (lambda s, x: [s.resample(x, 5, window=w) for w in ("hann", ("kaiser", 3.0), WINDOW)],
                          (X[:8],)),
    "resample windowed odd": (lambda s, x: [*s.resample(x, 9, T, window="hamming"),
                                            s.resample(x + 1j, 4, window=np.cos)], (X[:7],)),
    "resample frequencies": (lambda s, z: s.resample(z, 9, domain="freq", window="hann"), (Z[:8],)),
    **{f"upfirdn {m}": (lambda s, h, x, m=m: [s.upfirdn(h, x, u, d, 0, m, 0.3) for u, d in ((1, 1), (3, 2), (2, 5))],
                        (K, IMAGE)) for m in EXTENSIONS},
    "upfirdn far": (lambda s, h, x: [s.upfirdn(h, x[:3], mode=m) for m in EXTENSIONS], (X[:12], K)),
    **{f"resample_poly {p}": (lambda s, x, p=p: [s.resample_poly(x, 3, 2, padtype=p),
                                                 s.resample_poly(x, 2, 6, 1, K, p)], (LONG.T[:8],))
       for p in (*EXTENSIONS[:4], "mean", "median", "minimum", "maximum")},
    "resample_poly window": (lambda s, x, w: s.resample_poly(x, 4, 3, -1, w, cval=0.2), (IMAGE, K)),
    "freqz": (lambda s, b, a: [y for o in ({}, {"whole": True}, {"include_nyquist": True}, {"worN": 2}, {"fs": 9.0})
                               for y in s.freqz(b, a, **{"worN": 6, **o})], (B, A)),
    "freqz taps": (lambda s, b, w: [*s.freqz(b, worN=w), *s.freqz(b, 2.0, w, fs=5.0), s.freqz(b)[1]], (B, W)),
    "freqz_sos": (lambda s, c, w: [*s.freqz_sos(sections(c), w), s.freqz_sos(sections(c), 8, True)[1],
                                   s.sosfreqz(sections(c)[:1], 5)[1]], (FREE, W)),
    "freqs": (lambda s, b, a, w: list(s.freqs(b, a, w)), (B, A, W)),
    "bilinear": (lambda s, b, a: [*s.bilinear(b, a, 2.0), *s.bilinear([0, 0, 1.0], a)], (B, A)),
    "periodogram": (lambda s, x: [y for o in ({}, {"nfft": 35, "scaling": "spectrum"}, {"nfft": 20}, {"window": "hann"},
                                              {"detrend": "linear", "return_onesided": False})
                                  for y in s.periodogram(x, 3.0, **o)], (LONG,)),
    "periodogram rows": (lambda s, x, w: s.periodogram(x, window=w, axis=0, nfft=12)[1], (IMAGE, np.arange(1.0, 7))),
    **{f"welch {i}": (lambda s, x, o=o: [*s.welch(x, **o)], (LONG,))
       for i, o in enumerate(({**FRAMES, "average": "median"}, {**ODD, "detrend": False, "scaling": "spectrum"},
                              {"window": ("tukey", 0.5), "nperseg": 30}, {**FRAMES, "detrend": "linear"}))},
    "welch rows": (lambda s, x, w: [*s.welch(x, 3.0, w, axis=0)], (LONG.T, WINDOW)),
    "welch of points": (lambda s, x: s.welch(x, nperseg=1, nfft=4, detrend="linear")[1], (LONG,)),
    "welch complex": (lambda s, z: [*s.welch(z, nperseg=8)], (Z,)),
    "welch own trend": (lambda s, x: s.welch(x, nperseg=8, detrend=lambda d: d - d[..., :1])[1], (LONG,)),
    **{f"csd {i}": (lambda s, x, y, o=o: [*s.csd(x, y, **o)], (LONG, LONG[:, ::-1][:, :25]))
       for i, o in enumerate(({**FRAMES, "average": "median"}, ODD, {**ODD, "return_onesided": False}))},
    "csd of one": (lambda s, x: [*s.csd(x, x, nperseg=8)], (X,)),
    "csd complex": (lambda s, z, x: [*s.csd(z, x, nperseg=8)], (Z, X)),
    "coherence": (lambda s, x, y: [*s.coherence(x, y, nperseg=8)], (LONG, X[:30])),
    **{f"spectrogram {m}": (lambda s, x, m=m: [*s.spectrogram(x, 2.0, mode=m, nperseg=8),
                                               *s.spectrogram(x.T, mode=m, axis=0, **ODD)], (LONG,))
       for m in ("psd", "complex", "magnitude", "angle", "phase")},
    "spectrogram complex": (lambda s, z: [*s.spectrogram(z, 1.0, WINDOW, noverlap=2, return_onesided=False)], (Z,)),
    **{f"stft {b}": (lambda s, x, b=b: [*s.stft(x, boundary=b, **FRAMES),
                                        *s.stft(x.T, axis=0, boundary=b, **ODD)], (LONG,))
       for b in ("zeros", "even", "odd", "constant", None)},
    "stft cut": (lambda s, x: [*s.stft(x, 3.0, nperseg=8, padded=False, scaling="psd", detrend="constant")], (X,)),
    "stft complex": (lambda s, z: [*s.stft(z, nperseg=8, return_onesided=False)], (Z,)),
    "istft": (lambda s, z: [*s.istft(z), *s.istft(z, 4.0, boundary=False, noverlap=6, scaling="psd", nfft=8)],
              (SPECTRUM,)),
    "istft odd": (lambda s, z: [s.istft(z, nperseg=9, noverlap=5)[1], s.istft(z, nperseg=7, nfft=8)[1]], (SPECTRUM,)),
    "istft two-sided": (lambda s, z: [s.istft(z, input_onesided=False, window=WINDOW[:5])[1],
                                      s.istft(z.T, time_axis=0, freq_axis=1)[1]], (SPECTRUM,)),
    "istft many": (lambda s, z: s.istft(z, time_axis=1, freq_axis=2)[1], (np.stack([SPECTRUM.T, 2 * SPECTRUM.T]),)),
    "sawtooth": (lambda s, t: [s.sawtooth(t), s.sawtooth(t, 0.3), s.sawtooth(-t, 0), s.sawtooth(t, 1.5)], (T,)),
    "sawtooth width": (lambda s, t, w: s.sawtooth(t, w), (T, np.linspace(0.1, 0.9, 11))),
    "square": (lambda s, t, d: [s.square(t), s.square(t, d), s.square(-t, -1)], (T, np.linspace(0, 1, 11))),
    **{f"chirp {m}": (lambda s, t, m=m: [s.chirp(t, 0.5, 3.0, 2.0, m), s.chirp(t, 0.7, 3.0, 0.7, m, 30),
                                         s.chirp(t, 1.0, 2.0, 0.3, m, vertex_zero=False, complex=True)], (T,))
       for m in ("linear", "quad", "log", "hyp")},
    "gausspulse": (lambda s, t: [*s.gausspulse(t, 2.0, retquad=True, retenv=True),
                                 s.gausspulse(t, 0.5, 0.4, -3)], (T,)),
    "gauss_spline": (lambda s, t: [s.gauss_spline(t, 0), s.gauss_spline(t, 3)], (T,)),
}  # fmt: skip


def parts(x):
    return x if isinstance(x, list) else [x]


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="scipy")
        warnings.filterwarnings("ignore", message="Input data is complex|nperseg|NOLA|kernel_size")
        yield


def test_numbers_are_scipys(executor):
    for name in list(CASES)[:: 30 if executor == "numba" else 1]:
        call, xs = CASES[name]
        found = graphad.jit(lambda *xs, call=call: parts(call(gs, *xs)))(*xs)
        for a, b in zip(found, parts(call(scipy.signal, *xs)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12, err_msg=name)
            assert (np.shape(a), np.asarray(a).dtype) == (np.shape(b), np.asarray(b).dtype), name


def test_every_name_has_a_case_and_scipys_arguments():
    used = set()
    for call, _ in CASES.values():
        used |= {name for code in nested_codes(call.__code__) for name in code.co_names + code.co_consts}
        used |= {default for default in call.__defaults__ or () if isinstance(default, str)}
    others = (convolutions, design, periodograms, simulation, splines, systems, windows)  # tests/test_signal_systems.py
    names = set(TRACED["scipy.signal"]) - {name for module in others for name in vars(module)}
    assert names - used == set()
    for name in names - {"sosfreqz"}:
        ours, theirs = (inspect.signature(getattr(m, name)).parameters.values() for m in (gs, scipy.signal))
        assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs], name


def with_jumps(name):
    """Whether a function jumps, so that differences across a jump tell nothing."""
    return name in ("square", "sawtooth", "spectrogram phase", "spectrogram angle")


@pytest.mark.parametrize("name", [n for n in CASES if not with_jumps(n)])
def test_derivatives(name):
    call, args = CASES[name]
    both = lambda *xs: [part for y in parts(call(gs, *xs)) for part in (np.real(y), np.imag(y))]
    graphad.check_grads(both, args, order=1)


@pytest.mark.parametrize("name", ["filtfilt odd", "sosfiltfilt coefficients", "freqz", "welch 1", "chirp log"])
def test_second_derivatives(name):
    call, args = CASES[name]
    graphad.check_grads(lambda *xs: [np.abs(y) ** 2 for y in parts(call(gs, *xs))], args, order=2)


@pytest.mark.parametrize(
    "name", ["sosfilt", "savgol interp", "medfilt", "convolve2d wrap same", "stft odd", "upfirdn line"]
)
def test_a_batch_is_a_loop(name):
    call, args = CASES[name]
    batch = [np.stack([x, 0.5 * x, x + 0.1]) for x in args]
    found = graphad.jit(graphad.vmap(lambda *xs: parts(call(gs, *xs))))(*batch)
    for i, xs in enumerate(zip(*batch, strict=True)):
        for a, b in zip(found, parts(call(scipy.signal, *xs)), strict=True):
            np.testing.assert_allclose(a[i], b, rtol=1e-10, atol=1e-12)


def smoothed(x):
    y = scipy.signal.filtfilt(B, A, x)
    f, power = scipy.signal.welch(y, nperseg=16)
    return np.sum(f * power) + np.sum(sosfiltfilt(SOS, x)[::3] ** 2)


def test_scipys_own_names_in_converted_code(executor):
    np.testing.assert_allclose(graphad.jit(smoothed)(X), smoothed(X), rtol=1e-11)
    found = graphad.jit(lambda x: scipy.signal.filtfilt(B, A, x))(X)
    np.testing.assert_allclose(found, scipy.signal.filtfilt(B, A, X), rtol=1e-11)
    slopes = [(smoothed(X + d) - smoothed(X - d)) / 2e-5 for d in 1e-5 * np.eye(40)[:4]]
    np.testing.assert_allclose(graphad.grad(smoothed)(X)[:4], slopes, rtol=1e-6, atol=1e-8)


def test_single_precision_and_integers():
    x = IMAGE.astype("f4")
    for call in (
        lambda s, x: s.savgol_filter(x, 5, 2),
        lambda s, x: s.resample(x, 5),
        lambda s, x: s.resample_poly(x, 2, 3),
        lambda s, x: s.welch(x, nperseg=6)[1],
        lambda s, x: s.stft(x, nperseg=6)[2],
        lambda s, x: s.sosfiltfilt(SOS.astype("f4"), x, padlen=3),
    ):
        a, b = graphad.jit(lambda x, call=call: call(gs, x))(x), call(scipy.signal, x)
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)
        assert a.dtype == b.dtype
    n = np.arange(12).reshape(3, 4)
    for call in (
        lambda s, n: s.convolve2d(n, n[:2], "same", "wrap"),
        lambda s, n: s.medfilt(n),
        lambda s, n: s.wiener(n),
        lambda s, n: s.oaconvolve(n, n),
        lambda s, n: s.filtfilt([1, 1], [2], n, padtype=None),
        lambda s, n: s.upfirdn(n[0], n, 2),
        lambda s, n: s.stft(n, nperseg=4)[2],
    ):
        a, b = graphad.jit(lambda n, call=call: call(gs, n))(n), call(scipy.signal, n)
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)
        assert a.dtype == b.dtype


def test_more_than_scipy_differentiates():
    """Parameters that SciPy takes as numbers only."""
    graphad.check_grads(lambda f0, f1: gs.chirp(T, f0, 3.0, f1, "hyp"), (0.5, 2.0), order=1)
    graphad.check_grads(lambda fc, bw: gs.gausspulse(T, fc, bw), (0.3, 0.5), order=1)
    graphad.check_grads(lambda fc: gs.gausspulse("cutoff", fc), (0.3,), order=1)
    graphad.check_grads(lambda fs, w: [gs.bilinear(B, A, fs)[0], gs.welch(X, fs, w)[1]], (3.0, WINDOW), order=1)
    assert graphad.jit(lambda fc: gs.gausspulse("cutoff", fc))(3.0) == scipy.signal.gausspulse("cutoff", 3.0)


@pytest.mark.parametrize(
    ("error", "match", "run"),
    [
        (
            MissingRuleError,
            r"filtfilt: method='gust'.*test_signal.*use method='pad'",
            lambda x: gs.filtfilt(B, A, x, method="gust"),
        ),
        (ShapeError, r"filtfilt: 40 points.*must be more than padlen=50", lambda x: gs.filtfilt(B, A, x, padlen=50)),
        (ValueError, r"filtfilt: padtype='o'.*is none of 'even', 'odd'", lambda x: gs.filtfilt(B, A, x, padtype="o")),
        (ShapeError, r"lfilter_zi: a of shape \[2, 20\]", lambda x: gs.lfilter_zi(x, x.reshape(2, 20))),
        (ValueError, "of parameter `a` must be non-zero", lambda x: gs.lfilter_zi(x, x * 0)),
        (ValueError, r"sum\(a\) == 0", lambda x: gs.lfilter_zi(x, [1.0, -1.0])),
        (ValueError, r"sum\(a\) == 0", lambda x: gs.sosfilt_zi(np.array([[1.0, 2.0, 1.0, 1.0, -1.0, 0.0]]) + 0 * x[0])),
        (ValueError, "first coefficient of a must not be 0.*test_signal", lambda x: gs.lfilter(B, [0.0, 1.0], x)),
        (ShapeError, r"sosfilt: sections of shape \[8, 5\]", lambda x: gs.sosfilt(x.reshape(8, 5), x)),
        (ShapeError, r"sosfilt: zi of shape \[2\].*must have \[2, 2\]", lambda x: gs.sosfilt(SOS, x, zi=x[:2])),
        (ValueError, r"sosfilt: sos\[:, 3\]", lambda x: gs.sosfilt(2 * SOS, x)),
        (MissingRuleError, r"sosfiltfilt: the length .*give padlen", lambda x: gs.sosfiltfilt(x[:6], x)),
        (ShapeError, r"savgol_filter: 4 points.*fewer", lambda x: gs.savgol_filter(x[:4], 5, 2)),
        (ValueError, r"medfilt: kernel_size=4.*must be odd", lambda x: gs.medfilt(x, 4)),
        (ShapeError, r"medfilt2d: .*use medfilt", lambda x: gs.medfilt2d(x)),
        (ShapeError, r"convolve2d: arrays of 1 and 2 axes", lambda x: gs.convolve2d(x, IMAGE)),
        (ValueError, r"correlate2d: boundary='b'", lambda x: gs.correlate2d(x * IMAGE[:, :1], IMAGE, boundary="b")),
        (ShapeError, r"must hold the other", lambda x: gs.correlate2d(IMAGE * x[0], np.ones((7, 2)), "valid")),
        (ShapeError, r"fftconvolve: .* are not broadcast beside", lambda x: gs.oaconvolve(IMAGE * x[0], PATCH, axes=0)),
        (TypeError, r"hilbert2: takes real", lambda x: gs.hilbert2(x.reshape(4, 10) * 1j)),
        (ShapeError, r"hilbert2: axes=\(0,\)", lambda x: gs.hilbert2(x, axes=(0,))),
        (MissingRuleError, r"decimate: .*use 'iir'", lambda x: gs.decimate(x, 2, ftype=scipy.signal.dlti([1], [1, 2]))),
        (ValueError, r"upfirdn: up=0", lambda x: gs.upfirdn(x, x, 0)),
        (ShapeError, r"resample: window", lambda x: gs.resample(x, 5, window=WINDOW)),
        (ValueError, r"resample_poly: cval", lambda x: gs.resample_poly(x, 2, 1, padtype="line", cval=1.0)),
        (MissingRuleError, r"freqz: plot=", lambda x: gs.freqz(x, plot=print)),
        (ShapeError, r"freqz: worN=0", lambda x: gs.freqz(x, worN=0)),
        (ShapeError, r"welch: noverlap=9 and nfft=8", lambda x: gs.welch(x, nperseg=8, noverlap=9)),
        (ShapeError, r"stft: a window of 8 points", lambda x: gs.stft(x, window=WINDOW, nperseg=9)),
        (ShapeError, r"istft: time_axis=-1", lambda x: gs.istft(x.reshape(5, 8), freq_axis=-1)),
        (ValueError, r"csd: scaling='s'", lambda x: gs.csd(x, x, nperseg=8, scaling="s")),
        (ValueError, r"chirp: f0 and f1", lambda x: gs.chirp(x, -1.0, 2.0, 1.0, "log")),
        (ValueError, r"gausspulse: fc must", lambda x: gs.gausspulse(x, bwr=1)),
    ],
)
def test_refusals(error, match, run):
    with pytest.raises(error, match=match):
        graphad.jit(run)(X)

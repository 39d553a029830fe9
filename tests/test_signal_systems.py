"""Filters designed, systems converted and simulated, windows and periodograms: SciPy's numbers, derivatives."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

import graphad
import graphad.scipy.signal as gs
from graphad.errors import MissingRuleError, ShapeError, TypeMismatchError

RNG = np.random.default_rng(31)
X = RNG.normal(size=12)
B, A = np.array([0.4, 1.3]), np.array([1.2, 0.9, 0.7, 0.3])
Z, P = np.array([-0.3]), np.array([-0.5, -0.9, -1.4])
PAIR = np.array([-0.5 + 0.4j, -0.5 - 0.4j])
STATES = (
    np.array([[-0.5, 0.2], [0.1, -0.8]]), np.array([[1.0, 0.3], [0.4, 0.6]]), np.array([[0.7, 0.2]]),
    np.array([[0.1, 0.3]]),
)  # fmt: skip
SINGLE = (STATES[0], STATES[1][:, :1], STATES[2], STATES[3][:, :1])
T = np.linspace(0.0, 3.0, 7)
W = np.array([0.2, 0.7, 1.9])


def sorted_roots(x):
    """Functions of roots that do not depend on their order."""
    return [np.sum(x), np.sum(x**2)] if x.dtype.kind == "c" else [x]


DESIGNS = {
    f"{name} {band} {output}{' analog' if analog else ''}": (
        lambda s, w, name=name, band=band, output=output, analog=analog, args=args: getattr(s, name)(
            3, *args, w if band.startswith("band") else w[0], band, analog, output
        ),
        (np.array([0.2, 0.5]),),
    )
    for name, args in (("butter", ()), ("cheby1", (1.0,)), ("cheby2", (30.0,)), ("ellip", (1.0, 30.0)), ("bessel", ()))
    for band, output, analog in (
        ("low", "ba", False), ("high", "zpk", False), ("bandpass", "ba", False), ("bandstop", "zpk", True),
    )
}  # fmt: skip
CASES = {
    **DESIGNS,
    "butter fs": (lambda s, w, fs: s.butter(2, w, fs=fs), (30.0, 200.0)),
    "cheby1 ripple": (lambda s, rp: s.cheby1(4, rp, 0.3), (1.5,)),
    "cheby2 ripple": (lambda s, rs: s.cheby2(3, rs, 0.3), (25.0,)),
    "iirfilter": (lambda s, w: s.iirfilter(2, w, output="zpk", ftype="butter"), (np.array([0.2, 0.5]),)),
    "cheb1ap": (lambda s, rp: s.cheb1ap(3, rp), (1.5,)),
    "cheb2ap": (lambda s, rs: s.cheb2ap(4, rs), (25.0,)),
    "iirnotch": (lambda s, w, q, fs: s.iirnotch(w, q, fs), (0.3, 5.0, 2.5)),
    "iirpeak": (lambda s, w, q, fs: s.iirpeak(w, q, fs), (0.3, 5.0, 2.5)),
    **{
        name: (lambda s, b, a, w, name=name: [*getattr(s, name)(b, a, w), *getattr(s, name)(a[:3], b, w)], (B, A, 1.3))
        for name in ("lp2lp", "lp2hp")
    },
    **{
        name: (lambda s, b, a, w, v, name=name: getattr(s, name)(b, a, w, v), (B, A, 1.3, 0.7))
        for name in ("lp2bp", "lp2bs")
    },
    **{
        name: (lambda s, z, p, k, w, name=name: getattr(s, name)(z, p, k, w), (Z, P, 1.7, 1.3))
        for name in ("lp2lp_zpk", "lp2hp_zpk", "bilinear_zpk")
    },
    **{
        name: (lambda s, z, p, k, w, v, name=name: getattr(s, name)(z, p, k, w, v), (Z, P, 1.7, 1.3, 0.7))
        for name in ("lp2bp_zpk", "lp2bs_zpk")
    },
    "normalize": (lambda s, b, a: [*s.normalize(b, a), *s.normalize([b, 2 * b], a)], (B, A)),
    "tf2zpk": (lambda s, b, a: [y for x in s.tf2zpk(b, a) for y in sorted_roots(x + 0j)], (B, A)),
    "zpk2tf": (lambda s, z, p, k: s.zpk2tf(z, p, k), (Z, P, 1.7)),
    "zpk2tf rows": (lambda s, z, p, k: s.zpk2tf(np.stack([z, 2 * z]), p, k), (Z, P, 1.7)),
    "tf2ss": (lambda s, b, a: s.tf2ss([b, 2 * b], a), (B, A)),
    "tf2ss of a gain": (lambda s, b, a: s.tf2ss(b[:1], a[:1]), (B, A)),
    "zpk2ss": (lambda s, z, p, k: s.zpk2ss(z, p, k), (Z, P, 1.7)),
    "abcd_normalize": (lambda s, a, b, c, d: [*s.abcd_normalize(a, b, c, d), *s.abcd_normalize(a, b, c)], STATES),
    "ss2tf": (lambda s, a, b, c, d: [*s.ss2tf(a, b, c, d, 1), *s.ss2tf(a, b, [c[0], c[0] ** 2], [d[0], d[0]])], STATES),
    "ss2zpk": (
        lambda s, a, b, c, d: [y for x in s.ss2zpk(a, b, c, d) for y in sorted_roots(x + 0j)], SINGLE,
    ),
    "freqs_zpk": (lambda s, z, p, k, w: [*s.freqs_zpk(z, p, k, w), *s.freqs_zpk(z, p, k, 5)], (Z, P, 1.7, W)),
    "freqs chosen": (lambda s, b, a: s.freqs(b, a, 5), (B, A)),
    "freqz_zpk": (
        lambda s, z, p, k, w: [*s.freqz_zpk(z, p, k, w, fs=5.0), *s.freqz_zpk(z, p, k, 5, True)], (Z, P, 1.7, W),
    ),
    "lsim": (lambda s, a, b, c, d, u: s.lsim((a, b, c, d), u.reshape(6, 2), T[:6], [0.1, 0.2]), (*STATES, X)),
    "lsim held": (lambda s, b, a, u: s.lsim((b, a), u[:7], T + 0.5, [0.1, 0.2, 0.3], interp=False), (B, A, X)),
    "lsim without inputs": (lambda s, a, b, c, d, t: s.lsim((a, b, c, d), None, t * T, [0.1, 0.2]), (*STATES, 0.9)),
    "lsim at a time": (lambda s, b, a, u: s.lsim((b, a), u[:1], [0.4], [0.1, 0.2, 0.3]), (B, A, X)),
    "impulse": (lambda s, b, a: [*s.impulse((b, a), T=T), *s.impulse((b, a), N=9)], (B, A)),
    "step": (lambda s, z, p, k: [*s.step((z, p, k), T=T), *s.step((z, p, k), [0.1, 0, 0], N=9)], (Z, P, 1.7)),
    "freqresp": (lambda s, b, a: [*s.freqresp((b, a), W), *s.freqresp((b, a), n=7)], (B, A)),
    "bode": (lambda s, a, b, c, d: s.bode((a, b, c, d), W), SINGLE),
    "bode chosen": (lambda s, z, p, k: s.bode((z, p, k), n=7), (Z, P, 1.7)),
    "dlsim": (lambda s, a, b, c, d, u: s.dlsim((a, b, c, d, 0.1), u.reshape(6, 2)), (*STATES, X)),
    "dlsim at times": (lambda s, b, a, u: s.dlsim((b, a, 0.4), u[:7], T, [0.1, 0.2, 0.3]), (B, A, X)),
    "dimpulse": (lambda s, a, b, c, d: [s.dimpulse((a, b, c, d, 0.1), n=8)[0], *s.dimpulse((a, b, c, d, 0.1), n=8)[1]],
                 STATES),
    "dstep": (lambda s, b, a: [s.dstep((b, a, 0.1))[0], s.dstep((b, a, 0.5), t=T)[1][0]], (B, A)),
    "dfreqresp": (lambda s, b, a: [*s.dfreqresp((b, a, 0.1), W), *s.dfreqresp((b, a, 0.1), n=7, whole=True)], (B, A)),
    "dfreqresp zeros": (lambda s, z, p, k: s.dfreqresp((z, p, k, 0.1), n=7), (Z, P, 1.7)),
    "dbode": (lambda s, a, b, c, d: s.dbode((a, b, c, d, 0.1), n=7), SINGLE),
    "get_window": (
        lambda s, p: [
            s.get_window(("kaiser", p), 7), s.get_window(p, 8, False), s.get_window(("gaussian", p), 7),
            s.get_window(("exponential", None, p), 6), s.get_window(("general_hamming", p), 6),
            s.get_window(("general_gaussian", 1.5, p), 6), s.get_window(("general_cosine", [p, 0.3, 0.1]), 6),
            s.get_window(("kaiser_symmetric", p), 6),
        ],
        (1.7,),
    ),
    "kaiser_beta": (lambda s, a: [s.kaiser_beta(a), s.kaiser_beta(a - 25.0), s.kaiser_beta(a - 45.0)], (60.0,)),
    "firwin": (
        lambda s, c: [
            s.firwin(7, c[0]), s.firwin(7, c[1], pass_zero=False), s.firwin(7, c), s.firwin(6, c, pass_zero="bandpass"),
            s.firwin(9, c * 10, fs=20.0, pass_zero="bandstop", scale=False), s.firwin(9, c[0], window=("kaiser", c[1])),
            s.firwin(9, c[0], width=c[1]),
        ],
        (np.array([0.2, 0.6]),),
    ),
    "minimum_phase": (lambda s, h: [s.minimum_phase(h, n_fft=64), s.minimum_phase(h, n_fft=64, half=False)],
                      (np.array([0.3, 0.9, 2.0, 0.9, 0.3]),)),
    "czt": (lambda s, x, w, a: [s.czt(x), s.czt(x.reshape(3, 4), 5, axis=0), s.czt(x, 7, w, a)],
            (X, 0.9, 1.1)),
    "zoom_fft": (
        lambda s, x, f: [s.zoom_fft(x, f), s.zoom_fft(x.reshape(3, 4), f[1], 5, axis=0), s.zoom_fft(x, f, 7, fs=3.0,
                                                                                                   endpoint=True)],
        (X, np.array([0.2, 0.6])),
    ),
    "vectorstrength": (lambda s, x, p: [*s.vectorstrength(x, p), *s.vectorstrength(x, p * W)], (X, 1.7)),
    "lombscargle": (
        lambda s, x, y, w, g: [
            s.lombscargle(x, y, w), s.lombscargle(x, y, w, normalize=True, weights=g),
            s.lombscargle(x, y, w, normalize="amplitude", floating_mean=True),
            s.lombscargle(x, y, w, normalize=True, floating_mean=True),
        ],
        (np.cumsum(RNG.uniform(0.2, 1.0, 12)), X, W, RNG.uniform(0.5, 1.0, 12)),
    ),
    "envelope": (
        lambda s, x: [
            s.envelope(x), s.envelope(x[:11], (None, 3)), s.envelope(x.reshape(2, 6), (1, 2), axis=1, residual="all"),
            s.envelope(x, (2, 5), squared=True, residual=None), s.envelope(x, (0, 4), residual="all"),
        ],
        (X,),
    ),
    "cspline1d": (lambda s, x: [s.cspline1d(x), s.cspline1d(x[:1])], (X,)),
    "qspline1d": (lambda s, x: s.qspline1d(x), (X,)),
    "cspline1d_eval": (lambda s, c, x: [s.cspline1d_eval(c, x), s.cspline1d_eval(c, x, 0.5, 0.2)], (X, 4 * X + 0.03)),
    "qspline1d_eval": (lambda s, c, x: [s.qspline1d_eval(c, x), s.qspline1d_eval(c, x, 0.5, 0.2)], (X, 4 * X + 0.03)),
}  # fmt: skip


def parts(x):
    return list(x) if isinstance(x, (list, tuple)) else [x]


def test_numbers_are_scipys(executor):
    names = list(CASES)[:: {"numba": 30, "llvm": 4}.get(executor, 1)]
    args = [CASES[n][1] for n in names]
    found = graphad.jit(lambda every: [parts(CASES[n][0](gs, *xs)) for n, xs in zip(names, every, strict=True)])(args)
    for name, xs, results in zip(names, args, found, strict=True):
        for a, b in zip(results, parts(CASES[name][0](scipy.signal, *xs)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10, err_msg=name)
            assert np.shape(a) == np.shape(b), name


@pytest.mark.parametrize("name", CASES)
def test_derivatives(name):
    call, args = CASES[name]
    graphad.check_grads(lambda *xs: [y for x in parts(call(gs, *xs)) for y in halved(x)], args, order=1)


def halved(x):
    return [np.real(x), np.imag(x)] if getattr(x, "dtype", np.dtype(float)).kind == "c" else [x]


@pytest.mark.parametrize("name", ["butter", "cheby1", "ellip"])
def test_sections_of_known_values(name):
    args = {"butter": (), "cheby1": (1.0,), "ellip": (1.0, 30.0)}[name]
    for order, band in ((4, "low"), (3, "high"), (5, "low")):
        f = lambda w, order=order, band=band: getattr(scipy.signal, name)(order, *args, w, band, output="sos")
        found, slopes = graphad.jvp(f, (0.3,), (1.0,))
        np.testing.assert_allclose(found, f(0.3), rtol=1e-7, atol=1e-10)
        np.testing.assert_allclose(slopes, (f(0.3 + 1e-6) - f(0.3 - 1e-6)) / 2e-6, rtol=1e-4, atol=1e-5)
    sos = graphad.jvp(lambda b: scipy.signal.tf2sos(b, A), (B,), (B,))[0]
    np.testing.assert_allclose(sos, scipy.signal.tf2sos(B, A), rtol=1e-9, atol=1e-12)


def test_complex_roots_of_known_values():
    f = lambda t: scipy.signal.zpk2tf(t * PAIR, PAIR, 2.0)[0]
    np.testing.assert_allclose(graphad.jvp(f, (1.0,), (1.0,))[0], f(1.0), rtol=1e-12)
    with pytest.raises(MissingRuleError, match=r"zpk2tf: whether complex roots are pairs"):
        graphad.jit(f)(1.0)


def test_scipys_own_names_in_converted_code():
    def overshoot(q):
        return np.max(scipy.signal.step(([1.0], [1.0, q, 1.0]), T=T)[1]) + scipy.signal.butter(2, q)[0][0]

    assert graphad.jit(overshoot)(0.6) == pytest.approx(overshoot(0.6), rel=1e-10)
    graphad.check_grads(overshoot, (0.6,), order=1)


@pytest.mark.parametrize(
    ("error", "match", "run"),
    [
        (MissingRuleError, r"iirfilter: a traced ripple of an elliptic", lambda t: gs.ellip(3, t, 30.0, 0.2)),
        (MissingRuleError, r"zpk2sos: the pairs of roots.*outside of jit", lambda t: gs.butter(3, t, output="sos")),
        (ShapeError, r"iirfilter: Wn of shape \[1\].*test_signal_systems", lambda t: gs.butter(3, t, "bandpass")),
        (ValueError, r"iirfilter: output='x'", lambda t: gs.butter(3, t, output="x")),
        (ValueError, r"iirfilter: btype='x'", lambda t: gs.butter(3, t, "x")),
        (ShapeError, r"lp2bs_zpk: 2 zeros for 1 poles", lambda t: gs.lp2bs_zpk([t, t], [t], 1.0)),
        (ShapeError, r"tf2ss: a numerator of 2", lambda t: gs.tf2ss([t, t], [t])),
        (ShapeError, r"abcd_normalize: B of shape", lambda t: gs.abcd_normalize([[t]], [[t], [t]], [[t]], [[t]])),
        (MissingRuleError, r"get_window: the parameters of 'tukey'", lambda t: gs.get_window(("tukey", t), 5)),
        (MissingRuleError, r"minimum_phase: method='hilbert'", lambda t: gs.minimum_phase(t * X, "hilbert")),
        (MissingRuleError, r"envelope: n_out=4", lambda t: gs.envelope(t * X, n_out=4)),
        (MissingRuleError, r"cspline1d: lamb=2", lambda t: gs.cspline1d(t * X, 2.0)),
        (MissingRuleError, r"dlsim: how many times", lambda t: gs.dlsim((B, A, t), X, t * X)),
        (ValueError, r"lsim: times.*equally spaced", lambda t: gs.lsim((t * B, A), None, [0, 1, 3])),
        (TypeMismatchError, r"lsim: takes analogue", lambda t: gs.lsim(scipy.signal.dlti(B, A), t * X, np.arange(12))),
        (ShapeError, r"zoom_fft: fn of shape \[12\]", lambda t: gs.zoom_fft(t * X, X)),
        (ShapeError, r"lombscargle: x, y and weights of 12, 3", lambda t: gs.lombscargle(t * X, W, W)),
    ],
)
def test_refusals(error, match, run):
    with pytest.raises(error, match=match):
        graphad.jit(run)(0.4)

"""`graphad.scipy.signal`: SciPy's numbers, derivatives, every executor."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

import graphad
import graphad.scipy.signal as gs
from graphad.errors import MissingRuleError, ShapeError

RNG = np.random.default_rng(13)
X, K = RNG.normal(size=20), RNG.normal(size=5)
IMAGE, PATCH = RNG.normal(size=(6, 7)), RNG.normal(size=(3, 2))
B, A = np.array([0.2, 0.3, 0.1]), np.array([1.5, -0.4, 0.2, 0.1])

CASES = {
    **{f"convolve {m}": (lambda s, x, k, m=m: s.convolve(x, k, m), (X, K)) for m in ("full", "same", "valid")},
    **{f"image {m}": (lambda s, x, k, m=m: s.convolve(x, k, m), (IMAGE, PATCH)) for m in ("full", "same", "valid")},
    **{f"correlate {m}": (lambda s, x, k, m=m: s.correlate(x, k, m), (X, K)) for m in ("full", "same", "valid")},
    "correlate images": (lambda s, x, k: s.correlate(x, k, "same"), (IMAGE, PATCH)),
    "fftconvolve": (lambda s, x, k: s.fftconvolve(x, k, "same"), (IMAGE, PATCH)),
    "lfilter": (lambda s, b, a, x: s.lfilter(b, a, x), (B, A, X)),
    "lfilter rows": (lambda s, b, a, x: s.lfilter(b, a, x, axis=0), (A, B + 1, IMAGE)),
    "lfilter state": (lambda s, b, a, x, z: list(s.lfilter(b, a, x, zi=z)), (B, A, X, np.array([0.3, -0.2, 0.1]))),
    "lfilter without feedback": (lambda s, b, x: s.lfilter(b, np.array([2.0]), x), (B, X)),
    "detrend": (lambda s, x: [s.detrend(x), s.detrend(x, axis=0, type="constant")], (IMAGE,)),
    "hilbert": (lambda s, x: [np.abs(s.hilbert(x)), np.abs(s.hilbert(x[:, :6]))], (IMAGE,)),
}


def parts(x):
    return x if isinstance(x, list) else [x]


def test_numbers_are_scipys(executor):
    names = list(CASES)[:: 10 if executor == "numba" else 1]
    args = [CASES[n][1] for n in names]
    found = graphad.jit(lambda every: [parts(CASES[n][0](gs, *xs)) for n, xs in zip(names, every, strict=True)])(args)
    for name, xs, results in zip(names, args, found, strict=True):
        for a, b in zip(results, parts(CASES[name][0](scipy.signal, *xs)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12, err_msg=name)
            assert np.shape(a) == np.shape(b), name


@pytest.mark.parametrize("name", CASES)
def test_derivatives(name):
    call, args = CASES[name]
    graphad.check_grads(lambda *xs: parts(call(gs, *xs)), args, order=1)


def test_integers_batches_and_plain_scipy():
    n, k = np.arange(12).reshape(3, 4), np.array([[1, 2], [0, 3]])
    found = graphad.jit(lambda n: scipy.signal.convolve(n, k))(n)
    np.testing.assert_array_equal(found, scipy.signal.convolve(n, k))
    assert found.dtype.kind == "i"
    batch = np.stack([X, 2 * X[::-1]])
    rows = graphad.vmap(lambda x: gs.lfilter(B, A, x))(batch)
    np.testing.assert_allclose(rows, scipy.signal.lfilter(B, A, batch), rtol=1e-11)


def test_refusals():
    with pytest.raises(ShapeError, match=r"convolve: arrays of 1 and 2 axes.*test_signal.py"):
        graphad.jit(lambda x: gs.convolve(x, PATCH))(X)
    with pytest.raises(ShapeError, match=r"for mode 'valid' one of \[6, 7\] and \[7, 2\]"):
        graphad.jit(lambda x: gs.convolve(x, np.ones((7, 2)), "valid"))(IMAGE)
    with pytest.raises(MissingRuleError, match=r"detrend: type='linear' with bp=3 cannot be traced"):
        graphad.jit(lambda x: gs.detrend(x, bp=3))(X)

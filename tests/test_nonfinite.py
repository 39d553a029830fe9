"""NaN and infinities stay where NumPy and SciPy keep them, in values and in derivatives, in every executor."""

import warnings

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal

import graphad
from graphad.testing import check_grads

NAN, INF = np.nan, np.inf
LINE = np.array([1.0, NAN, 1.0, 2.0, INF, 3.0, -4.0, 0.5])
TAPS = np.array([2.0, 0.0, -INF, 1.0])
IMAGE = np.array([[1.0, NAN, 1.0, 2.0], [2.0, INF, 3.0, 0.5], [0.0, 1.0, -1.0, 2.0]])
BOX = np.ones((2, 2))
OPEN = np.array([-INF, 0.0, INF])
LONG = np.cos(np.arange(90.0))
SPOILT = np.where(np.arange(90) == 40, NAN, LONG)

VALUES = {
    "convolve": (lambda x: np.convolve(x, x), LINE),
    "convolve same": (lambda x: np.convolve(x, TAPS, "same"), LINE),
    "convolve valid": (lambda v: np.convolve(LINE, v, "valid"), TAPS),
    "convolve a traced kernel": (lambda v: np.convolve(LONG, v), TAPS),
    "convolve complex": (lambda x: np.convolve(x, x), LINE[:4] + 1j),
    "correlate": (lambda x: np.correlate(x, x[:3], "full"), LINE),
    "signal.convolve": (lambda x: scipy.signal.convolve(x, x), LINE),
    "signal.convolve images": (lambda x: scipy.signal.convolve(x, BOX), IMAGE),
    "signal.convolve by transforms": (lambda x: scipy.signal.convolve(x, BOX, method="fft"), IMAGE),
    "signal.correlate": (lambda x: scipy.signal.correlate(x, BOX, "same"), IMAGE),
    "fftconvolve": (lambda x: scipy.signal.fftconvolve(x, x), LINE),
    "convolve2d": (lambda x: scipy.signal.convolve2d(x, BOX), IMAGE),
    "convolve2d wrap": (lambda x: scipy.signal.convolve2d(x, BOX, "same", "wrap"), IMAGE),
    "convolve2d of a kernel": (lambda v: scipy.signal.convolve2d(np.ones((3, 3)), v), IMAGE[:2, :2]),
    "convolve2d of many products": (lambda x: scipy.signal.convolve2d(x.reshape(9, 10), np.ones((9, 8))), SPOILT),
    "correlate2d": (lambda x: scipy.signal.correlate2d(x, BOX, "valid"), IMAGE),
    "lfilter": (lambda x: scipy.signal.lfilter([1.0, 2.0, 0.5], [2.0], x), LINE),
    "lfilter by a number": (lambda x: scipy.signal.lfilter([1.0, 2.0], 4.0, x), LINE),
    "lfilter of coefficients": (lambda b: scipy.signal.lfilter(b, 1.0, np.arange(6.0)), TAPS),
    "lfilter of rows": (lambda x: scipy.signal.lfilter([1.0, 2.0], 1, x, axis=0), IMAGE),
    "lfilter of many products": (lambda x: scipy.signal.lfilter(LONG[:70], 1.0, x), SPOILT),
    "lfilter with a state": (lambda x: scipy.signal.lfilter([1.0, 2.0, 3.0], 1.0, x, zi=np.ones(2)), LINE),
    "lfilter with feedback": (lambda x: scipy.signal.lfilter([1.0, 2.0], [1.0, 0.5], x), LINE),
    "ndimage.convolve": (lambda x: scipy.ndimage.convolve(x, np.array([1.0, 0.0, 2.0])), LINE),
    "ndimage.correlate of weights": (lambda w: scipy.ndimage.correlate(LINE, w), np.array([1.0, 0.0, 2.0])),
    "lfiltic": (lambda y: scipy.signal.lfiltic([1.0, 2.0], [1.0, 0.5, 0.25, 0.125], y), np.array([1.0, 2.0, NAN])),
    "gaussian_filter": (lambda x: scipy.ndimage.gaussian_filter(x, 0.5), LINE),
    "interp at knots": (lambda f: np.interp([0.0, 0.5, 1.0, 1.5, 2.0, 4.0, -1.0, NAN], np.arange(8.0), f), LINE),
    "interp of flat infinities": (lambda f: np.interp([0.5, 1.0], np.arange(3.0), f), np.array([INF, INF, 1.0])),
    "interp of infinite knots": (lambda x: np.interp([-INF, -1.0, 0.5, INF], x, [1.0, 2.0, 3.0]), OPEN),
    "interp at ties": (lambda x: np.interp(x, [0, 0, 1.0, 1, 2], [0, 1, 2.0, 5, 6]), np.arange(-1.0, 4)),
    "quantile": (lambda x: np.quantile(x, [0.0, 0.1, 0.25, 0.5, 1.0]), LINE[2:]),
    "quantile of NaN": (lambda x: np.quantile(x, [0.0, 0.5]), LINE),
    "percentile": (lambda x: np.percentile(x, 40, method="weibull"), LINE[2:]),
    "median": (lambda x: np.median(x[:, 2:], axis=1), IMAGE),
    "median between infinities": (lambda x: np.median(x), np.array([-INF, INF, INF, -INF])),
}  # fmt: skip


def leaves(found):
    return list(found) if isinstance(found, tuple) else [found]


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize("name", VALUES)
def test_values_are_those_of_numpy_and_scipy(name, executor):
    function, x = VALUES[name]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        expected = leaves(function(x))
        found = leaves(graphad.jit(function, executor=executor)(x))
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def shifted(taps, rows, columns):
    """The matrix of a convolution: what each element of the vector does to each of the result."""
    return np.array([[taps[i - j] if 0 <= i - j < len(taps) else 0.0 for j in range(columns)] for i in range(rows)])


LINEAR = {
    "of the vector": (lambda x: np.convolve(x, np.arange(1.0, 4.0)), LINE, shifted(np.arange(1.0, 4.0), 10, 8)),
    "of the kernel": (lambda v: np.convolve(LINE, v), np.arange(1.0, 4.0), shifted(LINE, 10, 3)),
    "of a kernel of NaN": (lambda x, v: np.convolve(x, v), np.arange(5.0), shifted(TAPS, 8, 5), TAPS),
    "of a filtered signal": (lambda x: scipy.signal.lfilter([1.0, 2.0], 1.0, x), LINE, shifted([1.0, 2.0], 8, 8)),
    "of coefficients": (lambda b: scipy.signal.lfilter(b, 1.0, LINE), np.ones(2), shifted(LINE, 8, 2)),
    "of interpolated values": (
        lambda f: np.interp([0.0, 0.5, 1.0], np.arange(3.0), f), np.array([1.0, 2.0, NAN]),
        np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 1.0, 0.0]]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LINEAR)
def test_derivatives_are_the_factors_and_nothing_else(name):
    function, x, matrix, *others = LINEAR[name]
    direction, weights = np.arange(1.0, len(x) + 1), np.arange(1.0, len(matrix) + 1)
    _, slope = graphad.jvp(function, [x, *others], [direction, *map(np.zeros_like, others)])
    _, back = graphad.vjp(function, x, *others)
    # Only what is multiplied is summed: 0 * NaN is no product of a convolution.
    with np.errstate(all="ignore"):
        expected = [products[chosen].sum() for products, chosen in zip(matrix * direction, matrix != 0, strict=True)]
        turned = [products[chosen].sum() for products, chosen in zip(matrix.T * weights, matrix.T != 0, strict=True)]
    if not others:
        np.testing.assert_allclose(slope, expected)
    np.testing.assert_allclose(back(weights)[0], turned)


@pytest.mark.parametrize("shape", [(12,), (10, 9)])
def test_long_kernels_have_right_derivatives(shape):
    rng = np.random.default_rng(3)
    x, kernel = rng.normal(size=(45, 80)[-len(shape) :]), rng.normal(size=shape)
    function = scipy.signal.convolve if len(shape) == 1 else scipy.signal.convolve2d
    check_grads(lambda x, v: np.sum(np.sin(function(x, v, "valid"))), [x[..., :14], kernel], order=1)

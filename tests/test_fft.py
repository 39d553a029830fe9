"""Fourier transforms: NumPy's numbers for all arguments, and the laws of their derivatives."""

from __future__ import annotations

import numpy as np
import pytest

import graphad
import graphad.numpy as gnp
from graphad.errors import ShapeError

R = np.cos(np.arange(30.0) ** 1.3).reshape(5, 6)
Z = R + 1j * np.sin(np.arange(30.0) ** 1.1).reshape(5, 6)
CALLS = [
    *[(name, x, {**n, "norm": norm, "axis": axis})
      for name in ("fft", "ifft", "irfft", "hfft") for x in (R, Z)
      for n, norm, axis in (({}, None, -1), ({"n": 4}, "ortho", 0), ({"n": 9}, "forward", -1))],
    *[(name, R, {**n, "norm": norm, "axis": axis})
      for name in ("rfft", "ihfft")
      for n, norm, axis in (({}, None, -1), ({"n": 4}, "ortho", 0), ({"n": 9}, "forward", -1))],
    *[(name + suffix, x, kwargs)
      for name, x in (("fft", Z), ("ifft", R), ("rfft", R), ("irfft", Z)) for suffix in ("2", "n")
      for kwargs in ({}, {"s": (4, 7), "axes": (0, 1)}, {"axes": (1, 0), "norm": "ortho"})],
    *[(name, R, kwargs) for name in ("fftshift", "ifftshift") for kwargs in ({}, {"axes": 0}, {"axes": (0, 1)})],
]  # fmt: skip


def test_numbers_are_numpys(executor):
    def run(r, z, np=np):
        return [getattr(np.fft, name)(r if x is R else z, **kwargs) for name, x, kwargs in CALLS]

    found = graphad.jit(run)(R, Z)
    for a, b, (name, *_), c in zip(found, run(R, Z), CALLS, run(R, Z, gnp), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13, err_msg=name)
        np.testing.assert_array_equal(b, c)
        assert np.asarray(a).dtype == b.dtype


def test_single_precision_stays():
    found = graphad.jit(lambda x: np.fft.rfft(x))(R.astype("f4"))
    assert found.dtype == np.complex64


def test_the_gradient_obeys_parseval(executor):
    """`sum |fft x|^2 = n sum |x|^2`, so the gradient of the left side is `2 n x`."""
    for transform in (lambda x: np.fft.fft(x), lambda x: np.fft.fft(x + 0j)):
        power = lambda x, transform=transform: np.sum(np.abs(transform(x)) ** 2)
        np.testing.assert_allclose(graphad.jit(graphad.grad(power))(R), 2 * 6 * R, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", range(0, len(CALLS), 5))
def test_derivatives(case):
    name, x, kwargs = CALLS[case]
    graphad.check_grads(lambda x: np.abs(getattr(np.fft, name)(x, **kwargs) + 0.1) ** 2, (x,), order=2)


def test_convolution_in_a_loop_and_over_a_batch(executor):
    def blurred(x, k):
        for _ in range(2):
            x = np.fft.irfft(np.fft.rfft(x) * np.fft.rfft(k), n=6)
        return x

    k = np.array([0.5, 0.25, 0.0, 0.0, 0.0, 0.25])
    wanted = np.stack([blurred(row, k) for row in R])
    np.testing.assert_allclose(graphad.jit(graphad.vmap(blurred, in_axes=(0, None)))(R, k), wanted, atol=1e-14)
    body = lambda c, row: (np.fft.irfft(np.fft.rfft(c) * np.fft.rfft(k), n=6) + row, None)
    loss = lambda c: np.sum(graphad.scan(body, c, R)[0] ** 2)
    step = 1e-6 * np.eye(6)
    slopes = [(loss(R[0] + d) - loss(R[0] - d)) / 2e-6 for d in step]
    np.testing.assert_allclose(graphad.jit(graphad.grad(loss))(R[0]), slopes, rtol=1e-6)


def test_refusals():
    with pytest.raises(ShapeError, match=r"test_fft.py:\d+.*give 1 or more"):
        graphad.jit(lambda x: np.fft.fft(x, n=0))(R)
    with pytest.raises(TypeError, match=r"rfft: takes real numbers.*use fft"):
        graphad.jit(lambda x: np.fft.rfft(x))(Z)
    with pytest.raises(ValueError, match=r"norm='unitary'.*'ortho'"):
        graphad.jit(lambda x: np.fft.fft(x, norm="unitary"))(R)

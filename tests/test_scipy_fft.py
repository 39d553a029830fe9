"""`graphad.scipy.fft`: SciPy's numbers, derivatives, every executor, SciPy's own names in converted code."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import scipy.fft
import scipy.fftpack
from scipy.fft import idst

import graphad
import graphad.scipy.fft as gf
import graphad.scipy.fftpack
from graphad.errors import ShapeError, TracerError, TypeMismatchError
from graphad.scipy.dispatch import TRACED

RNG = np.random.default_rng(7)
R = RNG.normal(size=(5, 6))
Z = R + 1j * RNG.normal(size=(5, 6))
S = R.astype("f4")
NORMS = (None, "ortho", "forward")


def case(name, x, *args, **kwargs):
    return f"{name} {x.dtype}{args}{kwargs}", (name, x, args, kwargs)


CASES = dict([
    *[case(name, x, n, axis, norm)
      for name in ("fft", "ifft", "irfft", "hfft") for x, n, axis, norm in
      ((Z, None, -1, None), (Z, 4, 0, "ortho"), (R, 9, -1, "forward"), (S, None, -1, "backward"), (R > 0, 4, 0, None))],
    *[case(name, x, n, axis, norm)
      for name in ("rfft", "ihfft") for x, n, axis, norm in
      ((R, None, -1, None), (R, 4, 0, "ortho"), (S, 9, -1, "forward"), (R.astype("f2"), None, 0, None))],
    *[case(name + suffix, x, **kwargs)
      for name, x in (("fft", Z), ("ifft", R), ("rfft", R), ("irfft", Z), ("hfft", Z), ("ihfft", R)) for suffix in "2n"
      for kwargs in ({}, {"s": (4, 7), "axes": (0, 1)}, {"axes": (1, 0), "norm": "ortho"}, {"norm": "forward"})],
    case("fftn", Z, 4, 1), case("fftn", R, (3,)), case("ifftn", Z, axes=()), case("hfftn", S), case("fftn", R, (-1, 4)),
    case("rfftn", R, axes=0, workers=2), case("fft", R, overwrite_x=True),
    *[case(name, R, type, n, axis, norm)
      for name in ("dct", "idct", "dst", "idst") for type in (1, 2, 3, 4)
      for n, axis, norm in ((None, -1, None), (4, 0, "ortho"), (9, -1, "forward"))],
    *[case(name, R, type, norm=norm, orthogonalize=orthogonalize)
      for name in ("dct", "idct", "dst", "idst") for type in (1, 2, 3)
      for norm, orthogonalize in ((None, True), ("ortho", False))],
    *[case(name, x, norm="ortho") for name in ("dct", "idct", "dst", "idst") for x in (Z, S, R > 0)],
    *[case(name, R, **kwargs)
      for name in ("dctn", "idctn", "dstn", "idstn")
      for kwargs in ({}, {"type": 3, "s": (4, 7), "norm": "forward"}, {"type": 4, "axes": 0, "norm": "ortho"},
                     {"type": 1, "s": 4, "axes": (1,), "orthogonalize": True}, {"s": (3, -1), "axes": [1, 0]})],
    case("dctn", Z), case("idstn", S, axes=()), case("dct", R[:1].T, axis=0), case("dst", R[:, :1], 1),
    *[case(name, x, **kwargs) for name in ("fftshift", "ifftshift") for x in (R, Z)
      for kwargs in ({}, {"axes": 0}, {"axes": (0, 1)})],
    *[case(name, x, 0.1, mu, offset, bias) for name in ("fht", "ifht") for x in (R, R[:, :5])
      for mu, offset, bias in ((1.5, 0.0, 0.0), (0.0, 0.3, 0.1))],
])  # fmt: skip


def call(module, name, x):
    function, _, args, kwargs = CASES[name]
    return getattr(module, function)(x, *args, **kwargs)


def test_numbers_are_scipys(executor):
    names = list(CASES)[:: 9 if executor == "numba" else 1]
    args = [CASES[n][1] for n in names]
    found = graphad.jit(lambda xs: [call(gf, n, x) for n, x in zip(names, xs, strict=True)])(args)
    for name, x, a in zip(names, args, found, strict=True):
        b = call(scipy.fft, name, x)
        tol = 1e-5 if b.dtype.itemsize * (1 + (b.dtype.kind == "f")) == 8 else 1e-12
        np.testing.assert_allclose(a, b, rtol=tol, atol=tol, err_msg=name)
        assert (np.shape(a), np.asarray(a).dtype) == (b.shape, b.dtype), name


def test_every_name_has_a_case_and_scipys_arguments():
    assert {c[0] for c in CASES.values()} == set(TRACED["scipy.fft"])
    for name, function in TRACED["scipy.fft"].items():
        ours, theirs = (inspect.signature(f).parameters.values() for f in (function, getattr(scipy.fft, name)))
        assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs], name


DOUBLE = [n for n, c in CASES.items() if c[1].dtype in (float, complex)]


@pytest.mark.parametrize("name", DOUBLE[::2])
def test_derivatives(name):
    both = lambda x: [np.real(y := call(gf, name, x)), np.imag(y)]
    graphad.check_grads(both, (CASES[name][1],), order=1)


@pytest.mark.parametrize("name", ["fft", "hfftn", "dct", "idstn", "fht"])
def test_second_derivatives(name):
    args = (0.1, 1.0) if name == "fht" else ()
    x = R if name in ("dct", "idstn", "fht") else Z
    graphad.check_grads(lambda x: np.abs(getattr(gf, name)(x, *args) + 0.1) ** 3, (x[:3, :4],), order=2)


def test_a_batch_is_a_loop():
    for name in DOUBLE[::7]:
        x = CASES[name][1]
        batch = np.stack([x, 2 * x[::-1], x - 1])
        found = graphad.jit(graphad.vmap(lambda x, name=name: call(gf, name, x)))(batch)
        np.testing.assert_allclose(found, [call(scipy.fft, name, x) for x in batch], rtol=1e-11, atol=1e-12)


def spectrum(x):
    return np.sum(np.abs(scipy.fft.fft(x)) ** 2 + scipy.fft.dct(x, norm="ortho") ** 2) + np.sum(idst(x) ** 3)


def shifted(x):
    return scipy.fft.fftshift(scipy.fft.fft2(x))


def test_scipys_own_names_in_converted_code(executor):
    x = R[0]
    np.testing.assert_allclose(graphad.jit(spectrum)(x), spectrum(x), rtol=1e-12)
    np.testing.assert_allclose(graphad.jit(shifted)(R), shifted(R), rtol=1e-12)
    np.testing.assert_allclose(graphad.jit(lambda x: scipy.fft.dct(x))(x), scipy.fft.dct(x), rtol=1e-12)
    slopes = [(spectrum(x + d) - spectrum(x - d)) / 2e-6 for d in 1e-6 * np.eye(6)]
    np.testing.assert_allclose(graphad.grad(spectrum)(x), slopes, rtol=1e-6, atol=1e-6)


def test_orthogonalize_holds_for_complex_numbers():
    """SciPy overlooks the argument for them; its transforms of the two parts have it."""
    found = graphad.jit(lambda z: gf.dct(z, orthogonalize=True))(Z)
    wanted = [scipy.fft.dct(part, orthogonalize=True) for part in (Z.real, Z.imag)]
    np.testing.assert_allclose(found, wanted[0] + 1j * wanted[1], rtol=1e-12, atol=1e-13)


def test_untraced_values_and_other_names_are_scipys():
    np.testing.assert_array_equal(gf.dct(R), scipy.fft.dct(R))
    assert gf.next_fast_len is scipy.fft.next_fast_len
    found = graphad.jit(lambda x: scipy.fft.rfft(x, scipy.fft.next_fast_len(13)))(R)
    np.testing.assert_allclose(found, scipy.fft.rfft(R, 14), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("error", "match", "run"),
    [
        (ShapeError, r"fft.*give 1 or more", lambda x: gf.fft(x, 0)),
        (ShapeError, r"dct: 0 points along axis 1 of f64\[5,6\].*test_scipy_fft.py", lambda x: gf.dct(x, n=0)),
        (ShapeError, r"dct: 1 points along axis 1.*type 1 needs more", lambda x: gf.dct(x, 1, 1)),
        (ShapeError, r"dctn: 3 numbers of points for 2 axes", lambda x: gf.dctn(x, s=(1, 2, 3))),
        (ShapeError, r"idstn: 1 numbers of points for 2 axes", lambda x: gf.idstn(x, s=3, axes=(0, 1))),
        (ShapeError, r"dctn: axis \(1, 1\) names an axis", lambda x: gf.dctn(x, axes=(1, -1))),
        (ShapeError, r"irfftn: no axis", lambda x: gf.irfftn(x, axes=())),
        (ShapeError, r"dst: axis 2 is out of bounds", lambda x: gf.dst(x, axis=2)),
        (ShapeError, r"fht: a number has no axis", lambda x: gf.fht(x[0, 0], 0.1, 1.0)),
        (ValueError, r"dst: type=5.*test_scipy_fft.py.* is none of 1, 2, 3 and 4", lambda x: gf.dst(x, 5)),
        (ValueError, r"idct: norm='unitary'.*use 'backward'", lambda x: gf.idct(x, norm="unitary")),
        (ValueError, r"norm='unitary'", lambda x: gf.hfftn(x, norm="unitary")),
        (TypeError, r"rfft.*takes real numbers", lambda x: gf.rfft2(x + 1j)),
        (TracerError, r"fht: mu must be known while tracing", lambda x: gf.fht(x, 0.1, x[0, 0])),
    ],
)
def test_refusals(error, match, run):
    with pytest.raises(error, match=match):
        graphad.jit(run)(R)


@pytest.mark.parametrize("name", [n for n in scipy.fftpack.__all__ if n in TRACED["scipy.fftpack"]])
def test_fftpack(name):
    function = getattr(scipy.fftpack, name)
    calls = [lambda x: function(x), lambda x: function(x[:, :5])]
    if name.strip("i") in ("fft", "rfft"):
        calls += [lambda x, n=n: function(x, n, 0) for n in (1, 3, 4, 7)]
    elif "fft" in name:
        calls += [lambda x: function(x, (3, 7), (0, 1))]
    else:
        calls += [lambda x, t=t, norm=norm: function(x, t, norm=norm) for t in (1, 2, 3, 4) for norm in (None, "ortho")]
    for call in calls:
        found, wanted = graphad.jit(call)(R), call(R)
        assert found.dtype == wanted.dtype
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
    assert graphad.jit(calls[0])(S).dtype == function(S).dtype
    graphad.check_grads(lambda x: np.abs(calls[-1](x)) ** 2, (R,), order=1)
    if "r" in name:
        with pytest.raises(TypeMismatchError, match=r"real numbers"):
            graphad.jit(function)(Z)

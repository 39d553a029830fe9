"""`graphad.scipy.interpolate`: SciPy's numbers, derivatives in places, values and knots, every executor."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.interpolate

import graphad
import graphad.scipy.interpolate as gi
from graphad.errors import MissingRuleError, ShapeError

RNG = np.random.default_rng(9)
X = np.cumsum(RNG.uniform(0.3, 1.0, 7))
Y = RNG.normal(size=(7, 2))
PERIODIC = np.concatenate([Y[:-1], Y[:1]])
AT = np.array([X[0], X[0] + 0.1, X[2], 0.5 * (X[3] + X[4]), X[-1] - 0.05, X[-1], X[0] - 0.4, X[-1] + 0.3])
GRID = (np.array([0.0, 1.0, 2.5]), np.array([-1.0, 0.5, 1.0, 3.0]))
VALUES = RNG.normal(size=(3, 4, 2))
POINTS = np.array([[0.2, 0.1], [1.7, 2.2], [2.5, 3.0], [0.0, -1.0]])

CASES = {
    "linear": lambda m, x, y, at: m.interp1d(x, y, axis=0, bounds_error=False)(at),
    "linear extrapolated": lambda m, x, y, at: m.interp1d(x, y[:, 0], fill_value="extrapolate")(at),
    "linear filled": lambda m, x, y, at: m.interp1d(x, y.T, bounds_error=False, fill_value=(-1.0, 2.0))(at),
    "cubic": lambda m, x, y, at: m.interp1d(x, y, "cubic", axis=0, bounds_error=False)(at),
    "spline": lambda m, x, y, at: m.CubicSpline(x, y)(at),
    "spline natural": lambda m, x, y, at: m.CubicSpline(x, y, bc_type="natural")(at),
    "spline clamped": lambda m, x, y, at: m.CubicSpline(x, y.T, axis=1, bc_type="clamped")(at),
    "spline mixed": lambda m, x, y, at: m.CubicSpline(x, y[:, 0], bc_type=((1, 0.3), (2, -0.5)))(at),
    "spline mixed too": lambda m, x, y, at: m.CubicSpline(x, y[:, 0], bc_type=((2, 0.3), "not-a-knot"))(at),
    "spline periodic": lambda m, x, y, at: m.CubicSpline(
        x, np.concatenate([y[:-1], y[:1]]), bc_type="periodic")(at[:6] + 20.0),
    "spline inside": lambda m, x, y, at: m.CubicSpline(x, y, extrapolate=False)(at),
    "spline of three": lambda m, x, y, at: m.CubicSpline(x[:3], y[:3])(at),
    "spline of two": lambda m, x, y, at: m.CubicSpline(x[:2], y[:2], bc_type=((1, np.ones(2)), "not-a-knot"))(at),
    "derivatives": lambda m, x, y, at: [m.CubicSpline(x, y)(at, 1), m.CubicSpline(x, y).derivative(2)(at)],
    "integrals": lambda m, x, y, at: [
        m.CubicSpline(x, y).antiderivative()(at), m.CubicSpline(x, y).integrate(x[1] + 0.1, x[5])],
    "hermite": lambda m, x, y, at: m.CubicHermiteSpline(x, y, np.cos(y))(at),
    "pchip": lambda m, x, y, at: m.PchipInterpolator(x, y)(at),
    "pchip of two": lambda m, x, y, at: m.PchipInterpolator(x[:2], y[:2])(at),
    "akima": lambda m, x, y, at: m.Akima1DInterpolator(x, y)(at),
    "makima": lambda m, x, y, at: m.Akima1DInterpolator(x, y, method="makima", extrapolate=True)(at),
    "krogh": lambda m, x, y, at: [
        m.krogh_interpolate(x, y, at), m.krogh_interpolate(x, y[:, 0], at, der=[0, 2]),
        m.krogh_interpolate(x, y.T, at[:2].reshape(1, 2), der=1, axis=1)],
    "krogh repeated": lambda m, x, y, at: m.krogh_interpolate(np.array([0.0, 0, 1, 1, 1, 2, 3]), y, at),
    "barycentric": lambda m, x, y, at: [
        m.barycentric_interpolate(x, y, at), m.barycentric_interpolate(x, y.T, at[0], axis=1, der=1),
        m.barycentric_interpolate(x, y[:, 0], at[:2].reshape(1, 2))],
    "polynomials": lambda m, x, y, at: m.PPoly(np.stack([y[:-1], y[1:], y[:-1] * 2]), x)(at),
}  # fmt: skip
STEPS = {kind: (lambda m, x, y, at, kind=kind: m.interp1d(x, y, kind, axis=0, bounds_error=False)(at))
         for kind in ("nearest", "nearest-up", "previous", "next", "zero")}  # fmt: skip


def parts(x):
    return x if isinstance(x, list) else [x]


def test_numbers_are_scipys(executor):
    every = {**CASES, **STEPS}
    names = list(every)[:: 18 if executor == "numba" else 1]
    # Halfway and at the places themselves as well as between and beyond.
    at = {n: AT[1:5] if n in STEPS else AT for n in names}
    found = graphad.jit(lambda x, y: [parts(every[n](gi, x, y, at[n])) for n in names], executor=executor)(X, Y)
    for name, results in zip(names, found, strict=True):
        for a, b in zip(results, parts(every[name](scipy.interpolate, X, Y, at[name])), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12, err_msg=name)
            assert np.shape(a) == np.shape(b), name


@pytest.mark.parametrize("name", CASES)
def test_derivatives(name):
    """In knots, values and places: between the knots, where a piecewise polynomial is smooth."""
    at = AT[[1, 3, 4]]
    graphad.check_grads(lambda x, y, at: parts(CASES[name](gi, x, y, at)), (X, Y, at), order=1)


def test_regular_grids():
    for method in ("linear", "nearest"):
        wanted = scipy.interpolate.RegularGridInterpolator(GRID, VALUES, method)(POINTS)
        call = lambda values, points, m=method: gi.RegularGridInterpolator(GRID, values, m)(points)
        for executor in ("numpy", "llvm"):
            np.testing.assert_allclose(graphad.jit(call, executor=executor)(VALUES, POINTS), wanted, rtol=1e-12)
    outside = np.array([[5.0, 0.0], [0.5, 0.5]])
    for fill in (np.nan, None, 7.0):
        theirs = scipy.interpolate.RegularGridInterpolator(GRID, VALUES, bounds_error=False, fill_value=fill)(outside)
        found = graphad.jit(
            lambda p, fill=fill: gi.RegularGridInterpolator(GRID, VALUES, bounds_error=False, fill_value=fill)(p)
        )(outside)
        np.testing.assert_allclose(found, theirs, rtol=1e-12)
    loss = lambda values, a, b, points: gi.RegularGridInterpolator((a, b), values)(points)
    graphad.check_grads(loss, (VALUES, *GRID, POINTS[:2]), order=1)


def test_batches_and_second_derivatives():
    batch = np.stack([Y[:, 0], 2 * Y[:, 1]])
    found = graphad.vmap(lambda y: gi.CubicSpline(X, y)(AT))(batch)
    for row, y in zip(found, batch, strict=True):
        np.testing.assert_allclose(row, scipy.interpolate.CubicSpline(X, y)(AT), rtol=1e-10)
    bend = graphad.vmap(graphad.grad(graphad.grad(lambda t: gi.CubicSpline(X, Y[:, 0])(t))))(AT[[1, 3]])
    np.testing.assert_allclose(bend, scipy.interpolate.CubicSpline(X, Y[:, 0])(AT[[1, 3]], 2), rtol=1e-9)


def test_without_traced_values_the_classes_are_scipys():
    assert type(gi.CubicSpline(X, Y)) is scipy.interpolate.CubicSpline
    assert gi.splrep is scipy.interpolate.splrep


def test_plain_scipy_in_converted_code():
    def f(y):
        return np.sum(scipy.interpolate.CubicSpline(X, y)(AT) ** 2)

    assert graphad.jit(f)(Y) == pytest.approx(f(Y), rel=1e-10)
    graphad.check_grads(f, (Y,), order=1)


def test_refusals():
    with pytest.raises(MissingRuleError, match=r"kind='quadratic' cannot be traced.*test_interpolate.py"):
        graphad.jit(lambda y: gi.interp1d(X, y, "quadratic", axis=0)(AT))(Y)
    with pytest.raises(ShapeError, match=r"krogh_interpolate: 6 places for values of shape \[7, 2\]"):
        graphad.jit(lambda y: gi.krogh_interpolate(X[:6], y, AT))(Y)
    with pytest.raises(MissingRuleError, match=r"krogh_interpolate: places that repeat.*give known ones"):
        graphad.grad(lambda t: gi.krogh_interpolate(t * np.array([0.0, 0.0, 1.0]), X[:3], 0.4))(1.0)
    with pytest.raises(ShapeError, match=r"CubicSpline: x \[6\] must be a vector .*y \[7, 2\]"):
        graphad.jit(lambda y: gi.CubicSpline(X[:6], y)(AT))(Y)

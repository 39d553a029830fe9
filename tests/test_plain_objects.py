"""Splines, interpolators, polynomials and distributions made outside of a function, called on traced values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import interpolate, stats
from scipy.spatial.transform import Rotation

import graphad
from graphad.errors import GraphadError

X = np.array([0.0, 0.4, 1.0, 1.5, 2.1, 3.0])
Y = np.sin(X)
ROWS = np.stack([Y, X**2, np.cos(X)], axis=1)
PLACES = np.array([0.1, 0.4, 1.3, 2.9])
BEYOND = np.array([-0.5, 0.0, 3.0, 3.4])

OBJECTS = {
    "CubicSpline": interpolate.CubicSpline(X, Y),
    "periodic": interpolate.CubicSpline(X, np.sin(X * 2 * np.pi / 3), bc_type="periodic"),
    "PchipInterpolator": interpolate.PchipInterpolator(X, Y, extrapolate=False),
    "Akima1DInterpolator": interpolate.Akima1DInterpolator(X, Y),
    "CubicHermiteSpline": interpolate.CubicHermiteSpline(X, Y, np.cos(X)),
    "rows": interpolate.CubicSpline(X, ROWS),
    "columns": interpolate.CubicSpline(X, ROWS.T, axis=1),
    "PPoly": interpolate.PPoly(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.0, 1.0, 3.0])),
    "BPoly": interpolate.BPoly(np.array([[1.0, 2.0], [3.0, 4.0], [0.5, 1.0]]), np.array([0.0, 1.0, 3.0])),
    "make_interp_spline": interpolate.make_interp_spline(X, Y),
    "spline of rows": interpolate.make_interp_spline(X, ROWS, k=2),
    "natural": interpolate.make_interp_spline(X, Y, bc_type="natural"),
    "not extrapolated": interpolate.BSpline(*interpolate.splrep(X, Y), extrapolate=False),
    "UnivariateSpline": interpolate.UnivariateSpline(X, Y, s=0.01),
    "zeros": interpolate.UnivariateSpline(X, Y, s=0, ext=1),
    "const": interpolate.InterpolatedUnivariateSpline(X, Y, ext="const"),
    "interp1d": interpolate.interp1d(X, Y, fill_value="extrapolate"),
    "filled": interpolate.interp1d(X, ROWS, axis=0, bounds_error=False, fill_value=(-1.0, 7.0)),
    "cubic": interpolate.interp1d(X, Y, kind="cubic", fill_value="extrapolate"),
    "quadratic rows": interpolate.interp1d(X, ROWS, kind="quadratic", axis=0, bounds_error=False),
    "nearest": interpolate.interp1d(X, Y, kind="nearest", fill_value="extrapolate"),
    "BarycentricInterpolator": interpolate.BarycentricInterpolator(X, Y),
    "derivative": interpolate.CubicSpline(X, Y).derivative(),
    "antiderivative": interpolate.make_interp_spline(X, Y).antiderivative(),
    "poly1d": np.poly1d([1.0, -2.0, 3.0]),
    "Polynomial": np.polynomial.Polynomial([1.0, -2.0, 3.0], domain=[0, 3]),
    "Chebyshev": np.polynomial.Chebyshev([1.0, -2.0, 3.0], domain=[0, 3]),
    "Legendre": np.polynomial.Legendre([1.0, -2.0, 3.0]).deriv(),
    "Hermite": np.polynomial.Hermite([1.0, -2.0, 3.0]),
    "gaussian_kde": stats.gaussian_kde(Y, weights=X + 1),
}


BY_NUMBA = ("rows", "const", "Hermite")
"""What Numba, which compiles slowly, has by default: a piecewise polynomial, a B-spline and a series."""
CALLS = [
    pytest.param(executor, name, marks=[pytest.mark.slow] if executor == "numba" and name not in BY_NUMBA else [])
    for name in OBJECTS for executor in ("numpy", "llvm", "numba")
]  # fmt: skip


@pytest.mark.parametrize(("executor", "name"), CALLS)
def test_calls_are_those_of_scipy(executor, name):
    plain = OBJECTS[name]

    def f(t):
        return plain(t)

    jitted = graphad.jit(f, executor=executor)
    for x in (PLACES, BEYOND, 1.3):
        found, expected = jitted(x), np.asarray(plain(x))
        if name == "gaussian_kde":
            found = np.reshape(found, expected.shape)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", OBJECTS)
def test_derivatives(name):
    plain = OBJECTS[name]

    def f(t):
        return np.sum(plain(t) * 1.0)

    for x in (0.13, 1.3, 2.9):
        step = 1e-6
        expected = (f(x + step) - f(x - step)) / (2 * step)
        for gradient in (graphad.grad(f), graphad.jit(graphad.grad(f)), graphad.jacfwd(f)):
            assert np.isclose(gradient(x), expected, rtol=1e-5, atol=1e-6)
    batch = np.array([0.13, 1.3])
    found = graphad.jit(graphad.vmap(graphad.grad(f)))(batch)
    assert np.allclose(found, [graphad.grad(f)(x) for x in batch])


def test_orders_and_integrals():
    spline, smooth = OBJECTS["CubicSpline"], OBJECTS["zeros"]
    for f in (
        lambda t: spline(t, 1), lambda t: spline(t, nu=2), lambda t: spline.integrate(0.2, t),
        lambda t: spline.derivative()(t), lambda t: spline.antiderivative(2)(t), lambda t: spline(t, extrapolate=False),
        lambda t: OBJECTS["make_interp_spline"](t, 1), lambda t: smooth(t, 1), lambda t: smooth.integral(0.2, t),
        lambda t: interpolate.splev(t, interpolate.splrep(X, Y), der=1),
    ):  # fmt: skip
        assert np.isclose(graphad.jit(f)(1.3), f(1.3))
        expected = (f(1.3 + 1e-6) - f(1.3 - 1e-6)) / 2e-6
        assert np.isclose(graphad.grad(f)(1.3), expected, rtol=1e-5)
    assert np.isclose(graphad.grad(graphad.grad(spline))(1.3), spline(1.3, 2))


GRID = interpolate.RegularGridInterpolator((X, X[:4]), np.outer(Y, Y[:4] + 1))
ROTATION = Rotation.from_euler("xyz", [0.3, -0.2, 1.0])
NORMAL = stats.multivariate_normal([0.0, 1.0], [[2.0, 0.3], [0.3, 1.0]])
FROZEN = stats.gamma(2.5, scale=0.5)


@pytest.mark.parametrize(
    "f",
    [
        lambda t: GRID([t, 1.1])[0],
        lambda t: GRID((t, 1.1)),
        lambda t: GRID(np.array([[t, 1.1], [0.3, 0.2]]))[0],
        lambda t: ROTATION.apply([t, 1.0, 2.0])[0],
        lambda t: np.sum(ROTATION.apply(np.array([[t, 1.0, t], [1.0, 2.0, t]]), inverse=True) ** 2 * np.arange(3.0)),
        lambda t: NORMAL.logpdf([t, 1.0]),
        lambda t: NORMAL.pdf(np.array([t, t * t])),
        lambda t: FROZEN.logpdf(t) + FROZEN.cdf(t),
        lambda t: OBJECTS["gaussian_kde"].logpdf(t)[0],
    ],
)
def test_points_and_vectors(executor, f):
    assert np.isclose(graphad.jit(f)(1.3), f(1.3))
    expected = (f(1.3 + 1e-6) - f(1.3 - 1e-6)) / 2e-6
    assert np.isclose(graphad.grad(f)(1.3), expected, rtol=1e-5)
    assert np.isclose(graphad.jit(graphad.grad(f))(1.3), expected, rtol=1e-5)


def test_what_is_out_of_bounds_raises(executor):
    strict = interpolate.interp1d(X, Y)
    for f in (lambda t: strict(t), lambda t: GRID((t, 1.1)), lambda t: interpolate.UnivariateSpline(X, Y, ext=2)(t)):
        graphad.jit(f)(1.0)
        with pytest.raises(ValueError):
            f(4.0)
        with pytest.raises(ValueError):
            graphad.jit(f)(4.0)


def test_an_object_in_place_of_another():
    class Model:
        spline = interpolate.CubicSpline(X, Y)

    @graphad.jit
    def f(t):
        return Model.spline(t)

    assert np.isclose(f(1.3), Model.spline(1.3))
    Model.spline = interpolate.CubicSpline(X, Y**2)
    assert np.isclose(f(1.3), Model.spline(1.3))
    Model.spline.c *= 2
    assert np.isclose(f(1.3), Model.spline(1.3))


def test_others_are_refused():
    points = np.stack([X, X**2], axis=1)
    for plain, at in (
        (interpolate.RBFInterpolator(points, Y), lambda t: np.array([[t, 1.1]])),
        (interpolate.RectBivariateSpline(X, X, np.outer(Y, Y)), lambda t: t),
        (interpolate.KroghInterpolator(X, Y), lambda t: t),
    ):
        with pytest.raises(GraphadError, match="pure_callback"):
            graphad.grad(lambda t: np.sum(plain(at(t), 1.0) if "Rect" in type(plain).__name__ else plain(at(t))))(1.3)  # noqa: B023

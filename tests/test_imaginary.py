"""Imaginary parts are never dropped: complex values give complex results, or a refusal that says what to take."""

import numpy as np
import pytest
import scipy.interpolate as si
from scipy.integrate import odeint, solve_ivp

import graphad
from graphad.errors import MissingRuleError, TypeMismatchError
from graphad.testing import check_grads

X = np.arange(6.0)
Z = np.exp(1j * X)
GRID = np.outer(Z, Z[:5])
AT = np.array([0.3, 1.3, 2.0, 4.9, -1.0, 7.0])
POINTS = np.array([[0.5, 1.5], [2.25, 3.25]])


def oscillation(w, method="RK45"):
    start, tight = np.array([1.0 + 0j, 2j]), {"rtol": 1e-9, "atol": 1e-9}
    return solve_ivp(lambda t, y: 1j * w * y, (0.0, 1.0), start, method, np.array([0.25, 1.0]), **tight).y


INTERPOLATED = {
    "CubicSpline": lambda w: si.CubicSpline(X, w * Z)(AT),
    "CubicSpline at traced places": lambda w: si.CubicSpline(X, Z)(w * AT),
    "CubicSpline's derivative": lambda w: si.CubicSpline(X, w * Z, bc_type="natural")(AT, 1),
    "CubicSpline with complex conditions": lambda w: si.CubicSpline(X, w * X, bc_type=((1, 1j), (2, 2j)))(AT),
    "periodic CubicSpline": lambda w: si.CubicSpline(X, w * np.append(Z[:5], Z[0]), bc_type="periodic")(AT),
    "CubicSpline's integral": lambda w: si.CubicSpline(X, w * Z).integrate(0.0, 2.5),
    "CubicHermiteSpline": lambda w: si.CubicHermiteSpline(X, w * X, w * 1j * Z)(AT),
    "PPoly": lambda w: si.PPoly(w * GRID[:3], X)(AT),
    "interp1d": lambda w: si.interp1d(X, w * Z, fill_value="extrapolate")(AT),
    "cubic interp1d": lambda w: si.interp1d(X, w * Z, "cubic", bounds_error=False, fill_value=1j)(AT),
    "nearest interp1d": lambda w: si.interp1d(X, w * Z, "nearest", bounds_error=False)(AT),
    "RegularGridInterpolator": lambda w: si.RegularGridInterpolator((X, X[:5]), w * GRID)(POINTS),
    "nearest RegularGridInterpolator": lambda w: si.RegularGridInterpolator((X, X[:5]), w * GRID, "nearest")(POINTS),
    "interp": lambda w: np.interp(AT, X, w * Z),
    "RK45": oscillation,
    "RK23": lambda w: oscillation(w, "RK23"),
    "DOP853": lambda w: oscillation(w, "DOP853"),
}


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize("name", INTERPOLATED)
def test_complex_values_give_complex_results(name, executor):
    function = INTERPOLATED[name]
    found, expected = graphad.jit(function, executor=executor)(0.75), function(0.75)
    assert found.dtype == expected.dtype == complex
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["CubicSpline", "periodic CubicSpline", "interp1d", "RegularGridInterpolator", "RK45"])
def test_derivatives_of_both_parts(name):
    function = INTERPOLATED[name]
    check_grads(lambda w: (np.real(function(w)), np.imag(function(w))), [0.75], order=1)


REFUSED = {
    "PchipInterpolator": lambda w: si.PchipInterpolator(X, w * Z)(AT),
    "Akima1DInterpolator": lambda w: si.Akima1DInterpolator(X, w * Z)(AT),
    "complex places": lambda w: si.CubicSpline(X, X)(w * 1j),
    "complex knots": lambda w: si.CubicSpline(w * Z, X)(AT),
    "complex places of interp1d": lambda w: si.interp1d(X, X)(w * 1j),
    "complex points": lambda w: si.RegularGridInterpolator((X, X[:5]), GRID)(w * 1j * POINTS),
    "complex places of interp": lambda w: np.interp(w * 1j, X, X),
    "complex slope": lambda w: solve_ivp(lambda t, y: 1j * w * y, (0.0, 1.0), np.array([1.0])).y,
    "complex times": lambda w: solve_ivp(lambda t, y: y, (0.0, w * 1j), np.array([1.0])).y,
    "odeint": lambda w: odeint(lambda y, t: 1j * w * y, np.array([1.0 + 0j]), np.array([0.0, 1.0])),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_dropped_is_refused(name):
    with pytest.raises(TypeMismatchError, match=r"imaginary|complex"):
        graphad.jit(REFUSED[name])(0.75)


def test_complex_states_of_other_methods_are_refused():
    for options in ({"method": "BDF"}, {"method": "Radau"}):
        with pytest.raises(MissingRuleError, match="real and imaginary parts"):
            graphad.jit(lambda w, o=options: solve_ivp(lambda t, y: w * y, (0.0, 1.0), np.ones(1) + 0j, **o).y)(1j)


def test_astype_warns_as_numpy_does():
    with pytest.warns(np.exceptions.ComplexWarning, match="imaginary"):
        assert graphad.jit(lambda z: z.astype(float))(np.array([1 + 2j])) == 1.0
    with pytest.raises(TypeMismatchError, match="same_kind"):
        graphad.jit(lambda z: z.astype(float, casting="same_kind"))(np.array([1 + 2j]))

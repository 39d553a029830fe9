"""Derivatives through SciPy's solvers and quadratures, against finite differences of SciPy's own results."""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

import numpy as np
import pytest
from scipy import integrate, optimize

import graphad
from graphad import GraphadError

X = np.linspace(0.0, 2.0, 12)
Y = 1.3 * np.exp(-0.8 * X) + 0.05 * np.sin(9 * X)
A = np.array([[1.0, 2, 0], [0, 1, 3], [2, 1, 1], [1, 1, 1]])
B = np.array([1.0, -2, 3, 1])
TIGHT = {"ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-15}


class Rate:
    def __init__(self, rate: Any) -> None:
        self.rate = rate

    def __call__(self, t: Any) -> Any:
        return self.rate * t


def system(t: Any, x: Any) -> Any:
    return [t[0] ** 2 + t[1] - x, t[0] - np.sin(x * t[1])]


def valley(t: Any, x: Any) -> Any:
    return (t[0] - x**2) ** 2 + (t[1] - t[0] * x) ** 2 + 0.1 * t[1] ** 4


def slope(t: Any, x: Any) -> Any:
    a, b = t[0] - x**2, t[1] - t[0] * x
    return np.array([2 * a - 2 * x * b, 2 * b + 0.4 * t[1] ** 3])


def lowest(x: Any, **options: Any) -> Any:
    found = optimize.minimize(valley, [0.1, 0.1], args=(x,), jac=slope, tol=1e-13, **options)
    return found.x @ np.array([1.0, 2.0])


def decay(t: Any, x: Any, y: Any) -> Any:
    return t[0] * np.exp(-t[1] * x) - y


def fitted(x: Any, **options: Any) -> Any:
    jac = lambda t, x, y: np.stack([np.exp(-t[1] * x), -t[0] * x * np.exp(-t[1] * x)], axis=1)
    given = (X * x, Y + x**2)
    return optimize.least_squares(decay, [0.4, 0.4], jac, args=given, **TIGHT, **options).x @ np.array([1.0, 2.0])


def curve(x: Any, p0: Any = (1.0, 1.0), **options: Any) -> Any:
    return optimize.curve_fit(lambda t, a, b: a * np.exp(-b * t), X * x, Y + x**2, p0, **options)


def waves(c: Any) -> Any:
    return abs(integrate.quad(lambda t: np.exp(c * t) * c, 0, 1, complex_func=True)[0])


ROOTS = {
    "brentq": lambda x: optimize.brentq(lambda t: t * t - x, 0, 5),
    "brenth": lambda x: optimize.brenth(lambda t, a: t * t - a, 0, 5, args=(x,)),
    "bisect": lambda x: optimize.bisect(lambda t, a: t * t - a, 0, 5, args=x),
    "ridder": lambda x: optimize.ridder(lambda t: t * t - x, 0, 5),
    "toms748": lambda x: optimize.toms748(lambda t: t * t - x, 0, 5, k=2),
    "full_output": lambda x: optimize.brentq(lambda t: t * t - x, 0, 5, full_output=True)[1].root,
    "newton": lambda x: optimize.newton(lambda t: t * t - x, 1.0, lambda t: 2 * t, tol=1e-13),
    "secant": lambda x: optimize.newton(lambda t: t * t - x, 1.0, tol=1e-13),
    "halley": lambda x: optimize.newton(lambda t: t * t - x, 1.0, lambda t: 2 * t, tol=1e-13, fprime2=lambda t: 2.0),
    "root_scalar": lambda x: optimize.root_scalar(lambda t: t * t - x, bracket=(0, 5)).root,
    "of_start": lambda x: optimize.root_scalar(lambda t: t * t - x, x0=x, fprime=lambda t: 2 * t, method="newton").root,
    "bracket": lambda x: optimize.brentq(lambda t: t * t - x, x / 9, 9 * x),
    "fsolve": lambda x: optimize.fsolve(lambda t: t * t - x, 1.0, xtol=1e-13)[0],
    "root": lambda x: optimize.root(lambda t: t * t - x, 1.0, tol=1e-13).x[0],
    "of_slope": lambda x: optimize.fsolve(graphad.grad(graphad.jit(lambda t: np.sum(t**3 / 3 - x * t))), 1.0)[0],
    "fixed_point": lambda x: optimize.fixed_point(lambda t: 0.5 * (t + x / t), 1.0),
    "minimize_scalar": lambda x: optimize.minimize_scalar(lambda t: t**3 / 3 - x * t, bracket=(0.5, 1.5), tol=1e-12).x,
    "least_squares": lambda x: optimize.least_squares(lambda t: t * t - x, [1.0]).x[0],
}
"""The square root."""
PROGRAMS = {
    "fsolve": lambda x: optimize.fsolve(system, [1.0, 0.5], args=(x,), xtol=1e-14) @ np.array([1.0, 2.0]),
    "root_lm": lambda x: optimize.root(system, [1.0, 0.5], args=(x,), method="lm", tol=1e-14).x @ np.array([1.0, 2.0]),
    "root_krylov": lambda x: optimize.root(system, [1.0, 0.5], (x,), "krylov", tol=1e-13).x @ np.array([1.0, 2.0]),
    "newton_of_each": lambda x: np.sum(optimize.newton(lambda t: t**3 - x * X[1:], np.ones(11), tol=1e-13)),
    "fixed_points": lambda x: np.sum(optimize.fixed_point(lambda t: np.cos(t) * x * X, 0.1 * X, xtol=1e-13)),
    "bfgs": lowest,
    "newton_cg": lambda x: lowest(x, method="Newton-CG", hess=lambda t, x: np.array(
        [[2 + 2 * x * x, -2 * x], [-2 * x, 2 + 1.2 * t[1] ** 2]]
    )),
    "lower_bound": lambda x: lowest(x, bounds=[(0.9 * x, None), (None, None)]),
    "upper_bound": lambda x: lowest(x, bounds=[(None, 0.3 * x), (-1, 1)]),
    "equality": lambda x: lowest(x, constraints={"type": "eq", "fun": lambda t: t[0] ** 2 + t[1] - x}),
    "inequality": lambda x: lowest(x, constraints=[
        {"type": "ineq", "fun": lambda t, x: x / 3 - t[0] ** 2 - t[1], "args": (x,)},
        {"type": "ineq", "fun": lambda t: 5 - t[0]},
    ], bounds=[(0, 9), (0, 9)]),
    "linear_constraint": lambda x: lowest(x, constraints=optimize.LinearConstraint([[1, 1]], -1, 0.4)),
    "nonlinear_constraint": lambda x: lowest(
        x, constraints=optimize.NonlinearConstraint(lambda t: [t[0] ** 2 + t[1] * x, t[0]], [-9, -9], [0.2, 9])
    ),
    "minimum": lambda x: optimize.minimize(valley, [0.1, 0.1], args=(x,), jac=slope, tol=1e-13).fun,
    "scalar_within": lambda x: optimize.minimize_scalar(
        lambda t: (t - x) ** 2 + x * t**4, bounds=(0, 5), options={"xatol": 1e-11}
    ).x,
    "trf": fitted,
    "lm": lambda x: fitted(x, method="lm"),
    "soft_l1": lambda x: fitted(x, loss="soft_l1", f_scale=0.1),
    "cauchy": lambda x: fitted(x, loss="cauchy", f_scale=0.1),
    "least_squares_bounds": lambda x: fitted(x, bounds=([0, 0], [1.2 * x, np.inf])),
    "leastsq": lambda x: optimize.leastsq(
        decay, [1.0, 1.0], (X * x, Y + x**2), ftol=1e-15, xtol=1e-15
    )[0] @ np.array([1.0, 2.0]),
    "curve_fit": lambda x: curve(x, ftol=1e-15, xtol=1e-15)[0] @ np.array([1.0, 2.0]),
    "covariance": lambda x: np.sum(curve(x, ftol=1e-15, xtol=1e-15)[1] * np.array([[1.0, 2.0], [3.0, 4.0]])),
    "sigma": lambda x: np.sum(
        curve(x, sigma=1 + x * X, absolute_sigma=True, ftol=1e-15, xtol=1e-15)[1] * np.array([[1.0, 2.0], [3.0, 4.0]])
    ),
    "correlated": lambda x: curve(x, sigma=np.eye(12) + 0.1 * x, ftol=1e-15, xtol=1e-15)[0] @ np.array([1.0, 2.0]),
    "curve_fit_bounds": lambda x: curve(x, (0.2, 0.2), bounds=(0, [9, 0.25]), **TIGHT)[0] @ np.array([1.0, 2.0]),
    "curve_fit_within": lambda x: curve(
        x, None, bounds=(0, [9, 9]), sigma=0.1 * x, absolute_sigma=True, **TIGHT
    )[1][0, 0],
    "lsq_linear": lambda x: optimize.lsq_linear(
        A * np.array([1, x, x * x]), B * x, bounds=(-0.3, 0.6)
    ).x @ np.array([1.0, 2, 3]),
    "linprog": lambda x: optimize.linprog(
        np.array([-1, -2 * x]), np.array([[1, 1 + x], [2, 0.5]]), np.array([3.0, 2 * x])
    ).x @ np.array([1.0, 2]),
    "linprog_equal": lambda x: optimize.linprog(
        np.array([-1, -2 * x, 1]), A_eq=np.array([[1.0, 1 + x, 1]]), b_eq=np.array([3.0]),
        bounds=[(0, 1), (0, x), (0, None)],
    ).x @ np.array([1.0, 2, 3]),
    "nested": lambda x: optimize.newton(
        lambda t: optimize.brentq(lambda s: s**3 + s - t * x, -9, 9) - 0.3 * t, 1.0, tol=1e-13
    ),
    "quad": lambda x: integrate.quad(lambda t: np.sin(x * t) * x, x**2, 2 * x)[0],
    "quad_closure": lambda x: integrate.quad(lambda t: np.exp(x * t), 0, 1)[0],
    "quad_limit": lambda x: integrate.quad(math.exp, 0, x)[0],
    "quad_infinite": lambda x: integrate.quad(lambda t, a: np.exp(-a * t * t), -np.inf, np.inf, args=(x,))[0],
    "quad_default": lambda x: integrate.quad(lambda t, a=x: a * t, 0, 1)[0],
    "quad_partial": lambda x: integrate.quad(functools.partial(operator.mul, x), 0, x)[0],
    "quad_object": lambda x: integrate.quad(Rate(x), 0, x)[0],
    "quad_weight": lambda x: integrate.quad(lambda t: np.exp(-x * t), 0, 1, weight="cos", wvar=3.0)[0],
    "quad_points": lambda x: integrate.quad(lambda t: abs(t - 0.5) * np.exp(x * t), 0, 1, points=[0.5])[0],
    "quad_complex": lambda x: integrate.quad(lambda t: np.exp(1j * x * t), 0, x, complex_func=True)[0].imag,
    "quad_of_complex": lambda x: waves(x * 1j + 0.3),
    "quad_local_object": lambda x: integrate.quad(type("M", (), {"__call__": lambda _, t: np.exp(x * t)})(), 0, 1)[0],
    "quad_array": lambda x: integrate.quad(lambda t, p: p[0] * np.exp(-p[1] * t) + p[2], 0, 1, (x * np.ones(3),))[0],
    "dblquad": lambda x: integrate.dblquad(lambda b, a: np.sin(x * a * b), 0, x, lambda t: t * x, lambda t: t + 1)[0],
    "tplquad": lambda x: integrate.tplquad(
        lambda z, y, t: x * z * y**2 * t, 0, 1, 0, lambda t: x * t, lambda t, y: y * x, lambda t, y: 1 + x * t
    )[0],
    "nquad": lambda x: integrate.nquad(
        lambda a, b, k: x * a * b**2 + k, [lambda b, k: (0, b * x), (0, 1)], args=(x,)
    )[0],
    "quad_vec": lambda x: np.sum(integrate.quad_vec(lambda t: np.exp(x * t * np.arange(3)), 0, x)[0]),
    "quad_vec_complex": lambda x: np.sum(integrate.quad_vec(lambda t: np.exp(1j * x * t * np.arange(3)), 0, x)[0]).imag,
}  # fmt: skip


def differences(f: Any, x: float, h: float) -> float:
    return float((8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h))


LOOSE = {"covariance": 3e-5, "curve_fit_within": 3e-5, "linear_constraint": 3e-4}
"""How far SciPy's own results let differences be off."""
EAGER = {"grad", "jacfwd"}
MODES = {*EAGER, "llvm", "numba", "numpy"}


def make(mode: str, f: Any) -> Any:
    if mode in ("grad", "jacfwd"):
        return getattr(graphad, mode)(f)
    return graphad.jit(graphad.jacfwd(f) if mode == "numba" else graphad.grad(f), executor=mode)


@pytest.mark.parametrize("name", ROOTS)
def test_a_root_has_the_derivatives_of_the_square_root(name: str) -> None:
    f = ROOTS[name]
    for mode in MODES if name in ("brentq", "root", "least_squares") else MODES - {"numba", "numpy"}:
        assert make(mode, f)(2.0) == pytest.approx(0.5 / np.sqrt(2), rel=1e-10)
    np.testing.assert_allclose([graphad.jit(f)(2.0), f(2.0)], np.sqrt(2), rtol=1e-8)
    assert graphad.grad(graphad.grad(f))(2.0) == pytest.approx(-0.25 * 2**-1.5, rel=1e-8)
    assert graphad.jit(graphad.grad(graphad.hessian(f)))(2.0) == pytest.approx(0.375 * 2**-2.5, rel=1e-7)
    xs = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(graphad.vmap(graphad.grad(f))(xs), 0.5 / np.sqrt(xs), rtol=1e-9)


LONG = {"tplquad", "nonlinear_constraint"}


@pytest.mark.parametrize("name", [pytest.param(k, marks=pytest.mark.slow if k in LONG else ()) for k in PROGRAMS])
def test_derivatives_are_those_of_the_solution(name: str) -> None:
    f, x = PROGRAMS[name], 0.7
    expected = differences(f, x, 1e-3)
    assert graphad.jit(f)(x) == pytest.approx(f(x), rel=1e-6)
    gradient = make("llvm", f)
    found = [gradient(x), *[make(mode, f)(x) for mode in (MODES if name == "dblquad" else EAGER) - {"llvm"}]]
    for slope in found:
        assert slope == pytest.approx(expected, rel=LOOSE.get(name, 3e-6), abs=1e-8)
    second = differences(gradient, x, 1e-3)
    assert graphad.jit(graphad.hessian(f))(x) == pytest.approx(second, rel=1e-6, abs=1e-7)


def test_in_loops_branches_and_batches() -> None:
    def total(x: Any) -> Any:
        s = 0.0
        for i in range(40):
            s = s + optimize.brentq(lambda t, a: t**3 + t - a, 0, 50, args=(x * (i + 1),))
        return s

    def either(x: Any) -> Any:
        if x > 1:
            return optimize.brentq(lambda t: t**3 + t - x if t > 0.1 else -x, 0, 50)
        return x * integrate.quad(lambda t: np.sin(t * x), 0, x)[0]

    assert graphad.jit(graphad.grad(total))(1.0) == pytest.approx(differences(total, 1.0, 1e-3), rel=1e-8)
    xs = np.array([0.3, 1.3])
    expected = [differences(either, x, 1e-3) for x in xs]
    np.testing.assert_allclose(graphad.jit(graphad.vmap(graphad.grad(either)))(xs), expected, rtol=1e-8)
    np.testing.assert_allclose([graphad.grad(either)(x) for x in xs], expected, rtol=1e-8)


def test_a_variable_at_a_bound_follows_it() -> None:
    def f(x: Any, bound: Any) -> Any:
        cost = lambda t: (t[0] - x) ** 2 + (t[1] - t[0]) ** 2
        return optimize.minimize(cost, [0.1, 0.1], bounds=[(0, bound), (None, None)]).x

    np.testing.assert_allclose(graphad.jacrev(f, (0, 1))(2.0, 1.0), [[0, 0], [1, 1]], atol=1e-9)
    np.testing.assert_allclose(graphad.jacrev(f, (0, 1))(0.5, 1.0), [[1, 1], [0, 0]], atol=1e-9)
    within = lambda x, bound: optimize.minimize_scalar(lambda t: (t - x) ** 2, bounds=(bound, 9)).x
    assert graphad.grad(within)(0.5, 1.0) == 0
    assert graphad.grad(within, 1)(0.5, 1.0) == 1
    assert graphad.grad(within)(2.0, 1.0) == pytest.approx(1, rel=1e-9)


def test_active_bounds_do_not_depend_on_the_scale_of_the_objective() -> None:
    def f(x: Any, scale: float, low: float) -> Any:
        cost = lambda t: scale * ((t[0] - x) ** 2 + (t[1] - t[0]) ** 2)
        return optimize.minimize(cost, [2.0, 2.0], method="Nelder-Mead", bounds=[(low, 9), (-9, 9)]).x[1]

    for scale in (1e-8, 1.0, 1e8):
        assert graphad.grad(f)(1.0, scale, 0.0) == pytest.approx(1, rel=1e-6)
        assert graphad.grad(f)(1.0, scale, 1.5) == pytest.approx(0, abs=1e-6)


def test_what_scipy_takes_for_a_solution_and_is_none_is_told() -> None:
    jump = lambda x: optimize.brentq(lambda t: np.floor(t) + t - 1.5 * x, 0, 2)
    early = lambda x: optimize.minimize(lambda t: 1e-6 * (t[0] + x) ** 2, [0.5], bounds=[(0, 5)]).x[0]
    for f in (jump, early):
        with pytest.raises(RuntimeError, match=r"test_optimize\.py"):
            graphad.grad(f)(0.7)


def test_the_result_is_scipys() -> None:
    def f(x: Any) -> Any:
        return optimize.minimize(valley, [0.1, 0.1], args=(x,), jac=slope)

    found, wanted = graphad.jit(f)(0.7), f(0.7)
    assert type(found) is type(wanted)
    assert set(found) == set(wanted)
    for key in ("x", "fun", "jac", "nit", "nfev", "status", "success", "hess_inv"):
        np.testing.assert_allclose(found[key], wanted[key], rtol=1e-6, atol=1e-9)
    fit = lambda x: optimize.least_squares(decay, [1.0, 1.0], args=(X * x, Y))
    found, wanted = graphad.jit(fit)(1.0), fit(1.0)
    assert set(found) == set(wanted)
    for key in ("x", "fun", "jac", "cost", "status", "active_mask"):
        np.testing.assert_allclose(found[key], wanted[key], rtol=1e-6, atol=1e-6)
    log = lambda z: np.stack([np.log1p(z), 1 / (1 + z), -1 / (1 + z) ** 2])
    for loss in ("huber", log):
        fit = lambda x, loss=loss: optimize.least_squares(decay, [1.0, 1.0], args=(X * x, Y), loss=loss, f_scale=0.1)
        np.testing.assert_allclose(graphad.jit(fit)(1.0).jac, fit(1.0).jac, rtol=1e-3, atol=1e-5)
    squares = lambda x, n: optimize.newton(lambda t: t * t - x, np.ones(n), lambda t: 2 * t, full_output=True)
    assert graphad.jit(squares, static_argnums=1)(2.0, 2)._fields == squares(2.0, 2)._fields
    np.testing.assert_allclose(graphad.jit(squares, static_argnums=1)(2.0, 1)[0], np.sqrt([2.0]))
    np.testing.assert_allclose(graphad.jit(lambda x: optimize.lsq_linear(A, x * B).x)(1.0), np.linalg.lstsq(A, B)[0])
    assert graphad.grad(lambda x: optimize.linprog([1, 1], [[-x, -1]], [-1], bounds=None).fun)(2.0) == -0.25


def test_what_the_solver_says_of_itself_has_no_derivative() -> None:
    for f in (
        lambda x: optimize.minimize(valley, [0.1, 0.1], args=(x,)).hess_inv[0, 0],
        lambda x: integrate.quad(lambda t: t * x, 0, 1)[1],
    ):
        assert np.isfinite(graphad.jit(f)(0.7))
        for mode in (graphad.grad, graphad.jacfwd, lambda f: graphad.jit(graphad.grad(f))):
            with pytest.raises(GraphadError, match=r"test_optimize\.py.*no derivative"):
                mode(f)(0.7)


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda x: optimize.brentq(lambda t: t * t + x, 0, 1), ValueError, "different signs"),
        (lambda x: optimize.newton(lambda t: np.arctan(t) - x, 9.0, maxiter=3), RuntimeError, "converge"),
        (lambda x: optimize.newton(lambda t: np.arctan(t) - x, 9.0, maxiter=3, disp=False), RuntimeError, "converge"),
        (lambda x: optimize.root(lambda t: [t[0] ** 2 - x + t[1], t[0] ** 2 - x + t[1]], [1.0, 2.0]).x[0],
         np.linalg.LinAlgError, "ingular"),
        (lambda x: optimize.minimize(valley, [9.0, -9.0], (x,), options={"maxiter": 1}).x[0], RuntimeError, "converge"),
        (lambda x: integrate.quad(lambda t: abs(t - x), 0, 1, points=[x])[0], GraphadError, "points= is traced"),
        (lambda x: integrate.quad(np.cos, 0, x, weight="cos", wvar=1.0)[0], GraphadError, "weight"),
        (lambda x: integrate.quad(lambda t: np.ones(2) * x, 0, 1)[0], GraphadError, "not one number"),
        (lambda x: optimize.root(lambda t: np.ones(2) * x, [1.0]).x[0], GraphadError, "as many equations"),
        (lambda x: optimize.minimize(valley, [0.1, 0.1], (x,), callback=print).fun, GraphadError, "callback"),
        (lambda x: curve(x, method="trf", loss="cauchy")[0][0], GraphadError, "loss= .*least_squares"),
        (lambda x: optimize.curve_fit(lambda t, *p: p[0] * t * x, X, Y)[0][0], GraphadError, "give p0"),
        (lambda x: optimize.brentq(lambda t: t - x, 0, 2, xtol=x)[0], GraphadError, "xtol= is traced"),
    ],
)  # fmt: skip
def test_what_has_no_solution_or_derivative_is_told(f: Any, error: Any, message: str) -> None:
    for mode in (graphad.grad, lambda f: graphad.jit(graphad.grad(f))):
        with pytest.raises(error, match=message):
            mode(f)(0.7)


def test_what_functions_do_beside_is_seen() -> None:
    history: list[Any] = []

    def f(t: Any, x: Any) -> Any:
        history.append(t)
        return t * t - x

    with pytest.raises(GraphadError, match="outlive its trace"):
        graphad.grad(lambda x: optimize.brentq(f, 0, 5, args=(x,)))(2.0)


    class Model:
        calls = 0

        def __call__(self, t: Any) -> Any:
            self.calls += 1
            return t * t - 2.0

    def counted(x: Any) -> Any:
        model = Model()
        return optimize.brentq(lambda t: model(t) * x, 0, 5) + model.calls

    def kept(x: Any) -> Any:
        made: dict[str, Any] = {}
        return optimize.brentq(lambda t: made.setdefault("power", 2) * t - x, 0, 5)

    for mode in (graphad.grad, graphad.jit):
        with pytest.raises(GraphadError, match=r"changes model\.calls.*nfev"):
            mode(counted)(2.0)
    assert graphad.grad(kept)(2.0) == pytest.approx(0.5)


def test_constants_are_solved_by_scipy_itself() -> None:
    calls = []

    def f(t: Any) -> Any:
        calls.append(type(t))
        return t * t - 2

    assert graphad.grad(lambda x: x * optimize.brentq(f, 0, 5))(3.0) == pytest.approx(np.sqrt(2))
    assert set(calls) == {float}


def test_the_result_of_a_root_is_a_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(graphad.tree._REGISTRY, optimize.OptimizeResult, raising=False)
    found, result = graphad.jit(lambda x: optimize.brentq(lambda t: t * t - x, 0, 5, full_output=True))(2.0)
    assert found == result.root
    assert result.converged

"""Solvers within compiled code: what they find, their derivatives, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

import graphad
from graphad import optimize
from graphad.errors import ShapeError, SingularError, TypeMismatchError

EXECUTORS = ["numpy", pytest.param("numba", marks=pytest.mark.slow), "llvm"]
SMOOTH = ["bfgs", "lbfgs", "modified_newton", "dogleg", "trust_ncg"]
BOUNDED = ["bfgs", "lbfgs", "modified_newton"]
SQUARES = ["gauss_newton", "levenberg_marquardt"]
MINIMA = [*SMOOTH, *SQUARES]


def solver(name: str) -> Callable[..., Any]:
    return getattr(optimize, name)  # type: ignore[no-any-return]


def valley(x: Any) -> Any:
    """Rosenbrock's function, least at ones."""
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def valley_terms(x: Any) -> Any:
    return {"curve": 10 * (x[1:] - x[:-1] ** 2), "rest": 1 - x[:-1]}


def of(name: str) -> Any:
    return valley_terms if name in SQUARES else valley


@pytest.mark.parametrize("name", MINIMA)
@pytest.mark.parametrize("n", [2, 6])
def test_minimum_of_a_curved_valley(name: str, n: int) -> None:
    found = solver(name)(of(name), np.full(n, -1.2))
    assert found.success
    assert found.status == 0
    assert found.nit > 0
    assert np.abs(found.x - 1).max() < 1e-6
    assert found.fun < 1e-12
    assert np.abs(found.jac).max() < 1e-5


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", ["bfgs", "levenberg_marquardt", "trust_ncg"])
def test_compiled_iterations_are_the_same(name: str, executor: str) -> None:
    find = lambda x: solver(name)(of(name), x)
    eager, compiled = find(np.full(3, -1.2)), graphad.jit(find, executor=executor)(np.full(3, -1.2))
    assert abs(int(compiled.nit) - int(eager.nit)) <= 1
    assert np.allclose(compiled.x, eager.x, rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", BOUNDED)
def test_bounds_hold(name: str) -> None:
    def best(high: Any) -> Any:
        return solver(name)(valley, np.full(4, -1.2), bounds=[(None, high)] * 4).x

    want = scipy.optimize.minimize(valley, np.full(4, -1.2), bounds=[(None, 0.5)] * 4, method="L-BFGS-B", tol=1e-14).x
    assert np.allclose(best(0.5), want, atol=1e-5)
    assert best(0.5).max() <= 0.5
    slope = graphad.jit(graphad.jacfwd(best))(0.5)
    assert np.allclose(slope, (best(0.5 + 1e-4) - best(0.5 - 1e-4)) / 2e-4, rtol=1e-3, atol=1e-5)
    assert np.isclose(slope[0], 1.0, rtol=1e-12)


def test_bounds_of_trees() -> None:
    away = lambda p: (p["a"] - 3) ** 2 + np.sum((p["b"] - np.array([1.0, -1.0])) ** 2)
    start = {"a": 0.0, "b": np.zeros(2)}
    assert optimize.bfgs(away, start, bounds={"a": (None, 2.0)}).x["a"] == 2.0
    assert np.array_equal(optimize.bfgs(away, start, bounds={"b": (0.0, [0.5, 1.0])}).x["b"], [0.5, 0.0])
    with pytest.raises(TypeMismatchError, match="'c', which x0 does not have"):
        optimize.bfgs(away, start, bounds={"c": (0, 1)})
    with pytest.raises(TypeMismatchError, match=r"give \(low, high\)"):
        optimize.bfgs(away, start, bounds={"a": 1.0})
    pair = lambda p: (p[0] - 3) ** 2 + np.sum(p[1] ** 2)
    assert optimize.lbfgs(pair, (0.0, np.ones(2)), bounds=((None, 1.0), None)).x[0] == 1.0


def shifted(name: str) -> Callable[[Any], Any]:
    """A minimum that moves with `a`, of unknowns in a tree."""
    if name in SQUARES:
        terms = lambda p, a: [p["x"] - a, p["x"] * p["y"], p["y"] - np.sum(a)]
        return lambda a: solver(name)(terms, {"x": np.ones(3), "y": 0.5}, (a,)).x

    def height(p: Any, a: Any) -> Any:
        off = p["x"] - a
        return np.sum(off**4 + off**2) + (p["y"] - np.sum(a)) ** 2 * (1 + p["x"][0] ** 2) + p["y"] ** 2

    return lambda a: solver(name)(height, {"x": np.ones(3), "y": 0.5}, (a,)).x


@pytest.mark.parametrize("name", MINIMA)
def test_derivatives_of_the_minimum(name: str) -> None:
    a, weights = np.array([1.0, 0.5, -0.3]), np.array([1.0, -2.0, 0.5])
    target = lambda a: (lambda p: p["x"] @ weights + p["y"] ** 2)(shifted(name)(a))
    slope = graphad.grad(target)(a)
    near = [(target(a + e) - target(a - e)) / 2e-4 for e in 1e-4 * np.eye(3)]
    assert np.allclose(slope, near, rtol=1e-4, atol=1e-6)
    assert np.allclose(graphad.jacfwd(target)(a), slope, rtol=1e-9)
    curve = graphad.hessian(target)(a)
    near = [(graphad.grad(target)(a + e) - graphad.grad(target)(a - e)) / 2e-4 for e in 1e-4 * np.eye(3)]
    assert np.allclose(curve, near, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_compiled_derivatives_in_batches_and_loops(executor: str) -> None:
    target = lambda a: shifted("modified_newton")(a)["y"]
    rows = np.array([[1.0, 0.5, -0.3], [0.2, 0.1, 0.4]])
    want = np.stack([graphad.grad(target)(a) for a in rows])
    assert np.allclose(graphad.jit(graphad.vmap(graphad.grad(target)), executor=executor)(rows), want, atol=1e-8)
    one_by_one = graphad.grad(lambda rows: np.sum(graphad.map(target, rows)))
    assert np.allclose(graphad.jit(one_by_one, executor=executor)(rows), want, atol=1e-8)


def test_derivative_of_the_iterations() -> None:
    a = np.array([1.0, 2.0])
    height = lambda x, a: np.sum((x - a) ** 4 + (x - a) ** 2)
    find = lambda a, implicit: optimize.lbfgs(height, np.zeros(2), (a,), implicit=implicit).x
    assert np.allclose(graphad.jacrev(lambda a: find(a, False))(a), np.eye(2), atol=1e-6)
    assert np.allclose(graphad.jacrev(lambda a: find(a, True))(a), np.eye(2), atol=1e-9)


@pytest.mark.parametrize("name", [*SMOOTH, "adam", "sgd"])
def test_what_is_not_reached_is_told_and_has_no_derivative(name: str) -> None:
    far = lambda a: solver(name)(lambda x: np.sum((x - a) ** 4 + (x - a) ** 2), np.full(2, 9.0), maxiter=1)
    found = far(1.0)
    assert not found.success
    assert found.status == 1
    assert np.isfinite(found.x).all()
    with pytest.raises(RuntimeError, match=f"{name} did not converge"):
        graphad.grad(lambda a: np.sum(far(a).x))(1.0)


@pytest.mark.parametrize("name", [*MINIMA, "adam", "sgd"])
def test_never_a_point_that_is_not_finite(name: str) -> None:
    if name in SQUARES:
        wall = lambda x: np.concatenate([np.log(x), 1 / x - 3])
    else:
        wall = lambda x: np.sum(x - 2 * np.log(x))
    with np.errstate(all="ignore"):
        found = solver(name)(wall, np.array([0.01, 30.0]))
        lost = solver(name)(wall, np.array([-1.0, 1.0]))
    assert np.isfinite(found.x).all()
    assert np.isfinite(found.fun)
    assert not lost.success
    assert lost.status == 3
    assert np.array_equal(lost.x, [-1.0, 1.0])


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_steps_of_a_given_size(name: str) -> None:
    found = solver(name)(lambda x: np.sum((x - np.array([3.0, -1.0])) ** 2), np.zeros(2), learning_rate=0.1)
    assert found.success
    assert np.allclose(found.x, [3.0, -1.0], atol=1e-5)
    slope = graphad.grad(lambda c: solver(name)(lambda x: (x - c) ** 2, 0.0, learning_rate=0.1).x)(2.0)
    assert np.isclose(slope, 1.0)
    heavy = optimize.sgd(lambda x: x**2, 3.0, learning_rate=0.05, momentum=0.5, nesterov=True)
    assert heavy.success
    assert heavy.nit < optimize.sgd(lambda x: x**2, 3.0, learning_rate=0.05).nit


@pytest.mark.parametrize("name", SMOOTH)
def test_what_falls_forever_has_no_minimum(name: str) -> None:
    with np.errstate(all="ignore"):
        found = solver(name)(np.sum, np.ones(2))
    assert not found.success
    assert found.status in (1, 2)
    assert np.isfinite(found.x).all()


@pytest.mark.parametrize("name", [*SMOOTH, "levenberg_marquardt"])
@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12])
def test_units_of_the_unknowns_do_not_matter(name: str, size: float) -> None:
    terms = lambda x: np.stack([(x / size) ** 2 - 2, x / size - 1])
    half = lambda x: np.sum(terms(x) ** 2)
    found = solver(name)(terms if name in SQUARES else half, size * np.array([1.0, 1.7]))
    assert found.success
    assert np.allclose(found.x / size, found.x[0] / size, rtol=1e-6)
    assert np.allclose((found.x / size) ** 3, 1.5 * found.x / size + 0.5, rtol=1e-6)


def test_least_squares_at_double_roots() -> None:
    assert optimize.levenberg_marquardt(lambda x: x**2, np.full(2, 3.0)).success
    assert optimize.levenberg_marquardt(lambda x: x**2 + 1, np.full(2, 3.0)).success
    assert not optimize.levenberg_marquardt(lambda x: np.exp(-x), np.full(2, 3.0)).success


@pytest.mark.parametrize("name", [*BOUNDED, *SQUARES])
def test_bounds_that_leave_no_room(name: str) -> None:
    centre = np.array([2.0, -1.0])
    f = (lambda x: x - centre) if name in SQUARES else (lambda x: np.sum((x - centre) ** 2))
    held = lambda c: solver(name)(f, [0.5, 0.0], bounds=[(c, c), (None, None)]).x
    assert np.allclose(held(0.5), [0.5, -1.0], atol=1e-7)
    assert np.allclose(graphad.jacfwd(held)(0.5), [1, 0], atol=1e-12)
    for low, high in [(1.0, 0.0), (np.nan, 1.0)]:
        crossed = lambda low, high: solver(name)(f, [0.5, 0.0], bounds=[(low, high), (0, 5)]).x
        with pytest.raises(ValueError, match=f"{name}: an upper bound lies below"):
            crossed(low, high)
        with pytest.raises(ValueError, match=f"{name}: an upper bound lies below"):
            graphad.jit(crossed)(low, high)


# -- roots --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["brentq", "bisect"])
def test_roots_within_brackets(name: str) -> None:
    find = solver(name)
    kepler = lambda mean, e: find(lambda E: E - e * np.sin(E) - mean, 0.0, 2 * np.pi)
    E = scipy.optimize.brentq(lambda E: E - 0.3 * np.sin(E) - 1.0, 0, 2 * np.pi)
    assert abs(kepler(1.0, 0.3) - E) < 4e-12
    want = 1 / (1 - 0.3 * np.cos(E)), np.sin(E) / (1 - 0.3 * np.cos(E))
    assert np.allclose(graphad.grad(kepler, (0, 1))(1.0, 0.3), want, rtol=1e-12)
    for executor in ("numpy", "numba", "llvm") if name == "bisect" else ("numpy", "llvm"):
        means = np.linspace(0.1, 6.0, 7)
        batch = graphad.jit(graphad.vmap(graphad.value_and_grad(kepler), (0, None)), executor=executor)
        roots, slopes = batch(means, 0.3)
        assert np.abs(roots - 0.3 * np.sin(roots) - means).max() < 1e-11
        assert np.allclose(slopes, 1 / (1 - 0.3 * np.cos(roots)), rtol=1e-11)
    with pytest.raises(ValueError, match="different signs"):
        find(lambda x: x**2 + 1, 0.0, 1.0)
    with pytest.raises(RuntimeError, match="did not converge within 3"):
        find(lambda x: x**3 - x - 1, 0.0, 3.0, maxiter=3)
    root, told = find(lambda x: x**2 + 1, 0.0, 1.0, full_output=True, disp=False)
    assert not told.converged
    assert np.isfinite(root)
    assert find(lambda x: x - 1, 1.0, 2.0) == 1.0
    assert find(lambda x: x - 2, 1.0, 2.0) == 2.0


@given(st.floats(-3, 3), st.floats(0.1, 5), st.floats(-2, 2))
@settings(deadline=None, max_examples=60)
def test_brentq_takes_scipys_steps(a: float, width: float, shift: float) -> None:
    curve = lambda x: np.tanh(3 * (x - shift)) + 0.1 * (x - shift) ** 3
    if np.sign(curve(a)) * np.sign(curve(a + width)) >= 0:
        return
    want, told = scipy.optimize.brentq(curve, a, a + width, full_output=True)
    got, ours = optimize.brentq(curve, a, a + width, full_output=True)
    assert abs(got - want) <= 5e-12
    assert abs(int(ours.function_calls) - told.function_calls) <= 2


def test_systems_of_equations() -> None:
    system = lambda s, a: {"u": s["x"] ** 2 + s["y"] - a, "v": s["x"] * s["y"] - 1}
    find = lambda a: optimize.newton(system, {"x": 1.0, "y": 2.0}, (a,))
    found = find(3.0)
    assert found.success
    assert max(abs(v) for v in found.fun.values()) < 1e-12
    slope = graphad.grad(lambda a: find(a).x["x"])
    assert np.isclose(slope(3.0), (find(3.001).x["x"] - find(2.999).x["x"]) / 0.002, rtol=1e-5)
    assert np.isclose(graphad.jit(graphad.grad(slope))(3.0), (slope(3.001) - slope(2.999)) / 0.002, rtol=1e-4)
    assert optimize.newton(np.arctan, 3.0).success  # where whole steps run away
    with pytest.raises(ShapeError, match="1 numbers for 2 unknowns"):
        optimize.newton(lambda x: x[0], [1.0, 2.0])
    nowhere = optimize.newton(lambda x: (x[0] + x[1], x[0] + x[1] - 1), [1.0, 2.0])
    assert not nowhere.success
    assert nowhere.status == 2
    with pytest.raises(SingularError, match="newton: the Jacobian matrix is singular"):
        graphad.grad(lambda a: optimize.newton(lambda x: (x[0] ** 2, x[1] - a * x[0]), [0.0, 0.0]).x[1])(1.0)


def test_fixed_points() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(12, 12))
    matrix *= 0.9 / np.abs(np.linalg.eigvals(matrix)).max()
    step = lambda x, b: matrix @ x + b
    b = rng.normal(size=12)
    quick, plain = [optimize.fixed_point(step, np.zeros(12), (b,), memory=m, xtol=1e-10) for m in (5, 0)]
    want = np.linalg.solve(np.eye(12) - matrix, b)
    assert quick.success
    assert plain.success
    assert quick.nit < plain.nit
    assert np.allclose(quick.x, want, atol=1e-7)
    assert np.allclose(plain.x, want, atol=1e-7)
    jacobian = graphad.jit(graphad.jacrev(lambda b: optimize.fixed_point(step, np.zeros(12), (b,)).x))(b)
    assert np.allclose(jacobian, np.linalg.inv(np.eye(12) - matrix), atol=1e-6)
    assert not optimize.fixed_point(lambda x: 2 * x + 1, 1.0, memory=0, maxiter=2000).success


# -- many at once -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMOOTH)
def test_toys_are_fitted_in_batches(name: str) -> None:
    rng = np.random.default_rng(1)
    centre = np.linspace(-1, 1, 10)
    expected = lambda p: p[0] * np.exp(-0.5 * (centre / 0.3) ** 2) + p[1] + p[2] * centre

    def height(p: Any, data: Any) -> Any:
        rate = expected(p)
        inside = rate > 0
        return np.sum(np.where(inside, rate - data * np.log(np.where(inside, rate, 1.0)), np.inf))

    true = np.array([8.0, 5.0, 2.0])
    data = rng.poisson(expected(true), (200, 10)).astype(float)

    def fit(data: Any) -> Any:
        found = solver(name)(height, true, (data,))
        return found.x, found.success, np.max(np.abs(found.jac))

    x, success, slope = graphad.jit(lambda data: graphad.map(fit, data))(data)
    assert np.isfinite(x).all()
    assert success.sum() == 198  # two are best at the edge of where the rates are positive, which is no minimum
    assert slope[success].max() < 1e-5
    together = graphad.jit(graphad.vmap(fit))(data[:20])
    assert np.allclose(together[0], x[:20], atol=1e-6)


def test_a_fit_whose_function_holds_a_root() -> None:
    mean = np.array([0.5, 1.0, 2.0, 4.0])

    def seen(e: Any) -> Any:
        return graphad.vmap(lambda m: optimize.brentq(lambda E: E - e * np.sin(E) - m, 0.0, 2 * np.pi))(mean)

    def fitted(noise: Any) -> Any:
        data = seen(0.4) + noise
        return optimize.levenberg_marquardt(lambda e: seen(e) - data, 0.2, tol=1e-12).x

    noise = np.array([1e-3, -2e-3, 1e-3, 0.5e-3])
    slope = graphad.jit(graphad.grad(fitted))(noise)
    near = [(fitted(noise + e) - fitted(noise - e)) / 2e-5 for e in 1e-5 * np.eye(4)]
    assert np.allclose(slope, near, rtol=1e-4)
    curve = graphad.hessian(fitted)(noise)
    near = [(graphad.grad(fitted)(noise + e) - graphad.grad(fitted)(noise - e)) / 2e-5 for e in 1e-5 * np.eye(4)]
    assert np.allclose(curve, near, rtol=1e-3, atol=1e-6)


# -- solvers of the user's own --------------------------------------------------------------------------------------


def cube_root(a: Any) -> Any:
    steps = lambda f, x: graphad.fori_loop(0, 40, lambda _, x: x - f(x) / (3 * x**2), x)
    return optimize.custom_root(lambda x: x**3 - a, 1, steps, lambda g, y: y / g(1.0))


@pytest.mark.parametrize("wrap", [lambda f: f, graphad.jit], ids=["eager", "jit"])
def test_custom_root(wrap: Any) -> None:
    assert np.isclose(wrap(cube_root)(2.0), 2 ** (1 / 3))
    assert np.isclose(wrap(graphad.grad(cube_root))(2.0), 2 ** (-2 / 3) / 3)
    assert np.isclose(wrap(graphad.jacfwd(graphad.grad(cube_root)))(2.0), -2 * 2 ** (-5 / 3) / 9)
    assert np.allclose(wrap(graphad.vmap(graphad.grad(cube_root)))(np.array([2.0, 8.0])), [2 ** (-2 / 3) / 3, 1 / 12])


def test_custom_root_of_trees_and_what_else_it_gives() -> None:
    def pair(a: Any) -> Any:
        zero = lambda s: {"x": s["x"] ** 2 - a["p"], "y": s["y"] - a["q"] * s["x"]}
        solve = lambda f, s: ({"y": a["q"] * np.sqrt(a["p"]), "x": np.sqrt(a["p"])}, np.sqrt(a["p"]) * 7)
        direct = lambda g, y: (
            lambda x: {"x": x, "y": y["y"] - g({"x": x, "y": 0.0})["y"]}
        )(y["x"] / g({"x": 1.0, "y": 0.0})["x"])
        return optimize.custom_root(zero, {"x": 1.0, "y": 1.0}, solve, direct, has_aux=True)

    at = {"p": 4.0, "q": 3.0}
    assert pair(at)[0] == {"x": 2.0, "y": 6.0}
    assert pair(at)[1] == 14.0
    slope = graphad.grad(lambda a: pair(a)[0]["y"])(at)
    assert np.isclose(slope["p"], 3 / 4)
    assert np.isclose(slope["q"], 2.0)
    with pytest.raises(graphad.MissingRuleError, match="what solve gives beside the root"):
        graphad.grad(lambda a: pair(a)[1])(at)
    with pytest.raises(TypeMismatchError, match=r"custom_root: .*f gives"):
        optimize.custom_root(lambda x: np.array([x, x]), 1.0, lambda f, x: x, lambda g, y: y)


def test_custom_fixed_point() -> None:
    iterate = lambda f, x: graphad.while_loop(lambda x: np.abs(f(x) - x) > 1e-14, f, x)
    find = lambda a: optimize.custom_fixed_point(lambda x: np.cos(a * x), 0.5, iterate, lambda g, y: y / g(1.0))
    x = find(1.0)
    assert np.isclose(graphad.jit(graphad.grad(find))(1.0), -np.sin(x) * x / (1 + np.sin(x)))


RNG = np.random.default_rng(0)
N = 6
MATRIX = RNG.normal(size=(N, N)) + 5 * np.eye(N)
VECTOR = RNG.normal(size=N)


def dense(A: Any, b: Any) -> Any:
    return np.linalg.solve(A, b)


def custom(A: Any, b: Any) -> Any:
    whole = lambda product, b: np.linalg.solve(graphad.jacfwd(product)(b), b)
    return optimize.custom_linear_solve(lambda x: A @ x, b, whole, whole)


def krylov(name: str) -> Callable[[Any, Any], Any]:
    return lambda A, b: solver(name)(lambda x: A @ x, b, rtol=1e-13)[0]


@pytest.mark.parametrize("wrap", [lambda f: f, graphad.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("name", ["custom", "cg", "bicgstab", "gmres"])
def test_linear_systems_known_by_their_products(name: str, wrap: Any) -> None:
    solve = custom if name == "custom" else krylov(name)
    made = (lambda A: A @ A.T) if name == "cg" else (lambda A: A)
    ours, theirs = [lambda A, b, s=s: np.sum(s(made(A), b) ** 2) for s in (solve, dense)]
    derivatives = (
        lambda f: graphad.grad(f, (0, 1))(MATRIX, VECTOR),
        lambda f: graphad.jacfwd(f, 1)(MATRIX, VECTOR),
        lambda f: graphad.hessian(f, 1)(MATRIX, VECTOR),
        lambda f: graphad.jacrev(graphad.grad(lambda b: f(MATRIX * (1 + 0.1 * b), b)))(VECTOR),
        lambda f: graphad.vmap(graphad.grad(f), (None, 0))(MATRIX, np.stack([VECTOR, 2 * VECTOR])),
        lambda f: graphad.vmap(graphad.grad(f), (0, None))(np.stack([MATRIX, 2 * MATRIX]), VECTOR),
    )
    everything = lambda f: graphad.tree.leaves([one(f) for one in derivatives])
    for x, y in zip(wrap(lambda: everything(ours))(), everything(theirs), strict=True):
        assert np.allclose(x, y, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["cg", "bicgstab", "gmres"])
def test_iterations_say_whether_they_ended(name: str) -> None:
    A = MATRIX @ MATRIX.T if name == "cg" else MATRIX
    x, info = solver(name)(A, VECTOR, rtol=1e-12)
    assert info == 0
    assert np.allclose(A @ x, VECTOR)
    better = solver(name)(A, VECTOR, x0=x + 1e-3, rtol=1e-12, M=np.diag(1 / np.diag(A)))
    assert better[1] == 0
    assert np.allclose(better[0], x)
    limits = {"restart": 2, "maxiter": 1} if name == "gmres" else {"maxiter": 1}
    short = lambda b: solver(name)(A, b, rtol=1e-12, **limits)
    assert short(VECTOR)[1] > 0
    with pytest.raises(RuntimeError, match=f"{name} did not converge"):
        graphad.grad(lambda b: np.sum(short(b)[0]))(VECTOR)
    turned = A + 1j * (A - A.T)
    z = solver(name)(turned if name != "cg" else A + 1j * (MATRIX - MATRIX.T), VECTOR + 1j, rtol=1e-12)[0]
    assert np.allclose((turned if name != "cg" else A + 1j * (MATRIX - MATRIX.T)) @ z, VECTOR + 1j)


@pytest.mark.parametrize("name", ["cg", "bicgstab", "gmres", "splu"])
def test_scipys_names_for_sparse_matrices(name: str) -> None:
    import scipy.sparse
    import scipy.sparse.linalg

    pattern = scipy.sparse.csr_matrix(np.where(np.abs(MATRIX @ MATRIX.T) > 3, MATRIX @ MATRIX.T, 0))
    whole = lambda data: scipy.sparse.csr_matrix((data, pattern.indices, pattern.indptr), shape=pattern.shape)
    rows = np.repeat(np.arange(N), np.diff(pattern.indptr))

    def ours(data: Any, b: Any) -> Any:
        if name == "splu":
            factors = scipy.sparse.linalg.splu(whole(data).tocsc())
            return np.sum(factors.solve(b) ** 2) + factors.solve(b, "T") @ b
        return np.sum(getattr(scipy.sparse.linalg, name)(whole(data), b, rtol=1e-13)[0] ** 2)

    def theirs(data: Any, b: Any) -> Any:
        A = np.zeros((N, N))
        A[rows, pattern.indices] = data
        return np.sum(dense(A, b) ** 2) + (dense(A.T, b) @ b if name == "splu" else 0.0)

    for wrap in (lambda f: f, graphad.jit):
        got = wrap(graphad.grad(ours, (0, 1)))(pattern.data, VECTOR)
        for x, y in zip(got, graphad.grad(theirs, (0, 1))(pattern.data, VECTOR), strict=True):
            assert np.allclose(x, y, rtol=1e-8, atol=1e-12)


def test_factors_made_of_plain_numbers() -> None:
    import scipy.sparse
    import scipy.sparse.linalg

    factors = scipy.sparse.linalg.splu(scipy.sparse.csc_matrix(MATRIX))
    for wrap in (lambda f: f, graphad.jit):
        slope = wrap(graphad.grad(lambda b: factors.solve(b) @ b + np.sum(factors.solve(b, trans="T") ** 2)))(VECTOR)
        want = graphad.grad(lambda b: dense(MATRIX, b) @ b + np.sum(dense(MATRIX.T, b) ** 2))(VECTOR)
        assert np.allclose(slope, want)


def test_a_transpose_that_is_not_known_is_refused() -> None:
    solve = lambda A, b: optimize.custom_linear_solve(lambda x: A @ x, b, lambda p, b: np.linalg.solve(A, b))
    assert np.allclose(graphad.jacfwd(solve, 1)(MATRIX, VECTOR), np.linalg.inv(MATRIX))
    with pytest.raises(graphad.MissingRuleError, match="no transpose_solve"):
        graphad.grad(lambda b: np.sum(solve(MATRIX, b)))(VECTOR)
    even = MATRIX + MATRIX.T
    symmetric = lambda b: np.sum(
        optimize.custom_linear_solve(lambda x: even @ x, b, lambda p, b: np.linalg.solve(even, b), symmetric=True) ** 2
    )
    assert np.allclose(graphad.grad(symmetric)(VECTOR), graphad.grad(lambda b: np.sum(dense(even, b) ** 2))(VECTOR))

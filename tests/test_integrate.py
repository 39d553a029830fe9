"""`graphad.scipy.integrate`: SciPy's rules and steps; sensitivities against each other and variational equations."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.integrate
import scipy.sparse

import graphad
import graphad.scipy.integrate as gi
from graphad.errors import MissingRuleError, ShapeError

RNG = np.random.default_rng(6)
Y = RNG.normal(size=(3, 9))
X = np.cumsum(RNG.uniform(0.1, 1.0, 9))

SAMPLES = {
    "trapezoid": lambda m, y, x: [m.trapezoid(y, x), m.trapezoid(y, dx=0.3), m.trapezoid(y.T, x, axis=0)],
    "cumulative_trapezoid": lambda m, y, x: [m.cumulative_trapezoid(y, x), m.cumulative_trapezoid(y, initial=0)],
    "simpson": lambda m, y, x: [m.simpson(y, x), m.simpson(y[:, :8], x[:8]), m.simpson(y, dx=0.5), m.simpson(y[:, :2]),
                                m.simpson(y[:, :4], x[:4])],
    "cumulative_simpson": lambda m, y, x: [
        m.cumulative_simpson(y, x=x), m.cumulative_simpson(y[:, :8], x=x[:8]),
        m.cumulative_simpson(y, dx=0.2, initial=0),
        m.cumulative_simpson(y[:, :2], x=x[:2]),
    ],
    "romb": lambda m, y, x: [m.romb(y), m.romb(y[:, :5], dx=0.25)],
    "fixed_quad": lambda m, y, x: [m.fixed_quad(lambda t: np.exp(-t) * y[0, 0], x[0], x[3], n=6)[0]],
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_integrals_of_samples(name):
    call = SAMPLES[name]
    wanted = call(scipy.integrate, Y, X)
    for executor in ("numpy", "llvm"):
        found = graphad.jit(lambda y, x: call(gi, y, x), executor=executor)(Y, X)
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    graphad.check_grads(lambda y, x: call(gi, y, x), (Y, X), order=2)


# -- differential equations ---------------------------------------------------------------------------------------


def pendulum(t, y, g, damping):
    return [y[1], -g * np.sin(y[0]) - damping * y[1]]


def lorenz(t, y, s, r, b):
    return np.stack([s * (y[1] - y[0]), y[0] * (r - y[2]) - y[1], y[0] * y[1] - b * y[2]])


RATES = np.linspace(0.5, 1.5, 100)


def chain(t, y, k):
    """A hundred species, each made of the one before."""
    flow = k * y
    return np.concatenate([-flow[:1], flow[:-1] - flow[1:]])


def robertson(t, y, a, b, c):
    """Robertson's reactions, whose rates differ by nine powers of ten."""
    made, used = a * y[0], b * y[1] * y[2]
    return np.stack([used - made, made - used - c * y[1] ** 2, c * y[1] ** 2])


START = np.zeros(100)
START[0] = 1.0
PROBLEMS = {
    "pendulum": (pendulum, np.array([1.2, 0.0]), (9.81, 0.2), np.linspace(0.0, 3.0, 7)),
    "lorenz": (lorenz, np.array([1.0, 1.0, 1.0]), (10.0, 28.0, 8.0 / 3.0), np.linspace(0.0, 1.5, 5)),
    "chain": (chain, START, (RATES,), np.linspace(0.0, 5.0, 4)),
    "robertson": (robertson, np.array([1.0, 0.0, 0.0]), (0.04, 1e4, 3e7), np.array([0.0, 0.4, 40.0, 4e3, 4e4])),
}
EXPLICIT = ("RK45", "RK23", "DOP853")
IMPLICIT = ("Radau", "BDF")
STEPS = [(n, m) for n in PROBLEMS for m in EXPLICIT + IMPLICIT if m in IMPLICIT or n != "robertson"]


@pytest.mark.parametrize(("name", "method"), STEPS, ids=map("-".join, STEPS))
def test_the_steps_are_scipys(name, method):
    """The same numbers of evaluations, Jacobians and decompositions, where SciPy is given the exact Jacobian."""
    fun, y0, parameters, ts = PROBLEMS[name]
    span = (ts[0], ts[-1])
    exact = graphad.jit(graphad.jacfwd(lambda y, t, *args: np.stack(list(fun(t, y, *args)))))
    more = {"jac": lambda t, y, *args: exact(y, t, *args)} if method in IMPLICIT else {}
    wanted = scipy.integrate.solve_ivp(fun, span, y0, method, ts, args=parameters, rtol=1e-5, atol=1e-8, **more)

    def run(y0, parameters):
        found = gi.solve_ivp(fun, span, y0, method, ts, args=parameters, rtol=1e-5, atol=1e-8)
        return found.y, found.t, found.nfev, found.njev, found.nlu, found.success

    for executor in ("numpy", "llvm") if name == "pendulum" else ("llvm",):
        y, t, count, jacobians, factors, success = graphad.jit(run, executor=executor)(y0, parameters)
        np.testing.assert_allclose(y, wanted.y, rtol=1e-8, atol=1e-9)
        np.testing.assert_array_equal(t, wanted.t)
        assert success
        assert count <= wanted.nfev
        assert method == "DOP853" or (count, jacobians, factors) == (wanted.nfev, wanted.njev, wanted.nlu)


def solution(name, sensitivity, method="DOP853", tolerance=1e-10):
    fun, _, _, ts = PROBLEMS[name]
    floor = tolerance * (1e-4 if name == "robertson" else 1)

    def final(y0, parameters, ts=ts):
        found = gi.solve_ivp(
            fun,
            (ts[0], ts[-1]),
            y0,
            method,
            ts,
            args=parameters,
            rtol=tolerance,
            atol=floor,
            sensitivity=sensitivity,
        )
        return np.sum(np.cos(np.arange(found.y.size).reshape(found.y.shape)) * found.y)

    return final


AGREE = {"pendulum": "DOP853", "lorenz": "DOP853", "chain": "DOP853", "robertson": "Radau"}
LONG = pytest.param("robertson", "BDF", marks=pytest.mark.slow)


@pytest.mark.parametrize(("name", "method"), [*AGREE.items(), ("pendulum", "BDF"), LONG])
def test_discrete_adjoint_and_variational_sensitivities_agree(name, method):
    """The variational equations are solved beside the state by SciPy itself."""
    fun, y0, parameters, ts = PROBLEMS[name]
    discrete, adjoint = (
        graphad.jit(graphad.grad(solution(name, s, method), argnums=(0, 1)))(y0, parameters)
        for s in ("discrete", "adjoint")
    )
    leaves = [graphad.tree.leaves(g) for g in (discrete, adjoint)]
    for a, b in zip(*leaves, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=2e-7 * np.max(np.abs(a)))

    rng = np.random.default_rng(1)
    dy0 = rng.normal(size=y0.shape)
    dp = tuple(rng.normal(size=np.shape(p)) * p for p in parameters)
    slope = graphad.jit(
        lambda t, z, dz, dp: graphad.jvp(lambda z, p: np.stack(list(fun(t, z, *p))), (z, parameters), (dz, dp))
    )
    n = y0.size

    def variational(t, z):
        a, b = slope(t, z[:n], z[n:], dp)
        return np.concatenate([a, b])

    start, solver = np.concatenate([y0, dy0]), AGREE[name]
    found = scipy.integrate.solve_ivp(variational, (ts[0], ts[-1]), start, solver, ts, rtol=1e-10, atol=1e-12).y[n:]
    weights = np.cos(np.arange(found.size).reshape(found.shape))
    change = sum(np.sum(g * d) for g, d in zip(leaves[0], [dy0, *dp], strict=True))
    assert change == pytest.approx(np.sum(weights * found), rel=1e-6)


@pytest.mark.parametrize("method", IMPLICIT)
def test_implicit_steps_have_derivatives_of_every_order(method):
    """`y' = -k y**2` has `y = y0 / (1 + k y0 t)`."""

    def end(y0, k):
        return gi.solve_ivp(lambda t, y: -k * y**2, (0.0, 2.0), y0[None], method, rtol=1e-9, atol=1e-11).y[0, -1]

    exact = lambda y0, k: y0 / (1 + 2 * k * y0)
    for f in (lambda f: f, lambda f: graphad.grad(f, argnums=(0, 1)), lambda f: graphad.hessian(f, argnums=(0, 1))):
        np.testing.assert_allclose(graphad.jit(f(end))(1.3, 0.7), f(exact)(1.3, 0.7), rtol=3e-7)
    third = graphad.jit(graphad.jacfwd(graphad.hessian(end, argnums=1), argnums=1))(1.3, 0.7)
    assert third == pytest.approx(graphad.grad(graphad.hessian(exact, argnums=1), argnums=1)(1.3, 0.7), rel=1e-5)
    rows = graphad.jit(graphad.vmap(graphad.grad(end), in_axes=(0, None)))(np.array([1.3, 0.2]), 0.7)
    np.testing.assert_allclose(rows, [graphad.grad(exact)(1.3, 0.7), graphad.grad(exact)(0.2, 0.7)], rtol=1e-7)


@pytest.mark.parametrize("method", IMPLICIT)
def test_jacobians_that_are_given(method):
    """A function, also of an integer that is passed on, and a constant array, dense or sparse."""
    a = np.array([[-2.0, 1.0], [1.0, -3.0]])
    ts, linear = np.array([0.0, 1.0, 2.0]), lambda t, y, n: a @ y
    for jac in (a, scipy.sparse.csc_matrix(a), lambda t, y, n: n * a / n):
        more = {"t_eval": ts, "jac": jac, "rtol": 1e-6, "atol": 1e-9}
        wanted = scipy.integrate.solve_ivp(linear, (0, 2), [1.0, 0.5], method, args=(2,), **more)

        def run(start, n, more=more):
            found = gi.solve_ivp(linear, (0, 2), start, method, args=(n,), **more)
            return found.y, found.nfev

        y, count = graphad.jit(run)(np.array([1.0, 0.5]), 2)
        np.testing.assert_allclose(y, wanted.y, rtol=1e-9)
        assert count == wanted.nfev


# -- events and dense output --------------------------------------------------------------------------------------


def ground(t, y, g, drag):
    return y[0]


def top(t, y, g, drag):
    return y[1]


ground.terminal, ground.direction = True, -1


def cannon(t, y, g, drag):
    return np.stack([y[1], -g - drag * y[1] * np.abs(y[1])])


@pytest.mark.parametrize("method", EXPLICIT + IMPLICIT)
def test_events_are_scipys(method):
    y0, args, ts = np.array([0.0, 20.0]), (9.81, 0.01), np.linspace(0.0, 5.0, 11)
    wanted = scipy.integrate.solve_ivp(
        cannon, (0, 100), y0, method, events=(ground, top), args=args, rtol=1e-6, atol=1e-8, dense_output=True
    )

    def run(y0, args, t_eval):
        found = gi.solve_ivp(
            cannon, (0, 100), y0, method, t_eval, True, (ground, top), args=args, rtol=1e-6, atol=1e-8, events_size=3
        )
        return found.t, found.y, found.t_events, found.y_events, found.status, found.sol(ts[:3][::-1])

    for executor in ("numpy", "llvm") if method in ("RK45", "Radau") else ("llvm",):
        t, y, times, states, status, dense = graphad.jit(lambda y, a: run(y, a, None), executor=executor)(y0, args)
        assert status == wanted.status == 1
        np.testing.assert_allclose(t, [0, wanted.t[-1]], rtol=1e-6)
        np.testing.assert_allclose(y, wanted.y[:, [0, -1]], atol=1e-4)
        for mine, his in zip([*times, *states], [*wanted.t_events, *wanted.y_events], strict=True):
            np.testing.assert_allclose(mine[: len(his)], his, rtol=1e-6, atol=1e-5)
            assert np.all(np.isnan(mine[len(his) :]))
        np.testing.assert_allclose(dense, wanted.sol(ts[:3][::-1]), rtol=1e-6, atol=1e-8)
    y = graphad.jit(lambda y, a: run(y, a, ts)[1])(y0, args)
    reached = ts <= wanted.t[-1]
    np.testing.assert_allclose(y[:, reached], wanted.sol(ts[reached]), rtol=1e-5, atol=1e-5)
    assert np.all(np.isnan(y[:, ~reached]))
    assert 0 < np.sum(reached) < len(ts)


def test_derivatives_of_events():
    """A fall from height `h` takes `sqrt(2 h / g)`."""

    def fall(h, g):
        hit = lambda t, y: y[0]
        hit.terminal = 1
        found = gi.solve_ivp(
            lambda t, y: np.stack([y[1], -g + 0 * t]), (0, 50.0), np.stack([h, 0 * h]), events=hit, rtol=1e-9, atol=1e-9
        )
        return found.t_events[0][0], found.t[-1], found.y_events[0][0, 1], found.y[1, -1]

    exact = lambda h, g: (np.sqrt(2 * h / g),) * 2 + (-np.sqrt(2 * h * g),) * 2
    for derivative in (graphad.jacrev, lambda f, argnums: graphad.jacfwd(graphad.jacrev(f, argnums), argnums)):
        mine, wanted = (graphad.jit(derivative(f, (0, 1)))(10.0, 9.81) for f in (fall, exact))
        for a, b in zip(graphad.tree.leaves(mine), graphad.tree.leaves(wanted), strict=True):
            assert a == pytest.approx(b, rel=1e-8, abs=1e-12)
    batch = graphad.jit(graphad.vmap(lambda h: fall(h, 9.81)[0]))(np.array([1.0, 10.0]))
    np.testing.assert_allclose(batch, np.sqrt(2 * np.array([1.0, 10.0]) / 9.81), rtol=1e-9)


def test_events_that_happen_again():
    """Zeros of a cosine, in both directions of time, more than are kept, and as many as end the solution."""
    swing = lambda t, y: np.stack([y[1], -y[0]])
    cross = lambda t, y: y[0]
    tight = {"rtol": 1e-10, "atol": 1e-10}
    run = lambda end, size, event: graphad.jit(
        lambda y: gi.solve_ivp(swing, (0.0, end), y, "DOP853", events=event, events_size=size, **tight).t_events[0]
    )(np.array([1.0, 0.0]))
    zeros = np.pi * (np.arange(4) + 0.5)
    np.testing.assert_allclose(run(9.0, 4, cross), [*zeros[:3], np.nan], rtol=1e-9)
    np.testing.assert_allclose(run(9.0, 2, cross), zeros[:2], rtol=1e-9)
    np.testing.assert_allclose(run(-9.0, 3, cross), -zeros[:3], rtol=1e-9)
    twice = lambda t, y: y[0]
    twice.terminal = 2
    np.testing.assert_allclose(run(9.0, None, twice), zeros[:2], rtol=1e-9)
    rising = lambda t, y: y[0]
    rising.direction = 1
    np.testing.assert_allclose(run(9.0, 1, rising), zeros[1:2], rtol=1e-9)


@pytest.mark.parametrize("sensitivity", ["discrete", "adjoint"])
def test_dense_output_and_its_derivatives(sensitivity):
    def value(k, t):
        found = gi.solve_ivp(lambda t, y: -k * y, (0.0, 2.0), np.ones(1), dense_output=True, rtol=1e-9, atol=1e-10,
                             sensitivity=sensitivity)  # fmt: skip
        return found.sol(t)[0]

    assert graphad.jit(value)(0.7, 1.1) == pytest.approx(np.exp(-0.77), rel=1e-8)
    slopes = graphad.jit(graphad.grad(value, argnums=(0, 1)))(0.7, 1.1)
    np.testing.assert_allclose(slopes, [-1.1 * np.exp(-0.77), -0.7 * np.exp(-0.77)], rtol=1e-7)


def test_forward_mode_second_derivatives_and_batches():
    loss = solution("pendulum", "discrete", tolerance=1e-7)
    _, y0, parameters, _ = PROBLEMS["pendulum"]
    graphad.check_grads(graphad.jit(lambda y0, g: loss(y0, (g, 0.2))), (y0, 9.81), order=2, rtol=1e-3, atol=1e-3)
    hessian = graphad.jit(graphad.hessian(lambda y0: loss(y0, parameters)))(y0)
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-6, atol=1e-8)
    batch = np.stack([y0, 0.5 * y0])
    found = graphad.jit(graphad.vmap(lambda y: loss(y, parameters)))(batch)
    np.testing.assert_allclose(found, [loss(y, parameters) for y in batch], rtol=1e-8)


@pytest.mark.parametrize("sensitivity", ["discrete", "adjoint"])
def test_derivatives_in_times_and_in_what_the_function_reads(sensitivity):
    """`y' = -k y` has `y = exp(-k t)`: `k` is a variable of the function around, times are arguments."""

    def f(k, ts):
        return gi.solve_ivp(lambda t, y: -k * y, (0.0, 2.0), np.array([1.0]), "DOP853", ts, rtol=1e-11, atol=1e-12,
                            sensitivity=sensitivity).y[0]  # fmt: skip

    k, ts = 0.7, np.array([0.5, 1.3, 2.0])
    by_k, by_time = graphad.grad(lambda k, ts: np.sum(f(k, ts)), argnums=(0, 1))(k, ts)
    assert by_k == pytest.approx(np.sum(-ts * np.exp(-k * ts)), rel=1e-8)
    np.testing.assert_allclose(by_time, -k * np.exp(-k * ts), rtol=1e-8)


def test_the_ends_without_given_times():
    def final(y0, end):
        found = gi.solve_ivp(lambda t, y: -y, (0.0, end), y0, rtol=1e-9, atol=1e-10)
        return found.y[0, -1]

    value, slopes = graphad.value_and_grad(final, argnums=(0, 1))(np.array([2.0]), 1.5)
    assert value == pytest.approx(2 * np.exp(-1.5), rel=1e-7)
    assert slopes[0][0] == pytest.approx(np.exp(-1.5), rel=1e-7)
    assert slopes[1] == pytest.approx(-2 * np.exp(-1.5), rel=1e-7)


def test_backwards_in_time_and_odeint():
    ts = np.array([2.0, 1.0, 0.0])
    found = graphad.jit(lambda y0: gi.solve_ivp(lambda t, y: -y, (2.0, 0.0), y0, t_eval=ts, rtol=1e-8, atol=1e-9).y)(
        np.ones(1)
    )
    np.testing.assert_allclose(found[0], np.exp([0.0, 1.0, 2.0]), rtol=1e-6)
    t = np.linspace(0, 3, 7)
    args = (9.81, 0.2)
    swapped = lambda y, t, *ps: pendulum(t, y, *ps)
    wanted = scipy.integrate.odeint(swapped, [1.2, 0.0], t, args)
    ours = graphad.jit(lambda y0: gi.odeint(swapped, y0, t, args))(np.array([1.2, 0.0]))
    np.testing.assert_allclose(ours, wanted, atol=2e-6)


def test_plain_scipy_in_converted_code():
    def loss(g):
        found = scipy.integrate.solve_ivp(
            pendulum, (0.0, 1.0), np.array([1.0, 0.0]), t_eval=np.array([1.0]), args=(g, 0.1)
        )
        return found.y[0, 0] + scipy.integrate.trapezoid(np.ones(3) * g)

    step = 1e-5
    difference = (loss(9.0 + step) - loss(9.0 - step)) / (2 * step)
    assert graphad.jit(graphad.grad(loss))(9.0) == pytest.approx(difference, rel=1e-3)


def test_refusals():
    decay = lambda t, y: -y
    with pytest.raises(MissingRuleError, match=r"method 'LSODA' cannot be traced.*test_integrate.py.*RK45.*BDF"):
        graphad.jit(lambda y: gi.solve_ivp(decay, (0, 1), y, "LSODA").y)(np.ones(2))
    with pytest.raises(MissingRuleError, match=r"how often the event <lambda> happens.*events_size="):
        graphad.jit(lambda y: gi.solve_ivp(decay, (0, 1), y, events=lambda t, y: y[0]).y)(np.ones(2))
    with pytest.raises(MissingRuleError, match=r"the adjoint equation takes no events"):
        graphad.jit(lambda y: gi.solve_ivp(decay, (0, 1), y, events=ground, args=(), sensitivity="adjoint").y)(
            np.ones(2)
        )
    with pytest.raises(MissingRuleError, match=r"lband= cannot be traced"):
        graphad.jit(lambda y: gi.solve_ivp(decay, (0, 1), y, lband=1).y)(np.ones(2))
    for times, words in (([0.0, 2.0], "not within t_span"), ([0.5, 0.2], "not properly sorted")):
        with pytest.raises(ValueError, match=words):
            graphad.jit(lambda y, times=times: gi.solve_ivp(decay, (0, 1), y, t_eval=times).y)(np.ones(2))
    with pytest.raises(ShapeError, match=r"fun gives a slope of shape \[1\] for a state of shape \[2\]"):
        graphad.jit(lambda y: gi.solve_ivp(lambda t, y: y[:1], (0, 1), y).y)(np.ones(2))
    with pytest.raises(ShapeError, match=r"romb: needs 2\*\*k \+ 1 samples, not 6"):
        graphad.jit(gi.romb)(np.ones(6))


@pytest.mark.parametrize("method", ["DOP853", "RK45", "Radau", "BDF"])
def test_higher_derivatives_in_the_times(method):
    # y = y0 / (1 + k y0 (t - t0)) solves y' = -k y^2.
    w, t = np.array([0.5, -1.0, 2.0]), np.array([0.1, 0.4, 0.9])

    def solved(t, k):
        found = gi.solve_ivp(
            lambda s, y: -k * y**2, (t[0], t[-1]), np.array([1.5]), method, t_eval=t, rtol=1e-9, atol=1e-11
        )
        return w @ found.y[0]

    def exact(t, k):
        return w @ (1.5 / (1 + k * 1.5 * (t - t[0])))

    for derivative in (graphad.jacfwd(graphad.grad(solved)), graphad.jacrev(graphad.grad(solved))):
        np.testing.assert_allclose(derivative(t, 0.7), graphad.hessian(exact)(t, 0.7), rtol=1e-5, atol=1e-6)
    mixed = graphad.grad(lambda k: graphad.grad(lambda t: solved(t, k))(t)[1])
    np.testing.assert_allclose(mixed(0.7), graphad.grad(lambda k: graphad.grad(exact)(t, k)[1])(0.7), rtol=1e-5)

"""`graphad.scipy.integrate`: SciPy's rules and steps; sensitivities against each other and variational equations."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.integrate

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


START = np.zeros(100)
START[0] = 1.0
PROBLEMS = {
    "pendulum": (pendulum, np.array([1.2, 0.0]), (9.81, 0.2), np.linspace(0.0, 3.0, 7)),
    "lorenz": (lorenz, np.array([1.0, 1.0, 1.0]), (10.0, 28.0, 8.0 / 3.0), np.linspace(0.0, 1.5, 5)),
    "chain": (chain, START, (RATES,), np.linspace(0.0, 5.0, 4)),
}
METHODS = ("RK45", "RK23", "DOP853")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", PROBLEMS)
def test_the_steps_are_scipys(name, method):
    fun, y0, parameters, ts = PROBLEMS[name]
    span = (ts[0], ts[-1])
    wanted = scipy.integrate.solve_ivp(fun, span, y0, method, ts, args=parameters, rtol=1e-5)

    def run(y0, parameters):
        found = gi.solve_ivp(fun, span, y0, method, ts, args=parameters, rtol=1e-5)
        return found.y, found.t, found.nfev, found.success

    for executor in ("numpy", "llvm"):
        y, t, count, success = graphad.jit(run, executor=executor)(y0, parameters)
        np.testing.assert_allclose(y, wanted.y, rtol=1e-8, atol=1e-9)
        np.testing.assert_array_equal(t, wanted.t)
        assert success
        assert count <= wanted.nfev
        assert method == "DOP853" or count == wanted.nfev


def solution(name, sensitivity, method="DOP853", tolerance=1e-10):
    fun, _, _, ts = PROBLEMS[name]

    def final(y0, parameters, ts=ts):
        found = gi.solve_ivp(
            fun,
            (ts[0], ts[-1]),
            y0,
            method,
            ts,
            args=parameters,
            rtol=tolerance,
            atol=tolerance,
            sensitivity=sensitivity,
        )
        return np.sum(np.cos(np.arange(found.y.size).reshape(found.y.shape)) * found.y)

    return final


@pytest.mark.parametrize("name", PROBLEMS)
def test_discrete_adjoint_and_variational_sensitivities_agree(name):
    """The variational equations are solved beside the state by SciPy itself."""
    fun, y0, parameters, ts = PROBLEMS[name]
    discrete, adjoint = (
        graphad.jit(graphad.grad(solution(name, s), argnums=(0, 1)))(y0, parameters) for s in ("discrete", "adjoint")
    )
    leaves = [graphad.tree.leaves(g) for g in (discrete, adjoint)]
    for a, b in zip(*leaves, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=2e-7)

    rng = np.random.default_rng(1)
    dy0 = rng.normal(size=y0.shape)
    dp = tuple(rng.normal(size=np.shape(p)) for p in parameters)
    slope = graphad.jit(
        lambda t, z, dz, dp: graphad.jvp(lambda z, p: np.stack(list(fun(t, z, *p))), (z, parameters), (dz, dp))
    )
    n = y0.size

    def variational(t, z):
        a, b = slope(t, z[:n], z[n:], dp)
        return np.concatenate([a, b])

    found = scipy.integrate.solve_ivp(
        variational, (ts[0], ts[-1]), np.concatenate([y0, dy0]), "DOP853", ts, rtol=1e-10, atol=1e-10
    ).y[n:]
    weights = np.cos(np.arange(found.size).reshape(found.shape))
    change = sum(np.sum(g * d) for g, d in zip(leaves[0], [dy0, *dp], strict=True))
    assert change == pytest.approx(np.sum(weights * found), rel=1e-6)


def test_forward_mode_second_derivatives_and_batches():
    loss = solution("pendulum", "discrete")
    _, y0, parameters, _ = PROBLEMS["pendulum"]
    graphad.check_grads(lambda y0, g: loss(y0, (g, 0.2)), (y0, 9.81), order=2, rtol=1e-3, atol=1e-3)
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
    with pytest.raises(
        MissingRuleError, match=r"method 'Radau' cannot be traced.*test_integrate.py.*RK23, RK45, DOP853"
    ):
        graphad.jit(lambda y: gi.solve_ivp(decay, (0, 1), y, "Radau").y)(np.ones(2))
    with pytest.raises(MissingRuleError, match=r"events cannot be traced"):
        graphad.jit(lambda y: gi.solve_ivp(decay, (0, 1), y, events=lambda t, y: y[0]).y)(np.ones(2))
    with pytest.raises(ShapeError, match=r"fun gives a slope of shape \[1\] for a state of shape \[2\]"):
        graphad.jit(lambda y: gi.solve_ivp(lambda t, y: y[:1], (0, 1), y).y)(np.ones(2))
    with pytest.raises(ShapeError, match=r"romb: needs 2\*\*k \+ 1 samples, not 6"):
        graphad.jit(gi.romb)(np.ones(6))

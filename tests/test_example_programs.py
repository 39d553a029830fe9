"""The example programs: each one's core in every executor, its derivatives, and what its field knows of the result."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import graphad
from graphad import tree

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"
sys.path.insert(0, str(EXAMPLES))
try:
    import deconvolution
    import digits
    import gaussian_process
    import heat
    import image_registration
    import kalman
    import lenses
    import logistic
    import lotka_volterra
    import nbody
    import sparse_heat
finally:
    sys.path.remove(str(EXAMPLES))

PROGRAMS = [
    "heat", "kalman", "logistic", "gaussian_process", "nbody", "lenses", "digits", "deconvolution", "lotka_volterra",
    "image_registration", "sparse_heat",
]  # fmt: skip


class Core(NamedTuple):
    """A function of arrays, and where it is differentiated with respect to its first `active` arguments."""

    function: Any
    args: tuple[Any, ...]
    active: int


def _tracking() -> tuple[Any, ...]:
    """Measurements of a body's place, some missing, and the matrices of its motion at a constant velocity."""
    rng = np.random.default_rng(3)
    ys = np.cumsum(rng.normal(size=(12, 1)), axis=0)
    ys[[2, 7, 8]] = np.nan
    F, H, Q, R = np.array([[1, 0.5], [0, 1]]), np.array([[1.0, 0.0]]), np.array([[0.2, 0.1], [0.1, 0.3]]), np.eye(1) / 4
    return F, H, Q, R, np.zeros(2), np.eye(2), ys


def _core(name: str) -> Core:
    rng = np.random.default_rng(0)
    if name == "heat":
        return Core(heat.heat, (heat.initial(), heat.diffusivity(heat.COPPER, heat.IRON), 4, 5), 2)
    if name == "kalman":
        return Core(lambda F, H, Q, R, x, P, ys: kalman.log_likelihood(ys, F, H, Q, R, x, P), _tracking(), 6)
    if name == "logistic":
        x, y, _, _ = logistic.load()
        return Core(logistic.loss, (0.1 * rng.normal(size=5), x[:70, :5], y[:70]), 2)
    if name == "gaussian_process":
        t, ppm = gaussian_process.load()
        return Core(gaussian_process.loss, (gaussian_process.GUESS, t[:70] - 1960, ppm[:70] - 315), 3)
    if name == "nbody":
        return Core(nbody.leapfrog, (nbody.PLACES[:2], np.array([[0.0, 0.4], [0.1, -0.4]]), 0.01, 40), 3)
    if name == "lenses":
        places, directions = lenses.bundle(1.0)
        function = lambda c, x, d, wavelength: lenses.trace(c, lenses.SINGLET, x, d, wavelength)
        return Core(function, (np.array([0.01, -0.01]), places[1:4], directions[1:4], 0.55), 4)
    if name == "digits":
        x, y, _, _ = digits.load()
        return Core(digits.loss, (digits.start(hidden=5), x[:6], y[:6]), 2)
    if name == "lotka_volterra":
        years = np.linspace(0.0, 20.0, 4)
        return Core(lambda theta: lotka_volterra.populations(theta, years, 1e-11), (lotka_volterra.GUESS,), 1)
    if name == "image_registration":
        return Core(image_registration.loss, (np.array([0.8, -0.6, 3.0]), *image_registration.photographs(size=9)), 3)
    if name == "sparse_heat":
        readings = rng.normal(size=(6, len(sparse_heat.BOREHOLES)))
        return Core(sparse_heat.loss, (0.3 * rng.normal(size=6), sparse_heat.heating(6), readings), 3)
    scene = deconvolution.scene(8)
    return Core(deconvolution.loss, (scene.ravel() + rng.normal(size=64), scene, 1.2), 3)


def _numbers(x: Any) -> list[Any]:
    return [np.asarray(leaf, float) for leaf in tree.leaves(x)]


def programs() -> list[Any]:
    """Every program by every executor; numba, whose compilations are long, has two unless asked for all."""
    slow = lambda name, executor: executor == "numba" and name not in ("heat", "kalman")
    return [
        pytest.param(name, executor, marks=[pytest.mark.slow] if slow(name, executor) else [])
        for name in PROGRAMS for executor in ("numpy", "llvm", "numba")
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "executor"), programs())
def test_core_is_that_of_plain_numpy_and_so_is_its_gradient(name, executor):
    function, args, active = _core(name)
    plain = _numbers(function(*args))
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=x.shape) for x in plain]

    def weighed(*args):
        out = function(*args)
        return sum([np.sum(w * x) for w, x in zip(weights, tree.leaves(out), strict=True)]), out

    both = graphad.jit(graphad.value_and_grad(weighed, tuple(range(active)), has_aux=True), executor=executor)
    (_, found), gradient = both(*args)
    for a, b in zip(_numbers(found), plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10 * np.max(np.abs(b), initial=1e-300))

    # Along a direction that changes each argument in proportion to its size.
    direction = [rng.normal(size=x.shape) * (np.max(np.abs(x)) or 1.0) for x in _numbers(args[:active])]
    slope = sum(np.vdot(g, d) for g, d in zip(_numbers(gradient), direction, strict=True))

    def moved(h):
        shifted = [(x + h * d)[()] for x, d in zip(_numbers(args[:active]), direction, strict=True)]
        return weighed(*tree.unflatten(tree.structure(args[:active]), shifted), *args[active:])[0]

    h = 1e-4
    central = lambda h: (moved(h) - moved(-h)) / (2 * h)
    assert np.isclose(slope, (4 * central(h / 2) - central(h)) / 3, rtol=1e-7)


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name != "lenses"])
def test_program_prints_its_results(name, capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) >= 2
    assert "nan" not in printed


def test_heat_is_kept_and_the_metals_are_found():
    k = heat.diffusivity(heat.COPPER, heat.IRON)
    weights = graphad.jit(graphad.grad(heat.late))(heat.initial(), k, heat.READINGS, heat.EVERY)
    assert np.isclose(np.sum(weights), 1, rtol=1e-12)
    assert np.all(weights >= 0)
    estimates, errors = heat.fit(heat.measure())
    assert np.all(np.abs(np.log(estimates / [heat.COPPER, heat.IRON])) < 4 * errors)
    assert np.all(errors < 0.01)


def test_kalman_filter_is_the_normal_distribution_of_all_measurements():
    F, H, Q, R, x, P, ys = _tracking()
    n = len(ys)
    powers = [np.linalg.matrix_power(F, i) for i in range(n)]
    mean = np.array([(H @ powers[i] @ x)[0] for i in range(n)])
    covariance = np.kron(np.eye(n), R)
    for i in range(n):
        for j in range(n):
            state = powers[i] @ P @ powers[j].T
            state = state + sum([powers[i - k] @ Q @ powers[j - k].T for k in range(1, min(i, j) + 1)])
            covariance[i, j] += (H @ state @ H.T)[0, 0]
    seen = ~np.isnan(ys[:, 0])
    expected = multivariate_normal(mean[seen], covariance[np.ix_(seen, seen)]).logpdf(ys[seen, 0])
    assert np.isclose(graphad.jit(kalman.log_likelihood)(ys, F, H, Q, R, x, P), expected, rtol=1e-12)


def test_populations_have_the_published_rates():
    """Those of Bayesian fits to the same furs (B. Carpenter, Predator-Prey Population Dynamics, 2018)."""
    found = lotka_volterra.fit()
    np.testing.assert_allclose(np.exp(found.x), [0.55, 0.028, 0.80, 0.024, 33.9, 5.9], rtol=0.05)
    losses = lotka_volterra.loss, lotka_volterra.by_adjoint
    discrete, adjoint = (graphad.jit(graphad.grad(f))(found.x + 0.1) for f in losses)
    np.testing.assert_allclose(adjoint, discrete, rtol=1e-5)


def test_variances_of_the_nile_are_the_published_ones():
    variances, errors = kalman.fit(kalman.NILE)
    np.testing.assert_allclose(variances, [15099, 1469.1], rtol=2e-4)
    assert np.all((errors > 0.1) & (errors < 1))


def test_logistic_regression_has_one_optimum_and_tells_tumours_apart():
    x, y, test_x, test_y = logistic.load()
    w = graphad.jit(logistic.newton)(x, y)
    np.testing.assert_allclose(w, logistic.trust_region(x, y), atol=1e-7)
    assert logistic.accuracy(w, test_x, test_y) > 0.95


def test_newton_is_differentiated_as_its_fixed_point_is():
    x, y, _, _ = logistic.load()
    x, y = x[:60, :3], y[:60]
    w, pull = graphad.vjp(graphad.jit(lambda x: logistic.newton(x, y)), x)
    ct = np.array([1.0, -2.0, 0.5])
    adjoint = -np.linalg.solve(graphad.hessian(logistic.loss)(w, x, y), ct)
    implicit = graphad.grad(lambda x: np.sum(graphad.grad(logistic.loss)(w, x, y) * adjoint))(x)
    np.testing.assert_allclose(pull(ct)[0], implicit, atol=1e-9)


def test_marginal_likelihood_is_that_of_a_normal_distribution():
    t, ppm = gaussian_process.load()
    t, y, logs = t[:40], ppm[:40] - 315, gaussian_process.GUESS
    K = gaussian_process.covariance(logs, t, t) + np.exp(2 * logs[-1]) * np.eye(len(t))
    loss = lambda p: gaussian_process.loss(p, t, y)
    found, curvature = graphad.jit(lambda p: (loss(p), graphad.hessian(loss)(p)))(logs)
    assert np.isclose(found, -multivariate_normal(np.zeros(len(t)), K).logpdf(y), rtol=1e-9)
    slope = graphad.jit(graphad.grad(loss))
    h = 1e-4
    differences = [(slope(logs + h * e) - slope(logs - h * e)) / (2 * h) for e in np.eye(len(logs))]
    np.testing.assert_allclose(curvature, differences, rtol=1e-5, atol=1e-5 * np.max(np.abs(curvature)))


def test_gaussian_process_foretells_with_the_error_that_it_states():
    t, ppm = gaussian_process.load()
    window = (t > 1989) & (t < 1996)
    known, new = window & (t < 1995), window & (t >= 1995)
    mean = ppm[known].mean()
    logs, spread = gaussian_process.fit(t[known], ppm[known] - mean)
    assert np.all(np.diag(spread) > 0)
    foretold, error = gaussian_process.predict(logs, t[known], ppm[known] - mean, t[new])
    off = foretold + mean - ppm[new]
    assert np.sqrt(np.mean(off**2)) < 1
    assert np.mean(np.abs(off) < 2 * error) > 0.75


def test_figure_eight_closes_and_keeps_energy_and_momentum():
    found = nbody.closed()
    np.testing.assert_allclose(found[:2], [0.347111, 0.532728], atol=2e-5)
    v0 = nbody.velocities(found[:2])
    x, v = graphad.jit(nbody.leapfrog)(nbody.PLACES, v0, found[2] / nbody.STEPS, nbody.STEPS)
    np.testing.assert_allclose(x, nbody.PLACES, atol=1e-9)
    assert abs(nbody.energy(x, v) - nbody.energy(nbody.PLACES, v0)) < 1e-9
    np.testing.assert_allclose(v.sum(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize(("glass", "refraction", "abbe"), [("N-BK7", 1.5168, 64.17), ("N-SF1", 1.71736, 29.62)])
def test_glass_has_the_catalogue_s_index_and_dispersion(glass, refraction, abbe):
    f, d, c = (lenses.index(glass, wavelength) for wavelength in lenses.COLOURS.values())
    assert abs(d - refraction) < 1e-5
    assert abs((d - 1) / (f - c) - abbe) < 0.01


def test_rays_near_the_axis_meet_where_the_lensmaker_says():
    places, directions = lenses.bundle(0.0, radius=1e-3)
    curvatures, wavelength = [1 / 60, -1 / 300], lenses.COLOURS["d"]
    n, thickness = lenses.index("N-BK7", wavelength), lenses.SINGLET[0][1]
    power = (n - 1) * (curvatures[0] - curvatures[1] + (n - 1) * thickness * curvatures[0] * curvatures[1] / n)
    back = (1 - (n - 1) * thickness * curvatures[0] / n) / power
    lens = [lenses.SINGLET[0], (0.0, back, "air")]
    points, bent = graphad.jit(lambda x: lenses.trace(curvatures, lens, x, directions, wavelength))(places)
    assert np.max(np.abs(points)) < 1e-9
    np.testing.assert_allclose(np.sum(bent**2, axis=1), 1, rtol=1e-14)
    np.testing.assert_allclose(bent[:, :2], -power * places[:, :2], rtol=1e-6)


def test_doublet_is_sharper_than_a_singlet(capsys):
    lenses.main()
    sizes = np.array(re.findall(r"([\d.]+) and ([\d.]+) µm", capsys.readouterr().out), float).reshape(2, -1)
    assert sizes.shape == (2, 6)
    assert np.all(sizes[1] < sizes[0] / 4)


def test_network_reads_digits():
    x, y, test_x, test_y = digits.load()
    order = digits.shuffled(len(x), epochs=15)
    weights, losses = graphad.jit(digits.train)(digits.start(), x, y, order)
    assert losses[-1] < losses[0] / 20
    assert digits.accuracy(weights, test_x, test_y) > 0.95


def test_training_is_differentiated_with_respect_to_its_rate_and_momentum():
    x, y, test_x, test_y = digits.load()
    order = digits.shuffled(60, epochs=2, batch=20)

    def after(rates):
        weights, losses = digits.train(digits.start(hidden=6), x[:60], y[:60], order, rates[0], rates[1])
        return digits.loss(weights, test_x[:50], test_y[:50]), losses

    rates = np.array([0.1, 0.8])
    plain, losses = after(rates)
    (value, found), slope = graphad.jit(graphad.value_and_grad(after, has_aux=True))(rates)
    np.testing.assert_allclose([value, *found], [plain, *losses], rtol=1e-12)
    h = 1e-6
    differences = [(after(rates + h * e)[0] - after(rates - h * e)[0]) / (2 * h) for e in np.eye(2)]
    np.testing.assert_allclose(slope, differences, rtol=1e-5)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_images_are_registered_within_the_stated_errors(seed):
    motion, errors = image_registration.register(*image_registration.photographs(seed=seed))
    assert np.all(np.abs(motion - image_registration.TRUE) < 4 * errors)
    assert np.all(errors < [0.01, 0.01, 0.04])


def test_image_that_is_moved_back_is_the_first_one():
    first, second = image_registration.photographs()
    motion = image_registration.TRUE
    # On the way back the shift is turned too.
    back = np.array([*(-image_registration.rotation(motion[2]) @ motion[:2]), -motion[2]])
    inside = (slice(12, -12),) * 2
    for a, b in (image_registration.moved(motion, first), second), (image_registration.moved(back, second), first):
        assert np.sqrt(np.mean((a - b)[inside] ** 2)) < 1.5 * image_registration.NOISE


def test_no_heat_is_lost_in_the_ground():
    k, q = sparse_heat.conductivity(), sparse_heat.heating()
    u = graphad.jit(sparse_heat.temperatures)(k, q)
    assert np.isclose(np.sum(2 * k[0] * u[0]), np.sum(q), rtol=1e-11)
    assert np.all(u > 0)
    # Heat from below goes straight up where nothing differs across.
    q = np.zeros_like(q)
    q[-1] = 1.0
    steps = np.concatenate([[1 / (2 * k[0])], (1 / k[1:] + 1 / k[:-1]) / 2])
    np.testing.assert_allclose(graphad.jit(sparse_heat.temperatures)(k, q)[:, 7], np.cumsum(steps), rtol=1e-11)


def test_layers_are_found_from_boreholes():
    measured, true = sparse_heat.measure(), sparse_heat.conductivity()
    found = sparse_heat.fit(measured)
    assert found.success
    assert np.sqrt(np.mean((np.exp(found.x) / true - 1) ** 2)) < 0.02
    off = sparse_heat.temperatures(np.exp(found.x), sparse_heat.heating())[:, sparse_heat.BOREHOLES] - measured
    assert 0.7 < np.sqrt(np.mean(off**2)) / sparse_heat.NOISE < 1.1


if "deconvolution" in PROGRAMS:

    def test_blur_is_undone():
        seen, true = deconvolution.photograph(32), deconvolution.scene(32)
        image = deconvolution.sharpen(seen, iterations=200)
        off = [np.sqrt(np.mean((x - true) ** 2)) for x in (seen, image)]
        assert off[1] < off[0] / 3
        assert np.all(image >= 0)
        assert abs(np.sum(image) / np.sum(seen) - 1) < 0.01

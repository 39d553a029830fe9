"""The distributions of SciPy on traced values: SciPy's numbers at all places, derivatives in all parameters, fits."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import scipy.stats

import graphad
import graphad.scipy.stats as gs
from graphad.errors import MissingRuleError, TypeMismatchError

# Shape parameters of each distribution; a place within the support is drawn from it.
CONTINUOUS = {
    "norm": [()], "t": [(2.5,), (30.0,)], "cauchy": [()], "laplace": [()], "logistic": [()], "gumbel_r": [()],
    "gumbel_l": [()], "moyal": [()], "skewnorm": [(1.5,), (-3.0,)], "gennorm": [(1.3,)], "exponnorm": [(1.5,)],
    "crystalball": [(1.5, 3.0)], "vonmises": [(2.0,)], "expon": [()], "gamma": [(0.7,), (3.0,)],
    "chi2": [(1.0,), (7.0,)],
    "invgamma": [(2.5,)], "lognorm": [(0.8,)], "halfnorm": [()], "weibull_min": [(0.8,), (2.0,)],
    "weibull_max": [(1.7,)],
    "rayleigh": [()], "maxwell": [()], "f": [(3.0, 7.0)], "nakagami": [(1.8,)], "rice": [(1.2,)], "invgauss": [(0.7,)],
    "wald": [()], "levy": [()], "uniform": [()], "beta": [(0.6, 2.5), (3.0, 2.0)], "powerlaw": [(1.6,)],
    "triang": [(0.3,)],
    "pareto": [(2.2,)], "loguniform": [(0.5, 3.0)], "genpareto": [(0.4,), (-0.3,), (0.0,)],
    "genextreme": [(0.2,), (-0.3,), (0.0,)], "truncnorm": [(-1.0, 2.0), (3.0, 5.0)],
}  # fmt: skip
DISCRETE = {
    "poisson": [(3.2,)], "binom": [(7.0, 0.3)], "bernoulli": [(0.4,)], "nbinom": [(4.5, 0.6)], "geom": [(0.35,)],
    "betabinom": [(6.0, 1.5, 2.5)], "hypergeom": [(20.0, 7.0, 12.0)],
}  # fmt: skip
EACH = [(name, shapes) for name, every in CONTINUOUS.items() for shapes in every]
LOC, SCALE = 0.3, 1.7
METHODS = (
    "logpdf",
    "pdf",
    "cdf",
    "sf",
    "logcdf",
    "logsf",
    "ppf",
    "isf",
    "mean",
    "var",
    "std",
    "entropy",
    "support",
    "median",
)


def places(name, shapes, loc=LOC, scale=SCALE):
    """Places within the support, at its ends, beyond them, and far in the tails."""
    dist = getattr(scipy.stats, name)(*shapes, loc=loc, scale=scale)
    inside = dist.ppf([1e-6, 0.05, 0.31, 0.5, 0.77, 0.99, 1 - 1e-6])
    low, high = dist.support()
    return np.array([*inside, low, high, low - 1, high + 1, np.nan, np.inf, -np.inf])


def has(name, method):
    dist = gs.DISTRIBUTIONS[name]
    functions = {k for k, f in dist.functions.items() if f is not None}
    if method in ("mean", "var", "entropy"):
        return method in functions
    if method in ("ppf", "isf", "median"):
        return bool(functions & {"ppf", "isf"})
    if method == "std":
        return "var" in functions
    return method in ("logpdf", "pdf", "support") or bool(functions & {"cdf", "sf", "logcdf", "logsf"})


def arguments(name, shapes, method):
    if method in ("mean", "var", "std", "entropy", "support", "median"):
        return ()
    if method in ("ppf", "isf"):
        return (np.array([0.0, 1e-8, 0.2, 0.5, 0.9, 1.0, -0.1, 1.1]),)
    return (places(name, shapes),)


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_numbers_are_scipys(executor):
    """Every method of every distribution, written with SciPy's names, in one compiled function of the parameters."""
    calls = [(n, s, m) for n, s in EACH for m in METHODS if has(n, m)]

    def run(args):
        found = []
        for (name, _, method), (xs, shapes, loc, scale) in zip(calls, args, strict=True):
            result = getattr(gs.DISTRIBUTIONS[name], method)(*xs, *shapes, loc=loc, scale=scale)
            found.append(list(result) if isinstance(result, tuple) else [result])
        return found

    args = [(arguments(*c), c[1], LOC, SCALE) for c in calls]
    found = graphad.jit(run, executor=executor)(args)
    failures = []
    for (name, shapes, method), results, (xs, *_) in zip(calls, found, args, strict=True):
        wanted = getattr(getattr(scipy.stats, name), method)(*xs, *shapes, loc=LOC, scale=SCALE)
        for a, b in zip(results, wanted if isinstance(wanted, tuple) else [wanted], strict=True):
            if method in ("logpdf", "pdf"):
                # At infinities some of SciPy's densities are NaN by accident.
                b = np.where(np.isinf(xs[0]) & np.isnan(b), -np.inf if method == "logpdf" else 0.0, b)
            try:
                np.testing.assert_allclose(a, b, rtol=2e-11, atol=1e-14)
            except AssertionError as error:
                failures.append(f"{name}{shapes} {method}: {str(error)[-300:]}")
    assert not failures, "\n".join(failures)


def test_the_tails_keep_their_digits():
    for name, method, x in (
        ("norm", "logsf", 40.0), ("norm", "logcdf", -40.0), ("norm", "sf", 20.0), ("logistic", "logsf", 800.0),
        ("gumbel_r", "sf", 60.0), ("expon", "sf", 500.0), ("t", "logpdf", 1e100), ("gamma", "sf", 200.0),
        ("lognorm", "logsf", 1e12), ("truncnorm", "logpdf", 9.5),
    ):  # fmt: skip
        shapes = {"t": (3.0,), "gamma": (2.0,), "lognorm": (0.7,), "truncnorm": (9.0, 11.0)}.get(name, ())
        found = graphad.jit(lambda x, name=name, m=method, s=shapes: getattr(gs.DISTRIBUTIONS[name], m)(x, *s))(x)
        assert found == pytest.approx(getattr(getattr(scipy.stats, name), method)(x, *shapes), rel=1e-11), name


@pytest.mark.parametrize(("name", "shapes"), EACH)
def test_derivatives_in_all_parameters(name, shapes):
    """First and second order of the density, first of distribution functions and quantiles, against differences."""
    dist = gs.DISTRIBUTIONS[name]
    x = places(name, shapes)[[1, 2, 4, 5]]
    if name in ("laplace", "gennorm"):
        x = x + 0.01
    parameters = (*shapes, LOC, SCALE)
    smooth = shapes not in ((0.0,),)
    if smooth:
        graphad.check_grads(lambda x, *ps: dist.logpdf(x, *ps), (x, *parameters), order=2)
    for method in ("cdf", "sf", "logsf"):
        if has(name, method) and smooth:
            graphad.check_grads(lambda x, *ps, m=method: getattr(dist, m)(x, *ps), (x, *parameters), order=1)
    if has(name, "ppf") and smooth:
        graphad.check_grads(lambda *ps: dist.ppf(np.array([0.1, 0.45, 0.8]), *ps), parameters, order=1)


def test_gradients_have_no_nan_inside_or_outside_of_the_support():
    for name, shapes in EACH:
        dist = gs.DISTRIBUTIONS[name]
        x = places(name, shapes)[[0, 1, 3, 5, 6, 9, 10]]
        for method in ("logpdf", "cdf", "sf"):
            if has(name, method):
                loss = lambda x, *ps, m=method, d=dist: np.sum(np.exp(-np.abs(getattr(d, m)(x, *ps))))
                gradient = graphad.grad(loss, argnums=tuple(range(3 + len(shapes))))(x, *shapes, LOC, SCALE)
                assert all(np.all(np.isfinite(g)) for g in gradient), (name, shapes, method)


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_distributions(name):
    (shapes,) = DISCRETE[name]
    ours, theirs = gs.DISTRIBUTIONS[name], getattr(scipy.stats, name)
    k = np.array([-1.0, 0.0, 1.0, 2.0, 3.0, 6.0, 7.0, 9.0, 40.0, 1.5, np.nan]) + 1
    for method in ("logpmf", "pmf", "cdf", "sf", "mean", "var", "std", "support"):
        if method in ("cdf", "sf") and ours.functions["cdf"] is None:
            continue
        xs = () if method in ("mean", "var", "std", "support") else (k,)
        found = graphad.jit(lambda xs, shapes, loc, m=method: getattr(ours, m)(*xs, *shapes, loc=loc))(xs, shapes, 1.0)
        np.testing.assert_allclose(found, getattr(theirs, method)(*xs, *shapes, loc=1), rtol=1e-11, atol=1e-14)
    varied = [
        i for i, s in enumerate(shapes) if not (name in ("binom", "betabinom") and i == 0) and name != "hypergeom"
    ]
    k = np.array([0.0, 1.0, 1.0]) if name == "bernoulli" else np.array([1.0, 2.0, 3.0])
    for i in varied:
        at = lambda p, i=i: [p if j == i else s for j, s in enumerate(shapes)]
        graphad.check_grads(lambda p, at=at: ours.logpmf(k, *at(p)), (shapes[i],), order=2)
        if ours.functions["cdf"] is not None:
            graphad.check_grads(lambda p, at=at: ours.cdf(k, *at(p)), (shapes[i],), order=1)


RNG = np.random.default_rng(4)
COV = np.array([[2.0, 0.3, 0.1], [0.3, 1.5, -0.4], [0.1, -0.4, 1.0]])
WISHART = COV @ COV
MULTIVARIATE = {
    "multivariate_normal": (lambda d, x, m, c: d.logpdf(x, m, c), (RNG.normal(size=(4, 3)), RNG.normal(size=3), COV)),
    "multivariate_t": (
        lambda d, x, m, c, df: d.logpdf(x, m, c, df),
        (RNG.normal(size=(4, 3)), RNG.normal(size=3), COV, 4.5),
    ),
    "dirichlet": (lambda d, x, a: d.logpdf(x, a), (np.array([0.2, 0.5, 0.3]), np.array([1.5, 2.0, 0.8]))),
    "wishart": (lambda d, x, df, s: d.logpdf(x, df, s), (WISHART, 5.5, COV)),
    "invwishart": (lambda d, x, df, s: d.logpdf(x, df, s), (WISHART, 5.5, COV)),
    "multinomial": (lambda d, p: d.logpmf(np.array([2, 1, 3]), 6, p), (np.array([0.3, 0.25, 0.45]),)),
}


@pytest.mark.parametrize("name", MULTIVARIATE)
def test_multivariate_distributions(name):
    call, args = MULTIVARIATE[name]
    wanted = call(getattr(scipy.stats, name), *args)
    for executor in ("numpy", "llvm"):
        found = graphad.jit(lambda *xs: call(gs.DISTRIBUTIONS[name], *xs), executor=executor)(*args)
        np.testing.assert_allclose(found, wanted, rtol=1e-11)

    # Matrices are moved along symmetric directions, as their distributions are of such.
    def symmetric(x):
        return 0.5 * (x + np.swapaxes(x, -1, -2)) if np.ndim(x) == 2 and np.shape(x) == (3, 3) else x

    ours = gs.DISTRIBUTIONS[name]
    if name == "dirichlet":
        graphad.check_grads(lambda x, a: ours.logpdf(x / np.sum(x), a), args, order=1)
    elif name == "multinomial":
        graphad.check_grads(lambda p: ours.logpmf(np.array([2, 1, 3]), 6, p / np.sum(p)), args, order=1)
    else:
        graphad.check_grads(lambda *xs: call(ours, *[symmetric(x) for x in xs]), args, order=1)


ENTROPIES = {
    "multivariate_normal": lambda d, c: d.entropy(np.zeros(3), c),
    "multivariate_t": lambda d, c: sum([d.entropy(None, c, df) for df in (3.5, 1e9 * c[0, 0], np.inf)]),
    "dirichlet": lambda d, c: d.entropy(np.diag(c)) + d.mean(np.diag(c))[0] + d.var(np.diag(c))[1],
    "wishart": lambda d, c: d.entropy(5.5, c),
    "invwishart": lambda d, c: d.entropy(6.5, c),
}


@pytest.mark.parametrize("name", ENTROPIES)
def test_entropies_of_multivariate_distributions(name):
    entropy, ours = ENTROPIES[name], gs.DISTRIBUTIONS[name]
    found = graphad.jit(lambda c: entropy(getattr(scipy.stats, name), c))(COV)
    np.testing.assert_allclose(found, entropy(getattr(scipy.stats, name), COV), rtol=1e-12)
    graphad.check_grads(lambda c: entropy(ours, 0.5 * (c + c.T)), (COV,), order=1)


def test_normal_distributions_of_a_subspace():
    normal, x, mean = scipy.stats.multivariate_normal, RNG.normal(size=(4, 3)), np.zeros(3)
    for cov in (np.diag([2.0, 1.0, 0.0]), np.diag([1.0, 1e-12, 3.0]), COV):
        points = np.vstack([x, x @ (cov > 1e-6)])
        found = graphad.jit(lambda x, cov=cov: normal.logpdf(x, mean, cov, allow_singular=True))(points)
        np.testing.assert_allclose(found, normal.logpdf(points, mean, cov, allow_singular=True), rtol=1e-12)
    slope = graphad.grad(lambda m: normal.pdf(x[0] * [1, 0, 1], m * [1, 0, 1], cov_of_two, allow_singular=True))
    cov_of_two = np.diag([2.0, 0.0, 1.0])
    flat = graphad.grad(lambda m: normal.pdf(x[0, ::2], m[::2], np.diag([2.0, 1.0])))
    np.testing.assert_allclose(slope(mean), flat(mean), rtol=1e-12)
    with pytest.raises(graphad.MissingRuleError, match="rank is not known"):
        graphad.grad(lambda c: normal.logpdf(x[0], mean, c, allow_singular=True))(COV)


def test_a_t_distribution_of_infinite_freedom_is_normal():
    x = RNG.normal(size=3)
    found = graphad.jit(lambda x: scipy.stats.multivariate_t.logpdf(x, np.zeros(3), COV, np.inf))(x)
    np.testing.assert_allclose(found, scipy.stats.multivariate_normal.logpdf(x, np.zeros(3), COV), rtol=1e-12)


def test_scipys_own_names_under_jit_and_grad():
    """Methods of SciPy's objects, and of frozen ones, in code that is written for SciPy alone."""

    def loss(mu, sigma, x):
        total = -np.sum(scipy.stats.norm.logpdf(x, mu, sigma))
        total = total - np.sum(scipy.stats.norm(loc=mu, scale=2 * sigma).logpdf(x))
        return total - scipy.stats.multivariate_normal.logpdf(x, mu * np.ones(3), sigma * np.eye(3))

    x = np.array([0.5, 1.5, -0.2])
    wanted = loss(0.3, 1.2, x)
    assert graphad.jit(loss)(0.3, 1.2, x) == pytest.approx(wanted, rel=1e-12)
    gradient = graphad.grad(loss, argnums=(0, 1))(0.3, 1.2, x)
    for i, g in enumerate(gradient):
        step = np.eye(2)[i] * 1e-6
        assert g == pytest.approx(
            (loss(*(np.array([0.3, 1.2]) + step), x) - loss(*(np.array([0.3, 1.2]) - step), x)) / 2e-6
        )


@pytest.mark.parametrize(
    ("name", "true", "start"), [("gamma", (2.5,), (1.0,)), ("weibull_min", (1.6,), (1.0,)), ("t", (5.0,), (3.0,))]
)
def test_maximum_likelihood_by_gradients(name, true, start):
    """The fit of shape and scale by exact gradients is at least as good as SciPy's own, in fewer evaluations."""
    data = getattr(scipy.stats, name).rvs(*true, scale=2.0, size=400, random_state=3)
    dist = gs.DISTRIBUTIONS[name]
    both = graphad.jit(graphad.value_and_grad(lambda p: -np.sum(dist.logpdf(data, np.exp(p[0]), scale=np.exp(p[1])))))
    found = scipy.optimize.minimize(
        lambda p: tuple(map(np.asarray, both(p))), np.log([*start, 1.0]), jac=True, method="BFGS"
    )
    theirs = getattr(scipy.stats, name).fit(data, floc=0)
    assert found.fun <= -np.sum(getattr(scipy.stats, name).logpdf(data, *theirs)) + 1e-6
    np.testing.assert_allclose(np.exp(found.x), [theirs[0], theirs[2]], rtol=2e-3)


def test_batches():
    x, mu = RNG.normal(size=5), RNG.normal(size=5)
    found = graphad.vmap(graphad.grad(gs.norm.logpdf), in_axes=(0, 0))(x, mu)
    np.testing.assert_allclose(found, mu - x, rtol=1e-12)
    assert graphad.jit(lambda a: gs.beta.cdf(np.array([[0.2], [0.7]]), a, 2.0))(np.array([1.0, 2.0, 3.0])).shape == (
        2,
        3,
    )


def test_invalid_parameters_are_nan_and_others_refused():
    assert np.isnan(graphad.jit(lambda s: gs.norm.logpdf(0.0, 0.0, s))(-1.0))
    assert np.isnan(graphad.jit(lambda a: gs.gamma.cdf(1.0, a))(-1.0))
    with pytest.raises(MissingRuleError, match=r"scipy.stats.norm.rvs cannot be traced.*test_stats.py.*graphad.random"):
        graphad.jit(lambda s: gs.norm.rvs(scale=s))(1.0)
    with pytest.raises(TypeMismatchError, match=r"scipy.stats.gamma: lacks a.*test_stats.py"):
        graphad.jit(lambda x: gs.gamma.logpdf(x))(1.0)
    with pytest.raises(TypeMismatchError, match=r"scipy.stats.norm: takes loc, scale"):
        graphad.jit(lambda x: gs.norm.logpdf(x, scal=2.0))(1.0)

"""`graphad.random`: known answers, the same numbers everywhere, distributions, derivatives."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

import graphad
import graphad.random as gr
from graphad.errors import ShapeError, TypeMismatchError
from graphad.ops.random import U64, _philox

KEY = gr.key(42)


def words(counter, key):
    """Philox's four words of 32 bits for a counter and a key of such words."""
    packed = [np.array([low | (high << 32)], U64) for low, high in (key, counter[2:], counter[:2])]
    return [int(x) for w in _philox(*packed, 0) for x in (w[0] & U64.type(0xFFFFFFFF), w[0] >> U64.type(32))]


def test_known_answers():
    """The vectors that come with the authors' implementation, Random123."""
    full = 0xFFFFFFFF
    assert words((0, 0, 0, 0), (0, 0)) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert words((full,) * 4, (full,) * 2) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    pi = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0)
    assert words(*pi) == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]


MATRIX = np.array([[2.0, 0.5], [0.5, 1.0]])
DRAWS = {
    "bits": lambda k: gr.bits(k, (5,)),
    "bits of 8": lambda k: gr.bits(k, (5,), np.uint8),
    "uniform": lambda k: gr.uniform(k, (5,)),
    "uniform f4": lambda k: gr.uniform(k, (2, 3), np.float32),
    "between": lambda k: gr.uniform(k, (5,), minval=-1.0, maxval=3.0),
    "randint": lambda k: gr.randint(k, (7,), -3, 9),
    "bernoulli": lambda k: gr.bernoulli(k, 0.3, (6,)),
    "normal": lambda k: gr.normal(k, (5,)),
    "exponential": lambda k: gr.exponential(k, (5,)),
    "split": lambda k: gr.split(k, 3),
    "gumbel": lambda k: gr.gumbel(k, (4,)),
    "laplace": lambda k: gr.laplace(k, (4,)),
    "logistic": lambda k: gr.logistic(k, (4,)),
    "cauchy": lambda k: gr.cauchy(k, (4,)),
    "gamma": lambda k: gr.gamma(k, np.array([0.5, 2.0, 7.0])),
    "t": lambda k: gr.t(k, 3.0, (4,)),
    "beta": lambda k: gr.beta(k, 2.0, 0.7, (4,)),
    "dirichlet": lambda k: gr.dirichlet(k, np.array([0.5, 1.0, 3.0]), (2,)),
    "chisquare": lambda k: gr.chisquare(k, 3.0, (4,)),
    "f": lambda k: gr.f(k, 3.0, 5.0, (4,)),
    "poisson": lambda k: gr.poisson(k, 4.5, (8,)),
    "binomial": lambda k: gr.binomial(k, 9.0, 0.3, (8,)),
    "geometric": lambda k: gr.geometric(k, 0.3, (8,)),
    "categorical": lambda k: gr.categorical(k, np.log([0.2, 0.5, 0.3]), shape=(9,)),
    "permutation": lambda k: gr.permutation(k, 9),
    "permutation of rows": lambda k: gr.permutation(k, np.arange(12.0).reshape(4, 3)),
    "choice": lambda k: gr.choice(k, 9, (5,)),
    "independent": lambda k: gr.permutation(k, np.arange(12.0).reshape(4, 3), axis=1, independent=True),
    "choice without": lambda k: gr.choice(k, 9, (5,), replace=False),
    "choice p": lambda k: gr.choice(k, 3, (5,), p=np.array([0.1, 0.6, 0.3])),
    "choice without p": lambda k: gr.choice(k, 4, (3,), replace=False, p=np.array([0.1, 0.4, 0.3, 0.2])),
    "multivariate": lambda k: gr.multivariate_normal(k, np.array([1.0, -1.0]), MATRIX, (3,)),
    "multivariate eigh": lambda k: np.abs(gr.multivariate_normal(k, np.zeros(2), MATRIX, method="eigh")),
    "truncated": lambda k: gr.truncated_normal(k, -1.0, 0.5, (5,)),
    "lognormal": lambda k: gr.lognormal(k, 0.5, (4,)),
    "rayleigh": lambda k: gr.rayleigh(k, 2.0, (4,)),
    "weibull_min": lambda k: gr.weibull_min(k, 2.0, 1.5, (4,)),
    "pareto": lambda k: gr.pareto(k, 2.0, (4,)),
    "triangular": lambda k: gr.triangular(k, 0.0, 0.3, 1.0, (5,)),
    "rademacher": lambda k: gr.rademacher(k, (6,)),
    "fold_in": lambda k: gr.fold_in(k, 7),
}


def test_the_same_numbers_in_every_executor(executor):
    """Bit by bit what is integer arithmetic, to the last digits the rest; eager, compiled, one by one and batched."""
    eager = {name: draw(KEY) for name, draw in DRAWS.items()}
    chosen = list(DRAWS)[:: 13 if executor == "numba" else 1]
    found = graphad.jit(lambda k: {name: DRAWS[name](k) for name in chosen}, executor=executor)(KEY)
    for name in chosen:
        a, b = found[name], eager[name]
        assert (a.dtype, a.shape) == (b.dtype, b.shape), name
        if b.dtype.kind == "f" and "uniform" not in name:
            np.testing.assert_allclose(a, b, rtol=1e-13, err_msg=name)
        else:
            np.testing.assert_array_equal(a, b, err_msg=name)


def test_batches_are_loops():
    keys = gr.split(KEY, 3)
    found = graphad.vmap(lambda k: {name: draw(k) for name, draw in DRAWS.items()})(keys)
    for name, draw in DRAWS.items():
        for i in range(3):
            np.testing.assert_allclose(found[name][i], draw(keys[i]), rtol=1e-13, err_msg=name)


def test_keys_in_loops():
    """A walk whose key is split in each iteration, and one whose key is folded with the iteration's number."""

    def walk(key, n):
        x = 0.0
        for _ in range(n):
            key, own = gr.split(key)
            x = x + gr.normal(own)
        return x

    def folded(key):
        return graphad.fori_loop(0, 5, lambda i, x: x + gr.uniform(gr.fold_in(key, i)), 0.0)

    assert graphad.jit(walk)(KEY, 5) == pytest.approx(walk(KEY, 5), rel=1e-12)
    assert graphad.jit(folded)(KEY) == pytest.approx(sum(gr.uniform(gr.fold_in(KEY, i)) for i in range(5)), rel=1e-14)


N = 20_000
DISTRIBUTIONS = {
    "uniform": (lambda k: gr.uniform(k, (N,)), scipy.stats.uniform()),
    "normal": (lambda k: gr.normal(k, (N,)), scipy.stats.norm()),
    "exponential": (lambda k: gr.exponential(k, (N,)), scipy.stats.expon()),
    "cauchy": (lambda k: gr.cauchy(k, (N,)), scipy.stats.cauchy()),
    "laplace": (lambda k: gr.laplace(k, (N,)), scipy.stats.laplace()),
    "logistic": (lambda k: gr.logistic(k, (N,)), scipy.stats.logistic()),
    "gumbel": (lambda k: gr.gumbel(k, (N,)), scipy.stats.gumbel_r()),
    "lognormal": (lambda k: gr.lognormal(k, 0.4, (N,)), scipy.stats.lognorm(0.4)),
    "rayleigh": (lambda k: gr.rayleigh(k, 1.5, (N,)), scipy.stats.rayleigh(scale=1.5)),
    "pareto": (lambda k: gr.pareto(k, 2.5, (N,)), scipy.stats.pareto(2.5)),
    "weibull_min": (lambda k: gr.weibull_min(k, 1.5, 0.8, (N,)), scipy.stats.weibull_min(0.8, scale=1.5)),
    "triangular": (lambda k: gr.triangular(k, -1.0, 0.2, 2.0, (N,)), scipy.stats.triang(0.4, loc=-1, scale=3)),
    "truncated": (lambda k: gr.truncated_normal(k, -0.5, 2.0, (N,)), scipy.stats.truncnorm(-0.5, 2.0)),
    "gamma": (lambda k: gr.gamma(k, 0.3, (N,)), scipy.stats.gamma(0.3)),
    "gamma large": (lambda k: gr.gamma(k, 50.0, (N,)), scipy.stats.gamma(50.0)),
    "beta": (lambda k: gr.beta(k, 0.5, 2.0, (N,)), scipy.stats.beta(0.5, 2.0)),
    "chisquare": (lambda k: gr.chisquare(k, 3.0, (N,)), scipy.stats.chi2(3)),
    "f": (lambda k: gr.f(k, 4.0, 7.0, (N,)), scipy.stats.f(4, 7)),
    "t": (lambda k: gr.t(k, 2.5, (N,)), scipy.stats.t(2.5)),
    "dirichlet": (lambda k: gr.dirichlet(k, np.array([0.7, 1.5, 2.0]), (N,))[:, 0], scipy.stats.beta(0.7, 3.5)),
    "multivariate": (
        lambda k: gr.multivariate_normal(k, np.zeros(2), MATRIX, (N,)) @ np.array([1.0, -1.0]),
        scipy.stats.norm(scale=np.sqrt(2)),
    ),
}
COUNTS = {
    "poisson": (lambda k: gr.poisson(k, 3.4, (N,)), scipy.stats.poisson(3.4)),
    "poisson large": (lambda k: gr.poisson(k, 80.0, (N,)), scipy.stats.poisson(80)),
    "binomial": (lambda k: gr.binomial(k, 12.0, 0.3, (N,)), scipy.stats.binom(12, 0.3)),
    "geometric": (lambda k: gr.geometric(k, 0.3, (N,)), scipy.stats.geom(0.3)),
    "randint": (lambda k: gr.randint(k, (N,), 2, 9), scipy.stats.randint(2, 9)),
    "bernoulli": (lambda k: gr.bernoulli(k, 0.3, (N,)) * 1, scipy.stats.bernoulli(0.3)),
    "categorical": (
        lambda k: gr.categorical(k, np.log([0.25, 0.25, 0.5]), shape=(N,)),
        scipy.stats.rv_discrete(values=([0, 1, 2], [0.25, 0.25, 0.5])),
    ),
    "choice": (
        lambda k: gr.choice(k, 3, (N,), p=np.array([1.0, 1.0, 2.0])),
        scipy.stats.rv_discrete(values=([0, 1, 2], [0.25, 0.25, 0.5])),
    ),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distributions(name):
    draw, distribution = DISTRIBUTIONS[name]
    assert scipy.stats.kstest(draw(KEY), distribution.cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", COUNTS)
def test_distributions_of_integers(name):
    draw, distribution = COUNTS[name]
    values, counts = np.unique(draw(KEY), return_counts=True)
    expected = distribution.pmf(values) * N
    common = expected > 8
    chi2 = np.sum((counts[common] - expected[common]) ** 2 / expected[common])
    assert scipy.stats.chi2.sf(chi2, common.sum() - 1) > 1e-3


def test_uniform_numbers_are_below_one_and_keys_are_independent():
    x = gr.uniform(KEY, (200_000,))
    assert (x >= 0).all()
    assert (x < 1).all()
    assert gr.uniform(KEY, (200_000,), np.float32).max() < 1
    keys = gr.split(KEY, 1000)
    assert len(np.unique(keys[:, 0])) == 1000
    first = graphad.vmap(lambda k: gr.uniform(k, (8,)))(keys)
    assert np.abs(np.corrcoef(first.T) - np.eye(8)).max() < 0.15
    assert scipy.stats.kstest(np.ravel(first), "uniform").pvalue > 1e-3
    neighbours = np.stack([gr.uniform(gr.key(seed), (2000,)) for seed in range(5)])
    assert np.abs(np.corrcoef(neighbours) - np.eye(5)).max() < 0.1
    assert sorted(gr.permutation(KEY, 50)) == list(range(50))
    assert len(set(gr.choice(KEY, 20, (20,), replace=False))) == 20


def test_reparameterised_gradients():
    """The mean derivative of a sample is the derivative of the mean; and each sample follows its own quantile."""
    mean = lambda draw: lambda *ps: np.mean(draw(*ps))
    cases = [
        (lambda a: gr.gamma(KEY, a, (N,)), (2.5,), [1.0]),
        (lambda a, b: gr.beta(KEY, a, b, (N,)), (2.0, 3.0), [3 / 25, -2 / 25]),
        (lambda s: gr.lognormal(KEY, s, (N,)), (0.5,), [0.5 * np.exp(0.125)]),
        (lambda lo, hi: gr.uniform(KEY, (N,), minval=lo, maxval=hi), (0.0, 2.0), [0.5, 0.5]),
        (lambda s, c: gr.weibull_min(KEY, s, c, (N,)), (2.0, 1.0), [1.0, -2 * (1 - np.euler_gamma)]),
    ]
    for draw, parameters, expected in cases:
        for i, e in enumerate(expected):
            assert graphad.grad(mean(draw), argnums=i)(*parameters) == pytest.approx(e, abs=0.04)
    for draw, parameters in (
        (lambda a: gr.gamma(KEY, a, (4,)), (0.7,)), (lambda a, b: gr.beta(KEY, a, b, (4,)), (0.7, 2.0)),
        (lambda df: gr.t(KEY, df, (4,)), (3.0,)), (lambda a: gr.dirichlet(KEY, a), (np.array([0.5, 1.5, 3.0]),)),
        (lambda m, c: gr.multivariate_normal(KEY, m, c @ c.T), (np.zeros(2), MATRIX)),
        (lambda a, b: gr.truncated_normal(KEY, a, b, (4,)), (-1.0, 0.5)),
    ):  # fmt: skip
        graphad.check_grads(draw, parameters, order=1)
    assert graphad.grad(lambda lam: np.sum(gr.binomial(KEY, 5.0, lam, (3,))))(0.4) == 0.0


def test_seeds_and_refusals():
    np.testing.assert_array_equal(graphad.jit(gr.key)(7), gr.key(7))
    np.testing.assert_array_equal(gr.PRNGKey(7), gr.key(7))
    with pytest.raises(
        TypeMismatchError, match=r"a key is an array of two uint64, not int64\[\].*graphad.random.key\(seed\)"
    ):
        gr.normal(3)
    with pytest.raises(ShapeError, match=r"shape \[2\] is not one that parameters of shape \[3\]"):
        gr.gamma(KEY, np.ones(3), (2,))
    with pytest.raises(ShapeError, match=r"choice: 5 of 3 entries"):
        gr.choice(KEY, 3, (5,), replace=False)

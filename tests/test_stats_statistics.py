"""The statistics of SciPy on traced samples: SciPy's numbers and shapes, derivatives by differences, refusals."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.stats
from statistics_cases import CASES, X, Y, Z

import graphad
import graphad.scipy.stats as gs
from graphad.errors import MissingRuleError, ShapeError, TypeMismatchError
from graphad.testing.numeric import directional_derivative

EXTRAS = ("df", "intercept_stderr", "statistic_location", "statistic_sign", "zstatistic", "correlation")
"""What results have beside their parts."""
RANKED = {"spearmanr", "spearmanrho", "kendalltau", "wilcoxon", "mannwhitneyu", "ranksums", "rankdata", "kruskal"}
"""Some functions that change by jumps only."""


def parts(result):
    """The arrays of a result."""
    if not isinstance(result, (tuple, list)):
        return [result]
    found = [x for part in result for x in parts(part)]
    return found + [getattr(result, name) for name in EXTRAS if hasattr(result, name)]


def called(module, name, kwargs):
    return lambda *xs: parts(getattr(module, name)(*xs, **kwargs))


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("name", CASES)
def test_numbers_are_scipys(name):
    for i, (args, kwargs) in enumerate(CASES[name]):
        wanted = called(scipy.stats, name, kwargs)(*args)
        found = graphad.jit(called(gs, name, kwargs), executor="llvm" if i == 0 else "numpy")(*args)
        assert len(found) == len(wanted)
        for a, b in zip(found, wanted, strict=True):
            assert np.shape(a) == np.shape(b), kwargs
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13, err_msg=str(kwargs))


@pytest.mark.parametrize("name", CASES)
def test_derivatives_are_differences(name):
    rng = np.random.default_rng(3)
    for args, kwargs in CASES[name]:
        if any(np.diff(np.sort(np.ravel(x))).min(initial=1.0) < 1e-3 for x in args):
            continue  # where elements are equal, or all but, small steps change their order
        args = [np.asarray(x) for x in args]
        directions = [rng.normal(size=x.shape) for x in args]
        values = called(scipy.stats, name, kwargs)(*[x[()] for x in args])
        kept = [i for i, x in enumerate(values) if np.asarray(x).dtype.kind == "f" and np.all(np.isfinite(x))]
        theirs = lambda xs, name=name, kwargs=kwargs, kept=kept: [
            called(scipy.stats, name, kwargs)(*[x[()] for x in xs])[i] for i in kept
        ]  # fmt: skip
        ours = lambda *xs, name=name, kwargs=kwargs, kept=kept: [called(gs, name, kwargs)(*xs)[i] for i in kept]
        found = graphad.jvp(ours, tuple(args), tuple(directions))[1]
        if name in RANKED:
            assert not any(np.any(x) for x in found)
            continue
        wanted = directional_derivative(theirs, args, directions)
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7, err_msg=str(kwargs))


def test_what_is_left_without_the_ends_is_in_order():
    for call in (lambda m, x: m.trimboth(x, 0.2, axis=1), lambda m, x: m.trim1(x, 0.3, "left", axis=1)):
        found = graphad.jit(lambda x, call=call: call(gs, x))(X)
        np.testing.assert_array_equal(found, np.sort(call(scipy.stats, X), axis=1))


def test_expected_frequencies():
    seen, expected = X[0] / X[0].sum(), np.abs(Y[0]) / np.abs(Y[0]).sum()
    call = lambda m, **options: lambda *xs: parts(m.power_divergence(*xs, **options))
    for power in ("log-likelihood", "neyman", "freeman-tukey"):
        found = graphad.jit(call(gs, lambda_=power, ddof=1))(seen, expected)
        np.testing.assert_allclose(found, call(scipy.stats, lambda_=power, ddof=1)(seen, expected), rtol=1e-12)
    found = graphad.grad(lambda *xs: gs.power_divergence(*xs).statistic, argnums=(0, 1))(seen, expected)
    wanted = graphad.grad(lambda *xs: gs.chisquare(*xs, sum_check=False).statistic, argnums=(0, 1))(seen, expected)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_alexandergovern():
    def call(m, *xs):
        found = m.alexandergovern(*xs, axis=1)
        return found.statistic, found.pvalue

    for a, b in zip(graphad.jit(lambda *xs: call(gs, *xs))(X, Y, Z), call(scipy.stats, X, Y, Z), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    graphad.check_grads(lambda *xs: call(gs, *xs), (X, Y, Z))


def test_functions_of_scipy_are_traced_where_they_stand():
    def loss(x):
        result = scipy.stats.pearsonr(x, Y[0])
        line = scipy.stats.linregress(x, Y[0])
        return (
            result.statistic * line.slope + result.pvalue + np.sum(scipy.stats.zscore(x) ** 3) + line.intercept_stderr
        )

    np.testing.assert_allclose(graphad.jit(loss)(X[0]), loss(X[0]), rtol=1e-12)
    graphad.check_grads(loss, (X[0],), order=2)


def test_statistics_of_batches_are_those_of_each():
    call = lambda x: parts(gs.ttest_1samp(x, 1.5)) + parts(gs.wilcoxon(x - 2)) + [gs.skew(x), gs.gstd(np.exp(x))]
    for a, b in zip(graphad.vmap(call)(X), zip(*[call(x) for x in X], strict=True), strict=True):
        np.testing.assert_allclose(a, np.stack(b), rtol=1e-12)


def test_results_are_trees_with_scipys_attributes():
    result = graphad.jit(lambda x, y: gs.ttest_ind(x, y))(X[0], Z[0])
    wanted = scipy.stats.ttest_ind(X[0], Z[0])
    np.testing.assert_allclose(
        [*result, result.statistic, result.df], [*wanted, wanted.statistic, wanted.df], rtol=1e-12
    )
    assert "statistic" in repr(result)
    assert "_estimate" not in repr(result)
    tangent = graphad.jvp(lambda x: gs.linregress(x, Y[0]), (X[0],), (np.ones(9),))[1]
    assert tangent.slope.shape == tangent.intercept_stderr.shape == ()


@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_confidence_intervals(alternative):
    for call in (
        lambda m, x: m.pearsonr(x, Y[0], alternative=alternative).confidence_interval(0.9),
        lambda m, x: m.ttest_ind(x, Z[0], alternative=alternative).confidence_interval(0.9),
        lambda m, x: m.ttest_1samp(x, 1.5, alternative=alternative).confidence_interval(),
    ):
        found, wanted = graphad.jit(lambda x, call=call: call(gs, x))(X[0]), call(scipy.stats, X[0])
        np.testing.assert_allclose([found.low, found.high], [wanted.low, wanted.high], rtol=1e-11)


def test_ranks_pass_back_no_derivative():
    assert not np.any(graphad.grad(lambda x: np.sum(gs.rankdata(x) * np.arange(9)) + gs.kruskal(x, Z[0]).pvalue)(X[0]))


HOLES = np.where(X > 2.6, np.nan, X)


def test_nan_is_propagated():
    for name in ("skew", "mannwhitneyu", "rankdata", "mode", "tmin", "iqr"):
        args = (HOLES[0], Z[0]) if name == "mannwhitneyu" else (HOLES[0],)
        found = graphad.jit(called(gs, name, {}))(*args)
        np.testing.assert_allclose(found, called(scipy.stats, name, {})(*args), rtol=1e-12)


def test_nan_is_omitted_where_values_are_known():
    seen = HOLES[0][~np.isnan(HOLES[0])]
    found = graphad.grad(lambda x: gs.skew(x, nan_policy="omit"))(HOLES[0])
    wanted = graphad.grad(gs.skew)(seen)
    np.testing.assert_allclose(found[~np.isnan(HOLES[0])], wanted, rtol=1e-12)
    for name in ("zscore", "gstd"):
        call = lambda m, name=name: lambda x: getattr(m, name)(np.exp(x), axis=1, nan_policy="omit")
        np.testing.assert_allclose(graphad.jit(call(gs))(HOLES), call(scipy.stats)(HOLES), rtol=1e-12)
    with pytest.raises(MissingRuleError, match=r"nan_policy='omit'.*run time"):
        graphad.jit(lambda x: gs.skew(x, nan_policy="omit"))(HOLES[0])
    with pytest.raises(ValueError, match="contains nan"):
        graphad.grad(lambda x: gs.skew(x, nan_policy="raise"))(HOLES[0])


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: gs.gmean(x, dtype=np.float32), MissingRuleError, "dtype=.*leave"),
        (lambda x: gs.pearsonr(x, x, method=1), MissingRuleError, "resampling.*leave"),
        (lambda x: gs.skew(x + 1j), TypeMismatchError, "complex"),
        (lambda x: gs.sem(x[:1]), ShapeError, "more than 1"),
        (lambda x: gs.pearsonr(x, x[:3]), ShapeError, "as many"),
        (lambda x: gs.kendalltau(x, x, variant="a"), ValueError, "variant='a'"),
        (lambda x: gs.ttest_ind(x, x, alternative="more"), ValueError, "alternative='more'"),
        (lambda x: gs.pmean(x, x[0]), MissingRuleError, "power.*plain number"),
        (lambda x: gs.trim_mean(x, x[0] / 9), MissingRuleError, "proportion.*plain number"),
        (lambda x: gs.wasserstein_distance_nd(x[:, None], x[:, None]), MissingRuleError, "points"),
        (lambda x: gs.boxcox(np.exp(x), alpha=0.1), MissingRuleError, "alpha= or optimizer=.*leave them out"),
        (lambda x: gs.yeojohnson(x[:1]), ShapeError, "a sample of 1.*no likeliest parameter"),
        (lambda x: gs.boxcox_normmax(x), ValueError, "method='pearsonr'.*'mle'"),
        (lambda x: gs.anderson(x, "logistic"), ValueError, "dist='logistic'.*'norm', 'expon'"),
        (lambda x: gs.shapiro(x[:2]), ShapeError, "more than 2"),
        (lambda x: gs.probplot(x, plot=np), MissingRuleError, "plot=.*plot what it gives"),
        (lambda x: gs.kstest(x, "norm"), MissingRuleError, "distribution"),
        (lambda x: gs.quantile(x, 0.5, weights=x), MissingRuleError, "weights"),
        (lambda x: gs.tmean(x, (90, 99)), ValueError, "No array values within given limits"),
        (lambda x: gs.chisquare(x, 2 * x)[0], ValueError, "must agree"),
    ],
)
def test_what_cannot_be_traced_says_so(call, error, text):
    with pytest.raises(error, match=text):
        graphad.jit(call)(X[0])


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("linregress", (X[0] * 0, X[0])),
        ("linregress", (X[0], X[0] * 0)),
        ("mannwhitneyu", (X[0] * 0, X[0] * 0)),
        ("shapiro", (X[0] * 0,)),
        ("obrientransform", (X[0, :2],)),
        ("obrientransform", (X[0] * 0, Y[0])),
    ],
)
def test_samples_without_variation_are_scipys(name, args):
    # What SciPy makes of these depends on its version: a number, NaN or an error.
    ours, theirs = (lambda *xs, m=m: parts(getattr(m, name)(*xs)) for m in (gs, scipy.stats))
    try:
        wanted = theirs(*args)
    except ValueError as error:
        with pytest.raises(ValueError, match=str(error)):
            graphad.jit(ours)(*args)
        return
    for a, b in zip(graphad.jit(ours)(*args), wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("name", ["boxcox", "yeojohnson", "yeojohnson_normmax", "boxcox_normmax"])
def test_the_likeliest_parameter(name):
    sample = np.array([0.5, 1.2, 2.3, 0.9, 3.1, 1.7, 0.4]) + (0.0 if "boxcox" in name else -1.0)
    kwargs = {"method": "mle"} if name == "boxcox_normmax" else {}
    ours, theirs = (lambda x, m=m: parts(getattr(m, name)(x, **kwargs)) for m in (gs, scipy.stats))
    for a, b in zip(graphad.jit(ours)(sample), theirs(sample), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    along = np.cos(np.arange(7.0))
    step = 1e-3  # the search stops at 1e-8
    far, near = theirs(sample + step * along), theirs(sample - step * along)
    for transform in (lambda f: f, graphad.jit):
        found = transform(lambda x, t: graphad.jvp(ours, (x,), (t,))[1])(sample, along)
        for a, above, below in zip(found, far, near, strict=True):
            np.testing.assert_allclose(a, (above - below) / (2 * step), rtol=3e-4, atol=3e-5)
    # The slope of the likelihood stays 0, to second order too.
    likelihood = scipy.stats.boxcox_llf if "boxcox" in name else scipy.stats.yeojohnson_llf
    slope = lambda x: graphad.grad(likelihood)(ours(x)[-1], x)
    np.testing.assert_allclose(graphad.jvp(slope, (sample,), (along,))[1], 0.0, atol=1e-9)
    second = graphad.jvp(lambda x: graphad.jvp(slope, (x,), (along,))[1], (sample,), (along,))[1]
    np.testing.assert_allclose(second, 0.0, atol=1e-8)


@pytest.mark.parametrize("sample", [X[0], X.ravel()[:11], X.ravel()[:12], X.ravel()])
def test_shapiro_of_longer_samples(sample):
    # SciPy's normal probabilities have eleven digits there before 1.18.
    found, wanted = graphad.jit(gs.shapiro)(sample), scipy.stats.shapiro(sample)
    np.testing.assert_allclose(found, wanted, rtol=1e-10)
    graphad.check_grads(lambda x: tuple(gs.shapiro(x)), (sample,))

"""NumPy's functions whose shape depends on values: where these are known, and what is refused where they are not."""

import inspect

import numpy as np
import pytest
from numpy_cases import EDGES, M, S, V
from numpy_cases_families import NUMBERS, OTHERS, QS, TIES, WEIGHTS

import graphad
import graphad.numpy as gnp
from graphad.errors import MissingRuleError, ShapeError, TracerError, TypeMismatchError
from graphad.trace import FUNCTIONS

KNOWN = [
    lambda x: np.unique(x),
    lambda x: np.unique(x, return_index=True, return_inverse=True, return_counts=True),
    lambda x: np.unique(np.stack([x, x, 2 * x]), axis=0),
    lambda x: np.unique_counts(x),
    lambda x: np.union1d(x, [0.0, 2.0, 7.0]),
    lambda x: np.intersect1d(x, [0.0, 2.0, 7.0], return_indices=True),
    lambda x: np.setdiff1d(x, [2.0]),
    lambda x: np.setxor1d(x, [2.0, 5.0]),
    lambda x: np.trim_zeros(np.concatenate([np.zeros(2), x])),
    lambda x: np.trim_zeros(np.outer([0.0, 1.0, 0.0], x), axis=0),
    lambda x: np.extract(x > 0.5, x),
    lambda x: np.compress(x > 0.5, x),
    lambda x: x[np.nonzero(x)],
    lambda x: x * np.bincount(np.rint(np.abs(x)).astype(int), minlength=7)[:7],
    lambda x: np.histogram(x, "sturges")[0] * x[0],
    lambda x: np.histogram_bin_edges(x, "auto") * x[0],
    lambda x: np.digitize(x, x[:2]) * x,
    lambda x: np.real_if_close(x + 0j) * 2,
    lambda x: np.repeat(x, np.rint(np.abs(x)).astype(int)),
    lambda x: np.insert(x, np.argmax(x), x[:2]),
]


@pytest.mark.parametrize("function", KNOWN)
def test_known_values_give_numpys_shape(function):
    """Forward and reverse mode know the values of their arguments."""

    def flat(x):
        found = function(x)
        return list(found) if isinstance(found, tuple) else [found]

    expected = flat(TIES)
    values, slopes = graphad.jvp(lambda x: [gnp.asarray(r) for r in flat(x)], [TIES], [np.ones(7)])
    assert len(values) == len(expected)
    for a, b in zip(values, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
        assert np.shape(a) == np.shape(b)
    assert all(np.shape(a) == np.shape(b) for a, b in zip(slopes, expected, strict=True))


REFUSED = [
    (lambda x: np.unique(x), TracerError, ["unique", "size=n"]),
    (lambda x: np.unique_all(x), TracerError, ["unique", "size=n"]),
    (lambda x: np.union1d(x, x), TracerError, ["unique", "size=n"]),
    (lambda x: np.intersect1d(x, x), TracerError, ["intersect1d", "size=n"]),
    (lambda x: np.setdiff1d(x, x), TracerError, ["setdiff1d", "size=n"]),
    (lambda x: np.setxor1d(x, x), TracerError, ["setxor1d", "size=n"]),
    (lambda x: np.nonzero(x), TracerError, ["nonzero", "numpy.where", "size="]),
    (lambda x: np.argwhere(x), TracerError, ["numpy.where", "size="]),
    (lambda x: np.extract(x > 0, x), TracerError, ["extract", "numpy.where", "size="]),
    (lambda x: np.compress(x[0] > 0, x, 1), TracerError, ["compress", "size="]),
    (lambda x: np.trim_zeros(x), TracerError, ["trim_zeros", "slice"]),
    (lambda x: np.bincount(x.astype(int)[0]), TracerError, ["bincount", "length=n"]),
    (lambda x: np.repeat(x, x.astype(int)), TracerError, ["repeat", "total_repeat_length="]),
    (lambda x: np.histogram(x, "auto"), TracerError, ["histogram", "'auto'", "number or edges"]),
    (lambda x: np.histogram(x, 0), ShapeError, ["histogram", "positive"]),
    (lambda x: np.real_if_close(x + 0j), TypeMismatchError, ["real_if_close", "numpy.real"]),
    (lambda x: np.add(x, x, where=x > 0), MissingRuleError, ["add", "where=", "numpy.where(mask"]),
    (lambda x: np.subtract.reduce(x, where=x > 0), ShapeError, ["subtract.reduce", "initial="]),
    (lambda x: np.quantile(x, 1.5), ShapeError, ["quantile", "between 0 and 1"]),
    (lambda x: np.quantile(x, 0.5, method="best"), NotImplementedError, ["quantile", "'best'", "'weibull'"]),
    (lambda x: np.quantile(x, 0.5, weights=x), NotImplementedError, ["quantile", "'inverted_cdf'"]),
    (lambda x: np.percentile(x + 1j, 50), TypeMismatchError, ["percentile", "complex128"]),
    (lambda x: np.cov(x, fweights=[1, 2]), ShapeError, ["cov", "4 observations"]),
    (lambda x: np.packbits(x), TypeMismatchError, ["packbits", "float64"]),
    (lambda x: np.unpackbits(x), TypeMismatchError, ["unpackbits", "uint8"]),
    (lambda x: np.polyadd(x, x), ShapeError, ["polyadd", "one row"]),
    (lambda x: np.polyint(x[0], 3, [1, 2]), ShapeError, ["polyint", "3 orders"]),
    (lambda x: np.polyder(x[0], -1), ShapeError, ["polyder", "non-negative"]),
    (lambda x: np.lexsort((x[0], x[:, 0])), ShapeError, ["lexsort", "one shape"]),
    (lambda x: np.ix_(x), ShapeError, ["ix_", "2 axes"]),
    (lambda x: np.ravel_multi_index((x[0].astype(int), [0, 9]), (4, 4)), ShapeError, ["ravel_multi_index", "0 ... 3"]),
    (lambda x: np.apply_over_axes(lambda v, i: v[0, 0], x, 0), ShapeError, ["apply_over_axes"]),
    (lambda x: gnp.vectorize(np.dot, signature="(n),(n)->()")(x), ShapeError, ["vectorize", "2 operands"]),
    (lambda x: np.pad(x[:0], 1, "edge"), ShapeError, ["pad", "extent 0"]),
]


@pytest.mark.parametrize(("function", "error", "words"), REFUSED)
def test_what_cannot_be_traced_says_what_to_do(function, error, words):
    with pytest.raises(error) as caught:
        graphad.trace(function)(M)
    for word in [*words, f"test_numpy_values.py:{function.__code__.co_firstlineno}"]:
        assert word in str(caught.value)


SIZED = [
    (lambda x: gnp.unique(x, size=4), lambda x: np.unique(x)[:4], NUMBERS),
    (lambda x: gnp.unique(x, size=7, fill_value=-1), lambda x: np.append(np.unique(x), [-1, -1]), NUMBERS),
    (lambda x: gnp.nonzero(x, size=2)[0], lambda x: np.nonzero(x)[0][:2], NUMBERS),
    (lambda x: gnp.bincount(x, length=4), lambda x: np.bincount(x)[:4], NUMBERS),
    (lambda x: gnp.intersect1d(x, OTHERS, size=3, fill_value=0), lambda x: [1, 7, 0], NUMBERS),
    (lambda x: gnp.repeat(x, x, total_repeat_length=4), lambda x: np.repeat(x, x)[:4], NUMBERS),
    (lambda x: gnp.flatnonzero(x[:0], size=2, fill_value=5), lambda x: [5, 5], NUMBERS),
    (lambda x: gnp.unique(x[:0], size=2), lambda x: [0, 0], NUMBERS),
    (lambda x: gnp.setdiff1d(x, x[:0], size=2), lambda x: [0, 1], NUMBERS),
    (lambda x: gnp.intersect1d(x, x[:0], return_indices=True, size=1)[0], lambda x: [0], NUMBERS),
]


@pytest.mark.parametrize(("function", "expected", "x"), SIZED)
def test_sizes_mean_the_same_without_a_trace(function, expected, x):
    np.testing.assert_array_equal(function(x), expected(x))
    np.testing.assert_array_equal(graphad.trace(function)(x).eval(x)[0], expected(x))


def test_sizes_are_left_out_of_numpys_calls():
    np.testing.assert_array_equal(gnp.unique(NUMBERS, size=None), np.unique(NUMBERS))
    assert [tuple(p) for p in gnp.nonzero(NUMBERS > 2, size=None)] == [(0, 2, 5)]


def test_traced_fractions_of_quantiles_have_a_slope():
    slope = graphad.grad(lambda q: gnp.quantile(V, q))(0.3)
    ordered = np.sort(V)
    np.testing.assert_allclose(slope, 4 * (ordered[2] - ordered[1]))


def test_vectorize_is_a_decorator():
    @gnp.vectorize(otypes=[float])
    def ramp(a, b):
        """Positive part."""
        return np.maximum(a - b, 0)

    assert (ramp.__name__, ramp.__doc__) == ("ramp", "Positive part.")
    np.testing.assert_allclose(ramp(V, S), np.maximum(V - S, 0))
    (found,) = graphad.trace(lambda x: ramp(x, x[:1]))(V).eval(V)
    np.testing.assert_allclose(found, np.maximum(V - V[0], 0))


def test_weighted_quantile_of_repeated_elements_is_the_quantile():
    counts = np.array([2, 1, 0, 3, 1])
    for q in QS:
        plain = np.quantile(np.repeat(V, counts), q, method="inverted_cdf")
        found = graphad.jit(lambda x, q=q: np.quantile(x, q, method="inverted_cdf", weights=counts))(V)
        np.testing.assert_allclose(found, plain)


def test_counts_pass_derivatives_to_weights_and_edges():
    slope = graphad.grad(lambda w: (np.histogram(V, EDGES, weights=w)[0] * np.arange(3)).sum())(WEIGHTS)
    places = np.digitize(V, EDGES) - 1
    np.testing.assert_allclose(slope, np.where((places >= 0) & (places < 3), places, 0))


def test_every_function_takes_numpys_keywords():
    """Every traced function takes the names that NumPy's does."""
    missing = {}
    for function, handler in FUNCTIONS.items():
        try:
            wanted = inspect.signature(function).parameters
        except (TypeError, ValueError):
            continue
        found = inspect.signature(handler).parameters
        if any(p.kind is p.VAR_KEYWORD for p in found.values()):
            continue
        names = {n for n, p in wanted.items() if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
        left_out = names - set(found) - {"like"}
        if left_out:
            missing[function.__name__] = left_out
    assert not missing


@pytest.mark.parametrize(("x", "held"), [(1.5, 1.0), (9.0, 0.0)])
def test_an_array_holds_a_number_where_an_element_is_that_number(x, held):
    a = np.array([[1.5, -2.0], [0.5, 4.0]])
    assert graphad.value_and_grad(lambda a: a[0, 0] * (x in a))(a)[1][0, 0] == held
    assert graphad.jit(lambda a: x in a)(a) == held


def test_a_number_holds_nothing():
    with pytest.raises(TypeError, match="not iterable"):
        graphad.grad(lambda x: x * (1.5 in x))(2.0)

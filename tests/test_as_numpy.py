"""Values, shapes and dtypes of unusual arguments are those of NumPy and SciPy, in every executor."""

import itertools
import warnings

import numpy as np
import pytest
import scipy.linalg
from scipy.stats import dirichlet, invwishart, multinomial, multivariate_normal, multivariate_t, wishart

import graphad
from graphad.errors import GraphadError, TypeMismatchError

NAN, INF = np.nan, np.inf
BYTES = np.array([100, 100], np.int8)
PLACES = np.array([1, -1, 100, -128], np.int8)
LOWER, SINGULAR = np.array([[4.0, 1.0], [0.0, 3.0]]), np.ones((2, 2))
SPD = np.array([[2.0, 0.5], [0.5, 1.0]])
QUOTIENTS = np.array([1 + 1j, 0, NAN, 1j, -1, complex(-0.0, -0.0), complex(INF, NAN), 1e-320])

CASES = {
    "polyval of bytes at a number": (lambda c: np.polyval(c, 2), BYTES),
    "polyval of bytes at bytes": (lambda c: np.polyval(c, np.array([1, 2], np.int8)), BYTES),
    "polyval of bytes at a float": (lambda c: np.polyval(c, 0.5), BYTES),
    "polyval of no coefficients": (lambda x: np.polyval([], x), BYTES),
    "take bytes": (lambda x: np.take(x, PLACES), np.arange(300.0)),
    "take by bytes": (lambda i: np.take(np.arange(300.0), i), PLACES),
    "index bytes": (lambda x: x[PLACES], np.arange(300.0)),
    "take_along_axis": (lambda x: np.take_along_axis(x, PLACES, 0), np.arange(300.0)),
    "clip below an unsigned": (lambda x: np.clip(x, -1, 3), np.array([0, 5], np.uint64)),
    "clip beyond a byte": (lambda x: x.clip(-1000, 300), np.array([-128, 127, 5], np.int8)),
    "clip by floats": (lambda x: np.clip(x, -1.5, 3), np.array([0, 5], np.uint8)),
    "compare with what no byte is": (lambda x: (x < -1, x != 300, x <= 300), np.array([0, 5], np.uint8)),
    "upper cholesky": (lambda a: np.linalg.cholesky(a, upper=True), LOWER),
    "upper cholesky of complex": (lambda a: np.linalg.cholesky(a, upper=True), LOWER + np.array([[0, 1j], [0, 0]])),
    "lower cholesky": (lambda a: (np.linalg.cholesky(a), scipy.linalg.cholesky(a)), LOWER),
    "cond of singular": (lambda a: [np.linalg.cond(a, p) for p in (1, -1, INF, -INF, "fro", 2, None)], SINGULAR),
    "cond of some": (lambda a: np.linalg.cond(np.stack([a, a + np.eye(2)]), 1), SINGULAR),
    "cond of NaN": (lambda a: np.linalg.cond(a, 1), np.array([[NAN, 1.0], [1.0, 2.0]])),
    "quotients by zero": (lambda z: (z / 0, z / complex(-0.0, -0.0), 1 / z, 0j / z, z / complex(INF, 0)), QUOTIENTS),
    "einsum of extent 1": (lambda a: np.einsum("ij,jk->ik", a, np.ones((1, 4))), np.arange(6.0).reshape(2, 3)),
    "einsum of a diagonal": (lambda a: np.einsum("ii->i", a), np.arange(1.0).reshape(1, 1)),
    "logpdf of one point": (lambda c: multivariate_normal.logpdf(np.array([0.3]), np.zeros(1), c * np.eye(1)), 2.0),
    "logpdf of one row": (lambda c: multivariate_normal.pdf(np.array([[0.3, 1.0]]), np.zeros(2), c), 2.0),
    "logpdf of points": (lambda c: multivariate_normal.logpdf(np.ones((3, 1, 2)), cov=c * np.eye(2)), 2.0),
    "logpdf of numbers": (lambda c: multivariate_normal.logpdf(np.array([0.3, 0.4]), 0.0, c), 2.0),
    "multivariate_t of one row": (lambda c: multivariate_t.logpdf(np.ones((1, 2)), np.zeros(2), c, 3.0), 2.0),
    "dirichlet of one column": (lambda c: dirichlet.pdf(np.array([[0.2], [0.8]]), c * np.ones(2)), 2.0),
    "wishart of matrices": (lambda c: wishart.logpdf(np.stack([SPD, 2 * SPD, SPD], -1), 3.5, c * SPD), 2.0),
    "wishart of variances": (lambda c: invwishart.logpdf(np.array([1.0, 2.0]), 3.5, c * SPD), 2.0),
    "wishart of numbers": (lambda c: wishart.logpdf(np.array([1.0, 2.0, 3.0]), 3.5, c), 2.0),
    "multinomial beside its support": (
        lambda p: multinomial.pmf(np.array([[1, 2], [4, -1], [1, 1]]), 3, p), np.array([0.25, 0.75]),
    ),
    "multinomial of what does not sum to 1": (lambda p: multinomial.pmf([1, 2], 3, p), np.array([0.25, 0.25])),
    "multinomial of what is no probability": (lambda p: multinomial.pmf([1, 2], 3, p), np.array([1.5, -0.5])),
}  # fmt: skip


def leaves(found):
    return list(found) if isinstance(found, (tuple, list)) else [found]


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize("name", CASES)
def test_results(name, executor):
    function, x = CASES[name]
    for a, b in zip(leaves(graphad.jit(function, executor=executor)(x)), leaves(function(x)), strict=True):
        assert np.shape(a) == np.shape(b)
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_allclose(a, b, rtol=1e-12)


# -- casts --------------------------------------------------------------------------------------------------------

UNFIT = [NAN, INF, -INF, 1e10, -1e10, 3e9, 1e300, 9.3e18, 1e19, 1.9e19, -200.0, 300.7, 70000.7, -1e19, -0.5]


@pytest.mark.parametrize("executor", ["numpy", "llvm", "numba"])
@pytest.mark.parametrize("source", ["f8", "f4"])
def test_casts_of_what_does_not_fit(source, executor):
    """Of 32 bits without sign NumPy's result depends on where in the array a number stands: one number at a time."""
    with np.errstate(all="ignore"):
        x = np.array(UNFIT, source)
        for target in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"):
            cast = graphad.jit(lambda x, t=target: x.astype(t), executor=executor)
            found = np.array([cast(v) for v in x]) if target == "u4" else cast(x)
            np.testing.assert_array_equal(found, np.array([v.astype(target) for v in x]))


# -- updates of integers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["i1", "u2", "i8", "u8"])
def test_updates_of_integers_at_places_that_repeat(dtype):
    places = np.array([0, 1, 1, 7, -1, 1])
    updates = [np.add, np.subtract, np.multiply, np.minimum, np.maximum]
    values = [1, True, np.array([1, 2, 3, 4, 5, 6], dtype), np.array([1, 2, 3, 4, 5, 200], "u1")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for update, value in itertools.product(updates, values):

            def changed(i, update=update, value=value):
                c = np.full(4, 5, dtype)
                update.at(c, i % 4, value)
                return c

            try:
                found = graphad.jit(changed)(places)
            except GraphadError:
                assert np.promote_types(np.asarray(value).dtype, dtype) != dtype  # by a wider dtype: refused
                continue
            expected = changed(places)
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected, str((update, value)))


def test_histogram_of_integers():
    def counts(i):
        c = np.zeros(4, np.uint64)
        np.add.at(c, i % 4, 1)
        return c

    assert graphad.jit(counts)(np.array([0, 1, 1, 7])).tolist() == [1, 2, 0, 1]


def test_densities_of_complex_numbers_are_refused():
    with pytest.raises(TypeMismatchError, match="real"):
        graphad.jit(lambda x: multivariate_normal.logpdf(x * 1j, np.zeros(2), np.eye(2)))(np.ones(2))

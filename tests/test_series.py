"""NumPy's packages of polynomials, and its objects that walk over elements, on traced values."""

import importlib

import numpy as np
import numpy.polynomial.polynomial as P
import pytest

import graphad
from graphad.testing import check_grads

FAMILIES = {
    "polynomial": "poly", "chebyshev": "cheb", "legendre": "leg", "hermite": "herm", "hermite_e": "herme",
    "laguerre": "lag",
}  # fmt: skip
C, D, X = np.array([0.3, -1.2, 0.7, 2.1]), np.array([1.5, 0.4, -0.8]), np.array([0.2, -0.6])
GRID = np.outer(C, D)
ARGUMENTS = {
    "add": (C, D), "sub": (C, D), "mul": (C, D), "div": (C, D), "mulx": (C,), "companion": (C,), "fromroots": (C,),
    "trim": (C,), "pow": (C,), "der": (C,), "int": (C,), "line": (C,), "vander": (X,), "vander2d": (X,), "val": (X, C),
    "val2d": (X, GRID), "grid2d": (X, GRID), "roots": (C,),
}  # fmt: skip
CALLED = {
    "pow": lambda f: lambda c: f(c, 2), "der": lambda f: lambda c: f(c, 2), "line": lambda f: lambda c: f(c[0], c[1]),
    "int": lambda f: lambda c: f(c, 2, k=[1.0, 2.0], lbnd=0.3), "vander": lambda f: lambda x: f(x, 3),
    "vander2d": lambda f: lambda x: f(x, x * x, [2, 1]), "val2d": lambda f: lambda x, c: f(x, x * x, c),
    "grid2d": lambda f: lambda x, c: f(x, x * x, c),
}  # fmt: skip


@pytest.mark.parametrize("module", FAMILIES)
@pytest.mark.parametrize("name", ARGUMENTS)
def test_functions_of_series(module, name):
    function = getattr(importlib.import_module(f"numpy.polynomial.{module}"), FAMILIES[module] + name)
    call = CALLED.get(name, lambda f: lambda *xs: f(*xs))(function)

    def compute(*xs):
        found = call(*xs)
        return [*found] if isinstance(found, tuple) else found

    wanted, found = compute(*ARGUMENTS[name]), graphad.jit(compute)(*ARGUMENTS[name])
    for a, b in zip(*[x if isinstance(x, list) else [x] for x in (found, wanted)], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)
    check_grads(lambda *xs: np.sum(np.real(compute(*xs)) ** 2) if name == "roots" else compute(*xs), ARGUMENTS[name])


def test_zeros_at_the_end_are_stripped_where_they_are_known():
    c = np.array([1.0, 2.0, 0.0])

    def padded(x):
        return P.polyadd(x * c, [0.5, 0.0])

    assert graphad.jvp(padded, (1.0,), (1.0,))[0].shape == (2,)
    np.testing.assert_array_equal(graphad.jit(padded)(1.0), [1.5, 2.0, 0.0])
    assert isinstance(
        graphad.jit(lambda x: x * P.polyval(0.5, c).dtype.itemsize)(1.0), float | np.floating | np.ndarray
    )


def test_walks_over_elements():
    x = np.array([[1.0, 2.0], [3.0, 5.0]])

    def enumerated(x):
        return sum((i + 2 * j + 1) * v * v for (i, j), v in np.ndenumerate(x))

    def iterated(x):
        return sum(v**3 for v in np.nditer(x))

    def paired(x):
        pairs = np.broadcast(x, x[0])
        return sum(a * b for a, b in pairs) + pairs.size

    for f in (enumerated, iterated, paired):
        assert graphad.jit(f)(x) == pytest.approx(f(x))
        check_grads(f, (x,))
    with pytest.raises(graphad.GraphadError, match="nditer: flags"):
        graphad.grad(lambda x: sum(v for v in np.nditer(x, order="F")))(x)


def test_functions_that_numpy_does_not_dispatch():
    for f in (np.asarray_chkfinite, np.asfortranarray, np.require):
        np.testing.assert_array_equal(graphad.grad(lambda t, f=f: np.sum(f([t, 2 * t])))(0.7), 3.0)
    assert graphad.grad(lambda t: np.sum(np.kaiser(5, t) * np.arange(5.0)))(1.3) == pytest.approx(
        (np.sum(np.kaiser(5, 1.3 + 1e-6) * np.arange(5.0)) - np.sum(np.kaiser(5, 1.3 - 1e-6) * np.arange(5.0))) / 2e-6
    )
    assert graphad.grad(lambda t: np.sum(np.arange(0.0, t, 0.5 * t)))(1.0) == 0.5
    assert graphad.grad(lambda t: np.trim_zeros(t))(0.7) == 1.0
    assert graphad.grad(lambda t: np.sum(np.diag_indices(3 * t)[0] * t))(0.9) == 3.0


def test_a_matrix_of_blocks_is_refused():
    with pytest.raises(graphad.GraphadError, match=r"use numpy\.block"):
        graphad.jit(lambda x: np.bmat(x))(np.ones((2, 2)))


def test_a_view_of_the_same_dtype():
    def write(x):
        x.view()[0] = 5.0 * x[1]
        return x * 1.0

    np.testing.assert_array_equal(graphad.jit(write)(np.arange(3.0)), [5.0, 1.0, 2.0])
    with pytest.raises(graphad.GraphadError, match="view: the bytes of"):
        graphad.jit(lambda x: x.view(np.int64))(np.arange(3.0))


SEEDED = {
    "normal": (0.3, 1.2), "uniform": (0.3, 1.2), "gumbel": (0.3, 1.2), "laplace": (0.3, 1.2), "logistic": (0.3, 1.2),
    "lognormal": (0.3, 1.2), "exponential": (0.7,), "rayleigh": (0.7,), "weibull": (1.7,), "pareto": (1.7,),
    "power": (1.7,), "triangular": (0.3, 0.6, 1.4),
}  # fmt: skip


@pytest.mark.parametrize("name", SEEDED)
@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_draws_of_traced_parameters(make, name):
    def drawn(*parameters):
        return getattr(make(5), name)(*parameters, size=(2, 3))

    np.testing.assert_allclose(graphad.jvp(drawn, SEEDED[name], SEEDED[name])[0], drawn(*SEEDED[name]), rtol=1e-12)
    check_grads(drawn, SEEDED[name])
    rows = np.array([0.6, 0.9])
    assert graphad.grad(lambda x: np.sum(getattr(make(5), name)(x, *SEEDED[name][1:])))(rows).shape == (2,)


def test_draws_from_the_global_generator():
    def shuffled(x):
        np.random.seed(3)
        return np.random.permutation(x) * np.array([1.0, 2.0, 3.0]) + np.random.choice(x) + np.random.normal(x[0])

    x = np.array([0.5, 1.5, 2.5])
    np.testing.assert_allclose(graphad.jvp(shuffled, (x,), (x,))[0], shuffled(x), rtol=1e-12)
    check_grads(shuffled, (x,))
    with pytest.raises(ValueError, match="scale < 0"):
        graphad.grad(lambda s: np.random.normal(0.0, s))(-1.0)

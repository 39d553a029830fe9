"""Derivatives at kinks, ties and singular points: kinks that cancel have their second derivatives in every mode, a NaN
that the value shows shows in the gradient, and `docs/edges.md` says what holds."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import scipy.special as sp

import graphad
from graphad.errors import KinkError

NAN, INF = np.nan, np.inf
MODES = {"forward": graphad.jacfwd, "reverse": graphad.jacrev}
PAIRS = list(itertools.product(MODES, repeat=2))
EYE, ORIGIN, ZERO = np.eye(2), np.zeros(2), np.array(0.0)
FORM = np.array([[2.0, 1.0], [1.0, 3.0]])
CENTRED = EYE - 0.5


def squared(r: Any) -> Any:
    return r * r


def matern(r: Any) -> Any:
    return (1 + np.abs(r)) * np.exp(-np.abs(r))


CANCELLED = {
    "norm": (lambda x: np.linalg.norm(x) ** 2, ORIGIN, 2 * EYE),
    "norm_float": (lambda x: np.linalg.norm(x) ** 2.0, ORIGIN, 2 * EYE),
    "norm_square": (lambda x: np.square(np.linalg.norm(x)), ORIGIN, 2 * EYE),
    "norm_power": (lambda x: np.power(np.linalg.norm(x), 2), ORIGIN, 2 * EYE),
    "norm_power_array": (lambda x: np.linalg.norm(x) ** np.float64(2), ORIGIN, 2 * EYE),
    "norm_helper": (lambda x: squared(np.linalg.norm(x)), ORIGIN, 2 * EYE),
    "norm_twice": (lambda x: np.linalg.norm(x) * np.linalg.norm(x), ORIGIN, 2 * EYE),
    "norm_cubed": (lambda x: np.linalg.norm(x) ** 3, ORIGIN, 0 * EYE),
    "norm_2.5": (lambda x: np.linalg.norm(x) ** 2.5, ORIGIN, 0 * EYE),
    "norm_4": (lambda x: np.linalg.norm(x) ** 4, ORIGIN, 0 * EYE),
    "norm_scaled": (lambda x: np.exp(-0.5 * (np.linalg.norm(x) / 2) ** 2), ORIGIN, -EYE / 4),
    "norm_negative": (lambda x: (-3 * np.linalg.norm(x)) ** 2, ORIGIN, 18 * EYE),
    "norm_axis": (lambda x: np.sum(np.linalg.norm(x.reshape(2, 1), axis=1) ** 2), ORIGIN, 2 * EYE),
    "norm_keepdims": (lambda x: np.sum(np.linalg.norm(x[None], axis=1, keepdims=True).T ** 2), ORIGIN, 2 * EYE),
    "frobenius": (lambda x: np.linalg.norm(x.reshape(1, 2), "fro") ** 2, ORIGIN, 2 * EYE),
    "vector_norm": (lambda x: np.linalg.vector_norm(x) ** 2, ORIGIN, 2 * EYE),
    "hypot": (lambda x: np.hypot(x[0], x[1]) ** 2, ORIGIN, 2 * EYE),
    "std": (lambda x: np.std(x) ** 2, ORIGIN, CENTRED),
    "std_ddof": (lambda x: np.std(x, ddof=1) ** 2, ORIGIN, 2 * CENTRED),
    "where": (lambda x: np.where(x[0] < 9, np.linalg.norm(x), x[1]) ** 2, ORIGIN, 2 * EYE),
    "nanstd": (lambda x: np.nanstd(x) ** 2, ORIGIN, CENTRED),
    "root_of_sum": (lambda x: np.sqrt(np.sum(x**2)) ** 2, ORIGIN, 2 * EYE),
    "root_of_dot": (lambda x: (x @ x) ** 0.5 * (x @ x) ** 0.5, ORIGIN, 2 * EYE),
    "root_of_form": (lambda x: np.sqrt(x @ (FORM @ x)) ** 2, ORIGIN, 2 * FORM),
    "abs": (lambda x: np.abs(x) ** 2, ZERO, 2.0),
    "abs_builtin": (lambda x: abs(x) ** 2, ZERO, 2.0),
    "abs_twice": (lambda x: np.abs(x) * np.abs(x), ZERO, 2.0),
    "abs_cubed": (lambda x: np.abs(x) ** 3, ZERO, 0.0),
    "abs_dot": (lambda x: np.abs(x) @ np.abs(x), ORIGIN, 2 * EYE),
    "fabs": (lambda x: np.fabs(x) ** 2, ZERO, 2.0),
    "sign": (lambda x: np.sign(x) * np.abs(x) * x, ZERO, 2.0),
    "spectrum": (lambda x: np.sum(np.abs(np.fft.fft(x)) ** 2), ORIGIN, 4 * EYE),
    "real_spectrum": (lambda x: np.sum(np.abs(np.fft.rfft(x)) ** 2), ORIGIN, 4 * EYE),
    "complex": (lambda x: np.abs(x[0] + 1j * x[1]) ** 2, ORIGIN, 2 * EYE),
    "matern": (matern, ZERO, -1.0),
    "matern_scaled": (lambda x: np.sum((1 + np.abs(x / 2)) * np.exp(-np.abs(x / 2))), ORIGIN, -EYE / 4),
    "matern_5_2": (lambda r: (1 + np.abs(r) + r * r / 3) * np.exp(-np.abs(r)), ZERO, -1 / 3),
    "cos": (lambda r: np.cos(np.abs(r)), ZERO, -1.0),
    "log_cosh": (lambda r: np.log(np.cosh(np.abs(r))), ZERO, 1.0),
    "abs_tanh": (lambda r: np.abs(r) * np.tanh(np.abs(r)), ZERO, 2.0),
    "abs_alone": (np.abs, ZERO, 0.0),
    "abs_of_two": (lambda x: np.abs(x[0]) * np.abs(x[1]), ORIGIN, 0 * EYE),
    "abs_weighted": (lambda x: np.abs(x[0]) * x[1], ORIGIN, 0 * EYE),
}


@pytest.mark.parametrize("name", CANCELLED)
@pytest.mark.parametrize(("outer", "inner"), PAIRS)
def test_second_derivative_where_kinks_cancel(name, outer, inner):
    function, x, right = CANCELLED[name]
    derivative = MODES[outer](MODES[inner](function))
    np.testing.assert_allclose(derivative(x), right, atol=1e-12)
    np.testing.assert_allclose(MODES[inner](function)(x), 0.0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", CANCELLED)
@pytest.mark.parametrize(("outer", "inner"), PAIRS)
@pytest.mark.parametrize("executor", ["numpy", "llvm", "numba"])
def test_second_derivative_where_kinks_cancel_compiled(name, outer, inner, executor):
    function, x, right = CANCELLED[name]
    derivative = graphad.jit(MODES[outer](MODES[inner](function)), executor=executor)
    np.testing.assert_allclose(derivative(x), right, atol=1e-12)


@pytest.mark.parametrize("name", CANCELLED)
def test_elsewhere_the_second_derivative_is_that_of_differences(name):
    function, x, _ = CANCELLED[name]
    at = x + (0.3 if x.ndim == 0 else np.array([0.3, -0.7]))
    gradient, step = graphad.jit(graphad.jacrev(function)), 1e-5 * np.eye(max(x.size, 1)).reshape(-1, *x.shape)
    differences = np.stack([(gradient(at + h) - gradient(at - h)) / 2e-5 for h in step])
    found = np.asarray(graphad.hessian(function)(at)).reshape(differences.shape)
    np.testing.assert_allclose(found, differences, atol=1e-6)


UNKNOWN = {
    "cos_norm": lambda x: np.cos(np.linalg.norm(x)),
    "norm": np.linalg.norm,
    "hypot": lambda x: np.hypot(x[0], x[1]),
    "std": np.std,
    "complex_abs": lambda x: np.abs(x[0] + 1j * x[1]),
}


@pytest.mark.parametrize("name", UNKNOWN)
@pytest.mark.parametrize(("outer", "inner"), PAIRS)
def test_a_second_derivative_that_no_rule_knows_is_not_finite(name, outer, inner):
    assert not np.isfinite(MODES[outer](MODES[inner](UNKNOWN[name]))(ORIGIN)).all()
    assert np.all(MODES[inner](UNKNOWN[name])(ORIGIN) == 0.0)


def test_roots_of_negative_numbers_stay_nan():
    assert np.isnan(graphad.grad(lambda x: np.sqrt(x) ** 2)(-1.0))
    assert graphad.grad(lambda x: np.sqrt(x) ** 2)(0.0) == 1.0


SHOWN = {
    "max": np.max,
    "min": np.min,
    "ptp": np.ptp,
    "logsumexp": sp.logsumexp,
    "log_softmax": lambda x: sp.log_softmax(x)[1],
    "maximum": lambda x: np.maximum(x[0], x[1]),
    "minimum": lambda x: np.minimum(x[1], x[0]),
    "maximum_of_another": lambda x: np.maximum(x[1], NAN),
    "max_with_another": lambda x: np.max(np.stack([x[1], 0.0 * x[0]])),
    "fmax": lambda x: np.fmax(x[0], x[0] * x[1]),
    "clip": lambda x: np.sum(np.clip(x, 0, 1)),
    "accumulate": lambda x: np.maximum.accumulate(x)[2],
    "norm": np.linalg.norm,
    "max_norm": lambda x: np.linalg.norm(x, INF),
    "std": np.std,
    "median": np.median,
    "quantile": lambda x: np.quantile(x, 0.3),
    "logaddexp": lambda x: np.logaddexp(x[0], x[1]),
}


@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.parametrize("mode", MODES)
def test_a_nan_that_the_value_shows_shows_in_the_gradient(name, mode):
    function, x = SHOWN[name], np.array([NAN, 1.0, 2.0])
    with np.errstate(all="ignore"):
        assert np.isnan(function(x))
    assert np.isnan(MODES[mode](function)(x)).any()
    assert np.isnan(graphad.jit(MODES[mode](function))(x)).any()


# The table of docs/edges.md: function, point, derivatives.
TABLE = [
    (lambda x: np.where(x > 0, np.sqrt(x), 0), (0.0,), (0.0,)),
    (np.abs, (0.0,), (0.0,)),
    (np.sqrt, (0.0,), (INF,)),
    (lambda x: x**0, (0.0,), (0.0,)),
    (lambda x: x**0.0, (0.0,), (0.0,)),
    (lambda x, n: np.power(x, n), (0.0, 0.0), (0.0, 0.0)),
    (lambda y: 0.0**y, (2.0,), (0.0,)),
    (np.maximum, (2.0, 2.0), (0.5, 0.5)),
    (np.minimum, (2.0, 2.0), (0.5, 0.5)),
    (np.logaddexp, (-INF, -INF), (0.5, 0.5)),
    (np.arctan2, (0.0, 0.0), (0.0, 0.0)),
    (np.hypot, (0.0, 0.0), (0.0, 0.0)),
    (sp.xlogy, (0.0, 0.0), (0.0, 0.0)),
    (sp.xlogy, (0.0, 2.0), (np.log(2.0), 0.0)),
    (sp.xlog1py, (0.0, -1.0), (0.0, 0.0)),
    (sp.rel_entr, (0.0, 0.0), (0.0, 0.0)),
    (sp.rel_entr, (0.0, 2.0), (-INF, 0.0)),
    (sp.kl_div, (0.0, 0.0), (0.0, 1.0)),
    (sp.kl_div, (0.0, 2.0), (-INF, 1.0)),
    (sp.entr, (0.0,), (INF,)),
]
ARRAYS = [
    (np.linalg.norm, np.zeros(3), np.zeros(3)),
    (lambda x: np.linalg.norm(x, 1), np.zeros(3), np.zeros(3)),
    (lambda x: np.linalg.norm(x, 3), np.zeros(3), np.zeros(3)),
    (lambda x: np.linalg.norm(x, INF), np.zeros(3), np.zeros(3)),
    (lambda x: np.linalg.norm(x, 0.5), np.array([0.0, 4.0, 0.0]), np.array([0.0, 1.0, 0.0])),
    (lambda x: np.linalg.norm(x, "nuc"), np.zeros((2, 2)), np.zeros((2, 2))),
    (np.max, np.array([1.0, 3.0, 3.0]), np.array([0.0, 0.5, 0.5])),
    (np.min, np.array([1.0, 1.0, 3.0]), np.array([0.5, 0.5, 0.0])),
    (np.std, np.ones(3), np.zeros(3)),
    (lambda x: np.sum(np.linalg.svdvals(x)), np.zeros((2, 2)), np.zeros((2, 2))),
    (lambda x: np.linalg.slogdet(x)[1], np.ones((2, 2)), np.zeros((2, 2))),
    (np.linalg.cond, np.diag([1.0, 0.0]), np.zeros((2, 2))),
    (lambda x: 1.0 * np.linalg.matrix_rank(x) + 0.0 * x[0, 0], np.ones((2, 2)), np.zeros((2, 2))),
]


@pytest.mark.parametrize("case", range(len(TABLE)))
@pytest.mark.parametrize("mode", MODES)
def test_table_of_numbers(case, mode):
    function, point, right = TABLE[case]
    argnums = tuple(range(len(point)))
    derivative = MODES[mode](function, argnums=argnums)
    np.testing.assert_allclose(derivative(*point), right)
    np.testing.assert_allclose(graphad.jit(derivative)(*point), right)


@pytest.mark.parametrize("case", range(len(ARRAYS)))
@pytest.mark.parametrize("mode", MODES)
def test_table_of_arrays(case, mode):
    function, point, right = ARRAYS[case]
    np.testing.assert_allclose(MODES[mode](function)(point), right, atol=1e-12)
    np.testing.assert_allclose(graphad.jit(MODES[mode](function))(point), right, atol=1e-12)


# -- debug="kink" -------------------------------------------------------------------------------------------------

MET = {
    "abs": (lambda x: np.sum(np.abs(x)), np.array([1.0, 0.0]), "abs was taken at a kink at [1]"),
    "sqrt": (lambda x: np.sum(np.sqrt(x)), np.array([1.0, 0.0]), "sqrt was taken at a kink at [1]"),
    "norm": (lambda x: np.sum(np.linalg.norm(x, axis=1)), np.eye(3, 2), "norm was taken at a kink at [2]"),
    "hypot": (lambda x: np.hypot(x[0], x[1]), np.zeros(2), "hypot was taken at a kink"),
    "modulus": (lambda x: np.abs(x[0] + 1j * x[1]), np.zeros(2), "abs was taken at a kink"),
    "max": (np.max, np.array([2.0, 1.0, 2.0]), "max was taken at a kink"),
    "maximum": (lambda x: np.maximum(x[0], x[1]), np.ones(2), "maximum or minimum was taken at a kink"),
    "std": (np.std, np.ones(3), "norm was taken at a kink"),
}


@pytest.mark.parametrize("name", MET)
@pytest.mark.parametrize("mode", [graphad.grad, graphad.jacfwd])
def test_a_derivative_at_a_kink_is_found(name, mode):
    function, x, message = MET[name]
    checked = graphad.jit(mode(lambda x: function(x)), debug="kink")
    with pytest.raises(KinkError) as caught:
        checked(x)
    assert message in str(caught.value)
    away = x + 0.25 * np.arange(1.0, x.size + 1).reshape(x.shape)
    np.testing.assert_allclose(checked(away), mode(function)(away))


def test_a_kink_in_a_loop_is_found_with_its_line():
    def total(x):
        s = 0.0
        for k in range(3):
            s = s + np.abs(x[k] - 1.0) ** 2 + np.abs(x[k])
        return s

    with pytest.raises(KinkError, match=r"np.abs\(x\[k\]\)"):
        graphad.jit(graphad.grad(total), debug="kink")(np.array([1.0, 2.0, 0.0]))


@pytest.mark.parametrize("name", ["abs", "norm", "hypot", "norm_scaled", "spectrum", "std", "complex"])
def test_kinks_that_cancel_and_values_are_none(name):
    function, x, right = CANCELLED[name]
    hessian = graphad.jit(graphad.hessian(function), debug="kink")
    np.testing.assert_allclose(hessian(x), right, atol=1e-12)
    assert np.isfinite(graphad.jit(lambda x: np.linalg.norm(x) + np.max(x), debug="kink")(ORIGIN))


@pytest.mark.parametrize(("shape", "axis"), [((), None), ((1,), None), ((1, 3), 0), ((2, 1), 1)])
def test_the_deviation_of_one_element_is_smooth(shape, axis):
    x = np.arange(1.0, 1.0 + np.prod(shape, dtype=int)).reshape(shape)
    function = lambda x: np.sum(np.std(x, axis=axis) + np.sin(np.std(x, axis=axis)))
    orders = [(graphad.jacfwd, graphad.jacrev), (graphad.jacrev, graphad.jacfwd), (graphad.jacrev, graphad.jacrev)]
    for second in [lambda f, outer=outer, inner=inner: outer(inner(f)) for outer, inner in orders]:
        np.testing.assert_array_equal(second(function)(x), np.zeros((*shape, *shape)))
    assert np.isnan(graphad.jit(lambda x: np.std(x, axis=axis, ddof=1))(x)).all()
    assert np.isnan(graphad.jit(lambda x: np.std(x, axis=axis))(x + np.inf)).all()

"""What a choice left out has no influence: data with holes, and branches that are not taken, in every mode to second
order. The derivative is that of the same program on data without holes, since what stands in them does not count."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphad

NAN, INF = np.nan, np.inf
MODES = {"forward": graphad.jacfwd, "reverse": graphad.jacrev}
PAIRS = list(itertools.product(MODES, repeat=2))
HOLES = np.array([1.0, NAN, 3.0, INF, -2.0])
OK = np.isfinite(HOLES)
FULL = np.where(OK, HOLES, 0.7)
ROWS = np.array([[1.0, 2.0], [NAN, 1.0], [0.5, -1.0], [INF, 2.0], [0.3, 0.1]])
OK_ROWS = np.isfinite(ROWS).all(1)
FULL_ROWS = np.where(np.isfinite(ROWS), ROWS, 0.3)
MISSING = np.array([1.0, NAN, 3.0])
PRESENT = np.array([1.0, 3.0])

DATA: dict[str, tuple[Callable[..., Any], Any, Any, Any]] = {
    "where": (lambda m, y: np.sum(np.where(OK, np.exp(-((y - m) ** 2)) * y, 0.0)), 0.5, HOLES, FULL),
    "other_branch": (lambda m, y: np.sum(np.where(OK, m / (y * m * m + 1), m)), 0.5, HOLES, FULL),
    "boolean_index": (lambda m, y: np.sum(((y * m) ** 3)[OK]), 0.5, HOLES, FULL),
    "index": (lambda m, y: ((y * m) ** 3)[2] + ((y * m) ** 2)[0], 0.5, HOLES, FULL),
    "slice": (lambda m, y: np.sum(((y * m) ** 3)[4:]), 0.5, HOLES, FULL),
    "take": (lambda m, y: np.sum(np.take((y * m) ** 3, [0, 2])), 0.5, HOLES, FULL),
    "compress": (lambda m, y: np.sum(np.compress(OK, (y * m) ** 3)), 0.5, HOLES, FULL),
    "concatenate": (lambda m, y: np.sum(np.concatenate([y * m * m, y * m])[[0, 2, 5]]), 0.5, HOLES, FULL),
    "sum_where": (lambda m, y: np.sum((y * m) ** 3, where=OK), 0.5, HOLES, FULL),
    "mean_where": (lambda m, y: np.mean((y * m) ** 3, where=OK), 0.5, HOLES, FULL),
    "select": (lambda m, y: np.sum(np.select([~OK, y < 0], [m, m * m], y * m**3)), 0.5, HOLES, FULL),
    "quotient": (lambda m, y: np.sum(np.where(OK, -0.5 * ((y - m) / m) ** 2 - np.log(m), 0)), 0.5, HOLES, FULL),
    "complex": (lambda m, y: np.sum(np.where(OK, np.abs((y + 1j) * m) ** 2, 0)), 0.5, HOLES, FULL),
    "interp": (lambda m, y: np.sum(np.interp(y * m, [0.0, 1.0, 9.0], [0.0, 2.0, 5.0])[OK]), 0.3, HOLES, FULL),
    "each": (lambda x, y: np.sum(np.where(OK, (y - x) ** 2 * x, 0.0)), np.linspace(0.2, 0.9, 5), HOLES, FULL),
    "rows": (lambda m, x: np.sum(np.where(OK_ROWS, np.tanh(x * m).sum(1) ** 2, m)), 0.5, ROWS, FULL_ROWS),
    "regression": (lambda w, x: np.sum(np.where(OK_ROWS, (x @ w) ** 3, 0)), np.array([0.5, 0.3]), ROWS, FULL_ROWS),
    "layers": (
        lambda w, x: np.sum(np.where(OK_ROWS, np.tanh(x @ np.stack([w, w * w], 1)).sum(1) ** 2, 0)),
        np.array([0.5, 0.3]), ROWS, FULL_ROWS,
    ),
    "contraction": (
        lambda w, x: np.sum(np.where(OK_ROWS, np.einsum("ij,ij,j->i", x, x, w) ** 2, 0)),
        np.array([0.5, 0.3]), ROWS, FULL_ROWS,
    ),
    "nansum": (lambda m, y: np.nansum((y - m) ** 2), 2.5, MISSING, PRESENT),
    "nansum_of_a_product": (lambda w, y: np.nansum(np.outer(y, w) ** 2), np.array([0.5, 0.3]), MISSING, PRESENT),
    "nanmean": (lambda m, y: np.nanmean((y * m) ** 3), 2.5, MISSING, PRESENT),
    "nanvar": (lambda m, y: np.nanvar(np.sin(y * m)), 2.5, MISSING, PRESENT),
    "nanstd": (lambda m, y: np.nanstd(np.exp(y * m)), 0.5, MISSING, PRESENT),
    "nanprod": (lambda m, y: np.nanprod(y * m), 0.5, MISSING, PRESENT),
    "nanmax": (lambda m, y: np.nanmax(y * m * m), 0.5, MISSING, PRESENT),
    "nanmedian": (lambda m, y: np.nanmedian(y * m * m), 0.5, MISSING, PRESENT),
    "nanquantile": (lambda m, y: np.nanquantile(y * m * m, 0.3), 0.5, MISSING, PRESENT),
    "nancumsum": (lambda m, y: np.nancumsum(y * m * m)[-1] ** 2, 0.5, MISSING, PRESENT),
    "nan_to_num": (lambda m, y: np.sum(np.nan_to_num(y * m) ** 2), 0.5, MISSING, PRESENT),
    "where_isnan": (lambda m, y: np.sum(np.where(np.isnan(y), 0.0, (y - m) ** 2)), 2.5, MISSING, PRESENT),
    "fmax": (lambda m, y: np.sum(np.fmax(y * m, m * m)), 0.5, MISSING, np.array([1.0, -9.0, 3.0])),
    "maximum": (lambda m, y: np.sum(np.maximum(y * m**2, m**3)), 0.5, np.array([-INF, 1.0]), np.array([-9.0, 1.0])),
    "clip": (lambda m, y: np.sum(np.clip(y * m**2, m**3, 9.0)), 0.5, np.array([-INF, 1.0]), np.array([-9.0, 1.0])),
}  # fmt: skip

BRANCHES: dict[str, tuple[Callable[..., Any], Callable[..., Any], Any]] = {
    "overflow": (lambda m: np.where(m > 100, m * m, m * np.exp(m) * np.exp(m)), lambda m: m * m, 1000.0),
    "power": (lambda m: np.where(m > 100, m * m, (np.exp(m) ** 2 * m) ** 3), lambda m: m * m, 1000.0),
    "softplus": (lambda m: np.where(m > 30, m, np.log1p(np.exp(m))), lambda m: m, 1000.0),
    "cosh": (lambda m: np.where(m > 30, m * m, np.log(np.cosh(m)) * m), lambda m: m * m, 1000.0),
    "x_log_x": (lambda x: np.where(x > 0, x * np.log(x), 0.0), lambda x: 0.0 * x, 0.0),
    "sinc": (lambda x: np.where(x == 0, 1.0, np.sin(x) / x), lambda x: 1.0 + 0.0 * x, 0.0),
    "division": (lambda x: np.where(x > 0, 1 / x * x * x, x * x), lambda x: x * x, 0.0),
    "division_of_other": (
        lambda p: np.where(p[0] > 0, 1 / p[0] * p[1], p[1] * p[1]), lambda p: p[1] * p[1], np.array([0.0, 2.0]),
    ),
    "nested": (
        lambda m: np.where(m > 0, np.where(m < 1, m * m, np.exp(m * 1000) * m), 1 / (m - m) * m), lambda m: m * m, 0.5,
    ),
    "product": (lambda w: np.where(w[0] > 9, np.dot(ROWS[1], w) ** 2, w @ w), lambda w: w @ w, np.array([0.5, 0.3])),
}  # fmt: skip


def cases() -> dict[str, tuple[Callable[..., Any], Callable[..., Any], Any]]:
    """Program, the same without what is left out, and a point."""
    found = {k: (lambda x, f=f, y=y: f(x, y), lambda x, f=f, y=y: f(x, y), x) for k, (f, x, y, _) in DATA.items()}
    plain = {k: (lambda x, f=f, y=y: f(x, y)) for k, (f, _, _, y) in DATA.items()}
    return {k: (f, plain[k], x) for k, (f, _, x) in found.items()} | BRANCHES


CASES = cases()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("mode", MODES)
def test_first_derivative(name, mode):
    function, plain, x = CASES[name]
    right = graphad.jacfwd(plain)(x)
    np.testing.assert_allclose(MODES[mode](function)(x), right, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(graphad.jit(MODES[mode](function))(x), right, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("outer", "inner"), PAIRS)
def test_second_derivative(name, outer, inner):
    function, plain, x = CASES[name]
    found = MODES[outer](MODES[inner](function))(x)
    np.testing.assert_allclose(found, graphad.jacfwd(graphad.jacfwd(plain))(x), rtol=1e-8, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("outer", "inner"), PAIRS)
@pytest.mark.parametrize("executor", ["numpy", "llvm", "numba"])
def test_second_derivative_compiled(name, outer, inner, executor):
    function, plain, x = CASES[name]
    found = graphad.jit(MODES[outer](MODES[inner](function)), executor=executor)(x)
    np.testing.assert_allclose(found, graphad.jacfwd(graphad.jacfwd(plain))(x), rtol=1e-8, atol=1e-10)


def loop(m: Any, y: Any) -> Any:
    """A recursive filter that skips what is missing."""

    def step(level, entry):
        known = np.isfinite(entry)
        level = np.where(known, level + m * (entry - level) * level, level)
        return level, np.where(known, (entry - level) ** 2, 0.0)

    _, errors = graphad.scan(step, m, y)
    return np.sum(errors)


def holes_outside_of_a_loop(m: Any, y: Any) -> Any:
    """The loop makes terms of all entries; which count is chosen behind it."""
    _, terms = graphad.scan(lambda total, entry: (total, entry * m * m * np.exp(entry)), 0.0, y)
    return np.sum(np.where(OK, terms, 0.0))


def branch(m: Any, y: Any) -> Any:
    terms = graphad.vmap(lambda e: graphad.cond(np.isfinite(e), lambda e: (e - m) ** 2, lambda e: e * m * m, e))(y)
    return np.sum(np.where(OK, terms, 0.0))


@pytest.mark.parametrize("function", [loop, holes_outside_of_a_loop, branch])
@pytest.mark.parametrize(("outer", "inner"), PAIRS)
def test_through_regions(function, outer, inner):
    def derivatives(y):
        first = MODES[inner](lambda m: function(m, y))
        return graphad.jit(first)(0.3), MODES[outer](first)(0.3)

    np.testing.assert_allclose(derivatives(HOLES), derivatives(FULL) if function is not loop else skipped(), rtol=1e-9)


def skipped() -> tuple[Any, Any]:
    """The derivatives of `loop` without the missing entries."""
    first = graphad.jacfwd(lambda m: loop(m, HOLES[OK]))
    return first(0.3), graphad.jacfwd(first)(0.3)


def test_a_hole_that_counts_shows():
    assert np.isnan(graphad.grad(lambda m: np.sum(np.where(HOLES != 1.0, HOLES * m, 0.0)))(0.5))
    gradient = graphad.grad(lambda w: np.sum(np.where(ROWS[:, 1] > 1, (ROWS @ w) ** 2, 0.0)))(np.array([0.5, 0.3]))
    assert not np.isfinite(gradient[0])
    assert np.isfinite(graphad.grad(lambda w: np.sum((ROWS @ w)[OK_ROWS]))(np.array([0.5, 0.3]))).all()


EMPTY = ("nanmean", "nanvar", "nanstd", "nanmax", "nanmin", "nanmedian", "nanquantile")


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.filterwarnings("ignore:All-NaN:RuntimeWarning", "ignore:Mean of empty:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:Degrees of freedom:RuntimeWarning")
def test_where_nothing_is_left_the_derivative_is_nan_and_stays_local(name, mode):
    rows = np.array([[1.0, NAN, 4.0], [NAN, NAN, NAN]])
    more = {"q": 0.3} if name == "nanquantile" else {}

    def function(m, y):
        return getattr(np, name)(y * m, axis=-1, **more)

    right = graphad.jacfwd(lambda m: function(m, rows[0]))(0.5)
    found = MODES[mode](lambda m: function(m, rows))
    assert np.isnan(function(0.5, rows)).tolist() == [False, True]
    np.testing.assert_allclose(found(0.5), [right, NAN], rtol=1e-12)
    np.testing.assert_allclose(graphad.jit(found)(0.5), [right, NAN], rtol=1e-12)
    assert np.isnan(MODES[mode](lambda m: function(m, rows[1]))(0.5))
    kept = MODES[mode](lambda m: np.nansum(function(m, rows)))
    np.testing.assert_allclose(kept(0.5), right, rtol=1e-12)


def test_what_both_branches_cover_is_chosen_once():
    graph = graphad.passes.dce(graphad.passes.grad(graphad.trace(lambda x: np.where(x > 0, x * x, np.sin(x)))(1.0)))
    names = [node.op.name for node in graph.nodes]
    assert names.count("select") == 2  # the value, and one for the derivative
    assert "multiply_no_nan" not in names


# -- programs -----------------------------------------------------------------------------------------------------

UNARY = (
    np.sin, np.exp, np.tanh, np.log, np.sqrt, np.square, np.abs, lambda v: 1 / v, lambda v: np.where(v > 1, v * v, v),
)  # fmt: skip
BINARY = (np.add, np.multiply, np.subtract, np.divide, np.maximum, np.hypot, np.logaddexp)
ENDS: tuple[Callable[[Any, Any], Any], ...] = (
    lambda v, ok: np.sum(np.where(ok, v, 0.0)),
    lambda v, ok: np.sum(v[ok]),
    lambda v, ok: np.sum(v, where=ok),
    lambda v, ok: np.mean(v, where=ok) ** 2,
    lambda v, ok: np.sum(np.select([~ok], [np.zeros(())], v)),
    lambda v, ok: np.sum(np.where(ok, np.where(v > 1, v, v * v), 2.0)),
    lambda v, ok: np.dot(np.where(ok, v, 0.0), np.where(ok, v, 1.0)),
)


def program(steps: list[tuple[int, int, int]], end: int) -> Callable[[Any, Any, Any], Any]:
    def run(m: Any, y: Any, ok: Any) -> Any:
        values = [y, m[0] + 0.0 * np.ones(len(ok)), y * m[1]]
        for kind, i, j in steps:
            a, b = values[i % len(values)], values[j % len(values)]
            values.append(UNARY[kind](a) if kind < len(UNARY) else BINARY[kind - len(UNARY)](a, b))
        return ENDS[end](values[-1] * m[0], ok)

    return run


STEP = st.tuples(st.integers(0, len(UNARY) + len(BINARY) - 1), st.integers(0, 9), st.integers(0, 9))
STEPS = st.lists(STEP, min_size=1, max_size=6)


def check_program(steps: list[tuple[int, int, int]], end: int, hole: float, executors: tuple[str, ...]) -> None:
    run, m = program(steps, end), np.array([0.6, 0.8])
    full = np.array([0.4, 0.7, 1.3, 0.9])
    ok = np.array([True, False, True, False])
    holes = np.where(ok, full, hole)
    with np.errstate(all="ignore"):
        right = graphad.jacfwd(graphad.jacfwd(lambda m: run(m, full, ok)))(m)
        if not np.isfinite(right).all() or np.abs(right).max() > 1e8:
            return
        for outer, inner in PAIRS:
            derivative = MODES[outer](MODES[inner](lambda m: run(m, holes, ok)))
            np.testing.assert_allclose(derivative(m), right, rtol=1e-6, atol=1e-7)
            for executor in executors:
                np.testing.assert_allclose(graphad.jit(derivative, executor=executor)(m), right, rtol=1e-6, atol=1e-7)


@given(STEPS, st.integers(0, len(ENDS) - 1), st.sampled_from([NAN, INF, -INF, 0.0, 1e300]))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_programs(steps, end, hole):
    check_program(steps, end, hole, ())


@pytest.mark.slow
@given(STEPS, st.integers(0, len(ENDS) - 1), st.sampled_from([NAN, INF, -INF, 0.0, 1e300]))
@settings(max_examples=1000, deadline=None)
def test_many_programs(steps, end, hole):
    check_program(steps, end, hole, ("llvm",))


def guarded_later(x):
    y = np.tanh(np.sqrt(x)) * np.sin(x)
    if x > 0:
        return y
    return x**2


def replaced(x):
    y = np.tanh(np.sqrt(x)) * 3.0
    if np.isnan(y):
        y = 0.5
    return y * x


def overwritten(x):
    y = np.tanh(np.sqrt(x))
    for _ in range(40):
        y = x * x
    return y


def not_run(x):
    y, s = np.tanh(np.sqrt(x)), x * x
    for _ in range(np.floor(x + 1).astype(int)):
        s = s + y
    while s > 4:
        s = s - y
    return s


@pytest.mark.parametrize("function", [guarded_later, replaced, overwritten, not_run])
@pytest.mark.parametrize("mode", [graphad.grad, graphad.jacfwd])
def test_what_an_if_or_a_loop_leaves_out_has_no_influence(function, mode, executor):
    first, second = graphad.grad(function), graphad.grad(graphad.grad(function))
    for x in (-0.3, 0.3):
        compiled = graphad.jit(mode(function), executor=executor)
        assert float(compiled(x)) == pytest.approx(float(first(x)))
        for outer in (graphad.grad, graphad.jacfwd):
            found = graphad.jit(outer(mode(function)), executor=executor)(x)
            assert float(found) == pytest.approx(float(second(x)))
    assert graphad.grad(function)(-0.3) == pytest.approx((function(-0.3 + 1e-6) - function(-0.3 - 1e-6)) / 2e-6)

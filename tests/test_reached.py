"""Ops that raise or have effects run exactly where and when the program reaches them."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

import graphad
from graphad import debug, passes
from graphad.errors import IndexOutOfBoundsError, MissingRuleError
from graphad.executors.numpy import evaluate
from graphad.op import OPS, Op
from graphad.ops import gather, linalg
from graphad.ops.custom import PureCallback
from graphad.ops.effects import DebugCallback
from graphad.ops.guarding import guarded, must_be_reached
from graphad.testing.samples import graph_of, samples_of

XS = np.array([1.0, -2.0, 4.0])


# -- what ops say of themselves -------------------------------------------------------------------------------------


def filled(sample, value):
    return [np.full_like(x, value) if x.dtype.kind in "fc" else x for x in map(np.asarray, sample.operands)]


@pytest.mark.parametrize("value", [np.nan, 0.0, np.inf])
def test_ops_say_what_they_raise(value):
    """No op raises for numbers what it did not say, and none raises where its guard does not hold."""
    for name in OPS:
        for sample in list(samples_of(OPS[name]))[:2]:
            xs = filled(sample, value)
            with np.errstate(all="ignore"):
                with contextlib.suppress(sample.op.raises):
                    sample.op.eval(np, *xs)
                if must_be_reached(sample.op):
                    evaluate(guarded(graph_of(sample)), [*xs, np.array(False)])


def test_a_guard_that_holds_changes_nothing():
    for name in OPS:
        for sample in samples_of(OPS[name]):
            if must_be_reached(sample.op):
                graph = graph_of(sample)
                found = evaluate(guarded(graph), [*sample.operands, np.array(True)])
                for x, y in zip(found, evaluate(graph, sample.operands), strict=True):
                    np.testing.assert_array_equal(x, y)


def test_traits():
    assert linalg.Cholesky.raises == (np.linalg.LinAlgError,)
    assert gather.Gather.raises == (IndexOutOfBoundsError,)
    assert PureCallback.raises == (Exception,)
    assert DebugCallback.effect
    assert not linalg.Cholesky.effect
    graph = graphad.trace(graphad.jit(lambda x: np.linalg.inv(x) + 1))(np.eye(2))
    assert graph.nodes[0].op.name == "call"
    assert graph.nodes[0].op.raises == (np.linalg.LinAlgError,)


# -- branches and loops of a batch ----------------------------------------------------------------------------------


def factor(x):
    if x > 0:
        return np.linalg.cholesky(x * np.eye(2))[0, 0]
    return 0.0 * x


def test_examples_that_do_not_take_a_branch_raise_nothing(executor):
    expected, slope = np.where(XS > 0, np.sqrt(np.abs(XS)), 0), np.where(XS > 0, 0.5 / np.sqrt(np.abs(XS)), 0)
    assert np.allclose(graphad.jit(graphad.vmap(factor))(XS), expected)
    assert np.allclose(graphad.jit(graphad.vmap(graphad.grad(factor)))(XS), slope)
    assert np.allclose(graphad.jit(graphad.grad(lambda xs: np.sum(graphad.vmap(factor)(xs))))(XS), slope)
    curvature = graphad.jit(graphad.vmap(graphad.grad(graphad.grad(factor))))(XS)
    assert np.allclose(curvature, np.where(XS > 0, -0.25 * np.abs(XS) ** -1.5, 0))


@pytest.mark.parametrize("function", ["inv", "svd", "eigh", "eigvals", "pinv", "solve"])
def test_every_decomposition_in_a_branch(function):
    def f(x):
        if np.isfinite(x):
            a = np.array([[x, 1.0], [1.0, 3.0]])
            args = (a, np.ones(2)) if function == "solve" else (a,)
            found = getattr(np.linalg, function)(*args)
            return np.sum(np.abs(found[0] if isinstance(found, tuple) else found))
        return x

    xs = np.array([2.0, np.nan, 5.0])
    with np.errstate(all="ignore"):
        assert np.allclose(graphad.vmap(f)(xs), [f(x) for x in xs], equal_nan=True)


def test_an_index_of_another_branch_is_no_matter(executor):
    def f(x, i):
        if i < 3:
            return x[i]
        return -1.0

    def last(x, n):
        i, total = 0, 0.0
        while i < n:
            total = total + x[i]
            i = i + 1
        return total

    x = np.arange(1.0, 4.0)
    assert graphad.jit(graphad.vmap(f, (None, 0)))(x, np.array([0, 5, 2])).tolist() == [1.0, -1.0, 3.0]
    assert graphad.jit(graphad.vmap(last, (None, 0)))(x, np.array([0, 3, 2])).tolist() == [0.0, 6.0, 3.0]
    with pytest.raises(IndexError):
        graphad.jit(graphad.vmap(last, (None, 0)))(x, np.array([0, 4, 2]))


def test_loops_and_branches_within_a_branch():
    def f(x, n):
        total = 0.0 * x
        if x > 0:
            for _ in range(n):
                if total < 100:
                    total = total + np.linalg.cholesky(x * np.eye(2))[1, 1]
        return total

    found = graphad.vmap(f, (0, None))(XS, 2)
    assert np.allclose(found, np.where(XS > 0, 2 * np.sqrt(np.abs(XS)), 0))
    found = graphad.vmap(graphad.jit(f))(XS, np.array([1, 2, 3]))
    assert np.allclose(found, [1.0, 0.0, 6.0])


def test_callbacks_are_called_for_the_examples_that_reach_them(executor):
    seen, calls = [], []

    def half(x):
        calls.append(float(x))
        return x / 2

    def f(x):
        y = -x
        if x > 0:
            debug.callback(lambda x: seen.append(float(x)), x)
            y = graphad.pure_callback(half, x, x)
        return y

    assert graphad.jit(graphad.vmap(f))(XS).tolist() == [0.5, 2.0, 2.0]
    assert seen == [1.0, 4.0]
    assert calls == [1.0, 4.0]


def test_an_op_without_the_rule_is_refused():
    class Fragile(Op):
        raises = (ZeroDivisionError,)

        def infer(self, *xs):
            return xs[0]

        def eval(self, xp, *xs):
            return xs[0]

        def batch(self, batched, size, *xs):
            return self(*xs)

    try:
        with pytest.raises(MissingRuleError, match=r"fragile can raise .* guarded method"):
            graphad.vmap(lambda x: graphad.cond(x > 0, Fragile(), lambda x: x, x))(XS)
    finally:
        graphad.op.OPS.pop("fragile")


# -- what passes may do ---------------------------------------------------------------------------------------------


def test_a_loop_that_does_not_run_gives_its_carry(executor):
    def f(a, n):
        total = a
        for _ in range(n):
            total = total + np.linalg.svd(a * np.nan)[0]
        return total

    assert np.array_equal(graphad.jit(f)(np.eye(2), 0), np.eye(2))
    with pytest.raises(np.linalg.LinAlgError):
        graphad.jit(f)(np.eye(2), 1)


def test_what_fails_is_not_computed_ahead(executor):
    f = graphad.jit(lambda x: x + np.linalg.inv(graphad.numpy.zeros((2, 2)) * 1.0))
    compiled = f.compile(1.0)
    with pytest.raises(np.linalg.LinAlgError):
        compiled(np.array(1.0))


def test_licm_moves_what_raises_only_where_it_is_reached():
    def hoisted(length, first=False):
        def f(a, c, n):
            def step(i, total):
                if first:
                    debug.callback(print, total)
                return total + np.linalg.inv(a)[0, 0]

            return graphad.fori_loop(0, n if length is None else length, step, c)

        graph = passes.licm(graphad.trace(f)(np.eye(2), 1.0, 3))
        return "inv" in [node.op.name for node in graph.nodes]

    assert hoisted(3)
    assert not hoisted(3, first=True)
    assert not hoisted(None)


def test_loops_that_raise_differently_stay_apart():
    def f(x, i, a):
        def read(c, _):
            return c + x[i], c

        def solve(c, _):
            return c + np.linalg.inv(a + c)[0, 0], c

        one = graphad.scan(read, 0.0, None, length=4)[0]
        two = graphad.scan(solve, 0.0, None, length=4)[0]
        return one, two

    def loops(graph):
        return sum(node.op.name == "scan" for node in graph.nodes)

    graph = graphad.trace(f)(XS, 1, np.eye(2))
    assert loops(passes.merge_loops(graph)) == 2

    def same(x, i):
        def read(c, k):
            return c + x[i] * k, c

        return tuple(graphad.scan(read, c, np.arange(4.0))[0] for c in (0.0, 1.0))

    assert loops(passes.merge_loops(graphad.trace(same)(XS, 1))) == 1


def test_what_the_backward_pass_computes_again_has_no_effects_again():
    seen = []

    def f(x, n):
        for _ in range(n):
            if x > 0:
                for _ in range(n):
                    debug.callback(lambda x: seen.append(round(float(x), 3)), x)
                    x = np.sin(x)
        return x

    f(1.0, 2)
    plain = list(seen)
    seen.clear()
    slope = graphad.jit(graphad.grad(f))(1.0, 2)
    assert seen == plain
    assert np.isclose(slope, graphad.grad(f)(1.0, 2))


def test_a_switch_of_a_batch():
    def f(x, i):
        branches = [lambda x: np.linalg.cholesky(x * np.eye(2))[0, 0], np.negative, lambda x: 1 / XS[x.astype(int)]]
        return graphad.switch(i, branches, x)

    found = graphad.jit(graphad.vmap(f))(np.array([4.0, -4.0, 2.0, -7.0]), np.array([-3, 1, 9, 1]))
    assert found.tolist() == [2.0, 4.0, 0.25, 7.0]
    with pytest.raises(IndexError):
        graphad.jit(graphad.vmap(f))(np.array([4.0, 3.0]), np.array([0, 2]))


def test_a_jitted_function_without_results_is_called():
    @graphad.jit
    def validate(x):
        if x < 0:
            raise ValueError(f"{x} is negative")

    def f(x):
        validate(x)
        return np.sqrt(x)

    for run in (f, graphad.jit(f), graphad.grad(f), graphad.jit(graphad.grad(f))):
        run(2.0)
        with pytest.raises(ValueError, match=r"^-2\.0 is negative"):
            run(-2.0)
    with pytest.raises(ValueError, match="negative"):
        graphad.vmap(f)(XS)


def test_what_fails_for_known_values_fails_where_it_is_reached(executor):
    def factor(x, n):
        for _ in range(n):
            x = x + np.linalg.cholesky(-np.eye(2))[0, 0]
        return x

    def divide(x, n):
        return x + 1 / 0 if n > 2 else x

    def read(x, n):
        y = x
        if n > 2:
            y = XS[7] + np.array([x, x])[5]
        return y

    def pick(x, n):
        numbers = [1.0, 2.0]
        return x * numbers[5] if n > 2 else x

    kinds = {factor: np.linalg.LinAlgError, divide: ZeroDivisionError, read: IndexError, pick: IndexError}
    for f, kind in kinds.items():
        for transformed in (f, graphad.grad(f)):
            run = graphad.jit(transformed)
            assert run(1.5, 0) == (1.5 if transformed is f else 1.0)
            with pytest.raises(kind):
                run(1.5, 3)

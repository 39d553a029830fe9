"""`Op.eval` in another array namespace: what runs under `jax.jit`, and what says that it needs NumPy."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import scipy.special

import graphad
from graphad.executors.namespace import ArrayNamespaceExecutor
from graphad.namespaces import Extended
from graphad.op import OPS, Op, op_class
from graphad.ops.regions import Scan
from graphad.testing import samples_of
from graphad.testing.numeric import assert_close

jax = pytest.importorskip("jax")
OWN = sorted(name for name in OPS if op_class(name).__module__.startswith("graphad."))


@pytest.fixture(scope="module", autouse=True)
def _double() -> Any:
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def check(op: type[Op] | Op) -> None:
    """The first sample in which there is anything, traced by JAX and by NumPy."""
    sample = next((s for s in samples_of(op) if all(np.size(x) for x in s.operands)), None)
    if sample is None:
        pytest.skip("there is no sample")
    xs = [np.asarray(x) for x in sample.operands]
    with np.errstate(all="ignore"):
        wanted = sample.op.eval(np, *xs)
    space = Extended(jax.numpy, {Scan: Jax.scan}, jax.numpy.asarray)
    found = jax.jit(partial(sample.op.eval, space))(*xs)
    for a, b in zip(*[x if isinstance(x, tuple) else (x,) for x in (found, wanted)], strict=True):
        b = np.asarray(b)
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert_close(np.asarray(a), b, 1e-3 if b.dtype.char in "efF" else 1e-7, sample.op.name)


def hosted(op: type[Op] | Op) -> str:
    """Why an op needs NumPy, by the first of its samples."""
    sample = next(iter(samples_of(op)), None)
    return (op if sample is None else sample.op).host_only


@pytest.mark.parametrize("op", ["sin", "sum", "gather", "eigh", "sinc", "erf", "dot_general"])
def test_ops_of_the_core(op: str) -> None:
    check(OPS[op])


@pytest.mark.slow
@pytest.mark.parametrize("name", OWN)
def test_what_is_not_marked_runs_under_jit(name: str) -> None:
    op = OPS[name]
    if hosted(op):
        if not op.drawn:  # without operands it is run while JAX traces
            with pytest.raises(Exception):  # noqa: B017 - whatever JAX raises: the mark must be needed
                check(op)
    else:
        check(op)


def test_how_many_run() -> None:
    assert sum(not hosted(OPS[name]) for name in OWN) >= 283


def results(found: Any) -> Any:
    return found[0] if len(found) == 1 else tuple(found)


class Jax(ArrayNamespaceExecutor):
    """One program of XLA's for a graph, which calls NumPy where an op needs it."""

    name, xp = "jax", jax.numpy

    @staticmethod
    def scan(op: Any, run: Any, *xs: Any) -> Any:
        k, n = op.consts, op.carries

        def step(state: Any, entries: Any) -> Any:
            found = run(op.body)(*xs[:k], *state, *entries)
            return tuple(found[:n]), tuple(found[n:])

        state, stacks = jax.lax.scan(step, tuple(xs[k : k + n]), tuple(xs[k + n :]), op.length, op.reverse)
        return results((*state, *stacks))

    @staticmethod
    def cond(op: Any, run: Any, index: Any, *xs: Any) -> Any:
        return jax.lax.switch(index.astype(int), [lambda *xs, b=b: results(run(b)(*xs)) for b in op.branches], *xs)

    @staticmethod
    def loop(op: Any, run: Any, *xs: Any) -> Any:
        consts, state = xs[: op.consts], tuple(xs[op.consts :])
        test = lambda state: run(op.cond)(*consts, *state)[0]
        return results(jax.lax.while_loop(test, lambda state: tuple(run(op.body)(*consts, *state)), state))

    table = {"scan": scan, "cond": cond, "while": loop}

    def __init__(self) -> None:
        self.programs = 0

    def prepare(self, function: Any) -> Any:
        self.programs += 1
        return jax.jit(function)

    def host(self, function: Any, types: Any, *xs: Any) -> Any:
        return jax.pure_callback(function, tuple(jax.ShapeDtypeStruct(t.shape, t.dtype) for t in types), *xs)


def in_one_program(name: str) -> bool:
    """Whether an executor with a table and a way to NumPy runs the first of an op's samples."""
    sample = next(iter(samples_of(OPS[name])), None)
    executor = Jax()
    executor.unchecked = True
    return sample is None or executor.supports(sample.op)


def test_all_but_a_few_run_by_an_executor_with_a_table() -> None:
    assert {name for name in OWN if not in_one_program(name)} == {
        "check", "debug_callback", "draw", "pure_callback", "solve_banded"
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in OWN if hosted(OPS[name]) and in_one_program(name)])
def test_what_needs_numpy_calls_it(name: str) -> None:
    sample, executor = next(iter(samples_of(OPS[name])), None), Jax()
    if sample is None:
        pytest.skip("there is no sample")
    graph = graphad.trace(sample.op)(*sample.operands)
    assert executor.programs == 0
    xs = [np.asarray(x) for x in sample.operands]
    for a, b in zip(executor.compile(graph)(*xs), graph.eval(*xs), strict=True):
        assert_close(a, b, 1e-15, name)
    assert executor.programs == 1


def test_numpy_is_called_from_within_a_compiled_loop() -> None:
    def f(x: Any) -> Any:
        return graphad.fori_loop(0, 3, lambda i, x: scipy.special.nctdtr(3.0, 0.4, x) + 0.1 * x, x)

    executor, x = Jax(), np.array([0.3, 1.2])
    found = graphad.jit(graphad.value_and_grad(lambda x: np.sum(f(x))), executor=executor)(x)
    wanted = graphad.value_and_grad(lambda x: np.sum(f(x)))(x)
    np.testing.assert_allclose(found[0], wanted[0], 1e-12)
    np.testing.assert_allclose(found[1], wanted[1], 1e-10)
    assert executor.programs == 1

"""Where the time of a compiled function goes: rows for all of its parts, with the work that is known."""

from __future__ import annotations

import numpy as np
import pytest

import graphad
from graphad.errors import ExecutorError, ShapeError
from graphad.executors.loops import lower
from graphad.executors.loops.counts import counts
from graphad.executors.profile import Kernel, Profile, Roof

RNG = np.random.default_rng(3)
X, A = RNG.normal(size=4000), RNG.normal(size=(60, 60))


def f(x, a):
    total = np.sum(np.exp(x) * x)
    for _ in range(100):
        a = np.tanh(a @ a)
    return total + np.sum(np.sort(x)[:10]) + a


def profile(executor, **options):
    compiled = graphad.jit(f, executor=executor, **options).compile(X, A)
    return compiled, compiled.profile(X, A, seconds=0.05)


def test_rows_are_the_parts_of_the_program():
    compiled, found = profile("llvm", threads=1)
    assert len(found.kernels) == len(compiled.executor.lowered(compiled.graph).statements)
    assert all(kernel.seconds >= 0 and "test_profile.py:" in kernel.note for kernel in found.kernels if kernel.moved)
    loop = max(found.kernels, key=lambda kernel: kernel.flops or 0)
    assert 100 * 2 * 60**3 <= loop.flops < 2 * 100 * 2 * 60**3
    assert loop.seconds > 0.3 * found.seconds
    np.testing.assert_allclose(compiled(X, A)[0], f(X, A), rtol=1e-9)


def test_an_op_of_numpys_has_no_operations_that_are_known():
    _, found = profile("llvm")
    (kernel,) = [kernel for kernel in found.kernels if kernel.note.startswith("sort")]
    assert kernel.flops is None
    assert kernel.moved == 2 * X.nbytes


def test_the_numpy_executor_has_a_row_for_each_op():
    compiled, found = profile("numpy")
    assert len(found.kernels) == len(compiled.graph.nodes)
    assert found.seconds > 0


def test_threads_and_the_report():
    compiled = graphad.jit(f, executor="llvm", threads=2).compile(X, A)
    text = compiled.report(X, A)
    assert text.startswith(compiled.report())
    assert "of roof" in text
    assert "GFLOP/s" in text.splitlines()[-1]


def test_work_is_counted():
    def work(g, *args):
        compiled = graphad.jit(g, executor="llvm", threads=1).compile(*args)
        return sum([counts(s).flops for s in lower(compiled.graph).statements])

    assert work(lambda x: x * 2 + 1, X) == 2 * X.size
    assert work(np.sum, X) == X.size
    assert work(np.cumsum, X) == X.size - 1
    assert work(lambda a: a @ a, RNG.normal(size=(200, 200))) == 2 * 200**3


def test_what_bounds_a_kernel():
    roof = Roof([(1e3, "L1", 100.0), (np.inf, "memory", 10.0)], 50.0)
    assert roof.bound(Kernel("", 1.0, 100.0, 100.0, 100.0)) == (2.0, "arithmetic")
    assert roof.bound(Kernel("", 1.0, 10.0, 100.0, 1e4)) == (10.0, "memory")
    text = str(Profile([Kernel("a", 4.0, 100.0, 100.0, 100.0), Kernel("b", 1e-3, None, 100.0, 1e4)], roof))
    assert text.splitlines()[1].split() == ["4", "s", "100%", "2.5e-08", "2.5e-08", "50%", "arithmetic", "a"]
    assert text.splitlines()[2].split() == ["1", "ms", "0%", "0.0001", "-", "-", "-", "b"]


def test_bad_arguments():
    compiled = graphad.jit(f, executor="llvm").compile(X, A)
    with pytest.raises(ShapeError, match="1 arguments were given to a graph of 2 inputs"):
        compiled.profile(X)
    with pytest.raises(ShapeError):
        compiled.report(X, A[:3])
    with pytest.raises(ExecutorError, match="the executor numba tells no times of its kernels"):
        graphad.jit(np.sin, executor="numba").compile(X).report(X)

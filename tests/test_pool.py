"""Threads that share loops: forks, many callers, errors, interrupts, the end of the process, and equal bits."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.bench_threads import bodies, heat, rolled, stencil
from many_threads import in_threads

import graphad
from graphad.executors.loops import cost, parallel
from graphad.executors.loops.program import Buffer, loops_of
from graphad.executors.loops.routines import settable

RNG = np.random.default_rng(0)
X = RNG.normal(size=300_000)
HEAD = """
import os, signal, sys, threading, time
import numpy as np
import graphad

x = np.random.default_rng(0).normal(size=300_000)
f = graphad.jit(lambda x: np.exp(np.sin(x)) + np.sum(np.tanh(x)), threads=2)
assert "graphad.parallel(" in f.compile(x).source()
right = f(x)
"""


def child(tmp_path: Path, code: str) -> None:
    """Run a program in a process of its own, from a file so that its source can be read; it must succeed."""
    file = tmp_path / "program.py"
    file.write_text(HEAD + textwrap.dedent(code))
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def is_shared(function: Any, *args: Any) -> bool:
    return "call i64 @graphad.parallel(" in function.compile(*args).source()


def repeated(x: Any) -> Any:
    """Rows that are all changed in each step, with sums along them."""
    for _ in range(5):
        x = np.tanh(x) * np.sum(x, 1, keepdims=True)
    return x


# -- what is shared -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "shape", "several"),
    [
        (heat, (200, 200), False),
        (graphad.grad(heat), (200, 200), False),
        (stencil, (256, 256), False),
        (graphad.grad(stencil), (256, 256), False),
        (repeated, (600, 600), True),
        (rolled, (65_536,), False),
        (lambda x: 2 * x + 1, (60_000,), False),
        (np.exp, (10_000,), False),
        (lambda x: np.tanh(x @ x), (20, 20), False),
        (np.exp, (1_000_000,), True),
        (np.sum, (4_000_000,), True),
        (graphad.grad(bodies), (1000, 3), True),
        (lambda x: np.tanh(x @ x), (400, 400), True),
        (lambda x: graphad.fori_loop(0, 9, lambda i, v: np.tanh(v) + x, x), (100_000,), True),
        (lambda x: np.linalg.inv(x[:, None, None] * np.eye(30)), (300,), True),
    ],
)
def test_what_is_shared(function: Any, shape: Any, several: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "caches", lambda: {1: 48 << 10, 2: 1280 << 10, 3: 24 << 20})
    assert is_shared(graphad.jit(function, threads=2), 1 + np.ones(shape)) == several


def test_what_another_thread_has_changed_costs_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop within a repetition is worth threads by itself, and not beside copies of its operand by one of them."""
    monkeypatch.setattr(cost, "caches", lambda: {1: 48 << 10, 2: 1280 << 10, 3: 24 << 20})
    x, y = (Buffer("temporary", np.dtype("f8"), 65_536) for _ in range(2))
    price = cost.LoopCost(200_000.0, {x: 524_288.0, y: 524_288.0})
    assert parallel.Sharing(2, True, {}).useful(price) == 2
    assert parallel.Sharing(2, True, {x: 8.0}).useful(price) == 2
    assert parallel.Sharing(2, True, {x: 524_288.0, y: 524_288.0}).useful(price) == 1


def test_each_buffer_counts_once() -> None:
    def priced(function: Any) -> float:
        compiled = graphad.jit(function, threads=1).compile(X)
        program = compiled.executor.lowered(compiled.graph)
        return sum(sum(cost.cost(loops_of(s)).touched.values()) for s in program.statements)

    assert priced(lambda x: x[1:-1] * 2) == pytest.approx(16 * X.size, rel=1e-3)
    assert priced(lambda x: x[1:-1] + x[:-2] * x[2:] - x[1:-1] ** 2) == pytest.approx(16 * X.size, rel=1e-3)
    assert priced(lambda x: x[:1000] + x[-1000:]) == pytest.approx(24_000)


# -- processes ----------------------------------------------------------------------------------------------------


def test_a_forked_child_has_workers_of_its_own(tmp_path: Path) -> None:
    child(
        tmp_path,
        """
        for _ in range(10):
            pid = os.fork()
            if not pid:
                for _ in range(3):
                    assert np.array_equal(f(x), right)
                tasks = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 2
                os._exit(0 if tasks == 2 else 1)
            assert os.waitpid(pid, 0)[1] == 0
            assert np.array_equal(f(x), right)
        """,
    )


def test_a_fork_while_another_thread_shares_a_loop(tmp_path: Path) -> None:
    child(
        tmp_path,
        """
        going = True
        def work():
            while going:
                assert np.array_equal(f(x), right)
        other = threading.Thread(target=work)
        other.start()
        for _ in range(20):
            pid = os.fork()
            if not pid:
                os._exit(0 if np.array_equal(f(x), right) and np.array_equal(f(x), right) else 1)
            assert os.waitpid(pid, 0)[1] == 0
        going = False
        other.join()
        """,
    )


def test_a_fork_within_a_shared_loop_is_refused_in_the_child(tmp_path: Path) -> None:
    child(
        tmp_path,
        """
        from graphad.errors import ExecutorError
        long = graphad.jit(lambda x: np.sum(np.exp(np.sin(x[:, None, None] * x[:, None] + x)) ** 1.3), threads=2)
        y = np.linspace(0, 1, 400)
        expected = long(y)
        pids = []
        signal.signal(signal.SIGALRM, lambda *args: pids.append(os.fork()))
        signal.setitimer(signal.ITIMER_REAL, 0.03)
        try:
            good = long(y) == expected
        except ExecutorError as error:
            good = pids == [0] and "forked" in str(error)
        if pids == [0]:
            os._exit(0 if good and np.array_equal(f(x), right) else 1)
        assert good and (not pids or os.waitpid(pids[0], 0)[1] == 0)
        """,
    )


def test_processes_of_both_kinds(tmp_path: Path) -> None:
    child(
        tmp_path,
        """
        import multiprocessing
        def run(n):
            return float(f(x)[n])
        if __name__ == "__main__":
            for kind in ("fork", "spawn"):
                with multiprocessing.get_context(kind).Pool(2) as pool:
                    assert pool.map(run, range(4)) == [float(v) for v in right[:4]]
        """,
    )


def test_the_process_ends_while_workers_look_out(tmp_path: Path) -> None:
    for last in ("f(x)", "threading.Thread(target=lambda: [f(x) for _ in range(10**6)], daemon=True).start()"):
        child(tmp_path, f"f(x)\n{last}\ntime.sleep(0.05)\nf(x)")


# -- callers ------------------------------------------------------------------------------------------------------


def test_many_threads_share_loops_at_once() -> None:
    functions = [
        graphad.jit(lambda x: np.exp(x) * 2, threads=2),
        graphad.jit(lambda x: np.sum(np.sin(x)) + x, threads=3),
        graphad.jit(graphad.grad(lambda x: np.sum(np.tanh(x) ** 2)), threads=4),
    ]
    assert all(is_shared(f, X) for f in functions)
    expected = [f(X) for f in functions]
    wrong: list[int] = []

    def repeat(i: int) -> None:
        for k in range(30):
            j = (i + k) % len(functions)
            if not np.array_equal(functions[j](X), expected[j]):
                wrong.append(j)

    in_threads(repeat, 8)
    assert not wrong


def test_results_have_the_same_bits_for_any_number_of_threads() -> None:
    square = RNG.normal(size=(300, 300))

    def plain(x: Any) -> Any:
        return np.exp(x) / (1 + x * x)

    def summed(x: Any, a: Any) -> Any:
        return np.sum(np.sin(x)), np.sum(np.exp(a), axis=0), np.sum(np.exp(np.tanh(a)), axis=1)

    alone = graphad.jit(plain, threads=1)(X)
    found = []
    for n in (2, 3, 5):
        f, g = graphad.jit(plain, threads=n), graphad.jit(summed, threads=n)
        assert is_shared(f, X)
        assert is_shared(g, X, square)
        assert np.array_equal(f(X), alone)
        found += [g(X, square) for _ in range(3)]
    assert all(np.array_equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize("rows", [33, 64])
def test_sums_over_few_long_rows(rows: int) -> None:
    a, b = RNG.normal(size=rows), RNG.normal(size=20_000)
    f = graphad.jit(lambda a, b: np.sum(np.exp(a[:, None] + b)), threads=2)
    assert is_shared(f, a, b)
    assert np.isclose(f(a, b), np.exp(a).sum() * np.exp(b).sum(), rtol=1e-12)


def test_workers_sleep_when_there_is_nothing_to_do() -> None:
    f = graphad.jit(np.exp, threads=4)
    f(X)
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.1


# -- errors and interrupts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [(0,), (299_999,), (150_000,), (10, 299_990), (299_000, 140_000), (5, 70_000, 200_000)])
def test_the_error_is_that_of_one_thread(bad: tuple[int, ...]) -> None:
    def pick(x: Any, i: Any, j: Any) -> Any:
        a = np.exp(x)[i]
        b = np.sin(x)[j]
        return np.tanh(a + b)

    i, j = np.arange(X.size), np.arange(X.size)[::-1].copy()
    several = graphad.jit(pick, threads=3)
    assert is_shared(several, X, i, j)
    expected = several(X, i, j)
    for k, at in enumerate(bad):
        (i if k % 2 else j)[at] = X.size + at
    messages = []
    for f in (graphad.jit(pick, threads=1), several, several):
        with pytest.raises(IndexError) as caught:
            f(X, i, j)
        messages.append(str(caught.value))
    assert len(set(messages)) == 1
    assert np.array_equal(several(X, np.arange(X.size), np.arange(X.size)[::-1].copy()), expected)


def test_a_signal_within_a_shared_loop() -> None:
    y = np.linspace(0, 1, 300)
    long = graphad.jit(lambda x: np.sum(np.exp(np.sin(x[:, None, None] * x[:, None] + x)) ** 1.3), threads=2)
    short = graphad.jit(lambda x: np.exp(np.sin(x)), threads=2)
    assert is_shared(long, y)
    assert is_shared(short, X)
    expected, right, seen = long(y), short(X), []

    def stop(*args: Any) -> None:
        raise TimeoutError("enough")

    def call(*args: Any) -> None:
        seen.append(np.array_equal(short(X), right))

    before = signal.signal(signal.SIGALRM, call)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        while not seen:
            assert long(y) == expected
        signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        with pytest.raises(TimeoutError, match="enough"):
            [long(y) for _ in range(10**4)]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert seen == [True]
    assert long(y) == expected


# -- BLAS ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(settable() is None, reason="a BLAS whose threads cannot be set")
def test_the_threads_of_blas_are_set_back() -> None:
    get, change = (ctypes.CFUNCTYPE(ctypes.c_int, *kinds)(at)
                   for at, kinds in zip(settable() or (), ((), (ctypes.c_int,)), strict=True))  # fmt: skip
    a, b = RNG.normal(size=(300, 200)), RNG.normal(size=(200, 257))
    systems = RNG.normal(size=(40, 60, 60)) + 9 * np.eye(60)
    product = graphad.jit(lambda a, b: a @ b, threads=2)
    solve = graphad.jit(np.linalg.solve, threads=2)
    assert is_shared(product, a, b)
    had = get()
    change(2)
    try:
        def work() -> None:
            for _ in range(10):
                np.testing.assert_allclose(product(a, b), a @ b, atol=1e-10)
                np.testing.assert_allclose(product(b.T.copy(), a.T.copy()), (a @ b).T, atol=1e-10)
                found = solve(systems, systems)
                np.testing.assert_allclose(found, np.broadcast_to(np.eye(60), found.shape), atol=1e-10)

        workers = [threading.Thread(target=work) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert get() == 2
    finally:
        change(had)


@pytest.mark.parametrize("shape", [(509, 128, 130), (131, 128, 503), (200, 300, 200)])
@pytest.mark.parametrize("dtype", ["f", "d", "D"])
def test_products_in_blocks(shape: tuple[int, int, int], dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from graphad.executors.loops import parallel

    monkeypatch.setattr(parallel, "GAIN", {False: np.inf, True: np.inf})
    m, k, n = shape
    a, b = RNG.normal(size=(m, k)).astype(dtype), RNG.normal(size=(k, n)).astype(dtype)
    for x, y in ((a, b), (a.T.copy(), b), (a, b.T.copy())):
        f = graphad.jit(lambda x, y, p=x is a, q=y is b: (x if p else x.T) @ (y if q else y.T), threads=2)
        assert is_shared(f, x, y)
        np.testing.assert_allclose(f(x, y), a @ b, rtol=1e-3 if dtype == "f" else 1e-10, atol=1e-3)



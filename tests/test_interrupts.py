"""Ctrl-C ends compiled code soon, and the process can be used afterwards."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import graphad

HEAD = """
import os, signal, sys, threading, time
import numpy as np
import graphad

# A program that starts in the background of a shell may have this signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

def interrupted(f, x, **options):
    compiled = graphad.jit(f, **options).compile(x)
    sent = []

    def send():
        time.sleep(0.1)
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=send).start()
    try:
        compiled(x)
    except KeyboardInterrupt:
        return time.perf_counter() - sent[0]
    raise AssertionError("the loop ended by itself")

def counted(x):
    return graphad.fori_loop(0, 10**11, lambda i, v: v * 0.999999 + 1.0, x)

def conditional(x):
    return graphad.while_loop(lambda c: c[1] < 1e17, lambda c: (np.sin(c[0]), c[1] + 1), (x, 0.0))[0]

def kernel(x):
    return np.sum(np.exp(np.sin(x[:, None, None] * x[:, None] + x)) ** 1.3)

def gradient(x):
    def loss(x):
        return np.sum(graphad.fori_loop(0, 30, lambda i, v: np.sin(v @ v) * v, x))
    return graphad.fori_loop(0, 10**9, lambda i, x: x - 1e-3 * graphad.grad(loss)(x), x)

def nested(x):
    def inner(i, v):
        return graphad.while_loop(lambda c: c[1] < 20, lambda c: (c[0] * 0.5 + 1, c[1] + 1), (v, i % 7))[0]
    return graphad.fori_loop(0, 10**10, inner, x)

def solves(x):
    return graphad.fori_loop(0, 10**9, lambda i, v: np.linalg.solve(np.eye(30) * (2 + v[0]), v), x)

def called(x):
    return graphad.fori_loop(0, 10**9, lambda i, v: graphad.pure_callback(np.sin, graphad.ShapeDtype((), float), v), x)
"""
CASES = {
    "counted": "1.0", "conditional": "0.5", "kernel": "np.linspace(0, 1, 3000)", "gradient": "np.ones(8)",
    "nested": "1.0", "solves": "np.ones(30)", "called": "1.0",
}  # fmt: skip


def child(tmp_path: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, from a file so that its source can be read."""
    file = tmp_path / "program.py"
    file.write_text(HEAD + textwrap.dedent(code))
    return subprocess.run([sys.executable, str(file)], capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("options", ["threads=1", "threads=2", "executor='numba'"])
def test_an_interrupt_ends_compiled_code_and_a_second_call_is_right(tmp_path, options):
    cases = ", ".join(f"({name}, {x})" for name, x in CASES.items())
    done = child(
        tmp_path,
        f"""
        times = {{}}
        short = graphad.jit(lambda x: graphad.fori_loop(0, 1000, lambda i, v: v + x, 0.0), {options})
        for f, x in [{cases}]:
            times[f.__name__] = interrupted(f, x, {options})
            assert short(2.0) == 2000.0
        # On a machine that does other things too, a single one may be late.
        assert max(times.values()) < 1 and sorted(times.values())[len(times) // 2] < 0.2, times
        """,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_an_interrupted_function_can_be_called_again(tmp_path):
    done = child(
        tmp_path,
        """
        f = graphad.jit(lambda n: graphad.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, c[1] + 2.0), (0, 0.0))[1])
        assert f(10) == 20.0
        g = graphad.jit(graphad.grad(lambda x, n: graphad.while_loop(
            lambda c: c[0] < n, lambda c: (c[0] + 1, np.sin(c[1])), (0, x))[1]))
        before = g(1.0, 50)
        for h, args in ((f, (10**15,)), (g, (1.0, 10**15))):
            threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
            try:
                h(*args)
            except KeyboardInterrupt:
                continue
            raise AssertionError
        assert f(10) == 20.0 and g(1.0, 50) == before
        """,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_other_signals_are_handled_and_other_threads_go_on(tmp_path):
    done = child(
        tmp_path,
        """
        seen = []
        signal.signal(signal.SIGUSR1, lambda *args: seen.append(time.perf_counter()))
        f = graphad.jit(lambda n: graphad.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, c[1] + 2.0), (0, 0.0))[1])
        f(1)
        results = []
        other = threading.Thread(target=lambda: results.append(f(400_000_000)))
        other.start()
        sent = []
        timer = threading.Timer(0.2, lambda: (sent.append(time.perf_counter()), os.kill(os.getpid(), signal.SIGUSR1)))
        timer.start()
        assert f(400_000_000) == 8e8
        assert 0 < seen[0] - sent[0] < 0.2
        threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        try:
            f(10**15)
        except KeyboardInterrupt:
            pass
        other.join()
        assert results == [8e8]
        """,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("executor", ["llvm", "numba"])
def test_a_handler_may_raise_what_it_likes(executor):
    def stop(*args):
        raise TimeoutError("enough")

    f = graphad.jit(
        lambda n: graphad.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, c[1] + 2.0), (0, 0.0))[1],
        executor=executor,
    )
    assert f(3) == 6.0
    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(TimeoutError, match="enough"):
            f(10**15)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert f(3) == 6.0


def test_chunks_give_what_the_whole_gives():
    # Loops long enough to be run in chunks, with ends that no chunk, block or register divides.
    for n in (1_000_003, 4_194_305):
        x = (np.arange(n) % 13).astype(float)
        f = graphad.jit(lambda x: (np.sum(x * 3), np.max(x), 2 * x + 1, np.sum(np.sqrt(x[:, None] * np.ones(3)), 0)))
        total, largest, line, columns = f(x)
        assert total == 3 * x.sum()
        assert largest == 12
        assert np.array_equal(line, 2 * x + 1)
        assert np.allclose(columns, np.sum(np.sqrt(x)))

"""Threads and callbacks: first compilations in several threads, forks, and arrays that Python functions keep."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import graphad


def child(tmp_path: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, from a file so that its source can be read."""
    file = tmp_path / "program.py"
    file.write_text("import numpy as np\nimport graphad\n" + textwrap.dedent(code))
    return subprocess.run([sys.executable, str(file)], capture_output=True, text=True, timeout=120, check=False)


def test_first_compilations_in_many_threads(tmp_path):
    done = child(
        tmp_path,
        """
        import threading
        shared = graphad.jit(lambda x: np.sum(np.sin(x)))
        start = threading.Barrier(16)
        found = {}
        def work(k):
            start.wait()
            own = graphad.jit(lambda x: x * k)
            for n in range(2, 8):
                found[k, n] = shared(np.ones(n)), own(np.ones(n))[0]
        threads = [threading.Thread(target=work, args=(k,)) for k in range(16)]
        for t in threads: t.start()
        for t in threads: t.join()
        assert len(found) == 96
        for (k, n), (total, first) in found.items():
            assert abs(total - n * np.sin(1.0)) < 1e-12 and first == k
        """,
    )
    assert done.returncode == 0, done.stderr[-1000:]


def test_compiled_before_and_after_a_fork(tmp_path):
    done = child(
        tmp_path,
        """
        import os
        f = graphad.jit(lambda x: np.exp(x) * 2)
        f(np.zeros(3))
        for _ in range(5):
            pid = os.fork()
            if not pid:
                good = f(np.zeros(3))[0] == 2.0 and graphad.jit(lambda x: x - 1)(np.ones(2))[0] == 0.0
                os._exit(0 if good else 1)
            assert os.waitpid(pid, 0)[1] == 0
        """,
    )
    assert done.returncode == 0, done.stderr[-1000:]


FORKS = """
import faulthandler, os, threading, time
{functions}
threads = [threading.Thread(target=work, args=(k,)) for k in range({threads})]
for t in threads: t.start()
children = []
for _ in range(4):
    time.sleep({apart})
    pid = os.fork()
    if not pid:
        faulthandler.dump_traceback_later(60, exit=True)
        os._exit(int({failed}))
    children.append(pid)
for t in threads: t.join()
assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 4
"""
"""Forks while threads do their `work`: each child asks whether what it does has `failed`."""


def test_forks_while_other_threads_compile_for_the_first_time(tmp_path):
    """A child must find no lock taken: of imports that a first use makes, of LLVM, or of LLVM's binding."""
    functions = """
def work(k):
    for n in range(2, 6):
        graphad.jit(graphad.grad(lambda x: np.sum(np.sin(x) * k)))(np.ones(n))
"""
    failed = "graphad.jit(lambda x: x - 1)(np.ones(2))[0] != 0.0"
    done = child(tmp_path, FORKS.format(functions=functions, threads=4, apart=0.05, failed=failed))
    assert done.returncode == 0, done.stderr


def test_forks_while_another_thread_imports_scipy(tmp_path):
    functions = """
def f(x):
    from scipy import integrate, interpolate, stats
    return np.sum(stats.norm.logpdf(x))
def work(k):
    graphad.jit(f)(np.ones(3))
"""
    failed = "graphad.jit(f)(np.zeros(1)) > 0"
    done = child(tmp_path, FORKS.format(functions=functions, threads=1, apart=0.03, failed=failed))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("executor", ["numpy", "llvm", "numba"])
def test_callbacks_may_keep_what_they_get(executor):
    kept, seen = [], []

    def keep(v):
        kept.append(v)
        return v

    def f(x):
        for _ in range(3):
            x = x * 0.5 + 1
            graphad.debug.callback(seen.append, x)
            x = x + 0 * graphad.pure_callback(keep, graphad.ShapeDtype((3,), float), x)
        return x

    graphad.jit(f, executor=executor)(np.zeros(3))
    assert [float(v[0]) for v in kept] == [1.0, 1.5, 1.75]
    assert [float(v[0]) for v in seen] == [1.0, 1.5, 1.75]
    assert not any(v.flags.writeable for v in (*kept, *seen))


@pytest.mark.parametrize("executor", ["numpy", "llvm", "numba"])
def test_callbacks_cannot_change_arguments_and_constants(executor):
    constant, argument, own = np.zeros(3), np.zeros(3), np.ones(3)

    def spoil(v):
        with pytest.raises(ValueError, match="read-only"):
            v[...] = 7
        return own

    shape = graphad.ShapeDtype((3,), float)
    f = graphad.jit(lambda x: graphad.pure_callback(spoil, shape, x), executor=executor)
    found = f(argument)
    found[0] = 5.0
    graphad.jit(lambda x: x + graphad.pure_callback(spoil, shape, constant), executor=executor)(argument)
    assert not argument.any()
    assert not constant.any()
    assert own[0] == 1.0

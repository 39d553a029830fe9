"""Functions that NumPy runs until they are compiled."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphad
from graphad.api import compiled
from graphad.errors import NonFiniteError, TypeMismatchError

X = np.linspace(0.1, 2.0, 5)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """What compilations wait for."""
    gate, compile = threading.Event(), compiled.compiled

    def later(*args: Any) -> Any:
        gate.wait(60)
        return compile(*args)

    monkeypatch.setattr(compiled, "compiled", later)
    return gate


def ended() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("graphad compiles"):
            thread.join(60)


def fit(p: Any, x: Any) -> Any:
    """A loop, a branch, a check and a result of several parts."""
    s = 0.0
    for i in range(3):
        s = s + p["a"] ** i * np.sum(x)
    if s < 0:
        raise ValueError(f"negative: {s:.1f}")
    return {"sum": s, "all": (x * p["b"], s > 1)}


def test_calls_before_and_after(gate: threading.Event, executor: str) -> None:
    f = graphad.jit(fit, start="interpreted")
    wanted = graphad.tree.leaves(fit({"a": 0.5, "b": 2.0}, X))
    for ready in (False, True, True):
        if ready:
            gate.set()
            ended()
        for a in (0.5, np.float64(0.5)):
            found = f({"a": a, "b": 2.0}, X)
            assert list(found) == ["sum", "all"]
            for x, y in zip(graphad.tree.leaves(found), wanted, strict=True):
                np.testing.assert_allclose(x, y, rtol=1e-14)
        with pytest.raises(ValueError, match="negative: -10"):
            f({"a": 0.0, "b": 2.0}, -2 * X)


def test_all_transformations(gate: threading.Event) -> None:
    def value(x: Any) -> Any:
        return np.sum(np.sin(x) * x)

    f = graphad.jit(graphad.vmap(graphad.value_and_grad(value)), start="interpreted")
    inner = graphad.grad(graphad.jit(value, start="interpreted"))
    first, second = f(np.stack([X, -X])), inner(X)
    gate.set()
    ended()
    for one, other in zip((*first, second), (*f(np.stack([X, -X])), inner(X)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13)


def test_errors_of_the_compilation_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()

    def broken(*args: Any) -> Any:
        gate.wait(60)
        raise RuntimeError("no code today")

    monkeypatch.setattr(compiled, "compiled", broken)
    f = graphad.jit(np.sin, start="interpreted", executor="numpy")
    f(X)
    gate.set()
    ended()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no code today"):
            f(X)


def test_many_threads_while_it_is_compiled(gate: threading.Event) -> None:
    from many_threads import in_threads

    f = graphad.jit(lambda x: np.cumsum(np.exp(x)), start="interpreted")
    f(X)

    def work(i: int) -> None:
        for k in range(200):
            np.testing.assert_allclose(f(X + k), np.cumsum(np.exp(X + k)), rtol=1e-13)
            if i == 0 and k == 50:
                gate.set()

    in_threads(work, 4)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_child_begins_anew(gate: threading.Event) -> None:
    f = graphad.jit(np.sin, start="interpreted", executor="numpy")
    f(X)
    child = os.fork()
    if not child:
        gate.set()
        f(X)
        ended()
        ready = isinstance(f._cache, dict) and not any(t.name.startswith("graphad") for t in threading.enumerate())
        os._exit(0 if ready and np.allclose(f(X), np.sin(X)) else 1)
    assert os.waitpid(child, 0)[1] == 0
    gate.set()
    ended()


PROGRAM = """
import numpy as np
import graphad

def f(x):
    for i in range(40):
        x = np.sin(x) + i
    return x

print(graphad.jit(f, start="interpreted")(1.0) == f(1.0))
"""


def test_the_process_ends_after_the_compilation(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=True, timeout=120)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_what_is_asked_for_at_each_call_waits_for_it() -> None:
    f = graphad.jit(lambda x: np.log(x), start="interpreted", debug="nan")
    with pytest.raises(NonFiniteError):
        f(-X)
    with pytest.raises(TypeMismatchError, match="'compiled' or 'interpreted'"):
        graphad.jit(np.sin, start="soon")

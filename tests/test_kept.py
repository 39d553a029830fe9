"""Compiled graphs on disk: another process loads what the same graph was compiled to, and nothing else ever."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

import graphad
from graphad.executors import cache
from graphad.executors.fingerprint import fingerprint
from graphad.executors.llvm import LLVMExecutor
from graphad.op import OPS, Op
from graphad.passes import PASSES, Pipeline
from graphad.testing.samples import graph_of

X = np.linspace(0.1, 2.0, 12).reshape(3, 4)


class Refused(Exception):
    """An error of the user's."""


@pytest.fixture(autouse=True)
def _unchecked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRAPHAD_DEBUG", raising=False)


def twice(function: Any, *args: Any, **options: Any) -> tuple[Any, Any]:
    """A function compiled twice: by the compiler, and from what that put on disk."""
    first, second = (graphad.jit(function, executor="llvm", **options).compile(*args) for _ in range(2))
    assert not first.loaded
    assert second.loaded
    return first, second


def loop(x: Any) -> Any:
    s = x[0]
    for i in range(1, 3):
        if np.sum(s) > i:
            s = np.sin(s) + x[i]
    return s


def looked_up(x: Any) -> Any:
    i = np.floor(x[0, 0] * 10).astype(int)
    return x[i, 0]


def checked(x: Any) -> Any:
    if np.sum(x) < 0:
        raise Refused(f"a sum of {np.sum(x):.1f}")
    return np.sqrt(x)


@pytest.mark.parametrize(
    "function",
    [
        loop,
        lambda x: np.linalg.solve(x @ x.T + np.eye(3), x),
        lambda x: special.gammaln(x) + special.jv(2.0, x),
        lambda x: np.sort(x, axis=1)[::-1],
        lambda x: np.median(x) + np.interp(x, np.arange(5.0), np.arange(5.0) ** 2),
        lambda x: x + np.arange(4.0) * 1e-300,
        graphad.value_and_grad(lambda x: np.sum(np.tanh(x) ** 2)),
        graphad.hessian(lambda x: np.sum(np.cumprod(x, axis=1))),
        lambda x: {"a": x.astype("f4"), "b": (x > 1, np.fft.rfft(x))},
    ],
)
def test_what_is_loaded_is_what_was_compiled(function: Any) -> None:
    first, second = twice(function, X)
    for a, b in zip(first(X), second(X), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    assert first.memory() == second.memory()
    assert first.source() == second.source()
    assert str(first.graph) == str(second.graph)
    assert [stage.name for stage in first.stages] == [stage.name for stage in second.stages]


def test_errors_are_those_of_the_program() -> None:
    for function, x in ((looked_up, X + 5), (checked, -X)):
        found = []
        for compiled in twice(function, X):
            with pytest.raises((IndexError, Refused)) as error:
                compiled(x)
            found.append((type(error.value), str(error.value)))
        assert found[0] == found[1]
    assert found[0][0] is Refused


NOT_KEPT = {"custom_jvp", "custom_root", "custom_vjp", "debug_callback", "draw", "linear_solve", "pure_callback"}
"""Ops of which some samples hold functions."""


@pytest.mark.parametrize("name", sorted(OPS))
def test_every_op_is_kept(name: str) -> None:
    """Graphs of it have keys, and calls of it that stand in a program come back from disk."""
    for sample in OPS[name].samples():
        known = fingerprint(graph_of(sample)) is not None
        assert known or name in NOT_KEPT
        if known:
            back = pickle.loads(pickle.dumps(sample.op))
            assert (back.key, hash(back)) == (sample.op.key, hash(sample.op))


PROGRAM = """
    import sys
    import numpy as np
    import graphad
    def f(x):
        return np.sum(np.exp(-x) * np.linalg.inv(np.outer(x, x) + 3 * np.eye(4)))
    compiled = graphad.jit(graphad.grad(f)).compile(np.arange(4.0))
    print(compiled.loaded, repr(compiled(np.arange(4.0))[0].tolist()), "scipy.special" in sys.modules)
"""


def test_another_process_loads_what_one_has_compiled(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    env = {k: v for k, v in os.environ.items() if k != "GRAPHAD_DEBUG"}
    runs = [
        subprocess.run([sys.executable, str(program)], env=env, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert [run.split()[0] for run in runs] == ["False", "True"]
    assert runs[0].split(maxsplit=1)[1] == runs[1].split(maxsplit=1)[1]


# -- what is told apart -------------------------------------------------------------------------------------------


def test_prints_of_graphs_tell_them_apart() -> None:
    def named(x: Any) -> Any:
        y = x + 1.0
        return y * 2.0

    def other(x: Any) -> Any:
        z = x + 1.0
        return z * 2.0

    functions = [
        named, other, lambda x: x + 0.0, lambda x: x + -0.0, lambda x: x + 1, lambda x: x * 1.0,
        lambda x: np.sum(x, 0), lambda x: np.sum(x, 0, keepdims=True), lambda x: x.astype("f4"), lambda x: x[::1, 1:],
        lambda x: (x, x), lambda x: [x + 1.0],
    ]  # fmt: skip
    prints = [fingerprint(graphad.trace(f)(X)) for f in functions]
    assert len(set(prints)) == len(prints)
    assert prints == [fingerprint(graphad.trace(f)(X)) for f in functions]
    assert fingerprint(graphad.trace(named)(X)) != fingerprint(graphad.trace(named)(X.astype("f4")))


def test_options_pipelines_and_versions_are_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = graphad.trace(loop)(X)
    executors = [LLVMExecutor(), LLVMExecutor(math="precise"), LLVMExecutor(threads=7)]
    keys = {cache.graph_key(e, Pipeline(p), graph) for e in executors for p in ("dce", "cse, dce")}
    monkeypatch.setattr(cache, "versions", lambda: "another")
    keys.add(cache.graph_key(executors[0], Pipeline("dce"), graph))
    assert len(keys) == 7
    assert None not in keys


# -- what is not kept ---------------------------------------------------------------------------------------------


def of_another_op(x: Any) -> Any:
    class Twice(Op):
        """An op of somebody else's."""

        def infer(self, *xs: Any) -> Any:
            return xs[0]

        def eval(self, xp: Any, *xs: Any) -> Any:
            return 2 * xs[0]

    del OPS["twice"]
    return Twice()(x)


def local_error(x: Any) -> Any:
    class Local(Exception):
        pass

    if np.sum(x) < 0:
        raise Local("negative")
    return x


@pytest.mark.parametrize(
    "function",
    [
        of_another_op,
        lambda x: graphad.pure_callback(np.sin, graphad.ShapeDtype((3, 4), np.dtype(float)), x),
        local_error,
    ],
)
def test_what_holds_objects_of_the_users_is_not_kept(function: Any) -> None:
    for _ in range(2):
        assert not graphad.jit(function, executor="llvm").compile(X).loaded


def test_what_others_take_part_in_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def mine(graph: graphad.Graph) -> graphad.Graph:
        return graph

    class Derived(LLVMExecutor):
        pass

    graph = graphad.trace(loop)(X)
    assert cache.graph_key(LLVMExecutor(), Pipeline([mine]), graph) is None
    monkeypatch.setitem(PASSES, "mine", mine)
    assert cache.graph_key(LLVMExecutor(), Pipeline("mine"), graph) is None
    assert cache.graph_key(Derived(), Pipeline("dce"), graph) is None
    assert cache.graph_key(LLVMExecutor(guard=True), Pipeline("dce"), graph) is None
    monkeypatch.setenv("GRAPHAD_DEBUG", "1")
    assert cache.graph_key(LLVMExecutor(), Pipeline("dce"), graph) is None


@pytest.mark.parametrize("position", [10, 60, -1])
def test_damaged_entries_are_compiled_anew(folder: Path, position: int) -> None:
    wanted = graphad.jit(loop, executor="llvm").compile(X)(X)[0]
    for path in folder.glob("*.o"):
        data = bytearray(path.read_bytes())
        data[position] ^= 1
        path.write_bytes(data)
        compiled = graphad.jit(loop, executor="llvm").compile(X)
        assert not compiled.loaded
        np.testing.assert_array_equal(compiled(X)[0], wanted)

"""Tracebacks show the user's frames, whatever public function the error leaves; all of them on request."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphad
from graphad.location import is_own

X = np.ones(3)
EXECUTORS = ("numpy", "llvm", "numba")


@pytest.fixture(autouse=True)
def as_users_see_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRAPHAD_TRACEBACK")


def model(x: Any) -> Any:
    return np.sum(x + x[:2])


def raising(x: Any) -> Any:
    raise ValueError("the user's own")


def branching(x: Any) -> Any:
    if x[0] > 0:
        x = x * np.ones(4)
    return x


def dividing(x: Any) -> Any:
    return graphad.pure_callback(lambda v: 1 / 0, graphad.ShapeDtype(3), x)


def chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    pending: list[BaseException | None] = [error]
    while pending:
        one = pending.pop()
        if one is not None and one not in found:
            found.append(one)
            pending += [one.__cause__, one.__context__]
    return found


def caught(run: Callable[[], Any]) -> Exception:
    with pytest.raises(Exception) as info:
        run()
    return info.value


RUNS: dict[str, tuple[Callable[[], Any], str]] = {
    "grad": (lambda: graphad.grad(model)(X), "model"),
    "value_and_grad": (lambda: graphad.value_and_grad(model)(X), "model"),
    "jvp": (lambda: graphad.jvp(model, (X,), (X,)), "model"),
    "vjp": (lambda: graphad.vjp(model, X), "model"),
    "linearize": (lambda: graphad.linearize(model, X), "model"),
    "hessian": (lambda: graphad.hessian(model)(X), "model"),
    "vmap": (lambda: graphad.vmap(model)(np.ones((2, 3))), "model"),
    "trace": (lambda: graphad.trace(model)(X), "model"),
    "eval_shape": (lambda: graphad.eval_shape(model, X), "model"),
    "jit": (lambda: graphad.jit(model)(X), "model"),
    "compile": (lambda: graphad.jit(model).compile(X), "model"),
    "nested": (lambda: graphad.jit(lambda x: graphad.grad(model)(x))(X), "model"),
    "scan": (lambda: graphad.scan(lambda c, x: (model(x), c), 0.0, np.ones((2, 3))), "model"),
    "check_grads": (lambda: graphad.check_grads(model, (X,)), "model"),
    "user": (lambda: graphad.grad(raising)(X), "raising"),
    "branch": (lambda: graphad.jit(branching)(X), "branching"),
    "argument": (lambda: graphad.jit(model)("text"), "<lambda>"),
    "cotangent": (lambda: graphad.vjp(np.sin, X)[1](X[:2]), "<lambda>"),
    "options": (lambda: graphad.jit(np.sin, executor="none")(X), "<lambda>"),
}


@pytest.mark.parametrize("name", RUNS)
def test_only_the_users_frames(name: str) -> None:
    run, innermost = RUNS[name]
    error = caught(run)
    frames = traceback.extract_tb(error.__traceback__)
    assert frames[-1].name == innermost
    assert all(Path(f.filename).name in ("test_tracebacks.py", "python.py", "raises.py") for f in frames)
    for one in chain(error):
        assert not any(is_own(frame.f_code) for frame, _ in traceback.walk_tb(one.__traceback__))


@pytest.mark.parametrize("executor", EXECUTORS)
def test_errors_of_compiled_code(executor: str) -> None:
    error = caught(lambda: graphad.jit(dividing, executor=executor)(X))
    assert isinstance(error, ZeroDivisionError)
    frames = traceback.extract_tb(error.__traceback__)
    assert "1 / 0" in str(frames[-1].line)
    assert not any(is_own(frame.f_code) for frame, _ in traceback.walk_tb(error.__traceback__))
    singular = graphad.jit(np.linalg.inv, executor=executor)
    error = caught(lambda: singular(np.zeros((2, 2))))
    assert isinstance(error, np.linalg.LinAlgError)
    assert not any(is_own(frame.f_code) for frame, _ in traceback.walk_tb(error.__traceback__))


def test_all_frames_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHAD_TRACEBACK", "full")
    error = caught(lambda: graphad.grad(model)(X))
    assert any(is_own(frame.f_code) for frame, _ in traceback.walk_tb(error.__traceback__))


def test_a_cause_that_says_something_is_kept() -> None:
    def converting(x: Any) -> Any:
        if x[0] > 0:
            raise ValueError("negative")
        return x

    error = caught(lambda: graphad.vmap(converting)(np.ones((2, 3))))
    if isinstance(error, graphad.GraphadError):
        assert isinstance(error.__cause__, ValueError)
    unknown = caught(lambda: graphad.jit(lambda x: [i for i in range(3) if x[i] > 0])(X))
    assert unknown.__cause__ is None


def test_an_accident_within_graphad_keeps_its_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphad.api.derivatives.passes", None)
    error = caught(lambda: graphad.grad(lambda x: np.sum(x) ** 7.5)(X))
    assert isinstance(error, AttributeError)
    assert any(is_own(frame.f_code) for frame, _ in traceback.walk_tb(error.__traceback__))

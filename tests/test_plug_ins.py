"""An executor in a package of its own that runs twelve ops: the others are decomposed, run by NumPy, or refused."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphad
from graphad import executors, passes
from graphad.errors import ExecutorError
from graphad.executors import base
from graphad.testing import conformance, samples

ELSEWHERE = str(Path(__file__).resolve().parent / "elsewhere")


@pytest.fixture(scope="module")
def twelve() -> Iterator[Any]:
    """The executor, found by the entry point of a package that is on the path as an installed one is."""
    sys.path.insert(0, ELSEWHERE)
    try:
        yield executors.get("twelve")
    finally:
        sys.path.remove(ELSEWHERE)
        for name in ("twelve", "strict_twelve"):
            base._EXECUTORS.pop(name, None)
        sys.modules.pop("twelve_ops", None)


def test_conformance_by_decomposition_and_fallback(twelve: Any) -> None:
    first: dict[str, list[Any]] = {}
    for sample in samples():
        first.setdefault(sample.op.name, []).append(sample)
    chosen = [group[0] for group in list(first.values())[::6]]
    report = conformance(twelve, chosen, raise_=False)
    assert not report.failures, str(report)
    assert len(report.passed) > 2 * len(chosen)


@pytest.mark.slow
def test_conformance_of_all_samples(twelve: Any) -> None:
    report = conformance(twelve)
    assert len(report.passed) > 3000


def test_the_executor_runs_what_it_supports_and_numpy_the_rest(twelve: Any) -> None:
    def f(x: Any, a: Any) -> Any:
        y = np.sin(x) * np.linalg.norm(x) + 1.0
        z = np.linalg.solve(a, y)
        return np.exp(-z) @ y

    x, a = np.array([0.3, -1.2, 0.7]), np.eye(3) + 0.1
    fast = graphad.jit(graphad.value_and_grad(f, argnums=(0, 1)), executor=twelve)
    twelve.count.clear()
    value, (by_x, by_a) = fast(x, a)
    wanted, (wanted_x, wanted_a) = graphad.value_and_grad(f, argnums=(0, 1))(x, a)
    np.testing.assert_allclose(value, wanted)
    np.testing.assert_allclose(by_x, wanted_x)
    np.testing.assert_allclose(by_a, wanted_a)
    assert {"sin", "cos", "exp", "multiply"} <= twelve.count.keys()


def test_an_op_with_regions_runs_where_its_ops_do(twelve: Any) -> None:
    class Loops(type(twelve)):  # type: ignore[misc]
        def supports(self, op: Any) -> bool:
            return op.name == "scan" or super().supports(op)

        def compile(self, graph: Any) -> Any:
            assert not [node for node in graph.walk() if not self.supports(node.op)]
            return executors.get("numpy").compile(graph)

    def f(x: Any) -> Any:
        x = graphad.fori_loop(0, 3, lambda i, c: np.sin(c) + 1.0, x)
        return graphad.fori_loop(0, 3, lambda i, c: np.cbrt(c) + 1.0, x)

    x = np.ones(2)
    np.testing.assert_allclose(graphad.jit(f, executor=Loops())(x), f(x))


def test_what_is_decomposed_needs_no_fallback(twelve: Any) -> None:
    square = graphad.trace(lambda x: x**3)(np.ones(3))
    lowered = base.wanted(twelve, square)(passes.simplify(square))
    assert {node.op.name for node in lowered.nodes} <= {"multiply", "square", "broadcast_to"}


def test_refused_at_compile_time_with_op_and_line(twelve: Any) -> None:
    strict = executors.get("strict_twelve")
    np.testing.assert_allclose(graphad.jit(lambda x: np.sin(x) * x, executor=strict)(np.ones(2)), np.sin(np.ones(2)))
    with pytest.raises(ExecutorError, match=r"does not support cbrt of f64\[2\] \(.*test_plug_ins.py:\d+"):
        graphad.jit(lambda x: np.cbrt(x) + x, executor=strict).compile(np.ones(2))


def test_fallback_runs_a_node_and_tells_the_line() -> None:
    graph = graphad.trace(np.linalg.inv)(np.eye(2))
    run = executors.fallback(graph.nodes[-1])
    (found,) = run(2 * np.eye(2))
    np.testing.assert_allclose(found, np.eye(2) / 2)
    with pytest.raises(np.linalg.LinAlgError) as caught:
        run(np.zeros((2, 2)))
    assert "raised at" in "".join(caught.value.__notes__)

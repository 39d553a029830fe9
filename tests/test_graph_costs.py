"""What a graph costs, and the chain of operations that a run waits for."""

from __future__ import annotations

from typing import Any

import numpy as np

import graphad
from graphad.passes.cost import critical_path, estimate


def test_the_longest_chain_is_told_with_its_flops() -> None:
    def f(a: Any, x: Any) -> Any:
        y = a @ (a @ x)
        return y + np.sin(np.sin(np.sin(x)))

    graph = graphad.trace(f)(np.ones((20, 20)), np.ones(20))
    path, flops = critical_path(graph)
    assert [node.op.name for node in path] == ["dot_general", "dot_general", "add"]
    assert flops == sum(node.op.flops(*[v.type for v in node.inputs]) for node in path)
    assert flops < estimate(graph).flops


def test_a_graph_without_operations_has_no_chain() -> None:
    assert critical_path(graphad.trace(lambda x: x)(1.0)) == ([], 0)


def test_the_report_names_the_lines_that_a_run_waits_for() -> None:
    def f(a: Any, x: Any) -> Any:
        return np.sum(np.sin(a @ x))

    report = graphad.jit(f, executor="numpy").compile(np.ones((20, 20)), np.ones(20)).report()
    assert "100% of them" in report
    assert "np.sum(np.sin(a @ x))" in report

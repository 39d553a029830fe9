"""Long and wide programs: no recursion over a graph, and time in proportion to its size."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad
from graphad import passes
from graphad.build import Builder
from graphad.graph import Constant, Graph
from graphad.op import OPS
from graphad.ops.regions.scan import Scan
from graphad.types import TensorType


def beside_a_loop(n: int) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        terms = [x * i + 1 for i in range(n)]
        s = x
        for _ in range(40):
            s = 0.5 * s + 1e-9 * x
        return s + sum([np.sin(v) for v in terms])

    return f


@pytest.mark.parametrize("executor", ["llvm", "numpy"])
def test_a_long_chain_of_additions_beside_a_loop(executor: str) -> None:
    f = beside_a_loop(1500)
    np.testing.assert_allclose(graphad.jit(f, executor=executor)(0.5), f(0.5))


def test_the_gradient_of_a_long_chain_of_additions_beside_a_loop() -> None:
    f = beside_a_loop(700)
    np.testing.assert_allclose(graphad.jit(graphad.grad(f))(0.5), graphad.grad(f)(0.5))


def test_a_thousand_arguments_and_results() -> None:
    f = graphad.jit(lambda *xs: (sum(xs), *[x * 2 for x in xs]))
    xs = [float(k) for k in range(1000)]
    total, *doubled = f(*xs)
    assert total == sum(xs)
    assert [float(x) for x in doubled] == [2 * x for x in xs]


def waves(*xs: Any) -> Any:
    return sum([x * np.sin(x) for x in xs])


def test_code_for_many_numbers_is_in_functions_of_bounded_size() -> None:
    """The time in which a processor's code is found grows with the square of a function's length."""
    n = 900
    xs = [k / n for k in range(n)]
    graph = graphad.trace(graphad.value_and_grad(waves, argnums=tuple(range(n))))(*xs)
    compiled = graphad.compile(graph, executor="llvm")
    for found, wanted in zip(compiled(*xs), graph.eval(*xs), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-10)
    bodies = compiled.source("ir").split("\ndefine ")[1:]
    assert max(body.count("\n") for body in bodies) < 4000


def nested(depth: int) -> Graph:
    """Loops that change an array in place, within one another; before each stands one with no other inside."""
    builder = Builder("body")
    x = builder.input(TensorType("f8", (4,)))
    if not depth:
        (entry,) = builder.emit(OPS["gather"]((0,)), (x, Constant(np.array([0]))))
        return builder.finish(builder.emit(OPS["scatter_add"]((0,)), (x, entry, Constant(np.array([1])))))
    (y,) = builder.emit(Scan(nested(0), 0, 2, 1), (x,))
    return builder.finish(builder.emit(Scan(nested(depth - 1), 0, 1, 1), (y,)))


def test_loops_nested_deep() -> None:
    """Each transformation goes through a loop's body once, or the time would double with every level."""
    depth = 40
    graph, x = nested(depth), np.array([1.0, 2.0, 3.0, 4.0])
    wanted = x + np.array([0, 2 * depth + 1, 0, 0])
    tangent = np.array([1.0, 0.0, -1.0, 0.5])
    moved = tangent + np.array([0, 2 * depth + 1, 0, 0]) * tangent[0]
    for executor in ("numpy", "llvm"):
        found = graphad.compile(passes.jvp(graph), executor=executor)(x, tangent)
        np.testing.assert_allclose(found, [wanted, moved])
        _, back = graphad.compile(passes.vjp(graph), executor=executor)(x, tangent)
        np.testing.assert_allclose(back @ tangent, moved @ tangent)
        (rows,) = graphad.compile(passes.vmap(graph, 2), executor=executor)(np.stack([x, x]))
        np.testing.assert_allclose(rows, [wanted, wanted])


def adding() -> Graph:
    """The body of a loop that adds its entries, and stacks their sines."""
    row = TensorType("f8", (4,))
    inside = Builder("body")
    total, entry = inside.input(row), inside.input(row)
    return inside.finish([*inside.emit(OPS["add"], (total, entry)), *inside.emit(OPS["sin"], (entry,))])


def sums_beside(n: int) -> Graph:
    """Loops that each add to zeros and stack what they add, and a chain of additions of all of them to something else;
    every other one depends on what a loop has stacked."""
    body, builder = adding(), Builder("f")
    rows = builder.input(TensorType("f8", (3, 4)))
    zeros = Constant(np.zeros(4))
    loops = [builder.emit(Scan(body, 0, 3, 1), (zeros, rows)) for _ in range(n)]
    (found,) = builder.emit(OPS["max"]((0,)), (rows,))
    for i, (part, stacked) in enumerate(loops):
        if i % 2:
            (more,) = builder.emit(OPS["max"]((0,)), (stacked,))
            (found,) = builder.emit(OPS["multiply"], (found, more))
        (found,) = builder.emit(OPS["add"], (part, found) if i % 3 else (found, part))
    return builder.finish([found])


def calls(f: Callable[[], Any]) -> int:
    """How many functions are called in a call."""
    count = 0

    def counted(frame: Any, event: str, arg: Any) -> None:
        nonlocal count
        count += event.endswith("call")

    sys.setprofile(counted)
    try:
        f()
    finally:
        sys.setprofile(None)
    return count


def test_sums_are_continued_in_time_that_grows_with_the_graph() -> None:
    graph = sums_beside(9)
    after = passes.accumulate(graph).verify()
    # Those that the loop's own stacked rows are multiplied to stay.
    assert sum([node.op is OPS["add"] for node in after.nodes]) == 4
    x = np.arange(12.0).reshape(3, 4) / 10
    np.testing.assert_allclose(after.eval(x), graph.eval(x))
    few, many = (calls(lambda graph=graph: passes.accumulate(graph)) for graph in map(sums_beside, (50, 400)))
    assert many < 9 * few


def loops_beside(n: int) -> Graph:
    """Loops of one length: some read only the argument, some what the one before stacks, some where one ended."""
    body, builder = adding(), Builder("f")
    rows = builder.input(TensorType("f8", (3, 4)))
    start, ended, stacked = Constant(np.zeros(4)), Constant(np.ones(4)), rows
    found = []
    for i in range(n):
        ended, stacked = builder.emit(
            Scan(body, 0, 3, 1), (ended if i % 3 == 2 else start, stacked if i % 3 == 1 else rows)
        )
        found.append(ended)
    return builder.finish([*found, stacked])


def test_loops_are_merged_in_time_that_grows_with_the_graph() -> None:
    graph = loops_beside(9)
    after = passes.merge_loops(graph).verify()
    assert len(after.nodes) == 2
    x = np.arange(12.0).reshape(3, 4) / 10
    for a, b in zip(after.eval(x), graph.eval(x), strict=True):
        np.testing.assert_allclose(a, b)
    few, many = (calls(lambda graph=graph: passes.merge_loops(graph)) for graph in map(loops_beside, (50, 400)))
    assert many < 9 * few

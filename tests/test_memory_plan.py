"""Which buffers share memory: nothing is written over before its last read, and a verifier finds plans that do so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_llvm_random import case

import graphad
from graphad.errors import ExecutorError
from graphad.executors.llvm import LOCAL, LLVMExecutor
from graphad.executors.llvm.guard import temporaries
from graphad.executors.loops import Program, layout, lower, verify
from graphad.executors.loops.program import (
    Branch,
    Buffer,
    Iteration,
    Load,
    LoopNest,
    RowLoops,
    SequentialLoop,
    Store,
    StridedView,
)
from graphad.graph import Graph
from graphad.ops.scalar import Const, operation
from graphad.types import FLOAT64, INT64

X = np.linspace(-1, 1, 12)


def optimised(graph: Graph) -> Graph:
    return graphad.Pipeline(LLVMExecutor().pipeline)(graph)


def program(f: Any, *args: Any) -> Program:
    return lower(optimised(graphad.trace(f)(*args)), lanes=8, local=LOCAL)


# -- programs that read memory after it was used again ------------------------------------------------------------


@pytest.mark.parametrize("executor", ["llvm", "numba"])
@pytest.mark.parametrize("reduce", [np.min, np.max])
def test_a_number_that_a_copy_onto_itself_reads_stays_read(reduce: Any, executor: str) -> None:
    def f(z: Any) -> Any:
        m = reduce(z, keepdims=True)
        return np.sort(m), m * 2, np.cumsum(z + 1)

    z = np.arange(17)[::-1] * (1 - 2j) + 1
    verify(program(f, z))
    for a, b in zip(graphad.jit(f, executor=executor)(z), f(z), strict=True):
        np.testing.assert_allclose(a, b)


TABLE = np.array([[0.1, 0.5, 0.2], [0.3, 0.2, 0.1], [0.2, 0.3, 0.4]])


def by_elements(u: Any, n: int) -> Any:
    for i in range(n):
        a = np.sin(u @ TABLE)
        u[i % 3] = a[(i + 1) % 3]
        b = np.cos(u @ TABLE)
        u[(i + 1) % 3] = b[(i + 1) % 3]
    return u


def by_rows(u: Any, n: int) -> Any:
    rows = np.linspace(-1, 1, 120).reshape(40, 3)
    for i in range(n):
        a = np.sin((rows * u) @ TABLE)
        u[i % 3] = a[(i + 1) % 3, i % 3]
        b = np.cos((rows * u) @ TABLE)
        u[(i + 1) % 3] = b[(i + 1) % 3, i % 3]
    return u


@pytest.mark.parametrize("executor", ["llvm", "numba", "numpy"])
@pytest.mark.parametrize("f", [by_elements, by_rows])
def test_elements_are_read_again_after_a_loop_changed_them_in_place(f: Any, executor: str) -> None:
    u = np.array([0.1, 0.2, 0.3])
    np.testing.assert_allclose(graphad.jit(f, executor=executor)(u, 20), f(u.copy(), 20), rtol=1e-12)


@pytest.mark.parametrize("executor", ["llvm", "numba", "numpy"])
def test_a_carry_that_two_loops_update_is_taken_by_one_of_them(executor: str) -> None:
    def f(x: Any) -> Any:
        a = np.zeros(3)
        for i in range(35):
            for j in range(i % 3):
                a[j] += x
                if a[j] > 10.2:
                    break
        return a.sum()

    # The derivative's loop computes what the value's loop computes, each from the array before it.
    assert graphad.jit(f, executor=executor)(1.0) == f(1.0) == 28.0
    assert graphad.jit(graphad.jacfwd(f), executor=executor)(1.0) == 28.0


# -- the verifier -------------------------------------------------------------------------------------------------


def made(statements: list[Any], nbytes: int) -> Program:
    return Program("p", [], [], (), (), statements, [], [], arena_bytes=nbytes)


def buffer(offset: int, size: int = 4) -> Buffer:
    return Buffer("temporary", FLOAT64, size, offset=offset)


def fill(b: Buffer) -> LoopNest:
    return LoopNest((b.size,), [Store(StridedView.whole(b, (b.size,)), Const(FLOAT64, np.float64(1.0)))], note="fill")


def copy(a: Buffer, b: Buffer, backwards: bool = False) -> LoopNest:
    source, target = (StridedView.whole(x, (x.size,)) for x in (a, b))
    value = operation("negative", Load(FLOAT64, source.reverse((0,)) if backwards else source))
    return LoopNest((b.size,), [Store(target, value)], note="copy")


def wrong(statements: list[Any], match: str, nbytes: int = 256) -> None:
    with pytest.raises(ExecutorError, match=match):
        verify(made(statements, nbytes))


def test_memory_is_read_before_it_is_written_again() -> None:
    a, b, c = buffer(0), buffer(64), buffer(0)
    verify(made([fill(a), copy(a, b), fill(c), copy(c, b)], 256))
    wrong([fill(a), fill(c), copy(a, b)], "copy needs the temporary of 32 bytes at 0, which holds the temporary")
    wrong([copy(a, b)], "which holds nothing that is known")
    part = LoopNest((2,), [Store(StridedView(a, 0, (2,), (1,)), Const(FLOAT64, np.float64(1.0)))])
    wrong([part, copy(a, b)], "which holds nothing that is known")
    wrong([fill(a), copy(a, buffer(0)), copy(a, b)], "which holds the temporary")


def test_a_loop_may_write_where_it_reads_at_the_same_position_only() -> None:
    a, same, shifted = buffer(0), buffer(0), buffer(8)
    verify(made([fill(a), copy(a, same)], 256))
    wrong([fill(a), copy(a, same, backwards=True)], "which it writes at another position")
    wrong([fill(a), copy(a, shifted)], "which it writes at another position")


def test_views_stay_in_their_buffers() -> None:
    a = buffer(0)
    wrong([LoopNest((5,), [Store(StridedView(a, 0, (5,), (1,)), Const(FLOAT64, np.float64(1.0)))])], "outside of it")


def test_every_path_must_have_written_what_is_read() -> None:
    a, b, c = buffer(0), buffer(64), buffer(128)
    chosen = Load(FLOAT64, StridedView(c, 0, (), ()))
    selector = operation("less", chosen, Const(FLOAT64, np.float64(0.5)))
    before = [LoopNest((), values=[selector])]
    verify(made([fill(c), Branch(selector, [[fill(a)], [fill(a)]], before), copy(a, b)], 256))
    wrong([fill(c), Branch(selector, [[fill(a)], [fill(b)]], before), copy(a, b)], "copy needs")


def iterations(n: int | None, body: list[Any], **parts: Any) -> SequentialLoop:
    return SequentialLoop(Iteration(INT64), None if n is None else Const(INT64, np.int64(n)), body, **parts)


def test_what_the_next_iteration_reads_outlives_this_one() -> None:
    a, b, c = buffer(0), buffer(64), buffer(0)
    verify(made([fill(a), iterations(5, [copy(a, b)]), copy(b, a)], 256))
    verify(made([fill(a), iterations(1, [copy(a, b), fill(c)])], 256))
    wrong([fill(a), iterations(5, [copy(a, b), fill(c)])], "copy needs")
    # A loop that need not run has written nothing for certain.
    test = Const(np.dtype(bool), np.bool_(True))
    wrong([fill(a), iterations(None, [copy(a, b)], test=test), copy(b, a)], "copy needs")


@pytest.mark.parametrize("n", [1, 2, 3, 4, None])
def test_buffers_that_change_places(n: int | None) -> None:
    a, b = buffer(0), buffer(64)
    old, new = (Buffer("moving", FLOAT64, 4, parents=p) for p in ((a, b), (b, a)))
    result = buffer(128)
    test = None if n is not None else Const(np.dtype(bool), np.bool_(True))

    def loop(*more: Any) -> list[Any]:
        repeat = iterations(n, [copy(old, new), *more], swaps=[(old, new)], test=test)
        if n is None:
            repeat.after = [copy(old, result)]
            return [fill(a), repeat]
        return [fill(a), repeat, copy(b if n % 2 else a, result)]

    verify(made(loop(), 256))
    wrong(loop(fill(buffer(64))), "copy needs")
    if n != 1:
        wrong(loop(fill(buffer(0))), "copy needs")


def test_loops_that_take_turns_share_rows_only() -> None:
    a, b, c = (buffer(at, 16) for at in (0, 128, 256))

    def rows(first: StridedView, second: StridedView, third: StridedView) -> list[Any]:
        loops = [LoopNest((4, 4), [Store(t, Load(FLOAT64, s))]) for s, t in ((first, second), (second, third))]
        return [fill(a), RowLoops(loops)]

    x, y, z = (StridedView.whole(v, (4, 4)) for v in (a, b, c))
    verify(made(rows(x, y, z), 384))
    crossed = [LoopNest((4, 4), [Store(t, Load(FLOAT64, s))]) for s, t in ((x, y), (y.transpose((1, 0)), z))]
    wrong([fill(a), RowLoops(crossed)], "another row", 384)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_plan_that_gives_other_numbers_is_found(data: Any) -> None:
    """Two temporaries of a program put in one place: either all is as before, or the verifier says so."""
    made = case(lambda n: data.draw(st.integers(0, n - 1)))
    executor = LLVMExecutor(threads=1)
    graph = optimised(made.graph)
    plan = lower(graph, lanes=8, local=LOCAL)
    verify(plan)
    found = temporaries(plan)
    if len(found) < 2:
        return
    a, b = (found[data.draw(st.integers(0, len(found) - 1))] for _ in range(2))
    with np.errstate(all="ignore"):
        expected = executor.build(plan)(*made.args)
    a.offset = min(b.offset, plan.arena_bytes - a.nbytes) // 64 * 64
    try:
        verify(plan)
    except ExecutorError:
        return
    with np.errstate(all="ignore"):
        for x, y in zip(executor.build(plan)(*made.args), expected, strict=True):
            np.testing.assert_array_equal(x, y)


def test_guarded_programs_are_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    def f(x: Any) -> Any:
        return np.cumsum(np.sort(x) + np.sort(x * 2)) + np.sort(x)

    graph = graphad.trace(f)(X)
    LLVMExecutor(guard=True).compile(optimised(graph))
    monkeypatch.setattr(layout, "pack", lambda intervals: ([0] * len(intervals), max(i.nbytes for i in intervals)))
    with pytest.raises(ExecutorError, match="the plan of memory is wrong"):
        LLVMExecutor(guard=True).compile(optimised(graph))

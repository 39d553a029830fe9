"""The LLVM executor: every op against NumPy, in guarded memory too; arguments, results, errors, threads, code."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from many_threads import in_threads

import graphad
from graphad.errors import ExecutorError, GraphadError, ShapeError, TypeMismatchError
from graphad.executors import cache
from graphad.executors.llvm import LLVMExecutor, engine
from graphad.executors.llvm.entry import STACK_BYTES
from graphad.executors.llvm.executable import POOLED_BYTES
from graphad.executors.llvm.guard import GAP
from graphad.executors.loops import Program, lower, packing
from graphad.executors.loops.program import Buffer, Load, LoopNest, Store, StridedView, loops_of, roots, walk
from graphad.op import OPS, Sample
from graphad.ops.shape import iota
from graphad.testing import conformance, samples

RNG = np.random.default_rng(0)


PARTS = 8


def some_samples() -> list[Sample]:
    """The first sample of each op, and one in eight of the others."""
    found = [[*samples([name])] for name in OPS]
    return [x for own in found for x in own[:1]] + [x for own in found for x in own[1:]][::8]


@pytest.mark.parametrize("part", range(2))
def test_first_samples(part: int) -> None:
    chosen = some_samples()
    assert len(conformance(LLVMExecutor(), chosen[part::2], plumbing=part == 0).passed) > len(chosen)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_every_sample(part: int) -> None:
    report = conformance(LLVMExecutor(), [*samples()][part::PARTS], plumbing=False)
    assert len(report.passed) > 2500 / PARTS


@pytest.mark.parametrize("step", [16, pytest.param(1, marks=pytest.mark.slow)])
def test_samples_with_bounds_and_threads(step: int) -> None:
    for options in ({"guard": True}, {"guard": True, "threads": 3, "math": "precise"})[: 1 if step > 1 else 2]:
        report = conformance(LLVMExecutor(**options), [*samples()][::step])
        assert len(report.passed) > 2500 / step


def test_one_lane_spread_over_a_whole_result() -> None:
    def f(x: Any, y: Any) -> Any:
        return np.sum(x).reshape(1) + np.broadcast_to(y, (2, 3, 3))

    x, y = RNG.normal(size=17), RNG.normal(size=(3, 1))
    np.testing.assert_allclose(graphad.jit(f, executor="llvm")(x, y), f(x, y), rtol=1e-12)


@pytest.mark.parametrize("guard", [False, True])
def test_an_operand_is_packed_for_a_loop_that_asks_for_positions(guard: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("SIZE", 1), ("REUSE", 1), ("_GAIN", 0.0)):
        monkeypatch.setattr(packing, name, value)

    def f(x: Any, c: Any) -> Any:
        return np.min(np.sum((x[:, None, :] - c) ** 2 * iota(4, np.float64), axis=-1), axis=1)

    x, c = RNG.normal(size=(200, 4)), RNG.normal(size=(60, 4))
    found = graphad.jit(f, executor="llvm", guard=guard)
    np.testing.assert_allclose(found(x, c), f(x, c), rtol=1e-12)


# -- guarded memory ---------------------------------------------------------------------------------------------

WEIGHTS = RNG.normal(size=20)


def chain(x: Any) -> Any:
    return np.cumsum(np.cumsum(x) * WEIGHTS) * 2.0


def program(fun: Any, *args: Any) -> Program:
    executor = LLVMExecutor(guard=True)
    graph = graphad.compile(graphad.trace(fun)(*args), executor=executor).graph
    return lower(graph, lanes=executor.lanes, gap=GAP)


def loops(found: Program) -> list[LoopNest]:
    return [loop for s in found.statements for loop in loops_of(s)]


def guarded(found: Program) -> Any:
    return LLVMExecutor(guard=True).build(found)


def loads(loop: LoopNest) -> list[Load]:
    return [x for x in walk(roots(loop)) if isinstance(x, Load) and x.view.shape]


def stored(found: Program, kind: str) -> tuple[LoopNest, Store]:
    """The first loop that stores to a buffer of a kind, and the store."""
    return next((loop, s) for loop in loops(found) for s in loop.stores if s.view.buffer.kind == kind)


def moved(view: StridedView, by: int) -> StridedView:
    return StridedView(view.buffer, view.offset + by, view.shape, view.strides)


def test_what_stays_in_bounds_passes() -> None:
    x = RNG.normal(size=20)
    np.testing.assert_allclose(guarded(program(chain, x))(x)[0], chain(x), rtol=1e-12)
    assert any(s.view.buffer.kind == "temporary" for loop in loops(program(chain, x)) for s in loop.stores)


@pytest.mark.parametrize(
    ("kind", "by", "message"),
    [
        ("output", 1, r"wrote outside of output 0, at byte 160 of its 160"),
        ("output", -1, r"wrote outside of output 0, at byte -8 of its 160"),
        ("temporary", 1, r"wrote outside of the temporary at byte \d+ of the arena, at byte 160 of its 160"),
        ("temporary", -3, r"wrote outside of the temporary at byte \d+ of the arena, at byte -24 of its 160"),
    ],
)
def test_a_write_out_of_bounds_is_found(kind: str, by: int, message: str) -> None:
    x = RNG.normal(size=20)
    found = program(chain, x)
    _, store = stored(found, kind)
    store.view = moved(store.view, by)
    with pytest.raises(ExecutorError, match=message):
        guarded(found)(x)


def test_a_store_that_is_wider_than_its_buffer_is_found() -> None:
    x = RNG.normal(size=1000)
    found = program(lambda x: x * 2.0 + 1.0, x)
    loop, store = stored(found, "output")
    loop.space = (1001,)
    store.view = StridedView(store.view.buffer, 0, (1001,), (1,))
    for load in loads(loop):
        load.view = StridedView(load.view.buffer, 0, (1001,), (1,))
    with pytest.raises(ExecutorError, match="output 0, at byte 8000 of its 8000"):
        guarded(found)(x)


def test_an_addition_out_of_bounds_is_found() -> None:
    scatter = OPS["scatter_add"]((0,))
    args = np.arange(8.0), np.ones(3), np.array([7, 7, 3])
    found = program(lambda x, u, i: scatter(x, u, i), *args)
    (store,) = [s for loop in loops(found) for s in loop.stores if s.add]
    store.view = moved(store.view, 1)
    with pytest.raises(ExecutorError, match=r"wrote outside of output 0, at byte 7\d of its 64"):
        guarded(found)(*args)


@pytest.mark.parametrize("kind", ["input", "constant"])
def test_a_write_to_what_may_only_be_read_is_found(kind: str) -> None:
    x = RNG.normal(size=20)
    found = program(chain, x)
    _, store = stored(found, "output")
    buffer = found.inputs[0] if kind == "input" else found.constants[0][0]
    store.view = StridedView(buffer, 0, store.view.shape, store.view.strides)
    with pytest.raises(ExecutorError, match=f"changed {kind} 0, at byte 0 of its 160"):
        guarded(found)(x)


@pytest.mark.parametrize("kind", ["input", "temporary", "constant"])
@pytest.mark.parametrize("by", [1, -1])
def test_a_read_out_of_bounds_shows(kind: str, by: int) -> None:
    x = RNG.normal(size=20)
    found = program(lambda x: chain(np.sin(x) * WEIGHTS[::-1]), x)
    load = next(y for loop in loops(found) for y in loads(loop) if y.view.buffer.kind == kind)
    load.view = moved(load.view, by)
    assert np.isnan(guarded(found)(x)[0]).any()


def test_a_read_of_uninitialised_memory_shows() -> None:
    x = RNG.normal(size=20)
    found = program(chain, x)
    _, store = stored(found, "temporary")
    buffer = Buffer("temporary", store.view.dtype, 20, offset=found.arena_bytes)
    found.arena_bytes += 256
    store.view = StridedView.whole(buffer, (20,))
    assert np.isnan(guarded(found)(x)[0]).any()


@pytest.mark.parametrize("n", [16, 80])
def test_a_product_into_reversed_rows(n: int) -> None:
    # BLAS counts rows upwards only, so such a result goes through a buffer of its own.
    x = np.random.default_rng(n).normal(size=(n, n))
    found = graphad.jit(lambda x, y: (x @ y)[::-1], executor="llvm", guard=True)(x, x)
    np.testing.assert_allclose(found, (x @ x)[::-1], rtol=1e-10, atol=1e-10)


def test_guard_is_an_option_of_jit() -> None:
    x = RNG.normal(size=(4, 5))
    function = graphad.jit(lambda x, c: (np.sum(np.sin(x) * c, axis=0), c), guard=True)
    for array in (x, x.T.copy().T, x[::-1]):
        total, c = function(array, 2.0)
        np.testing.assert_allclose(total, np.sum(np.sin(array) * 2.0, axis=0), rtol=1e-12)
        assert type(c) is np.float64
    with pytest.raises(IndexError, match="out of bounds"):
        graphad.jit(lambda x, i: x[i], guard=True)(x, np.array([4]))


# -- arguments --------------------------------------------------------------------------------------------------

ARGUMENTS = {
    "as compiled": lambda x: x,
    "transposed": lambda x: np.asfortranarray(x),
    "strided": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "reversed": lambda x: x[::-1].copy()[::-1],
    "broadcast": lambda x: np.broadcast_to(x[:1], x.shape),
    "readonly": lambda x: np.lib.stride_tricks.as_strided(x, writeable=False),
    "misaligned": lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape),
    "big-endian": lambda x: x.astype(">f8"),
    "subclass": lambda x: mapped(x),
    "list": lambda x: x.tolist(),
    "float32": lambda x: x.astype("f4"),
    "integers": lambda x: x.astype("i8"),
    "booleans": lambda x: x > 3,
}


def mapped(x: Any) -> Any:
    """A copy in a file."""
    with tempfile.TemporaryFile() as file:
        found = np.memmap(file, x.dtype, "w+", shape=x.shape)
    found[...] = x
    return found


def columns(x: Any) -> Any:
    return np.sum(np.asarray(x) * 2.0, axis=0) if isinstance(x, list) else np.sum(x * 2.0, axis=0)


summed = graphad.jit(lambda x: np.sum(x * 2.0, axis=0), executor="llvm")
aligned_only = summed.compile(np.arange(12.0).reshape(3, 4))


@pytest.mark.parametrize("kind", [k for k in ARGUMENTS if k != "list"])
def test_arguments_of_any_kind(kind: str) -> None:
    x = ARGUMENTS[kind](np.arange(12.0).reshape(3, 4))
    found, expected = summed(x), np.sum(np.asarray(x) * 2.0, axis=0)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", ARGUMENTS)
def test_an_executable_takes_what_holds_its_types_and_refuses_the_rest(kind: str) -> None:
    x = ARGUMENTS[kind](np.arange(12.0).reshape(3, 4))
    for executable in (aligned_only.executable, graphad.compile(aligned_only.graph, guard=True).executable):
        if kind in ("float32", "integers", "booleans"):
            with pytest.raises(TypeMismatchError, match=r"argument 0 is an array of .* compiled for f64\[3,4\]"):
                executable(x)
        else:
            np.testing.assert_array_equal(executable(x)[0], np.sum(np.asarray(x) * 2.0, axis=0))


@pytest.mark.parametrize("guard", [False, True])
def test_arguments_of_other_shapes_and_numbers_of_arguments_are_refused(guard: bool) -> None:
    executable = graphad.compile(aligned_only.graph, executor="llvm", guard=guard).executable
    for x in (np.ones(4), np.ones((4, 3)), np.ones((3, 4, 1)), np.ones((3, 0)), 2.0):
        with pytest.raises(ShapeError, match=r"argument 0 .*f64\[3,4\]"):
            executable(x)
    for args in ((), (np.ones((3, 4)), np.ones((3, 4)))):
        with pytest.raises(ShapeError, match=f"{len(args)} arguments were given to a graph of 1 inputs"):
            executable(*args)
    for x in (None, "text", object()):
        with pytest.raises(GraphadError, match="argument 0"):
            executable(x)


def test_numbers_of_python_and_numpy() -> None:
    function = graphad.jit(lambda a, b: (a * b, np.sum(b * a), a + 1), executor="llvm")
    for a in (2.0, np.float64(2.0), np.array(2.0), 2, True, np.float32(2.0), np.int64(2)):
        product, total, more = function(a, np.ones(3))
        expected = a * np.ones(3), np.sum(np.ones(3) * a), np.asarray(a + 1)
        np.testing.assert_array_equal(product, expected[0])
        assert total == expected[1]
        assert more == expected[2]
        assert type(total) is np.float64
    product, total, _ = function(2.0, np.ones((0, 3)))
    assert product.shape == (0, 3)
    assert total == 0.0


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "c16", "c8", "i8", "i4", "u1", "?"])
def test_results_without_axes_are_numbers_of_numpy(dtype: str) -> None:
    x = np.ones(3, dtype)
    function = graphad.jit(lambda x: (x[1], x[2], x), executor="llvm")
    first, second, whole = function(x)
    assert type(first) is type(second) is np.dtype(dtype).type
    assert first == second == 1
    np.testing.assert_array_equal(whole, x)
    single = graphad.jit(lambda x: x[1], executor="llvm")
    assert type(single(x)) is type(single(x)) is np.dtype(dtype).type


def test_many_inputs_and_outputs() -> None:
    n = 300
    arrays = [RNG.normal(size=(i % 5,)) if i % 3 else float(i) for i in range(n)]
    function = graphad.jit(lambda *xs: [x * 2.0 for x in xs], executor="llvm")
    for _ in range(2):
        for found, x in zip(function(*arrays), arrays, strict=True):
            np.testing.assert_array_equal(found, np.asarray(x) * 2.0)


def test_no_inputs_and_no_outputs() -> None:
    (found,) = graphad.compile(graphad.trace(lambda: graphad.numpy.arange(5.0) * 2.0)(), executor="llvm")()
    np.testing.assert_array_equal(found, np.arange(5.0) * 2)
    assert graphad.jit(lambda x: (), executor="llvm")(np.ones(3)) == ()


# -- results ----------------------------------------------------------------------------------------------------

LARGE = POOLED_BYTES // 8 + 1


def test_a_held_result_is_never_overwritten() -> None:
    function = graphad.jit(lambda x, c: x * c, executor="llvm")
    x = RNG.normal(size=LARGE)
    held = [(c, function(x, float(c))) for c in range(10)]
    for c, result in held:
        np.testing.assert_array_equal(result, x * c)
    for i, (_, a) in enumerate(held):
        assert not any(np.shares_memory(a, b) for _, b in held[:i])


def test_views_of_a_result_keep_it_alive() -> None:
    function = graphad.jit(lambda x, c: x * c, executor="llvm")
    x = RNG.normal(size=LARGE)
    views = [function(x, float(c))[c :: c + 1].reshape(1, -1) for c in range(6)]
    for c, view in enumerate(views):
        np.testing.assert_array_equal(view[0], x[c :: c + 1] * c)
    memories = [memoryview(function(x, float(c))) for c in range(6)]
    for c, memory in enumerate(memories):
        np.testing.assert_array_equal(np.asarray(memory), x * c)


def test_memory_of_results_that_died_is_used_again() -> None:
    function = graphad.jit(lambda x: x + 1.0, executor="llvm")
    x = np.zeros(LARGE)
    function(x)
    addresses = set()
    for _ in range(10):
        addresses.add(function(x).ctypes.data)
    assert len(addresses) <= 2


# -- threads ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
def test_many_threads_call_one_function_whose_arena_is_not_on_the_stack(threads: int) -> None:
    def work(x: Any) -> Any:
        return np.sort(np.cumsum(np.cumsum(x, axis=0) * x, axis=1).reshape(-1))[::7] * np.sum(np.cumsum(x))

    function = graphad.jit(work, executor="llvm", threads=threads)
    arguments = [np.random.default_rng(i).normal(size=(90, 91)) for i in range(8)]
    expected = [work(x) for x in arguments]
    assert function.compile(arguments[0]).memory()["arena"] > STACK_BYTES
    wrong: list[int] = []

    def repeat(i: int) -> None:
        for _ in range(40):
            if not np.allclose(function(arguments[i]), expected[i], rtol=1e-9):
                wrong.append(i)

    in_threads(repeat, 8)
    assert not wrong


def test_a_bound_function_keeps_its_program_alive() -> None:
    compiled = graphad.jit(lambda x: np.cumsum(np.cumsum(x) * x), executor="llvm").compile(np.ones(3))
    alive = weakref.ref(compiled.executable)
    function = compiled.executable.bind(lambda *args: None)
    del compiled
    gc.collect()
    np.testing.assert_array_equal(function(np.ones(3))[0], [1.0, 3.0, 6.0])
    del function
    gc.collect()
    assert alive() is None


def test_clearing_the_cache_leaves_a_running_call_alone() -> None:
    x = RNG.normal(size=1_000_000)
    function = graphad.jit(lambda x: np.sin(np.tanh(x) * x) + np.exp(x) * np.cos(x), executor="llvm", threads=1)
    expected = function(x)
    function(x)
    begun, found = threading.Event(), []

    def call() -> None:
        begun.set()
        found.append(function(x))

    worker = threading.Thread(target=call)
    worker.start()
    begun.wait()
    function.clear_cache()
    gc.collect()
    worker.join()
    np.testing.assert_array_equal(found[0], expected)


# -- errors -----------------------------------------------------------------------------------------------------


def test_an_index_error_names_the_users_line() -> None:
    def pick(x: Any, i: Any) -> Any:
        return np.exp(x)[i] * 2.0  # this line

    line = pick.__code__.co_firstlineno + 1
    function = graphad.jit(pick, executor="llvm")
    x = np.arange(4.0)
    np.testing.assert_allclose(function(x, np.array([3, 0])), np.exp(x)[[3, 0]] * 2)
    for i in (4, 1 << 40):
        with pytest.raises(IndexError, match=rf"out of bounds for axis 0 of extent 4 \(test_llvm.py:{line}: "):
            function(x, np.array([0, i]))
    np.testing.assert_allclose(function(x, np.array([1, 2])), np.exp(x)[[1, 2]] * 2)


def test_errors_of_calls_of_numpy_reach_the_caller() -> None:
    def refuse(x: Any) -> Any:
        if x[0] < 0:
            raise ZeroDivisionError("no negative numbers")
        return x * 2.0

    kind = graphad.ShapeDtype((3,), np.float64)
    function = graphad.jit(lambda x: graphad.pure_callback(refuse, kind, x) + 1.0, executor="llvm")
    np.testing.assert_array_equal(function(np.ones(3)), np.full(3, 3.0))
    with pytest.raises(ZeroDivisionError, match="no negative numbers"):
        function(-np.ones(3))
    np.testing.assert_array_equal(function(np.ones(3)), np.full(3, 3.0))


# -- code -------------------------------------------------------------------------------------------------------


def test_memory() -> None:
    x = np.ones((50, 50))
    compiled = graphad.jit(lambda x: (np.cumsum(x, axis=0).T @ np.cumsum(x, axis=1), x + np.eye(50))).compile(x)
    memory = compiled.memory()
    assert memory["results"] == 2 * x.nbytes
    assert memory["constants"] >= x.nbytes
    assert memory["arena"] >= x.nbytes
    assert memory["peak"] == memory["arena"] + memory["results"] + memory["constants"]


def test_source() -> None:
    compiled = graphad.jit(lambda x: np.sum(np.sin(x)), executor="llvm").compile(np.ones(100))
    assert "define i64 @run(ptr noalias %table)" in compiled.source()
    assert compiled.source("ir") == compiled.source()
    assert "run:" in compiled.source("assembly")
    with pytest.raises(ExecutorError, match="no source of the kind 'fortran'; there are 'ir' and 'assembly'"):
        compiled.source("fortran")
    plain = graphad.jit(np.sin, executor="numpy").compile(np.ones(3))
    assert plain.source() == str(plain.graph)
    for executor in ("numpy", "numba"):
        with pytest.raises(ExecutorError, match=f"{executor}: there is no source of the kind 'ir'"):
            graphad.jit(np.sin, executor=executor).compile(np.ones(3)).source("ir")


PRINTED = """
import numpy as np, graphad
def f(x, y, i):
    a = np.tanh(x @ y) + np.sum(x * x, axis=1, keepdims=True)
    b = np.where(a > 0.1, a, np.cumsum(a, axis=0))[i]
    return np.sum(np.pad(b, 1) ** 2) + np.prod(np.sort(b[0])[:3]) + np.max(np.concatenate([b, b[::-1]]))
args = np.ones((9, 4)), np.ones((4, 9)), np.arange(3)
print(graphad.jit(graphad.grad(f), executor="llvm", threads=2).compile(*args).source())
"""


def test_the_same_program_gives_the_same_code_in_every_process() -> None:
    texts = set()
    for seed in ("0", "1", "77"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", PRINTED]
        texts.add(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)
    (text,) = texts
    assert "define" in text


def test_a_warm_start_does_not_run_the_code_generator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHAD_CACHE", "1")
    monkeypatch.setenv("GRAPHAD_CACHE_DIR", str(tmp_path / "cache"))
    cache._written.clear()
    x = RNG.normal(size=50)

    def gradient() -> Any:
        return graphad.jit(graphad.grad(lambda x: np.sum(np.exp(x) * np.sin(x))), executor="llvm")

    cold = gradient()(x)
    assert len(list((tmp_path / "cache").glob("*.o"))) == 1

    def refuse(text: str) -> Any:
        raise AssertionError("the code generator ran")

    monkeypatch.setattr(engine, "optimise", refuse)
    np.testing.assert_array_equal(gradient()(x), cold)
    with pytest.raises(AssertionError, match="the code generator ran"):
        graphad.jit(lambda x: np.cos(x) + 5.0, executor="llvm")(x)


def steps(n: int) -> Any:
    def value(x: Any) -> Any:
        for _ in range(n):
            x = x + 0.01 * np.sin(x)
        return x

    return value


@pytest.mark.parametrize(
    ("function", "arg", "quick"),
    [
        (lambda x: np.sin(x) * x, np.array(0.5), True),
        (lambda x: np.linalg.solve(x @ x.T + np.eye(3), x), RNG.normal(size=(3, 3)), True),
        (lambda x: np.sum(x * x), RNG.normal(size=500), False),
        (steps(50), np.array(0.5), False),
        (lambda x: np.sum(np.exp(x)), RNG.normal(size=300_000), False),
    ],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_code_is_made_quickly_where_a_run_is_short(function: Any, arg: Any, quick: bool, threads: int) -> None:
    compiled = graphad.jit(function, executor="llvm", threads=threads).compile(arg)
    assert compiled.executable.quick is quick  # type: ignore[attr-defined]
    assert ("compiled in the quickest way" in compiled.report()) is quick
    np.testing.assert_allclose(compiled(arg)[0], function(arg), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i2", "?"])
def test_every_second_third_and_fourth_element(dtype: str) -> None:
    x = np.arange(300).astype(dtype)

    def parts(x: Any) -> Any:
        return [x[k : k + 4 * n : n] * x[1 : 1 + 60 * n : n][:4] for n in (2, 3, 4) for k in (0, 3)] + [
            x[: 61 * n : n] + x[1 : 1 + 61 * n : n] for n in (2, 3, 4)
        ]

    source = graphad.jit(parts, executor="llvm").compile(x).source()
    assert source.count("shufflevector") >= 3 or dtype == "?"
    for found, wanted in zip(graphad.jit(parts, executor="llvm")(x), parts(x), strict=True):
        np.testing.assert_array_equal(found, wanted)

"""Loops and branches within compiled functions: native control flow, carries in place, stacks, errors, threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from loop_statements import program_of
from many_threads import in_threads

import graphad
from graphad.executors.loops.program import Branch, HostCall, LoopNest, SequentialLoop
from graphad.executors.loops.statements import all_statements

COMPILED = [{"executor": "llvm"}, {"executor": "llvm", "guard": True}, {"executor": "numba"}]
IDS = ["llvm", "guarded", "numba"]
WITH = pytest.mark.parametrize("options", COMPILED, ids=IDS)


def statements(function: Any, *args: Any, **options: Any) -> list[Any]:
    compiled = graphad.jit(function, **(options or {"executor": "llvm"})).compile(*args)
    return list(all_statements(program_of(compiled).statements))


def check(function: Any, options: dict[str, Any], *args: Any, rtol: float = 1e-12, more: Sequence[Any] = ()) -> None:
    """The compiled function against NumPy's executor, dtypes too, for some arguments and `more` of the same types."""
    compiled, plain = graphad.jit(function, **options), graphad.jit(function, executor="numpy")
    for given in (args, *more):
        found, wanted = compiled(*given), plain(*given)
        for a, b in zip(graphad.tree.leaves(found), graphad.tree.leaves(wanted), strict=True):
            assert np.asarray(a).dtype == np.asarray(b).dtype
            assert np.shape(a) == np.shape(b)
            np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-14)


def newton(a: Any) -> Any:
    return graphad.while_loop(lambda x: abs(x * x - a) > 1e-12, lambda x: 0.5 * (x + a / x), a)


def recurrence(x: Any, n: Any) -> Any:
    return graphad.fori_loop(0, n, lambda i, x: np.sin(x) * 1.1 + 0.1 * i, x)


# -- what is compiled -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("executor", ["llvm", "numba"])
def test_a_loop_is_one_native_loop(executor: str) -> None:
    for function in (newton, graphad.grad(newton), graphad.grad(graphad.grad(newton))):
        found = statements(function, 2.0, executor=executor)
        assert any(isinstance(s, SequentialLoop) for s in found)
        assert not any(isinstance(s, HostCall) for s in found)


def test_a_branch_is_one_native_branch() -> None:
    found = statements(lambda x: graphad.cond(x > 2, np.sin, lambda x: x**3, x), 1.0)
    assert [len(s.branches) for s in found if isinstance(s, Branch)] == [2]


@pytest.mark.parametrize(
    "function", [recurrence, lambda x, n: graphad.grad(recurrence)(x, n)], ids=["value", "gradient"]
)
def test_code_does_not_grow_with_the_trip_count(function: Any) -> None:
    sizes = []
    for n in (10, 10_000):
        compiled = graphad.jit(lambda x, n=n: function(x, n), executor="llvm").compile(0.5)
        sizes.append((len(list(compiled.graph.walk())), compiled.source().count("\n")))
    assert sizes[0] == sizes[1]


def test_a_forward_loop_keeps_nothing_of_its_iterations() -> None:
    short, long = (
        graphad.jit(lambda x, n=n: recurrence(x, n), executor="llvm").compile(np.ones(1000)).memory()["arena"]
        for n in (10, 100_000)
    )
    assert short == long


# -- values -----------------------------------------------------------------------------------------------------

CARRIES = {
    "float": 0.5,
    "single": np.float32(0.5),
    "complex": 0.5 + 0.2j,
    "few": np.linspace(0.1, 0.9, 5),
    "a register": np.linspace(0.1, 0.9, 8),
    "some": np.linspace(0.1, 0.9, 30).reshape(5, 6),
    "many": np.linspace(0.1, 0.9, 300).reshape(30, 10),
    "one": np.array([[0.5]]),
    "none": np.zeros((3, 0)),
}
LENGTHS = (0, 1, 4, 7)


def carries() -> Iterator[Any]:
    """Every carry for every number of iterations; numba, which is slow to compile, takes each carry once."""
    for name, options in zip(IDS, COMPILED, strict=True):
        for i, (kind, x) in enumerate(CARRIES.items()):
            for n in LENGTHS if name != "numba" else LENGTHS[i % 4 :][:1]:
                yield pytest.param(x, n, options, id=f"{kind}-{n}-{name}")


@pytest.mark.parametrize(("x", "n", "options"), carries())
def test_carries_of_all_sizes(x: Any, n: int, options: dict[str, Any]) -> None:
    rtol = 1e-5 if np.asarray(x).dtype == np.float32 else 1e-12

    def fixed(x: Any) -> Any:
        return graphad.scan(lambda c, i: ((c[1] * 1.1, np.sin(c[0]) + c[1]), c[0] * 2), (x, x + 1), np.arange(n))

    def counted(x: Any, n: Any) -> Any:
        return graphad.fori_loop(0, n, lambda i, c: (c[1] * 1.1, np.sin(c[0]) + c[1]), (x, x + 1))

    check(fixed, options, x, rtol=rtol)
    check(counted, options, x, n, rtol=rtol)


@WITH
def test_carries_of_all_dtypes(options: dict[str, Any]) -> None:
    def body(i: Any, c: Any) -> Any:
        flag, small, big, half, mask = c
        return ~flag, small + 1, big * 2 - i, half, mask ^ (big > 5)

    start = (
        np.array(True), np.int8(3), np.arange(10, dtype=np.uint16) + np.uint16(1), np.array([1.5, 2.5], np.float16),
        np.zeros(10, bool),
    )  # fmt: skip
    check(lambda c: graphad.fori_loop(0, 5, lambda i, c: body(i.astype(np.uint16), c), c), options, start)


@WITH
@pytest.mark.parametrize("reverse", [False, True])
def test_entries_of_strided_arrays(reverse: bool, options: dict[str, Any]) -> None:
    x = np.random.default_rng(1).normal(size=(4, 6, 5))

    def function(x: Any) -> Any:
        def body(total: Any, entry: Any) -> Any:
            a, b, c = entry
            return total + a @ b, (np.sum(a) * c, b[::-1])

        xs = x.transpose(1, 0, 2), x[::-1].transpose(1, 2, 0)[:, :, :4], x[0, ::-1, 2]
        total, (first, second) = graphad.scan(body, np.zeros((4, 4)), xs, reverse=reverse)
        return total, first[::-1], second.transpose(1, 2, 0)

    check(function, options, x, rtol=1e-11)
    check(graphad.grad(lambda x: sum(np.sum(np.sin(y)) for y in function(x))), options, x, rtol=1e-10)


@WITH
def test_branches(options: dict[str, Any]) -> None:
    x = np.linspace(0.1, 1.0, 100)

    def function(x: Any, i: Any) -> Any:
        branches = [lambda x: (np.sin(x), x[0]), lambda x: (x, np.sum(x)), lambda x: (x[::-1] * 2, x[0] + 1)]
        return graphad.switch(i, branches, x)

    gradient = lambda x, i: graphad.grad(lambda x: np.sum(function(x, i)[0]) + function(x, i)[1])(x)
    for f in (function, gradient):
        check(f, options, x, -3, more=[(x, i) for i in (0, 1, 2, 9)])


@WITH
def test_loops_within_loops_and_branches(options: dict[str, Any]) -> None:
    def function(x: Any) -> Any:
        def outer(c: Any, e: Any) -> Any:
            c = graphad.while_loop(lambda s: s.sum() < 20 * e, lambda s: s * 1.3 + np.cos(s) ** 2 * x, c)
            c = graphad.cond(c[0] > 3.0, lambda v: np.sin(v) * e + 2, lambda v: v * v * 0.1, c)
            return c, c.sum()

        c, y = graphad.scan(outer, x, np.array([1.0, 2.0, 3.0]))
        return np.sum(c) + np.sum(y * y)

    for x in (np.array([0.5, 1.2]), np.linspace(0.1, 1, 100)):
        check(function, options, x, rtol=1e-10)
        check(graphad.grad(function), options, x, rtol=1e-8)
        if options["executor"] == "numba":
            return
    check(graphad.hessian(function), options, np.array([0.5, 1.2]), rtol=1e-7)
    check(graphad.vmap(graphad.grad(function)), options, np.array([[0.5, 1.2], [1.0, 2.0]]), rtol=1e-8)


@WITH
def test_what_runs_on_the_host_within_a_loop(options: dict[str, Any]) -> None:
    def function(x: Any) -> Any:
        def body(i: Any, x: Any) -> Any:
            kind = graphad.ShapeDtype(x.shape, x.dtype)
            return graphad.pure_callback(np.cosh, kind, x * 0.5) + np.sort(x)[::-1]

        return graphad.fori_loop(0, 4, body, x)

    check(function, options, np.linspace(0.1, 0.3, 5))
    check(function, options, np.linspace(0.1, 0.3, 200))


@WITH
@pytest.mark.parametrize("n", [2, pytest.param(3, marks=pytest.mark.slow), 12])
def test_linear_algebra_within_a_loop(n: int, options: dict[str, Any]) -> None:
    a = np.random.default_rng(n).normal(size=(n, n)) / n + 2 * np.eye(n)

    def function(a: Any) -> Any:
        step = lambda x, _: (np.linalg.solve(a, x) + np.eye(n), np.linalg.slogdet(x)[1])
        x, logs = graphad.scan(step, a @ a.T, None, length=3)
        return np.sum(x) + np.sum(logs)

    check(function, options, a, rtol=1e-10)
    check(graphad.grad(function), options, a, rtol=1e-9)


# -- in place ---------------------------------------------------------------------------------------------------


def sweep(x: Any) -> Any:
    n = x.shape[0]
    return graphad.fori_loop(0, n - 2, lambda i, a: a.at[i + 1].set(0.5 * (a[i] + a[i + 2]) * np.sin(a[i + 1])), x)


def sweeps(x: Any) -> Any:
    return graphad.fori_loop(0, 3, lambda _, a: sweep(a), x)


def filled(x: Any) -> Any:
    a = graphad.numpy.zeros(x.shape[0])
    return graphad.fori_loop(0, x.shape[0], lambda i, a: a.at[i].set(x[i] * x[i] + 1), a)


@WITH
@pytest.mark.parametrize("function", [sweep, sweeps, filled])
@pytest.mark.parametrize("n", [10, 100])
def test_arrays_updated_in_place(function: Any, n: int, options: dict[str, Any]) -> None:
    x = np.random.default_rng(n).normal(size=n)
    before = x.copy()
    check(function, options, x)
    check(graphad.grad(lambda x: np.sum(function(x) ** 2)), options, x)
    check(graphad.grad(graphad.checkpoint(lambda x: np.sum(function(x) ** 2))), options, x)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("function", [sweep, filled, lambda x: graphad.grad(lambda x: np.sum(filled(x)))(x)])
def test_an_update_does_not_copy_the_array(function: Any) -> None:
    for repeat in statements(function, np.ones(1000)):
        if isinstance(repeat, SequentialLoop):
            spaces = [s.space for s in repeat.body if isinstance(s, LoopNest)]
            assert spaces
            assert all(space in ((), (1,)) for space in spaces)


@WITH
def test_what_is_read_after_an_update_is_not_what_stood_there(options: dict[str, Any]) -> None:
    # The old array is read beside the new one, so it cannot be changed in place.
    def function(x: Any) -> Any:
        def body(i: Any, c: Any) -> Any:
            a, total = c
            new = a.at[i].set(total)
            return new, total + a[::-1][i] * 0.1 + np.sum(a * 0.01) + new[0]

        return graphad.fori_loop(0, 5, body, (x, 0.5))

    check(function, options, np.linspace(1, 2, 100))


@WITH
@pytest.mark.parametrize("read", [lambda a: a[2] * 0.5, lambda a: a[2:3] + 1, np.sum, lambda a: a[::-1], np.sort])
def test_what_is_read_before_an_update_is_what_stood_there(read: Any, options: dict[str, Any]) -> None:
    # What was read is needed again when the array has changed.
    def function(x: Any) -> Any:
        def body(i: Any, c: Any) -> Any:
            a, total = c
            before = np.sum(read(a))
            new = a.at[i].set(total + 1).at[(i + 1) % 8].set(before)
            return new, total * 0.1 + before * np.sum(new)

        return graphad.fori_loop(0, 5, body, (x, 0.5))

    check(function, options, np.linspace(1, 2, 8))


# -- stacks -----------------------------------------------------------------------------------------------------


@WITH
def test_reverse_through_an_unknown_number_of_iterations(options: dict[str, Any]) -> None:
    more = [(0.3, n) for n in (1, 63, 64, 65, 1000)]
    check(lambda x, n: graphad.grad(recurrence)(x, n), options, 0.3, 0, more=more)

    def halved(x: Any) -> Any:
        return graphad.while_loop(lambda s: np.sum(s) > 1e-3, lambda s: s * 0.99 * np.cos(s * 0.01), x).sum()

    for x in (np.array([0.5, 3.0]), np.linspace(0.1, 1, 100), np.zeros(3)):
        check(graphad.grad(halved), options, x)


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


@pytest.mark.parametrize("executor", ["llvm", "numba"])
def test_stacks_are_freed(executor: str) -> None:
    pytest.importorskip("resource")
    try:
        resident()
    except OSError:
        pytest.skip("the system does not tell a process's memory in /proc")
    gradient = graphad.jit(lambda x, n: graphad.grad(recurrence)(x, n), executor=executor)
    for _ in range(3):
        gradient(0.3, 200_000)
    before = resident()
    for _ in range(30):
        gradient(0.3, 200_000)
    assert resident() - before < 30 * 200_000 * 8 / 2


@WITH
def test_an_error_within_a_loop(options: dict[str, Any]) -> None:
    def function(x: Any, n: Any) -> Any:
        body = lambda c: (c[0] + 1, c[1] * np.sin(x[c[0]]))
        return graphad.while_loop(lambda c: c[0] < n, body, (0, 1.0))[1]

    gradient = graphad.jit(graphad.grad(function), **options)
    x = np.linspace(0.5, 1.0, 10)
    good = gradient(x, 10)
    for _ in range(3):
        with pytest.raises(IndexError, match="out of bounds"):
            gradient(x, 12)
    np.testing.assert_array_equal(gradient(x, 10), good)


@pytest.mark.parametrize("executor", ["llvm", "numba"])
def test_calls_in_several_threads(executor: str) -> None:
    gradient = graphad.jit(lambda x, n: graphad.grad(lambda x, n: np.sum(recurrence(x, n)))(x, n), executor=executor)
    inputs = [(np.linspace(0, i, 50), 100 * i) for i in range(1, 9)]
    wanted = [gradient(*args) for args in inputs]
    failures: list[Any] = []

    def work(i: int) -> None:
        for _ in range(20):
            if not np.array_equal(gradient(*inputs[i]), wanted[i]):
                failures.append(i)

    in_threads(work, 8)
    assert not failures


@WITH
def test_a_long_body_in_several_functions(options: dict[str, Any]) -> None:
    def chain(n: int) -> Callable[[Any], Any]:
        def step(x: Any) -> Any:
            for k in range(n):
                x = np.sin(x) * 0.5 + x * (0.1 * (k % 7))
            return x

        return step

    if options["executor"] == "numba":
        long, short = chain(10), chain(3)
    else:
        long, short = chain(300), chain(200)

    def function(x: Any) -> Any:
        y = long(x)
        y = graphad.fori_loop(0, 3, lambda i, y: short(y) + x * i, y)
        return long(y) + y

    check(function, options, 0.7, rtol=1e-9)
    check(graphad.grad(function), options, 0.7, rtol=1e-9)


def test_loops_of_a_body_in_several_threads() -> None:
    x = np.random.default_rng(0).normal(size=(300, 300))

    def heat(x: Any) -> Any:
        def step(i: Any, u: Any) -> Any:
            around = np.roll(u, 1, 0) + np.roll(u, -1, 0) + np.roll(u, 1, 1) + np.roll(u, -1, 1)
            return np.tanh(u + 0.1 * (around - 4 * u)) + np.sum(u) * 1e-6

        return graphad.fori_loop(0, 3, step, x)

    function = graphad.grad(lambda x: np.sum(heat(x) ** 2))
    assert "graphad.parallel" in graphad.jit(function, threads=2).compile(x).source()
    check(heat, {"executor": "llvm", "threads": 2}, x, rtol=1e-10)
    check(function, {"executor": "llvm", "threads": 2}, x, rtol=1e-10)


@pytest.mark.parametrize("executor", ["llvm", "numba"])
def test_a_loop_that_asks_for_more_than_was_kept_is_stopped(executor: str) -> None:
    """No graph that graphad makes does so; one that is wrong must not read beyond an array."""
    graph = graphad.parse("""graph @f(%x: f64[], %n: i64[]) -> (f64[]) {
      %i: i64[], %stack: f64[?] = while[consts=1] %n 0 {
        body = graph @body(%n: i64[], %i: i64[]) -> (i64[], f64[]) {
          %j: i64[] = add %i 1
          %y: f64[] = cast[dtype=f64] %i
          return %j, %y
        }
        cond = graph @cond(%n: i64[], %i: i64[]) -> (bool[]) {
          %t: bool[] = less %i %n
          return %t
        }
      }
      %m: i64[] = multiply %i 2
      %z: f64[] = scan[consts=0, length=None, carries=1, reverse=True] %m %x %stack {
        body = graph @add(%c: f64[], %y: f64[]) -> (f64[]) {
          %d: f64[] = add %c %y
          return %d
        }
      }
      return %z
    }""")
    run = graphad.compile(graph, "dce", executor)
    assert run(1.0, 0)[0] == 1.0
    with pytest.raises(graphad.errors.ExecutorError, match="more intermediate values than were kept"):
        run(1.0, 5)

"""Looking into running functions: printing, stopping, and finding where a NaN or a bad index came from."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

import graphad
from graphad import debug
from graphad.errors import IndexOutOfBoundsError, NonFiniteError, TypeMismatchError

X = np.array([1.0, 4.0, 9.0])


def lines(capsys):
    return capsys.readouterr().out.splitlines()


def square(x):
    y = x * x
    debug.print("x={} y={y:.1f}", x, y=y)
    return y


def test_print_runs_at_every_call(executor, capsys):
    f = graphad.jit(square)
    assert f(2.0) == 4.0
    assert f(3.0) == 9.0
    assert lines(capsys) == ["x=2.0 y=4.0", "x=3.0 y=9.0"]


def test_print_at_once_and_of_nothing(capsys):
    assert square(2.0) == 4.0

    @graphad.jit
    def f(x):
        debug.print("reached")
        return x

    f(1.0)
    f(2.0)
    assert lines(capsys) == ["x=2.0 y=4.0", "reached", "reached"]


def test_print_in_derivatives_belongs_to_the_forward_pass(executor, capsys):
    assert graphad.grad(square)(2.0) == 4.0
    assert graphad.jit(graphad.grad(square))(2.0) == 4.0
    assert graphad.jit(graphad.jacfwd(graphad.grad(square)))(2.0) == 2.0
    assert lines(capsys) == ["x=2.0 y=4.0"] * 3


def test_print_under_vmap_runs_for_each_example(executor, capsys):
    graphad.jit(graphad.vmap(square))(np.array([1.0, 2.0]))
    graphad.vmap(graphad.grad(square))(np.array([3.0]))
    assert lines(capsys) == ["x=1.0 y=1.0", "x=2.0 y=4.0", "x=3.0 y=9.0"]


def looping(x):
    total = 0.0
    for i in range(3):
        if x[i] > 2.0:
            debug.print("{} is large", x[i])
        total = total + x[i] ** 2
        debug.print("{}: {}", i, total)
    return total


EXPECTED = ["0: 1.0", "4.0 is large", "1: 17.0", "9.0 is large", "2: 98.0"]


def rolled(x):
    def body(total, xi):
        graphad.cond(xi > 2.0, lambda v: debug.print("{} is large", v), lambda v: None, xi)
        total = total + xi**2
        debug.print("{}", total)
        return total, None

    return graphad.scan(body, 0.0, x)[0]


def test_print_in_loops_and_branches(executor, capsys):
    for f in (graphad.jit(looping), graphad.jit(graphad.grad(looping))):
        f(X)
        assert lines(capsys) == EXPECTED
    for f in (graphad.jit(rolled), graphad.jit(graphad.grad(rolled))):
        f(X)
        assert lines(capsys) == [line.split(": ")[-1] for line in EXPECTED]


def test_print_in_a_while_loop(executor, capsys):
    def halve(x):
        while x > 1.0:
            debug.print("{}", x)
            x = x / 2
        return x

    assert graphad.jit(graphad.grad(halve))(5.0) == 0.125
    assert lines(capsys) == ["5.0", "2.5", "1.25"]


def test_print_in_a_checkpoint_runs_again_in_the_backward_pass(capsys):
    f = graphad.checkpoint(lambda x: np.sin(square(x)))
    graphad.jit(f)(2.0)
    assert len(lines(capsys)) == 1
    graphad.jit(graphad.grad(f))(2.0)
    assert len(lines(capsys)) == 2


def test_specification_holds_for_the_elements_of_an_array(capsys):
    graphad.jit(lambda x: debug.print("{:.2f} {}", x, x.astype(int)))(X / 3)
    assert lines(capsys) == ["[0.33 1.33 3.00] [0 1 3]"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: debug.print(x), ["format string", 'debug.print("{}", x)', "test_debug.py"]),
        (lambda x: debug.print("{} {}", x), ["does not fit 1 arguments", "test_debug.py"]),
        (lambda x: debug.print("{a}", b=x), ["['b']", "test_debug.py"]),
    ],
)
def test_wrong_prints(call, words):
    with pytest.raises(TypeMismatchError) as caught:
        graphad.jit(call)(1.0)
    assert all(word in str(caught.value) for word in words)


def test_callback_takes_trees_and_its_errors_end_the_run(executor):
    seen = []

    def f(p):
        debug.callback(lambda p, scale: seen.append((p["a"], p["b"][0], scale)), p, scale=3)
        return p["a"] * 2

    graphad.jit(f)({"a": 1.5, "b": (X,)})
    assert seen[0][0] == 1.5
    assert seen[0][2] == 3
    np.testing.assert_array_equal(seen[0][1], X)

    def fail(x):
        raise ZeroDivisionError("enough")

    def g(x):
        debug.callback(fail, x)
        return x

    with pytest.raises(ZeroDivisionError, match="enough"):
        graphad.jit(g)(1.0)


def test_a_known_value_prints_itself(capsys):
    def f(x):
        print(x, f"{x}")
        return x * x

    graphad.grad(f)(3.0)
    compiled = graphad.jit(f)
    assert [compiled(3.0), compiled(4.0)] == [9.0, 16.0]
    assert lines(capsys) == ["3.0 3.0", "3.0 3.0", "4.0 4.0"]


def stopping(x):
    y = x * 2
    name = "here"
    debug.breakpoint()
    return y + len(name)


def stopping_in_converted_code(x):
    for _ in range(1):
        y = x * 2
        debug.breakpoint()
    return y if x > 0 else x


def test_breakpoint_in_converted_code(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("p x + y\nc\n"))
    assert graphad.jit(stopping_in_converted_code)(5.0) == 10.0
    out = capsys.readouterr().out
    assert "15.0" in out
    assert "test_debug.py" in out


def test_breakpoint(executor, monkeypatch, capsys):
    f = graphad.jit(stopping)
    monkeypatch.setattr("sys.stdin", io.StringIO("p x + y\np name\nl\nc\n"))
    assert f(5.0) == 14.0
    out = capsys.readouterr().out
    assert "15.0" in out
    assert "'here'" in out
    assert "debug.breakpoint()" in out
    monkeypatch.setattr("sys.stdin", io.StringIO("q\n"))
    with pytest.raises(KeyboardInterrupt):
        f(5.0)


# -- NaN and infinity -----------------------------------------------------------------------------------------------


def logs(x):
    y = x - 1.0
    z = np.log(y)
    return np.sum(z * 2)


def norm(x):
    return np.sqrt(np.sum(x**2))


def newton(x):
    r = x
    for _ in range(5):
        r = r / (r - 4.0)
    return r


def test_the_line_of_the_first_infinity(executor):
    f = graphad.jit(logs, debug="nan")
    assert f(X + 1) == np.sum(np.log(X)) * 2
    with pytest.raises(NonFiniteError) as caught:
        f(X)
    text = str(caught.value)
    assert "log made -inf at [0] of 0.0" in text
    assert "z = np.log(y)" in text
    assert "subtract" in text
    assert caught.value.node.op.name == "log"
    assert "log" in caught.value.draw().dot


def test_the_line_in_the_derivative(executor):
    f = graphad.jit(graphad.grad(lambda x: np.sum(np.sqrt(x))), debug="nan")
    with pytest.raises(NonFiniteError, match=r"made inf at .1. of 0.0 \(test_debug.py:\d+.*in the derivative"):
        f(np.array([1.0, 0.0]))

    def scaled(x):
        y = x * 1e-200
        return np.sum(y / 1e-200)

    g = graphad.jit(graphad.grad(lambda x: scaled(x) * 1e300 * 1e300), debug="nan")
    with pytest.raises(NonFiniteError, match=r"in the backward pass|made inf"):
        g(X)


def test_the_iteration_of_a_loop(executor):
    def f(x):
        total = 0.0
        for i in range(x.shape[0]):
            total = total + 1 / (x[i] - 9.0)
        return total

    with pytest.raises(NonFiniteError) as caught:
        graphad.jit(f, debug="nan", pipeline="")(np.array([1.0, 2.0, 9.0, 3.0]))
    assert "divide made inf of 1.0, 0.0" in str(caught.value)
    assert "in iteration 2 of" in str(caught.value) or "total + 1 / (x[i] - 9.0)" in str(caught.value)


def test_an_argument_that_is_not_finite(executor):
    with pytest.raises(NonFiniteError, match=r"%x of @logs is not finite itself: nan at .1."):
        graphad.jit(logs, debug="nan")(np.array([2.0, np.nan]))


def test_a_hidden_infinity_is_let_be():
    f = graphad.jit(lambda x: np.where(x > 0, np.log(x), 0.0), debug="nan")
    np.testing.assert_array_equal(f(np.array([0.0, 1.0])), [0.0, 0.0])


# -- indices --------------------------------------------------------------------------------------------------------


def picked(x, n):
    total = 0.0
    k = 0
    while k < n:
        total = total + x[k]
        k = k + 1
    return total


def test_index_tells_value_iteration_and_line(executor):
    f = graphad.jit(picked, debug="index")
    assert f(X, 3) == 14.0
    with pytest.raises(IndexOutOfBoundsError) as caught:
        f(X, 5)
    text = str(caught.value)
    assert "index 3 is out of bounds for axis 0 of extent 3" in text
    assert "total = total + x[k]" in text
    assert "in iteration 3 of while" in text


def test_index_from_the_end_is_told_as_written(executor):
    with pytest.raises(IndexOutOfBoundsError, match=r"index -7 is out of bounds .*test_debug.py"):
        graphad.jit(lambda x, i: x[i], debug="nan, index")(X, -7)


def test_the_numpy_executor_names_the_line():
    with pytest.raises(IndexOutOfBoundsError, match=r"index 7 .*\(test_debug.py:\d+: graphad.jit"):
        graphad.jit(lambda x, i: x[i], executor="numpy")(X, 7)


def test_unknown_check():
    with pytest.raises(TypeMismatchError, match=r"'nans'.*use \"nan\", \"index\", \"kink\" or several"):
        graphad.jit(norm, debug="nans")


# -- sinks at run time ------------------------------------------------------------------------------------------------

NOTED: list[tuple[float, ...]] = []


def note(*values):
    NOTED.append(tuple([float(v) for v in values]))


@pytest.fixture
def noted():
    graphad.sinks.add(note)
    NOTED.clear()
    yield NOTED
    graphad.sinks.discard(note)


def noting(a, b):
    note(1.0)
    for i in range(3):
        note(a, i)
        a = np.tanh(-1.5)
        print("step", i)
        if b > 1.0:
            note(b)
        else:
            note(2.0)
    for _ in range(40):
        note(3.0)
    (lambda *values: note(*values))(4.0)
    return a + b


def test_sinks_with_known_arguments_keep_their_place_and_run_at_every_call(executor, noted, capsys):
    noting(0.5, 2.0)
    wanted, printed = list(noted), lines(capsys)
    for f in (graphad.jit(noting), graphad.jit(graphad.grad(noting, 1))):
        for _ in range(2):
            noted.clear()
            f(0.5, 2.0)
            assert noted == wanted
            assert lines(capsys) == printed
    noted.clear()
    assert graphad.grad(noting, 1)(0.5, 2.0) == 1.0
    assert noted == wanted


def test_sinks_do_not_make_a_function_trace_anew(noted):
    count = []

    def f(x):
        count.append(1)
        note(x, 1.0)
        note(2.0)
        return x

    compiled = graphad.jit(f)
    with pytest.warns(graphad.TraceWarning, match="changes a list"):
        compiled(1.0)
    compiled(2.0)
    compiled(3.0)
    assert len(count) == 1
    assert noted == [(1.0, 1.0), (2.0,), (2.0, 1.0), (2.0,), (3.0, 1.0), (2.0,)]


def test_a_sink_shows_a_known_array_as_it_was(capsys):
    @graphad.jit
    def f(x):
        table = np.zeros(2)
        print(table)
        table[0] = 1.0
        print(table)
        return x + table[0]

    assert f(1.0) == 2.0
    assert lines(capsys) == ["[0. 0.]", "[1. 0.]"]


@pytest.mark.parametrize("write", [lambda file, x: np.save(file, x), lambda file, x: np.savez(file=file, x=x)])
def test_a_file_that_is_written_at_run_time_is_not_read_while_tracing(write, tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.zeros(1))

    def f(x):
        write(path, x)
        return x * np.load(path)[0]

    with pytest.raises(graphad.TracerError, match=r"load .*test_debug.py:.* takes a file to which a call before it"):
        graphad.jit(f)(np.ones(1))
    assert graphad.jit(lambda x: x * np.load(path)[0])(2.0) == 0.0


def test_a_sink_whose_result_is_used_is_called_while_tracing_or_refused(noted):
    @graphad.jit
    def f(x):
        return x * len(json.dumps({"n": 3}))

    assert f(2.0) == 16.0

    @graphad.jit
    def g(x):
        return x if note(1.0) else -x

    with pytest.raises(graphad.TracerError, match="result of note is used"):
        g(2.0)


def test_assertions_of_numpy_with_known_arguments_hold_at_every_call():
    @graphad.jit
    def f(x):
        np.testing.assert_array_equal(np.sort([2, 1]), [1, 3])
        return x

    for _ in range(2):
        with pytest.raises(AssertionError, match="Arrays are not equal"):
            f(1.0)

"""`assert`, `raise` and checks at run time: what plain Python raises is raised, with its type, text and line."""

from __future__ import annotations

import ipaddress
import math
import pickle
import random
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from check_programs import PROGRAMS, NotPositive, asserted, guarded, in_order, rooted

import graphad
from graphad import passes
from graphad.errors import GraphadError, IndexOutOfBoundsError
from graphad.ops.checks import Check, find, name_of
from graphad.text import parse_graph


def error_of(f, *args):
    with pytest.raises(Exception) as caught:
        f(*args)
    return caught.value


def same(found, expected):
    assert type(found) is type(expected)
    assert str(found) == str(expected)
    assert vars(expected).items() <= vars(found).items()


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_as_python(executor, f):
    plain = error_of(f, -2.0)
    every = (graphad.grad(f), f, graphad.grad(graphad.grad(f)), graphad.hessian(f))
    for transformed in every[:1] if executor == "numba" else every:  # numba takes a second for each
        jitted = graphad.jit(transformed)
        assert np.isfinite(jitted(2.0))
        found = error_of(jitted, -2.0)
        same(found, plain)
        assert any("check_programs.py:" in note for note in found.__notes__)
    if executor != "numba":
        assert np.isclose(graphad.jit(f)(2.0), f(2.0))
        assert np.isclose(graphad.jit(graphad.grad(f))(2.0), 0.5)
        assert np.isclose(graphad.jit(graphad.grad(graphad.grad(f)))(2.0), -0.25)


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_eager_modes(f):
    plain = error_of(f, -2.0)
    for run in (
        graphad.grad(f),
        graphad.hessian(f),
        lambda x: graphad.jvp(f, (x,), (1.0,)),
        lambda x: graphad.vjp(f, x),
        lambda x: graphad.linearize(f, x),
    ):
        found = error_of(run, -2.0)
        assert type(found) is type(plain)
        run(2.0)


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_batches(executor, f):
    plain = error_of(f, np.float64(-2.0))
    good, bad = np.array([2.0, 3.0]), np.array([3.0, -2.0, 2.0, -3.0])
    summed = graphad.grad(lambda x: graphad.vmap(f)(x).sum())
    every = (graphad.vmap(graphad.grad(f)), graphad.vmap(f), summed)
    for transformed in every[:1] if executor == "numba" else every:
        for run in (transformed, graphad.jit(transformed)):
            assert np.all(np.isfinite(run(good)))
            same(error_of(run, bad), plain)


def test_only_examples_that_reach_a_check_are_checked(executor):
    run = graphad.jit(graphad.vmap(graphad.value_and_grad(rooted)))
    values, slopes = run(np.array([-5.0, 1.0, 2.0]))
    assert np.allclose(values, [0.0, 1.0, np.sqrt(2.0)])
    assert np.allclose(slopes, [0.0, 0.5, 0.5 / np.sqrt(2.0)])
    with pytest.raises(AssertionError, match=r"^4\.0 is large"):
        run(np.array([-5.0, 1.0, 4.0]))
    with pytest.raises(OverflowError, match=r"^2\.75 of 2\.5"):
        run(np.array([-5.0, 2.75, 1.0]))


def test_examples_whose_loop_has_ended_are_not_checked(executor):
    def f(x, n):
        i = 0
        while i < n:
            assert x[i] > 0, f"entry {i}"
            i = i + 1
        return i

    x = np.array([1.0, 2.0, -1.0])
    run = graphad.jit(graphad.vmap(f, (None, 0)))
    assert run(x, np.array([0, 2, 1])).tolist() == [0, 2, 1]
    with pytest.raises(AssertionError, match=r"^entry 2"):
        run(x, np.array([0, 3, 1]))


def test_the_first_in_program_order(executor):
    run = graphad.jit(in_order)
    singular, eye = np.zeros((2, 2)), np.eye(2)
    twice = graphad.jit(lambda x, a: in_order(x, a) + in_order(x, a))
    assert run(np.ones(3), eye) == 1.0
    for transformed in (run, graphad.jit(graphad.grad(in_order)), twice):
        for x, a, kind in (
            ([-1.0, -1.0, 9.0], singular, AssertionError),
            ([1.0, -1.0, 9.0], singular, np.linalg.LinAlgError),
            ([1.0, -1.0, 9.0], eye, ValueError),
            ([1.0, 1.0, 9.0], eye, IndexOutOfBoundsError),
            ([-11.0, -1.0, 9.0], eye, AssertionError),
        ):
            with pytest.raises(kind):
                transformed(np.array(x), a)


def test_checks_off():
    assert np.isnan(graphad.jit(asserted, checks=False)(-2.0))
    assert np.isnan(graphad.jit(lambda s: graphad.jit(asserted)(s), checks=False)(-2.0))
    with pytest.raises(AssertionError):
        graphad.jit(lambda s: graphad.jit(asserted)(s))(-2.0)
    with pytest.raises(NotPositive):
        graphad.jit(guarded, checks=False)(-2.0)
    with pytest.raises(IndexError):
        graphad.jit(lambda x, i: x[i], checks=False)(np.ones(3), 7)
    # What is known is not asked for either, as by python -O.
    assert graphad.jit(known_to_fail, checks=False)(2.0) == 4.0
    with pytest.raises(AssertionError, match="known"):
        graphad.jit(known_to_fail)(2.0)


def hands_over(a, b):
    return a * b


class Rates(dict):
    def __missing__(self, key):
        raise LookupError(key, "unknown")


FAILING = {
    "key": lambda x: x * {"a": 1.0}["b"],
    "user": lambda x: x * Rates()["b"],
    "attribute": lambda x: x * "a".missing,
    "name": lambda x: x * not_defined,  # noqa: F821
    "item": lambda x: x * (1.0, 2.0)[5],
    "unpack": lambda x: hands_over(*(1, 2, 3)),
    "number": lambda x: x * float("abc"),
    "math": lambda x: x * math.sqrt(-1.0),
    "call": lambda x: hands_over(x),
    "types": lambda x: x * len(3),
    "division": lambda x: x * (1 / 0),
    "shapes": lambda x: x * (np.zeros(3) + np.zeros(2))[0],
    "file": lambda x: x * float(Path("no such file").read_text()),
    "encoded": lambda x: x * "\xe9".encode("ascii")[0],
    "exit": lambda x: sys.exit(3),
    "module": lambda x: x * __import__("no_such_module").y,
}


@pytest.mark.parametrize("fails", FAILING.values(), ids=FAILING)
def test_what_fails_in_a_branch_fails_where_that_is_taken(fails):
    def f(x):
        if x > 0:
            return fails(x)
        return -x

    with pytest.raises(BaseException) as plain:
        fails(2.0)
    for run in (graphad.jit(f, executor="numpy"), graphad.jit(graphad.grad(f), executor="numpy")):
        assert run(-2.0) in (2.0, -1.0)
        with pytest.raises(plain.type) as found:
            run(2.0)
        same(found.value, plain.value)
        assert not isinstance(found.value, Exception) or "test_checks.py" in found.value.__notes__[0]


def test_refusals_and_unset_variables_in_a_branch_stay_errors_of_the_trace():
    def of_shapes(x):
        return np.ones(2) + x * np.ones(3) if x > 0 else x * np.ones(3)

    def unset(x):
        if x > 0:
            y = x
        return y if x > 1 else x

    def named(x):
        return x + int(ipaddress.ip_address(int(x))) if x > 0 else x

    def seeded(x):
        return x + random.Random(int(x)).random() if x > 0 else x

    for f in (of_shapes, unset, named, seeded):
        with pytest.raises(GraphadError):
            graphad.jit(f)(-2.0)


def known_to_fail(x):
    assert x.ndim == 3, "known"
    return 2 * x


def test_python_optimised(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
        import numpy as np
        import graphad

        def f(s):
            assert s > 0, f"s is {s}"
            if s < -5:
                raise ValueError("far off")
            return np.abs(s)

        try:
            print(graphad.jit(f)(-2.0))
        except AssertionError as error:
            print("raised", error)
        try:
            print(graphad.jit(f, checks=False)(-2.0), graphad.jit(f, checks=False)(-7.0))
        except ValueError as error:
            print("raised", error)
        """)
    )
    for options, expected in ((), ["raised s is -2.0", "raised far off"]), (("-O",), ["2.0", "raised far off"]):
        found = subprocess.run([sys.executable, *options, script], capture_output=True, text=True, check=True)
        assert found.stdout.splitlines() == expected


def test_known_values_stay_python():
    def f(x, n):
        assert n == 3
        try:
            if n > 2:
                raise KeyError(n)
        except KeyError as error:
            return x * error.args[0]
        return x

    assert graphad.jit(f, static_argnums=1)(2.0, 3) == 6.0
    assert graphad.grad(f)(2.0, 3) == 3.0


# -- the op ---------------------------------------------------------------------------------------------------------


def checks_of(graph):
    return [node for node in graph.walk() if node.op.name == "check"]


def test_names_of_exceptions():
    class Local(Exception):
        pass

    assert name_of(ValueError) == "ValueError"
    assert name_of(NotPositive) == f"{NotPositive.__module__}:NotPositive"
    assert find(name_of(NotPositive)) is NotPositive
    assert find(str(name_of(Local))) is Local
    assert find(pickle.loads(pickle.dumps(name_of(Local)))) is Local
    # Nothing is imported, and nothing called, that is no exception.
    assert find("subprocess:Popen") is None
    assert find("print") is None
    assert find("no_such_module:Error") is None
    with pytest.raises(GraphadError, match=r"no_such_module:Error: text"):
        Check("no_such_module:Error", ("text",))(False)


def test_local_classes_are_raised(executor):
    class Local(Exception):
        pass

    def f(x):
        if x > 0:
            raise Local("local", x)
        return x

    with pytest.raises(Local) as caught:
        graphad.jit(f)(1.0)
    assert caught.value.args == ("local", 1.0)


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_text_and_file(f, tmp_path):
    graph = graphad.trace(f)(2.0)
    assert checks_of(graph)
    text = str(graph)
    assert str(parse_graph(text)) == text
    graph.save(tmp_path / "graph.json")
    loaded = graphad.load(tmp_path / "graph.json")
    run = graphad.compile(loaded)
    assert np.isclose(run(2.0)[0], f(2.0))
    same(error_of(run, -2.0), error_of(f, -2.0))


def test_passes_leave_checks_alone():
    def f(x):
        assert x > 0
        assert x > 0
        y = np.sin(x)
        assert y == y
        return x

    graph = graphad.trace(f)(1.0)
    after = passes.Pipeline("simplify, cse, fold, licm, dce, lifetime, fuse")(graph)
    assert len(checks_of(graph)) == len(checks_of(after)) == 3
    twice = graphad.trace(graphad.grad(graphad.grad(lambda x: f(x) ** 3)))(1.0)
    assert len(checks_of(passes.dce(twice))) == 3


def test_a_check_holds_back_what_follows():
    def f(x, n):
        for _ in range(n):
            assert x < 3
            x = x + np.linalg.inv(np.eye(2))[0, 0]
        return x

    graph = passes.licm(graphad.trace(f)(1.0, 3))
    assert len(checks_of(graph)) == 1
    (loop,) = [node for node in graph.nodes if node.op.name == "scan"]
    assert checks_of(loop.op.body)


def refused(x):
    if x > 0:
        raise ValueError("x is positive")
    return -x


def looped(x):
    def body(_, carry):
        assert x < 0, "x is positive"
        return carry * 2.0

    return graphad.fori_loop(0, 0, body, x * 2.0) * np.where(x > 0, 1.0, -0.5)


@pytest.mark.parametrize("x", [2.0, -2.0])
def test_bodies_that_do_not_run_check_nothing_in_eager_derivatives(x):
    for f in (
        lambda x: graphad.cond(x > 0, lambda: x * 2.0, lambda: refused(x)),
        lambda x: graphad.switch(np.where(x > 0, 0, 1), [lambda: x * 2.0, lambda: refused(x)]),
        looped,
    ):
        assert graphad.grad(f)(x) == graphad.jit(graphad.grad(f))(x) == (2 if x > 0 else -1)


def always(x):
    graphad.debug.print("x is {}", x)
    if x > 5:
        raise KeyError("large")
    raise ValueError("always")


@pytest.mark.parametrize("run", [graphad.vmap(always), graphad.jit(graphad.vmap(always))], ids=["vmap", "jit"])
def test_what_comes_before_an_exception_that_is_always_raised(run, capsys):
    with pytest.raises(ValueError, match="always"):
        run(np.array([1.0, 2.0]))
    assert capsys.readouterr().out == "x is 1.0\nx is 2.0\n"
    with pytest.raises(KeyError, match="large"):
        run(np.array([1.0, 9.0]))

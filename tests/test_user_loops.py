"""Loops as users write them become loops of the graph, with the values, types and derivatives of plain Python."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from loop_programs import PROGRAMS, relax, start

import graphad
from graphad.errors import ControlFlowError, TraceWarning

H = 1e-6
POINTS = (0.9, 1.7)


def slope(f: Callable[[Any], Any], x: float) -> float:
    return float((f(x + H) - f(x - H)) / (2 * H))


@pytest.fixture(autouse=True)
def _nothing_is_unrolled():
    with warnings.catch_warnings():
        warnings.simplefilter("error", TraceWarning)
        yield


COMPILED = [(name, "llvm") for name in PROGRAMS]
COMPILED += [(name, "numba") for name in ("output_counter", "integers_of_a_list")]


@pytest.mark.parametrize(("name", "executor"), COMPILED)
def test_values_and_gradients_compiled(name: str, executor: str) -> None:
    f = PROGRAMS[name]
    both = graphad.jit(graphad.value_and_grad(f), executor=executor)
    for x in POINTS:
        value, gradient = both(x)
        np.testing.assert_allclose(value, f(x), rtol=1e-9)
        np.testing.assert_allclose(gradient, slope(f, x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", PROGRAMS)
def test_eager_forward_and_batched(name: str) -> None:
    f = PROGRAMS[name]
    for x in POINTS:
        value, gradient = graphad.value_and_grad(f)(x)
        np.testing.assert_allclose(value, f(x), rtol=1e-9)
        forward = graphad.jit(graphad.jacfwd(f), executor="numpy")(x)
        np.testing.assert_allclose(gradient, forward, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(graphad.vmap(f)(np.array(POINTS)), [f(x) for x in POINTS], rtol=1e-9)


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name != "list_that_is_read"])
def test_the_graph_is_short(name: str) -> None:
    assert len(graphad.trace(PROGRAMS[name])(0.9).nodes) < 256


# -- what a loop leaves behind ------------------------------------------------------------------------------------


def leaves_behind(x):
    counter, total, odd, i = 0, 0.0, False, -1
    for i in range(3, 163, 4):
        x = 0.9 * x + np.sin(x) * 0.1
        counter += 1 + i % 2
        total += 0.25
        odd = not odd
    return x, counter, total, odd, i


def test_numbers_that_are_known_are_pythons_own() -> None:
    seen = []

    def f(x):
        found = leaves_behind(x)
        seen.append(found[1:])
        return found[0]

    graph = graphad.trace(f)(0.3)
    assert seen == [leaves_behind(0.3)[1:]]
    assert [type(x) for x in seen[0]] == [int, float, bool, int]
    assert len(graph.nodes) < 8


def test_integers_do_not_wrap_around() -> None:
    def f(x):
        n = 1
        for i in range(1, 41):
            x = x + np.sin(x * i)
            n *= i
        return x + n * 1e-40

    np.testing.assert_allclose(graphad.jit(f, executor="numpy")(0.3), f(0.3), rtol=1e-12)
    np.testing.assert_allclose(f(0.3) - 0.3, graphad.jit(lambda x: f(x) - x, executor="numpy")(0.3), rtol=1e-12)


def doubled(x):
    total = 0.0
    for i in range(70):
        total = total + x * 2**i * 1e-20
    return total


def shifted(x):
    total = 0.0
    for i in range(70):
        if x > 0:
            total = total + x * (1 << i)
        total = total + (-3) ** i * x
    return total


def cubes(x):
    n = 10**6
    for _ in range(40):
        x = x + np.sin(x) * (n**3)
        n += 10**6
    return x * 1e-30


@pytest.mark.parametrize("f", [doubled, shifted, cubes], ids=lambda f: f.__name__)
def test_integers_within_an_iteration_do_not_wrap_around(f: Callable[[Any], Any]) -> None:
    np.testing.assert_allclose(graphad.jit(f, executor="numpy")(0.3), f(0.3), rtol=1e-12)


def test_what_needs_no_traced_value_stays_pythons_own() -> None:
    def f(x):
        table, size = np.zeros(50), 0
        for i, t in enumerate(np.linspace(0, 1, 50)):
            table[i] = np.exp(-t)
        for n in [1, 2, 3] * 20:
            size += n
        return x * np.ones(size)[: int(table[0] * 3)]

    graph = graphad.trace(f)(2.0)
    assert len(graph.nodes) < 4
    assert np.array_equal(graphad.jit(f, executor="numpy")(2.0), f(2.0))


def test_an_iterator_is_used_up_by_a_loop() -> None:
    def f(x):
        items = enumerate(np.linspace(0, 1, 40))
        next(items)
        for i, t in items:
            x = x + np.sin(x) * t * i
        for _ in items:
            x = x * 1e9
        pairs = zip(range(40), range(40), strict=True)
        for i, j in pairs:
            x = x + 1e-3 * np.cos(x) * i * j
        assert list(pairs) == []
        return x

    np.testing.assert_allclose(graphad.jit(f, executor="numpy")(0.3), f(0.3), rtol=1e-12)


def test_what_is_run_through_may_be_written_to() -> None:
    def entries(x):
        a = np.ones(40)
        for i, t in enumerate(a):
            x = x + np.sin(x) * t
            if i < 39:
                a[i + 1] = 0.5 * x
        return x + np.sum(a)

    def items(x):
        a = [1.0] * 40
        for i, t in enumerate(a):
            x = x + np.sin(x) * t
            a[(i + 1) % 40] = 0.5 * x
        return x + sum(a)

    for f in (entries, items):
        np.testing.assert_allclose(graphad.jit(f, executor="numpy")(0.3), f(0.3), rtol=1e-12)


# -- lists that grow ------------------------------------------------------------------------------------------------


def test_a_list_of_unknown_length_is_not_used() -> None:
    def grow(x):
        found = []
        while x < 100:
            x = x * 2
            found.append(x)
        return x, found

    uses = [
        len, sum, list, np.array, np.mean, lambda v: v[-1], lambda v: v[0] + 1, lambda v: [1 for _ in v], bool,
        lambda v: v.pop(), lambda v: v.copy(), lambda v: 1.0 if v else 2.0, lambda v: [*v, 1.0],
        lambda v: v, lambda v: v.append(1.0) or len(v),
        lambda v: 3.0 in v, lambda v: sum(x for x in v), lambda v: v[:2], lambda v: max(v),
    ]  # fmt: skip
    for use in uses:
        with pytest.raises(graphad.GraphadError, match="the list `found`"):
            graphad.jit(lambda x, use=use: use(grow(x)[1]), executor="numpy")(3.0)
    assert graphad.jit(lambda x: grow(x)[0], executor="numpy")(3.0) == 192.0

    def twice(x):
        found = grow(x)[1]
        for i in range(40):
            found.append(x * i)
        return len(found)

    with pytest.raises(ControlFlowError, match="length is known at run time only"):
        graphad.jit(twice)(3.0)


def test_a_list_grows_by_addition_as_by_append() -> None:
    def steps(k, n):
        found = []
        for _ in range(n):
            k = 0.9 * k + 0.1
            found += [k]
        return np.mean(found)

    def until(k):
        found, path = [k], []
        while k < 50:
            k = 1.3 * k
            found.append(k)
            path += [k]
        return k

    sizes = [len(graphad.trace(lambda k, n=n: steps(k, n))(0.3).nodes) for n in (50, 100)]
    assert sizes[0] == sizes[1]
    np.testing.assert_allclose(graphad.jit(steps, static_argnums=1)(0.3, 50), steps(0.3, 50), rtol=1e-14)
    np.testing.assert_allclose(graphad.jit(graphad.grad(until))(1.0), until(1.0), rtol=1e-14)


def test_an_array_in_a_list_that_something_else_changes_is_refused() -> None:
    def f(k):
        u = first = np.ones(3) * k
        rows = []
        for _ in range(50):
            rows.append(u)
            u = u + 0.01 * np.sin(u)
        first[0] = 5.0
        return rows[0].sum()

    def same(k):
        u, rows = np.ones(3) * k, []
        for _ in range(40):
            u += 0.01
            rows.append(u)
        return rows[0].sum()

    with pytest.raises(ControlFlowError, match="make a copy of it before"):
        graphad.jit(f)(0.3)
    np.testing.assert_allclose(graphad.jit(same, executor="numpy")(0.3), same(0.3))


# -- what stays a loop of Python's is told --------------------------------------------------------------------------


def keyed(k):
    u, table = start(k), {i: 0.1 * i for i in range(80)}
    for i in range(80):
        u = relax(u) * table[i]
    return np.sum(u)


def test_a_loop_that_is_unrolled_is_told_with_its_line_and_the_reason() -> None:
    with pytest.warns(TraceWarning, match=r"80 times, and makes 8\d\d operations of the graph, since .*key") as told:
        value = graphad.jit(keyed, executor="numpy")(0.5)
    assert value == pytest.approx(keyed(0.5))
    assert len(told) == 1
    assert told[0].lineno == keyed.__code__.co_firstlineno + 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = graphad.jit(keyed).compile(0.5).report()
    assert "80 times" in report


def test_a_flag_is_refused_in_words_where_an_iterator_goes_on() -> None:
    def f(x):
        items = enumerate(np.linspace(0, 1, 60))
        for i, t in items:
            x = relax(relax(np.ones(3) * x))[0]
            if x > 10 * t + i:
                break
        return x + next(items)[1]

    with pytest.raises(ControlFlowError, match="run through what it runs over anew"):
        graphad.jit(f)(0.3)


def test_a_loop_that_cannot_be_one_of_the_graph_is_run_by_python_whoever_says_so() -> None:
    def f(x: Any, y: Any) -> Any:
        found = 0.0
        for i in range(2):
            value = x * y
            for _ in range(150):
                value = value + np.sin(x * y) / 150
            found = found + graphad.grad(lambda x, y, value=value: x**2 * y + 0 * value, argnums=i)(x, y)
        return found

    assert graphad.jit(f)(3.0, 2.0) == 12.0 + 9.0
    found = graphad.errors.TypeMismatchError
    with pytest.raises(found, match=r"argnums=.* is no position"):
        graphad.jit(lambda i, x: graphad.grad(lambda x: x, argnums=i)(x))(0, 1.0)


def counted(x):
    while x > 3:
        k, x = 5, x - 1
    return x * k


def last(x):
    for i in range(int(x)):
        y = x * i
    return y


def stopped(x):
    for _ in range(40):
        if x > 3:
            break
        low, x = x > 1, x + 0.1
    return 1.0 if low else 2.0


@pytest.mark.parametrize("program", [counted, last, stopped])
def test_a_variable_that_may_have_no_value_after_a_loop_is_told_of(program):
    for transformed in (graphad.trace(program), graphad.jit(program)):
        with pytest.warns(TraceWarning, match="alone gives `(k|y|low)` a value.*before the loop"):
            transformed(2.5)


def test_variables_that_have_a_value_after_a_loop_are_not_told_of():
    def found(x):
        for i in range(40):
            y = x * i
            if y > 3:
                break
        for _ in range(40):
            z = x + i
        while x > 3:
            rest = x * 0.5
            x = rest + 0.1
        return y + z + x

    for x in (0.5, 7.0):
        assert graphad.jit(found)(x) == pytest.approx(found(x))

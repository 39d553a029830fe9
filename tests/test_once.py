"""Constant code in a trace for any values runs as it stands, once; what every run is to do stays in the graph."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphad

LOG: list[float] = []
TABLE = np.zeros(4)
SEEN: dict[int, float] = {}
SCALE = 2.0
TICKS = iter(range(1000))


class Shelf:
    total = 0.0

    def __init__(self) -> None:
        self.books = [SCALE]

    def put(self, v: float) -> None:
        self.books.append(v)

    def show(self) -> None:
        print(self.books)

    def loud(self, v: float) -> float:
        self.show()
        return v


SHELF = Shelf()


def nodes(f: Callable[..., Any], *args: Any) -> int:
    return len(graphad.trace(f)(*args).nodes)


def table(n: int) -> Any:
    t = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            t[i, j] = i * SCALE + j
    return t


def test_a_table_is_a_constant() -> None:
    def f(x: Any) -> Any:
        t = table(40)
        rows = [r[0] for r in t]
        return (t * x).sum() + rows[3]

    assert nodes(f, 2.0) < 5
    assert graphad.jit(f)(2.0) == f(2.0)
    assert graphad.jit(graphad.grad(f))(2.0) == table(40).sum()


def test_a_constant_array_becomes_traced() -> None:
    @graphad.jit
    def f(x: Any) -> Any:
        a, every = np.zeros(50), []
        for i in range(50):
            a[i] = i
            every.append(a[i:])
        b = a[3:]
        b[0] = x
        every[5][0] = 2 * x
        return a

    assert f(7.0)[3:6].tolist() == [7.0, 4.0, 14.0]


def recursive(n: int) -> int:
    return n if n < 2 else recursive(n - 1) + recursive(n - 2)


def test_recursion() -> None:
    assert nodes(lambda x: x * recursive(15), 2.0) == 1


def outside(change: Callable[[int], Any]) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        for i in range(40):
            change(i)
        return x * 2.0

    return f


def change_list(i: int) -> None:
    LOG.append(i * 0.5)


def change_array(i: int) -> None:
    TABLE[i % 4] += 1.0


def change_dict(i: int) -> None:
    SEEN[i] = i * SCALE


def change_attribute(i: int) -> None:
    SHELF.books = [float(i)]


def change_attribute_by_method(i: int) -> None:
    SHELF.put(i)


def change_class(i: int) -> None:
    Shelf.total += i


def change_iterator(i: int) -> None:
    next(TICKS)


@pytest.mark.parametrize("change", [
    change_list, change_array, change_dict, change_attribute, change_attribute_by_method, change_class, change_iterator,
])  # fmt: skip
def test_what_is_changed_around_is_told(change: Callable[[int], Any]) -> None:
    with pytest.warns(graphad.TraceWarning, match="once, while it is traced"):
        assert graphad.jit(outside(change))(3.0) == 6.0


def test_a_variable_around_is_told() -> None:
    count = 0

    def bump(i: int) -> None:
        nonlocal count
        count += i

    with pytest.warns(graphad.TraceWarning, match="count"):
        assert graphad.jit(outside(bump))(3.0) == 6.0
    assert count == sum(range(40))


def test_nothing_is_told_of_what_the_function_makes() -> None:
    def counter() -> Callable[[], int]:
        n = 0

        def bump() -> int:
            nonlocal n
            n += 1
            return n

        return bump

    def f(x: Any) -> Any:
        shelf, every, known = Shelf(), [counter() for _ in range(3)], {}
        for i in range(40):
            shelf.put(i)
            known[i] = every[i % 3]()
        return x * sum(known.values()) + len(shelf.books)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert graphad.jit(f)(2.0) == f(2.0)


def test_what_is_read_is_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    many = {i: (lambda v, i=i: v * SCALE + i) for i in range(100)}

    @graphad.jit
    def f(x: Any) -> Any:
        t, made = table(5), []
        for i in range(40):
            made.append(Shelf().books[0] + many[i](1.0))
        return x * t.sum() + sum(made)

    before = f(1.0)
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    assert f(1.0) == f.fun(1.0) != before


def test_a_cell_of_a_helper_is_guarded() -> None:
    weight = 2.0

    def helper(i: int) -> float:
        return i * weight

    @graphad.jit
    def f(x: Any) -> Any:
        total = 0.0
        for i in range(50):
            total += helper(i)
        return x * total

    assert f(1.0) == 2.0 * sum(range(50))
    weight = 3.0
    assert f(1.0) == 3.0 * sum(range(50))


def test_what_is_printed_is_printed_by_every_run(capsys: pytest.CaptureFixture[str]) -> None:
    @graphad.jit
    def f(x: Any) -> Any:
        for i in range(3):
            print(i)
        shelf = Shelf()
        for i in range(2):
            shelf.loud(i)
        return x

    f(1.0), f(2.0)
    assert capsys.readouterr().out == "0\n1\n2\n[2.0]\n[2.0]\n" * 2


def test_files_are_written_by_every_run(tmp_path: Path) -> None:
    @graphad.jit
    def f(x: Any) -> Any:
        for i in range(3):
            np.save(tmp_path / f"{i}.npy", np.full(2, i))
        return x

    f(1.0)
    for file in tmp_path.iterdir():
        file.unlink()
    f(2.0)
    assert len([*tmp_path.iterdir()]) == 3


def test_random_numbers_are_drawn_by_every_run() -> None:
    generator = np.random.default_rng(3)

    @graphad.jit
    def f(x: Any) -> Any:
        total = np.zeros(2)
        for _ in range(40):
            total = total + generator.normal(size=2)
        return x * total

    assert f(1.0)[0] != f(1.0)[0]


def simple(x: Any) -> Any:
    a = np.zeros(500)
    for i in range(500):
        a[i] = i * 0.5
    return a * x


def with_break(x: Any) -> Any:
    n = 0.0
    for i in range(1000):
        n += i
        if n > 20000:
            break
    return n * x + i


def with_continue_and_return(x: Any) -> Any:
    n = 0.0
    for i in range(1000):
        if i % 3 == 0:
            continue
        n += i
        if n > 200000:
            return n * x
    return -x


def over_a_list(x: Any) -> Any:
    items = [1.0] * 200
    for i in items:
        if len(items) < 400:
            items.append(i + 1.0)
    return sum(items) * x


def over_pairs(x: Any) -> Any:
    total = 0.0
    for i, v in enumerate(np.linspace(0.0, 1.0, 300)):
        total += i * v
    return total * x


def by_while(x: Any) -> Any:
    k, found = 0, []
    while k < 300:
        k += 1
        if k % 7 == 0:
            continue
        found.append(k * 0.5)
        if k == 290:
            break
    return x * found[-1] + len(found)


def by_endless_while(x: Any) -> Any:
    k = 0
    while True:
        k += 1
        if k > 250:
            return x * k


def by_generator(x: Any) -> Any:
    total = 0.0
    for v in (i * 0.5 for i in range(300)):
        total += v
    return total * x


LOOPS = [
    simple, with_break, with_continue_and_return, over_a_list, over_pairs, by_while, by_endless_while, by_generator,
]  # fmt: skip


@pytest.mark.parametrize("f", LOOPS)
def test_loops_of_constants_are_none_of_the_graph(f: Callable[[Any], Any]) -> None:
    assert not any([node.op.regions for node in graphad.trace(f)(3.0).nodes])
    np.testing.assert_allclose(graphad.jit(f)(3.0), f(3.0), rtol=1e-12)


def test_texts() -> None:
    @graphad.jit
    def f(x: Any) -> Any:
        words = {}
        for i in range(40):
            words[f"{i:02d}"] = json.dumps([i])
        return x * len(words["07"])

    assert f(2.0) == 6.0

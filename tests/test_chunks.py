"""Loops that may run for long ask for signals between chunks: the loop within a chunk is as it would be without."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import graphad


def loops(function: Any, *args: Any) -> list[str]:
    """The text of each loop in a compiled function's code, the innermost first: from a jump back to its target."""
    text = graphad.jit(function, threads=1).compile(*args).source()
    text = text[text.index("define i64 @run") :]
    blocks = re.split(r"^(\w+):$", text, flags=re.M)
    names = blocks[1::2]
    spans = []
    for i, body in enumerate(blocks[2::2]):
        jumps = [line for line in body.splitlines() if line.startswith("br ")]
        for target in re.findall(r"label %(v\d+)", "".join(jumps)):
            if target in names[: i + 1]:
                spans.append((i - names.index(target), "".join(blocks[2::2][names.index(target) : i + 1])))
    return [body for _, body in sorted(spans)]


def fill(x: Any, n: Any = 2000, size: int = 2000) -> Any:
    y = np.zeros(size)
    y[0] = x
    for i in range(1, n):
        y[i] = y[i - 1] * 0.999 + x
    return y[5]


def counted(x: Any, n: Any) -> Any:
    return graphad.fori_loop(0, n, lambda i, v: v * 0.5 + x, x)


def conditional(x: Any) -> Any:
    return graphad.while_loop(lambda c: c[0] < x, lambda c: (c[0] + 1, c[1] * 0.5), (0.0, x))[1]


def test_a_short_loop_does_not_ask() -> None:
    for function in (fill, graphad.grad(fill), lambda x: counted(x, 1000)):
        assert "poll" not in graphad.jit(function, threads=1).compile(1.0).source()


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (lambda x: fill(x, 10**6, 10**6), (1.0,)),
        (lambda x, n: fill(x, n), (1.0, 2000)),
        (counted, (1.0, 1000)),
        (lambda x: counted(x, 10**7), (1.0,)),
        (conditional, (5.0,)),
    ],
)
def test_a_long_loop_asks_between_chunks_only(function: Any, args: Any) -> None:
    inner, outer = [body for body in loops(function, *args) if "double" in body][-2:]
    assert "poll" in outer
    assert "poll" not in inner
    assert "call i64" not in inner


def rolled(x: Any, n: Any) -> Any:
    return graphad.fori_loop(0, n, lambda i, v: np.roll(v, 1), x)


def test_chunks_of_repetitions_give_what_the_whole_gives() -> None:
    # More iterations than one chunk has, of which no chunk's number is a divisor; arrays that change places.
    n = 3_000_001
    assert graphad.jit(lambda x: graphad.fori_loop(0, n, lambda i, v: v + x, 0.0))(2.0) == 2.0 * n
    f = graphad.jit(lambda x, n: graphad.fori_loop(0, n, lambda i, v: v + x, 0.0))
    assert [f(2.0, k) for k in (0, 1, n, -1)] == [0, 2, 2 * n, 0]
    assert graphad.jit(lambda n: graphad.while_loop(lambda i: i < n, lambda i: i + 1, 0))(n) == n
    x = np.arange(100.0)
    for steps in (100_001, 100_002):
        assert np.array_equal(graphad.jit(rolled, static_argnums=1)(x, steps), np.roll(x, steps))
        assert np.array_equal(graphad.jit(rolled)(x, steps), np.roll(x, steps))


def test_loops_of_unknown_length_within_loops_are_metered() -> None:
    def halved(v: Any) -> Any:
        return graphad.while_loop(lambda c: c[0] > 1, lambda c: (c[0] // 2, c[1] + 1), (v, 0))[1]

    f = graphad.jit(lambda n: graphad.fori_loop(0, n, lambda i, s: s + halved(i), 0))
    n = 200_000
    assert f(n) == sum(max(i.bit_length() - 1, 0) for i in range(n))

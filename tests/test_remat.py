"""What is kept for a derivative: fewest bytes, from which what is needed follows by cheap ops."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import graphad
from graphad.graph import Constant
from graphad.ops.regions import Scan
from graphad.passes.memory.remat import pays, recomputed


def program(seed: int) -> Any:
    """A function of two arrays made of cheap and of costly steps, that gives some of its intermediate values."""
    rng = np.random.default_rng(seed)
    steps = [[int(i) for i in rng.integers(0, [k, k, 5])] for k in range(2, 9)]
    chosen = sorted({int(i) for i in rng.integers(2, 9, 5)})

    def f(x: Any, y: Any) -> Any:
        values = [np.sin(x), np.exp(y)]
        for i, j, kind in steps:
            a, b = values[i], values[j]
            values.append([a * b, a + b, a - b, -a, np.tanh(a)][kind])
        return [values[i] for i in chosen]

    return graphad.trace(f)(np.ones(128), np.ones(128))


@pytest.mark.parametrize("seed", range(12))
def test_no_choice_of_values_has_fewer_bytes(seed: int) -> None:
    graph = program(seed)
    needed = list(dict.fromkeys(graph.outputs))
    kept, again = recomputed(graph.inputs, graph.nodes, needed, set())
    assert all(map(pays, again))

    def suffices(values: Any) -> bool:
        known = set(values)
        for node in graph.nodes:
            if pays(node) and all(v in known or isinstance(v, Constant) for v in node.inputs):
                known.update(node.outputs)
        return known.issuperset(needed)

    assert suffices(kept)
    every = [v for node in graph.nodes for v in node.outputs]
    assert not any(suffices(few) for few in itertools.combinations(every, len(kept) - 1))


def test_a_loop_stacks_what_its_derivative_needs_least() -> None:
    def gelu(w: Any, xs: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            a = w @ h + x
            h = 0.5 * a * (1 + np.tanh(0.8 * (a + 0.044 * a**3)))
            return h, h

        return np.sum(graphad.scan(step, np.ones(64), xs)[1] ** 2)

    w, xs = np.eye(64) + 0.01, np.linspace(-1, 1, 320).reshape(5, 64)
    graph = graphad.trace(graphad.grad(gelu))(w, xs)
    forward, *_ = [node for node in graph.nodes if isinstance(node.op, Scan)]
    assert sum(v.type.shape == (5, 64) for v in forward.outputs) <= 4  # the result, and three for the derivative
    graphad.check_grads(gelu, (w, xs), order=1, modes=["rev"])

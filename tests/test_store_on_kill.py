"""Derivatives of loops that change arrays in place keep what each store overwrites, not the arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad
from graphad.ops.regions.scan import Scan

N = 36
RNG = np.random.default_rng(3)
MATRIX = RNG.uniform(-0.4, 0.4, (N, N)) / N + 2 * np.eye(N)
TEXT = "inline, simplify_regions, simplify, licm, cse, fold, simplify_regions, fold_add_into_dest"


def cholesky(a):
    a = a.copy()
    for j in range(len(a)):
        a[j, j] = np.sqrt(a[j, j] - np.sum(a[j, :j] ** 2))
        a[j + 1 :, j] = (a[j + 1 :, j] - a[j + 1 :, :j] @ a[j, :j]) / a[j, j]
    return a


def cholesky_by_elements(a):
    a = a.copy()
    for i in range(len(a)):
        for j in range(i):
            a[i, j] -= np.dot(a[i, :j], a[j, :j])
            a[i, j] /= a[j, j]
        a[i, i] = np.sqrt(a[i, i] - np.dot(a[i, :i], a[i, :i]))
    return a


def lu(a):
    a = a.copy()
    for i in range(len(a)):
        for j in range(i):
            a[i, j] -= a[i, :j] @ a[:j, j]
            a[i, j] /= a[j, j]
        for j in range(i, len(a)):
            a[i, j] -= a[i, :i] @ a[:i, j]
    return a


def backwards(a):
    a = a.copy()
    for i in range(len(a) - 2, -1, -1):
        a[i] = np.sin(a[i + 1]) * np.mean(np.tanh(a))
    return a


def columns(a):
    a = a.copy()
    for i in range(len(a)):
        a[:, (3 * i + 1) % len(a)] = np.cos(a @ a[:, i] / len(a))
    return a


def blocks(a):
    a = a.copy()
    for i in range(len(a) - 2):
        a[i : i + 2, i : i + 3] = np.sin(a[i : i + 2, i : i + 3] * np.mean(a * a))
    return a


def same_place_twice(a):
    a = a.copy()
    for i in range(len(a)):
        a[i] *= np.mean(np.sin(a))
        a[i, 2] += np.mean(np.cos(a))
        a[i] = a[i] + np.mean(a * a)
    return a


def pivots(a):
    a = a.copy()
    for i in range(len(a) - 1):
        p = i + np.argmax(np.abs(a[i:, i]))
        a[[i, p]] = a[[p, i]]
        a[i] = a[i] * np.mean(a * a)
    return a


def sometimes(a):
    a = a.copy()
    for i in range(len(a)):
        s = np.mean(np.sin(a))
        if i + 1 < len(a):
            a[i + 1] = a[i] * s
        else:
            a[0, 0] = s
    return a


def inner_while(a):
    a = a.copy()
    for i in range(len(a)):
        s, k = np.mean(np.tanh(a)), 0
        while k < i % 4:
            a[i, k] = a[i, k] * s
            k += 1
    return a


def two_arrays(a):
    a, b = a.copy(), 0.1 * a
    for i in range(len(a)):
        a[i] = np.sin(a[i]) * np.mean(b * b)
        b[:, i] = b[:, i] + a @ a[i] / len(a)
    return a + b


def used_around(a):
    b = a * 2.0
    for i in range(len(a)):
        b[i] = b[i] + np.mean(np.sin(b)) * a[i]
    return b * b + a


def computed_places(a):
    a, k = a.copy(), 0
    for i in range(len(a)):
        k = (5 * k + i) % len(a)
        a[k] = a[k] * np.mean(np.cos(a))
    return a


def nested(a):
    a = a.copy()
    for i in range(4):
        for j in range(len(a)):
            a[j] = a[j] + 0.1 * np.sin(a[(j + i) % len(a)]) * np.mean(np.tanh(a))
    return a


PROGRAMS = [
    cholesky, cholesky_by_elements, lu, backwards, columns, blocks, same_place_twice, pivots, sometimes, inner_while,
    two_arrays, used_around, computed_places, nested,
]  # fmt: skip


def loss_of(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda a: np.sum(np.sin(f(a)))


@functools.cache
def reference(f: Callable[[Any], Any]) -> tuple[graphad.Graph, Any]:
    """The graph of a gradient that keeps arrays, and the gradient."""
    graph = graphad.Pipeline(TEXT)(graphad.trace(graphad.grad(loss_of(f)))(MATRIX))
    return graph, graph.eval(MATRIX)[0]


def stacked(graph: Any) -> int:
    """The elements of what loops stack for each iteration, at most."""
    found = [0]
    for node in graph.walk():
        if isinstance(node.op, Scan):
            found += [v.type.size for v in node.op.body.outputs[node.op.carries :]]
    return max(found)


def slope(f: Callable[[Any], Any], direction: Any) -> float:
    """The derivative of a function in a direction, by differences of fourth order."""
    h = 1e-3
    ends = [f(MATRIX + k * h * direction) for k in (-2, -1, 1, 2)]
    return float((ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * h))


@pytest.mark.parametrize("f", PROGRAMS)
def test_values_are_the_same_to_the_last_bit(f: Any) -> None:
    graph, expected = reference(f)
    changed = graphad.Pipeline("store_on_kill")(graph).verify()
    assert stacked(changed) < stacked(graph) / 2
    np.testing.assert_array_equal(changed.eval(MATRIX)[0], expected)
    direction = np.random.default_rng(1).normal(size=MATRIX.shape)
    np.testing.assert_allclose(np.sum(expected * direction), slope(loss_of(f), direction), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("f", PROGRAMS)
def test_compiled(f: Any) -> None:
    gradient = graphad.jit(graphad.grad(loss_of(f)))
    np.testing.assert_allclose(gradient(MATRIX), reference(f)[1], rtol=1e-9, atol=1e-12)
    assert stacked(gradient.compile(MATRIX).stages[-2].graph) < N * N / 2


@pytest.mark.parametrize(
    ("f", "executor"),
    [(sometimes, "numpy"), (blocks, "numpy"), *[pytest.param(f, "numba", marks=pytest.mark.slow) for f in PROGRAMS]],
)
def test_other_executors(f: Any, executor: str) -> None:
    gradient = graphad.jit(graphad.grad(loss_of(f)), executor=executor)
    np.testing.assert_allclose(gradient(MATRIX), reference(f)[1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("f", [cholesky, sometimes])
def test_batches_and_second_derivatives(f: Any) -> None:
    gradient = graphad.grad(loss_of(f))
    found = graphad.jit(graphad.vmap(gradient))(np.stack([MATRIX, MATRIX]))
    np.testing.assert_allclose(found, np.stack([reference(f)[1]] * 2), rtol=1e-9, atol=1e-12)
    direction = np.random.default_rng(1).normal(size=MATRIX.shape)
    total = lambda a: np.sum(gradient(a) * np.cos(a))
    second, compiled = graphad.jit(graphad.grad(total))(MATRIX), graphad.jit(total)
    np.testing.assert_allclose(np.sum(second * direction), slope(compiled, direction), rtol=1e-4, atol=1e-6)


def test_arrays_that_change_as_a_whole_are_stacked() -> None:
    def f(a: Any) -> Any:
        a = a.copy()
        for i in range(len(a)):
            a[i] = 0.0
            a[:] = a * np.mean(a)
        return a

    graph, _ = reference(f)
    assert graphad.Pipeline("store_on_kill")(graph) is graph


def test_what_is_read_otherwise_too_is_stacked() -> None:
    """A loop in the same direction reads the stack."""

    def f(a: Any) -> Any:
        def step(b: Any, i: Any) -> Any:
            kept = np.sin(b)
            b = b.copy()
            b[i] = np.mean(kept)
            return b, kept

        b, kept = graphad.scan(step, a, np.arange(len(a)))
        return np.sum(kept * kept) + np.sum(b)

    np.testing.assert_allclose(graphad.jit(graphad.grad(f))(MATRIX), graphad.grad(f)(MATRIX), rtol=1e-10)

"""What an iteration costs: no more than the part of an array that it reads or changes, in derivatives too."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import graphad
from graphad.executors.loops import lower
from graphad.executors.loops.bounded import bounds
from graphad.executors.loops.program import HostCall, LibraryCall, LoopNest, SequentialLoop
from graphad.executors.loops.statements import all_statements

N = 72
RNG = np.random.default_rng(2)
A = RNG.uniform(-0.5, 0.5, (N, N)) / N + 2 * np.eye(N)
P = RNG.permutation(N)
SHUFFLED = RNG.normal(size=(N, N))


def rows_by_tests(a: Any, p: Any) -> Any:
    a = a.copy()
    for i in range(len(a)):
        if a[i, 0] > 0.0:
            a[p[i]] = a[i] * 0.5
        elif a[i, 1] < 0.1:
            a[i] += np.sin(a[p[i]])
            a[p[i], 2] = 0.25
    return a


def rows_in_inner_loops(a: Any, p: Any) -> Any:
    a = a.copy()
    for i in range(len(a)):
        if a[i, 0] > 0.0:
            for j in range(i):
                a[p[i], j] = 0.5 * a[i, j] + 0.1 * a[j, i]
        else:
            a[i] = a[i] * 1.5
    return a


def two_arrays(a: Any, p: Any) -> Any:
    a, b = a.copy(), a * 2
    for i in range(len(a)):
        if a[i, i] > 0.1:
            a[i], b[p[i]] = b[i] * 0.3, a[i] * 0.4
        else:
            b[i] = b[i] + a[p[i]]
    return a * b


def pivots(a: Any, p: Any) -> Any:
    a = a.copy()
    for i in range(len(a)):
        j = np.argmax(np.abs(a[i]))
        a[j] = a[j] * 0.9 + 0.1 * a[i]
    return a


def by_outer_products(a: Any, p: Any) -> Any:
    a = a.copy()
    for k in range(len(a) - 1):
        a[k + 1 :, k] = a[k + 1 :, k] / a[k, k]
        a[k + 1 :, k + 1 :] -= np.outer(a[k + 1 :, k], a[k, k + 1 :])
    return a


def cholesky(a: Any, p: Any) -> Any:
    a = a.copy()
    for j in range(len(a)):
        a[j, j] = np.sqrt(a[j, j] - np.sum(a[j, :j] ** 2))
        a[j + 1 :, j] = (a[j + 1 :, j] - a[j + 1 :, :j] @ a[j, :j]) / a[j, j]
    return a


def fixed_rows(a: Any, p: Any) -> Any:
    a = a.copy()
    for i in range(len(a)):
        a[0] = 0.5 * a[1]
        a[-1] = 1.5 * a[-2]
        a[i] = a[i] * a[0] + a[2, 3] * a[:, 0]
    return a


def stored_views(a: Any, p: Any) -> Any:
    a = a.copy()
    for i in range(1, len(a)):
        a[i, 1:] = a[i, :-1]
        a[2:4] = a[1:3]
        a[:, 1] = a[5]
        a[p[i]] = a.T[i] * 0.5
    return a


PROGRAMS = [
    rows_by_tests, rows_in_inner_loops, two_arrays, pivots, by_outer_products, cholesky, fixed_rows, stored_views,
]  # fmt: skip


def loss(f: Any) -> Any:
    return lambda a, p: np.sum(np.sin(f(a, p)))


def widest(f: Any, a: Any) -> int:
    """The positions of the largest loop in an iteration that runs over the whole of its axes, calls beside them."""
    graph = graphad.jit(f).compile(a, P).stages[-2].graph
    found = [0]
    for statement in all_statements(lower(graph, lanes=8, threads=1, local=16).statements):
        for inner in all_statements(statement.body) if isinstance(statement, SequentialLoop) else ():
            assert not isinstance(inner, (HostCall, LibraryCall))
            if isinstance(inner, LoopNest):
                found.append(math.prod([n for axis, n in enumerate(inner.space) if axis not in bounds(inner)]))
    return max(found)


@pytest.mark.parametrize("f", PROGRAMS)
def test_values(f: Any) -> None:
    for a in (A, SHUFFLED):
        if f is not cholesky or a is A:
            np.testing.assert_allclose(graphad.jit(f, guard=True)(a, P), f(a, P), rtol=1e-9, atol=1e-12)
    if f is not stored_views:  # where what is read may be written at once
        assert widest(f, A) <= 2 * N


@pytest.mark.parametrize("f", PROGRAMS)
def test_gradients(f: Any) -> None:
    a = A if f in (cholesky, by_outer_products) else SHUFFLED
    found = graphad.jit(graphad.grad(loss(f)), guard=True)(a, P)
    direction, h = RNG.normal(size=a.shape), 1e-6
    slope = (loss(f)(a + h * direction, P) - loss(f)(a - h * direction, P)) / (2 * h)
    np.testing.assert_allclose(np.sum(found * direction), slope, rtol=1e-5, atol=1e-6)
    if f not in (cholesky, stored_views, fixed_rows):  # of which the first has a product of a transposed part left
        assert widest(graphad.grad(loss(f)), a) <= 2 * N

"""Assignment in place while tracing: what NumPy does to arrays, their aliases and views, in every executor."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import graphad
import graphad.numpy as gnp
from graphad.errors import ShapeError, TracerError, TypeMismatchError

X = np.arange(12.0).reshape(3, 4) + 0.5
V = np.array([0.3, -1.2, 2.5, 0.7, 1.1])


def assignment(x: Any) -> Any:
    x[0] = 1
    x[1:, 2] += 5
    x[-1, ::-2] = [7, 8]
    x[[0, 2], 1] *= 3
    return x


def alias(x: Any) -> Any:
    y = x
    y += 1
    y *= x
    return x, y


def views_of_views(x: Any) -> Any:
    y = x[1:]
    y *= 2
    z = y.T
    z[0] = 7
    x[2, 2] = -1
    w = z[1:][::-1]
    w -= x[0, 0]
    return x, y, z, w


def reshaped(x: Any) -> Any:
    flat = x.reshape(-1)
    flat[::3] = 0
    copied = x.T.reshape(-1)  # not in C order, so no view
    copied[:] = 9
    square = x.reshape(4, 3)
    square[:, 1] += np.sum(x[0])
    return x, flat, copied, square


def axes_moved(x: Any) -> Any:
    y = x.swapaxes(0, 1)[1:]
    y[...] = np.cumsum(y, axis=0)
    z = np.moveaxis(x[None], 0, -1)
    z[:, 0, 0] = 4
    np.squeeze(z)[1] = 2
    np.flip(x, 0)[0] = 3
    return x


def new_axes(x: Any) -> Any:
    v = x[::-1, None]
    v[0, 0, 1:3] = [5, 6]
    return x, v.squeeze()


def rows(x: Any) -> Any:
    for row in x:
        row[1:] = row[:-1] * 2
    return x


def scalars_do_not_change(x: Any) -> Any:
    s = x.sum()
    t = s
    s += 1
    x[0, 0] = t
    return s, t, x


def copies(x: Any) -> Any:
    a, b, c, d, e = x.copy(), np.copy(x), x.astype(float), x.flatten(), x[[0, 1]]
    for i, y in enumerate((a, b, c, d, e)):
        y[0] = i
    return x, a, b, c, d, e


def functions(x: Any) -> Any:
    np.copyto(x[1:], x[:-1].copy(), where=x[:-1] > 2)
    np.fill_diagonal(x, [-1, -2, -3])
    np.put(x, [0, 5], [4.0, 5.0])
    np.putmask(x, x > 9, [1.0, 2.0])
    np.place(x, x < 0, [8.0, 7.0])
    np.put_along_axis(x, np.argmax(x, axis=0, keepdims=True), x[:1] * 2, 0)
    np.put_along_axis(x[1], np.array([0, 2]), 11.0, 0)
    np.put_along_axis(x, np.array([1, -1]), [12.0, 13.0], None)
    return x


def methods(x: Any) -> Any:
    y = x * -1
    y.sort(axis=0)
    z = y.copy()
    z.fill(3)
    w = y[0]
    w.put([1, 2], [5, 6])
    w.partition(2)
    return x, y, z


def out(x: Any) -> Any:
    np.multiply(x, 2, out=x)
    np.sum(x, axis=0, out=x[1])
    np.sqrt(x[2], out=x[0], where=x[2] > 20)
    y = np.empty_like(x)
    np.add(x, 1, y)
    return x, y


def at(x: Any) -> Any:
    np.add.at(x, ([0, 0, 1], [1, 1, 2]), 10.0)
    np.multiply.at(x, (slice(None), [0, 0]), 2)
    np.negative.at(x, [2])
    np.maximum.at(x[1], [0, 1], 5)
    return x


def masks(x: Any) -> Any:
    x[x > 8] = 0
    x[x < 2] += 7
    x[x.sum(axis=1) > 25] = np.arange(4.0) * 3
    y = x[x > 2.9]
    return x, y.sum(), y.max(), y.min(), (np.sqrt(y) * 2).mean(), np.sum(y * y), np.var(y), y.std(ddof=1)


def filled(x: Any) -> Any:
    a = np.zeros_like(x)
    a[..., 1] = x[:, 0]
    a[1] = a[:, 1].sum()
    a[2, 1:] -= x[0, :3]
    return a


def complex_parts(x: Any) -> Any:
    z = x + 1j
    z.real = 3 * x
    z.imag[0] = x[0]
    w = z.real
    w += 1
    return z, w


PROGRAMS = [
    assignment, alias, views_of_views, reshaped, axes_moved, new_axes, rows, scalars_do_not_change, copies, functions,
    methods, out, at, masks, filled, complex_parts,
]  # fmt: skip


@pytest.mark.parametrize(
    ("program", "executor"),
    [*itertools.product(PROGRAMS, ["numpy", "llvm"]), *[(program, "numba") for program in PROGRAMS[::4]]],
)
def test_as_numpy(program: Any, executor: str) -> None:
    x = X.copy()
    found = graphad.jit(program, executor=executor)(x)
    np.testing.assert_array_equal(x, X)
    for a, b in zip(graphad.tree.leaves(found), graphad.tree.leaves(program(X.copy())), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
        assert np.asarray(a).dtype == np.asarray(b).dtype


def loss(program: Any) -> Any:
    def function(x: Any) -> Any:
        x = x * 1.0
        return sum(np.sum(np.sin(np.real(y)) + np.imag(y)) for y in graphad.tree.leaves(program(x)))

    return function


@pytest.mark.parametrize("program", PROGRAMS)
def test_derivatives(program: Any) -> None:
    function = loss(program)
    for gradient in (graphad.grad(function), graphad.jit(graphad.grad(function)), graphad.jacfwd(function)):
        found = gradient(X)
        for i in np.ndindex(X.shape):
            step = np.zeros_like(X)
            step[i] = 1e-6
            slope = (function(X + step) - function(X - step)) / 2e-6
            assert abs(found[i] - slope) < 1e-5 * max(1, abs(slope))


@pytest.mark.parametrize("program", PROGRAMS)
def test_batches(program: Any) -> None:
    xs = np.stack([X, X[::-1] * 0.9, X + 0.3])
    found = graphad.vmap(program)(xs)
    wanted = [graphad.tree.leaves(program(x.copy())) for x in xs]
    for a, column in zip(graphad.tree.leaves(found), zip(*wanted, strict=True), strict=True):
        np.testing.assert_allclose(a, np.stack(column), rtol=1e-12)


def test_what_a_transformed_function_changes_can_no_longer_be_read() -> None:
    def change(v: Any) -> Any:
        v[0] = 10
        return v

    def function(v: Any) -> Any:
        first = graphad.jit(change)(v)
        return first, v

    with pytest.raises(graphad.ControlFlowError, match="change has changed in place"):
        graphad.jit(function)(V)
    first, kept = graphad.jit(lambda v: (graphad.jit(change)(v.copy()), v))(V)
    assert first[0] == 10
    assert kept[0] == V[0]


def test_no_op_gives_its_operand_as_an_array_of_its_own() -> None:
    # What may be its operand in NumPy is a view; everything else must not share what is written to it.
    def function(v: Any) -> Any:
        for y in (gnp.array(v), +v, np.concatenate([v]), np.clip(v, None, 9), np.sort(v), v.round(3), np.tile(v, 1),
                  np.broadcast_to(v, (1, 5))[0].copy(), np.where(True, v, v), np.stack([v])[0]):  # fmt: skip
            y[1] = 99.0
        return v

    np.testing.assert_array_equal(graphad.jit(function)(V), V)


@pytest.mark.parametrize(
    ("program", "error", "words"),
    [
        (lambda x: x.__setitem__(0, np.ones(5)), ShapeError, ["broadcast", "f64[5]", "[4]"]),
        (lambda x: np.ones(3).__iadd__(x[:, 0]), TracerError, ["out=", "zeros_like"]),
        (lambda x: np.copyto(np.zeros((3, 4)), x), TracerError, ["copyto", "graphad.numpy"]),
        (lambda x: np.add.at(np.zeros((3, 4)), 0, x[0]), TracerError, ["add.at", "graphad.numpy"]),
        (lambda x: x.__setitem__(x > 1, np.ones(7)), TracerError, ["x[mask]", "numpy.where"]),
        (lambda x: x[x > 1] + np.ones(7), TracerError, ["x[mask]", "numpy.where"]),
        (lambda x: len(x[x > 1]), TracerError, ["len()", "numpy.where"]),
        (lambda x: np.zeros_like(x, int).__iadd__(x), TypeMismatchError, ["+=", "float64", "i64[3,4]"]),
        (lambda x: graphad.scan(lambda c, _: (x.__setitem__(0, c), None), 1.0, None, 3), TracerError, ["enclosing"]),
    ],
)
def test_errors(program: Any, error: Any, words: list[str]) -> None:
    with pytest.raises(error) as caught:
        graphad.trace(program, control_flow=False)(X)
    for word in [*words, f"test_inplace.py:{program.__code__.co_firstlineno}"]:
        assert word in str(caught.value)

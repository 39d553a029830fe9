"""Slices with traced bounds: what NumPy gives for every bound, with derivatives, in loops of the graph."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

import graphad
from graphad.errors import GraphadError, ShapeError

RNG = np.random.default_rng(3)
N = 6
X = RNG.uniform(0.2, 2.0, N)
Y = RNG.uniform(0.2, 2.0, N)
A = RNG.uniform(0.2, 2.0, (N, N))

EXPRESSIONS = [
    "np.sum(x[0] * x[:i] - x[1])", "np.sum(np.multiply(x[2], x[i:]))", "np.sum(np.where(x[0] > 1, x[:i], 1.0))",
    "np.dot(x, y) * np.sum(W[:i])", "np.sum(x[:i])", "np.sum(x[i:] ** 2)", "np.prod(x[i:j])", "np.sum(x[-i:])",
    "np.sum(x[:-i])", "np.sum(x[i - 1 : i + 2] * w)", "np.sum(x[i : i + 3] * W[i : i + 3])",
    "x[:i].sum() + len(x[:i])", "x[i:j].shape[0] * x[0]", "np.sum(x[i:j]) / max(x[i:j].size, 1)", "x[:i] @ y[:i]",
    "np.dot(x[i:], y[: len(y) - i])", "np.dot(x[i:], np.flip(y[i:]))", "x[:i][::-1] @ y[:i]", "np.sum(x[i::-1])",
    "np.sum(x[j:i:-1])", "np.vdot(x[i:j], y[i:j])", "np.inner(x[i:j], y[i:j])", "np.sum(a[i, :j])", "a[i, :j] @ x[:j]",
    "np.sum(a[i + 1 :, i])", "np.sum(np.sin(a[:i, :j]))", "np.sum(a[:i, :j] @ x[:j])", "np.sum(a[:i, :j].T @ x[:i])",
    "np.sum(a[:i, :j] @ a[:j, :i])", "np.sum(a[:, :i] @ x[:i])", "np.sum(x[:i] @ a[:i])",
    "np.sum(x @ a[:, i:])", "np.sum(a[j] @ a[:, :i])", "np.sum(np.matmul(a, a[:, :i]))", "np.sum(np.dot(y, a[:, :j]))",
    "np.sum(np.outer(x[:i], y[j:]) ** 2)", "np.einsum('i,ij,j->', x[:i], a[:i, :j], y[:j])",
    "np.sum(np.einsum('ij,j->i', a[:i, :j], y[:j]) ** 2)", "np.linalg.norm(x[: i + 1])",
    "np.sum(np.cumsum(x[i:j]) ** 2)", "np.sum(np.cumprod(x[i:]))", "np.sum(np.where(x[:i] > 1, x[:i], 0.0))",
    "np.sum(np.clip(x[i:], 0.5, 1.5))", "np.sum(np.diff(x[:i]) ** 2)",
    "np.sum(np.concatenate([x[:i] * 2, y[i:]])[:6] * W[:6])", "np.sum(np.concatenate([x[:i], y[:j]]) ** 2)",
    "np.sum(np.concatenate([x[1 : i + 1], y])[:7] ** 2)", "np.sum(x[:i, None] * y[None, :])", "np.sum(a[:i] * y)",
    "np.sum(a[:i].sum(axis=1) ** 2)", "np.sum(a[:i, :j].sum(axis=0) ** 2)", "np.sum(a[i:].mean(axis=1))",
    "np.sum(x[:i] > 1) * x[0]", "np.any(x[:i] > 1.9) * x[0]", "np.sum(x[i:][:2])", "np.sum(x[:i][1:])",
    "np.sum(x[1:][:i] * x[:-1][:i])", "np.sum(np.exp(x[:i]) / (1 + y[:i]))", "(2 * x[i:j] - y[i:j] / 3).sum()",
    "np.sum(a[i][:j])", "np.sum(a[:, i][:j])", "np.sum(a.T[i, :j])", "np.sum((x[:i] + 1j * y[:i]).real)",
    "np.abs(np.sum(x[:i] + 1j * y[:i]))", "np.sum(np.maximum(x[:i], y[:i]))", "np.sum(x[:i].astype(np.float32))",
    "x[:i].copy().sum()", "np.sum(np.arange(6.0)[:i] * x[:i])", "np.count_nonzero(x[:i] > 1) * x[0]",
]  # fmt: skip
NOT_EMPTY = [
    "np.max(x[: i + 1])", "np.min(x[i:])", "x[np.argmax(x[i:])]", "y[np.argmin(x[: i + 1])]", "np.mean(x[i:])",
    "np.var(x[: i + 1])", "np.std(x[i:] * y[i:] + 1)", "x[i:][0]", "x[: i + 1][-1]", "x[i:][j * 0]",
    "np.max(a[: i + 1, : j + 1])", "np.sum(np.max(a[: i + 1], axis=0))", "x[i:].max() - x[i:].min()",
    "np.average(x[i:] / 1)",
]  # fmt: skip
STORES = [
    "x[:i] = 0.5", "x[i:] = y[i:]", "x[i:] = y[: 6 - i]", "x[:i] += y[:i]", "x[i:j] *= 2.0", "x[:i] = x[:i][::-1]",
    "x[i : i + 2] = y[i : i + 2] * 2", "x[i : i + 1] -= 1", "a[i, :j] = x[:j]", "a[i, :j] -= a[i, i] * x[:j]",
    "a[i:, j] = 2.0 * y[i:]", "a[:i, :j] = 0.0", "a[i:, i:] -= np.outer(x[i:], y[i:])", "v = x[:i]; v += 1.0",
    "v = x[i:]; v[0:1] = 7.0", "v = x[:i]; x[:] = y; y[0] = v.sum()", "v = x[i:j]; v[:] = y[i:j]",
    "v = a[i, :j]; v *= 3.0", "v = a[:i]; v[:, 0] = 5.0", "v = a[i:].T; v[0] += 1.0",
    "w2 = x[:i] * 2; w2 += 1.0; y[:i] = w2", "x[::-1][:i] = y[:i]", "x[:i][1:] = 4.0", "x[i:-1] = x[i + 1 :]",
    "x[1 : i + 1] = x[:i]", "np.add(x[:i], 1.0, out=x[:i])",
]  # fmt: skip
W = np.array([1.0, -2.0, 3.0, 0.5, 1.5, -1.0, 2.0, 0.3, 0.9])


def program(body: str) -> Any:
    """A function of x, y, a, i and j with a source of its own."""
    import linecache

    name = f"<moving {abs(hash(body))}>"
    source = f"def f(x, y, a, i, j):\n    {body}\n"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    space: dict[str, Any] = {"np": np, "W": W, "w": W[:3]}
    exec(compile(source, name, "exec"), space)
    return space["f"]


def storing(line: str) -> Any:
    copies, result = "x, y, a = x.copy(), y.copy(), a.copy()", "np.sum(np.sin(x)) + np.sum(y**2) + np.sum(a**2)"
    return program(f"{copies}; {line}; return {result}")


def close(f: Any, chosen: Iterable[tuple[int, int]], executor: str) -> None:
    """Values and gradients for each pair of bounds, by functions that are compiled once for all."""
    gradient = graphad.grad(f, argnums=(0, 1, 2))
    compiled, slopes = graphad.jit(f, executor=executor), graphad.jit(gradient, executor=executor)
    for i, j in chosen:
        np.testing.assert_allclose(compiled(X, Y, A, i, j), f(X, Y, A, i, j), rtol=1e-6, err_msg=f"{i} {j}")
        for a, b in zip(slopes(X, Y, A, i, j), gradient(X, Y, A, i, j), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9, err_msg=f"{i} {j}")


def bounds(body: str) -> list[tuple[int, int]]:
    """Bounds for a program: also negative and too large ones, where an index does not forbid it."""
    parts = ("a[i,", "[i]", "[:, i]", ", i]", "j]", "i : i", "i - 1 :", "6 - i", "- i]", "i + 1")
    index = any(part in body for part in parts)
    return [(0, 0), (2, 4), (3, 3), (5, 5)] if index else [(0, 0), (2, 4), (4, 2), (6, 9), (-2, 5), (-9, -1)]


def leaves_the_axis(expression: str, i: int, j: int) -> bool:
    return ("i : i + 3" in expression and i > 3) or ("i - 1" in expression and not 1 <= i <= 4)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expressions(expression: str) -> None:
    f = program(f"return {expression}")
    beyond = [b for b in bounds(expression) if leaves_the_axis(expression, *b)]
    compiled = graphad.jit(f)
    for i, j in beyond:
        with pytest.raises(ShapeError, match="leaves the axis of extent 6"):
            compiled(X, Y, A, i, j)
    close(f, [b for b in bounds(expression) if b not in beyond], "llvm")


@pytest.mark.parametrize("expression", NOT_EMPTY)
def test_reductions_and_elements_that_need_one(expression: str) -> None:
    f = program(f"return {expression}")
    close(f, [(0, 0), (2, 4), (5, 1), (4, 5)], "llvm")


@pytest.mark.parametrize(("expression", "kind", "match"), [
    ("np.max(x[:i])", ValueError, "zero-size array to reduction operation maximum"),
    ("np.argmin(x[6 - i :])", ValueError, "argmin of an empty sequence"),
    ("x[:i][0]", IndexError, "out of bounds"),
    ("np.sum(x[:i] * y[j:])", ShapeError, "could not be broadcast together"),
    ("x[:i] @ y[: j + 1]", ShapeError, "could not be broadcast together"),
    ("max(x[:i])", ValueError, "zero-size array to reduction operation maximum"),
])  # fmt: skip
@pytest.mark.parametrize("executor", ["llvm", "numba", "numpy"])
def test_what_numpy_refuses_is_an_error_at_run_time(expression: str, kind: Any, match: str, executor: str) -> None:
    f = program(f"return {expression}")
    with pytest.raises((ValueError, IndexError)):
        f(X, Y, A, 0, 3)
    with pytest.raises(kind, match=match):
        graphad.jit(f, executor=executor)(X, Y, A, 0, 3)


@pytest.mark.parametrize("line", STORES)
def test_stores(line: str) -> None:
    f = storing(line)
    close(f, [(1, 1), (1, 2), (2, 3)] if "x[i + 1 :]" not in line else [(0, 0), (3, 2)], "llvm")


@pytest.mark.parametrize("line", [
    "x[:i].sort()", "np.sort(x[:i])", "x[:i].reshape(2, -1)", "np.fft.fft(x[:i])", "x[:i:2]", "x[[0, 1], :i]",
    "x[:i] * y", "y @ x[:i]", "np.stack([x[:i], y[:i]])", "np.median(x[:i])", "if x[:i]: pass", "float(x[:i])",
    "np.array(x[:i])", "x[:i] = y", "[v for v in x[:i]]", "print(x[:i])", "f'{x[:i]}'", "x[0] in x[:i]",
    "np.vecdot(x[:i], y[:i])", "np.max(x[:i] + 0j)", "x[: i / 2]",
])  # fmt: skip
def test_what_needs_the_extent_is_refused(line: str) -> None:
    with pytest.raises(GraphadError, match=r"moving .*:2"):
        graphad.jit(program(f"{line}; return x.sum()" if not line.startswith("if") else line))(X, Y, A, 2, 3)


@pytest.mark.parametrize("executor", ["numba", "numpy"])
def test_other_executors(executor: str) -> None:
    for expression in EXPRESSIONS[4::9]:
        close(program(f"return {expression}"), [(2, 4)], executor)
    for line in STORES[::7]:
        close(storing(line), [(1, 2)], executor)


def test_nothing_leaks_from_what_is_not_used() -> None:
    bad = X.copy()
    bad[3:] = [np.nan, np.inf, -np.inf]
    expressions = [
        "np.sum(x[0] * x[:i] - x[1])", "np.sum(x[:i])", "x[:i].sum() + len(x[:i])", "x[:i] @ y[:i]", "x[:i] @ x[:i]",
        "np.sum(np.log(x[:i]) * x[:i])", "np.linalg.norm(x[:i])", "np.std(x[:i])", "np.prod(x[:i])", "np.max(x[:i])",
        "np.sum(np.cumsum(x[:i]) ** 2)", "np.sum(np.where(x[:i] > 1, x[:i] ** 2, 0.0))", "np.sum(np.outer(x[:i], y))",
    ]  # fmt: skip
    for expression in expressions:
        f = program(f"return {expression}")
        for derivative in (graphad.grad(f), graphad.jacfwd(f), graphad.grad(lambda *a, f=f: graphad.grad(f)(*a).sum())):
            found = graphad.jit(derivative)(bad, Y, A, 3, 0)
            np.testing.assert_allclose(found[:3], derivative(X, Y, A, 3, 0)[:3], rtol=1e-9, err_msg=expression)
            np.testing.assert_array_equal(found[3:], 0)


EDGES = [
    "p = x[:i]; return p[1 : len(p) + 1].sum()", "p = x[:i]; return p[: len(p) + 2].sum() + p[len(p) :: -1].sum()",
    "x = x.copy(); p = x[:i]; p[: len(p) + 1] = 9.0; return x.sum()", "return np.max(-x[:i], initial=0)",
    "return (x[:i] * x[:i].real).sum()", "x = x.copy(); p = x[:i].real; p += 1; return (x * y).sum()",
    "z = x + 1j * y; z[:i].real = 1.0; p = z[1:i].imag; p *= 2; return np.abs(z).sum()",
    "x = x.copy(); p = x[:i].astype(float, copy=False); p += 1; return x.sum()",
    "k = np.array(i); x = x.copy(); v = x[k : k + 2]; k[...] = 0; x[5] = 1; return v.sum()",
    "s = 0.0\n    for k in range(i):\n        s = s + len(x[: k // 2]) + x[-k // 4 :].sum()\n    return s * x[0]",
    "s = 0.0\n    for k in range(i):\n        s += x[int(-0.5 * k) :].sum()\n    return s",
    "return np.sum(np.concatenate([x[:i], [1.0, 2.0]])) + np.append(x[:i], 2).sum() * x[0]",
    "c = np.array([3, 1, 2, 0, 5]); return y[i:5] @ x[c[i:5]]", "return np.clip(x[:i], a_min=y[:i], a_max=None).sum()",
    "return (x.astype(np.float32)[:i] * 2.0 + 1).dtype.itemsize * x[0]", "return x[:i].sum() + x[i:].max()",
    "return max(x[:i]) - min(x[i:]) + sum(x[:i], 2.0) + any(x[:i] > 1) * all(x[i:] > 0) * x[0]",
    "return np.sum(x[-i - 2 : -i] * W[:2]) + np.sum(x[i - 6 : i - 5])",
]  # fmt: skip


@pytest.mark.parametrize("body", EDGES)
def test_edges(body: str) -> None:
    f = program(body)
    close(f, [(2, 0), (4, 0)], "llvm")


def test_small_integers_keep_their_arithmetic() -> None:
    f = program("return (x[:i] * 2)[0], (x[:i] + 10).max(), x[i - 5 : i].sum(), x[i : i + 100].sum()")
    for dtype in (np.int8, np.uint8):
        x = np.array([100, 120, 3, 4], dtype)
        for i in (dtype(2), dtype(3)):
            for a, b in zip(graphad.jit(f)(x, 0, 0, i, 0), f(x, 0, 0, i, 0), strict=True):
                assert a == b
                assert a.dtype == b.dtype


def test_methods_are_there_from_the_start() -> None:
    code = "import graphad, numpy as np; print(graphad.jit(lambda x, i: x[:i].sum())(np.arange(5.), 3))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "3.0\n"


def test_batches_of_bounds() -> None:
    f = program("return np.sum(x[:i] * y[:i]) + np.max(x[i : i + 2]) * np.sum(a[i, :j])")
    i, j = np.array([0, 2, 4]), np.array([1, 6, 3])
    each = graphad.jit(graphad.vmap(graphad.value_and_grad(f), in_axes=(None, None, None, 0, 0)))(X, Y, A, i, j)
    for k in range(3):
        value, gradient = graphad.value_and_grad(f)(X, Y, A, int(i[k]), int(j[k]))
        np.testing.assert_allclose(each[0][k], value)
        np.testing.assert_allclose(each[1][k], gradient)


# -- loops --------------------------------------------------------------------------------------------------------


def trisolv(t: Any, b: Any) -> Any:
    n = len(b)
    x = np.zeros(n)
    for i in range(n):
        x[i] = (b[i] - t[i, :i] @ x[:i]) / t[i, i]
    return x


def cholesky(t: Any, b: Any) -> Any:
    t = t @ t.T
    n = len(b)
    t[0, 0] = np.sqrt(t[0, 0])
    for i in range(1, n):
        for j in range(i):
            t[i, j] -= np.dot(t[i, :j], t[j, :j])
            t[i, j] /= t[j, j]
        t[i, i] = np.sqrt(t[i, i] - np.dot(t[i, :i], t[i, :i]))
    return np.tril(t)


def lu(t: Any, b: Any) -> Any:
    t = t.copy()
    for i in range(len(b)):
        for j in range(i):
            t[i, j] -= t[i, :j] @ t[:j, j]
            t[i, j] /= t[j, j]
        for j in range(i, len(b)):
            t[i, j] -= t[i, :i] @ t[:i, j]
    return t


def outer_lu(t: Any, b: Any) -> Any:
    t = t.copy()
    for k in range(len(b) - 1):
        t[k + 1 :, k] /= t[k, k]
        t[k + 1 :, k + 1 :] -= np.outer(t[k + 1 :, k], t[k, k + 1 :])
    return t


def durbin(t: Any, b: Any) -> Any:
    r = b / (4 * len(b))
    y = np.empty_like(r)
    alpha, beta = -r[0], 1.0
    y[0] = -r[0]
    for k in range(1, len(b)):
        beta *= 1.0 - alpha * alpha
        alpha = -(r[k] + np.dot(np.flip(r[:k]), y[:k])) / beta
        y[:k] += alpha * np.flip(y[:k])
        y[k] = alpha
    return y


def smooth(t: Any, b: Any) -> Any:
    out = np.zeros(len(b))
    for i in range(1, len(b) - 1):
        out[i] = np.mean(b[i - 1 : i + 2] ** 2) * np.max(t[i, i : i + 1])
    return out


def running(t: Any, b: Any) -> Any:
    total = 0.0
    for i in range(1, len(b)):
        total = total + np.std(b[:i]) * np.linalg.norm(b[i:]) + b[: i + 1].max() - t[i:, i].min()
    return total


def sparse_product(t: Any, b: Any) -> Any:
    ptr = np.arange(len(b) + 1) * len(b)
    cols, vals = np.tile(np.arange(len(b)), len(b)), t.ravel()
    out = np.zeros(len(b))
    for i in range(len(b)):
        start, stop = ptr[i], ptr[i + 1]
        for k in range(start, stop):
            out[i] += vals[k] * b[cols[k]]
        out[i] += np.sum(vals[ptr[i] : ptr[i + 1]]) * 0.1
    return out


def while_loop(t: Any, b: Any) -> Any:
    i, s = 0, 0.0
    while s < 1e4 and i < len(b) - 2:
        s = s + np.sum(b[i : i + 2]) * np.sum(b[i:])
        i += 1
    return s


LOOPS = [trisolv, cholesky, lu, outer_lu, durbin, smooth, running, sparse_product, while_loop]


def data(n: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(n)
    return np.tril(rng.uniform(0.1, 1, (n, n))) / n + np.eye(n) * 2, rng.uniform(0.5, 1.5, n)


@pytest.mark.parametrize("f", [pytest.param(f, marks=pytest.mark.slow if f is lu else ()) for f in LOOPS])
def test_loops(f: Any) -> None:
    t, b = data(34)
    np.testing.assert_allclose(graphad.jit(f)(t, b), f(t, b), rtol=1e-9)
    gradient = graphad.grad(lambda t, b: np.sum(np.cos(f(t, b))), argnums=(0, 1))
    found = graphad.jit(gradient)(t, b)
    for a, e in zip(found, gradient(t, b), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-7, atol=1e-10)
    direction = np.ones_like(b)
    tangent = graphad.jit(lambda b: graphad.jvp(lambda b: np.sum(np.cos(f(t, b))), (b,), (direction,))[1])(b)
    np.testing.assert_allclose(tangent, found[1].sum(), rtol=1e-7)


@pytest.mark.parametrize("f", LOOPS)
def test_graphs_do_not_grow_with_trip_counts(f: Any) -> None:
    sizes = [str(graphad.trace(f)(*data(n))).count("\n") for n in (40, 80)]
    assert sizes[0] == sizes[1] < 160


def sparse_rows(vals: Any, x: Any, ptr: Any, cols: Any) -> Any:
    y = np.zeros(len(ptr) - 1)
    for i in range(len(ptr) - 1):
        y[i] = vals[ptr[i] : ptr[i + 1]] @ x[cols[ptr[i] : ptr[i + 1]]]
    return np.sum(y**2)


def test_derivatives_keep_numbers_rather_than_parts() -> None:
    n = 400
    args = RNG.normal(size=3 * n), RNG.normal(size=n), np.arange(n + 1) * 3, RNG.integers(0, n, 3 * n)
    gradient = graphad.jit(graphad.grad(sparse_rows, argnums=(0, 1)), guard=True)
    assert gradient.compile(*args).memory()["peak"] < 300 * n
    direction = RNG.normal(size=3 * n), RNG.normal(size=n)
    slope = sum(np.sum(g * d) for g, d in zip(gradient(*args), direction, strict=True))
    ends = [sparse_rows(*[x + h * d for x, d in zip(args, direction, strict=False)], *args[2:]) for h in (1e-6, -1e-6)]
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / 2e-6, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["f8", "f4", "c16"])
def test_cotangents_of_rows(dtype: str) -> None:
    def f(a: Any, x: Any) -> Any:
        total = 0.0
        for i in range(len(x)):
            total = total + np.abs(np.sum(a[i, : i + 1] * x[: i + 1]))
        return total

    a, x = (RNG.normal(size=shape).astype(dtype) * (1j if dtype[0] == "c" else 1) for shape in ((70, 70), (70,)))
    a = a + RNG.normal(size=a.shape).astype(a.dtype)
    for found, exact in zip(
        graphad.jit(graphad.grad(f, argnums=(0, 1)), guard=True)(a, x),
        graphad.grad(f, argnums=(0, 1))(a, x), strict=True,
    ):  # fmt: skip
        np.testing.assert_allclose(found, exact, **({"rtol": 1e-3, "atol": 1e-4} if dtype == "f4" else {"rtol": 1e-9}))

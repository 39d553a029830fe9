"""Reductions over nothing but extremes: infinities, NaN, the ends of integers; along every axis and at every length."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad

INF, NAN = np.inf, np.nan
LENGTHS = (1, 3, 17, 260, 5000)
FILLS: dict[str, tuple[Any, ...]] = {
    "f8": (-INF, INF, NAN, 1.0, -1.0), "f4": (-INF, INF, NAN, 1.0), "i8": (-(2**63), 2**63 - 1),
    "i4": (-(2**31), 2**31 - 1), "u1": (0, 255), "b": (False, True),
}  # fmt: skip
REDUCTIONS: dict[str, tuple[Any, ...]] = {
    "f": (np.max, np.min, np.sum, np.prod, np.argmax, np.argmin), "i": (np.max, np.min, np.sum, np.prod),
    "u": (np.max, np.min, np.sum), "b": (np.any, np.all, np.max, np.min),
}  # fmt: skip


def reduced(x: Any) -> list[Any]:
    """Every reduction of a matrix, along its axes and over all of it."""
    functions = REDUCTIONS[np.dtype(x.dtype).kind]
    return [f(x, axis=axis) for f in functions for axis in (0, 1, None)]


def matrices(dtype: str, shape: tuple[int, int]) -> list[Any]:
    """Matrices of one element again and again, and with another one in the first, a middle and the last place."""
    found = []
    for fill in FILLS[dtype]:
        found.append(np.full(shape, fill, dtype))
        for at in {0, found[-1].size // 2, found[-1].size - 1}:
            x = found[-1].copy()
            x.flat[at] = FILLS[dtype][(at + 1) % len(FILLS[dtype])]
            found.append(x)
    return found


def check(executor: str, dtype: str, shape: tuple[int, int], **options: Any) -> None:
    compiled = graphad.jit(reduced, executor=executor, **options)
    with np.errstate(all="ignore"):
        for x in matrices(dtype, shape):
            for found, wanted in zip(compiled(x), reduced(x), strict=True):
                assert found.dtype == wanted.dtype
                np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("dtype", FILLS)
@pytest.mark.parametrize("length", LENGTHS)
def test_reductions_of_extremes(dtype: str, length: int) -> None:
    for shape in ((length, 2), (2, length)):
        check("llvm", dtype, shape)


@pytest.mark.parametrize("dtype", ["f8", "i4"])
def test_reductions_of_extremes_in_threads(dtype: str) -> None:
    for shape in ((100_000, 2), (2, 100_000)):
        check("llvm", dtype, shape, threads=2)


@pytest.mark.parametrize("dtype", ["f8", "i8"])
def test_reductions_of_extremes_in_numba(dtype: str) -> None:
    check("numba", dtype, (2, 260))


@pytest.mark.parametrize("fill", [-INF, INF, NAN])
def test_reductions_within_loops_and_kernels(fill: float) -> None:
    """What is reduced is computed in the kernel, in a loop, or read through a slice."""

    def f(x: Any, y: Any) -> Any:
        step = lambda total, row: (np.maximum(total, np.max(row + y)), np.min(row * 2.0))
        last, rows = graphad.scan(step, np.float64(-INF), x)
        return last, rows, np.max(x[:, 5:], axis=1), np.min(-x, axis=0), np.max(np.where(x > 0, x, -INF))

    x = np.full((3, 300), fill)
    y = np.linspace(0, 1, 300)
    wanted = (np.max(x + y), np.full(3, fill), np.full(3, fill), np.full(300, -fill), fill if fill == INF else -INF)
    for found, value in zip(graphad.jit(f, executor="llvm")(x, y), wanted, strict=True):
        np.testing.assert_array_equal(found, value)


@pytest.mark.parametrize(("f", "sign"), [(np.max, 1.0), (np.min, -1.0)])
def test_derivatives_of_extremes_that_are_infinite(f: Any, sign: float) -> None:
    """All elements that tie share the derivative; one infinity alone has all of it."""
    x = np.full(500, -INF * sign)
    gradient = graphad.jit(graphad.grad(f), executor="llvm")
    np.testing.assert_allclose(gradient(x), np.full(500, 1 / 500))
    x[123] = INF * sign
    np.testing.assert_array_equal(gradient(x), np.arange(500) == 123)


@pytest.mark.parametrize("f", [np.max, np.min, np.maximum.accumulate, np.minimum.accumulate])
def test_derivatives_of_extremes_that_are_nan(f: Any) -> None:
    x = np.array([1.0, NAN, 2.0, 0.5])
    _, slope = graphad.jvp(f, (x,), (np.ones(4),))
    np.testing.assert_array_equal(np.isnan(slope), np.isnan(f(x)))


@pytest.mark.parametrize("executor", ["llvm", "numba"])
def test_signs(executor: str) -> None:
    xs = [np.array([0.0, -0.0, NAN, INF, -INF, 2.0, -0.5], dtype) for dtype in ("f4", "f8")]
    xs += [np.array([0, 1, np.iinfo(d).min, np.iinfo(d).max], d) for d in ("i1", "i4", "i8", "u1", "u8")]
    signs = graphad.jit(lambda xs: [np.sign(x) for x in xs], executor=executor)(xs)
    for x, found in zip(xs, signs, strict=True):
        np.testing.assert_array_equal(found, np.sign(x), strict=True)

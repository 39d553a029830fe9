"""The numba executor against hand-written fused loops, and the cost of a call. Run by hand; prints ratios."""

from __future__ import annotations

import timeit
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

import graphad


def best(function: Callable[[], Any], number: int, repeat: int = 9) -> float:
    """Seconds of one call, the best of several rounds."""
    return min(timeit.repeat(function, number=number, repeat=repeat)) / number


def chain(x: Any, y: Any) -> tuple[Any, Any]:
    a = np.exp(-x * x) * np.sin(y) + x / y
    return np.sum(a), np.max(a)


@numba.njit(error_model="numpy", fastmath={"reassoc"})  # type: ignore[untyped-decorator]
def chain_by_hand(x, y):  # type: ignore[no-untyped-def]
    total, largest = 0.0, -np.inf
    for i in range(x.shape[0]):
        a = np.exp(-x[i] * x[i]) * np.sin(y[i]) + x[i] / y[i]
        total += a
        largest = max(largest, a)
    return total, largest


def polynomial(x: Any, y: Any) -> tuple[Any, Any]:
    z = x * x + 3.0 * x * y - y
    return z, np.sum(z * z)


@numba.njit(error_model="numpy", fastmath={"reassoc"})  # type: ignore[untyped-decorator]
def polynomial_by_hand(x, y):  # type: ignore[no-untyped-def]
    out = np.empty_like(x)
    total = 0.0
    for i in range(x.shape[0]):
        z = x[i] * x[i] + 3.0 * x[i] * y[i] - y[i]
        out[i] = z
        total += z * z
    return out, total


def compare(name: str, fun: Callable[..., Any], by_hand: Callable[..., Any], x: Any, y: Any) -> None:
    """Check that both give the same and print their times and ratio."""
    compiled = graphad.jit(fun, executor="numba")
    for a, b in zip(compiled(x, y), by_hand(x, y), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11)
    ours, theirs = best(lambda: compiled(x, y), 5), best(lambda: by_hand(x, y), 5)
    print(f"{name:28s} graphad {ours * 1e3:7.2f} ms   by hand {theirs * 1e3:7.2f} ms   ratio {ours / theirs:.2f}")


def main() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0.5, 2.0, (2, 1_000_000))
    compare("exp-sin chain, sum, max", chain, chain_by_hand, x, y)
    compare("polynomial, sum", polynomial, polynomial_by_hand, x, y)
    small = graphad.jit(lambda a, b, c: np.sum(a * b + c), executor="numba")
    a, b, c = rng.normal(size=(3, 3))
    small(a, b, c)
    print(f"call with three small arrays {best(lambda: small(a, b, c), 20_000) * 1e6:.2f} us (goal: under 5)")


if __name__ == "__main__":
    main()

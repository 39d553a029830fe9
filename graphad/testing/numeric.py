"""Numerical tools of the tests: finite differences, random directions, products and comparisons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Function = Callable[[list[Any]], Sequence[Any]]
STEPS = (1e-2, 1e-3, 1e-5)


def precision(*arrays: Any) -> float:
    """The largest machine epsilon among the floating arrays (float64's where there is none)."""
    found = [np.finfo(x.dtype).eps for x in map(np.asarray, arrays) if x.dtype.kind in "fc"]
    return float(max(found, default=np.finfo(np.float64).eps))


def random_like(rng: np.random.Generator, x: Any) -> Any:
    """Standard normal numbers of the array's shape and floating dtype; complex where it is complex."""
    x = np.asarray(x)
    numbers = rng.standard_normal(x.shape)
    if x.dtype.kind == "c":
        numbers = numbers + 1j * rng.standard_normal(x.shape)
    return np.asarray(numbers, x.dtype)


def widen(x: Any) -> Any:
    """The array in double precision; integers and booleans as they are."""
    x = np.asarray(x)
    if x.dtype.kind == "f":
        return x.astype(np.float64)
    return x.astype(np.complex128) if x.dtype.kind == "c" else x


def narrow(x: Any) -> Any:
    """The array in single precision; integers and booleans as they are."""
    x = np.asarray(x)
    if x.dtype.kind == "f":
        return x.astype(np.float32)
    return x.astype(np.complex64) if x.dtype.kind == "c" else x


def inner(a: Sequence[Any], b: Sequence[Any]) -> tuple[float, float]:
    """Real part of the bilinear product of two lists of arrays, and the size of its terms.

    Without conjugation, as cotangents pair with tangents: `<ct, t> = Re sum(ct * t)`.
    """
    total, size = 0.0, 0.0
    for x, y in zip(a, b, strict=True):
        terms = np.real(widen(x) * widen(y))
        total += float(np.sum(terms))
        size += float(np.sum(np.abs(terms)))
    return total, size


def central_difference(function: Function, args: Sequence[Any], direction: Sequence[Any], step: float) -> list[Any]:
    """`(f(x + h t) - f(x - h t)) / 2h`; error of order h**2."""
    high = function([x + step * t for x, t in zip(args, direction, strict=True)])
    low = function([x - step * t for x, t in zip(args, direction, strict=True)])
    return [(np.asarray(a) - np.asarray(b)) / (2 * step) for a, b in zip(high, low, strict=True)]


def directional_derivative(function: Function, args: Sequence[Any], direction: Sequence[Any]) -> list[Any]:
    """Directional derivative by differences of fourth order, element by element at the step that fits it best.

    Richardson's extrapolation of two central differences (steps h and 2h); the step chosen for an element is the one at
    which the two differ least, so that an element near a kink or a jump is measured at a step that stays on its side.
    """
    best: list[Any] = []
    errors: list[Any] = []
    for step in STEPS:
        fine = central_difference(function, args, direction, step)
        coarse = central_difference(function, args, direction, 2 * step)
        for i, (a, b) in enumerate(zip(fine, coarse, strict=True)):
            estimate = (4 * a - b) / 3
            error = np.where(np.isfinite(estimate), np.abs(a - b) + 1e-16 / step, np.inf)
            if step == STEPS[0]:
                best.append(estimate)
                errors.append(error)
            else:
                better = error < errors[i]
                best[i] = np.where(better, estimate, best[i])
                errors[i] = np.where(better, error, errors[i])
    return best


def assert_close(found: Any, expected: Any, tolerance: float, what: str) -> None:
    """Raise `AssertionError` unless two arrays agree within `tolerance`, relative to the larger of 1 and their size.

    NaN equals NaN, and infinities of one sign are equal.
    """
    found, expected = np.asarray(found), np.asarray(expected)
    if found.shape != expected.shape:
        raise AssertionError(f"{what}: shape {found.shape}, expected {expected.shape}")
    if found.dtype.kind not in "fc" and expected.dtype.kind not in "fc":
        close = found == expected
    else:
        a, b = widen(found), widen(expected)
        with np.errstate(all="ignore"):
            near = np.abs(a - b) <= tolerance * np.maximum(1, np.abs(b))
        close = near | (a == b) | (np.isnan(a) & np.isnan(b))
    if not np.all(close):
        where = tuple(int(i[0]) for i in np.nonzero(~np.atleast_1d(close)))
        a, b = np.atleast_1d(found)[where], np.atleast_1d(expected)[where]
        raise AssertionError(
            f"{what}: {a} at {where if found.ndim else '()'}, expected {b} (tolerance {tolerance:.1e}, "
            f"{int(np.sum(~close))} of {found.size} elements differ)"
        )

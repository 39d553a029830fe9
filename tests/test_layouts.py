"""How results lie in memory, and what they share, as far as graphad says it: as NumPy's and SciPy's own results do."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy_cases import CASES
from scipy_coverage import Trial
from scipy_samples import MODULES, traced

import graphad
from graphad.numpy.layouts import UNKNOWN, outline_of
from graphad.numpy.views import origin_of
from graphad.trace import Tracer

NUMPYS = [case for case in CASES if any([np.ndim(x) > 1 for x in case.arrays])]
SCIPYS = [(module, name) for module in MODULES for name in traced(module)]
IMAGINARY_ZEROS = np.imag
"""Of real numbers it is an array of its own that cannot be written to."""


def leaves(results: Any) -> list[Any]:
    return [x for part in results for x in leaves(part)] if isinstance(results, (list, tuple)) else [results]


def lies(x: Any) -> Any:
    """What decides which reshapes are views: the order of the strides, and whether there are gaps."""
    strides = [(-abs(s), i) for i, (s, n) in enumerate(zip(x.strides, x.shape, strict=True)) if n > 1]
    order = [i for _, i in sorted(strides)]
    rest = [i for i in range(x.ndim) if i not in order]
    return order, x.transpose(rest + order).flags.c_contiguous


def same(ours: Callable[..., Any], theirs: Callable[..., Any], args: Sequence[Any], by_columns: bool) -> None:
    args = [np.asfortranarray(x) if by_columns and np.ndim(x) > 1 else x for x in args]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            wanted = leaves(theirs(*args))
        except ValueError:  # it takes arrays by rows only
            assert by_columns
            return

    def function(*xs: Any) -> float:
        given = {id(origin_of(x)): a for x, a in zip(xs, args, strict=True) if np.ndim(a)}
        for x, right in zip(leaves(ours(*xs)), wanted, strict=True):
            if not isinstance(x, Tracer) or not np.ndim(right) or not np.size(right):
                continue
            if not x.__dict__.get("rivals"):
                shared = [np.shares_memory(right, a) for key, a in given.items() if key == id(origin_of(x))]
                assert shared == [True] * any([np.shares_memory(right, a) for a in args if np.ndim(a)])
            if x.layout is not UNKNOWN:
                assert lies(outline_of(x)) == lies(right)
        return 0.0

    graphad.trace(function)(*args)


@pytest.mark.parametrize("by_columns", [False, True])
@pytest.mark.parametrize("case", NUMPYS[::7], ids=repr)
def test_numpy(case: Any, by_columns: bool) -> None:
    if case.function is not IMAGINARY_ZEROS:
        same(case.call, case.call, case.arrays, by_columns)


@pytest.mark.parametrize(("module", "name"), SCIPYS[::17])
def test_scipy(module: str, name: str) -> None:
    trial = Trial(module, name)
    same(trial.ours, trial.theirs, trial.args, False)


@pytest.mark.slow
@pytest.mark.parametrize("by_columns", [False, True])
def test_all_of_numpy(by_columns: bool) -> None:
    for case in NUMPYS:
        if case.function is not IMAGINARY_ZEROS:
            same(case.call, case.call, case.arrays, by_columns)


@pytest.mark.slow
@pytest.mark.parametrize("by_columns", [False, True])
@pytest.mark.parametrize("module", MODULES)
def test_all_of_scipy(module: str, by_columns: bool) -> None:
    for name in traced(module):
        trial = Trial(module, name)
        same(trial.ours, trial.theirs, trial.args, by_columns)


def test_what_scipy_gives_is_an_array_of_its_own() -> None:
    import scipy.linalg
    import scipy.ndimage

    def smooth(x: Any) -> Any:
        a = np.array([[x, 1.0], [2.0, x * x]])
        b = scipy.ndimage.spline_filter1d(a, order=1)
        b[0, 0] = 7.0
        return (a * a).sum() + b.sum()

    def through(x: Any) -> Any:
        a = scipy.linalg.inv(np.array([[x, 1.0], [2.0, 5.0]]))
        flat = a.reshape(-1)
        flat[1] = x
        return a.sum()

    def apart(x: Any) -> Any:
        a = scipy.linalg.inv(np.array([[x, 1.0], [2.0, 5.0]])).copy()
        flat = a.reshape(-1)
        flat[1] = x
        return a.sum()

    for function in (smooth, apart):
        slope = (function(3.0 + 1e-6) - function(3.0 - 1e-6)) / 2e-6
        assert graphad.grad(function)(3.0) == pytest.approx(slope, rel=1e-6)
        assert graphad.jit(graphad.grad(function))(3.0) == pytest.approx(slope, rel=1e-6)
    with pytest.raises(graphad.ControlFlowError, match="copy"):
        graphad.grad(through)(3.0)

"""The methods of NumPy's ufuncs and the keyword arguments of its functions, on traced values."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import graphad

RNG = np.random.default_rng(12)
X = RNG.uniform(0.5, 2.0, (3, 4, 2))
N = RNG.integers(1, 6, (3, 4, 2))
B = X > 1.0

BINARY = {
    "f8": (
        "add", "subtract", "multiply", "divide", "maximum", "minimum", "fmax", "fmin", "power", "arctan2", "hypot",
        "logaddexp", "logaddexp2", "copysign", "fmod", "remainder", "floor_divide", "heaviside", "nextafter",
        "float_power",
    ),
    "i8": (
        "bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "gcd", "lcm", "add", "multiply",
        "maximum",
    ),
    "?": ("logical_and", "logical_or", "logical_xor", "equal", "not_equal", "greater", "less_equal"),
}  # fmt: skip
ARRAYS = {"f8": X, "i8": N, "?": B}
UFUNCS = [(kind, getattr(np, name)) for kind, names in BINARY.items() for name in names]
METHODS = {
    "reduce": lambda f, x: f.reduce(x),
    "reduce axis": lambda f, x: f.reduce(x, axis=1),
    "reduce keepdims": lambda f, x: f.reduce(x, axis=-1, keepdims=True),
    "reduce axes": lambda f, x: f.reduce(x, axis=(0, 2)) if f.identity is not None else f.reduce(x, axis=2),
    "reduce all": lambda f, x: f.reduce(x, axis=None) if f.identity is not None else f.reduce(x, axis=0),
    "reduce initial": lambda f, x: f.reduce(x, axis=1, initial=x.dtype.type(1)),
    "accumulate": lambda f, x: f.accumulate(x),
    "accumulate axis": lambda f, x: f.accumulate(x, axis=2),
    "outer": lambda f, x: f.outer(x[0, :2], x[1, 0]),
    "reduceat": lambda f, x: f.reduceat(x, [0, 2, 1], axis=1),
}


WRONG_IN_NUMPY = {"power", "float_power", "arctan2"}
"""NumPy 2.4 loses terms of these on some processors: `(a**b)**c` comes as `a**c`."""


def applies(call, *args):
    try:
        with np.errstate(all="ignore"):
            call(*args)
    except (TypeError, ValueError):
        return False
    return True


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize("method", METHODS)
def test_methods(method, executor):
    call = METHODS[method]
    chosen = [(f, ARRAYS[kind]) for kind, f in UFUNCS if applies(call, f, ARRAYS[kind])]
    if "reduce" in method:
        chosen = [(f, x) for f, x in chosen if f.__name__ not in WRONG_IN_NUMPY]
    assert len(chosen) > 5
    found = graphad.jit(lambda xs: [call(f, x) for (f, _), x in zip(chosen, xs, strict=True)], executor=executor)(
        [x for _, x in chosen]
    )
    for (f, x), y in zip(chosen, found, strict=True):
        with np.errstate(all="ignore"):
            wanted = call(f, x)
        np.testing.assert_allclose(y, wanted, rtol=1e-12, err_msg=f"{f.__name__} {method}")
        assert (y.dtype, y.shape) == (wanted.dtype, wanted.shape), f"{f.__name__} {method}"


@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "minimum", "subtract"])
def test_at(name):
    f = getattr(np, name)

    def change(x, values):
        x = x.copy()
        f.at(x, ([0, 0, 2], [1, 1, 3]), values)
        return x

    values = RNG.normal(size=(3, 2))
    np.testing.assert_allclose(graphad.jit(change)(X, values), change(X, values))
    if name != "subtract":
        graphad.check_grads(change, (X, values), order=1)


def test_derivatives_of_methods():
    for name in ("add", "multiply", "maximum", "logaddexp", "hypot"):
        f = getattr(np, name)
        for call in (METHODS["reduce axis"], METHODS["accumulate axis"], METHODS["outer"], METHODS["reduceat"]):
            graphad.check_grads(lambda x, f=f, call=call: call(f, x), (X,), order=1)


REDUCTIONS = {
    "sum": {"where", "initial", "dtype", "out"}, "prod": {"where", "initial", "dtype", "out"},
    "max": {"where", "initial", "out"}, "min": {"where", "initial", "out"}, "any": {"where", "out"},
    "all": {"where", "out"}, "mean": {"where", "dtype", "out"}, "var": {"where", "dtype", "out", "ddof", "correction"},
    "std": {"where", "dtype", "out", "ddof", "mean"}, "nansum": {"where", "initial", "dtype", "out"},
    "nanprod": {"where", "initial", "dtype"}, "nanmax": {"where", "initial"}, "nanmin": {"where", "initial"},
    "nanmean": {"where", "dtype"}, "nanvar": {"where", "ddof"}, "nanstd": {"where", "correction"},
    "ptp": {"out"}, "median": {"out"}, "argmax": {"out"}, "argmin": {"out"}, "count_nonzero": set(),
    "average": {"weights"}, "amax": {"where", "initial"}, "nanmedian": {"out"},
}  # fmt: skip
MASK = RNG.uniform(size=X.shape) > 0.2


def option(name, x, axis, keepdims):
    shape = np.sum(x, axis=axis, keepdims=keepdims).shape
    return {
        "where": MASK, "initial": 1.5, "dtype": np.float32, "ddof": 1, "correction": 1, "weights": x + 1,
        "mean": np.mean(x, axis=axis, keepdims=True),
    }.get(name, shape)  # fmt: skip


@pytest.mark.parametrize("name", REDUCTIONS)
def test_keywords_of_reductions(name):
    """Axes of all kinds with every keyword argument, in one compiled function."""
    f = getattr(np, name)
    axes = [0, -1, None] + ([(0, 1), (-1, 0)] if name not in ("argmax", "argmin") else [])
    calls = []
    for axis, keepdims, keyword in itertools.product(axes, (False, True), [None, *sorted(REDUCTIONS[name])]):

        def call(x, axis=axis, keepdims=keepdims, keyword=keyword):
            options = {"axis": axis, "keepdims": keepdims}
            if keyword == "out":
                kind = np.dtype(int if name.startswith("arg") else bool if name in ("any", "all") else float)
                options["out"] = np.zeros(option("out", X, axis, keepdims), kind)
                if not isinstance(x, np.ndarray):
                    options["out"] = graphad.numpy.zeros(option("out", X, axis, keepdims), kind)
                found = f(x, **options)
                return found, options["out"]
            if keyword is not None:
                options[keyword] = option(keyword, X, axis, keepdims)
                if keyword == "where" and name in ("max", "min", "amax", "nanmax", "nanmin"):
                    options["initial"] = 0.75
            return f(x, **options)

        calls.append((f"axis={axis} keepdims={keepdims} {keyword}", call))
    found = graphad.jit(lambda x: [call(x) for _, call in calls], executor="numpy")(X)
    for (what, call), y in zip(calls, found, strict=True):
        wanted = call(X)
        for a, b in zip(y, wanted, strict=True) if isinstance(wanted, tuple) else [(y, wanted)]:
            np.testing.assert_allclose(a, b, rtol=1e-5 if "dtype" in what else 1e-12, err_msg=f"{name} {what}")
            assert (np.asarray(a).dtype, np.shape(a)) == (np.asarray(b).dtype, np.shape(b)), f"{name} {what}"


CALLS = {
    "where": lambda x: np.add(x, 1, out=x.copy(), where=x > 1),
    "out": lambda x: np.multiply(x, 2, out=x.copy()),
    "out tuple": lambda x: np.sqrt(x, out=(x.copy(),)),
    "dtype": lambda x: np.add(x, 1, dtype=np.float32),
    "casting": lambda x: np.add(x, 1, casting="same_kind"),
    "order": lambda x: np.add(x, 1, order="C"),
    "two results": lambda x: np.modf(x, out=(x.copy(), x.copy())),
    "divmod": lambda x: np.divmod(x, 0.3),
    "subok": lambda x: np.add(x, 1, subok=False),
    "cumulative out": lambda x: np.cumsum(x, axis=1, out=x.copy()),
    "clip out": lambda x: np.clip(x, 0.7, 1.2, out=x.copy()),
    "round": lambda x: np.round(x, decimals=1),
    "sort stable": lambda x: np.sort(x, axis=1, kind="stable"),
    "concatenate dtype": lambda x: np.concatenate([x, x], axis=1, dtype=np.float32, casting="same_kind"),
    "stack out": lambda x: np.stack([x, x], axis=-1),
    "matmul axes": lambda x: np.matmul(x[0].T, x[1]),
    "diff": lambda x: np.diff(x, n=2, axis=1, prepend=0.0, append=[[[1.0, 2.0]]] * 3),
    "pad": lambda x: np.pad(x, [(1, 0), (0, 2), (0, 0)], mode="constant", constant_values=3.0),
    "nan_to_num": lambda x: np.nan_to_num(x / 0.0, nan=1.0, posinf=2.0, neginf=3.0),
    "take out": lambda x: np.take(x, [0, 5], axis=1, mode="wrap"),
}


def test_keywords_of_ufuncs_and_functions(executor):
    """`out=` and `where=` together with what else NumPy takes."""
    with np.errstate(all="ignore"):
        found = graphad.jit(lambda x: [call(x) for call in CALLS.values()], executor=executor)(X)
        for (what, call), y in zip(CALLS.items(), found, strict=True):
            wanted = call(X)
            for a, b in zip(y, wanted, strict=True) if isinstance(wanted, tuple) else [(y, wanted)]:
                np.testing.assert_allclose(a, b, rtol=1e-6, err_msg=what)
                assert (a.dtype, a.shape) == (b.dtype, b.shape), what


def quotients(a: Any, b: Any) -> Any:
    return np.divide(a, b, out=np.zeros(3), where=b != 0), np.sum(a, out=np.zeros(())), np.cumsum(b, out=np.ones(3))


def test_results_are_written_into_arrays_made_in_place(executor: str) -> None:
    a, b = np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0, 4.0])
    for f in (graphad.jit(quotients, executor=executor), lambda *xs: graphad.jvp(quotients, xs, (a, b))[0]):
        for found, wanted in zip(f(a, b), quotients(a, b), strict=True):
            assert np.array_equal(found, wanted)
    many = graphad.vmap(quotients)(np.stack([a, b]), np.stack([b, a]))
    assert np.array_equal(many[0][0], [0, 1, 0.75])
    assert np.array_equal(graphad.grad(lambda b: np.sum(quotients(a, b)[0]))(b), [0, -0.5, -0.1875])

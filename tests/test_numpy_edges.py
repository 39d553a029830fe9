"""Edges as NumPy has them, in every executor: zeros of both signs, NaN, infinities, ties, the smallest and largest
numbers, empty arrays and arrays without axes, overflow and division by zero of integers."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

import graphad
from graphad.trace import UFUNCS

INF, NAN = np.inf, np.nan
TINY, HUGE = np.finfo(float).tiny, np.finfo(float).max
SPECIAL = np.array(
    [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -0.5,
        1.5,
        2.5,
        -2.5,
        3.0,
        INF,
        -INF,
        NAN,
        5e-324,
        -5e-324,
        TINY,
        HUGE,
        -HUGE,
        1e17,
        710.0,
    ]
)
PAIRS = np.array(list(itertools.product(SPECIAL, SPECIAL))).T.copy()
INTEGERS = {
    "i1": [0, 1, -1, 2, -7, 7, 100, 127, -128], "u1": [0, 1, 2, 7, 100, 200, 255],
    "i4": [0, 1, -1, 2, -7, 7, 65536, 2**31 - 1, -(2**31)], "i8": [0, 1, -1, 2, -7, 7, 63, 64, 2**63 - 1, -(2**63)],
    "u8": [0, 1, 2, 7, 63, 64, 2**63, 2**64 - 1],
}  # fmt: skip
EXACT = {
    "add", "subtract", "multiply", "divide", "maximum", "minimum", "fmax", "fmin", "floor", "ceil", "trunc", "rint",
    "sqrt", "negative", "positive", "absolute", "fabs", "sign", "copysign", "nextafter", "spacing", "fmod",
    "remainder", "heaviside", "floor_divide", "square", "reciprocal", "signbit", "isnan", "isinf", "isfinite",
    "equal", "not_equal", "less", "greater", "less_equal", "greater_equal", "logical_and", "logical_or",
    "logical_xor", "logical_not", "ldexp", "frexp", "modf",
}  # fmt: skip
"""Functions whose results are the same to the last bit."""
SIGNLESS = {"maximum", "minimum", "fmax", "fmin", "max", "min", "nanmax", "nanmin", "ptp"} | {
    "sum", "mean", "median", "nansum", "nanmean", "nanmedian",
}  # fmt: skip
"""Functions of which the sign of a zero is an accident of NumPy's loops, and differs between its dtypes and shapes."""
ULPS = 8


def ufuncs(kind):
    """NumPy's ufuncs that graphad has for operands of a dtype, by number of operands."""
    found = []
    for name in sorted(dir(np)):
        f = getattr(np, name)
        if not isinstance(f, np.ufunc) or f.__name__ != name or f.signature or (f not in UFUNCS and name not in UFUNCS):
            continue
        try:
            f.resolve_dtypes((np.dtype(kind),) * f.nin + (None,) * f.nout)
        except TypeError:
            continue
        found.append(f)
    return found


def outputs(x):
    return list(x) if isinstance(x, tuple) else [x]


def same(a, b, exact, what, signed=True):
    """Equal numbers within rounding; NaN, infinities and the sign of zero exactly."""
    a, b = np.asarray(a), np.asarray(b)
    assert a.dtype == b.dtype, f"{what}: {a.dtype}, and NumPy has {b.dtype}"
    assert a.shape == b.shape, f"{what}: {a.shape}, and NumPy has {b.shape}"
    if a.dtype.kind != "f":
        np.testing.assert_array_equal(a, b, err_msg=what)
        return
    special = np.isnan(b) | np.isinf(b) | (b == 0)
    with np.errstate(all="ignore"):
        close = np.isclose(a, b, rtol=ULPS * np.finfo(b.dtype).eps, atol=0.0 if exact else 4 * np.finfo(b.dtype).tiny)
    right = (
        np.where(special, (a == b) | (np.isnan(a) & np.isnan(b)), close) if not exact else (a == b) | np.isnan(a + b)
    )
    right &= np.isnan(a) == np.isnan(b)
    signs = (np.signbit(a) == np.signbit(b)) | np.isnan(b) | ((b == 0) & (not signed))
    bad = np.flatnonzero(np.ravel(~(right & signs)))
    places = ", ".join(f"[{i}] {np.ravel(a)[i]!r} for {np.ravel(b)[i]!r}" for i in bad[:5])
    assert not bad.size, f"{what}: {places}"


def agree(executor, functions, args, exact=EXACT):
    """Each of several functions gives NumPy's numbers, in one compiled function."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = [outputs(f(*xs)) for (_, f), xs in zip(functions, args, strict=True)]
        run = graphad.jit(
            lambda all_args: [outputs(f(*xs)) for (_, f), xs in zip(functions, all_args, strict=True)],
            executor=executor,
        )
        found = run(args)
    failures = []
    for (name, _), a, b in zip(functions, found, wanted, strict=True):
        for x, y in zip(a, b, strict=True):
            try:
                same(x, y, name in exact, name, name not in SIGNLESS)
            except AssertionError as error:
                failures.append(str(error))
    assert not failures, "\n".join(failures)


FAST = ("numpy", "llvm")


@pytest.mark.parametrize("executor", FAST)
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_special_floating_point_numbers(executor, dtype):
    with np.errstate(all="ignore"):
        single, pairs = SPECIAL.astype(dtype), PAIRS.astype(dtype)
    functions = [(f.__name__, f) for f in ufuncs(dtype) if f.nin < 3]
    agree(executor, functions, [(single,) if f.nin == 1 else tuple(pairs) for _, f in functions])


@pytest.mark.parametrize("executor", FAST)
@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_at_their_bounds(executor, dtype):
    single = np.array(INTEGERS[dtype], dtype)
    pairs = np.array(list(itertools.product(single, single)), dtype).T.copy()
    functions, args = [], []
    for f in ufuncs(dtype):
        xs = (single,) if f.nin == 1 else tuple(pairs)
        if f.__name__ == "power":
            xs = (pairs[0], np.abs(pairs[1] % 5))
        functions.append((f.__name__, f))
        args.append(xs)
    agree(executor, functions, args)


@pytest.mark.parametrize("executor", FAST)
def test_truth_values(executor):
    x, y = np.array([False, False, True, True]), np.array([False, True, False, True])
    functions = [(f.__name__, f) for f in ufuncs("?") if f is not np.subtract]
    agree(executor, functions, [(x, y)[: f.nin] for _, f in functions])


REDUCTIONS = {
    name: getattr(np, name)
    for name in (
        "sum", "prod", "max", "min", "argmax", "argmin", "any", "all", "mean", "var", "std", "median", "ptp", "cumsum",
        "cumprod", "sort", "argsort", "nansum", "nanprod", "nanmax", "nanmin", "nanmean", "nanargmax", "nanargmin",
        "count_nonzero", "unique_counts", "nancumsum", "nanmedian",
    )
    if hasattr(np, name) and name != "unique_counts"
}  # fmt: skip
ROWS = {
    "ties": np.array([2.0, 1.0, 2.0, 1.0, 2.0]),
    "zeros": np.array([0.0, -0.0, 0.0, -0.0]),
    "negative zeros": np.array([-0.0, -0.0]),
    "nan first": np.array([NAN, 1.0, 2.0]),
    "nan last": np.array([3.0, 1.0, NAN]),
    "nans": np.array([1.0, NAN, NAN, -1.0]),
    "infinities": np.array([INF, 1.0, -INF]),
    "one infinity": np.array([1.0, INF, 2.0, INF]),
    "overflow": np.array([HUGE, HUGE, -HUGE]),
    "denormal": np.array([5e-324, 5e-324, -5e-324]),
    "one": np.array([-0.0]),
    "scalar": np.array(-0.0),
}


def applies(f, x):
    """Whether NumPy gives a result without raising."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            f(x)
        except (ValueError, TypeError, np.exceptions.AxisError):
            return False
    return True


@pytest.mark.parametrize("executor", FAST)
@pytest.mark.parametrize("row", ROWS)
def test_reductions(executor, row):
    x = ROWS[row]
    functions = [(name, f) for name, f in REDUCTIONS.items() if applies(f, x)]
    agree(executor, functions, [(x,)] * len(functions), {"sort", "max", "min"})


@pytest.mark.parametrize("executor", FAST)
def test_empty_arrays(executor):
    """What NumPy makes of no elements, and of no rows."""
    functions, args = [], []
    for x in (np.zeros(0), np.zeros((0, 3)), np.zeros((2, 0)), np.zeros(0, int)):
        for name, f in REDUCTIONS.items():
            for axis in (None, 0, -1):
                call = lambda x, f=f, axis=axis: f(x, axis=axis)
                if applies(call, x):
                    functions.append((f"{name} of {x.shape} axis {axis}", call))
                    args.append((x,))
    more = {
        "dot": lambda x: np.dot(x, x), "matmul": lambda x: np.zeros((3, 0)) @ np.zeros((0, 2)) + np.sum(x),
        "concatenate": lambda x: np.concatenate([x, np.ones(2), x]), "outer": lambda x: np.outer(x, np.ones(3)),
        "reshape": lambda x: np.reshape(x, (3, 0)), "where": lambda x: np.where(x > 0, x, 1.0), "diff": np.diff,
        "linspace": lambda x: np.linspace(0, 1, 0) + np.sum(x), "flip": np.flip, "tile": lambda x: np.tile(x, 3),
        "einsum": lambda x: np.einsum("i,i->", x, x), "clip": lambda x: np.clip(x, 0, 1),
        "roll": lambda x: np.roll(x, 1),
    }  # fmt: skip
    for name, f in more.items():
        functions.append((name, f))
        args.append((np.zeros(0),))
    agree(executor, functions, args)


def test_refusals_of_empty_arrays():
    for f in (np.max, np.min, np.argmax):
        with pytest.raises(ValueError, match=r"empty|zero-size|no elements"):
            graphad.jit(lambda x, f=f: f(x))(np.zeros(0))


ZEROS = {
    "plus zero": lambda x: x + 0.0, "zero plus": lambda x: 0.0 + x, "plus negative zero": lambda x: x + -0.0,
    "minus zero": lambda x: x - 0.0, "zero minus": lambda x: 0.0 - x, "minus negative zero": lambda x: x - -0.0,
    "times one": lambda x: x * 1.0, "times zero": lambda x: x * 0.0, "times minus one": lambda x: x * -1.0,
    "over one": lambda x: x / 1.0, "over minus one": lambda x: x / -1.0, "minus": lambda x: -x,
    "minus minus": lambda x: np.negative(-x), "minus itself": lambda x: x - x, "power one": lambda x: x**1,
    "power two": lambda x: x**2, "power three": lambda x: x**3, "power half": lambda x: x**0.5,
    "power minus one": lambda x: x**-1.0, "plus integer zero": lambda x: x + 0,
    "where": lambda x: np.where(x > 0, x, 0.0 * x), "maximum zero": lambda x: np.maximum(x, x),
    "plus zeros": lambda x: x + np.zeros_like(x), "abs minus": lambda x: np.abs(-x),
    "round": lambda x: np.round(x, 0), "prod of one": lambda x: np.prod(x[:, None], axis=1),
    "matmul": lambda x: x[:, None] * np.array([[1.0]]), "clip": lambda x: np.clip(x, -1, 1), "real": np.real,
    "conj": np.conj, "a minus b minus a": lambda x: (x - 1.0) + 1.0, "divmod": lambda x: np.divmod(x, 2.0),
    "floor divide": lambda x: x // 1.0, "mod": lambda x: x % -1.0,
    "concatenated": lambda x: np.concatenate([x, x])[: x.size] + 0.0, "square root": lambda x: np.sqrt(x * x),
    "hypot": lambda x: np.hypot(x, 0.0), "arctan2": lambda x: np.arctan2(x, -1.0),
    "copysign": lambda x: np.copysign(1.0, x),
}  # fmt: skip


def test_passes_keep_zeros_signs_and_nans(executor):
    """Expressions that an optimiser is tempted to simplify."""
    agree(executor, list(ZEROS.items()), [(SPECIAL,)] * len(ZEROS), set(ZEROS) - {"power three", "arctan2"})


def test_numba_has_special_numbers_too():
    functions = [(f.__name__, f) for f in ufuncs("f8") if f.nin < 3][::4]
    agree("numba", functions, [(SPECIAL,) if f.nin == 1 else tuple(PAIRS) for _, f in functions])

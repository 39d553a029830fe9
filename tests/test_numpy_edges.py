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
    "sum", "mean", "median", "nansum", "nanmean", "nanmedian", "trapezoid", "average", "convolve", "dot", "cov",
    "smallest of all", "largest so far", "initial", "nan quantile", "sorted down", "mean where", "limited",
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
    with np.errstate(over="ignore"):
        nan = np.isnan(a + b)
    right = np.where(special, (a == b) | (np.isnan(a) & np.isnan(b)), close) if not exact else (a == b) | nan
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
        except (ValueError, TypeError, IndexError, OverflowError):
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


X3, XP = np.array([0.0, 1.0, 2.0]), np.array([5.0, 6.0, 8.0])
FUNCTIONS = {
    "two decimals": lambda x: np.round(x, 2), "tens": lambda x: np.round(x, -1), "fix": np.fix, "sinc": np.sinc,
    "largest so far": np.maximum.accumulate, "smallest so far": np.minimum.accumulate, "nancumprod": np.nancumprod,
    "largest numbers so far": lambda x: np.abs(np.fmax.accumulate(x)),
    "cumulative": lambda x: np.cumulative_sum(x, include_initial=True), "sums of exponentials": np.logaddexp.reduce,
    "hypotenuse": np.hypot.reduce, "places": lambda x: np.searchsorted(np.sort(x), x),
    "places right": lambda x: np.searchsorted(np.sort(x), x, side="right"), "close": lambda x: np.isclose(x, x[::-1]),
    "close nan": lambda x: np.isclose(x, x, equal_nan=True), "equal": lambda x: np.array_equal(x, x),
    "equal nan": lambda x: np.array_equal(x, x, equal_nan=True), "numbers": np.nan_to_num,
    "clip to nan": lambda x: np.clip(x, NAN, 1.0), "clip to infinity": lambda x: np.clip(x, -INF, INF),
    "clip reversed": lambda x: np.clip(x, 1.0, -1.0), "interpolated": lambda x: np.interp(x, X3, XP),
    "positive infinity": np.isposinf, "negative infinity": np.isneginf, "powers of two": lambda x: 2.0**x,
    "root": lambda x: np.power(x, 0.5), "one": lambda x: 1.0**x,
    "squares": lambda x: np.power(x, np.full(x.shape, 2.0)), "inverse": lambda x: np.power(x, np.full(x.shape, -1.0)),
    "powers of minus one": lambda x: (-1.0) ** x, "powers of zero": lambda x: 0.0**x, "zeroth": lambda x: x**0.0,
    "seventh": lambda x: x**7, "minus third": lambda x: x**-3, "minus half": lambda x: x**-0.5,
    "ratio": lambda x: x / x, "floor of none": lambda x: x // INF, "rest of none": lambda x: x % INF,
    "quotients": lambda x: np.divmod(x, -2.5), "next": lambda x: np.nextafter(x, INF), "gradient": np.gradient,
    "trapezoid": np.trapezoid, "ediff1d": np.ediff1d,
    "bins": lambda x: np.digitize(x, X3),
    "order": lambda x: np.argsort(x, kind="stable"), "sorted down": lambda x: -np.sort(-x),
    "initial": lambda x: np.max(x, initial=0.0), "where": lambda x: np.max(x, where=x > 0, initial=-1.0),
    "median of three": lambda x: np.percentile(x, 40, method="lower"), "mean where": lambda x: np.mean(x, where=x > 0),
    "average": np.average, "nanvar": np.nanvar, "angle": np.angle, "choice": lambda x: np.where(x, 1.0, 2.0),
    "unwrap": lambda x: np.unwrap(np.clip(x, -9, 9)), "truth": lambda x: x.astype(bool),
    "single": lambda x: x.astype("f4"), "outer": lambda x: np.outer(x, x), "norm": np.linalg.norm,
    "largest norm": lambda x: np.linalg.norm(x, INF), "count": lambda x: np.linalg.norm(x, 0),
    "step": lambda x: np.heaviside(x, NAN), "is in": lambda x: np.isin(x, [0.0, NAN]),
    "huge scale": lambda x: np.ldexp(x, 2000), "tiny scale": lambda x: np.ldexp(x, -2000),
    "imag": lambda x: (x + 0j).imag, "limited": lambda x: np.fmin(x, 0.0), "no number": lambda x: np.maximum(x, NAN),
    "out of range": lambda x: np.take(x, [100, -100], mode="clip"),
    "negated": lambda x: -(x - 1.0),
}  # fmt: skip
POSITIVE = np.array([0.0, -0.0, 1.0, 2.0, 0.5, 1.5, 2.5])
INPUTS = {"special": SPECIAL, "positive": POSITIVE, **{k: v for k, v in ROWS.items() if v.ndim}, "empty": np.zeros(0)}
GENEROUS = {"sinc"}
"""Single precision of which NumPy loses more than rounding does."""


@pytest.mark.parametrize("executor", FAST)
@pytest.mark.parametrize("name", INPUTS)
def test_functions_of_special_numbers(executor, name):
    x = INPUTS[name]
    functions = [(what, f) for what, f in FUNCTIONS.items() if applies(f, x)]
    agree(executor, functions, [(x,)] * len(functions), set())


def test_functions_of_special_numbers_in_single_precision():
    with np.errstate(all="ignore"):
        x = SPECIAL.astype("f4")
    functions = [(what, f) for what, f in FUNCTIONS.items() if what not in GENEROUS and applies(f, x)]
    agree("llvm", functions, [(x,)] * len(functions), set())


OF_INTEGERS = {
    "over 0": lambda x: x // 0, "rest of 0": lambda x: x % 0, "over -1": lambda x: x // -1,
    "rest of -1": lambda x: x % -1, "fmod": lambda x: np.fmod(x, -1), "of 1": lambda x: 1 // x,
    "ratio to 0": lambda x: x / 0, "ratio": lambda x: 7 / x, "left": lambda x: x << 7, "far left": lambda x: x << 40,
    "right": lambda x: x >> 8, "far right": lambda x: x >> 100, "shifts": lambda x: 1 << x,
    "by itself": lambda x: x >> x, "square": lambda x: x**2, "63rd": lambda x: x**63, "powers": lambda x: 2 ** (x & 7),
    "sum": np.sum, "prod": np.prod, "cumsum": np.cumsum, "cumprod": np.cumprod, "ptp": np.ptp,
    "diff": lambda x: np.diff(x, n=2), "i1": lambda x: x.astype("i1"), "u8": lambda x: x.astype("u8"),
    "f4": lambda x: x.astype("f4"), "truth": lambda x: x.astype(bool), "clip": lambda x: np.clip(x, 0, 5),
    "dot": lambda x: np.dot(x, x), "matmul": lambda x: x[:, None] @ x[None], "einsum": lambda x: np.einsum("i,i", x, x),
    "close": lambda x: np.isclose(x, x[::-1]), "gcd": np.gcd.reduce, "one gcd": lambda x: np.gcd.reduce(x[1:2]),
    "lcm": lambda x: np.lcm(x, x[::-1]), "sub": lambda x: x - x[::-1], "minus": lambda x: x * -1,
    "with a float": lambda x: x + 1.0, "with bytes": lambda x: x + np.array([1], "i1"),
    "with unsigned": lambda x: x + np.array([1], "u8"), "above -1": lambda x: x > -1, "300": lambda x: x == 300,
    "below all": lambda x: x < 2**70, "above all": lambda x: x <= -(2**70), "not large": lambda x: x != 2**64,
    "order": lambda x: np.argsort(x, kind="stable"), "bytes": lambda x: np.add.reduce(x, dtype=x.dtype),
    "sum of bytes": lambda x: np.sum(x, dtype="u1"), "products": np.multiply.accumulate, "xor": np.bitwise_xor.reduce,
    "differences": np.subtract.reduce, "quotients": np.floor_divide.reduce,
    "digitize": lambda x: np.digitize(x, [0, 1, 2]), "larger": lambda x: np.maximum(x, np.array([3], "u8")),
    "largest": lambda x: np.max(x, initial=5), "step": lambda x: np.heaviside(x, 0.5),
    "hypot": lambda x: np.hypot(x, x), "ldexp": lambda x: np.ldexp(1.0, x), "angle": np.angle,
    "vander": lambda x: np.vander(x, 3), "unwrap": np.unwrap, "gradient": np.gradient,
    "tens": lambda x: np.round(x % 100, -1), "mod 7": lambda x: x % -7, "div 7": lambda x: x // -7,
    "div half": lambda x: x // 0.5, "convolve": lambda x: np.convolve(x, x),
    "partition": lambda x: np.sort(np.partition(x, 2)),
}  # fmt: skip
ARRAYS = {kind: np.array(numbers, kind) for kind, numbers in INTEGERS.items()} | {
    "i2": np.array([0, -1, 2**15 - 1, -(2**15), 5], "i2"), "?": np.array([True, False, True]),
}  # fmt: skip


@pytest.mark.parametrize("executor", FAST)
@pytest.mark.parametrize("kind", ARRAYS)
def test_functions_of_integers(executor, kind):
    x = ARRAYS[kind]
    functions = [(what, f) for what, f in OF_INTEGERS.items() if applies(f, x)]
    agree(executor, functions, [(x,)] * len(functions), set())


REFUSED = {
    "partition": lambda x: np.partition(x, 3), "argpartition": lambda x: np.argpartition(x, -4),
    "axis": lambda x: np.sum(x, 1.0), "gradient": lambda x: np.gradient(x, np.arange(5.0)),
    "argmax": lambda x: np.argmax(x, (0,)), "max": lambda x: np.max(x[:0]),
    "minimum": lambda x: np.minimum.reduce(x[:0]), "no identity": lambda x: np.add.reduce(np.fmax.reduce(x[:0])),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    """What NumPy refuses is refused with an error of the same kind, that names the line."""
    f, x = REFUSED[name], np.ones(3)
    with pytest.raises((ValueError, TypeError, IndexError)) as wanted:
        f(x)
    kind = ValueError if isinstance(wanted.value, ValueError) else TypeError
    with pytest.raises(kind, match=r"test_numpy_edges.py:\d+"):
        graphad.jit(f)(x)


def test_numba_has_special_numbers_too():
    functions = [(f.__name__, f) for f in ufuncs("f8") if f.nin < 3][::4]
    agree("numba", functions, [(SPECIAL,) if f.nin == 1 else tuple(PAIRS) for _, f in functions])

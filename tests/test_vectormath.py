"""Elementary functions as vector code: their errors against exact values, their ends, and that lanes do not matter."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special as sp

import graphad
from graphad.executors.llvm import LLVMExecutor, engine
from graphad.executors.llvm.vectormath import POWER_ULP, PRECISE_ULP, Definition, definition

HOST = engine.host()
DTYPES = ("d", "f")
# The function, its exact form, and the C library's.
ONE_ARGUMENT: dict[str, tuple[Any, Any, Any]] = {
    "exp": (np.exp, mpmath.exp, math.exp), "exp2": (np.exp2, lambda x: mpmath.power(2, x), None),
    "expm1": (np.expm1, mpmath.expm1, math.expm1), "log": (np.log, mpmath.log, math.log),
    "log2": (np.log2, lambda x: mpmath.log(x, 2), math.log2), "log10": (np.log10, mpmath.log10, math.log10),
    "log1p": (np.log1p, mpmath.log1p, math.log1p), "sin": (np.sin, mpmath.sin, math.sin),
    "cos": (np.cos, mpmath.cos, math.cos), "tan": (np.tan, mpmath.tan, math.tan),
    "sinh": (np.sinh, mpmath.sinh, math.sinh), "cosh": (np.cosh, mpmath.cosh, math.cosh),
    "tanh": (np.tanh, mpmath.tanh, math.tanh), "arcsin": (np.arcsin, mpmath.asin, math.asin),
    "arccos": (np.arccos, mpmath.acos, math.acos), "arctan": (np.arctan, mpmath.atan, math.atan),
    "arcsinh": (np.arcsinh, mpmath.asinh, math.asinh), "arccosh": (np.arccosh, mpmath.acosh, math.acosh),
    "arctanh": (np.arctanh, mpmath.atanh, math.atanh),
    "cbrt": (np.cbrt, lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)), math.cbrt), "erf": (sp.erf, mpmath.erf, None),
    "erfc": (sp.erfc, lambda x: mpmath.erfc(max(-99, min(x, 99))), None),
}  # fmt: skip
TWO_ARGUMENTS: dict[str, tuple[Any, Any, Any]] = {
    "pow": (np.power, mpmath.power, None), "arctan2": (np.arctan2, mpmath.atan2, math.atan2),
    "hypot": (np.hypot, mpmath.hypot, None),
}  # fmt: skip
FUNCTIONS = {**ONE_ARGUMENT, **TWO_ARGUMENTS}


def _targets() -> dict[str, tuple[frozenset[str], int]]:
    """Kinds of processors whose code this one can run: their features, and the bytes of their registers."""
    kinds = {
        "this processor": (HOST.features, HOST.vector_bytes),
        "fused operations alone": (HOST.features & {"fma", "neon"}, 32),
        "no features": (frozenset[str](), 16),
        "the library alone": (HOST.features & {"libmvec", "avx2", "sse4.1", "neon"}, 32),
        "the library in narrow registers": (HOST.features & {"libmvec", "sse4.1", "neon"}, 16),
    }
    return {name: kind for name, kind in kinds.items() if kind[0] or name == "no features"}


TARGETS = _targets()


@cache
def executor(target: str, precise: bool = False) -> LLVMExecutor:
    made = LLVMExecutor("precise" if precise else "fast", threads=1)
    features, width = TARGETS[target]
    made.target = replace(made.target, features=features, vector_bytes=width)
    return made


def form(name: str, char: str, target: str = "this processor", precise: bool = False) -> Definition | None:
    features, width = TARGETS[target]
    return definition(name, char, width // np.dtype(char).itemsize, features=features, precise=precise)


# -- arguments ---------------------------------------------------------------------------------------------------


def neighbours(x: Any, count: int = 2) -> Any:
    """The numbers, and the nearest ones on both sides."""
    both = [x]
    for toward in (-math.inf, math.inf):
        y = x
        for _ in range(count):
            y = np.nextafter(y, x.dtype.type(toward))
            both.append(y)
    return np.concatenate(both)


@cache
def arguments(name: str, char: str) -> tuple[Any, ...]:
    """Finite arguments, none of them 0: over all exponents, and where each function is delicate."""
    rng = np.random.default_rng(sum(map(ord, name)))
    kind = np.finfo(char)
    bits, low, high = kind.nmant, kind.minexp - kind.nmant, kind.maxexp

    def sizes(n: int, first: int, last: int) -> Any:
        return np.ldexp(rng.uniform(1, 2, n), rng.integers(first, last, n)) * rng.choice([-1, 1], n)

    if name in TWO_ARGUMENTS:
        x, y = np.abs(sizes(200, -4, 4)), sizes(200, -4, 4)
        if name == "pow":
            # Results over all exponents, of bases over all exponents and near 1.
            base = [np.abs(sizes(150, low, high)), 1 + sizes(150, -bits, -1), rng.uniform(0.9, 1.2, 150)]
            base = np.concatenate(base).astype(char)
            base = base[base != 1].astype(float)
            whole = rng.integers(-20, 20, 100)
            x = np.concatenate([x, base, -np.abs(sizes(100, -1, 1))])
            y = np.concatenate([y, rng.uniform(-1.05, 1.05, base.size) * high * math.log(2) / np.log(base), whole])
        else:
            x, y = np.concatenate([x, sizes(300, low, high)]), np.concatenate([y, sizes(300, low, high)])
            x, y = np.concatenate([x, y]), np.concatenate([y, y * (1 + sizes(500, -20, -3))])
        return x.astype(char), y.astype(char)
    edges = [8.7, 9.0, 16.6, 17.3, 18.7, 19.1, 22.0, 36.7, 37.4]
    edges += [math.log(2) * e for e in (high, -low, high + 1, bits)]
    edges += [high, high - 2, -low, 1 - kind.minexp, 0.5, 1.0, 2.0, 1 / math.e, 2**-28, 2.0**-bits, 2.0**-9]
    tables = [(j + half) / 16 * scale for j in range(17) for half in (0, 0.5) for scale in (1, math.log(2), -1)]
    tables = [t for t in tables if t] + [1 + t for t in tables]
    turns = rng.integers(1, 300, 60).tolist() + rng.integers(300, 2**13 if char == "f" else 2**29, 60).tolist()
    around = np.array([*edges, *tables, *(np.pi / 2 * np.array(turns))]).astype(char)
    spread = [sizes(300, low, high), sizes(200, -12, 10), rng.uniform(-1.2, 1.2, 200), 1 + sizes(100, -bits, -1)]
    spread += [rng.uniform(-1.05, 1.05, 100) * high, rng.uniform(-0.75, 0.75, 100) * high, rng.uniform(-3, 3, 100)]
    x = np.concatenate([*[s.astype(char) for s in spread], neighbours(around), -around])
    return (x[np.isfinite(x) & (x != 0)],)


@cache
def exact(name: str, char: str) -> tuple[Any, Any, Any]:
    """The values at the arguments, in units in the last place: these in two parts, and the exponents of the units."""
    return in_units([FUNCTIONS[name][1](*map(float, xs)) for xs in zip(*arguments(name, char), strict=True)], char)


@pytest.fixture(autouse=True)
def _digits() -> Any:
    with mpmath.workprec(160):
        yield


def in_units(values: list[Any], char: str) -> tuple[Any, Any, Any]:
    kind = np.finfo(char)
    largest = mpmath.ldexp(1, kind.maxexp)
    high, low, unit = np.empty(len(values)), np.empty(len(values)), np.empty(len(values), int)
    for i, value in enumerate(values):
        if isinstance(value, mpmath.mpc):
            high[i], low[i], unit[i] = math.nan, 0, 0
            continue
        value = max(-largest, min(largest, value))
        e = mpmath.frexp(value)[1] if value else kind.minexp
        unit[i] = min(max(e - kind.nmant - 1, kind.minexp - kind.nmant), kind.maxexp - kind.nmant - 1)
        scaled = mpmath.ldexp(value, -int(unit[i]))
        high[i] = float(scaled)
        low[i] = float(scaled - high[i])
    return high, low, unit


def errors(got: Any, expected: tuple[Any, Any, Any]) -> Any:
    """Errors in units in the last place; infinity counts as the number that follows the largest one."""
    high, low, unit = expected
    kind = np.finfo(got.dtype)
    with np.errstate(all="ignore"):
        beyond = np.ldexp(np.copysign(1.0, got), kind.maxexp - unit)
        scaled = np.where(np.isinf(got), beyond, np.ldexp(got.astype(float), -unit))
        found = np.abs((scaled - high) - low)
    return np.where(np.isnan(high) | np.isnan(got), np.where(np.isnan(high) == np.isnan(got), 0, math.inf), found)


def check(name: str, char: str, got: Any, bound: float) -> None:
    found = errors(got, exact(name, char))
    worst = int(np.argmax(found))
    at = [x[worst] for x in arguments(name, char)]
    assert found[worst] <= bound, f"{name}({at}) = {got[worst]!r}: an error of {found[worst]:.3f} units, not {bound}"


# -- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_errors_are_within_their_bounds(name: str, target: str) -> None:
    for char in DTYPES:
        found = form(name, char, target)
        if found is not None:
            got = graphad.jit(FUNCTIONS[name][0], executor=executor(target))(*arguments(name, char))
            assert got.dtype == char
            check(name, char, got, found.ulp)


@pytest.mark.parametrize("target", ["this processor", "no features"])
@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n != "erfc"])
def test_precise_code_is_within_one_unit(name: str, target: str) -> None:
    """Also where it is the C library's; of `erfc` neither has such a form."""
    for char in DTYPES:
        got = graphad.jit(FUNCTIONS[name][0], executor=executor(target, True))(*arguments(name, char))
        check(name, char, got, PRECISE_ULP)


@pytest.mark.parametrize("char", DTYPES)
@pytest.mark.parametrize("n", [-64, -7, -3, -2, -1, 2, 3, 4, 7, 12, 64])
def test_precise_integer_powers_are_within_one_unit(n: int, char: str) -> None:
    x = powers_of(n, char)
    for function in (lambda x: x**n, lambda x: np.power(x, float(n))):
        got = graphad.jit(function, executor=executor("this processor", True))(x)
        assert errors(got, in_units([mpmath.power(float(v), n) for v in x], char)).max() <= PRECISE_ULP


@pytest.mark.parametrize("n", [-7, -3, -2, 3, 7])
def test_integer_powers_have_their_denormal_numbers(n: int) -> None:
    x = powers_of(n, "d")
    for name in ("llvm", "numba"):
        got = graphad.jit(lambda x: x**n, executor=name)(x)
        assert errors(got, in_units([mpmath.power(float(v), n) for v in x], "d")).max() <= POWER_ULP


def powers_of(n: int, char: str) -> Any:
    """Bases of either sign whose powers lie over all exponents, and some near 1."""
    kind, rng = np.finfo(char), np.random.default_rng(n + 100)
    ends = sorted([(kind.minexp - kind.nmant) / n, kind.maxexp / n])
    ends = [max(ends[0], kind.minexp), min(ends[1], kind.maxexp - 1)]
    x = np.concatenate([np.exp2(rng.uniform(*ends, 500)) * rng.choice([-1, 1], 500), rng.uniform(0.25, 4, 300)])
    return x.astype(char)


def test_what_is_exact() -> None:
    for target in TARGETS:
        for char in DTYPES:
            zero, one = np.zeros(5, char), np.ones(5, char)
            got = graphad.jit(lambda x, y: (np.exp(x), np.cos(x), np.log(y), np.cosh(x), np.log2(8 * y)),
                              executor=executor(target))(zero, one)  # fmt: skip
            for value, wanted in zip(got, (1, 1, 0, 1, 3), strict=True):
                np.testing.assert_array_equal(value, np.full(5, wanted, char))


# -- ends --------------------------------------------------------------------------------------------------------


def ends(char: str) -> Any:
    """Zeros, infinities, NaN, the smallest and largest numbers, some that are huge, and some that are whole."""
    kind = np.finfo(char)
    positive = [0.0, kind.smallest_subnormal, kind.tiny, 0.5, 1.0, 2.0, 3.0, 2.0**40 + 1, 1e22, kind.max, math.inf]
    return np.array([*positive, *[-x for x in positive], math.nan]).astype(char)


def c_library(function: Callable[..., Any], *xs: Any) -> Any:
    """The function in the widest numbers that NumPy has, so by the C library, rounded."""
    with np.errstate(all="ignore"):
        return function(*[x.astype(np.longdouble) for x in xs]).astype(xs[0].dtype)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_ends(name: str, target: str) -> None:
    function, exactly, _ = FUNCTIONS[name]
    for char in DTYPES:
        found = form(name, char, target)
        if found is None:
            continue
        xs = (ends(char),)
        if name in TWO_ARGUMENTS:
            xs = tuple(v.ravel() for v in np.meshgrid(ends(char), ends(char)))
        got = graphad.jit(function, executor=executor(target))(*xs)
        wanted = function(*xs) if name in ("erf", "erfc") else c_library(function, *xs)
        np.testing.assert_array_equal(np.isnan(got), np.isnan(wanted), err_msg=f"{name}{xs}")
        plain = np.isinf(wanted) & np.isinf(np.abs(xs).max(0)) | (wanted == 0) & (name != "hypot")
        np.testing.assert_array_equal(got[plain], wanted[plain])
        np.testing.assert_array_equal(np.signbit(got[plain]), np.signbit(wanted[plain]))
        finite = ~plain & ~np.isnan(wanted) & np.isfinite(np.abs(xs).max(0)) & (np.abs(xs).min(0) != 0)
        values = [exactly(*map(float, x)) for x in zip(*[x[finite] for x in xs], strict=True)]
        assert (errors(got[finite], in_units(values, char)) <= found.ulp).all()


# -- lanes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_number_of_lanes(name: str, target: str) -> None:
    sizes = (1, 2, 3, 4, 5, 8, 16)
    for char in DTYPES:
        found = form(name, char, target)
        if found is None:
            continue
        usual = np.flatnonzero(np.isfinite(exact(name, char)[0]))
        at = [usual[start :: usual.size // n][:n] for start, n in enumerate(sizes)]
        xs = [tuple(x[i] for x in arguments(name, char)) for i in at]
        results = graphad.jit(lambda xs: [FUNCTIONS[name][0](*x) for x in xs], executor=executor(target))(xs)
        for i, got in zip(at, results, strict=True):
            expected = tuple(part[i] for part in exact(name, char))
            assert (errors(got, expected) <= found.ulp).all(), f"{name} of {got.size}"


@pytest.mark.parametrize("char", DTYPES)
def test_code_without_features_is_plain(char: str) -> None:
    for name in FUNCTIONS:
        for lanes in (1, 2, 4, 8):
            found = definition(name, char, lanes, features=frozenset())
            if found is not None:
                assert "llvm.x86" not in found.text
                assert "_ZGV" not in found.text
                assert "llvm.fma" not in found.text


# -- powers and compositions ---------------------------------------------------------------------------------------


def calls(function: Callable[..., Any], *args: Any) -> str:
    """The generated code of a function, whose results are checked against NumPy's."""
    jitted = graphad.jit(function)
    with np.errstate(all="ignore"):
        for got, wanted in zip(jitted(*args), function(*args), strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-14 if args[0].dtype == "d" else 2e-6)
            np.testing.assert_array_equal(np.signbit(got) & ~np.isnan(got), np.signbit(wanted) & ~np.isnan(wanted))
    source: str = jitted.compile(*args).source()
    return source


@pytest.mark.parametrize("char", DTYPES)
def test_known_powers_need_no_logarithm(char: str) -> None:
    x = np.array([0.0, -0.0, math.inf, -math.inf, 1e-3, -2.5, 7e3, *np.linspace(0.1, 5, 20)]).astype(char)
    for n in (1.5, -1.5, 2.5, -2.5, 7.5, -7.5):
        source = calls(lambda x, n=n: (np.power(x, n),), x)
        assert "pow" not in source.lower().replace("power", "")
    assert "pow" not in calls(lambda x: (2.0**x,), np.linspace(-30, 30, 40).astype(char)).replace("power", "")


@pytest.mark.parametrize("char", DTYPES)
@pytest.mark.parametrize("n", [k / 2 for k in range(-15, 16, 2) if abs(k) > 1])
def test_powers_are_within_their_bound(n: float, char: str) -> None:
    # The results lie over all exponents: negative powers of large numbers may be denormal.
    kind = np.finfo(char)
    ends = [(kind.minexp - kind.nmant) / n, kind.maxexp / n]
    x = np.exp2(np.random.default_rng(0).uniform(min(ends), max(ends), 500)).astype(char)
    got = graphad.jit(lambda x: np.power(x, n), executor=executor("this processor"))(x)
    assert errors(got, in_units([mpmath.power(float(v), n) for v in x], char)).max() <= POWER_ULP


def test_compositions_are_vector_code_and_finite() -> None:
    x = np.concatenate([np.linspace(-40, 40, 101), [-800.0, 800.0, -1e300, 1e300]])
    source = calls(lambda x: (1 / (1 + np.exp(-x)), np.logaddexp(x, 0), np.log1p(np.exp(np.minimum(x, 700)))), x)
    for symbol in ("@exp(", "@log1p(", "@log(", "@expm1("):
        assert symbol not in source
    log_expit, slope = graphad.jit(lambda x: (sp.log_expit(x), graphad.grad(lambda x: np.sum(sp.expit(x)))(x)))(x)
    np.testing.assert_allclose(log_expit, sp.log_expit(x), rtol=1e-14)
    assert np.isfinite(slope).all()

"""The modules `math`, `cmath` and `statistics` on traced numbers: NumPy's functions, with Python's own errors.

Where the numbers are known, Python's function is asked first, so that what it raises is raised: a function that
catches `ValueError` from `math.sqrt(-1.0)` takes its handler.
"""

from __future__ import annotations

import cmath
import functools
import math
import operator
import statistics
import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from graphad.api.conversion.checks import must
from graphad.api.conversion.functions import REPLACED
from graphad.api.conversion.numbers import real, scalar, whole
from graphad.api.conversion.parts import known, staged, unknown
from graphad.api.custom import stop_gradient
from graphad.api.loops import scan
from graphad.build import current_builder
from graphad.numpy.arguments import deciding, holds_tracer, operand, recorded
from graphad.ops.complex import from_parts
from graphad.ops.elementwise import cast
from graphad.trace import UFUNCS, Tracer
from graphad.types import COMPLEX128, FLOAT64, INT64

Function = Callable[..., Any]

_NAMES = (
    "cbrt", "copysign", "cos", "cosh", "degrees", "exp", "exp2", "expm1", "fmod", "isfinite", "isinf", "isnan", "log10",
    "log1p", "log2", "nextafter", "radians", "sin", "sinh", "sqrt", "tan", "tanh",
)  # fmt: skip
_RENAMED = {
    "acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan", "atan2": "arctan2",
    "atanh": "arctanh", "fabs": "absolute",
}  # fmt: skip
_SPECIAL = {"erf": "erf", "erfc": "erfc", "gamma": "gamma"}
_COMPLEX = (
    "acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "exp", "log", "log10", "sin", "sinh", "sqrt",
    "tan", "tanh", "isfinite", "isinf", "isnan",
)  # fmt: skip


_TOTAL = frozenset({
    "asinh", "atan", "atan2", "cbrt", "ceil", "copysign", "degrees", "erf", "erfc", "fabs", "floor", "frexp", "hypot",
    "isclose", "isfinite", "isinf", "isnan", "modf", "nextafter", "radians", "tanh", "trunc", "ulp",
})  # fmt: skip
"""Functions of real numbers that give a number for every one, or raise as `whole` does."""
_COMPLEX_TOTAL = frozenset({"acos", "acosh", "asin", "asinh", "isfinite", "isinf", "isnan", "phase", "sqrt"})


def _no_log(x: Any, base: Any = 2.0) -> Any:
    return np.logical_or(np.logical_or(x <= 0, base <= 0), base == 1)


_FAILS: dict[Function, Function] = {
    math.acos: lambda x: np.abs(x) > 1, math.acosh: lambda x: x < 1, math.asin: lambda x: np.abs(x) > 1,
    math.atanh: lambda x: np.abs(x) >= 1, math.cos: np.isinf, math.log: _no_log, math.log10: lambda x: x <= 0,
    math.log1p: lambda x: x <= -1, math.log2: lambda x: x <= 0, math.sin: np.isinf, math.sqrt: lambda x: x < 0,
    math.tan: np.isinf,
    cmath.atan: lambda z: np.logical_or(z == 1j, z == -1j), cmath.atanh: lambda z: np.logical_or(z == 1, z == -1),
    cmath.log: lambda z, *base: np.logical_or(base[0] == 0, base[0] == 1) if base else z == 0,
    cmath.log10: lambda z: z == 0,
    cmath.rect: lambda r, phi: np.logical_and(np.isinf(phi), np.abs(r) > 0),
    cmath.tan: lambda z: np.logical_and(np.isinf(np.real(z)), np.isfinite(np.imag(z))),
    cmath.tanh: lambda z: np.logical_and(np.isinf(np.imag(z)), np.isfinite(np.real(z))),
}  # fmt: skip
"""For which numbers functions raise `ValueError`; they raise nothing else, but for a logarithm to the base 1."""
_OVERFLOWS = frozenset({"cosh", "exp", "exp2", "expm1", "ldexp", "sinh"})
"""Functions of real numbers that raise nothing but `OverflowError`."""


_MODULES = {"math": math, "cmath": cmath}


class MathError(Exception):
    """What a function of `math` or `cmath` raises for numbers, made of its name and these."""

    def __new__(cls, module: str, name: str, overflow: bool, *args: Any) -> Any:  # type: ignore[misc]
        try:
            getattr(_MODULES[module], name)(*args)
        except Exception as error:
            return error.with_traceback(None)
        return OverflowError("math range error") if overflow else ValueError("math domain error")


def _asked(original: Function, args: Any, kwargs: Any) -> bool:
    """Call Python's function with the numbers themselves where all are known, for what it raises. Answers whether they
    are."""
    plain = [None if staged() and unknown(x) else known(x) if isinstance(x, Tracer) else x for x in args]
    if any([x is None for x in plain]):
        return False
    original(*[x.item() if isinstance(x, np.ndarray) else x for x in plain], **kwargs)
    return True


def _check(original: Function, args: Any, found: Any) -> None:
    """Record that a function raises for some numbers, given what it gives for others."""
    builder = current_builder()
    module, name = original.__module__, original.__name__
    if (builder is not None and not builder.checks) or module not in _MODULES:
        return
    raised: tuple[type[Exception], ...] = (ValueError, OverflowError)
    if original in _FAILS:
        raised, held = (ValueError, ZeroDivisionError)[: len(args)], np.logical_not(_FAILS[original](*args))
        if not isinstance(held, Tracer) and held:
            return
    else:
        found = found[0] if isinstance(found, tuple) else found
        # Infinities and NaN come from others alone: of numbers they are not given but raised for.
        finite = functools.reduce(np.logical_and, map(np.isfinite, args))
        unclear = functools.reduce(np.logical_or, map(np.isnan, args))
        passed_on = np.logical_not(np.logical_or(finite, np.isnan(found)))
        held = np.logical_or(np.logical_or(np.isfinite(found), unclear), passed_on)
        if module == "math" and name in _OVERFLOWS:
            raised = (OverflowError,)
    must(held, raised, MathError, module, name, raised[-1] is OverflowError, *args)


def _of_numbers(original: Function, function: Function) -> Function:
    """A function of real numbers: Python computes with its own floats, whatever the dtypes of its arguments."""
    name, total = f"{original.__module__}.{original.__name__}", original.__name__ in _TOTAL
    record = UFUNCS.get(function, function)

    @functools.wraps(original)
    def of_numbers(*args: Any, **kwargs: Any) -> Any:
        for x in (*args, *kwargs.values()):
            if isinstance(x, Tracer):
                break
        else:
            return original(*args, **kwargs)
        given = [real(x, name) if isinstance(x, Tracer) else x for x in args]
        safe = total or _asked(original, given, kwargs)
        whole = len(given) if original is not math.ldexp else 1  # its second argument is an integer
        given[:whole] = [cast(x, FLOAT64) if isinstance(x, Tracer) and x.dtype != FLOAT64 else x for x in given[:whole]]
        found = _python(record(*given, **kwargs))
        if not safe:
            _check(original, given, found)
        return found

    return of_numbers


def _of_complex(original: Function, function: Function) -> Function:
    total = original.__name__ in _COMPLEX_TOTAL

    @functools.wraps(original)
    def of_complex(*args: Any) -> Any:
        if not any([isinstance(x, Tracer) for x in args]):
            return original(*args)
        given = [scalar(x, f"cmath.{original.__name__}") for x in args]
        safe = total or _asked(original, given, {})
        given = [cast(x, COMPLEX128) if isinstance(x, Tracer) else complex(x) for x in given]
        found = _python(function(*given))
        if not safe:
            _check(original, given, found)
        return found

    return of_complex


def _of_data(original: Function, function: Function) -> Function:
    """A function of collections of numbers."""

    @functools.wraps(original)
    def of_data(*args: Any, **kwargs: Any) -> Any:
        args = tuple([x if isinstance(x, (Tracer, str)) or not np.iterable(x) else list(x) for x in args])
        return function(*args, **kwargs) if holds_tracer((*args, *kwargs.values())) else original(*args, **kwargs)

    return of_data


def _python(x: Any) -> Any:
    """A result as Python's own number."""
    if isinstance(x, tuple):
        return tuple([_python(item) for item in x])
    return Tracer(x.builder, x.value, True) if isinstance(x, Tracer) else x


def _log(x: Any, base: Any = None) -> Any:
    return np.log(x) if base is None else np.log(x) / np.log(base)


def _special(name: str) -> Function:
    def function(x: Any) -> Any:
        from scipy import special

        return getattr(special, name)(x)

    return function


def _pow(x: Any, y: Any) -> Any:
    if isinstance(y, Tracer) or y == 0.5:  # for which NumPy takes the square root
        x = np.where(np.logical_and(x == -math.inf, y == 0.5), math.inf, x)
    return np.power(x, y)


def _lgamma(x: Any) -> Any:
    # SciPy's function gives -inf for -inf, and inf where the reciprocal overflows.
    size = np.abs(x)
    small, infinite = size < 1e-300, x == -math.inf
    inner = np.where(np.logical_or(small, infinite), 1.0, x)
    return np.where(infinite, size, np.where(small, -np.log(size), _special("gammaln")(inner)))


def _ulp(x: Any) -> Any:
    space = np.abs(np.spacing(x))
    return np.where(np.isinf(x), np.abs(x), np.where(np.isinf(space), math.ulp(sys.float_info.max), space))


def _whole(function: Function) -> Function:
    return lambda x: whole(function(x))


def _isclose(a: Any, b: Any, *, rel_tol: Any = 1e-09, abs_tol: Any = 0.0) -> Any:
    near = np.abs(a - b) <= np.maximum(rel_tol * np.maximum(np.abs(a), np.abs(b)), abs_tol)
    return np.logical_and(near, np.isfinite(a - b)) | (a == b)


def _remainder(x: Any, y: Any) -> Any:
    size, y = np.abs(x), np.abs(y)
    rest = np.fmod(size, y)
    above = y - rest
    tie = rest - 2.0 * np.fmod(0.5 * (size - rest), y)
    return np.copysign(1.0, x) * np.where(rest < above, rest, np.where(rest > above, -above, tie))


def _frexp(x: Any) -> Any:
    mantissa, exponent = np.frexp(x)
    return mantissa, cast(exponent, INT64)


def _array(data: Any) -> Any:
    return recorded(operand(data if isinstance(data, Tracer) else list(data)))


def _numbers(data: Any) -> Iterable[Any]:
    """The numbers of Python's that a collection holds, each for itself; of an array of them their product."""
    return [np.prod(data)] if isinstance(data, Tracer) else data


def _fsum(seq: Any) -> Any:
    """`math.fsum`: the sum with what its steps round off (Neumaier, ZAMM 54, 1974); its derivative is the sum's."""

    def step(carry: Any, x: Any) -> Any:
        total, lost = carry
        new = total + x
        return (new, lost + np.where(np.abs(total) >= np.abs(x), (total - new) + x, (x - new) + total)), None

    x = cast(_array(seq), FLOAT64)
    plain = np.sum(x)
    total, lost = scan(step, (np.float64(0), np.float64(0)), stop_gradient(x))[0]
    exact = total + lost
    return np.where(np.isfinite(exact), exact + (plain - stop_gradient(plain)), plain)


def _sumprod(p: Any, q: Any) -> Any:
    return np.sum(_array(p) * _array(q))


def _dist(p: Any, q: Any) -> Any:
    return np.sqrt(np.sum((_array(p) - _array(q)) ** 2))


def _variance(ddof: int, root: bool) -> Function:
    def variance(data: Any, center: Any = None) -> Any:
        x = _array(data)
        if x.size < 1 + ddof:
            raise statistics.StatisticsError(f"variance requires at least {1 + ddof} data points")
        spread = np.sum((x - (np.mean(x) if center is None else center)) ** 2) / (x.size - ddof)
        return np.sqrt(spread) if root else spread

    return variance


def _mean(data: Any, weights: Any = None) -> Any:
    return np.mean(_array(data)) if weights is None else np.average(_array(data), weights=_array(weights))


def _geometric(data: Any) -> Any:
    return np.exp(np.mean(np.log(_array(data))))


def _harmonic(data: Any, weights: Any = None) -> Any:
    return 1.0 / _mean([1.0 / x for x in data], weights)


def _covariance(x: Any, y: Any, /) -> Any:
    a, b = _array(x), _array(y)
    return np.sum((a - np.mean(a)) * (b - np.mean(b))) / (a.size - 1)


def _correlation(x: Any, y: Any, /, *, method: Any = "linear") -> Any:
    if method != "linear":
        options = {"method": method}  # newer than the oldest Python
        return statistics.correlation(x, y, **options)
    return _covariance(x, y) / np.sqrt(_covariance(x, x) * _covariance(y, y))


def _regression(x: Any, y: Any, /, *, proportional: bool = False) -> Any:
    a, b = _array(x), _array(y)
    slope = np.sum(a * b) / np.sum(a * a) if proportional else _covariance(x, y) / _covariance(x, x)
    intercept = 0.0 if proportional else np.mean(b) - slope * np.mean(a)
    return statistics.LinearRegression(slope=slope, intercept=intercept)


def _quantile(place: float) -> Function:
    def quantile(data: Any) -> Any:
        x = np.sort(_array(data))
        low, high = math.floor((x.size - 1) * place), math.ceil((x.size - 1) * place)
        return x[low] if low == high else (x[low] + x[high]) / 2

    return quantile


def _sorted(data: Any) -> Any:
    x = _array(data)
    if not x.size:
        raise statistics.StatisticsError("no median for empty data")
    return np.sort(x)


def _median_low(data: Any) -> Any:
    x = _sorted(data)
    return x[(x.size - 1) // 2]


def _median_high(data: Any) -> Any:
    x = _sorted(data)
    return x[x.size // 2]


def _median_grouped(data: Any, interval: Any = 1.0) -> Any:
    x = _sorted(data)
    middle = x[x.size // 2]
    below, within = np.sum(x < middle), np.sum(x == middle)
    return middle - interval / 2 + interval * (x.size / 2 - below) / within


def _quantiles(data: Any, *, n: int = 4, method: Any = "exclusive") -> Any:
    if n < 1:
        raise statistics.StatisticsError("n must be at least 1")
    x = np.sort(_array(data))
    if x.size < 2 or method not in ("exclusive", "inclusive"):
        statistics.quantiles([0.0] * x.size, n=n, method=method)  # says what is wrong, if anything is
        return [x[0]] * (n - 1)
    found = []
    for i in range(1, n):
        if method == "inclusive":
            j, delta = divmod(i * (x.size - 1), n)
            j += 1
        else:
            j = min(max(i * (x.size + 1) // n, 1), x.size - 1)
            delta = i * (x.size + 1) - j * n
        found.append((x[j - 1] * (n - delta) + x[j] * delta) / n if delta or method == "exclusive" else x[j - 1])
    return found


def _mode(data: Any) -> Any:
    """The entry that is met most often, of several the first, also where the entries are not known."""
    items = list(data)
    x = _array(items)
    if not isinstance(x, Tracer) or known(x) is not None:
        return _commonest(items)[0]
    return x[np.argmax(np.sum(x[:, None] == x, axis=0))]


def _commonest(data: Any) -> list[Any]:
    """The entries that are met most often, in the order of their first mention."""
    items = list(data)
    places: dict[float, list[int]] = {}
    for i, number in enumerate(deciding(_array(items), "statistics.multimode: the data").tolist()):
        places.setdefault(number, []).append(i)
    most = max(map(len, places.values()), default=0)
    return [items[found[0]] for found in places.values() if len(found) == most]


def _tables() -> tuple[dict[str, Function], dict[str, Function], dict[str, Function], dict[str, Function]]:
    """What stands for the functions of `math`, for those of `math` that take collections, of `cmath`, `statistics`."""
    numbers: dict[str, Function] = {name: getattr(np, name) for name in _NAMES}
    numbers |= {name: getattr(np, other) for name, other in _RENAMED.items()}
    numbers |= {name: _special(other) for name, other in _SPECIAL.items()}
    numbers |= {name: _whole(getattr(np, name)) for name in ("floor", "ceil", "trunc")}
    numbers |= {
        "log": _log, "pow": _pow, "lgamma": _lgamma, "ulp": _ulp,
        "hypot": lambda *xs: functools.reduce(np.hypot, xs) if len(xs) > 1 else np.abs(xs[0]),
        "isclose": _isclose, "remainder": _remainder, "frexp": _frexp, "modf": np.modf,
        "ldexp": np.ldexp, "fma": lambda x, y, z: x * y + z,
    }  # fmt: skip
    collections: dict[str, Function] = {
        "fsum": _fsum, "sumprod": _sumprod, "dist": _dist,
        "prod": lambda iterable, *, start=1: functools.reduce(operator.mul, _numbers(iterable), start),
    }  # fmt: skip
    complexes: dict[str, Function] = {name: getattr(np, _RENAMED.get(name, name)) for name in _COMPLEX}
    complexes |= {
        "log": _log, "phase": np.angle, "polar": lambda z: (np.abs(z), np.angle(z)),
    }  # fmt: skip
    data: dict[str, Function] = {
        "mean": _mean, "fmean": _mean, "geometric_mean": _geometric, "harmonic_mean": _harmonic,
        "variance": _variance(1, False), "pvariance": _variance(0, False), "stdev": _variance(1, True),
        "pstdev": _variance(0, True), "covariance": _covariance, "correlation": _correlation,
        "linear_regression": _regression, "median": _quantile(0.5), "median_low": _median_low,
        "median_high": _median_high, "median_grouped": _median_grouped, "quantiles": _quantiles,
        "mode": _mode, "multimode": _commonest,
        "_mean_stdev": lambda data: (_mean(data), _variance(1, True)(data)),
    }  # fmt: skip
    return numbers, collections, complexes, data


def _rect(r: Any, phi: Any) -> Any:
    turn = np.where(np.isfinite(phi), phi, math.nan)
    x, y = r * np.cos(turn), r * np.sin(turn)
    # Zero times infinity is no number here.
    y = np.where(phi == 0, np.where(np.isinf(r), np.sign(r), r) * phi, y)
    none = np.logical_and(r == 0, np.logical_not(np.isfinite(phi)))
    return from_parts(*[np.where(none, 0.0, part) for part in (x, y)])


def install() -> None:
    """Fill the table of what converted code calls in place of these functions."""
    numbers, collections, complexes, data = _tables()
    for module, table, wrapped in (
        (math, numbers, _of_numbers), (math, collections, _of_data), (cmath, complexes, _of_complex),
        (statistics, data, _of_data),
    ):  # fmt: skip
        for name, function in table.items():
            original = getattr(module, name, None)  # some are newer than the oldest Python
            if original is not None:
                REPLACED[original] = wrapped(original, function)
    quantile: Any = statistics._normal_dist_inv_cdf  # type: ignore[attr-defined]
    REPLACED[quantile] = _of_numbers(quantile, lambda p, mu, sigma: mu + sigma * _special("ndtri")(p))
    REPLACED[cmath.rect] = _of_numbers(cmath.rect, _rect)


install()

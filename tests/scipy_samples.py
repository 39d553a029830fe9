"""A sample of each function of SciPy that graphad traces: a call of a module's function, and its arguments.

Numbers of Python's `int` are known while tracing; all other arguments are traced.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
import scipy.stats
import statistics_cases
import test_distances
import test_integrate
import test_interpolate
import test_ndimage
import test_scipy_fft
import test_scipy_linalg
import test_signal
import test_signal_filters
import test_signal_systems
import test_sparse
import test_special
import test_special_more
import test_stats

import graphad
import graphad.scipy.interpolate
from graphad.api.conversion.scope import nested_codes
from graphad.errors import MissingRuleError
from graphad.scipy import integrate, stats
from graphad.scipy.dispatch import TRACED
from graphad.trace import UFUNCS

MODULES = ("special", "stats", "linalg", "fft", "fftpack", "interpolate", "integrate", "signal", "ndimage", "sparse",
           "sparse.linalg", "spatial.distance", "optimize", "constants")  # fmt: skip
P, U, R, L = test_special_more.P, test_special_more.U, test_special_more.R, test_special_more.L
Z = test_special_more.Z


class Sample(NamedTuple):
    """`call(module, *args)` with a module that has SciPy's names, and the names of the arguments."""

    call: Callable[..., Any]
    args: tuple[Any, ...]
    names: tuple[str, ...]


def known(x: Any) -> bool:
    """Whether an argument of a sample is not traced."""
    return isinstance(x, int)


def direct(name: str, *args: Any) -> Sample:
    """A call of a function with the arguments alone."""
    return Sample(lambda m, *xs: getattr(m, name)(*xs), args, ())


def written(call: Callable[..., Any], args: tuple[Any, ...], named: Callable[..., Any] | None = None) -> Sample:
    """A call by a function of the module and the arguments, whose names are those of `named`."""
    return Sample(call, tuple(args), tuple(inspect.signature(named or call).parameters)[1 : len(args) + 1])


def leaves(results: Any) -> list[Any]:
    """The arrays of nested results."""
    return [x for part in results for x in leaves(part)] if isinstance(results, (list, tuple)) else [results]


def rebound(function: Any, **names: Any) -> Any:
    """A function with other values of global names."""
    if not isinstance(function, FunctionType):
        return function
    scope = {**function.__globals__, **names}
    return FunctionType(function.__code__, scope, function.__name__, function.__defaults__, function.__closure__)


def parameters(module: str, name: str) -> tuple[str, ...]:
    """The names of a function's arguments; those of a ufunc stand in the second line of its docstring that calls it."""
    function = getattr(import_module(f"scipy.{module}"), name)
    if isinstance(function, np.ufunc):
        listed = re.findall(rf"^ *{function.__name__}\(([^)]*)\)", function.__doc__ or "", re.MULTILINE)[:2][-1]
        return tuple(x.split("=")[0].strip(" *[]") for x in listed.split(","))
    return tuple(inspect.signature(function).parameters)


def callables(module: str) -> list[str]:
    """The public functions and classes of one of SciPy's modules."""
    found = import_module(f"scipy.{module}")
    listed = getattr(found, "__all__", dir(found))
    return sorted({n for n in listed if not n.startswith("_") and callable(getattr(found, n))}, key=str.lower)


def traced(module: str) -> list[str]:
    """The public names of one of SciPy's modules that graphad traces, by its own tables."""
    names = set(TRACED.get(f"scipy.{module}", ()))
    if module == "special":
        names |= {name for name in UFUNCS if isinstance(name, str)}
    elif module == "stats":
        names |= set(stats.DISTRIBUTIONS)
    elif module == "integrate":
        names |= set(integrate.__all__)
    elif module == "interpolate":
        names |= {name for name, value in vars(graphad.scipy.interpolate).items() if isinstance(value, type)}
    return [name for name in callables(module) if name in names and f"{module}.{name}" not in OF_VALUES]


OF_VALUES = ("signal.tf2sos",)
"""Functions whose derivative needs known values, and which no graph can hold."""


# -- scipy.special ------------------------------------------------------------------------------------------------

SPECIAL = {
    "zeta": (2.5, P), "hyp0f1": (1.3, R), "hyp1f1": (0.7, 1.3, R), "hyp2f1": (0.7, 1.2, 1.9, U),
    "hyperu": (0.7, 1.3, P), **dict.fromkeys(("jv", "kv", "yv", "iv", "ive", "kve", "jve", "yve"), (1.5, P)),
    "jn": (2, P), "kn": (2, P), "yn": (0, P), "hankel1": (1.5, Z), "hankel2": (0.5, P), "hankel1e": (1.5, P),
    "hankel2e": (0.5, Z), "struve": (0.5, P), "modstruve": (1.5, P), "expn": (3, P), "lpmv": (1.0, 2.5, U),
    **dict.fromkeys(("jvp", "yvp", "ivp", "kvp", "h1vp", "h2vp"), (1.5, P)), "besselpoly": (P, 1.0, 1.5),
    **dict.fromkeys(("spherical_jn", "spherical_yn", "spherical_in", "spherical_kn"), (2, P)),
    "legendre_p": (4, U), "assoc_legendre_p": (4, 3, U), "sph_legendre_p": (3, -2, P), "sph_harm_y": (3, 2, P, R),
    "assoc_laguerre": (R, 3, 1.5), "pbdv": (1.5, P), "pbvv": (1.5, P), "pbwa": (0.5, U),
    **{
        f"eval_{name}": (4, R)
        for name in ("legendre", "chebyt", "chebyu", "hermite", "hermitenorm", "laguerre", "chebyc", "chebys",
                     "sh_chebyt", "sh_chebyu", "sh_legendre")
    },
    "eval_gegenbauer": (3, P, R), "eval_genlaguerre": (3, P, R), "eval_jacobi": (3, P, U, R),
    "eval_sh_jacobi": (3, P + 2, P, R), "pdtr": (2.4, P), "pdtrc": (2.4, P), "pdtri": (2, U), "pdtrik": (L, P + 2),
    "bdtr": (2.4, 5, U), "bdtrc": (2.4, 5, U), "bdtri": (2.4, 5, U), "bdtrik": (L, P + 6, L), "nbdtr": (2, 5, U),
    "nbdtrc": (2, 5, U), "nbdtri": (2, 5, U), "chndtr": (2 * P, 2.5, P[::-1]), "chndtrix": (L, 2.5, P),
    "chndtrinc": (P + 4, 1.5, L - 0.05), "chndtridf": (P + 4, L, 0.5), "zetac": (P + 1,), "gammasgn": (R,),
    "round": (R,), "smirnov": (7, np.array([0.12, 0.3, 0.55])), "smirnovi": (7, U), "diric": (R, 4),
    "lambertw": (P,), "wright_bessel": (0.7, 1.3, P), "log_wright_bessel": (0.7, 1.3, P), "ellipj": (R, U),
    "itairy": (0.3 * P,), "comb": (P + 3, 2.0), "perm": (P + 3, 2.0), "factorial": (P,), "logsumexp": (R,),
    "softmax": (R,), "log_softmax": (R,), "multigammaln": (P + 3, 2), "polygamma": (1, P), "erfcinv": (U,),
    "erfcx": (R,), "dawsn": (R,), "psi": (P,), "j1": (R,), "k1": (P,), "i0": (R,), "i1e": (R,), "rgamma": (P,),
    "sinc": (R,), "spence": (P + 0.1,),
    **dict.fromkeys(("sici", "shichi", "airye", "modfresnelp", "modfresnelm", "kelvin"), (P,)),
    **dict.fromkeys(("iti0k0", "itj0y0", "it2i0k0", "it2j0y0"), (P,)),
    "fresnel": (R,), "airy": (R,), "legendre_p_all": (3, U), "riccati_jn": (3, 1.4), "riccati_yn": (3, 1.4),
    "roots_genlaguerre": (4, 0.7), "roots_gegenbauer": (4, 0.7), "roots_jacobi": (4, 0.3, 0.8),
    "roots_sh_jacobi": (4, 1.8, 0.6), "mathieu_a": (2, P), "mathieu_b": (2, P), "ncfdtr": (P, 3.0, 1.2, P),
    "ncfdtri": (2.5, 3.5, 1.2, L), "ncfdtridfd": (2.5, 0.4, 1.2, 1.3), "ncfdtridfn": (0.4, 3.5, 1.2, 1.3),
    "ncfdtrinc": (2.5, 3.5, 0.4, 1.3), "nctdtr": (P + 2, 0.5, R), "nctdtrit": (P + 2, 0.5, L),
    "nctdtridf": (0.62, 1.0, 1.5), "nctdtrinc": (3.0, L, 1.5),
}  # fmt: skip
"""Arguments where the tables of cases hold some of them fixed, or lack the function."""


def special(name: str) -> Sample:
    for cases in (test_special.CASES, test_special_more.CASES):
        if name not in SPECIAL and name in cases:
            return direct(name, *cases[name][1])
    return direct(name, *SPECIAL[name])


# -- scipy.stats --------------------------------------------------------------------------------------------------

QUANTILES = np.array([0.1, 0.45, 0.8])
WHOLE = {"binom": "n", "betabinom": "n", "hypergeom": "M n N"}
"""Parameters that are integers."""
SUMMARIES = ("mean", "var", "std", "entropy", "median", "support")


def place(method: str, name: str, shapes: tuple[float, ...], ends: dict[str, Any]) -> dict[str, Any]:
    """The first argument of a distribution's method, by its name, or none."""
    if method in SUMMARIES:
        return {}
    if method == "interval":
        return {"confidence": 0.7}
    if method in ("ppf", "isf"):
        return {"q": QUANTILES}
    if name in test_stats.DISCRETE:
        return {"k": np.array([0, 1, 1] if name == "bernoulli" else [1, 2, 3]) + ends.get("loc", 0)}
    return {"x": getattr(scipy.stats, name)(*shapes, **ends).ppf([0.05, 0.31, 0.77]) + 0.01}


SIMPLEX = {
    "dirichlet": (lambda d, x, alpha: d.logpdf(x / x.sum(), alpha), test_stats.MULTIVARIATE["dirichlet"][1]),
    "multinomial": (
        lambda d, p: d.logpmf(np.array([2, 1, 3]), 6, p / p.sum()), test_stats.MULTIVARIATE["multinomial"][1],
    ),
}  # fmt: skip
"""Probabilities that are made to sum to one."""


class Renamed:
    """A distribution whose `logpdf` and `logpmf` are another of its methods."""

    def __init__(self, distribution: Any, method: str) -> None:
        self.logpdf = self.logpmf = getattr(distribution, method)


def method_of(name: str, method: str, standard: bool = False) -> Sample:
    """A distribution's method with all of its parameters, or without location and scale."""
    if name in test_stats.MULTIVARIATE:
        call, args = (test_stats.MULTIVARIATE | SIMPLEX)[name]
        if method in ("entropy", "mean", "var"):
            names = written(call, args).names
            return Sample(lambda m, *xs: getattr(getattr(m, name), method)(*xs), tuple(args[1:]), names[1:])
        return written(lambda m, *xs: call(Renamed(getattr(m, name), method), *xs), args, call)
    (shapes, *_) = (test_stats.CONTINUOUS | test_stats.DISCRETE)[name]
    ends = {"loc": np.asarray(1)} if name in test_stats.DISCRETE else {"loc": test_stats.LOC, "scale": test_stats.SCALE}
    ends = {} if standard else ends
    first = place(method, name, shapes, ends)
    named = dict(zip(stats.DISTRIBUTIONS[name].shapes, shapes, strict=True))
    whole = {key: np.asarray(int(named[key])) for key in WHOLE.get(name, "").split()}
    given = first | named | whole | ends
    call = lambda m, *xs: getattr(getattr(m, name), method)(*xs)
    if method == "support":
        finite = np.flatnonzero(np.isfinite(call(scipy.stats, *given.values())))
        return Sample(lambda m, *xs: [call(m, *xs)[i] for i in finite], tuple(given.values()), tuple(given))
    return Sample(call, tuple(given.values()), tuple(given))


@cache
def methods(name: str) -> dict[str, Sample]:
    """A sample of each method of a distribution that is traced."""
    found = {}
    for method in stats.DISTRIBUTIONS[name].methods:
        sample = method_of(name, method)
        try:
            graphad.trace(lambda *xs, call=sample.call: leaves(call(stats, *xs)))(*sample.args)
        except MissingRuleError:
            continue
        found[method] = sample
    return found


def statistic(name: str) -> Sample:
    """The first call of a statistic in the table of cases; results that are no tuples, by their attributes."""
    if name == "alexandergovern":
        call = lambda m, a, b: [getattr(m.alexandergovern(a, b, axis=1), key) for key in ("statistic", "pvalue")]
        return written(call, (statistics_cases.X, statistics_cases.Z))
    if name in ("trimboth", "trim1"):
        return written(lambda m, a: np.sort(getattr(m, name)(a, 0.2, axis=1)), (statistics_cases.X,))
    if name.endswith("_normmax"):
        options = {"method": "mle"} if name == "boxcox_normmax" else {}
        # The search stops at 1e-8, which differences see.
        return written(lambda m, a: 1e-3 * getattr(m, name)(a, **options), (statistics_cases.P[0],))
    args, kwargs = statistics_cases.CASES[name][0]
    names = tuple([f"sample{i}" for i in range(1, len(args) + 1)]) if parameters("stats", name)[0] == "samples" else ()
    return Sample(lambda m, *xs: getattr(m, name)(*xs, **kwargs), args, names)


def distribution(name: str) -> Sample:
    """All methods of a distribution at once, of one set of arguments; or a statistic."""
    if name not in stats.DISTRIBUTIONS:
        return statistic(name)
    every = methods(name).values()
    given = {key: x for sample in every for key, x in zip(sample.names, sample.args, strict=True)}

    def call(m: Any, *xs: Any) -> list[Any]:
        values = dict(zip(given, xs, strict=True))
        return [sample.call(m, *[values[key] for key in sample.names]) for sample in every]

    return Sample(call, tuple(given.values()), tuple(given))


# -- other modules ------------------------------------------------------------------------------------------------


def decay(t: Any, y: Any, rate: Any) -> Any:
    return -rate * y


X, K, IMAGE, PATCH, B, A = (getattr(test_signal_filters, n) for n in ("X", "K", "IMAGE", "PATCH", "B", "A"))
TIMES = np.linspace(0.0, 1.0, 4)
ENTRIES, V, PLACES = test_sparse.ENTRIES, test_sparse.V, (test_sparse.ROWS, test_sparse.PLACES)
COMPRESSED = (np.array([0, 2, 0, 1, 0, 2]), np.array([0, 2, 3, 6]))
MATRIX, RIGHT = test_scipy_linalg.A, test_scipy_linalg.B


def triplets(name: str) -> Sample:
    return written(lambda s, data, x: getattr(s, name)((data, PLACES), shape=(3, 3)) @ x, (ENTRIES, V))


def banded(s: Any, d: Any) -> Any:
    return s.diags_array([d[:2], 4.0 + d[:3], d[3:5]], offsets=[-1, 0, 1], format="csc")


def matrix_of(s: Any, d: Any) -> Any:
    """A matrix with entries `d` of the package that holds the module `s`."""
    return banded(import_module(s.__name__.rpartition(".")[0]), d)


def definite(s: Any, d: Any) -> Any:
    """A symmetric positive definite one."""
    matrix = matrix_of(s, d)
    return matrix + matrix.T


OWN = {
    "linalg": {
        "cho_factor": written(lambda s, a: s.cho_solve(s.cho_factor(a), RIGHT), (test_scipy_linalg.P,)),
        "cholesky": direct("cholesky", test_scipy_linalg.P),
        "norm": direct("norm", MATRIX), "toeplitz": direct("toeplitz", MATRIX[0], MATRIX[1]),
        "hankel": direct("hankel", MATRIX[0], MATRIX[1]), "polar": direct("polar", MATRIX),
        "circulant": direct("circulant", MATRIX[0]), "companion": direct("companion", MATRIX[0]),
        "lu_solve": written(lambda s, a, b: s.lu_solve(s.lu_factor(a), b), (MATRIX[::-1], RIGHT)),
        "eigh": written(lambda s, a: [s.eigh(a)[0], abs(s.eigh(a)[1])], (test_scipy_linalg.P,)),
        "eigvals": direct("eigvals", test_scipy_linalg.P),
        "fractional_matrix_power": direct("fractional_matrix_power", test_scipy_linalg.P, 0.3),
        "solve_sylvester": direct("solve_sylvester", MATRIX, RIGHT + 4 * np.eye(3), RIGHT),
    },
    "optimize": {
        **{name: direct(name, X) for name in ("rosen", "rosen_der", "rosen_hess")},
        "rosen_hess_prod": direct("rosen_hess_prod", X, X[::-1]),
        "nnls": direct("nnls", MATRIX, RIGHT[0]),
        **{name: written(lambda m, a, name=name: getattr(m, name)(lambda t: t**3 + t - a, 0, 5), (1.3,))
           for name in ("bisect", "brenth", "brentq", "ridder", "toms748")},
        "newton": written(lambda m, a: m.newton(lambda t: t**3 + t - a, 1.0, lambda t: 3 * t * t + 1), (1.3,)),
        "root_scalar": written(lambda m, a: m.root_scalar(lambda t: t**3 + t - a, bracket=(0, 5)).root, (1.3,)),
        "root": written(lambda m, a: m.root(lambda t: t**3 + t - a, np.ones(2)).x, (X[:2],)),
        "fsolve": written(lambda m, a: m.fsolve(lambda t: t**3 + t - a, np.ones(2)), (X[:2],)),
        "fixed_point": written(lambda m, a: m.fixed_point(lambda t: np.cos(a * t), 0.5, xtol=1e-12), (0.7,)),
        "minimize_scalar": written(lambda m, a: m.minimize_scalar(lambda t: (t - a) ** 4 + (t - a) ** 2).x, (1.3,)),
        "minimize": written(
            lambda m, a: m.minimize(lambda t: np.sum((t - a) ** 2), np.zeros(2), jac=lambda t: 2 * (t - a)).x,
            (X[:2],)),
        "NonlinearConstraint": written(
            lambda m, a: m.minimize(
                lambda t: np.sum((t - a) ** 2), np.ones(2), jac=lambda t: 2 * (t - a), tol=1e-13,
                constraints=m.NonlinearConstraint(lambda t: t @ a, 1, 1, jac=lambda t: a)).x, (X[:2],)),
        "least_squares": written(lambda m, a: m.least_squares(lambda t: t**3 + t - a, np.ones(2)).x, (X[:2],)),
        "leastsq": written(lambda m, a: m.leastsq(lambda t: t**3 + t - a, np.ones(2))[0], (X[:2],)),
        "curve_fit": written(
            lambda m, y: m.curve_fit(lambda t, a, b: a * t + b, np.arange(4.0), y, np.ones(2))[0],
            (np.array([1.0, 2.5, 2.9, 4.2]),)),
        "lsq_linear": written(lambda m, b: m.lsq_linear(np.array([[1.0, 2], [3, 1], [1, 1]]), b).x, (np.ones(3),)),
        "linprog": written(
            lambda m, b: m.linprog([-1.0, -2], np.array([[1.0, 1], [2, 0.5]]), b).x, (np.array([3.0, 2]),)),
    },
    "constants": {
        "lambda2nu": direct("lambda2nu", 1.3), "nu2lambda": direct("nu2lambda", 1.3),
        "convert_temperature": written(lambda m, val: m.convert_temperature(val, "F", "C"), (1.3,)),
    },
    "integrate": {
        "trapezoid": direct("trapezoid", test_integrate.Y, test_integrate.X),
        "cumulative_trapezoid": direct("cumulative_trapezoid", test_integrate.Y, test_integrate.X),
        "simpson": direct("simpson", test_integrate.Y, test_integrate.X),
        "cumulative_simpson": written(lambda m, y, x: m.cumulative_simpson(y, x=x),
                                      (test_integrate.Y, test_integrate.X)),
        "romb": direct("romb", test_integrate.Y, 0.25),
        "fixed_quad": written(lambda m, a, b: m.fixed_quad(np.exp, a, b, n=6)[0], (0.2, 1.1)),
        "quad": written(lambda m, a, b: m.quad(lambda t: np.exp(-a * t), 0, b)[0], (0.7, 1.1)),
        "quad_vec": written(lambda m, a, b: m.quad_vec(lambda t: np.exp(-a * t * np.arange(2)), 0, b)[0], (0.7, 1.1)),
        "dblquad": written(lambda m, a, b: m.dblquad(lambda y, x: np.exp(-a * x * y), 0, b, 0, 1)[0], (0.7, 1.1)),
        "tplquad": written(lambda m, a: m.tplquad(lambda z, y, x: a * x * y * z, 0, a, 0, 1, 0, 1)[0], (0.7,)),
        "nquad": written(lambda m, a, b: m.nquad(lambda y, x: np.exp(-a * x * y), [(0, 1), (0, b)])[0], (0.7, 1.1)),
        "odeint": written(
            lambda m, y0, rate: m.odeint(lambda y, t, rate: -rate * y, y0, TIMES, (rate,), rtol=1e-11, atol=1e-11),
            (np.array([1.0, 0.5]), 1.3),
        ),
        "solve_ivp": written(
            lambda m, y0, rate: m.solve_ivp(
                decay, (0.0, 1.0), y0, "RK45", TIMES, args=(rate,), rtol=1e-9, atol=1e-11).y,
            (np.array([1.0, 0.5]), 1.3),
        ),
    },
    "interpolate": {
        name: written(lambda m, xi, yi, x, name=name: getattr(m, name)(xi, yi, x), (
            test_interpolate.X, test_interpolate.Y, test_interpolate.AT[[1, 3, 4]]))
        for name in ("krogh_interpolate", "barycentric_interpolate")
    } | {
        name: written(lambda m, x, y, at, name=name: getattr(m, name)(x, y)(at), (
            test_interpolate.X, test_interpolate.Y, test_interpolate.AT[[1, 3, 4]]))
        for name in ("CubicSpline", "PchipInterpolator", "Akima1DInterpolator")
    } | {
        "interp1d": written(lambda m, x, y, at: m.interp1d(x, y)(at),
                            (test_interpolate.X, test_interpolate.Y[:, 0], test_interpolate.AT[[1, 3, 4]])),
        "CubicHermiteSpline": written(
            lambda m, x, y, dydx, at: m.CubicHermiteSpline(x, y, dydx)(at),
            (test_interpolate.X, test_interpolate.Y, np.cos(test_interpolate.Y), test_interpolate.AT[[1, 3, 4]]),
        ),
        "PPoly": written(
            lambda m, c, x, at: m.PPoly(c, x)(at),
            (np.stack([test_interpolate.Y[:-1]] * 3), test_interpolate.X, test_interpolate.AT[[1, 3, 4]]),
        ),
        "RegularGridInterpolator": written(
            lambda m, a, b, values, xi: m.RegularGridInterpolator((a, b), values)(xi),
            (*test_interpolate.GRID, test_interpolate.VALUES, test_interpolate.POINTS[:2]),
        ),
    },
    "signal": {
        "convolve": direct("convolve", X, K), "correlate": direct("correlate", X, K),
        "convolve2d": direct("convolve2d", IMAGE, PATCH), "correlate2d": direct("correlate2d", IMAGE, PATCH),
        "fftconvolve": direct("fftconvolve", IMAGE, PATCH), "oaconvolve": direct("oaconvolve", IMAGE, PATCH),
        "detrend": direct("detrend", IMAGE), "hilbert": direct("hilbert", IMAGE),
        "medfilt2d": direct("medfilt2d", IMAGE), "sosfreqz": written(
            lambda s, sos: s.sosfreqz(test_signal_filters.sections(sos), 5), (test_signal_filters.FREE,)),
        "istft": written(lambda s, Zxx: s.istft(Zxx), (test_signal_filters.SPECTRUM,)),
        "stft": written(lambda s, x: s.stft(x, nperseg=8), (X,)),
        "welch": written(lambda s, x: s.welch(x, nperseg=8), (X,)),
        "csd": written(lambda s, x, y: s.csd(x, y, nperseg=8), (X, X[::-1])),
        "square": direct("square", test_signal_filters.T, np.linspace(0.05, 0.95, 11)),
        "sawtooth": direct("sawtooth", test_signal_filters.T, np.linspace(0.1, 0.9, 11)),
        "chirp": direct("chirp", test_signal_filters.T, 0.5, 3.0, 2.0),
        "zpk2sos": written(lambda s, k: s.zpk2sos(test_signal_systems.Z, test_signal_systems.P, k), (1.3,)),
        "tf2zpk": written(lambda s, b, a: [np.sum(x**2) for x in s.tf2zpk(b, a)],
                          (test_signal_systems.B, test_signal_systems.A)),
        "bilinear": direct("bilinear", B, A, 2.0), "gausspulse": direct("gausspulse", test_signal_filters.T, 2.0),
    },
    "ndimage": {
        "map_coordinates": written(lambda s, x, coordinates: s.map_coordinates(x, coordinates, order=1),
                                   (test_ndimage.IMAGE, test_ndimage.NEAR)),
        "minimum_filter1d": written(lambda s, x: s.minimum_filter1d(x, 3), (IMAGE,)),
        "maximum_filter1d": written(lambda s, x: s.maximum_filter1d(x, 3), (IMAGE,)),
        "white_tophat": written(lambda s, x: s.white_tophat(x, 3), (IMAGE,)),
        "black_tophat": written(lambda s, x: s.black_tophat(x, 3), (IMAGE,)),
        "gaussian_filter": written(lambda s, x, sigma: s.gaussian_filter(x, sigma, radius=3), (IMAGE, 1.3)),
        "gaussian_filter1d": written(lambda s, x, sigma: s.gaussian_filter1d(x, sigma, radius=3), (IMAGE, 1.3)),
        "gaussian_laplace": written(lambda s, x, sigma: s.gaussian_laplace(x, sigma, radius=3), (IMAGE, 1.3)),
        "gaussian_gradient_magnitude": written(
            lambda s, x, sigma: s.gaussian_gradient_magnitude(x, sigma, radius=3), (IMAGE, 1.3)),
        "fourier_uniform": direct("fourier_uniform", IMAGE, np.array([2.0, 3.5])),
        "rotate": written(lambda s, x, angle: s.rotate(x, angle, reshape=False), (IMAGE, 25.3)),
    },
    "sparse": {
        **{name: triplets(name) for name in ("coo_array", "coo_matrix", "csr_array", "csr_matrix")},
        **{
            name: written(lambda s, data, x, name=name: getattr(s, name)((data, *COMPRESSED)) @ x, (ENTRIES, V))
            for name in ("csc_array", "csc_matrix")
        },
        "diags": written(lambda s, d, x: s.diags([d[:3], d[3:5]], [0, -1]) @ x, (ENTRIES, V)),
        "diags_array": written(lambda s, d, x: s.diags_array([d[:3], d[3:5]], offsets=[0, -1]) @ x, (ENTRIES, V)),
    },
    "sparse.linalg": {
        "spsolve": written(lambda s, d, b: s.spsolve(matrix_of(s, d), b), (ENTRIES, V)),
        "factorized": written(lambda s, d, b: s.factorized(matrix_of(s, d))(b), (ENTRIES, V)),
        "splu": written(lambda s, d, b: s.splu(matrix_of(s, d).tocsc()).solve(b), (ENTRIES, V)),
        "cg": written(lambda s, d, b: s.cg(definite(s, d), b, rtol=1e-13)[0], (ENTRIES, V)),
        "bicgstab": written(lambda s, d, b: s.bicgstab(matrix_of(s, d), b, rtol=1e-13)[0], (ENTRIES, V)),
        "gmres": written(lambda s, d, b: s.gmres(matrix_of(s, d), b, rtol=1e-13)[0], (ENTRIES, V)),
    },
}  # fmt: skip
"""Samples where the tables of cases have none, or none that is typical."""


NAMES = {
    "special.assoc_legendre_p": "n m z", "special.sph_legendre_p": "n m theta", "special.sph_harm_y": "n m theta phi",
    "linalg.block_diag": "a b", "ndimage.affine_transform": "x matrix offset", "ndimage.correlate1d": "x weights",
    "ndimage.correlate": "x weights", "ndimage.shift": "x shift",
}  # fmt: skip
"""The names of arguments that stand behind an asterisk."""


def case(name: str, cases: dict[str, Any]) -> Any:
    """The first case of a function: by its key, by names in its code, by defaults of its arguments."""
    for key in cases:
        if name == key or key.startswith(f"{name} "):
            return cases[key]
    for entry in cases.values():
        call = entry[0]
        used = {n for code in nested_codes(call.__code__) for n in code.co_names + code.co_consts}
        if name in used | set(filter(lambda x: isinstance(x, str), call.__defaults__ or ())):
            return entry
    raise AssertionError(f"no case calls {name}")


def linalg(name: str) -> Sample:
    function, *args = case(name, test_scipy_linalg.CASES)
    if function.__name__ != "<lambda>":
        return direct(name, *args)
    names = tuple(inspect.signature(function).parameters)
    return Sample(lambda m, *xs: rebound(function, sl=m)(*xs), tuple(args), names)


def fft(name: str) -> Sample:
    """With SciPy's defaults where a case has them."""
    choices = [c for c in test_scipy_fft.CASES.values() if c[0] == name and c[1].dtype in (float, complex)]
    _, x, args, kwargs = min(choices, key=lambda c: (bool(c[3]), c[2][:1] not in ((2,), (None,)), c[1].dtype == float))
    return Sample(lambda m, x: getattr(m, name)(x, *args, **kwargs), (x,), ("x",))


FINDERS: dict[str, Callable[[str], Sample]] = {
    "special": special, "stats": distribution, "linalg": linalg, "fft": fft,
    "signal": lambda name: written(*case(
        name, test_signal.CASES | test_signal_filters.CASES | test_signal_systems.CASES)),
    "spatial.distance": lambda name: written(*case(name, test_distances.CASES)),
    "ndimage": lambda name: written(*case(name, test_ndimage.CASES)),
    "fftpack": lambda name: direct(name, test_scipy_fft.R),
}  # fmt: skip


@cache
def sample(module: str, name: str) -> Sample:
    """The sample of a function, class or distribution, with the names of its arguments."""
    found = OWN.get(module, {}).get(name) or FINDERS[module](name)
    names = NAMES.get(f"{module}.{name}", "").split() or found.names or parameters(module, name)
    return found._replace(names=tuple(names[: len(found.args)]))

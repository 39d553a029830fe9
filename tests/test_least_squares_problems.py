"""Fits with certified results, and the least squares problems that optimisers are tried on.

The fits are the nonlinear ones of NIST's Statistical Reference Datasets, with the parameters and standard deviations
that NIST certifies (`docs/examples/nist_strd.json`); the others are those of J. More, B. Garbow and K. Hillstrom,
"Testing unconstrained optimization software", ACM Transactions on Mathematical Software 7, 1981, by their numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.optimize

import graphad
from graphad import optimize

DATA = json.loads((Path(__file__).parents[1] / "docs" / "examples" / "nist_strd.json").read_text())


def cubics(b: Any, x: Any) -> Any:
    return (b[0] + b[1] * x + b[2] * x**2 + b[3] * x**3) / (1 + b[4] * x + b[5] * x**2 + b[6] * x**3)


def peaks(b: Any, x: Any) -> Any:
    two = b[2] * np.exp(-((x - b[3]) ** 2) / b[4] ** 2) + b[5] * np.exp(-((x - b[6]) ** 2) / b[7] ** 2)
    return b[0] * np.exp(-b[1] * x) + two


def decays(b: Any, x: Any) -> Any:
    return b[0] * np.exp(-b[1] * x) + b[2] * np.exp(-b[3] * x) + b[4] * np.exp(-b[5] * x)


def decay_over_line(b: Any, x: Any) -> Any:
    return np.exp(-b[0] * x) / (b[1] + b[2] * x)


def waves(b: Any, x: Any) -> Any:
    wave = lambda period, c, s: c * np.cos(2 * np.pi * x / period) + s * np.sin(2 * np.pi * x / period)
    return b[0] + wave(12, b[1], b[2]) + wave(b[3], b[4], b[5]) + wave(b[6], b[7], b[8])


MODELS: dict[str, Callable[[Any, Any], Any]] = {
    "Bennett5": lambda b, x: b[0] * (b[1] + x) ** (-1 / b[2]),
    "BoxBOD": lambda b, x: b[0] * (1 - np.exp(-b[1] * x)),
    "Chwirut1": decay_over_line,
    "Chwirut2": decay_over_line,
    "DanWood": lambda b, x: b[0] * x ** b[1],
    "ENSO": waves,
    "Eckerle4": lambda b, x: b[0] / b[1] * np.exp(-0.5 * ((x - b[2]) / b[1]) ** 2),
    "Gauss1": peaks,
    "Gauss2": peaks,
    "Gauss3": peaks,
    "Hahn1": cubics,
    "Kirby2": lambda b, x: (b[0] + b[1] * x + b[2] * x**2) / (1 + b[3] * x + b[4] * x**2),
    "Lanczos1": decays,
    "Lanczos2": decays,
    "Lanczos3": decays,
    "MGH09": lambda b, x: b[0] * (x**2 + x * b[1]) / (x**2 + x * b[2] + b[3]),
    "MGH10": lambda b, x: b[0] * np.exp(b[1] / (x + b[2])),
    "MGH17": lambda b, x: b[0] + b[1] * np.exp(-x * b[3]) + b[2] * np.exp(-x * b[4]),
    "Misra1a": lambda b, x: b[0] * (1 - np.exp(-b[1] * x)),
    "Misra1b": lambda b, x: b[0] * (1 - (1 + b[1] * x / 2) ** -2),
    "Misra1c": lambda b, x: b[0] * (1 - (1 + 2 * b[1] * x) ** -0.5),
    "Misra1d": lambda b, x: b[0] * b[1] * x / (1 + b[1] * x),
    "Nelson": lambda b, x: b[0] - b[1] * x[0] * np.exp(-b[2] * x[1]),
    "Rat42": lambda b, x: b[0] / (1 + np.exp(b[1] - b[2] * x)),
    "Rat43": lambda b, x: b[0] / (1 + np.exp(b[1] - b[2] * x)) ** (1 / b[3]),
    "Roszman1": lambda b, x: b[0] - b[1] * x - np.arctan(b[2] / (x - b[3])) / np.pi,
    "Thurber": cubics,
}


def data(name: str) -> tuple[Any, Any]:
    y = np.array(DATA[name]["y"])
    return np.array(DATA[name]["x"]), np.log(y) if name == "Nelson" else y


def residuals(name: str) -> Callable[[Any], Any]:
    x, y = data(name)
    return lambda b: MODELS[name](b, x) - y


def off(found: Any, certified: Any) -> float:
    return float(np.abs(np.asarray(found) / certified - 1).max())


def deviations(name: str, b: Any) -> Any:
    """Standard deviations of the parameters by the exact Jacobian."""
    slopes, rest = graphad.jacfwd(residuals(name))(b), residuals(name)(b)
    upper = np.linalg.inv(np.linalg.qr(slopes / np.linalg.norm(slopes, axis=0), mode="r"))
    spread = np.sqrt(rest @ rest / (len(rest) - len(b)))
    return spread * np.linalg.norm(upper, axis=1) / np.linalg.norm(slopes, axis=0)


# From BoxBOD's first start the parameters run off, in SciPy's `lm` too; MGH10's takes more than 1000 steps.
FAR = sorted({*MODELS} - {"BoxBOD", "MGH10"})


def check(name: str, b: Any, digits: float = 1e-8) -> None:
    assert off(b, DATA[name]["certified"]) < digits
    if name != "Lanczos1":  # whose residuals are rounding
        assert np.isclose(np.sum(residuals(name)(b) ** 2), DATA[name]["squares"], rtol=1e-9)
        assert off(deviations(name, b), DATA[name]["deviations"]) < 1e-6


@pytest.mark.parametrize("name", sorted(MODELS))
def test_certified_parameters(name: str) -> None:
    found = optimize.levenberg_marquardt(residuals(name), DATA[name]["starts"][1], tol=1e-10, maxiter=500)
    assert found.success
    check(name, found.x)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAR)
def test_certified_parameters_from_far_away(name: str) -> None:
    with np.errstate(all="ignore"):
        found = optimize.levenberg_marquardt(residuals(name), DATA[name]["starts"][0], tol=1e-10, maxiter=1000)
    assert found.success
    check(name, found.x)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*MODELS} - {"Lanczos1", "Lanczos2", "Lanczos3"}))
def test_fewer_evaluations_than_by_differences(name: str) -> None:
    calls = []

    def counted(b: Any) -> Any:
        calls.append(b)
        return residuals(name)(b)

    with np.errstate(all="ignore"):
        scipy.optimize.least_squares(counted, DATA[name]["starts"][1], method="lm", x_scale="jac")
    assert optimize.levenberg_marquardt(residuals(name), DATA[name]["starts"][1], maxiter=500).nfev <= len(calls)


EXACT = {"ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-15}
# Where SciPy's iterations end a little earlier.
EARLY = {"ENSO": 1e-6, "Lanczos3": 1e-7, "MGH09": 1e-7, "Misra1c": 1e-7, "Roszman1": 1e-6}


@pytest.mark.parametrize("name", sorted(MODELS))
def test_scipys_fits_with_exact_jacobians(name: str) -> None:
    (x, y), at = data(name), np.array(DATA[name]["starts"][1])

    def fit(y: Any) -> Any:
        off = lambda b: MODELS[name](b, x) - y
        b = scipy.optimize.least_squares(off, at, method="lm", x_scale="jac", **EXACT).x
        p, spread = scipy.optimize.curve_fit(lambda x, *b: MODELS[name](b, x), x, y, at, **EXACT)
        return b, p, np.sqrt(np.diagonal(spread))

    traced = graphad.jvp(fit, [y], [np.zeros_like(y)])[0] if name == "Misra1a" else graphad.jit(fit)(y)
    for b in traced[:2]:
        assert off(b, DATA[name]["certified"]) < EARLY.get(name, 1e-8)
    if name != "Lanczos1":
        assert off(traced[2], DATA[name]["deviations"]) < 1e-6


# -- More, Garbow and Hillstrom ---------------------------------------------------------------------------------------


def helix(x: Any) -> Any:
    turn = np.arctan(x[1] / x[0]) / (2 * np.pi) + np.where(x[0] < 0, 0.5, 0.0)
    return [10 * (x[2] - 10 * turn), 10 * (np.sqrt(x[0] ** 2 + x[1] ** 2) - 1), x[2]]


BARD = np.array([0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39])
GAUSS = np.array([9, 44, 175, 540, 1295, 2420, 3521, 3989, 3521, 2420, 1295, 540, 175, 44, 9]) / 1e4


def bard(x: Any) -> Any:
    u = np.arange(1.0, 16.0)
    v = 16 - u
    return BARD - (x[0] + u / (v * x[1] + np.minimum(u, v) * x[2]))


def box(x: Any) -> Any:
    t = 0.1 * np.arange(1, 11)
    return np.exp(-t * x[0]) - np.exp(-t * x[1]) - x[2] * (np.exp(-t) - np.exp(-10 * t))


def gulf(x: Any) -> Any:
    t = np.arange(1, 100) / 100
    y = 25 + (-50 * np.log(t)) ** (2 / 3)
    return np.exp(-(np.abs(y - x[1]) ** x[2]) / x[0]) - t


def wood(x: Any) -> Any:
    return [
        10 * (x[1] - x[0] ** 2), 1 - x[0], np.sqrt(90) * (x[3] - x[2] ** 2), 1 - x[2],
        np.sqrt(10) * (x[1] + x[3] - 2), (x[1] - x[3]) / np.sqrt(10),
    ]  # fmt: skip


def brown_dennis(x: Any) -> Any:
    t = np.arange(1, 21) / 5
    return (x[0] + t * x[1] - np.exp(t)) ** 2 + (x[2] + x[3] * np.sin(t) - np.cos(t)) ** 2


def biggs(x: Any) -> Any:
    t = 0.1 * np.arange(1, 14)
    y = np.exp(-t) - 5 * np.exp(-10 * t) + 3 * np.exp(-4 * t)
    return x[2] * np.exp(-t * x[0]) - x[3] * np.exp(-t * x[1]) + x[5] * np.exp(-t * x[4]) - y


def watson(x: Any) -> Any:
    t, j = np.arange(1, 30)[:, None] / 29, np.arange(6)
    slope = (j[1:] * t ** (j[1:] - 1)) @ x[1:]
    return np.concatenate([slope - (t**j @ x) ** 2 - 1, x[:1], x[1:2] - x[:1] ** 2 - 1])


def powell(x: Any) -> Any:
    a, b, c, d = np.reshape(x, (-1, 4)).T
    return [a + 10 * b, np.sqrt(5) * (c - d), (b - 2 * c) ** 2, np.sqrt(10) * (a - d) ** 2]


def penalty(x: Any) -> Any:
    return [np.sqrt(1e-5) * (x - 1), np.sum(x**2) - 0.25]


def dimensioned(x: Any) -> Any:
    whole = np.arange(1, x.size + 1) @ (x - 1)
    return [x - 1, whole, whole**2]


def trigonometric(x: Any) -> Any:
    return x.size - np.sum(np.cos(x)) + np.arange(1, x.size + 1) * (1 - np.cos(x)) - np.sin(x)


def almost_linear(x: Any) -> Any:
    return [x[:-1] + np.sum(x) - (x.size + 1), np.prod(x) - 1]


def boundary(x: Any) -> Any:
    h = 1 / (x.size + 1)
    wide = np.concatenate([np.zeros(1), x, np.zeros(1)])
    return 2 * x - wide[:-2] - wide[2:] + h**2 * (x + h * np.arange(1, x.size + 1) + 1) ** 3 / 2


def integral(x: Any) -> Any:
    t = np.arange(1, x.size + 1) / (x.size + 1)
    low, high = np.minimum(t[:, None], t), np.maximum(t[:, None], t)
    return x + (low * (1 - high)) @ (x + t + 1) ** 3 / (2 * (x.size + 1))


def tridiagonal(x: Any) -> Any:
    wide = np.concatenate([np.zeros(1), x, np.zeros(1)])
    return (3 - 2 * x) * x - wide[:-2] - 2 * wide[2:] + 1


def banded(x: Any) -> Any:
    i = np.arange(x.size)
    near = (i[:, None] - i <= 5) & (i - i[:, None] <= 1) & (i[:, None] != i)
    return x * (2 + 5 * x**2) + 1 - near.astype(float) @ (x * (1 + x))


def linear(x: Any) -> Any:
    return np.concatenate([x, np.zeros(10)]) - 2 * np.sum(x) / 20 - 1


def rank_one(x: Any) -> Any:
    return np.arange(1, 21) * (np.arange(1, x.size + 1) @ x) - 1


H = 1 / 11
GRID = np.arange(1, 11) * H
# Number and name, residuals, start, sum of squares at the minimum (or at one of two).
PROBLEMS: dict[str, tuple[Callable[[Any], Any], Any, tuple[float, ...]]] = {
    "1 Rosenbrock": (lambda x: [10 * (x[1] - x[0] ** 2), 1 - x[0]], [-1.2, 1], (0,)),
    "2 Freudenstein, Roth": (
        lambda x: [-13 + x[0] + ((5 - x[1]) * x[1] - 2) * x[1], -29 + x[0] + ((x[1] + 1) * x[1] - 14) * x[1]],
        [0.5, -2], (0, 48.9842536792),
    ),
    "3 Powell, badly scaled": (
        lambda x: [1e4 * x[0] * x[1] - 1, np.exp(-x[0]) + np.exp(-x[1]) - 1.0001], [0, 1], (0,)
    ),
    "4 Brown, badly scaled": (lambda x: [x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2], [1, 1], (0,)),
    "5 Beale": (
        lambda x: np.array([1.5, 2.25, 2.625]) - x[0] * (1 - x[1] ** np.array([1, 2, 3])), [1, 1], (0,)
    ),
    "6 Jennrich, Sampson": (
        lambda x: 2 + 2 * GRID / H - np.exp(GRID / H * x[0]) - np.exp(GRID / H * x[1]), [0.3, 0.4], (124.36218235562,)
    ),
    "7 helical valley": (helix, [-1, 0, 0], (0,)),
    "8 Bard": (bard, [1, 1, 1], (8.21487730657e-3,)),
    "9 Gaussian": (
        lambda x: x[0] * np.exp(-x[1] * ((8 - np.arange(1, 16)) / 2 - x[2]) ** 2 / 2) - GAUSS, [0.4, 1, 0],
        (1.12793276962e-8,),
    ),
    "11 Gulf": (gulf, [5, 2.5, 0.15], (0,)),
    "12 Box": (box, [0, 10, 20], (0,)),
    "13 Powell, singular": (powell, [3, -1, 0, 1], (0,)),
    "14 Wood": (wood, [-3, -1, -3, -1], (0,)),
    "16 Brown, Dennis": (brown_dennis, [25, 5, -5, -1], (85822.2016263563,)),
    "18 Biggs": (biggs, [1, 2, 1, 1, 1, 1], (0, 5.65564992517e-3)),
    "20 Watson": (watson, np.zeros(6), (2.28767005355e-3,)),
    "22 Powell, extended": (powell, np.tile([3.0, -1, 0, 1], 2), (0,)),
    "23 penalty": (penalty, np.arange(1.0, 5), (2.24997750089e-5,)),
    "25 variably dimensioned": (dimensioned, 1 - np.arange(1, 9) / 8, (0,)),
    "26 trigonometric": (trigonometric, np.full(10, 0.1), (0, 2.79506056551e-5, 4.22354e-5)),
    "27 Brown, almost linear": (almost_linear, np.full(10, 0.5), (0, 1)),
    "28 boundary value": (boundary, GRID * (GRID - 1), (0,)),
    "29 integral equation": (integral, GRID * (GRID - 1), (0,)),
    "30 Broyden, tridiagonal": (tridiagonal, np.full(10, -1.0), (0,)),
    "31 Broyden, banded": (banded, np.full(10, -1.0), (0, 3.05727843)),
    "32 linear": (linear, np.ones(10), (10,)),
    "33 linear, of rank one": (rank_one, np.ones(10), (190 / 41,)),
}  # fmt: skip
SOLVERS = ["levenberg_marquardt", "gauss_newton", "bfgs", "trust_ncg"]
# Whole steps of Gauss and Newton lead nowhere there, which the result says.
STUCK = {"2 Freudenstein, Roth", "6 Jennrich, Sampson", "18 Biggs"}


SLOW = {("16 Brown, Dennis", "gauss_newton"), ("16 Brown, Dennis", "levenberg_marquardt")}
CASES = [
    pytest.param(name, solver, marks=[pytest.mark.slow] if (name, solver) in SLOW else [])
    for name in PROBLEMS
    for solver in SOLVERS
]


@pytest.mark.parametrize(("name", "solver"), CASES)
def test_known_minima(name: str, solver: str) -> None:
    terms, start, minima = PROBLEMS[name]
    start = np.array(start, float)

    def half(x: Any) -> Any:
        return 0.5 * sum(np.sum(part**2) for part in graphad.tree.leaves(terms(x)))

    squares = solver in ("levenberg_marquardt", "gauss_newton")
    with np.errstate(all="ignore"):
        found = getattr(optimize, solver)(terms if squares else half, start, maxiter=1000)
    if solver == "gauss_newton" and name in STUCK:
        assert found.status == 2
        return
    assert found.success
    assert min(abs(2 * found.fun - least) / max(least, 1e-3) for least in minima) < 1e-6

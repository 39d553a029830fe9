"""Hares and lynxes: a Lotka-Volterra model fitted to furs, `python docs/examples/lotka_volterra.py`.

The furs that Hudson's Bay Company took in, in thousands, 1900 to 1920 (E. Odum, Fundamentals of Ecology, 1953). The
four rates and the two populations of 1900 are fitted to the logarithms by exact gradients through `solve_ivp`; the
adjoint equation must give the same gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import minimize

import graphad
import graphad.scipy.integrate

YEARS = np.arange(21.0)
HARES = np.array([
    30.0, 47.2, 70.2, 77.4, 36.3, 20.6, 18.1, 21.4, 22.0, 25.4, 27.1, 40.3, 57.0, 76.6, 52.3, 19.5, 11.2, 7.6, 14.6,
    16.2, 24.7,
])  # fmt: skip
LYNXES = np.array([
    4.0, 6.1, 9.8, 35.2, 59.4, 41.7, 19.0, 13.0, 8.3, 9.1, 7.4, 8.0, 12.3, 19.5, 45.7, 51.1, 29.7, 15.8, 9.7, 10.1, 8.6,
])  # fmt: skip
GUESS = np.log([0.5, 0.03, 0.8, 0.03, 30.0, 4.0])


def rates(t: Any, y: Any, birth: Any, hunted: Any, death: Any, fed: Any) -> Any:
    """How both populations change: hares are born and hunted, lynxes starve and are fed."""
    hares, lynxes = y
    return [birth * hares - hunted * hares * lynxes, fed * hares * lynxes - death * lynxes]


def populations(theta: Any, years: Any = YEARS, tolerance: float = 1e-8) -> Any:
    """Hares and lynxes over the years, for the logarithms of rates and first populations."""
    p = np.exp(theta)
    found = solve_ivp(
        rates, (0.0, 20.0), p[4:], "DOP853", years, args=(p[0], p[1], p[2], p[3]), rtol=tolerance, atol=tolerance
    )
    return found.y


def loss(theta: Any) -> Any:
    """Half the mean squared difference of logarithms."""
    y = populations(theta)
    return np.mean((np.log(y[0]) - np.log(HARES)) ** 2 + (np.log(y[1]) - np.log(LYNXES)) ** 2) / 2


def by_adjoint(theta: Any) -> Any:
    """The same loss, whose gradient solves the adjoint equation backwards."""
    p = np.exp(theta)
    found = graphad.scipy.integrate.solve_ivp(
        rates, (0.0, 20.0), p[4:], "DOP853", YEARS, args=(p[0], p[1], p[2], p[3]), rtol=1e-8, atol=1e-8,
        sensitivity="adjoint",
    )  # fmt: skip
    return np.mean((np.log(found.y[0]) - np.log(HARES)) ** 2 + (np.log(found.y[1]) - np.log(LYNXES)) ** 2) / 2


def fit() -> Any:
    """The parameters of least loss."""
    both = graphad.jit(graphad.value_and_grad(loss))
    return minimize(lambda theta: tuple(map(np.asarray, both(theta))), GUESS, jac=True, method="BFGS", tol=1e-8)


def main() -> None:
    found = fit()
    names = ("births of hares", "hunting", "deaths of lynxes", "feeding", "hares in 1900", "lynxes in 1900")
    for name, value in zip(names, np.exp(found.x), strict=True):
        print(f"{name:18}{value:10.4f}")
    birth, _, death, _ = np.exp(found.x[:4])
    print(f"loss {found.fun:.5f} after {found.nfev} evaluations")
    print(f"small cycles take {2 * np.pi / np.sqrt(birth * death):.1f} years")
    discrete, adjoint = (graphad.jit(graphad.grad(f))(GUESS) for f in (loss, by_adjoint))
    print(f"discrete and adjoint gradients differ by {np.abs(discrete / adjoint - 1).max():.1e}")


if __name__ == "__main__":
    main()

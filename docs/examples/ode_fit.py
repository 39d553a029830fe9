"""Rates of an equation of predators and prey, fitted to noisy counts: `python docs/examples/ode_fit.py`.

The solution is a `graphad.scan` over Runge-Kutta steps, its likelihood one compiled function with its gradient, and the
uncertainties come from the Hessian of the same function.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize

import graphad

RATES = np.array([1.0, 0.1, 0.075, 1.5])
START = np.array([10.0, 5.0])
STEP, STEPS, EVERY = 0.02, 1000, 20


def slope(x: Any, rates: Any) -> Any:
    """Lotka's and Volterra's equations: prey grows and is eaten, predators thrive on it and die."""
    prey, predators = x[0], x[1]
    meals = prey * predators
    return np.stack([rates[0] * prey - rates[1] * meals, rates[2] * meals - rates[3] * predators])


def solution(rates: Any, start: Any) -> Any:
    """The state after each step, by the classical method of Runge and Kutta."""

    def step(x: Any, _: Any) -> Any:
        k1 = slope(x, rates)
        k2 = slope(x + STEP / 2 * k1, rates)
        k3 = slope(x + STEP / 2 * k2, rates)
        k4 = slope(x + STEP * k3, rates)
        x = x + STEP / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return x, x

    return graphad.scan(step, start, None, STEPS)[1]


def loss(parameters: Any, seen: Any) -> Any:
    """The negative logarithm of the likelihood of counts every few steps, log-normal with a spread of 10 %.

    The parameters are logarithms of the four rates and of the two numbers at the start.
    """
    expected = solution(np.exp(parameters[:4]), np.exp(parameters[4:]))[EVERY - 1 :: EVERY]
    return 0.5 * np.sum((np.log(seen / expected) / 0.1) ** 2)


def data(seed: int = 0) -> Any:
    """Invented counts."""
    noise = np.random.default_rng(seed).normal(size=(STEPS // EVERY, 2))
    return solution(RATES, START)[EVERY - 1 :: EVERY] * np.exp(0.1 * noise)


def fit(seen: Any) -> tuple[Any, Any]:
    """Estimates of the rates and of the start, and their relative uncertainties."""
    guess = np.log(np.array([0.8, 0.08, 0.06, 1.2, *seen[0]]))
    both = graphad.jit(graphad.value_and_grad(loss))
    found = minimize(both, guess, args=(seen,), jac=True, method="BFGS", options={"gtol": 1e-6})
    curvature = graphad.jit(graphad.hessian(loss))(found.x, seen)
    return np.exp(found.x), np.sqrt(np.diag(np.linalg.inv(curvature)))


def main() -> None:
    estimates, errors = fit(data())
    for name, true, x, error in zip(["growth", "hunting", "thriving", "death"], RATES, estimates, errors, strict=False):
        print(f"{name:9} {x:.4f} ± {x * error:.4f}   (data made with {true})")


if __name__ == "__main__":
    main()

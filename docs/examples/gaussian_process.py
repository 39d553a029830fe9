"""Carbon dioxide over Mauna Loa as a Gaussian process: `python docs/examples/gaussian_process.py`.

Monthly means, 1958 to 2001 (see README.md), with the sum of covariances of C. Rasmussen and C. Williams, Gaussian
Processes for Machine Learning, 2006, section 5.4.3: a smooth rise, a season that changes slowly, irregularities, and
noise. The marginal likelihood of all but the last three years is maximised over its ten hyperparameters, and those
years are foretold.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize

import graphad

DATA = Path(__file__).with_name("co2.csv")
NAMES = (
    "rise", "its length", "season", "its decay", "its shape", "irregularity", "its length", "lasting noise",
    "its length", "noise",
)  # fmt: skip
GUESS = np.log([50.0, 50.0, 2.0, 100.0, 1.0, 0.5, 1.0, 0.2, 0.1, 0.2])


def load() -> tuple[Any, Any]:
    """Times in years, and parts per million."""
    year, month, ppm = np.loadtxt(DATA, delimiter=",", skiprows=1, unpack=True)
    return year + (month - 0.5) / 12, ppm


def covariance(logs: Any, s: Any, t: Any) -> Any:
    """Between the noiseless values at two vectors of times, and that of the noise that is correlated in time."""
    rise, rise_length, season, decay, shape, rough, rough_length, noise, noise_length, _ = np.exp(logs)
    apart = s[:, None] - t
    squared = apart**2
    smooth = rise**2 * np.exp(-squared / (2 * rise_length**2))
    yearly = season**2 * np.exp(-squared / (2 * decay**2) - 2 * np.sin(np.pi * apart) ** 2 / shape**2)
    irregular = rough**2 * np.exp(-squared / (2 * rough_length**2))
    return smooth + yearly + irregular + noise**2 * np.exp(-squared / (2 * noise_length**2))


def loss(logs: Any, t: Any, y: Any) -> Any:
    """The negative logarithm of the marginal likelihood."""
    K = covariance(logs, t, t) + np.exp(2 * logs[-1]) * np.eye(len(t))
    L = cholesky(K, lower=True)
    z = solve_triangular(L, y, lower=True)
    return 0.5 * z @ z + np.sum(np.log(np.diag(L))) + len(t) / 2 * np.log(2 * np.pi)


def predict(logs: Any, t: Any, y: Any, new: Any) -> tuple[Any, Any]:
    """Means of measurements at other times, and their standard deviations."""
    L = cholesky(covariance(logs, t, t) + np.exp(2 * logs[-1]) * np.eye(len(t)), lower=True)
    cross = solve_triangular(L, covariance(logs, t, new), lower=True)
    prior = np.sum(np.exp(2 * logs[np.array([0, 2, 5, 7, 9])]))
    return cross.T @ solve_triangular(L, y, lower=True), np.sqrt(prior - np.sum(cross**2, axis=0))


def fit(t: Any, y: Any, guess: Any = GUESS) -> tuple[Any, Any]:
    """Logarithms of the hyperparameters at the maximum, and their covariance there."""
    both = graphad.jit(graphad.value_and_grad(loss))
    found = minimize(both, guess, (t, y), "BFGS", jac=True, options={"gtol": 1e-3})
    return found.x, np.linalg.inv(graphad.jit(graphad.hessian(loss))(found.x, t, y))


def main() -> None:
    t, ppm = load()
    known = t < 1999
    mean = ppm[known].mean()
    logs, spread = fit(t[known], ppm[known] - mean)
    for name, value, error in zip(NAMES, np.exp(logs), np.sqrt(np.diag(spread)), strict=True):
        print(f"{name:13} {value:8.3f} ± {value * error:.3f}")
    foretold, error = predict(logs, t[known], ppm[known] - mean, t[~known])
    off = foretold + mean - ppm[~known]
    typical, expected = np.sqrt(np.mean(off**2)), np.sqrt(np.mean(error**2))
    print(f"1999 to 2001: off by {typical:.2f} ppm where {expected:.2f} is expected, ", end="")
    print(f"{100 * np.mean(np.abs(off) < 2 * error):.0f} % within two standard deviations")


if __name__ == "__main__":
    main()

"""Malignant or benign: logistic regression on measurements of cell nuclei, `python docs/examples/logistic.py`.

569 biopsies of breast tissue with 30 measurements each (W. Wolberg, O. Mangasarian, N. Street and W. Street, Breast
Cancer Wisconsin (Diagnostic), UCI Machine Learning Repository, 1993). Newton's method in a plain loop, and SciPy's
trust region method with products of the Hessian and a vector, must find the same weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

import graphad

DATA = Path(__file__).with_name("breast_cancer.csv")
RIDGE = 1e-2


def load(seed: int = 0) -> tuple[Any, Any, Any, Any]:
    """Measurements and labels (1 is benign) to learn from, and those to test with, a quarter; standardised."""
    table = np.loadtxt(DATA, delimiter=",", skiprows=1)
    np.random.default_rng(seed).shuffle(table)
    x, y = table[:, :-1], table[:, -1]
    learn = 3 * len(x) // 4
    x = (x - x[:learn].mean(axis=0)) / x[:learn].std(axis=0)
    x = np.column_stack([np.ones(len(x)), x])
    return x[:learn], y[:learn], x[learn:], y[learn:]


def loss(w: Any, x: Any, y: Any) -> Any:
    """The mean negative log-likelihood, with a normal prior on all weights but the first."""
    margin = (2 * y - 1) * (x @ w)
    return np.mean(np.logaddexp(0, -margin)) + RIDGE / 2 * np.sum(w[1:] ** 2)


def newton(x: Any, y: Any) -> Any:
    """The weights of least loss."""
    slope, curvature = graphad.grad(loss), graphad.hessian(loss)
    w = np.zeros(x.shape[1])
    g = slope(w, x, y)
    while np.max(np.abs(g)) > 1e-12:
        w = w - np.linalg.solve(curvature(w, x, y), g)
        g = slope(w, x, y)
    return w


def trust_region(x: Any, y: Any) -> Any:
    """The same by SciPy, which asks for the Hessian only as what it does to a vector."""

    def curve(w: Any, v: Any, x: Any, y: Any) -> Any:
        return graphad.hvp(lambda w: loss(w, x, y), (w,), (v,))

    both = graphad.jit(graphad.value_and_grad(loss))
    start = np.zeros(x.shape[1])
    options = {"gtol": 1e-10}
    return minimize(both, start, (x, y), "trust-ncg", jac=True, hessp=graphad.jit(curve), options=options).x


def accuracy(w: Any, x: Any, y: Any) -> Any:
    return np.mean((x @ w > 0) == (y == 1))


def main() -> None:
    x, y, test_x, test_y = load()
    for name, method in ("Newton", graphad.jit(newton)), ("trust region", trust_region):
        w = method(x, y)
        correct = accuracy(w, test_x, test_y)
        print(f"{name:12} loss {loss(w, x, y):.12f}, accuracy on biopsies it has not seen {correct:.3f}")


if __name__ == "__main__":
    main()

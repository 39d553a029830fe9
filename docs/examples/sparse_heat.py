"""How well each layer of a ground conducts, from thermometers in boreholes: `python docs/examples/sparse_heat.py`.

The steady heat equation `-div(k grad u) = q` in finite volumes: a sparse matrix whose entries depend on the unknown
conductivities, solved by `spsolve`. Reverse mode gives the gradient in all layers for one more solution with the same
factors; SciPy's L-BFGS-B finds the profile. The ground is invented.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csc_array
from scipy.sparse.linalg import spsolve

import graphad

LAYERS, COLUMNS, SIDE = 30, 40, 0.1  # cells down and across, and the side of each in metres
NOISE, SMOOTH = 0.02, 3.0  # of the thermometers in degrees, and how much neighbouring layers are held together
BOREHOLES = [5, 18, 33]


def cells(layers: int = LAYERS) -> Any:
    """The numbers of the cells, row by row."""
    return np.arange(layers * COLUMNS).reshape(layers, COLUMNS)


def conductivity(layers: int = LAYERS) -> Any:
    """The true profile in W/(m K): wet soil, a layer of dry sand, and rock that conducts better with its depth."""
    depth = (np.arange(layers) + 0.5) / layers
    return 1.4 + 1.6 * depth**2 - 0.9 * np.exp(-(((depth - 0.35) / 0.1) ** 2))


def heating(layers: int = LAYERS) -> Any:
    """The heat set free in each cell, in watts for a metre of thickness: two cables, one above the other."""
    q = np.zeros((layers, COLUMNS))
    q[2 * layers // 3, COLUMNS // 4] = q[layers - 2, 3 * COLUMNS // 4] = 40.0
    return q


def temperatures(k: Any, q: Any) -> Any:
    """Those of the cells, for the conductivity of each layer; the surface is held at 0, no heat leaves elsewhere.

    Between two cells goes the harmonic mean of their conductivities times the difference of their temperatures.
    """
    number = cells(len(k))
    across, down = np.repeat(k, COLUMNS - 1), np.repeat(2 / (1 / k[1:] + 1 / k[:-1]), COLUMNS)
    surface = np.repeat(2 * k[0], COLUMNS)
    first = np.concatenate([number[:, :-1].ravel(), number[:-1].ravel()])
    second = np.concatenate([number[:, 1:].ravel(), number[1:].ravel()])
    faces = np.concatenate([across, down])
    rows = np.concatenate([first, second, first, second, number[0]])
    columns = np.concatenate([first, second, second, first, number[0]])
    entries = np.concatenate([faces, faces, -faces, -faces, surface])
    return spsolve(csc_array((entries, (rows, columns)), shape=(q.size, q.size)), q.ravel()).reshape(q.shape)


def loss(logs: Any, q: Any, measured: Any) -> Any:
    """Of the logarithms of the conductivities: the negative log-likelihood, and how much neighbours differ."""
    found = temperatures(np.exp(logs), q)[:, BOREHOLES]
    return 0.5 * np.sum(((found - measured) / NOISE) ** 2) + SMOOTH / 2 * np.sum((np.diff(logs) / SIDE) ** 2)


def measure(seed: int = 0) -> Any:
    """Invented readings, one for each layer and borehole."""
    seen = temperatures(conductivity(), heating())[:, BOREHOLES]
    return seen + NOISE * np.random.default_rng(seed).normal(size=seen.shape)


def fit(measured: Any) -> Any:
    """The result of the search, from 1 W/(m K) everywhere."""
    both = graphad.jit(graphad.value_and_grad(loss))
    bounds = [(np.log(0.1), np.log(10.0))] * LAYERS
    options = {"maxiter": 500, "maxfun": 1000}
    start = np.zeros(LAYERS)
    return minimize(both, start, (heating(), measured), "L-BFGS-B", jac=True, bounds=bounds, options=options)


def main() -> None:
    measured, true = measure(), conductivity()
    found = fit(measured)
    k = np.exp(found.x)
    off = temperatures(k, heating())[:, BOREHOLES] - measured
    for layer in range(1, LAYERS, 4):
        print(f"{100 * SIDE * (layer + 0.5):4.0f} cm deep: {k[layer]:.3f} W/(m K)   (data made with {true[layer]:.3f})")
    print(f"the profile is off by {100 * np.sqrt(np.mean((k / true - 1) ** 2)):.1f} %, after {found.nfev} evaluations;")
    print(f"it misses the readings by {np.sqrt(np.mean(off**2)):.4f} degrees, their noise is {NOISE}")


if __name__ == "__main__":
    main()

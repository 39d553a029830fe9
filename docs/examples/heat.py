"""How well a rod of two metals conducts, from three thermometers on it: `python docs/examples/heat.py`.

The heat equation `du/dt = d/dx (k du/dx)` in explicit steps, as a loop that updates an array in place. One Jacobian
finds the two diffusivities, another gradient tells which part of the initial temperature a late reading still feels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import least_squares

import graphad

CELLS, LENGTH, STEP = 101, 1.0, 0.4
DX = LENGTH / (CELLS - 1)
SENSORS = np.array([30, 50, 80])
READINGS, EVERY = 60, 20
COPPER, IRON = 1.11e-4, 2.3e-5  # m^2/s; F. Incropera and D. DeWitt, Fundamentals of heat and mass transfer, table A.1


def diffusivity(left: Any, right: Any, cells: int = CELLS) -> Any:
    """That of the faces between cells: one metal up to the middle, the other one from there."""
    k = np.zeros(cells - 1)
    k[: cells // 2] = left
    k[cells // 2 :] = right
    return k


def heat(start: Any, k: Any, readings: Any, every: Any) -> tuple[Any, Any]:
    """The temperatures at the end, and those of the thermometers every few steps, one row a reading.

    Both ends stay at their temperatures. `readings` and `every` may be traced: the loops are loops of the graph then.
    """
    u = start.copy()
    seen = np.zeros((READINGS, len(SENSORS)))
    for i in range(readings):
        for _ in range(every):
            flux = -k * (u[1:] - u[:-1]) / DX
            u[1:-1] -= STEP / DX * (flux[1:] - flux[:-1])
        seen[i] = u[SENSORS]
    return u, seen


def initial() -> Any:
    """A warm spot in the copper, and the iron's end held hot."""
    x = np.linspace(0, LENGTH, CELLS)
    return 20 + 60 * np.exp(-(((x - 0.3) / 0.1) ** 2)) + 50 * x**8


def residuals(logs: Any, start: Any, measured: Any, readings: Any, every: Any) -> Any:
    """Modelled less measured temperatures; the parameters are logarithms of the two diffusivities."""
    k = np.exp(logs)
    return (heat(start, diffusivity(k[0], k[1]), readings, every)[1] - measured).ravel()


def late(start: Any, k: Any, readings: Any, every: Any) -> Any:
    """The last reading of the thermometer in the middle."""
    return heat(start, k, readings, every)[1][-1, 1]


def measure(noise: float = 0.1, seed: int = 0) -> Any:
    """Invented readings."""
    seen = graphad.jit(heat)(initial(), diffusivity(COPPER, IRON), READINGS, EVERY)[1]
    return seen + noise * np.random.default_rng(seed).normal(size=seen.shape)


def fit(measured: Any) -> tuple[Any, Any]:
    """The two diffusivities and their relative uncertainties for a noise of 0.1 degrees."""
    given = (initial(), measured, READINGS, EVERY)
    found = least_squares(
        graphad.jit(residuals), np.log([5e-5, 5e-5]), graphad.jit(graphad.jacfwd(residuals)), args=given
    )
    return np.exp(found.x), 0.1 * np.sqrt(np.diag(np.linalg.inv(found.jac.T @ found.jac)))


def main() -> None:
    estimates, errors = fit(measure())
    for metal, k, error, true in zip(["copper", "iron"], estimates, errors, [COPPER, IRON], strict=True):
        print(f"{metal:7} {k:.3e} ± {k * error:.0e} m²/s   (data made with {true:.3e})")
    weights = graphad.jit(graphad.grad(late))(initial(), diffusivity(COPPER, IRON), READINGS, EVERY)
    copper, iron = np.sum(weights[1 : CELLS // 2]), np.sum(weights[CELLS // 2 : -1])
    print(f"the last reading in the middle: {100 * copper:.1f} % of it is what the copper's temperature was at first,")
    print(f"{100 * iron:.1f} % what the iron's was, and {100 * (weights[0] + weights[-1]):.1f} % that of the ends")


if __name__ == "__main__":
    main()

"""Three bodies that chase each other along a figure eight: `python docs/examples/nbody.py`.

The periodic orbit of C. Moore (1993) and A. Chenciner and R. Montgomery (2000), found by shooting: the velocities at
the start and the period are corrected until the bodies come back, by the derivatives of where they end. M. Šuvakov
and V. Dmitrašinović, Physical Review Letters 110, 114301, 2013, give the velocity (0.347111, 0.532728).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import least_squares

import graphad

MASSES = np.ones(3)
PLACES = np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
STEPS = 2000


def acceleration(x: Any) -> Any:
    """By Newton's law, with a gravitational constant of one."""
    a = np.zeros_like(x)
    for i in range(len(x)):
        for j in range(len(x)):
            if i != j:
                r = x[j] - x[i]
                a[i] += MASSES[j] * r / np.sum(r**2) ** 1.5
    return a


def leapfrog(x: Any, v: Any, h: Any, steps: Any) -> tuple[Any, Any]:
    """Places and velocities after so many steps of length `h`."""
    x, v = x.copy(), v + h / 2 * acceleration(x)
    for _ in range(steps):
        x += h * v
        v += h * acceleration(x)
    return x, v - h / 2 * acceleration(x)


def energy(x: Any, v: Any) -> Any:
    total = 0.5 * np.sum(MASSES[:, None] * v**2)
    for i in range(len(x)):
        for j in range(i):
            total -= MASSES[i] * MASSES[j] / np.linalg.norm(x[i] - x[j])
    return total


def velocities(p: Any) -> Any:
    """The outer bodies have the same velocity, and the one in the middle moves so that the centre of mass rests."""
    return np.stack([p, p, -2 * p])


def miss(unknowns: Any, steps: Any) -> Any:
    """How far the bodies are from where and how they started, for a velocity and a period."""
    v0, period = velocities(unknowns[:2]), unknowns[2]
    x, v = leapfrog(PLACES, v0, period / steps, steps)
    return np.concatenate([(x - PLACES).ravel(), (v - v0).ravel()])


def closed() -> Any:
    """The velocity and the period of the closed orbit."""
    guess = np.array([0.35, 0.53, 6.3])
    options = {"xtol": 1e-14, "ftol": 1e-14, "gtol": 1e-14}
    return least_squares(graphad.jit(miss), guess, graphad.jit(graphad.jacfwd(miss)), args=(STEPS,), **options).x


def main() -> None:
    found = closed()
    v0 = velocities(found[:2])
    x, v = graphad.jit(leapfrog)(PLACES, v0, found[2] / STEPS, STEPS)
    print(f"velocity ({found[0]:.6f}, {found[1]:.6f}), period {found[2]:.5f}")
    print(f"back at the start within {np.max(np.abs(x - PLACES)):.1e}")
    print(f"energy {energy(x, v):.9f}, at the start {energy(PLACES, v0):.9f}")


if __name__ == "__main__":
    main()

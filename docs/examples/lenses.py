"""An achromatic doublet, designed by tracing rays: `python docs/examples/lenses.py`.

Rays of three colours and two directions go through spherical surfaces by Snell's law, and the curvatures are chosen for
the smallest spots on the image plane, by least squares with the Jacobian of the ray trace. Millimetres and micrometres.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import least_squares

import graphad

# Sellmeier's coefficients B1 C1 B2 C2 B3 C3 of optical glasses by SCHOTT (Zemax catalogue of 2017-01-20), from M.
# Polyanskiy's refractiveindex.info database, which is in the public domain (CC0).
GLASSES = {
    "N-BK7": (1.03961212, 0.00600069867, 0.231792344, 0.0200179144, 1.01046945, 103.560653),
    "N-SF1": (1.60865158, 0.0119654879, 0.237725916, 0.0590589722, 1.51530653, 135.521676),
}
COLOURS = {"F": 0.4861327, "d": 0.5875618, "C": 0.6562725}  # Fraunhofer's lines
# Of each lens the surfaces' guessed curvatures, and behind each a thickness and a material.
SINGLET = [(0.01, 5.0, "N-BK7"), (-0.01, 97.0, "air")]
DOUBLET = [(0.015, 6.0, "N-BK7"), (-0.02, 2.5, "N-SF1"), (-0.005, 97.0, "air")]


def index(glass: str, wavelength: Any) -> Any:
    """The refractive index, by Sellmeier's formula; the wavelength is in micrometres."""
    squared = 1.0
    if glass != "air":
        b1, c1, b2, c2, b3, c3 = GLASSES[glass]
        for b, c in ((b1, c1), (b2, c2), (b3, c3)):
            squared = squared + b * wavelength**2 / (wavelength**2 - c)
    return np.sqrt(squared)


def trace(curvatures: Any, lens: Any, places: Any, directions: Any, wavelength: Any) -> tuple[Any, Any]:
    """Where rays meet the image plane, and their directions there; one ray a row, from the first surface's vertex."""
    x, d, before = places, directions, 1.0
    for c, (_, thickness, material) in zip(curvatures, lens, strict=True):
        # The nearer root of the sphere's equation, in a form that holds for a plane too.
        f = c * np.sum(x**2, axis=1) - 2 * x[:, 2]
        g = d[:, 2] - c * np.sum(x * d, axis=1)
        x = x + (f / (g + np.sqrt(g**2 - c * f)))[:, None] * d
        normal = np.array([0.0, 0.0, 1.0]) - c * x
        after = index(material, wavelength)
        ratio = before / after
        cosine = np.sum(normal * d, axis=1)
        bend = np.sqrt(1 - ratio**2 * (1 - cosine**2)) - ratio * cosine
        d = ratio * d + bend[:, None] * normal
        x = x - np.array([0.0, 0.0, thickness])
        before = after
    return x - (x[:, 2] / d[:, 2])[:, None] * d, d


def bundle(angle: float, radius: float = 10.0) -> tuple[Any, Any]:
    """Parallel rays through rings of an aperture in the plane of the first vertex; the angle is in degrees."""
    rings = [(r, phi) for r in (0.4, 0.7, 1.0) for phi in np.linspace(0, 2 * np.pi, 8, endpoint=False)]
    places = np.array([(radius * r * np.cos(phi), radius * r * np.sin(phi), 0.0) for r, phi in rings])
    direction = np.array([0.0, np.sin(np.radians(angle)), np.cos(np.radians(angle))])
    return places, np.tile(direction, (len(places), 1))


def spots(curvatures: Any, lens: Any) -> Any:
    """Distances from the centre of each spot in micrometres, one row a colour and direction."""
    rows = []
    for angle in (0.0, 1.0):
        points = [trace(curvatures, lens, *bundle(angle), colour)[0][:, :2] for colour in COLOURS.values()]
        centre = np.mean(points, axis=(0, 1))
        rows += [1e3 * (p - centre).ravel() for p in points]
    return np.stack(rows)


def design(lens: Any) -> Any:
    """The best curvatures."""
    rays = lambda curvatures: spots(curvatures, lens).ravel()
    guess = np.array([c for c, _, _ in lens])
    return least_squares(graphad.jit(rays), guess, graphad.jit(graphad.jacfwd(rays)), x_scale=0.01).x


def main() -> None:
    for name, lens in ("singlet", SINGLET), ("doublet", DOUBLET):
        best = design(lens)
        sizes = np.sqrt(2 * np.mean(spots(best, lens) ** 2, axis=1)).reshape(2, 3)
        print(f"{name}: radii {', '.join(f'{1 / c:.2f}' for c in best)} mm; spots of", end="")
        for colour, on, off in zip(COLOURS, *sizes, strict=True):
            print(f" {colour} {on:.1f} and {off:.1f} µm", end=";" if colour != "C" else "\n")


if __name__ == "__main__":
    main()

"""Draw the pictures of the README and the documentation: `python docs/examples/pictures.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import graphad
from graphad.passes import Pipeline

IMAGES = Path(__file__).parent.parent / "images"
OPTIMISE = "grad(wrt=0), simplify, cse, fold, dce"


def loss(x, w):
    s = np.sin(x)
    return np.sum(s**2 * w)


def compose(n):
    def composed(x):
        for _ in range(n):
            x = x**2 + 3 * x + 4
        return x

    return composed


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    graph = graphad.trace(loss)(np.ones(3), np.ones(3))
    graphad.draw(Pipeline(OPTIMISE)(graph)).save(IMAGES / "gradient.svg")
    for n in (2, 6):
        graphad.draw(Pipeline(OPTIMISE)(graphad.trace(compose(n))(1.0))).save(IMAGES / f"swell-{n}.svg")


if __name__ == "__main__":
    main()

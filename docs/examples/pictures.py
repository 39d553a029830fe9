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


def branch(x):
    return x**2 if x > 2 else x**3


def root(a):
    x = a
    while abs(x * x - a) > 1e-12:
        x = (x + a / x) / 2
    return x


def derivatives(name, fun, x, order):
    """Draw a function and its derivatives."""
    for n in range(order + 1):
        graph = Pipeline("simplify, cse, fold, dce")(graphad.trace(fun)(x))
        graphad.draw(graph, title=f"{name}{chr(39) * n}").save(IMAGES / f"{name}-{n}.svg")
        fun = graphad.grad(fun)


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    graph = graphad.trace(loss)(np.ones(3), np.ones(3))
    graphad.draw(Pipeline(OPTIMISE)(graph)).save(IMAGES / "gradient.svg")
    for n in (2, 6):
        graphad.draw(Pipeline(OPTIMISE)(graphad.trace(compose(n))(1.0))).save(IMAGES / f"swell-{n}.svg")
    derivatives("branch", branch, 1.0, 2)
    derivatives("root", root, 2.0, 1)


if __name__ == "__main__":
    main()

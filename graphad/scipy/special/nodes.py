"""Nodes and weights of Gaussian quadrature whose weight function has traced parameters.

The nodes are the eigenvalues of the symmetric matrix of the recurrence that orthonormal polynomials obey, the weights
the squares of the first components of the eigenvectors, times the integral of the weight function (Golub and Welsch,
"Calculation of Gauss quadrature rules", 1969; the recurrences are those of DLMF 18.9).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.numpy.arguments import operand
from graphad.ops.elementwise import cast
from graphad.scipy.dispatch import namespace
from graphad.trace import UFUNCS

_traced = namespace("scipy.special")[0]


def _rule(name: str, n: Any, diagonal: Any, squares: Any, mass: Any, mu: bool) -> Any:
    """Nodes and weights by the diagonal of the matrix, `n` long, and the squares beside it, `n - 1` long."""
    if n < 1 or n != int(n):
        raise ShapeError(f"{name}: n must be a positive integer, not {n}")
    matrix = np.diag(diagonal)
    if n > 1:
        beside = np.diag(np.sqrt(squares), 1)
        matrix = matrix + beside + beside.T
    nodes, vectors = np.linalg.eigh(matrix)
    weights = mass * vectors[0] ** 2
    return (nodes, weights, mass) if mu else (nodes, weights)


def _number(x: Any, name: str) -> Any:
    x = operand(x)
    if x.ndim:
        raise ShapeError(f"{name}: a parameter must be a number, not an array of {x.ndim} axes")
    return cast(x, float)


@_traced
def roots_genlaguerre(n: int, alpha: Any, mu: bool = False) -> Any:
    """SciPy's `roots_genlaguerre`: of the weight function `x**alpha exp(-x)` on the positive numbers, `alpha > -1`."""
    alpha, k = _number(alpha, "roots_genlaguerre"), np.arange(1.0, n)
    return _rule(
        "roots_genlaguerre", n, 2 * np.arange(n) + 1 + alpha, k * (k + alpha), UFUNCS["gamma"](alpha + 1), mu
    )  # fmt: skip


@_traced
def roots_gegenbauer(n: int, alpha: Any, mu: bool = False) -> Any:
    """SciPy's `roots_gegenbauer`: of `(1 - x**2)**(alpha - 1/2)` on `[-1, 1]`, `alpha > -1/2`."""
    alpha, k = _number(alpha, "roots_gegenbauer"), np.arange(1.0, n)
    # The first factor over the first of the denominator is 1 / 2 / (1 + alpha) also for alpha == 0.
    squares = 0.25 * k * np.where(k == 1, 2.0, (k + 2 * alpha - 1) / np.where(k == 1, 1.0, k + alpha - 1)) / (k + alpha)
    mass = np.sqrt(np.pi) * UFUNCS["gamma"](alpha + 0.5) / UFUNCS["gamma"](alpha + 1)
    return _rule("roots_gegenbauer", n, 0 * alpha * np.arange(n), squares, mass, mu)


@_traced
def roots_jacobi(n: int, alpha: Any, beta: Any, mu: bool = False) -> Any:
    """SciPy's `roots_jacobi`: of `(1 - x)**alpha (1 + x)**beta` on `[-1, 1]`, both exponents above -1."""
    a, b = _number(alpha, "roots_jacobi"), _number(beta, "roots_jacobi")
    i, k = np.arange(1.0, n), np.arange(2.0, n)
    first = (b - a) / (a + b + 2)
    later = (b * b - a * a) / ((2 * i + a + b) * (2 * i + a + b + 2))
    # The first square without the factor that is 0 / 0 for a + b == -1.
    squares = 4 * (1 + a) * (1 + b) / ((2 + a + b) ** 2 * (3 + a + b))
    c = 2 * k + a + b
    more = 4 * k * (k + a) * (k + b) * (k + a + b) / (c * c * (c * c - 1))
    mass = 2 ** (a + b + 1) * UFUNCS["beta"](a + 1, b + 1)
    diagonal, squares = np.concatenate([first[None], later]), np.concatenate([squares[None], more])[: n - 1]
    return _rule("roots_jacobi", n, diagonal, squares, mass, mu)


@_traced
def roots_sh_jacobi(n: int, p1: Any, q1: Any, mu: bool = False) -> Any:
    """SciPy's `roots_sh_jacobi`: of `(1 - x)**(p1 - q1) x**(q1 - 1)` on `[0, 1]`."""
    nodes, weights, mass = roots_jacobi(n, p1 - q1, q1 - 1, True)
    scale = 0.5 ** _number(p1, "roots_sh_jacobi")
    found = 0.5 * (nodes + 1), weights * scale
    return (*found, mass * scale) if mu else found

"""Functions of `scipy.optimize` that call nothing back: Rosenbrock's, by which methods are tried, and `nnls`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from graphad.api.call import ShapeDtype
from graphad.api.custom import custom_jvp, pure_callback
from graphad.errors import ShapeError
from graphad.location import place
from graphad.numpy.arguments import float_dtype, operand
from graphad.ops.elementwise import cast
from graphad.scipy.dispatch import namespace

_traced, __getattr__ = namespace("scipy.optimize")


def _point(x: Any, name: str) -> Any:
    x = operand(x)
    if x.ndim == 0 or x.shape[0] < 2:
        raise ShapeError(f"{name}: a point of shape {list(x.shape)}{place()}; give 2 coordinates or more")
    return cast(x, float_dtype(x))


@_traced
def rosen(x: Any) -> Any:
    """SciPy's `rosen`: Rosenbrock's function of the first axis."""
    x = _point(x, "rosen")
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2, axis=0)


@_traced
def rosen_der(x: Any) -> Any:
    """SciPy's `rosen_der`: the gradient of Rosenbrock's function."""
    x = _point(x, "rosen_der")
    steep = x[1:] - x[:-1] ** 2
    none = np.zeros_like(x[:1])
    by_first = np.concatenate([-400 * steep * x[:-1] - 2 * (1 - x[:-1]), none])
    return by_first + np.concatenate([none, 200 * steep])


def _second(x: Any) -> tuple[Any, Any]:
    """The diagonal and the one beside it of the Hessian matrix."""
    none = np.zeros_like(x[:1])
    inner = np.concatenate([1200 * x[:-1] ** 2 - 400 * x[1:] + 2, none])
    return inner + np.concatenate([none, np.full_like(x[1:], 200.0)]), -400 * x[:-1]


@_traced
def rosen_hess(x: Any) -> Any:
    """SciPy's `rosen_hess`: the matrix of second derivatives of Rosenbrock's function."""
    diagonal, beside = _second(_point(x, "rosen_hess"))
    return np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)


@_traced
def rosen_hess_prod(x: Any, p: Any) -> Any:
    """SciPy's `rosen_hess_prod`: `rosen_hess(x) @ p`."""
    x = _point(x, "rosen_hess_prod")
    diagonal, beside = _second(x)
    p = cast(operand(p), x.dtype)
    none = np.zeros_like(p[:1])
    return diagonal * p + np.concatenate([beside * p[1:], none]) + np.concatenate([none, beside * p[:-1]])


@_traced
def nnls(A: Any, b: Any, *, maxiter: Any = None) -> tuple[Any, Any]:
    """SciPy's `nnls`: `x >= 0` of least squares of `A @ x - b`, and the norm of the residual.

    The derivative is that of the least squares in the components that are not 0, as long as these stay the same. With
    `m = A^T A` of these, `m dx = dA^T (b - A x) - A^T dA x + A^T db`.
    """
    a, b = operand(A), operand(b)
    dtype = float_dtype(a, b)
    a, b = cast(a, dtype), cast(b, dtype)
    if a.ndim != 2 or b.shape != a.shape[:1]:
        raise ShapeError(f"nnls: shapes {list(a.shape)} and {list(b.shape)}{place()} do not fit")
    n = a.shape[1]

    def scipys(a: Any, b: Any) -> Any:
        return import_module("scipy.optimize").nnls(a, b, maxiter=maxiter)[0]

    @custom_jvp
    def solution(a: Any, b: Any) -> Any:
        return pure_callback(scipys, ShapeDtype((n,), dtype), a, b)

    @solution.defjvp
    def along(primals: Any, tangents: Any) -> Any:
        (a, b), (da, db) = primals, tangents
        x = solution(a, b)
        positive = x > 0
        columns = np.where(positive, a, 0.0)
        matrix = columns.T @ columns + np.diag(np.where(positive, 0.0, 1.0).astype(dtype))
        right = np.where(positive, da, 0.0).T @ (b - a @ x) + columns.T @ (db - da @ x)
        return x, np.linalg.solve(matrix, right)

    x = solution(a, b)
    return x, np.linalg.norm(a @ x - b)

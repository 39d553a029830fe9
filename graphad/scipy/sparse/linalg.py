"""`graphad.scipy.sparse.linalg`: solutions of sparse systems with traced values. Other names are SciPy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphad.errors import ShapeError
from graphad.location import place
from graphad.numpy.arguments import float_dtype, operand
from graphad.ops.elementwise import cast
from graphad.ops.sparse import SparseSolve
from graphad.scipy.dispatch import namespace
from graphad.scipy.sparse.matrices import as_matrix

_traced, __getattr__ = namespace("scipy.sparse.linalg")


@_traced
def spsolve(A: Any, b: Any, permc_spec: Any = None, use_umfpack: bool = True) -> Any:
    """SciPy's `spsolve`: `x` with `A @ x == b`, for a dense vector or matrix `b`, differentiable in both.

    `A` is a sparse matrix of SciPy's, or one with traced entries. Its factors are kept from call to call as long as its
    entries are the same. Raises `ShapeError` where the shapes do not fit; a singular matrix gives NaN.
    """
    a, b = as_matrix(A), operand(b)
    n = a.shape[0]
    if a.shape[0] != a.shape[1] or b.ndim not in (1, 2) or b.shape[0] != n:
        raise ShapeError(f"spsolve: a matrix of shape {list(a.shape)} and a right-hand side {b.type}{place()}")
    dtype = float_dtype(operand(a.data), b)
    found = SparseSolve(n, n)(cast(operand(a.data), dtype), a.indices, a.indptr, cast(b, dtype))
    return found[:, 0] if b.shape == (n, 1) else found


@_traced
def factorized(A: Any) -> Callable[[Any], Any]:
    """SciPy's `factorized` of a matrix with traced entries: a function that solves for right-hand sides."""
    a = as_matrix(A)
    return lambda b: spsolve(a, b)

"""`graphad.scipy.sparse.linalg`: solutions of sparse systems with traced values. Other names are SciPy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.location import place
from graphad.numpy.arguments import float_dtype, operand
from graphad.ops.elementwise import cast
from graphad.ops.sparse import SparseSolve
from graphad.scipy.dispatch import namespace
from graphad.scipy.sparse import krylov
from graphad.scipy.sparse.matrices import Matrix, as_matrix

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


for _method in (krylov.cg, krylov.bicgstab, krylov.gmres):
    _traced(_method)


class Factors:
    """What SciPy's `splu` gives, of a matrix with traced entries: solutions for right-hand sides."""

    def __init__(self, a: Matrix) -> None:
        self.matrix, self.shape = a, a.shape

    def solve(self, rhs: Any, trans: str = "N") -> Any:
        """`x` with `A @ x == rhs`, or for `trans` "T" and "H" with the (conjugate) transpose. Raises `ValueError` for
        another `trans`."""
        if trans not in ("N", "T", "H"):
            raise ValueError(f"splu: trans={trans!r}{place()}; give 'N', 'T' or 'H'")
        a = self.matrix if trans == "N" else self.matrix.T
        if trans == "H":
            a = Matrix(np.conj(a.data), a.indices, a.indptr, a.shape)
        return spsolve(a, rhs)


@_traced
def splu(A: Any, *options: Any, **named: Any) -> Factors:
    """SciPy's `splu` of a matrix with traced entries, of whose result `solve` and `shape` are known. How the columns
    are ordered is SciPy's default."""
    return Factors(as_matrix(A))


@_traced
def factorized(A: Any) -> Callable[[Any], Any]:
    """SciPy's `factorized` of a matrix with traced entries: a function that solves for right-hand sides."""
    a = as_matrix(A)
    return lambda b: spsolve(a, b)

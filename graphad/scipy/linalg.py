"""`graphad.scipy.linalg`: functions of `scipy.linalg` on traced values, with SciPy's arguments and results.

Matrices stand alone, not in stacks. `overwrite_a`, `overwrite_b` and `check_finite` change nothing; without traced
operands every function is SciPy's own, and so are the names that are not defined in this module.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.numpy._register import float_dtype, holds_tracer, located_errors, operand
from graphad.ops.elementwise import cast
from graphad.ops.linalg import TriangularSolve


def _scipy(name: str) -> Any:
    import scipy.linalg

    return getattr(scipy.linalg, name)


def _traced(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The function for traced operands, SciPy's for others."""
    located = located_errors(handler)

    @wraps(handler)
    def function(*args: Any, **kwargs: Any) -> Any:
        if holds_tracer(args) or holds_tracer(kwargs.values()):
            return located(*args, **kwargs)
        return _scipy(handler.__name__)(*args, **kwargs)

    return function


def _adjoint(a: Any) -> Any:
    return np.conj(np.matrix_transpose(a))


@_traced
def cholesky(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """SciPy's `cholesky`: the upper factor unless `lower`, of the triangle of that name."""
    a = operand(a)
    return np.linalg.cholesky(a) if lower else _adjoint(np.linalg.cholesky(_adjoint(a)))


@_traced
def cho_factor(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Any, bool]:
    """SciPy's `cho_factor`: what `cho_solve` takes; here the other triangle of the factor is zero."""
    return cholesky(a, lower), lower


@_traced
def cho_solve(c_and_lower: Any, b: Any, overwrite_b: bool = False, check_finite: bool = True) -> Any:
    """SciPy's `cho_solve`: `x` with `a @ x == b`, for the factor of `a`."""
    c, lower = c_and_lower
    first, second = (0, "C") if lower else ("C", 0)
    return solve_triangular(c, solve_triangular(c, b, first, lower), second, lower)


@_traced
def solve_triangular(
    a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False, overwrite_b: bool = False,
    check_finite: bool = True,
) -> Any:  # fmt: skip
    """SciPy's `solve_triangular`: `x` with `op(a) @ x == b`, `trans` saying what `op` is; `b` has one axis or two."""
    a, b = operand(a), operand(b)
    if a.ndim != 2 or a.shape[0] != a.shape[1] or b.ndim not in (1, 2) or a.shape[0] != b.shape[0]:
        raise ShapeError(f"solve_triangular: shapes {list(a.shape)} and {list(b.shape)} do not fit")
    dtype = float_dtype(a, b)
    a, b = cast(a, dtype), cast(b, dtype)
    if trans in (2, "C"):
        a = np.conj(a)
    op = TriangularSolve(bool(lower), trans not in (0, "N"), bool(unit_diagonal))
    return op(a, b) if b.ndim == 2 else op(a, b[:, None])[:, 0]


@_traced
def solve(
    a: Any, b: Any, lower: bool = False, overwrite_a: bool = False, overwrite_b: bool = False,
    check_finite: bool = True, assume_a: Any = None, transposed: bool = False,
) -> Any:  # fmt: skip
    """SciPy's `solve`: `x` with `a @ x == b`; the whole matrix is read, whatever `assume_a` says of it."""
    a = operand(a)
    return np.linalg.solve(np.matrix_transpose(a) if transposed else a, b)


@_traced
def inv(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    return np.linalg.inv(operand(a))


@_traced
def det(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    return np.linalg.det(operand(a))


@_traced
def block_diag(*arrs: Any) -> Any:
    """SciPy's `block_diag`: matrices along the diagonal, zero elsewhere; vectors are rows."""
    blocks = [np.atleast_2d(operand(x)) for x in arrs]
    width, column, rows = sum(x.shape[1] for x in blocks), 0, []
    for x in blocks:
        rows.append(np.pad(x, ((0, 0), (column, width - column - x.shape[1]))))
        column += x.shape[1]
    return np.concatenate(rows)


@_traced
def toeplitz(c: Any, r: Any = None) -> Any:
    """SciPy's `toeplitz`: constant diagonals, by the first column and row; the row is the conjugated column if not
    given."""
    c = operand(c).reshape(-1)
    r = np.conj(c) if r is None else operand(r).reshape(-1)
    m, n = c.shape[0], r.shape[0]
    values = np.concatenate([c[::-1], r[1:]])
    return values[m - 1 - np.arange(m)[:, None] + np.arange(n)]


def __getattr__(name: str) -> Any:
    return _scipy(name)

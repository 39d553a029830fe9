"""`graphad.scipy.linalg`: functions of `scipy.linalg` on traced values, with SciPy's arguments and results.

Matrices come in stacks as SciPy takes them. `overwrite_a`, `overwrite_b`, `check_finite` and the choice of a LAPACK
driver change nothing; without traced operands every function is SciPy's own, and so are the names not defined here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import MissingRuleError, ShapeError
from graphad.location import place
from graphad.numpy.arguments import float_dtype, operand
from graphad.numpy.linalg import matrices
from graphad.ops.factors import Lu, Permutation, SolveBanded, permuted
from graphad.ops.linalg import TriangularSolve
from graphad.scipy.bases import (  # noqa: F401
    expm_cond,
    null_space,
    orth,
    orthogonal_procrustes,
    pinvh,
    rq,
    subspace_angles,
)
from graphad.scipy.dispatch import namespace
from graphad.scipy.matrix_equations import (  # noqa: F401
    solve_continuous_are,
    solve_continuous_lyapunov,
    solve_discrete_are,
    solve_discrete_lyapunov,
    solve_lyapunov,
    solve_sylvester,
)
from graphad.scipy.matrix_functions import (  # noqa: F401  (names of SciPy's module)
    block_diag,
    circulant,
    companion,
    coshm,
    cosm,
    expm,
    expm_frechet,
    fractional_matrix_power,
    hankel,
    khatri_rao,
    logm,
    sinhm,
    sinm,
    sqrtm,
    square,
    stacks,
    tanhm,
    tanm,
    toeplitz,
)  # fmt: skip
from graphad.scipy.reduced import eig_banded, eigvals_banded, hessenberg, ldl, schur, signm  # noqa: F401
from graphad.scipy.structured import (  # noqa: F401
    cholesky_banded,
    fiedler_companion,
    matmul_toeplitz,
    matrix_balance,
    qr_multiply,
)
from graphad.types import real_dtype

_traced, __getattr__ = namespace("scipy.linalg")


def _adjoint(a: Any) -> Any:
    return np.conj(np.matrix_transpose(a))


def _unsupported(name: str, what: str, remedy: str) -> MissingRuleError:
    return MissingRuleError(f"{name}: {what} cannot be traced{place()}; {remedy}")


# -- solving ------------------------------------------------------------------------------------------------------


@_traced
def solve(
    a: Any, b: Any, lower: bool = False, overwrite_a: bool = False, overwrite_b: bool = False,
    check_finite: bool = True, assume_a: Any = None, transposed: bool = False,
) -> Any:  # fmt: skip
    """SciPy's `solve`: `x` with `a @ x == b`; the whole matrix is read, whatever `assume_a` says of it."""
    a = operand(a)
    if a.ndim == 0:
        return np.atleast_1d(operand(b)) / a
    return np.linalg.solve(np.matrix_transpose(a) if transposed else a, b)


@_traced
def solve_triangular(
    a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False, overwrite_b: bool = False,
    check_finite: bool = True,
) -> Any:  # fmt: skip
    """SciPy's `solve_triangular`: `x` with `op(a) @ x == b`, `trans` saying what `op` is; a `b` of one axis is a
    vector."""
    b = operand(b)
    vector = b.ndim == 1
    a, columns = stacks("solve_triangular", a, b[:, None] if vector else b)
    if a.shape[-1] != a.shape[-2] or a.shape[-1] != columns.shape[-2]:
        raise ShapeError(f"solve_triangular: shapes {list(a.shape)} and {list(b.shape)} do not fit")
    x = TriangularSolve(bool(lower), trans not in (0, "N"), bool(unit_diagonal))(
        np.conj(a) if trans in (2, "C") else a, columns
    )
    return x[..., 0] if vector else x


@_traced
def solve_banded(
    l_and_u: Any, ab: Any, b: Any, overwrite_ab: bool = False, overwrite_b: bool = False, check_finite: bool = True
) -> Any:
    """SciPy's `solve_banded`: `x` with `a @ x == b`, `ab[u + i - j, j] == a[i, j]`, in time linear in the extent."""
    lower, upper = (int(n) for n in l_and_u)
    b = operand(b)
    vector = b.ndim == 1
    ab, columns = stacks("solve_banded", ab, b[:, None] if vector else b)
    x = SolveBanded(lower, upper)(ab, columns)
    return x[..., 0] if vector else x


@_traced
def solveh_banded(
    ab: Any, b: Any, overwrite_ab: bool = False, overwrite_b: bool = False, lower: bool = False,
    check_finite: bool = True,
) -> Any:  # fmt: skip
    """SciPy's `solveh_banded`: a Hermitian positive definite band matrix by one of its triangles.

    It is solved as a general band matrix, with pivots.
    """
    ab = operand(ab)
    if ab.ndim < 2:
        raise ShapeError(f"solveh_banded: bands of shape {list(ab.shape)}{place()}; give a row for each")
    rows, n = ab.shape[-2:]
    bands: list[Any] = []
    for d in range(rows):
        given = ab[..., d if lower else rows - 1 - d, :]
        inside = given[..., : n - d] if lower else given[..., d:]
        space = [(0, 0)] * (ab.ndim - 2)
        first, last = np.pad(inside, [*space, (d, 0)]), np.pad(inside, [*space, (0, d)])
        over, under = (np.conj(first), last) if lower else (first, np.conj(last))
        bands = [over, *bands, under] if d else [given]
    return solve_banded((rows - 1, rows - 1), np.stack(bands, -2), b)


@_traced
def solve_toeplitz(c_or_cr: Any, b: Any, check_finite: bool = True) -> Any:
    """SciPy's `solve_toeplitz`, by a general solve."""
    c, r = c_or_cr if isinstance(c_or_cr, tuple) else (c_or_cr, None)
    return np.linalg.solve(toeplitz(c, r), b)


@_traced
def solve_circulant(
    c: Any, b: Any, singular: str = "raise", tol: Any = None, caxis: int = -1, baxis: int = 0, outaxis: int = 0
) -> Any:
    """SciPy's `solve_circulant`, by Fourier transforms; a singular matrix gives infinities.

    Only `singular="raise"` is taken.
    """
    if singular != "raise":
        raise _unsupported("solve_circulant", f"singular={singular!r}", "leave it out")
    c, b = (np.atleast_1d(operand(x)) for x in (c, b))
    c, b = np.moveaxis(c, caxis, -1), np.moveaxis(b, baxis, -1)
    lead = c.ndim - 1
    c = c.reshape(*c.shape[:lead], *(1,) * (b.ndim - 1), c.shape[-1])
    x = np.fft.ifft(np.fft.fft(b) / np.fft.fft(c))
    return np.moveaxis(x if "c" in (b.dtype.kind, c.dtype.kind) else np.real(x), -1, outaxis)


@_traced
def lstsq(
    a: Any, b: Any, cond: Any = None, overwrite_a: bool = False, overwrite_b: bool = False,
    check_finite: bool = True, lapack_driver: Any = None,
) -> Any:  # fmt: skip
    """SciPy's `lstsq`; residuals are given for every matrix of more rows than columns, as `numpy.linalg.lstsq` says."""
    a = operand(a)
    return np.linalg.lstsq(a, b, np.finfo(float_dtype(a)).eps if cond is None else cond)


# -- factors ------------------------------------------------------------------------------------------------------


@_traced
def cholesky(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """SciPy's `cholesky`: the upper factor unless `lower`, of the triangle of that name."""
    a = square(a)
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
def lu_factor(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Any, Any]:
    """SciPy's `lu_factor`: both factors in one matrix, and the rows exchanged."""
    lu, pivots = Lu()(matrices("lu_factor", square(a)))
    return lu.reshape(operand(a).shape), pivots


@_traced
def lu_solve(lu_and_piv: Any, b: Any, trans: int = 0, overwrite_b: bool = False, check_finite: bool = True) -> Any:
    """SciPy's `lu_solve`: `x` with `op(a) @ x == b` for the factors of `a`, `op` transposing for `trans` 1 and
    also conjugating for 2."""
    lu, pivots = (operand(x) for x in lu_and_piv)
    b = operand(b)
    vector = b.ndim == 1
    order = Permutation(lu.shape[-1])(pivots)
    lu, columns = stacks("lu_solve", lu, b[:, None] if vector else b)
    order = np.broadcast_to(order, lu.shape[:-1])
    if trans == 0:
        y = TriangularSolve(True, False, True)(lu, permuted(columns, order))
        x = TriangularSolve(False, False, False)(lu, y)
    else:
        lu = np.conj(lu) if trans == 2 else lu
        y = TriangularSolve(True, True, True)(lu, TriangularSolve(False, True, False)(lu, columns))
        x = permuted(y, np.argsort(order, axis=-1))
    return x[..., 0] if vector else x


@_traced
def lu(
    a: Any, permute_l: bool = False, overwrite_a: bool = False, check_finite: bool = True, p_indices: bool = False
) -> Any:
    """SciPy's `lu`: `p, l, u` with `p @ l @ u == a`; `p @ l, u` with `permute_l`, `p` as an index with `p_indices`."""
    packed, pivots = Lu()(matrices("lu", a))
    m, n = packed.shape[-2:]
    k = min(m, n)
    lower = np.tril(packed[..., :k], -1) + np.eye(m, k, dtype=packed.dtype)
    upper = np.triu(packed[..., :k, :])
    order = np.argsort(Permutation(m)(pivots), axis=-1)
    if permute_l:
        return permuted(lower, order), upper
    if p_indices:
        return order, lower, upper
    real = real_dtype(packed.dtype)
    return permuted(np.broadcast_to(np.eye(m, dtype=real), (*packed.shape[:-2], m, m)), order), lower, upper


@_traced
def qr(
    a: Any, overwrite_a: bool = False, lwork: Any = None, mode: str = "full", pivoting: bool = False,
    check_finite: bool = True,
) -> Any:  # fmt: skip
    """SciPy's `qr` in the modes `"full"`, `"economic"` and `"r"`, without pivoting."""
    modes = {"full": "complete", "economic": "reduced"}
    if pivoting or mode not in (*modes, "r"):
        raise _unsupported("qr", "pivoting" if pivoting else f"mode={mode!r}", "use 'full', 'economic' or 'r'")
    if mode == "r":
        return (np.linalg.qr(a, "complete").R,)
    return tuple(np.linalg.qr(a, modes[mode]))  # type: ignore[call-overload]


@_traced
def svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, overwrite_a: bool = False, check_finite: bool = True,
    lapack_driver: str = "gesdd",
) -> Any:  # fmt: skip
    found = np.linalg.svd(a, full_matrices, compute_uv)  # type: ignore[call-overload]
    return tuple(found) if compute_uv else found


@_traced
def svdvals(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    return np.linalg.svdvals(a)


@_traced
def polar(a: Any, side: str = "right") -> tuple[Any, Any]:
    """SciPy's `polar`: `u, p` with `a == u @ p`, or `p @ u` with `side="left"`."""
    w, s, vh = np.linalg.svd(a, full_matrices=False)
    factor = np.conj(np.matrix_transpose(vh)) if side == "right" else w
    return w @ vh, (factor * s[..., None, :]) @ _adjoint(factor)


@_traced
def eigh(
    a: Any, b: Any = None, *, lower: bool = True, eigvals_only: bool = False, overwrite_a: bool = False,
    overwrite_b: bool = False, type: int = 1, check_finite: bool = True, subset_by_index: Any = None,
    subset_by_value: Any = None, driver: Any = None,
) -> Any:  # fmt: skip
    """SciPy's `eigh`, also of the generalised problem `a @ v == w * b @ v` of `type` 1, by the Cholesky factor of `b`.

    Eigenvalues by value would be of a number that depends on them, and are refused.
    """
    if subset_by_value is not None or type != 1:
        raise _unsupported("eigh", "subset_by_value" if type == 1 else f"type={type}", "use subset_by_index and type=1")
    start, stop = (0, operand(a).shape[-1]) if subset_by_index is None else (subset_by_index[0], subset_by_index[1] + 1)
    if b is not None:
        full = [x if lower else _adjoint(x) for x in stacks("eigh", a, b)]
        factor = np.linalg.cholesky(full[1])
        half = np.tril(full[0]) + _adjoint(np.tril(full[0], -1))
        inner = solve_triangular(factor, _adjoint(solve_triangular(factor, half, lower=True)), lower=True)
        a, lower = inner, True
    if eigvals_only:
        return np.linalg.eigvalsh(a, "L" if lower else "U")[..., start:stop]
    w, v = np.linalg.eigh(a, "L" if lower else "U")
    v = v[..., start:stop]
    return w[..., start:stop], v if b is None else solve_triangular(factor, v, "C", lower=True)


@_traced
def eigvalsh(
    a: Any, b: Any = None, *, lower: bool = True, overwrite_a: bool = False, overwrite_b: bool = False, type: int = 1,
    check_finite: bool = True, subset_by_index: Any = None, subset_by_value: Any = None, driver: Any = None,
) -> Any:  # fmt: skip
    return eigh(
        a, b, lower=lower, eigvals_only=True, type=type, subset_by_index=subset_by_index,
        subset_by_value=subset_by_value,
    )  # fmt: skip


@_traced
def eigh_tridiagonal(
    d: Any, e: Any, eigvals_only: bool = False, select: str = "a", select_range: Any = None, check_finite: bool = True,
    tol: float = 0.0, lapack_driver: str = "auto",
) -> Any:  # fmt: skip
    """SciPy's `eigh_tridiagonal` of all eigenvalues or those by index, as a full matrix."""
    if select == "v":
        raise _unsupported("eigh_tridiagonal", "select='v'", "use select='i'")
    a = np.diag(operand(d)) + np.diag(operand(e), -1)
    return eigh(a, eigvals_only=eigvals_only, subset_by_index=select_range if select == "i" else None)


@_traced
def eigvals(
    a: Any, b: Any = None, overwrite_a: bool = False, check_finite: bool = True, homogeneous_eigvals: bool = False
) -> Any:
    """SciPy's `eigvals`, complex; of the generalised problem for a regular `b`."""
    if homogeneous_eigvals:
        raise _unsupported("eigvals", "homogeneous_eigvals", "leave it out")
    return np.linalg.eigvals(a if b is None else np.linalg.solve(b, a))


@_traced
def eig(
    a: Any, b: Any = None, left: bool = False, right: bool = True, overwrite_a: bool = False, overwrite_b: bool = False,
    check_finite: bool = True, homogeneous_eigvals: bool = False,
) -> Any:  # fmt: skip
    """SciPy's `eig` with right eigenvectors; both results are complex."""
    if left or homogeneous_eigvals:
        what = "left eigenvectors" if left else "homogeneous_eigvals"
        raise _unsupported("eig", what, "use the right eigenvectors of the adjoint")
    w, v = np.linalg.eig(a if b is None else np.linalg.solve(b, a))
    return (w, v) if right else w


@_traced
def inv(a: Any, overwrite_a: bool = False, check_finite: bool = True, **options: Any) -> Any:
    return np.linalg.inv(operand(a))


@_traced
def det(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    return np.linalg.det(operand(a))


@_traced
def pinv(a: Any, *, atol: Any = None, rtol: Any = None, return_rank: bool = False, check_finite: bool = True) -> Any:
    """SciPy's `pinv`: singular values not above `atol + rtol * largest` count as zero."""
    a = matrices("pinv", a)
    if rtol is None:
        rtol = max(a.shape[-2:]) * np.finfo(a.dtype).eps if not atol else 0.0
    s = np.linalg.svdvals(a)
    largest = s[..., 0]
    cutoff = rtol + (0.0 if atol is None else atol / np.where(largest == 0, 1.0, largest))
    found = np.linalg.pinv(a, cutoff)
    return (found, np.sum(s > (cutoff * largest)[..., None], axis=-1)) if return_rank else found


@_traced
def norm(a: Any, ord: Any = None, axis: Any = None, keepdims: bool = False, check_finite: bool = True) -> Any:
    return np.linalg.norm(a, ord, axis, keepdims)

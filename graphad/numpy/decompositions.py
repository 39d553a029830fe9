"""NumPy's matrix decompositions on traced values: eigenvalues, singular values, QR, and what is made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.location import place
from graphad.numpy.arguments import float_dtype, operand
from graphad.numpy.dispatch import implements
from graphad.numpy.linalg import matrices, results_of
from graphad.ops.decompositions import Pinv, Qr, Svd, Svdvals
from graphad.ops.eigen import Eig, Eigh, Eigvals, Eigvalsh
from graphad.ops.elementwise import cast
from graphad.ops.shape import broadcast_to
from graphad.types import Array, ArrayLike, real_dtype


def _lower(name: str, UPLO: str) -> bool:
    if str(UPLO).upper() not in ("L", "U"):
        raise ValueError(f"{name}: UPLO={UPLO!r}{place()}; use 'L' for the lower triangle or 'U' for the upper")
    return str(UPLO).upper() == "L"


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    """NumPy's `eigh`: a pair `(eigenvalues, eigenvectors)`."""
    return results_of(np.linalg.eigh)(*Eigh(_lower("eigh", UPLO))(matrices("eigh", a, square=True)))


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return Eigvalsh(_lower("eigvalsh", UPLO))(matrices("eigvalsh", a, square=True))


@implements(np.linalg.eig)
def eig(a: Any) -> Any:
    """NumPy's `eig`, but for traced values always complex, since whether they are real depends on the values."""
    return results_of(np.linalg.eig)(*Eig()(matrices("eig", a, square=True)))


@implements(np.linalg.eigvals)
def eigvals(a: ArrayLike) -> Array:
    """NumPy's `eigvals`, but for traced values always complex."""
    return Eigvals()(matrices("eigvals", a, square=True))


@implements(np.linalg.svd)
def svd(a: ArrayLike, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """NumPy's `svd`; `hermitian` changes nothing about the result and is not needed for its derivative."""
    a = matrices("svd", a, square=hermitian)
    return results_of(np.linalg.svd)(*Svd(full_matrices)(a)) if compute_uv else Svdvals()(a)


@implements(np.linalg.svdvals)
def svdvals(x: Any, /) -> Array:
    return Svdvals()(matrices("svdvals", x))


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """NumPy's `qr` in the modes `"reduced"`, `"complete"` and `"r"`."""
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"qr: mode={mode!r}{place()}; use 'reduced', 'complete' or 'r'")
    found = Qr(mode)(matrices("qr", a))
    return found if mode == "r" else results_of(np.linalg.qr)(*found)


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = np._NoValue) -> Any:
    """NumPy's `pinv`: singular values not above `rcond` (or `rtol`) times the largest count as zero."""
    a = matrices("pinv", a, square=hermitian)
    dtype = real_dtype(a.dtype)
    if rcond is None:
        rcond = 1e-15 if rtol is np._NoValue else rtol
    if rcond is None:
        rcond = max(a.shape[-2:]) * np.finfo(dtype).eps
    return Pinv(hermitian)(a, broadcast_to(cast(operand(rcond), dtype), a.shape[:-2]))



@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> tuple[Any, Any, Any, Any]:
    """NumPy's `lstsq`: solution of least norm, sums of squared residuals, rank, singular values.

    The derivative holds along changes of `a` that keep its rank. Where NumPy leaves the residuals out because the rank
    is below the number of columns, which depends on the values, they are given here; they are left out if there are no
    more rows than columns. Raises `ShapeError` for shapes that do not fit.
    """
    a, b = operand(a), operand(b)
    dtype = float_dtype(a, b)
    a, b = cast(matrices("lstsq", a), dtype), cast(b, dtype)
    if a.ndim != 2 or b.ndim not in (1, 2) or a.shape[0] != b.shape[0]:
        raise ShapeError(f"lstsq: shapes {list(a.shape)} and {list(b.shape)} do not fit")
    rows, columns = a.shape
    eps = np.finfo(dtype).eps
    rcond = eps * max(rows, columns) if rcond is None else eps if rcond == -1 else rcond
    x = np.matmul(pinv(a, rcond), b)
    misfit = b - np.matmul(a, x)
    squares = np.sum(np.real(misfit * np.conj(misfit)), axis=0).reshape(-1) if rows > columns else np.zeros(0, dtype)
    s = Svdvals()(a)
    rank = np.sum(s > rcond * s[0]) if s.shape[0] else 0
    return x, squares, rank, s

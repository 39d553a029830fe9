"""NumPy's matrix decompositions on traced values: eigenvalues, singular values, QR, and what is made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.build import describe_location, user_location
from graphad.errors import ShapeError
from graphad.numpy._register import float_dtype, implements, operand
from graphad.ops.decompositions import Pinv, Qr, Svd, Svdvals
from graphad.ops.eigen import Eig, Eigh, Eigvals, Eigvalsh, real_dtype
from graphad.ops.elementwise import cast
from graphad.ops.shape import broadcast_to

EighResult = type(np.linalg.eigh(np.eye(1)))
EigResult = type(np.linalg.eig(np.eye(1)))
QRResult = type(np.linalg.qr(np.eye(1)))
SVDResult = type(np.linalg.svd(np.eye(1)))


def _matrix(name: str, a: Any, square: bool = False) -> Any:
    """The matrices in a floating dtype. Raises `ShapeError` for what is no matrix, or not square."""
    a = operand(a)
    if a.ndim < 2 or (square and a.shape[-1] != a.shape[-2]):
        kind = "square matrices" if square else "matrices"
        raise ShapeError(
            f"{name}: needs {kind} of shape [..., m, {'m' if square else 'n'}], not shape {list(a.shape)}"
            f"{describe_location(user_location())}"
        )
    return cast(a, float_dtype(a))


def _lower(name: str, UPLO: str) -> bool:
    if str(UPLO).upper() not in ("L", "U"):
        place = describe_location(user_location())
        raise ValueError(f"{name}: UPLO={UPLO!r}{place}; use 'L' for the lower triangle or 'U' for the upper")
    return str(UPLO).upper() == "L"


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    """NumPy's `eigh`: a pair `(eigenvalues, eigenvectors)`."""
    return EighResult(*Eigh(_lower("eigh", UPLO))(_matrix("eigh", a, True)))


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return Eigvalsh(_lower("eigvalsh", UPLO))(_matrix("eigvalsh", a, True))


@implements(np.linalg.eig)
def eig(a: Any) -> Any:
    """NumPy's `eig`, but for traced values always complex, since whether they are real depends on the values."""
    return EigResult(*Eig()(_matrix("eig", a, True)))


@implements(np.linalg.eigvals)
def eigvals(a: Any) -> Any:
    """NumPy's `eigvals`, but for traced values always complex."""
    return Eigvals()(_matrix("eigvals", a, True))


@implements(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """NumPy's `svd`; `hermitian` changes nothing about the result and is not needed for its derivative."""
    a = _matrix("svd", a, hermitian)
    return SVDResult(*Svd(full_matrices)(a)) if compute_uv else Svdvals()(a)


@implements(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    return Svdvals()(_matrix("svdvals", x))


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """NumPy's `qr` in the modes `"reduced"`, `"complete"` and `"r"`."""
    if mode not in ("reduced", "complete", "r"):
        place = describe_location(user_location())
        raise ValueError(f"qr: mode={mode!r}{place}; use 'reduced', 'complete' or 'r'")
    found = Qr(mode)(_matrix("qr", a))
    return found if mode == "r" else QRResult(*found)


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = np._NoValue) -> Any:
    """NumPy's `pinv`: singular values not above `rcond` (or `rtol`) times the largest count as zero."""
    a = _matrix("pinv", a, hermitian)
    dtype = real_dtype(a.dtype)
    if rcond is None:
        rcond = 1e-15 if rtol is np._NoValue else rtol
    if rcond is None:
        rcond = max(a.shape[-2:]) * np.finfo(dtype).eps
    return Pinv(hermitian)(a, broadcast_to(cast(operand(rcond), dtype), a.shape[:-2]))


__all__ = ["EigResult", "EighResult", "QRResult", "SVDResult"]

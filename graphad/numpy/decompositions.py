"""NumPy's matrix decompositions on traced values: eigenvalues, singular values, QR, and what is made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.build import describe_location, user_location
from graphad.numpy._register import implements, operand
from graphad.numpy.linalg import matrices, results_of
from graphad.ops.decompositions import Pinv, Qr, Svd, Svdvals
from graphad.ops.eigen import Eig, Eigh, Eigvals, Eigvalsh
from graphad.ops.elementwise import cast
from graphad.ops.shape import broadcast_to
from graphad.types import real_dtype


def _lower(name: str, UPLO: str) -> bool:
    if str(UPLO).upper() not in ("L", "U"):
        place = describe_location(user_location())
        raise ValueError(f"{name}: UPLO={UPLO!r}{place}; use 'L' for the lower triangle or 'U' for the upper")
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
def eigvals(a: Any) -> Any:
    """NumPy's `eigvals`, but for traced values always complex."""
    return Eigvals()(matrices("eigvals", a, square=True))


@implements(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """NumPy's `svd`; `hermitian` changes nothing about the result and is not needed for its derivative."""
    a = matrices("svd", a, square=hermitian)
    return results_of(np.linalg.svd)(*Svd(full_matrices)(a)) if compute_uv else Svdvals()(a)


@implements(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    return Svdvals()(matrices("svdvals", x))


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """NumPy's `qr` in the modes `"reduced"`, `"complete"` and `"r"`."""
    if mode not in ("reduced", "complete", "r"):
        place = describe_location(user_location())
        raise ValueError(f"qr: mode={mode!r}{place}; use 'reduced', 'complete' or 'r'")
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


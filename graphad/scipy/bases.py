"""Orthogonal bases of the spaces of matrices, and what is made of them: a part of `graphad.scipy.linalg`."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.location import place
from graphad.numpy.arguments import known, operand
from graphad.numpy.linalg import matrices
from graphad.ops.checks import Check, name_of
from graphad.ops.decompositions import Pinv
from graphad.ops.eigen import mirrored
from graphad.ops.elementwise import cast
from graphad.ops.matrix_functions import Frechet
from graphad.scipy.dispatch import namespace
from graphad.scipy.matrix_functions import expm, square, stacks
from graphad.trace import apply
from graphad.types import Array, ArrayLike, real_dtype

_traced, __getattr__ = namespace("scipy.linalg")


def _adjoint(a: Array) -> Array:
    return np.conj(np.matrix_transpose(a))


def _matrix(name: str, a: Any) -> Array:
    a = matrices(name, square(a))
    if a.ndim != 2:
        raise ShapeError(f"{name}: a stack of shape {list(a.shape)}{place()}; give one matrix, and graphad.vmap it")
    return a


def _rank(name: str, s: Array, shape: tuple[int, ...], rcond: Any) -> int:
    """The number of singular values that count. Where they are not known it is that of a matrix of full rank, and
    `ShapeError` is raised at run time for another."""
    rcond = np.finfo(s.dtype).eps * max(shape) if rcond is None else rcond
    counted = np.sum(s > np.max(s, initial=0.0) * rcond)
    rank = known(counted)
    if rank is None:
        message = f"{name}: the matrix has not full rank, which decides the shape of the result; call it outside of jit"
        apply(Check(name_of(ShapeError), (message,)), [counted == s.shape[0]])
        return int(s.shape[0])
    return int(rank)


@_traced
def orth(A: ArrayLike, rcond: Any = None) -> Array:
    """SciPy's `orth`: an orthonormal basis of the columns. Under `jit` the matrix must have full rank."""
    a = _matrix("orth", A)
    u, s, _ = np.linalg.svd(a, full_matrices=False)
    return u[:, : _rank("orth", s, a.shape, rcond)]


@_traced
def null_space(
    A: Any, rcond: Any = None, *, overwrite_a: bool = False, check_finite: bool = True, lapack_driver: str = "gesdd"
) -> Any:
    """SciPy's `null_space`: an orthonormal basis of what the matrix maps to 0, which turns with it but not within
    itself. Under `jit` the matrix must have full rank."""
    a = _matrix("null_space", A)
    _, s, vh = np.linalg.svd(a)
    return _adjoint(vh[_rank("null_space", s, a.shape, rcond) :, :])


@_traced
def subspace_angles(A: ArrayLike, B: ArrayLike) -> Array:
    """SciPy's `subspace_angles`: the angles between the spaces of columns, in descending order, by sines where they are
    small and by cosines where they are large (Knyazev and Argentati, "Principal angles between subspaces in an A-based
    scalar product", 2002)."""
    a, b = orth(A), orth(B)
    if a.shape[0] != b.shape[0]:
        raise ShapeError(f"subspace_angles: {a.shape[0]} and {b.shape[0]} rows{place()}; give equal numbers of them")
    product = _adjoint(a) @ b
    cosines = np.linalg.svdvals(product)
    rest = b - a @ product if a.shape[1] >= b.shape[1] else a - b @ _adjoint(product)
    sines = np.linalg.svdvals(rest)
    small = cosines**2 >= 0.5
    by_sine = np.arcsin(np.clip(np.where(small, sines, 0.0), -1.0, 1.0))
    descending = cosines[::-1]
    return np.where(small, by_sine, np.arccos(np.clip(np.where(small, 0.0, descending), -1.0, 1.0)))


@_traced
def orthogonal_procrustes(A: Any, B: Any, check_finite: bool = True) -> tuple[Any, Any]:
    """SciPy's `orthogonal_procrustes`: the orthogonal matrix `r` for which `a @ r` is nearest to `b`, and the sum of
    singular values."""
    a, b = stacks("orthogonal_procrustes", A, B)
    if a.shape != b.shape:
        raise ShapeError(f"orthogonal_procrustes: shapes {list(a.shape)} and {list(b.shape)}{place()}; give equal ones")
    u, w, vt = np.linalg.svd(_adjoint(a) @ b)
    return u @ vt, np.sum(w, axis=-1)


@_traced
def pinvh(
    a: Any, atol: Any = None, rtol: Any = None, lower: bool = True, return_rank: bool = False, check_finite: bool = True
) -> Any:
    """SciPy's `pinvh`: the pseudo-inverse of a Hermitian matrix, whose eigenvalues count as zero that are not larger
    than `atol` and `rtol` times the largest. The derivative holds along changes that keep the rank."""
    a = mirrored(matrices("pinvh", a, square=True), lower)
    sizes = np.abs(np.linalg.eigvalsh(a))
    largest = np.max(sizes, axis=-1, initial=0.0)
    absolute = 0.0 if atol is None else atol
    relative = a.shape[-1] * np.finfo(a.dtype).eps if rtol is None else rtol
    cutoff = cast(operand(relative + absolute / np.where(largest > 0, largest, 1.0)), real_dtype(a.dtype))
    found = Pinv(True)(a, np.broadcast_to(cutoff, a.shape[:-2]))
    return (found, np.sum(sizes > (absolute + largest * relative)[..., None], axis=-1)) if return_rank else found


@_traced
def rq(a: Any, overwrite_a: bool = False, lwork: Any = None, mode: str = "full", check_finite: bool = True) -> Any:
    """SciPy's `rq` in the modes `"full"`, `"r"` and `"economic"`: `r, q` with `a == r @ q`, by the QR factors of the
    transposed matrix with rows and columns reversed."""
    if mode not in ("full", "r", "economic"):
        raise ValueError(f"rq: mode={mode!r}{place()}; use 'full', 'r' or 'economic'")
    a = _matrix("rq", a)
    found = np.linalg.qr(_adjoint(a[::-1, ::-1]), "reduced" if mode == "economic" else "complete")
    q, r = _adjoint(found.Q)[::-1, ::-1], _adjoint(found.R)[::-1, ::-1]
    return r if mode == "r" else (r, q)


@_traced
def expm_cond(A: Any, check_finite: bool = True) -> Any:
    """SciPy's `expm_cond`: the relative condition number of the exponential, in the Frobenius norm."""
    a = _matrix("expm_cond", A)
    n = a.shape[0]
    every = np.eye(n * n, dtype=a.dtype).reshape(n * n, n, n)
    changes = Frechet("expm")(np.broadcast_to(a, every.shape), every).reshape(n * n, n * n)
    return np.linalg.norm(changes, 2) * np.linalg.norm(a) / np.linalg.norm(expm(a))

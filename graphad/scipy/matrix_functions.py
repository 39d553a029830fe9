"""Functions of matrices and matrices of a form: a part of `graphad.scipy.linalg`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.numpy.arguments import float_dtype, operand
from graphad.numpy.linalg import matrices
from graphad.ops.elementwise import cast
from graphad.ops.matrix_functions import Frechet, MatrixFunction
from graphad.scipy.dispatch import namespace
from graphad.types import Array, ArrayLike

_traced, __getattr__ = namespace("scipy.linalg")


def stacks(name: str, *xs: Any) -> list[Any]:
    """Matrices in one floating dtype, their leading axes broadcast against each other."""
    arrays = [operand(x) for x in xs]
    for x in arrays:
        if x.ndim < 2:
            raise ShapeError(f"{name}: needs matrices, not shape {list(x.shape)}")
    dtype = float_dtype(*arrays)
    lead = np.broadcast_shapes(*[x.shape[:-2] for x in arrays])
    return [np.broadcast_to(cast(x, dtype), (*lead, *x.shape[-2:])) for x in arrays]


def square(x: Any) -> Any:
    """An operand, a number as a matrix of one element, as SciPy takes it in some functions."""
    x = operand(x)
    return x.reshape(1, 1) if x.ndim == 0 else x


# -- functions of matrices ----------------------------------------------------------------------------------------


@_traced
def expm(A: ArrayLike) -> Array:
    """SciPy's `expm`, the exponential of square matrices."""
    return MatrixFunction("expm")(matrices("expm", square(A), square=True))


@_traced
def expm_frechet(A: Any, E: Any, method: Any = None, compute_expm: bool = True, check_finite: bool = True) -> Any:
    """SciPy's `expm_frechet`: `expm(A)` and its derivative along `E`, or the derivative alone."""
    a, e = stacks("expm_frechet", A, E)
    along = Frechet("expm")(a, e)
    return (expm(a), along) if compute_expm else along


@_traced
def sqrtm(A: Any, disp: Any = None, blocksize: int = 64) -> Any:
    """SciPy's `sqrtm`. A real matrix gives a real root; `LinAlgError` where it has none: give it as a complex one."""
    return MatrixFunction("sqrtm")(matrices("sqrtm", A, square=True))


@_traced
def logm(A: Any, disp: Any = None) -> Any:
    """SciPy's `logm`. A real matrix gives a real logarithm; `LinAlgError` where it is not: give it as a complex one."""
    return MatrixFunction("logm")(matrices("logm", A, square=True))


@_traced
def fractional_matrix_power(A: Any, t: Any) -> Any:
    """SciPy's `fractional_matrix_power`: `expm(t * logm(A))`, for integers by products."""
    if isinstance(t, int) or (isinstance(t, float) and t.is_integer()):
        return np.linalg.matrix_power(A, int(t))
    return expm(t * logm(A))


@_traced
def cosm(A: Any) -> Any:
    """SciPy's `cosm`."""
    return _trigonometric(A, lambda up, down: 0.5 * (up + down), np.real)


@_traced
def sinm(A: Any) -> Any:
    """SciPy's `sinm`."""
    return _trigonometric(A, lambda up, down: -0.5j * (up - down), np.imag)


def _trigonometric(A: Any, combine: Any, part: Any) -> Any:
    a = matrices("cosm", A, square=True)
    up = expm(1j * a)
    return combine(up, expm(-1j * a)) if a.dtype.kind == "c" else part(up)


@_traced
def tanm(A: Any) -> Any:
    """SciPy's `tanm`: `sinm(A)` divided by `cosm(A)`."""
    return np.linalg.solve(cosm(A), sinm(A))


@_traced
def coshm(A: Any) -> Any:
    """SciPy's `coshm`."""
    return 0.5 * (expm(A) + expm(-operand(A)))


@_traced
def sinhm(A: Any) -> Any:
    """SciPy's `sinhm`."""
    return 0.5 * (expm(A) - expm(-operand(A)))


@_traced
def tanhm(A: Any) -> Any:
    """SciPy's `tanhm`: `sinhm(A)` divided by `coshm(A)`."""
    return np.linalg.solve(coshm(A), sinhm(A))


# -- matrices of a form -------------------------------------------------------------------------------------------


@_traced
def block_diag(*arrs: Any) -> Any:
    """SciPy's `block_diag`: matrices along the diagonal, zero elsewhere; vectors are rows."""
    blocks = [np.atleast_2d(operand(x)) for x in arrs]
    width, column, rows = sum(x.shape[-1] for x in blocks), 0, []
    lead = np.broadcast_shapes(*[x.shape[:-2] for x in blocks])
    for x in blocks:
        space = [(0, 0)] * (len(lead) + 1)
        x = np.broadcast_to(x, (*lead, *x.shape[-2:]))
        rows.append(np.pad(x, [*space, (column, width - column - x.shape[-1])]))
        column += x.shape[-1]
    return np.concatenate(rows, -2)


@_traced
def toeplitz(c: Any, r: Any = None) -> Any:
    """SciPy's `toeplitz`: constant diagonals, by the first column and row; the row is the conjugated column if not
    given."""
    c = np.atleast_1d(operand(c))
    r = np.conj(c) if r is None else np.atleast_1d(operand(r))
    m, n = c.shape[-1], r.shape[-1]
    values = np.concatenate([c[..., ::-1], r[..., 1:]], -1)
    return values[..., m - 1 - np.arange(m)[:, None] + np.arange(n)]


@_traced
def hankel(c: Any, r: Any = None) -> Any:
    """SciPy's `hankel`: constant antidiagonals, by the first column and last row, which is zero if not given."""
    c = operand(c)
    m = c.shape[-1]
    r = np.zeros(m, c.dtype) if r is None else operand(r)
    values = np.concatenate([c, r[..., 1:]], -1)
    return values[..., np.arange(m)[:, None] + np.arange(r.shape[-1])]


@_traced
def circulant(c: Any) -> Any:
    """SciPy's `circulant`: each column is the one before, turned by one."""
    c = np.atleast_1d(operand(c))
    n = c.shape[-1]
    return c[..., (np.arange(n)[:, None] - np.arange(n)) % n]


@_traced
def companion(a: Any) -> Any:
    """SciPy's `companion`: the matrix whose characteristic polynomial has these coefficients."""
    a = operand(a)
    n = a.shape[-1] - 1
    first = -a[..., 1:] / a[..., :1]
    below = np.broadcast_to(np.eye(n - 1, n, dtype=first.dtype), (*a.shape[:-1], n - 1, n))
    return np.concatenate([first[..., None, :], below], -2)


@_traced
def fiedler(a: Any) -> Any:
    """SciPy's `fiedler`: the distances of numbers from each other."""
    a = np.atleast_1d(operand(a))
    return np.abs(a[..., :, None] - a[..., None, :])


@_traced
def leslie(f: Any, s: Any) -> Any:
    """SciPy's `leslie`: fecundities in the first row, survivals below the diagonal, of known numbers of classes."""
    f, s = operand(f), operand(s)
    n = f.shape[-1]
    if n < 2 or s.shape[-1:] != (n - 1,):
        raise ShapeError(f"leslie: {n} fecundities and {s.shape[-1:]} survivals, which must be one less")
    below = np.where(np.eye(n - 1, n, dtype=bool), s[..., :, None], np.zeros((), s.dtype))
    return np.concatenate([f[..., None, :], below], -2)


@_traced
def convolution_matrix(a: Any, n: int, mode: str = "full") -> Any:
    """SciPy's `convolution_matrix`: what convolves a vector of `n` elements with `a`, in a mode of `numpy.convolve`."""
    a = operand(a)
    m = a.shape[-1]
    if n <= 0 or m == 0:
        raise ShapeError(f"convolution_matrix: {m} elements and n={n} must both be positive")
    if mode not in ("full", "valid", "same"):
        raise ValueError(f"convolution_matrix: mode={mode!r} is none of 'full', 'valid' and 'same'")
    trim = 0 if mode == "full" else min(n, m) - 1
    first = trim if mode == "valid" else trim // 2
    last = m + n - 1 - (trim if mode == "valid" else trim - first)
    # Row i, column j has a[i - j].
    place = np.arange(first, last)[:, None] - np.arange(n)
    inside = np.logical_and(place >= 0, place < m)
    return np.where(inside, a[..., np.clip(place, 0, m - 1)], np.zeros((), a.dtype))


@_traced
def khatri_rao(a: Any, b: Any) -> Any:
    """SciPy's `khatri_rao`: Kronecker products of columns."""
    a, b = operand(a), operand(b)
    found = a[..., :, None, :] * b[..., None, :, :]
    return found.reshape(*found.shape[:-3], math.prod(found.shape[-3:-1]), found.shape[-1])

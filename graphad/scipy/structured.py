"""Products and factors of matrices of a form, and balanced ones: a part of `graphad.scipy.linalg`."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.api.call import ShapeDtype
from graphad.api.custom import pure_callback, stop_gradient
from graphad.errors import MissingRuleError, ShapeError
from graphad.location import place
from graphad.numpy.arguments import float_dtype, known, operand
from graphad.numpy.linalg import matrices
from graphad.ops.elementwise import cast
from graphad.scipy.dispatch import namespace
from graphad.scipy.matrix_functions import square

_traced, __getattr__ = namespace("scipy.linalg")


def _bands(rows: int, n: int, lower: bool) -> tuple[Any, Any, Any]:
    """For each place among the bands of a triangle its row and column there, and whether it is in the matrix."""
    band, column = np.indices((rows, n))
    row = column + band if lower else column + band - (rows - 1)
    return row, column, (row >= 0) & (row < n)


@_traced
def cholesky_banded(ab: Any, overwrite_ab: bool = False, lower: bool = False, check_finite: bool = True) -> Any:
    """SciPy's `cholesky_banded`: the bands of the factor of a Hermitian positive definite band matrix.

    Computed by the whole matrix. Places outside of it keep what `ab` has there.
    """
    ab = operand(ab)
    ab = cast(ab, float_dtype(ab))
    if ab.ndim == 0:
        return np.sqrt(ab)
    if ab.ndim != 2:
        raise ShapeError(f"cholesky_banded: bands of shape {list(ab.shape)}{place()}; give a row for each")
    rows, n = ab.shape
    row, column, inside = _bands(rows, n, lower)
    i, j = np.indices((n, n))
    band = i - j if lower else rows - 1 + i - j
    held = (band >= 0) & (band < rows) & ((i >= j) if lower else (i <= j))
    triangle = np.where(held, ab[np.clip(band, 0, rows - 1), j], 0.0)
    if not lower:
        triangle = np.conj(triangle.T)
    factor = np.linalg.cholesky(triangle)
    factor = factor if lower else np.conj(factor.T)
    return np.where(inside, factor[np.clip(row, 0, n - 1), column], ab)


@_traced
def matmul_toeplitz(c_or_cr: Any, x: Any, check_finite: bool = False, workers: Any = None) -> Any:
    """SciPy's `matmul_toeplitz`: `toeplitz(c, r) @ x`, by Fourier transforms."""
    c, r = c_or_cr if isinstance(c_or_cr, tuple) else (c_or_cr, None)
    c = operand(c).reshape(-1)
    r = np.conj(c) if r is None else operand(r).reshape(-1)
    x = operand(x)
    m, n = c.shape[0], r.shape[0]
    if x.ndim == 0 or x.shape[0] != n:
        raise ShapeError(f"matmul_toeplitz: x of shape {list(x.shape)}{place()} must have {n} rows")
    columns = x.reshape(n, -1)
    wound = np.concatenate([c, r[:0:-1]])
    length = m + n - 1
    product = np.fft.ifft(np.fft.fft(wound)[:, None] * np.fft.fft(columns, length, axis=0), axis=0)[:m]
    real = "c" not in (c.dtype.kind, r.dtype.kind, x.dtype.kind)
    return (np.real(product) if real else product).reshape(m, *x.shape[1:])


@_traced
def qr_multiply(
    a: Any, c: Any, mode: str = "right", pivoting: bool = False, conjugate: bool = False, overwrite_a: bool = False,
    overwrite_c: bool = False,
) -> Any:  # fmt: skip
    """SciPy's `qr_multiply` without pivoting: `c @ q`, or `q @ c` with `mode="left"`, and `r`, for `a == q @ r`."""
    if mode not in ("left", "right"):
        raise ValueError(f"qr_multiply: mode={mode!r}{place()} is none of 'left', 'right'")
    if pivoting:
        raise MissingRuleError(f"qr_multiply: pivoting cannot be traced{place()}; leave it out")
    a, c = matrices("qr_multiply", square(a)), operand(c)
    vector = c.ndim < 2
    if vector:
        c = np.atleast_2d(c)
        c = c.T if mode == "left" else c
    q, r = np.linalg.qr(a)
    q = np.conj(q) if conjugate else q
    if (c.shape[-2] != q.shape[-1]) if mode == "left" else (c.shape[-1] != q.shape[-2]):
        raise ShapeError(f"qr_multiply: shapes {list(a.shape)} and {list(c.shape)}{place()} do not fit")
    product = q @ c if mode == "left" else c @ q
    return product.reshape(-1) if vector else product, r


@_traced
def matrix_balance(
    A: Any, permute: bool = True, scale: bool = True, separate: bool = False, overwrite_a: bool = False
) -> Any:
    """SciPy's `matrix_balance`: rows and columns exchanged and scaled by powers of 2, which are constant but for
    jumps; the balanced matrix is differentiable."""
    a = matrices("matrix_balance", square(A), square=True)
    if a.ndim != 2:
        raise ShapeError(f"matrix_balance: an array of shape {list(a.shape)}{place()}; give one matrix")
    n = a.shape[0]

    def scipys(a: Any) -> Any:
        import scipy.linalg

        scaling, order = scipy.linalg.matrix_balance(a, permute, scale, True)[1]
        return np.asarray(scaling, float), np.asarray(order, np.int64)

    shapes = (ShapeDtype((n,), float), ShapeDtype((n,), np.int64))
    scaling, order = pure_callback(scipys, shapes, stop_gradient(a))
    balanced = np.take(np.take(a, order, axis=0), order, axis=1) * (scaling / scaling[:, None])
    if separate:
        return balanced, (scaling, order)
    return balanced, np.where(order == np.arange(n)[:, None], scaling, 0.0)


@_traced
def fiedler_companion(a: Any) -> Any:
    """SciPy's `fiedler_companion`: five diagonals with a characteristic polynomial of these coefficients."""
    a = np.atleast_1d(operand(a))
    n = a.shape[-1] - 1
    if n < 1:
        return np.zeros((*a.shape[:-1], 0), a.dtype)
    values = known(a)
    if values is not None and np.any(values[..., 0] == 0):
        raise ValueError(f"fiedler_companion: the first coefficient{place()} must not be 0")
    a = a / a[..., :1]
    if n == 1:
        return -a[..., 1:, None]
    # Each place of the matrix holds a 0, a 1, or one of the coefficients.
    which = np.zeros((n, n), int)
    which[range(3, n, 2), range(1, n - 2, 2)] = 1
    which[range(2, n, 2), range(1, n - 1, 2)] = range(4, n + 2, 2)
    which[range(0, n - 2, 2), range(2, n, 2)] = 1
    which[range(0, n - 1, 2), range(1, n, 2)] = range(3, n + 2, 2)
    which[:2, 0] = 2, 1
    ends = np.broadcast_to(np.array([0.0, 1.0]).astype(a.dtype), (*a.shape[:-1], 2))
    return np.concatenate([ends, -a[..., 1:]], -1)[..., which]

"""Factors of matrices that SciPy computes, with derivatives by the equations that define them: a part of
`graphad.scipy.linalg`.

They hold as long as what LAPACK chooses stays as it is: the order of eigenvalues, signs, and pivots.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.api.call import ShapeDtype
from graphad.api.custom import custom_jvp, pure_callback
from graphad.errors import MissingRuleError, ShapeError
from graphad.location import place
from graphad.numpy.arguments import float_dtype, operand
from graphad.ops.eigen import inverse_gaps
from graphad.ops.elementwise import cast
from graphad.ops.matrix_functions import Sylvester
from graphad.scipy.dispatch import namespace
from graphad.scipy.matrix_functions import square
from graphad.types import complex_dtype, real_dtype

_traced, __getattr__ = namespace("scipy.linalg")


def _single(name: str, a: Any, rectangular: bool = False) -> Any:
    """A matrix in a floating dtype."""
    a = operand(a)
    if a.ndim != 2 or (a.shape[0] != a.shape[1] and not rectangular):
        kind = "one matrix" if rectangular else "one square matrix"
        raise ShapeError(f"{name}: an array of shape {list(a.shape)}{place()}; give {kind}, and stacks by graphad.vmap")
    return cast(a, float_dtype(a))


def _by_scipy(function: Callable[[Any], Any], shapes: Sequence[ShapeDtype], rule: Callable[..., Any], a: Any) -> Any:
    """What a function of SciPy gives for a matrix, with the tangents `rule(results, a, da)`."""

    @custom_jvp
    def value(a: Any) -> Any:
        return pure_callback(function, tuple(shapes), a)

    @value.defjvp
    def along(primals: Any, tangents: Any) -> Any:
        out = value(*primals)
        return out, rule(out, primals[0], tangents[0])

    return value(a)


def _no_derivative(name: str, what: str, remedy: str) -> MissingRuleError:
    return MissingRuleError(f"{name}: {what} has no derivative{place()}; {remedy}")


def _adjoint(a: Any) -> Any:
    return np.conj(a.T)


@_traced
def schur(
    a: Any, output: str = "real", lwork: Any = None, overwrite_a: bool = False, sort: Any = None,
    check_finite: bool = True,
) -> Any:  # fmt: skip
    """SciPy's `schur`: `t, z` with `a == z @ t @ z^H`.

    With `z^H dz` the skew matrix `w`, `dt = z^H da z + t w - w t` keeps the form of `t`: zeros below its blocks, and
    equal numbers on the diagonal of a block of two. That is a linear system for the elements of `w` below the diagonal,
    solved as a whole, in time that grows as the sixth power of the extent. `numpy.linalg.LinAlgError` is raised for
    equal eigenvalues. The phases of complex vectors are LAPACK's choice, so that there is a value only.
    """
    a = _single("schur", a)
    if output not in ("real", "complex", "r", "c"):
        raise ValueError(f"schur: output={output!r}{place()}; use 'real' or 'complex'")
    if sort is not None:
        raise MissingRuleError(f"schur: sort={sort!r} cannot be traced{place()}; leave it out")
    if output[0] == "c":
        a = cast(a, complex_dtype(a.dtype))

    def scipys(a: Any) -> Any:
        import scipy.linalg

        return scipy.linalg.schur(a)

    kind = ShapeDtype(a.shape, a.dtype)
    return _by_scipy(scipys, (kind, kind), _schur_rule, a)


def _schur_rule(out: Any, a: Any, da: Any) -> Any:
    t, z = out
    if t.dtype.kind == "c":
        raise _no_derivative("schur", "a complex Schur form", "use output='real' of a real matrix, or eig")
    n = t.shape[0]
    inside = z.T @ da @ z
    rows, columns = np.tril_indices(n, -1)
    eye = np.eye(n, dtype=t.dtype)
    # What w t - t w has of each element of w; of the skew w by those below the diagonal.
    of = np.einsum("ik,lj->ijkl", eye, t) - np.einsum("ik,jl->ijkl", t, eye)
    of = of[:, :, rows, columns] - of[:, :, columns, rows]
    # Within a block of two it is the difference on the diagonal that stays 0.
    block = (rows == columns + 1) & (t[rows, columns] != 0)
    below = np.minimum(columns + 1, n - 1)
    system = np.where(block[:, None], of[columns, columns] - of[below, below], of[rows, columns])
    diagonal = np.diagonal(inside)
    right = np.where(block, diagonal[columns] - diagonal[below], inside[rows, columns])
    places = np.zeros((n, n), int)
    places[rows, columns] = np.arange(rows.size)
    found = np.linalg.solve(system, right) if rows.size else np.zeros(1, t.dtype)
    lower = np.where(np.tril(np.ones((n, n), bool), -1), found[places], 0.0)
    w = lower - lower.T
    dt = inside + t @ w - w @ t
    return np.where((t != 0) | np.triu(np.ones((n, n), bool)), dt, 0.0), z @ w


@_traced
def hessenberg(a: Any, calc_q: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """SciPy's `hessenberg`: `h`, zero below its first subdiagonal, or `h, q` with `a == q @ h @ q^H`.

    The first column of `q` is fixed, and with `q^H dq` the skew matrix `w`, `dh = q^H da q + h w - w h` gives the
    columns of `w` one after the other, by division by the subdiagonal of `h`. Of a complex matrix there is a value
    only.
    """
    a = _single("hessenberg", a)
    n = a.shape[0]
    if n <= 2:
        return (a, np.eye(n)) if calc_q else a

    def scipys(a: Any) -> Any:
        import scipy.linalg

        return scipy.linalg.hessenberg(a, True)

    kind = ShapeDtype(a.shape, a.dtype)
    h, q = _by_scipy(scipys, (kind, kind), _hessenberg_rule, a)
    return (h, q) if calc_q else h


def _hessenberg_rule(out: Any, a: Any, da: Any) -> Any:
    h, q = out
    if h.dtype.kind == "c":
        raise _no_derivative("hessenberg", "that of a complex matrix", "give a real one")
    n = h.shape[0]
    inside = q.T @ da @ q
    w = np.zeros((n, 1), h.dtype)
    for j in range(n - 2):
        # Column j of what stays 0: it holds the elements of w in column j + 1 below its diagonal.
        residual = inside[:, j] + h @ w[:, j] - w @ h[: j + 1, j]
        below = residual[j + 2 :] / h[j + 1, j]
        above = -w[j + 1, :]
        w = np.concatenate([w, np.concatenate([above, np.zeros(1, h.dtype), below])[:, None]], 1)
    w = np.concatenate([w, np.concatenate([-w[n - 1, :], np.zeros(1, h.dtype)])[:, None]], 1)
    return np.triu(inside + h @ w - w @ h, -1), q @ w


@_traced
def ldl(
    A: Any, lower: bool = True, hermitian: bool = True, overwrite_a: bool = False, check_finite: bool = True
) -> Any:
    """SciPy's `ldl`: `lu, d, perm` with `a == lu @ d @ lu^H` (`lu^T` if not `hermitian`), `d` of blocks of one and two.

    With `l = lu[perm]` triangular and `f = l^-1 da l^-H`, `dd` is what `f` has in the blocks of `d`, and
    `dl = l x d^-1` with `x` what `f` has below them.
    """
    a = _single("ldl", square(A))
    conjugate = hermitian and a.dtype.kind == "c"

    def turned(x: Any) -> Any:
        return np.conj(x.T) if conjugate else x.T

    rest, diagonal = np.tril(a, -1) if lower else np.triu(a, 1), np.diagonal(a)
    full = rest + turned(rest) + np.diag(cast(np.real(diagonal), a.dtype) if conjugate else diagonal)

    def scipys(a: Any) -> Any:
        import scipy.linalg

        lu, d, order = scipy.linalg.ldl(a, lower, hermitian)
        return lu, d, order.astype(np.int64)

    def rule(out: Any, a: Any, da: Any) -> Any:
        lu, d, order = out
        triangular = np.take(lu, order, axis=0)
        change = np.take(np.take(da, order, axis=0), order, axis=1)
        inverse = np.linalg.inv(triangular)
        inside = inverse @ change @ turned(inverse)
        blocks = (d != 0) | np.eye(d.shape[0], dtype=bool)
        outside = np.where(blocks, 0.0, np.tril(inside) if lower else np.triu(inside))
        moved = triangular @ outside @ np.linalg.inv(d)
        back = np.argsort(order)
        return np.take(moved, back, axis=0), np.where(blocks, inside, 0.0), np.zeros(order.shape)

    kind = ShapeDtype(a.shape, a.dtype)
    return _by_scipy(scipys, (kind, kind, ShapeDtype(a.shape[:1], np.int64)), rule, full)


@_traced
def eig_banded(
    a_band: Any, lower: bool = False, eigvals_only: bool = False, overwrite_a_band: bool = False, select: Any = "a",
    select_range: Any = None, max_ev: int = 0, check_finite: bool = True,
) -> Any:  # fmt: skip
    """SciPy's `eig_banded`: eigenvalues of a Hermitian band matrix by the bands of one triangle, and eigenvectors.

    The derivative is that of `numpy.linalg.eigh`. Eigenvalues by value would be of a number that depends on them.
    """
    band = _single("eig_banded", a_band, rectangular=True)
    if select in ("v", "value", 1):
        raise MissingRuleError(f"eig_banded: select={select!r} cannot be traced{place()}; use select='i'")
    rows, n = band.shape
    i, j = np.indices((n, n))
    held = (i - j if lower else j - i) if rows else i
    inside = (held >= 0) & (held < rows)
    at = np.clip(held if lower else rows - 1 - held, 0, rows - 1)

    def full(x: Any) -> Any:
        half = np.where(inside, x[at, j], 0.0)
        real = np.real(np.diagonal(half)) if x.dtype.kind == "c" else np.diagonal(half)
        return half + _adjoint(half) - np.diag(real)

    def scipys(a: Any) -> Any:
        import scipy.linalg

        return scipy.linalg.eig_banded(a, lower, select=select, select_range=select_range)

    start, stop = (select_range[0], select_range[1] + 1) if select in ("i", "index", 2) else (0, n)

    def rule(out: Any, a: Any, da: Any) -> Any:
        w, v = out if stop - start == n else np.linalg.eigh(full(a))
        along = full(da) @ out[1]
        growth = np.real(np.sum(np.conj(out[1]) * along, axis=0))
        return growth, v @ (inverse_gaps(w)[:, start:stop] * (_adjoint(v) @ along))

    kinds = ShapeDtype((stop - start,), real_dtype(band.dtype)), ShapeDtype((n, stop - start), band.dtype)
    w, v = _by_scipy(scipys, kinds, rule, band)
    return w if eigvals_only else (w, v)


@_traced
def eigvals_banded(
    a_band: Any, lower: bool = False, overwrite_a_band: bool = False, select: Any = "a", select_range: Any = None,
    check_finite: bool = True,
) -> Any:  # fmt: skip
    return eig_banded(a_band, lower, True, select=select, select_range=select_range)


@_traced
def signm(A: Any, disp: Any = None) -> Any:
    """SciPy's `signm`, `s`; its derivative along `e` solves `n x + x n == e - s e s` with `n = s a` (Higham, "Functions
    of Matrices", 2008, theorem 5.3)."""
    a = _single("signm", square(A))

    def scipys(a: Any) -> Any:
        import scipy.linalg

        return (scipy.linalg.signm(a),)

    def rule(out: Any, a: Any, da: Any) -> Any:
        (s,) = out
        n = s @ a
        return (Sylvester()(n, n, da - s @ da @ s),)

    return _by_scipy(scipys, (ShapeDtype(a.shape, a.dtype),), rule, a)[0]

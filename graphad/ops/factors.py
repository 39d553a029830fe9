"""The triangular factors of matrices with their pivots, and solves of banded systems, in stacks, by LAPACK."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError, TypeMismatchError
from graphad.namespaces import scipy_of
from graphad.op import Op, Sample, Types
from graphad.ops.contraction import matmul
from graphad.ops.index import take_along_axis
from graphad.ops.linalg import TriangularSolve
from graphad.ops.machinery import select
from graphad.ops.matrices import Failing, MatrixOp, check_matrix, check_precision, keep, matrix_transposed
from graphad.ops.shape import batch_all, broadcast_to, concatenate, expand_dims, squeeze
from graphad.ops.slicing import Pad, Slice
from graphad.types import INT64, Array, TensorType


class Lu(MatrixOp):
    """LAPACK's `getrf`: `lu, pivots`, the factors packed in one matrix, and the row each was exchanged with, in turn.

    `lu` has the unit lower trapezoid `L` `[..., m, k]` below its diagonal and `U` `[..., k, n]` above and on it,
    `k = min(m, n)`, with `L @ U` the matrix with its rows exchanged. With `f = L^-1 P da U^-1`, `dL = L tril(f, -1)`
    and `dU = triu(f) U` (de Hoog, Anderssen and Lukas, "Differentiation of matrix functionals using triangular
    factorization", 2011); the derivative divides by the diagonal of `U`.
    """

    def infer(self, *xs: TensorType) -> Types:
        (a,) = xs
        check_matrix(self, a)
        return a, TensorType(INT64, (*a.shape[:-2], min(a.shape[-2:])))

    def eval(self, xp: Any, *xs: Any) -> Any:
        (a,) = xs
        if xp is not np:
            found, order = scipy_of(xp, "linalg").lu_factor(a)
            return found, order.astype(INT64)
        from scipy.linalg import get_lapack_funcs

        lu, pivots = np.empty_like(a), np.empty((*a.shape[:-2], min(a.shape[-2:])), INT64)
        if a.size:
            (getrf,) = get_lapack_funcs(("getrf",), (a,))
            for i in np.ndindex(a.shape[:-2]):
                lu[i], pivots[i], _ = getrf(a[i])
        return lu, pivots

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        (lu, pivots), (da,) = out, tangents
        m, n = da.shape[-2:]
        k = min(m, n)
        da = permuted(da, Permutation(m)(pivots))
        square = _block(lu, 0, k, 0, k)
        left, right = TriangularSolve(True, False, True), TriangularSolve(False, True, False)

        def over_u(x: Array) -> Array:
            return matrix_transposed(right(square, matrix_transposed(x)))

        f = over_u(left(square, _block(da, 0, k, 0, k)))
        below, above = keep(k, lu.dtype, 0.0), keep(k, lu.dtype, 1.0, lower=False)
        lower, upper = square * below + np.eye(k, dtype=lu.dtype), square * above
        change_l, change_u = matmul(lower, f * below), matmul(f * above, upper)
        change = change_l * below + change_u * above
        if m > k:
            rest = _block(da, k, m, 0, k) - matmul(_block(lu, k, m, 0, k), change_u)
            change = concatenate([change, over_u(rest)], -2)
        elif n > k:
            rest = _block(da, 0, k, k, n) - matmul(change_l, _block(lu, 0, k, k, n))
            change = concatenate([change, left(square, rest)], -1)
        return change, None

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from super().samples()
        rng = np.random.default_rng(23)
        yield Sample(cls(), (rng.normal(size=(2, 3, 2)),))
        yield Sample(cls(), (rng.normal(size=(2, 4)),))


class Permutation(Op):
    """The permutation of `rows` that LAPACK's pivots make: `a[permutation]` has its rows exchanged as they say."""

    rows: int

    def infer(self, *xs: TensorType) -> Types:
        (pivots,) = xs
        if pivots.dtype.kind != "i" or pivots.ndim < 1:
            raise TypeMismatchError(f"permutation: pivots {pivots} must be rows of integers")
        return TensorType(INT64, (*pivots.shape[:-1], self.rows))

    def eval(self, xp: Any, *xs: Any) -> Array:
        (pivots,) = xs
        if xp is not np:
            return _exchanged(xp, pivots, self.rows)
        out = np.empty((*pivots.shape[:-1], self.rows), INT64)
        out[...] = np.arange(self.rows)
        for i in np.ndindex(pivots.shape[:-1]):
            row = out[i]
            for j, other in enumerate(pivots[i]):
                row[j], row[other] = row[other], row[j]
        return out

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Any:
        return self(*xs)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(4), (np.array([2, 2, 3]),))
        yield Sample(cls(3), (np.array([[2, 1, 2], [0, 1, 2]]),))


class SolveBanded(Failing):
    """`x` with `a @ x == b` for `a` with `lower` diagonals below and `upper` above the main one; linear in `b`.

    `ab` `[..., lower + upper + 1, n]` has the diagonals in rows, `ab[upper + i - j, j] == a[i, j]`, as SciPy's
    `linalg.solve_banded` takes them; `b` is `[..., n, k]`. Elements of `ab` outside the matrix are not read. Raises
    `numpy.linalg.LinAlgError` for a singular matrix. The derivative solves with the same matrix.
    """

    host_only = "LAPACK solves it, for NumPy's arrays"
    lower: int
    upper: int

    def guarded(self, live: Any, *xs: Any) -> Any:
        ab, b = xs
        identity = np.zeros((self.lower + self.upper + 1, ab.shape[-1]), ab.dtype)
        identity[self.upper] = 1
        return self(select(live, ab, identity), b)

    def infer(self, *xs: TensorType) -> Types:
        ab, b = xs
        check_precision(self, ab)
        if ab.dtype != b.dtype:
            raise TypeMismatchError(f"{self.name}: operands {ab} and {b} must first be cast to one dtype")
        fits = b.ndim >= 2 and ab.shape == (*b.shape[:-2], self.lower + self.upper + 1, b.shape[-2])
        if not fits or min(self.lower, self.upper) < 0:
            raise ShapeError(
                f"{self.name}: {self.lower} diagonals below and {self.upper} above the main one, in {ab}, do not fit "
                f"the right-hand side {b}"
            )
        return b

    def eval(self, xp: Any, *xs: Any) -> Array:
        import scipy.linalg

        ab, b = xs
        out = np.empty_like(b)
        if b.size:
            for i in np.ndindex(b.shape[:-2]):
                out[i] = scipy.linalg.solve_banded((self.lower, self.upper), ab[i], b[i], check_finite=False)
        return out

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Array:
        (ab, _), (dab, right) = primals, tangents
        if dab is not None:
            for row in range(self.lower + self.upper + 1):
                diagonal = expand_dims(_row(dab, row), -1)
                change = _shifted(diagonal * out, self.upper - row, -2)
                right = -change if right is None else right - change
        return self(ab, right)

    def transpose(self, ct: Any, *xs: Any) -> Any:
        last = self.lower + self.upper
        rows = [_shifted(_row(xs[0], last - i), i - self.lower, -1) for i in range(last + 1)]
        ab = concatenate([expand_dims(row, -2) for row in rows], -2)
        return None, SolveBanded(self.upper, self.lower)(ab, ct)

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Array:
        return self(*batch_all(batched, size, xs))

    def flops(self, *xs: TensorType) -> int:
        return 2 * xs[0].size * (self.lower + 1) + 2 * xs[1].size * (self.lower + self.upper + 1)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        rng = np.random.default_rng(29)
        for lower, upper, dtype in ((1, 1, "f8"), (2, 0, "f8"), (0, 2, "f4"), (1, 2, "c16")):
            ab = rng.uniform(-1, 1, (lower + upper + 1, 4))
            ab[upper] += 4
            b = rng.normal(size=(4, 2))
            if dtype == "c16":
                ab, b = np.stack([ab, ab * 1j + 1]), np.stack([b, b * 1j])
            yield Sample(cls(lower, upper), (ab.astype(dtype), b.astype(dtype)))


def _exchanged(xp: Any, pivots: Any, rows: int) -> Any:
    """The permutation where arrays are not written to: each exchange chooses anew."""
    places = xp.arange(rows)
    out = xp.broadcast_to(places, (*pivots.shape[:-1], rows)).astype(INT64)
    for j in range(pivots.shape[-1]):
        other = pivots[..., j : j + 1]
        first, second = out[..., j : j + 1], xp.take_along_axis(out, other, axis=-1)
        out = xp.where(places == j, second, xp.where(places == other, first, out))
    return out


def permuted(a: Array, order: Array) -> Array:
    """The rows of matrices in an order, of one permutation for each."""
    return take_along_axis(a, broadcast_to(expand_dims(order, -1), (*order.shape, a.shape[-1])), a.ndim - 2)


def _block(a: Array, top: int, bottom: int, left: int, right: int) -> Array:
    """Rows `top` to `bottom` and columns `left` to `right` of matrices."""
    lead = a.shape[:-2]
    if (top, left) == (0, 0) and (bottom, right) == a.shape[-2:]:
        return a
    return Slice((*[0] * len(lead), top, left), (*lead, bottom, right), (1,) * a.ndim)(a)


def _row(a: Array, i: int) -> Array:
    """Row `i` of matrices."""
    return squeeze(_block(a, i, i + 1, 0, a.shape[-1]), (a.ndim - 2,))


def _shifted(x: Any, by: int, axis: int) -> Array:
    """`y[i] == x[i + by]` along an axis, and 0 where there is no such element."""
    if by == 0:
        return x
    if abs(by) >= x.shape[axis]:
        return x * x.dtype.type(0)
    low, high = [0] * x.ndim, [0] * x.ndim
    low[axis], high[axis] = -by, by
    return Pad(tuple(low), tuple(high), (0,) * x.ndim)(x)


__all__ = ["Lu", "Permutation", "SolveBanded", "permuted"]

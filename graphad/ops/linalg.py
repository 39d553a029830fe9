"""Linear algebra on stacks of matrices: factorisations, solves, inverses, determinants.

All act on the last two axes and run over the leading ones; dtypes are floating or complex.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError, TypeMismatchError
from graphad.op import Sample, Types, is_linear
from graphad.ops.arithmetic import add, negative, subtract
from graphad.ops.contraction import matmul
from graphad.ops.machinery import multiply
from graphad.ops.matrices import (
    Failing,
    MatrixOp,
    check_square,
    conjugate_transposed,
    keep,
    matrix_transposed,
    samples_of,
)
from graphad.ops.shape import batch_all, moveaxis, reshape
from graphad.types import Array, TensorType


class Cholesky(Failing, MatrixOp):
    """The lower factor `L` with `L @ L.conj().T == a`; only the lower triangle of `a` is read, as NumPy does.

    Raises `numpy.linalg.LinAlgError` where `a` is not positive definite. The derivative is that of Murray,
    "Differentiation of the Cholesky decomposition" (2016): `dL = L Phi(L^-1 da L^-H)`, where `Phi` keeps the lower
    triangle and halves the diagonal.
    """

    def infer(self, *xs: TensorType) -> TensorType:
        check_square(self, xs[0])
        return xs[0]

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xp.linalg.cholesky(xs[0])

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Array:
        n, dtype = out.shape[-1], out.dtype
        # The tangent of what is read: the lower triangle mirrored.
        half = multiply(tangents[0], keep(n, dtype, diagonal=0.5))
        full = add(half, conjugate_transposed(half))
        left = TriangularSolve(True, False, False)
        inside = left(out, conjugate_transposed(left(out, full)))
        return matmul(out, multiply(inside, keep(n, dtype, diagonal=0.5)))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for a in samples_of():
            n = a.shape[-1]
            yield Sample(cls(), (a @ np.conj(np.swapaxes(a, -1, -2)) + np.eye(n, dtype=a.dtype),))


class _Solver(Failing, abstract=True):
    """Base of the ops that solve `a x = b`, with `a` `[..., n, n]` and `b` `[..., n, k]`; linear in `b`."""

    def infer(self, *xs: TensorType) -> TensorType:
        a, b = xs
        check_square(self, a)
        if a.dtype != b.dtype:
            raise TypeMismatchError(f"{self.name}: operands {a} and {b} must first be cast to one dtype")
        if b.ndim != a.ndim or b.shape[:-1] != a.shape[:-1]:
            raise ShapeError(f"{self.name}: the right-hand side {b} does not fit the matrix {a}")
        return b

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Array:
        a, b = xs
        if batched[0]:
            return self(*batch_all(batched, size, xs))
        # One factorisation serves the whole batch: its right-hand sides become columns.
        columns = moveaxis(b, 0, -1)
        solved = self(a, reshape(columns, (*b.shape[1:-1], b.shape[-1] * size)))
        return moveaxis(reshape(solved, columns.shape), -1, 0)

    def flops(self, *xs: TensorType) -> int:
        return 2 * xs[1].size * xs[0].shape[-1]


class TriangularSolve(_Solver):
    """`x` with `op(a) @ x == b` for triangular `a`, where `op` transposes if `transpose_a` (without conjugating).

    The other triangle of `a` is not read, nor is its diagonal if `unit_diagonal`.
    """

    lower: bool = True
    transpose_a: bool = False
    unit_diagonal: bool = False

    def eval(self, xp: Any, *xs: Any) -> Array:
        a, b = xs
        if xp is not np:
            return _blocked(xp, a, b, self)
        from scipy.linalg import solve_triangular

        out = np.empty(b.shape, b.dtype)
        if out.size == 0:
            return out
        for i in np.ndindex(a.shape[:-2]):
            out[i] = solve_triangular(
                a[i], b[i], trans=int(self.transpose_a), lower=self.lower, unit_diagonal=self.unit_diagonal,
                check_finite=False,
            )  # fmt: skip
        return out

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Array:
        (a, _), (da, db) = primals, tangents
        right = db
        if da is not None:
            diagonal = 0.0 if self.unit_diagonal else 1.0
            da = multiply(da, keep(a.shape[-1], a.dtype, diagonal, self.lower))
            change = matmul(matrix_transposed(da) if self.transpose_a else da, out)
            right = negative(change) if db is None else subtract(db, change)
        return self(a, right)

    def transpose(self, ct: Any, *xs: Any) -> Any:
        return None, TriangularSolve(self.lower, not self.transpose_a, self.unit_diagonal)(xs[0], ct)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        flags = [(True, False, False), (False, False, True), (True, True, False), (False, True, False)]
        for a, options in zip(samples_of(), [*flags, *flags], strict=False):
            b = np.cos(np.arange(2.0 * a.size / max(a.shape[-1], 1))).reshape(*a.shape[:-1], 2).astype(a.dtype)
            yield Sample(cls(*options), (a, b))


class Solve(_Solver):
    """NumPy's `linalg.solve` with a matrix on the right-hand side: `x` with `a @ x == b`.

    Raises `numpy.linalg.LinAlgError` for a singular `a`. The derivative solves with the same matrix:
    `a dx = db - da x`.
    """

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xp.linalg.solve(*xs)

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Array:
        (a, _), (da, db) = primals, tangents
        right = db
        if da is not None:
            change = matmul(da, out)
            right = negative(change) if db is None else subtract(db, change)
        return self(a, right)

    def transpose(self, ct: Any, *xs: Any) -> Any:
        if is_linear(xs[0]):
            return super().transpose(ct, *xs)
        return None, self(matrix_transposed(xs[0]), ct)

    def flops(self, *xs: TensorType) -> int:
        return super().flops(*xs) + 2 * xs[0].size * xs[0].shape[-1] // 3

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for a in samples_of():
            b = np.cos(np.arange(2.0 * a.size / max(a.shape[-1], 1))).reshape(*a.shape[:-1], 2).astype(a.dtype)
            yield Sample(cls(), (a, b))


class Inv(Failing, MatrixOp):
    """NumPy's `linalg.inv`. Raises `numpy.linalg.LinAlgError` for a singular matrix.

    The derivative is `-inv(a) da inv(a)` (Giles, "Collected matrix derivative results", 2008, section 2.2.3).
    """

    def infer(self, *xs: TensorType) -> Types:
        check_square(self, xs[0])
        return xs[0]

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xp.linalg.inv(xs[0])

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Array:
        return negative(matmul(out, matmul(tangents[0], out)))

    def flops(self, *xs: TensorType) -> int:
        return 2 * xs[0].size * xs[0].shape[-1]


def _blocked(xp: Any, a: Any, b: Any, op: TriangularSolve) -> Any:
    """The solution through a general solve, for array namespaces without triangular ones."""
    a = xp.tril(a) if op.lower else xp.triu(a)
    if op.unit_diagonal:
        eye = xp.eye(a.shape[-1], dtype=a.dtype)
        a = a * (1 - eye) + eye
    return xp.linalg.solve(xp.swapaxes(a, -1, -2) if op.transpose_a else a, b)


__all__ = ["Cholesky", "Inv", "Solve", "TriangularSolve"]

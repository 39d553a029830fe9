"""Products with and solutions of sparse matrices, by SciPy's compiled functions.

A matrix is given as compressed sparse rows: its numbers, the column of each, and where each row begins. Entries that
stand more than once are summed.
"""

from __future__ import annotations

import math
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError, TypeMismatchError
from graphad.op import Op, Sample, Types, is_linear
from graphad.ops.gather import ScatterAdd
from graphad.ops.shape import batch_all, concatenate, reshape, transpose
from graphad.types import Array, TensorType


class _Sparse(Op, abstract=True):
    """Base: operands `data`, `indices`, `indptr` of a matrix of `rows` and `columns`, and `x`, a vector or columns."""

    rows: int
    columns: int
    transposed: bool = False

    def infer(self, *xs: TensorType) -> Types:
        data, indices, indptr, x = xs
        if indices.dtype.kind not in "iu" or indptr.dtype.kind not in "iu":
            raise TypeMismatchError(f"{self.name}: columns {indices} and beginnings of rows {indptr} must be integers")
        if data.ndim != 1 or indices.shape != data.shape or indptr.shape != (self.rows + 1,):
            raise ShapeError(f"{self.name}: {data}, {indices}, {indptr} do not describe a matrix of {self.rows} rows")
        if data.dtype != x.dtype:
            raise TypeMismatchError(f"{self.name}: the matrix is of {data.dtype}, the operand {x}; cast one of them")
        size, count = (self.rows, self.columns) if self.transposed else (self.columns, self.rows)
        if x.ndim not in (1, 2) or x.shape[0] != size:
            raise ShapeError(f"{self.name}: the operand is {x}, and must have {size} rows")
        return TensorType(x.dtype, (count, *x.shape[1:]))

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Array:
        """Vectors of a batch are columns; matrices of a batch stand along the diagonal of one."""
        *matrix, x = xs
        if any(batched[:3]):
            data, indices, indptr, x = batch_all(batched, size, xs)
            before = np.arange(size)[:, None]
            beginnings = reshape(indptr[:, 1:] + before * data.shape[1], (-1,))
            whole = self.replace(rows=size * self.rows, columns=size * self.columns)
            found = whole(
                reshape(data, (-1,)), reshape(indices + before * self.columns, (-1,)),
                concatenate([np.zeros(1, beginnings.dtype), beginnings]), reshape(x, (size * x.shape[1], *x.shape[2:])),
            )  # fmt: skip
            return reshape(found, (size, self.columns if self.transposed else self.rows, *x.shape[2:]))
        n, *columns = x.shape[1:]
        flat = reshape(transpose(x, (1, 0, *range(2, x.ndim))), (n, size * math.prod(columns)))
        found = self(*matrix, flat)
        return transpose(reshape(found, (found.shape[0], size, *columns)), (1, 0, *range(2, x.ndim)))

    def matrix(self, data: Array, indices: Array, indptr: Array) -> Any:
        from scipy.sparse import csc_array, csr_array

        parts = (data, indices, indptr)
        if self.transposed:
            return csc_array(parts, shape=(self.columns, self.rows))
        return csr_array(parts, shape=(self.rows, self.columns))

    def flops(self, *xs: TensorType) -> int:
        return 2 * xs[0].size * (xs[3].size // max(xs[3].shape[0], 1))


class SparseMatmul(_Sparse):
    """`a @ x`, or `a.T @ x` if `transposed`, for a sparse `a` `[rows, columns]`."""

    def eval(self, xp: Any, *xs: Any) -> Array:
        if xp is not np:
            return self._summed(xp, *xs)
        data, indices, indptr, x = (np.ascontiguousarray(v) for v in xs)
        return self.matrix(data, indices, indptr) @ x

    def _summed(self, xp: Any, data: Any, indices: Any, indptr: Any, x: Any) -> Any:
        """The product as a sum of the rows of `x` times the matrix's numbers."""
        lines = xp.searchsorted(indptr, xp.arange(data.shape[0]), side="right") - 1
        left, right = (indices, lines) if self.transposed else (lines, indices)
        rows = self.columns if self.transposed else self.rows
        product = (data if x.ndim == 1 else data[:, None]) * xp.take(x, right, axis=0)
        return ScatterAdd((0,)).eval(xp, xp.zeros((rows, *x.shape[1:]), x.dtype), product, left)

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Array:
        data, indices, indptr, x = primals
        by_data, _, _, by_x = tangents
        terms = [] if by_data is None else [self(by_data, indices, indptr, x)]
        terms += [] if by_x is None else [self(data, indices, indptr, by_x)]
        return terms[0] if len(terms) == 1 else terms[0] + terms[1]

    def transpose(self, ct: Any, *xs: Any) -> Any:
        data, indices, indptr, x = xs
        if not is_linear(data):
            return None, None, None, self._replaced()(data, indices, indptr, ct)
        lines = np.searchsorted(indptr, np.arange(data.shape[0]), side="right") - 1
        left, right = (indices, lines) if self.transposed else (lines, indices)
        product = np.take(ct, left, axis=0) * np.take(x, right, axis=0)
        return (np.sum(product, axis=1) if x.ndim == 2 else product), None, None, None

    def _replaced(self) -> SparseMatmul:
        return SparseMatmul(self.rows, self.columns, not self.transposed)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        data, indices, indptr = np.array([1.5, -2.0, 0.5, 3.0, 0.25]), np.array([0, 2, 1, 1, 3]), np.array([0, 2, 2, 5])
        x = np.cos(np.arange(8.0)).reshape(4, 2)
        yield Sample(cls(3, 4), (data, indices, indptr, x[:, 0]))
        yield Sample(cls(3, 4), (data, indices, indptr, x))
        yield Sample(cls(3, 4, True), (data, indices, indptr, x[:3]))
        yield Sample(cls(3, 4), (data * (1 + 2j), indices, indptr, x * 1j))
        yield Sample(cls(3, 4, True), (data.astype("f4"), indices, indptr, x[:3, 1].astype("f4")))
        yield Sample(cls(2, 3), (data[:0], indices[:0], np.zeros(3, int), x[:3, 0]))


class SparseSolve(_Sparse):
    """`x` with `a @ x == b`, or `a.T @ x == b` if `transposed`, for a square sparse `a`, by SciPy's SuperLU.

    The factors of the last matrices are kept. A singular matrix gives NaN with SciPy's `MatrixRankWarning`.
    """

    host_only = "SciPy computes it, for NumPy's arrays"

    def infer(self, *xs: TensorType) -> Types:
        if self.rows != self.columns:
            raise ShapeError(f"{self.name}: a matrix of {self.rows} rows and {self.columns} columns is not square")
        if xs[0].dtype.kind not in "fc" or xs[0].dtype.itemsize == 2:
            raise TypeMismatchError(f"{self.name}: cast {xs[0]} to f32, f64, c64 or c128 first")
        return super().infer(*xs)

    def eval(self, xp: Any, *xs: Any) -> Array:
        *parts, b = (np.ascontiguousarray(v) for v in xs)
        factors = _factors(self, parts)
        if factors is None or not b.size:
            return np.full(b.shape, np.nan, b.dtype)
        return factors.solve(b)

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Array:
        data, indices, indptr, _ = primals
        by_data, _, _, right = tangents
        if by_data is not None:
            change = SparseMatmul(self.rows, self.columns, self.transposed)(by_data, indices, indptr, out)
            right = -change if right is None else right - change
        return self(data, indices, indptr, right)

    def transpose(self, ct: Any, *xs: Any) -> Any:
        return None, None, None, SparseSolve(self.rows, self.columns, not self.transposed)(*xs[:3], ct)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        data, indices = np.array([4.0, 1.0, -1.0, 3.0, 0.5, 2.0]), np.array([0, 2, 0, 1, 1, 2])
        indptr, b = np.array([0, 2, 4, 6]), np.cos(np.arange(6.0)).reshape(3, 2)
        yield Sample(cls(3, 3), (data, indices, indptr, b[:, 0]))
        yield Sample(cls(3, 3), (data, indices, indptr, b))
        yield Sample(cls(3, 3, True), (data, indices, indptr, b))
        yield Sample(cls(3, 3, True), (data + 1j * data[::-1] / 4, indices, indptr, b[:, 1] + 0.5j))
        yield Sample(cls(3, 3), (data.astype("f4"), indices, indptr, b.astype("f4")))


_KEPT: OrderedDict[Any, Any] = OrderedDict()
_MOST = 8


def _factors(op: SparseSolve, parts: Sequence[Array]) -> Any:
    """SuperLU's factors of a matrix, None for a singular one."""
    from scipy.sparse.linalg import MatrixRankWarning, splu

    key = (op.key, *[(p.dtype.str, p.tobytes()) for p in parts])
    if key not in _KEPT:
        matrix = op.matrix(*parts).tocsc(copy=True)
        matrix.sum_duplicates()
        try:
            _KEPT[key] = splu(matrix) if op.rows else None
        except RuntimeError:
            warnings.warn("sparse_solve: the matrix is exactly singular", MatrixRankWarning, stacklevel=2)
            return None
        while len(_KEPT) > _MOST:
            _KEPT.popitem(last=False)
    _KEPT.move_to_end(key)
    return _KEPT[key]

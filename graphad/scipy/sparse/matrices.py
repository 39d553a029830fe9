"""Sparse matrices with traced entries, and products of traced values with sparse matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad import tree
from graphad.errors import MissingRuleError, ShapeError, TypeMismatchError
from graphad.location import place
from graphad.numpy.arguments import operand
from graphad.ops.elementwise import cast
from graphad.ops.shape import concatenate
from graphad.ops.sparse import SparseMatmul
from graphad.types import Array, DType


class Matrix:
    """A sparse matrix with traced entries: `data`, with the column `indices` of each and the `indptr` of its rows.

    `times` says whether `a * x` is the matrix product, as of SciPy's `csr_matrix`, or goes by elements.
    """

    ndim = 2
    __array_ufunc__ = None

    def __init__(self, data: Array, indices: Array, indptr: Array, shape: tuple[int, int], times: bool = False) -> None:
        self.data, self.indices, self.indptr, self.shape, self.times = data, indices, indptr, shape, times

    @property
    def dtype(self) -> DType:
        return self.data.dtype

    @property
    def nnz(self) -> int:
        return int(self.indices.shape[0])

    @property
    def lines(self) -> Array:
        """The row of each entry."""
        return np.repeat(np.arange(self.shape[0]), np.diff(self.indptr))

    @property
    def T(self) -> Matrix:
        return from_entries(self.data, self.indices, self.lines, self.shape[::-1], self.times)

    def transpose(self) -> Matrix:
        return self.T

    def tocsr(self) -> Matrix:
        return self

    tocsc = tocoo = tocsr

    def toarray(self) -> Array:
        """The dense matrix; entries that stand more than once are summed."""
        return self @ np.eye(self.shape[1], dtype=self.dtype)

    todense = toarray

    def diagonal(self, k: int = 0) -> Array:
        """The elements `k` places above the main diagonal, or below it where `k` is negative."""
        on = self.indices - self.lines == k
        found = from_entries(self.data[on], self.lines[on], self.indices[on], self.shape)
        first, count = max(0, -k), min(self.shape[0] + min(k, 0), self.shape[1] - max(k, 0))
        return (found @ np.ones(self.shape[1], self.dtype))[first : first + max(count, 0)]

    def sum(self, axis: int | None = None) -> Any:
        if axis is None:
            return np.sum(self.data)
        ones = np.ones(self.shape[axis], self.dtype)
        return self.T @ ones if axis % 2 == 0 else self @ ones

    def dot(self, other: Array) -> Array:
        return self @ other

    def __matmul__(self, other: Array) -> Array:
        return product(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return product(other, self)

    def __mul__(self, other: Any) -> Any:
        if np.ndim(other) == 0:
            return Matrix(self.data * other, self.indices, self.indptr, self.shape, self.times)
        if self.times:
            return self @ other
        raise MissingRuleError(
            f"a sparse matrix times an array by elements cannot be traced{place()}; scale its entries, or use @"
        )

    def __rmul__(self, other: Any) -> Any:
        if np.ndim(other) == 0:
            return self * other
        return other @ self if self.times else self * other

    def __truediv__(self, other: Any) -> Any:
        return self * (1 / other)

    def __neg__(self) -> Matrix:
        return Matrix(-self.data, self.indices, self.indptr, self.shape, self.times)

    def __add__(self, other: Any) -> Matrix:
        other = as_matrix(other)
        if other.shape != self.shape:
            raise ShapeError(f"sparse matrices of shapes {self.shape} and {other.shape} cannot be added{place()}")
        data = concatenate([cast(x, np.result_type(self.dtype, other.dtype)) for x in (self.data, other.data)])
        lines = np.concatenate([self.lines, other.lines])
        columns = np.concatenate([self.indices, other.indices])
        return from_entries(data, lines, columns, self.shape, self.times)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Matrix:
        return self + -as_matrix(other)

    def __rsub__(self, other: Any) -> Matrix:
        return (-self).__add__(other)


def _flatten(a: Matrix) -> tuple[list[Any], Any]:
    return [a.data], (_Pattern(a.indices), _Pattern(a.indptr), a.shape, a.times)


class _Pattern:
    """An array of indices that compares and hashes by content."""

    def __init__(self, array: Array) -> None:
        self.array, self.content = array, array.tobytes()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Pattern) and self.content == other.content

    def __hash__(self) -> int:
        return hash(self.content)


def _unflatten(known: Any, children: Any) -> Matrix:
    indices, indptr, shape, times = known
    return Matrix(children[0], indices.array, indptr.array, shape, times)


tree.register(Matrix, _flatten, _unflatten)


def from_entries(data: Any, rows: Array, columns: Array, shape: tuple[int, int], times: bool = False) -> Matrix:
    """The matrix of entries at rows and columns, in any order."""
    order = np.lexsort((columns, rows))
    indptr = np.searchsorted(rows[order], np.arange(shape[0] + 1))
    sorted_already = bool((order == np.arange(order.size)).all())
    return Matrix(data if sorted_already else operand(data)[order], columns[order], indptr, shape, times)


def as_matrix(a: Any) -> Matrix:
    """A matrix of SciPy's, or one with traced entries, as the latter."""
    if isinstance(a, Matrix):
        return a
    if not hasattr(a, "tocsr"):
        raise TypeMismatchError(f"a sparse matrix and {type(a).__name__}{place()}: only sparse matrices can be added")
    a = a.tocsr()
    return Matrix(a.data, a.indices, a.indptr, a.shape)


def product(a: Any, b: Any) -> Array:
    """`a @ b` of which one is sparse, and the other dense with one axis or more, as in `numpy.matmul`."""
    sparse = [hasattr(x, "tocsr") for x in (a, b)]
    if all(sparse):
        raise MissingRuleError(f"the product of two sparse matrices cannot be traced{place()}; multiply vectors")
    left = sparse[0]
    matrix, x = (as_matrix(a), operand(b)) if left else (as_matrix(b), operand(a))
    axis = 0 if x.ndim == 1 else -2 if left else -1
    if x.ndim == 0 or x.shape[axis] != matrix.shape[1 if left else 0]:
        shapes = [list(x.shape) for x in ((matrix, x) if left else (x, matrix))]
        raise ShapeError(f"matmul: {shapes[0]} @ {shapes[1]} of a sparse matrix do not fit{place()}")
    dtype = np.result_type(matrix.dtype, x.dtype)
    columns = np.moveaxis(cast(x, dtype), axis, 0)
    rest = columns.shape[1:]
    flat = columns if len(rest) < 2 else columns.reshape(columns.shape[0], -1)
    apply = SparseMatmul(*matrix.shape, transposed=not left)
    found = apply(cast(operand(matrix.data), dtype), matrix.indices, matrix.indptr, flat)
    return np.moveaxis(found.reshape(found.shape[0], *rest), 0, axis)

"""`graphad.scipy.sparse`: sparse matrices as factors of traced values, and matrices with traced entries.

SciPy's own matrices stand for constants in `a @ x`, `x @ a`, `a.dot(x)` and `spsolve(a, b)`. Where the entries are
traced the constructors here give a `Matrix`, whose pattern is known. The names that are not defined here are SciPy's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError, ShapeError
from graphad.location import place
from graphad.numpy.arguments import known, operand
from graphad.ops.elementwise import cast
from graphad.ops.shape import concatenate
from graphad.scipy.dispatch import namespace
from graphad.scipy.sparse import linalg
from graphad.scipy.sparse.matrices import Matrix, from_entries
from graphad.types import Array, ArrayLike

__all__ = [
    "Matrix", "coo_array", "coo_matrix", "csc_array", "csc_matrix", "csr_array", "csr_matrix", "diags", "diags_array",
    "linalg",
]  # fmt: skip

_traced, __getattr__ = namespace("scipy.sparse")


def _size(shape: Any, rows: Array, columns: Array) -> tuple[int, int]:
    if shape is not None:
        return (int(shape[0]), int(shape[1]))
    return (int(rows.max(initial=-1)) + 1, int(columns.max(initial=-1)) + 1)


def _constructor(name: str, by_columns: bool = False) -> Callable[..., Any]:
    times = name.endswith("matrix")

    def construct(arg1: Any, shape: Any = None, dtype: Any = None, copy: bool = False) -> Any:
        if isinstance(arg1, Matrix):
            return arg1
        if not isinstance(arg1, tuple):
            raise MissingRuleError(
                f"{name}: the pattern of a traced dense matrix is not known{place()}; give the entries with their "
                "places, (data, (rows, columns))"
            )
        data = operand(arg1[0]) if dtype is None else cast(operand(arg1[0]), dtype)
        if len(arg1) == 2:
            rows, columns = (_known(name, i) for i in arg1[1])
            return from_entries(data, rows, columns, _size(shape, rows, columns), times)
        indices, indptr = (_known(name, i) for i in arg1[1:])
        lines = np.repeat(np.arange(indptr.size - 1), np.diff(indptr))
        if by_columns:
            return from_entries(data, indices, lines, _size(shape, indices, lines), times)
        size = (indptr.size - 1, _size(None, indices, indices)[1]) if shape is None else _size(shape, lines, indices)
        return Matrix(data, indices, indptr, size, times)

    construct.__name__ = name
    construct.__qualname__ = name
    construct.__doc__ = f"SciPy's `{name}` of traced entries, whose places are known."
    return _traced(construct)


def _known(name: str, index: Array) -> Array:
    found = known(index)
    if found is None:
        raise MissingRuleError(f"{name}: the places of the entries must be known when the function is traced{place()}")
    return np.asarray(found)


csr_array = _constructor("csr_array")
csr_matrix = _constructor("csr_matrix")
csc_array = _constructor("csc_array", by_columns=True)
csc_matrix = _constructor("csc_matrix", by_columns=True)
coo_array = _constructor("coo_array")
coo_matrix = _constructor("coo_matrix")


def _diagonals(diagonals: Any, offsets: Any, shape: Any, times: bool) -> Matrix:
    nested = isinstance(diagonals, (list, tuple)) and np.ndim(diagonals[0]) > 0
    given = list(diagonals) if nested or np.ndim(offsets) > 0 else [diagonals]
    places = [int(k) for k in np.atleast_1d(offsets)]
    if len(given) != len(places):
        raise ShapeError(f"diags: {len(given)} diagonals for {len(places)} offsets{place()}")
    given = [np.atleast_1d(operand(d)) for d in given]
    if shape is None:
        n = given[0].shape[0] + abs(places[0])
        shape = (n, n)
    dtype = np.result_type(*[d.dtype for d in given])
    data, rows, columns = [], [], []
    for d, k in zip(given, places, strict=True):
        first, column = max(0, -k), max(0, k)
        n = min(shape[0] - first, shape[1] - column)
        if n < 0 or d.shape[0] not in (1, n):
            raise ShapeError(f"diags: the diagonal at offset {k} has {d.shape[0]} entries, and must have {n}{place()}")
        data.append(cast(np.broadcast_to(d, (n,)), dtype))
        rows.append(first + np.arange(n))
        columns.append(column + np.arange(n))
    return from_entries(concatenate(data), np.concatenate(rows), np.concatenate(columns), tuple(shape), times)


@_traced
def diags(
    diagonals: ArrayLike, offsets: Any = 0, shape: Any = None, format: Any = None, dtype: Any = None
) -> Any:
    """SciPy's `diags` of traced diagonals at known offsets."""
    return _diagonals(diagonals, offsets, shape, True)


@_traced
def diags_array(
    diagonals: Any, /, *, offsets: Any = 0, shape: Any = None, format: Any = None, dtype: Any = None
) -> Any:
    """SciPy's `diags_array` of traced diagonals at known offsets."""
    return _diagonals(diagonals, offsets, shape, False)

"""What the ops on stacks of matrices share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from graphad.errors import ShapeError, TypeMismatchError
from graphad.op import Op, Sample
from graphad.ops.complex import conjugate
from graphad.ops.machinery import select
from graphad.ops.shape import transpose
from graphad.types import Array, DType, TensorType


def check_matrix(op: Op, a: TensorType) -> None:
    """Raise unless `a` is a stack of matrices of floating or complex numbers."""
    check_precision(op, a)
    if a.ndim < 2:
        raise ShapeError(f"{op.name}: {a} is not a matrix, nor a stack of them")


def check_precision(op: Op, a: TensorType) -> None:
    """Raise unless the dtype of `a` is one that LAPACK has."""
    if a.dtype.kind not in "fc" or a.dtype.itemsize == 2:
        raise TypeMismatchError(f"{op.name}: cast {a} to f32, f64, c64 or c128 first")


def check_square(op: Op, a: TensorType) -> None:
    """Raise unless `a` is a stack of square matrices of floating or complex numbers."""
    check_precision(op, a)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ShapeError(f"{op.name}: {a} is not a square matrix, nor a stack of them")


class Failing(Op, abstract=True):
    """Base of the ops of which LAPACK may tell at run time that a matrix, the first operand, will not do."""

    raises: ClassVar[tuple[type[Exception], ...]] = (np.linalg.LinAlgError,)

    def guarded(self, live: Any, *xs: Any) -> Any:
        return self(or_identity(live, xs[0]), *xs[1:])


def or_identity(live: Any, a: Any) -> Any:
    """The matrices `a` if the scalar `live` holds, else the identity, with which everything works."""
    return select(live, a, np.eye(a.shape[-2], a.shape[-1], dtype=a.dtype))


class MatrixOp(Op, abstract=True):
    """Base of the ops of one operand, a stack of matrices, that take a further leading axis as it stands."""

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Any:
        return self(*xs)

    def flops(self, *xs: TensorType) -> int:
        return xs[0].size * xs[0].shape[-1] * 2 // 3

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for a in samples_of():
            yield Sample(cls(), (a,))


def samples_of() -> Iterable[Array]:
    """Well-conditioned square matrices: one, stacks, single precision, complex, of extent 1 and 0."""
    rng = np.random.default_rng(11)
    eye = np.eye(3)
    yield rng.uniform(-1, 1, (3, 3)) + 2 * eye
    yield rng.uniform(-1, 1, (2, 3, 3)) + 2 * eye
    yield (rng.uniform(-1, 1, (3, 3)) + 2 * eye).astype("f4")
    yield rng.uniform(-1, 1, (3, 3)) + 2 * eye + 1j * rng.uniform(-1, 1, (3, 3))
    yield rng.uniform(1, 2, (1, 1))
    yield np.zeros((0, 2, 2))


def matrix_transposed(a: Array) -> Array:
    """The last two axes exchanged."""
    n = a.ndim
    return transpose(a, (*range(n - 2), n - 1, n - 2))


def conjugate_transposed(a: Any) -> Array:
    """The last two axes exchanged, complex numbers conjugated."""
    return conjugated(matrix_transposed(a))


def conjugated(a: Array) -> Array:
    """Complex numbers conjugated, real ones as they are."""
    return conjugate(a) if a.dtype.kind == "c" else a


def keep(n: int, dtype: DType, diagonal: float = 1.0, lower: bool = True) -> Array:
    """A mask of ones in one triangle, with `diagonal` on the diagonal."""
    ones = np.ones((n, n))
    inside = np.tril(ones, -1) if lower else np.triu(ones, 1)
    return np.asarray(inside + diagonal * np.eye(n), dtype)

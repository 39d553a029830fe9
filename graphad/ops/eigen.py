"""Eigenvalues and eigenvectors of stacks of square matrices.

An eigenvector is determined up to a factor, and equal eigenvalues have no eigenvectors of their own, only a space. The
tangent of an eigenvector divides by differences of eigenvalues; where two are equal within rounding, `1 / (wj - wi)`
is taken as 0. Derivatives are then finite, and right for what does not depend on the choice of vectors within the
space of equal eigenvalues, as far as it is made of symmetric functions of the eigenvalues (a sum of `f(w)`) and of the
projector onto that whole space. What is left out is how a change of the matrix mixes the vectors of equal
eigenvalues: a second derivative, or a matrix function `v @ diag(f(w)) @ v.T`, has a part in it that needs
`(f(wj) - f(wi)) / (wj - wi)`, which the vectors' tangent alone cannot give.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.op import Op, Sample, Types
from graphad.ops.arithmetic import equal
from graphad.ops.complex import absolute, imag, real
from graphad.ops.contraction import matmul
from graphad.ops.elementwise import cast
from graphad.ops.index import diagonal
from graphad.ops.linalg import Solve
from graphad.ops.matrices import Failing, MatrixOp, check_square, conjugate_transposed, conjugated, keep, samples_of
from graphad.ops.reduce import Argmax, Max, Sum
from graphad.ops.select import select
from graphad.ops.shape import expand_dims, iota
from graphad.types import Array, TensorType, complex_dtype, real_dtype

ROUNDING = 4
"""Eigenvalues that differ by less than this times `n * eps * max(abs(w))` are equal to what LAPACK can tell."""


def reciprocal(x: Array, zero: Array) -> Array:
    """`1 / x`, and 0 where the mask `zero` holds."""
    one = x.dtype.type(1)
    return select(zero, x.dtype.type(0), one / select(zero, one, x))


def inverse_gaps(w: Array) -> Array:
    """`1 / (w[..., j] - w[..., i])` at `[..., i, j]`, and 0 where the two are equal within rounding."""
    gaps = expand_dims(w, -2) - expand_dims(w, -1)
    n = w.shape[-1]
    if n == 0:
        return gaps
    sizes = absolute(w)
    largest = expand_dims(Max((w.ndim - 1,))(sizes), (-2, -1))
    limit = largest * sizes.dtype.type(ROUNDING * n * np.finfo(w.dtype).eps)
    return reciprocal(gaps, absolute(gaps) <= limit)


def mirrored(a: Array, lower: bool) -> Array:
    """The Hermitian matrix of which one triangle of `a` is read."""
    half = a * keep(a.shape[-1], a.dtype, 0.5, lower)
    return half + conjugate_transposed(half)


class _Hermitian(Failing, MatrixOp, abstract=True):
    """Base of the ops that read the lower triangle of a Hermitian matrix, the upper one if not `lower`."""

    lower: bool = True

    def flops(self, *xs: TensorType) -> int:
        return 9 * xs[0].size * xs[0].shape[-1]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        # LAPACK chooses the phase of a complex vector, and no derivative follows that.
        for a, lower in zip(samples_of(), [True, False] * 3, strict=True):
            if a.dtype.kind != "c":
                yield Sample(cls(lower), (a,))


def _stored(xp: Any, a: Array, lower: bool) -> tuple[Any, ...]:
    """The arguments for a function that is to read one triangle; outside of NumPy the other is made from it."""
    if xp is np:
        return a, "L" if lower else "U"
    half = xp.tril(a, -1) if lower else xp.triu(a, 1)
    diagonal = xp.where(xp.eye(a.shape[-1], dtype=bool), a.real.astype(a.dtype), 0)
    return (half + xp.conj(xp.swapaxes(half, -1, -2)) + diagonal,)


class Eigh(_Hermitian):
    """NumPy's `linalg.eigh`: eigenvalues in ascending order, real, and orthonormal eigenvectors in columns.

    The derivatives are `dw = diag(v^H da v)` and `dv = v (F * (v^H da v))` with `F[i, j] = 1 / (wj - wi)` (Giles,
    "An extended collection of matrix derivative results", 2008, section 3.1), 0 where the two are equal. The tangent of
    a complex eigenvector is the one orthogonal to it, without a change of phase: what depends on the phase, which is
    LAPACK's choice, has no derivative. Raises `numpy.linalg.LinAlgError` where the iteration does not converge.
    """

    def infer(self, *xs: TensorType) -> Types:
        (a,) = xs
        check_square(self, a)
        return TensorType(real_dtype(a.dtype), a.shape[:-1]), a

    def eval(self, xp: Any, *xs: Any) -> Any:
        return tuple(xp.linalg.eigh(*_stored(xp, xs[0], self.lower)))

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        w, v = out
        inside = matmul(conjugate_transposed(v), matmul(mirrored(tangents[0], self.lower), v))
        return real(diagonal(inside, -2, -1)), matmul(v, inverse_gaps(w) * inside)


class Eigvalsh(_Hermitian):
    """NumPy's `linalg.eigvalsh`: eigenvalues in ascending order, real. The derivative is that of `Eigh`."""

    def infer(self, *xs: TensorType) -> Types:
        (a,) = xs
        check_square(self, a)
        return TensorType(real_dtype(a.dtype), a.shape[:-1])

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xp.linalg.eigvalsh(*_stored(xp, xs[0], self.lower))

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Array:
        _, v = Eigh(self.lower)(primals[0])
        # Each diagonal element by itself: one matrix product less than the whole of v^H da v.
        moved = matmul(mirrored(tangents[0], self.lower), v)
        return real(Sum((v.ndim - 2,))(conjugated(v) * moved))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from super().samples()
        a = np.array([[2.0, 1 + 1j, -1j], [1 - 1j, 0.5, 0.25], [1j, 0.25, -1.0]])
        yield Sample(cls(), (a,))
        yield Sample(cls(False), (np.stack([a, 2 * a]),))


class Eig(Failing, MatrixOp):
    """NumPy's `linalg.eig`: eigenvalues and eigenvectors in columns, always complex.

    With `m = v^-1 da v` and `F` as in `Eigh`, `dw = diag(m)` and `dv = v (F * m)`, to which comes the multiple of each
    vector that keeps its norm 1 and its largest component real, as LAPACK scales it (Giles, 2008, section 3.1;
    Boeddeker et al., "On the computation of complex-valued gradients with application to statistically optimum
    beamforming", 2017). A matrix without a full set of eigenvectors has no derivative; `numpy.linalg.LinAlgError`
    is raised there, or values are huge.
    """

    def infer(self, *xs: TensorType) -> Types:
        (a,) = xs
        check_square(self, a)
        dtype = complex_dtype(a.dtype)
        return TensorType(dtype, a.shape[:-1]), TensorType(dtype, a.shape)

    def eval(self, xp: Any, *xs: Any) -> Any:
        w, v = xp.linalg.eig(xs[0])
        dtype = complex_dtype(xs[0].dtype)
        return w.astype(dtype), v.astype(dtype)

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        w, v = out
        inside = _in_basis(v, tangents[0])
        dv = matmul(v, inverse_gaps(w) * inside)
        if dv.shape[-1] == 0:
            return diagonal(inside, -2, -1), dv
        return diagonal(inside, -2, -1), dv - v * _scaling(v, dv)

    def flops(self, *xs: TensorType) -> int:
        return 25 * xs[0].size * xs[0].shape[-1]


class Eigvals(Failing, MatrixOp):
    """NumPy's `linalg.eigvals`: eigenvalues, always complex. The derivative is that of `Eig`."""

    def infer(self, *xs: TensorType) -> Types:
        (a,) = xs
        check_square(self, a)
        return TensorType(complex_dtype(a.dtype), a.shape[:-1])

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xp.linalg.eigvals(xs[0]).astype(complex_dtype(xs[0].dtype))

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Array:
        _, v = Eig()(primals[0])
        return diagonal(_in_basis(v, tangents[0]), -2, -1)

    def flops(self, *xs: TensorType) -> int:
        return 10 * xs[0].size * xs[0].shape[-1]


def _in_basis(v: Array, da: Array) -> Array:
    """`v^-1 da v`."""
    op: Op = Solve()
    return op(v, matmul(cast(da, v.dtype), v))


def _scaling(v: Array, dv: Array) -> Array:
    """The multiple of each column of `v` in `dv` that would change its norm, and turn its largest component."""
    rows = v.ndim - 2
    growth = expand_dims(Sum((rows,))(real(conjugated(v) * dv)), rows)
    # LAPACK makes the largest component exactly real; of several that are largest it is the one to find.
    exactly = cast(equal(imag(v), 0), growth.dtype)
    largest = expand_dims(Argmax(rows)(absolute(v) + exactly), rows)
    place = expand_dims(iota(v.shape[-1]), -1)
    here = cast(equal(place, largest), growth.dtype)
    turn = Sum((rows,))(imag(dv) * here) / Sum((rows,))(real(v) * here)
    return growth + expand_dims(turn, rows) * v.dtype.type(1j)


__all__ = ["Eig", "Eigh", "Eigvals", "Eigvalsh"]

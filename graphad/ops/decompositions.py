"""Singular values, orthogonal factors and pseudo-inverses of stacks of matrices of any shape.

Where singular values are equal within rounding, `1 / (sj - si)` is taken as 0 in the tangents of singular vectors, as
`graphad.ops.eigen` says of eigenvectors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.op import Sample, Types
from graphad.ops.arithmetic import equal, less_equal, negative
from graphad.ops.complex import absolute, imag, real
from graphad.ops.contraction import matmul
from graphad.ops.eigen import ROUNDING, inverse_gaps, reciprocal
from graphad.ops.elementwise import cast
from graphad.ops.index import diagonal
from graphad.ops.linalg import TriangularSolve
from graphad.ops.matrices import Failing, MatrixOp, check_matrix, conjugate_transposed, keep, matrix_transposed
from graphad.ops.reduce import Max
from graphad.ops.select import select
from graphad.ops.shape import batch_all, concatenate, expand_dims
from graphad.ops.slicing import Slice
from graphad.types import Array, TensorType, real_dtype


class _Decomposition(MatrixOp, abstract=True):
    """Base of the decompositions of matrices of any shape."""

    def flops(self, *xs: TensorType) -> int:
        return 10 * xs[0].size * min(xs[0].shape[-2:])


class Svd(Failing, _Decomposition):
    """NumPy's `linalg.svd`: `u, s, vh` with `a == (u * s) @ vh`, `s` in descending order, `k = min(m, n)` of them.

    `u` is `[..., m, k]` and `vh` `[..., k, n]`; with `full_matrices` both are square. With `x = u^H da v`, its
    Hermitian part `h` and its skew part `z`,

        ds = real(diag(x)),  du = u (h / (sj - si) + z / (sj + si)) + (1 - u u^H) da v / s,

    and `dv` alike with `-z` and `da^H u` (Townsend, "Differentiating the singular value decomposition", 2016, with
    `1 / (sj^2 - si^2)` split in two, which loses fewer digits). Columns beyond `k` stay orthogonal to the others and
    turn no further. Quotients with equal singular values, and by zero, are taken as 0. The phase that `u` and `v` have
    in common, and rotations among the further columns, are LAPACK's choice and have no derivative.
    """

    full_matrices: bool = True

    def infer(self, *xs: TensorType) -> Types:
        (a,) = xs
        check_matrix(self, a)
        *lead, m, n = a.shape
        k = min(m, n)
        rows, columns = (m, n) if self.full_matrices else (k, k)
        s = TensorType(real_dtype(a.dtype), (*lead, k))
        return a.with_shape((*lead, m, rows)), s, a.with_shape((*lead, columns, n))

    def eval(self, xp: Any, *xs: Any) -> Any:
        return tuple(xp.linalg.svd(xs[0], self.full_matrices))

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        (u, s, vh), (da,) = out, tangents
        k = s.shape[-1]
        v = conjugate_transposed(vh)
        inside = matmul(conjugate_transposed(_columns(u, 0, k)), matmul(da, _columns(v, 0, k)))
        adjoint = conjugate_transposed(inside)
        half = s.dtype.type(0.5)
        sums = expand_dims(s, -2) + expand_dims(s, -1)
        even = (inside + adjoint) * half * inverse_gaps(s)
        odd = (inside - adjoint) * half * reciprocal(sums, equal(sums, 0))
        du = _rotated(u, even + odd, da, _columns(v, 0, k), s)
        dv = _rotated(v, even - odd, conjugate_transposed(da), _columns(u, 0, k), s)
        return du, _growth(s, inside), conjugate_transposed(dv)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for full in (True, False):
            for a in _samples():
                yield Sample(cls(full), (a,))
        # Two columns of a full matrix that span the rest can turn, which no derivative follows.
        yield Sample(cls(False), (np.cos(np.arange(10.0)).reshape(5, 2),))


class Svdvals(Failing, _Decomposition):
    """NumPy's `linalg.svdvals`, the singular values in descending order.

    The derivative is `real(diag(u^H da v))`, at a singular value of 0 it is 0: a subgradient of what grows with them.
    """

    def infer(self, *xs: TensorType) -> Types:
        (a,) = xs
        check_matrix(self, a)
        return TensorType(real_dtype(a.dtype), (*a.shape[:-2], min(a.shape[-2:])))

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xp.linalg.svd(xs[0], compute_uv=False)

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Array:
        u, s, vh = Svd(False)(primals[0])
        return _growth(s, matmul(conjugate_transposed(u), matmul(tangents[0], conjugate_transposed(vh))))

    def flops(self, *xs: TensorType) -> int:
        return super().flops(*xs) // 2

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for a in _samples():
            yield Sample(cls(), (a,))
        yield Sample(cls(), (np.stack([_complex(), 2 * _complex()]),))


class Qr(_Decomposition):
    """NumPy's `linalg.qr` by `mode`: `q, r` with `q @ r == a`, `"reduced"` (`q` `[..., m, k]`, `r` `[..., k, n]`,
    `k = min(m, n)`) or `"complete"` (`q` square, `r` of the shape of `a`), or only the reduced `r` for `"r"`.

    With `b = q^H da r^-1` over the first `k` columns, `q^H dq` is the skew matrix `w` that has the lower triangle of
    `b` and keeps the diagonal of `r` real, and `dr = q^H da - w r` (Walter and Lehmann, "Algorithmic differentiation of
    linear algebra functions with application in optimum experimental design", 2010). It needs the first `k`
    columns to be independent, and only the first `k - 1` if there are no more rows than columns, since the last column
    of `q` then has no freedom but its phase; `numpy.linalg.LinAlgError` is raised where they are not. Columns of a
    complete `q` beyond `k` stay orthogonal to the others and turn no further.
    """

    mode: str = "reduced"

    def infer(self, *xs: TensorType) -> Types:
        (a,) = xs
        check_matrix(self, a)
        if self.mode not in ("reduced", "complete", "r"):
            raise ShapeError(f"qr: mode={self.mode!r} is none of 'reduced', 'complete' and 'r'")
        *lead, m, n = a.shape
        k = m if self.mode == "complete" else min(m, n)
        q, r = a.with_shape((*lead, m, k)), a.with_shape((*lead, k, n))
        return r if self.mode == "r" else (q, r)

    def eval(self, xp: Any, *xs: Any) -> Any:
        found = xp.linalg.qr(xs[0], self.mode)
        return found if self.mode == "r" else tuple(found)

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        q, r = Qr("reduced")(primals[0]) if self.mode == "r" else out
        (da,) = tangents
        k = min(da.shape[-2:])
        first, triangle = _columns(da, 0, k), _rows(_columns(r, 0, k), 0, k)
        if 0 < k == q.shape[-2]:
            last = np.arange(k * k).reshape(k, k) == k * k - 1
            triangle = select(last & _negligible(triangle), triangle.dtype.type(1), triangle)
        # da r^-1, from the transposed equation.
        solve = TriangularSolve(False, True, False)
        along = matrix_transposed(solve(triangle, matrix_transposed(first)))
        inside = matmul(conjugate_transposed(q), along)
        square = _rows(inside, 0, k)
        below = square * keep(k, q.dtype, diagonal=0.0)
        skew = below - conjugate_transposed(below)
        if q.dtype.kind == "c":
            skew = skew + cast(imag(square) * np.eye(k, dtype=real_dtype(q.dtype)), q.dtype) * q.dtype.type(1j)
        n = r.shape[-1]
        upper = np.triu(np.ones((k, n), r.dtype))
        q1 = _columns(q, 0, k)
        change = (matmul(conjugate_transposed(q1), da) - matmul(skew, _rows(r, 0, k))) * upper
        if self.mode == "r":
            return change
        if q.shape[-1] > k:
            beyond = _rows(inside, k, q.shape[-1])
            below = np.zeros((*r.shape[:-2], q.shape[-1] - k, n), r.dtype)
            return matmul(q, _bordered(skew, beyond)), concatenate([change, below], -2)
        dq = matmul(q, skew)
        return (dq + along - matmul(q, inside) if q.shape[-2] > k else dq), change

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for mode in ("reduced", "complete", "r"):
            for a in _samples():
                yield Sample(cls(mode), (a,))
        yield Sample(cls("reduced"), (np.stack([_complex(), 2 * _complex()]),))
        yield Sample(cls("complete"), (matrix_transposed(_complex()),))


class Pinv(Failing):
    """NumPy's `linalg.pinv`; operands are `a` and the relative cutoff `rcond` of each matrix, of a real dtype.

    Singular values not above `rcond` times the largest count as zero. The derivative holds along changes that keep
    the rank, and needs no singular vectors, so that equal singular values are no matter: with `p = pinv(a)`,
    `dp = -p da p + p p^H da^H (1 - a p) + (1 - p a) da^H p^H p` (Golub and Pereyra, "The differentiation of
    pseudo-inverses and nonlinear least squares problems whose variables separate", 1973).
    """

    hermitian: bool = False

    def infer(self, *xs: TensorType) -> Types:
        a, rcond = xs
        check_matrix(self, a)
        if rcond.dtype != real_dtype(a.dtype) or rcond.shape != a.shape[:-2]:
            raise ShapeError(
                f"pinv: rcond is {rcond}, and should be {real_dtype(a.dtype)} with one entry for each of {a}"
            )
        return a.with_shape((*a.shape[:-2], a.shape[-1], a.shape[-2]))

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xp.linalg.pinv(xs[0], xs[1], self.hermitian).astype(xs[0].dtype)

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        a, da = primals[0], tangents[0]
        if da is None:
            return None
        adjoint = conjugate_transposed(da)
        left = matmul(out, matmul(conjugate_transposed(out), adjoint))
        right = matmul(matmul(adjoint, conjugate_transposed(out)), out)
        outside = left - matmul(matmul(left, a), out) + right - matmul(out, matmul(a, right))
        return outside - matmul(out, matmul(da, out))

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Any:
        return self(*batch_all(batched, size, xs))

    def flops(self, *xs: TensorType) -> int:
        return 15 * xs[0].size * min(xs[0].shape[-2:])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for a in [*_samples(), _complex()]:
            yield Sample(cls(), (a, np.full(a.shape[:-2], 1e-6, real_dtype(a.dtype))))


def _negligible(x: Array) -> Array:
    """Which elements of matrices are zero within rounding, beside the largest."""
    sizes = absolute(x)
    largest = expand_dims(Max((x.ndim - 2, x.ndim - 1))(sizes), (-2, -1))
    return less_equal(sizes, largest * sizes.dtype.type(ROUNDING * x.shape[-1] * np.finfo(x.dtype).eps))


def _columns(x: Any, start: int, stop: int) -> Array:
    """Columns `start` to `stop` of matrices."""
    lead = x.shape[:-1]
    if (start, stop) == (0, x.shape[-1]):
        return x
    return Slice((*[0] * len(lead), start), (*lead, stop), (1,) * x.ndim)(x)


def _rows(x: Any, start: int, stop: int) -> Array:
    """Rows `start` to `stop` of matrices."""
    return matrix_transposed(_columns(matrix_transposed(x), start, stop)) if stop - start < x.shape[-2] else x


def _growth(s: Array, inside: Array) -> Array:
    """The tangent of singular values: the real diagonal of `u^H da v`, 0 at a singular value of 0, as for `abs`."""
    return select(equal(s, 0), s.dtype.type(0), real(diagonal(inside, -2, -1)))


def _rotated(u: Array, rotation: Array, da: Array, v: Array, s: Array) -> Array:
    """The tangent of singular vectors `u`: their `rotation` among themselves, and what `da v / s` adds from outside."""
    m, columns, k = u.shape[-2], u.shape[-1], s.shape[-1]
    if m == k:
        return matmul(u, rotation)
    along = matmul(da, v) * expand_dims(reciprocal(s, equal(s, 0)), -2)
    inside = matmul(conjugate_transposed(u), along)
    if columns == k:
        return matmul(u, rotation) + along - matmul(u, inside)
    return matmul(u, _bordered(rotation, _rows(inside, k, columns)))


def _bordered(rotation: Array, beyond: Array) -> Array:
    """The skew matrix `[[rotation, -beyond^H], [beyond, 0]]`: further columns turn against the first."""
    rest = beyond.shape[-2]
    left = concatenate([rotation, beyond], -2)
    zero = np.zeros((*beyond.shape[:-2], rest, rest), beyond.dtype)
    return concatenate([left, concatenate([negative(conjugate_transposed(beyond)), zero], -2)], -1)


def _complex() -> Array:
    """A complex matrix of three rows and two columns."""
    x = np.cos(np.arange(12.0) ** 1.5).reshape(2, 3, 2)
    return x[0] + 1j * x[1]


def _samples() -> Iterable[Array]:
    """Matrices of full rank: wide, stacks of tall ones, square ones in single precision, none."""
    rng = np.random.default_rng(19)
    yield rng.uniform(-1, 1, (2, 3))
    yield rng.uniform(-1, 1, (2, 3, 2))
    yield rng.uniform(-1, 1, (3, 3)).astype("f4")
    yield np.zeros((0, 2, 3))


__all__ = ["Pinv", "Qr", "Svd", "Svdvals"]
